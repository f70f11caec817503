"""Patterns of codes that others made."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codegen import patterns
from codegen.patterns import Book, Flawed, Pattern, declare
from kernel.errors import InvalidInput

DRUG = declare("{code}", length_min=20, length_max=20)
OLD = declare("https://old.example/t?c={code}", alphabet="base62", length_min=8, length_max=12)
PATH = declare("HTTPS://Old.Example/x/{code}.html", alphabet="alnum", length_min=8, length_max=8)


@pytest.mark.parametrize(
    ("pattern", "text", "code"),
    [
        (DRUG, "81234567890123456789", "81234567890123456789"),
        (DRUG, " 8123 4567-8901 2345 6789\t", "81234567890123456789"),
        (DRUG, "８１２３４５６７８９０１２３４５６７８９", "81234567890123456789"),
        (DRUG, "8123\u00a04567\u20118901\u200b23456789", "81234567890123456789"),
        (DRUG, "812345678901234567O9", "81234567890123456709"),
        (DRUG, "8123456789012345678l", "81234567890123456781"),
        (DRUG, "8123456789012345678", None),
        (DRUG, "812345678901234567890", None),
        (DRUG, "8123456789012345678X", None),
        (DRUG, "https://old.example/81234567890123456789", None),
        (DRUG, "", None),
        (OLD, "https://old.example/t?c=AbCdEf12", "AbCdEf12"),
        (OLD, "http://OLD.EXAMPLE:8080/t/?utm=1&c=AbCdEf12#x", "AbCdEf12"),
        (OLD, "https://old.example/t?c=%41bCdEf12", "AbCdEf12"),
        (OLD, "https://old.example/T?c=AbCdEf12", None),
        (OLD, "https://old.example/t?C=AbCdEf12", None),
        (OLD, "https://old.example.evil.cn/t?c=AbCdEf12", None),
        (OLD, "https://old.example@evil.cn/t?c=AbCdEf12", None),
        (OLD, "https://user@old.example/t?c=AbCdEf12", None),
        (OLD, "ftp://old.example/t?c=AbCdEf12", None),
        (OLD, "AbCdEf12", None),
        (PATH, "https://old.example/x/ab12cd34.html", "AB12CD34"),
        (PATH, "https://old.example/x/ab12cd34.htm", None),
        (PATH, "https://old.example/x/.html", None),
    ],
)
def test_a_text_is_read_by_its_pattern_alone(pattern: Pattern, text: str, code: str | None) -> None:
    assert pattern.read_text(text.strip()) == code
    assert Book([pattern]).read(text) == ([] if code is None else [(pattern.space, code)])


@pytest.mark.parametrize(
    ("pattern", "cell", "kind"),
    [
        (DRUG, '=HYPERLINK("http://evil.example","81234567890123456789")', "formula"),
        (DRUG, "+81234567890123456789", "formula"),
        (DRUG, "-81234567890123456789", "formula"),
        (DRUG, "@SUM(1)", "formula"),
        (DRUG, "8.12346E+19", "rounded"),
        (DRUG, "8123", "length"),
        (DRUG, "", "length"),
        (DRUG, "8123456789012345678O", "symbol"),
        (DRUG, "https://old.example/t?c=AbCdEf12", "url"),
        (OLD, "https://other.example/t?c=AbCdEf12", "host"),
        (OLD, "https://old.example/u?c=AbCdEf12", "url"),
        (OLD, "https://old.example/t?c=AbC", "length"),
        (OLD, "https://old.example/t?c=AbCdEf1!", "symbol"),
        (OLD, "javascript://old.example/t", "url"),
    ],
)
def test_a_flawed_cell_is_named_and_not_repeated(pattern: Pattern, cell: str, kind: str) -> None:
    with pytest.raises(Flawed) as raised:
        pattern.read_cell(cell)
    assert raised.value.kind == kind
    assert str(raised.value) == kind
    assert kind in patterns.FLAWS


def test_a_file_of_addresses_may_hold_bare_codes_and_addresses_without_their_scheme() -> None:
    assert OLD.read_cell("AbCdEf12") == OLD.read_cell("old.example/t?c=AbCdEf12") == "AbCdEf12"


def test_fixed_ends_are_part_of_a_plain_code() -> None:
    short, whole = (
        declare("yb{code}z", alphabet="alnum", length_min=6, length_max=6),
        declare("{code}", alphabet="alnum", length_min=9, length_max=9),
    )
    assert short.read_cell("YB123456Z") == whole.read_cell("yb123456z") == short.read_text("yb 1234 56z")
    assert short.space == whole.space


@pytest.mark.parametrize(
    ("template", "more", "field"),
    [
        ("nothing", {}, "template"),
        ("{code}{code}", {}, "template"),
        ("a {code}", {}, "template"),
        ("码{code}", {}, "template"),
        ("x" * 115 + "{code}", {}, "template"),
        ("ftp://old.example/{code}", {}, "template"),
        ("https://{code}/x", {}, "template"),
        ("https://old/{code}", {}, "template"),
        ("https://old.example:81/{code}", {}, "template"),
        ("https://u@old.example/{code}", {}, "template"),
        ("https://old.example/#{code}", {}, "template"),
        ("https://old.example/t?c=x{code}", {}, "template"),
        ("https://old.example/t?{code}=1", {}, "template"),
        ("https://old.example/{code}?a=1", {}, "template"),
        ("{code}", {"alphabet": "(a+)+$"}, "alphabet"),
        ("{code}", {"length_min": 5}, "length"),
        ("{code}", {"length_max": 65}, "length"),
        ("{code}", {"length_min": 9, "length_max": 8}, "length"),
    ],
)
def test_a_pattern_out_of_bounds_is_refused(template: str, more: dict[str, object], field: str) -> None:
    with pytest.raises(InvalidInput) as raised:
        declare(template, **{"length_min": 8, "length_max": 20, **more})  # type: ignore[arg-type]
    assert raised.value.details["field"] == field


@given(st.text(max_size=300))
def test_whatever_is_read_is_answered(text: str) -> None:
    book = Book([DRUG, OLD, PATH])
    for space, code in book.read(text):
        assert book.read(code if not space else f"https://old.example/t?c={code}")


def test_a_long_text_costs_nothing_and_fits_nothing() -> None:
    book = Book([DRUG, OLD])
    assert book.read("8" * 1_000_000) == []
    assert book.read("https://old.example/t?" + "c=1&" * 500) == []


def test_many_patterns_of_one_host_give_a_bounded_number_of_readings() -> None:
    many = [
        declare(f"https://old.example/t?f{n}={{code}}", alphabet="base62", length_min=6, length_max=9)
        for n in range(20)
    ]
    text = "https://old.example/t?" + "&".join(f"f{n}=abcdef" for n in range(20))
    assert len(Book(many).read(text)) == patterns.CANDIDATES_MAX
