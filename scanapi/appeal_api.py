"""`/api/v1/appeals`: a member asks a person to look at what a rule held or refused, from an app or a Mini Program."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec
from litestar import Controller, Request, get, post
from litestar.params import JSONBody

from campaigns import appeals
from campaigns.appeals import Appeal
from kernel.errors import NotAuthenticated
from members.tokens import Bearer
from scanapi import appealing, bodies, described
from scanapi.api import Deps, Given, bearer_of


class AppealIn(msgspec.Struct, forbid_unknown_fields=True):
    """Appeals against what became of one's own scan of a code."""

    code: str


class AppealOut(msgspec.Struct):
    """An appeal. `said` is what the person who answered tells, in their own words."""

    appeal: int
    gtin: str
    state: str
    at: datetime
    due_at: datetime
    decided_at: datetime | None
    said: str


def _out(found: Appeal) -> AppealOut:
    return AppealOut(found.id, found.gtin, found.state, found.at, found.due_at, found.decided_at, found.said)


def _member(request: Request[Any, Any, Any], deps: Deps) -> Bearer:
    bearer = bearer_of(request, deps.tokens)
    if bearer is None:
        raise NotAuthenticated("This needs an Authorization header: Bearer TOKEN.")
    return bearer


class AppealController(Controller):
    """Appeals by the member behind the token."""

    path = "/api/v1/appeals"
    before_request = staticmethod(bodies.judge)
    request_class = bodies.JsonRequest
    tags = ("members",)

    @post(
        "/", status_code=200, summary="Ask a person to look", security=[{"member": []}],
        responses=described.responses(401, 404, 409, 413, 415, 429),
    )  # fmt: skip
    async def make(self, request: Request[Any, Any, Any], data: JSONBody[AppealIn], deps: Given) -> AppealOut:
        """Made once for a member and a unit; asked for again, it is the same one."""
        bearer = _member(request, deps)
        async with deps.db.transaction() as tx:
            return _out(
                await appealing.appeal_by_code(
                    tx, deps.scans, member=(bearer.member_id, bearer.brand_id), code=data.code
                )
            )


class OwnAppealsController(Controller):
    """What became of them."""

    path = "/api/v1/me/appeals"
    tags = ("members",)

    @get("/", summary="One's own appeals", security=[{"member": []}], responses=described.responses(401))
    async def mine(self, request: Request[Any, Any, Any], deps: Given) -> list[AppealOut]:
        """Those that are open, and those made in the last 90 days; the latest first."""
        bearer = _member(request, deps)
        async with deps.db.transaction() as tx:
            lines = await appeals.waiting(tx, member_id=bearer.member_id)
        return [_out(line.standing.appeal) for line in lines if line.standing.appeal is not None]


CONTROLLERS = (AppealController, OwnAppealsController)
