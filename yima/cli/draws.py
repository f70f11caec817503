"""`yima draw`: list, close, prove, verify."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from campaigns import draws, proofs
from campaigns.rules import DrawRules
from codegen.outfiles import replacing
from kernel.errors import InvalidInput
from traceability import catalogue
from yima.cli.common import actor, json_option, run, say
from yima.runtime import Runtime

PROOF_BYTES_MAX = 4 << 30

draw_option = click.option("--draw", "name", required=True, help="The draw's public id (`yima draw list`).")


@click.group()
def draw() -> None:
    """Lucky draws that anyone can check."""


def _row(found: draws.Draw) -> dict[str, Any]:
    return {
        "draw": found.name,
        "name": found.rules.name_zh,
        "state": "open" if found.closed_at is None else "closed",
        "entries": found.entries,
        "prizes": [
            {"id": p.id, "name": p.name_zh, "odds": p.odds, "stock": p.stock, "left": found.prizes_left[p.id]}
            for p in found.rules.prizes
        ],
        "rules_hash": found.rules_hash,
        "seed_commitment": found.seed_commitment,
        "published_at": found.published_at,
        "closed_at": found.closed_at,
    }


def _text(row: dict[str, Any]) -> str:
    prizes = ", ".join(f"{p['name']} {p['left']:,}/{p['stock']:,}" for p in row["prizes"])
    return f"{row['draw']}  {row['state']:6}  {row['entries']:>9,} entries  {row['name']}: {prizes}"


@draw.command("publish")
@click.option("--brand", "slug", required=True, help="The brand's slug.")
@click.option("--rules", "file", type=click.Path(path_type=Path), required=True, help="The rules, a JSON file.")
@json_option
def publish_draw(*, slug: str, file: Path, as_json: bool) -> None:
    """Publish a draw: its rules never change afterwards, and the commitment to its seed is fixed.

    The file is a rules document as README shows it, prizes in the order of their ids; it opens in the future.
    """
    rules = DrawRules.from_document(_read_json(file))

    async def use(runtime: Runtime) -> draws.Draw:
        async with runtime.db.transaction() as tx:
            brand = await catalogue.brand(tx, slug)
            return await draws.publish(tx, runtime.vault, brand_id=brand.id, rules=rules, actor=actor())

    row = _row(run(use))
    say(row, as_json=as_json, text=_text(row) + f"\n  rules_hash: {row['rules_hash']}\n"
        f"  seed_commitment: {row['seed_commitment']}")  # fmt: skip


@draw.command("list")
@json_option
def list_draws(*, as_json: bool) -> None:
    """All draws, the newest first."""

    async def use(runtime: Runtime) -> list[draws.Draw]:
        async with runtime.db.transaction() as tx:
            return await draws.list_all(tx)

    rows = [_row(found) for found in run(use)]
    say(rows, as_json=as_json, text="\n".join(_text(row) for row in rows) or "No draw yet.")


@draw.command("close")
@draw_option
@json_option
def close_draw(*, name: str, as_json: bool) -> None:
    """Close a draw: no entry is possible afterwards, and its proof may be seen. Again: changes nothing."""

    async def use(runtime: Runtime) -> draws.Draw:
        async with runtime.db.transaction() as tx:
            return await draws.close(tx, name, actor=actor())

    row = _row(run(use))
    say(row, as_json=as_json, text=_text(row))


@draw.command("proof")
@draw_option
@click.option("--out", type=click.Path(path_type=Path), help="The file (default: standard output).")
@json_option
def prove_draw(*, name: str, out: Path | None, as_json: bool) -> None:
    """Write the proof of a closed draw: everything that is needed to compute it anew."""

    async def use(runtime: Runtime) -> dict[str, object]:
        async with runtime.db.transaction() as tx:
            return await draws.proof(tx, runtime.vault, name)

    document = run(use)
    text = json.dumps(document, ensure_ascii=False)
    if out is None:
        click.echo(text)
        return
    with replacing(out.absolute()) as file:
        file.write(text.encode() + b"\n")
    out.chmod(0o644)  # a proof is for everyone
    say({"draw": name, "file": str(out)}, as_json=as_json, text=f"The proof of draw {name} is in {out}.")


def _read_json(file: Path) -> Any:  # noqa: ANN401 (JSON)
    try:
        if file.stat().st_size > PROOF_BYTES_MAX:
            raise InvalidInput(f"{file} is larger than 4 GiB: no rules, and no proof, can be.")
        return json.loads(file.read_bytes())
    except OSError as error:
        raise InvalidInput(f"Cannot read {file}: {error.strerror}.") from error
    except (ValueError, RecursionError) as error:
        raise InvalidInput(f"{file} is no JSON file: {error}") from error


@draw.command("verify")
@click.argument("proof", type=click.Path(path_type=Path))
@json_option
def verify_proof(*, proof: Path, as_json: bool) -> None:
    """Compute a draw anew from its proof file alone; needs no database and no settings. Exit code 1 if it fails.

    Compare the rules hash and the seed commitment that are printed with those that were published before the draw.
    """
    document = _read_json(proof)
    report = proofs.verify(document)
    told = {"rules_hash": None, "seed_commitment": None}
    if isinstance(document, dict):
        told = {key: document.get(key) for key in told}
    lines = [
        f"{'OK' if report.ok else 'FAILED'}: {report.entries:,} entries",
        *(f"  prize {prize}: {count:,} won" for prize, count in report.prizes.items()),
        *(f"  {problem}" for problem in report.problems),
        *(f"  {key}: {value}" for key, value in told.items()),
    ]
    say({**asdict(report), **told}, as_json=as_json, text="\n".join(lines))
    if not report.ok:
        sys.exit(1)
