"""Reading files of others' codes: line ends, bounds, and what is wrong with a line."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codegen import patterns, rowfiles
from codegen.patterns import Flawed
from codegen.rowfiles import LINE_BYTES_MAX, Columns
from kernel.errors import InvalidInput

PATTERN = patterns.declare("{code}", alphabet="alnum", length_min=6, length_max=8)


def read(content: bytes, columns: Columns | None = None) -> list[str | None]:
    """Each line's code, its flaw's kind, or None."""
    found: list[str | None] = []
    for first, cells in rowfiles.read(io.BytesIO(content), PATTERN, columns or Columns()):
        assert first == len(found) + 1
        found += [cell.kind if isinstance(cell, Flawed) else cell for cell in cells]
    return found


@given(ends=st.lists(st.sampled_from(["\n", "\r\n", "\r"]), max_size=30), block=st.integers(1, 40))
def test_lines_are_told_apart_wherever_a_block_ends(ends: list[str], block: int) -> None:
    text = "".join(f"CODE{n:02}{end}" for n, end in enumerate(ends)) + "LAST01"
    whole, rowfiles.READ_BYTES = rowfiles.READ_BYTES, block  # type: ignore[misc] # small blocks, for many seams
    try:
        assert read(text.encode()) == [*(f"CODE{n:02}" for n in range(len(ends))), "LAST01"]
        assert read(b"\xff\xfe" + text.encode("utf-16-le")) == read(text.encode())
    finally:
        rowfiles.READ_BYTES = whole  # type: ignore[misc]


def test_a_line_of_the_longest_length_is_read_and_a_longer_one_is_a_flaw_of_its_own() -> None:
    row = b"CODE01," + b"x" * (LINE_BYTES_MAX - 7)
    assert len(row) == LINE_BYTES_MAX
    assert read(row + b"\n" + row + b"x\nCODE02\n" + row + b"x" * 5_000_000 + b"\nCODE03") == [
        "CODE01", "long", "CODE02", "long", "CODE03",
    ]  # fmt: skip


def test_a_million_columns_are_a_flaw_of_their_line_alone() -> None:
    assert read(b"CODE01" + b",1" * 1_000_000 + b"\nCODE02") == ["long", "CODE02"]


def test_the_furthest_column_is_read_and_one_behind_it_cannot_be_chosen() -> None:
    row = b"," * 999 + b"CODE01"
    assert read(row, Columns("1000")) == ["CODE01"]
    assert read(row, Columns("999")) == ["length"]
    with pytest.raises(InvalidInput, match="from 1 to 1,000"):
        Columns("1001")


def test_more_lines_than_allowed_fail_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rowfiles, "LINES_MAX", 3)
    assert read(b"header\nCODE01\nCODE02\nCODE03\n", Columns(header=True))[1:] == ["CODE01", "CODE02", "CODE03"]
    with pytest.raises(InvalidInput, match="more than 3 lines"):
        read(b"CODE01\n" * 6)


@pytest.mark.parametrize(
    ("content", "columns", "found"),
    [
        ("名称;码\n茶;CODE01", Columns("码", delimiter="semicolon"), [None, "CODE01"]),
        ("名称\t码\n茶\tCODE01", Columns("2", header=True, delimiter="tab"), [None, "CODE01"]),
        ('a,"b\nCODE01"', Columns("2"), ["quotes", "column"]),
        ('"CODE01"x', Columns(), ["quotes"]),
        ('" CODE01 "', Columns(), ["CODE01"]),
        ("ＣＯＤＥ０１", Columns(), ["symbol"]),
        ("", Columns(), []),
    ],
)
def test_layouts_are_read_as_declared(content: str, columns: Columns, found: list[str | None]) -> None:
    for encoding in ("utf-8", "gb18030"):
        assert read(content.encode(encoding), columns) == found


def test_bytes_of_no_encoding_are_a_flaw_of_their_line() -> None:
    assert read(b"CODE01\n\xff\xff\xff\nCODE02") == ["CODE01", "encoding", "CODE02"]
    assert read("码".encode("gb18030") + b"\nCODE02", Columns(encoding="utf-8")) == ["encoding", "CODE02"]


@given(st.binary(max_size=2_000))
def test_whatever_a_file_holds_is_answered_line_by_line(content: bytes) -> None:
    for encoding in rowfiles.ENCODINGS:
        read(content, Columns(encoding=encoding))
