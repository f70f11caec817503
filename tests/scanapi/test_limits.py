"""Limits of guessing: the arithmetic, the memory it takes, and what a scan is told."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codegen.scheme import CodeKey, Sealer
from kernel.rates import Rate, Table, advance, wait_s
from scanapi.limits import RATES, Limits, TooManyCodes, networks_of, parse_rates
from scanapi.work import ProofWanted
from tests.world import World
from traceability.scans import Outcome


class Clock:
    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


@given(burst=st.integers(1, 50), every_s=st.floats(0.01, 100), gaps=st.lists(st.floats(0, 50), max_size=200))
def test_never_more_than_the_burst_and_what_the_time_allows(burst: int, every_s: float, gaps: list[float]) -> None:
    rate, due, now, taken = Rate(burst, every_s), None, 0.0, 0
    for gap in gaps:
        now += gap
        if wait_s(due, now, rate) == 0:
            due, taken = advance(due, now, rate), taken + 1
        assert taken <= burst + now / every_s + 1e-6


@given(burst=st.integers(1, 50), every_s=st.floats(0.01, 100))
def test_a_burst_passes_whole_and_the_next_one_after_its_time(burst: int, every_s: float) -> None:
    rate, due = Rate(burst, every_s), None
    for _ in range(burst):
        assert wait_s(due, 5.0, rate) == 0
        due = advance(due, 5.0, rate)
    wait = wait_s(due, 5.0, rate)
    assert wait == pytest.approx(every_s, rel=1e-6, abs=1e-6)
    assert wait_s(due, 5.0 + wait + 1e-6, rate) == 0


@pytest.mark.parametrize(("burst", "every_s"), [(0, 1.0), (1, 0.0), (1, float("nan"))])
def test_a_rate_out_of_bounds_is_refused(burst: int, every_s: float) -> None:
    with pytest.raises(ValueError, match="a rate has"):
        Rate(burst, every_s)


def test_a_table_keeps_no_more_keys_than_it_may_and_forgets_the_oldest_first() -> None:
    table = Table(Rate(1, 60.0), keys_max=3)
    for key in (b"a", b"b", b"c", b"a", b"d"):
        table.take(key, 0.0)
    assert len(table) == 3
    assert [table.wait_s(key.encode(), 0.0) > 0 for key in "abcd"] == [True, False, True, True]


def test_a_flood_locks_nobody_out_for_longer_than_a_burst_takes() -> None:
    table = Table(Rate(3, 10.0), keys_max=10)
    for _ in range(1_000):
        table.take(b"a", 0.0)
    assert table.wait_s(b"a", 0.0) <= 10.0 + 1e-6


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("203.0.113.1", "203.0.113.254", True),
        ("203.0.113.1", "203.0.114.1", False),
        ("2001:db8::1", "2001:db8::ffff:1", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("::ffff:203.0.113.1", "203.0.113.9", True),
        ("", None, True),
    ],
)
def test_limits_hold_for_networks(one: str, other: str | None, same: bool) -> None:
    assert (dict(networks_of(one) or ())["network"] == dict(networks_of(other) or ())["network"]) is same


def test_an_address_of_ipv4_is_limited_for_itself_too() -> None:
    assert networks_of("203.0.113.7") == (("address", "203.0.113.7/32"), ("network", "203.0.113.0/24"))
    assert networks_of("2001:db8:1:2::7") == (("network", "2001:db8:1:2::/64"), ("site", "2001:db8:1::/48"))


def test_an_exempt_network_is_never_limited() -> None:
    limits = Limits((ipaddress.ip_network("203.0.113.0/24"),), clock=Clock())
    for _ in range(1_000):
        limits.charge("wrong", "203.0.113.7", b"device")
        limits.charge("wrong", "::ffff:203.0.113.7", None)


def test_a_network_and_a_device_are_limited_each_for_itself_and_told_when_to_come_back() -> None:
    clock = Clock()
    limits = Limits(clock=clock)
    network, device = RATES["wrong", "network"], RATES["wrong", "device"]
    for _ in range(device.burst):
        limits.charge("wrong", "203.0.113.7", b"one")
    with pytest.raises(TooManyCodes) as raised:
        limits.charge("wrong", "198.51.100.7", b"one")
    assert raised.value.details["retry_after_s"] == device.every_s
    for n in range(network.burst - device.burst):
        limits.charge("wrong", f"203.0.113.{100 + n}", None)
    with pytest.raises(TooManyCodes):
        limits.charge("wrong", "203.0.113.9", b"another")
    limits.charge("wrong", "198.51.100.7", b"another")
    clock.now += device.every_s
    limits.charge("wrong", "198.51.100.7", b"one")


def test_the_networks_of_one_ipv6_site_are_limited_together_too() -> None:
    limits = Limits(clock=Clock())
    site = RATES["unsigned", "site"]
    for n in range(site.burst):
        limits.charge("unsigned", f"2001:db8:7:{n:x}::1", None)
    with pytest.raises(TooManyCodes):
        limits.charge("unsigned", "2001:db8:7:ffff::1", None)
    limits.charge("unsigned", "2001:db8:8::1", None)
    limits.charge("unsigned", "::ffff:203.0.113.7", None)


def test_what_limits_remember_is_bounded() -> None:
    limits = Limits(keys_max=10, clock=Clock())
    for n in range(1_000):
        limits.charge("unsigned", f"10.{n // 250}.{n % 250}.1", str(n).encode())
    assert {name: len(table) for name, table in limits.tables.items() if len(table)} == {
        "unsigned.device": 10, "unsigned.address": 10, "unsigned.network": 10,
    }  # fmt: skip
    assert all(len(table.hand_out(1_000)) <= 10 for table in limits.tables.values())


def test_a_member_is_limited_whatever_device_and_network_the_requests_name() -> None:
    limits = Limits(clock=Clock())
    for n in range(RATES["wrong", "member"].burst):
        limits.charge("wrong", f"198.51.{n}.7", str(n).encode(), 7)
    with pytest.raises(TooManyCodes):
        limits.charge("wrong", "203.0.113.7", b"fresh", 7)
    limits.charge("wrong", "203.0.113.7", b"fresh", 8)


def test_a_rate_of_scans_refuses_nobody_and_names_whose_it_is() -> None:
    limits, rate = Limits(clock=Clock()), RATES["scan", "member"]
    assert {limits.scanned("203.0.113.7", None, 7) for _ in range(rate.burst)} == {None}
    assert limits.scanned("203.0.113.7", b"fresh", 7) == "member"
    for _ in range(rate.burst):
        assert limits.scanned("203.0.113.7", b"one", None) is None
    assert limits.scanned("203.0.113.7", b"one", None) == "device"


def test_a_town_behind_one_address_scans_as_fast_as_it_likes() -> None:
    limits = Limits(clock=Clock())
    for n in range(20_000):
        assert limits.scanned("203.0.113.7", str(n).encode(), n) is None


def test_an_operator_may_change_rates_and_wrong_ones_are_named() -> None:
    rates = parse_rates("scan.member=120/30, wrong.network=600/0.2")
    assert rates["scan", "member"] == Rate(120, 30.0)
    assert rates["wrong", "network"] == Rate(600, 0.2)
    assert rates["wrong", "device"] == RATES["wrong", "device"]
    assert parse_rates("") == RATES
    for wrong, why in [
        ("scan.member", "is no KIND.SCOPE"), ("scan.member=0/3", "burst of at least 1"), ("scan.member=3/0", "above 0"),
        ("scan.town=3/1", "there is no rate scan.town"), ("scan.member=1234567/1", "is no KIND"),
    ]:  # fmt: skip
        with pytest.raises(ValueError, match=why):
            parse_rates(wrong)


async def test_forged_codes_over_the_limit_are_turned_away_without_a_statement_and_good_ones_are_not(
    world: World,
) -> None:
    forger = Sealer(CodeKey(5, b"x" * 32))
    burst = RATES["wrong", "device"].burst
    world.service.limits = Limits(clock=Clock())  # no time passes, however slow the machine is
    await world.hold_still()
    before = world.opened.db.statements
    for serial in range(burst):
        assert (await world.scan(forger.seal(serial))).outcome is Outcome.FORGED
    with pytest.raises(TooManyCodes, match="please try again in") as raised:
        await world.scan(forger.seal(burst))
    assert raised.value.status == 429
    with pytest.raises(TooManyCodes):
        await world.service.look(forger.seal(burst), device_id="device-0", language="en", address="127.0.0.1")
    assert world.opened.db.statements == before
    assert (await world.scan("TOO SHORT")).outcome is Outcome.MALFORMED
    # the codes of a key of ours are never refused; whoever forged so many does some work for a reward
    assert (await world.scan(world.lines[0], member=1)).outcome is Outcome.AWARDED
    with pytest.raises(ProofWanted):
        await world.scan(world.lines[1])
    assert (await world.service.look(world.lines[1], device_id="device-0", language="en")).kind == "first"
    await world.service.counters.flush()
    async with world.opened.db.transaction() as tx:
        from sqlalchemy import text

        counted = await tx.execute(text("SELECT sum(count) FROM refused_count WHERE outcome = 'forged'"))
        assert counted.scalar_one() == burst + 1


async def test_a_mistyped_symbol_and_a_forgery_get_the_same_reply(world: World) -> None:
    code = world.lines[0].rsplit("/", 1)[1]
    mistyped = code[:9] + ("0" if code[9] != "0" else "1") + code[10:]
    first = await world.scan(mistyped)
    for other in (Sealer(CodeKey(5, b"x" * 32)).seal(7), "0" * 20, code[::-1]):
        assert await world.scan(other, scan_id=first.scan_id) == first
    looks = [await world.service.look(each, device_id="d", language="zh") for each in (mistyped, "0" * 20)]
    assert {(look.kind, look.message, look.page_token, look.brand) for look in looks} == {
        ("forged", looks[0].message, "", "")
    }
