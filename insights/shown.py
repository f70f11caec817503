"""What views answer with, and the ranking of regions. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from insights.cache import Sums
from insights.chunks import Ints


@dataclass(frozen=True, slots=True)
class Cells:
    """Scans by H3 cell and step of time.

    Attributes:
        resolution: of the cells; coarser than asked where there were too many.
        asked: the resolution asked for.
        cells: H3 cells, in order.
        counts: scans, a row for each cell, a column for each step.
        bounds: when the steps begin, and when the last ends.
        total: all scans shown.
        hidden_cells: cells where in some step there were scans of fewer than five distinct people.
        hidden_scans: such scans.
        as_of: whatever was recorded before is counted.
    """

    resolution: int
    asked: int
    cells: Ints
    counts: NDArray[np.int64]
    bounds: tuple[datetime, ...]
    total: int
    hidden_cells: int
    hidden_scans: int
    as_of: datetime


@dataclass(frozen=True, slots=True)
class PlaceRow:
    """A region's scans: those with a precise place, and those known by their network address only."""

    adcode: int
    placed: int
    ip: int


@dataclass(frozen=True, slots=True)
class Places:
    """Scans by region, the most first.

    Attributes:
        parent: the region looked into; None for the whole country.
        level: of the rows: `province`, `city` or `district`.
        rows: regions with scans.
        undivided_ip: scans of the parent that only a network address tells of: they have a province at best.
        unknown_placed: scans with a place in no region (abroad, at sea); for the whole country only.
        unknown: scans without any place; for the whole country only.
        total: all scans, rows and the rest.
        as_of: whatever was recorded before is counted.
    """

    parent: int | None
    level: str
    rows: tuple[PlaceRow, ...]
    undivided_ip: int
    unknown_placed: int
    unknown: int
    total: int
    as_of: datetime


@dataclass(frozen=True, slots=True)
class Series:
    """Scans by hour or day (China's).

    Attributes:
        starts: when each point begins.
        counts: scans of each point.
        outcomes: the same by outcome, where asked for; outcomes without scans are left out.
        as_of: whatever was recorded before is counted.
    """

    starts: tuple[datetime, ...]
    counts: NDArray[np.int64]
    outcomes: dict[str, NDArray[np.int64]]
    as_of: datetime


@dataclass(frozen=True, slots=True)
class Freshness:
    """How far the rollups reach: whatever was recorded before `as_of` is in them, `lag_s` ago.

    Another `generation` means that they were rebuilt.
    """

    as_of: datetime
    scans: int
    lag_s: float
    generation: int


def tally(found: Sequence[Sums]) -> dict[int, int]:
    """Sums by key over several chunks."""
    if not found:
        return {}
    keys, places = np.unique(np.concatenate([keys for keys, _ in found]), return_inverse=True)
    sums = np.bincount(places, np.concatenate([sums for _, sums in found]), minlength=len(keys)).astype(np.int64)
    return dict(zip(keys.tolist(), sums.tolist(), strict=True))


def rank(
    placed: dict[int, int],
    others: dict[int, int],
    parent: int | None,
    level: str,
    above: dict[int, tuple[int, int]],
    as_of: datetime,
) -> Places:
    """Sums by district and by province of the address → the ranking of one level."""
    rows: dict[int, list[int]] = {}
    undivided = unknown_placed = unknown = 0
    for adcode, count in placed.items():
        city, province = above.get(adcode, (0, 0))
        if parent is None:
            if province:
                rows.setdefault(province, [0, 0])[0] += count
            else:
                unknown_placed += count
        elif level == "city" and province == parent:
            rows.setdefault(city, [0, 0])[0] += count
        elif level == "district" and city == parent:
            rows.setdefault(adcode, [0, 0])[0] += count
    for adcode, count in others.items():
        if parent is None and adcode:
            rows.setdefault(adcode, [0, 0])[1] += count
        elif parent is None:
            unknown += count
        elif adcode == parent:
            undivided += count
    ranked = sorted(
        (PlaceRow(adcode, *counts) for adcode, counts in rows.items()),
        key=lambda row: (-row.placed - row.ip, row.adcode),
    )
    total = sum(row.placed + row.ip for row in ranked) + undivided + unknown_placed + unknown
    return Places(parent, level, tuple(ranked), undivided, unknown_placed, unknown, total, as_of)
