"""The application identifiers of GS1: what each holds, and beside which others it may stand.

The facts are those of the GS1 Barcode Syntax Dictionary (release 2026-01-27), in `gs1_ais.json`, which
`scripts/gs1_table.py` makes from the dictionary: an AI a line, with its parts, flags and associations.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from itertools import combinations
from pathlib import Path
from typing import Any, Final, Literal

CharacterSet = Literal["N", "X", "Y", "Z"]
"""N digits, X the 82 characters of AIs, Y the 39 of CPIDs, Z URI-safe base 64."""

_TABLE: Final = Path(__file__).parent / "gs1_ais.json"


@dataclass(frozen=True, slots=True)
class Part:
    """A stretch of an AI's value.

    Attributes:
        set: of which characters it is.
        least: at least so many of them.
        most: at most so many; only the last part may vary.
        optional: whether the value may end before it.
        linters: further rules, by their names in `codegen.gs1_values.LINTERS`.
    """

    set: CharacterSet
    least: int
    most: int
    optional: bool
    linters: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Ai:
    """An application identifier.

    Attributes:
        ai: its two to four digits.
        fixed: whether its length is laid down, so that nothing need end it in an element string.
        attribute: whether it may stand in the query of a Digital Link.
        parts: of what its value is made, in order.
        req: each must be met, by all AIs of one of its groups; `n` stands for any digit.
        ex: beside which AIs it may not stand; `n` stands for any digit.
        keys: None for what is no primary key of a Digital Link; else the orders of its qualifiers.
        title: the data title, as printed beside a bar code.
    """

    ai: str
    fixed: bool
    attribute: bool
    parts: tuple[Part, ...]
    req: tuple[tuple[tuple[str, ...], ...], ...]
    ex: tuple[str, ...]
    keys: tuple[tuple[str, ...], ...] | None
    title: str

    @property
    def chars_min(self) -> int:
        """Length of the shortest value."""
        return sum(part.least for part in self.parts if not part.optional)

    @property
    def chars_max(self) -> int:
        """Length of the longest value."""
        return sum(part.most for part in self.parts)


@cache
def table() -> dict[str, Ai]:
    """Every AI by its digits."""
    return {entry["ai"]: _entry(entry) for entry in json.loads(_TABLE.read_text(encoding="utf-8"))}


def _entry(entry: dict[str, Any]) -> Ai:
    keys = entry["keys"]
    return Ai(
        ai=entry["ai"],
        fixed=entry["fixed"],
        attribute=entry["attribute"],
        parts=tuple(Part(**part | {"linters": tuple(part["linters"])}) for part in entry["parts"]),
        req=tuple(tuple(tuple(group) for group in each) for each in entry["req"]),
        ex=tuple(entry["ex"]),
        keys=None if keys is None else tuple(tuple(way) for way in keys),
        title=entry["title"],
    )


@cache
def path_orders() -> frozenset[tuple[str, ...]]:
    """Every sequence of AIs for the path of a Digital Link: a primary key, then qualifiers in one of its orders."""
    return frozenset(
        (key.ai, *chosen)
        for key in table().values()
        for way in key.keys or ()
        for count in range(len(way) + 1)
        for chosen in combinations(way, count)
    )


@cache
def primary_keys() -> tuple[str, ...]:
    """The AIs that a Digital Link may begin with, by number."""
    return tuple(ai for ai, entry in table().items() if entry.keys is not None)


@cache
def digits_by_prefix() -> dict[str, int]:
    """How many digits the AIs have that begin with two given ones: all of them have as many."""
    return {ai[:2]: len(ai) for ai in table()}
