"""Products: what codes are ordered for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlencode

from litestar import Request, Response, get, post
from litestar.params import FromPath
from litestar.types import ControllerRouterHandler

from codegen import batches
from kernel.errors import Conflict, InvalidInput, YimaError
from staff.access import Permission
from traceability import catalogue, gallery, pictures
from traceability.catalogue import Product
from traceability.changes import EditedMeanwhile
from traceability.legal_classes import CLASSES, REWARDS
from web import livery
from web.console import brand, counts, forms
from web.console.desk import Desk
from web.console.guard import Form, GivenDesk, GivenForm, GivenSeat, needs
from web.console.query import Query
from web.console.seat import Seat
from web.console.texts import say

PAGE_ROWS: Final = 50


@dataclass(frozen=True, slots=True)
class Draft:
    """A product as a form holds it, right or wrong."""

    gtin: str = ""
    name: str = ""
    name_en: str = ""
    units_per_case: str = "24"
    version: int = 0
    legal_class: str = "none"
    rewards: str = "default"


@get("/console/b/{brand:str}/products", opt=needs(Permission.SEE_CATALOGUE))
async def show_all(desk: GivenDesk, seat: GivenSeat) -> Response[bytes]:
    """The brand's products."""
    query = Query(seat.visit.query, seat.visit.language)
    words, after = query.text("q"), query.text("after")
    async with desk.means.db.transaction() as tx:
        found = await catalogue.search_products(
            tx, brand_id=seat.brand.id, words=words, after=after, limit=PAGE_ROWS + 1
        )
        ordered = await batches.count_by_gtin(tx, brand_id=seat.brand.id)
    rows = found[:PAGE_ROWS]
    scanned = await counts.by_gtin(desk.means.views, seat.brand.id, [each.gtin for each in rows])
    kept = {"q": words} if words else {}
    own = seat.path("/products")
    following = f"{own}?{urlencode(kept | {'after': rows[-1].gtin})}" if len(found) > PAGE_ROWS else ""
    return desk.page(
        seat,
        "products.html",
        rows=rows,
        batches=ordered,
        scans=scanned,
        words=words,
        first=f"{own}?{urlencode(kept)}" if after else "",
        following=following,
        may_edit=Permission.EDIT_CATALOGUE in seat.may,
    )


@get("/console/b/{brand:str}/products/new", opt=needs(Permission.EDIT_CATALOGUE))
async def start(desk: GivenDesk, seat: GivenSeat) -> Response[bytes]:
    """An empty form."""
    return _page(desk, seat, Draft())


@post("/console/b/{brand:str}/products/new", opt=needs(Permission.EDIT_CATALOGUE), status_code=200)
async def create(desk: GivenDesk, seat: GivenSeat, form: GivenForm) -> Response[bytes]:
    """Create a product."""
    draft = _read(form)
    try:
        async with desk.means.db.transaction() as tx:
            made = await catalogue.create_product(
                tx, brand_id=seat.brand.id, gtin=draft.gtin, name=draft.name, name_en=draft.name_en,
                units_per_case=_units(draft), actor=seat.actor,
                legal_class=draft.legal_class, rewards=draft.rewards,
            )  # fmt: skip
    except (InvalidInput, Conflict) as error:
        return _refused(desk, seat, draft, error)
    return desk.redirect(seat.visit, seat.path("/products"), flash="products.created", gtin=made.gtin)


@get("/console/b/{brand:str}/products/{gtin:str}", opt=needs(Permission.SEE_CATALOGUE))
async def show(desk: GivenDesk, seat: GivenSeat, gtin: FromPath[str]) -> Response[bytes]:
    """One product, to be changed by whoever may."""
    async with desk.means.db.transaction() as tx:
        found = await catalogue.product(tx, gtin, brand_id=seat.brand.id)
    return _page(desk, seat, _draft(found), product=found)


@post("/console/b/{brand:str}/products/{gtin:str}", opt=needs(Permission.EDIT_CATALOGUE), status_code=200)
async def save(desk: GivenDesk, seat: GivenSeat, form: GivenForm, gtin: FromPath[str]) -> Response[bytes]:
    """Change a product; nothing that somebody else saved meanwhile is overwritten unseen."""
    draft = _read(form)
    try:
        async with desk.means.db.transaction() as tx:
            await catalogue.update_product(
                tx, brand_id=seat.brand.id, gtin=gtin, name=draft.name, name_en=draft.name_en,
                units_per_case=_units(draft), version=form.number("version", low=0, high=forms.VERSION_MAX),
                actor=seat.actor, legal_class=draft.legal_class, rewards=draft.rewards,
            )  # fmt: skip
    except EditedMeanwhile:
        async with desk.means.db.transaction() as tx:
            now = await catalogue.product(tx, gtin, brand_id=seat.brand.id)
        return _page(
            desk, seat, draft, product=now, version=now.version, status=409, differences=_differences(seat, now, draft)
        )
    except InvalidInput as error:
        async with desk.means.db.transaction() as tx:
            now = await catalogue.product(tx, gtin, brand_id=seat.brand.id)
        return _refused(desk, seat, draft, error, product=now, version=draft.version)
    return desk.redirect(seat.visit, seat.path("/products"), flash="products.saved", gtin=gtin)


@post(
    "/console/b/{brand:str}/products/{gtin:str}/picture",
    opt=needs(Permission.EDIT_CATALOGUE),
    status_code=200,
    request_max_body_size=brand.LARGE_BODY_BYTES_MAX,
)
async def upload_picture(
    desk: GivenDesk, seat: GivenSeat, request: Request[Any, Any, Any], gtin: FromPath[str]
) -> Response[bytes]:
    """Take a new picture of a product, or take it away."""
    parts = await brand.read_upload(request, desk, seat)
    try:
        picture = await brand.read_large(parts, desk, field="picture")
        async with desk.means.db.transaction() as tx:
            version = brand.version_of(Form([("version", str(parts.get("version", "")))]))
            await gallery.set_product(
                tx, brand_id=seat.brand.id, gtin=gtin, picture=picture, version=version, actor=seat.actor
            )
    except (EditedMeanwhile, InvalidInput) as error:
        errors = forms.refusals(error, seat.visit.language)
        async with desk.means.db.transaction() as tx:
            found = await catalogue.product(tx, gtin, brand_id=seat.brand.id)
        sentence = errors.get("picture") or next(iter(errors.values()))
        shown = forms.Refusals(picture=sentence)
        return _page(desk, seat, _draft(found), product=found, status=error.status, errors=shown)
    return desk.redirect(seat.visit, seat.path(f"/products/{gtin}"), flash="products.picture.saved")


def _read(form: Form) -> Draft:
    given = form.get("version")
    return Draft(
        gtin=form.get("gtin"),
        name=form.get("name"),
        name_en=form.get("name_en"),
        units_per_case=form.get("units_per_case"),
        version=int(given) if given.isascii() and given.isdigit() and len(given) < 10 else 0,
        legal_class=form.get("legal_class", "none"),
        rewards=form.get("rewards", "default"),
    )


def _draft(found: Product) -> Draft:
    return Draft(
        found.gtin,
        found.name,
        found.name_en,
        str(found.units_per_case),
        found.version,
        found.legal_class,
        found.rewards,
    )


def _units(draft: Draft) -> int:
    """Units in a carton; what is no number lies outside the limits, and is refused there."""
    given = draft.units_per_case
    return int(given) if given.isascii() and given.isdigit() and len(given) < 10 else 0


def _refused(
    desk: Desk, seat: Seat, draft: Draft, error: YimaError, *, product: Product | None = None, version: int = 0
) -> Response[bytes]:
    errors = forms.refusals(error, seat.visit.language)
    return _page(desk, seat, draft, product=product, version=version, status=error.status, errors=errors)


def _differences(seat: Seat, now: Product, draft: Draft) -> list[forms.Difference]:
    language = seat.visit.language
    stored = _draft(now)
    rows = [
        (say(f"products.{name}", language), getattr(stored, name), getattr(draft, name))
        for name in ("name", "name_en", "units_per_case")
    ]
    for name, options in (("legal_class", CLASSES), ("rewards", REWARDS)):
        now_, yours = (
            say(f"products.{name}.{value}", language) if value in options else value
            for value in (getattr(stored, name), getattr(draft, name))
        )
        rows.append((say(f"products.{name}", language), now_, yours))
    return forms.differences(rows, none=say("none", language))


def _page(
    desk: Desk,
    seat: Seat,
    draft: Draft,
    *,
    product: Product | None = None,
    version: int | None = None,
    status: int = 200,
    errors: forms.Refusals | None = None,
    differences: list[forms.Difference] | None = None,
) -> Response[bytes]:
    return desk.page(
        seat,
        "product.html",
        status=status,
        draft=draft,
        product=product,
        version=draft.version if version is None else version,
        errors=errors or forms.Refusals(),
        differences=differences or [],
        chars_max=catalogue.NAME_CHARS_MAX,
        units_max=catalogue.UNITS_PER_CASE_MAX,
        classes=list(CLASSES),
        rewards=REWARDS,
        picture="" if product is None else livery.picture_address(seat.brand.slug, product.picture_hash or ""),
        large_kb=pictures.LARGE_BYTES_MAX // 1024,
        may_edit=Permission.EDIT_CATALOGUE in seat.may,
    )


ROUTES: list[ControllerRouterHandler] = [show_all, start, create, show, save, upload_picture]
