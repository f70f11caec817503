"""Who may: every route of the console, walked."""

from __future__ import annotations

import re

import pytest
from litestar import Litestar
from litestar.routes import HTTPRoute

from staff import people
from staff.access import GRANTS, Permission, Role
from tests.web.console.conftest import Console
from yima import asgi

DATA = {"int": "1", "str": "x", "uuid": "00000000-0000-0000-0000-000000000000", "path": "x"}


def routes_of(console: Console) -> list[tuple[str, str, Permission | None]]:
    """Method, path with made-up values, and the permission that the handler declares."""
    app: Litestar = asgi.make_litestar(console.opened.settings, console.opened.url, None)
    return [
        (str(method), re.sub(r"\{(\w+):(\w+)\}", _made_up, route.path), handler.opt.get("permission"))
        for route in app.routes
        if isinstance(route, HTTPRoute) and route.path.startswith("/console")
        for handler in route.route_handlers
        for method in handler.http_methods - {"OPTIONS", "HEAD"}
    ]


def _made_up(gap: re.Match[str]) -> str:
    return "BRAND" if gap[1] == "brand" else DATA[gap[2]]


async def test_every_route_of_a_brand_declares_what_it_needs(console: Console):
    of_brands = [each for each in routes_of(console) if "/b/BRAND" in each[1] and not each[1].endswith("/go")]
    assert len(of_brands) > 5
    assert [each for each in of_brands if not isinstance(each[2], Permission)] == []


async def test_nobody_who_is_not_signed_in_sees_a_page(console: Console):
    visitor = await console.visitor()
    for method, path, permission in routes_of(console):
        if permission is None:
            continue
        answer = await visitor.request(method, path.replace("BRAND", console.world.brand.slug))
        refused = (answer.status_code, answer.headers.get("location", "")[:16])
        assert refused == (303, "/console/sign-in"), (method, path)


async def test_another_brands_pages_are_not_there(console: Console):
    client = await console.client(Role.OWNER)
    for slug in (console.other.slug, "no-such-brand", "%00", "..%2f"):
        for method, path, permission in routes_of(console):
            if "/b/BRAND" not in path or permission is None:
                continue
            answer = await client.http.request(method, path.replace("BRAND", slug), data={"csrf": client.csrf})
            assert answer.status_code in {400, 404}, (method, path, slug)
            assert console.other.name_en not in answer.text


@pytest.mark.parametrize("role", Role)
async def test_a_role_opens_what_it_may_and_nothing_else(console: Console, role: Role):
    client = await console.client(role)
    for method, path, permission in routes_of(console):
        if permission is None or permission in GRANTS[role]:
            continue
        answer = await client.http.request(
            method, path.replace("BRAND", console.world.brand.slug), data={"csrf": client.csrf}
        )
        assert answer.status_code == 403, (method, path)


async def test_a_post_without_the_sessions_mark_is_refused(console: Console):
    client = await console.client(Role.OWNER)
    for method, path, permission in routes_of(console):
        if method != "POST" or permission is None:
            continue
        answer = await client.http.post(path.replace("BRAND", console.world.brand.slug), data={"csrf": "0" * 32})
        assert answer.status_code in {403, 404}, path  # 404: what the made-up values name is not there
        crossing = await client.http.post(
            path.replace("BRAND", console.world.brand.slug),
            data={"csrf": client.csrf},
            headers={"Sec-Fetch-Site": "cross-site"},
        )
        assert crossing.status_code in {403, 404}, path


async def test_a_role_taken_away_counts_at_once(console: Console):
    staff_id = await console.hire(Role.OWNER)
    await console.hire(Role.OWNER)
    client = await console.client(staff_id=staff_id)
    assert (await client.get(console.path(""))).status_code == 200
    async with console.opened.db.transaction() as tx:
        await people.revoke(tx, staff_id=staff_id, brand_id=console.world.brand.id, role=Role.OWNER, actor="test")
    assert (await client.get(console.path(""))).status_code == 404


async def test_a_person_of_one_brand_goes_straight_to_it(console: Console):
    client = await console.client(Role.FACTORY)
    answer = await client.get("/console")
    assert (answer.status_code, answer.headers["location"]) == (303, console.path("/products"))


async def test_a_person_of_two_brands_chooses(console: Console):
    staff_id = await console.hire(Role.OWNER)
    async with console.opened.db.transaction() as tx:
        await people.grant(tx, staff_id=staff_id, brand_id=console.other.id, role=Role.ANALYST, actor="test")
    client = await console.client(staff_id=staff_id)
    page = (await client.get("/console")).text
    assert "Cloud Tea" in page
    assert "Old Wine" in page
    assert (await client.get("/console/b/wine/go")).headers["location"] == "/console/b/wine"


async def test_a_person_without_a_role_is_told_so(console: Console):
    client = await console.client()
    answer = await client.get("/console")
    assert answer.status_code == 200
    assert "no role at any brand" in answer.text


async def test_an_address_of_a_brand_leads_back_after_the_sign_in(console: Console):
    visitor = await console.visitor()
    answer = await visitor.get(console.path("/scans?outcome=taken"))
    assert answer.headers["location"].endswith("next=%2Fconsole%2Fb%2Ftea%2Fscans%3Foutcome%3Dtaken")


async def test_answers_bear_the_security_headers(console: Console):
    client = await console.client(Role.OWNER)
    headers = (await client.get("/console/account")).headers
    assert headers["cache-control"] == "no-store"
    assert "script-src" not in headers["content-security-policy"]
    assert "default-src 'self'" in headers["content-security-policy"]


async def test_a_nul_in_a_field_is_dropped_however_it_is_written(console: Console):
    client = await console.client(Role.OWNER)
    body = f"csrf={client.csrf}&gtin=06901234567915%00&name=A%0%000&name_en=B&units_per_case=24"
    answer = await client.http.post(
        console.path("/products/new"), content=body, headers={"Content-Type": "application/x-www-form-urlencoded"}
    )
    assert answer.status_code in {303, 400}, answer.text


async def test_what_people_do_who_serve_another_brand_too_is_not_shown(console: Console):
    staff_id = await console.hire(Role.ANALYST)
    owner = await console.client(Role.OWNER)

    async def shown() -> bool:
        answer = await owner.get(console.path("/trail?action=staff.profile"))
        assert answer.status_code == 200
        return ">staff.profile</span>" in answer.text

    async with console.opened.db.transaction() as tx:
        await people.set_profile(
            tx, console.opened.vault, staff_id=staff_id, name=f"Renamed {staff_id}", language="en", actor="test"
        )
    assert await shown()
    async with console.opened.db.transaction() as tx:
        await people.grant(tx, staff_id=staff_id, brand_id=console.other.id, role=Role.ANALYST, actor="test")
    assert not await shown()
