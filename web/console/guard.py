"""Who may: a request becomes a seat (a signed-in person at a brand with a permission) or is refused.

Another brand's console answers as one that does not exist, so that nobody can find out which brands there are.
"""

from __future__ import annotations

import re
import secrets
from typing import Any, Final
from urllib.parse import parse_qsl

from litestar import Request
from litestar.di import NamedDependency
from litestar.exceptions import NotFoundException

from kernel.errors import Forbidden, InvalidInput, NotAuthenticated
from staff import sessions
from staff.access import Permission, permissions
from staff.sessions import Session
from traceability import catalogue
from web.console.desk import Desk
from web.console.seat import Person, Seat
from web.console.visit import Visit
from web.visits import judge_encoding

FORM_BYTES_MAX: Final = 65_536
FORM_FIELDS_MAX: Final = 500
FIELD_CHARS_MAX: Final = 20_000
CSRF_HEADER: Final = "x-csrf"

_WHOLE: Final = re.compile(r"-?[0-9]{1,17}", re.ASCII)
_FORM_TYPE: Final = "application/x-www-form-urlencoded"


class Form:
    """The fields of a form, stripped of white space around them; a field may come several times."""

    def __init__(self, pairs: list[tuple[str, str]]) -> None:
        self._pairs = [(name, value.strip()) for name, value in pairs]

    def get(self, name: str, default: str = "") -> str:
        """The field's last value, or the default where it was not sent."""
        return next((value for key, value in reversed(self._pairs) if key == name), default)

    def all(self, name: str) -> list[str]:
        """All the field's values, in order."""
        return [value for key, value in self._pairs if key == name]

    def __contains__(self, name: str) -> bool:
        return any(key == name for key, _ in self._pairs)

    def number(self, name: str, *, low: int, high: int) -> int:
        """A whole number of a range.

        Raises:
            InvalidInput: it is none, or outside.
        """
        value = self.get(name)
        if not (_WHOLE.fullmatch(value) and low <= int(value) <= high):
            raise InvalidInput(f"{name} is a whole number from {low:,} to {high:,}.", field=name)
        return int(value)


GivenDesk = NamedDependency[Desk]
GivenVisit = NamedDependency[Visit]
GivenPerson = NamedDependency[Person]
GivenSeat = NamedDependency[Seat]
GivenForm = NamedDependency[Form]


def needs(permission: Permission) -> dict[str, Any]:
    """What a handler under a brand declares: `opt=needs(Permission.SEE_SCANS)`."""
    return {"permission": permission}


async def read_person(desk: GivenDesk, visit: GivenVisit) -> Person:
    """The signed-in person of a request.

    Raises:
        NotAuthenticated: there is none.
    """
    session = await _session(desk, visit)
    if session is None:
        raise NotAuthenticated("Sign in to the console, or again: your session has ended.")
    return Person(session, visit)


async def read_seat(request: Request[Any, Any, Any], desk: GivenDesk, visit: GivenVisit) -> Seat:
    """The seat of a request under `/console/b/{brand}/`; session, brand and roles are read in one transaction.

    Raises:
        NotAuthenticated: nobody is signed in.
        NotFoundException: the person has no role at such a brand, or there is none.
        Forbidden: their roles do not allow what the route needs.
    """
    needed = request.route_handler.opt["permission"]
    if not visit.token:
        raise NotAuthenticated("Sign in to the console.")
    async with desk.means.db.transaction() as tx:
        session = await sessions.find(tx, desk.means.vault, visit.token)
        if session is None:
            raise NotAuthenticated("Your session has ended: sign in again.")
        brands = {each.slug: each for each in await catalogue.list_brands(tx)}
    brand = brands.get(request.path_params["brand"])
    roles = frozenset() if brand is None else session.staff.roles.get(brand.id, frozenset())
    if brand is None or not roles:
        raise NotFoundException("There is no such page.")
    seat = Seat(session, visit, brand, permissions(roles))
    seat.need(needed)
    return seat


async def read_form(request: Request[Any, Any, Any], desk: GivenDesk, visit: GivenVisit) -> Form:
    """Read the form of a POST. Every POST takes its fields from here, so none skips the judgement.

    Raises:
        NotAuthenticated: the route needs a permission, and nobody is signed in (any more).
        Forbidden: it was sent by another site's page.
        InvalidInput: it is no form, or too long.
        UnsupportedMedia: it is compressed.
    """
    session = await _session(desk, visit)
    if session is None and "permission" in request.route_handler.opt:
        # The seat says so too, but is read at the same time: whoever must sign in is told that first.
        raise NotAuthenticated("Your session has ended: sign in again.")
    judge_encoding(request)
    if request.content_type[0] != _FORM_TYPE:
        raise InvalidInput(f"The body is not of the type {_FORM_TYPE}.")
    body = await request.body()
    if len(body) > FORM_BYTES_MAX:
        raise InvalidInput(f"The form has more than {FORM_BYTES_MAX:,} bytes.")
    try:
        pairs = parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=FORM_FIELDS_MAX)
    except ValueError as error:
        raise InvalidInput(f"The form has more than {FORM_FIELDS_MAX} fields.") from error
    for name, value in pairs:
        if len(value) > FIELD_CHARS_MAX:
            raise InvalidInput(f"{name[:40]} has more than {FIELD_CHARS_MAX:,} characters.", field=name[:40])
    # NUL is no text of PostgreSQL, and nothing that a person types
    form = Form([(name, value.replace("\0", "")) for name, value in pairs])
    _judge_sender(request, visit, session, form.get("csrf") or request.headers.get(CSRF_HEADER, ""))
    return form


async def judge_sender(request: Request[Any, Any, Any], desk: Desk, visit: Visit, csrf: str) -> None:
    """As for forms, for the few bodies that are none (uploads).

    Raises:
        Forbidden: another site's page sent it.
    """
    _judge_sender(request, visit, await _session(desk, visit), csrf)


async def _session(desk: Desk, visit: Visit) -> Session | None:
    if not visit.token:
        return None
    async with desk.means.db.transaction() as tx:
        return await sessions.find(tx, desk.means.vault, visit.token)


def _judge_sender(request: Request[Any, Any, Any], visit: Visit, session: Session | None, given: str) -> None:
    refused = Forbidden("This form was sent by another page than ours, or is too old: open the page again.")
    if request.headers.get("sec-fetch-site", "same-origin") not in {"same-origin", "none"}:
        raise refused
    origin = request.headers.get("origin", "null")
    # Compared as text: an Origin is a scheme and a host, and what cannot be read as such is nobody's of ours.
    if origin != "null" and origin.lower().partition("://")[2] != visit.host.lower():
        raise refused
    wanted = visit.form_token if session is None else session.csrf
    if not secrets.compare_digest(given.encode("utf-8", "replace"), wanted.encode()):
        raise refused
