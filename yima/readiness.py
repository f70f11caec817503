"""Whether this process can serve: which part is away, without secrets, within two seconds."""

from __future__ import annotations

import asyncio
import time

import structlog

from kernel.db import Database
from scanapi.service import ScanService
from yima import durability, migrate

log = structlog.get_logger(__name__)

READY_S_MAX = 2.0
KEYS_AGE_S_MAX = 30.0
"""Keys are looked at each second; so long without success, a new batch's codes would be told to be forged."""


async def look(db: Database, scans: ScanService, *, accepts_loss: bool) -> dict[str, str]:
    """Each part and how it is; `ok` everywhere where this process can serve, and could be started anew.

    Args:
        db: the process's.
        scans: the process's.
        accepts_loss: a database that loses what it acknowledged in a crash is meant (`YIMA_UNSAFE_DATABASE`).
    """
    found = {"database": "away", "schema": "unknown", "durability": "unknown", "keys": "ok"}
    try:
        async with asyncio.timeout(READY_S_MAX), db.transaction() as tx:
            revision = await tx.run_sync(migrate.state)
            losses = [] if accepts_loss else await durability.losses(tx)
        found["database"] = "ok"
        found["schema"] = "ok" if migrate.suits(revision) else "other"
        found["durability"] = "; ".join(losses) or "ok"
    except Exception as error:
        log.warning("not.ready", error=type(error).__name__)
    if time.monotonic() - scans.keys.refreshed_at > KEYS_AGE_S_MAX:
        found["keys"] = "stale"
    return found
