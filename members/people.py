"""Members and their identities. A phone number is stored sealed and found by a blind index."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, Final

import msgspec
import phonenumbers
from sqlalchemy import text

from kernel import audit, ids
from kernel.clock import now
from kernel.crypto import BlindIndex, Vault
from kernel.db import Tx
from kernel.errors import Conflict, InvalidInput, NotFound
from kernel.reads import Asked, Query, Reads
from members import ledger
from members.ledger import Account

PHONE_CHARS_MAX = 32
REASON_CHARS_MAX = 200
CONSENT_VERSION = "2026-11"
ADULT = "adult"
ADULT_VERSION = "2026-11"
"""Of the words by which somebody says to be 18 or older (`age.confirm` of the pages)."""


class Member(msgspec.Struct, frozen=True):
    """A person within one brand."""

    id: int
    brand_id: int
    public_id: str
    state: str
    created_at: datetime
    adult: bool = False
    """Whether the person said to be 18 or older."""


def parse_phone(phone: str) -> str:
    """A phone number in E.164; without a country code it is a Chinese one.

    Raises:
        InvalidInput: not a number that can exist (libphonenumber's rules).
    """
    problem = InvalidInput("This is not a phone number that can exist; give 11 digits, or + and the country code.")
    if len(phone) > PHONE_CHARS_MAX:
        raise problem
    try:
        parsed = phonenumbers.parse(phone, "CN")
    except phonenumbers.NumberParseException as error:
        raise problem from error
    if not phonenumbers.is_valid_number(parsed):
        raise problem
    return phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164)


async def enrol(
    tx: Tx, vault: Vault, index: BlindIndex, *, brand_id: int, phones: Sequence[str], joined_at: datetime
) -> list[int]:
    """Members for verified phone numbers (E.164), found or made, in the order given; a few statements in all."""
    marks = [index.of("phone", phone) for phone in phones]
    known = await tx.execute(
        text("""
            SELECT subject_index, member_id FROM identity WHERE brand_id = :brand AND kind = 'phone'
                AND subject_index = ANY(CAST(:marks AS bytea[]))"""),
        {"brand": brand_id, "marks": marks},
    )
    member_of = {bytes(row[0]): row[1] for row in known}
    new = [(mark, phone) for mark, phone in dict(zip(marks, phones, strict=True)).items() if mark not in member_of]
    if new:
        made = await join(tx, brand_id=brand_id, count=len(new), joined_at=joined_at)
        await tx.execute(
            text("""
                INSERT INTO identity (brand_id, member_id, kind, subject_index, subject_sealed, verified_at)
                SELECT :brand, n.member, 'phone', n.mark, n.sealed, :at FROM unnest(CAST(:members AS bigint[]),
                    CAST(:marks AS bytea[]), CAST(:sealed AS bytea[])) AS n(member, mark, sealed)"""),
            {
                "brand": brand_id,
                "members": made,
                "marks": [mark for mark, _ in new],
                "sealed": [vault.seal(phone.encode(), f"identity/{brand_id}") for _, phone in new],
                "at": joined_at,
            },
        )
        member_of.update(zip((mark for mark, _ in new), made, strict=True))
    return [member_of[mark] for mark in marks]


async def join(tx: Tx, *, brand_id: int, count: int, joined_at: datetime) -> list[int]:
    """New members with the consent that they gave by joining, and their accounts; each still needs an identity."""
    rows = await tx.execute(
        text("""
            INSERT INTO member (brand_id, public_id, created_at)
            SELECT :brand, unnest(CAST(:publics AS text[])), :at RETURNING id"""),
        {"brand": brand_id, "publics": [ids.public_id(12) for _ in range(count)], "at": joined_at},
    )
    made = list(rows.scalars())
    await tx.execute(
        text("""
            INSERT INTO consent (brand_id, member_id, purpose, text_version, given_at)
            SELECT :brand, unnest(CAST(:members AS bigint[])), 'membership', :version, :at"""),
        {"brand": brand_id, "members": made, "version": CONSENT_VERSION, "at": joined_at},
    )
    await ledger.open_accounts(tx, brand_id=brand_id, member_ids=made)
    return made


async def facts(tx: Tx, member_ids: Sequence[int]) -> dict[int, Member]:
    """Members by id, in one statement."""
    rows = await tx.execute(
        text("""
            SELECT id, brand_id, public_id, state, created_at, adult_at IS NOT NULL FROM member
            WHERE id = ANY(CAST(:ids AS bigint[]))"""),
        {"ids": list(member_ids)},
    )
    return {row[0]: Member(*row) for row in rows}


Locked = tuple[dict[int, Member], dict[tuple[int, str], Account]]
"""Members by id, and their accounts by (member id, currency)."""


def _locked(rows: Iterable[tuple[Any, ...]]) -> Locked:
    members: dict[int, Member] = {}
    accounts: dict[tuple[int, str], Account] = {}
    for spendable_id, balance, qualifying_id, qualifying, member_id, brand_id, *person in rows:
        accounts[member_id, "spendable"] = Account(spendable_id, brand_id, member_id, "spendable", balance)
        accounts[member_id, "qualifying"] = Account(qualifying_id, brand_id, member_id, "qualifying", qualifying)
        members[member_id] = Member(member_id, brand_id, *person)
    return members, accounts


# A member's spendable account stands for both: it is the older one, which whoever locks accounts locks before the other
# (`ledger.lock_accounts`), so that its lock keeps everybody out of the other as well, at half the cost.
# OFFSET 0 keeps the planner from reading the whole of `member` into a hash for a few dozen of them.
_LOCK: Final = Query(
    """ARRAY(
        SELECT ROW(a.id, a.balance, q.id, q.balance, a.member_id, a.brand_id, m.public_id, m.state, m.created_at,
            m.is_adult)
        FROM account a CROSS JOIN LATERAL (
            SELECT id, balance FROM account
            WHERE brand_id = a.brand_id AND member_id = a.member_id AND currency = 'qualifying' OFFSET 0
        ) q CROSS JOIN LATERAL (
            SELECT public_id, state, created_at, adult_at IS NOT NULL AS is_adult FROM member
            WHERE id = a.member_id OFFSET 0
        ) m
        WHERE a.member_id = ANY(CAST(:locked_members AS bigint[])) AND a.currency = 'spendable'
        ORDER BY a.id FOR UPDATE OF a)""",
    _locked,
)


def ask_lock(reads: Reads, member_ids: Iterable[int]) -> Asked[Locked]:
    """Have members' accounts locked in the order of their ids, and whose they are read.

    The balance of an account of qualifying points is the one of a moment before.
    """
    return reads.add(_LOCK, {"locked_members": sorted(set(member_ids))})


async def confirm_adult(tx: Tx, *, brand_id: int, member_id: int) -> None:
    """Keep that a member said to be 18 or older, with the version of the words and the moment. Again: changes nothing.

    Raises:
        NotFound: the brand has no such member.
    """
    row = await tx.execute(
        text(
            "SELECT adult_at FROM member WHERE id = :id AND brand_id = :brand AND state <> 'erased' FOR NO KEY UPDATE"
        ),
        {"id": member_id, "brand": brand_id},
    )
    found = row.one_or_none()
    if found is None:
        raise NotFound("The brand has no such member.")
    if found.adult_at is not None:
        return
    at = now()
    await tx.execute(text("UPDATE member SET adult_at = :at WHERE id = :id"), {"at": at, "id": member_id})
    await tx.execute(
        text("""
            INSERT INTO consent (brand_id, member_id, purpose, text_version, given_at)
            VALUES (:brand, :member, :purpose, :version, :at)"""),
        {"brand": brand_id, "member": member_id, "purpose": ADULT, "version": ADULT_VERSION, "at": at},
    )


async def block(tx: Tx, *, brand_id: int, public_id: str, reason: str, actor: str) -> Member:
    """Put a member on the brand's block list: their scans claim nothing from now on. Again: changes nothing.

    Raises:
        InvalidInput: no reason.
        NotFound: the brand has no such member.
        Conflict: the member is erased.
    """
    return await _set_state(tx, brand_id, public_id, "blocked", reason=reason, actor=actor)


async def unblock(tx: Tx, *, brand_id: int, public_id: str, reason: str, actor: str) -> Member:
    """Take a member off the block list. Again: changes nothing.

    Raises:
        InvalidInput: no reason.
        NotFound: the brand has no such member.
        Conflict: the member is erased.
    """
    return await _set_state(tx, brand_id, public_id, "active", reason=reason, actor=actor)


async def _set_state(tx: Tx, brand_id: int, public_id: str, state: str, *, reason: str, actor: str) -> Member:
    if not 1 <= len(reason.strip()) <= REASON_CHARS_MAX:
        raise InvalidInput(f"A reason has 1 to {REASON_CHARS_MAX} characters.", field="reason")
    found = None
    if public_id.isascii() and public_id.isalnum():  # a NUL is no text of PostgreSQL
        row = await tx.execute(
            text("""
                SELECT id, brand_id, public_id, state, created_at FROM member
                WHERE public_id = :public AND brand_id = :brand FOR NO KEY UPDATE"""),
            {"public": public_id.upper(), "brand": brand_id},
        )
        found = row.one_or_none()
    if found is None:
        raise NotFound(f"The brand has no member {public_id[:20]!r}.")
    if found.state == "erased":
        raise Conflict(f"Member {found.public_id} is erased: there is nobody to block.")
    member = Member(found.id, found.brand_id, found.public_id, state, found.created_at)
    if found.state == state:
        return member
    await tx.execute(text("UPDATE member SET state = :state WHERE id = :id"), {"state": state, "id": found.id})
    await audit.record(
        tx,
        brand_id=brand_id,
        actor=actor,
        action="member.block" if state == "blocked" else "member.unblock",
        subject=f"member {found.public_id}",
        before={"state": found.state},
        after={"state": state, "reason": reason.strip()},
    )
    return member


async def sign_in(tx: Tx, vault: Vault, index: BlindIndex, *, brand_id: int, phone: str) -> int:
    """The member of a phone number that was verified just now; made on the first time.

    Two first sign-ins of one number at once wait for each other on the number's advisory lock.
    """
    mark = int.from_bytes(index.of("phone-lock", f"{brand_id}/{phone}")[:8], "big", signed=True)
    await tx.execute(text("SELECT pg_advisory_xact_lock(:mark)"), {"mark": mark})
    (member_id,) = await enrol(tx, vault, index, brand_id=brand_id, phones=[phone], joined_at=now())
    return member_id
