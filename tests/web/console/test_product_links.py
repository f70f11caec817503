"""A product's links in the console, and what the resolver makes of them: through real HTTP and a real database."""

from __future__ import annotations

import asyncio
import re

import pytest
from playwright.async_api import Browser, expect
from sqlalchemy import text

from codegen import gs1
from kernel.errors import InvalidInput
from staff.access import Role
from tests.web.console.conftest import Client, Console
from tests.web.console.eyes import serious_problems
from traceability import catalogue, product_links
from traceability.product_links import Terms
from web.console import guard

_serial = iter(range(100, 10_000))
HOSTS = ["t.yima.cn"]


def fields(**given: str) -> dict[str, str]:
    return {
        "type": "pip", "href": "https://brand.example/p", "title": "商品", "title_en": "Product", "hreflang": "",
        "media_type": "", "context": "", "active": "1",
    } | given  # fmt: skip


def beside(page: str, field: str) -> str:
    found = re.search(rf'id="{field}-error">([^<]*)<', page)
    return found[1] if found else ""


async def fresh_product(console: Console) -> str:
    body = f"0691{next(_serial):09d}"
    gtin = body + gs1.check_digit(body)
    async with console.opened.db.transaction() as tx:
        await catalogue.create_product(
            tx, brand_id=console.world.brand.id, gtin=gtin, name="新茶", name_en="New tea", units_per_case=24,
            actor="test",
        )  # fmt: skip
    return gtin


async def links_of(console: Console, gtin: str) -> list[product_links.ProductLink]:
    async with console.opened.db.transaction() as tx:
        return await product_links.all_of(tx, brand_id=console.world.brand.id, gtin=gtin)


async def add(client: Client, console: Console, gtin: str, **given: str) -> None:
    answer = await client.post(console.path(f"/products/{gtin}/links/new"), fields(**given))
    assert answer.status_code == 303, answer.text


async def test_a_product_without_links_leads_to_its_own_page_and_then_leads_where_its_first_link_says(console: Console):
    gtin = await fresh_product(console)
    client, visitor = await console.client(Role.MARKETER), await console.visitor()
    answer = await visitor.get(f"/01/{gtin}")
    assert (answer.status_code, answer.headers["location"]) == (307, f"/products/{gtin}")
    assert "New tea" in (await visitor.get(answer.headers["location"])).text
    empty = (await client.get(console.path(f"/products/{gtin}/links"))).text
    assert "No link yet" in empty
    assert f"/products/{gtin}/links" in (await client.get(console.path(f"/products/{gtin}"))).text
    await add(client, console, gtin)
    answer = await visitor.get(f"/01/{gtin}/21/ABC?utm=1")
    assert (answer.status_code, answer.headers["location"]) == (307, "https://brand.example/p?utm=1")
    listed = (await client.get(console.path(f"/products/{gtin}/links"))).text
    assert "https://brand.example/p" in listed
    assert ">Default<" in listed


async def test_the_default_goes_from_one_link_to_another_and_never_away(console: Console):
    gtin = await fresh_product(console)
    client = await console.client(Role.OWNER)
    await add(client, console, gtin)
    await add(client, console, gtin, href="https://brand.example/q", is_default="1")
    second, first = await links_of(console, gtin)
    assert (first.terms.is_default, second.terms.is_default) == (False, True)
    path = console.path(f"/products/{gtin}/links")
    for given in ({"is_default": ""}, {"active": "", "is_default": ""}, {"active": "", "is_default": "1"}):
        answer = await client.post(
            f"{path}/{second.id}", fields(href="https://brand.example/q", version=str(second.version), **given)
        )
        assert answer.status_code == 400
        assert "default" in answer.text
    refused = await client.post(f"{path}/{second.id}/remove", {})
    assert refused.status_code == 400
    assert "Make another link the default first" in refused.text
    answer = await client.post(f"{path}/{first.id}", fields(is_default="1", version=str(first.version)))
    assert answer.status_code == 303
    assert (await client.post(f"{path}/{second.id}/remove", {})).status_code == 303
    assert (await client.post(f"{path}/{first.id}/remove", {})).status_code == 303
    assert await links_of(console, gtin) == []


async def test_a_link_not_in_use_is_not_led_to_and_becomes_the_default_when_it_is_the_only_one(console: Console):
    gtin = await fresh_product(console)
    client, visitor = await console.client(Role.OWNER), await console.visitor()
    await add(client, console, gtin, active="")
    (link,) = await links_of(console, gtin)
    assert not link.terms.is_default
    assert (await visitor.get(f"/01/{gtin}")).headers["location"] == f"/products/{gtin}"
    page = (await visitor.get(f"/01/{gtin}?linkType=gs1:pip")).headers["location"]
    assert page == f"/products/{gtin}?linkType=gs1:pip"
    path = console.path(f"/products/{gtin}/links/{link.id}")
    assert (await client.post(path, fields(version="1"))).status_code == 303
    assert (await visitor.get(f"/01/{gtin}")).headers["location"] == "https://brand.example/p"
    assert (await client.post(path, fields(version="2", active=""))).status_code == 303
    assert (await visitor.get(f"/01/{gtin}")).headers["location"] == f"/products/{gtin}"


REFUSED = [
    ("type", "nothingSuch", "one of the link types", "选择一种"),
    ("href", "javascript:alert(1)", "begins with https://", "以 https:// 或"),
    ("href", "data:text/html,x", "begins with https://", "以 https:// 或"),
    ("href", "//brand.example/", "begins with https://", "以 https:// 或"),
    ("href", "https://brand.example/a b", "begins with https://", "以 https:// 或"),
    ("href", 'https://brand.example/"><script>', "begins with https://", "以 https:// 或"),
    ("href", "https://品牌.cn/", "begins with https://", "以 https:// 或"),
    ("href", "https://brand.example@evil.example/", "no plain host", "不能带用户名"),
    ("href", "https://me:secret@brand.example/", "no plain host", "不能带用户名"),
    ("href", "https:///x", "no plain host", "域名不对"),
    ("href", "https://brand.example:99999/", "no plain host", "域名不对"),
    ("href", "https://[::1/", "no plain host", "域名不对"),
    ("href", "https://a/" + "x" * 1_991, "at most 2,000", "最多 2,000"),
    ("title", "", "cannot be empty", "不能为空"),
    ("title_en", "x" * 121, "at most 120", "最多 120"),
    ("title", "a\u202eb", "cannot be shown", "无法显示"),
    ("hreflang", "zh-cn", "zh or en-GB", "zh 或 en-GB"),
    ("media_type", "html", "as in text/html", "text/html"),
    ("media_type", "page/html", "as in text/html", "text/html"),
    ("context", "a b", "Letters, digits", "字母、数字"),
]


async def test_each_refusal_stands_beside_its_field(console: Console):
    gtin = await fresh_product(console)
    clients = [await console.client(Role.MARKETER, language=language) for language in ("en", "zh")]
    for field, value, *sentences in REFUSED:
        for client, sentence in zip(clients, sentences, strict=True):
            answer = await client.post(console.path(f"/products/{gtin}/links/new"), fields(**{field: value}))
            assert answer.status_code == 400
            assert sentence in (answer.text if field == "type" else beside(answer.text, field)), (field, value)
    assert await links_of(console, gtin) == []


async def test_limits_are_taken_at_their_edge(console: Console):
    gtin = await fresh_product(console)
    client = await console.client(Role.OWNER)
    longest = "https://a/" + "x" * 1_990
    await add(client, console, gtin, href=longest, title="字" * 120, title_en="x" * 120, context="c" * 40)
    visitor = await console.visitor()
    assert (await visitor.get(f"/01/{gtin}")).headers["location"] == longest


async def test_a_link_to_this_resolver_itself_is_refused(console: Console):
    gtin = await fresh_product(console)
    client = await console.client(Role.OWNER)
    own = console.opened.settings.public_url.rstrip("/").lower()
    paths = (f"/01/{gtin}", "/01/x", "/00/1", "/8004/x?y", f"/x/../01/{gtin}", f"/%2E./01/{gtin}", "/AQnYUc1gmg")
    for href in (*(own + path for path in paths), f"{own.upper()}:443/01/x".replace("HTTP", "http")):
        answer = await client.post(console.path(f"/products/{gtin}/links/new"), fields(href=href))
        assert answer.status_code == 400
        assert "circle" in beside(answer.text, "href")
    await add(client, console, gtin, href=own + "/Q/help")


async def test_the_same_link_twice_is_refused(console: Console):
    gtin = await fresh_product(console)
    client = await console.client(Role.OWNER)
    await add(client, console, gtin)
    answer = await client.post(console.path(f"/products/{gtin}/links/new"), fields())
    assert "has this link already" in beside(answer.text, "href")
    await add(client, console, gtin, hreflang="en")


async def test_two_people_changing_one_link_see_both_versions(console: Console):
    gtin = await fresh_product(console)
    first, second = await console.client(Role.OWNER), await console.client(Role.MARKETER)
    await add(first, console, gtin)
    (link,) = await links_of(console, gtin)
    path = console.path(f"/products/{gtin}/links/{link.id}")
    assert 'name="version" value="1"' in (await second.get(path)).text
    assert (await first.post(path, fields(version="1", is_default="1", title_en="First wrote"))).status_code == 303
    answer = await second.post(path, fields(version="1", is_default="1", title_en="Second wrote"))
    assert answer.status_code == 409
    assert "First wrote" in answer.text
    assert "Second wrote" in answer.text
    (now,) = await links_of(console, gtin)
    assert (now.terms.title_en, now.version) == ("First wrote", 2)
    assert (await second.post(path, fields(version="x"))).status_code == 400


async def test_who_may_only_look_sees_links_without_forms(console: Console):
    gtin = await fresh_product(console)
    owner, analyst = await console.client(Role.OWNER), await console.client(Role.ANALYST)
    await add(owner, console, gtin)
    (link,) = await links_of(console, gtin)
    path = console.path(f"/products/{gtin}/links")
    page = await analyst.get(path)
    assert page.status_code == 200
    assert "/links/new" not in page.text
    assert "/remove" not in page.text
    for method, rest in (
        ("GET", f"/{link.id}"),
        ("POST", f"/{link.id}"),
        ("POST", f"/{link.id}/remove"),
        ("POST", "/new"),
    ):
        answer = await (analyst.get(path + rest) if method == "GET" else analyst.post(path + rest, fields()))
        assert answer.status_code == 403


async def test_another_brands_links_are_not_there(console: Console):
    gtin = await fresh_product(console)
    owner = await console.client(Role.OWNER)
    await add(owner, console, gtin)
    (link,) = await links_of(console, gtin)
    stranger = await console.client(Role.OWNER, brand=console.other)
    for rest in ("", "/new", f"/{link.id}"):
        path = console.path(f"/products/{gtin}/links{rest}", brand=console.other.slug)
        assert (await stranger.get(path)).status_code == 404
    for rest in ("/new", f"/{link.id}", f"/{link.id}/remove"):
        path = console.path(f"/products/{gtin}/links{rest}", brand=console.other.slug)
        assert (await stranger.post(path, fields(version="1"))).status_code == 404
    for number in (link.id + 1_000, 2**63):
        assert (await owner.get(console.path(f"/products/{gtin}/links/{number}"))).status_code == 404


async def test_changes_stand_in_the_trail(console: Console):
    gtin = await fresh_product(console)
    client = await console.client(Role.OWNER)
    await add(client, console, gtin)
    (link,) = await links_of(console, gtin)
    path = console.path(f"/products/{gtin}/links/{link.id}")
    await client.post(path, fields(version="1", is_default="1", title_en="Renamed"))
    await client.post(f"{path}/remove", {})
    async with console.opened.db.transaction() as tx:
        rows = await tx.execute(
            text("SELECT action, before, after FROM audit_trail WHERE subject = :subject ORDER BY id"),
            {"subject": f"{gtin}/{link.id}"},
        )
        found = [tuple(row) for row in rows]
    assert [row[0] for row in found] == ["product.link.add", "product.link.change", "product.link.remove"]
    assert found[1][1:] == ({"title_en": "Product"}, {"title_en": "Renamed"})


async def test_fifty_links_are_taken_and_one_more_is_not(console: Console):
    gtin = await fresh_product(console)
    given = {"brand_id": console.world.brand.id, "gtin": gtin, "own_hosts": HOSTS, "actor": "test"}
    async with console.opened.db.transaction() as tx:
        for number in range(product_links.LINKS_MAX):
            await product_links.add(tx, Terms("pip", f"https://a.cn/{number}", "题", "T"), **given)
    with pytest.raises(InvalidInput, match="at most 50 links"):
        async with console.opened.db.transaction() as tx:
            await product_links.add(tx, Terms("pip", "https://a.cn/x", "题", "T"), **given)
    client = await console.client(Role.OWNER)
    page = (await client.get(console.path(f"/products/{gtin}/links"))).text
    assert "at most 50 links" in page
    assert "/links/new" not in page


async def test_many_who_make_their_link_the_default_at_once_leave_one_default(console: Console):
    gtin = await fresh_product(console)

    async def add_default(number: int) -> None:
        async with console.opened.db.transaction() as tx:
            await product_links.add(
                tx, Terms("pip", f"https://a.cn/{number}", "题", "T", is_default=True),
                brand_id=console.world.brand.id, gtin=gtin, own_hosts=HOSTS, actor="test",
            )  # fmt: skip

    await asyncio.gather(*(add_default(number) for number in range(8)))
    found = await links_of(console, gtin)
    assert [each.terms.is_default for each in found] == [True] + [False] * 7


async def test_a_code_of_ours_keeps_its_page_beside_the_resolver(console: Console):
    visitor = await console.visitor()
    code = console.world.lines[0].rsplit("/", 1)[-1]
    page = await visitor.get(f"/01/06901234567892/10/LOT%2F1/21/{code}?17=261231")
    assert page.status_code == 200
    assert "绿茶" in page.text or "Tea" in page.text
    assert (await visitor.get(f"/01/06901234567908/21/{code}")).status_code == 404
    assert (await visitor.get(f"/01/06901234567892/21/{code}?linkType=linkset")).status_code == 200
    assert guard.FORM_BYTES_MAX > product_links.HREF_CHARS_MAX


@pytest.mark.browser
@pytest.mark.parametrize("size", [(1440, 900), (390, 844)])
async def test_links_are_edited_in_a_browser_of_any_size(console: Console, chromium: Browser, size: tuple[int, int]):
    gtin = await fresh_product(console)
    context = await console.browser(chromium, Role.OWNER, viewport={"width": size[0], "height": size[1]})
    page = await context.new_page()
    path = console.path(f"/products/{gtin}/links")
    await page.goto(path)
    await page.get_by_role("link", name="Add a link").first.click()
    await page.get_by_label("Address", exact=True).fill("https://brand.example/" + "long-path/" * 12)
    await page.get_by_label("Chinese title").fill("商品页")
    await page.get_by_label("English title").fill("Product page")
    assert await page.evaluate("document.documentElement.scrollWidth") <= size[0]
    await page.get_by_role("button", name="Save").click()
    await expect(page.get_by_text("The link is added.")).to_be_visible()
    assert await serious_problems(page) == []
    assert await page.evaluate("document.documentElement.scrollWidth") <= size[0]
    await page.goto(f"{path}/new")
    await page.get_by_label("Address", exact=True).fill("https://me@brand.example/")
    await page.get_by_label("Chinese title").fill("页")
    await page.get_by_label("English title").fill("Page")
    await page.get_by_role("button", name="Save").click()
    await expect(page.get_by_text("The address has no plain host")).to_be_visible()
    assert await serious_problems(page) == []
    await page.goto(f"/products/{gtin}")
    assert await serious_problems(page) == []
    for consumer in (f"/products/{gtin}", f"/01/{await fresh_product(console)}", "/01/09520123456788", "/01/123"):
        await page.goto(consumer)
        assert await page.evaluate("document.documentElement.scrollWidth") <= size[0]
