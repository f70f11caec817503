"""GS1 identification keys: GTIN, SSCC and GLN, with their check digits.

Source: GS1 General Specifications, section 7.9. Keys are digit strings: a number would lose zeros in front.
"""

from __future__ import annotations

from typing import Final

from kernel.errors import InvalidInput

GTIN_LENGTHS: Final = (8, 12, 13, 14)
SSCC_LENGTH: Final = 18
GLN_LENGTH: Final = 13
COMPANY_PREFIX_LENGTHS: Final = range(4, 13)
"""Digits of a GS1 Company Prefix: 4 to 12."""

_ECHO_CHARS_MAX: Final = 40  # of a wrong input, repeated in its error


def check_digit(body: str) -> str:
    """Return the digit that completes `body`: weights 3, 1, 3, … from the right, modulo 10.

    Raises:
        ValueError: `body` is empty or not all ASCII digits.
    """
    if not is_digits(body):
        raise ValueError("a check digit is computed from digits only")
    total = 3 * sum(map(int, body[-1::-2])) + sum(map(int, body[-2::-2]))
    return str(-total % 10)


def has_check_digit(key: str) -> bool:
    """Return whether `key` is all digits, at least two, and the last one is the right check digit."""
    return len(key) >= 2 and is_digits(key) and check_digit(key[:-1]) == key[-1]


def is_digits(text: str) -> bool:
    """Return whether `text` is ASCII digits and not empty; `str.isdigit` takes those of every script."""
    return text.isascii() and text.isdigit()


def parse_gtin(text: str) -> str:
    """Return the GTIN in `text` (GTIN-8, -12, -13 or -14) with 14 digits, zeros in front.

    Raises:
        InvalidInput: it is none; for a wrong check digit, the sentence names it and the right one.
    """
    return _parse_key("GTIN", text, GTIN_LENGTHS).zfill(14)


def parse_sscc(text: str) -> str:
    """Return the 18 digits of the SSCC in `text`.

    Raises:
        InvalidInput: it is none; for a wrong check digit, the sentence names it and the right one.
    """
    return _parse_key("SSCC", text, (SSCC_LENGTH,))


def parse_gln(text: str) -> str:
    """Return the 13 digits of the GLN in `text`.

    Raises:
        InvalidInput: it is none; for a wrong check digit, the sentence names it and the right one.
    """
    return _parse_key("GLN", text, (GLN_LENGTH,))


def make_sscc(extension: int, company_prefix: str, serial: int) -> str:
    """Return the SSCC of a logistic unit: extension digit, company prefix, serial reference, check digit.

    Args:
        extension: 0 to 9, the company's choice.
        company_prefix: The GS1 Company Prefix, 4 to 12 digits.
        serial: The serial reference; it fills the digits that the prefix leaves of 16.

    Raises:
        InvalidInput: one of them is outside its limits.
    """
    if not 0 <= extension <= 9:
        raise InvalidInput(f"The extension digit of an SSCC is 0 to 9, not {extension}.")
    if not is_digits(company_prefix) or len(company_prefix) not in COMPANY_PREFIX_LENGTHS:
        raise InvalidInput(f"A GS1 Company Prefix has 4 to 12 digits; {_echo(company_prefix)} has not.")
    digits = 16 - len(company_prefix)
    if not 0 <= serial < 10**digits:
        raise InvalidInput(
            f"An SSCC's serial reference under the company prefix {company_prefix} "
            f"is 0 to {10**digits - 1}, not {serial}."
        )
    body = f"{extension}{company_prefix}{serial:0{digits}}"
    return body + check_digit(body)


def _parse_key(name: str, text: str, lengths: tuple[int, ...]) -> str:
    key = text.strip()
    allowed = " or ".join(map(str, lengths))
    if not is_digits(key):
        raise InvalidInput(f"The {name} {_echo(key)} is not made of digits only; it has {allowed} digits.")
    if len(key) not in lengths:
        raise InvalidInput(f"The {name} {_echo(key)} has {len(key)} digits; it should have {allowed}.")
    expected = check_digit(key[:-1])
    if key[-1] != expected:
        raise InvalidInput(f"The {name} {key} ends in the check digit {key[-1]}; it should be {expected}.")
    if not key.strip("0"):
        raise InvalidInput(f"The {name} {key} is all zeros, which names nothing.")
    return key


def _echo(text: str) -> str:
    """Return `text` quoted, and cut if long."""
    return repr(text if len(text) <= _ECHO_CHARS_MAX else text[:_ECHO_CHARS_MAX] + "…")
