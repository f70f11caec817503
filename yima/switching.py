"""Switching states of ranges of codes, as the command line does it."""

from __future__ import annotations

from codegen import batches
from traceability import catalogue
from traceability import switching as use
from traceability.selecting import Wanted
from traceability.switching import THAWED, Said, Switched
from yima import broker
from yima.runtime import Runtime

__all__ = ["THAWED", "Switched", "activate", "block", "switch"]


async def switch(
    runtime: Runtime,
    wanted: Wanted,
    *,
    state: str,
    reason: str | None = None,
    reason_code: str | None = None,
    slug: str | None = None,
    actor: str,
) -> list[Switched]:
    """Give the codes that are meant a state, or lift their freeze; claims parked on activated ones are paid.

    Args:
        runtime: the installation.
        wanted: which codes.
        state: one of `ranges`, or `THAWED`.
        reason: in one's own words.
        reason_code: of `codegen.reasons`.
        slug: the brand's; needed only where nothing names a batch.
        actor: who, for the audit trail.
    """
    async with runtime.db.transaction() as tx:
        brand_id = (
            (await catalogue.brand(tx, slug)).id if slug else (await batches.get(tx, wanted.batch or "")).brand_id
        )
        switched, task_id = await use.switch(
            tx, runtime.vault, wanted, Said(state, reason, reason_code), brand_id=brand_id, actor=actor
        )
    if task_id is not None:
        await broker.wake(runtime, "yima.run", str(task_id))
    return switched


async def activate(runtime: Runtime, name: str, *, first: int | None, last: int | None, actor: str) -> int:
    """Activate lines of a batch; claims parked on them are paid by the worker. Returns how many units."""
    [done] = await switch(runtime, Wanted(name, first, last), state="activated", actor=actor)
    return done.units


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
    [done] = await switch(runtime, Wanted(name, first, last), state=state, reason=reason, actor=actor)
    return done.units
