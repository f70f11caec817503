"""Batches of codes: listed with the states of their ranges, shown."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from urllib.parse import urlencode

from litestar import Response, get
from litestar.params import FromPath
from litestar.types import ControllerRouterHandler

from codegen import batches, ranges, states
from codegen.batches import Batch
from insights import claims
from staff.access import Permission
from traceability import catalogue
from web.console import batch_page
from web.console.batch_page import BAR_WIDTH, ID_MAX, Piece
from web.console.guard import GivenDesk, GivenSeat, needs
from web.console.query import Query
from web.console.texts import say

PAGE_ROWS: Final = 20


@dataclass(frozen=True, slots=True)
class Row:
    """A batch as the list shows it."""

    batch: Batch
    product: str
    pieces: list[Piece]
    totals: dict[str, int]
    scanned: int
    claimed: int


@get("/console/b/{brand:str}/batches", opt=needs(Permission.SEE_BATCHES))
async def show_all(desk: GivenDesk, seat: GivenSeat) -> Response[bytes]:
    """The brand's batches, newest first."""
    query = Query(seat.visit.query, seat.visit.language)
    gtin, before = query.text("gtin"), query.number("before", low=1, high=ID_MAX)
    async with desk.means.db.transaction() as tx:
        found = await batches.search(tx, brand_id=seat.brand.id, gtin=gtin, before=before, limit=PAGE_ROWS + 1)
        shown = found[:PAGE_ROWS]
        products = await catalogue.list_products(tx, brand_id=seat.brand.id)
        held = await ranges.spans(tx, shown)
        claimed = await claims.count(tx, [(each.unit_id(1), each.unit_id(each.count)) for each in shown])
    names = {each.gtin: batch_page.product_name(seat, each) for each in products}
    rows = [
        Row(
            each, names.get(each.gtin, each.gtin), batch_page.pieces(each, held[each.id]),
            states.totals(states.flatten(each.count, held[each.id])), await batch_page.scanned(desk, seat, each), taken,
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
            *((each.gtin, batch_page.product_name(seat, each)) for each in products),
        ],
        gtin=gtin,
        claims_max=claims.COUNTED_MAX,
        bar_width=BAR_WIDTH,
        first=f"{own}?{urlencode(kept)}" if before else "",
        following=f"{own}?{urlencode(kept | {'before': shown[-1].id})}" if len(found) > PAGE_ROWS else "",
        may_order=Permission.ORDER_CODES in seat.may,
    )


@get("/console/b/{brand:str}/batches/{name:str}", opt=needs(Permission.SEE_BATCHES))
async def show(desk: GivenDesk, seat: GivenSeat, name: FromPath[str]) -> Response[bytes]:
    """One batch: counts, ranges, package, labels."""
    return await batch_page.answer(desk, seat, name)


ROUTES: list[ControllerRouterHandler] = [show_all, show]
