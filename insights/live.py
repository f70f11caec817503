"""The live signal: that new scans of a brand were rolled up, told to every page that watches.

One connection a process listens; it is opened again for ever when it is lost. A signal says only "look again", so
a watcher who is slow, or was away, is told once and not once for each signal.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

import asyncpg
import structlog
from sqlalchemy.engine import make_url

from insights.rollups import CHANNEL

log = structlog.get_logger(__name__)

WAIT_S_MIN: Final = 0.1
WAIT_S_MAX: Final = 15.0
"""Waits between attempts grow from the one to the other, with some chance in them."""
ALIVE_S: Final = 20.0
"""So often the connection is asked whether it lives: a dead network ends nothing by itself."""
ANSWER_S_MAX: Final = 10.0


class Changes:
    """What a watcher iterates over: an element whenever there is something new since the last one."""

    def __init__(self) -> None:
        self._new = asyncio.Event()
        self._closed = False

    def tell(self) -> None:
        """There is something new."""
        self._new.set()

    def close(self) -> None:
        """End the iteration."""
        self._closed = True
        self._new.set()

    def __aiter__(self) -> AsyncIterator[None]:
        return self

    async def __anext__(self) -> None:
        await self._new.wait()
        if self._closed:
            raise StopAsyncIteration
        self._new.clear()


class Live:
    """Listens for all watchers of this process.

    Args:
        url: any PostgreSQL URL that SQLAlchemy reads.
        application: the name shown in `pg_stat_activity`.
    """

    def __init__(self, url: str, *, application: str = "yima live") -> None:
        self._url = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
        self._application = application
        self._watchers: dict[int, set[Changes]] = {}
        self._listening: asyncio.Task[None] | None = None
        self.connected = asyncio.Event()
        self.connections = 0

    async def start(self) -> None:
        """Begin to listen, in the background."""
        if self._listening is None:
            self._listening = asyncio.create_task(self._listen(), name="live")

    async def close(self) -> None:
        """Stop; every watcher's iteration ends."""
        if self._listening is not None:
            self._listening.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._listening
            self._listening = None
        for watchers in self._watchers.values():
            for changes in watchers:
                changes.close()

    @asynccontextmanager
    async def subscribe(self, brand_id: int) -> AsyncIterator[Changes]:
        """Watch a brand while the block runs."""
        changes = Changes()
        self._watchers.setdefault(brand_id, set()).add(changes)
        try:
            yield changes
        finally:
            self._watchers[brand_id].discard(changes)
            if not self._watchers[brand_id]:
                del self._watchers[brand_id]

    async def _listen(self) -> None:
        wait_s = WAIT_S_MIN
        while True:
            try:
                async with asyncio.timeout(ANSWER_S_MAX):
                    connection = await asyncpg.connect(
                        self._url, server_settings={"application_name": self._application}
                    )
            except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:  # TimeoutError is an OSError
                log.warning("live.away", error=type(error).__name__, wait_s=round(wait_s, 1))
            else:
                try:
                    await self._stay(connection)
                    wait_s = WAIT_S_MIN
                except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
                    log.warning("live.lost", error=type(error).__name__)
                finally:
                    self.connected.clear()
                    connection.terminate()
            await asyncio.sleep(wait_s * random.uniform(0.5, 1))
            wait_s = min(WAIT_S_MAX, wait_s * 2)

    async def _stay(self, connection: Any) -> None:  # noqa: ANN401 (asyncpg publishes no types)
        """Listen until the connection is lost."""
        lost = asyncio.Event()
        connection.add_termination_listener(lambda _: lost.set())
        async with asyncio.timeout(ANSWER_S_MAX):
            await connection.add_listener(CHANNEL, self._heard)
        self.connections += 1
        self.connected.set()
        self._tell(None)  # whatever was missed while nobody listened
        while not lost.is_set():
            try:
                async with asyncio.timeout(ALIVE_S):
                    await lost.wait()
            except TimeoutError:
                await connection.fetchval("SELECT 1", timeout=ANSWER_S_MAX)

    def _heard(self, _connection: object, _pid: int, _channel: str, payload: str) -> None:
        try:
            self._tell(json.loads(payload)["brands"])
        except (ValueError, TypeError, KeyError):
            log.warning("live.unknown_signal")
            self._tell(None)

    def _tell(self, brands: list[int] | None) -> None:
        """Tell the watchers of some brands, or of all."""
        for brand_id in list(self._watchers) if brands is None else brands:
            for changes in self._watchers.get(brand_id, ()):
                changes.tell()
