"""Adding chunks up to what a view shows. Pure, and meant to run in a thread: numpy lets others work meanwhile."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from insights import hexes
from insights.chunks import Counts, Ints, Scans, Whole
from insights.hexes import Box
from insights.spans import LONGEST_H

Mask = NDArray[np.bool_]

PEOPLE_MIN: Final = 5
"""A cell of resolution 7 and finer is shown only from so many distinct people up."""
GUARDED: Final = 7


@dataclass(frozen=True, slots=True)
class Counted:
    """Scans by cell and step; cells in order. Hidden are cells with too few people in some step."""

    cells: Ints
    counts: NDArray[np.int64]
    hidden_cells: int = 0
    hidden_scans: int = 0


def weigh(chunk: Counts, chosen: Mask) -> tuple[Ints, Whole]:
    """Keys with scans of the chosen facets (an element for each of the chunk's facets), and how many."""
    if not chosen.any():
        return chunk.keys[:0], np.zeros(0, np.uint32)
    counts = chunk.counts
    if not chosen.all():
        counts = counts * chosen.astype(counts.dtype)[chunk.index]
    sums = np.add.reduceat(counts, chunk.starts[:-1].astype(np.int64), dtype=np.uint32)
    some = sums > 0
    return (chunk.keys, sums) if some.all() else (chunk.keys[some], sums[some])


def coarsen(keys: Ints, sums: Whole, resolution: int) -> tuple[Ints, Whole]:
    """Sorted cells and their sums at a coarser resolution."""
    if not len(keys):
        return keys, sums
    cells = hexes.parents(keys, resolution)
    begins = np.concatenate(([0], np.flatnonzero(np.diff(cells)) + 1))
    return cells[begins], np.add.reduceat(sums, begins, dtype=np.uint32)


def union(lists: Sequence[Ints]) -> Ints:
    """All that is in any of some sorted lists, in order; quick where most is in the longest."""
    longest = max(lists, key=len)
    if not len(longest):
        return longest
    more = []
    for each in lists:
        places = np.searchsorted(longest, each).clip(max=len(longest) - 1)
        more.append(each[longest[places] != each])
    return np.union1d(longest, np.concatenate(more))


def add_cells(found: Sequence[tuple[int, Ints, Whole]], box: Box, steps: int) -> Counted:
    """Add up (step, cells, sums), and keep the cells whose centre is in the box."""
    if not found:
        return Counted(np.empty(0, np.int64), np.zeros((0, steps), np.int64))
    cells = union([cells for _, cells, _ in found])
    counts = np.zeros((steps, len(cells)), np.int64)
    for step, some, sums in found:
        counts[step, np.searchsorted(cells, some)] += sums
    inside = hexes.in_box(cells, box)
    return Counted(cells[inside], counts.T[inside])


def shape(chunk: Scans, resolution: int) -> tuple[Ints, Whole]:
    """The cells of a coarser resolution that a chunk's keys lie in, and for each key its cell's place among them."""
    cells = hexes.parents(chunk.keys, resolution)
    new = np.concatenate(([True], cells[1:] != cells[:-1]))
    return cells[new], (np.cumsum(new) - 1).astype(np.int32)


@dataclass(frozen=True, slots=True)
class Looked:
    """A chunk of single scans as a view looks at it.

    Attributes:
        chunk: scans by cell of resolution 9.
        chosen: an element for each of the chunk's facets.
        cells: what `shape` says.
        cell_of_key: what `shape` says.
        bounds: of the steps, in hours from the bucket's begin.
    """

    chunk: Scans
    chosen: Mask
    cells: Ints
    cell_of_key: Whole
    bounds: tuple[int, ...]


def count_people(looked: Sequence[Looked], box: Box, steps: int) -> Counted:
    """Count scans by cell and step, and hide what fewer than five distinct people made.

    Those of whom nothing is known count as one person.
    """
    if not looked:
        return Counted(np.empty(0, np.int64), np.zeros((0, steps), np.int64))
    cells = union([each.cells for each in looked])
    inside = hexes.in_box(cells, box)
    numbers = np.where(inside, np.cumsum(inside) - 1, -1)
    found = [_pick(each, numbers[np.searchsorted(cells, each.cells)]) for each in looked]
    cells = cells[inside]
    groups = np.concatenate([groups for groups, _ in found])
    persons = np.concatenate([persons for _, persons in found])
    counts = np.bincount(groups, minlength=len(cells) * steps)
    hidden = (_people(groups, persons, len(counts)) < PEOPLE_MIN) & (counts > 0)
    hidden_scans = int(counts[hidden].sum())
    counts[hidden] = 0
    by_step = counts.reshape(len(cells), steps)
    some = by_step.any(axis=1)
    hidden_cells = int(hidden.reshape(len(cells), steps).any(axis=1).sum())
    return Counted(cells[some], by_step[some], hidden_cells, hidden_scans)


def _pick(looked: Looked, numbers: Ints) -> tuple[Ints, Whole]:
    """Group (cell × steps + step) and person of the scans that are in the box, chosen, and within the bounds.

    Args:
        looked: the chunk.
        numbers: of each of its cells, among those shown; -1 where the cell is not in the box.
    """
    chunk, bounds = looked.chunk, looked.bounds
    number = numbers[looked.cell_of_key]
    keys = np.flatnonzero(number >= 0)
    starts = chunk.starts.astype(np.int64)
    lengths = (starts[1:] - starts[:-1])[keys]
    # the entries of these keys one after another, without touching any other
    entries = np.arange(int(lengths.sum())) + np.repeat(starts[keys] - np.cumsum(lengths) + lengths, lengths)
    cells = np.repeat(number[keys], lengths)
    partly = bounds[0] > 0 or bounds[-1] < LONGEST_H
    if partly or not looked.chosen.all():
        keep = looked.chosen[chunk.index[entries]]
        if partly:
            hours = chunk.hours[entries].astype(np.int64)
            keep &= (hours >= bounds[0]) & (hours < bounds[-1])
        entries, cells = entries[keep], cells[keep]
    steps = len(bounds) - 1
    if steps > 1:
        step_of_hour = np.searchsorted(np.asarray(bounds[1:-1]), np.arange(LONGEST_H), side="right")
        cells = cells * steps + step_of_hour[chunk.hours[entries]]
    return cells, chunk.persons[entries]


_SLOTS: Final = 16


def _people(groups: Ints, persons: Whole, length: int) -> Ints:
    """Distinct persons by group; from five up perhaps fewer than there are, but never fewer than five."""
    # how many of 16 slots are taken says enough of most groups, without sorting
    taken = np.zeros(length * _SLOTS, np.bool_)
    taken[groups * _SLOTS + (persons & (_SLOTS - 1))] = True
    people: Ints = taken.reshape(length, _SLOTS).sum(axis=1)
    unsure = (people < PEOPLE_MIN)[groups]
    pairs = np.sort(groups[unsure] << 32 | persons[unsure].astype(np.int64))
    if len(pairs):
        new = np.concatenate(([True], pairs[1:] != pairs[:-1]))
        people = np.maximum(people, np.bincount(pairs[new] >> 32, minlength=length))
    return people
