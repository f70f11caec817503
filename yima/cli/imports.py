"""`yima codes import|imports|import-…`: codes that others made."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import click

from codegen import imports, patterns, rowfiles
from codegen.imports import Import
from codegen.outfiles import replacing
from codegen.rowfiles import Columns
from kernel import tasks
from kernel.errors import InvalidInput
from traceability import catalogue
from yima import importing, worker
from yima.cli.common import actor, json_option, plain, progress, run, say
from yima.runtime import Runtime

POLL_S = 0.3
RETRY_S = 1.0
FLAWS_SHOWN = 20

name_option = click.option("--import", "name", required=True, help="The import's name.")


@click.command("import")
@click.option("--brand", "slug", required=True, help="The brand's slug.")
@click.option("--gtin", required=True, help="The product that bears the codes.")
@click.option("--file", "path", type=click.Path(path_type=Path), required=True, help="Text or CSV, a code a line.")
@click.option("--pattern", "template", default=patterns.PLACE, show_default=True,
              help="Where the code stands: {code}, or https://old.example/t?c={code}.")  # fmt: skip
@click.option("--alphabet", type=click.Choice(tuple(patterns.ALPHABETS)), default="digits", show_default=True,
              help="Symbols of a code.")  # fmt: skip
@click.option("--length", required=True, help="How many symbols: 20, or 8-12.")
@click.option("--column", default="1", show_default=True, help="The column's number, or its name in the header.")
@click.option("--header", is_flag=True, help="The first line is a header.")
@click.option("--delimiter", type=click.Choice(tuple(rowfiles.DELIMITERS)), default="comma", show_default=True,
              help="Between columns.")  # fmt: skip
@click.option("--encoding", type=click.Choice(rowfiles.ENCODINGS), default="auto", show_default=True,
              help="Of the file; auto knows UTF-8, UTF-16 with its mark, GBK and GB18030.")  # fmt: skip
@click.option("--confirm", is_flag=True, help="Let the good rows go live without asking again.")
@json_option
def import_codes(
    *, slug: str, gtin: str, path: Path, template: str, alphabet: str, length: str, column: str, header: bool,
    delimiter: str, encoding: str, confirm: bool, as_json: bool,
) -> None:  # fmt: skip
    """Read a file of codes that others made, and report what is wrong with it.

    Nothing goes live before the good rows are confirmed: with --confirm, by `yima codes import-confirm`, or in the
    console. The report names flawed rows by line and repeats nothing of the file.
    """
    low, high = _length(length)
    wanted = importing.Wanted(
        brand=slug,
        gtin=gtin,
        pattern=patterns.declare(template, alphabet=alphabet, length_min=low, length_max=high),
        columns=Columns(column, header, delimiter, encoding),
        file=path.absolute(),
    )

    async def use(runtime: Runtime) -> dict[str, Any]:
        found = await importing.request(runtime, wanted, actor=actor())
        found = await _follow(runtime, found, "Reading codes")
        if confirm and found.good:
            found = await importing.confirm(runtime, found.name, actor=actor())
            found = await _follow(runtime, found, "Storing codes")
        return await _shown(runtime, found)

    _say(run(use), as_json=as_json)


@click.command("imports")
@click.option("--brand", "slug", required=True, help="The brand's slug.")
@json_option
def list_imports(*, slug: str, as_json: bool) -> None:
    """A brand's imports, newest first."""

    async def use(runtime: Runtime) -> list[dict[str, Any]]:
        async with runtime.db.transaction() as tx:
            owner = await catalogue.brand(tx, slug)
            return [_document(each) for each in await imports.list_of(tx, brand_id=owner.id)]

    rows = run(use)
    text = "\n".join(f"{r['import']}  {r['gtin']}  {r['good']:>11,}  {r['state']:9} {r['pattern']}" for r in rows)
    say(rows, as_json=as_json, text=text or "No import yet: `yima codes import`.")


@click.command("import-confirm")
@name_option
@json_option
def confirm_import(*, name: str, as_json: bool) -> None:
    """Let the good rows of an import that is judged go live."""

    async def use(runtime: Runtime) -> dict[str, Any]:
        found = await importing.confirm(runtime, name, actor=actor())
        return await _shown(runtime, await _follow(runtime, found, "Storing codes"))

    _say(run(use), as_json=as_json)


@click.command("import-resume")
@name_option
@json_option
def resume_import(*, name: str, as_json: bool) -> None:
    """Go on with an import that stopped: killed in the middle, or failed for want of room."""

    async def use(runtime: Runtime) -> dict[str, Any]:
        async with runtime.db.transaction() as tx:
            await imports.resume(tx, name, actor=actor())
            found = await imports.get(tx, name)
        if found.state in ("reading", "placing"):
            found = await _follow(runtime, found, "Going on")
        return await _shown(runtime, found)

    _say(run(use), as_json=as_json)


@click.command("import-cancel")
@name_option
@json_option
def cancel_import(*, name: str, as_json: bool) -> None:
    """Drop an import that is not confirmed, and its file."""

    async def use(runtime: Runtime) -> Import:
        return await importing.cancel(runtime, name, actor=actor())

    found = run(use)
    say({"import": found.name, "state": "cancelled"}, as_json=as_json, text=f"Import {found.name} is cancelled.")


@click.command("import-report")
@name_option
@click.option("--out", type=click.Path(path_type=Path), required=True, help="The CSV: line, flaw, first_line.")
@json_option
def report_import(*, name: str, out: Path, as_json: bool) -> None:
    """Write which lines of an import are flawed, and why; it holds nothing of the file itself."""

    async def use(runtime: Runtime) -> dict[str, Any]:
        async with runtime.db.transaction() as tx:
            found = await imports.get(tx, name)
            with replacing(out.absolute()) as file:
                async for part in imports.report(tx, found):
                    file.write(part.encode())
        return {"import": found.name, "flaws": dict(found.flaws), "file": str(out)}

    done = run(use)
    say(done, as_json=as_json, text=f"Wrote {out}.")


async def _follow(runtime: Runtime, found: Import, title: str) -> Import:
    """Do the import's task here, or watch the worker that was faster."""
    assert found.task_id is not None
    with progress(title, importing.STEPS) as tell:
        doing = asyncio.create_task(worker.run_here(runtime, found.task_id))
        try:
            while (status := await _status(runtime, found.task_id, tell)).state in ("queued", "running"):
                await asyncio.sleep(POLL_S)
                if doing.done():  # tried again, or taken by a worker: whoever is free goes on
                    await asyncio.sleep(RETRY_S)
                    doing = asyncio.create_task(worker.run_here(runtime, found.task_id))
        finally:
            await doing
    if status.state == "failed":
        raise InvalidInput(status.error or "The worker could not finish the import.")
    async with runtime.db.transaction() as tx:
        return await imports.get(tx, found.name)


async def _status(runtime: Runtime, task_id: UUID, tell: Callable[[int], None]) -> tasks.TaskStatus:
    async with runtime.db.transaction() as tx:
        status = await tasks.status(tx, task_id)
    tell(importing.STEPS * status.done // max(status.total, 1))
    return status


async def _shown(runtime: Runtime, found: Import) -> dict[str, Any]:
    async with runtime.db.transaction() as tx:
        flaws = await imports.flaws_of(tx, found, limit=FLAWS_SHOWN)
    return _document(found) | {"first_flaws": plain(flaws)}


def _document(found: Import) -> dict[str, Any]:
    return {
        "import": found.name, "state": found.state, "batch": found.batch, "gtin": found.gtin,
        "pattern": found.pattern.template, "lines": found.lines, "good": found.good, "late": found.late,
        "flaws": dict(found.flaws), "error": found.error,
    }  # fmt: skip


def _say(done: dict[str, Any], *, as_json: bool) -> None:
    flaws = ", ".join(f"{count:,} {kind}" for kind, count in sorted(done["flaws"].items())) or "none"
    text = [f"Import {done['import']}: {done['lines']:,} rows, {done['good']:,} good; flaws: {flaws}."]
    for each in done["first_flaws"]:
        repeats = f" (repeats line {each['first_line']:,})" if each["first_line"] else ""
        text.append(f"  line {each['line']:,}: {each['kind']}{repeats}")
    if done["state"] == "judged" and done["good"]:
        text.append(f"Nothing is live yet: yima codes import-confirm --import {done['import']}")
    if done["batch"]:
        text.append(f"Live as batch {done['batch']}; activate it before its codes earn anything.")
    say(done, as_json=as_json, text="\n".join(text))


def _length(text: str) -> tuple[int, int]:
    match = re.fullmatch(r"([0-9]{1,3})(?:-([0-9]{1,3}))?", text)
    if match is None:
        raise InvalidInput("The length is a number of symbols, or two of them: 20, or 8-12.", field="length")
    return int(match[1]), int(match[2] or match[1])


COMMANDS = (
    import_codes, list_imports, confirm_import, resume_import, cancel_import, report_import,
)  # fmt: skip
