"""Sign-in by phone number: the use cases behind the API and the pages, and how often a network may try."""

from __future__ import annotations

from kernel import idempotency
from kernel.errors import NotAuthenticated, TooMany
from kernel.idempotency import Asked
from members import signin
from scanapi.api import Deps
from scanapi.limits import Kind
from traceability import catalogue


class TooManyTries(TooMany):
    """Too many one-time codes were asked for, or tried in vain, from this network."""

    code = "too_many_sign_ins"


async def send_code(
    deps: Deps, brand_slug: str, phone: str, language: str, *, address: str | None, device: str = "",
    key: str | None = None,
) -> None:  # fmt: skip
    """Send a one-time code through the outbox; under a key that was used for this number already, none.

    Raises:
        InvalidInput: not a phone number, or no key.
        NotFound: there is no such brand.
        Conflict: see `idempotency.take`.
        TooMany: see `signin.request_code`; or the network has asked for its share.
    """
    _charge(deps, "message", address)
    sent = False
    try:
        async with deps.db.transaction() as tx:
            brand = await catalogue.brand(tx, brand_slug)
            asked = None if key is None else Asked(brand.id, "sign-in", "code", key, phone.encode())
            if asked is None or await idempotency.take(tx, asked) is None:
                await signin.request_code(
                    tx, deps.vault, deps.index, brand_id=brand.id, phone=phone, language=language, device=device,
                    per_brand_a_day_max=deps.codes_per_brand_a_day_max,
                )  # fmt: skip
                sent = True
                if asked is not None:
                    await idempotency.keep(tx, asked, b"")
    finally:
        if not sent:
            deps.scans.limits.give_back("message", address, None)
    deps.wake()


async def enter(
    deps: Deps, brand_slug: str, phone: str, code: str, *, address: str | None, device: str = ""
) -> str:  # fmt: skip
    """Sign in; returns a bearer token.

    Raises:
        InvalidInput: not a phone number.
        NotFound: there is no such brand.
        NotAuthenticated: the code is wrong, used, expired, or was asked for by another device.
        TooMany: too many wrong ones came from this network; then nothing was judged.
    """
    _charge(deps, "guess", address)
    async with deps.db.transaction() as tx:
        brand = await catalogue.brand(tx, brand_slug)
        member_id = await signin.verify_code(
            tx, deps.vault, deps.index, brand_id=brand.id, phone=phone, code=code, device=device
        )
    if member_id is None:
        raise NotAuthenticated("The code is wrong.")
    deps.scans.limits.give_back("guess", address, None)
    return deps.tokens.issue(member_id, brand.id)


def _charge(deps: Deps, kind: Kind, address: str | None) -> None:
    try:
        deps.scans.limits.charge(kind, address, None)
    except TooMany as error:
        raise TooManyTries(
            "Too many one-time codes were asked for or tried from this network; please wait a moment.", **error.details
        ) from error
