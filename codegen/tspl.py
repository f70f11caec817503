"""Labels for TSC printers and the many that speak their language, in TSPL: symbol by the printer, or a graphic.

`QRCODE` in manual mode (`M`) takes the mode of the data from its first letter: `A` for alphanumeric, so that the
symbol is the one we checked. `BITMAP` bits are 0 for ink. `SIZE` stands at the file's beginning; the gap between
labels is left as the printer was calibrated. Lines end in CR LF. Codes and numbers are set in the printer's own
fonts 1 to 5, whose letters are all of one width.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Final

import numpy as np

from codegen.labelruns import LabelRun, parse_codes
from codegen.labels import DESCENT, LineSpot
from codegen.outfiles import PrintReport, replacing
from codegen.rasters import Dots, LabelRaster
from codegen.symbols import Bytes
from codegen.zpl import require_modules
from kernel.errors import InvalidInput

LABELS_PER_FILE_MAX: Final = 1_000_000
CELL_MAX: Final = 10
FONTS: Final = {"5": (32, 48), "4": (24, 32), "3": (16, 24), "2": (12, 20), "1": (8, 12)}
"""Width and height in dots of a letter of each of the printer's own fonts, the largest first."""


def write_tspl(
    path: Path,
    run: LabelRun,
    codes: Iterable[Bytes],
    *,
    dpi: int = 203,
    graphic: bool = False,
    on_progress: Callable[[int], None] | None = None,
) -> PrintReport:
    """Write labels as TSPL, one `CLS … PRINT` a label, in constant memory.

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
    raster = LabelRaster(run, dpi)
    if not graphic:
        require_modules(raster.arrangement.module_dots, CELL_MAX, "TSC")
    width, height = run.template.label_mm
    count = 0
    with replacing(path) as file:
        file.write(b"SIZE %b mm,%b mm\r\nREFERENCE 0,0\r\n" % (f"{width:g}".encode(), f"{height:g}".encode()))
        for batch in codes:
            first = run.first_number + count
            count += len(batch)
            if count > LABELS_PER_FILE_MAX:
                raise InvalidInput(f"One TSPL file holds at most {LABELS_PER_FILE_MAX} labels.")
            labels = _graphic(raster, batch, first) if graphic else _native(raster, run, batch, first)
            file.write(b"".join(b"CLS\r\n%bPRINT 1,1\r\n" % label for label in labels))
            if on_progress is not None:
                on_progress(count)
        if not count:
            raise InvalidInput("There is no label to print: the range is empty.")
    return PrintReport(labels=count, pages=count, lettering=run.lettering(raster.arrangement))


def _graphic(raster: LabelRaster, codes: Bytes, first_number: int) -> Iterator[bytes]:
    for label in raster.draw(codes, first_number):
        yield _bitmap(label, 0, 0)


def _native(raster: LabelRaster, run: LabelRun, codes: Bytes, first_number: int) -> Iterator[bytes]:
    parts = run.template.parts
    texts = [code.tobytes().decode("ascii") for code in parse_codes(codes, run)]
    paper = _bitmap(raster.paper, 0, 0)
    left, top, _ = raster.arrangement.symbol_mm
    mask = "" if run.factory.mask is None else f",S{run.factory.mask}"
    options = f"{run.factory.level},{raster.arrangement.module_dots},M,0,M2{mask}"
    for number in range(len(codes)):
        pieces = [paper]
        for part, at in enumerate(raster.lefts):
            code = texts[number * parts + part]
            x, y = raster.dots(left) + at, raster.dots(top)
            pieces.append(f'QRCODE {x},{y},{options},"A{run.factory.prefix}{code}"\r\n'.encode("ascii"))
            gaps = run.gaps(code, first_number + number, part)
            lines = (line for line in raster.arrangement.lines if line.varies)
            pieces += [_line(raster, line, line.text.format_map(gaps), at) for line in lines]
        yield b"".join(pieces)


def _line(raster: LabelRaster, line: LineSpot, text: str, left: int) -> bytes:
    """A line that varies, in the largest of the printer's fonts that fits; dot by dot where none does."""
    letter, room = raster.dots(line.letter_mm), raster.dots(line.width_mm)
    base = raster.dots(line.base_mm)
    start = left + raster.dots(line.left_mm)
    for font, (width, height) in FONTS.items():
        if height <= letter + 1 and width * len(text) <= room:
            x = start + (0 if line.align == "left" else (room - width * len(text)) // 2)
            top = base - round((1 - DESCENT) * height)
            return f'TEXT {x},{top},"{font}",0,1,1,"{text}"\r\n'.encode("ascii")
    ink = raster.set_line(text, line)
    x = start + (0 if line.align == "left" else (room - ink.shape[1]) // 2)
    return _bitmap(ink, x, base - len(ink) + round(DESCENT * len(ink)))


def _bitmap(ink: Dots, left: int, top: int) -> bytes:
    """Dots as a `BITMAP`, only as large as the ink on them; nothing where there is none."""
    rows, columns = np.flatnonzero(ink.any(axis=1)), np.flatnonzero(ink.any(axis=0))
    if not len(rows):
        return b""
    packed = np.packbits(ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1], axis=1)
    place = (left + int(columns[0]), top + int(rows[0]), packed.shape[1], packed.shape[0])
    return b"BITMAP %d,%d,%d,%d,0," % place + (~packed).tobytes() + b"\r\n"
