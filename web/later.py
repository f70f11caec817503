"""Codes that a phone keeps for a day, so that whoever did not sign in at once can claim later.

They live in a cookie of this browser and nowhere else. Nothing is reserved: an anonymous scan claims nothing
(DESIGN §4), and whoever signs in and claims first gets the reward. Pure.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from web import older

LIFE_S: Final = 86_400
CODES_MAX: Final = 5
CODE_CHARS_MAX: Final = 400
COOKIE_CHARS_MAX: Final = 3_000
"""What browsers keep of one cookie for certain, with room for its name."""


@dataclass(frozen=True, slots=True)
class Kept:
    """A code that this phone keeps."""

    code: str
    at: datetime

    @property
    def path(self) -> str:
        """The code's page."""
        return older.path_of(self.code)

    @property
    def until(self) -> datetime:
        """When it is forgotten."""
        return self.at + timedelta(seconds=LIFE_S)


def read(cookie: str, *, at: datetime) -> list[Kept]:
    """The codes of a cookie that are not a day old, the latest first; what cannot be read is none."""
    found: list[Kept] = []
    for part in cookie[:COOKIE_CHARS_MAX].split(".")[:CODES_MAX]:
        packed, _, moment = part.partition("-")
        code = older.unpack(packed.replace("~", "-"))
        if not code or not code.isprintable() or not (moment.isascii() and moment.isdigit() and len(moment) <= 10):
            continue
        kept = Kept(code, datetime.fromtimestamp(int(moment), UTC))
        if timedelta() <= at - kept.at < timedelta(seconds=LIFE_S):
            found.append(kept)
    return found


def with_code(cookie: str, code: str, *, at: datetime) -> str:
    """The cookie with one code more; one that is kept already stays as it is."""
    kept = read(cookie, at=at)
    if code and len(code) <= CODE_CHARS_MAX and code not in {each.code for each in kept}:
        kept = [Kept(code, at), *kept]
    return _write(kept)


def without_code(cookie: str, code: str, *, at: datetime) -> str:
    """The cookie without a code; empty where none is left."""
    return _write([each for each in read(cookie, at=at) if each.code != code])


def _write(kept: list[Kept]) -> str:
    parts: list[str] = []
    for each in kept[:CODES_MAX]:
        part = f"{_pack(each.code)}-{int(each.at.timestamp())}"
        if len(".".join([*parts, part])) <= COOKIE_CHARS_MAX:
            parts.append(part)
    return ".".join(parts)


def _pack(code: str) -> str:
    # A hyphen parts code and time.
    return older.pack(code).replace("-", "~")
