"""Reading strangers' files in a child process that can lose nothing: no keys, no database, bounded in memory and time.

Picture and PDF libraries are large, and files can be made to break them. So a file is opened by a process that
holds no secret and no connection, may not write files, and is killed when it takes too much memory or time; what
it tells is judged as what a stranger says. A fault of a library is then a sentence about the file.

Parent and child talk over a socket: the parent sends a line of JSON with the open file beside it, the child one
line for each page, and one at the end.
"""

from __future__ import annotations

import base64
import io
import json
import os
import resource
import signal
import socket
import stat
import subprocess
import sys
import time
import warnings
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Final, Self

from PIL import Image

from codegen.grades import Grades, Parameter
from codegen.photos import LIMITS, Limits, Page, Remark
from codegen.readback import ReadSymbol, read_pages
from codegen.repainting import Painted, repaint
from kernel.errors import InvalidInput, Unavailable, YimaError

MESSAGE_BYTES_MAX: Final = 32 << 20
"""Longest line that the child may send: a page of 5,000 symbols with their parameters has 10 MB."""

PREVIEW_SIDE_PX: Final = 1_200
_START_S_MAX: Final = 60
_NAME_CHARS_MAX: Final = 1_000
_PROGRAM: Final = "from codegen.confined import serve; serve()"
_ENVIRONMENT: Final = ("PATH", "LANG", "LC_ALL", "TZ", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "TMPDIR")
_FILES_MAX: Final = 64  # descriptors of the child


@dataclass(frozen=True, slots=True)
class ReadPage:
    """One page as it was read.

    Attributes:
        source: The file's name as it was given.
        number: From 1.
        width: In pixels, as all corners.
        height: In pixels.
        symbols: What stands on it.
        preview: The page as a small JPEG; empty where none was asked for.
    """

    source: str
    number: int
    width: int
    height: int
    symbols: tuple[ReadSymbol, ...]
    preview: bytes


@dataclass(frozen=True, slots=True)
class Said:
    """Something about a file that whoever gave it should know."""

    source: str
    sentence: str


class Reader:
    """Reads files, one after the other, in a child process; a child that was lost is followed by another.

    Not for several threads at once.
    """

    def __init__(self, limits: Limits = LIMITS, *, previews: int = 0, total_s_max: float | None = None) -> None:
        """Make ready; the child starts with the first file.

        Args:
            limits: What a file may cost.
            previews: Of how many pages of each file a preview is wanted.
            total_s_max: Seconds that all files together may take; None without a limit.
        """
        self._limits = limits
        self._ends = None if total_s_max is None else time.monotonic() + total_s_max
        self._previews = previews
        self._child: subprocess.Popen[bytes] | None = None
        self._socket: socket.socket | None = None
        self._heard = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()

    def read_path(self, path: Path) -> Iterator[ReadPage | Said]:
        """Read a file of the disk.

        Raises:
            InvalidInput: It is missing, no regular file, of a kind that is not read, damaged, or made to do harm.
        """
        with open_regular(path, self._limits.bytes_max) as file:
            yield from self.read(file, str(path))

    def read(self, file: BinaryIO, name: str) -> Iterator[ReadPage | Said]:
        """Read a file that has a descriptor, page by page.

        Raises:
            InvalidInput: It is of a kind that is not read, damaged, or made to do harm.
            Unavailable: No child process could be started.
        """
        try:
            yield from self._read(file, name[:_NAME_CHARS_MAX])
        except BaseException:
            self._stop()  # what it was about is not known: the next file gets a new child
            raise

    def repaint(self, file: BinaryIO, name: str, *, side_px_max: int, lossless: bool = False) -> Painted:
        """Have a picture painted anew (see `codegen.repainting`).

        Raises:
            InvalidInput: It is of a kind that is not read, damaged, or made to do harm.
            Unavailable: No child process could be started.
        """
        try:
            return self._painted(file, name[:_NAME_CHARS_MAX], side_px_max, lossless=lossless)
        except BaseException:
            self._stop()  # what it was about is not known: the next file gets a new child
            raise

    def _painted(self, file: BinaryIO, name: str, side_px_max: int, *, lossless: bool) -> Painted:
        wanted = {"repaint": {"side_px_max": side_px_max, "lossless": lossless}}
        match list(self._ask(file, name, wanted)):
            case [{"painted": str(packed), "type": "png" | "jpeg" as kind}]:
                return Painted(base64.b64decode(packed), kind)
            case _:
                raise self._lost(name)

    def _read(self, file: BinaryIO, name: str) -> Iterator[ReadPage | Said]:
        for said in self._ask(file, name, {"previews": self._previews}):
            match said:
                case {"page": page}:
                    yield _page(page, name)
                case {"remark": str(sentence)}:
                    yield Said(name, sentence)
                case _:
                    raise self._lost(name)

    def _ask(self, file: BinaryIO, name: str, wanted: dict[str, Any]) -> Iterator[Any]:
        """Everything that the child says of a file, until it says that this was all."""
        limits = self._limits
        self._start()
        assert self._socket is not None
        request = {"name": name, "limits": asdict(limits), **wanted}
        ends = time.monotonic() + limits.file_s_max
        if self._ends is not None:
            ends = min(ends, self._ends)
        try:
            socket.send_fds(self._socket, [json.dumps(request).encode() + b"\n"], [file.fileno()])
        except OSError as error:
            raise self._lost(name) from error
        while True:
            said = self._hear(name, min(limits.page_s_max, ends - time.monotonic()))
            match said:
                case {"error": str(sentence), "problem": str(problem)}:
                    raise InvalidInput(sentence, problem=problem)
                case {"end": True}:
                    return
                case _:
                    yield said

    def _hear(self, name: str, seconds: float) -> Any:  # noqa: ANN401 (JSON, judged by the caller)
        """The child's next line."""
        assert self._socket is not None
        deadline = time.monotonic() + seconds
        parts = [self._heard]
        length = len(self._heard)
        while b"\n" not in parts[-1]:
            left = deadline - time.monotonic()
            if left <= 0 or length > MESSAGE_BYTES_MAX:
                raise self._too_long(name) if left <= 0 else self._lost(name)
            self._socket.settimeout(left)
            try:
                part = self._socket.recv(1 << 18)
            except TimeoutError:
                raise self._too_long(name) from None
            except OSError as error:
                raise self._lost(name) from error
            if not part:
                raise self._lost(name)
            parts.append(part)
            length += len(part)
        line, _, self._heard = b"".join(parts).partition(b"\n")
        try:
            return json.loads(line)
        except (ValueError, RecursionError) as error:
            raise self._lost(name) from error

    def _too_long(self, name: str) -> InvalidInput:
        seconds = self._limits.page_s_max
        return InvalidInput(
            f"{name} takes longer to read than is allowed ({seconds:g} s a page); it was given up.", problem="time"
        )

    def _lost(self, name: str) -> InvalidInput:
        """What to say of a file on which the child ended."""
        child = self._child
        status = None
        if child is not None:
            try:
                status = child.wait(1)
            except subprocess.TimeoutExpired:
                status = None
        if status == -signal.SIGXCPU:
            return InvalidInput(f"{name} takes more computing than is allowed; it was given up.", problem="time")
        megabytes = self._limits.memory_bytes_max >> 20
        return InvalidInput(
            f"{name} breaks what reads it, or needs more than {megabytes:,} MiB of memory: it is damaged, or made to "
            "do harm.", problem="broken",
        )  # fmt: skip

    def _start(self) -> None:
        if self._child is not None and self._child.poll() is None:
            return
        self._stop()
        ours, theirs = socket.socketpair()
        inherited = {name: os.environ[name] for name in _ENVIRONMENT if name in os.environ}
        # Every thread of a mathematics library reserves address space.
        threads = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
        try:
            self._child = subprocess.Popen(
                [sys.executable, "-I", "-B", "-c", _PROGRAM], stdin=theirs.fileno(), stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL, env=inherited | threads, close_fds=True, start_new_session=True, cwd="/",
            )  # fmt: skip
        except OSError as error:
            ours.close()
            raise Unavailable("No process could be started to read the file in; try again.") from error
        finally:
            theirs.close()
        self._socket, self._heard = ours, b""
        if self._hear("The reader", _START_S_MAX) != {"ready": True}:
            raise Unavailable("The process that reads files does not start; try again.")

    def _stop(self) -> None:
        if self._socket is not None:
            self._socket.close()
        if self._child is not None:
            self._child.kill()
            self._child.wait()
        self._child, self._socket, self._heard = None, None, b""


def open_regular(path: Path, bytes_max: int) -> BinaryIO:
    """Open a regular file of at most so many bytes, never waiting for whoever is at the other end of a pipe.

    Raises:
        InvalidInput: It is missing, a folder, a pipe or a device, may not be read, is empty, or too long.
    """
    try:
        file = os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb")
    except OSError as error:
        raise InvalidInput(f"Cannot read {path}: {error.strerror}.") from error
    found = os.fstat(file.fileno())
    if stat.S_ISREG(found.st_mode) and found.st_size <= bytes_max:
        return file
    file.close()
    if stat.S_ISREG(found.st_mode):
        raise InvalidInput(f"{path} has {found.st_size:,} bytes, above {bytes_max:,}.")
    raise InvalidInput(f"Cannot read {path}: it is no regular file.")


def _page(said: dict[str, Any], name: str) -> ReadPage:
    """A page as the child told it.

    Raises:
        InvalidInput: It told something else.
    """
    try:
        number = int(said["number"])
        symbols = tuple(_symbol(each, name, number) for each in said["symbols"])
        preview = base64.b64decode(said["preview"])
        return ReadPage(name, number, int(said["width"]), int(said["height"]), symbols, preview)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InvalidInput(f"{name} breaks what reads it: it is made to do harm.", problem="broken") from error


def _symbol(said: dict[str, Any], name: str, page: int) -> ReadSymbol:
    corners = tuple((float(x), float(y)) for x, y in said["corners"])
    grades = None
    if said["grades"] is not None:
        given = said["grades"]
        parameters = tuple(
            Parameter(str(each["name"]), float(each["value"]), _grade(each["grade"])) for each in given["parameters"]
        )
        fitted = tuple((float(x), float(y)) for x, y in given["corners"])
        grades = Grades(parameters, float(given["growth"]), bool(given["inverted"]), fitted)
    return ReadSymbol(name, page, str(said["text"]), bool(said["zbar"]), bool(said["zxing"]), corners, grades)


def _grade(said: int | None) -> int | None:
    if said is None:
        return None
    return min(max(int(said), 0), 4)


# --- in the child -------------------------------------------------------------------------------------------


def serve() -> None:
    """The child: read the files that come over standard input until it is closed."""
    channel = socket.socket(fileno=0)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_NOFILE, (_FILES_MAX, _FILES_MAX))
    Image.MAX_IMAGE_PIXELS = None  # the limit of `photos` is the one that is told
    warnings.simplefilter("ignore")
    _send(channel, {"ready": True})
    while True:
        line, descriptors, _, _ = socket.recv_fds(channel, 1 << 16, 1)
        if not line:
            return
        request = json.loads(line)
        with os.fdopen(descriptors[0], "rb") as file:
            file.seek(0)
            _serve_one(channel, file, request)


def _serve_one(channel: socket.socket, file: BinaryIO, request: dict[str, Any]) -> None:
    name, limits = request["name"], Limits(**request["limits"])
    _confine(limits)
    try:
        if "repaint" in request:
            painted = repaint(file, name, limits, **request["repaint"])
            _send(channel, {"painted": base64.b64encode(painted.content).decode(), "type": painted.type})
        else:
            _serve_pages(channel, file, name, limits, request["previews"])
    except YimaError as error:
        _send(channel, {"error": error.message, "problem": str(error.details.get("problem", "damaged"))})
    except MemoryError:
        sentence = f"{name} needs more than {limits.memory_bytes_max >> 20:,} MiB of memory."
        _send(channel, {"error": sentence, "problem": "memory"})
    except RecursionError:
        _send(channel, {"error": f"{name} is damaged: it is nested too deeply.", "problem": "damaged"})
    else:
        _send(channel, {"end": True})


def _serve_pages(channel: socket.socket, file: BinaryIO, name: str, limits: Limits, previews: int) -> None:
    for each in read_pages(file, name, limits):
        if isinstance(each, Remark):
            _send(channel, {"remark": each.sentence})
            continue
        page, symbols = each
        preview = _preview(page) if page.number <= previews else b""
        _send(channel, {"page": _told(page, symbols, preview)})


def _confine(limits: Limits) -> None:
    """Bound memory, and the computing that one more file may take."""
    resource.setrlimit(resource.RLIMIT_AS, (limits.memory_bytes_max, limits.memory_bytes_max))
    used = resource.getrusage(resource.RUSAGE_SELF)
    allowed = int(used.ru_utime + used.ru_stime + limits.file_s_max) + 1
    resource.setrlimit(resource.RLIMIT_CPU, (allowed, resource.getrlimit(resource.RLIMIT_CPU)[1]))


def _told(page: Page, symbols: list[ReadSymbol], preview: bytes) -> dict[str, Any]:
    height, width = page.grey.shape
    return {
        "number": page.number, "width": width, "height": height, "symbols": [asdict(each) for each in symbols],
        "preview": base64.b64encode(preview).decode(),
    }  # fmt: skip


def _preview(page: Page) -> bytes:
    image = Image.fromarray(page.grey)
    image.thumbnail((PREVIEW_SIDE_PX, PREVIEW_SIDE_PX))
    packed = io.BytesIO()
    image.save(packed, "JPEG", quality=70)
    return packed.getvalue()


def _send(channel: socket.socket, said: dict[str, Any]) -> None:
    channel.sendall(json.dumps(said).encode() + b"\n")
