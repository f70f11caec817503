"""What several rooms write in one statement."""

from __future__ import annotations

import pytest
from sqlalchemy import text

from kernel.db import StatementFailed
from kernel.writes import Part, Writes
from yima.runtime import Runtime

ONE = Part("ones AS (INSERT INTO heartbeat (process) VALUES (CAST(:one AS text)))")
TWO = Part("twos AS (INSERT INTO heartbeat (process) VALUES (CAST(:two AS text)))")


async def _processes(opened: Runtime) -> list[str]:
    async with opened.db.transaction() as tx:
        return list((await tx.execute(text("SELECT process FROM heartbeat ORDER BY 1"))).scalars())


async def test_parts_are_written_together_in_one_statement(opened: Runtime) -> None:
    async with opened.db.transaction() as tx:
        await tx.execute(text("SELECT 1"))
        before = opened.db.statements
        writes = Writes()
        writes.add(ONE, {"one": "a"})
        writes.add(TWO, {"two": "b"})
        await writes.send(tx)
        assert opened.db.statements == before + 1
    assert await _processes(opened) == ["a", "b"]


async def test_where_one_part_fails_none_of_them_stays(opened: Runtime) -> None:
    for _ in range(2):
        writes = Writes()
        writes.add(TWO, {"two": "b"})
        if await _processes(opened):
            writes.add(ONE, {"one": "a"})
            with pytest.raises(StatementFailed, match="23505"):
                async with opened.db.transaction() as tx:
                    await writes.send(tx)
        else:
            async with opened.db.transaction() as tx:
                await writes.send(tx)
    assert await _processes(opened) == ["b"]


async def test_a_part_is_written_once_so_that_no_values_are_lost() -> None:
    writes = Writes()
    writes.add(ONE, {"one": "a"})
    with pytest.raises(AssertionError, match="written once"):
        writes.add(ONE, {"one": "b"})


async def test_nothing_to_write_sends_nothing(opened: Runtime) -> None:
    async with opened.db.transaction() as tx:
        before = opened.db.statements
        await Writes().send(tx)
        assert opened.db.statements == before
