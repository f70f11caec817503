"""Tries with texts that are no code: forged ones by the brand whose key they name, malformed ones of nobody.

Counted by the day, UTC: a forged code costs no row.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Final

from sqlalchemy import text

from insights.scan_story import key_symbols
from kernel.db import Tx

SAMPLES_MAX: Final = 50
SAMPLES_READ_MAX: Final = 5_000
"""Samples name no brand: the latest of all brands are read, and those kept that begin with a key of this one."""


@dataclass(frozen=True, slots=True)
class Sample:
    """A text as it was masked: its length and its first symbols."""

    at: datetime
    masked: str
    device: bytes | None
    ip_province: int | None


@dataclass(frozen=True, slots=True)
class Refused:
    """What was refused in some days.

    Attributes:
        days: (day, key id, tries) with a key of the brand, the newest first.
        forged: their sum.
        malformed: texts in no form of a code, of the whole installation: they name no brand.
        samples: the latest forged texts, masked.
    """

    days: list[tuple[date, int, int]]
    forged: int
    malformed: int
    samples: list[Sample]


async def read(tx: Tx, *, brand_id: int, first: date, last: date) -> Refused:
    """The counters of some days, both inclusive, and samples; four statements."""
    counted = await tx.execute(
        text("""
            SELECT r.day, r.key_id, r.count FROM refused_count r JOIN code_key k ON k.id = r.key_id
            WHERE r.outcome = 'forged' AND r.day BETWEEN :first AND :last AND k.brand_id = :brand
            ORDER BY r.day DESC, r.key_id"""),
        {"brand": brand_id, "first": first, "last": last},
    )
    days = [(row[0], row[1], row[2]) for row in counted]
    nobody = await tx.execute(
        text("""
            SELECT coalesce(sum(count), 0) FROM refused_count
            WHERE outcome = 'malformed' AND day BETWEEN :first AND :last"""),
        {"first": first, "last": last},
    )
    keys = await tx.execute(text("SELECT id FROM code_key WHERE brand_id = :brand"), {"brand": brand_id})
    heads = [key_symbols(key_id) for key_id in keys.scalars()]
    latest = await tx.execute(
        text("""
            SELECT at, masked, device, ip_province FROM (
                SELECT id, at, outcome, masked, device, ip_province FROM refused_sample ORDER BY id DESC LIMIT :read
            ) s
            WHERE outcome = 'forged' AND upper(substring(masked FROM '^[0-9]+:(..)')) = ANY(CAST(:heads AS text[]))
                AND at >= CAST(:first AS date) AND at < CAST(:last AS date) + 1
            ORDER BY id DESC LIMIT :rows"""),
        {"read": SAMPLES_READ_MAX, "rows": SAMPLES_MAX, "heads": heads, "first": first, "last": last},
    )
    return Refused(
        days=days,
        forged=sum(row[2] for row in days),
        malformed=int(nobody.scalar_one()),
        samples=[Sample(*row) for row in latest],
    )
