"""The straight way of a scan from its connection and back (ADR 0061), beside the ordinary one."""

from __future__ import annotations

import asyncio
import gc
import json
import weakref
from uuid import uuid4

import pytest

from tests.attacks.conftest import SCANS, Fort, Reply, read_reply, serving
from yima import wire
from yima.edge import CLIENT_GONE, StraightEdge
from yima.metrics import Figures

CHANGING = {"x-request-id", "date"}


def request(
    body: bytes, *, path: str = SCANS, version: str = "1.1", more: bytes = b"", kind: bytes = b"application/json"
) -> bytes:
    head = f"POST {path} HTTP/{version}\r\n".encode() + b"Host: t.yima.cn\r\nAccept-Language: en\r\n"
    return head + b"Content-Type: %b\r\nContent-Length: %d\r\n%b\r\n%b" % (kind, len(body), more, body)


def scan_of(code: str, scan_id: str) -> bytes:
    return json.dumps({"scan_id": scan_id, "code": code}).encode()


def same(one: Reply, other: Reply) -> None:
    assert (one.status, one.body) == (other.status, other.body)
    assert {name: value for name, value in one.headers.items() if name not in CHANGING} == {
        name: value for name, value in other.headers.items() if name not in CHANGING
    }
    assert one.headers.keys() >= CHANGING
    assert one.headers["x-request-id"] != other.headers["x-request-id"]


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        (b"", b"application/json", 400),
        (b"{", b"application/json", 400),
        (b'{"scan_id": "x", "code": "A"}', b"application/json", 400),
        (b"\xff\xfe{}", b"application/json", 400),
        (b"{}", b"text/plain", 415),
        (b'{"scan_id": "0a2f47a1-6a35-4c9e-8f0a-5d6c1b7e9f10", "code": "8888"}', b"application/json", 200),
    ],
)
async def test_both_ways_answer_the_same(fort: Fort, body: bytes, kind: bytes, status: int) -> None:
    straight = await fort.wire(request(body, kind=kind))
    ordinary = await fort.wire(request(body, kind=kind, path=f"{SCANS}/"))
    assert straight.status == status
    same(straight, ordinary)


async def test_a_scan_sent_again_by_the_other_way_gets_its_first_reply(fort: Fort) -> None:
    body = scan_of(fort.line(), str(uuid4()))
    first = await fort.wire(request(body))
    assert json.loads(first.body)["scan_count"] == 1
    same(first, await fort.wire(request(body, path=f"{SCANS}/")))
    same(first, await fort.wire(request(body)))
    assert (await fort.wire(request(body, more=b"Expect: 100-continue\r\n"))).status == 100
    closing = await fort.wire(request(body, version="1.0"))
    assert (closing.status, closing.body) == (200, first.body)


async def test_scans_and_others_sent_at_one_blow_are_answered_in_their_order(fort: Fort) -> None:
    ids = [str(uuid4()) for _ in range(4)]
    first, second, third, fourth = (request(scan_of(fort.line(), each)) for each in ids)
    page = b"GET /health HTTP/1.1\r\nHost: t.yima.cn\r\n\r\n"
    reader, writer = await asyncio.open_connection("127.0.0.1", fort.port)
    writer.write(first + second + page + third + page + fourth)
    async with asyncio.timeout(30):
        replies = [await read_reply(reader) for _ in range(6)]
    writer.close()
    assert {reply.status for reply in replies} == {200}
    told = [json.loads(replies[n].body).get("scan_id") for n in (0, 1, 3, 5)]
    assert told == ids


async def test_a_body_in_pieces_is_read_whole_and_a_connection_closes_when_asked_to(fort: Fort) -> None:
    body = scan_of(fort.line(), str(uuid4()))
    whole = request(body, more=b"Connection: close\r\n")
    reader, writer = await asyncio.open_connection("127.0.0.1", fort.port)
    for start in range(0, len(whole), 7):
        writer.write(whole[start : start + 7])
        await writer.drain()
        await asyncio.sleep(0.001)
    async with asyncio.timeout(30):
        reply = await read_reply(reader)
        assert await reader.read() == b""
    writer.close()
    assert (reply.status, reply.headers["connection"]) == (200, "close")


async def test_who_hangs_up_after_sending_has_scanned(fort: Fort) -> None:
    code = fort.line()
    body = scan_of(code, str(uuid4()))
    _, writer = await asyncio.open_connection("127.0.0.1", fort.port)
    writer.write(request(body))
    await writer.drain()
    writer.close()
    async with asyncio.timeout(30):
        while json.loads((await fort.wire(request(body))).body)["scan_count"] != 1:
            await asyncio.sleep(0.05)
    assert (await fort.scan(code)).json()["scan_count"] == 2


async def test_who_hangs_up_before_the_body_is_whole_is_counted_as_gone_and_leaves_nothing(fort: Fort) -> None:
    body = scan_of(fort.line(), str(uuid4()))
    async with fort.untouched():
        _, writer = await asyncio.open_connection("127.0.0.1", fort.port)
        writer.write(request(body)[:-5])
        await writer.drain()
        writer.close()
        await writer.wait_closed()
        assert (await fort.client.get("/health")).status_code == 200

    async def never(*_: object) -> tuple[int, tuple[()], bytes]:
        raise AssertionError

    figures = Figures()
    edge = StraightEdge(
        never,
        fort.world.opened.settings,
        figures,
        straight=never,
        route=SCANS,
        body_bytes_max=9,  # type: ignore[arg-type]
    )
    status, *_ = await edge.answer("192.0.2.1", [], None, 0.0)
    assert status == CLIENT_GONE
    assert figures.requests.seconds[SCANS, "4xx"].counts[-1] == 1
    assert figures.requests.open == 0


async def test_a_connection_that_is_gone_is_freed_without_the_collector() -> None:
    """It is collected so seldom that a wave of large bodies would stay (`yima.asgi`)."""

    class Scans:
        path, body_bytes_max = SCANS.encode(), 70_000

        @property
        def straight(self) -> object:
            return self

        async def answer(self, *_: object) -> tuple[int, tuple[()], tuple[bytes, bytes], bytes]:
            return 200, (), (b"x-request-id", b"1"), b"{}"

        async def __call__(self, scope: object, receive: object, send: object) -> None:
            raise AssertionError((scope, receive, send))

    made: list[weakref.ref[wire.Connection]] = []

    class Watched(wire.protocol()):  # type: ignore[misc]
        def connection_made(self, transport: asyncio.Transport) -> None:
            made.append(weakref.ref(self))
            super().connection_made(transport)

    async with serving(Scans(), Watched) as port:
        gc.collect()
        gc.disable()
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(request(b"x" * 60_000))
            assert (await read_reply(reader)).body == b"{}"
            writer.close()
            async with asyncio.timeout(10):
                while any(each() is not None for each in made):
                    await asyncio.sleep(0.01)
        finally:
            gc.enable()


async def test_a_defect_on_the_straight_way_is_answered_and_counted_as_ours(fort: Fort) -> None:
    async def fails(*_: object) -> tuple[int, tuple[()], bytes]:
        raise ZeroDivisionError

    figures = Figures()
    edge = StraightEdge(
        fails,
        fort.world.opened.settings,
        figures,
        straight=fails,
        route=SCANS,
        body_bytes_max=9,  # type: ignore[arg-type]
    )
    async with serving(edge, wire.protocol()) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(request(b"{}"))
        reply = await read_reply(reader)
        assert (reply.status, reply.headers["connection"]) == (500, "close")
        assert await reader.read() == b""
        writer.close()
    assert set(figures.requests.seconds) == {(SCANS, "5xx")}
