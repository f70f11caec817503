"""PDF sheets of labels, true to size.

Symbols are paths, not pictures: a picture of one pixel a module is blurred by viewers that smooth what they
enlarge, and rejected by print houses' checks as too coarse. A row of a symbol is cut into groups of eight
modules, and the rectangles of each group's 256 values are kept as text, so that a page is put together from
ready pieces. The code under the symbol is set in a font embedded in the file. The product name is a picture
drawn once (see `lettering`); where no installed font has its characters, it is text in the Song type that
viewers with Chinese support supply, and the report says so.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from reportlab.pdfbase.ttfonts import TTFontFile

from codegen import lettering
from codegen.outfiles import PrintReport, replacing
from codegen.pdf import POINTS_PER_MM, PdfWriter, number
from codegen.symbols import ALPHANUMERIC, QUIET_ZONE_MODULES, Bytes, SymbolFactory
from kernel.errors import InvalidInput

LABELS_PER_PDF_MAX: Final = 1_000_000
LABELS_PER_PAGE_MAX: Final = 2_000
MODULE_MM_MIN: Final = 0.25
"""Narrowest module that phones read reliably from ordinary print; three dots of a 300 dpi printer."""

_NAME_DPI: Final = 1200
_LINE_PITCH: Final = 1.1  # distance of base lines, in letter heights
_SIDE_MM: Final = 0.5  # what a line of text leaves free on either side of its cell
_NUMBER_DIGITS: Final = 8  # the line number's length for which letters are sized


@dataclass(frozen=True, slots=True)
class SheetTemplate:
    """A page cut into equal cells, one label each, filled row by row from the top left.

    Attributes:
        page_mm: Width and height of the paper.
        columns: Cells in a row.
        rows: Rows on a page.
        margins_mm: Left, top, right and bottom edge of the paper to the cells.
        gap_mm: Space between neighbouring cells, across and down (die-cut sheets have some).
        symbol_mm: Side of the symbol without its quiet zone, for which the cell has room besides.
        letter_mm: Height of the letters' line under the symbol, made smaller where a line would not fit.
    """

    page_mm: tuple[float, float] = (210.0, 297.0)
    columns: int = 8
    rows: int = 10
    margins_mm: tuple[float, float, float, float] = (8.0, 8.0, 8.0, 8.0)
    gap_mm: tuple[float, float] = (0.0, 0.0)
    symbol_mm: float = 15.0
    letter_mm: float = 2.0

    @property
    def labels(self) -> int:
        """Labels on a full page."""
        return self.columns * self.rows

    @property
    def cell_mm(self) -> tuple[float, float]:
        """Width and height of a cell."""
        left, top, right, bottom = self.margins_mm
        return (
            (self.page_mm[0] - left - right - (self.columns - 1) * self.gap_mm[0]) / self.columns,
            (self.page_mm[1] - top - bottom - (self.rows - 1) * self.gap_mm[1]) / self.rows,
        )

    def cell_origin_mm(self, index: int) -> tuple[float, float]:
        """Top left corner of a page's `index`-th cell, from the top left of the paper."""
        row, column = divmod(index, self.columns)
        width, height = self.cell_mm
        return (
            self.margins_mm[0] + column * (width + self.gap_mm[0]),
            self.margins_mm[1] + row * (height + self.gap_mm[1]),
        )

    def require(self, size: int) -> None:
        """Raise InvalidInput unless a symbol of `size` modules, its quiet zone and three lines fit a cell."""
        if min(self.columns, self.rows) < 1 or self.labels > LABELS_PER_PAGE_MAX:
            raise InvalidInput(f"A page holds 1 to {LABELS_PER_PAGE_MAX} labels, not {self.columns} x {self.rows}.")
        if min(self.symbol_mm, self.letter_mm) <= 0 or min(*self.margins_mm, *self.gap_mm) < 0:
            raise InvalidInput("A sheet's symbols and letters are above 0 mm, its margins and gaps at least 0.")
        module = self.symbol_mm / size
        if module < MODULE_MM_MIN:
            raise InvalidInput(
                f"A symbol of {size} modules on {self.symbol_mm:g} mm has modules of {module:.2f} mm; "
                f"phones need {MODULE_MM_MIN} mm."
            )
        width = self.symbol_mm + 2 * QUIET_ZONE_MODULES * module
        height = width + 3 * _LINE_PITCH * self.letter_mm
        cell = self.cell_mm
        if width > cell[0] or height > cell[1]:
            raise InvalidInput(
                f"A label of {width:.1f} x {height:.1f} mm does not fit a cell of "
                f"{cell[0]:.1f} x {cell[1]:.1f} mm; use a smaller symbol or fewer cells."
            )


A4_80: Final = SheetTemplate()


def write_pdf(
    path: Path,
    *,
    codes: Iterable[Bytes],
    factory: SymbolFactory,
    template: SheetTemplate = A4_80,
    title: str = "",
    first_number: int = 1,
    font_path: Path | None = None,
    on_progress: Callable[[int], None] | None = None,
) -> PrintReport:
    """Print labels to a PDF file, in constant memory.

    Args:
        path: The file; it is there whole or not at all.
        codes: Batches of codes of any size, ASCII, shape (n, code_length).
        factory: Makes the symbols.
        template: The sheet.
        title: Product name on every label; none if empty.
        first_number: Number of the first label; they count upwards.
        font_path: Font of the product name, instead of an installed one.
        on_progress: Called after each page with the number of labels so far.

    Raises:
        InvalidInput: The template cannot hold the symbol, there is no label or there are too many, a code or
            the title cannot be printed, or the file cannot be written.
    """
    template.require(factory.size)
    labels = pages = 0
    with replacing(path) as file:
        writer = PdfWriter(file, title or "Labels")
        layout = _Layout(writer, factory, template, title, font_path)
        for batch in _pages(codes, template.labels, factory):
            if labels + len(batch) > LABELS_PER_PDF_MAX:
                raise InvalidInput(f"One PDF holds at most {LABELS_PER_PDF_MAX} labels; print several ranges.")
            layout.add_page(batch, first_number + labels)
            labels += len(batch)
            pages += 1
            if on_progress is not None:
                on_progress(labels)
        if not labels:
            raise InvalidInput("There is no label to print: the range is empty.")
        writer.close()
    return PrintReport(labels=labels, pages=pages, lettering=layout.lettering)


def _pages(batches: Iterable[Bytes], count: int, factory: SymbolFactory) -> Iterator[Bytes]:
    """Batches of any size as batches of `count`, the last one perhaps smaller."""
    rest = np.empty((0, factory.code_length), np.uint8)
    for batch in batches:
        factory.parse(batch)  # names what is wrong in the caller's batch, not in our page
        codes = np.concatenate([rest, batch]) if len(rest) else batch
        whole = len(codes) - len(codes) % count
        for start in range(0, whole, count):
            yield codes[start : start + count]
        rest = codes[whole:]
    if len(rest):
        yield rest


@dataclass(frozen=True, slots=True)
class _Cell:
    """One cell of the page: where its parts stand, in points from the bottom left of the paper."""

    opening: bytes  # draws the name and sets the units to modules, the origin to the symbol's bottom left
    middle: float
    line1: float
    line2: float


class _Layout:
    """Puts pages together for one template, symbol size and product name."""

    def __init__(
        self,
        writer: PdfWriter,
        factory: SymbolFactory,
        template: SheetTemplate,
        title: str,
        font_path: Path | None,
    ) -> None:
        self._writer = writer
        self._factory = factory
        self._template = template
        self._size_pt = (template.page_mm[0] * POINTS_PER_MM, template.page_mm[1] * POINTS_PER_MM)
        self._rectangles = _rectangles(factory.size)
        font = TTFontFile("Vera.ttf")  # reportlab brings it along
        self._advance: list[float] = [font.charWidths.get(c, 0) / 1000 for c in range(128)]
        code_font = writer.add_ascii_font(font)
        self._letter_pt = self._fit_letters() * POINTS_PER_MM
        name, fonts, pictures, self.lettering = self._set_name(title, font_path)
        self._resources = writer.add(b"<</Font<</C %d 0 R%b>>/XObject<<%b>>>>" % (code_font, fonts, pictures))
        self._cells = [self._prepare_cell(index, name) for index in range(template.labels)]

    def add_page(self, codes: Bytes, first_number: int) -> None:
        """Write one page of labels."""
        packed = self._factory.render_packed(codes).reshape(len(codes), -1)
        indices = packed + np.arange(packed.shape[1]) * 256
        pieces: list[bytes] = []
        for cell, groups in zip(self._cells, indices.tolist(), strict=False):
            pieces.append(cell.opening)
            pieces.extend(map(self._rectangles.__getitem__, groups))
            pieces.append(b"f Q\n")
        pieces.append(b"BT /C %b Tf\n" % number(self._letter_pt))
        for cell, code, label_number in zip(self._cells, codes, range(first_number, 10**18), strict=False):
            line1, line2 = lettering.code_lines(code.tobytes().decode("ascii"), label_number)
            pieces.append(self._set_line(line1.encode(), cell.middle, cell.line1))
            pieces.append(self._set_line(line2.encode(), cell.middle, cell.line2))
        pieces.append(b"ET\n")
        self._writer.add_page(b"".join(pieces), resources=self._resources, size_pt=self._size_pt)

    def _set_line(self, text: bytes, middle: float, base: float) -> bytes:
        left = middle - self._width(text) * self._letter_pt / 2
        return b"1 0 0 1 %.3f %.3f Tm(%b)Tj\n" % (left, base, text)

    def _width(self, text: bytes) -> float:
        """Width of ASCII text, in letter heights."""
        return sum(self._advance[c] for c in text)

    def _fit_letters(self) -> float:
        """The letters' height in mm at which the widest line fits a cell."""
        widest = max(ALPHANUMERIC, key=lambda c: self._advance[ord(c)])
        lines = lettering.code_lines(widest * self._factory.code_length, 10**_NUMBER_DIGITS - 1)
        room = self._template.cell_mm[0] - 2 * _SIDE_MM
        return min(self._template.letter_mm, *(room / self._width(line.encode()) for line in lines))

    def _set_name(self, title: str, font_path: Path | None) -> tuple[bytes, bytes, bytes, str]:
        """How the product name is drawn.

        Returns:
            The operators, with base line and middle at the origin; the entries they need in the resources,
            fonts and pictures; and a sentence for the report.
        """
        if not title:
            return b"", b"", b"", "no name"
        height_mm = self._template.letter_mm
        room_mm = self._template.cell_mm[0] - 2 * _SIDE_MM
        line = lettering.draw(
            title,
            height_px=round(height_mm / 25.4 * _NAME_DPI),
            width_px=int(room_mm / 25.4 * _NAME_DPI),
            font_path=font_path,
        )
        if line is None:
            return self._set_viewer_name(title, room_mm)
        height, width = (side * 72 / _NAME_DPI for side in line.bitmap.shape)
        mask = self._writer.add_mask(line.bitmap)
        place = (number(width), number(height), number(-width / 2), number(-line.base_px * 72 / _NAME_DPI))
        drawing = b"%b 0 0 %b %b %b cm /N Do" % place
        return drawing, b"", b"/N %d 0 R" % mask, f"{line.font}, shapes in the file"

    def _set_viewer_name(self, title: str, room_mm: float) -> tuple[bytes, bytes, bytes, str]:
        if max(title) > "\uffff":
            raise InvalidInput(f"No installed font has all the characters of {title!r}; name a font file.")
        size_mm = min(self._template.letter_mm, room_mm / len(title))  # no character is wider than high
        size = size_mm * POINTS_PER_MM
        text = title.encode("utf-16-be").hex().encode()
        left = sum(0.5 if c < "\x7f" else 1.0 for c in title) * size / 2
        drawing = b"BT /S %b Tf %b 0 Td <%b> Tj ET" % (number(size), number(-left), text)
        font = self._writer.add_viewer_font()
        return (
            drawing,
            b"/S %d 0 R" % font,
            b"",
            "STSong-Light, which the viewer must supply: no font here has the name",
        )

    def _prepare_cell(self, index: int, name: bytes) -> _Cell:
        template = self._template
        left, top = template.cell_origin_mm(index)
        module = template.symbol_mm / self._factory.size
        quiet = QUIET_ZONE_MODULES * module
        pitch = _LINE_PITCH * template.letter_mm
        spare = template.cell_mm[1] - template.symbol_mm - 2 * quiet - 3 * pitch
        middle = left + template.cell_mm[0] / 2
        bottom = top + spare / 2 + quiet + template.symbol_mm
        base = bottom + quiet + 0.8 * template.letter_mm  # of the first line; a fifth hangs below it

        def up(y_mm: float) -> float:
            return (template.page_mm[1] - y_mm) * POINTS_PER_MM

        x = number((middle - template.symbol_mm / 2) * POINTS_PER_MM)
        scale = number(module * POINTS_PER_MM)
        drawn = b"q 1 0 0 1 %b %b cm %b Q " % (number(middle * POINTS_PER_MM), number(up(base)), name)
        opening = b"%bq %b 0 0 %b %b %b cm\n" % (drawn if name else b"", scale, scale, x, number(up(bottom)))
        return _Cell(opening, middle * POINTS_PER_MM, up(base + pitch), up(base + 2 * pitch))


def _rectangles(size: int) -> list[bytes]:
    """For each group of eight modules of a symbol and each of its 256 values, its dark runs as PDF text.

    The group at row r, byte g of a row begins at index (r * bytes_a_row + g) * 256. Units are modules, the
    origin is the symbol's bottom left. All of a symbol is one path, so neighbours leave no seam.
    """
    runs = [_runs(value) for value in range(256)]
    return [
        b"".join(b"%d %d %d 1 re\n" % (group * 8 + start, size - 1 - row, length) for start, length in value)
        for row in range(size)
        for group in range((size + 7) // 8)
        for value in runs
    ]


def _runs(value: int) -> list[tuple[int, int]]:
    """Start and length of each run of ones in a byte, from its highest bit."""
    text = f"{value:08b}"
    return [(match.start(), len(match.group())) for match in re.finditer("1+", text)]
