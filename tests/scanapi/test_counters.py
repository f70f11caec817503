"""Counters of refused scans and page views: exact, whatever becomes of the connection that writes them."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from typing import Any

import pytest
from sqlalchemy import text

from kernel.db import Database
from scanapi.counters import Counters
from tests.world import World
from traceability import flushes
from traceability.flushes import KEPT_DAYS


async def counted(db: Database) -> int:
    async with db.transaction() as tx:
        return int((await tx.execute(text("SELECT coalesce(sum(count), 0) FROM refused_count"))).scalar_one())


def failing(monkeypatch: pytest.MonkeyPatch, db: Database, *, committed: bool) -> None:
    """The next transaction ends without a word, having been committed or not."""
    begin = db.transaction

    @contextlib.asynccontextmanager
    async def transaction() -> AsyncIterator[Any]:
        monkeypatch.undo()
        async with begin() as tx:
            yield tx
            if not committed:
                raise ConnectionResetError
        raise ConnectionResetError

    monkeypatch.setattr(Database, "transaction", lambda _: transaction())


@pytest.mark.parametrize("committed", [True, False])
async def test_a_flush_that_nobody_heard_the_end_of_counts_once(
    world: World, monkeypatch: pytest.MonkeyPatch, committed: bool
) -> None:
    db, counters = world.opened.db, Counters(world.opened.db)
    for number in range(1, 4):
        counters.refuse("forged", 1, "x" * 20, None)
        failing(monkeypatch, db, committed=committed)
        with pytest.raises(ConnectionResetError):
            await counters.flush()
        counters.refuse("forged", 1, "x" * 20, None)  # what comes meanwhile waits its turn
        await counters.flush()
        assert await counted(db) == 2 * number
    await counters.flush()
    assert await counted(db) == 6


async def test_a_flush_waits_for_its_first_try_that_is_still_open(world: World) -> None:
    db, counters = world.opened.db, Counters(world.opened.db)
    counters.refuse("forged", 1, "x" * 20, None)
    async with db.transaction() as tx:
        assert await flushes.begin(tx, counters._process, 1)
        async with db.transaction() as other:
            await other.execute(text("SET LOCAL lock_timeout = '50ms'"))
            with pytest.raises(Exception, match="55P03"):
                await flushes.begin(other, counters._process, 1)
    await counters.flush()  # the database has number 1 by now
    assert await counted(db) == 0


async def test_two_processes_count_side_by_side(world: World) -> None:
    one, two = Counters(world.opened.db), Counters(world.opened.db)
    for counters in (one, two, one):
        counters.refuse("malformed", None, "?", None)
        await counters.flush()
    assert await counted(world.opened.db) == 3


async def test_processes_that_are_long_gone_are_forgotten(world: World) -> None:
    counters = Counters(world.opened.db)
    counters.refuse("malformed", None, "?", None)
    await counters.flush()
    async with world.opened.db.transaction() as tx:
        assert await flushes.prune(tx) == 0
        aged = text("UPDATE counter_flush SET at = now() - make_interval(days => :days, mins => 1)")
        await tx.execute(aged, {"days": KEPT_DAYS})
        assert await flushes.prune(tx) >= 1
