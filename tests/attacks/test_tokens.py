"""Tokens, sessions and scan ids: made up, expired, somebody else's, set beforehand, used for something else."""

from __future__ import annotations

import asyncio
import re
import time
from uuid import uuid4

import pytest
from itsdangerous import TimestampSigner

from tests.attacks.conftest import SCANS, Fort, page, problem, symbols
from tests.attacks.test_one_time_codes import ask, code_of, from_elsewhere


async def page_token(fort: Fort, line: str, device: str) -> str:
    look = await fort.world.service.look(line, device_id=device, language="en")
    fort.keep_out(look.page_token)
    return look.page_token


# --- page tokens ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "kind", ["another code's", "another device's", "expired", "cut", "made up", "huge", "empty parts"]
)
async def test_a_page_token_that_is_not_this_pages_is_told_as_wrong_and_gives_nothing(
    fort: Fort, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    line, device = fort.line(), uuid4().hex
    fort.keep_out(device)
    with monkeypatch.context() as patch:
        if kind == "expired":
            long_ago = int(time.time()) - 3_600
            patch.setattr(TimestampSigner, "get_timestamp", lambda _: long_ago)
        good = await page_token(
            fort, fort.line() if kind == "another code's" else line, uuid4().hex if "device" in kind else device
        )
    token = {"cut": good[:-3], "made up": "a.b.c", "huge": "x" * 8_000, "empty parts": ".."}.get(kind, good)
    response = await fort.scan(line, headers={"Yima-Page-Token": token}, device_id=device)
    reply = response.json()
    assert response.status_code == 200, reply
    assert (reply["points"], reply["prizes"]) == (0, [])
    assert any("page" in str(finding) for finding in reply["findings"]), reply


# --- bearers and cookies ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("cookie", ["", "x", "a.b.c", "x" * 4_000, "é", '"', "../../x", "null"])
async def test_a_session_cookie_that_is_none_is_nobodys(fort: Fort, cookie: str) -> None:
    for path in ("/me", "/", f"/Q/{symbols(fort.line())}"):
        answer = await fort.client.get(path, headers=[(b"cookie", f"yima_session={cookie}".encode("latin-1"))])  # type: ignore[list-item]
        assert answer.status_code == 200, path
        page(answer, 200)


async def test_a_session_set_beforehand_is_not_the_one_that_is_signed_in(fort: Fort) -> None:
    planted = fort.bearer(5)["Authorization"].split()[1]
    phone = fort.phone()
    await ask(fort, phone)
    code = await code_of(fort, phone)
    answer = await fort.client.post(
        "/sign-in", data={"brand": "tea", "phone": phone, "one_time_code": code},
        headers={"Cookie": f"yima_session={planted}", "Sec-Fetch-Site": "same-origin", **from_elsewhere()},
    )  # fmt: skip
    assert answer.status_code == 303, answer.text
    found = re.search(r"yima_session=([^;]+)", str(answer.headers))
    assert found is not None
    token = found[1]
    fort.keep_out(token)
    assert token != planted
    own = await fort.client.get("/api/v1/me", headers={"Authorization": f"Bearer {token}"})
    theirs = await fort.client.get("/api/v1/me", headers={"Authorization": f"Bearer {planted}"})
    assert own.json()["member"] != theirs.json()["member"]


async def test_a_members_token_opens_neither_line_nor_console_and_a_stations_token_no_account(fort: Fort) -> None:
    from codegen import stations

    async with fort.world.opened.db.transaction() as tx:
        _, station = await stations.make(
            tx, brand_id=fort.world.brand.id, name=uuid4().hex[:8], may_switch=True, actor="test"
        )
    fort.keep_out(station)
    member = fort.bearer(1)
    async with fort.untouched():
        problem(await fort.client.post("/api/v1/line/states", json={"state": "void"}, headers=member), 401)
        problem(await fort.client.get("/api/v1/me", headers={"Authorization": f"Bearer {station}"}), 401)
        problem(await fort.scan(fort.line(), headers={"Authorization": f"Bearer {station}"}), 401)
        answer = await fort.client.get(
            "/console/b/tea", headers={"Cookie": f"yima_console={member['Authorization'].split()[1]}"}
        )
        assert answer.status_code in (303, 401, 404)


@pytest.mark.parametrize(
    "lines",
    [
        b"Authorization: Bearer a\r\nAuthorization: Bearer b\r\n", b"Authorization: bearer\r\n", b"Authorization:\r\n",
        b"Authorization: Bearer  \r\n", b"Authorization: Negotiate " + b"x" * 9_000 + b"\r\n",
        b"Authorization: \xff\r\n",
    ],
)  # fmt: skip
async def test_credentials_that_are_none_are_refused_and_told_which_are_wanted(fort: Fort, lines: bytes) -> None:
    async with fort.untouched():
        reply = await fort.wire(b"GET /api/v1/me HTTP/1.1\r\nHost: t\r\n" + lines + b"\r\n")
    assert (reply.status, reply.headers["www-authenticate"]) == (401, "Bearer")


# --- scan ids -----------------------------------------------------------------------------------------------------


async def test_of_many_scans_at_once_under_one_id_one_is_made_and_the_others_are_told(fort: Fort) -> None:
    scan_id, bearer = str(uuid4()), fort.bearer(2)
    lines = [fort.line() for _ in range(20)]
    answers = await asyncio.gather(*(fort.scan(line, headers=bearer, scan_id=scan_id) for line in lines))
    assert sorted(answer.status_code for answer in answers) == [200] + [409] * 19
    for answer in answers:
        if answer.status_code == 409:
            problem(answer, 409, scan_id)
    counts = [(await fort.scan(line)).json()["scan_count"] for line in lines]
    assert sorted(counts) == [1] * 19 + [2], "the others' codes were not scanned"


async def test_somebody_elses_scan_id_tells_nothing_of_it(fort: Fort) -> None:
    scan_id, line = str(uuid4()), fort.line()
    first = (await fort.scan(line, headers=fort.bearer(3), scan_id=scan_id)).json()
    assert first["outcome"] == "awarded"
    for headers in (fort.bearer(4), {}):
        answer = await fort.scan(line, headers=headers, scan_id=scan_id)
        document = problem(answer, 409)
        assert "balance" not in document
        assert symbols(line) not in answer.text


@pytest.mark.parametrize(
    "scan_id", ["00000000-0000-0000-0000-000000000000", "ffffffff-ffff-ffff-ffff-ffffffffffff", "{UP}", "{BRACES}"]
)
async def test_any_uuid_is_an_id_however_it_is_written_and_the_same_one_however(fort: Fort, scan_id: str) -> None:
    own = uuid4()
    given = {"{UP}": str(own).upper(), "{BRACES}": own.hex}.get(scan_id, scan_id)
    line = fort.line()
    first = await fort.scan(line, scan_id=given)
    if first.status_code == 400:
        problem(first, 400, "scan_id")
        return
    again = await fort.scan(line, scan_id=given.lower())
    assert again.content == first.content


async def test_a_scan_from_another_sites_page_is_refused(fort: Fort) -> None:
    form = {"scan_id": str(uuid4()), "code": symbols(fort.line())}
    async with fort.untouched():
        for headers in (
            {"Sec-Fetch-Site": "cross-site"},
            {"Origin": "https://evil.example"},
            {"Sec-Fetch-Site": "same-site"},
            {},
        ):
            page(await fort.client.post("/scan", data=form, headers={**headers, "Accept-Language": "en"}), 403)
        plain = await fort.client.post(
            SCANS, content=b"{}", headers={"Content-Type": "text/plain", "Origin": "https://evil.example"}
        )
        problem(plain, 415)
