"""The figures that a brand manager looks at first: two windows of time, each beside the one before, and charts.

Every figure is the number of rows of a list that the console can show for the same window, counted in a fixed
number of statements whatever the brand's size: the windows' figures from the raw rows, to the second; the charts
from the rollups as far as these reach.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone
from typing import Any, Final

from sqlalchemy import text

from insights.filters import Filter
from insights.patience import reading
from insights.scan_search import FINDINGS
from insights.views import Views
from kernel.db import Database, Tx

TOP_ROWS: Final = 10
CHINA: Final = timezone(timedelta(hours=8))
SETTLED: Final = timedelta(minutes=2)
"""A scan's time is taken a little before its commit: the rollups are believed up to this long before their mark."""
GROUPS: Final[dict[str, tuple[str, ...]]] = {
    "rewarded": ("awarded",),
    "looked": ("authentic",),
    "again": ("repeat", "taken"),
    "waiting": ("held", "inactive"),
    "stopped": ("refused", "voided", "forged"),
}
"""Outcomes as the chart of days puts them together."""


@dataclass(frozen=True, slots=True)
class Window:
    """A window of time, the end exclusive."""

    since: datetime
    until: datetime


@dataclass(frozen=True, slots=True)
class Counts:
    """What happened in a window.

    Attributes:
        scans: rows of the journal.
        first: first scans of their units.
        joined: members.
        points: spendable points earned, as the ledger has them.
        prizes: prizes won.
        copied: scans that no traveller can have made.
        outside: scans of goods outside their dealer's territory.
        early: scans before activation.
    """

    scans: int
    first: int
    joined: int
    points: int
    prizes: int
    copied: int
    outside: int
    early: int


@dataclass(frozen=True, slots=True)
class Charts:
    """Scans of the last days.

    Attributes:
        days: (day in China, outcome) → scans.
        hours: hour of the day in China → scans.
        outcomes: outcome → scans.
        provinces: province's adcode → scans: by the precise place where there is one, else by the network; None where
            neither tells a province.
        products: (GTIN, scans), the most first.
    """

    days: dict[tuple[date, str], int]
    hours: dict[int, int]
    outcomes: dict[str, int]
    provinces: dict[int | None, int]
    products: list[tuple[str, int]]


def _columns(name: str, expression: str, count: int) -> str:
    return ", ".join(expression.format(n=n) + f" AS {name}_{n}" for n in range(count))


_WITHIN: Final = "FILTER (WHERE at >= :since_{n} AND at < :until_{n}{more})"


def _sum(what: str, more: str = "") -> str:
    return what + " " + _WITHIN.replace("{more}", f" AND {more}" if more else "")


async def count(tx: Tx, *, brand_id: int, windows: Sequence[Window]) -> list[Counts]:
    """Count some windows, in four statements."""
    values: dict[str, Any] = {
        "brand": brand_id,
        "oldest": min(window.since for window in windows),
        "newest": max(window.until for window in windows),
    }
    for n, window in enumerate(windows):
        values |= {f"since_{n}": window.since, f"until_{n}": window.until}
    size = len(windows)
    scans = {
        "scans": _sum("count(*)"),
        "first": _sum("count(*)", "first"),
        **{name: _sum("count(*)", f"findings @> CAST(:{name} AS jsonb)") for name in ("copied", "outside", "early")},
    }
    found: dict[str, list[int]] = {}
    for source, measures, more in (
        (
            "scan WHERE brand_id = :brand AND at >= :oldest AND at < :newest",
            scans,
            {name: FINDINGS[name] for name in ("copied", "outside", "early")},
        ),
        (
            """(SELECT created_at AS at FROM member
                WHERE brand_id = :brand AND created_at >= :oldest AND created_at < :newest) m""",
            {"joined": _sum("count(*)")},
            {},
        ),
        (
            """(SELECT j.at, e.amount FROM journal j JOIN entry e ON e.journal_id = j.id
                JOIN account a ON a.id = e.account_id
                WHERE j.brand_id = :brand AND j.kind = 'earn' AND j.at >= :oldest AND j.at < :newest
                    AND a.member_id IS NOT NULL AND a.currency = 'spendable') e""",
            {"points": "coalesce(" + _sum("sum(amount)") + ", 0)"},
            {},
        ),
        (
            """(SELECT at FROM prize_award
                WHERE brand_id = :brand AND at >= :oldest AND at < :newest) w""",
            {"prizes": _sum("count(*)")},
            {},
        ),
    ):
        columns = ", ".join(_columns(name, measure, size) for name, measure in measures.items())
        row = (await tx.execute(text(f"SELECT {columns} FROM {source}"), {**values, **more})).one()  # noqa: S608 (constants)
        for place, name in enumerate(measures):
            found[name] = [int(each) for each in row[place * size : (place + 1) * size]]
    return [Counts(**{name: each[n] for name, each in found.items()}) for n in range(size)]


async def charts(db: Database, views: Views, *, brand_id: int, window: Window) -> Charts:
    """Scans of a window by day and outcome, hour of the day, province and product.

    The rollups answer for the whole hours that they hold for sure, the journal for the rest, so that every scan is
    counted once; a worker that is behind makes this slower, never wrong.

    Raises:
        TooSlow: the journal's part took too long.
    """
    found, known_until = await _rolled(views, brand_id, window)
    async with reading(db) as tx:
        await _add_raw(tx, brand_id, Window(known_until, window.until), found)
        products = await tx.execute(
            text("""
                SELECT gtin, count(*) FROM scan
                WHERE brand_id = :brand AND at >= :since AND at < :until AND gtin IS NOT NULL
                GROUP BY gtin ORDER BY count(*) DESC, gtin"""),
            {"brand": brand_id, "since": window.since, "until": window.until},
        )
        found.products.extend((row[0], row[1]) for row in products)
    for (_, outcome), scans in found.days.items():
        found.outcomes[outcome] = found.outcomes.get(outcome, 0) + scans
    return found


async def _rolled(views: Views, brand_id: int, window: Window) -> tuple[Charts, datetime]:
    """What the rollups hold of a window, and up to which hour."""
    found = Charts({}, {}, {}, {}, [])
    until = min((await views.freshness()).as_of - SETTLED, window.until).replace(minute=0, second=0, microsecond=0)
    if until <= window.since:
        return found, window.since
    which = Filter(brand_id, window.since, until)
    series = await views.series(which, 3_600, by_outcome=True)
    for outcome, counts in series.outcomes.items():
        for start, scans in zip(series.starts, counts.tolist(), strict=True):
            if scans:
                china = start.astimezone(CHINA)
                _add(found.days, (china.date(), outcome), scans)
                _add(found.hours, china.hour, scans)
    places = await views.places(which)
    for row in places.rows:
        _add(found.provinces, row.adcode, row.placed + row.ip)
    _add(found.provinces, None, places.unknown_placed + places.unknown)
    return found, until


async def _add_raw(tx: Tx, brand_id: int, window: Window, found: Charts) -> None:
    """Add what the journal has of a window; one statement, one pass."""
    rows = await tx.execute(
        text("""
            SELECT grouping(day, hour, outcome, province), day, hour, outcome, province, count(*)
            FROM (
                SELECT (at AT TIME ZONE INTERVAL '+08:00')::date AS day,
                    extract(hour FROM at AT TIME ZONE INTERVAL '+08:00')::integer AS hour, outcome,
                    CASE WHEN cell IS NOT NULL THEN adcode / 10000 * 10000 ELSE ip_province END AS province
                FROM scan WHERE brand_id = :brand AND at >= :since AND at < :until
            ) s
            GROUP BY GROUPING SETS ((day, outcome), (hour), (province))"""),
        {"brand": brand_id, "since": window.since, "until": window.until},
    )
    for grouping, day, hour, outcome, province, scans in rows:
        if grouping == _BY_DAY:
            _add(found.days, (day, outcome), scans)
        elif grouping == _BY_HOUR:
            _add(found.hours, hour, scans)
        else:
            _add(found.provinces, province, scans)


def _add(counts: dict[Any, int], key: object, scans: int) -> None:
    if scans:
        counts[key] = counts.get(key, 0) + scans


# PostgreSQL's grouping(): a bit for each column that a row is not grouped by, the last column the lowest
_BY_DAY: Final = 0b0101
_BY_HOUR: Final = 0b1011


@dataclass(frozen=True, slots=True)
class Standing:
    """What stands at this moment.

    Attributes:
        held: claims that wait for a person's decision.
        members: members who are not erased.
        open_draws: draws that are not closed.
    """

    held: int
    members: int
    open_draws: int


async def standing(tx: Tx, *, brand_id: int) -> Standing:
    """What waits and what runs, in one statement."""
    row = await tx.execute(
        text("""
            SELECT
                (SELECT count(*) FROM claim
                 WHERE brand_id = :brand AND state = 'pending' AND reason IS NOT NULL AND reason <> 'inactive'),
                (SELECT count(*) FROM member WHERE brand_id = :brand AND state <> 'erased'),
                (SELECT count(*) FROM draw WHERE brand_id = :brand AND closed_at IS NULL)"""),
        {"brand": brand_id},
    )
    return Standing(*row.one())


async def forged(tx: Tx, *, brand_id: int, days: Sequence[tuple[date, date]]) -> list[int]:
    """Tries with forged codes that name a key of the brand, in some ranges of days (UTC, both inclusive)."""
    rows = await tx.execute(
        text("""
            SELECT coalesce(sum(r.count), 0)
            FROM unnest(CAST(:firsts AS date[]), CAST(:lasts AS date[])) WITH ORDINALITY AS w(first, last, place)
            LEFT JOIN (
                refused_count r JOIN code_key k ON k.id = r.key_id AND k.brand_id = :brand AND r.outcome = 'forged'
            ) ON r.day BETWEEN w.first AND w.last
            GROUP BY w.place ORDER BY w.place"""),
        {"brand": brand_id, "firsts": [first for first, _ in days], "lasts": [last for _, last in days]},
    )
    return [int(row[0]) for row in rows]
