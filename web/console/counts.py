"""Scans of products, batches and dealers, as lists show them: whatever was recorded, from the rollups."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Any, Final

from insights.filters import Filter, Layer
from insights.views import Views
from kernel.clock import now

REACH: Final = timedelta(days=3_640)
"""As far back as a view reaches: a little less than ten years."""
_DAY_S: Final = 86_400


async def scans(views: Views, brand_id: int, *, layer: Layer = "scans", **which: Any) -> int:  # noqa: ANN401 (Filter's fields)
    """How many scans there are of what a filter's further fields name."""
    until = now() + timedelta(hours=1)
    asked = Filter(brand_id=brand_id, since=until - REACH, until=until, layer=layer, **which)
    return int((await views.series(asked, _DAY_S)).counts.sum())


async def by_gtin(views: Views, brand_id: int, gtins: Iterable[str]) -> dict[str, int]:
    """Scans of each product."""
    return {gtin: await scans(views, brand_id, gtins=frozenset({gtin})) for gtin in gtins}
