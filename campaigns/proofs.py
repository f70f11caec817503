"""Proof files: everything needed to recompute a closed draw, and the recomputing.

A proof shows that this log follows from this seed and these rules, and that nothing in it was changed,
added or left out after the fact. It cannot know what was published before the draw opened: whoever checks
compares the file's `seed_commitment` and `rules_hash` with what they saw published then, and their own
entry with their receipt (`receipt_matches`). The two times are the publisher's statement.

Format "yima-draw-proof-1", one JSON object, integers only, times in UTC:

    {"format": "yima-draw-proof-1",
     "draw": draw id,
     "rules": rules document as published (`campaigns.rules`), "rules_hash": hex,
     "seed_commitment": hex, "published_at": time,
     "seed": hex, "closed_at": time,
     "shards": [{"shard": 0, "entries": [[number, entrant, prize id or null], …], "head": hex}, …],
     "prizes_left": {"prize id": count, …}}
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from campaigns.documents import describe, parse_time, rules_hash, time_text
from campaigns.fairness import NUMBER_MAX, Roller, commitment, decide, entrant_tag, genesis, link
from campaigns.rules import DrawRules
from kernel.errors import InvalidInput

PROOF_FORMAT: Final = "yima-draw-proof-1"
PROBLEMS_LISTED_MAX: Final = 20

_FIELDS: Final = frozenset(
    {"format", "draw", "rules", "rules_hash", "seed_commitment", "published_at"}
    | {"seed", "closed_at", "shards", "prizes_left"}
)
_SHARD_FIELDS: Final = frozenset({"shard", "entries", "head"})
_HASH: Final = re.compile(r"[0-9a-f]{64}")
_ENTRANT: Final = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True, slots=True)
class ShardLog:
    """One shard of the entry log: entries (number, entrant tag, prize id or None) and its head, 32 bytes."""

    shard: int
    entries: Sequence[tuple[int, str, int | None]]
    head: bytes


@dataclass(frozen=True, slots=True)
class ProofReport:
    """What recomputing a proof file found.

    Attributes:
        ok: Everything agrees.
        entries: Entries read.
        prizes: How often each prize was won, by id, as recorded; every prize of the rules is in it.
        problems: What does not agree, where, and what was expected; at most 20, then how many more.
    """

    ok: bool
    entries: int
    prizes: dict[int, int]
    problems: list[str]


def build(
    *,
    draw: str,
    rules: Mapping[str, object],
    rules_hash: str,
    seed_commitment: str,
    published_at: datetime,
    seed: bytes,
    closed_at: datetime,
    shards: Iterable[ShardLog],
    prizes_left: Mapping[int, int],
) -> dict[str, object]:
    """Arrange a closed draw as a proof document.

    Everything is passed as it was published or recorded, and nothing is recomputed: a proof must show a
    contradiction, not mend it. `verify` tells whether there is one.

    Args:
        draw: The draw's id.
        rules: The rules document as published.
        rules_hash: Its hash as published, hex.
        seed_commitment: SHA-256 of the seed as published, hex.
        published_at: When these were published.
        seed: The seed, 32 bytes.
        closed_at: When the draw closed.
        shards: The entry log, in order of shard; shards without entries too.
        prizes_left: What is left of each prize over all shards, by id.

    Returns:
        The document, ready for JSON.
    """
    return {
        "format": PROOF_FORMAT,
        "draw": draw,
        "rules": dict(rules),
        "rules_hash": rules_hash,
        "seed_commitment": seed_commitment,
        "published_at": time_text(published_at),
        "seed": seed.hex(),
        "closed_at": time_text(closed_at),
        "shards": [
            {"shard": log.shard, "entries": [list(entry) for entry in log.entries], "head": log.head.hex()}
            for log in shards
        ],
        "prizes_left": {str(prize_id): count for prize_id, count in sorted(prizes_left.items())},
    }


def verify(document: object) -> ProofReport:
    """Recompute a proof file from itself alone.

    Compared are the rules' hash, the seed's commitment, the numbers (from 1, without a gap, in every shard),
    every outcome with stock running out in order of number, the chain's heads and the prizes left.

    Args:
        document: Any JSON value; whatever it is, the answer is a report, never an error.
    """
    problems = _Problems()
    try:
        claim = _read(document)
    except InvalidInput as error:
        problems.add(error.message)
        return ProofReport(ok=False, entries=0, prizes={}, problems=problems.listed())
    _compare_publication(claim, problems)

    entries, won = 0, Counter[int]()
    left = {prize.id: 0 for prize in claim.rules.prizes}
    for log in claim.shards:
        entries += _follow(claim, log, won, left, problems)
    _compare_prizes_left(claim.prizes_left, left, problems)
    prizes = {prize_id: won[prize_id] for prize_id in left}
    return ProofReport(ok=not problems.count, entries=entries, prizes=prizes, problems=problems.listed())


def receipt_matches(document: object, scan_id: UUID, number: int) -> bool:
    """Tell whether the proof's log holds the entry of this scan under this number.

    Args:
        document: Any JSON value; what is no proof holds no entry.
        scan_id: The receipt: the id of the scan that made the entry.
        number: The entry's number, as told at the scan.
    """
    shards = document.get("shards") if isinstance(document, dict) else None
    receipt = [number, entrant_tag(scan_id)]
    return any(
        isinstance(entry, list) and entry[:2] == receipt
        for log in (shards if isinstance(shards, list) else ())
        if isinstance(log, dict) and isinstance(log.get("entries"), list)
        for entry in log["entries"]
    )


@dataclass(slots=True)
class _Problems:
    """Sentences about what does not agree; all are counted, the first few kept."""

    kept: list[str] = field(default_factory=list)
    count: int = 0

    def add(self, sentence: str) -> None:
        self.count += 1
        if self.count <= PROBLEMS_LISTED_MAX:
            self.kept.append(sentence)

    def listed(self) -> list[str]:
        more = self.count - len(self.kept)
        return [*self.kept, f"and {more:,} more"] if more else list(self.kept)


@dataclass(frozen=True, slots=True)
class _Claim:
    """A proof file's statements, well formed but not yet compared."""

    draw: str
    rules: DrawRules
    rules_document: object
    rules_hash: str
    seed_commitment: str
    seed: bytes
    published_at: datetime
    closed_at: datetime
    shards: list[Any]
    prizes_left: dict[str, Any]


def _read(document: object) -> _Claim:
    """Judge the form of everything but the entries; without it nothing could be recomputed."""
    proof = _require_fields("proof", document, _FIELDS)
    if proof["format"] != PROOF_FORMAT:
        raise InvalidInput(f"proof, format: must be {PROOF_FORMAT}, not {describe(proof['format'])}")
    if not isinstance(proof["draw"], str):
        raise InvalidInput(f"proof, draw: must be a text, not {describe(proof['draw'])}")
    for name in ("rules_hash", "seed_commitment", "seed"):
        _require_hash(f"proof, {name}", proof[name])
    rules = DrawRules.from_document(proof["rules"])
    shards = proof["shards"]
    if not isinstance(shards, list) or len(shards) != rules.shards:
        raise InvalidInput(f"proof, shards: must be a list of {rules.shards}, as the rules say")
    for index, log in enumerate(shards):
        _require_fields(f"shard {index}", log, _SHARD_FIELDS)
        if type(log["shard"]) is not int or log["shard"] != index:
            raise InvalidInput(f"shard {index}, shard: must be {index}, not {describe(log['shard'])}")
        if not isinstance(log["entries"], list):
            raise InvalidInput(f"shard {index}, entries: must be a list, not {describe(log['entries'])}")
        _require_hash(f"shard {index}, head", log["head"])
    if not isinstance(proof["prizes_left"], dict):
        raise InvalidInput(f"proof, prizes_left: must be an object, not {describe(proof['prizes_left'])}")
    seed = bytes.fromhex(proof["seed"])
    Roller(seed, proof["draw"], 0)  # judges the draw's id
    return _Claim(
        draw=proof["draw"],
        rules=rules,
        rules_document=proof["rules"],
        rules_hash=proof["rules_hash"],
        seed_commitment=proof["seed_commitment"],
        seed=seed,
        published_at=parse_time("proof, published_at", proof["published_at"]),
        closed_at=parse_time("proof, closed_at", proof["closed_at"]),
        shards=shards,
        prizes_left=proof["prizes_left"],
    )


def _compare_publication(claim: _Claim, problems: _Problems) -> None:
    """Compare what was published before opening with what was revealed at the close."""
    if (expected := rules_hash(claim.rules_document)) != claim.rules_hash:
        problems.add(f"rules_hash: is {claim.rules_hash}, but the rules have {expected}")
    if (expected := commitment(claim.seed)) != claim.seed_commitment:
        problems.add(f"seed_commitment: is {claim.seed_commitment}, but the seed has {expected}")
    if claim.published_at > claim.rules.opens_at:
        problems.add(
            f"published_at: {time_text(claim.published_at)} is after the draw opened, "
            f"expected {time_text(claim.rules.opens_at)} or before"
        )
    if claim.closed_at < claim.published_at:
        problems.add(
            f"closed_at: {time_text(claim.closed_at)} is before publication, "
            f"expected {time_text(claim.published_at)} or after"
        )


def _follow(claim: _Claim, log: dict[str, Any], won: Counter[int], left: dict[int, int], problems: _Problems) -> int:
    """Recompute one shard entry by entry; add to what was `won` and is `left`.

    Stock is taken by what each entry should have won, so that one changed entry is one problem and does not
    make those after it look wrong. After a gap the numbers are followed from where they go on.

    Returns:
        The number of entries read.
    """
    shard, rules = log["shard"], claim.rules
    remaining = rules.shard_stock(shard)
    roller = Roller(claim.seed, claim.draw, shard)
    head = genesis(claim.draw, shard, claim.seed_commitment, claim.rules_hash)
    expected_number, readable = 1, True
    for entry in log["entries"]:
        if not _is_entry(entry):
            problems.add(f"shard {shard}, entry {expected_number}: expected [number, entrant, prize id or null]")
            expected_number, readable = expected_number + 1, False
            continue
        number, entrant, prize_id = entry
        if number != expected_number:
            problems.add(f"shard {shard}, entry {number}: expected number {expected_number}")
        expected_number = number + 1
        due = decide(rules, remaining, roller.roll(number)).prize_id
        if due is not None:
            remaining[due] -= 1
        if prize_id != due:
            problems.add(f"shard {shard}, entry {number}: prize is {describe(prize_id)}, expected {describe(due)}")
        if prize_id is not None:
            won[prize_id] += 1
        head = link(head, number, entrant, prize_id)
    if not readable:
        problems.add(f"shard {shard}, head: cannot be recomputed, expected only readable entries")
    elif head.hex() != log["head"]:
        problems.add(f"shard {shard}, head: is {log['head']}, expected {head.hex()}")
    for prize_id, count in remaining.items():
        left[prize_id] += count
    return len(log["entries"])


def _compare_prizes_left(stated: dict[str, Any], left: dict[int, int], problems: _Problems) -> None:
    for prize_id, expected in left.items():
        count = stated.get(str(prize_id))
        if type(count) is not int or count != expected:
            problems.add(f"prizes_left, prize {prize_id}: is {describe(count)}, expected {expected:,}")
    known = {str(prize_id) for prize_id in left}
    for name in stated:
        if name not in known:
            problems.add(f"prizes_left, {describe(name)}: expected no such prize, the rules have none")


def _is_entry(entry: Any) -> bool:  # noqa: ANN401  # any JSON value, taken apart here a million times
    # Exact types: True and 1.0 equal 1 in Python, but not in the published file.
    if type(entry) is not list or len(entry) != 3:
        return False
    number, entrant, prize_id = entry
    return (
        type(number) is int
        and 1 <= number <= NUMBER_MAX
        and type(entrant) is str
        and _ENTRANT.fullmatch(entrant) is not None
        and (prize_id is None or (type(prize_id) is int and 1 <= prize_id <= NUMBER_MAX))
    )


def _require_fields(where: str, value: object, names: frozenset[str]) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise InvalidInput(f"{where}: must be an object, not {describe(value)}")
    if value.keys() != names:
        name = min(value.keys() ^ names)
        problem = "is missing" if name in names else "is not a field of this format"
        raise InvalidInput(f"{where}, {describe(name)}: {problem}")
    return value


def _require_hash(where: str, value: object) -> None:
    if not isinstance(value, str) or not _HASH.fullmatch(value):
        raise InvalidInput(f"{where}: must be 64 hexadecimal digits in lower case, not {describe(value)}")
