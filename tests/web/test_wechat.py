"""Sign-in with WeChat, whole: the application over a real database, against a server that behaves like WeChat's."""

from __future__ import annotations

import asyncio
import contextlib
import re
import secrets
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
import uvicorn
from playwright.async_api import Browser, expect
from sqlalchemy import text

from kernel.clock import now
from members import people, wechat_apps, wechat_door, wechat_people
from members.tokens import Tokens
from members.wechat import Person, WechatBusy
from scanapi import limits, wechat_api
from tests import databases
from tests.wechat import AGENT, App, User, WechatServer
from tests.wechat import serving as wechat_serving
from tests.world import World
from traceability import brands, catalogue
from yima import asgi, runtime, worker
from yima.settings import Settings

SIGN_IN = "/api/v1/sign-in/wechat"
FORM_TOKEN = re.compile(r'name="form_token" value="([0-9a-f]{32})"')


@dataclass
class Phone:
    """WeChat's browser on a phone, without a screen; it follows nobody by itself."""

    http: httpx.AsyncClient
    code: str

    async def look(self, path: str | None = None) -> str:
        shown = await self.http.get(path or f"/Q/{self.code}")
        assert shown.status_code == 200, shown.text
        return shown.text

    async def tap(self, brand: str = "tea", **more: str) -> httpx.Response:
        form_token = FORM_TOKEN.search(await self.look())
        assert form_token is not None
        return await self.http.post(
            "/sign-in/wechat", data={"brand": brand, "code": self.code, "form_token": form_token[1], **more}
        )

    async def agree(self) -> str:
        """Tap, and let WeChat agree silently; returns the way back."""
        leaving = await self.tap()
        assert leaving.status_code == 303, leaving.text
        agreed = await self.http.get(leaving.headers["location"])
        assert agreed.status_code == 302, agreed.text
        return str(agreed.headers["location"])

    async def sign_in(self) -> httpx.Response:
        return await self.http.get(await self.agree())


@dataclass
class Site:
    """A brand's world with its web server, WeChat's stand-in, and the brand's two apps there."""

    world: World
    settings: Settings
    url: str
    wechat: WechatServer
    official: App
    mini: App
    stack: contextlib.AsyncExitStack = field(repr=False)
    numbers: Any = None

    async def phone(self, agent: str = AGENT, language: str = "zh", **more: Any) -> Phone:
        http = await self.stack.enter_async_context(
            httpx.AsyncClient(
                base_url=self.url, trust_env=False, timeout=30,
                headers={"User-Agent": agent, "Accept-Language": language, **more},
            )
        )  # fmt: skip
        return Phone(http, next(self.numbers).rpartition("/")[2])

    async def rows(self, statement: str, **values: Any) -> list[Any]:
        async with self.world.opened.db.transaction() as tx:
            found = await tx.execute(text(statement), values)
            return list(found) if found.returns_rows else []

    async def members_of(self, user: User, app: App) -> list[int]:
        mark = self.world.opened.index.of("wechat", f"openid/{app.app_id}/{self.wechat.openid(app, user)}")
        found = await self.rows("SELECT member_id FROM identity WHERE subject_index = :mark", mark=mark)
        return [row[0] for row in found]

    async def put(self, app: App, kind: str, scope: str = "") -> None:
        async with self.world.opened.db.transaction() as tx:
            await wechat_apps.put(
                tx, self.world.opened.vault, brand_id=self.world.brand.id, kind=kind, app_id=app.app_id,
                secret=app.secret, scope=scope, actor="test",
            )  # fmt: skip
        await asyncio.sleep(wechat_apps.REFRESH_S * 1.5)  # processes look each second

    async def brand_settings(self, **wanted: Any) -> None:
        async with self.world.opened.db.transaction() as tx:
            kept = await brands.settings(tx, self.world.brand.id)
            await brands.update(
                tx, brand_id=self.world.brand.id, wanted=brands.Settings(**wanted), version=kept.version, actor="test"
            )
        await asyncio.sleep(brands.REFRESH_S * 1.5)

    def member(self, token: str) -> tuple[int, int]:
        bearer = Tokens(self.world.opened.vault).verify(token)
        return bearer.member_id, bearer.brand_id


@pytest.fixture(scope="module")
async def made(server_url: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Site]:
    folder = tmp_path_factory.mktemp("wechat")
    async with contextlib.AsyncExitStack() as stack:
        url = stack.enter_context(databases.made(server_url, "test_wechat"))
        server = await stack.enter_async_context(wechat_serving())
        listening = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        host = f"127.0.0.1:{listening.getsockname()[1]}"
        settings = Settings(
            env="dev", home=folder / "home", database_url=url, broker_url=None, redis_url=None,
            secret_keys=(secrets.token_urlsafe(32),), bind=("127.0.0.1", 8000), public_url=f"HTTP://{host}",
            limit_exempt=(), ip_data=None, sms_url=None, sms_secret=None, wechat_url=server.url,
            unsafe_database=True,
        )  # fmt: skip
        opened = await stack.enter_async_context(runtime.connect(settings, url, pool_size=4, application="test"))
        world = await World.make(opened, folder, stack)
        official, mini = server.add(domain=host), server.add()
        site = Site(world, settings, f"http://{host}", server, official, mini, stack, iter(world.lines))
        async with opened.db.transaction() as tx:
            await catalogue.create_brand(
                tx, slug="plain", name="白", name_en="Plain", company_prefix="6901299", actor="test"
            )
            for app, kind, scope in ((official, "official", "snsapi_base"), (mini, "mini", "")):
                await wechat_apps.put(
                    tx, opened.vault, brand_id=world.brand.id, kind=kind, app_id=app.app_id, secret=app.secret,
                    scope=scope, actor="test",
                )  # fmt: skip
        config = uvicorn.Config(asgi.make_app(settings, url), http="httptools", lifespan="on", log_config=None,
                                access_log=False, ws="none", timeout_graceful_shutdown=2)  # fmt: skip
        runner = uvicorn.Server(config)
        task = asyncio.create_task(runner.serve(sockets=[listening]))
        while not runner.started:
            assert not task.done(), "the server did not start"
            await asyncio.sleep(0.01)
        try:
            yield site
        finally:
            runner.should_exit = True
            await task


@pytest.fixture
async def site(made: Site) -> Site:
    made.wechat.faults.clear()
    made.wechat.seen.clear()
    made.wechat.later_s = 0
    made.wechat.user = User(secrets.token_hex(8))
    made.official.bound = made.mini.bound = False
    return made


# The way there and back


async def test_the_button_shows_within_wechat_only(site: Site) -> None:
    assert "微信一键登录" in await (await site.phone()).look()
    other = AGENT.replace("MicroMessenger/8.0.50.2701(0x28003255)", "")
    assert "微信一键登录" not in await (await site.phone(other)).look()
    wecom = AGENT + " wxwork/4.1"
    assert "微信一键登录" not in await (await site.phone(wecom)).look()


async def test_a_tap_signs_in_and_leads_back_to_the_page_of_the_same_code(site: Site) -> None:
    phone = await site.phone()
    ended = await phone.sign_in()
    assert ended.status_code == 303
    assert ended.headers["location"] == f"/Q/{phone.code}"
    shown = await phone.look(ended.headers["location"])
    assert "领取奖励" in shown
    assert "手机号" not in shown
    [member] = await site.members_of(site.wechat.user, site.official)
    assert site.member(phone.http.cookies["yima_session"]) == (member, site.world.brand.id)
    assert await site.rows("SELECT purpose FROM consent WHERE member_id = :m", m=member) == [("membership",)]


async def test_the_reward_is_taken_by_the_member_who_came_by_wechat(site: Site) -> None:
    phone = await site.phone()
    shown = await phone.look((await phone.sign_in()).headers["location"])
    form = dict(re.findall(r'<input type="hidden" name="([a-z_]+)" value="([^"]*)"', shown))
    done = await phone.http.post("/scan", data=form)
    assert "奖励已到账" in done.text
    [member] = await site.members_of(site.wechat.user, site.official)
    assert await site.rows("SELECT state FROM claim WHERE member_id = :m", m=member) == [("posted",)]


async def test_the_second_sign_in_finds_the_same_member(site: Site) -> None:
    await (await site.phone()).sign_in()
    await (await site.phone()).sign_in()
    assert len(await site.members_of(site.wechat.user, site.official)) == 1


async def test_wechat_learns_nothing_of_the_product(site: Site) -> None:
    phone = await site.phone()
    leaving = (await phone.tap()).headers["location"]
    assert urlsplit(leaving).fragment == "wechat_redirect"
    query = parse_qs(urlsplit(leaving).query)
    assert query["redirect_uri"] == [f"{site.url}/sign-in/wechat/callback"]
    assert re.fullmatch(r"[0-9a-f]{32}", query["state"][0])
    assert phone.code not in leaving
    assert site.world.brand.slug not in leaving
    answer = await phone.http.get(f"/Q/{phone.code}")
    assert answer.headers["referrer-policy"] == "no-referrer"


async def test_the_code_waits_sealed_and_the_state_hashed(site: Site) -> None:
    phone = await site.phone()
    state = parse_qs(urlsplit((await phone.tap()).headers["location"]).query)["state"][0]
    rows = await site.rows("SELECT CAST(s AS text), s.code_sealed FROM wechat_state s")
    said = "".join(row[0] for row in rows)
    assert state.encode().hex() not in said
    assert all(phone.code.encode() not in bytes(row[1] or b"") for row in rows)
    assert state not in said


async def test_the_policy_lets_the_form_leave_for_wechat_only_where_the_button_is(site: Site) -> None:
    inside = await (await site.phone()).http.get("/Q/" + site.world.lines[0].rpartition("/")[2])
    assert f"form-action 'self' {site.wechat.url};" in inside.headers["content-security-policy"]
    outside = await (await site.phone("Mozilla/5.0")).http.get("/Q/" + site.world.lines[0].rpartition("/")[2])
    assert "form-action 'self';" in outside.headers["content-security-policy"]


async def test_a_planted_session_is_replaced_by_a_new_one(site: Site) -> None:
    phone = await site.phone()
    victim = Tokens(site.world.opened.vault).issue(site.world.member_ids[0], site.world.brand.id)
    phone.http.cookies.set("yima_session", victim, domain="127.0.0.1", path="/")
    leaving = await phone.http.post(
        "/sign-in/wechat", data={"brand": "tea", "code": phone.code}, headers={"Sec-Fetch-Site": "same-origin"}
    )
    agreed = await phone.http.get(leaving.headers["location"])
    ended = await phone.http.get(agreed.headers["location"])
    set_now = {each.split("=", 1)[0]: each for each in ended.headers.get_list("set-cookie")}
    assert victim not in set_now["yima_session"]
    for word in ("HttpOnly", "SameSite=lax", "Max-Age=7776000"):
        assert word in set_now["yima_session"]


async def test_another_sites_page_cannot_begin_a_sign_in(site: Site) -> None:
    phone = await site.phone(**{"Sec-Fetch-Site": "cross-site"})
    refused = await phone.http.post("/sign-in/wechat", data={"brand": "tea", "code": phone.code})
    assert refused.status_code == 403
    assert site.wechat.seen == []


async def test_opening_the_buttons_address_changes_nothing(site: Site) -> None:
    phone = await site.phone()
    assert (await phone.http.get("/sign-in/wechat")).headers["location"] == "/"
    assert (await phone.http.head("/sign-in/wechat/callback?state=a&code=b")).status_code == 405


# Ways back that fail


async def ended_kindly(answer: httpx.Response, status: int, sentence: str) -> None:
    assert answer.status_code == status, answer.text
    assert sentence in answer.text
    assert "yima_session" not in answer.headers.get("set-cookie", "")


async def test_a_replayed_way_back_signs_nobody_in(site: Site) -> None:
    phone = await site.phone()
    back = await phone.agree()
    await phone.http.get(back)
    phone.http.cookies.delete("yima_session")
    asked = len(site.wechat.calls)
    again = await phone.http.get(back)
    await ended_kindly(again, 400, "这次登录已经完成过了")
    assert phone.code in again.text  # the scan is not lost
    assert len(site.wechat.calls) == asked


async def test_the_way_back_opened_twice_leads_on_who_is_signed_in(site: Site) -> None:
    phone = await site.phone()
    back = await phone.agree()
    await phone.http.get(back)
    again = await phone.http.get(back)
    assert (again.status_code, again.headers["location"]) == (303, f"/Q/{phone.code}")
    assert "yima_session" not in again.headers.get("set-cookie", "")


async def test_a_way_back_of_another_browser_is_foreign_and_stays_good_for_its_own(site: Site) -> None:
    attacker, victim = await site.phone(), await site.phone()
    await victim.look()
    back = await attacker.agree()
    foreign = await victim.http.get(back)
    await ended_kindly(foreign, 400, "不是从本浏览器开始的")
    assert attacker.code not in foreign.text
    assert "yima_session" not in victim.http.cookies
    assert (await attacker.http.get(back)).status_code == 303


async def test_a_foreign_way_back_does_not_sign_out(site: Site) -> None:
    phone = await site.phone()
    await phone.sign_in()
    kept = phone.http.cookies["yima_session"]
    await phone.http.get("/sign-in/wechat/callback?code=abc&state=" + "0" * 32)
    assert phone.http.cookies["yima_session"] == kept


@pytest.mark.parametrize(
    "query",
    ["", "code=abc", "state=&code=abc", "state=short&code=abc", "state=" + "%00" * 32, "state=" + "é" * 32,
     "state=" + "0" * 32 + "&state=" + "0" * 32, "state=" + "0" * 10_000, "code=a&code=b&state=" + "0" * 32],
)  # fmt: skip
async def test_a_way_back_without_a_state_of_ours_is_a_kind_page(site: Site, query: str) -> None:
    phone = await site.phone()
    answer = await phone.http.get(f"/sign-in/wechat/callback?{query}")
    assert answer.status_code == 400
    assert "没有登录" in answer.text


@pytest.mark.parametrize("denied", ["", "&code=", "&code=authdeny"])
async def test_whoever_says_no_is_led_back_with_nothing_stored(site: Site, denied: str) -> None:
    phone = await site.phone()
    state = parse_qs(urlsplit((await phone.tap()).headers["location"]).query)["state"][0]
    answer = await phone.http.get(f"/sign-in/wechat/callback?state={state}{denied}")
    await ended_kindly(answer, 400, "您没有同意微信登录")
    assert phone.code in answer.text
    assert await site.members_of(site.wechat.user, site.official) == []


async def test_a_sign_in_lasts_ten_minutes(site: Site) -> None:
    phone = await site.phone()
    back = await phone.agree()
    await site.rows("UPDATE wechat_state SET expires_at = expires_at - interval '10 minutes 1 second'")
    await ended_kindly(await phone.http.get(back), 400, "已超过十分钟")
    assert await site.members_of(site.wechat.user, site.official) == []


async def test_a_code_that_expired_on_the_way_is_told_and_can_be_begun_again(site: Site) -> None:
    phone = await site.phone()
    back = await phone.agree()
    site.wechat.later_s = 301
    await ended_kindly(await phone.http.get(back), 401, "已超过五分钟")
    site.wechat.later_s = 0
    assert (await phone.sign_in()).status_code == 303


@pytest.mark.parametrize(
    ("fault", "status", "sentence"),
    [("moved", 503, "微信暂时没有回应"), ("html", 503, "微信暂时没有回应"), (45011, 429, "请一分钟后再试"),
     (40163, 401, "已使用过"), (40226, 403, "微信认为此账号存在风险")],
)  # fmt: skip
async def test_wechats_refusals_are_kind_pages_that_keep_the_scan(
    site: Site, fault: str | int, status: int, sentence: str
) -> None:
    phone = await site.phone()
    back = await phone.agree()
    site.wechat.faults = [fault]
    answer = await phone.http.get(back)
    await ended_kindly(answer, status, sentence)
    assert phone.code in answer.text
    assert "手机号" in answer.text
    assert await site.members_of(site.wechat.user, site.official) == []


async def test_a_snapshot_says_where_to_tap(site: Site) -> None:
    site.wechat.user.snapshot = True
    await ended_kindly(await (await site.phone()).sign_in(), 403, "使用完整服务")


async def test_english_pages_speak_english(site: Site) -> None:
    phone = await site.phone(language="en")
    assert "Sign in with WeChat" in await phone.look()
    await ended_kindly(await phone.http.get("/sign-in/wechat/callback"), 400, "was not begun in this browser")


async def test_a_refused_secret_is_kept_for_the_owner_and_names_no_secret(site: Site) -> None:
    phone = await site.phone()
    back = await phone.agree()
    site.wechat.faults = [40125]
    await ended_kindly(await phone.http.get(back), 503, "尚未设置好")
    async with site.world.opened.db.transaction() as tx:
        [official, _] = await wechat_apps.list_of(tx, brand_id=site.world.brand.id)
    assert official.failed_errcode == 40125
    assert official.failed_at is not None
    assert now() - official.failed_at < timedelta(minutes=1)


async def test_a_brand_without_an_account_offers_none_and_takes_none(site: Site) -> None:
    phone = await site.phone()
    assert "该品牌没有开通微信登录" in (await phone.tap(brand="plain")).text
    assert (await phone.tap(brand="nobody")).status_code == 404
    assert site.wechat.seen == []


async def test_a_code_to_come_back_to_has_its_limit(site: Site) -> None:
    phone = await site.phone()
    long = "A" * wechat_door.RETURN_CHARS_MAX
    assert (await phone.tap(code=long)).status_code == 303
    assert (await phone.tap(code=long + "A")).status_code == 400


async def test_the_printed_host_stays_neutral_once_the_member_centre_has_its_own(site: Site) -> None:
    await site.brand_settings(member_host="m.example.com")
    try:
        phone = await site.phone()
        assert "微信一键登录" not in await phone.look()
        there = await phone.http.get(f"/Q/{phone.code}", headers={"Host": "m.example.com"})
        assert "微信一键登录" in there.text
        form_token = FORM_TOKEN.search(there.text)
        assert form_token is not None
        leaving = await phone.http.post(
            "/sign-in/wechat", headers={"Host": "m.example.com"},
            data={"brand": "tea", "code": phone.code, "form_token": form_token[1]},
        )  # fmt: skip
        query = parse_qs(urlsplit(leaving.headers["location"]).query)
        assert query["redirect_uri"] == ["http://m.example.com/sign-in/wechat/callback"]
    finally:
        await site.brand_settings()


# People


async def test_official_account_and_mini_program_know_one_person_by_the_unionid(site: Site) -> None:
    site.official.bound = site.mini.bound = True
    await site.put(site.official, "official", "snsapi_userinfo")
    try:
        code = site.wechat.give(site.mini)
        token = (await mini(site, code)).json()["token"]
        phone = await site.phone()
        leaving = await phone.tap()
        asked = await phone.http.get(leaving.headers["location"])
        allow = re.search(r'<a href="([^"]+)">同意', asked.text)
        assert allow is not None
        assert (await phone.http.get(allow[1].replace("&amp;", "&"))).status_code == 303
        assert site.member(phone.http.cookies["yima_session"]) == site.member(token)
    finally:
        await site.put(site.official, "official", "snsapi_base")
    # and the silent way, which gives no unionid, finds the member by the openid that was noted then
    silent = await site.phone()
    await silent.sign_in()
    assert site.member(silent.http.cookies["yima_session"]) == site.member(token)


async def test_without_a_unionid_each_app_knows_a_member_of_its_own(site: Site) -> None:
    token = (await mini(site, site.wechat.give(site.mini))).json()["token"]
    phone = await site.phone()
    await phone.sign_in()
    assert site.member(phone.http.cookies["yima_session"]) != site.member(token)


async def _enter(site: Site, person: Person) -> int:
    async with site.world.opened.db.transaction() as tx:
        return await wechat_people.sign_in(
            tx, site.world.opened.vault, site.world.opened.index, brand_id=site.world.brand.id, person=person
        )


async def test_two_members_that_turn_out_one_person_stay_as_they_were_found(site: Site) -> None:
    name = site.wechat.user.name
    first = await _enter(site, Person("wxa", f"a-{name}", None))
    second = await _enter(site, Person("wxb", f"b-{name}", None))
    assert await _enter(site, Person("wxa", f"a-{name}", f"u-{name}")) == first
    assert await _enter(site, Person("wxb", f"b-{name}", f"u-{name}")) == second
    assert await _enter(site, Person("wxc", f"c-{name}", f"u-{name}")) == first


async def test_first_sign_ins_at_once_make_one_member(site: Site) -> None:
    name = site.wechat.user.name
    before = await site.rows("SELECT count(*) FROM member")
    people_at_once = [
        Person("wxa", f"a-{name}", f"u-{name}") if n % 2 else Person("wxb", f"b-{name}", f"u-{name}") for n in range(12)
    ]
    found = await asyncio.gather(*(_enter(site, person) for person in people_at_once))
    assert len(set(found)) == 1
    after = await site.rows("SELECT count(*) FROM member")
    assert after[0][0] == before[0][0] + 1
    assert await site.rows("SELECT count(*) FROM identity WHERE member_id = :m", m=found[0]) == [(3,)]


async def test_two_ways_back_at_once_make_one_member(site: Site) -> None:
    phones = [await site.phone() for _ in range(6)]
    ways = [await phone.agree() for phone in phones]
    ended = await asyncio.gather(*(phone.http.get(way) for phone, way in zip(phones, ways, strict=True)))
    assert [each.status_code for each in ended] == [303] * 6
    assert len({site.member(phone.http.cookies["yima_session"]) for phone in phones}) == 1


async def test_one_way_back_taken_twice_at_once_asks_wechat_once(site: Site) -> None:
    phone = await site.phone()
    back = await phone.agree()
    asked = len(site.wechat.calls)
    ended = await asyncio.gather(*(phone.http.get(back) for _ in range(4)))
    assert min(each.status_code for each in ended) == 303
    assert len(site.wechat.calls) == asked + 1


@pytest.mark.parametrize("state", ["blocked", "erased"])
async def test_a_blocked_or_erased_member_signs_in_as_by_phone(site: Site, state: str) -> None:
    person = Person("wxa", f"a-{site.wechat.user.name}", None)
    phone_number = f"+8613{secrets.randbelow(10**9):09d}"
    opened = site.world.opened
    by_wechat = await _enter(site, person)
    async with opened.db.transaction() as tx:
        by_phone = await people.sign_in(
            tx, opened.vault, opened.index, brand_id=site.world.brand.id, phone=phone_number
        )
    await site.rows(
        "UPDATE member SET state = :state WHERE id = ANY(CAST(:ids AS bigint[]))",
        state=state, ids=[by_wechat, by_phone],
    )  # fmt: skip
    assert await _enter(site, person) == by_wechat
    async with opened.db.transaction() as tx:
        again = await people.sign_in(tx, opened.vault, opened.index, brand_id=site.world.brand.id, phone=phone_number)
    assert again == by_phone
    answers = []
    async with httpx.AsyncClient(base_url=site.url, trust_env=False) as http:
        for member in (by_wechat, by_phone):
            token = Tokens(opened.vault).issue(member, site.world.brand.id)
            answers.append((await http.get("/api/v1/me", headers={"Authorization": f"Bearer {token}"})).status_code)
    assert answers == ([401, 401] if state == "erased" else [200, 200])


async def test_names_of_wechat_are_stored_sealed(site: Site) -> None:
    await (await site.phone()).sign_in()
    openid = site.wechat.openid(site.official, site.wechat.user)
    rows = await site.rows("SELECT CAST(i AS text), subject_sealed FROM identity i WHERE kind = 'wechat'")
    assert rows
    assert all(openid not in row[0] and openid.encode() not in bytes(row[1]) for row in rows)


# Mini Programs


async def mini(site: Site, code: object, **more: Any) -> httpx.Response:
    body = {"brand": "tea", "app": site.mini.app_id, "code": code, **more}
    async with httpx.AsyncClient(base_url=site.url, trust_env=False, timeout=30) as http:
        return await http.post(SIGN_IN, json={name: value for name, value in body.items() if value is not None})


async def test_a_mini_program_signs_in_and_gets_a_token_and_no_session_key(site: Site) -> None:
    answer = await mini(site, site.wechat.give(site.mini))
    assert answer.status_code == 200
    assert set(answer.json()) == {"token", "expires_in_days"}
    [member] = await site.members_of(site.wechat.user, site.mini)
    assert site.member(answer.json()["token"]) == (member, site.world.brand.id)
    async with httpx.AsyncClient(base_url=site.url, trust_env=False) as http:
        me = await http.get("/api/v1/me", headers={"Authorization": f"Bearer {answer.json()['token']}"})
    assert me.json()["balance"] == 0


@pytest.mark.parametrize(
    ("fault", "status", "code"),
    [(40029, 401, "wechat_code"), (40163, 401, "wechat_code"), (40226, 403, "wechat_risk"),
     (45011, 429, "wechat_busy"), (40013, 503, "wechat_misconfigured"), (40125, 503, "wechat_misconfigured"),
     ("failing", 503, "wechat_away")],
)  # fmt: skip
async def test_each_refusal_of_wechat_is_a_problem_document(
    site: Site, fault: str | int, status: int, code: str
) -> None:
    site.wechat.faults = [fault]
    answer = await mini(site, site.wechat.give(site.mini))
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert answer.headers["content-type"] == "application/problem+json"
    if code in ("wechat_busy", "wechat_away"):
        assert int(answer.headers["retry-after"]) > 0


async def test_a_code_is_good_once_over_the_api(site: Site) -> None:
    code = site.wechat.give(site.mini)
    assert (await mini(site, code)).status_code == 200
    assert (await mini(site, code)).json()["code"] == "wechat_code"


@pytest.mark.parametrize(
    ("change", "status"),
    [({"app": "wx0000000000000000"}, 404), ({"brand": "plain"}, 404), ({"brand": "nobody"}, 404), ({"code": None}, 400),
     ({"code": 7}, 400), ({"app": None}, 400), ({"state": "x"}, 400), ({"code": ""}, 401), ({"code": "\0"}, 401),
     ({"code": "a" * 129}, 401), ({"brand": "\0"}, 404)],
)  # fmt: skip
async def test_a_wrong_request_is_told_and_costs_wechat_no_call(
    site: Site, change: dict[str, Any], status: int
) -> None:
    asked = len(site.wechat.calls)
    answer = await mini(site, **({"code": "abc"} | change))
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert len(site.wechat.calls) == asked


async def test_the_official_accounts_id_opens_no_mini_programs_door(site: Site) -> None:
    assert (await mini(site, "abc", app=site.official.app_id)).status_code == 404


async def test_the_document_of_the_api_tells_each_refusal(site: Site) -> None:
    async with httpx.AsyncClient(base_url=site.url, trust_env=False) as http:
        document = (await http.get("/schema/openapi.json")).json()
    answers = document["paths"][SIGN_IN]["post"]["responses"]
    assert {"200", "400", "401", "403", "404", "429", "503"} <= set(answers)
    assert "wechat_code" in answers["401"]["description"]
    assert "application/problem+json" in answers["503"]["content"]


def test_a_network_has_its_share_of_attempts_and_no_more() -> None:
    at = [0.0]
    shares = limits.Limits(clock=lambda: at[0])
    burst = limits.RATES["wechat", "network"].burst
    for n in range(burst):
        wechat_api.charge(shares, f"203.0.113.{n % 2}")  # two addresses, so that neither has its own share spent
    with pytest.raises(WechatBusy) as caught:
        wechat_api.charge(shares, "203.0.113.99")
    assert caught.value.details == {"retry_after_s": 1}
    wechat_api.charge(shares, "198.51.100.1")
    at[0] = limits.RATES["wechat", "network"].every_s
    wechat_api.charge(shares, "203.0.113.7")


async def test_sign_ins_long_over_are_pruned(site: Site) -> None:
    await (await site.phone()).tap()
    await site.rows("UPDATE wechat_state SET expires_at = expires_at - interval '2 days'")
    await (await site.phone()).tap()
    await worker._housekeeping(site.world.opened)
    assert await site.rows("SELECT count(*) FROM wechat_state") == [(1,)]


# In a real browser


@pytest.mark.browser
@pytest.mark.parametrize("width", [320, 390])
@pytest.mark.parametrize("language", ["zh", "en"])
async def test_whole_way_in_wechats_browser(
    site: Site, chromium: Browser, tmp_path: Path, width: int, language: str
) -> None:
    await site.put(site.official, "official", "snsapi_userinfo")
    code = next(site.numbers).rpartition("/")[2]
    context = await chromium.new_context(
        viewport={"width": width, "height": 780}, locale="zh-CN" if language == "zh" else "en-GB", user_agent=AGENT
    )
    context.set_default_timeout(10_000)
    try:
        page = await context.new_page()
        complaints: list[str] = []
        page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
        await page.goto(f"{site.url}/Q/{code}")
        button = page.get_by_role("button", name="微信一键登录" if language == "zh" else "Sign in with WeChat")
        assert await page.evaluate("document.documentElement.scrollWidth") <= width
        await page.screenshot(path=tmp_path / f"landing-{language}-{width}.png", full_page=True)
        await button.click()
        await page.get_by_role("link", name="拒绝").click()
        await expect(
            page.get_by_role("heading", name="没有登录" if language == "zh" else "Not signed in")
        ).to_be_visible()
        assert await page.evaluate("document.documentElement.scrollWidth") <= width
        await page.screenshot(path=tmp_path / f"declined-{language}-{width}.png", full_page=True)
        await button.click()
        await page.get_by_role("link", name="同意").click()
        await page.wait_for_url(f"**/Q/{code}")
        await page.screenshot(path=tmp_path / f"back-{language}-{width}.png", full_page=True)
        await page.locator("form[data-scan] button[type=submit]").click()
        done = "奖励已到账" if language == "zh" else "Reward added"
        await expect(page.get_by_role("heading", name=done)).to_be_visible()
        assert [each for each in complaints if "Failed to load resource" not in each] == []
    finally:
        await context.close()
        await site.put(site.official, "official", "snsapi_base")
    [member] = await site.members_of(site.wechat.user, site.official)
    assert await site.rows("SELECT state FROM claim WHERE member_id = :m", m=member) == [("posted",)]
    assert all(referrer == "" and code not in query for query, referrer in site.wechat.seen)
