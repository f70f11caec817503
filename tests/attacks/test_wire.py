"""Requests as no browser sends them, byte by byte: too slow, too large, ambiguous, unreadable."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import time
from collections.abc import AsyncIterator
from uuid import uuid4

import httpx
import pytest

from tests.attacks.conftest import PROBLEM, SCANS, Fort, Reply, problem, read_reply, serving, symbols
from yima import wire

HOST = b"Host: t.yima.cn\r\n"
FLOOD_BYTES = 50_000_000


def refused(reply: Reply, status: int, *named: str) -> None:
    """A problem document from before the application, and the connection's end."""
    assert reply.status == status, reply
    assert reply.headers["content-type"] == PROBLEM
    assert reply.headers["connection"] == "close"
    assert reply.headers["referrer-policy"] == "no-referrer"
    document = json.loads(reply.body)
    assert document["status"] == status
    for word in named:
        assert word in document["detail"], document


def scan_body(code: str) -> bytes:
    return json.dumps({"scan_id": str(uuid4()), "code": code}).encode()


# --- ambiguous and unreadable ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "head",
    [
        b"Content-Length: 60\r\nTransfer-Encoding: chunked\r\n",
        b"Transfer-Encoding: chunked\r\nContent-Length: 60\r\n",
        b"Content-Length: 60\r\nContent-Length: 61\r\n",
        b"Content-Length: 60, 60\r\n",
        b"Content-Length: +60\r\n",
        b"Content-Length: -1\r\n",
        b"Content-Length: 0x3c\r\n",
        b"Content-Length: 99999999999999999999\r\n",
        b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n",
        b"Transfer-Encoding: xchunked\r\n",
        b"Transfer-Encoding : chunked\r\n",
        b"Transfer-Encoding: \x0bchunked\r\n",
        b"X: y\rContent-Length: 60\r\n",
        b"X: y\nContent-Length: 60\r\nTransfer-Encoding: chunked\r\n",
        b" folded: line\r\n",
        b"X\0Y: z\r\n",
        b"X: a\0b\r\n",
        b"no colon at all\r\n",
        b"Host: evil.example\r\n",
    ],
)
async def test_a_request_that_can_be_read_in_two_ways_is_refused_whole(fort: Fort, head: bytes) -> None:
    line = fort.line()
    body = scan_body(line)
    smuggled = b"0\r\n\r\nPOST /api/v1/scans HTTP/1.1\r\n" + HOST + b"Content-Length: %d\r\n\r\n" % len(body) + body
    async with fort.untouched():
        reply = await fort.wire(b"POST /api/v1/scans HTTP/1.1\r\n" + HOST + head + b"\r\n" + smuggled)
        refused(reply, 400)
    assert (await fort.scan(line)).json()["scan_count"] == 1, "what was smuggled in was not read as a scan"


@pytest.mark.parametrize(
    "request_line",
    [
        b"GET / HTTP/9.9", b"GET  /  HTTP/1.1", b"GET /", b"get / HTTP/1.1", b"FROB / HTTP/1.1", b"GET / HTTP/1.1 x",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", b"GET /\x00 HTTP/1.1", b"GET /\xff\xfe HTTP/1.1",
        b"GET http://[::1 HTTP/1.1", b"CONNECT evil.example:443 HTTP/1.1", b"OPTIONS * HTTP/1.1", b"\xff" * 200,
        b"PRI * HTTP/2.0",
    ],
)  # fmt: skip
async def test_what_is_no_request_of_ours_gets_an_answer_and_no_defect(fort: Fort, request_line: bytes) -> None:
    reply = await fort.wire(request_line + b"\r\n" + HOST + b"\r\n")
    assert reply.status in (200, 204, 404, 405) or (reply.status == 400 and reply.headers["content-type"] == PROBLEM), (
        reply
    )


async def test_a_request_names_its_host_once(fort: Fort) -> None:
    refused(await fort.wire(b"GET /health HTTP/1.1\r\n\r\n"), 400, "Host")
    refused(await fort.wire(b"GET /health HTTP/1.1\r\n" + HOST + b"Host: evil.example\r\n\r\n"), 400, "Host")
    assert (await fort.wire(b"GET /health HTTP/1.0\r\n\r\n")).status == 200


@pytest.mark.parametrize(
    "host", [b"", b"evil.example", b"evil.example:99999", b"a b", b"<script>", b"t.yima.cn\x80", b"x" * 5000]
)
async def test_a_host_that_is_not_ours_is_believed_nowhere(fort: Fort, host: bytes) -> None:
    line = fort.line()
    for path in (f"/Q/{symbols(line)}", "/me", "/console", "/.well-known/gs1resolver"):
        reply = await fort.wire(f"GET {path} HTTP/1.1\r\nHost: ".encode() + host + b"\r\n\r\n")
        assert reply.status < 500, (path, reply)
        assert (reply.status == 400) is (host != b"evil.example"), (path, reply)
        if host.startswith((b"evil", b"<", b"x")):
            assert host[:12] not in reply.body, "nothing leads to the host that a stranger named"
            assert host[:12].decode() not in reply.headers.get("location", "")


async def test_an_unknown_upgrade_is_passed_over(fort: Fort) -> None:
    for kind in (b"websocket", b"h2c"):
        reply = await fort.wire(
            b"GET /health HTTP/1.1\r\n"
            + HOST
            + b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: "
            + kind
            + b"\r\n\r\n"
        )
        assert (reply.status, reply.body) == (200, b"ok")


async def test_requests_sent_in_one_go_are_answered_in_their_order_and_what_follows_ends_it(fort: Fort) -> None:
    line = fort.line()
    body = scan_body(line)
    scan = b"POST /api/v1/scans HTTP/1.1\r\n" + HOST + b"Content-Length: %d\r\n\r\n" % len(body) + body
    reader, writer = await asyncio.open_connection("127.0.0.1", fort.port)
    writer.write(scan + b"GET /health HTTP/1.1\r\n" + HOST + b"\r\n" + b"\x00\x01garbage\r\n\r\n")
    first = await read_reply(reader)
    assert (first.status, json.loads(first.body)["outcome"]) == (200, "authentic"), "the scan got its own answer"
    rest = await reader.read()
    assert b"HTTP/1.1 5" not in rest
    writer.close()


# --- methods --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "method", ["PUT", "DELETE", "PATCH", "TRACE", "PROPFIND", "MKCOL", "LINK", "PURGE", "SEARCH", "QUERY"]
)
async def test_methods_that_nothing_has_are_told_with_those_that_there_are(fort: Fort, method: str) -> None:
    async with fort.untouched():
        answer = await fort.client.request(method, SCANS, json={"scan_id": str(uuid4()), "code": fort.line()})
        problem(answer, 405, method if answer.request.method == "" else "")
        assert "POST" in answer.headers["allow"]
        for path in ("/", f"/Q/{symbols(fort.line())}", "/me", "/console"):
            answer = await fort.client.request(method, path)
            assert answer.status_code == 405, (path, answer.status_code)
            assert "GET" in answer.headers.get("allow", ""), (path, answer.headers)


async def test_trace_does_not_echo_what_it_was_sent(fort: Fort) -> None:
    answer = await fort.client.request("TRACE", "/", headers=fort.bearer())
    assert "Bearer" not in answer.text


async def test_head_answers_as_get_does_without_a_body_and_options_names_the_methods(fort: Fort) -> None:
    for path in ("/api/v1/me", "/api/v1/draws/NOPE", "/schema/openapi.json", "/health"):
        got = await fort.client.get(path)
        head = await fort.client.head(path)
        assert head.content == b""
        assert head.status_code in (got.status_code, 405), path
        options = await fort.client.options(path)
        assert options.status_code == 204
        assert "GET" in options.headers["allow"]
    options = await fort.client.options(SCANS)
    assert (options.status_code, "POST" in options.headers["allow"]) == (204, True)
    assert "access-control-allow-origin" not in options.headers, "no other site's script may ask"


@pytest.mark.parametrize("header", ["X-HTTP-Method-Override", "X-Method-Override", "X-Original-URL", "X-Rewrite-URL"])
async def test_a_header_does_not_make_another_request_of_it(fort: Fort, header: str) -> None:
    async with fort.untouched():
        answer = await fort.client.get("/health", headers={header: "POST" if "Method" in header else "/api/v1/me"})
    assert answer.text == "ok"


# --- too large ------------------------------------------------------------------------------------------------


async def test_addresses_headers_and_their_number_have_limits_that_hold_at_their_edge(fort: Fort) -> None:
    path = b"/" + b"a" * (wire.URL_BYTES_MAX - 1)
    assert (await fort.wire(b"GET " + path + b" HTTP/1.1\r\n" + HOST + b"\r\n")).status == 404
    refused(await fort.wire(b"GET " + path + b"a HTTP/1.1\r\n" + HOST + b"\r\n"), 414, "16,384")
    many = b"".join(b"X-%d: y\r\n" % n for n in range(wire.HEADERS_MAX - 1))
    assert (await fort.wire(b"GET /health HTTP/1.1\r\n" + HOST + many + b"\r\n")).status == 200
    refused(await fort.wire(b"GET /health HTTP/1.1\r\n" + HOST + many + b"X: y\r\n\r\n"), 431, "100 headers")
    room = wire.HEAD_BYTES_MAX - len(b"/health") - len(b"hostt.yima.cn") - len(b"x")
    assert (await fort.wire(b"GET /health HTTP/1.1\r\n" + HOST + b"X: " + b"y" * room + b"\r\n\r\n")).status == 200
    refused(
        await fort.wire(b"GET /health HTTP/1.1\r\n" + HOST + b"X: " + b"y" * (room + 1) + b"\r\n\r\n"), 431, "32,768"
    )


async def test_a_head_without_an_end_is_cut_off_before_it_fills_the_memory(fort: Fort) -> None:
    piece = b"y" * 65_536
    refused(await fort.wire(b"GET /health HTTP/1.1\r\n" + HOST + b"X: ", *[piece] * 400), 431)
    refused(await fort.wire(b"GET /", *[piece] * 400), 414)


@pytest.mark.parametrize("path", [SCANS, "/code", "/scan", "/sign-in", "/api/v1/sign-in/codes"])
async def test_a_body_without_an_end_is_refused_whatever_length_it_named(fort: Fort, path: str) -> None:
    kind = b"application/json" if path.startswith("/api/") else b"application/x-www-form-urlencoded"
    head = f"POST {path} HTTP/1.1\r\n".encode() + HOST + b"Content-Type: " + kind + b"\r\n"
    async with fort.untouched():
        named = await fort.wire(head + b"Content-Length: 1000000000\r\n\r\n" + b"a=" * 10_000)
        assert named.status == 413, named
        chunk = b"8000\r\n" + b"a" * 0x8000 + b"\r\n"
        unnamed = await fort.wire(head + b"Transfer-Encoding: chunked\r\n\r\n", *[chunk] * 200)
        assert unnamed.status == 413, unnamed


async def test_chunks_and_trailers_that_are_none_are_refused(fort: Fort) -> None:
    head = b"POST /api/v1/scans HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n"
    async with fort.untouched():
        for body in (b"zz\r\n", b"-1\r\n", b"ffffffffffffffffff\r\n", b"5\r\nabcdefgh\r\n"):
            refused(await fort.wire(head + body), 400)
        trailers = b"".join(b"X-%d: y\r\n" % n for n in range(500))
        reply = await fort.wire(head + b"2\r\n{}\r\n0\r\n" + trailers + b"\r\n")
        assert reply.status in (400, 431)


async def test_a_client_that_goes_in_the_middle_of_its_body_is_no_fault_of_ours(fort: Fort) -> None:
    line = fort.line()
    async with fort.untouched():
        for path in (SCANS, "/scan"):
            with socket.create_connection(("127.0.0.1", fort.port)) as client:
                client.sendall(
                    f"POST {path} HTTP/1.1\r\nHost: t\r\nContent-Length: 900\r\n\r\n".encode() + line.encode()
                )
        shown = await fort.client.get("/metrics")
    assert 'status="499"' in shown.text or 'status="5' not in shown.text


# --- too slow -------------------------------------------------------------------------------------------------


@contextlib.asynccontextmanager
async def hasty(**limits: float) -> AsyncIterator[tuple[int, wire.Door]]:
    """A server of this process whose patience is short; it reads the whole body and says how long it was."""
    answer = asyncio.Event()

    async def app(scope, receive, send) -> None:
        size, more = 0, True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            size, more = size + len(message["body"]), message["more_body"]
        if scope["path"] == "/wait":
            await answer.wait()
        said = b"%d" % size if scope["path"] != "/flood" else b"x" * FLOOD_BYTES
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(said))]})
        await send({"type": "http.response.body", "body": said, "more_body": False})

    kind = wire.protocol(**limits)
    async with serving(app, kind) as port:
        try:
            yield port, kind.door
        finally:
            answer.set()


async def drip(port: int, begin: bytes, drop: bytes, every_s: float = 0.05) -> tuple[bytes, int]:
    """Send drop after drop for as long as one is let to; what was answered, and how many drops there were."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(begin)
    drops = 0
    answered = asyncio.create_task(reader.read())
    while not answered.done() and drops < 2_000:
        with contextlib.suppress(ConnectionError):
            writer.write(drop)
            await writer.drain()
        drops += 1
        await asyncio.wait([answered], timeout=every_s)
    writer.close()
    try:
        return await answered, drops
    except ConnectionError:
        return b"", drops


@pytest.mark.parametrize(
    ("begin", "drop", "answer"),
    [
        (b"", b"", b""),  # says nothing: is owed nothing
        (b"GET / HT", b"", b"408"),
        (b"GET / HTTP/1.1\r\nHost: t\r\n", b"X: y\r\n", b"408"),
        (b"POST / HTTP/1.1\r\nHost: t\r\nContent-Length: 9000\r\n\r\n", b"a", b"408"),
        (b"POST / HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\na\r\n", b"408"),
        (b"", b"\r\n", b""),
    ],
)
async def test_who_does_not_say_the_whole_request_in_time_is_cut_off(begin: bytes, drop: bytes, answer: bytes) -> None:
    async with hasty(head_s_max=0.4, body_s_max=0.6) as (port, door):
        said, drops = await drip(port, begin, drop)
        assert said.startswith(b"HTTP/1.1 " + answer) if answer else said == b"", said
        assert drops < 2_000
        assert not door.waited_for


async def test_a_second_request_on_a_kept_connection_has_its_own_time_and_no_more() -> None:
    async with hasty(head_s_max=0.4) as (port, _):
        said, _ = await drip(port, b"GET / HTTP/1.1\r\nHost: t\r\n\r\nGET /slow HTTP/1.1\r\n", b"X: y\r\n")
        assert said.count(b"HTTP/1.1 ") == 2
        assert b"HTTP/1.1 200" in said
        assert b"HTTP/1.1 408" in said


async def test_a_large_body_that_comes_steadily_gets_the_time_it_needs() -> None:
    async with hasty(body_s_max=1.0) as (port, _):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"POST / HTTP/1.1\r\nHost: t\r\nContent-Length: 200000\r\n\r\n")
        for _ in range(20):  # two seconds in all, more than the time of a body of no length
            writer.write(b"a" * 10_000)
            await writer.drain()
            await asyncio.sleep(0.1)
        reply = await read_reply(reader)
        assert (reply.status, reply.body) == (200, b"200000")
        writer.close()


async def test_an_answer_that_takes_its_time_is_not_the_clients_fault() -> None:
    async with hasty(head_s_max=0.2, body_s_max=0.2) as (port, door):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"POST /wait HTTP/1.1\r\nHost: t\r\nContent-Length: 3\r\n\r\nabc")
        await asyncio.sleep(0.8)
        assert not reader.at_eof()
        assert not door.refused
        writer.close()


async def test_who_takes_nothing_of_its_answer_is_cut_off() -> None:
    async with hasty(taken_s_max=0.4) as (port, _):
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1_024)
        writer.write(b"GET /flood HTTP/1.1\r\nHost: t\r\n\r\n")
        await asyncio.sleep(1.5)  # nothing is read meanwhile, but for what the stream's small buffer takes
        got = 0
        with contextlib.suppress(ConnectionError):
            while piece := await reader.read(1 << 20):
                got += len(piece)
        assert 0 < got < FLOOD_BYTES
        writer.close()


async def test_where_too_many_wait_the_one_waited_for_longest_gives_way_to_who_comes() -> None:
    async with hasty(connections_max=20) as (port, door):
        slow = [await asyncio.open_connection("127.0.0.1", port) for _ in range(30)]
        for _, writer in slow:
            writer.write(b"GET / HTTP/1.1\r\n")
        async with asyncio.timeout(10):
            async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client:
                for _ in range(5):
                    assert (await client.post("/", content=b"abc")).text == "3"
            first = await slow[0][0].read()
        assert first == b"" or b" 408 " in first
        assert len(door.waited_for) <= 21
        for _, writer in slow:
            writer.close()


async def test_where_all_are_being_answered_who_comes_is_told_when_to_come_back() -> None:
    async with hasty(connections_max=2) as (port, _):
        busy = [await asyncio.open_connection("127.0.0.1", port) for _ in range(2)]
        for _, writer in busy:
            writer.write(b"GET /wait HTTP/1.1\r\nHost: t\r\n\r\n")
        await asyncio.sleep(0.2)
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        reply = await read_reply(reader)
        refused(reply, 503, "Too many connections")
        assert reply.headers["retry-after"] == "2"
        for each in (writer, *(writer for _, writer in busy)):
            each.close()


async def test_a_hundred_slow_clients_keep_nobody_from_scanning(fort: Fort) -> None:
    slow = [await asyncio.open_connection("127.0.0.1", fort.port) for _ in range(100)]
    began = time.monotonic()
    for _, writer in slow:
        writer.write(b"POST /api/v1/scans HTTP/1.1\r\nHost: t\r\nContent-Length: 500\r\n\r\n{")
    assert (await fort.scan(fort.line(), headers=fort.bearer())).json()["outcome"] == "awarded"
    async with asyncio.timeout(wire.BODY_S_MAX + 30):
        replies = await asyncio.gather(*(read_reply(reader) for reader, _ in slow))
    assert {reply.status for reply in replies} == {408}
    assert time.monotonic() - began >= wire.BODY_S_MAX - 0.1, "nobody is cut off before the time that is written down"
    refused(replies[0], 408, "15 s")
    for _, writer in slow:
        writer.close()
