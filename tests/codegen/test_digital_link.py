"""GS1 Digital Links: read, judged, made."""

import json
import re
from pathlib import Path

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from codegen import digital_link, gs1_values
from codegen.digital_link import InvalidLink, Leniency, build, escape, parse, read, unescape, write
from codegen.gs1 import check_digit
from codegen.gs1_ais import path_orders, table

VECTORS = Path(__file__).parents[2].parent / "shared/vectors/digital_link"
G = "09520123456788"
BRACKETED = re.compile(r"\((\d+)\)([^(]*)")


def vectors(name):
    return json.loads((VECTORS / f"{name}.json").read_text())


def leniency(options):
    return Leniency(
        short_gtins=options.get("permit_zero_suppressed_gtin", False),
        unknown_ais=options.get("permit_unknown_ais", False),
        unknown_attributes=options.get("permit_unknown_ais_as_attributes", False),
        alphas=options.get("permit_convenience_alphas_legacy", False),
    )


@pytest.mark.conformance
def test_links_are_judged_as_by_the_syntax_engine():
    cases = vectors("syntax_engine_parse")["vectors"]
    assert len(cases) == 118
    for case in cases:
        full = case.get("full_validation")
        if (full or {"accept": case["structure_accept"]})["accept"]:
            link = parse(case["uri"], leniency(case["options"]))
            if full:
                assert [[each.ai, each.value] for each in link.elements] == full["ais"]
                assert list(link.ignored) == full["ignored_query_params"]
                assert link.uri() == full["canonical_id_gs1_org"]
        else:
            with pytest.raises(InvalidLink):
                parse(case["uri"], leniency(case["options"]))


@pytest.mark.conformance
def test_links_are_made_as_by_the_syntax_engine():
    for case in vectors("syntax_engine_generate")["vectors"]:
        elements = [(each[1], each[2]) for each in BRACKETED.finditer(case["ai_bracketed"].replace("\\(", "("))]
        stem = case["stem"] or digital_link.CANONICAL_STEM
        if case["succeed"]:
            assert write(elements, stem, leniency(case["options"])) == case["expected_uri"]
            if not case["options"]:
                assert build(elements, stem) == case["expected_uri"]
        else:
            with pytest.raises(InvalidLink):
                write(elements, stem, leniency(case["options"]))


@pytest.mark.conformance
def test_percent_encoding_is_as_by_the_syntax_engine():
    cases = vectors("syntax_engine_percent_encoding")
    for case in cases["unescape"]:
        assert unescape(case["input"], query=False) == case["path_component"]
        assert unescape(case["input"], query=True) == case["query_component"]
    for case in cases["escape"]:
        assert escape(case["input"], query=False) == case["path_component"]
        assert escape(case["input"], query=True) == case["query_component"]


@pytest.mark.conformance
def test_every_path_of_the_vectors_is_accepted_and_its_reverse_is_not():
    for order in vectors("valid_path_sequences")["valid"]:
        assert tuple(order) in path_orders()
        if len(order) > 2:
            assert (order[0], *reversed(order[1:])) not in path_orders()


@pytest.mark.parametrize(
    ("uri", "reason"),
    [
        (f"https://a/01/{G}/21/A/10/B", "path_order"),
        (f"https://a/01/{G}/10/A/10/A", "path_order"),
        (f"https://a/01/{G}/235/A/22/B", "path_order"),
        (f"https://a/01/{G}?21=A", "no_attribute"),
        (f"https://a/01/{G}/21/A?21=A", "duplicate_ai"),
        (f"https://a/01/{G}/21/A?01={G}", "duplicate_ai"),
        (f"https://a/01/{G}?17=261231&17=261231", "duplicate_ai"),
        (f"https://a/01/{G}/21/A?10=B", "belongs_in_path"),
        (f"https://a/01/{G}?254=A", "no_attribute"),
        (f"https://a/01/{G}?8200=x", "no_attribute"),
        ("https://a/01/09520123456787", "incorrect_check_digit"),
        ("https://a/01/9520123456788", "too_short"),
        (f"https://a/01/{G}x", "value_too_long"),
        ("https://a/01/0952012345678x", "non_digit_character"),
        (f"https://a/01/{G}?17=261232", "illegal_day"),
        (f"https://a/01/{G}/21/{'a' * 21}", "value_too_long"),
        (f"https://a/01/{G}?91={'a' * 91}", "value_too_long"),
        (f"https://a/01/{G}/21/a%20b", "invalid_cset82_character"),
        (f"https://a/01/{G}/21/a%5Eb", "caret"),
        (f"https://a/01/{G}/21/a%00b", "null"),
        (f"https://a/01/{G}/21/", "empty_value"),
        (f"https://a/01/{G}/", "no_key"),
        (f"https://a/21/A/01/{G}/x", "no_key"),
        (f"https://a/01/{G}?=A", "unknown_ai"),
        (f"https://a/01/{G}?12345=A", "unknown_ai"),
        (f"https://a/01/{G}?1=A", "unknown_ai"),
        (f"https://a/01/{G}?17=", "empty_value"),
        (f"Https://a/01/{G}", "scheme"),
        (f" https://a/01/{G}", "scheme"),
        (f"https://a/01/{G} ", "uri_characters"),
        (f"https://a/01/{G}\n", "uri_characters"),
        (f"https://a/01/{G}#\u00e9", "uri_characters"),
        (f"https://me@a/01/{G}", "domain_characters"),
        (f"https:///01/{G}", "no_domain"),
        ("https://a", "no_domain"),
        (f"https://a/01/{G}?37=5", "invalid_pair"),
        ("https://a/00/006141411234567890?37=5&02=09520123456788&01=09520123456788", "invalid_pair"),
        (f"https://a/01/{G}?3103=000195&3102=000195", "invalid_pair"),
        (f"https://a/01/{G}?250=A", "required_ais"),
        (f"https://a/01/{G}?8030=abc", "required_ais"),
        (f"https://a/01/{G}?7004=1", "required_ais"),
        ("https://a/253/9520123456788?8030=abc", "serial_not_present"),
        ("https://a/8003/09520123456788?8030=abc", "serial_not_present"),
        ("https://a/8006/095201234567880301", "piece_number_exceeds_total"),
        (f"https://a/01/{G}?7040=1ABC", "no_attribute"),
    ],
)
def test_what_is_no_digital_link_is_refused_with_the_reason(uri, reason):
    with pytest.raises(InvalidLink) as caught:
        parse(uri)
    assert caught.value.reason == reason
    assert caught.value.message.endswith(".")
    assert len(caught.value.message) < 300


@pytest.mark.parametrize(
    ("uri", "ais"),
    [
        (f"HTTPS://A/01/{G}/21/x", [("01", G), ("21", "x")]),
        (f"http://a.b:8080/some/01/thing/01/{G}/22/2/10/L/21/S?17=261200", None),
        (f"https://a/00/006141411234567890/01/{G}", [("01", G)]),
        (f"https://a/01/{G}?linkType=gs1:pip&17=261231&context=x", [("01", G), ("17", "261231")]),
        (f"https://a/01/{G}/235/x?10=L", [("01", G), ("235", "x"), ("10", "L")]),
        (f"https://a/01/{G}/21/100%", [("01", G), ("21", "100%")]),
        (f"https://a/01/{G}/21/a+b?91=c%2Bd", [("01", G), ("21", "a+b"), ("91", "c+d")]),
        (f"https://a/01/{G}/10/A?7004=1", None),
        (f"https://a/01/{G}?30=5&3920=100", None),
        ("https://a/253/9520123456788A?8030=abc", None),
        ("https://a/415/9520123456788/8020/A?3900=100", None),
        ("https://a/417/9520123456788/7040/1ABC", None),
        ("https://a/8006/095201234567880103/21/A", None),
        (f"https://a/01/{G}?4321=1&00=006141411234567890", None),
        (f"https://[2001:db8::1]:8443/01/{G}#x?y#z", [("01", G)]),
    ],
)
def test_a_right_link_is_read(uri, ais):
    link = parse(uri)
    if ais is not None:
        assert [(each.ai, each.value) for each in link.elements] == ais
    assert parse(link.uri()).elements[: len(link.path)] == link.path


def test_the_stem_is_what_stands_before_the_rightmost_key():
    assert parse(f"https://a.b:81/shop/01/x/01/{G}/21/S?17=261231").stem == "https://a.b:81/shop/01/x"


def test_sixty_four_parameters_are_read_and_one_more_is_not():
    most = "&".join(f"x{number}=1" for number in range(63))
    assert len(parse(f"https://a/01/{G}?{most}").ignored) == 63
    for more in ("y=1", "91=1", ""):
        with pytest.raises(InvalidLink, match="more than 64"):
            parse(f"https://a/01/{G}?{most}&{more}")


def test_the_longest_link_is_read_and_one_character_more_is_not():
    start = f"https://a/01/{G}?x="
    longest = start + "y" * (digital_link.URI_CHARS_MAX - len(start))
    assert parse(longest).key.value == G
    with pytest.raises(InvalidLink, match="at most 8,191 characters"):
        parse(longest + "y")


def test_an_ai_given_with_two_values_is_not_built_and_with_one_value_counts_once():
    with pytest.raises(InvalidLink, match=r"\(10\) is given twice, with different values"):
        build([("01", G), ("10", "A"), ("10", "a")])
    assert build([("01", G), ("99", "X"), ("10", "A"), ("01", G), ("10", "A"), ("99", "X")]) == (
        f"https://id.gs1.org/01/{G}/10/A?99=X"
    )


@pytest.mark.parametrize(
    ("elements", "stem", "why"),
    [
        ([("01", "09520123456787")], "https://a", "check digit"),
        ([("10", "A")], "https://a", "primary key"),
        ([("01", G), ("235", "A"), ("10", "B")], "https://a", "may not stand in the query"),
        ([("01", G), ("9999", "A")], "https://a", "is no AI"),
        ([("01", G)], "ftp://a", "does not begin with http"),
        ([("01", G)], "https://", "does not end"),
        ([("01", G)], "https://a/?x=", "does not end in a primary key"),
        ([("01", G), ("91", "\u4e00")], "https://a", "holds characters"),
        ([("01", G), ("91", "")], "https://a", "no value"),
    ],
)
def test_what_would_be_no_link_is_not_built(elements, stem, why):
    with pytest.raises(InvalidLink, match=why):
        build(elements, stem)


CSET_82 = st.text("!\"%&'()*+,-./0123456789:;<=>?ABCXYZ_abcxyz", min_size=1, max_size=20)


def keyed(digits):
    return st.text("0123456789", min_size=digits - 1, max_size=digits - 1).map(lambda body: body + check_digit(body))


@given(
    gtin=keyed(14),
    qualifiers=st.fixed_dictionaries({}, optional={"22": CSET_82, "10": CSET_82, "21": CSET_82}),
    attributes=st.fixed_dictionaries(
        {},
        optional={
            "17": st.dates().map(lambda day: f"{day:%y%m%d}"),
            "11": st.dates().map(lambda day: f"{day:%y%m}00"),
            "3103": st.text("0123456789", min_size=6, max_size=6),
            "91": CSET_82,
            "240": CSET_82,
            "4300": CSET_82.map(lambda value: value.replace("%", "")).filter(bool),
            "00": keyed(18),
        },
    ),
    stem=st.sampled_from(["https://a", "HTTP://A.CN:8080", "https://id.gs1.org/", "https://a/01/x", "https://[::1]/s"]),
)
def test_what_is_built_is_read_back(gtin, qualifiers, attributes, stem):
    if "4300" in attributes:
        assume("00" in attributes)
    elements = [("01", gtin), *qualifiers.items(), *attributes.items()]
    link = parse(build(elements, stem))
    assert {(each.ai, each.value) for each in link.elements} == set(elements)
    assert [each.ai for each in link.path] == ["01", *(ai for ai in ("22", "10", "21") if ai in qualifiers)]
    assert link.stem == stem.removesuffix("/")
    assert build([(each.ai, each.value) for each in link.elements], stem) == link.uri(stem)


@given(st.one_of(st.text(max_size=200), st.binary(max_size=200).map(lambda raw: raw.decode("latin-1"))))
@example("https://a/01/")
@example("https://a//01//")
def test_no_text_makes_reading_fail_otherwise(text):
    for uri in (text, f"https://a/{text}", f"https://a/01/{G}{text}", f"https://a/01/{G}?{text}"):
        try:
            link = parse(uri)
        except InvalidLink:
            continue
        assert parse(link.uri()).path == link.path


@given(
    parts=st.lists(
        st.sampled_from(
            [*table(), "", "x", "%", "%00", "&", "?", "#", "/", G, "006141411234567890", "261231", "A%2FB"]
        ),
        max_size=12,
    ),
    lenient=st.builds(Leniency, st.booleans(), st.booleans(), st.booleans(), st.booleans()),
)
def test_no_arrangement_of_ais_makes_reading_fail_otherwise(parts, lenient):
    uri = "https://a/" + "/".join(parts).replace("/&/", "&").replace("/?/", "?")
    for judge in (read, parse):
        try:
            link = judge(uri, lenient)
        except InvalidLink:
            continue
        assert all(each.value for each in link.elements)


@given(ai=st.sampled_from(sorted(table())), value=st.text("0123456789ABCabc/-", min_size=1, max_size=90))
def test_a_value_of_a_fitting_length_is_judged_without_failing(ai, value):
    entry = table()[ai]
    if entry.chars_min <= len(value) <= entry.chars_max:
        fault = gs1_values.judge(entry, value)
        assert fault is None or fault.sentence
