"""How the rows of a data file look: its columns, what separates them, how text becomes bytes. Pure.

A layout is a small document that a brand keeps. Its columns hold either what differs from row to row (the code
and what follows from it, numbers) or one text for all rows. Check columns are for the controller or the camera
to find a damaged row by; they prove nothing about a code, which its own signature does:

* `crc32`: CRC-32 as in ISO-HDLC, zlib and PNG, over the bytes of the URL that the symbol holds; eight upper
  case hexadecimal digits.
* `mod97`: two check digits over the twenty symbols of the code by ISO/IEC 7064 MOD 97-10, letters counted
  A = 10 to Z = 35 as in an IBAN: the symbols followed by the digits leave the remainder 1.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

from codegen import fields
from kernel.errors import InvalidInput

COLUMNS_MAX: Final = 32
TITLE_CHARS_MAX: Final = 40
TEXT_CHARS_MAX: Final = 120
WIDTH_MAX: Final = 12

PER_CODE: Final = ("url", "code", "grouped", "serial", "crc32", "mod97")
"""Columns of a code: they name their side, outer or inner."""
PER_ROW: Final = ("line", "number")
"""Columns of a row: its line in the batch, and the running number in the file, both from 1."""
CONSTANT: Final = ("gtin", "batch", "order", "product", "text")
"""Columns that are alike in all rows."""
KINDS: Final = (*PER_CODE, *PER_ROW, *CONSTANT)
SIDES: Final = ("outer", "inner")
GROUP_SEPARATORS: Final = {"space": " ", "hyphen": "-"}

ENCODINGS: Final[dict[str, tuple[str, bytes]]] = {
    "utf-8": ("utf-8", b""),
    "utf-8-bom": ("utf-8", b"\xef\xbb\xbf"),
    "gb18030": ("gb18030", b""),
    "gb18030-bom": ("gb18030", b"\x84\x31\x95\x33"),
}
"""Python's name of each encoding, and the byte order mark that the file begins with."""
LINE_ENDS: Final = {"lf": "\n", "crlf": "\r\n", "cr": "\r"}
QUOTINGS: Final = ("minimal", "all", "none")
EXTENSIONS: Final = (".csv", ".txt", ".dat")
DELIMITER_NAMES: Final = {
    "comma": ",",
    "semicolon": ";",
    "tab": "\t",
    "bar": "|",
    "space": " ",
    "tilde": "~",
    "caret": "^",
}
QUOTE: Final = '"'

_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n")
_IN_COLUMNS: Final = frozenset("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ:/.%-_")  # of URLs, codes and numbers


@dataclass(frozen=True, slots=True)
class Column:
    """One column.

    Attributes:
        kind: one of `KINDS`.
        side: whose code, of columns of a code: `outer`, which is also the only code of a unit that has one, or
            `inner`. Empty for others.
        title: what the header calls it.
        width: digits that a number is filled up to with zeros; 0 leaves it as it is.
        separator: what stands between groups of four of a grouped code: `space` or `hyphen`.
        text: what a column of text holds.
    """

    kind: str
    side: str = ""
    title: str = ""
    width: int = 0
    separator: str = "space"
    text: str = ""


@dataclass(frozen=True, slots=True)
class DataLayout:
    """How the rows of a data file look.

    Attributes:
        name: the layout's name; `plain` is one URL a line, with a pair `OUTER,INNER`.
        extension: of the file's name, with its dot.
        columns: from left to right; none for `plain`, whose columns follow from the batch.
        delimiter: one character between columns.
        quoting: `minimal` quotes what must be (RFC 4180), `all` everything, `none` nothing: there a text that
            would need quotes is refused.
        header: whether the first row names the columns.
        line_end: `lf`, `crlf` or `cr`; the last row has one too.
        encoding: one of `ENCODINGS`.
        spreadsheet: whether people open the file in a spreadsheet: then an apostrophe goes before a text that
            would begin a formula (CWE-1236). A printer would print it: leave it off for machines.
        note: what it is for, for people.
    """

    name: str = "plain"
    extension: str = ".txt"
    columns: tuple[Column, ...] = ()
    delimiter: str = ","
    quoting: str = "minimal"
    header: bool = False
    line_end: str = "lf"
    encoding: str = "utf-8"
    spreadsheet: bool = False
    note: str = ""

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the layout but its name and note, in hexadecimal: two files of equal ones look alike."""
        kept = {key: value for key, value in asdict(self).items() if key not in {"name", "note"}}
        return hashlib.sha256(json.dumps(kept, sort_keys=True).encode()).hexdigest()

    def columns_for(self, *, paired: bool) -> tuple[Column, ...]:
        """The columns of a file of a batch.

        Raises:
            InvalidInput: a column wants the inner code of a batch whose units have one code each.
        """
        columns = self.columns or tuple(Column("url", side) for side in (SIDES if paired else SIDES[:1]))
        for number, column in enumerate(columns, start=1):
            if column.side == "inner" and not paired:
                raise InvalidInput(
                    f"Column {number} of the layout {self.name} is of the inner code, and the batch has one code a "
                    "unit.",
                    field="layout",
                )
        return columns

    def cell(self, value: str, where: str) -> str:
        """A text as a cell: neutral for spreadsheets and quoted, as the layout says.

        Raises:
            InvalidInput: nothing is quoted here, and the text would need it.
        """
        if self.spreadsheet and value.startswith(_FORMULA):
            value = f"'{value}"
        needed = any(sign in value for sign in (self.delimiter, QUOTE, "\r", "\n"))
        if self.quoting == "none":
            if needed:
                raise InvalidInput(
                    f"{where} is {value[:60]!r}, which holds the delimiter, a quote or a line end, and the layout "
                    f"{self.name} quotes nothing.",
                    field="layout",
                )
            return value
        if needed or self.quoting == "all":
            return f"{QUOTE}{value.replace(QUOTE, QUOTE * 2)}{QUOTE}"
        return value

    def encode(self, text: str, where: str) -> bytes:
        """Text as the file's bytes.

        Raises:
            InvalidInput: half a surrogate pair, which no encoding has.
        """
        try:
            return text.encode(ENCODINGS[self.encoding][0])
        except UnicodeEncodeError as error:
            raise InvalidInput(f"{where} holds {text[error.start]!r}, which {self.encoding} does not have.") from error


PLAIN: Final = DataLayout(note="One URL a line; with a pair OUTER,INNER.")


def title_of(column: Column) -> str:
    """What the header calls a column."""
    return column.title or "_".join(filter(None, (column.side if column.side == "inner" else "", column.kind)))


def parse(name: str, document: Mapping[str, Any]) -> DataLayout:
    """A layout from its document, everything held against the limits.

    Raises:
        InvalidInput: a field is missing, unknown or outside its limits; the sentence names it.
    """
    fields.require_name(name, "layout")
    fields.require_known(
        document,
        ("columns", "delimiter", "encoding", "extension", "header", "line_end", "note", "quoting", "spreadsheet"),
        "A layout",
    )
    columns = document.get("columns")
    if not isinstance(columns, (list, tuple)) or not 1 <= len(columns) <= COLUMNS_MAX:
        count = len(columns) if isinstance(columns, (list, tuple)) else 0
        raise InvalidInput(f"A layout has 1 to {COLUMNS_MAX} columns, not {count:,}.", field="columns")
    layout = DataLayout(
        name=name,
        extension=fields.read_choice(document, "extension", ".csv", EXTENSIONS),
        columns=tuple(_parse_column(number, each) for number, each in enumerate(columns, start=1)),
        delimiter=_parse_delimiter(document),
        quoting=fields.read_choice(document, "quoting", "minimal", QUOTINGS),
        header=fields.read_flag(document, "header", default=False),
        line_end=fields.read_choice(document, "line_end", "lf", LINE_ENDS),
        encoding=fields.read_choice(document, "encoding", "utf-8", ENCODINGS),
        spreadsheet=fields.read_flag(document, "spreadsheet", default=False),
        note=fields.read_text(document, "note", "", most=TEXT_CHARS_MAX),
    )
    _judge_columns(layout)
    return layout


def document_of(layout: DataLayout) -> dict[str, Any]:
    """What `parse` reads, of a layout that has columns."""
    document = asdict(layout)
    del document["name"]
    document["columns"] = [
        {key: value for key, value in asdict(column).items() if key == "kind" or value != getattr(_PLAINEST, key)}
        for column in layout.columns
    ]
    return document


_PLAINEST: Final = Column("url")


def _parse_delimiter(document: Mapping[str, Any]) -> str:
    given = document.get("delimiter", ",")
    delimiter = DELIMITER_NAMES.get(given, given) if isinstance(given, str) else ""
    if len(delimiter) != 1 or not (delimiter == "\t" or " " <= delimiter <= "~"):
        raise InvalidInput(
            f"The delimiter is one ASCII character or one of {', '.join(DELIMITER_NAMES)}, not {str(given)[:20]!r}.",
            field="delimiter",
        )
    if delimiter in {QUOTE, "'"}:
        raise InvalidInput("The delimiter is a quote: rows could not be read again.", field="delimiter")
    if delimiter.upper() in _IN_COLUMNS:
        raise InvalidInput(
            f"The delimiter {delimiter!r} stands in codes, URLs or numbers: rows could not be read again.",
            field="delimiter",
        )
    return delimiter


def _parse_column(number: int, given: object) -> Column:
    where = f"Column {number}"
    if not isinstance(given, Mapping):
        raise InvalidInput(f"{where} is no object with a kind.", field="columns")
    try:
        fields.require_known(given, ("kind", "side", "title", "width", "separator", "text"), where)
        kind = fields.read_choice(given, "kind", "", KINDS)
        column = Column(
            kind=kind,
            side=fields.read_choice(given, "side", "outer", SIDES) if kind in PER_CODE else "",
            title=fields.read_text(given, "title", "", most=TITLE_CHARS_MAX),
            width=fields.read_whole(given, "width", 0, low=0, high=WIDTH_MAX),
            separator=fields.read_choice(given, "separator", "space", GROUP_SEPARATORS),
            text=fields.read_text(given, "text", "", most=TEXT_CHARS_MAX),
        )
    except InvalidInput as error:
        raise InvalidInput(f"{where}: {error.message}", field="columns") from error
    if column.width and kind not in ("line", "number", "serial"):
        raise InvalidInput(f"{where}: only a number has a width, not {kind}.", field="columns")
    if bool(column.text) != (kind == "text"):
        raise InvalidInput(f"{where}: a column of kind text, and no other, has a text.", field="columns")
    return column


def _judge_columns(layout: DataLayout) -> None:
    seen: dict[tuple[object, ...], int] = {}
    titles: dict[str, int] = {}
    for number, column in enumerate(layout.columns, start=1):
        content = (column.kind, column.side, column.width, column.separator, column.text)
        if content in seen:
            raise InvalidInput(f"Column {number} repeats column {seen[content]}: {column.kind}.", field="columns")
        seen[content] = number
        title = title_of(column)
        if layout.header and title in titles:
            raise InvalidInput(f"Columns {titles[title]} and {number} have one title, {title!r}.", field="columns")
        titles[title] = number
        separator = GROUP_SEPARATORS[column.separator]
        if column.kind == "grouped" and separator == layout.delimiter and layout.quoting != "all":
            raise InvalidInput(
                f"Column {number}: groups are separated by the delimiter itself, and not everything is quoted.",
                field="columns",
            )
        if column.kind == "text":
            layout.encode(layout.cell(column.text, f"The text of column {number}"), f"The text of column {number}")
        if layout.header:
            layout.encode(layout.cell(title, f"The title of column {number}"), f"The title of column {number}")
    if not any(column.kind in ("url", "code", "grouped") for column in layout.columns):
        raise InvalidInput("No column holds the code or its URL: nothing could be printed.", field="columns")
