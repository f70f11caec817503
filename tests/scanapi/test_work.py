"""Proof of work: set, done, used once; asked of whoever is in doubt and of nobody else."""

from __future__ import annotations

import base64
import dataclasses
import json
import secrets
import time
from typing import Any
from uuid import UUID, uuid4

import httpx
import msgspec
import pytest

from codegen.scheme import CodeKey, Sealer
from kernel.crypto import Vault
from scanapi import work
from scanapi.limits import RATES, Limits
from scanapi.page_tokens import PageTokens
from scanapi.work import NUMBER_MAX, ProofWanted, Purpose, Work, solve
from tests.scanapi.test_api import serving
from tests.scanapi.test_limits import Clock
from tests.world import World
from traceability.scans import Outcome, ScanReply, ScanRequest

FORGER = Sealer(CodeKey(5, b"x" * 32))
PURPOSE = Purpose(UUID(int=7), "0" * 20, "phone")


@pytest.fixture
def setting() -> Work:
    return Work(Vault([secrets.token_urlsafe(32)]))


def changed(proof: str, **more: Any) -> str:
    return base64.b64encode(json.dumps({**json.loads(base64.b64decode(proof)), **more}).encode()).decode()


def test_work_that_was_done_is_taken_and_for_nothing_else(setting: Work) -> None:
    proof = solve(setting.challenge(PURPOSE))
    assert setting.is_done(proof, PURPOSE)
    assert setting.is_done(changed(proof, took=812), PURPOSE)
    for other in (
        dataclasses.replace(PURPOSE, scan_id=uuid4()), dataclasses.replace(PURPOSE, code="1" * 20),
        dataclasses.replace(PURPOSE, device_id="tablet"),
    ):  # fmt: skip
        assert not setting.is_done(proof, other)
    assert not Work(Vault([secrets.token_urlsafe(32)])).is_done(proof, PURPOSE)


def test_what_is_no_proof_is_refused_whatever_it_is(setting: Work) -> None:
    proof = solve(setting.challenge(PURPOSE))
    told = json.loads(base64.b64decode(proof))
    moved = told["salt"] + str(told["number"])[:1]  # a digit moved from the number into the salt
    for wrong in (
        None, "", "x", "é", "\0", "A" * 1_001, base64.b64encode(b"[]").decode(), base64.b64encode(b"{}").decode(),
        changed(proof, number=told["number"] + 1), changed(proof, number=-1), changed(proof, number=NUMBER_MAX + 1),
        changed(proof, number=1.5), changed(proof, number="1"), changed(proof, algorithm="SHA-1"),
        changed(proof, salt=moved, number=int(str(told["number"])[1:] or 0)), changed(proof, signature="x"),
        changed(proof, challenge="0" * 64), changed(proof, more=1), changed(proof, number=2**63),
    ):  # fmt: skip
        assert not setting.is_done(wrong, PURPOSE), wrong
    later = changed(proof, salt=told["salt"].replace("expires=", "expires=9"))
    assert not setting.is_done(later, PURPOSE)


def test_work_expires_after_five_minutes(setting: Work, monkeypatch: pytest.MonkeyPatch) -> None:
    began = time.time()
    proof = solve(setting.challenge(PURPOSE))
    monkeypatch.setattr(work.time, "time", lambda: began + work.LIFE_S - 1)
    assert setting.is_done(proof, PURPOSE)
    monkeypatch.setattr(work.time, "time", lambda: began + work.LIFE_S + 1)
    assert not setting.is_done(proof, PURPOSE)


async def make_doubtful(world: World, device: str, *, member: int | None = None) -> None:
    """Half of the wrong codes that a device may try."""
    world.service.limits = Limits(clock=Clock())
    for n in range(RATES["wrong", "device"].burst // 2):
        await world.scan(FORGER.seal(n), member=member, device_id=device)


async def wanted(world: World, request: ScanRequest) -> dict[str, Any]:
    with pytest.raises(ProofWanted) as raised:
        await world.service.submit(request)
    challenge: dict[str, Any] = raised.value.details["challenge"]  # type: ignore[assignment]
    return challenge


async def send(world: World, request: ScanRequest) -> ScanReply:
    return msgspec.json.decode(await world.service.submit(request), type=ScanReply)


async def test_a_device_in_doubt_works_for_its_reward_and_nobody_s_work_serves_twice(world: World) -> None:
    await make_doubtful(world, "phone", member=0)
    request = world.request(world.lines[0], device_id="phone")
    challenge = await wanted(world, request)
    proved = msgspec.structs.replace(request, proof=solve(challenge))
    assert (await send(world, proved)).outcome is Outcome.AWARDED
    assert (await send(world, proved)).outcome is Outcome.AWARDED  # the same scan again, the same reply
    for other in (
        msgspec.structs.replace(proved, scan_id=uuid4(), code=world.lines[1]),
        msgspec.structs.replace(proved, scan_id=uuid4()),
    ):
        await wanted(world, other)


async def test_whoever_cannot_work_is_told_what_the_code_is_and_a_person_looks_at_the_claim(world: World) -> None:
    await make_doubtful(world, "phone", member=0)
    request = world.request(world.lines[0], device_id="phone", without_proof=True)
    reply = await send(world, request)
    assert reply.outcome is Outcome.HELD
    assert "person" in reply.message or "looks at it" in reply.message
    assert [(each.rule, each.result) for each in reply.findings] == [("proof_of_work", "none")]
    anonymous = world.request(world.lines[1], member=None, device_id="phone", without_proof=True)
    assert (await send(world, anonymous)).outcome is Outcome.AUTHENTIC


async def test_an_honest_first_scan_is_never_asked_whatever_its_neighbours_do(world: World) -> None:
    world.service.limits = Limits(clock=Clock())
    address = "203.0.113.7"
    for n in range(RATES["wrong", "address"].burst):
        await world.scan(FORGER.seal(n), member=None, device_id=f"forger-{n}", address=address)
    for n in range(5):  # by the page, and by an app
        look = await world.service.look(world.lines[n], device_id=f"new-{n}", language="en", address=address)
        page = world.request(
            world.lines[n], member=n, bearer=False, scan_id=look.scan_id, page_token=look.page_token,
            device_id=f"new-{n}", address=address,
        )  # fmt: skip
        assert (await send(world, page)).outcome is Outcome.AWARDED
        app = world.request(world.lines[10 + n], member=n, device_id=f"app-{n}", address=address)
        assert (await send(world, app)).outcome is Outcome.AWARDED
    # whoever comes from there without a page of ours is asked
    await wanted(world, world.request(world.lines[20], member=None, device_id="bot", address=address))


async def test_scans_without_a_page_raise_doubt_by_and_by(world: World) -> None:
    world.service.limits = Limits(clock=Clock())
    burst = RATES["doubt", "device"].burst
    for n in range(burst):
        await world.scan(world.lines[n], member=None, device_id="bot")
    await wanted(world, world.request(world.lines[burst], member=None, device_id="bot"))
    await world.scan(world.lines[burst], member=None, device_id="another")


async def test_a_rate_that_no_person_has_holds_claims_and_refuses_none(world: World) -> None:
    world.service.limits = Limits(clock=Clock())
    burst = RATES["scan", "member"].burst
    for n in range(burst):
        assert (await world.scan(world.lines[n], member=1, device_id=None)).outcome is Outcome.AWARDED
    late = await world.scan(world.lines[burst], member=1, device_id="fresh")
    assert late.outcome is Outcome.HELD
    assert "many scans" in late.message
    assert [(each.rule, each.result) for each in late.findings] == [("velocity", "member")]
    assert (await world.scan(world.lines[burst + 1], member=2)).outcome is Outcome.AWARDED


async def test_a_program_is_given_the_challenge_as_a_problem_and_goes_on_with_the_proof(world: World) -> None:
    async with (
        serving(dataclasses.replace(world.opened.settings, limit_exempt=()), world.opened.url) as address,
        httpx.AsyncClient(base_url=address, timeout=30, trust_env=False) as client,
    ):
        for n in range(RATES["wrong", "device"].burst // 2 + 3):  # some time passes meanwhile
            forged = {"scan_id": str(uuid4()), "code": FORGER.seal(n), "device_id": "pda"}
            assert (await client.post("/api/v1/scans", json=forged)).json()["outcome"] == "forged"
        body = {"scan_id": str(uuid4()), "code": world.lines[0], "device_id": "pda"}
        asked = await client.post("/api/v1/scans", json=body)
        assert (asked.status_code, asked.headers["content-type"]) == (428, "application/problem+json")
        document = asked.json()
        assert (document["type"], document["code"]) == ("urn:yima:problem:proof_of_work", "proof_of_work")
        assert set(document["challenge"]) == {"algorithm", "challenge", "maxnumber", "salt", "signature"}
        proof = {"Yima-Proof": solve(document["challenge"])}
        done = await client.post("/api/v1/scans", json=body, headers=proof)
        assert (done.status_code, done.json()["outcome"]) == (200, "authentic")
        again = await client.post("/api/v1/scans", json=body | {"scan_id": str(uuid4())}, headers=proof)
        assert again.status_code == 428


def test_page_tokens_and_work_do_not_stand_in_for_each_other() -> None:
    vault = Vault([secrets.token_urlsafe(32)])
    token = PageTokens(vault).make(PURPOSE.code, PURPOSE.device_id, PURPOSE.scan_id)
    assert not Work(vault).is_done(token, PURPOSE)
