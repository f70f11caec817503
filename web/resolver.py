"""The GS1 resolver: Digital Links on our own host lead where the product's links say.

By GS1-Conformant Resolver 1.2. A link to a code of ours stays the consumer's page at that very address; every
other link to a product of ours is sent on, with its whole query; what is no Digital Link is a 400, what we do
not know a 404, and no error is ever a 200. A compressed link is answered as its uncompressed form, which it names.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

from litestar import Request, Response, route
from litestar.enums import HttpMethod
from litestar.exceptions import NotFoundException
from litestar.handlers import HTTPRouteHandler

from codegen import digital_link
from codegen.digital_link import DigitalLink, InvalidLink
from codegen.digital_link_compression import decompress
from codegen.gs1_ais import primary_keys
from traceability.link_types import DEFAULT, DEFAULT_SET, name_of
from traceability.product_links import Resolved, leads_back
from web import linksets
from web.desk import SECURITY_HEADERS, Desk
from web.linksets import Wish
from web.texts import say
from web.visits import Visit

CORS: Final = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Allow-Methods": "GET, HEAD, OPTIONS",
    "Access-Control-Allow-Headers": "Accept, Accept-Language, Content-Type",
    "Access-Control-Expose-Headers": "Link, Location",
}
METHODS: Final = [HttpMethod.GET, HttpMethod.HEAD, HttpMethod.OPTIONS]
PATHS: Final = [path for key in primary_keys() for path in (f"/{key}", f"/{key}/{{rest:path}}")]

Landing = Callable[[Desk, Visit, str, dict[str, str]], Awaitable[Response[bytes] | None]]
"""Makes the consumer's page of a code (desk, visit, the path as it was asked for, further headers), or None."""


class Resolver:
    """Answers Digital Links.

    Args:
        desk: makes the pages.
        public_url: the setting `YIMA_PUBLIC_URL`: the host that is printed.
        landing: makes the consumer's page of a code.
    """

    def __init__(self, desk: Desk, public_url: str, landing: Landing) -> None:
        self._desk = desk
        self.root: Final = public_url.rstrip("/").lower()
        self._landing = landing

    async def answer(self, request: Request[Any, Any, Any]) -> Response[bytes]:
        """The answer to a GET or HEAD."""
        # As it was sent: an encoded slash in a value separates nothing.
        path = request.scope["raw_path"].decode("latin-1").partition("?")[0].rstrip("/")
        query = request.scope["query_string"].decode("latin-1")
        uri = f"{self.root}{path}?{query}" if query else f"{self.root}{path}"
        try:
            link = digital_link.parse(uri)
        except InvalidLink as error:
            plain = _uncompressed(uri)
            if plain is not None:
                return await self._answer_compressed(request, *plain)
            visit, wish = self._desk.visit(request), _wish(request, query)
            return self._refuse(visit, wish, 400, error.message, say("resolver.invalid", visit.language), error.reason)
        return await self._answer_link(request, link, path, query)

    async def answer_segment(self, request: Request[Any, Any, Any]) -> Response[bytes]:
        """The answer to an address of one segment that is no other page: a compressed link.

        Raises:
            NotFoundException: it is none.
        """
        path = request.scope["raw_path"].decode("latin-1").partition("?")[0]
        query = request.scope["query_string"].decode("latin-1")
        plain = _uncompressed(f"{self.root}{path}?{query}")
        if plain is None:
            raise NotFoundException("There is no such page.")
        return await self._answer_compressed(request, *plain)

    async def _answer_compressed(self, request: Request[Any, Any, Any], uri: str, link: DigitalLink) -> Response[bytes]:
        path, _, query = uri.removeprefix(self.root).partition("?")
        answer = await self._answer_link(request, link, path, query)
        links = (f'<{uri}>; rel="owl:sameAs"; title="Uncompressed URI"', answer.headers.get("Link"))
        answer.headers["Link"] = ", ".join(each for each in links if each)
        return answer

    async def _answer_link(
        self, request: Request[Any, Any, Any], link: DigitalLink, path: str, query: str
    ) -> Response[bytes]:
        visit, wish = self._desk.visit(request), _wish(request, query)
        if not wish.link_type and not wish.linkset_type and link.path[-1].ai == "21":
            page = await self._landing(self._desk, visit, path, CORS)
            if page is not None:
                if page.status_code == 200 and link.key.ai == "01":
                    page.headers["Link"] = linksets.linkset_header(self._anchor(link.key.value))
                return page
        resolved = await self._find(link)
        if resolved is None:
            sentence = say("resolver.unknown", visit.language)
            return self._refuse(visit, wish, 404, "Nothing is known here of what this link names.", sentence, "unknown")
        return self._answer(visit, wish, resolved, query)

    async def _find(self, link: DigitalLink) -> Resolved | None:
        """The product of a link; what is said of variant, lot and unit leads up to it."""
        return await self._desk.ports.resolve(link.key.value) if link.key.ai == "01" else None

    def _answer(self, visit: Visit, wish: Wish, resolved: Resolved, query: str) -> Response[bytes]:
        anchor = self._anchor(resolved.shown.gtin)
        headers = {
            **CORS,
            "Link": linksets.header(resolved.links, anchor, visit.language),
            "Vary": "Accept, Accept-Language, Accept-Encoding",
        }
        if media_type := wish.linkset_type:
            page = f"{self.root}{product_path(resolved)}"
            body = linksets.document(resolved, anchor, page, visit.language)
            if media_type == linksets.CONTEXT_TYPE:
                body = {"@context": f"{self.root}{linksets.CONTEXT_PATH}", **body}
            else:
                headers["Link"] += f", {linksets.context_header(self.root)}"
            return _json(body, 200, media_type, headers)
        chosen = linksets.choose(resolved, wish)
        stand_ins = (DEFAULT,) if resolved.links else (DEFAULT, DEFAULT_SET, linksets.OWN)
        if chosen is None and wish.link_type and name_of(wish.link_type) not in stand_ins:
            sentence = say("resolver.no_type", visit.language)
            why = "The product has no link of the type asked for."
            return self._refuse(visit, wish, 404, why, sentence, "link_type")
        # A product without links leads to its page on the host that was asked.
        own = product_path(resolved)
        target = own if chosen is None or self._is_circle(chosen.terms.href, visit) else chosen.terms.href
        location = linksets.forward(target, query)
        return Response(
            b"", status_code=307, media_type="text/html", headers=SECURITY_HEADERS | headers | {"Location": location}
        )

    def _anchor(self, gtin: str) -> str:
        return f"{self.root}/01/{gtin}"

    def _is_circle(self, href: str, visit: Visit) -> bool:
        """Whether a link leads back to this resolver, under whatever name it was asked."""
        return leads_back(href, (urlsplit(self.root).netloc, visit.host))

    def _refuse(
        self, visit: Visit, wish: Wish, status: int, english: str, sentence: str, reason: str
    ) -> Response[bytes]:
        if wish.linkset_type or "json" in wish.accept:
            title = "No GS1 Digital Link" if status == 400 else "Not found"
            problem = {"type": "about:blank", "title": title, "status": status, "detail": english, "reason": reason}
            return _json(problem, status, "application/problem+json", CORS)
        title = say("resolver.invalid.title" if status == 400 else "resolver.unknown.title", visit.language)
        return self._desk.page(
            visit, "error.html", status=status, switch="/", headers=CORS, title=title, sentence=sentence,
            original=english if status == 400 else "",
        )  # fmt: skip


def handlers(resolver: Resolver) -> list[HTTPRouteHandler]:
    """The resolver's routes, to be mounted at the root."""

    @route(PATHS, http_method=METHODS)
    async def resolve(request: Request[Any, Any, Any]) -> Response[bytes]:
        """A Digital Link of any primary key."""
        return _may_ask() if request.method == HttpMethod.OPTIONS else await resolver.answer(request)

    @route("/{compressed:str}", http_method=METHODS)
    async def resolve_compressed(request: Request[Any, Any, Any]) -> Response[bytes]:
        """A Digital Link compressed from its key on."""
        return _may_ask() if request.method == HttpMethod.OPTIONS else await resolver.answer_segment(request)

    @route("/.well-known/gs1resolver", http_method=METHODS)
    async def describe(request: Request[Any, Any, Any]) -> Response[bytes]:
        """The resolver description file."""
        if request.method == HttpMethod.OPTIONS:
            return _may_ask()
        return _json(linksets.description(resolver.root), 200, "application/json", CORS)

    @route(linksets.CONTEXT_PATH, http_method=METHODS)
    async def explain(request: Request[Any, Any, Any]) -> Response[bytes]:
        """The JSON-LD context of the link sets."""
        if request.method == HttpMethod.OPTIONS:
            return _may_ask()
        return _json(linksets.CONTEXT, 200, linksets.CONTEXT_TYPE, CORS)

    return [resolve, resolve_compressed, describe, explain]


def product_path(resolved: Resolved) -> str:
    """Where a product's page is on this host."""
    return f"/products/{resolved.shown.gtin}"


def _may_ask() -> Response[bytes]:
    """What may be asked, and from where."""
    return Response(b"", status_code=204, media_type="text/plain", headers=CORS | {"Allow": "GET, HEAD, OPTIONS"})


def _uncompressed(uri: str) -> tuple[str, DigitalLink] | None:
    """The uncompressed form of a URI, and what it says; None where it is no compressed link to anything."""
    try:
        plain = decompress(uri)
        return plain, digital_link.parse(plain)
    except InvalidLink:
        return None


def _wish(request: Request[Any, Any, Any], query: str) -> Wish:
    parameters: dict[str, str] = {}
    for name, value in parse_qsl(query):
        parameters.setdefault(name.lower(), value)
    return Wish(
        link_type=parameters.get("linktype", ""),
        context=parameters.get("context", ""),
        accept=request.headers.get("accept", ""),
        accept_language=request.headers.get("accept-language", ""),
    )


def _json(body: dict[str, Any], status: int, media_type: str, headers: dict[str, str]) -> Response[bytes]:
    return Response(
        json.dumps(body, ensure_ascii=False, indent=1).encode(),
        status_code=status,
        media_type=media_type,
        headers=SECURITY_HEADERS | headers,
    )
