"""Letters as outlines, for files that must look alike wherever they are opened.

PDFium, which is here to read PDFs back, takes the shapes out of any font FreeType reads, TrueType or CFF. They
go into a PDF as a font of its own and into an SVG as paths; nobody needs the font again.
"""

from __future__ import annotations

import ctypes
import struct
import threading
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import pypdfium2.raw as pdfium  # type: ignore[import-untyped]  # publishes no type information

from codegen.lettering import Face
from kernel.errors import InvalidInput

FONT_BYTES_MAX: Final = 64 * 1024 * 1024
GLYPHS_MAX: Final = 255
"""Different characters in the constant lines of one template: as many as a simple PDF font holds."""

_LOCK: Final = threading.Lock()  # PDFium may be in one thread only

Segment = tuple[str, tuple[int, ...]]
"""`M` or `L` with a point, `C` with three, `Z` with none; thousandths of an em, y upwards."""


@dataclass(frozen=True, slots=True)
class Glyph:
    """A letter's shape and how far it moves the pen, in thousandths of an em."""

    advance: int
    segments: tuple[Segment, ...]


def glyphs_of(face: Face, characters: Iterable[str]) -> dict[str, Glyph]:
    """The shapes of characters in a face that has them.

    Raises:
        InvalidInput: there are more than `GLYPHS_MAX`, or the font is too large or cannot be read.
    """
    wanted = "".join(sorted(set(characters)))
    if len(wanted) > GLYPHS_MAX:
        raise InvalidInput(f"The lines of a label have {len(wanted)} different characters, above {GLYPHS_MAX}.")
    return dict(_load(face.path, face.index, wanted))


@lru_cache(maxsize=32)
def _load(path: str, index: int, characters: str) -> tuple[tuple[str, Glyph], ...]:
    data = _face_bytes(Path(path), index)
    with _LOCK:
        document = pdfium.FPDF_CreateNewDocument()
        kept = (ctypes.c_uint8 * len(data)).from_buffer_copy(data)  # PDFium reads from it until it is closed
        try:
            font = pdfium.FPDFText_LoadFont(document, kept, len(data), pdfium.FPDF_FONT_TRUETYPE, 1)
            if not font:
                raise InvalidInput(f"{path} is not a font file that can be read.")
            try:
                return tuple((character, _glyph(font, character)) for character in characters)
            finally:
                pdfium.FPDFFont_Close(font)
        finally:
            pdfium.FPDF_CloseDocument(document)


def _glyph(font: Any, character: str) -> Glyph:  # noqa: ANN401 (a handle of PDFium's)
    width = ctypes.c_float()
    pdfium.FPDFFont_GetGlyphWidth(font, ord(character), 1.0, width)
    path = pdfium.FPDFFont_GetGlyphPath(font, ord(character), 1.0)
    return Glyph(round(width.value * 1000), () if not path else _segments(path))


def _segments(path: Any) -> tuple[Segment, ...]:  # noqa: ANN401 (a handle of PDFium's)
    found: list[Segment] = []
    curve: list[int] = []
    x, y = ctypes.c_float(), ctypes.c_float()
    for number in range(pdfium.FPDFGlyphPath_CountGlyphSegments(path)):
        segment = pdfium.FPDFGlyphPath_GetGlyphPathSegment(path, number)
        pdfium.FPDFPathSegment_GetPoint(segment, x, y)
        point = (round(x.value * 1000), round(y.value * 1000))
        kind = pdfium.FPDFPathSegment_GetType(segment)
        if kind == pdfium.FPDF_SEGMENT_BEZIERTO:
            curve += point
            if len(curve) == 6:
                found.append(("C", tuple(curve)))
                curve = []
        else:
            found.append(("M" if kind == pdfium.FPDF_SEGMENT_MOVETO else "L", point))
        if pdfium.FPDFPathSegment_GetClose(segment):
            found.append(("Z", ()))
    return tuple(found)


def _face_bytes(path: Path, index: int) -> bytes:
    """One face of a font file as a file of its own (OpenType 1.9, the table directory and TTC header)."""
    if path.stat().st_size > FONT_BYTES_MAX:
        raise InvalidInput(f"The font {path} has more than {FONT_BYTES_MAX // 2**20} MB.")
    data = path.read_bytes()
    if data[:4] != b"ttcf":
        return data
    try:
        start = struct.unpack_from(">I", data, 12 + 4 * index)[0]
        tables = struct.unpack_from(">H", data, start + 4)[0]
        position = 12 + 16 * tables
        directory, bodies = [data[start : start + 12]], []
        for number in range(tables):
            tag, checksum, offset, length = struct.unpack_from(">4sIII", data, start + 12 + 16 * number)
            directory.append(struct.pack(">4sIII", tag, checksum, position, length))
            body = data[offset : offset + length]
            bodies.append(body + bytes(-length % 4))
            position += len(bodies[-1])
    except struct.error as error:
        raise InvalidInput(f"The font {path} is damaged: its table directory ends early.") from error
    return b"".join(directory + bodies)


def width(text: str, glyphs: dict[str, Glyph]) -> float:
    """Width of a text in ems."""
    return sum(glyphs[character].advance for character in text) / 1000


def set_line(face: Face, text: str, room_em: float) -> tuple[str, dict[str, Glyph]]:
    """A text no wider than a room, in ems, and the shapes of its characters; what is cut ends in an ellipsis.

    Raises:
        InvalidInput: as `glyphs_of`.
    """
    glyphs = glyphs_of(face, text + "…")
    line = text
    while len(line) > 1 and width(line, glyphs) > room_em:
        line = line.removesuffix("…")[:-1] + "…"
    return line, {character: glyphs[character] for character in set(line)}
