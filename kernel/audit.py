"""The audit trail: who changed what, when, from what to what. Rows are only ever added."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from sqlalchemy import BigInteger, Column, DateTime, Identity, Index, String, Table, func, text
from sqlalchemy.dialects.postgresql import JSONB

from kernel.db import Tx, metadata

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
