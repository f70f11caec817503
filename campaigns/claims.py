"""Claims: a member takes a unit's reward, once. Pending until it may be paid, then posted, or voided.

The unique index on units with a claim that is not voided is the wall against paying a unit twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

import msgspec
from sqlalchemy import text

from codegen.pairs import holds, mate_of
from kernel.db import Statement, Tx, encode_rows
from kernel.writes import Part, Writes


class Claim(msgspec.Struct, frozen=True):
    """A claim as stored; `reason` says why it is pending (`inactive`, or the rule that held it)."""

    id: int
    brand_id: int
    unit_id: int
    member_id: int
    scan_id: UUID
    gtin: str
    device: bytes | None
    state: str
    reason: str | None
    at: datetime


IDS: Final = "claim_id_seq"
"""The sequence of claims' ids: of two claims that stand against each other, the lower id was there first."""

_COLUMNS = "id, brand_id, unit_id, member_id, scan_id, gtin, device, state, reason, at"


_STANDING: Final = Statement(f"""
    SELECT {_COLUMNS} FROM claim WHERE unit_id = ANY(CAST(:units AS bigint[])) AND state <> 'voided'
""")  # noqa: S608 (a constant)


async def standing(tx: Tx, unit_ids: list[int]) -> dict[int, Claim]:
    """Claims that stand (pending or posted) by unit; call it after the units are locked."""
    claims = [Claim(*row) for row in await _STANDING.fetch(tx, {"units": unit_ids})]
    return {claim.unit_id: claim for claim in claims}


_STORE: Final = Part("""claims_made AS (
    INSERT INTO claim (id, brand_id, unit_id, member_id, scan_id, gtin, device, state, reason, at, settled_at)
    SELECT id, brand_id, unit_id, member_id, scan_id, gtin, decode(device, 'base64'), state, reason, at,
        CASE WHEN state = 'posted' THEN at END
    FROM json_to_recordset(CAST(:claims AS json)) AS n(id bigint, brand_id bigint, unit_id bigint, member_id bigint,
        scan_id uuid, gtin text, device text, state text, reason text, at timestamptz)
)""")


def store(writes: Writes, claims: Sequence[Claim]) -> None:
    """Store new claims, by unit: two groups that meet at the same ones wait for each other in one order."""
    if claims:
        rows = sorted(claims, key=lambda each: each.unit_id)
        writes.add(_STORE, {"claims": encode_rows(rows)})


async def hold_leaked(tx: Tx, unit_ids: Sequence[int] | None = None) -> int:
    """Hold claims parked before activation whose unit was first scanned after its key leaked; returns how many.

    Such a code may be a copy: activation does not pay it, a person decides. Of two codes paired on the line the inner
    one's key counts, for it carries the reward. A claim that somebody settles at this moment is left to the next turn,
    so that nobody is waited for.

    Args:
        tx: the caller's transaction.
        unit_ids: of these units only, which the caller has locked; None for all of them.
    """
    held = await tx.execute(
        text("""
            UPDATE claim SET reason = 'leaked_key' WHERE id IN (
                SELECT c.id FROM batch b CROSS JOIN LATERAL (
                    SELECT lower(b.span) / 2 AS low, upper(b.span) / 2 AS high, true AS own
                    UNION ALL
                    SELECT lower(outer_units), upper(outer_units), false FROM code_pair WHERE inner_batch_id = b.id
                ) r JOIN claim c ON c.unit_id >= r.low AND c.unit_id < r.high JOIN unit u ON u.id = c.unit_id
                WHERE b.leaked_at IS NOT NULL AND c.state = 'pending' AND c.reason = 'inactive'
                    AND NOT (r.own AND EXISTS (SELECT 1 FROM code_pair p WHERE p.outer_units @> c.unit_id))
                    AND u.first_scan_at >= b.leaked_at
                    AND (CAST(:units AS bigint[]) IS NULL OR c.unit_id = ANY(CAST(:units AS bigint[])))
                FOR UPDATE OF c SKIP LOCKED)
                AND state = 'pending' AND reason = 'inactive'"""),
        {"units": None if unit_ids is None else list(unit_ids)},
    )
    return held.rowcount


PAIRED: Final = "paired"
"""Why a claim was voided: its code was paired on one unit with another, whose claim is paid."""

WAITS: Final = """EXISTS (
    SELECT 1 FROM claim o
    WHERE o.unit_id = m.mate AND o.state = 'pending' AND o.id < c.id AND o.reason <> 'inactive')"""
"""SQL of the claim `c` with its unit's mate `m.mate`: an earlier one on the mate waits for a person's decision."""

PAID_ON_MATE: Final = "EXISTS (SELECT 1 FROM claim o WHERE o.unit_id = m.mate AND o.state = 'posted')"
"""SQL of the claim `c` with its unit's mate `m.mate`: the unit's reward was paid on its other code."""


async def settleable(tx: Tx, limit: int) -> list[Claim]:
    """Claims to be settled, oldest first, not locked: those parked before activation whose unit is active by now and
    not blocked, and those, held ones too, whose unit was paid on the code that theirs was paired with since.
    """  # noqa: D205 (one sentence)
    rows = await tx.execute(
        text(f"""
            SELECT {_COLUMNS} FROM claim c LEFT JOIN LATERAL {mate_of("c.unit_id")} m ON true
            WHERE c.state = 'pending' AND ({PAID_ON_MATE} OR c.reason = 'inactive'
                AND ({holds("r.state = 'activated'", "c.unit_id")})
                AND NOT ({holds("r.state <> 'activated'", "c.unit_id")})
                AND NOT {WAITS})
            ORDER BY c.id LIMIT :limit"""),  # noqa: S608 (a constant)
        {"limit": limit},
    )
    return [Claim(*row) for row in rows]


async def mark_posted(tx: Tx, claim_ids: Sequence[int], *, at: datetime) -> None:
    """Post pending claims that the caller pays in the same transaction and whose units it has locked."""
    await tx.execute(
        text("""
            UPDATE claim SET state = 'posted', settled_at = :at
            WHERE id = ANY(CAST(:ids AS bigint[])) AND state = 'pending'"""),
        {"ids": list(claim_ids), "at": at},
    )


async def void(tx: Tx, claim_ids: Sequence[int], *, at: datetime, reason: str | None = None) -> None:
    """Void pending claims whose units the caller has locked: without another claim, a unit can be claimed again.

    Args:
        tx: the caller's transaction.
        claim_ids: which.
        at: when.
        reason: why, in place of why they were pending.
    """
    await tx.execute(
        text("""
            UPDATE claim SET state = 'voided', settled_at = :at, reason = coalesce(CAST(:reason AS text), reason)
            WHERE id = ANY(CAST(:ids AS bigint[])) AND state = 'pending'"""),
        {"ids": list(claim_ids), "at": at, "reason": reason},
    )


async def get(tx: Tx, claim_id: int) -> Claim | None:
    """A claim by its id."""
    row = await tx.execute(
        text(f"SELECT {_COLUMNS} FROM claim WHERE id = :id"),  # noqa: S608 (a constant)
        {"id": claim_id},
    )
    found = row.one_or_none()
    return None if found is None else Claim(*found)


async def held(tx: Tx, *, brand_id: int, limit: int = 1000) -> list[Claim]:
    """Claims that a rule holds and a person must decide, the oldest first."""
    rows = await tx.execute(
        text(f"""
            SELECT {_COLUMNS} FROM claim
            WHERE brand_id = :brand AND state = 'pending' AND reason <> 'inactive'
            ORDER BY id LIMIT :limit"""),  # noqa: S608 (a constant)
        {"brand": brand_id, "limit": limit},
    )
    return [Claim(*row) for row in rows]
