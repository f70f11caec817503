"""A brand's label templates: the house's and its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from codegen import designs, labels
from codegen.labels import LabelTemplate
from codegen.stationery import BUILT_IN
from kernel.db import Tx
from kernel.errors import InvalidInput, NotFound


async def find(tx: Tx, brand_id: int, name: str) -> LabelTemplate:
    """A template by its name: one of the house, or the brand's own.

    Raises:
        NotFound: there is none.
    """
    if name in BUILT_IN:
        return BUILT_IN[name]
    own = await designs.find(tx, brand_id, designs.TEMPLATE, name) if name.isprintable() else None
    if own is None:
        raise NotFound(f"There is no label template {name[:60]!r}; `yima labels templates list` names them.")
    return labels.parse(own.name, own.document)


async def list_of(tx: Tx, brand_id: int) -> list[LabelTemplate]:
    """All templates that the brand may use: the house's, then its own."""
    own = await designs.list_of(tx, brand_id, designs.TEMPLATE)
    return [*BUILT_IN.values(), *(labels.parse(each.name, each.document) for each in own)]


async def save(
    tx: Tx, *, brand_id: int, name: str, document: Mapping[str, Any], version: int | None, actor: str
) -> LabelTemplate:
    """Keep a template of the brand's own; `version` as in `designs.save`.

    Raises:
        InvalidInput: the document or the name is outside its limits, or the name is one of the house's.
        Stale: somebody else saved meanwhile.
    """
    template = labels.parse(name, document)
    if name in BUILT_IN:
        raise InvalidInput(f"{name} is a template of the house: copy it under another name.", field="name")
    await designs.save(
        tx, brand_id=brand_id, kind=designs.TEMPLATE, name=name, document=labels.document_of(template),
        version=version, actor=actor,
    )  # fmt: skip
    return template


async def remove(tx: Tx, *, brand_id: int, name: str, actor: str) -> None:
    """Forget a template of the brand's own.

    Raises:
        NotFound: it has none of that name; the house's stay.
    """
    await designs.remove(tx, brand_id=brand_id, kind=designs.TEMPLATE, name=name, actor=actor)
