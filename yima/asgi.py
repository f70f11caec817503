"""The web process: one Litestar application, made of the API and the pages."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit
from uuid import UUID

import msgspec
import structlog
from celery import Celery
from litestar import Litestar, MediaType, Request, Response, get
from litestar.di import Provide
from litestar.enums import ScopeType
from litestar.exceptions import HTTPException
from litestar.types import ASGIApp, Message, Receive, Scope, Send
from sqlalchemy import text

from campaigns import appeals, draws
from campaigns.appeals import Standing
from campaigns.awards import Award
from insights import figures
from insights.live import Live
from insights.views import Views
from kernel.crypto import Vault
from kernel.db import Database, Tx
from kernel.errors import NotAuthenticated, NotFound, YimaError
from kernel.rate_exchange import Exchange, PostgresStore, RedisStore
from members import people, wechat
from members.tokens import Tokens
from members.wechat_apps import LiveApps
from members.wechat_door import Door, Return
from scanapi import api, appealing, line_api, phone_door, problems, settle, sign_in_api, wechat_api
from scanapi.api import Deps
from scanapi.endpoint import BODY_BYTES_MAX, ScanEndpoint
from scanapi.limits import Limits
from scanapi.sentences import Language
from scanapi.service import ScanService
from traceability import brands, catalogue, product_links, reports
from traceability.brands import LiveSettings
from traceability.gallery import Gallery
from traceability.ip import IpLocator
from traceability.pictures import Picture
from traceability.product_links import Resolved
from traceability.regions import Regions
from traceability.reports import Told
from traceability.scans import Look, ScanReply, ScanRequest
from web import pages
from web.console import routes as console
from web.console.desk import Desk, Means, open_desk
from web.older import Readdress, first_segments
from web.ports import DrawShown, Me, PrizeHeld
from web.visits import Visit
from yima import broker, description, importing, readiness, runtime, writing
from yima.edge import Edge
from yima.metrics import Figures
from yima.settings import Settings

if TYPE_CHECKING:
    from yima.telemetry import Spans

log = structlog.get_logger(__name__)

Handler = Callable[[Request[Any, Any, Any], Any], Response[Any]]

POOL_SIZE = 8
CONSOLE_POOL_SIZE = 4


class Wiring:
    """What the handlers need; made when the application starts, for it holds connections of its event loop."""

    _deps: Deps | None = None
    _desk: Desk | None = None
    _brands: LiveSettings | None = None
    _gallery: Gallery | None = None

    @property
    def deps(self) -> Deps:
        """What was made at the start."""
        assert self._deps is not None, "the application has not started"
        return self._deps

    @deps.setter
    def deps(self, made: Deps) -> None:
        self._deps = made

    @property
    def brands(self) -> LiveSettings:
        """The brands' settings."""
        assert self._brands is not None, "the application has not started"
        return self._brands

    @brands.setter
    def brands(self, made: LiveSettings) -> None:
        self._brands = made

    @property
    def gallery(self) -> Gallery:
        """The pictures of the brands' pages."""
        assert self._gallery is not None, "the application has not started"
        return self._gallery

    @gallery.setter
    def gallery(self, made: Gallery) -> None:
        self._gallery = made

    @property
    def desk(self) -> Desk:
        """The console's, made at the start."""
        assert self._desk is not None, "the application has not started"
        return self._desk

    @desk.setter
    def desk(self, made: Desk) -> None:
        self._desk = made


class _Decider:
    """Decides held claims for the console (`web.console.desk.DecideClaim`)."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault

    async def __call__(self, tx: Tx, claim_id: int, *, post: bool, reason: str, actor: str) -> Award | None:
        return await settle.decide(tx, self._vault, claim_id, post=post, reason=reason, actor=actor)


class _Answerer:
    """Answers appeals for the console (`web.console.desk.DecideAppeal`)."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault

    async def __call__(
        self, tx: Tx, appeal_id: int, *, grant: bool, said: str, actor: str, brand_id: int
    ) -> Award | None:
        return await appealing.decide(
            tx, self._vault, appeal_id, grant=grant, said=said, actor=actor, brand_id=brand_id
        )


class Pages:
    """The use cases behind the pages (`web.ports.Ports`)."""

    def __init__(self, wiring: Wiring) -> None:
        self.wiring = wiring

    @property
    def _deps(self) -> Deps:
        return self.wiring.deps

    def scanning(self) -> tuple[ScanService, Tokens]:
        """What a scan of the API is answered with."""
        return self._deps.scans, self._deps.tokens

    async def look(
        self, text_: str, *, device: str, language: str, address: str | None = None,
        member: tuple[int, int] | None = None,
    ) -> Look:  # fmt: skip
        """Read a code for the landing page."""
        return await self._deps.scans.look(
            text_,
            device_id=device,
            language=cast("Language", language),
            address=address,
            member=None if member is None else member[0],
        )

    async def resolve(self, gtin: str) -> Resolved | None:
        """A product with its links."""
        async with self._deps.db.transaction() as tx:
            return await product_links.resolve(tx, gtin)

    def may_be_listed(self, text_: str) -> bool:
        """Whether a text may be a code that others made."""
        return self._deps.scans.register.read(text_) is not None

    def older_hosts(self) -> frozenset[str]:
        """Hosts of older platforms whose addresses are served."""
        return self._deps.scans.register.hosts

    async def scan(self, request: ScanRequest) -> ScanReply:
        """Scan a code."""
        return msgspec.json.decode(await self._deps.scans.submit(request), type=ScanReply)

    async def request_code(self, brand_slug: str, phone: str, language: str, *, address: str | None) -> None:
        """Send a one-time code."""
        await phone_door.send_code(self._deps, brand_slug, phone, language, address=address)

    async def sign_in(self, brand_slug: str, phone: str, code: str, *, address: str | None) -> str:
        """Sign in; returns a token for the cookie."""
        return await phone_door.enter(self._deps, brand_slug, phone, code, address=address)

    def wechat(self, brand_slug: str) -> str:
        """The origin that the WeChat button leads to."""
        return self._deps.wechat.leads_to(brand_slug)

    async def begin_wechat(self, brand_slug: str, *, code: str, redirect_uri: str, visit: Visit) -> str:
        """Begin a sign-in with WeChat."""
        return await self._deps.wechat.begin(
            brand_slug, code=code, device=visit.device, redirect_uri=redirect_uri, address=visit.address
        )

    async def finish_wechat(self, *, state: str, code: str, visit: Visit) -> Return:
        """End a sign-in with WeChat."""
        return await self._deps.wechat.finish(state=state, code=code, device=visit.device)

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
            waiting = await appeals.waiting(tx, member_id=member[0])
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
            waiting=waiting,
        )

    async def standing(self, member: tuple[int, int], code: str) -> Standing | None:
        """Where a member stands with a code's reward."""
        async with self._deps.db.transaction() as tx:
            return await appealing.standing(tx, self._deps.scans, member=member, code=code)

    async def appeal(self, member: tuple[int, int], *, code: str = "", claim_id: int | None = None) -> None:
        """Ask a person to look."""
        async with self._deps.db.transaction() as tx:
            if claim_id is None:
                await appealing.appeal_by_code(tx, self._deps.scans, member=member, code=code)
            else:
                await appealing.appeal_by_claim(tx, member=member, claim_id=claim_id)

    async def report(
        self,
        *,
        number: UUID,
        code: str,
        told: Told,
        photo: Picture | None,
        member: tuple[int, int] | None,
        device: str,
    ) -> None:
        """Keep a report of a unit."""
        async with self._deps.db.transaction() as tx:
            found = await self._deps.scans.find(tx, code)
            if found is None or found[0].gtin is None:
                raise NotFound("This code is nobody's here: there is nobody to report to.")
            issued, unit_id = found
            await reports.make(
                tx, self._deps.vault, number=number, brand_id=issued.brand_id, unit_id=unit_id,
                batch_id=issued.home_batch_id or issued.batch_id, gtin=found[0].gtin, told=told, photo=photo,
                member_id=member[0] if member is not None and member[1] == issued.brand_id else None,
                device=self._deps.index.of("device", device),
            )  # fmt: skip

    async def is_adult(self, member: tuple[int, int]) -> bool:
        """Whether a member has said to be 18 or older."""
        async with self._deps.db.transaction() as tx:
            found = (await people.facts(tx, [member[0]])).get(member[0])
        return found is not None and found.adult

    async def confirm_adult(self, member: tuple[int, int]) -> None:
        """Keep that a member says so."""
        async with self._deps.db.transaction() as tx:
            await people.confirm_adult(tx, brand_id=member[1], member_id=member[0])

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

    def brand(self, slug: str) -> brands.Shown | None:
        """A brand and its settings."""
        return self.wiring.brands.of(slug)

    async def logo(self, slug: str, content_hash: str) -> Picture | None:
        """A brand's logo."""
        return await self.wiring.brands.logo(slug, content_hash)

    async def picture(self, slug: str, content_hash: str) -> Picture | None:
        """A picture of a brand's pages."""
        shown = self.wiring.brands.of(slug)
        return None if shown is None else await self.wiring.gallery.of(shown.brand_id, content_hash)

    async def figures(self) -> figures.Figures:
        """The installation's figures."""
        async with self._deps.db.transaction() as tx:
            return await figures.compute(tx)


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
    guarded = Guard(ScanEndpoint(pages_and_api, ports.scanning))
    return Edge(guarded, settings, figures, trace=None if spans is None else spans.request)


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
                decide_claim=_Decider(opened.vault),
                decide_appeal=_Answerer(opened.vault),
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
