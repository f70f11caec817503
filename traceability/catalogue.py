"""Brands and their products. The brand is the tenant: everything belongs to one."""

from __future__ import annotations

import re
from dataclasses import dataclass

from sqlalchemy import text

from codegen import gs1
from kernel import audit
from kernel.db import Tx
from kernel.errors import Conflict, InvalidInput, NotFound

NAME_CHARS_MAX = 80
UNITS_PER_CASE_MAX = 10_000
_SLUG = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")


@dataclass(frozen=True, slots=True)
class Brand:
    """A tenant. `company_prefix` is its GS1 Company Prefix, from which SSCCs are made."""

    id: int
    slug: str
    name: str
    name_en: str
    company_prefix: str


@dataclass(frozen=True, slots=True)
class Product:
    """A trade item by its GTIN (14 digits)."""

    gtin: str
    brand_id: int
    name: str
    name_en: str
    units_per_case: int


def _judge_names(name: str, name_en: str) -> None:
    for field, value in (("name", name), ("name_en", name_en)):
        if not 1 <= len(value.strip()) <= NAME_CHARS_MAX:
            raise InvalidInput(f"{field} has 1 to {NAME_CHARS_MAX} characters.", field=field)


async def create_brand(tx: Tx, *, slug: str, name: str, name_en: str, company_prefix: str, actor: str) -> Brand:
    """Create a brand.

    Raises:
        InvalidInput: a slug, name or GS1 Company Prefix of the wrong form.
        Conflict: the slug is taken.
    """
    if not _SLUG.fullmatch(slug):
        raise InvalidInput("A brand's slug is 1 to 40 of a-z, 0-9 and hyphen, not hyphen first.", field="slug")
    if not re.fullmatch(r"[0-9]{4,12}", company_prefix):
        raise InvalidInput("A GS1 Company Prefix has 4 to 12 digits.", field="company_prefix")
    _judge_names(name, name_en)
    row = await tx.execute(
        text("""
            INSERT INTO brand (slug, name, name_en, company_prefix) VALUES (:slug, :name, :name_en, :prefix)
            ON CONFLICT DO NOTHING RETURNING id"""),
        {"slug": slug, "name": name, "name_en": name_en, "prefix": company_prefix},
    )
    brand_id = row.scalar_one_or_none()
    if brand_id is None:
        raise Conflict(f"There is a brand {slug!r} already.")
    await audit.record(tx, brand_id=brand_id, actor=actor, action="brand.create", subject=slug, after={"name": name})
    return Brand(brand_id, slug, name, name_en, company_prefix)


async def brand(tx: Tx, slug: str) -> Brand:
    """A brand by its slug.

    Raises:
        NotFound: there is none.
    """
    found = None
    if _SLUG.fullmatch(slug):  # a NUL, say, is no text of PostgreSQL
        row = await tx.execute(
            text("SELECT id, slug, name, name_en, company_prefix FROM brand WHERE slug = :slug"), {"slug": slug}
        )
        found = row.one_or_none()
    if found is None:
        raise NotFound(f"There is no brand {slug!r}; `yima brand list` names them.")
    return Brand(*found)


async def list_brands(tx: Tx) -> list[Brand]:
    """All brands by slug."""
    rows = await tx.execute(text("SELECT id, slug, name, name_en, company_prefix FROM brand ORDER BY slug"))
    return [Brand(*row) for row in rows]


async def create_product(
    tx: Tx, *, brand_id: int, gtin: str, name: str, name_en: str, units_per_case: int, actor: str
) -> Product:
    """Create a product.

    Raises:
        InvalidInput: a GTIN with a wrong check digit, a name or case size outside its limits.
        Conflict: the GTIN is taken (by this brand or another).
    """
    gtin = gs1.parse_gtin(gtin)
    _judge_names(name, name_en)
    if not 1 <= units_per_case <= UNITS_PER_CASE_MAX:
        raise InvalidInput(f"A carton holds 1 to {UNITS_PER_CASE_MAX:,} units.", field="units_per_case")
    row = await tx.execute(
        text("""
            INSERT INTO product (gtin, brand_id, name, name_en, units_per_case)
            VALUES (:gtin, :brand, :name, :name_en, :units) ON CONFLICT DO NOTHING RETURNING gtin"""),
        {"gtin": gtin, "brand": brand_id, "name": name, "name_en": name_en, "units": units_per_case},
    )
    if row.scalar_one_or_none() is None:
        raise Conflict(f"There is a product with GTIN {gtin} already.")
    await audit.record(tx, brand_id=brand_id, actor=actor, action="product.create", subject=gtin, after={"name": name})
    return Product(gtin, brand_id, name, name_en, units_per_case)


async def list_products(tx: Tx, *, brand_id: int) -> list[Product]:
    """The brand's products by GTIN."""
    rows = await tx.execute(
        text("""
            SELECT gtin, brand_id, name, name_en, units_per_case FROM product
            WHERE brand_id = :brand ORDER BY gtin"""),
        {"brand": brand_id},
    )
    return [Product(*row) for row in rows]


async def product(tx: Tx, gtin: str, *, brand_id: int) -> Product:
    """A product of a brand by its GTIN (14 digits).

    Raises:
        NotFound: the brand has none.
    """
    found = next((each for each in await list_products(tx, brand_id=brand_id) if each.gtin == gtin), None)
    if found is None:
        raise NotFound(f"The brand has no product with GTIN {gtin}; `yima product list` names them.")
    return found


@dataclass(frozen=True, slots=True)
class Shown:
    """What a consumer is told of a product and who issued its code."""

    gtin: str
    brand_slug: str
    brand: str
    brand_en: str
    product: str
    product_en: str


async def shown(tx: Tx, gtins: list[str]) -> dict[str, Shown]:
    """Names of products and their brands, by GTIN, in one statement."""
    rows = await tx.execute(
        text("""
            SELECT p.gtin, b.slug, b.name, b.name_en, p.name, p.name_en FROM product p JOIN brand b ON b.id = p.brand_id
            WHERE p.gtin = ANY(CAST(:gtins AS text[]))"""),
        {"gtins": gtins},
    )
    return {row[0]: Shown(*row) for row in rows}
