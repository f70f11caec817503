"""An indication of a symbol's print quality.

Letters and limits are those of ISO/IEC 15415:2011 for two-dimensional symbols, but a picture from an
unknown scanner or camera is no calibrated reflectance, and of the standard's parameters only those that such
a picture can show are looked at. It is an indication to find bad prints by, not a verification report.
"""

from __future__ import annotations

from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from codegen.symbols import QUIET_ZONE_MODULES

Corners: TypeAlias = tuple[tuple[float, float], ...]
"""The four corners in pixels (x, y): top left, top right, bottom right, bottom left of the upright symbol."""

_LETTERS: Final = "ABCDF"
_MODULATION_SHARE: Final = 0.05  # error correction bears with this share of modules weaker than the grade


def grade(picture: NDArray[np.uint8], corners: Corners, version: int, unused_correction: float | None) -> str:
    """The worst of five grades: contrast, modulation, uniformity, quiet zone, unused error correction.

    Args:
        picture: Grey levels, shape (height, width); taken as reflectance.
        corners: Where the symbol is.
        version: Its version, 1 to 40.
        unused_correction: Share of the error correction that decoding did not use; None if unknown.

    Returns:
        A, B, C, D or F.
    """
    size = version * 4 + 17
    quiet = QUIET_ZONE_MODULES
    reflectance = _sample(picture, corners, size)
    symbol = reflectance[quiet:-quiet, quiet:-quiet]
    seen = reflectance[~np.isnan(reflectance)]
    lightest, darkest = float(seen.max()), float(seen.min())
    contrast = lightest - darkest
    if contrast <= 0 or np.isnan(symbol).any():
        return "F"
    threshold = (lightest + darkest) / 2
    modulation = np.quantile(2 * np.abs(symbol - threshold) / contrast, _MODULATION_SHARE)
    around = reflectance.copy()
    around[quiet:-quiet, quiet:-quiet] = lightest
    stains = int((~(around > threshold)).sum())  # what lies outside the picture is no quiet zone
    scores = [
        _at_least(contrast, (0.70, 0.55, 0.40, 0.20)),
        _at_least(float(modulation), (0.50, 0.40, 0.30, 0.20)),
        _at_least(-_nonuniformity(corners), (-0.06, -0.08, -0.10, -0.12)),
        min(stains, 4),
    ]
    if unused_correction is not None:
        scores.append(_at_least(unused_correction, (0.62, 0.50, 0.37, 0.25)))
    return _LETTERS[max(scores)]


def _at_least(value: float, limits: tuple[float, ...]) -> int:
    """How many of the falling limits the value stays below: 0 is grade A, 4 is F."""
    return sum(value < limit for limit in limits)


def _nonuniformity(corners: Corners) -> float:
    """Axial nonuniformity: how much wider the modules are than high, or higher than wide."""
    tl, tr, br, bl = np.array(corners)
    across = np.linalg.norm(tr - tl) + np.linalg.norm(br - bl)
    down = np.linalg.norm(bl - tl) + np.linalg.norm(br - tr)
    return float(2 * abs(across - down) / (across + down))


def _sample(picture: NDArray[np.uint8], corners: Corners, size: int) -> NDArray[np.float64]:
    """Mean grey level (0 to 1) of the middle of each module, with the quiet zone.

    Returns:
        Shape (size + 8, size + 8); not a number outside the picture.
    """
    centres = np.arange(-QUIET_ZONE_MODULES, size + QUIET_ZONE_MODULES) + 0.5
    steps = np.array([-0.25, 0.0, 0.25])
    along = (centres[:, None] + steps).reshape(-1) / size
    u, v = np.meshgrid(along, along)
    points = np.stack([u, v, np.ones_like(u)])
    x, y, w = np.tensordot(_perspective(corners), points, axes=1)
    column, row = np.floor(x / w).astype(int), np.floor(y / w).astype(int)
    height, width = picture.shape
    inside = (column >= 0) & (row >= 0) & (column < width) & (row < height)
    levels = np.full(u.shape, np.nan)
    levels[inside] = picture[row[inside], column[inside]] / 255
    modules = len(centres)
    means: NDArray[np.float64] = levels.reshape(modules, 3, modules, 3).mean(axis=(1, 3))
    return means


def _perspective(corners: Corners) -> NDArray[np.float64]:
    """The projective map, shape (3, 3), from the unit square to the corners."""
    equations, values = [], []
    for (x, y), (u, v) in zip(corners, ((0, 0), (1, 0), (1, 1), (0, 1)), strict=True):
        equations += [[u, v, 1, 0, 0, 0, -u * x, -v * x], [0, 0, 0, u, v, 1, -u * y, -v * y]]
        values += [x, y]
    solution = np.linalg.solve(np.array(equations, float), np.array(values, float))
    return np.append(solution, 1.0).reshape(3, 3)
