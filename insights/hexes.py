"""H3 cells in numpy: parents, centres, boxes. Pure.

A cell's parent is bit arithmetic, and cells in the order of their numbers lie parent by parent; both hold for
cells of one resolution.
"""

from __future__ import annotations

import math
import threading
from dataclasses import dataclass
from typing import Final

import h3.api.basic_int as h3
import numpy as np
from numpy.typing import NDArray

from kernel.errors import InvalidInput

Cells = NDArray[np.int64]
Degrees = NDArray[np.float64]
Mask = NDArray[np.bool_]

FINEST: Final = 9
"""The resolution that the journal keeps."""

CENTRES_MAX: Final = 1_000_000
"""So many cells' centres are remembered in a process (24 MB)."""

_KM_PER_DEGREE: Final = 111.195
# No descendant's centre lies farther from its ancestor's centre, with a tenth to spare (measured over the globe).
_REACH_KM: Final = {1: 620.0, 3: 95.0}


@dataclass(frozen=True, slots=True)
class Box:
    """A box of the map in degrees; where `west` is greater than `east` it crosses the date line."""

    west: float
    south: float
    east: float
    north: float

    def __post_init__(self) -> None:
        if not (self.south <= self.north and self.south >= -90 and self.north <= 90):
            raise InvalidInput("A box reaches from south to north, between -90 and 90 degrees.", field="box")
        if not (-180 <= self.west <= 180 and -180 <= self.east <= 180):
            raise InvalidInput("A box lies between -180 and 180 degrees; over the date line west > east.", field="box")

    def snapped(self, degrees: float) -> Box:
        """The smallest box around this one whose sides lie on a grid."""
        return Box(
            west=max(-180.0, math.floor(self.west / degrees) * degrees),
            south=max(-90.0, math.floor(self.south / degrees) * degrees),
            east=min(180.0, math.ceil(self.east / degrees) * degrees),
            north=min(90.0, math.ceil(self.north / degrees) * degrees),
        )


WORLD: Final = Box(-180, -90, 180, 90)


def parents(cells: Cells, resolution: int) -> Cells:
    """Each cell's ancestor at a resolution (or itself)."""
    kept = cells & np.int64(~(15 << 52))
    return np.asarray(kept | np.int64((resolution << 52) | ((1 << (3 * (15 - resolution))) - 1)), np.int64)


class _Centres:
    """Centres that were computed before: parallel arrays in the order of the cells, replaced as a whole."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: tuple[Cells, Degrees, Degrees] = (np.empty(0, np.int64), np.empty(0), np.empty(0))

    def of(self, cells: Cells) -> tuple[Degrees, Degrees]:
        known, lats, lngs = self._known
        if not _found(cells, known).all():
            known, lats, lngs = self._learn(np.unique(cells))
        places = np.searchsorted(known, cells)
        return lats[places], lngs[places]

    def _learn(self, needed: Cells) -> tuple[Cells, Degrees, Degrees]:
        with self._lock:
            known, lats, lngs = self._known
            new = needed[~_found(needed, known)]
            if len(known) + len(new) > CENTRES_MAX:  # begin anew
                known, lats, lngs, new = known[:0], lats[:0], lngs[:0], needed
            points = np.array([h3.cell_to_latlng(cell) for cell in new.tolist()], np.float64).reshape(-1, 2)
            together, order = np.unique(np.concatenate((known, new)), return_index=True)
            self._known = (
                together,
                np.concatenate((lats, points[:, 0]))[order],
                np.concatenate((lngs, points[:, 1]))[order],
            )
            return self._known


def _found(cells: Cells, among: Cells) -> Mask:
    places = np.searchsorted(among, cells)
    inside = places < len(among)
    inside[inside] = among[places[inside]] == cells[inside]
    return np.asarray(inside, np.bool_)


_centres = _Centres()


def centres(cells: Cells) -> tuple[Degrees, Degrees]:
    """Latitudes and longitudes of the cells' centres. Any thread may ask."""
    return _centres.of(cells)


def in_box(cells: Cells, box: Box) -> Mask:
    """Which cells have their centre in a box, its edges included."""
    if box == WORLD:
        return np.ones(len(cells), np.bool_)
    found = near(cells, box)
    some = np.flatnonzero(found)
    lats, lngs = centres(cells[some])
    found[some] = _holds(lats, lngs, box)
    return found


def near(cells: Cells, box: Box) -> Mask:
    """Which cells may have their centre in a box, judged by their ancestors: cheap, and never misses one."""
    coarse = 3
    if not len(cells) or (int(cells[0]) >> 52) & 15 <= coarse:
        return np.ones(len(cells), np.bool_)
    return np.isin(parents(cells, coarse), tiles(box, coarse))


def tiles(box: Box, resolution: int) -> Cells:
    """The cells of resolution 1 or 3 in which cells of the box may lie, in order."""
    every, lats, lngs = _every(resolution)
    reach = _REACH_KM[resolution]
    margin = reach / _KM_PER_DEGREE
    south, north = box.south - margin, box.north + margin
    if box == WORLD:
        return every
    nearest_pole = max(abs(south), abs(north))
    width = (box.east - box.west) % 360 if box.west > box.east else box.east - box.west
    aside = 360.0
    if nearest_pole < 89:  # how far a great circle of this reach strays in longitude
        sine = math.sin(math.radians(margin)) / math.cos(math.radians(min(nearest_pole, 89)))
        aside = math.degrees(math.asin(sine)) if sine < 1 else 360.0
    if width + 2 * aside >= 360:
        found = (lats >= south) & (lats <= north)
    else:
        offset = (lngs - (box.west - aside)) % 360
        found = (lats >= south) & (lats <= north) & (offset <= width + 2 * aside)
    return np.asarray(every[found], np.int64)


def _holds(lats: Degrees, lngs: Degrees, box: Box) -> Mask:
    within = (lats >= box.south) & (lats <= box.north)
    if box.west <= box.east:
        return np.asarray(within & (lngs >= box.west) & (lngs <= box.east), np.bool_)
    return np.asarray(within & ((lngs >= box.west) | (lngs <= box.east)), np.bool_)


_worlds: dict[int, tuple[Cells, Degrees, Degrees]] = {}


def _every(resolution: int) -> tuple[Cells, Degrees, Degrees]:
    """All cells of a coarse resolution with their centres; resolution 3 has 41,162."""
    if resolution not in _worlds:
        cells = np.sort(
            np.array([c for root in h3.get_res0_cells() for c in h3.cell_to_children(root, resolution)], np.int64)
        )
        points = np.array([h3.cell_to_latlng(cell) for cell in cells.tolist()])
        _worlds[resolution] = (cells, points[:, 0], points[:, 1])
    return _worlds[resolution]
