"""A territory drawn on a map of China, as SVG made by the server: no script, no request for tiles.

The whole country, or where an area lies within one province, that province with its cities. Borders are
simplified to about a pixel; the dashed line that maps published in China must show is always there.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np
import shapely
from numpy.typing import NDArray

from traceability import areas
from traceability.regions import Region, Regions

WIDTH_PX: Final = 800
_HEIGHT_PX_MAX: Final = 760
_PIXEL_SHARE: Final = 1.0
"""Borders are simplified to this many pixels."""
_NAME_PX: Final = 13
_CHOSEN_PX: Final = 16

# Albers' equal-area conic projection with the parallels that Chinese atlases use.
_PARALLELS: Final = (math.radians(25.0), math.radians(47.0))
_MERIDIAN: Final = 105.0
_CONE: Final = (math.sin(_PARALLELS[0]) + math.sin(_PARALLELS[1])) / 2
_CONSTANT: Final = math.cos(_PARALLELS[0]) ** 2 + 2 * _CONE * math.sin(_PARALLELS[0])

Points = NDArray[np.float64]
Geometries = NDArray[np.object_]


@dataclass(frozen=True, slots=True)
class Shape:
    """A region's outline as SVG path data."""

    adcode: int
    path: str
    chosen: bool


@dataclass(frozen=True, slots=True)
class Label:
    """A name on the map."""

    x: float
    y: float
    text: str
    chosen: bool


@dataclass(frozen=True, slots=True)
class Drawing:
    """A map, ready for its template.

    Attributes:
        width: of the view box.
        height: of the view box.
        shapes: regions, chosen ones filled.
        area: path of what is chosen of regions that are not chosen as a whole.
        dashes: path of the dashed line; empty for one province.
        labels: names.
    """

    width: int
    height: int
    shapes: tuple[Shape, ...]
    area: str
    dashes: str
    labels: tuple[Label, ...]


@dataclass(frozen=True, slots=True)
class _Sheet:
    """A map without anything chosen, and how degrees become pixels on it."""

    regions: tuple[Region, ...]
    paths: tuple[str, ...]
    dashes: str
    scale: float
    left: float
    top: float
    height: int

    def pixels(self, geometry: shapely.Geometry) -> shapely.Geometry:
        """A geometry in degrees, on the map."""
        placed: shapely.Geometry = shapely.transform(geometry, self._place)
        return placed

    def _place(self, degrees: Points) -> Points:
        flat = _project(degrees)
        return np.column_stack([(flat[:, 0] - self.left) * self.scale, (self.top - flat[:, 1]) * self.scale])


def draw(regions: Regions, adcodes: Sequence[int], *, chinese: bool) -> Drawing:
    """Draw an area.

    Args:
        regions: the polygons.
        adcodes: the area, tidied.
        chinese: whether names are Chinese.
    """
    province = areas.only_province(regions, adcodes)
    sheet = _sheet(regions, None if province is None else province.adcode)
    whole = set(adcodes)
    shapes = tuple(
        Shape(region.adcode, path, region.adcode in whole)
        for region, path in zip(sheet.regions, sheet.paths, strict=True)
    )
    parts = sorted(whole - {shape.adcode for shape in shapes})
    return Drawing(
        width=WIDTH_PX,
        height=sheet.height,
        shapes=shapes,
        area=_area(sheet, regions, parts),
        dashes=sheet.dashes,
        labels=_labels(sheet, regions, whole, chinese=chinese),
    )


def _area(sheet: _Sheet, regions: Regions, parts: list[int]) -> str:
    if not parts:
        return ""
    placed = sheet.pixels(regions.polygon(parts))
    return _path(shapely.simplify(placed, _PIXEL_SHARE))


def _labels(sheet: _Sheet, regions: Regions, whole: set[int], *, chinese: bool) -> tuple[Label, ...]:
    """Names that do not run into each other: what is chosen first, then the larger regions."""
    touched = {part for adcode in whole for part in _upwards(regions.region(adcode))}
    order = sorted(
        range(len(sheet.regions)), key=lambda at: (sheet.regions[at].adcode not in touched, -len(sheet.paths[at]))
    )
    found: list[Label] = []
    taken: list[shapely.Geometry] = []
    for region in (sheet.regions[at] for at in order):
        point = sheet.pixels(shapely.points(region.label_lng, region.label_lat))
        x, y = (round(float(each), 1) for each in (shapely.get_x(point), shapely.get_y(point)))
        label = Label(x, y, _short(region, chinese=chinese), region.adcode in touched)
        box = _box(label)
        if not any(shapely.intersects(box, each) for each in taken):
            taken.append(box)
            found.append(label)
    return tuple(found)


def _box(label: Label) -> shapely.Geometry:
    """About the room that a name takes; the style sheet sets the sizes."""
    size = _CHOSEN_PX if label.chosen else _NAME_PX
    width = sum(size if ord(each) > 0x2E7F else size * 0.6 for each in label.text)
    return shapely.box(label.x - width / 2, label.y - size * 0.6, label.x + width / 2, label.y + size * 0.6)


def _upwards(region: Region) -> Iterable[int]:
    return (each.adcode for each in (region, region.city, region.province) if each is not None)


def _short(region: Region, *, chinese: bool) -> str:
    """A name short enough for a map: 内蒙古, 广东, 深圳."""
    if not chinese and region.name_en is not None:
        return region.name_en
    if region.level == "province":
        return region.name_zh[:3] if region.name_zh.startswith(("内蒙古", "黑龙江")) else region.name_zh[:2]
    return region.name_zh.removesuffix("市")[:5]


@lru_cache(maxsize=40)
def _sheet(regions: Regions, province: int | None) -> _Sheet:
    """The map of the country, or of a province; made once."""
    if province is None:
        shown: tuple[Region, ...] = regions.all_of("province")
    else:
        branch = next(each for each in areas.tree(regions) if each.region.adcode == province)
        shown = tuple(part.region for part in branch.parts)
    outlines = np.array([regions.polygon([region.adcode]) for region in shown], dtype=object)
    line = regions.maritime_line
    corners = [*outlines, line] if province is None else list(outlines)
    west, south, east, north = shapely.total_bounds([shapely.transform(each, _project) for each in corners])
    scale = min((WIDTH_PX - 2) / (east - west), _HEIGHT_PX_MAX / (north - south))
    middle = (WIDTH_PX / scale - (east - west)) / 2
    sheet = _Sheet(shown, (), "", scale, west - middle, north + 1 / scale, math.ceil((north - south) * scale) + 2)
    placed = np.array([sheet.pixels(each) for each in outlines], dtype=object)
    # Neighbours are simplified together, so that no gap opens between them.
    simple: Geometries = shapely.coverage_simplify(placed, _PIXEL_SHARE)
    return _Sheet(
        regions=shown,
        paths=tuple(_path(each) for each in simple),
        dashes=_path(shapely.simplify(sheet.pixels(line), _PIXEL_SHARE)) if province is None else "",
        scale=sheet.scale,
        left=sheet.left,
        top=sheet.top,
        height=sheet.height,
    )


def _project(degrees: Points) -> Points:
    """Longitude and latitude to the plane, in Earth radii."""
    root = np.sqrt(_CONSTANT - 2 * _CONE * np.sin(np.radians(degrees[:, 1]))) / _CONE
    angle = _CONE * np.radians(degrees[:, 0] - _MERIDIAN)
    return np.column_stack([root * np.sin(angle), -root * np.cos(angle)])


def _path(geometry: shapely.Geometry) -> str:
    """Path data, to a tenth of a pixel: each ring's or line's corners, as steps from one to the next."""
    drawn = []
    for part in shapely.get_parts(geometry):
        rings = shapely.get_rings(part) if part.geom_type == "Polygon" else [part]
        for ring in rings:
            corners = np.round(shapely.get_coordinates(ring) * 10).astype(int)
            steps = np.diff(corners, axis=0)
            moved = steps[np.any(steps != 0, axis=1)]
            if len(moved) == 0:
                continue
            first = f"M{corners[0][0] / 10:g} {corners[0][1] / 10:g}"
            drawn.append(first + "l" + " ".join(f"{x / 10:g} {y / 10:g}" for x, y in moved))
    return "".join(drawn)
