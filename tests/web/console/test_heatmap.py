"""The heatmap's page and the data behind it, over real HTTP and real rollups."""

from __future__ import annotations

import asyncio
import csv
import html
import io
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import httpx
import pytest

from kernel.clock import now
from staff import access, people
from staff.access import Permission, Role
from tests.web.console.conftest import Client, Console
from tests.web.console.heatmap_scene import (
    AFAR,
    BY_NETWORK,
    CHENGDU,
    CHENGDU_CITY,
    FEW,
    HEILONGJIANG,
    MANY,
    NOWHERE,
    SICHUAN,
    Scene,
    add,
    play,
)  # fmt: skip
from tests.web.console.test_heatmap_question import unpack
from web.console import heatmap_figures, heatmap_ground, heatmap_live
from web.console.heatmap_live import STREAMS

CHINA = "box=73,15,136,54"
ALL = MANY + 2 * FEW + AFAR + BY_NETWORK + NOWHERE


@pytest.fixture(scope="module")
async def scene(console: Console) -> Scene:
    return await play(console)


@pytest.fixture
async def analyst(console: Console, scene: Scene) -> Client:
    del scene
    return await console.client(Role.ANALYST)


async def ask(client: Client, console: Console, what: str, status: int = 200) -> dict[str, Any]:
    response = await client.get(console.path(f"/heatmap/{what}"), headers={"Accept": "application/json"})
    assert response.status_code == status, response.text
    assert response.headers["content-type"].startswith("application/json")
    return response.json()  # type: ignore[no-any-return]


async def test_cells_hold_every_located_scan_of_the_box(console: Console, analyst: Client):
    found = await ask(analyst, console, f"cells?{CHINA}&r=4")
    cells, counts = unpack(found)
    assert len(cells) == found["parts"][0].__len__() == 2
    assert sum(sum(row) for row in counts) == found["total"] == MANY + 2 * FEW
    assert found["hidden"] == [0, 0]


async def test_parts_add_up_to_the_whole(console: Console, analyst: Client):
    whole, parts = [await ask(analyst, console, f"cells?{CHINA}&r=4&range=7&parts={n}") for n in (0, 1)]
    assert len(parts["parts"]) == 28
    assert len(parts["bounds"]) == 29
    cells, counts = unpack(parts)
    assert dict(zip(cells, map(sum, counts), strict=True)) == {
        cell: row[0] for cell, row in zip(*unpack(whole), strict=True)
    }


async def test_small_cell_shows_from_five_people_up_and_what_is_hidden_is_told(console: Console, scene: Scene):
    client = await console.client(Role.OWNER)
    found = await ask(client, console, "cells?box=126,45,127,46&r=8")
    assert (found["cells"], found["total"], found["hidden"]) == ([], 0, [1, 2 * FEW])
    coarse = await ask(client, console, "cells?box=126,45,127,46&r=6")
    assert (coarse["total"], coarse["hidden"]) == (2 * FEW, [0, 0])
    del scene


async def test_box_over_the_date_line_and_ten_years_are_answered(console: Console, analyst: Client):
    found = await ask(analyst, console, "cells?box=170,-30,-170,0&r=3&range=custom&from=2016-12-01&to=2026-11-30")
    assert found["total"] == AFAR
    elsewhere = await ask(analyst, console, "cells?box=-170,-30,170,0&r=3")
    assert (elsewhere["total"], elsewhere["cells"], elsewhere["parts"]) == (0, [], [[]])


async def test_filters_narrow_by_each_field(console: Console, scene: Scene):
    client = await console.client(Role.OWNER)
    for query, total in (
        (f"dealer={scene.dealer_ids[0]}", MANY // 2), (f"batch={scene.batch_id}", MANY), ("layer=copies", 1),
        ("layer=outside", 0), ("outcome=repeat", BY_NETWORK), ("source=none", NOWHERE),
        ("product=06901234567908", AFAR),
        ("layer=first", ALL - FEW), ("batch=999999", 0), ("source=ip&source=none", BY_NETWORK + NOWHERE),
    ):  # fmt: skip
        assert (await ask(client, console, f"places?{query}"))["total"] == total, query
        assert sum((await ask(client, console, f"series?{query}"))["counts"]) == total, query


async def test_ranking_leads_down_to_districts_and_tells_what_has_no_place(console: Console, analyst: Client):
    country = await ask(analyst, console, "places")
    assert country["rows"] == [[SICHUAN, "Sichuan", MANY, BY_NETWORK], [HEILONGJIANG, "Heilongjiang", 2 * FEW, 0]]
    assert (country["unknown_placed"], country["unknown"], country["total"]) == (AFAR, NOWHERE, ALL)
    province = await ask(analyst, console, f"places?place={SICHUAN}")
    assert province["rows"] == [[CHENGDU_CITY, "成都市", MANY, 0]]
    assert (province["undivided_ip"], province["trail"]) == (BY_NETWORK, [[SICHUAN, "Sichuan"]])
    city = await ask(analyst, console, f"places?place={CHENGDU_CITY}")
    [[district, _, placed, _]] = city["rows"]
    assert (city["level"], placed) == ("district", MANY)
    within = await ask(analyst, console, f"places?place={district}")
    assert within["rows"] == city["rows"]
    assert [adcode for adcode, _ in within["trail"]] == [SICHUAN, CHENGDU_CITY, district]


async def test_ranking_follows_the_slider(console: Console, analyst: Client):
    bounds = (await ask(analyst, console, "series?range=7"))["counts"]
    for step, count in enumerate(bounds, start=1):
        assert (await ask(analyst, console, f"places?range=7&step={step}"))["total"] == count
    assert sum(bounds) == ALL


@pytest.mark.parametrize(
    "query",
    [
        "cells?r=4", f"cells?{CHINA}", f"cells?{CHINA}&r=1", f"cells?{CHINA}&r=10", f"cells?{CHINA}&r=4.0",
        "cells?box=0,10,1,5&r=4", f"cells?{CHINA}&r=4&range=custom&from=2000-01-01&to=2026-01-01",
        f"cells?{CHINA}&r=4&parts=2", "places?place=999999", "places?step=32", "series?layer=x",
        "places?dealer=a", "series?range=custom&from=x",
    ],
)  # fmt: skip
async def test_anything_wrong_is_refused_with_a_sentence(console: Console, analyst: Client, query: str):
    found = await ask(analyst, console, query, status=400)
    assert found["error"].endswith(".")
    assert found["field"]


async def test_refusal_speaks_the_readers_language(console: Console, scene: Scene):
    del scene
    client = await console.client(Role.OWNER, language="zh-CN")
    assert (await ask(client, console, "places?place=999999", status=400))["error"] == "没有这个地区代码。"


async def test_idle_question_costs_no_answer_until_something_is_rolled_up(console: Console, scene: Scene):
    client = await console.client(Role.OWNER)
    path = console.path("/heatmap/places?range=7")
    first = await client.get(path)
    tagged = {"If-None-Match": first.headers["etag"]}
    same = await client.get(path, headers=tagged)
    assert (same.status_code, same.content) == (304, b"")
    assert same.headers["as-of"]
    assert (await client.get(console.path("/heatmap/places?range=30"), headers=tagged)).status_code == 200
    await add(console, scene, CHENGDU, range(900, 901))
    changed = await client.get(path, headers=tagged)
    assert changed.status_code == 200
    assert changed.json()["total"] == first.json()["total"] + 1


async def test_view_too_heavy_for_the_wire_is_answered_coarser(
    console: Console, analyst: Client, monkeypatch: pytest.MonkeyPatch
):
    fine = await ask(analyst, console, f"cells?{CHINA}&r=6&parts=1&range=7")
    assert fine["r"] == 6
    monkeypatch.setattr(heatmap_figures, "PACKED_BYTES_MAX", 0)
    coarse = await ask(analyst, console, f"cells?{CHINA}&r=6&parts=1&range=7")
    assert (coarse["r"], coarse["asked"], coarse["total"]) == (2, 6, fine["total"])


async def test_only_who_may_see_figures_of_this_very_brand_sees_them(console: Console, scene: Scene):
    del scene
    factory, owner = await console.client(Role.FACTORY), await console.client(Role.OWNER)
    stranger = await console.visitor()
    for rest in (
        "",
        "/cells?box=1,1,2,2&r=3",
        "/places",
        "/series",
        "/live",
        "/cells.csv?box=1,1,2,2&r=3",
        "/places.csv",
    ):
        assert (await factory.get(console.path(f"/heatmap{rest}"))).status_code == 403, rest
        assert (await owner.get(console.path(f"/heatmap{rest}", brand="wine"))).status_code == 404, rest
        refused = await stranger.get(console.path(f"/heatmap{rest}"), headers={"Accept": "application/json"})
        assert refused.status_code == 401, rest


async def test_files_hold_what_the_map_shows_and_no_formula(console: Console, analyst: Client):
    response = await analyst.get(console.path(f"/heatmap/cells.csv?{CHINA}&r=4&range=7"))
    assert response.content.startswith(b"\xef\xbb\xbf")
    assert re.search(r'filename="heatmap-cells-tea-[0-9-]+_[0-9-]+\.csv"', response.headers["content-disposition"])
    head, *rows = csv.reader(io.StringIO(response.content.decode("utf-8-sig")))
    assert head == ["cell", "resolution", "lat", "lng", "scans", "since", "until"]
    shown = await ask(analyst, console, f"cells?{CHINA}&r=4&range=7")
    cells, counts = unpack(shown)
    assert {(row[0], int(row[4])) for row in rows} == {
        (f"{cell:x}", count) for cell, [count] in zip(cells, counts, strict=True)
    }
    assert abs(float(rows[0][2])) < 90
    response = await analyst.get(console.path("/heatmap/places.csv?range=7"))
    head, *rows = csv.reader(io.StringIO(response.content.decode("utf-8-sig")))
    assert sum(int(row[3]) for row in rows) == (await ask(analyst, console, "places?range=7"))["total"]
    assert ["By network only" in row[1] or row[1] for row in rows][:1] == ["Sichuan"]
    wrong = await analyst.get(console.path("/heatmap/cells.csv?r=4"))
    assert wrong.status_code == 400


async def test_figures_leave_the_console_only_with_the_right_to_export(
    console: Console, scene: Scene, monkeypatch: pytest.MonkeyPatch
):
    del scene
    monkeypatch.setitem(access.GRANTS, Role.ANALYST, frozenset({Permission.SEE_FIGURES}))
    client = await console.client(Role.ANALYST)
    page = await client.get(console.path("/heatmap"))
    assert page.status_code == 200
    assert ".csv" not in page.text
    for rest in ("/cells.csv?box=1,1,2,2&r=3", "/places.csv"):
        assert (await client.get(console.path(f"/heatmap{rest}"))).status_code == 403


async def test_page_without_script_holds_filters_and_ranking(console: Console, analyst: Client, scene: Scene):
    page = (await analyst.get(console.path(f"/heatmap?layer=first&dealer={scene.dealer_ids[0]}&range=7"))).text
    assert re.search(r'name="layer" value="first" checked', page)
    assert re.search(rf'name="dealer" value="{scene.dealer_ids[0]}" checked', page)
    assert "Sichuan" in page
    assert f"data-total>{MANY // 2}<" in page
    assert "<noscript>" in page
    # A dealer's name is text, whatever it looks like.
    assert "=HYPERLINK(1)" in page


@pytest.mark.parametrize(
    "query",
    [
        "layer=<script>alert(1)</script>", "view=a,b,c", "place=123456", "range=custom&from=0001-01-01", "step=99",
        "dealer=1&dealer=x", "product=%FF", "batch=%00", "&".join(f"outcome={n}" for n in range(70)),
        "range=custom&from=2000-01-01&to=2099-12-31", "hex=9&ip=9", "view=" + "9" * 5_000,
    ],
)  # fmt: skip
async def test_broken_link_shows_the_defaults_with_a_notice(console: Console, analyst: Client, query: str):
    response = await analyst.get(console.path(f"/heatmap?{query}"))
    assert response.status_code == 200
    assert "data-problems" in response.text
    assert "<script>alert" not in response.text


async def test_config_of_the_page_reproduces_the_links_view(console: Console, analyst: Client):
    page = (await analyst.get(console.path("/heatmap?place=510100&view=104.06,30.57,9.5&hex=0&ip=1&step=3"))).text
    config = json.loads(html.unescape(re.search(r'data-heatmap="([^"]*)"', page)[1]))  # type: ignore[index]
    assert (config["place"], config["view"], config["hexes"], config["shades"], config["step"]) == (
        510100, [104.06, 30.57, 9.5], False, True, 3,
    )  # fmt: skip
    assert config["ground"]["kind"] == "bundled"
    for address in (config["ground"]["files"]["china"], config["ground"]["files"]["districts"]["510000"]):
        assert (await analyst.get(address)).status_code == 200


async def test_outside_development_outlines_are_not_even_named_until_cleared(
    console: Console, scene: Scene, monkeypatch: pytest.MonkeyPatch
):
    del scene
    choose = heatmap_ground.choose
    monkeypatch.setattr(heatmap_ground, "choose", lambda settings, **more: choose(settings, **(more | {"dev": False})))
    page = (await (await console.client(Role.OWNER)).get(console.path("/heatmap"))).text
    assert "approval number" in page
    assert console.path("/brand") in page
    assert "basemap/" not in page


@asynccontextmanager
async def streaming(client: Client, console: Console) -> AsyncIterator[AsyncIterator[tuple[str, dict[str, Any]]]]:
    async def events(response: httpx.Response) -> AsyncIterator[tuple[str, dict[str, Any]]]:
        kind = ""
        async for line in response.aiter_lines():
            if line.startswith("event: "):
                kind = line.removeprefix("event: ")
            elif line.startswith("data: "):
                yield kind, json.loads(line.removeprefix("data: "))

    async with asyncio.timeout(20), client.http.stream("GET", console.path("/heatmap/live")) as response:
        assert response.headers["content-type"].startswith("text/event-stream")
        yield events(response)


async def until(events: AsyncIterator[tuple[str, dict[str, Any]]], wanted: str) -> dict[str, Any]:
    async for kind, data in events:
        if kind == wanted:
            return data
    raise AssertionError(f"the stream ended without {wanted}")


async def test_stream_tells_of_new_scans(console: Console, scene: Scene):
    client = await console.client(Role.ANALYST)
    async with streaming(client, console) as events:
        hello = await until(events, "hello")
        await add(console, scene, CHENGDU, range(910, 911))
        assert (await until(events, "change"))["as_of"] >= hello["as_of"]


async def test_stream_beats_while_nothing_happens(console: Console, scene: Scene, monkeypatch: pytest.MonkeyPatch):
    del scene
    monkeypatch.setattr(heatmap_live, "HEARTBEAT_S", 0.05)
    async with streaming(await console.client(Role.ANALYST), console) as events:
        await until(events, "beat")


async def test_stream_ends_with_the_role(console: Console, scene: Scene, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(heatmap_live, "LOOK_S", 0.05)
    staff_id = await console.hire(Role.ANALYST)
    client = await console.client(staff_id=staff_id)
    async with streaming(client, console) as events:
        await until(events, "hello")
        async with console.opened.db.transaction() as tx:
            await people.revoke(tx, staff_id=staff_id, brand_id=scene.brand_id, role=Role.ANALYST, actor="test")
        await until(events, "ended")
        assert [event async for event in events] == []


async def test_session_has_only_so_many_streams_and_gives_them_back(
    console: Console, scene: Scene, monkeypatch: pytest.MonkeyPatch
):
    del scene
    monkeypatch.setattr(heatmap_live, "STREAMS_PER_SESSION_MAX", 2)
    client = await console.client(Role.ANALYST)
    before = len(STREAMS)
    async with streaming(client, console) as one, streaming(client, console) as two:
        await until(one, "hello")
        await until(two, "hello")
        assert len(STREAMS) == before + 2
        async with streaming(client, console) as three:
            assert "close one of its pages" in (await until(three, "full"))["sentence"]
        async with streaming(await console.client(Role.ANALYST), console) as other:
            await until(other, "hello")
    async with asyncio.timeout(10):
        while len(STREAMS) > before:
            await asyncio.sleep(0.01)


async def test_times_come_from_the_server(console: Console, analyst: Client):
    found = await ask(analyst, console, "series?range=today")
    assert found["bounds"][-1] - found["bounds"][0] == timedelta(days=1).total_seconds()
    assert found["bounds"][0] <= now().timestamp() < found["bounds"][-1]
