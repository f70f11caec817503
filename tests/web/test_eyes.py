"""What axe finds on the consumer's pages: in every state, by day and by night, in both languages."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from playwright.async_api import Browser, Page, expect

from campaigns.appeals import Appeal, Standing, Waiting
from tests.web.console.eyes import serious_problems
from tests.web.shop import CLAIMED, FIRST, FORGED, INACTIVE, ONE_TIME_CODE, OUTER, PHONE, SEEN, VOIDED, Site
from tests.web.test_browser import SCAN, opened
from web import older

pytestmark = pytest.mark.browser

AT = datetime(2026, 5, 3, 4, tzinfo=UTC)


def _appeal(state: str) -> Appeal:
    said = "" if state == "open" else "请补充购物凭证 / Show us the receipt"
    decided = None if state == "open" else AT
    return Appeal(
        1, 7, 41, 5, 9, UUID(int=1), "06901234567892", "impossible_travel", state, said, AT, AT + timedelta(days=7),
        decided,
    )  # fmt: skip


@pytest.fixture(params=[("zh-CN", "light"), ("zh-CN", "dark"), ("en-GB", "light"), ("en-GB", "dark")])
async def page(request: pytest.FixtureRequest, chromium: Browser) -> AsyncIterator[Page]:
    locale, scheme = request.param
    async with opened(chromium, locale=locale, color_scheme=scheme, viewport={"width": 320, "height": 640}) as found:
        yield found


async def _sound(page: Page) -> None:
    assert await serious_problems(page) == [], page.url
    assert await page.evaluate("document.documentElement.scrollWidth") <= 320, page.url


async def _sign_in(page: Page, site: Site, code: str) -> None:
    await page.goto(f"{site.url}/Q/{code}")
    await page.locator("#phone").fill(PHONE)
    await page.locator("form[action='/sign-in/code'] button").click()
    await page.locator("#one-time-code").fill(ONE_TIME_CODE)
    await page.locator("form[action='/sign-in'] button").click()
    await expect(page.locator("form[action='/sign-in']")).to_have_count(0)


async def test_pages_of_a_stranger(site: Site, page: Page):
    for code in (FIRST, SEEN, CLAIMED, OUTER, INACTIVE, VOIDED, FORGED, "ABC"):
        await page.goto(f"{site.url}/Q/{code}")
        await _sound(page)
    await page.goto(f"{site.url}/Q/{FIRST}")
    await page.locator("form[data-scan] button").click()
    await page.wait_for_selector(".verdict.plain")
    await _sound(page)
    await page.locator("#phone").fill(PHONE)
    await page.locator("form[action='/sign-in/code'] button").click()
    await page.wait_for_selector("#one-time-code")
    await _sound(page)
    for path in ("/", "/me", f"/report/{older.pack(FIRST)}", "/nothing"):
        await page.goto(site.url + path)
        await _sound(page)


async def test_pages_of_a_member(site: Site, page: Page):
    site.ports.shown = {"adults_only": True}
    await _sign_in(page, site, FIRST)
    await _sound(page)
    await page.locator("#adult").check()
    await page.context.set_offline(True)
    await page.click(SCAN)
    await expect(page.locator("[data-notice]")).to_be_visible()
    await _sound(page)
    await page.context.set_offline(False)
    await page.wait_for_selector("[data-prize]:not(.turning)")
    await _sound(page)
    for standing in (
        Standing("kept", "inactive", None), Standing("held", "impossible_travel", None),
        Standing("held", "leaked_key", _appeal("open")), Standing("refused", "x", _appeal("declined")),
        Standing("paid", "", _appeal("granted")),
    ):  # fmt: skip
        site.ports.standings = {CLAIMED: standing}
        await page.goto(f"{site.url}/Q/{CLAIMED}")
        await _sound(page)
        site.ports.waiting.append(Waiting(9, "锦江特曲", "Jinjiang Tequ", AT, standing))
    await page.goto(f"{site.url}/me")
    await _sound(page)


async def test_report_and_what_is_wrong_with_it(site: Site, page: Page):
    await page.goto(f"{site.url}/report/{older.pack(FIRST)}")
    await page.locator("#kind-fake").check()
    await page.locator("#photo").set_input_files(
        {"name": "x.jpg", "mimeType": "image/jpeg", "buffer": b"<svg xmlns='http://www.w3.org/2000/svg'/>"}
    )
    await page.locator("form[action='/report'] button").click()
    await page.wait_for_selector("#photo-error")
    await _sound(page)
    await page.locator("#photo").set_input_files([])
    await page.locator("form[action='/report'] button").click()
    await page.wait_for_selector(".verdict.good")
    await _sound(page)
    assert len(site.ports.reported) == 1
