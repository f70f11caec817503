"""`POST /api/v1/scans` as the web server hands it over: read, decode, submit, answer.

The framework's way to a handler costs five times what a scan's own decoding costs (docs/performance.md), so this one
route is answered before it; the framework still documents the route, and answers its other methods.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from http import HTTPStatus
from typing import Annotated, Any, Final
from uuid import UUID

import msgspec
from litestar.enums import ScopeType
from litestar.exceptions import HTTPException
from litestar.types import ASGIApp, Receive, Scope, Send
from msgspec import Meta

from kernel.errors import NotAuthenticated, YimaError
from members.tokens import Bearer, Tokens
from scanapi import bodies, problems
from scanapi.problems import Problem
from scanapi.service import ScanService
from traceability.scans import ScanRequest

PATH: Final = "/api/v1/scans"
BODY_BYTES_MAX: Final = 65_536

Headers = Sequence[tuple[bytes, bytes]]

_OK_HEADERS: Final = ((b"content-type", b"application/json"), (b"cache-control", b"no-store"))


class LocationIn(msgspec.Struct, forbid_unknown_fields=True):
    """Where the scan was, as the device says it."""

    lat: Annotated[float | None, Meta(description="Degrees, -90 to 90.", examples=[30.25])] = None
    lng: Annotated[float | None, Meta(description="Degrees, -180 to 180.", examples=[120.17])] = None
    datum: Annotated[
        str | None,
        Meta(description="`wgs84` or `gcj02`, which is converted on the Chinese mainland only."),
    ] = None
    accuracy_m: Annotated[float | None, Meta(description="Radius in metres.", examples=[12])] = None
    source: Annotated[str, Meta(description="`gps`, `wechat`, `ip` or `none`; the latter two are no points.")] = "gps"


class ScanIn(msgspec.Struct, forbid_unknown_fields=True):
    """A scan. `scan_id` is the client's; sent again with the same body it gets the first reply again."""

    scan_id: Annotated[UUID, Meta(description="The client's, new for each scan, the same when it is sent again.")]
    code: Annotated[str, Meta(description="A code, or the URL that bears it, as it was scanned or typed.")]
    device_id: Annotated[str | None, Meta(description="The device's name for itself, at most 200 characters.")] = None
    location: LocationIn | None = None


_DECODER: Final = msgspec.json.Decoder(ScanIn)


async def submit(
    scans: ScanService, tokens: Tokens, headers: Iterable[tuple[bytes, bytes]], data: ScanIn, address: str | None
) -> bytes:
    """Submit one scan; the reply as JSON, sent after its commit.

    Args:
        scans: the use case.
        tokens: verifies the bearer.
        headers: of the request, names in lower case.
        data: its body.
        address: the client's.

    Raises:
        YimaError: the request is wrong, the bearer is nobody, the scan id was used otherwise, or we are busy.
    """
    authorization = language = page_token = proof = None
    for name, value in headers:
        if name == b"authorization":
            authorization = value
        elif name == b"accept-language":
            language = value
        elif name == b"yima-page-token":
            page_token = value
        elif name == b"yima-proof":
            proof = value
    bearer = None if authorization is None else bearer_of(authorization.decode("latin-1"), tokens)
    return await scans.submit(
        ScanRequest(
            data.scan_id,
            data.code,
            data.device_id,
            None if data.location is None else msgspec.structs.asdict(data.location),
            None if bearer is None else (bearer.member_id, bearer.brand_id),
            address,
            "zh" if language is None else language_in(language.decode("latin-1")),
            None if page_token is None else page_token.decode("latin-1"),
            bearer is not None,
            None if proof is None else proof.decode("latin-1"),
        )
    )


def language_in(accepted: str) -> str:
    """`zh` or `en` by an Accept-Language header; Chinese where it says nothing we speak."""
    for part in accepted.split(","):
        tag = part.split(";")[0].strip().lower()
        if tag.startswith("zh"):
            return "zh"
        if tag.startswith("en"):
            return "en"
    return "zh"


def bearer_of(header: str, tokens: Tokens) -> Bearer:
    """Who bears the token of an Authorization header.

    Raises:
        NotAuthenticated: it is no good.
    """
    scheme, _, token = header.partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise NotAuthenticated("The Authorization header is not of the form: Bearer TOKEN.")
    return tokens.verify(token.strip())


class _TooLarge(Exception):
    """The body is longer than a scan can be."""


class _Gone(Exception):
    """The client went away before its body had come."""


class ScanEndpoint:
    """Answers scans, and hands everything else on.

    Args:
        application: answers everything else.
        means: the use case and the tokens; asked at each scan, for they are made when the application starts.
    """

    def __init__(self, application: ASGIApp, means: Callable[[], tuple[ScanService, Tokens]]) -> None:
        self._application = application
        self._means = means

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection."""
        if scope["type"] != ScopeType.HTTP or scope["method"] != "POST" or scope["path"].rstrip("/") != PATH:
            await self._application(scope, receive, send)
            return
        values: Any = scope
        values["path_template"] = PATH
        try:
            answer = await self._answer(scope, receive)
        except _Gone:
            return
        if isinstance(answer, Problem):
            await _send(send, answer.status, answer.raw_headers, answer.body)
        else:
            await _send(send, 200, _OK_HEADERS, answer)

    async def _answer(self, scope: Scope, receive: Receive) -> bytes | Problem:
        scans, tokens = self._means()
        client = scope["client"]
        try:
            _judge(scope["headers"])
            body = await _read(scope, receive)
            if not body:
                return problems.of_status(HTTPStatus.BAD_REQUEST, problems.NO_BODY)
            data = bodies.read(_DECODER, body)
            return await submit(scans, tokens, scope["headers"], data, None if client is None else client[0])
        except _TooLarge:
            return problems.of_status(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "A scan's body has at most 64 KiB.")
        except HTTPException as error:
            return problems.of_http(error)
        except YimaError as error:
            return problems.of_error(error)
        except _Gone:
            raise
        except Exception as error:  # noqa: BLE001 (a defect of ours, logged whole and told as one)
            return problems.of_defect(error)


def _judge(headers: Iterable[tuple[bytes, bytes]]) -> None:
    encoding, kind = bodies.IDENTITY, bodies.JSON
    for name, value in headers:
        if name == b"content-type":
            kind = value.decode("latin-1")
        elif name == b"content-encoding":
            encoding = value.decode("latin-1")
    bodies.judge_headers(encoding, kind)


async def _read(scope: Scope, receive: Receive) -> bytes:
    for name, value in scope["headers"]:
        if name == b"content-length" and value.isdigit() and int(value) > BODY_BYTES_MAX:
            raise _TooLarge
    body = b""
    while True:
        message: Any = await receive()
        if message["type"] == "http.disconnect":
            raise _Gone
        part: bytes = message["body"]
        body = body + part if body else part
        if len(body) > BODY_BYTES_MAX:
            raise _TooLarge
        if not message.get("more_body", False):
            return body


async def _send(send: Send, status: int, headers: Iterable[tuple[bytes, bytes]], body: bytes) -> None:
    raw = [*headers, (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": raw})
    await send({"type": "http.response.body", "body": body, "more_body": False})
