"""The code packages of a batch: asked for, written by a worker or by a command, handed out on record.

A package is a file of the codes of some lines in some layout, for a recipient or for whoever asks. One that is for a
recipient bears set-up labels of its own, whose codes are canaries: they lie behind the batch's lines, are never
activated, and name the package when one is scanned.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import text

from codegen import batches, keys, order_states
from codegen.batches import Batch
from codegen.packages import SETUP_LINES
from codegen.recipients import Recipient
from kernel import audit, tasks
from kernel.db import Tx
from kernel.errors import Conflict, NotFound, YimaError

WRITE: Final = "write_code_package"
"""The kind of the worker's task."""
PACKAGES_MAX: Final = 20_000
"""Packages of one batch: a roll of 50,000 labels each makes a batch of 10^9."""


@dataclass(frozen=True, slots=True)
class Package:
    """A package and how far it is.

    Attributes:
        id: number of the row.
        batch_id: of which batch.
        brand_id: whose.
        name: the batch's name and the package's number within it.
        recipient_id: for whom, or None.
        recipient: their name, or None.
        layout: name of the data file's layout.
        first: first line for goods.
        last: last line for goods.
        setup: first of its set-up lines, behind the batch's lines; None where it has none.
        encryption: `none`, `key` or `passphrase`.
        state: `requested`, `writing`, `ready`, `failed`, `taken` (written by a command, kept nowhere here),
            `cancelled` or `removed`.
        error: why it failed.
        sha256: of the data file, before encryption.
        file_bytes: of the package as it is handed out.
        created_at: when it was asked for.
        done: rows so far.
        total: rows to do; encryption takes two passes.
        waiting: whether no worker has begun yet.
    """

    id: int
    batch_id: int
    brand_id: int
    name: str
    recipient_id: int | None
    recipient: str | None
    layout: str
    first: int
    last: int
    setup: int | None
    encryption: str
    state: str
    error: str | None
    sha256: str | None
    file_bytes: int | None
    created_at: datetime
    done: int
    total: int
    waiting: bool

    @property
    def rows(self) -> int:
        """Rows of its data file, set-up labels included."""
        return self.last - self.first + 1 + (0 if self.setup is None else SETUP_LINES)

    @property
    def under_way(self) -> bool:
        """Whether a worker is at it, or will be."""
        return self.state in ("requested", "writing")


_COLUMNS = """p.id, p.batch_id, p.brand_id,
    b.name || CASE WHEN p.number = 0 THEN '' ELSE '-' || p.number END AS name,
    p.recipient_id, r.name AS recipient, p.layout, p.first_line, p.last_line,
    lower(p.canaries) - (lower(b.span) >> 1) + 1 AS setup, p.encryption,
    -- a task that gave up could not say so here
    CASE WHEN p.state IN ('requested', 'writing') AND t.state = 'failed' THEN 'failed' ELSE p.state END AS state,
    coalesce(p.error, t.error) AS error, p.sha256, p.file_bytes, p.created_at,
    coalesce(t.done, 0) AS done, coalesce(t.total, 0) AS total, coalesce(t.state = 'queued', false) AS waiting"""
_FROM = """code_package p JOIN batch b ON b.id = p.batch_id LEFT JOIN recipient r ON r.id = p.recipient_id
    LEFT JOIN task t ON t.id = p.task"""


async def request(
    tx: Tx,
    batch: Batch,
    *,
    recipient: Recipient | None,
    first: int,
    last: int,
    layout: str,
    actor: str,
) -> tuple[Package, UUID | None]:
    """Leave a package to a worker: encrypted if the recipient has a key. What was asked for before is that package.

    Args:
        tx: the transaction.
        batch: of which batch.
        recipient: for whom, or None.
        first: first line, within the batch.
        last: last line, within the batch.
        layout: name of the data file's layout.
        actor: who asks.

    Returns:
        The package, and the task to wake a worker for: None where it is written, or one is at it.

    Raises:
        Conflict: the order was cancelled or closed, the recipient is retired, or the batch has too many packages.
    """
    encryption = "none" if recipient is None or recipient.public_key is None else "key"
    package = await _find_or_add(
        tx, batch, recipient=recipient, first=first, last=last, layout=layout, encryption=encryption, actor=actor,
        state="requested",
    )  # fmt: skip
    return await submit(tx, package)


async def submit(tx: Tx, package: Package, *, again: bool = False) -> tuple[Package, UUID | None]:
    """Give a package to a worker, unless one is at it: first, after a failure, or `again` where its file is gone.

    What a command wrote to a place of its own is written here too then; with a passphrase it never is, for nobody
    keeps that.

    Raises:
        Conflict: the key is not released yet, or revoked; or the order is closed.
    """
    batch = await batches.by_id(tx, package.batch_id)
    await keys.judge_release(tx, batch.key_id)
    if await order_states.lock(tx, batch) == "closed":
        raise order_states.closed(batch)
    row = (
        await tx.execute(
            text("""
                SELECT p.state, t.state AS task FROM code_package p LEFT JOIN task t ON t.id = p.task
                WHERE p.id = :id FOR UPDATE OF p"""),
            {"id": package.id},
        )
    ).one()
    done = (*(() if again else ("ready",)), "cancelled", "removed")
    if row.state in done or row.task in ("queued", "running") or package.encryption == "passphrase":
        return package, None
    task_id = await tasks.submit(tx, WRITE, {"package": package.id}, brand_id=package.brand_id)
    await tx.execute(
        text("UPDATE code_package SET state = 'requested', error = NULL, task = :task WHERE id = :id"),
        {"id": package.id, "task": task_id},
    )
    return await by_id(tx, package.id), task_id


async def export(
    tx: Tx,
    batch: Batch,
    *,
    recipient: Recipient | None,
    first: int,
    last: int,
    layout: str,
    encryption: str,
    actor: str,
) -> Package:
    """Note a package that the caller writes itself, to a place of its own; what was noted before is that package.

    Raises:
        Conflict: as for `request`; or a worker is writing the same package now.
    """
    package = await _find_or_add(
        tx, batch, recipient=recipient, first=first, last=last, layout=layout, encryption=encryption, actor=actor,
        state="taken",
    )  # fmt: skip
    if package.under_way:
        raise under_way(package)
    return package


async def _find_or_add(
    tx: Tx,
    batch: Batch,
    *,
    recipient: Recipient | None,
    first: int,
    last: int,
    layout: str,
    encryption: str,
    actor: str,
    state: str,
) -> Package:
    batches.need_own(batch)
    batches.lines_of(batch, first, last)
    await keys.judge_release(tx, batch.key_id)
    held = await order_states.lock(tx, batch)
    if held == "cancelled":
        raise order_states.cancelled(batch)
    if held == "closed":
        raise order_states.closed(batch)
    if recipient is not None and recipient.retired_at is not None:
        raise Conflict(f"Recipient {recipient.name!r} is retired.", field="recipient")
    values = {
        "batch": batch.id, "recipient": None if recipient is None else recipient.id, "first": first, "last": last,
        "layout": layout, "encryption": encryption,
    }  # fmt: skip
    known = (await tx.execute(_SAME, values)).scalar_one_or_none()
    if known is not None:
        return await by_id(tx, known)
    number = (await tx.execute(_NUMBER, {"batch": batch.id})).scalar_one()
    if number > PACKAGES_MAX:
        raise Conflict(f"Batch {batch.name} has {PACKAGES_MAX:,} packages, and no more.")
    canaries = None if recipient is None else await _free_canaries(tx, batch)
    added = await tx.execute(
        _ADD,
        values
        | {
            "brand": batch.brand_id, "number": number, "state": state, "actor": actor,
            "low": None if canaries is None else canaries, "high": None if canaries is None else canaries + SETUP_LINES,
        },
    )  # fmt: skip
    package = await by_id(tx, added.scalar_one())
    await audit.record(
        tx, brand_id=batch.brand_id, actor=actor, action="package.order", subject=f"package {package.name}",
        after={
            "recipient": package.recipient, "first": first, "last": last, "layout": layout, "encryption": encryption,
        },
    )  # fmt: skip
    return package


async def _free_canaries(tx: Tx, batch: Batch) -> int | None:
    """Unit id of the first of the next free canaries; None where a batch of an earlier version has none at all.

    Raises:
        Conflict: all are taken.
    """
    if batch.canaries == 0:
        return None
    taken = (await tx.execute(_TAKEN, {"batch": batch.id})).scalar_one()
    low = batch.unit_id(batch.count + 1) if taken is None else int(taken)
    if low + SETUP_LINES > batch.unit_id(batch.count + 1) + batch.canaries:
        raise Conflict(
            f"Batch {batch.name} has no set-up codes left: it had enough for {batch.canaries // SETUP_LINES} packages "
            "that are traced to a recipient."
        )
    return low


_SAME = text("""
    SELECT id FROM code_package
    WHERE batch_id = :batch AND recipient_id IS NOT DISTINCT FROM CAST(:recipient AS bigint) AND first_line = :first
        AND last_line = :last AND layout = :layout AND encryption = :encryption
        AND state NOT IN ('cancelled', 'removed')
    ORDER BY id LIMIT 1""")
_NUMBER = text("SELECT coalesce(max(number), 0) + 1 FROM code_package WHERE batch_id = :batch")
_TAKEN = text("SELECT max(upper(canaries)) FROM code_package WHERE batch_id = :batch")
_ADD = text("""
    INSERT INTO code_package (brand_id, batch_id, number, recipient_id, layout, first_line, last_line, canaries,
        encryption, state, actor)
    VALUES (:brand, :batch, :number, :recipient, :layout, :first, :last,
        -- without bounds it would be the range of all units
        CASE WHEN CAST(:low AS bigint) IS NOT NULL THEN int8range(CAST(:low AS bigint), CAST(:high AS bigint)) END,
        :encryption, :state, :actor)
    RETURNING id""")


async def adopt(tx: Tx, batch: Batch) -> Package:
    """The package without a number, which a version before 0006 asked for; noted here if it was not."""
    await order_states.lock(tx, batch)
    await tx.execute(
        text("""
            INSERT INTO code_package (brand_id, batch_id, number, layout, first_line, last_line, encryption, state,
                task, actor)
            SELECT brand_id, id, 0, 'plain', 1, count, 'none', 'requested', package_task, 'console'
            FROM batch WHERE id = :id ON CONFLICT (batch_id, number) DO NOTHING"""),
        {"id": batch.id},
    )
    return await get(tx, batch, batch.name)


async def by_id(tx: Tx, package_id: int) -> Package:
    """A package by its row's number.

    Raises:
        NotFound: there is none.
    """
    query = text(f"SELECT {_COLUMNS} FROM {_FROM} WHERE p.id = :id")  # noqa: S608 (constants)
    row = (await tx.execute(query, {"id": package_id})).one_or_none()
    if row is None:
        raise NotFound(f"There is no package with the number {package_id}.")
    return Package(*row)


async def get(tx: Tx, batch: Batch, name: str) -> Package:
    """A package of a batch by its name.

    Raises:
        NotFound: the batch has none of that name.
    """
    head, dash, number = name.strip().upper().partition("-")
    wanted = 0 if not dash else int(number) if number.isascii() and number.isdigit() and len(number) <= 6 else -1
    query = text(f"SELECT {_COLUMNS} FROM {_FROM} WHERE p.batch_id = :batch AND p.number = :number")  # noqa: S608 (constants)
    row = (await tx.execute(query, {"batch": batch.id, "number": wanted})).one_or_none()
    if row is None or head != batch.name:
        raise NotFound(f"Batch {batch.name} has no package {name[:40]!r}.")
    return Package(*row)


async def list_of(tx: Tx, batch: Batch, *, limit: int, before: int | None = None) -> list[Package]:
    """A batch's packages, the latest first."""
    query = text(f"""
        SELECT {_COLUMNS} FROM {_FROM}
        WHERE p.batch_id = :batch AND p.id < coalesce(CAST(:before AS bigint), 9223372036854775807)
        ORDER BY p.id DESC LIMIT :limit""")  # noqa: S608 (constants)
    return [Package(*row) for row in await tx.execute(query, {"batch": batch.id, "limit": limit, "before": before})]


async def begin(tx: Tx, package: Package, batch: Batch) -> None:
    """A worker begins to write it.

    Raises:
        Conflict: it was cancelled.
    """
    if await order_states.lock(tx, batch) == "cancelled":
        raise order_states.cancelled(batch)
    await tx.execute(
        text("UPDATE code_package SET state = 'writing' WHERE id = :id AND state IN ('requested', 'failed')"),
        {"id": package.id},
    )
    await order_states.begin(tx, batch)


async def is_wanted(tx: Tx, package: Package) -> bool:
    """Whether the package that is being written is still to be: nobody cancelled it."""
    row = await tx.execute(text("SELECT state FROM code_package WHERE id = :id"), {"id": package.id})
    return str(row.scalar_one()) == "writing"


async def finish(tx: Tx, package: Package, batch: Batch, *, sha256: str, file_bytes: int) -> None:
    """It is written.

    Raises:
        Conflict: the order was cancelled or closed meanwhile.
    """
    await order_states.note_written(tx, batch, sha256=sha256 if is_whole(package, batch) else None)
    done = await tx.execute(
        text("""
            UPDATE code_package SET sha256 = :sha256, file_bytes = :bytes, ready_at = now(), error = NULL,
                state = CASE WHEN state = 'taken' THEN state ELSE 'ready' END
            WHERE id = :id AND state NOT IN ('cancelled', 'removed')"""),
        {"id": package.id, "sha256": sha256, "bytes": file_bytes},
    )
    if done.rowcount == 0:
        raise unwanted(package)


def is_whole(package: Package, batch: Batch) -> bool:
    """Whether its data file is the batch's: all lines, nothing else, one URL a line."""
    return (package.first, package.last, package.setup, package.layout) == (1, batch.count, None, "plain")


async def fail(tx: Tx, package: Package, batch: Batch, error: str) -> None:
    """It could not be written; it may be tried again."""
    await order_states.lock(tx, batch)
    await tx.execute(
        text("UPDATE code_package SET state = 'failed', error = :error WHERE id = :id AND state = 'writing'"),
        {"id": package.id, "error": error[: order_states.ERROR_CHARS_MAX]},
    )
    await order_states.note_failed(tx, batch, error)


def unwanted(package: Package) -> Conflict:
    """The refusal to go on with a package whose order ended meanwhile."""
    return Conflict(f"Package {package.name} is not wanted any more: its order was cancelled or closed.")


def under_way(package: Package) -> YimaError:
    """The refusal to hand out what is not written yet."""
    if package.waiting or not package.total:
        return Conflict(f"Package {package.name} is not written yet: it waits for a worker.")
    return Conflict(
        f"Package {package.name} is being written ({package.done * 100 // package.total}%): take it when it is ready."
    )
