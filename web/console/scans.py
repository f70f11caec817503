"""Scans: searched, exported, and each one's whole story."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final

import h3.api.basic_int as h3
from litestar import Response, get, post
from litestar.params import FromPath
from litestar.response import Stream
from litestar.types import ControllerRouterHandler

from codegen.scheme import MalformedCode
from insights import refused, scan_search, scan_story
from insights.patience import COUNT_MS_MAX, TooSlow, reading
from insights.scan_search import COUNT_ROWS_MAX, FINDINGS, ScanFilter, ScanLine
from kernel import audit
from kernel.clock import now
from staff.access import Permission
from traceability import journal_months
from web.console import scan_filters, sheets, words
from web.console.desk import Desk
from web.console.guard import GivenDesk, GivenForm, GivenSeat, needs
from web.console.query import Query, address, local, midnight, pack_cursor, pack_moment, parse_moment, parse_uuid
from web.console.scan_filters import OUTCOMES, SOURCES
from web.console.seat import Seat
from web.console.slow import told_if_slow
from web.console.texts import say
from web.texts import day

CELL_RESOLUTION: Final = 7
"""The cell that a story shows: about 5 km²."""
CODE_CHARS_MAX: Final = 2_000
REFUSED_DAYS: Final = 30

_RARE: Final = ("batch", "line", "sscc", "dealer", "member", "source", "scan", "first")
"""Filters that are folded away until one is used."""


@get("/console/b/{brand:str}/scans", opt=needs(Permission.SEE_SCANS))
@told_if_slow
async def list_scans(desk: GivenDesk, seat: GivenSeat) -> Response[bytes]:
    """The search, the newest first; htmx asks for the rows alone."""
    asked = await scan_filters.read(desk.means.db, desk.regions, seat)
    rows: list[ScanLine] = []
    more, slow, total = False, "", None
    archived: datetime | None = None
    if asked.wanted is not None:
        try:
            async with reading(desk.means.db) as tx:
                rows, more = await scan_search.search(tx, asked.wanted, after=asked.after)
                archived = await journal_months.archived_before(tx)
        except TooSlow:
            slow = say("scans.slow", seat.visit.language)
        if not slow and asked.after is None:
            total = await _count(desk, asked.wanted, rows, more=more)
    path, query = seat.path("/scans"), asked.query
    return desk.page(
        seat,
        "scans_rows.html" if seat.visit.partial else "scans.html",
        status=400 if query.problems else 503 if slow else 200,
        asked=asked,
        rows=rows,
        slow=slow,
        archived=archived if archived is not None and asked.since < archived else None,
        total=total,
        total_max=COUNT_ROWS_MAX,
        export_max=sheets.ROWS_MAX,
        first_page=query.address(path, {"after": None}) if asked.after is not None else "",
        next_page=query.address(path, {"after": pack_cursor(rows[-1].at, rows[-1].scan_id)}) if more else "",
        export=query.address(seat.path("/scans/export.csv"), {"after": None}),
        presets=_presets(seat, query),
        outcomes=OUTCOMES,
        findings=tuple(FINDINGS),
        sources=SOURCES,
        may_export=Permission.EXPORT in seat.may,
        known_fields=scan_filters.FIELDS,
        open_more=any(query.text(name) or name in query.problems for name in _RARE),
        **_telling(desk, seat),
    )


async def _count(desk: Desk, wanted: ScanFilter, rows: list[ScanLine], *, more: bool) -> int | None:
    """How many there are, where that is soon known."""
    if not more:
        return len(rows)
    try:
        async with reading(desk.means.db, ms_max=COUNT_MS_MAX) as tx:
            return await scan_search.count(tx, wanted)
    except TooSlow:
        return None


def _presets(seat: Seat, query: Query) -> list[tuple[str, str, bool]]:
    """Ranges of time to choose by a click: text key, address, whether it is the one in use."""
    today = midnight(now())
    found = []
    for days in (1, 7, 30, 90):
        since = local(today - timedelta(days=days - 1))
        here = query.text("since") == since and not query.text("until")
        target = query.address(seat.path("/scans"), {"since": since, "until": None, "after": None})
        found.append((f"scans.days.{days}", target, here))
    return found


def _telling(desk: Desk, seat: Seat) -> dict[str, Any]:
    """The functions with which templates put scans into words."""
    language = seat.visit.language
    return {
        "tone": words.tone,
        "stamp": words.stamp,
        "device": words.device,
        "place": partial(words.place, regions=desk.regions, language=language),
        "region": partial(words.region_name, regions=desk.regions, language=language),
        "finding": partial(words.finding, language=language),
        "finding_name": partial(words.finding_name, language=language),
        "finding_tone": words.finding_tone,
        "reason": partial(words.reason, language=language),
        "public": partial(words.public, whole=Permission.SEE_MEMBERS in seat.may),
        "may_see_members": Permission.SEE_MEMBERS in seat.may,
        "story": partial(story_path, seat),
        "local": local,
    }


def story_path(seat: Seat, scan_id: object, at: datetime | None) -> str:
    """The address of a scan's story; its moment goes along, for the journal is kept by time."""
    pairs = [] if at is None else [("at", pack_moment(at))]
    return address(seat.path(f"/scans/{scan_id}"), pairs)


@post("/console/b/{brand:str}/scans/find", opt=needs(Permission.SEE_SCANS), status_code=200)
async def find_code(desk: GivenDesk, seat: GivenSeat, form: GivenForm) -> Response[bytes]:
    """From a code to its unit's scans. By POST, so that a code, which is money, stands in no address."""
    given = form.get("code")
    problem = "scans.code.none"
    if len(given) > CODE_CHARS_MAX:
        problem = "scans.code.malformed"
    elif given:
        try:
            async with reading(desk.means.db) as tx:
                position = await scan_story.verify(tx, desk.means.vault, brand_id=seat.brand.id, given=given)
            if position is not None:
                return desk.redirect(seat.visit, address(seat.path("/scans"), [("unit", str(position >> 1))]))
            problem = "scans.code.foreign"
        except MalformedCode:
            problem = "scans.code.malformed"
    return desk.page(seat, "scans_find.html", status=400, problem=say(problem, seat.visit.language))


@get("/console/b/{brand:str}/scans/export.csv", opt=needs(Permission.EXPORT))
async def export_scans(desk: GivenDesk, seat: GivenSeat) -> Response[bytes] | Stream:
    """The search as CSV; who exported what is in the audit trail before the first row leaves."""
    seat.need(Permission.SEE_SCANS)
    asked = await scan_filters.read(desk.means.db, desk.regions, seat)
    if asked.wanted is None:  # the list says what is wrong
        return desk.redirect(seat.visit, asked.query.address(seat.path("/scans")))
    async with desk.means.db.transaction() as tx:
        await audit.record(
            tx,
            brand_id=seat.brand.id,
            actor=seat.actor,
            action="scans.export",
            subject="scans",
            after=scan_filters.told(asked),
        )
    head = [say(f"scans.csv.{name}", seat.visit.language) for name in _COLUMNS]
    # rows that arrive while the file is written must not push others over its end
    wanted = replace(asked.wanted, until=min(asked.wanted.until, now() + timedelta(seconds=1)))
    return sheets.stream(f"scans-{now():%Y%m%d-%H%M%S}.csv", head, _pages(desk, seat, wanted))


_COLUMNS: Final = (
    "at", "scan_id", "outcome", "reason", "product", "gtin", "batch", "line", "side", "first", "dealer", "province",
    "region", "adcode", "source", "accuracy_m", "findings", "points", "member", "device",
)  # fmt: skip


async def _pages(desk: Desk, seat: Seat, wanted: ScanFilter) -> AsyncIterator[list[list[object]]]:
    after, left = None, sheets.ROWS_MAX
    while left > 0:
        async with desk.means.db.transaction() as tx:
            rows, more = await scan_search.search(tx, wanted, after=after, rows_max=min(left, sheets.ROWS_PER_READ))
        yield [_cells(desk, seat, row) for row in rows]
        if not more:
            return
        left -= len(rows)
        after = (rows[-1].at, rows[-1].scan_id)


def _cells(desk: Desk, seat: Seat, row: ScanLine) -> list[object]:
    language = seat.visit.language
    province = None if row.adcode is None else row.adcode // 10_000 * 10_000
    findings = "; ".join(f"{each['rule']}: {each['result']}" for each in row.findings)
    return [
        words.stamp(row.at), row.scan_id, row.outcome, row.reason, row.product if language == "zh" else row.product_en,
        row.gtin, row.batch, row.line, row.side, {True: 1, False: 0}.get(row.first is True), row.dealer,
        words.region_name(province or row.ip_province, desk.regions, language),
        words.region_name(row.adcode, desk.regions, language), row.adcode, row.location_source,
        None if row.accuracy_m is None else round(row.accuracy_m), findings, row.points,
        None if row.member is None else words.public(row.member, whole=Permission.SEE_MEMBERS in seat.may),
        words.device(row.device),
    ]  # fmt: skip


@get("/console/b/{brand:str}/scans/{scan:str}", opt=needs(Permission.SEE_SCANS))
@told_if_slow
async def one_scan(desk: GivenDesk, seat: GivenSeat, scan: FromPath[str]) -> Response[bytes]:
    """One scan's whole story."""
    scan_id = parse_uuid(scan)
    at = parse_moment(Query(seat.visit.query, seat.visit.language).text("at"))
    story = archived = None
    if scan_id is not None:
        async with reading(desk.means.db) as tx:
            story = await scan_story.tell(tx, desk.means.vault, brand_id=seat.brand.id, scan_id=scan_id, at=at)
            archived = await journal_months.archived_before(tx)
    if story is None:
        sentence = say("scan.unknown", seat.visit.language)
        if archived is not None and at is not None and at < archived:
            sentence = say("scans.archived", seat.visit.language, day=day(archived, seat.visit.language))
        return desk.page(seat, "error.html", status=404, sentence=sentence)
    cell = story.scan.cell
    return desk.page(
        seat,
        "scan.html",
        told=story,
        archived=archived,
        row=story.scan,
        cell="" if cell is None else h3.int_to_str(h3.cell_to_parent(cell, CELL_RESOLUTION)),
        findings=[each for each in story.scan.findings if each["rule"] != "page_token"],
        page=next((each["result"] for each in story.scan.findings if each["rule"] == "page_token"), "good"),
        now=now(),
        may_decide=Permission.EDIT_CAMPAIGNS in seat.may and Permission.SEE_MEMBERS in seat.may,
        may_see_draws=Permission.SEE_DRAWS in seat.may,
        may_block=Permission.MANAGE_BLOCKS in seat.may,
        unit_scans=address(seat.path("/scans"), [("unit", str(story.scan.unit_id))]),
        **_telling(desk, seat),
    )


@get("/console/b/{brand:str}/scans/refused", opt=needs(Permission.SEE_SCANS))
@told_if_slow
async def list_refused(desk: GivenDesk, seat: GivenSeat) -> Response[bytes]:
    """Tries with texts that are no code of ours: counted by the day, with masked samples."""
    query = Query(seat.visit.query, seat.visit.language)
    since, until = query.day("since"), query.day("until")
    last = until or now().date()
    first = since or last - timedelta(days=REFUSED_DAYS - 1)
    if not query.problems and first > last:
        query.refuse("until", "scans.order")
    elif not query.problems and (last - first).days > scan_search.SPAN_DAYS_MAX:
        query.refuse("since", "scans.span")
    found = None
    if not query.problems:
        async with reading(desk.means.db) as tx:
            found = await refused.read(tx, brand_id=seat.brand.id, first=first, last=last)
    return desk.page(
        seat,
        "scans_refused.html",
        status=400 if query.problems else 200,
        query=query,
        first=first,
        last=last,
        found=found,
        unissued=address(
            seat.path("/scans"),
            [("outcome", "forged"), ("since", f"{first}T08:00"), ("until", f"{last + timedelta(days=1)}T08:00")],
        ),
        **_telling(desk, seat),
    )


ROUTES: list[ControllerRouterHandler] = [list_scans, find_code, export_scans, list_refused, one_scan]
