"""What a process read and added up before, within bounds of memory; the least recently used goes first."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable

from insights import chunks
from insights.chunks import Chunk, Ints, Kind, Whole

Sums = tuple[Ints, Whole]
"""Keys in order, and the scans of each."""


class ChunkCache:
    """Decoded chunks by id. Chunks never change, so nothing here is ever out of date.

    Used by one event loop: `held`, one statement that sends what is not held, `take` for each of its rows, and
    `settle`. What `held` gave stays good whatever is forgotten meanwhile.
    """

    def __init__(self, bytes_max: int) -> None:
        self._bytes_max = bytes_max
        self._order: OrderedDict[int, tuple[int, Kind]] = OrderedDict()
        self._chunks: dict[tuple[int, Kind], dict[int, Chunk]] = {}
        self.bytes = 0

    def __len__(self) -> int:
        return len(self._order)

    def held(self, brand_id: int, kind: Kind) -> dict[int, Chunk]:
        """Chunks of a kind by id, which need not be sent again."""
        return dict(self._chunks.get((brand_id, kind), {}))

    def take(self, held: dict[int, Chunk], brand_id: int, kind: Kind, chunk_id: int, data: bytes | None) -> Chunk:
        """A chunk that was held, or that was sent."""
        known = held.get(chunk_id)
        if known is not None:
            if chunk_id in self._order:
                self._order.move_to_end(chunk_id)
            return known
        assert data is not None, "what is not held is sent"
        chunk = chunks.decode(data)
        if chunk_id not in self._order:  # else another view was sent it at the same time
            self._order[chunk_id] = (brand_id, kind)
            self._chunks.setdefault((brand_id, kind), {})[chunk_id] = chunk
            self.bytes += chunk.nbytes
        return chunk

    def settle(self) -> None:
        """Forget what was not used for longest, until the rest fits."""
        while self.bytes > self._bytes_max:
            chunk_id, of = self._order.popitem(last=False)
            self.bytes -= self._chunks[of].pop(chunk_id).nbytes


class SumCache:
    """What chunks say under a filter, by chunk, filter and form. Like chunks, never out of date. Any thread may ask."""

    def __init__(self, bytes_max: int) -> None:
        self._bytes_max = bytes_max
        self._lock = threading.Lock()
        self._sums: OrderedDict[Hashable, Sums] = OrderedDict()
        self.bytes = 0

    def get(self, key: Hashable, add: Callable[[], Sums]) -> Sums:
        """The sums by their key, added up where they are not known."""
        with self._lock:
            known = self._sums.get(key)
            if known is not None:
                self._sums.move_to_end(key)
                return known
        sums = add()
        with self._lock:
            if key not in self._sums:
                self._sums[key] = sums
                self.bytes += _nbytes(sums)
            while self.bytes > self._bytes_max:
                self.bytes -= _nbytes(self._sums.popitem(last=False)[1])
        return sums


def _nbytes(sums: Sums) -> int:
    return sums[0].nbytes + sums[1].nbytes + 200  # what the entry itself takes, about
