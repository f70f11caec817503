"""Connections of a web process: how long a client may take, how much it may say, and how many there may be.

uvicorn waits for ever for a request's head and keeps whatever comes meanwhile; this protocol does not (ADR 0057).
A proxy's own limits are the first wall, these are the second: they hold where there is no proxy, too.
"""

from __future__ import annotations

import asyncio
import re
import resource
from collections import Counter
from dataclasses import dataclass, field
from functools import lru_cache
from http import HTTPStatus
from typing import Any, ClassVar, Final

import httptools
import msgspec
from uvicorn._types import ASGI3Application
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from scanapi import problems
from yima.straight import StraightCycle, StraightWay

URL_BYTES_MAX: Final = 16_384
HEAD_BYTES_MAX: Final = 32_768
HEADERS_MAX: Final = 100
HEAD_S_MAX: Final = 10.0
"""From a connection's begin, or a request's first byte on one that is kept, to the end of the request's head."""
BODY_S_MAX: Final = 15.0
BODY_BYTES_PER_S_MIN: Final = 10_000
"""A body comes whole within 15 s and one more for each 10,000 bytes of it that are there: uploads take longer."""
TAKEN_S_MAX: Final = 30.0
"""A client that takes nothing of its answer for so long is cut off."""
LINGER_S: Final = 2.0
"""So long what still comes is thrown away after a refusal, so that the refusal is read before the connection ends."""
CONNECTIONS_MAX: Final = 4_096
PORT_MAX: Final = 65_535
_FILES_KEPT: Final = 256
"""Descriptors for everything that is no client: database, files, pipes."""


@dataclass(slots=True)
class Door:
    """What the connections of a process share: limits, and who is being waited for, longest first."""

    head_s_max: float = HEAD_S_MAX
    body_s_max: float = BODY_S_MAX
    taken_s_max: float = TAKEN_S_MAX
    connections_max: int = CONNECTIONS_MAX
    waited_for: dict[Connection, None] = field(default_factory=dict)
    refused: Counter[int] = field(default_factory=Counter)


def widen(door: Door) -> None:
    """Let the process have a descriptor for each connection, or fewer connections where the system allows no more."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = door.connections_max + _FILES_KEPT
    most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
        soft = most
    if soft != resource.RLIM_INFINITY:
        door.connections_max = max(1, min(door.connections_max, soft - _FILES_KEPT))


@dataclass(frozen=True, slots=True)
class _Refusal:
    """An answer before the application is asked, or in its place."""

    status: int
    code: str
    detail: str
    retry_after_s: int | None = None

    def encode(self) -> bytes:
        more = {} if self.retry_after_s is None else {"retry_after_s": self.retry_after_s}
        body = msgspec.json.encode(problems.document(self.status, self.code, self.detail, **more))
        head = [
            f"HTTP/1.1 {self.status} {HTTPStatus(self.status).phrase}",
            f"content-type: {problems.MEDIA_TYPE}",
            f"content-length: {len(body)}",
            "cache-control: no-store",
            "referrer-policy: no-referrer",
            "x-content-type-options: nosniff",
            "connection: close",
        ]
        if self.retry_after_s is not None:
            head.append(f"retry-after: {self.retry_after_s}")
        return "\r\n".join([*head, "", ""]).encode() + body


_UNREADABLE = _Refusal(400, "unreadable_request", "This is no HTTP request that can be read for certain.")
_NO_HOST = _Refusal(
    400, "unreadable_request", "A request names its host once, in one Host header: a name or address, and a port."
)
_LONG_URL = _Refusal(414, "uri_too_long", f"An address has at most {URL_BYTES_MAX:,} bytes.")
_LARGE_HEAD = _Refusal(
    431, "head_too_large",
    f"A request's line and headers have at most {HEAD_BYTES_MAX:,} bytes, and there are at most {HEADERS_MAX} headers.",
)  # fmt: skip
_FULL = _Refusal(503, "too_many_connections", "Too many connections are open; try again in a moment.", 2)
_GAVE_WAY = _Refusal(
    408, "request_timeout", "Too many connections are open, and this one was waited for longest: send it again."
)


_HOST: Final = re.compile(rb"(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9_](?:[A-Za-z0-9._-]{0,254}))(?::([0-9]{1,5}))?")


@lru_cache(1_024)
def is_host(value: bytes) -> bool:
    """Whether a Host header names a host, and a port that there can be, or none."""
    found = _HOST.fullmatch(value)
    return found is not None and (found[1] is None or int(found[1]) <= PORT_MAX)


def _size(url: bytes, headers: list[tuple[bytes, bytes]]) -> int:
    return len(url) + sum(len(name) + len(value) for name, value in headers)


class Connection(HttpToolsProtocol):
    """One connection; see the module's constants for what it may."""

    door: ClassVar[Door] = Door()

    _stage: str = "none"  # none, head, body, whole, refused
    _bytes = 0  # of the head while it comes, then of the body
    _fed = 0  # bytes that are being read
    _began_s = 0.0
    _waiting: asyncio.TimerHandle | None = None
    _taking: asyncio.TimerHandle | None = None
    _lingering: asyncio.TimerHandle | None = None
    _refusal: _Refusal | None = None
    _running: RequestResponseCycle | StraightCycle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Greet it, or send somebody away."""
        super().connection_made(transport)
        self._wait()
        if len(self.connections) > self.door.connections_max:
            longest = next(iter(self.door.waited_for))
            longest._refuse(_FULL if longest is self else _GAVE_WAY)  # noqa: SLF001 (one of us)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget its clocks."""
        self._stage = "refused"
        self._stop_waiting()
        for timer in (self._taking, self._lingering):
            if timer is not None:
                timer.cancel()
        self._unset_keepalive_if_required()
        super().connection_lost(exc)
        # They know this connection, and it knows them: only the collector, which seldom comes, would free them.
        self.cycle = self._running = None  # type: ignore[assignment]
        self.pipeline.clear()

    def data_received(self, data: bytes) -> None:
        """Read on, within the limits."""
        if self._stage == "refused":
            return
        self._unset_keepalive_if_required()
        if self._stage == "head" and self._bytes > HEAD_BYTES_MAX:
            self._refuse(_LARGE_HEAD)
            return
        self._fed = len(data)
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._stage = "whole"  # we speak nothing else: answered as what it is without the wish to change
        except httptools.HttpParserError:
            self._refuse(self._refusal or _UNREADABLE)
        if self._stage == "whole":
            if self._waiting is not None:
                self._stop_waiting()
            return
        self._bytes += self._fed
        if self._stage == "body" and len(self.headers) > HEADERS_MAX:  # trailers behind the body
            self._refuse(_LARGE_HEAD)
        elif self._waiting is None and self._stage != "refused":
            self._wait()

    def on_message_begin(self) -> None:
        """A request begins."""
        super().on_message_begin()
        self._stage = "head"
        self._bytes = 0

    def on_url(self, url: bytes) -> None:
        """A piece of its address."""
        super().on_url(url)
        if len(self.url) > URL_BYTES_MAX:
            self._reject(_LONG_URL)

    def on_headers_complete(self) -> None:
        """The head is whole: let the application begin."""
        headers = self.headers
        if len(headers) > HEADERS_MAX:
            self._reject(_LARGE_HEAD)
        # counted only where so much came at all
        if self._bytes + self._fed > HEAD_BYTES_MAX and _size(self.url, headers) > HEAD_BYTES_MAX:
            self._reject(_LARGE_HEAD)
        host = length = None
        for name, value in headers:
            if name == b"host":
                if host is not None:
                    self._reject(_NO_HOST)
                host = value
            elif name == b"content-length":
                length = value
        if not is_host(host) if host is not None else self.parser.get_http_version() == "1.1":
            self._reject(_NO_HOST)
        way = self._straight_way(length)
        if way is None:
            super().on_headers_complete()
        else:
            self._go_straight(way)
        self._stage = "body"
        self._bytes = 0
        if self._waiting is not None:
            self._stop_waiting()

    def on_body(self, body: bytes) -> None:
        """A piece of the body; what comes after the answer is thrown away, for a moment."""
        if self.cycle.response_complete and self._lingering is None:
            self._linger()
        super().on_body(body)

    def on_message_complete(self) -> None:
        """The request is whole."""
        super().on_message_complete()
        self._stage = "whole"
        if self._lingering is not None:
            self._lingering.cancel()
            self._lingering = None

    def pause_writing(self) -> None:
        """The client does not take what is sent."""
        super().pause_writing()
        self._taking = self.loop.call_later(self.door.taken_s_max, self.transport.abort)

    def resume_writing(self) -> None:
        """It goes on taking."""
        super().resume_writing()
        if self._taking is not None:
            self._taking.cancel()
            self._taking = None

    def _reject(self, refusal: _Refusal) -> None:
        """Stop the parser, which tells nothing of why."""
        self._refusal = refusal
        raise ValueError(refusal.code)

    def _wait(self) -> None:
        self._began_s = self.loop.time()
        most = self.door.body_s_max if self._stage == "body" else self.door.head_s_max
        self._waiting = self.loop.call_later(most, self._judge_patience)
        self.door.waited_for[self] = None

    def _stop_waiting(self) -> None:
        if self._waiting is not None:
            self._waiting.cancel()
            self._waiting = None
        self.door.waited_for.pop(self, None)

    def _judge_patience(self) -> None:
        """The time is over: for a body, what is there already has bought more."""
        if self._stage == "body":
            bought = self.door.body_s_max + self._bytes / BODY_BYTES_PER_S_MIN
            left = self._began_s + bought - self.loop.time()
            if self.flow.read_paused:  # it is the application that does not read on
                left = max(left, self.door.body_s_max)
            if left > 0:
                self._waiting = self.loop.call_later(left, self._judge_patience)
                return
            what = f"body did not come whole within {self.door.body_s_max:g} s and one for each 10,000 bytes"
        else:
            what = f"head did not come whole within {self.door.head_s_max:g} s"
        self._refuse(_Refusal(408, "request_timeout", f"The request's {what}; send it again."))

    @property
    def default_headers(self) -> list[tuple[bytes, bytes]]:
        """Headers of every answer, such as the date."""
        return self.server_state.default_headers

    def _straight_way(self, length: bytes | None) -> StraightWay | None:
        """The straight way, where the application has one for this request, and nothing about it is unusual."""
        way: StraightWay | None = getattr(self.app, "straight", None)
        if way is None or self.url != way.path or self.parser.get_method() != b"POST" or self.expect_100_continue:
            return None
        if length is None or int(length) > way.body_bytes_max:  # the parser has read it: digits
            return None
        return way if self.parser.get_http_version() == "1.1" and not self.parser.should_upgrade() else None

    def _go_straight(self, way: StraightWay) -> None:
        """As uvicorn begins a request, or lets it wait for the one before it."""
        before: Any = self.cycle
        cycle: Any = StraightCycle(self, way, self.headers, keep_alive=self.parser.should_keep_alive())
        self.cycle = cycle
        if before is None or before.response_complete:
            self._start_asgi_task(cycle, self.app)
        else:
            self.flow.pause_reading()
            self.pipeline.appendleft((cycle, self.app))

    def _start_asgi_task(self, cycle: RequestResponseCycle | StraightCycle, app: ASGI3Application) -> None:
        self._running = cycle
        if isinstance(cycle, StraightCycle):
            cycle.start()
        else:
            super()._start_asgi_task(cycle, app)

    def _refuse(self, refusal: _Refusal) -> None:
        """Answer in the application's place, where nothing was answered yet, and end."""
        self._stop_waiting()
        stage, self._stage = self._stage, "refused"
        if self.transport.is_closing():
            return
        self.door.refused[refusal.status] += 1
        self.pipeline.clear()
        running = self._running
        if running is not None and not running.response_complete:
            if stage != "body" or running is not self.cycle:
                running.keep_alive = False  # a request before this one is being answered: that ends the connection
                return
            running.disconnected = True
            running.message_event.set()
            if running.response_started:
                self.transport.close()
                return
        if refusal.status == HTTPStatus.REQUEST_TIMEOUT and stage in ("none", "whole"):
            self.transport.close()  # who has asked nothing is owed no answer
            return
        self.transport.write(refusal.encode())
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self._linger()

    def _linger(self) -> None:
        self._lingering = self.loop.call_later(LINGER_S, self.transport.abort)


def protocol(**limits: Any) -> type[Connection]:  # noqa: ANN401 (the fields of Door)
    """The protocol for a server of its own, with limits of its own."""
    return type("Connection", (Connection,), {"door": Door(**limits)})
