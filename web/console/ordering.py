"""Orders of codes: batches ordered, their packages written by a worker and handed out on record."""

from __future__ import annotations

import secrets
from dataclasses import dataclass

from litestar import Response, get, post
from litestar.params import FromPath
from litestar.response import Stream
from litestar.types import ControllerRouterHandler

from codegen import batches, orders, packages
from kernel.clock import now
from kernel.errors import Conflict, InvalidInput, NotFound, Unavailable, YimaError
from staff.access import Permission
from traceability import catalogue
from web.console import batch_page, forms, handout
from web.console.desk import Desk
from web.console.guard import GivenDesk, GivenForm, GivenSeat, needs
from web.console.query import CHINA
from web.console.seat import Seat
from web.console.texts import say


@dataclass(frozen=True, slots=True)
class Draft:
    """An order as a form holds it, right or wrong."""

    gtin: str
    count: str
    form: str
    paired: bool
    order: str


@get("/console/b/{brand:str}/batches/new", opt=needs(Permission.ORDER_CODES))
async def start(desk: GivenDesk, seat: GivenSeat) -> Response[bytes]:
    """An empty order, with a number of its own: sent twice, it is still one order."""
    number = f"W{now().astimezone(CHINA):%Y%m%d}-{secrets.token_hex(3).upper()}"
    return await _order_page(desk, seat, Draft("", "", "short", paired=False, order=number))


@post("/console/b/{brand:str}/batches/new", opt=needs(Permission.ORDER_CODES), status_code=200)
async def order(desk: GivenDesk, seat: GivenSeat, form: GivenForm) -> Response[bytes]:
    """Order a batch; a worker writes its package. The same order number again leads to the same batch."""
    draft = Draft(form.get("gtin"), form.get("count"), form.get("form"), "paired" in form, form.get("order"))
    task_id = None
    try:
        _need_number(draft)
        async with desk.means.db.transaction() as tx:
            batch = await batches.order(
                tx, desk.means.vault, brand_id=seat.brand.id, gtin=draft.gtin,
                count=form.number("count", low=1, high=batches.COUNT_MAX), form=draft.form,
                public_url=desk.means.public_url, paired=draft.paired, order_number=draft.order, actor=seat.actor,
            )  # fmt: skip
            if batch.state != "ready":
                task_id = await orders.request_package(tx, batch)
    except (InvalidInput, Conflict, NotFound, Unavailable) as error:
        return await _order_page(desk, seat, draft, error=error)
    if task_id is not None:
        desk.means.wake_task(task_id)
    return desk.redirect(seat.visit, seat.path(f"/batches/{batch.name}"), flash="batches.ordered", name=batch.name)


@get("/console/b/{brand:str}/batches/{name:str}/package", opt=needs(Permission.SEE_BATCHES))
async def show_package(desk: GivenDesk, seat: GivenSeat, name: FromPath[str]) -> Response[bytes]:
    """The part of the page that tells how far the package is."""
    async with desk.means.db.transaction() as tx:
        batch = await batches.get(tx, name, brand_id=seat.brand.id)
        parts = await batch_page.package(desk, seat, tx, batch)
    return desk.page(seat, "batch_package.html", batch=batch, **parts)


@post("/console/b/{brand:str}/batches/{name:str}/package", opt=needs(Permission.ORDER_CODES), status_code=200)
async def write_package(desk: GivenDesk, seat: GivenSeat, form: GivenForm, name: FromPath[str]) -> Response[bytes]:  # noqa: ARG001 - its reading is the judgement
    """Have the package written: after a failure, or where it was written elsewhere."""
    async with desk.means.db.transaction() as tx:
        batch = await batches.get(tx, name, brand_id=seat.brand.id)
        task_id = await orders.request_package(tx, batch)
    if task_id is not None:
        desk.means.wake_task(task_id)
    return desk.redirect(seat.visit, seat.path(f"/batches/{batch.name}"))


@post("/console/b/{brand:str}/batches/{name:str}/download", opt=needs(Permission.ORDER_CODES), status_code=200)
async def download(
    desk: GivenDesk,
    seat: GivenSeat,
    form: GivenForm,  # noqa: ARG001 - its reading is the judgement
    name: FromPath[str],
) -> Stream | Response[bytes]:
    """The code package; who takes it is recorded before its first byte leaves."""
    async with desk.means.db.transaction() as tx:
        batch = await batches.get(tx, name, brand_id=seat.brand.id)
        path = packages.path_in(desk.means.packages, batch)
        written = batch.sha256 is not None and path.is_file()
        if written and batch.sha256 is not None:
            await orders.record_download(
                tx, desk.means.vault, batch, file=path.name, sha256=batch.sha256, address=seat.visit.address,
                actor=seat.actor,
            )  # fmt: skip
    if not written:
        return await batch_page.answer(desk, seat, name, error=Conflict("The package is not written yet."))
    return handout.stream(path, path.name)


@get("/console/b/{brand:str}/batches/{name:str}/manifest", opt=needs(Permission.ORDER_CODES))
async def manifest(desk: GivenDesk, seat: GivenSeat, name: FromPath[str]) -> Response[bytes]:
    """What a print house checks the package against; it holds no code."""
    async with desk.means.db.transaction() as tx:
        batch = await batches.get(tx, name, brand_id=seat.brand.id)
    path = packages.manifest_path(packages.path_in(desk.means.packages, batch))
    if not path.is_file():
        raise NotFound("The package is not written yet.")
    return desk.file(seat.visit, path.name, path.read_bytes(), media_type="application/json")


def _need_number(draft: Draft) -> None:
    """The console orders by number only: a form that is sent twice must not be two orders."""
    if not draft.order:
        raise InvalidInput("An order number is missing.", field="order")


async def _order_page(desk: Desk, seat: Seat, draft: Draft, *, error: YimaError | None = None) -> Response[bytes]:
    async with desk.means.db.transaction() as tx:
        products = await catalogue.list_products(tx, brand_id=seat.brand.id)
    return desk.page(
        seat,
        "batch_order.html",
        status=200 if error is None else error.status,
        draft=draft,
        products=[(each.gtin, f"{batch_page.product_name(seat, each)} · {each.gtin}") for each in products],
        forms=[(each, say(f"batches.form.{each}", seat.visit.language)) for each in batches.FORMS],
        errors=forms.Refusals() if error is None else forms.refusals(error, seat.visit.language),
        count_max=batches.COUNT_MAX,
        order_max=batches.ORDER_NUMBER_CHARS_MAX,
        public_url=desk.means.public_url.upper(),
    )


ROUTES: list[ControllerRouterHandler] = [start, order, show_package, write_package, download, manifest]
