"""Where a simulation plays: a PostgreSQL server of its own, and a database with a brand, codes, members and draws.

The database is a template, made once through the product's own use cases; each run plays on a copy.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any
from unittest import mock

import psycopg
from sqlalchemy.engine import make_url

from campaigns import draws, earning
from campaigns.rules import DrawRules, PrizeRule
from kernel import postgres, postgres_folder
from kernel.clock import now
from members import ledger, people
from members.tokens import Tokens
from traceability import catalogue
from yima import broker, issue, migrate, runtime, settings, switching
from yima.runtime import Runtime
from yima.settings import ACCEPT_LOSS, Settings

TEMPLATE = "template_simulation"
GTIN = "06901234567892"
POINTS, QUALIFYING = 10, 5
ACTIVE, PARKED, VOIDED = 1_500, 120, 20
MEMBERS = 80
UNIT_BITS = 34

_SERVER = """\
# Thrown away with its data: nothing of it need outlive a crash of the machine. Processes that die lose nothing.
fsync = off
full_page_writes = off
# Deadlocks of a simulation are told within its seconds.
deadlock_timeout = 60ms
log_min_messages = warning
log_min_error_statement = panic
"""


@dataclass(frozen=True, slots=True)
class Code:
    """A code as printed, the number of its unit, and in which state its range begins."""

    text: str
    unit: int
    state: str


@dataclass(frozen=True, slots=True)
class Member:
    """Somebody with a bearer token."""

    id: int
    token: str


@dataclass(frozen=True, slots=True)
class Cast:
    """What the template holds: who scans, and what there is to scan. `parked_batch` is activated in the course."""

    codes: list[Code]
    members: list[Member]
    parked_batch: str


class Stage:
    """The server, the template, and copies of it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.secret = secrets.token_urlsafe(32)
        self._attachment: postgres.Attachment | None = None
        self.cast = Cast([], [], "")

    @contextlib.contextmanager
    def opened(self) -> Iterator[Stage]:
        """Run the server and make the template, until the block ends."""
        self.attach()
        try:
            with self.connect("postgres") as owner:
                owner.execute(f"CREATE DATABASE {TEMPLATE}")
            migrate.upgrade(self.url(TEMPLATE))
            found = self.settings(self.url(TEMPLATE))
            broker.prepare(found, self.url(TEMPLATE))
            self.cast = asyncio.run(_fill(found, self.folder))
            yield self
        finally:
            assert self._attachment is not None
            self._attachment.close()
            postgres.stop_now(self.folder / "home")

    def attach(self) -> None:
        """Have the server running; again where its keeper gave up, which it does after five deaths a minute."""
        said = postgres_folder._settings(self.folder) + _SERVER
        with mock.patch.object(postgres_folder, "_settings", return_value=said):
            attachment = postgres.attach(self.folder / "home")
        if self._attachment is not None:
            self._attachment.close()
        self._attachment = attachment

    @property
    def socket(self) -> str:
        """The server's socket."""
        assert self._attachment is not None
        endpoint = self._attachment.endpoint
        return f"{endpoint.socket_dir}/.s.PGSQL.{endpoint.port}"

    @property
    def data(self) -> Path:
        """The server's data folder."""
        return self.folder / "home" / "postgres" / "data"

    def postmaster(self) -> int:
        """The server's first process."""
        return int((self.data / "postmaster.pid").read_text().split("\n", 1)[0])

    def url(self, database: str, port: int | None = None) -> str:
        """A database's address, straight or through the proxy at this port."""
        assert self._attachment is not None
        url = make_url(self._attachment.endpoint.url("asyncpg")).set(database=database)
        if port is not None:
            url = url.set(host="127.0.0.1", port=port, query={})
        return url.render_as_string(hide_password=False)

    def connect(self, database: str, **more: Any) -> psycopg.Connection[Any]:
        """A connection of our own, straight to the server; each statement commits."""
        conninfo = make_url(self.url(database)).set(drivername="postgresql").render_as_string(hide_password=False)
        return psycopg.connect(conninfo, autocommit=True, **more)

    def patiently(self, database: str, *, seconds_max: float = 30) -> psycopg.Connection[Any]:
        """A connection, as soon as the server takes any."""
        deadline = time.monotonic() + seconds_max
        while True:
            try:
                return self.connect(database)
            except psycopg.OperationalError:
                if time.monotonic() > deadline:
                    raise
                self.attach()
                time.sleep(0.05)

    def settings(self, url: str) -> Settings:
        """The settings of an installation on a database."""
        return settings.load(self.environment(url))

    def environment(self, url: str) -> dict[str, str]:
        """The environment of a process of that installation."""
        return {
            "YIMA_ENV": "dev",
            "YIMA_HOME": str(self.folder / "installation"),
            "YIMA_DATABASE_URL": url,
            "YIMA_SECRET_KEYS": self.secret,
            "YIMA_PUBLIC_URL": "HTTPS://T.YIMA.CN",
            "YIMA_UNSAFE_DATABASE": ACCEPT_LOSS,
        }

    @contextlib.contextmanager
    def copy(self, name: str) -> Iterator[str]:
        """A copy of the template, there while the block runs; gives its name."""
        with self.patiently("postgres") as owner:
            self._part(owner, TEMPLATE)
            owner.execute(f"CREATE DATABASE {name} TEMPLATE {TEMPLATE} STRATEGY = FILE_COPY")
        try:
            yield name
        finally:
            with self.patiently("postgres") as owner:
                self._part(owner, name)
                owner.execute(f"DROP DATABASE {name}")

    @staticmethod
    def _part(owner: psycopg.Connection[Any], name: str) -> None:
        """End all connections to a database. (Not by `DROP … WITH (FORCE)`: our role may not end autovacuum.)"""
        ours = "FROM pg_stat_activity WHERE datname = %s AND usename = current_user"
        deadline = time.monotonic() + 30
        while owner.execute(f"SELECT pg_terminate_backend(pid) {ours}", [name]).fetchone():
            assert time.monotonic() < deadline, f"somebody stays connected to {name}"
            time.sleep(0.005)


async def _fill(found: Settings, folder: Path) -> Cast:
    async with runtime.connect(found, found.database_url or "", application="simulation") as opened:
        async with opened.db.transaction() as tx:
            brand = await catalogue.create_brand(
                tx, slug="tea", name="云雾茶", name_en="Cloud Tea", company_prefix="6901234", actor="test"
            )
            await ledger.open_accounts(tx, brand_id=brand.id, member_ids=[None])
            await catalogue.create_product(
                tx, brand_id=brand.id, gtin=GTIN, name="绿茶", name_en="Tea", units_per_case=24, actor="test"
            )
            await earning.set_rule(
                tx, brand_id=brand.id, gtin=GTIN, points=POINTS, qualifying=QUALIFYING, expires_after_days=365,
                active_from=now() - timedelta(days=400), actor="test",
            )  # fmt: skip
            member_ids = await people.enrol(
                tx, opened.vault, opened.index, brand_id=brand.id, joined_at=now() - timedelta(days=90),
                phones=[f"+86138{n:08d}" for n in range(MEMBERS)],
            )  # fmt: skip
        codes: list[Code] = []
        batches: dict[str, str] = {}
        for state, count in (("active", ACTIVE), ("parked", PARKED), ("voided", VOIDED)):
            out = folder / f"{state}.txt"
            manifest = await issue.issue(opened, issue.Order("tea", GTIN, count, out), actor="test")
            low = (manifest.key_id << UNIT_BITS) + manifest.first_serial // 2
            codes += [Code(text, low + line, state) for line, text in enumerate(out.read_text().splitlines())]
            batches[state] = manifest.batch
        await switching.activate(opened, batches["active"], first=None, last=None, actor="test")
        await switching.block(
            opened, batches["voided"], first=None, last=None, state="void", reason="test", actor="test"
        )
        await _publish_draws(opened, brand.id)
        issued_before = time.time() - 75 * 86_400  # a clock that is set back does not make them come from the future
        with mock.patch("itsdangerous.timed.time.time", return_value=issued_before):
            tokens = Tokens(opened.vault)
            members = [Member(member_id, tokens.issue(member_id, brand.id)) for member_id in member_ids]
    return Cast(codes, members, batches["parked"])


async def _publish_draws(opened: Runtime, brand_id: int) -> None:
    """One draw whose prize many want and few get, and one with plenty."""
    for name, weight_ppb, stock in (("scarce", 400_000_000, 12), ("plenty", 500_000_000, 100_000)):
        rules = DrawRules(
            name_zh=name, name_en=name, gtins=(), prizes=(PrizeRule(1, "茶壶", "Teapot", weight_ppb, stock, 10_000),),
            opens_at=now() + timedelta(milliseconds=200), closes_at=now() + timedelta(days=300),
            entries_per_person=None, entries_per_person_per_day=None, when_stock_ends="nothing",
        )  # fmt: skip
        async with opened.db.transaction() as tx:
            await draws.publish(tx, opened.vault, brand_id=brand_id, rules=rules, actor="test", name=name)
    await asyncio.sleep(0.25)  # both have opened
