"""Cartons: what is in one, a unit taken out or replaced, dissolved, packed again from scanned units."""

from __future__ import annotations

from litestar import Response, get, post
from litestar.types import ControllerRouterHandler

from codegen import gs1, in_hand, lineset
from kernel.clock import now
from kernel.errors import Conflict, InvalidInput, NotFound, YimaError
from staff.access import Permission
from traceability import cartons
from traceability.cartons import Contents
from web.console import forms
from web.console.desk import Desk
from web.console.guard import Form, GivenDesk, GivenForm, GivenSeat, needs
from web.console.query import Query
from web.console.seat import Seat


@get("/console/b/{brand:str}/cartons", opt=needs(Permission.RUN_LINE))
async def show(desk: GivenDesk, seat: GivenSeat) -> Response[bytes]:
    """Find a carton by its SSCC, and what is in it."""
    return await _page(desk, seat, Query(seat.visit.query, seat.visit.language).text("sscc"))


@post("/console/b/{brand:str}/cartons/change", opt=needs(Permission.RUN_LINE), status_code=200)
async def change(desk: GivenDesk, seat: GivenSeat, form: GivenForm) -> Response[bytes]:
    """Take units out and put others in, by their scanned codes."""
    sscc = form.get("sscc")
    try:
        async with desk.means.db.transaction() as tx:
            units = {}
            for field in ("out", "put"):
                texts = form.get(field).split()
                units[field] = (
                    await in_hand.units_of_codes(tx, desk.means.vault, texts, brand_id=seat.brand.id, field=field)
                    if texts else []
                )  # fmt: skip
            changed = await cartons.change(
                tx, brand_id=seat.brand.id, sscc=sscc, out=units["out"], put=units["put"],
                reason=form.get("reason"),
                actor=seat.actor,
            )  # fmt: skip
    except (InvalidInput, Conflict, NotFound) as error:
        return await _page(desk, seat, sscc, error=error, form=form)
    return desk.redirect(
        seat.visit, seat.path(f"/cartons?sscc={changed.sscc}"), flash="cartons.changed",
        n=f"{lineset.count(changed.units):,}",
    )  # fmt: skip


@post("/console/b/{brand:str}/cartons/unpack", opt=needs(Permission.RUN_LINE), status_code=200)
async def unpack(desk: GivenDesk, seat: GivenSeat, form: GivenForm) -> Response[bytes]:
    """Dissolve a carton that was never shipped."""
    sscc = form.get("sscc")
    try:
        async with desk.means.db.transaction() as tx:
            count = await cartons.unpack(
                tx, brand_id=seat.brand.id, sscc=sscc, reason=form.get("reason"), actor=seat.actor
            )  # fmt: skip
    except (InvalidInput, Conflict, NotFound) as error:
        return await _page(desk, seat, sscc, error=error)
    return desk.redirect(seat.visit, seat.path("/cartons"), flash="cartons.unpacked", n=f"{count:,}")


@post("/console/b/{brand:str}/cartons/pack", opt=needs(Permission.RUN_LINE), status_code=200)
async def pack(desk: GivenDesk, seat: GivenSeat, form: GivenForm) -> Response[bytes]:
    """Pack a carton from scanned units."""
    try:
        async with desk.means.db.transaction() as tx:
            units = await in_hand.units_of_codes(
                tx, desk.means.vault, form.get("codes").split(), brand_id=seat.brand.id
            )  # fmt: skip
            packed = await cartons.pack(
                tx, brand_id=seat.brand.id, sscc=form.get("new_sscc"), units=units, at=now(), actor=seat.actor
            )
    except (InvalidInput, Conflict, NotFound) as error:
        return await _page(desk, seat, "", error=error, form=form)
    return desk.redirect(
        seat.visit, seat.path(f"/cartons?sscc={packed.sscc}"), flash="cartons.packed", n=f"{len(units):,}"
    )


async def _page(
    desk: Desk, seat: Seat, sscc: str, *, error: YimaError | None = None, form: Form | None = None
) -> Response[bytes]:
    carton: Contents | None = None
    where: list[tuple[str, str, int]] = []
    refused = error
    if sscc:
        try:
            async with desk.means.db.transaction() as tx:
                carton = await cartons.get(tx, _digits(sscc), brand_id=seat.brand.id)
                parts = []
                if carton.units:
                    parts = await in_hand.batches_of_units(tx, lineset.to_text(carton.units), brand_id=seat.brand.id)
            for batch, units in parts:
                lines = lineset.of((batch.line(a), batch.line(b)) for a, b in lineset.from_text(units))
                where.append((batch.name, lineset.say(lines, most=8), lineset.count(lines)))
        except (InvalidInput, NotFound) as not_found:
            refused = refused or not_found
    given = form or Form([])
    return desk.page(
        seat,
        "cartons.html",
        status=200 if refused is None else refused.status,
        sscc=sscc,
        carton=carton,
        where=where,
        units=0 if carton is None else lineset.count(carton.units),
        given={field: given.get(field) for field in ("out", "put", "reason", "codes", "new_sscc")},
        errors=forms.Refusals() if refused is None else forms.refusals(refused, seat.visit.language),
        reason_max=cartons.REASON_CHARS_MAX,
    )


def _digits(sscc: str) -> str:
    """An SSCC as a scanner types it, with or without its AI (00)."""
    plain = sscc.replace("(00)", "").replace(" ", "")
    return gs1.parse_sscc(plain[2:] if len(plain) == 20 and plain.startswith("00") else plain)


ROUTES: list[ControllerRouterHandler] = [show, change, unpack, pack]
