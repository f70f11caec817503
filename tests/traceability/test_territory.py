"""Inside, outside, or not to be told."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from kernel.errors import InvalidInput, NotFound
from traceability import coordinates, territory
from traceability.coordinates import Location, NoLocation, cell_at
from traceability.regions import Regions
from traceability.territory import ACCURACY_UNKNOWN_M, Standing, distance_km, distance_m, judge

GUANGDONG, HEBEI, YUEXIU = 440000, 130000, 440104
REGIONS = Regions.load()


def at(lat: float, lng: float, accuracy_m: float | None = 30.0, source: str = "gps") -> Location:
    return Location(lat, lng, "wgs84", source, accuracy_m, lat, lng, cell_at(lat, lng))


def north_of_guangdong(metres: float) -> tuple[float, float]:
    """A point due north of the province's northernmost corner, so that its distance is known."""
    corners = shapely.get_coordinates(REGIONS.polygon([GUANGDONG]))
    lng, lat = corners[np.argmax(corners[:, 1])]
    return float(lat + np.degrees(metres / coordinates.EARTH_RADIUS_M)), float(lng)


def test_a_scan_in_the_territory_is_inside_at_every_level():
    scan = at(23.1291, 113.2644)
    for adcode in (GUANGDONG, 440100, YUEXIU):
        assert judge(scan, {adcode}, REGIONS) is Standing.INSIDE
    assert judge(scan, {HEBEI, YUEXIU}, REGIONS) is Standing.INSIDE


def test_a_scan_far_away_is_outside():
    assert judge(at(39.9087, 116.3975), {GUANGDONG}, REGIONS) is Standing.OUTSIDE
    assert judge(at(39.9087, 116.3975, source="wechat"), {GUANGDONG}, REGIONS) is Standing.OUTSIDE


def test_an_enclave_of_another_province_is_outside():
    # Beijing lies wholly within Hebei and Tianjin.
    assert judge(at(39.9087, 116.3975), {HEBEI}, REGIONS) is Standing.OUTSIDE
    assert 30 < distance_km(39.9087, 116.3975, {HEBEI}, REGIONS) < 60


@pytest.mark.parametrize("source", ["ip", "none"])
def test_an_address_determines_nothing(source):
    assert judge(at(39.9, 116.4, source=source), {GUANGDONG}, REGIONS) is Standing.UNDETERMINED


def test_no_location_determines_nothing():
    assert judge(None, {GUANGDONG}, REGIONS) is Standing.UNDETERMINED
    assert judge(NoLocation("gps", "denied"), {GUANGDONG}, REGIONS) is Standing.UNDETERMINED


@pytest.mark.parametrize("accuracy_m", [10.0, 500.0, 5_000.0, 50_000.0])
def test_outside_needs_more_than_the_accuracy_and_the_borders_error(accuracy_m):
    limit_m = accuracy_m + REGIONS.error_m
    near, far = north_of_guangdong(limit_m - 5), north_of_guangdong(limit_m * 1.001 + 5)
    assert judge(at(*near, accuracy_m), {GUANGDONG}, REGIONS) is Standing.UNDETERMINED
    assert judge(at(*far, accuracy_m), {GUANGDONG}, REGIONS) is Standing.OUTSIDE


def test_an_unknown_accuracy_counts_as_the_declared_default():
    near = north_of_guangdong(ACCURACY_UNKNOWN_M)
    far = north_of_guangdong(ACCURACY_UNKNOWN_M + REGIONS.error_m + 10)
    assert judge(at(*near, None), {GUANGDONG}, REGIONS) is Standing.UNDETERMINED
    assert judge(at(*far, None), {GUANGDONG}, REGIONS) is Standing.OUTSIDE


@settings(deadline=None)
@given(st.floats(1.0, 2_000_000.0))
def test_distance_due_north_is_right_to_one_percent(metres):
    lat, lng = north_of_guangdong(metres)
    assert distance_m(lat, lng, {GUANGDONG}, REGIONS) == pytest.approx(metres, rel=0.01, abs=1)


@settings(deadline=None, max_examples=50)
@given(st.floats(-90, 90), st.floats(-180, 180))
def test_distance_is_that_to_the_nearest_of_many_points_on_the_border(lat, lng):
    dense = shapely.get_coordinates(shapely.segmentize(REGIONS.polygon([310000]), 0.001))
    nearest = min(coordinates.distance_m(lat, lng, y, x) for x, y in dense[::3])
    found = distance_m(lat, lng, {310000}, REGIONS)
    assert found == 0 or found == pytest.approx(nearest, rel=0.01, abs=200)


def test_distance_does_not_mind_the_date_line():
    east, west = (distance_km(0, lng, {GUANGDONG}, REGIONS) for lng in (180.0, -180.0))
    assert east == pytest.approx(west)
    assert 7_000 < east < 8_000


def test_kilometres_are_a_thousandth_of_metres():
    assert distance_km(39.9, 116.4, {GUANGDONG}, REGIONS) * 1_000 == pytest.approx(
        distance_m(39.9, 116.4, {GUANGDONG}, REGIONS)
    )


def test_the_order_of_adcodes_does_not_matter_and_the_union_is_made_once():
    territory._shape.cache_clear()
    for adcodes in ([GUANGDONG, HEBEI], [HEBEI, GUANGDONG], {GUANGDONG, HEBEI}):
        assert judge(at(23.13, 113.26), adcodes, REGIONS) is Standing.INSIDE
    assert territory._shape.cache_info().misses == 1


def test_threads_get_the_same_distances():
    rng = np.random.default_rng(8)
    points = np.column_stack([rng.uniform(20, 26, 300), rng.uniform(109, 118, 300)])
    expected = [distance_m(lat, lng, {GUANGDONG}, REGIONS) for lat, lng in points]
    assert 0 < expected.count(0.0) < 300
    territory._shape.cache_clear()

    def measure(_: int) -> list[float]:
        return [distance_m(lat, lng, {GUANGDONG}, REGIONS) for lat, lng in points]

    with ThreadPoolExecutor(4) as pool:
        assert all(found == expected for found in pool.map(measure, range(20)))


def test_an_empty_territory_is_refused():
    with pytest.raises(InvalidInput, match="territory is empty"):
        judge(at(23.13, 113.26), [], REGIONS)


def test_an_unknown_adcode_is_refused():
    with pytest.raises(NotFound, match="999999"):
        judge(at(23.13, 113.26), [999999], REGIONS)
