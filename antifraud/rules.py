"""Inline rules: what can be judged from facts known at the scan. Pure.

A rule sees facts and gives a finding; the findings make a verdict. Only rules that are nearly always right
withhold anything: a dealer's diversion or a factory's forgotten activation is never the buyer's fault.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final, Literal

import msgspec

from antifraud.blocklist import Entry

SPEED_KMH_MAX: Final = 900.0
"""Faster than an airliner from door to door."""
DISTANCE_KM_MIN: Final = 300.0
CELL_RADIUS_M: Final = 201.0
"""Circumradius of an H3 cell of resolution 9, by which a place remembered as a cell is uncertain."""


class Decision(StrEnum):
    """What a verdict does with a claim."""

    ALLOW = "allow"
    HOLD = "hold"
    REFUSE = "refuse"


class Fix(msgspec.Struct, frozen=True):
    """A precise place and time of a scan by a device."""

    at: datetime
    device: bytes | None
    accuracy_m: float


class Facts(msgspec.Struct, frozen=True):
    """What is known when a scan is judged.

    Attributes:
        at: now.
        active: whether the unit is activated.
        member_state: `active`, `blocked`, or None for an anonymous scan.
        fix: this scan's precise place, or None.
        previous: the unit's latest precise place before this scan, or None.
        travelled_m: great-circle distance between the two, or None.
        territory: `inside`, `outside` or `undetermined`; None where the unit was never shipped to a dealer.
        territory_km: distance to the dealer's territory, or None.
        page: `app` (bearer token), or how the page token was: `good`, `missing`, `wrong`, `reused`.
        leaked: whether the code's key leaked before the unit's first scan, so that anybody may have made the code.
        blocked: what of the brand's block list the scan meets, or None.
        haste: whose rate of scans is spent (`member`, `device`), or None.
        unproved: whether work was asked for and none was done.
    """

    at: datetime
    active: bool
    member_state: str | None
    fix: Fix | None
    previous: Fix | None
    travelled_m: float | None
    territory: str | None
    territory_km: float | None
    page: Literal["app", "good", "missing", "wrong", "reused"]
    leaked: bool = False
    blocked: Entry | None = None
    haste: str | None = None
    unproved: bool = False


class Finding(msgspec.Struct, frozen=True):
    """What a rule saw: its name, its result, and the numbers behind it."""

    rule: str
    result: str
    decision: Decision
    details: dict[str, Any]


class Verdict(msgspec.Struct, frozen=True):
    """All findings of a scan and what they add up to; `reason` names the rule that decided, if one did."""

    decision: Decision
    reason: str | None
    findings: tuple[Finding, ...]


def outside_territory(facts: Facts) -> Finding | None:
    """Whether the goods surfaced in their dealer's territory. A signal for the brand; nobody's reward depends on it."""
    if facts.territory is None:
        return None
    details = {} if facts.territory_km is None else {"km": round(facts.territory_km)}
    return Finding("outside_territory", facts.territory, Decision.ALLOW, details)


def impossible_travel(facts: Facts) -> Finding | None:
    """Two devices, one code, and no way to get from one place to the other in the time between.

    Both accuracy radii count in the traveller's favour; needs two precise places (never an IP address's).
    """
    if facts.fix is None or facts.previous is None or facts.travelled_m is None:
        return None
    if facts.fix.device is None or facts.fix.device == facts.previous.device:
        return None
    km = (facts.travelled_m - facts.fix.accuracy_m - facts.previous.accuracy_m - CELL_RADIUS_M) / 1000
    hours = max((facts.at - facts.previous.at) / timedelta(hours=1), 1 / 3600)
    if km <= DISTANCE_KM_MIN or km / hours <= SPEED_KMH_MAX:
        return None
    return Finding("impossible_travel", "copied", Decision.HOLD, {"km": round(km), "minutes": round(hours * 60, 1)})


def early_scan(facts: Facts) -> Finding | None:
    """A scan before activation: a leak signal, though most often somebody forgot to activate."""
    if facts.active:
        return None
    return Finding("early_scan", "before_activation", Decision.ALLOW, {})


def page_token(facts: Facts) -> Finding | None:
    """A scan that no landing page of ours led to, which a program may have sent, or a person's old page.

    One page sends one scan: a token that was used before is no accident, for a retry has the scan id it had.
    """
    if facts.page in ("app", "good"):
        return None
    decision = Decision.HOLD if facts.page == "reused" else Decision.ALLOW
    return Finding("page_token", facts.page, decision, {})


def blocked_member(facts: Facts) -> Finding | None:
    """The member is on the brand's block list."""
    if facts.member_state != "blocked":
        return None
    return Finding("blocked_member", "blocked", Decision.REFUSE, {})


def block_list(facts: Facts) -> Finding | None:
    """What the scan meets of the brand's block list. A network is never one person: there a person decides."""
    if facts.blocked is None:
        return None
    decision = Decision.HOLD if facts.blocked.kind == "network" else Decision.REFUSE
    return Finding("block_list", facts.blocked.kind, decision, {"why": facts.blocked.why})


def velocity(facts: Facts) -> Finding | None:
    """More scans by one member or device than a person makes."""
    if facts.haste is None:
        return None
    return Finding("velocity", facts.haste, Decision.HOLD, {})


def proof_of_work(facts: Facts) -> Finding | None:
    """Work was asked for, because the sender is in doubt, and none was done (a browser without scripts)."""
    if not facts.unproved:
        return None
    return Finding("proof_of_work", "none", Decision.HOLD, {})


def leaked_key(facts: Facts) -> Finding | None:
    """The code may be a copy made with a leaked key. An honest buyer does not pay for that: a person decides."""
    if not facts.leaked:
        return None
    return Finding("leaked_key", "unscanned", Decision.HOLD, {})


RULES: Final = (
    block_list, blocked_member, leaked_key, impossible_travel, velocity, outside_territory, early_scan, page_token,
    proof_of_work,
)  # fmt: skip


def judge(facts: Facts) -> Verdict:
    """Ask every rule; the gravest finding decides, and among equals the first of `RULES`."""
    return conclude(finding for rule in RULES if (finding := rule(facts)) is not None)


def conclude(findings: Iterable[Finding]) -> Verdict:
    """Add findings up to a verdict."""
    found = tuple(findings)
    for decision in (Decision.REFUSE, Decision.HOLD):
        for finding in found:
            if finding.decision is decision:
                return Verdict(decision, finding.rule, found)
    return Verdict(Decision.ALLOW, None, found)
