"""A brand's apps at WeChat: set, changed and taken away by an owner. A secret goes in here and never comes out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from litestar import Response, get, post
from litestar.types import ControllerRouterHandler

from kernel.errors import Conflict, InvalidInput, NotFound, YimaError
from members import wechat_apps
from members.wechat_apps import App
from staff.access import Permission
from traceability import brands
from web.console import forms, words
from web.console.desk import Desk
from web.console.guard import Form, GivenDesk, GivenForm, GivenSeat, needs
from web.console.seat import Seat

_MAY: Final = needs(Permission.MANAGE_SIGN_IN)


@dataclass(frozen=True, slots=True)
class Card:
    """One kind of app as its form shows it; `app` is what is set, the rest what was typed last."""

    kind: str
    app: App | None
    app_id: str
    scope: str
    errors: forms.Refusals


@get("/console/b/{brand:str}/brand/wechat", opt=_MAY)
async def show(desk: GivenDesk, seat: GivenSeat) -> Response[bytes]:
    """The brand's apps."""
    return await _page(desk, seat)


@post("/console/b/{brand:str}/brand/wechat", opt=_MAY, status_code=200)
async def save(desk: GivenDesk, seat: GivenSeat, form: GivenForm) -> Response[bytes]:
    """Set one, or change it."""
    kind = form.get("kind")
    try:
        async with desk.means.db.transaction() as tx:
            await wechat_apps.put(
                tx, desk.means.vault, brand_id=seat.brand.id, kind=kind, app_id=form.get("app_id"),
                secret=form.get("secret"), scope=form.get("scope") if kind == "official" else "",
                version=_version(form), actor=seat.actor,
            )  # fmt: skip
    except (InvalidInput, Conflict) as error:
        return await _page(desk, seat, error=error, form=form)
    return desk.redirect(seat.visit, seat.path("/brand/wechat"), flash="wechat.saved")


@post("/console/b/{brand:str}/brand/wechat/remove", opt=_MAY, status_code=200)
async def remove(desk: GivenDesk, seat: GivenSeat, form: GivenForm) -> Response[bytes]:
    """Take one away, secret and all."""
    try:
        async with desk.means.db.transaction() as tx:
            await wechat_apps.remove(
                tx, brand_id=seat.brand.id, kind=form.get("kind"), version=_version(form), actor=seat.actor
            )
    except (InvalidInput, NotFound, Conflict) as error:
        return await _page(desk, seat, error=error)
    return desk.redirect(seat.visit, seat.path("/brand/wechat"), flash="wechat.removed")


def _version(form: Form) -> int:
    return form.number("version", low=0, high=forms.VERSION_MAX)


async def _page(
    desk: Desk, seat: Seat, *, error: YimaError | None = None, form: Form | None = None
) -> Response[bytes]:  # fmt: skip
    async with desk.means.db.transaction() as tx:
        apps = {each.kind: each for each in await wechat_apps.list_of(tx, brand_id=seat.brand.id)}
        kept = await brands.settings(tx, seat.brand.id)
    errors = forms.Refusals() if error is None else forms.refusals(error, seat.visit.language)
    given = form or Form([])
    public = urlsplit(desk.means.public_url)
    return desk.page(
        seat,
        "wechat.html",
        status=200 if error is None else error.status,
        cards=[_card(kind, apps.get(kind), given, errors) for kind in wechat_apps.KINDS],
        errors=errors,
        scopes=wechat_apps.SCOPES,
        app_id_max=wechat_apps.APP_ID_CHARS,
        secret_max=wechat_apps.SECRET_CHARS,
        host=kept.member_host or public.netloc.lower(),
        stamp=words.stamp,
    )


def _card(kind: str, app: App | None, given: Form, errors: forms.Refusals) -> Card:
    if given.get("kind") == kind:
        return Card(kind, app, given.get("app_id"), given.get("scope"), errors)
    if app is None:
        return Card(kind, None, "", wechat_apps.SCOPES[0], forms.Refusals())
    return Card(kind, app, app.app_id, app.scope, forms.Refusals())


ROUTES: list[ControllerRouterHandler] = [show, save, remove]
