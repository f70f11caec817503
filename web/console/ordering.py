"""Orders of codes: batches ordered, their packages written by workers and handed out on record, orders ended."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from uuid import UUID

from litestar import Response, get, post
from litestar.params import FromPath
from litestar.response import Stream
from litestar.types import ControllerRouterHandler

from codegen import batches, downloads, keys, layouts, links, orders, packages, packaging, recipients
from codegen.batches import Batch
from codegen.packaging import Package
from codegen.recipients import Recipient
from kernel.clock import now
from kernel.db import Tx
from kernel.errors import Conflict, InvalidInput, NotFound, Unavailable, YimaError
from staff.access import Permission
from traceability import catalogue
from web.console import batch_page, forms, handout, package_parts
from web.console.desk import Desk
from web.console.guard import Form, GivenDesk, GivenForm, GivenSeat, needs
from web.console.query import CHINA
from web.console.seat import Seat
from web.console.texts import say


@dataclass(frozen=True, slots=True)
class Draft:
    """An order as a form holds it, right or wrong."""

    gtin: str = ""
    count: str = ""
    form: str = "short"
    paired: bool = False
    order: str = ""
    spare: str = ""
    host: str = ""
    recipient: str = ""
    layout: str = "plain"


@get("/console/b/{brand:str}/batches/new", opt=needs(Permission.ORDER_CODES))
async def start(desk: GivenDesk, seat: GivenSeat) -> Response[bytes]:
    """An empty order, with a number of its own: sent twice, it is still one order."""
    number = f"W{now().astimezone(CHINA):%Y%m%d}-{secrets.token_hex(3).upper()}"
    return await _order_page(desk, seat, Draft(order=number))


@post("/console/b/{brand:str}/batches/new", opt=needs(Permission.ORDER_CODES), status_code=200)
async def order(desk: GivenDesk, seat: GivenSeat, form: GivenForm) -> Response[bytes]:
    """Order a batch; a worker writes its package. The same order number again leads to the same batch."""
    draft = Draft(
        form.get("gtin"), form.get("count"), form.get("form"), "paired" in form, form.get("order"), form.get("spare"),
        form.get("printed_host"), form.get("recipient"), form.get("layout", "plain"),
    )  # fmt: skip
    try:
        _need_number(draft)
        async with desk.means.db.transaction() as tx:
            recipient = await _recipient(tx, desk, seat, draft.recipient)
            layout = await layouts.find(tx, seat.brand.id, draft.layout)
            batch = await batches.order(
                tx, desk.means.vault, brand_id=seat.brand.id, gtin=draft.gtin,
                count=form.number("count", low=1, high=batches.COUNT_MAX), form=draft.form,
                public_url=links.parse_host(draft.host) if draft.host else desk.means.public_url,
                paired=draft.paired, order_number=draft.order, actor=seat.actor,
                spare_bp=batches.parse_spare(draft.spare),
                recipient_id=None if recipient is None else recipient.id, layout=layout.name,
            )  # fmt: skip
            task_id = None
            released = await keys.may_write(tx, batch.key_id)
            if batch.state != "closed" and released:
                _, task_id = await packaging.request(
                    tx, batch, recipient=recipient, first=1, last=batch.count, layout=layout.name, actor=seat.actor
                )
    except (InvalidInput, Conflict, NotFound, Unavailable) as error:
        return await _order_page(desk, seat, draft, error=error)
    return _to_batch(desk, seat, batch, task_id, "batches.ordered" if released else "batches.ordered.unreleased")


@get("/console/b/{brand:str}/batches/{name:str}/packages", opt=needs(Permission.SEE_BATCHES))
async def show_packages(desk: GivenDesk, seat: GivenSeat, name: FromPath[str]) -> Response[bytes]:
    """The part of the page that tells how far the packages are."""
    async with desk.means.db.transaction() as tx:
        batch = await batches.get(tx, name, brand_id=seat.brand.id)
        parts = await package_parts.read(desk, seat, tx, batch)
    return desk.page(seat, "batch_packages.html", batch=batch, **parts)


@post("/console/b/{brand:str}/batches/{name:str}/packages", opt=needs(Permission.ORDER_CODES), status_code=200)
async def ask_package(desk: GivenDesk, seat: GivenSeat, form: GivenForm, name: FromPath[str]) -> Response[bytes]:
    """Have a package written: of some lines, in a layout, for a recipient."""
    try:
        async with desk.means.db.transaction() as tx:
            batch = await batches.get(tx, name, brand_id=seat.brand.id)
            recipient = await _recipient(tx, desk, seat, form.get("recipient"))
            layout = await layouts.find(tx, seat.brand.id, form.get("layout", "plain"))
            first, last = batches.lines_of(
                batch, _line(form, "package_first"), _line(form, "package_last"), field="package_first"
            )
            _, task_id = await packaging.request(
                tx, batch, recipient=recipient, first=first, last=last, layout=layout.name, actor=seat.actor
            )
    except (InvalidInput, Conflict) as error:
        return await batch_page.answer(desk, seat, name, error=error, form=form)
    return _to_batch(desk, seat, batch, task_id, "orders.package.asked")


@post(
    "/console/b/{brand:str}/batches/{name:str}/packages/{package:str}/retry",
    opt=needs(Permission.ORDER_CODES),
    status_code=200,
)
async def retry(
    desk: GivenDesk,
    seat: GivenSeat,
    form: GivenForm,  # noqa: ARG001 - its reading is the judgement
    name: FromPath[str],
    package: FromPath[str],
) -> Response[bytes]:
    """Have a package written again: after a failure, or where its file is on another server."""
    try:
        async with desk.means.db.transaction() as tx:
            batch, found = await _find(tx, seat, name, package)
            here = found.state == "ready" and package_parts.path_of(desk, found).is_file()
            _, task_id = (found, None) if here else await packaging.submit(tx, found, again=True)
    except Conflict as error:
        return await batch_page.answer(desk, seat, name, error=error)
    return _to_batch(desk, seat, batch, task_id)


@post(
    "/console/b/{brand:str}/batches/{name:str}/packages/{package:str}/download",
    opt=needs(Permission.ORDER_CODES),
    status_code=200,
)
async def download(
    desk: GivenDesk,
    seat: GivenSeat,
    form: GivenForm,  # noqa: ARG001 - its reading is the judgement
    name: FromPath[str],
    package: FromPath[str],
) -> Stream | Response[bytes]:
    """A code package; who takes it is recorded before its first byte leaves."""
    try:
        async with desk.means.db.transaction() as tx:
            batch, found = await _find(tx, seat, name, package)
            if found.under_way:
                raise packaging.under_way(found)
            path = package_parts.path_of(desk, found)
            file = packages.handed_out_as(path)
            await downloads.record(
                tx, desk.means.vault, batch, found, file=file, sha256=found.sha256 or "",
                address=seat.visit.address, actor=seat.actor,
            )  # fmt: skip
    except Conflict as error:
        return await batch_page.answer(desk, seat, name, error=error)
    return handout.stream(path, file)


@get("/console/b/{brand:str}/batches/{name:str}/packages/{package:str}/manifest", opt=needs(Permission.ORDER_CODES))
async def manifest(desk: GivenDesk, seat: GivenSeat, name: FromPath[str], package: FromPath[str]) -> Response[bytes]:
    """What a print house checks the package against; it holds no code."""
    async with desk.means.db.transaction() as tx:
        _, found = await _find(tx, seat, name, package)
    path = package_parts.path_of(desk, found)
    file = packages.handed_out_as(path)
    body = packages.manifest_path(path).read_bytes()
    return desk.file(seat.visit, f"{file}.manifest.json", body, media_type="application/json")


@post("/console/b/{brand:str}/batches/{name:str}/cancel", opt=needs(Permission.ORDER_CODES), status_code=200)
async def cancel(desk: GivenDesk, seat: GivenSeat, form: GivenForm, name: FromPath[str]) -> Response[bytes]:
    """Cancel an order of which nothing was activated."""
    try:
        async with desk.means.db.transaction() as tx:
            batch = await batches.get(tx, name, brand_id=seat.brand.id)
            ended = await orders.cancel(tx, batch, reason=form.get("cancel_reason"), actor=seat.actor)
    except (InvalidInput, Conflict) as error:
        return await batch_page.answer(desk, seat, name, error=error, form=form)
    _remove(desk, ended)
    return _to_batch(desk, seat, batch, None, "orders.cancelled")


@post("/console/b/{brand:str}/batches/{name:str}/close", opt=needs(Permission.ORDER_CODES), status_code=200)
async def close(
    desk: GivenDesk,
    seat: GivenSeat,
    form: GivenForm,  # noqa: ARG001 - its reading is the judgement
    name: FromPath[str],
) -> Response[bytes]:
    """Close an order that is done with."""
    try:
        async with desk.means.db.transaction() as tx:
            batch = await batches.get(tx, name, brand_id=seat.brand.id)
            ended = await orders.close(tx, batch, actor=seat.actor)
    except Conflict as error:
        return await batch_page.answer(desk, seat, name, error=error)
    _remove(desk, ended)
    return _to_batch(desk, seat, batch, None, "orders.closed")


def _remove(desk: Desk, ended: list[Package]) -> None:
    """Files of an order that ended: nobody is to have them any more."""
    for each in ended:
        packages.remove(package_parts.path_of(desk, each))


def _to_batch(desk: Desk, seat: Seat, batch: Batch, task_id: UUID | None, flash: str = "") -> Response[bytes]:
    if task_id is not None:
        desk.means.wake_task(task_id)
    return desk.redirect(seat.visit, seat.path(f"/batches/{batch.name}"), flash=flash, name=batch.name)


async def _find(tx: Tx, seat: Seat, name: str, package: str) -> tuple[Batch, Package]:
    batch = await batches.get(tx, name, brand_id=seat.brand.id)
    return batch, await packaging.get(tx, batch, package)


async def _recipient(tx: Tx, desk: Desk, seat: Seat, name: str) -> Recipient | None:
    return await recipients.get(tx, desk.means.vault, brand_id=seat.brand.id, name=name) if name else None


def _line(form: Form, name: str) -> int | None:
    return form.number(name, low=1, high=batches.COUNT_MAX) if form.get(name) else None


def _need_number(draft: Draft) -> None:
    """The console orders by number only: a form that is sent twice must not be two orders."""
    if not draft.order:
        raise InvalidInput("An order number is missing.", field="order")


async def _order_page(desk: Desk, seat: Seat, draft: Draft, *, error: YimaError | None = None) -> Response[bytes]:
    async with desk.means.db.transaction() as tx:
        products = await catalogue.list_products(tx, brand_id=seat.brand.id)
        known = await recipients.list_of(tx, desk.means.vault, brand_id=seat.brand.id)
        names = await layouts.names(tx, seat.brand.id)
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
        host_max=links.HOST_CHARS_MAX,
        spare_max=f"{batches.SPARE_BP_MAX / 100:g}",
        recipients=package_parts.choices(known, seat),
        layouts=[(name, name) for name in names],
        public_url=desk.means.public_url.upper(),
    )


ROUTES: list[ControllerRouterHandler] = [
    start, order, show_packages, ask_package, retry, download, manifest, cancel, close,
]  # fmt: skip
