"""`yima codes runs`: print runs with their balance."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import click

from codegen import batches, in_hand, lineset, printed, rolls, runs
from codegen.batches import Batch
from codegen.lineset import Lines
from codegen.runs import KINDS, Run
from kernel import tasks
from kernel.db import Tx
from kernel.errors import InvalidInput
from traceability import catalogue
from yima import broker
from yima.cli.common import actor, json_option, run, say
from yima.cli.switching import batch_option
from yima.runtime import Runtime

run_option = click.option("--run", "name", required=True, help="The run's name.")


@click.group("runs")
def run_group() -> None:
    """Print runs: issued = good + waste + returned + missing, by roll and printer."""


def _said(found: Run) -> dict[str, object]:
    return {
        "run": found.name, "batch": found.batch, "printer": found.printer, "state": found.state,
        "opened_at": found.opened_at, "closed_at": found.closed_at, "issued": found.issued,
        **{kind: found.total(kind) for kind in KINDS}, "off": found.off,
        "parts": [
            {
                "part": part.id, "roll": part.roll, "first": part.first, "last": part.last, "issued": part.issued,
                **{kind: part.total(kind) for kind in KINDS}, "off": part.off,
            }
            for part in found.parts
        ],
    }  # fmt: skip


def _table(found: Run) -> str:
    head = f"Run {found.name} of batch {found.batch} on {found.printer}: {found.state}"
    columns = f"{'':24}{'issued':>13}" + "".join(f"{kind:>13}" for kind in KINDS) + f"{'off':>13}"
    rows = [
        f"{part.name:24}{part.issued:>13,}" + "".join(f"{part.total(kind):>13,}" for kind in KINDS) + f"{part.off:>13,}"
        for part in found.parts
    ]
    total = f"{'all':24}{found.issued:>13,}" + "".join(f"{found.total(k):>13,}" for k in KINDS) + f"{found.off:>13,}"
    return "\n".join([head, columns, *rows, total])


def read_lines(texts: Sequence[str]) -> Lines:
    """Ranges of lines as people write them: `5`, `1-200`.

    Raises:
        InvalidInput: a text is no such range.
    """
    found = []
    for each in texts:
        first, _, last = each.replace(",", "").partition("-")
        if not (first.strip().isascii() and first.strip().isdigit() and (not last or last.strip().isdigit())):
            raise InvalidInput(f"A range of lines is written 1-200, not {each!r}.", field="ranges")
        found.append((int(first), int(last or first)))
    if any(last < first for first, last in found):
        raise InvalidInput("A range of lines begins with the smaller number.", field="ranges")
    return lineset.of(found)


@run_group.command("open")
@batch_option
@click.option("--printer", required=True, help="The printer's name.")
@click.option("--roll", "given", multiple=True, help="A roll, by number or label; may come several times.")
@click.option("--lines", "ranges", multiple=True, help="A range of lines, such as 1-200; may come several times.")
@json_option
def open_run(*, name: str, printer: str, given: tuple[str, ...], ranges: tuple[str, ...], as_json: bool) -> None:
    """Give rolls or lines to a printer. Lines that another run has, or has printed, are refused."""

    async def use(runtime: Runtime) -> Run:
        async with runtime.db.transaction() as tx:
            batch = await batches.get(tx, name)
            taken = [await rolls.named(tx, each, batch=batch, brand_id=batch.brand_id) for each in given]
            return await runs.open_run(
                tx, batch, printer=printer, rolls=taken, lines=read_lines(ranges), actor=actor()
            )  # fmt: skip

    opened = run(use)
    say(_said(opened), as_json=as_json, text=_table(opened))


@run_group.command("list")
@click.option("--brand", "slug", required=True, help="The brand's slug.")
@click.option("--batch", "name", help="Of one batch only.")
@json_option
def list_runs(*, slug: str, name: str | None, as_json: bool) -> None:
    """A brand's latest 100 runs."""

    async def use(runtime: Runtime) -> list[Run]:
        async with runtime.db.transaction() as tx:
            brand = await catalogue.brand(tx, slug)
            batch = None if name is None else await batches.get(tx, name, brand_id=brand.id)
            return await runs.list_of(tx, brand_id=brand.id, batch_id=None if batch is None else batch.id, limit=100)

    found = run(use)
    text = "\n".join(f"{r.name}  {r.batch}  {r.state:6}  {r.issued:>13,}  off {r.off:>9,}  {r.printer}" for r in found)
    say([_said(each) for each in found], as_json=as_json, text=text or "No run yet: `yima codes runs open`.")


@run_group.command("show")
@run_option
@json_option
def show_run(*, name: str, as_json: bool) -> None:
    """A run and its balance by roll."""

    async def use(runtime: Runtime) -> Run:
        async with runtime.db.transaction() as tx:
            return await runs.get(tx, name)

    found = run(use)
    say(_said(found), as_json=as_json, text=_table(found))


@run_group.command("enter")
@run_option
@click.option("--kind", type=click.Choice(KINDS), required=True, help="What became of them.")
@click.option("--code", "codes", multiple=True, help="A scanned code; may come several times. `-`: standard input.")
@click.option("--between", nargs=2, metavar="CODE CODE", help="From one scanned code to another.")
@click.option("--lines", "ranges", multiple=True, help="A range of lines, such as 1-200; may come several times.")
@click.option("--count", type=int, help="How many, without saying which (with --roll, where the run has several).")
@click.option("--roll", type=int, help="The roll that the count is of.")
@click.option("--part", type=int, help="The part that the count is of, as `runs show --json` numbers it.")
@click.option("--instead", is_flag=True, help="Correct what was said of these lines before.")
@json_option
def enter(
    *, name: str, kind: str, codes: tuple[str, ...], between: tuple[str, str] | None, ranges: tuple[str, ...],
    count: int | None, roll: int | None, part: int | None, instead: bool, as_json: bool,
) -> None:  # fmt: skip
    """Say what became of lines: by scanned codes, by a range, or by count."""
    ways = [bool(codes), bool(between), bool(ranges), count is not None]
    if sum(ways) != 1:
        raise InvalidInput("Name lines in one way: --code, --between, --lines or --count.")
    if codes == ("-",):
        codes = tuple(text.strip() for text in sys.stdin if text.strip())

    async def use(runtime: Runtime) -> Run:
        async with runtime.db.transaction() as tx:
            found = await runs.get(tx, name)
            if count is not None:
                part_id = part or next((p.id for p in found.parts if roll is not None and p.roll == roll), None)
                await printed.enter_count(tx, found, kind=kind, count=count, part_id=part_id, actor=actor())
            else:
                batch = await batches.get(tx, found.batch)
                lines = await _lines(tx, runtime, batch, codes, between, ranges)
                await printed.enter_lines(
                    tx, found, kind=kind, lines=lines, how="codes" if codes else "range", instead=instead, actor=actor()
                )
            return await runs.get(tx, name)

    found = run(use)
    say(_said(found), as_json=as_json, text=_table(found))


async def _lines(
    tx: Tx, runtime: Runtime, batch: Batch, codes: Sequence[str], between: Sequence[str] | None, ranges: Sequence[str]
) -> Lines:
    if ranges:
        return read_lines(ranges)
    _, lines = await in_hand.lines_of_codes(
        tx, runtime.vault, codes or between or (), brand_id=batch.brand_id, batch=batch
    )
    return ((min(lines), max(lines)),) if between else lineset.of_lines(lines)


@run_group.command("withdraw")
@run_option
@click.option("--entry", type=int, required=True, help="The entry's number.")
@json_option
def withdraw(*, name: str, entry: int, as_json: bool) -> None:
    """Take an entry back."""

    async def use(runtime: Runtime) -> Run:
        async with runtime.db.transaction() as tx:
            await printed.withdraw(tx, await runs.get(tx, name), entry, actor=actor())
            return await runs.get(tx, name)

    found = run(use)
    say(_said(found), as_json=as_json, text=_table(found))


@run_group.command("close")
@run_option
@click.option("--activate", is_flag=True, help="Activate the good lines.")
@click.option("--void", is_flag=True, help="Void the wasted and the missing lines.")
@json_option
def close_run(*, name: str, activate: bool, void: bool, as_json: bool) -> None:
    """Close a run that balances; otherwise it is said by how much it is off, and where."""

    async def use(runtime: Runtime) -> runs.Closed:
        task_id = None
        async with runtime.db.transaction() as tx:
            found = await runs.get(tx, name)
            batch = await batches.get(tx, found.batch)
            closed = await runs.close(tx, found, batch, activate=activate, void=void, actor=actor())
            if closed.activated:
                task_id = await tasks.submit(tx, "settle_claims", {}, brand_id=found.brand_id)
        if task_id is not None:
            await broker.wake(runtime, "yima.run", str(task_id))
        return closed

    closed = run(use)
    said = _said(closed.run) | {"activated": closed.activated, "voided": closed.voided}
    text = f"{_table(closed.run)}\nActivated {closed.activated:,}, voided {closed.voided:,}."
    say(said, as_json=as_json, text=text)
