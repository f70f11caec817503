"""`yima codes layouts`: how the rows of data files look."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from codegen import columns, designs, fields, layouts, samples
from codegen.controllers import BUILT_IN
from kernel.db import Tx
from traceability import catalogue
from yima.cli.common import actor, json_option, run, say
from yima.runtime import Runtime

brand_option = click.option("--brand", "slug", required=True, help="The brand's slug.")
name_option = click.option("--name", required=True, help="Its name: a-z, 0-9 and hyphens.")
file_option = click.option("--file", "path", type=click.Path(path_type=Path), required=True,
                           help="A JSON document; - for standard input.")  # fmt: skip


def read_document(path: Path) -> dict[str, Any]:
    """A document from a file or standard input.

    Raises:
        InvalidInput: it cannot be read, or is none.
    """
    try:
        with click.open_file(str(path), encoding="utf-8") if str(path) != "-" else sys.stdin as file:
            return fields.parse_document(file.read(fields.DOCUMENT_BYTES_MAX + 1))
    except (OSError, UnicodeDecodeError) as error:
        raise fields.unreadable(path, error) from error


@click.group("layouts")
def data_layouts() -> None:
    """How the rows of data files look: the house's layouts and the brand's own."""


@data_layouts.command("list")
@brand_option
@json_option
def list_layouts(*, slug: str, as_json: bool) -> None:
    """The layouts that a brand may use."""

    async def use(tx: Tx, brand_id: int) -> list[dict[str, Any]]:
        own = {each.name: columns.parse(each.name, each.document)
               for each in await designs.list_of(tx, brand_id, designs.LAYOUT)}  # fmt: skip
        return [
            {"name": each.name, "own": each.name in own, "encoding": each.encoding, "extension": each.extension,
             "columns": [column.kind for column in each.columns], "note": each.note}
            for each in (*BUILT_IN.values(), *own.values())
        ]  # fmt: skip

    rows = run(lambda runtime: within(runtime, slug, use))
    text = "\n".join(
        f"{'*' if row['own'] else ' '} {row['name']:16} {row['encoding']:12} {row['note']}" for row in rows
    )
    say(rows, as_json=as_json, text=f"{text}\n* the brand's own")


@data_layouts.command("show")
@brand_option
@name_option
@json_option
def show_layout(*, slug: str, name: str, as_json: bool) -> None:
    """A layout's document, to be changed and saved under a name of your own."""

    async def use(tx: Tx, brand_id: int) -> dict[str, Any]:
        return columns.document_of(await layouts.find(tx, brand_id, name))

    say(run(lambda runtime: within(runtime, slug, use)), as_json=as_json)


@data_layouts.command("save")
@brand_option
@name_option
@file_option
@json_option
def save_layout(*, slug: str, name: str, path: Path, as_json: bool) -> None:
    """Keep a layout of the brand's own; one of this name is replaced."""
    document = read_document(path)

    async def use(tx: Tx, brand_id: int) -> dict[str, Any]:
        made = await layouts.save(tx, brand_id=brand_id, name=name, document=document, version=None, actor=actor())
        return {"name": made.name, "fingerprint": made.fingerprint}

    say(run(lambda runtime: within(runtime, slug, use)), as_json=as_json, text=f"Kept layout {name}.")


@data_layouts.command("remove")
@brand_option
@name_option
@json_option
def remove_layout(*, slug: str, name: str, as_json: bool) -> None:
    """Forget a layout of the brand's own."""

    async def use(tx: Tx, brand_id: int) -> dict[str, Any]:
        await layouts.remove(tx, brand_id=brand_id, name=name, actor=actor())
        return {"name": name}

    say(run(lambda runtime: within(runtime, slug, use)), as_json=as_json, text=f"Removed layout {name}.")


@data_layouts.command("preview")
@brand_option
@name_option
@click.option("--pair", is_flag=True, help="As for a batch of outer and inner codes.")
@click.option("--product", default="陈年花雕酒", show_default=True, help="The product's name.")
@json_option
def preview_layout(*, slug: str, name: str, pair: bool, product: str, as_json: bool) -> None:
    """The first rows of a file in a layout, with made-up codes that nobody issued."""

    async def use(tx: Tx, brand_id: int) -> dict[str, Any]:
        layout = await layouts.find(tx, brand_id, name)
        return {
            "name": name,
            "encoding": layout.encoding,
            "text": samples.first_rows(layout, paired=pair, product=product),
        }

    shown = run(lambda runtime: within(runtime, slug, use))
    say(shown, as_json=as_json, text=shown["text"].rstrip("\r\n"))


async def within(runtime: Runtime, slug: str, use: Any) -> Any:  # noqa: ANN401 (a callable's result)
    """Run one use of a brand in a transaction."""
    async with runtime.db.transaction() as tx:
        owner = await catalogue.brand(tx, slug)
        return await use(tx, owner.id)
