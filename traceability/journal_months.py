"""The months of the scan journal: which there are, and which were taken out of it.

A month is a partition. Detached, it is a table of its own, to be dumped and dropped; what it held stays counted in the
rollups, in the units and in `scan_archive`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final, Literal

from sqlalchemy import text

from kernel.db import Tx
from traceability.journal import REPLAY_KEPT_DAYS

State = Literal["attached", "detaching", "detached", "dropped"]
"""`detaching`: a detachment was cut off; `dropped`: detached, and its table is gone."""

_NAME: Final = re.compile(r"scan_([0-9]{4})_(0[1-9]|1[0-2])")

ATTACHED: Final = """
    SELECT 1 FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
    WHERE i.inhparent = 'scan'::regclass AND NOT i.inhdetachpending AND c.relname = a.name"""
"""Whether the month of a row `a` of `scan_archive` is (still, or again) in the journal."""
ARCHIVED_BEFORE: Final = f"(SELECT max(a.until) FROM scan_archive a WHERE NOT EXISTS ({ATTACHED}))"  # noqa: S608 (a constant)
"""The moment before which months are missing in the journal; NULL where none is."""


@dataclass(frozen=True, slots=True)
class Month:
    """A month of the journal.

    Attributes:
        name: its table.
        since: its first moment.
        until: the first moment after it.
        state: see `State`.
        rows: its scans; about, where it is attached.
        size_bytes: of its table with all indexes; None where it is dropped.
        detached_at: when it was detached; None where it is attached, or a detachment was cut off.
    """

    name: str
    since: datetime
    until: datetime
    state: State
    rows: int
    size_bytes: int | None
    detached_at: datetime | None


def latest_before(today: date) -> date:
    """The latest date before which months may be detached: replies are kept longer than this month and the last."""
    return (today - timedelta(days=REPLAY_KEPT_DAYS)).replace(day=1)


async def archived_before(tx: Tx) -> datetime | None:
    """The moment before which the journal has months missing; None where it is whole."""
    found: datetime | None = (await tx.execute(text(f"SELECT {ARCHIVED_BEFORE}"))).scalar_one()
    return found


async def months(tx: Tx) -> list[Month]:
    """The journal's months, the oldest first, those that are detached and those that were dropped since among them."""
    rows = await tx.execute(
        text("""
            SELECT coalesce(c.relname::text, a.name) AS name, i.inhrelid IS NOT NULL AS attached,
                i.inhdetachpending AS pending, c.oid IS NOT NULL AS there,
                coalesce(a.rows, greatest(c.reltuples, 0)::bigint) AS rows,
                pg_total_relation_size(c.oid) AS bytes, a.detached_at
            FROM (SELECT * FROM pg_class WHERE relkind = 'r' AND relname ~ '^scan_[0-9]{4}_(0[1-9]|1[0-2])$'
                AND relnamespace = (SELECT relnamespace FROM pg_class WHERE oid = 'scan'::regclass)) c
            LEFT JOIN pg_inherits i ON i.inhrelid = c.oid AND i.inhparent = 'scan'::regclass
            FULL JOIN scan_archive a ON a.name = c.relname::text
            ORDER BY 1""")
    )
    return [
        Month(row.name, *span_of(row.name), _state(row), row.rows, row.bytes, None if row.attached else row.detached_at)
        for row in rows
    ]


def _state(row: Any) -> State:  # noqa: ANN401 (a row of `months`)
    if not row.there:
        return "dropped"
    if not row.attached:
        return "detached"
    return "detaching" if row.pending else "attached"


def is_month(name: str) -> bool:
    """Whether a name is that of a month's table."""
    return _NAME.fullmatch(name) is not None


def span_of(name: str) -> tuple[datetime, datetime]:
    """First moment of a month's table, and first moment after it."""
    match = _NAME.fullmatch(name)
    assert match is not None, f"{name} is no month's table"
    year, month = int(match[1]), int(match[2])
    return datetime(year, month, 1, tzinfo=UTC), datetime(year + month // 12, month % 12 + 1, 1, tzinfo=UTC)
