"""The consumer's page over the whole installation, in a real browser."""

from __future__ import annotations

import asyncio
import io
import re
from pathlib import Path
from uuid import uuid4

import httpx
import pytest
from PIL import Image
from playwright.async_api import Browser, expect
from sqlalchemy import text

from scanapi import settle
from staff.access import Role
from tests.web.console.conftest import Console
from tests.web.console.phone import Wire, path_of, phone, place, session_of
from tests.world import GTIN
from web import visits
from yima import switching

SCAN = "form[data-scan] button[type=submit]"


async def test_connection_cut_after_the_commit_leads_to_one_award_and_its_answer(console: Console, chromium: Browser):
    line = console.world.lines[0]
    async with (
        Wire(console.base, b"POST /scan", swallow=3).open() as wire,
        phone(console, chromium, member=1, base=wire.base) as page,
    ):
        await page.goto(path_of(line))
        await page.click(SCAN)
        await expect(page.locator("[data-notice]")).to_contain_text("trying again")
        await expect(page.get_by_role("heading", name="Reward added")).to_be_visible()
        await expect(page.get_by_text("+10 points")).to_be_visible()
        assert wire.lost == 3
    async with console.opened.db.transaction() as tx:
        rows = await tx.execute(
            text("SELECT outcome, points FROM scan WHERE member_id = :m"), {"m": console.world.member_ids[1]}
        )
        assert rows.all() == [("awarded", 10)]


async def test_pack_scanned_before_its_activation_keeps_the_reward_and_pays_it_on_activation(
    console: Console, chromium: Browser
):
    world = console.world
    batch, lines = await world.issue(2)
    async with phone(console, chromium, member=2) as page:
        await asyncio.sleep(1.2)  # the running server looks for new keys each second
        await page.goto(path_of(lines[0]))
        await page.get_by_role("button", name="keep my reward").click()
        await expect(page.get_by_role("heading", name="Your reward is kept")).to_be_visible()
        await page.goto("/me")
        await expect(page.get_by_text("paid on activation")).to_be_visible()
        await page.goto(path_of(lines[0]))
        await expect(page.get_by_text("no need to scan again")).to_be_visible()
        await world.activate(batch)
        await settle.settle(world.opened.db, world.opened.vault)
        await page.goto("/me")
        await expect(page.get_by_text("paid on activation")).to_have_count(0)
        await expect(page.get_by_text("+10")).to_be_visible()


@pytest.mark.parametrize("javascript", [True, False])
async def test_held_claim_is_appealed_in_one_tap_and_its_answer_stands_on_both_pages(
    console: Console, chromium: Browser, javascript: bool
):
    line = console.world.lines[10 + javascript]
    await console.world.scan(line, member=None, device_id="a", location=place(39.91, 116.40))
    await console.world.scan(line, member=3, device_id="b", location=place(23.13, 113.26))
    staff = await console.client(Role.MARKETER)
    async with phone(console, chromium, member=3, java_script_enabled=javascript) as page:
        await page.goto(path_of(line))
        await expect(page.get_by_text("two places far apart")).to_be_visible()
        await page.get_by_role("button", name="Ask a person to look").click()
        await expect(page.get_by_text("A person will look, and answer by")).to_be_visible()
        await page.goto("/me")
        await expect(page.get_by_text("A person will look, and answer by")).to_be_visible()
        listed = (await staff.get(console.path("/appeals"))).text
        assert "1 open, 0 of them overdue" in listed
        (appeal,) = re.findall(r'id="appeal-(\d+)"', listed)
        refused = await staff.post(console.path(f"/appeals/{appeal}"), {"decision": "decline", "said": " "})
        assert refused.status_code == 400
        said = "The receipt is <b>missing</b>."
        done = await staff.post(console.path(f"/appeals/{appeal}"), {"decision": "decline", "said": said})
        assert done.status_code == 303
        for path in ("/me", path_of(line)):
            await page.goto(path)
            await expect(page.get_by_text(said).first).to_be_visible()


async def test_appeals_page_marks_what_is_overdue_and_pays_what_is_granted(console: Console):
    line = console.world.lines[13]
    await console.world.scan(line, member=None, device_id="a", location=place(39.91, 116.40))
    await console.world.scan(line, member=4, device_id="b", location=place(23.13, 113.26))
    http = await console.visitor()
    http.cookies.set(visits.SESSION, session_of(console, 4))
    device = {"Sec-Fetch-Site": "same-origin"}
    code = path_of(line).rpartition("/")[2]
    assert (await http.post("/appeal", data={"code": code}, headers=device)).status_code == 303
    async with console.opened.db.transaction() as tx:
        await tx.execute(text("UPDATE appeal SET due_at = now() - interval '1 hour' WHERE state = 'open'"))
    staff = await console.client(Role.MARKETER)
    listed = (await staff.get(console.path("/appeals"))).text
    assert "1 open, 1 of them overdue" in listed
    assert ">Overdue<" in listed
    assert "1 of them overdue" in (await staff.get(console.path())).text
    analyst = await console.client(Role.ANALYST)
    assert "overdue" not in (await analyst.get(console.path())).text
    (appeal,) = re.findall(r'id="appeal-(\d+)"', listed)
    assert (await staff.post(console.path(f"/appeals/{appeal}"), {"decision": "grant"})).status_code == 303
    assert "Appeal" in (await staff.get(console.path("/appeals?state=granted"))).text
    assert (await console.world.scan(line, member=4)).balance == 10
    auditor = await console.client(Role.AUDITOR)
    assert (await auditor.post(console.path(f"/appeals/{appeal}"), {"decision": "grant"})).status_code == 403
    gone = await staff.post(console.path(f"/appeals/{appeal}"), {"decision": "grant"})
    assert gone.headers["location"] == console.path("/appeals")


async def test_appeal_without_a_session_asks_to_sign_in(console: Console):
    http = await console.visitor()
    answer = await http.post("/appeal", data={"code": "x"}, headers={"Sec-Fetch-Site": "same-origin"})
    assert answer.status_code == 401


@pytest.mark.parametrize("javascript", [True, False])
async def test_report_with_a_photo_reaches_the_console_without_where_it_was_taken(
    console: Console, chromium: Browser, tmp_path: Path, javascript: bool
):
    taken = tmp_path / "photo.jpg"
    exif = Image.Exif()
    exif[0x010F] = "A telephone at 39.9, 116.4"
    Image.new("RGB", (3_000, 2_000), "orange").save(taken, "JPEG", exif=exif)
    line = console.world.lines[30 + javascript]
    async with phone(console, chromium, java_script_enabled=javascript) as page:
        await page.goto(path_of(line))
        await page.get_by_role("link", name="Something is wrong?").click()
        await page.get_by_label("The product itself").check()
        await page.get_by_label("In your words").fill("It smells <b>odd</b>.")
        await page.get_by_label("A photo").set_input_files(taken)
        await page.get_by_role("button", name="Send").click()
        await expect(page.get_by_role("heading", name="Thank you")).to_be_visible()
        await page.reload()
        await expect(page.get_by_role("heading", name="Thank you")).to_be_visible()
    staff = await console.client(Role.MARKETER)
    listed = (await staff.get(console.path("/reports"))).text
    number = re.findall(r"/reports/(\d+)", listed)[0]
    shown = (await staff.get(console.path(f"/reports/{number}"))).text
    assert "It smells &lt;b&gt;odd&lt;/b&gt;." in shown
    photo = await staff.get(console.path(f"/reports/{number}/photo"))
    assert photo.headers["cache-control"] == "no-store"
    with Image.open(io.BytesIO(photo.content)) as made:
        assert (made.format, max(made.size), dict(made.getexif())) == ("JPEG", 1_600, {})
    version = re.findall(r'name="version" value="(\d+)"', shown)[0]
    path = console.path(f"/reports/{number}")
    done = await staff.post(path, {"state": "answered", "note": "A new one is on its way.", "version": version})
    assert done.status_code == 303
    stale = await staff.post(path, {"state": "closed", "note": "", "version": version})
    assert stale.status_code == 409
    analyst = await console.client(Role.ANALYST)
    assert (await analyst.get(path)).status_code == 403
    assert (await analyst.get(f"{path}/photo")).status_code == 403
    assert (await staff.post(f"{path}/erase")).status_code == 303
    assert (await staff.get(f"{path}/photo")).status_code == 404
    assert "It smells" not in (await staff.get(path)).text
    assert "A new one is on its way." in (await staff.get(path)).text


async def test_photo_that_is_none_is_told_beside_its_field_and_the_words_stay(console: Console):
    http = await console.visitor()
    code = path_of(console.world.lines[33]).rpartition("/")[2]
    fields = {"code": code, "kind": "fake", "words": "kept words", "contact": "", "number": str(uuid4())}
    own = {"Sec-Fetch-Site": "same-origin"}
    for content in (b"<svg xmlns='http://www.w3.org/2000/svg'/>", b"\xff\xd8\xff" + b"x" * 900, b"\0\0\0\x18ftypheic"):
        answer = await http.post("/report", data=fields, files={"photo": ("x.jpg", content)}, headers=own)
        assert answer.status_code == 400
        assert "The photo cannot be read" in answer.text
        assert "kept words" in answer.text
    huge = await http.post("/report", data=fields, files={"photo": ("x.jpg", b"x" * (11 << 20))}, headers=own)
    assert huge.status_code == 413
    foreign = await http.post(
        "/report", data=fields, files={"photo": ("x.jpg", b"x")}, headers={"Sec-Fetch-Site": "cross-site"}
    )
    assert foreign.status_code == 403
    nobody = await http.post(
        "/report", data=fields | {"code": "7Q0ZAB12CD34EF56GH78"}, files={"photo": ("", b"")}, headers=own
    )
    assert nobody.status_code == 404
    async with console.opened.db.transaction() as tx:
        assert (await tx.execute(text("SELECT count(*) FROM report WHERE kind = 'fake'"))).scalar_one() == 0


async def test_recalled_unit_says_what_the_brand_says_in_the_language_of_the_phone(console: Console, chromium: Browser):
    batch, lines = await console.world.issue(3)
    await console.world.activate(batch)
    staff = await console.client(Role.FACTORY)
    path = console.path(f"/batches/{batch}/notices")
    half = await staff.post(path, {"state": "recalled", "recalled_zh": "只有中文", "recalled_en": "", "version": "0"})
    assert half.status_code == 400
    assert "Fill in both languages" in half.text
    said = {"recalled_zh": "请到门店退换。\n电话 400-800", "recalled_en": "Bring it <b>back</b>.\nCall 400-800"}
    assert (await staff.post(path, {"state": "recalled", "version": "0", **said})).status_code == 303
    stale = await staff.post(path, {"state": "recalled", "version": "0", **said, "recalled_en": "other"})
    assert stale.status_code == 409
    assert (await staff.post(path, {"state": "frozen", "version": "0"})).status_code == 400
    auditor = await console.client(Role.AUDITOR)
    assert (await auditor.post(path, {"state": "recalled", "version": "1", **said})).status_code == 403
    assert "Bring it" in (await auditor.get(path)).text
    await asyncio.sleep(1.2)
    async with phone(console, chromium, member=8) as page:
        await page.goto(path_of(lines[0]))
        await expect(page.get_by_text("Bring it")).to_have_count(0)
        recalled = {"state": "recalled", "first": None, "last": None, "reason": "glass", "actor": "test"}
        await switching.block(console.world.opened, batch, **recalled)
        await page.goto(path_of(lines[0]))
        await expect(page.get_by_role("heading", name="Recalled")).to_be_visible()
        await expect(page.get_by_text("being recalled")).to_be_visible()
        await expect(page.get_by_text("Bring it <b>back</b>.")).to_be_visible()
        await page.goto(path_of(lines[0]) + "?lang=zh")
        await expect(page.get_by_text("请到门店退换。")).to_be_visible()


async def test_pictures_of_brand_and_product_are_painted_anew_and_kept_for_good(console: Console, chromium: Browser):
    exif = Image.Exif()
    exif[0x010F] = "A camera in a studio"
    wide, tall = io.BytesIO(), io.BytesIO()
    Image.new("RGB", (3_000, 1_000), "seagreen").save(wide, "JPEG", exif=exif)
    Image.new("RGBA", (900, 1_800), (200, 40, 40, 128)).save(tall, "PNG")
    staff = await console.client(Role.MARKETER)
    brand_page, product_page = console.path("/brand"), console.path(f"/products/{GTIN}")

    async def send(page: str, path: str, name: str, content: bytes, **more: str) -> httpx.Response:
        form = page.partition(f'action="{path}"')[2]
        version = re.findall(r'name="version" value="(\d+)"', form)[0]
        fields = {"csrf": staff.csrf, "version": version, **more}
        return await staff.http.post(path, data=fields, files={name: ("x", content)})

    shown = (await staff.get(brand_page)).text
    none = await send(shown, f"{brand_page}/header", "header", b"")
    assert (none.status_code, "Choose a picture first." in none.text) == (400, True)
    wrong = await send(shown, f"{brand_page}/header", "header", b"<svg xmlns='http://www.w3.org/2000/svg'/>")
    assert (wrong.status_code, "no PNG, JPEG or WebP" in wrong.text) == (400, True)
    assert (await send(shown, f"{brand_page}/header", "header", wide.getvalue())).status_code == 303
    assert (await send(shown, f"{brand_page}/header", "header", wide.getvalue())).status_code == 409
    shown = (await staff.get(product_page)).text
    assert (await send(shown, f"{product_page}/picture", "picture", tall.getvalue())).status_code == 303
    await asyncio.sleep(1.2)
    async with phone(console, chromium) as page:
        await page.goto(path_of(console.world.lines[40]))
        for image, size in ((page.locator("img.banner"), [1_080, 360]), (page.locator("img.product"), [540, 1_080])):
            await image.scroll_into_view_if_needed()
            await expect(image).to_have_js_property("complete", value=True)
            assert await image.evaluate("image => [image.naturalWidth, image.naturalHeight]") == size
            address = await image.get_attribute("src")
            answer = await staff.http.get(address or "")
            assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
            with Image.open(io.BytesIO(answer.content)) as made:
                assert (made.format, dict(made.getexif())) == ("JPEG", {})
        assert await page.locator("img.product").get_attribute("alt") == "Tea"
        assert await page.evaluate("document.documentElement.scrollWidth") <= 390
        other = (address or "").replace("/tea/", "/wine/")
        assert (await staff.http.get(other)).status_code == 404
    assert 'class="product"' in (await staff.get(console.path("/brand/preview"))).text
    shown = (await staff.get(product_page)).text
    assert (await send(shown, f"{product_page}/picture", "picture", b"", remove="1")).status_code == 303
    assert "None yet." in (await staff.get(product_page)).text
    analyst = await console.client(Role.ANALYST)
    sent = {"data": {"csrf": analyst.csrf}, "files": {"header": ("x", b"x")}}
    refused = await analyst.http.post(f"{brand_page}/header", **sent)
    assert refused.status_code == 403


async def test_app_appeals_by_its_token_once_and_reads_the_answer(console: Console):
    line = console.world.lines[150]
    await console.world.scan(line, member=None, device_id="a", location=place(39.91, 116.40))
    await console.world.scan(line, member=10, device_id="b", location=place(23.13, 113.26))
    http = await console.visitor()
    code = {"code": line}
    assert (await http.post("/api/v1/appeals", json=code)).status_code == 401
    other = {"Authorization": f"Bearer {session_of(console, 11)}"}
    assert (await http.post("/api/v1/appeals", json=code, headers=other)).status_code == 409
    own = {"Authorization": f"Bearer {session_of(console, 10)}"}
    first, again = [(await http.post("/api/v1/appeals", json=code, headers=own)).json() for _ in range(2)]
    assert first == again
    assert (first["state"], first["said"], first["decided_at"]) == ("open", "", None)
    staff = await console.client(Role.MARKETER)
    path = console.path(f"/appeals/{first['appeal']}")
    await staff.post(path, {"decision": "decline", "said": "No receipt."})
    (answered,) = (await http.get("/api/v1/me/appeals", headers=own)).json()
    assert (answered["appeal"], answered["state"], answered["said"]) == (first["appeal"], "declined", "No receipt.")
    assert (await http.get("/api/v1/me/appeals", headers=other)).json() == []
    unknown = await http.post("/api/v1/appeals", json={"code": "7Q0ZAB12CD34EF56GH78"}, headers=own)
    assert unknown.status_code == 404
    assert (await http.post("/api/v1/appeals", json={**code, "state": "granted"}, headers=own)).status_code == 400


async def test_app_says_once_that_its_member_is_an_adult(console: Console):
    http = await console.visitor()
    assert (await http.post("/api/v1/me/adult")).status_code == 401
    own = {"Authorization": f"Bearer {session_of(console, 12)}"}
    for _ in range(2):
        assert (await http.post("/api/v1/me/adult", headers=own)).status_code == 204
    async with console.opened.db.transaction() as tx:
        kept = await tx.execute(
            text("SELECT count(*) FROM consent WHERE purpose = 'adult' AND member_id = :m"),
            {"m": console.world.member_ids[12]},
        )
        assert kept.scalar_one() == 1
