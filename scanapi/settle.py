"""Settles pending claims: those parked before activation, by themselves; those held by a rule, by a person's word.

Where two codes that both had a claim were paired on the line since, they are one unit: the earlier claim is paid, or
the one that was paid already stands; the other is voided, for its unit's reward is gone.

Idempotent: a claim that another worker or a scan has settled meanwhile is left as it is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from campaigns import appeals, awards, claims
from campaigns.awards import Award
from campaigns.claims import Claim
from codegen import pairs
from kernel import audit
from kernel.clock import now
from kernel.crypto import Vault
from kernel.db import Database, Tx
from kernel.errors import Conflict, InvalidInput, NotFound
from kernel.writes import Writes
from members import ledger
from traceability import units

CLAIMS_PER_GROUP_MAX = 200
REASON_CHARS_MAX = 200


async def settle(db: Database, vault: Vault) -> int:
    """Pay every claim that was parked before its activation and may be paid now, void those whose unit was paid on its
    other code; returns how many were paid.
    """  # noqa: D205 (one sentence)
    total = 0
    async with db.transaction() as tx:  # by itself: in the transactions that pay, units are locked before claims
        await claims.hold_leaked(tx)
    while True:
        async with db.transaction() as tx:
            candidates = await claims.settleable(tx, CLAIMS_PER_GROUP_MAX)
            mates = await _lock(tx, candidates)
            await claims.hold_leaked(tx, [claim.unit_id for claim in candidates])  # a key may have leaked since
            total += len(await _pay(tx, vault, candidates, mates))
        if len(candidates) < CLAIMS_PER_GROUP_MAX:
            return total


async def decide(tx: Tx, vault: Vault, claim_id: int, *, post: bool, reason: str, actor: str) -> Award | None:
    """Decide a claim that a rule holds: pay it now, or void it, which leaves the unit claimable.

    Returns:
        What the claim brought; None where it was voided.

    Raises:
        InvalidInput: no reason.
        NotFound: there is no such claim.
        Conflict: it is not held: paid, voided, or only waiting for its activation; or it is to be paid and the unit's
            other code was claimed first.
    """
    if not 1 <= len(reason.strip()) <= REASON_CHARS_MAX:
        raise InvalidInput(f"A decision has a reason of 1 to {REASON_CHARS_MAX} characters.", field="reason")
    claim = await claims.get(tx, claim_id)
    if claim is None:
        raise NotFound(f"There is no claim {claim_id}.")
    mates = await _lock(tx, [claim])
    claim = await claims.get(tx, claim_id)
    if claim is None or claim.state != "pending" or claim.reason == "inactive":
        raise Conflict(f"Claim {claim_id} is not held: there is nothing to decide.")
    award = None
    if post:
        award = (await _pay(tx, vault, [claim], mates)).get(claim.id)
        if award is None:
            raise Conflict(f"Claim {claim_id} cannot be paid: the unit's other code was claimed before.")
    else:
        await claims.void(tx, [claim.id], at=now())
    await appeals.follow(tx, claim.id, granted=post, at=now(), by=actor)
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


async def _lock(tx: Tx, wanted: Sequence[Claim]) -> dict[int, int]:
    """Lock the claims' units, the first of all locks, and those of their codes' mates; returns the mates by unit.

    A mate that was never scanned has no row and needs no lock: what scans it finds the claim on this side.
    """
    if not wanted:
        return {}
    await pairs.hold_still(tx, (claim.unit_id for claim in wanted))
    mates = await pairs.mates(tx, {claim.unit_id for claim in wanted})
    await units.lock(tx, [*(claim.unit_id for claim in wanted), *mates.values()])
    return mates


async def _pay(tx: Tx, vault: Vault, wanted: Sequence[Claim], mates: Mapping[int, int]) -> dict[int, Award]:
    """Post and pay those of the claims that are still pending under the locks; what each brought, by claim id.

    What loses its unit to a claim on the unit's other code is voided, whether it is one of `wanted` or not.
    """
    if not wanted:
        return {}
    standing = await claims.standing(tx, sorted({*(claim.unit_id for claim in wanted), *mates.values()}))
    ready, lost = _part(wanted, standing, mates)
    at = now()
    await _void_lost(tx, lost, at)
    if not ready:
        return {}
    terms = await awards.read_terms(tx, sorted({claim.brand_id for claim in ready}))
    accounts = await ledger.lock_accounts(tx, sorted({claim.member_id for claim in ready}))
    desk = await awards.open_desk(tx, vault, terms, accounts=accounts, at=at)
    paid = {claim.id: desk.award(claim) for claim in ready}
    await claims.mark_posted(tx, list(paid), at=at)
    writes = Writes()
    await desk.write(tx, writes)
    await writes.send(tx)
    return paid


def _part(
    wanted: Sequence[Claim], standing: Mapping[int, Claim], mates: Mapping[int, int]
) -> tuple[list[Claim], list[Claim]]:
    """The claims to be paid, and those that lose their unit to a claim on its other code: paid already, or made first.

    A claim whose earlier rival is pending and not wanted is neither: what becomes of that one is decided first.
    """
    ready: dict[int, Claim] = {}
    lost: dict[int, Claim] = {}
    for claim in sorted(wanted, key=lambda each: each.id):
        found = standing.get(claim.unit_id)
        if found is None or (found.id, found.state, found.reason) != (claim.id, "pending", claim.reason):
            continue  # settled meanwhile, or held for a person, because its key leaked
        rival = standing.get(mates.get(claim.unit_id, -1))
        if rival is not None and (rival.state == "posted" or rival.id in ready):
            lost[claim.id] = claim
        elif rival is None or rival.id > claim.id:
            ready[claim.id] = claim
            if rival is not None:
                lost[rival.id] = rival
    return list(ready.values()), list(lost.values())


async def _void_lost(tx: Tx, lost: Sequence[Claim], at: datetime) -> None:
    if not lost:
        return
    await claims.void(tx, [claim.id for claim in lost], at=at, reason=claims.PAIRED)
    for claim in lost:  # few: of two codes of one unit both were scanned before they were paired
        await audit.record(
            tx,
            brand_id=claim.brand_id,
            actor="settlement",
            action="claim.void",
            subject=f"claim {claim.id}",
            before={"state": "pending", "reason": claim.reason},
            after={"reason": claims.PAIRED},
        )
