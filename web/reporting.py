"""“Something is wrong?”: the page that takes a report of a unit, with a photo if somebody has one."""

from __future__ import annotations

import asyncio
from typing import Any, Final
from uuid import UUID, uuid4

from litestar import Request, Response, post, route
from litestar.datastructures import UploadFile
from litestar.di import NamedDependency
from litestar.enums import HttpMethod
from litestar.exceptions import NotFoundException
from litestar.params import FromPath
from litestar.types import ControllerRouterHandler

from kernel.errors import Forbidden, InvalidInput
from traceability import pictures, reports
from traceability.changes import Problem
from traceability.pictures import Picture
from traceability.reports import Told
from traceability.scans import Look
from web import older, visits
from web.desk import Desk
from web.texts import TEXTS, say
from web.visits import Visit

BODY_BYTES_MAX: Final = pictures.PHOTO_BYTES_MAX + 32_768
"""The largest photo, and the parts of the form around it."""
PARTS_MAX: Final = 12
_FIELDS: Final = ("kind", "words", "photo", "contact")

GivenDesk = NamedDependency[Desk]
GivenVisit = NamedDependency[Visit]


@route("/report/{packed:str}", http_method=[HttpMethod.GET, HttpMethod.HEAD])
async def ask(desk: GivenDesk, visit: GivenVisit, packed: FromPath[str]) -> Response[bytes]:
    """An empty report of a code."""
    code = older.unpack(packed)
    if code is None:
        raise NotFoundException("There is no such page.")
    return _page(desk, visit, await _look(desk, visit, code), Told("", "", ""), number=uuid4())


@post("/report", status_code=200, request_max_body_size=BODY_BYTES_MAX)
async def take(desk: GivenDesk, visit: GivenVisit, request: Request[Any, Any, Any]) -> Response[bytes]:
    """Take a report; sent again it is kept once."""
    fields, upload = await _read(request, visit)
    look = await _look(desk, visit, fields.get("code", ""))
    told = Told(fields.get("kind", ""), fields.get("words", ""), fields.get("contact", ""))
    try:
        number = UUID(fields.get("number", ""))
    except ValueError as error:
        raise InvalidInput("number is missing or no UUID; open the page again.", field="number") from error
    try:
        photo = await _photo(desk, upload)
        await desk.ports.report(
            number=number, code=look.code, told=told, photo=photo, member=visit.member, device=visit.device
        )
    except InvalidInput as error:
        return _page(desk, visit, look, told, number=number, error=error)
    return desk.page(
        visit, "report.html", brand=look.brand_slug, switch=older.path_of(look.code), look=look, done=True,
        number=number,
    )  # fmt: skip


async def _look(desk: Desk, visit: Visit, code: str) -> Look:
    look = await desk.ports.look(code, device=visit.device, language=visit.language, address=visit.address)
    if not look.brand_slug:
        raise NotFoundException("This code is nobody's here: there is nobody to report to.")
    return look


async def _read(request: Request[Any, Any, Any], visit: Visit) -> tuple[dict[str, str], bytes]:
    """The form's texts and its file.

    Raises:
        Forbidden: another site's page sent it.
        InvalidInput: it is no upload of ours.
    """
    if request.content_type[0] != "multipart/form-data":
        raise InvalidInput("The body is not of the type multipart/form-data.")
    parts = await request.form()
    if len(parts) > PARTS_MAX:
        raise InvalidInput(f"The form has more than {PARTS_MAX} fields.")
    fields = {name: value.strip().replace("\0", "") for name, value in parts.items() if isinstance(value, str)}
    if not visits.is_own(request, visit, fields):
        raise Forbidden("This form was sent by another site's page; open the product's page and try again.")
    upload = parts.get("photo")
    return fields, await upload.read() if isinstance(upload, UploadFile) else b""


async def _photo(desk: Desk, upload: bytes) -> Picture | None:
    if not upload:
        return None
    async with desk.painting.turn():
        return await asyncio.to_thread(pictures.read_photo, upload, field="photo")


def _page(
    desk: Desk, visit: Visit, look: Look, told: Told, *, number: UUID, error: InvalidInput | None = None
) -> Response[bytes]:
    problems: tuple[Problem, ...] = () if error is None else error.details.get("problems", ())  # type: ignore[assignment]
    return desk.page(
        visit,
        "report.html",
        status=200 if error is None else 400,
        brand=look.brand_slug,
        switch=older.path_of(look.code),
        look=look,
        done=False,
        told=told,
        number=number,
        kinds=reports.KINDS,
        limits=reports,
        errors=dict.fromkeys(_FIELDS, "") | {each.field: _sentence(each, visit) for each in reversed(problems)},
    )


def _sentence(problem: Problem, visit: Visit) -> str:
    key = f"report.problem.{problem.kind}"
    return say(key if key in TEXTS else "report.problem.other", visit.language, **problem.values)


ROUTES: list[ControllerRouterHandler] = [ask, take]
