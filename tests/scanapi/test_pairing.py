"""Outer and inner codes of two batches that were paired on the line are one unit to whoever scans."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from sqlalchemy import text

from campaigns import audit, claims
from codegen import batches, capturing, gs1, in_hand, leaks, line_sessions
from kernel.clock import now
from kernel.errors import Conflict, InvalidInput
from scanapi import settle
from tests.world import World
from traceability import cartons, shipments
from traceability.selecting import Wanted
from traceability.shipments import Carton
from yima import switching

Pair = tuple[str, list[str], str, list[str]]


async def paired(world: World, *, active: bool = True) -> Pair:
    """Two batches of four, the first three units of each paired in opposite order."""
    outer, outers = await world.issue(4)
    inner, inners = await world.issue(4)
    if active:
        await world.activate(outer)
    await pair(world, outer, inner, list(zip(outers[:3], inners[2::-1], strict=True)))
    return outer, outers, inner, inners


async def pair(world: World, outer: str, inner: str, codes: list[tuple[str, str]]) -> None:
    async with world.opened.db.transaction() as tx:
        one, two = await batches.get(tx, outer), await batches.get(tx, inner)
        session = await line_sessions.start(tx, one, inner=two, actor="test")
        answer = await capturing.capture(
            tx, world.service.keys.ring, session.name, brand_id=world.brand.id, sequence=1, texts=codes
        )
        assert {each.verdict for each in answer.answers} == {"good"}


async def test_the_outer_code_tells_and_the_inner_one_pays_once(world: World) -> None:
    _, outers, _, inners = await paired(world)
    seen = await world.scan(outers[0])
    assert (seen.outcome, seen.points) == ("authentic", 0)
    paid = await world.scan(inners[2], member=1)
    assert (paid.outcome, paid.points, paid.scan_count) == ("awarded", 10, 2)
    assert (await world.scan(inners[2], member=2)).outcome == "taken"
    assert (await world.scan(outers[0], member=1)).outcome == "repeat"
    alone = await world.scan(outers[3])
    assert (alone.outcome, alone.points) == ("awarded", 10), "never paired: its one code pays"


async def test_a_claim_from_before_the_pairing_is_not_paid_again(world: World) -> None:
    outer, outers = await world.issue(2)
    inner, inners = await world.issue(2)
    for name in (outer, inner):
        await world.activate(name)
    assert (await world.scan(outers[0])).outcome == "awarded"
    assert (await world.scan(inners[1])).outcome == "awarded"
    await pair(world, outer, inner, list(zip(outers, inners, strict=True)))
    assert (await world.scan(inners[0], member=1)).outcome == "taken"
    assert (await world.scan(inners[1], member=1)).outcome == "taken"
    assert (await world.scan(outers[1], member=0)).outcome == "repeat"


async def test_a_state_of_either_code_is_the_units(world: World) -> None:
    outer, outers, inner, inners = await paired(world)
    await switching.switch(world.opened, Wanted(inner, 3, 3), state="frozen", reason_code="inquiry", actor="test")
    await switching.switch(world.opened, Wanted(outer, 2, 2), state="recalled", reason_code="safety", actor="test")
    assert [(await world.scan(each)).outcome for each in (outers[0], inners[2], outers[1], inners[1])] == ["voided"] * 4
    assert (await world.scan(inners[0])).outcome == "awarded"


async def test_a_parked_claim_of_an_inner_code_is_paid_whichever_batch_is_activated(world: World) -> None:
    outer, _, inner, inners = await paired(world, active=False)
    for code, name, line in ((inners[2], outer, 1), (inners[1], inner, 2)):
        assert (await world.scan(code)).outcome == "inactive"
        await world.activate(name, line, line)
        assert await settle.settle(world.opened.db, world.opened.vault) == 1
        assert (await world.scan(code)).outcome == "repeat"


async def claimed(world: World) -> list[tuple[int, str, str | None]]:
    """Member, state and reason of all claims, in their order."""
    async with world.opened.db.transaction() as tx:
        rows = await tx.execute(text("SELECT member_id, state, reason FROM claim ORDER BY id"))
        return [(world.member_ids.index(row[0]), row[1], row[2]) for row in rows]


async def prove(world: World) -> dict[str, int]:
    """Breaches by invariant, those that have none left out."""
    async with world.opened.db.transaction() as tx:
        return {each.name: each.breaches for each in await audit.prove(tx, world.opened.vault) if each.breaches}


async def later(world: World) -> None:
    """Ten minutes pass since the pairing and all activations."""
    async with world.opened.db.transaction() as tx:
        await tx.execute(text("UPDATE code_pair SET paired_at = paired_at - interval '10 minutes'"))
        await tx.execute(text("UPDATE code_range SET set_at = set_at - interval '10 minutes'"))


@pytest.mark.parametrize("first", ["outer", "inner"])
async def test_of_claims_parked_on_both_codes_the_first_is_paid_and_the_other_voided(world: World, first: str) -> None:
    outer, outers = await world.issue(1)
    inner, inners = await world.issue(1)
    codes = [outers[0], inners[0]] if first == "outer" else [inners[0], outers[0]]
    for member, code in enumerate(codes, 1):
        assert (await world.scan(code, member=member)).outcome == "inactive"
    await pair(world, outer, inner, [(outers[0], inners[0])])
    await world.activate(inner)
    await later(world)
    assert list(await prove(world)) == [
        "no claim stays parked whose range was activated more than five minutes ago"
    ]  # fmt: skip
    assert await settle.settle(world.opened.db, world.opened.vault) == 1
    assert await claimed(world) == [(1, "posted", "inactive"), (2, "voided", "paired")]
    assert (await world.scan(inners[0], member=1)).outcome == "repeat"
    assert (await world.scan(inners[0], member=2)).outcome == "taken"
    assert await prove(world) == {}
    async with world.opened.db.transaction() as tx:
        trail = await tx.execute(text("SELECT after FROM audit_trail WHERE action = 'claim.void'"))
        assert list(trail.scalars()) == [{"reason": "paired"}]


@pytest.mark.parametrize("parked", ["outer", "inner"])
async def test_a_claim_parked_on_one_code_is_not_paid_where_the_other_code_was(world: World, parked: str) -> None:
    """The parked one is the earlier: that its unit was paid already weighs more."""
    outer, outers = await world.issue(1)
    inner, inners = await world.issue(1)
    early, late, active = (outers, inners, inner) if parked == "outer" else (inners, outers, outer)
    assert (await world.scan(early[0], member=1)).outcome == "inactive"
    await world.activate(active)
    assert (await world.scan(late[0], member=2)).outcome == "awarded"
    await pair(world, outer, inner, [(outers[0], inners[0])])
    assert await prove(world) == {}, "the sweep has its time"
    await later(world)
    assert "no claim stays pending whose unit was paid on its other code more than five minutes ago" in await prove(
        world
    )
    assert await settle.settle(world.opened.db, world.opened.vault) == 0
    assert await claimed(world) == [(1, "voided", "paired"), (2, "posted", None)]
    assert await prove(world) == {}


@pytest.mark.parametrize("post", [True, False])
async def test_a_claim_held_on_one_code_is_decided_before_the_other_codes_is_settled(world: World, post: bool) -> None:
    outer, outers = await world.issue(1)
    inner, inners = await world.issue(1)
    await world.activate(inner)
    for member, (lat, lng) in ((None, (39.91, 116.40)), (1, (23.13, 113.26))):
        place = {"lat": lat, "lng": lng, "datum": "wgs84", "accuracy_m": 20, "source": "gps"}
        seen = await world.scan(inners[0], member=member, location=place)
    assert seen.outcome == "held"
    assert (await world.scan(outers[0], member=2)).outcome == "inactive"
    await pair(world, outer, inner, [(outers[0], inners[0])])
    await later(world)
    assert await settle.settle(world.opened.db, world.opened.vault) == 0
    assert await prove(world) == {}, "it waits for a person"
    async with world.opened.db.transaction() as tx:
        (held,) = await claims.held(tx, brand_id=world.brand.id)
        await settle.decide(tx, world.opened.vault, held.id, post=post, reason="looked at the pack", actor="test")
    assert await settle.settle(world.opened.db, world.opened.vault) == (0 if post else 1)
    assert [each[1] for each in await claimed(world)] == (["posted", "voided"] if post else ["voided", "posted"])
    assert await prove(world) == {}


async def test_a_held_claim_is_not_paid_where_the_other_code_was_claimed_before(world: World) -> None:
    outer, outers = await world.issue(1)
    inner, inners = await world.issue(1)
    assert (await world.scan(outers[0], member=2)).outcome == "inactive"
    await world.activate(inner)
    for member, (lat, lng) in ((None, (39.91, 116.40)), (1, (23.13, 113.26))):
        place = {"lat": lat, "lng": lng, "datum": "wgs84", "accuracy_m": 20, "source": "gps"}
        await world.scan(inners[0], member=member, location=place)
    await pair(world, outer, inner, [(outers[0], inners[0])])
    with pytest.raises(Conflict, match="other code was claimed before"):
        async with world.opened.db.transaction() as tx:
            (held,) = await claims.held(tx, brand_id=world.brand.id)
            await settle.decide(tx, world.opened.vault, held.id, post=True, reason="looked", actor="test")
    assert await settle.settle(world.opened.db, world.opened.vault) == 1
    assert [each[1] for each in await claimed(world)] == ["posted", "voided"]


async def test_a_leak_holds_what_was_parked_before_the_pairing_and_beside_it(world: World) -> None:
    """A batch of which some units are paired is no batch of which all are."""
    outer, outers = await world.issue(3)
    inner, inners = await world.issue(3)
    for member, code in enumerate([inners[0], outers[1], inners[1], outers[2], inners[2]]):
        assert (await world.scan(code, member=member)).outcome == "inactive"
    await pair(world, outer, inner, [(outers[0], inners[0])])
    async with world.opened.db.transaction() as tx:
        key_id = (await batches.get(tx, inner)).key_id
        await leaks.stop(tx, key_id=key_id, reason="stolen", since=now() - timedelta(hours=1), actor="test")
    await world.activate(outer)
    await world.activate(inner)
    assert await settle.settle(world.opened.db, world.opened.vault) == 0
    assert {each[1:] for each in await claimed(world)} == {("pending", "leaked_key")}


async def test_a_scan_that_saw_a_code_alone_ends_before_another_sees_it_paired(world: World) -> None:
    """Both would award otherwise, for they lock two units: the code's own and its mate's."""
    outer, outers = await world.issue(1)
    inner, inners = await world.issue(1)
    await world.activate(outer)
    await world.activate(inner)
    await world.scan(inners[0], member=None)  # the unit's row, for the first scan to wait for

    async def pair_and_scan() -> str:
        await pair(world, outer, inner, [(outers[0], inners[0])])
        return (await world.scan(inners[0], member=2)).outcome

    async def waiting() -> int:
        async with world.opened.db.transaction() as tx:
            return int((await tx.execute(text("SELECT count(*) FROM pg_locks WHERE NOT granted"))).scalar_one())

    async with world.opened.db.transaction() as tx:
        await tx.execute(text("SELECT 1 FROM unit FOR UPDATE"))
        alone = asyncio.create_task(world.scan(inners[0], member=1))
        while await waiting() < 1:
            await asyncio.sleep(0.01)
        after = asyncio.create_task(pair_and_scan())
        while await waiting() < 2 and not after.done():
            await asyncio.sleep(0.01)
    assert ((await alone).outcome, await after) == ("awarded", "taken")
    assert await prove(world) == {}


async def test_the_inner_code_went_where_the_outer_ones_carton_went(world: World) -> None:
    outer, _, _, inners = await paired(world)
    sscc = gs1.make_sscc(1, "6901234", 7)
    async with world.opened.db.transaction() as tx:
        batch = await batches.get(tx, outer)
        dealer = await shipments.create_dealer(
            tx, brand_id=world.brand.id, code="D1", name="杭州", adcodes=[330000], actor="test"
        )
        carton = Carton(sscc, batch.unit_id(1), batch.unit_id(2))
        await shipments.pack(tx, brand_id=world.brand.id, cartons=[carton], at=now())
        await shipments.ship(
            tx, brand_id=world.brand.id, document="S1", dealer=dealer, adcode=330100, ssccs=[sscc], at=now(), actor="t"
        )
    place = {"lat": 39.91, "lng": 116.40, "datum": "wgs84", "accuracy_m": 20, "source": "gps"}
    found = [(await world.scan(code, location=place)).findings for code in inners[:3]]
    assert [[(f.rule, f.result) for f in each] for each in found] == [
        [], [("outside_territory", "outside")], [("outside_territory", "outside")],
    ]  # fmt: skip


async def test_a_carton_packed_by_inner_codes_holds_the_units_that_bear_them(world: World) -> None:
    outer, outers, _, inners = await paired(world)
    sscc = gs1.make_sscc(1, "6901234", 9)
    named = {"brand_id": world.brand.id}
    async with world.opened.db.transaction() as tx:
        units = await in_hand.units_of_codes(tx, world.opened.vault, inners[:2], **named)
        await cartons.pack(tx, sscc=sscc, units=units, at=now(), actor="test", **named)
        batch = await batches.get(tx, outer)
        assert (await cartons.get(tx, sscc, **named)).units == ((batch.unit_id(2), batch.unit_id(3)),)
        with pytest.raises(InvalidInput, match="twice"):
            both = await in_hand.units_of_codes(tx, world.opened.vault, [outers[0], inners[2]], **named)
            await cartons.pack(tx, sscc=gs1.make_sscc(1, "6901234", 10), units=both, at=now(), actor="test", **named)


@pytest.mark.parametrize("side", ["outer", "inner"])
async def test_the_landing_page_knows_which_of_the_two_it_is(world: World, side: str) -> None:
    _, outers, _, inners = await paired(world)
    look = await world.service.look(outers[0] if side == "outer" else inners[2], device_id="d", language="en")
    assert look.kind == ("outer" if side == "outer" else "first")
    await world.scan(inners[2])
    again = await world.service.look(outers[0], device_id="d", language="en")
    assert (again.kind, again.scan_count) == ("claimed", 1)
