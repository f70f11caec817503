"""`POST /api/v1/sign-in/wechat`: sign-in from a Mini Program; and how often a network may try, pages included."""

from __future__ import annotations

from typing import Any, Final

import msgspec
from litestar import Controller, Request, post
from litestar.params import JSONBody

from kernel.errors import TooMany
from members.tokens import LIFE_DAYS
from members.wechat import WechatBusy
from scanapi import bodies, described
from scanapi.api import Given, SignedIn
from scanapi.limits import Limits


def charge(limits: Limits, address: str | None) -> None:
    """Count a sign-in with WeChat by network.

    Raises:
        WechatBusy: the network has had its share; then it costs nothing.
    """
    try:
        limits.charge("wechat", address, None)
    except TooMany as error:
        raise WechatBusy("Too many sign-ins from here just now; try again soon.", **error.details) from error


class WechatIn(msgspec.Struct, forbid_unknown_fields=True):
    """Signs in with the code of `wx.login`, which is good for five minutes and once.

    `app` is the Mini Program's app id, as the brand has set it.
    """

    brand: str
    app: str
    code: str


PROBLEMS: Final = described.responses(
    413, 415,
    said={
        401: "`wechat_code`: WeChat does not know the code, or it was used, or is older than five minutes.",
        403: "`wechat_risk`: WeChat holds the account to be at risk.",
        404: "`wechat_not_offered`: the brand has no such Mini Program.",
        429: "`wechat_busy`: too many sign-ins from this network, or WeChat takes no more; see `Retry-After`.",
        503: "`wechat_away`: no answer from WeChat. `wechat_misconfigured`: WeChat refuses the brand's app.",
    },
)  # fmt: skip


class WechatController(Controller):
    """Sign-in with WeChat."""

    path = "/api/v1/sign-in/wechat"
    before_request = staticmethod(bodies.judge)
    request_class = bodies.JsonRequest
    tags = ("members",)

    @post("/", status_code=200, summary="Sign in from a Mini Program", responses=PROBLEMS)
    async def sign_in(self, request: Request[Any, Any, Any], data: JSONBody[WechatIn], deps: Given) -> SignedIn:
        """A first sign-in makes the member; by official account it is the same one where WeChat gives a unionid."""
        address = None if request.client is None else request.client.host
        token = await deps.wechat.enter_mini_program(data.brand, app_id=data.app, code=data.code, address=address)
        return SignedIn(token, LIFE_DAYS)
