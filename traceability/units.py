"""Units that something happened to: locked for a group of scans, and written back.

Units are the first thing that is locked (DESIGN §4: units → members → prizes), in the order of their ids.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Final

import msgspec

from kernel.db import Statement, Tx, encode_rows
from kernel.reads import Asked, Query, Reads
from kernel.writes import Part, Writes


class UnitState(msgspec.Struct):
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
    new: bool = False
    """Whether it has no row yet: nobody else is kept out of it, and `save` finds out who was first."""


_LOCK: Final = Query(
    """ARRAY(
        SELECT ROW(id, brand_id, batch_id, scan_count, first_scan_at, first_province, first_device, first_member_id,
            last_fix_at, last_fix_cell, last_fix_accuracy_m, last_fix_device)
        FROM unit WHERE id = ANY(CAST(:locked_units AS bigint[])) ORDER BY id FOR UPDATE)""",
    lambda rows: {row[0]: UnitState(*row) for row in rows},
)


def ask_lock(reads: Reads, unit_ids: Iterable[int]) -> Asked[dict[int, UnitState]]:
    """Have those of the units locked that have a row, in the order of their ids; their states by id.

    The others are new: nobody else is kept out of them, and `save` finds out who was first.
    """
    return reads.add(_LOCK, {"locked_units": sorted(set(unit_ids))})


async def lock(tx: Tx, unit_ids: Iterable[int]) -> dict[int, UnitState]:
    """The same at once."""
    return await _LOCK.fetch(tx, {"locked_units": sorted(set(unit_ids))})


_FIELDS: Final = (
    ("id", "bigint"), ("brand_id", "bigint"), ("batch_id", "bigint"), ("scan_count", "integer"),
    ("first_scan_at", "timestamptz"), ("first_province", "integer"), ("first_device", "bytea"),
    ("first_member_id", "bigint"), ("last_fix_at", "timestamptz"), ("last_fix_cell", "bigint"),
    ("last_fix_accuracy_m", "real"), ("last_fix_device", "bytea"),
)  # fmt: skip
_NAMES: Final = ", ".join(name for name, _ in _FIELDS)
_RECORDS: Final = ", ".join(f"{name} {'text' if kind == 'bytea' else kind}" for name, kind in _FIELDS)
_VALUES: Final = {name: f"decode(n.{name}, 'base64')" if kind == "bytea" else f"n.{name}" for name, kind in _FIELDS}
_MAKE: Final = Part(
    f"""units_made AS (
        INSERT INTO unit ({_NAMES}) SELECT {", ".join(_VALUES.values())}
        FROM json_to_recordset(CAST(:new_units AS json)) AS n({_RECORDS})
    )"""  # noqa: S608 (constants)
)
_SAVE: Final = Part(f"""units_saved AS (
    UPDATE unit SET {", ".join(f"{name} = {_VALUES[name]}" for name, _ in _FIELDS[3:])}
    FROM json_to_recordset(CAST(:known_units AS json)) AS n({_RECORDS}) WHERE unit.id = n.id
)""")  # noqa: S608 (constants)


def save(writes: Writes, units: Iterable[UnitState]) -> None:
    """Write units back: locked ones, and new ones.

    Where another transaction made the row of one of the new meanwhile, sending fails as any unique violation does
    (SQLSTATE 23505): judge again, and see what it did.
    """
    known: list[UnitState] = []
    new: list[UnitState] = []
    for unit in sorted(units, key=lambda each: each.id):
        (new if unit.new else known).append(unit)
    if known:
        writes.add(_SAVE, {"known_units": encode_rows(known)})
    if new:
        writes.add(_MAKE, {"new_units": encode_rows(new)})


_PEEK: Final = Statement(f"SELECT {_NAMES} FROM unit WHERE id = :id")  # noqa: S608 (constants)


async def peek(tx: Tx, unit_id: int) -> UnitState | None:
    """A unit's state without a lock; None where nothing happened to it yet."""
    rows = await _PEEK.fetch(tx, {"id": unit_id})
    return UnitState(*rows[0]) if rows else None
