"""What scans ask for again and again and what changes seldom, as this process knows it."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Final

from kernel.db import Tx
from members import ledger
from traceability import catalogue
from traceability.catalogue import Shown

SHOWN_KEPT_S: Final = 2.0
"""How long the names of a product and its brand may be older than what the console shows."""
PRODUCTS_MAX: Final = 10_000


class Shelf:
    """Names of products and brands for two seconds, and the brands' own accounts, which never change.

    Args:
        clock: seconds that never go back.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._shown: dict[str, tuple[Shown, float]] = {}
        self._issuers: dict[tuple[int, str], int] = {}
        self._brands: set[int] = set()

    async def shown(self, tx: Tx, gtins: Sequence[str]) -> dict[str, Shown]:
        """Names by GTIN; one statement where any of them is not known or too old, else none."""
        now = self._clock()
        found: dict[str, Shown] = {}
        for gtin in gtins:
            known = self._shown.get(gtin)
            if known is not None and now - known[1] < SHOWN_KEPT_S:
                found[gtin] = known[0]
        missing = [gtin for gtin in gtins if gtin not in found]
        if missing:
            read = await catalogue.shown(tx, missing)
            if len(self._shown) + len(read) > PRODUCTS_MAX:
                self._shown.clear()
            self._shown.update({gtin: (shown, now) for gtin, shown in read.items()})
            found.update(read)
        return found

    async def issuers(self, tx: Tx, brand_ids: Sequence[int]) -> dict[tuple[int, str], int]:
        """The brands' own accounts by (brand id, currency); one statement where a brand is new to us, else none."""
        if not self._brands.issuperset(brand_ids):
            found = await ledger.issuers(tx, brand_ids)
            self._issuers.update(found)
            self._brands.update(brand_id for brand_id, _ in found)
        return self._issuers
