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

# In a run in several processes the long ones start first: started last, they would leave all others idle.
_LONG_FIRST = (
    "tests/simulation/", "tests/attacks/test_schemathesis", "tests/attacks/",
    "tests/yima/test_processes", "tests/production/test_services", "tests/web/console/test_heatmap_browser",
    "tests/yima/test_cli", "tests/yima/test_demo", "tests/web/console/test_scans", "tests/yima/test_brokers",
    "tests/kernel/test_postgres", "tests/yima/", "tests/production/", "tests/web/", "tests/staff/",
)  # fmt: skip


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Where a run in several processes shall begin; a file's tests stay together, in their order."""
    if hasattr(config, "workerinput"):
        last = len(_LONG_FIRST)
        items.sort(key=lambda item: next((n for n, at in enumerate(_LONG_FIRST) if item.nodeid.startswith(at)), last))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """One process more than there are processors: tests also wait for services, locks and disks."""
    return min(len(os.sched_getaffinity(0)) + 1, 8)


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
        unsafe_database=True,  # the tests' server does not write through
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
