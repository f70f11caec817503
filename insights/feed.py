"""The journal's change feed: rows in the order of the transactions that wrote them, read as columns.

A row's `tx` names its transaction. All rows of transactions before the oldest one still running are there to
stay, whatever their `at`: a late or imported scan is as new as one just made. Rows travel as COPY's binary form
with columns of fixed width, which numpy reads without touching a row.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import text

from insights.spans import CHINA_H
from kernel.db import Tx
from traceability.scans import Outcome

BATCH_ROWS: Final = 200_000
"""So many journal rows are rolled up in one transaction; more only where one moment of one transaction has more."""

OUTCOMES: Final = tuple(str(outcome) for outcome in Outcome)
SOURCES: Final = ("gps", "wechat", "ip", "none")
EARLIEST: Final = datetime(1970, 1, 1, tzinfo=UTC)

# Bits of a row's flags: outcome, source, then these.
SOURCE_SHIFT: Final = 4
FIRST: Final = 1 << 6
COPIED: Final = 1 << 7
OUTSIDE: Final = 1 << 8


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """A place in the feed: rows are in the order of (tx, at)."""

    tx: int
    at: datetime


@dataclass(frozen=True, slots=True)
class Horizon:
    """Where the feed ends now: every transaction before `complete` has ended; `next_tx` has not begun."""

    complete: int
    next_tx: int
    at: datetime


@dataclass(frozen=True, slots=True)
class Rows:
    """Journal rows as columns; 0 where the journal has NULL."""

    hours: NDArray[np.int64]
    brands: NDArray[np.int64]
    gtins: NDArray[np.int64]
    batches: NDArray[np.int64]
    dealers: NDArray[np.int64]
    flags: NDArray[np.int64]
    cells: NDArray[np.int64]
    places: NDArray[np.int64]
    persons: NDArray[np.uint32]

    def __len__(self) -> int:
        return len(self.hours)

    def where(self, chosen: NDArray[np.bool_]) -> Rows:
        """Some of the rows."""
        return Rows(*(getattr(self, name)[chosen] for name in self.__slots__))


async def horizon(tx: Tx) -> Horizon:
    """Where the feed ends now."""
    row = await tx.execute(
        text("""
            SELECT pg_snapshot_xmin(s)::text::bigint, pg_snapshot_xmax(s)::text::bigint, clock_timestamp()
            FROM pg_current_snapshot() AS s""")
    )
    return Horizon(*row.one())


async def end_of_batch(tx: Tx, begin: Place, complete: int) -> Place:
    """Where a batch that begins here ends: after about 200,000 rows, or where the feed ends."""
    values = {"tx": begin.tx, "at": begin.at, "complete": complete, "rows": BATCH_ROWS}
    row = await tx.execute(
        text("""
            SELECT tx, at FROM scan WHERE (tx, at) >= (:tx, CAST(:at AS timestamptz)) AND tx < :complete
            ORDER BY tx, at OFFSET :rows LIMIT 1"""),
        values,
    )
    found = row.one_or_none()
    if found is not None and Place(*found) == begin:
        row = await tx.execute(
            text("""
                SELECT tx, at FROM scan WHERE (tx, at) > (:tx, CAST(:at AS timestamptz)) AND tx < :complete
                ORDER BY tx, at LIMIT 1"""),
            {key: values[key] for key in ("tx", "at", "complete")},
        )
        found = row.one_or_none()
    return Place(complete, EARLIEST) if found is None else Place(*found)


_KNOWN_OUTCOMES = ", ".join(f"'{outcome}'" for outcome in OUTCOMES)
_KNOWN_SOURCES = ", ".join(f"'{source}'" for source in SOURCES)
# Rows written before the journal bore dealer and first scan (`first` is NULL) have both worked out here: the
# last shipment before the scan, and whether the unit's first scan was at this moment.
_SELECT: Final = f"""
    SELECT s.at, s.brand_id, coalesce(s.gtin, '0')::bigint, coalesce(s.batch_id, 0),
        CASE WHEN s.first IS NOT NULL THEN coalesce(s.dealer_id, 0) ELSE coalesce((
            SELECT h.dealer_id FROM (SELECT c.sscc FROM logistic_unit c WHERE c.units @> s.unit_id LIMIT 1) l
            JOIN shipment_line n ON n.sscc = l.sscc JOIN shipment h ON h.id = n.shipment_id
            WHERE h.shipped_at <= s.at ORDER BY h.shipped_at DESC, h.id DESC LIMIT 1), 0) END,
        (coalesce(array_position(ARRAY[{_KNOWN_OUTCOMES}], s.outcome::text), 0)
            + (coalesce(array_position(ARRAY[{_KNOWN_SOURCES}], s.location_source::text), 0) - 1 << {SOURCE_SHIFT})
            + CASE WHEN coalesce(s.first, (SELECT u.first_scan_at = s.at FROM unit u WHERE u.id = s.unit_id), false)
                THEN {FIRST} ELSE 0 END
            + CASE WHEN s.findings @> '[{{"rule": "impossible_travel"}}]' THEN {COPIED} ELSE 0 END
            + CASE WHEN s.findings @> '[{{"rule": "outside_territory", "result": "outside"}}]' THEN {OUTSIDE} ELSE 0
                END)::integer,
        coalesce(s.cell, 0),
        CASE WHEN s.cell IS NOT NULL THEN coalesce(s.adcode, 0) ELSE coalesce(s.ip_province, 0) END,
        coalesce(hashint8(s.member_id), hashbytea(s.device), 0)
    FROM scan s
    WHERE (s.tx, s.at) >= ($1, $2) AND (s.tx, s.at) < ($3, $4)
"""  # noqa: S608 (constants above)

_COLUMNS: Final = (
    ("at", 8), ("brand", 8), ("gtin", 8), ("batch", 8), ("dealer", 8), ("flags", 4), ("cell", 8), ("place", 4),
    ("person", 4),
)  # fmt: skip
_ROW: Final = np.dtype(
    [("fields", ">i2"), *((name + part, f">i{size}") for name, width in _COLUMNS
                          for part, size in ((".size", 4), ("", width)))]
)  # fmt: skip
_HEAD_BYTES: Final = 19
_TAIL_BYTES: Final = 2
_MICROSECONDS_H: Final = 3_600_000_000
_HOURS_1970_TO_2000: Final = 262_968


async def read(tx: Tx, begin: Place, end: Place) -> Rows:
    """The rows from one place of the feed to another."""
    held = bytearray()

    async def take(block: bytes) -> None:
        held.extend(block)

    connection = (await tx.get_raw_connection()).driver_connection
    assert connection is not None
    await connection.copy_from_query(_SELECT, begin.tx, begin.at, end.tx, end.at, output=take, format="binary")
    return _parse(bytes(held))


def _parse(data: bytes) -> Rows:
    rows, left = divmod(len(data) - _HEAD_BYTES - _TAIL_BYTES, _ROW.itemsize)
    if left:
        raise ValueError("the journal's copy has rows of another width")
    found: NDArray[Any] = np.frombuffer(data, _ROW, rows, _HEAD_BYTES)
    flags = found["flags"].astype(np.int64)
    if rows and (not (flags & 15).all() or int(flags.min()) < 0):
        raise ValueError("the journal has an outcome or a source that this version does not know")
    persons = found["person"].astype(np.int32).view(np.uint32)
    return Rows(
        hours=found["at"].astype(np.int64) // _MICROSECONDS_H + (_HOURS_1970_TO_2000 + CHINA_H),
        brands=found["brand"].astype(np.int64),
        gtins=found["gtin"].astype(np.int64),
        batches=found["batch"].astype(np.int64),
        dealers=found["dealer"].astype(np.int64),
        flags=flags,
        cells=found["cell"].astype(np.int64),
        places=found["place"].astype(np.int64),
        persons=persons,
    )
