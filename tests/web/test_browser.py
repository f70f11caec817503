"""The pages in a real Chromium: with and without JavaScript, on a poor network, at every width."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from playwright.async_api import Browser, Page, Route, expect

from tests.web.shop import FIRST, INACTIVE, NASTY, ONE_TIME_CODE, PHONE, SEEN, Site

pytestmark = pytest.mark.browser

WAIT_MS = 10_000
FIRST_ANSWER_BYTES_MAX = 20_000
SCAN = "form[data-scan] button[type=submit]"


@asynccontextmanager
async def opened(chromium: Browser, **options: Any) -> AsyncIterator[Page]:
    """A page of a fresh browser profile; whatever it complains about on its console is an error."""
    settings = {"viewport": {"width": 390, "height": 844}, "locale": "zh-CN"} | options
    context = await chromium.new_context(**settings)
    context.set_default_timeout(WAIT_MS)
    page = await context.new_page()
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    try:
        yield page
    finally:
        await context.close()
    # A lost connection and a refused form are what some tests are about.
    assert [text for text in complaints if "Failed to load resource" not in text] == []


async def sign_in(page: Page, site: Site, code: str) -> None:
    await page.goto(f"{site.url}/Q/{code}")
    await page.get_by_label("手机号").fill(PHONE)
    await page.get_by_role("button", name="发送验证码").click()
    await page.get_by_label("6 位验证码").fill(ONE_TIME_CODE)
    await page.get_by_role("button", name="登录").click()
    await page.wait_for_url(f"**/Q/{code}")
    await expect(page.locator("form[action='/sign-in']")).to_have_count(0)


@pytest.mark.parametrize("javascript", [True, False])
async def test_stranger_signs_in_takes_the_reward_and_sees_it_in_the_account(
    site: Site, chromium: Browser, javascript: bool
):
    async with opened(chromium, java_script_enabled=javascript) as page:
        await sign_in(page, site, FIRST)
        await page.get_by_role("button", name="领取奖励").click()
        await expect(page.get_by_role("heading", name="奖励已到账")).to_be_visible()
        await expect(page.locator("strong", has_text="现金红包 8.88 元")).to_be_visible()
        assert page.url == (f"{site.url}/Q/{FIRST}" if javascript else f"{site.url}/scan")
        await page.get_by_role("link", name="查看我的积分与奖品").click()
        await expect(page.get_by_role("heading", name="我的锦江酒业会员")).to_be_visible()
    [scan] = site.ports.scans
    assert (scan.member, scan.location) == ((41, 7), None)


async def test_reload_without_javascript_shows_the_same_answer(site: Site, chromium: Browser):
    async with opened(chromium, java_script_enabled=False) as page:
        await sign_in(page, site, FIRST)
        await page.click(SCAN)
        before = await page.inner_text("main")
        await page.reload()
        assert await page.inner_text("main") == before
    assert len(site.ports.scans) == 2
    assert site.ports.scans[0] == site.ports.scans[1]


async def test_lost_answer_is_asked_for_again_with_the_same_scan(site: Site, chromium: Browser):
    lost = []

    async def lose_the_first(route: Route) -> None:
        if lost:
            await route.continue_()
        else:
            # The server gets the scan and answers it; the phone never sees the answer.
            lost.append(await route.fetch())
            await route.abort("connectionreset")

    async with opened(chromium) as page:
        await sign_in(page, site, FIRST)
        await page.route("**/scan", lose_the_first)
        await page.click(SCAN)
        await expect(page.locator("[data-notice]")).to_contain_text("正在自动重试")
        await expect(page.get_by_role("heading", name="奖励已到账")).to_be_visible()
        await expect(page.locator(".code", has_text="40217")).to_be_visible()
    assert len(site.ports.scans) == 2
    assert site.ports.scans[0] == site.ports.scans[1]
    assert len(site.ports.replies) == 1


async def test_scan_waits_for_the_network_and_goes_out_when_it_returns(site: Site, chromium: Browser):
    async with opened(chromium) as page:
        await sign_in(page, site, FIRST)
        await page.context.set_offline(True)
        await page.click(SCAN)
        await expect(page.locator("[data-notice]")).to_be_visible()
        await expect(page.locator(SCAN)).to_be_disabled()
        assert site.ports.scans == []
        await page.context.set_offline(False)
        await expect(page.get_by_role("heading", name="奖励已到账")).to_be_visible()
    assert len(site.ports.scans) == 1


async def test_server_out_of_order_is_asked_again_and_refusal_is_shown(site: Site, chromium: Browser):
    answers = [503, 502]

    async def fail_twice(route: Route) -> None:
        if answers:
            await route.fulfill(status=answers.pop(), body="<main>proxy</main>", content_type="text/html")
        else:
            await route.continue_(post_data="scan_id=broken")

    async with opened(chromium) as page:
        await sign_in(page, site, FIRST)
        await page.route("**/scan", fail_twice)
        await page.click(SCAN)
        await expect(page.get_by_role("heading", name="出了点问题")).to_be_visible()
    assert answers == []


async def test_page_left_open_asks_for_a_new_token_before_it_scans(site: Site, chromium: Browser):
    async with opened(chromium) as page:
        await page.clock.install()
        await sign_in(page, site, FIRST)
        old = await page.input_value("form[data-scan] input[name=scan_id]")
        looks = len(site.ports.looks)
        await page.clock.fast_forward("05:00")
        await page.click(SCAN)
        await expect(page.get_by_role("heading", name="奖励已到账")).to_be_visible()
    assert len(site.ports.looks) == looks + 1
    assert str(site.ports.scans[0].scan_id) != old


async def test_after_long_trying_it_goes_on_by_itself_once_there_is_a_network_and_it_is_the_same_scan(
    site: Site, chromium: Browser
):
    async with opened(chromium) as page:
        await page.clock.install()
        await sign_in(page, site, FIRST)
        scan_id = await page.input_value("form[data-scan] input[name=scan_id]")
        await page.context.set_offline(True)
        await page.click(SCAN)
        notice = page.locator("[data-notice]")
        await expect(page.locator("[data-offline]")).to_contain_text("您已离线")
        while "再点一次" not in await notice.inner_text():
            await page.clock.run_for(1_000)
        await expect(page.locator(SCAN)).to_be_enabled()
        # Later than the token lives: the scan may have been counted, so it must not change.
        await page.clock.fast_forward("10:00")
        await page.context.set_offline(False)
        await expect(page.locator("[data-offline]")).to_be_hidden()
        await expect(page.get_by_role("heading", name="奖励已到账")).to_be_visible()
    assert [str(scan.scan_id) for scan in site.ports.scans] == [scan_id]


async def test_reload_while_the_answer_is_lost_sends_the_same_scan_again_by_itself(site: Site, chromium: Browser):
    lost = []

    async def lose(route: Route) -> None:
        lost.append(await route.fetch())
        await route.abort("connectionreset")

    async with opened(chromium) as page:
        await sign_in(page, site, FIRST)
        await page.route("**/scan", lose)
        await page.click(SCAN)
        await expect(page.locator("[data-notice]")).to_contain_text("正在自动重试")
        await page.unroute("**/scan")
        await page.reload()
        await expect(page.get_by_role("heading", name="奖励已到账")).to_be_visible()
        # Answered: the next visit to the code is a scan of its own.
        await page.goto(f"{site.url}/Q/{FIRST}")
        await expect(page.locator(SCAN)).to_be_enabled()
        await expect(page.locator("form[data-scan] [data-notice]")).to_be_hidden()
    assert len(lost) >= 1
    assert len(set(map(repr, site.ports.scans))) == 1
    assert len(site.ports.replies) == 1


async def test_signing_in_happens_in_place_and_keeps_answer_and_location(site: Site, chromium: Browser):
    async with opened(chromium) as page:
        await page.goto(f"{site.url}/Q/{FIRST}")
        await page.evaluate("window.unbroken = true")
        await page.get_by_role("button", name="不登录").click()
        await expect(page.get_by_role("heading", name="扫码已记录")).to_be_focused()
        await page.get_by_label("手机号").fill("13800138009")
        await page.get_by_role("button", name="发送验证码").click()
        await expect(page.locator(".error")).to_be_visible()
        await page.get_by_label("6 位验证码").fill("000000")
        await page.get_by_role("button", name="登录").click()
        await expect(page.locator(".error")).to_contain_text("验证码不正确")
        await page.get_by_label("6 位验证码").fill(ONE_TIME_CODE)
        await page.evaluate(GIVE_PLACE)
        await page.get_by_role("button", name="登录").click()
        await expect(page.locator(SCAN)).to_be_focused()
        await expect(page.get_by_role("heading", name="扫码已记录")).to_be_visible()
        assert await page.evaluate("window.unbroken")
        await page.click(SCAN)
        await expect(page.get_by_role("heading", name="奖励已到账")).to_be_visible()
    anonymous, claimed = site.ports.scans
    assert (anonymous.member, claimed.member) == (None, (41, 7))
    assert anonymous.scan_id != claimed.scan_id
    assert claimed.location is not None


GIVE_PLACE = """for (const [name, value] of [["lat", 30.5], ["lng", 104], ["accuracy_m", 9], ["source", "gps"]]) {
  const field = Object.assign(document.createElement("input"), {type: "hidden", name, value});
  document.querySelector("[data-claim] form").append(field);
}"""


async def test_phone_that_loses_the_network_while_signing_in_says_so_and_may_try_again(site: Site, chromium: Browser):
    async with opened(chromium) as page:
        await page.goto(f"{site.url}/Q/{FIRST}")
        await page.get_by_label("手机号").fill(PHONE)
        await page.context.set_offline(True)
        await page.get_by_role("button", name="发送验证码").click()
        await expect(page.get_by_text("验证码没有发出")).to_be_visible()
        await page.context.set_offline(False)
        await page.get_by_role("button", name="发送验证码").click()
        await expect(page.get_by_label("6 位验证码")).to_be_focused()


@pytest.mark.parametrize("javascript", [True, False])
async def test_code_scanned_without_signing_in_is_offered_again_until_it_is_claimed(
    site: Site, chromium: Browser, javascript: bool
):
    async with opened(chromium, java_script_enabled=javascript) as page:
        await page.goto(f"{site.url}/Q/{FIRST}")
        await expect(page.get_by_text("奖励不会为您预留")).to_be_visible()
        await page.get_by_role("button", name="不登录").click()
        await expect(page.get_by_role("heading", name="扫码已记录")).to_be_visible()
        for path in ("/", "/me"):
            await page.goto(site.url + path)
            await expect(page.get_by_role("heading", name="本机记住的码")).to_be_visible()
        await page.get_by_role("link", name="7Q0Z AB12").click()
        await page.wait_for_url(f"**/Q/{FIRST}")
        await sign_in(page, site, FIRST)
        await page.click(SCAN)
        await expect(page.get_by_role("heading", name="奖励已到账")).to_be_visible()
        await page.goto(site.url)
        await expect(page.get_by_role("heading", name="本机记住的码")).to_have_count(0)


async def test_tapping_twice_scans_once(site: Site, chromium: Browser):
    async with opened(chromium) as page:
        await sign_in(page, site, FIRST)
        await page.evaluate("for (let n = 0; n < 3; n++) document.forms[document.forms.length - 1].requestSubmit()")
        await expect(page.get_by_role("heading", name="奖励已到账")).to_be_visible()
    assert len(site.ports.scans) == 1


async def test_location_is_asked_for_on_its_own_and_sent_with_the_scan(site: Site, chromium: Browser):
    place = {"latitude": 30.572816, "longitude": 104.066801, "accuracy": 35}
    async with opened(chromium, geolocation=place, permissions=["geolocation"]) as page:
        await sign_in(page, site, FIRST)
        await expect(page.get_by_text("不提供不影响您的任何权益")).to_be_visible()
        await page.get_by_role("button", name="同时告诉品牌我的位置").click()
        await expect(page.get_by_text("登记时将一并提供您的位置")).to_be_visible()
        await page.click(SCAN)
        await expect(page.get_by_role("heading", name="奖励已到账")).to_be_visible()
    assert site.ports.scans[0].location == {
        "lat": 30.572816, "lng": 104.066801, "accuracy_m": 35.0, "source": "gps", "datum": "wgs84",
    }  # fmt: skip


async def test_location_can_be_taken_back_before_the_scan(site: Site, chromium: Browser):
    place = {"latitude": 30.572816, "longitude": 104.066801, "accuracy": 35}
    async with opened(chromium, geolocation=place, permissions=["geolocation"]) as page:
        await sign_in(page, site, FIRST)
        await page.get_by_role("button", name="同时告诉品牌我的位置").click()
        await page.get_by_role("button", name="不提供位置").click()
        await page.click(SCAN)
        await expect(page.get_by_role("heading", name="奖励已到账")).to_be_visible()
    assert site.ports.scans[0].location is None


async def test_refused_location_costs_nothing(site: Site, chromium: Browser):
    async with opened(chromium, permissions=[]) as page:
        await sign_in(page, site, FIRST)
        await page.get_by_role("button", name="同时告诉品牌我的位置").click()
        await expect(page.get_by_text("完全不影响领取")).to_be_visible()
        await page.click(SCAN)
        await expect(page.get_by_role("heading", name="奖励已到账")).to_be_visible()
    assert site.ports.scans[0].location is None


async def test_location_from_wechats_browser_is_marked_as_such(site: Site, chromium: Browser):
    place = {"latitude": 30.5, "longitude": 104.0, "accuracy": 0}
    agent = "Mozilla/5.0 (Linux; Android 12) Chrome/98.0 Mobile Safari/537.36 MicroMessenger/8.0.38 Language/zh_CN"
    async with opened(chromium, geolocation=place, permissions=["geolocation"], user_agent=agent) as page:
        await sign_in(page, site, FIRST)
        await page.get_by_role("button", name="同时告诉品牌我的位置").click()
        await expect(page.get_by_text("登记时将一并提供您的位置")).to_be_visible()
        await page.click(SCAN)
        await expect(page.get_by_role("heading", name="奖励已到账")).to_be_visible()
    location = site.ports.scans[0].location
    assert location is not None
    assert (location["source"], location["accuracy_m"]) == ("wechat", 1.0)


@pytest.mark.parametrize("motion", ["no-preference", "reduce"])
async def test_prize_card_turns_over_only_for_those_who_like_motion(site: Site, chromium: Browser, motion: str):
    async with opened(chromium, reduced_motion=motion) as page:
        await sign_in(page, site, FIRST)
        await page.click(SCAN)
        card = page.locator("[data-prize]")
        await expect(card).to_be_visible()
        running = await card.evaluate("card => card.getAnimations().map(each => each.animationName)")
        assert running == (["turn"] if motion == "no-preference" else [])
        await expect(card.get_by_text("现金红包 8.88 元")).to_be_visible()


async def test_screen_reader_continues_at_the_new_heading(site: Site, chromium: Browser):
    async with opened(chromium) as page:
        await sign_in(page, site, FIRST)
        await page.click(SCAN)
        await expect(page.get_by_role("heading", name="奖励已到账")).to_be_focused()
        assert await page.title() == "奖励已到账 · 一码"


async def test_keyboard_alone_leads_through_a_claim(site: Site, chromium: Browser):
    async with opened(chromium) as page:
        await page.goto(f"{site.url}/Q/{FIRST}")
        await page.keyboard.press("Tab")
        await expect(page.get_by_role("link", name="跳到正文")).to_be_focused()
        await page.get_by_label("手机号").focus()
        await page.keyboard.type(PHONE)
        await page.keyboard.press("Enter")
        # The field of the one-time code has the focus already.
        await expect(page.get_by_label("6 位验证码")).to_be_focused()
        await page.keyboard.type(ONE_TIME_CODE)
        await page.keyboard.press("Enter")
        await page.wait_for_url(f"**/Q/{FIRST}")
        await page.locator(SCAN).focus()
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("heading", name="奖励已到账")).to_be_visible()


async def test_names_that_are_scripts_do_not_run(site: Site, chromium: Browser):
    async with opened(chromium) as page:
        await sign_in(page, site, NASTY)
        assert await page.evaluate("window.hurt") is None
        await page.click(SCAN)
        await expect(page.get_by_role("heading", name="奖励已到账")).to_be_visible()
        assert await page.evaluate("window.hurt") is None
        assert await page.locator("main img").count() == 0


async def test_another_sites_page_cannot_scan_for_a_signed_in_visitor(site: Site, chromium: Browser):
    async with opened(chromium) as page:
        await sign_in(page, site, FIRST)
        # The same machine under another name is another site to the browser.
        evil = site.url.replace("127.0.0.1", "localhost")
        form = f"<form method=post action={site.url}/scan><input name=code value={FIRST}><button>go</button></form>"
        await page.route(f"{evil}/evil", lambda route: route.fulfill(body=form, content_type="text/html"))
        await page.goto(f"{evil}/evil")
        await page.get_by_role("button", name="go").click()
        await expect(page.get_by_role("heading", name="出了点问题")).to_be_visible()
    assert site.ports.scans == []


@pytest.mark.parametrize("text_size", ["100%", "200%"])
@pytest.mark.parametrize("locale", ["zh-CN", "en-GB"])
async def test_no_page_is_wider_than_a_small_phone(site: Site, chromium: Browser, locale: str, text_size: str):
    paths = ["/", f"/Q/{FIRST}", f"/Q/{SEEN}", f"/Q/{INACTIVE}", "/Q/ABC", "/draws/winter", "/story", "/nothing"]
    async with opened(chromium, viewport={"width": 320, "height": 640}, locale=locale) as page:
        for path in paths:
            await page.goto(site.url + path)
            await page.evaluate("size => { document.documentElement.style.fontSize = size }", text_size)
            assert await page.evaluate("document.documentElement.scrollWidth") <= 320, path
            cut = await page.evaluate(
                """[...document.querySelectorAll("main *")].filter(each => each.scrollWidth > each.clientWidth + 1
                    && each.clientWidth && getComputedStyle(each).overflowX === "visible"
                    && getComputedStyle(each).display !== "inline").map(each => each.outerHTML.slice(0, 99))"""
            )
            assert cut == [], path


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_text_stands_out_from_its_ground(site: Site, chromium: Browser, scheme: str):
    """WCAG 2.2 §1.4.3: at least 4.5:1."""
    async with opened(chromium, color_scheme=scheme) as page:
        await sign_in(page, site, FIRST)
        for path in (f"/Q/{FIRST}", f"/Q/{SEEN}", "/me", "/story", "/draws/spring", "/scan"):
            if path == "/scan":
                await page.goto(f"{site.url}/Q/{FIRST}")
                await page.click(SCAN)
                await page.wait_for_selector("[data-prize]:not(.turning)")
            else:
                await page.goto(site.url + path)
            assert await page.evaluate(FAINT) == [], path


FAINT = """() => {
  const luminance = ([r, g, b]) => [r, g, b].map(v => v / 255)
    .map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const parse = colour => colour.match(/[\\d.]+/g).map(Number);
  const ground = each => {
    for (; each; each = each.parentElement) {
      const colour = parse(getComputedStyle(each).backgroundColor);
      if (colour.length === 3 || colour[3] > 0) return colour;
    }
    return [255, 255, 255];
  };
  const own = each => [...each.childNodes].some(n => n.nodeType === 3 && n.textContent.trim());
  return [...document.body.querySelectorAll("*")].filter(each => own(each) && each.checkVisibility()).map(each => {
    const [a, b] = [luminance(parse(getComputedStyle(each).color)), luminance(ground(each))];
    return [(Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05), each.outerHTML.slice(0, 80)];
  }).filter(([ratio]) => ratio < 4.5);
}"""


async def test_tap_targets_are_large_enough(site: Site, chromium: Browser):
    """WCAG 2.2 §2.5.8 asks for 24 px; thumbs ask for 44."""
    async with opened(chromium) as page:
        await sign_in(page, site, FIRST)
        for path in ("/", f"/Q/{FIRST}", "/draws/winter", "/story"):
            await page.goto(site.url + path)
            small = await page.evaluate(
                """[...document.querySelectorAll("a:not(.skip), button, input:not([type=hidden]), summary")]
                    .filter(each => each.checkVisibility() && each.getBoundingClientRect().height < 43.5)
                    .map(each => each.outerHTML.slice(0, 99))"""
            )
            assert small == [], path


async def test_everything_comes_from_this_host(site: Site, chromium: Browser):
    asked: list[str] = []
    async with opened(chromium) as page:
        page.on("request", lambda request: asked.append(request.url))
        await page.goto(f"{site.url}/Q/{FIRST}")
        await page.goto(f"{site.url}/story")
    assert len(asked) > 4
    assert all(url.startswith(site.url) for url in asked)


def test_first_answer_weighs_at_most_20_kb_compressed(site: Site):
    with site.client(**{"Accept-Encoding": "gzip"}) as client:
        page = client.get(f"/Q/{FIRST}")
        parts = [page, *(client.get(path) for path in set(re.findall(r'"(/static/[^"]+)"', page.text)))]
    assert len(parts) == 4
    assert all(part.headers["content-encoding"] == "gzip" for part in parts)
    assert sum(int(part.headers["content-length"]) for part in parts) <= FIRST_ANSWER_BYTES_MAX


def test_assets_may_be_kept_for_good_and_are_the_same_uncompressed(site: Site):
    with site.client() as client:
        for path in set(re.findall(r'"(/static/[^"]+)"', client.get("/").text)):
            packed = httpx.get(site.url + path, headers={"Accept-Encoding": "gzip"}, trust_env=False)
            plain = httpx.get(site.url + path, headers={"Accept-Encoding": "identity"}, trust_env=False)
            assert "content-encoding" not in plain.headers
            assert plain.content == packed.content
            assert packed.headers["cache-control"] == "public, max-age=31536000, immutable"
            assert packed.headers["vary"] == "Accept-Encoding"


async def test_a_typed_code_is_grouped_in_fours_and_a_pasted_address_is_left_alone(
    chromium: Browser, site: Site
) -> None:
    context = await chromium.new_context(base_url=site.url, locale="en-GB")
    try:
        page = await context.new_page()
        await page.goto("/")
        field = page.locator("input#code")
        await field.press_sequentially("7q0zab12cd34ef56gh78")
        await expect(field).to_have_value("7q0z ab12 cd34 ef56 gh78")
        for _ in range(4):
            await field.press("Backspace")
        await expect(field).to_have_value("7q0z ab12 cd34 ef56")
        # deleting the space before a group deletes the symbol before it; typing in the middle keeps its place
        await field.evaluate("field => field.setSelectionRange(5, 5)")
        await field.press("Backspace")
        await expect(field).to_have_value("7q0a b12c d34e f56")
        await field.press("Z")
        await expect(field).to_have_value("7q0Z ab12 cd34 ef56")
        assert await field.evaluate("field => field.selectionStart") == 4
        for pasted, shown in (
            ("7Q0Z-AB12-CD34-EF56-GH78", "7Q0Z AB12 CD34 EF56 GH78"),
            ("７Ｑ０Ｚ\u00a0ＡＢ１２", "7Q0Z AB12"),
            ("https://old.example/t?c=AbCdEf12", "https://old.example/t?c=AbCdEf12"),
        ):
            await field.fill(pasted)
            await expect(field).to_have_value(shown)
        assert await field.get_attribute("autocorrect") == "off"
        await page.get_by_role("button", name="Look up").click()
        await page.wait_for_url("**/F/*")
    finally:
        await context.close()
