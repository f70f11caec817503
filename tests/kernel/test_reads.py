"""What several rooms read in one statement."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from sqlalchemy import text

from kernel import sequences
from kernel.reads import Query, Reads
from yima.runtime import Runtime

_NAMES: Query[dict[str, int]] = Query(
    "ARRAY(SELECT ROW(process, length(process)) FROM heartbeat WHERE process = ANY(CAST(:wanted AS text[])))",
    dict,
)
_SUM: Query[int] = Query("(SELECT sum(n) FROM unnest(CAST(:numbers AS bigint[])) AS u(n))", int)


async def test_queries_of_several_rooms_are_one_statement_and_each_gets_its_own(opened: Runtime) -> None:
    async with opened.db.transaction() as tx:
        await tx.execute(text("INSERT INTO heartbeat (process) VALUES ('one'), ('three'), ('seven')"))
        before = opened.db.statements
        reads = Reads()
        names = reads.add(_NAMES, {"wanted": ["three", "one", "none"]})
        total = reads.add(_SUM, {"numbers": [1, 2, 39]})
        ids = sequences.ask(reads, "claim_id_seq", 3)
        await reads.fetch(tx)
        assert opened.db.statements == before + 1
    assert names.value == {"one": 3, "three": 5}
    assert total.value == 42
    assert ids.value == sorted(ids.value)
    assert len(ids.value) == 3


async def test_nothing_asked_is_no_statement(opened: Runtime) -> None:
    before = opened.db.statements
    async with opened.db.transaction() as tx:
        await Reads().fetch(tx)
    assert opened.db.statements == before


async def test_a_query_is_asked_once_and_told_only_after_it(opened: Runtime) -> None:
    reads = Reads()
    asked = reads.add(_SUM, {"numbers": [1]})
    with pytest.raises(AssertionError):
        reads.add(_SUM, {"numbers": [2]})
    with pytest.raises(IndexError):
        _ = asked.value
    async with opened.db.transaction() as tx:
        await reads.fetch(tx)
    assert asked.value == 1


async def test_locks_are_taken_in_the_order_in_which_the_queries_were_added(opened: Runtime) -> None:
    """Whoever waits at the first query's lock holds none of the second's."""
    first: Query[Any] = Query("ARRAY(SELECT ROW(process) FROM heartbeat WHERE process = 'first' FOR UPDATE)", list)
    second: Query[Any] = Query("ARRAY(SELECT ROW(process) FROM heartbeat WHERE process = 'second' FOR UPDATE)", list)
    async with opened.db.transaction() as tx:
        await tx.execute(text("INSERT INTO heartbeat (process) VALUES ('first'), ('second')"))

    async def both() -> None:
        async with opened.db.transaction() as tx:
            reads = Reads()
            reads.add(first, {})
            reads.add(second, {})
            await reads.fetch(tx)

    async with opened.db.transaction() as tx:
        await tx.execute(text("SELECT 1 FROM heartbeat WHERE process = 'first' FOR UPDATE"))
        waiting = asyncio.create_task(both())
        while not (await tx.execute(text("SELECT 1 FROM pg_locks WHERE NOT granted"))).all():
            await asyncio.sleep(0.01)
        taken = await tx.execute(text("SELECT 1 FROM heartbeat WHERE process = 'second' FOR UPDATE SKIP LOCKED"))
        assert taken.all()
    await waiting
