"""What was wrong with the rows of an import: all counted, the first ones kept by line. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from codegen.patterns import FLAWS

KEPT_MAX: Final = 100_000
"""Flaws that the report lists; all are counted."""


@dataclass(frozen=True, slots=True)
class Flaw:
    """A row that is not imported: its line, what is wrong (one of `FLAWS`), and of a duplicate the line it repeats."""

    line: int
    kind: str
    first_line: int | None = None


class Flaws:
    """Counts by kind, and the flaws of the lowest lines, in constant memory.

    Args:
        kept_max: how many are kept.
    """

    def __init__(self, kept_max: int = KEPT_MAX) -> None:
        self.counts: Counter[str] = Counter()
        self._kept_max = kept_max
        self._rows = np.empty((0, 3), np.int64)
        self._waiting: list[tuple[int, int, int]] = []

    def add(self, line: int, kind: str) -> None:
        """Take in a flaw; lines may come in any order."""
        self.counts[kind] += 1
        self._waiting.append((line, FLAWS.index(kind), 0))
        if len(self._waiting) >= self._kept_max:
            self._settle(np.empty((0, 3), np.int64))

    def add_many(self, kind: str, lines: NDArray[np.uint32], first_lines: NDArray[np.uint32] | None = None) -> None:
        """Take in many flaws of a kind at once."""
        self.counts[kind] += len(lines)
        rows = np.zeros((len(lines), 3), np.int64)
        rows[:, 0], rows[:, 1] = lines, FLAWS.index(kind)
        if first_lines is not None:
            rows[:, 2] = first_lines
        self._settle(rows)

    def _settle(self, rows: NDArray[np.int64]) -> None:
        waiting = np.array(self._waiting, np.int64).reshape(-1, 3)
        self._waiting = []
        rows = np.concatenate([self._rows, waiting, rows])
        if len(rows) > self._kept_max:
            rows = rows[np.argpartition(rows[:, 0], self._kept_max)[: self._kept_max]]
        self._rows = rows

    def __iter__(self) -> Iterator[Flaw]:
        """The kept flaws, by line."""
        self._settle(np.empty((0, 3), np.int64))
        for line, kind, first in self._rows[np.argsort(self._rows[:, 0])].tolist():
            yield Flaw(line, FLAWS[kind], first or None)
