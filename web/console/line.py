"""The printing line: print runs of the brand, and of one batch its rolls, its runs, and what cameras saw."""

from __future__ import annotations

import asyncio
import io
from typing import Final

from litestar import Response, get, post
from litestar.params import FromPath
from litestar.types import ControllerRouterHandler

from codegen import batches, capturing, line_sessions, lineset, pairs, roll_labels, rolls, runs
from codegen.rolls import Roll
from kernel.db import Tx
from kernel.errors import Conflict, InvalidInput, NotFound, YimaError
from staff.access import Permission
from traceability import catalogue
from web.console import batch_page, forms
from web.console.batch_page import ID_MAX
from web.console.desk import Desk
from web.console.guard import Form, GivenDesk, GivenForm, GivenSeat, needs
from web.console.line_words import read_lines
from web.console.query import Query
from web.console.seat import Seat

RUN_ROWS: Final = 25
ROLL_ROWS: Final = 50
SESSION_ROWS: Final = 10
LABELS_AT_ONCE: Final = 2_000
"""Roll labels of one PDF from the console; the command line writes more."""


@get("/console/b/{brand:str}/line", opt=needs(Permission.SEE_BATCHES))
async def show_all(desk: GivenDesk, seat: GivenSeat) -> Response[bytes]:
    """The brand's print runs and the line's sessions, newest first."""
    query = Query(seat.visit.query, seat.visit.language)
    before = query.number("before", low=1, high=ID_MAX)
    async with desk.means.db.transaction() as tx:
        found = await runs.list_of(tx, brand_id=seat.brand.id, before=before, limit=RUN_ROWS + 1)
        sessions = await line_sessions.list_of(tx, brand_id=seat.brand.id, limit=SESSION_ROWS)
    own = seat.path("/line")
    return desk.page(
        seat,
        "line.html",
        runs=found[:RUN_ROWS],
        sessions=sessions,
        first=own if before else "",
        following=f"{own}?before={found[RUN_ROWS - 1].id}" if len(found) > RUN_ROWS else "",
    )


@get("/console/b/{brand:str}/line/batches/{name:str}", opt=needs(Permission.SEE_BATCHES))
async def show(desk: GivenDesk, seat: GivenSeat, name: FromPath[str]) -> Response[bytes]:
    """A batch on the line."""
    return await _page(desk, seat, name)


@post("/console/b/{brand:str}/line/batches/{name:str}/cut", opt=needs(Permission.RUN_LINE), status_code=200)
async def cut(desk: GivenDesk, seat: GivenSeat, form: GivenForm, name: FromPath[str]) -> Response[bytes]:
    """Cut the batch into rolls."""
    try:
        async with desk.means.db.transaction() as tx:
            batch = await batches.get(tx, name, brand_id=seat.brand.id)
            size, number = (
                form.number(field, low=1, high=batches.COUNT_MAX) if form.get(field) else None
                for field in ("size", "rolls")
            )
            made = await rolls.cut(tx, batch, size=size, rolls=number, actor=seat.actor)
    except (InvalidInput, Conflict) as error:
        return await _page(desk, seat, name, error=error, form=form)
    return desk.redirect(
        seat.visit, seat.path(f"/line/batches/{batch.name}"), flash="line.cut.done", n=f"{len(made):,}"
    )


@get("/console/b/{brand:str}/line/batches/{name:str}/labels", opt=needs(Permission.SEE_BATCHES))
async def labels(desk: GivenDesk, seat: GivenSeat, name: FromPath[str]) -> Response[bytes]:
    """The labels of rolls as a PDF."""
    query = Query(seat.visit.query, seat.visit.language)
    first = query.number("from", low=1, high=rolls.ROLLS_MAX) or 1
    async with desk.means.db.transaction() as tx:
        batch = await batches.get(tx, name, brand_id=seat.brand.id)
        product = await catalogue.product(tx, batch.gtin, brand_id=seat.brand.id)
        found = await rolls.list_of(tx, batch)
    wanted = found[first - 1 : first - 1 + LABELS_AT_ONCE]
    if not wanted:
        raise NotFound(f"Batch {batch.name} has no roll {first:,}.")
    file = io.BytesIO()
    await asyncio.to_thread(
        roll_labels.write_to, file, batch=batch, product=product.name, rolls=wanted, of=len(found)
    )  # fmt: skip
    return desk.file(seat.visit, f"{batch.name}-rolls.pdf", file.getvalue(), media_type="application/pdf")


@post("/console/b/{brand:str}/line/batches/{name:str}/runs", opt=needs(Permission.RUN_LINE), status_code=200)
async def start(desk: GivenDesk, seat: GivenSeat, form: GivenForm, name: FromPath[str]) -> Response[bytes]:
    """Give rolls or lines to a printer."""
    try:
        async with desk.means.db.transaction() as tx:
            batch = await batches.get(tx, name, brand_id=seat.brand.id)
            taken = [
                roll
                for text in form.get("take").split()
                for roll in await _rolls(tx, text, batch)
            ]  # fmt: skip
            lines = read_lines(form.get("lines")) if form.get("lines") else lineset.NONE
            run = await runs.open_run(
                tx, batch, printer=form.get("printer"), rolls=taken, lines=lines, actor=seat.actor
            )  # fmt: skip
    except (InvalidInput, Conflict, NotFound) as error:
        if "run" in error.details:  # lines that another run has, beside the field that names them
            error.details.setdefault("field", "take" if form.get("take") else "ranges")
        return await _page(desk, seat, name, error=error, form=form)
    return desk.redirect(seat.visit, seat.path(f"/line/runs/{run.name}"), flash="line.run.opened", name=run.name)


async def _rolls(tx: Tx, text: str, batch: batches.Batch) -> list[Roll]:
    """Rolls by label, by number, or by numbers such as `3-7`."""
    first, dash, last = text.partition("-")
    if not dash or ":" in text:
        return [await rolls.named(tx, text, batch=batch, brand_id=batch.brand_id)]
    ends = [await rolls.named(tx, each, batch=batch, brand_id=batch.brand_id) for each in (first, last)]
    return await rolls.list_of(
        tx, batch, after=ends[0].number - 1, limit=max(0, ends[1].number - ends[0].number + 1)
    )  # fmt: skip


async def _page(
    desk: Desk, seat: Seat, name: str, *, error: YimaError | None = None, form: Form | None = None
) -> Response[bytes]:
    query = Query(seat.visit.query, seat.visit.language)
    after = query.number("after", low=0, high=rolls.ROLLS_MAX) or 0
    async with desk.means.db.transaction() as tx:
        batch = await batches.get(tx, name, brand_id=seat.brand.id)
        product = await catalogue.product(tx, batch.gtin, brand_id=seat.brand.id)
        cut_rolls = await rolls.list_of(tx, batch, after=after, limit=ROLL_ROWS + 1)
        found = await runs.list_of(tx, brand_id=seat.brand.id, batch_id=batch.id, limit=RUN_ROWS)
        sessions = await line_sessions.list_of(tx, brand_id=seat.brand.id, batch_id=batch.id, limit=SESSION_ROWS)
        captured, paired = await capturing.count_of(tx, batch), await pairs.count(tx, outer_batch_id=batch.id)
    own = seat.path(f"/line/batches/{batch.name}")
    given = form or Form([])
    return desk.page(
        seat,
        "line_batch.html",
        status=200 if error is None else error.status,
        batch=batch,
        product=batch_page.product_name(seat, product),
        rolls=cut_rolls[:ROLL_ROWS],
        runs=found,
        sessions=sessions,
        captured=captured,
        paired=paired,
        first=own if after else "",
        following=f"{own}?after={cut_rolls[ROLL_ROWS - 1].number}" if len(cut_rolls) > ROLL_ROWS else "",
        given={name: given.get(name) for name in ("size", "rolls", "take", "lines", "printer")},
        errors=forms.Refusals() if error is None else forms.refusals(error, seat.visit.language),
        may_run=Permission.RUN_LINE in seat.may,
    )


ROUTES: list[ControllerRouterHandler] = [show_all, show, cut, labels, start]
