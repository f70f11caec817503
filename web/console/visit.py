"""Who asks for a page of the console: everything the console reads of a request, cookies included."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import re
import secrets
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import quote

from litestar import Request
from litestar.datastructures import Cookie

from web.assets import accepts_gzip
from web.texts import Language, choose_language
from web.visits import LANGUAGE, YEAR_DAYS
from web.visits import cookie as lax_cookie

SESSION: Final = "yima_console"
FORM_KEY: Final = "yima_console_form"
FLASH: Final = "yima_console_flash"
THEME: Final = "yima_console_theme"
THEMES: Final = ("auto", "light", "dark")

_KEY_FORM: Final = re.compile(r"[0-9a-f]{32}")
_FLASH_BYTES_MAX: Final = 1_000


@dataclass(frozen=True, slots=True)
class Visit:
    """One request for a page of the console.

    Attributes:
        language: the page's language.
        theme: `auto`, `light` or `dark`.
        path: path of the page, percent-encoded.
        query: query string as sent, without the language.
        host: host and port as the browser named them.
        address: network address of the client.
        agent: what the browser calls itself, cut.
        gzip: whether the answer may be compressed.
        partial: whether htmx asks, which replaces a part of the page.
        token: the session cookie's value, or empty.
        form_key: random name of this browser for forms before the sign-in.
        flash: text key and values told once after a change.
        cookies: to be set with the answer, whatever it is.
    """

    language: Language
    theme: str
    path: str
    query: str
    host: str
    address: str | None
    agent: str
    gzip: bool
    partial: bool
    token: str
    form_key: str
    flash: tuple[str, dict[str, Any]] | None
    cookies: tuple[Cookie, ...] = field(default=())

    @property
    def form_token(self) -> str:
        """What forms before the sign-in bear: only a page of ours could read it out of the cookie."""
        return hashlib.sha256(f"yima-console-form/{self.form_key}".encode()).hexdigest()[:32]


def read(request: Request[Any, Any, Any], *, secure: bool) -> Visit:
    """Read a request; a browser that comes for the first time gets its form key."""
    kept = request.cookies
    cookies: list[Cookie] = []
    form_key = kept.get(FORM_KEY, "")
    if _KEY_FORM.fullmatch(form_key) is None:
        form_key = secrets.token_hex(16)
        cookies.append(cookie(FORM_KEY, form_key, days=YEAR_DAYS, secure=secure))
    asked = request.query_params.get("lang")
    language = choose_language(asked, kept.get(LANGUAGE), request.headers.get("accept-language", ""))
    if asked == language and kept.get(LANGUAGE) != language:
        cookies.append(lax_cookie(LANGUAGE, language, days=YEAR_DAYS, secure=secure))
    theme = kept.get(THEME, "auto")
    wished = request.query_params.get("theme")
    if wished in THEMES and wished != theme:
        theme = wished
        cookies.append(cookie(THEME, theme, days=YEAR_DAYS, secure=secure))
    flash = _read_flash(kept.get(FLASH, ""))
    if FLASH in kept:
        cookies.append(cookie(FLASH, "", days=0, secure=secure))
    query = "&".join(
        part
        for part in request.scope["query_string"].decode("ascii", "replace").split("&")
        if part and part.partition("=")[0] not in {"lang", "theme"}
    )
    return Visit(
        language=language,
        theme=theme if theme in THEMES else "auto",
        path="/" + quote(request.scope["path"].lstrip("/")),
        query=query,
        host=request.headers.get("host", ""),
        address=None if request.client is None else request.client.host,
        agent=request.headers.get("user-agent", "")[:200],
        gzip=accepts_gzip(request),
        partial=request.headers.get("hx-request") == "true",
        token=kept.get(SESSION, ""),
        form_key=form_key,
        flash=flash,
        cookies=tuple(cookies),
    )


def cookie(name: str, value: str, *, days: float, secure: bool) -> Cookie:
    """A cookie of the console: only its own pages get it, no script reads it, no other site's link sends it."""
    return Cookie(
        key=name,
        value=value,
        max_age=int(days * 86_400),
        path="/console",
        secure=secure,
        httponly=True,
        # Lax, not Strict: a link in a mail (a reset, an alert) must find the session.
        samesite="lax",
    )


def pack_flash(key: str, values: dict[str, Any]) -> str:
    """A flash as a cookie's value."""
    return base64.urlsafe_b64encode(json.dumps([key, values]).encode()).decode()


def _read_flash(value: str) -> tuple[str, dict[str, Any]] | None:
    """A flash as it was packed; a torn or foreign one is none. What it says is a text of ours, its values escaped."""
    if not value or len(value) > _FLASH_BYTES_MAX:
        return None
    try:
        match json.loads(base64.urlsafe_b64decode(value.encode())):
            case [str(key), dict(values)]:
                return key, values
    except (binascii.Error, ValueError):
        return None
    return None
