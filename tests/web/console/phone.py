"""A consumer's phone before the whole installation: signed in or not, with a network that can be cut."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

from playwright.async_api import Browser, Page

from members.tokens import Tokens
from tests.web.console.conftest import Console
from web import visits


@asynccontextmanager
async def phone(
    console: Console, chromium: Browser, *, member: int | None = None, base: str = "", **options: Any
) -> AsyncIterator[Page]:
    """A fresh browser profile; `member` is the world's member that is signed in there."""
    base = base or console.base
    settings = {"viewport": {"width": 390, "height": 844}, "locale": "en-GB", "base_url": base} | options
    context = await chromium.new_context(**settings)
    context.set_default_timeout(15_000)
    if member is not None:
        token = session_of(console, member)
        await context.add_cookies(
            [
                {"name": visits.SESSION, "value": token, "url": base},
                {"name": visits.BRAND, "value": console.world.brand.slug, "url": base},
            ]
        )
    page = await context.new_page()
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    try:
        yield page
    finally:
        await context.close()
    assert complaints == []


def session_of(console: Console, member: int) -> str:
    """The session of one of the world's members."""
    world = console.world
    return Tokens(world.opened.vault).issue(world.member_ids[member], world.brand.id)


def place(lat: float, lng: float) -> dict[str, object]:
    """A precise place, as a scan tells it."""
    return {"lat": lat, "lng": lng, "datum": "wgs84", "accuracy_m": 20, "source": "gps"}


def path_of(line: str) -> str:
    """The path of a printed address."""
    return urlsplit(line).path


class Wire:
    """A TCP proxy before the server that can swallow answers after the server has given them.

    Attributes:
        swallow: how many answers to a request that begins with `request` are still to be lost.
        lost: how many were.
    """

    def __init__(self, base: str, request: bytes, swallow: int) -> None:
        parts = urlsplit(base)
        self._host, self._port = parts.hostname or "", parts.port or 0
        self._request = request
        self.swallow = swallow
        self.lost = 0
        self.base = ""

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Wire]:
        """Listen on a free port."""
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.base = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        async with server:
            yield self
            server.close()

    async def _serve(self, client: asyncio.StreamReader, back: asyncio.StreamWriter) -> None:
        upstream, onward = await asyncio.open_connection(self._host, self._port)
        cut = asyncio.Event()

        async def send() -> None:
            while data := await client.read(65_536):
                if data.startswith(self._request) and self.swallow > 0:
                    self.swallow -= 1
                    cut.set()
                onward.write(data)
                await onward.drain()

        async def receive() -> None:
            while data := await upstream.read(65_536):
                if cut.is_set():
                    # The server answers after its commit: the scan is counted, and the phone will not know.
                    self.lost += 1
                    return
                back.write(data)
                await back.drain()

        try:
            both = [asyncio.create_task(send()), asyncio.create_task(receive())]
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
            for task in both:
                task.cancel()
            await asyncio.gather(*both, return_exceptions=True)
        finally:
            for writer in (back, onward):
                writer.close()
