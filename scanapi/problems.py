"""Errors as problem details (RFC 9457), for every error of the API."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

import msgspec
import structlog
from litestar import Request, Response
from litestar.exceptions import HTTPException

from kernel.errors import YimaError

log = structlog.get_logger(__name__)

MEDIA_TYPE = "application/problem+json"


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


def problem(status: int, code: str, detail: str, **more: object) -> Response[bytes]:
    """A problem details response."""
    body = document(status, code, detail, **more)
    headers = {"Cache-Control": "no-store"}
    if status == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = "Bearer"
    if isinstance(wait := more.get("retry_after_s"), int):
        headers["Retry-After"] = str(wait)
    return Response(msgspec.json.encode(body), status_code=status, media_type=MEDIA_TYPE, headers=headers)


def from_error(_: Request[Any, Any, Any], error: YimaError) -> Response[bytes]:
    """An error that a user caused."""
    more = {key: value for key, value in error.details.items() if isinstance(value, (str, int))}
    return problem(error.status, error.code, error.message, **more)


def from_http(_: Request[Any, Any, Any], error: HTTPException) -> Response[bytes]:
    """An error of the framework: unknown path, wrong method, body too large."""
    status = error.status_code
    code = HTTPStatus(status).phrase.lower().replace(" ", "_")
    answer = problem(status, code, _detail(error) or HTTPStatus(status).phrase)
    answer.headers.update(error.headers or {})
    return answer


def _detail(error: HTTPException) -> str:
    """The framework's sentence, with the field and what is wrong with it where the body was invalid."""
    extra = error.extra if isinstance(error.extra, list) else []
    if any(isinstance(e, dict) and e.get("message") == "'data'" for e in extra):  # the framework's way to say so
        return "The request has no body: send a JSON object."
    fields = [f"{e.get('key') or 'body'}: {e.get('message')}" for e in extra if isinstance(e, dict)]
    return "; ".join(fields) or error.detail


def from_defect(_: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    """A defect of ours: logged whole, told in one sentence."""
    log.error("request.defect", exc_info=error)
    return problem(500, "internal", "Something went wrong on our side; try again later.")
