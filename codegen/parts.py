"""Files written in parts that survive a kill: what is on the disk at a checkpoint is gone on from, not made again.

The part lies beside the final name under a hidden one, with a mark that tells how far it is whole. A writer holds a
lock on it, which ends with the writer however it ends.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

from kernel.errors import InvalidInput, Unavailable, YimaError

LOCK_WAIT_S: Final = 10.0
"""So long another writer of the same file is waited for; a worker that lost its lease stops within a second."""
_READ_BYTES: Final = 1 << 20
_POLL_S: Final = 0.05


@dataclass(slots=True)
class Part:
    """A file that is being written.

    Attributes:
        file: To write to, behind what is there.
        digest: SHA-256 of what is there; whoever writes feeds it.
        rows: Rows that are there.
    """

    file: BinaryIO
    digest: hashlib._Hash
    rows: int
    _purpose: str
    _mark: Path

    def keep(self, rows: int) -> None:
        """Note that the file is whole up to here, `rows` in all: a writer after a kill goes on from this."""
        self.file.flush()
        os.fsync(self.file.fileno())
        self.rows = rows
        mark = {
            "purpose": self._purpose, "rows": rows, "bytes": self.file.tell(), "sha256": self.digest.hexdigest(),
        }  # fmt: skip
        fresh = self._mark.with_suffix(".new")
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            json.dump(mark, file)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(self._mark)


@contextmanager
def resuming(
    path: Path, purpose: str, *, wait_s: float = LOCK_WAIT_S, on_read: Callable[[int], None] | None = None
) -> Iterator[Part]:
    """A file to write that takes the name `path` when the block ends well; a kill leaves a part to go on with.

    An error that is told to a person removes the part, and so does a full disk, which would stay full otherwise; any
    other error (a lost lease, a database that went away) leaves it to whoever comes next. Only the owner may read
    it: an unclaimed code is money.

    Args:
        path: The final name.
        purpose: What the content is made of: a part with another purpose is begun anew.
        wait_s: So long another writer of the same file is waited for.
        on_read: Called with the number of rows while what is there is read again, which takes a while for a large
            file; what it raises ends the reading.

    Raises:
        InvalidInput: the place cannot be written, or the disk is full.
        Unavailable: another process is writing the file.
    """
    part, mark = names(path)
    try:
        file = _lock(part, path, wait_s)
    except OSError as error:
        raise _unwritable(path, error) from error
    try:  # whatever happens to the part happens under its lock
        yield _resume(file, purpose, mark, on_read)
        file.flush()
        os.fsync(file.fileno())
        part.replace(path)
        mark.unlink(missing_ok=True)
        _sync_folder(path.parent)
    except (ConnectionError, TimeoutError):  # the database's, not the disk's
        raise
    except OSError as error:
        remove(path)
        raise _unwritable(path, error) from error
    except YimaError:
        remove(path)
        raise
    finally:
        with suppress(OSError):  # it is flushed, or what could not be written was told above
            file.close()


def names(path: Path) -> tuple[Path, Path]:
    """Where the part of a file and its mark lie."""
    stem = f".{hashlib.sha256(path.name.encode()).hexdigest()[:16]}"
    return path.with_name(f"{stem}.resume"), path.with_name(f"{stem}.mark")


def remove(path: Path) -> None:
    """Remove the part of a file that will not be gone on with."""
    for each in names(path):
        with suppress(OSError):  # the error that led here is the one to tell
            each.unlink(missing_ok=True)


def _lock(part: Path, path: Path, wait_s: float) -> BinaryIO:
    until = time.monotonic() + wait_s
    while True:
        descriptor = os.open(part, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if _is_at(descriptor, part):
                return os.fdopen(descriptor, "r+b")
        except BlockingIOError:
            if time.monotonic() >= until:
                os.close(descriptor)
                raise Unavailable(f"Another process is writing {path.name}: try again when it is done.") from None
            time.sleep(_POLL_S)
        os.close(descriptor)  # the one before us is done, or we try again


def _is_at(descriptor: int, part: Path) -> bool:
    """Whether the locked file still bears the part's name: the writer before us may have given it the final one."""
    try:
        return os.path.samestat(os.fstat(descriptor), part.stat())
    except FileNotFoundError:
        return False


def _resume(file: BinaryIO, purpose: str, mark: Path, on_read: Callable[[int], None] | None) -> Part:
    """Go on behind the last checkpoint, if what is there is what the mark says; else begin anew."""
    rows, size, sha256 = _read_mark(mark, purpose)
    digest = hashlib.sha256()
    for read in _hash_into(digest, file, size):
        if on_read is not None:
            on_read(rows * read // size)
    if not rows or digest.hexdigest() != sha256:
        rows, size, digest = 0, 0, hashlib.sha256()
        mark.unlink(missing_ok=True)
    file.truncate(size)
    file.seek(size)
    return Part(file, digest, rows, purpose, mark)


def _read_mark(mark: Path, purpose: str) -> tuple[int, int, str]:
    """Rows, bytes and SHA-256 of what is whole; nothing where there is no mark, a torn one, or one of other content."""
    try:
        kept = json.loads(mark.read_text())
        if kept["purpose"] == purpose:
            return int(kept["rows"]), int(kept["bytes"]), str(kept["sha256"])
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return 0, 0, ""
    return 0, 0, ""


def _hash_into(digest: hashlib._Hash, file: BinaryIO, size: int) -> Iterator[int]:
    """Hash the beginning of a file, telling after each block how many bytes are read."""
    read = 0
    file.seek(0)
    while read < size and (block := file.read(min(_READ_BYTES, size - read))):
        digest.update(block)
        read += len(block)
        yield read


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _unwritable(path: Path, error: OSError) -> InvalidInput:
    return InvalidInput(f"Cannot write {path}: {error.strerror or error}.", path=str(path))
