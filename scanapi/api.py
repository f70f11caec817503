"""The HTTP API under `/api/v1`: scans, sign-in, the member's own view, draws anyone may check."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from litestar import Controller, MediaType, Request, Response, get, post
from litestar.di import NamedDependency
from litestar.openapi import ResponseSpec
from litestar.openapi.spec import OpenAPIType, Operation, Parameter, Schema
from litestar.params import FromPath, JSONBody

from campaigns import draws, fairness
from kernel.crypto import BlindIndex, Vault
from kernel.db import Database
from kernel.errors import NotAuthenticated, NotFound
from members import people, signin
from members.tokens import Bearer, Tokens
from members.wechat_door import Door
from scanapi import bodies, described, endpoint
from scanapi.endpoint import ScanIn, language_in
from scanapi.service import ScanService
from traceability.scans import ScanReply

Wake = Callable[[], None]
"""Wakes a worker after a commit; nothing depends on it, for the sweep finds what is due."""


@dataclass(frozen=True, slots=True)
class Deps:
    """What the API's handlers need, made in the composition root."""

    db: Database
    vault: Vault
    index: BlindIndex
    tokens: Tokens
    scans: ScanService
    wake: Wake
    wechat: Door
    codes_per_brand_a_day_max: int = signin.PER_BRAND_A_DAY_MAX


Given = NamedDependency[Deps]


class SignedIn(msgspec.Struct):
    """A bearer token and how long it lasts."""

    token: str
    expires_in_days: int


class PrizeOut(msgspec.Struct):
    """A prize won."""

    draw: str
    entry: int
    prize: int
    state: str
    at: datetime


class MeOut(msgspec.Struct):
    """The member behind the token."""

    member: str
    balance: int
    qualifying: int
    pending_claims: int
    prizes: list[PrizeOut]


class DrawOut(msgspec.Struct):
    """A draw as published."""

    draw: str
    rules: dict[str, Any]
    rules_hash: str
    seed_commitment: str
    published_at: datetime
    closed_at: datetime | None
    entries: int
    prizes_left: dict[str, int]


class EntryOut(msgspec.Struct):
    """An entry of a draw: its number, its tag in the published log, the prize's id or null."""

    draw: str
    number: int
    entrant: str
    prize: int | None


def language_of(request: Request[Any, Any, Any]) -> str:
    """`zh` or `en` by the Accept-Language header; Chinese where it says nothing we speak."""
    return language_in(request.headers.get("accept-language", "").encode("latin-1"))


def bearer_of(request: Request[Any, Any, Any], tokens: Tokens) -> Bearer | None:
    """Who bears the request's token, or None where it has none.

    Raises:
        NotAuthenticated: there is a token and it is no good.
    """
    header = request.headers.get("authorization")
    return None if header is None else endpoint.bearer_of(header, tokens)


@dataclass
class ScanOperation(Operation):
    """Headers that a scan may have; named here, for to be read with each scan they need not be declared there."""

    def __post_init__(self) -> None:
        """Add them."""
        self.parameters = [
            *(self.parameters or []),
            Parameter(
                "Yima-Page-Token", "header", Schema(type=OpenAPIType.STRING), required=False,
                description="From the landing page; bearers of a token need none.",
            ),
            Parameter(
                "Accept-Language", "header", Schema(type=OpenAPIType.STRING), required=False,
                description="`zh` or `en`: the language of the message.",
            ),
        ]  # fmt: skip


class ScanController(Controller):
    """Scans."""

    path = "/api/v1/scans"
    before_request = staticmethod(bodies.judge)
    request_class = bodies.JsonRequest
    tags = ("scans",)

    @post(
        "/",
        status_code=200,
        summary="Scan a code",
        responses={
            200: ResponseSpec(data_container=ScanReply, description="What the scan led to", generate_examples=False),
            **described.responses(401, 409, 413, 415, 429),
        },
        security=[{}, {"member": []}],
        operation_class=ScanOperation,
    )
    async def scan(self, request: Request[Any, Any, Any], data: JSONBody[ScanIn], deps: Given) -> Response[bytes]:
        """Judge, award and record one scan; the reply comes after its commit, and again for the same `scan_id`."""
        # The web server's requests are answered by `ScanEndpoint`, which stands before the framework.
        address = None if request.client is None else request.client.host
        reply = await endpoint.submit(deps.scans, deps.tokens, dict(request.scope["headers"]), data, address)
        return Response(reply, media_type=MediaType.JSON, headers={"Cache-Control": "no-store"})


class MemberController(Controller):
    """The member behind the token."""

    path = "/api/v1/me"
    tags = ("members",)

    @get("/", summary="Balance and prizes", security=[{"member": []}], responses=described.responses(401))
    async def me(self, request: Request[Any, Any, Any], deps: Given) -> MeOut:
        """What the bearer has."""
        bearer = bearer_of(request, deps.tokens)
        if bearer is None:
            raise NotAuthenticated("This needs an Authorization header: Bearer TOKEN.")
        async with deps.db.transaction() as tx:
            member = (await people.facts(tx, [bearer.member_id])).get(bearer.member_id)
            if member is None or member.state == "erased":
                raise NotAuthenticated("The bearer of this token is no member any more: sign in again.")
            holdings = await draws.holdings(tx, member_id=member.id)
        return MeOut(
            member=member.public_id,
            balance=holdings.balance,
            qualifying=holdings.qualifying,
            pending_claims=holdings.pending,
            prizes=[PrizeOut(p.draw, p.entry, p.prize_id, p.state, p.at) for p in holdings.prizes],
        )

    @post(
        "/adult", status_code=204, summary="Say that one is 18 or older", security=[{"member": []}],
        responses=described.responses(401),
    )  # fmt: skip
    async def adult(self, request: Request[Any, Any, Any], deps: Given) -> None:
        """Kept with the version of the words and the moment; rewards of alcohol need it. Again: changes nothing."""
        bearer = bearer_of(request, deps.tokens)
        if bearer is None:
            raise NotAuthenticated("This needs an Authorization header: Bearer TOKEN.")
        try:
            async with deps.db.transaction() as tx:
                await people.confirm_adult(tx, brand_id=bearer.brand_id, member_id=bearer.member_id)
        except NotFound:
            raise NotAuthenticated("The bearer of this token is no member any more: sign in again.") from None


class DrawController(Controller):
    """Draws, open to anyone: what was published, and the proof after the close."""

    path = "/api/v1/draws"
    tags = ("draws",)

    @get("/{name:str}", summary="A draw as published", responses=described.responses(404))
    async def show(self, name: FromPath[str], deps: Given) -> DrawOut:
        """Rules, their hash, and the commitment to the seed."""
        async with deps.db.transaction() as tx:
            draw = await draws.get(tx, name)
        return DrawOut(
            draw=draw.name,
            rules=draw.rules.to_document(),
            rules_hash=draw.rules_hash,
            seed_commitment=draw.seed_commitment,
            published_at=draw.published_at,
            closed_at=draw.closed_at,
            entries=draw.entries,
            prizes_left={str(prize): left for prize, left in draw.prizes_left.items()},
        )

    @get(
        "/{name:str}/entries/{scan_id:uuid}", summary="One's own entry, by its receipt",
        responses=described.responses(404),
    )  # fmt: skip
    async def entry(self, name: FromPath[str], scan_id: FromPath[UUID], deps: Given) -> EntryOut:
        """The number of a claim's entry, won or not; the scan id is known to nobody but whoever scanned."""
        async with deps.db.transaction() as tx:
            draw = await draws.get(tx, name)
            found = await draws.entry_of(tx, draw.name, scan_id)
        if found is None:
            raise NotFound("No entry of this draw came from that scan.")
        return EntryOut(draw.name, found[0], fairness.entrant_tag(scan_id), found[1])

    @get(
        "/{name:str}/proof", summary="The proof of a closed draw",
        responses={
            200: ResponseSpec(data_container=dict[str, Any], description="The proof", generate_examples=False),
            **described.responses(404, 409),
        },
    )  # fmt: skip
    async def proof(self, name: FromPath[str], deps: Given) -> Response[bytes]:
        """The file that `yima draw verify` recomputes; 409 while the draw is open."""
        async with deps.db.transaction() as tx:
            document = await draws.proof(tx, deps.vault, name)
        headers = {"Content-Disposition": f'attachment; filename="draw-{name}.json"'}
        return Response(msgspec.json.encode(document), media_type=MediaType.JSON, headers=headers)


CONTROLLERS = (ScanController, MemberController, DrawController)
