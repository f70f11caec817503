"""How many rewards of a batch's units were claimed, for lists."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import text

from kernel.db import Tx

COUNTED_MAX = 100_000
"""Counting stops here: a list tells "100,000 or more" of a batch rather than reading millions of entries."""


async def count(tx: Tx, ranges: Sequence[tuple[int, int]], *, most: int = COUNTED_MAX) -> list[int]:
    """Units within each range of unit ids (first and last) whose reward is claimed, up to `most` each."""
    rows = await tx.execute(
        text("""
            SELECT (SELECT count(*) FROM (SELECT 1 FROM claim c WHERE c.state <> 'voided'
                        AND c.unit_id BETWEEN r.low AND r.high LIMIT :most) found)
            FROM unnest(CAST(:lows AS bigint[]), CAST(:highs AS bigint[])) WITH ORDINALITY AS r(low, high, place)
            ORDER BY r.place"""),
        {"lows": [low for low, _ in ranges], "highs": [high for _, high in ranges], "most": most},
    )
    return list(rows.scalars())
