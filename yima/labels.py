"""Rendering a batch's labels: the codes are computed, printed and forgotten."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

from codegen import batches, bulk, keys, pictures, sheets, zpl
from codegen.batches import Batch
from codegen.outfiles import PrintReport
from codegen.scheme import CodeKey
from codegen.symbols import FIXED_MASK, Bytes, SymbolFactory
from kernel import tasks
from kernel.errors import InvalidInput
from traceability import catalogue
from yima import broker
from yima.runtime import Runtime

FORMATS = ("pdf", "png", "svg", "zpl")
MASKS = ("best", "fixed")
_CHUNK = 4096
_TELL_EVERY_S = 1.0

Progress = Callable[[int, int], Coroutine[Any, Any, None]]


@dataclass(frozen=True, slots=True)
class Job:
    """Which labels to print, and how."""

    batch: Batch
    first: int
    last: int
    format: str
    mask: str
    out: Path

    def __post_init__(self) -> None:
        if self.format not in FORMATS:
            raise InvalidInput(f"The format is one of {', '.join(FORMATS)}, not {self.format!r}.", field="format")
        if self.mask not in MASKS:
            raise InvalidInput(f"The mask is one of {', '.join(MASKS)}, not {self.mask!r}.", field="mask")


async def render(runtime: Runtime, job: Job, *, progress: Progress) -> dict[str, Any]:
    """Print the labels of a job to its file.

    Where the batch has two codes a unit, the inner one is printed: it carries the reward.

    Args:
        runtime: gives the key and the product's name.
        job: what to print.
        progress: awaited about once a second with (labels so far, all labels).

    Returns:
        `labels`, `pages`, `lettering` and `file`.
    """
    first, last = batches.lines_of(job.batch, job.first, job.last)
    async with runtime.db.transaction() as tx:
        key = await keys.load(tx, runtime.vault, job.batch.key_id)
        product = (await catalogue.shown(tx, [job.batch.gtin]))[job.batch.gtin]
    loop = asyncio.get_running_loop()
    told = 0.0

    def on_progress(done: int) -> None:
        nonlocal told
        if time.monotonic() - told >= _TELL_EVERY_S:
            told = time.monotonic()
            asyncio.run_coroutine_threadsafe(progress(done, last - first + 1), loop).result()

    report = await asyncio.to_thread(_write, job, key, first, last, product.product, on_progress)
    await progress(report.labels, report.labels)
    return {"labels": report.labels, "pages": report.pages, "lettering": report.lettering, "file": str(job.out)}


async def submit(runtime: Runtime, job: Job) -> UUID:
    """Leave a job to a worker; `kernel.tasks.status` tells how far it is."""
    args = {
        "batch": job.batch.name, "first": job.first, "last": job.last,
        "format": job.format, "mask": job.mask, "out": str(job.out),
    }  # fmt: skip
    async with runtime.db.transaction() as tx:
        task_id = await tasks.submit(tx, "render_labels", args, brand_id=job.batch.brand_id)
    await broker.wake(runtime, "yima.run", str(task_id))
    return task_id


def _write(
    job: Job, key: CodeKey, first: int, last: int, title: str, on_progress: Callable[[int], None]
) -> PrintReport:
    factory = SymbolFactory(job.batch.prefix, mask=None if job.mask == "best" else FIXED_MASK)
    codes = codes_of(job.batch, key, first, last)
    if job.format == "pdf":
        return sheets.write_pdf(
            job.out, codes=codes, factory=factory, title=title, first_number=first, on_progress=on_progress
        )
    if job.format == "png":
        return pictures.write_png(job.out, codes=codes, factory=factory, title=title, first_number=first)
    if job.format == "svg":
        return pictures.write_svg(job.out, codes=codes, factory=factory, title=title, first_number=first)
    return zpl.write_zpl(job.out, codes=codes, factory=factory, title=title, first_number=first)


def codes_of(batch: Batch, key: CodeKey, first: int, last: int) -> Iterator[Bytes]:
    """The codes of lines `first` to `last`, in chunks of shape (n, 20)."""
    side = 1 if batch.paired else 0
    for low in range(first, last + 1, _CHUNK):
        count = min(_CHUNK, last + 1 - low)
        yield bulk.seal_range(key, batch.first_serial + 2 * (low - 1) + side, count, step=2)
