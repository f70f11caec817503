"""Writes that are done once under a client's key: the first answer is kept for a day, and given again.

The key is taken and the answer kept in the write's own transaction: what failed has no answer and may be tried again,
and what was done has one for certain. Of several at once with one key one writes; the others wait for it a moment.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from sqlalchemy import BigInteger, Column, DateTime, Index, LargeBinary, PrimaryKeyConstraint, String, Table, func, text
from sqlalchemy.exc import DBAPIError

from kernel.db import Tx, metadata
from kernel.errors import Conflict, InvalidInput

KEY_CHARS_MAX = 200
KEPT_HOURS = 24
WAIT_S_MAX = 5
"""So long a request waits for another one with its key; then it is told to come back."""

answered_request = Table(
    "answered_request",
    metadata,
    Column("brand_id", BigInteger, nullable=False),
    Column("holder", String(60), nullable=False),
    Column("route", String(200), nullable=False),
    Column("key_hash", LargeBinary, nullable=False),
    Column("body_hash", LargeBinary, nullable=False),
    Column("answer", LargeBinary),
    Column("at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    PrimaryKeyConstraint("brand_id", "holder", "route", "key_hash"),
    Index("ix_answered_request_at", "at"),
)


class KeyTaken(Conflict):
    """The key was used for another request."""

    code = "idempotency_key_reused"


class StillRunning(Conflict):
    """The first request with the key is not done yet."""

    code = "idempotency_key_in_use"


@dataclass(frozen=True, slots=True)
class Asked:
    """A write under a key.

    Attributes:
        brand_id: whose data it changes.
        holder: who asks, such as `station:7`; another one's equal key is another key.
        route: method and path.
        key: the client's.
        body: as it was sent.
    """

    brand_id: int
    holder: str
    route: str
    key: str
    body: bytes

    def values(self) -> dict[str, object]:
        """For statements: only hashes of what a client made up or sent."""
        return {
            "brand": self.brand_id,
            "holder": self.holder,
            "route": self.route,
            "key": hashlib.sha256(self.key.encode()).digest(),
        }


async def take(tx: Tx, asked: Asked) -> bytes | None:
    """Take a key for this transaction; returns the first answer where the same was asked before, else None.

    Raises:
        InvalidInput: the key is none.
        KeyTaken: it was used with another body.
        StillRunning: another request has it and does not end.
    """
    if not (1 <= len(asked.key) <= KEY_CHARS_MAX and asked.key.isascii() and asked.key.isprintable()):
        raise InvalidInput(f"An Idempotency-Key has 1 to {KEY_CHARS_MAX} printable characters of ASCII.")
    body_hash = hashlib.sha256(asked.body).digest()
    # longer than the day that is promised, a row may still stand until it is pruned: it counts no more
    insert = text("""
        INSERT INTO answered_request (brand_id, holder, route, key_hash, body_hash)
        VALUES (:brand, :holder, :route, :key, :body)
        ON CONFLICT (brand_id, holder, route, key_hash) DO UPDATE
            SET body_hash = excluded.body_hash, answer = NULL, at = now()
            WHERE answered_request.at < now() - make_interval(hours => :hours)
        RETURNING 1""")
    await tx.execute(text(f"SET LOCAL lock_timeout = '{WAIT_S_MAX}s'"))
    try:
        taken = await tx.execute(insert, {**asked.values(), "body": body_hash, "hours": KEPT_HOURS})
    except DBAPIError as error:
        if getattr(error.orig, "sqlstate", None) == "55P03":  # lock_not_available
            raise StillRunning(
                "The first request with this Idempotency-Key is still being done; ask again in a moment.",
                retry_after_s=1,
            ) from error
        raise
    await tx.execute(text("SET LOCAL lock_timeout = 0"))
    if taken.scalar_one_or_none() is not None:
        return None
    row = await tx.execute(
        text("""
            SELECT body_hash, answer FROM answered_request
            WHERE brand_id = :brand AND holder = :holder AND route = :route AND key_hash = :key"""),
        asked.values(),
    )
    first = row.one()
    if bytes(first.body_hash) != body_hash:
        raise KeyTaken("This Idempotency-Key was used for another request: give each its own.")
    return bytes(first.answer)


async def keep(tx: Tx, asked: Asked, answer: bytes) -> None:
    """Keep the answer of a write whose key was taken in this transaction."""
    await tx.execute(
        text("""
            UPDATE answered_request SET answer = :answer
            WHERE brand_id = :brand AND holder = :holder AND route = :route AND key_hash = :key"""),
        {**asked.values(), "answer": answer},
    )


async def prune(tx: Tx) -> int:
    """Delete answers older than a day; returns how many."""
    result = await tx.execute(
        text("DELETE FROM answered_request WHERE at < now() - make_interval(hours => :hours)"), {"hours": KEPT_HOURS}
    )
    return result.rowcount
