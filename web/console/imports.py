"""Imports of codes that others made: uploaded, followed, their report read, confirmed or cancelled."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, fields
from typing import Any, Final

from litestar import Request, Response, get, post
from litestar.params import FromPath
from litestar.response import Stream
from litestar.types import ControllerRouterHandler

from codegen import imports, patterns, rowfiles, spool
from codegen.imports import Import
from codegen.patterns import Pattern
from codegen.rowfiles import Columns
from kernel import tasks
from kernel.db import Tx
from kernel.errors import Conflict, InvalidInput, NotFound, YimaError
from kernel.tasks import TaskStatus
from staff.access import Permission
from traceability import catalogue
from web.console import forms, uploads
from web.console.desk import SECURITY_HEADERS, Desk
from web.console.guard import CSRF_HEADER, GivenDesk, GivenForm, GivenSeat, judge_sender, needs
from web.console.query import Query
from web.console.seat import Seat
from web.console.texts import say

PAGE_ROWS: Final = 20
FLAW_ROWS: Final = 100
BODY_BYTES_MAX: Final = rowfiles.FILE_BYTES_MAX + 65_536
"""The largest file, and the parts of the form around it."""
TONES: Final = {
    "reading": "wait", "judged": "wait", "placing": "wait", "live": "good", "failed": "bad", "cancelled": "plain",
}  # fmt: skip

_ID_MAX: Final = 2**62
_CONFLICTS: Final = ("imports.conflict", "imports.conflict.host")
_LENGTH: Final = re.compile(r"([0-9]{1,3})(?:\s*[-\u2013]\s*([0-9]{1,3}))?")


@dataclass(frozen=True, slots=True)
class Draft:
    """A request as the form holds it, right or wrong."""

    gtin: str = ""
    template: str = patterns.PLACE
    alphabet: str = "digits"
    length: str = ""
    column: str = "1"
    header: str = ""
    delimiter: str = "comma"
    encoding: str = "auto"

    def pattern(self) -> Pattern:
        """The pattern that it declares.

        Raises:
            InvalidInput: it is out of bounds.
        """
        length = _LENGTH.fullmatch(self.length)
        if length is None:
            raise InvalidInput("The length is a number of symbols, or two of them: 20, or 8-12.", field="length")
        return patterns.declare(
            self.template, alphabet=self.alphabet, length_min=int(length[1]), length_max=int(length[2] or length[1])
        )

    def columns(self) -> Columns:
        """How it says the file is laid out.

        Raises:
            InvalidInput: it is out of bounds.
        """
        return Columns(self.column, self.header == "1", self.delimiter, self.encoding)


@get("/console/b/{brand:str}/imports", opt=needs(Permission.SEE_BATCHES))
async def show_all(desk: GivenDesk, seat: GivenSeat) -> Response[bytes]:
    """The brand's imports, newest first."""
    query = Query(seat.visit.query, seat.visit.language)
    before = query.number("before", low=1, high=_ID_MAX)
    async with desk.means.db.transaction() as tx:
        found = await imports.list_of(tx, brand_id=seat.brand.id, before=before, limit=PAGE_ROWS + 1)
        names = await _products(tx, seat)
    own = seat.path("/imports")
    return desk.page(
        seat,
        "imports.html",
        rows=found[:PAGE_ROWS],
        names=names,
        tones=TONES,
        first=own if before else "",
        following=f"{own}?before={found[PAGE_ROWS - 1].id}" if len(found) > PAGE_ROWS else "",
        may_import=Permission.ORDER_CODES in seat.may,
    )


@get("/console/b/{brand:str}/imports/new", opt=needs(Permission.ORDER_CODES))
async def start(desk: GivenDesk, seat: GivenSeat) -> Response[bytes]:
    """An empty request."""
    return await _form_page(desk, seat, Draft())


@post(
    "/console/b/{brand:str}/imports/new",
    opt=needs(Permission.ORDER_CODES),
    status_code=200,
    request_max_body_size=BODY_BYTES_MAX,
)
async def upload(desk: GivenDesk, seat: GivenSeat, request: Request[Any, Any, Any]) -> Response[bytes]:
    """Take a file into the spool, and have a worker judge it. Nothing of it is live before it is confirmed."""
    root = desk.means.imports

    stack = AsyncExitStack()

    async def judge(given: dict[str, str]) -> None:
        await judge_sender(request, desk, seat.visit, given.get("csrf") or request.headers.get(CSRF_HEADER) or "")
        draft = _draft(given)
        pattern = draft.pattern()
        draft.columns()
        async with desk.means.db.transaction() as tx:
            await imports.judge_room(tx, seat.brand.id, pattern)
        await stack.enter_async_context(desk.means.uploading.turn())

    async with stack:
        sent = await uploads.read(request, root, judge)
    draft = _draft(sent.fields)
    if sent.spooled is None:
        error = sent.refused or InvalidInput("Choose a file.", field="file")
        return await _form_page(desk, seat, draft, error=error)
    try:
        async with desk.means.db.transaction() as tx:
            task_id = await imports.request(
                tx, name=sent.spooled.name, brand_id=seat.brand.id, gtin=draft.gtin, pattern=draft.pattern(),
                columns=draft.columns(), file=_file_name(sent.name), size=sent.spooled.size,
                sha256=sent.spooled.sha256, actor=seat.actor,
            )  # fmt: skip
    except (InvalidInput, Conflict, NotFound) as error:
        await asyncio.to_thread(spool.remove, root, sent.spooled.name)
        return await _form_page(desk, seat, draft, error=error)
    desk.means.wake_task(task_id)
    return desk.redirect(seat.visit, seat.path(f"/imports/{sent.spooled.name}"))


@get("/console/b/{brand:str}/imports/{name:str}", opt=needs(Permission.SEE_BATCHES))
async def show(desk: GivenDesk, seat: GivenSeat, name: FromPath[str]) -> Response[bytes]:
    """One import: how far it is, what is wrong with its rows, what may be done."""
    return await _page(desk, seat, name, "import.html")


@get("/console/b/{brand:str}/imports/{name:str}/progress", opt=needs(Permission.SEE_BATCHES))
async def show_progress(desk: GivenDesk, seat: GivenSeat, name: FromPath[str]) -> Response[bytes]:
    """The part of the page that changes while a worker is at it."""
    return await _page(desk, seat, name, "import_parts.html")


@get("/console/b/{brand:str}/imports/{name:str}/report", opt=needs(Permission.SEE_BATCHES))
async def report(desk: GivenDesk, seat: GivenSeat, name: FromPath[str]) -> Stream:
    """The report as CSV: line, flaw, the line that is repeated; nothing of the file itself."""
    async with desk.means.db.transaction() as tx:
        found = await imports.get(tx, name, brand_id=seat.brand.id)

    async def parts() -> AsyncIterator[bytes]:
        async with desk.means.db.transaction() as tx:
            async for part in imports.report(tx, found):
                yield part.encode()

    headers = SECURITY_HEADERS | {"Content-Disposition": f'attachment; filename="{found.name}-report.csv"'}
    return Stream(parts(), media_type="text/csv; charset=utf-8", headers=headers)


@post("/console/b/{brand:str}/imports/{name:str}/confirm", opt=needs(Permission.ORDER_CODES), status_code=200)
async def confirm(desk: GivenDesk, seat: GivenSeat, form: GivenForm, name: FromPath[str]) -> Response[bytes]:  # noqa: ARG001 - its reading is the judgement
    """Let the good rows go live."""
    try:
        async with desk.means.db.transaction() as tx:
            task_id = await imports.confirm(tx, desk.means.vault, name, brand_id=seat.brand.id, actor=seat.actor)
    except Conflict as error:
        return await _page(desk, seat, name, "import.html", error=error)
    desk.means.wake_task(task_id)
    return desk.redirect(seat.visit, seat.path(f"/imports/{name}"), flash="imports.confirmed")


@post("/console/b/{brand:str}/imports/{name:str}/cancel", opt=needs(Permission.ORDER_CODES), status_code=200)
async def cancel(desk: GivenDesk, seat: GivenSeat, form: GivenForm, name: FromPath[str]) -> Response[bytes]:  # noqa: ARG001 - its reading is the judgement
    """Drop the import and its file."""
    try:
        async with desk.means.db.transaction() as tx:
            dropped = await imports.cancel(tx, name, brand_id=seat.brand.id, actor=seat.actor)
    except Conflict as error:
        return await _page(desk, seat, name, "import.html", error=error)
    await asyncio.to_thread(spool.remove, desk.means.imports, dropped.name)
    return desk.redirect(seat.visit, seat.path("/imports"), flash="imports.cancelled", name=dropped.name)


@post("/console/b/{brand:str}/imports/{name:str}/resume", opt=needs(Permission.ORDER_CODES), status_code=200)
async def resume(desk: GivenDesk, seat: GivenSeat, form: GivenForm, name: FromPath[str]) -> Response[bytes]:  # noqa: ARG001 - its reading is the judgement
    """Go on with one whose task has failed."""
    async with desk.means.db.transaction() as tx:
        task_id = await imports.resume(tx, name, brand_id=seat.brand.id, actor=seat.actor)
    if task_id is not None:
        desk.means.wake_task(task_id)
    return desk.redirect(seat.visit, seat.path(f"/imports/{name}"))


def _draft(given: dict[str, str]) -> Draft:
    known = {each.name for each in fields(Draft)}
    return Draft(**{name: value for name, value in given.items() if name in known})


def _file_name(given: str) -> str:
    """The file's own name without its folders, fit to be shown."""
    name = re.split(r"[/\\]", given)[-1]
    return "".join(char for char in name if char.isprintable())[-imports.FILE_CHARS_MAX :] or "?"


async def _products(tx: Tx, seat: Seat) -> dict[str, str]:
    chinese = seat.visit.language == "zh"
    found = await catalogue.list_products(tx, brand_id=seat.brand.id)
    return {each.gtin: each.name if chinese else each.name_en for each in found}


async def _task(tx: Tx, found: Import) -> TaskStatus | None:
    if found.task_id is None:
        return None
    try:
        return await tasks.status(tx, found.task_id)
    except NotFound:  # pruned long after it was done
        return None


async def _page(desk: Desk, seat: Seat, name: str, template: str, *, error: YimaError | None = None) -> Response[bytes]:
    async with desk.means.db.transaction() as tx:
        found = await imports.get(tx, name, brand_id=seat.brand.id)
        names = await _products(tx, seat)
        job = await _task(tx, found)
        flaws = await imports.flaws_of(tx, found, limit=FLAW_ROWS)
    return desk.page(
        seat,
        template,
        status=200 if error is None else error.status,
        found=found,
        product=names.get(found.gtin, found.gtin),
        job=job,
        under_way=found.state in ("reading", "placing") and job is not None and job.state in ("queued", "running"),
        stuck=found.state in ("reading", "placing") and (job is None or job.state == "failed"),
        flaws=flaws,
        flaw_rows=FLAW_ROWS,
        tones=TONES,
        errors=forms.Refusals()
        if error is None
        else forms.Refusals({"": say(_CONFLICTS[error.details.get("field") == "template"], seat.visit.language)}),
        may_import=Permission.ORDER_CODES in seat.may,
    )


async def _form_page(desk: Desk, seat: Seat, draft: Draft, *, error: YimaError | None = None) -> Response[bytes]:
    language = seat.visit.language
    async with desk.means.db.transaction() as tx:
        names = await _products(tx, seat)

    def choices(kind: str, values: tuple[str, ...]) -> list[tuple[str, str]]:
        return [(each, say(f"imports.{kind}.{each}", language)) for each in values]

    return desk.page(
        seat,
        "import_new.html",
        status=200 if error is None else error.status,
        draft=draft,
        products=[(gtin, f"{name} · {gtin}") for gtin, name in names.items()],
        alphabets=choices("alphabet", tuple(patterns.ALPHABETS)),
        delimiters=choices("delimiter", tuple(rowfiles.DELIMITERS)),
        encodings=choices("encoding", rowfiles.ENCODINGS),
        errors=forms.Refusals() if error is None else forms.refusals(error, language),
        limits=rowfiles,
        template_max=patterns.TEMPLATE_CHARS_MAX,
        column_max=rowfiles.HEADER_CHARS_MAX,
    )


ROUTES: list[ControllerRouterHandler] = [
    show_all, start, upload, show, show_progress, report, confirm, cancel, resume,
]  # fmt: skip
