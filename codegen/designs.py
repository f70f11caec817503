"""Documents that a brand keeps by name: layouts of data files and templates of labels.

A change names the version that the person saw; a stale one is refused. Every change stands in the audit trail.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar, Final

from sqlalchemy import text

from kernel import audit
from kernel.db import Tx
from kernel.errors import Conflict, InvalidInput, NotFound

LAYOUT: Final = "layout"
TEMPLATE: Final = "template"
PER_BRAND_MAX: Final = 200


class Stale(Conflict):
    """Somebody saved a change between this one's reading and its saving; nothing was overwritten."""

    code: ClassVar[str] = "edited_meanwhile"


@dataclass(frozen=True, slots=True)
class Design:
    """A stored document; `version` counts its changes from 1."""

    name: str
    version: int
    document: dict[str, Any]
    changed_at: datetime


async def list_of(tx: Tx, brand_id: int, kind: str) -> list[Design]:
    """A brand's documents of a kind, by name."""
    rows = await tx.execute(
        text("SELECT name, version, document, changed_at FROM design WHERE brand_id = :brand AND kind = :kind "
             "ORDER BY name"),
        {"brand": brand_id, "kind": kind},
    )  # fmt: skip
    return [Design(*row) for row in rows]


async def find(tx: Tx, brand_id: int, kind: str, name: str) -> Design | None:
    """A document by its name; None where the brand has none of that name."""
    row = await tx.execute(
        text("SELECT name, version, document, changed_at FROM design "
             "WHERE brand_id = :brand AND kind = :kind AND name = :name"),
        {"brand": brand_id, "kind": kind, "name": name},
    )  # fmt: skip
    found = row.one_or_none()
    return None if found is None else Design(*found)


async def save(
    tx: Tx, *, brand_id: int, kind: str, name: str, document: Mapping[str, Any], version: int | None, actor: str
) -> int:
    """Keep a document under a name.

    Args:
        tx: the transaction.
        brand_id: whose.
        kind: `LAYOUT` or `TEMPLATE`.
        name: judged by the caller, like the document.
        document: what `parse` of its kind has read.
        version: the one that the person changed; 0 for a new document, None to replace whatever is there.
        actor: who.

    Returns:
        Its version now.

    Raises:
        Stale: somebody else saved meanwhile, or a new document's name is taken.
        InvalidInput: the brand has `PER_BRAND_MAX` already.
    """
    # one writer at a time and brand, so that the count holds and a new name is found
    await tx.execute(text("SELECT 1 FROM brand WHERE id = :brand FOR NO KEY UPDATE"), {"brand": brand_id})
    before = await find(tx, brand_id, kind, name)
    if version is not None and version != (0 if before is None else before.version):
        raise Stale(
            f"Somebody else changed {kind} {name} after you opened it; look at it again, then decide."
            if version
            else f"There is a {kind} {name} already."
        )
    if before is not None and before.document == document:
        return before.version
    if before is None:
        count = (await tx.execute(
            text("SELECT count(*) FROM design WHERE brand_id = :brand AND kind = :kind"),
            {"brand": brand_id, "kind": kind},
        )).scalar_one()  # fmt: skip
        if count >= PER_BRAND_MAX:
            raise InvalidInput(f"A brand keeps at most {PER_BRAND_MAX} {kind}s: remove one first.", field="name")
    row = await tx.execute(
        text("""
            INSERT INTO design (brand_id, kind, name, version, document)
            VALUES (:brand, :kind, :name, 1, CAST(:document AS jsonb))
            ON CONFLICT (brand_id, kind, name) DO UPDATE
            SET version = design.version + 1, document = excluded.document, changed_at = now()
            RETURNING version"""),
        {"brand": brand_id, "kind": kind, "name": name, "document": json.dumps(document, ensure_ascii=False)},
    )
    await audit.record(
        tx, brand_id=brand_id, actor=actor, action=f"{kind}.save", subject=f"{kind} {name}",
        before=None if before is None else before.document, after=dict(document),
    )  # fmt: skip
    return int(row.scalar_one())


async def remove(tx: Tx, *, brand_id: int, kind: str, name: str, actor: str) -> None:
    """Forget a document; what was printed with it is as it is.

    Raises:
        NotFound: the brand has none of that name.
    """
    row = await tx.execute(
        text("DELETE FROM design WHERE brand_id = :brand AND kind = :kind AND name = :name RETURNING document"),
        {"brand": brand_id, "kind": kind, "name": name},
    )
    document = row.scalar_one_or_none()
    if document is None:
        raise NotFound(f"The brand has no {kind} {name[:60]!r} of its own.")
    await audit.record(
        tx, brand_id=brand_id, actor=actor, action=f"{kind}.remove", subject=f"{kind} {name}", before=document,
        after=None,
    )  # fmt: skip
