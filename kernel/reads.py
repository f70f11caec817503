"""What several rooms read in one transaction at one point of it, asked in one statement.

The counterpart of `kernel.writes`: each statement of its own would wait for its turn in a busy process once more. Rooms
keep their own SQL; here it is only put side by side. The server computes the parts in the order in which they were
added, so that locks that two of them take are taken in that order.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, Generic, TypeVar, cast

from kernel.db import Statement, Tx

Value = TypeVar("Value")


class Query(Generic[Value]):
    """One value asked of the database by one room; names of its parameters are unique among all queries.

    Args:
        sql: an expression, such as `ARRAY(SELECT ROW(…) FROM …)`, whose rows come as tuples.
        read: makes the value of what the driver gives.
    """

    def __init__(self, sql: str, read: Callable[[Any], Value]) -> None:
        self.sql = sql.strip()
        self.read = read

    async def fetch(self, tx: Tx, values: Mapping[str, Any]) -> Value:
        """Ask it alone, at once."""
        reads = Reads()
        asked = reads.add(self, values)
        await reads.fetch(tx)
        return asked.value


class Asked(Generic[Value]):
    """What a query will have found once `Reads.fetch` returned."""

    def __init__(self, query: Query[Value]) -> None:
        self._query = query
        self._found: list[Value] = []

    @property
    def value(self) -> Value:
        """What it found."""
        return self._found[0]

    def answer(self, raw: object) -> None:
        """Take what the driver gave."""
        self._found = [self._query.read(raw)]


class Reads:
    """Collects queries with their values, and asks them."""

    def __init__(self) -> None:
        self._asked: dict[Query[Any], Asked[Any]] = {}
        self._values: dict[str, Any] = {}

    def add(self, query: Query[Value], values: Mapping[str, Any]) -> Asked[Value]:
        """Have a query asked."""
        assert query not in self._asked, "a query's values are sent once: gather them first"
        self._values.update(values)
        self._asked[query] = Asked(query)
        return cast("Asked[Value]", self._asked[query])

    async def fetch(self, tx: Tx) -> None:
        """Ask them all in one statement; nothing where nothing was added."""
        if not self._asked:
            return
        (found,) = await _statement(tuple(self._asked)).fetch(tx, self._values)
        for asked, raw in zip(self._asked.values(), found, strict=True):
            asked.answer(raw)


@lru_cache(64)
def _statement(queries: tuple[Query[Any], ...]) -> Statement:
    return Statement(f"SELECT {', '.join(query.sql for query in queries)}")
