"""Sets of lines: what they hold is what a set of numbers would hold."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codegen import lineset, rolls
from kernel.errors import InvalidInput

RUNS = st.lists(
    st.tuples(st.integers(1, 60), st.integers(0, 9)).map(lambda run: (run[0], run[0] + run[1])), max_size=12
)


def plain(runs: object) -> set[int]:
    assert isinstance(runs, (list, tuple))
    return {line for first, last in runs for line in range(first, last + 1)}


@given(RUNS, RUNS)
def test_sets_of_lines_are_what_sets_of_numbers_are(some: list[tuple[int, int]], others: list[tuple[int, int]]) -> None:
    one, two = lineset.of(some), lineset.of(others)
    assert plain(one) == plain(some)
    assert lineset.count(one) == len(plain(some))
    assert plain(lineset.minus(one, two)) == plain(some) - plain(others)
    assert plain(lineset.both(one, two)) == plain(some) & plain(others)
    assert lineset.of_lines(plain(some)) == one, "one form only"
    assert lineset.from_text(lineset.to_text(one, offset=5)) == tuple((a + 5, b + 5) for a, b in one)


@given(st.integers(1, 10_000), st.integers(1, 10_000))
def test_rolls_of_a_size_hold_every_line_once(count: int, size: int) -> None:
    if size > count:
        with pytest.raises(InvalidInput, match="A roll has 1 to"):
            rolls.split(count, size=size)
        return
    length, number = rolls.split(count, size=size)
    assert length == size
    assert (number - 1) * size < count <= number * size


def test_a_number_of_rolls_is_cut_as_evenly_as_can_be() -> None:
    assert rolls.split(100, rolls=3) == (34, 3)
    assert rolls.split(100, rolls=100) == (1, 100)
    assert rolls.split(1_000_000_000, rolls=rolls.ROLLS_MAX) == (10_000, rolls.ROLLS_MAX)
    with pytest.raises(InvalidInput, match="at most 100,000"):
        rolls.split(1_000_000_000, size=9_999)
    for wrong in ({}, {"size": 1, "rolls": 1}, {"size": 0}, {"rolls": 0}, {"rolls": 101}):
        with pytest.raises(InvalidInput):
            rolls.split(100, **wrong)
