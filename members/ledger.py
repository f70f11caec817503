"""The points ledger: append-only double entry with lots (DESIGN §6).

Every movement is a journal row with entries that sum to zero, between a member's account and the brand's own
(issuer) account of the same currency. A credit opens a lot with its own life; a debit takes from lots, the
soonest to expire first, and keeps the allocation, so that a reversal restores the original expiry.
Nothing is ever changed or deleted: corrections are new, linked journals.

Locks: callers lock members' accounts (`lock_accounts`) after units and before prizes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

import msgspec
from sqlalchemy import text

from kernel import sequences
from kernel.db import Tx, encode_rows
from kernel.errors import Conflict, InvalidInput, NotFound
from kernel.writes import Part, Writes

CURRENCIES = ("spendable", "qualifying")
AMOUNT_MAX = 1_000_000_000


class Account(msgspec.Struct):
    """A member's account, locked by the caller's transaction."""

    id: int
    brand_id: int
    member_id: int
    currency: str
    balance: int


class Credit(msgspec.Struct, frozen=True):
    """Points to give: `cause` is what they are given for, and with `rule_id` they are given once only."""

    account: Account
    amount: int
    cause_kind: str
    cause_id: str
    rule_id: int
    rule_version: int
    active_from: datetime
    expires_at: datetime | None
    kind: str = "earn"


async def open_accounts(tx: Tx, *, brand_id: int, member_ids: Sequence[int | None]) -> None:
    """Open both currencies' accounts for members; None opens the brand's own. Opening again changes nothing.

    A member's spendable account gets the lower id: accounts are locked in the order of their ids.
    """
    await tx.execute(
        text("""
            INSERT INTO account (brand_id, member_id, currency)
            SELECT :brand, m.id, c.name FROM unnest(CAST(:members AS bigint[])) WITH ORDINALITY AS m(id, place),
                unnest(ARRAY['spendable', 'qualifying']) WITH ORDINALITY AS c(name, place)
            ORDER BY m.place, c.place ON CONFLICT DO NOTHING"""),
        {"brand": brand_id, "members": list(member_ids)},
    )


async def lock_accounts(tx: Tx, member_ids: Sequence[int]) -> dict[tuple[int, str], Account]:
    """Lock members' accounts in the order of their ids; by (member id, currency), in one statement."""
    rows = await tx.execute(
        text("""
            SELECT id, brand_id, member_id, currency, balance FROM account
            WHERE member_id = ANY(CAST(:members AS bigint[])) ORDER BY id FOR UPDATE"""),
        {"members": sorted(set(member_ids))},
    )
    return {(row.member_id, row.currency): Account(*row) for row in rows}


async def issuers(tx: Tx, brand_ids: Sequence[int]) -> dict[tuple[int, str], int]:
    """The brands' own accounts by (brand id, currency), not locked: they carry no balance."""
    rows = await tx.execute(
        text("""
            SELECT brand_id, currency, id FROM account
            WHERE member_id IS NULL AND brand_id = ANY(CAST(:brands AS bigint[]))"""),
        {"brands": list(brand_ids)},
    )
    return {(row[0], row[1]): row[2] for row in rows}


JOURNAL_IDS: Final = "journal_id_seq"
"""The sequence of journals' ids."""


_MOVE: Final = Part("""ledger_rows AS MATERIALIZED (
        SELECT * FROM json_to_recordset(CAST(:movements AS json)) AS n(id bigint, brand bigint, at timestamptz,
            kind text, cause_kind text, cause_id text, reverses bigint, account bigint, issuer bigint, amount bigint,
            rule bigint, version integer, active_from timestamptz, expires_at timestamptz)
    ), ledger_journals AS (
        INSERT INTO journal (id, brand_id, at, kind, cause_kind, cause_id, reverses)
        SELECT id, brand, at, kind, cause_kind, cause_id, reverses FROM ledger_rows
    ), ledger_entries AS (
        INSERT INTO entry
            (brand_id, journal_id, account_id, amount, kind, cause_kind, cause_id, rule_id, rule_version)
        SELECT brand, id, leg.account, leg.amount, kind, cause_kind, cause_id, rule, version FROM ledger_rows n
        CROSS JOIN LATERAL (VALUES (n.account, n.amount), (n.issuer, -n.amount)) AS leg(account, amount)
    ), ledger_lots AS (
        INSERT INTO lot (id, brand_id, journal_id, account_id, amount, "left", active_from, expires_at)
        SELECT nextval('lot_id_seq'), brand, id, account, amount, amount, active_from, expires_at FROM ledger_rows
        WHERE active_from IS NOT NULL
    ), ledger_balances AS (
        UPDATE account SET balance = balance + s.amount
        FROM (SELECT account, sum(amount)::bigint AS amount FROM ledger_rows GROUP BY account) s
        WHERE account.id = s.account
    )""")


class _Row(msgspec.Struct, frozen=True):
    """A movement as the part above reads it."""

    id: int
    brand: int
    at: datetime
    kind: str
    cause_kind: str
    cause_id: str
    reverses: int | None
    account: int
    issuer: int
    amount: int
    rule: int
    version: int
    active_from: datetime | None
    expires_at: datetime | None


class _Movement(msgspec.Struct, frozen=True):
    """One journal with its two legs: `amount` to the member's account, the same from the issuer's.

    A credit opens a lot that lives from `active_from` to `expires_at`; a debit has neither.
    """

    account: Account
    issuer_id: int
    amount: int
    at: datetime
    kind: str
    cause_kind: str
    cause_id: str
    rule_id: int = 0
    rule_version: int = 0
    reverses: int | None = None
    active_from: datetime | None = None
    expires_at: datetime | None = None


async def _move(
    tx: Tx, movements: Sequence[_Movement], ids: Sequence[int] | None = None, writes: Writes | None = None
) -> Sequence[int]:
    """Write journals, entries, lots and balances for many movements, at once or with the caller's writes.

    Returns:
        The journals' ids.
    """
    if ids is None or len(ids) < len(movements):
        ids = await sequences.reserve(tx, JOURNAL_IDS, len(movements))
    rows = [
        _Row(
            journal, m.account.brand_id, m.at, m.kind, m.cause_kind, m.cause_id, m.reverses, m.account.id, m.issuer_id,
            m.amount, m.rule_id, m.rule_version, m.active_from, m.expires_at,
        )
        for journal, m in zip(ids, movements, strict=False)
    ]  # fmt: skip
    own = Writes() if writes is None else writes
    own.add(_MOVE, {"movements": encode_rows(rows)})
    if writes is None:
        await own.send(tx)
    for m in movements:
        m.account.balance += m.amount
    return ids


async def post(
    tx: Tx,
    credits_: Sequence[Credit],
    *,
    issuer_ids: Mapping[tuple[int, str], int],
    at: datetime,
    journal_ids: Sequence[int] | None = None,
    writes: Writes | None = None,
) -> None:
    """Give points, for a whole group in one statement; the accounts' balances in memory follow.

    Args:
        tx: the caller's transaction, which holds the accounts' locks.
        credits_: what to give.
        issuer_ids: the brands' own accounts.
        at: when.
        journal_ids: reserved ids; where they are too few, others are reserved.
        writes: what is sent later, by the caller; None sends at once.

    Raises:
        InvalidInput: an amount outside 1 … 1,000,000,000.
    """
    if not credits_:
        return
    for credit in credits_:
        _judge_amount(credit.amount)
    movements = [
        _Movement(
            c.account, issuer_ids[c.account.brand_id, c.account.currency], c.amount, at, c.kind, c.cause_kind,
            c.cause_id, c.rule_id, c.rule_version, None, c.active_from, c.expires_at,
        )
        for c in credits_
    ]  # fmt: skip
    await _move(tx, movements, journal_ids, writes)


def _judge_amount(amount: int) -> None:
    if not 1 <= amount <= AMOUNT_MAX:
        raise InvalidInput(f"An amount of points is 1 to {AMOUNT_MAX:,}, not {amount:,}.", field="amount")


async def _allocate(tx: Tx, journal_id: int, brand_id: int, takes: Sequence[tuple[int, int]]) -> None:
    """Take from lots (positive amounts) or give back to them (negative) and keep the allocation."""
    values = {"lots": [lot for lot, _ in takes], "amounts": [amount for _, amount in takes]}
    await tx.execute(
        text("""
            UPDATE lot SET "left" = "left" - n.amount
            FROM unnest(CAST(:lots AS bigint[]), CAST(:amounts AS bigint[])) AS n(id, amount) WHERE lot.id = n.id"""),
        values,
    )
    await tx.execute(
        text("""
            INSERT INTO lot_allocation (brand_id, journal_id, lot_id, amount)
            SELECT :brand, :journal, n.id, -n.amount
            FROM unnest(CAST(:lots AS bigint[]), CAST(:amounts AS bigint[])) AS n(id, amount)"""),
        {**values, "journal": journal_id, "brand": brand_id},
    )


async def burn(tx: Tx, *, member_id: int, amount: int, cause_kind: str, cause_id: str, at: datetime) -> int:
    """Take spendable points from a member, the soonest to expire first; returns the journal's id.

    Raises:
        InvalidInput: an amount outside its limits.
        NotFound: no such member.
        Conflict: not enough points that are active and not expired, or burnt for this cause already.
    """
    _judge_amount(amount)
    account = (await lock_accounts(tx, [member_id])).get((member_id, "spendable"))
    if account is None:
        raise NotFound(f"There is no member {member_id}.")
    done = await tx.execute(
        text("""
            SELECT 1 FROM entry WHERE account_id = :account AND cause_kind = :kind AND cause_id = :id
                AND rule_id = 0 AND kind = 'burn'"""),
        {"account": account.id, "kind": cause_kind, "id": cause_id},
    )
    if done.scalar_one_or_none() is not None:
        raise Conflict(f"Points were burnt for {cause_kind} {cause_id} already.")
    lots = await tx.execute(
        text("""
            SELECT id, "left" FROM lot WHERE account_id = :account AND "left" > 0 AND active_from <= :at
                AND (expires_at IS NULL OR expires_at > :at)
            ORDER BY expires_at NULLS LAST, id FOR UPDATE"""),
        {"account": account.id, "at": at},
    )
    takes: list[tuple[int, int]] = []
    missing = amount
    for lot_id, left in lots:
        take = min(left, missing)
        takes.append((lot_id, take))
        missing -= take
        if missing == 0:
            break
    if missing:
        raise Conflict(f"The member has {amount - missing:,} points to spend, not {amount:,}.")
    return await _debit(tx, account, takes, kind="burn", cause_kind=cause_kind, cause_id=cause_id, at=at)


async def _debit(
    tx: Tx,
    account: Account,
    takes: Sequence[tuple[int, int]],
    *,
    kind: str,
    cause_kind: str,
    cause_id: str,
    at: datetime,
) -> int:
    issuer = (await issuers(tx, [account.brand_id]))[account.brand_id, account.currency]
    amount = sum(take for _, take in takes)
    movement = _Movement(account, issuer, -amount, at, kind, cause_kind, cause_id)
    (journal_id,) = await _move(tx, [movement])
    await _allocate(tx, journal_id, account.brand_id, takes)
    return journal_id


async def expire(tx: Tx, *, at: datetime, limit: int = 1000) -> int:
    """Take what is left of lots whose life has ended; returns how many lots. Call again until it returns 0."""
    rows = await tx.execute(
        text("""
            SELECT l.id, a.member_id, a.currency FROM lot l JOIN account a ON a.id = l.account_id
            WHERE l."left" > 0 AND l.expires_at <= :at ORDER BY l.expires_at, l.id LIMIT :limit"""),
        {"at": at, "limit": limit},
    )
    expired = rows.all()
    accounts = await lock_accounts(tx, [row.member_id for row in expired])
    lefts = await tx.execute(
        text("""
            SELECT id, "left", (
                SELECT count(*) FROM lot_allocation t JOIN journal j ON j.id = t.journal_id
                WHERE t.lot_id = lot.id AND j.kind = 'expire'
            ) AS times
            FROM lot WHERE id = ANY(CAST(:ids AS bigint[])) AND "left" > 0 FOR UPDATE"""),
        {"ids": [row.id for row in expired]},
    )
    found = {row.id: row for row in lefts}
    for row in expired:
        if row.id in found:  # not spent while the lock was waited for
            # What a reversal gave back after the end expires once more, which is a cause of its own.
            times = found[row.id].times
            await _debit(
                tx,
                accounts[row.member_id, row.currency],
                [(row.id, found[row.id].left)],
                kind="expire",
                cause_kind="lot",
                cause_id=f"{row.id}/{times + 1}" if times else str(row.id),
                at=at,
            )
    return len(expired)


async def reverse(tx: Tx, journal_id: int, *, at: datetime) -> int:
    """Undo a journal by a new, linked one; lots get back what was taken from them, with their old expiry.

    Raises:
        NotFound: no such journal.
        Conflict: reversed already, itself a reversal, or points of it that were spent since.
    """
    found = await tx.execute(
        text("""
            SELECT j.kind, a.member_id, a.currency, e.amount FROM journal j
            JOIN entry e ON e.journal_id = j.id JOIN account a ON a.id = e.account_id
            WHERE j.id = :id AND a.member_id IS NOT NULL"""),
        {"id": journal_id},
    )
    original = found.one_or_none()
    if original is None:
        raise NotFound(f"There is no journal {journal_id}.")
    if original.kind == "reverse":
        raise Conflict(f"Journal {journal_id} is itself a reversal.")
    account = (await lock_accounts(tx, [original.member_id]))[original.member_id, original.currency]
    before = await tx.execute(text("SELECT id FROM journal WHERE reverses = :id"), {"id": journal_id})
    if before.scalar_one_or_none() is not None:
        raise Conflict(f"Journal {journal_id} was reversed already.")
    takes = await _takes_back(tx, journal_id, original.amount)
    issuer = (await issuers(tx, [account.brand_id]))[account.brand_id, account.currency]
    movement = _Movement(
        account, issuer, -original.amount, at, "reverse", "journal", str(journal_id), reverses=journal_id
    )
    (new_id,) = await _move(tx, [movement])
    await _allocate(tx, new_id, account.brand_id, takes)
    return new_id


async def _takes_back(tx: Tx, journal_id: int, amount: int) -> list[tuple[int, int]]:
    if amount > 0:  # a credit: its own lot must still be whole
        row = await tx.execute(
            text('SELECT id, amount, "left" FROM lot WHERE journal_id = :id FOR UPDATE'), {"id": journal_id}
        )
        lot_id, given, left = row.one()
        if left != given:
            raise Conflict(f"{given - left:,} of the {given:,} points of journal {journal_id} were spent since.")
        return [(lot_id, given)]
    rows = await tx.execute(
        text("SELECT lot_id, amount FROM lot_allocation WHERE journal_id = :id ORDER BY lot_id"),
        {"id": journal_id},
    )
    return [(lot_id, taken) for lot_id, taken in rows]  # taken is negative: giving back
