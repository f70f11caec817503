"""Brings the database to this version's schema. Safe to run from many processes at once."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, text
from sqlalchemy.engine import Connection, make_url
from sqlalchemy.exc import OperationalError

import migrations
from kernel.clock import now
from kernel.errors import ConfigurationError
from traceability.journal import partition_statements

POSTGRESQL_MIN = 18
_LOCK = 0x59494D41_00
LOCK_TIMEOUT_S = 60


@dataclass(frozen=True, slots=True)
class Migrated:
    """Revisions before and after; equal where there was nothing to do."""

    before: str | None
    after: str


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__path__[0])))
    return config


def head() -> str:
    """The newest revision that this version knows."""
    found = ScriptDirectory.from_config(_config()).get_current_head()
    assert found is not None
    return found


def current(connection: Connection) -> str | None:
    """The database's revision."""
    return MigrationContext.configure(connection).get_current_revision()


def upgrade(url: str) -> Migrated:
    """Migrate to the newest revision.

    Raises:
        ConfigurationError: the database cannot be reached, is older than PostgreSQL 18, or newer than this version.
    """
    engine = create_engine(make_url(url).set(drivername="postgresql+psycopg"))
    try:
        with engine.connect() as connection:
            version = int(connection.execute(text("SHOW server_version_num")).scalar_one()) // 10000
            if version < POSTGRESQL_MIN:
                raise ConfigurationError(f"The database is PostgreSQL {version}; {POSTGRESQL_MIN} or newer is needed.")
            connection.execute(text(f"SET lock_timeout = '{LOCK_TIMEOUT_S}s'"))
            connection.execute(text("SELECT pg_advisory_lock(:lock)"), {"lock": _LOCK})
            connection.commit()
            before = current(connection)
            connection.commit()
            known = {script.revision for script in ScriptDirectory.from_config(_config()).walk_revisions()}
            if before is not None and before not in known:
                raise ConfigurationError(
                    f"The database is at revision {before}, which this version does not know: it is newer."
                )
            config = _config()
            config.attributes["connection"] = connection
            if before != head():
                command.upgrade(config, "head")
                connection.commit()
            for statement in partition_statements(now().date()):
                connection.execute(text(statement))
            connection.commit()
            return Migrated(before, head())
    except OperationalError as error:
        raise ConfigurationError(f"The database cannot be reached: {_reason(error)}") from error
    finally:
        engine.dispose()


def _reason(error: OperationalError) -> str:
    lines = str(error.orig).strip().splitlines()
    return lines[0] if lines else "no answer"
