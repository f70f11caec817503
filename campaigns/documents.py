"""Documents that anybody can recompute: their canonical form and hash, and the strict reading of their fields.

Pure. What is not exactly of the form is refused with a sentence that names the field.
"""

from __future__ import annotations

import hashlib
import json
import re
import unicodedata
from datetime import UTC, datetime
from typing import Any, Final, NoReturn

from kernel.errors import InvalidInput

NAME_CHARACTERS_MAX: Final = 80
EXACT_INT_MAX: Final = 2**53 - 1
"""The largest integer that every JSON reader keeps exactly (RFC 8785 §3.2.2.3, RFC 7493 §2.2)."""
NESTING_MAX: Final = 16

_GTIN: Final = re.compile(r"[0-9]{14}")
_TIME: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{6})?Z")


def canonical(document: object) -> bytes:
    """Write a JSON value in its one canonical form (RFC 8785, restricted to integers).

    Keys in order of their UTF-16 code units, no white space, the shortest escapes, UTF-8.

    Raises:
        InvalidInput: The value has no such form: a fraction, an integer beyond 2^53 − 1, a key that is no
            string, half a surrogate pair, or nesting deeper than 16.
    """
    text = json.dumps(_arrange(document, 0), ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise InvalidInput("document: a text holds half a surrogate pair") from error


def rules_hash(document: object) -> str:
    """Give the SHA-256 of a rules document's canonical form, in hex: what is published before opening."""
    return hashlib.sha256(canonical(document)).hexdigest()


def time_text(at: datetime) -> str:
    """Write a moment as RFC 3339 in UTC, with microseconds only where there are any."""
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")


def parse_time(where: str, value: object) -> datetime:
    """Read what `time_text` wrote.

    Args:
        where: Names the field in the error.
        value: Any JSON value.

    Raises:
        InvalidInput: It is something else.
    """
    sentence = f"{where}: must be a UTC time such as 2026-05-03T00:00:00Z, not {describe(value)}"
    if not isinstance(value, str) or not _TIME.fullmatch(value):
        raise InvalidInput(sentence)
    try:
        return datetime.fromisoformat(value)
    except ValueError as error:  # the 30th of February
        raise InvalidInput(sentence) from error


def describe(value: object) -> str:
    """Show any value in an error's sentence: short, printable, and never an error itself."""
    match value:
        case None | bool():
            text = json.dumps(value)
        case int():
            text = str(value) if abs(value) <= 2**64 else "a number far out of range"
        case float():
            text = f"the fraction {value!r}"
        case str():
            text = repr(value) if len(value) <= 80 else f"{value[:80]!r}… ({len(value):,} characters)"
        case dict():
            text = "an object"
        case _:
            text = f"a {type(value).__name__}"
    return text


def _arrange(value: object, depth: int) -> object:
    """Sort the keys of all objects; refuse what has no canonical form."""
    if depth > NESTING_MAX:
        raise InvalidInput(f"document: nested deeper than {NESTING_MAX}")
    match value:
        case None | bool() | str():
            return value
        case int() if abs(value) <= EXACT_INT_MAX:
            return value
        case list() | tuple():
            return [_arrange(item, depth + 1) for item in value]
        case dict():
            if not all(isinstance(key, str) for key in value):
                raise InvalidInput("document: every key must be a text")
            # Not Python's own order, which differs beyond the Basic Multilingual Plane (RFC 8785 §3.2.3).
            keys = sorted(value, key=lambda key: key.encode("utf-16-be", "surrogatepass"))
            return {key: _arrange(value[key], depth + 1) for key in keys}
        case _:
            raise InvalidInput(f"document: {describe(value)} has no canonical form")


def refuse(where: str, name: str, problem: str) -> NoReturn:
    """Raise the error that names a field.

    Raises:
        InvalidInput: always.
    """
    raise InvalidInput(f"{where}, {name}: {problem}", field=name)


def require_int(where: str, name: str, value: object, lowest: int, highest: int) -> None:
    """Refuse what is no integer of the range, both ends included."""
    # True and 1.0 equal 1 in Python, but not in the published document.
    if type(value) is not int or not lowest <= value <= highest:
        refuse(where, name, f"must be an integer from {lowest:,} to {highest:,}, not {describe(value)}")


def require_gtin(where: str, name: str, value: object) -> None:
    """Refuse what is not 14 digits."""
    if not isinstance(value, str) or not _GTIN.fullmatch(value):
        refuse(where, name, f"must be a GTIN of 14 digits, not {describe(value)}")


def require_name(where: str, name: str, value: object) -> None:
    """Refuse what is no text that a person can read on one line."""
    if not isinstance(value, str) or not value.strip() or len(value) > NAME_CHARACTERS_MAX:
        refuse(where, name, f"must be a text of 1 to {NAME_CHARACTERS_MAX} characters, not {describe(value)}")
    if any(unicodedata.category(character) in ("Cc", "Cs") for character in value):
        refuse(where, name, "must not hold control characters or half a surrogate pair")


def require_time(where: str, name: str, value: object) -> None:
    """Refuse what is no moment, or none that every calendar can show."""
    if not isinstance(value, datetime) or value.utcoffset() is None:
        refuse(where, name, f"must be a time with its time zone, not {describe(value)}")
    if not 1970 <= value.year < 9999:  # another time zone's clock must still be able to show it
        refuse(where, name, f"must lie between the years 1970 and 9998, not in {value.year}")


def require_list(where: str, name: str, value: object) -> list[Any]:
    """Refuse what is no list."""
    if not isinstance(value, list):
        refuse(where, name, f"must be a list, not {describe(value)}")
    return value


def require_fields(where: str, value: object, names: tuple[str, ...]) -> dict[str, Any]:
    """Copy an object that has exactly the fields named."""
    if not isinstance(value, dict):
        raise InvalidInput(f"{where}: must be an object, not {describe(value)}")
    for name in names:
        if name not in value:
            refuse(where, name, "is missing")
    for name in value:
        if name not in names:
            refuse(where, describe(name), "is not a field of this format")
    return dict(value)
