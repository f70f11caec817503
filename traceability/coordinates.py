"""Where a scan says it was: datums, distances, limits and H3 cells. Pure: no database, no files.

Everything is stored in WGS-84 degrees. GCJ-02, the obfuscated datum of Chinese maps, has no published
specification; what is here is the formula in common use, whose values other implementations share. It
applies on the Chinese mainland only, and a rectangle around China is no test of that (Seoul, Taipei and
Hong Kong lie in it), so the caller lends a polygon test.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol, TypeVar

import h3.api.basic_int as h3
import msgspec
import numpy as np
from numpy.typing import ArrayLike, NDArray

from kernel.errors import InvalidInput

DATUMS: Final = ("wgs84", "gcj02")
SOURCES: Final = ("gps", "wechat", "ip", "none")
POINT_SOURCES: Final = ("gps", "wechat")

CELL_RESOLUTION: Final = 9
"""H3 cells of about 0.1 km², the finest that is kept."""

ACCURACY_M_MAX: Final = 20_040_000.0
"""Half the Earth's circumference: a larger radius of uncertainty has no meaning."""

ACCURACY_DECIMALS: Final = 3
"""A radius below half a millimetre counts as zero, which is unknown."""

NULL_ISLAND_DEGREES: Final = 1e-4
"""Within about 11 m of (0, 0), in the open sea, a point is a device's way of saying that it knows none."""

EARTH_RADIUS_M: Final = 6_371_008.8
"""Mean radius of the WGS-84 ellipsoid (IUGG R1)."""

_KRASOVSKY_AXIS_M: Final = 6_378_245.0
_KRASOVSKY_E2: Final = 0.006_693_421_622_965_943_23
# The shift changes by less than 2% of the way one moves, so that five rounds leave nanometres.
_INVERSE_ROUNDS: Final = 5
# No land of China lies outside (degrees: south, north, west, east); beyond it the formula may overflow.
_CHINA_BOUNDS: Final = (3.0, 54.0, 73.0, 136.0)

_Degrees = TypeVar("_Degrees", float, NDArray[np.float64])


class Mainland(Protocol):
    """Whatever can tell whether a WGS-84 point lies on the Chinese mainland."""

    def on_mainland(self, lat: float, lng: float) -> bool:
        """Say whether the point lies where GCJ-02 is in use."""
        ...


class Location(msgspec.Struct, frozen=True):
    """A point where a scan was, in WGS-84 degrees, beside what the device said.

    Attributes:
        lat: Latitude, -90 to 90.
        lng: Longitude, -180 to 180.
        datum_declared: What the device said of its datum; None where it said nothing (WGS-84 is assumed).
        source: One of `POINT_SOURCES`.
        accuracy_m: Radius of uncertainty in metres; None where unknown.
        raw_lat: Latitude as received.
        raw_lng: Longitude as received.
        cell: H3 cell of resolution 9, below 2^63.
    """

    lat: float
    lng: float
    datum_declared: str | None
    source: str
    accuracy_m: float | None
    raw_lat: float
    raw_lng: float
    cell: int


@dataclass(frozen=True, slots=True)
class NoLocation:
    """No point is known, and why."""

    source: str
    reason: str


def parse_location(
    lat: object, lng: object, datum: object, accuracy_m: object, source: object, *, mainland: Mainland
) -> Location | NoLocation:
    """Read what a device says of its place.

    Args:
        lat: Latitude in degrees, or None.
        lng: Longitude in degrees, or None; both are given or neither.
        datum: "wgs84", "gcj02", or None for WGS-84 by default.
        accuracy_m: Radius of uncertainty in metres, 0 to `ACCURACY_M_MAX`; None where unknown. Zero is
            what a device without an estimate sends, and counts as unknown.
        source: One of `SOURCES`. An address on the network ("ip") gives a region, never a point.
        mainland: Decides whether a point declared as GCJ-02 is converted.

    Raises:
        InvalidInput: A field is no number, not finite or out of its limits; the sentence names it.
    """
    if source not in SOURCES:
        raise InvalidInput(f"location.source must be one of {', '.join(SOURCES)}.")
    if datum is not None and datum not in DATUMS:
        raise InvalidInput(f"location.datum must be one of {', '.join(DATUMS)}.")
    accuracy = None if accuracy_m is None else _number("accuracy_m", accuracy_m, 0.0, ACCURACY_M_MAX)
    if lat is None and lng is None:
        return NoLocation(str(source), "no point was sent")
    raw_lat = _number("lat", lat, -90.0, 90.0)
    raw_lng = _number("lng", lng, -180.0, 180.0)
    if source not in POINT_SOURCES:
        return NoLocation(str(source), f"a location from source {source} is no point")
    if abs(raw_lat) < NULL_ISLAND_DEGREES and abs(raw_lng) < NULL_ISLAND_DEGREES:
        return NoLocation(str(source), "latitude 0 and longitude 0 stand for an unknown place")
    point = (raw_lat, raw_lng)
    if datum == "gcj02":
        point = _convert_on_mainland(raw_lat, raw_lng, mainland)
    return Location(
        lat=point[0],
        lng=point[1],
        datum_declared=None if datum is None else str(datum),
        source=str(source),
        accuracy_m=None if accuracy is None else round(accuracy, ACCURACY_DECIMALS) or None,
        raw_lat=raw_lat,
        raw_lng=raw_lng,
        cell=cell_at(*point),
    )


def _number(field: str, value: object, low: float, high: float) -> float:
    """Take a finite number within its limits; text and truth values are none."""
    if type(value) is float and low <= value <= high:  # what nearly all are
        return value
    if isinstance(value, bool) or not isinstance(value, int | float | np.integer | np.floating):
        raise InvalidInput(f"location.{field} must be a number from {low:g} to {high:g}.")
    # Compared before it is converted, because a very long integer has no float; NaN fails every comparison.
    if not low <= value <= high:
        raise InvalidInput(f"location.{field} must be a finite number from {low:g} to {high:g}.")
    return float(value)


def _convert_on_mainland(lat: float, lng: float, mainland: Mainland) -> tuple[float, float]:
    """Undo GCJ-02 where the true point lies on the mainland.

    The converted point is the one that is tested: within half a kilometre of Hong Kong's border the two
    differ, and a device that declares GCJ-02 there is far more likely in Shenzhen.
    """
    south, north, west, east = _CHINA_BOUNDS
    if not (south <= lat <= north and west <= lng <= east):
        return lat, lng
    converted = gcj02_to_wgs84(lat, lng)
    return converted if mainland.on_mainland(*converted) else (lat, lng)


def wgs84_to_gcj02(lat: float, lng: float) -> tuple[float, float]:
    """Shift a WGS-84 point of the Chinese mainland to GCJ-02, in degrees."""
    lat_shift, lng_shift = _shift(lat, lng, math.sin, math.cos, math.sqrt)
    return lat + lat_shift, lng + lng_shift


def gcj02_to_wgs84(lat: float, lng: float) -> tuple[float, float]:
    """Undo `wgs84_to_gcj02`, to well below a millimetre."""
    true_lat, true_lng = lat, lng
    for _ in range(_INVERSE_ROUNDS):
        lat_shift, lng_shift = _shift(true_lat, true_lng, math.sin, math.cos, math.sqrt)
        true_lat, true_lng = lat - lat_shift, lng - lng_shift
    return true_lat, true_lng


def wgs84_to_gcj02_many(lats: ArrayLike, lngs: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Shift many points: arrays of n latitudes and n longitudes in degrees."""
    lat, lng = np.asarray(lats, np.float64), np.asarray(lngs, np.float64)
    lat_shift, lng_shift = _shift(lat, lng, np.sin, np.cos, np.sqrt)
    return lat + lat_shift, lng + lng_shift


def gcj02_to_wgs84_many(lats: ArrayLike, lngs: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Undo `wgs84_to_gcj02_many`."""
    lat, lng = np.asarray(lats, np.float64), np.asarray(lngs, np.float64)
    true_lat, true_lng = lat, lng
    for _ in range(_INVERSE_ROUNDS):
        lat_shift, lng_shift = _shift(true_lat, true_lng, np.sin, np.cos, np.sqrt)
        true_lat, true_lng = lat - lat_shift, lng - lng_shift
    return true_lat, true_lng


def _shift(
    lat: _Degrees,
    lng: _Degrees,
    sin: Callable[[_Degrees], _Degrees],
    cos: Callable[[_Degrees], _Degrees],
    sqrt: Callable[[_Degrees], _Degrees],
) -> tuple[_Degrees, _Degrees]:
    """Shift of GCJ-02 against WGS-84 in degrees; for numbers or arrays, as the functions lent are."""
    x, y = lng - 105.0, lat - 35.0
    wave = 20.0 * sin(6.0 * math.pi * x) + 20.0 * sin(2.0 * math.pi * x)
    north_m = -100.0 + 2.0 * x + 3.0 * y + 0.2 * y * y + 0.1 * x * y + 0.2 * sqrt(abs(x))
    north_m += 2.0 / 3.0 * (wave + 20.0 * sin(math.pi * y) + 40.0 * sin(math.pi / 3.0 * y))
    north_m += 2.0 / 3.0 * (160.0 * sin(math.pi / 12.0 * y) + 320.0 * sin(math.pi / 30.0 * y))
    east_m = 300.0 + x + 2.0 * y + 0.1 * x * x + 0.1 * x * y + 0.1 * sqrt(abs(x))
    east_m += 2.0 / 3.0 * (wave + 20.0 * sin(math.pi * x) + 40.0 * sin(math.pi / 3.0 * x))
    east_m += 2.0 / 3.0 * (150.0 * sin(math.pi / 12.0 * x) + 300.0 * sin(math.pi / 30.0 * x))
    # Metres become degrees by the two radii of curvature of Krasovsky's ellipsoid at this latitude.
    phi = lat * (math.pi / 180.0)
    w2 = 1.0 - _KRASOVSKY_E2 * sin(phi) * sin(phi)
    meridian_m = _KRASOVSKY_AXIS_M * (1.0 - _KRASOVSKY_E2) / (w2 * sqrt(w2))
    parallel_m = _KRASOVSKY_AXIS_M / sqrt(w2) * cos(phi)
    return north_m * 180.0 / (meridian_m * math.pi), east_m * 180.0 / (parallel_m * math.pi)


def distance_m(lat_a: float, lng_a: float, lat_b: float, lng_b: float, *, radius_m: float = EARTH_RADIUS_M) -> float:
    """Great-circle distance in metres between two points in degrees (haversine; right to 0.6%)."""
    phi_a, phi_b = math.radians(lat_a), math.radians(lat_b)
    half_lat = math.sin((phi_b - phi_a) / 2.0)
    half_lng = math.sin(math.radians(lng_b - lng_a) / 2.0)
    square = half_lat * half_lat + math.cos(phi_a) * math.cos(phi_b) * half_lng * half_lng
    # Rounding may carry the square of antipodes a hair above one.
    return 2.0 * radius_m * math.asin(math.sqrt(min(1.0, square)))


def cell_at(lat: float, lng: float) -> int:
    """H3 cell of resolution 9; the topmost bit of an H3 index is zero, so that it fits a signed bigint."""
    return int(h3.latlng_to_cell(lat, lng, CELL_RESOLUTION))


def cell_parent(cell: int, resolution: int) -> int:
    """Parent of an H3 cell, by bit arithmetic: the form that SQL uses (H3 index, mode 1).

    Raises:
        InvalidInput: The resolution is not between 0 and the cell's own.
    """
    own = cell >> 52 & 15
    if not 0 <= resolution <= own:
        raise InvalidInput(f"The resolution of an H3 parent must be from 0 to {own}, not {resolution}.")
    # The digits below the parent's resolution are all ones.
    return (cell & ~(15 << 52)) | (resolution << 52) | ((1 << 3 * (15 - resolution)) - 1)
