"""Files of text as blocks of whole lines, and lines as fields, by numpy. Pure.

Byte order marks, CRLF, other encodings and lines without end are tolerated: what is no field of a code stays where
it is, and its line is told.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import BinaryIO, Final, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from kernel.errors import InvalidInput

BLOCK_BYTES: Final = 1 << 21
"""Read at a time: what a block needs stays in the cache."""

LINE_BYTES_MAX: Final = 4_096
"""Longest line that is looked at; a longer one is bad as a whole, however long."""

NEWLINE: Final = 10
_COMMA: Final = 44
_RETURN: Final = 13
COLUMNS: Final = "columns: a line holds a code or a pair"
TOO_LONG: Final = "malformed: too_long"

Ints: TypeAlias = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Fields:
    """Where the fields of a block are: from, to, and the number of their line in the block, from 0."""

    starts: Ints
    ends: Ints
    lines: Ints


@dataclass(frozen=True, slots=True)
class Split:
    """A block taken apart.

    Attributes:
        fields: What is to be verified.
        bad: Lines that are bad as such, by their number in the block, and why.
        lines: All lines.
        blank: Those with nothing on them.
    """

    fields: Fields
    bad: list[tuple[int, str]]
    lines: int
    blank: int


class Readable(Protocol):
    """What a listing is read from."""

    def read(self, size: int, /) -> bytes:
        """The next bytes; none at the end."""
        ...


class HashedFile:
    """A file whose bytes are hashed as they are read."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.digest = hashlib.sha256()

    def read(self, size: int, /) -> bytes:
        """The next bytes; none at the end."""
        data = self._file.read(size)
        self.digest.update(data)
        return data


def split(data: NDArray[np.uint8]) -> Split:
    """Take a block of whole lines apart: lines at newlines, fields at commas."""
    stops = np.flatnonzero((data == NEWLINE) | (data == _COMMA))
    closing = data[stops] == NEWLINE
    starts = np.empty_like(stops)
    starts[:1], starts[1:] = 0, stops[:-1] + 1
    ends = stops - ((stops > starts) & (data[stops - 1] == _RETURN))
    lines = np.cumsum(closing) - closing
    line_count = int(closing.sum())
    bad: list[tuple[int, str]] = []
    held = np.bincount(lines, minlength=line_count)
    empty = ends == starts
    blank = empty & (held[lines] == 1)
    keep = ~blank
    if held.size and held.max() > 2:
        many = held > 2
        bad += [(int(line), COLUMNS) for line in np.flatnonzero(many)]
        keep &= ~many[lines]
    if len(ends) and (ends - starts).max() > LINE_BYTES_MAX:
        long = (ends - starts > LINE_BYTES_MAX) & keep
        bad += [(int(line), TOO_LONG) for line in lines[long]]
        keep &= ~long
    if not keep.all():
        starts, ends, lines = starts[keep], ends[keep], lines[keep]
    return Split(Fields(starts, ends, lines), bad, line_count, int(blank.sum()))


def blocks(file: Readable, on_overlong: Callable[[], None]) -> Iterator[tuple[bytes, int]]:
    """Whole lines, each ended by a newline, and the number of bytes read; lines that fill a block are told and left."""
    rest = file.read(3)
    done = len(rest)
    if rest[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise InvalidInput("The file is UTF-16; save it as UTF-8.")
    rest = rest.removeprefix(b"\xef\xbb\xbf")
    skipping = False
    while chunk := file.read(BLOCK_BYTES):
        done += len(chunk)
        if skipping:
            cut = chunk.find(b"\n")
            if cut < 0:
                continue
            chunk, skipping = chunk[cut + 1 :], False
        cut = chunk.rfind(b"\n") + 1
        if cut:
            yield rest + chunk[:cut], done
            rest = chunk[cut:]
        else:
            rest += chunk
        if len(rest) > max(BLOCK_BYTES, LINE_BYTES_MAX):
            on_overlong()
            rest, skipping = b"", True
    if rest:
        yield rest + b"\n", done
