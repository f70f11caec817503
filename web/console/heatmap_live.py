"""The live stream of the heatmap: one small event whenever new scans of the brand were rolled up.

An event tells that there is something new, and when; the page then asks for its view. A stream ends when the
session does, and there are only so many of them.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator
from typing import Final

from insights.live import Live
from kernel.db import Database
from kernel.errors import TooMany
from staff import sessions
from staff.access import Permission, permissions
from web.console.desk import Desk
from web.console.seat import Seat

HEARTBEAT_S: Final = 15.0
"""Proxies cut connections that are silent for longer."""

LOOK_S: Final = 30.0
"""How often a stream looks whether the session still may see it; well within a minute."""

RETRY_MS: Final = 3_000
STREAMS_PER_SESSION_MAX: Final = 6
"""Browsers open no more connections than this to one host, unless by HTTP/2."""

STREAMS_PER_PROCESS_MAX: Final = 500

_ENDED: Final = object()


class Streams:
    """How many streams a process has open, in all and by session."""

    def __init__(self) -> None:
        self._by_session: Counter[int] = Counter()

    def __len__(self) -> int:
        return self._by_session.total()

    def enter(self, session_id: int) -> None:
        """Take a place.

        Raises:
            TooMany: there is none left, in the process or for the session.
        """
        if self._by_session[session_id] >= STREAMS_PER_SESSION_MAX:
            raise TooMany(
                f"The heatmap is open {STREAMS_PER_SESSION_MAX} times in this session: close one of its pages.",
                retry_after_s=RETRY_MS // 1_000,
            )
        if len(self) >= STREAMS_PER_PROCESS_MAX:
            raise TooMany("Too many people watch live just now: try again in a minute.", retry_after_s=60)
        self._by_session[session_id] += 1

    def leave(self, session_id: int) -> None:
        """Give the place back."""
        self._by_session[session_id] -= 1
        if not self._by_session[session_id]:
            del self._by_session[session_id]


STREAMS: Final = Streams()


async def events(desk: Desk, seat: Seat, streams: Streams = STREAMS) -> AsyncIterator[bytes]:
    """The events of a stream, until the session ends or the client goes."""
    try:
        streams.enter(seat.session.id)
    except TooMany as error:
        # The answer has begun: its status cannot say so any more.
        yield _event("full", {"sentence": error.message}, retry_ms=60_000)
        return
    try:
        yield _event("hello", await _as_of(desk), retry_ms=RETRY_MS)
        async for event in _listen(desk, seat, desk.means.live):
            yield event
    finally:
        streams.leave(seat.session.id)


async def _listen(desk: Desk, seat: Seat, live: Live) -> AsyncIterator[bytes]:
    """Changes as they come, a heartbeat where none do."""
    clock = asyncio.get_running_loop().time
    looked = clock()
    async with live.subscribe(seat.brand.id) as changes:
        ticks = aiter(changes)
        waiting = asyncio.ensure_future(anext(ticks, _ENDED))
        try:
            while True:
                done, _ = await asyncio.wait({waiting}, timeout=min(HEARTBEAT_S, LOOK_S))
                if clock() - looked >= LOOK_S:
                    if not await _may_still(desk.means.db, desk, seat):
                        yield _event("ended", {})
                        return
                    looked = clock()
                if done:
                    if waiting.result() is _ENDED:  # the process stops: the page asks another one
                        return
                    waiting = asyncio.ensure_future(anext(ticks, _ENDED))
                    yield _event("change", await _as_of(desk))
                else:
                    yield _event("beat", await _as_of(desk))
        finally:
            waiting.cancel()


async def _may_still(db: Database, desk: Desk, seat: Seat) -> bool:
    """Whether the session lives and its person still may see figures of the brand."""
    async with db.transaction() as tx:
        session = await sessions.find(tx, desk.means.vault, seat.visit.token)
    if session is None:
        return False
    return Permission.SEE_FIGURES in permissions(session.staff.roles.get(seat.brand.id, frozenset()))


async def _as_of(desk: Desk) -> dict[str, object]:
    fresh = await desk.means.views.freshness()
    return {"as_of": fresh.as_of.isoformat()}


def _event(kind: str, data: dict[str, object], *, retry_ms: int | None = None) -> bytes:
    head = "" if retry_ms is None else f"retry: {retry_ms}\n"
    return f"{head}event: {kind}\ndata: {json.dumps(data, separators=(',', ':'))}\n\n".encode()
