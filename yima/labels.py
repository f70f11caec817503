"""Rendering a batch's labels: the codes are computed, printed and forgotten."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Callable, Coroutine, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np

from codegen import batches, bulk, keys, labeljobs, logos, pages, pictures, sheets, tspl, zpl
from codegen.batches import Batch
from codegen.labeljobs import Job
from codegen.labelruns import LabelRun
from codegen.logos import Logo
from codegen.outfiles import PrintReport
from codegen.scheme import CodeKey
from codegen.symbols import Bytes
from kernel import tasks
from traceability import brands, catalogue
from yima import broker
from yima.runtime import Runtime

_CHUNK = 4096
_TELL_EVERY_S = 1.0
_READ_BYTES = 1 << 20

Progress = Callable[[int, int], Coroutine[Any, Any, None]]


async def render(runtime: Runtime, job: Job, *, progress: Progress) -> dict[str, Any]:
    """Print the labels of a job to its file.

    Where the batch has two codes a unit and the template one, the inner one is printed unless the job says
    otherwise: it carries the reward.

    Args:
        runtime: gives the key, the product's name and the brand's logo.
        job: what to print.
        progress: awaited about once a second with (labels so far, all labels).

    Returns:
        `labels`, `pages`, `lettering`, `file`, `bytes` and `sha256`.

    Raises:
        InvalidInput: the template cannot hold the labels, or the place cannot be written.
        Conflict: the codes were imported, or the order is cancelled or closed.
    """
    batches.need_own(job.batch)
    labeljobs.need_open(job.batch)
    first, last = batches.lines_of(job.batch, job.first, job.last)
    async with runtime.db.transaction() as tx:
        key = await keys.load(tx, runtime.vault, job.batch.key_id)
        product = (await catalogue.shown(tx, [job.batch.gtin]))[job.batch.gtin]
        kept = await brands.logo(tx, job.batch.brand_id)
    facts = labeljobs.facts_of(job, product.product)
    logo = None if kept is None else logos.read(kept.content)
    loop = asyncio.get_running_loop()
    told = 0.0

    def on_progress(done: int) -> None:
        nonlocal told
        if time.monotonic() - told >= _TELL_EVERY_S:
            told = time.monotonic()
            asyncio.run_coroutine_threadsafe(progress(done, last - first + 1), loop).result()

    report = await asyncio.to_thread(_write, replace(job, first=first, last=last), key, facts, logo, on_progress)
    size, sha256 = await asyncio.to_thread(_digest, job.out)
    await progress(report.labels, report.labels)
    return {
        "labels": report.labels, "pages": report.pages, "lettering": report.lettering, "file": str(job.out),
        "bytes": size, "sha256": sha256,
    }  # fmt: skip


async def submit(runtime: Runtime, job: Job) -> UUID:
    """Leave a job to a worker; `kernel.tasks.status` tells how far it is."""
    async with runtime.db.transaction() as tx:
        task_id = await tasks.submit(tx, "render_labels", job.args(), brand_id=job.batch.brand_id)
    await broker.wake(runtime, "yima.run", str(task_id))
    return task_id


def _digest(path: Path) -> tuple[int, str]:
    """Size and SHA-256 of a file."""
    digest, size = hashlib.sha256(), 0
    with path.open("rb") as file:
        while block := file.read(_READ_BYTES):
            digest.update(block)
            size += len(block)
    return size, digest.hexdigest()


def _write(
    job: Job, key: CodeKey, facts: Mapping[str, str], logo: Logo | None, on_progress: Callable[[int], None]
) -> PrintReport:
    run = labeljobs.run_of(job, facts, logo)
    parts = run.template.parts if job.template is not None else 1
    codes = codes_of(job.batch, key, job.first, job.last, side=job.side, parts=parts)
    if job.template is None and job.format in ("png", "svg"):
        return _write_contact_sheet(job, run, codes)
    if job.format == "pdf":
        return sheets.print_pdf(job.out, run, codes, on_progress=on_progress)
    if job.format == "png":
        return pages.write_png(job.out, run, codes, dpi=job.dpi, on_progress=on_progress)
    if job.format == "svg":
        return pages.write_svg(job.out, run, codes, on_progress=on_progress)
    write = zpl.write_zpl if job.format == "zpl" else tspl.write_tspl
    return write(job.out, run, codes, dpi=job.dpi, graphic=job.graphic, on_progress=on_progress)


def _write_contact_sheet(job: Job, run: LabelRun, codes: Iterator[Bytes]) -> PrintReport:
    title = run.facts["product"]
    if job.format == "png":
        return pictures.write_png(
            job.out, codes=codes, factory=run.factory, title=title, first_number=job.first, font_path=job.font
        )
    return pictures.write_svg(job.out, codes=codes, factory=run.factory, title=title, first_number=job.first)


def codes_of(
    batch: Batch, key: CodeKey, first: int, last: int, *, side: str = "inner", parts: int = 1
) -> Iterator[Bytes]:
    """The codes of lines `first` to `last`, in chunks of shape (n, 20); with two parts both codes, (n, 40)."""
    for low in range(first, last + 1, _CHUNK):
        count = min(_CHUNK, last + 1 - low)
        serial = batch.first_serial + 2 * (low - 1)
        if parts == 1:
            inner = batch.paired and side == "inner"
            yield bulk.seal_range(key, serial + (1 if inner else 0), count, step=2)
        else:
            yield np.ascontiguousarray(bulk.seal_range(key, serial, 2 * count).reshape(count, -1))
