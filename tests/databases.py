"""Databases of the tests' own servers, made and dropped; and the settings that make this quick."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.engine import make_url

from kernel import postgres, postgres_folder
from yima import migrate

TEMPLATE = "template_yima"
LEAVE_S_MAX = 30

_FORGETFUL = """\
# The tests' server is thrown away with its data: nothing of it need outlive a crash of the machine.
fsync = off
full_page_writes = off
"""

_owners: dict[str, psycopg.Connection] = {}
"""By server address: the one connection that makes and drops databases."""


@contextlib.contextmanager
def server(home: Path, *, durable: bool) -> Iterator[str]:
    """A server with a migrated template database, which runs while the block does; gives its address.

    One that is not `durable` does not wait for the disk. A commit is as atomic, as isolated and as visible on it
    as on the other, and a process that dies loses nothing; only a crash of the machine would show the difference.
    """
    with pytest.MonkeyPatch.context() as patch:
        if not durable:
            as_always = postgres_folder._settings
            patch.setattr(postgres_folder, "_settings", lambda data: as_always(data) + _FORGETFUL)
        attachment = postgres.attach(home)
    with attachment:
        url = attachment.endpoint.url("psycopg")
        conninfo = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
        with psycopg.connect(conninfo, autocommit=True) as owner:
            _owners[url] = owner
            owner.execute(f"CREATE DATABASE {TEMPLATE}")
            migrate.upgrade(address(url, TEMPLATE))
            yield url
            del _owners[url]


def address(server_url: str, name: str) -> str:
    """The address of a database on this server."""
    return make_url(server_url).set(database=name).render_as_string(hide_password=False)


@contextlib.contextmanager
def made(server_url: str, name: str) -> Iterator[str]:
    """A database whose schema Alembic built, which is there while the block runs; gives its address."""
    # By copied files: where the disk is not waited for, half the work of writing every page to the log, too.
    _owners[server_url].execute(f"CREATE DATABASE {name} TEMPLATE {TEMPLATE} STRATEGY = FILE_COPY")
    try:
        yield address(server_url, name)
    finally:
        drop(server_url, name)


def execute(url: str, statement: str) -> None:
    """Run one statement outside a transaction."""
    engine = create_engine(make_url(url), isolation_level="AUTOCOMMIT")
    try:
        with engine.connect() as connection:
            connection.execute(text(statement))
    finally:
        engine.dispose()


def drop(server_url: str, name: str) -> None:
    """Drop a database, whatever is still connected to it.

    Not `WITH (FORCE)`: that fails where autovacuum is at work, whose process our role may not end. A plain DROP
    asks autovacuum to go and waits; what the test itself left connected is ended first. Their end is waited for
    here, because DROP looks ten times a second only.
    """
    owner = _owners[server_url]
    ours = "FROM pg_stat_activity WHERE datname = %s AND usename = current_user"
    owner.execute(f"SELECT pg_terminate_backend(pid) {ours}", [name])
    deadline = time.monotonic() + LEAVE_S_MAX
    while owner.execute(f"SELECT 1 {ours} LIMIT 1", [name]).fetchone():
        assert time.monotonic() < deadline, f"somebody stays connected to {name}"
        time.sleep(0.002)
    owner.execute(f"DROP DATABASE {name}")
