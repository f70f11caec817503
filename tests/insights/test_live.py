"""The live signal."""

from __future__ import annotations

import asyncio
import random
from uuid import uuid4

import pytest
from sqlalchemy import text

from insights import rollups
from insights.live import Live
from kernel.db import Database
from tests.insights.rows import make, store

APPLICATION = "live under test"


@pytest.fixture
async def live(database_url: str):
    listening = Live(database_url, application=APPLICATION)
    await listening.start()
    await asyncio.wait_for(listening.connected.wait(), 10)
    yield listening
    await listening.close()


async def told(changes) -> None:
    await asyncio.wait_for(anext(changes), 10)


async def silent(changes) -> bool:
    """Nothing is waiting to be told (whatever was told has arrived: the caller saw to that)."""
    return not changes._new.is_set()


async def scan(db: Database, brand_id: int) -> None:
    await store(db, [make(random.Random(1), brand_id=brand_id, scan_id=uuid4())])
    await rollups.roll_up(db)


async def test_a_brand_is_told_of_its_own_scans_only(db: Database, live: Live) -> None:
    async with live.subscribe(1) as mine, live.subscribe(2) as theirs:
        await scan(db, 1)
        await told(mine)
        assert await silent(theirs)
        await scan(db, 2)
        await told(theirs)
        assert await silent(mine)


async def test_a_slow_watcher_is_told_once(db: Database, live: Live) -> None:
    async with live.subscribe(1) as slow, live.subscribe(2) as last:
        for _ in range(5):
            await scan(db, 1)
        await scan(db, 2)
        await told(last)  # signals arrive in order, so all five have arrived
        await told(slow)
        assert await silent(slow)


async def test_a_lost_connection_is_opened_again_and_watchers_look_again(db: Database, live: Live) -> None:
    async with live.subscribe(1) as changes:
        before = live.connections
        async with db.transaction() as tx:
            await tx.execute(
                text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = :name"),
                {"name": APPLICATION},
            )
        await told(changes)  # it may have missed something
        assert live.connections == before + 1
        await scan(db, 1)
        await told(changes)


async def test_a_signal_that_nobody_knows_tells_everybody(db: Database, live: Live) -> None:
    for payload in ("", "[]", '{"brands":null}', '{"brands":7}'):
        async with live.subscribe(1) as one, live.subscribe(2) as other:
            async with db.transaction() as tx:
                await tx.execute(text("SELECT pg_notify('yima_live', :payload)"), {"payload": payload})
            await told(one)
            await told(other)


async def test_closing_ends_every_watch(database_url: str) -> None:
    live = Live(database_url)
    await live.start()
    async with live.subscribe(1) as changes:
        waiting = asyncio.create_task(anext(changes))
        await asyncio.sleep(0)
        await live.close()
        with pytest.raises(StopAsyncIteration):
            await waiting


async def test_a_database_that_is_away_is_tried_again(monkeypatch: pytest.MonkeyPatch, database_url: str) -> None:
    live = Live(database_url)
    good, live._url = live._url, "postgresql://127.0.0.1:1/nowhere"
    tries: list[float] = []
    real = asyncio.sleep

    async def sleep(wait_s: float) -> None:
        if asyncio.current_task() is not live._listening:  # somebody else's, of the whole module's sleep
            await real(wait_s)
            return
        tries.append(wait_s)
        if len(tries) == 4:
            live._url = good
        await real(0)

    monkeypatch.setattr("insights.live.asyncio.sleep", sleep)
    await live.start()
    await asyncio.wait_for(live.connected.wait(), 20)
    assert tries[3] > tries[0], "waits grow"
    await live.close()


def test_a_signal_of_many_brands_stays_within_what_postgresql_carries() -> None:
    most = rollups._signal([1 << 62] * rollups.BRANDS_TOLD_MAX)
    assert most.startswith('{"brands":[')
    assert len(rollups._signal([10**15] * rollups.BRANDS_TOLD_MAX)) < 8_000
    assert rollups._signal(list(range(rollups.BRANDS_TOLD_MAX + 1))) == '{"brands":null}'
