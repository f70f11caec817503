"""Sign-in: one answer for whoever may not, and limits that hold however many try at once, from wherever."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pyotp
import pytest
from argon2 import PasswordHasher
from sqlalchemy import text

from kernel import clock
from kernel.clock import now
from kernel.errors import TooMany
from staff import attempts, passwords, people, sessions, signin, totp
from staff.people import Staff
from staff.signin import Outcome, SignInResult
from yima import runtime
from yima.runtime import Runtime

EMAIL, PASSWORD = "lin@example.com", "seven small boats"
ADDRESS = "203.0.113.7"


async def _make(opened: Runtime, email: str = EMAIL, password: str | None = PASSWORD) -> Staff:
    async with opened.db.transaction() as tx:
        return await people.create(
            tx, opened.vault, opened.index, email=email, name="林小姐", password=password, actor="test"
        )


async def _try(opened: Runtime, password: str = PASSWORD, email: str = EMAIL, **more: Any) -> SignInResult:
    values = {"otp": "", "address": ADDRESS, "agent": "Firefox", **more}
    return await signin.sign_in(opened.db, opened.vault, opened.index, email=email, password=password, **values)


async def _second(opened: Runtime, ticket: str | None, otp: str) -> SignInResult:
    assert ticket is not None
    return await signin.second_step(
        opened.db, opened.vault, opened.index, ticket=ticket, otp=otp, address=ADDRESS, agent="Firefox"
    )


async def _sql(opened: Runtime, statement: str, **values: Any) -> list[Any]:
    async with opened.db.transaction() as tx:
        result = await tx.execute(text(statement), values)
        return list(result.all()) if result.returns_rows else []


async def _trail(opened: Runtime) -> list[tuple[str, str, Any]]:
    return [tuple(row) for row in await _sql(opened, "SELECT action, subject, after FROM audit_trail ORDER BY id")]


async def _age(opened: Runtime, seconds: int) -> None:
    """Let time pass for the account's failures."""
    await _sql(opened, "UPDATE staff SET failed_at = failed_at - make_interval(secs => :by)", by=seconds)


async def _with_totp(opened: Runtime, person: Staff) -> tuple[pyotp.TOTP, list[str]]:
    """Switch the second factor on with the code of the step before, so that the current one is still unused."""
    async with opened.db.transaction() as tx:
        secret = (await totp.enrol(tx, opened.vault, staff_id=person.id, email=EMAIL)).secret
    phone = pyotp.TOTP(secret)
    async with opened.db.transaction() as tx:
        codes = await totp.confirm(
            tx, opened.vault, opened.index, staff_id=person.id, code=phone.at(now() - timedelta(seconds=30))
        )
    return phone, codes


async def test_the_right_password_opens_a_session_of_the_person(opened: Runtime) -> None:
    person = await _make(opened)
    result = await _try(opened, email=" LIN@Example.COM ")
    assert result.outcome is Outcome.SIGNED_IN
    assert result.token is not None
    async with opened.db.transaction() as tx:
        session = await sessions.find(tx, opened.vault, result.token)
    assert session is not None
    assert session.staff == person
    assert (await _trail(opened))[-1] == ("staff.sign_in", f"staff {person.id}", {"factor": "password"})


async def test_all_who_may_not_get_one_answer_after_the_same_work(
    opened: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not measured by the clock: the same number of statements and of hashes."""
    await _make(opened)
    disabled = await _make(opened, "gone@example.com")
    await _make(opened, "invited@example.com", password=None)
    waiting = await _make(opened, "waiting@example.com")
    async with opened.db.transaction() as tx:
        await people.set_state(tx, staff_id=disabled.id, state="disabled", actor="test")
    await _sql(opened, "UPDATE staff SET failures = 9, failed_at = now() WHERE id = :id", id=waiting.id)
    hashes: Counter[str] = Counter()
    plain_verify = passwords._HASHER.verify

    def verify(stored: str, password: bytes) -> bool:
        hashes["verify"] += 1
        return plain_verify(stored, password)

    class Counting:
        hash = staticmethod(passwords._HASHER.hash)
        check_needs_rehash = staticmethod(passwords._HASHER.check_needs_rehash)

    Counting.verify = staticmethod(verify)  # type: ignore[attr-defined]
    monkeypatch.setattr(passwords, "_HASHER", Counting)
    seen = set()
    for email, password in (
        ("nobody@example.com", PASSWORD), ("no address at all", PASSWORD), (EMAIL, "a wrong password"),
        ("gone@example.com", PASSWORD), ("invited@example.com", PASSWORD), ("waiting@example.com", PASSWORD),
        (EMAIL, "x" * 10_000_000),
    ):  # fmt: skip
        before, hashed = opened.db.statements, hashes["verify"]
        assert await _try(opened, password, email) == SignInResult(Outcome.REFUSED)
        seen.add((opened.db.statements - before, hashes["verify"] - hashed))
    assert len(seen) == 1
    assert seen.pop()[1] == 1


async def test_the_audit_trail_tells_of_failures_without_the_address(opened: Runtime) -> None:
    person = await _make(opened)
    await _try(opened, "a wrong password")
    await _try(opened, email="nobody@example.com")
    wrong, unknown = (await _trail(opened))[-2:]
    assert wrong == ("staff.sign_in_failed", f"staff {person.id}", {"reason": "wrong_password"})
    assert unknown[0] == "staff.sign_in_failed"
    assert unknown[1].startswith("unknown ")
    assert len(unknown[1]) == len("unknown ") + 8
    everything = str(await _sql(opened, "SELECT * FROM audit_trail"))
    assert "example.com" not in everything
    assert "203.0.113" not in everything


async def test_the_fifth_failure_makes_the_account_wait_longer_each_time(opened: Runtime) -> None:
    person = await _make(opened)
    for _ in range(4):
        await _try(opened, "a wrong password")
    assert (await _try(opened)).outcome is Outcome.SIGNED_IN  # the fifth try is right: nothing is counted any more
    for _ in range(5):
        await _try(opened, "a wrong password")
    assert (await _trail(opened))[-1] == (
        "staff.lock_out", f"staff {person.id}", {"reason": "wrong_password", "failures": 5, "wait_s": 60},
    )  # fmt: skip
    assert (await _try(opened)).outcome is Outcome.REFUSED
    for wait in (60, 120, 240, 480, 900, 900):
        await _age(opened, wait - 10)
        assert (await _try(opened)).outcome is Outcome.REFUSED
        await _age(opened, 10)
        await _try(opened, "a wrong password")
    await _age(opened, 900)
    assert (await _try(opened)).outcome is Outcome.SIGNED_IN


def test_the_wait_grows_from_one_minute_to_fifteen() -> None:
    assert [signin.wait_s(n) for n in (0, 4, 5, 6, 7, 8, 9, 10, 10_000)] == [0, 0, 60, 120, 240, 480, 900, 900, 900]


async def test_failures_of_yesterday_are_forgotten(opened: Runtime) -> None:
    await _make(opened)
    await _sql(opened, "UPDATE staff SET failures = 50, failed_at = now()")
    await _age(opened, 86_401)
    await _try(opened, "a wrong password")
    assert (await _try(opened)).outcome is Outcome.SIGNED_IN


@asynccontextmanager
async def _second_process(opened: Runtime) -> AsyncIterator[Runtime]:
    """Another pool over the same database, as another web process has it."""
    async with runtime.connect(opened.settings, opened.url, pool_size=4, application="other") as other:
        yield other


async def test_two_processes_at_once_get_no_more_than_five_tries(
    opened: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    await _make(opened)
    looked_at: list[str] = []
    plain = passwords.verify

    async def verify(stored: str | None, password: str) -> bool:
        if stored is not None:
            looked_at.append(password)
        return await plain(stored, password)

    monkeypatch.setattr(passwords, "verify", verify)
    async with _second_process(opened) as other:
        tries = [_try(each, f"a wrong password {n}") for n in range(10) for each in (opened, other)]
        results = await asyncio.gather(*tries)
    assert {result.outcome for result in results} == {Outcome.REFUSED}
    reasons = Counter(after["reason"] for action, _, after in await _trail(opened) if action != "staff.create")
    assert reasons == {"wrong_password": 5, "waiting": 15}


async def test_an_address_that_failed_too_often_waits_whatever_account_it_tries(opened: Runtime) -> None:
    await _make(opened)
    most = attempts.TRIES_MAX[attempts.SIGN_IN]
    async with _second_process(opened) as other:
        tries = [
            _try((opened, other)[n % 2], "a wrong password", email=f"person{n}@example.com") for n in range(most + 5)
        ]
        outcomes = Counter(result.outcome for result in await asyncio.gather(*tries))
    assert outcomes == {Outcome.REFUSED: most, Outcome.WAIT: 5}
    refused = await _try(opened)
    assert refused.outcome is Outcome.WAIT
    assert refused.retry_after_s is not None
    assert 0 < refused.retry_after_s <= attempts.WINDOW_S[attempts.SIGN_IN] + 1
    assert (await _try(opened, address="203.0.113.8")).outcome is Outcome.SIGNED_IN
    await _sql(opened, "UPDATE staff_attempt SET at = at - interval '15 minutes'")
    assert (await _try(opened)).outcome is Outcome.SIGNED_IN


async def test_signing_in_takes_no_place_of_the_address(opened: Runtime) -> None:
    await _make(opened)
    for _ in range(3):
        assert (await _try(opened)).outcome is Outcome.SIGNED_IN
    assert await _sql(opened, "SELECT * FROM staff_attempt") == []


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff::1", "2001:db8:1:2::/64"),
        ("testclient", "testclient"),
    ],
)
def test_one_customers_addresses_count_as_one(address: str, network: str) -> None:
    assert attempts.network_of(address) == network


async def test_a_second_factor_is_asked_for_only_after_the_right_password(opened: Runtime) -> None:
    phone, _ = await _with_totp(opened, await _make(opened))
    assert (await _try(opened, "a wrong password", otp=phone.now())).outcome is Outcome.REFUSED
    first = await _try(opened)
    assert first.outcome is Outcome.OTP_WANTED
    assert first.token is None
    wrong = await _second(opened, first.ticket, "000000" if phone.now() != "000000" else "000001")
    assert wrong.outcome is Outcome.OTP_WRONG
    assert (await _second(opened, wrong.ticket, phone.now())).outcome is Outcome.SIGNED_IN


async def test_each_step_of_the_second_factor_is_good_once(opened: Runtime) -> None:
    phone, _ = await _with_totp(opened, await _make(opened))
    code = phone.now()
    results = await asyncio.gather(*(_try(opened, otp=code) for _ in range(4)))
    assert Counter(result.outcome for result in results) == {Outcome.SIGNED_IN: 1, Outcome.OTP_WRONG: 3}


async def test_a_recovery_code_signs_in_once_however_it_is_typed(opened: Runtime) -> None:
    person = await _make(opened)
    _, codes = await _with_totp(opened, person)
    assert len(set(codes)) == 10
    typed = codes[0].lower().replace("-", " ").replace("0", "o").replace("1", "l")
    assert (await _try(opened, otp=typed)).outcome is Outcome.SIGNED_IN
    assert (await _try(opened, otp=codes[0])).outcome is Outcome.OTP_WRONG
    async with opened.db.transaction() as tx:
        assert await totp.recovery_codes_left(tx, person.id) == 9
    assert (await _trail(opened))[-2][2] == {"factor": "recovery"}


async def test_wrong_codes_count_as_wrong_passwords_do(opened: Runtime) -> None:
    phone, _ = await _with_totp(opened, await _make(opened))
    wrong = "000000" if phone.now() != "000000" else "000001"
    for _ in range(5):
        assert (await _try(opened, otp=wrong)).outcome is Outcome.OTP_WRONG
    assert (await _try(opened, otp=phone.now())).outcome is Outcome.REFUSED


async def test_asking_for_the_code_counts_nothing(opened: Runtime) -> None:
    phone, _ = await _with_totp(opened, await _make(opened))
    for _ in range(8):
        first = await _try(opened)
        assert first.outcome is Outcome.OTP_WANTED
    assert (await _second(opened, first.ticket, phone.now())).outcome is Outcome.SIGNED_IN


async def test_the_wait_is_not_made_longer_by_asking_for_the_code(opened: Runtime) -> None:
    phone, _ = await _with_totp(opened, await _make(opened))
    await _sql(opened, "UPDATE staff SET failures = 5, failed_at = now() - interval '61 seconds'")
    first = await _try(opened)
    assert first.outcome is Outcome.OTP_WANTED
    assert (await _second(opened, first.ticket, phone.now())).outcome is Outcome.SIGNED_IN


async def test_a_ticket_dies_with_the_password_and_cannot_be_made_up(opened: Runtime) -> None:
    phone, _ = await _with_totp(opened, await _make(opened))
    first = await _try(opened)
    assert first.ticket is not None
    other = "x" if first.ticket[-9] != "x" else "y"  # not the last symbol, of which some bits mean nothing
    for ticket in (
        "",
        "x" * 501,
        first.ticket[:-9] + other + first.ticket[-8:],
        opened.vault.serializer("other").dumps([1, "00"]),
    ):
        assert await _second(opened, ticket, phone.now()) == SignInResult(Outcome.REFUSED)
    await _sql(opened, "UPDATE staff SET password_hash = :hash", hash=await passwords.make("another password"))
    assert await _second(opened, first.ticket, phone.now()) == SignInResult(Outcome.REFUSED)


async def test_disabling_during_the_hashing_wins(opened: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    person = await _make(opened)
    plain = passwords.verify

    async def verify(stored: str | None, password: str) -> bool:
        async with opened.db.transaction() as tx:
            await people.set_state(tx, staff_id=person.id, state="disabled", actor="test")
        return await plain(stored, password)

    monkeypatch.setattr(passwords, "verify", verify)
    assert await _try(opened) == SignInResult(Outcome.REFUSED)


async def test_a_hash_of_older_parameters_is_made_anew_at_sign_in(opened: Runtime) -> None:
    await _make(opened)
    old = PasswordHasher(time_cost=1, memory_cost=8192, parallelism=1).hash(PASSWORD)
    await _sql(opened, "UPDATE staff SET password_hash = :hash", hash=old)
    assert (await _try(opened)).outcome is Outcome.SIGNED_IN
    [(stored,)] = await _sql(opened, "SELECT password_hash FROM staff")
    assert stored.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert (await _try(opened)).outcome is Outcome.SIGNED_IN


async def test_confirming_the_password_has_the_limits_of_sign_in(opened: Runtime) -> None:
    person = await _make(opened)
    assert await signin.confirm_password(opened.db, staff_id=person.id, password=PASSWORD)
    for _ in range(5):
        assert not await signin.confirm_password(opened.db, staff_id=person.id, password="a wrong password")
    with pytest.raises(TooMany) as refused:
        await signin.confirm_password(opened.db, staff_id=person.id, password=PASSWORD)
    assert 0 < int(str(refused.value.details["retry_after_s"])) <= 61


async def test_a_clock_set_back_locks_nobody_out(opened: Runtime) -> None:
    await _make(opened)
    await _sql(opened, "UPDATE staff SET failures = 9, failed_at = now() + interval '1 day'")
    await _sql(
        opened,
        "INSERT INTO staff_attempt (kind, address_index, at) SELECT 'sign_in', :mark, now() + interval '1 day' "
        "FROM generate_series(1, 100)",
        mark=opened.index.of("staff-address", f"sign_in/{ADDRESS}"),
    )
    assert (await _try(opened)).outcome is Outcome.SIGNED_IN


async def test_nothing_of_the_person_is_readable_in_the_database_or_in_a_repr(opened: Runtime) -> None:
    person = await _make(opened)
    result = await _try(opened)
    rows = str(await _sql(opened, "SELECT * FROM staff")) + str(await _sql(opened, "SELECT * FROM staff_session"))
    assert result.token is not None
    for secret in ("lin@example", "林小姐", PASSWORD, result.token):
        assert secret not in rows
        assert secret not in repr((person, result))
    assert json.dumps(person.roles) == "{}"


def test_time_is_taken_from_the_one_clock() -> None:
    assert signin.now is clock.now
