"""The line's stream: each code judged at once, none lost, none counted twice, however it is sent."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text

from codegen import batches, captures, capturing, keys, line_sessions, lineset, pairs, ranges, stations
from codegen.capturing import Captured
from codegen.issued import look_up
from codegen.line_sessions import Session
from codegen.scheme import CodeKey, Sealer, VerifiedCode
from kernel.errors import Conflict, InvalidInput, NotFound
from tests.world import OTHER_GTIN, World
from traceability import catalogue
from yima import issue


async def start(world: World, batch: str | None = None, inner: str | None = None, **more: Any) -> Session:
    async with world.opened.db.transaction() as tx:
        outer = await batches.get(tx, batch or world.batch)
        mate = None if inner is None else await batches.get(tx, inner)
        return await line_sessions.start(tx, outer, inner=mate, actor="test", **more)


async def send(world: World, session: Session, sequence: int, texts: Any) -> Captured:
    async with world.opened.db.transaction() as tx:
        return await capturing.capture(
            tx, world.service.keys.ring, session.name, brand_id=world.brand.id, sequence=sequence, texts=texts
        )


def verdicts(captured: Captured) -> list[str]:
    return [each.verdict for each in captured.answers]


async def test_every_code_is_answered_with_its_own_verdict(world: World, tmp_path: Any) -> None:
    other_batch, other_lines = await world.issue(3)
    async with world.opened.db.transaction() as tx:
        batch = await batches.get(tx, world.batch)
        wine = await catalogue.create_brand(
            tx, slug="wine", name="酒", name_en="Wine", company_prefix="6905678", actor="test"
        )
        await catalogue.create_product(
            tx, brand_id=wine.id, gtin="06905678000014", name="酒", name_en="Wine", units_per_case=6, actor="test"
        )
        await ranges.give(tx, batch, state="recalled", lines=((4, 4),), reason_code="safety", actor="test")
        sealer = Sealer(await keys.load(tx, world.opened.vault, batch.key_id))
    foreign = tmp_path / "wine.txt"
    await issue.issue(world.opened, issue.Order("wine", "06905678000014", 1, foreign), actor="test")
    await world.service.keys.refresh()
    session = await start(world)
    seen = [
        world.lines[0], world.lines[0], world.lines[3], other_lines[0], foreign.read_text().strip(), "nonsense",
        Sealer(CodeKey(batch.key_id, b"x" * 32)).seal(1), sealer.seal(2**35 - 1), world.lines[1],
    ]  # fmt: skip
    answer = await send(world, session, 1, seen)
    assert verdicts(answer) == [
        "good", "repeat", "recalled", "other_batch", "other_brand", "malformed", "forged", "never_issued", "good",
    ]  # fmt: skip
    assert [each.line for each in answer.answers] == [1, 1, 4, None, None, None, None, None, 2]
    assert answer.totals == dict(Counter(verdicts(answer)))
    assert all(each.active for each in answer.answers if each.verdict == "good")
    assert other_batch not in str(answer)


async def test_a_code_made_to_be_found_is_on_no_goods(world: World) -> None:
    name, lines = await world.issue(5)
    async with world.opened.db.transaction() as tx:
        batch = await batches.get(tx, name)
        [code] = captures.verify(lines[:1], world.service.keys.ring)
        assert isinstance(code, VerifiedCode)
        known = (await look_up(tx, [code.position]))[code.position]
    assert captures.judge_code(code, {code.position: known}, batch).verdict == "good"
    behind = msgspec.structs.replace(known, line=6, canary=1, active=False)
    assert captures.judge_code(code, {code.position: behind}, batch) == captures.Answer("canary")


async def test_gaps_and_wrong_order_are_remarked(world: World) -> None:
    session = await start(world)
    wanted = [0, 1, 4, 2, 3]
    answer = await send(world, session, 1, [world.lines[n] for n in wanted])
    assert [(each.remark, each.gap) for each in answer.answers] == [
        (None, 0), (None, 0), ("gap", 2), ("backwards", 0), (None, 0),
    ]  # fmt: skip
    assert (await send(world, session, 2, [world.lines[9]])).answers[0].gap == 5, "over the border of two captures"
    down = await start(world, direction="down")
    answer = await send(world, down, 1, [world.lines[n] for n in (30, 29, 31)])
    assert [each.remark for each in answer.answers] == [None, None, "backwards"]
    free = await start(world, direction="any")
    answer = await send(world, free, 1, [world.lines[n] for n in (80, 50, 90)])
    assert [each.remark for each in answer.answers] == [None] * 3


async def test_a_capture_sent_again_gets_its_first_answer_and_none_may_be_left_out(world: World) -> None:
    session = await start(world)
    first = await send(world, session, 1, world.lines[:3])
    assert await send(world, session, 1, world.lines[:3]) == first
    with pytest.raises(Conflict, match="with other codes"):
        await send(world, session, 1, world.lines[:2])
    with pytest.raises(Conflict, match=r"Capture 2 of session .* is missing"):
        await send(world, session, 3, world.lines[3:4])
    for sequence in range(2, capturing.REPLIES_KEPT + 3):
        await send(world, session, sequence, [world.lines[sequence + 1]])
    with pytest.raises(Conflict, match="no longer kept"):
        await send(world, session, 1, world.lines[:3])
    async with world.opened.db.transaction() as tx:
        closed = await line_sessions.close(tx, session.name, brand_id=world.brand.id)
        assert closed.totals["good"] == capturing.REPLIES_KEPT + 4
        with pytest.raises(NotFound):
            await line_sessions.get(tx, session.name, brand_id=world.brand.id + 1)
    with pytest.raises(Conflict, match="is closed"):
        await send(world, session, closed.next_sequence, world.lines[:1])
    for wrong in ([], [world.lines[0]] * (capturing.CODES_MAX + 1), [(world.lines[0], world.lines[1])]):
        with pytest.raises((InvalidInput, Conflict)):
            await send(world, session, closed.next_sequence, wrong)


async def test_two_streams_at_one_batch_count_each_unit_once(world: World) -> None:
    name, lines = await world.issue(600)
    sessions = [await start(world, name, direction="any") for _ in range(3)]

    async def stream(session: Session, offset: int) -> list[str]:
        found = []
        for sequence in range(6):
            part = [lines[(offset + sequence * 100 + n) % 600] for n in range(100)]
            found += verdicts(await send(world, session, sequence + 1, part))
        return found

    answers = await asyncio.gather(*(stream(each, place * 50) for place, each in enumerate(sessions)))
    assert Counter(each for some in answers for each in some) == {"good": 600, "repeat": 1200}
    async with world.opened.db.transaction() as tx:
        batch = await batches.get(tx, name)
        assert await capturing.lines_of(tx, batch) == ((1, 600),)
        assert await capturing.count_of(tx, batch) == 600


async def test_a_capture_takes_the_same_statements_however_many_codes(world: World) -> None:
    session = await start(world)
    db = world.opened.db

    async def statements(sequence: int, texts: list[str]) -> int:
        before = db.statements
        await send(world, session, sequence, texts)
        return db.statements - before

    assert await statements(1, world.lines[:1]) == await statements(2, world.lines[1:]) <= 12
    junk = ["0" * 20] * 500
    assert await statements(3, junk) < await statements(4, world.lines[:1]), "forged ones are looked up nowhere"


# --- outer and inner codes of two suppliers ------------------------------------------------------------------


@given(st.permutations(range(12)), st.permutations(range(100, 112)), st.integers(0, 12))
def test_runs_hold_every_pair_once(outers: list[int], inners: list[int], shared: int) -> None:
    made = dict(zip(outers[:shared], sorted(inners[:shared], reverse=shared % 2 == 0), strict=True))
    found = pairs.runs_of(list(made.items()))
    unrolled = {run.outer + n: run.inner + run.step * n for run in found for n in range(run.count)}
    assert unrolled == made
    assert sum(run.count for run in found) == len(made)


@pytest.mark.parametrize("step", [1, -1])
def test_a_thousand_neighbours_are_one_run(step: int) -> None:
    assert pairs.runs_of([(5 + n, 9_000 + step * n) for n in range(1000)]) == [pairs.Run(5, 9_000, 1000, step)]


async def two(world: World, count: int = 40) -> tuple[str, list[str], str, list[str]]:
    outer, outers = await world.issue(count)
    inner, inners = await world.issue(count)
    return outer, outers, inner, inners


async def test_pairs_are_judged_and_a_code_is_on_one_unit(world: World) -> None:
    outer, outers, inner, inners = await two(world)
    session = await start(world, outer, inner)
    answer = await send(world, session, 1, [
        (outers[0], inners[0]), (outers[0], inners[0]), (outers[0], inners[1]), (outers[1], inners[0]),
        (outers[1], outers[2]), (inners[1], inners[2]), (inners[1], outers[1]), (outers[1], "nonsense"),
        (world.lines[0], inners[1]), (outers[1], inners[1]),
    ])  # fmt: skip
    assert [(each.verdict, each.side) for each in answer.answers] == [
        ("good", None), ("repeat", None), ("paired", "outer"), ("paired", "inner"),
        ("same_side", "inner"), ("same_side", "outer"), ("swapped", None), ("malformed", "inner"),
        ("other_batch", "outer"), ("good", None),
    ]  # fmt: skip
    again = await send(world, session, 2, [(outers[0], inners[0]), (outers[0], inners[5]), (outers[5], inners[0])])
    assert [(each.verdict, each.side) for each in again.answers] == [
        ("repeat", None), ("paired", "outer"), ("paired", "inner"),
    ]  # fmt: skip


async def test_what_is_paired_in_order_is_one_row_over_many_captures(world: World) -> None:
    outer, outers, inner, inners = await two(world)
    session = await start(world, outer, inner)
    inners.reverse()  # the caps come off their reel the other way round
    for sequence in range(8):
        part = slice(sequence * 5, sequence * 5 + 5)
        await send(world, session, sequence + 1, list(zip(outers[part], inners[part], strict=True)))
    async with world.opened.db.transaction() as tx:
        batch = await batches.get(tx, outer)
        rows = await tx.execute(text("SELECT upper(outer_units) - lower(outer_units), step FROM code_pair"))
        assert [tuple(row) for row in rows] == [(40, -1)]
        assert await pairs.count(tx, outer_batch_id=batch.id) == 40


async def test_two_streams_pair_a_code_once(world: World) -> None:
    outer, outers, inner, inners = await two(world)
    sessions = [await start(world, outer, inner, direction="any") for _ in range(4)]

    async def stream(session: Session, shift: int) -> list[str]:
        found = []
        for n in range(10):
            found += verdicts(await send(world, session, n + 1, [(outers[n], inners[(n + shift) % 12])]))
        return found

    answers = await asyncio.gather(*(stream(each, place) for place, each in enumerate(sessions)))
    good = sum(each == "good" for some in answers for each in some)
    async with world.opened.db.transaction() as tx:
        assert await pairs.count(tx, outer_batch_id=(await batches.get(tx, outer)).id) == good <= 10
    assert {each for some in answers for each in some} <= {"good", "paired", "repeat"}


async def test_batches_that_cannot_be_paired_are_refused(world: World) -> None:
    outer, outers, inner, inners = await two(world, 3)
    red, _ = await world.issue(3, gtin=OTHER_GTIN)
    double, _ = await world.issue(3, paired=True)
    for one, other, sentence in (
        (outer, outer, "two batches"),
        (outer, red, "no unit has both"),
        (outer, double, "already"),
        (double, inner, "already"),
    ):
        with pytest.raises(InvalidInput, match=sentence):
            await start(world, one, other)
    session, reverse = await start(world, outer, inner), await start(world, inner, outer)
    await send(world, session, 1, [(outers[0], inners[0])])
    with pytest.raises(Conflict, match="the other way round"):
        await send(world, reverse, 1, [(inners[1], outers[1])])
    with pytest.raises(InvalidInput, match="takes pairs"):
        await send(world, session, 2, outers[1:2])
    with pytest.raises(InvalidInput, match="direction"):
        await start(world, outer, direction="sideways")


# --- stations -------------------------------------------------------------------------------------------------


async def test_a_stations_token_opens_until_it_is_revoked_and_is_stored_as_a_hash(world: World) -> None:
    async with world.opened.db.transaction() as tx:
        made, token = await stations.make(tx, brand_id=world.brand.id, name="Cam 1", may_switch=False, actor="test")
        with pytest.raises(Conflict, match="Cam 1"):
            await stations.make(tx, brand_id=world.brand.id, name=" Cam 1 ", may_switch=True, actor="test")
        found = await stations.find(tx, token)
        assert found is not None
        assert found.id == made.id
        rows = await tx.execute(text("SELECT s::text FROM station s"))
        assert token not in str(rows.all())
        for wrong in ("", "yst_", token + "x", "x" * 10_000, "yst_\ud800"):
            assert await stations.find(tx, wrong) is None
        with pytest.raises(NotFound):
            await stations.revoke(tx, made.id, brand_id=world.brand.id + 1, actor="test")
        await stations.revoke(tx, made.id, brand_id=world.brand.id, actor="test")
        gone = await stations.revoke(tx, made.id, brand_id=world.brand.id, actor="test")
        assert gone.revoked_at is not None
        assert await stations.find(tx, token) is None
        again, _ = await stations.make(tx, brand_id=world.brand.id, name="Cam 1", may_switch=True, actor="test")
        assert [each.id for each in await stations.list_of(tx, brand_id=world.brand.id)] == [again.id, made.id]
        trail = await tx.execute(text("SELECT action FROM audit_trail WHERE subject = 'station Cam 1' ORDER BY id"))
        assert list(trail.scalars()) == ["station.make", "station.revoke", "station.make"]
        for name in ("", "x" * 61, "a\nb"):
            with pytest.raises(InvalidInput):
                await stations.make(tx, brand_id=world.brand.id, name=name, may_switch=False, actor="test")


def test_a_verdict_is_one_of_those_that_are_named() -> None:
    assert len(set(captures.VERDICTS)) == len(captures.VERDICTS)
    assert set(captures.BLOCKED) == set(ranges.BLOCKING_STATES)
    assert lineset.say(((1, 1), (3, 9))) == "1, 3–9"
