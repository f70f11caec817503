"""A symbol's grid in a picture: where its modules are, how light each is, and how far their edges are off.

The picture is taken apart by the projective map of the symbol's corners, so that a camera's slant is no fault
of the print. Coordinates are in modules, from the top left corner of the upright symbol.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from codegen.symbols import QUIET_ZONE_MODULES

Corners: TypeAlias = tuple[tuple[float, float], ...]
"""The four corners in pixels (x, y): top left, top right, bottom right, bottom left of the upright symbol."""

Floats: TypeAlias = NDArray[np.float64]
Bools: TypeAlias = NDArray[np.bool_]

STEPS: Final = 6
"""Samples along a module."""

_MIDDLE: Final = slice(STEPS // 4, STEPS - STEPS // 4)  # of a module: what a synthetic aperture of half a module sees
_WINDOW: Final = 5  # modules around an intersection whose edges tell where it is
_EDGES_MIN: Final = 4  # fewer edges in a window tell nothing


@dataclass(frozen=True, slots=True)
class Patch:
    """A symbol and its quiet zone, rectified: `STEPS` samples a module, 0 to 1; not a number outside the picture."""

    levels: Floats

    def modules(self) -> Floats:
        """The mean of the middle of each module, quiet zone included."""
        count = len(self.levels) // STEPS
        split = self.levels.reshape(count, STEPS, count, STEPS)
        means: Floats = split[:, _MIDDLE, :, _MIDDLE].mean(axis=(1, 3))
        return means


def rectify(picture: NDArray[np.uint8], corners: Corners, size: int) -> Patch:
    """Sample a symbol of `size` modules a side by its corners, between pixels."""
    border = QUIET_ZONE_MODULES
    along = (np.arange((size + 2 * border) * STEPS) + 0.5) / STEPS - border
    u, v = np.meshgrid(along / size, along / size)
    x, y, w = np.tensordot(perspective(corners), np.stack([u, v, np.ones_like(u)]), axes=1)
    x, y = x / w - 0.5, y / w - 0.5  # a pixel's level is that of its middle
    height, width = picture.shape
    inside = (x > -1) & (y > -1) & (x < width) & (y < height) & (w > 0)
    x, y = np.clip(np.where(inside, x, 0), 0, width - 1), np.clip(np.where(inside, y, 0), 0, height - 1)
    left, top = x.astype(int), y.astype(int)
    right, bottom = np.minimum(left + 1, width - 1), np.minimum(top + 1, height - 1)
    across, down = x - left, y - top
    upper = picture[top, left] * (1 - across) + picture[top, right] * across
    lower = picture[bottom, left] * (1 - across) + picture[bottom, right] * across
    levels = (upper * (1 - down) + lower * down) / 255
    levels[~inside] = np.nan
    return Patch(levels)


def perspective(corners: Corners) -> Floats:
    """The projective map, shape (3, 3), from the unit square to the corners."""
    equations, values = [], []
    for (x, y), (u, v) in zip(corners, ((0, 0), (1, 0), (1, 1), (0, 1)), strict=True):
        equations += [[u, v, 1, 0, 0, 0, -u * x, -v * x], [0, 0, 0, u, v, 1, -u * y, -v * y]]
        values += [x, y]
    solution = np.linalg.solve(np.array(equations, float), np.array(values, float))
    return np.append(solution, 1.0).reshape(3, 3)


@dataclass(frozen=True, slots=True)
class Shifts:
    """How far edges between modules lie from where the grid wants them.

    Attributes:
        across: For each row and each boundary to the next column, the shift to the right, in modules; not a
            number where there is no edge. Shape (size, size - 1).
        down: For each boundary to the next row and each column, the shift down. Shape (size - 1, size).
        growth: How much wider a dark module is than its share, in modules; below 0 where it is narrower.
    """

    across: Floats
    down: Floats
    growth: float

    def deviation(self) -> float:
        """The farthest that any intersection of the grid is off, in modules: the mean of the edges around it."""
        size = len(self.across)
        right = _smooth(self.across)[: size - 1]
        below = _smooth(self.down)[:, : size - 1]
        known = ~(np.isnan(right) | np.isnan(below))
        return float(np.hypot(right, below)[known].max()) if known.any() else 0.0

    def corrected(self, corners: Corners) -> Corners:
        """The corners as the edges want them: the best fit of an even grid to all of them."""
        size = len(self.across)
        moves = np.stack([_fit(self.across, 1.0, 0.5, size), _fit(self.down.T, 1.0, 0.5, size)])
        # `down` was fitted with its axes exchanged
        moves[1] = moves[1][[0, 2, 1, 3]]
        frame = perspective(corners)
        moved = []
        for u, v in ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0)):
            shift = moves @ np.array([1.0, u, v, u * v]) / size
            x, y, w = frame @ np.array([u + shift[0], v + shift[1], 1.0])
            moved.append((float(x / w), float(y / w)))
        return tuple(moved)


def shifts(patch: Patch, expected: Bools, threshold: float) -> Shifts:
    """Find the edges between modules that differ and are as they should be.

    Args:
        patch: The rectified symbol.
        expected: Which modules should be dark, shape (size, size).
        threshold: The level between dark and light.
    """
    border = QUIET_ZONE_MODULES * STEPS
    levels = patch.levels[border:-border, border:-border]
    across, polarity = _edges(levels, expected, threshold)
    down, polarity_down = _edges(levels.T, expected.T, threshold)
    growths = [_growth(across, polarity), _growth(down, polarity_down)]
    free = across - polarity * growths[0] / 2, down - polarity_down * growths[1] / 2
    return Shifts(free[0], free[1].T, float(np.mean(growths)))


def _edges(levels: Floats, expected: Bools, threshold: float) -> tuple[Floats, Floats]:
    """Along each row: the shift of the boundary behind each column, and +1 where it leads from dark to light."""
    size = len(expected)
    rows = levels.reshape(size, STEPS, size * STEPS)[:, _MIDDLE].mean(axis=1)
    half = STEPS // 2
    windows = np.stack(
        [rows[:, half + column * STEPS : half + column * STEPS + STEPS + 1] for column in range(size - 1)], axis=1
    )  # from the middle of a module to the middle of the next
    dark = windows < threshold
    polarity = expected[:, :-1].astype(float) - expected[:, 1:]
    plain = (dark[..., 0] == expected[:, :-1]) & (dark[..., -1] == expected[:, 1:]) & (polarity != 0)
    turn = np.argmax(dark != dark[..., :1], axis=2)  # the first sample on the other side
    after = np.take_along_axis(windows, turn[..., None], 2)[..., 0]
    before = np.take_along_axis(windows, np.maximum(turn - 1, 0)[..., None], 2)[..., 0]
    with np.errstate(invalid="ignore", divide="ignore"):
        place = turn - 1 + (threshold - before) / (after - before)
    found = (place + 0.5) / STEPS - 0.5  # samples lie in the middle of their sixths
    return np.where(plain, found, np.nan), polarity


def _growth(edges: Floats, polarity: Floats) -> float:
    """Twice how much farther out edges lie where dark ends than where it begins."""
    known = ~np.isnan(edges)
    ends, begins = edges[known & (polarity > 0)], edges[known & (polarity < 0)]
    return float(ends.mean() - begins.mean()) if len(ends) and len(begins) else 0.0


def _smooth(edges: Floats) -> Floats:
    """The mean of the known edges in a window around each; not a number where there are few."""
    known = ~np.isnan(edges)
    sums, counts = (_box(each) for each in (np.where(known, edges, 0.0), known.astype(float)))
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(counts >= _EDGES_MIN, sums / counts, np.nan)


def _box(values: Floats) -> Floats:
    padded = np.pad(values, _WINDOW // 2)
    sums: Floats = np.lib.stride_tricks.sliding_window_view(padded, (_WINDOW, _WINDOW)).sum(axis=(2, 3))
    return sums


def _fit(edges: Floats, first: float, middle: float, size: int) -> NDArray[Any]:
    """The plane with a twist, a + b·u + c·v + d·u·v over the unit square, nearest to the shifts."""
    rows, columns = np.nonzero(~np.isnan(edges))
    if len(rows) < 4 * _EDGES_MIN:
        return np.zeros(4)
    u, v = (columns + first) / size, (rows + middle) / size
    design = np.stack([np.ones_like(u), u, v, u * v], axis=1)
    return np.linalg.lstsq(design, edges[rows, columns], rcond=None)[0]
