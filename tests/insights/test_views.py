"""Views: what they refuse, hide and remember; how many statements they take."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import h3.api.basic_int as h3
import pytest

from insights import rollups, views
from insights.filters import CHOICES_MAX, Filter
from insights.hexes import WORLD, Box
from insights.views import Views
from kernel.db import Database
from kernel.errors import InvalidInput, NotFound
from tests.insights.rows import START, make, store

HERE = h3.latlng_to_cell(30.25, 120.17, 9)
AROUND = Box(120, 30, 121, 31)


def asked(**fields) -> Filter:
    return Filter(**{"brand_id": 1, "since": START, "until": START + timedelta(days=10)} | fields)


async def put(db: Database, *people: int | None, **fields) -> None:
    """A placed scan by each of some members (None: nobody known)."""
    rng = random.Random(len(people))
    fixed = {
        "brand_id": 1, "cell": HERE, "location_source": "gps", "adcode": 330102, "device": None,
        "at": START + timedelta(hours=1), "outcome": "awarded",
    } | fields  # fmt: skip
    await store(db, [make(rng, member_id=person, scan_id=uuid4(), **fixed) for person in people])
    await rollups.roll_up(db)


@pytest.mark.parametrize("resolution", [7, 8, 9])
async def test_a_small_cell_is_shown_from_five_people_up(db: Database, resolution: int) -> None:
    seen = Views(db)
    await put(db, 1, 2, 3, 4, 1, 2, 3)
    hidden = await seen.cells(asked(), AROUND, resolution)
    assert (hidden.cells.tolist(), hidden.total, hidden.hidden_cells, hidden.hidden_scans) == ([], 0, 1, 7)
    await put(db, 5)
    shown = await seen.cells(asked(), AROUND, resolution)
    assert (shown.total, shown.hidden_cells, shown.hidden_scans) == (8, 0, 0)
    assert shown.cells.tolist() == [h3.cell_to_parent(HERE, resolution)]


async def test_all_of_whom_nothing_is_known_count_as_one_person(db: Database) -> None:
    seen = Views(db)
    await put(db, 1, 2, 3, *[None] * 30)
    assert (await seen.cells(asked(), AROUND, 7)).hidden_scans == 33
    await put(db, 4)
    assert (await seen.cells(asked(), AROUND, 7)).total == 34


async def test_five_people_are_counted_under_the_filters_of_the_view(db: Database) -> None:
    seen = Views(db)
    await put(db, 1, 2, 3, 4, 5, outcome="awarded")
    await put(db, 6, outcome="held")
    assert (await seen.cells(asked(), AROUND, 8)).total == 6
    held = await seen.cells(asked(outcomes=frozenset(["held"])), AROUND, 8)
    assert (held.total, held.hidden_cells, held.hidden_scans) == (0, 1, 1)
    hour = await seen.cells(asked(until=START + timedelta(hours=1)), AROUND, 8)
    assert (hour.total, hour.hidden_scans) == (0, 0)


async def test_each_step_of_the_slider_needs_its_own_five_people(db: Database) -> None:
    await put(db, 1, 2, 3, 4, 5)
    await put(db, 1, 6, at=START + timedelta(days=7))
    cells = await Views(db).cells(asked(), AROUND, 8, steps=2)
    assert cells.counts.tolist() == [[5, 0]]
    assert (cells.hidden_cells, cells.hidden_scans) == (1, 2)


async def test_a_large_cell_is_shown_whoever_was_there(db: Database) -> None:
    await put(db, 1)
    assert (await Views(db).cells(asked(), AROUND, 6)).total == 1


async def test_too_many_cells_are_answered_coarser_and_said(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    apart = [h3.latlng_to_cell(20 + n, 100 + n, 9) for n in range(12)]
    for cell in apart:
        await put(db, 1, cell=cell)
    seen = Views(db)
    monkeypatch.setattr(views, "CELLS_MAX", 12)
    at_limit = await seen.cells(asked(), WORLD, 5)
    assert (at_limit.resolution, len(at_limit.cells)) == (5, 12)
    monkeypatch.setattr(views, "CELLS_MAX", 11)
    beyond = await seen.cells(asked(), WORLD, 5)
    assert beyond.asked == 5
    assert beyond.resolution < 5
    assert len(beyond.cells) <= 11
    assert beyond.total == 12


async def test_small_cells_of_a_whole_country_are_answered_coarser(db: Database) -> None:
    await put(db, 1, 2, 3, 4, 5)
    assert (await Views(db).cells(asked(), Box(73, 17, 136, 54), 9)).resolution == 6
    assert (await Views(db).cells(asked(), AROUND, 9)).resolution == 9


async def test_what_does_not_exist_matches_nothing(db: Database) -> None:
    await put(db, 1)
    await put(db, 1, brand_id=2, batch_id=77)
    seen = Views(db)
    for which in (
        asked(brand_id=3), asked(batches=frozenset([77])), asked(batches=frozenset([0, -1, 1 << 70])),
        asked(dealers=frozenset([0])), asked(gtins=frozenset(["", "x", "00000000000000", "1" * 40])),
    ):  # fmt: skip
        assert (await seen.cells(which, WORLD, 4)).total == 0
        assert (await seen.places(which)).total == 0
        assert (await seen.series(which, 3600)).counts.sum() == 0


BAD: list[tuple[Callable[[], Filter], str]] = [
    (lambda: asked(until=START), "ends before"),
    (lambda: asked(since=START.replace(tzinfo=None)), "no time zone"),
    (lambda: asked(since=datetime(1969, 12, 31, tzinfo=UTC)), "before 1970"),
    (lambda: asked(until=START + timedelta(days=3661)), "longer than 10 years"),
    (lambda: asked(layer="everything"), "no layer"),
    (lambda: asked(outcomes=frozenset(["won"])), "no outcome 'won'"),
    (lambda: asked(sources=frozenset(["radio"])), "no source 'radio'"),
    (lambda: asked(batches=frozenset(range(CHOICES_MAX + 1))), "at most 1,000 batches"),
]


@pytest.mark.parametrize(("make_filter", "said"), BAD)
def test_a_filter_beyond_its_limits_is_refused_in_a_sentence(make_filter: Callable[[], Filter], said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        make_filter()


def test_a_filter_at_its_limits_is_taken() -> None:
    asked(until=START + timedelta(days=3660))
    asked(batches=frozenset(range(CHOICES_MAX)))


@pytest.mark.parametrize(
    "box", [(0, 10, 1, 5), (0, -91, 1, 0), (0, 0, 1, 91), (-181, 0, 1, 1), (0, 0, 181, 1), (0, float("nan"), 1, 1)]
)
def test_a_box_off_the_globe_is_refused(box: tuple[float, float, float, float]) -> None:
    with pytest.raises(InvalidInput):
        Box(*box)


async def test_views_beyond_their_limits_are_refused(db: Database) -> None:
    seen = Views(db)
    for resolution in (1, 10):
        with pytest.raises(InvalidInput, match="resolution"):
            await seen.cells(asked(), WORLD, resolution)
    for steps in (0, 32):
        with pytest.raises(InvalidInput, match="steps"):
            await seen.cells(asked(), WORLD, 4, steps)
    with pytest.raises(InvalidInput, match="1 hours cannot be cut into 2"):
        await seen.cells(asked(until=START + timedelta(minutes=10)), WORLD, 4, 2)
    with pytest.raises(InvalidInput, match="3600 or 86400"):
        await seen.series(asked(), 60)
    with pytest.raises(InvalidInput, match="at most 4,000"):
        await seen.series(asked(until=START + timedelta(hours=4_001)), 3600)
    assert len((await seen.series(asked(until=START + timedelta(hours=4_000)), 3600)).counts) == 4_000
    with pytest.raises(NotFound):
        await seen.places(asked(), 999999)
    with pytest.raises(InvalidInput, match="is a district"):
        await seen.places(asked(), 330102)


async def test_places_lead_from_the_country_to_a_district(db: Database) -> None:
    seen = Views(db)
    await put(db, 1, 2, 3)  # Hangzhou
    await put(db, 4, adcode=330203)  # Ningbo
    await put(db, 5, adcode=441900)  # Dongguan, a city without districts
    await put(db, 6, adcode=None)  # abroad
    await put(db, 7, 8, cell=None, adcode=None, location_source="ip", ip_province=330000)
    await put(db, 9, cell=None, adcode=None, location_source="none")
    country = await seen.places(asked())
    assert [(row.adcode, row.placed, row.ip) for row in country.rows] == [(330000, 4, 2), (440000, 1, 0)]
    assert (country.level, country.unknown_placed, country.unknown, country.total) == ("province", 1, 1, 9)
    province = await seen.places(asked(), 330000)
    assert [(row.adcode, row.placed, row.ip) for row in province.rows] == [(330100, 3, 0), (330200, 1, 0)]
    assert (province.level, province.undivided_ip, province.total) == ("city", 2, 6)
    city = await seen.places(asked(), 330100)
    assert [(row.adcode, row.placed) for row in city.rows] == [(330102, 3)]
    assert (city.level, city.undivided_ip) == ("district", 0)
    dongguan = await seen.places(asked(), 441900)
    assert [(row.adcode, row.placed) for row in dongguan.rows] == [(441900, 1)]


async def test_a_view_takes_the_same_statements_whatever_the_size(db: Database) -> None:
    rng = random.Random(3)

    async def statements(seen: Views, ask: Callable[[Views], object]) -> int:
        before = db.statements
        await ask(seen)  # type: ignore[misc]
        return db.statements - before

    wide = asked(until=START + timedelta(days=400))
    asks = [
        lambda v: v.cells(wide, WORLD, 4), lambda v: v.cells(wide, WORLD, 5, 31), lambda v: v.cells(wide, AROUND, 6),
        lambda v: v.cells(wide, AROUND, 9), lambda v: v.places(wide), lambda v: v.series(wide, 86_400),
    ]  # fmt: skip
    for scans in (5, 400):
        await store(db, [make(rng, brand_id=1) for _ in range(scans)])
        await rollups.roll_up(db)
        for ask in asks:
            seen = Views(db)
            assert await statements(seen, ask) == 2, "chunks and facets"
            assert await statements(seen, ask) == 1


async def test_a_cache_too_small_for_one_view_answers_the_same(db: Database) -> None:
    rng = random.Random(4)
    await store(db, [make(rng, brand_id=1) for _ in range(500)])
    await rollups.roll_up(db)
    large, small = Views(db), Views(db, cache_bytes_max=2_000)
    wide = asked(until=START + timedelta(days=400))
    for resolution in (3, 5, 6, 5, 3):
        ours = await small.cells(wide, WORLD, resolution, 7)
        assert small._cache.bytes <= 2_000
        theirs = await large.cells(wide, WORLD, resolution, 7)
        assert (ours.cells.tolist(), ours.counts.tolist()) == (theirs.cells.tolist(), theirs.counts.tolist())
    assert large._cache.bytes > 2_000


async def test_freshness_tells_how_far_the_rollups_reach(db: Database) -> None:
    seen = Views(db)
    assert (await seen.freshness()).as_of.year == 1970, "nothing was rolled up yet"
    await put(db, 1, 2)
    fresh = await seen.freshness()
    assert fresh.scans == 2
    assert fresh.as_of > datetime.now(UTC) - timedelta(hours=1)
    assert fresh.lag_s >= 0


async def test_a_new_scan_is_in_the_next_view(db: Database) -> None:
    seen = Views(db)
    for count in range(1, 5):
        await put(db, count)
        assert (await seen.cells(asked(), WORLD, 3)).total == count
