"""Signs of life of background processes: a row each, renewed with every turn."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Column, DateTime, String, Table, func, text

from kernel.db import Tx, metadata

heartbeat = Table(
    "heartbeat",
    metadata,
    Column("process", String(60), primary_key=True),
    Column("at", DateTime(timezone=True), nullable=False, server_default=func.now()),
)


BEAT = text("""
    INSERT INTO heartbeat (process, at) VALUES (:process, now())
    ON CONFLICT (process) DO UPDATE SET at = greatest(heartbeat.at, EXCLUDED.at)
""")
"""Notes that a process lives."""


async def latest(tx: Tx) -> dict[str, datetime]:
    """When each process last showed life."""
    rows = await tx.execute(text("SELECT process, at FROM heartbeat ORDER BY process"))
    return {row.process: row.at for row in rows}
