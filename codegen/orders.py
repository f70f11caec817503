"""What ends an order early or late."""

from __future__ import annotations

from sqlalchemy import text

from codegen import order_states, packaging, ranges
from codegen.batches import Batch
from codegen.packaging import Package
from kernel import audit
from kernel.db import Tx
from kernel.errors import Conflict, InvalidInput


async def cancel(tx: Tx, batch: Batch, *, reason: str, actor: str) -> list[Package]:
    """Cancel an order of which nothing was activated: its lines are void for good, and jobs that write it stop.

    Returns:
        Its packages, whose files are to be removed after the commit.

    Raises:
        InvalidInput: no reason, or one that is too long.
        Conflict: codes were activated, or the order is closed.
    """
    reason = reason.strip()
    if not 1 <= len(reason) <= ranges.REASON_CHARS_MAX:
        raise InvalidInput(f"A reason has 1 to {ranges.REASON_CHARS_MAX} characters.", field="reason")
    state = await order_states.lock(tx, batch)
    if state == "cancelled":
        return []
    activated = await tx.execute(
        text("SELECT 1 FROM code_range WHERE batch_id = :id AND state = 'activated' LIMIT 1"), {"id": batch.id}
    )
    if activated.scalar_one_or_none() is not None or state in ("activated", "closed"):
        raise Conflict(
            f"Codes of order {batch.order_number!r} (batch {batch.name}) were activated or the order is closed: it "
            "cannot be cancelled. Void or recall lines instead."
        )
    await ranges.set_state(tx, batch, state="void", reason=reason, actor=actor)
    await tx.execute(text("UPDATE batch SET state = 'cancelled', error = NULL WHERE id = :id"), {"id": batch.id})
    await audit.record(
        tx, brand_id=batch.brand_id, actor=actor, action="batch.cancel", subject=f"batch {batch.name}",
        before={"state": state}, after={"state": "cancelled", "reason": reason},
    )  # fmt: skip
    return await _end_packages(tx, batch, "cancelled")


async def close(tx: Tx, batch: Batch, *, actor: str) -> list[Package]:
    """Close an order that is done with: no package is made or handed out any more. Its codes work on.

    Returns:
        Its packages, whose files are to be removed after the commit.

    Raises:
        Conflict: nothing was activated yet, or it was cancelled.
    """
    state = await order_states.lock(tx, batch)
    if state == "closed":
        return []
    if state == "cancelled":
        raise order_states.cancelled(batch)
    if state != "activated":
        raise Conflict(f"Nothing of batch {batch.name} was activated yet: cancel the order, or wait.")
    await tx.execute(text("UPDATE batch SET state = 'closed' WHERE id = :id"), {"id": batch.id})
    await audit.record(
        tx, brand_id=batch.brand_id, actor=actor, action="batch.close", subject=f"batch {batch.name}",
        before={"state": state}, after={"state": "closed"},
    )  # fmt: skip
    return await _end_packages(tx, batch, "removed")


async def _end_packages(tx: Tx, batch: Batch, state: str) -> list[Package]:
    found = await packaging.list_of(tx, batch, limit=packaging.PACKAGES_MAX)
    await tx.execute(
        text("""
            UPDATE code_package SET state = :state
            WHERE batch_id = :batch AND state IN ('requested', 'writing', 'ready', 'failed')"""),
        {"state": state, "batch": batch.id},
    )
    return found
