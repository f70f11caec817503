"""Proves the invariants of claims and draws from the raw rows: part of `yima ledger audit`."""

from __future__ import annotations

from sqlalchemy import text

from campaigns import draws, fairness
from campaigns.claims import PAID_ON_MATE, WAITS
from codegen.pairs import holds, mate_of
from kernel.crypto import Vault
from kernel.db import Tx
from members.ledger_audit import Proof, breaches
from traceability.journal_months import ARCHIVED_BEFORE, ATTACHED

_PAIRED_LONG_AGO = "coalesce(m.paired_at < now() - interval '5 minutes', true)"

INVARIANTS: tuple[tuple[str, str], ...] = (
    (
        "a unit's reward is claimed at most once",
        "SELECT unit_id FROM claim WHERE state <> 'voided' GROUP BY unit_id HAVING count(*) > 1",
    ),
    (
        "every unit has its batch, every claim its unit and its member, every draw entry its claim and its log",
        """SELECT u.id FROM unit u LEFT JOIN batch b ON b.id = u.batch_id AND b.brand_id = u.brand_id WHERE b.id IS NULL
           UNION ALL
           SELECT c.id FROM claim c LEFT JOIN unit u ON u.id = c.unit_id
           LEFT JOIN member m ON m.id = c.member_id AND m.brand_id = c.brand_id WHERE u.id IS NULL OR m.id IS NULL
           UNION ALL
           SELECT e.claim_id FROM draw_entry e LEFT JOIN claim c ON c.id = e.claim_id AND c.brand_id = e.brand_id
           LEFT JOIN draw_shard s ON s.draw_id = e.draw_id AND s.shard = e.shard
           WHERE c.id IS NULL OR s.draw_id IS NULL""",
    ),
    (
        "points are earned only by posted claims, within the claim's member",
        """SELECT e.id FROM entry e JOIN account a ON a.id = e.account_id AND a.member_id IS NOT NULL
           LEFT JOIN claim c ON e.cause_id = c.id::text
           WHERE e.kind = 'earn' AND e.cause_kind = 'claim'
               AND (c.id IS NULL OR c.state <> 'posted' OR c.member_id <> a.member_id)""",
    ),
    (
        "draws are entered only by posted claims",
        """SELECT e.claim_id FROM draw_entry e JOIN claim c ON c.id = e.claim_id
           WHERE c.state <> 'posted' OR c.member_id <> e.member_id""",
    ),
    (
        "every awarded scan has its posted claim",
        """SELECT s.scan_id FROM scan s LEFT JOIN claim c ON c.scan_id = s.scan_id AND c.state = 'posted'
           WHERE s.outcome = 'awarded' AND c.id IS NULL""",
    ),
    (
        "an awarded scan's points are what its claim earned",
        """SELECT s.scan_id FROM scan s JOIN claim c ON c.scan_id = s.scan_id
           LEFT JOIN LATERAL (
               SELECT sum(e.amount) AS points FROM entry e JOIN account a ON a.id = e.account_id
               WHERE e.cause_kind = 'claim' AND e.cause_id = c.id::text AND e.kind = 'earn'
                   AND a.member_id = c.member_id AND a.currency = 'spendable') p ON true
           WHERE s.outcome = 'awarded' AND s.points <> coalesce(p.points, 0)""",
    ),
    (
        "a unit's scan count is its rows in the journal, with those of archived months where it was scanned then",
        f"""SELECT u.id FROM unit u LEFT JOIN scan s ON s.unit_id = u.id AND s.outcome <> 'forged'
           GROUP BY u.id HAVING u.scan_count <> count(s.scan_id)
               AND NOT coalesce(u.first_scan_at < {ARCHIVED_BEFORE} AND u.scan_count > count(s.scan_id), false)""",  # noqa: S608 (a constant)
    ),
    (
        "all units' scan counts add up to the journal and its archived months",
        f"""SELECT counted FROM (SELECT coalesce(sum(scan_count), 0) AS counted FROM unit) u
           WHERE counted <> (SELECT count(*) FROM scan WHERE outcome <> 'forged')
               + (SELECT coalesce(sum(a.counted), 0) FROM scan_archive a WHERE NOT EXISTS ({ATTACHED}))""",  # noqa: S608 (a constant)
    ),
    (
        "every answered scan has one row in the journal",
        f"""SELECT r.scan_id FROM scan_replay r LEFT JOIN scan s ON s.scan_id = r.scan_id AND s.at = r.at
           WHERE s.scan_id IS NULL AND NOT coalesce(r.at < {ARCHIVED_BEFORE}, false)""",  # noqa: S608 (a constant)
    ),
    (
        "a prize's stock is what was won and what is left",
        """SELECT p.draw_id FROM prize p LEFT JOIN prize_award a ON a.draw_id = p.draw_id AND a.prize_id = p.id
           GROUP BY p.draw_id, p.id HAVING p.stock <> p."left" + count(a.id)""",
    ),
    (
        "every winning entry has its award, and none without",
        """SELECT e.draw_id FROM draw_entry e FULL JOIN prize_award a
               ON a.draw_id = e.draw_id AND a.shard = e.shard AND a.number = e.number
           WHERE a.prize_id IS DISTINCT FROM e.prize_id OR a.member_id <> e.member_id""",
    ),
    (
        "no claim stays parked whose range was activated more than five minutes ago",
        f"""SELECT c.id FROM claim c LEFT JOIN LATERAL {mate_of("c.unit_id")} m ON true
           WHERE c.state = 'pending' AND c.reason = 'inactive' AND {_PAIRED_LONG_AGO}
           AND ({holds("r.state = 'activated' AND r.set_at < now() - interval '5 minutes'", "c.unit_id")})
           AND NOT ({holds("r.state <> 'activated'", "c.unit_id")}) AND NOT {WAITS}""",  # noqa: S608 (a constant)
    ),
    (
        "no unit was paid on both its codes later than five minutes after they were paired",
        f"""SELECT c.id FROM claim c JOIN LATERAL {mate_of("c.unit_id")} m ON true
           JOIN claim o ON o.unit_id = m.mate AND o.state = 'posted' AND o.id < c.id
           WHERE c.state = 'posted' AND greatest(c.settled_at, o.settled_at) > m.paired_at + interval '5 minutes'""",  # noqa: S608 (a constant)
    ),
    (
        "no claim stays pending whose unit was paid on its other code more than five minutes ago",
        f"""SELECT c.id FROM claim c JOIN LATERAL {mate_of("c.unit_id")} m ON true
           WHERE c.state = 'pending' AND {_PAIRED_LONG_AGO} AND {PAID_ON_MATE}""",  # noqa: S608 (a constant)
    ),
)


async def prove(tx: Tx, vault: Vault) -> list[Proof]:
    """Check each invariant over all rows, and recompute every entry of every draw from its sealed seed."""
    found = [await breaches(tx, name, query) for name, query in INVARIANTS]
    wrong: list[str] = []
    for draw in await draws.list_all(tx):
        wrong += await _recompute(tx, vault, draw)
    found.append(Proof("every draw's log follows from its seed and rules", len(wrong), tuple(wrong[:5])))
    return found


async def _recompute(tx: Tx, vault: Vault, draw: draws.Draw) -> list[str]:
    row = await tx.execute(
        text(
            "SELECT d.seed_sealed, s.head, s.entries FROM draw d JOIN draw_shard s ON s.draw_id = d.id WHERE d.id = :id"
        ),
        {"id": draw.id},
    )
    sealed, head, count = row.one()
    seed = vault.open(sealed, f"draw/{draw.name}")
    wrong = []
    if fairness.commitment(seed) != draw.seed_commitment:
        wrong.append(f"{draw.name}: seed")
    roller = fairness.Roller(seed, draw.name, 0)
    left = draw.rules.shard_stock(0)
    chain = fairness.genesis(draw.name, 0, draw.seed_commitment, draw.rules_hash)
    entries = await tx.execute(
        text("SELECT number, entrant, prize_id FROM draw_entry WHERE draw_id = :id ORDER BY number"),
        {"id": draw.id},
    )
    expected = 0
    for number, entrant, prize_id in entries:
        expected += 1
        decision = fairness.decide(draw.rules, left, roller.roll(number))
        if number != expected or decision.prize_id != prize_id:
            wrong.append(f"{draw.name}: entry {number}")
        if decision.prize_id is not None:
            left[decision.prize_id] -= 1
        chain = fairness.link(chain, number, entrant, prize_id)
    if expected != count or chain != bytes(head) or left != draw.prizes_left:
        wrong.append(f"{draw.name}: head, count or stock")
    return wrong


async def figures(tx: Tx) -> dict[str, object]:
    """Counts of scans by outcome, claims, draw entries and prizes, from the raw rows."""
    outcomes = await tx.execute(text("SELECT outcome, count(*) FROM scan GROUP BY outcome ORDER BY outcome"))
    refused = await tx.execute(text("SELECT outcome, sum(count) FROM refused_count GROUP BY outcome"))
    claims = await tx.execute(text("SELECT state, count(*) FROM claim GROUP BY state"))
    row = await tx.execute(
        text(f"""
            SELECT (SELECT count(*) FROM draw_entry), (SELECT count(*) FROM prize_award),
                (SELECT count(*) FROM unit), (SELECT count(*) FROM scan),
                (SELECT coalesce(sum(a.rows), 0)::bigint FROM scan_archive a WHERE NOT EXISTS ({ATTACHED}))""")  # noqa: S608 (a constant)
    )
    entries, prizes, units, scans, archived = row.one()
    claimed = dict(tuple(row) for row in claims)
    return {
        "scans": scans,
        "scans_archived": archived,
        "outcomes": dict(tuple(row) for row in outcomes),
        "unverified": {outcome: int(count) for outcome, count in refused},
        "units_seen": units,
        "claims_posted": claimed.get("posted", 0),
        "claims_pending": claimed.get("pending", 0),
        "draw_entries": entries,
        "prizes_won": prizes,
    }
