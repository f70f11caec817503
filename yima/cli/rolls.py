"""`yima codes rolls`: a batch cut into what a printer takes, and the labels of its rolls."""

from __future__ import annotations

import asyncio
from pathlib import Path

import click

from codegen import batches, roll_labels, rolls
from codegen.rolls import Roll
from kernel.errors import NotFound
from traceability import catalogue
from yima.cli.common import actor, json_option, run, say
from yima.cli.switching import batch_option
from yima.runtime import Runtime


@click.group("rolls")
def roll_group() -> None:
    """Rolls (or lanes, or files of n lines) of a batch."""


def _said(found: list[Roll]) -> list[dict[str, object]]:
    return [{"roll": r.number, "first": r.first, "last": r.last, "count": r.count, "name": r.name} for r in found]


def _text(found: list[Roll]) -> str:
    return "\n".join(f"{r.number:>7,}  lines {r.first:>13,} – {r.last:>13,}  {r.count:>13,}" for r in found)


@roll_group.command("cut")
@batch_option
@click.option("--size", type=int, help="Lines of a roll; the last may be shorter.")
@click.option("--rolls", "number", type=int, help="How many rolls, as even as can be.")
@json_option
def cut_rolls(*, name: str, size: int | None, number: int | None, as_json: bool) -> None:
    """Cut a batch into rolls; again in another way only while nothing was printed."""

    async def use(runtime: Runtime) -> list[Roll]:
        async with runtime.db.transaction() as tx:
            batch = await batches.get(tx, name)
            return await rolls.cut(tx, batch, size=size, rolls=number, actor=actor())

    made = run(use)
    say(_said(made), as_json=as_json, text=f"Batch {name} is cut into {len(made):,} rolls of {made[0].count:,} lines.")


@roll_group.command("list")
@batch_option
@json_option
def list_rolls(*, name: str, as_json: bool) -> None:
    """A batch's rolls."""

    async def use(runtime: Runtime) -> list[Roll]:
        async with runtime.db.transaction() as tx:
            return await rolls.list_of(tx, await batches.get(tx, name))

    found = run(use)
    say(_said(found), as_json=as_json, text=_text(found) or "Not cut yet: `yima codes rolls cut`.")


@roll_group.command("labels")
@batch_option
@click.option("--from", "first", type=int, default=1, show_default=True, help="First roll.")
@click.option("--to", "last", type=int, help="Last roll, inclusive (default: the last).")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="The PDF file.")
@json_option
def label_rolls(*, name: str, first: int, last: int | None, out: Path, as_json: bool) -> None:
    """Print the labels of rolls: number, batch, product, lines, serials, and a symbol that names the roll."""

    async def use(runtime: Runtime) -> int:
        async with runtime.db.transaction() as tx:
            batch = await batches.get(tx, name)
            product = await catalogue.product(tx, batch.gtin, brand_id=batch.brand_id)
            found = await rolls.list_of(tx, batch)
        wanted = [roll for roll in found if first <= roll.number <= (last or len(found))]
        if not wanted:
            raise NotFound(f"Batch {batch.name} has no such rolls; it has {len(found):,}.")
        return await asyncio.to_thread(
            roll_labels.write, out.absolute(), batch=batch, product=product.name, rolls=wanted, of=len(found)
        )

    count = run(use)
    say({"batch": name, "labels": count, "file": str(out)}, as_json=as_json, text=f"Wrote {count:,} labels to {out}.")
