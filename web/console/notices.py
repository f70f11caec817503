"""Notices of a batch: what consumers read of units that are recalled or void."""

from __future__ import annotations

from litestar import Response, get, post
from litestar.params import FromPath
from litestar.types import ControllerRouterHandler

from codegen import batches
from kernel.errors import InvalidInput
from staff.access import Permission
from traceability import notices
from traceability.changes import EditedMeanwhile
from traceability.notices import STATES, Notice
from web.console import forms
from web.console.desk import Desk
from web.console.guard import Form, GivenDesk, GivenForm, GivenSeat, needs
from web.console.seat import Seat


@get("/console/b/{brand:str}/batches/{name:str}/notices", opt=needs(Permission.SEE_BATCHES))
async def show(desk: GivenDesk, seat: GivenSeat, name: FromPath[str]) -> Response[bytes]:
    """Both notices."""
    return await _page(desk, seat, name)


@post("/console/b/{brand:str}/batches/{name:str}/notices", opt=needs(Permission.SWITCH_CODES), status_code=200)
async def save(desk: GivenDesk, seat: GivenSeat, form: GivenForm, name: FromPath[str]) -> Response[bytes]:
    """Save one of them."""
    state = form.get("state")
    wanted = Notice(form.get(f"{state}_zh").replace("\r", ""), form.get(f"{state}_en").replace("\r", ""))
    try:
        async with desk.means.db.transaction() as tx:
            batch = await batches.get(tx, name, brand_id=seat.brand.id)
            await notices.save(
                tx, brand_id=seat.brand.id, batch_id=batch.id, batch=batch.name, state=state, wanted=wanted,
                version=form.number("version", low=0, high=forms.VERSION_MAX), actor=seat.actor,
            )  # fmt: skip
    except (InvalidInput, EditedMeanwhile) as error:
        errors = forms.refusals(error, seat.visit.language)
        return await _page(desk, seat, name, status=error.status, errors=errors, form=form)
    return desk.redirect(seat.visit, seat.path(f"/batches/{batch.name}/notices"), flash="notices.saved")


async def _page(
    desk: Desk,
    seat: Seat,
    name: str,
    *,
    status: int = 200,
    errors: forms.Refusals | None = None,
    form: Form | None = None,
) -> Response[bytes]:
    async with desk.means.db.transaction() as tx:
        batch = await batches.get(tx, name, brand_id=seat.brand.id)
        kept = {state: await notices.of(tx, batch.id, state) for state in STATES}
    shown = dict(kept)
    if form is not None and (state := form.get("state")) in kept:
        shown[state] = Notice(form.get(f"{state}_zh"), form.get(f"{state}_en"), kept[state].version)
    return desk.page(
        seat,
        "notices.html",
        status=status,
        batch=batch,
        notices=shown,
        errors=errors or forms.Refusals(),
        chars_max=notices.CHARS_MAX,
        may_edit=Permission.SWITCH_CODES in seat.may,
    )


ROUTES: list[ControllerRouterHandler] = [show, save]
