"""The HTTP API, over a real socket and a real database: what clients are told, rightly or wrongly asked."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import json
import os
import re
import secrets
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
import structlog
import uvicorn
from itsdangerous import TimestampSigner

from campaigns import draws
from kernel.clock import now
from members import ledger, people
from members.tokens import LIFE_DAYS, Tokens
from tests import databases
from tests.databases import execute
from tests.world import GTIN, World
from traceability import catalogue
from yima import asgi, runtime, worker
from yima.delivery import read_development_codes
from yima.settings import ACCEPT_LOSS, Settings

SCANS = "/api/v1/scans"
REPLY_KEYS = {
    "scan_id", "outcome", "message", "unit", "first_scan_at", "scan_count", "points", "balance", "prizes", "findings",
}  # fmt: skip


@dataclass
class Site:
    """A brand's world with its web server, and a phone that talks to it."""

    world: World
    settings: Settings
    client: httpx.AsyncClient
    url: str
    lines: Iterator[str]
    phones: Iterator[str]

    def token(self, member: int = 0) -> str:
        return Tokens(self.world.opened.vault).issue(self.world.member_ids[member], self.world.brand.id)

    def bearer(self, member: int = 0) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token(member)}"}

    async def scan(self, code: str | None = None, *, headers: dict[str, str] | None = None, **more: Any) -> Any:
        body = {"scan_id": str(uuid4()), "code": code or next(self.lines), **more}
        return await self.client.post(SCANS, json=body, headers=headers)

    async def texts(self) -> dict[str, str]:
        """Let the worker deliver, and read the phones' latest one-time codes."""
        await worker.sweep_once(self.world.opened, worker.run_here)
        return read_development_codes(self.settings)


@pytest.fixture(scope="module")
def site_url(server_url: str) -> Iterator[str]:
    with databases.made(server_url, "test_api") as url:
        yield url


@pytest.fixture(scope="module")
async def site(site_url: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Site]:
    """One server for the module; every test takes lines and members of its own."""
    folder = tmp_path_factory.mktemp("api")
    settings = Settings(
        env="dev", home=folder / "home", database_url=site_url, broker_url=None, redis_url=None,
        secret_keys=(secrets.token_urlsafe(32),), bind=("127.0.0.1", 8000), public_url="HTTPS://T.YIMA.CN",
        limit_exempt=(), ip_data=None, sms_url=None, sms_secret=None, unsafe_database=True,
    )  # fmt: skip
    async with contextlib.AsyncExitStack() as stack:
        opened = await stack.enter_async_context(runtime.connect(settings, site_url, pool_size=4, application="test"))
        world = await World.make(opened, folder, stack)
        address = await stack.enter_async_context(serving(settings, site_url))
        client = await stack.enter_async_context(httpx.AsyncClient(base_url=address, timeout=30, trust_env=False))
        phones = (f"+86137{n:08d}" for n in range(10**8))
        yield Site(world, settings, client, site_url, iter(world.lines), phones)


@pytest.fixture(autouse=True)
def logged() -> Iterator[list[Any]]:
    """What is logged, unprinted."""
    with structlog.testing.capture_logs() as lines:
        yield lines


@contextlib.asynccontextmanager
async def serving(settings: Settings, url: str) -> AsyncIterator[str]:
    """The application behind uvicorn on a free port."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        config = uvicorn.Config(asgi.make_app(settings, url), http="httptools", lifespan="on", log_config=None,
                                access_log=False, ws="none", timeout_graceful_shutdown=2)  # fmt: skip
        server = uvicorn.Server(config)
        task = asyncio.create_task(server.serve(sockets=[listening]))
        while not server.started:
            assert not task.done(), "the server did not start"
            await asyncio.sleep(0.01)
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            server.should_exit = True
            await task


def problem(response: httpx.Response, status: int, code: str) -> str:
    """The sentence of a problem details answer, whose form is judged on the way."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    document = response.json()
    assert document["type"] == f"urn:yima:problem:{code}"
    assert (document["status"], document["code"]) == (status, code)
    assert document["title"]
    assert document["detail"]
    return str(document["detail"])


# --- scans --------------------------------------------------------------------------------------------------


async def test_a_reply_has_exactly_the_promised_keys(site: Site) -> None:
    scan_id = uuid4()
    response = await site.scan(headers=site.bearer(), scan_id=str(scan_id), device_id="phone-1",
                               location={"lat": 30.25, "lng": 120.17, "datum": "wgs84", "accuracy_m": 12,
                                         "source": "gps"})  # fmt: skip
    assert response.status_code == 200
    assert response.headers["content-type"] == "application/json"
    assert response.headers["cache-control"] == "no-store"
    reply = response.json()
    assert set(reply) == REPLY_KEYS
    assert UUID(reply["scan_id"]) == scan_id
    assert (reply["outcome"], reply["points"], reply["scan_count"]) == ("awarded", 10, 1)
    assert reply["unit"] == {"gtin": GTIN, "product": "绿茶", "batch": site.world.batch}
    assert datetime.fromisoformat(reply["first_scan_at"]).utcoffset() is not None
    assert isinstance(reply["balance"], int)
    assert (reply["prizes"], type(reply["findings"])) == ([], list)


@pytest.mark.parametrize("code", ["nonsense", "", "0" * 20])
async def test_a_code_that_is_none_gets_a_reply_of_the_same_form(site: Site, code: str) -> None:
    response = await site.client.post(SCANS, json={"scan_id": str(uuid4()), "code": code})
    assert response.status_code == 200
    reply = response.json()
    assert set(reply) == REPLY_KEYS
    assert reply["outcome"] in ("malformed", "forged")
    assert (reply["unit"], reply["first_scan_at"], reply["balance"], reply["points"]) == (None, None, None, 0)


async def test_an_anonymous_scan_needs_no_header_and_earns_nothing(site: Site) -> None:
    reply = (await site.scan()).json()
    assert (reply["outcome"], reply["points"], reply["balance"]) == ("authentic", 0, None)


async def test_the_same_scan_sent_again_gets_the_same_bytes(site: Site) -> None:
    code, scan_id = next(site.lines), str(uuid4())
    first = await site.scan(code, headers=site.bearer(1), scan_id=scan_id)
    again = await site.scan(code, headers=site.bearer(1), scan_id=scan_id)
    assert first.json()["outcome"] == "awarded"
    assert again.content == first.content


@pytest.mark.parametrize("change", ["code", "member", "device_id", "location", "anonymous"])
async def test_a_scan_id_used_for_another_scan_is_a_conflict(site: Site, change: str) -> None:
    code, scan_id = next(site.lines), str(uuid4())
    await site.scan(code, headers=site.bearer(2), scan_id=scan_id, device_id="a")
    other = await site.scan(
        next(site.lines) if change == "code" else code,
        headers=None if change == "anonymous" else site.bearer(3 if change == "member" else 2),
        scan_id=scan_id,
        device_id="b" if change == "device_id" else "a",
        location={"lat": 30, "lng": 120} if change == "location" else None,
    )
    assert scan_id in problem(other, 409, "conflict")


async def test_a_member_of_another_brand_gets_the_answer_and_no_award(site: Site) -> None:
    opened = site.world.opened
    async with opened.db.transaction() as tx:
        brand = await catalogue.create_brand(
            tx, slug="other", name="别家", name_en="Other", company_prefix="69099", actor="test"
        )
        await ledger.open_accounts(tx, brand_id=brand.id, member_ids=[None])
        [stranger] = await people.enrol(
            tx, opened.vault, opened.index, brand_id=brand.id, phones=["+8613900000000"],
            joined_at=now() - timedelta(days=90),
        )  # fmt: skip
    headers = {"Authorization": f"Bearer {Tokens(opened.vault).issue(stranger, brand.id)}", "Accept-Language": "en"}
    code = next(site.lines)
    reply = (await site.scan(code, headers=headers)).json()
    assert (reply["outcome"], reply["points"], reply["prizes"]) == ("authentic", 0, [])
    assert reply["unit"]["batch"] == site.world.batch
    assert (await site.scan(code, headers=site.bearer(4))).json()["outcome"] == "awarded", "the reward is still there"


@pytest.mark.parametrize(
    ("header", "chinese"),
    [("en", False), ("en-GB,en;q=0.9", False), ("zh-CN", True), ("fr", True), ("", True), ("fr, en;q=0.5", False),
     (";;;,,,", True)],
)  # fmt: skip
async def test_the_message_is_in_the_languages_order_of_the_client(site: Site, header: str, *, chinese: bool) -> None:
    reply = (await site.scan("nonsense", headers={"Accept-Language": header})).json()
    assert bool(re.search(r"[一-鿿]", reply["message"])) is chinese


# --- scans wrongly asked ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"points": 5}, "points"),
        ({"brand_id": 1}, "brand_id"),
        ({"code": None}, "code"),
        ({"code": 17}, "code"),
        ({"code": ...}, "code"),
        ({"scan_id": ...}, "scan_id"),
        ({"scan_id": "17"}, "scan_id"),
        ({"scan_id": 17}, "scan_id"),
        ({"device_id": "x" * 201}, "device_id"),
        ({"device_id": ["x"]}, "device_id"),
        ({"location": {"lat": 91, "lng": 0}}, "lat"),
        ({"location": {"lat": "north", "lng": 0}}, "lat"),
        ({"location": {"lat": 30, "lng": 120, "altitude": 3}}, "altitude"),
        ({"location": {"lat": 30, "lng": 120, "accuracy_m": -1}}, "accuracy_m"),
        ({"location": {"lat": 30, "lng": 120, "datum": "bd09"}}, "datum"),
        ({"location": {"lat": 30, "lng": 120, "source": "guess"}}, "source"),
        ({"location": {"lat": 30}}, "lng"),
        ({"location": "here"}, "location"),
    ],
)
async def test_a_wrong_field_is_named(site: Site, change: dict[str, Any], named: str) -> None:
    body = {"scan_id": str(uuid4()), "code": site.world.lines[-1], **change}
    body = {key: value for key, value in body.items() if value is not ...}
    response = await site.client.post(SCANS, json=body, headers=site.bearer())
    assert named in problem(
        response, 400, "invalid_input" if response.json()["code"] == "invalid_input" else "bad_request"
    )


@pytest.mark.parametrize(
    "content",
    [
        b"", b"{", b"[]", b"null", b'"code"', b"\xff\xfe", b"\x00", b'{"scan_id": "\\ud800"}', b"{" * 20_000,
        b'{"scan_id": "SCAN_ID", "code": "x", "location": {"lat": NaN, "lng": 1}}',
        b'{"scan_id": "SCAN_ID", "code": "x", "location": {"lat": 1e999, "lng": 1}}',
        b'{"scan_id": "SCAN_ID", "code": "x"} {}',
    ],
)  # fmt: skip
async def test_a_body_that_cannot_be_read_is_a_bad_request_with_a_sentence(site: Site, content: bytes) -> None:
    content = content.replace(b"SCAN_ID", str(uuid4()).encode())
    response = await site.client.post(SCANS, content=content, headers={"Content-Type": "application/json"})
    said = problem(response, 400, response.json()["code"])
    assert len(said) < 500
    assert "Traceback" not in said
    assert "/" not in said or "json" in said.lower(), "no path of ours"


async def test_the_sentence_about_an_unreadable_body_says_what_is_wrong_with_it(site: Site) -> None:
    response = await site.client.post(SCANS, content=b'{"scan_id": ', headers={"Content-Type": "application/json"})
    assert re.search("JSON|truncated|body", problem(response, 400, response.json()["code"]))


async def test_a_body_of_a_megabyte_is_too_large(site: Site) -> None:
    response = await site.client.post(SCANS, json={"scan_id": str(uuid4()), "code": "x" * 1_000_000})
    problem(response, 413, response.json()["code"])


async def test_a_form_instead_of_json_is_refused(site: Site) -> None:
    response = await site.client.post(SCANS, data={"scan_id": str(uuid4()), "code": "x"})
    assert response.status_code in (400, 415)
    assert response.headers["content-type"] == "application/problem+json"


async def test_a_wrong_method_is_told_with_the_right_ones(site: Site) -> None:
    for method in ("GET", "DELETE", "PUT"):
        response = await site.client.request(method, SCANS)
        problem(response, 405, "method_not_allowed")
        assert "POST" in response.headers.get("allow", ""), "RFC 9110 15.5.6: a 405 must name the methods"


@pytest.mark.parametrize(
    "path", ["/api/v1/nothing", "/api/v1/", "/api/v1/scans/17", "/api/v2/scans", "/api/v1/draws/NOPE"]
)
async def test_an_unknown_path_of_the_api_is_a_problem_too(site: Site, path: str) -> None:
    problem(await site.client.get(path), 404, "not_found")


# --- who asks -----------------------------------------------------------------------------------------------


async def test_an_expired_token_says_so(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    long_ago = int(time.time()) - LIFE_DAYS * 86_400 - 5
    with monkeypatch.context() as patch:
        patch.setattr(TimestampSigner, "get_timestamp", lambda _: long_ago)
        headers = site.bearer()
    said = problem(await site.scan(headers=headers), 401, "not_authenticated")
    assert "expired" in said
    assert "sign in again" in said


@pytest.mark.parametrize(
    "header",
    ["Bearer x", "Bearer", "Basic dXNlcjpwYXNz", "Token abc", "Bearer a.b.c", "Bearer " + "x" * 5000, "é"],
)
async def test_a_token_that_is_none_of_ours_is_refused_and_nothing_is_recorded(site: Site, header: str) -> None:
    code = next(site.lines)
    response = await site.scan(code, headers={"Authorization": header.encode("latin-1")})  # type: ignore[dict-item]
    problem(response, 401, "not_authenticated")
    assert (await site.scan(code)).json()["scan_count"] == 1


async def test_an_altered_token_is_refused(site: Site) -> None:
    token = site.token()
    for place in (0, len(token) // 2, len(token) - 2):
        wrong = token[:place] + ("A" if token[place] != "A" else "B") + token[place + 1 :]
        problem(await site.scan(headers={"Authorization": f"Bearer {wrong}"}), 401, "not_authenticated")


async def test_a_refusal_for_want_of_a_token_says_which_scheme_is_wanted(site: Site) -> None:
    response = await site.client.get("/api/v1/me")
    problem(response, 401, "not_authenticated")
    assert response.headers.get("www-authenticate", "").startswith("Bearer"), "RFC 9110 15.5.2"


async def test_a_member_sees_what_was_earned(site: Site) -> None:
    await site.scan(headers=site.bearer(5))
    response = await site.client.get("/api/v1/me", headers=site.bearer(5))
    assert response.status_code == 200
    me = response.json()
    assert set(me) == {"member", "balance", "qualifying", "pending_claims", "prizes"}
    assert (me["balance"], me["qualifying"], me["pending_claims"], me["prizes"]) == (10, 5, 0, [])


# --- sign-in ------------------------------------------------------------------------------------------------


async def ask(site: Site, phone: str, brand: str | None = None) -> httpx.Response:
    body = {"brand": brand or site.world.brand.slug, "phone": phone}
    return await site.client.post("/api/v1/sign-in/codes", json=body)


async def enter(site: Site, phone: str, code: str) -> httpx.Response:
    body = {"brand": site.world.brand.slug, "phone": phone, "code": code}
    return await site.client.post("/api/v1/sign-in", json=body)


def wrong(code: str) -> str:
    return f"{(int(code) + 1) % 10**6:06d}"


async def test_signing_in_with_the_code_that_was_sent_gives_a_token_that_works_once(site: Site) -> None:
    phone = next(site.phones)
    asked = await ask(site, phone)
    assert (asked.status_code, asked.json()) == (202, {"expires_in_s": 300})
    code = (await site.texts())[phone]
    assert re.fullmatch("[0-9]{6}", code)
    assert code not in asked.text
    signed = await enter(site, phone, code)
    assert signed.status_code == 200
    assert signed.json()["expires_in_days"] == LIFE_DAYS
    headers = {"Authorization": f"Bearer {signed.json()['token']}"}
    assert (await site.client.get("/api/v1/me", headers=headers)).json()["balance"] == 0
    assert (await site.scan(headers=headers)).json()["outcome"] in ("awarded", "held")
    problem(await enter(site, phone, code), 401, "not_authenticated")


async def test_a_code_dies_after_five_wrong_tries(site: Site) -> None:
    phone = next(site.phones)
    await ask(site, phone)
    code = (await site.texts())[phone]
    for _ in range(5):
        assert "wrong" in problem(await enter(site, phone, wrong(code)), 401, "not_authenticated")
    assert "ask for a new one" in problem(await enter(site, phone, code), 401, "not_authenticated")


async def test_wrong_tries_at_once_are_counted_each(site: Site) -> None:
    phone = next(site.phones)
    await ask(site, phone)
    code = (await site.texts())[phone]
    answers = await asyncio.gather(*(enter(site, phone, wrong(code)) for _ in range(12)))
    said = [problem(answer, 401, "not_authenticated") for answer in answers]
    assert sum("wrong" in each for each in said) == 5
    problem(await enter(site, phone, code), 401, "not_authenticated")


async def test_a_code_used_twice_at_once_signs_in_once(site: Site) -> None:
    phone = next(site.phones)
    await ask(site, phone)
    code = (await site.texts())[phone]
    answers = await asyncio.gather(*(enter(site, phone, code) for _ in range(6)))
    assert sorted(answer.status_code for answer in answers) == [200, 401, 401, 401, 401, 401]


async def test_a_second_code_within_a_minute_is_too_many_and_says_when(site: Site) -> None:
    phone = next(site.phones)
    await ask(site, phone)
    response = await ask(site, phone)
    problem(response, 429, "too_many")
    assert 0 < int(response.headers["retry-after"]) <= 60


async def test_of_codes_asked_for_at_once_one_is_sent(site: Site) -> None:
    phone = next(site.phones)
    answers = await asyncio.gather(*(ask(site, phone) for _ in range(6)))
    assert sorted(answer.status_code for answer in answers) == [202, 429, 429, 429, 429, 429]


async def test_the_answer_does_not_tell_whether_a_number_is_a_members(site: Site) -> None:
    known, unknown = await ask(site, "+8613800000019"), await ask(site, next(site.phones))
    assert (known.status_code, known.content) == (unknown.status_code, unknown.content)


@pytest.mark.parametrize("phone", ["", "123", "not a number", "+86138", "1" * 400, "138\x000000000"])
async def test_what_is_no_phone_number_is_refused(site: Site, phone: str) -> None:
    problem(await ask(site, phone), 400, "invalid_input")


@pytest.mark.parametrize("brand", ["nobody", "", "tea; DROP TABLE brand", "tea\x00", "x" * 10_000])
async def test_a_brand_that_does_not_exist_is_not_found(site: Site, brand: str) -> None:
    body = {"brand": brand, "phone": next(site.phones)}
    response = await site.client.post("/api/v1/sign-in/codes", json=body)
    assert response.status_code in (400, 404), response.text
    problem(response, response.status_code, response.json()["code"])


@pytest.mark.parametrize("name", ["NOPE", "%00", "a%00b", "x" * 5000, "%F0%9F%8D%B5"])
async def test_a_draw_that_does_not_exist_is_not_found(site: Site, name: str) -> None:
    for path in (f"/api/v1/draws/{name}", f"/api/v1/draws/{name}/proof"):
        response = await site.client.get(path)
        assert response.status_code in (400, 404), response.text
        problem(response, response.status_code, response.json()["code"])


# --- draws --------------------------------------------------------------------------------------------------


async def test_a_draw_is_open_to_anyone_and_its_proof_after_the_close(site: Site) -> None:
    name = await site.world.publish_draw(weight_ppb=1_000_000_000)
    try:
        won = (await site.scan(headers={**site.bearer(6), "Accept-Language": "en"})).json()
        assert [(prize["draw"], prize["name"]) for prize in won["prizes"]] == [(name, "Teapot")]
        shown = await site.client.get(f"/api/v1/draws/{name}")
        assert shown.status_code == 200
        assert (shown.json()["entries"], shown.json()["closed_at"]) == (1, None)
        assert len(shown.json()["seed_commitment"]) == 64
        assert "seed" not in {key for key in shown.json() if key != "seed_commitment"}
        problem(await site.client.get(f"/api/v1/draws/{name}/proof"), 409, "conflict")
    finally:
        async with site.world.opened.db.transaction() as tx:
            await draws.close(tx, name, actor="test")
    proof = await site.client.get(f"/api/v1/draws/{name}/proof")
    assert proof.status_code == 200
    from campaigns import proofs

    report = proofs.verify(proof.json())
    assert (report.ok, report.entries) == (True, 1), report.problems


# --- the process --------------------------------------------------------------------------------------------


async def test_health_and_readiness_are_told_and_the_api_is_described(site: Site) -> None:
    assert (await site.client.get("/health")).text == "ok"
    ready = await site.client.get("/ready")
    assert (ready.status_code, ready.json()) == (
        200,
        {"database": "ok", "schema": "ok", "durability": "ok", "keys": "ok"},
    )
    described = (await site.client.get("/schema/openapi.json")).json()
    assert "post" in described["paths"][SCANS]


async def test_every_answer_keeps_the_code_out_of_other_sites_logs(site: Site) -> None:
    code = next(site.lines).rsplit("/", 1)[1]
    for path in (f"/Q/{code}", f"/01/{GTIN}/21/{code}", f"/Q/{code}/more", f"/api/v1/{code}"):
        assert (await site.client.get(path)).headers["referrer-policy"] == "no-referrer"


async def test_connections_that_the_database_dropped_are_replaced_and_no_scan_counts_twice(site: Site) -> None:
    await asyncio.gather(*(site.scan() for _ in range(8)))
    execute(
        site.url,
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'yima web' "
        "AND datname = current_database()",
    )
    code, scan_id = next(site.lines), str(uuid4())
    for _ in range(4):  # a client asks again on 503, with the same scan id
        response = await site.scan(code, headers=site.bearer(7), scan_id=scan_id)
        if response.status_code == 200:
            break
        assert int(response.headers["retry-after"]) > 0
        problem(response, 503, "unavailable")
    assert response.status_code == 200
    assert (response.json()["outcome"], response.json()["scan_count"]) == ("awarded", 1)


@contextlib.contextmanager
def child_server(settings: Settings, url: str, log: Path) -> Iterator[str]:
    """The web process as `yima up` starts it, its standard error in a file."""
    with socket.create_server(("127.0.0.1", 0)) as listening, log.open("wb") as stderr:
        listening.set_inheritable(True)
        port = listening.getsockname()[1]
        environment = {
            **os.environ, "YIMA_ENV": settings.env, "YIMA_HOME": str(settings.home), "YIMA_DATABASE_URL": url,
            "YIMA_SECRET_KEYS": ",".join(settings.secret_keys), "YIMA_BIND": f"127.0.0.1:{port}",
            "YIMA_LISTEN_FD": str(listening.fileno()), "PYTHONUNBUFFERED": "1",
            "YIMA_UNSAFE_DATABASE": ACCEPT_LOSS,  # the server of the tests does not write through
        }  # fmt: skip
        process = subprocess.Popen(
            [sys.executable, "-m", "yima.serve"], env=environment, pass_fds=[listening.fileno()],
            stdout=stderr, stderr=stderr,
        )  # fmt: skip
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait(30)


@pytest.mark.parametrize("env", ["dev", "production"])
async def test_a_servers_log_holds_no_code_no_phone_number_and_no_one_time_code(site: Site, env: str) -> None:
    site.settings.home.mkdir(parents=True, exist_ok=True)
    log = Path(tempfile.mkdtemp(dir=site.settings.home)) / "log"
    settings = dataclasses.replace(site.settings, env=env)
    codes = [next(site.lines) for _ in range(6)]
    phone = next(site.phones)
    device = "device-of-the-person"
    with child_server(settings, site.url, log) as address:
        async with httpx.AsyncClient(base_url=address, timeout=60, trust_env=False) as client:
            there = dataclasses.replace(site, client=client)
            assert (await there.scan(codes[0], headers=site.bearer(8), device_id=device)).status_code == 200
            assert (await there.scan(codes[0][:-1] + "*")).status_code == 200
            problem(await there.scan(codes[1], scan_id="x"), 400, "bad_request")
            for path in (f"/Q/{codes[1].rsplit('/', 1)[1]}", f"/Q/{codes[1].rsplit('/', 1)[1]}/x"):
                await client.get(path)
            await ask(there, phone)
            one_time = (await site.texts())[phone]
            assert (await enter(there, phone, wrong(one_time))).status_code == 401
            for table, use in (
                ("unit", lambda: there.scan(codes[2], headers=site.bearer(8), device_id=device)),
                ("sign_in_code", lambda: enter(there, phone, one_time)),
                ("identity", lambda: enter(there, phone, one_time)),
            ):
                execute(site.url, f"ALTER TABLE {table} RENAME TO {table}_away")
                try:
                    assert (await use()).status_code in (500, 503)
                finally:
                    execute(site.url, f"ALTER TABLE {table}_away RENAME TO {table}")
            assert (await enter(there, phone, one_time)).status_code == 200
    said = log.read_text()
    assert "SQLSTATE 42P01" in said, "the defects were logged, by state"
    for secret in (*(code.rsplit("/", 1)[1] for code in codes), phone, phone[3:], one_time, device):
        assert secret not in said
    assert not re.search(r"\b[0-9A-HJKMNP-TV-Z]{20}\b", said)
    for line in said.splitlines():
        assert env == "dev" or json.loads(line), "production logs are JSON, line by line"


async def test_an_empty_body_is_called_that(site: Site) -> None:
    answer = await site.client.post("/api/v1/scans", content=b"", headers={"Content-Type": "application/json"})
    assert answer.json()["detail"] == "The request has no body: send a JSON object."
    assert answer.status_code == 400
