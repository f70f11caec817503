"""PDF pages of labels, true to size: sheets to be cut or peeled, and rolls, a page a label.

Symbols are paths, not pictures: a picture of one pixel a module is blurred by viewers that smooth what they
enlarge, and rejected by print houses' checks as too coarse. A row of a symbol is cut into groups of eight
modules, and the rectangles of each group's 256 values are kept as text, so that a page is put together from
ready pieces. What is alike on all labels is one drawing used again and again. All letters are in the file: codes
and numbers in a font embedded in it, other lines as outlines of the characters that they need.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from codegen import labels, lettering, outlines
from codegen.labelruns import LabelRun, in_batches, latin, latin_width, parse_codes
from codegen.labels import LabelTemplate, LineSpot
from codegen.logos import Logo
from codegen.outfiles import PrintReport, replacing
from codegen.pdf import POINTS_PER_MM, PdfWriter, number, outline_bytes
from codegen.stationery import A4_80
from codegen.symbols import Bytes, SymbolFactory
from kernel.errors import InvalidInput

LABELS_PER_PDF_MAX: Final = 1_000_000

_MARK_PT: Final = 0.25  # a crop mark's width: a hairline


def write_pdf(
    path: Path,
    *,
    codes: Iterable[Bytes],
    factory: SymbolFactory,
    template: LabelTemplate = A4_80,
    title: str = "",
    facts: Mapping[str, str] | None = None,
    logo: Logo | None = None,
    first_number: int = 1,
    side: str = "",
    font_path: Path | None = None,
    lenient: bool = False,
    on_progress: Callable[[int], None] | None = None,
) -> PrintReport:
    """Print labels to a PDF file, in constant memory.

    Args:
        path: The file; it is there whole or not at all.
        codes: Batches of codes of any size, ASCII, shape (n, code_length); of a template for both codes of a
            unit, (n, 2 · code_length), the outer one first.
        factory: Makes the symbols.
        template: What a label shows, and how labels lie on the paper.
        title: Product name; none if empty.
        facts: What else the lines name: `gtin`, `lot`, `batch`, `order`.
        logo: The brand's, for templates with room for one.
        first_number: Number of the first label; they count upwards.
        side: `OUTER` or `INNER`, for lines that name it.
        font_path: Font of the lines that are alike on all labels, instead of an installed one.
        lenient: Leave lines out that no installed font has the characters of, instead of refusing.
        on_progress: Called after each page with the number of labels so far.

    Raises:
        InvalidInput: The template cannot hold the symbol, there is no label or there are too many, a code or
            a line cannot be printed, or the file cannot be written.
    """
    run = LabelRun(
        factory, template, {**(facts or {}), "product": title}, logo, first_number, side, font_path, lenient
    )  # fmt: skip
    return print_pdf(path, run, codes, on_progress=on_progress)


def print_pdf(
    path: Path, run: LabelRun, codes: Iterable[Bytes], *, on_progress: Callable[[int], None] | None = None
) -> PrintReport:
    """Print a run to a PDF file; see `write_pdf`."""
    total = pages = 0
    template, first_number = run.template, run.first_number
    with replacing(path) as file:
        writer = PdfWriter(file, run.facts.get("product") or "Labels")
        layout = _Layout(writer, run)
        for batch in in_batches(codes, template.labels, run):
            if total + len(batch) > LABELS_PER_PDF_MAX:
                raise InvalidInput(f"One PDF holds at most {LABELS_PER_PDF_MAX} labels; print several ranges.")
            layout.add_page(batch, first_number + total)
            total += len(batch)
            pages += 1
            if on_progress is not None:
                on_progress(total)
        if not total:
            raise InvalidInput("There is no label to print: the range is empty.")
        writer.close()
    return PrintReport(labels=total, pages=pages, lettering=layout.lettering)


@dataclass(frozen=True, slots=True)
class _Cell:
    """The place of one symbol on the page, in points from the bottom left of the paper."""

    opening: bytes  # draws what is alike, sets the units to modules and the origin to the symbol's bottom left
    left: float
    top: float


@dataclass(frozen=True, slots=True)
class _Line:
    """A line that varies: its text for `str.format_map`, font size, and base line from the cell's top left."""

    text: str
    select: bytes
    size_pt: float
    x: float
    base: float
    centred: bool
    escapes: bool


class _Layout:
    """Puts pages together for one run."""

    def __init__(self, writer: PdfWriter, run: LabelRun) -> None:
        self._writer = writer
        self._run = run
        width, height = run.template.page_mm
        self._size_pt = (width * POINTS_PER_MM, height * POINTS_PER_MM)
        self._rectangles = _rectangles(run.factory.size)
        self._arrangement = run.arrange()
        self.lettering = run.lettering(self._arrangement)
        code_font = writer.add_ascii_font(latin())
        form = self._add_constant()
        parts = b"/XObject<</S %d 0 R>>" % form if form else b""
        self._resources = writer.add(b"<</Font<</C %d 0 R>>%b>>" % (code_font, parts))
        self._cells = [
            self._prepare_cell(index, part, drawn=bool(form))
            for index in range(run.template.labels)
            for part in range(run.template.parts)
        ]
        self._lines = [_prepare_line(line) for line in self._arrangement.lines if line.varies]
        self._marks = _draw_marks(run.template)

    def add_page(self, codes: Bytes, first_number: int) -> None:
        """Write one page of labels."""
        each = parse_codes(codes, self._run)
        packed = self._run.factory.render_packed(each).reshape(len(each), -1)
        groups = packed + np.arange(packed.shape[1]) * 256
        pieces: list[bytes] = [self._marks]
        for cell, indices in zip(self._cells, groups.tolist(), strict=False):
            pieces.append(cell.opening)
            pieces.extend(map(self._rectangles.__getitem__, indices))
            pieces.append(b"f Q\n")
        pieces.append(b"BT\n")
        parts = self._run.template.parts
        gaps = [
            self._run.gaps(code.tobytes().decode("ascii"), first_number + index // parts, index % parts)
            for index, code in enumerate(each)
        ]
        for line in self._lines:
            pieces.append(line.select)
            pieces += [_set_line(line, cell, filled) for cell, filled in zip(self._cells, gaps, strict=False)]
        pieces.append(b"ET\n")
        self._writer.add_page(b"".join(pieces), resources=self._resources, size_pt=self._size_pt)

    def _add_constant(self) -> int:
        """The drawing of what is alike on all labels; 0 where there is nothing."""
        constant = [line for line in self._arrangement.lines if not line.varies]
        logo = self._run.logo if self._arrangement.logo_mm is not None else None
        if not constant and logo is None:
            return 0
        height = self._run.template.label_mm[1]
        content, resources = [], b""
        if logo is not None and self._arrangement.logo_mm is not None:
            left, top, wide, high = self._arrangement.logo_mm
            place = (number(side * POINTS_PER_MM) for side in (wide, high, left, height - top - high))
            content.append(b"q %b 0 0 %b %b %b cm /L Do Q\n" % tuple(place))
            resources += b"/XObject<</L %d 0 R>>" % self._writer.add_picture(logo.pixels)
        fonts = b""
        for index, line in enumerate(constant):
            font, text = self._set_constant(line, index)
            fonts += font
            content.append(text)
        if fonts:
            resources += b"/Font<<%b>>" % fonts
        size = (self._run.template.part_mm[0] * POINTS_PER_MM, height * POINTS_PER_MM)
        return self._writer.add_form(b"".join(content), resources, size)

    def _set_constant(self, line: LineSpot, index: int) -> tuple[bytes, bytes]:
        """The font's entry in the resources and the operators of one constant line."""
        face = lettering.require_face(line.text, self._run.font_path)
        text, glyphs = outlines.set_line(face, line.text, line.width_mm / line.letter_mm)
        wide = outlines.width(text, glyphs) * line.letter_mm
        left = line.left_mm + (0 if line.align == "left" else (line.width_mm - wide) / 2)
        up = self._run.template.label_mm[1] - line.base_mm
        font = self._writer.add_outline_font(glyphs)
        drawn = b"BT /N%d %b Tf %b %b Td %b Tj ET\n" % (
            index, number(line.letter_mm * POINTS_PER_MM), number(left * POINTS_PER_MM), number(up * POINTS_PER_MM),
            outline_bytes(text, glyphs),
        )  # fmt: skip
        return b"/N%d %d 0 R" % (index, font), drawn

    def _prepare_cell(self, index: int, part: int, *, drawn: bool) -> _Cell:
        template = self._run.template
        left, top = template.label_origin_mm(index)
        left += part * template.part_mm[0]
        x, y, side = self._arrangement.symbol_mm

        def up(y_mm: float) -> float:
            return (template.page_mm[1] - y_mm) * POINTS_PER_MM

        corner = (number(left * POINTS_PER_MM), number(up(top + template.label_mm[1])))
        form = b"q 1 0 0 1 %b %b cm /S Do Q\n" % corner if drawn else b""
        scale = number(self._arrangement.module_mm * POINTS_PER_MM)
        place = (scale, scale, number((left + x) * POINTS_PER_MM), number(up(top + y + side)))
        return _Cell(form + b"q %b 0 0 %b %b %b cm\n" % place, left * POINTS_PER_MM, up(top))


def _prepare_line(line: LineSpot) -> _Line:
    size = line.letter_mm * POINTS_PER_MM
    centred = line.align == "middle"
    x = (line.left_mm + (line.width_mm / 2 if centred else 0)) * POINTS_PER_MM
    return _Line(
        line.text, b"/C %b Tf\n" % number(size), size, x, line.base_mm * POINTS_PER_MM, centred,
        escapes="(" in line.text or ")" in line.text,
    )  # fmt: skip


def _set_line(line: _Line, cell: _Cell, gaps: Mapping[str, str]) -> bytes:
    text = line.text.format_map(gaps)
    x = cell.left + line.x
    if line.centred:
        x -= latin_width(text) * line.size_pt / 2
    if line.escapes:
        text = text.replace("(", r"\(").replace(")", r"\)")
    return b"1 0 0 1 %.3f %.3f Tm(%b)Tj\n" % (x, cell.top - line.base, text.encode("ascii"))


def _draw_marks(template: LabelTemplate) -> bytes:
    """The crop marks of a page."""
    marks = labels.crop_marks(template)
    if not marks:
        return b""
    lines = [
        b"%b %b m %b %b l\n"
        % tuple(number(value * POINTS_PER_MM) for value in (x0, template.page_mm[1] - y0, x1, template.page_mm[1] - y1))
        for x0, y0, x1, y1 in marks
    ]
    return b"q %b w\n%bS Q\n" % (number(_MARK_PT), b"".join(lines))


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
