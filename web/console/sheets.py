"""CSV files that leave the console: streamed page by page, bounded, and harmless in a spreadsheet."""

from __future__ import annotations

import csv
import io
from collections.abc import AsyncIterator, Iterable
from typing import Final

from litestar.response import Stream

from web.console.desk import SECURITY_HEADERS

ROWS_MAX: Final = 100_000
ROWS_PER_READ: Final = 2_000

_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n")


def neutral(value: object) -> str:
    """A cell that no spreadsheet takes for a formula (CWE-1236): an apostrophe goes before what could begin one.

    Numbers stay as they are, negative ones too.
    """
    if value is None:
        return ""
    if isinstance(value, (int, float)):
        return str(value)
    given = str(value)
    return f"'{given}" if given.startswith(_FORMULA) else given


def lines(rows: Iterable[Iterable[object]]) -> bytes:
    """Rows as CSV in UTF-8 (RFC 4180)."""
    out = io.StringIO(newline="")
    csv.writer(out).writerows([neutral(cell) for cell in row] for row in rows)
    return out.getvalue().encode("utf-8", "replace")


def stream(name: str, head: list[str], pages: AsyncIterator[Iterable[Iterable[object]]]) -> Stream:
    """A file with a head line and the rows of the pages, at most `ROWS_MAX`; with a byte order mark, for Excel.

    Args:
        name: of the file, ASCII.
        head: names of the columns.
        pages: rows as they are read; nothing is held back, and no transaction stays open while the client reads.
    """

    async def body() -> AsyncIterator[bytes]:
        yield b"\xef\xbb\xbf" + lines([head])
        async for rows in pages:
            yield lines(rows)

    return Stream(
        body(),
        media_type="text/csv",
        headers={**SECURITY_HEADERS, "Content-Disposition": f'attachment; filename="{name}"'},
    )
