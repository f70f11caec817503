"""Ids given before the rows they are for, so that a group's rows can name each other in one statement."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from kernel.db import Statement, Tx


async def reserve(tx: Tx, counts: Mapping[str, int]) -> dict[str, list[int]]:
    """Ids from several sequences, in one statement; those not used are simply skipped.

    Args:
        tx: any transaction.
        counts: how many of which sequence, by its name (a name of ours).

    Returns:
        The ids by sequence, ascending.
    """
    found: dict[str, list[int]] = {name: [] for name in counts}
    wanted = [(name, count) for name, count in counts.items() if count]
    if not wanted:
        return found
    statement = _statement(tuple(name for name, _ in wanted))
    for place, number in await statement.fetch(
        tx, {f"count_{place}": count for place, (_, count) in enumerate(wanted)}
    ):
        found[wanted[place][0]].append(number)
    return found


@cache
def _statement(names: tuple[str, ...]) -> Statement:
    return Statement(
        " UNION ALL ".join(
            f"SELECT {place}, nextval('{name}') FROM generate_series(1, CAST(:count_{place} AS integer))"  # noqa: S608 (names of ours)
            for place, name in enumerate(names)
        )
    )
