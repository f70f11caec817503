"""Alarms: somebody tries many codes within minutes. Looked at, and led on to the block list."""

from __future__ import annotations

from typing import Final

from litestar import Response, get, post
from litestar.params import FromPath
from litestar.types import ControllerRouterHandler

from antifraud import alarms
from insights.scan_story import key_symbols
from staff.access import Permission
from web.console import words
from web.console.guard import GivenDesk, GivenForm, GivenSeat, needs
from web.console.query import Query

PATH: Final = "/console/b/{brand:str}/alarms"


@get(PATH, opt=needs(Permission.SEE_SCANS))
async def show(desk: GivenDesk, seat: GivenSeat) -> Response[bytes]:
    """The brand's alarms that nobody has looked at, or all."""
    past = Query(seat.visit.query, seat.visit.language).text("past") == "1"
    async with desk.means.db.transaction() as tx:
        found = await alarms.list_of(tx, brand_id=seat.brand.id, past=past)
    return desk.page(
        seat,
        "alarms.html",
        alarms=found,
        past=past,
        stamp=words.stamp,
        key_symbols=key_symbols,
        minutes=alarms.WINDOW_S // 60,
        may=Permission.MANAGE_BLOCKS in seat.may,
        may_see_keys=Permission.SEE_KEYS in seat.may,
    )


@post(f"{PATH}/{{alarm:int}}/seen", opt=needs(Permission.MANAGE_BLOCKS), status_code=200)
async def see(desk: GivenDesk, seat: GivenSeat, form: GivenForm, alarm: FromPath[int]) -> Response[bytes]:  # noqa: ARG001 - its reading is the judgement
    """Note that somebody has looked at an alarm."""
    async with desk.means.db.transaction() as tx:
        await alarms.see(tx, alarm, brand_id=seat.brand.id, actor=seat.actor)
    return desk.redirect(seat.visit, seat.path("/alarms"), flash="alarms.seen")


ROUTES: list[ControllerRouterHandler] = [show, see]
