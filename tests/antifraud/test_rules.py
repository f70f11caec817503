"""Inline rules: from facts to a verdict. Pure."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from antifraud.rules import Decision, Facts, Fix, judge

NOON = datetime(2026, 5, 3, 12, tzinfo=UTC)
CALM = Facts(
    at=NOON, active=True, member_state="active", fix=None, previous=None, travelled_m=None,
    territory=None, territory_km=None, page="app",
)  # fmt: skip


def _travel(km: float, minutes: float, *, accuracy_m: float = 10.0, device: bytes = b"b") -> Facts:
    return replace(
        CALM,
        fix=Fix(NOON, device, accuracy_m),
        previous=Fix(NOON - timedelta(minutes=minutes), b"a", accuracy_m),
        travelled_m=km * 1000,
    )


def test_a_calm_scan_has_no_finding_and_is_allowed() -> None:
    verdict = judge(CALM)
    assert (verdict.decision, verdict.reason, verdict.findings) == (Decision.ALLOW, None, ())


def test_two_devices_a_thousand_kilometres_apart_within_ten_minutes_hold_the_claim() -> None:
    verdict = judge(_travel(1000, 10))
    assert (verdict.decision, verdict.reason) == (Decision.HOLD, "impossible_travel")
    assert verdict.findings[0].details["km"] == 1000


@pytest.mark.parametrize(
    ("km", "minutes", "held"),
    [
        (299, 1, False),  # too near to accuse anybody
        (301, 1, True),
        (899, 60, False),  # an airliner
        (920, 60, True),
        (5000, 24 * 60, False),
    ],
)
def test_the_limits_of_impossible_travel(km: float, minutes: float, held: bool) -> None:
    assert (judge(_travel(km, minutes)).decision is Decision.HOLD) == held


def test_accuracy_radii_count_in_the_travellers_favour() -> None:
    assert judge(_travel(400, 1, accuracy_m=60_000)).decision is Decision.ALLOW


def test_one_device_may_be_anywhere() -> None:
    assert judge(_travel(5000, 1, device=b"a")).decision is Decision.ALLOW


def test_without_two_precise_places_nothing_is_said_of_travel() -> None:
    assert judge(replace(_travel(5000, 1), fix=None)).findings == ()
    assert judge(replace(_travel(5000, 1), previous=None)).findings == ()


@given(
    territory=st.sampled_from(["inside", "outside", "undetermined", None]),
    active=st.booleans(),
    page=st.sampled_from(["app", "good", "missing", "wrong"]),
)
def test_a_buyer_never_pays_for_diversion_a_late_activation_or_a_missing_page(
    territory: str | None, active: bool, page: str
) -> None:
    verdict = judge(replace(CALM, territory=territory, active=active, page=page))  # type: ignore[arg-type]
    assert verdict.decision is Decision.ALLOW
    told = {finding.rule: finding.result for finding in verdict.findings}
    assert told.get("outside_territory") == territory
    assert ("early_scan" in told) == (not active)
    assert ("page_token" in told) == (page in ("missing", "wrong"))


def test_a_blocked_member_is_refused_whatever_else_was_seen() -> None:
    verdict = judge(replace(_travel(1000, 10), member_state="blocked"))
    assert (verdict.decision, verdict.reason) == (Decision.REFUSE, "blocked_member")
    assert len(verdict.findings) == 2
