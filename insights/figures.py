"""Figures of what happened: scans by outcome, hour, province and product, dealers whose goods surface elsewhere."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import text

from kernel.db import Tx


@dataclass(frozen=True, slots=True)
class DealerFigure:
    """A dealer's scans with a known place, and how many of them lay outside the dealer's territory."""

    name: str
    placed: int
    outside: int


@dataclass(frozen=True, slots=True)
class Figures:
    """Counts over everything recorded.

    Attributes:
        scans: rows of the scan journal.
        outcomes: scans by outcome, the most frequent first.
        unverified: texts that were no code of ours: `malformed` and `forged`.
        units: units scanned at least once.
        members: members.
        points: spendable points earned.
        prizes: (draw, prize id, stock, left).
        provinces: (adcode, scans), the most first.
        products: (gtin, name, name_en, scans, claims).
        dealers: dealers by goods outside their territory, the most first.
        copied: units found at two places that no traveller could reach in the time between.
        early: scans before activation.
    """

    scans: int
    outcomes: list[tuple[str, int]]
    unverified: dict[str, int]
    units: int
    members: int
    points: int
    prizes: list[tuple[str, int, int, int]]
    provinces: list[tuple[int, int]]
    products: list[tuple[str, str, str, int, int]]
    dealers: list[DealerFigure]
    copied: int
    early: int


async def compute(tx: Tx) -> Figures:
    """Count everything anew from the raw rows."""
    totals = await tx.execute(
        text("""
            SELECT (SELECT count(*) FROM scan), (SELECT count(*) FROM unit), (SELECT count(*) FROM member),
                (SELECT coalesce(sum(e.amount), 0) FROM entry e JOIN account a ON a.id = e.account_id
                 WHERE a.member_id IS NOT NULL AND a.currency = 'spendable' AND e.kind = 'earn'),
                (SELECT count(DISTINCT unit_id) FROM scan WHERE findings @> '[{"rule": "impossible_travel"}]'),
                (SELECT count(*) FROM scan WHERE findings @> '[{"rule": "early_scan"}]')""")
    )
    scans, units, members, points, copied, early = totals.one()
    outcomes = await tx.execute(text("SELECT outcome, count(*) FROM scan GROUP BY outcome ORDER BY 2 DESC, 1"))
    unverified = await tx.execute(text("SELECT outcome, sum(count) FROM refused_count GROUP BY outcome"))
    prizes = await tx.execute(
        text("""
            SELECT d.name, p.id, p.stock, p."left" FROM prize p JOIN draw d ON d.id = p.draw_id ORDER BY d.id, p.id""")
    )
    provinces = await tx.execute(
        text("""
            SELECT adcode / 10000 * 10000, count(*) FROM scan WHERE adcode IS NOT NULL GROUP BY 1 ORDER BY 2 DESC, 1""")
    )
    products = await tx.execute(
        text("""
            SELECT p.gtin, p.name, p.name_en, (SELECT count(*) FROM scan s WHERE s.gtin = p.gtin),
                (SELECT count(*) FROM claim c WHERE c.gtin = p.gtin AND c.state = 'posted')
            FROM product p ORDER BY p.gtin""")
    )
    dealers = await tx.execute(
        text("""
            SELECT d.name, count(*) FILTER (WHERE f->>'result' <> 'undetermined'),
                count(*) FILTER (WHERE f->>'result' = 'outside')
            FROM scan s
            CROSS JOIN LATERAL jsonb_array_elements(s.findings) AS f
            CROSS JOIN LATERAL (SELECT c.sscc FROM logistic_unit c WHERE c.units @> s.unit_id LIMIT 1) l
            CROSS JOIN LATERAL (
                SELECT h.dealer_id FROM shipment_line n JOIN shipment h ON h.id = n.shipment_id
                WHERE n.sscc = l.sscc ORDER BY h.shipped_at DESC, h.id DESC LIMIT 1) x
            JOIN dealer d ON d.id = x.dealer_id
            WHERE f->>'rule' = 'outside_territory'
            GROUP BY d.id ORDER BY 3 DESC, 1""")
    )
    return Figures(
        scans=scans,
        outcomes=[(row[0], row[1]) for row in outcomes],
        unverified={row[0]: int(row[1]) for row in unverified},
        units=units,
        members=members,
        points=int(points),
        prizes=[(row[0], row[1], row[2], row[3]) for row in prizes],
        provinces=[(row[0], row[1]) for row in provinces],
        products=[(row[0], row[1], row[2], row[3], row[4]) for row in products],
        dealers=[DealerFigure(row[0], row[1], row[2]) for row in dealers],
        copied=copied,
        early=early,
    )
