"""`yima brand` and `yima product`."""

from __future__ import annotations

import click

from codegen import gs1
from members import ledger
from traceability import catalogue, legal_classes
from traceability.legal_classes import CLASSES, REWARDS
from yima.cli.common import actor, json_option, run, say
from yima.cli.product_links import links
from yima.runtime import Runtime


@click.group()
def brand() -> None:
    """Brands, the tenants of this installation."""


@brand.command("list")
@json_option
def list_brands(*, as_json: bool) -> None:
    """All brands."""

    async def use(runtime: Runtime) -> list[catalogue.Brand]:
        async with runtime.db.transaction() as tx:
            return await catalogue.list_brands(tx)

    found = run(use)
    rows = [{"slug": each.slug, "name": each.name} for each in found]
    text = "\n".join(f"{row['slug']:20} {row['name']}" for row in rows) or "No brand yet: `yima brand create`."
    say(rows, as_json=as_json, text=text)


@brand.command("create")
@click.option("--slug", required=True, help="Short name in commands and URLs: a-z, 0-9, hyphen.")
@click.option("--name", required=True, help="Chinese name, shown to consumers.")
@click.option("--name-en", required=True, help="English name.")
@click.option("--company-prefix", required=True, help="GS1 Company Prefix, 4 to 12 digits.")
@json_option
def create_brand(*, slug: str, name: str, name_en: str, company_prefix: str, as_json: bool) -> None:
    """Create a brand."""

    async def use(runtime: Runtime) -> catalogue.Brand:
        async with runtime.db.transaction() as tx:
            made = await catalogue.create_brand(
                tx, slug=slug, name=name, name_en=name_en, company_prefix=company_prefix, actor=actor()
            )
            await ledger.open_accounts(tx, brand_id=made.id, member_ids=[None])
            return made

    made = run(use)
    say({"slug": made.slug, "name": made.name}, as_json=as_json, text=f"Created {made.slug} ({made.name}).")


@click.group()
def product() -> None:
    """Products, by GTIN."""


product.add_command(links)


@product.command("list")
@click.option("--brand", "slug", required=True, help="The brand's slug.")
@json_option
def list_products(*, slug: str, as_json: bool) -> None:
    """A brand's products."""

    async def use(runtime: Runtime) -> list[catalogue.Product]:
        async with runtime.db.transaction() as tx:
            owner = await catalogue.brand(tx, slug)
            return await catalogue.list_products(tx, brand_id=owner.id)

    found = run(use)
    rows = [{"gtin": each.gtin, "name": each.name} for each in found]
    text = "\n".join(f"{row['gtin']}  {row['name']}" for row in rows) or "No product yet: `yima product create`."
    say(rows, as_json=as_json, text=text)


@product.command("create")
@click.option("--brand", "slug", required=True, help="The brand's slug.")
@click.option("--gtin", required=True, help="GTIN-8, -12, -13 or -14 with its check digit.")
@click.option("--name", required=True, help="Chinese name, shown to consumers and printed on labels.")
@click.option("--name-en", required=True, help="English name.")
@click.option("--units-per-case", default=24, show_default=True, help="Units in a carton.")
@json_option
def create_product(*, slug: str, gtin: str, name: str, name_en: str, units_per_case: int, as_json: bool) -> None:
    """Create a product."""

    async def use(runtime: Runtime) -> catalogue.Product:
        async with runtime.db.transaction() as tx:
            owner = await catalogue.brand(tx, slug)
            return await catalogue.create_product(
                tx, brand_id=owner.id, gtin=gtin, name=name, name_en=name_en,
                units_per_case=units_per_case, actor=actor(),
            )  # fmt: skip

    made = run(use)
    say({"gtin": made.gtin, "name": made.name}, as_json=as_json, text=f"Created {made.gtin} ({made.name}).")


@product.command("class")
@click.option("--brand", "slug", required=True, help="The brand's slug.")
@click.option("--gtin", required=True, help="The product.")
@click.option("--class", "legal_class", type=click.Choice(list(CLASSES)), help="What law puts it in.")
@click.option("--rewards", type=click.Choice(REWARDS), help="As the class says, or otherwise.")
@json_option
def set_class(*, slug: str, gtin: str, legal_class: str | None, rewards: str | None, as_json: bool) -> None:
    """Show or set the class by law, which decides about rewards and age (have a lawyer look at it)."""

    async def use(runtime: Runtime) -> catalogue.Product:
        async with runtime.db.transaction() as tx:
            owner = await catalogue.brand(tx, slug)
            found = await catalogue.product(tx, gs1.parse_gtin(gtin), brand_id=owner.id)
            return await catalogue.update_product(
                tx, brand_id=owner.id, gtin=found.gtin, name=found.name, name_en=found.name_en,
                units_per_case=found.units_per_case, version=found.version, actor=actor(),
                legal_class=legal_class, rewards=rewards,
            )  # fmt: skip

    found = run(use)
    pays, adults = legal_classes.pays(found.legal_class, found.rewards), legal_classes.adults_only(found.legal_class)
    row = {
        "gtin": found.gtin, "class": found.legal_class, "rewards": found.rewards, "pays": pays,
        "adults_only": pays and adults,
    }  # fmt: skip
    told = "rewards are paid" if pays else "no rewards are paid"
    text = f"{found.gtin}: {found.legal_class}, {told}{', to adults only' if row['adults_only'] else ''}."
    say(row, as_json=as_json, text=text)
