"""The database: transactions that commit or vanish, and errors that tell no values."""

from __future__ import annotations

import asyncio
import traceback

import pytest
from asyncpg.transaction import Transaction
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from kernel.db import Database, Statement, StatementFailed, is_away, state_of
from yima.runtime import Runtime

SECRET = "+8613812345678"


async def test_a_transaction_commits_at_its_end_and_rolls_back_on_an_error(opened: Runtime) -> None:
    async with opened.db.transaction() as tx:
        await tx.execute(text("CREATE TABLE note (said text)"))
        await tx.execute(text("INSERT INTO note VALUES ('kept')"))
    with pytest.raises(RuntimeError):
        async with opened.db.transaction() as tx:
            await tx.execute(text("INSERT INTO note VALUES ('lost')"))
            raise RuntimeError
    async with opened.db.transaction() as tx:
        assert list((await tx.execute(text("SELECT said FROM note"))).scalars()) == ["kept"]


async def test_a_commit_that_fails_is_an_error(opened: Runtime) -> None:
    async with opened.db.transaction() as tx:
        await tx.execute(text("CREATE TABLE note (said text UNIQUE DEFERRABLE INITIALLY DEFERRED)"))
    with pytest.raises(DBAPIError):
        async with opened.db.transaction() as tx:
            await tx.execute(text("INSERT INTO note VALUES ('a'), ('a')"))
    async with opened.db.transaction() as tx:
        assert (await tx.execute(text("SELECT count(*) FROM note"))).scalar_one() == 0


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT 1 / 0 WHERE CAST(:secret AS text) IS NOT NULL",  # the parameters
        "INSERT INTO person VALUES (:secret)",  # a unique violation's detail names the key
        "SELECT CAST(CAST(:secret AS text) AS uuid)",  # the server quotes what it cannot read
        "SELECT CAST(:secret AS bigint)",  # the driver quotes what it cannot encode
        "INSERT INTO person (phone, age) VALUES (:secret, -1)",  # a check's detail shows the whole row
    ],
)
async def test_an_error_tells_no_value_of_its_statement(opened: Runtime, statement: str) -> None:
    async with opened.db.transaction() as tx:
        await tx.execute(text("CREATE TABLE person (phone text PRIMARY KEY, age int CHECK (age > 0))"))
        await tx.execute(text("INSERT INTO person VALUES (:secret)"), {"secret": SECRET})
    with pytest.raises(DBAPIError) as raised:
        async with opened.db.transaction() as tx:
            await tx.execute(text(statement), {"secret": SECRET})
    assert "13812345678" not in str(raised.value)
    assert "13812345678" not in "".join(traceback.format_exception(raised.value)), "a log shows the causes too"


async def test_a_session_has_limits_and_speaks_utc(opened: Runtime) -> None:
    async with opened.db.transaction() as tx:
        values = [
            (await tx.execute(text(f"SHOW {name}"))).scalar_one()
            for name in ("timezone", "statement_timeout", "idle_in_transaction_session_timeout")
        ]
    assert values == ["UTC", "30s", "1min"]


async def test_any_postgresql_url_is_read_with_the_one_driver(database_url: str) -> None:
    db = Database(database_url, pool_size=0, application="another")
    try:
        await db.ping()
        async with db.transaction() as tx:
            assert (await tx.execute(text("SHOW application_name"))).scalar_one() == "another"
    finally:
        await db.close()


async def test_statements_are_counted(opened: Runtime) -> None:
    before = opened.db.statements
    async with opened.db.transaction() as tx:
        await tx.execute(text("SELECT 1"))
        await tx.execute(text("SELECT 2"))
    assert opened.db.statements == before + 2


async def test_a_statement_for_the_driver_runs_in_the_transaction_and_is_counted(opened: Runtime) -> None:
    insert = Statement(
        "INSERT INTO heartbeat (process) SELECT unnest(CAST(:names AS text[])) RETURNING process, CAST(:more AS text)"
    )
    before = opened.db.statements
    with pytest.raises(ZeroDivisionError):
        async with opened.db.transaction() as tx:
            rows = await insert.fetch(tx, {"names": ["one", "two"], "more": "x", "unused": 1})
            assert [tuple(row) for row in rows] == [("one", "x"), ("two", "x")]
            assert (await tx.execute(text("SELECT count(*) FROM heartbeat"))).scalar_one() == 2
            raise ZeroDivisionError
    assert opened.db.statements == before + 2, "the driver's and the engine's, and none to begin"
    async with opened.db.transaction() as tx:
        assert (await tx.execute(text("SELECT count(*) FROM heartbeat"))).scalar_one() == 0


async def test_a_connection_whose_beginning_was_given_up_is_never_used_again(
    opened: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server may begin after all: a later commit would end nothing, and what it wrote would be rolled back."""
    pid, insert = Statement("SELECT pg_backend_pid()"), Statement("INSERT INTO heartbeat (process) VALUES ('kept')")
    async with opened.db.transaction() as tx:
        ((before,),) = await pid.fetch(tx, {})
    start = Transaction.start

    async def begins_unheard(self: Transaction) -> None:
        await start(self)
        await asyncio.sleep(60)

    monkeypatch.setattr(Transaction, "start", begins_unheard)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.2), opened.db.transaction() as tx:
            await pid.fetch(tx, {})
    monkeypatch.undo()
    for _ in range(opened.db.pool.size + 1):
        async with opened.db.transaction() as tx:
            ((after,),) = await pid.fetch(tx, {})
            assert after != before
            if _ == 0:
                await insert.fetch(tx, {})
    async with opened.db.transaction() as tx:
        assert (await tx.execute(text("SELECT count(*) FROM heartbeat WHERE process = 'kept'"))).scalar_one() == 1


async def test_a_failed_statement_tells_its_state_and_constraint_and_no_value(opened: Runtime) -> None:
    insert = Statement("INSERT INTO heartbeat (process) VALUES (CAST(:name AS text))")
    with pytest.raises(StatementFailed) as failed:
        async with opened.db.transaction() as tx:
            for _ in range(2):
                await insert.fetch(tx, {"name": SECRET})
    said = "".join(traceback.format_exception(failed.value))
    assert "23505" in said
    assert "pk_heartbeat" in said
    assert SECRET not in said
    assert state_of(failed.value) == "23505"
    assert not is_away(failed.value)


async def test_a_statement_on_a_connection_that_was_ended_says_that_the_database_is_away(opened: Runtime) -> None:
    ended = Statement("SELECT pg_terminate_backend(pg_backend_pid())")
    with pytest.raises((StatementFailed, DBAPIError)) as failed:
        async with opened.db.transaction() as tx:
            await ended.fetch(tx, {})
    assert is_away(failed.value)
    await opened.db.ping()


async def test_an_array_or_a_cast_in_a_statement_is_no_value(opened: Runtime) -> None:
    async with opened.db.transaction() as tx:
        rows = await Statement("SELECT (ARRAY[1, 2, 3])[2:3], 5::text, :given::text").fetch(tx, {"given": "x"})
    assert tuple(rows[0]) == ([2, 3], "5", "x")
