"""What is recorded of a scan, in words: outcomes, findings, places, times. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from kernel.errors import NotFound
from traceability.regions import Regions
from web.console.query import CHINA
from web.console.texts import TEXTS, say
from web.texts import Language

TONES: Final = {
    "awarded": "good", "posted": "good", "won": "good", "fulfilled": "good", "active": "good", "activated": "good",
    "held": "wait", "inactive": "wait", "taken": "wait", "pending": "wait", "frozen": "wait",
    "refused": "bad", "voided": "bad", "forged": "bad", "blocked": "bad", "void": "bad", "recalled": "bad",
    "forfeited": "bad",
}  # fmt: skip
"""The badge of a word; what is not here is plain."""

DEVICE_SHOWN: Final = 6

FINDING_TONES: Final = {
    "impossible_travel": "bad", "block_list": "bad", "velocity": "wait", "proof_of_work": "wait",
    "page_token/reused": "bad", "leaked_key": "bad", "canary": "bad", "blocked_member": "bad",
    "outside_territory/outside": "bad",
    "outside_territory/inside": "plain", "early_scan": "wait", "page_token": "wait",
}  # fmt: skip


def tone(word: str) -> str:
    """The tone of a state or an outcome."""
    return TONES.get(word, "plain")


def stamp(at: datetime | None) -> str:
    """A moment in China to the second, the same in both languages."""
    return "" if at is None else f"{at.astimezone(CHINA):%Y-%m-%d %H:%M:%S}"


def device(tag: bytes | None) -> str:
    """A device as a short blind tag: equal for equal devices, and no way back to one."""
    return "" if tag is None else bytes(tag).hex()[:DEVICE_SHOWN]


def finding(found: Mapping[str, Any], language: Language) -> str:
    """What a rule saw, in a sentence."""
    key = f"scans.saw.{found['rule']}.{found['result']}"
    if key not in TEXTS:
        return say("scans.saw.other", language, rule=found["rule"], result=found["result"])
    values = {"km": "?", "minutes": "?", "package": "?"} | dict(found)
    if isinstance(values["km"], int):
        values["km"] = f"{values['km']:,}"
    if isinstance(values["minutes"], (int, float)) and values["minutes"] < 1:
        values["minutes"] = say("scans.saw.minutes", language)
    return say(key, language, **values)


def finding_name(found: Mapping[str, Any], language: Language) -> str:
    """A finding as a short badge; empty for one that is no news (goods inside their territory)."""
    key = f"scans.saw.short.{found['rule']}.{found['result']}"
    return say(key, language) if key in TEXTS else ""


def finding_tone(found: Mapping[str, Any]) -> str:
    """The tone of a finding's badge."""
    return FINDING_TONES.get(f"{found['rule']}/{found['result']}", FINDING_TONES.get(found["rule"], "plain"))


def reason(word: str, language: Language) -> str:
    """Why a scan or a claim ended as it did."""
    key = f"scans.reason.{word}"
    return say(key, language) if key in TEXTS else word


def region_name(adcode: int | None, regions: Regions, language: Language) -> str:
    """Province, city and district; English names exist for provinces only. An unknown number is shown as one."""
    if adcode is None:
        return ""
    try:
        region = regions.region(adcode)
    except NotFound:
        return str(adcode)
    whole = (each for each in (region.province, region.city, region) if each is not None)
    names = ((language == "en" and each.name_en) or each.name_zh for each in whole)
    return " ".join(dict.fromkeys(names))


def place(line: Any, regions: Regions, language: Language) -> str:  # noqa: ANN401 (any row of scans)
    """Where a scan was: by its precise place, else by its network's province, which is said."""
    if line.adcode is not None:
        return region_name(line.adcode, regions, language)
    if line.cell is not None:
        return say("scans.place.abroad", language)
    if line.ip_province is not None:
        return say("scans.place.ip", language, region=region_name(line.ip_province, regions, language))
    return ""


def public(public_id: str, *, whole: bool) -> str:
    """A member's public id, or its first symbols for those who may not see members."""
    return public_id if whole else f"{public_id[:3]}…"
