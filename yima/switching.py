"""Switching states of ranges of codes, as the command line does it."""

from __future__ import annotations

from codegen import batches, ranges
from kernel import tasks
from yima import broker
from yima.runtime import Runtime


async def activate(runtime: Runtime, name: str, *, first: int | None, last: int | None, actor: str) -> int:
    """Activate lines of a batch; claims parked on them are paid by the worker. Returns how many units."""
    async with runtime.db.transaction() as tx:
        batch = await batches.get(tx, name)
        count = await ranges.set_state(tx, batch, state="activated", first=first, last=last, actor=actor)
        task_id = await tasks.submit(tx, "settle_claims", {}, brand_id=batch.brand_id)
    await broker.wake(runtime, "yima.run", str(task_id))
    return count


async def block(
    runtime: Runtime,
    name: str,
    *,
    state: str,
    first: int | None,
    last: int | None,
    reason: str,
    actor: str,
) -> int:
    """Void, recall, freeze or expire lines of a batch; returns how many units."""
    async with runtime.db.transaction() as tx:
        batch = await batches.get(tx, name)
        return await ranges.set_state(tx, batch, state=state, first=first, last=last, reason=reason, actor=actor)
