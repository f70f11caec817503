"""The audit trail: who changed what, when, from what to what. Rows are only ever added.

`kernel.audit_chain` seals them in batches, so that a later change of a row shows.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    DateTime,
    Identity,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from kernel.db import Tx, metadata

ROWS_MAX = 500

audit_trail = Table(
    "audit_trail",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("brand_id", BigInteger),
    Column("at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("actor", String(80), nullable=False),
    Column("action", String(60), nullable=False),
    Column("subject", String(120), nullable=False),
    Column("before", JSONB),
    Column("after", JSONB),
    Index("ix_audit_trail_brand_id_at", "brand_id", "at"),
)

audit_seal = Table(
    "audit_seal",
    metadata,
    Column("number", BigInteger, primary_key=True, autoincrement=False),  # gapless, from 1
    Column("first_id", BigInteger, nullable=False),
    Column("last_id", BigInteger, nullable=False),
    Column("count", Integer, nullable=False),
    Column("leaves", LargeBinary, nullable=False),  # each row's id and hash, 40 bytes a row
    Column("rows_hash", LargeBinary, nullable=False),
    Column("previous_hash", LargeBinary, nullable=False),
    Column("hash", LargeBinary, nullable=False),
    Column("at", DateTime(timezone=True), nullable=False),
    CheckConstraint("first_id <= last_id AND count > 0", name="range"),
    UniqueConstraint("last_id"),
)


@dataclass(frozen=True, slots=True)
class Row:
    """One change."""

    id: int
    brand_id: int | None
    at: datetime
    actor: str
    action: str
    subject: str
    before: Any
    after: Any


_INSERT = text("""
    INSERT INTO audit_trail (brand_id, actor, action, subject, before, after)
    VALUES (:brand_id, :actor, :action, :subject, CAST(:before AS jsonb), CAST(:after AS jsonb))
""")


async def record(
    tx: Tx,
    *,
    brand_id: int | None,
    actor: str,
    action: str,
    subject: str,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
) -> None:
    """Add one row in the transaction of the change it tells of; never personal data, never a code."""
    await tx.execute(
        _INSERT,
        {
            "brand_id": brand_id,
            "actor": actor,
            "action": action,
            "subject": subject,
            "before": None if before is None else json.dumps(dict(before)),
            "after": None if after is None else json.dumps(dict(after)),
        },
    )


_MATCHES = """
    (CAST(:since AS timestamptz) IS NULL OR at >= :since)
    AND (CAST(:until AS timestamptz) IS NULL OR at < :until)
    AND (CAST(:actor AS text) IS NULL OR actor = :actor)
    AND (CAST(:action AS text) IS NULL OR action = :action OR starts_with(action, :action || '.'))
    AND (CAST(:before_id AS bigint) IS NULL
        OR (at, id) < ((SELECT b.at FROM audit_trail b WHERE b.id = :before_id), CAST(:before_id AS bigint)))
    ORDER BY at DESC, id DESC LIMIT :rows_max"""
_FOUND = "SELECT id, brand_id, at, actor, action, subject, before, after FROM audit_trail"
# two branches, so that each reads its own stretch of the index on (brand_id, at), from its end
_FIND = text(f"""
    SELECT * FROM ({_FOUND} WHERE brand_id = :brand AND {_MATCHES}) AS own
    UNION ALL
    SELECT * FROM (
        {_FOUND} WHERE brand_id IS NULL AND subject = ANY(CAST(:subjects AS text[])) AND {_MATCHES}) AS people
    ORDER BY at DESC, id DESC LIMIT :rows_max""")  # noqa: S608 (constants)


async def find(
    tx: Tx,
    *,
    brand_id: int,
    staff_ids: list[int],
    since: datetime | None = None,
    until: datetime | None = None,
    actor: str | None = None,
    action: str | None = None,
    before_id: int | None = None,
    rows_max: int = ROWS_MAX,
) -> list[Row]:
    """A brand's rows, the newest first, and those of no brand that tell of its people (sign-ins, say).

    Args:
        tx: the transaction.
        brand_id: whose rows.
        staff_ids: its people.
        since: not before this.
        until: before this.
        actor: exactly this one.
        action: this one, or all that begin with it and a dot (`staff` finds `staff.grant`).
        before_id: rows behind the one with this id, to turn the page.
        rows_max: at most so many, and never more than 500.
    """
    assert 1 <= rows_max <= ROWS_MAX
    rows = await tx.execute(
        _FIND,
        {
            "brand": brand_id, "subjects": [f"staff {staff_id}" for staff_id in staff_ids], "since": since,
            "until": until, "actor": actor, "action": action, "before_id": before_id, "rows_max": rows_max,
        },
    )  # fmt: skip
    return [Row(*row) for row in rows]
