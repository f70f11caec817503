"""What a view may be asked: which scans, which layer, which time. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from insights.feed import COPIED, FIRST, OUTCOMES, OUTSIDE, SOURCE_SHIFT, SOURCES
from insights.spans import hours_between
from kernel.errors import InvalidInput

Layer = Literal["scans", "first", "copies", "outside"]
LAYERS: Final = get_args(Layer)
CHOICES_MAX: Final = 1_000
"""A filter names at most so many products, batches or dealers."""

_MARKS: Final = {"scans": 0, "first": FIRST, "copies": COPIED, "outside": OUTSIDE}
_NONE: Final[frozenset[str]] = frozenset()
_NO_ID: Final[frozenset[int]] = frozenset()


@dataclass(frozen=True, slots=True)
class Filter:
    """Which scans a view counts.

    Attributes:
        brand_id: whose.
        since: from this time on, rounded down to the hour.
        until: before this time, rounded up to the hour; at most 10 years after `since`.
        layer: `scans` (all), `first` (first scans of a unit), `copies` (impossible travel), `outside` (outside the
            dealer's territory).
        gtins: of these products. Here and below the empty set means all, and what does not exist matches nothing.
        batches: of these batches, by id.
        dealers: of goods shipped to these dealers, by id.
        outcomes: with these outcomes.
        sources: whose place was told by these: `gps`, `wechat`, `ip`, `none`.
    """

    brand_id: int
    since: datetime
    until: datetime
    layer: Layer = "scans"
    gtins: frozenset[str] = _NONE
    batches: frozenset[int] = _NO_ID
    dealers: frozenset[int] = _NO_ID
    outcomes: frozenset[str] = _NONE
    sources: frozenset[str] = _NONE

    def __post_init__(self) -> None:
        hours_between(self.since, self.until)
        if self.layer not in LAYERS:
            raise InvalidInput(f"There is no layer {self.layer!r}: choose {', '.join(LAYERS)}.", field="layer")
        _within(self.outcomes, OUTCOMES, "outcome")
        _within(self.sources, SOURCES, "source")
        for name in ("gtins", "batches", "dealers"):
            if len(getattr(self, name)) > CHOICES_MAX:
                raise InvalidInput(f"A filter names at most {CHOICES_MAX:,} {name}.", field=name)

    @property
    def hours(self) -> tuple[int, int]:
        """The first hour, and the first hour after."""
        return hours_between(self.since, self.until)

    @property
    def facets(self) -> tuple[object, ...]:
        """What it asks of a facet, apart from time: equal for filters that choose the same facets."""
        return (self.brand_id, self.layer, self.gtins, self.batches, self.dealers, self.outcomes, self.sources)

    def chooses(
        self,
        *,
        gtins: NDArray[np.int64],
        batches: NDArray[np.int64],
        dealers: NDArray[np.int64],
        flags: NDArray[np.int64],
    ) -> NDArray[np.bool_]:
        """Which facets it chooses; a facet is an element of each column."""
        found = (flags & _MARKS[self.layer]) == _MARKS[self.layer]
        if self.gtins:
            found &= np.isin(gtins, [int(gtin) for gtin in self.gtins if _is_gtin(gtin)])
        if self.batches:
            found &= np.isin(batches, _known(self.batches))
        if self.dealers:
            found &= np.isin(dealers, _known(self.dealers))
        if self.outcomes:
            found &= np.isin(flags & 15, [OUTCOMES.index(outcome) + 1 for outcome in self.outcomes])
        if self.sources:
            found &= np.isin(flags >> SOURCE_SHIFT & 3, [SOURCES.index(source) for source in self.sources])
        return np.asarray(found, np.bool_)


def _within(given: Iterable[str], known: tuple[str, ...], name: str) -> None:
    for value in sorted(given):
        if value not in known:
            raise InvalidInput(f"There is no {name} {value!r}: choose {', '.join(known)}.", field=f"{name}s")


def _is_gtin(text: str) -> bool:
    return len(text) == 14 and text.isascii() and text.isdigit() and int(text) > 0


def _known(ids: frozenset[int]) -> list[int]:
    """Ids that can exist; 0 stands for unknown in a facet and is nobody's id."""
    return [number for number in ids if 0 < number < 1 << 63]
