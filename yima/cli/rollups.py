"""`yima rollups`: what the heatmap is answered from."""

from __future__ import annotations

from dataclasses import asdict

import click

from insights import rollups as rolling
from insights.views import Freshness, Views
from yima.cli.common import json_option, run, say
from yima.runtime import Runtime


@click.group()
def rollups() -> None:
    """The rollups that heatmap, rankings and charts are answered from."""


@rollups.command()
@json_option
def status(*, as_json: bool) -> None:
    """How far the rollups reach."""

    async def use(opened: Runtime) -> Freshness:
        return await Views(opened.db).freshness()

    found = run(use)
    text = f"{found.scans:,} scans, as of {found.as_of:%Y-%m-%d %H:%M:%S} UTC, {found.lag_s:,.1f} s ago."
    say(asdict(found), as_json=as_json, text=text)


@rollups.command()
@json_option
def rebuild(*, as_json: bool) -> None:
    """Build them anew from the journal, beside those in use, and switch over; pages go on meanwhile.

    Needed after a dump was restored into another server, and after the journal was corrected.
    """

    async def use(opened: Runtime) -> rolling.Rolled:
        return await rolling.rebuild(opened.db)

    done = run(use)
    say({"scans": done.scans}, as_json=as_json, text=f"Rolled up {done.scans:,} scans anew.")
