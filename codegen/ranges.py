"""States given to ranges of a batch's lines: activated, frozen, recalled, void, expired, each with its reason."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text

from codegen.batches import Batch, lines_of
from codegen.states import Span
from kernel import audit
from kernel.db import Tx
from kernel.errors import Conflict, InvalidInput, NotFound

REASON_CHARS_MAX = 200
BLOCKING_STATES = ("void", "recalled", "frozen", "expired")
"""States that stop a code, the gravest first: it is the one that is told."""


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


async def set_state(
    tx: Tx,
    batch: Batch,
    *,
    state: str,
    first: int | None = None,
    last: int | None = None,
    reason: str | None = None,
    actor: str,
) -> int:
    """Give a range of lines a state (`activated` or one of `BLOCKING_STATES`) in one statement.

    Returns:
        How many units the range holds.

    Raises:
        InvalidInput: lines outside the batch, an unknown state, or a blocking state without a reason.
        Conflict: activation of a batch whose package was never written.
    """
    low, high = lines_of(batch, first, last)
    if state not in ("activated", *BLOCKING_STATES):
        raise InvalidInput(f"There is no state {state!r}.", field="state")
    if state != "activated" and not (reason and reason.strip()):
        raise InvalidInput(f"Codes are {state} for a reason: say which (--reason).", field="reason")
    if reason is not None and len(reason) > REASON_CHARS_MAX:
        raise InvalidInput(f"A reason has at most {REASON_CHARS_MAX} characters.", field="reason")
    if state == "activated" and batch.state != "ready":
        raise Conflict(f"Batch {batch.name} has no code package yet: nothing can have been printed.")
    values = {"low": batch.unit_id(low), "high": batch.unit_id(high) + 1, "state": state}
    covered = await tx.execute(
        text("""
            SELECT 1 FROM code_range
            WHERE units @> int8range(:low, :high) AND state = :state AND lifted_at IS NULL LIMIT 1"""),
        values,
    )
    if covered.scalar_one_or_none() is None:  # said again: nothing changes
        await tx.execute(
            text("""
                INSERT INTO code_range (brand_id, batch_id, units, state, reason)
                VALUES (:brand, :batch, int8range(:low, :high), :state, :reason)"""),
            {**values, "brand": batch.brand_id, "batch": batch.id, "reason": reason},
        )
        await audit.record(
            tx,
            brand_id=batch.brand_id,
            actor=actor,
            action=f"codes.{state}",
            subject=f"batch {batch.name} lines {low}-{high}",
            after={"reason": reason},
        )
    return high - low + 1


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


async def held_of(tx: Tx, batch: Batch) -> list[Span]:
    """The states that hold for a batch's lines."""
    return (await spans(tx, [batch]))[batch.id]
