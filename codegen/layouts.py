"""A brand's layouts of data files: the house's and its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from codegen import columns, designs
from codegen.columns import DataLayout
from codegen.controllers import BUILT_IN
from kernel.db import Tx
from kernel.errors import InvalidInput, NotFound


async def find(tx: Tx, brand_id: int, name: str) -> DataLayout:
    """A layout by its name: the brand's own, or one of the house.

    Raises:
        NotFound: there is none.
    """
    if name in BUILT_IN:
        return BUILT_IN[name]
    own = await designs.find(tx, brand_id, designs.LAYOUT, name) if name.isprintable() else None
    if own is None:
        raise NotFound(f"There is no layout {name[:60]!r}; `yima codes layouts list` names them.")
    return columns.parse(own.name, own.document)


async def names(tx: Tx, brand_id: int) -> list[str]:
    """The names of all layouts that the brand may use: `plain` first, then the house's, then its own."""
    return [*BUILT_IN, *(each.name for each in await designs.list_of(tx, brand_id, designs.LAYOUT))]


async def save(
    tx: Tx, *, brand_id: int, name: str, document: Mapping[str, Any], version: int | None, actor: str
) -> DataLayout:
    """Keep a layout of the brand's own; `version` as in `designs.save`.

    Raises:
        InvalidInput: the document or the name is outside its limits, or the name is one of the house's.
        Stale: somebody else saved meanwhile.
    """
    layout = columns.parse(name, document)
    if name in BUILT_IN:
        raise InvalidInput(f"{name} is a layout of the house: copy it under another name.", field="name")
    await designs.save(
        tx, brand_id=brand_id, kind=designs.LAYOUT, name=name, document=columns.document_of(layout), version=version,
        actor=actor,
    )  # fmt: skip
    return layout


async def remove(tx: Tx, *, brand_id: int, name: str, actor: str) -> None:
    """Forget a layout of the brand's own.

    Raises:
        NotFound: it has none of that name; the house's stay.
    """
    await designs.remove(tx, brand_id=brand_id, kind=designs.LAYOUT, name=name, actor=actor)
