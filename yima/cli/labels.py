"""`yima labels`: render and read back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import anyio
import click

from codegen import batches, labeljobs, templates
from codegen.labeljobs import Job
from kernel import tasks
from kernel.errors import InvalidInput
from yima import labels as rendering
from yima.cli import reading
from yima.cli import templates as template_commands
from yima.cli.common import json_option, progress, run, say
from yima.cli.switching import batch_option, first_option, last_option
from yima.cli.waiting import Vigil
from yima.runtime import Runtime

POLL_S = 0.2


@click.group()
def labels() -> None:
    """Print labels and read prints back."""


@labels.command("render")
@batch_option
@first_option
@last_option
@click.option("--format", "kind", type=click.Choice(labeljobs.FORMATS), required=True, help="What to write.")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="The file.")
@click.option("--mask", type=click.Choice(labeljobs.MASKS), default="fixed", show_default=True,
              help="One data mask for all symbols, or the best of eight for each.")  # fmt: skip
@click.option("--template", help="A label template, see `yima labels templates list`; default: the house's sheet "
              "(PDF) or roll (ZPL, TSPL), a contact sheet (PNG, SVG).")  # fmt: skip
@click.option("--dpi", type=click.Choice(["203", "300", "600"]), default="300", show_default=True,
              help="The printer's resolution, for PNG, ZPL and TSPL.")  # fmt: skip
@click.option("--graphic", is_flag=True, help="ZPL and TSPL: the label dot by dot, not the printer's own symbol.")
@click.option("--side", type=click.Choice(labeljobs.SIDES), default="inner", show_default=True,
              help="Whose code, of a batch of pairs on a template for one code.")  # fmt: skip
@click.option("--lot", default="", help="The maker's lot, for templates that name it.")
@click.option("--font", type=click.Path(path_type=Path, exists=True, dir_okay=False),
              help="Font file of the lines that are alike on all labels, instead of an installed one.")  # fmt: skip
@click.option("--background", is_flag=True, help="Let the worker of `yima up` do it, and watch its progress.")
@json_option
def render_labels(
    *,
    name: str,
    first: int | None,
    last: int | None,
    kind: str,
    out: Path,
    mask: str,
    template: str | None,
    dpi: str,
    graphic: bool,
    side: str,
    lot: str,
    font: Path | None,
    background: bool,
    as_json: bool,
) -> None:
    """Print a batch's labels, or some lines of it.

    With a template PNG and SVG are pages; several go into FILE if its name ends in .zip.
    """

    async def use(runtime: Runtime) -> dict[str, Any]:
        async with runtime.db.transaction() as tx:
            batch = await batches.get(tx, name)
            chosen = None if template is None else await templates.find(tx, batch.brand_id, template)
        low, high = batches.lines_of(batch, first, last)
        job = Job(
            batch, low, high, kind, mask, out.absolute(), chosen, int(dpi), graphic, side, lot,
            None if font is None else font.absolute(),
        )  # fmt: skip
        with progress("Printing labels", high - low + 1) as tell:
            if background:
                return await _in_background(runtime, job, tell)

            async def on_progress(done: int, _: int) -> None:
                tell(done)

            return await rendering.render(runtime, job, progress=on_progress)

    done = run(use)
    text = f"Labels: {done['labels']:,}, pages: {done['pages']:,}, file: {done['file']} (name: {done['lettering']})."
    say(done, as_json=as_json, text=text)


async def _in_background(runtime: Runtime, job: Job, tell: Any) -> dict[str, Any]:  # noqa: ANN401 (a callable)
    task_id = await rendering.submit(runtime, job)
    vigil = Vigil()
    while True:
        async with runtime.db.transaction() as tx:
            status = await tasks.status(tx, task_id)
        tell(status.done)
        if status.state == "failed":
            raise InvalidInput(status.error or "The worker could not print the labels.")
        if status.state == "done":
            return status.result or {}
        await vigil.look(runtime)
        await anyio.sleep(POLL_S)


labels.add_command(reading.read_labels)
labels.add_command(template_commands.label_templates)
