"""Orders from the console: a batch whose package a worker writes, what became of it, who took it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import text

from codegen.batches import Batch
from kernel import audit, tasks
from kernel.crypto import Vault
from kernel.db import Tx
from kernel.errors import NotFound
from kernel.tasks import TaskStatus

WRITE_PACKAGE: Final = "write_package"
_SEAL: Final = "package-download"


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
