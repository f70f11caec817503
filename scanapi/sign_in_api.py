"""`/api/v1/sign-in`: by phone number and one-time code."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from litestar import Controller, Request, post
from litestar.params import JSONBody
from msgspec import Meta

from members import signin
from members.tokens import LIFE_DAYS
from scanapi import bodies, described, once, phone_door
from scanapi.api import Given, SignedIn, language_of
from scanapi.service import DEVICE_CHARS_MAX

Brand = Annotated[str, Meta(description="The brand's slug.")]
Phone = Annotated[str, Meta(description="11 digits, or + and the country code.")]
Device = Annotated[
    str,
    Meta(
        description="The device's name for itself, at most 200 characters. A code that was asked for with one is good "
        "with the same one only.",
        max_length=DEVICE_CHARS_MAX,
    ),
]


class CodeIn(msgspec.Struct, forbid_unknown_fields=True):
    """Asks for a one-time code."""

    brand: Brand
    phone: Phone
    device_id: Device = ""


class CodeSent(msgspec.Struct):
    """How long the code is good for that was sent."""

    expires_in_s: int


class SignInIn(msgspec.Struct, forbid_unknown_fields=True):
    """Signs in with a one-time code."""

    brand: Brand
    phone: Phone
    code: Annotated[str, Meta(description="The six digits that were sent.")]
    device_id: Device = ""


class SignInController(Controller):
    """Sign-in by phone number and one-time code."""

    path = "/api/v1/sign-in"
    before_request = staticmethod(bodies.judge)
    request_class = bodies.JsonRequest
    tags = ("members",)

    @post(
        "/codes", status_code=202, summary="Send a one-time code",
        responses=described.responses(404, 409, 413, 415, 429),
    )  # fmt: skip
    async def request_code(
        self, request: Request[Any, Any, Any], data: JSONBody[CodeIn], deps: Given, idempotency_key: once.Key = None
    ) -> CodeSent:
        """The answer is the same whether or not the number is a member's. Under one key one message is sent."""
        address = None if request.client is None else request.client.host
        await phone_door.send_code(
            deps, data.brand, data.phone, language_of(request), address=address, device=data.device_id,
            key=idempotency_key,
        )  # fmt: skip
        return CodeSent(signin.LIFE_S)

    @post(
        "/",
        status_code=200,
        summary="Sign in with a one-time code",
        responses=described.responses(401, 404, 413, 415, 429),
    )
    async def sign_in(self, request: Request[Any, Any, Any], data: JSONBody[SignInIn], deps: Given) -> SignedIn:
        """A first sign-in makes the member. A code is good once: after a lost answer, ask for another."""
        address = None if request.client is None else request.client.host
        token = await phone_door.enter(
            deps, data.brand, data.phone, data.code, address=address, device=data.device_id
        )  # fmt: skip
        return SignedIn(token, LIFE_DAYS)


CONTROLLERS = (SignInController,)
