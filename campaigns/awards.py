"""Paying claims: points by the earning rules, entries in lucky draws. One way for a scan and for a parked claim.

A desk is opened with all facts in a fixed number of statements, decides claims one after another in memory,
and writes what it decided in a fixed number of statements, whatever their number.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import msgspec

from campaigns import draws, earning, fairness
from campaigns.claims import Claim
from campaigns.draws import Entry, OpenDraw, PersonEntries
from campaigns.rules import ClaimFacts, EarningRule, PrizeRule, earn
from kernel.crypto import Vault
from kernel.db import Tx
from kernel.writes import Writes
from members import ledger
from members.ledger import Account, Credit


class Won(msgspec.Struct, frozen=True):
    """A prize that a claim won, with its place in the draw's log."""

    draw: str
    number: int
    prize: PrizeRule


class Award(msgspec.Struct):
    """What a claim brought; `entered` is how many draws it took part in."""

    points: int = 0
    qualifying: int = 0
    entered: int = 0
    prizes: list[Won] = []

    @property
    def anything(self) -> bool:
        """Whether the consumer got anything, be it a chance that won nothing."""
        return bool(self.points or self.qualifying or self.entered)


class Desk:
    """Decides claims in memory under the locks of `open_desk`, then writes what it decided."""

    def __init__(
        self,
        *,
        at: datetime,
        accounts: Mapping[tuple[int, str], Account],
        rules: Mapping[int, Sequence[EarningRule]],
        issuers: Mapping[tuple[int, str], int],
        opened: Sequence[OpenDraw],
        entered: dict[tuple[int, int], PersonEntries],
        journal_ids: Sequence[int] = (),
    ) -> None:
        self._at = at
        self._accounts = accounts
        self._rules = rules
        self._issuers = issuers
        self._draws = opened
        self._entered = entered
        self._journal_ids = journal_ids
        self._credits: list[Credit] = []
        self._entries: list[Entry] = []

    def award(self, claim: Claim) -> Award:
        """Decide what a claim brings; nothing is promised before `write`."""
        award = Award()
        facts = ClaimFacts(unit_id=claim.unit_id, gtin=claim.gtin, member_id=claim.member_id, at=claim.at)
        for earned in earn(self._rules.get(claim.brand_id, ()), facts):
            if earned.currency == "spendable":
                award.points += earned.amount
            else:
                award.qualifying += earned.amount
            self._credits.append(
                Credit(
                    account=self._accounts[claim.member_id, earned.currency],
                    amount=earned.amount,
                    cause_kind="claim",
                    cause_id=str(claim.id),
                    rule_id=earned.rule_id,
                    rule_version=earned.rule_version,
                    active_from=claim.at,
                    expires_at=earned.expires_at,
                )
            )
        for draw in self._draws:
            if draw.brand_id == claim.brand_id and draw.rules.covers(claim.gtin):
                self._enter(draw, claim, award)
        return award

    def _enter(self, draw: OpenDraw, claim: Claim, award: Award) -> None:
        """Give the claim the next number of the draw's log, within the person's limits, and decide what it wins."""
        person = self._entered.setdefault((draw.id, claim.member_id), PersonEntries())
        ever, daily = draw.rules.entries_per_person, draw.rules.entries_per_person_per_day
        if (ever is not None and person.ever >= ever) or (daily is not None and person.today >= daily):
            return
        number = draw.entries + 1
        entrant = fairness.entrant_tag(claim.scan_id)
        decision = fairness.decide(draw.rules, draw.left, draw.roller.roll(number))
        draw.entries = number
        draw.head = fairness.link(draw.head, number, entrant, decision.prize_id)
        person.ever += 1
        person.today += 1
        award.entered += 1
        if decision.prize_id is not None:
            draw.left[decision.prize_id] -= 1
            prize = next(prize for prize in draw.rules.prizes if prize.id == decision.prize_id)
            award.prizes.append(Won(draw.name, number, prize))
        self._entries.append(Entry(draw, number, claim.id, claim.member_id, entrant, decision.prize_id))

    async def write(self, tx: Tx, writes: Writes) -> None:
        """Write ledger, lots, draw log, stock and heads with the caller's writes, which store the claims themselves."""
        await ledger.post(
            tx, self._credits, issuer_ids=self._issuers, at=self._at, journal_ids=self._journal_ids, writes=writes
        )
        draws.write_entries(writes, self._entries, at=self._at)


@dataclass(frozen=True, slots=True)
class Terms:
    """What claims of some brands are decided by; read before anything is locked."""

    brand_ids: tuple[int, ...]
    rules: Mapping[int, Sequence[EarningRule]]
    issuers: Mapping[tuple[int, str], int]


async def read_terms(tx: Tx, brand_ids: Sequence[int]) -> Terms:
    """The earning rules of some brands, and their own accounts."""
    issuers = await ledger.issuers(tx, brand_ids)
    return Terms(tuple(brand_ids), await earning.rules_of(tx, brand_ids), issuers)


async def open_desk(
    tx: Tx,
    vault: Vault,
    terms: Terms,
    *,
    accounts: Mapping[tuple[int, str], Account],
    at: datetime,
    journal_ids: Sequence[int] = (),
) -> Desk:
    """Lock the open draws and prizes of some brands.

    Args:
        tx: the caller's transaction, which holds the locks of the units and of the members' accounts.
        vault: opens the draws' seeds.
        terms: of the claims' brands.
        accounts: the members' locked accounts.
        at: now.
        journal_ids: reserved for the ledger, so that `Desk.write` need not ask for them.
    """
    opened = await draws.lock_open(tx, vault, terms.brand_ids, at=at)
    limited = [d for d in opened if d.rules.entries_per_person or d.rules.entries_per_person_per_day]
    members = sorted({member_id for member_id, _ in accounts})
    entered = await draws.entries_of(tx, limited, members, at=at) if limited else {}
    return Desk(
        at=at,
        accounts=accounts,
        rules=terms.rules,
        issuers=terms.issuers,
        opened=opened,
        entered=entered,
        journal_ids=journal_ids,
    )
