"""Old months leave the journal while scans go on, and nothing is lost by it but their single rows."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import text

from insights import journal_archive, rollups
from insights.journal_archive import Detached
from kernel.clock import now
from kernel.errors import Conflict, InvalidInput, NotFound
from tests.world import World
from traceability import journal, journal_months
from traceability.journal import ScanRow
from traceability.scans import Outcome
from yima import examination
from yima.audit import audit
from yima.settings import ACCEPT_LOSS

JANUARY, FEBRUARY, MARCH = "scan_2025_01", "scan_2025_02", "scan_2025_03"
ALL_OLD = date(2025, 4, 1)
SCANS_MEANWHILE = 40


@pytest.fixture
async def past(world: World) -> World:
    """A world that was scanned in each month from January to March 2025, and is rolled up."""
    async with world.opened.db.transaction() as tx:
        await journal.ensure_partitions(tx, date(2025, 2, 15))
        await tx.execute(text("DROP TABLE scan_2025_04, scan_2025_05"))
    for month in (1, 2, 3):
        await scanned_then(world, datetime(2025, month, 10, 4, tzinfo=UTC), units=range(150, 153))
    await rollups.roll_up(world.opened.db)
    return world


async def scanned_then(world: World, at: datetime, *, units: range) -> None:
    """Scans of those days, as the journal and the units tell of them."""
    async with world.opened.db.transaction() as tx:
        row = await tx.execute(text("SELECT id, lower(span) >> 1 FROM batch WHERE name = :name"), {"name": world.batch})
        batch_id, base = row.one()
        rows = [
            ScanRow(
                at=at + timedelta(seconds=n), scan_id=uuid4(), brand_id=world.brand.id, unit_id=base + n, side="outer",
                batch_id=batch_id, gtin="06901234567892", outcome="authentic", reason=None, member_id=None, device=None,
                host=None, adcode=None, cell=None, accuracy_m=None, location_source="none", location_sealed=None,
                data_versions=None, ip_province=None, findings=[], points=0, dealer_id=None, first=False,
            )
            for n in units
        ]  # fmt: skip
        await journal.record(tx, rows)
        await tx.execute(
            text("""
                INSERT INTO unit (id, brand_id, batch_id, scan_count, first_scan_at)
                SELECT unnest(CAST(:ids AS bigint[])), :brand, :batch, 1, :at
                ON CONFLICT (id) DO UPDATE SET scan_count = unit.scan_count + 1"""),
            {"ids": [each.unit_id for each in rows], "brand": world.brand.id, "batch": batch_id, "at": at},
        )


async def detach(world: World, before: date = ALL_OLD) -> Detached:
    return await journal_archive.detach(world.opened.db, before=before, actor="test")


async def states(world: World) -> dict[str, str]:
    async with world.opened.db.transaction() as tx:
        return {each.name: each.state for each in await journal_months.months(tx) if each.until.year < 2026}


async def scans_of(world: World) -> int:
    async with world.opened.db.transaction() as tx:
        return int((await tx.execute(text("SELECT count(*) FROM scan"))).scalar_one())


async def whole(world: World) -> None:
    found = await audit(world.opened)
    assert [proof for proof in found.proofs if proof.breaches] == []


@contextlib.asynccontextmanager
async def a_long_reader(world: World) -> AsyncIterator[None]:
    """Somebody who has read the journal and keeps their transaction open, as a dump does."""
    async with world.opened.db.transaction() as tx:
        await tx.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY"))
        await tx.execute(text("SELECT count(*) FROM scan"))
        yield


async def pending(world: World) -> bool:
    return "detaching" in (await states(world)).values()


async def until_pending(world: World, leaving: asyncio.Task[Detached]) -> None:
    async with asyncio.timeout(20):  # one that locks scans out would never get so far
        while not await pending(world):
            assert not leaving.done()
            await asyncio.sleep(0.02)


async def test_months_leave_and_everything_still_adds_up(past: World) -> None:
    await whole(past)
    before = await scans_of(past)
    status = await rollups.roll_up(past.opened.db)
    done = await detach(past, date(2025, 3, 1))
    assert done == Detached([JANUARY, FEBRUARY], [], datetime(2025, 3, 1, tzinfo=UTC))
    assert await scans_of(past) == before - 6
    assert (await states(past))[MARCH] == "attached"
    await whole(past)
    figures = (await audit(past.opened)).figures
    assert figures["scans_archived"] == 6
    assert (await rollups.roll_up(past.opened.db)).scans == 0
    assert status.caught_up
    found = await examination.database(past.opened)
    assert next(each for each in found if each.name == "journal archive").said.endswith("2025-03-01 are archived")


async def test_said_again_nothing_happens(past: World) -> None:
    await detach(past)
    again = await detach(past)
    assert (again.detached, again.gone_on_with) == ([], [])
    assert again.archived_before == datetime(2025, 4, 1, tzinfo=UTC)


async def test_scans_go_on_while_a_month_waits_for_a_long_reader(past: World) -> None:
    async with a_long_reader(past):
        leaving = asyncio.create_task(detach(past))
        await until_pending(past, leaving)
        replies = await asyncio.gather(
            *(past.scan(code, member=n % 20) for n, code in enumerate(past.lines[:SCANS_MEANWHILE]))
        )
        assert {reply.outcome for reply in replies} == {Outcome.AWARDED}
        assert not leaving.done()
    await leaving
    assert await scans_of(past) == SCANS_MEANWHILE
    await whole(past)


async def test_a_detachment_that_was_cut_off_goes_on(past: World) -> None:
    async with a_long_reader(past):
        leaving = asyncio.create_task(detach(past))
        await until_pending(past, leaving)
        async with past.opened.db.transaction() as tx:
            await tx.execute(
                text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'yima journal'")
            )
        with pytest.raises(Exception, match=r"terminat|clos"):
            await leaving
    assert await pending(past)
    found = await examination.database(past.opened)
    assert not next(each for each in found if each.name == "journal archive").ok
    await whole(past)  # half gone it is as good as gone
    done = await detach(past)
    assert len(done.gone_on_with) == 1
    assert set((await states(past)).values()) == {"detached"}
    await whole(past)


def command(world: World, *words: str) -> subprocess.Popen[str]:
    """`yima journal …` as a process of its own, over the test's database."""
    settings = world.opened.settings
    environment = {name: value for name, value in os.environ.items() if not name.startswith("YIMA_")} | {
        "YIMA_ENV": "dev", "YIMA_HOME": str(settings.home), "YIMA_DATABASE_URL": str(settings.database_url),
        "YIMA_SECRET_KEYS": ",".join(settings.secret_keys), "YIMA_PUBLIC_URL": settings.public_url,
        "YIMA_UNSAFE_DATABASE": ACCEPT_LOSS,
    }  # fmt: skip
    return subprocess.Popen(
        [Path(sys.executable).with_name("yima"), "journal", *words, "--json"],
        env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


async def said(world: World, *words: str) -> Any:
    process = command(world, *words)
    out, err = await asyncio.to_thread(process.communicate, timeout=60)
    assert process.returncode == 0, err
    return json.loads(out)


async def test_a_command_killed_while_it_waits_goes_on_when_called_again(past: World) -> None:
    async with a_long_reader(past):
        process = command(past, "detach", "--before", str(ALL_OLD))
        async with asyncio.timeout(30):
            while not await pending(past):
                assert process.poll() is None
                await asyncio.sleep(0.05)
        process.kill()
        await asyncio.to_thread(process.communicate)
        await whole(past)
    async with asyncio.timeout(30):  # the server goes on with what the dead command asked for, and then lets go
        while True:
            try:
                done = await detach(past)
            except Conflict:
                await asyncio.sleep(0.05)
            else:
                break
    assert done.gone_on_with == [JANUARY]
    assert done.detached == [FEBRUARY, MARCH]
    await whole(past)


async def test_the_commands_tell_what_there_is_and_what_they_did(past: World) -> None:
    before = {each["name"]: each for each in await said(past, "list")}
    assert before[JANUARY]["state"] == "attached"
    assert before[JANUARY]["detachable"]
    assert not before[f"scan_{now():%Y_%m}"]["detachable"]
    done = await said(past, "detach", "--before", "2025-02-01")
    assert done == {"detached": [JANUARY], "gone_on_with": [], "archived_before": "2025-02-01T00:00:00+00:00"}
    after = {each["name"]: each for each in await said(past, "list")}
    assert (after[JANUARY]["state"], after[JANUARY]["rows"]) == ("detached", 3)
    assert after[JANUARY]["detached_at"]
    assert (await said(past, "attach", "--name", JANUARY))["state"] == "attached"
    process = command(past, "detach", "--before", f"{now():%Y-%m-%d}")
    out, err = await asyncio.to_thread(process.communicate, timeout=60)
    assert (process.returncode, out) == (1, "")
    assert "still needed" in err
    async with past.opened.db.transaction() as tx:
        rows = await tx.execute(
            text("SELECT action, subject FROM audit_trail WHERE action LIKE 'journal.%' ORDER BY id")
        )
        assert list(rows) == [("journal.detach", JANUARY), ("journal.attach", JANUARY)]


@pytest.mark.parametrize("step", ["_note", "_close"])
async def test_a_kill_between_the_steps_loses_nothing(past: World, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    kept = getattr(journal_archive, step)

    async def die(*args: Any) -> None:
        if step == "_note":
            await kept(*args)
        raise ConnectionResetError("killed")

    with monkeypatch.context() as patch:
        patch.setattr(journal_archive, step, die)
        with pytest.raises(ConnectionResetError):
            await detach(past)
    await whole(past)
    await detach(past)
    assert set((await states(past)).values()) == {"detached"}
    await whole(past)


async def test_a_month_detached_by_hand_is_noted(past: World) -> None:
    async with past.opened.db.transaction() as tx:
        await tx.execute(text(f"ALTER TABLE scan DETACH PARTITION {JANUARY}"))
    done = await detach(past, date(2025, 1, 1))
    assert done.gone_on_with == [JANUARY]
    await whole(past)


async def test_what_a_dropped_month_held_stays_counted(past: World) -> None:
    await detach(past)
    async with past.opened.db.transaction() as tx:
        await tx.execute(text(f"DROP TABLE {JANUARY}"))
    assert (await states(past))[JANUARY] == "dropped"
    await whole(past)
    await detach(past)


async def test_the_audit_still_sees_what_is_missing_without_being_archived(past: World) -> None:
    await detach(past, date(2025, 3, 1))
    async with past.opened.db.transaction() as tx:
        await tx.execute(text(f"DELETE FROM {MARCH}"))
    broken = [proof.name for proof in (await audit(past.opened)).proofs if proof.breaches]
    assert broken == ["all units' scan counts add up to the journal and its archived months"]
    await past.scan(past.lines[0])
    async with past.opened.db.transaction() as tx:
        await tx.execute(text("DELETE FROM scan"))
    assert len([proof for proof in (await audit(past.opened)).proofs if proof.breaches]) >= 3


@pytest.mark.parametrize(
    ("today", "latest"),
    [(date(2026, 11, 28), date(2026, 10, 1)), (date(2026, 11, 4), date(2026, 9, 1)),
     (date(2026, 11, 5), date(2026, 10, 1)), (date(2026, 1, 1), date(2025, 11, 1)),
     (date(2026, 3, 31), date(2026, 2, 1)), (date(2024, 3, 5), date(2024, 1, 1))],
)  # fmt: skip
def test_this_month_the_last_and_the_days_of_replies_stay(today: date, latest: date) -> None:
    assert journal_months.latest_before(today) == latest


async def test_months_that_are_needed_are_refused(past: World) -> None:
    latest = journal_months.latest_before(now().date())
    for before in (latest + timedelta(days=1), now().date(), now().date() + timedelta(days=90), date(9999, 12, 31)):
        with pytest.raises(InvalidInput, match=f"the latest is {latest}"):
            await detach(past, before)
    assert set((await states(past)).values()) == {"attached"}


async def test_a_month_is_taken_whole_or_not_at_all(past: World) -> None:
    done = await detach(past, date(2025, 1, 31))
    assert JANUARY not in done.detached
    assert (await states(past))[JANUARY] == "attached"


async def test_scans_not_rolled_up_stay(past: World) -> None:
    await scanned_then(past, datetime(2025, 2, 20, tzinfo=UTC), units=range(160, 162))
    with pytest.raises(Conflict, match=f"{FEBRUARY} are not rolled up"):
        await detach(past)
    assert (await states(past))[FEBRUARY] == "attached"
    await rollups.roll_up(past.opened.db)
    assert FEBRUARY in (await detach(past)).detached


async def test_scans_that_a_person_still_decides_on_stay(past: World) -> None:
    await past.scan(past.lines[0])
    async with past.opened.db.transaction() as tx:
        await tx.execute(
            text(
                "UPDATE claim SET state = 'pending', reason = 'velocity', at = '2025-01-10 04:00+00', settled_at = NULL"
            )
        )
    with pytest.raises(Conflict, match=f"1 claims of {JANUARY}"):
        await detach(past)


async def test_rollups_are_not_rebuilt_without_archived_months(past: World) -> None:
    await detach(past)
    with pytest.raises(Conflict, match="Scans before 2025-04-01 are archived"):
        await rollups.rebuild(past.opened.db)
    for name in await states(past):
        await journal_archive.attach(past.opened.db, name=name, actor="test")
    assert (await rollups.rebuild(past.opened.db)).scans == 9
    await whole(past)


async def test_a_rebuild_holds_detachments_off(past: World) -> None:
    async with past.opened.db.transaction() as tx:
        await tx.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": rollups.REBUILD_LOCK})
        with pytest.raises(Conflict, match="rebuilt, or months detached"):
            await detach(past)


async def test_a_month_comes_back_with_all_its_rows(past: World) -> None:
    before = await scans_of(past)
    await detach(past)
    back = await journal_archive.attach(past.opened.db, name=FEBRUARY, actor="test")
    assert back.state == "attached"
    await whole(past)
    for name in (JANUARY, MARCH):
        await journal_archive.attach(past.opened.db, name=name, actor="test")
    assert await scans_of(past) == before
    await whole(past)


async def test_what_cannot_come_back_is_told(past: World) -> None:
    await detach(past)
    with pytest.raises(InvalidInput):
        await journal_archive.attach(past.opened.db, name="scan; DROP TABLE scan", actor="test")
    with pytest.raises(NotFound):
        await journal_archive.attach(past.opened.db, name="scan_2019_01", actor="test")
    async with past.opened.db.transaction() as tx:
        await tx.execute(text(f"ALTER TABLE {JANUARY} ADD COLUMN more text"))
    with pytest.raises(Conflict, match="does not fit"):
        await journal_archive.attach(past.opened.db, name=JANUARY, actor="test")
    await journal_archive.attach(past.opened.db, name=MARCH, actor="test")
    with pytest.raises(Conflict, match="attached"):
        await journal_archive.attach(past.opened.db, name=MARCH, actor="test")


async def test_months_to_come_are_made_without_waiting_for_readers_or_scans(past: World) -> None:
    ahead = date(2031, 5, 1)
    async with a_long_reader(past), past.opened.db.transaction() as writing:
        await writing.execute(text("LOCK TABLE scan IN ROW EXCLUSIVE MODE"))  # as every scan holds until its commit
        async with past.opened.db.transaction() as tx:
            await tx.execute(text("SET LOCAL lock_timeout = '10s'"))
            await journal.ensure_partitions(tx, ahead)
            await journal.ensure_partitions(tx, ahead)
    async with past.opened.db.transaction() as tx:
        made = [each for each in await journal_months.months(tx) if each.name.startswith("scan_2031")]
        indexes = await tx.execute(
            text("""
                SELECT (SELECT count(*) FROM pg_index WHERE indrelid = 'scan_2031_05'::regclass),
                    (SELECT count(*) FROM pg_index WHERE indrelid = 'scan'::regclass),
                    (SELECT count(*) FROM pg_inherits i JOIN pg_index x ON x.indexrelid = i.inhrelid
                     WHERE x.indrelid = 'scan_2031_05'::regclass)""")
        )
    assert [each.name for each in made] == [f"scan_2031_{month:02}" for month in range(4, 9)]
    assert {each.state for each in made} == {"attached"}
    own, parents, bound = indexes.one()
    assert own == parents == bound


async def test_two_that_make_months_at_once_make_them_once(past: World) -> None:
    async def make() -> None:
        async with past.opened.db.transaction() as tx:
            await journal.ensure_partitions(tx, date(2032, 1, 1))

    await asyncio.gather(*(make() for _ in range(4)))
    async with past.opened.db.transaction() as tx:
        assert len([each for each in await journal_months.months(tx) if each.name > "scan_2031_11"]) == 5


async def test_housekeeping_does_not_bring_a_detached_month_back(past: World) -> None:
    await detach(past)
    async with past.opened.db.transaction() as tx:
        await journal.ensure_partitions(tx, date(2025, 2, 15))
    found = await states(past)
    assert {found[name] for name in (JANUARY, FEBRUARY, MARCH)} == {"detached"}


def test_names_of_months_are_told_from_others() -> None:
    assert journal_months.is_month(JANUARY)
    assert not any(
        map(journal_months.is_month, ("scan_2025_13", "scan_2025_00", "scan_2020_01_past", "scan", "scan_2025_1"))
    )
    since, until = journal_months.span_of("scan_2025_12")
    assert (since, until) == (datetime(2025, 12, 1, tzinfo=UTC), datetime(2026, 1, 1, tzinfo=UTC))
