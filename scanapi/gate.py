"""The gate: scans that arrive together are committed together (DESIGN §2.4).

There is no waiting for company: an idle gate commits a lone scan at once, and while it is busy the next group
gathers by itself. A group that fails is retried in halves, so that a poisonous scan fails alone.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence

import structlog

from kernel.db import is_away, state_of
from kernel.errors import Unavailable
from kernel.meter import SECONDS, Histogram
from scanapi.group import Answer, Scan

log = structlog.get_logger(__name__)

GROUP_MAX = 64
GROUPS_AT_ONCE = 3
WAITING_MAX = 4096
GROUP_S_MAX = 20.0
"""A group that takes longer is given up: whoever scanned is long gone, and a connection whose other end vanished
without a word would keep its place for ever."""
TRIES_MAX = 4
"""How often a group is tried again that loses a race (deadlock, serialization, a scan id or a new unit taken
meanwhile), before it is halved; a lone scan is given up then."""

Commit = Callable[[Sequence[Scan]], Awaitable[list[Answer]]]
"""Runs one group in one transaction and returns when it is committed."""

Waiting = tuple[Scan, asyncio.Future[Answer], float]
"""A scan, whoever waits for its answer, and when it came (the event loop's clock)."""

GROUP_SIZES = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, float(GROUP_MAX))

# Serialization failure, deadlock, lock not available; a scan id or a unit that was new to two groups at once (or the
# claim of such a unit, whichever wall is met first); a plan of before a migration, which the driver forgets.
_RACES = frozenset({"40001", "40P01", "55P03", "23505", "0A000"})


class Gate:
    """Gathers scans into groups and hands them to `commit`; each caller waits for its own answer."""

    def __init__(self, commit: Commit) -> None:
        self._commit = commit
        self._waiting: deque[Waiting] = deque()
        self._running: set[asyncio.Task[None]] = set()
        self.groups = 0
        self.scans = 0
        self.faults = 0
        self.turned_away = 0
        self.sizes = Histogram(GROUP_SIZES)
        self.waits = Histogram(SECONDS)
        self.commits = Histogram(SECONDS)

    @property
    def waiting(self) -> int:
        """Scans that wait for their group now."""
        return len(self._waiting)

    def wrap(self, around: Callable[[Commit], Commit]) -> None:
        """Put something around every group's transaction, such as a span."""
        self._commit = around(self._commit)

    async def submit(self, scan: Scan) -> Answer:
        """Wait for a scan's answer; it is committed when this returns.

        Raises:
            Unavailable: more than 4,096 scans are waiting, or the database failed for this scan.
        """
        if len(self._waiting) >= WAITING_MAX:
            self.turned_away += 1
            raise Unavailable("Too many scans are waiting; try again in a moment.", retry_after_s=1)
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Answer] = loop.create_future()
        self._waiting.append((scan, future, loop.time()))
        if len(self._running) < GROUPS_AT_ONCE:
            task = asyncio.create_task(self._work())
            self._running.add(task)
            task.add_done_callback(self._running.discard)
        # A client that hangs up cancels its waiting and not its scan: it may ask for the reply again.
        return await future

    async def close(self) -> None:
        """Finish what was accepted."""
        while self._running:
            await asyncio.gather(*self._running)

    async def _work(self) -> None:
        while self._waiting:
            group = [self._waiting.popleft() for _ in range(min(GROUP_MAX, len(self._waiting)))]
            now = asyncio.get_running_loop().time()
            for _, _, came in group:
                self.waits.observe(now - came)
            await self._settle(group)

    async def _settle(self, group: list[Waiting], tries: int = 0) -> None:
        clock = asyncio.get_running_loop().time
        began = clock()
        try:
            async with asyncio.timeout(GROUP_S_MAX):
                answers = await self._commit([scan for scan, _, _ in group])
        except Exception as error:
            self.faults += 1
            if is_away(error):  # halves would fare no better, and everybody would wait for each of them
                log.warning("scan.database_away", scans=len(group), error=type(error).__name__)
                for _, future, _ in group:
                    _give(future, Unavailable("The database does not answer; send the scan again.", retry_after_s=2))
            elif _is_race(error) and tries < TRIES_MAX:
                await asyncio.sleep(0.01 * (2**tries - 1))
                await self._settle(group, tries + 1)
            elif len(group) > 1:
                half = len(group) // 2
                await self._settle(group[:half])
                await self._settle(group[half:])
            else:
                log.exception("scan.failed", scan_id=str(group[0][0].scan_id))
                _give(
                    group[0][1],
                    Unavailable("The scan could not be recorded; send it again.", retry_after_s=2),
                )
            return
        self.groups += 1
        self.scans += len(group)
        self.sizes.observe(len(group))
        self.commits.observe(clock() - began)
        for (_, future, _), answer in zip(group, answers, strict=True):
            _give(future, answer)


def _give(future: asyncio.Future[Answer], answer: Answer) -> None:
    if not future.done():
        future.set_result(answer)


def _is_race(error: BaseException) -> bool:
    return state_of(error) in _RACES
