"""What is told of a scan, and what is written of it: the reply and the journal row."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

from campaigns.awards import Award
from scanapi import sentences
from scanapi.group import Home, Known, Result, Scan
from scanapi.sentences import Language
from traceability.journal import AnsweredRow
from traceability.regions import Regions
from traceability.scans import FindingShown, Outcome, PrizeShown, ScanReply, UnitShown
from traceability.units import UnitState


def report(each: Scan, result: Result, known: Known) -> AnsweredRow:
    """The reply and the journal row; the unit's state in memory takes the scan in."""
    home = known.homes.get(each.scan_id)
    if home is None:
        brand_id = known.issued[each.code.position].brand_id
        reply = ScanReply(each.scan_id, Outcome.FORGED, sentences.tell("forged", each.language))
        return _row(each, result, known.at, reply, brand_id=brand_id, home=None, dealer_id=None, first=False)
    issued, unit = home.issued, known.units[home.unit_id]
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
    dealer_id = known.dealers.get(unit.id)
    return _row(
        each, result, known.at, reply, brand_id=issued.brand_id, home=home, dealer_id=dealer_id, first=before == 0
    )


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


def _row(
    each: Scan,
    result: Result,
    at: datetime,
    reply: ScanReply,
    *,
    brand_id: int,
    home: Home | None,
    dealer_id: int | None,
    first: bool,
) -> AnsweredRow:
    findings = () if result.verdict is None else result.verdict.findings
    told: list[dict[str, Any]] = [{"rule": f.rule, "result": f.result, **f.details} for f in findings]
    issued = None if home is None else home.issued
    if issued is not None and issued.canary is not None:
        # in the journal only: whoever scans a canary must not learn that it is one
        told.append({"rule": "canary", "result": "leaked", "package": issued.canary})
    return AnsweredRow(
        at=at,
        scan_id=each.scan_id,
        brand_id=brand_id,
        unit_id=each.code.unit_id if home is None else home.unit_id,
        side=each.code.side if home is None else home.side,
        batch_id=None if issued is None else issued.home_batch_id or issued.batch_id,
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
        findings=told,
        points=0 if result.award is None else result.award.points,
        dealer_id=dealer_id,
        first=first,
        body_hash=each.body_hash,
        reply=msgspec.json.encode(reply),
    )
