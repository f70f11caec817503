"""Data files: a batch's codes as rows of text, for whoever prints them.

Rows of one width are made many at a time: a block of rows holds what is alike in all of them, and each column
that differs is written into its place in the block. A number that is not filled up with zeros grows wider at a
power of ten; there a block ends.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Iterator, Sequence
from typing import BinaryIO, Final

import numpy as np
from numpy.typing import NDArray

from codegen import checks
from codegen.batches import Batch
from codegen.bulk import CHUNK_CODES, ChunkSealer, write_urls
from codegen.columns import (
    CONSTANT,
    ENCODINGS,
    GROUP_SEPARATORS,
    LINE_ENDS,
    PLAIN,
    SIDES,
    Column,
    DataLayout,
    title_of,
)
from codegen.scheme import SYMBOLS, CodeKey
from kernel.errors import InvalidInput

__all__ = ["PLAIN", "DataLayout", "write"]

_GROUP: Final = 4
_FOURS: Final = np.frombuffer(b"".join(b"%04d" % value for value in range(10_000)), np.uint32)
_ROW_BYTES_MAX: Final = 8_192
_WIDTHS: Final = {"code": SYMBOLS, "grouped": SYMBOLS + SYMBOLS // _GROUP - 1, "crc32": 8, "mod97": 2}


def write(
    out: BinaryIO,
    layout: DataLayout,
    batch: Batch,
    key: CodeKey,
    spans: Sequence[tuple[int, int]],
    *,
    product: str = "",
    digest: hashlib._Hash | None = None,
    rows_before: int = 0,
    on_progress: Callable[[int], None] | None = None,
) -> str:
    """Write the codes of lines of a batch, in constant memory.

    Args:
        out: A buffered binary stream that keeps nothing of what it is given without a copy.
        layout: How the rows look.
        batch: Whose codes.
        key: The batch's key.
        spans: Lines from the first to the last, both inclusive, in the order in which they are written. They may
            lie behind the batch's own.
        product: The product's name, for layouts that have a column for it.
        digest: A `hashlib.sha256` object to go on with, where these rows follow others in one file.
        rows_before: Rows in the file already: above 0 there is no header, and running numbers go on.
        on_progress: Called now and then with the number of rows so far, of these spans.

    Returns:
        SHA-256 of all that was written (and of what `digest` had seen before), in hexadecimal.

    Raises:
        InvalidInput: the layout has columns that the batch has not, or a text that it cannot hold.
        ValueError: `out` is unbuffered, or a line has no serial.
    """
    if isinstance(out, io.RawIOBase):
        raise ValueError("the stream is unbuffered: it may write less than it is given")  # noqa: TRY004
    digest = hashlib.sha256() if digest is None else digest
    columns = layout.columns_for(paired=batch.paired)
    maker = None if not layout.columns else _RowMaker(layout, columns, batch, key, product)
    if not rows_before:
        head = _head(layout, columns)
        digest.update(head)
        out.write(head)
    done = 0
    for first, last in spans:
        if maker is None:
            _write_plain(out, batch, key, first, last, digest, _from(done, on_progress))
            done += last - first + 1
            continue
        for block in maker.blocks(first, last, rows_before + done + 1):
            data = block.data.cast("B")
            digest.update(data)
            out.write(data)
            done += len(block)
            if on_progress is not None:
                on_progress(done)
    return digest.hexdigest()


def _from(before: int, on_progress: Callable[[int], None] | None) -> Callable[[int], None] | None:
    """Progress of one span as that of all."""
    return None if on_progress is None else lambda lines: on_progress(before + lines)


def _write_plain(
    out: BinaryIO,
    batch: Batch,
    key: CodeKey,
    first: int,
    last: int,
    digest: hashlib._Hash,
    on_progress: Callable[[int], None] | None,
) -> None:
    write_urls(
        out, key, batch.prefix.encode(), batch.first_serial + 2 * (first - 1), last - first + 1, 2,
        pair=batch.paired, digest=digest, on_progress=on_progress,
    )  # fmt: skip


def _head(layout: DataLayout, columns: Sequence[Column]) -> bytes:
    """What the file begins with: the byte order mark, and the row of titles."""
    mark = ENCODINGS[layout.encoding][1]
    if not layout.header:
        return mark
    cells = [layout.cell(title_of(column), "A title") for column in columns]
    return mark + layout.encode(layout.delimiter.join(cells) + LINE_ENDS[layout.line_end], "The header")


class _RowMaker:
    """Makes blocks of rows of one layout and batch."""

    def __init__(self, layout: DataLayout, columns: Sequence[Column], batch: Batch, key: CodeKey, product: str) -> None:
        self._columns = columns
        self._batch = batch
        self._sealer = ChunkSealer(key)
        self._sides = [side for side in SIDES if any(column.side == side for column in columns)]
        self._prefix = batch.prefix.encode()
        self._crc = checks.Crc32(self._prefix) if any(column.kind == "crc32" for column in columns) else None
        self._texts = [self._constant(layout, column, product) for column in columns]
        self._delimiter = layout.delimiter.encode("ascii")
        self._line_end = LINE_ENDS[layout.line_end].encode("ascii")
        # Codes, URLs and numbers hold nothing that would have to be quoted.
        self._quote = b'"' if layout.quoting == "all" else b""
        self._codes = {side: np.empty((CHUNK_CODES, SYMBOLS), np.uint8) for side in self._sides}
        self._widths: tuple[int, ...] = ()
        self._rows = np.empty((0, 0), np.uint8)
        self._places: list[int] = []
        if sum(map(len, self._texts)) > _ROW_BYTES_MAX:
            raise InvalidInput(f"The texts of a row have more than {_ROW_BYTES_MAX:,} bytes.", field="layout")

    def _constant(self, layout: DataLayout, column: Column, product: str) -> bytes:
        """The cell of a column that is alike in all rows; empty for others."""
        if column.kind not in CONSTANT:
            return b""
        batch = self._batch
        values = {
            "gtin": batch.gtin, "batch": batch.name, "order": batch.order_number, "product": product,
            "text": column.text,
        }  # fmt: skip
        where = {"product": "The product's name", "order": "The order number"}.get(column.kind, "A text")
        return layout.encode(layout.cell(values[column.kind], where), where)

    def blocks(self, first: int, last: int, number: int) -> Iterator[NDArray[np.uint8]]:
        """Rows of lines `first` to `last`; the first has this running number. The next block overwrites a block."""
        line = first
        while line <= last:
            start = self._number_at(line, number)
            widths = tuple(self._width(column, start) for column in self._columns)
            count = min(CHUNK_CODES, last - line + 1, *self._room(start, widths))
            yield self._fill(start, count, widths)
            line += count
            number += count

    def _number_at(self, line: int, number: int) -> dict[str, int]:
        """What each kind of number is in a row."""
        serial = self._batch.first_serial + 2 * (line - 1)
        return {"line": line, "number": number, "outer": serial, "inner": serial + 1}

    def _width(self, column: Column, start: dict[str, int]) -> int:
        """How many bytes the column takes, without quotes."""
        if column.kind in ("line", "number", "serial"):
            return max(column.width, len(str(start[column.side or column.kind])))
        if column.kind == "url":
            return len(self._prefix) + SYMBOLS
        return _WIDTHS.get(column.kind, 0)

    def _room(self, start: dict[str, int], widths: Sequence[int]) -> Iterator[int]:
        """How many rows fit before one of the numbers grows wider."""
        for column, width in zip(self._columns, widths, strict=True):
            if column.kind in ("line", "number"):
                yield 10**width - start[column.kind]
            elif column.kind == "serial":
                yield (10**width - start[column.side] + 1) // 2

    def _fill(self, start: dict[str, int], count: int, widths: tuple[int, ...]) -> NDArray[np.uint8]:
        if widths != self._widths:
            self._lay_out(widths)
        rows = self._rows[:count]
        codes = {}
        for side in self._sides:
            serials = np.arange(start[side], start[side] + 2 * count, 2, dtype=np.uint64)
            codes[side] = self._codes[side][:count]
            self._sealer.seal_into(serials, codes[side])
        for column, place, width in zip(self._columns, self._places, widths, strict=True):
            if width:
                self._write(column, rows[:, place : place + width], codes, start)
        return rows

    def _lay_out(self, widths: tuple[int, ...]) -> None:
        """A block of rows that holds all that is alike, and where each column begins in a row."""
        row = bytearray()
        self._places = []
        for column, text, width in zip(self._columns, self._texts, widths, strict=True):
            row += self._delimiter if self._places else b""
            quote = b"" if column.kind in CONSTANT else self._quote
            self._places.append(len(row) + len(quote))
            row += quote + (text or self._blank(column, width)) + quote
        row += self._line_end
        self._rows = np.tile(np.frombuffer(bytes(row), np.uint8), (CHUNK_CODES, 1))
        self._widths = widths

    def _blank(self, column: Column, width: int) -> bytes:
        """A cell of a column that differs, with what is alike in it."""
        if column.kind == "url":
            return self._prefix + bytes(SYMBOLS)
        if column.kind == "grouped":
            return GROUP_SEPARATORS[column.separator].encode().join([bytes(_GROUP)] * (SYMBOLS // _GROUP))
        return bytes(width)

    def _write(
        self, column: Column, place: NDArray[np.uint8], codes: dict[str, NDArray[np.uint8]], start: dict[str, int]
    ) -> None:
        """Write one column's cells, shape (rows, width)."""
        match column.kind:
            case "url":
                _copy(codes[column.side], place[:, len(self._prefix) :])
            case "code":
                _copy(codes[column.side], place)
            case "grouped":
                for group in range(SYMBOLS // _GROUP):
                    at = group * (_GROUP + 1)
                    _copy(codes[column.side][:, group * _GROUP : (group + 1) * _GROUP], place[:, at : at + _GROUP])
            case "crc32":
                assert self._crc is not None
                self._crc.write_into(codes[column.side], place)
            case "mod97":
                checks.write_mod97_into(codes[column.side], place)
            case _:
                step = 2 if column.kind == "serial" else 1
                first = start[column.side or column.kind]
                _write_digits(np.arange(first, first + step * len(place), step, dtype=np.int64), place)


def _copy(source: NDArray[np.uint8], target: NDArray[np.uint8]) -> None:
    """Copy row by row, in words of four bytes."""
    target.view(np.uint32)[:] = source.view(np.uint32)


def _write_digits(numbers: NDArray[np.int64], place: NDArray[np.uint8]) -> None:
    """Write numbers in decimal, filled up with zeros to the place's width."""
    end = place.shape[1]
    while end > 0:
        numbers, fours = np.divmod(numbers, 10_000)
        digits = _FOURS.take(fours).view(np.uint8).reshape(-1, 4)
        begin = max(end - 4, 0)
        place[:, begin:end] = digits[:, 4 - (end - begin) :]
        end = begin
