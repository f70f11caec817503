"""What is kept of H3 cells changes no answer: districts and distances are those that the polygons give."""

from __future__ import annotations

import random

import numpy as np
import pytest
import shapely

from tests.world import regions
from traceability import territory
from traceability.regions import Region, Regions

# Hangzhou's inner districts, the border with Hong Kong, the mouth of the Yangtze, the Vietnamese border
PLACES = ((30.25, 120.17), (22.52, 114.06), (31.4, 121.7), (21.55, 107.97))


def _points(count: int, spread: float) -> list[tuple[float, float]]:
    rng = random.Random(5)
    return [(lat + rng.gauss(0, spread), lng + rng.gauss(0, spread)) for lat, lng in PLACES for _ in range(count)]


@pytest.mark.parametrize("spread", [0.02, 0.3])
def test_a_district_is_the_same_at_the_first_and_at_every_later_look(spread: float) -> None:
    fresh = Regions.load()
    points = _points(600, spread)
    expected = list(fresh.locate_many([lat for lat, _ in points], [lng for _, lng in points]))
    for _ in range(2):
        assert [0 if (found := fresh.locate(*point)) is None else found.adcode for point in points] == expected
    kept = list(fresh._met.values())
    assert 0 < sum(isinstance(each, Region) for each in kept) < len(kept), "whole cells and crossed ones"


def test_kept_cells_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("traceability.regions._CELLS_MAX", 10)
    fresh = Regions.load()
    for point in _points(30, 0.5):
        fresh.locate(*point)
        assert len(fresh._met) <= 10


def test_a_distance_is_that_to_the_border_whatever_cell_it_is_measured_from() -> None:
    adcodes = frozenset({330000, 310000})
    shape = territory._shape(regions(), adcodes)
    for lat, lng in _points(300, 0.8):
        found = territory.distance_m(lat, lng, adcodes, regions())
        if shapely.intersects_xy(shape.polygon, lng, lat):
            assert found == 0.0
            continue
        exact = shape.fine.distance_m(territory._unit_vectors(np.array([[lng, lat]]))[0])
        assert found == pytest.approx(exact, rel=0.01 if exact > 90_000 else 1e-9, abs=1e-3)
