"""The audit trail: who changed what, from what to what; its head, and the proof that nothing was changed since."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from litestar import Response, get, post
from litestar.types import ControllerRouterHandler

from kernel import audit, audit_chain
from kernel.audit import Row
from staff import people
from staff.access import Permission
from web.console.desk import Desk
from web.console.guard import GivenDesk, GivenForm, GivenSeat, needs
from web.console.query import Query
from web.console.seat import Seat
from web.console.texts import TEXTS, say
from web.texts import Language

PATH: Final = "/console/b/{brand:str}/trail"
MAY: Final = needs(Permission.SEE_TRAIL)
ROWS_SHOWN: Final = 50
SEALS_MAX: Final = 50
"""The newest seals (some 50,000 rows) that the button looks at; `yima trail verify` looks at all."""
VALUE_CHARS_MAX: Final = 300
ID_MAX: Final = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Change:
    """One value before and after; None where there was or is none."""

    name: str
    before: str | None
    after: str | None


@dataclass(frozen=True, slots=True)
class Line:
    """A row as the page shows it."""

    id: int
    at: datetime
    actor: str
    who: str
    action: str
    what: str
    subject: str
    changes: list[Change]


@get(PATH, opt=MAY)
async def show(desk: GivenDesk, seat: GivenSeat) -> Response[bytes]:
    """The newest rows that a filter lets through."""
    return await _page(desk, seat)


async def _page(desk: Desk, seat: Seat, *, said: str = "", good: bool = True) -> Response[bytes]:
    language = seat.visit.language
    query = Query(seat.visit.query, language)
    since, until = query.moment("since"), query.moment("until")
    before_id = query.number("before", low=1, high=ID_MAX)
    async with desk.means.db.transaction() as tx:
        found = await people.list_of_brand(tx, desk.means.vault, seat.brand.id)
        staff = {each.id: each.name for each in found}
        # Sign-ins are of no brand: those of people who work for another brand too are not this one's to watch.
        own = [each.id for each in found if set(each.roles) == {seat.brand.id}]
        rows = await audit.find(
            tx, brand_id=seat.brand.id, staff_ids=own, since=since, until=until,
            actor=query.text("actor") or None, action=query.text("action") or None, before_id=before_id,
            rows_max=ROWS_SHOWN + 1,
        )  # fmt: skip
        head = await audit_chain.head(tx)
    path = seat.path("/trail")
    more = query.address(path, {"before": rows[ROWS_SHOWN - 1].id}) if len(rows) > ROWS_SHOWN else ""
    names = {people.actor_of(staff_id): name for staff_id, name in staff.items()}
    lines = [_line(row, names, language) for row in rows[:ROWS_SHOWN]]
    first = query.address(path, {"before": None}) if before_id else ""
    actors = _actors(names, query.text("actor"), language)
    return desk.page(
        seat, "trail.html", lines=lines, query=query, next=more, first=first, actors=actors, head=head,
        groups=_groups(language), said=said, good=good, path=path,
    )  # fmt: skip


def _actors(names: dict[str, str], chosen: str, language: Language) -> list[tuple[str, str]]:
    """Whom the filter offers: the brand's people, and whoever is chosen already."""
    found = [("", say("all", language)), *names.items()]
    return found if not chosen or chosen in names else [*found, (chosen, chosen)]


def _groups(language: Language) -> list[tuple[str, str]]:
    """The actions of which there are texts, in their groups."""
    known = [key.removeprefix("trail.action.") for key in TEXTS if key.startswith("trail.action.")]
    return [("", say("all", language)), *((each, say(f"trail.action.{each}", language)) for each in known)]


def _line(row: Row, names: dict[str, str], language: Language) -> Line:
    key = f"trail.action.{row.action}"
    subject = row.subject
    if subject.startswith("staff "):
        subject = names.get(f"staff:{subject.removeprefix('staff ')}", subject)
    return Line(
        id=row.id, at=row.at, actor=row.actor, who=names.get(row.actor, row.actor), action=row.action,
        what=say(key, language) if key in TEXTS else row.action, subject=subject,
        changes=changes(row.before, row.after),
    )  # fmt: skip


def changes(before: Any, after: Any) -> list[Change]:  # noqa: ANN401 (JSON as recorded)
    """What differs between two recorded states, value by value; where one is missing, all of the other."""
    old = before if isinstance(before, dict) else {} if before is None else {"": before}
    new = after if isinstance(after, dict) else {} if after is None else {"": after}
    names = dict.fromkeys([*old, *new])
    return [
        Change(name, _short(old[name]) if name in old else None, _short(new[name]) if name in new else None)
        for name in names
        if name not in old or name not in new or old[name] != new[name]
    ]


def _short(value: object) -> str:
    """A value in one line, cut where it is long."""
    if isinstance(value, list) and value and all(isinstance(each, str) for each in value):
        shown = ", ".join(value)
    else:
        shown = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return shown if len(shown) <= VALUE_CHARS_MAX else shown[:VALUE_CHARS_MAX] + "…"


@get(f"{PATH}/head", opt=MAY)
async def export_head(desk: GivenDesk, seat: GivenSeat) -> Response[bytes]:
    """The newest seal as a file, to be kept where nobody here can write."""
    await audit_chain.seal_due(desk.means.db, at_once=True)
    async with desk.means.db.transaction() as tx:
        head = await audit_chain.head(tx)
    if head is None:
        return desk.redirect(seat.visit, seat.path("/trail"), flash="trail.no_head")
    body = json.dumps(audit_chain.head_document(head)).encode() + b"\n"
    return desk.file(seat.visit, f"trail-head-{head.number}.json", body, media_type="application/json")


@post(f"{PATH}/verify", opt=MAY, status_code=200)
async def verify(desk: GivenDesk, seat: GivenSeat, form: GivenForm) -> Response[bytes]:
    """Recompute the newest seals and say what does not fit."""
    del form  # judged
    async with desk.means.db.transaction() as tx:
        found = await audit_chain.verify(tx, seals_max=SEALS_MAX)
    language = seat.visit.language
    if found.problem is None:
        said = say("trail.fits", language, seals=f"{found.seals:,}", rows=f"{found.rows:,}", n=f"{found.unsealed:,}")
    else:
        said = say("trail.broken", language, problem=found.problem)
    return await _page(desk, seat, said=said, good=found.ok)


ROUTES: list[ControllerRouterHandler] = [show, export_head, verify]
