"""Draws: what runs, what was published, stock, the entry log, wins, the proof; and what claims earn."""

from __future__ import annotations

import asyncio
import json
import re
from functools import partial
from typing import Any, Final

from litestar import Response, get, post
from litestar.exceptions import NotFoundException
from litestar.params import FromPath
from litestar.types import ControllerRouterHandler

from campaigns import draw_log, draws, earning
from campaigns.draw_log import WinFilter
from campaigns.draws import Draw
from campaigns.rules import EarningRule
from insights.patience import TooSlow, reading
from kernel.clock import now
from kernel.db import Tx
from kernel.errors import NotFound
from staff.access import Permission
from traceability import catalogue
from web.console import words
from web.console.desk import Desk
from web.console.guard import GivenDesk, GivenForm, GivenSeat, needs
from web.console.query import Query, pack_cursor
from web.console.scans import story_path
from web.console.seat import Seat
from web.console.slow import told_if_slow
from web.console.texts import say

PROOF_ENTRIES_MAX: Final = 50_000
"""Larger proofs are written by `yima draw proof`: a web process must not hold them in memory."""

_NAME: Final = re.compile(r"[0-9A-Za-z._-]{1,40}", re.ASCII)


async def _get(tx: Tx, seat: Seat, name: str) -> Draw:
    """The brand's draw; another brand's answers as one that does not exist."""
    try:
        found = await draws.get(tx, name) if _NAME.fullmatch(name) else None
    except NotFound:
        found = None
    if found is None or found.brand_id != seat.brand.id:
        raise NotFoundException("There is no such draw.")
    return found


def _telling(seat: Seat) -> dict[str, Any]:
    whole = Permission.SEE_MEMBERS in seat.may
    return {
        "stamp": words.stamp,
        "tone": words.tone,
        "public": partial(words.public, whole=whole),
        "may_see_members": whole,
        "may_close": Permission.EDIT_CAMPAIGNS in seat.may,
        "story": partial(story_path, seat),
        "state": partial(_state, now()),
    }


def _state(at: Any, draw: Draw) -> str:  # noqa: ANN401 (a moment, in templates)
    """Where a draw stands in its life."""
    if draw.closed_at is not None:
        return "closed"
    if at < draw.rules.opens_at:
        return "announced"
    return "open" if at < draw.rules.closes_at else "closing"


@get("/console/b/{brand:str}/draws", opt=needs(Permission.SEE_DRAWS))
@told_if_slow
async def list_draws(desk: GivenDesk, seat: GivenSeat) -> Response[bytes]:
    """All the brand's draws, the newest first, and what claims earn."""
    async with reading(desk.means.db) as tx:
        found = await draws.list_all(tx, brand_id=seat.brand.id)
        rules = (await earning.rules_of(tx, [seat.brand.id])).get(seat.brand.id, [])
        products = {each.gtin: each for each in await catalogue.list_products(tx, brand_id=seat.brand.id)}
    return desk.page(
        seat,
        "draws.html",
        draws=found,
        rules=sorted(rules, key=_rule_order),
        products=products,
        **_telling(seat),
    )


def _rule_order(rule: EarningRule) -> tuple[bool, str]:
    return rule.gtin is None, rule.gtin or ""


@get("/console/b/{brand:str}/draws/wins", opt=needs(Permission.SEE_DRAWS))
@told_if_slow
async def list_wins(desk: GivenDesk, seat: GivenSeat) -> Response[bytes]:
    """Prizes won in all draws, the newest first."""
    query = Query(seat.visit.query, seat.visit.language)
    since, until, cursor = query.moment("since"), query.moment("until"), query.cursor()
    if since is not None and until is not None and since >= until:
        query.refuse("until", "scans.order")
    found: tuple[list[draw_log.WinLine], bool] = ([], False)
    if not query.problems:
        async with reading(desk.means.db) as tx:
            wanted = WinFilter(seat.brand.id, since=since, until=until)
            found = await draw_log.wins(tx, wanted, after=_after(cursor))
    rows, more = found
    path = seat.path("/draws/wins")
    return desk.page(
        seat,
        "draws_wins.html",
        status=400 if query.problems else 200,
        query=query,
        rows=rows,
        first_page=query.address(path, {"after": None}) if cursor is not None else "",
        next_page=query.address(path, {"after": pack_cursor(rows[-1].at, rows[-1].id)}) if more else "",
        **_telling(seat),
    )


def _after(cursor: tuple[Any, str] | None) -> tuple[Any, int] | None:
    if cursor is None:
        return None
    return cursor[0], int(cursor[1]) if len(cursor[1]) <= 18 and cursor[1].isdigit() else 0


@get("/console/b/{brand:str}/draws/{draw:str}", opt=needs(Permission.SEE_DRAWS))
@told_if_slow
async def one_draw(desk: GivenDesk, seat: GivenSeat, draw: FromPath[str]) -> Response[bytes]:
    """One draw: its rules, stock, days, and its log, or with `won=1` its wins."""
    query = Query(seat.visit.query, seat.visit.language)
    only_won = query.choice("won", {"1"}) is not None
    before = query.number("before", low=1, high=10**18 - 1)
    cursor = query.cursor()
    entries: tuple[list[draw_log.EntryLine], bool] = ([], False)
    won: tuple[list[draw_log.WinLine], bool] = ([], False)
    async with reading(desk.means.db) as tx:
        found = await _get(tx, seat, draw)
        if only_won:
            won = await draw_log.wins(tx, WinFilter(seat.brand.id, draw_id=found.id), after=_after(cursor))
        else:
            entries = await draw_log.entries(tx, draw_id=found.id, before=before)
        products = {each.gtin: each for each in await catalogue.list_products(tx, brand_id=seat.brand.id)}
    path = seat.path(f"/draws/{found.name}")
    next_page = ""
    if entries[1]:
        next_page = query.address(path, {"before": entries[0][-1].number}) + "#log"
    elif won[1]:
        next_page = query.address(path, {"after": pack_cursor(won[0][-1].at, won[0][-1].id)}) + "#log"
    first = query.address(path, {"before": None, "after": None}) + "#log"
    return desk.page(
        seat,
        "draw.html",
        status=400 if query.problems else 200,
        query=query,
        draw=found,
        document=json.dumps(found.rules.to_document(), ensure_ascii=False, indent=2),
        prizes={prize.id: prize for prize in found.rules.prizes},
        products=products,
        entries=entries[0],
        won=won[0],
        only_won=only_won,
        chart=await _chart(desk, seat, found),
        next_page=next_page,
        first_page=first if before or cursor else "",
        proof_max=PROOF_ENTRIES_MAX,
        **_telling(seat),
    )


async def _chart(desk: Desk, seat: Seat, draw: Draw) -> dict[str, Any] | None:
    """Entries and wins a day; None where there are none, or too many to be counted while somebody waits."""
    try:
        async with reading(desk.means.db) as tx:
            days = await draw_log.days(tx, draw_id=draw.id)
    except TooSlow:
        return None
    if not days:
        return None
    titles = [say("draw.days.entries", seat.visit.language), say("draw.days.wins", seat.visit.language)]
    return {
        "option": {
            "xAxis": {"type": "category", "data": [f"{day:%m-%d}" for day, _, _ in days]},
            "yAxis": {"type": "value", "minInterval": 1},
            "series": [
                {"type": "bar", "name": titles[0], "data": [count for _, count, _ in days], "barMaxWidth": 48},
                {"type": "bar", "name": titles[1], "data": [wins for _, _, wins in days], "barMaxWidth": 48},
            ],
        },
        "head": [say("overview.day", seat.visit.language), *titles],
        "rows": [[f"{day}", f"{count:,}", f"{wins:,}"] for day, count, wins in reversed(days)],
    }


@get("/console/b/{brand:str}/draws/{draw:str}/proof.json", opt=needs(Permission.SEE_DRAWS))
async def take_proof(desk: GivenDesk, seat: GivenSeat, draw: FromPath[str]) -> Response[bytes]:
    """The proof of a closed draw: it is for everyone, and holds nobody's name."""
    async with desk.means.db.transaction() as tx:
        found = await _get(tx, seat, draw)
        sentence = ""
        if found.closed_at is None:
            sentence = say("draw.proof.open", seat.visit.language)
        elif found.entries > PROOF_ENTRIES_MAX:
            sentence = say("draw.proof.large", seat.visit.language, n=PROOF_ENTRIES_MAX, name=found.name)
        document = None if sentence else await draws.proof(tx, desk.means.vault, found.name)
    if document is None:
        return desk.page(seat, "error.html", status=409, sentence=sentence)
    body = await asyncio.to_thread(lambda: json.dumps(document, ensure_ascii=False).encode() + b"\n")
    return desk.file(seat.visit, f"draw-{found.name}-proof.json", body, media_type="application/json")


@post("/console/b/{brand:str}/draws/{draw:str}/close", opt=needs(Permission.EDIT_CAMPAIGNS), status_code=200)
async def close_draw(desk: GivenDesk, seat: GivenSeat, form: GivenForm, draw: FromPath[str]) -> Response[bytes]:
    """Close a draw before its announced end."""
    del form  # its mark was judged
    async with desk.means.db.transaction() as tx:
        found = await _get(tx, seat, draw)
        await draws.close(tx, found.name, actor=seat.actor)
    flash = "draw.closed.done" if found.closed_at is None else "draw.closed.before"
    return desk.redirect(seat.visit, seat.path(f"/draws/{found.name}"), flash=flash)


ROUTES: list[ControllerRouterHandler] = [list_draws, list_wins, one_draw, take_proof, close_draw]
