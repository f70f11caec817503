"""Labels of rolls as a PDF: one a page, with a symbol that names the roll and what a person wants to know of it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO, Final

import numpy as np
from reportlab.pdfbase.ttfonts import TTFontFile

from codegen import lettering
from codegen.batches import Batch
from codegen.outfiles import replacing
from codegen.pdf import POINTS_PER_MM, PdfWriter, number
from codegen.rolls import MARK, Roll
from codegen.symbols import SymbolFactory
from kernel.errors import InvalidInput

PAGE_MM: Final = (100.0, 60.0)
LABELS_MAX: Final = 100_000
_SYMBOL_MM: Final = 36.0
_SYMBOL_LEFT_MM: Final = 5.5
_TEXT_LEFT_MM: Final = 48.0
_TEXT_WIDTH_MM: Final = 49.0
_NAME_DPI: Final = 600
_NAME_MM: Final = 5.5
_DIGITS: Final = 6
_LINES_MM: Final = ((43.0, 6.5), (35.5, 3.6), (30.0, 3.6), (24.5, 3.2), (19.5, 3.2), (14.5, 3.2))
"""Base line above the paper's lower edge and letter height of each line of text."""


def write(path: Path, *, batch: Batch, product: str, rolls: Sequence[Roll], of: int) -> int:
    """Write the labels of rolls to a file, there whole or not at all; returns how many."""
    with replacing(path) as file:
        return write_to(file, batch=batch, product=product, rolls=rolls, of=of)


def write_to(file: BinaryIO, *, batch: Batch, product: str, rolls: Sequence[Roll], of: int) -> int:
    """Write the labels of rolls to an open file.

    Args:
        file: open for writing bytes, at its beginning.
        batch: the batch.
        product: the product's name; where no font here has its characters, it is left out.
        rolls: the rolls.
        of: how many rolls the batch has in all.

    Returns:
        How many labels.

    Raises:
        InvalidInput: there is no roll, or too many.
    """
    if not 1 <= len(rolls) <= LABELS_MAX:
        raise InvalidInput(f"A file holds 1 to {LABELS_MAX:,} roll labels, not {len(rolls):,}.")
    factory = SymbolFactory(f"{MARK}{batch.name}:", code_length=_DIGITS)
    names = "".join(f"{roll.number:0{_DIGITS}d}" for roll in rolls)
    codes = np.frombuffer(names.encode("ascii"), np.uint8).reshape(len(rolls), _DIGITS)
    writer = PdfWriter(file, f"Rolls of batch {batch.name}")
    font = writer.add_ascii_font(TTFontFile("Vera.ttf"))  # reportlab brings it along
    name, pictures = _name(writer, product)
    resources = writer.add(b"<</Font<</C %d 0 R>>/XObject<<%b>>>>" % (font, pictures))
    for roll, packed in zip(rolls, factory.render(codes), strict=True):
        content = name + _symbol(packed) + _text(batch, roll, of)
        size_pt = (PAGE_MM[0] * POINTS_PER_MM, PAGE_MM[1] * POINTS_PER_MM)
        writer.add_page(content, resources=resources, size_pt=size_pt)
    writer.close()
    return len(rolls)


def _name(writer: PdfWriter, product: str) -> tuple[bytes, bytes]:
    """The product's name as a picture: its operators, and its entry in the resources."""
    line = lettering.draw(
        product[: lettering.NAME_CHARACTERS_MAX],
        height_px=round(_NAME_MM / 25.4 * _NAME_DPI),
        width_px=int((PAGE_MM[0] - 2 * _SYMBOL_LEFT_MM) / 25.4 * _NAME_DPI),
    )
    if line is None:
        return b"", b""
    height, width = (side * 72 / _NAME_DPI for side in line.bitmap.shape)
    mask = writer.add_mask(line.bitmap)
    place = (number(width), number(height), number(_SYMBOL_LEFT_MM * POINTS_PER_MM), number(51.5 * POINTS_PER_MM))
    return b"q %b 0 0 %b %b %b cm /N Do Q\n" % place, b"/N %d 0 R" % mask


def _symbol(modules: np.ndarray[tuple[int, int], np.dtype[np.uint8]]) -> bytes:
    """The symbol as one path, its units modules."""
    size = len(modules)
    scale = number(_SYMBOL_MM / size * POINTS_PER_MM)
    left, bottom = number(_SYMBOL_LEFT_MM * POINTS_PER_MM), number(9.0 * POINTS_PER_MM)
    pieces = [b"q %b 0 0 %b %b %b cm\n" % (scale, scale, left, bottom)]
    for row, line in enumerate(modules):
        edges = np.flatnonzero(np.diff(np.concatenate([[0], line, [0]])))
        pieces.extend(
            b"%d %d %d 1 re\n" % (start, size - 1 - row, end - start)
            for start, end in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True)
        )
    return b"".join([*pieces, b"f Q\n"])


def _text(batch: Batch, roll: Roll, of: int) -> bytes:
    serial = batch.first_serial
    said = (
        f"ROLL {roll.number:,} / {of:,}",
        f"BATCH {batch.name}",
        f"GTIN {batch.gtin}",
        f"{roll.count:,} PCS   LINES {roll.first:,} - {roll.last:,}",
        f"KEY {batch.key_id}   SERIALS {serial + 2 * (roll.first - 1):,}",
        f"TO {serial + 2 * (roll.last - 1):,}",
    )
    pieces = [b"BT\n"]
    for words, (base_mm, letter_mm) in zip(said, _LINES_MM, strict=True):
        # DejaVu's letters are at most 0.7 of their height wide on the average of such lines: made smaller to fit.
        fitted = min(letter_mm, _TEXT_WIDTH_MM / (0.66 * len(words)))
        pieces.append(
            b"/C %b Tf 1 0 0 1 %b %b Tm (%b) Tj\n"
            % (
                number(fitted * POINTS_PER_MM),
                number(_TEXT_LEFT_MM * POINTS_PER_MM),
                number(base_mm * POINTS_PER_MM),
                words.encode("ascii"),
            )
        )
    return b"".join([*pieces, b"ET\n"])
