"""Errors as problem details (RFC 9457), for every error of the API."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import msgspec
import structlog
from litestar import Request, Response
from litestar.exceptions import HTTPException

from kernel.errors import YimaError

log = structlog.get_logger(__name__)

MEDIA_TYPE = "application/problem+json"
NO_BODY = "The request has no body: send a JSON object."


@dataclass(frozen=True, slots=True)
class Problem:
    """Problem details, ready to be sent."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def raw_headers(self) -> tuple[tuple[bytes, bytes], ...]:
        """All headers, the media type's included, as ASGI wants them."""
        named = {"content-type": MEDIA_TYPE, **self.headers}
        return tuple((name.lower().encode(), value.encode()) for name, value in named.items())


def document(status: int, code: str, detail: str, **more: object) -> dict[str, object]:
    """A problem's members; `code` is stable, `detail` a sentence for a person."""
    return {
        "type": f"urn:yima:problem:{code}",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "code": code,
        "detail": detail,
        **more,
    }


def of(status: int, code: str, detail: str, **more: object) -> Problem:
    """Problem details with their headers."""
    body = document(status, code, detail, **more)
    headers = {"Cache-Control": "no-store"}
    if status == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = "Bearer"
    if isinstance(wait := more.get("retry_after_s"), int):
        headers["Retry-After"] = str(wait)
    return Problem(status, headers, msgspec.json.encode(body))


def of_error(error: YimaError) -> Problem:
    """An error that a user caused."""
    more = {key: value for key, value in error.details.items() if isinstance(value, (str, int, dict))}
    return of(error.status, error.code, error.message, **more)


def of_status(status: int, detail: str) -> Problem:
    """An error of HTTP itself: an unknown path, a wrong method, a body that cannot be read."""
    return of(status, HTTPStatus(status).phrase.lower().replace(" ", "_"), detail)


def of_defect(error: Exception) -> Problem:
    """A defect of ours: logged whole, told in one sentence."""
    log.error("request.defect", exc_info=error)
    return of(500, "internal", "Something went wrong on our side; try again later.")


def _response(made: Problem) -> Response[bytes]:
    return Response(made.body, status_code=made.status, media_type=MEDIA_TYPE, headers=made.headers)


def from_error(_: Request[Any, Any, Any], error: YimaError) -> Response[bytes]:
    """An error that a user caused."""
    return _response(of_error(error))


def of_http(error: HTTPException) -> Problem:
    """An error of the framework: unknown path, wrong method, a body that cannot be read or is too large."""
    made = of_status(error.status_code, _detail(error) or HTTPStatus(error.status_code).phrase)
    made.headers.update(error.headers or {})
    return made


def from_http(_: Request[Any, Any, Any], error: HTTPException) -> Response[bytes]:
    """An error of the framework."""
    return _response(of_http(error))


def _detail(error: HTTPException) -> str:
    """The framework's sentence, with the field and what is wrong with it where the body was invalid."""
    extra = error.extra if isinstance(error.extra, list) else []
    if any(isinstance(e, dict) and e.get("message") == "'data'" for e in extra):  # the framework's way to say so
        return NO_BODY
    fields = [f"{e.get('key') or 'body'}: {e.get('message')}" for e in extra if isinstance(e, dict)]
    return "; ".join(fields) or error.detail


def from_defect(_: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    """A defect of ours: logged whole, told in one sentence."""
    return _response(of_defect(error))
