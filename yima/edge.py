"""The outermost layer of a web process: who asks, under which request id, how long it took, and `/metrics`.

A request's line in the log tells its route, never its path: the path holds the code.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

import structlog
from litestar.enums import ScopeType
from litestar.types import ASGIApp, Message, Receive, Scope, Send

from kernel import requests
from kernel.requests import request_id
from yima import metrics
from yima.environment import within
from yima.metrics import Figures
from yima.proxies import Headers, Origin, find_origin, strip
from yima.settings import Settings
from yima.straight import Answered, Shared, StraightWay

log = structlog.get_logger(__name__)

SLOW_S = 1.0
CLIENT_GONE = 499
"""Told in figures and log, never sent: the client went, or was cut off, before its request was whole."""
_ID = b"x-request-id"
_OF_A_PROXY = frozenset({b"forwarded", b"via", b"x-real-ip"})


class Span(Protocol):
    """A span of a request, told at the end what it was."""

    def end(self, route: str, status: int) -> None:
        """The route's template and the status answered."""


Trace = Callable[[str], AbstractContextManager[Span]]
"""Opens a span for a request of this method."""


class Edge:
    """Stands around the whole application.

    Args:
        application: what answers.
        settings: of this installation.
        figures: what /metrics shows.
        trace: opens a span for each request, or None where nobody collects them.
    """

    def __init__(
        self, application: ASGIApp, settings: Settings, figures: Figures, *, trace: Trace | None = None
    ) -> None:
        self._application = application
        self._settings = settings
        self._figures = figures
        self._trace = trace
        self._log_all = settings.log_requests == "all"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection."""
        if scope["type"] != ScopeType.HTTP:
            try:
                await self._application(scope, receive, send)
            except Exception:
                log.exception("start.failed")  # the server tells only that it was so
                raise
            return
        given: Headers = list(scope["headers"])
        peer = scope["client"]
        origin, known = self._admit(None if peer is None else peer[0], given)
        if origin.trusted:
            _believe(scope, origin, given)
        scope["headers"] = strip(given)
        if scope["path"] == "/metrics" and scope["method"] in ("GET", "HEAD") and self._may_watch(scope, given):
            await self._show(send)
            return
        token = request_id.set(known)
        try:
            if self._trace is None:
                await self._answer(scope, receive, send, known)
            else:
                with self._trace(scope["method"]) as span:
                    span.end(*await self._answer(scope, receive, send, known))
        finally:
            request_id.reset(token)

    def _admit(self, peer: str | None, given: Headers) -> tuple[Origin, str]:
        """Who asks, and the request's id."""
        trusted = self._settings.trusted_proxies
        origin = find_origin(peer, given, trusted) if trusted else Origin(peer)
        if not origin.trusted:
            return origin, requests.make()
        said = next((value.decode("latin-1") for name, value in given if name == _ID), None)
        return origin, requests.accept(said) or requests.make()

    def _may_watch(self, scope: Scope, given: Headers) -> bool:
        """Whether the peer may see the figures: itself, not on behalf of somebody else."""
        peer = scope["client"]
        if peer is None or any(name.startswith(b"x-forwarded") or name in _OF_A_PROXY for name, _ in given):
            return False
        return within(peer[0], self._settings.metrics_networks)

    async def _show(self, send: Send) -> None:
        body = await self._figures.show()
        headers = [(b"content-type", metrics.CONTENT_TYPE.encode()), (b"cache-control", b"no-store")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body, "more_body": False})

    async def _answer(self, scope: Scope, receive: Receive, send: Send, known: str) -> tuple[str, int]:
        started = time.perf_counter()
        status = 0
        gone = False
        mark = (_ID, known.encode())

        async def receiving() -> Any:  # noqa: ANN401 (the framework's union of messages)
            nonlocal gone
            message = await receive()
            gone = gone or message["type"] == "http.disconnect"
            return message

        async def sending(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message.get("headers", []), mark]
            await send(message)

        figures = self._figures.requests
        figures.open += 1
        try:
            await self._application(scope, receiving, sending)
        finally:
            figures.open -= 1
            if gone and status in (0, 500):
                status = CLIENT_GONE  # nobody is there to read what the framework calls a fault of ours
            route = str(scope.get("path_template") or "unknown")
            self._note(scope["method"] if scope["type"] == ScopeType.HTTP else "", route, status, started)
        return route, status

    def _note(self, method: str, route: str, status: int, began_s: float) -> None:
        """Count a request, and tell of one that took long or failed."""
        took_s = time.perf_counter() - began_s
        self._figures.requests.observe(route, status, took_s)
        if self._log_all or took_s >= SLOW_S or status >= 500:
            log.info("request", method=method, route=route, status=status, ms=round(took_s * 1000, 1))


Answer = Callable[[Iterable[tuple[bytes, bytes]], bytes, str | None], Awaitable[tuple[int, Shared, bytes]]]
"""Answers a body with the headers it came with and the client's address: status, headers, body."""


class StraightEdge(Edge):
    """The same, which besides answers one route straight from the connection (`yima.straight`).

    Args:
        application: as above.
        settings: as above.
        figures: as above.
        straight: answers the route; as guarded as the application.
        route: its path.
        body_bytes_max: of a request there.
        trace: as above.
    """

    def __init__(
        self, application: ASGIApp, settings: Settings, figures: Figures, *,
        straight: Answer, route: str, body_bytes_max: int, trace: Trace | None = None,
    ) -> None:  # fmt: skip
        super().__init__(application, settings, figures, trace=trace)
        self._straight = straight
        self._route = route
        self.path = route.encode()
        self.body_bytes_max = body_bytes_max

    @property
    def straight(self) -> StraightWay:
        """Asked by the connection."""
        return self

    async def answer(
        self, peer: str | None, headers: Sequence[tuple[bytes, bytes]], body: bytes | None, began_s: float
    ) -> Answered:
        """Answer one request of the route."""
        given = list(headers)
        origin, known = self._admit(peer, given)
        request_id.set(known)  # of this task alone
        if self._trace is None:
            status, shared, content = await self._count(origin, strip(given), body, began_s)
        else:
            with self._trace("POST") as span:
                status, shared, content = await self._count(origin, strip(given), body, began_s)
                span.end(self._route, status)
        return status, shared, (_ID, known.encode()), content

    async def _count(
        self, origin: Origin, headers: Headers, body: bytes | None, began_s: float
    ) -> tuple[int, Shared, bytes]:
        status = 500 if body is not None else CLIENT_GONE
        figures = self._figures.requests
        figures.open += 1
        try:
            if body is None:
                return status, (), b""
            answered = await self._straight(headers, body, origin.address)
            status = answered[0]
        finally:
            figures.open -= 1
            self._note("POST", self._route, status, began_s)
        return answered


def _believe(scope: Scope, origin: Origin, given: Headers) -> None:
    """Write into the scope what a trusted proxy says of who asks."""
    values: Any = scope  # the framework's type knows no assignment of some keys
    values["client"] = (origin.address, 0)
    if origin.scheme is not None:
        values["scheme"] = origin.scheme
    if origin.host is not None:
        given[:] = [*((n, v) for n, v in given if n != b"host"), (b"host", origin.host.encode())]
