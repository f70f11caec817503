"""Whether a scan lies in a dealer's territory, and how far from it. Pure.

A territory is a set of adcodes of any level. "Outside" accuses somebody, so it is said only where neither the
device's radius of uncertainty nor the error of the stored borders can explain the distance away.
"""

from __future__ import annotations

import functools
import math
import threading
from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import h3.api.basic_int as h3
import msgspec
import numpy as np
import shapely
from numpy.typing import NDArray

from kernel.errors import InvalidInput
from traceability.coordinates import EARTH_RADIUS_M, POINT_SOURCES, Location, NoLocation
from traceability.regions import Regions

ACCURACY_UNKNOWN_M: Final = 1_000.0
"""Radius taken where a device states none: what a phone indoors reaches by Wi-Fi and masts."""

# A chord this long (about 2 km) runs less than 0.1 m under the ground.
_EDGE_DEGREES_MAX: Final = 0.02
_SHAPES_MAX: Final = 1_024

# Beyond this distance a border drawn 500 m coarser is still right to 1%, and fifty times quicker to measure to.
_FAR_M: Final = 100_000.0
_COARSE_DEGREES: Final = 0.005

# What can be said for a whole H3 cell of about 5 km² is kept, for scans come from the same places again and again.
_CELL_RESOLUTION: Final = 7
_CELL_RADIUS_M: Final = 2_000.0
"""More than from the middle of any such cell to its farthest corner (at most 1.9 km)."""
# Of a point still farther away the middle of its cell is enough: 1.9 km are below 1% here.
_CELL_FAR_M: Final = 200_000.0
_CELLS_MAX: Final = 16_384

_Vectors = NDArray[np.float64]


class Standing(StrEnum):
    """Where a scan stands to a territory."""

    INSIDE = "inside"
    OUTSIDE = "outside"
    UNDETERMINED = "undetermined"


@dataclass(frozen=True, slots=True)
class _Border:
    """A territory's border as chords through the Earth.

    Attributes:
        starts: Unit vectors of the chords' starts, shape (n, 3).
        steps: From start to end of each chord, shape (n, 3).
        squares: Squared lengths of the chords, shape (n,).
        edge_max: Length of the longest chord, in Earth radii.
    """

    starts: _Vectors
    steps: _Vectors
    squares: _Vectors
    edge_max: float

    def near(self, middle: _Vectors, within: float) -> _Border:
        """The chords that come within a distance, in Earth radii, of a unit vector; and perhaps a few more."""
        square = 2.0 - 2.0 * (self.starts @ middle)
        kept = np.flatnonzero(square <= (within + self.edge_max) ** 2 + 1e-12)
        return _Border(self.starts[kept], self.steps[kept], self.squares[kept], self.edge_max)

    def distance_m(self, point: _Vectors) -> float:
        """Distance over ground from a unit vector to the nearest chord."""
        # |start - point|² of unit vectors; one product of a matrix and a vector.
        square = 2.0 - 2.0 * (self.starts @ point)
        # Only edges that begin within an edge's length of the nearest corner can come nearer than it.
        near = (square <= (np.sqrt(max(square.min(), 0.0)) + self.edge_max) ** 2 + 1e-12).nonzero()[0]
        away, steps = self.starts[near] - point, self.steps[near]
        along = -np.einsum("ij,ij->i", away, steps) / self.squares[near]
        nearest = away + np.clip(along, 0.0, 1.0)[:, None] * steps
        chord = float(np.sqrt(np.einsum("ij,ij->i", nearest, nearest).min()))
        return 2.0 * EARTH_RADIUS_M * float(np.arcsin(min(1.0, chord / 2.0)))


@dataclass(frozen=True, slots=True, eq=False)
class _Shape:
    """A territory ready for questions.

    Attributes:
        polygon: Prepared union in WGS-84 degrees.
        lock: Held while the polygon is asked, because a prepared geometry is not safe among threads.
        fine: The border as stored.
        coarse: The border for far points.
    """

    polygon: shapely.Geometry
    lock: threading.Lock
    fine: _Border
    coarse: _Border


class Relation(msgspec.Struct, frozen=True):
    """Where a scan stands to a territory, and how far away it is (0 inside; None where there is no point)."""

    standing: Standing
    distance_m: float | None


_INSIDE: Final = Relation(Standing.INSIDE, 0.0)


def judge(location: Location | NoLocation | None, territory: Collection[int], regions: Regions) -> Standing:
    """Say where a scan stands to a territory; see `relate`."""
    return relate(location, territory, regions).standing


def relate(location: Location | NoLocation | None, territory: Collection[int], regions: Regions) -> Relation:
    """Say where a scan stands to a territory, and how far away it is.

    Args:
        location: The scan's; a location by network address or none at all determines nothing.
        territory: Adcodes of any level.
        regions: The polygons.

    Raises:
        InvalidInput: The territory is empty.
        NotFound: The territory names an adcode that the data does not have.
    """
    if not isinstance(location, Location) or location.source not in POINT_SOURCES:
        return Relation(Standing.UNDETERMINED, None)
    away_m = distance_m(location.lat, location.lng, territory, regions)
    if away_m == 0.0:
        return _INSIDE
    radius_m = ACCURACY_UNKNOWN_M if location.accuracy_m is None else location.accuracy_m
    if away_m > radius_m + regions.error_m:
        return Relation(Standing.OUTSIDE, away_m)
    return Relation(Standing.UNDETERMINED, away_m)


def distance_km(lat: float, lng: float, territory: Collection[int], regions: Regions) -> float:
    """Distance in kilometres from a WGS-84 point to the nearest border of a territory; 0 inside."""
    return distance_m(lat, lng, territory, regions) / 1_000.0


def distance_m(lat: float, lng: float, territory: Collection[int], regions: Regions) -> float:
    """Distance in metres from a WGS-84 point to the nearest border of a territory; 0 inside.

    Measured along chords of the Earth's sphere and turned back into arcs: unlike a flat projection, this is
    right to 1% next door and on the other side of the world.

    Raises:
        InvalidInput: The territory is empty.
        NotFound: The territory names an adcode that the data does not have.
    """
    shape = _shape(regions, frozenset(territory))
    seen = _seen_from(shape, h3.latlng_to_cell(lat, lng, _CELL_RESOLUTION))
    if isinstance(seen, float):
        return seen
    if seen.crossed:
        with shape.lock:
            if shapely.intersects_xy(shape.polygon, lng, lat):
                return 0.0
    return seen.border.distance_m(_unit_vector(lat, lng))


@dataclass(frozen=True, slots=True)
class _Seen:
    """A territory as it is seen from within an H3 cell.

    Attributes:
        crossed: Whether some of the cell may lie inside.
        border: All chords that can be the nearest one to a point of the cell.
    """

    crossed: bool
    border: _Border


@functools.lru_cache(maxsize=_CELLS_MAX)
def _seen_from(shape: _Shape, cell: int) -> float | _Seen:
    """The distance, where it is the same for the whole cell: inside (0), or far away; else what is left to measure."""
    lat, lng = h3.cell_to_latlng(cell)
    middle = _unit_vector(lat, lng)
    with shape.lock:
        inside = bool(shapely.intersects_xy(shape.polygon, lng, lat))
    away_m = shape.coarse.distance_m(middle)
    if away_m <= _FAR_M + _CELL_RADIUS_M:
        away_m = shape.fine.distance_m(middle)
        border, crossed = shape.fine, away_m <= _CELL_RADIUS_M
    else:
        border, crossed = shape.coarse, False
    if inside and not crossed:
        return 0.0
    if away_m > _CELL_FAR_M:
        return away_m
    # Whatever is nearest to a point of the cell is at most a radius farther from it than the middle is, and another
    # from the middle. Arcs are longer than chords, which is on the safe side.
    return _Seen(crossed, border.near(middle, (away_m + 2.0 * _CELL_RADIUS_M) / EARTH_RADIUS_M))


@functools.lru_cache(maxsize=_SHAPES_MAX)
def _shape(regions: Regions, territory: frozenset[int]) -> _Shape:
    if not territory:
        raise InvalidInput("The territory is empty: it needs at least one adcode.")
    polygon = regions.polygon(territory)
    coarse = _border(shapely.simplify(polygon, _COARSE_DEGREES))
    fine = _border(polygon)
    shapely.prepare(polygon)
    return _Shape(polygon, threading.Lock(), fine, coarse)


def _border(polygon: shapely.Geometry) -> _Border:
    rings = shapely.get_rings(shapely.get_parts(shapely.segmentize(polygon, _EDGE_DEGREES_MAX)))
    coords, owner = shapely.get_coordinates(rings, return_index=True)
    corners = _unit_vectors(coords)
    steps = np.diff(corners, axis=0)
    # A step from one ring to the next is no border, nor is one between two equal corners.
    real = (owner[1:] == owner[:-1]) & steps.any(axis=1)
    steps = steps[real]
    squares = np.einsum("ij,ij->i", steps, steps)
    return _Border(corners[:-1][real], steps, squares, float(np.sqrt(squares.max())))


def _unit_vector(lat: float, lng: float) -> _Vectors:
    """One point in degrees, as `_unit_vectors` gives many, without the cost of arrays for three numbers."""
    x, y = math.radians(lng), math.radians(lat)
    return np.array((math.cos(y) * math.cos(x), math.cos(y) * math.sin(x), math.sin(y)))


def _unit_vectors(coords: NDArray[np.float64]) -> _Vectors:
    """Points (lng, lat) in degrees, shape (n, 2), as unit vectors from the Earth's centre, shape (n, 3)."""
    lng, lat = np.radians(coords).T
    return np.column_stack([np.cos(lat) * np.cos(lng), np.cos(lat) * np.sin(lng), np.sin(lat)])
