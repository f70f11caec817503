"""The first page: what happened today and this week, beside the week before; every figure leads to its rows."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Final

from litestar import Response, get
from litestar.types import ControllerRouterHandler
from markupsafe import Markup

from campaigns import appeals
from insights import overview
from insights.overview import GROUPS, TOP_ROWS, Charts, Counts, Window
from insights.patience import TooSlow, reading
from kernel.clock import now
from staff.access import Permission
from traceability import catalogue, handover
from traceability.catalogue import Product
from web.console import words
from web.console.desk import Desk
from web.console.guard import GivenDesk, GivenSeat, needs
from web.console.query import CHINA, address, local, midnight
from web.console.scan_filters import OUTCOMES
from web.console.seat import Seat
from web.console.texts import say

CHART_DAYS: Final = 30
WEEK: Final = timedelta(days=7)

# Where more of it is good news, and where it is bad.
_GOOD: Final = frozenset({"scans", "first", "joined"})
_BAD: Final = frozenset({"copied", "outside", "early", "forged"})
_SCANS: Final[dict[str, dict[str, str]]] = {
    "scans": {},
    "first": {"first": "1"},
    "copied": {"finding": "copied"},
    "outside": {"finding": "outside"},
    "early": {"finding": "early"},
}


@dataclass(frozen=True, slots=True)
class Tile:
    """A figure: its name, its value, where its rows are (empty where the person may not see them), what it was."""

    name: str
    value: str
    href: str
    note: str
    tone: str


@dataclass(frozen=True, slots=True)
class Panel:
    """The figures of a window."""

    name: str
    title: str
    lead: str
    tiles: list[Tile]


@dataclass(frozen=True, slots=True)
class Chart:
    """A chart and the same figures as a table."""

    title: str
    note: str
    option: dict[str, Any]
    head: list[str]
    rows: list[list[object]]
    height: int = 260


@get("/console/b/{brand:str}", opt=needs(Permission.SEE_FIGURES))
async def show(desk: GivenDesk, seat: GivenSeat) -> Response[bytes]:
    """The overview."""
    at = now().replace(microsecond=0)
    today = Window(midnight(at), at)
    week = Window(at - WEEK, at)
    windows = [today, _before(today), week, _before(week)]
    days = [(at.date(), at.date()), (at.date() - WEEK,) * 2, _days(at.date()), _days(at.date() - WEEK)]
    chart_window = Window(midnight(at) - timedelta(days=CHART_DAYS - 1), at)
    charts: list[Chart] = []
    panels: list[Panel] = []
    stands, host, slow = None, None, False
    appealed = (0, 0)
    try:
        async with reading(desk.means.db) as tx:
            counted = await overview.count(tx, brand_id=seat.brand.id, windows=windows)
            forged = await overview.forged(tx, brand_id=seat.brand.id, days=days)
            stands = await overview.standing(tx, brand_id=seat.brand.id)
            products = await catalogue.list_products(tx, brand_id=seat.brand.id)
            host = await handover.of(tx, seat.brand.id)
            appealed = await appeals.count_open(tx, brand_id=seat.brand.id, at=at)
        drawn = await overview.charts(desk.means.db, desk.means.views, brand_id=seat.brand.id, window=chart_window)
        panels = [
            _panel(seat, name, windows[n], counted[n], counted[n + 1], (days[n], forged[n], forged[n + 1]))
            for n, name in ((0, "today"), (2, "week"))
        ]
        charts = _charts(desk, seat, drawn, products, chart_window)
    except TooSlow:
        slow = True
    return desk.page(
        seat,
        "overview.html",
        status=503 if slow else 200,
        slow=slow,
        at=at,
        panels=panels,
        stands=stands,
        host=host,
        appealed=appealed if Permission.SEE_MEMBERS in seat.may else (0, 0),
        charts=charts,
        chart_days=CHART_DAYS,
        stamp=words.stamp,
        held=seat.path("/members/held") if Permission.SEE_MEMBERS in seat.may else "",
        may_see_members=Permission.SEE_MEMBERS in seat.may,
        may_see_draws=Permission.SEE_DRAWS in seat.may,
    )


def _before(window: Window) -> Window:
    return Window(window.since - WEEK, window.until - WEEK)


def _days(last: date) -> tuple[date, date]:
    return last - timedelta(days=6), last


def _panel(
    seat: Seat,
    name: str,
    window: Window,
    counts: Counts,
    before: Counts,
    forged: tuple[tuple[date, date], int, int],
) -> Panel:
    language = seat.visit.language
    tiles = []
    for figure in Counts.__slots__:
        value, was = getattr(counts, figure), getattr(before, figure)
        href = _rows_of(seat, figure, window)
        note = _note(seat, f"overview.{name}.was", value, was)
        tiles.append(Tile(figure, f"{value:,}", href, note, _tone(figure, value, was)))
    (first, last), value, was = forged
    href = address(seat.path("/scans/refused"), [("since", f"{first}"), ("until", f"{last}")])
    href = href if Permission.SEE_SCANS in seat.may else ""
    tiles.append(
        Tile(
            "forged",
            f"{value:,}",
            href,
            _note(seat, f"overview.{name}.forged", value, was),
            _tone("forged", value, was),
        )
    )
    lead = say(f"overview.{name}.lead", language, since=words.stamp(window.since), until=words.stamp(window.until))
    return Panel(name, say(f"overview.{name}", language), lead, tiles)


def _note(seat: Seat, key: str, value: int, was: int) -> str:
    """What it was the time before, and the change where it can be said in per cent."""
    change = f" ({(value - was) / was:+.0%})" if was else ""
    return say(key, seat.visit.language, was=f"{was:,}") + change


def _tone(figure: str, value: int, was: int) -> str:
    if not was or value == was or figure not in _GOOD | _BAD:
        return ""
    return "good" if (value > was) == (figure in _GOOD) else "bad"


def _rows_of(seat: Seat, figure: str, window: Window) -> str:
    """Where the rows are that a figure counts."""
    span = [("since", local(window.since)), ("until", local(window.until))]
    if figure in _SCANS:
        needed, path, more = Permission.SEE_SCANS, "/scans", list(_SCANS[figure].items())
    elif figure == "prizes":
        needed, path, more = Permission.SEE_DRAWS, "/draws/wins", []
    else:
        needed, more = Permission.SEE_MEMBERS, []
        path = "/members" if figure == "joined" else "/members/points"
    return address(seat.path(path), [*more, *span]) if needed in seat.may else ""


def _charts(desk: Desk, seat: Seat, drawn: Charts, products: list[Product], window: Window) -> list[Chart]:
    if not drawn.outcomes:
        return []
    language = seat.visit.language
    made = _Drawer(seat, window)
    names = {each.gtin: each.name if language == "zh" else each.name_en for each in products}
    provinces = [
        (
            words.region_name(adcode, desk.regions, language) or say("overview.unknown", language),
            scans,
            None if adcode is None else {"region": str(adcode)},
        )
        for adcode, scans in sorted(drawn.provinces.items(), key=_by_size)
    ]
    return [
        made.days(drawn),
        made.bars(
            "outcomes",
            [
                (say(f"scans.outcome.{outcome}", language), drawn.outcomes[outcome], {"outcome": outcome})
                for outcome in sorted(drawn.outcomes, key=lambda each: -drawn.outcomes[each])
                if outcome in OUTCOMES
            ],
        ),
        made.bars("products", [(names.get(g, g), n, {"gtin": g}) for g, n in drawn.products]),
        made.bars("provinces", provinces),
        made.hours(drawn),
    ]


def _by_size(found: tuple[int | None, int]) -> tuple[int, int]:
    return -found[1], found[0] or 0


class _Drawer:
    """Makes charts whose figures, in the table, lead to their rows."""

    def __init__(self, seat: Seat, window: Window) -> None:
        self._seat = seat
        self._language = seat.visit.language
        self._window = window

    def _cell(self, scans: int, wanted: dict[str, Any] | None, since: datetime, until: datetime) -> object:
        """A figure that leads to its rows, where there are any and they can be asked for."""
        if not scans or wanted is None or Permission.SEE_SCANS not in self._seat.may:
            return f"{scans:,}"
        href = self._href(wanted, since, until)
        return Markup('<a href="{}">{}</a>').format(href, f"{scans:,}")

    def _href(self, wanted: dict[str, Any], since: datetime, until: datetime) -> str:
        span = {"since": local(since), "until": local(until)}
        return address(self._seat.path("/scans"), [], {**wanted, **span})

    def _say(self, key: str, **values: object) -> str:
        return say(f"overview.{key}", self._language, **values)

    def days(self, drawn: Charts) -> Chart:
        """Scans a day, stacked by groups of outcomes."""
        first = self._window.since.astimezone(CHINA).date()
        dates = [first + timedelta(days=n) for n in range(CHART_DAYS)]
        groups = [(name, self._say(f"group.{name}"), outcomes) for name, outcomes in GROUPS.items()]
        figures = {
            (day, name): sum(drawn.days.get((day, outcome), 0) for outcome in outcomes)
            for day in dates
            for name, _, outcomes in groups
        }
        rows: list[list[object]] = []
        for day in reversed(dates):
            since = datetime.combine(day, datetime.min.time(), CHINA)
            until = min(since + timedelta(days=1), self._window.until)
            cells = [
                self._cell(figures[day, name], {"outcome": outcomes}, since, until) for name, _, outcomes in groups
            ]
            total = sum(figures[day, name] for name, _, _ in groups)
            rows.append([f"{day}", self._cell(total, {}, since, until), *cells])
        option = {
            "xAxis": {"type": "category", "data": [f"{day:%m-%d}" for day in dates]},
            "yAxis": {"type": "value", "minInterval": 1},
            "series": [
                {"type": "bar", "stack": "all", "name": title, "data": [figures[day, name] for day in dates]}
                for name, title, _ in groups
            ],
        }
        head = [self._say("day"), self._say("all"), *(title for _, title, _ in groups)]
        return Chart(self._say("days", n=CHART_DAYS), self._say("days.note"), option, head, rows, height=300)

    def hours(self, drawn: Charts) -> Chart:
        """Scans by the hour of the day."""
        counts = [drawn.hours.get(hour, 0) for hour in range(24)]
        option = {
            "xAxis": {"type": "category", "data": [f"{hour:02}" for hour in range(24)]},
            "yAxis": {"type": "value", "minInterval": 1},
            "series": [{"type": "bar", "name": self._say("all"), "data": counts}],
        }
        rows: list[list[object]] = [[f"{hour:02}:00–{hour:02}:59", f"{counts[hour]:,}"] for hour in range(24)]
        head = [self._say("hour"), self._say("all")]
        return Chart(self._say("hours", n=CHART_DAYS), self._say("hours.note"), option, head, rows)

    def bars(self, name: str, found: Iterable[tuple[str, int, dict[str, str] | None]]) -> Chart:
        """A ranking: the first rows as bars, all of them in the table."""
        ranked = list(found)
        top = ranked[:TOP_ROWS]
        option = {
            "xAxis": {"type": "value", "minInterval": 1},
            "yAxis": {"type": "category", "inverse": True, "data": [label for label, _, _ in top]},
            "series": [{"type": "bar", "name": self._say("all"), "data": [scans for _, scans, _ in top]}],
        }
        rows: list[list[object]] = [
            [label, self._cell(scans, wanted, self._window.since, self._window.until)]
            for label, scans, wanted in ranked
        ]
        head = [self._say(f"{name}.one"), self._say("all")]
        height = max(120, 44 + 26 * len(top))
        return Chart(self._say(name, n=CHART_DAYS), self._say(f"{name}.note"), option, head, rows, height)


ROUTES: list[ControllerRouterHandler] = [show]
