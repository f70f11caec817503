"""People of the brand and their roles: invite, grant, take away, disable. Owners only."""

from __future__ import annotations

from typing import Final

from litestar import Response, get, post
from litestar.exceptions import NotFoundException
from litestar.params import FromPath
from litestar.types import ControllerRouterHandler

from kernel.db import Tx
from kernel.errors import Conflict, Forbidden, InvalidInput, TooMany, YimaError
from staff import people, resets
from staff.access import GRANTS, Permission, Role
from staff.people import Staff
from web.console import problems
from web.console.desk import Desk
from web.console.guard import Form, GivenDesk, GivenForm, GivenSeat, needs
from web.console.seat import Seat

PATH: Final = "/console/b/{brand:str}/staff"
MAY: Final = needs(Permission.MANAGE_STAFF)
_REFUSALS: Final = (InvalidInput, Conflict, TooMany, Forbidden)


@get(PATH, opt=MAY)
async def show(desk: GivenDesk, seat: GivenSeat) -> Response[bytes]:
    """Everybody with a role here."""
    return await _page(desk, seat)


async def _page(
    desk: Desk, seat: Seat, *, error: YimaError | None = None, part: str = "", entered: Form | None = None
) -> Response[bytes]:
    """The list; after a refusal with what was entered."""
    async with desk.means.db.transaction() as tx:
        found = await people.list_of_brand(tx, desk.means.vault, seat.brand.id)
    kept = entered or Form([])
    return desk.page(
        seat, "people.html", status=200 if error is None else error.status, found=found, roles=list(Role),
        grants=GRANTS, permissions=list(Permission), me=seat.session.staff.id, part=part,
        problem="" if error is None else problems.sentence(error, seat.visit.language),
        email=kept.get("email")[:254], name=kept.get("name")[:80], chosen=kept.all("role"),
        switchable={each.id for each in found if _may_switch(seat, each)}, mail=desk.means.mail, limits=people,
    )  # fmt: skip


def _roles(form: Form) -> frozenset[Role]:
    """The roles that a form names.

    Raises:
        InvalidInput: one of them is none.
    """
    given = form.all("role")
    if not set(given) <= set(Role):
        raise InvalidInput("There is no such role.", field="roles", reason="role")
    return frozenset(Role(each) for each in given)


async def _person(desk: Desk, tx: Tx, seat: Seat, staff_id: int) -> Staff:
    """Somebody with a role here; whoever has none is not there, wherever else they are."""
    found = {each.id: each for each in await people.list_of_brand(tx, desk.means.vault, seat.brand.id)}.get(staff_id)
    if found is None:
        raise NotFoundException("There is no such person.")
    return found


@post(f"{PATH}/invite", opt=MAY, status_code=200)
async def invite(desk: GivenDesk, seat: GivenSeat, form: GivenForm) -> Response[bytes]:
    """Give somebody roles; whoever is new gets a link by mail."""
    means = desk.means
    try:
        async with means.db.transaction() as tx:
            made = await resets.invite(
                tx, means.vault, means.index, email=form.get("email"), name=form.get("name"), brand_id=seat.brand.id,
                roles=_roles(form), language=seat.visit.language, actor=seat.actor, base_url=means.public_url.lower(),
            )  # fmt: skip
    except _REFUSALS as error:
        return await _page(desk, seat, error=error, part="invite", entered=form)
    means.wake()
    flash = "people.invited" if made.state == "invited" else "people.added"
    return desk.redirect(seat.visit, seat.path("/staff"), flash=flash, email=made.email)


@post(f"{PATH}/{{staff_id:int}}/invite", opt=MAY, status_code=200)
async def invite_again(
    desk: GivenDesk, seat: GivenSeat, form: GivenForm, staff_id: FromPath[int]
) -> Response[bytes]:  # fmt: skip
    """Send the link anew; the earlier one dies."""
    del form  # judged
    means = desk.means
    try:
        async with means.db.transaction() as tx:
            person = await _person(desk, tx, seat, staff_id)
            await resets.send_invitation(
                tx, means.vault, person=person, actor=seat.actor, base_url=means.public_url.lower()
            )  # fmt: skip
    except _REFUSALS as error:
        return await _page(desk, seat, error=error)
    means.wake()
    return desk.redirect(seat.visit, seat.path("/staff"), flash="people.invited", email=person.email)


@post(f"{PATH}/{{staff_id:int}}/roles", opt=MAY, status_code=200)
async def set_roles(
    desk: GivenDesk, seat: GivenSeat, form: GivenForm, staff_id: FromPath[int]
) -> Response[bytes]:  # fmt: skip
    """Give and take roles, unless somebody else changed them since the page was opened; none takes the person away."""
    brand_id = seat.brand.id
    try:
        wanted = _roles(form)
        async with desk.means.db.transaction() as tx:
            await people.lock_roles(tx, brand_id)  # what is compared here must still hold when it is changed
            person = await _person(desk, tx, seat, staff_id)
            held = person.roles[brand_id]
            if sorted(held) != sorted(form.get("before").split()):
                raise Conflict(
                    "Somebody changed these roles after you opened the page; look again.", reason="roles_changed"
                )
            for role in sorted(wanted - held):
                await people.grant(tx, staff_id=staff_id, brand_id=brand_id, role=role, actor=seat.actor)
            for role in sorted(held - wanted):
                await people.revoke(tx, staff_id=staff_id, brand_id=brand_id, role=role, actor=seat.actor)
    except _REFUSALS as error:
        return await _page(desk, seat, error=error)
    flash = "people.roles_set" if wanted else "people.removed"
    path = "/console" if staff_id == seat.session.staff.id else seat.path("/staff")
    return desk.redirect(seat.visit, path, flash=flash, name=person.name)


@post(f"{PATH}/{{staff_id:int}}/state", opt=MAY, status_code=200)
async def set_state(
    desk: GivenDesk, seat: GivenSeat, form: GivenForm, staff_id: FromPath[int]
) -> Response[bytes]:  # fmt: skip
    """Disable or enable an account that belongs to nobody else's brand."""
    state = form.get("state")
    try:
        async with desk.means.db.transaction() as tx:
            person = await _person(desk, tx, seat, staff_id)
            if not _may_switch(seat, person):
                raise Forbidden(
                    "This person works for brands that are not yours, or is you; take the roles away instead.",
                    reason="not_yours",
                )
            await people.set_state(tx, staff_id=staff_id, state=state, actor=seat.actor)
    except _REFUSALS as error:
        return await _page(desk, seat, error=error)
    flash = "people.disabled" if state == "disabled" else "people.enabled"
    return desk.redirect(seat.visit, seat.path("/staff"), flash=flash, name=person.name)


def _may_switch(seat: Seat, person: Staff) -> bool:
    """An account is switched off by whoever owns all the brands that it serves, and by nobody for themselves."""
    own = {brand_id for brand_id, roles in seat.session.staff.roles.items() if Role.OWNER in roles}
    return person.id != seat.session.staff.id and set(person.roles) <= own


ROUTES: list[ControllerRouterHandler] = [show, invite, invite_again, set_roles, set_state]
