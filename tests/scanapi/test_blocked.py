"""Blocked scans: told what the code is, paid nothing, from the next look at the lists on."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import text

from antifraud import blocks
from tests.antifraud.test_blocks import add, lift, public_id
from tests.world import World
from traceability.scans import Outcome


async def block(world: World, kind: str, what: str, **more: Any) -> blocks.Block:
    made = await add(world, kind, what, **more)
    await world.service.keys.refresh()
    return made


@pytest.mark.parametrize(
    ("why", "said"), [("copied", "copied"), ("abuse", "abuse"), ("stolen", "stolen"), ("other", "not accepted")]
)
async def test_a_blocked_unit_pays_nothing_and_the_class_of_the_reason_is_told(
    world: World, why: str, said: str
) -> None:
    await block(world, "unit", world.lines[0], why=why, reason="SECRET of the brand")
    reply = await world.scan(world.lines[0])
    assert reply.outcome is Outcome.REFUSED
    assert said in reply.message
    assert "SECRET" not in reply.message
    assert [(each.rule, each.result) for each in reply.findings] == [("block_list", "unit")]
    assert (await world.scan(world.lines[1])).outcome is Outcome.AWARDED
    # whoever only asks is told as always
    assert (await world.scan(world.lines[0], member=None)).outcome is Outcome.AUTHENTIC
    async with world.opened.db.transaction() as tx:
        found = await tx.execute(text("SELECT findings->0->>'why' FROM scan WHERE outcome = 'refused'"))
        assert found.scalars().all() == [why]


async def test_each_kind_of_block_meets_its_scans_and_a_network_only_holds_them(world: World) -> None:
    scan_id = uuid4()
    await world.scan(world.lines[0], member=5, device_id="bad phone", scan_id=scan_id)
    other, lines = await world.issue(3)
    await world.activate(other)
    await block(world, "device", str(scan_id))
    await block(world, "member", await public_id(world, 6))
    await block(world, "batch", other)
    await block(world, "network", "203.0.113.0/24")
    for more, outcome, kind in (
        ({"member": 1, "device_id": "bad phone"}, Outcome.REFUSED, "device"),
        ({"member": 6}, Outcome.REFUSED, "member"),
        ({"member": 2, "address": "203.0.113.9"}, Outcome.HELD, "network"),
        ({"member": 3, "code": lines[0]}, Outcome.REFUSED, "batch"),
        ({"member": 4}, Outcome.AWARDED, None),
    ):
        reply = await world.scan(**{"code": world.lines[1], **more})
        told = [each.result for each in reply.findings if each.rule == "block_list"]
        assert (reply.outcome, told) == (outcome, [] if kind is None else [kind]), more
        if outcome is Outcome.HELD:
            async with world.opened.db.transaction() as tx:  # free the unit again
                await tx.execute(text("DELETE FROM claim WHERE state = 'pending'"))


async def test_a_lifted_and_an_ended_block_stop_and_the_reward_is_still_there(world: World) -> None:
    lifted = await block(world, "unit", world.lines[0])
    ended = await block(world, "unit", world.lines[1])
    for line in world.lines[:2]:
        assert (await world.scan(line)).outcome is Outcome.REFUSED
    await lift(world, lifted)
    async with world.opened.db.transaction() as tx:
        await tx.execute(
            text("UPDATE block SET until = now() + :rest WHERE id = :id"),
            {"id": ended.id, "rest": timedelta(seconds=0)},
        )
    await world.service.keys.refresh()
    for line in world.lines[:2]:
        assert (await world.scan(line)).outcome is Outcome.AWARDED


async def test_a_block_costs_no_statement_of_a_scan(world: World) -> None:
    await world.hold_still()
    await world.scan(world.lines[0])
    before = world.opened.db.statements
    await world.scan(world.lines[1])
    plain = world.opened.db.statements - before
    await block(world, "unit", world.lines[3])
    await block(world, "network", "203.0.113.0/24")
    before = world.opened.db.statements
    await world.scan(world.lines[2])
    assert world.opened.db.statements - before == plain


async def test_no_claim_of_a_blocked_unit_is_parked_before_its_activation(world: World) -> None:
    batch, lines = await world.issue(2)
    await block(world, "unit", lines[0])
    assert (await world.scan(lines[0])).outcome is Outcome.INACTIVE
    await world.activate(batch)
    async with world.opened.db.transaction() as tx:
        assert (await tx.execute(text("SELECT count(*) FROM claim"))).scalar_one() == 0
