"""The rules for what stands in an AI, and the table of AIs."""

import importlib.util
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codegen import gs1_linters, gs1_values
from codegen.gs1_ais import path_orders, primary_keys, table

ROOT = Path(__file__).parents[2]
VECTORS = ROOT.parent / "shared/vectors"
CHARACTER_SETS = {"csetnumeric": "N", "cset82": "X", "cset39": "Y", "cset64": "Z"}


def lint(name, value):
    rule = gs1_linters.CHARACTER_SETS[CHARACTER_SETS[name]] if name in CHARACTER_SETS else gs1_values.LINTERS[name]
    return rule(value)


def script():
    spec = importlib.util.spec_from_file_location("gs1_table", ROOT / "scripts/gs1_table.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.conformance
def test_the_table_is_what_the_script_makes_of_the_dictionary():
    made = script()
    dictionary = (VECTORS / "digital_link/gs1-syntax-dictionary.txt").read_text(encoding="utf-8")
    assert made.write(made.read(dictionary)) == made.OUT.read_text(encoding="utf-8")


def test_a_line_that_is_no_entry_is_named():
    made = script()
    with pytest.raises(ValueError, match="line 2: 'N6;date' is neither"):
        made.read("# a remark\n11 *? N6;date req=01 # DATE\n")
    with pytest.raises(ValueError, match="line 1: AI 11 has no format"):
        made.read("11 *? req=01 # DATE\n")
    with pytest.raises(ValueError, match="line 1: 'x1' is no AI"):
        made.read("x1 *? N6 # DATE\n")


@pytest.mark.conformance
def test_every_linter_agrees_with_the_dictionarys_own_cases():
    cases = json.loads((VECTORS / "check_digits/syntax_dictionary_linters.json").read_text())["linters"]
    assert sum(map(len, cases.values())) == 2191
    wrong = []
    for name, rows in cases.items():
        for row in rows:
            # Three rows of 50 characters with a check pair are right and wrong at once (one value stands there
            # with both), and no AI with a check pair has more than 25.
            if name == "csumalpha" and len(row["value"]) > gs1_linters.CHECK_PAIR_CHARS_MAX:
                continue
            fault = lint(name, row["value"])
            expected = row.get("error", "").removeprefix("GS1_LINTER_").lower() or None
            if (None if fault is None else fault.name) != expected:
                wrong.append((name, row, fault))
    assert wrong == []


def test_the_table_names_no_rule_that_there_is_not():
    named = {linter for ai in table().values() for part in ai.parts for linter in part.linters}
    assert named == set(gs1_values.LINTERS)
    assert all(ai.ex == () or ai.ai not in ai.ex for ai in table().values())


@pytest.mark.conformance
def test_all_path_orders_of_the_shared_vectors_are_known():
    valid = json.loads((VECTORS / "digital_link/valid_path_sequences.json").read_text())["valid"]
    assert {tuple(order) for order in valid} | {("415",), ("415", "8020")} == path_orders()
    assert {
        "00",
        "01",
        "253",
        "255",
        "401",
        "402",
        "414",
        "417",
        "8003",
        "8004",
        "8006",
        "8010",
        "8013",
        "8017",
    } <= set(primary_keys())


@pytest.mark.parametrize(
    ("name", "right", "wrong"),
    [
        ("couponcode", "012345612345611110123", "01234561234561111012"),
        (
            "couponcode",
            "012345612345611110123" + "3260101" + "4251231",
            "012345612345611110123" + "3250101" + "4251231",
        ),
        ("couponcode", "012345612345611110123" + "10110123" + "9", "012345612345611110123" + "14110123" + "9"),
        (
            "couponcode",
            "012345612345611110123" + "2110123" + "0123456",
            "012345612345611110123" + "2110123" + "7123456",
        ),
        ("couponcode", "012345612345611110123" + "50123456", "012345612345611110123" + "5012345"),
        ("couponcode", "012345612345611110123" + "61" + "1234567", "012345612345611110123" + "60" + "123456"),
        ("couponcode", "012345612345611110123" + "90001", "012345612345611110123" + "93001"),
        ("couponcode", "012345612345611110123", "0123456123456111101237"),
        ("couponposoffer", "001234561234560123456", "0012345612345601234567"),
        ("couponposoffer", "101234561234560123456", "201234561234560123456"),
        ("hh", "23", "24"),
        ("mi", "59", "60"),
        ("ss", "00", "60"),
        ("hhmi", "2359", "2400"),
        ("hhmi", "0000", "000"),
        ("iban", "FR7630006000011234567890189", "FR7630006000011234567890188"),
        ("iban", "MT90MALT011000012345MTLCAST001SABC", "MT90MALT011000012345MTLCAST001SABCD"),
        ("iban", "BE71096123456769", "XX71096123456769"),
        ("iban", "BE71096123456769", "BE7109612345676x"),
        ("iban", "BE71096123456769", "BE71"),
        ("importeridx", "-", "+"),
        ("importeridx", "_", "AA"),
        ("iso3166999", "999", "998"),
        ("iso3166alpha2", "CN", "XX"),
        ("iso4217", "156", "157"),
        ("iso5218", "9", "3"),
        ("mediatype", "10", "11"),
        ("mediatype", "80", "00"),
        ("nozeroprefix", "10", "01"),
        ("packagetype", "APE", "APX"),
        ("packagetype", "8", "08"),
        ("pieceoftotal", "0102", "0201"),
        ("pieceoftotal", "99", "01"),
        ("pieceoftotal", "11", "10"),
        ("pieceoftotal", "11", "111"),
        ("posinseqslash", "9/10", "10/9"),
        ("posinseqslash", "1/1", "01/1"),
        ("posinseqslash", "1/1", "1/"),
        ("winding", "9", "2"),
        ("yesno", "1", "2"),
        ("gcppos1", "9520x", "952x"),
        ("gcppos2", "x9520", "x952"),
        ("gcppos2", "x9520", "x"),
        ("yyyymmdd", "20000229", "19000229"),
    ],
)
def test_a_linter_tells_right_from_wrong(name, right, wrong):
    assert lint(name, right) is None
    fault = lint(name, wrong)
    assert fault is not None
    assert fault.sentence
    assert 0 <= fault.at <= len(wrong)


@given(value=st.text(st.characters(min_codepoint=0, max_codepoint=255), max_size=90))
def test_no_value_makes_a_linter_fail(value):
    for rule in (*gs1_values.LINTERS.values(), *gs1_linters.CHARACTER_SETS.values()):
        fault = rule(value)
        if fault is not None:
            assert fault.sentence
            assert 0 <= fault.at <= len(value)
