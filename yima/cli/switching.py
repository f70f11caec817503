"""`yima codes activate|freeze|thaw|recall|void|expire`: states of ranges of codes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from codegen import lineset, ranges, reasons
from kernel.errors import InvalidInput
from traceability.selecting import Wanted
from yima import switching
from yima.cli.common import actor, json_option, run, say
from yima.runtime import Runtime
from yima.switching import THAWED, Switched

batch_option = click.option("--batch", "name", required=True, help="The batch's name, as in its manifest.")
first_option = click.option("--from", "first", type=int, help="First line, from 1 (default: the first).")
last_option = click.option("--to", "last", type=int, help="Last line, inclusive (default: the last).")

_DONE = {
    "activated": "Activated {n} units of {of}.",
    THAWED: "Lifted the freeze of {n} units of {of}.",
}
_OPTIONS = (
    click.option("--batch", "name", help="The batch's name, as in its manifest."),
    first_option,
    last_option,
    click.option("--between", nargs=2, metavar="CODE CODE", help="From one scanned code to another, both inclusive."),
    click.option("--code", "codes", multiple=True, help="One code or URL; may come several times."),
    click.option("--roll", help="A roll: its number (with --batch), or the text of its label's symbol."),
    click.option("--case", "sscc", help="A carton's SSCC: all units in it."),
    click.option("--order", help="All of an order, by its number (with --brand)."),
    click.option("--brand", "slug", help="The brand's slug; needed where no --batch is named."),
)
_reason_option = click.option("--reason", help=f"Why, in your own words, at most {ranges.REASON_CHARS_MAX} characters.")


def _options(command: Callable[..., Any]) -> Callable[..., Any]:
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def _code_option(state: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    return click.option("--reason-code", type=click.Choice(reasons.of_state(state)), help="Why, of the fixed list.")


def _switch(
    state: str,
    *,
    as_json: bool,
    reason: str | None = None,
    reason_code: str | None = None,
    **given: Any,  # noqa: ANN401 (click's options)
) -> None:
    slug, name = given.pop("slug"), given.pop("name")
    between, codes = given.pop("between"), given.pop("codes")
    wanted = Wanted(name, between=between or (), codes=codes, **given)
    if name is None and slug is None:
        raise InvalidInput("Name a batch (--batch), or a brand (--brand) with a code, a roll, a case or an order.")

    async def use(runtime: Runtime) -> list[Switched]:
        return await switching.switch(
            runtime, wanted, state=state, reason=reason, reason_code=reason_code, slug=slug, actor=actor()
        )

    done = run(use)
    units = sum(each.units for each in done)
    names = ", ".join(f"batch {each.batch} (lines {lineset.say(each.lines)})" for each in done)
    text = _DONE.get(state, f"{{n}} units of {{of}} are {state}.").format(n=f"{units:,}", of=names)
    found = {
        "batch": done[0].batch,
        "units": units,
        "state": state,
        "batches": [
            {"batch": each.batch, "first": each.lines[0][0], "last": each.lines[-1][1], "units": each.units}
            for each in done
        ],
    }
    say(found, as_json=as_json, text=text)


@click.command("activate")
@_options
@_code_option("activated")
@_reason_option
@json_option
def activate_codes(**given: Any) -> None:  # noqa: ANN401 (click's options)
    """Activate codes: from now on scans earn, and parked claims are paid."""
    _switch("activated", **given)


@click.command("freeze")
@_options
@_code_option("frozen")
@_reason_option
@json_option
def freeze_codes(**given: Any) -> None:  # noqa: ANN401 (click's options)
    """Stop codes for a time; `yima codes thaw` lifts it."""
    _switch("frozen", **given)


@click.command("thaw")
@_options
@json_option
def thaw_codes(**given: Any) -> None:  # noqa: ANN401 (click's options)
    """Lift every freeze of these codes; codes beside them stay frozen."""
    _switch(THAWED, **given)


@click.command("recall")
@_options
@_code_option("recalled")
@_reason_option
@json_option
def recall_codes(**given: Any) -> None:  # noqa: ANN401 (click's options)
    """Recall goods: whoever scans one is told. Final."""
    _switch("recalled", **given)


@click.command("expire")
@_options
@_code_option("expired")
@_reason_option
@json_option
def expire_codes(**given: Any) -> None:  # noqa: ANN401 (click's options)
    """Stop codes of goods past their shelf life. Final."""
    _switch("expired", **given)


@click.command("void")
@_options
@click.option("--reason-code", help="Why, of the fixed list; which codes there are depends on the state.")
@_reason_option
@click.option(
    "--as", "state", type=click.Choice(ranges.BLOCKING_STATES), default="void", show_default=True,
    help="What the consumer is told.",
)  # fmt: skip
@json_option
def void_codes(*, state: str, **given: Any) -> None:  # noqa: ANN401 (click's options)
    """Void codes for good (or recall, freeze, expire them)."""
    _switch(state, **given)


COMMANDS = (activate_codes, freeze_codes, thaw_codes, recall_codes, expire_codes, void_codes)
