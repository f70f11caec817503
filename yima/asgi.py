"""The web process: one Litestar application, made of the API and the pages."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from uuid import UUID

import structlog
from celery import Celery
from litestar import Litestar, MediaType, Request, Response, get
from litestar.di import Provide
from litestar.enums import ScopeType
from litestar.exceptions import HTTPException
from litestar.types import ASGIApp, Message, Receive, Scope, Send

from insights.live import Live
from insights.views import Views
from kernel.db import Database
from kernel.errors import YimaError
from kernel.rate_exchange import Exchange, PostgresStore, RedisStore
from members import wechat
from members.tokens import Tokens
from members.wechat_apps import LiveApps
from members.wechat_door import Door
from scanapi import api, appeal_api, endpoint, line_api, problems, sign_in_api, wechat_api
from scanapi.api import Deps
from scanapi.endpoint import BODY_BYTES_MAX, ScanEndpoint
from scanapi.limits import Limits
from scanapi.service import ScanService
from traceability.brands import LiveSettings
from traceability.gallery import Gallery
from traceability.ip import IpLocator
from traceability.regions import Regions
from web import pages
from web.console import routes as console
from web.console.desk import Desk, Means, open_desk
from web.older import Readdress, first_segments
from yima import broker, description, importing, readiness, runtime, writing
from yima.edge import Edge, StraightEdge
from yima.metrics import Figures
from yima.settings import Settings
from yima.straight import Shared
from yima.wiring import Answerer, Decider, Pages, Wiring

if TYPE_CHECKING:
    from yima.telemetry import Spans

log = structlog.get_logger(__name__)

Handler = Callable[[Request[Any, Any, Any], Any], Response[Any]]

POOL_SIZE = 8
CONSOLE_POOL_SIZE = 4


class Guard:
    """Security headers on every answer.

    Around the whole application, so that addresses no route knows are guarded too.
    """

    def __init__(self, application: ASGIApp) -> None:
        self._application = application

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection."""
        if scope["type"] != ScopeType.HTTP:
            await self._application(scope, receive, send)
            return

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = list(message.get("headers", []))
                have = {name.lower() for name, _ in headers}
                # A file's own policy would bind a worker that it is made into; pages say what may be loaded.
                wanted = _HEADERS if scope["path"].startswith("/static/") else (*_HEADERS, _NOTHING)
                message["headers"] = [*headers, *((n, v) for n, v in wanted if n not in have)]
            await send(message)

        await self._application(scope, receive, sending)


_HEADERS = (
    (b"referrer-policy", b"no-referrer"),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"cross-origin-opener-policy", b"same-origin"),
)
_NOTHING = (
    b"content-security-policy",
    b"default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
)
"""Of what is no page and says nothing itself (JSON, CSV): if a browser shows it, it loads and sends nothing."""


class Waker:
    """Wakes a worker by a broker's message, without making anybody wait for the broker."""

    def __init__(self, celery: Celery) -> None:
        self._celery = celery
        self._sending: set[asyncio.Task[None]] = set()

    def __call__(self) -> None:
        """Send the wake-up in the background."""
        self._begin("yima.relay")

    def task(self, task_id: UUID) -> None:
        """Wake a worker for long work, in the background."""
        self._begin("yima.run", str(task_id))

    def _begin(self, name: str, *args: str) -> None:
        task = asyncio.create_task(self._send(name, args))
        self._sending.add(task)
        task.add_done_callback(self._sending.discard)

    async def _send(self, name: str, args: tuple[str, ...]) -> None:
        try:
            await asyncio.to_thread(
                self._celery.send_task,
                name,
                args=args,
                ignore_result=True,
                expires=broker.SWEEP_S,
                **broker.PATIENCE,
            )
        except Exception as error:  # the sweep finds it within ten seconds
            log.warning("wake.unsent", error=type(error).__name__)


def make_app(settings: Settings, url: str) -> Edge:
    """The application over an open database; `url` is its address."""
    figures = Figures()
    spans = None
    if settings.otlp_url is not None:
        from yima import telemetry  # noqa: PLC0415 (switched off, it is not even imported)

        spans = telemetry.Spans(settings.otlp_url, service="yima-web")
    ports = Pages(Wiring())
    application = make_litestar(settings, url, figures, spans, ports=ports)
    own = first_segments(each.path for each in application.routes)
    printed_host = urlsplit(settings.public_url).hostname or ""
    pages_and_api = Readdress(application, ports.older_hosts, ports.may_be_listed, own=own, printed_host=printed_host)
    scans = ScanEndpoint(pages_and_api, ports.scanning)

    async def guarded(
        headers: Iterable[tuple[bytes, bytes]], body: bytes, address: str | None
    ) -> tuple[int, Shared, bytes]:
        status, own, content = await scans.answer(headers, body, address)
        return status, (*own, *_HEADERS, _NOTHING), content

    return StraightEdge(
        Guard(scans), settings, figures, straight=guarded, route=endpoint.PATH,
        body_bytes_max=BODY_BYTES_MAX, trace=None if spans is None else spans.request,
    )  # fmt: skip


def make_litestar(
    settings: Settings, url: str, watched: Figures, spans: Spans | None = None, *, ports: Pages | None = None
) -> Litestar:
    """The Litestar application within the guard.

    Args:
        settings: of this installation.
        url: the database's address.
        watched: shows the figures of what is opened here.
        spans: records groups and statements, or None.
        ports: the use cases behind the pages, and what they are wired to; made here where nobody else asks for them.
    """
    ports = ports or Pages(Wiring())
    wiring = ports.wiring
    regions = Regions.load()

    def deps() -> Deps:
        return wiring.deps

    def desk() -> Desk:
        return wiring.desk

    secure = settings.public_url.lower().startswith("https://")
    page_errors = pages.exception_handlers(ports, secure_cookies=secure, regions=regions, story=settings.dev)
    api_page = pages.api_page_of(ports, secure_cookies=secure, regions=regions, story=settings.dev)
    console_errors = console.exception_handlers(desk, secure_cookies=secure)

    @asynccontextmanager
    async def lifespan(_: Litestar) -> AsyncIterator[None]:
        async with runtime.connect(settings, url, pool_size=POOL_SIZE, application="yima web") as opened:
            scans = ScanService(
                opened.db,
                opened.vault,
                regions=regions,
                addresses=IpLocator(settings.ip_data, regions),
                index=opened.index,
                limits=Limits(settings.limit_exempt, rates=settings.limit_rates, index=opened.index),
            )
            store = PostgresStore(opened.db) if settings.redis_url is None else RedisStore(settings.redis_url)
            exchange = Exchange(scans.limits.tables, store)
            waker = Waker(broker.make_app(settings, url))
            tokens = Tokens(opened.vault)
            door = Door(
                opened.db, opened.vault, opened.index, tokens, _wechat(settings), LiveApps(opened.db),
                partial(wechat_api.charge, scans.limits),
            )  # fmt: skip
            wiring.deps = Deps(
                opened.db, opened.vault, opened.index, tokens, scans, waker, door, settings.codes_per_brand_a_day_max
            )
            wiring.brands = LiveSettings(opened.db)
            wiring.gallery = Gallery(opened.db)
            live = Live(url)
            # Connections of its own: whoever reads long in the console takes none from the scans.
            reads = Database(url, pool_size=CONSOLE_POOL_SIZE, application="yima console")
            means = Means(
                db=reads,
                vault=opened.vault,
                index=opened.index,
                views=Views(reads),
                live=live,
                wake=waker,
                wake_task=waker.task,
                imports=importing.folder(settings),
                packages=writing.folder_of(settings),
                public_url=settings.public_url,
                dev=settings.dev,
                mail=settings.dev or settings.smtp_url is not None,
                decide_claim=Decider(opened.vault),
                decide_appeal=Answerer(opened.vault),
            )
            wiring.desk = open_desk(means, secure_cookies=secure, regions=regions)
            watched.watch(opened.db, scans, exchange)
            if spans is not None:
                spans.watch(opened.db, scans.gate)
            await scans.start()
            exchange.start()
            await live.start()
            await wiring.brands.start()
            await door.start()
            _settle_memory()
            try:
                yield
            finally:
                await door.close()
                await wiring.brands.close()
                await live.close()
                await reads.close()
                await exchange.close()
                await scans.close()

    @get("/health", include_in_schema=False, media_type=MediaType.TEXT)
    async def health() -> str:
        """Whether the process lives."""
        return "ok"

    @get("/ready", include_in_schema=False)
    async def ready() -> Response[dict[str, str]]:
        """Whether it can serve: the database answers and keeps what it is told, its schema suits, keys are loaded."""
        parts = await readiness.look(deps().db, deps().scans, accepts_loss=settings.unsafe_database)
        return Response(parts, status_code=200 if set(parts.values()) == {"ok"} else 503)

    return Litestar(
        route_handlers=[
            *api.CONTROLLERS,
            *sign_in_api.CONTROLLERS,
            *appeal_api.CONTROLLERS,
            *line_api.CONTROLLERS,
            wechat_api.WechatController,
            health,
            ready,
            *pages.routes(
                ports,
                public_url=settings.public_url,
                secure_cookies=secure,
                regions=regions,
                story=settings.dev,
            ),
            *console.routes(desk, secure_cookies=secure),
        ],
        dependencies={"deps": Provide(deps, sync_to_thread=False)},
        exception_handlers={
            YimaError: _by_path(problems.from_error, page_errors[YimaError], console_errors[YimaError]),
            HTTPException: _by_path(problems.from_http, page_errors[HTTPException], console_errors[HTTPException]),
            Exception: _by_path(problems.from_defect, page_errors[Exception], console_errors[Exception]),
        },
        lifespan=[lifespan],
        request_max_body_size=BODY_BYTES_MAX,
        openapi_config=description.config(api_page),
        logging_config=None,
        debug=False,
    )


def _settle_memory() -> None:
    """Keep the collector from walking what lives as long as the process: regions, templates, code.

    A full collection took 120 ms over it, which every scan under way waited for (docs/performance.md).
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_COLLECT_AFTER)


_COLLECT_AFTER = (50_000, 20, 100)


def _wechat(settings: Settings) -> wechat.Wechat:
    """WeChat itself, or what stands for it in development."""
    if settings.wechat_url is None:
        return wechat.Wechat()
    return wechat.Wechat(authorize_origin=settings.wechat_url, api_origin=settings.wechat_url)


def _by_path(for_api: Handler, for_pages: Handler, for_console: Handler) -> Handler:
    """Errors of the API are problem details, errors of pages are pages, each in its own frame."""

    def handle(request: Request[Any, Any, Any], error: Exception) -> Response[Any]:
        path = request.url.path
        if path.startswith("/api/"):
            return for_api(request, error)
        return (for_console if path.startswith("/console") else for_pages)(request, error)

    return handle
