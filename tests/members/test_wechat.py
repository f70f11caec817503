"""The client of WeChat's interfaces, against a server that behaves as they are published to."""

from __future__ import annotations

import logging
import socket
from collections.abc import AsyncIterator

import pytest

from kernel.errors import YimaError
from members import wechat
from members.wechat import (
    Person,
    Wechat,
    WechatAway,
    WechatBusy,
    WechatCodeDead,
    WechatMisconfigured,
    WechatRisk,
    WechatSnapshot,
)
from tests.wechat import LIFE_S, MINUTE_MAX, App, User, WechatServer, serving


@pytest.fixture(scope="module")
async def there() -> AsyncIterator[WechatServer]:
    async with serving() as server:
        yield server


@pytest.fixture
def server(there: WechatServer) -> WechatServer:
    for kept in (there.calls, there.faults, there.codes, there.logins):
        kept.clear()
    there.later_s = 0
    there.user = User("li")
    return there


@pytest.fixture
async def client(server: WechatServer) -> AsyncIterator[Wechat]:
    found = Wechat(api_origin=server.url, authorize_origin=server.url, total_s_max=0.5)
    yield found
    await found.close()


async def mini(client: Wechat, app: App, code: str) -> Person:
    return await client.person_of_mini_program(app_id=app.app_id, secret=app.secret, code=code)


async def page(client: Wechat, app: App, code: str) -> Person:
    return await client.person_of_page(app_id=app.app_id, secret=app.secret, code=code)


async def test_a_code_names_its_person_within_the_app(server: WechatServer, client: Wechat) -> None:
    app = server.add()
    person = await mini(client, app, server.give(app))
    assert person == Person(app.app_id, server.openid(app, server.user), None)
    official = server.add()
    assert (await page(client, official, server.give(official, "snsapi_base"))).openid != person.openid


async def test_a_unionid_comes_only_from_a_bound_app_and_not_with_the_silent_scope(
    server: WechatServer, client: Wechat
) -> None:
    official, program = server.add(bound=True), server.add(bound=True)
    silent = await page(client, official, server.give(official, "snsapi_base"))
    asked = await page(client, official, server.give(official, "snsapi_userinfo"))
    by_program = await mini(client, program, server.give(program))
    assert silent.unionid is None
    assert asked.unionid == by_program.unionid == server.unionid(server.user)
    assert silent.openid == asked.openid != by_program.openid


async def test_a_code_is_good_once(server: WechatServer, client: Wechat) -> None:
    app = server.add()
    code = server.give(app)
    await mini(client, app, code)
    with pytest.raises(WechatCodeDead):
        await mini(client, app, code)


async def test_a_code_is_good_for_five_minutes(server: WechatServer, client: Wechat) -> None:
    app = server.add()
    in_time, too_late = server.give(app), server.give(app)
    server.later_s = LIFE_S - 1
    await mini(client, app, in_time)
    server.later_s = LIFE_S + 1
    with pytest.raises(WechatCodeDead):
        await mini(client, app, too_late)


async def test_a_code_of_another_app_or_of_the_other_interface_is_none(server: WechatServer, client: Wechat) -> None:
    app, other = server.add(), server.add()
    for code in (server.give(other), server.give(app, "snsapi_base")):
        with pytest.raises(WechatCodeDead):
            await mini(client, app, code)


@pytest.mark.parametrize("code", ["", "a b", "a&secret=x", "码", "a" * (wechat.CODE_CHARS_MAX + 1), "\0", "../x"])
async def test_what_cannot_be_a_code_is_not_sent(server: WechatServer, client: Wechat, code: str) -> None:
    app = server.add()
    with pytest.raises(WechatCodeDead):
        await mini(client, app, code)
    assert server.calls == []


async def test_the_longest_code_is_sent(server: WechatServer, client: Wechat) -> None:
    with pytest.raises(WechatCodeDead):
        await mini(client, server.add(), "a" * wechat.CODE_CHARS_MAX)
    assert len(server.calls) == 1


async def test_a_wrong_secret_and_an_unknown_app_are_the_brands_fault(server: WechatServer, client: Wechat) -> None:
    app = server.add()
    wrong = App(app.app_id, "0" * 32)
    for given, errcode in ((wrong, 40125), (App("wx0000000000000000", "0" * 32), 40013)):
        with pytest.raises(WechatMisconfigured) as caught:
            await mini(client, given, server.give(app))
        assert caught.value.details == {"errcode": errcode}


async def test_an_account_of_high_risk_is_refused(server: WechatServer, client: Wechat) -> None:
    app = server.add()
    with pytest.raises(WechatRisk):
        await mini(client, app, server.give(app, user=User("wang", risky=True)))


async def test_a_snapshot_of_the_page_signs_nobody_in(server: WechatServer, client: Wechat) -> None:
    app = server.add(bound=True)
    with pytest.raises(WechatSnapshot):
        await page(client, app, server.give(app, "snsapi_userinfo", User("shared", snapshot=True)))


async def test_a_hundred_logins_a_minute_and_no_more(server: WechatServer, client: Wechat) -> None:
    app = server.add()
    for _ in range(MINUTE_MAX):
        await mini(client, app, server.give(app))
    with pytest.raises(WechatBusy) as caught:
        await mini(client, app, server.give(app))
    assert caught.value.details == {"retry_after_s": 60}
    server.later_s = 61
    await mini(client, app, server.give(app))


async def test_a_busy_moment_is_asked_over_once(server: WechatServer, client: Wechat) -> None:
    app = server.add()
    server.faults = ["busy"]
    assert (await mini(client, app, server.give(app))).openid
    assert len(server.calls) == 2


async def test_a_code_used_up_by_a_busy_answer_is_not_called_used(server: WechatServer, client: Wechat) -> None:
    app = server.add()
    server.faults = ["busy_used"]
    with pytest.raises(WechatAway):
        await mini(client, app, server.give(app))


async def test_who_stays_busy_is_asked_twice_and_no_more(server: WechatServer, client: Wechat) -> None:
    app = server.add()
    server.faults = ["busy"] * 5
    with pytest.raises(WechatAway):
        await mini(client, app, server.give(app))
    assert len(server.calls) == wechat.ATTEMPTS_MAX


@pytest.mark.parametrize("fault", ["hang", "moved", "html", "huge", "failing", "list", "zipped"])
async def test_no_answer_is_asked_for_once_and_told(server: WechatServer, client: Wechat, fault: str) -> None:
    app = server.add()
    server.faults = [fault]
    with pytest.raises(WechatAway):
        await mini(client, app, server.give(app))
    assert len(server.calls) == 1  # the code may be used up: asking again is not safe; nor is following elsewhere


async def test_nobody_there_is_told_after_a_second_knock() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
    client = Wechat(api_origin=f"http://127.0.0.1:{port}")
    with pytest.raises(WechatAway) as caught:
        await client.person_of_page(app_id="wx0000000000000000", secret="0" * 32, code="a")
    assert caught.value.status == 503
    await client.close()


@pytest.mark.parametrize(
    ("errcode", "expected"),
    [(40029, WechatCodeDead), (40163, WechatCodeDead), (41008, WechatCodeDead), (42003, WechatCodeDead),
     (45011, WechatBusy), (45009, WechatBusy), (40226, WechatRisk), (40013, WechatMisconfigured),
     (40125, WechatMisconfigured), (40001, WechatMisconfigured), (40164, WechatMisconfigured),
     (40243, WechatMisconfigured), (99999, WechatMisconfigured)],
)  # fmt: skip
async def test_each_errcode_means_what_is_published(
    server: WechatServer, client: Wechat, errcode: int, expected: type[YimaError]
) -> None:
    app = server.add()
    server.faults = [errcode]
    with pytest.raises(expected):
        await mini(client, app, server.give(app))


async def test_neither_secret_nor_code_is_logged_or_told(
    server: WechatServer, client: Wechat, caplog: pytest.LogCaptureFixture
) -> None:
    app = server.add()
    code = server.give(app)
    said: list[str] = []
    with caplog.at_level(logging.WARNING):  # what the program's own logging lets through
        for fault in ("hang", "huge", "failing", 40125, None):
            server.faults = [] if fault is None else [fault]
            try:
                said.append(repr(await mini(client, app, code)))
            except YimaError as error:
                said.append(f"{error} {error.details}")
    assert "o" in said[-1]
    for secret in (app.secret, code):
        assert secret not in caplog.text
        assert secret not in "".join(said)


def test_the_address_to_agree_at_has_its_parameters_in_wechats_order() -> None:
    url = Wechat().authorize_url(
        app_id="wx520c15f417810387", redirect_uri="https://m.example.com/back?x", scope="snsapi_base", state="a1"
    )
    assert url == (
        "https://open.weixin.qq.com/connect/oauth2/authorize?appid=wx520c15f417810387"
        "&redirect_uri=https%3A%2F%2Fm.example.com%2Fback%3Fx&response_type=code&scope=snsapi_base&state=a1"
        "#wechat_redirect"
    )
