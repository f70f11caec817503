"""The audit trail's seals: whatever is changed, taken away or slipped in afterwards is found and named."""

from __future__ import annotations

import asyncio
import dataclasses
import hashlib
import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from kernel import audit, audit_chain
from kernel.audit_chain import Head, Verification
from yima.runtime import Runtime


async def _record(opened: Runtime, count: int = 1, *, brand_id: int | None = 1, **more: Any) -> None:
    async with opened.db.transaction() as tx:
        for n in range(count):
            values = {"actor": "test", "action": "a.b", "subject": f"thing {n}", "after": {"n": n}, **more}
            await audit.record(tx, brand_id=brand_id, **values)


async def _seal(opened: Runtime) -> Head | None:
    async with opened.db.transaction() as tx:
        return await audit_chain.seal(tx)


async def _verify(opened: Runtime, kept: Head | None = None) -> Verification:
    async with opened.db.transaction() as tx:
        return await audit_chain.verify(tx, kept=kept)


async def _forge(opened: Runtime, statement: str) -> None:
    """Do what only the database's owner can: switch the guard off and change the past."""
    async with opened.db.transaction() as tx:
        for table in ("audit_trail", "audit_seal"):
            await tx.execute(text(f"ALTER TABLE {table} DISABLE TRIGGER append_only"))
        await tx.execute(text(statement))
        for table in ("audit_trail", "audit_seal"):
            await tx.execute(text(f"ALTER TABLE {table} ENABLE TRIGGER append_only"))


async def _two_seals(opened: Runtime) -> Head:
    await _record(opened, 3)
    await _seal(opened)
    await _record(opened, 3)
    last = await _seal(opened)
    assert last is not None
    assert (await _verify(opened)).ok
    return last


async def test_rows_are_sealed_once_and_in_order(opened: Runtime) -> None:
    assert await _seal(opened) is None
    last = await _two_seals(opened)
    assert (last.number, last.last_id) == (2, 6)
    assert await _seal(opened) is None
    await _record(opened)
    assert await _verify(opened) == Verification(seals=2, rows=6, unsealed=1, head=last, problem=None)


@pytest.mark.parametrize(
    ("statement", "problem"),
    [
        ("UPDATE audit_trail SET actor = 'other' WHERE id = 2", "row 2 was changed (seal 1)"),
        ("UPDATE audit_trail SET after = '{\"n\": 1.0}' WHERE id = 2", "row 2 was changed (seal 1)"),
        ("UPDATE audit_trail SET brand_id = NULL WHERE id = 5", "row 5 was changed (seal 2)"),
        ("UPDATE audit_trail SET at = at + interval '1 microsecond' WHERE id = 6", "row 6 was changed (seal 2)"),
        ("DELETE FROM audit_trail WHERE id = 4", "row 4 is gone (seal 2)"),
        (
            "WITH gone AS (DELETE FROM audit_trail WHERE id = 3) UPDATE audit_trail SET actor = 'x' WHERE id = 5",
            "row 3 is gone (seal 1)",
        ),
        ("DELETE FROM audit_seal WHERE number = 1", "seal 1 is missing"),
        ("UPDATE audit_seal SET hash = sha256('x') WHERE number = 1", "seal 1 was changed: its hash does not fit"),
        ("UPDATE audit_seal SET at = at - interval '1 day' WHERE number = 2", "seal 2 was changed"),
        ("UPDATE audit_seal SET leaves = leaves || leaves WHERE number = 2", "seal 2: its list of rows was changed"),
        ("UPDATE audit_seal SET first_id = 5 WHERE number = 2", "seal 2 does not follow seal 1"),
        ("UPDATE audit_seal SET last_id = 4 WHERE number = 1", "seal 1 was changed: its hash does not fit"),
    ],
)
async def test_a_changed_past_is_named(opened: Runtime, statement: str, problem: str) -> None:
    await _two_seals(opened)
    await _forge(opened, statement)
    found = await _verify(opened)
    assert found.problem is not None
    assert found.problem.startswith(problem)


async def test_a_row_slipped_into_a_gap_is_named(opened: Runtime) -> None:
    await _record(opened)
    with pytest.raises(RuntimeError):
        async with opened.db.transaction() as tx:
            await audit.record(tx, brand_id=1, actor="test", action="a.b", subject="rolled back")
            raise RuntimeError
    await _record(opened)
    await _seal(opened)
    assert (await _verify(opened)).ok
    await _forge(
        opened,
        "INSERT INTO audit_trail (id, actor, action, subject) OVERRIDING SYSTEM VALUE VALUES (2, 'x', 'y', 'z')",
    )
    assert (await _verify(opened)).problem == "row 2 was added after sealing (seal 1)"


async def test_a_rewritten_chain_is_found_by_a_head_that_was_kept(opened: Runtime) -> None:
    """Whoever owns the database can make the chain fit again; not the one that somebody else has kept."""
    await _record(opened, 3)
    first = await _seal(opened)
    await _record(opened, 3)
    last = await _seal(opened)
    assert (await _verify(opened, first)).ok
    assert (await _verify(opened, last)).ok
    await _forge(opened, ["DELETE FROM audit_seal WHERE number = 2", " "][0])
    assert (await _verify(opened, last)).problem == "seal 2, which was exported, is gone: the trail ends with seal 1"
    await _forge(opened, "UPDATE audit_trail SET actor = 'other' WHERE id = 5")
    assert await _seal(opened) is not None
    assert (await _verify(opened)).ok
    assert (await _verify(opened, first)).ok
    problem = (await _verify(opened, last)).problem
    assert problem == "seal 2 is not the one that was exported: the trail was rewritten"


async def test_a_row_that_commits_late_never_slips_below_the_seal(opened: Runtime) -> None:
    """An open transaction holds row 1 while row 2 is committed: sealing waits for it, and seals both or neither."""
    open_now, commit = asyncio.Event(), asyncio.Event()

    async def slow() -> None:
        async with opened.db.transaction() as tx:
            await audit.record(tx, brand_id=1, actor="slow", action="a.b", subject="late")
            open_now.set()
            await commit.wait()

    waiting = asyncio.create_task(slow())
    await open_now.wait()
    await _record(opened)
    assert await _seal(opened) is None  # put off: row 1 may still come
    sealing = asyncio.create_task(_seal(opened))
    commit.set()
    await waiting
    sealed = await sealing or await _seal(opened)
    assert sealed is not None
    assert sealed.last_id == 2
    found = await _verify(opened)
    assert (found.rows, found.unsealed, found.ok) == (2, 0, True)


async def test_a_transaction_that_began_after_does_not_hold_the_seal_up(opened: Runtime) -> None:
    await _record(opened)
    async with opened.db.transaction() as tx:
        await tx.execute(text("SELECT pg_current_xact_id(), count(*) FROM audit_trail"))  # reads, writes elsewhere
        sealed = await _seal(opened)
    assert sealed is not None


async def test_a_chain_of_overlapping_writers_does_not_hold_the_seal_up(opened: Runtime) -> None:
    """There is always somebody writing, but never the same: each is waited for, newcomers are not."""
    stop = asyncio.Event()

    async def write(turns: asyncio.Event, go_on: asyncio.Event) -> None:
        while not stop.is_set():
            async with opened.db.transaction() as tx:
                await audit.record(tx, brand_id=1, actor="busy", action="a.b", subject="x")
                turns.set()
                await go_on.wait()  # until the other one writes too
                go_on.clear()

    one, two = asyncio.Event(), asyncio.Event()
    writers = [asyncio.create_task(write(one, two)), asyncio.create_task(write(two, one))]
    await _record(opened)
    sealed = await _seal(opened)
    stop.set()
    one.set()
    two.set()
    await asyncio.gather(*writers)
    assert sealed is not None
    while await _seal(opened):
        pass
    found = await _verify(opened)
    assert (found.ok, found.unsealed) == (True, 0)


async def test_two_sweeps_at_once_make_one_chain(opened: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit_chain, "ROWS_PER_SEAL_MAX", 7)
    await _record(opened, 50)
    made = await asyncio.gather(*(audit_chain.seal_due(opened.db, at_once=True) for _ in range(4)))
    assert sum(made) == 8
    found = await _verify(opened)
    assert (found.ok, found.seals, found.rows, found.unsealed) == (True, 8, 50, 0)


async def test_a_sweep_makes_at_most_so_many_seals(opened: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit_chain, "ROWS_PER_SEAL_MAX", 1)
    await _record(opened, audit_chain.SEALS_PER_SWEEP_MAX + 1)
    assert await audit_chain.seal_due(opened.db, at_once=True) == audit_chain.SEALS_PER_SWEEP_MAX
    assert await audit_chain.seal_due(opened.db, at_once=True) == 1


async def test_rows_and_seals_cannot_be_changed_by_accident(opened: Runtime) -> None:
    await _two_seals(opened)
    for statement in (
        "UPDATE audit_trail SET actor = 'x'", "DELETE FROM audit_trail", "UPDATE audit_seal SET count = 1",
        "DELETE FROM audit_seal", "TRUNCATE audit_seal",
    ):  # fmt: skip
        with pytest.raises(DBAPIError, match="never change"):
            async with opened.db.transaction() as tx:
                await tx.execute(text(statement))


async def test_anyone_can_recompute_a_brands_rows_from_the_export(opened: Runtime) -> None:
    """Written against the module's docstring, with nothing of the module's own."""
    await _record(opened, 2, before={"z": [1, 2.5, None], 'é"\\\n': {"b": True, "a": "龙\u2028"}})
    await _record(opened, 2, brand_id=2, after={"secret": "of another brand"})
    await _seal(opened)
    await _record(opened, 1)
    async with opened.db.transaction() as tx:
        documents = [each async for each in audit_chain.export(tx, brand_id=1)]
    lines = [audit_chain.canonical(each) for each in documents]
    assert "secret" not in "".join(lines)
    read = [json.loads(line, parse_float=str) for line in lines]
    assert [each["kind"] for each in read] == ["row", "row", "seal", "row"]
    leaves = bytes.fromhex(read[2]["leaves"])
    hashes = {int.from_bytes(leaves[n : n + 8], "big"): leaves[n + 8 : n + 40] for n in range(0, len(leaves), 40)}
    assert len(hashes) == 4
    for line, row in zip(lines[:2], read[:2], strict=True):
        without_kind = line.replace('"kind":"row",', "")
        assert hashes[row["id"]] == hashlib.sha256(without_kind.encode()).digest()
    assert "[1,2.5,null]" in lines[0]
    seal = {key: value for key, value in read[2].items() if key not in ("kind", "leaves", "hash")}
    assert read[2]["rows_hash"] == hashlib.sha256(leaves).hexdigest()
    plain = json.dumps(seal, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert read[2]["hash"] == hashlib.sha256(plain.encode()).hexdigest()
    assert read[2]["previous_hash"] == "0" * 64


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(_JSON)
def test_canonical_json_is_what_pythons_own_writer_gives(value: Any) -> None:
    plain = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert audit_chain.canonical(value) == plain


def test_numbers_are_hashed_as_they_are_written() -> None:
    assert audit_chain.canonical([Decimal("1.50"), Decimal("1E+3"), 10**30]) == f"[1.50,1000,{10**30}]"


def test_a_head_goes_to_a_file_and_back() -> None:
    kept = Head(3, 17, "ab" * 32, "2026-11-22T06:28:12.123456Z")
    assert audit_chain.parse_head(json.loads(json.dumps(audit_chain.head_document(kept)))) == kept
    good = audit_chain.head_document(kept)
    for wrong in ([], {}, good | {"hash": "x"}, good | {"number": 0}, good | {"kind": "x"}, good | {"number": "3"}):
        with pytest.raises(ValueError, match="no head"):
            audit_chain.parse_head(wrong)


async def test_a_brands_rows_are_found_by_time_actor_and_action(opened: Runtime) -> None:
    await _record(opened, 2, brand_id=1, actor="staff:1", action="product.edit")
    await _record(opened, 1, brand_id=2, actor="staff:1", action="product.edit")
    await _record(opened, 1, brand_id=None, actor="staff:1", action="staff.sign_in", subject="staff 1")
    await _record(opened, 1, brand_id=None, actor="staff:9", action="staff.sign_in", subject="staff 9")

    async def ids(**more: Any) -> list[int]:
        async with opened.db.transaction() as tx:
            return [row.id for row in await audit.find(tx, brand_id=1, staff_ids=[1], **more)]

    assert await ids() == [4, 2, 1]
    assert await ids(action="product") == [2, 1]
    assert await ids(action="product.edit") == [2, 1]
    assert await ids(action="prod") == []
    assert await ids(actor="staff:1", rows_max=1) == [4]
    assert await ids(before_id=4) == [2, 1]
    async with opened.db.transaction() as tx:
        at = (await tx.execute(text("SELECT at FROM audit_trail WHERE id = 2"))).scalar_one()
    assert await ids(since=at, until=at) == []
    assert 2 in await ids(since=at)
    assert dataclasses.is_dataclass(audit.Row)


async def test_few_young_rows_wait_for_company(opened: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit_chain, "ROWS_WAITING_MAX", 3)
    await _record(opened, 2)
    assert await audit_chain.seal_due(opened.db) == 0
    await _record(opened, 1)
    assert await audit_chain.seal_due(opened.db) == 1
    await _record(opened, 1)
    assert await audit_chain.seal_due(opened.db) == 0
    await _forge(opened, "UPDATE audit_trail SET at = at - interval '5 minutes' WHERE id = 4")
    assert await audit_chain.seal_due(opened.db) == 1


async def test_the_newest_seals_alone_can_be_looked_at(opened: Runtime) -> None:
    await _two_seals(opened)
    await _forge(opened, "UPDATE audit_trail SET actor = 'x' WHERE id = 2")
    async with opened.db.transaction() as tx:
        newest = await audit_chain.verify(tx, seals_max=1)
        both = await audit_chain.verify(tx, seals_max=2)
    assert (newest.ok, newest.seals, newest.rows) == (True, 1, 3)
    assert both.problem == "row 2 was changed (seal 1)"
