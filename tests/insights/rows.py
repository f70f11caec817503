"""Journal rows made at random, and what views must say of them, worked out row by row."""

from __future__ import annotations

import json
import random
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import h3.api.basic_int as h3
import msgspec
from sqlalchemy import text

from insights.filters import Filter
from insights.hexes import Box
from insights.spans import hour_of
from kernel.db import Database, Tx
from traceability import journal
from traceability.journal import ScanRow

START = datetime(2024, 1, 1, tzinfo=UTC)
GTINS = ("06901234567892", "06901234567908", None)
OUTCOMES = ("forged", "voided", "inactive", "repeat", "taken", "refused", "held", "awarded", "authentic")
# cities, the date line, a pole, the equator, and one small neighbourhood
SPOTS = (
    (31.23, 121.47, 0.3, 310101), (39.9, 116.4, 0.5, 110101), (23.1, 113.3, 2.0, 440103),
    (30.25, 120.17, 0.004, 330102),
    (-16.9, 179.99, 0.3, None), (89.2, 10.0, 0.5, None), (0.0, 0.0, 1.0, None), (23.02, 113.75, 0.1, 441900),
)  # fmt: skip
IP_PROVINCES = (310000, 440000, 710000, None)


async def open_partition(tx: Tx) -> None:
    """A partition for the years before those that the migration makes partitions for."""
    first = min(journal.partition_statements(date.today()))  # noqa: DTZ011 (only to find where partitions begin)
    bound = first.partition("FROM ('")[2][:10]
    await tx.execute(
        text(f"CREATE TABLE IF NOT EXISTS scan_2020_01_past PARTITION OF scan "
             f"FOR VALUES FROM ('2020-01-01 00:00+00') TO ('{bound} 00:00+00')")
    )  # fmt: skip


def make(rng: random.Random, **fixed: Any) -> ScanRow:
    """One row; whatever is not fixed is random, with times and places that lie on edges now and then."""
    at = START + timedelta(hours=rng.choice((rng.randrange(24), rng.randrange(240), rng.randrange(24 * 400))))
    if rng.random() < 0.7:
        at += timedelta(microseconds=rng.randrange(3_600_000_000))
    elif rng.random() < 0.5:
        at -= timedelta(microseconds=1)
    source = rng.choice(("gps", "gps", "wechat", "ip", "none"))
    adcode = cell = province = None
    if source in ("gps", "wechat"):
        lat, lng, spread, adcode = rng.choice(SPOTS)
        lat = max(-90.0, min(90.0, lat + rng.gauss(0, spread)))
        lng = (lng + rng.gauss(0, spread) + 180) % 360 - 180
        cell = h3.latlng_to_cell(lat, lng, 9)
    elif source == "ip":
        province = rng.choice(IP_PROVINCES)
    findings = []
    if rng.random() < 0.1:
        findings.append({"rule": "impossible_travel", "result": "copied", "km": 900})
    if rng.random() < 0.5:
        findings.append({"rule": "outside_territory", "result": rng.choice(("inside", "outside", "undetermined"))})
    person = rng.random()
    row = ScanRow(
        at=at, scan_id=UUID(int=rng.getrandbits(128), version=4), brand_id=rng.choice((1, 1, 1, 2)), unit_id=7,
        side="outer", batch_id=rng.choice((11, 12, 13, None)), gtin=rng.choice(GTINS), outcome=rng.choice(OUTCOMES),
        reason=None, member_id=rng.randrange(1, 12) if person < 0.5 else None,
        device=bytes([rng.randrange(12)]) * 16 if 0.3 < person < 0.9 else None, host=None, adcode=adcode, cell=cell,
        accuracy_m=None, location_source=source, location_sealed=None, data_versions=None, ip_province=province,
        findings=findings, points=0, dealer_id=rng.choice((21, 22, None)), first=rng.random() < 0.4,
    )  # fmt: skip
    return msgspec.structs.replace(row, **fixed)


async def store(db: Database, rows: list[ScanRow]) -> None:
    """Write rows in one transaction, through the journal's own statement."""
    async with db.transaction() as tx:
        await journal.record(tx, rows)


@dataclass
class Expected:
    cells: dict[int, list[int]] = field(default_factory=dict)
    hidden_cells: int = 0
    hidden_scans: int = 0


def matches(row: ScanRow, which: Filter) -> bool:
    low, high = which.hours
    rules = {finding["rule"]: finding["result"] for finding in row.findings}
    layer = {
        "scans": True, "first": row.first, "copies": "impossible_travel" in rules,
        "outside": rules.get("outside_territory") == "outside",
    }[which.layer]  # fmt: skip
    return (
        row.brand_id == which.brand_id
        and low <= hour_of(row.at) < high
        and layer
        and (not which.gtins or row.gtin in which.gtins)
        and (not which.batches or row.batch_id in which.batches)
        and (not which.dealers or row.dealer_id in which.dealers)
        and (not which.outcomes or row.outcome in which.outcomes)
        and (not which.sources or row.location_source in which.sources)
    )


def holds(box: Box, cell: int) -> bool:
    lat, lng = h3.cell_to_latlng(cell)
    across = box.west <= lng <= box.east if box.west <= box.east else lng >= box.west or lng <= box.east
    return box.south <= lat <= box.north and across


def expected_cells(
    rows: list[ScanRow], which: Filter, box: Box, resolution: int, bounds: tuple[datetime, ...]
) -> Expected:
    """What `Views.cells` must say."""
    counts: dict[int, list[int]] = defaultdict(lambda: [0] * (len(bounds) - 1))
    people: dict[tuple[int, int], set[Any]] = defaultdict(set)
    for row in rows:
        if row.cell is None or not matches(row, which):
            continue
        cell = h3.cell_to_parent(row.cell, resolution)
        if not holds(box, cell):
            continue
        hour = hour_of(row.at)
        step = max(place for place, bound in enumerate(bounds[:-1]) if hour_of(bound) <= hour)
        counts[cell][step] += 1
        people[cell, step].add(row.member_id or row.device)
    found = Expected()
    for cell, steps in sorted(counts.items()):
        shown = list(steps)
        if resolution >= 7:
            for step, count in enumerate(steps):
                if count and len(people[cell, step]) < 5:
                    shown[step] = 0
                    found.hidden_scans += count
            found.hidden_cells += shown != steps
        if any(shown):
            found.cells[cell] = shown
    return found


def as_json(rows: list[ScanRow]) -> str:
    """For a failure's message."""
    return json.dumps([[str(row.at), row.cell] for row in rows[:20]])


def by(rows: list[ScanRow], which: Filter, key: Any) -> Counter[Any]:
    return Counter(key(row) for row in rows if matches(row, which))
