"""`yima labels readback`: printed labels read again."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import click

from codegen import foreign, keys, proofreading, verification
from codegen.confined import Reader, Said
from codegen.grades import NOTE_EN
from codegen.outfiles import replacing
from codegen.proofreading import Proof, Summary
from codegen.scheme import Ring
from kernel.errors import InvalidInput
from yima.cli.common import json_option, line, remark, run
from yima.runtime import Runtime


@click.command("readback")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--report", type=click.Path(path_type=Path), help="Also write everything as one JSON file.")
@json_option
def read_labels(*, files: tuple[Path, ...], report: Path | None, as_json: bool) -> None:
    """Decode photos and PDF files with ZBar and with ZXing and verify each code; one JSON object a symbol.

    PNG, JPEG, WebP, TIFF with all its pages, BMP, the first frames of a GIF, and PDF. Each file is read in a
    process of its own, bounded in memory and time. The sums follow on standard error. Exit code 1 if there is no
    symbol, a file cannot be read, or any symbol is not in order: read by one decoder only, not issued, stopped,
    there twice, of another host, or somebody else's. The grade is an indication from the picture, no certified
    grade.
    """
    del as_json  # it is always JSON

    async def use(runtime: Runtime) -> tuple[Summary, list[str], list[dict[str, Any]]]:
        async with runtime.db.transaction() as tx:
            sealed = await keys.read_sealed(tx)
            others = await foreign.load_reader(tx, runtime.vault)
        proof = Proof(Ring(await verification.open_all(runtime.vault, sealed)), others)
        unread: list[str] = []
        rows: list[dict[str, Any]] = []
        with Reader() as reader:
            for path in files:
                try:
                    for said in reader.read_path(path):
                        if isinstance(said, Said):
                            remark(said.sentence)
                            continue
                        async with runtime.db.transaction() as tx:
                            judged = await proof.judge(tx, said.symbols)
                        for each in judged:
                            row = proofreading.told(each)
                            line(row)
                            if report is not None:
                                rows.append(row)
                except InvalidInput as error:
                    unread.append(error.message)
                    sys.stderr.write(f"Error: {error.message}\n")
        return proof.summary, unread, rows

    summary, unread, rows = run(use)
    sys.stderr.write(_sentence(summary, len(unread)))
    if report is not None:
        document = {"summary": proofreading.summed(summary), "unread": unread, "note": NOTE_EN, "symbols": rows}
        with replacing(report) as out:
            out.write(json.dumps(document, ensure_ascii=False, indent=1).encode() + b"\n")
    if unread or not summary.clean:
        sys.exit(1)


def _sentence(summary: Summary, unread: int) -> str:
    if not summary.found:
        return "No symbol was found.\n"
    parts = [f"{summary.found:,} found", f"{summary.verified:,} verified"]
    parts += [
        f"{count:,} {words}" for count, words in (
            (summary.one_decoder, "read by one decoder only"), (summary.duplicates, "there more than once"),
            (summary.kinds["stopped"], "stopped"), (summary.kinds["forged"], "not issued"),
            (summary.foreign, "somebody else's"), (summary.wrong_host, "of another host than printed"),
            (unread, "files unread"),
        ) if count
    ]  # fmt: skip
    grades = ", ".join(f"{letter} {count:,}" for letter, count in sorted(summary.grades.items()))
    return f"Symbols: {', '.join(parts)}.\n" + (f"Grades: {grades}. {NOTE_EN}\n" if grades else "")
