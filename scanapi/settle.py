"""Settles pending claims: those parked before activation, by themselves; those held by a rule, by a person's word.

Idempotent: a claim that another worker or a scan has settled meanwhile is left as it is.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import text

from campaigns import awards, claims
from campaigns.awards import Award
from campaigns.claims import Claim
from kernel import audit
from kernel.clock import now
from kernel.crypto import Vault
from kernel.db import Database, Tx
from kernel.errors import Conflict, InvalidInput, NotFound
from members import ledger
from traceability import units

CLAIMS_PER_GROUP_MAX = 200
REASON_CHARS_MAX = 200


async def settle(db: Database, vault: Vault) -> int:
    """Pay every claim that was parked before its activation and may be paid now; returns how many were."""
    total = 0
    while True:
        async with db.transaction() as tx:
            await claims.hold_leaked(tx)
            candidates = await claims.settleable(tx, CLAIMS_PER_GROUP_MAX)
            total += len(await _pay(tx, vault, candidates))
        if len(candidates) < CLAIMS_PER_GROUP_MAX:
            return total


async def decide(tx: Tx, vault: Vault, claim_id: int, *, post: bool, reason: str, actor: str) -> Award | None:
    """Decide a claim that a rule holds: pay it now, or void it, which leaves the unit claimable.

    Returns:
        What the claim brought; None where it was voided.

    Raises:
        InvalidInput: no reason.
        NotFound: there is no such claim.
        Conflict: it is not held: paid, voided, or only waiting for its activation.
    """
    if not 1 <= len(reason.strip()) <= REASON_CHARS_MAX:
        raise InvalidInput(f"A decision has a reason of 1 to {REASON_CHARS_MAX} characters.", field="reason")
    claim = await claims.get(tx, claim_id)
    if claim is None:
        raise NotFound(f"There is no claim {claim_id}.")
    await _lock(tx, [claim])
    claim = await claims.get(tx, claim_id)
    if claim is None or claim.state != "pending" or claim.reason == "inactive":
        raise Conflict(f"Claim {claim_id} is not held: there is nothing to decide.")
    award = None
    if post:
        award = (await _pay(tx, vault, [claim]))[claim.id]
    else:
        await claims.void(tx, claim.id, at=now())
    await audit.record(
        tx,
        brand_id=claim.brand_id,
        actor=actor,
        action="claim.post" if post else "claim.void",
        subject=f"claim {claim.id}",
        before={"state": "pending", "reason": claim.reason},
        after={"reason": reason},
    )
    return award


async def _lock(tx: Tx, wanted: Sequence[Claim]) -> None:
    """Lock the claims' units, the first of all locks."""
    rows = await tx.execute(
        text("SELECT id, batch_id FROM unit WHERE id = ANY(CAST(:ids AS bigint[]))"),
        {"ids": [claim.unit_id for claim in wanted]},
    )
    batch_of = dict(tuple(row) for row in rows)
    await units.lock(tx, ((claim.unit_id, claim.brand_id, batch_of[claim.unit_id]) for claim in wanted))


async def _pay(tx: Tx, vault: Vault, wanted: Sequence[Claim]) -> dict[int, Award]:
    """Post and pay those of the claims that are still pending under the locks; what each brought, by claim id."""
    if not wanted:
        return {}
    await _lock(tx, wanted)
    standing = await claims.standing(tx, sorted({claim.unit_id for claim in wanted}))
    ready = [
        claim for claim in wanted if (found := standing.get(claim.unit_id)) is not None and found.state == "pending"
    ]
    if not ready:
        return {}
    at = now()
    terms = await awards.read_terms(tx, sorted({claim.brand_id for claim in ready}))
    accounts = await ledger.lock_accounts(tx, sorted({claim.member_id for claim in ready}))
    desk = await awards.open_desk(tx, vault, terms, accounts=accounts, at=at)
    paid = {claim.id: desk.award(claim) for claim in ready}
    await claims.mark_posted(tx, list(paid), at=at)
    await desk.write(tx)
    return paid
