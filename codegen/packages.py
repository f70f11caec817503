"""Code packages: data file and manifest, written in constant memory.

A package in the clear is a data file with its manifest beside it; killed in the middle, the next writer goes on from
the last checkpoint to the identical file. An encrypted one is a tar archive of manifest and data inside the `age`
format, with the manifest beside it too; its content never touches the disk in the clear. It is made in two passes: the
first finds the data's size and SHA-256, which the archive tells before the data.
"""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, BinaryIO, Final, cast

import pyrage
from pyrage import x25519

from codegen import datafiles, parts, passphrases
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
_BLOCK_ROWS: Final = 65_536

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
    with parts.resuming(path, content.purpose) as part:
        rows = part.rows
        for run in pieces(content.spans, skip=rows, rows_max=checkpoint_rows):
            _write_run(part.file, content, run, part.digest, rows, on_progress)
            rows += sum(last - first + 1 for first, last in run)
            if rows < content.rows:
                part.keep(rows)
        size, sha256 = part.file.tell(), part.digest.hexdigest()
    manifest = manifest_of(content, file=file or path.name, size=size, sha256=sha256, encrypted=False)
    write_manifest(path, manifest)
    return manifest


def _write_run(
    out: BinaryIO,
    content: Content,
    run: list[tuple[int, int]],
    digest: hashlib._Hash | None,
    rows_before: int,
    on_progress: Progress | None,
) -> None:
    def told(rows: int) -> None:
        if on_progress is not None:
            on_progress(rows_before + rows)

    datafiles.write(
        out, content.layout, content.batch, content.key, run, product=content.product, digest=digest,
        rows_before=rows_before, on_progress=told,
    )  # fmt: skip


class _Scales:
    """Takes what is written, counts it and keeps nothing."""

    def __init__(self) -> None:
        self.size = 0

    def write(self, data: Any) -> int:  # noqa: ANN401 (any buffer)
        size = memoryview(data).nbytes
        self.size += size
        return size


def weigh(content: Content, *, file: str, on_progress: Progress | None = None) -> Manifest:
    """The manifest of a data file that is yet to be written, encrypted: its size and SHA-256 are those it will have."""
    scales, digest = _Scales(), hashlib.sha256()
    _write_run(cast("BinaryIO", scales), content, content.spans, digest, 0, on_progress)
    return manifest_of(content, file=file, size=scales.size, sha256=digest.hexdigest(), encrypted=True)


def encrypt(
    out: BinaryIO,
    content: Content,
    manifest: Manifest,
    *,
    public_key: str | None,
    passphrase: str | None,
    on_progress: Progress | None = None,
) -> None:
    """Write manifest and data as a tar archive in the `age` format, in constant memory.

    Args:
        out: where to.
        content: which codes, and how.
        manifest: as `weigh` made it.
        public_key: the recipient's; or
        passphrase: what it is encrypted with instead. It is kept nowhere.
        on_progress: called with the number of rows so far; what it raises ends the writing.

    Raises:
        OSError: it cannot be written.
    """
    reader = _Reader(_archive(content, manifest, on_progress))
    if passphrase is not None:
        passphrases.encrypt(reader, out, passphrase)
        return
    assert public_key is not None
    writer = _Writer(out)
    try:
        pyrage.encrypt_io(cast("BinaryIO", reader), cast("BinaryIO", writer), [x25519.Recipient.from_str(public_key)])
    except pyrage.EncryptError as error:
        # what our own streams raised comes out as a text: the error itself says more
        cause = reader.error or writer.error
        if cause is None:
            raise RuntimeError("the package could not be encrypted") from error
        raise cause from None


def write_encrypted(
    path: Path,
    content: Content,
    *,
    public_key: str | None = None,
    passphrase: str | None = None,
    on_progress: Progress | None = None,
) -> Manifest:
    """Write an encrypted package and, beside it, its manifest. Killed in the middle it is begun anew.

    Args:
        path: the package; its name should end with `.age`.
        content: which codes, and how.
        public_key: the recipient's; or
        passphrase: what it is encrypted with instead.
        on_progress: called with the number of rows so far; both passes count, so that it ends at twice the rows.

    Raises:
        InvalidInput: the place cannot be written, or the disk is full; nothing is left under either name.
    """

    def second(rows: int) -> None:
        if on_progress is not None:
            on_progress(content.rows + rows)

    stem = content.package or path.name.removesuffix(".age").removesuffix(".tar")
    manifest = weigh(content, file=stem + content.layout.extension, on_progress=on_progress)
    with replacing(path) as out:
        encrypt(out, content, manifest, public_key=public_key, passphrase=passphrase, on_progress=second)
    write_manifest(path, manifest)
    return manifest


def _archive(content: Content, manifest: Manifest, on_progress: Progress | None) -> Iterator[bytes]:
    """A tar archive of manifest and data, block by block.

    Raises:
        RuntimeError: the data are not what the manifest says: something is wrong with this machine.
    """
    told = manifest_bytes(manifest)
    yield _entry("manifest.json", len(told)) + told + _padding(len(told))
    yield _entry(manifest.file, manifest.bytes)
    digest, rows = hashlib.sha256(), 0
    for run in pieces(content.spans, skip=0, rows_max=_BLOCK_ROWS):
        block = io.BytesIO()
        _write_run(block, content, run, digest, rows, None)
        rows += sum(last - first + 1 for first, last in run)
        yield block.getvalue()
        if on_progress is not None:
            on_progress(rows)
    if digest.hexdigest() != manifest.sha256:
        raise RuntimeError("the data written are not those that were weighed")
    yield _padding(manifest.bytes) + bytes(2 * tarfile.BLOCKSIZE)


def _entry(name: str, size: int) -> bytes:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = size, 0o600
    return entry.tobuf(tarfile.PAX_FORMAT)


def _padding(size: int) -> bytes:
    return bytes(-size % tarfile.BLOCKSIZE)


class _Reader:
    """Blocks as a stream to read."""

    def __init__(self, blocks: Iterator[bytes]) -> None:
        self._blocks = blocks
        self._block = memoryview(b"")
        self.error: BaseException | None = None

    def read(self, size: int = -1) -> bytes:
        assert size > 0
        try:
            while not self._block:
                self._block = memoryview(next(self._blocks))
        except StopIteration:
            return b""
        except BaseException as error:
            self.error = error
            raise
        found, self._block = self._block[:size], self._block[size:]
        return bytes(found)


class _Writer:
    """A stream that remembers what went wrong with it."""

    def __init__(self, out: BinaryIO) -> None:
        self._out = out
        self.error: BaseException | None = None

    def write(self, data: bytes) -> int:
        try:
            return self._out.write(data)
        except BaseException as error:
            self.error = error
            raise

    def flush(self) -> None:
        """Whoever opened the stream flushes it."""


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
