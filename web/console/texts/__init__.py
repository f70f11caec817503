"""The console's words, Chinese and English side by side, a module for each page."""

from __future__ import annotations

from typing import Any, Final

from web.console.texts import (
    account,
    alarms,
    appeals,
    batches,
    blocks,
    brand,
    cartons,
    dealers,
    designs,
    draws,
    frame,
    heatmap,
    imports,
    keys,
    line,
    members,
    notices,
    ordering,
    overview,
    people,
    product_links,
    products,
    readback,
    recipients,
    reports,
    scans,
    stations,
    trail,
    wechat,
)
from web.texts import TEXTS as SHARED
from web.texts import Language

_PAGES = (
    account, alarms, appeals, batches, blocks, brand, cartons, dealers, designs, draws, frame, heatmap, imports, keys,
    line, members, notices, ordering, overview, people, product_links, products, readback, recipients, reports, scans,
    stations, trail, wechat,
)  # fmt: skip

TEXTS: Final[dict[str, tuple[str, str]]] = {}
for _page in _PAGES:
    _twice = TEXTS.keys() & _page.TEXTS.keys()
    assert not _twice, f"texts declared twice: {_twice}"
    TEXTS.update(_page.TEXTS)


def say(key: str, language: Language, **values: Any) -> str:  # noqa: ANN401 (what a text's gaps take)
    """The text of a key, its gaps filled; the consumer pages' own words serve here too.

    Raises:
        KeyError: there is no such text, or a gap is not filled.
    """
    chinese, english = TEXTS[key] if key in TEXTS else SHARED[key]
    return (chinese if language == "zh" else english).format(**values)
