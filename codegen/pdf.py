"""A small writer of PDF files (ISO 32000-1) in constant memory.

Pages go to the file as they come; only the position of each object stays in memory (8 bytes). A library that
keeps its pages until the end cannot print a million labels.
"""

from __future__ import annotations

import zlib
from array import array
from collections.abc import Mapping, Sequence
from typing import BinaryIO, Final

import numpy as np
from numpy.typing import NDArray
from reportlab.pdfbase.ttfonts import TTFontFile

from codegen.outlines import Glyph
from kernel.errors import InvalidInput

POINTS_PER_MM: Final = 72 / 25.4
_PAGES_PER_NODE: Final = 512
_FILE_BYTES_MAX: Final = 10**10 - 1  # the cross-reference table has ten digits for a position (§7.5.4)


class PdfWriter:
    """Writes one PDF file from front to back.

    Args:
        file: Open for writing bytes, at its beginning.
        title: The document's title, shown by viewers.
    """

    def __init__(self, file: BinaryIO, title: str) -> None:
        self._file = file
        self._title = title
        self._position = 0
        self._offsets = array("Q", [0])  # by object number; 0 is the head of the free list
        self._root = self.reserve()
        self._nodes: list[int] = []
        self._kids: list[int] = []
        self._node = 0
        self._pages = 0
        self._write(b"%PDF-1.4\n%\xe4\xb8\x80\xe7\xa0\x81\n")  # bytes above 127: not a text file (§7.5.2)

    def reserve(self) -> int:
        """A number for an object that is added later."""
        self._offsets.append(0)
        return len(self._offsets) - 1

    def add(self, body: bytes, number: int | None = None) -> int:
        """Write an object and return its number."""
        number = self.reserve() if number is None else number
        self._offsets[number] = self._position
        self._write(b"%d 0 obj\n%b\nendobj\n" % (number, body))
        return number

    def add_stream(self, data: bytes, entries: bytes = b"") -> int:
        """Write a compressed stream with these entries in its dictionary and return its number."""
        packed = zlib.compress(data, 1)  # higher levels save a little and take several times as long
        head = b"<</Length %d/Filter/FlateDecode%b>>" % (len(packed), entries)
        return self.add(head + b"\nstream\n" + packed + b"\nendstream")

    def add_mask(self, bitmap: NDArray[np.uint8]) -> int:
        """Write a picture whose ones are painted in the current colour (§8.9.6.2) and return its number."""
        height, width = bitmap.shape
        entries = b"/Type/XObject/Subtype/Image/ImageMask true/BitsPerComponent 1/Decode[1 0]"
        size = b"/Width %d/Height %d" % (width, height)
        return self.add_stream(np.packbits(bitmap, axis=1).tobytes(), entries + size)

    def add_ascii_font(self, font: TTFontFile) -> int:
        """Embed the ASCII part of a TrueType font, so that a string's bytes are its characters (§9.6.3).

        Returns:
            The number of the font's object.
        """
        codes = range(128)
        program = font.makeSubset(list(codes))
        widths = [round(font.charWidths.get(code, font.defaultWidth)) for code in codes]
        name = b"YIMAAA+" + bytes(font.name)
        stream = self.add_stream(program, b"/Length1 %d" % len(program))
        descriptor = self.add(
            b"<</Type/FontDescriptor/FontName/%b/Flags 4/FontBBox[%b]/ItalicAngle 0/Ascent %d/Descent %d"
            b"/CapHeight %d/StemV %d/FontFile2 %d 0 R>>"
            % (name, _numbers(font.bbox), font.ascent, font.descent, font.capHeight, font.stemV, stream)
        )
        unicode = self.add_stream(_TO_UNICODE % (b"<00> <7F>", _ASCII_RANGE))
        return self.add(
            b"<</Type/Font/Subtype/TrueType/BaseFont/%b/FirstChar 0/LastChar 127/Widths[%b]"
            b"/FontDescriptor %d 0 R/ToUnicode %d 0 R>>" % (name, _numbers(widths), descriptor, unicode)
        )

    def add_outline_font(self, glyphs: Mapping[str, Glyph]) -> int:
        """Embed letters as a font of drawings (Type 3, §9.6.5); see `outline_bytes` for its strings.

        Args:
            glyphs: at most 255, by character.

        Returns:
            The number of the font's object.
        """
        drawings, widths, unicode = [], [], []
        for number, (character, glyph) in enumerate(sorted(glyphs.items()), start=1):
            drawing = self.add_stream(_drawing(glyph))
            drawings.append(b"/g%d %d 0 R" % (number, drawing))
            widths.append(glyph.advance)
            unicode.append(b"<%02X> <%b>\n" % (number, character.encode("utf-16-be").hex().encode()))
        entries = [b"%d beginbfchar\n%bendbfchar\n" % (len(part), b"".join(part)) for part in _hundreds(unicode)]
        names = b"".join(b"/g%d" % number for number in range(1, len(widths) + 1))
        table = self.add_stream(_TO_UNICODE % (b"<00> <FF>", b"".join(entries)))
        return self.add(
            b"<</Type/Font/Subtype/Type3/Name/YimaOutlines/FontBBox[0 0 0 0]/FontMatrix[.001 0 0 .001 0 0]"
            b"/CharProcs<<%b>>/Encoding<</Type/Encoding/Differences[1%b]>>/FirstChar 1/LastChar %d/Widths[%b]"
            b"/Resources<<>>/ToUnicode %d 0 R>>" % (b"".join(drawings), names, len(widths), _numbers(widths), table)
        )

    def add_picture(self, pixels: NDArray[np.uint8]) -> int:
        """Write a picture in red, green and blue, shape (height, width, 3), and return its number (§8.9.5)."""
        height, width, _ = pixels.shape
        entries = b"/Type/XObject/Subtype/Image/ColorSpace/DeviceRGB/BitsPerComponent 8/Width %d/Height %d"
        return self.add_stream(np.ascontiguousarray(pixels).tobytes(), entries % (width, height))

    def add_form(self, content: bytes, resources: bytes, size_pt: tuple[float, float]) -> int:
        """Write a drawing to be used many times (§8.10) and return its number."""
        entries = b"/Type/XObject/Subtype/Form/BBox[0 0 %b]/Resources<<%b>>" % (_numbers(size_pt), resources)
        return self.add_stream(content, entries)

    def add_page(self, content: bytes, *, resources: int, size_pt: tuple[float, float]) -> None:
        """Write one page.

        Args:
            content: Its drawing operators.
            resources: Number of the object with its fonts and pictures.
            size_pt: Width and height in points.
        """
        if not self._kids:
            self._node = self.reserve()
        stream = self.add_stream(content)
        page = self.add(
            b"<</Type/Page/Parent %d 0 R/MediaBox[0 0 %b]/Resources %d 0 R/Contents %d 0 R>>"
            % (self._node, _numbers(size_pt), resources, stream)
        )
        self._kids.append(page)
        self._pages += 1
        if len(self._kids) == _PAGES_PER_NODE:
            self._close_node()

    def close(self) -> None:
        """Write the page tree, the catalogue and the cross-reference table. The file stays open."""
        if self._kids:
            self._close_node()
        pages = _references(self._nodes)
        self.add(b"<</Type/Pages/Kids[%b]/Count %d>>" % (pages, self._pages), self._root)
        catalogue = self.add(b"<</Type/Catalog/Pages %d 0 R>>" % self._root)
        title = self._title.encode("utf-16-be").hex().encode()
        about = self.add(b"<</Title<FEFF%b>/Producer(Yima)>>" % title)
        start = self._position
        count = len(self._offsets)
        self._write(b"xref\n0 %d\n0000000000 65535 f \n" % count)
        for offset in self._offsets[1:]:
            self._write(b"%010d 00000 n \n" % offset)
        self._write(
            b"trailer\n<</Size %d/Root %d 0 R/Info %d 0 R>>\nstartxref\n%d\n%%%%EOF\n"
            % (count, catalogue, about, start)
        )

    def _close_node(self) -> None:
        kids = _references(self._kids)
        body = b"<</Type/Pages/Parent %d 0 R/Kids[%b]/Count %d>>" % (self._root, kids, len(self._kids))
        self._nodes.append(self.add(body, self._node))
        self._kids.clear()

    def _write(self, data: bytes) -> None:
        self._file.write(data)
        self._position += len(data)
        if self._position > _FILE_BYTES_MAX:
            raise InvalidInput("The PDF would be larger than 10 GB; print the labels in several files.")


def number(value: float) -> bytes:
    """A number as PDF writes it: at most four decimals (a 28,000th of an inch), no exponent."""
    text = f"{value:.4f}".rstrip("0").rstrip(".")
    return b"0" if text == "-0" else text.encode()


def _numbers(values: Sequence[float]) -> bytes:
    return b" ".join(number(value) for value in values)


def _references(numbers: Sequence[int]) -> bytes:
    return b" ".join(b"%d 0 R" % n for n in numbers)


def outline_bytes(text: str, glyphs: Mapping[str, Glyph]) -> bytes:
    """A text as a string of the font that `PdfWriter.add_outline_font` made of these letters."""
    numbers = {character: number for number, character in enumerate(sorted(glyphs), start=1)}
    return b"<%b>" % bytes(numbers[character] for character in text).hex().encode()


def _drawing(glyph: Glyph) -> bytes:
    """A letter's drawing: its width and bounds, then its shape (§9.6.5, table 113)."""
    xs = [value for _, points in glyph.segments for value in points[0::2]] or [0]
    ys = [value for _, points in glyph.segments for value in points[1::2]] or [0]
    operators = {"M": b"m", "L": b"l", "C": b"c", "Z": b"h"}
    shape = b"\n".join(
        b"%b %b" % (b" ".join(b"%d" % value for value in points), operators[kind]) for kind, points in glyph.segments
    )
    head = b"%d 0 %d %d %d %d d1\n" % (glyph.advance, min(xs), min(ys), max(xs), max(ys))
    return head + (shape + b"\nf" if shape else b"")


def _hundreds(entries: list[bytes]) -> list[list[bytes]]:
    """Parts of at most a hundred, as a character map wants them (Adobe technical note 5014)."""
    return [entries[start : start + 100] for start in range(0, len(entries), 100)]


_ASCII_RANGE: Final = b"1 beginbfrange <20> <7E> <0020> endbfrange\n"
_TO_UNICODE: Final = (
    b"/CIDInit /ProcSet findresource begin 12 dict begin begincmap\n"
    b"/CIDSystemInfo <</Registry (Adobe) /Ordering (UCS) /Supplement 0>> def\n"
    b"/CMapName /Adobe-Identity-UCS def /CMapType 2 def\n"
    b"1 begincodespacerange %b endcodespacerange\n%b"
    b"endcmap CMapName currentdict /CMap defineresource pop end end\n"
)
