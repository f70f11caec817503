"""The database: one engine a process, transactions at the edge of a use case.

Inner functions take a `Tx` and never commit (DESIGN §2.8). All SQL is PostgreSQL's.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import structlog
from sqlalchemy import MetaData, event, text
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.engine.url import make_url
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine
from sqlalchemy.pool import NullPool, QueuePool

log = structlog.get_logger(__name__)

Tx = AsyncConnection
"""A database transaction that is open; whoever opened it commits it."""

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

STATEMENT_TIMEOUT_MS = 30_000
IDLE_IN_TRANSACTION_TIMEOUT_MS = 60_000
SLOW_STATEMENT_S = 1.0
STATEMENT_CHARS_SHOWN = 80


# Raised by our own triggers, whose sentence holds no value.
_OUR_OWN_STATES = frozenset({"23001"})


def _forget_values(context: ExceptionContext) -> None:
    """Rewrite a database error so that it tells its state and constraint, never a value.

    The server's details quote whole rows and the driver quotes what it cannot encode; an error ends in a log.
    """
    error, driver = context.sqlalchemy_exception, context.original_exception
    if not isinstance(error, DBAPIError):
        return
    server = driver.__cause__
    state = getattr(driver, "sqlstate", None) or getattr(server, "sqlstate", None)
    said = f"{type(server or driver).__name__} (SQLSTATE {state})"
    constraint = getattr(server, "constraint_name", None)
    if constraint:
        said += f", constraint {constraint} of {getattr(server, 'table_name', None)}"
    if state in _OUR_OWN_STATES:
        said += f": {getattr(server, 'message', '')}"
    driver.args = (said,)
    error.args = (said, *error.args[1:])
    driver.__cause__ = driver.__context__ = None
    error.__context__ = None


@dataclass(frozen=True, slots=True)
class PoolFigures:
    """Connections: how many there may be, how many are in use, how many transactions wait for one."""

    size: int
    in_use: int
    waiting: int


def name_of(statement: str) -> str:
    """The beginning of a statement; values are always bound, so that its text holds none."""
    return " ".join(statement.split())[:STATEMENT_CHARS_SHOWN]


class Database:
    """A pool of connections and the only way to open a transaction.

    Args:
        url: any PostgreSQL URL that SQLAlchemy reads; the driver is always asyncpg.
        pool_size: connections kept open; 0 opens one for each transaction (commands, worker processes).
        application: the name shown in `pg_stat_activity`.
    """

    def __init__(self, url: str, *, pool_size: int = 8, application: str = "yima") -> None:
        self.url = url
        options: dict[str, Any] = {"poolclass": NullPool}
        if pool_size:
            options = {"pool_size": pool_size, "max_overflow": 0, "pool_timeout": 10, "pool_pre_ping": False}
        self._engine = create_async_engine(
            make_url(url).set(drivername="postgresql+asyncpg"),
            hide_parameters=True,  # an error's text goes to the log; its values may be codes or phone numbers
            connect_args={
                "server_settings": {
                    "application_name": application,
                    "statement_timeout": str(STATEMENT_TIMEOUT_MS),
                    "idle_in_transaction_session_timeout": str(IDLE_IN_TRANSACTION_TIMEOUT_MS),
                    "timezone": "UTC",
                    "jit": "off",
                },
                "timeout": 10,
            },
            **options,
        )
        self.statements = 0
        self.slow_statements = 0
        self._waiting = 0
        event.listen(self._engine.sync_engine, "before_cursor_execute", self._begin)
        event.listen(self._engine.sync_engine, "after_cursor_execute", self._end)
        event.listen(self._engine.sync_engine, "handle_error", _forget_values)

    def _begin(self, _: object, __: object, ___: str, ____: object, context: Any, _____: bool) -> None:  # noqa: ANN401 (SQLAlchemy's signature)
        self.statements += 1
        context.began = time.perf_counter()

    def _end(self, _: object, __: object, statement: str, ____: object, context: Any, _____: bool) -> None:  # noqa: ANN401 (SQLAlchemy's signature)
        took_s = time.perf_counter() - context.began
        if took_s >= SLOW_STATEMENT_S:
            self.slow_statements += 1
            log.warning("statement.slow", statement=name_of(statement), ms=round(took_s * 1000))

    def listen(self, name: str, listener: Callable[..., None]) -> None:
        """Listen to an event of the engine (SQLAlchemy's name for it), such as each statement's begin and end."""
        event.listen(self._engine.sync_engine, name, listener)

    @property
    def pool(self) -> PoolFigures:
        """The pool now."""
        pool = self._engine.sync_engine.pool
        if not isinstance(pool, QueuePool):
            return PoolFigures(0, 0, self._waiting)
        return PoolFigures(pool.size(), pool.checkedout(), self._waiting)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Tx]:
        """Open a transaction; commit when the block ends, roll back when it raises."""
        async with AsyncExitStack() as stack:
            self._waiting += 1
            try:
                tx = await stack.enter_async_context(self._engine.connect())
            finally:
                self._waiting -= 1
            async with tx.begin():
                yield tx

    async def ping(self) -> None:
        """Raise unless the database answers."""
        async with self.transaction() as tx:
            await tx.execute(text("SELECT 1"))

    async def close(self) -> None:
        """Close every connection of the pool."""
        await self._engine.dispose()
