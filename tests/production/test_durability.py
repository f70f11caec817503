"""Nothing starts over a database that would lose what it acknowledged, unless told to in so many words."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy.engine import make_url

from kernel.clock import now
from kernel.errors import ConfigurationError
from tests import databases
from tests.production.conftest import client, started
from tests.world import World
from yima import asgi, runtime
from yima.settings import ACCEPT_LOSS, Settings


@pytest.fixture(scope="module")
def durable_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with databases.server(tmp_path_factory.mktemp("durable"), durable=True) as url:
        yield url


@pytest.fixture
def durable(durable_server: str, settings: Settings) -> Iterator[Settings]:
    """Settings over a database that keeps what it is told, and that nobody accepted the loss of."""
    with databases.made(durable_server, "test_durability") as url:
        yield dataclasses.replace(settings, database_url=url, unsafe_database=False)


async def start(settings: Settings) -> None:
    assert settings.database_url is not None
    async with runtime.connect(settings, settings.database_url, application="test"):
        pass


def role_of(settings: Settings) -> str:
    role = make_url(settings.database_url or "").username
    assert role
    return role


async def test_a_durable_database_is_served(durable: Settings) -> None:
    await start(durable)
    await start(dataclasses.replace(durable, env="production"))


@pytest.mark.parametrize("env", ["production", "dev"])
@pytest.mark.parametrize(
    ("switch", "undo", "named"),
    [
        ("ALTER DATABASE {database} SET synchronous_commit = off", "SELECT 1", "synchronous_commit is off"),
        (
            "ALTER ROLE {role} SET synchronous_commit = off", "ALTER ROLE {role} RESET synchronous_commit",
            "synchronous_commit is off",
        ),
        (
            "ALTER ROLE {role} IN DATABASE {database} SET synchronous_commit = off",
            "ALTER ROLE {role} IN DATABASE {database} RESET ALL", "synchronous_commit is off",
        ),
        ("ALTER TABLE scan_replay SET UNLOGGED", "SELECT 1", "table scan_replay is unlogged"),
        ("ALTER TABLE {month} SET UNLOGGED", "SELECT 1", "table scan_20.* is unlogged"),
    ],
)  # fmt: skip
async def test_a_database_that_loses_is_refused_and_the_reason_is_named(
    durable: Settings, env: str, switch: str, undo: str, named: str
) -> None:
    url = durable.database_url or ""
    values = {"database": make_url(url).database, "role": role_of(durable), "month": f"scan_{now():%Y_%m}"}
    databases.execute(url, switch.format(**values))
    try:
        asked = dataclasses.replace(durable, env=env)
        with pytest.raises(ConfigurationError, match=named) as caught:
            await start(asked)
        assert f"YIMA_UNSAFE_DATABASE={ACCEPT_LOSS}" in caught.value.message
        await start(dataclasses.replace(asked, unsafe_database=True))
    finally:
        databases.execute(url, undo.format(**values))


async def test_a_stronger_commit_than_the_usual_is_served(durable: Settings) -> None:
    url = durable.database_url or ""
    for stronger in ("remote_apply", "remote_write", "local"):
        databases.execute(url, f"ALTER DATABASE {make_url(url).database} SET synchronous_commit = {stronger}")
        await start(durable)


async def test_a_server_without_fsync_is_refused_and_all_that_is_off_is_named(
    settings: Settings, database_url: str
) -> None:
    with pytest.raises(ConfigurationError, match="fsync is off, full_page_writes is off"):
        await start(dataclasses.replace(settings, database_url=database_url, unsafe_database=False))


async def test_a_process_is_not_ready_any_more_once_its_database_began_to_lose(
    durable: Settings, tmp_path: Path
) -> None:
    """`ALTER SYSTEM` and the like while it serves: what could not be started is not ready."""
    url = durable.database_url or ""
    async with contextlib.AsyncExitStack() as stack:
        opened = await stack.enter_async_context(runtime.connect(durable, url, pool_size=2, application="test"))
        await World.make(opened, tmp_path, stack)
        app = await stack.enter_async_context(started(asgi.make_app(durable, url)))
        asking = await stack.enter_async_context(client(app))
        answer = await asking.get("/ready")
        assert (answer.status_code, answer.json()["durability"]) == (200, "ok")
        databases.execute(url, "ALTER TABLE refused_count SET UNLOGGED")
        answer = await asking.get("/ready")
        assert (answer.status_code, answer.json()["durability"]) == (503, "table refused_count is unlogged")
        assert answer.json()["database"] == "ok"


def test_the_embedded_database_is_durable(tmp_path: Path) -> None:
    from kernel import postgres_folder

    said = postgres_folder._settings(tmp_path)
    for name in ("fsync", "synchronous_commit", "full_page_writes"):
        assert f"\n{name} = on\n" in said
