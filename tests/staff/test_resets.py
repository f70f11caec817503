"""Links that set a password: the same answer to everybody, good once, and everything else ends with their use."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from sqlalchemy import text

from kernel import outbox
from kernel.errors import Conflict, InvalidInput, NotFound, TooMany
from staff import attempts, people, resets, sessions, signin, totp
from staff.access import Role
from staff.people import Staff
from tests.world import World
from yima import delivery
from yima.runtime import Runtime, development_mails

EMAIL, PASSWORD, NEW = "lin@example.com", "seven small boats", "eight large ships"
ADDRESS = "203.0.113.7"


async def _make(opened: Runtime, email: str = EMAIL, **more: Any) -> Staff:
    async with opened.db.transaction() as tx:
        return await people.create(
            tx, opened.vault, opened.index, email=email, name="Lin", actor="test",
            **{"password": PASSWORD, "language": "en", **more},
        )  # fmt: skip


async def _request(opened: Runtime, email: str = EMAIL, address: str = ADDRESS) -> None:
    await resets.request(opened.db, opened.vault, opened.index, email=email, address=address)


async def _mails(opened: Runtime) -> list[dict[str, str]]:
    """Deliver, and read what development's file holds."""
    for _ in range(2):  # a request becomes a mail, a mail goes out
        counts = await outbox.relay(opened.db, opened.vault, delivery.handlers(opened))
        assert not counts["failed"]
        assert not counts["dead"]
    path = development_mails(opened.settings)
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


async def _link(opened: Runtime) -> str:
    """The token of the last mail."""
    words = (await _mails(opened))[-1]["text"].split()
    [link] = [word for word in words if word.startswith("https://t.yima.cn/console/reset/")]
    return link.rpartition("/")[2]


async def _use(opened: Runtime, token: str, password: str = NEW) -> Staff:
    return await resets.use(opened.db, opened.vault, token=token, password=password)


async def _signs_in(opened: Runtime, password: str) -> bool:
    done = await signin.sign_in(
        opened.db, opened.vault, opened.index, email=EMAIL, password=password, otp="", address=ADDRESS, agent=""
    )
    return done.outcome in (signin.Outcome.SIGNED_IN, signin.Outcome.OTP_WANTED)


async def _sql(opened: Runtime, statement: str, **values: Any) -> list[Any]:
    async with opened.db.transaction() as tx:
        result = await tx.execute(text(statement), values)
        return list(result.all()) if result.returns_rows else []


async def test_a_link_sets_a_password_once_and_ends_all_sessions(opened: Runtime) -> None:
    person = await _make(opened)
    async with opened.db.transaction() as tx:
        session = await sessions.open_session(tx, staff_id=person.id, agent="")
    await _request(opened, "LIN@EXAMPLE.COM")
    token = await _link(opened)
    assert (await _use(opened, token)).id == person.id
    async with opened.db.transaction() as tx:
        assert await sessions.find(tx, opened.vault, session) is None
    assert not await _signs_in(opened, PASSWORD)
    assert await _signs_in(opened, NEW)
    with pytest.raises(NotFound):
        await _use(opened, token, "nine other ships")


async def test_asking_is_the_same_work_whether_anybody_has_the_address_or_not(opened: Runtime) -> None:
    await _make(opened)
    counts = []
    for email in (EMAIL, "nobody@example.com"):
        before = opened.db.statements
        await _request(opened, email)
        counts.append(opened.db.statements - before)
    assert counts[0] == counts[1]
    [mail] = await _mails(opened)
    assert mail["to"] == EMAIL
    assert mail["subject"] == "Set a new password for the Yima console"


async def test_two_uses_at_once_set_one_password(opened: Runtime) -> None:
    await _make(opened)
    await _request(opened)
    token = await _link(opened)
    done = await asyncio.gather(
        _use(opened, token, NEW), _use(opened, token, "nine other ships"), return_exceptions=True
    )
    assert sorted(type(each).__name__ for each in done) == ["NotFound", "Staff"]


async def test_a_bad_password_leaves_the_link_good(opened: Runtime) -> None:
    await _make(opened)
    await _request(opened)
    token = await _link(opened)
    with pytest.raises(InvalidInput):
        await _use(opened, token, "short")
    await _use(opened, token)


@pytest.mark.parametrize(("age", "lives"), [("29 minutes 59 seconds", True), ("30 minutes", False)])
async def test_a_link_is_good_for_30_minutes(opened: Runtime, age: str, lives: bool) -> None:
    await _make(opened)
    await _request(opened)
    token = await _link(opened)
    await _sql(
        opened,
        "UPDATE staff_reset SET created_at = created_at - CAST(CAST(:age AS text) AS interval), "
        "expires_at = expires_at - CAST(CAST(:age AS text) AS interval)",
        age=age,
    )
    async with opened.db.transaction() as tx:
        assert (await resets.find(tx, opened.vault, token) is not None) is lives


@pytest.mark.parametrize("token", ["", "x" * 43, "../../x", "x" * 1_000_000, "é" * 43])
async def test_a_link_that_was_never_ours_finds_nothing(opened: Runtime, token: str) -> None:
    with pytest.raises(NotFound):
        await _use(opened, token)


async def test_a_reset_leaves_the_second_factor_on(opened: Runtime) -> None:
    import pyotp

    person = await _make(opened)
    async with opened.db.transaction() as tx:
        phone = pyotp.TOTP((await totp.enrol(tx, opened.vault, staff_id=person.id, email=EMAIL)).secret)
        await totp.confirm(tx, opened.vault, opened.index, staff_id=person.id, code=phone.now())
    await _request(opened)
    assert (await _use(opened, await _link(opened))).has_totp
    done = await signin.sign_in(
        opened.db, opened.vault, opened.index, email=EMAIL, password=NEW, otp="", address=ADDRESS, agent=""
    )
    assert done.outcome is signin.Outcome.OTP_WANTED


async def test_a_disabled_account_gets_no_mail_and_its_links_die(opened: Runtime) -> None:
    person = await _make(opened)
    await _request(opened)
    token = await _link(opened)
    async with opened.db.transaction() as tx:
        await people.set_state(tx, staff_id=person.id, state="disabled", actor="test")
    with pytest.raises(NotFound):
        await _use(opened, token)
    await _sql(opened, "UPDATE staff_reset SET created_at = created_at - interval '1 hour'")
    await _request(opened)
    assert len(await _mails(opened)) == 1


async def test_an_account_is_mailed_once_a_minute_and_five_times_an_hour(opened: Runtime) -> None:
    await _make(opened)
    for n in range(1, 8):
        await asyncio.gather(*(_request(opened, address=f"203.0.113.{k}") for k in range(3)))
        assert len(await _mails(opened)) == min(n, resets.PER_HOUR_MAX)
        await _sql(opened, "UPDATE staff_reset SET created_at = created_at - interval '61 seconds'")


async def test_an_address_asks_at_most_so_often(opened: Runtime) -> None:
    for n in range(attempts.TRIES_MAX[attempts.RESET]):
        await _request(opened, f"person{n}@example.com")
    with pytest.raises(TooMany) as refused:
        await _request(opened)
    assert 0 < int(str(refused.value.details["retry_after_s"])) <= 3601


async def test_an_invitation_brings_roles_and_a_link_of_72_hours(world: World) -> None:
    opened = world.opened
    async with opened.db.transaction() as tx:
        invited = await resets.invite(
            tx, opened.vault, opened.index, email=EMAIL, name="Lin", brand_id=world.brand.id,
            roles={Role.ANALYST, Role.OWNER}, language="zh", actor="test", base_url="https://t.yima.cn",
        )  # fmt: skip
    assert (invited.state, invited.roles) == ("invited", {world.brand.id: {Role.ANALYST, Role.OWNER}})
    assert (await _mails(opened))[-1]["subject"] == "邀请您使用一码管理台"
    token = await _link(opened)
    await _sql(opened, "UPDATE staff_reset SET created_at = created_at - interval '71 hours'")
    assert (await _use(opened, token)).state == "active"
    async with opened.db.transaction() as tx:
        with pytest.raises(Conflict):
            await resets.send_invitation(
                tx, opened.vault, person=await people.get(tx, opened.vault, invited.id), actor="test", base_url="x"
            )


async def test_inviting_again_replaces_the_link(world: World) -> None:
    opened = world.opened

    async def invite(roles: set[Role]) -> Staff:
        async with opened.db.transaction() as tx:
            return await resets.invite(
                tx, opened.vault, opened.index, email=EMAIL, name="Lin", brand_id=world.brand.id, roles=roles,
                language="en", actor="test", base_url="https://t.yima.cn",
            )  # fmt: skip

    with pytest.raises(InvalidInput):
        await invite(set())
    await invite({Role.ANALYST})
    with pytest.raises(TooMany):
        await invite({Role.FACTORY})
    first = await _link(opened)
    await _sql(opened, "UPDATE staff_reset SET created_at = created_at - interval '61 seconds'")
    both = await invite({Role.FACTORY})
    assert both.roles == {world.brand.id: {Role.ANALYST, Role.FACTORY}}
    second = await _link(opened)
    with pytest.raises(NotFound):
        await _use(opened, first)
    await _use(opened, second)


async def test_a_changed_password_ends_the_other_sessions_and_all_links(opened: Runtime) -> None:
    person = await _make(opened)
    async with opened.db.transaction() as tx:
        mine = await sessions.open_session(tx, staff_id=person.id, agent="")
        other = await sessions.open_session(tx, staff_id=person.id, agent="")
        session = await sessions.find(tx, opened.vault, mine)
    assert session is not None
    await _request(opened)
    token = await _link(opened)
    await resets.change(
        opened.db, opened.vault, person=person, session_id=session.id, password=NEW, base_url="https://t.yima.cn"
    )
    async with opened.db.transaction() as tx:
        assert await sessions.find(tx, opened.vault, mine) is not None
        assert await sessions.find(tx, opened.vault, other) is None
    with pytest.raises(NotFound):
        await _use(opened, token)
    assert await _signs_in(opened, NEW)
    assert (await _mails(opened))[-1]["subject"] == "Your password for the Yima console was changed"


async def test_no_link_and_no_address_is_readable_in_the_database(opened: Runtime) -> None:
    await _make(opened)
    await _request(opened)
    token = await _link(opened)
    for table in ("staff_reset", "staff_attempt", "outbox_message", "audit_trail"):
        rows = str(await _sql(opened, f"SELECT * FROM {table}"))
        assert token not in rows
        assert EMAIL not in rows
