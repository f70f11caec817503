"""Labels in the dots of a print head: for pictures, and for printers that get a graphic.

What is alike on all labels is drawn once; each label is a copy with its symbol and its lines put in.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Final

import numpy as np
import reportlab
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from codegen import labels, lettering
from codegen.labelruns import LabelRun, latin_width, parse_codes
from codegen.labels import DESCENT, Arrangement, LineSpot
from codegen.symbols import Bytes

PIXELS_MAX: Final = 80_000_000
"""Largest picture; above it (89 million) programs take a picture for an attack and refuse to open it."""

Dots = NDArray[np.bool_]
_FONT: Final = Path(reportlab.__file__).parent / "fonts" / "Vera.ttf"


@lru_cache(maxsize=64)
def _font(height_px: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(_FONT, size=max(height_px, 1), layout_engine=ImageFont.Layout.BASIC)


class LabelRaster:
    """Draws the labels of a run at a resolution.

    Raises:
        InvalidInput: a part does not fit, or no font has a line's characters.
    """

    def __init__(self, run: LabelRun, dpi: int, *, below_symbol_mm: float = 0.0) -> None:
        self._run = run
        self.dpi = dpi
        self.arrangement: Arrangement = run.arrange(dpi, below_symbol_mm=below_symbol_mm)
        template = run.template
        self.width, self.height = (self.dots(side) for side in template.label_mm)
        self._lefts = [self.dots(part * template.part_mm[0]) for part in range(template.parts)]
        part = np.zeros((self.height, self.width), np.bool_)
        self._draw_constant(part)
        self.paper = part.copy()
        for left in self._lefts[1:]:
            self.paper[:, left:] |= part[:, : self.width - left]

    def dots(self, length_mm: float) -> int:
        """A length in dots."""
        return round(length_mm / 25.4 * self.dpi)

    @property
    def lefts(self) -> list[int]:
        """Where the parts of a label begin."""
        return self._lefts

    def draw(self, codes: Bytes, first_number: int) -> Iterator[Dots]:
        """Draw labels, one after the other, shape (height, width): true is ink.

        Args:
            codes: as `labelruns.in_batches` gives them.
            first_number: number of the first.
        """
        parts = self._run.template.parts
        each = parse_codes(codes, self._run)
        symbols = self._run.factory.render(each)
        left, top, _ = self.arrangement.symbol_mm
        x, y = self.dots(left), self.dots(top)
        dots = self.arrangement.module_dots
        side = self._run.factory.size * dots
        for number in range(len(codes)):
            label = self.paper.copy()
            for part in range(parts):
                index = number * parts + part
                grown = symbols[index].repeat(dots, axis=0).repeat(dots, axis=1)
                at = x + self._lefts[part]
                label[y : y + side, at : at + side] = grown
                gaps = self._run.gaps(each[index].tobytes().decode("ascii"), first_number + number, part)
                for line in self.arrangement.lines:
                    if line.varies:
                        self._put(label, self.set_line(line.text.format_map(gaps), line), line, self._lefts[part])
            yield label

    def set_line(self, text: str, line: LineSpot) -> Dots:
        """One varying line as dots, its base line at `DESCENT` above the lower edge."""
        height = max(self.dots(line.letter_mm), 1)
        wide = max(round(latin_width(text) * line.letter_mm / 25.4 * self.dpi), 1)
        image = Image.new("1", (wide, height), 0)
        ImageDraw.Draw(image).text((0, height - round(DESCENT * height)), text, fill=1, font=_font(height), anchor="ls")
        return np.asarray(image, dtype=np.bool_)

    def constant_line(self, line: LineSpot) -> lettering.Lettering:
        """One constant line as dots."""
        drawn = lettering.draw(
            line.text, height_px=max(self.dots(line.letter_mm), 1), width_px=max(self.dots(line.width_mm), 1),
            font_path=self._run.font_path,
        )  # fmt: skip
        assert drawn is not None, "an arrangement has only lines that a font has"
        return drawn

    def _draw_constant(self, part: Dots) -> None:
        if self.arrangement.logo_mm is not None and self._run.logo is not None:
            left, top, wide, high = self.arrangement.logo_mm
            ink = self._run.logo.ink(self.dots(wide), self.dots(high))
            _paste(part, ink, self.dots(left), self.dots(top))
        for line in self.arrangement.lines:
            if not line.varies:
                self._put(part, self.constant_line(line).bitmap.astype(np.bool_), line, 0)

    def _put(self, label: Dots, ink: Dots, line: LineSpot, left: int) -> None:
        start = line.left_mm if line.align == "left" else line.left_mm + line.width_mm / 2
        x = self.dots(start) - (0 if line.align == "left" else ink.shape[1] // 2)
        y = self.dots(line.base_mm) - len(ink) + round(DESCENT * len(ink))
        _paste(label, ink, left + x, y)


def _paste(paper: Dots, ink: Dots, left: int, top: int) -> None:
    """Put ink on paper; what would lie outside is cut."""
    x, y = max(left, 0), max(top, 0)
    part = ink[y - top : y - top + max(paper.shape[0] - y, 0), x - left : x - left + max(paper.shape[1] - x, 0)]
    paper[y : y + part.shape[0], x : x + part.shape[1]] |= part


def page(raster: LabelRaster, run: LabelRun, codes: Bytes, first_number: int) -> Dots:
    """A page of labels with its crop marks, in dots."""
    template = run.template
    width, height = (raster.dots(side) for side in template.page_mm)
    paper = np.zeros((height, width), np.bool_)
    for index, label in enumerate(raster.draw(codes, first_number)):
        left, top = template.label_origin_mm(index)
        _paste(paper, label, raster.dots(left), raster.dots(top))
    for x0, y0, x1, y1 in labels.crop_marks(template):
        left, right = sorted((raster.dots(x0), raster.dots(x1)))
        top, bottom = sorted((raster.dots(y0), raster.dots(y1)))
        paper[max(top, 0) : bottom + 1, max(left, 0) : right + 1] = True
    return paper
