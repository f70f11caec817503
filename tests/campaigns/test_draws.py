"""Draws as stored: published, entered by claims, closed, proven."""

from __future__ import annotations

import asyncio
import hashlib
import json
from datetime import timedelta

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from campaigns import draws, fairness, proofs
from kernel.clock import now
from kernel.errors import Conflict, InvalidInput, NotFound
from tests.world import World
from traceability.scans import Outcome
from yima import audit


async def _close(world: World, name: str) -> draws.Draw:
    async with world.opened.db.transaction() as tx:
        return await draws.close(tx, name, actor="test")


async def _proof(world: World, name: str) -> dict[str, object]:
    async with world.opened.db.transaction() as tx:
        return await draws.proof(tx, world.opened.vault, name)


async def test_a_draws_proof_verifies_and_holds_every_entry_that_was_told(world: World) -> None:
    name = await world.publish_draw(stock=3, weight_ppb=500_000_000)
    replies = await asyncio.gather(*(world.scan(world.lines[n], member=n % 20) for n in range(40)))
    won = [prize for reply in replies for prize in reply.prizes]
    assert len(won) == 3
    closed = await _close(world, name)
    assert (closed.entries, closed.prizes_left) == (40, {1: 0})
    document = json.loads(json.dumps(await _proof(world, name)))
    report = proofs.verify(document)
    assert report.ok, report.problems
    assert (report.entries, report.prizes) == (40, {1: 3})
    for reply in replies:
        for prize in reply.prizes:
            assert proofs.receipt_matches(document, reply.scan_id, prize.entry)


async def test_what_is_published_before_the_draw_commits_to_the_seed_that_is_revealed(world: World) -> None:
    name = await world.publish_draw()
    async with world.opened.db.transaction() as tx:
        before = await draws.get(tx, name)
    await world.scan(world.lines[0])
    await _close(world, name)
    document = await _proof(world, name)
    assert hashlib.sha256(bytes.fromhex(str(document["seed"]))).hexdigest() == before.seed_commitment
    assert document["rules_hash"] == before.rules_hash


async def test_there_is_no_proof_and_no_seed_before_the_close(world: World) -> None:
    name = await world.publish_draw()
    with pytest.raises(Conflict, match="open until it is closed"):
        await _proof(world, name)
    async with world.opened.db.transaction() as tx:
        sealed = (await tx.execute(text("SELECT seed_sealed FROM draw"))).scalar_one()
    seed = world.opened.vault.open(sealed, f"draw/{name}")
    assert seed not in bytes(sealed)


async def test_entry_numbers_are_gapless_in_spite_of_parallel_claims_and_failures(world: World) -> None:
    await world.publish_draw()
    await asyncio.gather(*(world.scan(world.lines[n % 60], member=n % 20) for n in range(120)))
    async with world.opened.db.transaction() as tx:
        numbers = list((await tx.execute(text("SELECT number FROM draw_entry ORDER BY number"))).scalars())
    assert numbers == list(range(1, 61))


async def test_a_prize_is_never_given_more_often_than_there_are(world: World) -> None:
    await world.publish_draw(stock=2, weight_ppb=1_000_000_000)
    replies = await asyncio.gather(*(world.scan(world.lines[n], member=n % 20) for n in range(50)))
    assert sum(len(reply.prizes) for reply in replies) == 2
    found = await audit.audit(world.opened)
    assert found.ok, [proof for proof in found.proofs if proof.breaches]


async def test_claims_that_race_the_close_are_in_the_log_or_not_entered(world: World) -> None:
    name = await world.publish_draw(weight_ppb=1_000_000_000, stock=1000)
    scans = [asyncio.create_task(world.scan(world.lines[n], member=n % 20)) for n in range(100)]
    await asyncio.wait(scans, return_when=asyncio.FIRST_COMPLETED)
    await _close(world, name)
    replies = await asyncio.gather(*scans)
    assert all(reply.outcome is Outcome.AWARDED for reply in replies)
    told = {prize.entry for reply in replies for prize in reply.prizes}
    document = await _proof(world, name)
    report = proofs.verify(document)
    assert report.ok, report.problems
    assert told == set(range(1, report.entries + 1))
    assert (await world.scan(world.lines[150])).prizes == []


async def test_a_persons_limit_of_entries_holds_within_one_group_too(world: World) -> None:
    await world.publish_draw(entries_per_person=2, weight_ppb=1_000_000_000, stock=1000)
    replies = await asyncio.gather(*(world.scan(world.lines[n], member=0) for n in range(10)))
    assert sum(len(reply.prizes) for reply in replies) == 2
    assert all(reply.points == 10 for reply in replies)
    assert (await world.scan(world.lines[20], member=0)).prizes == []
    assert len((await world.scan(world.lines[21], member=1)).prizes) == 1


async def test_closing_again_changes_nothing(world: World) -> None:
    name = await world.publish_draw()
    first = await _close(world, name)
    assert await _close(world, name) == first


@pytest.mark.parametrize("column", ["rules = '{}'", "seed_commitment = 'x'", "closes_at = now()"])
async def test_a_published_draws_promise_never_changes(world: World, column: str) -> None:
    await world.publish_draw()
    with pytest.raises(DBAPIError, match="never change"):
        async with world.opened.db.transaction() as tx:
            await tx.execute(text(f"UPDATE draw SET {column}"))


async def test_the_log_only_grows(world: World) -> None:
    await world.publish_draw()
    await world.scan(world.lines[0])
    for statement in ("UPDATE draw_entry SET prize_id = 1", "DELETE FROM draw_entry"):
        with pytest.raises(DBAPIError, match="never change"):
            async with world.opened.db.transaction() as tx:
                await tx.execute(text(statement))


async def test_the_audit_finds_a_stock_or_head_that_was_tampered_with(world: World) -> None:
    await world.publish_draw(weight_ppb=1_000_000_000)
    await world.scan(world.lines[0])
    async with world.opened.db.transaction() as tx:
        await tx.execute(text("UPDATE draw_shard SET head = sha256('x')"))
    found = await audit.audit(world.opened)
    assert [p.name for p in found.proofs if p.breaches] == ["every draw's log follows from its seed and rules"]


async def test_a_draw_that_is_over_closes_by_the_sweep(world: World) -> None:
    name = await world.publish_draw()
    async with world.opened.db.transaction() as tx:
        assert await draws.close_due(tx) == 0
        await tx.execute(text("ALTER TABLE draw DISABLE TRIGGER rules_frozen"))
        await tx.execute(text("UPDATE draw SET closes_at = now(), opens_at = now() - interval '1 day'"))
        assert await draws.close_due(tx) == 1
        assert (await draws.get(tx, name)).closed_at is not None


async def test_unknown_taken_and_late_draws_are_refused(world: World) -> None:
    name = await world.publish_draw()
    with pytest.raises(Conflict, match=name):
        await world.publish_draw(name=name)
    with pytest.raises(NotFound, match="NOSUCH"):
        await _close(world, "NOSUCH")
    async with world.opened.db.transaction() as tx:
        rules = (await draws.get(tx, name)).rules
        over = type(rules)(
            rules.name_zh, rules.name_en, (), rules.prizes, now() - timedelta(2), now() - timedelta(1), None, None,
            "nothing",
        )  # fmt: skip
        with pytest.raises(InvalidInput, match="before the publication"):
            await draws.publish(tx, world.opened.vault, brand_id=world.brand.id, rules=over, actor="test")
        many = type(rules)(
            rules.name_zh,
            rules.name_en,
            (),
            rules.prizes,
            now() + timedelta(1),
            now() + timedelta(2),
            None,
            None,
            "nothing",
            2,
        )
        with pytest.raises(InvalidInput, match="shards"):
            await draws.publish(tx, world.opened.vault, brand_id=world.brand.id, rules=many, actor="test")


async def test_a_parked_claim_enters_the_draw_when_it_is_paid(world: World) -> None:
    from scanapi import settle

    name = await world.publish_draw(weight_ppb=1_000_000_000)
    batch, lines = await world.issue(3)
    early = await world.scan(lines[0])
    await world.activate(batch)
    await asyncio.gather(*(settle.settle(world.opened.db, world.opened.vault) for _ in range(4)))
    await _close(world, name)
    document = await _proof(world, name)
    assert proofs.receipt_matches(document, early.scan_id, 1)
    found = await audit.audit(world.opened)
    assert found.ok, [proof for proof in found.proofs if proof.breaches]
    assert found.figures["points_issued"] == 10
    assert fairness.commitment(bytes.fromhex(str(document["seed"]))) == document["seed_commitment"]
