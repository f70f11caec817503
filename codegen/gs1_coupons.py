"""What stands in a North American coupon: AIs (8110) and (8112), fields of digits one after the other.

Source: GS1 US, "North American Coupon Application Guideline Using GS1 DataBar Expanded Symbols" (8110) and
"GS1 AI (8112) Coupon Data Specification". Many fields begin with a digit that tells their length.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from codegen.gs1_linters import CHARACTER_SETS, Fault, yymmdd

_FOLLOWING: Final = {1: "1st", 2: "2nd", 3: "3rd"}


class _Broken(Exception):
    """Reading came to a fault."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.name)
        self.fault = fault


class _Reader:
    """Takes one field after the other from the digits of a coupon."""

    def __init__(self, digits: str) -> None:
        self._digits = digits
        self._at = 0

    def at_end(self) -> bool:
        return self._at == len(self._digits)

    def begins(self, option: str) -> bool:
        """Take the digit that announces an optional field, if it stands here."""
        if self._digits[self._at : self._at + 1] != option:
            return False
        self._at += 1
        return True

    def digit(self, allowed: str, *, missing: str, wrong: str, what: str) -> int:
        if self.at_end():
            raise self.broken(f"coupon_missing_{missing}", f"{what} is missing")
        found = self._digits[self._at]
        if found not in allowed:
            raise self.broken(f"coupon_invalid_{wrong}", f"{what} may not be {found}")
        self._at += 1
        return int(found)

    def take(self, count: int, *, cut: str, what: str) -> str:
        if len(self._digits) - self._at < count:
            raise self.broken(f"coupon_{cut}", f"{what} is cut off: {count} digits should stand there")
        self._at += count
        return self._digits[self._at - count : self._at]

    def counted(self, allowed: str, more: int, *, field: str, what: str, none: int = -1) -> None:
        """Pass a field of as many digits as the one before it tells, and `more`; `none` there tells of no field."""
        length = self.digit(allowed, missing=f"{field}_vli", wrong=f"{field}_length", what=f"the length of {what}")
        if length != none:
            self.take(length + more, cut=f"truncated_{field}", what=what)

    def broken(self, name: str, sentence: str) -> _Broken:
        return _Broken(Fault(name, f"{sentence} (character {self._at + 1})", self._at, 1))


def couponcode(value: str) -> Fault | None:
    """A coupon of AI (8110)."""
    return CHARACTER_SETS["N"](value) or _read(_Reader(value), _coupon)


def couponposoffer(value: str) -> Fault | None:
    """A coupon of AI (8112), whose terms stand in the positive offer file."""
    return CHARACTER_SETS["N"](value) or _read(_Reader(value), _offer)


def _read(reader: _Reader, fields: Callable[[_Reader], None]) -> Fault | None:
    try:
        fields(reader)
        if not reader.at_end():
            raise reader.broken("coupon_excess_data", "nothing may follow here")
    except _Broken as broken:
        return broken.fault
    return None


def _offer(reader: _Reader) -> None:
    reader.digit("01", missing="format_code", wrong="format_code", what="the format code")
    reader.counted("0123456", 6, field="funder", what="the funder's number")
    reader.take(6, cut="truncated_offer_code", what="the offer code")
    reader.counted("0123456789", 6, field="serial_number", what="the serial number")


def _coupon(reader: _Reader) -> None:
    reader.counted("0123456", 6, field="gcp", what="the company prefix")
    reader.take(6, cut="truncated_offer_code", what="the offer code")
    reader.counted("12345", 0, field="save_value", what="the value")
    _purchase(reader, 1)
    if reader.begins("1"):
        field = "additional_purchase_rules_code"
        reader.digit("0123", missing=field, wrong=field, what="the code for additional purchases")
        _purchase(reader, 2)
        reader.counted("01234569", 6, field="2nd_purchase_gcp", what="the second company prefix", none=9)
    if reader.begins("2"):
        _purchase(reader, 3)
        reader.counted("01234569", 6, field="3rd_purchase_gcp", what="the third company prefix", none=9)
    _dates(reader)
    if reader.begins("5"):
        reader.counted("0123456789", 6, field="serial_number", what="the serial number")
    if reader.begins("6"):
        reader.counted("1234567", 6, field="retailer_gcp_or_gln", what="the retailer's number")
    if reader.begins("9"):
        _flags(reader)


def _purchase(reader: _Reader, number: int) -> None:
    name = f"{_FOLLOWING[number]}_purchase"
    what = f"purchase requirement {number}"
    reader.counted("12345", 0, field=f"{name}_requirement", what=what)
    code = f"{name}_requirement_code"
    reader.digit("012349", missing=code, wrong=code, what=f"the code of {what}")
    reader.take(3, cut=f"truncated_{name}_family_code", what=f"the family code of {what}")


def _dates(reader: _Reader) -> None:
    expiry = ""
    if reader.begins("3"):
        expiry = reader.take(6, cut="too_short_for_expiration_date", what="the expiry date")
        if yymmdd(expiry) is not None:
            raise reader.broken("coupon_invalid_exipiration_date", f"{expiry} is no date")
    if reader.begins("4"):
        start = reader.take(6, cut="too_short_for_start_date", what="the start date")
        if yymmdd(start) is not None:
            raise reader.broken("coupon_invalid_start_date", f"{start} is no date")
        if expiry and start > expiry:
            raise reader.broken("coupon_expiration_before_start", f"the coupon expires ({expiry}) before it starts")


def _flags(reader: _Reader) -> None:
    reader.digit("01256", missing="save_value_code", wrong="save_value_code", what="the value's code")
    field = "save_value_applies_to_item"
    reader.digit("012", missing=field, wrong=field, what="the item that the value is for")
    reader.digit("0123456789", missing="store_coupon_flag", wrong="store_coupon_flag", what="the flag of the store")
    reader.digit("01", missing="dont_multiply_flag", wrong="dont_multiply_flag", what="the flag against multiplying")
