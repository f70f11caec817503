"""Holds the raw rows against what clients were told, and the rows against each other, by SQL of its own.

Nothing of the product's query code is used here: a defect of theirs must not hide itself.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import psycopg

from tests.simulation.diary import Diary, Scan
from tests.simulation.stage import Cast

ROWS: tuple[tuple[str, str], ...] = (
    (
        "a unit has at most one standing claim",
        "SELECT unit_id FROM claim WHERE state <> 'voided' GROUP BY 1 HAVING count(*) > 1",
    ),
    (
        "a unit is paid at most once",
        """SELECT c.unit_id FROM claim c JOIN entry e ON e.cause_kind = 'claim' AND e.cause_id = c.id::text
           JOIN account a ON a.id = e.account_id
           WHERE e.kind = 'earn' AND a.member_id IS NOT NULL AND a.currency = 'spendable'
           GROUP BY 1 HAVING count(*) > 1""",
    ),
    (
        "a unit enters a draw at most once",
        """SELECT c.unit_id FROM draw_entry d JOIN claim c ON c.id = d.claim_id
           GROUP BY c.unit_id, d.draw_id HAVING count(*) > 1""",
    ),
    (
        "points go to the claim's member, for a claim that is posted",
        """SELECT e.cause_id FROM entry e JOIN account a ON a.id = e.account_id AND a.member_id IS NOT NULL
           LEFT JOIN claim c ON c.id::text = e.cause_id
           WHERE e.kind = 'earn' AND (c.state IS DISTINCT FROM 'posted' OR c.member_id <> a.member_id)""",
    ),
    (
        "entries of a journal sum to zero, and there are two of them",
        """SELECT j.id FROM journal j LEFT JOIN entry e ON e.journal_id = j.id
           GROUP BY j.id HAVING coalesce(sum(e.amount), 1) <> 0 OR count(*) <> 2""",
    ),
    (
        "all entries sum to zero in each currency",
        """SELECT a.currency FROM entry e JOIN account a ON a.id = e.account_id
           GROUP BY a.brand_id, a.currency HAVING sum(e.amount) <> 0""",
    ),
    (
        "a balance is the sum of its entries",
        """SELECT a.id FROM account a LEFT JOIN entry e ON e.account_id = a.id WHERE a.member_id IS NOT NULL
           GROUP BY a.id, a.balance HAVING a.balance <> coalesce(sum(e.amount), 0)""",
    ),
    (
        "a balance is what is left in its lots",
        """SELECT a.id FROM account a LEFT JOIN lot l ON l.account_id = a.id WHERE a.member_id IS NOT NULL
           GROUP BY a.id, a.balance HAVING a.balance <> coalesce(sum(l."left"), 0)""",
    ),
    (
        "prizes won and left are the stock",
        """SELECT p.draw_id FROM prize p LEFT JOIN prize_award w ON (w.draw_id, w.prize_id) = (p.draw_id, p.id)
           GROUP BY p.draw_id, p.id, p.stock, p."left" HAVING count(w.*) + p."left" <> p.stock OR p."left" < 0""",
    ),
    (
        "winning entries and prizes are the same",
        """SELECT coalesce(d.draw_id, w.draw_id) FROM (SELECT * FROM draw_entry WHERE prize_id IS NOT NULL) d
           FULL JOIN prize_award w ON (w.draw_id, w.shard, w.number) = (d.draw_id, d.shard, d.number)
           WHERE w.prize_id IS DISTINCT FROM d.prize_id OR w.member_id IS DISTINCT FROM d.member_id""",
    ),
    (
        "a draw's log is as long as its head says, and has no gap",
        """SELECT s.draw_id FROM draw_shard s LEFT JOIN draw_entry d ON (d.draw_id, d.shard) = (s.draw_id, s.shard)
           GROUP BY s.draw_id, s.shard, s.entries
           HAVING count(d.*) <> s.entries OR coalesce(max(d.number), 0) <> s.entries""",
    ),
    (
        "a scan id is in the journal once",
        "SELECT scan_id FROM scan GROUP BY 1 HAVING count(*) > 1",
    ),
    (
        "every row of the journal has its reply kept, and every kept reply its row",
        """SELECT coalesce(s.scan_id, r.scan_id) FROM scan s FULL JOIN scan_replay r USING (scan_id)
           WHERE s.scan_id IS NULL OR r.scan_id IS NULL""",
    ),
    (
        "a unit's count is its rows in the journal",
        """SELECT coalesce(u.id, s.unit_id) FROM (SELECT id, scan_count FROM unit) u
           FULL JOIN (SELECT unit_id, count(*) AS n FROM scan WHERE outcome <> 'forged' GROUP BY 1) s
               ON s.unit_id = u.id
           WHERE coalesce(u.scan_count, 0) <> coalesce(s.n, 0)""",
    ),
    (
        "only a unit's first row in the journal says so",
        """SELECT unit_id FROM scan WHERE outcome <> 'forged' GROUP BY 1 HAVING count(*) FILTER (WHERE first) <> 1""",
    ),
    (
        "an awarded scan has its posted claim, a held or parked claim its scan",
        """SELECT coalesce(s.scan_id, c.scan_id) FROM (SELECT * FROM scan WHERE outcome = 'awarded') s
           FULL JOIN (SELECT * FROM claim WHERE state = 'posted' AND reason IS NULL) c USING (scan_id)
           WHERE s.scan_id IS NULL OR c.scan_id IS NULL OR s.member_id <> c.member_id OR s.unit_id <> c.unit_id
           UNION ALL
           SELECT c.scan_id FROM claim c LEFT JOIN scan s ON s.scan_id = c.scan_id
           WHERE c.reason IS NOT NULL
               AND (s.outcome IS NULL OR s.outcome NOT IN ('held', 'inactive') OR s.unit_id <> c.unit_id)""",
    ),
)

# Some of these are no foreign keys in the database, for the scan path alone writes them.
NAMES: tuple[tuple[str, str, str, str], ...] = (
    ("unit", "brand_id", "brand", "id"), ("unit", "batch_id", "batch", "id"),
    ("claim", "unit_id", "unit", "id"), ("claim", "member_id", "member", "id"), ("claim", "brand_id", "brand", "id"),
    ("journal", "brand_id", "brand", "id"), ("journal", "reverses", "journal", "id"),
    ("entry", "journal_id", "journal", "id"), ("entry", "account_id", "account", "id"),
    ("lot", "journal_id", "journal", "id"), ("lot", "account_id", "account", "id"),
    ("draw_entry", "claim_id", "claim", "id"), ("draw_entry", "member_id", "member", "id"),
    ("draw_entry", "draw_id", "draw", "id"), ("prize_award", "draw_id", "draw", "id"),
    ("scan", "unit_id", "unit", "id"), ("scan", "member_id", "member", "id"), ("scan", "batch_id", "batch", "id"),
)  # fmt: skip
"""What rows name, and must be there: table, column, the other table and its column."""

HOLDS: tuple[tuple[str, str], ...] = (
    (
        "no claim stays parked on an activated unit",
        """SELECT c.id FROM claim c WHERE c.state = 'pending' AND c.reason = 'inactive'
               AND EXISTS (SELECT 1 FROM unit u JOIN code_range r ON r.batch_id = u.batch_id
                           WHERE u.id = c.unit_id AND r.state = 'activated')""",
    ),
)


LEFT_OPEN = """
    SELECT pid, application_name, state, left(query, 60) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'
        AND xact_start < clock_timestamp() - interval '300 milliseconds'
    UNION ALL SELECT 0, gid, 'prepared', '' FROM pg_prepared_xacts"""
"""Transactions that are still open."""


@dataclass(frozen=True, slots=True)
class Breach:
    """An invariant that does not hold, and the first few that break it."""

    invariant: str
    count: int
    examples: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.invariant}: {self.count}, such as {', '.join(self.examples)}"


class Auditor:
    """Looks at one database after a run."""

    def __init__(self, connection: psycopg.Connection[Any], cast: Cast, diary: Diary) -> None:
        self._connection = connection
        self._codes = {code.text: code for code in cast.codes}
        self._diary = diary
        self.breaches: list[Breach] = []

    def _rows(self, query: str) -> list[tuple[Any, ...]]:
        return self._connection.execute(query).fetchall()  # type: ignore[arg-type]

    def _hold(self, invariant: str, breaking: Iterable[object]) -> None:
        found = [str(each) for each in breaking]
        if found:
            self.breaches.append(Breach(invariant, len(found), tuple(found[:5])))

    def audit(self) -> list[Breach]:
        """Hold everything against everything."""
        for invariant, query in (*ROWS, *HOLDS):
            self._hold(invariant, (row[0] for row in self._rows(query)))
        for table, column, other, key in NAMES:
            orphans = self._rows(
                f"SELECT t.{column} FROM {table} t LEFT JOIN {other} o ON o.{key} = t.{column} "
                f"WHERE t.{column} IS NOT NULL AND o.{key} IS NULL"
            )
            self._hold(f"what {table}.{column} names is there", (row[0] for row in orphans))
        real = self._diary.of_kind("real")
        self._answers_agree(real)
        self._journal_is_what_was_answered(real)
        self._awards_are_kept(real)
        self._decisions_stand()
        for kind in ("forged", "malformed"):
            self._counted(kind)
        return self.breaches

    # --- what clients were told -------------------------------------------------------------------------------

    def _answers_agree(self, scans: Iterable[Scan]) -> None:
        odd, two, strange = [], [], []
        awarded: Counter[int] = Counter()
        for scan in scans:
            if len({answer.body for answer in scan.told}) > 1:
                two.append(scan.scan_id)
            if len({answer.variant for answer in scan.told}) > 1:
                odd.append(scan.scan_id)
            strange += [
                f"{answer.status} {answer.body[:120]!r}"
                for answer in scan.answers
                if answer.status not in (200, 503) and not (answer.status == 409 and len(scan.variants) > 1)
            ]
            if scan.reply is not None and scan.reply["outcome"] == "awarded":
                awarded[self._unit_of(scan)] += 1
        self._hold("the same scan id gets the same reply", two)
        self._hold("a scan id stands for one scan", odd)
        self._hold("a client is told what happened, or to try again", strange)
        self._hold("clients are told of one award for a unit", (unit for unit, n in awarded.items() if n > 1))

    def _unit_of(self, scan: Scan) -> int:
        return self._codes[scan.told[0].variant[0]].unit

    def _journal_is_what_was_answered(self, scans: list[Scan]) -> None:
        rows = {row[0]: row for row in self._rows("SELECT scan_id, unit_id, outcome, member_id, points FROM scan")}
        kept = dict(self._rows("SELECT scan_id, reply FROM scan_replay"))
        lost, other, altered = [], [], []
        for scan in scans:
            reply = scan.reply
            if reply is None:
                continue
            row = rows.get(scan.scan_id)
            if row is None:
                lost.append(scan.scan_id)
                continue
            member = scan.told[0].variant[2]
            if row[1:] != (self._unit_of(scan), reply["outcome"], member, reply["points"]):
                other.append(f"{scan.scan_id} {row[1:]} {reply}")
            if bytes(kept.get(scan.scan_id, b"")) != scan.told[0].body:
                altered.append(scan.scan_id)
        self._hold("every answered scan is in the journal", lost)
        self._hold("the journal says what the client was told", other)
        self._hold("the reply that is kept is the one that was sent", altered)
        sent = {scan.scan_id for scan in scans if scan.told or scan.unanswered}
        self._hold("nothing is in the journal that nobody sent", rows.keys() - sent)

    def _awards_are_kept(self, scans: Iterable[Scan]) -> None:
        points = dict(
            self._rows("""
                SELECT c.scan_id, sum(e.amount)::bigint FROM claim c
                JOIN entry e ON e.cause_kind = 'claim' AND e.cause_id = c.id::text AND e.kind = 'earn'
                JOIN account a ON a.id = e.account_id AND a.member_id = c.member_id AND a.currency = 'spendable'
                WHERE c.state = 'posted' GROUP BY 1""")
        )
        prizes: dict[UUID, set[tuple[str, int, int]]] = {}
        for scan_id, draw, number, prize in self._rows("""
                SELECT c.scan_id, d.name, w.number, w.prize_id FROM prize_award w
                JOIN draw d ON d.id = w.draw_id
                JOIN draw_entry e ON (e.draw_id, e.shard, e.number) = (w.draw_id, w.shard, w.number)
                JOIN claim c ON c.id = e.claim_id AND c.member_id = w.member_id"""):
            prizes.setdefault(scan_id, set()).add((draw, number, prize))
        poorer, without = [], []
        for scan in scans:
            reply = scan.reply
            if reply is None or reply["outcome"] != "awarded":
                continue
            if points.get(scan.scan_id, 0) != reply["points"]:
                poorer.append(f"{scan.scan_id} {reply['points']} {points.get(scan.scan_id)}")
            told = {(each["draw"], each["entry"], each["prize"]) for each in reply["prizes"]}
            if told != prizes.get(scan.scan_id, set()):
                without.append(f"{scan.scan_id} {told} {prizes.get(scan.scan_id)}")
        self._hold("points that were told are posted", poorer)
        self._hold("prizes that were told are the winner's", without)

    def _decisions_stand(self) -> None:
        states = dict(self._rows("SELECT id, state FROM claim"))
        self._hold(
            "a decision that was acknowledged stands",
            (claim for claim, state in self._diary.decisions.items() if states.get(claim) != state),
        )

    # --- what is only counted ---------------------------------------------------------------------------------

    def _counted(self, kind: str) -> None:
        """Exact, but for what a kill lost: what was counted in the second before it, or since the last time that
        counters could be written.
        """
        query = f"SELECT coalesce(sum(count), 0)::bigint FROM refused_count WHERE outcome = '{kind}'"
        counted = self._rows(query)[0][0]
        scans, kills = self._diary.of_kind(kind), self._diary.kills
        heard = [answer for scan in scans for answer in scan.told]
        self._hold(f"a {kind} code is told so", (a.body for a in heard if json.loads(a.body)["outcome"] != kind))
        perhaps = sum(
            any(
                kill.program == answer.server and kill.uncounted_since <= answer.at and answer.asked_at <= kill.at
                for kill in kills
            )
            for answer in heard
        )
        unheard = sum(scan.sent - len(scan.answers) for scan in scans)
        if not len(heard) - perhaps <= counted <= len(heard) + unheard:
            said = f"{counted} counted, {len(heard)} answered, {perhaps} of them before a kill, {unheard} unanswered"
            self._hold(f"{kind} codes are counted", [said])
