"""Provinces, cities and districts of China by polygon. Pure: a file is loaded once, then only memory is read.

The file is built at set-up by `traceability.region_build`. Region by polygon, not by nearest place: the
nearest place names the wrong district for a third of all scans.
"""

from __future__ import annotations

import json
import math
import threading
import zipfile
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import h3.api.basic_int as h3
import numpy as np
import shapely
from numpy.typing import ArrayLike, NDArray

from kernel.errors import ConfigurationError, InvalidInput, NotFound

DATA_FILE: Final = Path(__file__).parent / "data" / "regions.npz"

FORMAT: Final = 1
"""Raised whenever what is in the file, or how it is made, changes."""

UNITS_PER_DEGREE: Final = 1_000_000
"""Coordinates are stored as integers of a millionth of a degree, 0.1 m."""

SNAP_M: Final = 2_000.0
"""A point in the sea this near to a coast belongs to the nearest district (piers, ferries, rough fixes)."""

Level = Literal["province", "city", "district"]

_METRES_PER_DEGREE: Final = 111_195.0
_CELL_RESOLUTION: Final = 7
"""H3 cells of about 5 km², small enough that most of them lie in one district only."""
_CELLS_MAX: Final = 65_536
_CELL_MARGIN: Final = 1.05
# Edges of cells are arcs, drawn here as straight lines: a twentieth around them is far more than the difference.
# Points looked up under one hold of the lock: about a tenth of a second.
_CHUNK: Final = 10_000
# Hong Kong, Macao, Taiwan and Kinmen: GCJ-02 is not in use there.
_NOT_MAINLAND_PROVINCES: Final = frozenset({710000, 810000, 820000})
_NOT_MAINLAND_DISTRICTS: Final = frozenset({350527})

_Touched = tuple[tuple[int, shapely.Geometry], ...]
_Adcodes = NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class Region:
    """A province, city or district.

    Attributes:
        adcode: Six-digit administrative code (GB/T 2260).
        level: "province", "city" or "district".
        name_zh: Official Chinese name.
        name_en: English name; provinces only, else None.
        label_lat: Latitude of a point well inside, where a map writes the name.
        label_lng: Its longitude.
        city: The city that a district belongs to; None for cities and provinces.
        province: The province that a district or city belongs to; None for provinces.
    """

    adcode: int
    level: Level
    name_zh: str
    name_en: str | None
    label_lat: float
    label_lng: float
    city: Region | None
    province: Region | None


class Regions:
    """All regions with their polygons, in memory. Any thread may ask.

    Where a city has no districts, city and district bear the same adcode (Dongguan, 441900), and Taiwan is
    all three levels in one; such an adcode alone means the larger.

    Attributes:
        version: Names the data; stored with each scan that was located by it.
        error_m: How far a border may lie from where it really is.
        maritime_line: The dashed line that maps published in China must show.
    """

    def __init__(self, arrays: dict[str, NDArray[Any]]) -> None:
        meta = json.loads(arrays["meta"].tobytes())
        if meta["format"] != FORMAT:
            raise ValueError(f"format {meta['format']} instead of {FORMAT}")
        self.version: str = meta["version"]
        self.error_m: float = float(meta["error_m"])
        provinces = {row[0]: _region("province", row, None, None) for row in meta["provinces"]}
        cities = {row[0]: _region("city", row, None, provinces[row[5]]) for row in meta["cities"]}
        self._districts = tuple(
            _region("district", row, cities[row[5]], cities[row[5]].province) for row in meta["districts"]
        )
        self._levels: dict[Level, tuple[Region, ...]] = {
            "province": tuple(provinces.values()),
            "city": tuple(cities.values()),
            "district": self._districts,
        }
        self._by_adcode = {r.adcode: r for r in self._districts} | cities | provinces
        self._adcodes: _Adcodes = np.array([region.adcode for region in self._districts], np.int32)
        members: dict[int, set[int]] = {}
        for i, region in enumerate(self._districts):
            for part in (region, region.city, region.province):
                if part is not None:
                    members.setdefault(part.adcode, set()).add(i)
        self._members = {adcode: np.array(sorted(found), np.intp) for adcode, found in members.items()}

        self._polygons = _unpack("district", arrays)
        self._tree = shapely.STRtree(self._polygons)
        self._neighbours = shapely.STRtree(_unpack("neighbour", arrays))
        self.maritime_line: shapely.Geometry = _unpack("maritime", arrays)[0]
        west, south, east, north = shapely.total_bounds(self._polygons)
        self._bounds = (south - 0.1, north + 0.1, west - 0.1, east + 0.1)
        # Prepared geometries of GEOS change inside when asked, while Python's own lock is released: without a
        # lock here, four threads corrupted the heap within seconds.
        self._lock = threading.Lock()
        shapely.prepare(self._polygons)
        self._met: dict[int, Region | _Touched] = {}

    @classmethod
    def load(cls, path: Path | None = None) -> Regions:
        """Load the built file.

        Args:
            path: Another file of the same form; None for the one that set-up builds.

        Raises:
            ConfigurationError: The file is missing or damaged.
        """
        file = path or DATA_FILE
        try:
            with file.open("rb") as opened, np.load(opened, allow_pickle=False) as arrays:
                return cls(dict(arrays.items()))
        except FileNotFoundError as error:
            raise ConfigurationError(f"The region data {file} is missing: run `make setup`.") from error
        except (
            OSError, EOFError, ValueError, KeyError, TypeError, IndexError,
            zipfile.BadZipFile, zlib.error, shapely.GEOSException,
        ) as error:  # fmt: skip
            raise ConfigurationError(
                f"The region data {file} is damaged ({error}): delete it and run `make setup`."
            ) from error

    def locate(self, lat: float, lng: float) -> Region | None:
        """District at a WGS-84 point in degrees; None outside China and further than `SNAP_M` at sea.

        What the H3 cell around the point meets is kept: most cells lie in one district, where nothing is computed.
        """
        if not self._near_china(lat, lng):
            return None
        cell = h3.latlng_to_cell(lat, lng, _CELL_RESOLUTION)
        met = self._met.get(cell)
        if met is None:
            met = self._meet(cell)
        if isinstance(met, Region):
            return met
        # A point on a border belongs to the lower adcode, in every process alike: they are asked in that order.
        with self._lock:
            for index, polygon in met:
                if shapely.intersects_xy(polygon, lng, lat):
                    return self._districts[index]
        index = self._snap(lat, lng)
        return self._districts[index] if index >= 0 else None

    def _meet(self, cell: int) -> Region | _Touched:
        """The district that a whole H3 cell lies in, or those that it may touch, by adcode; kept from now on."""
        lat, lng = h3.cell_to_latlng(cell)
        wide = shapely.Polygon(
            [(lng + (x - lng) * _CELL_MARGIN, lat + (y - lat) * _CELL_MARGIN) for y, x in h3.cell_to_boundary(cell)]
        )
        with self._lock:
            touched = self._tree.query(wide, predicate="intersects")
            whole = len(touched) == 1 and bool(shapely.contains_properly(self._polygons[touched[0]], wide))
        met: Region | _Touched = (
            self._districts[touched[0]] if whole else tuple((i, self._polygons[i]) for i in sorted(touched.tolist()))
        )
        if len(self._met) >= _CELLS_MAX:
            self._met.clear()
        self._met[cell] = met
        return met

    def locate_many(self, lats: ArrayLike, lngs: ArrayLike) -> _Adcodes:
        """Districts' adcodes at n points, as `locate` finds them; 0 where it finds none.

        Raises:
            InvalidInput: There are not as many latitudes as longitudes.
        """
        lat, lng = np.asarray(lats, np.float64).ravel(), np.asarray(lngs, np.float64).ravel()
        if lat.shape != lng.shape:
            raise InvalidInput(f"{len(lat)} latitudes do not pair with {len(lng)} longitudes.")
        index = np.full(len(lat), len(self._polygons), np.intp)
        for start in range(0, len(lat), _CHUNK):
            part = slice(start, start + _CHUNK)
            with self._lock:
                # A missing coordinate makes an empty point, which no tree finds.
                which, candidates = self._tree.query(shapely.points(lng[part], lat[part]))
                inside = shapely.intersects_xy(self._polygons[candidates], lng[part][which], lat[part][which])
            np.minimum.at(index[part], which[inside], candidates[inside])
        for i in np.flatnonzero(index == len(self._polygons)):
            here = (float(lat[i]), float(lng[i]))
            index[i] = self._snap(*here) if self._near_china(*here) else -1
        return np.where(index >= 0, self._adcodes[index], 0).astype(np.int32)

    def region(self, adcode: int) -> Region:
        """The region of an adcode.

        Raises:
            NotFound: The data has no such adcode.
        """
        region: Region | None = self._by_adcode.get(adcode)
        if region is None:
            raise NotFound(f"There is no region with adcode {adcode} in {self.version}.")
        return region

    def province_of(self, adcode: int) -> Region:
        """The province that a region of any level belongs to; a province belongs to itself.

        Raises:
            NotFound: The data has no such adcode.
        """
        region = self.region(adcode)
        return region.province or region

    def all_of(self, level: Level) -> tuple[Region, ...]:
        """Every region of one level, by adcode."""
        return self._levels[level]

    def districts_of(self, adcode: int) -> frozenset[int]:
        """Adcodes of the districts in a region of any level; a district is its own only one.

        Raises:
            NotFound: The data has no such adcode.
        """
        self.region(adcode)
        return frozenset(self._adcodes[self._members[adcode]].tolist())

    def province_named(self, name: str) -> Region | None:
        """The province that a Chinese or English name begins with.

        What follows may be missing or vary, as in 广东, 广东省, "Guangdong" or "Guangdong Sheng"; no name of
        a province begins with another's.
        """
        text = name.strip()
        lower = text.lower()
        for province in self._levels["province"]:
            english = (province.name_en or "").lower()
            if text.startswith(_short_name(province.name_zh)) or (english and lower.startswith(english)):
                return province
        return None

    def on_mainland(self, lat: float, lng: float) -> bool:
        """Say whether GCJ-02 is in use at a WGS-84 point: not in Hong Kong, Macao, Taiwan or Kinmen."""
        district = self.locate(lat, lng)
        if district is None or district.adcode in _NOT_MAINLAND_DISTRICTS:
            return False
        return district.province is not None and district.province.adcode not in _NOT_MAINLAND_PROVINCES

    def polygon(self, adcodes: Iterable[int]) -> shapely.Geometry:
        """Union of regions of any level, in WGS-84 degrees (x longitude, y latitude); empty for no region.

        Raises:
            NotFound: The data has no such adcode.
        """
        indexes: set[int] = set()
        for adcode in adcodes:
            self.region(adcode)
            indexes.update(self._members[adcode].tolist())
        union: shapely.Geometry = shapely.coverage_union_all(self._polygons[sorted(indexes)])
        return union

    def _near_china(self, lat: float, lng: float) -> bool:
        south, north, west, east = self._bounds
        # NaN fails every comparison and so lies outside.
        return bool(south <= lat <= north and west <= lng <= east)

    def _snap(self, lat: float, lng: float) -> int:
        """Index of the nearest district for a point off the coast; -1 far out and on foreign land."""
        scale = np.array([_METRES_PER_DEGREE * math.cos(math.radians(lat)), _METRES_PER_DEGREE])
        dx, dy = SNAP_M / scale
        box = shapely.box(lng - dx, lat - dy, lng + dx, lat + dy)
        with self._lock:
            nearby = np.sort(self._tree.query(box))
            foreign = self._neighbours.query(shapely.points(lng, lat), predicate="intersects")
        if not len(nearby) or len(foreign):
            return -1
        around = shapely.clip_by_rect(self._polygons[nearby], lng - dx, lat - dy, lng + dx, lat + dy)
        flat = shapely.transform(around, lambda xy: (xy - [lng, lat]) * scale)
        distances = shapely.distance(flat, shapely.points(0.0, 0.0))
        # An empty clipping has no distance (NaN).
        distances[np.isnan(distances)] = np.inf
        best = int(np.argmin(distances))
        return int(nearby[best]) if distances[best] <= SNAP_M else -1


def _region(level: Level, row: list[Any], city: Region | None, province: Region | None) -> Region:
    adcode, name_zh, name_en, lng, lat, _ = row
    return Region(adcode, level, name_zh, name_en, lat, lng, city, province)


def _short_name(name_zh: str) -> str:
    """A province's name without its kind: 内蒙古自治区 → 内蒙古, 广西壮族自治区 → 广西, 北京市 → 北京."""
    return name_zh[:3] if name_zh.startswith(("内蒙古", "黑龙江")) else name_zh[:2]


def _unpack(name: str, arrays: dict[str, NDArray[Any]]) -> NDArray[np.object_]:
    """Geometries from their ragged arrays."""
    units = np.cumsum(arrays[f"{name}_steps"], axis=0, dtype=np.int64)
    ends = [arrays[key] for key in sorted(arrays) if key.startswith(f"{name}_ends")]
    kind = shapely.GeometryType(int(arrays[f"{name}_type"]))
    geometries: NDArray[np.object_] = shapely.from_ragged_array(kind, units / UNITS_PER_DEGREE, tuple(ends))
    return geometries
