"""The rules for what stands in an AI: character sets, check digits, dates, code lists.

The names are those of the GS1 Barcode Syntax Dictionary (its "linters"); the rules are those of the GS1 General
Specifications. A rule takes one part of a value and returns what is wrong with it, or None. Values are text of
one character a byte (code points 0 to 255). Nothing here does input or output.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from codegen.gs1 import check_digit, is_digits
from codegen.gs1_code_lists import COUNTRIES

CSET_82: Final = "!\"%&'()*+,-./0123456789:;<=>?ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz"
"""The characters of AIs in the order of their values (General Specifications, figure 7.11-1)."""

COMPANY_PREFIX_DIGITS_MIN: Final = 4
"""The shortest GS1 Company Prefix; which prefixes are given out is not looked at."""

_CSET_39: Final = frozenset("#-/0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ")
_CSET_64: Final = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")
_IMPORTER_INDEX: Final = _CSET_64
_CHECK_PAIR: Final = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"
_PRIMES: Final = (2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71, 73, 79, 83)
CHECK_PAIR_CHARS_MAX: Final = len(_PRIMES) + 2
"""Longest value with a check pair: the GMN's 25."""

_IBAN_CHARS: Final = range(11, 35)
MEDIA_TYPES: Final = frozenset(f"{number:02}" for number in (*range(1, 11), *range(80, 100)))
"""AIDC media types given out so far (General Specifications)."""

_PERCENT: Final = re.compile("%(?![0-9A-Fa-f]{2})")
_POSITION: Final = re.compile("([0-9]+)/([0-9]+)")


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with a value: a stable name, a sentence, and which characters (counted from 0)."""

    name: str
    sentence: str
    at: int = 0
    length: int = 1


Linter = Callable[[str], Fault | None]


def _outside(allowed: frozenset[str], name: str, described: str) -> Linter:
    def lint(value: str) -> Fault | None:
        for at, char in enumerate(value):
            if char not in allowed:
                return Fault(name, f"{char!r} at character {at + 1} is not one of {described}", at)
        return None

    return lint


_non_digit = _outside(frozenset("0123456789"), "non_digit_character", "the digits 0 to 9")
_not_in_82 = _outside(frozenset(CSET_82), "invalid_cset82_character", "the 82 characters that an AI may hold")
_not_in_39 = _outside(_CSET_39, "invalid_cset39_character", "the 39 characters # - / 0 to 9 A to Z")
_not_in_64 = _outside(_CSET_64, "invalid_cset64_character", "the 64 characters of URI-safe base 64")


def cset64(value: str) -> Fault | None:
    """URI-safe base 64; it may be padded with `=` to a multiple of three characters."""
    body = value.rstrip("=")
    pads = len(value) - len(body)
    if pads > 2 or (pads and len(value) % 3):
        return Fault("invalid_cset64_padding", "the = at its end are too many or too few", len(body), pads)
    return _not_in_64(body)


def csum(value: str) -> Fault | None:
    """The last digit is the check digit of those before it."""
    if not value:
        return Fault("too_short_for_check_digit", "it is too short for a check digit", 0, 0)
    if (fault := _non_digit(value)) is not None:
        return fault
    expected = check_digit(value[:-1]) if len(value) > 1 else "0"
    if value[-1] != expected:
        sentence = f"the check digit is {value[-1]}; it should be {expected}"
        return Fault("incorrect_check_digit", sentence, len(value) - 1)
    return None


def csumalpha(value: str) -> Fault | None:
    """The last two characters are the check pair of those before them (General Specifications, 7.9.5)."""
    if len(value) < 2:
        return Fault("too_short_for_check_pair", "it is too short for a pair of check characters", 0, len(value))
    if len(value) > CHECK_PAIR_CHARS_MAX:
        sentence = f"with check characters it has at most {CHECK_PAIR_CHARS_MAX} characters"
        return Fault("too_long_for_check_pair_in_implementation", sentence, 0, len(value))
    body, pair = value[:-2], value[-2:]
    if (fault := _not_in_82(body)) is not None:
        return fault
    total = sum(weight * CSET_82.index(char) for weight, char in zip(_PRIMES, reversed(body), strict=False)) % 1021
    expected = _CHECK_PAIR[total >> 5] + _CHECK_PAIR[total & 31]
    if pair != expected:
        sentence = f"the check characters are {pair!r}; they should be {expected}"
        return Fault("incorrect_check_pair", sentence, len(body), 2)
    return None


def gcppos1(value: str) -> Fault | None:
    """It begins with a GS1 Company Prefix."""
    if len(value) < COMPANY_PREFIX_DIGITS_MIN:
        return Fault("too_short_for_gcp", "it is too short to begin with a GS1 Company Prefix", 0, len(value))
    fault = _non_digit(value[:COMPANY_PREFIX_DIGITS_MIN])
    if fault is None:
        return None
    sentence = f"its first {COMPANY_PREFIX_DIGITS_MIN} characters are not digits, as a GS1 Company Prefix has them"
    return Fault("invalid_gcp_prefix", sentence, fault.at)


def gcppos2(value: str) -> Fault | None:
    """A GS1 Company Prefix follows its first character."""
    if len(value) < 2:
        return Fault("too_short_for_gcp", "it is too short to hold a GS1 Company Prefix", 0, len(value))
    fault = gcppos1(value[1:])
    return None if fault is None else Fault(fault.name, fault.sentence, fault.at + 1, fault.length)


def yyyymmdd(value: str) -> Fault | None:
    """A date of the calendar with four digits of the year."""
    return _date(value, year_digits=4, day_zero=False)


def yymmdd(value: str) -> Fault | None:
    """A date of the calendar with two digits of the year."""
    return _date(value, year_digits=2, day_zero=False)


def yymmd0(value: str) -> Fault | None:
    """As `yymmdd`; day 00 leaves the day open."""
    return _date(value, year_digits=2, day_zero=True)


def _date(value: str, *, year_digits: int, day_zero: bool) -> Fault | None:
    chars = year_digits + 4
    if len(value) != chars:
        name = "date_too_short" if len(value) < chars else "date_too_long"
        return Fault(name, f"a date has {chars} digits here, not {len(value)}", 0, len(value))
    if (fault := _non_digit(value)) is not None:
        return fault
    year, month, day = int(value[:year_digits]), int(value[year_digits:-2]), int(value[-2:])
    if not 1 <= month <= 12:
        return Fault("illegal_month", f"there is no month {month:02}", year_digits, 2)
    if not (day_zero and day == 0) and not 1 <= day <= _month_days(year, month, full_year=year_digits == 4):
        return Fault("illegal_day", f"month {month:02} of year {value[:year_digits]} has no day {day:02}", chars - 2, 2)
    return None


def _month_days(year: int, month: int, *, full_year: bool) -> int:
    # Two digits stand for a year from 49 before this one to 50 after it: 00 among them is 2000, a leap year.
    leap = year % 4 == 0 and (not full_year or year % 100 != 0 or year % 400 == 0)
    return 29 if leap and month == 2 else (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)[month - 1]


def _clock(name: str, unit: str, end: int) -> Linter:
    def lint(value: str) -> Fault | None:
        if len(value) != 2:
            size = "short" if len(value) < 2 else "long"
            return Fault(f"{name}_too_{size}", f"{unit} has two digits, not {len(value)}", 0, len(value))
        if (fault := _non_digit(value)) is not None:
            return fault
        return None if int(value) < end else Fault(f"illegal_{name}", f"there is no {name} {value}", 0, 2)

    return lint


hh: Final = _clock("hour", "an hour", 24)
mi: Final = _clock("minute", "a minute", 60)
ss: Final = _clock("second", "a second", 60)


def hhmi(value: str) -> Fault | None:
    """A time of the day: hours and minutes."""
    if len(value) != 4:
        size = "short" if len(value) < 4 else "long"
        sentence = f"hours and minutes have four digits, not {len(value)}"
        return Fault(f"hour_with_minute_too_{size}", sentence, 0, len(value))
    if (fault := hh(value[:2])) is not None:
        return fault
    fault = mi(value[2:])
    return None if fault is None else Fault(fault.name, fault.sentence, fault.at + 2, fault.length)


def listed(codes: frozenset[str], name: str, described: str) -> Linter:
    """The rule that a value is one of `codes`."""

    def lint(value: str) -> Fault | None:
        return None if value in codes else Fault(name, f"{value!r} is no {described}", 0, len(value))

    return lint


def _range(name: str, degrees: int) -> Linter:
    """A coordinate moved to be positive, in units of 1e-7 degrees."""

    def lint(value: str) -> Fault | None:
        if len(value) != 10:
            return Fault(f"{name}_invalid_length", f"a {name} has ten digits, not {len(value)}", 0, len(value))
        if (fault := _non_digit(value)) is not None:
            return fault
        if int(value) > degrees * 10_000_000:
            return Fault(f"invalid_{name}", f"{value} is beyond {degrees} degrees", 0, 10)
        return None

    return lint


latitude: Final = _range("latitude", 180)
longitude: Final = _range("longitude", 360)


def nonzero(value: str) -> Fault | None:
    """Digits, not all of them zeros."""
    if (fault := _non_digit(value)) is not None:
        return fault
    return None if value.strip("0") else Fault("illegal_zero_value", "it may not be zero", 0, len(value))


def zero(value: str) -> Fault | None:
    """Zeros only."""
    return None if value and not value.strip("0") else Fault("not_zero", "it has to be zero", 0, len(value))


def nozeroprefix(value: str) -> Fault | None:
    """A number without zeros in front, so that it is written in one way only."""
    if value.startswith("0"):
        return Fault("illegal_zero_prefix", "it may not begin with a zero")
    return _non_digit(value)


def hasnondigit(value: str) -> Fault | None:
    """Not digits only."""
    if value and not is_digits(value):
        return None
    return Fault("requires_non_digit_character", "it needs a character that is no digit", 0, len(value))


def hyphen(value: str) -> Fault | None:
    """Hyphens only: the sign of a temperature below zero."""
    if value and not value.strip("-"):
        return None
    return Fault("not_hyphen", "only a hyphen may stand here", 0, len(value))


def iban(value: str) -> Fault | None:
    """An International Bank Account Number (ISO 13616-1): country, check digits modulo 97."""
    if len(value) < 4:
        return Fault("iban_too_short", "it is too short for an IBAN", 0, len(value))
    if value[:2] not in COUNTRIES:
        return Fault("illegal_iban_country_code", f"{value[:2]!r} is no country of ISO 3166", 0, 2)
    if len(value) not in _IBAN_CHARS:
        size = "short" if len(value) < _IBAN_CHARS.start else "long"
        return Fault(f"iban_too_{size}", f"{len(value)} characters are too {size} for an IBAN", 0, len(value))
    for at, char in enumerate(value):
        if not (char.isascii() and (char.isdigit() or char.isupper())):
            return Fault("invalid_iban_character", f"{char!r} at character {at + 1} may not stand in an IBAN", at)
    if int("".join(str(int(char, 36)) for char in value[4:] + value[:4])) % 97 != 1:
        return Fault("incorrect_iban_checksum", f"{value[2:4]} are not the check digits of this IBAN", 2, 2)
    return None


def importeridx(value: str) -> Fault | None:
    """The importer index of Regulation (EU) 2018/574: one character."""
    if len(value) != 1:
        return Fault("importer_idx_must_be_one_character", "an importer index is one character", 0, len(value))
    if value not in _IMPORTER_INDEX:
        return Fault("invalid_import_idx_character", f"{value!r} is no importer index")
    return None


def pcenc(value: str) -> Fault | None:
    """Each `%` begins a percent-encoded byte."""
    found = _PERCENT.search(value)
    if found is None:
        return None
    return Fault("invalid_percent_sequence", "two hexadecimal digits have to follow each %", found.start())


def pieceoftotal(value: str) -> Fault | None:
    """The number of a piece and the total of pieces, with as many digits each."""
    if (fault := _non_digit(value)) is not None:
        return fault
    half, odd = divmod(len(value), 2)
    if odd or not half:
        return Fault("invalid_length_for_piece_of_total", "piece and total have as many digits each", 0, len(value))
    piece, total = int(value[:half]), int(value[half:])
    if piece == 0:
        return Fault("zero_piece_number", "there is no piece 0", 0, half)
    if total == 0:
        return Fault("zero_total_pieces", "the total of pieces may not be 0", half, half)
    if piece > total:
        return Fault("piece_number_exceeds_total", f"piece {piece} is beyond the total of {total}", 0, len(value))
    return None


def posinseqslash(value: str) -> Fault | None:
    """A position and the end of its sequence: `1/3`."""
    found = _POSITION.fullmatch(value)
    if found is None:
        return Fault("position_in_sequence_malformed", "a position is written as in 1/3", 0, len(value))
    for group in (1, 2):
        if found[group].startswith("0"):
            at, length = found.start(group), len(found[group])
            return Fault("illegal_zero_prefix", "neither number may begin with a zero", at, length)
    if int(found[1]) > int(found[2]):
        return Fault("position_exceeds_end", f"position {found[1]} is beyond the end {found[2]}", 0, len(value))
    return None


CHARACTER_SETS: Final[dict[str, Linter]] = {"N": _non_digit, "X": _not_in_82, "Y": _not_in_39, "Z": cset64}
"""The rule of each character set of `codegen.gs1_ais`."""
