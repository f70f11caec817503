"""What was issued: for a code that verifies, its batch and the states that hold for its unit."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

import msgspec

from codegen.pairs import holds, mate_of
from kernel.db import Statement, Tx


class Issued(msgspec.Struct, frozen=True):
    """What codegen knows of a code that verifies: its key's brand, its batch, the states that hold for its unit.

    `batch_id` is None where the serial was never issued; then `batch`, `gtin` and `line` are None too. `canary` is the
    id of the package on whose set-up labels the code stands; then `line` lies behind the batch's lines, and the unit is
    never active. Behind the lines, what stands on no set-up label was never issued.
    """

    brand_id: int
    batch_id: int | None
    batch: str | None
    gtin: str | None
    paired: bool
    line: int | None
    active: bool
    blocked: str | None
    mate_id: int | None = None
    """The unit id of the other code, where two batches' codes were paired on the line; the two are one unit then."""
    mate_side: str | None = None
    """Which side of such a unit this code is: `outer` or `inner`."""
    home_batch_id: int | None = None
    """The batch of such a unit's outer code, under whose number it is packed, shipped and claimed."""
    canary: int | None = None
    origin: str = "own"
    """Whether others made the batch's codes (`imported`)."""
    leaked_at: datetime | None = None
    """From when on the secret of the code's key is thought to be in wrong hands."""
    leak_answer: str | None = None
    """What a unit first scanned from then on gets: `hold` or `void`."""

    def is_leaked(self, first_scan_at: datetime | None) -> bool:
        """Whether anybody may have made this code by now: its unit was not scanned before its key leaked."""
        return self.leaked_at is not None and (first_scan_at is None or first_scan_at >= self.leaked_at)

    def home(self, unit_id: int) -> int:
        """The id of the unit that bears a code whose own unit number is `unit_id`: the outer code's, where paired."""
        return self.mate_id if self.mate_side == "inner" and self.mate_id is not None else unit_id


_LOOK_UP = Statement(f"""
    SELECT p.position, k.brand_id, b.id, b.name, b.gtin, coalesce(b.paired, false),
        (p.position - lower(b.span)) / 2 + 1,
        {holds("r.state = 'activated'", "p.position >> 1")},
        (SELECT h.state FROM (
            SELECT r.state FROM code_range r
            WHERE r.units @> (p.position >> 1) AND r.lifted_at IS NULL AND r.state <> 'activated'
            UNION ALL
            SELECT r.state FROM code_range r
            WHERE r.units @> m.mate AND r.lifted_at IS NULL AND r.state <> 'activated') h
            ORDER BY array_position(ARRAY['void', 'recalled', 'frozen', 'expired'], h.state::text) LIMIT 1),
        m.mate, m.side, m.home, b.canary, coalesce(b.origin, 'own'), b.leaked_at, b.leak_answer
    FROM unnest(CAST(:positions AS bigint[])) AS p(position)
    JOIN code_key k ON k.id = p.position >> 35
    LEFT JOIN LATERAL (
        SELECT batch.*, c.id AS canary FROM batch
        LEFT JOIN LATERAL (
            SELECT id FROM code_package WHERE canaries @> (p.position >> 1) LIMIT 1
        ) c ON p.position >= lower(span) + 2 * count
        WHERE span @> p.position AND (p.position < lower(span) + 2 * count OR c.id IS NOT NULL)
            AND origin = CASE WHEN p.position = ANY(CAST(:listed AS bigint[])) THEN 'imported' ELSE 'own' END
        LIMIT 1
    ) b ON true
    LEFT JOIN LATERAL {mate_of("p.position >> 1")} m ON true
""")  # noqa: S608 (a constant)


async def look_up(tx: Tx, positions: list[int], *, listed: Collection[int] = ()) -> dict[int, Issued]:
    """What is known of many codes by position (key id << 35 | serial), in one statement.

    Args:
        tx: the transaction.
        positions: of all the codes.
        listed: those of them that `codegen.foreign` found. Only these are looked for in imported batches, and only
            there: a code derived for a line of an imported batch was never issued.
    """
    rows = await _LOOK_UP.fetch(tx, {"positions": positions, "listed": list(listed)})
    return {row[0]: Issued(*row[1:]) for row in rows}
