"""Views as bytes: compact JSON for the map, rows for a spreadsheet. Pure.

A view has one resolution r, so that of a cell's 64 bits only the base cell and r digits tell anything: 7 + 3·r
bits, which fit a JavaScript number. They are sent in order, as differences. Counts are sent whole for a view of one
part, and otherwise part by part as pairs of places: most cells are empty in most parts.
"""

from __future__ import annotations

import gzip
import json
from typing import Any, Final

import h3.api.basic_int as h3
import numpy as np
from numpy.typing import NDArray

Cells = NDArray[np.int64]
Counts = NDArray[np.int64]

PACKED_BYTES_MAX: Final = 150_000
"""What a view may weigh on the wire; a heavier one is answered one resolution coarser."""

_DIGITS: Final = 15


def pack_cells(cells: Cells, counts: Counts, resolution: int) -> dict[str, Any]:
    """Cells of one resolution with their counts [n, steps], as the page's script reads them.

    Returns:
        `r`, `cells` (differences of the shortened, sorted cells) and `parts`: for one part its counts in the order
        of the cells; for more, of each part the differences of the places that are not empty and their counts.
    """
    order = np.argsort(cells, kind="stable")
    short = (cells[order] >> (3 * (_DIGITS - resolution))) & ((1 << (7 + 3 * resolution)) - 1)
    ordered = counts[order]
    if ordered.shape[1] == 1:
        parts: list[Any] = [ordered[:, 0].tolist()]
    else:
        parts = [_sparse(ordered[:, step]) for step in range(ordered.shape[1])]
    return {"r": resolution, "cells": np.diff(short, prepend=0).tolist(), "parts": parts}


def _sparse(column: Counts) -> list[list[int]]:
    places = np.flatnonzero(column)
    return [np.diff(places, prepend=0).tolist(), column[places].tolist()]


def weigh(document: object) -> int:
    """Bytes of a document on the wire."""
    return len(gzip.compress(json.dumps(document, separators=(",", ":")).encode(), compresslevel=6, mtime=0))


def centres(cells: Cells) -> list[tuple[float, float]]:
    """Latitude and longitude of each cell's centre, to about a metre."""
    return [(round(lat, 5), round(lng, 5)) for lat, lng in (h3.cell_to_latlng(cell) for cell in cells.tolist())]


def names(cells: Cells) -> list[str]:
    """The cells as H3 writes them, in hexadecimal."""
    return [f"{cell:x}" for cell in cells.tolist()]
