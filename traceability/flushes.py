"""Which flush of counters each process wrote last, so that one whose commit nobody heard of is not written twice."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import text

from kernel.db import Tx

KEPT_DAYS = 7
"""A process that has written nothing for so long is gone: they count every second of use."""


async def begin(tx: Tx, process: UUID, number: int) -> bool:
    """Note a process's flush, the first statement of the transaction that writes it.

    Where an earlier try is still open, this waits for its end.

    Args:
        tx: the caller's transaction.
        process: whose; made anew at each start.
        number: of the flush, counting up.

    Returns:
        False where it was written already: then nothing is to be written.
    """
    noted = await tx.execute(
        text("""
            INSERT INTO counter_flush (process, number) VALUES (:process, :number)
            ON CONFLICT (process) DO UPDATE SET number = excluded.number, at = now()
            WHERE counter_flush.number < excluded.number"""),
        {"process": process, "number": number},
    )
    return noted.rowcount == 1


async def prune(tx: Tx) -> int:
    """Forget processes that have written nothing for a week; returns how many."""
    gone = await tx.execute(
        text("DELETE FROM counter_flush WHERE at < now() - make_interval(days => :days)"), {"days": KEPT_DAYS}
    )
    return gone.rowcount
