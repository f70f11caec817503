"""Canary codes that were scanned: of which package, whose it was, who had taken it, and where it surfaced.

The set-up labels of a package bear codes of its own, which are not for goods. A scan of one says that the data file, or
waste of its make-ready, got out; in the plant it may also be somebody trying out a print.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import text

from kernel.db import Tx

LEAKS_MAX: Final = 200
TAKERS_MAX: Final = 20
SCANS_MAX: Final = 20


@dataclass(frozen=True, slots=True)
class Sighting:
    """One scan of a canary: `adcode` is the district of a precise place, or else the network's province."""

    scan_id: UUID
    at: datetime
    adcode: int | None
    device: bytes | None
    host: str | None


@dataclass(frozen=True, slots=True)
class Taker:
    """Somebody who took the package."""

    at: datetime
    actor: str


@dataclass(frozen=True, slots=True)
class Leak:
    """A package of which a canary was scanned.

    Attributes:
        package_id: number of its row.
        package: its name.
        batch: the batch's.
        gtin: the product.
        recipient: for whom it was; None for a package that was for nobody in particular.
        codes: how many of its canaries were scanned.
        scans: how often.
        first_at: the first scan.
        last_at: the latest.
        takers: who took it, the first before the others.
        sightings: its scans, the latest first.
    """

    package_id: int
    package: str
    batch: str
    gtin: str
    recipient: str | None
    codes: int
    scans: int
    first_at: datetime
    last_at: datetime
    takers: tuple[Taker, ...]
    sightings: tuple[Sighting, ...]


_FIND = text("""
    SELECT p.id, b.name || CASE WHEN p.number = 0 THEN '' ELSE '-' || p.number END AS package, b.name AS batch, b.gtin,
        r.name AS recipient, count(DISTINCT s.unit_id) AS codes, count(*) AS scans, min(s.at) AS first_at,
        max(s.at) AS last_at
    FROM code_package p
    JOIN batch b ON b.id = p.batch_id
    LEFT JOIN recipient r ON r.id = p.recipient_id
    -- units that were ever scanned have a row, so that few of the canaries lead to the journal
    JOIN unit u ON u.id >= lower(p.canaries) AND u.id < upper(p.canaries)
    JOIN scan s ON s.unit_id = u.id AND s.brand_id = p.brand_id
    WHERE p.brand_id = :brand AND p.canaries IS NOT NULL
    GROUP BY p.id, b.id, r.id ORDER BY max(s.at) DESC LIMIT :limit""")
_TAKERS = text("""
    SELECT package_id, at, actor FROM package_download
    WHERE brand_id = :brand AND package_id = ANY(CAST(:packages AS bigint[])) ORDER BY id""")
_SIGHTINGS = text("""
    SELECT p.id, s.scan_id, s.at, coalesce(s.adcode, s.ip_province) AS adcode, s.device, s.host
    FROM code_package p CROSS JOIN LATERAL (
        SELECT s.* FROM unit u JOIN scan s ON s.unit_id = u.id
        WHERE u.id >= lower(p.canaries) AND u.id < upper(p.canaries) AND s.brand_id = p.brand_id
        ORDER BY s.at DESC LIMIT :limit
    ) s
    WHERE p.brand_id = :brand AND p.id = ANY(CAST(:packages AS bigint[])) ORDER BY s.at DESC""")


async def list_of(tx: Tx, *, brand_id: int, limit: int = LEAKS_MAX) -> list[Leak]:
    """The brand's packages of which a canary was scanned, the latest scan first."""
    rows = (await tx.execute(_FIND, {"brand": brand_id, "limit": limit})).all()
    ids = [row.id for row in rows]
    takers: dict[int, list[Taker]] = {package_id: [] for package_id in ids}
    for row in await tx.execute(_TAKERS, {"brand": brand_id, "packages": ids}):
        takers[row.package_id].append(Taker(row.at, row.actor))
    sightings: dict[int, list[Sighting]] = {package_id: [] for package_id in ids}
    for row in await tx.execute(_SIGHTINGS, {"brand": brand_id, "packages": ids, "limit": SCANS_MAX}):
        sightings[row.id].append(Sighting(row.scan_id, row.at, row.adcode, row.device, row.host))
    return [
        Leak(
            row.id, row.package, row.batch, row.gtin, row.recipient, row.codes, row.scans, row.first_at, row.last_at,
            tuple(takers[row.id][:TAKERS_MAX]), tuple(sightings[row.id]),
        )
        for row in rows
    ]  # fmt: skip
