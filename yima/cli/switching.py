"""`yima codes activate|void`: states of ranges of codes."""

from __future__ import annotations

import click

from codegen import ranges
from yima import switching
from yima.cli.common import actor, json_option, run, say
from yima.runtime import Runtime

batch_option = click.option("--batch", "name", required=True, help="The batch's name, as in its manifest.")
first_option = click.option("--from", "first", type=int, help="First line, from 1 (default: the first).")
last_option = click.option("--to", "last", type=int, help="Last line, inclusive (default: the last).")


@click.command("activate")
@batch_option
@first_option
@last_option
@json_option
def activate_codes(*, name: str, first: int | None, last: int | None, as_json: bool) -> None:
    """Activate a batch or some of its lines: from now on scans earn, and parked claims are paid."""

    async def use(runtime: Runtime) -> int:
        return await switching.activate(runtime, name, first=first, last=last, actor=actor())

    count = run(use)
    say({"batch": name, "units": count}, as_json=as_json, text=f"Activated {count:,} units of batch {name}.")


@click.command("void")
@batch_option
@first_option
@last_option
@click.option("--reason", required=True, help="Why, for the audit trail.")
@click.option(
    "--as", "state", type=click.Choice(ranges.BLOCKING_STATES), default="void", show_default=True,
    help="What the consumer is told.",
)  # fmt: skip
@json_option
def void_codes(*, name: str, first: int | None, last: int | None, reason: str, state: str, as_json: bool) -> None:
    """Void (or recall, freeze, expire) a batch or some of its lines."""

    async def use(runtime: Runtime) -> int:
        return await switching.block(runtime, name, state=state, first=first, last=last, reason=reason, actor=actor())

    count = run(use)
    say({"batch": name, "units": count, "state": state}, as_json=as_json,
        text=f"{count:,} units of batch {name} are {state}.")  # fmt: skip
