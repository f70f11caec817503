"""`yima claims`: what a rule holds, a person decides."""

from __future__ import annotations

import click

from campaigns import claims as stored
from campaigns.awards import Award
from campaigns.claims import Claim
from scanapi import settle
from traceability import catalogue
from yima.cli.common import actor, json_option, run, say
from yima.runtime import Runtime


@click.group()
def claims() -> None:
    """Claims that a rule holds until a person decides."""


@claims.command("held")
@click.option("--brand", "slug", required=True, help="The brand's slug.")
@json_option
def list_held(*, slug: str, as_json: bool) -> None:
    """Claims that wait for a decision, the oldest first (at most 1,000)."""

    async def use(runtime: Runtime) -> list[Claim]:
        async with runtime.db.transaction() as tx:
            brand = await catalogue.brand(tx, slug)
            return await stored.held(tx, brand_id=brand.id)

    rows = [{"claim": c.id, "at": c.at, "rule": c.reason, "gtin": c.gtin, "member": c.member_id} for c in run(use)]
    text = "\n".join(f"{r['claim']:>8}  {r['at']:%Y-%m-%d %H:%M}  {r['rule']}  {r['gtin']}" for r in rows)
    say(rows, as_json=as_json, text=text or "Nothing is held.")


@claims.command("decide")
@click.option("--claim", "claim_id", type=int, required=True, help="The claim's number, from `yima claims held`.")
@click.option("--post/--void", "post", default=None, required=True, help="Pay it, or void it (the unit is free again).")
@click.option("--reason", required=True, help="Why, for the audit trail.")
@json_option
def decide_claim(*, claim_id: int, post: bool, reason: str, as_json: bool) -> None:
    """Pay a held claim or void it."""

    async def use(runtime: Runtime) -> Award | None:
        async with runtime.db.transaction() as tx:
            return await settle.decide(tx, runtime.vault, claim_id, post=post, reason=reason, actor=actor())

    award = run(use)
    points = 0 if award is None else award.points
    done = {"claim": claim_id, "state": "posted" if post else "voided", "points": points}
    say(done, as_json=as_json, text=f"Claim {claim_id} is {done['state']}; {points:,} points.")
