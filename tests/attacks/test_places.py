"""Places and times as clients tell them, rightly or not."""

from __future__ import annotations

import msgspec
import pytest
from sqlalchemy import text

from tests.attacks.conftest import Fort, problem
from traceability import coordinates
from traceability.coordinates import Location

SEOUL = (37.5665, 126.9780)
SHANGHAI = (31.2304, 121.4737)
HONG_KONG = (22.3193, 114.1694)


async def stored(fort: Fort, scan_id: str) -> tuple[Location | None, object]:
    """The place that the journal keeps of a scan, and its row."""
    opened = fort.world.opened
    async with opened.db.transaction() as tx:
        row = (await tx.execute(text("SELECT * FROM scan WHERE scan_id = CAST(:id AS uuid)"), {"id": scan_id})).one()
    sealed = row.location_sealed
    return None if sealed is None else msgspec.json.decode(opened.vault.open(sealed, "location"), type=Location), row


async def scanned_at(fort: Fort, **location: object) -> tuple[Location | None, object]:
    response = await fort.scan(fort.line(), location=location)
    assert response.status_code == 200, response.text
    return await stored(fort, response.json()["scan_id"])


@pytest.mark.parametrize(
    ("datum", "where", "moved"),
    [
        ("gcj02", SEOUL, False),
        ("wgs84", SEOUL, False),
        (None, SEOUL, False),
        ("gcj02", HONG_KONG, False),
        ("gcj02", SHANGHAI, True),
        ("wgs84", SHANGHAI, False),
        (None, SHANGHAI, False),
    ],
)
async def test_only_what_is_declared_and_lies_on_the_mainland_is_converted(
    fort: Fort, datum: str | None, where: tuple[float, float], *, moved: bool
) -> None:
    kept, _ = await scanned_at(fort, lat=where[0], lng=where[1], datum=datum, accuracy_m=20)
    assert kept is not None
    assert (kept.raw_lat, kept.raw_lng, kept.datum_declared) == (*where, datum), "what was told is kept as it was"
    metres = coordinates.distance_m(kept.lat, kept.lng, *where)
    assert (100 < metres < 1_000) if moved else metres == 0


@pytest.mark.parametrize("where", [(0, 0), (0.0, -0.0), (1e-9, 1e-9), (-0.00001, 0)])
async def test_zero_and_zero_stand_for_nowhere(fort: Fort, where: tuple[float, float]) -> None:
    kept, _ = await scanned_at(fort, lat=where[0], lng=where[1], datum="wgs84")
    assert kept is None


@pytest.mark.parametrize("where", [(90, 180), (-90, -180), (90, 0), (0, 180), (-90, 179.999999999)])
async def test_the_edges_of_the_earth_are_places(fort: Fort, where: tuple[float, float]) -> None:
    kept, _ = await scanned_at(fort, lat=where[0], lng=where[1], datum="gcj02")
    assert kept is not None
    assert (kept.lat, kept.lng) == where


@pytest.mark.parametrize(
    ("location", "named"),
    [
        ({"lat": 90.0000001, "lng": 0}, "lat"),
        ({"lat": 0, "lng": -180.0000001}, "lng"),
        ({"lat": 30}, "lng"),
        ({"lng": 30}, "lat"),
        ({"lat": 30, "lng": 120, "accuracy_m": 1e12}, "accuracy_m"),
        ({"lat": 30, "lng": 120, "accuracy_m": -0.1}, "accuracy_m"),
        ({"lat": 30, "lng": 120, "datum": "GCJ02"}, "datum"),
        ({"lat": 30, "lng": 120, "datum": ""}, "datum"),
        ({"lat": 30, "lng": 120, "source": "satellite"}, "source"),
        ({"lat": 30, "lng": 120, "at": "2099-01-01"}, "at"),
    ],
)
async def test_a_place_that_cannot_be_is_refused_by_its_field(
    fort: Fort, location: dict[str, object], named: str
) -> None:
    async with fort.untouched():
        problem(await fort.scan(fort.line(), location=location), 400, named)


async def test_a_place_by_network_address_is_no_point(fort: Fort) -> None:
    kept, _ = await scanned_at(fort, lat=SHANGHAI[0], lng=SHANGHAI[1], datum="wgs84", source="ip")
    assert kept is None


@pytest.mark.parametrize("field", ["at", "scanned_at", "client_time", "timestamp"])
async def test_the_clients_clock_is_nobodys_business(fort: Fort, field: str) -> None:
    async with fort.untouched():
        for time in ("2099-01-01T00:00:00Z", "1970-01-01", 4_102_444_800, -1, 1e400):
            response = await fort.scan(fort.line(), **{field: time if time != 1e400 else 10**400})
            problem(response, 400, field)


async def test_a_date_header_from_the_future_moves_no_time(fort: Fort) -> None:
    response = await fort.scan(fort.line(), headers={"Date": "Fri, 01 Jan 2100 00:00:00 GMT", "Age": "-1"})
    _, row = await stored(fort, response.json()["scan_id"])
    async with fort.world.opened.db.transaction() as tx:
        late = await tx.execute(text("SELECT count(*) FROM scan WHERE at > now() + interval '1 minute'"))
        assert late.scalar_one() == 0
    assert row is not None
