"""`yima product links`: where the GS1 resolver sends people who ask for a product."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, replace
from typing import Any, TypeVar
from urllib.parse import urlsplit

import click

from kernel.errors import InvalidInput
from traceability import catalogue, product_links
from traceability.link_types import TITLES, name_of
from traceability.product_links import ProductLink, Terms
from yima.cli.common import actor, json_option, run, say
from yima.runtime import Runtime

Command = TypeVar("Command", bound=Callable[..., Any])


def _of_product(command: Command) -> Command:
    command = click.option("--gtin", required=True, help="The product.")(command)
    return click.option("--brand", "slug", required=True, help="The brand's slug.")(command)


def _of_terms(command: Command) -> Command:
    """The terms that are not given stay as they are, or empty."""
    for option in reversed(
        (
            click.option("--title", help="Chinese title; by default the type's."),
            click.option("--title-en", help="English title; by default the type's."),
            click.option("--hreflang", help="Language of the content: zh, en-GB."),
            click.option("--media-type", help="Format of the content: text/html."),
            click.option("--context", help="For whom or where: a country's code."),
            click.option("--default", "is_default", is_flag=True, default=None, help="Make it the default link."),
            click.option("--active/--inactive", default=None, help="Whether it is in use."),
        )
    ):
        command = option(command)
    return command


@click.group()
def links() -> None:
    """Links of a product, for the GS1 resolver."""


@links.command("list")
@_of_product
@json_option
def list_links(*, slug: str, gtin: str, as_json: bool) -> None:
    """The product's links, the default first."""

    async def use(runtime: Runtime) -> list[ProductLink]:
        async with runtime.db.transaction() as tx:
            owner = await catalogue.brand(tx, slug)
            return await product_links.all_of(tx, brand_id=owner.id, gtin=_gtin(gtin))

    rows = [_row(each) for each in run(use)]
    text = "\n".join(f"{row['id']:>6}  {_marks(row)}  {row['type']:20} {row['href']}" for row in rows)
    say(rows, as_json=as_json, text=text or "No link yet: `yima product links add`.")


@links.command("add")
@_of_product
@click.option("--type", "link_type", default="gs1:pip", show_default=True, help="Link type of GS1.")
@click.option("--href", required=True, help="Where it leads.")
@_of_terms
@json_option
def add_link(*, slug: str, gtin: str, link_type: str, href: str, as_json: bool, **given: Any) -> None:  # noqa: ANN401 (options)
    """Give the product a link; its first one becomes the default."""
    name = _type(link_type)
    titles = TITLES.get(name, ("", ""))
    terms = _with(Terms(name, href, *titles), given)

    async def use(runtime: Runtime) -> ProductLink:
        async with runtime.db.transaction() as tx:
            owner = await catalogue.brand(tx, slug)
            return await product_links.add(
                tx, terms, brand_id=owner.id, gtin=_gtin(gtin), own_hosts=_hosts(runtime), actor=actor()
            )

    made = run(use)
    say(_row(made), as_json=as_json, text=f"Added link {made.id}.")


@links.command("change")
@_of_product
@click.option("--link", "link_id", type=click.IntRange(1, 2**62), required=True, help="Its number in the list.")
@click.option("--type", "link_type", help="Link type of GS1.")
@click.option("--href", help="Where it leads.")
@_of_terms
@json_option
def change_link(*, slug: str, gtin: str, link_id: int, link_type: str | None, as_json: bool, **given: Any) -> None:  # noqa: ANN401 (options)
    """Change what is said of a link; what is not given stays."""
    if link_type is not None:
        given["type"] = _type(link_type)

    async def use(runtime: Runtime) -> ProductLink:
        async with runtime.db.transaction() as tx:
            owner = await catalogue.brand(tx, slug)
            before = await product_links.one(tx, link_id, brand_id=owner.id, gtin=_gtin(gtin))
            return await product_links.change(
                tx, link_id, _with(before.terms, given), brand_id=owner.id, gtin=_gtin(gtin),
                version=before.version, own_hosts=_hosts(runtime), actor=actor(),
            )  # fmt: skip

    changed = run(use)
    say(_row(changed), as_json=as_json, text=f"Changed link {changed.id}.")


@links.command("remove")
@_of_product
@click.option("--link", "link_id", type=click.IntRange(1, 2**62), required=True, help="Its number in the list.")
@json_option
def remove_link(*, slug: str, gtin: str, link_id: int, as_json: bool) -> None:
    """Take a link away."""

    async def use(runtime: Runtime) -> None:
        async with runtime.db.transaction() as tx:
            owner = await catalogue.brand(tx, slug)
            await product_links.remove(tx, link_id, brand_id=owner.id, gtin=_gtin(gtin), actor=actor())

    run(use)
    say({"id": link_id, "removed": True}, as_json=as_json, text=f"Removed link {link_id}.")


def _with(terms: Terms, given: dict[str, Any]) -> Terms:
    return replace(terms, **{name: value for name, value in given.items() if value is not None})


def _gtin(text: str) -> str:
    return text.strip().rjust(14, "0")


def _type(text: str) -> str:
    name = name_of(text) or text
    if name not in TITLES:
        raise InvalidInput(
            f"{text!r} is no link type of GS1 for products; among them are gs1:pip, gs1:faqs, gs1:support."
        )
    return name


def _hosts(runtime: Runtime) -> list[str]:
    return [urlsplit(runtime.settings.public_url).netloc]


def _row(link: ProductLink) -> dict[str, Any]:
    terms = asdict(link.terms)
    return {"id": link.id, "gtin": link.gtin, **terms, "type": f"gs1:{terms['type']}", "version": link.version}


def _marks(row: dict[str, Any]) -> str:
    return "default " if row["is_default"] else "        " if row["active"] else "inactive"
