"""Switching states of ranges of codes, as the command line does it."""

from __future__ import annotations

from dataclasses import dataclass

from codegen import batches, lineset, ranges
from codegen.lineset import Lines
from kernel import tasks
from traceability import catalogue, selecting
from traceability.selecting import Wanted
from yima import broker
from yima.runtime import Runtime

THAWED = "thawed"
"""What codes become whose freeze is lifted, beside the states of `ranges`."""


@dataclass(frozen=True, slots=True)
class Switched:
    """What was switched in one batch: the lines that were meant, and how many of their units changed."""

    batch: str
    lines: Lines
    units: int
    changed: int


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
    task_id = None
    switched = []
    async with runtime.db.transaction() as tx:
        brand_id = (
            (await catalogue.brand(tx, slug)).id if slug else (await batches.get(tx, wanted.batch or "")).brand_id
        )
        for chosen in await selecting.choose(tx, runtime.vault, wanted, brand_id=brand_id):
            if state == THAWED:
                changed = await ranges.thaw_lines(tx, chosen.batch, chosen.lines, meant=chosen.meant, actor=actor)
            else:
                given = await ranges.give(
                    tx, chosen.batch, state=state, lines=chosen.lines, reason=reason, reason_code=reason_code,
                    meant=chosen.meant, actor=actor,
                )  # fmt: skip
                changed = given.changed
            switched.append(Switched(chosen.batch.name, chosen.lines, lineset.count(chosen.lines), changed))
        if state in ("activated", THAWED):
            task_id = await tasks.submit(tx, "settle_claims", {}, brand_id=brand_id)
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
