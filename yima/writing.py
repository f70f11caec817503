"""Writing code packages: by a worker into the folder that the console hands out, or by a command to a place of its own.

The writing runs in a thread; the event loop records its progress, and what that raises ends the writing.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

from codegen import archives, batches, downloads, keys, layouts, packages, packaging, passphrases, recipients
from codegen.batches import Batch
from codegen.outfiles import probe_writable
from codegen.packages import Content, Manifest
from codegen.packaging import Package
from codegen.recipients import Recipient
from kernel.db import Tx
from kernel.errors import Conflict, InvalidInput, Unavailable, YimaError
from kernel.tasks import ATTEMPTS_MAX, Attempt
from traceability import catalogue
from yima.runtime import Runtime
from yima.settings import Settings

TELL_EVERY_S: Final = 1.0

Result = TypeVar("Result")
Told = Callable[[int], None]


def folder_of(settings: Settings) -> Path:
    """Where the packages lie that the console hands out; every web and worker process must see the same folder."""
    return settings.home / "packages"


async def in_thread(write: Callable[[Told], Result], on_progress: Told | None) -> Result:
    """Write in a thread of its own; when the caller is cancelled (a key at the terminal), the thread stops too.

    Args:
        write: given what to call with the number of rows so far.
        on_progress: called with that number, in the thread; what it raises ends the writing.
    """
    stopped = threading.Event()

    def told(rows: int) -> None:
        if stopped.is_set():
            raise Unavailable("The writing was interrupted.")
        if on_progress is not None:
            on_progress(rows)

    try:
        return await asyncio.to_thread(write, told)
    except asyncio.CancelledError:
        stopped.set()
        raise


def _now_and_then(tell: Callable[[int], Coroutine[Any, Any, None]]) -> Told:
    """Progress from a thread to the event loop, about once a second; its errors come back into the thread."""
    loop = asyncio.get_running_loop()
    last = time.monotonic()

    def told(rows: int) -> None:
        nonlocal last
        if time.monotonic() - last >= TELL_EVERY_S:
            asyncio.run_coroutine_threadsafe(tell(rows), loop).result()
            last = time.monotonic()

    return told


async def _content(tx: Tx, runtime: Runtime, batch: Batch, package: Package) -> Content:
    brand = next(each for each in await catalogue.list_brands(tx) if each.id == batch.brand_id)
    product = await catalogue.product(tx, batch.gtin, brand_id=batch.brand_id)
    return Content(
        batch=batch,
        key=await keys.load(tx, runtime.vault, batch.key_id),
        brand=brand.slug,
        first=package.first,
        last=package.last,
        layout=await layouts.find(tx, batch.brand_id, package.layout),
        product=product.name,
        package=package.name,
        recipient=package.recipient,
        setup=package.setup,
    )


async def _recipient(tx: Tx, runtime: Runtime, package: Package) -> Recipient | None:
    known = await recipients.list_of(tx, runtime.vault, brand_id=package.brand_id)
    return next((each for each in known if each.id == package.recipient_id), None)


async def write_package(runtime: Runtime, package_id: int, attempt: Attempt) -> dict[str, Any]:
    """Write a package that was asked for, as a worker; run again, it goes on, and writes identical data.

    Raises:
        InvalidInput: the folder cannot be written, or the disk is full.
        Conflict: the order was cancelled.
        LeaseLost: another worker writes it by now.
    """
    async with runtime.db.transaction() as tx:
        package = await packaging.by_id(tx, package_id)
        batch = await batches.by_id(tx, package.batch_id)
        await packaging.begin(tx, package, batch)
        recipient = await _recipient(tx, runtime, package)
    path = packages.path_in(folder_of(runtime.settings), package.name, encrypted=package.encryption != "none")
    try:
        async with runtime.db.transaction() as tx:
            content = await _content(tx, runtime, batch, package)
        manifest = await _write(runtime, path, content, package, recipient, attempt)
        async with runtime.db.transaction() as tx:
            await packaging.finish(tx, package, batch, sha256=manifest.sha256, file_bytes=path.stat().st_size)
    except Unavailable as error:  # a worker that lost its lease holds the file yet: try again later
        raise RuntimeError(error.message) from None
    except YimaError as error:
        if isinstance(error, Conflict):
            packages.remove(path)
        await _note_failure(runtime, package, batch, error.message)
        raise
    except Exception as error:
        if attempt.number >= ATTEMPTS_MAX:
            await _note_failure(runtime, package, batch, f"{type(error).__name__} after {attempt.number} attempts")
        raise
    return {"package": package.name, "rows": content.rows, "bytes": manifest.bytes, "sha256": manifest.sha256}


async def _write(
    runtime: Runtime, path: Path, content: Content, package: Package, recipient: Recipient | None, attempt: Attempt
) -> Manifest:
    encrypted = package.encryption == "key"
    total = content.rows * (2 if encrypted else 1)

    async def tell(rows: int) -> None:
        async with runtime.db.transaction() as tx:
            wanted = await packaging.is_wanted(tx, package)
        if not wanted:
            raise packaging.unwanted(package)
        await attempt.progress(rows, total)

    def write(told: Told) -> Manifest:
        if not encrypted:
            file = package.name + content.layout.extension
            return packages.write(path, content, file=file, on_progress=told)
        assert recipient is not None
        return archives.write(path, content, public_key=recipient.public_key, on_progress=told)

    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise InvalidInput(f"Cannot make the folder of the packages: {error.strerror}.") from error
    await attempt.progress(0, total)
    manifest = await in_thread(write, _now_and_then(tell))
    await attempt.progress(total, total)
    return manifest


async def _note_failure(runtime: Runtime, package: Package, batch: Batch, why: str) -> None:
    async with runtime.db.transaction() as tx:
        await packaging.fail(tx, package, batch, why)


@dataclass(frozen=True, slots=True)
class Export:
    """A package that a command writes to a place of its own.

    Attributes:
        batch: the batch's name.
        out: the file.
        first: first line; None for the batch's first.
        last: last line; None for the batch's last.
        layout: name of the layout; empty for the order's.
        recipient: name of the recipient; empty for the order's, if it has one.
        passphrase: to encrypt with instead of the recipient's key; kept nowhere.
        plain: leave it unencrypted although the recipient has a key.
    """

    batch: str
    out: Path
    first: int | None = None
    last: int | None = None
    layout: str = ""
    recipient: str = ""
    passphrase: str | None = None
    plain: bool = False


async def export(runtime: Runtime, asked: Export, *, actor: str, on_progress: Told | None = None) -> Manifest:
    """Write a package where the caller wants it and record that it was taken.

    Raises:
        InvalidInput: lines outside the batch, a passphrase outside its limits, or a place that cannot be written.
        NotFound: no such batch, recipient or layout.
        Conflict: the order was cancelled or closed, or a worker is writing this package now.
    """
    if asked.passphrase is not None:
        passphrases.judge(asked.passphrase)
        if asked.plain:
            raise InvalidInput("A package is encrypted with a passphrase, or plain: not both.", field="passphrase")
    probe_writable(asked.out)
    async with runtime.db.transaction() as tx:
        batch = await batches.get(tx, asked.batch)
        recipient = await recipient_for(tx, runtime, batch, asked.recipient)
        first, last = batches.lines_of(batch, asked.first, asked.last)
        key = None if recipient is None or asked.plain or asked.passphrase is not None else recipient.public_key
        package = await packaging.export(
            tx, batch, recipient=recipient, first=first, last=last,
            layout=(await layouts.find(tx, batch.brand_id, asked.layout or batch.layout)).name,
            encryption="passphrase" if asked.passphrase is not None else "none" if key is None else "key", actor=actor,
        )  # fmt: skip
        content = await _content(tx, runtime, batch, package)

    def write(told: Told) -> Manifest:
        if package.encryption == "none":
            return packages.write(asked.out, content, on_progress=told)
        return archives.write(asked.out, content, public_key=key, passphrase=asked.passphrase, on_progress=told)

    manifest = await in_thread(write, on_progress)
    try:
        async with runtime.db.transaction() as tx:
            size = asked.out.stat().st_size
            await packaging.finish(tx, package, batch, sha256=manifest.sha256, file_bytes=size)
            package = await packaging.by_id(tx, package.id)
            await downloads.record(
                tx,
                runtime.vault,
                batch,
                package,
                file=asked.out.name,
                sha256=manifest.sha256,
                address=None,
                actor=actor,
            )
    except Conflict:  # cancelled or closed while it was written: nobody is to have it
        packages.remove(asked.out)
        raise
    return manifest


async def recipient_for(tx: Tx, runtime: Runtime, batch: Batch, name: str) -> Recipient | None:
    """The recipient of a name, or the order's where none is named."""
    if name:
        return await recipients.get(tx, runtime.vault, brand_id=batch.brand_id, name=name)
    known = await recipients.list_of(tx, runtime.vault, brand_id=batch.brand_id)
    return next((each for each in known if each.id == batch.recipient_id), None)
