from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaigns.documents import rules_hash
from campaigns.fairness import Roller, commitment, decide, entrant_tag, genesis, link
from campaigns.proofs import ShardLog, build, receipt_matches, verify
from campaigns.rules import DrawRules, PrizeRule

VECTORS = json.loads(Path(__file__).with_name("vectors.json").read_text(encoding="utf-8"))
OPENS = datetime(2026, 5, 1, tzinfo=UTC)
DAY = timedelta(days=1)
SEED = hashlib.sha256(b"proofs").digest()
ENTRIES = 60

RULES = DrawRules(
    name_zh="五月抽奖",
    name_en="May draw",
    gtins=(),
    prizes=(
        PrizeRule(1, "手机", "Phone", 30_000_000, 2, 499_900),
        PrizeRule(2, "茶", "Tea", 300_000_000, 10, 3_000),
        PrizeRule(3, "券", "Coupon", 0, 6, 100),
    ),
    opens_at=OPENS,
    closes_at=OPENS + 31 * DAY,
    entries_per_person=None,
    entries_per_person_per_day=None,
    when_stock_ends=3,
    shards=2,
)

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(exclude_categories=()), max_size=40)
    | st.sampled_from([10**4_000, "a" * 64, "0" * 32]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


def scan_of(shard: int, number: int) -> UUID:
    return UUID(int=shard << 64 | number)


def close_draw(rules: DrawRules, entries: int, *, draw: str = "may-2026") -> dict[str, Any]:
    """Run a draw of so many entries in each shard, and publish it."""
    published = rules.to_document()
    logs = []
    left = dict.fromkeys((prize.id for prize in rules.prizes), 0)
    for shard in range(rules.shards):
        remaining = rules.shard_stock(shard)
        roller = Roller(SEED, draw, shard)
        head = genesis(draw, shard, commitment(SEED), rules_hash(published))
        log: list[tuple[int, str, int | None]] = []
        for number in range(1, entries + 1):
            won = decide(rules, remaining, roller.roll(number)).prize_id
            if won is not None:
                remaining[won] -= 1
            log.append((number, entrant_tag(scan_of(shard, number)), won))
            head = link(head, *log[-1])
        logs.append(ShardLog(shard, log, head))
        left = {prize_id: left[prize_id] + count for prize_id, count in remaining.items()}
    return build(
        draw=draw,
        rules=published,
        rules_hash=rules_hash(published),
        seed_commitment=commitment(SEED),
        published_at=OPENS - DAY,
        seed=SEED,
        closed_at=OPENS + 31 * DAY,
        shards=logs,
        prizes_left=left,
    )


@cache
def honest_text() -> str:
    return json.dumps(close_draw(RULES, ENTRIES))


def honest() -> Any:
    """A fresh copy of an honest proof, as read from a file."""
    return json.loads(honest_text())


def relink(proof: Any) -> None:
    """Make the heads fit again: the forger knows how the chain is made."""
    for log in proof["shards"]:
        head = genesis(proof["draw"], log["shard"], proof["seed_commitment"], proof["rules_hash"])
        for entry in log["entries"]:
            head = link(head, *entry)
        log["head"] = head.hex()


def winning(proof: Any, prize_id: int | None) -> tuple[int, list[Any]]:
    """The first entry with this outcome, and the shard it stands in."""
    return next((log["shard"], entry) for log in proof["shards"] for entry in log["entries"] if entry[2] == prize_id)


def test_an_honest_draw_verifies_and_its_prizes_are_counted() -> None:
    report = verify(honest())

    assert report.problems == []
    assert report.ok
    assert report.entries == 2 * ENTRIES
    assert report.prizes[2] == 10  # the tea ran out, and the coupon stood in
    assert report.prizes[3] == 6
    assert report.prizes.keys() == {1, 2, 3}
    left = {int(prize_id): count for prize_id, count in honest()["prizes_left"].items()}
    assert {prize.id: prize.stock - report.prizes[prize.id] for prize in RULES.prizes} == left


def test_the_committed_proof_made_without_our_code_verifies() -> None:
    report = verify(VECTORS["proof"])

    assert report.problems == []
    assert report.ok
    assert report.prizes == {1: 1, 2: 3, 3: 2}


def test_a_draw_that_nobody_entered_verifies() -> None:
    report = verify(close_draw(RULES, 0))

    assert report.ok
    assert report.entries == 0
    assert report.prizes == {1: 0, 2: 0, 3: 0}


def test_a_built_proof_is_plain_json() -> None:
    proof = close_draw(RULES, 5)

    assert json.loads(json.dumps(proof)) == proof


def change_prize(proof: Any) -> str:
    shard, entry = winning(proof, None)
    entry[2] = 1
    return f"shard {shard}, entry {entry[0]}: prize is 1, expected null"


def take_prize_away(proof: Any) -> str:
    shard, entry = winning(proof, 2)
    entry[2] = None
    return f"shard {shard}, entry {entry[0]}: prize is null, expected 2"


def name_unknown_prize(proof: Any) -> str:
    proof["shards"][0]["entries"][4][2] = 77
    return "shard 0, entry 5: prize is 77"


def swap_entries(proof: Any) -> str:
    entries = proof["shards"][1]["entries"]
    entries[3], entries[4] = entries[4], entries[3]
    return "shard 1, entry 5: expected number 4"


def drop_entry(proof: Any) -> str:
    del proof["shards"][0]["entries"][9]
    return "shard 0, entry 11: expected number 10"


def repeat_entry(proof: Any) -> str:
    entries = proof["shards"][0]["entries"]
    entries.insert(10, list(entries[9]))
    return "shard 0, entry 10: expected number 11"


def begin_at_zero(proof: Any) -> str:
    for entry in proof["shards"][0]["entries"]:
        entry[0] -= 1
    return "shard 0, entry 1: expected [number, entrant, prize id or null]"


def give_more_stock(proof: Any) -> str:
    proof["rules"]["prizes"][1]["stock"] += 5
    return "rules_hash: is"


def lower_odds(proof: Any) -> str:
    proof["rules"]["prizes"][0]["weight_ppb"] = 1
    return "rules_hash: is"


def drop_fallback(proof: Any) -> str:
    proof["rules"]["when_stock_ends"] = 2
    proof["rules"]["prizes"][2]["weight_ppb"] = 1
    return "rules_hash: is"


def change_seed(proof: Any) -> str:
    proof["seed"] = SEED[::-1].hex()
    return "seed_commitment: is"


def change_commitment(proof: Any) -> str:
    proof["seed_commitment"] = "0" * 64
    return "seed_commitment: is"


def swap_shards(proof: Any) -> str:
    first, second = proof["shards"]
    first["entries"], second["entries"] = second["entries"], first["entries"]
    return "shard 0, entry"


def rename_draw(proof: Any) -> str:
    proof["draw"] = "june-2026"
    return "shard 0, entry"


def keep_a_prize_back(proof: Any) -> str:
    proof["prizes_left"]["1"] += 1
    return "prizes_left, prize 1: is"


def forget_a_prize(proof: Any) -> str:
    del proof["prizes_left"]["2"]
    return "prizes_left, prize 2: is null, expected 0"


def leave_an_unknown_prize(proof: Any) -> str:
    proof["prizes_left"]["9"] = 0
    return "prizes_left, '9': expected no such prize"


def publish_late(proof: Any) -> str:
    proof["published_at"] = "2026-05-01T00:00:00.000001Z"
    return "published_at: 2026-05-01T00:00:00.000001Z is after the draw opened, expected 2026-05-01T00:00:00Z"


def close_before_publication(proof: Any) -> str:
    proof["closed_at"] = "2026-04-01T00:00:00Z"
    return "closed_at: 2026-04-01T00:00:00Z is before publication, expected 2026-04-30T00:00:00Z"


FORGERIES = [
    change_prize,
    take_prize_away,
    name_unknown_prize,
    swap_entries,
    drop_entry,
    repeat_entry,
    begin_at_zero,
    give_more_stock,
    lower_odds,
    drop_fallback,
    change_seed,
    change_commitment,
    swap_shards,
    rename_draw,
    keep_a_prize_back,
    forget_a_prize,
    leave_an_unknown_prize,
    publish_late,
    close_before_publication,
]


@pytest.mark.parametrize("forge", FORGERIES)
def test_a_forgery_is_named_with_its_place_and_what_was_expected(forge: Callable[[Any], str]) -> None:
    proof = honest()
    expected = forge(proof)
    report = verify(proof)

    assert not report.ok
    assert any(problem.startswith(expected) for problem in report.problems), report.problems


@pytest.mark.parametrize("forge", [f for f in FORGERIES if f is not begin_at_zero])
def test_a_forgery_with_a_chain_made_to_fit_is_still_named(forge: Callable[[Any], str]) -> None:
    proof = honest()
    expected = forge(proof)
    relink(proof)
    report = verify(proof)

    assert not report.ok
    assert any(problem.startswith(expected) for problem in report.problems), report.problems
    assert not any("head" in problem for problem in report.problems)


def test_exchanging_the_entrants_of_two_entries_breaks_the_chain() -> None:
    proof = honest()
    entries = proof["shards"][1]["entries"]
    entries[0][1], entries[1][1] = entries[1][1], entries[0][1]
    report = verify(proof)

    assert len(report.problems) == 1
    assert report.problems[0].startswith(f"shard 1, head: is {proof['shards'][1]['head']}, expected ")


def test_cutting_off_the_last_entries_breaks_the_chain() -> None:
    proof = honest()
    entries = proof["shards"][0]["entries"]
    while entries[-1][2] is not None:
        entries.pop()
    entries.pop()

    assert any(problem.startswith("shard 0, head: is") for problem in verify(proof).problems)


def test_one_changed_outcome_does_not_make_later_ones_look_wrong() -> None:
    proof = honest()
    shard, entry = winning(proof, 1)
    entry[2] = 2
    problems = verify(proof).problems

    assert len(problems) == 2
    assert problems[0] == f"shard {shard}, entry {entry[0]}: prize is 2, expected 1"
    assert problems[1].startswith(f"shard {shard}, head:")


def test_after_twenty_problems_the_rest_is_counted() -> None:
    proof = honest()
    for log in proof["shards"]:
        for entry in log["entries"]:
            entry[2] = 9
    problems = verify(proof).problems

    assert len(problems) == 21
    assert problems[-1] == f"and {2 * ENTRIES + 2 - 20} more"


def test_a_gap_is_one_problem_and_the_entries_after_it_are_none() -> None:
    proof = honest()
    entries = proof["shards"][0]["entries"]
    lost = next(index for index, entry in enumerate(entries) if entry[2] is None)
    del entries[lost]
    problems = verify(proof).problems

    assert problems[0] == f"shard 0, entry {lost + 2}: expected number {lost + 1}"
    assert [problem.split(":")[0] for problem in problems[1:]] == ["shard 0, head"]


@pytest.mark.parametrize("count", [False, 0.0, "0", None])
def test_a_count_that_only_python_takes_for_zero_is_named(count: object) -> None:
    proof = honest()
    assert proof["prizes_left"]["2"] == 0
    proof["prizes_left"]["2"] = count

    assert [problem.split(":")[0] for problem in verify(proof).problems] == ["prizes_left, prize 2"]


@pytest.mark.parametrize("entrant", ["", "ab" * 15, "ab" * 17, "AB" * 16, "ab" * 16 + "\n", "\ud800" * 32, None])
def test_an_entrant_that_is_no_tag_is_named_and_its_chain_cannot_be_recomputed(entrant: object) -> None:
    proof = honest()
    proof["shards"][0]["entries"][-1][1] = entrant
    problems = verify(proof).problems

    assert problems[0] == f"shard 0, entry {ENTRIES}: expected [number, entrant, prize id or null]"
    assert "shard 0, head: cannot be recomputed, expected only readable entries" in problems


def test_rules_changed_together_with_their_hash_no_longer_fit_the_log() -> None:
    proof = honest()
    proof["rules"]["prizes"][1]["weight_ppb"] //= 2
    proof["rules_hash"] = rules_hash(proof["rules"])
    relink(proof)

    assert any("expected null" in problem for problem in verify(proof).problems)


def test_a_proof_of_a_shard_too_few_or_in_the_wrong_order_is_refused() -> None:
    fewer, reversed_ = honest(), honest()
    fewer["shards"].pop()
    reversed_["shards"].reverse()

    assert verify(fewer).problems == ["proof, shards: must be a list of 2, as the rules say"]
    assert verify(reversed_).problems == ["shard 0, shard: must be 0, not 1"]


@pytest.mark.parametrize("name", sorted(honest()))
def test_a_proof_without_one_of_its_fields_is_refused_by_its_name(name: str) -> None:
    proof = honest()
    del proof[name]

    assert verify(proof).problems == [f"proof, '{name}': is missing"]


def test_a_proof_with_a_field_too_many_is_refused_by_its_name() -> None:
    assert verify(honest() | {"colour": 1}).problems == ["proof, 'colour': is not a field of this format"]


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The paths of a JSON value and everything in it."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for key, item in inner for place in places(item, (*path, key)))]


def put(proof: Any, place: tuple[Any, ...], value: Any) -> Any:
    if not place:
        return value
    *way, last = place
    holder = proof
    for key in way:
        holder = holder[key]
    holder[last] = value
    return proof


@cache
def small_text() -> str:
    return json.dumps(close_draw(replace(RULES, shards=1), 8))


@given(json_values)
def test_any_json_value_gets_a_report(value: object) -> None:
    report = verify(value)

    assert not report.ok
    assert report.problems
    assert not receipt_matches(value, scan_of(0, 1), 1)


@given(st.sampled_from(places(json.loads(small_text()))), json_values)
def test_any_value_in_any_place_of_a_proof_is_caught(place: tuple[Any, ...], value: Any) -> None:
    proof = put(json.loads(small_text()), place, value)
    report = verify(proof)
    unchanged = repr(proof) == repr(json.loads(small_text()))

    assert report.ok == unchanged
    assert bool(report.problems) != report.ok
    "\n".join(report.problems).encode()  # can be printed, whatever the file holds
    receipt_matches(proof, scan_of(0, 1), 1)


@given(st.data())
def test_any_small_change_of_a_number_or_digit_is_caught(data: st.DataObject) -> None:
    proof = json.loads(small_text())
    stated = {("published_at",), ("closed_at",)}  # the publisher's word, bound by nothing
    leaves = [place for place in places(proof) if place not in stated]
    place = data.draw(st.sampled_from(leaves))
    value: Any = proof
    for key in place:
        value = value[key]
    if isinstance(value, int):
        changed: Any = data.draw(st.sampled_from([value + 1, value - 1, float(value), -value - 1, str(value)]))
    elif isinstance(value, str):
        changed = data.draw(st.sampled_from([value.upper() + " ", value[1:], value[:-1] + "0x"[value[-1:] == "0"]]))
    elif value is None:
        changed = data.draw(st.sampled_from([0, 1, 2, 3, False, "null"]))
    elif isinstance(value, list):
        changed = data.draw(st.sampled_from([value[:-1], [*value, None], [*value, *value[-1:]], [*value[::-1], 0]]))
        if changed == value:  # an empty list, shortened
            changed = [None]
    else:
        changed = {name: item for name, item in value.items() if name != min(value)}
    report = verify(put(proof, place, changed))

    assert not report.ok, place
    assert report.problems


@given(st.sampled_from(range(ENTRIES)), st.sampled_from(range(ENTRIES)), st.booleans())
def test_any_two_entries_exchanged_are_caught(first: int, second: int, renumber: bool) -> None:
    proof = honest()
    entries = proof["shards"][0]["entries"]
    entries[first], entries[second] = entries[second], entries[first]
    if renumber:
        entries[first][0], entries[second][0] = first + 1, second + 1

    assert verify(proof).ok == (first == second)


def test_a_monstrously_nested_value_gets_a_report() -> None:
    value: Any = 0
    for _ in range(100_000):
        value = [value]

    assert not verify(value).ok
    for name in honest():
        assert not verify(honest() | {name: value}).ok
    proof = honest()
    proof["shards"][0]["entries"][0] = value
    assert verify(proof).problems[0] == "shard 0, entry 1: expected [number, entrant, prize id or null]"
    assert not receipt_matches(proof, scan_of(0, 1), 1)


def test_the_holder_of_a_receipt_finds_the_entry_and_nobody_elses() -> None:
    proof = honest()

    assert receipt_matches(proof, scan_of(0, 7), 7)
    assert receipt_matches(proof, scan_of(1, 7), 7)
    assert not receipt_matches(proof, scan_of(0, 7), 8)
    assert not receipt_matches(proof, scan_of(2, 7), 7)


def test_the_holder_of_a_receipt_sees_that_the_entry_was_given_to_another() -> None:
    proof = honest()
    proof["shards"][0]["entries"][6][1] = entrant_tag(UUID(int=99))
    relink(proof)

    assert verify(proof).ok  # consistent in itself; only the receipt shows it
    assert not receipt_matches(proof, scan_of(0, 7), 7)


def test_verifying_does_not_change_the_document() -> None:
    proof = honest()
    before = copy.deepcopy(proof)
    verify(proof)

    assert proof == before
