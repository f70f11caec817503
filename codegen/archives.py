"""Encrypted code packages: a tar archive of manifest and data inside the `age` format, the manifest beside it too.

The content never touches the disk in the clear. It is made in two passes: the first finds the data's size and SHA-256,
which the archive tells before the data. Both passes and the encryption take constant memory.
"""

from __future__ import annotations

import hashlib
import io
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, Final, cast

import pyrage
from pyrage import x25519

from codegen import passphrases
from codegen.outfiles import replacing
from codegen.packages import (
    Content,
    Manifest,
    Progress,
    manifest_bytes,
    manifest_of,
    pieces,
    write_manifest,
    write_run,
)

_BLOCK_ROWS: Final = 65_536


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
    write_run(cast("BinaryIO", scales), content, content.spans, digest, 0, on_progress)
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


def write(
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
        write_run(block, content, run, digest, rows, None)
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
