"""States of ranges of codes: asked for, repeated as a question, given; a freeze lifted."""

from __future__ import annotations

from typing import Final

from litestar import Response, post
from litestar.params import FromPath
from litestar.types import ControllerRouterHandler

from codegen import batches, lineset, ranges, reasons, states
from codegen.batches import Batch
from codegen.states import Span
from kernel.errors import Conflict, InvalidInput, NotFound
from staff.access import Permission
from traceability import selecting
from traceability import switching as use
from traceability.selecting import Chosen, Wanted
from traceability.switching import THAWED, Said
from web.console import batch_page
from web.console.batch_page import ID_MAX, SWITCHES
from web.console.desk import Desk
from web.console.guard import Form, GivenDesk, GivenForm, GivenSeat, needs
from web.console.seat import Seat

NAMED: Final = ("first", "last", "from_code", "to_code", "roll", "sscc", "reason", "reason_code")
_LINE_MAX: Final = batches.COUNT_MAX


@post("/console/b/{brand:str}/batches/{name:str}/switch", opt=needs(Permission.SWITCH_CODES), status_code=200)
async def switch(desk: GivenDesk, seat: GivenSeat, form: GivenForm, name: FromPath[str]) -> Response[bytes]:
    """Give codes a state: first say which units that is, then, confirmed, do it."""
    try:
        async with desk.means.db.transaction() as tx:
            batch = await batches.get(tx, name, brand_id=seat.brand.id)
            wanted, said = _wanted(form, batch), _said(form)
            if "confirm" not in form:
                [chosen] = await selecting.choose(tx, desk.means.vault, wanted, brand_id=seat.brand.id)
                _judge(chosen)
                held = await ranges.held_of(tx, batch)
                return _confirm_page(desk, seat, chosen, said, form, held)
            done, task_id = await use.switch(
                tx, desk.means.vault, wanted, said, brand_id=seat.brand.id, actor=seat.actor
            )  # fmt: skip
    except (InvalidInput, Conflict, NotFound) as error:
        return await batch_page.answer(desk, seat, name, error=error, form=form)
    if task_id is not None:
        desk.means.wake_task(task_id)
    [switched] = done
    count = switched.changed if said.state == THAWED else switched.units
    return desk.redirect(
        seat.visit, seat.path(f"/batches/{batch.name}"), flash=f"batches.done.{said.state}", n=f"{count:,}"
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


def _wanted(form: Form, batch: Batch) -> Wanted:
    """Which lines are meant: by their numbers, scanned codes, a roll or a carton; the whole batch where nothing is.

    Raises:
        InvalidInput: a line's number is none of the batch's.
    """
    codes, until = form.get("from_code").split(), form.get("to_code")
    return Wanted(
        batch.name,
        _line(form, "first"),
        _line(form, "last"),
        between=[*codes, until] if until else (),
        codes=codes if not until else (),
        roll=form.get("roll") or None,
        sscc=form.get("sscc") or None,
    )


def _said(form: Form) -> Said:
    """The state that is to be given, and why.

    Raises:
        InvalidInput: no state, or none of the reason that it needs.
    """
    state, reason, code = form.get("state"), form.get("reason"), form.get("reason_code")
    if state not in SWITCHES:
        raise InvalidInput("Choose a state.", field="state")
    free = state in ("activated", THAWED) or code
    if len(reason) > ranges.REASON_CHARS_MAX or not (reason or free):
        raise InvalidInput(f"A reason has 1 to {ranges.REASON_CHARS_MAX} characters.", field="reason")
    if state != THAWED:
        reasons.judge(state, code or None)
    return Said(state, reason or None, code or None)


def _line(form: Form, name: str) -> int | None:
    return form.number(name, low=1, high=_LINE_MAX) if form.get(name) else None


def _judge(chosen: Chosen) -> None:
    """Refuse before the question what would be refused after it."""
    batches.lines_of(chosen.batch, chosen.lines[0][0], chosen.lines[-1][1])


def _confirm_page(desk: Desk, seat: Seat, chosen: Chosen, said: Said, form: Form, held: list[Span]) -> Response[bytes]:
    """The question that repeats which units are touched, and in which states they are now."""
    touched = [
        Span(first, last, each.state)
        for each in states.flatten(chosen.batch.count, held)
        for first, last in lineset.both(chosen.lines, ((each.first, each.last),))
    ]
    language = seat.visit.language
    why = [] if said.reason_code is None else [reasons.REASONS[said.reason_code][language != "zh"]]
    return desk.page(
        seat,
        "batch_confirm.html",
        batch=chosen.batch,
        state=said.state,
        count=chosen.count,
        lines=lineset.say(chosen.lines, most=8),
        meant=chosen.meant,
        given={name: form.get(name) for name in NAMED},
        why=" · ".join([*why, *([said.reason] if said.reason else [])]),
        totals=states.totals(touched),
    )


ROUTES: list[ControllerRouterHandler] = [switch, thaw]
