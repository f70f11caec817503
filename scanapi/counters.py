"""Exact counters of what costs no transaction of its own: scans that do not verify, and landing-page views.

Kept in memory and written once a second; a kill loses at most the last second. A flush whose commit nobody told us
the end of is sent again as it was, under the same number, and the database knows whether it has it.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from uuid import uuid4

import structlog

from kernel.clock import now
from kernel.db import Database
from scanapi.watch import Counts, Watch
from traceability import flushes, journal
from traceability.journal import Sample

log = structlog.get_logger(__name__)

FLUSH_S = 1.0
SAMPLES_PER_FLUSH_MAX = 20
UNITS_PER_FLUSH_MAX = 10_000


@dataclass(frozen=True, slots=True)
class _Flush:
    """What is written in one transaction; the number tells it from all others of this process."""

    number: int
    at: datetime
    refused: dict[tuple[str, int], int]
    samples: list[Sample]
    views: dict[tuple[int, int], int]
    watched: Counts


class Counters:
    """Counts in memory; `run` writes every second until `close`."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._process = uuid4()
        self._number = 0
        self._unsure: _Flush | None = None
        self._refused: Counter[tuple[str, int]] = Counter()
        self._samples: list[Sample] = []
        self._views: Counter[tuple[int, int]] = Counter()
        self.watch = Watch()
        self._task: asyncio.Task[None] | None = None

    def refuse(
        self, outcome: str, key_id: int | None, text: str, device: bytes | None, network: str | None = None
    ) -> None:
        """Count a scan that is `malformed` or `forged`; some texts are kept, masked."""
        self._refused[outcome, -1 if key_id is None else key_id] += 1
        if outcome == "forged":
            self.watch.note(mask(text), key_id=key_id, device=device, network=network)
        if len(self._samples) < SAMPLES_PER_FLUSH_MAX:
            self._samples.append(Sample(now(), outcome, mask(text), device))

    def view(self, unit_id: int, brand_id: int) -> None:
        """Count a view of a unit's landing page."""
        if len(self._views) < UNITS_PER_FLUSH_MAX:
            self._views[unit_id, brand_id] += 1

    def start(self) -> None:
        """Begin to write every second."""
        self._task = asyncio.create_task(self._run())

    async def close(self) -> None:
        """Stop, and write what is left."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
        await self.flush()

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(FLUSH_S)
            try:
                await self.flush()
            except Exception:  # the counts are kept and written with the next second's
                log.exception("counters.unwritten")

    async def flush(self) -> None:
        """Write all counts; on failure they stay in memory."""
        if self._unsure is not None:
            await self._write(self._unsure)
        watched = self.watch.hand_out()
        if self._refused or self._views or watched:
            flush = _Flush(self._number + 1, now(), self._refused, self._samples, self._views, watched)
            self._refused, self._samples, self._views = Counter(), [], Counter()
            await self._write(flush)

    async def _write(self, flush: _Flush) -> None:
        """Write a flush once, however often this is called: a connection may die with the word of its commit."""
        self._unsure, self._number = flush, flush.number
        async with self._db.transaction() as tx:
            if await flushes.begin(tx, self._process, flush.number):
                if flush.refused:
                    await journal.count_refused(tx, flush.at.date(), flush.refused)
                    await journal.sample_refused(tx, flush.samples)
                if flush.views:
                    await journal.count_views(tx, flush.at.date(), flush.views)
                if flush.watched:
                    await self.watch.write(tx, flush.watched)
        self._unsure = None


def mask(text: str) -> str:
    """A text that tells an investigator its kind and is no use as a code: its length and first symbols."""
    head = "".join(char if char.isalnum() or char in ":/.-" else "?" for char in text[-20:][:4])
    return f"{len(text)}:{head}…"
