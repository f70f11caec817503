"""Claims as people look at them: those that wait for a decision with the facts, and those of one member."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import text

from kernel.db import Tx

PAGE_ROWS: Final = 50


@dataclass(frozen=True, slots=True)
class ClaimLine:
    """A claim with its scan's facts.

    Attributes:
        member: public id.
        unit_scans: how often the unit was scanned.
        findings: what the rules saw of the claim's scan.
        adcode: district of that scan, or None.
        points: what the ledger holds for the claim.
    """

    id: int
    member: str
    scan_id: UUID
    gtin: str
    product: str | None
    product_en: str | None
    state: str
    reason: str | None
    at: datetime
    settled_at: datetime | None
    unit_id: int
    unit_scans: int
    findings: list[dict[str, Any]]
    adcode: int | None
    ip_province: int | None
    cell: int | None
    points: int


_NAMED: Final = """
    SELECT c.id, m.public_id, c.scan_id, c.gtin, p.name, p.name_en, c.state, c.reason, c.at, c.settled_at, c.unit_id,
        u.scan_count, coalesce(s.findings, '[]'), s.adcode, s.ip_province, s.cell,
        coalesce((SELECT sum(e.amount) FROM account a JOIN entry e ON e.account_id = a.id
            WHERE a.member_id = c.member_id AND a.currency = 'spendable'
                AND e.cause_kind = 'claim' AND e.cause_id = c.id::text), 0)::bigint
    FROM ({rows}) c
    JOIN member m ON m.id = c.member_id
    JOIN unit u ON u.id = c.unit_id
    LEFT JOIN product p ON p.gtin = c.gtin
    LEFT JOIN scan s ON s.at = c.at AND s.scan_id = c.scan_id
    ORDER BY c.id {order}
"""


async def held(tx: Tx, *, brand_id: int, after: int = 0) -> tuple[list[ClaimLine], bool]:
    """A page of the claims that a rule holds, the oldest first, and whether there are more."""
    rows = """
        SELECT * FROM claim
        WHERE brand_id = :brand AND state = 'pending' AND reason IS NOT NULL AND reason <> 'inactive' AND id > :after
        ORDER BY id LIMIT :rows"""
    values = {"brand": brand_id, "after": after, "rows": PAGE_ROWS + 1}
    found = [ClaimLine(*row) for row in await tx.execute(text(_NAMED.format(rows=rows, order="")), values)]
    return found[:PAGE_ROWS], len(found) > PAGE_ROWS


async def of_member(tx: Tx, *, brand_id: int, member_id: int, after: int | None = None) -> tuple[list[ClaimLine], bool]:
    """A page of a member's claims, the newest first, and whether there are more."""
    rows = """
        SELECT * FROM claim
        WHERE brand_id = :brand AND member_id = :member AND id < coalesce(CAST(:after AS bigint), id + 1)
        ORDER BY id DESC LIMIT :rows"""
    values = {"brand": brand_id, "member": member_id, "after": after, "rows": PAGE_ROWS + 1}
    found = [ClaimLine(*row) for row in await tx.execute(text(_NAMED.format(rows=rows, order="DESC")), values)]
    return found[:PAGE_ROWS], len(found) > PAGE_ROWS
