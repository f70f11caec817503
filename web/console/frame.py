"""The console's navigation: what there is, in which order, and who sees it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from staff.access import Permission
from web.console.seat import Seat


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the navigation.

    Attributes:
        name: of the page; `nav.<name>` is its text.
        path: below the brand's console.
        needs: who does not have it does not see the line.
    """

    name: str
    path: str
    needs: Permission


@dataclass(frozen=True, slots=True)
class Line:
    """An entry as a page shows it."""

    name: str
    path: str
    icon: str
    here: bool


_ICONS: Final = {
    "overview": "M4 13h6V4H4zM14 20h6v-9h-6zM4 20h6v-4H4zM14 8h6V4h-6z",
    "heatmap": "M9 4L3 6.5V20l6-2.5 6 2.5 6-2.5V4l-6 2.5zM9 4v13.5M15 6.5V20",
    "scans": "M4 8V4h4M16 4h4v4M20 16v4h-4M8 20H4v-4M7 12h10",
    "alarms": "M12 4a5 5 0 015 5v4l2 3H5l2-3V9a5 5 0 015-5zM10 19h4M12 2v2",
    "blocks": "M12 21a9 9 0 100-18 9 9 0 000 18zM5.6 5.6l12.8 12.8",
    "products": "M4 8l8-4 8 4v8l-8 4-8-4zM4 8l8 4 8-4M12 12v8",
    "dealers": "M4 10l1.5-5h13L20 10M5 10v10h14V10M9 20v-6h6v6M4 10h16",
    "batches": "M4 4h6v6H4zM14 4h6v6h-6zM4 14h6v6H4zM14 14h3v3h-3zM20 17v3h-3",
    "imports": "M12 3v11M8 10l4 4 4-4M4 15v5h16v-5",
    "readback": "M4 8V4h4M16 4h4v4M20 16v4h-4M8 20H4v-4M8 12l3 3 5-6",
    "line": "M4 15a5 5 0 005 5h6a5 5 0 000-10H9a5 5 0 00-5 5zM9 15h.01M15 15h.01M6 6h12M12 3v3",
    "cartons": "M4 7h16v13H4zM4 7l2-3h12l2 3M9 7v5l3-1.5 3 1.5V7",
    "stations": "M4 8h4l2-3h4l2 3h4v11H4zM12 16.5a3 3 0 100-6 3 3 0 000 6z",
    "templates": "M4 5h16v14H4zM7 8h5v5H7zM14 9h4M14 12h4M7 16h11",
    "layouts": "M4 5h16v14H4zM4 10h16M10 5v14M15 5v14",
    "recipients": "M6 9V3h12v6M6 18H3V9h18v9h-3M7 14h10v7H7z",
    "leaks": "M12 3c4 5 6 8 6 11a6 6 0 01-12 0c0-3 2-6 6-11zM12 17a3 3 0 003-3",
    "keys": "M8 15a4 4 0 110-8 4 4 0 010 8zM12 11h9v3M17 11v3",
    "draws": "M4 9h16v4H4zM6 13v7h12v-7M12 9v11M12 9c-5 0-5-5-2-5 2 0 2 5 2 5zM12 9c5 0 5-5 2-5-2 0-2 5-2 5z",
    "members": "M9 11a3.5 3.5 0 100-7 3.5 3.5 0 000 7zM3 20c0-4 3-6 6-6s6 2 6 6M16 4.5a3.5 3.5 0 010 6"
    "M18 14.5c2 .8 3 2.6 3 5.5",
    "appeals": "M12 3v18M5 21h14M4 8h16M7 8l-3 7h6zM17 8l-3 7h6z",
    "reports": "M4 5h16v11H9l-5 4zM12 8v3M12 13.5h.01",
    "brand": "M12 3l2.2 5.4L20 9l-4.4 3.8L17 19l-5-3.2L7 19l1.4-6.2L4 9l5.8-.6z",
    "staff": "M12 11a4 4 0 100-8 4 4 0 000 8zM4 21c0-5 4-7 8-7s8 2 8 7",
    "trail": "M6 3h9l4 4v14H6zM15 3v4h4M9 12h7M9 16h7",
}
"""Path data of 24 × 24 icons, stroked."""

NAVIGATION: Final[tuple[tuple[str, tuple[Entry, ...]], ...]] = (
    (
        "see",
        (
            Entry("overview", "", Permission.SEE_FIGURES),
            Entry("heatmap", "/heatmap", Permission.SEE_FIGURES),
            Entry("scans", "/scans", Permission.SEE_SCANS),
            Entry("alarms", "/alarms", Permission.SEE_SCANS),
            Entry("blocks", "/blocks", Permission.SEE_SCANS),
        ),
    ),
    (
        "goods",
        (
            Entry("products", "/products", Permission.SEE_CATALOGUE),
            Entry("dealers", "/dealers", Permission.SEE_CATALOGUE),
        ),
    ),
    (
        "codes",
        (
            Entry("batches", "/batches", Permission.SEE_BATCHES),
            Entry("line", "/line", Permission.SEE_BATCHES),
            Entry("readback", "/readback", Permission.SEE_BATCHES),
            Entry("cartons", "/cartons", Permission.RUN_LINE),
            Entry("imports", "/imports", Permission.SEE_BATCHES),
            Entry("leaks", "/leaks", Permission.SEE_SCANS),
        ),
    ),
    (
        "press",
        (
            Entry("recipients", "/recipients", Permission.ORDER_CODES),
            Entry("layouts", "/layouts", Permission.SEE_BATCHES),
            Entry("templates", "/templates", Permission.SEE_BATCHES),
            Entry("stations", "/stations", Permission.MANAGE_STATIONS),
            Entry("keys", "/keys", Permission.SEE_KEYS),
        ),
    ),
    (
        "people",
        (
            Entry("draws", "/draws", Permission.SEE_DRAWS),
            Entry("members", "/members", Permission.SEE_MEMBERS),
            Entry("appeals", "/appeals", Permission.SEE_MEMBERS),
            Entry("reports", "/reports", Permission.SEE_MEMBERS),
        ),
    ),
    (
        "house",
        (
            Entry("brand", "/brand", Permission.EDIT_BRAND),
            Entry("staff", "/staff", Permission.MANAGE_STAFF),
            Entry("trail", "/trail", Permission.SEE_TRAIL),
        ),
    ),
)


def navigation(seat: Seat | None) -> list[tuple[str, list[Line]]]:
    """The groups and lines that somebody may open; none before the sign-in."""
    if seat is None:
        return []
    groups = []
    for group, entries in NAVIGATION:
        lines = [
            Line(entry.name, seat.path(entry.path), _ICONS[entry.name], _is_here(seat, entry))
            for entry in entries
            if entry.needs in seat.may
        ]
        if lines:
            groups.append((group, lines))
    return groups


def _is_here(seat: Seat, entry: Entry) -> bool:
    own = seat.path(entry.path)
    return seat.visit.path == own if not entry.path else (seat.visit.path + "/").startswith(own + "/")
