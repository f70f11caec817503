"""Who asks for a page: language, device, member. Everything the pages know of a request, cookies included."""

from __future__ import annotations

import hashlib
import re
import secrets
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import parse_qsl, quote, urlsplit

from litestar import Request
from litestar.datastructures import Cookie
from litestar.di import NamedDependency

from kernel.errors import Forbidden, InvalidInput, UnsupportedMedia
from web.assets import accepts_gzip
from web.ports import Ports
from web.texts import Language, choose_language

SESSION: Final = "yima_session"
DEVICE: Final = "yima_device"
BRAND: Final = "yima_brand"
LANGUAGE: Final = "yima_lang"
LATER: Final = "yima_later"

SESSION_DAYS: Final = 90
YEAR_DAYS: Final = 365
FORM_BYTES_MAX: Final = 16_384
FORM_FIELDS_MAX: Final = 40

_DEVICE_FORM: Final = re.compile(r"[0-9a-f]{32}")
_SLUG_FORM: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
_FORM_TYPE: Final = "application/x-www-form-urlencoded"

Form = dict[str, str]
"""The fields of a form, one value each, stripped of white space around it."""


@dataclass(frozen=True, slots=True)
class Visit:
    """One request for a page.

    Attributes:
        language: the page's language.
        device: random name of this browser, 128 bits in hex: the `device_id` of its scans.
        member: (member id, brand id) of a good session, or None.
        brand_slug: brand of the last sign-in, or empty. Nothing is allowed on its strength.
        path: path of the page, percent-encoded, for the language switch.
        host: host and port as the browser named them.
        address: network address of the client.
        gzip: whether the answer may be compressed.
        later: the cookie of codes to be claimed later, as it came.
        cookies: to be set with the answer, whatever it is.
        in_wechat: whether the page is open within WeChat.
    """

    language: Language
    device: str
    member: tuple[int, int] | None
    brand_slug: str
    path: str
    host: str
    address: str | None
    gzip: bool
    cookies: tuple[Cookie, ...]
    later: str = ""
    in_wechat: bool = False

    @property
    def form_token(self) -> str:
        """What this browser's forms bear: only a page of ours could read it out of the cookie."""
        return hashlib.sha256(f"yima-form/{self.device}".encode()).hexdigest()[:32]

    @property
    def who(self) -> str:
        """Tells one person of this browser from another, and nobody who it is."""
        return hashlib.sha256(f"yima-who/{self.device}/{self.member}".encode()).hexdigest()[:16]


def read(request: Request[Any, Any, Any], ports: Ports, *, secure: bool) -> Visit:
    """Read a request; a browser that comes for the first time gets its name."""
    kept = request.cookies
    cookies: list[Cookie] = []
    device = kept.get(DEVICE, "")
    if _DEVICE_FORM.fullmatch(device) is None:
        device = secrets.token_hex(16)
        cookies.append(cookie(DEVICE, device, days=YEAR_DAYS, secure=secure))
    asked = request.query_params.get("lang")
    language = choose_language(asked, kept.get(LANGUAGE), request.headers.get("accept-language", ""))
    if asked == language and kept.get(LANGUAGE) != language:
        cookies.append(cookie(LANGUAGE, language, days=YEAR_DAYS, secure=secure))
    token = kept.get(SESSION)
    brand_slug = kept.get(BRAND, "")
    return Visit(
        language=language,
        device=device,
        member=ports.bearer(token) if token else None,
        brand_slug=brand_slug if _SLUG_FORM.fullmatch(brand_slug) else "",
        # One slash: two would make the link to the other language lead to another host. As it was sent, because an
        # encoded slash within a lot number separates nothing.
        path="/" + quote(request.scope["raw_path"].partition(b"?")[0].lstrip(b"/"), safe="/%"),
        host=request.headers.get("host", ""),
        address=None if request.client is None else request.client.host,
        gzip=accepts_gzip(request),
        cookies=tuple(cookies),
        later=kept.get(LATER, ""),
        in_wechat=is_wechat(request.headers.get("user-agent", "")),
    )


def is_wechat(agent: str) -> bool:
    """Whether a browser is WeChat's own; that of WeCom names WeChat, too, and knows no official accounts."""
    words = agent.lower()
    return "micromessenger" in words and "wxwork" not in words


def cookie(name: str, value: str, *, days: int, secure: bool) -> Cookie:
    """A cookie that scripts cannot read and other sites' forms do not send; zero days take it away."""
    return Cookie(key=name, value=value, max_age=days * 86_400, path="/", secure=secure, httponly=True, samesite="lax")


def judge_encoding(request: Request[Any, Any, Any]) -> None:
    """Refuse a compressed body: no browser sends one, and a few bytes could become all the memory there is.

    Raises:
        UnsupportedMedia: it is compressed.
    """
    if request.headers.get("content-encoding", "identity").strip().lower() != "identity":
        raise UnsupportedMedia("Content-Encoding: a form is sent as it is here, not compressed.")


async def read_form(request: Request[Any, Any, Any], visit: NamedDependency[Visit]) -> Form:
    """Read the form of a POST. Every POST handler takes its fields from here, so none skips the judgement.

    Raises:
        Forbidden: it was sent by another site's page.
        InvalidInput: it is no form, or has too many fields.
        UnsupportedMedia: it is compressed.
    """
    judge_encoding(request)
    if request.content_type[0] != _FORM_TYPE:
        raise InvalidInput(f"The body is not of the type {_FORM_TYPE}.")
    try:
        pairs = parse_qsl(
            (await request.body()).decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=FORM_FIELDS_MAX
        )
    except ValueError as error:
        raise InvalidInput(f"The form has more than {FORM_FIELDS_MAX} fields.") from error
    form = {name: value.strip() for name, value in pairs}
    if not is_own(request, visit, form):
        raise Forbidden("This form was sent by another site's page; open the product's page and try again.")
    return form


def is_own(request: Request[Any, Any, Any], visit: Visit, form: Form) -> bool:
    """Whether a page of ours sent the form.

    Browsers of today say so themselves (Fetch Metadata). Older ones name the page's origin, or `null` because
    our pages send no referrer: then the form must bear the mark of this browser's cookie.
    """
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        return site in {"same-origin", "none"}
    origin = request.headers.get("origin", "null")
    if origin != "null":
        return urlsplit(origin).netloc.lower() == visit.host.lower()
    return secrets.compare_digest(form.get("form_token", "").encode(), visit.form_token.encode())
