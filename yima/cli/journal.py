"""`yima journal`: the scan journal's months, and taking old ones out of it."""

from __future__ import annotations

from datetime import datetime

import click

from insights import journal_archive
from insights.journal_archive import Detached
from kernel.clock import now
from traceability import journal_months
from traceability.journal_months import Month
from yima.cli.common import actor, json_option, run, say
from yima.runtime import Runtime


@click.group()
def journal() -> None:
    """The scan journal, a partition a month."""


def _said(month: Month, *, latest: datetime | None = None) -> dict[str, object]:
    return {
        "name": month.name, "since": month.since, "until": month.until, "state": month.state, "rows": month.rows,
        "bytes": month.size_bytes, "detached_at": month.detached_at,
        **({} if latest is None else {"detachable": month.state == "attached" and month.until <= latest}),
    }  # fmt: skip


@journal.command("list")
@json_option
def list_months(*, as_json: bool) -> None:
    """All months, detached ones too. Rows of attached ones are PostgreSQL's estimate."""

    async def use(runtime: Runtime) -> list[Month]:
        async with runtime.db.transaction() as tx:
            return await journal_months.months(tx)

    found = run(use)
    day = journal_months.latest_before(now().date())
    latest = datetime(day.year, day.month, day.day, tzinfo=now().tzinfo)
    text = "\n".join(
        f"{each.name} {each.state:9} {each.rows:>13,} rows "
        + ("" if each.size_bytes is None else f"{each.size_bytes / 1e6:>12,.1f} MB")
        for each in found
    )
    say([_said(each, latest=latest) for each in found], as_json=as_json, text=f"{text}\nDetachable: before {day}.")


@journal.command("detach")
@click.option("--before", type=click.DateTime(["%Y-%m-%d"]), required=True, help="Months that ended by this day (UTC).")
@json_option
def detach_months(*, before: datetime, as_json: bool) -> None:
    """Take old months out of the journal while scans go on; interrupted, it goes on when called again.

    Each becomes a table of its own (pg_dump -t NAME, then DROP TABLE NAME). Rollups, units and ledger keep their
    figures; single scans of those months are no more found in the console.
    """

    async def use(runtime: Runtime) -> Detached:
        return await journal_archive.detach(runtime.db, before=before.date(), actor=actor())

    done = run(use)
    names = [*done.gone_on_with, *done.detached]
    text = f"Detached: {', '.join(names)}." if names else "Nothing to detach."
    if done.archived_before is not None:
        text += f" Scans before {done.archived_before:%Y-%m-%d} are archived."
    say(done, as_json=as_json, text=text)


@journal.command("attach")
@click.option("--name", required=True, help="The month's table, such as scan_2025_01.")
@json_option
def attach_month(*, name: str, as_json: bool) -> None:
    """Put a detached month back, while scans go on."""

    async def use(runtime: Runtime) -> Month:
        return await journal_archive.attach(runtime.db, name=name, actor=actor())

    made = run(use)
    say(_said(made), as_json=as_json, text=f"{made.name} is {made.state}.")
