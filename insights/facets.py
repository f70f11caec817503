"""Facets: what scans can be filtered by, interned: brand, product, batch, dealer, outcome, source, three marks.

There are far fewer facets than scans, so a filter is judged once a facet and not once a scan.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import text

from insights.feed import COPIED, FIRST, OUTCOMES, OUTSIDE, SOURCE_SHIFT, SOURCES, Rows
from kernel.db import Tx

Ids = NDArray[np.int32]

_COLUMNS: Final = """
    unnest(CAST(:gtins AS text[]), CAST(:batches AS bigint[]), CAST(:dealers AS bigint[]), CAST(:outcomes AS text[]),
        CAST(:sources AS text[]), CAST(:firsts AS boolean[]), CAST(:copies AS boolean[]), CAST(:outsides AS boolean[]))
        WITH ORDINALITY AS n(gtin, batch_id, dealer_id, outcome, location_source, first, copied, outside, place)
"""
_FIND: Final = text(f"""
    SELECT n.place, f.id FROM {_COLUMNS}
    JOIN scan_facet f ON f.brand_id = :brand AND f.gtin = n.gtin AND f.batch_id = n.batch_id
        AND f.dealer_id = n.dealer_id AND f.outcome = n.outcome AND f.location_source = n.location_source
        AND f.first = n.first AND f.copied = n.copied AND f.outside = n.outside
""")  # noqa: S608 (constant above)
_ADD: Final = text(f"""
    INSERT INTO scan_facet (brand_id, gtin, batch_id, dealer_id, outcome, location_source, first, copied, outside)
    SELECT :brand, n.gtin, n.batch_id, n.dealer_id, n.outcome, n.location_source, n.first, n.copied, n.outside
    FROM {_COLUMNS} ORDER BY n.place
""")  # noqa: S608 (constant above)


Known = dict[tuple[int, int, int, int, int], int]
"""Ids of facets met before: by brand, product, batch, dealer and flags. Good as long as what met them commits."""


async def intern(tx: Tx, brand_id: int, rows: Rows, known: Known) -> Ids:
    """The facet id of each row of a brand; new facets are written. The caller holds the rollups' lock."""
    distinct, inverse = _distinct((rows.gtins, rows.batches, rows.dealers, rows.flags))
    keys = [(brand_id, *each) for each in zip(*(column.tolist() for column in distinct), strict=True)]
    unmet = [key for key in keys if key not in known]
    if unmet:
        await _find(tx, brand_id, unmet, known)
        new = [key for key in unmet if key not in known]
        if new:
            await tx.execute(_ADD, _values(brand_id, new))
            await _find(tx, brand_id, new, known)
    ids = np.array([known[key] for key in keys], np.int32)
    return np.asarray(ids[inverse], np.int32)


def _values(brand_id: int, keys: list[tuple[int, int, int, int, int]]) -> dict[str, object]:
    """Facets as the columns of the table."""
    _, gtins, batches, dealers, flags = zip(*keys, strict=True)
    return {
        "brand": brand_id,
        "gtins": ["" if gtin == 0 else f"{gtin:014}" for gtin in gtins],
        "batches": list(batches),
        "dealers": list(dealers),
        "outcomes": [OUTCOMES[(flag & 15) - 1] for flag in flags],
        "sources": [SOURCES[flag >> SOURCE_SHIFT & 3] for flag in flags],
        "firsts": [flag & FIRST > 0 for flag in flags],
        "copies": [flag & COPIED > 0 for flag in flags],
        "outsides": [flag & OUTSIDE > 0 for flag in flags],
    }


async def _find(tx: Tx, brand_id: int, keys: list[tuple[int, int, int, int, int]], known: Known) -> None:
    for place, facet_id in await tx.execute(_FIND, _values(brand_id, keys)):
        known[keys[place - 1]] = facet_id


def _distinct(columns: tuple[NDArray[np.int64], ...]) -> tuple[list[NDArray[np.int64]], NDArray[np.int64]]:
    """The distinct rows of some columns, and for each row its place among them."""
    codes = np.zeros(len(columns[0]), np.int64)
    for column in columns:
        values = np.unique(column)
        codes = codes * len(values) + np.searchsorted(values, column)
        # ranked again after each column, so that the code cannot grow beyond rows × values
        codes = np.searchsorted(np.unique(codes), codes).astype(np.int64)
    first = np.empty(int(codes.max()) + 1, np.int64)
    first[codes] = np.arange(len(codes))
    return [column[first] for column in columns], codes


@dataclass(slots=True)
class FacetTable:
    """A brand's facets in memory, in the order of their ids; grows as new ones are read."""

    brand_id: int
    ids: Ids = field(default_factory=lambda: np.empty(0, np.int32))
    gtins: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))
    batches: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))
    dealers: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))
    flags: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))

    @property
    def last_id(self) -> int:
        """The newest facet that is known here."""
        return int(self.ids[-1]) if len(self.ids) else 0

    def places(self, ids: NDArray[np.int32]) -> NDArray[np.int64]:
        """Where facets stand in the columns."""
        return np.searchsorted(self.ids, ids)


async def read_new(tx: Tx, table: FacetTable) -> FacetTable:
    """The table with the facets that were interned since; ids are given in the order of commits."""
    row = (
        await tx.execute(
            text("""
                SELECT array_agg(id), array_agg(CASE gtin WHEN '' THEN 0 ELSE gtin::bigint END), array_agg(batch_id),
                    array_agg(dealer_id), array_agg(array_position(CAST(:outcomes AS text[]), outcome::text)
                        + (array_position(CAST(:sources AS text[]), location_source::text) - 1 << :shift)
                        + first::integer * :first + copied::integer * :copied + outside::integer * :outside)
                FROM (SELECT * FROM scan_facet WHERE brand_id = :brand AND id > :last ORDER BY id) AS f"""),
            {
                "brand": table.brand_id, "last": table.last_id, "outcomes": list(OUTCOMES), "sources": list(SOURCES),
                "shift": SOURCE_SHIFT, "first": FIRST, "copied": COPIED, "outside": OUTSIDE,
            },
        )
    ).one()  # fmt: skip
    if row[0] is None:
        return table
    return FacetTable(
        table.brand_id,
        np.append(table.ids, np.array(row[0], np.int32)),
        np.append(table.gtins, np.array(row[1], np.int64)),
        np.append(table.batches, np.array(row[2], np.int64)),
        np.append(table.dealers, np.array(row[3], np.int64)),
        np.append(table.flags, np.array(row[4], np.int64)),
    )
