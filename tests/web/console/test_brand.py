"""Brand settings through real HTTP: saved, previewed, refused, and shown on the consumer's page."""

from __future__ import annotations

import io
import re
from urllib.parse import unquote

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from playwright.async_api import Browser, expect

from staff.access import Role
from tests.web.console.conftest import Client, Console
from tests.web.console.eyes import serious_problems
from traceability import brands
from web import colours

SCRIPT = "<script>window.hurt=1</script>\"'><img src=x onerror=window.hurt=1>"
EMPTY = {
    "welcome_zh": "", "welcome_en": "", "thanks_zh": "", "thanks_en": "", "operator": "", "privacy_url": "",
    "service": "", "member_host": "", "basemap": "bundled", "basemap_url": "", "basemap_attribution": "",
    "map_approval": "", "map_waiver": "",
}  # fmt: skip


async def version_of(console: Console) -> int:
    async with console.opened.db.transaction() as tx:
        return (await brands.settings(tx, console.world.brand.id)).version


async def save(console: Console, client: Client, **fields: object) -> httpx.Response:
    return await client.post(console.path("/brand"), {**EMPTY, "version": str(await version_of(console)), **fields})


async def landing(console: Console, language: str = "zh") -> str:
    """The consumer's page behind a code, once this process has looked for new settings."""
    visitor = await console.visitor(language)
    answer = await visitor.get(console.world.lines[-1].removeprefix("HTTP://T.YIMA.CN"))
    assert answer.status_code == 200
    return answer.text


async def shown_within_two_seconds(console: Console, wanted: str) -> str:
    import asyncio

    async with asyncio.timeout(10):
        while wanted not in (page := await landing(console)):
            await asyncio.sleep(0.1)
    return page


def picture(side: int = 20) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (side, side), (200, 30, 30)).save(out, "PNG")
    return out.getvalue()


async def upload(console: Console, client: Client, content: bytes, **fields: str) -> httpx.Response:
    data = {"csrf": client.csrf, "version": str(await version_of(console)), **fields}
    return await client.http.post(
        console.path("/brand/logo"), data=data, files={"logo": ("logo.png", content, "image/png")}
    )


async def test_saved_settings_are_on_the_consumers_page_of_that_brand(console: Console):
    client = await console.client(Role.MARKETER)
    answer = await save(
        console, client, own_colour="1", colour="#FFE100", welcome_zh="欢迎来到云雾", operator="云雾茶业有限公司",
        line=["粤ICP备2024000001号", "食品经营许可证 JY1", ""], line_url=["https://beian.miit.gov.cn/", "", ""],
        privacy_url="https://example.com/privacy", service="400-800-8820",
    )  # fmt: skip
    assert (answer.status_code, answer.headers["location"]) == (303, console.path("/brand"))
    page = await shown_within_two_seconds(console, "欢迎来到云雾")
    assert "本页由云雾茶业有限公司运营" in page
    assert '<a href="https://beian.miit.gov.cn/" rel="noopener noreferrer">粤ICP备2024000001号</a>' in page
    assert "<span>食品经营许可证 JY1</span>" in page
    assert 'href="https://example.com/privacy"' in page
    assert 'href="tel:4008008820"' in page
    [sheet] = re.findall(r'href="(/brand/tea/[^"]+\.css)"', page)
    visitor = await console.visitor()
    styles = await visitor.get(sheet)
    assert styles.headers["content-type"] == "text/css; charset=utf-8"
    assert "immutable" in styles.headers["cache-control"]
    assert "--fill:#ffe100;--fill-ink:#000000" in styles.text
    home = await visitor.get("/")
    assert "云雾茶业有限公司" not in home.text
    assert "/brand/" not in home.text


async def test_first_answer_stays_small_and_its_policy_allows_no_styles_within(console: Console):
    client = await console.client(Role.OWNER)
    await save(
        console, client, own_colour="1", colour="#b3402a", welcome_zh="好" * 200, operator="有" * 120,
        line=["许可证" * 40] * 6, line_url=["https://example.com/" + "a" * 280] * 6,
    )  # fmt: skip
    await shown_within_two_seconds(console, "好" * 200)
    visitor = await console.visitor("zh")
    path = console.world.lines[-1].removeprefix("HTTP://T.YIMA.CN")
    answer = await visitor.get(path)
    assert "unsafe-inline" not in answer.headers["content-security-policy"]
    assert "style=" not in answer.text
    assert answer.headers["content-encoding"] == "gzip"
    total = answer.num_bytes_downloaded
    for address in re.findall(r'(?:href|src)="(/(?:static|brand)/[^"]+\.(?:css|js))"', answer.text):
        total += (await visitor.get(address)).num_bytes_downloaded
    assert total <= 20_000


async def test_nasty_texts_stay_texts_everywhere(console: Console):
    client = await console.client(Role.OWNER)
    fields = dict.fromkeys(("welcome_zh", "welcome_en", "thanks_zh", "thanks_en", "operator"), SCRIPT)
    answer = await save(
        console, client, **fields, map_waiver=SCRIPT, basemap_attribution=SCRIPT, map_approval=SCRIPT[:60],
        line=[SCRIPT], line_url=[""],
    )  # fmt: skip
    assert answer.status_code == 303
    pages = [
        await shown_within_two_seconds(console, "window.hurt"),
        await landing(console, "en"),
        (await client.get(console.path("/brand"))).text,
        *[(await client.get(console.path(f"/brand/preview?page={page}"))).text for page in ("landing", "result", "me")],
        (await client.post(console.path("/brand/preview"), {**EMPTY, **fields, "page": "result"})).text,
    ]
    for page in pages:
        assert "<script>window.hurt" not in page
        assert "<img src=x" not in page
    answer = await save(
        console, client, privacy_url="javascript:alert(1)", service=SCRIPT, colour=SCRIPT, own_colour="1"
    )
    assert answer.status_code == 400
    assert "<script>window.hurt" not in answer.text
    assert answer.text.count('aria-invalid="true"') == 3


async def test_each_refusal_stands_beside_its_field_in_the_pages_language(console: Console):
    for language, sentence in (("zh", "网址须以 https:// 开头"), ("en", "An address begins with https://")):
        client = await console.client(Role.OWNER, language=language)
        answer = await save(console, client, privacy_url="http://example.com", operator="typed before")
        assert answer.status_code == 400
        field = answer.text[answer.text.index('id="privacy_url"') :]
        assert sentence in field[:400]
        assert 'value="typed before"' in answer.text


async def test_two_people_saving_at_once_lose_nothing(console: Console):
    first, second = await console.client(Role.OWNER), await console.client(Role.MARKETER)
    seen = str(await version_of(console))
    assert (await save(console, first, version=seen, operator="First Ltd")).status_code == 303
    answer = await save(console, second, version=seen, operator="Second Ltd", service="12315")
    assert answer.status_code == 409
    table = answer.text[answer.text.index("What it says now") :]
    assert table.index("First Ltd") < table.index("Second Ltd")
    assert 'value="Second Ltd"' in answer.text
    assert 'value="12315"' in answer.text
    async with console.opened.db.transaction() as tx:
        kept = await brands.settings(tx, console.world.brand.id)
    assert kept.operator == "First Ltd"
    [version] = set(re.findall(r'name="version" value="(\d+)"', answer.text))
    again = await save(console, second, version=version, operator="Second Ltd", service="12315")
    assert again.status_code == 303
    async with console.opened.db.transaction() as tx:
        assert (await brands.settings(tx, console.world.brand.id)).operator == "Second Ltd"


async def test_preview_shows_what_is_typed_and_saves_nothing(console: Console):
    client = await console.client(Role.OWNER)
    before = await version_of(console)
    answer = await client.post(
        console.path("/brand/preview"),
        {**EMPTY, "welcome_en": "Only typed", "colour": "#ffe100", "own_colour": "1", "privacy_url": "http://wrong"},
    )
    assert answer.status_code == 200
    assert "Only typed" in answer.text
    assert "/ffe100-" in answer.text
    assert "http://wrong" not in answer.text
    assert "<script" not in answer.text
    policy = answer.headers["content-security-policy"]
    assert "sandbox" in policy
    assert "script-src 'none'" in policy
    assert answer.headers["x-frame-options"] == "SAMEORIGIN"
    assert "1.3 : 1" in unquote(answer.headers["yima-colour-note"])
    assert await version_of(console) == before


async def test_logo_is_uploaded_served_for_good_and_removed(console: Console):
    client = await console.client(Role.OWNER)
    assert (await upload(console, client, picture(600))).status_code == 303
    page = (await client.get(console.path("/brand"))).text
    [address] = set(re.findall(r'src="(/brand/tea/[0-9a-f]{16}\.png)"', page))
    await shown_within_two_seconds(console, address)
    visitor = await console.visitor()
    logo = await visitor.get(address)
    assert logo.headers["content-type"].startswith("image/")
    assert "immutable" in logo.headers["cache-control"]
    with Image.open(io.BytesIO(logo.content)) as made:
        assert made.size == (512, 512)
    assert (await visitor.get("/brand/tea/0000000000000000.png")).status_code == 404
    assert (await visitor.get(address.replace("tea", "wine"))).status_code == 404
    assert (await upload(console, client, b"", remove="1")).status_code == 303
    assert address not in (await client.get(console.path("/brand"))).text


async def test_bad_uploads_are_refused_in_a_sentence(console: Console):
    client = await console.client(Role.OWNER)
    svg = b'<svg xmlns="http://www.w3.org/2000/svg"/>'
    for content, status, sentence in (
        (svg, 400, "no PNG, JPEG or WebP"),
        (b"", 400, "Choose a picture first"),
        (picture() + b"\0" * 512 * 1024, 400, "more than 512 kB"),
    ):
        answer = await upload(console, client, content)
        assert (answer.status_code, sentence in answer.text) == (status, True)
    assert (await upload(console, client, b"\0" * 600_000)).status_code == 413
    stale = await upload(console, client, picture(), version="999")
    assert (stale.status_code, "Somebody else changed" in stale.text) == (409, True)
    plain = await client.post(console.path("/brand/logo"), {}, headers={"X-CSRF": client.csrf})
    assert (plain.status_code, "multipart/form-data" in plain.text) == (400, True)
    assert (await client.post(console.path("/brand/logo"), {})).status_code == 403


async def test_upload_of_another_sites_page_is_refused(console: Console):
    client = await console.client(Role.OWNER)
    for csrf, headers in (("wrong", {}), (client.csrf, {"sec-fetch-site": "cross-site"})):
        answer = await client.http.post(
            console.path("/brand/logo"), data={"csrf": csrf, "version": "0"}, headers=headers,
            files={"logo": ("x.png", picture(), "image/png")},
        )  # fmt: skip
        assert answer.status_code == 403


async def test_whoever_may_not_edit_the_brand_sees_no_settings(console: Console):
    client = await console.client(Role.FACTORY)
    for path in ("/brand", "/brand/preview"):
        assert (await client.get(console.path(path))).status_code == 403
        assert (await client.post(console.path(path), EMPTY)).status_code == 403


async def test_printed_host_hands_over_to_the_member_centre(console: Console):
    client = await console.client(Role.OWNER)
    await save(console, client, member_host="m.example.com", hands_over="1")
    page = await shown_within_two_seconds(console, "http://m.example.com/Q/")
    assert 'action="/scan"' not in page
    assert 'action="/sign-in/code"' not in page
    assert 'href="http://m.example.com/me"' in page
    visitor = await console.visitor("zh")
    path = console.world.lines[-1].removeprefix("HTTP://T.YIMA.CN")
    there = await visitor.get(path, headers={"Host": "m.example.com"})
    assert 'action="/sign-in/code"' in there.text
    assert "http://m.example.com" not in there.text
    await save(console, client)


@given(st.integers(0, 0xFFFFFF), st.sampled_from([colours.PAPER, colours.PAPER_DARK, "#ffffff"]))
def test_any_colour_gets_text_that_can_be_read(number: int, ground: str):
    colour = f"#{number:06x}"
    assert colours.contrast(colours.text_on(colour), colour) >= colours.CONTRAST_MIN
    assert colours.contrast(colours.readable(colour, ground), ground) >= colours.CONTRAST_MIN
    if colours.contrast(colour, ground) >= colours.CONTRAST_MIN:
        assert colours.readable(colour, ground) == colour


def test_contrast_is_that_of_the_guideline():
    assert colours.contrast("#000000", "#ffffff") == pytest.approx(21)
    assert colours.contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)


@pytest.mark.browser
@pytest.mark.parametrize("size", [(1440, 900), (390, 844)])
async def test_preview_follows_the_form_in_the_browser(console: Console, chromium: Browser, size: tuple[int, int]):
    context = await console.browser(chromium, Role.OWNER, viewport={"width": size[0], "height": size[1]})
    page = await context.new_page()
    await page.goto(console.path("/brand"))
    preview = page.frame_locator("[data-preview-frame]")
    await expect(preview.locator("h1")).to_be_visible()
    await page.get_by_label("Welcome, English").fill("Typed just now")
    await expect(preview.get_by_text("Typed just now")).to_be_visible()
    await page.get_by_text("After a scan", exact=True).click()
    await expect(preview.locator(".points")).to_be_visible()
    assert await serious_problems(page) == []
    assert await page.evaluate("document.documentElement.scrollWidth") <= size[0]


@pytest.mark.browser
async def test_preview_works_by_a_button_without_javascript(console: Console, chromium: Browser):
    context = await console.browser(chromium, Role.OWNER, java_script_enabled=False)
    page = await context.new_page()
    await page.goto(console.path("/brand"))
    await page.get_by_label("Welcome, English").fill("No script at all")
    await page.get_by_role("button", name="Update the preview").click()
    await expect(page.frame_locator("[data-preview-frame]").get_by_text("No script at all")).to_be_visible()
