"""Brands and their products. The brand is the tenant: everything belongs to one."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from sqlalchemy import text

from codegen import gs1
from kernel import audit
from kernel.db import Tx
from kernel.errors import Conflict, InvalidInput, NotFound
from traceability.changes import EditedMeanwhile, Problem, judge_text, refuse
from traceability.legal_classes import CLASSES, REWARDS, adults_only, pays

NAME_CHARS_MAX = 80
UNITS_PER_CASE_MAX = 10_000
_COLUMNS = "gtin, brand_id, name, name_en, units_per_case, version, legal_class, rewards, picture_hash"
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
    """A trade item by its GTIN (14 digits); for its class and rewards see `traceability.legal_classes`."""

    gtin: str
    brand_id: int
    name: str
    name_en: str
    units_per_case: int
    version: int = 1
    legal_class: str = "none"
    rewards: str = "default"
    picture_hash: str | None = None


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


def judge_product(
    *, name: str, name_en: str, units_per_case: int, legal_class: str = "none", rewards: str = "default"
) -> list[Problem]:
    """Everything that is wrong with a product's fields. Pure."""
    found = judge_text("name", name, least=1, most=NAME_CHARS_MAX)
    found += judge_text("name_en", name_en, least=1, most=NAME_CHARS_MAX)
    if not 1 <= units_per_case <= UNITS_PER_CASE_MAX:
        sentence = f"A carton holds 1 to {UNITS_PER_CASE_MAX:,} units."
        found.append(Problem("units_per_case", "case", sentence, {"most": f"{UNITS_PER_CASE_MAX:,}"}))
    if legal_class not in CLASSES:
        found.append(Problem("legal_class", "choice", f"legal_class is one of {', '.join(CLASSES)}."))
    elif rewards not in REWARDS:
        found.append(Problem("rewards", "choice", f"rewards is one of {', '.join(REWARDS)}."))
    elif rewards == "on" and CLASSES[legal_class].rewards == "never":
        sentence = f"Rewards cannot be switched on for the class {legal_class}."
        found.append(Problem("rewards", "rewards_never", sentence))
    return found


def _judge_gtin(gtin: str) -> tuple[str, list[Problem]]:
    """The GTIN with 14 digits; or what is wrong with it, the right check digit included."""
    try:
        return gs1.parse_gtin(gtin), []
    except InvalidInput as error:
        key = gtin.strip()
        if gs1.is_digits(key) and len(key) in gs1.GTIN_LENGTHS and not gs1.has_check_digit(key):
            values = {"digit": key[-1], "right": gs1.check_digit(key[:-1])}
            return gtin, [Problem("gtin", "gtin_check", error.message, values)]
        return gtin, [Problem("gtin", "gtin", error.message)]


async def create_product(
    tx: Tx,
    *,
    brand_id: int,
    gtin: str,
    name: str,
    name_en: str,
    units_per_case: int,
    actor: str,
    legal_class: str = "none",
    rewards: str = "default",
) -> Product:
    """Create a product.

    Raises:
        InvalidInput: a GTIN with a wrong check digit, a name or case size outside its limits; the detail
            `problems` names all of them.
        Conflict: the GTIN is taken (by this brand or another).
    """
    gtin, problems = _judge_gtin(gtin)
    law = {"legal_class": legal_class, "rewards": rewards}
    refuse([*problems, *judge_product(name=name, name_en=name_en, units_per_case=units_per_case, **law)])
    row = await tx.execute(
        text("""
            INSERT INTO product (gtin, brand_id, name, name_en, units_per_case, legal_class, rewards)
            VALUES (:gtin, :brand, :name, :name_en, :units, :legal_class, :rewards)
            ON CONFLICT DO NOTHING RETURNING gtin"""),
        {"gtin": gtin, "brand": brand_id, "name": name, "name_en": name_en, "units": units_per_case, **law},
    )
    if row.scalar_one_or_none() is None:
        sentence = f"There is a product with GTIN {gtin} already."
        raise Conflict(sentence, field="gtin", problems=(Problem("gtin", "gtin_taken", sentence, {"gtin": gtin}),))
    after = {"name": name, "name_en": name_en, "units_per_case": units_per_case, **law}
    await audit.record(tx, brand_id=brand_id, actor=actor, action="product.create", subject=gtin, after=after)
    return Product(gtin, brand_id, name, name_en, units_per_case, legal_class=legal_class, rewards=rewards)


async def update_product(
    tx: Tx,
    *,
    brand_id: int,
    gtin: str,
    name: str,
    name_en: str,
    units_per_case: int,
    version: int,
    actor: str,
    legal_class: str | None = None,
    rewards: str | None = None,
) -> Product:
    """Change a product; its GTIN is printed and never changes.

    Args:
        tx: the transaction.
        brand_id: whose.
        gtin: which.
        name: Chinese.
        name_en: English.
        units_per_case: units in a carton.
        version: of the product that the person saw.
        actor: who.
        legal_class: for which law restricts rewards; None leaves it.
        rewards: what the brand chooses for them; None leaves it.

    Raises:
        InvalidInput: a field is wrong; the detail `problems` names all of them.
        NotFound: the brand has no such product.
        EditedMeanwhile: somebody else saved a change since.
    """
    before = await product(tx, gtin, brand_id=brand_id, locked=True)
    law = {
        "legal_class": before.legal_class if legal_class is None else legal_class,
        "rewards": before.rewards if rewards is None else rewards,
    }
    refuse(judge_product(name=name, name_en=name_en, units_per_case=units_per_case, **law))
    if before.version != version:
        raise EditedMeanwhile(f"product {gtin}", version=before.version)
    after = replace(
        before, name=name, name_en=name_en, units_per_case=units_per_case, version=before.version + 1,
        legal_class=law["legal_class"], rewards=law["rewards"],
    )  # fmt: skip
    changed = [
        each for each in ("name", "name_en", "units_per_case", *law) if getattr(before, each) != getattr(after, each)
    ]
    if not changed:
        return before
    await tx.execute(
        text("""
            UPDATE product SET name = :name, name_en = :name_en, units_per_case = :units, version = :version,
                legal_class = :legal_class, rewards = :rewards
            WHERE gtin = :gtin"""),
        {"name": name, "name_en": name_en, "units": units_per_case, "version": after.version, "gtin": gtin, **law},
    )
    await audit.record(
        tx,
        brand_id=brand_id,
        actor=actor,
        action="product.update",
        subject=gtin,
        before={each: getattr(before, each) for each in changed},
        after={each: getattr(after, each) for each in changed},
    )
    return after


async def list_products(tx: Tx, *, brand_id: int) -> list[Product]:
    """The brand's products by GTIN."""
    query = text(f"SELECT {_COLUMNS} FROM product WHERE brand_id = :brand ORDER BY gtin")  # noqa: S608 (a constant)
    return [Product(*row) for row in await tx.execute(query, {"brand": brand_id})]


async def search_products(tx: Tx, *, brand_id: int, words: str, after: str, limit: int) -> list[Product]:
    """Some of the brand's products by GTIN.

    Args:
        tx: the transaction.
        brand_id: whose.
        words: part of a name or of the GTIN; empty for all.
        after: the GTIN after which to go on; empty for the first page.
        limit: at most so many.
    """
    query = text(f"""
        SELECT {_COLUMNS} FROM product
        WHERE brand_id = :brand AND gtin > :after
            AND (:words = '' OR strpos(lower(name || ' ' || name_en || ' ' || gtin), lower(:words)) > 0)
        ORDER BY gtin LIMIT :limit""")  # noqa: S608 (a constant)
    rows = await tx.execute(query, {"brand": brand_id, "words": words, "after": after, "limit": limit})
    return [Product(*row) for row in rows]


async def product(tx: Tx, gtin: str, *, brand_id: int, locked: bool = False) -> Product:
    """A product of a brand by its GTIN (14 digits); `locked` keeps others from changing it meanwhile.

    Raises:
        NotFound: the brand has none.
    """
    row = None
    if gs1.is_digits(gtin):
        query = text(f"""
            SELECT {_COLUMNS} FROM product WHERE gtin = :gtin AND brand_id = :brand
            {"FOR UPDATE" if locked else ""}""")  # noqa: S608 (a constant)
        row = (await tx.execute(query, {"gtin": gtin, "brand": brand_id})).one_or_none()
    if row is None:
        raise NotFound(f"The brand has no product with GTIN {gtin}; `yima product list` names them.")
    return Product(*row)


@dataclass(frozen=True, slots=True)
class Shown:
    """What a consumer is told of a product and who issued its code."""

    gtin: str
    brand_slug: str
    brand: str
    brand_en: str
    product: str
    product_en: str
    legal_class: str = "none"
    rewards: str = "default"
    picture_hash: str | None = None

    @property
    def pays(self) -> bool:
        """Whether its units have a reward at all."""
        return pays(self.legal_class, self.rewards)

    @property
    def adults_only(self) -> bool:
        """Whether a claim asks for age first."""
        return self.pays and adults_only(self.legal_class)


async def shown(tx: Tx, gtins: list[str]) -> dict[str, Shown]:
    """Names of products and their brands, by GTIN, in one statement."""
    rows = await tx.execute(
        text("""
            SELECT p.gtin, b.slug, b.name, b.name_en, p.name, p.name_en, p.legal_class, p.rewards,
                p.picture_hash
            FROM product p JOIN brand b ON b.id = p.brand_id
            WHERE p.gtin = ANY(CAST(:gtins AS text[]))"""),
        {"gtins": gtins},
    )
    return {row[0]: Shown(*row) for row in rows}
