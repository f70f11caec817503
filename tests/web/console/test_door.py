"""The door of the console through real HTTP: signing in and out, links that set a password, one's own account."""

from __future__ import annotations

import html
import re
from pathlib import Path

import httpx
import pyotp
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from sqlalchemy import text

import staff as room
from kernel import outbox
from staff import people, resets, sessions
from staff.access import Role
from tests.web.console.conftest import Client, Console
from web.console import door, visit
from web.console.texts import TEXTS
from yima import delivery
from yima.runtime import development_mails

PASSWORD, NEW = "seven small boats", "eight large ships"


def marks(page: str) -> dict[str, str]:
    """The hidden fields of a page's first form."""
    form = page[page.index('<form method="post"') :]
    found = re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', form[: form.index("</form>")])
    return {name: html.unescape(value) for name, value in found}


async def email_of(console: Console, staff_id: int) -> str:
    async with console.opened.db.transaction() as tx:
        return (await people.get(tx, console.opened.vault, staff_id)).email


async def sign_in(visitor: httpx.AsyncClient, email: str, password: str = PASSWORD, path: str = "") -> httpx.Response:
    page = await visitor.get(f"/console/sign-in{path}")
    return await visitor.post("/console/sign-in", data={**marks(page.text), "email": email, "password": password})


async def test_signing_in_opens_the_console_and_signing_out_closes_it(console: Console):
    email = await email_of(console, await console.hire(Role.ANALYST, password=PASSWORD))
    visitor = await console.visitor()
    answer = await sign_in(visitor, email)
    assert (answer.status_code, answer.headers["location"]) == (303, "/console")
    cookie = next(each for each in answer.headers.get_list("set-cookie") if each.startswith(f"{visit.SESSION}="))
    assert {"HttpOnly", "Path=/console", "SameSite=lax", "Max-Age=604800"} <= set(cookie.split("; "))
    page = await visitor.get("/console/account")
    assert page.status_code == 200
    assert email in page.text
    token = visitor.cookies[visit.SESSION]
    out = await visitor.post("/console/sign-out", data={"csrf": marks(page.text)["csrf"]})
    assert out.headers["location"] == "/console/sign-in"
    visitor.cookies.set(visit.SESSION, token, path="/console")
    assert (await visitor.get("/console/account")).status_code == 303


async def test_unknown_wrong_and_disabled_look_the_same(console: Console):
    known = await console.hire(Role.ANALYST, password=PASSWORD)
    gone = await console.hire(Role.ANALYST, password=PASSWORD)
    async with console.opened.db.transaction() as tx:
        await people.set_state(tx, staff_id=gone, state="disabled", actor="test")
    pages = set()
    for email, password in (
        (await email_of(console, known), "a wrong password"), (await email_of(console, gone), PASSWORD),
        ("nobody@example.com", PASSWORD), ("no address", PASSWORD),
    ):  # fmt: skip
        visitor = await console.visitor()
        answer = await sign_in(visitor, email, password)
        assert answer.status_code == 401
        assert visit.SESSION not in answer.cookies
        csrf = marks(answer.text)["csrf"]
        pages.add(answer.text.replace(html.escape(email), "EMAIL").replace(csrf, "CSRF"))
    assert len(pages) == 1
    assert "Address or password is wrong" in pages.pop()


async def test_a_session_set_beforehand_is_not_the_one_that_is_signed_in(console: Console):
    email = await email_of(console, await console.hire(Role.ANALYST, password=PASSWORD))
    visitor = await console.visitor()
    planted = "A" * 43
    visitor.cookies.set(visit.SESSION, planted, path="/console")
    answer = await sign_in(visitor, email)
    assert answer.status_code == 303
    assert answer.cookies[visit.SESSION] != planted
    async with console.opened.db.transaction() as tx:
        assert await sessions.find(tx, console.opened.vault, planted) is None


async def test_signing_in_again_ends_the_session_before(console: Console):
    staff_id = await console.hire(Role.ANALYST, password=PASSWORD)
    client = await console.client(staff_id=staff_id)
    answer = await client.post("/console/sign-in", {"email": await email_of(console, staff_id), "password": PASSWORD})
    assert answer.status_code == 303
    async with console.opened.db.transaction() as tx:
        assert await sessions.find(tx, console.opened.vault, client.token) is None


async def test_another_sites_form_signs_nobody_in(console: Console):
    email = await email_of(console, await console.hire(Role.ANALYST, password=PASSWORD))
    visitor = await console.visitor()
    fields = {**marks((await visitor.get("/console/sign-in")).text), "email": email, "password": PASSWORD}
    for headers in ({"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}):
        assert (await visitor.post("/console/sign-in", data=fields, headers=headers)).status_code == 403
    assert (await visitor.post("/console/sign-in", data=fields | {"csrf": "0" * 32})).status_code == 403
    stranger = await console.visitor()
    assert (await stranger.post("/console/sign-in", data=fields)).status_code == 403


@pytest.mark.parametrize(
    ("asked", "goes"),
    [
        ("/console/b/tea/scans?outcome=taken&x=%2F", "/console/b/tea/scans?outcome=taken&x=%2F"),
        ("/console", "/console"),
        ("", "/console"), ("//evil.example", "/console"), ("https://evil.example", "/console"),
        ("/console//evil.example", "/console"), ("/\\evil.example", "/console"), ("/consolex", "/console"),
        ("/console/../Q/X", "/console"), ("/console/x\r\nSet-Cookie: a=b", "/console"),
        ("/console/sign-out", "/console"), ("javascript:alert(1)", "/console"), ("/console?" + "x" * 2000, "/console"),
        ("/console/%2e%2e//x", "/console"),
    ],
)  # fmt: skip
async def test_after_the_sign_in_only_our_own_pages_follow(console: Console, asked: str, goes: str):
    email = await email_of(console, await console.hire(Role.ANALYST, password=PASSWORD))
    visitor = await console.visitor()
    page = await visitor.get("/console/sign-in", params={"next": asked})
    assert marks(page.text)["next"] == goes
    fields = {**marks(page.text), "next": asked, "email": email, "password": PASSWORD}
    assert (await visitor.post("/console/sign-in", data=fields)).headers["location"] == goes


@given(st.text())
@example("/console/\u2025/x")
def test_whatever_is_asked_for_the_next_page_is_ours(asked: str):
    goes = door.safe_next(asked)
    assert goes == "/console" or goes.startswith(("/console/", "/console?"))
    assert httpx.URL("https://t.example/").join(goes).host == "t.example"
    assert goes.isascii()


async def test_the_second_factor_from_the_first_look_to_the_recovery_code(console: Console):
    staff_id = await console.hire(Role.ANALYST, password=PASSWORD)
    client, email = await console.client(staff_id=staff_id), await email_of(console, staff_id)
    assert (await client.post("/console/account/totp/begin", {"password": "a wrong password"})).status_code == 400
    assert (await client.get("/console/account/totp.svg")).status_code == 404
    begun = await client.post("/console/account/totp/begin", {"password": PASSWORD})
    assert begun.headers["location"] == "/console/account/totp"
    page = (await client.get("/console/account/totp")).text
    found = re.search(r'<p class="code">([A-Z2-7 ]+)</p>', page)
    assert found is not None
    phone = pyotp.TOTP(found[1].replace(" ", ""))
    symbol = await client.get("/console/account/totp.svg")
    assert symbol.headers["content-type"] == "image/svg+xml"
    assert symbol.headers["cache-control"] == "no-store"
    assert (await client.post("/console/account/totp/confirm", {"code": "12 34 56 7"})).status_code == 400
    codes = (await client.post("/console/account/totp/confirm", {"code": phone.now()})).text
    recovery = re.findall(r'<li class="code">([0-9A-Z]{5}-[0-9A-Z]{5})</li>', codes)
    assert len(recovery) == 10
    assert (await client.get("/console/account/totp.svg")).status_code == 404

    visitor = await console.visitor()
    second = await sign_in(visitor, email, path="?next=/console/b/tea/scans")
    assert second.status_code == 200
    assert PASSWORD not in second.text
    assert visit.SESSION not in second.cookies
    fields = marks(second.text)
    wrong = await visitor.post("/console/sign-in/code", data={**fields, "code": phone.now()})  # used to confirm
    assert wrong.status_code == 401
    right = await visitor.post("/console/sign-in/code", data={**marks(wrong.text), "code": recovery[3]})
    assert (right.status_code, right.headers["location"]) == (303, "/console/b/tea/scans")
    assert "9 recovery codes" in (await client.get("/console/account")).text
    off = await client.post("/console/account/totp/off", {"password": PASSWORD})
    assert off.headers["location"] == "/console/account"
    assert (await sign_in(await console.visitor(), email)).status_code == 303


async def test_a_ticket_made_up_leads_nowhere(console: Console):
    visitor = await console.visitor()
    csrf = marks((await visitor.get("/console/sign-in")).text)["csrf"]
    for ticket in ("", "x", "x" * 10_000):
        answer = await visitor.post("/console/sign-in/code", data={"csrf": csrf, "ticket": ticket, "code": "123456"})
        assert answer.status_code == 401


async def _link(console: Console, email: str) -> str:
    """Deliver the mails and follow the last one's link."""
    opened = console.opened
    for _ in range(2):
        await outbox.relay(opened.db, opened.vault, delivery.handlers(opened))
    lines = [line for line in development_mails(opened.settings).read_text().splitlines() if email in line]
    found = re.search(r"http://t\.yima\.cn(/console/reset/[\w-]{43})", lines[-1])
    assert found is not None
    return found[1]


async def test_a_forgotten_password_is_set_anew_by_mail(console: Console):
    staff_id = await console.hire(Role.ANALYST, password=PASSWORD)
    email, live = await email_of(console, staff_id), await console.client(staff_id=staff_id)
    visitor = await console.visitor()
    csrf = marks((await visitor.get("/console/reset")).text)["csrf"]
    asked = await visitor.post(
        "/console/reset", data={"csrf": csrf, "email": email.upper()}, headers={"X-Forwarded-Host": "evil.example"}
    )
    nobody = await visitor.post("/console/reset", data={"csrf": csrf, "email": "nobody@example.com"})
    assert asked.text == nobody.text
    path = await _link(console, email)
    for _ in range(2):  # looking uses nothing up
        page = await visitor.get(path)
        assert page.status_code == 200
    fields = marks(page.text)
    differ = await visitor.post(path, data={**fields, "password": NEW, "again": "other"})
    assert (differ.status_code, "differ" in differ.text) == (400, True)
    bad = await visitor.post(path, data={**fields, "password": "123456789012", "again": "123456789012"})
    assert bad.status_code == 400
    done = await visitor.post(path, data={**fields, "password": NEW, "again": NEW})
    assert done.headers["location"] == "/console/sign-in"
    assert (await live.get("/console/account")).status_code == 303
    again = await visitor.post(path, data={**fields, "password": PASSWORD, "again": PASSWORD})
    assert again.status_code == 404
    assert (await visitor.get(path)).status_code == 404
    assert (await sign_in(visitor, email, NEW)).status_code == 303


async def test_a_bad_address_gets_a_sentence_in_the_pages_language(console: Console):
    visitor = await console.visitor("zh-CN")
    csrf = marks((await visitor.get("/console/reset")).text)["csrf"]
    answer = await visitor.post("/console/reset", data={"csrf": csrf, "email": "a@b\r\nBcc: c@example.com"})
    assert answer.status_code == 400
    assert "邮箱" in answer.text


async def test_ones_own_account_changes_name_and_password(console: Console):
    staff_id = await console.hire(Role.ANALYST, password=PASSWORD)
    client, other = await console.client(staff_id=staff_id), await console.client(staff_id=staff_id)
    saved = await client.post("/console/account/profile", {"name": "<b>林</b>", "language": "en"})
    assert saved.status_code == 303
    page = (await client.get("/console/account")).text
    assert "&lt;b&gt;林" in page
    assert "<b>林" not in page
    refused = await client.post("/console/account/profile", {"name": "x" * 81, "language": "en"})
    assert (refused.status_code, "1 to 80 characters" in refused.text) == (400, True)
    wrong = {"password": "a wrong password", "new": NEW, "again": NEW}
    assert (await client.post("/console/account/password", wrong)).status_code == 400
    assert (await client.post("/console/account/password", wrong | {"password": PASSWORD})).status_code == 303
    assert (await client.get("/console/account")).status_code == 200
    assert (await other.get("/console/account")).status_code == 303


async def test_a_stolen_session_cannot_guess_the_password(console: Console):
    client = await console.client(staff_id=await console.hire(Role.ANALYST, password=PASSWORD))
    answers = [
        (await client.post("/console/account/totp/begin", {"password": f"a wrong password {n}"})) for n in range(6)
    ]
    assert [each.status_code for each in answers] == [400] * 5 + [429]
    assert 0 < int(answers[-1].headers["retry-after"]) <= 61


async def test_sessions_are_listed_and_ended_but_only_ones_own(console: Console):
    staff_id = await console.hire(Role.ANALYST, password=PASSWORD)
    client, other = await console.client(staff_id=staff_id), await console.client(staff_id=staff_id)
    stranger = await console.client(Role.ANALYST)
    async with console.opened.db.transaction() as tx:
        found = await sessions.find(tx, console.opened.vault, other.token)
    assert found is not None
    assert (await stranger.post(f"/console/account/sessions/{found.id}/close")).status_code == 404
    assert (await other.get("/console/account")).status_code == 200
    assert (await client.post(f"/console/account/sessions/{found.id}/close")).status_code == 303
    assert (await other.get("/console/account")).status_code == 303
    third = await console.client(staff_id=staff_id)
    assert (await client.post("/console/account/sessions/close")).status_code == 303
    assert (await third.get("/console/account")).status_code == 303
    assert (await client.get("/console/account")).status_code == 200


async def test_a_disabled_person_is_out_in_mid_session(console: Console):
    staff_id = await console.hire(Role.ANALYST)
    client = await console.client(staff_id=staff_id)
    async with console.opened.db.transaction() as tx:
        await people.set_state(tx, staff_id=staff_id, state="disabled", actor="test")
    answer = await client.get(console.path("/scans"))
    assert (answer.status_code, answer.headers["location"][:16]) == (303, "/console/sign-in")


async def test_forms_of_ones_own_account_are_ours_only(console: Console):
    client: Client = await console.client(Role.ANALYST)
    for path in ("profile", "password", "totp/begin", "totp/confirm", "totp/off", "totp/codes", "sessions/close"):
        answer = await client.http.post(f"/console/account/{path}", data={"csrf": "0" * 64})
        assert answer.status_code == 403, path
        assert (await (await console.visitor()).post(f"/console/account/{path}")).status_code in {303, 400, 403}


def test_every_refusal_of_the_room_has_words_in_both_languages():
    sources = "".join(path.read_text() for path in Path(room.__path__[0]).glob("*.py"))
    reasons = set(re.findall(r'reason="([a-z_]+)"', sources)) - {"wrong_password"}
    assert len(reasons) > 20
    raised = len(re.findall(r"raise (?:InvalidInput|Conflict|NotFound|TooMany|Unavailable)\(", sources))
    assert raised > 20
    for reason in reasons:
        chinese, english = TEXTS[f"account.problem.{reason}"]
        assert not chinese.isascii()
        assert english.isascii()


async def test_a_used_place_of_an_address_is_told_as_waiting(console: Console):
    visitor = await console.visitor()
    try:
        for _ in range(31):
            answer = await sign_in(visitor, "nobody@example.com")
            if answer.status_code == 429:
                break
        assert answer.status_code == 429
        assert 0 < int(answer.headers["retry-after"]) <= 901
        assert "Too many failures from this network" in answer.text
    finally:
        async with console.opened.db.transaction() as tx:
            await tx.execute(text("DELETE FROM staff_attempt"))


def test_links_lead_to_the_page_that_reads_them():
    assert resets.link_of("http://t.yima.cn/", "x") == "http://t.yima.cn/console/reset/x"


async def test_somebody_signed_in_may_use_the_door_too(console: Console):
    """A link in a mail is opened in a browser that is signed in, and a second tab shows the old form."""
    staff_id = await console.hire(Role.ANALYST, password=PASSWORD)
    email, client = await email_of(console, staff_id), await console.client(staff_id=staff_id)
    assert (await client.get("/console/sign-in?next=/console/b/tea/scans")).headers[
        "location"
    ] == "/console/b/tea/scans"
    page = await client.get("/console/reset")
    asked = await client.http.post("/console/reset", data={**marks(page.text), "email": email})
    assert "a link is on its way" in asked.text
    path = await _link(console, email)
    fields = marks((await client.get(path)).text)
    done = await client.http.post(path, data={**fields, "password": NEW, "again": NEW})
    assert done.status_code == 303
    wrong = await sign_in(client.http, email)
    assert wrong.status_code == 401
    again = {**marks(wrong.text), "email": email, "password": NEW}
    assert (await client.http.post("/console/sign-in", data=again)).status_code == 303
