"""Dealers through real HTTP: territories chosen, drawn, overlapping; shipments listed."""

from __future__ import annotations

import gzip
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from playwright.async_api import Browser, expect

from codegen import batches, gs1
from insights import rollups
from kernel.clock import now
from staff.access import Role
from tests.web.console.conftest import Client, Console
from tests.web.console.eyes import serious_problems
from tests.world import regions
from traceability import areas, shipments
from traceability.shipments import Carton
from web.console import china

SCRIPT = "<script>window.hurt=1</script>\"'><img src=x onerror=window.hurt=1>"
GUANGDONG, GUANGZHOU, TIANHE, SHENZHEN, GUANGXI = 440000, 440100, 440106, 440300, 450000
_codes = iter(range(1, 10_000))


def fields(*adcodes: int | str, **given: str) -> dict[str, Any]:
    return {"code": f"D{next(_codes)}", "name": "华南经销", "adcode": [str(each) for each in adcodes]} | given


async def create(console: Console, client: Client, *adcodes: int, **given: str) -> int:
    answer = await client.post(console.path("/dealers/new"), fields(*adcodes, **given))
    assert answer.status_code == 303
    return int(answer.headers["location"].rsplit("/", 1)[1])


def beside(page: str, field: str) -> str:
    found = re.search(rf'id="{field}-error">([^<]*)<', page)
    return found[1] if found else ""


async def test_territory_is_stored_by_as_few_regions_as_say_the_same(console: Console):
    client = await console.client(Role.MARKETER)
    cities = [each.adcode for each in regions().all_of("city") if each.province and each.province.adcode == GUANGDONG]
    dealer_id = await create(console, client, *cities, TIANHE, 450100)
    async with console.opened.db.transaction() as tx:
        found = await shipments.dealer(tx, dealer_id, brand_id=console.world.brand.id)
    assert found.adcodes == (GUANGDONG, 450100)
    page = (await client.get(console.path(f"/dealers/{dealer_id}"))).text
    assert "Guangdong, Guangxi 南宁市" in page
    assert page.count('<path class="chosen"') == 2


@pytest.mark.parametrize(
    ("given", "field", "english", "chinese"),
    [
        ({"adcode": []}, "adcodes", "at least one region", "至少选择一个地区"),
        ({"adcode": ["999999"]}, "adcodes", "no region with the code 999999", "没有代码为 999999"),
        ({"adcode": ["x"]}, "adcodes", "no region", "没有代码"),
        ({"code": ""}, "code", "cannot be empty", "不能为空"),
        ({"code": "x" * 41}, "code", "at most 40", "最多 40"),
        ({"name": "x" * 81}, "name", "at most 80", "最多 80"),
        ({"name": ""}, "name", "cannot be empty", "不能为空"),
    ],
)
async def test_each_refusal_stands_beside_its_field(
    console: Console, given: dict[str, Any], field: str, english: str, chinese: str
):
    for language, sentence in (("en", english), ("zh", chinese)):
        client = await console.client(Role.OWNER, language=language)
        answer = await client.post(console.path("/dealers/new"), {**fields(GUANGDONG), **given})
        assert answer.status_code == 400
        assert sentence in beside(answer.text, field)


async def test_code_that_is_taken_is_refused(console: Console):
    client = await console.client(Role.OWNER)
    await create(console, client, GUANGXI, code="TAKEN")
    answer = await client.post(console.path("/dealers/new"), fields(GUANGXI, code="TAKEN"))
    assert (answer.status_code, "already" in beside(answer.text, "code")) == (409, True)


async def test_territory_limit_holds_at_its_edge(console: Console):
    client = await console.client(Role.OWNER)
    # One district of each city: nothing can be said by fewer regions.
    scattered: dict[int, int] = {}
    for each in regions().all_of("district"):
        if each.city is not None and len(regions().districts_of(each.city.adcode)) > 2:
            scattered.setdefault(each.city.adcode, each.adcode)
    second = [
        max(regions().districts_of(city)) for city in scattered if len(regions().districts_of(city)) > 3
    ]  # fmt: skip
    chosen = sorted({*scattered.values(), *second})
    assert len(chosen) > shipments.REGIONS_MAX
    assert await create(console, client, *chosen[: shipments.REGIONS_MAX])
    answer = await client.post(console.path("/dealers/new"), fields(*chosen[: shipments.REGIONS_MAX + 1]))
    assert (answer.status_code, "at most 400" in beside(answer.text, "adcodes")) == (400, True)
    answer = await client.post(console.path("/dealers/new"), fields(*chosen, *range(100)))
    assert answer.status_code == 400


async def test_overlap_with_other_dealers_is_told_and_allowed(console: Console):
    client = await console.client(Role.OWNER)
    first = await create(console, client, 130000, name="First dealer")
    second = await create(console, client, 130100, 120000, name="Second dealer")
    page = (await client.get(console.path(f"/dealers/{first}"))).text
    assert re.search(r">Second dealer</a>: Hebei 石家庄市</li>", page)
    page = (await client.get(console.path(f"/dealers/{second}"))).text
    assert re.search(r">First dealer</a>: Hebei 石家庄市</li>", page)


async def test_two_people_changing_one_territory_see_both_versions(console: Console):
    first, second = await console.client(Role.OWNER), await console.client(Role.MARKETER)
    dealer_id = await create(console, first, 330000)
    path = console.path(f"/dealers/{dealer_id}/edit")
    assert (await first.post(path, {"version": "1", "name": "华南经销", "adcode": ["330100"]})).status_code == 303
    answer = await second.post(path, {"version": "1", "name": "华南经销", "adcode": ["330200"]})
    assert answer.status_code == 409
    assert "<td>Zhejiang 杭州市</td><td>Zhejiang 宁波市</td>" in answer.text
    assert re.search(r'value="330200" checked', answer.text)
    async with console.opened.db.transaction() as tx:
        assert (await shipments.dealer(tx, dealer_id, brand_id=console.world.brand.id)).adcodes == (330100,)
    [version] = re.findall(r'name="version" value="(\d+)"', answer.text)
    answer = await second.post(path, {"version": version, "name": "华南经销", "adcode": ["330200"]})
    assert answer.status_code == 303


async def test_territory_can_be_looked_at_before_it_is_saved(console: Console):
    client = await console.client(Role.OWNER)
    answer = await client.post(console.path("/dealers/new"), {**fields(GUANGZHOU, SHENZHEN), "show": "1"})
    assert answer.status_code == 200
    assert "Guangdong 广州市, Guangdong 深圳市" in answer.text
    part = await client.post(console.path("/dealers/area"), fields(GUANGZHOU))
    assert part.text.lstrip().startswith("<figure")


async def test_map_is_small_labelled_and_shows_the_dashed_line(console: Console):
    client = await console.client(Role.OWNER, language="zh")
    whole = await client.post(console.path("/dealers/area"), fields(GUANGDONG))
    assert 'class="dashes"' in whole.text
    assert 'aria-label="销区地图：广东省"' in whole.text
    assert ">广东</text>" in whole.text
    city = await client.post(console.path("/dealers/area"), fields(TIANHE))
    assert ">广州</text>" in city.text
    for page in (whole, city):
        assert len(gzip.compress(page.content)) < 60_000


async def test_shipments_and_cartons_are_listed_page_by_page(console: Console):
    client = await console.client(Role.WAREHOUSE)
    owner = await console.client(Role.OWNER)
    dealer_id = await create(console, owner, 510000, name="四川经销")
    brand = console.world.brand
    async with console.opened.db.transaction() as tx:
        batch = await batches.get(tx, console.world.batch)
        found = await shipments.dealer(tx, dealer_id, brand_id=brand.id)
        for number in range(22):
            sscc = gs1.make_sscc(0, brand.company_prefix, number)
            first = batch.unit_id(2 * number + 1)
            await shipments.pack(tx, brand_id=brand.id, cartons=[Carton(sscc, first, first + 1)], at=now())
            await shipments.ship(
                tx, brand_id=brand.id, document=f"SHIP-{number:02d}", dealer=found, adcode=510100, ssccs=[sscc],
                at=now(), actor="test",
            )  # fmt: skip
    first_page = (await client.get(console.path(f"/dealers/{dealer_id}"))).text
    [following] = re.findall(r'rel="next" href="([^"#]+)', first_page)
    second_page = (await client.get(following)).text
    documents = [re.findall(r">(SHIP-\d\d)</a>", page) for page in (first_page, second_page)]
    assert documents == [[f"SHIP-{n:02d}" for n in range(21, 1, -1)], ["SHIP-01", "SHIP-00"]]
    [shipment] = re.findall(r'href="([^"]+/shipments/\d+)">SHIP-00<', second_page)
    cartons = (await client.get(shipment)).text
    assert gs1.make_sscc(0, brand.company_prefix, 0) in cartons
    other = await create(console, owner, 520000)
    assert (await client.get(shipment.replace(f"/{dealer_id}/", f"/{other}/"))).status_code == 404
    for odd in ("zz", "9.9.9", "1" * 40 + ".1", "-1.-1"):
        answer = await client.get(console.path(f"/dealers/{dealer_id}"), params={"before": odd})
        assert answer.status_code == 200


async def test_list_tells_the_share_of_scans_outside(console: Console):
    client = await console.client(Role.ANALYST)
    await create(console, await console.client(Role.OWNER), 540000, code="XZ", name="西藏经销")
    await rollups.roll_up(console.opened.db)
    page = (await client.get(console.path("/dealers"), params={"q": "xz"})).text
    assert "西藏经销" in page
    assert page.count('<th scope="row">') == 1
    assert "/dealers/new" not in page
    assert (await client.post(console.path("/dealers/new"), fields(GUANGXI))).status_code == 403
    assert (await client.post(console.path("/dealers/area"), fields(GUANGXI))).status_code == 403


async def test_another_brands_dealer_is_not_there(console: Console):
    async with console.opened.db.transaction() as tx:
        made = await shipments.create_dealer(
            tx, brand_id=console.other.id, code="W1", name="酒商", adcodes=[110000], actor="test"
        )
    client = await console.client(Role.OWNER)
    for path in (f"/dealers/{made.id}", f"/dealers/{made.id}/edit", "/dealers/0", "/dealers/99999999999999999999999"):
        assert (await client.get(console.path(path))).status_code == 404
    answer = await client.post(console.path(f"/dealers/{made.id}/edit"), fields(120000, version="1"))
    assert answer.status_code == 404
    assert "酒商" not in (await client.get(console.path("/dealers"))).text


async def test_nasty_names_stay_names(console: Console):
    client = await console.client(Role.OWNER)
    dealer_id = await create(console, client, 460000, name=SCRIPT, code=SCRIPT[:40])
    for path in ("/dealers", f"/dealers/{dealer_id}", f"/dealers/{dealer_id}/edit"):
        page = (await client.get(console.path(path))).text
        assert "<script>window.hurt" not in page
        assert "<img src=x" not in page


@given(st.sets(st.sampled_from([each.adcode for each in regions().all_of("district")]), min_size=1, max_size=30))
def test_tidied_area_is_the_same_area(adcodes: set[int]):
    tidied = areas.tidy(regions(), adcodes)
    covered = frozenset().union(*(regions().districts_of(adcode) for adcode in tidied))
    assert covered == frozenset().union(*(regions().districts_of(adcode) for adcode in adcodes))
    assert len(tidied) <= len(adcodes)
    assert areas.overlap(regions(), adcodes, tidied) == tidied
    assert areas.overlap(regions(), adcodes, []) == ()


def test_names_on_the_map_do_not_run_into_each_other():
    for adcodes in ((GUANGDONG,), (TIANHE,), (110101,)):
        for chinese in (True, False):
            labels = china.draw(regions(), adcodes, chinese=chinese).labels
            assert len(labels) > 5
            assert len({(label.x, label.y) for label in labels}) == len(labels)


@pytest.mark.browser
@pytest.mark.parametrize("size", [(1440, 900), (390, 844)])
async def test_tree_map_and_search_work_together_in_the_browser(
    console: Console, chromium: Browser, size: tuple[int, int]
):
    context = await console.browser(chromium, Role.OWNER, viewport={"width": size[0], "height": size[1]})
    page = await context.new_page()
    await page.goto(console.path("/dealers/new"))
    await page.get_by_label("Find a region").fill("天河")
    await page.get_by_label("天河区", exact=True).check()
    await expect(page.locator("figcaption")).to_have_text("Guangdong 广州市 天河区")
    assert await page.get_by_label("Guangdong", exact=True).evaluate("box => box.indeterminate")
    await page.get_by_label("Find a region").fill("")
    await page.get_by_label("Guangdong", exact=True).check()
    await expect(page.locator("figcaption")).to_have_text("Guangdong")
    assert await serious_problems(page) == []
    assert await page.evaluate("document.documentElement.scrollWidth") <= size[0]
    await page.get_by_role("textbox", name="Code").fill(f"B{size[0]}")
    await page.get_by_role("textbox", name="Name").fill("In the browser")
    await page.get_by_role("button", name="Save").click()
    await expect(page.get_by_role("status")).to_contain_text(f"Dealer B{size[0]} is added")
    assert await serious_problems(page) == []
