"""Rewards by the class that law puts a product in."""

from __future__ import annotations

import pytest
from sqlalchemy import text

from members import people
from scanapi import shelf
from tests.world import GTIN, World
from traceability import catalogue


@pytest.fixture(autouse=True)
def _seen_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the console sets holds for the next scan; in production within two seconds."""
    monkeypatch.setattr(shelf, "SHOWN_KEPT_S", 0.0)


async def _put_in(world: World, legal_class: str, rewards: str = "default") -> None:
    async with world.opened.db.transaction() as tx:
        kept = await catalogue.product(tx, GTIN, brand_id=world.brand.id)
        await catalogue.update_product(
            tx, brand_id=world.brand.id, gtin=GTIN, name=kept.name, name_en=kept.name_en, actor="test",
            units_per_case=kept.units_per_case, version=kept.version, legal_class=legal_class, rewards=rewards,
        )  # fmt: skip


async def _claims(world: World) -> int:
    async with world.opened.db.transaction() as tx:
        return int((await tx.execute(text("SELECT count(*) FROM claim"))).scalar_one())


@pytest.mark.parametrize("legal_class", ["tobacco", "infant_formula", "medicine"])
@pytest.mark.parametrize("member", [None, 1])
async def test_class_without_rewards_is_told_authentic_and_claimed_by_nobody(
    world: World, legal_class: str, member: int | None
):
    await _put_in(world, legal_class)
    reply = await world.scan(world.lines[0], member=member)
    assert (reply.outcome, reply.points) == ("authentic", 0)
    assert "take part in no rewards" in reply.message
    _, lines = await world.issue(1)
    early = await world.scan(lines[0], member=member)
    assert early.outcome == "inactive"
    assert "reward" not in early.message
    assert await _claims(world) == 0


async def test_reward_switched_off_and_on_again_is_there_for_who_comes_then(world: World):
    await _put_in(world, "medicine")
    assert (await world.scan(world.lines[0], member=1)).outcome == "authentic"
    await _put_in(world, "medicine", "on")
    assert (await world.scan(world.lines[0], member=1)).outcome == "awarded"


async def test_alcohol_is_claimed_by_whoever_says_to_be_an_adult(world: World):
    await _put_in(world, "alcohol")
    anonymous = await world.scan(world.lines[0], member=None)
    assert "Sign in" in anonymous.message
    asked = await world.scan(world.lines[0], member=1)
    assert (asked.outcome, asked.points) == ("authentic", 0)
    assert "18 or older" in asked.message
    _, lines = await world.issue(1)
    early = await world.scan(lines[0], member=1)
    assert "18 or older" in early.message
    assert await _claims(world) == 0
    for _ in range(2):
        async with world.opened.db.transaction() as tx:
            await people.confirm_adult(tx, brand_id=world.brand.id, member_id=world.member_ids[1])
    assert (await world.scan(world.lines[0], member=1)).outcome == "awarded"
    assert "reward is kept" in (await world.scan(lines[0], member=1)).message
    assert "18 or older" in (await world.scan(world.lines[1], member=2)).message
    async with world.opened.db.transaction() as tx:
        kept = await tx.execute(
            text("SELECT text_version FROM consent WHERE purpose = 'adult' AND member_id = :m"),
            {"m": world.member_ids[1]},
        )
        assert kept.scalars().all() == [people.ADULT_VERSION]
