"""Block lists in memory: what a scan meets. Pure."""

from __future__ import annotations

import ipaddress
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from antifraud.blocklist import KINDS, BlockList, Entry, Kind, Sender
from antifraud.rules import Decision, judge
from tests.antifraud.test_rules import CALM

NOON = datetime(2026, 5, 3, 12, tzinfo=UTC)
LATER = NOON + timedelta(days=1)
SENDER = Sender(5, b"\x01" * 16, "203.0.113.7")
KEYS: dict[Kind, str] = {"unit": "7", "batch": "9", "member": "5", "device": "01" * 16, "network": "203.0.113.0/24"}


def meet(
    *entries: Entry, brand: int = 1, unit: int = 7, batch: int | None = 9, sender: Sender = SENDER, at: datetime = NOON
) -> Entry | None:
    return BlockList(entries).find(brand, unit_id=unit, batch_id=batch, sender=sender, at=at)


def entry(kind: Kind, key: str = "", *, brand: int = 1, until: datetime = LATER) -> Entry:
    return Entry(brand, kind, key or KEYS[kind], "abuse", until)


@pytest.mark.parametrize("kind", KINDS)
def test_a_scan_meets_what_is_blocked_and_nothing_else(kind: Kind) -> None:
    one = entry(kind)
    others = {"unit": {"unit": 8}, "batch": {"batch": None}, "member": {"sender": replace(SENDER, member_id=None)},
              "device": {"sender": replace(SENDER, device=b"\x02" * 16)},
              "network": {"sender": replace(SENDER, address="203.0.114.7")}}  # fmt: skip
    assert meet(one) == one
    assert meet(one, **others[kind]) is None  # type: ignore[arg-type]
    assert meet(one, brand=2) is None
    assert meet() is None


@pytest.mark.parametrize("kind", KINDS)
def test_a_block_stops_by_itself_at_its_end(kind: Kind) -> None:
    one = entry(kind)
    assert meet(one, at=LATER - timedelta(microseconds=1)) == one
    assert meet(one, at=LATER) is None


def test_the_most_particular_block_is_told() -> None:
    everything = [entry(kind) for kind in reversed(KINDS)]
    for kind in KINDS:
        found = meet(*everything)
        assert found is not None
        assert found.kind == kind
        everything = [each for each in everything if each.kind != kind]


@pytest.mark.parametrize(
    ("network", "address", "met"),
    [
        ("203.0.113.7/32", "203.0.113.7", True), ("203.0.113.7/32", "203.0.113.8", False),
        ("203.0.112.0/23", "203.0.113.255", True), ("203.0.0.0/16", "203.1.0.0", False),
        ("2001:db8::/48", "2001:db8:0:ffff::1", True), ("2001:db8::/48", "2001:db8:1::1", False),
        ("203.0.113.0/24", "::ffff:203.0.113.7", True), ("203.0.113.0/24", None, False),
        ("203.0.113.0/24", "unix", False), ("2001:db8::/48", "203.0.113.7", False),
    ],
)  # fmt: skip
def test_networks_hold_the_addresses_that_lie_in_them(network: str, address: str | None, *, met: bool) -> None:
    found = meet(entry("network", network), sender=replace(SENDER, address=address))
    assert (found is not None) is met


@given(
    networks=st.lists(st.tuples(st.integers(0, 2**32 - 1), st.integers(16, 32)), max_size=30),
    address=st.integers(0, 2**32 - 1),
    near=st.booleans(),
)
def test_a_list_of_networks_answers_as_the_networks_do(
    networks: list[tuple[int, int]], address: int, *, near: bool
) -> None:
    made = [ipaddress.ip_network((number, bits), strict=False) for number, bits in networks]
    if near and made:
        address = int(made[0].network_address) + address % made[0].num_addresses
    asked = ipaddress.ip_address(address)
    found = meet(*(entry("network", str(each)) for each in made), sender=Sender(None, None, str(asked)))
    assert (found is not None) is any(asked in each for each in made)


@pytest.mark.parametrize(
    ("kind", "decision"), [(k, Decision.HOLD if k == "network" else Decision.REFUSE) for k in KINDS]
)
def test_a_block_refuses_a_claim_and_a_network_s_only_holds_it(kind: Kind, decision: Decision) -> None:
    verdict = judge(msgspec.structs.replace(CALM, blocked=entry(kind)))
    assert (verdict.decision, verdict.reason) == (decision, "block_list")
    assert (verdict.findings[0].result, verdict.findings[0].details) == (kind, {"why": "abuse"})


def test_haste_an_old_page_and_missing_work_hold_a_claim_and_refuse_nobody() -> None:
    for facts, rule, result in (
        (msgspec.structs.replace(CALM, haste="member"), "velocity", "member"),
        (msgspec.structs.replace(CALM, page="reused"), "page_token", "reused"),
        (msgspec.structs.replace(CALM, unproved=True), "proof_of_work", "none"),
    ):
        verdict = judge(facts)
        assert (verdict.decision, verdict.reason, verdict.findings[0].result) == (Decision.HOLD, rule, result)
    for page in ("missing", "wrong"):
        assert judge(msgspec.structs.replace(CALM, page=page)).decision is Decision.ALLOW
