"""Made-up codes for previews: of a key that no brand has, so that none of them was ever issued. Pure."""

from __future__ import annotations

import io
from typing import Final

import numpy as np
from numpy.typing import NDArray

from codegen import bulk, datafiles
from codegen.batches import Batch
from codegen.columns import ENCODINGS, DataLayout
from codegen.scheme import CodeKey

ROWS: Final = 5
PREFIX: Final = "HTTPS://YIMA.EXAMPLE/Q/"
GTIN: Final = "06901234567892"
BATCH: Final = "SAMPLE0000"

KEY: Final = CodeKey(0, bytes(32))
"""Nobody's: a brand's keys are drawn at random."""


def batch(*, paired: bool, prefix: str = PREFIX) -> Batch:
    """A batch that there is not."""
    return Batch(
        id=0, name=BATCH, brand_id=0, gtin=GTIN, order_number="PO-2026-0417", key_id=KEY.key_id, count=1_000_000_000,
        paired=paired, form="short", prefix=prefix, first_unit=0, state="ready", sha256=None,
    )  # fmt: skip


def codes(count: int, *, sides: int = 1) -> NDArray[np.uint8]:
    """Codes of lines from 1, shape (count, 20); with two sides the outer and the inner one, shape (count, 40)."""
    return bulk.seal_range(KEY, 0, count * sides, step=1 if sides == 2 else 2).reshape(count, -1)


def first_rows(layout: DataLayout, *, paired: bool, product: str, rows: int = ROWS) -> str:
    """The first rows of a file in a layout, as the text that a program reading its encoding sees.

    Raises:
        InvalidInput: as `datafiles.write`.
    """
    out = io.BytesIO()
    datafiles.write(out, layout, batch(paired=paired), KEY, [(1, rows)], product=product)
    encoding, mark = ENCODINGS[layout.encoding]
    return out.getvalue().removeprefix(mark).decode(encoding)
