"""Appeals and settlements of codes that are paired at the same time: one unit is paid once."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from members import people
from scanapi import appealing, settle
from tests.scanapi.test_appealing import _who
from tests.scanapi.test_pairing import claimed, pair, prove
from tests.world import World


async def _refused(world: World, code: str) -> None:
    """A scan of the code is refused, because its member was blocked at that time."""
    member_id = world.member_ids[1]
    async with world.opened.db.transaction() as tx:
        found = (await people.facts(tx, [member_id]))[member_id]
        await people.block(tx, brand_id=world.brand.id, public_id=found.public_id, reason="test", actor="test")
    assert (await world.scan(code, member=1)).outcome == "refused"
    async with world.opened.db.transaction() as tx:
        await people.unblock(tx, brand_id=world.brand.id, public_id=found.public_id, reason="test", actor="test")


async def _two(world: World) -> tuple[str, list[str], str, list[str]]:
    outer, outers = await world.issue(2)
    inner, inners = await world.issue(2)
    for batch in (outer, inner):
        await world.activate(batch)
    return outer, outers, inner, inners


async def test_an_appeal_granted_while_the_paired_unit_is_scanned_pays_once(world: World) -> None:
    outer, outers, inner, inners = await _two(world)
    await _refused(world, inners[0])
    async with world.opened.db.transaction() as tx:
        appeal = await appealing.appeal_by_code(tx, world.service, member=_who(world), code=inners[0])
    await pair(world, outer, inner, list(zip(outers, inners, strict=True)))
    async with world.opened.db.transaction() as tx:
        await appealing.decide(tx, world.opened.vault, appeal.id, grant=True, said="", actor="staff")
        scanning = asyncio.create_task(world.scan(inners[0], member=2))
        await asyncio.sleep(0.5)
        assert not scanning.done(), "the scan waits for the answer to the appeal"
    assert (await scanning).outcome == "taken"
    assert len(await claimed(world)) == 1
    await prove(world)


async def test_an_appeal_after_the_pairing_is_against_the_code_that_was_refused(world: World) -> None:
    outer, outers, inner, inners = await _two(world)
    await _refused(world, inners[0])
    await pair(world, outer, inner, list(zip(outers, inners, strict=True)))
    async with world.opened.db.transaction() as tx:
        appeal = await appealing.appeal_by_code(tx, world.service, member=_who(world), code=inners[0])
    async with world.opened.db.transaction() as tx:
        award = await appealing.decide(tx, world.opened.vault, appeal.id, grant=True, said="", actor="staff")
    assert award is not None
    assert [(await world.scan(inners[0], member=n)).outcome for n in (1, 2, 2)] == ["repeat", "taken", "taken"]
    await prove(world)


async def test_a_pairing_waits_for_the_settlement_of_either_code(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    outer, outers = await world.issue(1)
    inner, inners = await world.issue(1)
    for n, code in enumerate((outers[0], inners[0]), 1):
        assert (await world.scan(code, member=n)).outcome == "inactive"
    for batch in (outer, inner):
        await world.activate(batch)
    real, waited, pairing = settle.pairs.mates, [], []

    async def slow(tx: Any, ids: Any) -> Any:
        mates = await real(tx, ids)
        if not pairing:
            pairing.append(asyncio.create_task(pair(world, outer, inner, [(outers[0], inners[0])])))
            await asyncio.sleep(0.5)
            waited.append(not pairing[0].done())
        return mates

    monkeypatch.setattr(settle.pairs, "mates", slow)
    assert await settle.settle(world.opened.db, world.opened.vault) == 2, "they were two units until then"
    await pairing[0]
    assert waited == [True]
    await prove(world)
