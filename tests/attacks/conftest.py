"""A web process as production runs it, what is thrown at it, and what must not have happened afterwards."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import re
import secrets
import socket
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
import uvicorn
from sqlalchemy import text

from members.tokens import Tokens
from tests import databases
from tests.production.services import Service, wait_until
from tests.world import World
from traceability import catalogue
from traceability.catalogue import Brand
from yima import runtime, wire, worker
from yima.delivery import read_development_codes
from yima.settings import ACCEPT_LOSS, Settings

SCANS = "/api/v1/scans"
PROBLEM = "application/problem+json"
ANSWER_S_MAX = 60
ANSWER_BYTES_MAX = 4_000_000

FOOTPRINT = (
    "unit", "scan", "scan_replay", "claim", "journal", "entry", "lot", "draw_entry", "member", "identity",
    "sign_in_code", "outbox_message", "task", "line_session", "line_capture", "print_run", "print_entry",
    "logistic_unit", "audit_trail", "code_range", "staff_session",
)  # fmt: skip
"""Tables in which a refused request must leave nothing."""

_numbers = itertools.count(1)


@dataclass
class Reply:
    """An answer read off the wire, byte by byte."""

    status: int
    headers: dict[str, str]
    body: bytes


@dataclass
class Fort:
    """A brand's world behind a real web process that the launcher started.

    Attributes:
        secrets: what was sent since the test began and must not stand in the log.
        other: a second brand.
    """

    world: World
    other: Brand
    service: Service
    port: int
    client: httpx.AsyncClient
    lines: Iterator[str]
    phones: Iterator[str]
    secrets: list[str] = field(default_factory=list)

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def keep_out(self, *said: str) -> None:
        """These must not stand in the log."""
        self.secrets += [each for each in said if len(each) >= 6]

    def line(self) -> str:
        """A printed address that nobody scanned yet."""
        line = next(self.lines)
        self.keep_out(symbols(line))
        return line

    def phone(self) -> str:
        found = next(self.phones)
        self.keep_out(found[3:])
        return found

    def bearer(self, member: int = 0) -> dict[str, str]:
        token = Tokens(self.world.opened.vault).issue(self.world.member_ids[member], self.world.brand.id)
        self.keep_out(token)
        return {"Authorization": f"Bearer {token}"}

    async def scan(self, code: str, *, headers: dict[str, str] | None = None, **more: Any) -> httpx.Response:
        body = {"scan_id": str(uuid4()), "code": code, **more}
        return await self.client.post(SCANS, json=body, headers={"Accept-Language": "en", **(headers or {})})

    async def texts(self) -> dict[str, str]:
        """Let a worker deliver, and read the phones' latest one-time codes."""
        await worker.sweep_once(self.world.opened, worker.run_here)
        return read_development_codes(self.world.opened.settings)

    async def footprint(self) -> dict[str, int]:
        """How many rows stand where a refused request must leave none."""
        async with self.world.opened.db.transaction() as tx:
            counts = " UNION ALL ".join(f"SELECT '{table}', count(*) FROM {table}" for table in FOOTPRINT)
            return {row[0]: row[1] for row in await tx.execute(text(counts))}

    @contextlib.asynccontextmanager
    async def untouched(self) -> AsyncIterator[None]:
        """Nothing that was sent within the block left a row."""
        before = await self.footprint()
        yield
        assert await self.footprint() == before

    async def wire(self, *parts: bytes) -> Reply:
        """Send bytes as they are on a connection of its own, and read the first answer."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            with contextlib.suppress(ConnectionError):  # who is refused early may find the door shut
                for part in parts:
                    writer.write(part)
                    await writer.drain()
            async with asyncio.timeout(ANSWER_S_MAX):
                return await read_reply(reader)
        finally:
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()

    def said(self) -> str:
        return self.service.log.read_text(errors="replace")


async def read_reply(reader: asyncio.StreamReader) -> Reply:
    """One answer of HTTP/1.1."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    first, *rest = head.strip().split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in rest)}
    if "content-length" in headers:
        body = await reader.readexactly(int(headers["content-length"]))
    elif headers.get("transfer-encoding") == "chunked":
        body = b""
        while size := int(await reader.readline(), 16):
            body += await reader.readexactly(size)
            await reader.readline()
    else:
        body = b""
    return Reply(int(first.split()[1]), headers, body)


@contextlib.asynccontextmanager
async def serving(app: Any, kind: type[wire.Connection]) -> AsyncIterator[int]:
    """Serve an application in this process with connections of our kind; its port."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        config = uvicorn.Config(
            app, http=kind, lifespan="off", log_config=None, ws="none", loop="none", proxy_headers=False
        )
        server = uvicorn.Server(config)
        task = asyncio.create_task(server.serve(sockets=[listening]))
        while not server.started:
            await asyncio.sleep(0.01)
        try:
            yield listening.getsockname()[1]
        finally:
            server.should_exit = True
            await task


def symbols(line: str) -> str:
    """The 20 symbols of a printed address."""
    return line.rsplit("/", 1)[1]


def problem(response: httpx.Response, status: int | tuple[int, ...], *named: str) -> dict[str, Any]:
    """A problem document with this status, whose sentence names what is wrong; judged on the way."""
    wanted = (status,) if isinstance(status, int) else status
    assert response.status_code in wanted, (response.status_code, response.text[:500])
    assert response.headers["content-type"] == PROBLEM, response.headers
    assert response.headers["cache-control"] == "no-store"
    document: dict[str, Any] = response.json()
    assert document["status"] == response.status_code
    assert document["type"] == f"urn:yima:problem:{document['code']}"
    assert document["title"]
    assert 10 <= len(document["detail"]) <= 600, document["detail"]
    assert "Traceback" not in document["detail"]
    assert "site-packages" not in document["detail"]
    for word in named:
        assert word in document["detail"], (word, document["detail"])
    return document


def page(response: httpx.Response, status: int | tuple[int, ...]) -> str:
    """A kind page with this status: one of ours, whole, with the headers that guard it."""
    wanted = (status,) if isinstance(status, int) else status
    assert response.status_code in wanted, (response.status_code, response.text[:500])
    assert response.headers["content-type"].startswith("text/html"), response.headers
    assert response.headers["referrer-policy"] == "no-referrer"
    assert response.headers["x-content-type-options"] == "nosniff"
    assert "</html>" in response.text
    assert "Traceback" not in response.text
    return response.text


@pytest.fixture(scope="session")
async def fort(server_url: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Fort]:
    """One for all attacks of a process: each takes lines and phones of its own."""
    from tests.yima.conftest import YIMA, Home, free_port

    folder = tmp_path_factory.mktemp("attacks")
    name = f"test_attacks_{next(_numbers)}"
    url, port = databases.address(server_url, name), free_port()
    settings = Settings(
        env="dev", home=folder / "home", database_url=url, broker_url=None, redis_url=None,
        secret_keys=(secrets.token_urlsafe(32),), bind=("127.0.0.1", port), public_url="HTTP://T.YIMA.CN",
        limit_exempt=(), ip_data=None, sms_url=None, sms_secret=None, unsafe_database=True,
    )  # fmt: skip
    environment = Home(settings.home).environment(
        YIMA_ENV="production", YIMA_DATABASE_URL=url, YIMA_SECRET_KEYS=",".join(settings.secret_keys),
        YIMA_BIND=f"127.0.0.1:{port}", YIMA_PUBLIC_URL=settings.public_url, YIMA_LOG_REQUESTS="all",
        YIMA_TRUSTED_PROXIES="127.0.0.0/8", YIMA_LIMIT_EXEMPT="127.0.0.0/8",
        YIMA_UNSAFE_DATABASE=ACCEPT_LOSS,  # the server of the tests does not write through
    )  # fmt: skip
    async with contextlib.AsyncExitStack() as stack:
        stack.enter_context(databases.made(server_url, name))
        opened = await stack.enter_async_context(runtime.connect(settings, url, pool_size=4, application="test"))
        world = await World.make(opened, folder, stack)
        _, more = await world.issue(3_000)
        await world.activate(_)
        async with opened.db.transaction() as tx:
            other = await catalogue.create_brand(
                tx, slug="wine", name="陈年酒", name_en="Old Wine", company_prefix="6905678", actor="test"
            )
        service = Service("web", [str(YIMA), "up", "--only", "web"], environment, Path(folder))
        stack.callback(service.kill)
        service.start()
        address = f"http://127.0.0.1:{port}"
        await asyncio.to_thread(wait_until, lambda: _is_up(service, address), "the web process is ready")
        client = await stack.enter_async_context(httpx.AsyncClient(base_url=address, timeout=60, trust_env=False))
        lines = iter([*world.lines, *more])
        yield Fort(world, other, service, port, client, lines, (f"+86137{n:08d}" for n in range(10**8)))


def _is_up(service: Service, address: str) -> bool:
    assert service.lives, service.log.read_text()
    try:
        return httpx.get(f"{address}/ready", timeout=5, trust_env=False).status_code == 200
    except httpx.TransportError:
        return False


@pytest.fixture(autouse=True)
def unshaken(fort: Fort) -> Iterator[None]:
    """After each attack the process stands, no answer was a 5xx, and the log holds nothing of what was sent."""
    before = len(fort.said())
    fort.secrets.clear()
    fort.client.cookies.clear()
    yield
    said = fort.said()[before:]
    assert fort.service.lives, said
    assert httpx.get(f"{fort.address}/health", timeout=30, trust_env=False).text == "ok"
    assert "exception" not in said, said
    assert not re.search(r'"status": ?5\d\d', said), said
    for secret in fort.secrets:
        assert secret not in said, f"the log tells {secret!r}: {said}"
