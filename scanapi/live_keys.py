"""The code keys as a web process holds them: all of them in memory, looked at each second."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress

import structlog
from sqlalchemy import text

from codegen import keys
from codegen.keys import SealedKey
from codegen.scheme import CodeKey, ParsedCode, Ring, VerifiedCode
from kernel.crypto import Vault
from kernel.db import Database, Tx
from kernel.errors import Unavailable, YimaError

log = structlog.get_logger(__name__)

KEYS_REFRESH_S = 1.0
UNREADABLE_RETRY_S = 15.0
"""A custodian that is away is not asked each second."""
_BUSY_S = 5

# Differs whenever a key is made or changed, also after an older dump was restored and went its own way since.
_MARK = text("""
    SELECT count(*), bit_xor(hashtextextended(id || ' ' || version || ' ' || state || ' ' || created_at, 0))
    FROM code_key""")


class LiveRing:
    """The ring of code keys, refreshed every second: what another process did to a key is known within two.

    Attributes:
        ring: every key that could be opened, whatever its state.
        states: of all keys, by id.
        unreadable: keys that could not be opened, and why. Their codes are neither told genuine nor forged.
        refreshed_at: when the keys were last looked at, on the monotonic clock.

    Args:
        db: the database.
        vault: opens the keys.
        besides: what else is looked at with them, in the same transaction.
    """

    def __init__(self, db: Database, vault: Vault, *, besides: Sequence[Callable[[Tx], Awaitable[None]]] = ()) -> None:
        self._db = db
        self._besides = besides
        self._vault = vault
        self._task: asyncio.Task[None] | None = None
        self._mark: tuple[object, ...] | None = None
        self._sealed: dict[int, bytes] = {}
        self._tried_at = float("-inf")
        self.ring = Ring()
        self.states: Mapping[int, str] = {}
        self.unreadable: Mapping[int, YimaError] = {}
        self.refreshed_at = float("-inf")

    async def start(self) -> None:
        """Load all keys, then keep looking for changes.

        Raises:
            ConfigurationError: a key cannot be opened, or its custodian is set wrongly: codes of ours would be told
                to be forged.
            Unavailable: the custodian is away.
        """
        await self._vault.custody.probe()
        await self.refresh()
        for error in self.unreadable.values():
            raise error
        self._task = asyncio.create_task(self._run())

    async def close(self) -> None:
        """Stop looking."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    def verify(self, parsed: ParsedCode) -> VerifiedCode | None:
        """What a code's signature vouches for; None if it is forged.

        Raises:
            Unavailable: the code names a key that cannot be opened at present.
        """
        if parsed.key_id in self.unreadable:
            raise Unavailable("This code cannot be looked at for the moment: try again soon.", retry_after_s=_BUSY_S)
        return self.ring.verify(parsed)

    async def refresh(self) -> None:
        """Look at the keys; open those that are new or sealed anew, after the transaction."""
        stored = None
        async with self._db.transaction() as tx:
            mark = tuple((await tx.execute(_MARK)).one())
            retry = bool(self.unreadable) and time.monotonic() - self._tried_at >= UNREADABLE_RETRY_S
            if mark != self._mark or retry:
                stored = await keys.read_sealed(tx)
            for look in self._besides:
                await look(tx)
        if stored is not None:
            await self._take(stored)
            self._mark = mark
        self.refreshed_at = time.monotonic()

    async def _take(self, stored: Sequence[SealedKey]) -> None:
        """Take the keys in as they are stored now; what was known stays known while a custodian is away."""
        self._tried_at = time.monotonic()
        fresh = [key for key in stored if self._sealed.get(key.id) != key.sealed]
        opened = await keys.open_keys(self._vault, fresh)
        good = [each for each in opened if isinstance(each, CodeKey)]
        bad = {key.id: each for key, each in zip(fresh, opened, strict=True) if isinstance(each, YimaError)}
        for error in bad.values():
            log.error("keys.unreadable", error=error.message)
        self.ring = self.ring.replaced(good, kept=[key.id for key in stored])
        self._sealed = {key.id: key.sealed for key in stored if key.id not in bad}
        self.states = {key.id: key.state for key in stored}
        self.unreadable = {key_id: error for key_id, error in bad.items() if key_id not in self.ring}

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(KEYS_REFRESH_S)
            try:
                await self.refresh()
            except Exception:  # known keys keep verifying while the database is away
                log.exception("keys.unrefreshed")
