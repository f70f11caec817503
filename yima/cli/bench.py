"""`yima bench`: what is fast, beside its peer in the same run."""

from __future__ import annotations

import importlib

import click

from yima.cli.common import json_option, say

AREAS = ("codes", "labels", "readback", "scan", "heatmap")


@click.command()
@click.argument("area", type=click.Choice(AREAS))
@click.option("--long", is_flag=True, help="The long form: larger data, more minutes.")
@json_option
def bench(*, area: str, long: bool, as_json: bool) -> None:
    """Measure an area; rows of name, value, unit, and the peer measured in the same run."""
    module = importlib.import_module(f"benchmarks.{area}")
    rows = module.run(long=long)
    text = "\n".join(
        f"{row['name']:28} {row['value']:>16,.1f} {row['unit']:14} "
        + (f"{row['peer']} {row['peer_value']:,.1f}" if row["peer"] else "")
        + ("" if row["ratio"] is None else f", ratio {row['ratio']:.2f}")
        for row in rows
    )
    say(rows, as_json=as_json, text=text)
