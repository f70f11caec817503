"""What each module of a QR symbol belongs to: fixed patterns, format information, codewords (ISO/IEC 18004)."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray
from qrcode import constants
from qrcode.base import rs_blocks
from qrcode.exceptions import DataOverflowError
from qrcode.main import QRCode
from qrcode.util import MODE_8BIT_BYTE, MODE_ALPHA_NUM, QRData, pattern_position

Bools: TypeAlias = NDArray[np.bool_]
Ints: TypeAlias = NDArray[np.int64]

LEVELS: Final = {
    "L": constants.ERROR_CORRECT_L, "M": constants.ERROR_CORRECT_M, "Q": constants.ERROR_CORRECT_Q,
    "H": constants.ERROR_CORRECT_H,
}  # fmt: skip
_MISDECODE: Final = {(1, "L"): 3, (1, "M"): 2, (1, "Q"): 1, (1, "H"): 1, (2, "L"): 2, (3, "L"): 1}
"""Codewords that are kept back against misdecoding (ISO/IEC 18004 table of error correction characteristics)."""


def size_of(version: int) -> int:
    """Modules a side."""
    return 4 * version + 17


@dataclass(frozen=True, slots=True)
class Anatomy:
    """The modules of all symbols of one version. Boolean maps have the shape (size, size).

    Attributes:
        corners: The three finder patterns with their separators, one map each.
        timings: The two timing patterns, one map each.
        alignment: All alignment patterns; empty for version 1.
        formats: The two copies of the format information, one map each.
        codewords: The codeword that each module belongs to, in the order of placement; -1 for all others.
    """

    corners: tuple[Bools, ...]
    timings: tuple[Bools, ...]
    alignment: Bools
    formats: tuple[Bools, ...]
    codewords: Ints


@functools.cache
def anatomy(version: int) -> Anatomy:
    """The anatomy of a version, 1 to 40."""
    size = size_of(version)
    blank = np.zeros((size, size), np.bool_)
    corners = tuple(_filled(blank, rows, columns) for rows, columns in (
        (slice(0, 8), slice(0, 8)), (slice(0, 8), slice(size - 8, size)), (slice(size - 8, size), slice(0, 8)),
    ))  # fmt: skip
    alignment = blank.copy()
    places = pattern_position(version)
    for row in places:
        for column in places:
            if not any(corner[row, column] for corner in corners):
                alignment[row - 2 : row + 3, column - 2 : column + 3] = True
    timings = (_filled(blank, 6, slice(8, size - 8)), _filled(blank, slice(8, size - 8), 6))
    first, second = blank.copy(), blank.copy()
    first[8, :9] = first[:9, 8] = True
    first[8, 6] = first[6, 8] = False  # the timing patterns run through it
    second[8, size - 8 :] = second[size - 7 :, 8] = True
    function = alignment | first | second | timings[0] | timings[1]
    for corner in corners:
        function = function | corner
    function[size - 8, 8] = True  # always dark
    if version >= 7:
        function[:6, size - 11 : size - 8] = function[size - 11 : size - 8, :6] = True
    return Anatomy(corners, timings, alignment, (first, second), _placed(function))


def _filled(blank: Bools, rows: slice | int, columns: slice | int) -> Bools:
    filled = blank.copy()
    filled[rows, columns] = True
    return filled


def _placed(function: Bools) -> Ints:
    """The codeword of each data module: two columns at a time from the right, upwards and downwards by turns."""
    size = len(function)
    codewords = np.full((size, size), -1, np.int64)
    bit, upwards = 0, True
    column = size - 1
    while column > 0:
        if column == 6:  # the vertical timing pattern is passed over
            column -= 1
        for row in range(size - 1, -1, -1) if upwards else range(size):
            for each in (column, column - 1):
                if not function[row, each]:
                    codewords[row, each] = bit // 8
                    bit += 1
        column, upwards = column - 2, not upwards
    codewords[codewords >= bit // 8] = -1  # remainder bits
    return codewords


@functools.cache
def blocks(version: int, level: str) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """For each codeword in the order of placement its error correction block; for each block what it can spend.

    A block of `n` error correction codewords, less what is kept back against misdecoding, spends two for each
    wrong codeword.
    """
    made = rs_blocks(version, LEVELS[level])
    order: list[int] = []
    for at in range(max(block.data_count for block in made)):
        order += [number for number, block in enumerate(made) if at < block.data_count]
    corrections = [block.total_count - block.data_count for block in made]
    for at in range(max(corrections)):
        order += [number for number, count in enumerate(corrections) if at < count]
    kept = _MISDECODE.get((version, level), 0)
    return tuple(order), tuple(count - kept for count in corrections)


def symbol(text: str, version: int, level: str, mask: int, *, mode: int) -> Bools | None:
    """Which modules are dark in the symbol of a text; None where it does not fit in that mode."""
    code = QRCode(version=version, error_correction=LEVELS[level], mask_pattern=mask)
    try:
        code.add_data(QRData(text.encode(), mode=mode, check_data=True))
        code.make(fit=False)
    except (ValueError, DataOverflowError):
        return None
    return np.array(code.modules, np.bool_)


MODES: Final = (MODE_ALPHA_NUM, MODE_8BIT_BYTE)
"""How most symbols with URLs are coded; others are graded without knowing which modules are wrong."""
