"""A request on the straight way: its whole head and body in, one whole answer out, no message of ASGI in between.

For the one route that is asked more often than all others together; what ASGI costs there is more than the scan's own
reading (docs/performance.md). Everything about the connection stays uvicorn's and `yima.wire`'s.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from functools import lru_cache
from http import HTTPStatus
from typing import Final, Protocol

import structlog
from uvicorn.protocols.http.flow_control import FlowControl

log = structlog.get_logger(__name__)

Headers = Sequence[tuple[bytes, bytes]]
Shared = tuple[tuple[bytes, bytes], ...]
Answered = tuple[int, Shared, tuple[bytes, bytes], bytes]
"""Status, headers that many answers share, without the body's length; a header of this answer's own; body."""

_HEADS_KEPT_MAX: Final = 256


class StraightWay(Protocol):
    """What answers requests of one path that are posted.

    Attributes:
        path: as it stands in the request's line; other spellings of it take the ordinary way, and so does whatever
            else is unusual about a request.
        body_bytes_max: what is longer is not waited for.
    """

    path: bytes
    body_bytes_max: int

    async def answer(self, peer: str | None, headers: Headers, body: bytes | None, began_s: float) -> Answered:
        """Answer a request.

        Args:
            peer: the network address that the connection comes from; None for a Unix socket.
            headers: names in lower case.
            body: the whole of it, or `body_bytes_max` and a little more; None where the client went before it was
                there.
            began_s: when the head was there (`time.perf_counter`).
        """


class Line(Protocol):
    """The connection, as far as it is needed here: an `HttpToolsProtocol`."""

    loop: asyncio.AbstractEventLoop
    transport: asyncio.Transport
    flow: FlowControl
    client: tuple[str, int] | None
    tasks: set[asyncio.Task[None]]

    @property
    def default_headers(self) -> list[tuple[bytes, bytes]]:
        """Of every answer."""

    def on_response_complete(self) -> None:
        """The next one may begin."""


class StraightCycle:
    """Stands where uvicorn keeps a request and its answer, and has what uvicorn and `yima.wire` ask of one.

    Args:
        line: the connection.
        way: what answers.
        headers: of the request.
        keep_alive: whether the connection stays open afterwards.
    """

    def __init__(self, line: Line, way: StraightWay, headers: Headers, *, keep_alive: bool) -> None:
        self._line = line
        self._way = way
        self._headers = headers
        self._began_s = 0.0
        self._may_begin = self._begun = False
        self.keep_alive = keep_alive
        self.body = b""
        self.more_body = True
        self.disconnected = False
        self.response_started = False
        self.response_complete = False

    @property
    def message_event(self) -> StraightCycle:
        """What is set when something came: this itself."""
        return self

    def start(self) -> None:
        """The requests before it are answered."""
        self._may_begin = True
        self._began_s = time.perf_counter()
        self.set()

    def set(self) -> None:
        """Something came: a piece of the body, its end, or the connection's."""
        if self._begun or not self._may_begin:
            return
        if self.more_body and not self.disconnected and len(self.body) <= self._way.body_bytes_max:
            return
        self._begun = True
        task = self._line.loop.create_task(self._answer())
        self._line.tasks.add(task)
        task.add_done_callback(self._line.tasks.discard)

    async def _answer(self) -> None:
        gone = self.more_body and self.disconnected
        peer = None if self._line.client is None else self._line.client[0]
        body, self.body = self.body, b""
        try:
            status, shared, own, content = await self._way.answer(
                peer, self._headers, None if gone else body, self._began_s
            )
            if self._line.flow.write_paused and not self.disconnected:
                await self._line.flow.drain()
        except BaseException as error:
            self._fail()
            if not isinstance(error, Exception):  # told to stop: a shutdown that waits no longer
                raise
            log.exception("straight.failed")
            return
        if self.disconnected or self._line.transport.is_closing():
            return
        self.response_started = self.response_complete = True
        close = b"" if self.keep_alive else b"connection: close\r\n"
        length = b"content-length: %d\r\n\r\n" % len(content)
        dated = map(_line, self._line.default_headers)
        self._line.transport.write(b"".join((_head(status, shared), *dated, _line(own), close, length, content)))
        if not self.keep_alive:
            self._line.transport.close()
        self._line.on_response_complete()

    def _fail(self) -> None:
        """Answer what can still be answered, and end the connection."""
        if not (self.disconnected or self._line.transport.is_closing()):
            self.response_started = self.response_complete = True
            self._line.transport.write(
                b"HTTP/1.1 500 Internal Server Error\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
            )
            self._line.transport.close()


@lru_cache(_HEADS_KEPT_MAX)
def _head(status: int, headers: Shared) -> bytes:
    """The status line and what follows it again and again."""
    return b"".join([f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\n".encode(), *map(_line, headers)])


def _line(header: tuple[bytes, bytes]) -> bytes:
    return b"%b: %b\r\n" % header
