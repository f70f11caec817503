"""The outbox: what must leave (a text message, a webhook, a payout) is written with the facts it tells of.

A message is put in the use case's own transaction and delivered after it, outside any transaction
(DESIGN §2.7), at least once. A handler must therefore tell the receiver the message's `key`, which never
changes, so that a second delivery can be recognised.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import structlog
from sqlalchemy import (
    BigInteger,
    Column,
    DateTime,
    Identity,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import insert

from kernel.clock import now
from kernel.crypto import Vault
from kernel.db import Database, Tx, metadata
from kernel.requests import REQUEST_ID_CHARS_MAX, request_id, working_for

log = structlog.get_logger(__name__)

ATTEMPTS_MAX = 12
LEASE_S = 60
BATCH_MAX = 100
KEPT_DAYS = 7

outbox_message = Table(
    "outbox_message",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("brand_id", BigInteger),
    Column("kind", String(40), nullable=False),
    Column("key", String(80), nullable=False, unique=True),
    Column("sealed", LargeBinary, nullable=False),
    Column("state", String(10), nullable=False, server_default="due"),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("due_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("delivered_at", DateTime(timezone=True)),
    Column("last_error", String(300)),
    Column("request_id", String(REQUEST_ID_CHARS_MAX)),
    Index("ix_outbox_message_due", "due_at", postgresql_where=text("state = 'due'")),
    Index("ix_outbox_message_dead", "id", postgresql_where=text("state = 'dead'")),
)


@dataclass(frozen=True, slots=True)
class Message:
    """Something to tell the world: `body` is sealed at rest, for it may hold personal data."""

    kind: str
    key: str
    body: bytes
    brand_id: int | None = None


Handler = Callable[[Message], Awaitable[None]]
"""Delivers one message, or raises; it runs outside any transaction."""


class Undeliverable(Exception):
    """Raised by a handler when the receiver has refused for good: trying again is pointless."""


async def put(tx: Tx, vault: Vault, messages: Sequence[Message]) -> None:
    """Add messages to the outbox in the caller's transaction; a key already there is not added again."""
    if not messages:
        return
    rows = [
        {
            "brand_id": message.brand_id,
            "kind": message.kind,
            "key": message.key,
            "sealed": vault.seal(message.body, f"outbox/{message.key}"),
            "request_id": request_id.get(),
        }
        for message in messages
    ]
    await tx.execute(insert(outbox_message).on_conflict_do_nothing(), rows)


_TAKE = text("""
    UPDATE outbox_message SET attempts = attempts + 1, due_at = now() + make_interval(secs => :lease_s)
    WHERE id IN (
        SELECT id FROM outbox_message WHERE state = 'due' AND due_at <= now()
        ORDER BY due_at LIMIT :most FOR UPDATE SKIP LOCKED)
    RETURNING id, kind, key, sealed, brand_id, attempts, request_id
""")
_RENEW = text("""
    UPDATE outbox_message SET due_at = now() + make_interval(secs => :lease_s)
    WHERE id = :id AND attempts = :attempts AND state = 'due' AND due_at > now()
""")
_DELIVERED = text("UPDATE outbox_message SET state = 'sent', delivered_at = now(), last_error = NULL WHERE id = :id")
_FAILED = text("""
    UPDATE outbox_message SET due_at = :due_at, last_error = :error,
        state = CASE WHEN attempts >= :most THEN 'dead' ELSE 'due' END
    WHERE id = :id AND state = 'due'
""")


async def relay(db: Database, vault: Vault, handlers: Mapping[str, Handler]) -> dict[str, int]:
    """Deliver what is due, each message under a lease so that several relays share the work.

    Returns:
        Counts: `sent`, `failed` (to be tried again, later each time) and `dead` (given up after 12 attempts, or
        refused for good).
    """
    counts = {"sent": 0, "failed": 0, "dead": 0}
    while True:
        async with db.transaction() as tx:
            taken = (await tx.execute(_TAKE, {"lease_s": LEASE_S, "most": BATCH_MAX})).all()
        for row in taken:
            if await _still_ours(db, row):
                with working_for(row.request_id):
                    counts[await _deliver(db, vault, handlers, row)] += 1
        if len(taken) < BATCH_MAX:
            return counts


async def _still_ours(db: Database, row: Any) -> bool:  # noqa: ANN401 (a result row)
    """Renew the lease before each message: those before it may have taken their time, and another relay have it."""
    async with db.transaction() as tx:
        values = {"lease_s": LEASE_S, "id": row.id, "attempts": row.attempts}
        renewed = await tx.execute(_RENEW, values)
    return renewed.rowcount == 1


async def _deliver(db: Database, vault: Vault, handlers: Mapping[str, Handler], row: Any) -> str:  # noqa: ANN401 (a result row)
    try:
        body = vault.open(row.sealed, f"outbox/{row.key}")
        handler = handlers[row.kind]
        await handler(Message(kind=row.kind, key=row.key, body=body, brand_id=row.brand_id))
    except Exception as error:  # noqa: BLE001 (any failure of a receiver is recorded and tried again)
        wait = timedelta(seconds=5 * 2**row.attempts)
        reason = type(error).__name__  # an error's text may quote the body
        most = row.attempts if isinstance(error, Undeliverable) else ATTEMPTS_MAX
        async with db.transaction() as tx:
            await tx.execute(_FAILED, {"id": row.id, "due_at": now() + wait, "error": reason, "most": most})
        outcome = "dead" if row.attempts >= most else "failed"
        log.warning("outbox.undelivered", kind=row.kind, message=row.id, attempts=row.attempts, error=reason)
        return outcome
    async with db.transaction() as tx:
        await tx.execute(_DELIVERED, {"id": row.id})
    return "sent"


async def prune(tx: Tx) -> int:
    """Delete messages delivered more than a week ago; returns how many."""
    result = await tx.execute(
        text("DELETE FROM outbox_message WHERE state = 'sent' AND delivered_at < now() - make_interval(days => :days)"),
        {"days": KEPT_DAYS},
    )
    return result.rowcount
