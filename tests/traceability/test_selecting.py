"""Codes by what a person has in hand, and the states they are given; repair of cartons."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from sqlalchemy import text

from codegen import batches, gs1, line_sessions, lineset, order_states, ranges, rolls, runs
from codegen.batches import Batch
from kernel.clock import now
from kernel.db import Tx
from kernel.errors import Conflict, InvalidInput, NotFound
from scanapi.service import ScanService
from tests.world import GTIN, World, regions
from tests.yima.test_importing import confirm, drug, read
from traceability import cartons, catalogue, selecting, shipments
from traceability.ip import IpLocator
from traceability.selecting import Wanted
from traceability.shipments import Carton
from yima import runtime, switching

SSCC, OTHER_SSCC = gs1.make_sscc(1, "6901234", 1), gs1.make_sscc(1, "6901234", 2)


async def choose(world: World, **wanted: Any) -> list[tuple[str, lineset.Lines]]:
    async with world.opened.db.transaction() as tx:
        found = await selecting.choose(tx, world.opened.vault, Wanted(**wanted), brand_id=world.brand.id)
    return [(each.batch.name, each.lines) for each in found]


async def batch_of(tx: Tx, world: World) -> Batch:
    return await batches.get(tx, world.batch, brand_id=world.brand.id)


async def pack(world: World, sscc: str = SSCC, first: int = 1, last: int = 24) -> None:
    async with world.opened.db.transaction() as tx:
        batch = await batch_of(tx, world)
        carton = Carton(sscc, batch.unit_id(first), batch.unit_id(last))
        await shipments.pack(tx, brand_id=world.brand.id, cartons=[carton], at=now())


async def test_a_range_lies_between_two_scanned_codes_in_either_order(world: World) -> None:
    ends = (world.lines[9], world.lines[4])
    assert await choose(world, between=ends) == [(world.batch, ((5, 10),))]
    assert await choose(world, batch=world.batch, between=ends[::-1]) == [(world.batch, ((5, 10),))]


async def test_codes_rolls_cartons_and_orders_name_their_lines(world: World) -> None:
    await pack(world)
    async with world.opened.db.transaction() as tx:
        batch = await batch_of(tx, world)
        cut = await rolls.cut(tx, batch, size=80, actor="test")
    assert [(roll.first, roll.last) for roll in cut] == [(1, 80), (81, 160), (161, 200)]
    assert await choose(world, codes=[world.lines[2], world.lines[0], world.lines[1]]) == [(world.batch, ((1, 3),))]
    assert await choose(world, roll=cut[2].name.lower()) == [(world.batch, ((161, 200),))]
    assert await choose(world, batch=world.batch, roll="1") == [(world.batch, ((1, 80),))]
    assert await choose(world, sscc=SSCC) == [(world.batch, ((1, 24),))]
    assert await choose(world, order=batch.order_number) == [(world.batch, ((1, 200),))]
    assert await choose(world, batch=world.batch, first=200) == [(world.batch, ((200, 200),))]


async def test_what_names_no_codes_is_refused_with_the_reason(world: World) -> None:
    other, lines = await world.issue(5)
    for wanted, sentence in (
        ({}, "Name a batch"),
        ({"batch": world.batch, "first": 0}, "lines 1 to 200"),
        ({"batch": world.batch, "last": 201}, "lines 1 to 200"),
        ({"batch": world.batch, "first": 1, "roll": "1"}, "in one way"),
        ({"between": (world.lines[0], lines[0])}, f"of batch {other}, not of batch {world.batch}"),
        ({"between": (world.lines[0], "NO-CODE")}, "Code 2 of 2 cannot be read"),
        ({"codes": ["0" * 20]}, "no code of this brand"),
        ({"batch": other, "codes": [world.lines[0]]}, f"of batch {world.batch}"),
        ({"roll": "1"}, "label's symbol"),
        ({"batch": world.batch, "roll": f"YIMA:ROLL:{other}:1"}, f"of batch {other}"),
    ):
        with pytest.raises(InvalidInput, match=sentence):
            await choose(world, **wanted)
    for wanted, sentence in (
        ({"batch": world.batch, "roll": "1"}, "no roll 1"),
        ({"order": "PO-0"}, "no order"),
        ({"sscc": SSCC}, "no carton"),
    ):
        with pytest.raises(NotFound, match=sentence):
            await choose(world, **wanted)


async def test_another_brands_codes_cartons_and_orders_are_none(world: World) -> None:
    await pack(world)
    async with world.opened.db.transaction() as tx:
        other = await catalogue.create_brand(
            tx, slug="wine", name="酒", name_en="Wine", company_prefix="6905678", actor="test"
        )
        order_number = (await batch_of(tx, world)).order_number
        for wanted in (
            Wanted(codes=[world.lines[0]]),
            Wanted(sscc=SSCC),
            Wanted(order=order_number),
            Wanted(world.batch),
        ):
            with pytest.raises((InvalidInput, NotFound)):
                await selecting.choose(tx, world.opened.vault, wanted, brand_id=other.id)


async def test_codes_that_others_made_are_named_like_our_own(world: World) -> None:
    found = await confirm(world, await read(world, "\n".join(drug(n) for n in range(20)).encode()))
    assert await choose(world, between=(drug(9), drug(4))) == [(found.name, ((5, 10),))]
    assert await choose(world, codes=[drug(0)]) == [(found.name, ((1, 1),))]
    with pytest.raises(InvalidInput, match=f"of batch {found.name}, not of batch {world.batch}"):
        await choose(world, codes=[world.lines[0], drug(1)])
    with pytest.raises(InvalidInput, match="no code of this brand"):
        await choose(world, codes=[drug(20)])
    async with world.opened.db.transaction() as tx:
        batch = await batches.get(tx, found.name)
        with pytest.raises(Conflict, match="none to print"):
            await runs.open_run(tx, batch, printer="P", lines=((1, 1),), actor="test")
        with pytest.raises(Conflict, match="made by others"):
            await line_sessions.start(tx, batch, actor="test")


async def test_a_carton_is_recalled_and_its_neighbours_are_not(world: World) -> None:
    await pack(world)
    [done] = await switching.switch(
        world.opened, Wanted(sscc=SSCC), state="recalled", reason_code="safety", slug=world.brand.slug, actor="test"
    )
    assert (done.units, done.changed) == (24, 24)
    assert (await world.scan(world.lines[23])).outcome == "voided"
    assert (await world.scan(world.lines[24])).outcome == "awarded"
    async with world.opened.db.transaction() as tx:
        batch = await batch_of(tx, world)
        said = (await ranges.list_states(tx, batch, before=None, limit=1))[0]
        assert (said.reason_code, said.actor, said.meant) == ("safety", "test", f"carton {SSCC}")
        trail = await tx.execute(text("SELECT after FROM audit_trail WHERE action = 'codes.recalled'"))
        assert trail.scalar_one()["reason_code"] == "safety"


async def test_a_reason_code_is_of_the_fixed_list_of_its_state(world: World) -> None:
    async with world.opened.db.transaction() as tx:
        batch = await batch_of(tx, world)
        with pytest.raises(InvalidInput, match="one of safety"):
            await ranges.give(tx, batch, state="recalled", lines=((1, 1),), reason_code="sold", actor="test")
        with pytest.raises(InvalidInput, match="for a reason"):
            await ranges.give(tx, batch, state="void", lines=((1, 1),), actor="test")


async def test_overlapping_activations_at_once_switch_each_unit_once(world: World) -> None:
    name, _ = await world.issue(1000)
    spans = [(1, 600), (400, 1000), (1, 1000), (500, 501)] * 3

    async def activate(first: int, last: int) -> int:
        [done] = await switching.switch(world.opened, Wanted(name, first, last), state="activated", actor="test")
        return done.changed

    changed = await asyncio.gather(*(activate(*span) for span in spans))
    assert sum(changed) == 1000
    async with world.opened.db.transaction() as tx:
        batch = await batches.get(tx, name)
        assert [(s.first, s.last) for s in await ranges.held_of(tx, batch)] == [(1, 1000)]
        overlap = await tx.execute(
            text("SELECT sum(upper(units) - lower(units)) FROM code_range WHERE batch_id = :b"), {"b": batch.id}
        )
        assert overlap.scalar_one() == 1000


async def test_a_hundred_million_units_switch_in_one_statement_as_few_do(world: World) -> None:
    async with world.opened.db.transaction() as tx:
        made = {
            "gtin": GTIN, "form": "short", "public_url": "HTTPS://T.YIMA.CN", "paired": False, "order_number": None,
            "brand_id": world.brand.id, "actor": "test",
        }  # fmt: skip
        large = await batches.order(tx, world.opened.vault, count=100_000_000, **made)
        small = await batches.order(tx, world.opened.vault, count=10, **made)
        for batch in (large, small):
            await order_states.note_written(tx, batch, sha256="0" * 64)
        large, small = await batches.get(tx, large.name), await batches.get(tx, small.name)
        before = world.opened.db.statements
        given = await ranges.give(tx, large, state="activated", lines=((1, large.count),), actor="test")
        middle = world.opened.db.statements
        await ranges.give(tx, small, state="activated", lines=((1, small.count),), actor="test")
        assert given == ranges.Given(100_000_000, 100_000_000)
        assert middle - before == world.opened.db.statements - middle


async def test_a_freeze_is_lifted_for_some_lines_and_stands_for_those_beside(world: World) -> None:
    async with world.opened.db.transaction() as tx:
        batch = await batch_of(tx, world)
        await ranges.give(tx, batch, state="frozen", lines=((1, 100),), reason_code="inquiry", actor="test")
        await ranges.give(tx, batch, state="frozen", lines=((50, 60),), reason_code="stolen", actor="test")
        assert await ranges.thaw_lines(tx, batch, ((40, 70),), actor="test") == 31
        assert [(s.first, s.last) for s in await ranges.held_of(tx, batch) if s.state == "frozen"] == [
            (1, 39),
            (71, 100),
        ]
        with pytest.raises(Conflict, match="nothing to lift"):
            await ranges.thaw_lines(tx, batch, ((40, 70),), actor="test")
        with pytest.raises(InvalidInput, match="lines 1 to 200"):
            await ranges.thaw_lines(tx, batch, ((40, 201),), actor="test")


async def test_scans_of_another_process_follow_a_state_at_once(world: World) -> None:
    async with runtime.connect(world.opened.settings, world.opened.url, pool_size=2, application="other") as opened:
        service = ScanService(
            opened.db, opened.vault, regions=regions(), addresses=IpLocator(None, regions()), index=opened.index
        )
        await service.start()
        other = World(opened, world.folder, world.brand, world.batch, world.lines, world.member_ids, service)
        try:
            assert (await other.scan(world.lines[0], member=None)).outcome == "authentic"
            wanted = Wanted(codes=[world.lines[0]])
            named = {"slug": world.brand.slug, "actor": "test"}
            await switching.switch(world.opened, wanted, state="frozen", reason_code="inquiry", **named)
            assert [(await each.scan(world.lines[0])).outcome for each in (world, other)] == ["voided", "voided"]
            await switching.switch(world.opened, wanted, state=switching.THAWED, **named)
            assert (await other.scan(world.lines[0])).outcome == "awarded"
        finally:
            await service.close()


async def test_cut_again_is_refused_once_something_was_printed_and_the_same_cut_is_no_change(world: World) -> None:
    async with world.opened.db.transaction() as tx:
        batch = await batch_of(tx, world)
        await rolls.cut(tx, batch, size=50, actor="test")
        assert len(await rolls.cut(tx, batch, rolls=3, actor="test")) == 3
        await tx.execute(
            text("INSERT INTO print_run (name, brand_id, batch_id, printer, opened_by) VALUES ('R', :r, :b, 'P', 't')"),
            {"r": batch.brand_id, "b": batch.id},
        )
        assert len(await rolls.cut(tx, batch, size=67, actor="test")) == 3, "said again"
        with pytest.raises(Conflict, match="Run R has printed"):
            await rolls.cut(tx, batch, size=50, actor="test")


# --- cartons repaired ------------------------------------------------------------------------------------------


async def units(world: World, *lines: int) -> list[int]:
    async with world.opened.db.transaction() as tx:
        batch = await batch_of(tx, world)
    return [batch.unit_id(line) for line in lines]


async def test_a_unit_of_a_carton_is_replaced_and_its_goods_go_where_the_carton_went(world: World) -> None:
    await pack(world)
    [out] = await units(world, 5)
    [put] = await units(world, 100)
    named = {"brand_id": world.brand.id, "sscc": SSCC, "reason": "crushed", "actor": "test"}
    async with world.opened.db.transaction() as tx:
        dealer = await shipments.create_dealer(
            tx, brand_id=world.brand.id, code="D1", name="杭州", adcodes=[330000], actor="test"
        )
        changed = await cartons.change(tx, out=[out], put=[put], **named)
        await shipments.ship(
            tx,
            brand_id=world.brand.id,
            document="S1",
            dealer=dealer,
            adcode=330100,
            ssccs=[SSCC],
            at=now(),
            actor="test",
        )
        went = await shipments.destinations(tx, await units(world, 1, 5, 100, 101))
        assert lineset.count(changed.units) == 24
        assert set(went) == set(await units(world, 1, 100))
        assert (await shipments.shipments_to(tx, dealer_id=dealer.id, before=None, limit=1))[0].units == 24
    async with world.opened.db.transaction() as tx:
        with pytest.raises(Conflict, match="not in carton"):
            await cartons.change(tx, out=[out], put=[], **named)
        with pytest.raises(Conflict, match="already"):
            await cartons.change(tx, out=[], put=[put], **named)
        with pytest.raises(InvalidInput, match="twice"):
            await cartons.change(tx, out=[put], put=[put], **named)
        with pytest.raises(Conflict, match="shipped under 'S1'"):
            await cartons.unpack(tx, **named)
    assert await choose(world, sscc=SSCC) == [(world.batch, ((1, 4), (6, 24), (100, 100)))]


async def test_a_wrong_carton_is_unpacked_and_packed_again_from_scanned_units(world: World) -> None:
    await pack(world)
    await pack(world, OTHER_SSCC, 25, 48)
    moved = await units(world, 30)
    wanted = await units(world, 3, 1, 2, 30, 77)
    named = {"brand_id": world.brand.id, "reason": "mixed up", "actor": "test"}
    async with world.opened.db.transaction() as tx:
        assert await cartons.unpack(tx, sscc=SSCC, **named) == 24
        await cartons.change(tx, sscc=OTHER_SSCC, out=moved, put=[], **named)
        again = await cartons.pack(tx, brand_id=world.brand.id, sscc=SSCC, units=wanted, at=now(), actor="test")
        assert lineset.count(again.units) == 5
    assert await choose(world, sscc=SSCC) == [(world.batch, ((1, 3), (30, 30), (77, 77)))]
    assert await choose(world, sscc=OTHER_SSCC) == [(world.batch, ((25, 29), (31, 48)))]
    async with world.opened.db.transaction() as tx:
        with pytest.raises(Conflict, match="already"):
            await cartons.pack(tx, brand_id=world.brand.id, sscc=SSCC, units=wanted[:1], at=now(), actor="test")
        assert await cartons.unpack(tx, sscc=SSCC, **named) == 5
        await cartons.change(tx, sscc=OTHER_SSCC, out=[], put=moved, **named)
        left = await tx.execute(text("SELECT count(*) FROM carton_exception"))
        assert left.scalar_one() == 0, "what ranges say needs no exception"


async def test_two_packings_at_once_put_a_unit_into_one_carton(world: World) -> None:
    unit = await units(world, 9)

    async def packed(number: int) -> bool:
        try:
            async with world.opened.db.transaction() as tx:
                sscc = gs1.make_sscc(1, "6901234", number)
                await cartons.pack(tx, brand_id=world.brand.id, sscc=sscc, units=unit, at=now(), actor="test")
        except Conflict:
            return False
        return True

    assert sum(await asyncio.gather(*(packed(number) for number in range(1, 7)))) == 1
