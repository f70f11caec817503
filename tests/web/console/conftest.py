"""The console as it runs: the whole application over a real database, with people of any role signed in."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import secrets
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
from playwright.async_api import Browser, BrowserContext

from staff import people, sessions
from staff.access import Role
from tests import databases
from tests.world import World
from traceability import catalogue
from traceability.catalogue import Brand
from web.console import visit
from yima import asgi, runtime
from yima.runtime import Runtime
from yima.settings import Settings

_numbers = itertools.count(1)
START_S_MAX = 30


@dataclass
class Console:
    """A running installation with a brand's world.

    Attributes:
        base: address, without a slash at its end.
        opened: the installation, for looking at what is stored.
        world: the brand `tea` with products, an activated batch, members and a scan service.
        other: a second brand, at which nobody has a role unless told so.
    """

    base: str
    opened: Runtime
    world: World
    other: Brand
    _stack: contextlib.AsyncExitStack = field(repr=False)

    def path(self, rest: str = "", *, brand: str | None = None) -> str:
        """An address within a brand's console."""
        return f"/console/b/{brand or self.world.brand.slug}{rest}"

    async def hire(self, *roles: Role | str, brand: Brand | None = None, password: str | None = None) -> int:
        """Make a person with these roles at the brand; returns the id."""
        number = next(_numbers)
        async with self.opened.db.transaction() as tx:
            person = await people.create(
                tx, self.opened.vault, self.opened.index,
                email=f"person-{number}@example.com", name=f"Person {number}",
                password=password or secrets.token_urlsafe(16), actor="test",
            )  # fmt: skip
            for role in roles:
                await people.grant(
                    tx, staff_id=person.id, brand_id=(brand or self.world.brand).id, role=Role(role), actor="test"
                )
        return person.id

    async def token(self, *roles: Role | str, staff_id: int | None = None, brand: Brand | None = None) -> str:
        """A session's token of a new person with these roles, or of the person given."""
        if staff_id is None:
            staff_id = await self.hire(*roles, brand=brand)
        async with self.opened.db.transaction() as tx:
            return await sessions.open_session(tx, staff_id=staff_id, agent="test")

    async def csrf(self, token: str) -> str:
        """What this session's forms bear."""
        async with self.opened.db.transaction() as tx:
            session = await sessions.find(tx, self.opened.vault, token)
        assert session is not None
        return session.csrf

    async def client(
        self, *roles: Role | str, staff_id: int | None = None, brand: Brand | None = None, language: str = "en"
    ) -> Client:
        """A browser without a screen, signed in with these roles."""
        token = await self.token(*roles, staff_id=staff_id, brand=brand)
        http = await self._stack.enter_async_context(
            httpx.AsyncClient(
                base_url=self.base,
                cookies={visit.SESSION: token},
                headers={"Accept-Language": language},
                trust_env=False,
                timeout=30,
            )
        )
        return Client(http, await self.csrf(token), token)

    async def visitor(self, language: str = "en") -> httpx.AsyncClient:
        """A browser without a screen that nobody signed in with."""
        return await self._stack.enter_async_context(
            httpx.AsyncClient(base_url=self.base, headers={"Accept-Language": language}, trust_env=False, timeout=30)
        )

    async def browser(self, chromium: Browser, *roles: Role | str, **options: Any) -> BrowserContext:
        """A context of the real browser, signed in; `options` are Playwright's (viewport, locale, …)."""
        context = await chromium.new_context(base_url=self.base, **{"locale": "en-GB", **options})
        self._stack.push_async_callback(context.close)
        await context.add_cookies(
            [{"name": visit.SESSION, "value": await self.token(*roles), "url": f"{self.base}/console"}]
        )
        return context


@dataclass
class Client:
    """A signed-in client; its POSTs bear the session's mark."""

    http: httpx.AsyncClient
    csrf: str
    token: str

    async def get(self, path: str, **more: Any) -> httpx.Response:
        return await self.http.get(path, **more)

    async def post(self, path: str, data: dict[str, Any] | None = None, **more: Any) -> httpx.Response:
        return await self.http.post(path, data={"csrf": self.csrf, **(data or {})}, **more)


@pytest.fixture(scope="module")
async def console(server_url: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Console]:
    """One installation for a module; a test makes what it changes."""
    folder = tmp_path_factory.mktemp("console")
    name = f"test_console_{next(_numbers)}"
    url = databases.address(server_url, name)
    settings = Settings(
        env="dev", home=folder / "home", database_url=url, broker_url=None, redis_url=None,
        secret_keys=(secrets.token_urlsafe(32),), bind=("127.0.0.1", 8000), public_url="HTTP://T.YIMA.CN",
        limit_exempt=(), ip_data=None, sms_url=None, sms_secret=None, unsafe_database=True,
    )  # fmt: skip
    async with contextlib.AsyncExitStack() as stack:
        stack.enter_context(databases.made(server_url, name))
        opened = await stack.enter_async_context(runtime.connect(settings, url, pool_size=4, application="test"))
        world = await World.make(opened, folder, stack)
        async with opened.db.transaction() as tx:
            other = await catalogue.create_brand(
                tx, slug="wine", name="陈年酒", name_en="Old Wine", company_prefix="6905678", actor="test"
            )
        base = await stack.enter_async_context(_serving(settings, url, folder))
        yield Console(base, opened, world, other, stack)


@contextlib.asynccontextmanager
async def _serving(settings: Settings, url: str, folder: Path) -> AsyncIterator[str]:
    """The web process's application, served in this event loop."""
    del folder
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(asgi.make_app(settings, url), log_config=None, lifespan="on", ws="none"))
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    async with asyncio.timeout(START_S_MAX):
        while not server.started:
            assert not serving.done(), "the server did not start"
            await asyncio.sleep(0.02)
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        await serving
        listener.close()
