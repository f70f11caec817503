"""GS1 keys and their check digits."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codegen.gs1 import (
    check_digit,
    has_check_digit,
    make_sscc,
    parse_gln,
    parse_gtin,
    parse_sscc,
)
from kernel.errors import InvalidInput

VECTORS = Path(__file__).parents[2].parent / "shared/vectors/check_digits"

digits = st.text("0123456789", min_size=1, max_size=30)


@given(digits)
def test_a_key_completed_with_its_check_digit_holds_and_with_any_other_does_not(body):
    right = check_digit(body)
    assert [has_check_digit(body + digit) for digit in "0123456789"].count(True) == 1
    assert has_check_digit(body + right)


@given(body=digits, at=st.integers(0, 29), other=st.sampled_from("0123456789"))
def test_one_misread_digit_is_noticed(body, at, other):
    key = body + check_digit(body)
    at %= len(key)
    misread = key[:at] + other + key[at + 1 :]
    assert has_check_digit(misread) == (misread == key)


@given(body=digits, zeros=st.integers(0, 10))
def test_zeros_in_front_change_no_check_digit(body, zeros):
    assert check_digit("0" * zeros + body) == check_digit(body)


@pytest.mark.parametrize("body", ["", "12a", "-1", "\u0661\u0662", "1 2"])
def test_a_check_digit_needs_digits(body):
    with pytest.raises(ValueError, match="digits only"):
        check_digit(body)
    assert not has_check_digit(body)


@pytest.mark.parametrize(
    ("text", "gtin"),
    [
        ("96385074", "00000096385074"),
        ("036000291452", "00036000291452"),
        ("5901234123457", "05901234123457"),
        ("09506000134352", "09506000134352"),
        (" 09506000134352\n", "09506000134352"),
    ],
)
def test_a_gtin_of_any_length_is_written_with_14_digits(text, gtin):
    assert parse_gtin(text) == gtin


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("9506000134353", "GTIN 9506000134353 ends in the check digit 3; it should be 2"),
        ("", "not made of digits only; it has 8 or 12 or 13 or 14 digits"),
        ("95060001343X2", "not made of digits only"),
        ("\u0669\u0665\u0660\u0666\u0660\u0660\u0660\u0661", "not made of digits only"),
        ("950600013435", "check digit"),
        ("950600013", "has 9 digits; it should have 8 or 12 or 13 or 14"),
        ("0" * 14, "all zeros"),
    ],
)
def test_what_is_no_gtin_is_refused_with_the_reason(text, why):
    with pytest.raises(InvalidInput, match=why):
        parse_gtin(text)


def test_a_long_wrong_input_is_not_repeated_in_full():
    with pytest.raises(InvalidInput) as caught:
        parse_gtin("x" * 10_000)
    assert len(caught.value.message) < 200


def test_sscc_and_gln_have_one_length_each():
    assert parse_sscc("106141412345678908") == "106141412345678908"
    assert parse_gln("9520123456788") == "9520123456788"
    with pytest.raises(InvalidInput, match=r"SSCC .* should have 18"):
        parse_sscc("9520123456788")
    with pytest.raises(InvalidInput, match=r"GLN .* should have 13"):
        parse_gln("106141412345678908")
    with pytest.raises(InvalidInput, match=r"SSCC .* check digit 9; it should be 8"):
        parse_sscc("106141412345678909")


def test_the_general_specifications_example_is_made():
    assert make_sscc(1, "0614141", 234567890) == "106141412345678908"


@given(data=st.data(), extension=st.integers(0, 9), prefix=st.text("0123456789", min_size=4, max_size=12))
def test_every_sscc_made_is_one(data, extension, prefix):
    serial = data.draw(st.integers(1, 10 ** (16 - len(prefix)) - 1))
    sscc = make_sscc(extension, prefix, serial)
    assert parse_sscc(sscc) == sscc
    assert sscc[0] == str(extension)
    assert sscc[1:].startswith(prefix)
    assert int(sscc[1 + len(prefix) : -1]) == serial


@pytest.mark.parametrize(
    ("extension", "prefix", "serial", "why"),
    [
        (10, "0614141", 1, "extension digit"),
        (-1, "0614141", 1, "extension digit"),
        (1, "061", 1, "4 to 12 digits"),
        (1, "0" * 13, 1, "4 to 12 digits"),
        (1, "06141 1", 1, "4 to 12 digits"),
        (1, "0614141", 10**9, "is 0 to 999999999"),
        (1, "061414112345", -1, "is 0 to 9999"),
    ],
)
def test_an_sscc_outside_its_limits_is_refused(extension, prefix, serial, why):
    with pytest.raises(InvalidInput, match=why):
        make_sscc(extension, prefix, serial)


@pytest.mark.conformance
def test_check_digits_agree_with_the_shared_vectors():
    rows = json.loads((VECTORS / "check_digits.json").read_text())["vectors"]
    assert len(rows) == 62
    assert [row["value"] for row in rows if has_check_digit(row["value"]) != row["valid"]] == []


@pytest.mark.conformance
@pytest.mark.parametrize(
    ("kinds", "parse_key"),
    [
        ({"GTIN-8", "GTIN-12", "GTIN-13", "GTIN-14"}, parse_gtin),
        ({"SSCC", "SSCC/GSRN"}, parse_sscc),
        ({"GLN"}, parse_gln),
    ],
)
def test_keys_agree_with_the_shared_vectors(kinds, parse_key):
    rows = [row for row in json.loads((VECTORS / "check_digits.json").read_text())["vectors"] if row["kind"] in kinds]
    assert rows
    for row in rows:
        if row["valid"]:
            assert int(parse_key(row["value"])) == int(row["value"])
        else:
            with pytest.raises(InvalidInput):
                parse_key(row["value"])


@pytest.mark.conformance
def test_the_syntax_dictionarys_check_digit_cases_agree():
    rows = json.loads((VECTORS / "syntax_dictionary_linters.json").read_text())["linters"]["csum"]
    assert rows
    assert [row["value"] for row in rows if has_check_digit(row["value"]) != row["valid"]] == []
