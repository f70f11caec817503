"""Outer and inner codes of two batches on one unit: found from either side, and stored as runs.

Two suppliers print for one line: labels come in order and caps come in order, so that a thousand pairs are mostly
one row. Both ranges are under exclusion constraints: no code is ever on two units.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import text

from kernel.db import Tx
from kernel.reads import Query, Reads

_FROM_OUTER: Final = """CASE step WHEN 1 THEN lower(inner_units) + ({unit}) - lower(outer_units)
    ELSE upper(inner_units) - 1 - (({unit}) - lower(outer_units)) END"""
_FROM_INNER: Final = """CASE step WHEN 1 THEN lower(outer_units) + ({unit}) - lower(inner_units)
    ELSE upper(outer_units) - 1 - (({unit}) - lower(inner_units)) END"""


_UNIT_BITS: Final = 34  # of a unit id, the key's id stands above them
_LOCK: Final = 0x59494D03
"""Advisory locks by key id: scans of the key's codes hold it together, whoever pairs some of them alone."""


def mate_of(unit: str) -> str:
    """SQL, to be joined laterally: the unit id on the other side of the unit id `unit`, this side, the outer batch, and
    when the run of pairs last grew.
    """  # noqa: D205 (one sentence)
    return f"""(
        SELECT {_FROM_OUTER.format(unit=unit)} AS mate, 'outer' AS side, outer_batch_id AS home, paired_at
        FROM code_pair WHERE outer_units @> ({unit})
        UNION ALL
        SELECT {_FROM_INNER.format(unit=unit)}, 'inner', outer_batch_id, paired_at
        FROM code_pair WHERE inner_units @> ({unit})
        LIMIT 1)"""  # noqa: S608 (an expression of ours)


def ask_to_hold_still(reads: Reads, unit_ids: Iterable[int]) -> None:
    """Keep codes from being paired until the caller's transaction ends; sent before it looks any of them up.

    A scan that saw a code alone may so not award beside one that sees it paired: the one ends before the other begins.
    Scans do not wait for each other here, and for a pairing only while it commits.
    """
    reads.add(_HOLD["pg_advisory_xact_lock_shared"], _keys(unit_ids))


async def hold_still(tx: Tx, unit_ids: Iterable[int]) -> None:
    """The same at once."""
    await _HOLD["pg_advisory_xact_lock_shared"].fetch(tx, _keys(unit_ids))


async def keep_still_alone(tx: Tx, unit_ids: Iterable[int]) -> None:
    """Keep scans of these units' keys waiting until the caller's transaction ends; called before any unit is locked.

    For what makes a claim outside the scan path: a scan might take a unit by its other code, which has no row to lock.
    """
    await _HOLD["pg_advisory_xact_lock"].fetch(tx, _keys(unit_ids))


# Counted, so that each is taken; in the order of the keys, for they come ordered.
_HOLD: Final = {
    name: Query(f"(SELECT count({name}({_LOCK}, key)) FROM unnest(CAST(:held_keys AS integer[])) AS k(key))", int)  # noqa: S608 (names of ours)
    for name in ("pg_advisory_xact_lock", "pg_advisory_xact_lock_shared")
}


def _keys(unit_ids: Iterable[int]) -> dict[str, list[int]]:
    return {"held_keys": sorted({unit_id >> _UNIT_BITS for unit_id in unit_ids})}


async def mates(tx: Tx, unit_ids: Iterable[int]) -> dict[int, int]:
    """The unit on the other side of each of these that is paired."""
    rows = await tx.execute(
        text(f"""
            SELECT u.unit, m.mate FROM unnest(CAST(:units AS bigint[])) AS u(unit)
            CROSS JOIN LATERAL {mate_of("u.unit")} m"""),  # noqa: S608 (a constant)
        {"units": sorted(unit_ids)},
    )
    return {row.unit: row.mate for row in rows}


def holds(state: str, unit: str) -> str:
    """SQL: whether a condition on `code_range` holds for the unit id `unit`, or for its mate `m.mate`, if it has one.

    Two look-ups in the index, each for itself: a join with a list of both is planned as a walk over all ranges.
    """
    return " OR ".join(
        f"EXISTS (SELECT 1 FROM code_range r WHERE r.units @> ({each}) AND r.lifted_at IS NULL AND {state})"  # noqa: S608 (expressions of ours)
        for each in (unit, "m.mate")
    )


@dataclass(frozen=True, slots=True)
class Run:
    """`count` neighbouring outer units from `outer` on; the inner ones begin with `inner` and count by `step`."""

    outer: int
    inner: int
    count: int
    step: int

    @property
    def inner_low(self) -> int:
        """The lowest inner unit."""
        return self.inner if self.step == 1 else self.inner - self.count + 1


def runs_of(pairs: Sequence[tuple[int, int]]) -> list[Run]:
    """Pairs (outer unit, inner unit), none twice, as few runs as they make. Pure."""
    found: list[Run] = []
    for outer, inner in sorted(pairs):
        last = found[-1] if found else None
        if last is not None and (joined := _join(last, Run(outer, inner, 1, 1))) is not None:
            found[-1] = joined
        else:
            found.append(Run(outer, inner, 1, 1))
    return found


def _join(one: Run, two: Run) -> Run | None:
    """Two runs as one, where the second goes on where the first ends; a single pair counts either way."""
    if two.outer != one.outer + one.count:
        return None
    for step in (1, -1):
        fits = (one.count == 1 or one.step == step) and (two.count == 1 or two.step == step)
        if fits and two.inner == one.inner + step * one.count:
            return Run(one.outer, one.inner, one.count + two.count, step)
    return None


async def store(
    tx: Tx, found: Sequence[Run], *, brand_id: int, outer_batch_id: int, inner_batch_id: int, after: int | None
) -> int | None:
    """Store runs of pairs, in at most four statements. Scans of both keys' codes wait from here to the commit.

    Args:
        tx: the caller's transaction; both batches are locked.
        found: the runs, in order of their outer units, at least one.
        brand_id: the brand.
        outer_batch_id: batch of the outer codes.
        inner_batch_id: batch of the inner codes.
        after: the row that the first run may go on with.

    Returns:
        The row of the last run.
    """
    row_id = await _add(tx, found, brand_id, outer_batch_id, inner_batch_id, after)
    await keep_still_alone(tx, (unit for run in found for unit in (run.outer, run.inner)))
    return row_id


async def _add(
    tx: Tx, found: Sequence[Run], brand_id: int, outer_batch_id: int, inner_batch_id: int, after: int | None
) -> int | None:
    rest = list(found)
    row_id = after
    if after is not None and (grown := await _grow(tx, after, rest[0])):
        rest = rest[1:]
        row_id = grown
    if not rest:
        return row_id
    rows = await tx.execute(
        text("""
            INSERT INTO code_pair (brand_id, outer_batch_id, inner_batch_id, outer_units, inner_units, step)
            SELECT :brand, :outer, :inner, int8range(n.low, n.low + n.count), int8range(n.inner_low,
                n.inner_low + n.count), n.step
            FROM unnest(CAST(:lows AS bigint[]), CAST(:inner_lows AS bigint[]), CAST(:counts AS bigint[]),
                CAST(:steps AS smallint[])) AS n(low, inner_low, count, step) ORDER BY n.low RETURNING id"""),
        {
            "brand": brand_id,
            "outer": outer_batch_id,
            "inner": inner_batch_id,
            "lows": [run.outer for run in rest],
            "inner_lows": [run.inner_low for run in rest],
            "counts": [run.count for run in rest],
            "steps": [run.step for run in rest],
        },
    )
    return max(int(each) for each in rows.scalars())


async def _grow(tx: Tx, row_id: int, run: Run) -> int | None:
    """Let a row go on with a run, where the one continues the other; None where it does not."""
    row = await tx.execute(
        text("""
            SELECT lower(outer_units), CASE step WHEN 1 THEN lower(inner_units) ELSE upper(inner_units) - 1 END,
                upper(outer_units) - lower(outer_units), step FROM code_pair WHERE id = :id"""),
        {"id": row_id},
    )
    known = row.one_or_none()
    joined = None if known is None else _join(Run(*known), run)
    if joined is None:
        return None
    await tx.execute(
        text("""
            UPDATE code_pair SET outer_units = int8range(:low, :end), inner_units = int8range(:inner_low, :inner_end),
                step = :step, paired_at = now() WHERE id = :id"""),
        {
            "low": joined.outer,
            "end": joined.outer + joined.count,
            "inner_low": joined.inner_low,
            "inner_end": joined.inner_low + joined.count,
            "step": joined.step,
            "id": row_id,
        },
    )
    return row_id


async def count(tx: Tx, *, outer_batch_id: int) -> int:
    """How many units of a batch of outer codes are paired."""
    row = await tx.execute(
        text("""
            SELECT coalesce(sum(upper(outer_units) - lower(outer_units)), 0)::bigint FROM code_pair
            WHERE outer_batch_id = :batch"""),
        {"batch": outer_batch_id},
    )
    return int(row.scalar_one())
