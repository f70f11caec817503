"""The heatmap in a real Chromium, its pixels included."""

from __future__ import annotations

import io
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import parse_qs, urlsplit

import h3.api.basic_int as h3
import numpy as np
import pytest
import pytest_asyncio
from numpy.typing import NDArray
from PIL import Image
from playwright.async_api import Browser, BrowserContext, Locator, Page, async_playwright, expect

from staff.access import Role
from tests.web.console.conftest import Console
from tests.web.console.eyes import serious_problems
from tests.web.console.heatmap_scene import (
    AFAR,
    BY_NETWORK,
    CHENGDU,
    CHENGDU_CITY,
    FEW,
    MANY,
    NOWHERE,
    SICHUAN,
    Scene,
    add,
    play,
)  # fmt: skip
from web.console import heatmap_ground, visit

pytestmark = pytest.mark.browser

WAIT_MS = 20_000
WIDE: Any = {"width": 1440, "height": 900}
PHONE: Any = {"width": 390, "height": 844}
ALL = MANY + 2 * FEW + AFAR + BY_NETWORK + NOWHERE
PALETTE = ("ffe998", "fed470", "feb24c", "fd8d3c", "fb5b2e", "e31a1c", "b10026", "780023")
OPACITY = 0.86
LAND = {"light": "fffefa", "dark": "262e2b"}
# The middle of the hexagon, not the scans' own place.
LAT, LNG = h3.cell_to_latlng(h3.latlng_to_cell(*CHENGDU, 8))
OVER_CHENGDU = f"view={LNG:.6f},{LAT:.6f},9.8"
NO_WEBGL2 = """
    const real = HTMLCanvasElement.prototype.getContext;
    HTMLCanvasElement.prototype.getContext = function (kind, ...more) {
        return kind === "webgl2" ? null : real.call(this, kind, ...more);
    };"""


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def eyed() -> AsyncIterator[Browser]:
    """A Chromium that draws WebGL in software; the other tests' has none."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path="/usr/bin/chromium",
            args=["--no-sandbox", "--disable-quic", "--no-first-run", "--disable-background-networking",
                  "--disable-component-update", "--disable-sync", "--enable-unsafe-swiftshader"],
        )  # fmt: skip
        yield browser
        await browser.close()


@pytest.fixture(scope="module")
async def scene(console: Console) -> Scene:
    return await play(console)


@asynccontextmanager
async def opened(
    console: Console, eyed: Browser, query: str = "", *, script: str = "", theme: str = "light", **options: Any
) -> AsyncIterator[Page]:
    """The heatmap in a fresh profile; a complaint on its console or a request to another host is an error."""
    context: BrowserContext = await console.browser(eyed, Role.OWNER, **({"viewport": WIDE} | options))
    context.set_default_timeout(WAIT_MS)
    await context.add_cookies([{"name": visit.THEME, "value": theme, "url": f"{console.base}/console"}])
    page = await context.new_page()
    if script:
        await page.add_init_script(script)
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    page.on(
        "request",
        lambda sent: (
            None
            if sent.url.startswith((console.base, "blob:", "data:"))
            else complaints.append(f"elsewhere: {sent.url}")
        ),
    )
    try:
        await page.goto(console.path("/heatmap") + (f"?{query}" if query else ""))
        yield page
    finally:
        await context.close()
    assert [text for text in complaints if "Failed to load resource" not in text] == []


def root(page: Page) -> Locator:
    return page.locator("[data-heatmap]")


async def drawn(page: Page, scans: int | None = None) -> None:
    """Wait until the hexagons (of so many scans) are on the screen."""
    await expect(page.locator("[data-heatmap][data-ready][data-drawn=hexagons]")).to_be_attached(timeout=WAIT_MS)
    if scans is not None:
        await expect(root(page)).to_have_attribute("data-scans", str(scans), timeout=WAIT_MS)
    await page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")


async def pixels(page: Page) -> NDArray[np.int64]:
    picture = await page.locator("[data-map]").screenshot()
    return np.asarray(Image.open(io.BytesIO(picture)).convert("RGB"), np.int64)


def blended(theme: str) -> NDArray[np.int64]:
    """The palette as it looks over land."""
    colours = np.array([[int(each[k : k + 2], 16) for k in (0, 2, 4)] for each in PALETTE], float)
    land = np.array([int(LAND[theme][k : k + 2], 16) for k in (0, 2, 4)], float)
    return np.rint(OPACITY * colours + (1 - OPACITY) * land).astype(np.int64)


def coloured(seen: NDArray[np.int64], theme: str) -> NDArray[np.bool_]:
    """Which pixels bear a colour of the palette."""
    far = np.abs(seen[:, :, None, :] - blended(theme)[None, None]).max(axis=3)
    return np.asarray(far.min(axis=2) <= 4, np.bool_)


@pytest.mark.parametrize("theme", ["light", "dark"])
async def test_hexagons_are_where_scans_are_and_nowhere_else(console: Console, eyed: Browser, scene: Scene, theme: str):
    del scene
    async with opened(console, eyed, OVER_CHENGDU, theme=theme) as page:
        await drawn(page)
        await expect(root(page)).to_have_attribute("data-resolution", "8")

        async def hit() -> NDArray[np.bool_]:
            seen = await pixels(page)
            y, x = seen.shape[0] // 2, seen.shape[1] // 2
            return coloured(seen[y - 150 : y + 150, x - 150 : x + 150], theme)

        found = await hit()
        assert found[146:154, 146:154].sum() > 40  # a border may run through
        found[120:180, 120:180] = False
        assert not found.any()
        await page.uncheck("[data-hexes]")
        await drawn(page)
        assert not (await hit()).any()


async def test_without_outlines_hexagons_stand_on_plain_ground_with_a_notice(
    console: Console, eyed: Browser, scene: Scene, monkeypatch: pytest.MonkeyPatch
):
    del scene
    choose = heatmap_ground.choose
    monkeypatch.setattr(heatmap_ground, "choose", lambda settings, **more: choose(settings, **(more | {"dev": False})))
    async with opened(console, eyed, OVER_CHENGDU) as page:
        await drawn(page)
        await expect(page.get_by_text("approval number")).to_be_visible()
        seen = await pixels(page)
        assert len(np.unique(seen[200:300, 100:200].reshape(-1, 3), axis=0)) == 1
        y, x = seen.shape[0] // 2, seen.shape[1] // 2
        assert (seen[y - 3 : y + 3, x - 3 : x + 3] != seen[250, 150]).any(axis=2).all()


async def test_filters_layers_and_time_change_map_ranking_and_link(console: Console, eyed: Browser, scene: Scene):
    async with opened(console, eyed) as page:
        await drawn(page)
        await page.get_by_text("Copies", exact=True).click()
        await drawn(page, 1)
        await expect(page.locator("[data-total]")).to_have_text("1")
        await page.get_by_text("Scans", exact=True).and_(page.locator(".segments span")).click()
        await page.locator("details[data-name=dealer] summary").click()
        await page.get_by_label("川渝商贸").check()
        await drawn(page, MANY // 2)
        await page.keyboard.press("Escape")
        await expect(page.get_by_label("川渝商贸")).to_be_hidden()
        await page.get_by_text("7 days").click()
        await expect(page).to_have_url(re.compile("range=7"))
        asked = parse_qs(urlsplit(page.url).query)
        assert asked["dealer"] == [str(scene.dealer_ids[1])]


async def test_drilling_down_by_keyboard_and_by_click_on_the_map(console: Console, eyed: Browser, scene: Scene):
    del scene
    async with opened(console, eyed) as page:
        await drawn(page)
        await page.get_by_role("link", name="Sichuan").focus()
        await page.keyboard.press("Enter")
        await expect(page.locator("[data-trail] [aria-current]")).to_have_text("Sichuan")
        await expect(page.get_by_role("row", name="成都市")).to_be_visible()
        await expect(page).to_have_url(re.compile(f"place={SICHUAN}&view=10[0-9.]+,3[0-9.]+,[5-7]"))
        await page.get_by_role("link", name="成都市").click()
        await expect(page.locator("[data-trail] [aria-current]")).to_have_text("成都市")
        await page.locator("[data-trail]").get_by_role("link", name="China").click()
        await expect(page.locator("[data-trail] [aria-current]")).to_have_text("China")
        await expect(page).not_to_have_url(re.compile("place="))
    async with opened(console, eyed, f"view={CHENGDU[1]},{CHENGDU[0]},5") as page:
        await drawn(page)
        # Outlines come from files of their own: until they do, a click opens no region.
        await expect(page.locator("[data-heatmap][data-ground]")).to_be_attached(timeout=WAIT_MS)
        await page.locator("[data-map]").click(position={"x": 300, "y": 250})
        await expect(page.locator("[data-trail] [aria-current]")).not_to_have_text("China")


async def test_slider_steps_by_keyboard_without_asking_anew(console: Console, eyed: Browser, scene: Scene):
    del scene
    async with opened(console, eyed, "range=7") as page:
        await drawn(page)
        slider = page.get_by_role("slider", name="Time slider")
        asked: list[str] = []
        page.on("request", lambda sent: asked.append(sent.url) if "/heatmap/cells" in sent.url else None)
        await slider.focus()
        for _ in range(28):
            await page.keyboard.press("ArrowRight")
        await expect(root(page)).to_have_attribute("data-part", "28")
        await expect(page.locator("[data-bars] i.on")).to_have_count(1)
        assert "scans" in str(await slider.get_attribute("aria-valuetext"))
        assert len(asked) <= 2
        await expect(page).to_have_url(re.compile("step=28"))
        await page.keyboard.press("Home")
        await drawn(page, MANY + 2 * FEW)
        await expect(page.locator("[data-step-text]")).to_have_text("Whole time")


async def test_play_goes_through_the_parts_and_stops(console: Console, eyed: Browser, scene: Scene):
    del scene
    async with opened(console, eyed, "range=7&step=26") as page:
        await drawn(page)
        await page.get_by_role("button", name="Play").click()
        await expect(page.get_by_role("button", name="Pause")).to_have_attribute("aria-pressed", "true")
        await expect(root(page)).to_have_attribute("data-part", "28", timeout=WAIT_MS)
        await expect(page.get_by_role("button", name="Play")).to_be_visible(timeout=WAIT_MS)


async def test_new_scans_appear_without_a_reload(console: Console, eyed: Browser, scene: Scene):
    async with opened(console, eyed, "source=wechat&source=gps") as page:
        await drawn(page)
        await expect(page.locator("[data-live][data-state=live]")).to_be_visible(timeout=WAIT_MS)
        before = int(str(await root(page).get_attribute("data-scans")))
        await add(console, scene, CHENGDU, range(1_000, 1_005))
        await drawn(page, before + 5)
        await expect(page.locator("[data-live-text]")).to_have_text(re.compile(r"Live · as of \d\d:\d\d:\d\d"))


async def test_lost_connection_is_told_and_comes_back(console: Console, eyed: Browser, scene: Scene):
    del scene
    async with opened(console, eyed) as page:
        await page.route("**/heatmap/live", lambda route: route.abort())
        await page.reload()
        await expect(page.locator("[data-live][data-state=reconnecting]")).to_be_visible(timeout=WAIT_MS)
        await page.unroute("**/heatmap/live")
        await expect(page.locator("[data-live][data-state=live]")).to_be_visible(timeout=WAIT_MS)


async def test_browser_clock_a_day_ahead_changes_nothing(console: Console, eyed: Browser, scene: Scene):
    del scene
    ahead = "const now = Date.now; Date.now = () => now() + 86400000;"
    texts = []
    for script in ("", ahead):
        async with opened(console, eyed, "range=today", script=script) as page:
            await drawn(page)
            texts.append(await page.locator("[data-total]").inner_text())
            await expect(page.locator("[data-bars] i")).to_have_count(24)
    assert texts[0] == texts[1]


async def test_link_reproduces_the_view(console: Console, eyed: Browser, scene: Scene):
    del scene
    async with opened(console, eyed, f"range=7&layer=first&place={CHENGDU_CITY}") as page:
        await drawn(page)
        await expect(page).to_have_url(re.compile("view="))
        await page.check("[data-shades]")
        await page.focus("[data-step]")
        for _ in range(3):
            await page.keyboard.press("ArrowRight")
        await expect(page).to_have_url(re.compile("ip=1&step=3"))
        address, first = page.url, await state(page)
    async with opened(console, eyed, urlsplit(address).query) as page:
        await drawn(page)
        assert await state(page) == first
        assert page.url == address


async def state(page: Page) -> list[str]:
    return [
        *[str(await root(page).get_attribute(f"data-{name}")) for name in ("scans", "cells", "resolution", "part")],
        await page.locator("[data-trail]").inner_text(),
        await page.locator("[data-step-text]").inner_text(),
        str(await page.is_checked("[data-shades]")),
    ]


async def test_provinces_are_shaded_by_network_only_scans(console: Console, eyed: Browser, scene: Scene):
    del scene
    async with opened(console, eyed, f"view={CHENGDU[1] - 2},{CHENGDU[0] + 1},5.2") as page:
        await drawn(page)
        before = await pixels(page)
        await page.uncheck("[data-hexes]")
        await page.check("[data-shades]")
        await expect(page.locator("[data-legend]")).to_contain_text("by network only")
        await drawn(page)
        after = await pixels(page)
        y, x = before.shape[0] // 2, before.shape[1] // 2
        spot = (slice(y + 20, y + 40), slice(x + 5, x + 25))
        assert (np.median(before[spot].reshape(-1, 3), axis=0) != np.median(after[spot].reshape(-1, 3), axis=0)).any()


async def test_picture_and_files_are_saved(console: Console, eyed: Browser, scene: Scene):
    del scene
    async with opened(console, eyed, OVER_CHENGDU, accept_downloads=True) as page:
        await drawn(page)
        await page.get_by_text("Export", exact=True).click()
        async with page.expect_download() as saving:
            await page.get_by_role("button", name="Save picture").click()
        picture = Image.open(await (await saving.value).path()).convert("RGB")
        assert picture.width >= 600
        assert picture.height > picture.width / 2
        assert coloured(np.asarray(picture, np.int64), "light").sum() > 30
        for name in ("Cells as CSV", "Regions as CSV"):
            if not await page.locator("details.end").evaluate("(menu) => menu.open"):
                await page.get_by_text("Export", exact=True).click()
            async with page.expect_download() as saving:
                await page.get_by_role("link", name=name).click()
            assert (await (await saving.value).path()).read_bytes().startswith(b"\xef\xbb\xbf")


async def test_without_webgl2_regions_are_shaded(console: Console, eyed: Browser, scene: Scene):
    del scene
    async with opened(console, eyed, script=NO_WEBGL2) as page:
        await expect(page.get_by_text("This browser has no WebGL2")).to_be_visible()
        filled = page.locator(f"[data-map] svg path[fill='#{PALETTE[-1]}']")
        await expect(filled.first).to_be_visible(timeout=WAIT_MS)
        await page.get_by_text("Copies", exact=True).click()
        await expect(page.locator("[data-total]")).to_have_text("1")
        await page.get_by_role("link", name="Sichuan").click()
        await expect(page.get_by_role("row", name="成都市")).to_be_visible()
        assert await serious_problems(page) == []


@pytest.mark.parametrize("viewport", [WIDE, PHONE], ids=["wide", "phone"])
async def test_page_fits_and_nobody_is_kept_out(console: Console, eyed: Browser, scene: Scene, viewport: Any):
    del scene
    async with opened(console, eyed, viewport=viewport, theme="dark", reduced_motion="reduce") as page:
        await drawn(page)
        assert await page.evaluate("document.documentElement.scrollWidth") <= viewport["width"]
        for control in await page.locator("[data-map-side] :is(button, input), .questions :is(summary, input)").all():
            assert await control.evaluate(
                "(e) => (e.ariaLabel || e.labels?.[0]?.textContent || e.textContent || e.placeholder).trim() !== ''"
            )
        assert await serious_problems(page) == []


async def test_without_javascript_the_table_answers_the_filters(console: Console, eyed: Browser, scene: Scene):
    async with opened(console, eyed, "layer=copies", java_script_enabled=False, viewport=PHONE) as page:
        await expect(page.locator("noscript p")).to_contain_text("The map needs JavaScript")
        await expect(page.locator("[data-total]")).to_have_text("1")
        await page.get_by_label("Scans", exact=True).check(force=True)
        await page.locator("details[data-name=dealer] summary").click()
        await page.get_by_label("川渝商贸").check()
        await page.get_by_role("button", name="Apply").click()
        await expect(page.locator("[data-total]")).to_have_text(str(MANY // 2))
        assert f"dealer={scene.dealer_ids[1]}" in page.url
        await page.get_by_role("link", name="Sichuan").click()
        await expect(page.get_by_role("row", name="成都市")).to_be_visible()


async def test_end_of_the_session_is_told(console: Console, eyed: Browser, scene: Scene):
    del scene
    async with opened(console, eyed) as page:
        await drawn(page)
        await page.context.clear_cookies()
        await page.get_by_text("90 days").click()
        await expect(page.get_by_role("alert")).to_contain_text("Your session has ended")
