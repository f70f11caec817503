"""States of ranges of codes: asked for, repeated as a question, given; a freeze lifted."""

from __future__ import annotations

from typing import Final

from litestar import Response, post
from litestar.params import FromPath
from litestar.types import ControllerRouterHandler

from codegen import batches, ranges, states
from codegen.batches import Batch
from codegen.states import Span
from kernel import tasks
from kernel.errors import Conflict, InvalidInput
from staff.access import Permission
from web.console import batch_page
from web.console.batch_page import ID_MAX, SWITCHES
from web.console.desk import Desk
from web.console.guard import Form, GivenDesk, GivenForm, GivenSeat, needs
from web.console.seat import Seat

_LINE_MAX: Final = batches.COUNT_MAX


@post("/console/b/{brand:str}/batches/{name:str}/switch", opt=needs(Permission.SWITCH_CODES), status_code=200)
async def switch(desk: GivenDesk, seat: GivenSeat, form: GivenForm, name: FromPath[str]) -> Response[bytes]:
    """Give lines a state: first say how many units that is, then, confirmed, do it."""
    task_id = None
    try:
        async with desk.means.db.transaction() as tx:
            batch = await batches.get(tx, name, brand_id=seat.brand.id)
            lines, reason = _asked(form, batch)
            if "confirm" not in form:
                held = await ranges.held_of(tx, batch)
                return _confirm_page(desk, seat, batch, lines, reason, held)
            count = await ranges.set_state(
                tx,
                batch,
                state=lines.state,
                first=lines.first,
                last=lines.last,
                reason=reason or None,
                actor=seat.actor,
            )
            if lines.state == "activated":
                task_id = await tasks.submit(tx, "settle_claims", {}, brand_id=batch.brand_id)
    except (InvalidInput, Conflict) as error:
        return await batch_page.answer(desk, seat, name, error=error, form=form)
    if task_id is not None:
        desk.means.wake_task(task_id)
    return desk.redirect(
        seat.visit, seat.path(f"/batches/{batch.name}"), flash=f"batches.done.{lines.state}", n=f"{count:,}"
    )


@post("/console/b/{brand:str}/batches/{name:str}/thaw", opt=needs(Permission.SWITCH_CODES), status_code=200)
async def thaw(desk: GivenDesk, seat: GivenSeat, form: GivenForm, name: FromPath[str]) -> Response[bytes]:
    """Lift a freeze."""
    try:
        async with desk.means.db.transaction() as tx:
            batch = await batches.get(tx, name, brand_id=seat.brand.id)
            count = await ranges.thaw(tx, batch, form.number("range", low=1, high=ID_MAX), actor=seat.actor)
    except (InvalidInput, Conflict) as error:
        return await batch_page.answer(desk, seat, name, error=error)
    return desk.redirect(seat.visit, seat.path(f"/batches/{batch.name}"), flash="batches.done.thawed", n=f"{count:,}")


def _asked(form: Form, batch: Batch) -> tuple[Span, str]:
    """Which lines are to get which state, and why.

    Raises:
        InvalidInput: lines outside the batch, no state, or none of the reason that it needs.
    """
    low, high = batches.lines_of(batch, _line(form, "first"), _line(form, "last"))
    state, reason = form.get("state"), form.get("reason")
    if state not in SWITCHES:
        raise InvalidInput("Choose a state.", field="state")
    if len(reason) > ranges.REASON_CHARS_MAX or (state != "activated" and not reason):
        raise InvalidInput(f"A reason has 1 to {ranges.REASON_CHARS_MAX} characters.", field="reason")
    return Span(low, high, state), reason


def _line(form: Form, name: str) -> int | None:
    return form.number(name, low=1, high=_LINE_MAX) if form.get(name) else None


def _confirm_page(desk: Desk, seat: Seat, batch: Batch, lines: Span, reason: str, held: list[Span]) -> Response[bytes]:
    """The question that repeats how many units are touched, and in which states they are now."""
    touched = [
        Span(max(each.first, lines.first), min(each.last, lines.last), each.state)
        for each in states.flatten(batch.count, held)
        if each.first <= lines.last and each.last >= lines.first
    ]
    return desk.page(
        seat,
        "batch_confirm.html",
        batch=batch,
        state=lines.state,
        lines=lines,
        reason=reason,
        totals=states.totals(touched),
    )


ROUTES: list[ControllerRouterHandler] = [switch, thaw]
