"""What the reader of bodies says of those that it cannot read."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from litestar.exceptions import ValidationException

from scanapi import bodies


class Inner(msgspec.Struct, forbid_unknown_fields=True):
    numbers: list[int] = []


class Outer(msgspec.Struct, forbid_unknown_fields=True):
    name: str
    inner: Inner | None = None


def told(body: bytes, wanted: Any = Outer) -> dict[str, str]:
    with pytest.raises(ValidationException) as error:
        bodies.read(msgspec.json.Decoder(wanted), body)
    [found] = error.value.extra  # type: ignore[misc]
    return found


@pytest.mark.parametrize(
    ("body", "key", "said"),
    [
        (b'{"name": 1}', "name", "Expected `str`"),
        (b'{"name": "x", "inner": {"numbers": [1, "2"]}}', "inner.numbers[1]", "Expected `int`"),
        (b'{"name": "x", "points": 5}', "body", "`points`"),
        (b'{"name": "x", "inner": {"points": 5}}', "inner", "`points`"),
        (b"{}", "body", "`name`"),
        (b"[", "body", "`array`"),
        (b'{"name": ', "body", "truncated"),
        (b'{"name": "\xff"}', "body", "UTF-8"),
    ],
)
def test_the_place_and_the_fault_are_named(body: bytes, key: str, said: str) -> None:
    found = told(body)
    assert found["key"] == key
    assert said in found["message"]


def test_a_body_that_nests_too_deep_for_its_reader_is_no_defect() -> None:
    assert "nests too deep" in told(b"[" * 100_000 + b"]" * 100_000, list[Any])["message"]


def test_a_made_up_name_is_repeated_in_part_only() -> None:
    assert len(told(b'{"name": "x", "' + b"y" * 50_000 + b'": 1}')["message"]) <= bodies.MESSAGE_CHARS_MAX + 1
