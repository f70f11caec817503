"""Views of the heatmap over ten million scans, beside the same answers by plain SQL on the journal.

A private database is filled by COPY with scans as a journal has them: over half a year in the order of time,
spread like the population of China, with repeats, scans of whom only the network address is known, and some late
ones. The rollups are built by the product's own `roll_up`. The peer is a `GROUP BY` on the journal, on the same
server in the same run.
"""

from __future__ import annotations

import asyncio
import gzip
import json
import random
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import h3.api.basic_int as h3
import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from sqlalchemy import text

from insights import hexes, rollups
from insights.filters import Filter
from insights.hexes import Box
from insights.spans import hour_of, time_of
from insights.views import Cells, Views
from kernel import postgres
from kernel.db import Database
from traceability.journal import partition_statements
from traceability.regions import Regions
from yima import migrate

Row = dict[str, Any]

SCANS: Final = 10_000_000
SCANS_LONG: Final = 100_000_000
STOP_S_MAX: Final = 120.0
BLOCK: Final = 200_000
DAYS: Final = 180
LATE_SHARE: Final = 0.001
IP_SHARE: Final = 0.15
NOWHERE_SHARE: Final = 0.05
SPOTS: Final = 60_000
"""Places where people scan: shops and homes, the large cities' first."""
DEALERS: Final = 48
BATCHES: Final = 40
GTINS: Final = ("06901234567892", "06901234567908", "06901234567915")
WARM_ROUNDS: Final = 3
LIVE_SCANS: Final = 20
BRAND: Final = 1

# (name, lat, lng, millions): where people live; enough to make the density of the map
_CITIES: Final = (
    (31.23, 121.47, 25), (39.90, 116.40, 22), (23.13, 113.26, 19), (22.54, 114.06, 18), (30.57, 104.07, 21),
    (29.56, 106.55, 16), (39.13, 117.20, 14), (30.59, 114.30, 13), (34.26, 108.94, 13), (31.30, 120.58, 13),
    (30.27, 120.15, 12), (34.75, 113.62, 12), (32.06, 118.80, 9), (36.07, 120.38, 10), (28.23, 112.94, 10),
    (23.02, 113.75, 10), (29.87, 121.55, 9), (38.04, 114.51, 11), (31.82, 117.23, 9), (26.07, 119.30, 8),
    (36.65, 117.12, 9), (41.80, 123.43, 9), (45.80, 126.53, 10), (25.04, 102.71, 8), (43.82, 125.32, 9),
    (24.48, 118.09, 5), (26.65, 106.63, 6), (22.82, 108.37, 8), (28.68, 115.86, 6), (37.87, 112.55, 5),
    (43.83, 87.62, 4), (36.06, 103.83, 4), (40.84, 111.75, 3), (38.49, 106.23, 2), (36.62, 101.78, 2),
    (29.65, 91.14, 1), (20.04, 110.20, 3), (25.03, 121.57, 7), (22.32, 114.17, 7), (35.10, 118.35, 11),
    (34.27, 117.19, 9), (33.00, 112.53, 10), (32.90, 115.81, 8), (30.45, 114.87, 6), (26.90, 112.57, 7),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class _World:
    """Where scans can be: cells, districts, and how likely."""

    cells: NDArray[np.int64]
    adcodes: NDArray[np.int64]
    share: NDArray[np.float64]
    dealers: NDArray[np.int64]


def run(*, long: bool = False) -> list[Row]:
    """Rows of the benchmark; the long form has a hundred million scans."""
    scans = SCANS_LONG if long else SCANS
    with (
        _private_home() as home,
        _progress() as step,
        postgres.attach(home) as attachment,
    ):
        url = attachment.endpoint.url("asyncpg")
        migrate.upgrade(url)
        return asyncio.run(_measure(url, scans, step))


@contextmanager
def _private_home() -> Iterator[Path]:
    """A folder of the benchmark's own; it goes when its server, which writes until its end, has stopped."""
    home = Path(tempfile.mkdtemp(prefix="yima-bench-"))
    try:
        yield home
    finally:
        deadline = time.monotonic() + STOP_S_MAX
        while (home / "postgres" / "data" / "postmaster.pid").exists() and time.monotonic() < deadline:
            time.sleep(0.1)
        shutil.rmtree(home)


Step = Callable[[str, float], None]


@contextmanager
def _progress() -> Iterator[Step]:
    """A bar on a terminal; nothing otherwise."""
    console = Console(stderr=True)
    if not sys.stderr.isatty():
        yield lambda _name, _share: None
        return
    with Progress(TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn(), console=console) as bar:
        task = bar.add_task("", total=1.0)
        yield lambda name, share: bar.update(task, description=name, completed=share)


async def _measure(url: str, scans: int, step: Step) -> list[Row]:
    db = Database(url, pool_size=4, application="yima bench")
    try:
        begin = time_of(hour_of(datetime.now(UTC)) // 24 * 24) - timedelta(days=DAYS)
        world = _world(random.Random(1))
        started = time.perf_counter()
        await _load(db, world, scans, begin, step)
        loaded_s = time.perf_counter() - started
        rolled_s = await _roll_up(db, scans, step)
        while await rollups.tidy(db):
            step("tidy", 0.5)
        rows = [
            _row("journal rows loaded", scans / loaded_s, "rows/s"),
            _row("rolled up", scans / rolled_s, "rows/s"),
            _row("rollups on disk", await _rollup_bytes(db) / 2**20, "MiB"),
            _row("journal on disk", await _journal_bytes(db) / 2**20, "MiB"),
        ]
        rows += await _views(db, begin, step)
        rows += await _freshness(db, world, begin, step)
        return sorted(rows, key=lambda row: row["name"] != "headline")
    finally:
        await db.close()


def _row(name: str, value: float, unit: str, peer_value: float | None = None) -> Row:
    """A row; a peer's time is worse the longer it is."""
    peer = None if peer_value is None else "postgresql"
    ratio = None if peer_value is None else peer_value / value
    return {"name": name, "value": value, "unit": unit, "peer": peer, "peer_value": peer_value, "ratio": ratio}


def _world(rng: random.Random) -> _World:
    regions = Regions.load()
    weights = [city[2] for city in _CITIES]
    points: list[tuple[float, float]] = []
    while len(points) < SPOTS:
        lat, lng, millions = rng.choices(_CITIES, weights)[0]
        # most in the city, many in the towns around it, some far out
        spread = rng.choices((0.06, 0.25, 1.5), (5, 3, 2))[0] * (0.5 + millions / 20)
        points.append((lat + rng.gauss(0, spread), lng + rng.gauss(0, spread)))
    lats, lngs = np.array(points).T
    adcodes = regions.locate_many(lats, lngs).astype(np.int64)
    inside = adcodes > 0
    cells = np.array([h3.latlng_to_cell(*point, 9) for point in np.array(points)[inside].tolist()], np.int64)
    share = 1 / np.arange(1, len(cells) + 1) ** 0.4
    np.random.default_rng(1).shuffle(share)
    adcodes = adcodes[inside]
    # a dealer sells in a province, and large provinces have several
    dealers = (adcodes // 10_000 * 7 + adcodes % 3) % DEALERS + 1
    return _World(cells, adcodes, np.cumsum(share / share.sum()), dealers)


_COPIED: Final = (
    ("at", 8), ("scan_id", 16), ("brand_id", 8), ("unit_id", 8), ("side", 5), ("batch_id", 8), ("gtin", 14),
    ("outcome", 9), ("member_id", 8), ("device", 16), ("adcode", 4), ("cell", 8), ("location_source", 4),
    ("ip_province", 4), ("findings", 101), ("points", 4), ("dealer_id", 8), ("first", 1),
)  # fmt: skip
_OUTCOMES: Final = np.array([b"authentic", b"awarded", b"repeat", b"taken", b"inactive", b"held"])
_FINDINGS: Final = (
    b"[]", b'[{"rule": "outside_territory", "result": "inside"}]',
    b'[{"km": 320, "rule": "outside_territory", "result": "outside"}]',
    b'[{"km": 1200, "rule": "impossible_travel", "result": "copied", "minutes": 20.0}]',
)  # fmt: skip
_EPOCH_2000: Final = datetime(2000, 1, 1, tzinfo=UTC)


def _block(
    rng: np.random.Generator, world: _World, begin: datetime, low_s: float, high_s: float, rows: int
) -> Iterator[bytes]:
    """Journal rows in COPY's binary form, in pieces whose rows have the same columns NULL and so the same width."""
    offset = (begin - _EPOCH_2000) / timedelta(seconds=1)
    seconds = np.sort(rng.uniform(low_s, high_s, rows))
    late = rng.random(rows) < LATE_SHARE
    seconds[late] = rng.uniform(0, high_s, int(late.sum()))
    spot = np.searchsorted(world.share, rng.random(rows)).clip(max=len(world.cells) - 1)
    where = rng.choice(3, rows, p=(1 - IP_SHARE - NOWHERE_SHARE, IP_SHARE, NOWHERE_SHARE))
    batch = (seconds / (DAYS * 86_400) * (BATCHES - 8)).astype(np.int64) + rng.integers(1, 9, rows)
    mark = np.where(where == 0, rng.choice(4, rows, p=(0.1, 0.83, 0.06, 0.01)), 0)
    stray = rng.random(rows) < 0.03
    outcome = rng.choice(6, rows, p=(0.2, 0.5, 0.15, 0.1, 0.03, 0.02))
    values: dict[str, NDArray[Any]] = {
        "at": ((seconds + offset) * 1e6).astype(np.int64),
        "scan_id": np.frombuffer(rng.bytes(16 * rows), "V16"),
        "brand_id": np.full(rows, BRAND),
        "unit_id": rng.integers(1, 1 << 40, rows),
        "side": np.full(rows, b"outer"),
        "batch_id": batch,
        "gtin": np.array([gtin.encode() for gtin in GTINS])[batch % len(GTINS)],
        "outcome": _OUTCOMES[outcome],
        "member_id": rng.integers(1, 2_000_000, rows),
        "device": np.frombuffer(rng.bytes(16 * rows), "V16"),
        "adcode": world.adcodes[spot],
        "cell": world.cells[spot],
        "location_source": np.array([b"gps", b"ip", b"none"])[where],
        "ip_province": world.adcodes[spot] // 10_000 * 10_000,
        "findings": np.array([b"\x01" + found.ljust(100) for found in _FINDINGS])[mark],
        "points": np.full(rows, 10),
        "dealer_id": np.where(stray, rng.integers(1, DEALERS + 1, rows), world.dealers[spot]),
        "first": (outcome < 2).astype(np.int8),
    }
    anonymous = rng.random(rows) < 0.3
    yield b"PGCOPY\n\xff\r\n\x00" + bytes(8)
    for place in range(3):
        for nobody in (False, True):
            absent = {0: {"ip_province"}, 1: {"cell", "adcode"}, 2: {"cell", "adcode", "ip_province"}}[place]
            yield _piece(
                values, (where == place) & (anonymous == nobody), absent | ({"member_id"} if nobody else set())
            )
    yield b"\xff\xff"


def _piece(values: dict[str, NDArray[Any]], chosen: NDArray[np.bool_], absent: set[str]) -> bytes:
    """Rows in which the same columns are NULL; words are one length for all, so they are grouped by it, too."""
    words = ("outcome", "location_source")
    first, second = (np.char.str_len(values[name]).astype(np.int64) for name in words)
    lengths = first | second << 8
    out = []
    for length in np.unique(lengths[chosen]).tolist():
        here = np.flatnonzero(chosen & (lengths == length))
        widths = dict(_COPIED) | {name: length >> 8 * place & 255 for place, name in enumerate(words)}
        fields: list[tuple[str, str]] = [("fields", ">i2")]
        for name, _ in _COPIED:
            fields.append((name + ".size", ">i4"))
            if name not in absent:
                kind = values[name].dtype.kind
                fields.append((name, f">i{widths[name]}" if kind == "i" else f"{kind}{widths[name]}"))
        rows = np.zeros(len(here), np.dtype(fields))
        rows["fields"] = len(_COPIED)
        for name, _ in _COPIED:
            rows[name + ".size"] = -1 if name in absent else widths[name]
            if name not in absent:
                rows[name] = values[name][here]
        out.append(rows.tobytes())
    return b"".join(out)


# the index by unit serves neither the rollups nor the peer
_DROPPED: Final = {
    "ix_scan_brand_id_at": "(brand_id, at)", "ix_scan_tx_at": "(tx, at)", "ix_scan_unit_id_at": None,
}  # fmt: skip


async def _load(db: Database, world: _World, scans: int, begin: datetime, step: Step) -> None:
    """Fill the journal by COPY; its secondary indexes are made after, which is far quicker."""
    async with db.transaction() as tx:
        for month in range(DAYS // 28 + 2):
            for statement in partition_statements((begin + timedelta(days=28 * month)).date()):
                await tx.execute(text(statement))
        for name in _DROPPED:
            await tx.execute(text(f"DROP INDEX {name}"))
    rng = np.random.default_rng(2)
    for low in range(0, scans, BLOCK):
        rows = min(BLOCK, scans - low)
        since_s, until_s = (DAYS * 86_400 * place / scans for place in (low, low + rows))
        await _copy(db, list(_block(rng, world, begin, since_s, until_s, rows)))
        step("load", (low + rows) / scans)
    for name, columns in _DROPPED.items():
        if columns is not None:
            await _run_long(db, f"CREATE INDEX {name} ON scan {columns}")
    await _run_long(db, "ANALYZE scan")


async def _copy(db: Database, pieces: list[bytes]) -> None:
    async def source() -> AsyncIterator[bytes]:
        for piece in pieces:
            yield piece

    async with db.transaction() as tx:
        await tx.execute(text("SELECT 1"))
        connection = (await tx.get_raw_connection()).driver_connection
        assert connection is not None
        await connection.copy_to_table("scan", source=source(), columns=[name for name, _ in _COPIED], format="binary")


async def _run_long(db: Database, statement: str) -> None:
    async with db.transaction() as tx:
        await tx.execute(text("SET LOCAL statement_timeout = 0"))
        await tx.execute(text("SET LOCAL maintenance_work_mem = '512MB'"))
        await tx.execute(text(statement))


async def _roll_up(db: Database, scans: int, step: Step) -> float:
    """Roll everything up as the worker does, in turns; returns the seconds."""
    started = time.perf_counter()
    done = 0
    while True:
        rolled = await rollups.roll_up(db, seconds_max=1.0)
        done += rolled.scans
        step("roll up", done / scans)
        if rolled.caught_up:
            return time.perf_counter() - started


async def _size(db: Database, sql: str) -> float:
    async with db.transaction() as tx:
        return float((await tx.execute(text(sql))).scalar_one())


async def _rollup_bytes(db: Database) -> float:
    return await _size(db, "SELECT pg_total_relation_size('rollup_chunk') + pg_total_relation_size('scan_facet')")


async def _journal_bytes(db: Database) -> float:
    return await _size(
        db, "SELECT sum(pg_total_relation_size(inhrelid)) FROM pg_inherits WHERE inhparent = 'scan'::regclass"
    )


@dataclass(frozen=True, slots=True)
class _View:
    """A view to measure: a zoom, a filter and a range, as the page asks for them."""

    zoom: str
    choice: str
    range: str
    which: Filter
    box: Box
    resolution: int
    steps: int


_ZOOMS: Final = (
    ("country", Box(73, 17, 136, 54), 4), ("half the country", Box(100, 20, 125, 42), 5),
    ("provinces", Box(114, 27, 124, 34), 6), ("delta", Box(119.5, 30, 122.5, 32), 7),
    ("city", Box(120.9, 30.8, 122.0, 31.6), 8), ("street", Box(121.3, 31.1, 121.6, 31.35), 9),
)  # fmt: skip


def _grid(begin: datetime) -> Iterator[_View]:
    """Zooms × filters × ranges."""
    end = begin + timedelta(days=DAYS)
    ranges: dict[str, tuple[datetime, datetime, int]] = {
        "all": (begin, end, 1),
        "30 days": (end - timedelta(days=30, hours=5), end - timedelta(hours=5), 1),
        "a week from an odd hour": (begin + timedelta(days=50, hours=7), begin + timedelta(days=57, hours=16), 1),
        "all, 24 steps": (begin, end, 24),
    }
    choices: dict[str, dict[str, Any]] = {
        "none": {},
        "product": {"gtins": frozenset(GTINS[:1])},
        "batch and dealer": {"batches": frozenset(range(5, 15)), "dealers": frozenset((3, 4, 5))},
        "outside": {"layer": "outside"},
        "first, awarded": {"layer": "first", "outcomes": frozenset(("awarded",))},
    }
    for zoom, box, resolution in _ZOOMS:
        for choice, fields in choices.items():
            for name, (since, until, steps) in ranges.items():
                which = Filter(brand_id=BRAND, since=since, until=until, **fields)
                yield _View(zoom, choice, name, which, box, resolution, steps)


async def _views(db: Database, begin: datetime, step: Step) -> list[Row]:
    """Every view of the grid cold (nothing remembered by the process) and warm, and some of them by SQL."""
    grid = list(_grid(begin))
    warm_views = Views(db)
    await warm_views.places(grid[0].which)
    cold, warm, sizes = [], [], []
    by_zoom: dict[str, list[float]] = {}
    for place, view in enumerate(grid):
        step("views", place / len(grid))
        cold.append(await _timed(Views(db), view))
        await _timed(warm_views, view)
        times = [await _timed(warm_views, view) for _ in range(WARM_ROUNDS)]
        warm += times
        by_zoom.setdefault(view.zoom, []).extend(times)
        sizes.append(_payload_bytes(await warm_views.cells(view.which, view.box, view.resolution, view.steps)))
    rows = [
        _row("view warm, median", statistics.median(warm), "ms"),
        _row("view warm, p99", _percentile(warm, 99), "ms"),
        _row("view warm, worst", max(warm), "ms"),
        _row("view cold, median", statistics.median(cold), "ms"),
        _row("view cold, p99", _percentile(cold, 99), "ms"),
        _row("view cold, worst", max(cold), "ms"),
        _row("payload gzipped, worst", max(sizes) / 1000, "kB"),
    ]
    rows += [_row(f"view warm, {zoom}, p99", _percentile(times, 99), "ms") for zoom, times in by_zoom.items()]
    rows += await _others(warm_views, grid)
    peer_ms = await _peer(db, warm_views, grid, step)
    rows.append(_row("headline", _percentile(warm, 99), "ms, p99 of all warm views", peer_ms))
    return rows


async def _timed(views: Views, view: _View) -> float:
    started = time.perf_counter()
    await views.cells(view.which, view.box, view.resolution, view.steps)
    return (time.perf_counter() - started) * 1000


def _percentile(values: list[float], percent: int) -> float:
    return statistics.quantiles(values, n=100, method="inclusive")[percent - 1]


def _payload_bytes(cells: Cells) -> int:
    rows = [[f"{cell:x}", *counts] for cell, counts in zip(cells.cells.tolist(), cells.counts.tolist(), strict=True)]
    return len(gzip.compress(json.dumps(rows, separators=(",", ":")).encode(), 6))


async def _others(views: Views, grid: list[_View]) -> list[Row]:
    """The ranking and the histogram, for every filter and range."""
    ranking, histogram = [], []
    for view in grid[: len(grid) // len(_ZOOMS)]:
        for _ in range(WARM_ROUNDS):
            started = time.perf_counter()
            await views.places(view.which)
            ranking.append((time.perf_counter() - started) * 1000)
            started = time.perf_counter()
            await views.series(view.which, 86_400)
            histogram.append((time.perf_counter() - started) * 1000)
    return [
        _row("ranking of provinces, p99", _percentile(ranking, 99), "ms"),
        _row("series by day, p99", _percentile(histogram, 99), "ms"),
    ]


_PEER: Final = """
    SELECT (cell & ~(15::bigint << 52)) | ({r}::bigint << 52) | ((1::bigint << (3 * (15 - {r}))) - 1), count(*)
    FROM scan WHERE brand_id = :brand AND at >= :since AND at < :until AND cell IS NOT NULL {more} GROUP BY 1
"""


async def _peer(db: Database, views: Views, grid: list[_View], step: Step) -> float:
    """Median time of the country by plain SQL, whose answers must be equal to ours."""
    times = []
    for place, view in enumerate(
        [view for view in grid if view.zoom == "country" and view.range in ("all", "30 days")]
    ):
        step("the same by SQL", place / 10)
        more = {
            "none": "", "product": f"AND gtin = '{GTINS[0]}'",
            "batch and dealer": "AND batch_id BETWEEN 5 AND 14 AND dealer_id IN (3, 4, 5)",
            "outside": """AND findings @> '[{"rule": "outside_territory", "result": "outside"}]'""",
            "first, awarded": "AND first AND outcome = 'awarded'",
        }[view.choice]  # fmt: skip
        async with db.transaction() as tx:
            await tx.execute(text("SET LOCAL statement_timeout = 0"))
            started = time.perf_counter()
            found = await tx.execute(
                text(_PEER.format(r=view.resolution, more=more)),
                {"brand": BRAND, "since": view.which.since, "until": view.which.until},
            )
            counts: dict[int, int] = {row[0]: row[1] for row in found}
            times.append((time.perf_counter() - started) * 1000)
        ours = await views.cells(view.which, view.box, view.resolution)
        inside = hexes.in_box(np.array(sorted(counts), np.int64), view.box)
        theirs = [counts[cell] for cell in np.array(sorted(counts), np.int64)[inside].tolist()]
        if ours.counts[:, 0].tolist() != theirs:
            raise AssertionError(f"the rollups and the journal differ: {view.choice}, {view.range}")
    return statistics.median(times)


async def _freshness(db: Database, world: _World, begin: datetime, step: Step) -> list[Row]:
    """How long after its commit a scan is in the rollups, when they are woken every two seconds; transport excluded."""
    rng = np.random.default_rng(3)
    turns = []
    for place in range(LIVE_SCANS):
        step("live", place / LIVE_SCANS)
        await _copy(db, list(_block(rng, world, begin, DAYS * 86_400, DAYS * 86_400 + 60, 1_000)))
        started = time.perf_counter()
        await rollups.roll_up(db)
        turns.append(time.perf_counter() - started)
    return [
        _row("rolling up 1,000 new scans, median", statistics.median(turns) * 1000, "ms"),
        _row("rolling up 1,000 new scans, worst", max(turns) * 1000, "ms"),
    ]
