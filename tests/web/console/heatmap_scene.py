"""Scans at known places for the heatmap: a city of many people, a place of few, and some that nobody located."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import datetime, timedelta

import h3.api.basic_int as h3
import msgspec
from sqlalchemy import text

from insights import rollups
from kernel.clock import now
from tests.insights import rows
from tests.web.console.conftest import Console
from tests.world import GTIN, OTHER_GTIN, regions
from traceability.journal import ScanRow

CHENGDU = (30.5728, 104.0668)
HARBIN = (45.8, 126.53)
FIJI = (-16.9, 179.97)
SICHUAN, CHENGDU_CITY, HEILONGJIANG = 510000, 510100, 230000
MANY, FEW, AFAR, BY_NETWORK, NOWHERE = 40, 4, 6, 25, 3
DEALERS = ("=HYPERLINK(1)", "川渝商贸")


@dataclass
class Scene:
    """The rows as stored, and the ids that filters name."""

    brand_id: int
    dealer_ids: list[int]
    batch_id: int
    rows: list[ScanRow]


def scan(brand_id: int, at: datetime, place: tuple[float, float] | None, person: int, **more: object) -> ScanRow:
    """A scan by a person at a place, or at none."""
    rng = random.Random(person)
    fixed: dict[str, object] = {
        "at": at, "brand_id": brand_id, "member_id": None, "device": person.to_bytes(16, "big"), "findings": [],
        "outcome": "awarded", "gtin": GTIN, "batch_id": None, "dealer_id": None, "first": True, "ip_province": None,
        "adcode": None, "cell": None, "location_source": "none",
    }  # fmt: skip
    if place is not None:
        district = regions().locate(*place)
        fixed |= {
            "location_source": "gps",
            "cell": h3.latlng_to_cell(*place, 9),
            "adcode": None if district is None else district.adcode,
        }
    return rows.make(rng, scan_id=rows.UUID(int=random.getrandbits(128), version=4), **(fixed | more))


async def play(console: Console) -> Scene:
    """Store the scans of the last days and roll them up."""
    brand_id = console.world.brand.id
    async with console.opened.db.transaction() as tx:
        dealer_ids = [
            (
                await tx.execute(
                    text("INSERT INTO dealer (brand_id, code, name) VALUES (:brand, :code, :name) RETURNING id"),
                    {"brand": brand_id, "code": f"D{number}", "name": name},
                )
            ).scalar_one()
            for number, name in enumerate(DEALERS)
        ]
        batch_id = (
            await tx.execute(text("SELECT id FROM batch WHERE brand_id = :brand"), {"brand": brand_id})
        ).scalar_one()
    today = now().replace(minute=30)
    made = [
        scan(brand_id, today - timedelta(days=n % 3), CHENGDU, 100 + n, dealer_id=dealer_ids[n % 2], batch_id=batch_id)
        for n in range(MANY)
    ]
    # Four people who came twice are still four people.
    made += [scan(brand_id, today - timedelta(hours=n), HARBIN, 200 + n % FEW, first=n < FEW) for n in range(2 * FEW)]
    made += [scan(brand_id, today - timedelta(days=5), FIJI, 300 + n, gtin=OTHER_GTIN) for n in range(AFAR)]
    made += [
        scan(brand_id, today, None, 400 + n, location_source="ip", ip_province=SICHUAN, outcome="repeat")
        for n in range(BY_NETWORK)
    ]
    made += [scan(brand_id, today, None, 500 + n) for n in range(NOWHERE)]
    copied = [{"rule": "impossible_travel", "result": "copied"}]
    made[0] = msgspec.structs.replace(made[0], findings=copied)
    await rows.store(console.opened.db, made)
    await rollups.roll_up(console.opened.db)
    return Scene(brand_id, dealer_ids, batch_id, made)


async def add(console: Console, scene: Scene, place: tuple[float, float], persons: range) -> None:
    """New scans, rolled up as the worker does it."""
    at = now()
    await rows.store(console.opened.db, [scan(scene.brand_id, at, place, person) for person in persons])
    await rollups.roll_up(console.opened.db)
