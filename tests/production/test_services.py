"""Production, natively: what the containers would run, killed one by one while people scan."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import secrets
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import cycle
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.engine import Engine, make_url

from kernel import postgres
from members.tokens import Tokens
from tests.production.services import Installation, Rabbit, caddy, gateway, roles, wait_until
from tests.world import GTIN, World
from tests.yima.conftest import Home, free_port
from tests.yima.test_brokers import redis
from yima import migrate, runtime
from yima import settings as settings_module

SCANS = 240
PHONES = 8
PARKED = 6


@dataclass(frozen=True, slots=True)
class Brand:
    """What there is to scan, and who scans."""

    batch: str
    lines: list[str]
    later: str
    later_lines: list[str]
    tokens: list[str]
    members: list[str]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Installation, Brand, Engine]]:
    folder = tmp_path_factory.mktemp("production")
    home = Home(folder / "home")
    with contextlib.ExitStack() as stack:
        attachment = stack.enter_context(postgres.attach(folder / "database"))
        (folder / "redis").mkdir()
        cache = stack.enter_context(redis(folder / "redis"))
        sms = stack.enter_context(gateway())
        rabbit = Rabbit(folder / "rabbitmq")
        stack.callback(rabbit.close)
        rabbit.start()
        secrets_of = {"SECRET_KEYS": secrets.token_hex(20), "DATABASE_URL": attachment.endpoint.url("asyncpg"),
                      "BROKER_URL": rabbit.url, "REDIS_URL": cache, "SMS_SECRET": sms.secret}  # fmt: skip
        environment = home.environment(
            YIMA_ENV="production", YIMA_TRUSTED_PROXIES="127.0.0.1", YIMA_SMS_URL=sms.url, YIMA_LOG_REQUESTS="all"
        )
        for name, value in secrets_of.items():
            path = folder / name.lower()
            path.write_text(value + "\n")
            path.chmod(0o600)
            environment[f"YIMA_{name}_FILE"] = str(path)
        url = attachment.endpoint.url("psycopg")
        migrate.upgrade(url)
        brand = asyncio.run(_make_brand(environment, attachment.endpoint.url("asyncpg"), folder))
        ports = free_port(), free_port()
        found = Installation(home, environment, ports, free_port(), sms, rabbit)
        services = [*roles(folder, environment, ports),
                    caddy(folder, found.proxy_port, [f"127.0.0.1:{port}" for port in ports])]  # fmt: skip
        for service in services:
            found.services[service.name] = service
            stack.callback(service.kill)
            service.start()
        for number in (0, 1):
            wait_until(lambda number=number: found.is_ready(number), "ready")  # type: ignore[misc]
        wait_until(lambda: _answers(found.address), "the proxy answers")
        engine = create_engine(make_url(url))
        stack.callback(engine.dispose)
        wait_until(lambda: _living(engine) == {"beat", "worker", "long worker"}, "everybody shows life")
        yield found, brand, engine


def _answers(address: str) -> bool:
    try:
        return httpx.get(f"{address}/health", timeout=5, trust_env=False).status_code == 200
    except httpx.TransportError:
        return False


def _living(engine: Engine) -> set[str]:
    with engine.connect() as look:
        return set(look.execute(text("SELECT process FROM heartbeat")).scalars())


async def _make_brand(environment: dict[str, str], url: str, folder: Path) -> Brand:
    settings = settings_module.load(environment)
    async with contextlib.AsyncExitStack() as stack:
        opened = await stack.enter_async_context(runtime.connect(settings, url, pool_size=2, application="test"))
        world = await World.make(opened, folder, stack)
        batch, lines = await world.issue(SCANS)
        await world.activate(batch)
        later, later_lines = await world.issue(40)
        async with opened.db.transaction() as tx:
            rows = await tx.execute(text("SELECT id, public_id FROM member ORDER BY id"))
            public = {row.id: row.public_id for row in rows}
        tokens = [Tokens(opened.vault).issue(member, world.brand.id) for member in world.member_ids]
        return Brand(batch, lines, later, later_lines, tokens, [public[member] for member in world.member_ids])


@dataclass(slots=True)
class Crowd:
    """Phones that scan through the proxy, and ask again with the same scan id until they are answered."""

    address: str
    requests: list[tuple[dict[str, str], str]]
    answers: dict[str, bytes] = field(default_factory=dict)
    asked_again: int = 0

    @classmethod
    def over(cls, address: str, brand: Brand, lines: list[str]) -> Crowd:
        return cls(address, [
            ({"scan_id": str(uuid4()), "code": line, "device_id": f"p-{n % PHONES}"}, token)
            for n, (line, token) in enumerate(zip(lines, cycle(brand.tokens), strict=False))
        ])  # fmt: skip

    async def scan_all(self) -> None:
        await asyncio.gather(*(self._phone(self.requests[n::PHONES]) for n in range(PHONES)))

    async def _phone(self, requests: list[tuple[dict[str, str], str]]) -> None:
        async with httpx.AsyncClient(timeout=20, trust_env=False) as client, asyncio.timeout(180):
            for body, token in requests:
                while (answer := await self.send(client, body, token)) is None:
                    self.asked_again += 1
                    await asyncio.sleep(0.1)
                self.answers[body["scan_id"]] = answer

    async def send(self, client: httpx.AsyncClient, body: dict[str, str], token: str) -> bytes | None:
        try:
            response = await client.post(
                f"{self.address}/api/v1/scans", json=body, headers={"Authorization": f"Bearer {token}"}
            )
        except httpx.TransportError:
            return None
        if response.status_code in (502, 503, 504):
            return None
        assert response.status_code == 200, response.text
        return response.content

    async def reach(self, count: int) -> None:
        async with asyncio.timeout(120):
            while len(self.answers) < count:
                await asyncio.sleep(0.01)


def scans_of(figures: str) -> float:
    return sum(float(line.rsplit(" ", 1)[1]) for line in figures.splitlines() if line.startswith("yima_scans_total{"))


async def test_whatever_is_killed_nothing_is_lost_and_nothing_done_twice(
    site: tuple[Installation, Brand, Engine],
) -> None:
    found, brand, engine = site
    services = found.services

    # both processes get scans through the one address
    crowd = Crowd.over(found.address, brand, brand.lines)
    scanning = asyncio.create_task(crowd.scan_all())
    await crowd.reach(SCANS // 6)
    shares = [scans_of(await asyncio.to_thread(found.figures, number)) for number in (0, 1)]
    assert min(shares) > 0, shares

    # one of them dies; people go on, and it is started again
    services["web-1"].kill()
    await crowd.reach(SCANS // 3)
    services["web-1"].start()

    # the broker restarts while wake-ups are published: codes are asked for all the while
    async with httpx.AsyncClient(timeout=20, trust_env=False) as client:
        phones = [f"1380000{number:04d}" for number in range(6)]

        async def ask(phone: str) -> None:
            body = {"brand": "tea", "phone": phone}
            answer = await client.post(f"{found.address}/api/v1/sign-in/codes", json=body)
            assert answer.status_code == 202, answer.text

        await ask(phones[0])
        stopping = asyncio.create_task(asyncio.to_thread(found.rabbit.stop))
        for phone in phones[1:4]:
            await ask(phone)
        await stopping
        await ask(phones[4])
        await asyncio.to_thread(found.rabbit.start)
        await ask(phones[5])

    # the worker of long work dies in mid-job: it pays parked claims of a batch that was just activated
    await asyncio.to_thread(_kill_in_mid_job, found, brand, engine)

    await scanning
    assert not crowd.asked_again or services["web-1"].lives
    assert Counter(json.loads(answer)["outcome"] for answer in crowd.answers.values()) == {"awarded": SCANS}

    # asked again, each scan gets its first reply from whichever process
    async with httpx.AsyncClient(timeout=20, trust_env=False) as client:
        for body, token in crowd.requests[::5]:
            assert await crowd.send(client, body, token) == crowd.answers[body["scan_id"]]

    # every message left, once each by its key
    def all_left() -> bool:
        with engine.connect() as look:
            return set(look.execute(text("SELECT state FROM outbox_message")).scalars()) == {"sent"}

    await asyncio.to_thread(wait_until, all_left, "every message left")
    keys = Counter(key for key, _ in found.gateway.messages)
    assert len(keys) == len(phones)
    assert all(len(set(found.gateway.codes_of(phone))) == 1 for phone in phones)

    # the books agree with what the phones saw
    audited = found.command("ledger", "audit")
    figures = audited["figures"]
    claims = SCANS + PARKED
    assert audited["ok"]
    assert (figures["scans"], figures["claims_posted"], figures["points_issued"]) == (claims, claims, 10 * claims)


def _kill_in_mid_job(found: Installation, brand: Brand, engine: Engine) -> None:
    with httpx.Client(timeout=20, trust_env=False) as client:
        for number, line in enumerate(brand.later_lines[:PARKED]):
            answer = client.post(
                f"{found.address}/api/v1/scans", json={"scan_id": str(uuid4()), "code": line},
                headers={"Authorization": f"Bearer {brand.tokens[number]}"},
            )  # fmt: skip
            assert answer.json()["outcome"] == "inactive"
    running = text("SELECT attempts FROM task WHERE state = 'running' AND kind = 'settle_claims'")
    with engine.begin() as hold:
        hold.execute(
            text("SELECT 1 FROM unit u JOIN claim c ON c.unit_id = u.id WHERE c.state = 'pending' FOR UPDATE OF u")
        )
        found.command("codes", "activate", "--batch", brand.later)

        def attempts() -> list[int]:
            with engine.connect() as look:
                return list(look.execute(running).scalars())

        assert wait_until(attempts, "the job is taken up") == [1]
        found.services["long-worker"].kill()
    found.services["long-worker"].start()
    with engine.begin() as tx:  # its lease lets a minute pass, which is not waited for here
        tx.execute(text("UPDATE task SET due_at = now() WHERE state = 'running'"))

    def done() -> bool:
        with engine.connect() as look:
            states = set(look.execute(text("SELECT state FROM task")).scalars())
            parked = look.execute(text("SELECT count(*) FROM claim WHERE state = 'pending'")).scalar_one()
            return states == {"done"} and parked == 0

    wait_until(done, "the job is done by the next worker, and the claims are paid")


def scan_at(address: str, line: str, token: str) -> dict[str, Any]:
    answer = httpx.post(
        f"{address}/api/v1/scans", json={"scan_id": str(uuid4()), "code": line}, timeout=20, trust_env=False,
        headers={"Authorization": f"Bearer {token}"},
    )  # fmt: skip
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def told(address: str, line: str, token: str) -> tuple[str, int]:
    answer = scan_at(address, line, token)
    return answer["outcome"], answer["points"]


def _release(found: Installation, key: int) -> None:
    """Two people release a key, as production asks. Passwords are hashed on threads, which a fork does not have."""
    for number, whole in ((1, False), (2, True)):
        password = secrets.token_urlsafe(16)
        person = ("--email", f"owner-{number}@example.com", "--name", f"Owner {number}", "--brand", "tea")
        found.command("staff", "add", *person, "--role", "owner", "--password-stdin", text=password, fresh=True)
        word = ("--key", key, "--as", f"owner-{number}@example.com", "--password-stdin")
        assert found.command("keys", "release", *word, text=password, fresh=True)["released"] is whole


def test_what_is_decided_holds_in_every_process_at_once(site: tuple[Installation, Brand, Engine]) -> None:
    found, brand, engine = site
    both = [found.web(0), found.web(1)]
    lines = iter(brand.later_lines[PARKED:])
    token = brand.tokens[0]

    # a batch of a new key, made elsewhere: known within two seconds, and until then the code is told to be forged
    key = found.command("codes", "rotate", "--brand", "tea")["key_id"]
    _release(found, key)
    out = found.home.path.parent / "new.txt"
    batch = found.command("codes", "issue", "--brand", "tea", "--gtin", GTIN, "--count", 12, "--out", out)["batch"]
    new = iter(out.read_text().splitlines())
    probe = next(new)
    for address in both:
        wait_until(lambda address=address: scan_at(address, probe, token)["outcome"] != "forged", "the key is known")  # type: ignore[misc]

    # everything else is read in the scan's own transaction: the very next scan knows
    assert [scan_at(address, next(new), token)["outcome"] for address in both] == ["inactive", "inactive"]
    found.command("codes", "activate", "--batch", batch)
    assert [scan_at(address, next(new), token)["outcome"] for address in both] == ["awarded", "awarded"]

    found.command("rule", "set", "--brand", "tea", "--gtin", GTIN, "--points", 25)
    assert [told(address, next(lines), token) for address in both] == [("awarded", 25)] * 2

    found.command("members", "block", "--brand", "tea", "--member", brand.members[1], "--reason", "test")
    assert [told(address, next(lines), brand.tokens[1]) for address in both] == [("refused", 0)] * 2
    found.command("members", "unblock", "--brand", "tea", "--member", brand.members[1], "--reason", "test")
    assert [told(address, next(lines), brand.tokens[1]) for address in both] == [("awarded", 25)] * 2

    for state in ("frozen", "void"):
        arguments = ("--batch", brand.later, "--from", 30, "--to", 40, "--reason", "test", "--as", state)
        if state == "frozen":
            found.command("codes", "void", *arguments)
        else:
            found.command("codes", "void", "--batch", batch, "--from", 10, "--to", 12, "--reason", "test")
        code = brand.later_lines[32] if state == "frozen" else out.read_text().splitlines()[10]
        assert [scan_at(address, code, token)["outcome"] for address in both] == ["voided", "voided"]
    with engine.connect() as look:
        actions = set(look.execute(text("SELECT action FROM audit_trail WHERE actor LIKE 'cli:%'")).scalars())
    assert {"member.block", "member.unblock"} <= actions


def test_the_doctor_finds_this_deployment_alive(site: tuple[Installation, Brand, Engine]) -> None:
    found, _, _ = site
    said = {each["name"]: each["ok"] for each in found.command("doctor", status=1)}
    for name in ("broker", "redis", "worker", "long worker", "beat", "schema", "fsync", "clock", "proxies", "files"):
        assert said[name], name
    assert not said["wal archive"], "nothing archives here, and the doctor says so"


def test_limits_of_sign_in_hold_across_processes(site: tuple[Installation, Brand, Engine]) -> None:
    found, _, _ = site
    phone = "13911112222"

    def post(number: int, path: str, **body: str) -> int:
        return httpx.post(
            f"{found.web(number)}/api/v1/sign-in{path}", json={"brand": "tea", "phone": phone, **body}, timeout=20,
            trust_env=False,
        ).status_code  # fmt: skip

    assert post(0, "/codes") == 202
    assert post(1, "/codes") == 429, "a minute has not passed, whichever process is asked"
    (code,) = wait_until(lambda: found.gateway.codes_of(phone), "the code is sent")
    wrong = "000000" if code != "000000" else "111111"
    assert [post(number % 2, "", code=wrong) for number in range(5)] == [401] * 5
    assert post(0, "", code=code) in (401, 429), "five wrong tries, shared by both, have used it up"


async def test_through_the_proxy_nobody_sees_figures_or_gives_himself_an_address(
    site: tuple[Installation, Brand, Engine],
) -> None:
    found, _, _ = site
    async with httpx.AsyncClient(timeout=20, trust_env=False, base_url=found.address) as client:
        for path in ("/metrics", "/metrics/", "/METRICS", "/%6detrics", "/./metrics", "/ready"):
            answer = await client.get(path)
            assert answer.status_code == 404, path
            assert "yima_" not in answer.text
        answer = await client.get("/health", headers={"X-Request-ID": "0123456789abcdef"})
        assert answer.status_code == 200
        assert answer.headers["x-request-id"] != "0123456789abcdef"
        assert re.fullmatch(r"[0-9a-f-]{36}", answer.headers["x-request-id"])
        assert answer.headers["strict-transport-security"]
        assert "server" not in answer.headers
        large = await client.post("/api/v1/scans", content=b"x" * 100_000)
        assert large.status_code == 413


def test_each_process_stops_in_time_and_no_log_holds_a_code(site: tuple[Installation, Brand, Engine]) -> None:
    found, brand, _ = site
    for name, service in found.services.items():
        assert service.lives, (name, service.log.read_text()[-2000:])
        assert service.stop() < 15, name  # ten seconds, and a machine that is busy with other tests
    said = "".join(service.log.read_text() for service in found.services.values())
    assert '"route": "/api/v1/scans"' in said
    assert not re.search(r"\b[0-9A-HJKMNP-TV-Z]{20}\b", said)
    for secret in (*brand.tokens, found.environment["YIMA_SMS_URL"] + "?", found.rabbit.password):
        assert secret not in said
    assert "Traceback" not in said
