"""`yima trail`: the audit trail, its head, and the proof that nothing in it was changed."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import click

from codegen.outfiles import probe_writable, replacing
from kernel import audit_chain
from kernel.audit_chain import Head, Verification
from kernel.errors import Conflict, InvalidInput
from traceability import catalogue
from yima.cli.common import json_option, run, say
from yima.runtime import Runtime

HEAD_BYTES_MAX = 4_096


@click.group()
def trail() -> None:
    """The audit trail: who changed what. Its rows are hash-chained; keep the head elsewhere."""


@trail.command("head")
@click.option("--out", type=click.Path(path_type=Path), help="Write it to a file, for `yima trail verify --head`.")
@json_option
def head(*, out: Path | None, as_json: bool) -> None:
    """Seal what can be sealed and print the newest seal: keep it where this database's operator cannot write."""

    async def use(runtime: Runtime) -> Head:
        if out is not None:
            probe_writable(out.absolute())
        await audit_chain.seal_due(runtime.db, at_once=True)
        async with runtime.db.transaction() as tx:
            found = await audit_chain.head(tx)
        if found is None:
            raise Conflict("Nothing is sealed yet: the trail is empty, or somebody is writing to it; try again.")
        return found

    document = audit_chain.head_document(run(use))
    if out is not None:
        with replacing(out.absolute()) as file:
            file.write(json.dumps(document).encode() + b"\n")
    say(document, as_json=as_json, text=f"Seal {document['number']}, rows to {document['last_id']}: {document['hash']}")


@trail.command("verify")
@click.option("--head", "path", type=click.Path(path_type=Path), help="A head kept earlier, which must still fit.")
@json_option
def verify(*, path: Path | None, as_json: bool) -> None:
    """Recompute the whole chain. Exit code 1 where a row or seal does not fit; it is named."""
    kept = None if path is None else _read_head(path)

    async def use(runtime: Runtime) -> Verification:
        async with runtime.db.transaction() as tx:
            return await audit_chain.verify(tx, kept=kept)

    found = run(use)
    document = {
        "ok": found.ok, "seals": found.seals, "rows": found.rows, "unsealed": found.unsealed,
        "problem": found.problem, "head": None if found.head is None else audit_chain.head_document(found.head),
    }  # fmt: skip
    text = f"{found.seals:,} seals over {found.rows:,} rows fit; {found.unsealed:,} rows wait for the next seal."
    say(document, as_json=as_json, text=text if found.ok else f"BAD: {found.problem}.")
    if not found.ok:
        sys.exit(1)


def _read_head(path: Path) -> Head:
    try:
        with path.open("rb") as file:
            raw = file.read(HEAD_BYTES_MAX + 1)
    except OSError as error:
        raise InvalidInput(f"{path} cannot be read: {error.strerror}.") from error
    try:
        return audit_chain.parse_head(json.loads(raw))
    except (ValueError, RecursionError) as error:
        raise InvalidInput(f"{path} is no head as `yima trail head --out` writes it.") from error


@trail.command("export")
@click.option("--brand", "slug", required=True, help="The brand's slug.")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="The file: one JSON object a line.")
@json_option
def export(*, slug: str, out: Path, as_json: bool) -> None:
    """Write a brand's rows and all seals, so that anyone can recompute the brand's rows in the chain."""

    async def use(runtime: Runtime) -> dict[str, Any]:
        target = out.absolute()
        probe_writable(target)
        counts = {"rows": 0, "seals": 0}
        async with runtime.db.transaction() as tx:
            brand = await catalogue.brand(tx, slug)
            with replacing(target) as file:
                async for document in audit_chain.export(tx, brand_id=brand.id):
                    counts[f"{document['kind']}s"] += 1
                    file.write(audit_chain.canonical(document).encode() + b"\n")
        return counts | {"file": str(out)}

    done = run(use)
    say(done, as_json=as_json, text=f"Wrote {done['rows']:,} rows and {done['seals']:,} seals to {out}.")
