"""What several rooms write in one transaction, sent as one statement.

While one statement follows another, each waits for its turn in a busy process, and whoever waits for the transaction's
locks waits with it. Rooms keep their own SQL; here it is only strung together.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from kernel.db import Statement, Tx


class Part:
    """Some common table expressions that write, of one room; names of theirs and of values are unique among all parts.

    Args:
        sql: `name AS (…)`, separated by commas.
    """

    def __init__(self, sql: str) -> None:
        self.sql = sql.strip()


class Writes:
    """Collects parts with their values, and sends them."""

    def __init__(self) -> None:
        self._parts: list[Part] = []
        self._values: dict[str, Any] = {}

    def add(self, part: Part, values: Mapping[str, Any]) -> None:
        """Have a part written, with its values by name."""
        assert part not in self._parts, "a part's values are written once: gather them first"
        self._parts.append(part)
        self._values.update(values)

    async def send(self, tx: Tx) -> None:
        """Send everything in one statement; nothing where nothing was added.

        Raises:
            StatementFailed: the server refused it; the caller must roll back.
        """
        if self._parts:
            await _statement(tuple(self._parts)).fetch(tx, self._values)


@lru_cache(64)
def _statement(parts: tuple[Part, ...]) -> Statement:
    return Statement(f"WITH {', '.join(part.sql for part in parts)} SELECT")
