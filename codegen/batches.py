"""Batches: orders of codes, and the states of their ranges.

A batch is one row with a range of serials (DESIGN §5); its codes are computed, never stored. Lines are counted
from 1, as in the data file: line n of a batch is its n-th unit.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import text

from codegen import gs1, keys, links
from kernel import audit, ids
from kernel.crypto import Vault
from kernel.db import Tx
from kernel.errors import Conflict, InvalidInput, NotFound, Unavailable

COUNT_MAX = 1_000_000_000
ORDER_NUMBER_CHARS_MAX = 60
FORMS = ("short", "gs1")


@dataclass(frozen=True, slots=True)
class Batch:
    """An order of codes. `first_unit` is the unit number under the key; serials are 2·unit and 2·unit + 1."""

    id: int
    name: str
    brand_id: int
    gtin: str
    order_number: str
    key_id: int
    count: int
    paired: bool
    form: str
    prefix: str
    first_unit: int
    state: str
    sha256: str | None

    @property
    def first_serial(self) -> int:
        """The serial of line 1's outer code (35 bits, under the batch's key)."""
        return 2 * self.first_unit

    def unit_id(self, line: int) -> int:
        """The unit id (key id << 34 | unit number) of a line."""
        return (self.key_id << 34) | (self.first_unit + line - 1)

    def line(self, unit_id: int) -> int:
        """The line of a unit id of this batch."""
        return unit_id - self.unit_id(1) + 1


_COLUMNS = """id, name, brand_id, gtin, order_number, key_id, count, paired, form, prefix,
    ((lower(span) - (key_id::bigint << 35)) / 2) AS first_unit, state, sha256"""


async def order(
    tx: Tx,
    vault: Vault,
    *,
    brand_id: int,
    gtin: str,
    count: int,
    form: str,
    public_url: str,
    paired: bool,
    order_number: str | None,
    actor: str,
) -> Batch:
    """Order a batch; the same order number again gives the same batch.

    Raises:
        InvalidInput: count, GTIN, form or order number outside its limits.
        NotFound: the brand has no such product.
        Conflict: the order number was used for something else.
        Unavailable: the key has no such range left (rotate it).
    """
    gtin = gs1.parse_gtin(gtin)
    _judge_order(count, form, order_number)
    known = await tx.execute(
        text("SELECT 1 FROM product WHERE gtin = :gtin AND brand_id = :brand"),
        {"gtin": gtin, "brand": brand_id},
    )
    if known.scalar_one_or_none() is None:
        raise NotFound(f"The brand has no product with GTIN {gtin}.")
    prefix = links.short_prefix(public_url) if form == "short" else links.gs1_prefix(public_url, gtin)
    # the key's lock makes orders of one brand wait for each other, so that a repeated order finds the first
    key = await keys.lock_active(tx, vault, brand_id=brand_id, actor=actor)
    name = ids.public_id(10)
    wanted = (gtin, count, form, prefix, paired)
    if order_number is not None:
        existing = await _find(tx, "brand_id = :brand AND order_number = :order", brand=brand_id, order=order_number)
        if existing is not None:
            got = (existing.gtin, existing.count, existing.form, existing.prefix, existing.paired)
            if got != wanted:
                raise Conflict(
                    f"Order {order_number!r} is batch {existing.name} already, with another product, count or form."
                )
            return existing
    if key.next_unit + count > keys.UNITS_PER_KEY:
        raise Unavailable(
            f"Key {key.id} has only {keys.UNITS_PER_KEY - key.next_unit:,} units left, too few for this order: "
            "`yima keys rotate --brand BRAND` makes the next one, and printed codes keep verifying."
        )
    low = (key.id << 35) | (2 * key.next_unit)
    row = await tx.execute(
        text(f"""
            INSERT INTO batch (name, brand_id, gtin, order_number, key_id, count, paired, form, prefix, span)
            VALUES (:name, :brand, :gtin, :order, :key, :count, :paired, :form, :prefix,
                    int8range(:low, :high))
            RETURNING {_COLUMNS}"""),  # noqa: S608 (a constant)
        {
            "name": name,
            "brand": brand_id,
            "gtin": gtin,
            "order": order_number or f"auto-{name}",
            "key": key.id,
            "count": count,
            "paired": paired,
            "form": form,
            "prefix": prefix,
            "low": low,
            "high": low + 2 * count,
        },
    )
    batch = Batch(*row.one())
    await tx.execute(
        text("UPDATE code_key SET next_unit = next_unit + :count WHERE id = :key"),
        {"count": count, "key": key.id},
    )
    await audit.record(
        tx,
        brand_id=brand_id,
        actor=actor,
        action="batch.order",
        subject=f"batch {name}",
        after={"gtin": gtin, "count": count, "form": form, "paired": paired},
    )
    return batch


def _judge_order(count: int, form: str, order_number: str | None) -> None:
    if not 1 <= count <= COUNT_MAX:
        raise InvalidInput(f"A batch has 1 to {COUNT_MAX:,} codes, not {count:,}.", field="count")
    if form not in FORMS:
        raise InvalidInput(f"The form is one of {', '.join(FORMS)}, not {form!r}.", field="form")
    if order_number is not None and not 1 <= len(order_number) <= ORDER_NUMBER_CHARS_MAX:
        raise InvalidInput(f"An order number has 1 to {ORDER_NUMBER_CHARS_MAX} characters.", field="order")


async def _find(tx: Tx, where: str, **values: object) -> Batch | None:
    query = text(f"SELECT {_COLUMNS} FROM batch WHERE {where}")  # noqa: S608 (constants of this module)
    row = (await tx.execute(query, values)).one_or_none()
    return None if row is None else Batch(*row)


async def get(tx: Tx, name: str, *, brand_id: int | None = None) -> Batch:
    """A batch by its name.

    Raises:
        NotFound: there is none, or it is another brand's.
    """
    batch = await _find(tx, "name = :name", name=name.strip().upper()) if name.isprintable() else None
    if batch is None or (brand_id is not None and batch.brand_id != brand_id):
        raise NotFound(f"There is no batch {name!r}; `yima codes batches` names them.")
    return batch


async def list_of(tx: Tx, *, brand_id: int) -> list[Batch]:
    """The brand's batches, newest first."""
    query = text(f"SELECT {_COLUMNS} FROM batch WHERE brand_id = :brand ORDER BY id DESC")  # noqa: S608 (a constant)
    return [Batch(*row) for row in await tx.execute(query, {"brand": brand_id})]


async def count_by_gtin(tx: Tx, *, brand_id: int) -> dict[str, int]:
    """How many batches the brand has ordered of each product."""
    rows = await tx.execute(
        text("SELECT gtin, count(*) FROM batch WHERE brand_id = :brand GROUP BY gtin"), {"brand": brand_id}
    )
    return {gtin: count for gtin, count in rows}  # noqa: C416 (rows are no tuples)


async def search(tx: Tx, *, brand_id: int, gtin: str, before: int | None, limit: int) -> list[Batch]:
    """Some of the brand's batches, newest first.

    Args:
        tx: the transaction.
        brand_id: whose.
        gtin: of this product; empty for all.
        before: id of the batch after which to go on; None for the first page.
        limit: at most so many.
    """
    query = text(f"""
        SELECT {_COLUMNS} FROM batch
        WHERE brand_id = :brand AND (:gtin = '' OR gtin = :gtin) AND id < coalesce(:before, 9223372036854775807)
        ORDER BY id DESC LIMIT :limit""")  # noqa: S608 (a constant)
    rows = await tx.execute(query, {"brand": brand_id, "gtin": gtin, "before": before, "limit": limit})
    return [Batch(*row) for row in rows]


async def finish(tx: Tx, batch: Batch, *, sha256: str, actor: str | None) -> None:
    """Note that the code package was written, and by whom it was taken; None where nobody has it yet."""
    await tx.execute(
        text("UPDATE batch SET state = 'ready', sha256 = :sha256, ready_at = now() WHERE id = :id"),
        {"sha256": sha256, "id": batch.id},
    )
    if actor is None:
        return
    await tx.execute(
        text("""
            INSERT INTO package_download (brand_id, batch_id, actor, lines, sha256)
            VALUES (:brand, :batch, :actor, :lines, :sha256)"""),
        {
            "brand": batch.brand_id,
            "batch": batch.id,
            "actor": actor,
            "lines": batch.count,
            "sha256": sha256,
        },
    )


async def fail(tx: Tx, batch: Batch) -> None:
    """Note that no package could be written; the same order may be tried again."""
    await tx.execute(text("UPDATE batch SET state = 'failed' WHERE id = :id AND state <> 'ready'"), {"id": batch.id})


def lines_of(batch: Batch, first: int | None, last: int | None) -> tuple[int, int]:
    """The lines meant by optional bounds, both inclusive.

    Raises:
        InvalidInput: not within 1 … count, or in the wrong order.
    """
    low = 1 if first is None else first
    high = batch.count if last is None else last
    if not 1 <= low <= high <= batch.count:
        raise InvalidInput(
            f"Lines {low:,} to {high:,} are not within batch {batch.name}, which has lines 1 to {batch.count:,}."
        )
    return low, high


async def of_order(tx: Tx, order_number: str, *, brand_id: int) -> Batch:
    """A brand's batch by the number it was ordered under.

    Raises:
        NotFound: there is none.
    """
    found = None
    if order_number.isprintable():
        found = await _find(tx, "brand_id = :brand AND order_number = :order", brand=brand_id, order=order_number)
    if found is None:
        raise NotFound(f"There is no order {order_number!r}.")
    return found
