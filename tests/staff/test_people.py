"""Accounts and roles: a brand is never left without an owner, and an address is one person's."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text

from kernel.errors import Conflict, InvalidInput, NotFound
from staff import emails, passwords, people, sessions
from staff.access import Role
from staff.people import Staff
from tests.world import World
from yima.runtime import Runtime


async def _make(opened: Runtime, email: str = "lin@example.com", **more: Any) -> Staff:
    values = {"name": "林小姐", "password": "seven small boats", **more}
    async with opened.db.transaction() as tx:
        return await people.create(tx, opened.vault, opened.index, email=email, actor="test", **values)


async def _grant(world: World, person: Staff, role: Role = Role.OWNER) -> bool:
    async with world.opened.db.transaction() as tx:
        return await people.grant(tx, staff_id=person.id, brand_id=world.brand.id, role=role, actor="test")


async def _revoke(world: World, person: Staff, role: Role = Role.OWNER) -> bool:
    async with world.opened.db.transaction() as tx:
        return await people.revoke(tx, staff_id=person.id, brand_id=world.brand.id, role=role, actor="test")


async def _disable(world: World, person: Staff) -> bool:
    async with world.opened.db.transaction() as tx:
        return await people.set_state(tx, staff_id=person.id, state="disabled", actor="test")


@pytest.mark.parametrize(
    ("given_text", "kept"),
    [
        ("Lin@Example.COM", "lin@example.com"),
        ("  a.b+c@mail.example.com\n", "a.b+c@mail.example.com"),
        ("lin@例子.中国", "lin@xn--fsqu00a.xn--fiqs8s"),
        ("lin@EXAMPLE。com", "lin@example.com"),
        ("lin@bücher.example", "lin@xn--bcher-kva.example"),
        ("o'neil@example.com", "o'neil@example.com"),
        (f"{'x' * 64}@example.com", f"{'x' * 64}@example.com"),
    ],
)
def test_an_address_is_kept_in_one_form(given_text: str, kept: str) -> None:
    assert emails.parse(given_text) == kept
    assert emails.parse(kept) == kept


@pytest.mark.parametrize(
    "wrong",
    [
        "", "lin", "@example.com", "lin@", "lin@localhost", "lin@example.c", "lin@-example.com", "lin@exa mple.com",
        "lin@example..com", ".lin@example.com", "lin.@example.com", "a..b@example.com", "lin wang@example.com",
        "lin@example.com\r\nBcc: all@example.com", "lin\n@example.com", "lin@example.com\x00", "l\u0131n@example.com",
        "лin@example.com", "林@example.com", '"a b"@example.com', "a@b@example.com", "lin@[127.0.0.1]",
        "lin@127.0.0.1", f"{'x' * 65}@example.com", f"lin@{'x' * 64}.com", "x" * 10_000_000, "\ud800@example.com",
        "lin@\ud800.com", "lin@example.com,b@example.com", "lin@xn--\u0430.com",
    ],
)  # fmt: skip
def test_what_is_no_address_is_refused_with_a_sentence(wrong: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        emails.parse(wrong)
    assert len(refused.value.message) < 120
    assert refused.value.details["field"] == "email"


@given(st.text(max_size=300))
def test_any_text_is_an_address_in_ascii_or_refused(words: str) -> None:
    try:
        kept = emails.parse(words)
    except InvalidInput:
        return
    assert kept.isascii()
    assert emails.parse(kept) == kept
    assert not set(kept) & set("\r\n\x00 ,;<>")


def test_an_address_that_looks_like_another_is_another_and_shows_it() -> None:
    assert emails.parse("lin@аpple.com") == "lin@xn--pple-43d.com"


async def test_an_address_has_one_account_whatever_its_case(opened: Runtime) -> None:
    await _make(opened)
    with pytest.raises(Conflict):
        await _make(opened, "LIN@example.com")
    both = await asyncio.gather(
        _make(opened, "wu@example.com"), _make(opened, "WU@example.com"), return_exceptions=True
    )
    assert sorted(type(each).__name__ for each in both) == ["Conflict", "Staff"]


@pytest.mark.parametrize(
    "name", ["", "  ", "x" * 81, "a\nb", "a\x00b", "a\u202eb", "a\u200bb", "\ud800", "x" * 10_000_000]
)
async def test_a_name_that_cannot_be_shown_is_refused(opened: Runtime, name: str) -> None:
    with pytest.raises(InvalidInput, match="name"):
        await _make(opened, name=name)


async def test_a_name_has_at_most_80_characters(opened: Runtime) -> None:
    assert (await _make(opened, name="林" * 80)).name == "林" * 80


async def test_without_a_password_a_person_is_invited(opened: Runtime) -> None:
    assert (await _make(opened, password=None)).state == "invited"
    assert (await _make(opened, "wu@example.com")).state == "active"


@pytest.mark.parametrize(
    "password",
    [
        "eleven char", "x" * 129, "123456789012", "aaaaaaaaaaaaaaaa", "Password12345", "qwertyuiopas", "lkjhgfdsapoi",
        "abcdefghijklm", "lin@example.com", "linlinlinlin123", "LinXiaojie2026", "ａｂｃdefghijkl", "x" * 10_000_000,
        " " * 20, "seven      " + " " * 5,
    ],
)  # fmt: skip
def test_a_password_that_anybody_would_try_is_refused(password: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        passwords.judge(password, email="lin@example.com", name="Lin Xiaojie")
    assert password[:20] not in refused.value.message


@pytest.mark.parametrize(
    "password", ["seven small boats", "七条小船在河上慢慢走去远方", "x1y2z3" * 21 + "ab", "lin owns 7 boats"]
)
def test_a_long_password_of_any_script_is_taken(password: str) -> None:
    passwords.judge(password, email="lin@example.com", name="Lin")


async def test_a_password_is_the_same_however_a_keyboard_encodes_it() -> None:
    stored = await passwords.make("caf\u00e9 au lait noir")
    assert await passwords.verify(stored, " cafe\u0301 au lait noir\n")
    assert not await passwords.verify(stored, "cafe au lait noir")
    assert not await passwords.verify(None, "caf\u00e9 au lait noir")
    assert not await passwords.verify("no hash at all", "caf\u00e9 au lait noir")


async def test_a_flood_of_passwords_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    import threading

    from kernel.errors import Unavailable

    go = threading.Event()
    at_once: list[int] = []

    class Slow:
        def verify(self, *_: object) -> bool:
            at_once.append(threading.active_count())
            go.wait(30)
            return True

    monkeypatch.setattr(passwords, "_HASHER", Slow())
    most = passwords.HASHES_AT_ONCE_MAX + passwords.HASHES_WAITING_MAX
    tasks = [asyncio.create_task(passwords.verify("stored", "any")) for _ in range(most)]
    await asyncio.sleep(0)
    with pytest.raises(Unavailable):
        await passwords.verify("stored", "any")
    tasks[-1].cancel()  # whoever hangs up while waiting gives the place back
    await asyncio.sleep(0)
    assert len(at_once) <= passwords.HASHES_AT_ONCE_MAX
    go.set()
    assert all(await asyncio.gather(*tasks[:-1]))
    assert await passwords.verify("stored", "any")


async def test_the_last_owner_stays(world: World) -> None:
    lin, wu = await _make(world.opened), await _make(world.opened, "wu@example.com")
    await _grant(world, lin)
    with pytest.raises(Conflict, match="last owner"):
        await _revoke(world, lin)
    with pytest.raises(Conflict, match="last owner"):
        await _disable(world, lin)
    await _grant(world, wu)
    assert await _revoke(world, lin)
    assert not await _revoke(world, lin)
    with pytest.raises(Conflict, match="last owner"):
        await _revoke(world, wu)


async def test_an_owner_who_cannot_sign_in_does_not_count(world: World) -> None:
    lin = await _make(world.opened)
    invited = await _make(world.opened, "wu@example.com", password=None)
    gone = await _make(world.opened, "gone@example.com")
    for person in (lin, invited, gone):
        await _grant(world, person)
    assert await _disable(world, gone)
    with pytest.raises(Conflict, match="last owner"):
        await _revoke(world, lin)


async def test_two_owners_who_revoke_or_disable_each_other_at_once_leave_one(world: World) -> None:
    for round_, (first, second) in enumerate(((_revoke, _revoke), (_disable, _revoke), (_disable, _disable))):
        lin = await _make(world.opened, f"lin{round_}@example.com")
        wu = await _make(world.opened, f"wu{round_}@example.com")
        await _grant(world, lin)
        await _grant(world, wu)
        async with world.opened.db.transaction() as tx:
            others = "DELETE FROM staff_role WHERE staff_id NOT IN (:lin, :wu)"
            await tx.execute(text(others), {"lin": lin.id, "wu": wu.id})
        done = await asyncio.gather(first(world, lin), second(world, wu), return_exceptions=True)
        assert sorted(map(type, done), key=str) == [bool, Conflict], done


async def test_granting_twice_changes_and_records_nothing(world: World) -> None:
    lin = await _make(world.opened)
    assert await _grant(world, lin, Role.ANALYST)
    assert not await _grant(world, lin, Role.ANALYST)
    async with world.opened.db.transaction() as tx:
        rows = await tx.execute(text("SELECT brand_id, before, after FROM audit_trail WHERE action = 'staff.grant'"))
        assert [tuple(row) for row in rows] == [(world.brand.id, {"roles": []}, {"roles": ["analyst"]})]
        assert [each.id for each in await people.list_of_brand(tx, world.opened.vault, world.brand.id)] == [lin.id]
        assert await people.list_of_brand(tx, world.opened.vault, world.brand.id + 1) == []


async def test_a_brand_has_at_most_so_many_people(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(people, "STAFF_PER_BRAND_MAX", 1)
    lin, wu = await _make(world.opened), await _make(world.opened, "wu@example.com")
    await _grant(world, lin)
    assert await _grant(world, lin, Role.ANALYST)
    with pytest.raises(Conflict, match="at most 1 people"):
        await _grant(world, wu)


async def test_nobody_is_told_by_number(world: World) -> None:
    async with world.opened.db.transaction() as tx:
        with pytest.raises(NotFound):
            await people.get(tx, world.opened.vault, 999)
        with pytest.raises(NotFound):
            await people.grant(tx, staff_id=999, brand_id=world.brand.id, role=Role.OWNER, actor="test")
        with pytest.raises(NotFound):
            await people.set_state(tx, staff_id=999, state="disabled", actor="test")


async def test_a_changed_name_is_recorded_but_not_said(opened: Runtime) -> None:
    lin = await _make(opened)
    async with opened.db.transaction() as tx:
        await people.set_profile(
            tx, opened.vault, staff_id=lin.id, name="Lin Wu", language="en", actor=people.actor_of(lin.id)
        )
        changed = await people.get(tx, opened.vault, lin.id)
        row = await tx.execute(text("SELECT before, after FROM audit_trail WHERE action = 'staff.profile'"))
        assert tuple(row.one()) == ({"language": "zh"}, {"language": "en", "name_changed": True})
    assert (changed.name, changed.language) == ("Lin Wu", "en")


async def test_an_erased_person_leaves_a_number_and_nothing_else(world: World) -> None:
    opened = world.opened
    lin, wu = await _make(opened), await _make(opened, "wu@example.com")
    await _grant(world, lin)
    async with opened.db.transaction() as tx:
        session = await sessions.open_session(tx, staff_id=lin.id, agent="")
    with pytest.raises(Conflict, match="last owner"):
        await _erase(opened, lin)
    await _grant(world, wu)
    await _erase(opened, lin)
    async with opened.db.transaction() as tx:
        assert await people.by_email(tx, opened.vault, opened.index, "lin@example.com") is None
        assert await sessions.find(tx, opened.vault, session) is None
        left = await people.get(tx, opened.vault, lin.id)
    assert (left.email, left.name, left.state, left.roles) == ("", "", "disabled", {})
    assert (await _make(opened)).id != lin.id  # the address is free again


async def _erase(opened: Runtime, person: Staff) -> None:
    async with opened.db.transaction() as tx:
        await people.erase(tx, opened.vault, opened.index, staff_id=person.id, actor="test")
