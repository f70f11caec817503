"""The filters of the list of scans: from an address to a search."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from insights import scan_search
from insights.patience import reading
from insights.scan_search import FINDINGS, SPAN_DAYS_MAX, Cursor, ScanFilter
from kernel.clock import now
from kernel.db import Database
from kernel.errors import NotFound
from traceability import catalogue, shipments
from traceability.catalogue import Product
from traceability.regions import Regions
from traceability.scans import Outcome
from traceability.shipments import Dealer
from web.console.query import Query, local
from web.console.seat import Seat

DAYS: Final = 30
"""How far a search looks back where nothing is said."""
OUTCOMES: Final = tuple(str(outcome) for outcome in Outcome if outcome is not Outcome.MALFORMED)
SOURCES: Final = ("gps", "wechat", "ip", "none")
FIELDS: Final = (
    "since", "until", "outcome", "gtin", "batch", "line", "sscc", "dealer", "region", "member", "finding", "source",
    "first", "scan", "unit",
)  # fmt: skip
UNIT_ID_MAX: Final = (1 << 44) - 1

_NAME: Final = re.compile(r"[0-9A-Za-z]{1,20}", re.ASCII)
_SSCC: Final = re.compile(r"(?:00)?([0-9]{18})", re.ASCII)
_ADCODE: Final = re.compile(r"[1-9][0-9]{5}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Asked:
    """What an address asks for.

    Attributes:
        query: the address's values, with a sentence for each that is wrong.
        wanted: the search, or None where a value is wrong.
        after: where the page begins.
        since: the first moment as searched.
        until: the moment as given, or None: up to now.
        products: the brand's products, to choose from.
        dealers: the brand's dealers, to choose from.
        filtered: whether anything but the time narrows.
    """

    query: Query
    wanted: ScanFilter | None
    after: Cursor | None
    since: datetime
    until: datetime | None
    products: list[Product]
    dealers: list[Dealer]
    filtered: bool


async def read(db: Database, regions: Regions, seat: Seat) -> Asked:
    """Judge the address; names are looked up within the brand, so that another brand's name is no name."""
    query = Query(seat.visit.query, seat.visit.language)
    since, until = query.moment("since"), query.moment("until")
    batch, sscc, member = _name(query, "batch"), _sscc(query), _name(query, "member")
    scan_id, unit_id = query.uuid("scan"), query.number("unit", low=0, high=UNIT_ID_MAX)
    line = query.number("line", low=1, high=1_000_000_000)
    cursor = query.cursor()
    async with reading(db) as tx:
        named = await scan_search.resolve(tx, brand_id=seat.brand.id, batch=batch, sscc=sscc, member=member)
        products = await catalogue.list_products(tx, brand_id=seat.brand.id)
        dealers = await shipments.list_dealers(tx, brand_id=seat.brand.id)
    for name, given, found in (
        ("batch", batch, named.batch), ("sscc", sscc, named.carton), ("member", member, named.member_id)
    ):  # fmt: skip
        if given is not None and found is None:
            query.refuse(name, f"scans.unknown.{name}")
    units = named.carton if unit_id is None else (unit_id, unit_id)
    if line is not None and named.batch is not None:
        units = _at_line(query, line, named.batch)
    elif line is not None and batch is None:
        query.refuse("line", "scans.line.batch")
    adcodes, ip_province = _region(query, regions)
    narrow = scan_id is not None or units is not None
    end = until or now() + timedelta(days=1)  # a scan on the clock of another machine must not fall out
    start = since or _start(end, narrow=narrow)
    _judge_span(query, start, end)
    fields: dict[str, object] = {
        "scan_id": scan_id, "units": units, "batch_id": named.batch[0] if named.batch else None,
        "gtin": query.choice("gtin", {each.gtin for each in products}),
        "dealer_id": _dealer(query, dealers), "member_id": named.member_id, "adcodes": adcodes,
        "ip_province": ip_province, "outcomes": query.choices("outcome", OUTCOMES),
        "finding": query.choice("finding", FINDINGS), "source": query.choice("source", SOURCES),
        "first": query.choice("first", {"1"}) is not None,
    }  # fmt: skip
    after = _after(query, cursor)
    wanted = None
    if not query.problems:
        wanted = ScanFilter(brand_id=seat.brand.id, since=start, until=end, **fields)  # type: ignore[arg-type] # as named
    return Asked(query, wanted, after, start, until, products, dealers, any(fields.values()))


def _start(end: datetime, *, narrow: bool) -> datetime:
    """One unit's scans are few: they are looked for in all the time there is."""
    return end - timedelta(days=SPAN_DAYS_MAX - 1 if narrow else DAYS)


def _judge_span(query: Query, start: datetime, end: datetime) -> None:
    if {"since", "until"} & query.problems.keys():
        return
    if start >= end:
        query.refuse("until", "scans.order")
    elif end - start > timedelta(days=SPAN_DAYS_MAX):
        query.refuse("since", "scans.span")


def _name(query: Query, field: str) -> str | None:
    given = query.text(field)
    if given and _NAME.fullmatch(given) is None:
        query.refuse(field, f"scans.unknown.{field}")
        return None
    return given.upper() or None


def _sscc(query: Query) -> str | None:
    given = query.text("sscc").removeprefix("(00)").replace(" ", "")
    form = _SSCC.fullmatch(given)
    if given and form is None:
        query.refuse("sscc", "scans.sscc.form")
    return None if form is None else form[1]


def _at_line(query: Query, line: int, batch: tuple[int, int, int]) -> tuple[int, int] | None:
    _, first, last = batch
    if first + line - 1 > last:
        query.refuse("line", "scans.line.range", n=last - first + 1)
        return None
    return first + line - 1, first + line - 1


def _dealer(query: Query, dealers: list[Dealer]) -> int | None:
    code = query.choice("dealer", {dealer.code for dealer in dealers})
    return next((dealer.id for dealer in dealers if dealer.code == code), None)


def _region(query: Query, regions: Regions) -> tuple[tuple[int, ...], int | None]:
    """The districts meant, and with a province the province too, for scans that have no precise place."""
    given = query.text("region")
    if not given:
        return (), None
    province = regions.province_named(given)
    adcode = province.adcode if province is not None else int(given) if _ADCODE.fullmatch(given) else 0
    try:
        region = regions.region(adcode)
        districts = tuple(sorted(regions.districts_of(adcode)))
    except NotFound:
        query.refuse("region", "scans.region.unknown")
        return (), None
    return districts, region.adcode if region.level == "province" else None


def _after(query: Query, cursor: tuple[datetime, str] | None) -> Cursor | None:
    if cursor is None:
        return None
    at, key = cursor
    if len(key) != 32:
        query.refuse("after", "query.value.cursor")
        return None
    return at, UUID(key)


def told(asked: Asked) -> dict[str, str]:
    """What a search asks for, as the audit trail keeps it: fields and values; none of them is a code or a number."""
    kept = {name: ",".join(asked.query.all(name)) for name in FIELDS if asked.query.text(name)}
    kept["since"] = local(asked.since)
    return kept
