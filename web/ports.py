"""What the pages need from the rooms they may not reach: wired in the composition root."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol
from uuid import UUID

from campaigns.appeals import Standing, Waiting
from insights.figures import Figures
from members.wechat_door import Return
from traceability.brands import Shown
from traceability.pictures import Picture
from traceability.product_links import Resolved
from traceability.reports import Told
from traceability.scans import Look, ScanReply, ScanRequest

if TYPE_CHECKING:
    from web.visits import Visit


@dataclass(frozen=True, slots=True)
class PrizeHeld:
    """A prize that the member has won; `entry` is its number in the draw's log."""

    draw: str
    entry: int
    name: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Me:
    """What a signed-in member sees of themselves."""

    brand: str
    brand_slug: str
    balance: int
    pending: int
    prizes: list[PrizeHeld] = field(default_factory=list)
    recent: list[tuple[datetime, str, int]] = field(default_factory=list)
    """Latest ledger movements: when, product or kind in words, points."""
    waiting: list[Waiting] = field(default_factory=list)
    """Claims that wait, and appeals."""


@dataclass(frozen=True, slots=True)
class DrawShown:
    """A draw as anyone may see it: what was published, and the proof once it is closed."""

    name: str
    title: str
    rules: dict[str, Any]
    odds: list[tuple[str, str, int, int]]
    """Each prize: name, published chance, stock, left."""
    rules_hash: str
    seed_commitment: str
    published_at: datetime
    closed_at: datetime | None
    entries: int


class Ports(Protocol):
    """The use cases behind the pages. Errors are `kernel.errors.YimaError`s with a sentence to show."""

    async def look(
        self,
        text: str,
        *,
        device: str,
        language: str,
        address: str | None = None,
        member: tuple[int, int] | None = None,
    ) -> Look:
        """Read a code or URL for the landing page; limits hold for the member, the device and the client's address."""
        ...

    def may_be_listed(self, text: str) -> bool:
        """Whether a text may be a code that others made; it asks no database."""
        ...

    async def resolve(self, gtin: str) -> Resolved | None:
        """A product by its GTIN (14 digits) with its links in use, or None if it is not ours."""
        ...

    async def scan(self, request: ScanRequest) -> ScanReply:
        """Scan a code."""
        ...

    async def request_code(self, brand_slug: str, phone: str, *, visit: Visit) -> None:
        """Send a one-time sign-in code."""
        ...

    async def sign_in(self, brand_slug: str, phone: str, code: str, *, visit: Visit) -> str:
        """Sign in; returns a bearer token for the session cookie."""
        ...

    def wechat(self, brand_slug: str) -> str:
        """The origin that the button for sign-in with WeChat leads to; empty where the brand offers none."""
        ...

    async def begin_wechat(self, brand_slug: str, *, code: str, redirect_uri: str, visit: Visit) -> str:
        """Begin a sign-in with WeChat; returns WeChat's address to go to."""
        ...

    async def finish_wechat(self, *, state: str, code: str, visit: Visit) -> Return:
        """End a sign-in with WeChat; raises where this browser began none such."""
        ...

    def bearer(self, token: str) -> tuple[int, int] | None:
        """Member id and brand id behind a session cookie, or None if it is no longer good."""
        ...

    async def me(self, member: tuple[int, int], language: str) -> Me:
        """What a member sees of themselves."""
        ...

    async def standing(self, member: tuple[int, int], code: str) -> Standing | None:
        """Where a member stands with the reward behind a code; None where it is none of their brand's."""
        ...

    async def appeal(self, member: tuple[int, int], *, code: str = "", claim_id: int | None = None) -> None:
        """Ask a person to look at what a rule held or refused, by the code or by the claim."""
        ...

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
        """Keep a report of a unit; sent again under the same number it is kept once."""
        ...

    async def is_adult(self, member: tuple[int, int]) -> bool:
        """Whether a member has said to be 18 or older."""
        ...

    async def confirm_adult(self, member: tuple[int, int]) -> None:
        """Keep that a member says so."""
        ...

    async def draw(self, name: str, language: str) -> DrawShown:
        """A draw as published."""
        ...

    def brand(self, slug: str) -> Shown | None:
        """A brand and its settings, from memory; None where there is none."""
        ...

    async def logo(self, slug: str, content_hash: str) -> Picture | None:
        """A brand's logo, if it still has this one."""
        ...

    async def picture(self, slug: str, content_hash: str) -> Picture | None:
        """A picture of a brand's pages, by its content."""
        ...

    async def figures(self) -> Figures:
        """The installation's figures."""
        ...
