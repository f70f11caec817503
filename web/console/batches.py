"""Batches of codes: listed with the states of their ranges, ordered, switched, handed out."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlencode

from litestar import Response, get, post
from litestar.params import FromPath
from litestar.response import Stream
from litestar.types import ControllerRouterHandler

from codegen import batches, orders, packages, ranges, states
from codegen.batches import Batch
from codegen.states import Span
from insights import claims
from kernel import tasks
from kernel.clock import now
from kernel.db import Tx
from kernel.errors import Conflict, InvalidInput, NotFound, Unavailable, YimaError
from staff import people
from staff.access import Permission
from traceability import catalogue
from traceability.catalogue import Product
from web.console import counts, forms, handout
from web.console.desk import Desk
from web.console.guard import Form, GivenDesk, GivenForm, GivenSeat, needs
from web.console.query import CHINA, Query
from web.console.seat import Seat
from web.console.texts import say

PAGE_ROWS: Final = 20
STATE_ROWS: Final = 20
DOWNLOAD_ROWS: Final = 10
LABEL_ROWS: Final = 5
CLAIMS_MAX: Final = 10_000_000
"""On a batch's own page, its claims are counted so far."""
SWITCHES: Final = ("activated", *(state for state in ranges.BLOCKING_STATES if state != "expired"), "expired")
BAR_WIDTH: Final = 1_000

_ID_MAX: Final = 2**62
_LINE_MAX: Final = batches.COUNT_MAX


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of the bar that shows a batch's states."""

    x: float
    width: float
    state: str


@dataclass(frozen=True, slots=True)
class Row:
    """A batch as the list shows it."""

    batch: Batch
    product: str
    pieces: list[Piece]
    totals: dict[str, int]
    scanned: int
    claimed: int


@dataclass(frozen=True, slots=True)
class Draft:
    """An order as a form holds it, right or wrong."""

    gtin: str
    count: str
    form: str
    paired: bool
    order: str


@get("/console/b/{brand:str}/batches", opt=needs(Permission.SEE_BATCHES))
async def show_all(desk: GivenDesk, seat: GivenSeat) -> Response[bytes]:
    """The brand's batches, newest first."""
    query = Query(seat.visit.query, seat.visit.language)
    gtin, before = query.text("gtin"), query.number("before", low=1, high=_ID_MAX)
    async with desk.means.db.transaction() as tx:
        found = await batches.search(tx, brand_id=seat.brand.id, gtin=gtin, before=before, limit=PAGE_ROWS + 1)
        shown = found[:PAGE_ROWS]
        products = await catalogue.list_products(tx, brand_id=seat.brand.id)
        held = await ranges.spans(tx, shown)
        claimed = await claims.count(tx, [(each.unit_id(1), each.unit_id(each.count)) for each in shown])
    names = {each.gtin: _product_name(seat, each) for each in products}
    rows = [
        Row(
            each, names.get(each.gtin, each.gtin), _pieces(each, held[each.id]),
            states.totals(states.flatten(each.count, held[each.id])), await _scanned(desk, seat, each), taken,
        )
        for each, taken in zip(shown, claimed, strict=True)
    ]  # fmt: skip
    kept = {"gtin": gtin} if gtin else {}
    own = seat.path("/batches")
    return desk.page(
        seat,
        "batches.html",
        rows=rows,
        products=[
            ("", say("all", seat.visit.language)),
            *((each.gtin, _product_name(seat, each)) for each in products),
        ],
        gtin=gtin,
        claims_max=claims.COUNTED_MAX,
        bar_width=BAR_WIDTH,
        first=f"{own}?{urlencode(kept)}" if before else "",
        following=f"{own}?{urlencode(kept | {'before': shown[-1].id})}" if len(found) > PAGE_ROWS else "",
        may_order=Permission.ORDER_CODES in seat.may,
    )


@get("/console/b/{brand:str}/batches/new", opt=needs(Permission.ORDER_CODES))
async def start(desk: GivenDesk, seat: GivenSeat) -> Response[bytes]:
    """An empty order, with a number of its own: sent twice, it is still one order."""
    number = f"W{now().astimezone(CHINA):%Y%m%d}-{secrets.token_hex(3).upper()}"
    return await _order_page(desk, seat, Draft("", "", "short", paired=False, order=number))


@post("/console/b/{brand:str}/batches/new", opt=needs(Permission.ORDER_CODES), status_code=200)
async def order(desk: GivenDesk, seat: GivenSeat, form: GivenForm) -> Response[bytes]:
    """Order a batch; a worker writes its package. The same order number again leads to the same batch."""
    draft = Draft(form.get("gtin"), form.get("count"), form.get("form"), "paired" in form, form.get("order"))
    task_id = None
    try:
        _need_number(draft)
        async with desk.means.db.transaction() as tx:
            batch = await batches.order(
                tx, desk.means.vault, brand_id=seat.brand.id, gtin=draft.gtin,
                count=form.number("count", low=1, high=batches.COUNT_MAX), form=draft.form,
                public_url=desk.means.public_url, paired=draft.paired, order_number=draft.order, actor=seat.actor,
            )  # fmt: skip
            if batch.state != "ready":
                task_id = await orders.request_package(tx, batch)
    except (InvalidInput, Conflict, NotFound, Unavailable) as error:
        return await _order_page(desk, seat, draft, error=error)
    if task_id is not None:
        desk.means.wake_task(task_id)
    return desk.redirect(seat.visit, seat.path(f"/batches/{batch.name}"), flash="batches.ordered", name=batch.name)


@get("/console/b/{brand:str}/batches/{name:str}", opt=needs(Permission.SEE_BATCHES))
async def show(desk: GivenDesk, seat: GivenSeat, name: FromPath[str]) -> Response[bytes]:
    """One batch: counts, ranges, package, labels."""
    return await _batch_page(desk, seat, name)


@get("/console/b/{brand:str}/batches/{name:str}/package", opt=needs(Permission.SEE_BATCHES))
async def show_package(desk: GivenDesk, seat: GivenSeat, name: FromPath[str]) -> Response[bytes]:
    """The part of the page that tells how far the package is."""
    async with desk.means.db.transaction() as tx:
        batch = await batches.get(tx, name, brand_id=seat.brand.id)
        parts = await _package(desk, seat, tx, batch)
    return desk.page(seat, "batch_package.html", batch=batch, **parts)


@post("/console/b/{brand:str}/batches/{name:str}/package", opt=needs(Permission.ORDER_CODES), status_code=200)
async def write_package(desk: GivenDesk, seat: GivenSeat, form: GivenForm, name: FromPath[str]) -> Response[bytes]:  # noqa: ARG001 - its reading is the judgement
    """Have the package written: after a failure, or where it was written elsewhere."""
    async with desk.means.db.transaction() as tx:
        batch = await batches.get(tx, name, brand_id=seat.brand.id)
        task_id = await orders.request_package(tx, batch)
    if task_id is not None:
        desk.means.wake_task(task_id)
    return desk.redirect(seat.visit, seat.path(f"/batches/{batch.name}"))


@post("/console/b/{brand:str}/batches/{name:str}/download", opt=needs(Permission.ORDER_CODES), status_code=200)
async def download(
    desk: GivenDesk,
    seat: GivenSeat,
    form: GivenForm,  # noqa: ARG001 - its reading is the judgement
    name: FromPath[str],
) -> Stream | Response[bytes]:
    """The code package; who takes it is recorded before its first byte leaves."""
    async with desk.means.db.transaction() as tx:
        batch = await batches.get(tx, name, brand_id=seat.brand.id)
        path = packages.path_in(desk.means.packages, batch)
        written = batch.sha256 is not None and path.is_file()
        if written and batch.sha256 is not None:
            await orders.record_download(
                tx, desk.means.vault, batch, file=path.name, sha256=batch.sha256, address=seat.visit.address,
                actor=seat.actor,
            )  # fmt: skip
    if not written:
        return await _batch_page(desk, seat, name, error=Conflict("The package is not written yet."))
    return handout.stream(path, path.name)


@get("/console/b/{brand:str}/batches/{name:str}/manifest", opt=needs(Permission.ORDER_CODES))
async def manifest(desk: GivenDesk, seat: GivenSeat, name: FromPath[str]) -> Response[bytes]:
    """What a print house checks the package against; it holds no code."""
    async with desk.means.db.transaction() as tx:
        batch = await batches.get(tx, name, brand_id=seat.brand.id)
    path = packages.manifest_path(packages.path_in(desk.means.packages, batch))
    if not path.is_file():
        raise NotFound("The package is not written yet.")
    return desk.file(seat.visit, path.name, path.read_bytes(), media_type="application/json")


@post("/console/b/{brand:str}/batches/{name:str}/switch", opt=needs(Permission.SWITCH_CODES), status_code=200)
async def switch(desk: GivenDesk, seat: GivenSeat, form: GivenForm, name: FromPath[str]) -> Response[bytes]:
    """Give lines a state: first say how many units that is, then, confirmed, do it."""
    task_id = None
    try:
        async with desk.means.db.transaction() as tx:
            batch = await batches.get(tx, name, brand_id=seat.brand.id)
            lines, reason = _asked(form, batch)
            if "confirm" not in form:
                held = await ranges.held_of(tx, batch)
                return _confirm_page(desk, seat, batch, lines, reason, held)
            count = await ranges.set_state(
                tx,
                batch,
                state=lines.state,
                first=lines.first,
                last=lines.last,
                reason=reason or None,
                actor=seat.actor,
            )
            if lines.state == "activated":
                task_id = await tasks.submit(tx, "settle_claims", {}, brand_id=batch.brand_id)
    except (InvalidInput, Conflict) as error:
        return await _batch_page(desk, seat, name, error=error, form=form)
    if task_id is not None:
        desk.means.wake_task(task_id)
    return desk.redirect(
        seat.visit, seat.path(f"/batches/{batch.name}"), flash=f"batches.done.{lines.state}", n=f"{count:,}"
    )


@post("/console/b/{brand:str}/batches/{name:str}/thaw", opt=needs(Permission.SWITCH_CODES), status_code=200)
async def thaw(desk: GivenDesk, seat: GivenSeat, form: GivenForm, name: FromPath[str]) -> Response[bytes]:
    """Lift a freeze."""
    try:
        async with desk.means.db.transaction() as tx:
            batch = await batches.get(tx, name, brand_id=seat.brand.id)
            count = await ranges.thaw(tx, batch, form.number("range", low=1, high=_ID_MAX), actor=seat.actor)
    except (InvalidInput, Conflict) as error:
        return await _batch_page(desk, seat, name, error=error)
    return desk.redirect(seat.visit, seat.path(f"/batches/{batch.name}"), flash="batches.done.thawed", n=f"{count:,}")


def _need_number(draft: Draft) -> None:
    """The console orders by number only: a form that is sent twice must not be two orders."""
    if not draft.order:
        raise InvalidInput("An order number is missing.", field="order")


def _asked(form: Form, batch: Batch) -> tuple[Span, str]:
    """Which lines are to get which state, and why.

    Raises:
        InvalidInput: lines outside the batch, no state, or none of the reason that it needs.
    """
    low, high = batches.lines_of(batch, _line(form, "first"), _line(form, "last"))
    state, reason = form.get("state"), form.get("reason")
    if state not in SWITCHES:
        raise InvalidInput("Choose a state.", field="state")
    if len(reason) > ranges.REASON_CHARS_MAX or (state != "activated" and not reason):
        raise InvalidInput(f"A reason has 1 to {ranges.REASON_CHARS_MAX} characters.", field="reason")
    return Span(low, high, state), reason


def _line(form: Form, name: str) -> int | None:
    return form.number(name, low=1, high=_LINE_MAX) if form.get(name) else None


def _product_name(seat: Seat, product: Product) -> str:
    return product.name if seat.visit.language == "zh" else product.name_en


def _pieces(batch: Batch, held: list[Span]) -> list[Piece]:
    """The bar: each span as wide as its share, but never too narrow to be seen."""
    pieces = []
    for each in states.flatten(batch.count, held):
        x = round((each.first - 1) / batch.count * BAR_WIDTH, 1)
        pieces.append(Piece(x, max(round(each.count / batch.count * BAR_WIDTH, 1), 2.0), each.state))
    # The widest first: what is too narrow for its true width lies on top.
    return sorted(pieces, key=lambda piece: -piece.width)


async def _scanned(desk: Desk, seat: Seat, batch: Batch) -> int:
    """Units of the batch that were ever scanned."""
    return await counts.scans(desk.means.views, seat.brand.id, layer="first", batches=frozenset({batch.id}))


async def _package(desk: Desk, seat: Seat, tx: Tx, batch: Batch) -> dict[str, Any]:
    """What the package's part of the page shows."""
    status = await orders.progress(tx, batch)
    path = packages.path_in(desk.means.packages, batch)
    under_way = status is not None and status.state in ("queued", "running")
    names = {
        people.actor_of(each.id): each.name for each in await people.list_of_brand(tx, desk.means.vault, seat.brand.id)
    }
    return {
        "job": status,
        "under_way": under_way,
        "total": max(batch.count, 1),
        "written": batch.state == "ready" and path.is_file() and not under_way,
        "size": path.stat().st_size if path.is_file() else 0,
        "names": names,
        "downloads": await orders.downloads(tx, desk.means.vault, batch, limit=DOWNLOAD_ROWS),
        "may_order": Permission.ORDER_CODES in seat.may,
    }


async def _batch_page(
    desk: Desk, seat: Seat, name: str, *, error: YimaError | None = None, form: Form | None = None
) -> Response[bytes]:
    query = Query(seat.visit.query, seat.visit.language)
    before = query.number("before", low=1, high=_ID_MAX)
    async with desk.means.db.transaction() as tx:
        batch = await batches.get(tx, name, brand_id=seat.brand.id)
        product = await catalogue.product(tx, batch.gtin, brand_id=seat.brand.id)
        held = await ranges.held_of(tx, batch)
        said = await ranges.list_states(tx, batch, before=before, limit=STATE_ROWS + 1)
        parts = await _package(desk, seat, tx, batch)
        labels = await orders.label_jobs(tx, batch, limit=LABEL_ROWS)
        [claimed] = await claims.count(tx, [(batch.unit_id(1), batch.unit_id(batch.count))], most=CLAIMS_MAX)
    own = seat.path(f"/batches/{batch.name}")
    given = form or Form([])
    language = seat.visit.language
    return desk.page(
        seat,
        "batch.html",
        status=200 if error is None else error.status,
        batch=batch,
        product=_product_name(seat, product),
        totals=states.totals(states.flatten(batch.count, held)),
        pieces=_pieces(batch, held),
        bar_width=BAR_WIDTH,
        scanned=await _scanned(desk, seat, batch),
        claimed=claimed,
        said=said[:STATE_ROWS],
        first=own if before else "",
        following=f"{own}?before={said[STATE_ROWS - 1].id}#ranges" if len(said) > STATE_ROWS else "",
        labels=labels,
        switches=[("", say("batches.switch.choose", language))]
        + [(state, say(f"batches.do.{state}", language)) for state in SWITCHES],
        given={name: given.get(name) for name in ("state", "first", "last", "reason")},
        reason_max=ranges.REASON_CHARS_MAX,
        errors=forms.Refusals() if error is None else forms.refusals(error, language),
        may_switch=Permission.SWITCH_CODES in seat.may,
        **parts,
    )


def _confirm_page(desk: Desk, seat: Seat, batch: Batch, lines: Span, reason: str, held: list[Span]) -> Response[bytes]:
    """The question that repeats how many units are touched, and in which states they are now."""
    touched = [
        Span(max(each.first, lines.first), min(each.last, lines.last), each.state)
        for each in states.flatten(batch.count, held)
        if each.first <= lines.last and each.last >= lines.first
    ]
    return desk.page(
        seat,
        "batch_confirm.html",
        batch=batch,
        state=lines.state,
        lines=lines,
        reason=reason,
        totals=states.totals(touched),
    )


async def _order_page(desk: Desk, seat: Seat, draft: Draft, *, error: YimaError | None = None) -> Response[bytes]:
    async with desk.means.db.transaction() as tx:
        products = await catalogue.list_products(tx, brand_id=seat.brand.id)
    return desk.page(
        seat,
        "batch_order.html",
        status=200 if error is None else error.status,
        draft=draft,
        products=[(each.gtin, f"{_product_name(seat, each)} · {each.gtin}") for each in products],
        forms=[(each, say(f"batches.form.{each}", seat.visit.language)) for each in batches.FORMS],
        errors=forms.Refusals() if error is None else forms.refusals(error, seat.visit.language),
        count_max=batches.COUNT_MAX,
        order_max=batches.ORDER_NUMBER_CHARS_MAX,
        public_url=desk.means.public_url.upper(),
    )


ROUTES: list[ControllerRouterHandler] = [
    show_all, start, order, show, show_package, write_package, download, manifest, switch, thaw,
]  # fmt: skip
