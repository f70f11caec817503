"""Rendering a batch's labels: the codes are computed, printed and forgotten."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Callable, Coroutine, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import numpy as np

from codegen import batches, bulk, keys, labels, logos, pages, pictures, sheets, stationery, tspl, zpl
from codegen.batches import Batch
from codegen.labelruns import LabelRun
from codegen.labels import LabelTemplate
from codegen.logos import Logo
from codegen.outfiles import PrintReport
from codegen.scheme import CodeKey
from codegen.symbols import FIXED_MASK, Bytes, SymbolFactory
from kernel import tasks
from kernel.errors import InvalidInput
from traceability import brands, catalogue
from yima import broker
from yima.runtime import Runtime

FORMATS = ("pdf", "png", "svg", "zpl", "tspl")
MASKS = ("best", "fixed")
SIDES = ("inner", "outer")
LOT_CHARS_MAX: Final = 20
"""As many as GS1 AI (10) has."""
_CHUNK = 4096
_TELL_EVERY_S = 1.0
_READ_BYTES = 1 << 20

Progress = Callable[[int, int], Coroutine[Any, Any, None]]


@dataclass(frozen=True, slots=True)
class Job:
    """Which labels to print, and how.

    Attributes:
        batch: whose codes.
        first: the first line.
        last: the last line.
        format: one of `FORMATS`.
        mask: `fixed` for one data mask, `best` for the best of eight for each symbol.
        out: the file; of several pictures a ZIP, if its name ends in `.zip`.
        template: what a label shows. None prints on the house's sheet or roll, and PNG and SVG as a contact
            sheet of labels; there a name that no font has is left out, with a word in the report.
        dpi: of the printer, for PNG, ZPL and TSPL.
        graphic: whether ZPL and TSPL hold the label dot by dot, instead of having the printer make the symbol.
        side: whose code, of a batch of pairs on a template for one code.
        lot: the maker's lot, for lines that name it.
        font: file of the font for lines that are alike on all labels.
    """

    batch: Batch
    first: int
    last: int
    format: str
    mask: str
    out: Path
    template: LabelTemplate | None = None
    dpi: int = 300
    graphic: bool = False
    side: str = "inner"
    lot: str = ""
    font: Path | None = None

    def __post_init__(self) -> None:
        for field, value, choices in (
            ("format", self.format, FORMATS), ("mask", self.mask, MASKS), ("side", self.side, SIDES),
        ):  # fmt: skip
            if value not in choices:
                raise InvalidInput(f"The {field} is one of {', '.join(choices)}, not {value!r}.", field=field)
        if self.dpi not in labels.DPIS:
            raise InvalidInput(f"A print head has {', '.join(map(str, labels.DPIS))} dots an inch.", field="dpi")
        if len(self.lot) > LOT_CHARS_MAX or not (self.lot.isprintable() and self.lot.isascii()):
            raise InvalidInput(f"A lot has at most {LOT_CHARS_MAX} ASCII characters.", field="lot")
        if self.template is not None and self.template.codes == "both" and not self.batch.paired:
            raise InvalidInput(
                f"The template {self.template.name} has both codes of a unit, and the batch has one code a unit.",
                field="template",
            )

    def args(self) -> dict[str, Any]:
        """The job as a task keeps it; the template as it is now, whatever becomes of it later."""
        template = None
        if self.template is not None:
            template = {"name": self.template.name, "document": labels.document_of(self.template)}
        return {
            "batch": self.batch.name, "first": self.first, "last": self.last, "format": self.format,
            "mask": self.mask, "out": str(self.out), "template": template, "dpi": self.dpi, "graphic": self.graphic,
            "side": self.side, "lot": self.lot, "font": None if self.font is None else str(self.font),
        }  # fmt: skip


def job_of(batch: Batch, args: Mapping[str, Any]) -> Job:
    """The job that a task keeps."""
    kept = args.get("template")
    return Job(
        batch=batch, first=args["first"], last=args["last"], format=args["format"], mask=args["mask"],
        out=Path(args["out"]),
        template=None if kept is None else labels.parse(kept["name"], kept["document"]),
        dpi=args.get("dpi", 300), graphic=args.get("graphic", False), side=args.get("side", "inner"),
        lot=args.get("lot", ""), font=Path(args["font"]) if args.get("font") else None,
    )  # fmt: skip


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
    """
    batches.need_own(job.batch)
    first, last = batches.lines_of(job.batch, job.first, job.last)
    async with runtime.db.transaction() as tx:
        key = await keys.load(tx, runtime.vault, job.batch.key_id)
        product = (await catalogue.shown(tx, [job.batch.gtin]))[job.batch.gtin]
        kept = await brands.logo(tx, job.batch.brand_id)
    facts = {
        "product": product.product, "gtin": job.batch.gtin, "batch": job.batch.name, "order": job.batch.order_number,
        "lot": job.lot,
    }  # fmt: skip
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


def run_of(job: Job, facts: Mapping[str, str], logo: Logo | None) -> LabelRun:
    """What a job prints, on its template or the house's for its format."""
    template = job.template or (stationery.A4_80 if job.format == "pdf" else stationery.ROLL_30X40)
    factory = SymbolFactory(
        job.batch.prefix, level=template.level, mask=None if job.mask == "best" else FIXED_MASK
    )  # fmt: skip
    side = job.side.upper() if job.batch.paired else ""
    return LabelRun(
        factory, template, facts, logo, job.first, side, job.font, lenient=job.template is None and job.font is None
    )  # fmt: skip


def _write(
    job: Job, key: CodeKey, facts: Mapping[str, str], logo: Logo | None, on_progress: Callable[[int], None]
) -> PrintReport:
    run = run_of(job, facts, logo)
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
