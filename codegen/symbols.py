"""QR symbols in bulk.

A QR symbol of fixed version, level and mask is linear over GF(2) in its data bits: Reed–Solomon coding,
placement and masking are all XOR. So the symbol of a code is the symbol of the code `000…0` XOR one table row
for each pair of characters (alphanumeric mode codes two characters in 11 bits, ISO/IEC 18004:2015 §7.4.4).
The tables are made by probing the library `qrcode`, which stays the one authority on what a symbol looks
like; here nothing is known about polynomials or zigzags.

A symbol is held as one machine word a row, column 0 in the word's highest bit, the unused low bits zero.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray
from qrcode import constants
from qrcode.exceptions import DataOverflowError
from qrcode.main import QRCode
from qrcode.util import MODE_ALPHA_NUM, QRData

from kernel.errors import InvalidInput

Bytes: TypeAlias = NDArray[np.uint8]
Words: TypeAlias = NDArray[Any]  # uint32 up to version 3, uint64 above

ALPHANUMERIC: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:"
"""The 45 characters of alphanumeric mode in the order of their values (ISO/IEC 18004:2015 table 5)."""

VERSION_MAX: Final = 11
"""61 modules a side: the largest symbol whose row fits a word of 64 bits; 366 characters at level M."""

QUIET_ZONE_MODULES: Final = 4
"""Width of the light margin on every side (ISO/IEC 18004:2015 §6.3.8)."""

FIXED_MASK: Final = 2
"""The mask to use where one is as good as another: its mean penalty is low under the usual prefixes."""

_LEVELS: Final = {
    "L": constants.ERROR_CORRECT_L,
    "M": constants.ERROR_CORRECT_M,
    "Q": constants.ERROR_CORRECT_Q,
    "H": constants.ERROR_CORRECT_H,
}
_VALUES: Final = np.full(256, 255, np.uint8)
_VALUES[np.frombuffer(ALPHANUMERIC.encode(), np.uint8)] = np.arange(45, dtype=np.uint8)
_CHUNK_SYMBOLS: Final = 2048  # keeps a chunk and the table rows it touches in the processor's cache


@dataclass(frozen=True, slots=True)
class _Table:
    """What one group of the code's characters (a pair, or one left over at an end) contributes."""

    columns: tuple[int, ...]
    rows: Words  # (45 or 2025, size): indexed by the characters' values, written in base 45


class SymbolFactory:
    """Renders the QR symbols of `prefix + code` for many codes of one length.

    Args:
        prefix: What every text begins with, such as `HTTPS://YIMA.EXAMPLE/Q/`; alphanumeric characters only.
        code_length: Number of characters in each code.
        level: Error correction level: L, M, Q or H.
        mask: A data mask pattern from 0 to 7 for every symbol, or None for the best of the eight for each
            symbol by the penalties of ISO/IEC 18004:2015 §7.8.3, as `qrcode` chooses it (libraries differ in
            whether the format information counts; there and here it does not).

    Attributes:
        version: The smallest version that holds the text.
        size: Modules a side, without the quiet zone.

    Raises:
        InvalidInput: A character outside the set, an unknown level or mask, or a text too long.
    """

    def __init__(self, prefix: str, code_length: int = 20, level: str = "M", mask: int | None = FIXED_MASK) -> None:
        strange = sorted(set(prefix) - set(ALPHANUMERIC))
        if strange:
            raise InvalidInput(f"The URL prefix {prefix!r} has characters outside QR's set: {strange}.")
        if code_length < 1:
            raise InvalidInput(f"A code has at least one character, not {code_length}.")
        if level not in _LEVELS:
            raise InvalidInput(f"The error correction level is one of L, M, Q, H, not {level!r}.")
        if mask is not None and not 0 <= mask <= 7:
            raise InvalidInput(f"The mask is a number from 0 to 7, not {mask}.")
        self.prefix = prefix
        self.code_length = code_length
        self.level = level
        self.mask = mask
        self.version = _fit(prefix + "0" * code_length, level)
        self.size = self.version * 4 + 17
        self._word = np.dtype(np.uint32 if self.size <= 32 else np.uint64)
        zeros = "0" * code_length
        self._base = self._probe(zeros, mask or 0)
        self._tables = [self._tabulate(columns) for columns in _groups(len(prefix), code_length)]
        if mask is None:
            self._trials = [self._probe(zeros, m, trial=True) for m in range(8)]
            self._masks = np.stack([self._probe(zeros, m) ^ self._base for m in range(8)])

    def render(self, codes: Bytes) -> Bytes:
        """The symbols of `codes`.

        Args:
            codes: ASCII, shape (n, code_length).

        Returns:
            Modules, shape (n, size, size): 1 is dark, 0 light. Rows may lie apart in memory.

        Raises:
            InvalidInput: The shape is wrong or a character is not alphanumeric.
        """
        packed = self.render_packed(codes)
        # All bits at once, and the padding left out by a view: three times as fast as unpacking row by row.
        bits = np.unpackbits(np.ascontiguousarray(packed).reshape(-1))
        return bits.reshape(len(codes), self.size, 8 * packed.shape[2])[:, :, : self.size]

    def render_packed(self, codes: Bytes) -> Bytes:
        """The symbols of `codes` with eight modules a byte.

        Args:
            codes: ASCII, shape (n, code_length).

        Returns:
            Shape (n, size, ceil(size / 8)): rows padded to whole bytes with light modules, the leftmost
            module in the highest bit, as in a PBM file.

        Raises:
            InvalidInput: The shape is wrong or a character is not alphanumeric.
        """
        words = self.render_words(codes)
        octets = words.astype(self._word.newbyteorder(">"), copy=False).view(np.uint8)
        return octets.reshape(len(codes), self.size, self._word.itemsize)[:, :, : (self.size + 7) // 8]

    def render_words(self, codes: Bytes) -> Words:
        """The symbols of `codes` as one word a row, shape (n, size); see the module's docstring.

        Raises:
            InvalidInput: The shape is wrong or a character is not alphanumeric.
        """
        values = self.parse(codes)
        words = np.empty((len(codes), self.size), self._word)
        lines = np.empty((min(len(codes), _CHUNK_SYMBOLS), len(self._base)), self._word)
        scratch = np.empty_like(lines)
        for start in range(0, len(codes), _CHUNK_SYMBOLS):
            part = values[start : start + _CHUNK_SYMBOLS]
            chunk, rows = lines[: len(part)], scratch[: len(part)]
            chunk[:] = self._base
            for table in self._tables:
                np.take(table.rows, _index(part, table.columns), axis=0, out=rows, mode="clip")
                np.bitwise_xor(chunk, rows, out=chunk)
            if self.mask is None:
                self._remask(chunk)
            words[start : start + len(part)] = chunk[:, : self.size]
        return words

    def text(self, code: Bytes) -> str:
        """The text in the symbol of one code (ASCII, shape (code_length,))."""
        return self.prefix + code.tobytes().decode("ascii")

    def parse(self, codes: Bytes) -> Bytes:
        """The values from 0 to 44 of the characters of codes (ASCII, shape (n, code_length)).

        Raises:
            InvalidInput: The shape is wrong or a character is not alphanumeric.
        """
        if codes.ndim != 2 or codes.shape[1] != self.code_length or codes.dtype != np.uint8:
            raise InvalidInput(
                f"Codes are bytes of shape (n, {self.code_length}), not {codes.dtype} of shape {codes.shape}."
            )
        values = _VALUES[codes]
        if values.size and values.max() == 255:
            row, column = (int(i) for i in np.argwhere(values == 255)[0])
            raise InvalidInput(
                f"Code {row} has {chr(codes[row, column])!r} at position {column}, which is not alphanumeric."
            )
        return values

    def _remask(self, chunk: Words) -> None:
        """Change symbols rendered under mask 0 to the best mask of each, in place."""
        data = np.ascontiguousarray((chunk ^ self._base).T)
        penalties = [_penalty(data ^ trial[:, None], self.size) for trial in self._trials]
        best = np.argmin(np.stack(penalties), axis=0)  # the first of equals, as in `qrcode`
        chunk ^= self._masks[best]

    def _tabulate(self, columns: tuple[int, ...]) -> _Table:
        """Probe what the characters in `columns` change in the symbol.

        The values of a whole pair fill 11 bits, so 11 probes span all 2,025 of them, and 6 probes those of a
        single character at the end. A character that shares its pair with the prefix changes a sum, whose
        carries make it non-linear: each of its 45 values is probed.
        """
        count = 45 ** len(columns)
        rows = np.zeros((count, len(self._base)), self._word)
        if columns == (0,) and len(self.prefix) % 2:
            for value in range(1, count):
                rows[value] = self._effect(columns, value)
        else:
            values = np.arange(count)
            for bit in range((count - 1).bit_length()):
                rows[values >> bit & 1 == 1] ^= self._effect(columns, 1 << bit)
        return _Table(columns, rows)

    def _effect(self, columns: tuple[int, ...], value: int) -> Words:
        code = ["0"] * self.code_length
        for column in reversed(columns):
            value, digit = divmod(value, 45)
            code[column] = ALPHANUMERIC[digit]
        return self._probe("".join(code), self.mask or 0) ^ self._base

    def _probe(self, code: str, mask: int, *, trial: bool = False) -> Words:
        """The symbol of one code as `qrcode` makes it: its rows, and its columns too if masks are compared.

        A trial has light modules where the format information goes: so `qrcode` compares masks.
        """
        symbol = QRCode(version=self.version, error_correction=_LEVELS[self.level])
        symbol.add_data(QRData(self.prefix + code, mode=MODE_ALPHA_NUM))
        symbol.makeImpl(trial, mask)
        modules = np.array(symbol.modules, dtype=np.uint8)
        if self.mask is None:
            modules = np.concatenate([modules, modules.T])
        padded = np.pad(modules, ((0, 0), (0, self._word.itemsize * 8 - self.size)))
        octets = np.packbits(padded, axis=1).reshape(-1)
        return octets.view(self._word.newbyteorder(">")).astype(self._word)


def _fit(text: str, level: str) -> int:
    symbol = QRCode(error_correction=_LEVELS[level])
    symbol.add_data(QRData(text, mode=MODE_ALPHA_NUM))
    try:
        version = int(symbol.best_fit())
    except (DataOverflowError, ValueError):  # above version 40 the library may raise either
        version = VERSION_MAX + 1
    if version > VERSION_MAX:
        raise InvalidInput(f"{len(text)} characters need a QR symbol above version {VERSION_MAX} at level {level}.")
    return version


def _groups(prefix_length: int, code_length: int) -> list[tuple[int, ...]]:
    """The columns of the code that share a pair, counted from the start of the whole text."""
    first = prefix_length % 2
    groups: list[tuple[int, ...]] = [(0,)] if first else []
    groups += [tuple(range(c, min(c + 2, code_length))) for c in range(first, code_length, 2)]
    return groups


def _index(values: Bytes, columns: tuple[int, ...]) -> NDArray[np.intp]:
    index = values[:, columns[0]].astype(np.intp)
    for column in columns[1:]:
        index = index * 45 + values[:, column]
    return index


def _penalty(lines: Words, size: int) -> NDArray[np.int32]:
    """Penalty points of symbols, many modules at once (ISO/IEC 18004:2015 §7.8.3.1, table 11).

    Args:
        lines: Shape (2 * size, n): the rows, then the columns of each symbol, one word each.
        size: Modules a side.

    Returns:
        Shape (n,).
    """
    rows = lines[:size]
    inside = lines.dtype.type(((1 << size) - 1) << (lines.dtype.itemsize * 8 - size))

    same = ~(lines ^ lines << 1) & (inside & inside << 1)  # a module and the next one along the line
    five = same & same << 1
    five &= five << 2  # windows of five alike: a run of L has L - 4, and 3 + (L - 5) points
    runs = five & ~(five >> 1)

    blocks = same[: size - 1] & same[1:size] & ~(rows[:-1] ^ rows[1:])  # 2 x 2 alike, overlaps counted

    light = ~lines & inside
    core = lines & light << 1 & lines << 2 & lines << 3 & lines << 4 & light << 5 & lines << 6
    four = light & light << 1
    four &= four << 2
    before, after = four & core << 4, core & four << 7  # like a finder, with light on one side

    def count(words: Words) -> NDArray[np.int32]:
        counts: NDArray[np.int32] = np.bitwise_count(words).sum(axis=0, dtype=np.int32)
        return counts

    deviation = np.array([int(abs(d / size**2 * 100 - 50) / 5) * 10 for d in range(size**2 + 1)], np.int32)
    finders = count(before) + count(after)
    points: NDArray[np.int32] = (
        count(five) + 2 * count(runs) + 3 * count(blocks) + 40 * finders + deviation[count(rows)]
    )
    return points
