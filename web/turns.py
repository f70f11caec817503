"""Heavy work in turns: few at once, few in the queue, everybody else is asked to come back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from kernel.errors import Unavailable

RETRY_AFTER_S: Final = 20


class Turns:
    """Lets so many in at once, and keeps so many waiting."""

    def __init__(self, *, at_once: int, waiting_max: int) -> None:
        self._free = asyncio.Semaphore(at_once)
        self._places = at_once + waiting_max
        self._taken = 0

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Wait for one's turn, and have it.

        Raises:
            Unavailable: too many are waiting already.
        """
        if self._taken >= self._places:
            raise Unavailable("Others are at it already; try again in a moment.", retry_after_s=RETRY_AFTER_S)
        self._taken += 1
        try:
            async with self._free:
                yield
        finally:
            self._taken -= 1
