"""Databases of the tests' own server, made and dropped."""

from __future__ import annotations

from sqlalchemy import create_engine, text
from sqlalchemy.engine import make_url


def execute(url: str, statement: str) -> None:
    """Run one statement outside a transaction."""
    engine = create_engine(make_url(url), isolation_level="AUTOCOMMIT")
    try:
        with engine.connect() as connection:
            connection.execute(text(statement))
    finally:
        engine.dispose()


def drop(url: str, name: str) -> None:
    """Drop a database, whatever is still connected to it.

    Not `WITH (FORCE)`: that fails where autovacuum is at work, whose process our role may not end. A plain DROP
    asks autovacuum to go and waits; what the test itself left connected is ended first.
    """
    execute(
        url,
        f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}' AND usename = current_user",
    )
    execute(url, f"DROP DATABASE {name}")
