"""Products through real HTTP: listed, created, changed, refused beside the field."""

from __future__ import annotations

import re

import pytest

from codegen import gs1
from insights import rollups
from staff.access import Role
from tests.web.console.conftest import Console
from tests.world import GTIN
from traceability import catalogue

SCRIPT = "<script>window.hurt=1</script>\"'><img src=x onerror=window.hurt=1>"
_serial = iter(range(100, 10_000))


def fresh_gtin() -> str:
    body = f"0690{next(_serial):09d}"
    return body + gs1.check_digit(body)


def fields(**given: str) -> dict[str, str]:
    return {"gtin": fresh_gtin(), "name": "新茶", "name_en": "New tea", "units_per_case": "24"} | given


def beside(page: str, field: str) -> str:
    """The sentence beside a field."""
    found = re.search(rf'id="{field}-error">([^<]*)<', page)
    return found[1] if found else ""


async def test_list_tells_batches_and_scans_of_each_product(console: Console):
    client = await console.client(Role.ANALYST)
    await rollups.roll_up(console.opened.db)
    page = (await client.get(console.path("/products"))).text
    assert GTIN in page
    assert f'{console.path("/batches")}?gtin={GTIN}">1<' in page
    assert "/products/new" not in page
    assert (await client.get(console.path("/products/new"))).status_code == 403
    assert (await client.post(console.path("/products/new"), fields())).status_code == 403


async def test_created_product_can_be_found_by_name_and_number(console: Console):
    client = await console.client(Role.OWNER)
    given = fields(name="秋茶礼盒", name_en="Autumn Box")
    answer = await client.post(console.path("/products/new"), given)
    assert (answer.status_code, answer.headers["location"]) == (303, console.path("/products"))
    for words in ("autumn", "秋茶", given["gtin"][3:]):
        page = (await client.get(console.path("/products"), params={"q": words})).text
        assert given["gtin"] in page
        assert GTIN not in page
    assert "No product matches" in (await client.get(console.path("/products"), params={"q": "nothing such"})).text


@pytest.mark.parametrize(
    ("field", "value", "english", "chinese"),
    [
        ("gtin", "06901234567893", "it is 2", "应为 2"),
        ("gtin", "123", "8, 12, 13 or 14 digits", "8、12、13 或 14 位"),
        ("gtin", GTIN, "already", "已有 GTIN"),
        ("name", "", "cannot be empty", "不能为空"),
        ("name_en", "x" * (catalogue.NAME_CHARS_MAX + 1), "Too long: at most 80", "最多 80"),
        ("name", "a\u202eb", "cannot be shown", "无法显示"),
        ("units_per_case", "0", "1 to 10,000", "1 到 10,000"),
        ("units_per_case", "10001", "1 to 10,000", "1 到 10,000"),
        ("units_per_case", "12.5", "1 to 10,000", "1 到 10,000"),
        ("units_per_case", "٣", "1 to 10,000", "1 到 10,000"),
    ],
)
async def test_each_refusal_stands_beside_its_field(
    console: Console, field: str, value: str, english: str, chinese: str
):
    for language, sentence in (("en", english), ("zh", chinese)):
        client = await console.client(Role.MARKETER, language=language)
        answer = await client.post(console.path("/products/new"), fields(**{field: value}))
        assert answer.status_code in {400, 409}
        assert sentence in beside(answer.text, field)


async def test_limits_are_taken_at_their_edge(console: Console):
    client = await console.client(Role.OWNER)
    longest = "字" * catalogue.NAME_CHARS_MAX
    for units in ("1", str(catalogue.UNITS_PER_CASE_MAX)):
        given = fields(name=longest, name_en=longest, units_per_case=units)
        assert (await client.post(console.path("/products/new"), given)).status_code == 303


async def test_several_refusals_are_told_at_once_and_the_input_is_kept(console: Console):
    client = await console.client(Role.OWNER)
    answer = await client.post(console.path("/products/new"), fields(gtin="1", name="", name_en="Kept"))
    assert beside(answer.text, "gtin")
    assert beside(answer.text, "name")
    assert 'value="Kept"' in answer.text


async def test_gtin_is_fixed_and_the_rest_can_be_changed(console: Console):
    client = await console.client(Role.OWNER)
    given = fields()
    await client.post(console.path("/products/new"), given)
    path = console.path(f"/products/{given['gtin']}")
    page = (await client.get(path)).text
    assert 'name="gtin"' not in page
    changed = {"version": "1", "gtin": fresh_gtin(), "name": "改名", "name_en": "Renamed", "units_per_case": "6"}
    assert (await client.post(path, changed)).status_code == 303
    async with console.opened.db.transaction() as tx:
        found = await catalogue.product(tx, given["gtin"], brand_id=console.world.brand.id)
    assert (found.name, found.name_en, found.units_per_case, found.version) == ("改名", "Renamed", 6, 2)


async def test_two_people_changing_one_product_see_both_versions(console: Console):
    first, second = await console.client(Role.OWNER), await console.client(Role.MARKETER)
    given = fields()
    await first.post(console.path("/products/new"), given)
    path = console.path(f"/products/{given['gtin']}")
    common = {"version": "1", "name": "茶", "units_per_case": "24"}
    assert (await first.post(path, {**common, "name_en": "First wrote"})).status_code == 303
    answer = await second.post(path, {**common, "name_en": "Second wrote"})
    assert answer.status_code == 409
    assert re.search(r"<td>First wrote</td><td>Second wrote</td>", answer.text)
    assert 'value="Second wrote"' in answer.text
    async with console.opened.db.transaction() as tx:
        assert (await catalogue.product(tx, given["gtin"], brand_id=console.world.brand.id)).name_en == "First wrote"
    version = re.findall(r'name="version" value="(\d+)"', answer.text)[0]
    assert (await second.post(path, {**common, "version": version, "name_en": "Second wrote"})).status_code == 303


async def test_nasty_names_stay_names(console: Console):
    client = await console.client(Role.OWNER)
    given = fields(name=SCRIPT, name_en=SCRIPT)
    assert (await client.post(console.path("/products/new"), given)).status_code == 303
    for path in ("/products", f"/products/{given['gtin']}", "/batches/new", "/batches"):
        page = (await client.get(console.path(path))).text
        assert "<script>window.hurt" not in page
        assert "<img src=x" not in page


async def test_another_brands_product_is_not_there(console: Console):
    client = await console.client(Role.OWNER)
    gtin = fresh_gtin()
    async with console.opened.db.transaction() as tx:
        await catalogue.create_product(
            tx, brand_id=console.other.id, gtin=gtin, name="酒", name_en="Wine", units_per_case=6, actor="test"
        )
    assert (await client.get(console.path(f"/products/{gtin}"))).status_code == 404
    answer = await client.post(console.path(f"/products/{gtin}"), {"version": "1", "name": "x", "name_en": "x",
                                                                   "units_per_case": "1"})  # fmt: skip
    assert answer.status_code == 404
    assert gtin not in (await client.get(console.path("/products"))).text
    for odd in ("%00", "x", "1" * 200):
        assert (await client.get(console.path(f"/products/{odd}"))).status_code == 404


async def test_long_lists_come_in_pages(console: Console):
    client = await console.client(Role.OWNER)
    async with console.opened.db.transaction() as tx:
        for _ in range(55):
            await catalogue.create_product(
                tx, brand_id=console.world.brand.id, gtin=fresh_gtin(), name="页", name_en="Paged", units_per_case=1,
                actor="test",
            )  # fmt: skip
    first = (await client.get(console.path("/products"), params={"q": "Paged"})).text
    [following] = re.findall(r'rel="next" href="([^"]+)"', first)
    second = (await client.get(following.replace("&amp;", "&"))).text
    rows = [re.findall(r'<td class="code">(\d{14})</td>', page) for page in (first, second)]
    assert [len(each) for each in rows] == [50, 5]
    assert not set(rows[0]) & set(rows[1])
