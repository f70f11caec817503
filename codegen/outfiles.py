"""Files that are there whole or not at all."""

from __future__ import annotations

import fcntl
import glob
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from kernel.errors import InvalidInput

_PART = ".part"


@dataclass(frozen=True, slots=True)
class PrintReport:
    """What was written.

    Attributes:
        labels: How many labels the file holds.
        pages: How many sheets, pictures or label formats they fill.
        lettering: How the product's name was set, for a person to read: the font whose shapes are in the
            file, or what the reader of the file must supply, or that there was none to set.
    """

    labels: int
    pages: int
    lettering: str


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """A file to write that takes the name `path` when the block ends well, and vanishes when it does not.

    It lies in the same folder under a temporary name, is flushed to the disk, then renamed; a file that had
    the name before stays untouched until then. Only its owner may read it: an unclaimed code is money. What a
    killed process left under a temporary name of this file is removed first.

    Args:
        path: The final name; its folder exists.

    Raises:
        InvalidInput: The folder does not exist or cannot be written, the name is a folder's, or the disk is full.
    """
    descriptor, temporary = _reserve(path)
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
            file.flush()
            os.fsync(descriptor)
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise InvalidInput(f"Cannot write {path}: {error.strerror or error}.", path=str(path)) from error
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _reserve(path: Path) -> tuple[int, Path]:
    if path.is_dir():
        raise InvalidInput(f"{path} is a folder, not a file to write.", path=str(path))
    if path.exists() and not path.is_file():  # a pipe or a device would be replaced by a file
        raise InvalidInput(f"{path} is no regular file.", path=str(path))
    prefix = f".{path.name[:200]}."
    try:
        _sweep(path.parent, prefix)
        descriptor, name = tempfile.mkstemp(prefix=prefix, suffix=_PART, dir=path.parent)
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        raise InvalidInput(f"Cannot write in {path.parent}: {error.strerror}.", path=str(path)) from error
    return descriptor, Path(name)


def _sweep(folder: Path, prefix: str) -> None:
    """Remove parts whose writer is gone: a writer holds a lock on its part, which ends with it however it ends."""
    for part in folder.glob(f"{glob.escape(prefix)}*{_PART}"):
        try:
            descriptor = os.open(part, os.O_RDONLY | os.O_NOFOLLOW)
        except OSError:  # gone meanwhile, or another user's: not ours to remove
            continue
        try:
            # A part just made is not locked yet for a moment; an empty one holds no code.
            if os.fstat(descriptor).st_size:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                part.unlink(missing_ok=True)
        except BlockingIOError:  # its writer lives
            continue
        finally:
            os.close(descriptor)


def probe_writable(path: Path) -> None:
    """Find out now whether `replacing` could write there, before anything is spent on it.

    Raises:
        InvalidInput: as `replacing`, but for a full disk.
    """
    descriptor, temporary = _reserve(path)
    os.close(descriptor)
    temporary.unlink()
