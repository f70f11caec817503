"""Proof of work in a real Chromium, over the whole application: with a worker, and without JavaScript."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, expect

from codegen.scheme import CodeKey, Sealer
from scanapi.limits import RATES
from tests.scanapi.test_api import serving
from tests.web.test_browser import opened
from tests.world import World

pytestmark = pytest.mark.browser

FORGER = Sealer(CodeKey(5, b"x" * 32))


@pytest.mark.parametrize("javascript", [True, False], ids=["worker", "plain"])
async def test_a_phone_in_doubt_works_by_itself_or_goes_on_without(
    world: World, chromium: Browser, tmp_path: Path, *, javascript: bool
) -> None:
    settings = dataclasses.replace(world.opened.settings, limit_exempt=())
    code = world.lines[0].rsplit("/", 1)[1]
    async with (
        serving(settings, world.opened.url) as address,
        opened(chromium, java_script_enabled=javascript, viewport={"width": 320, "height": 640}) as page,
    ):
        fetched: list[str] = []
        page.on("request", lambda request: fetched.append(request.url))
        await page.goto(f"{address}/Q/{code}")
        assert not [url for url in fetched if "solver" in url or "/work" in url]  # only whoever is asked fetches it
        for n in range(RATES["wrong", "device"].burst // 2 + 4):
            await page.goto(f"{address}/Q/{FORGER.seal(n)}")
        await page.goto(f"{address}/Q/{code}")
        # nothing is asked of whoever only looks: the answer is there
        await expect(page.locator(".verdict p")).to_contain_text("此码由云雾茶签发")
        answers: list[int] = []
        page.on("response", lambda answer: answers.append(answer.status) if answer.url.endswith("/scan") else None)
        await page.get_by_role("button", name="不登录，只记录这次扫码").click()
        if not javascript:
            await expect(page.get_by_role("heading", name="安全验证")).to_be_visible()
            await expect(page.locator(".verdict p")).to_contain_text("此码由云雾茶签发")
            await page.screenshot(path=str(tmp_path / "work-320.png"), full_page=True)
            assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
            await page.get_by_role("button", name="不做验证，直接提交").click()
        await expect(page.get_by_role("heading", name="扫码已记录")).to_be_visible(timeout=30_000)
        assert answers == [428, 200]
        assert any("solver" in url for url in fetched) is javascript
        await page.screenshot(path=str(tmp_path / "after-320.png"), full_page=True)
    reply: Any = await world.scan(code, member=None)
    assert reply.scan_count == 2  # the one scan of the phone, and this one


async def test_a_worker_that_cannot_be_had_leaves_the_button(world: World, chromium: Browser) -> None:
    settings = dataclasses.replace(world.opened.settings, limit_exempt=())
    code = world.lines[1].rsplit("/", 1)[1]
    async with serving(settings, world.opened.url) as address, opened(chromium) as page:
        await page.route("**/solver-*.js", lambda route: route.abort())
        for n in range(RATES["wrong", "device"].burst // 2 + 4):
            await page.goto(f"{address}/Q/{FORGER.seal(n)}")
        await page.goto(f"{address}/Q/{code}")
        await page.get_by_role("button", name="不登录，只记录这次扫码").click()
        await page.get_by_role("button", name="不做验证，直接提交").click()
        await expect(page.get_by_role("heading", name="扫码已记录")).to_be_visible()
