"""What a person's change to something may be refused for: fields that are wrong, and a change made meanwhile.

A refusal names every field concerned, so that a form can say each beside its field and in its own language.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from kernel.errors import Conflict, InvalidInput


@dataclass(frozen=True, slots=True)
class Problem:
    """One field that is wrong.

    Attributes:
        field: its name.
        kind: what is wrong, as a stable word; whoever shows it in another language has a text for each.
        sentence: the same in English.
        values: what fills the gaps of a text.
    """

    field: str
    kind: str
    sentence: str
    values: dict[str, Any] = dataclasses.field(default_factory=dict)


class EditedMeanwhile(Conflict):
    """Somebody saved a change between this one's reading and its saving; nothing was overwritten."""

    code: ClassVar[str] = "edited_meanwhile"

    def __init__(self, what: str, *, version: int) -> None:
        super().__init__(
            f"Somebody else changed {what} after you opened it; look at it again, then decide.", version=version
        )


def refuse(problems: Sequence[Problem]) -> None:
    """Raise if anything is wrong.

    Raises:
        InvalidInput: its sentence is the first problem's, its detail `problems` holds them all.
    """
    if problems:
        first = problems[0]
        raise InvalidInput(first.sentence, field=first.field, problems=tuple(problems))


def judge_text(name: str, value: str, *, most: int, least: int = 0) -> list[Problem]:
    """A line of text: its length, and nothing that cannot be seen (control characters, marks that turn text round)."""
    if not least <= len(value) <= most:
        kind = "empty" if not value else "long"
        return [Problem(name, kind, f"{name} has {least} to {most} characters.", {"most": most})]
    if not value.isprintable():
        return [Problem(name, "unprintable", f"{name} holds characters that cannot be shown.")]
    return []
