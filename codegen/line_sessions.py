"""Sessions of a line: one camera or hand scanner at one batch (or two, to be paired), from the first code to the last.

All that a session knows is in its row, so that it goes on after a restart of anything.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import text

from codegen import ranges
from codegen.batches import Batch
from kernel import audit, ids
from kernel.db import Tx
from kernel.errors import Conflict, InvalidInput, NotFound

DIRECTIONS: Final = ("up", "down", "any")


@dataclass(frozen=True, slots=True)
class Session:
    """A session; `totals` are verdicts and remarks so far, `next_sequence` the number of the capture it waits for."""

    id: int
    name: str
    brand_id: int
    batch: str
    inner_batch: str | None
    station_id: int | None
    station: str | None
    direction: str
    state: str
    opened_at: datetime
    opened_by: str
    closed_at: datetime | None
    next_sequence: int
    last_line: int | None
    last_pair_id: int | None
    totals: dict[str, int]


_SESSION: Final = """
    SELECT s.id, s.name, s.brand_id, b.name, i.name, s.station_id, t.name, s.direction, s.state, s.opened_at,
        s.opened_by, s.closed_at, s.next_sequence, s.last_line, s.last_pair_id, s.totals
    FROM line_session s JOIN batch b ON b.id = s.batch_id LEFT JOIN batch i ON i.id = s.inner_batch_id
    LEFT JOIN station t ON t.id = s.station_id"""


async def start(
    tx: Tx,
    batch: Batch,
    *,
    inner: Batch | None = None,
    direction: str = "up",
    station_id: int | None = None,
    actor: str,
) -> Session:
    """Open a session on a batch, or on the batches whose outer and inner codes are to be paired.

    A station that asks again before it captured anything gets the session that it has.

    Raises:
        InvalidInput: no such direction; batches that cannot be paired (one, of two brands or products, with two codes
            a unit already).
        Conflict: no package was written yet, or others made the codes.
    """
    if direction not in DIRECTIONS:
        raise InvalidInput(f"The direction is one of {', '.join(DIRECTIONS)}, not {direction!r}.", field="direction")
    for each in (batch, inner):
        if each is not None and each.origin != "own":
            raise Conflict(f"The codes of batch {each.name} were made by others: a line captures our own codes only.")
        if each is not None and not each.written:
            raise Conflict(f"Batch {each.name} has no code package yet: nothing can have been printed.")
    if inner is not None:
        _judge_pair(batch, inner)
    known = None if station_id is None else await _unused(tx, batch, inner, direction, station_id)
    if known is not None:
        return await get(tx, known, brand_id=batch.brand_id)
    name = ids.public_id(10)
    row = await tx.execute(
        text("""
            INSERT INTO line_session (name, brand_id, batch_id, inner_batch_id, station_id, direction, opened_by)
            VALUES (:name, :brand, :batch, :inner, :station, :direction, :actor) RETURNING id"""),
        {
            "name": name,
            "brand": batch.brand_id,
            "batch": batch.id,
            "inner": None if inner is None else inner.id,
            "station": station_id,
            "direction": direction,
            "actor": actor[: ranges.ACTOR_CHARS_MAX],
        },
    )
    row.scalar_one()
    if inner is not None:
        await audit.record(
            tx, brand_id=batch.brand_id, actor=actor, action="line.pair", subject=f"session {name}",
            after={"outer": batch.name, "inner": inner.name},
        )  # fmt: skip
    return await get(tx, name, brand_id=batch.brand_id)


async def _unused(tx: Tx, batch: Batch, inner: Batch | None, direction: str, station_id: int) -> str | None:
    row = await tx.execute(
        text("""
            SELECT name FROM line_session
            WHERE batch_id = :batch AND station_id = :station AND direction = :direction AND state = 'open'
                AND next_sequence = 1 AND inner_batch_id IS NOT DISTINCT FROM CAST(:inner AS bigint)
            ORDER BY id DESC LIMIT 1"""),
        {
            "batch": batch.id,
            "station": station_id,
            "direction": direction,
            "inner": None if inner is None else inner.id,
        },
    )
    return row.scalar_one_or_none()


def _judge_pair(outer: Batch, inner: Batch) -> None:
    if outer.brand_id != inner.brand_id or outer.id == inner.id:
        raise InvalidInput("Outer and inner codes are two batches of one brand.", field="inner_batch")
    if outer.gtin != inner.gtin:
        raise InvalidInput(
            f"Batch {outer.name} is of product {outer.gtin}, batch {inner.name} of {inner.gtin}: no unit has both.",
            field="inner_batch",
        )
    for each in (outer, inner):
        if each.paired:
            raise InvalidInput(f"Batch {each.name} has an outer and an inner code a unit already.", field="inner_batch")


async def get(tx: Tx, name: str, *, brand_id: int | None = None) -> Session:
    """A session.

    Raises:
        NotFound: there is none, or it is another brand's.
    """
    row = None
    if name.isprintable():
        query = text(f"{_SESSION} WHERE s.name = :name")
        row = (await tx.execute(query, {"name": name.strip().upper()})).one_or_none()
    found = None if row is None else Session(*row)
    if found is None or (brand_id is not None and found.brand_id != brand_id):
        raise NotFound(f"There is no session {name!r}.")
    return found


async def list_of(
    tx: Tx, *, brand_id: int, batch_id: int | None = None, before: int | None = None, limit: int
) -> list[Session]:
    """The brand's sessions, the latest first, from the one before `before` on; of one batch, where it is given."""
    query = text(f"""{_SESSION}
        WHERE s.brand_id = :brand AND (CAST(:batch AS bigint) IS NULL OR :batch IN (s.batch_id, s.inner_batch_id))
            AND s.id < coalesce(CAST(:before AS bigint), 9223372036854775807)
        ORDER BY s.id DESC LIMIT :limit""")
    values: dict[str, Any] = {"brand": brand_id, "batch": batch_id, "before": before, "limit": limit}
    return [Session(*row) for row in await tx.execute(query, values)]


async def lock(tx: Tx, name: str, *, brand_id: int) -> Session:
    """A session, locked for the caller's transaction.

    Raises:
        NotFound: there is none, or it is another brand's.
    """
    found = await get(tx, name, brand_id=brand_id)
    await tx.execute(text("SELECT 1 FROM line_session WHERE id = :id FOR NO KEY UPDATE"), {"id": found.id})
    return await get(tx, found.name, brand_id=brand_id)


async def close(tx: Tx, name: str, *, brand_id: int) -> Session:
    """Close a session; said again, nothing changes. Its answers are forgotten, its totals stay."""
    found = await lock(tx, name, brand_id=brand_id)
    await tx.execute(
        text("UPDATE line_session SET state = 'closed', closed_at = now() WHERE id = :id AND state = 'open'"),
        {"id": found.id},
    )
    await tx.execute(text("DELETE FROM line_capture WHERE session_id = :id"), {"id": found.id})
    return await get(tx, found.name, brand_id=brand_id)
