"""Layouts of data files: listed, edited with the first rows beside the form, removed."""

from __future__ import annotations

import html
from dataclasses import replace
from typing import Any, Final

from litestar import Response, get, post
from litestar.params import FromPath
from litestar.types import ControllerRouterHandler

from codegen import columns, layouts, samples
from codegen import designs as kept
from codegen.columns import Column, DataLayout
from codegen.controllers import BUILT_IN
from kernel.errors import Conflict, InvalidInput
from staff.access import Permission
from traceability import catalogue
from web.console import designs, forms
from web.console.desk import Desk
from web.console.guard import Form, GivenDesk, GivenForm, GivenSeat, needs
from web.console.query import Query
from web.console.seat import Seat
from web.console.texts import say

BLANK_COLUMNS: Final = 2
_NEW: Final = DataLayout(name="", extension=".csv", columns=(Column("url", "outer"),))


@get("/console/b/{brand:str}/layouts", opt=needs(Permission.SEE_BATCHES))
async def show_all(desk: GivenDesk, seat: GivenSeat) -> Response[bytes]:
    """The house's layouts and the brand's own."""
    async with desk.means.db.transaction() as tx:
        own = [columns.parse(each.name, each.document) for each in await kept.list_of(tx, seat.brand.id, kept.LAYOUT)]
    return desk.page(
        seat, "layouts.html", own=own, house=list(BUILT_IN.values()), may_edit=Permission.ORDER_CODES in seat.may
    )


@get("/console/b/{brand:str}/layouts/new", opt=needs(Permission.ORDER_CODES))
async def start(desk: GivenDesk, seat: GivenSeat) -> Response[bytes]:
    """A new layout, perhaps a copy of another."""
    source = Query(seat.visit.query, seat.visit.language).text("from")
    shown = _NEW
    if source and source != columns.PLAIN.name:
        async with desk.means.db.transaction() as tx:
            shown = await layouts.find(tx, seat.brand.id, source)
        shown = replace(shown, note=designs.note_of(shown, seat, house=source in BUILT_IN))
    return _page(desk, seat, replace(shown, name=""), version=0)


@get("/console/b/{brand:str}/layouts/{name:str}", opt=needs(Permission.SEE_BATCHES))
async def show(desk: GivenDesk, seat: GivenSeat, name: FromPath[str]) -> Response[bytes]:
    """One layout: the brand's own to be changed, the house's to be copied."""
    async with desk.means.db.transaction() as tx:
        layout = await layouts.find(tx, seat.brand.id, name)
        own = await kept.find(tx, seat.brand.id, kept.LAYOUT, name)
    layout = replace(layout, note=designs.note_of(layout, seat, house=name in BUILT_IN))
    return _page(desk, seat, layout, version=own.version if own else 0, house=name in BUILT_IN)


@post("/console/b/{brand:str}/layouts/save", opt=needs(Permission.ORDER_CODES), status_code=200)
async def save(desk: GivenDesk, seat: GivenSeat, form: GivenForm) -> Response[bytes]:
    """Keep a layout; nothing that somebody else saved meanwhile is overwritten unseen."""
    name, version = form.get("name"), designs.version_of(form)
    try:
        async with desk.means.db.transaction() as tx:
            await layouts.save(
                tx, brand_id=seat.brand.id, name=name, document=_document(form), version=version, actor=seat.actor
            )
    except (InvalidInput, Conflict) as error:
        errors = designs.refusals(error, seat)
        return _page(desk, seat, _draft(form), version=version, status=error.status, errors=errors)
    return desk.redirect(seat.visit, seat.path(f"/layouts/{name}"), flash="design.saved", name=name)


@post("/console/b/{brand:str}/layouts/preview", opt=needs(Permission.SEE_BATCHES), status_code=200)
async def preview(desk: GivenDesk, seat: GivenSeat, form: GivenForm) -> Response[bytes]:
    """The first rows of a file as it would be, with codes that nobody issued; nothing is saved."""
    async with desk.means.db.transaction() as tx:
        products = await catalogue.list_products(tx, brand_id=seat.brand.id)
    product = products[0].name if products else "陈年花雕酒"
    language = seat.visit.language
    try:
        plain = form.get("name") == columns.PLAIN.name
        layout = columns.PLAIN if plain else columns.parse("preview", _document(form))
        paired = any(column.side == "inner" for column in layout.columns) or "paired" in form
        shown = samples.first_rows(layout, paired=paired, product=product)
    except InvalidInput as error:
        return designs.refusal(desk, seat, error)
    said = say(
        "layouts.preview.lead", language, rows=samples.ROWS, encoding=layout.encoding, end=layout.line_end.upper()
    )
    visible = html.escape(shown.replace("\r\n", "\n").replace("\r", "\n"))
    return designs.frame(desk, seat, f"<p>{html.escape(said)}</p><pre>{visible}</pre>")


@post("/console/b/{brand:str}/layouts/{name:str}/remove", opt=needs(Permission.ORDER_CODES), status_code=200)
async def remove(desk: GivenDesk, seat: GivenSeat, form: GivenForm, name: FromPath[str]) -> Response[bytes]:  # noqa: ARG001 - its reading is the judgement
    """Forget a layout of the brand's own."""
    async with desk.means.db.transaction() as tx:
        await layouts.remove(tx, brand_id=seat.brand.id, name=name, actor=seat.actor)
    return desk.redirect(seat.visit, seat.path("/layouts"), flash="design.removed", name=name)


def _document(form: Form) -> dict[str, Any]:
    """The document that a form holds, right or wrong; rows without a kind are none."""
    rows = zip(*(form.all(f"column_{name}") for name in _COLUMN_FIELDS), strict=False)
    found = []
    for kind, side, title, width, separator, text in rows:
        if not kind:
            continue
        column: dict[str, Any] = {"kind": kind, "title": title}
        if kind in columns.PER_CODE:
            column["side"] = side
        if kind == "grouped":
            column["separator"] = separator
        if width and kind in ("line", "number", "serial"):
            column["width"] = int(width) if width.isascii() and width.isdigit() else width
        if kind == "text" or text:
            column["text"] = text
        found.append(column)
    return {
        "columns": found,
        **{name: form.get(name) for name in ("delimiter", "quoting", "line_end", "encoding", "extension", "note")},
        "header": "header" in form,
        "spreadsheet": "spreadsheet" in form,
    }


_COLUMN_FIELDS: Final = ("kind", "side", "title", "width", "separator", "text")


def _draft(form: Form) -> DataLayout:
    """What was sent, to stand in the form again."""
    document = _document(form)
    made = tuple(
        Column(
            each["kind"] if each["kind"] in columns.KINDS else "url", each.get("side", ""), each["title"],
            each["width"] if isinstance(each.get("width"), int) else 0, each.get("separator", "space"),
            each.get("text", ""),
        )
        for each in document["columns"][: columns.COLUMNS_MAX]
    )  # fmt: skip
    rest = {name: document[name] for name in document if name != "columns"}
    return DataLayout(name=form.get("name"), columns=made, **rest)


def _page(
    desk: Desk,
    seat: Seat,
    shown: DataLayout,
    *,
    version: int,
    status: int = 200,
    errors: forms.Refusals | None = None,
    house: bool = False,
) -> Response[bytes]:
    language = seat.visit.language
    may_edit = Permission.ORDER_CODES in seat.may and not house
    blank = min(BLANK_COLUMNS, columns.COLUMNS_MAX - len(shown.columns)) if may_edit else 0
    delimiters = {sign: name for name, sign in columns.DELIMITER_NAMES.items()}
    return desk.page(
        seat,
        "layout.html",
        status=status,
        layout=shown,
        version=version,
        house=house,
        may_edit=may_edit,
        may_copy=Permission.ORDER_CODES in seat.may,
        rows=[*shown.columns, *[None] * blank],
        errors=errors or forms.Refusals(),
        limits=columns,
        kinds=[("", say("layouts.kind.none", language))]
        + [(kind, say(f"layouts.kind.{kind}", language)) for kind in columns.KINDS],
        sides=[(side, say(f"layouts.side.{side}", language)) for side in columns.SIDES],
        separators=[(name, say(f"layouts.separator.{name}", language)) for name in columns.GROUP_SEPARATORS],
        delimiter=delimiters.get(shown.delimiter, shown.delimiter),
        delimiters=[(name, say(f"layouts.delimiter.{name}", language)) for name in columns.DELIMITER_NAMES],
        quotings=[(name, say(f"layouts.quoting.{name}", language)) for name in columns.QUOTINGS],
        line_ends=[(name, say(f"layouts.line_end.{name}", language)) for name in columns.LINE_ENDS],
        encodings=[(name, say(f"layouts.encoding.{name}", language)) for name in columns.ENCODINGS],
        extensions=[(name, name) for name in columns.EXTENSIONS],
    )


ROUTES: list[ControllerRouterHandler] = [show_all, start, show, save, preview, remove]
