"""Web processes in this process, started and stopped as a server would, with peers of any address."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import ipaddress
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests import databases
from tests.world import World
from yima import asgi
from yima.edge import Edge
from yima.settings import Settings


@pytest.fixture
def durable_url(tmp_path: Path) -> Iterator[str]:
    """A database as production's settings ask for, on a server that writes through to its disk."""
    with databases.server(tmp_path / "postgres", durable=True) as url:
        yield databases.address(url, databases.TEMPLATE)


@contextlib.asynccontextmanager
async def started(app: Edge) -> AsyncIterator[Edge]:
    """The application between its start and its end."""
    said: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    heard: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    running = asyncio.create_task(app({"type": "lifespan", "asgi": {}, "state": {}}, said.get, heard.put))  # type: ignore[arg-type, typeddict-item]
    await said.put({"type": "lifespan.startup"})
    answer = await heard.get()
    assert answer["type"] == "lifespan.startup.complete", answer
    try:
        yield app
    finally:
        await said.put({"type": "lifespan.shutdown"})
        assert (await heard.get())["type"] == "lifespan.shutdown.complete"
        await running


def client(app: Edge, peer: str = "127.0.0.1") -> httpx.AsyncClient:
    """Asks the application as a peer of this address."""
    transport = httpx.ASGITransport(app, client=(peer, 50_000), raise_app_exceptions=False)  # type: ignore[arg-type]
    return httpx.AsyncClient(transport=transport, base_url="http://t.yima.cn")


@pytest.fixture
async def site(settings: Settings, database_url: str, world: World) -> AsyncIterator[Edge]:  # noqa: ARG001 (makes the brand)
    """A web process over the small brand of `world`."""
    watched = dataclasses.replace(settings, metrics_networks=(ipaddress.ip_network("127.0.0.0/8"),))
    async with started(asgi.make_app(watched, database_url)) as app:
        yield app
