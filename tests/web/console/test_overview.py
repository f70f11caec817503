"""The overview: every figure leads to exactly the rows that it counts."""

from __future__ import annotations

import asyncio
import re
from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.async_api import Browser
from sqlalchemy import event, text
from sqlalchemy.engine import Engine

from kernel.clock import now
from staff.access import Role
from tests.web.console.conftest import Client, Console
from tests.web.console.scenes import Scene, follow, is_sound, links, play, repeat_a_week_before, rows_shown
from web.console import overview

TILES = ("Scans", "First scans", "Members joined", "Points given", "Prizes won", "Copied codes",
         "Outside the territory", "Before activation", "Forged tries")  # fmt: skip


pytestmark = pytest.mark.usefixtures("scene")


@pytest.fixture(scope="module")
async def scene(console: Console) -> Scene:
    made = await play(console)
    async with console.opened.db.transaction() as tx:  # two joined today, the others long before
        await tx.execute(
            text("UPDATE member SET created_at = now() WHERE id = ANY(:ids)"), {"ids": console.world.member_ids[:2]}
        )
    await repeat_a_week_before(console)
    return made


@pytest.fixture(autouse=True)
def later(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two seconds on, so that what happened within this very second is counted too."""
    at = now() + timedelta(seconds=2)
    monkeypatch.setattr(overview, "now", lambda: at)


async def read(client: Client, path: str) -> str:
    answer = await client.get(path)
    assert answer.status_code == 200
    return answer.text


def tiles(page: str) -> list[tuple[str, str, str]]:
    """(name, figure, address) of each tile."""
    found = re.findall(r"<dt>([^<]*)</dt>\s*<dd>(.*?)</dd>", page, re.DOTALL)
    made = []
    for name, inner in found:
        linked = links(inner)
        made.append((name, linked[0][1] if linked else inner.strip(), linked[0][0] if linked else ""))
    return made


async def test_every_figure_of_the_tiles_leads_to_its_rows(console: Console):
    client = await console.client(Role.OWNER)
    found = tiles(await read(client, console.path()))
    assert [name for name, _, _ in found] == [*TILES, *TILES]
    for name, figure, address in found:
        assert address, name
        assert rows_shown(address, await follow(client, address)) == int(figure.replace(",", "")), name


async def test_todays_figures_are_what_happened(console: Console):
    client = await console.client(Role.OWNER)
    found = {name: figure for name, figure, _ in tiles(await read(client, console.path()))[: len(TILES)]}
    async with console.opened.db.transaction() as tx:
        won = (await tx.execute(text("SELECT count(*) FROM prize_award"))).scalar_one()
    assert found == {
        "Scans": "19", "First scans": "16", "Members joined": "2", "Points given": "130", "Prizes won": str(won),
        "Copied codes": "1", "Outside the territory": "1", "Before activation": "1", "Forged tries": "1",
    }  # fmt: skip


async def test_a_week_ago_at_the_same_time_stands_beside_each_figure(console: Console):
    page = await read(await console.client(Role.OWNER), console.path())
    assert "a week ago 19 (+0%)" in page
    assert "a week ago 16 (+0%)" in page
    assert "the 7 days before" in page


async def test_every_figure_of_the_charts_tables_leads_to_its_rows(console: Console):
    client = await console.client(Role.OWNER)
    page = await read(client, console.path())
    tables = "".join(re.findall(r'<figure class="chart">.*?</figure>', page, re.DOTALL))
    found = links(tables)
    assert len(found) > 12
    for address, figure in found:
        assert rows_shown(address, await follow(client, address)) == int(figure.replace(",", "")), address


async def test_a_chart_and_its_table_hold_the_same_figures(console: Console):
    page = await read(await console.client(Role.OWNER), console.path())
    assert page.count("data-chart=") == page.count('<figure class="chart">') == 5
    assert (
        sum(
            int(each)
            for each in re.findall(r'"name":"Rewarded","data":\[([^\]]*)', page.replace("&#34;", '"'))[0].split(",")
        )
        == 26
    )


async def test_held_claims_are_told_and_lead_to_their_list(console: Console):
    page = await read(await console.client(Role.OWNER), console.path())
    assert (console.path("/members/held"), "One claim waits for a decision.") in links(page)


async def test_who_may_not_see_the_rows_sees_figures_without_links(console: Console):
    page = await read(await console.client(Role.ANALYST), console.path())
    reached = {urlsplit(address).path for _, _, address in tiles(page) if address}
    assert reached == {console.path(path) for path in ("/scans", "/scans/refused", "/draws/wins")}
    assert (await (await console.client(Role.FACTORY)).get(console.path())).status_code == 403


async def test_windows_end_at_the_moment_that_the_page_names(console: Console):
    page = await read(await console.client(Role.OWNER), console.path())
    as_of = re.search(r"As of ([0-9-]+) ([0-9:]+)", page)
    assert as_of is not None
    untils = {
        parse_qs(urlsplit(address).query).get("until", [""])[0]
        for _, _, address in tiles(page)
        if "/refused" not in address
    }
    assert {until if until.count(":") == 2 else f"{until}:00" for until in untils} == {f"{as_of[1]}T{as_of[2]}"}


async def test_the_page_costs_a_fixed_number_of_statements(console: Console):
    client, other = await console.client(Role.OWNER), await console.client(Role.OWNER, brand=console.other)
    seen: dict[object, list[str]] = {}  # by task: a request is one, and so is what the server does beside it
    count: dict[str, int] = {}

    def listen(_: object, __: object, statement: str, *___: object) -> None:
        seen.setdefault(asyncio.current_task(), []).append(statement)

    event.listen(Engine, "before_cursor_execute", listen)
    try:
        for name, who, path in (("full", client, console.path()), ("empty", other, console.path(brand="wine"))):
            seen.clear()
            await read(who, path)
            of_page = [told for told in seen.values() if any("FROM product" in each for each in told)]
            assert len(of_page) == 1
            count[name] = len(of_page[0])
    finally:
        event.remove(Engine, "before_cursor_execute", listen)
    assert count["full"] == count["empty"]


async def test_a_brand_without_a_scan_is_told_what_comes_next(console: Console):
    page = await read(await console.client(Role.OWNER, brand=console.other), console.path(brand="wine"))
    assert "No scan in the last 30 days" in page
    assert "data-chart" not in page


async def test_the_page_is_chinese_where_that_is_asked(console: Console):
    page = await read(await console.client(Role.OWNER, language="zh"), console.path())
    assert "首次扫码" in page
    assert "一周前此时" in page


@pytest.mark.parametrize(("width", "height"), [(1440, 900), (390, 844)])
@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_the_page_is_sound_in_a_browser(
    console: Console, chromium: Browser, width: int, height: int, scheme: str
):
    context = await console.browser(
        chromium, Role.OWNER, viewport={"width": width, "height": height}, color_scheme=scheme
    )
    page = await context.new_page()
    await is_sound(page, console.path())
    assert await page.locator("[data-chart] svg").count() == 5
