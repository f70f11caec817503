"""Block lists: whose scans pay nothing, why and until when; added, and lifted."""

from __future__ import annotations

from typing import Final

from litestar import Response, get, post
from litestar.params import FromPath
from litestar.types import ControllerRouterHandler

from antifraud import blocks
from antifraud.blocklist import KINDS, WHYS
from kernel.clock import now
from kernel.errors import Conflict, InvalidInput, NotFound, TooMany, YimaError
from staff import people
from staff.access import Permission
from web.console import forms, words
from web.console.desk import Desk
from web.console.guard import Form, GivenDesk, GivenForm, GivenSeat, needs
from web.console.query import Query
from web.console.seat import Seat
from web.console.texts import say

PATH: Final = "/console/b/{brand:str}/blocks"
DAYS: Final = 90
_FIELDS: Final = ("kind", "what", "why", "reason", "days")


@get(PATH, opt=needs(Permission.SEE_SCANS))
async def show(desk: GivenDesk, seat: GivenSeat) -> Response[bytes]:
    """The brand's blocks that stand, or those that are past; a scan's page fills the form in."""
    query = Query(seat.visit.query, seat.visit.language)
    given = Form([(name, query.text(name)) for name in ("kind", "what")])
    return await _page(desk, seat, form=given, past=query.text("past") == "1")


@post(PATH, opt=needs(Permission.MANAGE_BLOCKS), status_code=200)
async def add(desk: GivenDesk, seat: GivenSeat, form: GivenForm) -> Response[bytes]:
    """Block something."""
    try:
        days = form.number("days", low=1, high=blocks.DAYS_MAX)
        async with desk.means.db.transaction() as tx:
            made = await blocks.add(
                tx, desk.means.vault, brand_id=seat.brand.id, kind=form.get("kind"), what=form.get("what"),
                why=form.get("why"), reason=form.get("reason"), days=days, actor=seat.actor,
            )  # fmt: skip
    except (InvalidInput, NotFound, Conflict, TooMany) as error:
        return await _page(desk, seat, error=error, form=form)
    return desk.redirect(seat.visit, seat.path("/blocks"), flash="blocks.added", what=made.label)


@post(f"{PATH}/{{block:int}}/lift", opt=needs(Permission.MANAGE_BLOCKS), status_code=200)
async def lift(desk: GivenDesk, seat: GivenSeat, form: GivenForm, block: FromPath[int]) -> Response[bytes]:  # noqa: ARG001 - its reading is the judgement
    """Take a block off the list."""
    async with desk.means.db.transaction() as tx:
        gone = await blocks.lift(tx, block, brand_id=seat.brand.id, actor=seat.actor)
    return desk.redirect(seat.visit, seat.path("/blocks"), flash="blocks.lifted", what=gone.label)


async def _page(
    desk: Desk, seat: Seat, *, form: Form, error: YimaError | None = None, past: bool = False
) -> Response[bytes]:
    async with desk.means.db.transaction() as tx:
        found = await blocks.list_of(tx, brand_id=seat.brand.id, past=past)
        names = {
            people.actor_of(each.id): each.name
            for each in await people.list_of_brand(tx, desk.means.vault, seat.brand.id)
        }
    language = seat.visit.language
    return desk.page(
        seat,
        "blocks.html",
        status=200 if error is None else error.status,
        blocks=found,
        past=past,
        names=names,
        now=now(),
        stamp=words.stamp,
        kinds=[(each, say(f"blocks.kind.{each}", language)) for each in KINDS],
        whys=[(each, say(f"blocks.why.{each}", language)) for each in WHYS],
        form=form,
        days=form.get("days", str(DAYS)),
        days_max=blocks.DAYS_MAX,
        reason_max=blocks.REASON_CHARS_MAX,
        what_max=blocks.TEXT_CHARS_MAX,
        errors=forms.Refusals() if error is None else forms.refusals(error, language),
        fields=_FIELDS,
        may=Permission.MANAGE_BLOCKS in seat.may,
    )


ROUTES: list[ControllerRouterHandler] = [show, add, lift]
