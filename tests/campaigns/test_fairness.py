from __future__ import annotations

import hashlib
import hmac
import json
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaigns import fairness
from campaigns.documents import canonical, rules_hash
from campaigns.fairness import (
    NUMBER_MAX,
    ROLL_LIMIT,
    Decision,
    Roller,
    commitment,
    decide,
    entrant_tag,
    genesis,
    link,
    new_seed,
    pick,
    roll,
)
from campaigns.rules import DrawRules, PrizeRule
from kernel.errors import InvalidInput

VECTORS = json.loads(Path(__file__).with_name("vectors.json").read_text(encoding="utf-8"))
SEED = bytes(range(32))

seeds = st.binary(min_size=32, max_size=32)
draw_ids = st.text(min_size=1, max_size=40)
shards = st.integers(0, 63)
numbers = st.integers(1, NUMBER_MAX)
hashes = st.binary(min_size=32, max_size=32)
tags = st.binary(min_size=16, max_size=16).map(bytes.hex)


def draw_rules(*prizes: tuple[int, int, int], when_stock_ends: str | int = "nothing") -> DrawRules:
    """Rules of prizes (id, weight in ppb, stock)."""
    return DrawRules(
        name_zh="抽奖",
        name_en="Draw",
        gtins=(),
        prizes=tuple(PrizeRule(i, "奖", "Prize", weight, stock, 100) for i, weight, stock in prizes),
        opens_at=datetime(2026, 5, 1, tzinfo=UTC),
        closes_at=datetime(2026, 6, 1, tzinfo=UTC),
        entries_per_person=None,
        entries_per_person_per_day=None,
        when_stock_ends=when_stock_ends,
    )


# An implementation of its own, from the published description and with hashlib and hmac alone.


def sized(text: str) -> bytes:
    encoded = text.encode()
    return len(encoded).to_bytes(2, "big") + encoded


def roll_by_the_book(seed: bytes, draw_id: str, shard: int, number: int, limit: int) -> int:
    attempt = 0
    while True:
        message = b"yima-draw-roll-1" + sized(draw_id) + shard.to_bytes(4, "big")
        message += number.to_bytes(8, "big") + attempt.to_bytes(4, "big")
        value = int.from_bytes(hmac.new(seed, message, "sha256").digest()[:8], "big")
        if value < limit:
            return value % 10**9
        attempt += 1


def genesis_by_the_book(draw_id: str, shard: int, seed_commitment: str, rules: str) -> bytes:
    bound = sized(draw_id) + shard.to_bytes(4, "big") + bytes.fromhex(seed_commitment + rules)
    return hashlib.sha256(b"yima-draw-log-1" + bound).digest()


def link_by_the_book(previous: bytes, number: int, entrant: str, prize_id: int | None) -> bytes:
    entry = number.to_bytes(8, "big") + (prize_id or 0).to_bytes(8, "big") + sized(entrant)
    return hashlib.sha256(b"yima-draw-link-1" + previous + entry).digest()


def test_the_committed_rolls_come_out_of_both_implementations() -> None:
    assert len(VECTORS["rolls"]) == 7
    for vector in VECTORS["rolls"]:
        seed = bytes.fromhex(vector["seed"])
        place = (vector["draw"], vector["shard"], vector["number"])

        assert roll(seed, *place) == vector["roll"]
        assert roll_by_the_book(seed, *place, limit=18_446_744_073_000_000_000) == vector["roll"]


def test_the_committed_commitments_and_entrants_come_out() -> None:
    for vector in VECTORS["commitments"]:
        assert commitment(bytes.fromhex(vector["seed"])) == vector["commitment"]
    for vector in VECTORS["entrants"]:
        assert entrant_tag(UUID(vector["scan_id"])) == vector["entrant"]


def test_the_committed_chain_comes_out_of_both_implementations() -> None:
    proof, heads = VECTORS["proof"], VECTORS["heads"]
    start = (proof["draw"], 0, proof["seed_commitment"], proof["rules_hash"])

    assert canonical(proof["rules"]).decode() == VECTORS["canonical_rules"]
    assert rules_hash(proof["rules"]) == proof["rules_hash"]
    assert genesis(*start).hex() == genesis_by_the_book(*start).hex() == heads[0]
    for before, entry, after in zip(heads, proof["shards"][0]["entries"], heads[1:], strict=False):
        assert link(bytes.fromhex(before), *entry).hex() == after
        assert link_by_the_book(bytes.fromhex(before), *entry).hex() == after
    assert proof["shards"][0]["head"] == heads[-1]


@given(seeds, draw_ids, shards, numbers)
def test_every_roll_is_what_the_published_description_says(seed: bytes, draw_id: str, shard: int, number: int) -> None:
    expected = roll_by_the_book(seed, draw_id, shard, number, 2**64 - 2**64 % 10**9)

    assert roll(seed, draw_id, shard, number) == expected
    assert 0 <= expected < 10**9


@given(draw_ids, shards, hashes, hashes)
def test_every_chain_begins_as_the_published_description_says(
    draw_id: str, shard: int, seed_hash: bytes, rules: bytes
) -> None:
    start = (draw_id, shard, seed_hash.hex(), rules.hex())

    assert genesis(*start) == genesis_by_the_book(*start)


@given(hashes, numbers, tags, st.none() | st.integers(1, 32_767))
def test_every_link_is_what_the_published_description_says(
    previous: bytes, number: int, tag: str, prize_id: int | None
) -> None:
    assert link(previous, number, tag, prize_id) == link_by_the_book(previous, number, tag, prize_id)


def test_values_beyond_the_last_whole_cycle_are_rolled_again(monkeypatch: pytest.MonkeyPatch) -> None:
    # At the true limit one roll in 26 thousand million is thrown away; at this one, three in four.
    limit = 2**62 - 2**62 % 10**9
    monkeypatch.setattr(fairness, "ROLL_LIMIT", limit)
    monkeypatch.setattr(fairness, "_ATTEMPTS_MAX", 200)
    roller = Roller(SEED, "may", 0)
    rolls = [roller.roll(number) for number in range(1, 301)]

    assert rolls == [roll_by_the_book(SEED, "may", 0, number, limit) for number in range(1, 301)]
    assert rolls != [roll_by_the_book(SEED, "may", 0, number, 2**64) for number in range(1, 301)]


def test_a_generator_that_never_gives_a_roll_is_a_defect_and_not_an_endless_loop(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(fairness, "ROLL_LIMIT", 0)

    with pytest.raises(RuntimeError, match="entry 5"):
        roll(SEED, "may", 0, 5)


def test_below_the_limit_every_roll_has_equally_many_values() -> None:
    assert ROLL_LIMIT % 10**9 == 0
    assert 0 <= 2**64 - ROLL_LIMIT < 10**9


def test_rolls_are_even_over_their_range() -> None:
    roller = Roller(SEED, "even", 0)
    counts = Counter(roller.roll(number) // 10_000_000 for number in range(1, 100_001))
    chi_square = sum((counts[bin_] - 1_000) ** 2 / 1_000 for bin_ in range(100))

    # 99 degrees of freedom: a fair roller lies between these in all but one of a thousand seeds.
    assert 59 < chi_square < 149


def test_prizes_come_out_by_their_weights() -> None:
    rules = draw_rules((1, 1_000_000, 10**6), (2, 99_000_000, 10**6), (3, 400_000_000, 10**6))
    roller = Roller(SEED, "weights", 0)
    counts = Counter(pick(rules, roller.roll(number)) for number in range(1, 100_001))
    expected = {1: 100, 2: 9_900, 3: 40_000, None: 50_000}
    chi_square = sum((counts[prize] - mean) ** 2 / mean for prize, mean in expected.items())

    assert counts.keys() == expected.keys()
    assert chi_square < 16.3  # 3 degrees of freedom, one in a thousand


def test_shards_draws_numbers_and_seeds_roll_independently() -> None:
    others = [Roller(SEED, "may", 1), Roller(SEED, "june", 0), Roller(SEED[::-1], "may", 0)]
    first = [Roller(SEED, "may", 0).roll(number) for number in range(1, 1_001)]

    for other in others:
        rolls = [other.roll(number) for number in range(1, 1_001)]
        agreeing = sum((a < 500_000_000) == (b < 500_000_000) for a, b in zip(first, rolls, strict=True))
        assert abs(agreeing - 500) < 60  # 3.8 standard deviations of 15.8


def test_a_draw_id_that_ends_in_digits_does_not_run_into_the_shard() -> None:
    places = [("a", 0x62000000), ("ab", 0), ("a\0", 0), ("a", 0)]

    assert len({roll(SEED, draw_id, shard, 1) for draw_id, shard in places}) == len(places)


def test_a_seed_is_new_each_time_and_its_commitment_does_not_show_it() -> None:
    seed, other = new_seed(), new_seed()

    assert len(seed) == 32
    assert seed != other
    assert commitment(seed) == hashlib.sha256(seed).hexdigest()


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ((bytes(31), "may", 0, 1), "seed"),
        ((SEED, "", 0, 1), "draw"),
        ((SEED, "茶" * 67, 0, 1), "draw"),
        ((SEED, "half \ud83d", 0, 1), "draw"),
        ((SEED, "may", -1, 1), "shard"),
        ((SEED, "may", 2**32, 1), "shard"),
        ((SEED, "may", 0, 0), "entry number"),
        ((SEED, "may", 0, 2**53), "entry number"),
    ],
)
def test_a_roll_outside_its_limits_is_refused_by_name(arguments: tuple, named: str) -> None:
    with pytest.raises(InvalidInput, match=named):
        roll(*arguments)


def test_weights_are_laid_end_to_end_in_order_of_prize_id() -> None:
    rules = draw_rules((7, 300, 1), (2, 100, 1), (5, 200, 1))
    edges = {0: 2, 99: 2, 100: 5, 299: 5, 300: 7, 599: 7, 600: None, 999_999_999: None}

    assert {rolled: pick(rules, rolled) for rolled in edges} == edges


def test_a_prize_of_weight_zero_is_never_rolled_wherever_it_stands() -> None:
    for fallback in (1, 3, 9):
        rules = draw_rules((fallback, 0, 1), (2, 10, 1), (4, 10, 1), when_stock_ends=fallback)

        assert {pick(rules, rolled) for rolled in range(30)} == {2, 4, None}
        assert [pick(rules, rolled) for rolled in (0, 9, 10, 19, 20)] == [2, 2, 4, 4, None]


def test_when_weights_add_up_to_certainty_every_roll_wins() -> None:
    rules = draw_rules((1, 1, 1), (2, 999_999_999, 1))

    assert [pick(rules, rolled) for rolled in (0, 1, 999_999_999)] == [1, 2, 2]


@given(
    st.lists(st.integers(1, 20), min_size=1, max_size=6),
    st.integers(0, 150),
)
def test_picking_agrees_with_counting_tickets(weights: list[int], rolled: int) -> None:
    rules = draw_rules(*((index, weight, 1) for index, weight in enumerate(weights, start=1)))
    tickets = [index for index, weight in enumerate(weights, start=1) for _ in range(weight)]

    assert pick(rules, rolled) == (tickets[rolled] if rolled < len(tickets) else None)


def test_a_prize_in_stock_is_won() -> None:
    rules = draw_rules((1, 10, 1), (2, 10, 1), when_stock_ends=2)

    assert decide(rules, {1: 1, 2: 1}, 5) == Decision(1, 1, stock_ended=False)
    assert decide(rules, {1: 1, 2: 1}, 20) == Decision(None, None, stock_ended=False)


def test_a_prize_that_ran_out_gives_way_to_the_fallback_while_that_lasts() -> None:
    rules = draw_rules((1, 10, 1), (2, 10, 1), when_stock_ends=2)

    assert decide(rules, {1: 0, 2: 1}, 5) == Decision(2, 1, stock_ended=True)
    assert decide(rules, {1: 0, 2: 0}, 5) == Decision(None, 1, stock_ended=True)
    assert decide(rules, {1: 1, 2: 0}, 15) == Decision(None, 2, stock_ended=True)


def test_without_a_fallback_a_prize_that_ran_out_gives_nothing() -> None:
    rules = draw_rules((1, 10, 1), (2, 10, 1))

    assert decide(rules, {1: 0, 2: 1}, 5) == Decision(None, 1, stock_ended=True)


@given(
    st.lists(st.tuples(st.integers(1, 30), st.integers(1, 4)), min_size=2, max_size=5),
    st.booleans(),
    st.lists(st.integers(0, 160), max_size=60),
)
def test_no_prize_is_ever_won_more_often_than_there_are_of_it(
    prizes: list[tuple[int, int]], with_fallback: bool, rolls: list[int]
) -> None:
    rules = draw_rules(
        *((index, weight, stock) for index, (weight, stock) in enumerate(prizes, start=1)),
        when_stock_ends=1 if with_fallback else "nothing",
    )
    remaining = rules.shard_stock(0)
    won: Counter[int] = Counter()
    for rolled in rolls:
        decision = decide(rules, remaining, rolled)
        assert decision.rolled_prize_id == pick(rules, rolled)
        if decision.prize_id is not None:
            won[decision.prize_id] += 1
            remaining[decision.prize_id] -= 1
            assert decision.prize_id in (decision.rolled_prize_id, rules.when_stock_ends)

    assert all(won[prize.id] <= prize.stock for prize in rules.prizes)


def test_the_chain_tells_every_part_of_an_entry_apart() -> None:
    start = genesis("may", 0, "00" * 32, "11" * 32)
    entries = [(1, "ab", None), (1, "ab", 1), (2, "ab", None), (1, "ac", None), (1, "abc", None)]
    starts = [
        genesis("june", 0, "00" * 32, "11" * 32),
        genesis("may", 1, "00" * 32, "11" * 32),
        genesis("may", 0, "11" * 32, "11" * 32),
        genesis("may", 0, "00" * 32, "00" * 32),
    ]

    assert len({link(start, *entry) for entry in entries}) == len(entries)
    assert len({start, *starts}) == 5


def test_an_entrant_can_be_found_with_sha256sum_and_does_not_show_the_scan() -> None:
    scan_id = UUID("0190F5FE-7C00-7A00-8000-0123456789AB")

    assert entrant_tag(scan_id) == hashlib.sha256(b"0190f5fe-7c00-7a00-8000-0123456789ab").hexdigest()[:32]
    assert entrant_tag(scan_id)[:8] not in str(scan_id)
