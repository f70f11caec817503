"""Code packages: the data file of a batch and its manifest.

The file is streamed in constant memory under a temporary name in its own folder and appears under the final
name only when it is whole and on disk; after a failure or a kill the same order writes the identical file.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from codegen import bulk
from codegen.batches import Batch
from codegen.outfiles import replacing
from codegen.scheme import CodeKey


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a print house checks its file against. Serials are under the key: outer 2·unit, inner 2·unit + 1."""

    batch: str
    order: str
    brand: str
    gtin: str
    count: int
    first_serial: int
    last_serial: int
    key_id: int
    form: str
    pair: bool
    prefix: str
    file: str
    bytes: int
    sha256: str


def manifest_path(path: Path) -> Path:
    """Where the manifest of a data file lies: beside it."""
    return path.with_name(path.name + ".manifest.json")


def path_in(folder: Path, batch: Batch) -> Path:
    """Where the package of a batch lies that the worker wrote for the console."""
    return folder / f"{batch.name}.txt"


def write(
    path: Path,
    batch: Batch,
    key: CodeKey,
    *,
    brand: str,
    on_progress: Callable[[int], None] | None = None,
) -> Manifest:
    """Write the data file (one URL a line; with a pair `OUTER,INNER`) and its manifest.

    Args:
        path: the data file; the manifest goes to `path` + `.manifest.json`.
        batch: which codes.
        key: the batch's key.
        brand: the brand's slug, for the manifest.
        on_progress: called with the number of lines written so far.

    Raises:
        InvalidInput: the place cannot be written; nothing is left under either name.
    """
    with replacing(path) as out:
        sha256 = bulk.write_urls(
            out,
            key,
            batch.prefix.encode(),
            batch.first_serial,
            batch.count,
            step=2,
            pair=batch.paired,
            on_progress=on_progress,
        )
        size = out.tell()
    manifest = Manifest(
        batch=batch.name,
        order=batch.order_number,
        brand=brand,
        gtin=batch.gtin,
        count=batch.count,
        first_serial=batch.first_serial,
        last_serial=batch.first_serial + 2 * (batch.count - 1) + (1 if batch.paired else 0),
        key_id=batch.key_id,
        form=batch.form,
        pair=batch.paired,
        prefix=batch.prefix,
        file=path.name,
        bytes=size,
        sha256=sha256,
    )
    try:
        with replacing(manifest_path(path)) as beside:
            beside.write(json.dumps(asdict(manifest), ensure_ascii=False, indent=2).encode() + b"\n")
    except BaseException:
        path.unlink()  # data that nothing vouches for is not left behind
        raise
    return manifest
