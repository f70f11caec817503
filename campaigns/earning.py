"""Earning rules as stored: set, versioned, read for a group of claims."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import text

from campaigns.rules import EarningRule
from kernel import audit
from kernel.db import Tx
from kernel.reads import Asked, Query, Reads


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


Rules = Mapping[int, Sequence[EarningRule]]
"""The rules of some brands, by brand."""


def _by_brand(rows: Iterable[tuple[Any, ...]]) -> Rules:
    found: dict[int, list[EarningRule]] = {}
    for brand_id, *rule in rows:
        found.setdefault(brand_id, []).append(EarningRule(*rule))
    return found


_RULES: Final = Query(
    """ARRAY(
        SELECT ROW(brand_id, id, version, gtin, points, qualifying, expires_after_days, active_from, active_until)
        FROM earning_rule WHERE brand_id = ANY(CAST(:brands_of_rules AS bigint[])))""",
    _by_brand,
)


def ask(reads: Reads, brand_ids: Sequence[int]) -> Asked[Rules]:
    """Have the rules of some brands read."""
    return reads.add(_RULES, {"brands_of_rules": list(brand_ids)})


async def rules_of(tx: Tx, brand_ids: Sequence[int]) -> Rules:
    """The rules of some brands."""
    return await _RULES.fetch(tx, {"brands_of_rules": list(brand_ids)})
