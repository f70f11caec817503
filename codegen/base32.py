"""Crockford's base 32: numbers as upper-case symbols that survive being read aloud and typed in by hand.

The alphabet leaves out I, L, O and U. What people type is forgiven by `normalise`; `decode` itself is strict,
so that every number has exactly one spelling.
"""

from __future__ import annotations

import string
import unicodedata
from typing import Final

ALPHABET: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
"""The symbol of each value 0 to 31."""

_PAIRS: Final = tuple(high + low for high in ALPHABET for low in ALPHABET)
# Python reads base 32 with the digits 0-9 and A-V: renaming the symbols lets `int` do the work in C. Every other
# byte becomes one that `int` refuses; as itself it might be a digit of Python's, a sign, a space or an underscore.
_TO_PYTHON_DIGITS: Final = bytes(
    (string.digits + string.ascii_uppercase)[ALPHABET.index(chr(byte))].encode()[0] if chr(byte) in ALPHABET else 0x21
    for byte in range(256)
)
# Deliberately not str.upper(): that turns other letters into symbols ("ß" into "SS", "ı" into "I").
_FORGIVEN: Final = str.maketrans(string.ascii_lowercase, string.ascii_uppercase) | str.maketrans(
    {"O": "0", "o": "0", "I": "1", "i": "1", "L": "1", "l": "1"}
    # Hyphens and spaces that Unicode does not class as such: minus sign, hyphen bullet, white space controls.
    | dict.fromkeys("- \t\n\v\f\r\u2212\u2043", None)
)
_SEPARATOR_CATEGORIES: Final = frozenset({"Pd", "Zs", "Zl", "Zp", "Cf"})  # Cf: soft hyphen, bidi marks, zero width


def encode(value: int, length: int) -> str:
    """Return `value` as exactly `length` symbols, most significant first.

    Raises:
        ValueError: `value` is negative or needs more than `length` symbols.
    """
    if value < 0 or value >> (5 * length):
        raise ValueError(f"the value does not fit in {length} symbols")
    text = "".join([_PAIRS[value >> shift & 0x3FF] for shift in range(10 * (length // 2) - 10, -10, -10)])
    return ALPHABET[value >> 5 * (length - 1)] + text if length % 2 else text


def decode(symbols: str) -> int:
    """Return the number that `symbols` spell; the inverse of `encode`.

    Raises:
        ValueError: `symbols` is empty or holds anything but upper-case symbols of the alphabet.
    """
    try:
        return int(symbols.encode().translate(_TO_PYTHON_DIGITS), 32)
    except ValueError:
        # Not the error itself: it quotes the text, which may be a prize.
        raise ValueError("the text holds something that is no base 32 symbol") from None


def normalise(text: str) -> str:
    """Return `text` as its writer meant it: the forgiving half of Crockford's base 32.

    Full-width letters become plain ones (NFKC), small letters capitals, O becomes 0, I and L become 1;
    hyphens, spaces and invisible characters of every kind go. Anything else stays, for `decode` to refuse.
    """
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text)
        text = "".join([char for char in text if unicodedata.category(char) not in _SEPARATOR_CATEGORIES])
    return text.translate(_FORGIVEN)
