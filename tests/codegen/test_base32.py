"""Crockford's base 32, strict and forgiving."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codegen import base32

lengths = st.integers(1, 40)


@given(length=lengths, data=st.data())
def test_every_number_that_fits_comes_back(length, data):
    value = data.draw(st.integers(0, 32**length - 1))
    symbols = base32.encode(value, length)
    assert len(symbols) == length
    assert base32.decode(symbols) == value


@pytest.mark.parametrize(
    ("value", "length", "symbols"),
    [
        (0, 1, "0"),
        (31, 1, "Z"),
        (32, 2, "10"),
        (1023, 2, "ZZ"),
        (1234, 4, "016J"),
        (32**20 - 1, 20, "Z" * 20),
    ],
)
def test_symbols_stand_most_significant_first_and_padded(value, length, symbols):
    assert base32.encode(value, length) == symbols
    assert base32.decode(symbols) == value


def test_the_alphabet_ascends_so_that_codes_sort_like_numbers():
    assert "".join(sorted(base32.ALPHABET)) == base32.ALPHABET
    assert [base32.decode(symbol) for symbol in base32.ALPHABET] == list(range(32))


@given(length=lengths, excess=st.integers(0, 10**9))
def test_a_number_that_does_not_fit_is_refused(length, excess):
    with pytest.raises(ValueError, match="does not fit"):
        base32.encode(32**length + excess, length)


def test_a_negative_number_is_refused():
    with pytest.raises(ValueError, match="does not fit"):
        base32.encode(-1, 4)


@pytest.mark.parametrize("text", ["", "U", "0I", "l0", "a", "0 0", "0_0", "+1", "-1", "0\n", "\uff10", "\u0663", "0\0"])
def test_decode_is_strict(text):
    with pytest.raises(ValueError, match="no base 32 symbol"):
        base32.decode(text)


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("oO0", "000"),
        ("iIlL1", "11111"),
        ("abc-def ghj", "ABCDEFGHJ"),
        ("\uff21\uff22\uff43\uff10\uff2f\uff29", "ABC001"),  # full-width letters and digits
        ("A\u3000B\u00a0C\u2009D", "ABCD"),  # ideographic, no-break and thin space
        (
            "A\u2010B\u2011C\u2013D\u2014E\u2212F\uff0dG",
            "ABCDEFG",
        ),  # hyphens, dashes, minus, full-width hyphen
        (
            "A\u200bB\u00adC\u200eD\u202eE\ufeffF",
            "ABCDEF",
        ),  # zero width, soft hyphen, bidi marks, byte order mark
        ("A\tB\r\nC", "ABC"),
        ("-- --", ""),
    ],
)
def test_typed_text_is_forgiven(typed, meant):
    assert base32.normalise(typed) == meant


@pytest.mark.parametrize("text", ["U", "\u00df", "\u0131", "\u0663", "A\0B", "@", "A_B", "\u4e00"])
def test_what_is_no_symbol_is_not_turned_into_one(text):
    with pytest.raises(ValueError, match="no base 32 symbol"):
        base32.decode(base32.normalise(text))


@given(st.lists(st.tuples(st.sampled_from(base32.ALPHABET), st.sampled_from(["", "-", " ", "\u3000", "\u2014"]))))
def test_grouping_never_changes_the_symbols(groups):
    typed = "".join(symbol + separator for symbol, separator in groups)
    assert base32.normalise(typed) == "".join(symbol for symbol, _ in groups)
