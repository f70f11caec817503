"""Jobs of labels: what to print and how, kept as a task for a worker; and who took what was printed.

Printed labels hold codes as a code package does: a file lies where the packages lie, and each download is
recorded before its first byte leaves.
"""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from sqlalchemy import text

from codegen import batches, keys, labels, order_states, stationery
from codegen.batches import Batch
from codegen.labelruns import LabelRun
from codegen.labels import LabelTemplate
from codegen.logos import Logo
from codegen.symbols import FIXED_MASK, SymbolFactory
from kernel import audit, tasks
from kernel.crypto import Vault
from kernel.db import Tx
from kernel.errors import Conflict, InvalidInput, NotFound

RENDER: Final = "render_labels"
FORMATS: Final = ("pdf", "png", "svg", "zpl", "tspl")
MASKS: Final = ("best", "fixed")
SIDES: Final = ("inner", "outer")
LOT_CHARS_MAX: Final = 20
"""As many as GS1 AI (10) has."""
FILE_DAYS: Final = 7
"""For so long a file of labels is kept where the console hands it out; it can be printed again."""

_SEAL: Final = "package-download"  # as for code packages: both stand in one list
_FOLDER_PREFIX: Final = "labels-"


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


def facts_of(job: Job, product: str) -> dict[str, str]:
    """What the lines of a job's labels may name."""
    batch = job.batch
    return {
        "product": product, "gtin": batch.gtin, "batch": batch.name, "order": batch.order_number, "lot": job.lot,
    }  # fmt: skip


def need_open(batch: Batch) -> None:
    """Refuse labels of codes that there are none of, or that must not leave the house any more.

    Raises:
        Conflict: the codes were imported, or the order is cancelled or closed.
    """
    batches.need_own(batch)
    if batch.state == "cancelled":
        raise order_states.cancelled(batch)
    if batch.state == "closed":
        raise Conflict(f"The order of batch {batch.name} is closed: no labels are printed or handed out any more.")


def require_printable(job: Job, facts: Mapping[str, str], logo: Logo | None) -> None:
    """Find out now whether the job's template can hold its labels, before a worker is bothered.

    Raises:
        InvalidInput: a part does not fit, or no font has a line's characters.
    """
    dpi = job.dpi if job.format in ("png", "zpl", "tspl") else None
    run_of(job, facts, logo).arrange(dpi)


@dataclass(frozen=True, slots=True)
class LabelJob:
    """Labels that a worker prints or has printed.

    Attributes:
        template: the template's name; empty for the house's sheet or roll.
        file: where they lie or will lie.
        sha256: of the file, once it is written.
        error: why it failed.
    """

    id: UUID
    state: str
    done: int
    total: int
    format: str
    first: int
    last: int
    template: str
    file: Path
    sha256: str
    error: str
    created_at: datetime

    @property
    def count(self) -> int:
        """How many labels."""
        return self.last - self.first + 1

    @property
    def there(self) -> bool:
        """Whether the file can be taken."""
        return self.state == "done" and bool(self.sha256) and self.file.is_file()


def place(folder: Path, batch: Batch, extension: str) -> Path:
    """A new file for labels in the folder of packages; files older than `FILE_DAYS` are removed.

    Args:
        folder: where packages lie.
        batch: whose labels.
        extension: without a dot.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    oldest = time.time() - FILE_DAYS * 86_400
    for path in folder.glob(f"{_FOLDER_PREFIX}*"):
        if path.is_file() and path.stat().st_mtime < oldest:
            path.unlink(missing_ok=True)
    return folder / f"{_FOLDER_PREFIX}{batch.name}-{secrets.token_hex(6)}.{extension}"


async def request(tx: Tx, job: Job, *, actor: str) -> UUID:
    """Leave a job to a worker; the task's id to wake one with after the commit.

    Raises:
        Conflict: as `need_open`.
    """
    need_open(job.batch)
    await audit.record(
        tx, brand_id=job.batch.brand_id, actor=actor, action="labels.print", subject=f"batch {job.batch.name}",
        after={"first": job.first, "last": job.last, "format": job.format, "file": job.out.name},
    )  # fmt: skip
    return await tasks.submit(tx, RENDER, job.args(), brand_id=job.batch.brand_id)


async def list_of(tx: Tx, batch: Batch, *, limit: int) -> list[LabelJob]:
    """Label jobs of a batch, the latest first."""
    return await _search(tx, batch, "true", {"limit": limit})


async def get(tx: Tx, batch: Batch, job_id: UUID) -> LabelJob:
    """A label job of a batch.

    Raises:
        NotFound: the batch has none of that id.
    """
    found = await _search(tx, batch, "id = :id", {"id": job_id, "limit": 1})
    if not found:
        raise NotFound("There is no such label job.")
    return found[0]


async def _search(tx: Tx, batch: Batch, where: str, values: dict[str, Any]) -> list[LabelJob]:
    rows = await tx.execute(
        text(f"""
            SELECT id, state, done, total, args, result, error, created_at FROM task
            WHERE brand_id = :brand AND kind = '{RENDER}' AND args @> CAST(:args AS jsonb) AND {where}
            ORDER BY created_at DESC LIMIT :limit"""),  # noqa: S608 (constants of this module)
        {"brand": batch.brand_id, "args": json.dumps({"batch": batch.name}), **values},
    )
    return [
        LabelJob(
            row.id, row.state, row.done, row.total, row.args["format"], row.args["first"], row.args["last"],
            (row.args.get("template") or {}).get("name", ""), Path(row.args["out"]),
            (row.result or {}).get("sha256", ""), row.error or "", row.created_at,
        )
        for row in rows
    ]  # fmt: skip


async def record_download(
    tx: Tx, vault: Vault, batch: Batch, job: LabelJob, *, address: str | None, actor: str
) -> None:
    """Note who takes printed labels, before the first byte leaves.

    Raises:
        Conflict: they are not printed, the file was removed, or the order is cancelled or closed.
    """
    need_open(batch)
    if not job.there:
        raise Conflict("The labels are not printed yet, or their file was removed: print them again.")
    await keys.judge_release(tx, batch.key_id)
    await tx.execute(
        text("""
            INSERT INTO package_download (brand_id, batch_id, actor, lines, sha256, file, address_sealed)
            VALUES (:brand, :batch, :actor, :lines, :sha256, :file, :address)"""),
        {
            "brand": batch.brand_id, "batch": batch.id, "actor": actor, "lines": job.count, "sha256": job.sha256,
            "file": job.file.name, "address": None if address is None else vault.seal(address.encode(), _SEAL),
        },
    )  # fmt: skip
    await audit.record(
        tx, brand_id=batch.brand_id, actor=actor, action="labels.download", subject=f"batch {batch.name}",
        after={"file": job.file.name, "first": job.first, "last": job.last},
    )  # fmt: skip
