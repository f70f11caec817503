"""Windows of the overview: what lies on their edges, and what belongs to others."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any

import h3.api.basic_int as h3
from sqlalchemy import event, text
from sqlalchemy.engine import Engine

from insights import overview, rollups
from insights.overview import Charts, Window
from insights.views import Views
from kernel.clock import now
from kernel.db import Tx
from tests.world import GTIN, OTHER_GTIN, World, regions

NOON = (now() - timedelta(days=10)).replace(hour=4, minute=0, second=0, microsecond=0)
"""In China; far enough back for the rollups to be believed, near enough for the journal's partitions."""
DAY = timedelta(days=1)
HOUR = timedelta(hours=1)
CELL = h3.latlng_to_cell(23.1291, 113.2644, 9)

_SCAN = text("""
    INSERT INTO scan (at, scan_id, brand_id, unit_id, side, gtin, outcome, adcode, cell, location_source, ip_province,
        findings, points, first)
    VALUES (:at, gen_random_uuid(), :brand, 1, 'outer', :gtin, :outcome, :adcode, CAST(:cell AS bigint),
        CASE WHEN CAST(:cell AS bigint) IS NOT NULL THEN 'gps' WHEN CAST(:ip AS integer) IS NOT NULL THEN 'ip'
            ELSE 'none' END, :ip, CAST(:findings AS jsonb), 0, :first)
""")


async def put(tx: Tx, at: datetime, **more: Any) -> None:
    given = {
        "at": at, "brand": 1, "gtin": GTIN, "outcome": "authentic", "adcode": None, "cell": None, "ip": None,
        "findings": "[]", "first": False,
    }  # fmt: skip
    await tx.execute(_SCAN, {**given, **more})


async def test_a_window_holds_its_first_moment_and_not_its_last(world: World):
    window = Window(NOON, NOON + DAY)
    async with world.opened.db.transaction() as tx:
        moment = timedelta(microseconds=1)
        for at in (NOON - moment, NOON, NOON + DAY - moment, NOON + DAY):
            await put(tx, at, first=True)
        counted = await overview.count(tx, brand_id=1, windows=[window, Window(NOON - DAY, NOON)])
    assert [(each.scans, each.first) for each in counted] == [(2, 2), (1, 1)]


async def test_another_brands_rows_are_not_counted(world: World):
    async with world.opened.db.transaction() as tx:
        await put(tx, NOON, brand=2)
        counted = await overview.count(tx, brand_id=2, windows=[Window(NOON, NOON + DAY)])
        mine = await overview.count(tx, brand_id=1, windows=[Window(NOON, NOON + DAY)])
    assert (counted[0].scans, mine[0].scans) == (1, 0)


async def test_findings_are_told_apart(world: World):
    async with world.opened.db.transaction() as tx:
        for findings in (
            '[{"rule": "impossible_travel", "result": "copied"}]',
            '[{"rule": "outside_territory", "result": "outside"}, {"rule": "early_scan", "result": "x"}]',
            '[{"rule": "outside_territory", "result": "inside"}]',
            '[{"rule": "outside_territory", "result": "undetermined"}]',
        ):
            await put(tx, NOON, findings=findings)
        (counted,) = await overview.count(tx, brand_id=1, windows=[Window(NOON, NOON + DAY)])
    assert (counted.scans, counted.copied, counted.outside, counted.early) == (4, 1, 1, 1)


async def test_days_and_hours_are_chinas(world: World):
    async with world.opened.db.transaction() as tx:
        await put(tx, NOON - 12 * HOUR - timedelta(seconds=1))
        await put(tx, NOON - 12 * HOUR, outcome="taken")
    drawn = await draw(world, Window(NOON - 5 * DAY, NOON))
    assert drawn.days == {(NOON.date() - DAY, "authentic"): 1, (NOON.date(), "taken"): 1}
    assert drawn.hours == {23: 1, 0: 1}
    assert drawn.outcomes == {"authentic": 1, "taken": 1}


async def draw(world: World, window: Window) -> Charts:
    db = world.opened.db
    return await overview.charts(db, Views(db, regions=regions()), brand_id=1, window=window)


async def test_a_province_is_the_precise_places_else_the_networks(world: World):
    async with world.opened.db.transaction() as tx:
        await put(tx, NOON, adcode=440106, cell=CELL, ip=110000)
        await put(tx, NOON, ip=110000, gtin=OTHER_GTIN)
        await put(tx, NOON, ip=110000)
        await put(tx, NOON, cell=CELL, ip=110000)  # abroad: the network knows no better
        await put(tx, NOON, gtin=None, outcome="forged")
    drawn = await draw(world, Window(NOON, NOON + DAY))
    assert drawn.provinces == {110000: 2, 440000: 1, None: 2}
    assert drawn.products == [(GTIN, 3), (OTHER_GTIN, 1)]


async def test_rollups_and_journal_together_count_every_scan_once(world: World):
    window = Window(NOON - 3 * DAY, NOON + 3 * DAY)
    half = timedelta(minutes=30)

    async def scans(first: int) -> None:
        async with world.opened.db.transaction() as tx:
            for n in range(12):
                at = window.since + (first + n) * timedelta(hours=5) - half
                place = {"adcode": 440106, "cell": CELL} if n % 2 else {"ip": 330000}
                await put(tx, at, outcome=("awarded", "taken", "held")[n % 3], gtin=(GTIN, None)[n % 5 == 0], **place)

    await scans(0)
    raw = await draw(world, window)
    await rollups.roll_up(world.opened.db)
    rolled = await draw(world, window)
    assert (rolled.days, rolled.hours, rolled.outcomes) == (raw.days, raw.hours, raw.outcomes)
    assert (rolled.provinces, rolled.products) == (raw.provinces, raw.products)
    assert sum(rolled.hours.values()) == 11  # the first lies before the window
    views = Views(world.opened.db, regions=regions())
    assert (await views.freshness()).as_of > window.until  # so the rollups did answer


async def test_scans_that_the_rollups_do_not_hold_yet_are_counted_from_the_journal(world: World):
    await world.scan(world.lines[0])
    await rollups.roll_up(world.opened.db)
    await world.scan(world.lines[1])
    at = now()
    drawn = await draw(world, Window(at - DAY, at + timedelta(seconds=1)))
    assert drawn.outcomes == {"awarded": 2}


async def test_forged_tries_are_the_brands_whose_key_they_name(world: World):
    async with world.opened.db.transaction() as tx:
        key = (await tx.execute(text("SELECT id FROM code_key"))).scalar_one()
        for day, outcome, key_id, count in (
            (date(2026, 11, 1), "forged", key, 5),
            (date(2026, 11, 2), "forged", key, 7),
            (date(2026, 11, 2), "forged", (key + 1) % 1024, 100),
            (date(2026, 11, 2), "malformed", -1, 1000),
            (date(2026, 11, 3), "forged", key, 11),
        ):
            await tx.execute(
                text("INSERT INTO refused_count (day, outcome, key_id, count) VALUES (:d, :o, :k, :c)"),
                {"d": day, "o": outcome, "k": key_id, "c": count},
            )
        counted = await overview.forged(
            tx,
            brand_id=1,
            days=[
                (date(2026, 11, 1), date(2026, 11, 2)),
                (date(2026, 11, 3), date(2026, 11, 3)),
                (date(2026, 10, 1), date(2026, 10, 9)),
            ],
        )
    assert counted == [12, 11, 0]


async def test_the_statements_are_as_many_for_four_windows_as_for_one(world: World):
    seen: list[str] = []

    def listen(_: object, __: object, statement: str, *___: object) -> None:
        seen.append(statement)

    event.listen(Engine, "before_cursor_execute", listen)
    try:
        counts = []
        for size in (1, 4):
            async with world.opened.db.transaction() as tx:
                seen.clear()
                await overview.count(tx, brand_id=1, windows=[Window(NOON - DAY, NOON)] * size)
                counts.append(len(seen))
    finally:
        event.remove(Engine, "before_cursor_execute", listen)
    assert counts == [4, 4]
