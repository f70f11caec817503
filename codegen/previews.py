"""Pictures of a template before anything is printed, with made-up codes that nobody issued."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from PIL import Image

from codegen import rasters, samples
from codegen.labelruns import LabelRun
from codegen.labels import LabelTemplate
from codegen.logos import Logo
from codegen.symbols import SymbolFactory
from kernel.errors import InvalidInput

DPIS: Final = (600, 300, 203)
"""The first at which it is not too large; a sheet never at 600."""
PIXELS_MAX: Final = 20_000_000
"""Larger than A3 at 300 dpi: what one request may take of the memory."""
SHEET_SIDE_PX_MAX: Final = 1_200
LABEL_SIDE_PX_MAX: Final = 1_600
FACTS: Final[Mapping[str, str]] = {
    "product": "陈年花雕酒 500ml", "gtin": samples.GTIN, "lot": "L20260417", "batch": samples.BATCH,
    "order": "PO-2026-0417",
}  # fmt: skip


def label_png(
    template: LabelTemplate, *, prefix: str, facts: Mapping[str, str], logo: Logo | None, font_path: Path | None = None
) -> bytes:
    """One label, as a printer would print it, made smaller where it is large.

    Raises:
        InvalidInput: the template cannot be printed; the sentence says why.
    """
    return _draw(template, prefix, facts, logo, font_path, sheet=False)


def sheet_png(
    template: LabelTemplate, *, prefix: str, facts: Mapping[str, str], logo: Logo | None, font_path: Path | None = None
) -> bytes:
    """A full page, grey, as small as a screen wants it.

    Raises:
        InvalidInput: as `label_png`.
    """
    return _draw(template, prefix, facts, logo, font_path, sheet=True)


def require_printable(
    template: LabelTemplate, *, prefix: str, facts: Mapping[str, str], logo: Logo | None, font_path: Path | None = None
) -> None:
    """Find out whether labels of the template can be printed, whatever the paper's size.

    Raises:
        InvalidInput: a part does not fit, or no font has a line's characters.
    """
    _run(template, prefix, facts, logo, font_path).arrange()


def _run(
    template: LabelTemplate, prefix: str, facts: Mapping[str, str], logo: Logo | None, font_path: Path | None
) -> LabelRun:
    side = "" if template.parts == 2 else "OUTER"
    return LabelRun(SymbolFactory(prefix, level=template.level), template, facts, logo, 1, side, font_path)


def _draw(
    template: LabelTemplate, prefix: str, facts: Mapping[str, str], logo: Logo | None, font_path: Path | None, *,
    sheet: bool,
) -> bytes:  # fmt: skip
    run = _run(template, prefix, facts, logo, font_path)
    paper, most = (template.page_mm, SHEET_SIDE_PX_MAX) if sheet else (template.label_mm, LABEL_SIDE_PX_MAX)
    dpi = next((each for each in (DPIS if not sheet else DPIS[1:]) if _pixels(paper, each) <= PIXELS_MAX), None)
    if dpi is None:
        raise InvalidInput(f"Paper of {paper[0]:g} x {paper[1]:g} mm is too large to be shown here; it can be printed.")
    raster = rasters.LabelRaster(run, dpi)
    count = template.labels if sheet else 1
    codes = samples.codes(count, sides=template.parts)
    ink = rasters.page(raster, run, codes, 1) if sheet else next(raster.draw(codes, 1))
    image = Image.fromarray(~ink).convert("L")
    image.thumbnail((most, most), Image.Resampling.BOX)
    out = io.BytesIO()
    image.save(out, "PNG", optimize=False)
    return out.getvalue()


def _pixels(paper: tuple[float, float], dpi: int) -> float:
    return paper[0] * paper[1] * (dpi / 25.4) ** 2
