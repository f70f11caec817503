"""`yima codes order|orders|package|cancel|close|downloads|leaks|recipients`: orders, packages, who took them."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Any, Final

import anyio
import click

from codegen import batches, downloads, layouts, links, orders, packages, packaging, recipients
from codegen.batches import Batch
from codegen.packaging import Package
from insights import leaks
from kernel.errors import Conflict, InvalidInput
from traceability import catalogue
from yima import broker, writing
from yima.cli.common import actor, json_option, plain, progress, remark, run, say
from yima.cli.waiting import Vigil
from yima.runtime import Runtime

POLL_S: Final = 0.3
PASSPHRASE_BYTES_MAX: Final = 4_096
LIST_MAX: Final = 200

brand_option = click.option("--brand", "slug", required=True, help="The brand's slug.")
batch_option = click.option("--batch", "name", required=True, help="The batch's name, as in its manifest.")


def _told(batch: Batch, found: list[Package]) -> dict[str, Any]:
    return {
        "batch": batch.name,
        "order": batch.order_number,
        "gtin": batch.gtin,
        "ordered": batch.ordered,
        "count": batch.count,
        "state": batch.state,
        "error": batch.error,
        "packages": [
            {
                "package": each.name, "recipient": each.recipient, "first": each.first, "last": each.last,
                "layout": each.layout, "encryption": each.encryption, "state": each.state, "done": each.done,
                "total": each.total, "sha256": each.sha256, "bytes": each.file_bytes, "error": each.error,
            }
            for each in found
        ],
    }  # fmt: skip


@click.command("order")
@brand_option
@click.option("--gtin", required=True, help="The product.")
@click.option("--count", type=int, required=True, help="Number of units, 1 to 1,000,000,000.")
@click.option("--spare", default="0", show_default=True, help="Spare in percent, 0 to 50, on top; rounded up.")
@click.option("--form", type=click.Choice(batches.FORMS), default="short", show_default=True, help="Form of the URL.")
@click.option("--host", default="", help="Printed host of this order (default: YIMA_PUBLIC_URL).")
@click.option("--pair", is_flag=True, help="An outer and an inner code a unit.")
@click.option("--recipient", "to", default="", help="The printer or plant: its package is encrypted to it.")
@click.option("--layout", default="plain", show_default=True, help="Layout of the data file.")
@click.option("--order", "number", help="Your order number: said again, it is the same order.")
@click.option("--wait", is_flag=True, help="Watch until the package is written; exit code 1 if that fails.")
@json_option
def order_codes(*, slug: str, as_json: bool, wait: bool, **given: Any) -> None:  # noqa: ANN401 (click's)
    """Order a batch whose package a worker of `yima up` writes; said again after a failure, it is tried again."""

    async def use(runtime: Runtime) -> dict[str, Any]:
        async with runtime.db.transaction() as tx:
            brand = await catalogue.brand(tx, slug)
            recipient = None
            if given["to"]:
                recipient = await recipients.get(tx, runtime.vault, brand_id=brand.id, name=given["to"])
            layout = await layouts.find(tx, brand.id, given["layout"])
            batch = await batches.order(
                tx, runtime.vault, brand_id=brand.id, gtin=given["gtin"], count=given["count"], form=given["form"],
                public_url=links.parse_host(given["host"]) if given["host"] else runtime.settings.public_url,
                paired=given["pair"], order_number=given["number"], actor=actor(),
                spare_bp=batches.parse_spare(given["spare"]),
                recipient_id=None if recipient is None else recipient.id, layout=layout.name,
            )  # fmt: skip
        try:  # a transaction of its own: where the key is not released yet, the order stays
            async with runtime.db.transaction() as tx:
                package, task_id = await packaging.request(
                    tx, batch, recipient=recipient, first=1, last=batch.count, layout=layout.name, actor=actor()
                )
        except Conflict as error:
            if error.details.get("reason") != "key_unreleased":
                raise
            number = shlex.quote(batch.order_number)
            raise Conflict(
                f"{error.message} It is batch {batch.name}: after the release say the same with `--order {number}`."
            ) from error
        if task_id is not None:
            await broker.wake(runtime, "yima.run", str(task_id))
        return await _watch(runtime, batch.name, package, wait=wait)

    done = run(use)
    say(done, as_json=as_json, text=f"Order {done['order']} is batch {done['batch']} ({done['state']}).")
    if wait and done["packages"][0]["state"] == "failed":
        sys.exit(1)


async def _watch(runtime: Runtime, name: str, package: Package, *, wait: bool) -> dict[str, Any]:
    vigil = Vigil()
    with progress(f"Writing {package.name}", max(package.rows, 1)) as tell:
        while True:
            async with runtime.db.transaction() as tx:
                batch = await batches.get(tx, name)
                package = await packaging.by_id(tx, package.id)
            if not (wait and package.under_way):
                break
            if package.total:
                tell(package.done * package.rows // package.total)
            await vigil.look(runtime)
            await anyio.sleep(POLL_S)
    if wait and package.state == "failed":
        remark(f"Error: {package.error}")
    return _told(batch, [package])


@click.command("orders")
@click.option("--brand", "slug", default="", help="The brand's slug: its latest orders.")
@click.option("--batch", "name", default="", help="One order by its batch, with its packages and their progress.")
@json_option
def list_orders(*, slug: str, name: str, as_json: bool) -> None:
    """Orders with their states, packages and progress; the latest first."""
    if bool(slug) == bool(name):
        raise InvalidInput("Say --brand for its orders, or --batch for one.")

    async def use(runtime: Runtime) -> list[dict[str, Any]]:
        async with runtime.db.transaction() as tx:
            if name:
                found = [await batches.get(tx, name)]
            else:
                owner = await catalogue.brand(tx, slug)
                found = await batches.search(tx, brand_id=owner.id, gtin="", before=None, limit=LIST_MAX)
            return [_told(each, await packaging.list_of(tx, each, limit=LIST_MAX)) for each in found]

    rows = run(use)
    lines = []
    for row in rows:
        why = f"  {row['error']}" if row["error"] else ""
        lines.append(f"{row['batch']}  {row['gtin']}  {row['count']:>13,}  {row['state']:10} {row['order']}{why}")
        for each in row["packages"]:
            done = f"{each['done'] * 100 // each['total']}%" if each["total"] else ""
            lines.append(
                f"  {each['package']}  {each['first']:,}-{each['last']:,}  {each['recipient'] or '-'}  "
                f"{each['state']} {done if each['state'] == 'writing' else each['error'] or ''}".rstrip()
            )
    say(rows, as_json=as_json, text="\n".join(lines) or "No order yet: `yima codes order`.")


@click.command("package")
@batch_option
@click.option("--out", type=click.Path(path_type=Path), required=True, help="The package's file.")
@click.option("--from", "first", type=int, help="First line (default: the batch's).")
@click.option("--to", "last", type=int, help="Last line, inclusive (default: the batch's).")
@click.option("--layout", default="", help="Layout of the data file (default: the order's).")
@click.option("--recipient", "to", default="", help="For whom (default: the order's recipient, if it has one).")
@click.option("--passphrase-file", type=click.Path(path_type=Path, exists=True, dir_okay=False),
              help="Encrypt with the passphrase in this file's first line; - is not kept anywhere.")  # fmt: skip
@click.option("--plain", is_flag=True, help="Do not encrypt, although the recipient has a key.")
@json_option
def write_package(*, name: str, out: Path, as_json: bool, passphrase_file: Path | None, **given: Any) -> None:  # noqa: ANN401 (click's)
    """Write a package to a file: encrypted to the recipient's key (a tar archive in the age format), with a
    passphrase, or plain. A recipient's package begins and ends with set-up lines, told in its manifest.
    """  # noqa: D205 (help text)
    passphrase = None if passphrase_file is None else _read_passphrase(passphrase_file)
    asked = writing.Export(
        batch=name, out=out.absolute(), first=given["first"], last=given["last"], layout=given["layout"],
        recipient=given["to"], passphrase=passphrase, plain=given["plain"],
    )  # fmt: skip

    async def use(runtime: Runtime) -> Any:  # noqa: ANN401 (JSON)
        async with runtime.db.transaction() as tx:
            batch = await batches.get(tx, name)
        first, last = batches.lines_of(batch, asked.first, asked.last)
        with progress("Writing the package", last - first + 1) as tell:
            return plain(await writing.export(runtime, asked, actor=actor(), on_progress=tell))

    say(run(use), as_json=as_json)


def _read_passphrase(path: Path) -> str:
    """The first line of a file; it is neither repeated nor kept."""
    with path.open("rb") as file:
        data = file.read(PASSPHRASE_BYTES_MAX)
    try:
        return data.decode().split("\n")[0].rstrip("\r")
    except UnicodeDecodeError:
        raise InvalidInput(f"{path} holds no text in UTF-8.", field="passphrase") from None


@click.command("cancel")
@batch_option
@click.option("--reason", required=True, help="Why, for the audit trail.")
@json_option
def cancel_order(*, name: str, reason: str, as_json: bool) -> None:
    """Cancel an order of which nothing was activated: its lines are void, jobs stop, package files are removed."""

    async def use(runtime: Runtime) -> None:
        async with runtime.db.transaction() as tx:
            batch = await batches.get(tx, name)
            ended = await orders.cancel(tx, batch, reason=reason, actor=actor())
        _remove(runtime, ended)

    run(use)
    say({"batch": name, "state": "cancelled"}, as_json=as_json, text=f"The order of batch {name} is cancelled.")


@click.command("close")
@batch_option
@json_option
def close_order(*, name: str, as_json: bool) -> None:
    """Close an order that is done with: no more packages, and their files are removed. Its codes work on."""

    async def use(runtime: Runtime) -> None:
        async with runtime.db.transaction() as tx:
            batch = await batches.get(tx, name)
            ended = await orders.close(tx, batch, actor=actor())
        _remove(runtime, ended)

    run(use)
    say({"batch": name, "state": "closed"}, as_json=as_json, text=f"The order of batch {name} is closed.")


def _remove(runtime: Runtime, ended: list[Package]) -> None:
    folder = writing.folder_of(runtime.settings)
    for each in ended:
        packages.remove(packages.path_in(folder, each.name, encrypted=each.encryption != "none"))


@click.command("downloads")
@brand_option
@click.option("--batch", "name", default="", help="Of this batch only.")
@json_option
def list_downloads(*, slug: str, name: str, as_json: bool) -> None:
    """Who took code packages, when and from where; the latest first."""

    async def use(runtime: Runtime) -> Any:  # noqa: ANN401 (JSON)
        async with runtime.db.transaction() as tx:
            owner = await catalogue.brand(tx, slug)
            batch = await batches.get(tx, name, brand_id=owner.id) if name else None
            return plain(await downloads.list_of(tx, runtime.vault, brand_id=owner.id, batch=batch, limit=LIST_MAX))

    rows = run(use)
    text = "\n".join(
        f"{row['at']}  {row['package'] or row['file']}  {row['lines']:,} lines  {row['actor']}  {row['address'] or '-'}"
        for row in rows
    )
    say(rows, as_json=as_json, text=text or "Nobody took a package yet.")


@click.command("leaks")
@brand_option
@json_option
def list_leaks(*, slug: str, as_json: bool) -> None:
    """Packages whose set-up codes were scanned: for whom they were, who took them, and where they surfaced."""

    async def use(runtime: Runtime) -> list[leaks.Leak]:
        async with runtime.db.transaction() as tx:
            owner = await catalogue.brand(tx, slug)
            return await leaks.list_of(tx, brand_id=owner.id)

    found = run(use)
    rows = [
        {
            "package": each.package, "batch": each.batch, "recipient": each.recipient, "codes": each.codes,
            "scans": each.scans, "first_at": each.first_at, "last_at": each.last_at,
            "taken": [{"at": one.at, "actor": one.actor} for one in each.takers],
            "seen": [{"scan_id": one.scan_id, "at": one.at, "adcode": one.adcode} for one in each.sightings],
        }
        for each in found
    ]  # fmt: skip
    text = "\n".join(
        f"{each.package}  {each.recipient or '-'}  {each.scans} scans of {each.codes} codes, {each.first_at:%F %R} to "
        f"{each.last_at:%F %R}; taken by {', '.join(sorted({one.actor for one in each.takers})) or 'nobody'}"
        for each in found
    )
    say(rows, as_json=as_json, text=text or "No set-up code was ever scanned.")


@click.group("recipients")
def recipient_group() -> None:
    """Printers and plants that packages are made for."""


@recipient_group.command("add")
@brand_option
@click.option("--name", "called", required=True, help="What it is called.")
@click.option("--kind", type=click.Choice(recipients.KINDS), default="printer", show_default=True)
@click.option("--key", default="", help="Its public key of the age format (age1…).")
@click.option("--contact", default="", help="Whom to ask there; stored encrypted.")
@json_option
def add_recipient(*, slug: str, called: str, kind: str, key: str, contact: str, as_json: bool) -> None:
    """Add a printer or plant."""

    async def use(runtime: Runtime) -> Any:  # noqa: ANN401 (JSON)
        async with runtime.db.transaction() as tx:
            owner = await catalogue.brand(tx, slug)
            return plain(
                await recipients.add(
                    tx, runtime.vault, brand_id=owner.id, name=called, kind=kind, public_key=key, contact=contact,
                    actor=actor(),
                )
            )  # fmt: skip

    say(run(use), as_json=as_json, text=f"{called} is added.")


@recipient_group.command("list")
@brand_option
@json_option
def show_recipients(*, slug: str, as_json: bool) -> None:
    """A brand's recipients, retired ones last."""

    async def use(runtime: Runtime) -> Any:  # noqa: ANN401 (JSON)
        async with runtime.db.transaction() as tx:
            owner = await catalogue.brand(tx, slug)
            return plain(await recipients.list_of(tx, runtime.vault, brand_id=owner.id))

    rows = run(use)
    text = "\n".join(
        f"{row['name']}  {row['kind']}  {row['public_key'] or 'no key'}{'  retired' if row['retired_at'] else ''}"
        for row in rows
    )
    say(rows, as_json=as_json, text=text or "No recipient yet: `yima codes recipients add`.")


@recipient_group.command("retire")
@brand_option
@click.option("--name", "called", required=True, help="Which.")
@json_option
def retire_recipient(*, slug: str, called: str, as_json: bool) -> None:
    """Make no more packages for a recipient."""

    async def use(runtime: Runtime) -> None:
        async with runtime.db.transaction() as tx:
            owner = await catalogue.brand(tx, slug)
            await recipients.retire(tx, runtime.vault, brand_id=owner.id, name=called, actor=actor())

    run(use)
    say({"name": called, "retired": True}, as_json=as_json, text=f"{called} is retired.")


COMMANDS: Final = (
    order_codes, list_orders, write_package, cancel_order, close_order, list_downloads, list_leaks, recipient_group,
)  # fmt: skip
