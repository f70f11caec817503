"""Draws: what was published, the log, wins, the close, the proof."""

from __future__ import annotations

import json
import re

import pytest
from playwright.async_api import Browser
from sqlalchemy import text

from campaigns import proofs
from staff.access import Role
from tests.web.console.conftest import Console
from tests.web.console.scenes import BAD, Scene, follow, is_sound, play, rows_shown
from web.console import draws

pytestmark = pytest.mark.usefixtures("scene")


@pytest.fixture(scope="module")
async def scene(console: Console) -> Scene:
    return await play(console)


async def test_the_list_tells_state_entries_stock_and_chance(console: Console):
    page = (await (await console.client(Role.ANALYST)).get(console.path("/draws"))).text
    for fact in ("Spring draw", "Open", "13", "of 5", "50%", "10", "365 days"):
        assert fact in page, fact


async def test_one_draw_tells_rules_fingerprints_and_log(console: Console, scene: Scene):
    page = (await (await console.client(Role.ANALYST)).get(console.path(f"/draws/{scene.draw}"))).text
    async with console.opened.db.transaction() as tx:
        row = (
            await tx.execute(text("SELECT rules_hash, seed_commitment FROM draw WHERE name = :n"), {"n": scene.draw})
        ).one()
    for fact in (row[0], row[1], "Teapot", "All products of the brand", "yima-draw-rules-1", "data-chart"):
        assert fact in page, fact
    assert re.findall(r'<th scope="row" class="number">([0-9]+)</th>', page) == [str(n) for n in range(13, 0, -1)]


async def test_wins_are_shown_with_masked_members(console: Console, scene: Scene):
    address = console.path(f"/draws/{scene.draw}?won=1")
    async with console.opened.db.transaction() as tx:
        publics = (
            (await tx.execute(text("SELECT m.public_id FROM prize_award w JOIN member m ON m.id = w.member_id")))
            .scalars()
            .all()
        )
    for role, seen in ((Role.OWNER, True), (Role.ANALYST, False)):
        pages = await follow(await console.client(role), address)
        assert "".join(pages).count("data-win") == len(publics) > 0
        assert all((public in pages[0]) is seen for public in publics)


async def test_wins_of_all_draws_are_listed_by_time(console: Console):
    client = await console.client(Role.ANALYST)
    address = console.path("/draws/wins")
    whole = rows_shown(address, await follow(client, address))
    none = console.path("/draws/wins?since=2026-01-01&until=2026-01-02")
    assert whole > 0
    assert rows_shown(none, await follow(client, none)) == 0


@pytest.mark.parametrize("field", ["won", "before", "after", "since", "until"])
async def test_bad_input_gets_a_sentence_and_never_an_error_of_ours(console: Console, scene: Scene, field: str):
    client = await console.client(Role.OWNER)
    for path in (f"/draws/{scene.draw}", "/draws/wins", "/draws"):
        for value in BAD:
            answer = await client.get(console.path(f"{path}?{field}={value}"))
            assert answer.status_code in {200, 400}, (path, value)
            assert "<script>alert" not in answer.text


async def test_unknown_draws_and_another_brands_are_not_there(console: Console, scene: Scene):
    other = await console.client(Role.OWNER, brand=console.other)
    for name in (scene.draw, "NONE", "%00", "x" * 5_000):
        for more in ("", "/proof.json"):
            answer = await other.get(console.path(f"/draws/{name}{more}", brand="wine"))
            assert answer.status_code in {400, 404}, (name[:20], more)
        answer = await other.post(console.path(f"/draws/{name}/close", brand="wine"))
        assert answer.status_code in {400, 404}, name[:20]


async def test_there_is_no_proof_before_the_close(console: Console, scene: Scene):
    answer = await (await console.client(Role.OWNER)).get(console.path(f"/draws/{scene.draw}/proof.json"))
    assert (answer.status_code, "no proof before the draw is closed" in answer.text) == (409, True)


async def test_closing_needs_the_permission_and_a_form_of_ours(console: Console, scene: Scene):
    path = console.path(f"/draws/{scene.draw}/close")
    assert (await (await console.client(Role.ANALYST)).post(path)).status_code == 403
    client = await console.client(Role.MARKETER)
    assert (await client.post(path, {"csrf": "wrong"})).status_code == 403
    async with console.opened.db.transaction() as tx:
        row = await tx.execute(text("SELECT closed_at FROM draw WHERE name = :n"), {"n": scene.draw})
        assert row.scalar_one() is None


async def test_a_closed_draw_gives_a_proof_that_anyone_can_verify(console: Console, scene: Scene):
    name = await console.world.publish_draw(stock=2)
    await console.world.scan(scene.codes[120], member=1)
    client = await console.client(Role.MARKETER)
    path = console.path(f"/draws/{name}")
    answer = await client.post(f"{path}/close")
    assert (answer.status_code, answer.headers["location"]) == (303, path)
    page = (await client.get(path)).text
    assert "Closed" in page
    assert f"{path}/proof.json" in page
    proof = await client.get(f"{path}/proof.json")
    assert "attachment" in proof.headers["content-disposition"]
    report = proofs.verify(json.loads(proof.content))
    assert (report.ok, report.entries) == (True, 1)
    again = await client.post(f"{path}/close")
    assert "was closed before" in (await client.get(again.headers["location"])).text
    async with console.opened.db.transaction() as tx:
        row = await tx.execute(
            text("SELECT actor FROM audit_trail WHERE action = 'draw.close' AND subject = :s"), {"s": f"draw {name}"}
        )
        assert [actor.startswith("staff:") for actor in row.scalars()] == [True]


async def test_a_proof_beyond_the_limit_is_left_to_the_command(console: Console, scene: Scene, monkeypatch):
    name = await console.world.publish_draw(stock=2)
    await console.world.scan(scene.codes[121], member=1)
    client = await console.client(Role.MARKETER)
    await client.post(console.path(f"/draws/{name}/close"))
    monkeypatch.setattr(draws, "PROOF_ENTRIES_MAX", 1)
    assert (await client.get(console.path(f"/draws/{name}/proof.json"))).status_code == 200
    monkeypatch.setattr(draws, "PROOF_ENTRIES_MAX", 0)
    answer = await client.get(console.path(f"/draws/{name}/proof.json"))
    assert (answer.status_code, f"yima draw proof --draw {name}" in answer.text) == (409, True)


async def test_a_brand_without_draws_and_rules_is_told_what_to_do(console: Console):
    page = (
        await (await console.client(Role.OWNER, brand=console.other)).get(console.path("/draws", brand="wine"))
    ).text
    assert "No draw yet" in page
    assert "No earning rule yet" in page


@pytest.mark.parametrize(("width", "height"), [(1440, 900), (390, 844)])
@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_the_pages_are_sound_in_a_browser(
    console: Console, scene: Scene, chromium: Browser, width: int, height: int, scheme: str
):
    context = await console.browser(
        chromium, Role.OWNER, viewport={"width": width, "height": height}, color_scheme=scheme
    )
    page = await context.new_page()
    for path in ("/draws", f"/draws/{scene.draw}", f"/draws/{scene.draw}?won=1", "/draws/wins"):
        await is_sound(page, console.path(path))
