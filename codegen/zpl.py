r"""Labels for Zebra printers, in ZPL II.

The printer makes the symbol itself from `^BQ`. The field data begins with the error correction level, then
`M` for manual input, a comma and `A` for alphanumeric mode (`^FDMM,A…`): with automatic input the printer may
split the text into segments of its own, and the symbol might be of another version than the one we checked.
Every label stands alone, so that a roll can be taken up again at any label.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from codegen import lettering
from codegen.outfiles import PrintReport, replacing
from codegen.symbols import QUIET_ZONE_MODULES, Bytes, SymbolFactory
from kernel.errors import InvalidInput

LABELS_PER_FILE_MAX: Final = 1_000_000
MAGNIFICATION_MAX: Final = 10
MODULE_MM_MIN: Final = 0.25

_LOWERED_DOTS: Final = 10  # some firmware sets `^BQ` ten dots below its field origin: room is left for it
_LINES: Final = 3


@dataclass(frozen=True, slots=True)
class LabelStock:
    """The labels on the roll and the printer's head.

    Attributes:
        width_mm: Width of one label.
        height_mm: Height of one label.
        dpi: Dots an inch of the print head: 203, 300 or 600.
        letter_mm: Height of a line of text.
    """

    width_mm: float = 30.0
    height_mm: float = 40.0
    dpi: int = 300
    letter_mm: float = 2.5

    def dots(self, length_mm: float) -> int:
        """A length in the printer's dots."""
        return round(length_mm / 25.4 * self.dpi)

    def magnification(self, size: int) -> int:
        """Dots a module at which a symbol of `size` modules, its quiet zone and three lines fit.

        Raises:
            InvalidInput: The stock makes no sense, or modules would be too small to read.
        """
        if self.dpi not in (203, 300, 600) or min(self.width_mm, self.height_mm, self.letter_mm) <= 0:
            raise InvalidInput(f"A Zebra head has 203, 300 or 600 dpi and a label sides above 0 mm: {self}.")
        text = _LINES * self.dots(self.letter_mm) + _LOWERED_DOTS
        room = min(self.dots(self.width_mm), self.dots(self.height_mm) - text)
        fitting = min(room // (size + 2 * QUIET_ZONE_MODULES), MAGNIFICATION_MAX)
        if fitting < 1 or fitting * 25.4 / self.dpi < MODULE_MM_MIN:
            raise InvalidInput(
                f"A symbol of {size} modules does not fit {self.width_mm:g} x {self.height_mm:g} mm "
                f"with modules of {MODULE_MM_MIN} mm or more."
            )
        return fitting


def write_zpl(
    path: Path,
    *,
    codes: Iterable[Bytes],
    factory: SymbolFactory,
    stock: LabelStock | None = None,
    title: str = "",
    first_number: int = 1,
    font_path: Path | None = None,
) -> PrintReport:
    """Write labels as ZPL, one format (`^XA … ^XZ`) a label, in constant memory.

    Args:
        path: The file; it is there whole or not at all.
        codes: Batches of codes, ASCII, shape (n, code_length).
        factory: Says the text, level, version and mask of the symbols.
        stock: Label size and resolution; by default 30 x 40 mm at 300 dpi.
        title: Product name on every label; none if empty. If no installed font has its characters it is sent
            as text for the printer's own font, and the report says so.
        first_number: Number of the first label.
        font_path: Font of the product name, instead of an installed one.

    Raises:
        InvalidInput: The symbol does not fit the label, there is no label or more than `LABELS_PER_FILE_MAX`,
            or a code, title or file name cannot be used.
    """
    layout = _Layout(factory, stock or LabelStock(), title, font_path)
    count = 0
    with replacing(path) as file:
        for batch in codes:
            count += len(batch)
            if count > LABELS_PER_FILE_MAX:
                raise InvalidInput(f"One ZPL file holds at most {LABELS_PER_FILE_MAX} labels.")
            file.write("".join(layout.labels(batch, first_number + count - len(batch))).encode())
        if not count:
            raise InvalidInput("There is no label to print: the range is empty.")
    return PrintReport(labels=count, pages=count, lettering=layout.lettering)


class _Layout:
    """One label's ZPL, all but its code."""

    def __init__(self, factory: SymbolFactory, stock: LabelStock, title: str, font_path: Path | None) -> None:
        self._factory = factory
        magnification = stock.magnification(factory.size)
        side = factory.size * magnification
        quiet = QUIET_ZONE_MODULES * magnification
        width, letter = stock.dots(stock.width_mm), stock.dots(stock.letter_mm)
        mask = "" if factory.mask is None else f",{factory.mask}"
        self._head = (
            f"^XA^CI28^PW{width}^LL{stock.dots(stock.height_mm)}^LH0,0\n"
            f"^FO{(width - side) // 2},{quiet}^BQN,2,{magnification},{factory.level}{mask}"
            f"^FD{factory.level}M,A{factory.prefix}"
        )
        first = side + 2 * quiet + _LOWERED_DOTS
        self._lines = [f"^FO0,{first + row * letter}^FB{width},1,0,C^A0N,{letter}" for row in (1, 2)]
        name, self.lettering = _name(title, first, width, letter, font_path)
        self._name = name

    def labels(self, codes: Bytes, first_number: int) -> Iterator[str]:
        """The formats of a batch of codes."""
        self._factory.parse(codes)
        for label_number, code in enumerate(codes, start=first_number):
            text = code.tobytes().decode("ascii")
            line1, line2 = lettering.code_lines(text, label_number)
            yield (
                f"{self._head}{text}^FS\n{self._name}"
                f"{self._lines[0]}^FD{line1}^FS\n{self._lines[1]}^FD{line2}^FS\n^XZ\n"
            )


def _name(title: str, top: int, width: int, letter: int, font_path: Path | None) -> tuple[str, str]:
    """The product name as a ZPL field, and a sentence for the report."""
    if not title:
        return "", "no name"
    line = lettering.draw(title, height_px=letter, width_px=width, font_path=font_path)
    if line is None:
        escaped = "".join(f"_{ord(c):02X}" if c in "_^~" else c for c in title)
        field = f"^FO0,{top}^FB{width},1,0,C^A0N,{letter}^FH^FD{escaped}^FS\n"
        return field, "the printer's own font: no font here has the name"
    rows = np.packbits(line.bitmap, axis=1)
    left = (width - line.bitmap.shape[1]) // 2
    field = f"^FO{left},{top}^GFA,{rows.size},{rows.size},{rows.shape[1]},{rows.tobytes().hex().upper()}^FS\n"
    return field, f"{line.font}, shapes in the file"
