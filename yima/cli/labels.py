"""`yima labels`: render and read back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import anyio
import click

from codegen import batches
from kernel import tasks
from kernel.errors import InvalidInput
from yima import labels as rendering
from yima.cli import reading
from yima.cli.common import json_option, progress, run, say
from yima.cli.switching import batch_option, first_option, last_option
from yima.runtime import Runtime

POLL_S = 0.2


@click.group()
def labels() -> None:
    """Print labels and read prints back."""


@labels.command("render")
@batch_option
@first_option
@last_option
@click.option("--format", "kind", type=click.Choice(rendering.FORMATS), required=True, help="What to write.")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="The file.")
@click.option("--mask", type=click.Choice(rendering.MASKS), default="fixed", show_default=True,
              help="One data mask for all symbols, or the best of eight for each.")  # fmt: skip
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
    background: bool,
    as_json: bool,
) -> None:
    """Print a batch's labels, or some lines of it."""

    async def use(runtime: Runtime) -> dict[str, Any]:
        async with runtime.db.transaction() as tx:
            batch = await batches.get(tx, name)
        low, high = batches.lines_of(batch, first, last)
        job = rendering.Job(batch, low, high, kind, mask, out.absolute())
        with progress("Printing labels", high - low + 1) as tell:
            if background:
                return await _in_background(runtime, job, tell)

            async def on_progress(done: int, _: int) -> None:
                tell(done)

            return await rendering.render(runtime, job, progress=on_progress)

    done = run(use)
    text = f"Labels: {done['labels']:,}, pages: {done['pages']:,}, file: {done['file']} (name: {done['lettering']})."
    say(done, as_json=as_json, text=text)


async def _in_background(runtime: Runtime, job: rendering.Job, tell: Any) -> dict[str, Any]:  # noqa: ANN401 (a callable)
    task_id = await rendering.submit(runtime, job)
    while True:
        async with runtime.db.transaction() as tx:
            status = await tasks.status(tx, task_id)
        tell(status.done)
        if status.state == "failed":
            raise InvalidInput(status.error or "The worker could not print the labels.")
        if status.state == "done":
            return status.result or {}
        await anyio.sleep(POLL_S)


labels.add_command(reading.read_labels)
