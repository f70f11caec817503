"""Upgrades: migrations that run while scans are committed, and programs that start over a newer schema or do not.

An older version's program cannot be started from a plain checkout. Two things stand for it: every table and column
that it knows is still there with its type, takes its inserts, and no migration locks it out (looked at for each
revision); and the scan path itself runs through two gates while the schema is migrated beneath it.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import re
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, inspect, text
from sqlalchemy.engine import Engine, make_url

import migrations
from kernel import tasks
from kernel.db import Tx
from kernel.errors import ConfigurationError
from scanapi.gate import Commit
from scanapi.group import Answer, Scan
from tests import databases
from tests.world import World
from yima import migrate, readiness, runtime
from yima.migrate import Schema
from yima.settings import Settings

_numbers = itertools.count(1)

BEFORE_LOCKING = "0004"
"""0005 wants a lock of tables that are written all the time; later ones may not."""


def scripts() -> ScriptDirectory:
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__path__[0])))
    return ScriptDirectory.from_config(config)


def revisions() -> list[str]:
    """All, the oldest first."""
    return [script.revision for script in scripts().walk_revisions()][::-1]


@pytest.fixture
def empty_url(server_url: str) -> Iterator[str]:
    """A database without a schema."""
    name = f"test_upgrade_{next(_numbers)}"
    databases.execute(server_url, f"CREATE DATABASE {name}")
    yield make_url(server_url).set(database=name).render_as_string(hide_password=False)
    databases.drop(server_url, name)


@contextlib.contextmanager
def connected(url: str) -> Iterator[Engine]:
    engine = create_engine(make_url(url))
    try:
        yield engine
    finally:
        engine.dispose()


# --- which programs may serve -------------------------------------------------------------------------------


def test_every_migration_says_whom_it_serves() -> None:
    known = revisions()
    for script in scripts().walk_revisions():
        if script.revision == known[0]:
            continue
        oldest = getattr(script.module, "serves_from", None)
        assert oldest in known, f"{script.revision} does not say from which version on programs can serve"
        assert known.index(oldest) < known.index(script.revision), (
            f"{script.revision} shuts out the version before it: an upgrade would be an outage"
        )


@pytest.mark.parametrize(
    ("schema", "suits", "said"),
    [
        (Schema(migrate.head(), None), True, None),
        (Schema(None, None), False, "run `yima migrate`"),
        (Schema("0001", None), False, "run `yima migrate`"),
        (Schema("9999", "0001"), True, None),
        (Schema("9999", migrate.head()), True, None),
        (Schema("9999", "9998"), False, "start the newer version"),
        (Schema("9999", None), False, "start the newer version"),
    ],
)
def test_a_program_serves_from_its_own_schema_and_from_newer_ones_marked_for_it(
    schema: Schema, suits: bool, said: str | None
) -> None:
    assert migrate.suits(schema) is suits
    refusal = migrate.refusal(schema)
    assert (refusal is None) is suits
    assert said is None or (refusal is not None and said in refusal)


async def test_a_program_starts_and_stays_ready_over_a_newer_schema(
    world: World, settings: Settings, database_url: str
) -> None:
    with connected(database_url) as engine, engine.begin() as tx:
        tx.execute(text("UPDATE alembic_version SET version_num = '9999'"))
        tx.execute(text("COMMENT ON TABLE alembic_version IS 'serves programs from 0001'"))
    async with runtime.connect(settings, database_url, application="test"):
        pass
    assert (await readiness.look(world.opened.db, world.service, accepts_loss=True))["schema"] == "ok"
    with connected(database_url) as engine, engine.begin() as tx:
        tx.execute(text("COMMENT ON TABLE alembic_version IS 'serves programs from 9998'"))
    with pytest.raises(ConfigurationError, match="start the newer version"):
        async with runtime.connect(settings, database_url, application="test"):
            pass
    assert (await readiness.look(world.opened.db, world.service, accepts_loss=True))["schema"] == "other"


# --- migrations ---------------------------------------------------------------------------------------------


def shape(engine: Engine) -> dict[str, dict[str, dict[str, Any]]]:
    """Tables and their columns."""
    inspector = inspect(engine)
    return {
        table: {column["name"]: column for column in inspector.get_columns(table)}
        for table in inspector.get_table_names()
    }


def test_what_an_older_program_reads_and_writes_is_there_after_every_migration(empty_url: str) -> None:
    chain = revisions()
    migrate.upgrade(empty_url, to=chain[0])
    with connected(empty_url) as engine:
        before = shape(engine)
        for revision in chain[1:]:
            migrate.upgrade(empty_url, to=revision)
            after = shape(engine)
            with engine.connect() as look:
                state = migrate.state(look)
            assert state.revision == revision
            assert state.serves_from in chain
            for table, columns in before.items():
                assert table in after, f"{revision} drops {table}"
                for name, column in columns.items():
                    now = after[table].get(name)
                    assert now is not None, f"{revision} drops {table}.{name}"
                    assert str(now["type"]) == str(column["type"]), f"{revision} changes {table}.{name}"
                    assert now["nullable"] or not column["nullable"], f"{revision} wants {table}.{name}"
                for name in after[table].keys() - columns.keys():
                    new = after[table][name]
                    assert new["nullable"] or new["default"] is not None or new.get("identity"), (
                        f"{revision}: an older program's insert into {table} gives no {name}"
                    )
            before = after
        assert state.revision == migrate.head()


def test_a_migration_goes_on_where_it_was_interrupted(empty_url: str) -> None:
    for revision in revisions():
        assert migrate.upgrade(empty_url, to=revision).after == revision
    assert migrate.upgrade(empty_url) == migrate.Migrated(migrate.head(), migrate.head())


def test_a_lock_that_cannot_be_had_is_tried_for_again_and_nobody_waits_behind_it(
    empty_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    migrate.upgrade(empty_url, to=BEFORE_LOCKING)
    monkeypatch.setattr(migrate, "LOCK_TIMEOUT_MS", 100)
    pauses: list[float] = []
    with connected(empty_url) as engine, contextlib.ExitStack() as stack:
        holder = stack.enter_context(engine.connect())
        holder.execute(text("LOCK TABLE task, outbox_message IN ACCESS SHARE MODE"))

        def pause(seconds: float) -> None:
            pauses.append(seconds)
            if len(pauses) == 2:
                holder.rollback()

        monkeypatch.setattr(migrate.time, "sleep", pause)
        assert migrate.upgrade(empty_url).after == migrate.head()
        assert len(pauses) == 2

    # and where it is never given up, the end is a sentence, with nothing half done
    with connected(empty_url) as engine, engine.connect() as look:
        assert migrate.state(look).revision == migrate.head()


def test_a_lock_that_is_never_given_up_ends_in_a_sentence(empty_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    migrate.upgrade(empty_url, to=BEFORE_LOCKING)
    monkeypatch.setattr(migrate, "LOCK_TIMEOUT_MS", 5)
    monkeypatch.setattr(migrate.time, "sleep", lambda _: None)
    with connected(empty_url) as engine, engine.connect() as holder:
        holder.execute(text("LOCK TABLE task IN ACCESS SHARE MODE"))
        with pytest.raises(ConfigurationError, match="long transaction"):
            migrate.upgrade(empty_url)
        assert migrate.state(holder).revision == BEFORE_LOCKING


async def test_scans_are_committed_while_the_schema_is_migrated_beneath_them(
    empty_url: str, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From the first schema that this version's scan path can write to, up to the newest."""
    chain = revisions()
    start = next(revision for revision in chain if _scans_at(revision))
    migrate.upgrade(empty_url, to=start)
    # the program is pinned to the older schema, as its own version is
    monkeypatch.setattr(migrate, "refusal", lambda _: None)
    monkeypatch.setattr(tasks, "submit", _submit_as_before)
    async with contextlib.AsyncExitStack() as stack:
        opened = await stack.enter_async_context(runtime.connect(settings, empty_url, pool_size=4, application="a"))
        world = await World.make(opened, tmp_path, stack)
        other = await stack.enter_async_context(runtime.connect(settings, empty_url, pool_size=4, application="b"))
        services = [world.service, await _second(other, stack)]
        lines = iter(world.lines)
        done: list[str] = []
        faults: list[str] = []

        def noting(commit: Commit) -> Commit:
            async def noted(group: Sequence[Scan]) -> list[Answer]:
                try:
                    return await commit(group)
                except Exception as error:
                    faults.append(
                        f"{type(error).__name__} {getattr(getattr(error, 'orig', None), 'sqlstate', None)} {error}"
                    )
                    raise

            return noted

        for service in services:
            service.gate.wrap(noting)
        migrated = threading.Event()

        async def phone(number: int) -> None:
            for line in lines:
                request = world.request(line, member=number % 20)
                reply = await services[number % 2].submit(request)
                done.append(re.search(rb'"outcome":"(\w+)"', reply)[1].decode())  # type: ignore[index]
                if migrated.is_set() and len(done) > 120:
                    return
                await asyncio.sleep(0.01)

        phones = [asyncio.create_task(phone(number)) for number in range(6)]
        async with asyncio.timeout(60):
            while len(done) < 12 and not any(phone.done() for phone in phones):
                await asyncio.sleep(0.01)
        result = await asyncio.to_thread(migrate.upgrade, empty_url)
        migrated.set()
        await asyncio.gather(*phones)
        assert result.after == migrate.head()
        assert set(done) == {"awarded"}
        # a group that met the migration in a deadlock is tried again by the gate, and nobody notices
        assert all(" 40P01 " in fault for fault in faults), faults


def _scans_at(revision: str) -> bool:
    """Whether this version's scan path finds all its columns at a revision; the newest always has them."""
    return revision >= "0025"


async def _submit_as_before(tx: Tx, kind: str, args: dict[str, Any], *, brand_id: int | None = None) -> UUID:
    """A task as the version before 0005 records it."""
    task_id = uuid4()
    await tx.execute(
        text("INSERT INTO task (id, brand_id, kind, args) VALUES (:id, :brand_id, :kind, CAST(:args AS jsonb))"),
        {"id": task_id, "brand_id": brand_id, "kind": kind, "args": json.dumps(args)},
    )
    return task_id


async def _second(opened: runtime.Runtime, stack: contextlib.AsyncExitStack) -> Any:
    from scanapi.service import ScanService
    from tests.world import regions
    from traceability.ip import IpLocator

    service = ScanService(
        opened.db, opened.vault, regions=regions(), addresses=IpLocator(None, regions()), index=opened.index
    )
    await service.start()
    stack.push_async_callback(service.close)
    return service
