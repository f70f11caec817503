"""Appeals as a use case: made by a member in one tap, answered by a person, whose yes pays like any other claim."""

from __future__ import annotations

from datetime import datetime

from campaigns import appeals, claims
from campaigns.appeals import Appeal, Standing
from campaigns.awards import Award
from campaigns.claims import Claim
from codegen import pairs
from kernel import audit, sequences
from kernel.clock import now
from kernel.crypto import Vault
from kernel.db import Tx
from kernel.errors import Conflict, InvalidInput, NotFound
from kernel.writes import Writes
from scanapi import settle
from scanapi.service import ScanService
from traceability import brands, units


async def standing(tx: Tx, scans: ScanService, *, member: tuple[int, int], code: str) -> Standing | None:
    """Where a member (id, brand id) stands with the reward behind a code; None where the code is not their brand's."""
    found = await scans.find(tx, code)
    if found is None or found[0].brand_id != member[1]:
        return None
    return await appeals.standing(tx, member_id=member[0], unit_ids=await _both(tx, found[1]))


async def appeal_by_code(tx: Tx, scans: ScanService, *, member: tuple[int, int], code: str) -> Appeal:
    """Appeal against what became of a member's scan of a code.

    Raises:
        NotFound: the code is none of the member's brand.
        Conflict: no rule holds or refuses this member anything there.
        TooMany: too many of the member's appeals are open.
    """
    found = await scans.find(tx, code)
    if found is None or found[0].brand_id != member[1]:
        raise NotFound("This code is none of the brand that you are signed in with.")
    return await _appeal(tx, member, found[1])


async def appeal_by_claim(tx: Tx, *, member: tuple[int, int], claim_id: int) -> Appeal:
    """Appeal for a claim of one's own that a rule holds.

    Raises:
        NotFound: the member has no such claim.
        Conflict: no rule holds it.
        TooMany: too many of the member's appeals are open.
    """
    claim = await claims.get(tx, claim_id)
    if claim is None or (claim.member_id, claim.brand_id) != member:
        raise NotFound("You have no such claim.")
    return await _appeal(tx, member, claim.unit_id)


async def _both(tx: Tx, unit_id: int) -> list[int]:
    return [unit_id, *(await pairs.mates(tx, [unit_id])).values()]


async def _appeal(tx: Tx, member: tuple[int, int], unit_id: int) -> Appeal:
    member_id, brand_id = member
    on = await appeals.ground(tx, member_id=member_id, unit_ids=await _both(tx, unit_id))
    if on is None:
        raise Conflict("Nothing is held or refused here: there is nothing to appeal against.")
    days = (await brands.settings(tx, brand_id)).appeal_days
    return await appeals.make(tx, brand_id=brand_id, member_id=member_id, on=on, at=now(), days=days)


async def decide(
    tx: Tx, vault: Vault, appeal_id: int, *, grant: bool, said: str, actor: str, brand_id: int | None = None
) -> Award | None:
    """Answer an appeal: pay, or decline with a sentence that the consumer reads.

    Returns:
        What it brought; None where it was declined.

    Raises:
        InvalidInput: no sentence with a refusal, or too long a one.
        NotFound: there is no such appeal (of the brand).
        Conflict: it is answered already, or somebody else has claimed the unit meanwhile.
    """
    said = said.strip()
    if len(said) > appeals.SAID_CHARS_MAX or not (grant or said):
        raise InvalidInput(
            f"A refusal is told in a sentence of 1 to {appeals.SAID_CHARS_MAX} characters.", field="said"
        )
    appeal = await appeals.get(tx, appeal_id, brand_id=brand_id)
    if appeal is None:
        raise NotFound(f"There is no appeal {appeal_id}.")
    claim_id, award = appeal.claim_id, None
    if not grant or claim_id is not None:
        await pairs.hold_still(tx, [appeal.unit_id])
    # Units are locked before anything else (DESIGN §4), the appeal's row after them.
    if grant and claim_id is None:
        claim_id = await _claim_for(tx, appeal, now())
    else:
        await units.lock(tx, await _both(tx, appeal.unit_id))
    locked = await appeals.get(tx, appeal_id, locked=True)
    if locked is None or locked.state != "open":
        raise Conflict(f"Appeal {appeal_id} is answered already.")
    await appeals.close(
        tx, appeal_id, state="granted" if grant else "declined", said=said, claim_id=claim_id, at=now(), by=actor
    )
    held = None if claim_id is None else await claims.get(tx, claim_id)
    # A claim that was settled by itself meanwhile leaves nothing to pay, and nothing in the way of a refusal.
    if held is not None and (grant or held.state == "pending"):
        why = said or f"appeal {appeal_id}"
        award = await settle.decide(tx, vault, held.id, post=grant, reason=why, actor=actor)
    await audit.record(
        tx, brand_id=appeal.brand_id, actor=actor, action="appeal.grant" if grant else "appeal.decline",
        subject=f"appeal {appeal.id}", before={"state": "open", "reason": appeal.reason},
        after={"claim": claim_id, "said": said},
    )  # fmt: skip
    return award


async def _claim_for(tx: Tx, appeal: Appeal, at: datetime) -> int:
    """A claim for somebody who was refused one, to be paid in the same transaction.

    Raises:
        Conflict: the unit's reward was claimed meanwhile.
    """
    both = await _both(tx, appeal.unit_id)
    await pairs.keep_still_alone(tx, both)
    if await _both(tx, appeal.unit_id) != both:
        raise Conflict("The unit's codes were paired at this moment: try again.")
    await units.lock(tx, both)
    if await claims.standing(tx, both):
        raise Conflict("The unit's reward was claimed by somebody meanwhile: it can be paid once only.")
    (claim_id,) = await sequences.reserve(tx, claims.IDS, 1)
    claim = Claim(
        id=claim_id, brand_id=appeal.brand_id, unit_id=appeal.unit_id, member_id=appeal.member_id,
        scan_id=appeal.scan_id, gtin=appeal.gtin, device=None, state="pending", reason=appeals.NOT_PAID, at=at,
    )  # fmt: skip
    writes = Writes()
    claims.store(writes, [claim])
    await writes.send(tx)
    return claim_id
