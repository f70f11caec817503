"""`yima ledger`."""

from __future__ import annotations

import sys
from dataclasses import asdict

import click

from yima.audit import audit
from yima.cli.common import json_option, run, say


@click.group()
def ledger() -> None:
    """The points ledger."""


@ledger.command("audit")
@json_option
def audit_ledger(*, as_json: bool) -> None:
    """Prove every invariant of ledger, claims and draws from the raw rows. Exit code 1 if one is broken."""
    found = run(audit)
    lines = [f"{'ok  ' if not proof.breaches else 'BAD '} {proof.name}" + (
        f": {proof.breaches:,} rows, such as {', '.join(proof.examples)}" if proof.breaches else ""
    ) for proof in found.proofs]  # fmt: skip
    lines += ["", *(f"{name:20} {_shown(value)}" for name, value in found.figures.items())]
    document = {"ok": found.ok, "proofs": [asdict(proof) for proof in found.proofs], "figures": found.figures}
    say(document, as_json=as_json, text="\n".join(lines))
    if not found.ok:
        sys.exit(1)


def _shown(value: object) -> str:
    """A figure for a person: a count, or counts by name."""
    if isinstance(value, dict):
        return ", ".join(f"{name} {count:,}" for name, count in value.items()) or "none"
    return f"{value:,}"
