"""Rates that several processes hold together: each second every process tells what was taken with it.

Deciding stays in memory (`kernel.rates`); nobody waits for an exchange. The store keeps one number a key, by its own
clock: how far ahead of its rate the key is. A process adds what was taken with it since it last told, and gets back
every key that somebody changed since. So n processes together allow a key its burst, and what comes in the second
until they know of each other; not n bursts. A process that starts learns what the others know.

While the store is away each process goes on with what it knows, says so once, and tells what it owes afterwards.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, Protocol

import structlog
from sqlalchemy import BigInteger, Column, DateTime, Double, Index, LargeBinary, Table, text

from kernel.db import Database, metadata
from kernel.rates import Table as Rates

if TYPE_CHECKING:
    from redis.asyncio import Redis

log = structlog.get_logger(__name__)

EXCHANGE_S: Final = 1.0
TIMEOUT_S: Final = 2.0
TOLD_MAX: Final = 1_000
"""Keys of a table that are told at once; the others follow a second later."""
LEARNT_MAX: Final = 20_000
"""Keys that are learnt at once, those changed last first."""
LEARNT_AT_ONCE: Final = 250
"""Keys that are learnt before requests have their turn again: half a millisecond."""
OVERLAP_S: Final = 4.0
"""What changed is asked for from so much earlier: a transaction shows its changes only when it ends."""
PRUNE_S: Final = 60.0
PRUNED_MAX: Final = 10_000

rate_due = Table(
    "rate_due",
    metadata,
    Column("key", LargeBinary, primary_key=True),
    Column("due", DateTime(timezone=True), nullable=False),
    Column("changed_at", DateTime(timezone=True), nullable=False),
    Column("ceiling_s", Double, nullable=False),
    Column("changed_by", BigInteger),
    Index("ix_rate_due_changed_at", "changed_at"),
    prefixes=["UNLOGGED"],  # worth nothing after a crash: the processes remember
)


@dataclass(frozen=True, slots=True)
class Spent:
    """What was taken under a key: so many seconds of its rate (below 0 where some was given back)."""

    key: bytes
    spent_s: float
    ceiling_s: float


@dataclass(frozen=True, slots=True)
class Ahead:
    """How far ahead of its rate a key is by what all processes told."""

    key: bytes
    ahead_s: float


class Store(Protocol):
    """What all processes share."""

    name: str

    async def swap(self, spent: Sequence[Spent]) -> list[Ahead]:
        """Add what was taken here, and read the keys that changed since this process last asked."""
        ...

    async def close(self) -> None:
        """Let go of connections."""
        ...


_SWAP: Final = text("""
    WITH moment AS (SELECT clock_timestamp() AS at),
    told AS (
        INSERT INTO rate_due AS known (key, due, changed_at, ceiling_s, changed_by)
        SELECT s.key, m.at + make_interval(secs => s.spent_s), m.at, s.ceiling_s, CAST(:me AS bigint)
        FROM unnest(CAST(:keys AS bytea[]), CAST(:spent AS float8[]), CAST(:ceilings AS float8[]))
            AS s(key, spent_s, ceiling_s), moment m
        ORDER BY s.key
        ON CONFLICT (key) DO UPDATE SET
            due = least(
                greatest(known.due, excluded.changed_at) + (excluded.due - excluded.changed_at),
                excluded.changed_at + make_interval(secs => excluded.ceiling_s)),
            changed_at = excluded.changed_at, ceiling_s = excluded.ceiling_s, changed_by = excluded.changed_by
        RETURNING known.key, known.due
    ),
    others AS (
        SELECT key, due FROM rate_due
        WHERE changed_at > :since AND changed_by IS DISTINCT FROM CAST(:me AS bigint)
            AND key <> ALL (CAST(:keys AS bytea[])) ORDER BY changed_at DESC LIMIT :most
    )
    SELECT m.at, f.key, extract(epoch FROM f.due - m.at)
    FROM moment m LEFT JOIN (SELECT * FROM told UNION ALL SELECT * FROM others) f ON true""")

_PRUNE: Final = text("""
    DELETE FROM rate_due WHERE key IN (
        SELECT key FROM rate_due WHERE due < clock_timestamp() ORDER BY key LIMIT :most FOR UPDATE SKIP LOCKED)""")

_LONG_AGO: Final = datetime.fromisoformat("2000-01-01T00:00:00+00:00")


class PostgresStore:
    """An unlogged table: one statement a second, and none that waits for the disk."""

    name = "postgresql"

    def __init__(self, db: Database) -> None:
        self._db = db
        self._since = _LONG_AGO
        self._me = secrets.randbits(63)  # what this process changed last it knows: told back were the sums
        self._pruned_at = time.monotonic()

    async def swap(self, spent: Sequence[Spent]) -> list[Ahead]:
        """Exchange in one statement."""
        async with self._db.transaction() as tx:
            found = await tx.execute(
                _SWAP,
                {
                    "keys": [each.key for each in spent],
                    "spent": [each.spent_s for each in spent],
                    "ceilings": [each.ceiling_s for each in spent],
                    "since": self._since,
                    "me": self._me,
                    "most": LEARNT_MAX,
                },
            )
            rows = found.all()
            if time.monotonic() - self._pruned_at >= PRUNE_S:
                await tx.execute(_PRUNE, {"most": PRUNED_MAX})
                self._pruned_at = time.monotonic()
        self._since = rows[0][0] - timedelta(seconds=OVERLAP_S)
        return [Ahead(bytes(key), float(ahead)) for _, key, ahead in rows if key is not None]

    async def close(self) -> None:
        """Nothing of its own."""


_SCRIPT: Final = """
local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
for i = 4, #ARGV, 3 do
    local due = math.max(tonumber(redis.call('ZSCORE', KEYS[1], ARGV[i]) or 0), now) + ARGV[i + 1]
    redis.call('ZADD', KEYS[1], math.min(due, now + ARGV[i + 2]), ARGV[i])
    redis.call('ZADD', KEYS[2], now, ARGV[i])
end
for _, key in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now, 'LIMIT', 0, 1000)) do
    redis.call('ZREM', KEYS[1], key)
    redis.call('ZREM', KEYS[2], key)
end
local found = {now}
for _, key in ipairs(redis.call('ZREVRANGEBYSCORE', KEYS[2], '+inf', ARGV[1], 'LIMIT', 0, ARGV[2])) do
    found[#found + 1] = key
    found[#found + 1] = redis.call('ZSCORE', KEYS[1], key) - now
end
redis.call('EXPIRE', KEYS[1], ARGV[3])
redis.call('EXPIRE', KEYS[2], ARGV[3])
return found
"""
_DUE_KEY: Final = "{yima:rates}:due"
_CHANGED_KEY: Final = "{yima:rates}:changed"
_KEPT_S: Final = 86_400


class RedisStore:
    """Two sorted sets, exchanged by one script, which Redis runs as one step.

    Args:
        url: of the server, as `redis://:PASSWORD@HOST:6379/0`.
    """

    name = "redis"

    def __init__(self, url: str) -> None:
        from redis.asyncio import Redis  # noqa: PLC0415 (without the setting it is not even imported)

        self._redis: Redis = Redis.from_url(url, socket_timeout=TIMEOUT_S, socket_connect_timeout=TIMEOUT_S)
        self._script: Any = self._redis.register_script(_SCRIPT)
        self._since = 0

    async def swap(self, spent: Sequence[Spent]) -> list[Ahead]:
        """Exchange in one call."""
        arguments: list[bytes | int] = [self._since, LEARNT_MAX, _KEPT_S]
        for each in spent:
            arguments += [each.key, round(each.spent_s * 1e6), round(each.ceiling_s * 1e6)]
        self._since, *found = await self._script(keys=[_DUE_KEY, _CHANGED_KEY], args=arguments)
        return [Ahead(key, ahead / 1e6) for key, ahead in zip(found[::2], found[1::2], strict=True)]

    async def close(self) -> None:
        """Close the connections."""
        await self._redis.aclose()


class Exchange:
    """Keeps this process's tables and the store in step, each second, until it is closed.

    Attributes:
        away: whether the last exchange failed.
        rounds: exchanges that succeeded.

    Args:
        tables: by the name under which all processes know them.
        store: what they share.
        clock: the tables' own.
    """

    def __init__(
        self, tables: Mapping[str, Rates], store: Store, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._tables = {name.encode(): table for name, table in tables.items()}
        self._store = store
        self._clock = clock
        self._task: asyncio.Task[None] | None = None
        self.away = False
        self.rounds = 0

    def start(self) -> None:
        """Begin to exchange."""
        self._task = asyncio.create_task(self._run())

    async def close(self) -> None:
        """Stop, tell what is left, and let go of the store."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
        await self.attempt()
        await self._store.close()

    async def swap(self) -> None:
        """Exchange once; on failure what was to be told is kept for the next time."""
        told = {name: table.hand_out(TOLD_MAX) for name, table in self._tables.items()}
        spent = [
            Spent(name + b":" + key, count * self._tables[name].rate.every_s, self._tables[name].rate.ceiling_s)
            for name, counts in told.items()
            for key, count in counts.items()
        ]
        try:
            async with asyncio.timeout(TIMEOUT_S):
                found = await self._store.swap(spent)
        except BaseException:
            for name, counts in told.items():
                self._tables[name].put_back(counts)
            raise
        for start in range(0, len(found), LEARNT_AT_ONCE):
            now = self._clock()
            for each in found[start : start + LEARNT_AT_ONCE]:
                name, _, key = each.key.partition(b":")
                table = self._tables.get(name)
                if table is not None:  # else another version's
                    table.learn(key, each.ahead_s, now)
            await asyncio.sleep(0)
        self.rounds += 1

    async def attempt(self) -> None:
        """Exchange once; a store that went away, or came back, is told once."""
        try:
            await self.swap()
        except Exception as error:  # noqa: BLE001 (whatever it is, limits go on with what this process knows)
            if not self.away:
                log.warning("limits.alone", store=self._store.name, error=type(error).__name__)
            self.away = True
        else:
            if self.away:
                log.info("limits.together", store=self._store.name)
            self.away = False

    async def _run(self) -> None:
        while True:
            await self.attempt()
            await asyncio.sleep(EXCHANGE_S)
