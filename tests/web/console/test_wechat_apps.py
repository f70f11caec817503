"""A brand's apps at WeChat in the console: owners set them, secrets go in and never come out."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.async_api import Browser, expect
from sqlalchemy import text

from members import wechat_apps
from staff.access import Role
from tests.web.console.conftest import Client, Console

APP = "wx520c15f417810387"
PATH = "/brand/wechat"


async def save(console: Console, client: Client, **more: Any) -> httpx.Response:
    form = {"kind": "official", "version": "0", "app_id": APP, "secret": "", "scope": "snsapi_base", **more}
    return await client.post(console.path(PATH), form)


async def apps(console: Console) -> dict[str, wechat_apps.App]:
    async with console.opened.db.transaction() as tx:
        return {each.kind: each for each in await wechat_apps.list_of(tx, brand_id=console.world.brand.id)}


@pytest.fixture(autouse=True)
async def fresh(console: Console) -> None:
    async with console.opened.db.transaction() as tx:
        await tx.execute(text("DELETE FROM wechat_app"))


async def test_an_owner_sets_an_app_and_nobody_sees_its_secret_again(console: Console) -> None:
    client = await console.client(Role.OWNER)
    secret = secrets.token_hex(16)
    answer = await save(console, client, secret=secret)
    assert (answer.status_code, answer.headers["location"]) == (303, console.path(PATH))
    shown = await client.get(console.path(PATH))
    assert APP in shown.text
    assert secret not in shown.text
    async with console.opened.db.transaction() as tx:
        row = (await tx.execute(text("SELECT secret_sealed, CAST(w AS text) FROM wechat_app w"))).one()
        trail = (
            await tx.execute(
                text(
                    "SELECT CAST(a AS text), after FROM audit_trail a WHERE action = 'wechat.app.set' ORDER BY id DESC"
                )
            )
        ).first()
    assert secret.encode() not in bytes(row[0])
    assert secret not in row[1]
    assert trail is not None
    assert secret not in trail[0]
    assert trail[1] == {"app_id": APP, "scope": "snsapi_base", "secret": "set"}


async def test_an_empty_secret_keeps_the_stored_one_of_the_same_app_only(console: Console) -> None:
    client = await console.client(Role.OWNER)
    await save(console, client, secret="a" * 32)
    kept = await save(console, client, version="1", scope="snsapi_userinfo")
    assert kept.status_code == 303
    live = wechat_apps.LiveApps(console.opened.db)
    await live.refresh()
    app = live.of("tea", "official")
    assert app is not None
    assert (app.scope, app.secret(console.opened.vault)) == ("snsapi_userinfo", "a" * 32)
    other = await save(console, client, version="2", app_id="wx0000000000000000")
    assert other.status_code == 400
    assert "official-secret-error" in other.text
    assert (await apps(console))["official"].app_id == APP


@pytest.mark.parametrize(
    ("wrong", "field"),
    [({"app_id": ""}, "app_id"), ({"app_id": "wx1"}, "app_id"), ({"app_id": "WX520C15F417810387"}, "app_id"),
     ({"app_id": APP + "0"}, "app_id"), ({"secret": "a" * 31}, "secret"), ({"secret": "a" * 33}, "secret"),
     ({"secret": "码" * 32}, "secret"), ({"secret": ""}, "secret")],
)  # fmt: skip
@pytest.mark.parametrize("language", ["zh", "en"])
async def test_each_refusal_stands_beside_its_field(
    console: Console, wrong: dict[str, str], field: str, language: str
) -> None:
    client = await console.client(Role.OWNER, language=language)
    answer = await save(console, client, **({"secret": "b" * 32} | wrong))
    assert answer.status_code == 400
    assert f'id="official-{field}-error"' in answer.text
    assert "b" * 32 not in answer.text  # not even in the field that it was typed into
    assert await apps(console) == {}


@pytest.mark.parametrize(
    "wrong", [{"scope": "snsapi_login"}, {"scope": ""}, {"kind": "web"}, {"kind": "\0"}, {"version": "x"}]
)
async def test_a_form_that_was_tampered_with_changes_nothing(console: Console, wrong: dict[str, str]) -> None:
    client = await console.client(Role.OWNER)
    answer = await save(console, client, **({"secret": "b" * 32} | wrong))
    assert answer.status_code == 400
    assert await apps(console) == {}


async def test_a_stale_page_overwrites_nothing(console: Console) -> None:
    first, second = await console.client(Role.OWNER), await console.client(Role.OWNER)
    assert (await save(console, first, secret="a" * 32)).status_code == 303
    answer = await save(console, second, secret="b" * 32, app_id="wx0000000000000000")
    assert answer.status_code == 409
    gone = await second.post(console.path(PATH + "/remove"), {"kind": "official", "version": "0"})
    assert gone.status_code == 409
    assert (await apps(console))["official"].app_id == APP


async def test_an_app_is_removed_secret_and_all(console: Console) -> None:
    client = await console.client(Role.OWNER)
    await save(console, client, kind="mini", secret="a" * 32)
    assert (await apps(console))["mini"].scope == ""
    answer = await client.post(console.path(PATH + "/remove"), {"kind": "mini", "version": "1"})
    assert answer.status_code == 303
    assert await apps(console) == {}


async def test_only_an_owner_sets_apps(console: Console) -> None:
    for role in (each for each in Role if each is not Role.OWNER):
        client = await console.client(role)
        assert (await client.get(console.path(PATH))).status_code == 403
        assert (await save(console, client, secret="a" * 32)).status_code == 403
        assert (await client.post(console.path(PATH + "/remove"), {"kind": "official"})).status_code == 403
    marketer = await console.client(Role.MARKETER)
    assert console.path(PATH) not in (await marketer.get(console.path("/brand"))).text
    owner = await console.client(Role.OWNER)
    assert console.path(PATH) in (await owner.get(console.path("/brand"))).text


async def test_what_wechat_refused_last_is_shown_until_it_is_mended(console: Console) -> None:
    client = await console.client(Role.OWNER)
    await save(console, client, secret="a" * 32)
    async with console.opened.db.transaction() as tx:
        await wechat_apps.note_failure(
            tx, brand_id=console.world.brand.id, kind="official", app_id=APP, errcode=40125
        )  # fmt: skip
    assert "40125" in (await client.get(console.path(PATH))).text
    await save(console, client, secret="b" * 32, version="1")
    assert "40125" not in (await client.get(console.path(PATH))).text


@pytest.mark.browser
@pytest.mark.parametrize(("width", "locale"), [(320, "zh-CN"), (1280, "en-GB")])
async def test_the_page_in_a_browser(
    console: Console, chromium: Browser, tmp_path: Path, width: int, locale: str
) -> None:
    owner = await console.client(Role.OWNER)
    await save(console, owner, secret="a" * 32)
    async with console.opened.db.transaction() as tx:
        await wechat_apps.note_failure(
            tx, brand_id=console.world.brand.id, kind="official", app_id=APP, errcode=40125
        )  # fmt: skip
    context = await console.browser(chromium, Role.OWNER, viewport={"width": width, "height": 800}, locale=locale)
    page = await context.new_page()
    await page.goto(console.path(PATH))
    assert await page.evaluate("document.documentElement.scrollWidth") <= width
    await page.screenshot(path=tmp_path / f"wechat-{width}.png", full_page=True)
    await page.locator("#mini-app_id").fill(APP)
    await page.locator("#mini-secret").fill("c" * 32)
    await page.locator("form:has(#mini-app_id) button[type=submit]").click()
    await expect(page.locator("#mini-app_id")).to_have_value(APP)
    assert await page.locator("#mini-secret").input_value() == ""
