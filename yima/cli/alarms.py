"""`yima alarms`: somebody tries many codes within minutes."""

from __future__ import annotations

from typing import Any

import click

from antifraud import alarms as stored
from antifraud.alarms import WINDOW_S, Alarm
from traceability import catalogue
from yima.cli.common import actor, json_option, run, say
from yima.runtime import Runtime


@click.group()
def alarms() -> None:
    """Alarms: many codes that were never issued, from one sender or under one key, within ten minutes."""


@alarms.command("list")
@click.option("--brand", "slug", help="Only this brand's.")
@click.option("--past", is_flag=True, help="Those that somebody has looked at, too.")
@json_option
def list_alarms(*, slug: str | None, past: bool, as_json: bool) -> None:
    """Alarms that nobody has looked at, the latest first (at most 200): of all brands, and the operator's own."""

    async def use(runtime: Runtime) -> list[Alarm]:
        async with runtime.db.transaction() as tx:
            brand = None if slug is None else (await catalogue.brand(tx, slug)).id
            return await stored.list_of(tx, brand_id=brand, everybody=slug is None, past=past)

    rows = [_row(each) for each in run(use)]
    text = "\n".join(
        f"{r['alarm']:>8}  {r['at']:%Y-%m-%d %H:%M}  {r['brand'] or '(operator)'}  "
        + "; ".join(f"{s['by']} {s['subject']}: {s['count']:,}" for s in r["subjects"])
        for r in rows
    )
    say(rows, as_json=as_json, text=text or "No alarm waits.")


@alarms.command("seen")
@click.option("--alarm", "alarm_id", type=int, required=True, help="The alarm's number, from `yima alarms list`.")
@json_option
def see(*, alarm_id: int, as_json: bool) -> None:
    """Note that an alarm was looked at; said again it changes nothing."""

    async def use(runtime: Runtime) -> Alarm:
        async with runtime.db.transaction() as tx:
            return await stored.see(tx, alarm_id, brand_id=None, everybody=True, actor=actor())

    found = run(use)
    say(_row(found), as_json=as_json, text=f"Alarm {found.id} was looked at by {found.seen_by}.")


def _row(alarm: Alarm) -> dict[str, Any]:
    return {
        "alarm": alarm.id, "brand": alarm.brand, "at": alarm.at, "window_s": WINDOW_S, "subjects": alarm.subjects,
        "samples": alarm.samples, "seen_by": alarm.seen_by, "seen_at": alarm.seen_at,
    }  # fmt: skip
