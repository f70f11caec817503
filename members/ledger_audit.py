"""Proves the ledger's invariants from its raw rows: `yima ledger audit`."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import text

from kernel.db import Tx


@dataclass(frozen=True, slots=True)
class Proof:
    """One invariant: how many rows break it (0 is well), and the first few of them."""

    name: str
    breaches: int
    examples: tuple[str, ...] = ()


INVARIANTS: tuple[tuple[str, str], ...] = (
    (
        "every entry and lot has its journal and its account",
        """SELECT e.id FROM entry e
           LEFT JOIN journal j ON j.id = e.journal_id LEFT JOIN account a ON a.id = e.account_id
           WHERE j.id IS NULL OR a.id IS NULL
           UNION ALL
           SELECT l.id FROM lot l LEFT JOIN journal j ON j.id = l.journal_id LEFT JOIN account a ON a.id = l.account_id
           WHERE j.id IS NULL OR a.id IS NULL OR a.brand_id <> l.brand_id
           UNION ALL
           SELECT j.id FROM journal j LEFT JOIN journal r ON r.id = j.reverses
           WHERE j.reverses IS NOT NULL AND r.id IS NULL""",
    ),
    (
        "every journal's entries sum to zero in one currency",
        """SELECT j.id FROM journal j
           LEFT JOIN entry e ON e.journal_id = j.id LEFT JOIN account a ON a.id = e.account_id
           GROUP BY j.id HAVING coalesce(sum(e.amount), 1) <> 0 OR count(DISTINCT a.currency) <> 1 OR count(*) <> 2""",
    ),
    (
        "every entry stays within its brand",
        """SELECT e.id FROM entry e JOIN account a ON a.id = e.account_id JOIN journal j ON j.id = e.journal_id
           WHERE a.brand_id <> e.brand_id OR j.brand_id <> e.brand_id""",
    ),
    (
        "a member's balance is the sum of the account's entries",
        """SELECT a.id FROM account a LEFT JOIN entry e ON e.account_id = a.id WHERE a.member_id IS NOT NULL
           GROUP BY a.id HAVING a.balance <> coalesce(sum(e.amount), 0)""",
    ),
    (
        "a member's balance is what is left in the account's lots",
        """SELECT a.id FROM account a LEFT JOIN lot l ON l.account_id = a.id WHERE a.member_id IS NOT NULL
           GROUP BY a.id HAVING a.balance <> coalesce(sum(l."left"), 0)""",
    ),
    (
        "what is left in a lot is its amount less its allocations",
        """SELECT l.id FROM lot l LEFT JOIN lot_allocation x ON x.lot_id = l.id
           GROUP BY l.id HAVING l."left" <> l.amount + coalesce(sum(x.amount), 0)""",
    ),
    (
        "every credit opened one lot of its amount",
        """SELECT j.id FROM journal j JOIN entry e ON e.journal_id = j.id
           JOIN account a ON a.id = e.account_id AND a.member_id IS NOT NULL
           LEFT JOIN lot l ON l.journal_id = j.id
           WHERE e.amount > 0 AND j.kind <> 'reverse' AND (l.id IS NULL OR l.amount <> e.amount)""",
    ),
    (
        "every debit and reversal is allocated to lots in full",
        """SELECT j.id FROM journal j JOIN entry e ON e.journal_id = j.id
           JOIN account a ON a.id = e.account_id AND a.member_id IS NOT NULL
           LEFT JOIN LATERAL (SELECT sum(x.amount) AS amount FROM lot_allocation x WHERE x.journal_id = j.id) s ON true
           WHERE (e.amount < 0 OR j.kind = 'reverse') AND coalesce(s.amount, 0) <> e.amount""",
    ),
)


async def prove(tx: Tx) -> list[Proof]:
    """Check each invariant over all rows."""
    return [await breaches(tx, name, query) for name, query in INVARIANTS]


async def breaches(tx: Tx, name: str, query: str) -> Proof:
    """Run one invariant's query, which selects what breaks it."""
    rows = (await tx.execute(text(query))).all()
    return Proof(name, len(rows), tuple(str(row[0]) for row in rows[:5]))


async def figures(tx: Tx) -> dict[str, int]:
    """Sums over all members, from the raw entries."""
    row = await tx.execute(
        text("""
            SELECT coalesce(sum(e.amount) FILTER (WHERE a.currency = 'spendable' AND e.kind = 'earn'), 0),
                coalesce(sum(e.amount) FILTER (WHERE a.currency = 'qualifying' AND e.kind = 'earn'), 0),
                coalesce(-sum(e.amount) FILTER (WHERE e.kind = 'burn'), 0),
                coalesce(-sum(e.amount) FILTER (WHERE e.kind = 'expire'), 0),
                coalesce(sum(e.amount) FILTER (WHERE a.currency = 'spendable'), 0),
                count(DISTINCT e.journal_id)
            FROM entry e JOIN account a ON a.id = e.account_id WHERE a.member_id IS NOT NULL""")
    )
    names = (
        "points_issued",
        "qualifying_issued",
        "points_burnt",
        "points_expired",
        "points_balance",
        "journals",
    )
    members = await tx.execute(text("SELECT count(*) FROM member"))
    return {
        **{name: int(value) for name, value in zip(names, row.one(), strict=True)},
        "members": members.scalar_one(),
    }
