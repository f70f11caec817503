"""Ranges of lines and the states that hold for them: who wins where several overlap. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

RANKS: Final = ("void", "recalled", "frozen", "expired", "activated")
"""The gravest first: it is the one that a consumer is told. A line without any is `issued`."""
STATES: Final = (*RANKS, "issued")


@dataclass(frozen=True, slots=True)
class Span:
    """Lines `first` to `last` of a batch, both inclusive, in a state."""

    first: int
    last: int
    state: str

    @property
    def count(self) -> int:
        """How many lines."""
        return self.last - self.first + 1


def flatten(count: int, ranges: Iterable[Span]) -> list[Span]:
    """Cut a batch into spans of one state each: the gravest that holds there.

    Args:
        count: lines of the batch.
        ranges: states that hold, overlapping in any way.

    Returns:
        Spans in order, without gaps; neighbours differ in state.
    """
    begins: dict[int, list[int]] = {}
    for each in ranges:
        rank = RANKS.index(each.state)
        begins.setdefault(each.first, [0] * len(RANKS))[rank] += 1
        begins.setdefault(each.last + 1, [0] * len(RANKS))[rank] -= 1
    held = [0] * len(RANKS)
    found: list[Span] = []
    at = 1
    for edge in [*sorted(edge for edge in begins if edge <= count), count + 1]:
        if edge > at:
            state = next((RANKS[rank] for rank, number in enumerate(held) if number), "issued")
            if found and found[-1].state == state:
                found[-1] = Span(found[-1].first, edge - 1, state)
            else:
                found.append(Span(at, edge - 1, state))
            at = edge
        for rank, change in enumerate(begins.get(edge, ())):
            held[rank] += change
    return found


def totals(spans: Sequence[Span]) -> dict[str, int]:
    """Lines in each state; states without any are left out."""
    sums = {state: sum(each.count for each in spans if each.state == state) for state in STATES}
    return {state: number for state, number in sums.items() if number}
