"""Code keys: what each covers, released by two people, rotated, retired; and what to do when one leaks."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from litestar import Response, get, post
from litestar.params import FromPath
from litestar.types import ControllerRouterHandler

from codegen import coverage, keys, leaks, releases
from codegen.keys import KeyInfo
from insights import field
from kernel.clock import now
from kernel.errors import Conflict, InvalidInput, NotFound, TooMany, Unavailable, YimaError
from staff import people, signin
from staff.access import Permission
from web.console import forms
from web.console.desk import Desk
from web.console.guard import Form, GivenDesk, GivenForm, GivenSeat, needs
from web.console.query import CHINA
from web.console.seat import Seat
from web.console.texts import say

PATH: Final = "/console/b/{brand:str}/keys"
SEE: Final = needs(Permission.SEE_KEYS)
MANAGE: Final = needs(Permission.MANAGE_KEYS)
FIELD_ROWS: Final = 200
"""Rows of what is in the field that a page shows; the file has them all."""
REISSUES_MAX: Final = 100
_REFUSALS: Final = (InvalidInput, Conflict, NotFound, TooMany, Unavailable)


@get(PATH, opt=SEE)
async def show_all(desk: GivenDesk, seat: GivenSeat) -> Response[bytes]:
    """The brand's keys, the newest first."""
    return await _list_page(desk, seat)


async def _list_page(desk: Desk, seat: Seat, *, error: YimaError | None = None) -> Response[bytes]:
    async with desk.means.db.transaction() as tx:
        found = await keys.list_of(tx, brand_id=seat.brand.id)
        covers = await coverage.covers(tx, desk.means.vault, found)
        given = await releases.releases(tx, [key.id for key in found])
    active = next((key.id for key in found if key.state == "active"), None)
    return desk.page(
        seat, "keys.html", status=200 if error is None else error.status, covers=covers, active=active,
        words={key_id: len(each) for key_id, each in given.items()}, may=Permission.MANAGE_KEYS in seat.may,
        problems=None if error is None else forms.refusals(error, seat.visit.language), **_fixed(seat),
    )  # fmt: skip


def _fixed(seat: Seat) -> dict[str, Any]:
    return {
        "units_max": keys.UNITS_PER_KEY, "reason_max": keys.REASON_CHARS_MAX, "people_wanted": releases.PEOPLE,
        "has_totp": seat.session.staff.has_totp,
    }  # fmt: skip


async def _confirm(desk: Desk, seat: Seat, form: Form) -> None:
    """Ask again for password and second factor before what a stolen session must not do.

    Raises:
        InvalidInput: one of them is wrong.
        TooMany: they were wrong too often.
    """
    wrong = await signin.confirm(
        desk.means.db, desk.means.vault, desk.means.index, staff_id=seat.session.staff.id,
        password=form.get("password"), otp=form.get("code"),
    )  # fmt: skip
    if wrong is not None:
        what = "your password" if wrong == "password" else "a code of your second factor"
        raise InvalidInput(f"This is not {what}.", field=f"key_{wrong}")


@post(f"{PATH}/rotate", opt=MANAGE, status_code=200)
async def rotate(desk: GivenDesk, seat: GivenSeat, form: GivenForm) -> Response[bytes]:
    """Make a new key in the place of the one that the page showed."""
    try:
        replacing = form.number("replacing", low=0, high=keys.KEYS_MAX - 1) if form.get("replacing") else None
        await _confirm(desk, seat, form)
        async with desk.means.db.transaction() as tx:
            made = await keys.rotate(
                tx, desk.means.vault, brand_id=seat.brand.id, actor=seat.actor, replacing=replacing
            )
    except _REFUSALS as error:
        return await _list_page(desk, seat, error=error)
    flash = "keys.rotated" if made.released else "keys.rotated.unreleased"
    return desk.redirect(seat.visit, seat.path(f"/keys/{made.id}"), flash=flash, number=made.id)


@get(f"{PATH}/{{key:int}}", opt=SEE)
async def show(desk: GivenDesk, seat: GivenSeat, key: FromPath[int]) -> Response[bytes]:
    """One key: state, who released it, batches, and what can be done."""
    return await _key_page(desk, seat, key)


async def _key_page(
    desk: Desk, seat: Seat, key_id: int, *, error: YimaError | None = None, part: str = "", form: Form | None = None
) -> Response[bytes]:
    async with desk.means.db.transaction() as tx:
        key = await keys.get(tx, key_id, brand_id=seat.brand.id)
        [cover] = await coverage.covers(tx, desk.means.vault, [key])
        words = (await releases.releases(tx, [key_id])).get(key_id, [])
        found = await leaks.batches_of(tx, key)
        names = {
            people.actor_of(each.id): each.name
            for each in await people.list_of_brand(tx, desk.means.vault, seat.brand.id)
        }
    given = form or Form([])
    return desk.page(
        seat, "key.html", status=200 if error is None else error.status, key=key, cover=cover, words=words,
        names=names, found=found, may=Permission.MANAGE_KEYS in seat.may, part=part, reason=given.get("reason"),
        own_word=any(each.actor == seat.actor for each in words),
        problems=None if error is None else forms.refusals(error, seat.visit.language), **_fixed(seat),
    )  # fmt: skip


@post(f"{PATH}/{{key:int}}/release", opt=MANAGE, status_code=200)
async def release(desk: GivenDesk, seat: GivenSeat, form: GivenForm, key: FromPath[int]) -> Response[bytes]:
    """Give one's word for a new key."""
    try:
        await _confirm(desk, seat, form)
        async with desk.means.db.transaction() as tx:
            found = await releases.release(tx, key_id=key, actor=seat.actor, brand_id=seat.brand.id)
    except _REFUSALS as error:
        return await _key_page(desk, seat, key, error=error, part="release")
    flash = "keys.released" if found.released else "keys.released.first"
    return desk.redirect(seat.visit, seat.path(f"/keys/{key}"), flash=flash, number=key)


@post(f"{PATH}/{{key:int}}/end", opt=MANAGE, status_code=200)
async def end(desk: GivenDesk, seat: GivenSeat, form: GivenForm, key: FromPath[int]) -> Response[bytes]:
    """Retire a key, or revoke it."""
    change = {"retire": keys.retire, "revoke": keys.revoke}.get(form.get("how"))
    try:
        if change is None:
            raise InvalidInput("A key is retired or revoked.", field="how")
        keys.judge_reason(form.get("reason"))
        await _confirm(desk, seat, form)
        async with desk.means.db.transaction() as tx:
            await change(tx, key_id=key, reason=form.get("reason"), actor=seat.actor, brand_id=seat.brand.id)
    except _REFUSALS as error:
        return await _key_page(desk, seat, key, error=error, part="end", form=form)
    return desk.redirect(seat.visit, seat.path(f"/keys/{key}"), flash=f"keys.done.{form.get('how')}", number=key)


@get(f"{PATH}/{{key:int}}/leak", opt=SEE)
async def show_leak(desk: GivenDesk, seat: GivenSeat, key: FromPath[int]) -> Response[bytes]:
    """What is in the field, and what can be done about a leak."""
    return await _leak_page(desk, seat, key)


async def _leak_page(
    desk: Desk, seat: Seat, key_id: int, *, error: YimaError | None = None, form: Form | None = None,
    confirming: bool = False,
) -> Response[bytes]:  # fmt: skip
    async with desk.means.db.transaction() as tx:
        key = await keys.get(tx, key_id, brand_id=seat.brand.id)
        found = await leaks.batches_of(tx, key)
        rows = await field.of_key(tx, key_id=key_id, brand_id=seat.brand.id)
    given = form or Form([])
    return desk.page(
        seat, "key_leak.html", status=200 if error is None else error.status, key=key, found=found,
        rows=rows[:FIELD_ROWS], more=len(rows) - FIELD_ROWS, totals=field.totals(rows),
        may=Permission.MANAGE_KEYS in seat.may, confirming=confirming, reason=given.get("reason"),
        since=given.get("since"), answer=given.get("answer") if given.get("answer") in leaks.ANSWERS else "hold",
        answer_choices=[(each, say(f"keys.leak.answer.{each}", seat.visit.language)) for each in leaks.ANSWERS],
        chosen=given.all("batch"), may_export=Permission.EXPORT in seat.may,
        problems=None if error is None else forms.refusals(error, seat.visit.language), **_fixed(seat),
    )  # fmt: skip


@post(f"{PATH}/{{key:int}}/leak", opt=MANAGE, status_code=200)
async def leak(desk: GivenDesk, seat: GivenSeat, form: GivenForm, key: FromPath[int]) -> Response[bytes]:
    """Stop a leaked key: first show what that means, then, with the password, do it."""
    try:
        keys.judge_reason(form.get("reason"))
        since, answer = _parse_since(form.get("since")), form.get("answer")
        leaks.judge_answer(answer)
        if "confirm" not in form:
            return await _leak_page(desk, seat, key, form=form, confirming=True)
        await _confirm(desk, seat, form)
        async with desk.means.db.transaction() as tx:
            done = await leaks.stop(
                tx, key_id=key, reason=form.get("reason"), since=since, answer=answer,
                actor=seat.actor, brand_id=seat.brand.id,
            )  # fmt: skip
    except _REFUSALS as error:
        asking = "confirm" in form and error.details.get("field") in ("key_password", "key_otp")
        return await _leak_page(desk, seat, key, error=error, form=form, confirming=asking)
    return desk.redirect(seat.visit, seat.path(f"/keys/{key}/leak"), flash="keys.leaked", n=f"{done.changed:,}")


def _parse_since(value: str) -> datetime | None:
    """A moment as the browser's field gives it, in China's time; empty for now.

    Raises:
        InvalidInput: it is none, or still to come.
    """
    if not value:
        return None
    try:
        moment = datetime.fromisoformat(value)
    except ValueError as error:
        raise InvalidInput("This is no moment.", field="since") from error
    moment = moment if moment.tzinfo is not None else moment.replace(tzinfo=CHINA)
    if moment > now():
        raise InvalidInput("A key cannot have leaked in the future.", field="since")
    return moment


@post(f"{PATH}/{{key:int}}/answer", opt=MANAGE, status_code=200)
async def set_answer(desk: GivenDesk, seat: GivenSeat, form: GivenForm, key: FromPath[int]) -> Response[bytes]:
    """Change what unscanned units of some of the key's batches get."""
    try:
        async with desk.means.db.transaction() as tx:
            found = await _leaked(desk, seat, key, form)
            changed = await leaks.set_answer(tx, found, form.all("batch"), answer=form.get("answer"), actor=seat.actor)
    except _REFUSALS as error:
        return await _leak_page(desk, seat, key, error=error, form=form)
    return desk.redirect(seat.visit, seat.path(f"/keys/{key}/leak"), flash="keys.answered", n=changed)


@post(f"{PATH}/{{key:int}}/reissue", opt=MANAGE, status_code=200)
async def reissue(desk: GivenDesk, seat: GivenSeat, form: GivenForm, key: FromPath[int]) -> Response[bytes]:
    """Order the contents of some batches again under a new key, each in a transaction of its own."""
    try:
        found = await _leaked(desk, seat, key, form)
        async with desk.means.db.transaction() as tx:
            chosen = await leaks.choose(tx, found, form.all("batch"))
        for each in chosen:
            async with desk.means.db.transaction() as tx:
                await leaks.reissue(tx, desk.means.vault, each.batch, actor=seat.actor)
    except _REFUSALS as error:
        return await _leak_page(desk, seat, key, error=error, form=form)
    return desk.redirect(seat.visit, seat.path(f"/keys/{key}/leak"), flash="keys.reissued", n=len(chosen))


async def _leaked(desk: Desk, seat: Seat, key_id: int, form: Form) -> KeyInfo:
    """The key that a form about batches belongs to.

    Raises:
        InvalidInput: the form names no batch, or too many.
        NotFound: the brand has no such key.
    """
    if not 1 <= len(form.all("batch")) <= REISSUES_MAX:
        raise InvalidInput(f"Choose 1 to {REISSUES_MAX} batches.", field="key_batch")
    async with desk.means.db.transaction() as tx:
        return await keys.get(tx, key_id, brand_id=seat.brand.id)


@get(f"{PATH}/{{key:int}}/field.csv", opt=SEE)
async def export_field(desk: GivenDesk, seat: GivenSeat, key: FromPath[int]) -> Response[bytes]:
    """What is in the field, as a file."""
    seat.need(Permission.EXPORT)
    async with desk.means.db.transaction() as tx:
        await keys.get(tx, key, brand_id=seat.brand.id)
        rows = await field.of_key(tx, key_id=key, brand_id=seat.brand.id)
    body = b"\xef\xbb\xbf" + field.to_csv(rows).encode()
    return desk.file(seat.visit, f"key-{key}-field.csv", body, media_type="text/csv")


ROUTES: list[ControllerRouterHandler] = [
    show_all, rotate, show, release, end, show_leak, leak, set_answer, reissue, export_field,
]  # fmt: skip
