"""Printers and plants that packages are made for; and leaks: packages whose set-up codes were scanned."""

from __future__ import annotations

from dataclasses import dataclass

from litestar import Response, get, post
from litestar.types import ControllerRouterHandler

from codegen import recipients
from insights import leaks
from kernel.errors import Conflict, InvalidInput, NotFound, YimaError
from staff import people
from staff.access import Permission
from traceability import journal_months
from web.console import forms
from web.console.desk import Desk
from web.console.guard import GivenDesk, GivenForm, GivenSeat, needs
from web.console.seat import Seat
from web.console.texts import say


@dataclass(frozen=True, slots=True)
class Draft:
    """A recipient as a form holds it, right or wrong."""

    name: str = ""
    kind: str = "printer"
    public_key: str = ""
    contact: str = ""


@get("/console/b/{brand:str}/recipients", opt=needs(Permission.ORDER_CODES))
async def show_recipients(desk: GivenDesk, seat: GivenSeat) -> Response[bytes]:
    """The brand's printers and plants."""
    return await _page(desk, seat, Draft())


@post("/console/b/{brand:str}/recipients", opt=needs(Permission.ORDER_CODES), status_code=200)
async def add_recipient(desk: GivenDesk, seat: GivenSeat, form: GivenForm) -> Response[bytes]:
    """Add one."""
    draft = Draft(form.get("recipient_name"), form.get("recipient_kind"), form.get("public_key"), form.get("contact"))
    try:
        async with desk.means.db.transaction() as tx:
            made = await recipients.add(
                tx, desk.means.vault, brand_id=seat.brand.id, name=draft.name, kind=draft.kind,
                public_key=draft.public_key, contact=draft.contact, actor=seat.actor,
            )  # fmt: skip
    except (InvalidInput, Conflict) as error:
        return await _page(desk, seat, draft, error=error)
    return desk.redirect(seat.visit, seat.path("/recipients"), flash="recipients.added", name=made.name)


@post("/console/b/{brand:str}/recipients/retire", opt=needs(Permission.ORDER_CODES), status_code=200)
async def retire_recipient(desk: GivenDesk, seat: GivenSeat, form: GivenForm) -> Response[bytes]:
    """Make no more packages for one."""
    try:
        async with desk.means.db.transaction() as tx:
            gone = await recipients.retire(
                tx, desk.means.vault, brand_id=seat.brand.id, name=form.get("retired"), actor=seat.actor
            )
    except NotFound as error:
        return await _page(desk, seat, Draft(), error=error)
    return desk.redirect(seat.visit, seat.path("/recipients"), flash="recipients.retired", name=gone.name)


async def _page(desk: Desk, seat: Seat, draft: Draft, *, error: YimaError | None = None) -> Response[bytes]:
    async with desk.means.db.transaction() as tx:
        known = await recipients.list_of(tx, desk.means.vault, brand_id=seat.brand.id)
    language = seat.visit.language
    return desk.page(
        seat,
        "recipients.html",
        status=200 if error is None else error.status,
        rows=known,
        draft=draft,
        kinds=[(kind, say(f"recipients.kind.{kind}", language)) for kind in recipients.KINDS],
        errors=forms.Refusals() if error is None else forms.refusals(error, language),
        name_max=recipients.NAME_CHARS_MAX,
        key_max=recipients.KEY_CHARS_MAX,
        contact_max=recipients.CONTACT_CHARS_MAX,
    )


@get("/console/b/{brand:str}/leaks", opt=needs(Permission.SEE_SCANS))
async def show_leaks(desk: GivenDesk, seat: GivenSeat) -> Response[bytes]:
    """Packages whose set-up codes were scanned: whose they were, who took them, where they surfaced."""
    async with desk.means.db.transaction() as tx:
        found = await leaks.list_of(tx, brand_id=seat.brand.id)
        archived = await journal_months.archived_before(tx)
        names = {
            people.actor_of(each.id): each.name
            for each in await people.list_of_brand(tx, desk.means.vault, seat.brand.id)
        }
    places = {
        each.adcode: _place(desk, seat, each.adcode)
        for leak in found
        for each in leak.sightings
        if each.adcode is not None
    }
    return desk.page(seat, "leaks.html", archived=archived, rows=found, names=names, places=places)


def _place(desk: Desk, seat: Seat, adcode: int) -> str:
    region = desk.regions.region(adcode)
    return region.name_zh if seat.visit.language == "zh" else region.name_en or region.name_zh


ROUTES: list[ControllerRouterHandler] = [show_recipients, add_recipient, retire_recipient, show_leaks]
