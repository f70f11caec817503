"""`yima codes`: issue, activate, void, verify, rotate."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import click

from codegen import batches
from traceability import catalogue
from yima import issue
from yima.cli import imports, layouts, orders, rolls, runs, stations, switching, verifying
from yima.cli.common import actor, json_option, load_settings, progress, remark, run, say
from yima.cli.keys import rotate_key
from yima.runtime import Runtime


@click.group()
def codes() -> None:
    """Order codes, switch their states, verify them. Lines are counted from 1, as in the data file."""


@codes.command("issue")
@click.option("--brand", "slug", required=True, help="The brand's slug.")
@click.option("--gtin", required=True, help="The product.")
@click.option("--count", type=int, required=True, help="Number of units, 1 to 1,000,000,000.")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="The data file: one URL a line.")
@click.option("--form", type=click.Choice(batches.FORMS), default="short", show_default=True, help="Form of the URL.")
@click.option("--pair", is_flag=True, help="An outer and an inner code a unit: OUTER,INNER a line.")
@click.option("--order", "order_number", help="Your order number: said again, it gives the identical file.")
@json_option
def issue_codes(
    *, slug: str, gtin: str, count: int, out: Path, form: str, pair: bool, order_number: str | None, as_json: bool
) -> None:
    """Order a batch and write its code package."""
    host = urlsplit(load_settings().public_url).hostname
    if host in ("127.0.0.1", "localhost", "::1"):
        remark(
            f"Note: the codes will point to {host}. For anything that leaves this machine set YIMA_PUBLIC_URL first."
        )

    async def use(runtime: Runtime) -> Any:  # noqa: ANN401 (JSON)
        with progress("Writing codes", max(count, 1)) as tell:
            order = issue.Order(slug, gtin, count, out.absolute(), form, pair, order_number)
            return asdict(await issue.issue(runtime, order, actor=actor(), on_progress=tell))

    say(run(use), as_json=as_json)


@codes.command("batches")
@click.option("--brand", "slug", required=True, help="The brand's slug.")
@json_option
def list_batches(*, slug: str, as_json: bool) -> None:
    """A brand's batches, newest first."""

    async def use(runtime: Runtime) -> list[batches.Batch]:
        async with runtime.db.transaction() as tx:
            owner = await catalogue.brand(tx, slug)
            return await batches.list_of(tx, brand_id=owner.id)

    rows = [
        {"batch": b.name, "order": b.order_number, "gtin": b.gtin, "count": b.count, "state": b.state} for b in run(use)
    ]
    text = "\n".join(f"{r['batch']}  {r['gtin']}  {r['count']:>13,}  {r['state']:8} {r['order']}" for r in rows)
    say(rows, as_json=as_json, text=text or "No batch yet: `yima codes issue`.")


for _command in (
    *switching.COMMANDS,
    *orders.COMMANDS,
    rolls.roll_group,
    runs.run_group,
    stations.station_group,
    stations.capture_codes,
    layouts.data_layouts,
    verifying.verify_codes,
    rotate_key,
    *imports.COMMANDS,
):
    codes.add_command(_command)
