"""The scan, one way through, for a group of scans in one transaction (DESIGN §4).

The signature was verified before (`scanapi.service`): what arrives here was made by one of our keys. The
number of statements does not depend on the number of scans. Locks are taken in the order that holds
everywhere: units → members' accounts → draws and prizes, each by id.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, cast
from uuid import UUID

import h3.api.basic_int as h3
import msgspec

from antifraud import rules as antifraud
from antifraud.rules import Decision, Facts, Fix, Verdict
from campaigns import awards, claims
from campaigns.awards import Award, Desk
from campaigns.claims import Claim
from codegen import batches
from codegen.batches import Issued
from codegen.scheme import VerifiedCode
from kernel.clock import now
from kernel.crypto import Vault
from kernel.db import Tx
from kernel.errors import Conflict, NotAuthenticated, YimaError
from members import ledger, people
from members.ledger import Account
from members.people import Member
from scanapi import sentences
from scanapi.sentences import Language
from traceability import catalogue, journal, shipments, territory, units
from traceability.catalogue import Shown
from traceability.coordinates import Location, distance_m
from traceability.journal import Replay, ScanRow
from traceability.regions import Region, Regions
from traceability.scans import FindingShown, Outcome, PrizeShown, ScanReply, UnitShown
from traceability.shipments import Destination
from traceability.territory import Relation, Standing
from traceability.units import UnitState


@dataclass(frozen=True, slots=True)
class Scan:
    """A scan whose code verifies, ready to be judged.

    Attributes:
        scan_id: the client's id for it.
        body_hash: of everything in the request that must be equal in a replay.
        language: for the sentence.
        code: what the code's signature vouches for.
        host: host of the scanned URL, recorded and never relied on.
        member: (member id, brand id) of the bearer, or None.
        device: blind index of the device, or None.
        location: precise place, or None.
        location_source: `gps`, `wechat`, `ip` or `none`.
        location_sealed: the place as received, sealed.
        region: district of the place, or None.
        ip_province: province of the network address, or None.
        data_versions: versions of the data that told the place.
        page: how the page token was (see `antifraud.rules.Facts`).
    """

    scan_id: UUID
    body_hash: bytes
    language: Language
    code: VerifiedCode
    host: str | None
    member: tuple[int, int] | None
    device: bytes | None
    location: Location | None
    location_source: str
    location_sealed: bytes | None
    region: Region | None
    ip_province: int | None
    data_versions: str | None
    page: Literal["app", "good", "missing", "wrong"]

    @property
    def province(self) -> int | None:
        """Province of the precise place, else of the network address, else None."""
        if self.region is not None:
            return (self.region.province or self.region).adcode
        return self.ip_province


Answer = bytes | YimaError
"""The reply as JSON, or the error to be told."""


class ScanIdTaken(Exception):
    """Another transaction used one of the group's scan ids meanwhile: judge again, and find its reply."""


@dataclass(slots=True)
class _Known:
    """Everything fetched for a group; the in-memory part changes as scans are judged in arrival order."""

    at: datetime
    issued: dict[int, Issued]
    units: dict[int, UnitState]
    members: dict[int, Member]
    accounts: dict[tuple[int, str], Account]
    balances: dict[int, int]
    claims: dict[int, Claim]
    relations: dict[UUID, Relation]
    shown: dict[str, Shown]
    desk: Desk | None
    claim_ids: list[int]
    regions: Regions


@dataclass(slots=True)
class _Result:
    """What one scan led to."""

    outcome: Outcome
    reason: str | None = None
    sentence: str | None = None
    verdict: Verdict | None = None
    claim: Claim | None = None
    award: Award | None = None
    yours: bool = False


async def scan(tx: Tx, group: Sequence[Scan], *, vault: Vault, regions: Regions) -> list[Answer]:
    """Judge, award and record a group of verified scans; the answers are in the group's order.

    Raises:
        ScanIdTaken: roll back and call again.
    """
    # replay: a known scan id with the same body and the same person gets its first reply again
    first_of: dict[UUID, int] = {}
    for place, each in enumerate(group):
        first_of.setdefault(each.scan_id, place)
    replays = await journal.replays(tx, list(first_of))
    fresh = [group[place] for scan_id, place in first_of.items() if scan_id not in replays]

    # lock, and fetch the facts for the whole group
    known = await _fetch(tx, fresh, vault=vault, regions=regions)

    # judge and award, in arrival order, in memory
    answers: dict[UUID, Answer] = {}
    rows: list[ScanRow] = []
    made: list[Claim] = []
    for each in fresh:
        error = _bearer_error(each, known)
        if error is not None:
            answers[each.scan_id] = error
            continue
        result = _judge(each, known)
        if result.claim is not None:
            made.append(result.claim)
        reply, row = _report(each, result, known)
        answers[each.scan_id] = msgspec.json.encode(reply)
        rows.append(row)

    # record
    await _write(tx, known, made, rows, fresh, answers)
    return [_answer(each, place, first_of, replays, answers, group) for place, each in enumerate(group)]


async def _fetch(tx: Tx, fresh: Sequence[Scan], *, vault: Vault, regions: Regions) -> _Known:
    """Read what needs no lock; then lock units, members and draws, and read what others could have changed."""
    issued = await batches.look_up(tx, sorted({each.code.position for each in fresh})) if fresh else {}
    real = [each for each in fresh if _issued(each, issued) is not None]
    unit_ids = sorted({each.code.unit_id for each in real})
    member_ids = sorted({each.member[0] for each in fresh if each.member is not None})
    brand_ids = sorted({issued[each.code.position].brand_id for each in real if each.member is not None})
    gtins = sorted({known.gtin for known in issued.values() if known.gtin is not None})
    destinations = await shipments.destinations(tx, unit_ids) if unit_ids else {}
    shown = await catalogue.shown(tx, gtins) if gtins else {}
    members = await people.facts(tx, member_ids) if member_ids else {}
    terms = await awards.read_terms(tx, brand_ids) if brand_ids else None
    claim_ids = await claims.reserve_ids(tx, len(real)) if brand_ids else []
    relations = {each.scan_id: relation for each in real if (relation := _relate(each, destinations, regions))}

    locked = await units.lock(tx, ((each.code.unit_id, *_owner(each, issued)) for each in real))
    accounts = await ledger.lock_accounts(tx, member_ids) if member_ids else {}
    at = now()  # under the locks, so that a unit's scans are in the order of their times
    standing = await claims.standing(tx, unit_ids) if unit_ids else {}
    claimable = any(each.member is not None and each.code.unit_id not in standing for each in real)
    desk = None
    if terms is not None and claimable:
        desk = await awards.open_desk(tx, vault, terms, accounts=accounts, at=at)
    return _Known(
        at=at,
        issued=issued,
        units=locked,
        members=members,
        accounts=accounts,
        balances={key[0]: a.balance for key, a in accounts.items() if key[1] == "spendable"},
        claims=standing,
        relations=relations,
        shown=shown,
        desk=desk,
        claim_ids=claim_ids,
        regions=regions,
    )


def _relate(each: Scan, destinations: dict[int, Destination], regions: Regions) -> Relation | None:
    """Where the scan stands to the territory of the dealer whom the unit was shipped to."""
    destination = destinations.get(each.code.unit_id)
    return None if destination is None else territory.relate(each.location, destination.adcodes, regions)


def _issued(each: Scan, issued: dict[int, Issued]) -> Issued | None:
    """The batch behind a code, or None: never issued, or shown under another product's GTIN."""
    known = issued.get(each.code.position)
    if known is None or known.batch_id is None:
        return None
    if each.code.url_gtin is not None and each.code.url_gtin != known.gtin:
        return None
    return known


def _owner(each: Scan, issued: dict[int, Issued]) -> tuple[int, int]:
    known = issued[each.code.position]
    return known.brand_id, cast("int", known.batch_id)


def _bearer_error(each: Scan, known: _Known) -> YimaError | None:
    if each.member is None:
        return None
    member = known.members.get(each.member[0])
    if member is None or member.brand_id != each.member[1] or member.state == "erased":
        return NotAuthenticated("The bearer of this token is no member any more: sign in again.")
    return None


def _judge(each: Scan, known: _Known) -> _Result:
    """What a scan leads to, in the order of precedence of `Outcome`; a claim it makes stands for the next scans."""
    issued = _issued(each, known.issued)
    if issued is None:
        never = known.issued[each.code.position].batch_id is None
        return _Result(Outcome.FORGED, reason="not_issued" if never else "gtin_mismatch")
    unit = known.units[each.code.unit_id]
    verdict = antifraud.judge(_facts(each, issued, unit, known))
    standing = known.claims.get(unit.id)
    yours = _is_yours(each, unit, standing)
    result = _Result(Outcome.AUTHENTIC, verdict=verdict, yours=yours)
    if issued.blocked is not None:
        result.outcome, result.reason = Outcome.VOIDED, issued.blocked
        result.sentence = f"voided.{issued.blocked}"
    elif not issued.active:
        _judge_inactive(each, issued, known, result)
    elif standing is not None:
        _judge_claimed(each, standing, result)
    else:
        _judge_unclaimed(each, issued, known, result)
    return result


def _facts(each: Scan, issued: Issued, unit: UnitState, known: _Known) -> Facts:
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


def _pays(each: Scan, issued: Issued) -> bool:
    """Whether this code carries the unit's reward: its only code, or the inner one of two."""
    return not issued.paired or each.code.side == "inner"


def _new_claim(each: Scan, issued: Issued, known: _Known, *, state: str, reason: str | None) -> Claim:
    assert each.member is not None
    assert issued.gtin is not None
    return Claim(
        id=known.claim_ids.pop(),
        brand_id=issued.brand_id,
        unit_id=each.code.unit_id,
        member_id=each.member[0],
        scan_id=each.scan_id,
        gtin=issued.gtin,
        device=each.device,
        state=state,
        reason=reason,
        at=known.at,
    )


def _judge_inactive(each: Scan, issued: Issued, known: _Known, result: _Result) -> None:
    """Park the claim of an unclaimed unit; it is paid when its range is activated."""
    result.outcome, result.reason = Outcome.INACTIVE, "inactive"
    standing = known.claims.get(each.code.unit_id)
    ours = each.member is not None and each.member[1] == issued.brand_id
    refused = result.verdict is not None and result.verdict.decision is Decision.REFUSE
    if standing is None and ours and not refused and _pays(each, issued):
        result.claim = _new_claim(each, issued, known, state="pending", reason="inactive")
        known.claims[each.code.unit_id] = standing = result.claim
    kept = standing is not None and each.member is not None and standing.member_id == each.member[0]
    result.sentence = "inactive.kept" if kept else "inactive"


def _judge_claimed(each: Scan, standing: Claim, result: _Result) -> None:
    if _same_person(each, standing.member_id, standing.device):
        result.outcome = Outcome.REPEAT
        result.sentence = "repeat" if standing.state == "posted" else "repeat.pending"
    else:
        result.outcome, result.sentence = Outcome.TAKEN, "taken"


def _judge_unclaimed(each: Scan, issued: Issued, known: _Known, result: _Result) -> None:
    verdict = result.verdict
    assert verdict is not None
    if each.member is None:
        result.sentence = "authentic" if _pays(each, issued) else "authentic.outer"
    elif each.member[1] != issued.brand_id:
        result.sentence = "authentic.other_brand"
    elif not _pays(each, issued):
        result.sentence = "authentic.outer"
    elif verdict.decision is Decision.REFUSE:
        result.outcome, result.reason, result.sentence = Outcome.REFUSED, verdict.reason, "refused"
    elif verdict.decision is Decision.HOLD:
        result.outcome, result.reason, result.sentence = Outcome.HELD, verdict.reason, "held"
        result.claim = _new_claim(each, issued, known, state="pending", reason=verdict.reason)
        known.claims[each.code.unit_id] = result.claim
    else:
        _award(each, issued, known, result)


def _award(each: Scan, issued: Issued, known: _Known, result: _Result) -> None:
    """Claim and award. A unit without a reward at present stays claimable for a later campaign."""
    assert known.desk is not None
    claim = _new_claim(each, issued, known, state="posted", reason=None)
    award = known.desk.award(claim)
    if not award.anything:
        result.sentence = "authentic.nothing"
        return
    known.claims[each.code.unit_id] = claim
    known.balances[claim.member_id] = known.balances.get(claim.member_id, 0) + award.points
    result.outcome, result.claim, result.award = Outcome.AWARDED, claim, award
    if award.prizes:
        result.sentence = "awarded.prize"
    else:
        result.sentence = "awarded.nothing_won" if award.entered else "awarded"


def _report(each: Scan, result: _Result, known: _Known) -> tuple[ScanReply, ScanRow]:
    """The reply and the journal row; the unit's state in memory takes the scan in."""
    issued = _issued(each, known.issued)
    if issued is None:
        brand_id = known.issued[each.code.position].brand_id
        reply = ScanReply(each.scan_id, Outcome.FORGED, sentences.tell("forged", each.language))
        return reply, _row(each, result, known.at, brand_id=brand_id, issued=None)
    unit = known.units[each.code.unit_id]
    before, first_at, first_province = unit.scan_count, unit.first_scan_at, unit.first_province
    _take_in(each, unit, known.at)
    assert issued.gtin is not None
    assert issued.batch is not None
    shown = known.shown[issued.gtin]
    chinese = each.language == "zh"
    award = result.award or Award()
    prizes = [
        PrizeShown(won.draw, won.number, won.prize.id, won.prize.name_zh if chinese else won.prize.name_en)
        for won in award.prizes
    ]
    province = _province_name(first_province, each.language, known.regions)
    message = sentences.tell(
        result.sentence or str(result.outcome),
        each.language,
        brand=shown.brand if chinese else shown.brand_en,
        points=award.points,
        prizes=("、" if chinese else ", ").join(prize.name for prize in prizes),
        seen=sentences.seen(before, first_at, province, yours=result.yours, language=each.language),
        first=sentences.first(first_at, province, each.language),
    )
    verdict = result.verdict
    reply = ScanReply(
        scan_id=each.scan_id,
        outcome=result.outcome,
        message=message,
        unit=UnitShown(issued.gtin, shown.product if chinese else shown.product_en, issued.batch),
        first_scan_at=_first_scan_shown(unit, yours=result.yours or before == 0),
        scan_count=unit.scan_count,
        points=award.points,
        balance=None if each.member is None else known.balances.get(each.member[0]),
        prizes=prizes,
        findings=[] if verdict is None else [FindingShown(f.rule, f.result) for f in verdict.findings],
    )
    return reply, _row(each, result, known.at, brand_id=issued.brand_id, issued=issued)


def _province_name(adcode: int | None, language: Language, regions: Regions) -> str | None:
    if adcode is None:
        return None
    region = regions.region(adcode)
    return region.name_zh if language == "zh" else region.name_en


def _first_scan_shown(unit: UnitState, *, yours: bool) -> datetime | None:
    """The first scan's time: to the one who made it exactly, to strangers the day only (China's midnight)."""
    if unit.first_scan_at is None or yours:
        return unit.first_scan_at
    local = unit.first_scan_at.astimezone(sentences.CHINA)
    return local.replace(hour=0, minute=0, second=0, microsecond=0)


def _take_in(each: Scan, unit: UnitState, at: datetime) -> None:
    if unit.scan_count == 0:
        unit.first_scan_at = at
        unit.first_province = each.province
        unit.first_device = each.device
        unit.first_member_id = None if each.member is None else each.member[0]
    unit.scan_count += 1
    if each.location is not None:
        unit.last_fix_at = at
        unit.last_fix_cell = each.location.cell
        unit.last_fix_accuracy_m = each.location.accuracy_m
        unit.last_fix_device = each.device


def _row(each: Scan, result: _Result, at: datetime, *, brand_id: int, issued: Issued | None) -> ScanRow:
    findings = () if result.verdict is None else result.verdict.findings
    return ScanRow(
        at=at,
        scan_id=each.scan_id,
        brand_id=brand_id,
        unit_id=each.code.unit_id,
        side=each.code.side,
        batch_id=None if issued is None else issued.batch_id,
        gtin=None if issued is None else issued.gtin,
        outcome=str(result.outcome),
        reason=result.reason,
        member_id=None if each.member is None else each.member[0],
        device=each.device,
        host=each.host,
        adcode=None if each.region is None else each.region.adcode,
        cell=None if each.location is None else each.location.cell,
        accuracy_m=None if each.location is None else each.location.accuracy_m,
        location_source=each.location_source,
        location_sealed=each.location_sealed,
        data_versions=each.data_versions,
        ip_province=each.ip_province,
        findings=[{"rule": f.rule, "result": f.result, **f.details} for f in findings],
        points=0 if result.award is None else result.award.points,
    )


async def _write(
    tx: Tx,
    known: _Known,
    made: Sequence[Claim],
    rows: Sequence[ScanRow],
    fresh: Sequence[Scan],
    answers: dict[UUID, Answer],
) -> None:
    if not rows:
        return
    await units.save(tx, known.units.values())
    await claims.store(tx, made)
    if known.desk is not None:
        await known.desk.write(tx)
    await journal.record(tx, rows)
    brand_of = {row.scan_id: row.brand_id for row in rows}
    replies = [
        Replay(
            scan_id=each.scan_id,
            at=known.at,
            brand_id=brand_of[each.scan_id],
            body_hash=each.body_hash,
            member_id=None if each.member is None else each.member[0],
            reply=reply,
        )
        for each in fresh
        if isinstance(reply := answers[each.scan_id], bytes)
    ]
    if not await journal.remember(tx, replies):
        raise ScanIdTaken


def _answer(
    each: Scan,
    place: int,
    first_of: dict[UUID, int],
    replays: dict[UUID, Replay],
    answers: dict[UUID, Answer],
    group: Sequence[Scan],
) -> Answer:
    """A scan's own answer, or the first reply again, or a conflict."""
    replay = replays.get(each.scan_id)
    if replay is None:
        original = group[first_of[each.scan_id]]
        if first_of[each.scan_id] == place:
            return answers[each.scan_id]
        same = (original.body_hash, original.member) == (each.body_hash, each.member)
        answer = answers[each.scan_id]
    else:
        member_id = None if each.member is None else each.member[0]
        same = (replay.body_hash, replay.member_id) == (each.body_hash, member_id)
        answer = replay.reply
    if same:
        return answer
    return Conflict(f"The scan_id {each.scan_id} was used for another scan already: send a new one.", field="scan_id")
