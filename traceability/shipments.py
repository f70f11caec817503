"""Dealers, their territories, logistic units (cartons with an SSCC) and shipments to dealers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import Any, Final

import msgspec
from sqlalchemy import text

from codegen import gs1
from kernel import audit
from kernel.db import Tx
from kernel.errors import Conflict, InvalidInput, NotFound
from kernel.reads import Asked, Query, Reads
from traceability import cartons as contents
from traceability.changes import EditedMeanwhile, Problem, judge_text, refuse

CODE_CHARS_MAX = 40
NAME_CHARS_MAX = 80
REGIONS_MAX = 400
DOCUMENT_CHARS_MAX = 60
CARTONS_PER_SHIPMENT_MAX = 100_000


@dataclass(frozen=True, slots=True)
class Dealer:
    """Somebody who sells the brand's goods in a territory (region codes: province, city or district)."""

    id: int
    code: str
    name: str
    adcodes: tuple[int, ...]
    version: int = 1


@dataclass(frozen=True, slots=True)
class Shipment:
    """Cartons that went to a dealer under one document."""

    id: int
    document: str
    adcode: int
    shipped_at: datetime
    cartons: int
    units: int


@dataclass(frozen=True, slots=True)
class ShippedCarton:
    """A carton of a shipment, and how many units it holds."""

    sscc: str
    units: int
    packed_at: datetime


@dataclass(frozen=True, slots=True)
class Carton:
    """A logistic unit: its SSCC and the unit ids inside, first and last."""

    sscc: str
    first_unit: int
    last_unit: int


class Destination(msgspec.Struct, frozen=True):
    """To whom a unit was shipped last."""

    dealer_id: int
    sscc: str
    dealer: str
    adcodes: frozenset[int]


def judge_dealer(*, code: str, name: str, adcodes: Sequence[int]) -> list[Problem]:
    """Everything that is wrong with a dealer's fields. Pure."""
    found = judge_text("code", code, least=1, most=CODE_CHARS_MAX)
    found += judge_text("name", name, least=1, most=NAME_CHARS_MAX)
    if not adcodes:
        found.append(Problem("adcodes", "territory_empty", f"Dealer {code!r} has no territory."))
    if len(adcodes) > REGIONS_MAX:
        sentence = f"A territory has at most {REGIONS_MAX} regions; choose whole cities or provinces instead."
        found.append(Problem("adcodes", "territory_many", sentence, {"most": REGIONS_MAX}))
    return found


async def create_dealer(tx: Tx, *, brand_id: int, code: str, name: str, adcodes: Iterable[int], actor: str) -> Dealer:
    """Create a dealer with a territory.

    Raises:
        InvalidInput: no territory or one of too many regions, an empty code or name; the detail `problems` names
            all of them.
        Conflict: the code is taken.
    """
    territory = tuple(sorted(set(adcodes)))
    refuse(judge_dealer(code=code, name=name, adcodes=territory))
    row = await tx.execute(
        text("""
            INSERT INTO dealer (brand_id, code, name) VALUES (:brand, :code, :name)
            ON CONFLICT DO NOTHING RETURNING id"""),
        {"brand": brand_id, "code": code, "name": name},
    )
    dealer_id = row.scalar_one_or_none()
    if dealer_id is None:
        sentence = f"There is a dealer {code!r} already."
        raise Conflict(sentence, field="code", problems=(Problem("code", "code_taken", sentence, {"code": code}),))
    await _set_territory(tx, brand_id, dealer_id, territory)
    await audit.record(
        tx,
        brand_id=brand_id,
        actor=actor,
        action="dealer.create",
        subject=code,
        after={"name": name, "adcodes": list(territory)},
    )
    return Dealer(dealer_id, code, name, territory)


async def update_dealer(
    tx: Tx, *, brand_id: int, dealer_id: int, name: str, adcodes: Iterable[int], version: int, actor: str
) -> Dealer:
    """Change a dealer's name and territory; the code is what shipping documents bear and stays.

    A territory counts from now on: scans recorded before keep what was found then.

    Raises:
        InvalidInput: a field is wrong; the detail `problems` names all of them.
        NotFound: the brand has no such dealer.
        EditedMeanwhile: somebody else saved a change since.
    """
    territory = tuple(sorted(set(adcodes)))
    await tx.execute(
        text("SELECT 1 FROM dealer WHERE id = :id AND brand_id = :brand FOR UPDATE"),
        {"id": dealer_id, "brand": brand_id},
    )
    before = await dealer(tx, dealer_id, brand_id=brand_id)
    refuse(judge_dealer(code=before.code, name=name, adcodes=territory))
    if before.version != version:
        raise EditedMeanwhile(f"dealer {before.code}", version=before.version)
    if (name, territory) == (before.name, before.adcodes):
        return before
    await tx.execute(
        text("UPDATE dealer SET name = :name, version = version + 1 WHERE id = :id"),
        {"name": name, "id": dealer_id},
    )
    if territory != before.adcodes:
        await tx.execute(text("DELETE FROM territory WHERE dealer_id = :id"), {"id": dealer_id})
        await _set_territory(tx, brand_id, dealer_id, territory)
    await audit.record(
        tx,
        brand_id=brand_id,
        actor=actor,
        action="dealer.update",
        subject=before.code,
        before={"name": before.name, "adcodes": list(before.adcodes)},
        after={"name": name, "adcodes": list(territory)},
    )
    return Dealer(dealer_id, before.code, name, territory, before.version + 1)


async def _set_territory(tx: Tx, brand_id: int, dealer_id: int, adcodes: Sequence[int]) -> None:
    await tx.execute(
        text("""
            INSERT INTO territory (brand_id, dealer_id, adcode)
            SELECT :brand, :dealer, unnest(CAST(:adcodes AS integer[]))"""),
        {"brand": brand_id, "dealer": dealer_id, "adcodes": list(adcodes)},
    )


# Units of a carton `u`: its range, less what is elsewhere, and what lies outside its range.
_UNITS_INSIDE = """(coalesce(upper(u.units) - lower(u.units), 0)
    - (SELECT count(*) FROM carton_exception x WHERE x.unit_id >= lower(u.units) AND x.unit_id < upper(u.units)
        AND x.sscc IS DISTINCT FROM u.sscc)
    + (SELECT count(*) FROM carton_exception x WHERE x.sscc = u.sscc AND NOT x.unit_id <@ u.units))"""

_DEALERS = """
    SELECT d.id, d.code, d.name, array_agg(t.adcode ORDER BY t.adcode) FILTER (WHERE t.adcode IS NOT NULL), d.version
    FROM dealer d LEFT JOIN territory t ON t.dealer_id = d.id"""


def _dealer(row: Any) -> Dealer:  # noqa: ANN401 (a row of _DEALERS)
    dealer_id, code, name, adcodes, version = row
    return Dealer(dealer_id, code, name, tuple(adcodes or ()), version)


async def list_dealers(tx: Tx, *, brand_id: int) -> list[Dealer]:
    """The brand's dealers by code."""
    query = text(f"{_DEALERS} WHERE d.brand_id = :brand GROUP BY d.id ORDER BY d.code")
    return [_dealer(row) for row in await tx.execute(query, {"brand": brand_id})]


async def search_dealers(tx: Tx, *, brand_id: int, words: str, after: str, limit: int) -> list[Dealer]:
    """Some of the brand's dealers by code.

    Args:
        tx: the transaction.
        brand_id: whose.
        words: part of the code or name; empty for all.
        after: the code after which to go on; empty for the first page.
        limit: at most so many.
    """
    query = text(f"""{_DEALERS}
        WHERE d.brand_id = :brand AND d.code > :after
            AND (:words = '' OR strpos(lower(d.code || ' ' || d.name), lower(:words)) > 0)
        GROUP BY d.id ORDER BY d.code LIMIT :limit""")
    rows = await tx.execute(query, {"brand": brand_id, "words": words, "after": after, "limit": limit})
    return [_dealer(row) for row in rows]


async def dealer(tx: Tx, dealer_id: int, *, brand_id: int) -> Dealer:
    """A dealer of a brand.

    Raises:
        NotFound: the brand has no such dealer.
    """
    query = text(f"{_DEALERS} WHERE d.id = :id AND d.brand_id = :brand GROUP BY d.id")
    row = (await tx.execute(query, {"id": dealer_id, "brand": brand_id})).one_or_none()
    if row is None:
        raise NotFound(f"The brand has no dealer {dealer_id}.")
    return _dealer(row)


async def dealer_coded(tx: Tx, code: str, *, brand_id: int) -> Dealer:
    """A dealer of a brand by its code.

    Raises:
        NotFound: the brand has no such dealer.
    """
    query = text(f"{_DEALERS} WHERE d.code = :code AND d.brand_id = :brand GROUP BY d.id")
    row = (await tx.execute(query, {"code": code, "brand": brand_id})).one_or_none() if code.isprintable() else None
    if row is None:
        raise NotFound(f"The brand has no dealer {code!r}; `yima dealer list` names them.")
    return _dealer(row)


async def shipments_to(tx: Tx, *, dealer_id: int, before: tuple[datetime, int] | None, limit: int) -> list[Shipment]:
    """Shipments to a dealer, newest first.

    Args:
        tx: the transaction.
        dealer_id: to whom.
        before: time and id of the shipment after which to go on; None for the first page.
        limit: at most so many.
    """
    rows = await tx.execute(
        text(f"""
            SELECT s.id, s.document, s.adcode, s.shipped_at, l.cartons, l.units
            FROM (SELECT * FROM shipment WHERE dealer_id = :dealer
                    AND (shipped_at, id) < (coalesce(CAST(:at AS timestamptz), 'infinity'), CAST(:id AS bigint))
                  ORDER BY shipped_at DESC, id DESC LIMIT :limit) s
            CROSS JOIN LATERAL (
                SELECT count(*) AS cartons, coalesce(sum({_UNITS_INSIDE}), 0)::bigint AS units
                FROM shipment_line n JOIN logistic_unit u ON u.sscc = n.sscc WHERE n.shipment_id = s.id) l
            ORDER BY s.shipped_at DESC, s.id DESC"""),  # noqa: S608 (a constant)
        {"dealer": dealer_id, "at": before and before[0], "id": before[1] if before else 0, "limit": limit},
    )
    return [Shipment(*row) for row in rows]


async def cartons_of(tx: Tx, *, brand_id: int, shipment_id: int, after: str, limit: int) -> list[ShippedCarton]:
    """The cartons of a shipment by SSCC, from the one after `after` on."""
    rows = await tx.execute(
        text(f"""
            SELECT u.sscc, {_UNITS_INSIDE}, u.packed_at
            FROM shipment_line n JOIN logistic_unit u ON u.sscc = n.sscc
            WHERE n.shipment_id = :shipment AND n.brand_id = :brand AND n.sscc > :after
            ORDER BY n.sscc LIMIT :limit"""),  # noqa: S608 (a constant)
        {"shipment": shipment_id, "brand": brand_id, "after": after, "limit": limit},
    )
    return [ShippedCarton(*row) for row in rows]


async def shipment(tx: Tx, shipment_id: int, *, dealer_id: int, brand_id: int) -> Shipment:
    """A shipment to a dealer.

    Raises:
        NotFound: there is none to this dealer.
    """
    row = await tx.execute(
        text(f"""
            SELECT s.id, s.document, s.adcode, s.shipped_at, count(n.sscc),
                coalesce(sum(CASE WHEN u.sscc IS NULL THEN 0 ELSE {_UNITS_INSIDE} END), 0)::bigint
            FROM shipment s LEFT JOIN shipment_line n ON n.shipment_id = s.id
            LEFT JOIN logistic_unit u ON u.sscc = n.sscc
            WHERE s.id = :id AND s.dealer_id = :dealer AND s.brand_id = :brand GROUP BY s.id"""),  # noqa: S608 (a constant)
        {"id": shipment_id, "dealer": dealer_id, "brand": brand_id},
    )
    found = row.one_or_none()
    if found is None:
        raise NotFound(f"There is no shipment {shipment_id} to this dealer.")
    return Shipment(*found)


async def pack(tx: Tx, *, brand_id: int, cartons: Sequence[Carton], at: datetime) -> None:
    """Associate units with cartons (CBV: packing).

    Raises:
        InvalidInput: an SSCC with a wrong check digit, or an empty carton.
        Conflict: an SSCC that exists, or a unit that is in another carton already, or in two of these.
    """
    for carton in cartons:
        gs1.parse_sscc(carton.sscc)
        if carton.last_unit < carton.first_unit:
            raise InvalidInput(f"Carton {carton.sscc} is empty.")
    for before, after in pairwise(sorted(cartons, key=lambda each: each.first_unit)):
        if after.first_unit <= before.last_unit:
            raise Conflict(f"Cartons {before.sscc} and {after.sscc} hold a unit that both of them name.")
    values = {
        "brand": brand_id,
        "ssccs": [carton.sscc for carton in cartons],
        "lows": [carton.first_unit for carton in cartons],
        "highs": [carton.last_unit + 1 for carton in cartons],
        "at": at,
    }
    await contents.lock(tx, brand_id)
    clash = await tx.execute(
        text("""
            SELECT n.sscc FROM unnest(CAST(:ssccs AS text[]), CAST(:lows AS bigint[]), CAST(:highs AS bigint[]))
                AS n(sscc, low, high)
            JOIN logistic_unit l ON l.units && int8range(n.low, n.high) OR l.sscc = n.sscc
            UNION ALL
            SELECT x.sscc FROM unnest(CAST(:lows AS bigint[]), CAST(:highs AS bigint[])) AS n(low, high)
            JOIN carton_exception x ON x.unit_id >= n.low AND x.unit_id < n.high AND x.sscc IS NOT NULL LIMIT 1"""),
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
        InvalidInput: no carton, or more than 100,000; no document number, or too long a one.
        NotFound: an SSCC that the brand never packed.
        Conflict: the document number is taken.
    """
    if not 1 <= len(ssccs) <= CARTONS_PER_SHIPMENT_MAX:
        raise InvalidInput(f"A shipment has 1 to {CARTONS_PER_SHIPMENT_MAX:,} cartons.", field="ssccs")
    refuse(judge_text("document", document, least=1, most=DOCUMENT_CHARS_MAX))
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


def _destinations(rows: Sequence[tuple[Any, ...]]) -> dict[int, Destination]:
    """From rows of units (id, dealer, carton) and of dealers (no id, dealer, name, territory)."""
    known = {dealer_id: (name, frozenset(adcodes)) for unit_id, dealer_id, name, adcodes in rows if unit_id is None}
    return {
        unit_id: Destination(dealer_id, sscc, *known[dealer_id])
        for unit_id, dealer_id, sscc, _ in rows
        if unit_id is not None
    }


# No two cartons' ranges share a unit (`pack`), so that the one which begins last before a unit is the only one that can
# hold it: a step into a plain index, a tenth of what asking all ranges costs. The outer LIMIT tells the planner that a
# unit is in one carton; without it, it expects many and reads whole tables. Dealers come once, with their territories.
_DESTINATIONS: Final = Query(
    """ARRAY(
        WITH went AS MATERIALIZED (
            SELECT u.id, s.dealer_id, l.sscc
            FROM unnest(CAST(:units_gone AS bigint[])) AS u(id)
            LEFT JOIN carton_exception x ON x.unit_id = u.id
            CROSS JOIN LATERAL (
                SELECT c.sscc FROM (
                    SELECT sscc, units FROM logistic_unit WHERE lower(units) <= u.id ORDER BY lower(units) DESC LIMIT 1
                ) c WHERE x.unit_id IS NULL AND c.units @> u.id
                UNION ALL SELECT x.sscc WHERE x.sscc IS NOT NULL LIMIT 1) l
            CROSS JOIN LATERAL (
                SELECT h.dealer_id FROM shipment_line n JOIN shipment h ON h.id = n.shipment_id
                WHERE n.sscc = l.sscc ORDER BY h.shipped_at DESC, h.id DESC LIMIT 1) s
            WHERE s.dealer_id IS NOT NULL)
        SELECT ROW(id, dealer_id, CAST(sscc AS text), CAST(NULL AS integer[])) FROM went
        UNION ALL
        SELECT ROW(
            CAST(NULL AS bigint), d.id, CAST(d.name AS text),
            ARRAY(SELECT t.adcode FROM territory t WHERE t.dealer_id = d.id))
        FROM dealer d WHERE d.id IN (SELECT dealer_id FROM went))""",
    _destinations,
)


def ask_destinations(reads: Reads, unit_ids: Iterable[int]) -> Asked[dict[int, Destination]]:
    """Have it looked up to whom each unit was shipped last, by unit id; unshipped units are missing."""
    return reads.add(_DESTINATIONS, {"units_gone": list(unit_ids)})


async def destinations(tx: Tx, unit_ids: Iterable[int]) -> dict[int, Destination]:
    """The same at once."""
    return await _DESTINATIONS.fetch(tx, {"units_gone": list(unit_ids)})
