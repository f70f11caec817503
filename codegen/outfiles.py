"""Files that are there whole or not at all."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from kernel.errors import InvalidInput


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
    the name before stays untouched until then. Only its owner may read it: an unclaimed code is money.

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
    try:
        descriptor, name = tempfile.mkstemp(prefix=f".{path.name[:200]}.", suffix=".part", dir=path.parent)
    except OSError as error:
        raise InvalidInput(f"Cannot write in {path.parent}: {error.strerror}.", path=str(path)) from error
    return descriptor, Path(name)


def probe_writable(path: Path) -> None:
    """Find out now whether `replacing` could write there, before anything is spent on it.

    Raises:
        InvalidInput: as `replacing`, but for a full disk.
    """
    descriptor, temporary = _reserve(path)
    os.close(descriptor)
    temporary.unlink()
