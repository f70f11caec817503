"""Held claims: a person pays or voids them."""

from __future__ import annotations

import asyncio

import pytest

from campaigns import claims
from campaigns.claims import Claim
from kernel.errors import Conflict, InvalidInput, NotFound
from scanapi import settle
from tests.world import World
from yima import audit


def _at(lat: float, lng: float) -> dict[str, object]:
    return {"lat": lat, "lng": lng, "datum": "wgs84", "accuracy_m": 20, "source": "gps"}


async def _hold(world: World) -> Claim:
    """Two phones, two thousand kilometres, one minute: the second one's claim is held."""
    await world.scan(world.lines[0], member=None, device_id="a", location=_at(39.91, 116.40))
    held = await world.scan(world.lines[0], member=1, device_id="b", location=_at(23.13, 113.26))
    assert held.outcome == "held"
    async with world.opened.db.transaction() as tx:
        (claim,) = await claims.held(tx, brand_id=world.brand.id)
    return claim


async def _decide(world: World, claim_id: int, *, post: bool, reason: str = "looked at the pack") -> object:
    async with world.opened.db.transaction() as tx:
        return await settle.decide(tx, world.opened.vault, claim_id, post=post, reason=reason, actor="test")


async def _sound(world: World) -> None:
    found = await audit.audit(world.opened)
    assert found.ok, [proof for proof in found.proofs if proof.breaches]


async def test_a_held_claim_that_is_posted_is_paid_once(world: World) -> None:
    claim = await _hold(world)
    results = await asyncio.gather(*(_decide(world, claim.id, post=True) for _ in range(5)), return_exceptions=True)
    assert sum(not isinstance(result, Exception) for result in results) == 1
    assert all(isinstance(result, Conflict) for result in results if isinstance(result, Exception))
    again = await world.scan(world.lines[0], member=1, device_id="b")
    assert (again.outcome, again.balance) == ("repeat", 10)
    await _sound(world)


async def test_a_held_claim_that_is_voided_leaves_the_unit_to_the_honest_buyer(world: World) -> None:
    claim = await _hold(world)
    assert await _decide(world, claim.id, post=False) is None
    reply = await world.scan(world.lines[0], member=2)
    assert (reply.outcome, reply.points) == ("awarded", 10)
    with pytest.raises(Conflict, match="not held"):
        await _decide(world, claim.id, post=True)
    await _sound(world)


async def test_settling_by_itself_never_touches_a_held_claim(world: World) -> None:
    await _hold(world)
    assert await settle.settle(world.opened.db, world.opened.vault) == 0


async def test_a_decision_needs_a_reason_and_a_claim_that_is_held(world: World) -> None:
    claim = await _hold(world)
    with pytest.raises(InvalidInput, match="reason"):
        await _decide(world, claim.id, post=True, reason=" ")
    with pytest.raises(NotFound, match="424242"):
        await _decide(world, 424242, post=True)
    _, lines = await world.issue(1)
    await world.scan(lines[0])
    async with world.opened.db.transaction() as tx:
        from sqlalchemy import text

        parked = (await tx.execute(text("SELECT id FROM claim WHERE reason = 'inactive'"))).scalar_one()
    with pytest.raises(Conflict, match="not held"):
        await _decide(world, parked, post=True)


async def test_a_new_unit_parked_through_two_groups_at_once_has_one_claim(world: World) -> None:
    _, lines = await world.issue(12)
    for line in lines:
        replies = await asyncio.gather(*(world.scan(line, member=n) for n in range(6)))
        assert {reply.outcome for reply in replies} == {"inactive"}
