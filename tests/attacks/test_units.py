"""Codes that are ours and may not pay: another brand's, voided, recalled, frozen, expired, not activated."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from sqlalchemy import text

from kernel.clock import now
from members import ledger, people
from members.tokens import Tokens
from tests.attacks.conftest import Fort, page, symbols
from traceability import switching
from traceability.selecting import Wanted
from traceability.switching import Said


async def give(fort: Fort, batch: str, state: str, **more: Any) -> None:
    opened = fort.world.opened
    async with opened.db.transaction() as tx:
        await switching.switch(
            tx, opened.vault, Wanted(batch, None, None), Said(state, **more), brand_id=fort.world.brand.id, actor="test"
        )


@pytest.mark.parametrize(
    ("state", "outcome"),
    [("void", "voided"), ("recalled", "voided"), ("frozen", "voided"), ("expired", "voided"), (None, "inactive")],
)
async def test_a_unit_that_may_not_pay_is_told_with_its_reason_and_pays_nothing(
    fort: Fort, state: str | None, outcome: str
) -> None:
    batch, lines = await fort.world.issue(4)
    if state is not None:
        await give(fort, batch, "activated")
        await give(fort, batch, state, reason="attack")
    for line in lines:
        fort.keep_out(symbols(line))
        text_ = page(await fort.client.get(f"/Q/{symbols(line)}", headers={"Accept-Language": "en"}), 200)
        assert "genuine" not in text_.lower()
    replies = await asyncio.gather(*(fort.scan(line, headers=fort.bearer(6)) for line in lines for _ in range(5)))
    assert {reply.status_code for reply in replies} == {200}
    outcomes = {reply.json()["outcome"] for reply in replies}
    assert outcomes <= {outcome, "held", "repeat"}, outcomes
    assert sum(reply.json()["points"] for reply in replies) == 0
    assert all(reply.json()["message"] for reply in replies)
    async with fort.world.opened.db.transaction() as tx:
        paid = await tx.execute(
            text("""
                SELECT count(*) FROM claim c JOIN batch b ON b.name = :batch
                WHERE c.state = 'posted' AND c.unit_id >= lower(b.span) >> 1 AND c.unit_id < upper(b.span) >> 1"""),
            {"batch": batch},
        )
        assert paid.scalar_one() == 0


async def test_another_brands_member_gets_the_answer_and_no_award_and_the_reward_stays(fort: Fort) -> None:
    opened = fort.world.opened
    async with opened.db.transaction() as tx:
        await ledger.open_accounts(tx, brand_id=fort.other.id, member_ids=[None])
        [stranger] = await people.enrol(
            tx, opened.vault, opened.index, brand_id=fort.other.id, phones=[fort.phone()], joined_at=now()
        )
    bearer = {"Authorization": f"Bearer {Tokens(opened.vault).issue(stranger, fort.other.id)}"}
    line = fort.line()
    replies = [(await fort.scan(line, headers=bearer)).json() for _ in range(3)]
    assert {reply["outcome"] for reply in replies} <= {"authentic", "repeat"}
    assert sum(reply["points"] for reply in replies) == 0
    assert (await fort.scan(line, headers=fort.bearer(7))).json()["outcome"] == "awarded"


async def test_a_token_that_names_another_brand_than_its_members_claims_at_neither(fort: Fort) -> None:
    member = fort.world.member_ids[8]
    forged = {"Authorization": f"Bearer {Tokens(fort.world.opened.vault).issue(member, fort.other.id)}"}
    line = fort.line()
    reply = await fort.scan(line, headers=forged)
    assert reply.status_code in (200, 401)
    assert reply.json().get("points", 0) == 0
    assert (await fort.scan(line, headers=fort.bearer(8))).json()["outcome"] == "awarded"


async def test_a_hundred_at_once_for_one_unit_pay_it_once(fort: Fort) -> None:
    line = fort.line()
    replies = await asyncio.gather(*(fort.scan(line, headers=fort.bearer(n % 20)) for n in range(100)))
    outcomes = [reply.json()["outcome"] for reply in replies]
    assert outcomes.count("awarded") + outcomes.count("held") == 1, outcomes
    assert max(reply.json()["scan_count"] for reply in replies) == 100
