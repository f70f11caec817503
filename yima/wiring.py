"""The use cases behind the consumer's pages and the console, as the web process wires them."""

from __future__ import annotations

from typing import cast
from uuid import UUID

import msgspec
from sqlalchemy import text

from campaigns import appeals, draws
from campaigns.appeals import Standing
from campaigns.awards import Award
from insights import figures
from kernel.crypto import Vault
from kernel.db import Tx
from kernel.errors import NotAuthenticated, NotFound
from members import people
from members.tokens import Tokens
from members.wechat_door import Return
from scanapi import appealing, phone_door, settle
from scanapi.api import Deps
from scanapi.sentences import Language
from scanapi.service import ScanService
from traceability import brands, catalogue, product_links, reports
from traceability.brands import LiveSettings
from traceability.gallery import Gallery
from traceability.pictures import Picture
from traceability.product_links import Resolved
from traceability.reports import Told
from traceability.scans import Look, ScanReply, ScanRequest
from web.console.desk import Desk
from web.ports import DrawShown, Me, PrizeHeld
from web.visits import Visit


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


class Decider:
    """Decides held claims for the console (`web.console.desk.DecideClaim`)."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault

    async def __call__(self, tx: Tx, claim_id: int, *, post: bool, reason: str, actor: str) -> Award | None:
        """Pay it or void it."""
        return await settle.decide(tx, self._vault, claim_id, post=post, reason=reason, actor=actor)


class Answerer:
    """Answers appeals for the console (`web.console.desk.DecideAppeal`)."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault

    async def __call__(
        self, tx: Tx, appeal_id: int, *, grant: bool, said: str, actor: str, brand_id: int
    ) -> Award | None:
        """Pay, or decline with a sentence."""
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

    async def request_code(self, brand_slug: str, phone: str, *, visit: Visit) -> None:
        """Send a one-time code."""
        await phone_door.send_code(
            self._deps, brand_slug, phone, visit.language, address=visit.address, device=visit.device
        )

    async def sign_in(self, brand_slug: str, phone: str, code: str, *, visit: Visit) -> str:
        """Sign in; returns a token for the cookie."""
        return await phone_door.enter(self._deps, brand_slug, phone, code, address=visit.address, device=visit.device)

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
