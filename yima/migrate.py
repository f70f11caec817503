"""Brings the database to this version's schema. Safe to run from many processes at once, and while others serve.

A migration takes its locks within seconds or not at all: a statement that waited for a lock would make everybody
behind it wait too. What could not be had is tried again, each time a little later.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import structlog
from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, text
from sqlalchemy.engine import Connection, make_url
from sqlalchemy.exc import DBAPIError, OperationalError

import migrations
from kernel.clock import now
from kernel.errors import ConfigurationError
from traceability.journal import partition_statements

log = structlog.get_logger(__name__)

POSTGRESQL_MIN = 18
_LOCK = 0x59494D41_00
TURN_S_MAX = 60
"""How long one waits for another that migrates."""
LOCK_TIMEOUT_MS = 500
"""How long a statement of a migration waits for a lock, and everybody behind it with it.

Less than PostgreSQL's `deadlock_timeout` (1 s): where a migration and a scan wait for each other, the migration
gives way before the server ends one of them, which might be the scan.
"""
TRIES_MAX = 60
PAUSE_S_MAX = 5.0

_RACES = frozenset({"55P03", "40P01"})  # lock not available, deadlock
_MARK = "serves programs from "


@dataclass(frozen=True, slots=True)
class Migrated:
    """Revisions before and after; equal where there was nothing to do."""

    before: str | None
    after: str


@dataclass(frozen=True, slots=True)
class Schema:
    """The database's revision, and the oldest version whose programs can serve from it."""

    revision: str | None
    serves_from: str | None


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__path__[0])))
    return config


@cache
def _chain() -> tuple[str, ...]:
    """All revisions that this version knows, the newest first."""
    return tuple(script.revision for script in ScriptDirectory.from_config(_config()).walk_revisions())


def head() -> str:
    """The newest revision that this version knows."""
    return _chain()[0]


def current(connection: Connection) -> str | None:
    """The database's revision."""
    return MigrationContext.configure(connection).get_current_revision()


def state(connection: Connection) -> Schema:
    """The database's revision and whom it serves, in one statement where there is a schema."""
    exists = connection.execute(text("SELECT to_regclass('alembic_version') IS NOT NULL")).scalar_one()
    if not exists:
        return Schema(None, None)
    row = connection.execute(
        text("SELECT version_num, obj_description('alembic_version'::regclass, 'pg_class') FROM alembic_version")
    ).one_or_none()
    if row is None:
        return Schema(None, None)
    revision, said = row
    return Schema(revision, said.removeprefix(_MARK) if said is not None and said.startswith(_MARK) else None)


def suits(schema: Schema) -> bool:
    """Whether this version's programs can serve: the schema is theirs, or newer and marked as good for them."""
    return schema.revision == head() or (schema.revision not in _chain() and schema.serves_from in _chain())


def refusal(schema: Schema) -> str | None:
    """Why this version's programs cannot serve from a schema, in a sentence; None where they can."""
    if suits(schema):
        return None
    if schema.revision is None or schema.revision in _chain():
        return (
            f"The database is at revision {schema.revision or 'none'}, this version needs {head()}: run `yima migrate`."
        )
    return (
        f"The database is at revision {schema.revision}, which serves programs from {schema.serves_from or 'there on'} "
        f"only, and this version is of {head()}: start the newer version."
    )


def upgrade(url: str, *, to: str = "head") -> Migrated:
    """Migrate to the newest revision, or to one of those before it.

    Raises:
        ConfigurationError: the database cannot be reached, is older than PostgreSQL 18, newer than this version, or
            so busy that a lock could not be had in `TRIES_MAX` tries.
    """
    engine = create_engine(make_url(url).set(drivername="postgresql+psycopg"), hide_parameters=True)
    try:
        with engine.connect() as connection:
            version = int(connection.execute(text("SHOW server_version_num")).scalar_one()) // 10000
            if version < POSTGRESQL_MIN:
                raise ConfigurationError(f"The database is PostgreSQL {version}; {POSTGRESQL_MIN} or newer is needed.")
            _take_turn(connection)
            connection.execute(text(f"SET lock_timeout = {LOCK_TIMEOUT_MS}"))
            connection.commit()
            before = current(connection)
            connection.commit()
            if before is not None and before not in _chain():
                raise ConfigurationError(
                    f"The database is at revision {before}, which this version does not know: it is newer."
                )
            _patiently(connection, lambda: _migrate(connection, to))
            _patiently(connection, lambda: _make_partitions(connection))
            return Migrated(before, head() if to == "head" else to)
    except OperationalError as error:
        raise ConfigurationError(f"The database cannot be reached: {_reason(error)}") from error
    finally:
        engine.dispose()


def _take_turn(connection: Connection) -> None:
    """Be the only one that migrates.

    Asks again and again: one that waited inside a statement would hold a snapshot, and an index that is built
    concurrently waits for all of those.
    """
    deadline = time.monotonic() + TURN_S_MAX
    while not connection.execute(text("SELECT pg_try_advisory_lock(:lock)"), {"lock": _LOCK}).scalar_one():
        connection.rollback()
        if time.monotonic() > deadline:
            raise ConfigurationError(f"Another process has been migrating this database for over {TURN_S_MAX} s.")
        time.sleep(0.1)
    connection.commit()


def _migrate(connection: Connection, to: str) -> None:
    at = current(connection)
    connection.commit()  # Alembic opens a transaction for each migration, and none for what PostgreSQL allows in none
    if at != head():
        config = _config()
        config.attributes["connection"] = connection
        command.upgrade(config, to)
    connection.commit()


def _make_partitions(connection: Connection) -> None:
    for statement in partition_statements(now().date()):
        connection.execute(text(statement))
    connection.commit()


def _patiently(connection: Connection, work: Callable[[], None]) -> None:
    """Do the work; where a lock could not be had in time, let the others go first and try again."""
    for tried in range(1, TRIES_MAX + 1):
        try:
            work()
        except DBAPIError as error:
            if getattr(error.orig, "sqlstate", None) not in _RACES:
                raise
            connection.rollback()
            log.warning("migrate.lock_not_had", tried=tried)
            if tried == TRIES_MAX:
                raise ConfigurationError(
                    f"A lock could not be had in {TRIES_MAX} tries of {LOCK_TIMEOUT_MS / 1000:g} s: a long transaction "
                    "holds it (see pg_stat_activity). Nothing is half done; run `yima migrate` again."
                ) from error
            time.sleep(min(PAUSE_S_MAX, 0.1 * 2**tried))
        else:
            return


def _reason(error: OperationalError) -> str:
    lines = str(error.orig).strip().splitlines()
    return lines[0] if lines else "no answer"
