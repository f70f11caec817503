"""Dealers and their territories: listed, drawn, and what was shipped to them."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from urllib.parse import urlencode

from litestar import Response, get, post
from litestar.params import FromPath
from litestar.types import ControllerRouterHandler

from kernel.db import Tx
from kernel.errors import Conflict, InvalidInput, YimaError
from staff.access import Permission
from traceability import areas, shipments
from traceability.changes import EditedMeanwhile
from traceability.regions import Regions
from traceability.shipments import Dealer
from web.console import china, counts, forms
from web.console.desk import Desk
from web.console.guard import Form, GivenDesk, GivenForm, GivenSeat, needs
from web.console.query import Query
from web.console.seat import Seat
from web.console.texts import say
from web.texts import percent

PAGE_ROWS: Final = 25
SHIPMENT_ROWS: Final = 20
CARTON_ROWS: Final = 100
NAMES_SHOWN: Final = 4
OVERLAPS_SHOWN: Final = 10

_POINTS: Final = frozenset({"gps", "wechat"})
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_ID_MAX: Final = 2**62


@dataclass(frozen=True, slots=True)
class Draft:
    """A dealer as a form holds it, right or wrong."""

    code: str = ""
    name: str = ""
    adcodes: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Share:
    """Scans of a dealer's goods with a precise place, and those outside the territory."""

    scans: int
    placed: int
    outside: int

    @property
    def percent(self) -> str:
        """Of the scans with a place, those outside."""
        return percent(self.outside, self.placed)


@dataclass(frozen=True, slots=True)
class Overlap:
    """Another dealer whose territory has a part in common with this one."""

    dealer: Dealer
    where: str


@get("/console/b/{brand:str}/dealers", opt=needs(Permission.SEE_CATALOGUE))
async def show_all(desk: GivenDesk, seat: GivenSeat) -> Response[bytes]:
    """The brand's dealers."""
    query = Query(seat.visit.query, seat.visit.language)
    words, after = query.text("q"), query.text("after")
    async with desk.means.db.transaction() as tx:
        found = await shipments.search_dealers(
            tx, brand_id=seat.brand.id, words=words, after=after, limit=PAGE_ROWS + 1
        )
    rows = found[:PAGE_ROWS]
    kept = {"q": words} if words else {}
    own = seat.path("/dealers")
    return desk.page(
        seat,
        "dealers.html",
        rows=[(each, _names(desk, seat, each.adcodes), await _share(desk, seat, each.id)) for each in rows],
        words=words,
        first=f"{own}?{urlencode(kept)}" if after else "",
        following=f"{own}?{urlencode(kept | {'after': rows[-1].code})}" if len(found) > PAGE_ROWS else "",
        may_edit=Permission.EDIT_CATALOGUE in seat.may,
    )


@get("/console/b/{brand:str}/dealers/new", opt=needs(Permission.EDIT_CATALOGUE))
async def start(desk: GivenDesk, seat: GivenSeat) -> Response[bytes]:
    """An empty form."""
    return await _form_page(desk, seat, Draft())


@post("/console/b/{brand:str}/dealers/new", opt=needs(Permission.EDIT_CATALOGUE), status_code=200)
async def create(desk: GivenDesk, seat: GivenSeat, form: GivenForm) -> Response[bytes]:
    """Create a dealer, or only show the territory chosen so far."""
    draft, error = _read(desk, form)
    if "show" in form and error is None:
        return await _form_page(desk, seat, draft)
    try:
        if error is not None:
            raise error
        async with desk.means.db.transaction() as tx:
            made = await shipments.create_dealer(
                tx, brand_id=seat.brand.id, code=draft.code, name=draft.name, adcodes=draft.adcodes, actor=seat.actor
            )
    except (InvalidInput, Conflict) as refused:
        return await _form_page(desk, seat, draft, error=refused)
    return desk.redirect(seat.visit, seat.path(f"/dealers/{made.id}"), flash="dealers.created", code=made.code)


@post("/console/b/{brand:str}/dealers/area", opt=needs(Permission.EDIT_CATALOGUE), status_code=200)
async def show_area(desk: GivenDesk, seat: GivenSeat, form: GivenForm) -> Response[bytes]:
    """The territory chosen so far, drawn: a part of the page, for the script that keeps it in step."""
    draft, error = _read(desk, form)
    if error is not None:
        raise error
    dealer_id = form.number("dealer", low=0, high=_ID_MAX) if form.get("dealer") else None
    return desk.page(seat, "dealer_area.html", **await _area(desk, seat, draft.adcodes, dealer_id))


@get("/console/b/{brand:str}/dealers/{dealer:int}", opt=needs(Permission.SEE_CATALOGUE))
async def show(desk: GivenDesk, seat: GivenSeat, dealer: FromPath[int]) -> Response[bytes]:
    """One dealer: territory, figures, shipments."""
    query = Query(seat.visit.query, seat.visit.language)
    async with desk.means.db.transaction() as tx:
        found = await _dealer(tx, seat, dealer)
        sent = await shipments.shipments_to(
            tx, dealer_id=found.id, before=_cursor(query.text("before")), limit=SHIPMENT_ROWS + 1
        )
    rows = sent[:SHIPMENT_ROWS]
    own = seat.path(f"/dealers/{found.id}")
    return desk.page(
        seat,
        "dealer.html",
        dealer=found,
        share=await _share(desk, seat, found.id),
        shipments=[(each, _name(desk, seat, each.adcode)) for each in rows],
        first=f"{own}#shipments" if query.text("before") else "",
        following=f"{own}?before={_mark(rows[-1].shipped_at, rows[-1].id)}#shipments"
        if len(sent) > SHIPMENT_ROWS
        else "",
        may_edit=Permission.EDIT_CATALOGUE in seat.may,
        **await _area(desk, seat, found.adcodes, found.id),
    )


@get("/console/b/{brand:str}/dealers/{dealer:int}/shipments/{shipment:int}", opt=needs(Permission.SEE_CATALOGUE))
async def show_shipment(
    desk: GivenDesk, seat: GivenSeat, dealer: FromPath[int], shipment: FromPath[int]
) -> Response[bytes]:
    """The cartons of a shipment."""
    query = Query(seat.visit.query, seat.visit.language)
    after = query.text("after")
    async with desk.means.db.transaction() as tx:
        found = await _dealer(tx, seat, dealer)
        sent = await shipments.shipment(tx, min(shipment, _ID_MAX), dealer_id=found.id, brand_id=seat.brand.id)
        cartons = await shipments.cartons_of(
            tx, brand_id=seat.brand.id, shipment_id=sent.id, after=after, limit=CARTON_ROWS + 1
        )
    rows = cartons[:CARTON_ROWS]
    own = seat.path(f"/dealers/{found.id}/shipments/{sent.id}")
    return desk.page(
        seat,
        "shipment.html",
        dealer=found,
        shipment=sent,
        where=_name(desk, seat, sent.adcode),
        cartons=rows,
        first=own if after else "",
        following=f"{own}?after={rows[-1].sscc}" if len(cartons) > CARTON_ROWS else "",
    )


@get("/console/b/{brand:str}/dealers/{dealer:int}/edit", opt=needs(Permission.EDIT_CATALOGUE))
async def edit(desk: GivenDesk, seat: GivenSeat, dealer: FromPath[int]) -> Response[bytes]:
    """A dealer, to be changed."""
    async with desk.means.db.transaction() as tx:
        found = await _dealer(tx, seat, dealer)
    return await _form_page(desk, seat, Draft(found.code, found.name, found.adcodes), dealer=found)


@post("/console/b/{brand:str}/dealers/{dealer:int}/edit", opt=needs(Permission.EDIT_CATALOGUE), status_code=200)
async def save(desk: GivenDesk, seat: GivenSeat, form: GivenForm, dealer: FromPath[int]) -> Response[bytes]:
    """Change a dealer; nothing that somebody else saved meanwhile is overwritten unseen."""
    error: YimaError | None
    draft, error = _read(desk, form)
    version = form.number("version", low=0, high=forms.VERSION_MAX)
    try:
        if error is not None:
            raise error
        if "show" not in form:
            async with desk.means.db.transaction() as tx:
                found = await _dealer(tx, seat, dealer)
                await shipments.update_dealer(
                    tx, brand_id=seat.brand.id, dealer_id=found.id, name=draft.name, adcodes=draft.adcodes,
                    version=version, actor=seat.actor,
                )  # fmt: skip
            return desk.redirect(seat.visit, seat.path(f"/dealers/{found.id}"), flash="dealers.saved", code=found.code)
    except (InvalidInput, EditedMeanwhile) as refused:
        error = refused
    async with desk.means.db.transaction() as tx:
        now = await _dealer(tx, seat, dealer)
    return await _form_page(desk, seat, draft, dealer=now, version=version, error=error)


async def _dealer(tx: Tx, seat: Seat, dealer_id: int) -> Dealer:
    return await shipments.dealer(tx, max(min(dealer_id, _ID_MAX), 0), brand_id=seat.brand.id)


def _read(desk: Desk, form: Form) -> tuple[Draft, InvalidInput | None]:
    """The form's dealer; a territory that cannot be read is empty, and the error says why."""
    error = None
    chosen: tuple[int, ...] = ()
    try:
        chosen = areas.tidy(desk.regions, areas.read(desk.regions, form.all("adcode")))
    except InvalidInput as refused:
        error = refused
    return Draft(form.get("code"), form.get("name"), chosen), error


async def _form_page(
    desk: Desk,
    seat: Seat,
    draft: Draft,
    *,
    dealer: Dealer | None = None,
    version: int | None = None,
    error: YimaError | None = None,
) -> Response[bytes]:
    meanwhile = isinstance(error, EditedMeanwhile)
    now = 0 if dealer is None else dealer.version
    return desk.page(
        seat,
        "dealer_form.html",
        status=200 if error is None else error.status,
        draft=draft,
        dealer=dealer,
        # Having seen both versions, the person may save over the newer one.
        version=now if meanwhile or version is None else version,
        errors=forms.Refusals() if error is None or meanwhile else forms.refusals(error, seat.visit.language),
        differences=_differences(desk, seat, dealer, draft) if meanwhile and dealer is not None else [],
        tree=areas.tree(desk.regions),
        open=_open(desk.regions, draft.adcodes),
        limits=shipments,
        **await _area(desk, seat, draft.adcodes, None if dealer is None else dealer.id),
    )


def _open(regions: Regions, adcodes: tuple[int, ...]) -> set[int]:
    """Regions of which a part is chosen: the tree shows them open."""
    found = set()
    for adcode in adcodes:
        region = regions.region(adcode)
        found |= {each.adcode for each in (region.city, region.province) if each is not None}
    return found - set(adcodes)


async def _area(desk: Desk, seat: Seat, adcodes: tuple[int, ...], dealer_id: int | None) -> dict[str, Any]:
    """What the area's part of the page shows: the drawing, its names, who else has a part of it."""
    chinese = seat.visit.language == "zh"
    async with desk.means.db.transaction() as tx:
        others = [each for each in await shipments.list_dealers(tx, brand_id=seat.brand.id) if each.id != dealer_id]
    drawing = await asyncio.to_thread(china.draw, desk.regions, adcodes, chinese=chinese)
    found = []
    for each in others:
        common = areas.overlap(desk.regions, adcodes, each.adcodes)
        if common:
            found.append(Overlap(each, _names(desk, seat, common)))
    return {
        "drawing": drawing,
        "area_names": [_name(desk, seat, adcode) for adcode in adcodes],
        "overlaps": found[:OVERLAPS_SHOWN],
        "overlaps_more": max(len(found) - OVERLAPS_SHOWN, 0),
    }


def _name(desk: Desk, seat: Seat, adcode: int) -> str:
    return areas.name(desk.regions, adcode, chinese=seat.visit.language == "zh")


def _names(desk: Desk, seat: Seat, adcodes: tuple[int, ...]) -> str:
    """The first few names, and how many more."""
    language = seat.visit.language
    shown = [_name(desk, seat, adcode) for adcode in adcodes[:NAMES_SHOWN]]
    listed = ("、" if language == "zh" else ", ").join(shown)
    more = len(adcodes) - NAMES_SHOWN
    return say("dealers.more", language, names=listed, n=more) if more > 0 else listed


async def _share(desk: Desk, seat: Seat, dealer_id: int) -> Share:
    views, brand_id, dealers = desk.means.views, seat.brand.id, frozenset({dealer_id})
    return Share(
        scans=await counts.scans(views, brand_id, dealers=dealers),
        placed=await counts.scans(views, brand_id, dealers=dealers, sources=_POINTS),
        outside=await counts.scans(views, brand_id, dealers=dealers, layer="outside"),
    )


def _differences(desk: Desk, seat: Seat, now: Dealer, draft: Draft) -> list[forms.Difference]:
    language = seat.visit.language
    comma = "、" if language == "zh" else ", "

    def listed(adcodes: tuple[int, ...]) -> str:
        return comma.join(_name(desk, seat, adcode) for adcode in adcodes)

    pairs = (
        (say("dealers.name", language), now.name, draft.name),
        (say("dealers.territory", language), listed(now.adcodes), listed(draft.adcodes)),
    )
    return forms.differences(pairs, none=say("none", language))


def _mark(at: datetime, shipment_id: int) -> str:
    """A place in the list of shipments, for an address."""
    return f"{(at - _EPOCH) // timedelta(microseconds=1)}.{shipment_id}"


def _cursor(text: str) -> tuple[datetime, int] | None:
    """The place of `_mark`; one that somebody made up begins anew."""
    micros, _, number = text.partition(".")
    if not (micros.isascii() and micros.isdigit() and number.isascii() and number.isdigit()):
        return None
    if len(micros) > 16 or len(number) > 18:
        return None
    return _EPOCH + timedelta(microseconds=int(micros)), int(number)


ROUTES: list[ControllerRouterHandler] = [show_all, start, create, show_area, show, show_shipment, edit, save]
