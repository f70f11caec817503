"""Appeals: what consumers ask a person to look at, by their deadline; answered with a payment or a sentence."""

from __future__ import annotations

import re
from functools import partial
from typing import Any, Final

from litestar import Response, get, post
from litestar.params import FromPath
from litestar.types import ControllerRouterHandler

from campaigns import appeals
from campaigns.appeals import STATES, AppealLine
from insights.patience import reading
from kernel.clock import now
from kernel.errors import Conflict, InvalidInput, NotFound
from staff.access import Permission
from web.console import words
from web.console.desk import Desk
from web.console.guard import GivenDesk, GivenForm, GivenSeat, needs
from web.console.query import Query, pack_cursor
from web.console.scans import story_path
from web.console.seat import Seat
from web.console.slow import told_if_slow
from web.console.texts import say

_ID: Final = re.compile(r"[1-9][0-9]{0,17}", re.ASCII)


@get("/console/b/{brand:str}/appeals", opt=needs(Permission.SEE_MEMBERS))
@told_if_slow
async def show_all(desk: GivenDesk, seat: GivenSeat) -> Response[bytes]:
    """Appeals of one state; open ones by their deadline."""
    return await _list(desk, seat)


async def _list(desk: Desk, seat: Seat, *, problem: tuple[int, str] | None = None) -> Response[bytes]:
    query = Query(seat.visit.query, seat.visit.language)
    state = query.choice("state", STATES) or "open"
    cursor = query.cursor()
    after = None
    if cursor is not None:
        after = cursor[0], int(cursor[1]) if len(cursor[1]) <= 18 and cursor[1].isdigit() else 0
    at = now()
    async with reading(desk.means.db) as tx:
        rows, more = await appeals.search(tx, brand_id=seat.brand.id, state=state, after=after)
        waiting, overdue = await appeals.count_open(tx, brand_id=seat.brand.id, at=at)
    path = seat.path("/appeals")
    return desk.page(
        seat,
        "appeals.html",
        status=400 if problem or query.problems else 200,
        rows=rows,
        state=state,
        states=[(each, query.address(path, {"state": each, "after": None})) for each in STATES],
        waiting=waiting,
        overdue=overdue,
        late=lambda line: line.appeal.state == "open" and line.appeal.due_at < at,
        problem=problem,
        said_max=appeals.SAID_CHARS_MAX,
        first_page=query.address(path, {"after": None}) if cursor is not None else "",
        next_page=query.address(path, {"after": _cursor(rows[-1])}) if more else "",
        **_telling(seat),
    )


def _cursor(line: AppealLine) -> str:
    found = line.appeal
    return pack_cursor(found.decided_at or found.due_at, found.id)


def _telling(seat: Seat) -> dict[str, Any]:
    return {
        "stamp": words.stamp,
        "reason": partial(words.reason, language=seat.visit.language),
        "story": partial(story_path, seat),
        "may_decide": Permission.EDIT_CAMPAIGNS in seat.may,
        "may_see_scans": Permission.SEE_SCANS in seat.may,
    }


@post("/console/b/{brand:str}/appeals/{appeal:str}", opt=needs(Permission.EDIT_CAMPAIGNS), status_code=200)
async def decide(desk: GivenDesk, seat: GivenSeat, form: GivenForm, appeal: FromPath[str]) -> Response[bytes]:
    """Answer an appeal: pay, or decline with a sentence; both go into the audit trail."""
    seat.need(Permission.SEE_MEMBERS)
    language = seat.visit.language
    appeal_id = int(appeal) if _ID.fullmatch(appeal) else 0
    decision = form.get("decision")
    if decision not in {"grant", "decline"}:
        return await _list(desk, seat, problem=(appeal_id, say("appeals.choose", language)))
    try:
        async with desk.means.db.transaction() as tx:
            await desk.means.decide_appeal(
                tx, appeal_id, grant=decision == "grant", said=form.get("said"), actor=seat.actor,
                brand_id=seat.brand.id,
            )  # fmt: skip
        flash = f"appeals.done.{decision}"
    except InvalidInput:
        sentence = say("appeals.said.wrong", language, n=appeals.SAID_CHARS_MAX)
        return await _list(desk, seat, problem=(appeal_id, sentence))
    except Conflict:
        async with desk.means.db.transaction() as tx:
            known = await appeals.get(tx, appeal_id, brand_id=seat.brand.id)
        if known is None:
            raise NotFound("There is no such appeal.") from None
        if known.state == "open":
            return await _list(desk, seat, problem=(appeal_id, say("appeals.taken", language)))
        flash = "appeals.gone"
    desk.means.wake()
    return desk.redirect(seat.visit, seat.path("/appeals"), flash=flash, id=appeal_id)


ROUTES: list[ControllerRouterHandler] = [show_all, decide]
