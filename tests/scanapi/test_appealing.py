"""Appeals: made once, answered by a person, paid like any other claim."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from sqlalchemy import text

from campaigns import appeals, claims
from campaigns.appeals import Appeal, Standing
from kernel.errors import Conflict, InvalidInput, NotFound, TooMany
from members import people
from scanapi import appealing, settle
from tests.world import World
from yima import audit


def _at(lat: float, lng: float) -> dict[str, object]:
    return {"lat": lat, "lng": lng, "datum": "wgs84", "accuracy_m": 20, "source": "gps"}


async def _hold(world: World, line: int = 0, member: int = 1) -> str:
    code = world.lines[line]
    await world.scan(code, member=None, device_id="a", location=_at(39.91, 116.40))
    assert (await world.scan(code, member=member, device_id="b", location=_at(23.13, 113.26))).outcome == "held"
    return code


async def _refuse(world: World, line: int = 0, member: int = 1) -> str:
    async with world.opened.db.transaction() as tx:
        found = (await people.facts(tx, [world.member_ids[member]]))[world.member_ids[member]]
        await people.block(tx, brand_id=world.brand.id, public_id=found.public_id, reason="test", actor="test")
    assert (await world.scan(world.lines[line], member=member)).outcome == "refused"
    async with world.opened.db.transaction() as tx:
        await people.unblock(tx, brand_id=world.brand.id, public_id=found.public_id, reason="test", actor="test")
    return world.lines[line]


def _who(world: World, member: int = 1) -> tuple[int, int]:
    return world.member_ids[member], world.brand.id


async def _appeal(world: World, code: str, member: int = 1) -> Appeal:
    async with world.opened.db.transaction() as tx:
        return await appealing.appeal_by_code(tx, world.service, member=_who(world, member), code=code)


async def _standing(world: World, code: str, member: int = 1) -> Standing:
    async with world.opened.db.transaction() as tx:
        found = await appealing.standing(tx, world.service, member=_who(world, member), code=code)
    assert found is not None
    return found


async def _decide(world: World, appeal: Appeal, *, grant: bool, said: str = "The pack was shown.") -> object:
    async with world.opened.db.transaction() as tx:
        return await appealing.decide(tx, world.opened.vault, appeal.id, grant=grant, said=said, actor="staff:9")


async def _sound(world: World) -> None:
    found = await audit.audit(world.opened)
    assert found.ok, [proof for proof in found.proofs if proof.breaches]


async def test_appeal_against_a_held_claim_is_due_by_the_brands_days_and_pays_when_granted(world: World) -> None:
    code = await _hold(world)
    assert (await _standing(world, code)).may_appeal
    appeal = await _appeal(world, code)
    assert (appeal.reason, appeal.state, appeal.due_at - appeal.at) == ("impossible_travel", "open", timedelta(days=7))
    standing = await _standing(world, code)
    assert (standing.kind, standing.may_appeal) == ("held", False)
    await _decide(world, appeal, grant=True)
    standing = await _standing(world, code)
    assert (standing.kind, standing.appeal and standing.appeal.state) == ("paid", "granted")
    assert (await world.scan(code, member=1)).balance == 10
    await _sound(world)


async def test_appeal_against_a_refused_scan_claims_and_pays_when_granted(world: World) -> None:
    code = await _refuse(world)
    appeal = await _appeal(world, code)
    assert (appeal.claim_id, appeal.reason) == (None, "blocked_member")
    await _decide(world, appeal, grant=True, said="")
    assert ((await _standing(world, code)).kind, (await world.scan(code, member=1)).outcome) == ("paid", "repeat")
    assert (await world.scan(code, member=2)).outcome == "taken"
    await _sound(world)


async def test_refused_unit_that_somebody_else_claimed_is_not_paid_twice(world: World) -> None:
    code = await _refuse(world)
    appeal = await _appeal(world, code)
    assert (await world.scan(code, member=2)).outcome == "awarded"
    with pytest.raises(Conflict, match="claimed by somebody"):
        await _decide(world, appeal, grant=True)
    await _decide(world, appeal, grant=False, said="Somebody else was first.")
    standing = (await _standing(world, code)).appeal
    assert standing is not None
    assert (standing.state, standing.said) == ("declined", "Somebody else was first.")
    await _sound(world)


async def test_declined_appeal_leaves_the_unit_to_the_honest_buyer_and_is_not_made_again(world: World) -> None:
    code = await _hold(world)
    appeal = await _appeal(world, code)
    await _decide(world, appeal, grant=False)
    assert (await world.scan(code, member=2)).outcome == "awarded"
    assert (await _standing(world, code)).may_appeal is False
    with pytest.raises(Conflict, match="nothing to appeal"):
        await _appeal(world, code)
    await _sound(world)


async def test_answers_at_once_pay_once(world: World) -> None:
    appeal = await _appeal(world, await _hold(world))
    claim_id = appeal.claim_id
    assert claim_id is not None

    async def by_claim() -> object:
        async with world.opened.db.transaction() as tx:
            return await settle.decide(tx, world.opened.vault, claim_id, post=True, reason="seen", actor="x")

    tries = [*(_decide(world, appeal, grant=True) for _ in range(3)), by_claim()]
    done = await asyncio.gather(*tries, return_exceptions=True)
    assert sum(not isinstance(each, BaseException) for each in done) == 1
    assert all(isinstance(each, Conflict) for each in done if isinstance(each, BaseException))
    await _sound(world)


async def test_taps_at_once_make_one_appeal(world: World) -> None:
    code = await _refuse(world)
    made = await asyncio.gather(*(_appeal(world, code) for _ in range(4)))
    assert len({each.id for each in made}) == 1


@pytest.mark.parametrize(("post", "state"), [(True, "granted"), (False, "declined")])
async def test_claim_decided_by_itself_answers_its_appeal(world: World, post: bool, state: str) -> None:
    appeal = await _appeal(world, await _hold(world))
    assert appeal.claim_id is not None
    async with world.opened.db.transaction() as tx:
        await settle.decide(tx, world.opened.vault, appeal.claim_id, post=post, reason="seen", actor="x")
        found = await appeals.get(tx, appeal.id)
    assert found is not None
    assert found.state == state


async def test_nobody_appeals_for_somebody_else_or_for_nothing(world: World) -> None:
    code = await _hold(world)
    async with world.opened.db.transaction() as tx:
        (claim,) = await claims.held(tx, brand_id=world.brand.id)
    with pytest.raises(Conflict, match="nothing to appeal"):
        await _appeal(world, code, member=2)
    with pytest.raises(NotFound):
        async with world.opened.db.transaction() as tx:
            await appealing.appeal_by_claim(tx, member=_who(world, 2), claim_id=claim.id)
    with pytest.raises(NotFound):
        async with world.opened.db.transaction() as tx:
            await appealing.appeal_by_code(tx, world.service, member=_who(world), code="7Q0ZAB12CD34EF56GH78")
    async with world.opened.db.transaction() as tx:
        strange = (world.member_ids[1], world.brand.id + 1)
        assert await appealing.standing(tx, world.service, member=strange, code=code) is None
        with pytest.raises(NotFound):
            await appealing.appeal_by_code(tx, world.service, member=strange, code=code)


@pytest.mark.parametrize("said", ["", "  ", "x" * (appeals.SAID_CHARS_MAX + 1)])
async def test_refusal_without_a_sentence_is_none(world: World, said: str) -> None:
    appeal = await _appeal(world, await _hold(world))
    with pytest.raises(InvalidInput, match="sentence"):
        await _decide(world, appeal, grant=False, said=said)
    await _decide(world, appeal, grant=False, said="x" * appeals.SAID_CHARS_MAX)


async def test_open_appeals_of_a_member_are_limited(world: World) -> None:
    code = await _refuse(world)
    async with world.opened.db.transaction() as tx:
        await tx.execute(
            text("""
                INSERT INTO unit (id, brand_id, batch_id) SELECT n, u.brand_id, u.batch_id
                FROM generate_series(1, :n) n, (SELECT brand_id, batch_id FROM unit LIMIT 1) u"""),
            {"n": appeals.OPEN_PER_MEMBER_MAX},
        )
        await tx.execute(
            text("""
                INSERT INTO appeal (brand_id, member_id, unit_id, scan_id, gtin, reason, at, due_at)
                SELECT :brand, :member, n, gen_random_uuid(), '06901234567892', 'x', now(), now()
                FROM generate_series(1, :n) n"""),
            {"brand": world.brand.id, "member": world.member_ids[1], "n": appeals.OPEN_PER_MEMBER_MAX},
        )
    with pytest.raises(TooMany):
        await _appeal(world, code)
    async with world.opened.db.transaction() as tx:
        await tx.execute(text("DELETE FROM appeal WHERE unit_id = 1"))
    await _appeal(world, code)


async def test_own_page_lists_what_waits_with_its_appeal(world: World) -> None:
    code = await _hold(world)
    _, lines = await world.issue(1)
    await world.scan(lines[0], member=1)
    await _appeal(world, code)
    async with world.opened.db.transaction() as tx:
        lines_shown = await appeals.waiting(tx, member_id=world.member_ids[1])
    shown = {(line.standing.kind, line.standing.appeal is not None) for line in lines_shown}
    assert shown == {("held", True), ("kept", False)}
