"""The states of an order: ordered → generating → ready → downloaded → activated → closed, or failed, or cancelled.

Each follows from something that happened; none is set by hand but the last two. What is said again changes nothing, and
whoever comes late finds the state that others reached.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import text

from codegen.batches import Batch
from kernel.db import Tx
from kernel.errors import Conflict

STATES: Final = ("ordered", "generating", "ready", "downloaded", "activated", "closed", "failed", "cancelled")
ERROR_CHARS_MAX: Final = 300


async def lock(tx: Tx, batch: Batch) -> str:
    """The order's state now, locked for the caller's transaction; scans of its codes do not wait."""
    row = await tx.execute(text("SELECT state FROM batch WHERE id = :id FOR NO KEY UPDATE"), {"id": batch.id})
    return str(row.scalar_one())


async def begin(tx: Tx, batch: Batch) -> None:
    """A package is being written."""
    await tx.execute(
        text("""
            UPDATE batch SET state = 'generating', error = NULL
            WHERE id = :id AND state IN ('ordered', 'generating', 'failed')"""),
        {"id": batch.id},
    )


async def note_written(tx: Tx, batch: Batch, *, sha256: str | None) -> None:
    """A package was written.

    Args:
        tx: the transaction.
        batch: the order.
        sha256: of the data file, if it is the whole batch in the plain layout; else None.

    Raises:
        Conflict: the order was cancelled meanwhile.
    """
    done = await tx.execute(
        text("""
            UPDATE batch SET sha256 = coalesce(CAST(:sha256 AS text), sha256), ready_at = coalesce(ready_at, now()),
                error = NULL,
                state = CASE WHEN state IN ('ordered', 'generating', 'failed') THEN 'ready' ELSE state END
            WHERE id = :id AND state <> 'cancelled'"""),
        {"id": batch.id, "sha256": sha256},
    )
    if done.rowcount == 0:
        raise cancelled(batch)


async def note_failed(tx: Tx, batch: Batch, error: str) -> None:
    """No package could be written; the order may be tried again. An order that has one stays as it is."""
    await tx.execute(
        text("""
            UPDATE batch SET state = 'failed', error = :error
            WHERE id = :id AND state IN ('ordered', 'generating', 'failed')"""),
        {"id": batch.id, "error": error[:ERROR_CHARS_MAX]},
    )


async def note_taken(tx: Tx, batch: Batch) -> None:
    """Somebody took a package."""
    await tx.execute(text("UPDATE batch SET state = 'downloaded' WHERE id = :id AND state = 'ready'"), {"id": batch.id})


async def note_activated(tx: Tx, batch: Batch) -> None:
    """Lines of the batch are being activated. A closed order stays closed: codes of sold goods still work.

    Raises:
        Conflict: no package was ever written, or the order was cancelled.
    """
    done = await tx.execute(
        text("""
            UPDATE batch SET state = CASE WHEN state = 'closed' THEN state ELSE 'activated' END
            WHERE id = :id AND state IN ('ready', 'downloaded', 'activated', 'closed') RETURNING state"""),
        {"id": batch.id},
    )
    if done.scalar_one_or_none() is None:
        if await lock(tx, batch) == "cancelled":
            raise cancelled(batch)
        raise Conflict(f"Batch {batch.name} has no code package yet: nothing can have been printed.")


def cancelled(batch: Batch) -> Conflict:
    """The refusal of whatever a cancelled order cannot have."""
    return Conflict(f"Order {batch.order_number!r} (batch {batch.name}) was cancelled.")


def closed(batch: Batch) -> Conflict:
    """The refusal of a package of an order that is done with."""
    return Conflict(f"Order {batch.order_number!r} (batch {batch.name}) is closed: no more packages are made.")
