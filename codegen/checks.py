"""Check columns of data files, for many rows at once; see `columns` for what they are. Pure.

Both are read from tables. A CRC is linear over GF(2), so that of a text of fixed length is that of the text of
zero bytes XOR one table word for each byte. MOD 97-10 is a walk through 97 remainders.
"""

from __future__ import annotations

import zlib
from typing import Final

import numpy as np
from numpy.typing import NDArray

from codegen.scheme import SYMBOLS

_HEX: Final = np.frombuffer(b"".join(b"%02X" % value for value in range(256)), np.uint16)
_PAIRS: Final = np.frombuffer(b"".join(b"%02d" % value for value in range(100)), np.uint16)


class Crc32:
    """CRC-32 of `prefix + code`, for codes of 20 symbols after one prefix."""

    def __init__(self, prefix: bytes) -> None:
        zeros = bytes(SYMBOLS)
        base = zlib.crc32(prefix + zeros)
        self._base = np.uint32(base)
        self._tables = np.zeros((SYMBOLS, 256), np.uint32)
        for place in range(SYMBOLS):
            for value in range(256):
                changed = zeros[:place] + bytes([value]) + zeros[place + 1 :]
                self._tables[place, value] = zlib.crc32(prefix + changed) ^ base

    def write_into(self, codes: NDArray[np.uint8], out: NDArray[np.uint8]) -> None:
        """Write eight hexadecimal digits for each of the codes, shape (n, 20), into its row of `out`, (n, 8)."""
        sums = np.full(len(codes), self._base, np.uint32)
        for place in range(SYMBOLS):
            sums ^= self._tables[place].take(codes[:, place])
        octets = sums.astype(">u4").view(np.uint8).reshape(-1, 4)
        out[:] = _HEX.take(octets).view(np.uint8).reshape(-1, 8)


def _step() -> NDArray[np.uint8]:
    """The remainder after one more symbol: index is the remainder times 256 plus the symbol's byte."""
    table = np.zeros((97, 256), np.uint8)
    remainders = np.arange(97)
    for byte in b"0123456789":
        table[:, byte] = (remainders * 10 + byte - ord("0")) % 97
    for byte in b"ABCDEFGHIJKLMNOPQRSTUVWXYZ":
        table[:, byte] = (remainders * 100 + byte - ord("A") + 10) % 97
    return table.reshape(-1)


_STEP: Final = _step()


def write_mod97_into(codes: NDArray[np.uint8], out: NDArray[np.uint8]) -> None:
    """Write two check digits for each of the codes, shape (n, 20), into its row of `out`, (n, 2)."""
    remainders = np.zeros(len(codes), np.uint8)
    for place in range(SYMBOLS):
        remainders = _STEP.take(remainders.astype(np.int64) << 8 | codes[:, place])
    digits = 98 - remainders.astype(np.int64) * 100 % 97
    out[:] = _PAIRS.take(digits).view(np.uint8).reshape(-1, 2)
