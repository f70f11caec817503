"""What a scan leads to, against a real PostgreSQL."""

from __future__ import annotations

import asyncio
from uuid import uuid4

import msgspec
import pytest
from sqlalchemy import text

from kernel.db import StatementFailed
from kernel.errors import Conflict, InvalidInput, NotAuthenticated
from scanapi.service import ScanService
from scanapi.shelf import SHOWN_KEPT_S, Shelf
from tests.world import OTHER_GTIN, World, regions
from traceability.ip import IpLocator
from traceability.scans import Outcome, ScanReply
from yima import audit, switching


async def test_first_scan_by_a_member_earns_the_rules_points(world: World) -> None:
    reply = await world.scan(world.lines[0])
    assert reply.outcome is Outcome.AWARDED
    assert (reply.points, reply.balance, reply.scan_count) == (10, 10, 1)
    assert "this is its first scan" in reply.message
    assert reply.unit is not None
    assert reply.unit.batch == world.batch


async def test_second_scan_of_a_code_earns_nothing(world: World) -> None:
    await world.scan(world.lines[0])
    again = await world.scan(world.lines[0])
    assert (again.outcome, again.points, again.balance) == (Outcome.REPEAT, 0, 10)
    other = await world.scan(world.lines[0], member=1)
    assert (other.outcome, other.points, other.balance) == (Outcome.TAKEN, 0, 0)
    assert "somebody else" in other.message
    assert other.scan_count == 3


async def test_a_hundred_parallel_scans_of_one_code_award_exactly_once(world: World) -> None:
    replies = await asyncio.gather(*(world.scan(world.lines[3], member=n % 20) for n in range(100)))
    assert sum(reply.outcome is Outcome.AWARDED for reply in replies) == 1
    assert {reply.outcome for reply in replies} == {Outcome.AWARDED, Outcome.REPEAT, Outcome.TAKEN}
    assert max(reply.scan_count for reply in replies) == 100
    found = await audit.audit(world.opened)
    assert found.ok, [p for p in found.proofs if p.breaches]
    assert found.figures["points_issued"] == 10


async def test_same_scan_id_gets_the_first_reply_again_and_adds_no_row(world: World) -> None:
    request = world.request(world.lines[0])
    first = await world.service.submit(request)
    assert await world.service.submit(request) == first
    found = await audit.audit(world.opened)
    assert found.figures["scans"] == 1


async def test_same_scan_id_at_once_is_one_scan(world: World) -> None:
    request = world.request(world.lines[0])
    replies = await asyncio.gather(*(world.service.submit(request) for _ in range(30)))
    assert len(set(replies)) == 1
    found = await audit.audit(world.opened)
    assert (found.figures["scans"], found.figures["claims_posted"]) == (1, 1)


@pytest.mark.parametrize("change", ["code", "member", "device"])
async def test_a_scan_id_used_for_another_scan_is_a_conflict(world: World, change: str) -> None:
    scan_id = uuid4()
    await world.scan(world.lines[0], scan_id=scan_id)
    with pytest.raises(Conflict, match="scan_id"):
        await world.scan(
            world.lines[1 if change == "code" else 0],
            member=1 if change == "member" else 0,
            scan_id=scan_id,
            device_id="another" if change == "device" else "device-0",
        )


async def test_malformed_and_forged_codes_send_no_statement_and_are_counted_exactly(world: World) -> None:
    code = world.lines[0].rsplit("/", 1)[1]
    forged = code[:-1] + ("0" if code[-1] != "0" else "1")
    before = world.opened.db.statements
    texts = [code[:-1], "", "X" * 1_000_000, "HTTPS://T.YIMA.CN/Q/", "\x00", "a\u202eb"]
    for each in texts:
        assert (await world.scan(each)).outcome is Outcome.MALFORMED
    for each in (forged, forged, "0" * 20):
        assert (await world.scan(each)).outcome is Outcome.FORGED
    assert world.opened.db.statements == before
    await world.service.counters.flush()
    found = await audit.audit(world.opened)
    assert found.figures["unverified"] == {"malformed": len(texts), "forged": 3}
    assert found.figures["scans"] == 0


async def test_typed_codes_are_forgiven_what_crockford_forgives(world: World) -> None:
    code = world.lines[0].rsplit("/", 1)[1]
    typed = "-".join(code[n : n + 4] for n in range(0, 20, 4)).lower().replace("0", "o").replace("1", "l")
    wide = "".join(chr(ord(c) + 0xFEE0) if c.isalnum() else c for c in typed)
    assert (await world.scan(typed)).outcome is Outcome.AWARDED
    assert (await world.scan(wide)).outcome is Outcome.REPEAT


async def test_a_code_under_another_products_gtin_is_forged_for_the_client_and_told_apart_in_the_journal(
    world: World,
) -> None:
    code = world.lines[0].rsplit("/", 1)[1]
    wrong = await world.scan(f"https://t.yima.cn/01/{OTHER_GTIN}/21/{code}")
    forged = await world.scan("0" * 20, scan_id=wrong.scan_id)
    assert wrong == forged
    rows = await _rows(world, "SELECT outcome, reason FROM scan")
    assert rows == [("forged", "gtin_mismatch")]
    assert (await world.scan(world.lines[0])).scan_count == 1


async def test_a_code_that_verifies_but_was_never_issued_is_forged(world: World) -> None:
    from codegen import keys
    from codegen.scheme import Sealer

    async with world.opened.db.transaction() as tx:
        key_id = next(iter(world.service.keys.ring))
        key = await keys.load(tx, world.opened.vault, key_id)
    reply = await world.scan(Sealer(key).seal(2**34))
    assert reply.outcome is Outcome.FORGED
    assert await _rows(world, "SELECT reason FROM scan") == [("not_issued",)]


async def test_an_anonymous_scan_claims_nothing_and_leaves_the_reward(world: World) -> None:
    first = await world.scan(world.lines[0], member=None)
    assert (first.outcome, first.balance) == (Outcome.AUTHENTIC, None)
    assert "Sign in" in first.message
    second = await world.scan(world.lines[0], member=1)
    assert second.outcome is Outcome.AWARDED
    assert "scanned once before" in second.message
    assert "by somebody else" in second.message


async def test_a_stranger_is_told_the_day_of_the_first_scan_but_not_the_minute(world: World) -> None:
    mine = await world.scan(world.lines[0])
    theirs = await world.scan(world.lines[0], member=1)
    assert mine.first_scan_at is not None
    assert theirs.first_scan_at is not None
    assert (theirs.first_scan_at.hour, theirs.first_scan_at.minute) == (0, 0)
    assert (await world.scan(world.lines[0])).first_scan_at == mine.first_scan_at


async def test_a_scan_before_activation_is_parked_and_paid_on_activation(world: World) -> None:
    from scanapi import settle

    batch, lines = await world.issue(50)
    early = await world.scan(lines[0])
    assert (early.outcome, early.points) == (Outcome.INACTIVE, 0)
    assert "Your reward is kept" in early.message
    assert {f.rule for f in early.findings} == {"early_scan"}
    assert await settle.settle(world.opened.db, world.opened.vault) == 0
    await world.activate(batch, 1, 10)
    assert await settle.settle(world.opened.db, world.opened.vault) == 1
    assert await settle.settle(world.opened.db, world.opened.vault) == 0
    again = await world.scan(lines[0])
    assert (again.outcome, again.balance) == (Outcome.REPEAT, 10)
    assert (await world.scan(lines[0], member=1)).outcome is Outcome.TAKEN
    assert (await world.scan(lines[9])).outcome is Outcome.AWARDED
    assert (await world.scan(lines[10])).outcome is Outcome.INACTIVE
    found = await audit.audit(world.opened)
    assert found.ok, [p for p in found.proofs if p.breaches]


@pytest.mark.parametrize("state", ["void", "recalled", "frozen", "expired"])
async def test_a_blocked_code_says_why_and_earns_nothing(world: World, state: str) -> None:
    await switching.block(world.opened, world.batch, state=state, first=5, last=6, reason="line stop", actor="test")
    reply = await world.scan(world.lines[4])
    assert (reply.outcome, reply.points) == (Outcome.VOIDED, 0)
    assert await _rows(world, "SELECT outcome, reason FROM scan") == [("voided", state)]
    assert (await world.scan(world.lines[6])).outcome is Outcome.AWARDED


async def test_of_two_codes_of_a_unit_only_the_inner_one_pays(world: World) -> None:
    batch, lines = await world.issue(10, paired=True)
    await world.activate(batch)
    outer, inner = lines[0].split(",")
    looked = await world.scan(outer)
    assert looked.outcome is Outcome.AUTHENTIC
    assert "under the cap" in looked.message
    assert (await world.scan(inner)).outcome is Outcome.AWARDED
    assert (await world.scan(outer)).outcome is Outcome.REPEAT


async def test_a_unit_without_a_reward_stays_claimable_for_a_later_campaign(world: World) -> None:
    batch, lines = await world.issue(5, gtin=OTHER_GTIN)
    await world.activate(batch)
    reply = await world.scan(lines[0])
    assert reply.outcome is Outcome.AUTHENTIC
    assert "nothing to earn" in reply.message
    await world.publish_draw(weight_ppb=1_000_000_000)
    assert (await world.scan(lines[0], member=1)).prizes[0].name == "Teapot"


async def test_a_token_of_a_member_who_is_gone_is_refused(world: World) -> None:
    with pytest.raises(NotAuthenticated, match="sign in again"):
        await world.scan(world.lines[0], who=(999_999, world.brand.id))


@pytest.mark.parametrize(
    ("location", "named"),
    [
        ({"lat": 91, "lng": 0}, "lat"),
        ({"lat": float("nan"), "lng": 0}, "lat"),
        ({"lat": "north", "lng": 0}, "lat"),
        ({"lat": 30, "lng": 181}, "lng"),
        ({"lat": 30, "lng": 120, "accuracy_m": -1}, "accuracy_m"),
        ({"lat": 30, "lng": 120, "datum": "bd09"}, "datum"),
        ({"lat": 30, "lng": 120, "source": "guess"}, "source"),
        ({"lat": 30}, "lng"),
    ],
)
async def test_a_wrong_location_is_named_and_nothing_is_recorded(
    world: World, location: dict[str, object], named: str
) -> None:
    with pytest.raises(InvalidInput, match=named):
        await world.scan(world.lines[0], location=location)
    assert await _rows(world, "SELECT count(*) FROM scan") == [(0,)]


async def test_a_group_takes_the_same_number_of_statements_whatever_its_size(world: World) -> None:
    await world.publish_draw(weight_ppb=1_000_000_000, stock=1000)  # everybody wins: every table is written
    await world.scan(world.lines[0])
    await world.hold_still()
    world.service._shelf = Shelf(clock=lambda: 0.0)  # names are read anew every two seconds, which is not the question
    await world.scan(world.lines[9])

    async def statements(first: int, count: int) -> int:
        before, groups = world.opened.db.statements, world.service.gate.groups
        await asyncio.gather(*(world.scan(world.lines[first + n], member=n % 20) for n in range(count)))
        assert world.service.gate.groups - groups <= 2
        return (world.opened.db.statements - before) // (world.service.gate.groups - groups)

    alone = await statements(1, 1)
    assert alone == await statements(2, 1)
    # the first of many goes alone, the rest together: both take the same
    assert await statements(10, 40) == alone
    assert await statements(60, 60) == alone
    assert alone == 5


async def test_a_new_unit_scanned_through_two_processes_at_once_is_awarded_once(world: World) -> None:
    other = ScanService(
        world.opened.db, world.opened.vault, regions=regions(), addresses=IpLocator(None, regions()),
        index=world.opened.index,
    )  # fmt: skip
    await other.start()
    try:
        for place in range(20, 40):
            code = world.lines[place]
            raw = await asyncio.gather(
                *(service.submit(world.request(code, member=n)) for n in range(6) for service in (world.service, other))
            )
            replies = [msgspec.json.decode(each, type=ScanReply) for each in raw]
            assert sorted(r.outcome for r in replies).count("awarded") == 1
            assert sorted(r.scan_count for r in replies) == list(range(1, 13))
        assert world.service.gate.faults + other.gate.faults > 0, "both met a unit before either had made its row"
    finally:
        await other.close()
    assert await _rows(world, "SELECT count(*), max(scan_count), sum(scan_count) FROM unit") == [(20, 12, 240)]
    assert await _rows(world, "SELECT count(*) FROM claim") == [(20,)]


async def test_a_group_that_loses_a_race_is_tried_again_whole(world: World) -> None:
    commit, groups = world.service.gate._commit, []

    async def losing(group):
        groups.append(len(group))
        if len(groups) == 1:
            raise StatementFailed("another made the row", sqlstate="23505", away=False)
        return await commit(group)

    world.service.gate._commit = losing
    replies = await asyncio.gather(*(world.scan(world.lines[n], member=n % 20) for n in range(12)))
    assert {r.outcome for r in replies} == {"awarded"}
    assert groups[0] == groups[1] > 1


async def test_names_are_those_of_two_seconds_ago_at_most(world: World) -> None:
    seconds = 0.0
    world.service._shelf = Shelf(clock=lambda: seconds)
    assert (await world.scan(world.lines[0])).unit.product == "Tea"
    async with world.opened.db.transaction() as tx:
        await tx.execute(text("UPDATE product SET name_en = 'Green tea'"))
    seconds = SHOWN_KEPT_S - 0.01
    assert (await world.scan(world.lines[1])).unit.product == "Tea"
    seconds = SHOWN_KEPT_S
    assert (await world.scan(world.lines[2])).unit.product == "Green tea"


async def test_a_poisonous_scan_fails_alone(world: World) -> None:
    from kernel.errors import Unavailable
    from scanapi.gate import Gate

    commit = world.service.gate._commit
    poison = uuid4()

    async def poisoned(group):
        answers = await commit(group) if not any(s.scan_id == poison for s in group) else None
        if answers is None:
            raise RuntimeError("poison")
        return answers

    world.service.gate = Gate(poisoned)
    requests = [world.request(line, member=n % 20) for n, line in enumerate(world.lines[:32])]
    requests[17] = world.request(world.lines[17], scan_id=poison)
    replies = await asyncio.gather(*(world.service.submit(r) for r in requests), return_exceptions=True)
    assert isinstance(replies[17], Unavailable)
    assert sum(isinstance(reply, bytes) for reply in replies) == 31
    found = await audit.audit(world.opened)
    assert found.figures["scans"] == 31


async def _rows(world: World, query: str) -> list[tuple[object, ...]]:
    from sqlalchemy import text

    async with world.opened.db.transaction() as tx:
        return [tuple(row) for row in await tx.execute(text(query))]


async def test_a_very_long_host_is_recorded_cut_and_poisons_nobody(world: World) -> None:
    for host in ("X" * 77 + ".CN", "X" * 78 + ".CN", "X" * 230 + ".CN"):
        reply = await world.scan(world.lines[0].replace("T.YIMA.CN", host))
        assert reply.outcome in (Outcome.AWARDED, Outcome.REPEAT)
    hosts = await _rows(world, "SELECT DISTINCT length(host) FROM scan ORDER BY 1")
    assert hosts == [(80,)]


@pytest.mark.parametrize("accuracy_m", [5e-324, 1e-50, 1e-40, 0.0004])
async def test_a_radius_of_next_to_nothing_is_unknown(world: World, accuracy_m: float) -> None:
    place = {"lat": 30.25, "lng": 120.17, "datum": "wgs84", "accuracy_m": accuracy_m, "source": "gps"}
    assert (await world.scan(world.lines[0], location=place)).outcome is Outcome.AWARDED
    assert await _rows(world, "SELECT accuracy_m FROM scan") == [(None,)]
