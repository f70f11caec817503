"""Units that something happened to: locked for a group of scans, and written back.

Units are the first thing that is locked (DESIGN §4: units → members → prizes), in the order of their ids.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text

from kernel.db import Tx


@dataclass(slots=True)
class UnitState:
    """A locked unit's row in memory; a group of scans changes it in arrival order and writes it once."""

    id: int
    brand_id: int
    batch_id: int
    scan_count: int = 0
    first_scan_at: datetime | None = None
    first_province: int | None = None
    first_device: bytes | None = None
    first_member_id: int | None = None
    last_fix_at: datetime | None = None
    last_fix_cell: int | None = None
    last_fix_accuracy_m: float | None = None
    last_fix_device: bytes | None = None


_INSERT = text("""
    INSERT INTO unit (id, brand_id, batch_id)
    SELECT * FROM unnest(CAST(:ids AS bigint[]), CAST(:brands AS bigint[]), CAST(:batches AS bigint[]))
    ON CONFLICT DO NOTHING
""")
_LOCK = text("""
    SELECT id, brand_id, batch_id, scan_count, first_scan_at, first_province, first_device, first_member_id,
        last_fix_at, last_fix_cell, last_fix_accuracy_m, last_fix_device
    FROM unit WHERE id = ANY(CAST(:ids AS bigint[])) ORDER BY id FOR UPDATE
""")


async def lock(tx: Tx, wanted: Iterable[tuple[int, int, int]]) -> dict[int, UnitState]:
    """Lock units, making the missing ones, in two statements.

    Args:
        tx: the caller's transaction.
        wanted: (unit id, brand id, batch id); duplicates are fine.

    Returns:
        The units' states by id.
    """
    rows = sorted(set(wanted))
    if not rows:
        return {}
    ids = [row[0] for row in rows]
    await tx.execute(_INSERT, {"ids": ids, "brands": [r[1] for r in rows], "batches": [r[2] for r in rows]})
    locked = await tx.execute(_LOCK, {"ids": ids})
    return {row[0]: UnitState(*row) for row in locked}


async def owners(tx: Tx, unit_ids: list[int]) -> list[tuple[int, int, int]]:
    """(unit id, brand id, batch id) of those of the units that have a row; to be locked."""
    rows = await tx.execute(
        text("SELECT id, brand_id, batch_id FROM unit WHERE id = ANY(CAST(:ids AS bigint[]))"), {"ids": unit_ids}
    )
    return [(row[0], row[1], row[2]) for row in rows]


_SAVE = text("""
    UPDATE unit SET scan_count = n.scan_count, first_scan_at = n.first_scan_at,
        first_province = n.first_province, first_device = n.first_device, first_member_id = n.first_member_id,
        last_fix_at = n.last_fix_at, last_fix_cell = n.last_fix_cell,
        last_fix_accuracy_m = n.last_fix_accuracy_m, last_fix_device = n.last_fix_device
    FROM unnest(CAST(:ids AS bigint[]), CAST(:counts AS integer[]), CAST(:first_ats AS timestamptz[]),
        CAST(:provinces AS integer[]), CAST(:devices AS bytea[]), CAST(:members AS bigint[]),
        CAST(:fix_ats AS timestamptz[]), CAST(:cells AS bigint[]), CAST(:accuracies AS real[]),
        CAST(:fix_devices AS bytea[]))
        AS n(id, scan_count, first_scan_at, first_province, first_device, first_member_id,
             last_fix_at, last_fix_cell, last_fix_accuracy_m, last_fix_device)
    WHERE unit.id = n.id
""")


async def save(tx: Tx, units: Iterable[UnitState]) -> None:
    """Write locked units back, in one statement."""
    rows = list(units)
    if not rows:
        return
    await tx.execute(
        _SAVE,
        {
            "ids": [u.id for u in rows],
            "counts": [u.scan_count for u in rows],
            "first_ats": [u.first_scan_at for u in rows],
            "provinces": [u.first_province for u in rows],
            "devices": [u.first_device for u in rows],
            "members": [u.first_member_id for u in rows],
            "fix_ats": [u.last_fix_at for u in rows],
            "cells": [u.last_fix_cell for u in rows],
            "accuracies": [u.last_fix_accuracy_m for u in rows],
            "fix_devices": [u.last_fix_device for u in rows],
        },
    )


async def peek(tx: Tx, unit_id: int) -> UnitState | None:
    """A unit's state without a lock; None where nothing happened to it yet."""
    row = await tx.execute(text(str(_LOCK.text).replace("FOR UPDATE", "")), {"ids": [unit_id]})
    found = row.one_or_none()
    return None if found is None else UnitState(*found)
