"""Orders from the console: a batch whose package a worker writes, what became of it, who took it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import text

from codegen.batches import Batch
from codegen.states import Span
from kernel import audit, tasks
from kernel.crypto import Vault
from kernel.db import Tx
from kernel.errors import Conflict, NotFound
from kernel.tasks import TaskStatus

WRITE_PACKAGE: Final = "write_package"
_SEAL: Final = "package-download"


@dataclass(frozen=True, slots=True)
class State:
    """A state that was given to lines of a batch, as it was said."""

    id: int
    first: int
    last: int
    state: str
    reason: str | None
    set_at: datetime
    lifted_at: datetime | None


@dataclass(frozen=True, slots=True)
class Download:
    """A package that somebody took."""

    at: datetime
    actor: str
    file: str | None
    lines: int
    address: str | None


@dataclass(frozen=True, slots=True)
class LabelJob:
    """Labels that a worker prints or has printed."""

    id: UUID
    state: str
    done: int
    total: int
    format: str
    first: int
    last: int
    created_at: datetime


async def request_package(tx: Tx, batch: Batch) -> UUID | None:
    """Leave the writing of a batch's package to a worker, unless one is at it already.

    Returns:
        The task to wake a worker for; None where one is under way.
    """
    await tx.execute(text("SELECT 1 FROM batch WHERE id = :id FOR UPDATE"), {"id": batch.id})
    known = await progress(tx, batch)
    if known is not None and known.state in ("queued", "running"):
        return None
    task_id = await tasks.submit(tx, WRITE_PACKAGE, {"batch": batch.name}, brand_id=batch.brand_id)
    await tx.execute(text("UPDATE batch SET package_task = :task WHERE id = :id"), {"task": task_id, "id": batch.id})
    return task_id


async def progress(tx: Tx, batch: Batch) -> TaskStatus | None:
    """How far the writing of a batch's package is; None where the console never asked for it."""
    row = await tx.execute(text("SELECT package_task FROM batch WHERE id = :id"), {"id": batch.id})
    task_id: UUID | None = row.scalar_one_or_none()
    if task_id is None:
        return None
    try:
        return await tasks.status(tx, task_id)
    except NotFound:  # pruned long after it was done
        return None


async def spans(tx: Tx, found: list[Batch]) -> dict[int, list[Span]]:
    """The states that hold for lines of batches, by batch id; adjacent ranges of a state are one."""
    rows = await tx.execute(
        text("""
            SELECT r.batch_id, r.state, lower(r.part) AS low, upper(r.part) - 1 AS high
            FROM (SELECT batch_id, state, unnest(range_agg(units)) AS part FROM code_range
                  WHERE batch_id = ANY(CAST(:ids AS bigint[])) AND lifted_at IS NULL GROUP BY batch_id, state) r"""),
        {"ids": [batch.id for batch in found]},
    )
    by_id = {batch.id: batch for batch in found}
    held: dict[int, list[Span]] = {batch.id: [] for batch in found}
    for row in rows:
        batch = by_id[row.batch_id]
        held[batch.id].append(Span(batch.line(row.low), batch.line(row.high), row.state))
    return held


async def list_states(tx: Tx, batch: Batch, *, before: int | None, limit: int) -> list[State]:
    """What was said of a batch's lines, the latest first, from the one before `before` on."""
    rows = await tx.execute(
        text("""
            SELECT id, lower(units) AS low, upper(units) - 1 AS high, state, reason, set_at, lifted_at FROM code_range
            WHERE batch_id = :batch AND id < coalesce(CAST(:before AS bigint), 9223372036854775807)
            ORDER BY id DESC LIMIT :limit"""),
        {"batch": batch.id, "before": before, "limit": limit},
    )
    return [
        State(row.id, batch.line(row.low), batch.line(row.high), row.state, row.reason, row.set_at, row.lifted_at)
        for row in rows
    ]


async def thaw(tx: Tx, batch: Batch, state_id: int, *, actor: str) -> int:
    """Lift a freeze; the other states are final. Returns how many units.

    Raises:
        NotFound: the batch has no such range.
        Conflict: it is not frozen, or not any more.
    """
    row = await tx.execute(
        text("""
            SELECT lower(units) AS low, upper(units) - 1 AS high, state, reason, lifted_at FROM code_range
            WHERE id = :id AND batch_id = :batch FOR UPDATE"""),
        {"id": state_id, "batch": batch.id},
    )
    found = row.one_or_none()
    if found is None:
        raise NotFound(f"Batch {batch.name} has no such range.")
    if found.state != "frozen" or found.lifted_at is not None:
        raise Conflict("Only a range that is frozen can be lifted.")
    await tx.execute(text("UPDATE code_range SET lifted_at = now() WHERE id = :id"), {"id": state_id})
    low, high = batch.line(found.low), batch.line(found.high)
    await audit.record(
        tx,
        brand_id=batch.brand_id,
        actor=actor,
        action="codes.thawed",
        subject=f"batch {batch.name} lines {low}-{high}",
        before={"reason": found.reason},
    )
    return high - low + 1


async def record_download(
    tx: Tx, vault: Vault, batch: Batch, *, file: str, sha256: str, address: str | None, actor: str
) -> None:
    """Note who takes a package, before the first byte leaves."""
    await tx.execute(
        text("""
            INSERT INTO package_download (brand_id, batch_id, actor, lines, sha256, file, address_sealed)
            VALUES (:brand, :batch, :actor, :lines, :sha256, :file, :address)"""),
        {
            "brand": batch.brand_id,
            "batch": batch.id,
            "actor": actor,
            "lines": batch.count,
            "sha256": sha256,
            "file": file,
            "address": None if address is None else vault.seal(address.encode(), _SEAL),
        },
    )
    await audit.record(
        tx,
        brand_id=batch.brand_id,
        actor=actor,
        action="package.download",
        subject=f"batch {batch.name}",
        after={"file": file, "lines": batch.count},
    )


async def downloads(tx: Tx, vault: Vault, batch: Batch, *, limit: int) -> list[Download]:
    """Who took a batch's package, the latest first."""
    rows = await tx.execute(
        text("""
            SELECT at, actor, file, lines, address_sealed FROM package_download
            WHERE batch_id = :batch ORDER BY id DESC LIMIT :limit"""),
        {"batch": batch.id, "limit": limit},
    )
    return [
        Download(
            row.at, row.actor, row.file, row.lines,
            None if row.address_sealed is None else vault.open(row.address_sealed, _SEAL).decode(),
        )
        for row in rows
    ]  # fmt: skip


async def label_jobs(tx: Tx, batch: Batch, *, limit: int) -> list[LabelJob]:
    """Label jobs of a batch, the latest first."""
    rows = await tx.execute(
        text("""
            SELECT id, state, done, total, args, created_at FROM task
            WHERE brand_id = :brand AND kind = 'render_labels' AND args @> CAST(:args AS jsonb)
            ORDER BY created_at DESC LIMIT :limit"""),
        {"brand": batch.brand_id, "args": json.dumps({"batch": batch.name}), "limit": limit},
    )
    return [
        LabelJob(
            row.id, row.state, row.done, row.total, row.args["format"], row.args["first"], row.args["last"],
            row.created_at,
        )
        for row in rows
    ]  # fmt: skip


async def held_of(tx: Tx, batch: Batch) -> list[Span]:
    """The states that hold for a batch's lines."""
    return (await spans(tx, [batch]))[batch.id]
