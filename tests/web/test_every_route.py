"""Every route of the application: looking changes nothing, other sites' forms are refused, each answer is guarded."""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import httpx
import pytest
from sqlalchemy import text

from members.tokens import Tokens
from staff import people, sessions
from staff.access import Role
from tests.scanapi.test_api import serving
from tests.world import GTIN, World
from web import visits
from web.console import visit as console_visit
from yima import asgi
from yima.metrics import Figures

BOTS = (
    {"Sec-Purpose": "prefetch"},
    {"Sec-Purpose": "prefetch;prerender"},
    {"Purpose": "prefetch"},
    {"X-Moz": "prefetch"},
    {"User-Agent": "facebookexternalhit/1.1"},
    {"User-Agent": "Twitterbot/1.0"},
    {"User-Agent": "Mozilla/5.0 MicroMessenger/8.0 (link preview)"},
    {"User-Agent": "DingTalkBot-LinkService/1.0"},
)
STREAMS = {"/console/b/{brand}/heatmap/live"}
"""Does not end by itself."""

_STATE = """
    SELECT (SELECT count(*) FROM claim), (SELECT count(*) FROM entry), (SELECT count(*) FROM journal),
        (SELECT count(*) FROM scan), (SELECT count(*) FROM scan_replay), (SELECT count(*) FROM draw_entry),
        (SELECT count(*) FROM unit), (SELECT coalesce(sum(amount), 0) FROM entry WHERE amount > 0),
        (SELECT count(*) FROM batch), (SELECT count(*) FROM member), (SELECT count(*) FROM block),
        (SELECT count(*) FROM code_range), (SELECT count(*) FROM outbox_message)"""


@dataclass
class Site:
    """The application, a member's browser and an owner's, and what their forms bear."""

    world: World
    http: httpx.AsyncClient
    routes: list[tuple[str, str]]
    code: str
    member: dict[str, str]
    owner: dict[str, str]
    form_token: str
    csrf: str

    def address(self, route: str) -> str:
        """A route's address, its gaps filled with what there is."""
        known = {
            "code": self.code, "brand": self.world.brand.slug, "gtin": GTIN, "name": self.world.batch,
            "rest": f"{GTIN}/21/{self.code}", "slug": self.world.brand.slug, "scan_id": str(uuid4()),
            "scan": str(uuid4()), "path": "nothing", "job": str(uuid4()),
        }  # fmt: skip
        return re.sub(r"\{(\w+)\}", lambda gap: known.get(gap[1], "1"), route)

    async def state(self) -> tuple[Any, ...]:
        async with self.world.opened.db.transaction() as tx:
            return tuple((await tx.execute(text(_STATE))).one())


@pytest.fixture
async def site(world: World) -> AsyncIterator[Site]:
    settings = dataclasses.replace(world.opened.settings, limit_exempt=())
    application = asgi.make_litestar(settings, world.opened.url, Figures())
    routes = sorted(
        (method, route.path_format)
        for route in application.routes
        for method in getattr(route, "methods", ())
        if method != "OPTIONS"
    )
    async with contextlib.AsyncExitStack() as stack:
        async with world.opened.db.transaction() as tx:
            person = await people.create(
                tx, world.opened.vault, world.opened.index, email="owner@example.com", name="Owner",
                password="seven small boats", actor="test",
            )  # fmt: skip
            await people.grant(tx, staff_id=person.id, brand_id=world.brand.id, role=Role.OWNER, actor="test")
            token = await sessions.open_session(tx, staff_id=person.id, agent="test")
            session = await sessions.find(tx, world.opened.vault, token)
        assert session is not None
        address = await stack.enter_async_context(serving(settings, world.opened.url))
        http = await stack.enter_async_context(httpx.AsyncClient(base_url=address, timeout=30, trust_env=False))
        device = "0" * 32
        member = Tokens(world.opened.vault).issue(world.member_ids[0], world.brand.id)
        yield Site(
            world, http, routes, world.lines[0].rsplit("/", 1)[1],
            {visits.DEVICE: device, visits.SESSION: member, visits.BRAND: world.brand.slug},
            {console_visit.SESSION: token}, _form_token(device), session.csrf,
        )  # fmt: skip


def _form_token(device: str) -> str:
    import hashlib

    return hashlib.sha256(f"yima-form/{device}".encode()).hexdigest()[:32]


def cookie(kept: dict[str, str]) -> dict[str, str]:
    return {"Cookie": "; ".join(f"{name}={value}" for name, value in kept.items())}


async def test_looking_awards_and_changes_nothing_on_any_route(site: Site) -> None:
    before, seen = await site.state(), 0
    bots = itertools.cycle(BOTS)
    for method, route in site.routes:
        if method not in ("GET", "HEAD") or route in STREAMS:
            continue
        kept = site.owner if route.startswith("/console") else site.member
        bearer = {"Authorization": f"Bearer {site.member[visits.SESSION]}"} if route.startswith("/api/") else {}
        for how in ("GET", "HEAD"):
            headers = cookie(kept) | bearer | next(bots)
            answer = await site.http.request(how, site.address(route), headers=headers)
            assert answer.status_code < 500, (how, route)
            seen += 1
    assert seen > 150
    assert await site.state() == before
    # and with every one of them the code's own page, which is what scanners fetch
    for each in BOTS:
        for path in (f"/Q/{site.code}", f"/q/{site.code}", f"/01/{GTIN}/21/{site.code}", f"/scan?code={site.code}"):
            for how in ("GET", "HEAD"):
                answer = await site.http.request(how, path, headers=cookie(site.member) | each)
                assert answer.status_code in (200, 303)
    assert await site.state() == before
    assert (await site.world.scan(site.code)).outcome == "awarded"  # the reward is still there


CROSS = (
    {"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"},
    {"Sec-Fetch-Site": "same-site", "Origin": "https://other.yima.cn"},
    {"Origin": "https://evil.example"},
    {"Origin": "null", "Sec-Fetch-Site": "cross-site"},
)


@pytest.mark.parametrize("headers", CROSS, ids=["cross-site", "same-site", "old browser", "hidden origin"])
async def test_a_form_of_another_site_is_refused_by_every_route_that_reads_cookies(
    site: Site, headers: dict[str, str]
) -> None:
    before, refused, let = await site.state(), 0, []
    for method, route in site.routes:
        if method in ("GET", "HEAD") or route.startswith("/api/"):
            continue
        kept = site.owner if route.startswith("/console") else site.member
        # even with the token of the form, which another site cannot know
        form = {
            "csrf": site.csrf, "form_token": site.form_token, "code": site.code, "scan_id": str(uuid4()),
            "brand": site.world.brand.slug,
        }  # fmt: skip
        answer = await site.http.request(
            method, site.address(route), headers=cookie(kept) | headers, data=form, follow_redirects=False
        )
        if answer.status_code in (400, 415) and "form-data" in answer.text:
            answer = await site.http.request(
                method, site.address(route), headers=cookie(kept) | headers, data=form,
                files={"file": ("x", b"x")}, follow_redirects=False,
            )  # fmt: skip
        refused += 1
        if answer.status_code != 403:
            let.append((method, route, answer.status_code))
    assert let == []
    assert refused > 70
    assert await site.state() == before


async def test_the_api_takes_no_cookie_for_a_person(site: Site) -> None:
    for method, route in site.routes:
        if not route.startswith("/api/"):
            continue
        body = {"scan_id": str(uuid4()), "code": site.code}
        headers = cookie(site.member | site.owner) | {"Origin": "https://evil.example"}
        answer = await site.http.request(method, site.address(route), headers=headers, json=body)
        assert "access-control-allow-origin" not in answer.headers
        if route.rstrip("/") == "/api/v1/scans":
            assert answer.json()["outcome"] == "authentic"  # nobody's: it earns nothing
        else:
            assert answer.status_code in (400, 401, 404), (method, route, answer.status_code)


SCRIPTS = re.compile(rb"<script(?![^>]*\bsrc=)|\son[a-z]+\s*=\s*[\"']|javascript:", re.IGNORECASE)


async def test_every_answer_is_guarded_and_every_page_has_a_strict_policy(site: Site) -> None:
    asked = [(method, site.address(route)) for method, route in site.routes if route not in STREAMS]
    asked += [("GET", path) for path in ("/nothing/there", "/console/nothing", "/Q/", "/%00", "/api/v1/nothing")]
    asked += [("PUT", "/scan"), ("DELETE", "/"), ("POST", "/Q/x"), ("TRACE", "/")]
    pages, loose = 0, []
    for method, path in asked:
        kept = site.owner if path.startswith("/console") else site.member
        answer = await site.http.request(method, path, headers=cookie(kept))
        where = (method, path, answer.status_code)
        assert answer.headers["referrer-policy"] == "no-referrer", where
        assert answer.headers["x-content-type-options"] == "nosniff", where
        assert answer.headers["x-frame-options"] in ("DENY", "SAMEORIGIN"), where
        assert answer.headers["cross-origin-opener-policy"] == "same-origin", where
        if path.startswith("/static/"):
            continue
        parts = [part.split() for part in answer.headers["content-security-policy"].split(";") if part.strip()]
        policy = {name: sources for name, *sources in parts}
        scripts = policy.get("script-src", policy["default-src"])
        assert set(scripts) <= {"'self'", "'none'", "blob:"}, (where, policy)
        assert "blob:" not in scripts, where
        for rule in ("object-src", "frame-src", "base-uri"):
            assert set(policy.get(rule, policy["default-src"])) <= {"'none'", "'self'"}, (where, rule)
        lax = [
            rule for rule, good in (("base-uri", {"'none'"}), ("frame-ancestors", {"'none'", "'self'"}),
                                    ("form-action", {"'none'", "'self'"}))
            if not set(policy.get(rule, ["*"])) <= good
        ]  # fmt: skip
        if lax:
            loose.append((where, lax, policy))
        if answer.headers.get("content-type", "").startswith("text/html") and answer.content:
            pages += 1
            assert SCRIPTS.search(answer.content) is None, where
            for source in re.findall(r"(?:src|href)=\"(https?:)?//([^\"/]+)", answer.text):
                assert "script" not in source[1], where
    assert loose == []
    assert pages > 90
