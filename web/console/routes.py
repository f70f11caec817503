"""The console's routes, and its errors as pages."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import structlog
from litestar import Request, Response, Router, get
from litestar.di import Provide
from litestar.exceptions import HTTPException, NotFoundException
from litestar.params import FromPath
from litestar.types import ControllerRouterHandler, ExceptionHandlersMap

from kernel.errors import Forbidden, NotAuthenticated, YimaError
from staff.access import permissions
from traceability import catalogue
from traceability.catalogue import Brand
from web.console import (
    account,
    alarms,
    appeals,
    batches,
    blocks,
    brand,
    cartons,
    data_layouts,
    dealers,
    draws,
    frame,
    guard,
    heatmap,
    imports,
    keys,
    label_jobs,
    label_templates,
    line,
    line_run,
    members,
    notices,
    ordering,
    overview,
    people,
    product_links,
    products,
    readback,
    recipients,
    reports,
    scans,
    sentences,
    stations,
    switching,
    trail,
    visit,
    wechat,
)
from web.console.desk import Desk
from web.console.guard import GivenDesk, GivenPerson
from web.console.seat import Person, Seat
from web.console.texts import say
from web.console.visit import Visit

log = structlog.get_logger(__name__)

MODULES = (
    account,
    alarms,
    appeals,
    batches,
    blocks,
    brand,
    cartons,
    data_layouts,
    dealers,
    draws,
    heatmap,
    imports,
    keys,
    label_jobs,
    label_templates,
    line,
    line_run,
    members,
    notices,
    ordering,
    overview,
    people,
    product_links,
    products,
    readback,
    recipients,
    reports,
    scans,
    stations,
    switching,
    trail,
    wechat,
)
PREFIX = "/console"
BRAND_PREFIX = "/console/b/{brand:str}"


@get("/console")
async def home(desk: GivenDesk, person: GivenPerson) -> Response[bytes]:
    """To the brand's first page that the person may see; a choice where they have roles at several brands."""
    async with desk.means.db.transaction() as tx:
        found = [each for each in await catalogue.list_brands(tx) if person.session.staff.roles.get(each.id)]
    if len(found) != 1:
        return desk.page(person, "brands.html", brands=found)
    return desk.redirect(person.visit, _first_page(person, found[0]))


@get("/console/b/{brand:str}/go")
async def enter(desk: GivenDesk, person: GivenPerson, brand: FromPath[str]) -> Response[bytes]:
    """To a brand's first page that the person may see."""
    async with desk.means.db.transaction() as tx:
        found = {each.slug: each for each in await catalogue.list_brands(tx)}.get(brand)
    if found is None or not person.session.staff.roles.get(found.id):
        raise NotFoundException("There is no such page.")
    return desk.redirect(person.visit, _first_page(person, found))


def _first_page(person: Person, found: Brand) -> str:
    roles = person.session.staff.roles[found.id]
    seat = Seat(person.session, person.visit, found, permissions(roles))
    return next(line.path for _, lines in frame.navigation(seat) for line in lines)


def routes(desk: Callable[[], Desk], *, secure_cookies: bool) -> list[ControllerRouterHandler]:
    """The handlers of the console, their dependencies and their errors.

    Args:
        desk: gives the desk once the application has started.
        secure_cookies: whether cookies travel over HTTPS only.
    """

    def read_visit(request: Request[Any, Any, Any]) -> Visit:
        return visit.read(request, secure=secure_cookies)

    return [
        Router(
            path="/",
            route_handlers=[home, enter, *(handler for module in MODULES for handler in module.ROUTES)],
            dependencies={
                "desk": Provide(desk, sync_to_thread=False),
                "visit": Provide(read_visit, sync_to_thread=False),
                "person": Provide(guard.read_person),
                "seat": Provide(guard.read_seat),
                "form": Provide(guard.read_form),
            },
            include_in_schema=False,
        )
    ]


def exception_handlers(desk: Callable[[], Desk], *, secure_cookies: bool) -> ExceptionHandlersMap:
    """Errors as the console shows them."""

    def read_visit(request: Request[Any, Any, Any]) -> Visit:
        return visit.read(request, secure=secure_cookies)

    def from_error(request: Request[Any, Any, Any], error: YimaError) -> Response[bytes]:
        asked = read_visit(request)
        if isinstance(error, NotAuthenticated):
            return _to_sign_in(desk(), request, asked)
        if asked.language == "zh" and isinstance(error, Forbidden):
            return _page(desk(), asked, error.status, say("error.forbidden.console", "zh"))
        answer = _page(desk(), asked, error.status, sentences.tell(error, asked.language))
        if isinstance(wait := error.details.get("retry_after_s"), int):
            answer.headers["Retry-After"] = str(wait)
        return answer

    def from_http(request: Request[Any, Any, Any], error: HTTPException) -> Response[bytes]:
        asked = read_visit(request)
        key = {404: "error.page.console", 405: "error.method", 413: "error.large"}.get(error.status_code, "error.other")
        answer = _page(desk(), asked, error.status_code, say(key, asked.language))
        # of the framework's headers the one that a 405 has to bear: the methods that there are
        answer.headers.update({name.title(): v for name, v in (error.headers or {}).items() if name.lower() == "allow"})
        return answer

    def from_defect(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
        log.error("console.defect", exc_info=error)
        asked = read_visit(request)
        return _page(desk(), asked, 500, say("error.defect.console", asked.language))

    return {YimaError: from_error, HTTPException: from_http, Exception: from_defect}


def _to_sign_in(desk: Desk, request: Request[Any, Any, Any], asked: Visit) -> Response[bytes]:
    """A page leads to the sign-in and back; a script is told by the status."""
    back = asked.path + (f"?{asked.query}" if asked.query else "")
    target = f"/console/sign-in?next={quote(back, safe='')}" if request.method == "GET" else "/console/sign-in"
    gone = [desk.cookie(visit.SESSION, "", days=0)] if asked.token else []
    if asked.partial or "application/json" in request.headers.get("accept", ""):
        return desk.answer(
            asked, b"", media_type="text/html", status=401, headers={"HX-Redirect": target}, cookies=gone
        )
    return desk.redirect(asked, target, cookies=gone)


def _page(desk: Desk, asked: Visit, status: int, sentence: str) -> Response[bytes]:
    return desk.page(asked, "error.html", status=status, sentence=sentence)
