"""What scans are held against: PostgreSQL itself, the usual way to write such a thing, an endpoint that only decodes.

The first peer is `pgbench` with prepared statements running the conventional transaction of such a platform: upsert
the unit, insert the scan, insert the ledger entry, update the balance; four statements and a commit. The second runs
the same transaction with an object-relational mapper, one a scan. The third reads a scan's body and does nothing.
"""

from __future__ import annotations

import asyncio
import os
import random
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import msgspec
import uvicorn
from litestar import Litestar, post
from litestar.enums import ScopeType
from litestar.params import JSONBody
from litestar.types import Receive, Scope, Send
from sqlalchemy import BigInteger, Identity, create_engine, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.ext.asyncio import async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from kernel import postgres
from kernel.errors import ConfigurationError
from scanapi.endpoint import ScanIn
from yima import processes

PGBENCH_CLIENTS: Final = (1, 16, 64)
ORM_CLIENTS: Final = 16
START_S_MAX: Final = 30.0

_TABLES: Final = """
CREATE TABLE b_unit (id bigint PRIMARY KEY, claimed_by bigint, scans int NOT NULL);
CREATE TABLE b_scan (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, unit_id bigint, member_id bigint,
    at timestamptz DEFAULT now(), lat real, lng real, outcome text);
CREATE INDEX ON b_scan (unit_id);
CREATE TABLE b_entry (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, member_id bigint, unit_id bigint UNIQUE,
    points int, at timestamptz DEFAULT now());
CREATE TABLE b_member (id bigint PRIMARY KEY, balance bigint NOT NULL);
INSERT INTO b_member SELECT n, 0 FROM generate_series(1, 5000) n;
"""

_SCRIPT: Final = """
\\set unit random(1, 9000000000000)
\\set member random(1, 5000)
BEGIN;
INSERT INTO b_unit VALUES (:unit, :member, 1) ON CONFLICT (id) DO UPDATE SET scans = b_unit.scans + 1;
INSERT INTO b_scan (unit_id, member_id, lat, lng, outcome) VALUES (:unit, :member, 30.2, 120.1, 'awarded');
INSERT INTO b_entry (member_id, unit_id, points) VALUES (:member, :unit, 10) ON CONFLICT DO NOTHING;
UPDATE b_member SET balance = balance + 10 WHERE id = :member;
COMMIT;
"""


@contextmanager
def database(url: str) -> Iterator[URL]:
    """A database of the peers' own on the same server."""
    home = make_url(url)
    engine = create_engine(home.set(drivername="postgresql+psycopg"), isolation_level="AUTOCOMMIT")
    peer = home.set(database="bench_peer")
    with engine.connect() as connection:
        connection.execute(text("DROP DATABASE IF EXISTS bench_peer"))
        connection.execute(text("CREATE DATABASE bench_peer"))
        own = create_engine(peer.set(drivername="postgresql+psycopg"))
        with own.begin() as inside:
            inside.execute(text(_TABLES))
        own.dispose()
        yield peer
        connection.execute(text("DROP DATABASE bench_peer"))
    engine.dispose()


def pgbench(peer: URL, home: Path, clients: int, seconds: int) -> float:
    """Transactions a second."""
    script = home / "peer.sql"
    script.write_text(_SCRIPT)
    environment = {
        "PGPASSWORD": peer.password or "",
        "PGHOST": str(peer.query.get("host", peer.host or "")),
        "PGPORT": str(peer.query.get("port", peer.port or 5432)),
        "PGUSER": peer.username or "",
        "PGDATABASE": str(peer.database),
    }
    output = subprocess.run(
        [str(postgres.bin_dir() / "pgbench"), "-n", "-M", "prepared", "-f", str(script),
         "-c", str(clients), "-j", "2", "-T", str(seconds)],
        capture_output=True, text=True, check=True, env=environment,
    ).stdout  # fmt: skip
    rate = re.search(r"tps = ([\d.]+)", output)
    if rate is None:
        raise ConfigurationError(f"pgbench printed no rate:\n{output}")
    return float(rate[1])


class _Base(DeclarativeBase):
    pass


class _Unit(_Base):
    __tablename__ = "b_unit"
    id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    claimed_by: Mapped[int] = mapped_column(BigInteger)
    scans: Mapped[int]


class _Scan(_Base):
    __tablename__ = "b_scan"
    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    unit_id: Mapped[int] = mapped_column(BigInteger)
    member_id: Mapped[int] = mapped_column(BigInteger)
    lat: Mapped[float]
    lng: Mapped[float]
    outcome: Mapped[str]


class _Entry(_Base):
    __tablename__ = "b_entry"
    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    member_id: Mapped[int] = mapped_column(BigInteger)
    unit_id: Mapped[int] = mapped_column(BigInteger)
    points: Mapped[int]


class _Member(_Base):
    __tablename__ = "b_member"
    id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    balance: Mapped[int] = mapped_column(BigInteger)


def orm(peer: URL, seconds: float) -> float:
    """Scans a second the usual way: a session and a transaction each, 16 at a time in one process, without HTTP."""
    return asyncio.run(_orm(peer, seconds))


async def _orm(peer: URL, seconds: float) -> float:
    engine = create_async_engine(peer.set(drivername="postgresql+asyncpg"), pool_size=ORM_CLIENTS)
    sessions = async_sessionmaker(engine, expire_on_commit=False)
    rng = random.Random(7)
    done = 0
    started = time.perf_counter()

    async def client() -> None:
        nonlocal done
        while time.perf_counter() - started < seconds:
            unit_id, member_id = rng.randrange(9 * 10**12), rng.randrange(1, 5001)
            async with sessions.begin() as session:
                unit = await session.get(_Unit, unit_id, with_for_update=True)
                if unit is None:
                    session.add(_Unit(id=unit_id, claimed_by=member_id, scans=1))
                else:
                    unit.scans += 1
                session.add(_Scan(unit_id=unit_id, member_id=member_id, lat=30.2, lng=120.1, outcome="awarded"))
                session.add(_Entry(member_id=member_id, unit_id=unit_id, points=10))
                member = await session.get_one(_Member, member_id, with_for_update=True)
                member.balance += 10
            done += 1

    await asyncio.gather(*(client() for _ in range(ORM_CLIENTS)))
    took_s = time.perf_counter() - started
    await engine.dispose()
    return done / took_s


_DECODER: Final = msgspec.json.Decoder(ScanIn)


@post("/api/v1/scans", status_code=200)
async def decode(data: JSONBody[ScanIn]) -> dict[str, str]:
    """An endpoint of the framework that reads a scan's body and answers that it did."""
    return {"read": str(data.scan_id)}


async def decode_bare(scope: Scope, receive: Receive, send: Send) -> None:
    """The same without framework and layers: nothing can read a body with less in this web server."""
    assert scope["type"] == ScopeType.HTTP
    body, more = b"", True
    while more:
        message = await receive()
        assert message["type"] == "http.request"
        body, more = body + message["body"], message["more_body"]
    answer = msgspec.json.encode({"read": str(_DECODER.decode(body).scan_id)})
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(answer)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": answer, "more_body": False})


@contextmanager
def decoding(port: int, *, bare: bool) -> Iterator[str]:
    """The address of a process that serves `decode` or `decode_bare`, by the same web server as ours."""
    with processes.listen(("127.0.0.1", port)) as listening:
        child = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.scan_peers", "bare" if bare else "framework", str(listening.fileno())],
            pass_fds=[listening.fileno()],
        )
        try:
            _wait(port)
            yield f"http://127.0.0.1:{port}"
        finally:
            child.terminate()
            child.wait()


def _wait(port: int) -> None:
    """Wait until it answers; the socket takes connections before."""
    with socket.create_connection(("127.0.0.1", port), timeout=START_S_MAX) as asking:
        asking.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        asking.recv(1)


def _serve(kind: str, descriptor: int) -> None:
    application = decode_bare if kind == "bare" else Litestar([decode])
    config = uvicorn.Config(
        application, loop="uvloop", http="httptools", lifespan="off", access_log=False, log_config=None, ws="none",
        server_header=False, proxy_headers=False,
    )  # fmt: skip
    uvicorn.Server(config).run(sockets=[socket.socket(fileno=descriptor)])


if __name__ == "__main__":
    os.environ.setdefault("PYTHONUNBUFFERED", "1")
    _serve(sys.argv[1], int(sys.argv[2]))
