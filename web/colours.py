"""A brand's colour on our pages: judged against what stands on it and behind it, and mended where it is too faint.

Contrast is WCAG 2.2's (relative luminance, success criterion 1.4.3): text has at least 4.5 to 1. Pure.
"""

from __future__ import annotations

from typing import Final

CONTRAST_MIN: Final = 4.5
PAPER: Final = "#f6f5f1"
PAPER_DARK: Final = "#1b211e"
"""The ground of the consumer's pages on which text has the least contrast: by day the paper, by night the card."""
WHITE: Final = "#ffffff"
BLACK: Final = "#000000"
SHEET_FORMAT: Final = 1
"""Raised whenever `sheet` makes something else of the same colour: its address bears it."""

_STEPS: Final = 100


def contrast(one: str, other: str) -> float:
    """The contrast of two colours, 1 to 21."""
    light, dark = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def text_on(ground: str) -> str:
    """The colour of text on a ground: white where that can be read, else black. One of the two always can."""
    return WHITE if contrast(WHITE, ground) >= CONTRAST_MIN else BLACK


def readable(colour: str, ground: str) -> str:
    """The colour nearest to this one that can be read as text on a ground: mixed with black or white step by step."""
    towards = BLACK if contrast(BLACK, ground) > contrast(WHITE, ground) else WHITE
    mixed = (mix(colour, towards, step / _STEPS) for step in range(_STEPS + 1))
    return next(each for each in mixed if contrast(each, ground) >= CONTRAST_MIN)


def mix(colour: str, other: str, share: float) -> str:
    """A colour with a share of another, 0 to 1."""
    pairs = zip(_parts(colour), _parts(other), strict=True)
    return "#" + "".join(f"{round(a + (b - a) * share):02x}" for a, b in pairs)


def sheet(colour: str) -> str:
    """The style sheet that dresses the consumer's pages in a colour, by day and by night."""
    fill = f"--fill:{colour};--fill-ink:{text_on(colour)};--fill-down:{_pressed(colour)}"
    return (
        f":root{{--go:{readable(colour, PAPER)};{fill}}}"
        f"@media (prefers-color-scheme:dark){{:root{{--go:{readable(colour, PAPER_DARK)};{fill}}}}}\n"
    )


def sheet_name(colour: str) -> str:
    """What names the content of a colour's sheet: any process can serve it, none can serve a stale one."""
    return f"{colour[1:]}-{SHEET_FORMAT}"


def _pressed(colour: str) -> str:
    """The fill under the pointer: away from its text, so that it stays readable."""
    return mix(colour, BLACK if text_on(colour) == WHITE else WHITE, 0.15)


def _parts(colour: str) -> tuple[int, int, int]:
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)


def _luminance(colour: str) -> float:
    red, green, blue = (
        part / 255 / 12.92 if part / 255 <= 0.04045 else ((part / 255 + 0.055) / 1.055) ** 2.4
        for part in _parts(colour)
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
