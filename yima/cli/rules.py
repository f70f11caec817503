"""`yima rule`: what a claim earns."""

from __future__ import annotations

import click

from campaigns import earning
from campaigns.rules import EarningRule
from codegen import gs1
from kernel.clock import now
from traceability import catalogue
from yima.cli.common import actor, json_option, run, say
from yima.runtime import Runtime


@click.group()
def rule() -> None:
    """Earning rules: what a claim of a product earns."""


@rule.command("set")
@click.option("--brand", "slug", required=True, help="The brand's slug.")
@click.option("--gtin", help="The product (default: every product of the brand that has no rule of its own).")
@click.option("--points", type=int, required=True, help="Spendable points a claim, 0 to 1,000,000.")
@click.option("--qualifying", type=int, default=0, show_default=True, help="Points that count towards a tier.")
@click.option("--expires-after-days", type=int, help="Life of the spendable points (default: for ever).")
@json_option
def set_rule(
    *, slug: str, gtin: str | None, points: int, qualifying: int, expires_after_days: int | None, as_json: bool
) -> None:
    """Set what a claim earns from now on; setting it again makes a new version of the same rule."""

    async def use(runtime: Runtime) -> EarningRule:
        async with runtime.db.transaction() as tx:
            brand = await catalogue.brand(tx, slug)
            product = None
            if gtin is not None:
                product = await catalogue.product(tx, gs1.parse_gtin(gtin), brand_id=brand.id)
            return await earning.set_rule(
                tx, brand_id=brand.id, gtin=None if product is None else product.gtin, points=points,
                qualifying=qualifying, expires_after_days=expires_after_days, active_from=now(), actor=actor(),
            )  # fmt: skip

    made = run(use)
    what = made.gtin or "any product"
    text = f"A claim of {what} earns {made.points:,} points (rule {made.id}, version {made.version})."
    say(
        {"rule": made.id, "version": made.version, "gtin": made.gtin, "points": made.points}, as_json=as_json, text=text
    )
