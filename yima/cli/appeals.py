"""`yima appeals`: what consumers ask a person to look at."""

from __future__ import annotations

import click

from campaigns import appeals as stored
from campaigns.appeals import STATES, AppealLine
from campaigns.awards import Award
from kernel.clock import now
from scanapi import appealing
from traceability import catalogue
from yima.cli.common import actor, json_option, run, say
from yima.runtime import Runtime


@click.group()
def appeals() -> None:
    """Appeals against what a rule held or refused; each is answered by a person by its day."""


@appeals.command("list")
@click.option("--brand", "slug", required=True, help="The brand's slug.")
@click.option("--state", type=click.Choice(STATES), default="open", show_default=True)
@json_option
def list_appeals(*, slug: str, state: str, as_json: bool) -> None:
    """Appeals of a state, open ones by their deadline (at most 50)."""

    async def use(runtime: Runtime) -> list[AppealLine]:
        async with runtime.db.transaction() as tx:
            brand = await catalogue.brand(tx, slug)
            return (await stored.search(tx, brand_id=brand.id, state=state))[0]

    rows = [
        {
            "appeal": line.appeal.id, "state": line.appeal.state, "due_at": line.appeal.due_at,
            "overdue": line.appeal.state == "open" and line.appeal.due_at < now(), "rule": line.appeal.reason,
            "claim": line.appeal.claim_id, "gtin": line.appeal.gtin, "member": line.member, "said": line.appeal.said,
        }
        for line in run(use)
    ]  # fmt: skip
    text = "\n".join(
        f"{row['appeal']:>8}  {row['due_at']:%Y-%m-%d}{' OVERDUE' if row['overdue'] else ''}  {row['rule']}  "
        f"{row['gtin']}  {row['member']}"
        for row in rows
    )
    say(rows, as_json=as_json, text=text or f"No appeal is {state}.")


@appeals.command("decide")
@click.option("--appeal", "appeal_id", type=int, required=True, help="Its number, from `yima appeals list`.")
@click.option("--grant/--decline", "grant", default=None, required=True, help="Pay the reward, or do not.")
@click.option("--said", default="", help="What to tell the consumer; needed to decline.")
@json_option
def decide(*, appeal_id: int, grant: bool, said: str, as_json: bool) -> None:
    """Answer an appeal."""

    async def use(runtime: Runtime) -> Award | None:
        async with runtime.db.transaction() as tx:
            return await appealing.decide(tx, runtime.vault, appeal_id, grant=grant, said=said, actor=actor())

    award = run(use)
    done = {
        "appeal": appeal_id, "state": "granted" if grant else "declined", "points": 0 if award is None else award.points
    }  # fmt: skip
    say(done, as_json=as_json, text=f"Appeal {appeal_id} is {done['state']}; {done['points']:,} points.")
