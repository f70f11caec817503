"""States given to ranges of a batch's lines: activated, frozen, recalled, void, expired, each with its reason."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text

from codegen import lineset, order_states, reasons
from codegen.batches import Batch, lines_of
from codegen.lineset import Lines
from codegen.states import Span
from kernel import audit
from kernel.db import Tx
from kernel.errors import Conflict, InvalidInput, NotFound

REASON_CHARS_MAX = 200
ACTOR_CHARS_MAX = 80
RUNS_MAX = 100_000
"""Separate runs of lines that are switched at once."""
BLOCKING_STATES = ("void", "recalled", "frozen", "expired")
"""States that stop a code, the gravest first: it is the one that is told."""


@dataclass(frozen=True, slots=True)
class State:
    """A state that was given to lines of a batch, as it was said.

    `reason_code` is one of `reasons.REASONS`; `meant` says how the lines were named, where not by their numbers.
    """

    id: int
    first: int
    last: int
    state: str
    reason: str | None
    set_at: datetime
    lifted_at: datetime | None
    reason_code: str | None = None
    actor: str | None = None
    meant: str | None = None


@dataclass(frozen=True, slots=True)
class Given:
    """What giving a state came to: the units that were named, and those of them that did not have it yet."""

    units: int
    changed: int


async def set_state(
    tx: Tx,
    batch: Batch,
    *,
    state: str,
    first: int | None = None,
    last: int | None = None,
    reason: str | None = None,
    reason_code: str | None = None,
    actor: str,
) -> int:
    """Give a range of lines a state (`activated` or one of `BLOCKING_STATES`); see `give`.

    Returns:
        How many units the range holds.
    """
    lines = (lines_of(batch, first, last),)
    given = await give(tx, batch, state=state, lines=lines, reason=reason, reason_code=reason_code, actor=actor)
    return given.units


async def give(
    tx: Tx,
    batch: Batch,
    *,
    state: str,
    lines: Lines,
    reason: str | None = None,
    reason_code: str | None = None,
    meant: str | None = None,
    actor: str,
) -> Given:
    """Give lines a state, in one statement however many they are.

    Whoever gives lines of a batch a state waits for whoever does so at the same time (0032), and adds only what
    does not hold yet: of two overlapping activations each unit is switched by one.

    Args:
        tx: the caller's transaction.
        batch: the batch.
        state: `activated` or one of `BLOCKING_STATES`.
        lines: its lines.
        reason: in one's own words.
        reason_code: of `reasons`; a state that stops codes needs a code or words.
        meant: how the lines were named, for the record.
        actor: who.

    Raises:
        InvalidInput: lines outside the batch, an unknown state or reason code, or a blocking state without a reason.
        Conflict: activation of a batch whose package was never written.
    """
    _judge(batch, state, lines, reason, reason_code)
    if state == "activated":
        await order_states.note_activated(tx, batch)
    await lock(tx, batch)
    # A freeze is lifted by itself, so that one for another reason stands beside it; the others hold once.
    same = "AND reason IS NOT DISTINCT FROM :reason AND reason_code IS NOT DISTINCT FROM :code"
    rows = await tx.execute(
        text(f"""
            INSERT INTO code_range (brand_id, batch_id, units, state, reason, reason_code, actor, meant)
            SELECT :brand, :batch, part, :state, :reason, :code, :actor, :meant
            FROM unnest(CAST(CAST(:units AS text) AS int8multirange) - coalesce(
                (SELECT range_agg(units) FROM code_range WHERE batch_id = :batch AND state = :state
                 AND lifted_at IS NULL {same if state == "frozen" else ""}), CAST('{{}}' AS int8multirange))) AS part
            RETURNING upper(units) - lower(units)"""),  # noqa: S608 (constants of this module)
        {
            "brand": batch.brand_id,
            "batch": batch.id,
            "units": lineset.to_text(lines, offset=batch.unit_id(1) - 1),
            "state": state,
            "reason": reason or None,
            "code": reason_code,
            "actor": actor[:ACTOR_CHARS_MAX],
            "meant": meant,
        },
    )
    given = Given(lineset.count(lines), sum(rows.scalars()))
    if given.changed:
        await audit.record(
            tx,
            brand_id=batch.brand_id,
            actor=actor,
            action=f"codes.{state}",
            subject=f"batch {batch.name} lines {said(lines)}",
            after={"reason": reason or None, "reason_code": reason_code, "meant": meant, "units": given.changed},
        )
    return given


def _judge(batch: Batch, state: str, lines: Lines, reason: str | None, reason_code: str | None) -> None:
    if state not in ("activated", *BLOCKING_STATES):
        raise InvalidInput(f"There is no state {state!r}.", field="state")
    if not lines:
        raise InvalidInput("No line is named: nothing would change.")
    lines_of(batch, lines[0][0], lines[-1][1])
    if len(lines) > RUNS_MAX:
        raise InvalidInput(f"At most {RUNS_MAX:,} separate runs of lines are switched at once, not {len(lines):,}.")
    reasons.judge(state, reason_code)
    if state != "activated" and reason_code is None and not (reason and reason.strip()):
        raise InvalidInput(f"Codes are {state} for a reason: say which (--reason or --reason-code).", field="reason")
    if reason is not None and len(reason) > REASON_CHARS_MAX:
        raise InvalidInput(f"A reason has at most {REASON_CHARS_MAX} characters.", field="reason")


def said(lines: Lines) -> str:
    """Lines for a sentence or a subject of the trail: `5`, `1-200`, `1-900 (of 3 runs)`."""
    first, last = lines[0][0], lines[-1][1]
    shown = f"{first}" if first == last else f"{first}-{last}"
    return shown if len(lines) == 1 else f"{shown} (of {len(lines)} runs)"


async def lock(tx: Tx, batch: Batch) -> None:
    """Have a batch's lines to oneself: whoever switches, prints or pairs them waits. Scans do not."""
    await tx.execute(text("SELECT 1 FROM batch WHERE id = :id FOR NO KEY UPDATE"), {"id": batch.id})


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
            SELECT id, lower(units) AS low, upper(units) - 1 AS high, state, reason, set_at, lifted_at, reason_code,
                actor, meant
            FROM code_range WHERE batch_id = :batch AND id < coalesce(CAST(:before AS bigint), 9223372036854775807)
            ORDER BY id DESC LIMIT :limit"""),
        {"batch": batch.id, "before": before, "limit": limit},
    )
    return [
        State(
            row.id, batch.line(row.low), batch.line(row.high), row.state, row.reason, row.set_at, row.lifted_at,
            row.reason_code, row.actor, row.meant,
        )
        for row in rows
    ]  # fmt: skip


async def thaw(tx: Tx, batch: Batch, state_id: int, *, actor: str) -> int:
    """Lift a freeze; the other states are final. Returns how many units.

    Raises:
        NotFound: the batch has no such range.
        Conflict: it is not frozen, or not any more.
    """
    await lock(tx, batch)
    row = await tx.execute(
        text("SELECT state, lifted_at, units::text AS units FROM code_range WHERE id = :id AND batch_id = :batch"),
        {"id": state_id, "batch": batch.id},
    )
    found = row.one_or_none()
    if found is None:
        raise NotFound(f"Batch {batch.name} has no such range.")
    if found.state != "frozen" or found.lifted_at is not None:
        raise Conflict("Only a range that is frozen can be lifted.")
    return await _lift(tx, batch, "id = :id", {"id": state_id}, None, actor=actor)


async def thaw_lines(tx: Tx, batch: Batch, lines: Lines, *, meant: str | None = None, actor: str) -> int:
    """Lift every freeze of these lines, whatever its reason; lines beside them stay frozen. Returns how many units.

    Raises:
        InvalidInput: lines outside the batch.
        Conflict: none of them is frozen.
    """
    if not lines:
        raise InvalidInput("No line is named: nothing would change.")
    lines_of(batch, lines[0][0], lines[-1][1])
    await lock(tx, batch)
    offset = batch.unit_id(1) - 1
    values = {"lines": lineset.to_text(lines, offset=offset)}
    where = "units && CAST(CAST(:lines AS text) AS int8multirange)"
    count = await _lift(tx, batch, where, values, lines, meant=meant, actor=actor)
    if not count:
        raise Conflict(f"None of these lines of batch {batch.name} is frozen: there is nothing to lift.")
    return count


async def _lift(
    tx: Tx,
    batch: Batch,
    where: str,
    values: Mapping[str, object],
    lines: Lines | None,
    *,
    meant: str | None = None,
    actor: str,
) -> int:
    """Lift freezes, of which those that reach beyond `lines` begin anew beside them, in one statement."""
    all_units = lineset.to_text(lines or ((1, batch.count),), offset=batch.unit_id(1) - 1)
    rows = await tx.execute(
        text(f"""
            WITH lifted AS (
                UPDATE code_range SET lifted_at = now()
                WHERE batch_id = :batch AND state = 'frozen' AND lifted_at IS NULL AND {where} RETURNING *),
            kept AS (
                INSERT INTO code_range
                    (brand_id, batch_id, units, state, reason, set_at, reason_code, actor, meant)
                SELECT brand_id, batch_id, part, state, reason, set_at, reason_code, actor, meant
                FROM lifted, unnest(int8multirange(units) - CAST(CAST(:all AS text) AS int8multirange)) AS part)
            SELECT (range_agg(units) * CAST(CAST(:all AS text) AS int8multirange))::text, min(reason), min(reason_code)
            FROM lifted"""),  # noqa: S608 (constants of this module)
        {**values, "batch": batch.id, "all": all_units},
    )
    units, reason, reason_code = rows.one()
    if units is None:
        return 0
    freed = tuple((batch.line(low), batch.line(high)) for low, high in lineset.from_text(units))
    await audit.record(
        tx,
        brand_id=batch.brand_id,
        actor=actor,
        action="codes.thawed",
        subject=f"batch {batch.name} lines {said(freed)}",
        before={"reason": reason, "reason_code": reason_code},
        after={"meant": meant, "units": lineset.count(freed)},
    )
    return lineset.count(freed)


async def held_of(tx: Tx, batch: Batch) -> list[Span]:
    """The states that hold for a batch's lines."""
    return (await spans(tx, [batch]))[batch.id]
