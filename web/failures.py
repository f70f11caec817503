"""Errors as people see them: a friendly page with the sentence, the right status, and a way on."""

from __future__ import annotations

from typing import Any

import structlog
from litestar import Request, Response
from litestar.exceptions import HTTPException
from litestar.types import ExceptionHandlersMap

from kernel.errors import NotAuthenticated, YimaError
from web.desk import Desk
from web.texts import TEXTS, Language, say
from web.visits import Visit

log = structlog.get_logger(__name__)


def exception_handlers(desk: Desk) -> ExceptionHandlersMap:
    """The handlers of the HTML routes: for errors that users cause, the framework's, and our own defects."""

    def from_error(request: Request[Any, Any, Any], error: YimaError) -> Response[bytes]:
        visit = desk.visit(request)
        headers = {}
        if isinstance(wait := error.details.get("retry_after_s"), int):
            headers["Retry-After"] = str(wait)
        # A session whose member is gone would fail on every page.
        cookies = [desk.forget_session()] if isinstance(error, NotAuthenticated) else []
        return _page(desk, visit, error.status, error_sentence(error, visit.language), error, headers, cookies)

    def from_http(request: Request[Any, Any, Any], error: HTTPException) -> Response[bytes]:
        visit = desk.visit(request)
        key = {404: "error.page", 405: "error.method", 413: "error.large"}.get(error.status_code, "error.other")
        # Of the framework's headers the one that a 405 has to bear: the methods that there are.
        allowed = {name.title(): value for name, value in (error.headers or {}).items() if name.lower() == "allow"}
        return _page(desk, visit, error.status_code, say(key, visit.language), headers=allowed)

    def from_defect(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
        log.error("page.defect", exc_info=error)
        visit = desk.visit(request)
        return _page(desk, visit, 500, say("error.defect", visit.language))

    return {YimaError: from_error, HTTPException: from_http, Exception: from_defect}


def error_sentence(error: YimaError, language: Language, *, scope: str = "error") -> str:
    """What to tell a person of an error: its own sentence in English, the catalogue's in Chinese."""
    if language == "en":
        return error.message
    for key in (f"{scope}.{error.code}", f"error.{error.code}"):
        if key in TEXTS:
            return say(key, language)
    return say("error.other", language)


def _page(
    desk: Desk,
    visit: Visit,
    status: int,
    sentence: str,
    error: YimaError | None = None,
    headers: dict[str, str] | None = None,
    cookies: list[Any] | None = None,
) -> Response[bytes]:
    if status == 429:
        key = "error.wait.title"
    else:
        key = "error.page.title" if status == 404 and error is None else "error.title"
    return desk.page(
        visit,
        "error.html",
        status=status,
        switch="/",
        headers=headers,
        cookies=cookies or (),
        title=say(key, visit.language),
        sentence=sentence,
        # Whoever only has to wait learns nothing more from the English sentence.
        original=error.message if error is not None and visit.language != "en" and status != 429 else "",
    )
