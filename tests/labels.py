"""Pictures of labels, made of texts."""

from __future__ import annotations

import io
from collections.abc import Iterable

import numpy as np
from PIL import Image

from codegen import anatomy


def symbol(text: str) -> np.ndarray:
    """A label of 8 pixels a module with its quiet zone; upper-case texts as they are printed, others as bytes."""
    for version in range(3, 10):
        for mode in anatomy.MODES:
            made = anatomy.symbol(text, version, "M", 2, mode=mode)
            if made is not None:
                return np.where(np.pad(made, 5), 15, 240).astype(np.uint8).repeat(8, 0).repeat(8, 1)
    raise AssertionError("the text is too long")


def photo(texts: Iterable[str], *, kind: str = "PNG") -> bytes:
    """Labels side by side."""
    labels = [symbol(text) for text in texts]
    height = max(each.shape[0] for each in labels)
    row = [np.pad(each, ((0, height - each.shape[0]), (0, 0)), constant_values=240) for each in labels]
    out = io.BytesIO()
    Image.fromarray(np.hstack(row)).save(out, kind)
    return out.getvalue()
