"""Datums, distances, limits and cells."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path

import h3.api.basic_int as h3
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernel.errors import InvalidInput
from traceability.coordinates import (
    ACCURACY_M_MAX,
    Location,
    NoLocation,
    cell_at,
    cell_parent,
    distance_m,
    gcj02_to_wgs84,
    gcj02_to_wgs84_many,
    parse_location,
    wgs84_to_gcj02,
    wgs84_to_gcj02_many,
)
from traceability.regions import Regions

VECTORS = Path(__file__).parents[3] / "shared" / "vectors" / "geo" / "wgs84_gcj02_bd09.json"

china_lats = st.floats(18.0, 53.0)
china_lngs = st.floats(74.0, 134.0)


@dataclass(frozen=True)
class Answer:
    """Stands for the polygons: every point is on the mainland, or none is."""

    given: bool

    def on_mainland(self, lat: float, lng: float) -> bool:
        assert -90 <= lat <= 90
        assert -180 <= lng <= 180
        return self.given


@pytest.fixture(scope="module")
def regions() -> Regions:
    return Regions.load()


def parse(lat=31.2, lng=121.4, *, datum="wgs84", accuracy_m=20.0, source="gps", mainland=None):
    return parse_location(lat, lng, datum, accuracy_m, source, mainland=mainland or Answer(given=True))


@pytest.mark.conformance
def test_conversion_and_distance_agree_with_the_published_vectors():
    vectors = json.loads(VECTORS.read_text("utf-8"))
    assert len(vectors["wgs84_to_gcj02"]) >= 3
    for row in vectors["wgs84_to_gcj02"]:
        true, shifted = row["wgs84"], row["gcj02"]
        assert wgs84_to_gcj02(**true) == pytest.approx((shifted["lat"], shifted["lng"]), abs=1e-6)
        back = gcj02_to_wgs84(**shifted)
        assert distance_m(*back, true["lat"], true["lng"]) < 0.5
    for row in vectors["distance_m"]:
        a, b = row["a"], row["b"]
        # These vectors were made with the equator's radius.
        found = distance_m(a["lat"], a["lng"], b["lat"], b["lng"], radius_m=6_378_137.0)
        assert found == pytest.approx(row["metres"], abs=row["tolerance"])


@given(china_lats, china_lngs)
def test_conversion_there_and_back_returns_within_a_millimetre(lat, lng):
    assert distance_m(*gcj02_to_wgs84(*wgs84_to_gcj02(lat, lng)), lat, lng) < 1e-3


@given(st.lists(st.tuples(china_lats, china_lngs), min_size=1, max_size=20))
def test_arrays_are_converted_like_single_points(points):
    lats, lngs = np.array(points).T
    for many, one in ((wgs84_to_gcj02_many, wgs84_to_gcj02), (gcj02_to_wgs84_many, gcj02_to_wgs84)):
        assert np.column_stack(many(lats, lngs)) == pytest.approx(
            np.array([one(*point) for point in points]), abs=1e-11
        )


@given(china_lats, china_lngs)
def test_the_shift_is_some_hundred_metres(lat, lng):
    assert 1 < distance_m(*wgs84_to_gcj02(lat, lng), lat, lng) < 1_200


def test_distances_are_those_of_a_globe():
    quarter = math.pi / 2 * 6_371_008.8
    assert distance_m(0, 0, 90, 0) == pytest.approx(quarter)
    assert distance_m(0, -90, 0, 90) == pytest.approx(2 * quarter)
    assert distance_m(0, 179.5, 0, -179.5) == pytest.approx(quarter / 90)
    assert distance_m(39.9, 116.4, 39.9, 116.4) == 0


@given(st.floats(-90, 90), st.floats(-180, 180), st.floats(-90, 90), st.floats(-180, 180))
def test_distance_is_symmetric_and_at_most_half_way_round(lat_a, lng_a, lat_b, lng_b):
    there = distance_m(lat_a, lng_a, lat_b, lng_b)
    assert there == pytest.approx(distance_m(lat_b, lng_b, lat_a, lng_a), abs=1e-3)
    assert 0 <= there <= math.pi * 6_371_008.8


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("lat", 91),
        ("lat", -90.0001),
        ("lat", math.nan),
        ("lat", math.inf),
        ("lat", "31.2"),
        ("lat", True),
        ("lat", 10**400),
        ("lat", None),
        ("lng", 180.1),
        ("lng", -math.inf),
        ("lng", [121]),
        ("lng", None),
        ("accuracy_m", -1),
        ("accuracy_m", math.nan),
        ("accuracy_m", ACCURACY_M_MAX * 1.01),
        ("accuracy_m", "20"),
        ("datum", "bd09"),
        ("datum", ["gcj02"]),
        ("source", "satellite"),
        ("source", None),
    ],
)
def test_a_wrong_field_is_refused_by_name(field, value):
    with pytest.raises(InvalidInput, match=rf"^location\.{field} must be "):
        parse(**{field: value})


def test_a_plain_point_is_kept_as_it_came():
    found = parse(lat=31.2304, lng=121.4737)
    cell = h3.latlng_to_cell(31.2304, 121.4737, 9)
    assert found == Location(31.2304, 121.4737, "wgs84", "gps", 20.0, 31.2304, 121.4737, cell)


def test_a_datum_that_is_not_declared_is_not_converted():
    found = parse(datum=None)
    assert isinstance(found, Location)
    assert (found.lat, found.lng, found.datum_declared) == (31.2, 121.4, None)


def test_a_declared_datum_is_converted_on_the_mainland_only():
    shifted = wgs84_to_gcj02(31.2, 121.4)
    found = parse(*shifted, datum="gcj02")
    assert isinstance(found, Location)
    assert (found.lat, found.lng) == pytest.approx((31.2, 121.4), abs=1e-9)
    assert (found.raw_lat, found.raw_lng, found.datum_declared) == (*shifted, "gcj02")
    assert found.cell == cell_at(found.lat, found.lng)
    abroad = parse(*shifted, datum="gcj02", mainland=Answer(given=False))
    assert isinstance(abroad, Location)
    assert (abroad.lat, abroad.lng) == shifted


@pytest.mark.parametrize(
    ("lat", "lng"),
    [
        (22.2819, 114.1582),  # Hong Kong
        (22.1987, 113.5439),  # Macao
        (25.0330, 121.5654),  # Taipei
        (37.5665, 126.9780),  # Seoul
        (35.6812, 139.7671),  # Tokyo
        (13.7563, 100.5018),  # Bangkok
        (51.5, 0.0),
        (0.0, 180.0),
        (-90.0, -180.0),
    ],
)
def test_points_off_the_mainland_stay_where_they_are(regions, lat, lng):
    found = parse(lat, lng, datum="gcj02", mainland=regions)
    assert isinstance(found, Location)
    assert (found.lat, found.lng) == (lat, lng)


@pytest.mark.parametrize(
    ("lat", "lng"),
    [
        (39.9087, 116.3975),  # Beijing
        (22.5335, 114.1150),  # Luohu, 300 m from Hong Kong
        (43.8256, 87.6168),  # Urumqi
        (20.0440, 110.1999),  # Haikou
        (16.8336, 112.3375),  # Sansha
    ],
)
def test_points_of_the_mainland_come_back_from_gcj02(regions, lat, lng):
    found = parse(*wgs84_to_gcj02(lat, lng), datum="gcj02", source="wechat", mainland=regions)
    assert isinstance(found, Location)
    assert distance_m(found.lat, found.lng, lat, lng) < 0.01


@pytest.mark.parametrize(("lat", "lng"), [(0, 0), (0.0, -0.0), (0.00005, -0.00005)])
def test_null_island_is_no_location_and_says_why(lat, lng):
    found = parse(lat, lng)
    assert isinstance(found, NoLocation)
    assert "0" in found.reason


@pytest.mark.parametrize("source", ["ip", "none"])
def test_an_address_is_never_a_point(source):
    found = parse(source=source)
    assert isinstance(found, NoLocation)
    assert found.source == source
    assert source in found.reason


def test_no_coordinates_are_no_location():
    assert parse(None, None, source="none", accuracy_m=None) == NoLocation("none", "no point was sent")


@pytest.mark.parametrize("accuracy_m", [None, 0, 0.0])
def test_an_accuracy_of_zero_is_unknown(accuracy_m):
    found = parse(accuracy_m=accuracy_m)
    assert isinstance(found, Location)
    assert found.accuracy_m is None


@given(st.floats(-90, 90), st.floats(-180, 180))
def test_cells_fit_a_signed_bigint_and_their_parents_are_those_of_h3(lat, lng):
    cell = cell_at(lat, lng)
    assert 0 < cell < 2**63
    for resolution in range(10):
        assert cell_parent(cell, resolution) == h3.cell_to_parent(cell, resolution)


@pytest.mark.parametrize("resolution", [-1, 10, 16])
def test_a_parent_finer_than_the_cell_is_refused(resolution):
    with pytest.raises(InvalidInput, match="from 0 to 9"):
        cell_parent(cell_at(31.2, 121.4), resolution)
