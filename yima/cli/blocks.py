"""`yima blocks`: whose scans pay nothing, why, and until when."""

from __future__ import annotations

from typing import Any

import click

from antifraud import blocks as stored
from antifraud.blocklist import KINDS, WHYS
from antifraud.blocks import Block
from traceability import catalogue
from yima.cli.common import actor, json_option, run, say
from yima.runtime import Runtime

brand_option = click.option("--brand", "slug", required=True, help="The brand's slug.")


@click.group()
def blocks() -> None:
    """Block lists: units, batches, members, devices and networks whose scans pay nothing."""


@blocks.command("add")
@brand_option
@click.option("--kind", type=click.Choice(KINDS), required=True, help="What is blocked.")
@click.option(
    "--what", required=True,
    help="A unit: its code or BATCH:LINE; a batch: its name; a member: the id; a device: the id of a scan that it "
    "made; a network: an address or CIDR.",
)  # fmt: skip
@click.option("--why", type=click.Choice(WHYS), required=True, help="The class of reason, which the consumer is told.")
@click.option("--reason", required=True, help="What happened, for colleagues and the audit trail.")
@click.option("--days", type=int, default=90, show_default=True, help="How long it holds.")
@json_option
def add(*, slug: str, kind: str, what: str, why: str, reason: str, days: int, as_json: bool) -> None:
    """Block something; scans know it within two seconds.

    A block refuses claims. A network holds them for a person instead: an address is never one person.
    """

    async def use(runtime: Runtime) -> Block:
        async with runtime.db.transaction() as tx:
            brand = await catalogue.brand(tx, slug)
            return await stored.add(
                tx, runtime.vault, brand_id=brand.id, kind=kind, what=what, why=why, reason=reason, days=days,
                actor=actor(),
            )  # fmt: skip

    made = run(use)
    said = f"Block {made.id}: {made.kind} {made.label} until {made.until:%Y-%m-%d %H:%M} UTC."
    say(_row(made), as_json=as_json, text=said)


@blocks.command("list")
@brand_option
@click.option("--past", is_flag=True, help="Those that ended or were lifted.")
@json_option
def list_blocks(*, slug: str, past: bool, as_json: bool) -> None:
    """The blocks that stand, the latest first (at most 1,000)."""

    async def use(runtime: Runtime) -> list[Block]:
        async with runtime.db.transaction() as tx:
            brand = await catalogue.brand(tx, slug)
            return await stored.list_of(tx, brand_id=brand.id, past=past)

    rows = [_row(each) for each in run(use)]
    text = "\n".join(
        f"{r['block']:>8}  {r['kind']:<8}{r['what']:<24}{r['why']:<8}until {r['until']:%Y-%m-%d %H:%M}  "
        f"{r['by']}: {r['reason']}"
        for r in rows
    )
    say(rows, as_json=as_json, text=text or "Nothing is blocked.")


@blocks.command("lift")
@brand_option
@click.option("--block", "block_id", type=int, required=True, help="The block's number, from `yima blocks list`.")
@json_option
def lift(*, slug: str, block_id: int, as_json: bool) -> None:
    """Take a block off the list; said again it changes nothing."""

    async def use(runtime: Runtime) -> Block:
        async with runtime.db.transaction() as tx:
            brand = await catalogue.brand(tx, slug)
            return await stored.lift(tx, block_id, brand_id=brand.id, actor=actor())

    gone = run(use)
    say(_row(gone), as_json=as_json, text=f"Block {gone.id} ({gone.kind} {gone.label}) is lifted.")


def _row(block: Block) -> dict[str, Any]:
    return {
        "block": block.id, "kind": block.kind, "what": block.label, "why": block.why, "reason": block.reason,
        "until": block.until, "by": block.actor, "at": block.made_at, "lifted_by": block.lifted_by,
        "lifted_at": block.lifted_at,
    }  # fmt: skip
