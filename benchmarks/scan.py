"""Scans over HTTP, everything on, beside PostgreSQL itself on the same server in the same run (docs/performance.md)."""

from __future__ import annotations

import asyncio
import gzip
import json
import os
import re
import statistics
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from benchmarks import scan_peers, scan_world
from benchmarks.scan_load import Measured, Requests
from benchmarks.scan_world import World
from kernel.errors import ConfigurationError
from scanapi import limits
from yima import processes, runtime, settings
from yima.settings import Settings
from yima.story.client import Phone

Row = dict[str, Any]

SECONDS: Final = 10
WARM_UP_S: Final = 3
TURNS: Final = 5
TURN_S: Final = 4
CODES: Final = 250_000
HOT_CODES: Final = 30_000
LONE_SCANS: Final = 200
VIEWS: Final = 200
HALF_CLIENTS: Final = 64
PORT: Final = 8799
GROWTH: Final = (2_000_000, 5_000_000)
GROWTH_LONG: Final = (50_000_000, 100_000_000)
PER_S_MAX: Final = 6_000
"""More than this installation can scan: how many requests are made for a second of load."""


# Limits are counted and exchanged as for anybody, and never reached: all the load comes from one address.
_LIMITS: Final = {
    "YIMA_LIMIT_EXEMPT": "192.0.2.0/24",
    "YIMA_LIMIT_RATES": ",".join(f"{kind}.{scope}=999999/0.001" for kind, scope in limits.RATES),
}


def run(*, long: bool = False) -> list[Row]:
    """Rows of the benchmark; the long form has twenty times the history in its tables."""
    with tempfile.TemporaryDirectory(prefix="yima-bench-") as folder:
        home = Path(folder)
        os.environ.update(_LIMITS)  # the processes that are started read it
        found = settings.load({
            "YIMA_ENV": "dev", "YIMA_HOME": str(home / "home"), "YIMA_BIND": f"127.0.0.1:{PORT}", **_LIMITS
        })  # fmt: skip
        with processes.running(found) as (launcher, url):
            world = asyncio.run(_make(found, url, home))
            return _measure(world, launcher.address, url, home, GROWTH_LONG if long else GROWTH)


async def _make(found: Settings, url: str, home: Path) -> World:
    async with runtime.connect(found, url, application="yima bench") as opened:
        return await World.make(opened, home, codes=CODES, hot_codes=HOT_CODES)


def _measure(world: World, address: str, url: str, home: Path, growth: tuple[int, int]) -> list[Row]:
    fresh = Requests(home / "fresh.tsv", world.fresh(CODES - 4 * HOT_CODES // 3))
    fresh.send(address, SECONDS)  # a server that has served for a moment: places and people that come again are known
    forged_lines = Requests(home / "forged.tsv", world.forged())
    decoded = {}
    for bare in (False, True):
        with scan_peers.decoding(PORT + 1, bare=bare) as decoder:
            decoded[bare] = forged_lines.send(decoder, SECONDS // 2, again=True)
    forged = forged_lines.send(address, SECONDS // 2, again=True)
    with scan_peers.database(url) as peer:
        _, clients = max((scan_peers.pgbench(peer, home, n, SECONDS // 2), n) for n in scan_peers.PGBENCH_CLIENTS)
        # By turns, for machines change their pace from one minute to the next.
        turns = [(fresh.send(address, TURN_S), scan_peers.pgbench(peer, home, clients, TURN_S)) for _ in range(TURNS)]
        orm = scan_peers.orm(peer, SECONDS / 2)
    scans = sorted((turn[0] for turn in turns), key=lambda each: each.per_s)[TURNS // 2]
    bench = statistics.median(turn[1] for turn in turns)
    half = _half(fresh, address, scans.per_s / 2)
    lone_ms = asyncio.run(_lone(address, world.fresh(LONE_SCANS)))
    rows = [
        _row("headline", scans.per_s, "scans/s", "pgbench", bench),
        _row("one transaction a scan, ORM", orm, "scans/s", "pgbench", bench),
        _alone("pgbench's best clients", clients, "clients"),
        _alone("p99 at full load", scans.p99_ms, "ms"),
        _alone("half load", half.per_s, "scans/s"),
        _alone("p99 at half load", half.p99_ms, "ms"),
        _alone("lone scan, median", lone_ms, "ms"),
        _row("forged codes", forged.per_s, "requests/s", "decoding endpoint", decoded[False].per_s),
        _row("forged codes", forged.per_s, "requests/s", "no framework", decoded[True].per_s),
    ]
    for name, lines in (
        ("one hot code", world.hot_code(HOT_CODES)),
        ("one hot prize", world.hot_prize(HOT_CODES - 1_000)),
        ("one hot member", world.hot_member(HOT_CODES // 3)),
    ):
        hot = Requests(home / "hot.tsv", lines).send(address, SECONDS // 5 if "member" in name else SECONDS // 2)
        rows.append(_row(name, hot.per_s, "scans/s", "spread out", scans.per_s))
    rows += _page(address, world.code())
    before = fresh.send(address, SECONDS // 2)
    scan_world.fill(url, claimed=growth[0], rows=growth[1])
    scan_world.wait_for_rollups(url)
    fresh.send(address, WARM_UP_S)
    grown = fresh.send(address, SECONDS // 2)
    name = f"with {growth[0] // 10**6} M units, {growth[1] // 10**6} M rows"
    return [*rows, _row(name, grown.per_s, "scans/s", "nearly empty", before.per_s)]


def _half(fresh: Requests, address: str, wanted_per_s: float) -> Measured:
    """So many scans a second from connections that rest between two of them; how long, is found by a first try."""
    pause_s = HALF_CLIENTS / wanted_per_s
    tried = fresh.send(address, WARM_UP_S, clients=HALF_CLIENTS, pause_ms=round(1000 * pause_s))
    pause_s -= HALF_CLIENTS / tried.per_s - pause_s
    return fresh.send(address, SECONDS, clients=HALF_CLIENTS, pause_ms=max(1, round(1000 * pause_s)))


def _alone(name: str, value: float, unit: str) -> Row:
    return {"name": name, "value": value, "unit": unit, "peer": None, "peer_value": None, "ratio": None}


def _row(name: str, value: float, unit: str, peer: str, peer_value: float) -> Row:
    return {
        "name": name, "value": value, "unit": unit,
        "peer": peer, "peer_value": peer_value, "ratio": value / peer_value,
    }  # fmt: skip


async def _lone(address: str, lines: list[str]) -> float:
    """Median of scans sent one after another to an idle server, in milliseconds."""
    phone = Phone(address)
    times = []
    for line in lines:
        token, body = line.split("\t")
        started = time.perf_counter()
        status, _ = await phone.post("/api/v1/scans", json.loads(body), {"Authorization": f"Bearer {token}"})
        times.append((time.perf_counter() - started) * 1000)
        if status != 200:
            raise ConfigurationError(f"A lone scan answered {status}.")
    await phone.close()
    return statistics.median(times)


def _page(address: str, url: str) -> list[Row]:
    """What a phone loads for its first answer, gzipped, and how soon the first byte comes from a warm server."""
    page = address + urlsplit(url).path
    body = _fetch(page)
    whole = len(gzip.compress(body, 6))
    for asset in set(re.findall(rb'(?:src|href)="(/static/[^"]+\.(?:css|js)[^"]*)"', body)):
        whole += len(gzip.compress(_fetch(address + asset.decode()), 6))
    times = []
    for _ in range(VIEWS):
        started = time.perf_counter()
        _fetch(page, first_byte=True)
        times.append((time.perf_counter() - started) * 1000)
    return [
        _alone("consumer page, gzipped", whole, "bytes"),
        _alone("page's first byte", statistics.median(times), "ms"),
    ]


def _fetch(url: str, *, first_byte: bool = False) -> bytes:
    request = urllib.request.Request(url, headers={"Accept-Language": "zh"})  # noqa: S310 (our own server)
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=10) as answer:
        content: bytes = answer.read(1) if first_byte else answer.read()
    return content
