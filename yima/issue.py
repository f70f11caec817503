"""Issuing a batch: order, write the code package, note it. One use case, in steps that may be repeated."""

from __future__ import annotations

import asyncio
import shlex
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from codegen import batches, keys, packages
from codegen.batches import Batch
from codegen.outfiles import probe_writable
from codegen.packages import Manifest
from codegen.scheme import CodeKey
from kernel.errors import Conflict, InvalidInput
from traceability import catalogue
from yima.runtime import Runtime
from yima.settings import Settings

_TELL_EVERY_S: Final = 1.0


@dataclass(frozen=True, slots=True)
class Order:
    """What a factory orders."""

    brand: str
    gtin: str
    count: int
    out: Path
    form: str = "short"
    paired: bool = False
    order_number: str | None = None


async def issue(
    runtime: Runtime, order: Order, *, actor: str, on_progress: Callable[[int], None] | None = None
) -> Manifest:
    """Order a batch and write its code package; the same order number again writes the identical file.

    Raises:
        InvalidInput: the order, or the place to write to; nothing is left under the final name.
        NotFound: no such brand or product.
        Conflict: the order number was used for something else.
    """
    probe_writable(order.out)  # before serials are spent
    async with runtime.db.transaction() as tx:
        brand = await catalogue.brand(tx, order.brand)
        batch = await batches.order(
            tx,
            runtime.vault,
            brand_id=brand.id,
            gtin=order.gtin,
            count=order.count,
            form=order.form,
            public_url=runtime.settings.public_url,
            paired=order.paired,
            order_number=order.order_number,
            actor=actor,
        )
    # a transaction of its own: where the key is not released yet, the order stays
    key = await _load_key(runtime, batch)
    try:
        manifest = await asyncio.to_thread(
            packages.write, order.out, batch, key, brand=brand.slug, on_progress=on_progress
        )
    except BaseException:
        async with runtime.db.transaction() as tx:
            await batches.fail(tx, batch)
        raise
    async with runtime.db.transaction() as tx:
        await batches.finish(tx, batch, sha256=manifest.sha256, actor=actor)
    return manifest


async def _load_key(runtime: Runtime, batch: Batch) -> CodeKey:
    """The batch's key, to write with.

    Raises:
        Conflict: it may not write yet, or not any more; the sentence says how the order goes on.
    """
    try:
        async with runtime.db.transaction() as tx:
            return await keys.load(tx, runtime.vault, batch.key_id)
    except Conflict as error:
        if error.details.get("reason") != "key_unreleased":
            raise
        number = batch.order_number
        raise Conflict(
            f"{error.message} It is batch {batch.name}, order {number!r}: after the release say the same again with "
            f"`--order {shlex.quote(number)}`.",
            reason="key_unreleased",
        ) from error


def packages_folder(settings: Settings) -> Path:
    """Where the packages lie that the console hands out; every web and worker process must see the same folder."""
    return settings.home / "packages"


async def write_package(
    runtime: Runtime, name: str, *, progress: Callable[[int, int], Coroutine[Any, Any, None]]
) -> dict[str, Any]:
    """Write the code package of a batch that the console ordered; run again, it writes the identical file.

    Args:
        runtime: gives the key and the folder.
        name: the batch's.
        progress: awaited about once a second with (lines so far, all lines).

    Raises:
        InvalidInput: the folder cannot be written.
    """
    async with runtime.db.transaction() as tx:
        batch = await batches.get(tx, name)
        key = await keys.load(tx, runtime.vault, batch.key_id)
        brand = next(each for each in await catalogue.list_brands(tx) if each.id == batch.brand_id)
    folder = packages_folder(runtime.settings)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    loop = asyncio.get_running_loop()
    told = time.monotonic()

    def on_progress(done: int) -> None:
        nonlocal told
        if time.monotonic() - told >= _TELL_EVERY_S:
            told = time.monotonic()
            asyncio.run_coroutine_threadsafe(progress(done, batch.count), loop).result()

    await progress(0, batch.count)
    path = packages.path_in(folder, batch)
    try:
        manifest = await asyncio.to_thread(packages.write, path, batch, key, brand=brand.slug, on_progress=on_progress)
    except InvalidInput:
        async with runtime.db.transaction() as tx:
            await batches.fail(tx, batch)
        raise
    await progress(batch.count, batch.count)
    async with runtime.db.transaction() as tx:
        await batches.finish(tx, batch, sha256=manifest.sha256, actor=None)
    return {"lines": manifest.count, "bytes": manifest.bytes, "sha256": manifest.sha256}
