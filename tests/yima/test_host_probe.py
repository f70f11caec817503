"""The probe of hosts that pages hand over to: what it tells, and what it does not let itself be led to."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from sqlalchemy import text

from kernel.clock import now
from tests.world import World
from traceability import brands, handover
from yima import host_probe, metrics, worker
from yima.host_probe import look

WELL = b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 2\r\n\r\nok"


@asynccontextmanager
async def answering(answer: bytes, *, context: ssl.SSLContext | None = None, wait_s: float = 0) -> AsyncIterator[str]:
    """A host that answers so."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked = await reader.readuntil(b"\r\n\r\n")
        assert asked.startswith(b"GET /health HTTP/1.1\r\nHost: localhost:")
        await asyncio.sleep(wait_s)
        writer.write(answer)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    async with server:
        yield f"localhost:{server.sockets[0].getsockname()[1]}"


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        (WELL, ""),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", ""),
        (b"HTTP/1.1 302 Found\r\nlocation: http://169.254.169.254/\r\n\r\n", "redirected"),
        (b"HTTP/1.1 403 Forbidden\r\n\r\nok", "refused"),
        (b"HTTP/1.1 200 OK\r\n\r\n<h1>This site is ok? It is blocked.</h1>", "foreign"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "foreign"),
        (b"", "foreign"),
        (b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 100_000 + b"\r\nok", "foreign"),
    ],
)
async def test_what_answers_is_told_in_a_word(answer: bytes, problem: str):
    async with answering(answer) as host:
        assert await look(host, secure=False, private=True) == problem


@pytest.mark.parametrize(
    "address", ["127.0.0.1", "localhost", "10.1.2.3", "169.254.169.254", "100.64.0.1", "192.168.1.1", "127.1:8000"]
)
async def test_private_addresses_are_never_asked(address: str):
    assert await look(address, secure=True, private=False) == "private"


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("8.8.8.8", True), ("2606:4700::1111", True), ("::ffff:10.0.0.1", False), ("2002:0a00:0001::1", False),
        ("fe80::1", False), ("fd00::1", False), ("224.0.0.1", False), ("::", False),
    ],
)  # fmt: skip
def test_addresses_within_addresses_are_seen(address: str, public: bool):
    assert host_probe._is_public(address) is public


async def test_a_silent_host_is_left_after_its_time():
    async with answering(WELL, wait_s=5) as host:
        assert await look(host, secure=False, private=True, wait_s=0.2) == "slow"


async def test_a_closed_port_and_an_unknown_name_are_told_apart():
    async with answering(WELL) as host:
        pass
    assert await look(host, secure=False, private=True) == "unreachable"
    assert await look("nothing.invalid", secure=False, private=True) == "unresolved"


def _certificate(folder: Path) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """A server's context with a certificate of its own making, and one that believes it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    made = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(x509.random_serial_number()).not_valid_before(now() - timedelta(days=1))
        .not_valid_after(now() + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    file = folder / "host.pem"
    file.write_bytes(
        made.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    serving.load_cert_chain(file)
    return serving, ssl.create_default_context(cafile=str(file))


async def test_a_certificate_that_nobody_vouches_for_is_told(tmp_path: Path):
    serving, trust = _certificate(tmp_path)
    async with answering(WELL, context=serving) as host:
        assert await look(host, secure=True, private=True) == "certificate"
        assert await look(host, secure=True, private=True, trust=trust) == ""


async def _set(world: World, host: str) -> None:
    async with world.opened.db.transaction() as tx:
        kept = await brands.settings(tx, world.brand.id)
        wanted = replace(kept, member_host=host, hands_over=bool(host))
        await brands.update(tx, brand_id=world.brand.id, wanted=wanted, version=kept.version, actor="test")


async def _later(world: World) -> None:
    async with world.opened.db.transaction() as tx:
        await tx.execute(text("UPDATE host_health SET at = :at"), {"at": now() - timedelta(seconds=handover.EVERY_S)})


async def _health(world: World) -> handover.Health | None:
    async with world.opened.db.transaction() as tx:
        return await handover.of(tx, world.brand.id)


async def test_second_failure_in_a_row_warns_and_a_good_answer_ends_it(world: World, monkeypatch: pytest.MonkeyPatch):
    said = ["redirected", "redirected", ""]
    asked: list[str] = []

    async def told(host: str, **_: object) -> str:
        asked.append(host)
        return said[len(asked) - 1]

    monkeypatch.setattr(host_probe, "look", told)
    assert await _health(world) is None
    assert await host_probe.probe_due(world.opened) == 0
    await _set(world, "m.example.com")
    unseen = await _health(world)
    assert unseen is not None
    assert (unseen.at, unseen.warns) == (None, False)
    for warns in (False, True, False):
        both = await asyncio.gather(host_probe.probe_due(world.opened), host_probe.probe_due(world.opened))
        assert sorted(both) == [0, 1]
        assert await host_probe.probe_due(world.opened) == 0
        health = await _health(world)
        assert health is not None
        assert health.warns is warns
        async with world.opened.db.transaction() as tx:
            assert (await metrics.ask(tx)).hosts == {"tea": not warns}
        await _later(world)
    assert asked == ["m.example.com"] * 3


async def test_another_host_is_looked_at_at_once_and_begins_anew(world: World, monkeypatch: pytest.MonkeyPatch):
    async def bad(host: str, **_: object) -> str:
        del host
        return "foreign"

    monkeypatch.setattr(host_probe, "look", bad)
    await _set(world, "m.example.com")
    for _ in range(2):
        await host_probe.probe_due(world.opened)
        await _later(world)
    await _set(world, "n.example.com")
    fresh = await _health(world)
    assert fresh is not None
    assert (fresh.failures, fresh.at) == (0, None)
    assert await host_probe.probe_due(world.opened) == 1
    seen = await _health(world)
    assert seen is not None
    assert (seen.failures, seen.problem) == (1, "foreign")


async def test_the_sweep_looks_at_what_is_due(world: World):
    async with answering(WELL) as host:
        await _set(world, host)
        plain = replace(world.opened, settings=replace(world.opened.settings, public_url="http://127.0.0.1:8000"))
        done = await worker.sweep_once(plain, _nothing)
    assert done["hosts_probed"] == 1
    health = await _health(world)
    assert health is not None
    assert (health.problem, health.failures) == ("", 0)


async def _nothing(*_: object) -> None:
    return None
