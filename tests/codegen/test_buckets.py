"""Equal codes among many, in pieces and whole; and the numbers of good lines."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from codegen import buckets
from codegen.buckets import Dealer, Marks
from codegen.flaws import Flaws

FEW = st.lists(st.binary(min_size=16, max_size=16).map(lambda raw: raw[:1] + raw[:1] + bytes(13) + raw[-1:]))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25)
@given(hashes=FEW, piece=st.integers(1, 9))
def test_the_first_line_of_each_code_is_kept_and_the_others_repeat_it(
    tmp_path: Path, hashes: list[bytes], piece: int
) -> None:
    with Dealer(tmp_path) as dealer:
        for line, each in enumerate(hashes, 1):
            dealer.deal([each], [line])
    kept: list[tuple[bytes, int]] = []
    repeats: dict[int, int] = {}

    def on_repeats(lines: buckets.Lines, firsts: buckets.Lines) -> None:
        repeats.update(zip(lines.tolist(), firsts.tolist(), strict=True))

    for number in range(buckets.BUCKETS):
        records = buckets.sift(buckets.path_of(tmp_path, number), on_repeats, piece_records=piece)
        kept += zip(buckets.hashes_of(records), records["line"].tolist(), strict=True)
    first = {each: hashes.index(each) + 1 for each in hashes}
    assert kept == sorted(first.items())
    assert repeats == {line: first[each] for line, each in enumerate(hashes, 1) if first[each] != line}


@given(st.sets(st.integers(1, 500)))
def test_good_lines_are_numbered_in_their_order(lines: set[int]) -> None:
    marks = Marks.up_to(500)
    some = np.array(sorted(lines), np.uint32)
    marks.add(some[::2])
    marks.add(some[1::2])
    assert marks.numbers(some).tolist() == list(range(1, len(lines) + 1))


def test_all_flaws_are_counted_and_the_lowest_lines_kept() -> None:
    flaws = Flaws(kept_max=5)
    for line in (90, 8, 70, 6, 50, 4):
        flaws.add(line, "symbol")
    flaws.add_many("duplicate", np.array([100, 3, 99], np.uint32), np.array([1, 2, 1], np.uint32))
    assert dict(flaws.counts) == {"symbol": 6, "duplicate": 3}
    kept = list(flaws)
    assert [each.line for each in kept] == [3, 4, 6, 8, 50]
    assert (kept[0].kind, kept[0].first_line, kept[1].first_line) == ("duplicate", 2, None)


@pytest.mark.parametrize("count", [0, 1])
def test_an_empty_deal_changes_nothing(tmp_path: Path, count: int) -> None:
    with Dealer(tmp_path) as dealer:
        dealer.deal([bytes(16)] * count, list(range(count)))
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) == count * buckets.RECORD.itemsize
