"""Pages of labels as pictures: PNG in the dots of a printer, SVG for designers, both true to size.

One page is one picture; several go into a ZIP file, where the name asked for ends in `.zip`.
"""

from __future__ import annotations

import base64
import contextlib
import html
import io
import zipfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import BinaryIO, Final

import numpy as np
import reportlab
from PIL import Image

from codegen import labels, lettering, outlines, rasters
from codegen.labelruns import LabelRun, in_batches, latin_width, parse_codes
from codegen.labels import LineSpot
from codegen.lettering import Face
from codegen.outfiles import PrintReport, replacing
from codegen.outlines import Glyph
from codegen.rasters import LabelRaster
from codegen.symbols import Bytes
from kernel.errors import InvalidInput

PAGES_MAX: Final = 20_000
_LATIN: Final = str(Path(reportlab.__file__).parent / "fonts" / "Vera.ttf")
_MARK_MM: Final = 0.09

Draw = Callable[[Bytes, int], bytes]


def write_png(
    path: Path,
    run: LabelRun,
    codes: Iterable[Bytes],
    *,
    dpi: int,
    on_progress: Callable[[int], None] | None = None,
) -> PrintReport:
    """Draw pages in black and white at a printer's resolution, which the file names.

    Raises:
        InvalidInput: the template cannot hold the symbol at this resolution, a page has more than
            `rasters.PIXELS_MAX` dots, there is no label, more than one page and no ZIP, or more than `PAGES_MAX`.
    """
    pixels = [side / 25.4 * dpi for side in run.template.page_mm]
    if pixels[0] * pixels[1] > rasters.PIXELS_MAX:
        raise InvalidInput(
            f"A page of {pixels[0]:.0f} x {pixels[1]:.0f} dots is above {rasters.PIXELS_MAX:,}; use fewer dpi."
        )
    raster = LabelRaster(run, dpi)

    def draw(batch: Bytes, first_number: int) -> bytes:
        return encode_png(rasters.page(raster, run, batch, first_number), dpi)

    report = _write(path, run, codes, "png", draw, on_progress)
    return PrintReport(*report, run.lettering(raster.arrangement))


def encode_png(ink: rasters.Dots, dpi: int) -> bytes:
    """Dots as a PNG of one bit a pixel."""
    out = io.BytesIO()
    Image.fromarray(~ink).save(out, format="PNG", dpi=(dpi, dpi))
    return out.getvalue()


def write_svg(
    path: Path, run: LabelRun, codes: Iterable[Bytes], *, on_progress: Callable[[int], None] | None = None
) -> PrintReport:
    """Draw pages as SVG 1.1 whose unit is the millimetre: a path a symbol, all letters as outlines.

    Raises:
        InvalidInput: as `write_png`.
    """
    drawing = _Drawing(run)
    report = _write(path, run, codes, "svg", drawing.page, on_progress)
    return PrintReport(*report, run.lettering(drawing.arrangement))


def _write(
    path: Path,
    run: LabelRun,
    codes: Iterable[Bytes],
    extension: str,
    draw: Draw,
    on_progress: Callable[[int], None] | None,
) -> tuple[int, int]:
    """Write pages; how many labels and pages there were."""
    packed = path.suffix.lower() == ".zip"
    total = pages = 0
    with replacing(path) as file, contextlib.ExitStack() as stack:
        archive = None
        if packed:
            archive = stack.enter_context(zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=1))
        for batch in in_batches(codes, run.template.labels, run):
            if pages and archive is None:
                raise InvalidInput(
                    f"One picture holds one page, here {run.template.labels:,} labels: give the file a name that ends "
                    "in .zip, print a smaller range, or a PDF."
                )
            if pages == PAGES_MAX:
                raise InvalidInput(f"One ZIP file holds at most {PAGES_MAX:,} pictures; print several ranges.")
            content = draw(batch, run.first_number + total)
            _put(archive, file, f"{run.first_number + total:09d}.{extension}", content)
            total += len(batch)
            pages += 1
            if on_progress is not None:
                on_progress(total)
        if not total:
            raise InvalidInput("There is no label to print: the range is empty.")
    return total, pages


def _put(archive: zipfile.ZipFile | None, file: BinaryIO, name: str, content: bytes) -> None:
    if archive is None:
        file.write(content)
    else:  # a fixed time: the same range gives the same file
        archive.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)


class _Drawing:
    """Draws pages of one run as SVG."""

    def __init__(self, run: LabelRun) -> None:
        self._run = run
        self.arrangement = run.arrange()
        latin = "".join(chr(code) for code in range(32, 127))
        face = Face(_LATIN, 0, lettering.open_font(_LATIN))
        self._latin = outlines.glyphs_of(face, latin)
        self._head = self._make_head()

    def page(self, codes: Bytes, first_number: int) -> bytes:
        """One page."""
        run, template = self._run, self._run.template
        each = parse_codes(codes, run)
        x, y, _ = self.arrangement.symbol_mm
        module = self.arrangement.module_mm
        pieces = [self._head]
        for index, (code, symbol) in enumerate(zip(each, run.factory.render(each), strict=True)):
            number, part = divmod(index, template.parts)
            left, top = template.label_origin_mm(number)
            left += part * template.part_mm[0]
            pieces.append(f'<g transform="translate({left:.3f} {top:.3f})"><use xlink:href="#s"/>\n')
            place = f'transform="translate({x:.3f} {y:.3f}) scale({module:.6f})"'
            pieces.append(f'<path shape-rendering="crispEdges" {place} d="{_runs(symbol)}"/>\n')
            gaps = run.gaps(code.tobytes().decode("ascii"), first_number + number, part)
            pieces += [self._line(line, line.text.format_map(gaps)) for line in self.arrangement.lines if line.varies]
            pieces.append("</g>\n")
        pieces.append("</g>\n</svg>\n")
        return "".join(pieces).encode()

    def _make_head(self) -> str:
        width, height = self._run.template.page_mm
        letters = "".join(
            f'<path id="c{ord(character):x}" d="{_path(glyph)}"/>\n'
            for character, glyph in self._latin.items()
            if glyph.segments
        )
        marks = "".join(
            f"M{x0:.3f} {y0:.3f}L{x1:.3f} {y1:.3f}" for x0, y0, x1, y1 in labels.crop_marks(self._run.template)
        )
        drawn = f'<path d="{marks}" stroke="#000" stroke-width="{_MARK_MM}"/>\n' if marks else ""
        return (
            '<?xml version="1.0" encoding="UTF-8"?>\n'
            '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" version="1.1" '
            f'width="{width:g}mm" height="{height:g}mm" viewBox="0 0 {width:g} {height:g}">\n'
            f"<title>{html.escape(self._run.facts.get('product') or 'Labels')}</title>\n"
            f'<defs>\n{letters}<g id="s">{self._constant()}</g>\n</defs>\n'
            f'<rect width="{width:g}" height="{height:g}" fill="#fff"/>\n{drawn}<g>\n'
        )

    def _constant(self) -> str:
        """What is alike on all labels."""
        found = []
        if self.arrangement.logo_mm is not None and self._run.logo is not None:
            out = io.BytesIO()
            Image.fromarray(self._run.logo.pixels).save(out, format="PNG")
            left, top, wide, high = self.arrangement.logo_mm
            found.append(
                f'<image x="{left:.3f}" y="{top:.3f}" width="{wide:.3f}" height="{high:.3f}" '
                f'xlink:href="data:image/png;base64,{base64.b64encode(out.getvalue()).decode()}"/>'
            )
        for line in self.arrangement.lines:
            if line.varies:
                continue
            face = lettering.require_face(line.text, self._run.font_path)
            text, glyphs = outlines.set_line(face, line.text, line.width_mm / line.letter_mm)
            place = _place(line, outlines.width(text, glyphs) * line.letter_mm)
            pen, paths = 0, []
            for character in text:
                paths.append(f'<path transform="translate({pen} 0)" d="{_path(glyphs[character])}"/>')
                pen += glyphs[character].advance
            found.append(f"{place}{''.join(paths)}</g>")
        return "".join(found)

    def _line(self, line: LineSpot, text: str) -> str:
        pen, uses = 0, []
        for character in text:
            if self._latin[character].segments:
                uses.append(f'<use xlink:href="#c{ord(character):x}" x="{pen}"/>')
            pen += self._latin[character].advance
        return f"{_place(line, latin_width(text) * line.letter_mm)}{''.join(uses)}</g>\n"


def _place(line: LineSpot, wide_mm: float) -> str:
    """The opening of a line's group: its pen at the base line, in thousandths of an em, y upwards."""
    left = line.left_mm + (0 if line.align == "left" else (line.width_mm - wide_mm) / 2)
    scale = line.letter_mm / 1000
    return f'<g transform="translate({left:.3f} {line.base_mm:.3f}) scale({scale:.6f} {-scale:.6f})">'


def _path(glyph: Glyph) -> str:
    return "".join(kind + " ".join(map(str, points)) for kind, points in glyph.segments)


def _runs(symbol: Bytes) -> str:
    """The dark runs of a symbol as one path, in modules."""
    edges = np.diff(np.pad(symbol.astype(np.int8), ((0, 0), (1, 1))), axis=1)
    rows, starts = np.nonzero(edges == 1)
    ends = np.nonzero(edges == -1)[1]
    runs = zip(rows.tolist(), starts.tolist(), (ends - starts).tolist(), strict=True)
    return "".join(f"M{x} {y}h{length}v1h-{length}z" for y, x, length in runs)
