"""`POST /api/v1/scans` as the web server hands it over: read, decode, submit, answer.

The framework's way to a handler costs five times what a scan's own decoding costs (docs/performance.md), so this one
route is answered before it; the framework still documents the route, and answers its other methods.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
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
from scanapi.service import ScanService
from traceability.scans import ScanRequest

PATH: Final = "/api/v1/scans"
BODY_BYTES_MAX: Final = 65_536

Headers = tuple[tuple[bytes, bytes], ...]

_LANGUAGES_KEPT_MAX: Final = 1_024
_LANGUAGE_BYTES_MAX: Final = 200
"""Of an Accept-Language header that are looked at; browsers say what they like best first."""
_TOO_LONG: Final = bytes(BODY_BYTES_MAX + 1)
_OK_HEADERS: Final[Headers] = ((b"content-type", b"application/json"), (b"cache-control", b"no-store"))


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
    scans: ScanService, tokens: Tokens, headers: Mapping[bytes, bytes], data: ScanIn, address: str | None
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
    authorization, language = headers.get(b"authorization"), headers.get(b"accept-language")
    page_token, proof = headers.get(b"yima-page-token"), headers.get(b"yima-proof")
    bearer = None if authorization is None else bearer_of(authorization.decode("latin-1"), tokens)
    return await scans.submit(
        ScanRequest(
            data.scan_id,
            data.code,
            data.device_id,
            None if data.location is None else msgspec.structs.asdict(data.location),
            None if bearer is None else (bearer.member_id, bearer.brand_id),
            address,
            "zh" if language is None else language_in(language),
            None if page_token is None else page_token.decode("latin-1"),
            bearer is not None,
            None if proof is None else proof.decode("latin-1"),
        )
    )


def language_in(accepted: bytes) -> str:
    """`zh` or `en` by an Accept-Language header; Chinese where it says nothing we speak."""
    return _language_in(accepted[:_LANGUAGE_BYTES_MAX])


@lru_cache(_LANGUAGES_KEPT_MAX)
def _language_in(accepted: bytes) -> str:
    for part in accepted.decode("latin-1").split(","):
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
        client = scope["client"]
        try:
            body = await _read(scope, receive)
        except _Gone:
            return
        status, headers, content = await self.answer(scope["headers"], body, None if client is None else client[0])
        raw = [*headers, (b"content-length", str(len(content)).encode())]
        await send({"type": "http.response.start", "status": status, "headers": raw})
        await send({"type": "http.response.body", "body": content, "more_body": False})

    async def answer(
        self, headers: Iterable[tuple[bytes, bytes]], body: bytes, address: str | None
    ) -> tuple[int, Headers, bytes]:
        """Answer one scan.

        Args:
            headers: of the request, names in lower case.
            body: the whole of it, or more than `BODY_BYTES_MAX` of it.
            address: the client's.

        Returns:
            Status, headers without the length, and body.
        """
        try:
            scans, tokens = self._means()
            named = dict(headers)
            bodies.judge_headers(named.get(b"content-encoding"), named.get(b"content-type"))
            if len(body) > BODY_BYTES_MAX:
                problem = problems.of_status(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "A scan's body has at most 64 KiB.")
            elif not body:
                problem = problems.of_status(HTTPStatus.BAD_REQUEST, problems.NO_BODY)
            else:
                data = bodies.read(_DECODER, body)
                return 200, _OK_HEADERS, await submit(scans, tokens, named, data, address)
        except HTTPException as error:
            problem = problems.of_http(error)
        except YimaError as error:
            problem = problems.of_error(error)
        except Exception as error:  # noqa: BLE001 (a defect of ours, logged whole and told as one)
            problem = problems.of_defect(error)
        return problem.status, problem.raw_headers, problem.body


async def _read(scope: Scope, receive: Receive) -> bytes:
    """The body, or so much of it that it is too long."""
    for name, value in scope["headers"]:
        if name == b"content-length" and value.isdigit() and int(value) > BODY_BYTES_MAX:
            return _TOO_LONG
    body = b""
    while True:
        message: Any = await receive()
        if message["type"] == "http.disconnect":
            raise _Gone
        part: bytes = message["body"]
        body = body + part if body else part
        if len(body) > BODY_BYTES_MAX or not message.get("more_body", False):
            return body
