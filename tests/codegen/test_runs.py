"""Print runs: no code printed twice, nothing closed that does not balance; and labels that name their rolls."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pypdfium2
import pytest
import zxingcpp

from codegen import batches, printed, ranges, roll_labels, rolls, runs
from codegen.batches import Batch
from codegen.lineset import Lines
from codegen.runs import Closed, Run
from kernel.errors import Conflict, InvalidInput
from tests.world import World


async def fresh(world: World, count: int = 100, size: int | None = 40) -> Batch:
    """A batch that nothing was printed of, cut into rolls of 40, 40 and 20 lines."""
    name, _ = await world.issue(count)
    async with world.opened.db.transaction() as tx:
        batch = await batches.get(tx, name)
        if size:
            await rolls.cut(tx, batch, size=size, actor="test")
    return batch


async def start(world: World, batch: Batch, *numbers: int, lines: Lines = ()) -> Run:
    async with world.opened.db.transaction() as tx:
        taken = [await rolls.named(tx, str(n), batch=batch, brand_id=batch.brand_id) for n in numbers]
        return await runs.open_run(tx, batch, printer="Domino 1", rolls=taken, lines=lines, actor="test")


async def enter(world: World, run: Run, kind: str, lines: Lines, **more: Any) -> printed.Entered:
    async with world.opened.db.transaction() as tx:
        return await printed.enter_lines(tx, run, kind=kind, lines=lines, how="range", actor="test", **more)


async def count(world: World, run: Run, kind: str, number: int, part: int | None = None) -> None:
    async with world.opened.db.transaction() as tx:
        await printed.enter_count(tx, run, kind=kind, count=number, part_id=part, actor="test")


async def close(world: World, run: Run, batch: Batch, *, activate: bool = True, void: bool = True) -> Closed:
    async with world.opened.db.transaction() as tx:
        return await runs.close(tx, run, batch, activate=activate, void=void, actor="test")


async def states(world: World, batch: Batch) -> list[tuple[int, int, str]]:
    async with world.opened.db.transaction() as tx:
        return sorted((s.first, s.last, s.state) for s in await ranges.held_of(tx, batch))


async def test_a_run_that_balances_is_closed_and_switches_what_it_made(world: World) -> None:
    batch = await fresh(world)
    run = await start(world, batch, 1, 3)
    assert (run.issued, run.off) == (60, 60)
    await enter(world, run, "good", ((1, 35), (81, 100)))
    await enter(world, run, "waste", ((36, 37),))
    with pytest.raises(Conflict, match=r"Domino 1 does not balance\. roll 1: 3 not accounted for of 40\."):
        await close(world, run, batch)
    await count(world, run, "missing", 3, run.parts[0].id)
    closed = await close(world, run, batch)
    assert (closed.totals, closed.activated, closed.voided) == (
        {"good": 55, "waste": 2, "returned": 0, "missing": 3}, 55, 5,
    )  # fmt: skip
    assert await states(world, batch) == [(1, 35, "activated"), (36, 40, "void"), (81, 100, "activated")]
    with pytest.raises(Conflict, match="is closed"):
        await enter(world, run, "good", ((1, 1),))
    with pytest.raises(Conflict, match="is closed"):
        await close(world, run, batch)


async def test_two_errors_do_not_make_a_run_right(world: World) -> None:
    batch = await fresh(world)
    run = await start(world, batch, 1, 2)
    await enter(world, run, "good", ((1, 30), (41, 80)))
    with pytest.raises(Conflict, match="5 more waste would be 5 more than the 40"):
        await count(world, run, "waste", 5, run.parts[1].id)
    with pytest.raises(InvalidInput, match="several rolls"):
        await count(world, run, "waste", 5)
    await count(world, run, "waste", 10, run.parts[0].id)
    assert (await close(world, run, batch, activate=False, void=False)).totals["waste"] == 10


async def test_lines_known_by_count_only_are_not_switched_where_nobody_can_say_which(world: World) -> None:
    batch = await fresh(world, size=None)
    run = await start(world, batch, lines=((1, 100),))
    await enter(world, run, "good", ((1, 90),))
    await count(world, run, "waste", 4)
    await count(world, run, "returned", 6)
    with pytest.raises(Conflict, match="nobody can say which are waste"):
        await close(world, run, batch)
    assert (await close(world, run, batch, void=False)).activated == 90
    with pytest.raises(Conflict, match="no code is printed twice"):  # some of them may have been printed
        await start(world, batch, lines=((95, 95),))


async def test_no_line_is_printed_twice_and_what_came_back_may_be_printed(world: World) -> None:
    batch = await fresh(world)
    run = await start(world, batch, 1)
    with pytest.raises(Conflict, match=rf"Lines 40 were given out in run {run.name}, which is open"):
        await start(world, batch, lines=((40, 45),))
    await enter(world, run, "good", ((1, 30),))
    await enter(world, run, "waste", ((31, 32),))
    await enter(world, run, "returned", ((33, 40),))
    await close(world, run, batch)
    with pytest.raises(Conflict, match=rf"Lines 30 are good in run {run.name} already"):
        await start(world, batch, lines=((30, 35),))
    with pytest.raises(Conflict, match="Lines 32 were given out"):
        await start(world, batch, lines=((32, 35),))
    assert (await start(world, batch, lines=((33, 40),))).issued == 8


async def test_of_runs_opened_at_once_on_one_roll_one_gets_it(world: World) -> None:
    batch = await fresh(world)
    got = await asyncio.gather(*(start(world, batch, 2) for _ in range(6)), return_exceptions=True)
    assert [type(each) for each in got if isinstance(each, Exception)] == [Conflict] * 5


async def test_an_entry_contradicts_corrects_and_is_withdrawn(world: World) -> None:
    batch = await fresh(world)
    run = await start(world, batch, 1)
    await enter(world, run, "good", ((1, 40),))
    with pytest.raises(Conflict, match=r"Lines 7 of run .* are good already"):
        await enter(world, run, "waste", ((7, 7),))
    waste = await enter(world, run, "waste", ((7, 7),), instead=True)
    assert await enter(world, run, "waste", ((7, 7),)) == printed.Entered(None, 0, 1)
    with pytest.raises(Conflict, match="Lines 41 are not in run"):
        await enter(world, run, "waste", ((40, 41),))
    async with world.opened.db.transaction() as tx:
        run = await runs.get(tx, run.name)
        assert (run.total("good"), run.total("waste"), run.off) == (39, 1, 0)
        assert waste.id is not None
        assert await printed.withdraw(tx, run, waste.id, actor="test") == 1
        with pytest.raises(Conflict, match="already"):
            await printed.withdraw(tx, run, waste.id, actor="test")
        run = await runs.get(tx, run.name)
        assert (run.total("waste"), run.off) == (0, 1)
        entries = await printed.list_of(tx, run, limit=10)
    assert [(e.kind, e.count, e.withdrawn_at is not None) for e in entries] == [("waste", 1, True), ("good", 40, False)]


async def test_what_cannot_be_printed_is_refused(world: World) -> None:
    batch = await fresh(world)
    for lines, printer in (((), "P"), (((1, 101),), "P"), (((0, 5),), "P"), (((1, 5),), " "), (((1, 5),), "p" * 61)):
        async with world.opened.db.transaction() as tx:
            with pytest.raises(InvalidInput):
                await runs.open_run(tx, batch, printer=printer, lines=lines, actor="test")
    async with world.opened.db.transaction() as tx:
        roll = await rolls.named(tx, "1", batch=batch, brand_id=batch.brand_id)
        with pytest.raises(InvalidInput, match="share a line"):
            await runs.open_run(tx, batch, printer="P", rolls=[roll], lines=((40, 41),), actor="test")
        many = tuple((2 * n + 1, 2 * n + 1) for n in range(runs.PARTS_MAX + 1))
        with pytest.raises(InvalidInput, match="1 to 1,000 rolls"):
            await runs.open_run(tx, batch, printer="P", lines=many, actor="test")


async def test_a_rolls_label_is_read_back_as_that_roll(world: World, tmp_path: Path) -> None:
    batch = await fresh(world)
    async with world.opened.db.transaction() as tx:
        cut = await rolls.list_of(tx, batch)
    file = tmp_path / "rolls.pdf"
    assert roll_labels.write(file, batch=batch, product="云雾绿茶", rolls=cut, of=3) == 3
    document = pypdfium2.PdfDocument(file)
    read = [zxingcpp.read_barcodes(page.render(scale=2).to_pil())[0].text for page in document]
    document.close()
    async with world.opened.db.transaction() as tx:
        assert [await rolls.named(tx, text, batch=None, brand_id=batch.brand_id) for text in read] == cut
    with pytest.raises(InvalidInput, match="1 to 100,000"):
        roll_labels.write(file, batch=batch, product="茶", rolls=[], of=3)


async def test_entries_made_at_once_keep_the_balance(world: World) -> None:
    batch = await fresh(world)
    run = await start(world, batch, 1)
    wanted = [("good", ((1, 20),)), ("waste", ((15, 25),)), ("returned", ((21, 40),)), ("missing", ((1, 40),))] * 2
    await asyncio.gather(*(enter(world, run, kind, lines) for kind, lines in wanted), return_exceptions=True)
    await asyncio.gather(*(count(world, run, "waste", 15) for _ in range(4)), return_exceptions=True)
    async with world.opened.db.transaction() as tx:
        [part] = (await runs.get(tx, run.name)).parts
        entries = await printed.list_of(tx, run, limit=100)
    assert part.off >= 0
    known = [line for kind in runs.KINDS for first, last in part.known[kind] for line in range(first, last + 1)]
    assert len(known) == len(set(known)), "no line has two ends"
    assert sum(entry.count for entry in entries) == part.issued - part.off
