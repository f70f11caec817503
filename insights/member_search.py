"""Members as a brand sees them: listed, found, and all that is recorded of one. Phone numbers stay sealed here."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import text

from kernel.db import Tx

PAGE_ROWS: Final = 50
COUNT_ROWS_MAX: Final = 10_000
STATES: Final = ("active", "blocked", "erased")


@dataclass(frozen=True, slots=True)
class MemberFilter:
    """Which members; what is None does not narrow. `mark` is a phone number's blind index."""

    brand_id: int
    state: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    public_id: str | None = None
    mark: bytes | None = None


@dataclass(frozen=True, slots=True)
class MemberLine:
    """A member as listed.

    Attributes:
        phone_sealed: the newest phone number, sealed; None where there is none.
        balance: spendable points.
        qualifying: points that count towards a tier.
        claims: claims ever made, voided ones too.
        claimed_at: when the latest was made.
        by_wechat: whether they have signed in with WeChat.
    """

    id: int
    public_id: str
    state: str
    created_at: datetime
    phone_sealed: bytes | None
    balance: int
    qualifying: int
    claims: int
    claimed_at: datetime | None
    by_wechat: bool


def _conditions(wanted: MemberFilter) -> tuple[str, dict[str, Any]]:
    given = (
        ("m.brand_id = :brand", "brand", wanted.brand_id),
        ("m.state = :state", "state", wanted.state),
        ("m.created_at >= :since", "since", wanted.since),
        ("m.created_at < :until", "until", wanted.until),
        ("m.public_id = :public", "public", wanted.public_id),
        (
            """m.id IN (SELECT i.member_id FROM identity i
                WHERE i.brand_id = :brand AND i.kind = 'phone' AND i.subject_index = :mark)""",
            "mark",
            wanted.mark,
        ),
    )
    used = [(condition, name, value) for condition, name, value in given if value is not None]
    return " AND ".join(condition for condition, _, _ in used), {name: value for _, name, value in used}


_LISTED: Final = """
    SELECT m.id, m.public_id, m.state, m.created_at,
        (SELECT i.subject_sealed FROM identity i WHERE i.member_id = m.id AND i.kind = 'phone'
         ORDER BY i.id DESC LIMIT 1),
        coalesce((SELECT a.balance FROM account a WHERE a.member_id = m.id AND a.currency = 'spendable'), 0),
        coalesce((SELECT a.balance FROM account a WHERE a.member_id = m.id AND a.currency = 'qualifying'), 0),
        c.claims, c.claimed_at,
        EXISTS (SELECT 1 FROM identity i WHERE i.member_id = m.id AND i.kind = 'wechat')
    FROM (SELECT * FROM member m WHERE {where} ORDER BY m.created_at DESC, m.id DESC LIMIT :rows) m
    CROSS JOIN LATERAL (SELECT count(*) AS claims, max(at) AS claimed_at FROM claim WHERE member_id = m.id) c
    ORDER BY m.created_at DESC, m.id DESC
"""


async def search(
    tx: Tx, wanted: MemberFilter, *, after: tuple[datetime, int] | None = None
) -> tuple[list[MemberLine], bool]:
    """A page of members, who joined last first, and whether there are more; one statement."""
    where, values = _conditions(wanted)
    if after is not None:
        where += " AND (m.created_at, m.id) < (:after_at, :after_id)"
        values |= {"after_at": after[0], "after_id": after[1]}
    rows = await tx.execute(text(_LISTED.format(where=where)), {**values, "rows": PAGE_ROWS + 1})
    found = [MemberLine(*row) for row in rows]
    return found[:PAGE_ROWS], len(found) > PAGE_ROWS


async def count(tx: Tx, wanted: MemberFilter) -> int:
    """How many members there are, up to one more than `COUNT_ROWS_MAX`; one statement."""
    where, values = _conditions(wanted)
    row = await tx.execute(
        text(f"SELECT count(*) FROM (SELECT 1 FROM member m WHERE {where} LIMIT :rows) t"),  # noqa: S608 (constants)
        {**values, "rows": COUNT_ROWS_MAX + 1},
    )
    return int(row.scalar_one())


async def find(tx: Tx, *, brand_id: int, public_id: str) -> MemberLine | None:
    """A member of a brand by public id; one statement."""
    found, _ = await search(tx, MemberFilter(brand_id, public_id=public_id))
    return found[0] if found else None


@dataclass(frozen=True, slots=True)
class LedgerLine:
    """A ledger entry with the lot it made, if it made one.

    Attributes:
        member: public id.
        cause: kind and id of what it was booked for.
        scan_id: the scan of the claim it was booked for, or None.
        scan_at: that scan's moment.
        left: what is left of its lot.
    """

    id: int
    at: datetime
    member: str
    kind: str
    currency: str
    amount: int
    cause_kind: str
    cause_id: str
    rule_id: int
    rule_version: int
    scan_id: Any
    scan_at: datetime | None
    left: int | None
    expires_at: datetime | None


_LEDGER: Final = """
    SELECT e.id, e.at, m.public_id, e.kind, e.currency, e.amount, e.cause_kind, e.cause_id, e.rule_id, e.rule_version,
        c.scan_id, c.at, l."left", l.expires_at
    FROM ({rows}) e
    JOIN member m ON m.id = e.member_id
    LEFT JOIN claim c ON e.cause_kind = 'claim' AND c.id = e.claim_id
    LEFT JOIN lot l ON l.journal_id = e.journal_id AND l.account_id = e.account_id
    ORDER BY {order}
"""
_ENTRY: Final = """
    SELECT e.id, j.at, e.kind, e.amount, e.cause_kind, e.cause_id, e.rule_id, e.rule_version, e.journal_id,
        e.account_id, a.currency, a.member_id,
        CASE WHEN e.cause_kind = 'claim' AND e.cause_id ~ '^[0-9]{1,18}$' THEN e.cause_id::bigint END AS claim_id
"""


async def ledger(tx: Tx, *, brand_id: int, member_id: int, after: int | None = None) -> tuple[list[LedgerLine], bool]:
    """A page of a member's ledger, both currencies, the newest first, and whether there is more; one statement."""
    rows = (
        _ENTRY
        + """
        FROM account a JOIN entry e ON e.account_id = a.id JOIN journal j ON j.id = e.journal_id
        WHERE a.member_id = :member AND a.brand_id = :brand AND e.id < coalesce(CAST(:after AS bigint), e.id + 1)
        ORDER BY e.id DESC LIMIT :rows"""
    )
    found = await tx.execute(
        text(_LEDGER.format(rows=rows, order="e.id DESC")),
        {"brand": brand_id, "member": member_id, "after": after, "rows": PAGE_ROWS + 1},
    )
    lines = [LedgerLine(*row) for row in found]
    return lines[:PAGE_ROWS], len(lines) > PAGE_ROWS


async def earned(
    tx: Tx, *, brand_id: int, since: datetime, until: datetime, after: tuple[datetime, int] | None = None
) -> tuple[list[LedgerLine], bool]:
    """A page of the spendable points that members of a brand earned in a window, the newest first."""
    rows = (
        _ENTRY
        + """
        FROM journal j JOIN entry e ON e.journal_id = j.id JOIN account a ON a.id = e.account_id
        WHERE j.brand_id = :brand AND j.kind = 'earn' AND j.at >= :since AND j.at < :until
            AND a.member_id IS NOT NULL AND a.currency = 'spendable'
            AND (CAST(:after_at AS timestamptz) IS NULL OR (j.at, e.id) < (:after_at, :after_id))
        ORDER BY j.at DESC, e.id DESC LIMIT :rows"""
    )
    found = await tx.execute(
        text(_LEDGER.format(rows=rows, order="e.at DESC, e.id DESC")),
        {
            "brand": brand_id,
            "since": since,
            "until": until,
            "after_at": None if after is None else after[0],
            "after_id": 0 if after is None else after[1],
            "rows": PAGE_ROWS + 1,
        },
    )
    lines = [LedgerLine(*row) for row in found]
    return lines[:PAGE_ROWS], len(lines) > PAGE_ROWS


@dataclass(frozen=True, slots=True)
class ConsentLine:
    """What a member agreed to, and since when or until when."""

    purpose: str
    text_version: str
    given_at: datetime
    withdrawn_at: datetime | None


@dataclass(frozen=True, slots=True)
class TrailLine:
    """What people of the brand did to a member."""

    at: datetime
    actor: str
    action: str
    reason: str | None


async def consents(tx: Tx, *, member_id: int) -> list[ConsentLine]:
    """All a member's consents, the newest first."""
    rows = await tx.execute(
        text("""
            SELECT purpose, text_version, given_at, withdrawn_at FROM consent
            WHERE member_id = :member ORDER BY id DESC LIMIT :rows"""),
        {"member": member_id, "rows": PAGE_ROWS},
    )
    return [ConsentLine(*row) for row in rows]


async def trail(tx: Tx, *, brand_id: int, public_id: str) -> list[TrailLine]:
    """What was done to a member, the newest first."""
    rows = await tx.execute(
        text("""
            SELECT at, actor, action, after->>'reason' FROM audit_trail
            WHERE brand_id = :brand AND subject = :subject ORDER BY at DESC, id DESC LIMIT :rows"""),
        {"brand": brand_id, "subject": f"member {public_id}", "rows": PAGE_ROWS},
    )
    return [TrailLine(*row) for row in rows]
