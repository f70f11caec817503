"""The block lists as a web process holds them: in memory, looked at each second with the keys."""

from __future__ import annotations

from antifraud import blocks
from antifraud.blocklist import BlockList
from kernel.db import Tx


class LiveBlocks:
    """All brands' lists; what was blocked or lifted elsewhere is known within two seconds."""

    def __init__(self) -> None:
        self._mark: tuple[object, ...] | None = None
        self.list = BlockList()

    async def refresh(self, tx: Tx) -> None:
        """Read the lists where they were changed."""
        mark = await blocks.mark(tx)
        if mark != self._mark:
            self.list = BlockList(await blocks.load(tx))
            self._mark = mark
