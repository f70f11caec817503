"""`yima codes verify`: single codes as they come, and whole files in bulk."""

from __future__ import annotations

import csv
import io
import os
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO

import click

from codegen import foreign, keys, verification
from codegen.bulk import Openers
from codegen.confined import open_regular
from codegen.line_fields import HashedFile
from codegen.listings import Listing, OnBad, Tally
from codegen.outfiles import replacing
from codegen.scheme import Ring
from codegen.verification import Verification
from kernel.errors import InvalidInput
from yima.cli.common import json_option, line, progress, remark, run
from yima.runtime import Runtime

VERIFY_CHUNK = 1000
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


@click.command("verify")
@click.argument("texts", nargs=-1)
@click.option("--file", "path", type=click.Path(path_type=Path), help="Verify a whole file in bulk: one summary.")
@click.option("--out", type=click.Path(path_type=Path), help="With --file: the bad lines, as CSV (line,reason,text).")
@json_option
def verify_codes(*, texts: tuple[str, ...], path: Path | None, out: Path | None, as_json: bool) -> None:
    """Verify codes or URLs, given as arguments or one a line on standard input; one JSON object a line.

    With --file a file of codes, URLs of either form, or pairs of them (outer,inner), mixed as they may be, is
    verified in bulk: one JSON object says how many there are, of which batches, in which states, and what is
    bad. Codes that others made and that were imported are not looked up in bulk. Exit code 1 if any is not valid,
    or is there twice.
    """
    del as_json  # it is always JSON
    if path is not None:
        if texts:
            raise click.UsageError("Give either codes or --file.")
        if not _verify_file(path, out):
            sys.exit(1)
        return
    if out is not None:
        raise click.UsageError("--out goes with --file.")
    if isinstance(sys.stdin, io.TextIOWrapper):
        sys.stdin.reconfigure(errors="replace")  # what is no text is no code either
    given: Iterable[str] = texts or (text.rstrip("\r\n") for text in sys.stdin)

    async def use(runtime: Runtime) -> bool:
        async with runtime.db.transaction() as tx:
            reader = await foreign.load_reader(tx, runtime.vault)
            sealed = await keys.read_sealed(tx)
        ring = Ring(await verification.open_all(runtime.vault, sealed))
        everything_valid = True
        for chunk in _chunks(given, VERIFY_CHUNK):
            async with runtime.db.transaction() as tx:
                answers = await verification.verify(tx, ring, chunk, reader=reader)
            for found in answers:
                everything_valid &= found.valid
                line(_stable(found))
        return everything_valid

    if not run(use):
        sys.exit(1)


def _stable(found: Verification) -> dict[str, Any]:
    """The fields that stay as they are."""
    return {
        "code": found.code, "valid": found.valid, "gtin": found.gtin, "batch": found.batch, "serial": found.serial,
        "reason": found.reason,
    }  # fmt: skip


def _chunks(texts: Iterable[str], size: int) -> Iterator[list[str]]:
    iterator = iter(texts)
    while chunk := list(islice(iterator, size)):
        yield chunk


def _verify_file(path: Path, out: Path | None) -> bool:
    async def use(runtime: Runtime) -> tuple[Tally, str, float]:
        async with runtime.db.transaction() as tx:
            known = await verification.known_batches(tx)
            sealed = await keys.read_sealed(tx)
        secrets = await verification.open_all(runtime.vault, sealed)
        with ExitStack() as stack:
            file = stack.enter_context(open_regular(path, sys.maxsize))
            on_bad = None if out is None else _bad_lines(stack.enter_context(replacing(out)))
            tell = stack.enter_context(progress("Verifying bytes", max(os.fstat(file.fileno()).st_size, 1)))
            hashed = HashedFile(file)
            begun = time.perf_counter()
            try:
                tally = Listing(Openers(secrets), known, on_bad).read(hashed, tell)
            except InvalidInput as error:
                raise InvalidInput(f"{path}: {error.message}") from error
            except OSError as error:
                raise InvalidInput(f"Cannot read {path}: {error.strerror}.") from error
            return tally, hashed.digest.hexdigest(), time.perf_counter() - begun

    tally, sha256, seconds = run(use)
    if tally.unwatched:
        remark(f"{tally.unwatched:,} codes were verified but not looked for twice: too many batches for memory.")
    whole = bool(tally.valid) and tally.valid == tally.codes and not tally.bad_lines
    line({
        "file": str(path), "sha256": sha256, "valid": whole, "lines": tally.lines, "blank": tally.blank,
        "codes": tally.codes, "valid_codes": tally.valid, "bad_lines": tally.bad_lines,
        "duplicates": tally.duplicates, "unwatched": tally.unwatched,
        "reasons": dict(tally.reasons.most_common()), "hosts": dict(tally.hosts.most_common()),
        "batches": [asdict(each) for each in tally.batches], "seconds": round(seconds, 3),
        "codes_per_s": round(tally.codes / seconds) if seconds else None,
    })  # fmt: skip
    return whole


def _bad_lines(out: BinaryIO) -> OnBad:
    """Writes bad lines as CSV that no spreadsheet takes for formulas."""
    out.write(b"\xef\xbb\xbfline,reason,text\r\n")
    row = io.StringIO()
    writer = csv.writer(row)

    def write(number: int, reason: str, text: str) -> None:
        writer.writerow((number, reason, "'" + text if text.startswith(_FORMULA) else text))
        out.write(row.getvalue().encode("utf-8", "replace"))
        row.seek(0)
        row.truncate()

    return write
