"""Earning rules as stored: set, versioned, read for a group of claims."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from sqlalchemy import text

from campaigns.rules import EarningRule
from kernel import audit
from kernel.db import Statement, Tx


async def set_rule(
    tx: Tx,
    *,
    brand_id: int,
    gtin: str | None,
    points: int,
    qualifying: int,
    expires_after_days: int | None,
    active_from: datetime,
    actor: str,
) -> EarningRule:
    """Set what a claim of a product earns; setting it again makes a new version of the same rule.

    Raises:
        InvalidInput: a value outside its limits; the sentence names it.
    """
    # judged before it is stored: the rule's own limits
    EarningRule(1, 1, gtin, points, qualifying, expires_after_days, active_from, None)
    values = {
        "brand": brand_id,
        "gtin": gtin,
        "points": points,
        "qualifying": qualifying,
        "days": expires_after_days,
        "from": active_from,
    }
    row = await tx.execute(
        text("""
            UPDATE earning_rule SET version = version + 1, points = :points, qualifying = :qualifying,
                expires_after_days = :days, active_from = :from
            WHERE brand_id = :brand AND gtin IS NOT DISTINCT FROM :gtin RETURNING id, version"""),
        values,
    )
    found = row.one_or_none()
    if found is None:
        row = await tx.execute(
            text("""
                INSERT INTO earning_rule (brand_id, gtin, points, qualifying, expires_after_days, active_from)
                VALUES (:brand, :gtin, :points, :qualifying, :days, :from) RETURNING id, version"""),
            values,
        )
        found = row.one()
    await audit.record(
        tx,
        brand_id=brand_id,
        actor=actor,
        action="earning_rule.set",
        subject=f"rule {found.id} version {found.version}",
        after={"gtin": gtin, "points": points, "qualifying": qualifying},
    )
    return EarningRule(found.id, found.version, gtin, points, qualifying, expires_after_days, active_from, None)


_RULES: Final = Statement("""
    SELECT brand_id, id, version, gtin, points, qualifying, expires_after_days, active_from, active_until
    FROM earning_rule WHERE brand_id = ANY(CAST(:brands AS bigint[]))
""")


async def rules_of(tx: Tx, brand_ids: Sequence[int]) -> dict[int, list[EarningRule]]:
    """The rules of some brands, by brand, in one statement."""
    found: dict[int, list[EarningRule]] = {}
    for row in await _RULES.fetch(tx, {"brands": list(brand_ids)}):
        found.setdefault(row[0], []).append(EarningRule(*row[1:]))
    return found
