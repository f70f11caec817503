"""Pays claims that were parked before activation, once their range is active. Idempotent; run by the worker."""

from __future__ import annotations

from sqlalchemy import text

from campaigns import awards, claims
from kernel.clock import now
from kernel.crypto import Vault
from kernel.db import Database, Tx
from members import ledger
from traceability import units

CLAIMS_PER_GROUP_MAX = 200


async def settle(db: Database, vault: Vault) -> int:
    """Pay every parked claim that may be paid; returns how many were."""
    total = 0
    while True:
        async with db.transaction() as tx:
            found, paid = await _settle_group(tx, vault)
        total += paid
        if found < CLAIMS_PER_GROUP_MAX:
            return total


async def _settle_group(tx: Tx, vault: Vault) -> tuple[int, int]:
    candidates = await claims.settleable(tx, CLAIMS_PER_GROUP_MAX)
    if not candidates:
        return 0, 0
    batch_of = await tx.execute(
        text("SELECT id, batch_id FROM unit WHERE id = ANY(CAST(:ids AS bigint[]))"),
        {"ids": [claim.unit_id for claim in candidates]},
    )
    batch_ids = dict(tuple(row) for row in batch_of)
    await units.lock(tx, ((c.unit_id, c.brand_id, batch_ids[c.unit_id]) for c in candidates))
    # under the locks: what a scan or another worker has settled meanwhile is left out
    standing = await claims.standing(tx, sorted({claim.unit_id for claim in candidates}))
    ready = [c for c in candidates if (now_ := standing.get(c.unit_id)) is not None and now_.state == "pending"]
    if not ready:
        return len(candidates), 0
    at = now()
    accounts = await ledger.lock_accounts(tx, sorted({claim.member_id for claim in ready}))
    terms = await awards.read_terms(tx, sorted({claim.brand_id for claim in ready}))
    desk = await awards.open_desk(tx, vault, terms, accounts=accounts, at=at)
    for claim in ready:
        desk.award(claim)
    await claims.mark_posted(tx, [claim.id for claim in ready], at=at)
    await desk.write(tx)
    return len(candidates), len(ready)
