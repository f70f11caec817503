"""What was issued: for a code that verifies, its batch and the states that hold for its unit."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import text

from kernel.db import Tx


@dataclass(frozen=True, slots=True)
class Issued:
    """What codegen knows of a code that verifies: its key's brand, its batch, the states that hold for its unit.

    `batch_id` is None where the serial was never issued; then `batch`, `gtin` and `line` are None too.
    """

    brand_id: int
    batch_id: int | None
    batch: str | None
    gtin: str | None
    paired: bool
    line: int | None
    active: bool
    blocked: str | None


_LOOK_UP = text("""
    SELECT p.position, k.brand_id, b.id, b.name, b.gtin, coalesce(b.paired, false),
        (p.position - lower(b.span)) / 2 + 1,
        EXISTS (SELECT 1 FROM code_range r WHERE r.units @> (p.position >> 1)
                AND r.lifted_at IS NULL AND r.state = 'activated'),
        (SELECT r.state FROM code_range r WHERE r.units @> (p.position >> 1)
            AND r.lifted_at IS NULL AND r.state <> 'activated'
            ORDER BY array_position(ARRAY['void', 'recalled', 'frozen', 'expired'], r.state::text) LIMIT 1)
    FROM unnest(CAST(:positions AS bigint[])) AS p(position)
    JOIN code_key k ON k.id = p.position >> 35
    LEFT JOIN LATERAL (SELECT * FROM batch WHERE span @> p.position LIMIT 1) b ON true
""")


async def look_up(tx: Tx, positions: list[int]) -> dict[int, Issued]:
    """What is known of many codes by position (key id << 35 | serial), in one statement."""
    rows = await tx.execute(_LOOK_UP, {"positions": positions})
    return {row[0]: Issued(*row[1:]) for row in rows}
