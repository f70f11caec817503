"""The entry log of draws as people look at it: entries, wins, entries a day."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final

from sqlalchemy import text

from kernel.db import Tx

PAGE_ROWS: Final = 50
DAYS_MAX: Final = 60


@dataclass(frozen=True, slots=True)
class EntryLine:
    """An entry of a draw's log; `entrant` stands for the person, in the proof too."""

    number: int
    at: datetime
    entrant: str
    prize_id: int | None


async def entries(tx: Tx, *, draw_id: int, before: int | None = None) -> tuple[list[EntryLine], bool]:
    """A page of the log, the latest number first, and whether there is more."""
    rows = await tx.execute(
        text("""
            SELECT number, at, entrant, prize_id FROM draw_entry
            WHERE draw_id = :draw AND shard = 0 AND number < coalesce(CAST(:before AS bigint), number + 1)
            ORDER BY number DESC LIMIT :rows"""),
        {"draw": draw_id, "before": before, "rows": PAGE_ROWS + 1},
    )
    found = [EntryLine(*row) for row in rows]
    return found[:PAGE_ROWS], len(found) > PAGE_ROWS


@dataclass(frozen=True, slots=True)
class WinLine:
    """A prize that was won: which, by which entry, by whom, and what became of it."""

    id: int
    draw: str
    title: str
    title_en: str
    number: int
    entrant: str
    prize: str
    prize_en: str
    member: str
    state: str
    at: datetime


@dataclass(frozen=True, slots=True)
class WinFilter:
    """Which wins of a brand; what is None does not narrow."""

    brand_id: int
    draw_id: int | None = None
    member_id: int | None = None
    since: datetime | None = None
    until: datetime | None = None


async def wins(tx: Tx, wanted: WinFilter, *, after: tuple[datetime, int] | None = None) -> tuple[list[WinLine], bool]:
    """A page of prizes won, the newest first, and whether there are more; one statement."""
    given = (
        ("w.brand_id = :brand", {"brand": wanted.brand_id}),
        ("w.draw_id = :draw", {"draw": wanted.draw_id}),
        ("w.member_id = :member", {"member": wanted.member_id}),
        ("w.at >= :since", {"since": wanted.since}),
        ("w.at < :until", {"until": wanted.until}),
        ("(w.at, w.id) < (:after_at, :after_id)", _pair(after)),
    )
    used = [(condition, values) for condition, values in given if None not in values.values()]
    where = " AND ".join(condition for condition, _ in used)
    values: dict[str, Any] = {name: value for _, each in used for name, value in each.items()}
    rows = await tx.execute(
        text(f"""
            SELECT w.id, d.name, d.rules, w.number, e.entrant, w.prize_id, m.public_id, w.state, w.at
            FROM (SELECT * FROM prize_award w WHERE {where} ORDER BY w.at DESC, w.id DESC LIMIT :rows) w
            JOIN draw d ON d.id = w.draw_id
            JOIN draw_entry e ON e.draw_id = w.draw_id AND e.shard = w.shard AND e.number = w.number
            JOIN member m ON m.id = w.member_id
            ORDER BY w.at DESC, w.id DESC"""),  # noqa: S608 (constants)
        {**values, "rows": PAGE_ROWS + 1},
    )
    found = []
    for id_, name, rules, number, entrant, prize_id, member, state, at in rows:
        prize = next(each for each in rules["prizes"] if each["id"] == prize_id)
        found.append(
            WinLine(
                id_,
                name,
                rules["name_zh"],
                rules["name_en"],
                number,
                entrant,
                prize["name_zh"],
                prize["name_en"],
                member,
                state,
                at,
            )
        )
    return found[:PAGE_ROWS], len(found) > PAGE_ROWS


def _pair(after: tuple[datetime, int] | None) -> dict[str, Any]:
    return {"after_at": None} if after is None else {"after_at": after[0], "after_id": after[1]}


async def days(tx: Tx, *, draw_id: int) -> list[tuple[date, int, int]]:
    """Entries and wins a day in China, the latest `DAYS_MAX` days that have any, in order."""
    rows = await tx.execute(
        text("""
            SELECT (at AT TIME ZONE INTERVAL '+08:00')::date, count(*), count(prize_id) FROM draw_entry
            WHERE draw_id = :draw GROUP BY 1 ORDER BY 1 DESC LIMIT :days"""),
        {"draw": draw_id, "days": DAYS_MAX},
    )
    return [(row[0], row[1], row[2]) for row in reversed(rows.all())]


@dataclass(frozen=True, slots=True)
class Entered:
    """How often a member entered a draw, and won."""

    draw: str
    title: str
    title_en: str
    entries: int
    wins: int
    latest_at: datetime


async def of_member(tx: Tx, *, brand_id: int, member_id: int) -> list[Entered]:
    """The draws that a member entered."""
    rows = await tx.execute(
        text("""
            SELECT d.name, d.rules->>'name_zh', d.rules->>'name_en', e.entries, e.wins, e.latest
            FROM (SELECT draw_id, count(*) AS entries, count(prize_id) AS wins, max(at) AS latest FROM draw_entry
                  WHERE member_id = :member AND brand_id = :brand GROUP BY draw_id) e
            JOIN draw d ON d.id = e.draw_id ORDER BY e.latest DESC LIMIT :rows"""),
        {"member": member_id, "brand": brand_id, "rows": PAGE_ROWS},
    )
    return [Entered(*row) for row in rows]
