"""The pure parts: hours and pieces of time, cells, chunks."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import h3.api.basic_int as h3
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from insights import chunks, hexes, spans
from insights.chunks import Counting, Counts, Scans, choose, count, decode, encode, list_scans, merge, split
from insights.hexes import Box
from kernel.errors import InvalidInput

HOURS = st.integers(0, 800_000)


@given(HOURS, st.integers(0, 90_000))
def test_pieces_cover_a_range_once_and_are_few(low: int, length: int) -> None:
    pieces = spans.cut(low, low + length)
    covered = sorted((piece.first * piece.span_h, piece.end * piece.span_h) for piece in pieces)
    assert sum(end - begin for begin, end in covered) == length
    assert all(end == begin for (_, end), (begin, _) in pairwise(covered))
    if length:
        assert (covered[0][0], covered[-1][1]) == (low, low + length)
    assert len(pieces) <= 2 * len(spans.SPANS_H)
    assert sum(piece.end - piece.first for piece in pieces if piece.span_h < spans.LONGEST_H) <= 2 * (23 + 3 + 3 + 3)


@given(
    st.integers(86_400, 4_102_444_800_000_000).map(
        lambda us: datetime(1970, 1, 2, tzinfo=UTC) + timedelta(microseconds=us)
    )
)
def test_an_hour_holds_its_moments_and_a_day_begins_at_midnight_in_china(at: datetime) -> None:
    hour = spans.hour_of(at)
    assert spans.time_of(hour) <= at < spans.time_of(hour + 1)
    assert spans.hour_after(at) == hour + (at != spans.time_of(hour))
    midnight = spans.time_of(hour // 24 * 24) + timedelta(hours=8)
    assert (midnight.hour, midnight.minute) == (0, 0)


@given(HOURS, st.integers(1, 90_000), st.integers(1, spans.PARTS_MAX))
def test_parts_of_a_range_are_about_equal(low: int, length: int, number: int) -> None:
    if length < number:
        with pytest.raises(InvalidInput):
            spans.parts(low, low + length, number)
        return
    bounds = spans.parts(low, low + length, number)
    assert (bounds[0], bounds[-1], len(bounds)) == (low, low + length, number + 1)
    lengths = np.diff(bounds)
    assert lengths.min() >= 1
    assert abs(lengths - length / number).max() <= (1 if length < number * 48 else 25)
    if length >= number * 48:
        assert all(bound % 24 == 0 for bound in bounds[1:-1])


PLACES = st.tuples(st.floats(-89.99, 89.99), st.floats(-180, 180))


@given(st.lists(PLACES, min_size=1, max_size=20), st.integers(2, 9))
def test_parents_are_those_of_h3(points: list[tuple[float, float]], resolution: int) -> None:
    cells = [h3.latlng_to_cell(*point, 9) for point in points]
    assert hexes.parents(np.array(cells), resolution).tolist() == [h3.cell_to_parent(c, resolution) for c in cells]


@given(
    st.lists(PLACES, min_size=1, max_size=20), st.integers(2, 9), st.floats(-180, 180), st.floats(-180, 180),
    st.floats(-90, 90), st.floats(-90, 90),
)  # fmt: skip
def test_a_box_finds_the_cells_whose_centre_it_holds(
    points: list[tuple[float, float]], resolution: int, west: float, east: float, one: float, other: float
) -> None:
    box = Box(west, min(one, other), east, max(one, other))
    cells = np.unique([h3.latlng_to_cell(*point, resolution) for point in points])
    found = []
    for cell in cells.tolist():
        lat, lng = h3.cell_to_latlng(cell)
        across = west <= lng <= east if west <= east else lng >= west or lng <= east
        found.append(box.south <= lat <= box.north and across)
    assert hexes.in_box(cells, box).tolist() == found
    for coarse in (1, 3):
        if resolution > coarse:
            near = set(hexes.tiles(box, coarse).tolist())
            inside = cells[np.array(found)]
            assert set(hexes.parents(inside, coarse).tolist()) <= near


def test_centres_are_forgotten_within_a_bound_and_stay_right(monkeypatch: pytest.MonkeyPatch) -> None:
    known = hexes._Centres()
    monkeypatch.setattr(hexes, "CENTRES_MAX", 50)
    for begin in range(0, 200, 20):
        cells = np.array([h3.latlng_to_cell(30 + n / 7, 100, 6) for n in range(begin, begin + 20)])
        lats, lngs = known.of(cells)
        assert list(zip(lats.tolist(), lngs.tolist(), strict=True)) == [h3.cell_to_latlng(c) for c in cells.tolist()]
        assert len(known._known[0]) <= 50


ENTRIES = st.lists(
    st.tuples(st.integers(0, 5), st.integers(0, 60), st.integers(1, 400), st.integers(0, 2**32 - 1)),
    min_size=1, max_size=60,
)  # fmt: skip


def unfold(chunk: Counts | Scans) -> Counter:
    keys = chunks.key_of_entries(chunk).tolist()
    facets = chunk.facets[chunk.index].tolist()
    if isinstance(chunk, Counts):
        return Counter(dict(zip(zip(keys, facets, strict=True), chunk.counts.tolist(), strict=True)))
    return Counter(zip(keys, facets, chunk.hours.tolist(), chunk.persons.tolist(), strict=True))


def columns(entries):
    found = [np.array(column, np.int64) for column in zip(*entries, strict=True)]
    return (*found[:3], found[3].astype(np.uint32))


@given(ENTRIES)
def test_counting_by_bucket_key_and_facet_loses_nothing(entries) -> None:
    buckets, keys, facets, _ = columns(entries)
    wanted: dict = {}
    for bucket, key, facet, _ in entries:
        wanted.setdefault(bucket, Counter())[key, facet] += 1
    found = dict(Counting(keys, facets).by(buckets))
    assert {bucket: unfold(chunk) for bucket, chunk in found.items()} == wanted
    for chunk in found.values():
        assert unfold(decode(encode(chunk))) == unfold(chunk)
        assert (np.diff(chunk.keys) > 0).all()


@given(st.lists(ENTRIES, min_size=1, max_size=9), st.booleans())
def test_a_merged_chunk_says_what_its_parts_said(parts, single: bool) -> None:
    made: list[Counts | Scans] = []
    for entries in parts:
        _, keys, facets, persons = columns(entries)
        if single:
            made.append(list_scans(keys, facets, keys % 1536, persons))
        else:
            made += [chunk for _, chunk in count(np.zeros_like(keys), keys, facets)]
    merged = merge(made)
    assert unfold(merged) == sum((unfold(chunk) for chunk in made), Counter())
    again = decode(encode(merged))
    assert (unfold(again), again.entries, again.nbytes) == (unfold(merged), merged.entries, merged.nbytes)


def test_counts_grow_beyond_a_byte_and_beyond_two() -> None:
    keys, facets = np.zeros(300, np.int64), np.ones(300, np.int64)
    ((_, chunk),) = count(keys, keys, facets)
    assert chunk.counts.tolist() == [300]
    for _ in range(3):
        chunk = merge([chunk] * 8)
    assert chunk.counts.tolist() == [300 * 8**3]
    assert decode(encode(chunk)).counts.tolist() == [300 * 8**3]


@given(st.lists(PLACES, min_size=1, max_size=40))
def test_a_split_chunk_says_the_same_tile_by_tile(points) -> None:
    cells = np.array([h3.latlng_to_cell(*point, 9) for point in points])
    whole = list_scans(cells, np.arange(len(cells)), np.arange(len(cells)), np.arange(len(cells), dtype=np.uint32))
    found = dict(split(whole, 3))
    assert sum((unfold(chunk) for chunk in found.values()), Counter()) == unfold(whole)
    for tile, chunk in found.items():
        assert {h3.cell_to_parent(cell, 3) for cell in chunk.keys.tolist()} == {tile}


def test_a_chunk_of_another_form_is_refused() -> None:
    with pytest.raises(ValueError, match="form"):
        decode(b"YRU9" + bytes(60))


@given(st.lists(st.integers(1, 1_000), min_size=1, max_size=300))
def test_merging_keeps_an_open_bucket_to_a_few_chunks_of_each_size(sizes: list[int]) -> None:
    held: list[int] = []
    for size in sizes:
        held.append(size)
        while chosen := choose(held):
            assert len(chosen) >= 2
            total = sum(held[place] for place in chosen)
            held = [size for place, size in enumerate(held) if place not in chosen] + [total]
    assert sum(held) == sum(sizes)
    assert len(held) <= 7 * 7  # seven of each power of eight up to 300,000
    while chosen := choose(held, closed=True):
        total = sum(held[place] for place in chosen)
        held = [size for place, size in enumerate(held) if place not in chosen] + [total]
    held.sort()
    assert all(large > 2 * sum(held[:place]) for place, large in enumerate(held) if place)


def test_a_chunk_at_the_limit_is_merged_no_more() -> None:
    assert choose([chunks.ENTRIES_MAX // 8] * 8) == []
    assert len(choose([chunks.ENTRIES_MAX // 8 - 1] * 8)) == 8
