"""`yima labels templates`: what labels show, and how they lie on their paper."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from codegen import labels, logos, previews, samples, templates
from codegen.outfiles import replacing
from codegen.stationery import BUILT_IN
from kernel.db import Tx
from traceability import brands
from yima.cli.common import actor, json_option, run, say
from yima.cli.layouts import brand_option, file_option, name_option, read_document, within


@click.group("templates")
def label_templates() -> None:
    """What labels show: the house's templates and the brand's own."""


@label_templates.command("list")
@brand_option
@json_option
def list_templates(*, slug: str, as_json: bool) -> None:
    """The templates that a brand may use."""

    async def use(tx: Tx, brand_id: int) -> list[dict[str, Any]]:
        return [
            {"name": each.name, "own": each.name not in BUILT_IN, "page_mm": each.page_mm, "label_mm": each.label_mm,
             "labels": each.labels, "codes": each.codes, "note": each.note}
            for each in await templates.list_of(tx, brand_id)
        ]  # fmt: skip

    rows = run(lambda runtime: within(runtime, slug, use))
    text = "\n".join(
        f"{'*' if row['own'] else ' '} {row['name']:18} {'{:g} x {:g} mm'.format(*row['label_mm']):18} {row['note']}"
        for row in rows
    )
    say(rows, as_json=as_json, text=f"{text}\n* the brand's own")


@label_templates.command("show")
@brand_option
@name_option
@json_option
def show_template(*, slug: str, name: str, as_json: bool) -> None:
    """A template's document, to be changed and saved under a name of your own."""

    async def use(tx: Tx, brand_id: int) -> dict[str, Any]:
        return labels.document_of(await templates.find(tx, brand_id, name))

    say(run(lambda runtime: within(runtime, slug, use)), as_json=as_json)


@label_templates.command("save")
@brand_option
@name_option
@file_option
@json_option
def save_template(*, slug: str, name: str, path: Path, as_json: bool) -> None:
    """Keep a template of the brand's own; one of this name is replaced."""
    document = read_document(path)

    async def use(tx: Tx, brand_id: int) -> dict[str, Any]:
        made = await templates.save(tx, brand_id=brand_id, name=name, document=document, version=None, actor=actor())
        return {"name": made.name, "labels": made.labels}

    say(run(lambda runtime: within(runtime, slug, use)), as_json=as_json, text=f"Kept template {name}.")


@label_templates.command("remove")
@brand_option
@name_option
@json_option
def remove_template(*, slug: str, name: str, as_json: bool) -> None:
    """Forget a template of the brand's own."""

    async def use(tx: Tx, brand_id: int) -> dict[str, Any]:
        await templates.remove(tx, brand_id=brand_id, name=name, actor=actor())
        return {"name": name}

    say(run(lambda runtime: within(runtime, slug, use)), as_json=as_json, text=f"Removed template {name}.")


@label_templates.command("preview")
@brand_option
@name_option
@click.option("--out", type=click.Path(path_type=Path), required=True, help="A PNG file.")
@click.option("--sheet", is_flag=True, help="A full page instead of one label.")
@click.option("--product", default=previews.FACTS["product"], show_default=True, help="The product's name.")
@json_option
def preview_template(*, slug: str, name: str, out: Path, sheet: bool, product: str, as_json: bool) -> None:
    """A picture of a label or a sheet, with made-up codes that nobody issued."""

    async def use(tx: Tx, brand_id: int) -> dict[str, Any]:
        template = await templates.find(tx, brand_id, name)
        kept = await brands.logo(tx, brand_id)
        logo = None if kept is None else logos.read(kept.content)
        draw = previews.sheet_png if sheet else previews.label_png
        picture = draw(template, prefix=samples.PREFIX, facts={**previews.FACTS, "product": product}, logo=logo)
        with replacing(out.absolute()) as file:
            file.write(picture)
        return {"name": name, "file": str(out), "bytes": len(picture)}

    say(run(lambda runtime: within(runtime, slug, use)), as_json=as_json, text=f"Drew {out}.")
