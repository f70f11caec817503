"""Label templates: listed, edited with a picture of the label and the sheet beside the form, removed."""

from __future__ import annotations

import asyncio
import base64
import html
from dataclasses import replace
from typing import Any, Final

from litestar import Response, get, post
from litestar.params import FromPath
from litestar.types import ControllerRouterHandler

from codegen import designs as kept
from codegen import labels, links, logos, previews, templates
from codegen.labels import LabelTemplate
from codegen.stationery import BUILT_IN
from kernel.errors import Conflict, InvalidInput
from staff.access import Permission
from traceability import brands, catalogue
from web.console import designs, forms
from web.console.desk import Desk
from web.console.guard import Form, GivenDesk, GivenForm, GivenSeat, needs
from web.console.query import Query
from web.console.seat import Seat
from web.console.texts import say

MEASURES: Final = ("symbol_mm", "letter_mm", "logo_mm")
PAIRS: Final = ("page_mm", "label_mm", "margin_mm", "gap_mm")
_NEW: Final = replace(BUILT_IN["roll-40x30"], name="", note="")


@get("/console/b/{brand:str}/templates", opt=needs(Permission.SEE_BATCHES))
async def show_all(desk: GivenDesk, seat: GivenSeat) -> Response[bytes]:
    """The house's templates and the brand's own."""
    async with desk.means.db.transaction() as tx:
        found = await templates.list_of(tx, seat.brand.id)
    return desk.page(
        seat,
        "label_templates.html",
        own=[each for each in found if each.name not in BUILT_IN],
        house=list(BUILT_IN.values()),
        may_edit=Permission.ORDER_CODES in seat.may,
    )


@get("/console/b/{brand:str}/templates/new", opt=needs(Permission.ORDER_CODES))
async def start(desk: GivenDesk, seat: GivenSeat) -> Response[bytes]:
    """A new template, perhaps a copy of another."""
    source = Query(seat.visit.query, seat.visit.language).text("from")
    shown = _NEW
    if source:
        async with desk.means.db.transaction() as tx:
            shown = await templates.find(tx, seat.brand.id, source)
        shown = replace(shown, note=designs.note_of(shown, seat, house=source in BUILT_IN))
    return _page(desk, seat, _values(replace(shown, name="")), version=0)


@get("/console/b/{brand:str}/templates/{name:str}", opt=needs(Permission.SEE_BATCHES))
async def show(desk: GivenDesk, seat: GivenSeat, name: FromPath[str]) -> Response[bytes]:
    """One template: the brand's own to be changed, the house's to be copied."""
    async with desk.means.db.transaction() as tx:
        template = await templates.find(tx, seat.brand.id, name)
        own = await kept.find(tx, seat.brand.id, kept.TEMPLATE, name)
    template = replace(template, note=designs.note_of(template, seat, house=name in BUILT_IN))
    return _page(desk, seat, _values(template), version=own.version if own else 0, house=name in BUILT_IN)


@post("/console/b/{brand:str}/templates/save", opt=needs(Permission.ORDER_CODES), status_code=200)
async def save(desk: GivenDesk, seat: GivenSeat, form: GivenForm) -> Response[bytes]:
    """Keep a template that can hold the brand's symbols."""
    name, version = form.get("name"), designs.version_of(form)
    try:
        document = _document(form)
        # What cannot be printed is refused now, not on the line.
        known = await _facts(desk, seat)
        await asyncio.to_thread(previews.require_printable, labels.parse(name, document), **known)
        async with desk.means.db.transaction() as tx:
            await templates.save(
                tx, brand_id=seat.brand.id, name=name, document=document, version=version, actor=seat.actor
            )
    except (InvalidInput, Conflict) as error:
        errors = designs.refusals(error, seat)
        return _page(desk, seat, _sent(form), version=version, status=error.status, errors=errors)
    return desk.redirect(seat.visit, seat.path(f"/templates/{name}"), flash="design.saved", name=name)


@post("/console/b/{brand:str}/templates/preview", opt=needs(Permission.SEE_BATCHES), status_code=200)
async def preview(desk: GivenDesk, seat: GivenSeat, form: GivenForm) -> Response[bytes]:
    """A label and a sheet as they would be printed, with codes that nobody issued; nothing is saved."""
    language = seat.visit.language
    try:
        template = labels.parse("preview", _document(form))
        known = await _facts(desk, seat)
        label = await asyncio.to_thread(previews.label_png, template, **known)
        sheet = await asyncio.to_thread(previews.sheet_png, template, **known)
    except InvalidInput as error:
        return designs.refusal(desk, seat, error)

    def picture(content: bytes, key: str, width_mm: float) -> str:
        said = html.escape(say(key, language))
        packed = base64.b64encode(content).decode()
        return f'<h3>{said}</h3><img alt="{said}" style="width:{width_mm:g}mm" src="data:image/png;base64,{packed}">'

    lead = html.escape(say("templates.preview.lead", language))
    body = f"<p>{lead}</p>" + picture(label, "templates.preview.label", template.label_mm[0])
    if template.labels > 1 or template.page_mm != template.label_mm:
        body += picture(sheet, "templates.preview.sheet", template.page_mm[0])
    return designs.frame(desk, seat, body)


@post("/console/b/{brand:str}/templates/{name:str}/remove", opt=needs(Permission.ORDER_CODES), status_code=200)
async def remove(desk: GivenDesk, seat: GivenSeat, form: GivenForm, name: FromPath[str]) -> Response[bytes]:  # noqa: ARG001 - its reading is the judgement
    """Forget a template of the brand's own; labels printed with it stay as they are."""
    async with desk.means.db.transaction() as tx:
        await templates.remove(tx, brand_id=seat.brand.id, name=name, actor=seat.actor)
    return desk.redirect(seat.visit, seat.path("/templates"), flash="design.removed", name=name)


async def _facts(desk: Desk, seat: Seat) -> dict[str, Any]:
    """What a label of the brand says: a product of its own, its logo, this installation's address."""
    async with desk.means.db.transaction() as tx:
        products = await catalogue.list_products(tx, brand_id=seat.brand.id)
        stored = await brands.logo(tx, seat.brand.id)
    facts = dict(previews.FACTS)
    if products:
        facts |= {"product": products[0].name, "gtin": products[0].gtin}
    logo = None if stored is None else logos.read(stored.content)
    return {"prefix": links.short_prefix(desk.means.public_url), "facts": facts, "logo": logo}


def _document(form: Form) -> dict[str, Any]:
    """The document that a form holds, right or wrong."""

    def number(name: str) -> float | str:
        try:
            return float(form.get(name))
        except ValueError:
            return form.get(name) or "nothing"

    def whole(name: str) -> int | str:
        value = form.get(name)
        return int(value) if value.isascii() and value.isdigit() and len(value) < 10 else value

    return {
        **{name: (number(f"{name}_x"), number(f"{name}_y")) for name in PAIRS},
        **{name: number(name) for name in MEASURES},
        "grid": (whole("grid_x"), whole("grid_y")),
        **{name: form.get(name) for name in ("level", "place", "codes", "note")},
        "lines": [line.strip() for line in form.get("lines").splitlines() if line.strip()],
        "crop_marks": "crop_marks" in form,
    }


def _values(template: LabelTemplate) -> dict[str, str]:
    """A template as the fields of its form."""
    found = {name: getattr(template, name) for name in ("name", "note", "level", "place", "codes")}
    for name in (*PAIRS, "grid"):
        across, down = getattr(template, name)
        found |= {f"{name}_x": f"{across:g}", f"{name}_y": f"{down:g}"}
    found |= {name: f"{getattr(template, name):g}" for name in MEASURES}
    return found | {"lines": "\n".join(template.lines), "crop_marks": "1" if template.crop_marks else ""}


def _sent(form: Form) -> dict[str, str]:
    """What was sent, to stand in the form again."""
    return {name: form.get(name) for name in _values(_NEW)}


def _page(
    desk: Desk,
    seat: Seat,
    values: dict[str, str],
    *,
    version: int,
    status: int = 200,
    errors: forms.Refusals | None = None,
    house: bool = False,
) -> Response[bytes]:
    language = seat.visit.language
    may = Permission.ORDER_CODES in seat.may
    return desk.page(
        seat,
        "label_template.html",
        status=status,
        values=values,
        version=version,
        house=house,
        may_edit=may and not house,
        may_copy=may,
        errors=errors or forms.Refusals(),
        limits=labels,
        levels=[(level, say(f"templates.level.{level}", language)) for level in labels.LEVELS],
        places=[(place, say(f"templates.place.{place}", language)) for place in labels.PLACES],
        codes=[(each, say(f"templates.codes.{each}", language)) for each in labels.CODES],
        gaps=[f"{{{name}}}" for name in (*labels.CONSTANT, *labels.PER_LABEL)],
    )


ROUTES: list[ControllerRouterHandler] = [show_all, start, show, save, preview, remove]
