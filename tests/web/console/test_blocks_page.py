"""The console's block lists: who may see and change them, what they tell, and how they look."""

from __future__ import annotations

import re
from pathlib import Path
from uuid import uuid4

from playwright.async_api import Browser
from sqlalchemy import text

from staff.access import Role
from tests.web.console.conftest import Console

FORM = {"kind": "network", "what": "203.0.113.0/24", "why": "abuse", "reason": "<b>forged</b> all night", "days": "30"}


async def _stored(console: Console) -> int:
    async with console.opened.db.transaction() as tx:
        return int((await tx.execute(text("SELECT count(*) FROM block"))).scalar_one())


async def test_owners_and_marketers_block_analysts_look_and_others_do_neither(console: Console) -> None:
    path = console.path("/blocks")
    before = await _stored(console)
    for role, sees, may in (
        (Role.OWNER, 200, True), (Role.MARKETER, 200, True), (Role.ANALYST, 200, False), (Role.AUDITOR, 200, False),
        (Role.FACTORY, 403, False), (Role.WAREHOUSE, 403, False),
    ):  # fmt: skip
        client = await console.client(role)
        page = await client.get(path)
        assert page.status_code == sees
        assert (f'action="{path}"' in page.text) is may
        if not may:
            assert (await client.post(path, FORM)).status_code == 403
            assert (await client.post(f"{path}/1/lift")).status_code == 403
    assert await _stored(console) == before
    stranger = await console.client(Role.OWNER, brand=console.other)
    assert (await stranger.get(path)).status_code == 404


async def test_a_block_is_added_once_shown_and_lifted(console: Console) -> None:
    client, path = await console.client(Role.OWNER), console.path("/blocks")
    assert (await client.post(path, FORM)).status_code == 303
    page = (await client.get(path)).text
    assert "203.0.113.0/24 is blocked." in page
    assert "&lt;b&gt;forged&lt;/b&gt; all night" in page
    again = await client.post(path, FORM)
    assert (again.status_code, "lift it first" in again.text) == (409, True)
    number = re.search(r"/blocks/(\d+)/lift", page)
    assert number is not None
    assert (await client.post(f"{path}/{number[1]}/lift")).status_code == 303
    assert f"/blocks/{number[1]}/lift" not in (await client.get(path)).text
    assert "lifted by" in (await client.get(f"{path}?past=1")).text
    trail = (await client.get(console.path("/trail"))).text
    assert "Block lifted" in trail
    assert (await client.post(f"{path}/999999/lift")).status_code == 404


async def test_what_is_refused_is_told_beside_its_field_in_both_languages(console: Console) -> None:
    path = console.path("/blocks")
    wrong = [
        ({"what": "203.0.113.1/24"}, "is no network", "不是网段"),
        ({"what": "10.0.0.0/8"}, "at most a /16 of IPv4", "不能大于 IPv4 的 /16"),
        ({"days": "0"}, "days is a whole number", "天数"),
        ({"days": "3651"}, "days is a whole number", "天数"),
        ({"reason": " "}, "A reason has 1 to 200", "说明为 1 到 200"),
        ({"kind": "unit", "what": "nonsense"}, "as BATCH:LINE", "批次:行号"),
        ({"kind": "batch", "what": "NONE"}, "no batch", "没有批次"),
        ({"kind": "device", "what": str(uuid4())}, "no scan", "没有由设备发出的扫码"),
        ({"kind": "member", "what": "NOBODY"}, "no member", "没有会员"),
    ]
    for language, place in (("en", 1), ("zh", 2)):
        client = await console.client(Role.OWNER, language=language)
        for each in wrong:
            answer = await client.post(path, FORM | each[0])
            assert answer.status_code in (400, 404), each
            assert str(each[place]) in answer.text, (language, each)
            assert 'aria-invalid="true"' in answer.text, each
            assert "&lt;b&gt;forged" in answer.text or "reason" in each[0]  # what was entered stays


async def test_a_scan_leads_to_blocking_its_device_and_its_unit(console: Console) -> None:
    world, scan_id = console.world, uuid4()
    await world.scan(world.lines[40], member=3, scan_id=scan_id)
    client = await console.client(Role.OWNER)
    page = (await client.get(console.path(f"/scans/{scan_id}"))).text
    for kind, what in (("device", str(scan_id)), ("unit", f"{world.batch}:41")):
        link = f"{console.path('/blocks')}?kind={kind}&amp;what={what}"
        assert link in page
        form = (await client.get(link.replace("&amp;", "&"))).text
        assert f'<option value="{kind}" selected>' in form
        assert f'value="{what}"' in form
        assert (await client.post(console.path("/blocks"), FORM | {"kind": kind, "what": what})).status_code == 303
    analyst = await console.client(Role.ANALYST)
    assert "/blocks?kind" not in (await analyst.get(console.path(f"/scans/{scan_id}"))).text


async def test_the_page_fits_a_phone(console: Console, chromium: Browser, tmp_path: Path) -> None:
    for width in (320, 1280):
        context = await console.browser(chromium, Role.OWNER, viewport={"width": width, "height": 800}, locale="zh-CN")
        page = await context.new_page()
        await page.goto(console.path("/blocks"))
        assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        await page.screenshot(path=str(tmp_path / f"blocks-{width}.png"), full_page=True)


async def _alarm(console: Console, subject: str) -> int:
    async with console.opened.db.transaction() as tx:
        made = await tx.execute(
            text("""
                INSERT INTO alarm (brand_id, at, subjects, samples)
                VALUES (:brand, to_timestamp(600 * (1 + (SELECT count(*) FROM alarm))),
                    CAST(:subjects AS jsonb), CAST(:samples AS jsonb)) RETURNING id"""),
            {
                "brand": console.world.brand.id,
                "subjects": f'[{{"by": "device", "subject": "{subject}", "count": 61}},'
                ' {"by": "network", "subject": "198.51.100.0/24", "count": 700},'
                ' {"by": "unissued", "subject": "1", "count": 20}]',
                "samples": '[{"masked": "20:01<b…", "device": null, "network": "198.51.100.0/24"}]',
            },
        )
        return int(made.scalar_one())


async def test_an_alarm_is_shown_leads_to_blocks_and_is_noted_as_seen(
    console: Console, chromium: Browser, tmp_path: Path
) -> None:
    subject = "ab" * 16
    alarm = await _alarm(console, subject)
    path = console.path("/alarms")
    client, analyst = await console.client(Role.OWNER), await console.client(Role.ANALYST)
    page = (await client.get(path)).text
    assert "20:01&lt;b…" in page
    assert f"/blocks?kind=device&amp;what={subject}" in page
    assert "/blocks?kind=network&amp;what=198.51.100.0/24" in page
    assert "the key may have leaked" in page.lower() or "may have leaked" in page
    assert (await client.post(console.path("/blocks"), FORM | {"kind": "device", "what": subject})).status_code == 303
    shown = (await analyst.get(path)).text
    assert "at least 700 tries" in shown
    assert "/blocks?kind" not in shown
    assert (await analyst.post(f"{path}/{alarm}/seen")).status_code == 403
    for width in (320, 1280):
        context = await console.browser(chromium, Role.OWNER, viewport={"width": width, "height": 800}, locale="zh-CN")
        sheet = await context.new_page()
        await sheet.goto(path)
        assert await sheet.evaluate("document.documentElement.scrollWidth <= innerWidth")
        await sheet.screenshot(path=str(tmp_path / f"alarms-{width}.png"), full_page=True)
    assert (await client.post(f"{path}/{alarm}/seen")).status_code == 303
    assert "20:01" not in (await client.get(path)).text
    assert "looked at" in (await client.get(f"{path}?past=1")).text
    stranger = await console.client(Role.OWNER, brand=console.other)
    assert (await stranger.post(console.path(f"/alarms/{alarm}/seen", brand="wine"))).status_code == 404
