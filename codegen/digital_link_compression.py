"""Compressed GS1 Digital Link URIs: read back to the form that can be read without a table.

By GS1 Digital Link: Compression. The last segment of the path holds AIs and values as bits, six in each character
of URI-safe base 64: all of the link (`/AQnYUc1gmg`), or what stands behind an uncompressed primary key
(`/01/05412345000013/EEarwSM`). An AI is told by its decimal digits, four bits each; a byte with a hexadecimal
letter stands for a usual sequence of AIs, or (F) for a parameter that is none. What comes out is no more trusted
than any other link: `codegen.digital_link.parse` is to judge it. Nothing here does input or output.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from functools import cache
from typing import Final
from urllib.parse import quote

from codegen.digital_link import URI_CHARS_MAX, InvalidLink, unescape, write
from codegen.gs1_ais import Ai, digits_by_prefix, primary_keys, table

CHARS_MIN: Final = 8
"""Shorter segments are no compressed link: a key takes more."""

CHARS_MAX: Final = 1_000
"""Of the compressed segment; the longest value of an AI takes 106."""

_ALPHABET: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
_SEGMENT: Final = re.compile("[A-Za-z0-9_-]+")
_PADDING_BITS_MAX: Final = 8
_SEQUENCES: Final[dict[str, tuple[str, ...]]] = {
    "0A": ("01", "22"), "0B": ("01", "10"), "0C": ("01", "21"), "0D": ("01", "17"), "0E": ("01", "7003"),
    "0F": ("01", "30"), "1A": ("01", "10", "21", "17"), "1B": ("01", "15"), "1C": ("01", "11"), "1D": ("01", "16"),
    "1E": ("01", "91"), "1F": ("01", "10", "15"), "9A": ("8010", "8011"), "9B": ("8017", "8019"),
    "9C": ("8018", "8019"), "9D": ("414", "254"),
    **{f"2{letter}": ("01", f"310{number}") for number, letter in enumerate("ABCDEF")},
    **{f"3{letter}": ("01", f"320{number}") for number, letter in enumerate("ABCDEF")},
    **{f"A{number}": ("01", f"392{number}") for number in range(10)},
    **{f"C{number}": ("255", f"390{number}") for number in range(10)},
    **{f"C{letter}": ("255", f"394{number}") for number, letter in enumerate("ABCD")},
}  # fmt: skip


def decompress(uri: str) -> str:
    """The uncompressed form of a compressed URI, with the query it had added behind that of its AIs.

    Raises:
        InvalidLink: it is no compressed URI, or a broken one.
    """
    address, _, fragment = uri[: URI_CHARS_MAX + 1].partition("#")
    path, _, query = address.partition("?")
    stem, _, segment = path.rstrip("/").rpartition("/")
    if len(uri) > URI_CHARS_MAX or not _SEGMENT.fullmatch(segment):
        raise _broken("it does not end in characters of URI-safe base 64")
    if len(segment) > CHARS_MAX:
        raise _broken(f"it has more than {CHARS_MAX:,} characters")
    elements: list[tuple[str, str]] = []
    above, _, value = stem.rpartition("/")
    before, _, key = above.rpartition("/")
    if key in primary_keys():
        elements.append((key, unescape(value, query=False)))
        stem = before
    elif len(segment) < CHARS_MIN:
        raise _broken("it is too short")
    others: list[str] = []
    for name, text in _read(_Bits(segment)):
        if name in table():
            elements.append((name, text))
        else:
            others.append(f"{quote(name, safe='')}={quote(text, safe='')}")
    if len({name for name, _ in elements}) < len(elements):
        raise _broken("an AI is there twice")
    plain = write(elements, stem)
    for more in (*others, query):
        if more:
            plain += ("&" if "?" in plain else "?") + more
    return f"{plain}#{fragment}" if fragment else plain


class _Bits:
    """Takes numbers off the front of a segment's bits."""

    def __init__(self, segment: str) -> None:
        self._number = 0
        for char in segment:
            self._number = self._number << 6 | _ALPHABET.index(char)
        self.left = 6 * len(segment)

    def take(self, count: int) -> int:
        if count > self.left:
            raise _broken("it is cut off")
        self.left -= count
        found, self._number = divmod(self._number, 1 << self.left)
        return found

    def is_padding(self) -> bool:
        """Whether nothing but zeros is left, fewer than anything takes."""
        return self.left <= _PADDING_BITS_MAX and self._number == 0

    def digits(self, count: int) -> str:
        if not count:
            # No digits take a bit all the same, but for the last ones.
            self.take(min(self.left, _value_bits(0)))
            return ""
        text = f"{self.take(_value_bits(count)):0{count}}"
        if len(text) > count:
            raise _broken(f"a number of {count} digits is too large")
        return text

    def characters(self, count: int, encoding: int) -> str:
        """So many characters in one of the five encodings."""
        match encoding:
            case 0:
                return self.digits(count)
            case 1 | 2:
                text = "".join(f"{self.take(4):x}" for _ in range(count))
                return text if encoding == 1 else text.upper()
            case 3:
                return "".join(_ALPHABET[self.take(6)] for _ in range(count))
            case 4:
                return "".join(chr(self.take(7)) for _ in range(count))
        raise _broken(f"there is no encoding {encoding}")


def _read(bits: _Bits) -> Iterator[tuple[str, str]]:
    """The AIs and parameters of a segment with their values."""
    while not bits.is_padding():
        head = f"{bits.take(8):02X}"
        if head in _SEQUENCES:
            for ai in _SEQUENCES[head]:
                yield ai, _value(bits, ai)
        elif head[0] == "F":
            name = bits.characters(int(head[1], 16) << 3 | bits.take(3), 3)
            encoding = bits.take(3)
            # A name of digits alone would be an AI that got round its format.
            if not name or name.isdigit():
                raise _broken("a parameter has no name")
            yield name, bits.characters(bits.take(7), encoding)
        else:
            ai = head
            while len(ai) < digits_by_prefix().get(head, 0):
                ai += f"{bits.take(4):X}"
            if ai not in table():
                raise _broken(f"({ai}) is no AI")
            yield ai, _value(bits, ai)


def _value(bits: _Bits, ai: str) -> str:
    text = ""
    for is_number, least, most in _fields(table()[ai]):
        encoding = 0 if is_number else bits.take(3)
        count = most if least == most else bits.take(_length_bits(most))
        text += bits.digits(count) if is_number else bits.characters(count, encoding)
    return text


@cache
def _fields(ai: Ai) -> tuple[tuple[bool, int, int], ...]:
    """Stretches of a value as they are compressed: whether digits, least and most characters.

    Parts of the same kind are one, but what may be left out follows those that may not as one of its own.
    """
    if ai.ai == "7007":
        return ((True, 6, 12),)
    fields: list[tuple[bool, int, int]] = []
    was_optional = False
    for part in ai.parts:
        is_number = part.set == "N"
        least = 0 if part.optional else part.least
        joins = fields and fields[-1][0] == is_number and part.optional == was_optional
        # Digits that vary keep a field of their own behind digits that do not.
        if joins and not (is_number and least != part.most and not was_optional):
            _, at_least, at_most = fields.pop()
            fields.append((is_number, at_least + least, at_most + part.most))
        else:
            fields.append((is_number, least, part.most))
        was_optional = part.optional
    return tuple(fields)


def _value_bits(digits: int) -> int:
    return math.ceil(digits * math.log2(10) + 0.01)


def _length_bits(most: int) -> int:
    return math.ceil(math.log2(most) + 0.01)


def _broken(why: str) -> InvalidLink:
    return InvalidLink("compressed", f"It is no compressed Digital Link: {why}.")
