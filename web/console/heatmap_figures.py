"""Answers to the heatmap's questions, as the page and its script read them."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

from insights.answers import GUARDED
from insights.filters import Filter
from insights.spans import parts, time_of
from insights.views import Box, Cells, Places, Views
from traceability.regions import Region, Regions
from web.console import heatmap_packing
from web.console.heatmap_packing import PACKED_BYTES_MAX
from web.console.heatmap_question import RESOLUTION_MIN, Question
from web.texts import Language

Corners = tuple[float, float, float, float]

_HOURLY_MAX: Final = 4_000
_HOUR_S: Final = 3_600
_DAY_S: Final = 86_400


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the ranking.

    Attributes:
        adcode: of the region.
        name: in the reader's language, as far as there is one.
        placed: scans with a precise place.
        ip: scans known by their network address only.
        parts: whether one can look into the region.
    """

    adcode: int
    name: str
    placed: int
    ip: int
    parts: bool


@dataclass(frozen=True, slots=True)
class Ranking:
    """Regions by scans, and the way down to them.

    Attributes:
        trail: regions from the province down to the place looked at; empty for the whole country.
        rows: the regions, the most scans first.
        places: the figures as they were answered.
    """

    trail: tuple[Region, ...]
    rows: tuple[Row, ...]
    places: Places


def filter_of(question: Question, brand_id: int) -> Filter:
    """The question as the read side takes it."""
    return Filter(
        brand_id=brand_id,
        since=question.since,
        until=question.until,
        layer=question.layer,
        gtins=frozenset(question.gtins),
        batches=frozenset(question.batches),
        dealers=frozenset(question.dealers),
        outcomes=frozenset(question.outcomes),
        sources=frozenset(question.sources),
    )


def bounds_of(question: Question) -> list[datetime]:
    """When the slider's parts begin, and when the last ends."""
    hours = Filter(brand_id=0, since=question.since, until=question.until).hours
    return [time_of(hour) for hour in parts(*hours, question.steps)]


def part_of(question: Question, step: int) -> Question:
    """The question for one part of the slider, counted from 1; 0 and what lies beyond are the whole range."""
    bounds = bounds_of(question)
    if not 1 <= step < len(bounds):
        return question
    return replace(question, since=bounds[step - 1], until=bounds[step])


def last_day(question: Question) -> datetime:
    """A moment in the last day that is shown."""
    return question.until - timedelta(microseconds=1)


GUARDED_GRID_DEGREES: Final = 0.25
"""Boxes of resolution 7 and finer are widened to this grid (about 25 km)."""


async def cells(
    views: Views, question: Question, brand_id: int, box: Corners, resolution: int, *, steps: int
) -> tuple[Cells, dict[str, Any]]:
    """The view of a box, and the same packed: coarser where it would weigh too much on the wire."""
    which = filter_of(question, brand_id)
    wanted = resolution
    area = Box(*box)
    if resolution >= GUARDED:
        # What is hidden is told in numbers: a box drawn closer and closer around one person must not find them.
        area = area.snapped(GUARDED_GRID_DEGREES)
    while True:
        view = await views.cells(which, area, wanted, steps)
        packed = heatmap_packing.pack_cells(view.cells, view.counts, view.resolution)
        # A few thousand numbers are light whatever they are: weighing costs more than sending them.
        if view.counts.size < PACKED_BYTES_MAX // 8 or view.resolution == RESOLUTION_MIN:
            break
        if heatmap_packing.weigh(packed) <= PACKED_BYTES_MAX - 1_000:
            break
        wanted = view.resolution - 1
    packed |= {
        "asked": resolution,
        "bounds": [int(bound.timestamp()) for bound in view.bounds],
        "total": view.total,
        "hidden": [view.hidden_cells, view.hidden_scans],
        "as_of": view.as_of.isoformat(),
    }
    return view, packed


async def ranking(views: Views, regions: Regions, question: Question, brand_id: int, language: Language) -> Ranking:
    """The parts of the place looked at; a district has none, so that its city's are shown."""
    trail = trail_of(regions, question.place)
    looked_into = next((region for region in reversed(trail) if region.level != "district"), None)
    found = await views.places(filter_of(question, brand_id), None if looked_into is None else looked_into.adcode)
    rows = tuple(
        Row(row.adcode, name_of(regions, row.adcode, language), row.placed, row.ip, parts=found.level != "district")
        for row in found.rows
    )
    return Ranking(trail, rows, found)


def ranking_document(ranking: Ranking, language: Language) -> dict[str, Any]:
    """The ranking for the page's script."""
    found = ranking.places
    return {
        "place": found.parent or 0,
        "level": found.level,
        "trail": [[region.adcode, _name(region, language)] for region in ranking.trail],
        "rows": [[row.adcode, row.name, row.placed, row.ip] for row in ranking.rows],
        "undivided_ip": found.undivided_ip,
        "unknown_placed": found.unknown_placed,
        "unknown": found.unknown,
        "total": found.total,
        "as_of": found.as_of.isoformat(),
    }


async def series(views: Views, question: Question, brand_id: int) -> dict[str, Any]:
    """Scans of each part of the slider, wherever they were."""
    bounds = bounds_of(question)
    hours = (bounds[-1] - bounds[0]).total_seconds() / _HOUR_S
    # Parts of long ranges begin at midnight, so that a day lies in one of them.
    found = await views.series(filter_of(question, brand_id), _HOUR_S if hours <= _HOURLY_MAX else _DAY_S)
    counts = [0] * (len(bounds) - 1)
    for start, count in zip(found.starts, found.counts.tolist(), strict=True):
        part = min(max(bisect_right(bounds, start) - 1, 0), len(counts) - 1)
        counts[part] += count
    return {
        "bounds": [int(bound.timestamp()) for bound in bounds],
        "counts": counts,
        "as_of": found.as_of.isoformat(),
    }


def trail_of(regions: Regions, adcode: int) -> tuple[Region, ...]:
    """The regions from the province down to this one."""
    if not adcode:
        return ()
    region = regions.region(adcode)
    return tuple(each for each in (region.province, region.city, region) if each is not None)


def name_of(regions: Regions, adcode: int, language: Language) -> str:
    """A region's name in the reader's language, as far as there is one."""
    return _name(regions.region(adcode), language)


def _name(region: Region, language: Language) -> str:
    return region.name_zh if language == "zh" else region.name_en or region.name_zh
