"""The door of the console: signing in and out, and links that set a password.

Nothing here tells whether an e-mail address has an account. A session is always a new one: whatever cookie the
browser had is ended and replaced.
"""

from __future__ import annotations

import re
from typing import Any, Final
from urllib.parse import parse_qsl

from litestar import Response, get, post
from litestar.params import FromPath
from litestar.types import ControllerRouterHandler

from kernel.errors import InvalidInput, NotFound, TooMany, Unavailable, YimaError
from staff import resets, sessions, signin
from staff.signin import Outcome, SignInResult
from web.console import problems, visit
from web.console.desk import Desk
from web.console.guard import GivenDesk, GivenForm, GivenPerson, GivenVisit
from web.console.seat import Person
from web.console.texts import say
from web.console.visit import Visit
from web.visits import LANGUAGE, YEAR_DAYS
from web.visits import cookie as lax_cookie

HOME: Final = "/console"
NEXT_CHARS_MAX: Final = 2_000
FIELDS_MAX: Final = 20
COOKIE_DAYS: Final = sessions.LIFE_S / 86_400
# a page of ours, whose path no browser reads as another host: no `//`, no backslash, no dots that climb
_OURS: Final = re.compile(r"/console(?:/(?!/)[A-Za-z0-9_.~%-]*)*(?:\?[\x21-\x5b\x5d-\x7e]*)?", re.ASCII)


def safe_next(given: str) -> str:
    """Where to go after the sign-in: the page asked for if it is ours, else the console's first."""
    if len(given) > NEXT_CHARS_MAX or not _OURS.fullmatch(given) or ".." in given:
        return HOME
    return HOME if given.startswith(("/console/sign-", "/console/reset")) else given


@get("/console/sign-in")
async def show_sign_in(desk: GivenDesk, visit: GivenVisit) -> Response[bytes]:
    """The form; whoever is signed in goes on."""
    wanted = _read_next(visit)
    if isinstance(await _who(desk, visit), Person):
        return desk.redirect(visit, safe_next(wanted))
    return await _sign_in_page(desk, visit, next_path=wanted)


def _read_next(asked: Visit) -> str:
    """The page that was asked for before the sign-in; the whole address is one field of this one's."""
    try:
        return dict(parse_qsl(asked.query, max_num_fields=FIELDS_MAX)).get("next", "")
    except ValueError:  # more fields than we ever send
        return ""


async def _who(desk: Desk, asked: Visit) -> Person | Visit:
    """Whose forms a page bears: somebody signed in may come to the door too (a link in a mail, a second tab)."""
    async with desk.means.db.transaction() as tx:
        session = await sessions.find(tx, desk.means.vault, asked.token)
    return asked if session is None else Person(session, asked)


async def _sign_in_page(
    desk: Desk, asked: Visit, *, next_path: str, status: int = 200, problem: str = "", email: str = "",
    ticket: str = "", headers: dict[str, str] | None = None,
) -> Response[bytes]:  # fmt: skip
    return desk.page(
        asked, "sign_in.html", status=status, headers=headers, next=safe_next(next_path), problem=problem,
        email=email[:254], ticket=ticket,
    )  # fmt: skip


@post("/console/sign-in", status_code=200)
async def sign_in(desk: GivenDesk, visit: GivenVisit, form: GivenForm) -> Response[bytes]:
    """Try address and password."""
    means = desk.means
    try:
        result = await signin.sign_in(
            means.db, means.vault, means.index, email=form.get("email"), password=form.get("password"), otp="",
            address=visit.address or "", agent=visit.agent,
        )  # fmt: skip
    except Unavailable as error:
        return await _busy(desk, visit, form.get("next"), form.get("email"), error)
    return await _answer(desk, visit, result, form.get("next"), email=form.get("email"))


@post("/console/sign-in/code", status_code=200)
async def second_step(desk: GivenDesk, visit: GivenVisit, form: GivenForm) -> Response[bytes]:
    """Try the code of the second factor."""
    means = desk.means
    ticket, code = form.get("ticket"), form.get("code")
    if not code:
        said = say("sign_in.code_missing", visit.language)
        return await _sign_in_page(
            desk, visit, next_path=form.get("next"), status=400, ticket=ticket[:500], problem=said
        )
    result = await signin.second_step(
        means.db, means.vault, means.index, ticket=ticket, otp=code, address=visit.address or "", agent=visit.agent
    )
    return await _answer(desk, visit, result, form.get("next"), email="")


async def _answer(desk: Desk, asked: Visit, result: SignInResult, next_path: str, *, email: str) -> Response[bytes]:
    if result.outcome is Outcome.SIGNED_IN:
        return await _let_in(desk, asked, result, next_path)
    if result.outcome is Outcome.OTP_WANTED:
        return await _sign_in_page(desk, asked, next_path=next_path, ticket=result.ticket or "")
    if result.outcome is Outcome.OTP_WRONG:
        said = say("sign_in.code_wrong", asked.language)
        return await _sign_in_page(
            desk, asked, next_path=next_path, status=401, ticket=result.ticket or "", problem=said
        )  # fmt: skip
    if result.outcome is Outcome.WAIT:
        wait = result.retry_after_s or 1
        said = say("sign_in.wait", asked.language, minutes=-(-wait // 60))
        return await _sign_in_page(
            desk, asked, next_path=next_path, status=429, email=email, problem=said,
            headers={"Retry-After": str(wait)},
        )  # fmt: skip
    said = say("sign_in.refused", asked.language)
    return await _sign_in_page(desk, asked, next_path=next_path, status=401, email=email, problem=said)


async def _let_in(desk: Desk, asked: Visit, result: SignInResult, next_path: str) -> Response[bytes]:
    """Set the new session's cookie; the session that the browser had, if any, ends."""
    assert result.token is not None
    async with desk.means.db.transaction() as tx:
        old = await sessions.find(tx, desk.means.vault, asked.token)
        if old is not None:
            await sessions.close(tx, old.id)
        session = await sessions.find(tx, desk.means.vault, result.token)
    cookies = [desk.cookie(visit.SESSION, result.token, days=COOKIE_DAYS)]
    if session is not None:
        language = "en" if session.staff.language == "en" else "zh"
        cookies.append(lax_cookie(LANGUAGE, language, days=YEAR_DAYS, secure=desk.secure))
    return desk.redirect(asked, safe_next(next_path), cookies=cookies)


async def _busy(desk: Desk, asked: Visit, next_path: str, email: str, error: YimaError) -> Response[bytes]:
    headers = {"Retry-After": str(error.details.get("retry_after_s", 2))}
    return await _sign_in_page(
        desk, asked, next_path=next_path, status=error.status, email=email, headers=headers,
        problem=problems.sentence(error, asked.language),
    )  # fmt: skip


@post("/console/sign-out", status_code=200)
async def sign_out(desk: GivenDesk, person: GivenPerson, form: GivenForm) -> Response[bytes]:
    """End the session."""
    del form  # judged
    async with desk.means.db.transaction() as tx:
        await sessions.close(tx, person.session.id)
    gone = [desk.cookie(visit.SESSION, "", days=0)]
    return desk.redirect(person.visit, "/console/sign-in", flash="sign_in.out", cookies=gone)


@get("/console/reset")
async def show_reset(desk: GivenDesk, visit: GivenVisit) -> Response[bytes]:
    """The form that asks for a link by mail."""
    return await _reset_page(desk, visit)


async def _reset_page(desk: Desk, asked: Visit, *, status: int = 200, **context: Any) -> Response[bytes]:  # noqa: ANN401 (the template's names)
    values = {"sent": False, "link": None, "gone": False, "problem": "", "email": "", "token": ""} | context
    return desk.page(await _who(desk, asked), "reset.html", status=status, mail=desk.means.mail, **values)


@post("/console/reset", status_code=200)
async def ask_for_link(desk: GivenDesk, visit: GivenVisit, form: GivenForm) -> Response[bytes]:
    """Ask for a link by mail; the answer is the same for every address."""
    means = desk.means
    if not means.mail:
        return await _reset_page(desk, visit, status=503)
    try:
        await resets.request(
            means.db, means.vault, means.index, email=form.get("email"), address=visit.address or ""
        )  # fmt: skip
    except (InvalidInput, TooMany) as error:
        said = problems.sentence(error, visit.language)
        return await _reset_page(desk, visit, status=error.status, email=form.get("email")[:254], problem=said)
    means.wake()
    return await _reset_page(desk, visit, sent=True)


@get("/console/reset/{token:str}")
async def show_link(desk: GivenDesk, visit: GivenVisit, token: FromPath[str]) -> Response[bytes]:
    """The form behind a link. Looking uses nothing up: mail scanners fetch every link."""
    async with desk.means.db.transaction() as tx:
        link = await resets.find(tx, desk.means.vault, token)
    if link is None:
        return await _reset_page(desk, visit, status=404, gone=True)
    return await _reset_page(desk, visit, link=link, token=token)


@post("/console/reset/{token:str}", status_code=200)
async def set_password(desk: GivenDesk, visit: GivenVisit, form: GivenForm, token: FromPath[str]) -> Response[bytes]:
    """Set the password; then sign in with it, and with the second factor where it is on."""
    means = desk.means
    async with means.db.transaction() as tx:
        link = await resets.find(tx, means.vault, token)
    try:
        if link is not None and form.get("password") != form.get("again"):
            raise InvalidInput("The two passwords differ.", field="again", reason="passwords_differ")  # noqa: TRY301 (told below like the others)
        await resets.use(means.db, means.vault, token=token, password=form.get("password"))
    except NotFound:
        return await _reset_page(desk, visit, status=404, gone=True)
    except (InvalidInput, Unavailable) as error:
        said = problems.sentence(error, visit.language)
        return await _reset_page(desk, visit, status=error.status, link=link, token=token, problem=said)
    return desk.redirect(visit, "/console/sign-in", flash="reset.done")


ROUTES: list[ControllerRouterHandler] = [
    show_sign_in, sign_in, second_step, sign_out, show_reset, ask_for_link, show_link, set_password,
]  # fmt: skip
