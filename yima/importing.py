"""Importing codes that others made: the file is judged by one task, the confirmed rows are stored by another.

Nothing long is one transaction: the file is read and sorted on the disk, and stored in steps that are each committed,
so that a worker killed in the middle leaves nothing half done. Judging starts over; storing goes on.
"""

from __future__ import annotations

import asyncio
import hashlib
import io
import time
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import numpy as np
from sqlalchemy import text

from codegen import buckets, foreign, imports, rowfiles, spool
from codegen.buckets import RECORD, Dealer, Marks, Records
from codegen.flaws import Flaws
from codegen.foreign import Hasher
from codegen.imports import Import
from codegen.patterns import Pattern
from codegen.rowfiles import Columns
from codegen.spool import Spooled
from kernel.db import Tx
from kernel.errors import InvalidInput, YimaError
from traceability import catalogue
from yima import broker
from yima.runtime import Runtime
from yima.settings import Settings

STEPS: Final = 1_000
"""Progress of a task is told in thousandths: reading takes most of them, for how many lines there are shows last."""
READING_STEPS: Final = 700
KNOWN_HASHES: Final = 20_000
"""Hashes that are looked for at once among those stored."""
PLACE_RECORDS: Final = 100_000
"""Codes that are stored in one transaction."""

_TELL_EVERY_S: Final = 1.0
_GOOD: Final = "good"
_MARKS: Final = "marks"

Progress = Callable[[int, int], Coroutine[Any, Any, None]]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What somebody wants imported."""

    brand: str
    gtin: str
    pattern: Pattern
    columns: Columns
    file: Path


def folder(settings: Settings) -> Path:
    """Where files to be imported lie; every web and worker process must see the same folder."""
    return settings.home / "imports"


async def request(
    runtime: Runtime, wanted: Wanted, *, actor: str, on_progress: Callable[[int], None] | None = None
) -> Import:
    """Take a file into the spool and have it judged.

    Raises:
        InvalidInput: the file, the pattern or the columns.
        NotFound: no such brand or product.
        Conflict: too many imports wait, or the host is another brand's.
    """
    root = folder(runtime.settings)
    given = await asyncio.to_thread(spool.take, root, wanted.file, on_progress=on_progress)
    try:
        async with runtime.db.transaction() as tx:
            brand = await catalogue.brand(tx, wanted.brand)
            await _request(tx, brand.id, wanted, given, actor)
    except BaseException:
        spool.remove(root, given.name)
        raise
    async with runtime.db.transaction() as tx:
        return await imports.get(tx, given.name)


async def _request(tx: Tx, brand_id: int, wanted: Wanted, given: Spooled, actor: str) -> UUID:
    return await imports.request(
        tx, name=given.name, brand_id=brand_id, gtin=wanted.gtin, pattern=wanted.pattern, columns=wanted.columns,
        file=wanted.file.name, size=given.size, sha256=given.sha256, actor=actor,
    )  # fmt: skip


async def confirm(runtime: Runtime, name: str, *, actor: str) -> Import:
    """Confirm an import's good rows; a worker stores them."""
    async with runtime.db.transaction() as tx:
        task_id = await imports.confirm(tx, runtime.vault, name, actor=actor)
    await broker.wake(runtime, "yima.run", str(task_id))
    async with runtime.db.transaction() as tx:
        return await imports.get(tx, name)


async def cancel(runtime: Runtime, name: str, *, actor: str) -> Import:
    """Drop an import that is not confirmed, and its file."""
    async with runtime.db.transaction() as tx:
        dropped = await imports.cancel(tx, name, actor=actor)
    await asyncio.to_thread(spool.remove, folder(runtime.settings), dropped.name)
    return dropped


@dataclass(slots=True)
class _Reading:
    """What the reading of a file gathers."""

    flaws: Flaws = field(default_factory=Flaws)
    lines: int = 0
    last_line: int = 0


async def judge(runtime: Runtime, name: str, *, progress: Progress) -> dict[str, Any]:
    """Read an import's file, find what is wrong with it, and leave the good rows sorted on the disk.

    Raises:
        InvalidInput: the file as a whole cannot be imported; the import has failed then.
    """
    async with runtime.db.transaction() as tx:
        found = await imports.get(tx, name)
        hasher = await foreign.load_hasher(tx, runtime.vault)
    if found.state != "reading":
        return {"state": found.state}
    root = folder(runtime.settings)
    try:
        reading = await _read(root, found, hasher, progress)
        good = await _sift(runtime, root, found, reading, progress)
    except YimaError as error:
        async with runtime.db.transaction() as tx:
            await imports.fail(tx, found, error.message)
        await asyncio.to_thread(spool.remove, root, found.name)
        raise
    except OSError:
        async with runtime.db.transaction() as tx:
            state = (await imports.get(tx, name)).state
        if state == "cancelled":  # its folder is gone
            return {"state": state}
        raise
    async with runtime.db.transaction() as tx:
        judged = await imports.judge(tx, found, lines=reading.lines, good=good, flaws=reading.flaws)
    if not judged or not good:
        await asyncio.to_thread(spool.remove, root, found.name)
    else:
        spool.given(root, found.name).unlink(missing_ok=True)
    return {"lines": reading.lines, "good": good, "flawed": sum(reading.flaws.counts.values())}


async def _read(root: Path, found: Import, hasher: Hasher, progress: Progress) -> _Reading:
    loop = asyncio.get_running_loop()
    told = time.monotonic()

    def on_progress(done_bytes: int) -> None:
        nonlocal told
        if time.monotonic() - told >= _TELL_EVERY_S:
            told = time.monotonic()
            done = min(READING_STEPS * done_bytes // max(found.bytes, 1), READING_STEPS)
            asyncio.run_coroutine_threadsafe(progress(done, STEPS), loop).result()

    await progress(0, STEPS)
    return await asyncio.to_thread(_deal, root, found, hasher, on_progress)


def _deal(root: Path, found: Import, hasher: Hasher, on_progress: Callable[[int], None]) -> _Reading:
    """Read the file, and deal its codes' hashes into buckets."""
    reading = _Reading()
    space, hash_of = found.pattern.space, hasher.of
    path = spool.given(root, found.name)
    with path.open("rb") as file:
        if hashlib.file_digest(file, "sha256").hexdigest() != found.sha256:
            raise InvalidInput("The stored file is not the one that was handed in: import it again.")
        file.seek(0)
        with Dealer(path.parent) as dealer:
            for first, cells in rowfiles.read(file, found.pattern, found.columns):
                hashes, lines = [], []
                for line, cell in enumerate(cells, first):
                    if isinstance(cell, str):
                        hashes.append(hash_of(space, cell))
                        lines.append(line)
                    elif cell is not None:
                        reading.flaws.add(line, cell.kind)
                dealer.deal(hashes, lines)
                reading.lines += len(cells) - cells.count(None)
                reading.last_line = first + len(cells)
                on_progress(file.tell())
    return reading


async def _sift(runtime: Runtime, root: Path, found: Import, reading: _Reading, progress: Progress) -> int:
    """Leave out what comes twice and what is stored already; returns how many rows are good."""
    place = spool.folder_of(root, found.name)
    marks = Marks.up_to(reading.last_line)
    good = 0

    def on_repeats(lines: buckets.Lines, firsts: buckets.Lines) -> None:
        reading.flaws.add_many("duplicate", lines, firsts)

    with (place / _GOOD).open("wb") as out:
        for number in range(buckets.BUCKETS):
            path = buckets.path_of(place, number)
            records = await asyncio.to_thread(buckets.sift, path, on_repeats)
            known = await _known(runtime, records)
            if known.any():
                reading.flaws.add_many("existing", records["line"][known])
                records = records[~known]
            marks.add(records["line"])
            await asyncio.to_thread(out.write, records.tobytes())
            good += len(records)
            path.unlink()
            await progress(READING_STEPS + (STEPS - READING_STEPS) * (number + 1) // buckets.BUCKETS, STEPS)
    marks.save(place / _MARKS)
    return good


async def _known(runtime: Runtime, records: Records) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Which records are stored already, as codes of any brand."""
    hashes = buckets.hashes_of(records)
    known = np.zeros(len(records), bool)
    for at in range(0, len(hashes), KNOWN_HASHES):
        part = hashes[at : at + KNOWN_HASHES]
        async with runtime.db.transaction() as tx:
            rows = await tx.execute(
                text("SELECT hash FROM foreign_code WHERE hash = ANY(CAST(:hashes AS bytea[]))"), {"hashes": part}
            )
            stored = {bytes(each) for each in rows.scalars()}
        if stored:
            known[at : at + len(part)] = [each in stored for each in part]
    return known


async def place(runtime: Runtime, name: str, *, progress: Progress) -> dict[str, Any]:
    """Store a confirmed import's codes, then let them go live; run again, it goes on where it was.

    Raises:
        InvalidInput: the sorted rows are not on this machine's disk.
    """
    async with runtime.db.transaction() as tx:
        found = await imports.get(tx, name)
    if found.state != "placing":
        return {"state": found.state}
    root = folder(runtime.settings)
    rows = spool.folder_of(root, found.name) / _GOOD
    if not rows.is_file() or rows.stat().st_size != found.good * RECORD.itemsize:
        raise InvalidInput(
            f"The sorted rows of import {found.name} are not in {rows.parent}: web and workers must share it."
        )
    marks = await asyncio.to_thread(Marks.load, rows.parent / _MARKS)
    placed = found.placed
    with rows.open("rb") as file:
        while placed < found.good:
            file.seek(placed * RECORD.itemsize)
            records = np.frombuffer(file.read(PLACE_RECORDS * RECORD.itemsize), RECORD)
            async with runtime.db.transaction() as tx:
                placed = await _store(tx, found, placed, records, marks)
            await progress(placed, found.good)
    async with runtime.db.transaction() as tx:
        await imports.go_live(tx, found)
    await asyncio.to_thread(spool.remove, root, found.name)
    return {"codes": found.good}


async def _store(tx: Tx, found: Import, placed: int, records: Records, marks: Marks) -> int:
    """Store the next codes and note how far that is, in one transaction; returns how far it is."""
    state = await tx.execute(
        text("SELECT placed FROM code_import WHERE id = :id AND state = 'placing' FOR UPDATE"), {"id": found.id}
    )
    now_placed: int | None = state.scalar_one_or_none()
    if now_placed != placed:  # another worker was faster: go on behind it
        return found.good if now_placed is None else now_placed
    await tx.execute(
        text("CREATE TEMPORARY TABLE placed_code (hash bytea, brand_id bigint, unit_id bigint) ON COMMIT DROP")
    )
    raw: Any = (await tx.get_raw_connection()).driver_connection
    await raw.copy_to_table("placed_code", source=io.BytesIO(_packed(found, records, marks)), format="binary")
    stored = await tx.execute(
        text("INSERT INTO foreign_code SELECT hash, brand_id, unit_id FROM placed_code ON CONFLICT DO NOTHING")
    )
    await tx.execute(
        text("UPDATE code_import SET placed = placed + :count, late = late + :late WHERE id = :id"),
        {"count": len(records), "late": len(records) - stored.rowcount, "id": found.id},
    )
    return placed + len(records)


_ROW: Final = np.dtype(
    [("fields", ">i2"), ("hash_bytes", ">i4"), ("high", ">u8"), ("low", ">u8"),
     ("brand_bytes", ">i4"), ("brand", ">i8"), ("unit_bytes", ">i4"), ("unit", ">i8")]
)  # fmt: skip
"""A row as COPY's binary format has it."""
_COPY_HEAD: Final = b"PGCOPY\n\xff\r\n\0" + bytes(8)
_COPY_TAIL: Final = b"\xff\xff"


def _packed(found: Import, records: Records, marks: Marks) -> bytes:
    rows = np.empty(len(records), _ROW)
    rows["fields"], rows["hash_bytes"], rows["brand_bytes"], rows["unit_bytes"] = 3, foreign.HASH_BYTES, 8, 8
    rows["high"], rows["low"], rows["brand"] = records["high"], records["low"], found.brand_id
    rows["unit"] = marks.numbers(records["line"]).astype(np.int64) + (found.unit_id(1) - 1)
    return _COPY_HEAD + rows.tobytes() + _COPY_TAIL


async def tidy(runtime: Runtime) -> None:
    """Remove from the spool what no import needs any more."""
    async with runtime.db.transaction() as tx:
        rows = await tx.execute(
            text("SELECT name FROM code_import WHERE state = ANY(:states)"), {"states": list(imports.OPEN_STATES)}
        )
        named: Sequence[str] = rows.scalars().all()
    root = folder(runtime.settings)
    for each in await asyncio.to_thread(spool.orphans, root, set(named)):
        await asyncio.to_thread(spool.remove, root, each)
