"""Data files: a batch's codes as rows of text, for whoever prints them.

The plain layout is one URL a line, with a pair `OUTER,INNER`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import BinaryIO, Final

from codegen import bulk
from codegen.batches import Batch
from codegen.scheme import CodeKey


@dataclass(frozen=True, slots=True)
class DataLayout:
    """How the rows of a data file look.

    Attributes:
        name: The layout's name; `plain` is one URL a line.
        extension: Of the file's name, with its dot.
    """

    name: str = "plain"
    extension: str = ".txt"


PLAIN: Final = DataLayout()


def write(
    out: BinaryIO,
    layout: DataLayout,  # noqa: ARG001 (one layout so far)
    batch: Batch,
    key: CodeKey,
    spans: Sequence[tuple[int, int]],
    *,
    product: str = "",  # noqa: ARG001 (no column for it so far)
    on_progress: Callable[[int], None] | None = None,
) -> str:
    """Write the codes of lines of a batch, in constant memory.

    Args:
        out: A buffered binary stream that keeps nothing of what it is given without a copy.
        layout: How the rows look.
        batch: Whose codes.
        key: The batch's key.
        spans: Lines from the first to the last, both inclusive, in the order in which they are written.
        product: The product's name, for layouts that have a column for it.
        on_progress: Called now and then with the number of rows so far.

    Returns:
        SHA-256 of all that was written, in hexadecimal.
    """
    digest = hashlib.sha256()
    done = 0
    for first, last in spans:
        before = done

        def told(lines: int, before: int = before) -> None:
            if on_progress is not None:
                on_progress(before + lines)

        bulk.write_urls(
            out, key, batch.prefix.encode(), batch.first_serial + 2 * (first - 1), last - first + 1, 2,
            pair=batch.paired, digest=digest, on_progress=told,
        )  # fmt: skip
        done += last - first + 1
    return digest.hexdigest()
