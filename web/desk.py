"""What every page needs at hand: the use cases, the templates, the bundle. Makes pages and redirects."""

from __future__ import annotations

import gzip
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from litestar import Request, Response
from litestar.datastructures import Cookie

from kernel.clock import now
from traceability.regions import Regions
from web import assets, claims, later, livery, older, texts, visits
from web.assets import Assets
from web.livery import Livery
from web.ports import Ports
from web.turns import Turns
from web.visits import Visit

SECURITY_HEADERS: Final = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": (
        "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    ),
    "Permissions-Policy": "geolocation=(self), camera=(), microphone=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}

_TEMPLATES: Final = Path(__file__).parent / "templates"
_PACK_BYTES_MIN: Final = 1_000


@dataclass(frozen=True, slots=True)
class Desk:
    """The use cases and the means to answer."""

    ports: Ports
    regions: Regions
    secure: bool
    assets: Assets
    templates: Environment
    story: bool
    painting: Turns = field(default_factory=lambda: Turns(at_once=1, waiting_max=3))
    """The turns in which photos are painted anew."""
    printed_host: str = ""

    def visit(self, request: Request[Any, Any, Any]) -> Visit:
        """Read who asks."""
        return visits.read(request, self.ports, secure=self.secure)

    def livery(self, visit: Visit, slug: str) -> Livery | None:
        """How a brand's page looks; None where the page is no brand's."""
        shown = self.ports.brand(slug) if slug else None
        return None if shown is None else livery.of(shown, visit.language)

    def page(
        self,
        visit: Visit,
        template: str,
        *,
        brand: str = "",
        status: int = 200,
        switch: str | None = None,
        headers: dict[str, str] | None = None,
        cookies: Iterable[Cookie] = (),
        **context: object,
    ) -> Response[bytes]:
        """Make a page.

        Args:
            visit: who asked.
            template: its file under `templates/`.
            brand: slug of the brand whose page it is, if it is one's.
            status: HTTP status.
            switch: path of the page that the language switch leads to; this page's own by default.
            headers: further headers.
            cookies: to be set besides the visit's own.
            context: the template's names.
        """
        worn = self.livery(visit, brand)
        leads_to = self.wechat(visit, brand)
        html = render(
            self.templates,
            template,
            language=visit.language,
            visit=visit,
            assets=self.assets,
            figures=self.story,
            livery=worn,
            elsewhere=self._elsewhere(visit, worn),
            wechat=bool(leads_to),
            switch=visit.path if switch is None else switch,
            kept=later.read(visit.later, at=now()),
            **context,
        )
        body = html.encode("utf-8", "replace")
        sent = SECURITY_HEADERS | {"Vary": "Accept-Encoding"} | (headers or {})
        if leads_to:
            # browsers hold a form's redirects against this, too
            policy = sent["Content-Security-Policy"]
            sent["Content-Security-Policy"] = policy.replace("form-action 'self'", f"form-action 'self' {leads_to}")
        if visit.gzip and len(body) >= _PACK_BYTES_MIN:
            body = gzip.compress(body, compresslevel=6, mtime=0)
            sent["Content-Encoding"] = "gzip"
        return Response(
            body,
            status_code=status,
            media_type="text/html",
            headers=sent,
            cookies=[*visit.cookies, *cookies],
        )

    def wechat(self, visit: Visit, slug: str) -> str:
        """The origin that a button for sign-in with WeChat leads to; empty where the page has none.

        It has one within WeChat, where the brand has an official account, and on the one host that WeChat sends
        people back to: the member centre's where the brand has named one, else the printed one.
        """
        leads_to = self.ports.wechat(slug) if visit.in_wechat and slug else ""
        return leads_to if visit.host.lower() == self.sign_in_host(slug) else ""

    def sign_in_host(self, slug: str) -> str:
        """The host that a brand's people come back to from WeChat."""
        shown = self.ports.brand(slug)
        return (shown.settings.member_host if shown is not None else "") or self.printed_host

    @property
    def scheme(self) -> str:
        """Of our own addresses."""
        return "https" if self.secure else "http"

    def _elsewhere(self, visit: Visit, worn: Livery | None) -> str:
        """Where the member centre is, if not here; empty otherwise."""
        host = "" if worn is None else worn.elsewhere(visit.host)
        return f"{self.scheme}://{host}" if host else ""

    def redirect(self, visit: Visit, path: str, *, cookies: Iterable[Cookie] = ()) -> Response[bytes]:
        """Send the browser to another page by GET (RFC 9110 §15.4.4); a path is one of ours."""
        return Response(
            b"",
            status_code=303,
            media_type="text/html",
            headers=SECURITY_HEADERS | {"Location": path},
            cookies=[*visit.cookies, *cookies],
        )

    def cookie(self, name: str, value: str, *, days: int) -> Cookie:
        """A cookie under this installation's rule for `Secure`."""
        return visits.cookie(name, value, days=days, secure=self.secure)

    def keep_later(self, visit: Visit, code: str) -> Cookie:
        """Has this phone keep a code for a day."""
        return self.cookie(visits.LATER, later.with_code(visit.later, code, at=now()), days=1)

    def claimed(self, visit: Visit, code: str) -> list[Cookie]:
        """Has this phone keep a code no longer; nothing where it did not."""
        left = later.without_code(visit.later, code, at=now())
        return [self.cookie(visits.LATER, left, days=1 if left else 0)] if visit.later else []

    def forget_session(self) -> Cookie:
        """Takes the session cookie away."""
        return self.cookie(visits.SESSION, "", days=0)


def open_desk(
    ports: Ports, *, secure_cookies: bool, public_url: str = "", regions: Regions | None = None, story: bool = True
) -> Desk:
    """Make ready everything that pages need.

    Args:
        ports: the use cases.
        secure_cookies: whether cookies travel over HTTPS only.
        public_url: the setting `YIMA_PUBLIC_URL`: the host that is printed.
        regions: provinces' names; None to load the file that set-up builds.
        story: whether there is a page of figures; it names dealers, so that only a trial shows it to everybody.

    Raises:
        ConfigurationError: the front end or the region data are not built.
    """
    return Desk(
        ports=ports,
        regions=regions or Regions.load(),
        secure=secure_cookies,
        assets=assets.load(),
        templates=environment(),
        story=story,
        printed_host=urlsplit(public_url).netloc.lower(),
    )


def environment() -> Environment:
    """The templates of the consumer's pages; the console previews them."""
    templates = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    templates.filters["packed"] = older.pack
    templates.filters["grouped"] = grouped
    templates.filters["count"] = "{:,}".format
    templates.globals["reason_class"] = claims.reason_class
    templates.globals["day"] = texts.day
    templates.globals["minute"] = texts.minute
    return templates


def render(templates: Environment, template: str, *, language: texts.Language, **context: object) -> str:
    """A page's HTML."""
    return templates.get_template(template).render(say=partial(_say, language), language=language, **context)


def grouped(code: str) -> str:
    """A code as it is read aloud: in groups of four; an address stays as it is."""
    if not code.isalnum():
        return code
    return " ".join(code[at : at + 4] for at in range(0, len(code), 4))


def _say(language: texts.Language, key: str, **values: object) -> str:
    return texts.say(key, language, **values)
