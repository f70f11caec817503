"""A key leaks: what was scanned keeps its standing, what was not waits for a person; goods are ordered again."""

from __future__ import annotations

import asyncio
import csv
import io
from datetime import timedelta

import pytest
from sqlalchemy import text

from campaigns import claims
from codegen import batches, gs1, keys, leaks
from codegen.batches import Batch
from codegen.keys import KeyInfo
from codegen.leaks import Stopped
from codegen.scheme import Sealer
from insights import field
from kernel.clock import now
from kernel.errors import Conflict, InvalidInput, NotFound
from scanapi import settle
from tests.world import World
from traceability import shipments
from traceability.scans import ScanReply
from traceability.shipments import Carton


async def _key(world: World) -> KeyInfo:
    async with world.opened.db.transaction() as tx:
        return await keys.get(tx, (await batches.get(tx, world.batch)).key_id)


async def _stop(world: World, **more) -> Stopped:
    key = await _key(world)
    async with world.opened.db.transaction() as tx:
        return await leaks.stop(tx, **{"key_id": key.id, "reason": "a laptop was stolen", "actor": "test", **more})


async def _reissue(world: World, name: str) -> Batch:
    async with world.opened.db.transaction() as tx:
        batch = await batches.get(tx, name)
        return await leaks.reissue(tx, world.opened.vault, batch, actor="test")


async def _trail(world: World, action: str) -> int:
    async with world.opened.db.transaction() as tx:
        rows = await tx.execute(text("SELECT count(*) FROM audit_trail WHERE action = :a"), {"a": action})
        return int(rows.scalar_one())


# --- what a scan gets ---------------------------------------------------------------------------------------


async def test_units_scanned_before_the_leak_keep_their_standing(world: World) -> None:
    assert (await world.scan(world.lines[0], member=0)).outcome == "awarded"
    await world.scan(world.lines[1], member=None)  # scanned, not claimed
    await _stop(world)
    assert (await world.scan(world.lines[0], member=0)).outcome == "repeat"
    assert (await world.scan(world.lines[0], member=1)).outcome == "taken"
    assert (await world.scan(world.lines[1], member=2)).outcome == "awarded"


async def test_an_unscanned_unit_waits_for_a_person_who_may_pay_or_void_it(world: World) -> None:
    await _stop(world)
    reply = await world.scan(world.lines[5], member=3)
    assert (reply.outcome, reply.points) == ("held", 0)
    assert "a person at Cloud Tea looks at it" in reply.message
    assert "appeal" in reply.message
    assert [(found.rule, found.result) for found in reply.findings if found.rule == "leaked_key"] != []
    again = await world.scan(world.lines[5], member=3)
    assert (again.outcome, "looks at it" in again.message) == ("repeat", True)

    async with world.opened.db.transaction() as tx:
        [claim] = await claims.held(tx, brand_id=world.brand.id)
        assert claim.reason == "leaked_key"
        award = await settle.decide(tx, world.opened.vault, claim.id, post=True, reason="saw the pack", actor="test")
    assert award is not None
    assert award.points == 10


async def test_whoever_is_not_signed_in_is_never_told_that_all_is_well(world: World) -> None:
    await _stop(world)
    for language, word in (("en", "has leaked"), ("zh", "已外泄")):
        reply = await world.scan(world.lines[6], member=None, language=language)
        assert (reply.outcome, word in reply.message) == ("authentic", True)
        assert "first scan" not in reply.message
    look = await world.service.look(world.lines[7], device_id="d", language="en")
    assert (look.kind, "has leaked" in look.message) == ("leaked", True)


async def test_a_brand_may_void_the_unscanned_units_instead_and_take_that_back(world: World) -> None:
    await world.scan(world.lines[0], member=None)
    await _stop(world, answer="void")
    reply = await world.scan(world.lines[1])
    assert (reply.outcome, "appeal to Cloud Tea" in reply.message) == ("voided", True)
    assert (await world.scan(world.lines[0])).outcome == "awarded"
    key = await _key(world)
    async with world.opened.db.transaction() as tx:
        assert await leaks.set_answer(tx, key, [], answer="hold", actor="test") == 1
        assert await leaks.set_answer(tx, key, [world.batch.lower()], answer="hold", actor="test") == 0
    assert (await world.scan(world.lines[1])).outcome == "held"


async def test_codes_that_were_never_issued_stay_forged(world: World) -> None:
    key = await _key(world)
    async with world.opened.db.transaction() as tx:
        found = await keys.find(tx, world.opened.vault, key.id)
    assert found is not None
    await _stop(world)
    assert (await world.scan(Sealer(found).seal(2 * 5_000))).outcome == "forged"


async def test_a_leak_of_last_week_holds_what_was_first_scanned_since(world: World) -> None:
    await world.scan(world.lines[0], member=None)
    await world.scan(world.lines[1], member=None)
    async with world.opened.db.transaction() as tx:  # line 2 was scanned two weeks ago
        first = (await batches.get(tx, world.batch)).unit_id(1)
        await tx.execute(
            text("UPDATE unit SET first_scan_at = first_scan_at - interval '14 days' WHERE id = :id"), {"id": first + 1}
        )
    await _stop(world, since=now() - timedelta(days=7))
    assert (await world.scan(world.lines[0])).outcome == "held"
    assert (await world.scan(world.lines[1])).outcome == "awarded"


async def test_a_parked_claim_is_paid_on_activation_only_if_its_scan_came_before_the_leak(world: World) -> None:
    name, lines = await world.issue(10)
    assert (await world.scan(lines[0], member=0)).outcome == "inactive"
    await _stop(world)
    late = await world.scan(lines[1], member=1)
    assert (late.outcome, "looks at it" in late.message) == ("inactive", True)
    async with world.opened.db.transaction() as tx:  # as a scan that was under way while the leak was told
        await tx.execute(text("UPDATE claim SET reason = 'inactive' WHERE reason = 'leaked_key'"))
    await world.activate(name)
    assert await settle.settle(world.opened.db, world.opened.vault) == 1
    async with world.opened.db.transaction() as tx:
        assert [claim.reason for claim in await claims.held(tx, brand_id=world.brand.id)] == ["leaked_key"]


async def test_all_batches_of_the_key_are_stopped_and_other_keys_are_not(world: World) -> None:
    await world.issue(5)
    assert (await _stop(world)).changed == 2
    name, lines = await world.issue(5)
    await world.activate(name)
    assert (await world.scan(lines[0])).outcome == "awarded"


# --- said again, and wrongly ----------------------------------------------------------------------------------


async def test_a_leak_told_twice_changes_nothing_the_second_time(world: World) -> None:
    first = await _stop(world)
    again = await _stop(world, reason="said again", answer="void")
    assert (first.changed, again.changed) == (1, 0)
    assert (again.key.leaked_at, again.key.reason) == (first.key.leaked_at, "a laptop was stolen")
    assert await _trail(world, "code_key.leak") == 1
    earlier = await _stop(world, since=now() - timedelta(days=1))
    assert earlier.changed == 1
    assert earlier.key.leaked_at < first.key.leaked_at
    later = await _stop(world, since=now())
    assert (later.changed, later.key.leaked_at) == (0, earlier.key.leaked_at)


async def test_a_leak_told_from_two_places_at_once_is_one(world: World) -> None:
    both = await asyncio.gather(_stop(world), _stop(world))
    assert sorted(each.changed for each in both) == [0, 1]
    assert await _trail(world, "code_key.leak") == 1


async def test_an_order_at_the_same_moment_is_stopped_too_or_made_with_a_new_key(world: World) -> None:
    made, _ = await asyncio.gather(
        asyncio.gather(*(world.issue(3) for _ in range(4)), return_exceptions=True), _stop(world)
    )
    key = await _key(world)
    async with world.opened.db.transaction() as tx:
        rows = await tx.execute(
            text("SELECT count(*) FROM batch WHERE key_id = :key AND leaked_at IS NULL"), {"key": key.id}
        )
        assert rows.scalar_one() == 0
    refused = [each for each in made if isinstance(each, BaseException)]
    assert [each for each in refused if not (isinstance(each, Conflict) and "revoked" in each.message)] == []


async def test_claims_around_the_moment_of_a_leak_end_in_exactly_one_way(world: World) -> None:
    inactive, lines = await world.issue(20)  # parked claims, paid by an activation at the same moment
    assert {(await world.scan(line, member=n)).outcome for n, line in enumerate(lines)} == {"inactive"}

    async def scans() -> list[ScanReply]:
        return await asyncio.gather(*(world.scan(line, member=n % 20) for n, line in enumerate(world.lines)))

    async def stop() -> Stopped:
        while world.service.gate.groups < 22:  # some were scanned before
            await asyncio.sleep(0)
        return await _stop(world)

    replies, _, _, *_ = await asyncio.gather(
        scans(), stop(), world.activate(inactive), *(settle.settle(world.opened.db, world.opened.vault) for _ in "12")
    )
    await settle.settle(world.opened.db, world.opened.vault)
    async with world.opened.db.transaction() as tx:
        rows = await tx.execute(text("SELECT scan_id, state, reason FROM claim"))
        claimed = {row.scan_id: (row.state, row.reason) for row in rows}
        paid = await tx.execute(
            text("""
                SELECT coalesce(sum(e.amount), 0) FROM entry e JOIN account a ON a.id = e.account_id
                WHERE a.member_id IS NOT NULL AND a.currency = 'spendable'""")
        )
        points = paid.scalar_one()
    assert len(claimed) == len(world.lines) + len(lines)
    ends = {"awarded": ("posted", None), "held": ("pending", "leaked_key")}
    assert all(claimed[each.scan_id] == ends[each.outcome] for each in replies)
    assert set(claimed.values()) <= {*ends.values(), ("posted", "inactive")}
    assert points == 10 * sum(state == "posted" for state, _ in claimed.values())
    again = await scans()
    assert {each.outcome for each in again} == {"repeat"}


async def test_a_key_that_leaks_while_its_parked_claims_are_being_paid_pays_none(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch, lines = await world.issue(2)
    assert {(await world.scan(each)).outcome for each in lines} == {"inactive"}
    await world.activate(batch)
    lock = settle._lock

    async def leak_and_lock(tx, wanted):
        await _stop(world, since=now() - timedelta(hours=1))
        return await lock(tx, wanted)

    monkeypatch.setattr(settle, "_lock", leak_and_lock)
    assert await settle.settle(world.opened.db, world.opened.vault) == 0
    async with world.opened.db.transaction() as tx:
        rows = await tx.execute(text("SELECT DISTINCT state, reason FROM claim"))
        assert [tuple(row) for row in rows] == [("pending", "leaked_key")]


async def test_a_parked_claim_that_is_held_meanwhile_is_not_paid(world: World) -> None:
    batch, lines = await world.issue(1)
    assert (await world.scan(lines[0])).outcome == "inactive"
    await world.activate(batch)
    async with world.opened.db.transaction() as tx:
        chosen = await claims.settleable(tx, 10)
    assert len(chosen) == 1
    await _stop(world, since=now() - timedelta(hours=1))
    async with world.opened.db.transaction() as tx:
        assert await claims.hold_leaked(tx) == 1
    async with world.opened.db.transaction() as tx:
        mates = await settle._lock(tx, chosen)
        assert await settle._pay(tx, world.opened.vault, chosen, mates) == {}


@pytest.mark.parametrize(
    "wrong",
    [
        {"reason": " "}, {"reason": "x" * 201}, {"answer": "keep"}, {"since": "tomorrow"}, {"since": "naive"},
    ],
)  # fmt: skip
async def test_a_leak_that_is_told_wrongly_changes_nothing(world: World, wrong: dict) -> None:
    moments = {"tomorrow": now() + timedelta(days=1), "naive": now().replace(tzinfo=None)}
    if "since" in wrong:
        wrong = {"since": moments[wrong["since"]]}
    with pytest.raises(InvalidInput):
        await _stop(world, **wrong)
    assert (await _key(world)).state == "active"


async def test_an_unknown_key_or_another_brands_cannot_leak(world: World) -> None:
    for more in ({"key_id": 1024}, {"brand_id": world.brand.id + 1}):
        with pytest.raises(NotFound):
            await _stop(world, **more)


# --- ordered again ------------------------------------------------------------------------------------------


async def test_goods_are_ordered_again_once_under_a_new_key(world: World) -> None:
    old, _ = await world.issue(20, paired=True, order_number="PO-1")
    with pytest.raises(Conflict, match="nothing to replace"):
        await _reissue(world, old)
    await _stop(world)
    both = await asyncio.gather(_reissue(world, old), _reissue(world, old))
    assert both[0] == both[1]
    made = both[0]
    assert (made.order_number, made.count, made.paired, made.state) == ("PO-1-R1", 20, True, "ordered")
    assert made.key_id != (await _key(world)).id
    async with world.opened.db.transaction() as tx:
        found = await leaks.batches_of(tx, await _key_of(world, old))
    assert {each.batch.name: each.reissued_as for each in found} == {world.batch: None, old: made.name}


async def _key_of(world: World, name: str) -> KeyInfo:
    async with world.opened.db.transaction() as tx:
        return await keys.get(tx, (await batches.get(tx, name)).key_id)


async def test_an_order_number_that_is_taken_is_passed_over_and_never_adopted(world: World) -> None:
    old, _ = await world.issue(20, order_number="PO-1")
    other, _ = await world.issue(20, order_number="PO-1-R1")
    await _stop(world)
    made = await _reissue(world, old)
    assert (made.order_number, made.name != other) == ("PO-1-R2", True)
    assert (await _reissue(world, other)).order_number == "PO-1-R3"


@pytest.mark.parametrize(
    ("number", "first"),
    [("PO-1", "PO-1-R1"), ("PO-1-R1", "PO-1-R2"), ("PO-R99", "PO-R99-R1"), ("x" * 56, "x" * 56 + "-R1"),
     ("x" * 57, "NAME-R1"), ("PO-R0", "PO-R0-R1")],
)  # fmt: skip
def test_order_numbers_of_what_is_ordered_again_stay_within_their_limit(number: str, first: str) -> None:
    batch = Batch(1, "NAME", 1, "06901234567892", number, 1, 1, False, "short", "P", 0, "ready", None)
    found = leaks.candidates(batch)
    assert found[0] == first
    assert all(len(each) <= batches.ORDER_NUMBER_CHARS_MAX for each in found)
    assert len(found) >= 98


# --- in the field -------------------------------------------------------------------------------------------


async def test_the_field_is_told_by_batch_dealer_and_shipment(world: World) -> None:
    async with world.opened.db.transaction() as tx:
        batch = await batches.get(tx, world.batch)
        dealer = await shipments.create_dealer(
            tx, brand_id=world.brand.id, code="=D1", name="East", adcodes=[330100], actor="test"
        )
        cartons = [
            Carton(gs1.make_sscc(1, "6901234", number), batch.unit_id(line), batch.unit_id(line + 23))
            for number, line in ((1, 1), (2, 25))
        ]
        await shipments.pack(tx, brand_id=world.brand.id, cartons=cartons, at=now())
        await shipments.ship(
            tx, brand_id=world.brand.id, document="S-1", dealer=dealer, adcode=330100,
            ssccs=[carton.sscc for carton in cartons], at=now(), actor="test",
        )  # fmt: skip
    for line, member in ((0, 0), (1, None), (30, 1), (100, 2)):
        await world.scan(world.lines[line], member=member)
    await _stop(world)
    await world.scan(world.lines[50], member=3)
    async with world.opened.db.transaction() as tx:
        rows = await field.of_key(tx, key_id=batch.key_id, brand_id=world.brand.id)
    found = [
        (r.dealer, r.document, r.units, r.activated, r.scanned, r.unscanned, r.scanned_since, r.claimed) for r in rows
    ]
    assert found == [("=D1", "S-1", 48, 48, 3, 45, 0, 2), (None, None, 152, 152, 2, 150, 1, 2)]
    assert field.totals(rows)["shipped"] == 48
    table = list(csv.DictReader(io.StringIO(field.to_csv(rows))))
    assert (table[0]["dealer"], table[0]["unscanned"], table[1]["dealer"]) == ("'=D1", "45", "")
