"""The database: transactions that commit or vanish, and errors that tell no values."""

from __future__ import annotations

import traceback

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from kernel.db import Database
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
