"""Rates that several processes hold together, over a real PostgreSQL and a real Redis."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest
import structlog
from sqlalchemy import text

from kernel import rate_exchange
from kernel.rate_exchange import Exchange, PostgresStore, RedisStore, Spent, Store
from kernel.rates import Rate, Table
from tests.yima.conftest import free_port
from tests.yima.test_brokers import redis
from yima.runtime import Runtime

SLOW = Rate(20, 600.0)
"""So slow that no time passes, however slow the machine is."""


@pytest.fixture(scope="module")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with redis(tmp_path_factory.mktemp("redis")) as url:
        yield url


@pytest.fixture(params=["postgresql", "redis"])
async def make_store(
    request: pytest.FixtureRequest, opened: Runtime, redis_url: str
) -> AsyncIterator[Callable[[], Store]]:
    """Opens one process's end of the store that all share."""
    async with contextlib.AsyncExitStack() as stack:

        def make() -> Store:
            store: Store = PostgresStore(opened.db) if request.param == "postgresql" else RedisStore(redis_url)
            stack.push_async_callback(store.close)
            return store

        yield make
        if request.param == "redis":
            from redis.asyncio import Redis

            client = Redis.from_url(redis_url)
            await client.flushdb()
            await client.aclose()


class Process:
    """A process's table and its end of the store."""

    def __init__(self, store: Store, rate: Rate = SLOW, name: str = "wrong.device") -> None:
        self.table = Table(rate, keys_max=1_000)
        self.exchange = Exchange({name: self.table}, store, clock=lambda: 1_000.0)

    def take(self, key: bytes, count: int = 1) -> int:
        """Try so often; how many were let through."""
        let = 0
        for _ in range(count):
            if self.table.wait_s(key, 1_000.0) == 0:
                self.table.take(key, 1_000.0)
                let += 1
        return let


async def test_processes_allow_one_burst_together_and_not_one_each(make_store: Callable[[], Store]) -> None:
    processes = [Process(make_store()) for _ in range(3)]
    let = 0
    for _ in range(30):  # each second a few tries at each, then everybody exchanges
        for each in processes:
            let += each.take(b"one")
        for each in processes:
            await each.exchange.swap()
    # in the round in which the burst ends, each process may let one more through: that second's drift
    assert SLOW.burst <= let <= SLOW.burst + len(processes) - 1
    assert [each.take(b"one", 5) for each in processes] == [0, 0, 0]
    assert [each.take(b"another", 5) for each in processes] == [5, 5, 5]


async def test_a_process_that_starts_later_knows_what_was_taken(make_store: Callable[[], Store]) -> None:
    first = Process(make_store())
    assert first.take(b"one", 100) == SLOW.burst
    await first.exchange.swap()
    later = Process(make_store())
    await later.exchange.swap()
    assert later.take(b"one") == 0


async def test_what_is_given_back_is_given_back_everywhere(make_store: Callable[[], Store]) -> None:
    one, other = Process(make_store()), Process(make_store())
    one.take(b"one", 20)
    await one.exchange.swap()
    await other.exchange.swap()
    assert other.take(b"one") == 0
    for _ in range(3):
        one.table.give_back(b"one")
    await one.exchange.swap()
    await other.exchange.swap()
    assert other.take(b"one", 5) == 3


async def test_what_is_taken_while_an_exchange_is_under_way_is_counted_once(make_store: Callable[[], Store]) -> None:
    store = make_store()
    one = Process(store)
    one.take(b"one", 10)
    told = store.swap

    async def slow(spent: list[Spent]) -> object:
        one.take(b"one", 4)
        return await told(spent)

    store.swap = slow  # type: ignore[method-assign, assignment]
    await one.exchange.swap()
    store.swap = told  # type: ignore[method-assign]
    assert one.take(b"one", 100) == 6
    await one.exchange.swap()
    later = Process(make_store())
    await later.exchange.swap()
    assert later.take(b"one") == 0


async def test_a_flood_at_many_processes_locks_nobody_out_for_longer_than_a_burst_takes(
    make_store: Callable[[], Store],
) -> None:
    processes = [Process(make_store()) for _ in range(5)]
    for each in processes:
        for _ in range(1_000):
            each.table.take(b"one", 1_000.0)
        await each.exchange.swap()
    assert processes[-1].table.wait_s(b"one", 1_000.0) <= SLOW.every_s + 1e-6


async def test_rates_that_this_version_does_not_know_are_left_alone(make_store: Callable[[], Store]) -> None:
    newer, ours = Process(make_store(), name="future.kind"), Process(make_store())
    newer.take(b"one", 20)
    await newer.exchange.swap()
    await ours.exchange.swap()
    assert ours.take(b"one", 20) == 20


async def test_no_more_is_told_or_learnt_at_once_than_may_be(
    make_store: Callable[[], Store], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rate_exchange, "TOLD_MAX", 7)
    one, other = Process(make_store()), Process(make_store())
    for n in range(10):
        one.take(str(n).encode(), 20)
    await one.exchange.swap()
    await other.exchange.swap()
    assert len(other.table) == 7
    await one.exchange.swap()
    await other.exchange.swap()
    assert len(other.table) == 10
    monkeypatch.setattr(rate_exchange, "LEARNT_MAX", 4)
    later = Process(make_store())
    await later.exchange.swap()
    assert len(later.table) == 4


async def test_keys_that_nobody_is_ahead_with_are_forgotten(opened: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rate_exchange, "PRUNE_S", 0.0)
    one = Process(PostgresStore(opened.db))
    one.take(b"long", 1)
    one.exchange._tables[b"short"] = Table(Rate(1, 1e-6), keys_max=10)
    one.exchange._tables[b"short"].take(b"x", 1_000.0)
    await one.exchange.swap()
    await one.exchange.swap()
    async with opened.db.transaction() as tx:
        keys = await tx.execute(text("SELECT key FROM rate_due"))
        assert [bytes(key) for key in keys.scalars()] == [b"wrong.device:long"]


async def test_a_store_that_is_away_is_told_once_and_learns_what_is_owed_when_it_is_back(tmp_path: Path) -> None:
    port = free_port()
    url = f"redis://127.0.0.1:{port}/0"
    one = Process(RedisStore(url))
    with structlog.testing.capture_logs() as lines:
        for _ in range(3):
            assert one.take(b"one", 5) == 5
            await one.exchange.attempt()
            assert one.exchange.away
        assert [line["event"] for line in lines] == ["limits.alone"]
        with redis(tmp_path, port=port):
            await one.exchange.attempt()
            assert not one.exchange.away
            other = Process(RedisStore(url))
            await other.exchange.swap()
            assert other.take(b"one", 20) == 5
            await other.exchange.close()
            await one.exchange.close()
        assert [line["event"] for line in lines] == ["limits.alone", "limits.together"]


async def test_a_process_does_not_learn_what_only_itself_told(opened: Runtime) -> None:
    ours, theirs = PostgresStore(opened.db), PostgresStore(opened.db)
    told = [Spent(b"scan.member:%d" % n, 60.0, 3_600.0) for n in range(50)]
    assert len(await ours.swap(told)) == 50, "the sums come back with what is told"
    assert await ours.swap([]) == []
    assert len(await theirs.swap([])) == 50
    assert await theirs.swap([Spent(b"scan.member:7", 60.0, 3_600.0)])
    (learnt,) = await ours.swap([])
    assert learnt.key == b"scan.member:7"
    assert 100 < learnt.ahead_s <= 120
