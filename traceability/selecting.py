"""Ranges of codes by what a person has in hand: lines, two scanned codes, single codes, a roll, a carton, an order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from codegen import batches, in_hand, lineset, rolls
from codegen.batches import Batch
from codegen.lineset import Lines
from kernel.crypto import Vault
from kernel.db import Tx
from kernel.errors import InvalidInput
from traceability import cartons


@dataclass(frozen=True, slots=True)
class Wanted:
    """What somebody names. At most one of the ways besides `batch`; the batch alone is all its lines."""

    batch: str | None = None
    first: int | None = None
    last: int | None = None
    between: Sequence[str] = ()
    codes: Sequence[str] = ()
    roll: str | None = None
    sscc: str | None = None
    order: str | None = None

    def ways(self) -> list[str]:
        """The ways that are used."""
        lines = self.first is not None or self.last is not None
        given = {
            "lines": lines, "between": bool(self.between), "codes": bool(self.codes),
            "roll": self.roll is not None, "case": self.sscc is not None, "order": self.order is not None,
        }  # fmt: skip
        return [name for name, used in given.items() if used]


@dataclass(frozen=True, slots=True)
class Chosen:
    """Lines of one batch; `meant` says how they were named, where not by their numbers."""

    batch: Batch
    lines: Lines
    meant: str | None = None

    @property
    def count(self) -> int:
        """How many units."""
        return lineset.count(self.lines)


async def choose(tx: Tx, vault: Vault, wanted: Wanted, *, brand_id: int) -> list[Chosen]:
    """The lines that are meant, by batch; a carton may hold units of several batches, by id.

    Raises:
        InvalidInput: nothing is named, or in two ways at once; a code that is none of the brand's; lines outside.
        NotFound: there is no such batch, roll, carton or order.
    """
    ways = wanted.ways()
    if len(ways) > 1:
        raise InvalidInput(f"Name codes in one way: {' or '.join(ways)}.", field=ways[1])
    batch = None if not wanted.batch else await batches.get(tx, wanted.batch, brand_id=brand_id)
    match ways:
        case ["between"]:
            return [await _between(tx, vault, wanted.between, batch, brand_id)]
        case ["codes"]:
            found, lines = await in_hand.lines_of_codes(tx, vault, wanted.codes, brand_id=brand_id, batch=batch)
            chosen = lineset.of_lines(lines)
            return [Chosen(found, chosen, f"{lineset.count(chosen):,} scanned")]
        case ["roll"]:
            return [await _roll(tx, wanted.roll or "", batch, brand_id)]
        case ["case"]:
            return await _carton(tx, wanted.sscc or "", batch, brand_id)
        case ["order"]:
            found = await batches.of_order(tx, wanted.order or "", brand_id=brand_id)
            if batch is not None and batch.id != found.id:
                raise InvalidInput(f"Order {wanted.order!r} is batch {found.name}, not {batch.name}.", field="order")
            return [Chosen(found, ((1, found.count),), f"order {found.order_number}")]
        case _:
            if batch is None:
                raise InvalidInput("Name a batch, codes, a roll, a case or an order.", field="batch")
            return [Chosen(batch, (batches.lines_of(batch, wanted.first, wanted.last),))]


async def _between(tx: Tx, vault: Vault, ends: Sequence[str], batch: Batch | None, brand_id: int) -> Chosen:
    if len(ends) != 2:
        raise InvalidInput("A range between codes has two: the first and the last.", field="between")
    found, lines = await in_hand.lines_of_codes(tx, vault, ends, brand_id=brand_id, batch=batch, field="between")
    first, last = sorted(lines)
    return Chosen(found, ((first, last),), "between two scanned codes")


async def _roll(tx: Tx, roll: str, batch: Batch | None, brand_id: int) -> Chosen:
    found = await rolls.named(tx, roll, batch=batch, brand_id=brand_id)
    of = batch or await batches.get(tx, found.batch, brand_id=brand_id)
    return Chosen(of, ((found.first, found.last),), f"roll {found.number}")


async def _carton(tx: Tx, sscc: str, batch: Batch | None, brand_id: int) -> list[Chosen]:
    try:
        carton = await cartons.get(tx, sscc, brand_id=brand_id)
    except InvalidInput as error:
        raise InvalidInput(error.message, field="sscc") from None
    if not carton.units:
        raise InvalidInput(f"Carton {carton.sscc} is empty.", field="carton")
    parts = await in_hand.batches_of_units(tx, lineset.to_text(carton.units), brand_id=brand_id)
    chosen = []
    for found, units in parts:
        lines = tuple((found.line(low), found.line(high)) for low, high in lineset.from_text(units))
        if batch is not None and found.id != batch.id:
            raise InvalidInput(f"Carton {carton.sscc} holds units of batch {found.name} too.", field="carton")
        chosen.append(Chosen(found, lines, f"carton {carton.sscc}"))
    return chosen
