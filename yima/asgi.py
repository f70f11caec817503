"""The web process: one Litestar application, made of the API and the pages."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, cast

import msgspec
import structlog
from celery import Celery
from litestar import Litestar, MediaType, Request, Response, get
from litestar.di import Provide
from litestar.enums import ScopeType
from litestar.exceptions import HTTPException
from litestar.openapi import OpenAPIConfig
from litestar.types import ASGIApp, Message, Receive, Scope, Send
from sqlalchemy import text

from campaigns import draws
from insights import figures
from kernel.errors import NotAuthenticated, YimaError
from members.tokens import Tokens
from scanapi import api, problems
from scanapi.api import Deps
from scanapi.sentences import Language
from scanapi.service import ScanService
from traceability import catalogue
from traceability.ip import IpLocator
from traceability.regions import Regions
from traceability.scans import Look, ScanReply, ScanRequest
from web import pages
from web.ports import DrawShown, Me, PrizeHeld
from yima import broker, runtime
from yima.settings import Settings

log = structlog.get_logger(__name__)

Handler = Callable[[Request[Any, Any, Any], Any], Response[Any]]

BODY_BYTES_MAX = 65_536
POOL_SIZE = 8


class Wiring:
    """What the handlers need; made when the application starts, for it holds connections of its event loop."""

    _deps: Deps | None = None

    @property
    def deps(self) -> Deps:
        """What was made at the start."""
        assert self._deps is not None, "the application has not started"
        return self._deps

    @deps.setter
    def deps(self, made: Deps) -> None:
        self._deps = made


class Pages:
    """The use cases behind the pages (`web.ports.Ports`)."""

    def __init__(self, wiring: Wiring) -> None:
        self._wiring = wiring

    @property
    def _deps(self) -> Deps:
        return self._wiring.deps

    async def look(self, text_: str, *, device: str, language: str) -> Look:
        """Read a code for the landing page."""
        return await self._deps.scans.look(text_, device_id=device, language=cast("Language", language))

    async def scan(self, request: ScanRequest) -> ScanReply:
        """Scan a code."""
        return msgspec.json.decode(await self._deps.scans.submit(request), type=ScanReply)

    async def request_code(self, brand_slug: str, phone: str, language: str) -> None:
        """Send a one-time code."""
        await api.send_code(self._deps, brand_slug, phone, language)

    async def sign_in(self, brand_slug: str, phone: str, code: str) -> str:
        """Sign in; returns a token for the cookie."""
        return await api.enter(self._deps, brand_slug, phone, code)

    def bearer(self, token: str) -> tuple[int, int] | None:
        """Who a session cookie belongs to."""
        try:
            found = self._deps.tokens.verify(token)
        except NotAuthenticated:
            return None
        return found.member_id, found.brand_id

    async def me(self, member: tuple[int, int], language: str) -> Me:
        """What a member has."""
        chinese = language == "zh"
        async with self._deps.db.transaction() as tx:
            brand = next((b for b in await catalogue.list_brands(tx) if b.id == member[1]), None)
            if brand is None:
                raise NotAuthenticated("Sign in again.")
            has = await draws.holdings(tx, member_id=member[0])
            recent = await tx.execute(
                text("""
                    SELECT j.at, j.kind, p.name, p.name_en, e.amount FROM entry e
                    JOIN account a ON a.id = e.account_id AND a.member_id = :member AND a.currency = 'spendable'
                    JOIN journal j ON j.id = e.journal_id
                    LEFT JOIN claim c ON e.cause_kind = 'claim' AND c.id::text = e.cause_id
                    LEFT JOIN product p ON p.gtin = c.gtin
                    ORDER BY e.id DESC LIMIT 20"""),
                {"member": member[0]},
            )
            rows = recent.all()
        return Me(
            brand=brand.name if chinese else brand.name_en,
            brand_slug=brand.slug,
            balance=has.balance,
            pending=has.pending,
            prizes=[PrizeHeld(p.draw, p.entry, p.name_zh if chinese else p.name_en, p.at) for p in has.prizes],
            recent=[(row.at, (row.name if chinese else row.name_en) or row.kind, row.amount) for row in rows],
        )

    async def draw(self, name: str, language: str) -> DrawShown:
        """A draw as published."""
        async with self._deps.db.transaction() as tx:
            draw = await draws.get(tx, name)
        chinese = language == "zh"
        return DrawShown(
            name=draw.name,
            title=draw.rules.name_zh if chinese else draw.rules.name_en,
            rules=draw.rules.to_document(),
            odds=[
                (p.name_zh if chinese else p.name_en, p.odds, p.stock, draw.prizes_left[p.id])
                for p in draw.rules.prizes
            ],
            rules_hash=draw.rules_hash,
            seed_commitment=draw.seed_commitment,
            published_at=draw.published_at,
            closed_at=draw.closed_at,
            entries=draw.entries,
        )

    async def figures(self) -> figures.Figures:
        """The installation's figures."""
        async with self._deps.db.transaction() as tx:
            return await figures.compute(tx)


class Guard:
    """Security headers on every answer, and one log line a request that holds no code and no personal data.

    Around the whole application, so that addresses no route knows are guarded too.
    """

    def __init__(self, application: ASGIApp) -> None:
        self._application = application

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection."""
        if scope["type"] != ScopeType.HTTP:
            await self._application(scope, receive, send)
            return
        started = time.perf_counter()
        status = 0

        async def sending(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = list(message.get("headers", []))
                have = {name.lower() for name, _ in headers}
                message["headers"] = [*headers, *((n, v) for n, v in _HEADERS if n not in have)]
            await send(message)

        try:
            await self._application(scope, receive, sending)
        finally:
            route = scope.get("path_template") or "unknown"  # never the path: it holds the code
            log.debug(
                "request",
                method=scope["method"],
                route=route,
                status=status,
                ms=round((time.perf_counter() - started) * 1000, 1),
            )


_HEADERS = (
    (b"referrer-policy", b"no-referrer"),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
)


class Waker:
    """Wakes a worker by a broker's message, without making anybody wait for the broker."""

    def __init__(self, celery: Celery) -> None:
        self._celery = celery
        self._sending: set[asyncio.Task[None]] = set()

    def __call__(self) -> None:
        """Send the wake-up in the background."""
        task = asyncio.create_task(self._send())
        self._sending.add(task)
        task.add_done_callback(self._sending.discard)

    async def _send(self) -> None:
        try:
            await asyncio.to_thread(self._celery.send_task, "yima.relay", ignore_result=True)
        except Exception as error:  # the sweep finds it within ten seconds
            log.warning("wake.unsent", error=type(error).__name__)


def make_app(settings: Settings, url: str) -> Guard:
    """The application over an open database; `url` is its address."""
    return Guard(make_litestar(settings, url))


def make_litestar(settings: Settings, url: str) -> Litestar:
    """The Litestar application within the guard."""
    wiring = Wiring()
    regions = Regions.load()
    ports = Pages(wiring)
    secure = settings.public_url.lower().startswith("https://")
    page_errors = pages.exception_handlers(ports, secure_cookies=secure, regions=regions, story=settings.dev)

    @asynccontextmanager
    async def lifespan(_: Litestar) -> AsyncIterator[None]:
        async with runtime.connect(settings, url, pool_size=POOL_SIZE, application="yima web") as opened:
            scans = ScanService(
                opened.db,
                opened.vault,
                regions=regions,
                addresses=IpLocator(settings.ip_data, regions),
                index=opened.index,
            )
            waker = Waker(broker.make_app(settings, url))
            wiring.deps = Deps(opened.db, opened.vault, opened.index, Tokens(opened.vault), scans, waker)
            await scans.start()
            try:
                yield
            finally:
                await scans.close()

    def deps() -> Deps:
        return wiring.deps

    @get("/health", include_in_schema=False, media_type=MediaType.TEXT)
    async def health() -> str:
        """Whether the process lives."""
        return "ok"

    @get("/ready", include_in_schema=False)
    async def ready() -> Response[dict[str, str]]:
        """Whether it can serve: the database answers."""
        try:
            async with asyncio.timeout(2):
                await deps().db.ping()
        except Exception as error:
            log.warning("not.ready", error=type(error).__name__)
            return Response({"database": "away"}, status_code=503)
        return Response({"database": "ok"})

    return Litestar(
        route_handlers=[
            *api.CONTROLLERS,
            health,
            ready,
            *pages.routes(ports, secure_cookies=secure, regions=regions, story=settings.dev),
        ],
        dependencies={"deps": Provide(deps, sync_to_thread=False)},
        exception_handlers={
            YimaError: _by_path(problems.from_error, page_errors[YimaError]),
            HTTPException: _by_path(problems.from_http, page_errors[HTTPException]),
            Exception: _by_path(problems.from_defect, page_errors[Exception]),
        },
        lifespan=[lifespan],
        request_max_body_size=BODY_BYTES_MAX,
        openapi_config=OpenAPIConfig(title="Yima 一码", version="0.1.0", path="/schema"),
        logging_config=None,
        debug=False,
    )


def _by_path(for_api: Handler, for_pages: Handler) -> Handler:
    """Errors of the API are problem details, errors of pages are pages."""

    def handle(request: Request[Any, Any, Any], error: Exception) -> Response[Any]:
        return (for_api if request.url.path.startswith("/api/") else for_pages)(request, error)

    return handle
