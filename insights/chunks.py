"""Chunks: immutable, columnar pieces of rollup that add up. Pure; as bytes they are what the database keeps.

A chunk lists keys (cells, places or hours) in order, and for each key its entries. In a `Counts` an entry is a
facet and how many scans had it; in a `Scans` an entry is one scan: its facet, hour and person. Facets are stored
once a chunk and entries point at them, so that a filter is judged per facet and then looked up per entry.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum
from itertools import pairwise
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from insights import hexes

Ints = NDArray[np.int64]
Whole = NDArray[Any]
"""Integers of whatever width is wide enough."""

FANOUT: Final = 8
"""So many chunks of one size class are merged into one."""
ENTRIES_MAX: Final = 16_000_000
"""A chunk that is this large is merged no more."""
SPLIT_ENTRIES: Final = 1 << 17
"""A chunk that has so many entries is split by tile, where its kind has tiles."""
_TABLE_MIN: Final = 4096

_HEADER: Final = struct.Struct("<4sBBBBIII12x")
_MAGIC: Final = b"YRU1"


class Kind(IntEnum):
    """What a chunk's keys are. Cells hold placed scans only; places and hours hold every scan."""

    CELLS5 = 1
    CELLS6 = 2
    PLACES = 3
    HOURS = 4
    FINE = 5


TILE_RESOLUTION: Final = {Kind.CELLS6: 1, Kind.FINE: 3}


@dataclass(frozen=True, slots=True)
class Counts:
    """Scans by key and facet. `starts` has one more element than `keys`; `index` points into `facets`."""

    keys: Ints
    starts: Whole
    facets: Whole
    index: Whole
    counts: Whole

    @property
    def entries(self) -> int:
        """How many pairs of key and facet there are."""
        return len(self.index)

    @property
    def nbytes(self) -> int:
        """Memory that it takes."""
        return sum(a.nbytes for a in (self.keys, self.starts, self.facets, self.index, self.counts))


@dataclass(frozen=True, slots=True)
class Scans:
    """Scans one by one. `hours` count from the bucket's begin; person 0 is nobody known."""

    keys: Ints
    starts: Whole
    facets: Whole
    index: Whole
    hours: Whole
    persons: Whole

    @property
    def entries(self) -> int:
        """How many scans there are."""
        return len(self.index)

    @property
    def nbytes(self) -> int:
        """Memory that it takes."""
        return sum(a.nbytes for a in (self.keys, self.starts, self.facets, self.index, self.hours, self.persons))


Chunk = Counts | Scans


def narrow(values: Whole, largest: int) -> Whole:
    """The same whole numbers in the narrowest unsigned type."""
    kind = np.uint8 if largest < 1 << 8 else np.uint16 if largest < 1 << 16 else np.uint32
    return np.asarray(values, kind)


def encode(chunk: Chunk) -> bytes:
    """A chunk as bytes: a header and its arrays, the widest first, so that each lies aligned."""
    if isinstance(chunk, Counts):
        form, width, rest = 0, chunk.counts.itemsize, [chunk.index, chunk.counts]
        rest.sort(key=lambda array: -array.itemsize)
    else:
        form, width, rest = 1, chunk.hours.itemsize, [chunk.persons, chunk.index, chunk.hours]
        rest.sort(key=lambda array: -array.itemsize)
    head = _HEADER.pack(_MAGIC, form, chunk.index.itemsize, width, 0, len(chunk.keys), len(chunk.facets), chunk.entries)
    arrays = [chunk.keys.astype("<i8"), chunk.starts.astype("<u4"), chunk.facets.astype("<i4"), *rest]
    return head + b"".join(array.astype(array.dtype.newbyteorder("<")).tobytes() for array in arrays)


def decode(data: bytes) -> Chunk:
    """A chunk from its bytes, whose memory it goes on using."""
    magic, form, index_width, width, _, keys, facets, entries = _HEADER.unpack_from(data)
    if magic != _MAGIC:
        raise ValueError("a rollup chunk of a form that this version does not know")
    fields = [("keys", 8, keys), ("starts", 4, keys + 1), ("facets", 4, facets)]
    rest = [("index", index_width, entries)]
    rest += [("counts", width, entries)] if form == 0 else [("persons", 4, entries), ("hours", width, entries)]
    if form == 1:
        rest = [rest[1], rest[0], rest[2]]
    fields += sorted(rest, key=lambda field: -field[1])
    found: dict[str, Whole] = {}
    at = _HEADER.size
    for name, size, length in fields:
        kind = f"<i{size}" if name in ("keys", "facets") else f"<u{size}"
        found[name] = np.frombuffer(data, kind, length, at)
        at += size * length
    return Counts(**found) if form == 0 else Scans(**found)


def ranks(values: Whole) -> tuple[Whole, Ints]:
    """The distinct values in order, and each value's place among them."""
    low = int(values.min())
    reach = int(values.max()) - low + 1
    if reach > 8 * len(values) + _TABLE_MIN:
        return np.unique(values, return_inverse=True)
    # a table of all values in between is several times faster than sorting
    offsets = values.astype(np.int64) - low
    present = np.zeros(reach, np.bool_)
    present[offsets] = True
    return (np.flatnonzero(present) + low).astype(values.dtype), (np.cumsum(present) - 1)[offsets]


def count(buckets: Ints, keys: Ints, facets: Whole) -> Iterator[tuple[int, Counts]]:
    """Count scans by bucket, key and facet; three columns with an element a scan."""
    yield from Counting(keys, facets).by(buckets)


class Counting:
    """Keys and facets of some scans, ranked once to be counted by buckets of several spans."""

    def __init__(self, keys: Ints, facets: Whole) -> None:
        self._keys, key_ranks = ranks(keys)
        self._facets, facet_ranks = ranks(facets)
        self._pairs = key_ranks * len(self._facets) + facet_ranks

    def by(self, buckets: Ints) -> Iterator[tuple[int, Counts]]:
        """One chunk a bucket."""
        if not len(buckets):
            return
        low = int(buckets.min())
        size = len(self._keys) * len(self._facets)
        assert (int(buckets.max()) - low + 1) * size < 1 << 62
        codes, counts = np.unique((buckets - low) * size + self._pairs, return_counts=True)
        found = codes // size
        codes -= found * size
        edges = [0, *(np.flatnonzero(np.diff(found)) + 1).tolist(), len(codes)]
        for begin, end in pairwise(edges):
            yield (
                low + int(found[begin]),
                _counts(codes[begin:end], counts[begin:end], self._keys, self._facets),
            )


def _counts(pairs: Ints, counts: Ints, keys: Ints, facets: Whole) -> Counts:
    """A chunk from sorted distinct pairs (rank of key × number of facets + rank of facet) and their counts."""
    key_ranks = pairs // len(facets)
    here, index = ranks(pairs - key_ranks * len(facets))
    begins = np.concatenate(([0], np.flatnonzero(np.diff(key_ranks)) + 1))
    return Counts(
        keys=keys[key_ranks[begins]],
        starts=np.append(begins, len(pairs)).astype(np.uint32),
        facets=facets[here].astype(np.int32),
        index=narrow(index, len(here)),
        counts=narrow(counts, int(counts.max())),
    )


def list_scans(cells: Ints, facets: Whole, hours: Ints, persons: Whole) -> Scans:
    """A chunk of single scans; `hours` count from the bucket's begin."""
    order = np.argsort(cells, kind="stable")
    ordered = cells[order]
    begins = np.concatenate(([0], np.flatnonzero(np.diff(ordered)) + 1))
    here, index = ranks(facets[order])
    return Scans(
        keys=ordered[begins],
        starts=np.append(begins, len(ordered)).astype(np.uint32),
        facets=here.astype(np.int32),
        index=narrow(index, len(here)),
        hours=hours[order].astype(np.uint16),
        persons=persons[order].astype(np.uint32),
    )


def key_of_entries(chunk: Chunk) -> Ints:
    """The key of each entry."""
    return np.repeat(chunk.keys, np.diff(chunk.starts).astype(np.int64))


def merge(chunks: Sequence[Chunk]) -> Chunk:
    """One chunk that says what several said together."""
    keys = np.concatenate([key_of_entries(chunk) for chunk in chunks])
    facets = np.concatenate([chunk.facets[chunk.index] for chunk in chunks])
    if isinstance(chunks[0], Scans):
        hours = np.concatenate([chunk.hours for chunk in chunks if isinstance(chunk, Scans)])
        persons = np.concatenate([chunk.persons for chunk in chunks if isinstance(chunk, Scans)])
        return list_scans(keys, facets, hours, persons)
    counts = np.concatenate([chunk.counts for chunk in chunks if isinstance(chunk, Counts)]).astype(np.int64)
    distinct_keys, key_ranks = ranks(keys)
    distinct_facets, facet_ranks = ranks(facets)
    pairs = key_ranks * len(distinct_facets) + facet_ranks
    order = np.argsort(pairs, kind="stable")
    pairs = pairs[order]
    begins = np.concatenate(([0], np.flatnonzero(np.diff(pairs)) + 1))
    return _counts(pairs[begins], np.add.reduceat(counts[order], begins), distinct_keys, distinct_facets)


def split(chunk: Chunk, resolution: int) -> Iterator[tuple[int, Chunk]]:
    """A chunk of cells in pieces, one for each tile of a resolution."""
    found = hexes.parents(chunk.keys, resolution)
    edges = [0, *(np.flatnonzero(np.diff(found)) + 1).tolist(), len(found)]
    for begin, end in pairwise(edges):
        yield int(found[begin]), part(chunk, begin, end)


def part(chunk: Chunk, begin: int, end: int) -> Chunk:
    """The keys from one place to another, with their entries."""
    low, high = int(chunk.starts[begin]), int(chunk.starts[end])
    here, index = ranks(chunk.index[low:high])
    shared: dict[str, Any] = {
        "keys": chunk.keys[begin:end],
        "starts": (chunk.starts[begin : end + 1].astype(np.int64) - low).astype(np.uint32),
        "facets": chunk.facets[here],
        "index": narrow(index, len(here)),
    }
    if isinstance(chunk, Scans):
        return Scans(**shared, hours=chunk.hours[low:high], persons=chunk.persons[low:high])
    counts = chunk.counts[low:high]
    return Counts(**shared, counts=narrow(counts, int(counts.max())))


def choose(sizes: Sequence[int], *, closed: bool = False) -> list[int]:
    """Which of a group's chunks to merge now, by their entries; nothing where all is well.

    An open bucket grows: its chunks are merged when a size class (powers of 8) is full, so that an entry is
    rewritten once a class. A closed bucket is tidied: small chunks are merged into larger ones as long as the
    larger are at most twice what is merged into them.
    """
    if closed:
        order = sorted(range(len(sizes)), key=lambda place: sizes[place])
        total, best = 0, 0
        for place, chunk in enumerate(order):
            if place and sizes[chunk] <= 2 * total:
                best = place
            total += sizes[chunk]
            if total > ENTRIES_MAX:
                break
        return order[: best + 1] if best else []
    classes: dict[int, list[int]] = {}
    for place, size in enumerate(sizes):
        if size < ENTRIES_MAX // FANOUT:
            classes.setdefault((max(size, 1).bit_length() - 1) // 3, []).append(place)
    full = [places for places in classes.values() if len(places) >= FANOUT]
    return min(full, key=lambda places: sizes[places[0]]) if full else []
