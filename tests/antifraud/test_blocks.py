"""Block lists as they are stored: what may stand on them, their edges, and the trail of who did what."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import text

from antifraud import blocks
from antifraud.blocks import Block
from kernel.clock import now
from kernel.errors import Conflict, InvalidInput, NotFound, TooMany, YimaError
from scanapi.blocked import LiveBlocks
from tests.world import World
from traceability import catalogue


async def add(world: World, kind: str, what: str, **more: Any) -> Block:
    values = {
        "why": "abuse",
        "reason": "seen too often",
        "days": 30,
        "actor": "test",
        "brand_id": world.brand.id,
    } | more
    async with world.opened.db.transaction() as tx:
        return await blocks.add(tx, world.opened.vault, kind=kind, what=what, **values)


async def lift(world: World, block: Block, **more: Any) -> Block:
    async with world.opened.db.transaction() as tx:
        return await blocks.lift(tx, block.id, **{"brand_id": world.brand.id, "actor": "other"} | more)


async def standing(world: World, *, past: bool = False) -> list[int]:
    async with world.opened.db.transaction() as tx:
        return [each.id for each in await blocks.list_of(tx, brand_id=world.brand.id, past=past)]


async def public_id(world: World, member: int) -> str:
    async with world.opened.db.transaction() as tx:
        found = await tx.execute(text("SELECT public_id FROM member WHERE id = :id"), {"id": world.member_ids[member]})
        return str(found.scalar_one())


async def test_everything_that_can_be_blocked_is_named_as_people_name_it(world: World) -> None:
    scan_id = uuid4()
    await world.scan(world.lines[3], scan_id=scan_id)
    unit = await add(world, "unit", world.lines[3])
    assert unit.label == f"{world.batch}:4"
    assert (await add(world, "unit", f"{world.batch.lower()}/5")).label == f"{world.batch}:5"
    assert int((await add(world, "unit", f"{world.batch}:6")).key) == int(unit.key) + 2
    assert (await add(world, "batch", world.batch.lower())).label == world.batch
    member = await public_id(world, 2)
    assert (await add(world, "member", member.lower())).key == str(world.member_ids[2])
    device = await add(world, "device", str(scan_id))
    assert device.key == world.opened.index.of("device", "device-0").hex()
    assert device.label == device.key[:6]
    assert (await add(world, "network", "203.0.113.7")).label == "203.0.113.7/32"
    assert (await add(world, "network", "2001:DB8:0::/48")).key == "2001:db8::/48"
    assert len(await standing(world)) == 8


@pytest.mark.parametrize(
    ("kind", "what", "error", "said"),
    [
        ("town", "x", InvalidInput, "kind is one of"),
        ("unit", "nonsense", InvalidInput, "its code or as BATCH:LINE"),
        ("unit", "0" * 20, NotFound, "no code that the brand issued"),
        ("unit", "{batch}:201", InvalidInput, "has 200 lines"),
        ("unit", "{batch}:0", InvalidInput, "its code or as BATCH:LINE"),
        ("batch", "NONE", NotFound, "no batch"),
        ("batch", "A B\0", InvalidInput, "characters"),
        ("batch", "批次", NotFound, "no batch"),
        ("member", "NOBODY", NotFound, "no member"),
        ("member", "a b", NotFound, "no member"),
        ("device", "my phone", InvalidInput, "id of a scan"),
        ("device", "00000000-0000-4000-8000-000000000000", NotFound, "no scan"),
        ("network", "203.0.113.7/24", InvalidInput, "is no network"),
        ("network", "203.0.0.0/15", InvalidInput, "at most a /16 of IPv4"),
        ("network", "2001:d00::/31", InvalidInput, "at most a /32 of IPv6"),
        ("network", "0.0.0.0/0", InvalidInput, "at most a /16"),
        ("network", "", InvalidInput, "1 to 400 characters"),
        ("unit", "x" * 401, InvalidInput, "1 to 400 characters"),
    ],
)
async def test_what_is_nothing_of_its_kind_is_refused_in_a_sentence(
    world: World, kind: str, what: str, error: type[YimaError], said: str
) -> None:
    with pytest.raises(error, match=said):
        await add(world, kind, what.format(batch=world.batch))
    assert await standing(world) == []


async def test_the_edges_of_days_and_reasons(world: World) -> None:
    for days in (0, -1, blocks.DAYS_MAX + 1):
        with pytest.raises(InvalidInput, match="1 to 3,650 days"):
            await add(world, "network", "203.0.113.0/24", days=days)
    for reason in ("", "  ", "x" * 201, "two\nlines"):
        with pytest.raises(InvalidInput, match="A reason has"):
            await add(world, "network", "203.0.113.0/24", reason=reason)
    with pytest.raises(InvalidInput, match="why is one of"):
        await add(world, "network", "203.0.113.0/24", why="dislike")
    longest = await add(world, "network", "203.0.0.0/16", days=blocks.DAYS_MAX, reason="x" * 200)
    assert longest.until - longest.made_at == timedelta(days=blocks.DAYS_MAX)
    assert (await add(world, "network", "203.0.113.1", days=1)).stands(now() + timedelta(hours=23))


async def test_a_thing_is_blocked_once_and_again_after_it_was_lifted_or_ended(world: World) -> None:
    first = await add(world, "network", "203.0.113.0/24")
    with pytest.raises(Conflict, match=f"Block {first.id} holds"):
        await add(world, "network", "203.0.113.0/24")
    gone = await lift(world, first)
    assert (gone.lifted_by, gone.stands(now())) == ("other", False)
    assert await lift(world, first, actor="third") == gone
    second = await add(world, "network", "203.0.113.0/24")
    async with world.opened.db.transaction() as tx:
        await tx.execute(text("UPDATE block SET until = now() WHERE id = :id"), {"id": second.id})
    third = await add(world, "network", "203.0.113.0/24")
    assert (await standing(world), await standing(world, past=True)) == ([third.id], [second.id, first.id])


async def test_one_thing_blocked_twice_at_once_is_blocked_once(world: World) -> None:
    tried = await asyncio.gather(*(add(world, "network", "203.0.113.0/24") for _ in range(6)), return_exceptions=True)
    assert sorted(type(each).__name__ for each in tried) == ["Block", *["Conflict"] * 5]


async def test_no_more_stand_than_may(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks, "BLOCKS_MAX", 3)
    made = [await add(world, "network", f"203.0.113.{n}") for n in range(3)]
    with pytest.raises(TooMany, match="3 blocks"):
        await add(world, "network", "203.0.113.9")
    await lift(world, made[0])
    await add(world, "network", "203.0.113.9")


async def test_another_brand_neither_sees_nor_lifts_a_block(world: World) -> None:
    block = await add(world, "batch", world.batch)
    async with world.opened.db.transaction() as tx:
        other = await catalogue.create_brand(
            tx, slug="wine", name="酒", name_en="Wine", company_prefix="6905678", actor="test"
        )
        assert await blocks.list_of(tx, brand_id=other.id) == []
    with pytest.raises(NotFound, match="no block"):
        await lift(world, block, brand_id=other.id)
    for kind, what in (("batch", world.batch), ("unit", world.lines[0]), ("member", await public_id(world, 0))):
        with pytest.raises(NotFound):
            await add(world, kind, what, brand_id=other.id)


async def test_the_trail_tells_who_blocked_what_why_and_until_when(world: World) -> None:
    block = await add(world, "network", "203.0.113.0/24")
    await lift(world, block)
    async with world.opened.db.transaction() as tx:
        rows = await tx.execute(
            text(
                "SELECT action, actor, subject, before, after FROM audit_trail WHERE action LIKE 'block.%' ORDER BY id"
            )
        )
        added, lifted = rows.all()
    assert added[:3] == ("block.add", "test", "network 203.0.113.0/24")
    assert added.after["reason"] == "seen too often"
    assert added.after["until"] == block.until.isoformat()
    assert lifted[:3] == ("block.lift", "other", "network 203.0.113.0/24")


async def test_what_is_blocked_or_lifted_elsewhere_is_known_at_the_next_look(world: World) -> None:
    live = LiveBlocks()

    async def look() -> int:
        async with world.opened.db.transaction() as tx:
            await live.refresh(tx)
        return len(live.list)

    assert await look() == 0
    one, _ = await add(world, "network", "203.0.113.0/24"), await add(world, "batch", world.batch)
    assert await look() == 2
    await lift(world, one)
    before = world.opened.db.statements
    assert await look() == 1
    assert world.opened.db.statements == before + 2
    assert await look() == 1
    assert world.opened.db.statements == before + 3
