"""The bundled basemap: built from the regions, whole, in step with them, and small."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import shapely

from kernel.errors import ConfigurationError
from tests.world import regions
from web import basemap, basemap_build

FIRST_BYTES_MAX = 300_000
DISTRICTS_BYTES_MAX = 80_000


def document(name: str) -> dict[str, Any]:
    return json.loads((basemap.FOLDER / name.removeprefix(basemap.PREFIX)).read_bytes())  # type: ignore[no-any-return]


def packed(name: str) -> int:
    return len(gzip.compress((basemap.FOLDER / name.removeprefix(basemap.PREFIX)).read_bytes()))


def polygon(file: dict[str, Any], shape: list[list[list[int]]]) -> shapely.Geometry:
    """As the page's script puts it together."""
    lines = [np.cumsum(np.reshape(arc, (-1, 2)), axis=0) / file["steps"] for arc in file["arcs"]]
    parts = []
    for rings in shape:
        closed = [np.concatenate([lines[arc] if arc >= 0 else lines[~arc][::-1] for arc in ring]) for ring in rings]
        if len(closed[0]) >= 4:  # the smallest islets are lines on the grid
            parts.append(shapely.Polygon(closed[0], [ring for ring in closed[1:] if len(ring) >= 4]))
    return shapely.make_valid(shapely.MultiPolygon(parts))


def test_every_province_city_and_district_is_there_and_where_the_regions_have_it():
    found = basemap.load()
    china = document(found.china)
    for level, rows in (("province", china["provinces"]), ("city", china["cities"])):
        assert [row[0] for row in rows] == [region.adcode for region in regions().all_of(level)]  # type: ignore[arg-type]
    [sichuan] = [row for row in china["provinces"] if row[0] == 510000]
    true, drawn = regions().polygon([510000]), polygon(china, sichuan[6])
    assert shapely.area(shapely.symmetric_difference(true, drawn)) < 0.01 * shapely.area(true)
    districts = [row[0] for name in found.districts.values() for row in document(name)["districts"]]
    assert sorted(districts) == sorted(region.adcode for region in regions().all_of("district"))


def test_southern_sea_taiwan_and_neighbours_are_drawn():
    found = basemap.load()
    china = document(found.china)
    assert len(china["maritime"]) == 10
    south = min(polygon(china, row[6]).bounds[1] for row in china["provinces"] if row[0] == 460000)
    assert south < 4
    assert 710000 in {row[0] for row in china["provinces"]}
    names = {row[1] for row in document(found.world)["countries"]}
    assert {"India", "Mongolia", "Japan", "Brazil"} <= names
    assert "China" not in names


def test_what_a_page_loads_first_is_light():
    found = basemap.load()
    assert packed(found.china) + packed(found.world) < FIRST_BYTES_MAX
    assert max(packed(name) for name in found.districts.values()) < DISTRICTS_BYTES_MAX


def test_built_basemap_is_current_and_one_that_lost_a_file_is_not(tmp_path: Path):
    assert basemap_build.is_current()
    (tmp_path / basemap.INDEX).write_bytes((basemap.FOLDER / basemap.INDEX).read_bytes())
    assert not basemap_build.is_current(tmp_path)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (None, "is not built"),
        ("{", "is damaged"),
        ('{"format": 0}', "format 0 instead of"),
        ('{"format": 1}', "is damaged"),
    ],
)
def test_basemap_that_cannot_be_used_is_told_with_what_to_do(tmp_path: Path, content: str | None, sentence: str):
    if content is not None:
        (tmp_path / basemap.INDEX).write_text(content)
    with pytest.raises(ConfigurationError, match=f"{sentence}.*run `make setup`"):
        basemap.load(tmp_path)
