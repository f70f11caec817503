"""Importing codes that others made, from the file to the scan, over a real database."""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from codegen import imports, patterns, rowfiles, spool
from codegen.imports import Import
from codegen.patterns import Pattern
from codegen.rowfiles import Columns
from kernel.db import Tx
from kernel.errors import Conflict, InvalidInput, NotFound
from scanapi import flow
from tests.world import GTIN, World
from traceability.scans import Outcome
from yima import importing, worker

DRUG = patterns.declare("{code}", length_min=20, length_max=20)
OLD = patterns.declare("https://old.example/t?c={code}", alphabet="base62", length_min=8, length_max=12)


def drug(number: int) -> str:
    return f"8{number:019}"


async def read(
    world: World, content: bytes, *, pattern: Pattern = DRUG, columns: Columns | None = None, brand: str = "tea"
) -> Import:
    """Have a file judged, and be the worker that does it."""
    path = world.folder / f"given-{len(list(world.folder.iterdir()))}.csv"
    path.write_bytes(content)
    wanted = importing.Wanted(brand, GTIN, pattern, columns or Columns(), path)
    found = await importing.request(world.opened, wanted, actor="test")
    assert found.task_id is not None
    await worker.run_here(world.opened, found.task_id)
    return await again(world, found)


async def again(world: World, found: Import) -> Import:
    async with world.opened.db.transaction() as tx:
        return await imports.get(tx, found.name)


async def confirm(world: World, found: Import) -> Import:
    found = await importing.confirm(world.opened, found.name, actor="test")
    assert found.task_id is not None
    assert await worker.run_here(world.opened, found.task_id) == "done"
    await world.service.keys.refresh()
    return await again(world, found)


async def flaws(world: World, found: Import) -> list[tuple[int, str, int | None]]:
    async with world.opened.db.transaction() as tx:
        return [(each.line, each.kind, each.first_line) for each in await imports.flaws_of(tx, found)]


async def rows(world: World, query: str) -> list[tuple[Any, ...]]:
    async with world.opened.db.transaction() as tx:
        return [tuple(row) for row in await tx.execute(text(query))]


async def test_imported_codes_are_scanned_like_our_own_once_confirmed_and_activated(world: World) -> None:
    found = await read(world, "\n".join(drug(n) for n in range(50)).encode())
    assert (found.state, found.lines, found.good, found.flawed) == ("judged", 50, 50, 0)
    assert (await world.scan(drug(7))).outcome is Outcome.FORGED
    found = await confirm(world, found)
    assert (found.state, found.batch, found.late) == ("live", found.name, 0)
    assert (await world.scan(drug(7))).outcome is Outcome.INACTIVE
    await world.activate(found.name)
    reply = await world.scan(drug(8))
    assert (reply.outcome, reply.points, reply.scan_count) == (Outcome.AWARDED, 10, 1)
    assert reply.unit is not None
    assert reply.unit.batch == found.name
    assert (await world.scan(f"{drug(8)[:4]} {drug(8)[4:]}", member=1)).outcome is Outcome.TAKEN
    assert (await world.scan(drug(51))).outcome is Outcome.FORGED
    # line n of the file is line n of the batch
    assert await rows(world, "SELECT u.id - lower(b.span) / 2 FROM unit u JOIN batch b ON b.id = u.batch_id "
                             "WHERE b.origin = 'imported' ORDER BY 1") == [(7,), (8,)]  # fmt: skip
    assert not (importing.folder(world.opened.settings) / found.name).exists()


async def test_an_older_platforms_address_is_scanned_where_it_points(world: World) -> None:
    content = "https://old.example/t?c=AbCdEf12\r\nhttps://evil.example/t?c=AbCdEf13\r\nAbCdEf14\r\n"
    found = await read(world, content.encode(), pattern=OLD)
    assert await flaws(world, found) == [(2, "host", None)]
    await world.activate((await confirm(world, found)).name)
    assert (await world.scan("http://old.example/t?from=wechat&c=AbCdEf12")).outcome is Outcome.AWARDED
    assert (await world.scan("https://old.example/t?c=AbCdEf14", member=1)).outcome is Outcome.AWARDED
    assert (await world.scan("https://old.example/t?c=abcdef12")).outcome is Outcome.FORGED
    assert (await world.scan("https://evil.example/t?c=AbCdEf12")).outcome is Outcome.MALFORMED
    assert await rows(world, "SELECT DISTINCT host FROM scan") == [("old.example",)]


async def test_duplicates_and_bad_rows_are_told_by_line(world: World) -> None:
    await confirm(world, await read(world, drug(1).encode()))
    lines = [
        "序号,追溯码,备注",
        f"1,{drug(2)},",
        f'2,"{drug(3)}","a,b"',
        f"3,{drug(2)},again",
        f"4,{drug(1)},is stored",
        '5,"=HYPERLINK(""http://evil.example"")",',
        "6,8.12346E+19,",
        "7",
        '8,"unfinished,',
        "",
        f"9,{drug(4)}\0,",
        "10," + "x" * rowfiles.LINE_BYTES_MAX,
        f"11,{drug(5)}" + ",y" * 20_000,
        "12,12345,",
        f"13,{drug(6)[:-1]}O,",
    ]
    columns = Columns("追溯码", delimiter="comma")
    found = await read(world, "\r\n".join(lines).encode("gb18030"), columns=columns)
    assert found.lines == 13
    assert found.good == 3
    assert await flaws(world, found) == [
        (4, "duplicate", 2), (5, "existing", None), (6, "formula", None), (7, "rounded", None), (8, "column", None),
        (9, "quotes", None), (11, "nul", None), (12, "long", None), (14, "length", None), (15, "symbol", None),
    ]  # fmt: skip
    async with world.opened.db.transaction() as tx:
        report = "".join([part async for part in imports.report(tx, found)])
    assert report.startswith("line,flaw,first_line\r\n4,duplicate,2\r\n5,existing,\r\n")
    assert "HYPERLINK" not in report
    assert drug(2) not in report
    live = await confirm(world, found)
    assert await rows(world, "SELECT count(*) FROM foreign_code") == [(4,)]
    assert live.good == 3


async def test_a_derived_code_for_a_line_of_an_imported_batch_is_forged(world: World) -> None:
    from codegen import keys
    from codegen.scheme import Sealer

    found = await confirm(world, await read(world, drug(1).encode()))
    await world.activate(found.name)
    async with world.opened.db.transaction() as tx:
        sealer = Sealer(await keys.load(tx, world.opened.vault, found.key_id or 0))
    code = sealer.seal(2 * (found.first_unit or 0))
    assert (await world.scan(code)).outcome is Outcome.FORGED
    # in one group with the listed code of that line, too
    listed, derived = await asyncio.gather(world.scan(drug(1)), world.scan(code, member=1))
    assert (listed.outcome, derived.outcome) == (Outcome.AWARDED, Outcome.FORGED)
    look = await world.service.look(code, device_id="d", language="en")
    assert look.kind == "forged"


async def test_nothing_is_written_for_a_batch_that_others_made(world: World) -> None:
    from codegen import batches, packaging
    from yima import labels

    found = await confirm(world, await read(world, drug(1).encode()))
    async with world.opened.db.transaction() as tx:
        batch = await batches.get(tx, found.name)
        with pytest.raises(Conflict, match="made by others"):
            await packaging.request(tx, batch, recipient=None, first=1, last=1, layout="plain", actor="test")
    job = labels.Job(batch, 1, 1, "svg", "fixed", world.folder / "x.svg")
    with pytest.raises(Conflict, match="made by others"):
        await labels.render(world.opened, job, progress=lambda *_: asyncio.sleep(0))


async def test_a_text_that_fits_no_pattern_costs_no_statement_and_a_group_of_listed_codes_two_more(
    world: World,
) -> None:
    await world.activate((await confirm(world, await read(world, "\n".join(map(drug, range(80))).encode()))).name)
    await world.scan(world.lines[0])
    await world.hold_still()
    before = world.opened.db.statements
    for each in ("8" * 19, "8" * 21, "https://old.example/t?c=AbCdEf12", "ABCDEFGH12"):
        assert (await world.scan(each)).outcome is Outcome.MALFORMED
    assert world.opened.db.statements == before

    async def statements(codes: list[str]) -> int:
        before, groups = world.opened.db.statements, world.service.gate.groups
        await asyncio.gather(*(world.scan(code, member=n % 20) for n, code in enumerate(codes)))
        assert world.service.gate.groups - groups <= 2
        return (world.opened.db.statements - before) // (world.service.gate.groups - groups)

    own = await statements([world.lines[1]])
    assert await statements([drug(0)]) == own + 2
    # the first of many goes alone, the rest together: both take the same
    assert await statements([drug(n) for n in range(1, 41)]) == own + 2


async def test_nothing_of_a_code_is_stored_in_clear(world: World) -> None:
    await confirm(world, await read(world, drug(123456).encode()))
    for table in ("foreign_code", "code_import", "code_import_flaw", "batch", "task", "audit_trail"):
        for row in await rows(world, f"SELECT {table}::text FROM {table}"):
            assert drug(123456) not in row[0]
            assert drug(123456).encode().hex() not in row[0]


@pytest.mark.parametrize(
    ("content", "named"),
    [
        (b"", "empty"),
        (b"\x1f\x8b\x08\x00rest", "gzip"),
        (b"PK\x03\x04rest", "Excel workbook"),
        (b"\xd0\xcf\x11\xe0rest", r"\.xls"),
        (b"%PDF-1.7", "PDF"),
        (b"\x89PNG\r\n\x1a\n", "picture"),
        (("8123\n" * 5).encode("utf-16-le"), "utf-16-le"),
    ],
)
async def test_a_file_that_is_no_text_is_named_for_what_it_is(world: World, content: bytes, named: str) -> None:
    with pytest.raises(InvalidInput, match=named):
        await read(world, content)
    root = importing.folder(world.opened.settings)
    assert not root.exists() or list(root.iterdir()) == []


async def test_a_folder_and_a_pipe_are_no_files(world: World) -> None:
    os.mkfifo(world.folder / "pipe")
    for path in (world.folder, world.folder / "pipe", world.folder / "nowhere"):
        with pytest.raises(InvalidInput, match=r"regular file|No such file"):
            await importing.request(world.opened, importing.Wanted("tea", GTIN, DRUG, Columns(), path), actor="test")


def test_a_file_that_changes_while_it_is_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "growing.txt"
    path.write_text(drug(1) + "\n")

    def grow(_: int) -> None:
        with path.open("a") as file:
            file.write(drug(2) + "\n")

    with pytest.raises(InvalidInput, match="changed while it was read"):
        spool.take(tmp_path / "spool", path, on_progress=grow)
    assert list((tmp_path / "spool").iterdir()) == []


async def test_lookups_of_codes_without_a_signature_are_limited_and_misses_more_so(world: World) -> None:
    from scanapi.limits import RATES, Limits, TooManyCodes

    world.service.limits = Limits(clock=lambda: 0.0)  # no time passes, however slow the machine is
    await world.activate((await confirm(world, await read(world, "\n".join(map(drug, range(80))).encode()))).name)
    wrong, unsigned = RATES["wrong", "device"].burst, RATES["unsigned", "device"].burst
    for n in range(wrong):
        assert (await world.scan(drug(1_000 + n), without_proof=True)).outcome is Outcome.FORGED
    await world.hold_still()
    before = world.opened.db.statements
    with pytest.raises(TooManyCodes):
        await world.scan(drug(1), without_proof=True)
    assert world.opened.db.statements == before
    for n in range(unsigned):
        assert (await world.scan(drug(n), member=1)).outcome is Outcome.AWARDED
    with pytest.raises(TooManyCodes):
        await world.scan(drug(79), member=1)
    assert (await world.scan(world.lines[5], member=1)).outcome is Outcome.AWARDED


async def test_codes_that_two_imports_hold_go_to_the_one_that_is_confirmed_first(world: World) -> None:
    both = [await read(world, "\n".join(map(drug, lines)).encode()) for lines in (range(10), range(5, 15))]
    assert [each.good for each in both] == [10, 10]
    tasks_ = [(await importing.confirm(world.opened, each.name, actor="test")).task_id for each in both]
    done = await asyncio.gather(*(worker.run_here(world.opened, each) for each in tasks_ if each is not None))
    assert list(done) == ["done", "done"]
    found = [await again(world, each) for each in both]
    assert sum(each.late for each in found) == 5
    assert await rows(world, "SELECT count(*), count(DISTINCT unit_id) FROM foreign_code") == [(15, 15)]
    third = await read(world, "\n".join(map(drug, range(16))).encode())
    assert (third.good, dict(third.flaws)) == (1, {"existing": 15})


async def test_storing_goes_on_after_a_kill_and_stores_nothing_twice(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = await read(world, "\n".join(map(drug, range(100))).encode())
    found = await importing.confirm(world.opened, found.name, actor="test")
    monkeypatch.setattr(importing, "PLACE_RECORDS", 30)
    told: list[int] = []

    async def die(done: int, _: int) -> None:
        told.append(done)
        if len(told) == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        await importing.place(world.opened, found.name, progress=die)
    await world.service.keys.refresh()
    assert (await world.scan(drug(1))).outcome is Outcome.FORGED  # nothing is live yet
    assert await importing.place(world.opened, found.name, progress=die) == {"codes": 100}
    assert told == [30, 60, 90, 100]
    assert await rows(world, "SELECT count(*), count(DISTINCT unit_id) FROM foreign_code") == [(100, 100)]
    assert await importing.place(world.opened, found.name, progress=die) == {"state": "live"}


async def test_judging_starts_over_after_a_kill_and_counts_nothing_twice(world: World) -> None:
    path = world.folder / "codes.txt"
    path.write_text("\n".join([*map(drug, range(100)), drug(5)]))
    found = await importing.request(world.opened, importing.Wanted("tea", GTIN, DRUG, Columns(), path), actor="test")

    async def die(done: int, _: int) -> None:
        if done > 900:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        await importing.judge(world.opened, found.name, progress=die)

    async def go_on(_: int, __: int) -> None:
        return

    assert await importing.judge(world.opened, found.name, progress=go_on) == {"lines": 101, "good": 100, "flawed": 1}
    found = await again(world, found)
    assert (found.good, dict(found.flaws)) == (100, {"duplicate": 1})


async def test_a_cancelled_import_leaves_nothing_and_cannot_be_confirmed(world: World) -> None:
    found = await read(world, drug(1).encode())
    await importing.cancel(world.opened, found.name, actor="test")
    assert not (importing.folder(world.opened.settings) / found.name).exists()
    with pytest.raises(Conflict, match="only one that is judged"):
        await importing.confirm(world.opened, found.name, actor="test")
    with pytest.raises(Conflict, match="cannot be cancelled"):
        await importing.cancel(world.opened, found.name, actor="test")
    with pytest.raises(NotFound):
        await importing.cancel(world.opened, "NOSUCH", actor="test")


async def test_a_file_without_a_good_row_is_judged_and_cannot_be_confirmed(world: World) -> None:
    found = await read(world, b"=1\n")
    assert (found.state, found.good, dict(found.flaws)) == ("judged", 0, {"formula": 1})
    with pytest.raises(Conflict, match="no good row"):
        await importing.confirm(world.opened, found.name, actor="test")


@pytest.mark.parametrize(
    "encoded",
    [
        ("\ufeff" + drug(1) + "\r\n" + drug(2)).encode(),
        ("\ufeff" + drug(1) + "\n" + drug(2)).encode("utf-16-le"),
        ("\ufeff" + drug(1) + "\r" + drug(2)).encode("utf-16-be"),
        f"\n\n{drug(1)}\t\n {drug(2)} \n\n".encode(),
    ],
)
async def test_marks_and_line_ends_of_all_kinds_are_read(world: World, encoded: bytes) -> None:
    found = await read(world, encoded)
    assert (found.good, found.flawed) == (2, 0)


async def test_a_column_that_the_header_has_not_fails_the_import(world: World) -> None:
    found = await read(world, b"code,name\n1,2\n", columns=Columns("Code"))
    assert found.state == "failed"
    assert found.error == "The header has no column 'Code'."
    assert not (importing.folder(world.opened.settings) / found.name).exists()


async def wine(world: World, content: str) -> importing.Wanted:
    """A second brand, and what it wants imported."""
    from traceability import catalogue

    async with world.opened.db.transaction() as tx:
        other = await catalogue.create_brand(
            tx, slug="wine", name="酒", name_en="Wine", company_prefix="6905678", actor="test"
        )
        await catalogue.create_product(
            tx, brand_id=other.id, gtin="06905678000007", name="酒", name_en="Wine", units_per_case=6, actor="test"
        )
    path = world.folder / "wine.txt"
    path.write_text(content)
    return importing.Wanted("wine", "06905678000007", OLD, Columns(), path)


async def test_a_host_of_another_brand_is_refused(world: World) -> None:
    await read(world, b"AbCdEf12", pattern=OLD)
    with pytest.raises(Conflict, match="another brand"):
        await importing.request(world.opened, await wine(world, "AbCdEf99"), actor="test")


async def test_a_host_goes_to_the_brand_that_confirms_first_where_both_files_were_read_at_once(world: World) -> None:
    theirs = await importing.request(world.opened, await wine(world, "AbCdEf12\nAbCdEf99"), actor="test")
    assert theirs.task_id is not None
    ours = await read(world, b"AbCdEf12", pattern=OLD)
    await worker.run_here(world.opened, theirs.task_id)
    assert (await again(world, theirs)).good == 2
    said = await asyncio.gather(
        *(importing.confirm(world.opened, each.name, actor="test") for each in (ours, theirs)), return_exceptions=True
    )
    assert [isinstance(each, Conflict) for each in said].count(True) == 1
    assert sorted([(await again(world, each)).state for each in (ours, theirs)]) == ["judged", "placing"]


async def test_codes_go_live_under_scans_without_a_moment_of_another_answer(world: World) -> None:
    await confirm(
        world, await read(world, drug(99).encode())
    )  # the pattern is in force: they are looked up from now on
    found = await read(world, "\n".join(map(drug, range(40))).encode())
    found = await importing.confirm(world.opened, found.name, actor="test")
    assert found.task_id is not None
    from scanapi.limits import Limits

    world.service.limits = Limits(keys_max=0)  # forgets everybody at once
    running = asyncio.create_task(worker.run_here(world.opened, found.task_id))
    told: list[list[Outcome]] = [[] for _ in range(40)]
    while not running.done():
        for n, each in enumerate(await asyncio.gather(*(world.scan(drug(n), member=n % 20) for n in range(40)))):
            told[n].append(each.outcome)
    assert await running == "done"
    for n, outcomes in enumerate(told):
        outcomes.append((await world.scan(drug(n), member=n % 20)).outcome)
        at = outcomes.index(Outcome.INACTIVE)
        assert set(outcomes[:at]) <= {Outcome.FORGED}
        assert set(outcomes[at:]) == {Outcome.INACTIVE}
    assert await rows(world, "SELECT count(*), count(DISTINCT unit_id) FROM claim WHERE state = 'pending'") == [
        (40, 40)
    ]


async def test_of_look_ups_sent_at_once_no_more_are_answered_than_may_be_wrong(world: World) -> None:
    from scanapi.limits import RATES, Limits, TooManyCodes

    await world.activate((await confirm(world, await read(world, "\n".join(map(drug, range(80))).encode()))).name)
    world.service.limits = Limits(clock=lambda: 0.0)
    burst = RATES["wrong", "address"].burst
    said = await asyncio.gather(
        *(world.scan(drug(1_000 + n), member=None, device_id=None, without_proof=True) for n in range(2 * burst)),
        return_exceptions=True,
    )
    assert [isinstance(each, TooManyCodes) for each in said].count(True) == burst
    # what is found costs nothing of it
    world.service.limits = Limits(clock=lambda: 0.0)
    for n in range(burst + 10):
        assert (await world.scan(drug(n), member=n % 20, device_id=f"device-{n}")).outcome is Outcome.AWARDED


async def test_what_a_killed_upload_left_goes_after_a_day_and_nothing_that_is_waited_for(world: World) -> None:
    found = await read(world, drug(1).encode())
    root = importing.folder(world.opened.settings)
    (root / "LEFTYESTERDAY").mkdir()
    (root / "BEINGSENT").mkdir()
    (root / "GONEMEANWHILE").symlink_to(root / "nothing")
    long_ago = time.time() - spool.ORPHAN_S - 60
    for name in (found.name, "LEFTYESTERDAY"):
        os.utime(root / name, (long_ago, long_ago))
    await importing.tidy(world.opened)
    assert {each.name for each in root.iterdir()} == {found.name, "BEINGSENT", "GONEMEANWHILE"}


async def test_the_database_is_pruned_though_the_spool_cannot_be_read(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(_: object) -> None:
        raise PermissionError

    monkeypatch.setattr(importing, "tidy", fail)
    async with world.opened.db.transaction() as tx:
        await tx.execute(
            text("""
                INSERT INTO scan_replay (scan_id, at, brand_id, body_hash, reply)
                VALUES (gen_random_uuid(), now() - interval '1 year', :brand, '', '')"""),
            {"brand": world.brand.id},
        )
    with pytest.raises(PermissionError):
        await worker._housekeeping(world.opened)
    assert await rows(world, "SELECT count(*) FROM scan_replay") == [(0,)]


async def test_too_many_open_imports_of_a_brand_are_refused(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(imports, "PENDING_MAX", 1)
    await read(world, drug(1).encode())
    with pytest.raises(Conflict, match="wait already"):
        await read(world, drug(2).encode())


async def test_listed_codes_are_verified_on_the_command_lines_terms(world: World) -> None:
    from codegen import foreign, keys, verification

    found = await confirm(world, await read(world, drug(1).encode()))
    async with world.opened.db.transaction() as tx:
        ring, reader = await keys.load_ring(tx, world.opened.vault), await foreign.load_reader(tx, world.opened.vault)
        good, unknown, ours = await verification.verify(tx, ring, [drug(1), drug(2), world.lines[0]], reader=reader)
    assert (good.valid, good.batch, good.line, good.reason, good.code) == (True, found.name, 1, "inactive", drug(1))
    assert (unknown.valid, unknown.reason) == (False, verification.NO_KEY)
    assert ours.valid


async def test_a_leaked_key_stops_no_codes_that_it_did_not_make(world: World) -> None:
    from codegen import leaks

    found = await confirm(world, await read(world, drug(1).encode()))
    await world.activate(found.name)
    async with world.opened.db.transaction() as tx:
        await leaks.stop(tx, key_id=found.key_id or 0, reason="a laptop was stolen", actor="test")
        key = await leaks.keys.get(tx, found.key_id or 0)
        assert [each.batch.name for each in await leaks.batches_of(tx, key)] == [world.batch]
    await world.service.keys.refresh()
    assert (await world.scan(drug(1))).outcome is Outcome.AWARDED
    assert (await world.scan(world.lines[0], member=1)).outcome is Outcome.HELD


async def test_a_town_behind_one_address_is_not_locked_out_by_whoever_guesses_there(world: World) -> None:
    from scanapi.limits import RATES, Limits, TooManyCodes

    await world.activate((await confirm(world, await read(world, "\n".join(map(drug, range(60))).encode()))).name)
    world.service.limits = Limits(clock=lambda: 0.0)
    town = "203.0.113.7"
    for n in range(RATES["wrong", "address"].burst):
        await world.scan(drug(1_000 + n), member=None, device_id=f"guesser-{n}", address=town, without_proof=True)
    with pytest.raises(TooManyCodes):  # whom nobody knows is asked to wait
        await world.service.look(drug(0), device_id="stranger", language="en", address=town)
    for n in range(20):  # members go on, on whichever phone
        look = await world.service.look(
            drug(n), device_id=f"phone-{n}", language="en", address=town, member=world.member_ids[n]
        )
        assert look.kind == "first"
        page = {"scan_id": look.scan_id, "page_token": look.page_token, "bearer": False}
        reply = await world.scan(drug(n), member=n, device_id=f"phone-{n}", address=town, **page)
        assert reply.outcome is Outcome.AWARDED
    # and codes of our own are told to everybody
    assert (await world.service.look(world.lines[0], device_id="new", language="en", address=town)).kind == "first"


async def test_a_text_of_nobody_takes_no_pairing_lock_from_the_codes_beside_it(world: World) -> None:
    """It fits an import's pattern, so that which codes a group is of is known only when it was looked for."""
    await confirm(world, await read(world, "\n".join(map(drug, range(3))).encode()))
    held: list[list[int]] = []
    fetch = flow.look_up

    async def look(tx: Tx, *args: Any, **more: Any) -> Any:
        locks = await tx.execute(
            text(
                "SELECT objid::bigint FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid() AND granted"
            )
        )
        held.append(list(locks.scalars()))
        return await fetch(tx, *args, **more)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(flow, "look_up", look)
        own, nobody = (
            asyncio.create_task(world.service.submit(world.request(code, member=1)))
            for code in (world.lines[5], drug(77_777))
        )
        await asyncio.gather(own, nobody)
    assert len(held) == 1, "both were one group"
    assert held[0], "what is ours was looked up under its key's lock"
