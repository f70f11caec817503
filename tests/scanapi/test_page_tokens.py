"""Page tokens: bound to code, device and scan, good for five minutes, used once by whichever process."""

from __future__ import annotations

import secrets
from uuid import uuid4

import msgspec
import pytest

from kernel.crypto import Vault
from kernel.errors import Conflict
from scanapi import page_tokens
from scanapi.page_tokens import PageTokens
from scanapi.service import ScanService
from tests.world import World, regions
from traceability.ip import IpLocator
from traceability.scans import Outcome, ScanRequest

CODE, OTHER = "0" * 20, "1" * 20


@pytest.fixture
def tokens() -> PageTokens:
    return PageTokens(Vault([secrets.token_urlsafe(32)]))


def test_a_token_serves_its_code_its_device_and_its_scan(tokens: PageTokens) -> None:
    scan_id = uuid4()
    token = tokens.make(CODE, "phone", scan_id)
    assert tokens.judge(token, CODE, "phone", scan_id) == "good"
    assert tokens.judge(token, CODE, "phone", scan_id) == "good"  # a retry
    assert tokens.judge(token, CODE, "phone", uuid4()) == "reused"
    assert tokens.judge(token, OTHER, "phone", scan_id) == "wrong"
    assert tokens.judge(token, CODE, "tablet", scan_id) == "wrong"
    assert tokens.judge(token, CODE, "", scan_id) == "wrong"


@pytest.mark.parametrize("token", ["x", "a.b.c", "\0", "WyJ4Il0.x.y", "." * 400, "x" * 401, "é" * 50])
def test_what_is_no_token_is_wrong_and_none_is_missing(tokens: PageTokens, token: str) -> None:
    assert tokens.judge(token, CODE, "phone", uuid4()) == "wrong"
    assert tokens.judge(None, CODE, "phone", uuid4()) == "missing"
    assert tokens.judge("", CODE, "phone", uuid4()) == "missing"


def test_a_token_of_another_installation_or_of_another_kind_is_wrong(tokens: PageTokens) -> None:
    scan_id, foreign = uuid4(), Vault([secrets.token_urlsafe(32)])
    assert tokens.judge(PageTokens(foreign).make(CODE, "phone", scan_id), CODE, "phone", scan_id) == "wrong"
    for payload in ("text", ["one"], ["one", "two"], {"a": 1}, None, 7):
        signed = str(tokens._signer.dumps(payload))
        assert tokens.judge(signed, CODE, "phone", scan_id) == "wrong"
    longest = tokens.make(CODE, "x" * 200, scan_id)
    assert len(longest) < page_tokens.CHARS_MAX


def test_a_token_expires_after_five_minutes(tokens: PageTokens, monkeypatch: pytest.MonkeyPatch) -> None:
    import itsdangerous.timed

    scan_id, now = uuid4(), 1_800_000_000
    monkeypatch.setattr(itsdangerous.timed.time, "time", lambda: now)
    token = tokens.make(CODE, "phone", scan_id)
    for later, state in ((0, "good"), (300, "good"), (301, "wrong")):
        now = 1_800_000_000 + later
        assert tokens.judge(token, CODE, "phone", scan_id) == state


async def open_page(world: World, line: str, device: str, **more: object) -> ScanRequest:
    """The scan that a landing page's form sends."""
    look = await world.service.look(line, device_id=device, language="en")
    assert look.scan_id is not None
    return world.request(
        line, bearer=False, scan_id=look.scan_id, device_id=device, page_token=look.page_token, **more
    )  # fmt: skip


async def send(service: ScanService, request: ScanRequest) -> dict[str, object]:
    import json

    reply: dict[str, object] = json.loads(await service.submit(request))
    return reply


async def test_a_page_pays_once_and_a_retry_gets_the_same_reply(world: World) -> None:
    request = await open_page(world, world.lines[0], "phone")
    first = await send(world.service, request)
    assert (first["outcome"], first["findings"]) == (Outcome.AWARDED, [])
    assert await send(world.service, request) == first


async def test_a_page_s_token_with_another_scan_id_is_held_for_a_person_in_whichever_process(world: World) -> None:

    opened = world.opened
    other = ScanService(
        opened.db, opened.vault, regions=regions(), addresses=IpLocator(None, regions()), index=opened.index
    )
    await other.start()
    try:
        request = await open_page(world, world.lines[1], "phone", member=None)
        assert (await send(world.service, request))["findings"] == []
        again = msgspec.structs.replace(request, scan_id=uuid4(), member=(world.member_ids[1], world.brand.id))
        reply = await send(other, again)
        assert (reply["outcome"], reply["points"]) == (Outcome.HELD, 0)
        assert reply["findings"] == [{"rule": "page_token", "result": "reused"}]
        # the same scan id with another body, or by somebody else, is no second scan
        for change in ({"location": {"lat": 31.2, "lng": 121.5, "datum": "wgs84", "accuracy_m": 9, "source": "gps"}},
                       {"member": (world.member_ids[2], world.brand.id)}):  # fmt: skip
            with pytest.raises(Conflict):
                await other.submit(msgspec.structs.replace(request, **change))
    finally:
        await other.close()


async def test_foreign_and_expired_tokens_are_findings_and_no_buyer_pays_for_them(world: World) -> None:

    stolen = await open_page(world, world.lines[2], "somebody")
    for number, token in enumerate((stolen.page_token, "forged", None)):
        line = world.lines[3 + number]
        request = msgspec.structs.replace(stolen, code=line, scan_id=uuid4(), device_id="me", page_token=token)
        reply = await send(world.service, request)
        result = "missing" if token is None else "wrong"
        assert (reply["outcome"], reply["findings"]) == (
            Outcome.AWARDED, [{"rule": "page_token", "result": result}],
        )  # fmt: skip
