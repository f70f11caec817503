"""The pictures of a brand's pages: one above them, one of each product; kept and served by their content."""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

from sqlalchemy import text

from kernel import audit
from kernel.db import Database, Tx
from traceability import brands, catalogue
from traceability.changes import EditedMeanwhile
from traceability.pictures import Picture

KEPT_MAX: Final = 64
"""Pictures that a process keeps in memory, of at most some 300 kB each."""


async def set_header(tx: Tx, *, brand_id: int, picture: Picture | None, version: int, actor: str) -> None:
    """Give a brand's pages a picture above them, or take it away.

    Raises:
        EditedMeanwhile: somebody else changed the brand's settings since.
    """
    await _store(tx, brand_id, picture)
    await brands.set_header(
        tx, brand_id=brand_id, hash_="" if picture is None else picture.hash, version=version, actor=actor
    )
    await _prune(tx, brand_id)


async def set_product(tx: Tx, *, brand_id: int, gtin: str, picture: Picture | None, version: int, actor: str) -> None:
    """Give a product a picture, or take it away.

    Raises:
        NotFound: the brand has no such product.
        EditedMeanwhile: somebody else changed the product since.
    """
    before = await catalogue.product(tx, gtin, brand_id=brand_id, locked=True)
    if before.version != version:
        raise EditedMeanwhile(f"product {gtin}", version=before.version)
    await _store(tx, brand_id, picture)
    name = None if picture is None else picture.hash
    await tx.execute(
        text("UPDATE product SET picture_hash = :hash, version = version + 1 WHERE gtin = :gtin"),
        {"hash": name, "gtin": gtin},
    )
    await audit.record(
        tx, brand_id=brand_id, actor=actor, action="product.picture", subject=gtin,
        before={"picture": before.picture_hash}, after={"picture": name or ""},
    )  # fmt: skip
    await _prune(tx, brand_id)


async def _store(tx: Tx, brand_id: int, picture: Picture | None) -> None:
    if picture is not None:
        await tx.execute(
            text("""
                INSERT INTO picture (brand_id, hash, type, content) VALUES (:brand, :hash, :type, :content)
                ON CONFLICT DO NOTHING"""),
            {"brand": brand_id, "hash": picture.hash, "type": picture.type, "content": picture.content},
        )


async def _prune(tx: Tx, brand_id: int) -> None:
    """Forget what no page shows any more, a day after it came: somebody may be about to use it."""
    await tx.execute(
        text("""
            DELETE FROM picture p WHERE p.brand_id = :brand AND p.at < now() - interval '1 day'
                AND NOT EXISTS (SELECT 1 FROM brand_setting s WHERE s.brand_id = :brand AND s.header_hash = p.hash)
                AND NOT EXISTS (SELECT 1 FROM product d WHERE d.brand_id = :brand AND d.picture_hash = p.hash)"""),
        {"brand": brand_id},
    )


class Gallery:
    """Pictures by brand and content as a web process holds them; what a name stands for never changes."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._kept: OrderedDict[tuple[int, str], Picture] = OrderedDict()

    async def of(self, brand_id: int, content_hash: str) -> Picture | None:
        """A brand's picture of this content; None where there is none."""
        key = brand_id, content_hash
        found = self._kept.get(key)
        if found is None:
            async with self._db.transaction() as tx:
                row = await tx.execute(
                    text("SELECT content, type, hash FROM picture WHERE brand_id = :brand AND hash = :hash"),
                    {"brand": brand_id, "hash": content_hash},
                )
                read = row.one_or_none()
            if read is None:
                return None
            found = Picture(bytes(read[0]), read[1], read[2])
            self._kept[key] = found
            while len(self._kept) > KEPT_MAX:
                self._kept.popitem(last=False)
        self._kept.move_to_end(key)
        return found
