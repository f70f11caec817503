"""Stations of the line: cameras and hand scanners, their tokens made and withdrawn."""

from __future__ import annotations

from litestar import Response, get, post
from litestar.params import FromPath
from litestar.types import ControllerRouterHandler

from codegen import stations
from kernel.errors import Conflict, InvalidInput, YimaError
from staff.access import Permission
from web.console import forms
from web.console.desk import Desk
from web.console.guard import Form, GivenDesk, GivenForm, GivenSeat, needs
from web.console.seat import Seat


@get("/console/b/{brand:str}/stations", opt=needs(Permission.MANAGE_STATIONS))
async def show(desk: GivenDesk, seat: GivenSeat) -> Response[bytes]:
    """The brand's stations."""
    return await _page(desk, seat)


@post("/console/b/{brand:str}/stations", opt=needs(Permission.MANAGE_STATIONS), status_code=200)
async def make(desk: GivenDesk, seat: GivenSeat, form: GivenForm) -> Response[bytes]:
    """Make a station; its token is on the page that comes back, and nowhere after."""
    may_switch = "may_switch" in form
    if may_switch:
        seat.need(Permission.SWITCH_CODES)
    try:
        async with desk.means.db.transaction() as tx:
            made, token = await stations.make(
                tx, brand_id=seat.brand.id, name=form.get("name"), may_switch=may_switch, actor=seat.actor
            )
    except (InvalidInput, Conflict) as error:
        return await _page(desk, seat, error=error, form=form)
    return await _page(desk, seat, made=(made.name, token))


@post("/console/b/{brand:str}/stations/{station:int}/revoke", opt=needs(Permission.MANAGE_STATIONS), status_code=200)
async def revoke(desk: GivenDesk, seat: GivenSeat, form: GivenForm, station: FromPath[int]) -> Response[bytes]:  # noqa: ARG001 - its reading is the judgement
    """Withdraw a station's token."""
    async with desk.means.db.transaction() as tx:
        gone = await stations.revoke(tx, station, brand_id=seat.brand.id, actor=seat.actor)
    return desk.redirect(seat.visit, seat.path("/stations"), flash="stations.revoked", name=gone.name)


async def _page(
    desk: Desk,
    seat: Seat,
    *,
    made: tuple[str, str] | None = None,
    error: YimaError | None = None,
    form: Form | None = None,
) -> Response[bytes]:
    async with desk.means.db.transaction() as tx:
        found = await stations.list_of(tx, brand_id=seat.brand.id)
    given = form or Form([])
    return desk.page(
        seat,
        "stations.html",
        status=200 if error is None else error.status,
        stations=found,
        made=made,
        name=given.get("name"),
        name_max=stations.NAME_CHARS_MAX,
        errors=forms.Refusals() if error is None else forms.refusals(error, seat.visit.language),
        may_switch=Permission.SWITCH_CODES in seat.may,
    )


ROUTES: list[ControllerRouterHandler] = [show, make, revoke]
