"""Rollups: the journal added up into chunks that views read, kept up to date by the worker.

Each batch is one transaction: it reads the feed from where the last one ended, adds chunks, and moves the end on.
So a journal row is rolled up exactly once, whoever is killed and however many workers try. Merging chunks
changes nothing that can be seen, and is a transaction of its own.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

import numpy as np
import structlog
from sqlalchemy import text

from insights import chunks, facets, feed, hexes
from insights.chunks import Chunk, Counting, Kind
from insights.feed import Place, Rows
from insights.spans import LONGEST_H, SPANS_H, hour_of
from kernel.clock import now
from kernel.db import Database, Tx
from kernel.errors import ConfigurationError, Conflict
from traceability.journal_months import archived_before

log = structlog.get_logger(__name__)

CHANNEL: Final = "yima_live"
BRANDS_TOLD_MAX: Final = 400
"""A signal names at most so many brands (PostgreSQL carries 8,000 bytes); beyond that it means everybody."""
_LOCK: Final = 0x59494D41_10
REBUILD_LOCK: Final = 0x59494D41_11
"""Held by whoever rebuilds, and by whoever takes months out of the journal that a rebuild would read."""
_STATEMENT_S: Final = 600
_FROZEN_TX: Final = 2
"""PostgreSQL's number for rows older than every transaction."""
_REPAIR_ROWS: Final = 50_000
TIDY_GROUPS_MAX: Final = 2_000
_SETTLED: Final = timedelta(hours=2)
"""A bucket that ended so long ago is tidied."""


@dataclass(frozen=True, slots=True)
class Rolled:
    """What a call did. `caught_up`: nothing complete is left to roll up."""

    scans: int
    batches: int
    merges: int
    caught_up: bool


@dataclass(frozen=True, slots=True)
class Group:
    """Chunks that may be merged with each other are of one group (and one tile)."""

    brand_id: int
    kind: int
    span_h: int
    bucket: int


@dataclass(frozen=True, slots=True)
class _Batch:
    scans: int
    groups: frozenset[Group]
    caught_up: bool


async def roll_up(db: Database, *, generation: int | None = None, seconds_max: float | None = None) -> Rolled:
    """Roll up what is new in the journal until nothing is left.

    Args:
        db: the database.
        generation: which rollups to bring up to date; None means those that views read.
        seconds_max: begin no further batch after this time; the next call goes on.

    Raises:
        ConfigurationError: the journal is from another server (a restored dump), see `rebuild`.
    """
    began = time.monotonic()
    scans = batches = merges = 0
    known: facets.Known = {}
    while True:
        batch = await _roll_batch(db, generation, known)
        scans += batch.scans
        batches += 1 if batch.scans else 0
        if batch.groups:
            merges += await _merge(db, generation, batch.groups)
        if batch.caught_up:
            return Rolled(scans, batches, merges, caught_up=True)
        if seconds_max is not None and time.monotonic() - began >= seconds_max:
            return Rolled(scans, batches, merges, caught_up=False)


async def _begin(tx: Tx) -> None:
    """Be the only one that writes rollups or facets until the transaction ends."""
    await tx.execute(text(f"SET LOCAL statement_timeout = '{_STATEMENT_S}s'"))
    await tx.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})


@dataclass(frozen=True, slots=True)
class _State:
    generation: int
    live: bool
    next: Place
    as_of: datetime
    seen_tx: int
    seen_at: datetime


async def _state(tx: Tx, generation: int | None) -> _State:
    found = await tx.execute(
        text("""
            SELECT generation, live, next_tx, next_at, as_of, seen_tx, seen_at FROM rollup_state
            WHERE CASE WHEN CAST(:generation AS integer) IS NULL THEN live ELSE generation = :generation END
            FOR UPDATE"""),
        {"generation": generation},
    )
    row = found.one()
    return _State(row[0], row[1], Place(row[2], row[3]), *row[4:])


async def _roll_batch(db: Database, generation: int | None, known: facets.Known) -> _Batch:
    async with db.transaction() as tx:
        await _begin(tx)
        # before the row is locked, which gives this transaction a number that would then bound the horizon
        horizon = await feed.horizon(tx)
        state = await _state(tx, generation)
        if state.next.tx > horizon.next_tx:
            raise ConfigurationError(
                "The scan journal was written by another server (a restored dump?): rebuild the rollups once."
            )
        end = await feed.end_of_batch(tx, state.next, horizon.complete)
        rows = await feed.read(tx, state.next, end)
        groups = await _write(tx, state.generation, rows, known) if len(rows) else frozenset[Group]()
        caught_up = end.tx >= horizon.complete
        state = replace(state, next=end)
        if caught_up:
            state = _observe(state, horizon)
        await _save(tx, state, len(rows))
        if len(rows) and state.live:
            await tx.execute(
                text("SELECT pg_notify(:channel, :brands)"),
                {"channel": CHANNEL, "brands": _signal(np.unique(rows.brands).tolist())},
            )
        return _Batch(len(rows), groups, caught_up)


def _signal(brands: list[int]) -> str:
    """Which brands have something new; null means everybody."""
    return json.dumps({"brands": brands if len(brands) <= BRANDS_TOLD_MAX else None}, separators=(",", ":"))


def _observe(state: _State, horizon: feed.Horizon) -> _State:
    """How far the rollups reach in time, after catching up with the horizon.

    What was complete at `seen_at` reached up to `seen_tx`: once all of that has ended and is rolled up, the
    rollups hold everything that began to write before `seen_at`.
    """
    if horizon.complete >= horizon.next_tx:
        return replace(state, as_of=horizon.at, seen_tx=horizon.next_tx, seen_at=horizon.at)
    if horizon.complete >= state.seen_tx:
        return replace(state, as_of=max(state.as_of, state.seen_at), seen_tx=horizon.next_tx, seen_at=horizon.at)
    return state


async def _save(tx: Tx, state: _State, scans: int) -> None:
    await tx.execute(
        text("""
            UPDATE rollup_state SET next_tx = :next_tx, next_at = :next_at, scans = scans + :scans, as_of = :as_of,
                seen_tx = :seen_tx, seen_at = :seen_at
            WHERE generation = :generation"""),
        {
            "generation": state.generation, "next_tx": state.next.tx, "next_at": state.next.at, "scans": scans,
            "as_of": state.as_of, "seen_tx": state.seen_tx, "seen_at": state.seen_at,
        },
    )  # fmt: skip


async def _write(tx: Tx, generation: int, rows: Rows, known: facets.Known) -> frozenset[Group]:
    """Chunks of a batch's rows."""
    made: list[tuple[Group, Chunk]] = []
    for brand_id in np.unique(rows.brands).tolist():
        mine = rows.where(rows.brands == brand_id)
        ids = await facets.intern(tx, brand_id, mine, known)
        made += [(Group(brand_id, kind, span, bucket), chunk) for kind, span, bucket, chunk in _chunks(mine, ids)]
    await _insert(tx, generation, made)
    return frozenset(group for group, _ in made)


def _chunks(rows: Rows, ids: facets.Ids) -> Iterable[tuple[Kind, int, int, Chunk]]:
    """What one brand's rows add: (kind, span, bucket, chunk)."""
    placed = rows.cells != 0
    some = rows.where(placed)
    counted = [(Kind.PLACES, rows.hours, rows.places, ids)]
    if len(some):
        counted += [
            (kind, some.hours, hexes.parents(some.cells, resolution), ids[placed])
            for kind, resolution in ((Kind.CELLS5, 5), (Kind.CELLS6, 6))
        ]
    for kind, hours, keys, facet_ids in counted:
        counting = Counting(keys, facet_ids)
        for span in SPANS_H:
            for bucket, chunk in counting.by(hours // span):
                yield kind, span, bucket, chunk
    for bucket, chunk in Counting(rows.hours, ids).by(rows.hours // LONGEST_H):
        yield Kind.HOURS, LONGEST_H, bucket, chunk
    buckets = some.hours // LONGEST_H
    for bucket in np.unique(buckets).tolist():
        here = buckets == bucket
        yield (
            Kind.FINE, LONGEST_H, bucket,
            chunks.list_scans(
                some.cells[here], ids[placed][here], some.hours[here] - bucket * LONGEST_H, some.persons[here]
            ),
        )  # fmt: skip


async def _insert(tx: Tx, generation: int, made: Iterable[tuple[Group, Chunk]], *, tile: int = 0) -> None:
    """Write chunks, large ones by tile where their kind has tiles."""
    found: list[tuple[Group, int, Chunk]] = []
    for group, chunk in made:
        resolution = chunks.TILE_RESOLUTION.get(Kind(group.kind))
        if tile == 0 and resolution is not None and chunk.entries >= chunks.SPLIT_ENTRIES:
            found += [(group, at, part) for at, part in chunks.split(chunk, resolution)]
        else:
            found.append((group, tile, chunk))
    if not found:
        return
    await tx.execute(
        text("""
            INSERT INTO rollup_chunk (generation, brand_id, kind, span_h, bucket, tile, entries, facet_max, data)
            SELECT :generation, * FROM unnest(CAST(:brands AS bigint[]), CAST(:kinds AS smallint[]),
                CAST(:spans AS smallint[]), CAST(:buckets AS integer[]), CAST(:tiles AS bigint[]),
                CAST(:entries AS integer[]), CAST(:maxima AS integer[]), CAST(:data AS bytea[]))"""),
        {
            "generation": generation,
            "brands": [group.brand_id for group, _, _ in found],
            "kinds": [int(group.kind) for group, _, _ in found],
            "spans": [group.span_h for group, _, _ in found],
            "buckets": [group.bucket for group, _, _ in found],
            "tiles": [tile for _, tile, _ in found],
            "entries": [chunk.entries for _, _, chunk in found],
            "maxima": [int(chunk.facets[-1]) for _, _, chunk in found],
            "data": [chunks.encode(chunk) for _, _, chunk in found],
        },
    )


async def _merge(db: Database, generation: int | None, groups: Iterable[Group]) -> int:
    """Merge the chunks of some groups where a size class is full; returns how many merges that took."""
    merges, left = 0, set(groups)
    while left:
        async with db.transaction() as tx:
            await _begin(tx)
            left = await _merge_once(tx, (await _state(tx, generation)).generation, left, closed=False)
        merges += len(left)
    return merges


async def tidy(db: Database) -> int:
    """Merge the small chunks of buckets that are over, so that views read few; returns how many groups it tidied."""
    over = hour_of(now() - _SETTLED)
    async with db.transaction() as tx:
        await _begin(tx)
        state = await _state(tx, None)
        rows = await tx.execute(
            text("""
                SELECT brand_id, kind, span_h, bucket FROM rollup_chunk
                WHERE generation = :generation AND (bucket + 1) * CAST(span_h AS integer) <= :over
                GROUP BY brand_id, kind, span_h, bucket, tile HAVING count(*) > 1
                ORDER BY count(*) DESC LIMIT :most"""),
            {"generation": state.generation, "over": over, "most": TIDY_GROUPS_MAX},
        )
        return len(await _merge_once(tx, state.generation, {Group(*row) for row in rows}, closed=True))


async def _merge_once(tx: Tx, generation: int, groups: set[Group], *, closed: bool) -> set[Group]:
    """One round of merging; returns the groups in which something was merged."""
    plans = await _plans(tx, generation, groups, closed=closed)
    if not plans:
        return set()
    # a bounded number of entries in memory at once
    for portion in _portions(plans):
        ids = [chunk_id for _, _, members in portion for chunk_id, _ in members]
        rows = await tx.execute(
            text("DELETE FROM rollup_chunk WHERE id = ANY(CAST(:ids AS bigint[])) RETURNING id, data"), {"ids": ids}
        )
        data = {row[0]: row[1] for row in rows}
        for group, tile, members in portion:
            merged = chunks.merge([chunks.decode(data.pop(chunk_id)) for chunk_id, _ in members])
            await _insert(tx, generation, [(group, merged)], tile=tile)
    return {group for group, _, _ in plans}


_Plan = tuple[Group, int, list[tuple[int, int]]]


async def _plans(tx: Tx, generation: int, groups: set[Group], *, closed: bool) -> list[_Plan]:
    """What to merge: (group, tile, [(chunk id, entries)])."""
    if not groups:
        return []
    wanted = list(groups)
    rows = await tx.execute(
        text("""
            SELECT c.brand_id, c.kind, c.span_h, c.bucket, c.tile, array_agg(c.id ORDER BY c.id),
                array_agg(c.entries ORDER BY c.id)
            FROM rollup_chunk c JOIN unnest(CAST(:brands AS bigint[]), CAST(:kinds AS smallint[]),
                CAST(:spans AS smallint[]), CAST(:buckets AS integer[])) AS n(brand_id, kind, span_h, bucket)
                ON c.brand_id = n.brand_id AND c.kind = n.kind AND c.span_h = n.span_h AND c.bucket = n.bucket
            WHERE c.generation = :generation
            GROUP BY c.brand_id, c.kind, c.span_h, c.bucket, c.tile HAVING count(*) >= :least"""),
        {
            "generation": generation,
            "brands": [group.brand_id for group in wanted],
            "kinds": [int(group.kind) for group in wanted],
            "spans": [group.span_h for group in wanted],
            "buckets": [group.bucket for group in wanted],
            "least": 2 if closed else chunks.FANOUT,
        },
    )
    plans: list[_Plan] = []
    for *group, tile, ids, sizes in rows:
        chosen = chunks.choose(sizes, closed=closed)
        if chosen:
            plans.append((Group(*group), tile, [(ids[place], sizes[place]) for place in chosen]))
    return plans


def _portions(plans: Sequence[_Plan]) -> Iterable[list[_Plan]]:
    portion: list[_Plan] = []
    entries = 0
    for plan in plans:
        portion.append(plan)
        entries += sum(size for _, size in plan[2])
        if entries >= chunks.SPLIT_ENTRIES * chunks.FANOUT:
            yield portion
            portion, entries = [], 0
    if portion:
        yield portion


async def rebuild(db: Database) -> Rolled:
    """Build all rollups anew from the journal, beside those in use, and switch over in one moment.

    For corrections of the journal, and after a dump was restored into another server. May be interrupted at any
    time and called again; views and `roll_up` go on meanwhile.

    Raises:
        Conflict: another rebuild is running, or months of the journal are archived.
    """
    async with db.transaction() as guard:
        await guard.execute(text("SET LOCAL idle_in_transaction_session_timeout = 0"))
        held = await guard.execute(text("SELECT pg_try_advisory_xact_lock(:lock)"), {"lock": REBUILD_LOCK})
        if not held.scalar_one():
            raise Conflict("The rollups are being rebuilt already.")
        missing = await archived_before(guard)
        if missing is not None:
            raise Conflict(
                f"Scans before {missing:%Y-%m-%d} are archived, and rollups rebuilt without them would forget them: "
                "attach those months first (yima journal list, yima journal attach)."
            )
        await _adopt(db)
        generation = await _new_generation(db)
        rolled = await roll_up(db, generation=generation)
        async with db.transaction() as tx:
            await _begin(tx)
            # the last rows in between; nothing else can be rolled up while we hold the lock
            horizon = await feed.horizon(tx)
            new = await _state(tx, generation)
            end = Place(horizon.complete, feed.EARLIEST)
            rows = await feed.read(tx, new.next, end)
            if len(rows):
                await _write(tx, generation, rows, {})
            await _save(tx, _observe(replace(new, next=end), horizon), len(rows))
            await tx.execute(text("UPDATE rollup_state SET live = false WHERE live"))
            await tx.execute(text("UPDATE rollup_state SET live = true WHERE generation = :new"), {"new": generation})
            await _drop_others(tx, generation)
            await tx.execute(
                text("SELECT pg_notify(:channel, :brands)"), {"channel": CHANNEL, "brands": '{"brands":null}'}
            )
    return replace(rolled, scans=rolled.scans + len(rows))


async def _adopt(db: Database) -> None:
    """Give rows from another server's time, whose transaction numbers lie ahead of ours, a number of the past."""
    while True:
        async with db.transaction() as tx:
            horizon = await feed.horizon(tx)
            found = await tx.execute(
                text("""
                    UPDATE scan SET tx = :old FROM (
                        SELECT at, scan_id FROM scan WHERE tx >= :next LIMIT :rows) AS n
                    WHERE scan.at = n.at AND scan.scan_id = n.scan_id"""),
                {"old": _FROZEN_TX, "next": horizon.next_tx, "rows": _REPAIR_ROWS},
            )
        if found.rowcount < _REPAIR_ROWS:
            return


async def _new_generation(db: Database) -> int:
    async with db.transaction() as tx:
        await _begin(tx)
        await _drop_others(tx, (await _state(tx, None)).generation)
        made = await tx.execute(
            text("""
                INSERT INTO rollup_state (live, next_tx, next_at, as_of, seen_tx, seen_at)
                VALUES (false, 0, :earliest, :earliest, 0, :earliest) RETURNING generation"""),
            {"earliest": feed.EARLIEST},
        )
        generation: int = made.scalar_one()
        return generation


async def _drop_others(tx: Tx, generation: int) -> None:
    """Drop all rollups but these."""
    await tx.execute(text("DELETE FROM rollup_chunk WHERE generation <> :kept"), {"kept": generation})
    await tx.execute(text("DELETE FROM rollup_state WHERE generation <> :kept"), {"kept": generation})
