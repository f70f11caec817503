"""Sessions: new at each sign-in, gone when they must be, never readable in the database."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import text

from staff import people, sessions
from staff.access import Role
from staff.people import Staff
from staff.sessions import Session
from tests.world import World
from yima.runtime import Runtime


async def _make(opened: Runtime) -> Staff:
    async with opened.db.transaction() as tx:
        return await people.create(
            tx, opened.vault, opened.index, email="lin@example.com", name="Lin", password="seven small boats",
            actor="test",
        )  # fmt: skip


async def _open(opened: Runtime, person: Staff, agent: str = "Firefox") -> str:
    async with opened.db.transaction() as tx:
        return await sessions.open_session(tx, staff_id=person.id, agent=agent)


async def _find(opened: Runtime, token: str) -> Session | None:
    async with opened.db.transaction() as tx:
        return await sessions.find(tx, opened.vault, token)


async def _sql(opened: Runtime, statement: str, **values: Any) -> list[Any]:
    async with opened.db.transaction() as tx:
        result = await tx.execute(text(statement), values)
        return list(result.all()) if result.returns_rows else []


async def test_every_session_has_its_own_token_and_form_token(opened: Runtime) -> None:
    person = await _make(opened)
    first, second = await _open(opened, person), await _open(opened, person)
    one, again, other = await _find(opened, first), await _find(opened, first), await _find(opened, second)
    assert one is not None
    assert again is not None
    assert other is not None
    assert first != second
    assert one.csrf == again.csrf != other.csrf
    assert first not in repr(one)
    assert one.csrf not in repr(one)


@pytest.mark.parametrize("token", ["", "x", "x" * 43, "é" * 43, "x" * 10_000_000, "a\x00" * 21 + "a"])
async def test_a_token_that_is_none_finds_nobody(opened: Runtime, token: str) -> None:
    await _open(opened, await _make(opened))
    assert await _find(opened, token) is None


async def test_what_the_database_keeps_of_a_token_opens_nothing(opened: Runtime) -> None:
    token = await _open(opened, await _make(opened))
    [(kept,)] = await _sql(opened, "SELECT token_hash FROM staff_session")
    assert token.encode() not in bytes(kept)
    assert await _find(opened, bytes(kept).hex()) is None


@pytest.mark.parametrize(
    ("change", "lives"),
    [
        ("seen_at = seen_at - interval '11 hours 59 minutes'", True),
        ("seen_at = seen_at - interval '12 hours 1 second'", False),
        ("opened_at = opened_at - interval '6 days 23 hours 59 minutes'", True),
        ("opened_at = opened_at - interval '7 days 1 second'", False),
        # a clock that was set back must not make a session live longer
        ("opened_at = opened_at + interval '4 minutes'", True),
        ("opened_at = opened_at + interval '6 minutes', seen_at = seen_at + interval '6 minutes'", False),
    ],
)
async def test_a_session_ends_after_12_idle_hours_and_after_7_days(opened: Runtime, change: str, lives: bool) -> None:
    token = await _open(opened, await _make(opened))
    await _sql(opened, f"UPDATE staff_session SET {change}")
    assert (await _find(opened, token) is not None) is lives


async def test_seen_is_written_at_most_once_a_minute(opened: Runtime) -> None:
    token = await _open(opened, await _make(opened))
    before = opened.db.statements
    await _find(opened, token)
    assert opened.db.statements == before + 1
    await _sql(opened, "UPDATE staff_session SET seen_at = seen_at - interval '61 seconds'")
    before = opened.db.statements
    await _find(opened, token)
    assert opened.db.statements == before + 2
    await _find(opened, token)
    assert opened.db.statements == before + 3


async def test_a_disabled_person_is_out_at_once_and_stays_out_when_enabled(opened: Runtime) -> None:
    person = await _make(opened)
    token = await _open(opened, person)
    async with opened.db.transaction() as tx:
        await people.set_state(tx, staff_id=person.id, state="disabled", actor="test")
    assert await _find(opened, token) is None
    async with opened.db.transaction() as tx:
        await people.set_state(tx, staff_id=person.id, state="active", actor="test")
    assert await _find(opened, token) is None


async def test_a_role_taken_away_is_gone_with_the_next_request(world: World) -> None:
    opened, brand = world.opened, world.brand.id
    person = await _make(opened)
    async with opened.db.transaction() as tx:
        await people.grant(tx, staff_id=person.id, brand_id=brand, role=Role.ANALYST, actor="test")
        await people.grant(tx, staff_id=person.id, brand_id=brand, role=Role.FACTORY, actor="test")
    token = await _open(opened, person)
    session = await _find(opened, token)
    assert session is not None
    assert session.staff.roles == {brand: {Role.ANALYST, Role.FACTORY}}
    async with opened.db.transaction() as tx:
        await people.revoke(tx, staff_id=person.id, brand_id=brand, role=Role.FACTORY, actor="test")
    session = await _find(opened, token)
    assert session is not None
    assert session.staff.roles == {brand: {Role.ANALYST}}


async def test_closing_all_but_one_leaves_that_one(opened: Runtime) -> None:
    person = await _make(opened)
    tokens = [await _open(opened, person) for _ in range(3)]
    kept = await _find(opened, tokens[1])
    assert kept is not None
    async with opened.db.transaction() as tx:
        assert await sessions.close_all(tx, person.id, but=kept.id) == 2
        assert [each.id for each in await sessions.list_sessions(tx, person.id)] == [kept.id]
    assert [await _find(opened, token) is not None for token in tokens] == [False, True, False]
    async with opened.db.transaction() as tx:
        await sessions.close(tx, kept.id)
    assert await _find(opened, tokens[1]) is None


async def test_the_longest_unseen_session_gives_way_to_the_51st(opened: Runtime) -> None:
    person = await _make(opened)
    tokens = [await _open(opened, person) for _ in range(sessions.SESSIONS_MAX)]
    assert await _find(opened, tokens[0]) is not None
    tokens.append(await _open(opened, person))
    assert await _find(opened, tokens[0]) is None
    assert await _find(opened, tokens[1]) is not None


async def test_a_browsers_name_is_kept_short_and_without_what_cannot_be_shown(opened: Runtime) -> None:
    person = await _make(opened)
    await _open(opened, person, "Fire\x00fox\n\u202e" + "x" * 1_000_000)
    async with opened.db.transaction() as tx:
        [seen] = await sessions.list_sessions(tx, person.id)
    assert seen.agent == "Firefox" + "x" * 193


async def test_sessions_that_ended_are_pruned(opened: Runtime) -> None:
    person = await _make(opened)
    await _open(opened, person)
    await _sql(opened, "UPDATE staff_session SET seen_at = seen_at - interval '13 hours'")
    kept = await _open(opened, person)
    async with opened.db.transaction() as tx:
        assert await sessions.prune(tx) == 1
    assert await _find(opened, kept) is not None
