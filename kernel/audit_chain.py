r"""Seals of the audit trail: rows are hashed in batches, and every seal holds the hash of the one before.

Whoever keeps a seal's hash (the *head*, see `Head`) can later prove that no row up to it was changed, taken away or
slipped in. Anyone can recompute it:

* A row's canonical JSON holds the keys `action, actor, after, at, before, brand_id, id, subject`; keys sorted by
  code point at every depth, no white space, UTF-8, nothing escaped but what JSON must (`"`, `\`, control
  characters); numbers as PostgreSQL's `jsonb` writes them; `at` in UTC as `2026-11-22T06:28:12.123456Z`.
* A row's hash is the SHA-256 of that. A *leaf* is the row's id (8 bytes, big endian) and its hash (32 bytes).
* `rows_hash` is the SHA-256 of the leaves of all rows from `first_id` to `last_id`, by id, one after another.
* A seal's `hash` is the SHA-256 of the canonical JSON of `at, count, first_id, last_id, number, previous_hash,
  rows_hash`, hashes in lower-case hex; `previous_hash` of seal 1 is 64 zeros. Each seal begins where the one before
  ended, so no id lies between two.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import text

from kernel.clock import now
from kernel.db import Database, Tx

ROWS_PER_SEAL_MAX = 10_000
SEALS_PER_SWEEP_MAX = 20
ROWS_PER_PAGE = 1_000
ROWS_WAITING_MAX = 1_000
WAITING_S_MAX = 300
LEAF_BYTES = 40
LOOKS = 20
LOOK_PAUSE_S = 0.05
START = bytes(32)
_LOCK = 0x59494D41_01


@dataclass(frozen=True, slots=True)
class Head:
    """A seal's identity: keep it where the database's operator cannot write."""

    number: int
    last_id: int
    hash: str
    at: str


@dataclass(frozen=True, slots=True)
class Verification:
    """What a look through the whole chain found.

    Attributes:
        unsealed: rows behind the last seal, which nothing guards yet.
        problem: the first row or seal that does not fit, or None.
    """

    seals: int
    rows: int
    unsealed: int
    head: Head | None
    problem: str | None

    @property
    def ok(self) -> bool:
        """Whether everything fits."""
        return self.problem is None


def canonical(value: Any) -> str:  # noqa: ANN401 (any JSON value)
    """JSON in the one form that is hashed."""
    if isinstance(value, dict):
        return "{" + ",".join(f"{canonical(key)}:{canonical(value[key])}" for key in sorted(value)) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ",".join(map(canonical, value)) + "]"
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, datetime):
        return canonical(stamp(value))
    assert not isinstance(value, float), "numbers are read as they are written"
    return json.dumps(value, ensure_ascii=False)


def stamp(at: datetime) -> str:
    """A time as it is hashed."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def row_document(row: Any) -> dict[str, Any]:  # noqa: ANN401 (a result row of `_ROWS`)
    """What a row's hash is made of."""
    return {
        "id": row.id, "brand_id": row.brand_id, "at": stamp(row.at), "actor": row.actor, "action": row.action,
        "subject": row.subject, "before": _parsed(row.before), "after": _parsed(row.after),
    }  # fmt: skip


def row_hash(document: dict[str, Any]) -> bytes:
    """The hash of a row's document."""
    return hashlib.sha256(canonical(document).encode()).digest()


def seal_hash(
    *, number: int, first_id: int, last_id: int, count: int, rows_hash: bytes, previous: bytes, at: datetime
) -> bytes:
    """The hash of a seal."""
    document = {
        "number": number, "first_id": first_id, "last_id": last_id, "count": count, "at": stamp(at),
        "rows_hash": rows_hash.hex(), "previous_hash": previous.hex(),
    }  # fmt: skip
    return hashlib.sha256(canonical(document).encode()).digest()


def _parsed(raw: str | None) -> Any:  # noqa: ANN401 (any JSON value)
    return None if raw is None else json.loads(raw, parse_float=Decimal)


def _leaf(row: Any) -> bytes:  # noqa: ANN401 (a result row)
    return int(row.id).to_bytes(8, "big") + row_hash(row_document(row))


_ROWS = text("""
    SELECT id, brand_id, at, actor, action, subject, before::text AS before, after::text AS after FROM audit_trail
    WHERE id >= :first AND id <= :last ORDER BY id LIMIT :most""")
_BRAND_ROWS = text("""
    SELECT id, brand_id, at, actor, action, subject, before::text AS before, after::text AS after FROM audit_trail
    WHERE brand_id = :brand AND id > :after AND (CAST(:last AS bigint) IS NULL OR id <= :last)
    ORDER BY id LIMIT :most""")
_LAST = text("SELECT number, last_id, hash, at FROM audit_seal ORDER BY number DESC LIMIT 1")
_NEXT_SEAL = text("""
    SELECT number, first_id, last_id, count AS row_count, leaves, rows_hash, previous_hash, hash, at FROM audit_seal
    WHERE number > :number ORDER BY number LIMIT 1""")
# Who may still commit a row with an id up to the highest one visible: such a row was numbered before we looked, by
# a statement that took this lock first and keeps it to its transaction's end. (As CREATE INDEX CONCURRENTLY waits.)
_WRITERS = text("""
    SELECT virtualtransaction FROM pg_locks
    WHERE locktype = 'relation' AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
        AND relation = 'audit_trail'::regclass AND granted AND pid IS DISTINCT FROM pg_backend_pid()
        AND mode = 'RowExclusiveLock'""")


async def seal(tx: Tx) -> Head | None:
    """Seal the next rows, at most 10,000; returns the new head, or None where there is nothing to seal now.

    Rows are sealed once no transaction can still add one with a lower id: those that wrote to the trail are waited
    for up to a second, and a longer one puts the sealing off until the next sweep. Call it in a transaction of its
    own; two at once do not get in each other's way.
    """
    mine = await tx.execute(text("SELECT pg_try_advisory_xact_lock(:lock)"), {"lock": _LOCK})
    if not mine.scalar_one():
        return None
    last = (await tx.execute(_LAST)).one_or_none()
    number, after, previous = (0, 0, START) if last is None else (last.number, last.last_id, bytes(last.hash))
    highest = (await tx.execute(text("SELECT max(id) FROM audit_trail"))).scalar_one()
    if highest is None or highest <= after or not await _writers_gone(tx):
        return None
    # a new statement sees all that they committed (READ COMMITTED)
    rows = (await tx.execute(_ROWS, {"first": after + 1, "last": highest, "most": ROWS_PER_SEAL_MAX})).all()
    leaves = await asyncio.to_thread(lambda: b"".join(map(_leaf, rows)))
    values = {
        "number": number + 1, "first_id": after + 1, "last_id": rows[-1].id, "count": len(rows),
        "rows_hash": hashlib.sha256(leaves).digest(), "at": now(),
    }  # fmt: skip
    made = seal_hash(previous=previous, **values)
    await tx.execute(
        text("""
            INSERT INTO audit_seal (number, first_id, last_id, count, leaves, rows_hash, previous_hash, hash, at)
            VALUES (:number, :first_id, :last_id, :count, :leaves, :rows_hash, :previous, :hash, :at)"""),
        {**values, "leaves": leaves, "previous": previous, "hash": made},
    )
    return Head(number + 1, rows[-1].id, made.hex(), stamp(values["at"]))


async def _writers_gone(tx: Tx) -> bool:
    """Whether everybody who wrote to the trail when this began has ended; newcomers have higher ids and may stay."""
    waited = set((await tx.execute(_WRITERS)).scalars())
    for _ in range(LOOKS):
        if not waited:
            return True
        await asyncio.sleep(LOOK_PAUSE_S)
        waited &= set((await tx.execute(_WRITERS)).scalars())
    return not waited


async def seal_due(db: Database, *, at_once: bool = False) -> int:
    """Seal the rows that wait, where they are many or the oldest waits for five minutes: a seal a row serves nobody.

    Args:
        db: the database; each seal has a transaction of its own.
        at_once: seal however few and young they are.

    Returns:
        How many seals were made, at most 20.
    """
    for made in range(SEALS_PER_SWEEP_MAX):
        async with db.transaction() as tx:
            if not (at_once or await _is_due(tx)) or await seal(tx) is None:
                return made
    return SEALS_PER_SWEEP_MAX


async def _is_due(tx: Tx) -> bool:
    last = (await tx.execute(_LAST)).one_or_none()
    row = await tx.execute(
        text("""
            SELECT count(*), min(at) FROM (
                SELECT at FROM audit_trail WHERE id > :after ORDER BY id LIMIT :many) AS waiting"""),
        {"after": 0 if last is None else last.last_id, "many": ROWS_WAITING_MAX},
    )
    count, oldest = row.one()
    return bool(count >= ROWS_WAITING_MAX or (count and now() - oldest >= timedelta(seconds=WAITING_S_MAX)))


async def head(tx: Tx) -> Head | None:
    """The newest seal; None where nothing is sealed yet."""
    row = (await tx.execute(_LAST)).one_or_none()
    return None if row is None else Head(row.number, row.last_id, bytes(row.hash).hex(), stamp(row.at))


async def verify(tx: Tx, *, kept: Head | None = None, seals_max: int | None = None) -> Verification:
    """Recompute the chain, seal by seal, in constant memory; the hashing runs beside the event loop.

    Args:
        tx: the transaction.
        kept: a head exported earlier, which must still be in the chain.
        seals_max: look at so many of the newest seals only; all by default.
    """
    begin = await _begin(tx, seals_max)
    number, after, previous, rows = begin.number, begin.last_id, bytes.fromhex(begin.hash), 0
    problem: str | None = None
    while problem is None:
        found = await tx.execute(_NEXT_SEAL, {"number": number})
        stored = found.one_or_none()
        if stored is None:
            break
        problem = _judge_seal(stored, number + 1, after, previous) or await _judge_rows(tx, stored)
        number, after, previous = stored.number, stored.last_id, bytes(stored.hash)
        rows += stored.row_count
        if problem is None and kept is not None and kept.number == number and kept.hash != previous.hex():
            problem = f"seal {number} is not the one that was exported: the trail was rewritten"
    if problem is None and kept is not None and kept.number > number:
        problem = f"seal {kept.number}, which was exported, is gone: the trail ends with seal {number}"
    unsealed = await tx.execute(text("SELECT count(*) FROM audit_trail WHERE id > :after"), {"after": after})
    return Verification(number - begin.number, rows, int(unsealed.scalar_one()), await head(tx), problem)


async def _begin(tx: Tx, seals_max: int | None) -> Head:
    """The seal before the first one to look at; seal 0 stands before all."""
    if seals_max is not None:
        row = await tx.execute(
            text("SELECT number, last_id, hash, at FROM audit_seal ORDER BY number DESC OFFSET :most LIMIT 1"),
            {"most": seals_max},
        )
        found = row.one_or_none()
        if found is not None:
            return Head(found.number, found.last_id, bytes(found.hash).hex(), stamp(found.at))
    return Head(0, 0, START.hex(), "")


def _judge_seal(stored: Any, number: int, after: int, previous: bytes) -> str | None:  # noqa: ANN401 (a result row)
    """What is wrong with a seal by itself and with its place in the chain."""
    if stored.number != number:
        return f"seal {number} is missing"
    if stored.first_id != after + 1 or bytes(stored.previous_hash) != previous:
        return f"seal {number} does not follow seal {number - 1}"
    leaves = bytes(stored.leaves)
    if len(leaves) != stored.row_count * LEAF_BYTES or hashlib.sha256(leaves).digest() != bytes(stored.rows_hash):
        return f"seal {number}: its list of rows was changed"
    made = seal_hash(
        number=number, first_id=stored.first_id, last_id=stored.last_id, count=stored.row_count,
        rows_hash=bytes(stored.rows_hash), previous=previous, at=stored.at,
    )  # fmt: skip
    return None if made == bytes(stored.hash) else f"seal {number} was changed: its hash does not fit"


async def _judge_rows(tx: Tx, stored: Any) -> str | None:  # noqa: ANN401 (a result row)
    """The first row that does not fit a sound seal."""
    values = {"first": stored.first_id, "last": stored.last_id, "most": stored.row_count + 1}
    rows = (await tx.execute(_ROWS, values)).all()
    return await asyncio.to_thread(_misfit, stored, rows)


def _misfit(stored: Any, rows: Sequence[Any]) -> str | None:  # noqa: ANN401 (result rows)
    leaves = bytes(stored.leaves)
    sealed = {
        int.from_bytes(leaves[at : at + 8], "big"): leaves[at + 8 : at + LEAF_BYTES]
        for at in range(0, len(leaves), LEAF_BYTES)
    }
    there = {row.id: row_hash(row_document(row)) for row in rows}
    for row_id in sorted(sealed.keys() | there.keys()):
        if row_id not in there:
            return f"row {row_id} is gone (seal {stored.number})"
        if row_id not in sealed:
            return f"row {row_id} was added after sealing (seal {stored.number})"
        if there[row_id] != sealed[row_id]:
            return f"row {row_id} was changed (seal {stored.number})"
    return None


def head_document(found: Head) -> dict[str, Any]:
    """A head as a file keeps it."""
    return {
        "kind": "yima-trail-head",
        "number": found.number,
        "last_id": found.last_id,
        "hash": found.hash,
        "at": found.at,
    }


def parse_head(document: Any) -> Head:  # noqa: ANN401 (any JSON value)
    """A head from a file.

    Raises:
        ValueError: it is none.
    """
    match document:
        case {
            "kind": "yima-trail-head",
            "number": int(number),
            "last_id": int(last_id),
            "hash": str(kept),
            "at": str(at),
        }:
            if number >= 1 and re.fullmatch(r"[0-9a-f]{64}", kept):
                return Head(number, last_id, kept, at)
    raise ValueError("no head")


async def export(tx: Tx, *, brand_id: int) -> AsyncIterator[dict[str, Any]]:
    """A brand's rows, and each seal with its leaves, in the order of the chain, then the rows not sealed yet.

    A seal covers the rows of all brands; of those of others the leaves hold the hash only.
    """
    number, after = 0, 0
    while True:
        stored = (await tx.execute(_NEXT_SEAL, {"number": number})).one_or_none()
        async for row in _rows_of(tx, brand_id, after, None if stored is None else stored.last_id):
            yield {"kind": "row", **row_document(row)}
        if stored is None:
            return
        number, after = stored.number, stored.last_id
        yield {
            "kind": "seal", "number": number, "first_id": stored.first_id, "last_id": after,
            "count": stored.row_count, "at": stamp(stored.at), "leaves": bytes(stored.leaves).hex(),
            "rows_hash": bytes(stored.rows_hash).hex(), "previous_hash": bytes(stored.previous_hash).hex(),
            "hash": bytes(stored.hash).hex(),
        }  # fmt: skip


async def _rows_of(tx: Tx, brand_id: int, after: int, last: int | None) -> AsyncIterator[Any]:
    """A brand's rows behind one id and up to another, a page at a time."""
    while True:
        found = await tx.execute(_BRAND_ROWS, {"brand": brand_id, "after": after, "last": last, "most": ROWS_PER_PAGE})
        page = found.all()
        for row in page:
            yield row
        if len(page) < ROWS_PER_PAGE:
            return
        after = page[-1].id
