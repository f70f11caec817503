"""The gate: scans that arrive together are committed together (DESIGN §2.4).

There is no waiting for company: an idle gate commits a lone scan at once, and while it is busy the next group
gathers by itself. A group that fails is retried in halves, so that a poisonous scan fails alone.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence

import structlog
from sqlalchemy.exc import TimeoutError as PoolTimeout

from kernel.errors import Unavailable
from scanapi.group import Answer, Scan, ScanIdTaken

log = structlog.get_logger(__name__)

GROUP_MAX = 128
GROUPS_AT_ONCE = 2
WAITING_MAX = 4096
TRIES_MAX = 4
"""How often a lone scan is tried that loses a race (deadlock, serialization, a scan id used meanwhile)."""

Commit = Callable[[Sequence[Scan]], Awaitable[list[Answer]]]
"""Runs one group in one transaction and returns when it is committed."""

_RACES = frozenset({"40001", "40P01", "55P03"})  # serialization failure, deadlock, lock not available


class Gate:
    """Gathers scans into groups and hands them to `commit`; each caller waits for its own answer."""

    def __init__(self, commit: Commit) -> None:
        self._commit = commit
        self._waiting: deque[tuple[Scan, asyncio.Future[Answer]]] = deque()
        self._running: set[asyncio.Task[None]] = set()
        self.groups = 0
        self.scans = 0

    async def submit(self, scan: Scan) -> Answer:
        """Wait for a scan's answer; it is committed when this returns.

        Raises:
            Unavailable: more than 4,096 scans are waiting, or the database failed for this scan.
        """
        if len(self._waiting) >= WAITING_MAX:
            raise Unavailable("Too many scans are waiting; try again in a moment.", retry_after_s=1)
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting.append((scan, future))
        if len(self._running) < GROUPS_AT_ONCE:
            task = asyncio.create_task(self._work())
            self._running.add(task)
            task.add_done_callback(self._running.discard)
        # a client that hangs up does not stop its scan: it may ask for the reply again
        return await asyncio.shield(future)

    async def close(self) -> None:
        """Finish what was accepted."""
        while self._running:
            await asyncio.gather(*self._running)

    async def _work(self) -> None:
        while self._waiting:
            group = [self._waiting.popleft() for _ in range(min(GROUP_MAX, len(self._waiting)))]
            await self._settle(group)

    async def _settle(self, group: list[tuple[Scan, asyncio.Future[Answer]]], tries: int = 0) -> None:
        try:
            answers = await self._commit([scan for scan, _ in group])
        except Exception as error:
            if _is_away(error):  # halves would fare no better, and everybody would wait for each of them
                log.warning("scan.database_away", scans=len(group), error=type(error).__name__)
                for _, future in group:
                    _give(future, Unavailable("The database does not answer; send the scan again.", retry_after_s=2))
            elif len(group) > 1:
                half = len(group) // 2
                await self._settle(group[:half])
                await self._settle(group[half:])
            elif _is_race(error) and tries < TRIES_MAX:
                await asyncio.sleep(0.01 * 2**tries)
                await self._settle(group, tries + 1)
            else:
                log.exception("scan.failed", scan_id=str(group[0][0].scan_id))
                _give(
                    group[0][1],
                    Unavailable("The scan could not be recorded; send it again.", retry_after_s=2),
                )
            return
        self.groups += 1
        self.scans += len(group)
        for (_, future), answer in zip(group, answers, strict=True):
            _give(future, answer)


def _give(future: asyncio.Future[Answer], answer: Answer) -> None:
    if not future.done():
        future.set_result(answer)


def _is_away(error: BaseException) -> bool:
    """Whether the database cannot be reached, as opposed to having refused this group."""
    return isinstance(error, (OSError, PoolTimeout)) or bool(getattr(error, "connection_invalidated", False))


def _is_race(error: BaseException) -> bool:
    if isinstance(error, ScanIdTaken):
        return True
    state = getattr(getattr(error, "orig", None), "sqlstate", None)
    return state in _RACES
