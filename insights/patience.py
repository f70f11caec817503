"""Reads that people wait for: each has a limit, and what takes longer is told so in a sentence."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import ClassVar, Final

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from kernel.db import Database, StatementFailed, Tx, state_of
from kernel.errors import YimaError

READ_MS_MAX: Final = 8_000
"""Longest that a page waits for one statement."""
COUNT_MS_MAX: Final = 1_500
"""Longest that a page waits for a count that it can do without."""

_CANCELLED: Final = "57014"


class TooSlow(YimaError):
    """The read was stopped at its limit."""

    code: ClassVar[str] = "too_slow"
    status: ClassVar[int] = 503


@asynccontextmanager
async def reading(db: Database, *, ms_max: int = READ_MS_MAX) -> AsyncIterator[Tx]:
    """A transaction in which each statement has a limit.

    Raises:
        TooSlow: a statement reached it.
    """
    try:
        async with db.transaction() as tx:
            await tx.execute(text("SELECT set_config('statement_timeout', :limit, true)"), {"limit": str(ms_max)})
            yield tx
    except (DBAPIError, StatementFailed) as error:
        if state_of(error) != _CANCELLED:
            raise
        raise TooSlow(
            f"This takes longer than {ms_max / 1000:g} s: narrow the time or add a filter.", limit_ms=ms_max
        ) from None
