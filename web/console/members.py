"""Members: listed, found by a phone number, looked at, blocked; held claims decided; points given."""

from __future__ import annotations

import re
from datetime import timedelta
from functools import partial
from typing import Any, Final

from litestar import Response, get, post
from litestar.exceptions import NotFoundException
from litestar.params import FromPath
from litestar.types import ControllerRouterHandler

from campaigns import claim_search, claims, draw_log
from campaigns.draw_log import WinFilter
from insights import member_search
from insights.member_search import COUNT_ROWS_MAX, STATES, MemberFilter, MemberLine
from insights.patience import COUNT_MS_MAX, TooSlow, reading
from insights.scan_search import SPAN_DAYS_MAX
from kernel import audit
from kernel.clock import now
from kernel.errors import Conflict, InvalidInput
from members import people
from members.people import REASON_CHARS_MAX
from staff.access import Permission
from web.console import words
from web.console.desk import Desk
from web.console.guard import Form, GivenDesk, GivenForm, GivenSeat, needs
from web.console.query import Query, address, local, midnight, pack_cursor
from web.console.scans import story_path
from web.console.seat import Seat
from web.console.slow import told_if_slow
from web.console.texts import say

POINTS_DAYS: Final = 7

_PUBLIC_ID: Final = re.compile(r"[0-9A-Za-z]{1,20}", re.ASCII)
_CLAIM_ID: Final = re.compile(r"[1-9][0-9]{0,17}", re.ASCII)


@get("/console/b/{brand:str}/members", opt=needs(Permission.SEE_MEMBERS))
@told_if_slow
async def list_members(desk: GivenDesk, seat: GivenSeat) -> Response[bytes]:
    """The brand's members, who joined last first."""
    return await _list(desk, seat)


async def _list(desk: Desk, seat: Seat, *, phone_problem: str = "", status: int = 200) -> Response[bytes]:
    query = Query(seat.visit.query, seat.visit.language)
    since, until = query.moment("since"), query.moment("until")
    if since is not None and until is not None and since >= until:
        query.refuse("until", "scans.order")
    given = query.text("member")
    if given and _PUBLIC_ID.fullmatch(given) is None:
        query.refuse("member", "scans.unknown.member")
    state = query.choice("state", STATES)
    cursor = query.cursor()
    rows: list[MemberLine] = []
    more, slow, total = False, False, None
    if not query.problems:
        wanted = MemberFilter(seat.brand.id, state, since, until, given.upper() or None)
        try:
            async with reading(desk.means.db) as tx:
                rows, more = await member_search.search(tx, wanted, after=_number_cursor(cursor))
            total = len(rows)
            if more or cursor is not None:
                async with reading(desk.means.db, ms_max=COUNT_MS_MAX) as tx:
                    total = await member_search.count(tx, wanted)
        except TooSlow:
            slow = not rows
            total = None
    path = seat.path("/members")
    return desk.page(
        seat,
        "members.html",
        status=400 if query.problems else 503 if slow else status,
        query=query,
        rows=rows,
        slow=slow,
        total=total,
        total_max=COUNT_ROWS_MAX,
        states=STATES,
        phone_problem=phone_problem,
        first_page=query.address(path, {"after": None}) if cursor is not None else "",
        next_page=query.address(path, {"after": pack_cursor(rows[-1].created_at, rows[-1].id)}) if more else "",
        **_telling(desk, seat),
    )


def _number_cursor(cursor: tuple[Any, str] | None) -> tuple[Any, int] | None:
    """A cursor whose key is a number; one of another list begins at its moment."""
    if cursor is None:
        return None
    return cursor[0], int(cursor[1]) if len(cursor[1]) <= 18 and cursor[1].isdigit() else 0


def _telling(desk: Desk, seat: Seat) -> dict[str, Any]:
    language = seat.visit.language
    return {
        "tone": words.tone,
        "stamp": words.stamp,
        "phone": partial(_phone, desk, seat),
        "reason": partial(words.reason, language=language),
        "finding": partial(words.finding, language=language),
        "finding_name": partial(words.finding_name, language=language),
        "finding_tone": words.finding_tone,
        "place": partial(words.place, regions=desk.regions, language=language),
        "story": partial(story_path, seat),
        "reason_max": REASON_CHARS_MAX,
        "may_decide": Permission.EDIT_CAMPAIGNS in seat.may,
        "may_block": Permission.BLOCK_MEMBERS in seat.may,
        "may_see_draws": Permission.SEE_DRAWS in seat.may,
        "may_see_scans": Permission.SEE_SCANS in seat.may,
    }


def _phone(desk: Desk, seat: Seat, sealed: bytes | None) -> str:
    """A phone number as far as it may be seen."""
    if sealed is None:
        return ""
    return masked(desk.means.vault.open(bytes(sealed), f"identity/{seat.brand.id}").decode())


def masked(number: str) -> str:
    """A number in E.164 with its middle hidden: `138****1234`; foreign ones keep their beginning with the plus."""
    national = number.removeprefix("+86")
    return f"{national[:3]}****{national[-4:]}" if len(national) >= 10 else f"{number[:3]}****{number[-2:]}"


@post("/console/b/{brand:str}/members/find", opt=needs(Permission.SEE_MEMBERS), status_code=200)
@told_if_slow
async def find_member(desk: GivenDesk, seat: GivenSeat, form: GivenForm) -> Response[bytes]:
    """From a phone number to its member. By POST, so that it stands in no address; the trail keeps no number."""
    try:
        number = people.parse_phone(form.get("phone"))
    except InvalidInput:
        return await _list(desk, seat, phone_problem=say("members.phone.wrong", seat.visit.language), status=400)
    wanted = MemberFilter(seat.brand.id, mark=desk.means.index.of("phone", number))
    async with desk.means.db.transaction() as tx:
        found, _ = await member_search.search(tx, wanted)
        await audit.record(
            tx,
            brand_id=seat.brand.id,
            actor=seat.actor,
            action="member.find_by_phone",
            subject=f"member {found[0].public_id}" if found else "members",
            after={"found": bool(found)},
        )
    if not found:
        return await _list(desk, seat, phone_problem=say("members.phone.none", seat.visit.language), status=404)
    return desk.redirect(seat.visit, seat.path(f"/members/{found[0].public_id}"))


@get("/console/b/{brand:str}/members/points", opt=needs(Permission.SEE_MEMBERS))
@told_if_slow
async def list_points(desk: GivenDesk, seat: GivenSeat) -> Response[bytes]:
    """Spendable points that members earned in a window, entry by entry."""
    query = Query(seat.visit.query, seat.visit.language)
    cursor = query.cursor()
    until = query.moment("until") or now()
    since = query.moment("since") or midnight(until) - timedelta(days=POINTS_DAYS - 1)
    if not query.problems and since >= until:
        query.refuse("until", "scans.order")
    elif not query.problems and until - since > timedelta(days=SPAN_DAYS_MAX):
        query.refuse("since", "scans.span")
    found: tuple[list[member_search.LedgerLine], bool] = ([], False)
    if not query.problems:
        async with reading(desk.means.db) as tx:
            found = await member_search.earned(
                tx, brand_id=seat.brand.id, since=since, until=until, after=_number_cursor(cursor)
            )
    rows, more = found
    path = seat.path("/members/points")
    span = {"since": local(since), "until": local(until)}
    return desk.page(
        seat,
        "members_points.html",
        status=400 if query.problems else 200,
        query=query,
        span=span,
        rows=rows,
        first_page=query.address(path, {**span, "after": None}) if cursor is not None else "",
        next_page=query.address(path, {**span, "after": pack_cursor(rows[-1].at, rows[-1].id)}) if more else "",
        **_telling(desk, seat),
    )


@get("/console/b/{brand:str}/members/held", opt=needs(Permission.SEE_MEMBERS))
@told_if_slow
async def list_held(desk: GivenDesk, seat: GivenSeat) -> Response[bytes]:
    """Claims that a rule holds, the oldest first, each with the facts and two buttons."""
    return await _held(desk, seat)


async def _held(desk: Desk, seat: Seat, *, problem: tuple[int, str] | None = None) -> Response[bytes]:
    query = Query(seat.visit.query, seat.visit.language)
    after = query.number("after", low=0, high=10**18 - 1)
    async with reading(desk.means.db) as tx:
        rows, more = await claim_search.held(tx, brand_id=seat.brand.id, after=after or 0)
    path = seat.path("/members/held")
    return desk.page(
        seat,
        "members_held.html",
        status=400 if problem or query.problems else 200,
        rows=rows,
        problem=problem,
        first_page=path if after else "",
        next_page=address(path, [("after", str(rows[-1].id))]) if more else "",
        **_telling(desk, seat),
    )


@post("/console/b/{brand:str}/members/held/{claim:str}", opt=needs(Permission.EDIT_CAMPAIGNS), status_code=200)
async def decide_held(desk: GivenDesk, seat: GivenSeat, form: GivenForm, claim: FromPath[str]) -> Response[bytes]:
    """Pay a held claim or void it; the decision and its reason go into the audit trail."""
    seat.need(Permission.SEE_MEMBERS)
    claim_id = int(claim) if _CLAIM_ID.fullmatch(claim) else 0
    decision = form.get("decision")
    if decision not in {"post", "void"}:
        return await _held(desk, seat, problem=(claim_id, say("held.decision", seat.visit.language)))
    reason = form.get("reason")
    if not 1 <= len(reason) <= REASON_CHARS_MAX:
        return await _held(desk, seat, problem=(claim_id, _reason_problem(seat)))
    try:
        async with desk.means.db.transaction() as tx:
            known = await claims.get(tx, claim_id)
            if known is None or known.brand_id != seat.brand.id:
                raise NotFoundException("There is no such claim.")
            await desk.means.decide_claim(tx, claim_id, post=decision == "post", reason=reason, actor=seat.actor)
        flash = f"held.done.{decision}"
    except Conflict:  # somebody else was faster
        flash = "held.gone"
    desk.means.wake()
    return desk.redirect(seat.visit, _back(seat, form), flash=flash, id=claim_id)


def _back(seat: Seat, form: Form) -> str:
    member = form.get("member")
    return seat.path(f"/members/{member}" if _PUBLIC_ID.fullmatch(member) else "/members/held")


def _reason_problem(seat: Seat) -> str:
    return say("members.reason.wrong", seat.visit.language, n=REASON_CHARS_MAX)


@get("/console/b/{brand:str}/members/{member:str}", opt=needs(Permission.SEE_MEMBERS))
@told_if_slow
async def one_member(desk: GivenDesk, seat: GivenSeat, member: FromPath[str]) -> Response[bytes]:
    """All that is recorded of one member, masked."""
    return await _member(desk, seat, member)


async def _member(desk: Desk, seat: Seat, public_id: str, *, problem: str = "") -> Response[bytes]:
    if _PUBLIC_ID.fullmatch(public_id) is None:
        raise NotFoundException("There is no such member.")
    query = Query(seat.visit.query, seat.visit.language)
    before = {name: query.number(name, low=0, high=10**18 - 1) for name in ("entries", "claims")}
    async with reading(desk.means.db) as tx:
        found = await member_search.find(tx, brand_id=seat.brand.id, public_id=public_id.upper())
        if found is None:
            raise NotFoundException("There is no such member.")
        mine = {"brand_id": seat.brand.id, "member_id": found.id}
        ledger, more_ledger = await member_search.ledger(tx, **mine, after=before["entries"])
        claimed, more_claims = await claim_search.of_member(tx, **mine, after=before["claims"])
        entered = await draw_log.of_member(tx, **mine)
        won, _ = await draw_log.wins(tx, WinFilter(seat.brand.id, member_id=found.id))
        agreed = await member_search.consents(tx, member_id=found.id)
        done = await member_search.trail(tx, brand_id=seat.brand.id, public_id=found.public_id)
    path = seat.path(f"/members/{found.public_id}")
    return desk.page(
        seat,
        "member.html",
        status=400 if problem else 200,
        member=found,
        ledger=ledger,
        claims=claimed,
        entered=entered,
        won=won,
        consents=agreed,
        trail=done,
        problem=problem,
        next_ledger=query.address(path, {"entries": ledger[-1].id}) + "#ledger" if more_ledger else "",
        first_ledger=query.address(path, {"entries": None}) + "#ledger" if before["entries"] else "",
        next_claims=query.address(path, {"claims": claimed[-1].id}) + "#claims" if more_claims else "",
        first_claims=query.address(path, {"claims": None}) + "#claims" if before["claims"] else "",
        scans=address(seat.path("/scans"), [("member", found.public_id)]),
        **_telling(desk, seat),
    )


@post("/console/b/{brand:str}/members/{member:str}/block", opt=needs(Permission.BLOCK_MEMBERS), status_code=200)
async def block_member(desk: GivenDesk, seat: GivenSeat, form: GivenForm, member: FromPath[str]) -> Response[bytes]:
    """Put a member on the block list."""
    return await _switch(desk, seat, form, member, block=True)


@post("/console/b/{brand:str}/members/{member:str}/unblock", opt=needs(Permission.BLOCK_MEMBERS), status_code=200)
async def unblock_member(desk: GivenDesk, seat: GivenSeat, form: GivenForm, member: FromPath[str]) -> Response[bytes]:
    """Take a member off the block list."""
    return await _switch(desk, seat, form, member, block=False)


async def _switch(desk: Desk, seat: Seat, form: Form, public_id: str, *, block: bool) -> Response[bytes]:
    seat.need(Permission.SEE_MEMBERS)
    if _PUBLIC_ID.fullmatch(public_id) is None:
        raise NotFoundException("There is no such member.")
    change = people.block if block else people.unblock
    try:
        async with desk.means.db.transaction() as tx:
            found = await change(
                tx, brand_id=seat.brand.id, public_id=public_id, reason=form.get("reason"), actor=seat.actor
            )
    except InvalidInput:
        return await _member(desk, seat, public_id, problem=_reason_problem(seat))
    except Conflict:
        return await _member(desk, seat, public_id, problem=say("members.erased", seat.visit.language))
    flash = "members.blocked.done" if block else "members.unblocked.done"
    return desk.redirect(seat.visit, seat.path(f"/members/{found.public_id}"), flash=flash)


ROUTES: list[ControllerRouterHandler] = [
    list_members, find_member, list_points, list_held, decide_held, one_member, block_member, unblock_member,
]  # fmt: skip
