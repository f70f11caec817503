"""Who tries codes that were never issued: counted in memory, added up with other processes' once a second."""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from typing import Final

import structlog

from antifraud import alarms
from antifraud.alarms import SAMPLES_MAX, By, Sample
from kernel.clock import now
from kernel.db import Tx

log = structlog.get_logger(__name__)

SUBJECTS_MAX: Final = 5_000
"""Senders that are watched at once; of a flood from more, each alone does little."""


Counts = Counter[tuple[datetime, By, str]]
"""By window, kind of subject and subject."""


class Watch:
    """Counts that no other process knows yet, with samples of the present window."""

    def __init__(self) -> None:
        self._at = alarms.window(now())
        self._counts: Counts = Counter()
        self._samples: dict[tuple[By, str], list[Sample]] = {}

    def note(
        self, masked: str, *, key_id: int | None, device: bytes | None, network: str | None, unissued: bool = False
    ) -> None:
        """One more: a forged code, or one that a key of ours signed and that was never issued."""
        at = alarms.window(now())
        if at != self._at:
            self._at = at
            self._samples.clear()
        sample = Sample(masked, key_id, None if device is None else device.hex(), network)
        subjects: list[tuple[By, str | None]] = [
            ("device", sample.device), ("network", network),
            ("unissued" if unissued else "key", None if key_id is None else str(key_id)),
        ]  # fmt: skip
        for by, subject in subjects:
            if subject is None or ((by, subject) not in self._samples and len(self._samples) >= SUBJECTS_MAX):
                continue
            self._counts[at, by, subject] += 1
            samples = self._samples.setdefault((by, subject), [])
            if len(samples) < SAMPLES_MAX:
                samples.append(sample)

    def hand_out(self) -> Counts:
        """What was counted, which is counted from zero on again."""
        counts, self._counts = self._counts, Counter()
        return counts

    async def write(self, tx: Tx, counts: Counts) -> None:
        """Add counts up with what other processes told; makes the alarms that are due."""
        for at in sorted({at for at, _, _ in counts}):
            of_window = {(by, subject): many for (when, by, subject), many in counts.items() if when == at}
            for by, _ in await alarms.count(tx, at, of_window, self._samples):
                log.warning("alarm.enumeration", by=by, at=at.isoformat())
