"""The worker over each transport: the database, a real Redis and a real RabbitMQ, started here and stopped.

The row is the job and a message only wakes a worker up: no beat runs here, so what is done was told by a
message, or by the one sweep that a test asks for.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from celery import Celery
from sqlalchemy import text

from kernel import outbox, tasks
from kernel.outbox import Message
from tests import databases
from tests.yima.conftest import Home, free_port
from yima import asgi, broker, queues, runtime, worker
from yima import settings as settings_module
from yima.delivery import read_development_codes
from yima.runtime import Runtime
from yima.settings import ACCEPT_LOSS

WAIT_S_MAX = 60

# kombu's tables over the database use a loader that SQLAlchemy 2.1 deprecates
pytestmark = pytest.mark.filterwarnings("ignore:The ``noload`` loader:sqlalchemy.exc.SADeprecationWarning")


def program(*names: str) -> str:
    """A program of the distribution; a missing one is a failure, never a skip."""
    for name in names:
        if found := shutil.which(name):
            return found
    pytest.fail(f"{names[0]} is not installed: apt-get install redis-server rabbitmq-server")


@contextlib.contextmanager
def child(command: list[str], log: Path, **more: Any) -> Iterator[subprocess.Popen[bytes]]:
    """A child process that ends with the block."""
    with log.open("ab") as said:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=said, stderr=said, **more)
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def wait_until_it_answers(port: int, hello: bytes, answer: bytes, process: subprocess.Popen[bytes], log: Path) -> None:
    """Greet in the broker's own protocol until it answers."""
    deadline = time.monotonic() + WAIT_S_MAX
    while True:
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < deadline, log.read_text()
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
            connection.sendall(hello)
            if connection.recv(100).startswith(answer):
                return
        time.sleep(0.1)


@contextlib.contextmanager
def redis(folder: Path, *, port: int | None = None) -> Iterator[str]:
    port = port or free_port()
    arguments = ["--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder), "--save", "", "--appendonly", "no"]
    with child([program("redis-server"), *arguments], folder / "log") as process:
        wait_until_it_answers(port, b"PING\r\n", b"+PONG", process, folder / "log")
        yield f"redis://127.0.0.1:{port}/0"


@contextlib.contextmanager
def rabbitmq(folder: Path) -> Iterator[str]:
    """A node of its own name, data and ports, and its own port mapper, so that no other node is met."""
    server = program("/usr/lib/rabbitmq/bin/rabbitmq-server", "rabbitmq-server", "/usr/sbin/rabbitmq-server")
    port, mapper = free_port(), free_port()
    plugins = folder / "enabled_plugins"
    plugins.write_text("[].\n")
    environment = {
        **os.environ, "HOME": str(folder), "ERL_EPMD_PORT": str(mapper), "ERL_EPMD_ADDRESS": "127.0.0.1",
        "RABBITMQ_NODENAME": f"yima-test-{port}@localhost", "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
        "RABBITMQ_NODE_PORT": str(port), "RABBITMQ_DIST_PORT": str(free_port()),
        "RABBITMQ_MNESIA_BASE": str(folder / "data"), "RABBITMQ_LOG_BASE": str(folder / "logs"),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(plugins), "RABBITMQ_CONFIG_FILE": str(folder / "none"),
        "RABBITMQ_CONF_ENV_FILE": str(folder / "none"), "RABBITMQ_ADVANCED_CONFIG_FILE": str(folder / "none"),
    }  # fmt: skip
    try:
        with child([server], folder / "log", env=environment, cwd=folder) as process:
            wait_until_it_answers(port, b"AMQP\x00\x00\x09\x01", b"\x01", process, folder / "log")
            yield f"amqp://guest:guest@127.0.0.1:{port}//"
    finally:
        subprocess.run(
            [program("epmd"), "-port", str(mapper), "-kill"], check=True, capture_output=True, env=environment
        )


@dataclasses.dataclass(frozen=True, slots=True)
class Site:
    """An installation over one transport, with a worker process and a way to send it messages."""

    opened: Runtime
    celery: Celery

    async def submit(self, kind: str = "settle_claims") -> UUID:
        async with self.opened.db.transaction() as tx:
            return await tasks.submit(tx, kind, {})

    async def status(self, task_id: UUID) -> tasks.TaskStatus:
        async with self.opened.db.transaction() as tx:
            return await tasks.status(tx, task_id)

    async def send(self, name: str, *arguments: str) -> None:
        await asyncio.to_thread(self.celery.send_task, name, arguments, ignore_result=True)

    async def until_done(self, task_id: UUID) -> tasks.TaskStatus:
        async def finished() -> tasks.TaskStatus | None:
            found = await self.status(task_id)
            return found if found.state in ("done", "failed") else None

        return await until(finished)


async def until(true: Callable[[], Any]) -> Any:
    """Poll; the limit only keeps a defect from hanging the run."""
    async with asyncio.timeout(WAIT_S_MAX):
        while (found := await true()) is None:
            await asyncio.sleep(0.02)
        return found


@pytest.fixture(scope="module", params=["database", "redis", "rabbitmq"])
async def site(
    request: pytest.FixtureRequest, server_url: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Site]:
    folder = tmp_path_factory.mktemp(request.param)
    name = f"test_broker_{request.param}"
    brokers = {"database": lambda _: contextlib.nullcontext(None), "redis": redis, "rabbitmq": rabbitmq}
    async with contextlib.AsyncExitStack() as stack:
        url = stack.enter_context(databases.made(server_url, name))
        address = stack.enter_context(brokers[request.param](folder))
        environment = Home(folder / "home").environment(
            YIMA_DATABASE_URL=url,
            YIMA_UNSAFE_DATABASE=ACCEPT_LOSS,
            YIMA_SECRET_KEYS=secrets.token_urlsafe(32),
            **({"YIMA_BROKER_URL": address} if address else {}),
        )
        command = [sys.executable, "-m", "celery", "-A", "yima.celery_app", "--quiet", "worker", "--concurrency=1",
                   "-Q", f"{queues.QUEUE},{queues.LONG_QUEUE}",
                   "--loglevel=WARNING", "--without-mingle", "--without-gossip"]  # fmt: skip
        stack.enter_context(child(command, folder / "worker.log", env=environment, cwd=folder))
        settings = settings_module.load(environment)
        opened = await stack.enter_async_context(runtime.connect(settings, url, pool_size=2, application="test"))
        celery = broker.make_app(settings, url)
        stack.callback(celery.close)
        yield Site(opened, celery)


async def test_a_task_that_a_message_tells_of_is_done(site: Site) -> None:
    task_id = await site.submit()
    await site.send("yima.run", str(task_id))
    found = await site.until_done(task_id)
    assert (found.state, found.attempts, found.result) == ("done", 1, {"settled": 0})


async def test_a_message_that_comes_many_times_does_its_task_once(site: Site) -> None:
    task_id, last = await site.submit(), await site.submit()
    for _ in range(3):
        await site.send("yima.run", str(task_id))
    await site.send("yima.run", str(last))  # messages are taken in order: this one comes after all the doubles
    assert (await site.until_done(last)).state == "done"
    found = await site.status(task_id)
    assert (found.state, found.attempts) == ("done", 1)


async def test_a_message_about_nothing_disturbs_nobody(site: Site) -> None:
    await site.send("yima.run", str(uuid4()))
    await site.send("yima.run", "no id at all")
    await site.send("yima.nothing")
    task_id = await site.submit()
    await site.send("yima.run", str(task_id))
    assert (await site.until_done(task_id)).state == "done"


async def test_a_task_whose_message_was_lost_is_found_by_the_sweep(site: Site) -> None:
    task_id = await site.submit()
    done = await worker.sweep_once(site.opened, worker.run_here)
    assert "fault" not in done.values()
    assert done["tasks"] == 1
    assert (await site.status(task_id)).state == "done"
    swept = await site.submit()
    await site.send("yima.sweep")
    assert (await site.until_done(swept)).state == "done"


async def test_what_is_in_the_outbox_leaves_when_the_web_process_wakes_the_worker(site: Site) -> None:
    phone = f"+86138{secrets.randbelow(10**8):08d}"
    body = f'{{"to": "{phone}", "code": "123456", "language": "zh"}}'.encode()
    async with site.opened.db.transaction() as tx:
        await outbox.put(tx, site.opened.vault, [Message("sms.code", f"sms.code/{phone}", body)])
    asgi.Waker(site.celery)()

    async def arrived() -> str | None:
        return read_development_codes(site.opened.settings).get(phone)

    assert await until(arrived) == "123456"

    async def noted() -> bool | None:
        async with site.opened.db.transaction() as tx:
            states = await tx.execute(text("SELECT DISTINCT state FROM outbox_message"))
            return True if list(states.scalars()) == ["sent"] else None

    assert await until(noted)


async def test_housekeeping_runs_and_prunes_what_the_transport_delivered(site: Site) -> None:
    over_database = site.opened.settings.broker_url is None
    if over_database:
        async with site.opened.db.transaction() as tx:
            await tx.execute(text("UPDATE kombu_message SET timestamp = now() - interval '2 hours' WHERE NOT visible"))
    await worker._housekeeping(site.opened)
    if over_database:
        async with site.opened.db.transaction() as tx:
            left = await tx.execute(text("SELECT count(*) FROM kombu_message WHERE NOT visible"))
            assert left.scalar_one() == 0
        assert await worker.sweep_once(site.opened, worker.run_here), "and the worker goes on"
    async with site.opened.db.transaction() as tx:
        partitions = await tx.execute(text("SELECT count(*) FROM pg_inherits WHERE inhparent = 'scan'::regclass"))
        assert partitions.scalar_one() >= 2


async def test_a_broker_that_is_away_keeps_nobody_waiting_and_loses_nothing(opened: Runtime) -> None:
    """The wake-up is sent in the background; what it tells of is in the database."""
    settings = dataclasses.replace(opened.settings, broker_url=f"amqp://127.0.0.1:{free_port()}//")
    away = broker.make_app(settings, opened.url)
    async with opened.db.transaction() as tx:
        task_id = await tasks.submit(tx, "settle_claims", {})
    waker = asgi.Waker(away)
    waker()
    assert (await worker.sweep_once(opened, worker.run_here))["tasks"] == 1
    async with opened.db.transaction() as tx:
        assert (await tasks.status(tx, task_id)).state == "done"
    await asyncio.gather(*waker._sending)
    away.close()
