"""Views: what the heatmap, its ranking and its charts show, answered from the rollups.

A view reads the chunks it needs, in one statement (and one more where it meets new facets), whatever the size.
Chunks never change, so a process keeps those it read; what they say under a filter is added up in a thread.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import text

from insights import answers, facets, hexes
from insights.answers import GUARDED, Counted, Looked
from insights.cache import ChunkCache, SumCache, Sums
from insights.chunks import Chunk, Counts, Ints, Kind, Scans
from insights.facets import FacetTable
from insights.feed import OUTCOMES, SOURCE_SHIFT, SOURCES
from insights.filters import Filter
from insights.hexes import WORLD, Box
from insights.shown import Cells, Freshness, PlaceRow, Places, Series, rank, tally
from insights.spans import LONGEST_H, Piece, cut, parts, time_of
from kernel.clock import now
from kernel.db import Database
from kernel.errors import InvalidInput
from traceability.regions import Regions

__all__ = ["Box", "Cells", "Filter", "Freshness", "PlaceRow", "Places", "Series", "Views"]

CACHE_BYTES_MAX: Final = 256 << 20
SUMS_BYTES_MAX: Final = 64 << 20
CELLS_MAX: Final = 20_000
"""A view shows at most so many cells; else it shows the next coarser resolution."""
RESOLUTION_MIN: Final = 2
RESOLUTION_MAX: Final = 9
FINE_TILES_MAX: Final = 96
"""A view of resolution 7 and finer looks at no more tiles of resolution 3 (1.2 million km²); else it is of 6."""
POINTS_MAX: Final = 4_000
"""A series has at most so many points: ten years of days, or 166 days of hours."""

_IP: Final = SOURCES.index("ip")
_NONE: Final = SOURCES.index("none")


@dataclass(frozen=True, slots=True)
class _Found:
    """A chunk that a view reads."""

    id: int
    span_h: int
    bucket: int
    chunk: Chunk


@dataclass(frozen=True, slots=True)
class _Read:
    """What a view read: chunks, and which facets its filter chooses."""

    which: Filter
    found: list[_Found]
    table: FacetTable
    chosen: NDArray[np.bool_]
    as_of: datetime

    def of(self, chunk: Chunk) -> NDArray[np.bool_]:
        """Which of a chunk's facets are chosen."""
        found: NDArray[np.bool_] = self.chosen[self.table.places(chunk.facets)]
        return found

    def flags(self, chunk: Chunk) -> NDArray[np.int64]:
        """The flags of a chunk's facets."""
        found: NDArray[np.int64] = self.table.flags[self.table.places(chunk.facets)]
        return found


class Views:
    """Answers of the rollups, for one process.

    Args:
        db: the database.
        regions: provinces, cities and districts; loaded when first needed where not given.
        cache_bytes_max: memory for chunks that were read.
    """

    def __init__(self, db: Database, *, regions: Regions | None = None, cache_bytes_max: int = CACHE_BYTES_MAX) -> None:
        self._db = db
        self._regions = regions
        self._cache = ChunkCache(cache_bytes_max)
        self._sums = SumCache(SUMS_BYTES_MAX)
        self._tables: dict[int, FacetTable] = {}
        self._above: dict[int, tuple[int, int]] | None = None

    async def cells(self, which: Filter, box: Box = WORLD, resolution: int = 4, steps: int = 1) -> Cells:
        """Scans by cell in a box of the map, in equal steps of time.

        Raises:
            InvalidInput: a resolution that is not 2 to 9, or steps that are not 1 to 31 or shorter than an hour.
        """
        if not RESOLUTION_MIN <= resolution <= RESOLUTION_MAX:
            raise InvalidInput(f"Cells have a resolution of {RESOLUTION_MIN} to {RESOLUTION_MAX}.", field="resolution")
        bounds = parts(*which.hours, steps)
        answered = resolution
        if resolution >= GUARDED and len(hexes.tiles(box, 3)) > FINE_TILES_MAX:
            answered = GUARDED - 1
        while True:
            fine = answered >= GUARDED
            counted, as_of = await (self._fine if fine else self._coarse)(which, box, answered, bounds)
            if len(counted.cells) <= CELLS_MAX or answered == RESOLUTION_MIN:
                break
            answered -= 1
        return Cells(
            resolution=answered,
            asked=resolution,
            cells=counted.cells,
            counts=counted.counts,
            bounds=tuple(time_of(hour) for hour in bounds),
            total=int(counted.counts.sum()),
            hidden_cells=counted.hidden_cells,
            hidden_scans=counted.hidden_scans,
            as_of=as_of,
        )

    async def _coarse(
        self, which: Filter, box: Box, resolution: int, bounds: Sequence[int]
    ) -> tuple[Counted, datetime]:
        kind = Kind.CELLS5 if resolution <= 5 else Kind.CELLS6
        step_of: dict[tuple[int, int], int] = {}
        pieces = []
        for step, (low, high) in enumerate(pairwise(bounds)):
            for piece in cut(low, high):
                pieces.append(piece)
                step_of |= {(piece.span_h, bucket): step for bucket in range(piece.first, piece.end)}
        tiles = hexes.tiles(box, 1) if kind == Kind.CELLS6 else None
        read = await self._read(which, kind, pieces, tiles)

        def read_weigh(chunk: Counts) -> Sums:
            return answers.weigh(chunk, read.of(chunk))

        def add() -> Counted:
            found = []
            for each in read.found:
                sums = self._sum(read, each, resolution, lambda chunk: answers.coarsen(*read_weigh(chunk), resolution))
                found.append((step_of[each.span_h, each.bucket], *sums))
            return answers.add_cells(found, box, len(bounds) - 1)

        return await asyncio.to_thread(add), read.as_of

    async def _fine(self, which: Filter, box: Box, resolution: int, bounds: Sequence[int]) -> tuple[Counted, datetime]:
        tiles = hexes.tiles(box, 3)
        piece = Piece(LONGEST_H, bounds[0] // LONGEST_H, -(-bounds[-1] // LONGEST_H))
        read = await self._read(which, Kind.FINE, [piece], tiles)

        def add() -> Counted:
            looked = []
            for each in read.found:
                chunk, begin = each.chunk, each.bucket * LONGEST_H
                assert isinstance(chunk, Scans)
                shape = self._sums.get((each.id, resolution), partial(answers.shape, chunk, resolution))
                looked.append(Looked(chunk, read.of(chunk), *shape, tuple(bound - begin for bound in bounds)))
            return answers.count_people(looked, box, len(bounds) - 1)

        return await asyncio.to_thread(add), read.as_of

    async def places(self, which: Filter, parent: int | None = None) -> Places:
        """Scans by province; or by the cities of a province, or by the districts of a city.

        Raises:
            NotFound: there is no such region.
            InvalidInput: the parent is a district.
        """
        above, level = await self._hierarchy(parent)
        read = await self._read(which, Kind.PLACES, cut(*which.hours))

        def add() -> Places:
            tallies = []
            for remote in (False, True):

                def weigh(chunk: Counts, remote: bool = remote) -> Sums:
                    sources = read.flags(chunk) >> SOURCE_SHIFT & 3
                    return answers.weigh(chunk, read.of(chunk) & (((sources == _IP) | (sources == _NONE)) == remote))

                tallies.append(tally([self._sum(read, each, remote, weigh) for each in read.found]))
            placed, others = tallies
            return rank(placed, others, parent, level, above, read.as_of)

        return await asyncio.to_thread(add)

    async def _hierarchy(self, parent: int | None) -> tuple[dict[int, tuple[int, int]], str]:
        """City and province of each district; and what the children of the parent are."""
        if self._regions is None:
            self._regions = await asyncio.to_thread(Regions.load)
        if self._above is None:
            self._above = {
                district.adcode: ((district.city or district).adcode, (district.province or district).adcode)
                for district in self._regions.all_of("district")
            }
        if parent is None:
            return self._above, "province"
        region = self._regions.region(parent)
        if region.level == "district":
            raise InvalidInput(f"{region.name_zh} ({parent}) is a district: it has no parts.", field="parent")
        return self._above, "city" if region.level == "province" else "district"

    async def series(self, which: Filter, step_s: int, *, by_outcome: bool = False) -> Series:
        """Scans by hour (3600) or by day of China (86400).

        Raises:
            InvalidInput: another step, or more than 4,000 points.
        """
        if step_s not in (3_600, 86_400):
            raise InvalidInput("A series has steps of 3600 or 86400 seconds.", field="step_s")
        width = step_s // 3_600
        low, high = which.hours
        first, end = low // width, -(-high // width)
        if end - first > POINTS_MAX:
            raise InvalidInput(
                f"A series has at most {POINTS_MAX:,} points; these would be {end - first:,}.", field="step_s"
            )
        read = await self._read(which, Kind.HOURS, [Piece(LONGEST_H, low // LONGEST_H, -(-high // LONGEST_H))])

        def add(outcome: int | None = None) -> NDArray[np.int64]:
            def weigh(chunk: Counts) -> Sums:
                chosen = read.of(chunk)
                return answers.weigh(chunk, chosen if outcome is None else chosen & (read.flags(chunk) & 15 == outcome))

            points = np.zeros(end - first, np.int64)
            for each in read.found:
                hours, sums = self._sum(read, each, outcome, weigh)
                within = (hours >= low) & (hours < high)
                np.add.at(points, hours[within] // width - first, sums[within].astype(np.int64))
            return points

        def by() -> dict[str, NDArray[np.int64]]:
            found = {outcome: add(number) for number, outcome in enumerate(OUTCOMES, start=1)}
            return {outcome: points for outcome, points in found.items() if points.any()}

        counts = await asyncio.to_thread(add)
        outcomes = await asyncio.to_thread(by) if by_outcome else {}
        starts = tuple(time_of(point * width) for point in range(first, end))
        return Series(starts, counts, outcomes, read.as_of)

    def _sum(self, read: _Read, found: _Found, form: Hashable, add: Callable[[Counts], Sums]) -> Sums:
        """What a chunk says under the view's filter, in some form; remembered."""
        chunk = found.chunk
        assert isinstance(chunk, Counts)
        return self._sums.get((found.id, read.which.facets, form), lambda: add(chunk))

    async def freshness(self) -> Freshness:
        """How far the rollups reach."""
        async with self._db.transaction() as tx:
            row = (await tx.execute(text("SELECT as_of, scans, generation FROM rollup_state WHERE live"))).one()
        return Freshness(row[0], row[1], max(0.0, (now() - row[0]) / timedelta(seconds=1)), row[2])

    async def _read(self, which: Filter, kind: Kind, pieces: Sequence[Piece], tiles: Ints | None = None) -> _Read:
        """The chunks of some buckets (and tiles), from memory where they were read before."""
        held = self._cache.held(which.brand_id, kind)
        async with self._db.transaction() as tx:
            rows = await tx.execute(
                _CHUNKS,
                {
                    "brand": which.brand_id,
                    "kind": int(kind),
                    "spans": [piece.span_h for piece in pieces],
                    "firsts": [piece.first for piece in pieces],
                    "ends": [piece.end for piece in pieces],
                    "anywhere": tiles is None,
                    "tiles": [] if tiles is None else tiles.tolist(),
                    "held": list(held),
                },
            )
            every = rows.all()
            assert every, "there is always one live generation"
            as_of = every[0][0]
            listed = [row[1:] for row in every if row[1] is not None]
            table = self._tables.get(which.brand_id, FacetTable(which.brand_id))
            if any(facet_max > table.last_id for _, _, _, facet_max, _ in listed):
                table = await facets.read_new(tx, table)
                self._tables[which.brand_id] = table
        found = [
            _Found(chunk_id, span, bucket, self._cache.take(held, which.brand_id, kind, chunk_id, data))
            for chunk_id, span, bucket, _, data in listed
        ]
        self._cache.settle()
        chosen = which.chooses(gtins=table.gtins, batches=table.batches, dealers=table.dealers, flags=table.flags)
        return _Read(which, found, table, chosen, as_of)


_CHUNKS: Final = text("""
    SELECT s.as_of, c.id, c.span_h, c.bucket, c.facet_max, c.data
    FROM rollup_state s LEFT JOIN LATERAL (
        SELECT r.id, r.span_h, r.bucket, r.facet_max,
            CASE WHEN r.id = ANY(CAST(:held AS bigint[])) THEN NULL ELSE r.data END AS data
        FROM unnest(CAST(:spans AS smallint[]), CAST(:firsts AS integer[]), CAST(:ends AS integer[]))
            AS n(span_h, first, "end")
        JOIN rollup_chunk r ON r.generation = s.generation AND r.brand_id = :brand AND r.kind = :kind
            AND r.span_h = n.span_h AND r.bucket >= n.first AND r.bucket < n."end"
        WHERE :anywhere OR r.tile = 0 OR r.tile = ANY(CAST(:tiles AS bigint[]))
    ) c ON true
    WHERE s.live
""")
