"""Ids given before the rows they are for, so that a group's rows can name each other in one statement."""

from __future__ import annotations

from functools import cache

from kernel.db import Tx
from kernel.reads import Asked, Query, Reads


def ask(reads: Reads, name: str, count: int) -> Asked[list[int]]:
    """Have ids taken from a sequence; those not used are simply skipped.

    Args:
        reads: sent by the caller.
        name: of the sequence (a name of ours).
        count: how many; they come ascending.
    """
    return reads.add(_of(name), {f"count_of_{name}": count})


async def reserve(tx: Tx, name: str, count: int) -> list[int]:
    """Take ids from a sequence at once."""
    return await _of(name).fetch(tx, {f"count_of_{name}": count})


@cache
def _of(name: str) -> Query[list[int]]:
    # names of ours
    return Query(f"ARRAY(SELECT nextval('{name}') FROM generate_series(1, CAST(:count_of_{name} AS integer)))", list)  # noqa: S608
