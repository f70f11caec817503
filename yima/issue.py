"""Issuing a batch: order, write the data file where the caller wants it, note it. One use case, to be repeated."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from codegen import batches, downloads, keys, links, order_states, packages
from codegen.batches import Batch
from codegen.outfiles import probe_writable
from codegen.packages import Content, Manifest
from codegen.scheme import CodeKey
from kernel.errors import Conflict, YimaError
from traceability import catalogue
from yima import writing
from yima.runtime import Runtime


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
    spare_bp: int = 0
    host: str = ""


async def issue(
    runtime: Runtime, order: Order, *, actor: str, on_progress: Callable[[int], None] | None = None
) -> Manifest:
    """Order a batch and write its data file; the same order number again writes the identical file.

    A killed command leaves what it wrote under a hidden name; the same order goes on from there.

    Raises:
        InvalidInput: the order, or the place to write to; nothing is left under the final name.
        NotFound: no such brand or product.
        Conflict: the order number was used for something else, or the order was closed or cancelled.
        Unavailable: another process is writing this file.
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
            public_url=links.parse_host(order.host) if order.host else runtime.settings.public_url,
            paired=order.paired,
            order_number=order.order_number,
            actor=actor,
            spare_bp=order.spare_bp,
        )
    if batch.state == "closed":
        raise order_states.closed(batch)
    # a transaction of its own: where the key is not released yet, the order stays
    key = await _load_key(runtime, batch)
    content = Content(batch, key, brand.slug, 1, batch.count)
    try:
        manifest = await writing.in_thread(
            lambda told: packages.write(order.out, content, on_progress=told), on_progress
        )
    except BaseException as error:
        why = error.message if isinstance(error, YimaError) else f"It was interrupted ({type(error).__name__})."
        async with runtime.db.transaction() as tx:
            await order_states.note_failed(tx, batch, why)
        raise
    try:
        async with runtime.db.transaction() as tx:
            await order_states.note_written(tx, batch, sha256=manifest.sha256)
            await downloads.record(
                tx, runtime.vault, batch, None, file=order.out.name, sha256=manifest.sha256, address=None, actor=actor
            )
    except Conflict:  # cancelled while it was written: nobody is to have it
        packages.remove(order.out)
        raise
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
            field="code_key",
            reason="key_unreleased",
        ) from error
