"""Hours, buckets and how a range of time is cut into few of them. Pure.

Hours are counted from the epoch in China time (UTC+8, no summer time), so that a day is a Chinese day. Buckets
of one span nest in those of the next.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from kernel.errors import InvalidInput

CHINA_H: Final = 8
DAY_H: Final = 24
SPANS_H: Final = (1, 24, 96, 384, 1536)
"""1 hour, 1, 4, 16 and 64 days; each a multiple of the one before."""
LONGEST_H: Final = SPANS_H[-1]

RANGE_YEARS_MAX: Final = 10
RANGE_H_MAX: Final = RANGE_YEARS_MAX * 366 * DAY_H
PARTS_MAX: Final = 31

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_HOUR: Final = timedelta(hours=1)
# Parts at least this long begin at midnight, which cuts them into far fewer buckets.
_WHOLE_DAYS_H: Final = 48


@dataclass(frozen=True, slots=True)
class Piece:
    """Buckets `first` to `end` (exclusive) of one span."""

    span_h: int
    first: int
    end: int


def hour_of(at: datetime) -> int:
    """The hour that a moment lies in."""
    return (at - _EPOCH) // _HOUR + CHINA_H


def hour_after(at: datetime) -> int:
    """The first hour that begins at or after a moment."""
    return -((_EPOCH - at) // _HOUR) + CHINA_H


def time_of(hour: int) -> datetime:
    """When an hour begins."""
    return _EPOCH + (hour - CHINA_H) * _HOUR


def hours_between(since: datetime, until: datetime) -> tuple[int, int]:
    """The hours of a range, rounded outward; the second is exclusive.

    Raises:
        InvalidInput: a time without a zone, an empty or backward range, more than 10 years, or before 1970.
    """
    for name, at in (("since", since), ("until", until)):
        if at.tzinfo is None:
            raise InvalidInput(f"The time {name!r} has no time zone.", field=name)
        if at < _EPOCH:
            raise InvalidInput(f"The time {name!r} lies before 1970.", field=name)
    if until <= since:
        raise InvalidInput("The range of time ends before it begins.", field="until")
    low, high = hour_of(since), hour_after(until)
    if high - low > RANGE_H_MAX:
        raise InvalidInput(f"The range of time is longer than {RANGE_YEARS_MAX} years.", field="since")
    return low, high


def cut(low: int, high: int) -> list[Piece]:
    """Cover the hours from `low` to `high` (exclusive) with the fewest whole buckets; in no order."""
    pieces = []
    for place, span in enumerate(SPANS_H):
        if low >= high:
            break
        longest = place + 1 == len(SPANS_H)
        ratio = 1 if longest else SPANS_H[place + 1] // span
        inner_low, inner_high = -(-low // ratio), high // ratio
        if longest or inner_low >= inner_high:
            pieces.append(Piece(span, low, high))
            break
        pieces += [
            Piece(span, first, end)
            for first, end in ((low, inner_low * ratio), (inner_high * ratio, high))
            if first < end
        ]
        low, high = inner_low, inner_high
    return pieces


def parts(low: int, high: int, count: int) -> list[int]:
    """The bounds of equal parts of a range, to the hour; to midnight where parts are of two days and more.

    Raises:
        InvalidInput: not 1 to 31 parts, or more parts than hours.
    """
    if not 1 <= count <= PARTS_MAX:
        raise InvalidInput(f"A range has 1 to {PARTS_MAX} steps.", field="steps")
    hours = high - low
    if hours < count:
        raise InvalidInput(f"A range of {hours} hours cannot be cut into {count} steps.", field="steps")
    inner = [low + hours * place // count for place in range(1, count)]
    if hours >= count * _WHOLE_DAYS_H:
        inner = [(hour + DAY_H // 2) // DAY_H * DAY_H for hour in inner]
    return [low, *inner, high]
