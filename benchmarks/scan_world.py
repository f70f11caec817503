"""The brand that scan benchmarks scan: everything on (rules, a draw, shipments), and what is in the tables before."""

from __future__ import annotations

import json
import random
import time
from datetime import timedelta
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from sqlalchemy import create_engine, text
from sqlalchemy.engine import Connection, make_url

from campaigns import draws, earning
from campaigns.rules import DrawRules, PrizeRule
from codegen import gs1
from kernel.clock import now
from kernel.db import Tx
from kernel.errors import ConfigurationError
from members import ledger
from traceability import catalogue, shipments
from traceability.shipments import Carton
from yima import issue, switching
from yima.cli.members import make as make_members
from yima.runtime import Runtime
from yima.story import cast

MEMBERS: Final = 5_000
FORGED: Final = 20_000
SETTLE_S: Final = 2.0
ROLLED_UP_S_MAX: Final = 3_600.0
_SYMBOLS: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


class World:
    """A brand with its codes and members, and the requests made of them."""

    def __init__(self, rng: random.Random, codes: list[str], hot_codes: list[str], tokens: list[list[str]]) -> None:
        self._rng = rng
        self._codes = iter(codes)
        self._hot_codes = iter(hot_codes)
        self._tokens, self._hot_tokens = tokens

    @classmethod
    async def make(cls, opened: Runtime, home: Path, *, codes: int, hot_codes: int) -> World:
        """The brand `bench`, with everything on; and `hot`, each of whose claims wins the same prize."""
        tea = cast.TEAS[0]
        rare = (PrizeRule(1, "奖", "Prize", 10_000_000, 100_000, 100),)
        sure = (PrizeRule(1, "奖", "Prize", 1_000_000_000, 1_000_000, 100),)
        tokens = []
        lines = []
        for slug, prefix, gtin, prizes, count in (
            ("bench", "6901234", tea.gtin, rare, codes),
            ("hot", "6905555", "06905555000014", sure, hot_codes),
        ):
            async with opened.db.transaction() as tx:
                brand_id = await _brand(tx, opened, slug, prefix, gtin, prizes)
            lines.append(await _codes(opened, home, slug, prefix, gtin, count, brand_id))
            tokens.append(await make_members(opened, brand_id, MEMBERS))
        return cls(random.Random(1), lines[0], lines[1], tokens)

    def fresh(self, count: int) -> list[str]:
        """New codes by random members."""
        return [self._request(next(self._codes), self._rng.choice(self._tokens)) for _ in range(count)]

    def hot_code(self, count: int) -> list[str]:
        """One code by many members."""
        code = next(self._codes)
        return [self._request(code, self._rng.choice(self._tokens)) for _ in range(count)]

    def hot_member(self, count: int) -> list[str]:
        """New codes by one member."""
        token = self._rng.choice(self._tokens)
        return [self._request(next(self._codes), token) for _ in range(count)]

    def hot_prize(self, count: int) -> list[str]:
        """New codes of which every one wins the same prize."""
        return [self._request(next(self._hot_codes), self._rng.choice(self._hot_tokens)) for _ in range(count)]

    def forged(self) -> list[str]:
        """Codes that nobody signed."""
        codes = ("".join(self._rng.choice(_SYMBOLS) for _ in range(20)) for _ in range(FORGED))
        return [self._request(f"HTTPS://T.YIMA.CN/Q/{code}", self._rng.choice(self._tokens)) for code in codes]

    def code(self) -> str:
        """One more new code."""
        return next(self._codes)

    def _request(self, code: str, token: str) -> str:
        city = self._rng.choice(cast.CITIES)
        body = {
            "scan_id": str(UUID(int=self._rng.getrandbits(128), version=4)),
            "code": code,
            "device_id": f"phone-{self._rng.randrange(10**9)}",
            "location": {
                "lat": city.lat + self._rng.gauss(0, 0.05), "lng": city.lng + self._rng.gauss(0, 0.05),
                "datum": "wgs84", "accuracy_m": 30, "source": "gps",
            },
        }  # fmt: skip
        return f"{token}\t{json.dumps(body)}\n"


async def _brand(
    tx: Tx, opened: Runtime, slug: str, prefix: str, gtin: str, prizes: tuple[PrizeRule, ...]
) -> int:  # fmt: skip
    brand = await catalogue.create_brand(
        tx, slug=slug, name="压测", name_en="Bench", company_prefix=prefix, actor="bench"
    )
    await ledger.open_accounts(tx, brand_id=brand.id, member_ids=[None])
    await catalogue.create_product(
        tx, brand_id=brand.id, gtin=gtin, name="茶", name_en="Tea", units_per_case=24, actor="bench"
    )
    await earning.set_rule(
        tx, brand_id=brand.id, gtin=gtin, points=10, qualifying=10, expires_after_days=365,
        active_from=now() - timedelta(days=1), actor="bench",
    )  # fmt: skip
    rules = DrawRules(
        name_zh="抽奖", name_en="Draw", gtins=(), prizes=prizes, opens_at=now() + timedelta(seconds=1),
        closes_at=now() + timedelta(days=1), entries_per_person=None,
        entries_per_person_per_day=None, when_stock_ends="nothing",
    )  # fmt: skip
    await draws.publish(tx, opened.vault, brand_id=brand.id, rules=rules, actor="bench")
    return brand.id


async def _codes(
    opened: Runtime, home: Path, slug: str, prefix: str, gtin: str, count: int, brand_id: int
) -> list[str]:  # fmt: skip
    """Codes of an order, activated, packed and shipped to a dealer."""
    out = home / f"{slug}.txt"
    manifest = await issue.issue(opened, issue.Order(slug, gtin, count, out), actor="bench")
    await switching.activate(opened, manifest.batch, first=None, last=None, actor="bench")
    low = manifest.key_id << 34 | manifest.first_serial // 2
    cartons = [
        Carton(gs1.make_sscc(1, prefix, n), low + n * 24, low + n * 24 + 23) for n in range(count // 24)
    ]  # fmt: skip
    async with opened.db.transaction() as tx:
        dealer = await shipments.create_dealer(
            tx, brand_id=brand_id, code="D", name="经销商", adcodes=[330000, 310000], actor="bench"
        )
        await shipments.pack(tx, brand_id=brand_id, cartons=cartons, at=now())
        await shipments.ship(
            tx, brand_id=brand_id, document="bench", dealer=dealer, adcode=330100,
            ssccs=[carton.sscc for carton in cartons], at=now(), actor="bench",
        )  # fmt: skip
    return out.read_text().splitlines()


_GROWN: Final = ("unit", "claim", "journal", "entry", "lot", "scan_{month}", "scan_replay")
_FILL: Final = (
    """INSERT INTO unit (id, brand_id, batch_id, scan_count, first_scan_at, first_member_id)
       SELECT :unit + n, :brand, :batch, 1, now() - n % 86400 * interval '1 second', :member + n % :members
       FROM generate_series(1, :claimed) n""",
    """INSERT INTO claim (id, brand_id, unit_id, member_id, scan_id, gtin, state, at, settled_at)
       SELECT nextval('claim_id_seq'), :brand, :unit + n, :member + n % :members, gen_random_uuid(), :gtin, 'posted',
           now(), now() FROM generate_series(1, :claimed) n""",
    """INSERT INTO journal (id, brand_id, at, kind, cause_kind, cause_id)
       SELECT nextval('journal_id_seq'), :brand, now(), 'earn', 'fill', n::text FROM generate_series(1, :claimed) n""",
    """INSERT INTO entry (brand_id, journal_id, account_id, amount, kind, cause_kind, cause_id, rule_id, rule_version)
       SELECT :brand, j.id, leg.account, leg.amount, 'earn', 'fill', j.cause_id, 1, 1
       FROM journal j CROSS JOIN LATERAL (
           VALUES (:account + 2 * (j.id % :members), 10), (:issuer, -10)) leg(account, amount)
       WHERE j.cause_kind = 'fill'""",
    """INSERT INTO lot (id, brand_id, journal_id, account_id, amount, "left", active_from, expires_at)
       SELECT nextval('lot_id_seq'), :brand, j.id, :account + 2 * (j.id % :members), 10, 10, now(), now() + '1 year'
       FROM journal j WHERE j.cause_kind = 'fill'""",
    """INSERT INTO scan (at, scan_id, brand_id, unit_id, side, batch_id, gtin, outcome, member_id, adcode, cell,
           accuracy_m, location_source, findings, points, first)
       SELECT greatest(now() - n % 86400 * interval '1 second', date_trunc('month', now())), gen_random_uuid(), :brand,
           :unit + n % :claimed, 'outer', :batch, :gtin, 'awarded', :member + n % :members, 330106, 617733123456,
           30, 'gps', '[]', 10, n <= :claimed FROM generate_series(1, :rows) n""",
    """INSERT INTO scan_replay (scan_id, at, brand_id, body_hash, member_id, reply)
       SELECT gen_random_uuid(), now(), :brand, sha256(n::text::bytea), :member, convert_to(repeat('x', 400), 'UTF8')
       FROM generate_series(1, :claimed) n""",
)


def fill(url: str, *, claimed: int, rows: int) -> None:
    """Put claimed units, with their ledger, and journal rows into the tables; indexes are built when all is in."""
    time.sleep(SETTLE_S)  # what the last load left under way must not wait for our locks
    engine = create_engine(make_url(url).set(drivername="postgresql+psycopg"))
    with engine.connect() as connection:
        values = _values(connection) | {"claimed": claimed, "rows": rows}
        month = values.pop("month")
        tables = [name.format(month=month) for name in _GROWN]
        indexes = _take_indexes(connection, tables)
        connection.execute(text("SET maintenance_work_mem = '512MB'"))
        for statement in _FILL:
            connection.execute(text(statement), values)
        for definition in indexes:
            connection.execute(text(definition))
        connection.commit()
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        for table in tables:
            connection.execute(text(f"VACUUM (ANALYZE) {table}"))
    engine.dispose()


def wait_for_rollups(url: str) -> None:
    """Wait until the workers have taken in what was filled: on a real machine it is long in the rollups.

    Raises:
        ConfigurationError: they do not get on.
    """
    engine = create_engine(make_url(url).set(drivername="postgresql+psycopg"), isolation_level="AUTOCOMMIT")
    ends = time.monotonic() + ROLLED_UP_S_MAX
    with engine.connect() as connection:
        while connection.execute(_BEHIND).scalar_one():
            if time.monotonic() > ends:
                raise ConfigurationError("The rollups did not catch up: see the workers' lines above.")
            time.sleep(1)
    engine.dispose()


_BEHIND: Final = text(
    "SELECT coalesce(bool_or(as_of < now() - interval '3 seconds'), true) FROM rollup_state WHERE live"
)


def _values(connection: Connection) -> dict[str, Any]:
    rows = connection.execute(
        text("""
            SELECT b.id AS brand, t.id AS batch, t.gtin, min(m.id) AS member, count(m.id) AS members,
                (SELECT min(a.id) FROM account a WHERE a.brand_id = b.id AND a.member_id IS NOT NULL) AS account,
                (SELECT min(a.id) FROM account a WHERE a.brand_id = b.id AND a.member_id IS NULL) AS issuer,
                upper(t.span) / 2 + 10000000 AS unit, to_char(now() AT TIME ZONE 'UTC', 'YYYY_MM') AS month
            FROM brand b JOIN batch t ON t.brand_id = b.id JOIN member m ON m.brand_id = b.id
            WHERE b.slug = 'bench' GROUP BY b.id, t.id""")
    ).mappings()
    return dict(rows.one())


def _take_indexes(connection: Connection, tables: list[str]) -> list[str]:
    """Drop the tables' indexes that are no constraint's; how to make them again."""
    found = connection.execute(
        text("""
            SELECT i.indexrelid::regclass::text AS name, pg_get_indexdef(i.indexrelid) AS definition FROM pg_index i
            WHERE i.indrelid = ANY(SELECT to_regclass(t) FROM unnest(CAST(:tables AS text[])) t)
                AND NOT EXISTS (SELECT 1 FROM pg_constraint c WHERE c.conindid = i.indexrelid)
                AND NOT EXISTS (SELECT 1 FROM pg_inherits h WHERE h.inhrelid = i.indexrelid)"""),
        {"tables": tables},
    ).all()
    for name, _ in found:
        connection.execute(text(f"DROP INDEX {name}"))
    return [definition for _, definition in found]
