"""Files of codes that others made: read line by line in constant memory, whatever is in them.

A line is a row; a line break within quotes ends the row all the same, so that the report's line numbers are those of
any editor. Lines, columns and encodings are bounded; what breaks a bound is a flaw of its line and never of the file.
"""

from __future__ import annotations

import codecs
import csv
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

from codegen.patterns import Flawed, Pattern
from kernel.errors import InvalidInput

FILE_BYTES_MAX: Final = 8 << 30
LINES_MAX: Final = 50_000_000
"""Lines of one file, blank ones too, besides its header."""
LINE_BYTES_MAX: Final = 65_536
COLUMN_MAX: Final = 1_000
"""The furthest column that may be chosen; columns behind it cost nothing, for a line is cut at the chosen one."""
HEADER_CHARS_MAX: Final = 60
READ_BYTES: Final = 1 << 20
DELIMITERS: Final = {"comma": ",", "semicolon": ";", "tab": "\t", "bar": "|"}
ENCODINGS: Final = ("auto", "utf-8", "gb18030", "utf-16-le", "utf-16-be")

_BOMS: Final = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))
_KINDS: Final = (
    (b"\x1f\x8b", "a gzip archive: unpack it first"),
    (b"PK\x03\x04", "a ZIP archive or an Excel workbook (.xlsx): save the sheet as CSV"),
    (b"\xd0\xcf\x11\xe0", "an old Excel workbook (.xls): save the sheet as CSV"),
    (b"%PDF-", "a PDF"),
    (b"BZh", "a bzip2 archive: unpack it first"),
    (b"\xfd7zXZ\x00", "an xz archive: unpack it first"),
    (b"\x28\xb5\x2f\xfd", "a zstd archive: unpack it first"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive: unpack it first"),
    (b"Rar!\x1a\x07", "a RAR archive: unpack it first"),
    (b"\x89PNG\r\n", "a picture (PNG)"),
    (b"\xff\xd8\xff", "a picture (JPEG)"),
    (b"SQLite format 3\x00", "a SQLite database"),
    (b"age-encryption.org/", "a file encrypted with age: decrypt it first"),
)  # fmt: skip
"""How files begin that are often renamed to .csv, and what to say of them."""


@dataclass(frozen=True, slots=True)
class Columns:
    """How a file is laid out.

    Attributes:
        column: The header's name of the column that holds the codes, or its number from 1.
        header: Whether the first line that is not blank is a header; it is where the column has a name.
        delimiter: Between columns: a name of `DELIMITERS`.
        encoding: One of `ENCODINGS`; `auto` reads a byte order mark, else each line as UTF-8 or, where it is none,
            as GB18030 (which GBK is part of).
    """

    column: str = "1"
    header: bool = False
    delimiter: str = "comma"
    encoding: str = "auto"

    def __post_init__(self) -> None:
        if self.delimiter not in DELIMITERS:
            raise InvalidInput(f"The delimiter is one of {', '.join(DELIMITERS)}.", field="delimiter")
        if self.encoding not in ENCODINGS:
            raise InvalidInput(f"The encoding is one of {', '.join(ENCODINGS)}.", field="encoding")
        if not 1 <= len(self.column) <= HEADER_CHARS_MAX or not self.column.isprintable():
            raise InvalidInput(f"A column is its number or its name of at most {HEADER_CHARS_MAX} characters.",
                               field="column")  # fmt: skip
        if self.number is not None and not 1 <= self.number <= COLUMN_MAX:
            raise InvalidInput(f"Columns are numbered from 1 to {COLUMN_MAX:,}.", field="column")

    @property
    def number(self) -> int | None:
        """The column's number, or None where it is chosen by its name."""
        return int(self.column) if self.column.isascii() and self.column.isdigit() else None


def open_file(path: Path) -> BinaryIO:
    """Open a file to be imported, unless what it is shows at once.

    Raises:
        InvalidInput: there is none, it is a folder, empty, too large, or no text; the sentence says what it is.
    """
    try:
        if not stat.S_ISREG(path.stat().st_mode):  # opening a pipe would wait for its writer
            raise InvalidInput(f"{path} is no regular file.", field="file")
        file = path.open("rb")
    except OSError as error:
        raise InvalidInput(f"Cannot read {path}: {error.strerror}.", field="file") from error
    try:
        judge_beginning(file.read(4096), os.fstat(file.fileno()).st_size)
        file.seek(0)
    except BaseException:
        file.close()
        raise
    return file


def judge_beginning(beginning: bytes, size: int) -> None:
    """Refuse what is no text.

    Raises:
        InvalidInput: the sentence names what the file is.
    """
    if not beginning:
        raise InvalidInput("The file is empty.", field="file")
    if size > FILE_BYTES_MAX:
        raise InvalidInput(f"A file has at most {FILE_BYTES_MAX >> 30} GiB; cut it.", field="file")
    for mark, kind in _KINDS:
        if beginning.startswith(mark):
            raise InvalidInput(f"The file is no text but {kind}.", field="file")
    if not any(beginning.startswith(mark) for mark, _ in _BOMS) and beginning[1::2].count(0) > len(beginning) // 4:
        raise InvalidInput(
            "The file looks like UTF-16 without a byte order mark: name its encoding (utf-16-le), or save it as UTF-8.",
            field="encoding",
        )


def read(file: BinaryIO, pattern: Pattern, columns: Columns) -> Iterator[tuple[int, list[str | Flawed | None]]]:
    """Read a file's rows.

    Args:
        file: At its beginning.
        pattern: What a code looks like.
        columns: Where the codes stand.

    Yields:
        The number of a block's first line, and for each of its lines the canonical code, what is wrong with it, or
        None where the line is blank or the header.

    Raises:
        InvalidInput: no such column, or too many lines.
    """
    beginning = file.read(4)
    mark, encoding = next(((m, e) for m, e in _BOMS if beginning.startswith(m)), (b"", columns.encoding))
    file.seek(len(mark))
    index = None if columns.number is None else columns.number - 1
    header = columns.header or index is None
    delimiter = DELIMITERS[columns.delimiter]
    line = 1
    for lines in _lines(_blocks(file, encoding)):
        if line + len(lines) > LINES_MAX + 2:
            raise InvalidInput(f"The file has more than {LINES_MAX:,} lines: cut it.", field="file")
        found: list[str | Flawed | None] = []
        for raw in lines:
            if raw is not None and not raw.strip():
                found.append(None)
            elif header:
                header = False
                index = _column(raw, delimiter, encoding, columns)
                found.append(None)
            else:
                assert index is not None
                try:
                    found.append(pattern.read_cell(_cell(raw, delimiter, encoding, index)))
                except Flawed as flaw:
                    found.append(flaw)
        yield line, found
        line += len(lines)


def _blocks(file: BinaryIO, encoding: str) -> Iterator[bytes]:
    """The file's bytes in a superset of ASCII; UTF-16 is recoded, a half or impossible character becoming U+FFFD."""
    decoder = None
    if encoding.startswith("utf-16"):
        decoder = codecs.getincrementaldecoder(encoding)("replace")
    while block := file.read(READ_BYTES):
        yield block if decoder is None else decoder.decode(block).encode("utf-8", "replace")
    if decoder is not None:
        yield decoder.decode(b"", final=True).encode("utf-8", "replace")


def _lines(blocks: Iterator[bytes]) -> Iterator[list[bytes | None]]:
    """Lines that end with LF, CRLF or CR; None stands for one that is too long, whose end is skipped to."""
    rest = b""
    skipping = False
    for block in blocks:
        data = rest + block
        held = data.endswith(b"\r")  # whether a line feed follows, the next block says
        if held:
            data = data[:-1]
        parts: list[bytes | None] = list(data.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n"))
        last = parts.pop() or b""
        if skipping and parts:
            parts[0], skipping = None, False
        if skipping or len(last) > LINE_BYTES_MAX:
            skipping, last = True, b""
        rest = last + (b"\r" if held else b"")
        yield [None if each is None or len(each) > LINE_BYTES_MAX else each for each in parts]
    if skipping:
        yield [None]
    elif rest:
        yield [rest.removesuffix(b"\r")]


def _decode(raw: bytes, encoding: str) -> str:
    if raw.isascii():
        return raw.decode("ascii")
    for each in ("utf-8", "gb18030") if encoding == "auto" else (encoding,):
        try:
            return raw.decode("utf-8" if each.startswith("utf-16") else each)
        except UnicodeDecodeError:
            continue
    raise Flawed("encoding")


def _cells(text: str, delimiter: str, most: int) -> list[str]:
    if '"' not in text:
        return text.split(delimiter, most)
    try:
        return next(csv.reader([text], delimiter=delimiter, strict=True))
    except (csv.Error, StopIteration):
        raise Flawed("quotes") from None


def _cell(raw: bytes | None, delimiter: str, encoding: str, index: int) -> str:
    if raw is None:
        raise Flawed("long")
    if b"\0" in raw:
        raise Flawed("nul")
    cells = _cells(_decode(raw, encoding), delimiter, index + 1)
    if index >= len(cells):
        raise Flawed("column")
    return cells[index].strip()


def _column(raw: bytes | None, delimiter: str, encoding: str, columns: Columns) -> int:
    """The index of the chosen column."""
    if columns.number is not None:
        return columns.number - 1
    try:
        names = [each.strip() for each in _cells(_decode(raw or b"", encoding), delimiter, COLUMN_MAX)]
    except Flawed as flaw:
        raise InvalidInput(f"The header cannot be read ({flaw.kind}): choose the column by its number.",
                           field="column") from None  # fmt: skip
    if columns.column not in names[:COLUMN_MAX]:
        raise InvalidInput(f"The header has no column {columns.column!r}.", field="column")
    return names.index(columns.column)
