"""The scan journal: one row for every scan whose signature verifies, whatever its outcome; and the replays.

The journal is partitioned by month. Scans that do not verify are exact counters with samples (DESIGN §2.5).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from operator import attrgetter
from typing import Any, Final
from uuid import UUID

import msgspec
from sqlalchemy import text

from kernel.db import Tx, encode_rows
from kernel.reads import Asked, Query, Reads
from kernel.writes import Part, Writes

REPLAY_KEPT_DAYS = 35


class ScanRow(msgspec.Struct, frozen=True):
    """One row of the journal. `reason` tells apart what the client must not be told apart.

    `dealer_id` is whose goods the unit was at the time, `first` whether it was never scanned before.
    """

    at: datetime
    scan_id: UUID
    brand_id: int
    unit_id: int
    side: str
    batch_id: int | None
    gtin: str | None
    outcome: str
    reason: str | None
    member_id: int | None
    device: bytes | None
    host: str | None
    adcode: int | None
    cell: int | None
    accuracy_m: float | None
    location_source: str
    location_sealed: bytes | None
    data_versions: str | None
    ip_province: int | None
    findings: list[dict[str, Any]]
    points: int
    dealer_id: int | None
    first: bool


_FIELDS: tuple[tuple[str, str], ...] = (
    ("at", "timestamptz"), ("scan_id", "uuid"), ("brand_id", "bigint"), ("unit_id", "bigint"), ("side", "text"),
    ("batch_id", "bigint"), ("gtin", "text"), ("outcome", "text"), ("reason", "text"), ("member_id", "bigint"),
    ("device", "bytea"), ("host", "text"), ("adcode", "integer"), ("cell", "bigint"), ("accuracy_m", "real"),
    ("location_source", "text"), ("location_sealed", "bytea"), ("data_versions", "text"),
    ("ip_province", "integer"), ("findings", "jsonb"), ("points", "integer"),
    ("dealer_id", "bigint"), ("first", "boolean"),
)  # fmt: skip
_KEYS = tuple(name for name, _ in _FIELDS)
_READ = attrgetter(*_KEYS)
_NAMES = ", ".join(_KEYS)
_ARRAYS = ", ".join(f"CAST(:{name} AS {kind}[])" for name, kind in _FIELDS)
_INSERT = text(f"INSERT INTO scan ({_NAMES}) SELECT * FROM unnest({_ARRAYS})")  # noqa: S608 (constants above)
_RECORDS = ", ".join(f"{name} {'text' if kind == 'bytea' else kind}" for name, kind in _FIELDS)
_VALUES = ", ".join(f"decode({name}, 'base64')" if kind == "bytea" else name for name, kind in _FIELDS)
_ANSWER = Part(
    f"""scan_rows AS MATERIALIZED (
        SELECT * FROM json_to_recordset(CAST(:scans AS json)) AS n({_RECORDS}, body_hash text, reply text)
    ), scans AS (INSERT INTO scan ({_NAMES}) SELECT {_VALUES} FROM scan_rows
    ), replies AS (
        INSERT INTO scan_replay (scan_id, at, brand_id, body_hash, member_id, reply)
        SELECT scan_id, at, brand_id, decode(body_hash, 'base64'), member_id, decode(reply, 'base64')
        FROM scan_rows ORDER BY scan_id
    )"""  # noqa: S608 (constants above)
)


def _columns(rows: Sequence[ScanRow]) -> dict[str, list[Any]]:
    columns: dict[str, list[Any]] = dict(zip(_KEYS, map(list, zip(*map(_READ, rows), strict=True)), strict=True))
    columns["findings"] = [json.dumps(findings) if findings else "[]" for findings in columns["findings"]]
    return columns


async def record(tx: Tx, rows: Sequence[ScanRow]) -> None:
    """Write rows in one statement, without replies: for histories that nobody asks again for."""
    await tx.execute(_INSERT, _columns(rows))


class AnsweredRow(ScanRow, frozen=True):
    """A row of the journal with the hash of the scan's body and the reply, for whoever asks again."""

    body_hash: bytes
    reply: bytes


def answer(writes: Writes, rows: Sequence[AnsweredRow]) -> None:
    """Write a group's rows, and their replies for replay.

    Where another transaction has used one of the scan ids meanwhile, sending fails as any unique violation does
    (SQLSTATE 23505): whoever judges the group again will find the reply.
    """
    writes.add(_ANSWER, {"scans": encode_rows(rows)})


class Replay(msgspec.Struct, frozen=True):
    """The reply that a scan id got when it first came."""

    scan_id: UUID
    at: datetime
    brand_id: int
    body_hash: bytes
    member_id: int | None
    reply: bytes


_REPLAYS: Final = Query(
    """ARRAY(
        SELECT ROW(scan_id, at, brand_id, body_hash, member_id, reply) FROM scan_replay
        WHERE scan_id = ANY(CAST(:replayed AS uuid[])))""",
    lambda rows: {row[0]: Replay(*row) for row in rows},
)


def ask_replays(reads: Reads, scan_ids: list[UUID]) -> Asked[dict[UUID, Replay]]:
    """Have the known scan ids among these looked for."""
    return reads.add(_REPLAYS, {"replayed": scan_ids})


async def count_refused(tx: Tx, day: date, counts: dict[tuple[str, int], int]) -> None:
    """Add to the day's counters of scans that do not verify: {(outcome, key id or -1): how many}."""
    keys = sorted(counts)
    await tx.execute(
        text("""
            INSERT INTO refused_count (day, outcome, key_id, count)
            SELECT :day, * FROM unnest(CAST(:outcomes AS text[]), CAST(:keys AS smallint[]), CAST(:counts AS bigint[]))
            ON CONFLICT (day, outcome, key_id) DO UPDATE SET count = refused_count.count + excluded.count"""),
        {
            "day": day,
            "outcomes": [key[0] for key in keys],
            "keys": [key[1] for key in keys],
            "counts": [counts[key] for key in keys],
        },
    )


@dataclass(frozen=True, slots=True)
class Sample:
    """A refused text, masked so that it is no use as a code."""

    at: datetime
    outcome: str
    masked: str
    device: bytes | None


async def sample_refused(tx: Tx, samples: Sequence[Sample]) -> None:
    """Keep some refused texts for whoever investigates."""
    await tx.execute(
        text("""
            INSERT INTO refused_sample (at, outcome, masked, device)
            SELECT * FROM unnest(CAST(:ats AS timestamptz[]), CAST(:outcomes AS text[]), CAST(:texts AS text[]),
                CAST(:devices AS bytea[]))"""),
        {
            "ats": [sample.at for sample in samples],
            "outcomes": [sample.outcome for sample in samples],
            "texts": [sample.masked for sample in samples],
            "devices": [sample.device for sample in samples],
        },
    )


async def count_views(tx: Tx, day: date, views: dict[tuple[int, int], int]) -> None:
    """Add to the day's landing-page views: {(unit id, brand id): how many}."""
    keys = sorted(views)
    await tx.execute(
        text("""
            INSERT INTO landing_view (day, unit_id, brand_id, count)
            SELECT :day, * FROM unnest(CAST(:units AS bigint[]), CAST(:brands AS bigint[]), CAST(:counts AS integer[]))
            ON CONFLICT (day, unit_id) DO UPDATE
                SET count = landing_view.count + excluded.count, last_at = now()"""),
        {
            "day": day,
            "units": [key[0] for key in keys],
            "brands": [key[1] for key in keys],
            "counts": [views[key] for key in keys],
        },
    )


# Made beside the journal and then attached: `PARTITION OF` would lock the journal against scans, and wait for that
# behind whoever reads it long. A month that was detached keeps its name and is not made again.
_MAKE_PARTITION = """
    DO $$ BEGIN
        PERFORM pg_advisory_xact_lock(1498959169, 32);
        IF to_regclass('{name}') IS NULL THEN
            CREATE TABLE {name} (LIKE scan INCLUDING ALL);
            ALTER TABLE scan ATTACH PARTITION {name} FOR VALUES FROM ('{low} 00:00+00') TO ('{high} 00:00+00');
        END IF;
    END $$"""


def partition_statements(today: date, *, months_ahead: int = 3) -> list[str]:
    """The statements that make the journal's partitions for last month, this one and those ahead, where missing."""
    first = today.year * 12 + today.month - 2  # months since year 0 of last month
    statements = []
    for month in range(first, first + 2 + months_ahead):
        low, high = (date(m // 12, m % 12 + 1, 1) for m in (month, month + 1))
        statements.append(_MAKE_PARTITION.format(name=f"scan_{low:%Y_%m}", low=low, high=high))
    return statements


async def ensure_partitions(tx: Tx, today: date) -> None:
    """Make the journal's partitions for the months to come; run daily."""
    for statement in partition_statements(today):
        await tx.execute(text(statement))


async def prune(tx: Tx) -> int:
    """Forget replies after 35 days: a client that retries later still is told `repeat` instead."""
    result = await tx.execute(
        text("DELETE FROM scan_replay WHERE at < now() - make_interval(days => :days)"), {"days": REPLAY_KEPT_DAYS}
    )
    return result.rowcount
