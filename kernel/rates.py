"""Rates: how often something may happen, by the generic cell rate algorithm. Pure but for the clock that is handed in.

A key has one number: the time at which its next turn would be due if it kept exactly to its rate (ITU-T I.371). It may
run ahead of that by a burst. Keys that nobody asks for are worth nothing after a while, so that a table of the keys
asked for last is enough.

Several processes hold one rate together by telling each other what was taken (`kernel.rate_exchange`).
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Rate:
    """At most `burst` at once, and then one every `every_s` seconds.

    Raises:
        ValueError: the burst is below 1, or the time is not above 0.
    """

    burst: int
    every_s: float

    def __post_init__(self) -> None:
        if self.burst < 1 or not self.every_s > 0:
            raise ValueError("a rate has a burst of at least 1 and a time above 0")

    @property
    def ceiling_s(self) -> float:
        """How far ahead a key can be: a flood must not lock it out for longer than its burst takes to come back."""
        return self.burst * self.every_s


def wait_s(due: float | None, now: float, rate: Rate) -> float:
    """Seconds until one more may happen; 0 where it may happen now.

    Args:
        due: what `advance` gave last, or None at the first time.
        now: seconds of a clock that never goes back.
        rate: how often.
    """
    ahead = 0.0 if due is None else max(due - now, 0.0)
    # a nanosecond's patience: sums of floating-point numbers must not turn the last of a burst away
    return max(0.0, ahead - (rate.burst - 1) * rate.every_s - 1e-9)


def advance(due: float | None, now: float, rate: Rate) -> float:
    """What is due after one more has happened at `now`."""
    return (now if due is None else max(due, now)) + rate.every_s


class Table:
    """Keys under one rate, as many as fit; whoever was asked for longest ago is forgotten first.

    Args:
        rate: of each key.
        keys_max: how many are kept; about 250 bytes each.
    """

    def __init__(self, rate: Rate, *, keys_max: int) -> None:
        self.rate = rate
        self._keys_max = keys_max
        self._spent_s = (rate.burst - 1) * rate.every_s + 1e-9
        self._ceiling_s = rate.ceiling_s
        self._due: OrderedDict[bytes, float] = OrderedDict()
        self._untold: dict[bytes, int] = {}

    def __len__(self) -> int:
        return len(self._due)

    def wait_s(self, key: bytes, now: float) -> float:
        """Seconds until this key may have one more; 0 where it may now."""
        return wait_s(self._due.get(key), now, self.rate)

    def ahead_s(self, key: bytes, now: float) -> float:
        """How far ahead of its rate a key is: each one that was taken counts `every_s`, and time takes it back."""
        due = self._due.get(key)
        return 0.0 if due is None or due < now else due - now

    def is_spent(self, key: bytes, now: float) -> bool:
        """Whether this key must wait."""
        due = self._due.get(key)
        return due is not None and due - now > self._spent_s

    def take(self, key: bytes, now: float) -> bool:
        """Note that one has happened, whether or not it was due; tells whether the key was spent before."""
        before = self._due.get(key)
        ahead = 0.0 if before is None or before < now else before - now
        if ahead + self.rate.every_s <= self._ceiling_s + 1e-9:
            self._tell(key, 1)
            self._keep(key, now + ahead + self.rate.every_s)
        else:
            self._keep(key, now + self._ceiling_s)
        return ahead > self._spent_s

    def give_back(self, key: bytes) -> None:
        """Take back one that was noted; a key that was forgotten meanwhile has nothing to get back."""
        due = self._due.get(key)
        if due is not None:
            self._due[key] = due - self.rate.every_s
            self._tell(key, -1)

    def hand_out(self, most: int) -> dict[bytes, int]:
        """What was taken here and nobody else knows of yet, the oldest first, at most so many keys."""
        if len(self._untold) <= most:
            told, self._untold = self._untold, {}
        else:
            told = {key: self._untold.pop(key) for key in list(self._untold)[:most]}
        return {key: count for key, count in told.items() if count}

    def put_back(self, told: dict[bytes, int]) -> None:
        """Others did not learn of these after all: they are told with the next ones."""
        for key, count in told.items():
            self._tell(key, count)

    def learn(self, key: bytes, ahead_s: float, now: float) -> None:
        """Note how far ahead a key is by all that was told; what is not yet told comes on top."""
        ahead_s = max(ahead_s, 0.0) + self._untold.get(key, 0) * self.rate.every_s
        self._keep(key, now + min(ahead_s, self.rate.ceiling_s))

    def _keep(self, key: bytes, due: float) -> None:
        self._due[key] = due
        self._due.move_to_end(key)
        if len(self._due) > self._keys_max:
            self._due.popitem(last=False)

    def _tell(self, key: bytes, count: int) -> None:
        self._untold[key] = self._untold.get(key, 0) + count
        if len(self._untold) > self._keys_max:
            del self._untold[next(iter(self._untold))]
