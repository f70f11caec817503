"""Sign-in by e-mail address and password, and a second factor where it is on.

Unknown address, wrong password, waiting and disabled account are one answer after the same work: the same
statements and one hash. A failure is counted before the password is looked at and taken back if it was right,
so that a thousand tries at once get no further than a thousand in a row, in however many processes.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Literal

from itsdangerous import BadData
from sqlalchemy import text

from kernel import audit
from kernel.clock import now
from kernel.crypto import BlindIndex, Vault
from kernel.db import Database, Tx
from kernel.errors import InvalidInput, TooMany, Unavailable
from staff import attempts, emails, passwords, people, sessions, totp

FREE_FAILURES = 5
WAIT_S_MIN = 60
WAIT_S_MAX = 900
FORGOTTEN_S = 86_400
TICKET_S = 300


class Outcome(StrEnum):
    """What a try to sign in led to."""

    SIGNED_IN = "signed_in"
    REFUSED = "refused"  # address or password wrong, account waiting or disabled: never said which
    OTP_WANTED = "otp_wanted"  # the password is right
    OTP_WRONG = "otp_wrong"
    WAIT = "wait"  # this network address has failed too often


@dataclass(frozen=True, slots=True)
class SignInResult:
    """The answer to a try.

    Attributes:
        token: of the session, when signed in.
        ticket: stands for the right password in `second_step`, for five minutes, when a code is wanted.
        retry_after_s: when to come back, for `WAIT`.
    """

    outcome: Outcome
    staff_id: int | None = None
    token: str | None = field(default=None, repr=False)
    ticket: str | None = field(default=None, repr=False)
    retry_after_s: int | None = None


@dataclass(frozen=True, slots=True)
class _Try:
    """What was found and reserved before the password is looked at."""

    place: int
    places_left: int
    mark: bytes
    staff_id: int | None = None
    password_hash: str | None = field(default=None, repr=False)
    refused_for: str | None = None
    failures: int = 0
    failed_at: datetime | None = None
    reserved_at: datetime | None = None


_OF_MARK = text("SELECT id, state, password_hash, failures, failed_at FROM staff WHERE email_index = :key FOR UPDATE")
_OF_ID = text("SELECT id, state, password_hash, failures, failed_at FROM staff WHERE id = :key FOR UPDATE")
_RESERVE = text("UPDATE staff SET failures = :failures, failed_at = :at WHERE id = :id")
# a failure that came in meanwhile keeps its time
_RELEASE = text("""
    UPDATE staff SET failures = greatest(failures - 1, 0),
        failed_at = CASE WHEN failed_at = :reserved THEN CAST(:prior AS timestamptz) ELSE failed_at END
    WHERE id = :id""")


async def sign_in(
    db: Database, vault: Vault, index: BlindIndex, *, email: str, password: str, otp: str, address: str, agent: str
) -> SignInResult:
    """Try to sign in, and open a session if all is right.

    Args:
        db: the database; two short transactions with the hashing between them.
        vault: for the second factor's secret.
        index: finds the account.
        email: as typed.
        password: as typed.
        otp: a code of the phone or a recovery code; empty at the first step.
        address: the client's network address.
        agent: the browser's name of itself.

    Raises:
        Unavailable: too many sign-ins at once.
    """
    mark = people.email_mark(index, _folded(email))
    async with db.transaction() as tx:
        begun = await _begin(tx, index, mark=mark, staff_id=None, address=address)
    if isinstance(begun, SignInResult):
        return begun
    try:
        right = await passwords.verify(begun.password_hash, password)
        if not right and begun.refused_for is None:
            begun = replace(begun, refused_for="wrong_password")
        fresh = await _rehashed(begun, password)
    except Unavailable:
        await _forgive(db, begun)
        raise
    async with db.transaction() as tx:
        return await _finish(tx, vault, index, begun, otp=otp, agent=agent, fresh=fresh)


async def second_step(
    db: Database, vault: Vault, index: BlindIndex, *, ticket: str, otp: str, address: str, agent: str
) -> SignInResult:
    """Go on with the ticket of an `OTP_WANTED`; a code that is wrong counts as a wrong password does."""
    given = _read_ticket(vault, ticket)
    if given is None:
        return SignInResult(Outcome.REFUSED)
    staff_id, password_mark = given
    async with db.transaction() as tx:
        begun = await _begin(tx, index, mark=b"", staff_id=staff_id, address=address)
        if isinstance(begun, SignInResult):
            return begun
        if begun.refused_for is None and not hmac.compare_digest(_password_mark(begun.password_hash), password_mark):
            begun = replace(begun, refused_for="password_changed")
        return await _finish(tx, vault, index, begun, otp=otp, agent=agent, fresh=None)


async def confirm_password(db: Database, *, staff_id: int, password: str) -> bool:
    """Ask a person who is signed in for the password again; failures count as at sign-in.

    Raises:
        TooMany: too many failures; `retry_after_s` says how long to wait.
        Unavailable: too many passwords are being hashed.
    """
    return await _confirm(db, None, None, staff_id=staff_id, password=password, otp="") is None


async def confirm(
    db: Database, vault: Vault, index: BlindIndex, *, staff_id: int, password: str, otp: str
) -> Literal["password", "otp"] | None:
    """Ask a person for the password again, and for a code where the second factor is on; failures count.

    Returns:
        What was wrong, or None; a code that was right is used up.

    Raises:
        TooMany: too many failures; `retry_after_s` says how long to wait.
        Unavailable: too many passwords are being hashed.
    """
    return await _confirm(db, vault, index, staff_id=staff_id, password=password, otp=otp)


async def _confirm(
    db: Database, vault: Vault | None, index: BlindIndex | None, *, staff_id: int, password: str, otp: str
) -> Literal["password", "otp"] | None:
    async with db.transaction() as tx:
        begun = await _reserve(tx, _Try(place=0, places_left=0, mark=b""), _OF_ID, staff_id)
    if begun.refused_for == "waiting":
        assert begun.failed_at is not None
        left = begun.failed_at + timedelta(seconds=wait_s(begun.failures)) - now()
        raise TooMany(
            "Too many wrong passwords; wait a little.",
            retry_after_s=max(1, int(left.total_seconds()) + 1),
            reason="passwords_wait",
        )
    try:
        right = await passwords.verify(begun.password_hash, password) and begun.refused_for is None
    except Unavailable:
        await _forgive(db, begun)
        raise
    wrong: Literal["password", "otp"] | None = None if right else "password"
    async with db.transaction() as tx:
        if right and vault is not None and index is not None:
            row = await tx.execute(text("SELECT totp_at IS NOT NULL FROM staff WHERE id = :id"), {"id": staff_id})
            if row.scalar_one() and await totp.accept(tx, vault, index, staff_id=staff_id, code=otp) is None:
                wrong = "otp"
        if wrong is None:
            await _release(tx, begun)
        else:
            reason = begun.refused_for or f"wrong_{wrong}"
            await _record_failure(tx, begun, reason, people.actor_of(staff_id))
    return wrong


def wait_s(failures: int) -> int:
    """How long an account waits after its latest failure: not at all, then 1 minute, doubling to 15."""
    if failures < FREE_FAILURES:
        return 0
    return int(min(WAIT_S_MAX, WAIT_S_MIN * 2 ** min(failures - FREE_FAILURES, 10)))


def _waits(failures: int, failed_at: datetime | None, at: datetime) -> bool:
    """Whether the account waits; a failure far in the future is a clock's that was set back, and holds nobody up."""
    if failed_at is None:
        return False
    return -timedelta(seconds=attempts.CLOCK_SKEW_S) < at - failed_at < timedelta(seconds=wait_s(failures))


def _folded(email: str) -> str:
    try:
        return emails.parse(email)
    except InvalidInput:
        return f"\x00{email[: emails.EMAIL_CHARS_MAX]}"  # no account has this; it goes the same long way


async def _begin(
    tx: Tx, index: BlindIndex, *, mark: bytes, staff_id: int | None, address: str
) -> _Try | SignInResult:  # fmt: skip
    place, left = await attempts.take(tx, index, kind=attempts.SIGN_IN, address=address)
    if place is None:
        return SignInResult(Outcome.WAIT, retry_after_s=left)
    begun = _Try(place=place, places_left=left, mark=mark)
    return await _reserve(tx, begun, _OF_MARK if staff_id is None else _OF_ID, mark if staff_id is None else staff_id)


async def _reserve(tx: Tx, begun: _Try, query: Any, key: bytes | int) -> _Try:  # noqa: ANN401 (an SQL text)
    """Count a failure in advance, unless the account waits; an unknown one takes the same statements."""
    row = (await tx.execute(query, {"key": key})).one_or_none()
    at = now()
    failures, failed_at = (0, None) if row is None else (row.failures, row.failed_at)
    if failed_at is not None and at - failed_at >= timedelta(seconds=FORGOTTEN_S):
        failures = 0
    waits = _waits(failures, failed_at, at)
    refused_for = _reason(row, waits=waits)
    counted = (failures, failed_at) if waits else (failures + 1, at)
    await tx.execute(
        _RESERVE, {"id": None if row is None else row.id, "failures": counted[0], "at": counted[1]}
    )  # fmt: skip
    found = {} if row is None else {"staff_id": row.id, "password_hash": row.password_hash}
    return replace(
        begun, **found, refused_for=refused_for, failures=failures, failed_at=failed_at, reserved_at=counted[1]
    )  # fmt: skip


def _reason(row: Any, *, waits: bool) -> str | None:  # noqa: ANN401 (a result row)
    if row is None:
        return "unknown"
    if row.state != "active":
        return "disabled"
    if waits:
        return "waiting"
    return "no_password" if row.password_hash is None else None


async def _rehashed(begun: _Try, password: str) -> str | None:
    """The right password's new hash, where the stored one was made with parameters of the past."""
    if begun.refused_for is not None or begun.password_hash is None or not passwords.is_outdated(begun.password_hash):
        return None
    return await passwords.make(password)


async def _finish(
    tx: Tx, vault: Vault, index: BlindIndex, begun: _Try, *, otp: str, agent: str, fresh: str | None
) -> SignInResult:
    """Judge again under the row's lock, for the account may have changed while the password was hashed."""
    row = (
        await tx.execute(
            text("SELECT state, password_hash, totp_at IS NOT NULL AS has_totp FROM staff WHERE id = :id FOR UPDATE"),
            {"id": begun.staff_id},
        )
    ).one_or_none()
    reason = begun.refused_for
    if reason is None and (row is None or row.state != "active" or row.password_hash != begun.password_hash):
        reason = "changed"
    if reason is not None:
        await _record_failure(tx, begun, reason, "anonymous")
        return SignInResult(Outcome.REFUSED)
    assert row is not None
    assert begun.staff_id is not None
    if row.has_totp and not otp.strip():
        await _release(tx, begun)
        ticket = _make_ticket(vault, begun.staff_id, row.password_hash)
        return SignInResult(Outcome.OTP_WANTED, staff_id=begun.staff_id, ticket=ticket)
    factor = "password"
    if row.has_totp:
        used = await totp.accept(tx, vault, index, staff_id=begun.staff_id, code=otp)
        if used is None:
            await _record_failure(tx, begun, "wrong_otp", "anonymous")
            ticket = _make_ticket(vault, begun.staff_id, row.password_hash)
            return SignInResult(Outcome.OTP_WRONG, staff_id=begun.staff_id, ticket=ticket)
        factor = used
    return await _open(tx, begun, factor=factor, agent=agent, fresh=fresh)


async def _open(tx: Tx, begun: _Try, *, factor: str, agent: str, fresh: str | None) -> SignInResult:
    assert begun.staff_id is not None
    await tx.execute(
        text("""
            UPDATE staff SET failures = 0, failed_at = NULL,
                password_hash = coalesce(CAST(:fresh AS text), password_hash) WHERE id = :id"""),
        {"id": begun.staff_id, "fresh": fresh},
    )
    await attempts.give_back(tx, begun.place)
    token = await sessions.open_session(tx, staff_id=begun.staff_id, agent=agent)
    await audit.record(
        tx, brand_id=None, actor=people.actor_of(begun.staff_id), action="staff.sign_in",
        subject=f"staff {begun.staff_id}", after={"factor": factor},
    )  # fmt: skip
    return SignInResult(Outcome.SIGNED_IN, staff_id=begun.staff_id, token=token)


async def _release(tx: Tx, begun: _Try) -> None:
    """Take back what was counted in advance."""
    await tx.execute(
        _RELEASE, {"id": begun.staff_id, "reserved": begun.reserved_at, "prior": begun.failed_at}
    )  # fmt: skip
    await attempts.give_back(tx, begun.place)


async def _forgive(db: Database, begun: _Try) -> None:
    """Nothing was judged, because too many were at it: a right password must not count as a wrong one."""
    async with db.transaction() as tx:
        await _release(tx, begun)


async def _record_failure(tx: Tx, begun: _Try, reason: str, actor: str) -> None:
    """One row in the audit trail, whatever failed; an unknown address by a prefix of its blind index only."""
    counted = begun.failures + (reason != "waiting")
    locked = begun.staff_id is not None and reason != "waiting" and wait_s(counted) > 0
    after: dict[str, Any] = {"reason": reason}
    if locked:
        after |= {"failures": counted, "wait_s": wait_s(counted)}
    if begun.places_left == 0 and begun.place:
        after["address_waits"] = True
    await audit.record(
        tx, brand_id=None, actor=actor, action="staff.lock_out" if locked else "staff.sign_in_failed",
        subject=f"staff {begun.staff_id}" if begun.staff_id is not None else f"unknown {begun.mark.hex()[:8]}",
        after=after,
    )  # fmt: skip


def _password_mark(stored: str | None) -> bytes:
    return hashlib.sha256((stored or "").encode()).digest()[:12]


def _make_ticket(vault: Vault, staff_id: int, password_hash: str) -> str:
    return vault.serializer("staff-ticket").dumps([staff_id, _password_mark(password_hash).hex()])


def _read_ticket(vault: Vault, ticket: str) -> tuple[int, bytes] | None:
    if len(ticket) > 500:
        return None
    try:
        staff_id, mark = vault.serializer("staff-ticket").loads(ticket, max_age=TICKET_S)
    except BadData:
        return None
    return int(staff_id), bytes.fromhex(mark)
