"""What pages that change things have in common: refusals beside their fields, and two versions side by side."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from kernel.errors import YimaError
from traceability.changes import Problem
from web.console import sentences
from web.console.texts import TEXTS, say
from web.texts import Language

VERSION_MAX = 2**31 - 1


@dataclass(frozen=True, slots=True)
class Difference:
    """One field of which the person's version and the stored one differ."""

    label: str
    now: str
    yours: str


class Refusals(dict[str, str]):
    """A sentence for each field that was refused; a field that was not has the empty one."""

    def __missing__(self, field: str) -> str:
        return ""


def refusals(error: YimaError, language: Language) -> Refusals:
    """The sentence for each field that was refused, in the page's language; `""` holds one that is no field's."""
    problems: tuple[Problem, ...] = error.details.get("problems", ())  # type: ignore[assignment]
    if problems:
        return Refusals({each.field: _sentence(each, language) for each in reversed(problems)})
    field = error.details.get("field")
    exact = error.message if language == "en" else sentences.in_chinese(error.message)
    if exact is not None:
        sentence = exact
    else:
        known = (f"problem.{field}", f"problem.{error.code}")
        sentence = say(next((key for key in known if key in TEXTS), "problem.other"), language)
    return Refusals({field if isinstance(field, str) else "": sentence})


def _sentence(problem: Problem, language: Language) -> str:
    key = f"problem.{problem.kind}"
    if key not in TEXTS:
        return problem.sentence
    return say(key, language, **problem.values)


def differences(pairs: Iterable[tuple[str, str, str]], *, none: str) -> list[Difference]:
    """The fields that differ.

    Args:
        pairs: label, what is stored, what the person entered.
        none: what stands for an empty field.
    """
    return [Difference(label, now or none, yours or none) for label, now, yours in pairs if now != yours]
