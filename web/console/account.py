"""One's own account: name, language, password, second factor, sessions. And the door to it (`door`)."""

from __future__ import annotations

import io
from typing import Any, Final

import qrcode
from litestar import Response, get, post
from litestar.exceptions import NotFoundException
from litestar.params import FromPath
from litestar.types import ControllerRouterHandler
from qrcode.image.svg import SvgPathImage

from kernel.errors import InvalidInput, TooMany, Unavailable, YimaError
from staff import people, resets, sessions, signin, totp
from web.console import door, problems
from web.console.desk import Desk
from web.console.guard import Form, GivenDesk, GivenForm, GivenPerson
from web.console.seat import Person
from web.visits import LANGUAGE, YEAR_DAYS
from web.visits import cookie as lax_cookie

PATH: Final = "/console/account"
_REFUSALS: Final = (InvalidInput, TooMany, Unavailable)


@get(PATH)
async def show(desk: GivenDesk, person: GivenPerson) -> Response[bytes]:
    """The page."""
    return await _page(desk, person)


async def _page(
    desk: Desk, person: Person, *, error: YimaError | None = None, part: str = "", **entered: str
) -> Response[bytes]:
    """The page; after a refusal with what was entered, and the sentence in the part that it belongs to."""
    staff = person.session.staff
    async with desk.means.db.transaction() as tx:
        seen = await sessions.list_sessions(tx, staff.id)
        left = await totp.recovery_codes_left(tx, staff.id)
    headers = {}
    if error is not None and "retry_after_s" in error.details:
        headers["Retry-After"] = str(error.details["retry_after_s"])
    return desk.page(
        person, "account.html", status=200 if error is None else error.status, headers=headers,
        own=staff, name=entered.get("name", staff.name), chosen=entered.get("language", staff.language),
        seen=seen, current=person.session.id, left=left, part=part,
        problem="" if error is None else problems.sentence(error, person.visit.language),
        limits=people,
    )  # fmt: skip


@post(f"{PATH}/profile", status_code=200)
async def save_profile(desk: GivenDesk, person: GivenPerson, form: GivenForm) -> Response[bytes]:
    """Change name and language."""
    name, language = form.get("name"), form.get("language")
    try:
        async with desk.means.db.transaction() as tx:
            await people.set_profile(
                tx, desk.means.vault, staff_id=person.session.staff.id, name=name, language=language, actor=person.actor
            )
    except InvalidInput as error:
        return await _page(desk, person, error=error, part="profile", name=name[:400], language=language[:2])
    kept = lax_cookie(LANGUAGE, language, days=YEAR_DAYS, secure=desk.secure)
    return desk.redirect(person.visit, PATH, flash="account.saved", cookies=[kept])


async def _confirm(desk: Desk, person: Person, form: Form) -> None:
    """Ask for the password again before what a stolen session must not do.

    Raises:
        InvalidInput: it is wrong.
        TooMany: it was wrong too often.
    """
    staff_id = person.session.staff.id
    if not await signin.confirm_password(desk.means.db, staff_id=staff_id, password=form.get("password")):
        raise InvalidInput("This is not your password.", field="password", reason="password_wrong")


@post(f"{PATH}/password", status_code=200)
async def change_password(desk: GivenDesk, person: GivenPerson, form: GivenForm) -> Response[bytes]:
    """Set a new password; all other sessions end."""
    means = desk.means
    try:
        if form.get("new") != form.get("again"):
            raise InvalidInput("The two passwords differ.", field="again", reason="passwords_differ")
        await _confirm(desk, person, form)
        await resets.change(
            means.db, means.vault, person=person.session.staff, session_id=person.session.id,
            password=form.get("new"), base_url=means.public_url.lower(),
        )  # fmt: skip
    except _REFUSALS as error:
        return await _page(desk, person, error=error, part="password")
    means.wake()
    return desk.redirect(person.visit, PATH, flash="account.password_set")


@post(f"{PATH}/totp/begin", status_code=200)
async def begin_totp(desk: GivenDesk, person: GivenPerson, form: GivenForm) -> Response[bytes]:
    """Make a secret for the phone."""
    try:
        await _confirm(desk, person, form)
    except _REFUSALS as error:
        return await _page(desk, person, error=error, part="totp")
    staff = person.session.staff
    async with desk.means.db.transaction() as tx:
        await totp.enrol(tx, desk.means.vault, staff_id=staff.id, email=staff.email)
        await sessions.confirm(tx, person.session.id)
    return desk.redirect(person.visit, f"{PATH}/totp")


@get(f"{PATH}/totp")
async def show_totp(desk: GivenDesk, person: GivenPerson) -> Response[bytes]:
    """The secret, as a QR code and as text, until it is confirmed."""
    return await _totp_page(desk, person)


async def _totp_page(desk: Desk, person: Person, error: YimaError | None = None) -> Response[bytes]:
    enrolment = await _pending(desk, person)
    if enrolment is None:
        return desk.redirect(person.visit, PATH)
    shown = " ".join(enrolment.secret[at : at + 4] for at in range(0, len(enrolment.secret), 4))
    return desk.page(
        person, "account_totp.html", status=200 if error is None else error.status, secret=shown,
        problem="" if error is None else problems.sentence(error, person.visit.language),
    )  # fmt: skip


async def _pending(desk: Desk, person: Person) -> totp.Enrolment | None:
    """The secret that waits, for as long as the password that was given for it counts: 15 minutes."""
    if not person.session.confirmed:
        return None
    staff = person.session.staff
    async with desk.means.db.transaction() as tx:
        return await totp.pending(tx, desk.means.vault, staff_id=staff.id, email=staff.email)


@get(f"{PATH}/totp.svg")
async def show_totp_symbol(desk: GivenDesk, person: GivenPerson) -> Response[bytes]:
    """The QR code that the phone reads."""
    enrolment = await _pending(desk, person)
    if enrolment is None:
        raise NotFoundException("There is no such page.")
    symbol: Any = qrcode.make(enrolment.uri, image_factory=SvgPathImage, border=4)
    out = io.BytesIO()
    symbol.save(out)
    return desk.answer(person.visit, out.getvalue(), media_type="image/svg+xml")


@post(f"{PATH}/totp/confirm", status_code=200)
async def confirm_totp(desk: GivenDesk, person: GivenPerson, form: GivenForm) -> Response[bytes]:
    """Put the second factor in force; the recovery codes are shown this once."""
    means = desk.means
    if await _pending(desk, person) is None:
        return desk.redirect(person.visit, PATH)
    try:
        async with means.db.transaction() as tx:
            codes = await totp.confirm(
                tx, means.vault, means.index, staff_id=person.session.staff.id, code=form.get("code")
            )
    except InvalidInput as error:
        return await _totp_page(desk, person, error)
    return desk.page(person, "account_codes.html", codes=codes)


@post(f"{PATH}/totp/codes", status_code=200)
async def renew_codes(desk: GivenDesk, person: GivenPerson, form: GivenForm) -> Response[bytes]:
    """New recovery codes in the place of the old ones."""
    try:
        await _confirm(desk, person, form)
    except _REFUSALS as error:
        return await _page(desk, person, error=error, part="totp")
    async with desk.means.db.transaction() as tx:
        codes = await totp.renew_recovery_codes(tx, desk.means.index, staff_id=person.session.staff.id)
    return desk.page(person, "account_codes.html", codes=codes)


@post(f"{PATH}/totp/off", status_code=200)
async def switch_totp_off(desk: GivenDesk, person: GivenPerson, form: GivenForm) -> Response[bytes]:
    """Switch the second factor off."""
    try:
        await _confirm(desk, person, form)
    except _REFUSALS as error:
        return await _page(desk, person, error=error, part="totp")
    async with desk.means.db.transaction() as tx:
        await totp.disable(tx, staff_id=person.session.staff.id, actor=person.actor)
    return desk.redirect(person.visit, PATH, flash="account.totp_off")


@post(f"{PATH}/sessions/close", status_code=200)
async def close_others(desk: GivenDesk, person: GivenPerson, form: GivenForm) -> Response[bytes]:
    """End all sessions but this one."""
    del form  # judged
    async with desk.means.db.transaction() as tx:
        count = await sessions.close_all(tx, person.session.staff.id, but=person.session.id)
    return desk.redirect(person.visit, PATH, flash="account.sessions_closed", n=count)


@post(f"{PATH}/sessions/{{session_id:int}}/close", status_code=200)
async def close_one(
    desk: GivenDesk, person: GivenPerson, form: GivenForm, session_id: FromPath[int]
) -> Response[bytes]:  # fmt: skip
    """End one of one's own sessions; somebody else's is not there."""
    del form  # judged
    async with desk.means.db.transaction() as tx:
        own = {each.id for each in await sessions.list_sessions(tx, person.session.staff.id)}
        if session_id not in own:
            raise NotFoundException("There is no such session.")
        await sessions.close(tx, session_id)
    return desk.redirect(person.visit, PATH, flash="account.sessions_closed", n=1)


ROUTES: list[ControllerRouterHandler] = [
    *door.ROUTES, show, save_profile, change_password, begin_totp, show_totp, show_totp_symbol, confirm_totp,
    renew_codes, switch_totp_off, close_others, close_one,
]  # fmt: skip
