"""`yima up` as a real process: what it promised survives whatever is killed, and nothing outlives it."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import http.server
import json
import os
import re
import signal
import socket
import subprocess
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.engine import make_url

from kernel import postgres
from members.tokens import Tokens
from tests.world import World
from tests.yima.conftest import YIMA, Home, free_port
from yima import migrate, runtime
from yima import settings as settings_module
from yima.processes import Launcher

WAIT_S_MAX = 120
SCANS = 600
PHONES = 12


@dataclasses.dataclass(frozen=True, slots=True)
class Process:
    """A process of the installation: its id and its command line."""

    pid: int
    command: str


def living(home: Path) -> list[Process]:
    """Every process that works for this home: by its environment, its command line or its working folder."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        with contextlib.suppress(OSError):
            command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            marks = f"YIMA_HOME={home}\0".encode() in (entry / "environ").read_bytes() + b"\0"
            inside = str((entry / "cwd").readlink()).startswith(str(home))
            if command and (marks or inside or str(home) in command):
                found.append(Process(int(entry.name), command))
    return found


def wait_until(true: Callable[[], Any], what: str) -> Any:
    """Poll; a limit only keeps a defect from hanging the run."""
    deadline = time.monotonic() + WAIT_S_MAX
    while not (found := true()):
        assert time.monotonic() < deadline, f"in vain: {what}"
        time.sleep(0.05)
    return found


def kill(processes: list[Process]) -> None:
    for process in processes:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process.pid, signal.SIGKILL)


class Up:
    """`yima up` on a home; what it says goes to a file."""

    def __init__(self, home: Home, port: int, **env: str) -> None:
        self.home = home
        self.address = f"http://127.0.0.1:{port}"
        self.log = home.path.parent / "up.log"
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [str(YIMA), "up", "--port", str(port)], env=home.environment(**env), cwd=home.path.parent,
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip

    def is_ready(self) -> bool:
        assert self.process.poll() is None, self.log.read_text()
        try:
            return httpx.get(f"{self.address}/ready", timeout=5, trust_env=False).status_code == 200
        except httpx.TransportError:
            return False

    def children(self, name: str) -> list[Process]:
        return [process for process in living(self.home.path) if name in process.command]

    def stop(self) -> int:
        """Ask for an orderly end; returns the exit status."""
        self.process.terminate()
        return self.process.wait(WAIT_S_MAX)


@pytest.fixture
def own_home(tmp_path: Path) -> Iterator[Home]:
    """A home of this test's own; whatever still works for it afterwards is killed."""
    home = Home(tmp_path / "home")
    yield home
    kill(living(home.path))


@dataclasses.dataclass(frozen=True, slots=True)
class Brand:
    """Codes to scan and members to scan them."""

    batch: str
    lines: list[str]
    tokens: list[str]


@contextlib.asynccontextmanager
async def prepared(home: Home) -> AsyncIterator[Brand]:
    """A brand in the home's database, made before anything serves; the database stays attached."""
    settings = settings_module.load(home.environment())
    with postgres.attach(home.path) as attachment:
        url = attachment.endpoint.url("asyncpg")
        migrate.upgrade(url)
        async with contextlib.AsyncExitStack() as stack:
            opened = await stack.enter_async_context(runtime.connect(settings, url, pool_size=2, application="test"))
            world = await World.make(opened, home.path.parent, stack)
            batch, lines = await world.issue(SCANS)
            await world.activate(batch)
            tokens = [Tokens(opened.vault).issue(member, world.brand.id) for member in world.member_ids]
        yield Brand(batch, lines, tokens)


@contextlib.contextmanager
def database(home: Home) -> Iterator[Any]:
    """An engine on the home's database."""
    with postgres.attach(home.path) as attachment:
        engine = create_engine(make_url(attachment.endpoint.url("psycopg")))
        try:
            yield engine
        finally:
            engine.dispose()


class Crowd:
    """Phones that scan, each its own codes, and ask again with the same scan id until they are answered."""

    def __init__(self, brand: Brand, address: str) -> None:
        self.address = address
        self.requests = [
            (
                {"scan_id": str(uuid4()), "code": line, "device_id": f"phone-{n % PHONES}"},
                brand.tokens[n % len(brand.tokens)],
            )
            for n, line in enumerate(brand.lines)
        ]
        self.answers: dict[str, bytes] = {}
        self.asked_again = 0

    async def scan_all(self) -> None:
        await asyncio.gather(*(self._phone(self.requests[n::PHONES]) for n in range(PHONES)))

    async def _phone(self, requests: list[tuple[dict[str, str], str]]) -> None:
        deadline = time.monotonic() + WAIT_S_MAX
        async with httpx.AsyncClient(timeout=20, trust_env=False) as client:
            for body, token in requests:
                while (answer := await self.send(client, body, token)) is None:
                    assert time.monotonic() < deadline, "never answered"
                    self.asked_again += 1
                    await asyncio.sleep(0.1)
                self.answers[body["scan_id"]] = answer

    async def send(self, client: httpx.AsyncClient, body: dict[str, str], token: str) -> bytes | None:
        try:
            response = await client.post(
                f"{self.address}/api/v1/scans", json=body, headers={"Authorization": f"Bearer {token}"}
            )
        except httpx.TransportError:
            return None
        if response.status_code == 503:
            return None
        assert response.status_code == 200, response.text
        return response.content

    async def reach(self, count: int) -> None:
        while len(self.answers) < count:
            await asyncio.sleep(0.01)


async def test_no_acknowledged_award_is_lost_when_processes_are_killed_under_load(own_home: Home) -> None:
    home, port = own_home, free_port()
    async with prepared(home) as brand:
        up = Up(home, port)
        await asyncio.to_thread(wait_until, up.is_ready, "ready")
    crowd = Crowd(brand, up.address)
    scanning = asyncio.create_task(crowd.scan_all())

    # the web process dies: the launcher starts another
    await crowd.reach(SCANS // 6)
    kill(up.children("yima.serve"))
    await crowd.reach(SCANS // 3)

    # everything dies at once, the database too: the same home starts again
    kill(living(home.path))
    up.process.wait()
    acknowledged = dict(crowd.answers)
    assert not scanning.done(), "the load outlasted the kill"
    assert len(acknowledged) < SCANS
    up = Up(home, port)
    await asyncio.to_thread(wait_until, up.is_ready, "ready after the kill")
    await scanning
    assert crowd.asked_again > 0

    # every award that a phone saw is there, and asking again gives the same reply
    assert {answer["outcome"] for answer in map(json.loads, crowd.answers.values())} == {"awarded"}
    async with httpx.AsyncClient(timeout=20, trust_env=False) as client:
        for body, token in crowd.requests:
            again = await crowd.send(client, body, token)
            assert again == crowd.answers[body["scan_id"]]
    audited = await asyncio.to_thread(home.run, "ledger", "audit", "--json")
    assert audited.status == 0, audited.stdout
    figures = json.loads(audited.stdout)["figures"]
    assert (figures["scans"], figures["claims_posted"], figures["points_issued"]) == (SCANS, SCANS, 10 * SCANS)

    # and an orderly end leaves nothing behind
    assert await asyncio.to_thread(up.stop) == 0
    await asyncio.to_thread(wait_until, lambda: not living(home.path), "all processes gone")
    said = up.log.read_text()
    assert not re.search(r"\b[0-9A-HJKMNP-TV-Z]{20}\b", said)
    assert not any(token in said for token in brand.tokens)


async def test_a_worker_killed_in_the_middle_of_a_task_has_it_done_by_the_next(own_home: Home) -> None:
    home = own_home
    async with prepared(home) as brand:
        up = Up(home, free_port())
        await asyncio.to_thread(wait_until, up.is_ready, "ready")
    out = home.path.parent / "labels.zpl"
    await asyncio.to_thread(_print_while_the_worker_dies, up, brand.batch, out)
    assert out.read_bytes().count(b"^XA") == 5
    assert await asyncio.to_thread(up.stop) == 0
    await asyncio.to_thread(wait_until, lambda: not living(home.path), "all processes gone")


_RENDERED = "SELECT state, attempts FROM task WHERE kind = 'render_labels'"


def _print_while_the_worker_dies(up: Up, batch: str, out: Path) -> None:
    """The worker hangs on a table that is locked until it was killed."""
    command = ["labels", "render", "--batch", batch, "--from", "1", "--to", "5", "--format", "zpl", "--background",
               "--out", str(out), "--json"]  # fmt: skip
    with database(up.home) as engine:
        with engine.begin() as tx:
            tx.execute(text("LOCK TABLE product IN ACCESS EXCLUSIVE MODE"))
            printing = subprocess.Popen(
                [str(YIMA), *command], env=up.home.environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE
            )

            def attempts() -> list[Any]:
                with engine.connect() as look:
                    return [row.attempts for row in look.execute(text(_RENDERED)) if row.state == "running"]

            assert wait_until(attempts, "the task is taken up") == [1]
            before = up.children("yima.celery_app --quiet worker")
            assert before
            kill(before)
        wait_until(
            lambda: {p.pid for p in up.children("yima.celery_app --quiet worker")} - {p.pid for p in before},
            "the launcher starts another worker",
        )
        assert attempts() == [1], "nobody takes the task up while its lease holds"
        with engine.begin() as tx:
            tx.execute(text("UPDATE task SET due_at = now() WHERE kind = 'render_labels'"))
        said, complained = printing.communicate(timeout=WAIT_S_MAX)
        assert printing.returncode == 0, complained
        assert json.loads(said)["labels"] == 5
        with engine.connect() as look:
            assert list(look.execute(text(_RENDERED))) == [("done", 2)]


def test_a_killed_launcher_takes_its_children_with_it_and_may_start_again_at_once(own_home: Home) -> None:
    home, port = own_home, free_port()
    up = Up(home, port)
    wait_until(up.is_ready, "ready")
    before = {process.pid for process in living(home.path)}
    assert len(before) >= 4
    up.process.kill()
    up.process.wait()
    again = Up(home, port)
    wait_until(again.is_ready, "ready again")
    wait_until(lambda: not before & {p.pid for p in living(home.path) if "celery" in p.command or "serve" in p.command},
               "the old children are gone")  # fmt: skip
    assert again.stop() == 0
    wait_until(lambda: not living(home.path), "all processes gone")


def test_two_installations_share_a_machine_but_not_a_port(own_home: Home) -> None:
    port = free_port()
    up = Up(own_home, port)
    wait_until(up.is_ready, "ready")
    said = own_home.refuse("up", "--port", port)
    assert str(port) in said
    assert up.is_ready(), "the first one goes on"
    os.killpg(up.process.pid, signal.SIGINT)
    assert up.process.wait(WAIT_S_MAX) == 0
    wait_until(lambda: not living(own_home.path), "all processes gone")


def test_a_proxy_in_the_environment_does_not_stand_between_the_launcher_and_its_server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Ready(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{free_port()}")
    with http.server.HTTPServer(("127.0.0.1", 0), Ready) as server, socket.socket() as unused:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            environment = {
                "YIMA_ENV": "dev",
                "YIMA_HOME": str(tmp_path),
                "YIMA_BIND": f"127.0.0.1:{server.server_port}",
            }
            launcher = Launcher(settings_module.load(environment), "postgresql:///x", unused)
            assert launcher._is_ready()
        finally:
            server.shutdown()
            thread.join()
