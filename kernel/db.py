"""The database: one engine a process, transactions at the edge of a use case.

Inner functions take a `Tx` and never commit (DESIGN §2.8). All SQL is PostgreSQL's.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, AsyncExitStack, asynccontextmanager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

import asyncpg
import msgspec
import structlog
from sqlalchemy import MetaData, event, text
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.engine.url import make_url
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry, NullPool, QueuePool

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
TRANSACTION_TIMEOUT_MS = 90_000
"""The server ends a connection whose transaction is older, whatever it waits for: its client may have vanished."""
TRANSACTION_S_MAX = 60.0
"""A transaction over a pool is given up after this time: the server may have vanished without a word."""
SLOW_STATEMENT_S = 1.0
STATEMENT_CHARS_SHOWN = 80

_VANISHED = {
    "tcp_keepalives_idle": "15", "tcp_keepalives_interval": "5", "tcp_keepalives_count": "3",
    "tcp_user_timeout": "30000", "client_connection_check_interval": "10000",
}  # fmt: skip
"""The server notices within half a minute that its client's machine is gone, and gives back its locks."""

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


class StatementFailed(Exception):
    """A `Statement` failed. Its text tells the server's state and constraint, never a value.

    Attributes:
        sqlstate: the server's five characters, or None where the connection was lost.
        away: whether the connection is of no use any more.
    """

    def __init__(self, said: str, *, sqlstate: str | None, away: bool) -> None:
        super().__init__(said)
        self.sqlstate = sqlstate
        self.away = away


def state_of(error: BaseException) -> str | None:
    """The server's state behind a failed statement, however it was run; None where no server told one."""
    return getattr(error, "sqlstate", None) or getattr(getattr(error, "orig", None), "sqlstate", None)


def is_away(error: BaseException) -> bool:
    """Whether the database cannot be reached, as opposed to having refused a statement."""
    lost = getattr(error, "connection_invalidated", False) or getattr(error, "away", False)
    return isinstance(error, (OSError, PoolTimeout)) or bool(lost)


class Statement:
    """A statement that a hot path runs again and again, handed to the driver without SQLAlchemy's layers between.

    They cost as much as the server's own work for a small group. Connection, pool and transaction stay SQLAlchemy's.

    Args:
        sql: with `:name` for each value; types are told by casts.
    """

    def __init__(self, sql: str) -> None:
        names: list[str] = []

        def number(found: re.Match[str]) -> str:
            if found[1] not in names:
                names.append(found[1])
            return f"${names.index(found[1]) + 1}"

        self.sql = _NAMED.sub(number, sql)
        self.names = tuple(names)

    async def fetch(self, tx: Tx, values: Mapping[str, Any]) -> list[Any]:
        """Run it in an open transaction; its rows, each to be taken apart by position.

        Raises:
            StatementFailed: the server refused it, or is gone.
        """
        connection = tx.sync_connection
        assert connection is not None
        driver: Any = connection.connection.driver_connection
        adapted: Any = connection.connection.dbapi_connection
        if adapted._transaction is None:  # noqa: SLF001 (see `_begin`)
            await _begin(tx, adapted)
        database: Database = connection.info["database"]
        with database.timing(self.sql):
            try:
                rows: list[Any] = await driver.fetch(self.sql, *[values[name] for name in self.names])
            except asyncio.CancelledError as given_up:
                await tx.invalidate(given_up)  # else the rollback would wait for a server that may be gone
                raise
            except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
                raise _without_values(error, driver) from None
        return rows


async def _begin(tx: Tx, adapted: Any) -> None:  # noqa: ANN401 (SQLAlchemy's connection around the driver's)
    """Begin as SQLAlchemy does with the first statement that it sees; an empty one would be one more round trip.

    Raises:
        DBAPIError: the connection is dead.
    """
    try:
        await adapted._start_transaction()  # noqa: SLF001 (a test holds that SQLAlchemy still has it)
    except asyncio.CancelledError as given_up:
        # The server may begin yet, and nobody would know of it: a transaction that nobody ends, or a commit that ends
        # nothing. Such a connection must not be used again.
        await tx.invalidate(given_up)
        raise
    except Exception:  # noqa: BLE001 (it says so itself)
        await tx.execute(_NOTHING)  # it finds the connection dead as we did, and replaces all that are


def encode_rows(rows: Sequence[object]) -> str:
    """Rows as one JSON value for `json_to_recordset`, their fields by name: bytes in base64, times in ISO 8601.

    As arrays of columns they would cost the driver five times as much, element by element (docs/performance.md).
    """
    return _ENCODER.encode(rows).decode()


_ENCODER = msgspec.json.Encoder()
_NOTHING = text("SELECT")
_NAMED = re.compile(r"(?<![:\w]):([a-z_0-9]+)")


def _without_values(error: Exception, driver: Any) -> StatementFailed:  # noqa: ANN401 (the driver's connection)
    state = getattr(error, "sqlstate", None)
    said = f"{type(error).__name__} (SQLSTATE {state})"
    constraint = getattr(error, "constraint_name", None)
    if constraint:
        said += f", constraint {constraint} of {getattr(error, 'table_name', None)}"
    if state in _OUR_OWN_STATES:
        said += f": {getattr(error, 'message', '')}"
    return StatementFailed(said, sqlstate=state, away=driver.is_closed() or isinstance(error, OSError))


class Database:
    """A pool of connections and the only way to open a transaction.

    Args:
        url: any PostgreSQL URL that SQLAlchemy reads; the driver is always asyncpg.
        pool_size: connections kept open; 0 opens one for each transaction (commands, worker processes).
        application: the name shown in `pg_stat_activity`.

    Attributes:
        statements: how many were run.
        slow_statements: how many of them took a second or more.
        around: stands around each `Statement`, such as a span; the engine's own are seen by `listen`.
    """

    def __init__(self, url: str, *, pool_size: int = 8, application: str = "yima") -> None:
        self.url = url
        options: dict[str, Any] = {"poolclass": NullPool}
        bounds: dict[str, str] = {}
        self._seconds_max = TRANSACTION_S_MAX if pool_size else None
        if pool_size:
            bounds = {"transaction_timeout": str(TRANSACTION_TIMEOUT_MS)}
            options = {"pool_size": pool_size, "max_overflow": 0, "pool_timeout": 10, "pool_pre_ping": False}
        self._engine = create_async_engine(
            make_url(url).set(drivername="postgresql+asyncpg"),
            hide_parameters=True,  # an error's text goes to the log; its values may be codes or phone numbers
            connect_args={
                "server_settings": {
                    "application_name": application,
                    "statement_timeout": str(STATEMENT_TIMEOUT_MS),
                    "idle_in_transaction_session_timeout": str(IDLE_IN_TRANSACTION_TIMEOUT_MS),
                    **bounds,
                    **_VANISHED,
                    "timezone": "UTC",
                    "jit": "off",
                    "random_page_cost": "1.1",
                },
                "timeout": 10,
            },
            **options,
        )
        self.statements = 0
        self.slow_statements = 0
        self._waiting = 0
        self.around: Callable[[str], AbstractContextManager[None]] | None = None
        event.listen(self._engine.sync_engine, "connect", self._name)
        event.listen(self._engine.sync_engine, "before_cursor_execute", self._begin)
        event.listen(self._engine.sync_engine, "after_cursor_execute", self._end)
        event.listen(self._engine.sync_engine, "handle_error", _forget_values)

    def _name(self, _: object, record: ConnectionPoolEntry) -> None:
        record.info["database"] = self

    def _begin(self, _: object, __: object, ___: str, ____: object, context: Any, _____: bool) -> None:  # noqa: ANN401 (SQLAlchemy's signature)
        self.statements += 1
        context.began = time.perf_counter()

    def _end(self, _: object, __: object, statement: str, ____: object, context: Any, _____: bool) -> None:  # noqa: ANN401 (SQLAlchemy's signature)
        self._judge_time(statement, time.perf_counter() - context.began)

    def _judge_time(self, statement: str, took_s: float) -> None:
        if took_s >= SLOW_STATEMENT_S:
            self.slow_statements += 1
            log.warning("statement.slow", statement=name_of(statement), ms=round(took_s * 1000))

    @contextmanager
    def timing(self, statement: str) -> Iterator[None]:
        """Count a statement that the driver runs, and tell if it is slow."""
        self.statements += 1
        began = time.perf_counter()
        with nullcontext() if self.around is None else self.around(statement):
            yield
        self._judge_time(statement, time.perf_counter() - began)

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
            await stack.enter_async_context(asyncio.timeout(self._seconds_max))
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
