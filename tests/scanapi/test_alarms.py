"""Alarms of codes being tried: at the threshold, once a window, right across processes, with masked samples."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text

from antifraud import alarms
from antifraud.alarms import SAMPLES_MAX, SUBJECTS_MAX, THRESHOLDS, WINDOW_S, Alarm
from codegen.scheme import CodeKey, Sealer
from kernel.errors import NotFound
from scanapi import watch
from scanapi.counters import Counters
from scanapi.limits import Limits
from tests.world import World
from traceability import catalogue
from yima import metrics

FORGER = Sealer(CodeKey(1_000, b"x" * 32))
NOON = datetime(2026, 5, 3, 12, tzinfo=UTC)


@pytest.fixture(autouse=True)
def noon(monkeypatch: pytest.MonkeyPatch) -> list[datetime]:
    """The clock of the watch, which stands still."""
    clock = [NOON]
    monkeypatch.setattr(watch, "now", lambda: clock[0])
    return clock


async def stored(world: World, **more: Any) -> list[Alarm]:
    async with world.opened.db.transaction() as tx:
        return await alarms.list_of(tx, **{"brand_id": None, "everybody": True} | more)


def own_key(world: World) -> int:
    return next(iter(world.service.keys.states))


def try_codes(counters: Counters, count: int, *, key_id: int = 1_000, device: bytes | None = b"d" * 16) -> None:
    for n in range(count):
        counters.refuse("forged", key_id, FORGER.seal(n), device, "203.0.113.0/24")


async def test_an_alarm_is_made_at_the_threshold_and_not_below(world: World) -> None:
    await world.hold_still()
    counters = world.service.counters
    try_codes(counters, THRESHOLDS["device"] - 1)
    await counters.flush()
    assert await stored(world) == []
    try_codes(counters, 1)
    await counters.flush()
    [alarm] = await stored(world)
    assert (alarm.brand_id, alarm.at) == (None, NOON)
    assert alarm.subjects == [{"by": "device", "subject": (b"d" * 16).hex(), "count": THRESHOLDS["device"]}]
    assert len(alarm.samples) == SAMPLES_MAX
    for sample in alarm.samples:
        assert sample["masked"].startswith("20:")
        assert len(sample["masked"]) == len("20:ABCD…")
        assert sample["network"] == "203.0.113.0/24"


async def test_a_window_has_one_alarm_however_many_senders_and_tries(world: World, noon: list[datetime]) -> None:
    await world.hold_still()
    counters = world.service.counters
    for n in range(SUBJECTS_MAX + 3):
        try_codes(counters, 2 * THRESHOLDS["device"], device=n.to_bytes(16))
        await counters.flush()
    [alarm] = await stored(world)
    assert len(alarm.subjects) == SUBJECTS_MAX
    assert {each["by"] for each in alarm.subjects} == {"device", "network", "key"}
    noon[0] += timedelta(seconds=WINDOW_S - 1)
    try_codes(counters, THRESHOLDS["device"])
    await counters.flush()
    assert len(await stored(world)) == 1
    noon[0] += timedelta(seconds=1)
    try_codes(counters, THRESHOLDS["device"])
    await counters.flush()
    assert [each.at for each in await stored(world)] == [NOON + timedelta(seconds=WINDOW_S), NOON]


async def test_processes_count_together_and_one_of_them_makes_the_alarm(world: World) -> None:
    await world.hold_still()
    processes = [Counters(world.opened.db) for _ in range(4)]
    for each in processes:
        try_codes(each, THRESHOLDS["device"] // 4)
    await asyncio.gather(*(each.flush() for each in processes))
    [alarm] = await stored(world)
    assert alarm.subjects[0]["count"] == THRESHOLDS["device"]
    for each in processes:
        try_codes(each, THRESHOLDS["device"])
    await asyncio.gather(*(each.flush() for each in processes))
    assert await stored(world) == [alarm]


async def test_what_could_not_be_written_is_counted_with_the_next_second(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await world.hold_still()
    counters = world.service.counters
    try_codes(counters, THRESHOLDS["device"])

    async def fail(*_: object) -> list[object]:
        raise ConnectionError("away")

    with monkeypatch.context() as broken:
        broken.setattr(alarms, "count", fail)
        with pytest.raises(ConnectionError):
            await counters.flush()
    await counters.flush()
    [alarm] = await stored(world)
    assert alarm.subjects[0]["count"] == THRESHOLDS["device"]


async def test_codes_that_name_a_brand_s_key_are_that_brand_s_alarm(world: World) -> None:
    await world.hold_still()
    try_codes(world.service.counters, THRESHOLDS["key"], key_id=own_key(world), device=None)
    await world.service.counters.flush()
    [alarm] = await stored(world, brand_id=world.brand.id, everybody=False)
    assert alarm.brand == "tea"
    assert {each["by"] for each in alarm.subjects} == {"key", "network"}
    assert await stored(world, brand_id=None, everybody=False) == []


async def test_signed_codes_that_were_never_issued_raise_it_sooner(world: World) -> None:
    key_id = own_key(world)
    sealer = world.service.keys.ring[key_id]
    world.service.limits = Limits()
    for n in range(THRESHOLDS["unissued"]):
        code = sealer.seal((1 << 34) + n)
        if n % 2:
            assert (await world.scan(code, member=None)).outcome == "forged"
        else:
            assert (await world.service.look(code, device_id="d", language="en")).kind == "forged"
    await world.service.counters.flush()
    [alarm] = await stored(world)
    assert (alarm.brand, alarm.subjects[0]["by"], alarm.subjects[0]["subject"]) == ("tea", "unissued", str(key_id))


async def test_forged_codes_are_watched_whether_they_are_scanned_or_looked_at_or_over_the_limit(world: World) -> None:
    from scanapi.limits import TooManyCodes

    await world.hold_still()
    refused = 0
    for n in range(THRESHOLDS["device"]):
        try:
            if n % 2:
                await world.service.look(FORGER.seal(n), device_id="d", language="en", address="203.0.113.7")
            else:
                await world.scan(FORGER.seal(n), member=None, device_id="d", address="203.0.113.7")
        except TooManyCodes:
            refused += 1
    assert refused > 0
    await world.service.counters.flush()
    [alarm] = await stored(world)
    assert alarm.subjects[0]["by"] == "device"


async def test_what_is_watched_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "SUBJECTS_MAX", 10)
    watching = watch.Watch()
    for n in range(100):
        watching.note("20:AB…", key_id=None, device=n.to_bytes(16), network=None)
    assert len(watching.hand_out()) == 10


async def test_an_alarm_is_looked_at_once_and_by_nobody_of_another_brand(world: World) -> None:
    await world.hold_still()
    try_codes(world.service.counters, THRESHOLDS["key"], key_id=own_key(world))
    await world.service.counters.flush()
    [alarm] = await stored(world)
    async with world.opened.db.transaction() as tx:
        assert (await metrics.ask(tx)).alarms == {"brand": 1, "operator": 0}
        other = await catalogue.create_brand(
            tx, slug="wine", name="酒", name_en="Wine", company_prefix="6905678", actor="test"
        )
        for brand_id in (other.id, None):
            with pytest.raises(NotFound):
                await alarms.see(tx, alarm.id, brand_id=brand_id, actor="x")
        seen = await alarms.see(tx, alarm.id, brand_id=world.brand.id, actor="first")
        assert await alarms.see(tx, alarm.id, brand_id=world.brand.id, actor="second") == seen
        rows = await tx.execute(text("SELECT actor, subject FROM audit_trail WHERE action = 'alarm.seen'"))
        assert [tuple(row) for row in rows] == [("first", f"alarm {alarm.id}")]
        assert (await metrics.ask(tx)).alarms == {"brand": 0, "operator": 0}
    assert await stored(world) == []
    assert [each.seen_by for each in await stored(world, past=True)] == ["first"]
    async with world.opened.db.transaction() as tx:
        await tx.execute(text("UPDATE alarm SET at = now() - interval '181 days'"))
        await tx.execute(text("UPDATE refused_window SET at = now() - interval '2 days'"))
        await alarms.prune(tx)
        assert (await tx.execute(text("SELECT count(*) FROM refused_window"))).scalar_one() == 0
    assert await stored(world, past=True) == []
