"""Scans of the journal, searched: filters, keyset pages newest first, bounded counts.

Each search is bounded in time, so that only the partitions of that time are read, and scoped to one brand.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import text

from kernel.db import Tx
from kernel.errors import InvalidInput

PAGE_ROWS: Final = 50
COUNT_ROWS_MAX: Final = 10_000
SPAN_DAYS_MAX: Final = 3_660
"""Ten years with their leap days, and a week."""

FINDINGS: Final[dict[str, str]] = {
    "copied": '[{"rule": "impossible_travel"}]',
    "outside": '[{"rule": "outside_territory", "result": "outside"}]',
    "undetermined": '[{"rule": "outside_territory", "result": "undetermined"}]',
    "early": '[{"rule": "early_scan"}]',
    "no_page": '[{"rule": "page_token"}]',
    "blocked": '[{"rule": "blocked_member"}]',
    "listed": '[{"rule": "block_list"}]',
    "haste": '[{"rule": "velocity"}]',
    "canary": '[{"rule": "canary"}]',
}
"""What a search may ask of a scan's findings, as the part of them that must be there."""


@dataclass(frozen=True, slots=True)
class ScanFilter:
    """Which scans; what is None or empty does not narrow.

    Attributes:
        brand_id: whose scans.
        since: the first moment.
        until: the first moment no longer meant.
        scan_id: one scan.
        units: first and last unit id.
        batch_id: of the unit.
        gtin: product.
        dealer_id: whose goods the unit was at that time.
        member_id: who scanned.
        adcodes: districts of a precise place.
        ip_province: with `adcodes`, the province of scans that have no precise place.
        outcomes: any of these.
        finding: a key of `FINDINGS`.
        source: of the location.
        first: first scans of their units only.

    Raises:
        InvalidInput: the times are in the wrong order, or more than ten years apart.
    """

    brand_id: int
    since: datetime
    until: datetime
    scan_id: UUID | None = None
    units: tuple[int, int] | None = None
    batch_id: int | None = None
    gtin: str | None = None
    dealer_id: int | None = None
    member_id: int | None = None
    adcodes: tuple[int, ...] = ()
    ip_province: int | None = None
    outcomes: tuple[str, ...] = ()
    finding: str | None = None
    source: str | None = None
    first: bool = False

    def __post_init__(self) -> None:
        if self.since >= self.until:
            raise InvalidInput("The first moment lies after the last.", field="since")
        if self.until - self.since > timedelta(days=SPAN_DAYS_MAX):
            raise InvalidInput("A search spans at most ten years.", field="since")


@dataclass(frozen=True, slots=True)
class ScanLine:
    """One scan with the names of what it points at; a name is None where the scan points at nothing.

    `line` is the unit's place in its batch, counted from 1; `member` the member's public id.
    """

    at: datetime
    scan_id: UUID
    unit_id: int
    side: str
    gtin: str | None
    outcome: str
    reason: str | None
    device: bytes | None
    adcode: int | None
    cell: int | None
    accuracy_m: float | None
    location_source: str
    ip_province: int | None
    findings: list[dict[str, Any]]
    points: int
    first: bool | None
    host: str | None
    data_versions: str | None
    member_id: int | None
    member: str | None
    batch: str | None
    line: int | None
    product: str | None
    product_en: str | None
    dealer_id: int | None
    dealer: str | None


Cursor = tuple[datetime, UUID]
"""The last row of a page."""

_NAMED: Final = """
    SELECT s.at, s.scan_id, s.unit_id, s.side, s.gtin, s.outcome, s.reason, s.device, s.adcode, s.cell, s.accuracy_m,
        s.location_source, s.ip_province, s.findings, s.points, s.first, s.host, s.data_versions, s.member_id,
        m.public_id AS member, b.name AS batch, s.unit_id - (lower(b.span) >> 1) + 1 AS line,
        p.name AS product, p.name_en AS product_en, s.dealer_id, d.name AS dealer
    FROM ({rows}) s
    LEFT JOIN member m ON m.id = s.member_id AND m.brand_id = s.brand_id
    LEFT JOIN batch b ON b.id = s.batch_id
    LEFT JOIN product p ON p.gtin = s.gtin
    LEFT JOIN dealer d ON d.id = s.dealer_id
    ORDER BY s.at DESC, s.scan_id DESC
"""


def conditions(wanted: ScanFilter) -> tuple[str, dict[str, Any]]:
    """The filter as SQL over `scan s`, and its values; the text is made of constants only."""
    given: list[tuple[str, dict[str, Any]]] = [
        (
            "s.brand_id = :brand AND s.at >= :since AND s.at < :until",
            {"brand": wanted.brand_id, "since": wanted.since, "until": wanted.until},
        ),
        *((f"s.{column} = :{column}", {column: getattr(wanted, column)}) for column in _EQUAL),
        ("s.unit_id BETWEEN :unit_low AND :unit_high", _pair("unit_low", "unit_high", wanted.units)),
        _region(wanted),
        ("s.outcome = ANY(CAST(:outcomes AS text[]))", {"outcomes": list(wanted.outcomes) or None}),
        ("s.findings @> CAST(:finding AS jsonb)", {"finding": FINDINGS.get(wanted.finding or "")}),
        ("s.location_source = :source", {"source": wanted.source}),
        ("s.first = :first", {"first": wanted.first or None}),
    ]
    if wanted.units is not None and wanted.units[0] == wanted.units[1]:
        given[_UNIT] = ("s.unit_id = :unit", {"unit": wanted.units[0]})
    used = [(condition, values) for condition, values in given if None not in values.values()]
    return " AND ".join(condition for condition, _ in used), {k: v for _, values in used for k, v in values.items()}


_EQUAL: Final = ("scan_id", "batch_id", "gtin", "dealer_id", "member_id")
_UNIT: Final = 1 + len(_EQUAL)


def _pair(low: str, high: str, values: tuple[int, int] | None) -> dict[str, Any]:
    return {low: None} if values is None else {low: values[0], high: values[1]}


def _region(wanted: ScanFilter) -> tuple[str, dict[str, Any]]:
    placed = "s.adcode = ANY(CAST(:adcodes AS integer[]))"
    adcodes = list(wanted.adcodes) or None
    if wanted.ip_province is None:
        return placed, {"adcodes": adcodes}
    return (
        f"({placed} OR (s.cell IS NULL AND s.ip_province = :ip_province))",
        {"adcodes": adcodes, "ip_province": wanted.ip_province},
    )


async def search(
    tx: Tx, wanted: ScanFilter, *, after: Cursor | None = None, rows_max: int = PAGE_ROWS
) -> tuple[list[ScanLine], bool]:
    """A page of scans, the newest first, and whether there are more; one statement."""
    where, values = conditions(wanted)
    if after is not None:
        # the first half lets PostgreSQL leave out newer partitions
        where += " AND s.at <= :after_at AND (s.at, s.scan_id) < (:after_at, CAST(:after_id AS uuid))"
        values |= {"after_at": after[0], "after_id": after[1]}
    rows = f"SELECT * FROM scan s WHERE {where} ORDER BY s.at DESC, s.scan_id DESC LIMIT :rows"  # noqa: S608 (constants)
    found = [
        ScanLine(*row) for row in await tx.execute(text(_NAMED.format(rows=rows)), {**values, "rows": rows_max + 1})
    ]
    return found[:rows_max], len(found) > rows_max


async def count(tx: Tx, wanted: ScanFilter) -> int:
    """How many scans there are, up to one more than `COUNT_ROWS_MAX`; one statement."""
    where, values = conditions(wanted)
    row = await tx.execute(
        text(f"SELECT count(*) FROM (SELECT 1 FROM scan s WHERE {where} LIMIT :rows) t"),  # noqa: S608 (constants)
        {**values, "rows": COUNT_ROWS_MAX + 1},
    )
    return int(row.scalar_one())


async def find(tx: Tx, *, brand_id: int, scan_id: UUID, at: datetime | None) -> ScanLine | None:
    """One scan of a brand by its id, in two statements.

    The journal is kept by time, so the scan's moment is needed: as given, as its replay has it (35 days), or as
    the claim has it that it made.
    """
    moments = await tx.execute(
        text("""
            SELECT at FROM scan_replay WHERE scan_id = :scan AND brand_id = :brand
            UNION SELECT at FROM claim WHERE scan_id = :scan AND brand_id = :brand
            UNION SELECT CAST(:at AS timestamptz) WHERE CAST(:at AS timestamptz) IS NOT NULL"""),
        {"scan": scan_id, "brand": brand_id, "at": at},
    )
    ats = list(moments.scalars())
    if not ats:
        return None
    rows = """
        SELECT * FROM scan s
        WHERE s.at = ANY(CAST(:ats AS timestamptz[])) AND s.scan_id = :scan AND s.brand_id = :brand"""
    row = await tx.execute(text(_NAMED.format(rows=rows)), {"ats": ats, "scan": scan_id, "brand": brand_id})
    found = row.first()
    return None if found is None else ScanLine(*found)


async def of_unit(tx: Tx, *, brand_id: int, unit_id: int, rows_max: int = PAGE_ROWS) -> tuple[list[ScanLine], bool]:
    """A unit's scans, the newest first, and whether there are more; one statement."""
    rows = """
        SELECT * FROM scan s WHERE s.unit_id = :unit AND s.brand_id = :brand
        ORDER BY s.at DESC, s.scan_id DESC LIMIT :rows"""
    values = {"unit": unit_id, "brand": brand_id, "rows": rows_max + 1}
    found = [ScanLine(*row) for row in await tx.execute(text(_NAMED.format(rows=rows)), values)]
    return found[:rows_max], len(found) > rows_max


@dataclass(frozen=True, slots=True)
class Named:
    """What a search's words name, resolved within the brand; None where nothing bears that name."""

    batch: tuple[int, int, int] | None
    """Batch id, first and last unit id."""
    carton: tuple[int, int] | None
    """First and last unit id."""
    member_id: int | None


async def resolve(tx: Tx, *, brand_id: int, batch: str | None, sscc: str | None, member: str | None) -> Named:
    """Find a batch by name, a carton by SSCC and a member by public id, in one statement."""
    row = await tx.execute(
        text("""
            SELECT
                (SELECT ARRAY[b.id, lower(b.span) >> 1, (upper(b.span) >> 1) - 1] FROM batch b
                 WHERE b.name = :batch AND b.brand_id = :brand),
                (SELECT ARRAY[lower(l.units), upper(l.units) - 1] FROM logistic_unit l
                 WHERE l.sscc = :sscc AND l.brand_id = :brand),
                (SELECT m.id FROM member m WHERE m.public_id = :member AND m.brand_id = :brand)"""),
        {"brand": brand_id, "batch": batch, "sscc": sscc, "member": member},
    )
    batch_found, carton_found, member_id = row.one()
    return Named(
        None if batch_found is None else (batch_found[0], batch_found[1], batch_found[2]),
        None if carton_found is None else (carton_found[0], carton_found[1]),
        member_id,
    )
