"""What happens at the brand of the console's tests: scans of every kind, made by the product's own use cases."""

from __future__ import annotations

import html
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit
from uuid import UUID

from playwright.async_api import Page
from sqlalchemy import text

from kernel.clock import now
from tests.web.console.conftest import Client, Console
from traceability import shipments
from traceability.shipments import Carton

GUANGZHOU = {"lat": 23.1291, "lng": 113.2644, "datum": "wgs84", "accuracy_m": 20, "source": "gps"}
HARBIN = {"lat": 45.8038, "lng": 126.535, "datum": "wgs84", "accuracy_m": 20, "source": "gps"}
SSCC = "069012340000000016"
AXE = Path(__file__).parents[3] / "frontend" / "node_modules" / "axe-core" / "axe.min.js"


@dataclass(frozen=True)
class Scene:
    """What was made: scans by name, and names of things."""

    scans: dict[str, UUID]
    draw: str
    sleeping: str
    dealer: str
    held_claim: int
    codes: list[str]


async def play(console: Console) -> Scene:
    """Twelve awards, a repeat, a code taken, one copied, one outside the territory, one too early, one forged."""
    world = console.world
    draw = await world.publish_draw(stock=5, weight_ppb=500_000_000)
    lines = world.lines
    scans: dict[str, UUID] = {}
    async with console.opened.db.transaction() as tx:
        unit = (
            await tx.execute(text("SELECT lower(span) >> 1 FROM batch WHERE name = :n"), {"n": world.batch})
        ).scalar_one()
        dealer = await shipments.create_dealer(
            tx, brand_id=world.brand.id, code="GZ-1", name="广州茶行", adcodes=[440100], actor="test"
        )
        await shipments.pack(tx, brand_id=world.brand.id, cartons=[Carton(SSCC, unit + 100, unit + 123)], at=now())
        await shipments.ship(
            tx, brand_id=world.brand.id, document="D-1", dealer=dealer, adcode=440100, ssccs=[SSCC],
            at=now(), actor="test",
        )  # fmt: skip

    async def scan(name: str, code: str, **more: Any) -> None:
        scans[name] = (await world.scan(code, **more)).scan_id

    for number in range(12):
        await scan(f"award-{number}", lines[number], member=number % 4, location=GUANGZHOU if number % 2 else None)
    await scan("repeat", lines[0], member=0)
    await scan("taken", lines[1], member=2)
    await scan("anonymous", lines[30], member=None)
    await scan("first-of-copied", lines[40], member=None, location=GUANGZHOU)
    await scan("held", lines[40], member=3, location=HARBIN)
    await scan("outside", lines[100], member=5, location=HARBIN)
    sleeping, early = await world.issue(5)
    await scan("early", early[0], member=6)
    await world.scan(_forge(lines[50]), member=None)
    await world.scan("not a code", member=None)
    await world.service.counters.flush()
    async with console.opened.db.transaction() as tx:
        held = await tx.execute(text("SELECT id FROM claim WHERE scan_id = :s"), {"s": scans["held"]})
        claim_id = held.scalar_one()
    return Scene(scans, draw, sleeping, "GZ-1", claim_id, lines)


def _forge(url: str) -> str:
    return url[:-1] + ("0" if url[-1] != "0" else "1")


async def repeat_a_week_before(console: Console) -> None:
    """The same scans once more, seven days earlier."""
    columns = (
        "brand_id, unit_id, side, batch_id, gtin, outcome, reason, member_id, device, adcode, cell, accuracy_m, "
        "location_source, ip_province, findings, points, dealer_id, first"
    )
    async with console.opened.db.transaction() as tx:
        await tx.execute(
            text(
                f"INSERT INTO scan (at, scan_id, {columns}) "
                f"SELECT at - interval '7 days', gen_random_uuid(), {columns} FROM scan "
                "WHERE at > now() - interval '1 day'"
            )
        )


def links(page: str) -> list[tuple[str, str]]:
    """(address, text) of every link."""
    found = re.findall(r'<a\b[^>]*?href="([^"]*)"[^>]*>(.*?)</a>', page, re.DOTALL)
    return [(html.unescape(href), html.unescape(re.sub(r"<[^>]+>", "", inner)).strip()) for href, inner in found]


async def follow(client: Client, address: str) -> list[str]:
    """The page of an address and all its next pages."""
    pages = []
    while address:
        answer = await client.get(address)
        assert answer.status_code == 200, (address, answer.status_code)
        pages.append(answer.text)
        following = re.search(r'rel="next" href="([^"]*)"', answer.text)
        address = "" if following is None else urljoin(address, html.unescape(following[1]))
    return pages


def rows_shown(address: str, pages: list[str]) -> int:
    """What a list shows in all its pages: its rows, or for points and refused codes their sum."""
    path = urlsplit(address).path
    whole = "".join(pages)
    if path.endswith("/points"):
        return sum(int(each) for each in re.findall(r'data-amount="(-?[0-9]+)"', whole))
    if path.endswith("/refused"):
        total = re.search(r"data-total><b>([0-9,]+)<", whole)
        return int(total[1].replace(",", "")) if total else 0
    if path.endswith("/wins"):
        return whole.count("data-win")
    if path.endswith("/members"):
        return len(re.findall(r'<th scope="row"><a class="code"', whole))
    return len(re.findall(r"/scans/[0-9a-f-]{36}\?at=", whole))


async def judge_page(page: Page) -> list[str]:
    """What axe finds that is serious or critical."""
    await page.evaluate(AXE.read_text())
    found = await page.evaluate(
        "axe.run(document, {resultTypes: ['violations']}).then(r => r.violations"
        ".filter(v => ['serious', 'critical'].includes(v.impact))"
        ".map(v => v.id + ': ' + v.nodes.map(n => n.target.join(' ')).join(', ')))"
    )
    return list(found)


async def is_sound(page: Page, path: str) -> None:
    """Open a page and hold it to what every page must be: no error, no sideways scroll, nothing serious to axe."""
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: said.append(str(error)))
    answer = await page.goto(path, wait_until="networkidle")
    assert answer is not None
    assert answer.status == 200, path
    assert said == [], path
    assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth"), path
    assert await judge_page(page) == [], path


BAD = (
    "%00", "x" * 10_000, "%F0%9F%8D%B5", "99999999999999999999999", "-1", "1900-01-01T00:00", "9999-12-31T23:59",
    "'%20OR%201=1--", "%3Cscript%3Ealert(1)%3C/script%3E", "..%2F..%2F", "2026-02-31",
)  # fmt: skip
"""Values that nobody should type, percent-encoded."""
