"""An indication of a symbol's print quality, in the terms of ISO/IEC 15415 for matrix symbols.

Parameters, formulas and limits are those of ISO/IEC 15415:2011 (clause "Image assessment parameters and
grading") and of ISO/IEC 18004 (annex on symbol print quality: fixed patterns and format information). What a
verifier has and a phone's picture has not: calibrated reflectance (grey levels stand for it here, under the
camera's own curve), a known aperture (half a module here), light from 45° all around, five turned pictures, a
camera straight above (its slant is taken out by a projective map). So this finds bad prints; it certifies none.

Each parameter is graded 4 to 0 (A, B, C, D, F); the symbol's grade is the lowest of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from codegen import anatomy, grids
from codegen.anatomy import Anatomy
from codegen.decoders import Sighting
from codegen.grids import Bools, Corners, Floats
from codegen.symbols import QUIET_ZONE_MODULES

Levels: TypeAlias = NDArray[np.int64]

NOTE_EN: Final = (
    "The grades are an indication from an uncalibrated picture, in the terms of ISO/IEC 15415. "
    "They are no certified grade; for that, a calibrated verifier is needed."
)
NOTE_ZH: Final = "等级由未校准的图像按 ISO/IEC 15415 的参数估算，仅供参考，不是认证等级；正式定级须使用经校准的检测仪。"

LETTERS: Final = "FDCBA"
_CONTRAST: Final = (0.70, 0.55, 0.40, 0.20)
_MODULATION: Final = (0.50, 0.40, 0.30, 0.20)
_CORRECTION: Final = (0.62, 0.50, 0.37, 0.25)
_AXIAL: Final = (0.06, 0.08, 0.10, 0.12)
_GRID: Final = (0.38, 0.50, 0.63, 0.75)
_TIMING: Final = (0.0, 0.07, 0.11, 0.14)
_ALIGNMENT: Final = (0.0, 0.10, 0.20, 0.30)
_SLANT_MAX: Final = 0.03  # opposite sides may differ by so much for the picture to count as taken from above
_FITS: Final = 3  # each brings the grid nearer: more modules are where they should be, and tell more edges
_FIT_PX: Final = 0.1  # a smaller correction of the corners changes nothing
_WRONG_SHARE_MAX: Final = 0.2  # of all modules: beyond it the symbol was coded in another way than was guessed


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter: its value in its own unit, and its grade from 4 to 0; None where the picture cannot tell."""

    name: str
    value: float
    grade: int | None

    @property
    def letter(self) -> str | None:
        """A, B, C, D or F."""
        return None if self.grade is None else LETTERS[self.grade]


@dataclass(frozen=True, slots=True)
class Grades:
    """All parameters of one symbol.

    Attributes:
        parameters: In the standard's order.
        growth: Print growth: how much wider a dark module is than its share, in modules. It is told and not
            graded, as in the standard.
        inverted: Whether the symbol is light on dark.
        corners: The corners as the grid was fitted.
    """

    parameters: tuple[Parameter, ...]
    growth: float
    inverted: bool
    corners: Corners

    @property
    def overall(self) -> int:
        """The lowest grade, 4 to 0."""
        return min(each.grade for each in self.parameters if each.grade is not None)

    @property
    def letter(self) -> str:
        """The lowest grade as a letter."""
        return LETTERS[self.overall]


@dataclass(frozen=True, slots=True)
class _Symbol:
    """A symbol as it was sampled.

    Attributes:
        light: Reflectance of each module with the quiet zone, 0 to 1.
        threshold: The global threshold, half way between the lightest and the darkest.
        contrast: Between the lightest and the darkest.
        dark: Which modules of the symbol look dark.
        expected: Which should be; as they look where that is not known.
        told: Whether `expected` is known.
    """

    light: Floats
    threshold: float
    contrast: float
    dark: Bools
    expected: Bools
    told: bool


def grade(picture: NDArray[np.uint8], seen: Sighting) -> Grades:
    """Grade one symbol of a picture.

    Args:
        picture: Grey levels, shape (height, width); taken as reflectance.
        seen: The symbol as ZXing saw it, with its version.
    """
    assert seen.version is not None
    size = anatomy.size_of(seen.version)
    parts = anatomy.anatomy(seen.version)
    patch = grids.rectify(picture, seen.corners, size)
    inverted = _is_inverted(patch.modules(), parts)
    if inverted:
        picture = 255 - picture
        patch = grids.rectify(picture, seen.corners, size)
    corners = seen.corners
    sampled = _sample(patch, seen)
    if sampled is None:
        return _failed(inverted, corners)
    if sampled.told and (sampled.dark != sampled.expected).mean() > _WRONG_SHARE_MAX:
        return _failed(inverted, corners)
    shifts = grids.shifts(patch, sampled.expected, sampled.threshold)
    for _ in range(_FITS):
        fitted = shifts.corrected(corners)
        if np.abs(np.array(fitted) - np.array(corners)).max() < _FIT_PX:
            break
        patch = grids.rectify(picture, fitted, size)
        again = _sample(patch, seen, sampled.expected if sampled.told else None)
        if again is None:
            break
        corners, sampled = fitted, again
        shifts = grids.shifts(patch, sampled.expected, sampled.threshold)
    levels = _levels(sampled)
    wrong = sampled.dark != sampled.expected
    parameters = (
        Parameter("decode", 1.0, 4),
        Parameter("symbol_contrast", sampled.contrast, _at_least(sampled.contrast, _CONTRAST)),
        _modulation("modulation", seen, levels, _modulations(sampled)),
        _modulation(
            "reflectance_margin", seen, np.where(wrong, 0, levels), np.where(wrong, 0.0, _modulations(sampled))
        ),
        _fixed_pattern_damage(sampled, parts, levels),
        _format_information(sampled, parts, levels),
        _axial_nonuniformity(corners),
        _grid_nonuniformity(shifts),
        _unused_error_correction(seen, wrong if sampled.told else None),
        _quiet_zone(sampled),
    )
    return Grades(parameters, shifts.growth, inverted, corners)


def _failed(inverted: bool, corners: Corners) -> Grades:
    """The grid cannot be followed on the picture: there is no contrast, or the symbol lies at its edge."""
    return Grades((Parameter("decode", 1.0, 4), Parameter("symbol_contrast", 0.0, 0)), 0.0, inverted, corners)


def _is_inverted(light: Floats, parts: Anatomy) -> bool:
    """Whether the finder patterns' dark squares are lighter than the rings around them."""
    inner = light[QUIET_ZONE_MODULES:-QUIET_ZONE_MODULES, QUIET_ZONE_MODULES:-QUIET_ZONE_MODULES]
    pattern = _fixed(parts, len(inner))
    corners = parts.corners[0] | parts.corners[1] | parts.corners[2]
    dark, bright = inner[corners & pattern], inner[corners & ~pattern]
    return bool(np.nanmean(dark) > np.nanmean(bright)) if len(dark) and not np.isnan(inner).all() else False


def _sample(patch: grids.Patch, seen: Sighting, known: Bools | None = None) -> _Symbol | None:
    """Judge the modules of a patch; `known` is what they should be, where that was found before."""
    light = patch.modules()
    quiet = QUIET_ZONE_MODULES
    inner = light[quiet:-quiet, quiet:-quiet]
    if np.isnan(inner).any():
        return None
    there = light[~np.isnan(light)]
    lightest, darkest = float(there.max()), float(there.min())
    contrast, threshold = lightest - darkest, (lightest + darkest) / 2
    if contrast <= 0:
        return None
    dark = inner < threshold
    expected = _expected(seen, dark) if known is None else known
    return _Symbol(light, threshold, contrast, dark, dark if expected is None else expected, expected is not None)


def _expected(seen: Sighting, dark: Bools) -> Bools | None:
    """The symbol as it should be: its text coded again; the mirror image where that fits better."""
    if seen.version is None or seen.level is None or seen.mask is None:
        return None
    best: Bools | None = None
    for mode in anatomy.MODES:
        made = anatomy.symbol(seen.text, seen.version, seen.level, seen.mask, mode=mode)
        if made is None:
            continue
        for each in (made, made.T):
            if best is None or (each != dark).sum() < (best != dark).sum():
                best = each
        if best is not None and (best != dark).mean() <= _WRONG_SHARE_MAX:
            return best
    return None


def _levels(sampled: _Symbol) -> Levels:
    """Modulation of each module as a level from 4 to 0 (clause "Modulation"): MOD = 2·|R - GT| / SC."""
    values = _modulations(sampled)
    return np.select([values >= limit for limit in _MODULATION], [4, 3, 2, 1], 0)


def _modulations(sampled: _Symbol) -> Floats:
    quiet = QUIET_ZONE_MODULES
    inner = sampled.light[quiet:-quiet, quiet:-quiet]
    values: Floats = 2 * np.abs(inner - sampled.threshold) / sampled.contrast
    return values


def _modulation(name: str, seen: Sighting, levels: Levels, modulations: Floats) -> Parameter:
    """Modulation, and reflectance margin (clauses of these names).

    For each level from 4 to 0 the codewords with a module below it are taken for errors; the grade is the
    highest level for which that level and the unused error correction that would be left are both reached.
    For the reflectance margin, modules of the wrong colour have level 0. The value is the modulation of the
    weakest codeword that error correction would not forgive at grade A.
    """
    assert seen.version is not None
    parts = anatomy.anatomy(seen.version)
    placed = parts.codewords >= 0
    numbers = parts.codewords[placed]
    count = int(numbers.max()) + 1
    weakest = np.full(count, 4, np.int64)
    np.minimum.at(weakest, numbers, levels[placed])
    owners, spendable = anatomy.blocks(seen.version, seen.level or "M")
    blocks = np.array(owners)
    best = 0
    for level in range(4, 0, -1):
        errors = np.bincount(blocks[weakest < level], minlength=len(spendable))
        left = min(1 - 2 * int(wrong) / spend for wrong, spend in zip(errors, spendable, strict=True))
        best = max(best, min(level, _at_least(left, _CORRECTION)))
    values = np.ones(count)
    np.minimum.at(values, numbers, modulations[placed])
    forgiven = [
        float(np.sort(values[blocks == number])[int((1 - _CORRECTION[0]) * spend / 2)])
        for number, spend in enumerate(spendable)
    ]
    return Parameter(name, min(forgiven), best)


def _fixed(parts: Anatomy, size: int) -> Bools:
    """Which modules of the fixed patterns are dark; False elsewhere."""
    dark = np.zeros((size, size), np.bool_)
    finder = np.zeros((7, 7), np.bool_)
    finder[[0, 6], :] = finder[:, [0, 6]] = finder[2:5, 2:5] = True
    dark[:7, :7] = dark[:7, -7:] = dark[-7:, :7] = finder
    line = np.arange(size) % 2 == 0
    dark[6, 8:-8] = dark[8:-8, 6] = line[8:-8]
    rows, columns = np.nonzero(parts.alignment)
    for row, column in zip(rows, columns, strict=True):
        # a pattern's middle is the only one of its modules with all 24 neighbours within it on both sides
        if parts.alignment[max(row - 2, 0) : row + 3, max(column - 2, 0) : column + 3].sum() == 25:
            dark[row - 2 : row + 3, column - 2 : column + 3] = True
            dark[row - 1 : row + 2, column - 1 : column + 2] = False
            dark[row, column] = True
    return dark


def _fixed_pattern_damage(sampled: _Symbol, parts: Anatomy, levels: Levels) -> Parameter:
    """Fixed pattern damage (clause of that name; segments of ISO/IEC 18004).

    Segments are the three finder patterns with separators (A: 0, 1, 2, 3 or more damaged modules), the two
    timing patterns (B: none, up to 7, 11, 14 % or more, and none of five in a row may have three), and all
    alignment patterns together (C: none, up to 10, 20, 30 % or more). For each level from 4 to 0 the modules
    below it count as damaged; a segment's grade is the highest level reached by the level and by the damage.
    The quiet zone, which the standard counts to the corners, has a parameter of its own here. The value is the
    number of modules of the wrong colour.
    """
    wrong = sampled.dark != _fixed(parts, len(sampled.dark))
    held = np.where(wrong, 0, levels)
    segments = [*parts.corners, *parts.timings, parts.alignment]
    grades = []
    for number, segment in enumerate(segments):
        if not segment.any():
            continue
        own = held[segment]
        best = 0
        for level in range(4, 0, -1):
            damaged = own < level
            if number < 3:
                notional = max(4 - int(damaged.sum()), 0)
            elif number < 5:
                notional = 0 if _in_a_row(damaged) else _at_most(float(damaged.mean()), _TIMING)
            else:
                notional = _at_most(float(damaged.mean()), _ALIGNMENT)
            best = max(best, min(level, notional))
        grades.append(best)
    fixed = np.logical_or.reduce(segments)
    return Parameter("fixed_pattern_damage", float((wrong & fixed).sum()), min(grades))


def _in_a_row(damaged: Bools) -> bool:
    """Whether more than two of any five modules side by side are damaged."""
    if len(damaged) < 5:
        return bool(damaged.sum() > 2)
    return bool(np.lib.stride_tricks.sliding_window_view(damaged, 5).sum(axis=1).max() > 2)


def _format_information(sampled: _Symbol, parts: Anatomy, levels: Levels) -> Parameter:
    """Format information (ISO/IEC 18004): each copy loses a grade for each module, the mean counts, rounded up."""
    held = np.where(sampled.dark != sampled.expected, 0, levels)
    grades = [
        max(min(level, max(4 - int((held[copy] < level).sum()), 0)) for level in range(5)) for copy in parts.formats
    ]
    wrong = sum(int((sampled.dark != sampled.expected)[copy].sum()) for copy in parts.formats)
    return Parameter("format_information", float(wrong), -(-sum(grades) // 2))


def _axial_nonuniformity(corners: Corners) -> Parameter:
    """Axial nonuniformity (clause of that name): AN = |X - Y| / ((X + Y) / 2), X and Y the mean spacings.

    A symbol seen from the side looks shorter one way, whatever the print: where opposite sides differ in length,
    it is not graded.
    """
    tl, tr, br, bl = np.array(corners)
    top, bottom, left, right = (float(np.linalg.norm(side)) for side in (tr - tl, br - bl, bl - tl, br - tr))
    across, down = top + bottom, left + right
    value = 2 * abs(across - down) / (across + down)
    slanted = max(top / bottom, bottom / top, left / right, right / left) > 1 + _SLANT_MAX
    return Parameter("axial_nonuniformity", value, None if slanted else _at_most(value, _AXIAL))


def _grid_nonuniformity(shifts: grids.Shifts) -> Parameter:
    """Grid nonuniformity (clause of that name): the farthest an intersection is off the even grid, in modules.

    Where an intersection is, the edges of the modules around it say, rid of print growth.
    """
    value = shifts.deviation()
    return Parameter("grid_nonuniformity", value, _at_most(value, _GRID))


def _unused_error_correction(seen: Sighting, wrong: Bools | None) -> Parameter:
    """Unused error correction (clause of that name): UEC = 1 - (e + 2t) / capacity, of the worst block.

    The wrong codewords t are those with a module of the wrong colour, where it is known which these are; else
    the decoder's own figure stands. Erasures e there are none.
    """
    assert seen.version is not None
    value = 1.0 if seen.unused_correction is None else float(seen.unused_correction)
    if wrong is not None:
        codewords = anatomy.anatomy(seen.version).codewords
        owners, spendable = anatomy.blocks(seen.version, seen.level or "M")
        hurt = np.unique(codewords[wrong & (codewords >= 0)])
        errors = np.bincount(np.array(owners)[hurt], minlength=len(spendable))
        value = max(0.0, min(1 - 2 * int(count) / spend for count, spend in zip(errors, spendable, strict=True)))
    return Parameter("unused_error_correction", value, _at_least(value, _CORRECTION))


def _quiet_zone(sampled: _Symbol) -> Parameter:
    """Quiet zone (ISO/IEC 18004: four modules on every side): each module that is not light costs a grade.

    What lies outside the picture is no quiet zone. The value is the number of such modules.
    """
    around = sampled.light.copy()
    around[QUIET_ZONE_MODULES:-QUIET_ZONE_MODULES, QUIET_ZONE_MODULES:-QUIET_ZONE_MODULES] = 1.0
    stains = int((~(around > sampled.threshold)).sum())
    return Parameter("quiet_zone", float(stains), max(4 - stains, 0))


def _at_least(value: float, limits: tuple[float, ...]) -> int:
    """The grade of a value that should be high."""
    return 4 - sum(bool(value < limit) for limit in limits)


def _at_most(value: float, limits: tuple[float, ...]) -> int:
    """The grade of a value that should be low."""
    return 4 - sum(bool(value > limit) for limit in limits)
