"""What every page of the console needs at hand: the rooms' means, the templates, the bundle."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Final, Protocol
from uuid import UUID

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from litestar import Response
from litestar.datastructures import Cookie

from insights.live import Live
from insights.views import Views
from kernel.crypto import BlindIndex, Vault
from kernel.db import Database, Tx
from traceability.regions import Regions
from web import assets, texts
from web.assets import Assets
from web.console import frame, sentences, visit
from web.console.seat import Person, Seat
from web.console.texts import TEXTS, say
from web.console.visit import Visit
from web.turns import Turns

CONTENT_SECURITY_POLICY: Final = (
    # Charts and the map set styles on their own elements and draw into pictures; scripts are ours alone.
    "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; worker-src 'self' blob:; "
    "object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'self'; frame-src 'self'"
)
SECURITY_HEADERS: Final = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "Permissions-Policy": "geolocation=(), camera=(), microphone=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "SAMEORIGIN",
}

UPLOADS_AT_ONCE_MAX: Final = 4
"""Files to be imported that a process takes in at once."""
_TEMPLATES: Final = Path(__file__).parent.parent / "templates"
_PACK_BYTES_MIN: Final = 1_000
_PACK_BYTES_MAX: Final = 2_000_000
"""Compressing more than this would hold up whoever scans at the same time."""


class DecideClaim(Protocol):
    """The use case of deciding a held claim, which lives above the console; wired in the composition root."""

    async def __call__(self, tx: Tx, claim_id: int, *, post: bool, reason: str, actor: str) -> object:
        """Decide it; raises `YimaError` where it cannot be decided."""
        ...


class DecideAppeal(Protocol):
    """The use case of answering an appeal, likewise."""

    async def __call__(self, tx: Tx, appeal_id: int, *, grant: bool, said: str, actor: str, brand_id: int) -> object:
        """Answer it; raises `YimaError` where it cannot be answered so."""
        ...


@dataclass(frozen=True, slots=True)
class Means:
    """What the console stands on; made when the application starts, for it holds connections of its event loop.

    Attributes:
        db: the database.
        vault: seals and opens personal data.
        index: finds what is sealed.
        views: heatmap views over the rollups.
        live: tells of new scans.
        wake: wakes a worker after a commit.
        wake_task: wakes a worker for long work, by the task's id, after a commit.
        imports: the spool of files to be imported.
        packages: the folder where workers leave code packages.
        public_url: what is printed in codes.
        dev: whether this is a development installation.
        mail: whether e-mail can be sent.
        decide_claim: decides a held claim in the caller's transaction; pays it where `post`, else voids it.
        decide_appeal: answers an appeal in the caller's transaction; pays where `grant`, else tells `said`.
        reading: the turns in which uploaded photos are read.
        painting: the turns in which pictures are painted anew.
        uploading: the turns in which files to be imported are taken in; each fills the disk while it comes.
    """

    db: Database
    vault: Vault
    index: BlindIndex
    views: Views
    live: Live
    wake: Callable[[], None]
    wake_task: Callable[[UUID], None]
    imports: Path
    packages: Path
    public_url: str
    dev: bool
    mail: bool
    decide_claim: DecideClaim
    decide_appeal: DecideAppeal
    reading: Turns = field(default_factory=lambda: Turns(at_once=1, waiting_max=4))
    painting: Turns = field(default_factory=lambda: Turns(at_once=1, waiting_max=4))
    uploading: Turns = field(default_factory=lambda: Turns(at_once=UPLOADS_AT_ONCE_MAX, waiting_max=0))


@dataclass(frozen=True, slots=True)
class Desk:
    """The means and what answers are made of."""

    means: Means
    regions: Regions
    secure: bool
    assets: Assets
    templates: Environment

    def page(
        self,
        who: Seat | Person | Visit,
        template: str,
        *,
        status: int = 200,
        headers: Mapping[str, str] | None = None,
        cookies: Iterable[Cookie] = (),
        **context: object,
    ) -> Response[bytes]:
        """Make a page.

        Args:
            who: the seat, or before the sign-in the visit.
            template: its file under `templates/console/`.
            status: HTTP status.
            headers: further headers.
            cookies: to be set besides the visit's own.
            context: the template's names.
        """
        asked: Visit = who if isinstance(who, Visit) else who.visit
        session = None if isinstance(who, Visit) else who.session
        seat = who if isinstance(who, Seat) else None
        html = self.templates.get_template(f"console/{template}").render(
            say=partial(_say, asked.language),
            pick=partial(pick, asked.language),
            reworded=partial(sentences.told, language=asked.language),
            language=asked.language,
            visit=asked,
            seat=seat,
            staff=None if session is None else session.staff,
            csrf=asked.form_token if session is None else session.csrf,
            navigation=frame.navigation(seat),
            assets=self.assets,
            flash=_flash(asked),
            dev=self.means.dev,
            **context,
        )
        return self.answer(
            asked,
            html.encode("utf-8", "replace"),
            media_type="text/html",
            status=status,
            headers=headers,
            cookies=[*asked.cookies, *cookies],
        )

    def json(self, asked: Visit, document: object, *, headers: Mapping[str, str] | None = None) -> Response[bytes]:
        """Answer a script of ours with JSON."""
        body = json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()
        return self.answer(asked, body, media_type="application/json", headers=headers)

    def file(self, asked: Visit, name: str, body: bytes, *, media_type: str) -> Response[bytes]:
        """Answer with a file to be saved; the name is ASCII of ours."""
        return self.answer(
            asked, body, media_type=media_type, headers={"Content-Disposition": f'attachment; filename="{name}"'}
        )

    def answer(
        self,
        asked: Visit,
        body: bytes,
        *,
        media_type: str,
        status: int = 200,
        headers: Mapping[str, str] | None = None,
        cookies: Iterable[Cookie] = (),
    ) -> Response[bytes]:
        """Answer with bytes, compressed where the client reads that."""
        sent = SECURITY_HEADERS | {"Vary": "Accept-Encoding, HX-Request"} | dict(headers or {})
        if asked.gzip and _PACK_BYTES_MIN <= len(body) <= _PACK_BYTES_MAX:
            body = gzip.compress(body, compresslevel=6, mtime=0)
            sent["Content-Encoding"] = "gzip"
        return Response(body, status_code=status, media_type=media_type, headers=sent, cookies=list(cookies))

    def redirect(
        self, asked: Visit, path: str, *, flash: str = "", cookies: Iterable[Cookie] = (), **values: object
    ) -> Response[bytes]:
        """Send the browser to another page of ours by GET (RFC 9110 §15.4.4).

        Args:
            asked: the visit.
            path: the page.
            flash: key of a text told there once.
            cookies: to be set besides the visit's own.
            values: fill the gaps of the flash.
        """
        set_cookies = [each for each in asked.cookies if each.key != visit.FLASH]
        if flash:
            packed = visit.pack_flash(flash, values)
            set_cookies.append(self.cookie(visit.FLASH, packed, days=1 / 1440))
        return Response(
            b"",
            status_code=303,
            media_type="text/html",
            headers=SECURITY_HEADERS | {"Location": path},
            cookies=[*set_cookies, *cookies],
        )

    def cookie(self, name: str, value: str, *, days: float) -> Cookie:
        """A cookie of the console under this installation's rule for `Secure`."""
        return visit.cookie(name, value, days=days, secure=self.secure)


def open_desk(means: Means, *, secure_cookies: bool, regions: Regions) -> Desk:
    """Make ready everything that pages need.

    Raises:
        ConfigurationError: the front end is not built.
    """
    return Desk(means=means, regions=regions, secure=secure_cookies, assets=assets.load(), templates=_environment())


def _environment() -> Environment:
    templates = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    templates.filters["count"] = "{:,}".format
    templates.filters["packed"] = _packed
    templates.globals["day"] = texts.day
    templates.globals["minute"] = texts.minute
    return templates


def pick(language: texts.Language, chinese: str, english: str) -> str:
    """The name in the page's language."""
    return chinese if language == "zh" else english


def _packed(value: object) -> str:
    """A value as JSON for a `data-` attribute; the template escapes it."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _flash(asked: Visit) -> str:
    if asked.flash is None or asked.flash[0] not in TEXTS:
        return ""
    try:
        return say(asked.flash[0], asked.language, **asked.flash[1])
    except (KeyError, IndexError, TypeError):  # a cookie somebody changed
        return ""


def _say(language: texts.Language, key: str, **values: Any) -> str:  # noqa: ANN401 (what a text's gaps take)
    return say(key, language, **values)
