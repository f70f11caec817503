"""What is in a carton, and the repair of a wrong one: a unit taken out, another put in, unpacked, packed again.

A carton is a range of units; what differs from that is an exception, a row for each unit (0033).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import text

from codegen import gs1, lineset
from codegen.lineset import Lines
from kernel import audit
from kernel.db import Tx
from kernel.errors import Conflict, InvalidInput, NotFound

UNITS_MAX: Final = 10_000
"""Units of a carton that is packed from single codes, or changed at once."""
REASON_CHARS_MAX: Final = 200
_LOCK: Final = 0x59494D41_03


@dataclass(frozen=True, slots=True)
class Contents:
    """A carton: its units by id, and the document it was shipped under last."""

    sscc: str
    brand_id: int
    units: Lines
    packed_at: datetime
    document: str | None


_CONTENTS = """
    SELECT l.sscc, l.brand_id, l.packed_at,
        (int8multirange(l.units)
            - coalesce((SELECT range_agg(int8range(x.unit_id, x.unit_id + 1)) FROM carton_exception x
                        WHERE x.unit_id >= lower(l.units) AND x.unit_id < upper(l.units)
                            AND x.sscc IS DISTINCT FROM l.sscc), '{}')
            + coalesce((SELECT range_agg(int8range(x.unit_id, x.unit_id + 1)) FROM carton_exception x
                        WHERE x.sscc = l.sscc), '{}'))::text AS units,
        (SELECT s.document FROM shipment_line n JOIN shipment s ON s.id = n.shipment_id
         WHERE n.sscc = l.sscc ORDER BY s.shipped_at DESC, s.id DESC LIMIT 1) AS document
    FROM logistic_unit l WHERE l.sscc = :sscc"""


async def get(tx: Tx, sscc: str, *, brand_id: int | None) -> Contents:
    """A carton's contents.

    Raises:
        InvalidInput: that is no SSCC.
        NotFound: it was never packed, or is another brand's.
    """
    number = gs1.parse_sscc(sscc)
    row = (await tx.execute(text(_CONTENTS), {"sscc": number})).one_or_none()
    if row is None or (brand_id is not None and row.brand_id != brand_id):
        raise NotFound(f"There is no carton {number}.")
    return Contents(row.sscc, row.brand_id, lineset.from_text(row.units), row.packed_at, row.document)


async def lock(tx: Tx, brand_id: int) -> None:
    """Have the brand's cartons to oneself: two packings at once must not put one unit into two of them."""
    await tx.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": (_LOCK << 20) + brand_id})


async def carton_of(tx: Tx, units: Sequence[int]) -> dict[int, str]:
    """The carton that each unit is in, in one statement; units in none are missing."""
    rows = await tx.execute(
        text("""
            SELECT u.id, CASE WHEN x.unit_id IS NULL
                    THEN (SELECT l.sscc FROM logistic_unit l WHERE l.units @> u.id LIMIT 1) ELSE x.sscc END
            FROM unnest(CAST(:units AS bigint[])) AS u(id) LEFT JOIN carton_exception x ON x.unit_id = u.id"""),
        {"units": list(units)},
    )
    return {unit: sscc for unit, sscc in rows if sscc is not None}


async def change(
    tx: Tx, *, brand_id: int, sscc: str, out: Sequence[int], put: Sequence[int], reason: str, actor: str
) -> Contents:
    """Take units out of a carton and put others in (a replacement is both at once).

    Raises:
        InvalidInput: nothing to change, too many units, or one of them twice; no reason, or too long a one.
        NotFound: there is no such carton.
        Conflict: a unit to take out is not in it; one to put in is in a carton already.
    """
    _judge(out, put)
    _judge_reason(reason)
    await lock(tx, brand_id)
    carton = await get(tx, sscc, brand_id=brand_id)
    where = await carton_of(tx, [*out, *put])
    for place, unit in enumerate(out, 1):
        if where.get(unit) != carton.sscc:
            raise Conflict(f"Unit {place} to take out is not in carton {carton.sscc}.", field="out")
    for place, unit in enumerate(put, 1):
        if unit in where:
            raise Conflict(f"Unit {place} to put in is in carton {where[unit]} already.", field="put")
    await _except(tx, brand_id, out, None)
    await _except(tx, brand_id, put, carton.sscc)
    await _forget(tx, [*out, *put])
    await audit.record(
        tx, brand_id=brand_id, actor=actor, action="carton.change", subject=f"carton {carton.sscc}",
        before={"units": lineset.count(carton.units)}, after={"out": len(out), "put": len(put), "reason": reason},
    )  # fmt: skip
    return await get(tx, carton.sscc, brand_id=brand_id)


def _judge(out: Sequence[int], put: Sequence[int]) -> None:
    if not 1 <= len(out) + len(put) <= UNITS_MAX:
        raise InvalidInput(f"Name 1 to {UNITS_MAX:,} units to take out or put in.", field="out")
    if len({*out, *put}) != len(out) + len(put):
        raise InvalidInput("One unit is named twice.", field="put")


def _judge_reason(reason: str) -> None:
    if not 1 <= len(reason.strip()) <= REASON_CHARS_MAX:
        raise InvalidInput(f"A reason has 1 to {REASON_CHARS_MAX} characters.", field="reason")


async def unpack(tx: Tx, *, brand_id: int, sscc: str, reason: str, actor: str) -> int:
    """Dissolve a carton that was never shipped: its units are in none, its number is free. Returns how many units.

    Raises:
        InvalidInput: no reason, or too long a one.
        NotFound: there is no such carton.
        Conflict: it was shipped.
    """
    _judge_reason(reason)
    await lock(tx, brand_id)
    carton = await get(tx, sscc, brand_id=brand_id)
    if carton.document is not None:
        raise Conflict(f"Carton {carton.sscc} was shipped under {carton.document!r}: it cannot be dissolved any more.")
    inside = await tx.execute(text("SELECT unit_id FROM carton_exception WHERE sscc = :sscc"), {"sscc": carton.sscc})
    touched = list(inside.scalars())
    await tx.execute(text("UPDATE carton_exception SET sscc = NULL WHERE sscc = :sscc"), {"sscc": carton.sscc})
    gone = await tx.execute(
        text("DELETE FROM logistic_unit WHERE sscc = :sscc RETURNING lower(units), upper(units)"), {"sscc": carton.sscc}
    )
    low, high = gone.one()
    await _forget(tx, touched, within=(low, high))
    await audit.record(
        tx, brand_id=brand_id, actor=actor, action="carton.unpack", subject=f"carton {carton.sscc}",
        before={"units": lineset.count(carton.units)}, after={"reason": reason},
    )  # fmt: skip
    return lineset.count(carton.units)


async def pack(tx: Tx, *, brand_id: int, sscc: str, units: Sequence[int], at: datetime, actor: str) -> Contents:
    """Pack a carton from single units, in whatever order they were scanned (CBV: packing).

    Raises:
        InvalidInput: no SSCC, no unit or too many, or one of them twice.
        Conflict: the SSCC exists, or a unit is in a carton already.
    """
    number = gs1.parse_sscc(sscc)
    _judge((), units)
    await lock(tx, brand_id)
    where = await carton_of(tx, units)
    for place, unit in enumerate(units, 1):
        if unit in where:
            raise Conflict(f"Unit {place} of {len(units)} is in carton {where[unit]} already.", field="codes")
    known = await tx.execute(text("SELECT 1 FROM logistic_unit WHERE sscc = :sscc"), {"sscc": number})
    if known.scalar_one_or_none() is not None:
        raise Conflict(f"There is a carton {number} already.", field="sscc")
    # The longest run of units under no other carton's range is this one's range, the rest are exceptions.
    under = await _under_a_range(tx, units)
    runs = lineset.of_lines(unit for unit in units if unit not in under)
    low, high = max(runs, key=lambda run: run[1] - run[0], default=(0, -1))
    await tx.execute(
        text("""
            INSERT INTO logistic_unit (sscc, brand_id, units, packed_at)
            VALUES (:sscc, :brand, int8range(:low, :high), :at)"""),
        {"sscc": number, "brand": brand_id, "low": low, "high": high + 1, "at": at},
    )
    await _except(tx, brand_id, [unit for unit in units if not low <= unit <= high], number)
    await audit.record(
        tx, brand_id=brand_id, actor=actor, action="carton.pack", subject=f"carton {number}",
        after={"units": len(units)},
    )  # fmt: skip
    return await get(tx, number, brand_id=brand_id)


async def _under_a_range(tx: Tx, units: Sequence[int]) -> set[int]:
    rows = await tx.execute(
        text("""
            SELECT u.id FROM unnest(CAST(:units AS bigint[])) AS u(id)
            WHERE EXISTS (SELECT 1 FROM logistic_unit l WHERE l.units @> u.id)"""),
        {"units": list(units)},
    )
    return set(rows.scalars())


async def _except(tx: Tx, brand_id: int, units: Sequence[int], sscc: str | None) -> None:
    await tx.execute(
        text("""
            INSERT INTO carton_exception (unit_id, brand_id, sscc)
            SELECT u.id, :brand, CAST(:sscc AS text) FROM unnest(CAST(:units AS bigint[])) AS u(id) ORDER BY u.id
            ON CONFLICT (unit_id) DO UPDATE SET sscc = excluded.sscc, at = now()"""),
        {"brand": brand_id, "sscc": sscc, "units": list(units)},
    )


async def _forget(tx: Tx, units: Sequence[int], within: tuple[int | None, int | None] = (None, None)) -> None:
    """Remove exceptions that say what the ranges say: within their own carton's, or in none under none."""
    await tx.execute(
        text("""
            DELETE FROM carton_exception x
            WHERE (x.unit_id = ANY(CAST(:units AS bigint[])) OR x.unit_id BETWEEN :low AND CAST(:high AS bigint) - 1)
                AND x.sscc IS NOT DISTINCT FROM (SELECT l.sscc FROM logistic_unit l WHERE l.units @> x.unit_id LIMIT 1)
        """),
        {"units": list(units), "low": within[0], "high": within[1]},
    )
