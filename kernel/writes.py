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
        counted: the one of them whose returned rows are counted, or None.
    """

    def __init__(self, sql: str, *, counted: str | None = None) -> None:
        self.sql = sql.strip()
        self.counted = counted


class Writes:
    """Collects parts with their values, and sends them."""

    def __init__(self) -> None:
        self._parts: list[Part] = []
        self._values: dict[str, Any] = {}
        self._expected: list[tuple[int, type[Exception]] | None] = []

    def add(
        self,
        part: Part,
        values: Mapping[str, Any],
        *,
        rows: int | None = None,
        otherwise: type[Exception] | None = None,
    ) -> None:
        """Have a part written.

        Args:
            part: which.
            values: by name.
            rows: how many rows its counted expression must return.
            otherwise: raised by `send` where it returns others.
        """
        assert part not in self._parts, "a part's values are written once: gather them first"
        self._parts.append(part)
        self._values.update(values)
        self._expected.append(None if rows is None or otherwise is None else (rows, otherwise))

    async def send(self, tx: Tx) -> None:
        """Send everything in one statement; nothing where nothing was added.

        Raises:
            Exception: what a part said that is to be raised; the caller must roll back.
        """
        if not self._parts:
            return
        (counts,) = await _statement(tuple(self._parts)).fetch(tx, self._values)
        for count, expected in zip(counts, self._expected, strict=True):
            if expected is not None and count != expected[0]:
                raise expected[1]


@lru_cache(64)
def _statement(parts: tuple[Part, ...]) -> Statement:
    counts = ", ".join("0" if part.counted is None else f"(SELECT count(*) FROM {part.counted})" for part in parts)  # noqa: S608 (names of ours)
    return Statement(f"WITH {', '.join(part.sql for part in parts)} SELECT {counts}")
