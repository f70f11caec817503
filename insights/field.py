"""What of a key's batches is in the field: by batch, dealer and shipment, how much was scanned and claimed.

Units are counted where their unit lies: of two codes paired on the line that is the outer one's number. A carton that
was shipped several times counts for the shipment it went with last.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import text

from kernel.db import Tx

COLUMNS: Final = (
    "batch", "order", "gtin", "dealer", "dealer_name", "document", "shipped_at", "units", "activated", "scanned",
    "unscanned", "scanned_since", "claimed",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class FieldRow:
    """Units of a batch that went to a dealer with a shipment; without a dealer those that were never shipped.

    Attributes:
        activated: of the units, those that are activated.
        scanned: scanned at least once.
        scanned_since: first scanned since the key leaked.
        claimed: their reward was claimed, claims that wait for a person's decision included.
    """

    batch: str
    order: str
    gtin: str
    dealer: str | None
    dealer_name: str | None
    document: str | None
    shipped_at: datetime | None
    units: int
    activated: int
    scanned: int
    scanned_since: int
    claimed: int

    @property
    def unscanned(self) -> int:
        """Units that nobody scanned yet."""
        return self.units - self.scanned

    def as_json(self) -> dict[str, Any]:
        """As the command line prints it."""
        known = asdict(self) | {"unscanned": self.unscanned}
        return {name: known[name] for name in COLUMNS}


_FIELD: Final = text("""
    WITH own AS (
        SELECT b.id, b.name, b.order_number, b.gtin, b.leaked_at,
            int8multirange(int8range(lower(b.span) / 2, lower(b.span) / 2 + b.count)) AS units
        FROM batch b WHERE b.key_id = :key AND b.brand_id = :brand AND b.origin = 'own'
    ), home AS (
        SELECT o.id, o.name, o.order_number, o.gtin, o.leaked_at, o.units
            - coalesce((SELECT range_agg(inner_units) FROM code_pair WHERE inner_batch_id = o.id), '{}')
            + coalesce((SELECT range_agg(outer_units) FROM code_pair WHERE inner_batch_id = o.id), '{}') AS units
        FROM own o
    ), active AS (
        SELECT h.id, h.units * coalesce((
            SELECT range_agg(r.units) FROM code_range r
            WHERE r.units && range_merge(h.units) AND r.lifted_at IS NULL AND r.state = 'activated'), '{}') AS units
        FROM home h
    ), carton AS (
        SELECT h.id, l.sscc, h.units * (int8multirange(l.units)
            - coalesce((SELECT range_agg(int8range(x.unit_id, x.unit_id + 1)) FROM carton_exception x
                        WHERE x.unit_id >= lower(l.units) AND x.unit_id < upper(l.units)
                            AND x.sscc IS DISTINCT FROM l.sscc), '{}')
            + coalesce((SELECT range_agg(int8range(x.unit_id, x.unit_id + 1)) FROM carton_exception x
                        WHERE x.sscc = l.sscc), '{}')) AS units
        FROM home h JOIN logistic_unit l ON l.brand_id = :brand AND (l.units && range_merge(h.units) OR EXISTS (
            SELECT 1 FROM carton_exception x WHERE x.sscc = l.sscc AND h.units @> x.unit_id))
    ), shipped AS (
        SELECT c.id, s.id AS shipment_id, range_agg(c.units) AS units
        FROM carton c CROSS JOIN LATERAL (
            SELECT s.id FROM shipment_line n JOIN shipment s ON s.id = n.shipment_id
            WHERE n.sscc = c.sscc ORDER BY s.shipped_at DESC, s.id DESC LIMIT 1) s
        WHERE NOT isempty(c.units) GROUP BY c.id, s.id
    ), part AS (
        SELECT id, shipment_id, units FROM shipped
        UNION ALL
        SELECT h.id, NULL, h.units - coalesce((SELECT range_agg(s.units) FROM shipped s WHERE s.id = h.id), '{}')
        FROM home h
    )
    SELECT h.name, h.order_number, h.gtin, d.code, d.name, s.document, s.shipped_at,
        (SELECT coalesce(sum(upper(r) - lower(r)), 0) FROM unnest(p.units) r)::bigint,
        (SELECT coalesce(sum(upper(r) - lower(r)), 0) FROM unnest(p.units * a.units) r)::bigint,
        u.scanned, u.since,
        (SELECT count(*) FROM unnest(p.units) r JOIN claim c ON c.unit_id >= lower(r) AND c.unit_id < upper(r)
         WHERE c.state <> 'voided')
    FROM part p JOIN home h ON h.id = p.id JOIN active a ON a.id = p.id
    LEFT JOIN shipment s ON s.id = p.shipment_id LEFT JOIN dealer d ON d.id = s.dealer_id
    CROSS JOIN LATERAL (
        SELECT count(*) AS scanned, count(*) FILTER (WHERE n.first_scan_at >= h.leaked_at) AS since
        FROM unnest(p.units) r JOIN unit n ON n.id >= lower(r) AND n.id < upper(r) WHERE n.scan_count > 0) u
    WHERE NOT isempty(p.units)
    ORDER BY h.id, s.shipped_at NULLS LAST, s.id""")


async def of_key(tx: Tx, *, key_id: int, brand_id: int) -> list[FieldRow]:
    """Everything of a key's batches, in the order of batches and shipments; what was never shipped stands last."""
    rows = await tx.execute(_FIELD, {"key": key_id, "brand": brand_id})
    return [FieldRow(*row) for row in rows]


def totals(rows: Iterable[FieldRow]) -> dict[str, int]:
    """The sums of all rows."""
    found = dict.fromkeys(("units", "shipped", "activated", "scanned", "unscanned", "scanned_since", "claimed"), 0)
    for row in rows:
        for name in ("units", "activated", "scanned", "unscanned", "scanned_since", "claimed"):
            found[name] += getattr(row, name)
        found["shipped"] += row.units if row.document is not None else 0
    return found


def to_csv(rows: Iterable[FieldRow]) -> str:
    """The rows as CSV with a header; a cell that a spreadsheet would take for a formula begins with an apostrophe."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(COLUMNS)
    for row in rows:
        cells = row.as_json()
        cells["shipped_at"] = "" if row.shipped_at is None else row.shipped_at.isoformat()
        writer.writerow([_inert(cells[name]) for name in COLUMNS])
    return out.getvalue()


def _inert(cell: object) -> object:
    if isinstance(cell, str) and cell[:1] in ("=", "+", "-", "@", "\t", "\r"):
        return f"'{cell}"
    return "" if cell is None else cell
