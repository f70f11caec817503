"""A real PostgreSQL for every test that touches data: one server a session, one fresh database a test."""

from __future__ import annotations

import contextlib
import ipaddress
import itertools
import secrets
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import hypothesis
import pytest
from sqlalchemy.engine import make_url

from kernel import postgres
from tests import databases
from yima import migrate, runtime
from yima.runtime import Runtime
from yima.settings import Settings

# a slow machine must not fail a property
hypothesis.settings.register_profile("yima", deadline=None, print_blob=True)
hypothesis.settings.load_profile("yima")

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def server_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A PostgreSQL server of this session, with a migrated template database."""
    home = tmp_path_factory.mktemp("postgres")
    with postgres.attach(home) as attachment:
        url = attachment.endpoint.url("psycopg")
        databases.execute(url, "CREATE DATABASE template_yima")
        migrate.upgrade(make_url(url).set(database="template_yima").render_as_string(hide_password=False))
        yield url


@pytest.fixture
def database_url(server_url: str) -> Iterator[str]:
    """A database of this test's own, whose schema Alembic built."""
    name = f"test_{next(_numbers)}"
    databases.execute(server_url, f"CREATE DATABASE {name} TEMPLATE template_yima")
    yield make_url(server_url).set(database=name).render_as_string(hide_password=False)
    databases.drop(server_url, name)


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
