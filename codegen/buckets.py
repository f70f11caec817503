"""Finding equal codes among millions in constant memory: hashed, dealt into buckets on the disk, sorted one by one.

Hashes are uniform, so that a bucket holds its share of the distinct codes whatever the file; repeated codes go as soon
as a piece of a bucket is sorted, so that a file of one code fifty million times costs no more.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, BinaryIO, Final, Self

import numpy as np
from numpy.typing import NDArray

BUCKETS: Final = 64
PIECE_RECORDS: Final = 1_000_000
RECORD: Final = np.dtype([("high", "<u8"), ("low", "<u8"), ("line", "<u4")])
"""A hash of 16 bytes as two numbers, and the line that it came from; native, for numpy joins arrays in native order."""

Records = NDArray[Any]
Lines = NDArray[np.uint32]
OnRepeats = Callable[[Lines, Lines], None]
"""Told of lines, and for each of them the line that had its code first."""


class Dealer:
    """Deals hashes into bucket files of a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._stack = ExitStack()
        self._files: list[BinaryIO] = []

    def __enter__(self) -> Self:
        self._files = [self._stack.enter_context(path_of(self._folder, n).open("wb")) for n in range(BUCKETS)]
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def deal(self, hashes: Sequence[bytes], lines: Sequence[int]) -> None:
        """Add hashes and the lines they came from, which never go back."""
        if not hashes:
            return
        records = np.empty(len(hashes), RECORD)
        halves = np.frombuffer(b"".join(hashes), ">u8").reshape(-1, 2)
        records["high"], records["low"], records["line"] = halves[:, 0], halves[:, 1], lines
        numbers = (records["high"] >> np.uint64(58)).astype(np.uint8)
        order = np.argsort(numbers, kind="stable")
        records, ends = records[order], np.searchsorted(numbers[order], np.arange(BUCKETS), side="right")
        begin = 0
        for number, end in enumerate(ends.tolist()):
            if end > begin:
                self._files[number].write(records[begin:end].tobytes())
            begin = end


def path_of(folder: Path, number: int) -> Path:
    """A bucket's file."""
    return folder / f"bucket-{number:02d}"


def sift(path: Path, on_repeats: OnRepeats, *, piece_records: int = PIECE_RECORDS) -> Records:
    """The distinct codes of a bucket, sorted by hash, each with its first line.

    Args:
        path: the bucket's file.
        on_repeats: told, now and then, which lines repeat which.
        piece_records: how many are looked at at once.
    """
    kept = np.empty(0, RECORD)
    with path.open("rb") as file:
        while piece := file.read(piece_records * RECORD.itemsize):
            kept = _merge(np.concatenate([kept, np.frombuffer(piece, RECORD)]), on_repeats)
    return kept


def _merge(records: Records, on_repeats: OnRepeats) -> Records:
    high, low = records["high"], records["low"]
    order = np.lexsort((records["line"], low, high))
    high, low, records = high[order], low[order], records[order]
    first = np.ones(len(records), bool)
    first[1:] = (high[1:] != high[:-1]) | (low[1:] != low[:-1])
    if not first.all():
        began = np.maximum.accumulate(np.where(first, np.arange(len(records)), 0))
        on_repeats(records["line"][~first], records["line"][began[~first]])
    return records[first]


def hashes_of(records: Records) -> list[bytes]:
    """The hashes of records, 16 bytes each."""
    halves = np.empty((len(records), 2), ">u8")
    halves[:, 0], halves[:, 1] = records["high"], records["low"]
    whole = halves.tobytes()
    return [whole[at : at + 16] for at in range(0, len(whole), 16)]


class Marks:
    """Which lines of a file are good, a bit each, and which number each of them has among the good ones.

    Args:
        bits: a bit for each line; a line's bit is `line % 8` of byte `line // 8`.
    """

    def __init__(self, bits: NDArray[np.uint8]) -> None:
        self._bits = bits
        self._before: NDArray[np.uint32] | None = None

    @classmethod
    def up_to(cls, line: int) -> Marks:
        """No line marked yet."""
        return cls(np.zeros(line // 8 + 1, np.uint8))

    @classmethod
    def load(cls, path: Path) -> Marks:
        """As `save` left them."""
        return cls(np.fromfile(path, np.uint8))

    def save(self, path: Path) -> None:
        """Write them to a file."""
        self._bits.tofile(path)

    def add(self, lines: Lines) -> None:
        """Mark lines."""
        np.bitwise_or.at(self._bits, lines >> 3, (np.uint8(1) << (lines & 7).astype(np.uint8)))
        self._before = None

    def numbers(self, lines: Lines) -> NDArray[np.uint32]:
        """The numbers of marked lines, from 1 in the order of the lines."""
        if self._before is None:
            counts = np.bitwise_count(self._bits)
            self._before = np.concatenate([[0], np.cumsum(counts[:-1], dtype=np.uint32)]).astype(np.uint32)
        at = lines >> 3
        below = (np.uint8(1) << (lines & 7).astype(np.uint8)) - np.uint8(1)
        inside = np.bitwise_count(self._bits[at] & below)
        found: NDArray[np.uint32] = self._before[at] + inside + np.uint32(1)
        return found
