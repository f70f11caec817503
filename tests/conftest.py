"""A real PostgreSQL for every test that touches data: one server a session, one fresh database a test."""

from __future__ import annotations

import contextlib
import ipaddress
import itertools
import os
import secrets
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import hypothesis
import pytest

from tests import databases
from yima import runtime
from yima.runtime import Runtime
from yima.settings import Settings

# a slow machine must not fail a property
hypothesis.settings.register_profile("yima", deadline=None, print_blob=True)
hypothesis.settings.load_profile("yima")

_numbers = itertools.count(1)

# Those that take long and those that wait much come first: last, they would leave the other workers idle.
_LONG = (
    "tests/production/", "tests/yima/", "tests/web/console/test_heatmap_browser.py", "tests/web/", "tests/staff/",
    "tests/scanapi/", "tests/kernel/test_postgres",
)  # fmt: skip


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep together, for runs in several processes, the tests of a module that shares what it set up."""
    for item in items:
        module = item.nodeid.partition("::")[0]
        if _shares(item):
            item.add_marker(pytest.mark.xdist_group(module.removeprefix("tests/").removesuffix(".py")))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """One process more than there are processors: tests wait for services, locks and disks, too."""
    del config
    return min(len(os.sched_getaffinity(0)) + 1, 8)


def _shares(item: pytest.Item) -> bool:
    found: dict[str, list[pytest.FixtureDef[object]]] = item._fixtureinfo.name2fixturedefs  # type: ignore[attr-defined]
    return any(each[-1].scope in ("module", "package", "class") for each in found.values())


@pytest.fixture(scope="session")
def server_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A PostgreSQL server of this session, with a migrated template database."""
    with databases.server(tmp_path_factory.mktemp("postgres"), durable=False) as url:
        yield url


@pytest.fixture
def database_url(server_url: str) -> Iterator[str]:
    """A database of this test's own, whose schema Alembic built."""
    with databases.made(server_url, f"test_{next(_numbers)}") as url:
        yield url


@pytest.fixture
def settings(tmp_path: Path, database_url: str) -> Settings:
    """Development settings over the test's database."""
    return Settings(
        env="dev",
        home=tmp_path / "home",
        database_url=database_url,
        broker_url=None,
        redis_url=None,
        secret_keys=(secrets.token_urlsafe(32),),
        bind=("127.0.0.1", 8000),
        public_url="HTTPS://T.YIMA.CN",
        limit_exempt=(ipaddress.ip_network("127.0.0.0/8"),),
        ip_data=None,
        sms_url=None,
        sms_secret=None,
    )


@pytest.fixture
async def opened(settings: Settings, database_url: str) -> AsyncIterator[Runtime]:
    """The running installation of this test."""
    async with runtime.connect(settings, database_url, pool_size=8, application="test") as found:
        yield found


@pytest.fixture
async def world(opened: Runtime, tmp_path: Path) -> AsyncIterator[World]:
    """A brand with products, an activated batch, members and a scan service."""
    async with contextlib.AsyncExitStack() as stack:
        yield await World.make(opened, tmp_path, stack)


from tests.world import World  # noqa: E402 (after the fixtures that it needs)
