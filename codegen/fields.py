"""The strict reading of small documents that people write: layouts of data files, templates of labels. Pure.

What is not exactly of the form is refused with a sentence that names the field.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, Final

from kernel.errors import InvalidInput

DOCUMENT_BYTES_MAX: Final = 16_384
NAME_CHARS_MAX: Final = 40

_NAME: Final = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")


def parse_document(text: str) -> dict[str, Any]:
    """A JSON object from its text.

    Raises:
        InvalidInput: it is none, has a key twice, or is longer than `DOCUMENT_BYTES_MAX`.
    """
    if len(text.encode("utf-8", "replace")) > DOCUMENT_BYTES_MAX:
        raise InvalidInput(f"The document has more than {DOCUMENT_BYTES_MAX:,} bytes.", field="document")
    try:
        found = json.loads(text, object_pairs_hook=_once)
    except (ValueError, RecursionError) as error:
        raise InvalidInput(f"The document is no JSON: {error}.", field="document") from error
    if not isinstance(found, dict):
        raise InvalidInput("The document is no JSON object.", field="document")
    return found


def unreadable(path: Path, error: Exception) -> InvalidInput:
    """What to say of a document's file that cannot be read."""
    reason = getattr(error, "strerror", None) or "it is no text in UTF-8"
    return InvalidInput(f"Cannot read {path}: {reason}.", field="file")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key stands twice in one object")
    return found


def require_name(name: str, what: str) -> None:
    """Raise InvalidInput unless it is a name: lower case letters, digits and single hyphens."""
    if len(name) > NAME_CHARS_MAX or not _NAME.fullmatch(name):
        raise InvalidInput(
            f"A {what}'s name has 1 to {NAME_CHARS_MAX} characters a-z, 0-9 and single hyphens, not {name[:60]!r}.",
            field="name",
        )


def require_known(document: Mapping[str, Any], known: Collection[str], where: str) -> None:
    """Raise InvalidInput if the document has a field that nothing reads: a misspelt one would be lost unseen."""
    strange = sorted(set(document) - set(known))
    if strange:
        raise InvalidInput(f"{where} has no field {strange[0][:60]!r}; there are {', '.join(sorted(known))}.",
                           field=strange[0][:60])  # fmt: skip


def read_text(document: Mapping[str, Any], field: str, default: str, *, most: int) -> str:
    """A line of text of at most so many characters, nothing unprintable in it."""
    value = document.get(field, default)
    if not isinstance(value, str) or len(value) > most or not value.isprintable():
        raise InvalidInput(f"{field} is one line of at most {most} characters, all of which can be shown.", field=field)
    return value


def read_choice(document: Mapping[str, Any], field: str, default: str, choices: Collection[str]) -> str:
    """One of some words."""
    value = document.get(field, default)
    if not isinstance(value, str) or value not in choices:
        raise InvalidInput(f"{field} is one of {', '.join(choices)}, not {str(value)[:60]!r}.", field=field)
    return value


def read_flag(document: Mapping[str, Any], field: str, *, default: bool) -> bool:
    """True or false."""
    value = document.get(field, default)
    if not isinstance(value, bool):
        raise InvalidInput(f"{field} is true or false, not {str(value)[:60]!r}.", field=field)
    return value


def read_whole(document: Mapping[str, Any], field: str, default: int, *, low: int, high: int) -> int:
    """A whole number of a range."""
    value = document.get(field, default)
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise InvalidInput(f"{field} is a whole number from {low} to {high}, not {str(value)[:60]}.", field=field)
    return value


def read_measure(document: Mapping[str, Any], field: str, default: float, *, low: float, high: float) -> float:
    """A number of a range, not necessarily whole; never infinite or not a number."""
    return _measure(document.get(field, default), field, low, high)


def read_measures(
    document: Mapping[str, Any], field: str, default: tuple[float, float], *, low: float, high: float
) -> tuple[float, float]:
    """A pair of numbers of a range: across and down."""
    value = document.get(field, default)
    if not isinstance(value, (list, tuple)) or len(value) != 2:
        raise InvalidInput(f"{field} is a pair of numbers, across and down.", field=field)
    return _measure(value[0], field, low, high), _measure(value[1], field, low, high)


def _measure(value: object, field: str, low: float, high: float) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise InvalidInput(f"{field} is a number from {low:g} to {high:g}, not {str(value)[:60]}.", field=field)
    if not low <= value <= high:
        raise InvalidInput(f"{field} is a number from {low:g} to {high:g}, not {value:g}.", field=field)
    return float(value)
