"""The points ledger against a real PostgreSQL."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from kernel.clock import now
from kernel.db import StatementFailed
from kernel.errors import Conflict, InvalidInput, NotFound
from members import ledger, ledger_audit
from members.ledger import Credit
from tests.world import World


async def _give(world: World, amount: int, cause: str, *, days: int | None = 30, member: int = 0, **more) -> None:
    member_id = world.member_ids[member]
    async with world.opened.db.transaction() as tx:
        accounts = await ledger.lock_accounts(tx, [member_id])
        credit = Credit(
            account=accounts[member_id, "spendable"],
            amount=amount,
            cause_kind="test",
            cause_id=cause,
            rule_id=more.get("rule_id", 1),
            rule_version=more.get("rule_version", 1),
            active_from=more.get("active_from", now()),
            expires_at=None if days is None else now() + timedelta(days=days),
        )
        issuers = await ledger.issuers(tx, [world.brand.id])
        await ledger.post(tx, [credit], issuer_ids=issuers, at=now())


async def _burn(world: World, amount: int, cause: str, member: int = 0) -> int:
    async with world.opened.db.transaction() as tx:
        return await ledger.burn(
            tx, member_id=world.member_ids[member], amount=amount, cause_kind="test", cause_id=cause, at=now()
        )


async def _value(world: World, query: str) -> object:
    async with world.opened.db.transaction() as tx:
        return (await tx.execute(text(query))).scalar_one()


async def _lefts(world: World) -> list[int]:
    async with world.opened.db.transaction() as tx:
        return list((await tx.execute(text('SELECT "left" FROM lot ORDER BY id'))).scalars())


async def _sound(world: World) -> None:
    async with world.opened.db.transaction() as tx:
        broken = [proof for proof in await ledger_audit.prove(tx) if proof.breaches]
    assert broken == []


async def test_points_are_burnt_soonest_expiry_first_and_the_allocation_is_kept(world: World) -> None:
    await _give(world, 50, "later", days=60)
    await _give(world, 30, "sooner", days=5)
    await _give(world, 20, "never", days=None)
    await _burn(world, 60, "gift")
    assert await _lefts(world) == [20, 0, 20]
    await _sound(world)


async def test_a_reversed_burn_gives_the_lots_back_with_their_old_expiry(world: World) -> None:
    await _give(world, 50, "a", days=60)
    await _give(world, 30, "b", days=5)
    before = await _value(world, "SELECT string_agg(expires_at::text, ',' ORDER BY id) FROM lot")
    burnt = await _burn(world, 70, "gift")
    async with world.opened.db.transaction() as tx:
        await ledger.reverse(tx, burnt, at=now())
    assert await _lefts(world) == [50, 30]
    assert await _value(world, "SELECT string_agg(expires_at::text, ',' ORDER BY id) FROM lot") == before
    await _sound(world)
    with pytest.raises(Conflict, match="reversed already"):
        async with world.opened.db.transaction() as tx:
            await ledger.reverse(tx, burnt, at=now())


async def test_points_given_back_to_a_lot_after_its_end_expire_once_more(world: World) -> None:
    await _give(world, 50, "a", days=5)
    burnt = await _burn(world, 20, "gift")
    end = now() + timedelta(days=6)

    async def expired() -> int:
        async with world.opened.db.transaction() as tx:
            return await ledger.expire(tx, at=end)

    assert (await expired(), await expired()) == (1, 0)
    for _ in range(2):  # the burn's reversal, then that of an expiry
        async with world.opened.db.transaction() as tx:
            await ledger.reverse(tx, burnt, at=end)
        assert await _lefts(world) != [0]
        assert (await expired(), await expired()) == (1, 0)
        assert await _lefts(world) == [0]
        burnt = int(str(await _value(world, "SELECT max(id) FROM journal WHERE kind = 'expire'")))
    await _sound(world)


async def test_an_earning_is_reversed_only_while_unspent(world: World) -> None:
    await _give(world, 50, "a")
    journal = int(str(await _value(world, "SELECT max(id) FROM journal")))
    burnt = await _burn(world, 1, "gift")
    with pytest.raises(Conflict, match="1 of the 50 points"):
        async with world.opened.db.transaction() as tx:
            await ledger.reverse(tx, journal, at=now())
    async with world.opened.db.transaction() as tx:
        await ledger.reverse(tx, burnt, at=now())
        await ledger.reverse(tx, journal, at=now())
    assert await _lefts(world) == [0]
    await _sound(world)


async def test_a_reversal_cannot_be_reversed_and_an_unknown_journal_is_named(world: World) -> None:
    await _give(world, 5, "a")
    journal = int(str(await _value(world, "SELECT max(id) FROM journal")))
    async with world.opened.db.transaction() as tx:
        reversal = await ledger.reverse(tx, journal, at=now())
    with pytest.raises(Conflict, match="itself a reversal"):
        async with world.opened.db.transaction() as tx:
            await ledger.reverse(tx, reversal, at=now())
    with pytest.raises(NotFound, match="424242"):
        async with world.opened.db.transaction() as tx:
            await ledger.reverse(tx, 424242, at=now())


async def test_points_that_are_not_active_yet_or_expired_cannot_be_burnt(world: World) -> None:
    await _give(world, 10, "future", active_from=now() + timedelta(days=1))
    await _give(world, 10, "past", days=-1)
    await _give(world, 3, "present")
    with pytest.raises(Conflict, match="has 3 points to spend, not 4"):
        await _burn(world, 4, "gift")
    await _burn(world, 3, "gift")


async def test_expiry_takes_what_is_left_once(world: World) -> None:
    await _give(world, 10, "past", days=-1)
    await _give(world, 10, "present", days=1)
    for _ in range(2):
        async with world.opened.db.transaction() as tx:
            await ledger.expire(tx, at=now())
    assert await _lefts(world) == [0, 10]
    async with world.opened.db.transaction() as tx:
        assert (await ledger_audit.figures(tx))["points_expired"] == 10
    await _sound(world)


async def test_a_claim_is_paid_once_even_by_a_new_version_of_the_rule(world: World) -> None:
    await _give(world, 10, "claim-1", rule_version=1)
    with pytest.raises(StatementFailed, match=r"23505.*uq_entry_once"):
        await _give(world, 99, "claim-1", rule_version=2)
    await _sound(world)


async def test_the_same_burn_twice_is_a_conflict(world: World) -> None:
    await _give(world, 10, "a")
    await _burn(world, 4, "gift")
    with pytest.raises(Conflict, match="burnt for test gift already"):
        await _burn(world, 4, "gift")


async def test_parallel_burns_never_overdraw(world: World) -> None:
    await _give(world, 100, "a")
    results = await asyncio.gather(*(_burn(world, 30, f"gift-{n}") for n in range(8)), return_exceptions=True)
    assert sum(isinstance(result, int) for result in results) == 3
    assert all(isinstance(result, (int, Conflict)) for result in results)
    assert await _lefts(world) == [10]
    await _sound(world)


@pytest.mark.parametrize("amount", [0, -1, 1_000_000_001])
async def test_an_amount_outside_its_limits_is_refused(world: World, amount: int) -> None:
    with pytest.raises(InvalidInput, match="1 to 1,000,000,000"):
        await _burn(world, amount, "gift")
    with pytest.raises(InvalidInput):
        await _give(world, amount, "a")


async def test_the_largest_amount_is_accepted(world: World) -> None:
    await _give(world, 1_000_000_000, "a")
    await _burn(world, 1_000_000_000, "gift")
    await _sound(world)


@pytest.mark.parametrize("statement", ["UPDATE entry SET amount = 1", "DELETE FROM journal", "DELETE FROM entry"])
async def test_the_ledger_only_grows(world: World, statement: str) -> None:
    await _give(world, 10, "a")
    with pytest.raises(DBAPIError, match="rows of this table never change"):
        async with world.opened.db.transaction() as tx:
            await tx.execute(text(statement))


async def test_the_audit_finds_a_balance_that_was_tampered_with(world: World) -> None:
    await _give(world, 10, "a")
    async with world.opened.db.transaction() as tx:
        await tx.execute(text("UPDATE account SET balance = balance + 1 WHERE member_id IS NOT NULL"))
    async with world.opened.db.transaction() as tx:
        broken = {proof.name for proof in await ledger_audit.prove(tx) if proof.breaches}
    assert broken == {
        "a member's balance is the sum of the account's entries",
        "a member's balance is what is left in the account's lots",
    }


_STEP = st.one_of(
    st.tuples(st.just("give"), st.integers(1, 50), st.sampled_from([None, -1, 1, 10, 100])),
    st.tuples(st.just("burn"), st.integers(1, 80), st.just(None)),
    st.tuples(st.just("reverse"), st.integers(0, 30), st.just(None)),
    st.tuples(st.just("expire"), st.just(0), st.just(None)),
)


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(_STEP, max_size=25))
async def test_any_history_keeps_every_invariant(world: World, steps: list[tuple[str, int, int | None]]) -> None:
    tag = str(now().timestamp())
    for place, (kind, number, days) in enumerate(steps):
        try:
            if kind == "give":
                await _give(world, number, f"{tag}-{place}", days=days)
            elif kind == "burn":
                await _burn(world, number, f"{tag}-{place}")
            else:
                async with world.opened.db.transaction() as tx:
                    if kind == "expire":
                        await ledger.expire(tx, at=now())
                    else:
                        await ledger.reverse(tx, number, at=now())
        except (Conflict, NotFound):
            continue
    await _sound(world)
