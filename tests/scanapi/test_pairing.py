"""Outer and inner codes of two batches that were paired on the line are one unit to whoever scans."""

from __future__ import annotations

import pytest

from campaigns import audit
from codegen import batches, capturing, gs1, line_sessions
from kernel.clock import now
from scanapi import settle
from tests.world import World
from traceability import shipments
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


async def test_of_claims_parked_on_both_codes_before_the_pairing_the_first_is_paid(world: World) -> None:
    outer, outers = await world.issue(1)
    inner, inners = await world.issue(1)
    assert (await world.scan(outers[0], member=1)).outcome == "inactive"
    assert (await world.scan(inners[0], member=2)).outcome == "inactive"
    await pair(world, outer, inner, [(outers[0], inners[0])])
    await world.activate(inner)
    assert await settle.settle(world.opened.db, world.opened.vault) == 1
    assert (await world.scan(inners[0], member=1)).outcome == "repeat"
    async with world.opened.db.transaction() as tx:
        proofs = await audit.prove(tx, world.opened.vault)
    assert [each for each in proofs if each.breaches] == []


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


@pytest.mark.parametrize("side", ["outer", "inner"])
async def test_the_landing_page_knows_which_of_the_two_it_is(world: World, side: str) -> None:
    _, outers, _, inners = await paired(world)
    look = await world.service.look(outers[0] if side == "outer" else inners[2], device_id="d", language="en")
    assert look.kind == ("outer" if side == "outer" else "first")
    await world.scan(inners[2])
    again = await world.service.look(outers[0], device_id="d", language="en")
    assert (again.kind, again.scan_count) == ("claimed", 1)
