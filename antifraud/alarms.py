"""Alarms: many codes that were never issued, from one sender or under one key, within minutes.

Every process counts in memory and adds up here once a second (`count`). Whoever takes a count over its threshold makes
the alarm: one for a brand and a window, however many senders there are; an alarm of no brand is the operator's.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Literal

from sqlalchemy import (
    BigInteger,
    Column,
    DateTime,
    ForeignKey,
    Identity,
    Index,
    Integer,
    String,
    Table,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from kernel import audit
from kernel.db import Tx, metadata
from kernel.errors import NotFound

By = Literal["device", "network", "key", "unissued"]

WINDOW_S: Final = 600
THRESHOLDS: Final[dict[By, int]] = {"device": 60, "network": 600, "key": 600, "unissued": 20}
"""Within a window: forged codes by a device, from a network and under a key's symbols; and codes that a key of ours
signed and that were never issued, which only its secret makes. People mistype a few; a town behind one address a few
hundred, where a campaign is printed badly."""
SUBJECTS_MAX: Final = 20
SAMPLES_MAX: Final = 5
LISTED_MAX: Final = 200
KEPT_DAYS: Final = 180

refused_window = Table(
    "refused_window",
    metadata,
    Column("at", DateTime(timezone=True), primary_key=True),
    Column("by", String(8), primary_key=True),
    Column("subject", String(64), primary_key=True),
    Column("count", Integer, nullable=False),
    prefixes=["UNLOGGED"],  # counts of minutes, worth nothing after a crash
)

alarm = Table(
    "alarm",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("brand_id", BigInteger, ForeignKey("brand.id")),  # none: the operator's
    Column("at", DateTime(timezone=True), nullable=False),
    Column("subjects", JSONB, nullable=False),
    Column("samples", JSONB, nullable=False),
    Column("made_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("seen_by", String(80)),
    Column("seen_at", DateTime(timezone=True)),
    Index("uq_alarm_brand_id_at", "brand_id", "at", unique=True, postgresql_nulls_not_distinct=True),
)


@dataclass(frozen=True, slots=True)
class Sample:
    """A code as it was masked, and who sent it."""

    masked: str
    key_id: int | None
    device: str | None
    network: str | None

    def to_json(self) -> dict[str, Any]:
        """As it is stored."""
        return {"masked": self.masked, "device": self.device, "network": self.network}


@dataclass(frozen=True, slots=True)
class Alarm:
    """An alarm. `subjects` are `{"by", "subject", "count"}`, `samples` `{"masked", "device", "network"}`."""

    id: int
    brand_id: int | None
    brand: str | None
    at: datetime
    subjects: list[dict[str, Any]]
    samples: list[dict[str, Any]]
    made_at: datetime
    seen_by: str | None
    seen_at: datetime | None


def window(at: datetime) -> datetime:
    """The beginning of the window that a moment lies in."""
    return datetime.fromtimestamp(int(at.timestamp()) // WINDOW_S * WINDOW_S, UTC)


async def count(
    tx: Tx, at: datetime, counts: Mapping[tuple[By, str], int], samples: Mapping[tuple[By, str], Sequence[Sample]]
) -> list[tuple[By, str]]:
    """Add what a process counted in a window; makes the alarms that are due, and returns whose thresholds were met."""
    keys = sorted(counts)
    rows = await tx.execute(
        text("""
            INSERT INTO refused_window AS w (at, by, subject, count)
            SELECT :at, * FROM unnest(CAST(:bys AS text[]), CAST(:subjects AS text[]), CAST(:counts AS integer[]))
            ON CONFLICT (at, by, subject) DO UPDATE SET count = w.count + excluded.count
            RETURNING by, subject, count"""),
        {
            "at": at,
            "bys": [by for by, _ in keys],
            "subjects": [subject for _, subject in keys],
            "counts": [counts[key] for key in keys],
        },
    )
    met: list[tuple[By, str]] = []
    for by, subject, now in rows.all():
        before = now - counts[by, subject]
        if before < THRESHOLDS[by] <= now:  # exactly one addition takes it over
            await _raise(tx, at, by, subject, now, samples.get((by, subject), ()))
            met.append((by, subject))
    return met


async def _raise(tx: Tx, at: datetime, by: By, subject: str, many: int, samples: Sequence[Sample]) -> None:
    await tx.execute(
        text("""
            INSERT INTO alarm AS a (brand_id, at, subjects, samples)
            VALUES (:brand, :at, CAST(:subjects AS jsonb), CAST(:samples AS jsonb))
            ON CONFLICT (brand_id, at) DO UPDATE SET
                subjects = CASE WHEN jsonb_array_length(a.subjects) < :most THEN a.subjects || excluded.subjects
                    ELSE a.subjects END"""),
        {
            "brand": await _brand_of(tx, by, subject, samples),
            "at": at,
            "subjects": json.dumps([{"by": by, "subject": subject, "count": many}]),
            "samples": json.dumps([each.to_json() for each in samples[:SAMPLES_MAX]]),
            "most": SUBJECTS_MAX,
        },
    )


async def _brand_of(tx: Tx, by: By, subject: str, samples: Sequence[Sample]) -> int | None:
    """Whose codes are tried: the key's brand, or the brand whose keys more than half of a sender's codes name."""
    named = [int(subject)] if by in ("key", "unissued") else [s.key_id for s in samples if s.key_id is not None]
    rows = await tx.execute(
        text("SELECT id, brand_id FROM code_key WHERE id = ANY(CAST(:ids AS smallint[]))"), {"ids": sorted(set(named))}
    )
    brands: dict[int, int] = {row[0]: row[1] for row in rows}
    found = [brands[key_id] for key_id in named if key_id in brands]
    best = max(set(found), key=found.count, default=None)
    total = 1 if by in ("key", "unissued") else len(samples)
    return best if best is not None and 2 * found.count(best) > total else None


_LIST: Final = """
    SELECT a.id, a.brand_id, b.slug, a.at, a.subjects, a.samples, a.made_at, a.seen_by, a.seen_at
    FROM alarm a LEFT JOIN brand b ON b.id = a.brand_id"""


async def list_of(tx: Tx, *, brand_id: int | None, everybody: bool = False, past: bool = False) -> list[Alarm]:
    """Alarms of a brand (None: the operator's own; `everybody`: all); unless `past` only those not yet seen."""
    rows = await tx.execute(
        text(
            f"{_LIST} WHERE (:everybody OR a.brand_id IS NOT DISTINCT FROM :brand) AND (:past OR a.seen_at IS NULL) "
            "ORDER BY a.at DESC, a.id DESC LIMIT :most"
        ),
        {"everybody": everybody, "brand": brand_id, "past": past, "most": LISTED_MAX},
    )
    return [Alarm(*row) for row in rows]


async def see(tx: Tx, alarm_id: int, *, brand_id: int | None, everybody: bool = False, actor: str) -> Alarm:
    """Note that somebody has looked at an alarm. Again: changes nothing.

    Raises:
        NotFound: there is none, or it is another brand's.
    """
    changed = await tx.execute(
        text("""
            UPDATE alarm SET seen_by = :actor, seen_at = now()
            WHERE id = :id AND seen_at IS NULL AND (:everybody OR brand_id IS NOT DISTINCT FROM :brand)"""),
        {"id": alarm_id, "actor": actor, "everybody": everybody, "brand": brand_id},
    )
    row = await tx.execute(
        text(f"{_LIST} WHERE a.id = :id AND (:everybody OR a.brand_id IS NOT DISTINCT FROM :brand)"),
        {"id": alarm_id, "everybody": everybody, "brand": brand_id},
    )
    found = row.one_or_none()
    if found is None:
        raise NotFound(f"There is no alarm {alarm_id}.")
    seen = Alarm(*found)
    if changed.rowcount:
        await audit.record(
            tx, brand_id=seen.brand_id, actor=actor, action="alarm.seen", subject=f"alarm {alarm_id}",
            after={"at": seen.at.isoformat()},
        )  # fmt: skip
    return seen


async def unseen(tx: Tx) -> dict[str, int]:
    """How many alarms nobody has looked at: the brands' and the operator's."""
    row = await tx.execute(text("SELECT count(brand_id), count(*) - count(brand_id) FROM alarm WHERE seen_at IS NULL"))
    brands, operator = row.one()
    return {"brand": brands, "operator": operator}


async def prune(tx: Tx) -> None:
    """Forget windows after a day, and alarms with their networks after half a year."""
    await tx.execute(text("DELETE FROM refused_window WHERE at < now() - interval '1 day'"))
    await tx.execute(text("DELETE FROM alarm WHERE at < now() - make_interval(days => :days)"), {"days": KEPT_DAYS})
