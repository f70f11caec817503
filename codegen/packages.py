"""Code packages: data file and manifest, written in constant memory.

A package in the clear is a data file with its manifest beside it; killed in the middle, the next writer goes on from
the last checkpoint to the identical file. Encrypted ones are the business of `codegen.archives`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import BinaryIO, Final

from codegen import datafiles, parts
from codegen.batches import Batch
from codegen.datafiles import PLAIN, DataLayout
from codegen.outfiles import replacing
from codegen.scheme import CodeKey
from kernel.errors import InvalidInput, NotFound

CHECKPOINT_ROWS: Final = 4_194_304
"""So many rows are written between checkpoints: about 200 MB, half a second's work."""
SETUP_HEAD: Final = 2
SETUP_TAIL: Final = 2
SETUP_LINES: Final = SETUP_HEAD + SETUP_TAIL
"""Set-up labels of a package that is traced to its recipient: before and behind the lines for goods."""

Progress = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a print house checks its file against. Serials are under the key: outer 2·unit, inner 2·unit + 1.

    `count` lines are for goods, from `first_line` to `last_line` of the batch; `setup_head` lines before and
    `setup_tail` behind them are set-up labels, not for goods. `bytes` and `sha256` are the data file's.
    """

    batch: str
    order: str
    brand: str
    gtin: str
    count: int
    first_serial: int
    last_serial: int
    key_id: int
    form: str
    pair: bool
    prefix: str
    file: str
    bytes: int
    sha256: str
    package: str | None
    recipient: str | None
    layout: str
    first_line: int
    last_line: int
    setup_head: int
    setup_tail: int
    encrypted: bool


@dataclass(frozen=True, slots=True)
class Content:
    """What a data file holds.

    Attributes:
        batch: Whose codes.
        key: The batch's key.
        brand: The brand's slug, for the manifest.
        first: First line for goods.
        last: Last line for goods.
        layout: How the rows look.
        product: The product's name.
        package: The package's name; None for a file that a command wrote for itself.
        recipient: For whom, by name.
        setup: Lines behind the batch's that stand on set-up labels; none, or `SETUP_LINES` from this one on.
    """

    batch: Batch
    key: CodeKey
    brand: str
    first: int
    last: int
    layout: DataLayout = PLAIN
    product: str = ""
    package: str | None = None
    recipient: str | None = None
    setup: int | None = None

    @property
    def rows(self) -> int:
        """All rows, set-up labels included."""
        return self.last - self.first + 1 + (0 if self.setup is None else SETUP_LINES)

    @property
    def spans(self) -> list[tuple[int, int]]:
        """Lines in the order in which they are written."""
        goods = (self.first, self.last)
        if self.setup is None:
            return [goods]
        between = self.setup + SETUP_HEAD
        return [(self.setup, between - 1), goods, (between, self.setup + SETUP_LINES - 1)]

    @property
    def purpose(self) -> str:
        """What makes the file what it is: two contents with the same purpose are identical files."""
        told = [
            self.batch.name, self.batch.prefix, self.batch.paired, self.key.key_id, self.batch.first_serial,
            self.spans, repr(self.layout), self.product,
        ]  # fmt: skip
        return hashlib.sha256(json.dumps(told).encode()).hexdigest()


def pieces(spans: list[tuple[int, int]], *, skip: int, rows_max: int) -> Iterator[list[tuple[int, int]]]:
    """Cut spans of lines into runs of at most `rows_max` rows, without the first `skip` rows."""
    run: list[tuple[int, int]] = []
    room = rows_max
    for first, last in spans:
        low = first
        passed = min(skip, last - first + 1)
        skip -= passed
        low += passed
        while low <= last:
            high = min(last, low + room - 1)
            run.append((low, high))
            room -= high - low + 1
            low = high + 1
            if not room:
                yield run
                run, room = [], rows_max
    if run:
        yield run


def write(
    path: Path,
    content: Content,
    *,
    file: str = "",
    on_progress: Progress | None = None,
    checkpoint_rows: int = CHECKPOINT_ROWS,
) -> Manifest:
    """Write the data file in the clear and its manifest; goes on where a killed writer of the same content was.

    Args:
        path: the data file; the manifest goes to `path` + `.manifest.json`.
        content: which codes, and how.
        file: what the manifest calls the file, if another name than the path's.
        on_progress: called with the number of rows so far; what it raises ends the writing.
        checkpoint_rows: rows between checkpoints.

    Raises:
        InvalidInput: the place cannot be written, or the disk is full; nothing is left under either name.
        Unavailable: another process is writing the same file.
    """
    if path.is_dir() or (path.exists() and not path.is_file()):
        raise InvalidInput(f"{path} is no regular file.", path=str(path))
    with parts.resuming(path, content.purpose, on_read=on_progress) as part:
        rows = part.rows
        for run in pieces(content.spans, skip=rows, rows_max=checkpoint_rows):
            write_run(part.file, content, run, part.digest, rows, on_progress)
            rows += sum(last - first + 1 for first, last in run)
            if rows < content.rows:
                part.keep(rows)
        size, sha256 = part.file.tell(), part.digest.hexdigest()
    manifest = manifest_of(content, file=file or path.name, size=size, sha256=sha256, encrypted=False)
    write_manifest(path, manifest)
    return manifest


def write_run(
    out: BinaryIO,
    content: Content,
    run: list[tuple[int, int]],
    digest: hashlib._Hash | None,
    rows_before: int,
    on_progress: Progress | None,
) -> None:
    """Write a run of lines of a content behind `rows_before` rows; progress counts those too."""

    def told(rows: int) -> None:
        if on_progress is not None:
            on_progress(rows_before + rows)

    datafiles.write(
        out, content.layout, content.batch, content.key, run, product=content.product, digest=digest,
        rows_before=rows_before, on_progress=told,
    )  # fmt: skip


def manifest_of(content: Content, *, file: str, size: int, sha256: str, encrypted: bool) -> Manifest:
    """The manifest of a data file."""
    batch = content.batch
    first_serial = batch.first_serial + 2 * (content.first - 1)
    count = content.last - content.first + 1
    setup = content.setup is not None
    return Manifest(
        batch=batch.name,
        order=batch.order_number,
        brand=content.brand,
        gtin=batch.gtin,
        count=count,
        first_serial=first_serial,
        last_serial=first_serial + 2 * (count - 1) + (1 if batch.paired else 0),
        key_id=batch.key_id,
        form=batch.form,
        pair=batch.paired,
        prefix=batch.prefix,
        file=file,
        bytes=size,
        sha256=sha256,
        package=content.package,
        recipient=content.recipient,
        layout=content.layout.name,
        first_line=content.first,
        last_line=content.last,
        setup_head=SETUP_HEAD if setup else 0,
        setup_tail=SETUP_TAIL if setup else 0,
        encrypted=encrypted,
    )


def path_in(folder: Path, package: str, *, encrypted: bool) -> Path:
    """Where a package lies that a worker wrote; what it is called when it is handed out, `handed_out_as` tells."""
    return folder / f"{package}{'.tar.age' if encrypted else '.txt'}"


def handed_out_as(path: Path) -> str:
    """The name under which a package in the folder is handed out.

    Raises:
        NotFound: it is not there, or without its manifest.
    """
    try:
        told = json.loads(manifest_path(path).read_bytes())
        path.stat()
    except FileNotFoundError:
        raise NotFound("The package is not on this server: have it written again.") from None
    return path.name if told.get("encrypted") else str(told["file"])


def manifest_path(path: Path) -> Path:
    """Where the manifest of a package lies: beside it."""
    return path.with_name(path.name + ".manifest.json")


def manifest_bytes(manifest: Manifest) -> bytes:
    """The manifest as it is written."""
    return json.dumps(asdict(manifest), ensure_ascii=False, indent=2).encode() + b"\n"


def write_manifest(path: Path, manifest: Manifest) -> None:
    """Write the manifest beside a package."""
    try:
        with replacing(manifest_path(path)) as beside:
            beside.write(manifest_bytes(manifest))
    except BaseException:
        path.unlink()  # data that nothing vouches for is not left behind
        raise


def remove(path: Path) -> None:
    """Remove a package, its manifest and what a killed writer left of it."""
    path.unlink(missing_ok=True)
    manifest_path(path).unlink(missing_ok=True)
    parts.remove(path)
