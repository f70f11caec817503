"""What the heatmap is asked: an address becomes a question, every value judged.

The page takes what is right and says what was not; the data behind it refuses anything wrong.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, Literal

from kernel.clock import now
from kernel.errors import InvalidInput, NotFound
from traceability.regions import Regions
from traceability.scans import Outcome
from web.console.query import Query, midnight

LAYERS: Final = ("scans", "first", "copies", "outside")
OUTCOMES: Final = tuple(str(outcome) for outcome in Outcome if outcome is not Outcome.MALFORMED)
SOURCES: Final = ("gps", "wechat", "ip", "none")
RANGES: Final = ("today", "7", "30", "90", "custom")
RANGE_DEFAULT: Final = "30"
YEARS_MAX: Final = 10
RANGE_MAX: Final = timedelta(days=366 * YEARS_MAX)
CHOICES_MAX: Final = 50
"""So many products, batches or dealers may be chosen at once."""

STEPS_MAX: Final = 31
RESOLUTION_MIN: Final = 2
RESOLUTION_MAX: Final = 9
ZOOM_MAX: Final = 14

_GTIN: Final = re.compile(r"[0-9]{14}", re.ASCII)
_ID: Final = re.compile(r"[1-9][0-9]{0,17}", re.ASCII)
_DECIMAL: Final = re.compile(r"-?[0-9]{1,3}(?:\.[0-9]{1,8})?", re.ASCII)
_HOUR: Final = timedelta(hours=1)
# Lengths of a slider's step that people count in.
_STEP_HOURS: Final = (1, 2, 3, 4, 6, 8, 12, 24, 48, 72, 96, 168, 336)
_STEPS_DEFAULT: Final = 24

Layer = Literal["scans", "first", "copies", "outside"]


@dataclass(frozen=True, slots=True)
class Question:
    """Which scans the heatmap is to show.

    Attributes:
        layer: all scans, first scans, copies, or those outside the dealer's territory.
        range: the preset, or `custom`.
        since: the first moment.
        until: the moment after the last.
        gtins: products; empty for all, as the next ones.
        batches: ids.
        dealers: ids.
        outcomes: of the scans.
        sources: of their places.
        place: adcode of the region drilled into; 0 for the whole country.
    """

    layer: Layer
    range: str
    since: datetime
    until: datetime
    gtins: tuple[str, ...] = ()
    batches: tuple[int, ...] = ()
    dealers: tuple[int, ...] = ()
    outcomes: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    place: int = 0

    @property
    def steps(self) -> int:
        """Into how many equal parts the slider cuts the range: lengths that people count in, where there are any."""
        hours = -(-(self.until - self.since) // _HOUR)
        for length in _STEP_HOURS:
            if hours % length == 0 and 2 <= hours // length <= STEPS_MAX:
                return int(hours // length)
        return max(1, min(_STEPS_DEFAULT, int(hours)))


@dataclass(frozen=True, slots=True)
class Look:
    """What the map itself shows: part of a link, of no account for the figures.

    Attributes:
        centre: longitude, latitude and zoom, or None: wherever the place lies.
        hexes: whether hexagons are drawn.
        shades: whether scans known by network only shade the provinces.
        step: the slider's part, counted from 1; 0 for the whole range.
    """

    centre: tuple[float, float, float] | None = None
    hexes: bool = True
    shades: bool = False
    step: int = 0


@dataclass(frozen=True, slots=True)
class Options:
    """What can be chosen: pairs of value and name."""

    products: Sequence[tuple[str, str]] = field(default=())
    batches: Sequence[tuple[int, str]] = field(default=())
    dealers: Sequence[tuple[int, str]] = field(default=())


def read(query: Query, regions: Regions, options: Options | None = None) -> Question:
    """The question of an address; what is wrong in it is noted in the query, and left at its default.

    Args:
        query: the address's values.
        regions: the places there are.
        options: the brand's products, batches and dealers where anything else is to be told of; without, ids that
            do not exist are taken, and match nothing.
    """
    chosen, since, until = _range(query)
    layer: Layer = query.choice("layer", LAYERS) or "scans"  # type: ignore[assignment] # one of LAYERS
    return Question(
        layer=layer,
        range=chosen,
        since=since,
        until=until,
        gtins=_several(query, "product", _GTIN, None if options is None else {value for value, _ in options.products}),
        batches=_ids(query, "batch", None if options is None else {value for value, _ in options.batches}),
        dealers=_ids(query, "dealer", None if options is None else {value for value, _ in options.dealers}),
        outcomes=query.choices("outcome", OUTCOMES),
        sources=query.choices("source", SOURCES),
        place=_place(query, regions),
    )


def read_look(query: Query) -> Look:
    """What the map of an address shows."""
    centre = None
    if given := query.text("view"):
        centre = _centre(given)
        if centre is None:
            query.refuse("view", "heatmap.wrong.view")
    return Look(
        centre=centre,
        hexes=query.choice("hex", ("0", "1")) != "0",
        shades=query.choice("ip", ("0", "1")) == "1",
        step=query.number("step", low=1, high=STEPS_MAX) or 0,
    )


def read_box(query: Query) -> tuple[float, float, float, float]:
    """West, south, east, north of the field `box`; west > east over the date line."""
    parts = query.text("box").split(",")
    if len(parts) == 4 and all(_DECIMAL.fullmatch(part) for part in parts):
        west, south, east, north = (float(part) for part in parts)
        if abs(west) <= 180 and abs(east) <= 180 and -90 <= south < north <= 90:
            return west, south, east, north
    query.refuse("box", "heatmap.wrong.box")
    return -180.0, -90.0, 180.0, 90.0


def strictly(query: Query) -> None:
    """Refuse if anything in the address was wrong.

    Raises:
        InvalidInput: the first thing that was.
    """
    for name, sentence in query.problems.items():
        raise InvalidInput(sentence, field=name)


def _range(query: Query) -> tuple[str, datetime, datetime]:
    """The preset's name and its range. Presets are whole days of China, today included."""
    tomorrow = midnight(now()) + timedelta(days=1)
    chosen = query.choice("range", RANGES) or ("custom" if query.text("from") or query.text("to") else RANGE_DEFAULT)
    if chosen == "custom":
        since, until = query.moment("from"), query.moment("to")
        if until is not None and len(query.text("to")) == len("2026-11-22"):
            until += timedelta(days=1)  # a day named as the last one is shown whole
        if since is None and "from" not in query.problems:
            query.refuse("from", "heatmap.wrong.from")
        elif since is not None:
            end = until or tomorrow
            if since >= end:
                query.refuse("from", "heatmap.wrong.order")
            elif end - since > RANGE_MAX:
                query.refuse("from", "heatmap.wrong.range", years=YEARS_MAX)
            elif not {"from", "to"} & query.problems.keys():
                return chosen, since, end
        chosen = RANGE_DEFAULT
    days = 1 if chosen == "today" else int(chosen)
    return chosen, tomorrow - timedelta(days=days), tomorrow


def _several(query: Query, name: str, form: re.Pattern[str], known: Collection[str] | None) -> tuple[str, ...]:
    given = query.all(name)
    if len(given) > CHOICES_MAX:
        query.refuse(name, "heatmap.wrong.many", n=CHOICES_MAX)
        return ()
    right = tuple(value for value in given if form.fullmatch(value))
    if len(right) < len(given):
        query.refuse(name, f"heatmap.wrong.{name}")
    elif known is not None and not set(right) <= set(known):
        query.refuse(name, f"heatmap.wrong.{name}")
        right = tuple(value for value in right if value in known)
    return right


def _ids(query: Query, name: str, known: Collection[int] | None) -> tuple[int, ...]:
    names = None if known is None else {str(value) for value in known}
    return tuple(int(value) for value in _several(query, name, _ID, names))


def _place(query: Query, regions: Regions) -> int:
    adcode = query.number("place", low=110_000, high=999_999)
    if adcode is None:
        return 0
    try:
        regions.region(adcode)
    except NotFound:
        query.refuse("place", "heatmap.wrong.place")
        return 0
    return adcode


def _centre(given: str) -> tuple[float, float, float] | None:
    parts = given.split(",")
    if len(parts) != 3 or not all(_DECIMAL.fullmatch(part) for part in parts):
        return None
    lng, lat, zoom = (float(part) for part in parts)
    if not (abs(lng) <= 180 and abs(lat) <= 85 and 0 <= zoom <= ZOOM_MAX):
        return None
    return lng, lat, zoom
