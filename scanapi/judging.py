"""What a scan leads to: from the facts of a group, in memory, in the order of precedence of `Outcome`."""

from __future__ import annotations

from typing import Final

import h3.api.basic_int as h3

from antifraud import rules as antifraud
from antifraud.rules import Decision, Facts, Fix, Verdict
from campaigns.claims import Claim
from codegen.issued import Issued
from scanapi.group import Home, Known, Result, Scan
from scanapi.sentences import SENTENCES
from traceability.coordinates import distance_m
from traceability.scans import Outcome
from traceability.territory import Relation, Standing
from traceability.units import UnitState


def judge(each: Scan, known: Known) -> Result:
    """What a scan leads to, in the order of precedence of `Outcome`; a claim it makes stands for the next scans."""
    home = known.homes.get(each.scan_id)
    if home is None:
        never = known.issued[each.code.position].batch_id is None
        return Result(Outcome.FORGED, reason="not_issued" if never else "gtin_mismatch")
    issued, unit = home.issued, known.units[home.unit_id]
    leaked = issued.is_leaked(unit.first_scan_at)
    verdict = antifraud.judge(_facts(each, issued, unit, known, leaked=leaked))
    standing = known.claims.get(unit.id)
    yours = _is_yours(each, unit, standing)
    result = Result(Outcome.AUTHENTIC, verdict=verdict, yours=yours)
    if issued.blocked is not None:
        result.outcome, result.reason = Outcome.VOIDED, issued.blocked
        result.sentence = f"voided.{issued.blocked}"
    elif leaked and issued.leak_answer == "void":
        result.outcome, result.reason, result.sentence = Outcome.VOIDED, "leaked", "voided.leaked"
    elif not issued.active:
        _judge_inactive(each, home, known, result)
    elif standing is not None:
        _judge_claimed(each, standing, result)
    else:
        _judge_unclaimed(each, home, known, result)
    if leaked:
        result.sentence = _SAID_OF_LEAKED.get(result.sentence or "", result.sentence)
    return result


_SAID_OF_LEAKED: Final = {
    "held": "leaked.kept", "inactive.kept": "leaked.kept", "repeat.pending": "leaked.kept",
    "inactive": "leaked", "authentic": "leaked", "authentic.outer": "leaked", "authentic.other_brand": "leaked",
}  # fmt: skip
"""What is said in place of the usual sentence where the code's key leaked before the unit was ever scanned."""


def _facts(each: Scan, issued: Issued, unit: UnitState, known: Known, *, leaked: bool) -> Facts:
    fix = previous = travelled = None
    if each.location is not None:
        fix = Fix(known.at, each.device, each.location.accuracy_m or 0.0)
    if unit.last_fix_at is not None and unit.last_fix_cell is not None:
        previous = Fix(unit.last_fix_at, unit.last_fix_device, unit.last_fix_accuracy_m or 0.0)
        if each.location is not None:
            lat, lng = h3.cell_to_latlng(unit.last_fix_cell)
            travelled = distance_m(each.location.lat, each.location.lng, lat, lng)
    relation = known.relations.get(each.scan_id)
    member = None if each.member is None else known.members[each.member[0]]
    return Facts(
        at=known.at,
        active=issued.active,
        member_state=None if member is None else member.state,
        fix=fix,
        previous=previous,
        travelled_m=travelled,
        territory=None if relation is None else relation.standing.value,
        territory_km=_outside_km(relation),
        page=each.page,
        leaked=leaked,
        blocked=None if each.blocked is None else each.blocked(issued.brand_id, unit.id, issued.batch_id),
        haste=each.haste,
        unproved=each.unproved,
    )


def _outside_km(relation: Relation | None) -> float | None:
    if relation is None or relation.standing is not Standing.OUTSIDE or relation.distance_m is None:
        return None
    return relation.distance_m / 1000


def _is_yours(each: Scan, unit: UnitState, standing: Claim | None) -> bool:
    """Whether whoever scans is the one who was first: the claimant, or the first scan's member or device."""
    if standing is not None:
        return _same_person(each, standing.member_id, standing.device)
    return unit.scan_count > 0 and _same_person(each, unit.first_member_id, unit.first_device)


def _same_person(each: Scan, member_id: int | None, device: bytes | None) -> bool:
    if each.member is not None and member_id is not None:
        return each.member[0] == member_id
    return each.device is not None and each.device == device


def _pays(home: Home) -> bool:
    """Whether this code carries the unit's reward: its only code, or the inner one of two."""
    return not (home.issued.paired or home.issued.mate_side) or home.side == "inner"


def _gate(each: Scan, home: Home, known: Known) -> str:
    """What law sets before a reward of the product's class: `unrewarded`, `age`, or nothing."""
    assert home.issued.gtin is not None
    shown = known.shown[home.issued.gtin]
    if not shown.pays:
        return "unrewarded"
    if not shown.adults_only or each.member is None or each.member[1] != home.issued.brand_id:
        return ""
    return "" if known.members[each.member[0]].adult else "age"


def _new_claim(each: Scan, home: Home, known: Known, *, state: str, reason: str | None) -> Claim:
    assert each.member is not None
    assert home.issued.gtin is not None
    return Claim(
        id=known.claim_ids.pop(),
        brand_id=home.issued.brand_id,
        unit_id=home.unit_id,
        member_id=each.member[0],
        scan_id=each.scan_id,
        gtin=home.issued.gtin,
        device=each.device,
        state=state,
        reason=reason,
        at=known.at,
    )


def _judge_inactive(each: Scan, home: Home, known: Known, result: Result) -> None:
    """Park the claim of an unclaimed unit; it is paid when its range is activated."""
    result.outcome, result.reason = Outcome.INACTIVE, "inactive"
    standing = known.claims.get(home.unit_id)
    ours = each.member is not None and each.member[1] == home.issued.brand_id
    refused = result.verdict is not None and result.verdict.decision is Decision.REFUSE
    gate = _gate(each, home, known)
    if standing is None and ours and not refused and not gate and _pays(home):
        result.claim = _new_claim(each, home, known, state="pending", reason="inactive")
        known.claims[home.unit_id] = standing = result.claim
    kept = standing is not None and each.member is not None and standing.member_id == each.member[0]
    result.sentence = "inactive.kept" if kept else f"inactive.{gate}" if gate else "inactive"


def _judge_claimed(each: Scan, standing: Claim, result: Result) -> None:
    if _same_person(each, standing.member_id, standing.device):
        result.outcome = Outcome.REPEAT
        result.sentence = "repeat" if standing.state == "posted" else "repeat.pending"
    else:
        result.outcome, result.sentence = Outcome.TAKEN, "taken"


def _judge_unclaimed(each: Scan, home: Home, known: Known, result: Result) -> None:
    verdict = result.verdict
    assert verdict is not None
    gate = _gate(each, home, known)
    if gate:
        result.sentence = f"authentic.{gate}"
    elif each.member is None:
        result.sentence = "authentic" if _pays(home) else "authentic.outer"
    elif each.member[1] != home.issued.brand_id:
        result.sentence = "authentic.other_brand"
    elif not _pays(home):
        result.sentence = "authentic.outer"
    elif verdict.decision is Decision.REFUSE:
        result.outcome, result.reason, result.sentence = Outcome.REFUSED, verdict.reason, _said("refused", verdict)
    elif verdict.decision is Decision.HOLD:
        result.outcome, result.reason, result.sentence = Outcome.HELD, verdict.reason, _said("held", verdict)
        result.claim = _new_claim(each, home, known, state="pending", reason=verdict.reason)
        known.claims[home.unit_id] = result.claim
    else:
        _award(each, home, known, result)


def _said(outcome: str, verdict: Verdict) -> str:
    """The sentence for a claim that a rule held or refused: the class of its reason where that may be told."""
    why = next((f.details.get("why") for f in verdict.findings if f.rule == verdict.reason), None)
    keys = (f"{outcome}.{why or verdict.reason}", f"{outcome}.{verdict.reason}")
    return next((key for key in keys if key in SENTENCES), outcome)


def _award(each: Scan, home: Home, known: Known, result: Result) -> None:
    """Claim and award. A unit without a reward at present stays claimable for a later campaign."""
    assert known.desk is not None
    claim = _new_claim(each, home, known, state="posted", reason=None)
    award = known.desk.award(claim)
    if not award.anything:
        result.sentence = "authentic.nothing"
        return
    known.claims[home.unit_id] = claim
    known.balances[claim.member_id] = known.balances.get(claim.member_id, 0) + award.points
    result.outcome, result.claim, result.award = Outcome.AWARDED, claim, award
    if award.prizes:
        result.sentence = "awarded.prize"
    else:
        result.sentence = "awarded.nothing_won" if award.entered else "awarded"
