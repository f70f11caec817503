"""Old months of the scan journal, taken out of it while scans go on, and what readers of the journal must know of it.

A month is a partition. Detached, it is a table of its own, to be dumped and dropped; what it held stays counted in the
rollups, in the units and in `scan_archive`. A detachment is three steps, each of which may be the last before a kill:
the month is counted and noted, PostgreSQL detaches it concurrently, the note is closed. Said again, it goes on.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final

import asyncpg
from sqlalchemy import text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError

from insights.rollups import REBUILD_LOCK
from kernel import audit
from kernel.clock import now
from kernel.db import Database, Tx
from kernel.errors import Conflict, InvalidInput, NotFound
from traceability.journal import REPLAY_KEPT_DAYS
from traceability.journal_months import Month, archived_before, is_month, latest_before, months, span_of

_ACTION: Final = "journal.detach"


@dataclass(frozen=True, slots=True)
class Detached:
    """What a call of `detach` did, by the months' names; and from when on the journal is whole."""

    detached: list[str]
    gone_on_with: list[str]
    archived_before: datetime | None


async def detach(db: Database, *, before: date, actor: str) -> Detached:
    """Detach all months that ended before a date, the oldest first, while scans go on.

    A transaction that has read the journal and stays open (a dump, a long report) is waited for; scans are not held up
    by that. Cut off, it goes on where it was when it is called again, with whichever date.

    Raises:
        InvalidInput: the date would take months that are still written to or needed.
        Conflict: a rebuild of the rollups or another detachment is running; or a month is not rolled up whole; or
            claims of it wait for a person. Months before it are detached.
    """
    latest = latest_before(now().date())
    if before > latest:
        raise InvalidInput(
            f"--before {before} would take months that are still needed (this one, the last, and {REPLAY_KEPT_DAYS} "
            f"days of replies); the latest is {latest}.",
            field="before",
        )
    detached: list[str] = []
    gone_on_with: list[str] = []
    async with _alone(db) as connection:
        async with db.transaction() as tx:
            known = await months(tx)
        for month in known:
            if month.state == "detaching":
                await connection.execute(f"ALTER TABLE scan DETACH PARTITION {month.name} FINALIZE")
                gone_on_with.append(month.name)
            elif month.state == "attached" and month.until.date() <= before:
                await _need_nothing(db, month)
                await _note(db, month, actor)
                await connection.execute(f"ALTER TABLE scan DETACH PARTITION {month.name} CONCURRENTLY")
                detached.append(month.name)
            elif month.state == "detached" and month.detached_at is None:  # by hand, or cut off before the end
                gone_on_with.append(month.name)
            else:
                continue
            if month.name in gone_on_with:
                await _note(db, month, actor)
            await _close(db, month, actor)
        async with db.transaction() as tx:
            return Detached(detached, gone_on_with, await archived_before(tx))


async def attach(db: Database, *, name: str, actor: str) -> Month:
    """Put a detached month back into the journal, while scans go on.

    Raises:
        InvalidInput: that is no month's name.
        NotFound: there is no such table.
        Conflict: it is attached; or the journal has changed since, so that it does not fit any more.
    """
    if not is_month(name):
        raise InvalidInput(f"{name[:40]!r} is no month of the journal, such as scan_2025_01.", field="name")
    since, until = span_of(name)
    async with _alone(db):
        async with db.transaction() as tx:
            found = next((each for each in await months(tx) if each.name == name), None)
            if found is None or found.state == "dropped":
                raise NotFound(f"There is no table {name}: restore it from its dump first.")
            if found.state != "detached":
                raise Conflict(f"{name} is {found.state}.")
            await _attach(tx, name, since, until)
            await tx.execute(text("DELETE FROM scan_archive WHERE name = :name"), {"name": name})
            await audit.record(tx, brand_id=None, actor=actor, action="journal.attach", subject=name)
        async with db.transaction() as tx:
            return next(each for each in await months(tx) if each.name == name)


async def _attach(tx: Tx, name: str, since: datetime, until: datetime) -> None:
    try:
        await tx.execute(text("SET LOCAL statement_timeout = 0"))
        await tx.execute(
            text(
                f"ALTER TABLE scan ATTACH PARTITION {name} FOR VALUES FROM ('{since.isoformat()}') "
                f"TO ('{until.isoformat()}')"
            )
        )
    except DBAPIError as error:
        if getattr(error.orig, "sqlstate", None) not in _UNFIT:
            raise
        raise Conflict(
            f"{name} does not fit the journal any more: it has changed since, or holds other rows."
        ) from error


_UNFIT: Final = frozenset({"42804", "23514", "42P16", "42703"})


@asynccontextmanager
async def _alone(db: Database) -> AsyncIterator[Any]:
    """A connection outside transactions that holds off rebuilds of the rollups and other detachments.

    Raises:
        Conflict: one of them is running.
    """
    url = make_url(db.url).set(drivername="postgresql").render_as_string(hide_password=False)
    connection = await asyncpg.connect(
        url, server_settings={"application_name": "yima journal", "statement_timeout": "0"}
    )
    try:
        if not await connection.fetchval("SELECT pg_try_advisory_lock($1)", REBUILD_LOCK):
            raise Conflict("The rollups are being rebuilt, or months detached, by somebody else: try again after that.")
        yield connection
    finally:
        await connection.close()


async def _need_nothing(db: Database, month: Month) -> None:
    """See that nobody needs a month's scans any more.

    Raises:
        Conflict: somebody does.
    """
    async with db.transaction() as tx:
        row = await tx.execute(
            text(f"""
                SELECT coalesce(max(tx) < (SELECT min(next_tx) FROM rollup_state WHERE live), true),
                    (SELECT count(*) FROM claim WHERE state = 'pending' AND reason <> 'inactive'
                        AND at >= :since AND at < :until) FROM {month.name}"""),  # noqa: S608 (a month's name)
            {"since": month.since, "until": month.until},
        )
        rolled_up, held = row.one()
    if not rolled_up:
        raise Conflict(f"Scans of {month.name} are not rolled up yet: is the worker running? (yima rollups status)")
    if held:
        raise Conflict(f"{held:,} claims of {month.name} wait for a person's decision, who needs their scans.")


async def _note(db: Database, month: Month, actor: str) -> None:
    """Count a month, and note that it goes or has gone."""
    async with db.transaction() as tx:
        await tx.execute(text("SET LOCAL statement_timeout = 0"))
        row = await tx.execute(
            text(f"SELECT count(*), count(*) FILTER (WHERE outcome <> 'forged') FROM {month.name}")  # noqa: S608 (a month's name)
        )
        rows, counted = row.one()
        await tx.execute(
            text("""
                INSERT INTO scan_archive (name, since, until, rows, counted, begun_at, actor)
                VALUES (:name, :since, :until, :rows, :counted, :at, :actor)
                ON CONFLICT (name) DO UPDATE SET rows = :rows, counted = :counted, begun_at = :at, actor = :actor,
                    detached_at = NULL"""),
            {
                "name": month.name, "since": month.since, "until": month.until, "rows": rows, "counted": counted,
                "at": now(), "actor": actor,
            },
        )  # fmt: skip


async def _close(db: Database, month: Month, actor: str) -> None:
    async with db.transaction() as tx:
        closed = await tx.execute(
            text("""
                UPDATE scan_archive SET detached_at = :at WHERE name = :name AND detached_at IS NULL RETURNING rows"""),
            {"name": month.name, "at": now()},
        )
        rows = closed.scalar_one_or_none()
        if rows is not None:
            await audit.record(tx, brand_id=None, actor=actor, action=_ACTION, subject=month.name, after={"rows": rows})
