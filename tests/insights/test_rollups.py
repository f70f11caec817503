"""Rollups say what the journal says: whatever came late, however it was cut into batches and merged."""

from __future__ import annotations

import asyncio
import random
from datetime import timedelta

import pytest
from sqlalchemy import text

from insights import chunks, feed, rollups
from insights.filters import LAYERS, Filter
from insights.hexes import WORLD, Box
from insights.spans import hour_of
from insights.views import Views
from kernel.db import Database
from kernel.errors import ConfigurationError, Conflict
from tests.insights.rows import OUTCOMES, START, by, expected_cells, make, store
from traceability import journal

BOXES = (
    WORLD, WORLD, Box(100, 0, 140, 60), Box(120, 30, 123, 32), Box(170, -30, -170, 0), Box(-180, 80, 180, 90),
    Box(116, 39.5, 117, 40.2), Box(120.1, 30.2, 120.25, 30.3), Box(179.5, -18, 180, -16), Box(-1, -1, 1, 1),
    Box(0, 0, 0, 0),
)  # fmt: skip


def some_filter(rng: random.Random) -> Filter:
    since = START + timedelta(hours=rng.choice((0, 0, rng.randrange(24 * 10), rng.randrange(24 * 300))) - 30)
    until = since + timedelta(
        hours=rng.choice((1, 24, rng.randrange(2, 500), 24 * 450, 24 * 450)), minutes=rng.choice((0, 30))
    )

    def some(values, share=0.2):
        return frozenset(value for value in values if rng.random() < 0.7) if rng.random() < share else frozenset()

    return Filter(
        brand_id=rng.choice((1, 1, 2, 3)), since=since, until=until, layer=rng.choice((*LAYERS, "scans", "scans")),
        gtins=some(("06901234567892", "06901234567908", "nonsense")), batches=some((11, 12, 999)),
        dealers=some((21, 22, -1)),
        outcomes=some(OUTCOMES), sources=some(("gps", "wechat", "ip", "none")),
    )  # fmt: skip


async def compare(views: Views, rows: list, rng: random.Random) -> int:
    """Ask one view of each sort, and compare; returns how many scans it saw."""
    which, box, resolution = some_filter(rng), rng.choice(BOXES), rng.randint(2, 9)
    steps = rng.choice((1, 1, 2, 7, 31))
    low, high = which.hours
    steps = min(steps, high - low)
    cells = await views.cells(which, box, resolution, steps)
    expected = expected_cells(rows, which, box, cells.resolution, cells.bounds)
    assert dict(zip(cells.cells.tolist(), cells.counts.tolist(), strict=True)) == expected.cells, (which, box)
    assert (cells.hidden_cells, cells.hidden_scans) == (expected.hidden_cells, expected.hidden_scans)
    assert cells.total == sum(map(sum, expected.cells.values()))

    series = await views.series(which, 86_400 if high - low > 4_000 else 3_600, by_outcome=True)
    width = 24 if high - low > 4_000 else 1
    wanted = by(rows, which, lambda row: hour_of(row.at) // width)
    assert {hour_of(at) // width: n for at, n in zip(series.starts, series.counts.tolist(), strict=True) if n} == wanted
    wanted = by(rows, which, lambda row: row.outcome)
    assert {outcome: int(counts.sum()) for outcome, counts in series.outcomes.items()} == wanted

    places = await views.places(which)
    wanted = by(rows, which, lambda row: (row.adcode or 0) // 10_000 * 10_000 if row.cell else -1)
    assert {row.adcode: row.placed for row in places.rows if row.placed} == {
        adcode: count for adcode, count in wanted.items() if adcode > 0
    }
    assert places.unknown_placed == wanted[0]
    wanted = by(rows, which, lambda row: (row.ip_province or 0) if row.cell is None else -1)
    assert {row.adcode: row.ip for row in places.rows if row.ip} == {a: n for a, n in wanted.items() if a > 0}
    assert places.unknown == wanted[0]
    assert places.total == int(series.counts.sum())
    return cells.total + cells.hidden_scans + places.total


@pytest.mark.parametrize("seed", range(4))
async def test_rollups_equal_the_raw_rows(db: Database, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = random.Random(seed)
    monkeypatch.setattr(feed, "BATCH_ROWS", rng.choice((17, 50, 1_000)))
    monkeypatch.setattr(chunks, "SPLIT_ENTRIES", rng.choice((20, 200, 1 << 17)))
    views = Views(db)
    rows: list = []
    seen = 0
    for _ in range(12):
        new = [make(rng) for _ in range(rng.choice((1, 5, 60, 300)))]
        await store(db, new)
        rows += new
        rolled = await rollups.roll_up(db)
        assert rolled.caught_up
        assert rolled.scans == len(new)
        if rng.random() < 0.3:
            await rollups.tidy(db)
        for _ in range(3):
            seen += await compare(views, rows, rng)
    await rollups.tidy(db)
    for _ in range(40):
        seen += await compare(views, rows, rng)
    assert seen > 1_000, "the views looked at something"
    assert (await views.freshness()).scans == len(rows)


async def counted(db: Database) -> int:
    """All scans of both brands, by way of the rollups."""
    views, total = Views(db), 0
    for brand_id in (1, 2):
        which = Filter(brand_id=brand_id, since=START - timedelta(days=30), until=START + timedelta(days=500))
        total += int((await views.series(which, 86_400)).counts.sum())
    return total


async def test_two_that_roll_up_at_once_count_each_scan_once(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed, "BATCH_ROWS", 20)
    rng = random.Random(7)
    await asyncio.gather(*(store(db, [make(rng) for _ in range(30)]) for _ in range(6)))
    rolled = await asyncio.gather(*(rollups.roll_up(db) for _ in range(3)))
    assert sum(each.scans for each in rolled) == 180
    assert await counted(db) == 180


async def test_a_batch_that_dies_before_its_commit_leaves_nothing(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = random.Random(8)
    await store(db, [make(rng) for _ in range(50)])
    with monkeypatch.context() as broken:

        async def die(*_: object) -> None:
            raise ConnectionResetError

        broken.setattr(rollups, "_save", die)
        with pytest.raises(ConnectionResetError):
            await rollups.roll_up(db)
    assert await counted(db) == 0
    assert (await rollups.roll_up(db)).scans == 50
    assert await counted(db) == 50


async def test_a_merge_that_dies_changes_nothing(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = random.Random(9)
    with monkeypatch.context() as broken:

        async def die(*_: object, **__: object) -> set[object]:
            raise ConnectionResetError

        broken.setattr(rollups, "_merge_once", die)
        for _ in range(9):
            await store(db, [make(rng, at=START, brand_id=1) for _ in range(3)])
            with pytest.raises(ConnectionResetError):
                await rollups.roll_up(db)
    assert await counted(db) == 27
    await store(db, [make(rng, at=START, brand_id=1)])
    assert (await rollups.roll_up(db)).merges > 0, "what was left unmerged is merged the next time"
    assert await counted(db) == 28


async def test_an_open_old_transaction_delays_rows_and_loses_none(db: Database) -> None:
    rng = random.Random(10)
    views = Views(db)
    await rollups.roll_up(db)
    async with db.transaction() as slow:
        await journal.record(slow, [make(rng)])
        await store(db, [make(rng) for _ in range(5)])  # a later transaction that commits earlier
        assert (await rollups.roll_up(db)).scans == 0
        began = (await views.freshness()).as_of
        await rollups.roll_up(db)
        assert (await views.freshness()).as_of == began, "time does not go on while something is missing"
    assert (await rollups.roll_up(db)).scans == 6
    assert await counted(db) == 6
    await rollups.roll_up(db)
    assert (await views.freshness()).as_of > began


async def test_a_transaction_that_rolls_back_holds_up_nobody(db: Database) -> None:
    rng = random.Random(11)
    with pytest.raises(ZeroDivisionError):
        async with db.transaction() as tx:
            await journal.record(tx, [make(rng)])
            raise ZeroDivisionError
    await store(db, [make(rng)])
    assert (await rollups.roll_up(db)).scans == 1


async def test_one_huge_transaction_is_rolled_up_in_batches(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed, "BATCH_ROWS", 40)
    rng = random.Random(12)
    many = [make(rng) for _ in range(200)] + [make(rng, at=START + timedelta(hours=3)) for _ in range(90)]
    await store(db, many)
    rolled = await rollups.roll_up(db)
    assert (rolled.scans, rolled.caught_up) == (290, True)
    assert rolled.batches >= 4, "a moment with more rows than a batch is one batch"
    assert await counted(db) == 290


async def test_a_turn_stops_when_its_time_is_over_and_the_next_goes_on(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed, "BATCH_ROWS", 10)
    rng = random.Random(13)
    await store(db, [make(rng) for _ in range(35)])
    turn = await rollups.roll_up(db, seconds_max=0)
    assert turn.batches == 1
    assert not turn.caught_up
    assert (await rollups.roll_up(db)).caught_up
    assert await counted(db) == 35


async def test_rows_of_an_older_version_get_their_dealer_and_first_scan(db: Database) -> None:
    rng = random.Random(14)
    async with db.transaction() as tx:
        for statement in (
            "INSERT INTO brand (slug, name, name_en, company_prefix) VALUES ('a', 'a', 'a', '690')",
            "INSERT INTO dealer (brand_id, code, name) VALUES (1, 'A', 'A'), (1, 'B', 'B')",
            "INSERT INTO logistic_unit VALUES ('000000000000000001', 1, '[100,200)', '2023-01-01')",
            """INSERT INTO shipment (brand_id, document, dealer_id, adcode, shipped_at)
               VALUES (1, 'x', 1, 310000, '2023-06-01'), (1, 'y', 2, 310000, '2024-06-01')""",
            "INSERT INTO shipment_line VALUES (1, 1, '000000000000000001'), (1, 2, '000000000000000001')",
        ):
            await tx.execute(text(statement))
    old = [make(rng, at=START + timedelta(hours=n), brand_id=1, unit_id=150, dealer_id=None) for n in range(3)]
    await store(db, old)
    async with db.transaction() as tx:
        await tx.execute(text("UPDATE scan SET first = NULL"))
        await tx.execute(
            text("INSERT INTO unit (id, brand_id, batch_id, scan_count, first_scan_at) VALUES (150, 1, 1, 3, :at)"),
            {"at": old[0].at},
        )
    await rollups.roll_up(db)
    wide = {"brand_id": 1, "since": START - timedelta(days=1), "until": START + timedelta(days=2)}
    views = Views(db)
    assert (await views.series(Filter(**wide, dealers=frozenset((1,))), 86_400)).counts.sum() == 3
    assert (await views.series(Filter(**wide, layer="first"), 3_600)).counts.sum() == 1


async def test_a_rebuild_takes_corrections_in_and_switches_at_once(db: Database) -> None:
    rng = random.Random(15)
    rows = [make(rng) for _ in range(120)]
    await store(db, rows)
    await rollups.roll_up(db)
    async with db.transaction() as tx:
        gone = await tx.execute(text("DELETE FROM scan WHERE outcome = 'taken'"))
    assert await counted(db) == 120
    await store(db, [make(rng) for _ in range(4)])
    rebuilt = await rollups.rebuild(db)
    assert rebuilt.scans == 124 - gone.rowcount == await counted(db)
    await store(db, [make(rng)])
    assert (await rollups.roll_up(db)).scans == 1
    async with db.transaction() as tx:
        assert (await tx.execute(text("SELECT count(*), count(DISTINCT generation) FROM rollup_state"))).one() == (1, 1)
        assert (await tx.execute(text("SELECT count(DISTINCT generation) FROM rollup_chunk"))).scalar_one() == 1


async def test_a_rebuild_that_died_is_begun_anew(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = random.Random(16)
    await store(db, [make(rng) for _ in range(30)])
    await rollups.roll_up(db)
    with monkeypatch.context() as broken:

        async def die(*_: object) -> None:
            raise ConnectionResetError

        broken.setattr(rollups, "_drop_others", die)
        with pytest.raises(ConnectionResetError):
            await rollups.rebuild(db)
    assert await counted(db) == 30
    assert (await rollups.rebuild(db)).scans == 30
    assert await counted(db) == 30


async def test_only_one_rebuild_runs_at_a_time(db: Database) -> None:
    async with db.transaction() as tx:
        await tx.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": rollups.REBUILD_LOCK})
        with pytest.raises(Conflict, match="rebuilt already"):
            await rollups.rebuild(db)


async def test_a_dump_restored_into_a_younger_server_says_so_and_is_rebuilt(db: Database) -> None:
    rng = random.Random(17)
    await store(db, [make(rng) for _ in range(20)])
    await rollups.roll_up(db)
    async with db.transaction() as tx:  # as if the numbers were those of a server that has lived longer
        await tx.execute(text("UPDATE scan SET tx = tx + 1000000000"))
        await tx.execute(text("UPDATE rollup_state SET next_tx = next_tx + 1000000000"))
    await store(db, [make(rng)])
    with pytest.raises(ConfigurationError, match="rebuild"):
        await rollups.roll_up(db)
    await rollups.rebuild(db)
    assert await counted(db) == 21
    await store(db, [make(rng)])
    assert (await rollups.roll_up(db)).scans == 1


async def test_a_word_that_this_version_does_not_know_stops_the_rollup_and_miscounts_nothing(db: Database) -> None:
    rng = random.Random(18)
    await store(db, [make(rng), make(rng, outcome="brand-new")])
    with pytest.raises(ValueError, match="outcome"):
        await rollups.roll_up(db)
    assert await counted(db) == 0


async def test_tidying_leaves_few_chunks_and_the_same_answers(db: Database) -> None:
    rng = random.Random(19)
    rows: list = []
    for _ in range(12):
        new = [make(rng, brand_id=1, at=START + timedelta(hours=rng.randrange(50))) for _ in range(40)]
        await store(db, new)
        rows += new
        await rollups.roll_up(db)

    async def most() -> int:
        async with db.transaction() as tx:
            found = await tx.execute(
                text(
                    "SELECT max(n) FROM (SELECT count(*) AS n FROM rollup_chunk GROUP BY kind, span_h, bucket, tile) g"
                )
            )
            return found.scalar_one()

    before = await most()
    assert await rollups.tidy(db) > 0
    assert await most() <= 3 < before
    assert await rollups.tidy(db) == 0, "what is tidy is left alone"
    for _ in range(10):
        await compare(Views(db), rows, rng)
