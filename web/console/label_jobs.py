"""Labels printed from a batch's page: chosen, printed by a worker, handed out on record."""

from __future__ import annotations

import asyncio
from typing import Final
from uuid import UUID

from litestar import Response, get, post
from litestar.params import FromPath
from litestar.response import Stream
from litestar.types import ControllerRouterHandler

from codegen import batches, labeljobs, labels, logos, templates
from codegen.batches import Batch
from codegen.labeljobs import Job
from codegen.labels import LabelTemplate
from codegen.stationery import BUILT_IN
from kernel.errors import Conflict, InvalidInput, NotFound, YimaError
from staff.access import Permission
from traceability import brands, catalogue
from web.console import batch_page, designs, forms, handout
from web.console.desk import Desk
from web.console.guard import Form, GivenDesk, GivenForm, GivenSeat, needs
from web.console.seat import Seat
from web.console.texts import say

_ZIPPED: Final = ("png", "svg")
_DEFAULTS: Final = {"template": "a4-80", "format": "pdf", "mask": "fixed", "dpi": "300", "side": "inner"}


@get("/console/b/{brand:str}/batches/{name:str}/labels", opt=needs(Permission.ORDER_CODES))
async def start(desk: GivenDesk, seat: GivenSeat, name: FromPath[str]) -> Response[bytes]:
    """What to print, and how."""
    return await _page(desk, seat, name, Form(list(_DEFAULTS.items())))


@post("/console/b/{brand:str}/batches/{name:str}/labels", opt=needs(Permission.ORDER_CODES), status_code=200)
async def order(desk: GivenDesk, seat: GivenSeat, form: GivenForm, name: FromPath[str]) -> Response[bytes]:
    """Leave the labels to a worker; what its template cannot hold is refused at once."""
    try:
        async with desk.means.db.transaction() as tx:
            batch = await batches.get(tx, name, brand_id=seat.brand.id)
            template = await templates.find(tx, seat.brand.id, form.get("template"))
            product = await catalogue.product(tx, batch.gtin, brand_id=seat.brand.id)
            stored = await brands.logo(tx, seat.brand.id)
        job = _job(desk, form, batch, template)
        logo = None if stored is None else logos.read(stored.content)
        # Looks through fonts: not in the way of whoever scans meanwhile.
        await asyncio.to_thread(labeljobs.require_printable, job, labeljobs.facts_of(job, product.name), logo)
        async with desk.means.db.transaction() as tx:
            task_id = await labeljobs.request(tx, job, actor=seat.actor)
    except (InvalidInput, Conflict) as error:
        return await _page(desk, seat, name, form, error=error)
    desk.means.wake_task(task_id)
    return desk.redirect(seat.visit, seat.path(f"/batches/{batch.name}#labels"), flash="labels.ordered")


@get("/console/b/{brand:str}/batches/{name:str}/labels/progress", opt=needs(Permission.SEE_BATCHES))
async def show_progress(desk: GivenDesk, seat: GivenSeat, name: FromPath[str]) -> Response[bytes]:
    """The part of the batch's page that tells how far the labels are."""
    async with desk.means.db.transaction() as tx:
        batch = await batches.get(tx, name, brand_id=seat.brand.id)
        printed = await labeljobs.list_of(tx, batch, limit=batch_page.LABEL_ROWS)
    return desk.page(
        seat, "batch_labels.html", batch=batch, printed=printed, may_order=Permission.ORDER_CODES in seat.may
    )


@post(
    "/console/b/{brand:str}/batches/{name:str}/labels/{job:uuid}/download",
    opt=needs(Permission.ORDER_CODES),
    status_code=200,
)
async def download(
    desk: GivenDesk,
    seat: GivenSeat,
    form: GivenForm,  # noqa: ARG001 - its reading is the judgement
    name: FromPath[str],
    job: FromPath[UUID],
) -> Stream | Response[bytes]:
    """The printed file; who takes it is recorded before its first byte leaves."""
    try:
        async with desk.means.db.transaction() as tx:
            batch = await batches.get(tx, name, brand_id=seat.brand.id)
            found = await labeljobs.get(tx, batch, job)
            if found.file.parent != desk.means.packages:  # printed by a command, to a place of its own
                raise NotFound("These labels were printed on the command line, to a file of its own.")
            await labeljobs.record_download(
                tx, desk.means.vault, batch, found, address=seat.visit.address, actor=seat.actor
            )
    except Conflict as error:
        return await batch_page.answer(desk, seat, name, error=error)
    return handout.stream(found.file, found.file.name)


def _job(desk: Desk, form: Form, batch: Batch, template: LabelTemplate) -> Job:
    """The job that a form asks for.

    Raises:
        InvalidInput: lines outside the batch, or a choice that is none.
    """
    first, last = batches.lines_of(batch, _line(form, "first"), _line(form, "last"))
    kind = form.get("format")
    several = last - first + 1 > template.labels
    extension = "zip" if kind in _ZIPPED and several else kind if kind in labeljobs.FORMATS else "dat"
    return Job(
        batch, first, last, kind, form.get("mask"), labeljobs.place(desk.means.packages, batch, extension), template,
        form.number("dpi", low=min(labels.DPIS), high=max(labels.DPIS)), "graphic" in form,
        form.get("side") or "inner", form.get("lot"),
    )  # fmt: skip


def _line(form: Form, name: str) -> int | None:
    return form.number(name, low=1, high=batches.COUNT_MAX) if form.get(name) else None


def _called(template: LabelTemplate, seat: Seat) -> str:
    note = designs.note_of(template, seat, house=template.name in BUILT_IN)
    return f"{template.name} · {note}" if note else template.name


async def _page(desk: Desk, seat: Seat, name: str, form: Form, *, error: YimaError | None = None) -> Response[bytes]:
    language = seat.visit.language
    async with desk.means.db.transaction() as tx:
        batch = await batches.get(tx, name, brand_id=seat.brand.id)
        found = await templates.list_of(tx, seat.brand.id)
    usable = [each for each in found if batch.paired or each.codes == "one"]
    return desk.page(
        seat,
        "labels_print.html",
        status=200 if error is None else error.status,
        batch=batch,
        given={each: form.get(each) for each in ("template", "format", "mask", "dpi", "side", "first", "last", "lot")},
        graphic="graphic" in form,
        templates=[(each.name, _called(each, seat)) for each in usable],
        formats=[(each, say(f"labels.format.{each}", language)) for each in labeljobs.FORMATS],
        masks=[(each, say(f"labels.mask.{each}", language)) for each in ("fixed", "best")],
        dpis=[(str(each), f"{each} dpi") for each in labels.DPIS],
        sides=[(each, say(f"layouts.side.{each}", language)) for each in labeljobs.SIDES],
        lot_max=labeljobs.LOT_CHARS_MAX,
        errors=forms.Refusals() if error is None else designs.refusals(error, seat),
    )


ROUTES: list[ControllerRouterHandler] = [start, order, show_progress, download]
