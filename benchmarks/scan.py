"""Scans over HTTP beside PostgreSQL itself, on the same server in the same run.

The peer is `pgbench` with prepared statements running the conventional transaction of such a platform: upsert
the unit, insert the scan, insert the ledger entry, update the balance; four statements and a commit.
"""

from __future__ import annotations

import asyncio
import json
import random
import re
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

from sqlalchemy import create_engine, text
from sqlalchemy.engine import URL, make_url

from campaigns import draws, earning
from campaigns.rules import DrawRules, PrizeRule
from codegen import gs1
from kernel import postgres
from kernel.clock import now
from kernel.errors import ConfigurationError
from members import ledger
from traceability import catalogue, shipments
from traceability.shipments import Carton
from yima import issue, processes, runtime, settings, switching
from yima.cli.members import make as make_members
from yima.processes import Launcher
from yima.runtime import Runtime
from yima.settings import Settings
from yima.story import cast
from yima.story.client import Phone

Row = dict[str, Any]

SECONDS = 10
CLIENTS = 256
MEMBERS = 5_000
CODES = 150_000
LONE_SCANS = 200
PGBENCH_CLIENTS = (1, 16, 64)
PORT = 8799

_LUA = """
local threads = 0
function setup(thread) thread:set("number", threads) threads = threads + 1 end
function init(args)
  bodies, at = {}, 0
  local place = 0
  for line in io.lines(args[1]) do
    if place % tonumber(args[2]) == number then
      local token, body = line:match("^(%S*)\\t(.*)$")
      local headers = {["Content-Type"] = "application/json"}
      if token ~= "-" then headers["Authorization"] = "Bearer " .. token end
      bodies[#bodies + 1] = wrk.format("POST", "/api/v1/scans", headers, body)
    end
    place = place + 1
  end
end
function request()
  at = at + 1
  if at > #bodies then at = 1 exhausted = true end
  return bodies[at]
end
function done(summary, latency)
  io.write(string.format("RESULT %d %d %d %d %d\\n", summary.requests, summary.duration,
    summary.errors.status + summary.errors.connect + summary.errors.read + summary.errors.timeout,
    latency:percentile(50), latency:percentile(99)))
end
"""

_PGBENCH_TABLES = """
CREATE TABLE b_unit (id bigint PRIMARY KEY, claimed_by bigint, scans int NOT NULL);
CREATE TABLE b_scan (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, unit_id bigint, member_id bigint,
    at timestamptz DEFAULT now(), lat real, lng real, outcome text);
CREATE INDEX ON b_scan (unit_id);
CREATE TABLE b_entry (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, member_id bigint, unit_id bigint UNIQUE,
    points int, at timestamptz DEFAULT now());
CREATE TABLE b_member (id bigint PRIMARY KEY, balance bigint NOT NULL);
INSERT INTO b_member SELECT n, 0 FROM generate_series(1, 5000) n;
"""

_PGBENCH_SCRIPT = """
\\set unit random(1, 9000000000000)
\\set member random(1, 5000)
BEGIN;
INSERT INTO b_unit VALUES (:unit, :member, 1) ON CONFLICT (id) DO UPDATE SET scans = b_unit.scans + 1;
INSERT INTO b_scan (unit_id, member_id, lat, lng, outcome) VALUES (:unit, :member, 30.2, 120.1, 'awarded');
INSERT INTO b_entry (member_id, unit_id, points) VALUES (:member, :unit, 10) ON CONFLICT DO NOTHING;
UPDATE b_member SET balance = balance + 10 WHERE id = :member;
COMMIT;
"""


def run(*, long: bool = False) -> list[Row]:
    """Rows of the benchmark; the long form runs each part three times as long."""
    if shutil.which("wrk") is None:
        raise ConfigurationError("The load generator wrk is not installed: make setup-test.")
    seconds = SECONDS * (3 if long else 1)
    with tempfile.TemporaryDirectory(prefix="yima-bench-") as folder:
        home = Path(folder)
        found = replace(
            settings.load({"YIMA_ENV": "dev", "YIMA_HOME": str(home / "home"), "YIMA_BIND": f"127.0.0.1:{PORT}"})
        )
        with processes.running(found) as (launcher, url):
            bodies = asyncio.run(_prepare(found, url, home, CODES * (3 if long else 1)))
            lone_ms = asyncio.run(_lone(launcher.address, bodies.pop("lone")))
            empty = _get(launcher, seconds)
            forged = _wrk(launcher, bodies["forged"], home, seconds)
            scans = _wrk(launcher, bodies["fresh"], home, seconds)
            peer, clients = max((_pgbench(found, url, home, n, seconds), n) for n in PGBENCH_CLIENTS)
    return [
        _row("headline", scans["per_s"], "scans/s", "pgbench", peer),
        _row("forged codes", forged["per_s"], "requests/s", "empty endpoint", empty),
        {"name": "p99 at full load", "value": scans["p99_ms"], "unit": "ms"} | _NO_PEER,
        {"name": "lone scan, median", "value": lone_ms, "unit": "ms"} | _NO_PEER,
        {"name": "pgbench's best clients", "value": clients, "unit": "clients"} | _NO_PEER,
    ]


_NO_PEER: Row = {"peer": None, "peer_value": None, "ratio": None}


def _row(name: str, value: float, unit: str, peer: str, peer_value: float) -> Row:
    return {
        "name": name, "value": value, "unit": unit,
        "peer": peer, "peer_value": peer_value, "ratio": value / peer_value,
    }  # fmt: skip


async def _prepare(found: Settings, url: str, home: Path, codes: int) -> dict[str, Path]:
    """A brand with everything on (rules, draw, shipments), its codes and members, and the requests to send."""
    async with runtime.connect(found, url, application="yima bench") as opened:
        batch, lines = await _brand(opened, home, codes)
        tokens = await make_members(opened, batch, MEMBERS)
    rng = random.Random(1)
    files = {name: home / f"{name}.tsv" for name in ("fresh", "lone", "forged")}
    with files["lone"].open("w") as lone, files["fresh"].open("w") as fresh:
        for place, line in enumerate(lines):
            out = lone if place < LONE_SCANS else fresh
            out.write(_request(rng, line, rng.choice(tokens)))
    with files["forged"].open("w") as forged:
        for _ in range(20_000):
            code = "".join(rng.choice("0123456789ABCDEFGHJKMNPQRSTVWXYZ") for _ in range(20))
            forged.write(_request(rng, f"HTTPS://T.YIMA.CN/Q/{code}", rng.choice(tokens)))
    return files


def _request(rng: random.Random, code: str, token: str) -> str:
    city = rng.choice(cast.CITIES)
    body = {
        "scan_id": str(UUID(int=rng.getrandbits(128), version=4)),
        "code": code,
        "device_id": f"phone-{rng.randrange(10**9)}",
        "location": {
            "lat": city.lat + rng.gauss(0, 0.05), "lng": city.lng + rng.gauss(0, 0.05),
            "datum": "wgs84", "accuracy_m": 30, "source": "gps",
        },
    }  # fmt: skip
    return f"{token}\t{json.dumps(body)}\n"


async def _brand(opened: Runtime, home: Path, codes: int) -> tuple[int, list[str]]:
    tea = cast.TEAS[0]
    async with opened.db.transaction() as tx:
        brand = await catalogue.create_brand(
            tx, slug="bench", name="压测", name_en="Bench", company_prefix="6901234", actor="bench"
        )
        await ledger.open_accounts(tx, brand_id=brand.id, member_ids=[None])
        await catalogue.create_product(
            tx, brand_id=brand.id, gtin=tea.gtin, name=tea.name, name_en=tea.name_en, units_per_case=24, actor="bench"
        )
        dealer = await shipments.create_dealer(
            tx, brand_id=brand.id, code="D", name="经销商", adcodes=[330000, 310000], actor="bench"
        )
        await earning.set_rule(
            tx, brand_id=brand.id, gtin=tea.gtin, points=10, qualifying=10, expires_after_days=365,
            active_from=now() - timedelta(days=1), actor="bench",
        )  # fmt: skip
        prizes = (PrizeRule(1, "奖", "Prize", 10_000_000, 100_000, 100),)
        rules = DrawRules(
            name_zh="抽奖", name_en="Draw", gtins=(), prizes=prizes, opens_at=now() + timedelta(seconds=1),
            closes_at=now() + timedelta(days=1), entries_per_person=None,
            entries_per_person_per_day=None, when_stock_ends="nothing",
        )  # fmt: skip
        await draws.publish(tx, opened.vault, brand_id=brand.id, rules=rules, actor="bench")
    out = home / "codes.txt"
    manifest = await issue.issue(opened, issue.Order("bench", tea.gtin, codes, out), actor="bench")
    await switching.activate(opened, manifest.batch, first=None, last=None, actor="bench")
    async with opened.db.transaction() as tx:
        low = manifest.key_id << 34 | manifest.first_serial // 2
        cartons = [Carton(_sscc(n), low + n * 24, low + n * 24 + 23) for n in range(codes // 24)]
        await shipments.pack(tx, brand_id=brand.id, cartons=cartons, at=now())
        await shipments.ship(
            tx, brand_id=brand.id, document="bench", dealer=dealer, adcode=330100,
            ssccs=[carton.sscc for carton in cartons], at=now(), actor="bench",
        )  # fmt: skip
    return brand.id, out.read_text().splitlines()


def _sscc(number: int) -> str:
    return gs1.make_sscc(1, "6901234", number)


def _wrk(launcher: Launcher, requests: Path, home: Path, seconds: int) -> dict[str, float]:
    script = home / "scan.lua"
    script.write_text(_LUA)
    command = ["wrk", "-t1", f"-c{CLIENTS}", f"-d{seconds}s", "-s", str(script), launcher.address, "--",
               str(requests), "1"]  # fmt: skip
    return _result(subprocess.run(command, capture_output=True, text=True, check=True).stdout, requests)


def _result(output: str, requests: Path | None) -> dict[str, float]:
    found = re.search(r"RESULT (\d+) (\d+) (\d+) (\d+) (\d+)", output)
    if found is None:
        raise ConfigurationError(f"wrk printed no result:\n{output}")
    count, micros, errors, p50, p99 = map(int, found.groups())
    if errors:
        raise ConfigurationError(f"{errors} of {count} requests failed under load.")
    if requests is not None and requests.name == "fresh.tsv":
        with requests.open() as lines:
            if count > sum(1 for _ in lines):
                raise ConfigurationError(f"{count} scans used up all codes: later ones were replays.")
    return {"per_s": count / (micros / 1e6), "p50_ms": p50 / 1000, "p99_ms": p99 / 1000}


def _get(launcher: Launcher, seconds: int) -> float:
    output = subprocess.run(
        ["wrk", "-t1", f"-c{CLIENTS}", f"-d{seconds}s", f"{launcher.address}/health"],
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    found = re.search(r"Requests/sec:\s+([\d.]+)", output)
    if found is None:
        raise ConfigurationError(f"wrk printed no result:\n{output}")
    return float(found[1])


async def _lone(address: str, requests: Path) -> float:
    """Median of scans sent one after another to an idle server, in milliseconds."""
    phone = Phone(address)
    times = []
    for line in requests.read_text().splitlines():
        token, body = line.split("\t")
        started = time.perf_counter()
        status, _ = await phone.post("/api/v1/scans", json.loads(body), {"Authorization": f"Bearer {token}"})
        times.append((time.perf_counter() - started) * 1000)
        if status != 200:
            raise ConfigurationError(f"A lone scan answered {status}.")
    await phone.close()
    return statistics.median(times)


@contextmanager
def _peer_database(url: URL) -> Iterator[URL]:
    engine = create_engine(url.set(drivername="postgresql+psycopg"), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text("DROP DATABASE IF EXISTS bench_peer"))
        connection.execute(text("CREATE DATABASE bench_peer"))
        yield url.set(database="bench_peer")
        connection.execute(
            text("DROP DATABASE bench_peer")
        )  # WITH (FORCE) may not end autovacuum, which this waits for
    engine.dispose()


def _pgbench(found: Settings, url: str, home: Path, clients: int, seconds: int) -> float:
    """Transactions a second of the conventional transaction, on the same server."""
    del found
    script = home / "peer.sql"
    script.write_text(_PGBENCH_SCRIPT)
    with _peer_database(make_url(url)) as peer:
        engine = create_engine(peer.set(drivername="postgresql+psycopg"))
        with engine.begin() as connection:
            connection.execute(text(_PGBENCH_TABLES))
        engine.dispose()
        environment = {
            "PGPASSWORD": peer.password or "",
            "PGHOST": str(peer.query.get("host", peer.host or "")),
            "PGPORT": str(peer.query.get("port", peer.port or 5432)),
            "PGUSER": peer.username or "",
            "PGDATABASE": "bench_peer",
        }
        output = subprocess.run(
            [str(postgres.bin_dir() / "pgbench"), "-n", "-M", "prepared", "-f", str(script),
             "-c", str(clients), "-j", "2", "-T", str(max(3, seconds // 2))],
            capture_output=True, text=True, check=True, env=environment,
        ).stdout  # fmt: skip
    rate = re.search(r"tps = ([\d.]+)", output)
    if rate is None:
        raise ConfigurationError(f"pgbench printed no rate:\n{output}")
    return float(rate[1])
