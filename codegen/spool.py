"""The spool: files to be imported, on the disk until they are judged, readable by their owner only.

An import has a folder of its name; every web and worker process must see the same one. A file handed in is copied
whole before anything is recorded of it, so that what a person changes afterwards changes nothing here.
"""

from __future__ import annotations

import hashlib
import math
import os
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from codegen import rowfiles
from kernel import ids
from kernel.errors import InvalidInput

COPY_BYTES: Final = 1 << 20
SPARE_BYTES_MIN: Final = 1 << 30
"""So much of the disk no file takes: the database may lie on the same one."""
ORPHAN_S: Final = 86_400
"""A folder that no import names is left by somebody who went away in the middle of an upload; it goes after a day."""
_GIVEN: Final = "given"


@dataclass(frozen=True, slots=True)
class Spooled:
    """A file that lies in the spool."""

    name: str
    size: int
    sha256: str


class Spooling:
    """A file on its way into the spool; without `finish` nothing of it stays.

    Args:
        root: the spool's folder.
    """

    def __init__(self, root: Path) -> None:
        self.name: Final = ids.public_id(10)
        self._folder = folder_of(root, self.name)
        self._digest = hashlib.sha256()
        self._size = 0
        self._finished = False

    def __enter__(self) -> Self:
        try:
            self._folder.mkdir(mode=0o700, parents=True)
            descriptor = os.open(self._folder / _GIVEN, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            self._file = os.fdopen(descriptor, "wb", buffering=0)
        except OSError as error:
            raise InvalidInput(f"Cannot write in {self._folder.parent}: {error.strerror}.") from error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()
        if not self._finished:
            remove(self._folder.parent, self.name)

    def write(self, block: bytes) -> None:
        """Take the next bytes.

        Raises:
            InvalidInput: no text, too large, or the disk is full.
        """
        if not self._size and block:
            rowfiles.judge_beginning(block[:4096], 0)
        self._size += len(block)
        if self._size > rowfiles.FILE_BYTES_MAX:
            raise InvalidInput(f"A file has at most {rowfiles.FILE_BYTES_MAX >> 30} GiB; cut it.", field="file")
        self._digest.update(block)
        if shutil.disk_usage(self._folder).free - len(block) < SPARE_BYTES_MIN:
            raise InvalidInput(
                "The file cannot be stored: the disk is nearly full, and its rest is kept for the database. "
                "Make room, or try again later.", field="file",
            )  # fmt: skip
        try:
            while block:
                block = block[self._file.write(block) :]
        except OSError as error:
            raise InvalidInput(f"The file cannot be stored: {error.strerror}.", field="file") from error

    def finish(self) -> Spooled:
        """Have it whole on the disk.

        Raises:
            InvalidInput: there was nothing.
        """
        if not self._size:
            raise InvalidInput("The file is empty.", field="file")
        os.fsync(self._file.fileno())
        self._finished = True
        return Spooled(self.name, self._size, self._digest.hexdigest())


def take(root: Path, path: Path, *, on_progress: Callable[[int], None] | None = None) -> Spooled:
    """Copy a file into the spool.

    Raises:
        InvalidInput: it cannot be read, is no text, or changed while it was read.
    """
    with rowfiles.open_file(path) as file, Spooling(root) as spooling:
        before = os.fstat(file.fileno())
        done = 0
        while done <= before.st_size and (block := file.read(COPY_BYTES)):  # one that grows is not followed for ever
            spooling.write(block)
            done += len(block)
            if on_progress is not None:
                on_progress(done)
        after = os.fstat(file.fileno())
        if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns) or done != before.st_size:
            raise InvalidInput(f"{path} changed while it was read: import it again when it is whole.", field="file")
        return spooling.finish()


def folder_of(root: Path, name: str) -> Path:
    """The folder of an import."""
    return root / name


def given(root: Path, name: str) -> Path:
    """The file as it was handed in."""
    return folder_of(root, name) / _GIVEN


def remove(root: Path, name: str) -> None:
    """Remove an import's folder, if it is there."""
    shutil.rmtree(folder_of(root, name), ignore_errors=True)


def orphans(root: Path, named: set[str]) -> list[str]:
    """Names of folders that are older than a day and whose import is over or was never recorded."""
    if not root.is_dir():
        return []
    oldest = time.time() - ORPHAN_S
    return [each.name for each in root.iterdir() if each.name not in named and _changed_at(each) < oldest]


def _changed_at(folder: Path) -> float:
    """When something was last put into a folder; one that somebody removes at this moment is no orphan."""
    try:
        return folder.stat().st_mtime
    except FileNotFoundError:
        return math.inf
