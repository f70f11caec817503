"""`yima labels`: render and read back."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import anyio
import click

from codegen import batches, keys, readback, scheme
from codegen.scheme import MalformedCode
from kernel import tasks
from kernel.errors import InvalidInput
from yima import labels as rendering
from yima.cli.common import json_option, line, progress, run, say
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


@labels.command("readback")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@json_option
def read_labels(*, files: tuple[Path, ...], as_json: bool) -> None:
    """Decode PNG, JPEG and PDF files with ZBar and with ZXing and verify each code; one JSON object a symbol.

    Exit code 1 if there is no symbol, or one that either decoder missed or that is no code of ours. The grade
    is an indication from the picture, no certified grade.
    """
    del as_json  # it is always JSON

    async def use(runtime: Runtime) -> tuple[int, bool]:
        async with runtime.db.transaction() as tx:
            ring = await keys.load_ring(tx, runtime.vault)
        count, good = 0, True
        for symbol in readback.read_files(files):
            code, valid = None, False
            try:
                parsed = scheme.parse(symbol.text)
            except MalformedCode:
                parsed = None
            if parsed is not None:
                code, valid = parsed.symbols, ring.verify(parsed) is not None
            count += 1
            good &= valid and symbol.zbar and symbol.zxing
            line({
                "text": symbol.text, "code": code, "valid": valid, "zbar": symbol.zbar, "zxing": symbol.zxing,
                "grade": symbol.grade, "source": symbol.source, "page": symbol.page,
            })  # fmt: skip
        return count, good

    count, good = run(use)
    if not count:
        sys.stderr.write("No symbol was found.\n")
    if not (count and good):
        sys.exit(1)
