"""The list of scans, its export, and one scan's story."""

from __future__ import annotations

import csv
import io
import re
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from playwright.async_api import Browser, expect
from sqlalchemy import text

from insights import scan_search
from insights.scan_search import ScanFilter
from kernel.clock import now
from staff.access import Role
from tests.web.console.conftest import Console
from tests.web.console.scenes import BAD, SSCC, Scene, follow, is_sound, play, rows_shown
from tests.world import GTIN
from web.console import scan_filters, sheets
from web.console.query import pack_moment

pytestmark = pytest.mark.usefixtures("scene")


@pytest.fixture(scope="module")
async def scene(console: Console) -> Scene:
    return await play(console)


async def count(console: Console, query: str) -> int:
    client = await console.client(Role.ANALYST)
    address = console.path(f"/scans?{query}")
    return rows_shown(address, await follow(client, address))


@pytest.mark.parametrize(
    ("query", "rows"),
    [
        ("", 19),
        ("outcome=awarded", 13),
        ("outcome=repeat&outcome=taken", 2),
        ("outcome=held", 1),
        ("finding=copied", 1),
        ("finding=outside", 1),
        ("finding=early", 1),
        ("first=1", 16),
        ("source=gps", 9),
        ("region=440000", 7),
        ("region=广东", 7),
        ("region=Guangdong", 7),
        ("region=440100", 7),
        ("region=230000", 2),
        ("dealer=GZ-1", 1),
        (f"sscc={SSCC}", 1),
        (f"sscc=(00){SSCC}", 1),
        (f"gtin={GTIN}", 19),
        ("since=2026-01-01&until=2026-02-01", 0),
    ],
)
async def test_a_filter_finds_what_it_names(console: Console, query: str, rows: int):
    assert await count(console, query) == rows


async def test_batch_line_and_member_find_a_units_scans(console: Console, scene: Scene):
    assert await count(console, f"batch={console.world.batch.lower()}&line=1") == 2
    assert await count(console, f"batch={scene.sleeping}") == 1
    async with console.opened.db.transaction() as tx:
        row = await tx.execute(text("SELECT public_id FROM member WHERE id = :id"), {"id": console.world.member_ids[6]})
    assert await count(console, f"member={row.scalar_one()}") == 1


async def test_a_scan_is_found_by_its_id(console: Console, scene: Scene):
    assert await count(console, f"scan={scene.scans['held']}") == 1
    assert await count(console, f"scan={uuid4()}") == 0


async def test_pages_follow_each_other_without_a_gap_or_a_double(console: Console, monkeypatch):
    monkeypatch.setattr(scan_search.search, "__kwdefaults__", {"after": None, "rows_max": 4})
    client = await console.client(Role.ANALYST)
    pages = await follow(client, console.path("/scans?outcome=awarded&outcome=held"))
    ids = re.findall(r"/scans/([0-9a-f-]{36})\?at=", "".join(pages))
    assert (len(pages), len(ids), len(set(ids))) == (4, 14, 14)


async def test_a_code_finds_its_unit_and_stands_in_no_address(console: Console, scene: Scene):
    client = await console.client(Role.ANALYST)
    for given in (scene.codes[0], scene.codes[0].rsplit("/", 1)[1].lower()):
        answer = await client.post(console.path("/scans/find"), {"code": given})
        assert answer.status_code == 303
        assert scene.codes[0].rsplit("/", 1)[1] not in answer.headers["location"]
        pages = await follow(client, answer.headers["location"])
        assert rows_shown("/scans", pages) == 2


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ("", "Type the code first."),
        ("HTTPS://T.YIMA.CN/Q/", "This is not a whole code"),
        ("0" * 20, "This is no code of this brand"),
        ("x" * 9_000, "This is not a whole code"),
        ("\x00", "Type the code first."),
    ],
)
async def test_what_is_no_code_of_the_brand_is_told_so(console: Console, given: str, sentence: str):
    client = await console.client(Role.ANALYST)
    answer = await client.post(console.path("/scans/find"), {"code": given})
    assert (answer.status_code, sentence in answer.text) == (400, True)


async def test_no_page_shows_a_code_in_full(console: Console, scene: Scene):
    client = await console.client(Role.OWNER)
    codes = [url.rsplit("/", 1)[1] for url in scene.codes]
    for path in ("/scans", f"/scans/{scene.scans['held']}", f"/scans/{scene.scans['anonymous']}", "/scans/export.csv"):
        answer = await client.get(console.path(path))
        assert answer.status_code == 200
        assert not [code for code in codes if code in answer.text], path


async def test_the_story_of_a_held_scan_tells_every_fact(console: Console, scene: Scene):
    client = await console.client(Role.OWNER)
    page = (await client.get(console.path(f"/scans/{scene.scans['held']}"))).text
    code = scene.codes[40].rsplit("/", 1)[1]
    for fact in (
        "the signature fits", code[:4] + "*" * 14 + code[-2:], f"{console.world.batch}, line 41",
        "nobody travels that fast", "Heilongjiang", "20 m", "H3 cell", f"No. {scene.held_claim}", "Pending",
        "will look at it before it is paid", "In no carton", "Activated",
    ):  # fmt: skip
        assert fact in page, fact
    assert page.count("?at=") >= 1  # the other scan of the unit


async def test_the_story_of_an_award_tells_what_was_booked_and_entered(console: Console, scene: Scene):
    client = await console.client(Role.OWNER)
    page = (await client.get(console.path(f"/scans/{scene.scans['award-0']}"))).text
    for fact in ("+10", "+5", "Spendable", "Qualifying", "Spring draw", "Entry 1 ", "Posted", "You earned 10 points"):
        assert fact in page, fact


async def test_the_story_of_shipped_goods_tells_carton_and_shipment(console: Console, scene: Scene):
    client = await console.client(Role.ANALYST)
    page = (await client.get(console.path(f"/scans/{scene.scans['outside']}"))).text
    for fact in (SSCC, "广州茶行", "document D-1", "outside their dealer&#39;s territory", "km from it"):
        assert fact in page, fact


async def test_a_precise_place_is_never_on_a_page(console: Console, scene: Scene):
    client = await console.client(Role.OWNER)
    for path in ("/scans", f"/scans/{scene.scans['held']}", "/scans/export.csv"):
        page = (await client.get(console.path(path))).text
        assert "45.80" not in page
        assert "126.53" not in page


async def test_who_may_not_see_members_sees_their_first_symbols_only(console: Console, scene: Scene):
    async with console.opened.db.transaction() as tx:
        public = (
            await tx.execute(text("SELECT public_id FROM member WHERE id = :id"), {"id": console.world.member_ids[3]})
        ).scalar_one()
    for path in ("/scans", f"/scans/{scene.scans['held']}", "/scans/export.csv"):
        for role, seen in ((Role.OWNER, True), (Role.ANALYST, False)):
            page = (await (await console.client(role)).get(console.path(path))).text
            assert (public in page) is seen, (path, role)


async def test_an_unknown_scan_or_another_brands_is_not_there(console: Console, scene: Scene):
    client = await console.client(Role.OWNER, brand=console.other)
    for scan in (scene.scans["held"], uuid4(), "x", "%00", "9" * 5_000):
        for more in ("", "?at=1", "?at=9999999999999999", "?at=x"):
            answer = await client.get(console.path(f"/scans/{scan}{more}", brand=console.other.slug))
            assert answer.status_code in {400, 404, 414}, scan


async def test_the_moment_in_an_address_is_only_a_hint(console: Console, scene: Scene):
    client = await console.client(Role.ANALYST)
    for hint in ("1", "9999999999999999", "x", "%00"):
        answer = await client.get(console.path(f"/scans/{scene.scans['held']}?at={hint}"))
        assert answer.status_code == 200, hint


@pytest.mark.parametrize("field", [*scan_filters.FIELDS, "after", "nonsense"])
async def test_bad_input_gets_a_sentence_and_never_an_error_of_ours(console: Console, field: str):
    client = await console.client(Role.OWNER)
    for value in BAD:
        for path in ("/scans", "/scans/export.csv", "/scans/refused"):
            answer = await client.get(console.path(f"{path}?{field}={value}"), follow_redirects=False)
            assert answer.status_code in {200, 303, 400}, (path, value)
            assert "<script>alert" not in answer.text


async def test_wrong_values_are_named_beside_their_fields(console: Console):
    client = await console.client(Role.ANALYST)
    page = await client.get(console.path("/scans?since=1900-01-01&batch=NOPE&region=Atlantis&line=5"))
    assert page.status_code == 400
    for sentence in ("The year lies between 2000 and 2099", "has no such batch", "There is no such region"):
        assert page.text.count(sentence) == 2  # in the summary, and at the field
    assert "A search spans at most ten years" in (await client.get(console.path("/scans?since=2001-01-01"))).text
    order = await client.get(console.path("/scans?since=2026-05-01&until=2026-04-01"))
    assert (order.status_code, "The end lies after the beginning" in order.text) == (400, True)


async def test_another_brands_names_are_no_names(console: Console, scene: Scene):
    client = await console.client(Role.OWNER, brand=console.other)
    for query in (f"batch={console.world.batch}", f"sscc={SSCC}", f"gtin={GTIN}", f"dealer={scene.dealer}"):
        answer = await client.get(console.path(f"/scans?{query}", brand=console.other.slug))
        assert answer.status_code == 400, query


async def test_a_search_of_ten_years_is_allowed_and_of_a_day_more_is_not():
    at = now()
    days = timedelta(days=scan_search.SPAN_DAYS_MAX)
    ScanFilter(1, at - days, at)
    with pytest.raises(Exception, match="at most ten years"):
        ScanFilter(1, at - days - timedelta(days=1), at)


async def test_the_export_holds_the_searchs_rows_and_neutralises_formulas(console: Console):
    async with console.opened.db.transaction() as tx:
        await tx.execute(text("UPDATE dealer SET name = '=HYPERLINK(1)' WHERE code = 'GZ-1'"))
    client = await console.client(Role.ANALYST)
    answer = await client.get(console.path("/scans/export.csv?outcome=awarded"))
    async with console.opened.db.transaction() as tx:
        await tx.execute(text("UPDATE dealer SET name = '广州茶行' WHERE code = 'GZ-1'"))
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert "attachment" in answer.headers["content-disposition"]
    assert answer.content.startswith(b"\xef\xbb\xbf")
    rows = list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"))))
    assert len(rows) == 13
    assert {row["Outcome"] for row in rows} == {"awarded"}
    assert [row["Dealer"] for row in rows if row["Dealer"]] == ["'=HYPERLINK(1)"]


async def test_an_export_ends_at_its_limit(console: Console, monkeypatch):
    monkeypatch.setattr(sheets, "ROWS_MAX", 7)
    monkeypatch.setattr(sheets, "ROWS_PER_READ", 3)
    client = await console.client(Role.ANALYST)
    answer = await client.get(console.path("/scans/export.csv"))
    assert len(answer.content.decode("utf-8-sig").splitlines()) == 8


async def test_an_export_is_in_the_audit_trail_before_it_leaves(console: Console):
    client = await console.client(Role.ANALYST)
    await client.get(console.path("/scans/export.csv?outcome=held"))
    async with console.opened.db.transaction() as tx:
        row = (
            await tx.execute(
                text("SELECT after FROM audit_trail WHERE action = 'scans.export' ORDER BY id DESC LIMIT 1")
            )
        ).scalar_one()
    assert row["outcome"] == "held"
    assert "since" in row


async def test_who_may_not_export_does_not(console: Console):
    client = await console.client(Role.FACTORY)
    assert (await client.get(console.path("/scans/export.csv"))).status_code == 403
    assert (await client.get(console.path("/scans"))).status_code == 403


@pytest.mark.parametrize(
    ("value", "cell"),
    [
        ("=1+1", "'=1+1"),
        ("+86", "'+86"),
        ("-1", "'-1"),
        ("@x", "'@x"),
        ("\tx", "'\tx"),
        (-5, "-5"),
        ("a=1", "a=1"),
        (None, ""),
    ],
)
def test_a_cell_is_never_a_formula(value: object, cell: str):
    assert sheets.neutral(value) == cell


async def test_nothing_found_is_said_so(console: Console):
    client = await console.client(Role.ANALYST)
    page = (await client.get(console.path("/scans?outcome=voided"))).text
    assert "No scan matches" in page
    other = await console.client(Role.OWNER, brand=console.other)
    assert "as soon as somebody scans" in (await other.get(console.path("/scans", brand=console.other.slug))).text


async def test_htmx_gets_the_rows_alone(console: Console):
    client = await console.client(Role.ANALYST)
    answer = await client.get(console.path("/scans?outcome=held"), headers={"HX-Request": "true"})
    assert answer.text.lstrip().startswith('<div id="results"')
    assert rows_shown("/scans", [answer.text]) == 1


async def test_refused_codes_are_counted_for_the_brand_whose_key_they_name(console: Console):
    client = await console.client(Role.ANALYST)
    page = (await client.get(console.path("/scans/refused"))).text
    assert rows_shown("/scans/refused", [page]) == 1
    assert "1 texts were no code at all" in page
    assert re.search(r"[0-9]+:[0-9A-Z]{4}…", page)
    other = await console.client(Role.OWNER, brand=console.other)
    page = (await other.get(console.path("/scans/refused", brand=console.other.slug))).text
    assert "No forged code in this time" in page


@pytest.mark.parametrize(("width", "height"), [(1440, 900), (390, 844)])
@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_the_pages_are_sound_in_a_browser(
    console: Console, scene: Scene, chromium: Browser, width: int, height: int, scheme: str
):
    context = await console.browser(
        chromium, Role.OWNER, viewport={"width": width, "height": height}, color_scheme=scheme
    )
    page = await context.new_page()
    for path in ("/scans", f"/scans/{scene.scans['held']}", "/scans/refused"):
        await is_sound(page, console.path(path))


async def test_a_filter_swaps_the_rows_without_a_reload(console: Console, chromium: Browser):
    context = await console.browser(chromium, Role.OWNER, viewport={"width": 1440, "height": 900})
    page = await context.new_page()
    await page.goto(console.path("/scans"))
    await page.evaluate("window.kept = true")
    await page.select_option("#outcome", "held")
    await expect(page.locator("#results tbody tr")).to_have_count(1)
    assert await page.evaluate("window.kept")
    assert "outcome=held" in page.url


async def test_a_filter_works_without_javascript(console: Console, chromium: Browser):
    context = await console.browser(chromium, Role.OWNER, java_script_enabled=False)
    page = await context.new_page()
    await page.goto(console.path("/scans"))
    await page.select_option("#outcome", "held")
    await page.click("form.filters.card button[type=submit]")
    assert await page.locator("#results tbody tr").count() == 1


async def test_pages_say_which_scans_are_archived(console: Console):
    async with console.opened.db.transaction() as tx:
        await tx.execute(
            text("""
                INSERT INTO scan_archive (name, since, until, rows, counted, begun_at, detached_at, actor)
                VALUES ('scan_2025_12', '2025-12-01', '2026-01-01', 7, 7, now(), now(), 'test')""")
        )
    client = await console.client(Role.OWNER)
    archived = "Scans before 1 January 2026 are archived"
    try:
        old = await client.get(console.path("/scans?since=2025-12-15&until=2026-01-15"))
        assert archived in old.text
        assert archived not in (await client.get(console.path("/scans"))).text
        moment = pack_moment(datetime(2025, 12, 20, tzinfo=UTC))
        gone = await client.get(console.path(f"/scans/{uuid4()}?at={moment}"))
        assert (gone.status_code, archived in gone.text) == (404, True)
        assert archived in (await client.get(console.path("/leaks"))).text
        [story] = re.findall(
            r'href="([^"]*/scans/[0-9a-f-]{36}\?at=[^"]+)"', (await client.get(console.path("/scans"))).text
        )[:1]
        assert archived in (await client.get(story)).text
    finally:
        async with console.opened.db.transaction() as tx:
            await tx.execute(text("DELETE FROM scan_archive"))
