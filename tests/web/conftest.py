"""The pages over the fake shop, served by a real uvicorn on a free port; and a real Chromium."""

import dataclasses
import socket
import threading
from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio
import uvicorn
from litestar import Litestar
from playwright.async_api import Browser, async_playwright

from tests.web.shop import FakePorts, Site
from traceability.regions import Regions
from web import pages


@pytest.fixture(scope="session")
def regions() -> Regions:
    return Regions.load()


@pytest.fixture(scope="session")
def running(regions: Regions) -> Iterator[Site]:
    ports = FakePorts()
    app = Litestar(
        route_handlers=pages.routes(ports, public_url="HTTPS://T.YIMA.CN", secure_cookies=False, regions=regions),
        exception_handlers=pages.exception_handlers(ports, secure_cookies=False, regions=regions),
        openapi_config=None,
    )
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", lifespan="on"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        yield Site(f"http://127.0.0.1:{listener.getsockname()[1]}", ports)
    finally:
        server.should_exit = True
        thread.join()
        listener.close()


@pytest.fixture
def site(running: Site) -> Site:
    fresh = FakePorts()
    for each in dataclasses.fields(fresh):
        setattr(running.ports, each.name, getattr(fresh, each.name))
    return running


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def chromium() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path="/usr/bin/chromium",
            args=[
                "--no-sandbox",
                "--disable-gpu",
                "--disable-quic",
                "--no-first-run",
                "--disable-background-networking",
                "--disable-component-update",
                "--disable-sync",
            ],
        )
        yield browser
        await browser.close()
