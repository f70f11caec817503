"""How the hosts fare that the printed host hands over to: what a probe last saw of each, and since when it is so.

The network is not asked here; `yima.host_probe` does that, and these are the facts that it leaves.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import text

from kernel.db import Tx

EVERY_S: Final = 300
FAILURES_TOLD: Final = 2
"""After so many failures in a row somebody is warned: one may be the network's whim."""
AT_ONCE_MAX: Final = 20


@dataclass(frozen=True, slots=True)
class Due:
    """A host that is to be looked at."""

    brand_id: int
    host: str


@dataclass(frozen=True, slots=True)
class Health:
    """What the probe saw of a brand's host.

    Attributes:
        host: the host that was looked at.
        at: when it was looked at last; None where it never was.
        problem: what was wrong, as a stable word; empty where all was well.
        failures: how often in a row it was not well.
        since: when the first of them was.
    """

    host: str
    at: datetime | None
    problem: str
    failures: int
    since: datetime | None

    @property
    def warns(self) -> bool:
        """Whether somebody should do something."""
        return self.failures >= FAILURES_TOLD


async def due(tx: Tx, *, at: datetime) -> list[Due]:
    """Take the hosts that are due and mark them as looked at, so that two workers never look at one at once."""
    taken = await tx.execute(
        text("""
            INSERT INTO host_health (brand_id, host, at, problem, failures)
            SELECT s.brand_id, s.member_host, :at, '', 0 FROM brand_setting s
            LEFT JOIN host_health h ON h.brand_id = s.brand_id
            WHERE s.hands_over AND s.member_host <> ''
                AND (h.brand_id IS NULL OR h.host <> s.member_host OR h.at <= :before)
            ORDER BY h.at NULLS FIRST, s.brand_id LIMIT :most
            ON CONFLICT (brand_id) DO UPDATE SET host = EXCLUDED.host, at = EXCLUDED.at,
                problem = CASE WHEN host_health.host = EXCLUDED.host THEN host_health.problem ELSE '' END,
                failures = CASE WHEN host_health.host = EXCLUDED.host THEN host_health.failures ELSE 0 END,
                since = CASE WHEN host_health.host = EXCLUDED.host THEN host_health.since END
            WHERE host_health.host <> EXCLUDED.host OR host_health.at <= :before
            RETURNING brand_id, host"""),
        {"at": at, "before": at - timedelta(seconds=EVERY_S), "most": AT_ONCE_MAX},
    )
    return [Due(*row) for row in taken]


async def record(tx: Tx, seen: Mapping[Due, str], *, at: datetime) -> None:
    """Keep what was seen of hosts: the problem, or the empty word."""
    for each, problem in seen.items():
        await tx.execute(
            text("""
                UPDATE host_health SET problem = CAST(:problem AS text), at = CAST(:at AS timestamptz),
                    failures = CASE WHEN CAST(:problem AS text) = '' THEN 0 ELSE failures + 1 END,
                    since = CASE WHEN CAST(:problem AS text) <> ''
                        THEN coalesce(since, CAST(:at AS timestamptz)) END
                WHERE brand_id = :brand AND host = :host"""),
            {"problem": problem, "at": at, "brand": each.brand_id, "host": each.host},
        )


_SELECT: Final = """
    SELECT b.slug, s.member_host, h.at, coalesce(h.problem, ''), coalesce(h.failures, 0), h.since
    FROM brand_setting s JOIN brand b ON b.id = s.brand_id
    LEFT JOIN host_health h ON h.brand_id = s.brand_id AND h.host = s.member_host
    WHERE s.hands_over AND s.member_host <> ''"""


async def of(tx: Tx, brand_id: int) -> Health | None:
    """How a brand's host fares; None where its pages hand over to none."""
    row = await tx.execute(text(f"{_SELECT} AND s.brand_id = :brand"), {"brand": brand_id})
    found = row.one_or_none()
    return None if found is None else Health(*found[1:])


async def all_of(tx: Tx) -> dict[str, Health]:
    """How the hosts of all brands fare that hand over, by the brand's slug."""
    return {row[0]: Health(*row[1:]) for row in await tx.execute(text(_SELECT))}
