"""Labels as pictures: PNG for the screen and for programs, SVG for designers.

One label, or a contact sheet of several in one file.
"""

from __future__ import annotations

import html
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from codegen import labels, lettering
from codegen.outfiles import PrintReport, replacing
from codegen.symbols import QUIET_ZONE_MODULES, Bytes, SymbolFactory
from kernel.errors import InvalidInput

LABELS_PER_PICTURE_MAX: Final = 400
"""Most labels in one picture: a contact sheet is to be looked at; more belong in a PDF."""

PIXELS_MAX: Final = 80_000_000
"""Largest PNG; above it (89 million) programs take a picture for an attack and refuse to open it."""

MODULE_PX_MIN: Final = 4
MODULE_PX_MAX: Final = 64
MODULE_MM: Final = 0.5
"""Width of a module in an SVG when it is placed at its natural size."""

_LETTER_MODULES: Final = 3  # height of a line of text
_LINES: Final = 3


def write_png(
    path: Path,
    *,
    codes: Iterable[Bytes],
    factory: SymbolFactory,
    title: str = "",
    first_number: int = 1,
    module_px: int = 8,
    columns: int | None = None,
    font_path: Path | None = None,
) -> PrintReport:
    """Draw labels in one black and white PNG, a whole number of pixels to a module.

    Args:
        path: The file; it is there whole or not at all.
        codes: Batches of codes, ASCII, shape (n, code_length).
        factory: Makes the symbols.
        title: Product name on every label; none if empty. If no installed font has its characters it is left
            out, and the report says so.
        first_number: Number of the first label.
        module_px: Pixels to a module, from 4 to 64.
        columns: Labels side by side; by default the sheet is as square as possible.
        font_path: Font of the product name, instead of an installed one.

    Raises:
        InvalidInput: No label or more than `LABELS_PER_PICTURE_MAX`, a picture above `PIXELS_MAX`, or a code,
            title or file name that cannot be used.
    """
    if not MODULE_PX_MIN <= module_px <= MODULE_PX_MAX:
        raise InvalidInput(f"A module has {MODULE_PX_MIN} to {MODULE_PX_MAX} pixels, not {module_px}.")
    gathered = _gather(codes, factory)
    across, down = _grid(len(gathered), columns)
    side = (factory.size + 2 * QUIET_ZONE_MODULES) * module_px
    letter = _LETTER_MODULES * module_px
    cell = (side, side + _LINES * letter + module_px)
    if across * cell[0] * down * cell[1] > PIXELS_MAX:
        raise InvalidInput(
            f"A picture of {across * cell[0]} x {down * cell[1]} pixels is above {PIXELS_MAX}; "
            "use fewer pixels a module or fewer labels."
        )
    name = None
    if title:
        name = lettering.draw(title, height_px=letter, width_px=side - letter, font_path=font_path)
    sheet = np.zeros((down * cell[1], across * cell[0]), np.bool_)
    symbols = factory.render(gathered).repeat(module_px, axis=1).repeat(module_px, axis=2)
    inset = QUIET_ZONE_MODULES * module_px
    for index, symbol in enumerate(symbols):
        top, left = index // across * cell[1], index % across * cell[0]
        sheet[top + inset : top + side - inset, left + inset : left + side - inset] = symbol
        if name is not None:
            height, width = name.bitmap.shape
            start = left + (side - width) // 2
            sheet[top + side : top + side + height, start : start + width] = name.bitmap
    image = Image.fromarray(~sheet)
    pen = ImageDraw.Draw(image)
    font = ImageFont.load_default(letter * 3 / 4)
    for index, code in enumerate(gathered):
        top, left = index // across * cell[1], index % across * cell[0]
        lines = code_lines(code.tobytes().decode("ascii"), first_number + index)
        for row, line in enumerate(lines, start=1):
            pen.text((left + side / 2, top + side + row * letter), line, fill=0, font=font, anchor="ma")
    with replacing(path) as file:
        image.save(file, format="PNG")
    said = "no name" if not title else "name left out: no font here has its characters"
    said = said if name is None else f"{name.font}, shapes in the file"
    return PrintReport(labels=len(gathered), pages=1, lettering=said)


def write_svg(
    path: Path,
    *,
    codes: Iterable[Bytes],
    factory: SymbolFactory,
    title: str = "",
    first_number: int = 1,
    columns: int | None = None,
) -> PrintReport:
    """Draw labels in one SVG 1.1: a path a symbol, text as text in the viewer's sans serif font.

    Args:
        path: The file; it is there whole or not at all.
        codes: Batches of codes, ASCII, shape (n, code_length).
        factory: Makes the symbols.
        title: Product name on every label; none if empty.
        first_number: Number of the first label.
        columns: Labels side by side; by default the sheet is as square as possible.

    Raises:
        InvalidInput: No label or more than `LABELS_PER_PICTURE_MAX`, or a code, title or file name that
            cannot be used.
    """
    if not title.isprintable():
        raise InvalidInput(f"A product name on a label is one line, not {title!r}.")
    gathered = _gather(codes, factory)
    across, down = _grid(len(gathered), columns)
    side = factory.size + 2 * QUIET_ZONE_MODULES
    cell = (side, side + _LINES * _LETTER_MODULES + 1)
    width, height = across * cell[0], down * cell[1]
    head = (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f'<svg xmlns="http://www.w3.org/2000/svg" version="1.1" width="{width * MODULE_MM:g}mm" '
        f'height="{height * MODULE_MM:g}mm" viewBox="0 0 {width} {height}">\n'
        f'<rect width="{width}" height="{height}" fill="#fff"/>\n'
        f'<g font-family="sans-serif" font-size="{_LETTER_MODULES * 0.75:g}" text-anchor="middle">\n'
    )
    parts = [head]
    for index, (code, symbol) in enumerate(zip(gathered, factory.render(gathered), strict=True)):
        top, left = index // across * cell[1], index % across * cell[0]
        lines = code_lines(code.tobytes().decode("ascii"), first_number + index)
        parts.append(f'<g transform="translate({left} {top})">\n<path d="{_path(symbol)}"/>\n')
        for row, line in enumerate([title, *lines], start=1):
            base = side + row * _LETTER_MODULES - 1
            parts.append(f'<text x="{side / 2:g}" y="{base}">{html.escape(line)}</text>\n' if line else "")
        parts.append("</g>\n")
    parts.append("</g>\n</svg>\n")
    with replacing(path) as file:
        file.write("".join(parts).encode())
    said = "sans serif, which the viewer must supply" if title else "no name"
    return PrintReport(labels=len(gathered), pages=1, lettering=said)


def code_lines(code: str, label_number: int) -> tuple[str, str]:
    """The two lines under a symbol: half of the code; the other half and the label's number."""
    gaps = labels.code_gaps(code, label_number, "")
    return gaps["code_first"], f"{gaps['code_last']}  #{label_number}"


def _gather(batches: Iterable[Bytes], factory: SymbolFactory) -> Bytes:
    kept: list[Bytes] = []
    count = 0
    for batch in batches:
        factory.parse(batch)
        kept.append(batch)
        count += len(batch)
        if count > LABELS_PER_PICTURE_MAX:
            raise InvalidInput(
                f"One picture holds at most {LABELS_PER_PICTURE_MAX} labels; print a smaller range, or a PDF."
            )
    if not count:
        raise InvalidInput("There is no label to print: the range is empty.")
    return np.concatenate(kept).reshape(count, factory.code_length)


def _grid(count: int, columns: int | None) -> tuple[int, int]:
    """Labels across and down."""
    if columns is not None and not 1 <= columns <= LABELS_PER_PICTURE_MAX:
        raise InvalidInput(f"A picture has 1 to {LABELS_PER_PICTURE_MAX} columns, not {columns}.")
    across = min(columns or int(np.ceil(np.sqrt(count))), count)
    return across, -(-count // across)


def _path(symbol: Bytes) -> str:
    """The dark runs of a symbol as one path, the quiet zone's corner at the origin."""
    edges = np.diff(np.pad(symbol.astype(np.int8), ((0, 0), (1, 1))), axis=1)
    rows, starts = np.nonzero(edges == 1)
    ends = np.nonzero(edges == -1)[1]
    quiet = QUIET_ZONE_MODULES
    runs = zip(rows.tolist(), starts.tolist(), (ends - starts).tolist(), strict=True)
    return "".join(f"M{x + quiet} {y + quiet}h{length}v1h-{length}z" for y, x, length in runs)
