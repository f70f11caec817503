"""Where a point lies, and how the file that says so is built."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from dataclasses import FrozenInstanceError
from pathlib import Path

import numpy as np
import pytest
import shapely
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from kernel.errors import ConfigurationError, InvalidInput, NotFound
from traceability import region_build
from traceability.coordinates import distance_m, gcj02_to_wgs84, wgs84_to_gcj02
from traceability.regions import Regions

REGIONS = Regions.load()


def names(lat: float, lng: float) -> tuple[str, str, str] | None:
    found = REGIONS.locate(lat, lng)
    if found is None or found.city is None or found.province is None:
        return None
    return found.province.name_zh, found.city.name_zh, found.name_zh


@pytest.mark.parametrize(
    ("lat", "lng", "expected"),
    [
        (39.9087, 116.3975, ("北京市", "北京市", "东城区")),
        (23.1291, 113.2644, ("广东省", "广州市", "越秀区")),
        (43.8256, 87.6168, ("新疆维吾尔自治区", "乌鲁木齐市", "水磨沟区")),
        (22.2819, 114.1582, ("香港特别行政区", "香港特别行政区", "中西区")),
        (22.1987, 113.5439, ("澳门特别行政区", "澳门特别行政区", "花王堂区")),
        (25.0330, 121.5654, ("台湾省", "台湾省", "台湾省")),
        (20.0440, 110.1999, ("海南省", "海口市", "秀英区")),
        (16.8336, 112.3375, ("海南省", "三沙市", "西沙区")),
        (23.0207, 113.7518, ("广东省", "东莞市", "东莞市")),
        (22.5335, 114.1150, ("广东省", "深圳市", "罗湖区")),  # the bridge to Hong Kong
        (22.5270, 114.1133, ("香港特别行政区", "香港特别行政区", "北区")),  # and its other end
        (40.1290, 124.3900, ("辽宁省", "丹东市", "振兴区")),  # a kilometre from Sinuiju
        (22.5290, 103.9390, ("云南省", "红河哈尼族彝族自治州", "河口瑶族自治县")),
        (21.5410, 107.9700, ("广西壮族自治区", "防城港市", "东兴市")),
    ],
)
def test_known_places_lie_in_their_districts(lat, lng, expected):
    assert names(lat, lng) == expected


@pytest.mark.parametrize(
    ("lat", "lng"),
    [
        (37.5665, 126.9780),  # Seoul
        (35.6812, 139.7671),  # Tokyo
        (22.0, 115.5),  # 70 km out at sea
        (0.0, 180.0),
        (0.0, -180.0),
        (90.0, 0.0),
        (-90.0, 116.0),
        (float("nan"), 116.0),
        (float("inf"), float("-inf")),
    ],
)
def test_abroad_and_on_the_high_sea_there_is_no_region(lat, lng):
    assert REGIONS.locate(lat, lng) is None
    assert REGIONS.locate_many([lat], [lng]).tolist() == [0]
    assert not REGIONS.on_mainland(lat, lng)


@pytest.mark.parametrize(
    ("lat", "lng"),
    [
        (40.1006, 124.3980),  # Sinuiju, across the Yalu from Dandong
        (50.2570, 127.5360),  # Blagoveshchensk, across the Amur from Heihe
        (21.5250, 107.9640),  # Mong Cai
    ],
)
def test_foreign_land_near_the_border_is_not_taken_for_sea(lat, lng):
    assert REGIONS.locate(lat, lng) is None


def off_the_east_of_shanghai(metres: float) -> tuple[float, float]:
    corners = shapely.get_coordinates(REGIONS.polygon([310115]))
    lng, lat = corners[np.argmax(corners[:, 0])]
    return float(lat), float(lng + metres / (111_195.0 * np.cos(np.radians(lat))))


def test_a_point_just_off_the_coast_belongs_to_the_nearest_district():
    near, far = off_the_east_of_shanghai(1_950.0), off_the_east_of_shanghai(2_050.0)
    found = REGIONS.locate(*near)
    assert found is not None
    assert found.adcode == 310115
    assert REGIONS.locate(*far) is None
    assert REGIONS.locate_many(*zip(near, far, strict=True)).tolist() == [310115, 0]


@settings(deadline=None)
@given(st.lists(st.tuples(st.floats(17.0, 54.0), st.floats(73.0, 136.0)), min_size=1, max_size=50))
def test_many_points_are_located_like_single_ones(points):
    lats, lngs = zip(*points, strict=True)
    singles = [REGIONS.locate(*point) for point in points]
    assert REGIONS.locate_many(lats, lngs).tolist() == [r.adcode if r else 0 for r in singles]


def test_located_regions_contain_their_points_unless_they_were_snapped():
    rng = np.random.default_rng(5)
    lats, lngs = rng.uniform(22, 42, 2_000), rng.uniform(100, 120, 2_000)
    adcodes = REGIONS.locate_many(lats, lngs)
    assert np.count_nonzero(adcodes) > 1_500
    for lat, lng, adcode in zip(lats[:200], lngs[:200], adcodes[:200], strict=True):
        if adcode:
            assert shapely.distance(REGIONS.polygon([int(adcode)]), shapely.Point(lng, lat)) < 0.03


def test_no_points_give_no_regions_and_unpaired_ones_are_refused():
    assert REGIONS.locate_many([], []).tolist() == []
    with pytest.raises(InvalidInput, match="2 latitudes do not pair with 1"):
        REGIONS.locate_many([1.0, 2.0], [3.0])


def test_every_label_lies_in_its_own_region():
    for district in REGIONS.all_of("district"):
        assert REGIONS.locate(district.label_lat, district.label_lng) == district
    for level in ("city", "province"):
        for region in REGIONS.all_of(level):
            found = REGIONS.locate(region.label_lat, region.label_lng)
            assert found is not None
            assert region in (found.city, found.province)


def test_there_are_34_provinces_and_every_region_has_its_parents():
    provinces, cities, districts = (REGIONS.all_of(level) for level in ("province", "city", "district"))
    assert len(provinces) == 34
    assert all(p.name_en and p.city is None and p.province is None for p in provinces)
    assert len(cities) > 350
    assert all(c.city is None and c.province in provinces for c in cities)
    assert len(districts) > 2_800
    assert all(d.city in cities and d.province is d.city.province for d in districts)


def test_an_adcode_gives_its_region_province_and_districts():
    assert REGIONS.region(440104).name_zh == "越秀区"
    assert REGIONS.region(441900).level == "city"
    assert REGIONS.province_of(440104).name_en == "Guangdong"
    assert REGIONS.province_of(440000).adcode == 440000
    assert REGIONS.districts_of(440104) == {440104}
    assert {440104, 440103} < REGIONS.districts_of(440100) < REGIONS.districts_of(440000)


@pytest.mark.parametrize("ask", ["region", "province_of", "districts_of"])
def test_an_unknown_adcode_is_not_found(ask):
    with pytest.raises(NotFound, match="123456"):
        getattr(REGIONS, ask)(123456)
    with pytest.raises(NotFound, match="123456"):
        REGIONS.polygon([440104, 123456])


def test_polygons_of_levels_nest_and_none_is_empty():
    district, city, province = (REGIONS.polygon([code]) for code in (440104, 440100, 440000))
    assert 0 < district.area < city.area < province.area
    assert REGIONS.polygon([440104, 440100]).equals(city)
    assert REGIONS.polygon([]).is_empty


@pytest.mark.parametrize(
    ("name", "adcode"),
    [
        ("广东", 440000),
        ("广东省", 440000),
        ("内蒙古", 150000),
        ("内蒙古自治区", 150000),
        ("广西壮族自治区", 450000),
        ("黑龙江", 230000),
        ("北京", 110000),
        ("香港特别行政区", 810000),
        ("Shaanxi", 610000),
        ("shanxi sheng", 140000),
        ("Inner Mongolia Autonomous Region", 150000),
    ],
)
def test_provinces_are_found_by_name_with_or_without_their_kind(name, adcode):
    found = REGIONS.province_named(name)
    assert found is not None
    assert found.adcode == adcode


@pytest.mark.parametrize("name", ["", "0", "加利福尼亚", "California", "广"])
def test_other_names_are_no_province(name):
    assert REGIONS.province_named(name) is None


def test_every_province_is_found_by_its_own_names():
    for province in REGIONS.all_of("province"):
        assert REGIONS.province_named(province.name_zh) == province
        assert REGIONS.province_named(province.name_en or "") == province


@pytest.mark.parametrize(
    ("lat", "lng", "expected"),
    [
        (39.9087, 116.3975, True),
        (24.4798, 118.0894, True),  # Xiamen
        (24.4321, 118.3171, False),  # Kinmen
        (22.2819, 114.1582, False),
        (22.1987, 113.5439, False),
        (25.0330, 121.5654, False),
    ],
)
def test_the_mainland_excludes_the_places_without_gcj02(lat, lng, expected):
    assert REGIONS.on_mainland(lat, lng) is expected


def test_the_stored_border_of_hong_kong_is_in_wgs84():
    # The middle of the Shenzhen river under Lo Wu bridge; in GCJ-02 the border lies 420 m off.
    border = REGIONS.polygon([810013]).boundary
    lat, lng = 22.5318, 114.1137
    x, y = shapely.get_coordinates(shapely.shortest_line(shapely.Point(lng, lat), border))[1]
    assert distance_m(lat, lng, y, x) < REGIONS.error_m


def test_threads_share_one_instance():
    rng = np.random.default_rng(6)
    lats, lngs = rng.uniform(18, 53, 500), rng.uniform(74, 134, 500)
    expected = REGIONS.locate_many(lats, lngs).tolist()
    fresh = Regions.load()

    def locate(_: int) -> list[int]:
        found = (fresh.locate(lat, lng) for lat, lng in zip(lats, lngs, strict=True))
        return [region.adcode if region else 0 for region in found]

    with ThreadPoolExecutor(4) as pool:
        assert all(found == expected for found in pool.map(locate, range(40)))


def test_regions_cannot_be_changed():
    with pytest.raises(FrozenInstanceError):
        REGIONS.region(440000).name_zh = "别处"


def test_missing_data_names_the_command_that_makes_it(tmp_path):
    with pytest.raises(ConfigurationError, match="make setup"):
        Regions.load(tmp_path / "regions.npz")


# --- building


def square(west: float, south: float, size: float = 0.5, wiggles: int = 40) -> list[list[float]]:
    """A square whose every side has the same small wiggles, seen from either side."""
    steps = np.linspace(0, size, wiggles + 1)[:-1]
    wave = 0.0002 * np.sin(steps / size * 40 * np.pi)
    back = size - steps
    back_wave = 0.0002 * np.sin(back / size * 40 * np.pi)
    sides = [
        (west + steps, south + wave),
        (west + size + wave, south + steps),
        (west + back, south + size + back_wave),
        (west + back_wave, south + back),
    ]
    ring = np.round(np.concatenate([np.column_stack(side) for side in sides]), 6)
    return np.vstack([ring, ring[:1]]).tolist()


@pytest.fixture
def source(tmp_path) -> Path:
    """A small package of the same form: two districts side by side in Guangdong, one on an island."""
    root = tmp_path / "package"
    land = root / "data/datasets/administrative/amap/land"
    sea = root / "data/datasets/administrative/amap/maritime"
    beyond = root / "data/datasets/administrative/cn-neighbors/land"
    for folder in (land, sea, beyond, root / "data/index"):
        folder.mkdir(parents=True)
    administrative = {"root": "data/datasets/administrative", "index_db": "data/index/administrative.db"}
    (root / "manifest.json").write_text(
        json.dumps({"name": "small", "version": "7", "datasets": {"administrative": administrative}})
    )
    shapes = {"440101": [[square(113, 23)]], "440102": [[square(113.5, 23)]], "710000": [[square(121, 24)]]}
    shapes["440102"].append([[[114.5, 23], [114.5003, 23], [114.5003, 23.0003], [114.5, 23]]])  # an islet
    for code, rings in shapes.items():
        (land / f"{code}.geojson").write_text(json.dumps({"type": "MultiPolygon", "coordinates": rings}))
    line = {"type": "MultiLineString", "coordinates": [[[110, 15], [110, 16]]]}
    (sea / "100000.geojson").write_text(json.dumps(line))
    country = {"type": "MultiPolygon", "coordinates": [[square(112.49, 23)]]}
    feature = {"type": "Feature", "properties": {}, "geometry": country}
    (beyond / "XYZ.geojson").write_text(json.dumps(feature))
    rows = [
        ("广东省", None, None, "440000", "省", "land"),
        ("台湾省", None, None, "710000", "省", "land"),
        ("广东省", "广州市", None, "440100", "市", "land"),
        ("台湾省", "台湾省", None, "710000", "市", "land"),
        ("广东省", "广州市", "东区", "440102", "区县", "land"),
        ("广东省", "广州市", "西区", "440101", "区县", "land"),
        ("台湾省", "台湾省", "台湾省", "710000", "区县", "land"),
        (None, None, None, "100000", "国", "maritime"),
    ]
    with sqlite3.connect(root / "data/index/administrative.db") as connection:
        connection.execute("CREATE TABLE ADMINISTRATIVE (province, city, district, path, level, source, kind)")
        for province, city, district, code, level, folder in rows:
            path = f"administrative/amap/{folder}/{code}.geojson"
            kind = "海域" if folder == "maritime" else "陆地"
            connection.execute(
                "INSERT INTO ADMINISTRATIVE VALUES (?, ?, ?, ?, ?, '高德', ?)",
                (province, city, district, path, level, kind),
            )
    connection.close()
    return root


def test_a_build_converts_the_mainland_and_leaves_taiwan(source, tmp_path):
    target = tmp_path / "out" / "regions.npz"
    version = region_build.build(source, target)
    built = Regions.load(target)
    assert built.version == version
    assert version.startswith("small 7 ")
    assert built.polygon([440101]).bounds[:2] == pytest.approx(gcj02_to_wgs84(23, 113)[::-1], abs=5e-4)
    assert built.polygon([710000]).bounds[:2] == pytest.approx((121, 24), abs=5e-4)
    found = built.locate(*gcj02_to_wgs84(23.25, 113.75))
    assert found is not None
    assert (found.name_zh, found.city.name_zh, found.province.name_en) == ("东区", "广州市", "Guangdong")
    assert not built.maritime_line.is_empty


def test_a_build_simplifies_but_keeps_borders_shared_and_islets_alive(source, tmp_path):
    region_build.build(source, tmp_path / "regions.npz")
    built = Regions.load(tmp_path / "regions.npz")
    polygons = np.array([built.polygon([code]) for code in (440101, 440102)])
    assert shapely.coverage_is_valid(polygons)
    assert shapely.get_num_coordinates(polygons[0]) < 10 < 4 * 40
    assert shapely.get_num_geometries(polygons[1]) == 2
    assert shapely.is_valid(polygons).all()
    # West and east of one shared border, 1 m apart, there is no gap to fall into.
    lats = np.linspace(23.01, 23.49, 97)
    border = np.array([gcj02_to_wgs84(lat, 113.5) for lat in lats])
    assert set(built.locate_many(border[:, 0], border[:, 1]).tolist()) <= {440101, 440102}


def test_simplification_moves_no_border_further_than_its_tolerance():
    rng = np.random.default_rng(7)
    cuts = np.column_stack([np.linspace(0, 1, 400), 0.5 + rng.normal(0, 0.002, 400).cumsum() * 0.1])
    south = shapely.MultiPolygon([shapely.Polygon([*cuts, (1, 0), (0, 0)])])
    north = shapely.MultiPolygon([shapely.Polygon([*cuts, (1, 1), (0, 1)])])
    before = np.array([south, north], dtype=object)
    after = region_build.simplify(before, 0.005)
    assert shapely.get_num_coordinates(after).sum() < shapely.get_num_coordinates(before).sum() / 3
    assert (shapely.hausdorff_distance(before, after) <= 0.005 + 1e-6).all()
    assert shapely.coverage_is_valid(after)
    assert shapely.area(after).sum() == pytest.approx(1.0)


def test_foreign_land_beside_a_built_region_is_not_its_coast(source, tmp_path):
    region_build.build(source, tmp_path / "regions.npz")
    built = Regions.load(tmp_path / "regions.npz")
    # The district begins some 500 m east of the neighbour: between them is water, beyond it foreign land.
    lat, lng = gcj02_to_wgs84(23.25, 113.0)
    sea = built.locate(lat, lng - 0.002)
    assert sea is not None
    assert sea.adcode == 440101
    assert built.locate(lat, lng - 0.01) is None


def test_building_twice_gives_the_same_bytes(source, tmp_path):
    one, two = tmp_path / "one.npz", tmp_path / "two.npz"
    assert region_build.build(source, one) == region_build.build(source, two)
    assert one.read_bytes() == two.read_bytes()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["one.npz", "package", "two.npz"]


def test_a_file_is_current_only_when_whole_and_of_this_source(source, tmp_path):
    target = tmp_path / "regions.npz"
    assert not region_build.is_current(source, target)
    region_build.build(source, target)
    assert region_build.is_current(source, target)
    manifest = source / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"7"', '"8"'))
    assert not region_build.is_current(source, target)
    target.write_bytes(target.read_bytes()[:-500])
    assert not region_build.is_current(source, target)


@pytest.mark.parametrize("kept", [0, 1, 100, -1, -2_000])
def test_a_damaged_file_is_refused_with_its_name(source, tmp_path, kept):
    target = tmp_path / "regions.npz"
    region_build.build(source, target)
    target.write_bytes(target.read_bytes()[:kept])
    with pytest.raises(ConfigurationError, match=r"regions\.npz is damaged"):
        Regions.load(target)


def test_a_failed_build_leaves_the_old_file(source, tmp_path):
    target = tmp_path / "regions.npz"
    region_build.build(source, target)
    before = target.read_bytes()
    (source / "data/datasets/administrative/amap/land/440102.geojson").write_text('{"type": "Mul')
    with pytest.raises(ConfigurationError, match=r"440102\.geojson cannot be read"):
        region_build.build(source, target)
    assert target.read_bytes() == before


@pytest.mark.parametrize(
    "lost", ["manifest.json", "data/index/administrative.db", "data/datasets/administrative/amap/land"]
)
def test_an_incomplete_source_is_refused(source, tmp_path, lost):
    path = source / lost
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    with pytest.raises(ConfigurationError, match="cannot be read"):
        region_build.build(source, tmp_path / "regions.npz")
    assert not (tmp_path / "regions.npz").exists()


def test_districts_that_overlap_are_refused(source, tmp_path):
    twice = {"type": "MultiPolygon", "coordinates": [[square(113.3, 23)]]}
    file = source / "data/datasets/administrative/amap/land/440102.geojson"
    file.write_text(json.dumps(twice))
    with pytest.raises(ConfigurationError, match="overlap"):
        region_build.build(source, tmp_path / "regions.npz")


def test_an_unwritable_target_is_named(source, tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("")
    with pytest.raises(ConfigurationError, match="cannot be written"):
        region_build.build(source, blocked / "regions.npz")


def test_the_command_builds_once_and_then_leaves_the_file_alone(source, tmp_path, monkeypatch):
    monkeypatch.setattr(region_build, "installed_source", lambda: source)
    target = tmp_path / "regions.npz"
    assert CliRunner().invoke(region_build.main, ["--out", str(target)]).exit_code == 0
    os.utime(target, (1, 1))
    assert CliRunner().invoke(region_build.main, ["--out", str(target)]).exit_code == 0
    assert target.stat().st_mtime == 1
    assert CliRunner().invoke(region_build.main, ["--force", "--out", str(target)]).exit_code == 0
    assert target.stat().st_mtime > 1


def test_the_command_prints_the_reason_and_fails(source, tmp_path, monkeypatch):
    monkeypatch.setattr(region_build, "installed_source", lambda: source)
    (source / "manifest.json").unlink()
    found = CliRunner().invoke(region_build.main, ["--out", str(tmp_path / "regions.npz")])
    assert found.exit_code == 1
    assert "manifest.json" in found.output


@given(st.floats(20.0, 50.0), st.floats(80.0, 130.0))
def test_geometries_are_converted_like_points(lat, lng):
    shifted = wgs84_to_gcj02(lat, lng)
    point = region_build.to_wgs84(np.array([shapely.Point(shifted[1], shifted[0])], dtype=object))[0]
    assert (point.y, point.x) == pytest.approx((lat, lng), abs=1e-9)
