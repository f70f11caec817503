"""Rolls: a batch cut into pieces that a printer takes: rolls, lanes, or files of n lines.

A roll is named by a text that its label's symbol bears: `YIMA:ROLL:BATCH:NUMBER`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from sqlalchemy import text

from codegen import ranges
from codegen.batches import Batch
from kernel import audit
from kernel.db import Tx
from kernel.errors import Conflict, InvalidInput, NotFound

ROLLS_MAX: Final = 100_000
"""Rolls of one batch."""
MARK: Final = "YIMA:ROLL:"
_NAMED: Final = re.compile(r"(?ai:YIMA:ROLL:)(?P<batch>[0-9A-Za-z]{1,20}):(?P<number>[0-9]{1,6})")
_NUMBER: Final = re.compile(r"[0-9]{1,6}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Roll:
    """Lines `first` to `last` of a batch under a number, counted from 1."""

    batch: str
    number: int
    first: int
    last: int

    @property
    def count(self) -> int:
        """How many lines."""
        return self.last - self.first + 1

    @property
    def name(self) -> str:
        """What the symbol on its label says."""
        return f"{MARK}{self.batch}:{self.number}"


def split(count: int, *, size: int | None = None, rolls: int | None = None) -> tuple[int, int]:
    """How to cut so many lines: (lines of a roll, rolls); the last roll may be shorter. Pure.

    Raises:
        InvalidInput: neither a size nor a number of rolls, both, or outside their limits.
    """
    if (size is None) == (rolls is None):
        raise InvalidInput("Say how long a roll is, or how many rolls: one of the two.", field="size")
    if size is not None:
        if not 1 <= size <= count:
            raise InvalidInput(f"A roll has 1 to {count:,} lines, not {size:,}.", field="size")
    else:
        assert rolls is not None
        if not 1 <= rolls <= count:
            raise InvalidInput(f"{count:,} lines are cut into 1 to {count:,} rolls, not {rolls:,}.", field="rolls")
        size = -(-count // rolls)
    number = -(-count // size)
    if number > ROLLS_MAX:
        raise InvalidInput(f"That makes {number:,} rolls; at most {ROLLS_MAX:,} are cut of a batch.", field="size")
    return size, number


async def cut(tx: Tx, batch: Batch, *, size: int | None = None, rolls: int | None = None, actor: str) -> list[Roll]:
    """Cut a batch; cut again in another way, the former rolls are gone, while nothing was printed of them.

    Raises:
        InvalidInput: see `split`.
        Conflict: a print run was opened on the batch: its rolls exist as things.
    """
    length, number = split(batch.count, size=size, rolls=rolls)
    await ranges.lock(tx, batch)
    before = await list_of(tx, batch)
    made = [
        Roll(batch.name, place + 1, place * length + 1, min((place + 1) * length, batch.count))
        for place in range(number)
    ]
    if made == before:
        return made
    printed = await tx.execute(text("SELECT name FROM print_run WHERE batch_id = :batch LIMIT 1"), {"batch": batch.id})
    run = printed.scalar_one_or_none()
    if run is not None:
        raise Conflict(f"Run {run} has printed of batch {batch.name}: its rolls cannot be cut anew.")
    await tx.execute(text("DELETE FROM roll WHERE batch_id = :batch"), {"batch": batch.id})
    await tx.execute(
        text("""
            INSERT INTO roll (brand_id, batch_id, number, first, last)
            SELECT :brand, :batch, n.number, n.first, n.last
            FROM unnest(CAST(:numbers AS integer[]), CAST(:firsts AS bigint[]), CAST(:lasts AS bigint[]))
                AS n(number, first, last)"""),
        {
            "brand": batch.brand_id,
            "batch": batch.id,
            "numbers": [roll.number for roll in made],
            "firsts": [roll.first for roll in made],
            "lasts": [roll.last for roll in made],
        },
    )
    await audit.record(
        tx,
        brand_id=batch.brand_id,
        actor=actor,
        action="rolls.cut",
        subject=f"batch {batch.name}",
        before={"rolls": len(before), "size": before[0].count} if before else None,
        after={"rolls": number, "size": length},
    )
    return made


async def list_of(tx: Tx, batch: Batch, *, after: int = 0, limit: int = ROLLS_MAX) -> list[Roll]:
    """A batch's rolls by number, from the one after `after` on."""
    rows = await tx.execute(
        text("""
            SELECT number, first, last FROM roll WHERE batch_id = :batch AND number > :after
            ORDER BY number LIMIT :limit"""),
        {"batch": batch.id, "after": after, "limit": limit},
    )
    return [Roll(batch.name, *row) for row in rows]


async def named(tx: Tx, name: str, *, batch: Batch | None, brand_id: int) -> Roll:
    """A roll by its label's text, or by its number where the batch is known.

    Raises:
        InvalidInput: the text names no roll, or one of another batch.
        NotFound: the brand has no such roll.
    """
    given = name.strip()
    label = _NAMED.fullmatch(given)
    if label is not None:
        of, number = label["batch"].upper(), int(label["number"])
        if batch is not None and of != batch.name:
            raise InvalidInput(f"That roll is of batch {of}, not of batch {batch.name}.", field="roll")
    elif batch is not None and _NUMBER.fullmatch(given):
        of, number = batch.name, int(given)
    else:
        raise InvalidInput("A roll is named by its label's symbol, or by its number and its batch.", field="roll")
    row = await tx.execute(
        text("""
            SELECT r.first, r.last FROM roll r JOIN batch b ON b.id = r.batch_id
            WHERE b.name = :batch AND b.brand_id = :brand AND r.number = :number"""),
        {"batch": of, "brand": brand_id, "number": number},
    )
    found = row.one_or_none()
    if found is None:
        raise NotFound(f"Batch {of} has no roll {number}.", field="roll")
    return Roll(of, number, *found)
