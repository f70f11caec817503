"""The figures page: figures arranged as bars and rows, ready to be shown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from insights.figures import Figures
from kernel.errors import NotFound
from traceability.regions import Regions
from web.ports import DrawShown, Ports
from web.texts import TEXTS, Language, percent, say

ROWS_MAX: Final = 12
DRAWS_MAX: Final = 6


@dataclass(frozen=True, slots=True)
class Bar:
    """A row with a bar: what it is, its figure in words, the bar's length in per cent, a note or empty."""

    label: str
    figure: str
    length: float
    note: str = ""


@dataclass(frozen=True, slots=True)
class Bars:
    """Rows of a panel: those shown at once, and the rest, which unfolds."""

    rows: list[Bar]
    rest: Sequence[Bar] = ()


@dataclass(frozen=True, slots=True)
class DrawBars:
    """A draw's prizes, and where its page is."""

    name: str
    title: str
    rows: list[Bar]


@dataclass(frozen=True, slots=True)
class Story:
    """The figures page."""

    tiles: list[tuple[str, int]]
    outcomes: Bars
    unverified: int
    provinces: Bars
    products: Bars
    dealers: Bars
    draws: list[DrawBars]


async def arrange(ports: Ports, regions: Regions, language: Language) -> Story:
    """Ask for the figures and arrange them."""
    figures = await ports.figures()
    names = list(dict.fromkeys(name for name, *_ in figures.prizes))[:DRAWS_MAX]
    draws = []
    for name in names:
        draw = await ports.draw(name, language)
        draws.append(DrawBars(draw.name, draw.title, prizes(draw, language)))
    tiles = [
        (say(f"story.{name}", language), count)
        for name, count in (
            ("scans", figures.scans),
            ("units", figures.units),
            ("members", figures.members),
            ("points", figures.points),
            ("copied", figures.copied),
            ("early", figures.early),
        )
    ]
    return Story(
        tiles=tiles,
        outcomes=_outcomes(figures, language),
        unverified=sum(figures.unverified.values()),
        provinces=_provinces(figures, regions, language),
        products=_products(figures, language),
        dealers=_dealers(figures, language),
        draws=draws,
    )


def prizes(draw: DrawShown, language: Language) -> list[Bar]:
    """A draw's prizes with their odds; the bar is what is left of the stock."""
    return [
        Bar(
            name,
            say("story.left", language, left=f"{left:,}", stock=f"{stock:,}"),
            _length(left, stock),
            say("story.chance", language, chance=chance),
        )
        for name, chance, stock, left in draw.odds
    ]


def _length(value: int, longest: int) -> float:
    """A bar's length in per cent of the longest; something is never shown as nothing."""
    return max(1.0, round(100 * value / longest, 1)) if value and longest else 0.0


def _outcomes(figures: Figures, language: Language) -> Bars:
    total = sum(count for _, count in figures.outcomes)
    longest = max((count for _, count in figures.outcomes), default=0)
    return Bars(
        [
            Bar(_outcome(name, language), f"{count:,} · {percent(count, total)}", _length(count, longest))
            for name, count in figures.outcomes
        ]
    )


def _outcome(name: str, language: Language) -> str:
    key = f"outcome.short.{name}"
    return say(key, language) if key in TEXTS else name


def _provinces(figures: Figures, regions: Regions, language: Language) -> Bars:
    longest = max((count for _, count in figures.provinces), default=0)
    return _cut(
        [
            Bar(_province(adcode, regions, language), f"{count:,}", _length(count, longest))
            for adcode, count in figures.provinces
        ]
    )


def _province(adcode: int, regions: Regions, language: Language) -> str:
    """A province's name; a code that these regions do not know (recorded under older data) stays a code."""
    try:
        region = regions.region(adcode)
    except NotFound:
        return str(adcode)
    return region.name_zh if language == "zh" else region.name_en or region.name_zh


def _products(figures: Figures, language: Language) -> Bars:
    products = sorted(figures.products, key=lambda row: -row[3])
    longest = max((scans for *_, scans, _ in products), default=0)
    rows = [
        Bar(
            name if language == "zh" else name_en,
            say("story.claims", language, scans=f"{scans:,}", claims=f"{claims:,}"),
            _length(scans, longest),
            gtin,
        )
        for gtin, name, name_en, scans, claims in products
    ]
    return _cut(rows)


def _dealers(figures: Figures, language: Language) -> Bars:
    judged = [dealer for dealer in figures.dealers if dealer.placed]
    judged.sort(key=lambda dealer: -dealer.outside / dealer.placed)
    rows = [
        Bar(
            dealer.name,
            say(
                "story.outside",
                language,
                outside=f"{dealer.outside:,}",
                placed=f"{dealer.placed:,}",
                percent=percent(dealer.outside, dealer.placed),
            ),
            # Of a whole, not of the longest: the bar is the share.
            _length(dealer.outside, dealer.placed),
        )
        for dealer in judged
    ]
    return _cut(rows)


def _cut(rows: Sequence[Bar]) -> Bars:
    return Bars(list(rows[:ROWS_MAX]), rows[ROWS_MAX:])
