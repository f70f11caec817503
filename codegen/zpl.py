r"""Labels for Zebra printers, in ZPL II: with the symbol made by the printer, or as a graphic.

The printer makes the symbol itself from `^BQ`. The field data begins with the error correction level, then
`M` for manual input, a comma and `A` for alphanumeric mode (`^FDMM,A…`): with automatic input the printer may
split the text into segments of its own, and the symbol might be of another version than the one we checked.
A graphic (`^GFA`) is the label dot by dot, in the compression for hexadecimal data that all ZPL II printers
read; it is larger, and the same on every printer. Every label stands alone, so that a roll can be taken up again
at any label.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from codegen.labelruns import LabelRun, parse_codes
from codegen.labels import DESCENT, LineSpot
from codegen.outfiles import PrintReport, replacing
from codegen.rasters import Dots, LabelRaster
from codegen.symbols import Bytes
from kernel.errors import InvalidInput

LABELS_PER_FILE_MAX: Final = 1_000_000
MAGNIFICATION_MAX: Final = 10
GRAPHIC_BYTES_MAX: Final = 99_999
"""What one `^GF` takes; a larger graphic is sent in bands."""

_LOWERED_DOTS: Final = 10  # some firmware sets `^BQ` ten dots below its field origin: room is left for it
_RUN: Final = re.compile(r"(.)\1{2,}")


def write_zpl(
    path: Path,
    run: LabelRun,
    codes: Iterable[Bytes],
    *,
    dpi: int = 300,
    graphic: bool = False,
    on_progress: Callable[[int], None] | None = None,
) -> PrintReport:
    """Write labels as ZPL, one format (`^XA … ^XZ`) a label, in constant memory.

    Args:
        path: The file; it is there whole or not at all.
        run: What is printed. Of a template for sheets each label is printed alone.
        codes: Batches of codes, ASCII, shape (n, code_length), or with both codes of a unit twice as wide.
        dpi: Dots an inch of the print head: 203, 300 or 600.
        graphic: Send each label dot by dot.
        on_progress: Called now and then with the number of labels so far.

    Raises:
        InvalidInput: A part does not fit the label, there is no label or more than `LABELS_PER_FILE_MAX`,
            or a code, text or file name cannot be used.
    """
    layout = _Graphic(run, dpi) if graphic else _Native(run, dpi)
    count = 0
    with replacing(path) as file:
        for batch in codes:
            first = run.first_number + count
            count += len(batch)
            if count > LABELS_PER_FILE_MAX:
                raise InvalidInput(f"One ZPL file holds at most {LABELS_PER_FILE_MAX} labels.")
            file.write("".join(layout.labels(batch, first)).encode())
            if on_progress is not None:
                on_progress(count)
        if not count:
            raise InvalidInput("There is no label to print: the range is empty.")
    return PrintReport(labels=count, pages=count, lettering=run.lettering(layout.raster.arrangement))


def require_modules(dots: int, most: int, maker: str) -> None:
    """Raise InvalidInput where the printer cannot make modules of so many dots itself."""
    if dots > most:
        raise InvalidInput(
            f"A {maker} printer makes modules of at most {most} dots itself, and the template wants {dots}: print a "
            "smaller symbol, or as a graphic.",
            field="symbol_mm",
        )


class _Native:
    """Formats whose symbol the printer makes."""

    def __init__(self, run: LabelRun, dpi: int) -> None:
        self._run = run
        self.raster = raster = LabelRaster(run, dpi, below_symbol_mm=_LOWERED_DOTS * 25.4 / max(dpi, 1))
        arrangement = raster.arrangement
        require_modules(arrangement.module_dots, MAGNIFICATION_MAX, "Zebra")
        factory = run.factory
        mask = "" if factory.mask is None else f",{factory.mask}"
        left, top, _ = arrangement.symbol_mm
        self._head = _head(raster) + _field(raster.paper, 0, 0)
        self._symbols = [
            f"^FO{raster.dots(left) + at},{raster.dots(top)}"
            f"^BQN,2,{arrangement.module_dots},{factory.level}{mask}^FD{factory.level}M,A{factory.prefix}"
            for at in raster.lefts
        ]
        self._lines = [
            (self._place(line, at), line, part)
            for part, at in enumerate(raster.lefts)
            for line in arrangement.lines
            if line.varies
        ]

    def labels(self, codes: Bytes, first_number: int) -> Iterator[str]:
        """The formats of a batch of codes."""
        parts = self._run.template.parts
        texts = [code.tobytes().decode("ascii") for code in parse_codes(codes, self._run)]
        for number in range(len(codes)):
            mine = texts[number * parts : (number + 1) * parts]
            gaps = [self._run.gaps(code, first_number + number, part) for part, code in enumerate(mine)]
            symbols = "".join(f"{head}{code}^FS\n" for head, code in zip(self._symbols, mine, strict=True))
            lines = "".join(
                f"{place}{_escape(line.text.format_map(gaps[part]))}^FS\n" for place, line, part in self._lines
            )
            yield f"{self._head}{symbols}{lines}^XZ\n"

    def _place(self, line: LineSpot, left: int) -> str:
        """Everything of a line's field before its text."""
        letter = max(self.raster.dots(line.letter_mm), 1)
        top = self.raster.dots(line.base_mm) - round((1 - DESCENT) * letter)
        width = self.raster.dots(line.width_mm)
        align = "L" if line.align == "left" else "C"
        return f"^FO{left + self.raster.dots(line.left_mm)},{top}^FB{width},1,0,{align}^A0N,{letter}"


class _Graphic:
    """Formats that are the label dot by dot."""

    def __init__(self, run: LabelRun, dpi: int) -> None:
        self.raster = LabelRaster(run, dpi)
        self._head = _head(self.raster)

    def labels(self, codes: Bytes, first_number: int) -> Iterator[str]:
        """The formats of a batch of codes."""
        for label in self.raster.draw(codes, first_number):
            yield f"{self._head}{_field(label, 0, 0)}^XZ\n"


def _head(raster: LabelRaster) -> str:
    return f"^XA^CI28^PW{raster.width}^LL{raster.height}^LH0,0\n"


def _escape(text: str) -> str:
    """A field's data; what would be a command or an escape is written as its number."""
    if not any(sign in text for sign in "^~_"):
        return f"^FD{text}"
    return "^FH^FD" + "".join(f"_{ord(sign):02X}" if sign in "^~_" else sign for sign in text)


def _field(ink: Dots, left: int, top: int) -> str:
    """Dots as graphic fields, only as large as the ink on them; nothing where there is none."""
    rows, columns = np.flatnonzero(ink.any(axis=1)), np.flatnonzero(ink.any(axis=0))
    if not len(rows):
        return ""
    part = ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    packed = np.packbits(part, axis=1)
    row_bytes = packed.shape[1]
    if row_bytes > GRAPHIC_BYTES_MAX:
        raise InvalidInput(f"A row of {row_bytes:,} bytes is above what a printer takes, {GRAPHIC_BYTES_MAX:,}.")
    band = GRAPHIC_BYTES_MAX // row_bytes
    fields = []
    for start in range(0, len(packed), band):
        rows_here = packed[start : start + band]
        origin = f"^FO{left + int(columns[0])},{top + int(rows[0]) + start}"
        fields.append(f"{origin}^GFA,{rows_here.size},{rows_here.size},{row_bytes},{compress(rows_here)}^FS\n")
    return "".join(fields)


def compress(rows: NDArray[np.uint8]) -> str:
    """Rows of bytes in ZPL's compression of hexadecimal data.

    A letter before a digit repeats it (G to Y: 1 to 19 times, g to z: 20 to 400 times, added up), a comma fills
    the row with zeros, an exclamation mark with ones, a colon repeats the row before (ZPL II Programming Guide,
    alternative data compression scheme).
    """
    out, before = [], ""
    for row in rows:
        digits = row.tobytes().hex().upper()
        if digits == before:
            out.append(":")
            continue
        before = digits
        kept, end = digits, ""
        for sign, mark in (("0", ","), ("F", "!")):
            short = digits.rstrip(sign)
            if len(digits) - len(short) > 1:
                kept, end = short, mark
                break
        out.append(_RUN.sub(_repeat, kept) + end)
    return "".join(out)


def _repeat(match: re.Match[str]) -> str:
    count, out = len(match[0]), ""
    while count >= 20:
        twenties = min(count // 20, 20)
        out += chr(ord("g") + twenties - 1)
        count -= 20 * twenties
    if count:
        out += chr(ord("G") + count - 1)
    return out + match[1]
