"""Batches: orders of codes, and the states of their ranges.

A batch is one row with a range of serials (DESIGN §5); its codes are computed, never stored. Lines are counted
from 1, as in the data file: line n of a batch is its n-th unit.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from sqlalchemy import text

from codegen import gs1, keys, links
from kernel import audit, ids
from kernel.crypto import Vault
from kernel.db import Tx
from kernel.errors import Conflict, InvalidInput, NotFound, Unavailable

COUNT_MAX = 1_000_000_000
SPARE_BP_MAX = 5_000
"""A spare of at most half the order, in hundredths of a percent."""
CANARY_UNITS = 1_024
"""Units that a batch has behind its lines, for the set-up labels of its packages."""
WRITTEN = ("ready", "downloaded", "activated", "closed")
"""States of a batch of which a code package exists, so that codes may have been printed."""
ORDER_NUMBER_CHARS_MAX = 60
FORMS = ("short", "gs1")
_SPARE = re.compile(r"([0-9]{1,3})(?:\.([0-9]{1,2}))?\s*%?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Batch:
    """An order of codes. `first_unit` is the unit number under the key; serials are 2·unit and 2·unit + 1.

    `count` is all lines: the units `ordered` and the spare (`spare_bp`, hundredths of a percent). Behind them lie
    `canaries` units that are no lines, whose codes stand on set-up labels only.
    """

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
    ordered: int = 0
    spare_bp: int = 0
    recipient_id: int | None = None
    layout: str = "plain"
    canaries: int = 0
    error: str | None = None
    origin: str = "own"
    """`imported` where others made the codes: there are none to derive, print or hand out."""

    @property
    def written(self) -> bool:
        """Whether a code package exists, so that codes may have been printed."""
        return self.state in WRITTEN

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
    ((lower(span) - (key_id::bigint << 35)) / 2) AS first_unit, state, sha256,
    coalesce(ordered, count) AS ordered, spare_bp, recipient_id, layout,
    (upper(span) - lower(span)) / 2 - count AS canaries, error, origin"""


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
    spare_bp: int = 0,
    recipient_id: int | None = None,
    layout: str = "plain",
) -> Batch:
    """Order a batch; the same order number again gives the same batch.

    Args:
        tx: the transaction.
        vault: opens the key.
        brand_id: whose.
        gtin: the product.
        count: units ordered; the spare comes on top.
        form: of the URL, one of `FORMS`.
        public_url: what the codes point to.
        paired: whether a unit has an outer and an inner code.
        order_number: the customer's; None makes one up.
        actor: who orders.
        spare_bp: spare in hundredths of a percent, rounded up to whole units.
        recipient_id: for whom the codes are, or None.
        layout: name of the data file's layout.

    Raises:
        InvalidInput: count, GTIN, form or order number outside its limits.
        NotFound: the brand has no such product.
        Conflict: the order number was used for something else.
        Unavailable: the key has no such range left (rotate it).
    """
    gtin = gs1.parse_gtin(gtin)
    ordered, count = count, with_spare(count, spare_bp)
    _judge_order(ordered, count, form, order_number)
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
    wanted = {
        "product": gtin, "count": ordered, "spare": spare_bp, "form": form, "printed host": _origin(prefix),
        "pair": paired, "recipient": recipient_id, "layout": layout,
    }  # fmt: skip
    if order_number is not None:
        existing = await _find(tx, "brand_id = :brand AND order_number = :order", brand=brand_id, order=order_number)
        if existing is not None:
            _judge_same(existing, wanted)
            return existing
    if key.next_unit + count > keys.UNITS_PER_KEY:
        raise Unavailable(
            f"Key {key.id} has only {keys.UNITS_PER_KEY - key.next_unit:,} units left, too few for this order: "
            "`yima keys rotate --brand BRAND` makes the next one, and printed codes keep verifying."
        )
    # the last batch of a key has fewer canaries, or none
    taken = count + min(CANARY_UNITS, keys.UNITS_PER_KEY - key.next_unit - count)
    low = (key.id << 35) | (2 * key.next_unit)
    row = await tx.execute(
        text(f"""
            INSERT INTO batch (name, brand_id, gtin, order_number, key_id, count, paired, form, prefix, span,
                ordered, spare_bp, recipient_id, layout)
            VALUES (:name, :brand, :gtin, :order, :key, :count, :paired, :form, :prefix,
                    int8range(:low, :high), :ordered, :spare, :recipient, :layout)
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
            "high": low + 2 * taken,
            "ordered": ordered,
            "spare": spare_bp,
            "recipient": recipient_id,
            "layout": layout,
        },
    )
    batch = Batch(*row.one())
    await tx.execute(
        text("UPDATE code_key SET next_unit = next_unit + :count WHERE id = :key"),
        {"count": taken, "key": key.id},
    )
    await audit.record(
        tx,
        brand_id=brand_id,
        actor=actor,
        action="batch.order",
        subject=f"batch {name}",
        after={"gtin": gtin, "count": count, "spare": count - ordered, "form": form, "paired": paired},
    )
    return batch


def with_spare(ordered: int, spare_bp: int) -> int:
    """Units ordered and the spare, which is rounded up.

    Raises:
        InvalidInput: the spare is outside 0 to `SPARE_BP_MAX`.
    """
    if not 0 <= spare_bp <= SPARE_BP_MAX:
        raise InvalidInput(f"The spare is 0 to {SPARE_BP_MAX / 100:g} percent, not {spare_bp / 100:g}.", field="spare")
    return ordered + -(-ordered * spare_bp // 10_000)


def parse_spare(given: str) -> int:
    """Hundredths of a percent from a text such as `2.5` or `2.5%`; empty for none.

    Raises:
        InvalidInput: it is no such number, has more than two decimals, or lies outside its limits.
    """
    found = _SPARE.fullmatch(given.strip() or "0")
    if found is None:
        raise InvalidInput(
            f"The spare is a percentage from 0 to {SPARE_BP_MAX / 100:g} with at most two decimals.", field="spare"
        )
    spare_bp = int(found[1]) * 100 + int((found[2] or "").ljust(2, "0"))
    with_spare(1, spare_bp)
    return spare_bp


def _origin(prefix: str) -> str:
    """Scheme and host of what stands before the codes."""
    return "/".join(prefix.split("/", 3)[:3])


def _shown(name: str, value: object) -> object:
    return f"{value / 100:g} %" if name == "spare" and isinstance(value, int) else value


def _judge_same(existing: Batch, wanted: dict[str, object]) -> None:
    """An order number said again must mean the same order.

    Raises:
        Conflict: it does not; the sentence names what differs.
    """
    got: dict[str, object] = {
        "product": existing.gtin, "count": existing.ordered, "spare": existing.spare_bp, "form": existing.form,
        "printed host": _origin(existing.prefix), "pair": existing.paired, "recipient": existing.recipient_id,
        "layout": existing.layout,
    }  # fmt: skip
    number = existing.order_number
    differing = [name for name in wanted if wanted[name] != got[name]]
    if differing:
        # who the recipients are is told by their names, which are not at hand here
        told = [
            name if name == "recipient" else f"{name} ({_shown(name, got[name])}, now {_shown(name, wanted[name])})"
            for name in differing
        ]
        raise Conflict(
            f"Order {number!r} is batch {existing.name} already, with another {', '.join(told)}.", field="order"
        )
    if existing.state == "cancelled":
        raise Conflict(
            f"Order {number!r} is batch {existing.name} and was cancelled: order under another number.", field="order"
        )


def _judge_order(ordered: int, count: int, form: str, order_number: str | None) -> None:
    if not 1 <= ordered <= COUNT_MAX:
        raise InvalidInput(f"A batch has 1 to {COUNT_MAX:,} codes, not {ordered:,}.", field="count")
    if count > COUNT_MAX:
        raise InvalidInput(
            f"With its spare the batch would have {count:,} codes, more than {COUNT_MAX:,}.", field="count"
        )
    if form not in FORMS:
        raise InvalidInput(f"The form is one of {', '.join(FORMS)}, not {form!r}.", field="form")
    if order_number is not None and not (1 <= len(order_number) <= ORDER_NUMBER_CHARS_MAX):
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


async def by_id(tx: Tx, batch_id: int) -> Batch:
    """A batch by its row's number, which somebody else's row names."""
    batch = await _find(tx, "id = :id", id=batch_id)
    assert batch is not None
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


def need_own(batch: Batch) -> None:
    """Refuse to derive codes for a batch that others made.

    Raises:
        Conflict: its codes were imported.
    """
    if batch.origin != "own":
        raise Conflict(f"The codes of batch {batch.name} were made by others and imported: there are none to write.")


def lines_of(batch: Batch, first: int | None, last: int | None, *, field: str = "first") -> tuple[int, int]:
    """The lines meant by optional bounds, both inclusive.

    Args:
        batch: the batch.
        first: the first line; None is the batch's.
        last: the last line; None is the batch's.
        field: what the request calls the first line.

    Raises:
        InvalidInput: not within 1 … count, or in the wrong order.
    """
    low = 1 if first is None else first
    high = batch.count if last is None else last
    if not 1 <= low <= high <= batch.count:
        raise InvalidInput(
            f"Lines {low:,} to {high:,} are not within batch {batch.name}, which has lines 1 to {batch.count:,}.",
            field=field,
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
