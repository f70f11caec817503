"""The line in the console: rolls cut, runs balanced with a hand scanner, stations, cartons repaired."""

from __future__ import annotations

import re

import httpx
import pytest
from playwright.async_api import Browser, expect

from codegen import batches, gs1, runs
from codegen.runs import Run
from staff.access import Role
from tests.web.console.conftest import Client, Console
from tests.web.console.eyes import serious_problems
from web.console.line_words import looks_like_lines, read_lines

SCRIPT = "<script>window.hurt=1</script>\"'><img src=x onerror=window.hurt=1>"


async def opened(console: Console, client: Client, count: int = 100) -> tuple[str, list[str], str]:
    """A batch cut in two, with a run on its first roll: batch, data file's lines, the run's address."""
    batch, lines = await console.world.issue(count)
    here = console.path(f"/line/batches/{batch}")
    assert (await client.post(f"{here}/cut", {"rolls": "2", "size": ""})).status_code == 303
    answer = await client.post(f"{here}/runs", {"printer": "Domino", "take": f"YIMA:ROLL:{batch}:000001", "lines": ""})
    assert answer.status_code == 303, answer.text
    return batch, lines, answer.headers["location"]


async def run_of(console: Console, path: str) -> Run:
    async with console.opened.db.transaction() as tx:
        return await runs.get(tx, path.rsplit("/", 1)[1])


async def enter(client: Client, run: str, **fields: str) -> httpx.Response:
    return await client.post(f"{run}/entries", {"kind": "good", "scan": "", **fields})


async def test_a_run_is_entered_by_scan_range_and_count_and_closed_when_it_balances(console: Console) -> None:
    client = await console.client(Role.FACTORY)
    batch, lines, run = await opened(console, client)
    answer = await enter(client, run, kind="waste", scan=lines[4])
    assert (answer.status_code, answer.headers["location"]) == (303, f"{run}?kind=waste")
    page = (await client.get(f"{run}?kind=waste")).text
    assert re.search(r'id="scan-waste"[^>]*checked', page), "the kind stays as it was chosen"
    assert re.search(r'id="scan"[^>]*autofocus', page)
    assert lines[4].rsplit("/", 1)[1] not in page
    await enter(client, run, scan="1-4, 6-30")
    await enter(client, run, scan=lines[39], until=lines[30])
    clash = await enter(client, run, kind="missing", scan="5")
    assert clash.status_code == 409
    assert "are waste already" in clash.text
    key = re.findall(r'name="key" value="([^"]+)"', page)[0]
    for _ in range(2):
        await enter(client, run, kind="missing", count="9", key=key)
    found = await run_of(console, run)
    assert [found.total(kind) for kind in runs.KINDS] == [39, 1, 0, 9]
    refused = await client.post(f"{run}/close", {"activate": "1", "void": "1"})
    assert refused.status_code == 409
    assert "roll 1: 1 not accounted for of 50" in refused.text
    await enter(client, run, kind="missing", count="1")
    assert (await client.post(f"{run}/close", {"activate": "1", "void": "1"})).status_code == 303
    assert (await console.world.scan(lines[0])).outcome == "awarded"
    assert (await console.world.scan(lines[49])).outcome == "voided"
    page = (await client.get(run)).text
    assert "Balances" in page
    assert f'action="{run}/entries"' not in page
    again = await client.post(console.path(f"/line/batches/{batch}/runs"), {"printer": "P", "take": "1", "lines": ""})
    assert again.status_code == 409
    assert "no code is printed twice" in again.text


async def test_a_scanned_roll_label_enters_the_roll_and_an_entry_is_withdrawn(console: Console) -> None:
    client = await console.client(Role.WAREHOUSE)
    batch, _, run = await opened(console, client)
    await enter(client, run, scan=f"YIMA:ROLL:{batch}:1")
    assert (await run_of(console, run)).off == 0
    page = (await client.get(run)).text
    [entry] = re.findall(r'name="entry" value="(\d+)"', page)
    assert (await client.post(f"{run}/withdraw", {"entry": entry})).status_code == 303
    assert (await run_of(console, run)).off == 50
    assert (await client.post(f"{run}/withdraw", {"entry": entry})).status_code == 409


@pytest.mark.parametrize("language", ["en", "zh"])
async def test_what_says_nothing_of_the_run_is_refused_beside_the_form(console: Console, language: str) -> None:
    client = await console.client(Role.FACTORY, language=language)
    _, _, run = await opened(console, client, 4)
    for fields in (
        {}, {"scan": SCRIPT}, {"scan": "0" * 20}, {"scan": "200-100"}, {"scan": "1-99999"},
        {"kind": "eaten", "scan": "1"}, {"count": "-1"}, {"count": "1e9"}, {"count": "5", "part": "x"},
        {"scan": "YIMA:ROLL:NOPE:1"}, {"scan": "\ufffd"},
    ):  # fmt: skip
        answer = await enter(client, run, **fields)
        assert answer.status_code in {400, 404, 409}, fields
        assert 'role="alert"' in answer.text
        assert "<script>window" not in answer.text
        [alert] = re.findall(r'role="alert">(.*?)</section>', answer.text, re.DOTALL)
        told = re.findall(r"<p[^>]*>(.*?)</p>", alert)
        assert len(told) > 1
        assert language == "en" or not any(each.isascii() for each in told), told
    assert (await run_of(console, run)).off == 2


async def test_an_empty_count_and_lines_that_are_taken_are_refused_beside_their_fields(console: Console) -> None:
    client = await console.client(Role.FACTORY)
    batch, _, run = await opened(console, client, 4)
    assert 'id="count-error"' in (await client.post(f"{run}/entries", {"kind": "good", "count": ""})).text
    here = console.path(f"/line/batches/{batch}")
    for given, beside in (
        ({"take": "1"}, "take-error"), ({"take": "99"}, "take-error"), ({"lines": "1-2"}, "lines-error"),
    ):  # fmt: skip
        answer = await client.post(f"{here}/runs", {"printer": "Domino", "take": "", "lines": "", **given})
        assert answer.status_code in {404, 409}
        assert f'id="{beside}"' in answer.text, given
        assert all(f'value="{value}"' in answer.text for value in given.values())


async def test_who_may_not_run_the_line_sees_it_and_changes_nothing(console: Console) -> None:
    factory = await console.client(Role.FACTORY)
    batch, _, run = await opened(console, factory)
    analyst = await console.client(Role.ANALYST)
    for path in (run, console.path(f"/line/batches/{batch}"), console.path("/line")):
        page = await analyst.get(path)
        assert page.status_code == 200
        assert '<form class="card"' not in page.text
    assert (await enter(analyst, run, scan="1")).status_code == 403
    for path in ("/stations", "/cartons"):
        assert (await analyst.get(console.path(path))).status_code == 403
    assert (await factory.get(console.path("/line"))).text.count(run) == 1


async def test_rolls_have_a_pdf_of_labels(console: Console) -> None:
    client = await console.client(Role.FACTORY)
    batch, _, _ = await opened(console, client)
    answer = await client.get(console.path(f"/line/batches/{batch}/labels"))
    assert answer.content.startswith(b"%PDF-1.4")
    assert (await client.get(console.path(f"/line/batches/{batch}/labels?from=9"))).status_code == 404
    cut = await client.post(console.path(f"/line/batches/{batch}/cut"), {"size": "7", "rolls": ""})
    assert cut.status_code == 409
    assert "cannot be cut anew" in cut.text


async def test_a_stations_token_is_shown_once(console: Console) -> None:
    client = await console.client(Role.FACTORY)
    made = await client.post(console.path("/stations"), {"name": "Cam <b>"})
    [token] = re.findall(r"yst_[\w-]+", made.text)
    page = (await client.get(console.path("/stations"))).text
    assert token not in page
    assert "Cam &lt;b&gt;" in page
    assert (await client.post(console.path("/stations"), {"name": "Cam <b>"})).status_code == 409
    [path] = re.findall(r'action="([^"]+/revoke)"', page)
    http = await console.visitor()
    headers = {"Authorization": f"Bearer {token}"}
    assert (await http.get("/api/v1/line/sessions/X", headers=headers)).status_code == 404
    assert (await client.post(path)).status_code == 303
    assert (await http.get("/api/v1/line/sessions/X", headers=headers)).status_code == 401


async def test_a_carton_is_packed_looked_at_repaired_and_unpacked(console: Console) -> None:
    client = await console.client(Role.WAREHOUSE)
    _, lines = await console.world.issue(5)
    sscc = gs1.make_sscc(5, "6901234", 77)
    packed = await client.post(console.path("/cartons/pack"), {"new_sscc": sscc, "codes": "\n".join(lines[:3])})
    assert packed.headers["location"] == console.path(f"/cartons?sscc={sscc}")
    page = (await client.get(console.path(f"/cartons?sscc=(00){sscc}"))).text
    assert "1–3" in page
    change = {"sscc": sscc, "out": lines[1], "put": lines[4], "reason": "torn"}
    assert (await client.post(console.path("/cartons/change"), change)).status_code == 303
    assert (await client.post(console.path("/cartons/change"), change)).status_code == 409
    assert (await client.post(console.path("/cartons/change"), change | {"reason": ""})).status_code == 400
    page = (await client.get(console.path(f"/cartons?sscc={sscc}"))).text
    assert "1, 3, 5" in page
    assert (await client.post(console.path("/cartons/unpack"), {"sscc": sscc, "reason": "again"})).status_code == 303
    gone = await client.get(console.path(f"/cartons?sscc={sscc}"))
    assert gone.status_code == 404
    assert (await client.get(console.path("/cartons?sscc=12"))).status_code == 400


async def test_a_hand_scanner_types_and_the_cursor_stays(console: Console, chromium: Browser) -> None:
    client = await console.client(Role.FACTORY)
    _, lines, run = await opened(console, client)
    context = await console.browser(chromium, Role.FACTORY, viewport={"width": 390, "height": 844})
    page = await context.new_page()
    await page.goto(f"{run}?kind=waste")
    for code in lines[:3]:
        await expect(page.locator("#scan")).to_be_focused()
        async with page.expect_navigation():
            await page.keyboard.type(code)
            await page.keyboard.press("Enter")
    await expect(page.locator("#scan")).to_be_focused()
    assert (await run_of(console, run)).total("waste") == 3
    assert await page.evaluate("document.documentElement.scrollWidth") <= 390
    batch = (await run_of(console, run)).batch
    for path in (run, console.path("/line"), console.path(f"/line/batches/{batch}"), console.path("/stations"),
                 console.path("/cartons")):  # fmt: skip
        await page.goto(path)
        assert await page.evaluate("document.documentElement.scrollWidth") <= 390, path
        assert await serious_problems(page) == [], path


def test_lines_are_read_as_people_write_them() -> None:
    assert read_lines(" 1-3，5 7–7;6 ") == ((1, 3), (5, 7))
    assert looks_like_lines("1-200") and not looks_like_lines("YIMA:ROLL:A:1")  # noqa: PT018
    assert not looks_like_lines("0123456789ABCDEFGHJK")
    assert batches.COUNT_MAX < 10**10


# --- states by what is in hand --------------------------------------------------------------------------------


async def switch(console: Console, client: Client, batch: str, state: str, **fields: str) -> httpx.Response:
    """Answer the question that says which lines are meant, and return what became of it."""
    path = console.path(f"/batches/{batch}/switch")
    asked = await client.post(path, {"state": state, **fields})
    if asked.status_code != 200:
        return asked
    hidden = dict(re.findall(r'type="hidden" name="([a-z_]+)" value="([^"]*)"', asked.text))
    done = await client.post(path, {**hidden, "csrf": client.csrf, "confirm": "1"})
    assert done.status_code == 303, done.text
    return asked


async def test_codes_are_switched_by_what_is_in_hand_after_its_meaning_was_shown(console: Console) -> None:
    client = await console.client(Role.FACTORY)
    batch, lines, _ = await opened(console, client)
    sscc = gs1.make_sscc(5, "6901234", 78)
    await client.post(console.path("/cartons/pack"), {"new_sscc": sscc, "codes": "\n".join([lines[8], *lines[:3]])})
    asked = await switch(console, client, batch, "activated")
    assert "Lines 1–100: 100 units" in asked.text
    asked = await switch(
        console, client, batch, "frozen", from_code=lines[20], to_code=lines[10], reason_code="inquiry"
    )
    assert "Lines 11–21: 11 units" in asked.text
    assert "between two scanned codes" in asked.text
    assert "under investigation" in asked.text
    asked = await switch(console, client, batch, "thawed", from_code=lines[10])
    assert "Lines 11: 1 units" in asked.text
    asked = await switch(console, client, batch, "recalled", sscc=sscc, reason_code="safety", reason="glass")
    assert "Lines 1–3, 9: 4 units" in asked.text
    asked = await switch(console, client, batch, "void", roll=f"yima:roll:{batch}:2", reason_code="leaked")
    assert "Lines 51–100: 50 units" in asked.text
    outcomes = [(await console.world.scan(lines[n], member=None)).outcome for n in (8, 9, 10, 11, 60)]
    assert outcomes == ["voided", "authentic", "authentic", "voided", "voided"]
    page = (await client.get(console.path(f"/batches/{batch}"))).text
    for said in ("safety recall · glass", f"carton {sscc}", "roll 2", "codes leaked"):
        assert said in page
    assert "audit_trail" not in page


async def test_what_names_no_codes_of_the_batch_is_refused_beside_its_field(console: Console) -> None:
    client = await console.client(Role.FACTORY)
    batch, lines, _ = await opened(console, client, 4)
    _, others = await console.world.issue(2)
    for field, fields in (
        ("from_code", {"from_code": "nonsense"}), ("from_code", {"from_code": others[0]}),
        ("from_code", {"from_code": lines[0], "to_code": others[1]}), ("roll", {"roll": "x"}),
        ("sscc", {"sscc": "12"}), ("reason_code", {"reason_code": "sold"}), ("reason", {"first": "1"}),
    ):  # fmt: skip
        code = "" if field == "reason" else "lost"
        answer = await switch(console, client, batch, "void", **{"reason_code": code, **fields})
        assert answer.status_code == 400, fields
        assert f'id="{field}-error"' in answer.text, fields
    both = await switch(console, client, batch, "void", reason_code="lost", first="1", roll="1")
    assert both.status_code == 400
    path = console.path(f"/batches/{batch}/switch")
    assert (await client.post(path, {"state": "thawed", "first": "1", "confirm": "1"})).status_code == 409
