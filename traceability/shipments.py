"""Dealers, their territories, logistic units (cartons with an SSCC) and shipments to dealers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text

from codegen import gs1
from kernel import audit
from kernel.db import Tx
from kernel.errors import Conflict, InvalidInput, NotFound

CARTONS_PER_SHIPMENT_MAX = 100_000


@dataclass(frozen=True, slots=True)
class Dealer:
    """Somebody who sells the brand's goods in a territory (region codes: province, city or district)."""

    id: int
    code: str
    name: str
    adcodes: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Carton:
    """A logistic unit: its SSCC and the unit ids inside, first and last."""

    sscc: str
    first_unit: int
    last_unit: int


@dataclass(frozen=True, slots=True)
class Destination:
    """To whom a unit was shipped last."""

    dealer_id: int
    dealer: str
    sscc: str
    adcodes: frozenset[int]


async def create_dealer(tx: Tx, *, brand_id: int, code: str, name: str, adcodes: Iterable[int], actor: str) -> Dealer:
    """Create a dealer with a territory.

    Raises:
        InvalidInput: no territory, or an empty code or name.
        Conflict: the code is taken.
    """
    territory = tuple(sorted(set(adcodes)))
    if not territory:
        raise InvalidInput(f"Dealer {code!r} has no territory.", field="adcodes")
    if not (1 <= len(code) <= 40 and 1 <= len(name) <= 80):
        raise InvalidInput("A dealer has a code of 1 to 40 and a name of 1 to 80 characters.", field="code")
    row = await tx.execute(
        text("""
            INSERT INTO dealer (brand_id, code, name) VALUES (:brand, :code, :name)
            ON CONFLICT DO NOTHING RETURNING id"""),
        {"brand": brand_id, "code": code, "name": name},
    )
    dealer_id = row.scalar_one_or_none()
    if dealer_id is None:
        raise Conflict(f"There is a dealer {code!r} already.")
    await tx.execute(
        text("""
            INSERT INTO territory (brand_id, dealer_id, adcode)
            SELECT :brand, :dealer, unnest(CAST(:adcodes AS integer[]))"""),
        {"brand": brand_id, "dealer": dealer_id, "adcodes": list(territory)},
    )
    await audit.record(
        tx,
        brand_id=brand_id,
        actor=actor,
        action="dealer.create",
        subject=code,
        after={"name": name, "adcodes": list(territory)},
    )
    return Dealer(dealer_id, code, name, territory)


async def list_dealers(tx: Tx, *, brand_id: int) -> list[Dealer]:
    """The brand's dealers by code."""
    rows = await tx.execute(
        text("""
            SELECT d.id, d.code, d.name, array_agg(t.adcode ORDER BY t.adcode)
            FROM dealer d JOIN territory t ON t.dealer_id = d.id
            WHERE d.brand_id = :brand GROUP BY d.id ORDER BY d.code"""),
        {"brand": brand_id},
    )
    return [Dealer(row[0], row[1], row[2], tuple(row[3])) for row in rows]


async def pack(tx: Tx, *, brand_id: int, cartons: Sequence[Carton], at: datetime) -> None:
    """Associate units with cartons (CBV: packing).

    Raises:
        InvalidInput: an SSCC with a wrong check digit, or an empty carton.
        Conflict: an SSCC that exists, or a unit that is in another carton already.
    """
    for carton in cartons:
        gs1.parse_sscc(carton.sscc)
        if carton.last_unit < carton.first_unit:
            raise InvalidInput(f"Carton {carton.sscc} is empty.")
    values = {
        "brand": brand_id,
        "ssccs": [carton.sscc for carton in cartons],
        "lows": [carton.first_unit for carton in cartons],
        "highs": [carton.last_unit + 1 for carton in cartons],
        "at": at,
    }
    clash = await tx.execute(
        text("""
            SELECT n.sscc FROM unnest(CAST(:ssccs AS text[]), CAST(:lows AS bigint[]), CAST(:highs AS bigint[]))
                AS n(sscc, low, high)
            JOIN logistic_unit l ON l.units && int8range(n.low, n.high) OR l.sscc = n.sscc LIMIT 1"""),
        {key: values[key] for key in ("ssccs", "lows", "highs")},
    )
    taken = clash.scalar_one_or_none()
    if taken is not None:
        raise Conflict(f"Carton {taken}, or a unit in it, is packed already.")
    await tx.execute(
        text("""
            INSERT INTO logistic_unit (sscc, brand_id, units, packed_at)
            SELECT n.sscc, :brand, int8range(n.low, n.high), :at
            FROM unnest(CAST(:ssccs AS text[]), CAST(:lows AS bigint[]), CAST(:highs AS bigint[]))
                AS n(sscc, low, high)"""),
        values,
    )


async def ship(
    tx: Tx,
    *,
    brand_id: int,
    document: str,
    dealer: Dealer,
    adcode: int,
    ssccs: Sequence[str],
    at: datetime,
    actor: str,
) -> int:
    """Ship cartons to a dealer (CBV: shipping); returns the shipment's id.

    Raises:
        InvalidInput: no carton, or more than 100,000.
        NotFound: an SSCC that the brand never packed.
        Conflict: the document number is taken.
    """
    if not 1 <= len(ssccs) <= CARTONS_PER_SHIPMENT_MAX:
        raise InvalidInput(f"A shipment has 1 to {CARTONS_PER_SHIPMENT_MAX:,} cartons.", field="ssccs")
    row = await tx.execute(
        text("""
            INSERT INTO shipment (brand_id, document, dealer_id, adcode, shipped_at)
            VALUES (:brand, :document, :dealer, :adcode, :at) ON CONFLICT DO NOTHING RETURNING id"""),
        {"brand": brand_id, "document": document, "dealer": dealer.id, "adcode": adcode, "at": at},
    )
    shipment_id: int | None = row.scalar_one_or_none()
    if shipment_id is None:
        raise Conflict(f"There is a shipment {document!r} already.")
    shipped = await tx.execute(
        text("""
            INSERT INTO shipment_line (brand_id, shipment_id, sscc)
            SELECT :brand, :shipment, l.sscc FROM logistic_unit l
            WHERE l.sscc = ANY(CAST(:ssccs AS text[])) AND l.brand_id = :brand"""),
        {"brand": brand_id, "shipment": shipment_id, "ssccs": list(ssccs)},
    )
    if shipped.rowcount != len(set(ssccs)):
        raise NotFound(f"Shipment {document!r}: {len(set(ssccs)) - shipped.rowcount} of its cartons were never packed.")
    await audit.record(
        tx,
        brand_id=brand_id,
        actor=actor,
        action="shipment.ship",
        subject=document,
        after={"dealer": dealer.code, "cartons": len(ssccs)},
    )
    return shipment_id


# LIMIT within tells the planner that a unit is in one carton; without it, it expects many and reads whole tables.
_DESTINATIONS = text("""
    SELECT u.id, d.id, d.name, l.sscc, (SELECT array_agg(t.adcode) FROM territory t WHERE t.dealer_id = d.id)
    FROM unnest(CAST(:units AS bigint[])) AS u(id)
    CROSS JOIN LATERAL (SELECT c.sscc FROM logistic_unit c WHERE c.units @> u.id LIMIT 1) l
    CROSS JOIN LATERAL (
        SELECT h.dealer_id FROM shipment_line n JOIN shipment h ON h.id = n.shipment_id
        WHERE n.sscc = l.sscc ORDER BY h.shipped_at DESC, h.id DESC LIMIT 1) s
    JOIN dealer d ON d.id = s.dealer_id
""")


async def destinations(tx: Tx, unit_ids: list[int]) -> dict[int, Destination]:
    """To whom each unit was shipped last, by unit id, in one statement; unshipped units are missing."""
    rows = await tx.execute(_DESTINATIONS, {"units": unit_ids})
    return {row[0]: Destination(row[1], row[2], row[3], frozenset(row[4] or ())) for row in rows}
