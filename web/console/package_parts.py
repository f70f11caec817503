"""What a batch's page shows of its code packages: each with its progress, and who took them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from codegen import downloads, layouts, packages, packaging, recipients
from codegen.batches import Batch
from codegen.packaging import Package
from kernel.db import Tx
from staff import people
from staff.access import Permission
from web.console.desk import Desk
from web.console.query import Query
from web.console.seat import Seat
from web.console.texts import say

PACKAGE_ROWS: Final = 20
DOWNLOAD_ROWS: Final = 10
_ID_MAX: Final = 2**62


@dataclass(frozen=True, slots=True)
class Row:
    """A package as the page shows it; `here` tells whether its file is on this server."""

    package: Package
    here: bool


def path_of(desk: Desk, package: Package) -> Path:
    """Where the package lies that a worker wrote."""
    return packages.path_in(desk.means.packages, package.name, encrypted=package.encryption != "none")


async def read(desk: Desk, seat: Seat, tx: Tx, batch: Batch) -> dict[str, Any]:
    """The names of the packages' part of the page."""
    older = Query(seat.visit.query, seat.visit.language).number("packages", low=1, high=_ID_MAX)
    found = await packaging.list_of(tx, batch, limit=PACKAGE_ROWS + 1, before=older)
    shown = found[:PACKAGE_ROWS]
    own = seat.path(f"/batches/{batch.name}")
    may_order = Permission.ORDER_CODES in seat.may
    known = await recipients.list_of(tx, desk.means.vault, brand_id=seat.brand.id) if may_order else []
    return {
        "packages": [
            Row(each, each.state == "ready" and packages.manifest_path(path_of(desk, each)).is_file()) for each in shown
        ],
        "packages_live": any(each.under_way for each in shown),
        "packages_first": f"{own}#packages" if older else "",
        "packages_next": f"{own}?packages={shown[-1].id}#packages" if len(found) > PACKAGE_ROWS else "",
        "packages_query": f"?packages={older}" if older else "",
        "names": {
            people.actor_of(each.id): each.name
            for each in await people.list_of_brand(tx, desk.means.vault, seat.brand.id)
        },
        "downloads": await downloads.list_of(
            tx, desk.means.vault, brand_id=seat.brand.id, batch=batch, limit=DOWNLOAD_ROWS
        ),
        "recipients": choices(known, seat),
        "layouts": [(name, name) for name in await layouts.names(tx, seat.brand.id)] if may_order else [],
        "may_order": may_order,
    }


def choices(known: list[recipients.Recipient], seat: Seat) -> list[tuple[str, str]]:
    """Recipients to choose from; those without a key are told apart, for their files are not encrypted."""
    language = seat.visit.language
    found = [("", say("orders.recipient.none", language))]
    for each in known:
        if each.retired_at is None:
            name = each.name if each.public_key else say("orders.recipient.open", language, name=each.name)
            found.append((each.name, name))
    return found
