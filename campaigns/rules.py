"""The rules of earning and of lucky draws: what a brand declares, and what a claim gets by it.

Pure: no clock, no database, no randomness. Everything is an integer (points, parts per billion, cents), so
nothing is ever rounded here; a multiplier, where there is one, declares its rounding where it is applied.

A draw's rules are published before it opens, by the SHA-256 of their canonical document, and never change
afterwards. Whoever holds the document computes the same hash with any RFC 8785 implementation.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, fields
from datetime import datetime, timedelta
from itertools import accumulate
from typing import Final, Literal
from uuid import UUID

import msgspec

from campaigns.documents import (
    EXACT_INT_MAX,
    describe,
    parse_time,
    refuse,
    require_fields,
    require_gtin,
    require_int,
    require_list,
    require_name,
    require_time,
    time_text,
)

RULES_FORMAT: Final = "yima-draw-rules-1"
WHOLE_PPB: Final = 1_000_000_000
"""Certainty, in parts per billion."""

CLAIM_POINTS_MAX: Final = 1_000_000
EXPIRY_DAYS_MAX: Final = 36_500
PRIZES_MAX: Final = 50
PRIZE_ID_MAX: Final = 32_767
PRIZE_VALUE_CENTS_MAX: Final = 5_000_000
"""50,000 CNY: the highest prize that a prize promotion may offer in China."""
STOCK_MAX: Final = 1_000_000_000
GTINS_MAX: Final = 10_000
SHARDS_MAX: Final = 64
ENTRIES_PER_PERSON_MAX: Final = 1_000_000

Currency = Literal["spendable", "qualifying"]


@dataclass(frozen=True, slots=True)
class EarningRule:
    """One version of a rule that says how many points a claim earns.

    Attributes:
        id: The rule; stays the same when the rule is changed.
        version: Grows by one with each change.
        gtin: The product (14 digits), or None for every product of the brand.
        points: Spendable points a claim, 0 to 1,000,000.
        qualifying: Points that count towards a tier, 0 to 1,000,000.
        expires_after_days: Days until the spendable points expire; None for never.
        active_from: The first moment at which a claim earns by this rule.
        active_until: The first moment at which it no longer does; None for open end.

    Raises:
        InvalidInput: A value lies outside its limits; the sentence names the field.
    """

    id: int
    version: int
    gtin: str | None
    points: int
    qualifying: int
    expires_after_days: int | None
    active_from: datetime
    active_until: datetime | None

    def __post_init__(self) -> None:
        where = f"earning rule {describe(self.id)}"
        require_int(where, "id", self.id, 1, EXACT_INT_MAX)
        require_int(where, "version", self.version, 1, EXACT_INT_MAX)
        if self.gtin is not None:
            require_gtin(where, "gtin", self.gtin)
        require_int(where, "points", self.points, 0, CLAIM_POINTS_MAX)
        require_int(where, "qualifying", self.qualifying, 0, CLAIM_POINTS_MAX)
        if self.expires_after_days is not None:
            require_int(where, "expires_after_days", self.expires_after_days, 1, EXPIRY_DAYS_MAX)
        require_time(where, "active_from", self.active_from)
        if self.active_until is not None:
            require_time(where, "active_until", self.active_until)
            if self.active_until <= self.active_from:
                refuse(where, "active_until", "must be later than active_from")

    def applies(self, facts: ClaimFacts) -> bool:
        """Tell whether the claim is of this rule's product and within its time."""
        return (
            self.gtin in (None, facts.gtin)
            and self.active_from <= facts.at
            and (self.active_until is None or facts.at < self.active_until)
        )


class ClaimFacts(msgspec.Struct, frozen=True):
    """What is known of a claim when its points are reckoned; `gtin` has 14 digits, `at` a time zone."""

    unit_id: int | str | UUID
    gtin: str
    member_id: int | str | UUID
    at: datetime


class Earning(msgspec.Struct, frozen=True):
    """Points that one claim earns in one currency; `amount` is at least 1."""

    rule_id: int
    rule_version: int
    currency: Currency
    amount: int
    expires_at: datetime | None


def earn(rules: Iterable[EarningRule], facts: ClaimFacts) -> tuple[Earning, ...]:
    """Reckon what a claim earns: exactly one rule pays, so a claim never exceeds one rule's limit.

    Of several rules that apply, a rule for the product wins over one for all products; then the one that
    began later (a short campaign over the standing rule); then the greater id; then the greater version.
    The order in which the rules are given does not matter.

    Qualifying points have no expiry of their own: a tier counts them within its own period.

    Args:
        rules: Rules of the unit's brand, active or not.
        facts: The claim.

    Returns:
        At most one earning per currency, spendable first; empty where no rule applies.
    """
    applying = [rule for rule in rules if rule.applies(facts)]
    if not applying:
        return ()
    rule = max(applying, key=lambda rule: (rule.gtin is not None, rule.active_from, rule.id, rule.version))
    expires_at = None
    if rule.expires_after_days is not None:
        expires_at = facts.at + timedelta(days=rule.expires_after_days)
    earnings = (
        Earning(rule.id, rule.version, "spendable", rule.points, expires_at),
        Earning(rule.id, rule.version, "qualifying", rule.qualifying, None),
    )
    return tuple(earning for earning in earnings if earning.amount > 0)


@dataclass(frozen=True, slots=True)
class PrizeRule:
    """A prize of a draw: its names, its chance, how many there are and what each is worth.

    Attributes:
        id: 1 to 32,767, unique within the draw.
        name_zh: Chinese name, 1 to 80 characters.
        name_en: English name, 1 to 80 characters.
        weight_ppb: Chance of one entry while stock lasts, in parts per billion.
        stock: How many there are to win, at least 1.
        value_cents: Worth of one, in cents (分) of CNY, at most 5,000,000.

    Raises:
        InvalidInput: A value lies outside its limits; the sentence names the prize and the field.
    """

    id: int
    name_zh: str
    name_en: str
    weight_ppb: int
    stock: int
    value_cents: int

    def __post_init__(self) -> None:
        where = f"prize {describe(self.id)}"
        require_int(where, "id", self.id, 1, PRIZE_ID_MAX)
        require_name(where, "name_zh", self.name_zh)
        require_name(where, "name_en", self.name_en)
        require_int(where, "weight_ppb", self.weight_ppb, 0, WHOLE_PPB)
        require_int(where, "stock", self.stock, 1, STOCK_MAX)
        require_int(where, "value_cents", self.value_cents, 0, PRIZE_VALUE_CENTS_MAX)

    @property
    def odds(self) -> str:
        """The published chance of one entry while stock lasts, exactly, as in `0.0000001%`."""
        return percent(self.weight_ppb)


@dataclass(frozen=True, slots=True)
class DrawRules:
    """The rules of an instant draw, as published before it opens.

    Prizes are kept in order of id and GTINs in ascending order, however they are given: equal rules have
    equal documents and equal hashes.

    Attributes:
        name_zh: Chinese name, 1 to 80 characters.
        name_en: English name, 1 to 80 characters.
        gtins: Products (14 digits each) whose claims enter; empty for all of the brand.
        prizes: 1 to 50; their weights add up to at most 10^9, the rest wins nothing.
        opens_at: The first moment of an entry.
        closes_at: The first moment after the last entry.
        entries_per_person: At most so many over the whole draw; None for no limit.
        entries_per_person_per_day: At most so many a day; None for no limit.
        when_stock_ends: What an entry gets whose prize has run out: `"nothing"`, or the id of the fallback
            prize, while that one's own stock lasts.
        shards: Number of parts of the entry log, each with its own numbers from 1 and its own share of the
            stock (`shard_stock`): only so can anyone recompute when a prize ran out.

    Raises:
        InvalidInput: A value lies outside its limits; the sentence names the field.
    """

    name_zh: str
    name_en: str
    gtins: tuple[str, ...]
    prizes: tuple[PrizeRule, ...]
    opens_at: datetime
    closes_at: datetime
    entries_per_person: int | None
    entries_per_person_per_day: int | None
    when_stock_ends: Literal["nothing"] | int
    shards: int = 1
    bounds: tuple[int, ...] = field(init=False, repr=False, compare=False)
    """Cumulative weights in order of prize id: prize i wins from bounds[i − 1] (or 0) up to bounds[i] − 1."""

    def __post_init__(self) -> None:
        where = "draw rules"
        require_name(where, "name_zh", self.name_zh)
        require_name(where, "name_en", self.name_en)
        self._require_products(where)
        self._require_prizes(where)
        require_time(where, "opens_at", self.opens_at)
        require_time(where, "closes_at", self.closes_at)
        if self.opens_at >= self.closes_at:
            refuse(where, "closes_at", "must be later than opens_at")
        self._require_person_limits(where)
        self._require_fallback(where)
        self._require_attainable()
        self._require_shards(where)
        # The dataclass is frozen for everyone else; here it is still being made.
        object.__setattr__(self, "gtins", tuple(sorted(self.gtins)))
        object.__setattr__(self, "prizes", tuple(sorted(self.prizes, key=lambda prize: prize.id)))
        object.__setattr__(self, "bounds", tuple(accumulate(prize.weight_ppb for prize in self.prizes)))

    def _require_products(self, where: str) -> None:
        if len(self.gtins) > GTINS_MAX:
            refuse(where, "gtins", f"may name at most {GTINS_MAX:,} products, not {len(self.gtins):,}")
        for gtin in self.gtins:
            require_gtin(where, "gtins", gtin)
        if len(set(self.gtins)) < len(self.gtins):
            refuse(where, "gtins", "names a product twice")

    def _require_prizes(self, where: str) -> None:
        if not 1 <= len(self.prizes) <= PRIZES_MAX:
            refuse(where, "prizes", f"must hold 1 to {PRIZES_MAX} prizes, not {len(self.prizes):,}")
        if len({prize.id for prize in self.prizes}) < len(self.prizes):
            refuse(where, "prizes", "holds two prizes of the same id")
        total_ppb = sum(prize.weight_ppb for prize in self.prizes)
        if total_ppb > WHOLE_PPB:
            refuse(where, "prizes", f"weight_ppb adds up to {total_ppb:,}, more than {WHOLE_PPB:,}")

    def _require_person_limits(self, where: str) -> None:
        whole, daily = self.entries_per_person, self.entries_per_person_per_day
        if whole is not None:
            require_int(where, "entries_per_person", whole, 1, ENTRIES_PER_PERSON_MAX)
        if daily is not None:
            require_int(where, "entries_per_person_per_day", daily, 1, ENTRIES_PER_PERSON_MAX)
        if whole is not None and daily is not None and daily > whole:
            refuse(where, "entries_per_person_per_day", "must not exceed entries_per_person")

    def _require_fallback(self, where: str) -> None:
        fallback = self.when_stock_ends
        if fallback == "nothing":
            return
        # Not isinstance: True is an int, and 3.0 is among {3}.
        if type(fallback) is not int or fallback not in {prize.id for prize in self.prizes}:
            problem = f'must be "nothing" or the id of one of the prizes, not {describe(fallback)}'
            refuse(where, "when_stock_ends", problem)
        if len(self.prizes) == 1:
            refuse(where, "when_stock_ends", "names the only prize, which cannot stand in for itself")

    def _require_attainable(self) -> None:
        for prize in self.prizes:
            # A prize that nobody can ever win is false promotion.
            if prize.weight_ppb == 0 and prize.id != self.when_stock_ends:
                refuse(f"prize {prize.id}", "weight_ppb", "must be at least 1 but for the fallback prize")

    def _require_shards(self, where: str) -> None:
        require_int(where, "shards", self.shards, 1, SHARDS_MAX)
        for prize in self.prizes:
            # Else the published odds would be false in a shard that has none from the start.
            if prize.stock < self.shards:
                refuse(f"prize {prize.id}", "stock", f"must be at least 1 for each of {self.shards} shards")

    @property
    def odds(self) -> dict[int, str]:
        """The published chance of each prize by id, exactly, in per cent: `{1: "0.0001%", 2: "12.5%"}`."""
        return {prize.id: prize.odds for prize in self.prizes}

    @property
    def nothing_odds(self) -> str:
        """The published chance of winning nothing while stock lasts, exactly, in per cent."""
        return percent(WHOLE_PPB - self.bounds[-1])

    def covers(self, gtin: str) -> bool:
        """Tell whether claims of this product enter the draw."""
        return not self.gtins or gtin in self.gtins

    def shard_stock(self, shard: int) -> dict[int, int]:
        """Give the stock of each prize, by id, with which a shard begins.

        The stock is divided evenly; the first `stock mod shards` shards get one more.

        Args:
            shard: 0 to shards − 1.

        Raises:
            InvalidInput: There is no such shard.
        """
        require_int("draw", "shard", shard, 0, self.shards - 1)
        return {prize.id: prize.stock // self.shards + (shard < prize.stock % self.shards) for prize in self.prizes}

    def to_document(self) -> dict[str, object]:
        """Give the rules as the JSON object that is published; times are RFC 3339 in UTC."""
        return {
            "format": RULES_FORMAT,
            "name_zh": self.name_zh,
            "name_en": self.name_en,
            "gtins": list(self.gtins),
            "prizes": [{name: getattr(prize, name) for name in _PRIZE_FIELDS} for prize in self.prizes],
            "opens_at": time_text(self.opens_at),
            "closes_at": time_text(self.closes_at),
            "entries_per_person": self.entries_per_person,
            "entries_per_person_per_day": self.entries_per_person_per_day,
            "when_stock_ends": self.when_stock_ends,
            "shards": self.shards,
        }

    @classmethod
    def from_document(cls, document: object) -> DrawRules:
        """Read published rules; refuse whatever `to_document` would not have written.

        Args:
            document: Any JSON value.

        Raises:
            InvalidInput: The document is no valid rules document; the sentence names the field.
        """
        published = require_fields("draw rules", document, _RULES_FIELDS)
        if published["format"] != RULES_FORMAT:
            refuse("draw rules", "format", f"must be {RULES_FORMAT}, not {describe(published['format'])}")
        given = {name: value for name, value in published.items() if name != "format"}
        given["gtins"] = tuple(require_list("draw rules", "gtins", given["gtins"]))
        given["prizes"] = tuple(
            PrizeRule(**require_fields(f"draw rules, prizes[{index}]", prize, _PRIZE_FIELDS))
            for index, prize in enumerate(require_list("draw rules", "prizes", given["prizes"]))
        )
        for name in ("opens_at", "closes_at"):
            given[name] = parse_time(f"draw rules, {name}", given[name])
        rules = cls(**given)
        for name, value in rules.to_document().items():
            if value != published[name]:
                refuse("draw rules", name, "is not in its canonical order or form")
        return rules


_PRIZE_FIELDS: Final = tuple(entry.name for entry in fields(PrizeRule))
_RULES_FIELDS: Final = ("format", *(entry.name for entry in fields(DrawRules) if entry.init))


def percent(weight_ppb: int) -> str:
    """Write parts per billion as per cent, exactly and without trailing zeros: 1 is `0.0000001%`."""
    whole, fraction = divmod(weight_ppb, WHOLE_PPB // 100)
    return f"{whole}.{fraction:07}".rstrip("0").rstrip(".") + "%"
