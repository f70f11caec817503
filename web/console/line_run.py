"""One print run: its balance by roll, entries by scan, range or count, and its end.

The form is made for a hand scanner that types: the field has the focus, Enter sends, and the page that comes back
has the focus there again, with the kind that was chosen.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from litestar import Response, get, post
from litestar.params import FromPath
from litestar.types import ControllerRouterHandler

from codegen import batches, in_hand, lineset, printed, rolls, runs
from codegen.batches import Batch
from codegen.lineset import Lines
from codegen.runs import KINDS, Run
from kernel import ids, tasks
from kernel.crypto import Vault
from kernel.db import Tx
from kernel.errors import Conflict, InvalidInput, NotFound, YimaError
from staff import people
from staff.access import Permission
from web.console import forms
from web.console.batch_page import ID_MAX
from web.console.desk import Desk
from web.console.guard import Form, GivenDesk, GivenForm, GivenSeat, needs
from web.console.line_words import looks_like_lines, read_lines
from web.console.query import Query
from web.console.seat import Seat

ENTRY_ROWS: Final = 20


@get("/console/b/{brand:str}/line/runs/{name:str}", opt=needs(Permission.SEE_BATCHES))
async def show(desk: GivenDesk, seat: GivenSeat, name: FromPath[str]) -> Response[bytes]:
    """The run."""
    kind = Query(seat.visit.query, seat.visit.language).choice("kind", KINDS)
    return await _page(desk, seat, name, kind=kind or "good")


@post("/console/b/{brand:str}/line/runs/{name:str}/entries", opt=needs(Permission.RUN_LINE), status_code=200)
async def enter(desk: GivenDesk, seat: GivenSeat, form: GivenForm, name: FromPath[str]) -> Response[bytes]:
    """Say what became of lines: a scanned code, a range, a roll's label, line numbers, or a count."""
    kind = form.get("kind")
    try:
        async with desk.means.db.transaction() as tx:
            run = await runs.get(tx, name, brand_id=seat.brand.id)
            if "count" in form:
                done = await printed.enter_count(
                    tx, run, kind=kind, count=form.number("count", low=1, high=batches.COUNT_MAX),
                    part_id=form.number("part", low=1, high=ID_MAX) if form.get("part") else None,
                    key=form.get("key") or None, actor=seat.actor,
                )  # fmt: skip
            else:
                batch = await batches.get(tx, run.batch, brand_id=seat.brand.id)
                given = [text for text in (form.get("scan"), form.get("until")) if text]
                lines, how = await _read(tx, desk.means.vault, batch, given)
                done = await printed.enter_lines(
                    tx, run, kind=kind, lines=lines, how=how, instead="instead" in form, actor=seat.actor
                )
    except (InvalidInput, Conflict, NotFound) as error:
        known = kind if kind in KINDS else "good"
        return await _page(desk, seat, name, kind=known, error=error, form=form)
    return desk.redirect(
        seat.visit, seat.path(f"/line/runs/{run.name}?kind={kind}"), flash=f"line.entered.{kind}",
        n=f"{done.count:,}", already=f"{done.already:,}",
    )  # fmt: skip


async def _read(tx: Tx, vault: Vault, batch: Batch, given: Sequence[str]) -> tuple[Lines, str]:
    """Lines by what was scanned or typed: one code, two that are the ends of a range, a roll's label, or numbers."""
    if not given:
        raise InvalidInput("Scan a code, or type lines.", field="scan")
    if len(given) == 1 and looks_like_lines(given[0]):
        return read_lines(given[0]), "range"
    if len(given) == 1 and given[0].upper().startswith(rolls.MARK):
        roll = await rolls.named(tx, given[0], batch=batch, brand_id=batch.brand_id)
        return ((roll.first, roll.last),), "range"
    _, lines = await in_hand.lines_of_codes(tx, vault, given, brand_id=batch.brand_id, batch=batch, field="scan")
    if len(given) == 2:
        return ((min(lines), max(lines)),), "range"
    return lineset.of_lines(lines), "codes"


@post("/console/b/{brand:str}/line/runs/{name:str}/withdraw", opt=needs(Permission.RUN_LINE), status_code=200)
async def withdraw(desk: GivenDesk, seat: GivenSeat, form: GivenForm, name: FromPath[str]) -> Response[bytes]:
    """Take an entry back."""
    try:
        async with desk.means.db.transaction() as tx:
            run = await runs.get(tx, name, brand_id=seat.brand.id)
            count = await printed.withdraw(tx, run, form.number("entry", low=1, high=ID_MAX), actor=seat.actor)
    except (InvalidInput, Conflict, NotFound) as error:
        return await _page(desk, seat, name, error=error)
    return desk.redirect(seat.visit, seat.path(f"/line/runs/{run.name}"), flash="line.withdrawn", n=f"{count:,}")


@post("/console/b/{brand:str}/line/runs/{name:str}/close", opt=needs(Permission.RUN_LINE), status_code=200)
async def close(desk: GivenDesk, seat: GivenSeat, form: GivenForm, name: FromPath[str]) -> Response[bytes]:
    """Close a run that balances; whoever may switch codes may have it done on the way."""
    activate, void = "activate" in form, "void" in form
    if activate or void:
        seat.need(Permission.SWITCH_CODES)
    task_id = None
    try:
        async with desk.means.db.transaction() as tx:
            run = await runs.get(tx, name, brand_id=seat.brand.id)
            batch = await batches.get(tx, run.batch, brand_id=seat.brand.id)
            closed = await runs.close(tx, run, batch, activate=activate, void=void, actor=seat.actor)
            if closed.activated:
                task_id = await tasks.submit(tx, "settle_claims", {}, brand_id=seat.brand.id)
    except (InvalidInput, Conflict) as error:
        return await _page(desk, seat, name, error=error)
    if task_id is not None:
        desk.means.wake_task(task_id)
    return desk.redirect(
        seat.visit, seat.path(f"/line/runs/{run.name}"), flash="line.closed", activated=f"{closed.activated:,}",
        voided=f"{closed.voided:,}",
    )  # fmt: skip


async def _page(
    desk: Desk,
    seat: Seat,
    name: str,
    *,
    kind: str = "good",
    error: YimaError | None = None,
    form: Form | None = None,
) -> Response[bytes]:
    async with desk.means.db.transaction() as tx:
        run = await runs.get(tx, name, brand_id=seat.brand.id)
        entries = await printed.list_of(tx, run, limit=ENTRY_ROWS)
        staff = await people.list_of_brand(tx, desk.means.vault, seat.brand.id)
    given = form or Form([])
    return desk.page(
        seat,
        "line_run.html",
        status=200 if error is None else error.status,
        run=run,
        kinds=KINDS,
        kind=kind,
        entries=[(entry, lineset.say(entry.lines)) for entry in entries],
        names={people.actor_of(each.id): each.name for each in staff},
        bare=_bare(run),
        key=ids.public_id(20),
        given={field: given.get(field) for field in ("until", "count", "part")},
        errors=forms.Refusals() if error is None else forms.refusals(error, seat.visit.language),
        may_run=Permission.RUN_LINE in seat.may,
        may_switch=Permission.SWITCH_CODES in seat.may,
    )


def _bare(run: Run) -> dict[int, str]:
    """Of each part that is not accounted for, the lines of which nobody said anything by name."""
    return {part.id: lineset.say(part.unnamed) for part in run.parts if part.off and part.unnamed}


ROUTES: list[ControllerRouterHandler] = [show, enter, withdraw, close]
