"""Reports: what consumers say is wrong, with their photos; notes, states, and forgetting what is personal."""

from __future__ import annotations

import re
from typing import Final

from litestar import Response, get, post
from litestar.exceptions import NotFoundException
from litestar.params import FromPath
from litestar.types import ControllerRouterHandler

from kernel.errors import InvalidInput, TooMany
from staff.access import Permission
from traceability import reports
from traceability.changes import EditedMeanwhile
from traceability.reports import STATES
from web.console import forms, words
from web.console.desk import Desk
from web.console.guard import GivenDesk, GivenForm, GivenSeat, needs
from web.console.query import Query
from web.console.seat import Seat

_ID: Final = re.compile(r"[1-9][0-9]{0,17}", re.ASCII)


@get("/console/b/{brand:str}/reports", opt=needs(Permission.SEE_MEMBERS))
async def show_all(desk: GivenDesk, seat: GivenSeat) -> Response[bytes]:
    """Reports of one state, the latest first."""
    query = Query(seat.visit.query, seat.visit.language)
    state = query.choice("state", STATES) or "open"
    after = query.number("after", low=1, high=10**18 - 1)
    async with desk.means.db.transaction() as tx:
        rows, more = await reports.search(tx, desk.means.vault, brand_id=seat.brand.id, state=state, after=after)
    path = seat.path("/reports")
    return desk.page(
        seat,
        "reports.html",
        status=400 if query.problems else 200,
        rows=rows,
        state=state,
        states=[(each, query.address(path, {"state": each, "after": None})) for each in STATES],
        stamp=words.stamp,
        first_page=query.address(path, {"after": None}) if after else "",
        next_page=query.address(path, {"after": rows[-1].id}) if more else "",
    )


@get("/console/b/{brand:str}/reports/{report:str}", opt=needs(Permission.SEE_MEMBERS))
async def show(desk: GivenDesk, seat: GivenSeat, report: FromPath[str]) -> Response[bytes]:
    """One report with its photo and notes."""
    return await _page(desk, seat, _number(report))


async def _page(
    desk: Desk,
    seat: Seat,
    report_id: int,
    *,
    status: int = 200,
    errors: forms.Refusals | None = None,
    note: str = "",
) -> Response[bytes]:
    async with desk.means.db.transaction() as tx:
        found = await reports.get(tx, desk.means.vault, brand_id=seat.brand.id, report_id=report_id)
        notes = await reports.notes(tx, brand_id=seat.brand.id, report_id=report_id)
    return desk.page(
        seat,
        "report.html",
        status=status,
        report=found,
        notes=notes,
        note=note,
        errors=errors or forms.Refusals(),
        states=STATES,
        stamp=words.stamp,
        note_max=reports.NOTE_CHARS_MAX,
        may_answer=Permission.EDIT_CAMPAIGNS in seat.may,
    )


@get("/console/b/{brand:str}/reports/{report:str}/photo", opt=needs(Permission.SEE_MEMBERS))
async def photo(desk: GivenDesk, seat: GivenSeat, report: FromPath[str]) -> Response[bytes]:
    """The photo, for this page only: no cache keeps it."""
    async with desk.means.db.transaction() as tx:
        found = await reports.photo(tx, desk.means.vault, brand_id=seat.brand.id, report_id=_number(report))
    if found is None:
        raise NotFoundException("There is no such photo.")
    return desk.answer(seat.visit, found[0], media_type=f"image/{found[1]}")


@post("/console/b/{brand:str}/reports/{report:str}", opt=needs(Permission.EDIT_CAMPAIGNS), status_code=200)
async def answer(desk: GivenDesk, seat: GivenSeat, form: GivenForm, report: FromPath[str]) -> Response[bytes]:
    """Write a note, give a state."""
    seat.need(Permission.SEE_MEMBERS)
    report_id = _number(report)
    try:
        async with desk.means.db.transaction() as tx:
            await reports.answer(
                tx, brand_id=seat.brand.id, report_id=report_id, state=form.get("state"), note=form.get("note"),
                version=form.number("version", low=0, high=forms.VERSION_MAX), actor=seat.actor,
            )  # fmt: skip
    except (InvalidInput, EditedMeanwhile, TooMany) as error:
        errors = forms.refusals(error, seat.visit.language)
        return await _page(desk, seat, report_id, status=error.status, errors=errors, note=form.get("note"))
    return desk.redirect(seat.visit, seat.path(f"/reports/{report_id}"), flash="reports.saved")


@post("/console/b/{brand:str}/reports/{report:str}/erase", opt=needs(Permission.EDIT_CAMPAIGNS), status_code=200)
async def erase(desk: GivenDesk, seat: GivenSeat, form: GivenForm, report: FromPath[str]) -> Response[bytes]:  # noqa: ARG001 - its reading is the judgement
    """Forget what is personal, for good."""
    seat.need(Permission.SEE_MEMBERS)
    report_id = _number(report)
    async with desk.means.db.transaction() as tx:
        await reports.erase(tx, brand_id=seat.brand.id, report_id=report_id, actor=seat.actor)
    return desk.redirect(seat.visit, seat.path(f"/reports/{report_id}"), flash="reports.erased.done")


def _number(given: str) -> int:
    if _ID.fullmatch(given) is None:
        raise NotFoundException("There is no such report.")
    return int(given)


ROUTES: list[ControllerRouterHandler] = [show_all, show, photo, answer, erase]
