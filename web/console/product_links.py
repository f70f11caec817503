"""A product's links: where the GS1 resolver sends people who ask for it."""

from __future__ import annotations

from dataclasses import asdict
from typing import Final
from urllib.parse import urlsplit

from litestar import Response, get, post
from litestar.params import FromPath
from litestar.types import ControllerRouterHandler

from kernel.errors import InvalidInput, YimaError
from staff.access import Permission
from traceability import catalogue, link_types, product_links
from traceability.catalogue import Product
from traceability.changes import EditedMeanwhile
from traceability.product_links import ProductLink, Terms
from web.console import forms
from web.console.desk import Desk
from web.console.guard import Form, GivenDesk, GivenForm, GivenSeat, needs
from web.console.seat import Seat
from web.console.texts import say

EMPTY: Final = Terms("pip", "https://", "", "", media_type="text/html")
_ID_MAX: Final = 2**62
_LABELS: Final = {"title": "links.title_zh"}


@get("/console/b/{brand:str}/products/{gtin:str}/links", opt=needs(Permission.SEE_CATALOGUE))
async def show_all(desk: GivenDesk, seat: GivenSeat, gtin: FromPath[str]) -> Response[bytes]:
    """The product's links, the default at the head."""
    return await _list(desk, seat, gtin)


@get("/console/b/{brand:str}/products/{gtin:str}/links/new", opt=needs(Permission.EDIT_CATALOGUE))
async def start(desk: GivenDesk, seat: GivenSeat, gtin: FromPath[str]) -> Response[bytes]:
    """An empty form."""
    async with desk.means.db.transaction() as tx:
        product = await catalogue.product(tx, gtin, brand_id=seat.brand.id)
    return _form(desk, seat, product, EMPTY)


@post("/console/b/{brand:str}/products/{gtin:str}/links/new", opt=needs(Permission.EDIT_CATALOGUE), status_code=200)
async def create(desk: GivenDesk, seat: GivenSeat, form: GivenForm, gtin: FromPath[str]) -> Response[bytes]:
    """Give the product a link."""
    terms = _read(form)
    try:
        async with desk.means.db.transaction() as tx:
            await product_links.add(
                tx, terms, brand_id=seat.brand.id, gtin=gtin, own_hosts=_hosts(desk), actor=seat.actor
            )
    except InvalidInput as error:
        async with desk.means.db.transaction() as tx:
            product = await catalogue.product(tx, gtin, brand_id=seat.brand.id)
        return _refused(desk, seat, product, terms, error)
    return desk.redirect(seat.visit, _path(seat, gtin), flash="links.created")


@get("/console/b/{brand:str}/products/{gtin:str}/links/{link:int}", opt=needs(Permission.EDIT_CATALOGUE))
async def show(desk: GivenDesk, seat: GivenSeat, gtin: FromPath[str], link: FromPath[int]) -> Response[bytes]:
    """One link, to be changed."""
    product, found = await _find(desk, seat, gtin, link)
    return _form(desk, seat, product, found.terms, link=found)


@post(
    "/console/b/{brand:str}/products/{gtin:str}/links/{link:int}", opt=needs(Permission.EDIT_CATALOGUE), status_code=200
)
async def save(
    desk: GivenDesk, seat: GivenSeat, form: GivenForm, gtin: FromPath[str], link: FromPath[int]
) -> Response[bytes]:
    """Change a link; nothing that somebody else saved meanwhile is overwritten unseen."""
    terms = _read(form)
    try:
        version = form.number("version", low=0, high=forms.VERSION_MAX)
        async with desk.means.db.transaction() as tx:
            await product_links.change(
                tx, _id(link), terms, brand_id=seat.brand.id, gtin=gtin, version=version,
                own_hosts=_hosts(desk), actor=seat.actor,
            )  # fmt: skip
    except EditedMeanwhile:
        product, now = await _find(desk, seat, gtin, link)
        return _form(desk, seat, product, terms, link=now, status=409, differences=_differences(seat, now.terms, terms))
    except InvalidInput as error:
        product, now = await _find(desk, seat, gtin, link)
        return _refused(desk, seat, product, terms, error, link=now)
    return desk.redirect(seat.visit, _path(seat, gtin), flash="links.saved")


@post(
    "/console/b/{brand:str}/products/{gtin:str}/links/{link:int}/remove",
    opt=needs(Permission.EDIT_CATALOGUE),
    status_code=200,
)
async def remove(
    desk: GivenDesk, seat: GivenSeat, form: GivenForm, gtin: FromPath[str], link: FromPath[int]
) -> Response[bytes]:
    """Take a link away."""
    del form  # its reading is the judgement
    try:
        async with desk.means.db.transaction() as tx:
            await product_links.remove(tx, _id(link), brand_id=seat.brand.id, gtin=gtin, actor=seat.actor)
    except InvalidInput as error:
        return await _list(desk, seat, gtin, status=error.status, errors=forms.refusals(error, seat.visit.language))
    return desk.redirect(seat.visit, _path(seat, gtin), flash="links.removed")


async def _list(
    desk: Desk, seat: Seat, gtin: str, *, status: int = 200, errors: forms.Refusals | None = None
) -> Response[bytes]:
    async with desk.means.db.transaction() as tx:
        product = await catalogue.product(tx, gtin, brand_id=seat.brand.id)
        links = await product_links.all_of(tx, brand_id=seat.brand.id, gtin=gtin)
    return desk.page(
        seat,
        "product_links.html",
        status=status,
        product=product,
        rows=links,
        types=_types(seat),
        address=f"{desk.means.public_url.rstrip('/').lower()}/01/{gtin}",
        path=_path(seat, gtin),
        full=len(links) >= product_links.LINKS_MAX,
        most=product_links.LINKS_MAX,
        errors=errors or forms.Refusals(),
        may_edit=Permission.EDIT_CATALOGUE in seat.may,
    )


async def _find(desk: Desk, seat: Seat, gtin: str, link: int) -> tuple[Product, ProductLink]:
    async with desk.means.db.transaction() as tx:
        product = await catalogue.product(tx, gtin, brand_id=seat.brand.id)
        return product, await product_links.one(tx, _id(link), brand_id=seat.brand.id, gtin=gtin)


def _id(link: int) -> int:
    """A link's id; what is too great for one is none."""
    return link if 0 < link < _ID_MAX else 0


def _hosts(desk: Desk) -> list[str]:
    return [urlsplit(desk.means.public_url).netloc]


def _path(seat: Seat, gtin: str) -> str:
    return seat.path(f"/products/{gtin}/links")


def _read(form: Form) -> Terms:
    return Terms(
        type=form.get("type"),
        href=form.get("href"),
        title=form.get("title"),
        title_en=form.get("title_en"),
        hreflang=form.get("hreflang"),
        media_type=form.get("media_type"),
        context=form.get("context"),
        is_default=form.get("is_default") == "1",
        active=form.get("active") == "1",
    )


def _types(seat: Seat) -> dict[str, str]:
    chinese = seat.visit.language == "zh"
    return {name: titles[0] if chinese else titles[1] for name, titles in link_types.TITLES.items()}


def _refused(
    desk: Desk, seat: Seat, product: Product, terms: Terms, error: YimaError, *, link: ProductLink | None = None
) -> Response[bytes]:
    errors = forms.refusals(error, seat.visit.language)
    return _form(desk, seat, product, terms, link=link, status=error.status, errors=errors)


def _differences(seat: Seat, now: Terms, draft: Terms) -> list[forms.Difference]:
    language = seat.visit.language
    stored, given = asdict(now), asdict(draft)
    words = {True: say("yes", language), False: say("no", language)}
    return forms.differences(
        (
            (
                say(_LABELS.get(name, f"links.{name}"), language),
                str(words.get(stored[name], stored[name])),
                str(words.get(each, each)),
            )
            for name, each in given.items()
        ),
        none=say("none", language),
    )


def _form(
    desk: Desk,
    seat: Seat,
    product: Product,
    terms: Terms,
    *,
    link: ProductLink | None = None,
    status: int = 200,
    errors: forms.Refusals | None = None,
    differences: list[forms.Difference] | None = None,
) -> Response[bytes]:
    return desk.page(
        seat,
        "product_link.html",
        status=status,
        product=product,
        link=link,
        terms=terms,
        types=[(name, f"{title} (gs1:{name})") for name, title in _types(seat).items()],
        path=_path(seat, product.gtin),
        errors=errors or forms.Refusals(),
        differences=differences or [],
        limits=product_links,
    )


ROUTES: list[ControllerRouterHandler] = [show_all, start, create, show, save, remove]
