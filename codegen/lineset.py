"""Sets of a batch's lines as runs `(first, last)`, and as PostgreSQL's multiranges. Pure.

A million lines that a camera saw in order are one run; that is why sets are kept so.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Final, TypeAlias

from kernel.errors import InvalidInput

Lines: TypeAlias = tuple[tuple[int, int], ...]
"""Runs of lines, both ends inclusive: in order, apart from each other, none empty."""

NONE: Final[Lines] = ()
_RUN: Final = re.compile(r"[\[(](-?\d+),(-?\d+)[\])]")


def of(runs: Iterable[tuple[int, int]]) -> Lines:
    """The set that these runs make, in whatever order, overlapping in any way."""
    found: list[tuple[int, int]] = []
    for first, last in sorted(runs):
        if last < first:
            continue
        if found and first <= found[-1][1] + 1:
            found[-1] = (found[-1][0], max(found[-1][1], last))
        else:
            found.append((first, last))
    return tuple(found)


def given(runs: Iterable[tuple[int, int]], *, field: str) -> Lines:
    """The set that somebody named by runs.

    Raises:
        InvalidInput: a run ends before it begins.
    """
    named = list(runs)
    for first, last in named:
        if last < first:
            raise InvalidInput(f"Lines {first:,} to {last:,} end before they begin.", field=field)
    return of(named)


def of_lines(lines: Iterable[int]) -> Lines:
    """The set of single lines."""
    return of((line, line) for line in lines)


def count(lines: Lines) -> int:
    """How many lines."""
    return sum(last - first + 1 for first, last in lines)


def minus(lines: Lines, others: Lines) -> Lines:
    """What is in `lines` and not in `others`."""
    found: list[tuple[int, int]] = []
    place = 0
    for first, last in lines:
        while place < len(others) and others[place][1] < first:
            place += 1
        at, other = first, place
        while other < len(others) and others[other][0] <= last:
            if others[other][0] > at:
                found.append((at, others[other][0] - 1))
            at = others[other][1] + 1
            other += 1
        if at <= last:
            found.append((at, last))
    return tuple(found)


def both(lines: Lines, others: Lines) -> Lines:
    """What is in `lines` and in `others`."""
    return minus(lines, minus(lines, others))


def to_text(lines: Lines, *, offset: int = 0) -> str:
    """As a multirange's text, each line moved by `offset`."""
    return "{" + ",".join(f"[{first + offset},{last + offset + 1})" for first, last in lines) + "}"


def from_text(text: str) -> Lines:
    """From a multirange's text as PostgreSQL writes it: `{[1,5),[7,9)}`."""
    return tuple((int(first), int(end) - 1) for first, end in _RUN.findall(text))


def say(lines: Sequence[tuple[int, int]], *, most: int = 3) -> str:
    """As a person reads it: `3, 7–9, 20–25 and 4 more`."""
    shown = [f"{first:,}" if first == last else f"{first:,}–{last:,}" for first, last in lines[:most]]
    more = f" and {len(lines) - most:,} more" if len(lines) > most else ""
    return ", ".join(shown) + more
