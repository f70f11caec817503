from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaigns.documents import canonical, describe, rules_hash
from campaigns.rules import (
    ClaimFacts,
    DrawRules,
    Earning,
    EarningRule,
    PrizeRule,
    earn,
    percent,
)
from kernel.errors import InvalidInput

TEA = "06901234567892"
MILK = "06909876543214"
MAY = datetime(2026, 5, 1, tzinfo=UTC)
DAY = timedelta(days=1)

STANDING = EarningRule(
    id=1,
    version=1,
    gtin=None,
    points=10,
    qualifying=5,
    expires_after_days=365,
    active_from=MAY,
    active_until=None,
)
PHONE = PrizeRule(id=1, name_zh="手机", name_en="Phone", weight_ppb=1_000, stock=2, value_cents=499_900)
TEA_BOX = PrizeRule(id=2, name_zh="茶", name_en="Tea", weight_ppb=20_000_000, stock=500, value_cents=3_000)
COUPON = PrizeRule(id=3, name_zh="券", name_en="Coupon", weight_ppb=0, stock=1_000, value_cents=100)
DRAW = DrawRules(
    name_zh="五月抽奖",
    name_en="May draw",
    gtins=(TEA,),
    prizes=(PHONE, TEA_BOX, COUPON),
    opens_at=MAY,
    closes_at=MAY + 31 * DAY,
    entries_per_person=10,
    entries_per_person_per_day=3,
    when_stock_ends=3,
)

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(exclude_categories=())),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


def claim(*, at: datetime = MAY + DAY, gtin: str = TEA) -> ClaimFacts:
    return ClaimFacts(unit_id=1, gtin=gtin, member_id=2, at=at)


# Earning.


def test_a_claim_earns_spendable_points_that_expire_and_qualifying_ones_that_do_not() -> None:
    at = MAY + DAY

    assert earn([STANDING], claim(at=at)) == (
        Earning(1, 1, "spendable", 10, at + 365 * DAY),
        Earning(1, 1, "qualifying", 5, None),
    )


def test_points_without_an_expiry_never_expire() -> None:
    (spendable, _) = earn([replace(STANDING, expires_after_days=None)], claim())

    assert spendable.expires_at is None


def test_a_rule_of_no_points_earns_nothing_rather_than_zero() -> None:
    assert earn([replace(STANDING, points=0, qualifying=0)], claim()) == ()
    assert [e.currency for e in earn([replace(STANDING, points=0)], claim())] == ["qualifying"]


def test_a_rule_for_the_product_wins_over_a_later_one_for_all_products() -> None:
    tea = replace(STANDING, id=2, gtin=TEA, points=30)
    later = replace(STANDING, id=3, points=99, active_from=MAY + DAY / 2)

    assert {e.rule_id for e in earn([STANDING, tea, later], claim())} == {2}
    assert {e.rule_id for e in earn([STANDING, tea, later], claim(gtin=MILK))} == {3}


def test_a_rule_for_another_product_does_not_apply() -> None:
    assert earn([replace(STANDING, gtin=MILK)], claim(gtin=TEA)) == ()


def test_a_campaign_that_began_later_wins_while_it_lasts() -> None:
    week = replace(STANDING, id=2, points=50, active_from=MAY + DAY, active_until=MAY + 8 * DAY)
    paid = [earn([week, STANDING], claim(at=MAY + n * DAY))[0].amount for n in (0, 1, 7, 8)]

    assert paid == [10, 50, 50, 10]


def test_a_rule_begins_at_its_first_moment_and_ends_before_its_last() -> None:
    rule = replace(STANDING, active_until=MAY + DAY)
    instant = timedelta(microseconds=1)

    assert earn([rule], claim(at=MAY - instant)) == ()
    assert earn([rule], claim(at=MAY))
    assert earn([rule], claim(at=MAY + DAY - instant))
    assert earn([rule], claim(at=MAY + DAY)) == ()


def test_of_two_versions_of_a_rule_the_newer_one_pays_alone() -> None:
    earnings = earn([replace(STANDING, version=2, points=11), STANDING], claim())

    assert [(e.rule_version, e.amount) for e in earnings] == [(2, 11), (2, 5)]


earning_rules = st.builds(
    EarningRule,
    id=st.integers(1, 5),
    version=st.integers(1, 3),
    gtin=st.sampled_from([None, TEA, MILK]),
    points=st.integers(0, 1_000_000),
    qualifying=st.integers(0, 1_000_000),
    expires_after_days=st.none() | st.integers(1, 36_500),
    active_from=st.sampled_from([MAY, MAY + DAY, MAY + 2 * DAY]),
    active_until=st.none() | st.just(MAY + 3 * DAY),
)


@given(st.lists(earning_rules, unique_by=lambda rule: (rule.id, rule.version)), st.randoms(use_true_random=False))
def test_the_order_of_the_rules_is_indifferent_and_one_rule_pays(rules, random) -> None:
    earnings = earn(rules, claim())
    shuffled = list(rules)
    random.shuffle(shuffled)

    # Two rules that differ in id or version never tie, whatever else they share.
    assert earn(shuffled, claim()) == earnings
    assert len({(e.rule_id, e.rule_version) for e in earnings}) <= 1
    assert len({e.currency for e in earnings}) == len(earnings)
    assert all(1 <= e.amount <= 1_000_000 for e in earnings)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("id", 0),
        ("version", 0),
        ("gtin", "6901234567892"),
        ("gtin", "0690123456789X"),
        ("points", -1),
        ("points", 1_000_001),
        ("points", 1.0),
        ("points", True),
        ("qualifying", 1_000_001),
        ("expires_after_days", 0),
        ("expires_after_days", 36_501),
        ("active_from", datetime(2026, 5, 1)),  # noqa: DTZ001  # the very mistake
        ("active_until", MAY),
    ],
)
def test_an_earning_rule_outside_its_limits_is_refused_by_the_name_of_the_field(name: str, value: object) -> None:
    with pytest.raises(InvalidInput, match=name) as refusal:
        replace(STANDING, **{name: value})

    assert refusal.value.details == {"field": name}


# Draw rules.


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("id", 0),
        ("id", 32_768),
        ("name_zh", ""),
        ("name_zh", "　 "),
        ("name_en", "x" * 81),
        ("name_en", "two\nlines"),
        ("name_en", "half \ud83d"),
        ("name_en", 7),
        ("weight_ppb", -1),
        ("weight_ppb", 1_000_000_001),
        ("weight_ppb", 0.5),
        ("stock", 0),
        ("stock", True),
        ("value_cents", 5_000_001),
        ("value_cents", -1),
    ],
)
def test_a_prize_outside_its_limits_is_refused_by_the_name_of_the_field(name: str, value: object) -> None:
    with pytest.raises(InvalidInput, match=name) as refusal:
        replace(PHONE, **{name: value})

    assert refusal.value.details == {"field": name}


def test_a_prize_of_exactly_fifty_thousand_yuan_and_a_name_of_eighty_characters_are_allowed() -> None:
    prize = replace(PHONE, value_cents=5_000_000, name_zh="奖" * 80)

    assert prize.value_cents == 5_000_000


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("name_zh", " "),
        ("name_en", "x" * 81),
        ("gtins", ("6901234567892",)),
        ("gtins", (TEA, TEA)),
        ("gtins", tuple(f"{n:014}" for n in range(10_001))),
        ("prizes", ()),
        ("prizes", tuple(replace(TEA_BOX, id=n) for n in range(1, 52))),
        ("prizes", (PHONE, replace(COUPON, id=1))),
        ("prizes", (replace(PHONE, weight_ppb=999_999_999), replace(COUPON, weight_ppb=2))),
        ("weight_ppb", None),
        ("opens_at", datetime(2026, 5, 1)),  # noqa: DTZ001  # the very mistake
        ("opens_at", MAY.replace(year=9999)),
        ("closes_at", MAY),
        ("closes_at", MAY - DAY),
        ("entries_per_person", 0),
        ("entries_per_person_per_day", 0),
        ("entries_per_person_per_day", 11),
        ("when_stock_ends", 4),
        ("when_stock_ends", "thing"),
        ("when_stock_ends", True),
        ("when_stock_ends", 3.0),
        ("shards", 0),
        ("shards", 65),
        ("stock", None),
    ],
)
def test_draw_rules_outside_their_limits_are_refused_by_the_name_of_the_field(name: str, value: object) -> None:
    change = {name: value}
    if name == "weight_ppb":  # a prize that can never be won, and is no fallback
        change = {"prizes": (PHONE, replace(TEA_BOX, weight_ppb=0), COUPON)}
    if name == "stock":  # one phone cannot be in each of three shards
        change = {"shards": 3}
    with pytest.raises(InvalidInput, match=name) as refusal:
        replace(DRAW, **change)

    assert refusal.value.details == {"field": name}


def test_the_only_prize_cannot_be_its_own_fallback() -> None:
    with pytest.raises(InvalidInput, match="cannot stand in for itself"):
        replace(DRAW, prizes=(PHONE,), when_stock_ends=1)


def test_weights_may_add_up_to_certainty_exactly() -> None:
    rules = replace(DRAW, prizes=(replace(PHONE, weight_ppb=999_999_999), replace(COUPON, weight_ppb=1)))

    assert rules.nothing_odds == "0%"


def test_a_draw_without_products_covers_all_and_one_with_products_only_those() -> None:
    assert replace(DRAW, gtins=()).covers(MILK)
    assert DRAW.covers(TEA)
    assert not DRAW.covers(MILK)


def test_published_odds_are_exact() -> None:
    assert DRAW.odds == {1: "0.0001%", 2: "2%", 3: "0%"}
    assert DRAW.nothing_odds == "97.9999%"


@given(st.integers(0, 1_000_000_000))
def test_odds_in_per_cent_are_the_weight_itself(weight_ppb: int) -> None:
    text = percent(weight_ppb)

    assert Fraction(text.removesuffix("%")) * 10_000_000 == weight_ppb
    assert "." not in text or not text.removesuffix("%").endswith(("0", "."))


@given(st.integers(1, 8), st.integers(8, 1_000))
def test_shards_share_the_stock_evenly_and_completely(shards: int, stock: int) -> None:
    rules = replace(DRAW, prizes=(replace(PHONE, stock=stock),), when_stock_ends="nothing", shards=shards)
    shares = [rules.shard_stock(shard)[1] for shard in range(shards)]

    assert sum(shares) == stock
    assert max(shares) - min(shares) <= 1
    with pytest.raises(InvalidInput, match="shard"):
        rules.shard_stock(shards)


# The published document.


def test_rules_survive_publication() -> None:
    document = json.loads(json.dumps(DRAW.to_document()))

    assert DrawRules.from_document(document) == DRAW
    assert DrawRules.from_document(document).to_document() == document


def test_equal_rules_have_one_hash_however_they_are_written() -> None:
    china = timezone(timedelta(hours=8))
    same = replace(
        DRAW,
        gtins=(MILK, TEA),
        prizes=(COUPON, TEA_BOX, PHONE),
        opens_at=MAY.astimezone(china),
    )

    assert rules_hash(same.to_document()) == rules_hash(replace(DRAW, gtins=(TEA, MILK)).to_document())


@pytest.mark.parametrize(
    "change",
    [
        {"name_zh": "六月抽奖"},
        {"gtins": ()},
        {"prizes": (replace(PHONE, weight_ppb=1_001), TEA_BOX, COUPON)},
        {"prizes": (replace(PHONE, stock=3), TEA_BOX, COUPON)},
        {"prizes": (replace(PHONE, value_cents=1), TEA_BOX, COUPON)},
        {"opens_at": MAY + timedelta(microseconds=1)},
        {"closes_at": MAY + DAY},
        {"entries_per_person": None},
        {"entries_per_person_per_day": 2},
        {"when_stock_ends": 2, "prizes": (PHONE, TEA_BOX, replace(COUPON, weight_ppb=1))},
        {"shards": 2},
    ],
)
def test_every_change_of_the_rules_changes_their_hash(change: dict[str, object]) -> None:
    assert rules_hash(replace(DRAW, **change).to_document()) != rules_hash(DRAW.to_document())


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("format", "yima-draw-rules-2"),
        ("gtins", "06901234567892"),
        ("gtins", [MILK, TEA]),
        ("prizes", {}),
        ("prizes", [None]),
        ("prizes", [{"id": 1}]),
        ("opens_at", "2026-05-01T08:00:00+08:00"),
        ("opens_at", "2026-02-30T00:00:00Z"),
        ("opens_at", "2026-05-01T00:00:00.000000Z"),
        ("opens_at", "２026-05-01T00:00:00Z"),
        ("closes_at", 1),
        ("entries_per_person", 10.0),
        ("shards", True),
        ("colour", "red"),
    ],
)
def test_a_document_that_we_would_not_have_written_is_refused(name: str, value: object) -> None:
    with pytest.raises(InvalidInput, match=name):
        DrawRules.from_document(DRAW.to_document() | {name: value})


@pytest.mark.parametrize("name", sorted(DRAW.to_document()))
def test_a_document_without_one_of_its_fields_is_refused(name: str) -> None:
    document = DRAW.to_document()
    del document[name]

    with pytest.raises(InvalidInput, match=f"{name}: is missing"):
        DrawRules.from_document(document)


@given(json_values)
def test_any_other_json_value_is_refused_in_a_sentence(value: object) -> None:
    with pytest.raises(InvalidInput, match="draw rules"):
        DrawRules.from_document(value)


@given(st.sampled_from(sorted(DRAW.to_document())), json_values)
def test_any_value_in_any_field_is_either_refused_or_kept_as_it_is(name: str, value: object) -> None:
    document = DRAW.to_document() | {name: value}
    try:
        rules = DrawRules.from_document(document)
    except InvalidInput:
        return
    assert json.dumps(rules.to_document()) == json.dumps(document)


# The canonical form.


def test_keys_are_sorted_by_their_utf_16_code_units_as_rfc_8785_asks() -> None:
    # 😀 begins with the code unit D83D: before U+FF11 here, though behind it by code point.
    value = {"\uff11": 1, "😀": 2, "奖": 3, "b": {"d": [4, 5], "c": None}, "B": True, "": 6}

    assert canonical(value) == '{"":6,"B":true,"b":{"c":null,"d":[4,5]},"奖":3,"😀":2,"\uff11":1}'.encode()


def test_the_canonical_form_escapes_only_what_it_must() -> None:
    assert canonical('\b\t\n\f\r"\\/\u001f\u007f茶') == b'"\\b\\t\\n\\f\\r\\"\\\\/\\u001f\x7f\xe8\x8c\xb6"'
    assert canonical([None, True, False, -1, 9_007_199_254_740_991]) == b"[null,true,false,-1,9007199254740991]"


def nested(depth: int) -> object:
    value: object = 0
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize(
    "value",
    [1.0, float("nan"), 2**53, {1: 2}, "\ud800", {"\ud800": 1}, {"a": {1, 2}}, nested(17), nested(100_000)],
    ids=describe,
)
def test_what_has_no_canonical_form_is_refused(value: object) -> None:
    with pytest.raises(InvalidInput, match="document"):
        canonical(value)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.text(),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
        max_leaves=12,
    )
)
def test_the_canonical_form_loses_nothing_and_is_stable(value: object) -> None:
    form = canonical(value)

    assert json.loads(form) == value
    assert canonical(json.loads(form)) == form


@given(json_values)
def test_describing_a_value_is_short_and_can_be_printed(value: object) -> None:
    assert len(describe(value).encode()) < 1_000


def test_describing_a_monstrous_value_is_no_error() -> None:
    assert describe(10**5_000) == "a number far out of range"
    assert describe(nested(100_000)) == "a list"
