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

LABEL_DPI: Final = 600
SHEET_DPI: Final = 300
SHEET_SIDE_PX_MAX: Final = 1_200
LABEL_SIDE_PX_MAX: Final = 1_600
FACTS: Final[Mapping[str, str]] = {
    "product": "陈年花雕酒 500ml", "gtin": samples.GTIN, "lot": "L20260417", "batch": samples.BATCH,
    "order": "PO-2026-0417",
}  # fmt: skip


def label_png(
    template: LabelTemplate, *, prefix: str, facts: Mapping[str, str], logo: Logo | None, font_path: Path | None = None
) -> bytes:
    """One label, as a 600 dpi printer would print it, made smaller where it is large.

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


def _draw(
    template: LabelTemplate, prefix: str, facts: Mapping[str, str], logo: Logo | None, font_path: Path | None, *,
    sheet: bool,
) -> bytes:  # fmt: skip
    factory = SymbolFactory(prefix, level=template.level)
    side = "" if template.parts == 2 else "OUTER"
    run = LabelRun(factory, template, facts, logo, 1, side, font_path)
    paper, most = (template.page_mm, SHEET_SIDE_PX_MAX) if sheet else (template.label_mm, LABEL_SIDE_PX_MAX)
    dpi = SHEET_DPI if sheet else LABEL_DPI
    if paper[0] * paper[1] * (dpi / 25.4) ** 2 > rasters.PIXELS_MAX:
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
