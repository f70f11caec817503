"""`yima carton`: what is in a carton, and the repair of a wrong one."""

from __future__ import annotations

import click

from codegen import in_hand, lineset
from kernel.clock import now
from traceability import cartons, catalogue
from traceability.cartons import Contents
from yima.cli.common import actor, json_option, run, say
from yima.runtime import Runtime

brand_option = click.option("--brand", "slug", required=True, help="The brand's slug.")
sscc_option = click.option("--sscc", required=True, help="The carton's SSCC.")
reason_option = click.option("--reason", required=True, help="Why, for the audit trail.")


@click.group()
def carton() -> None:
    """Cartons: what is in them, and the repair of wrong ones."""


def _say(found: Contents, *, as_json: bool) -> None:
    count = lineset.count(found.units)
    shipped = f"shipped under {found.document}" if found.document else "not shipped"
    said = {"sscc": found.sscc, "units": count, "packed_at": found.packed_at, "document": found.document}
    say(said, as_json=as_json, text=f"Carton {found.sscc}: {count:,} units, {shipped}.")


@carton.command("show")
@brand_option
@sscc_option
@json_option
def show_carton(*, slug: str, sscc: str, as_json: bool) -> None:
    """What is in a carton."""

    async def use(runtime: Runtime) -> Contents:
        async with runtime.db.transaction() as tx:
            return await cartons.get(tx, sscc, brand_id=(await catalogue.brand(tx, slug)).id)

    _say(run(use), as_json=as_json)


@carton.command("pack")
@brand_option
@sscc_option
@click.option("--code", "codes", multiple=True, required=True, help="A unit's code; comes for each unit.")
@json_option
def pack_carton(*, slug: str, sscc: str, codes: tuple[str, ...], as_json: bool) -> None:
    """Pack a carton from scanned codes; `yima pack` packs runs of lines."""

    async def use(runtime: Runtime) -> Contents:
        async with runtime.db.transaction() as tx:
            brand = await catalogue.brand(tx, slug)
            units = await in_hand.units_of_codes(tx, runtime.vault, codes, brand_id=brand.id)
            return await cartons.pack(tx, brand_id=brand.id, sscc=sscc, units=units, at=now(), actor=actor())

    _say(run(use), as_json=as_json)


@carton.command("change")
@brand_option
@sscc_option
@click.option("--out", multiple=True, help="Code of a unit to take out; may come several times.")
@click.option("--in", "put", multiple=True, help="Code of a unit to put in; may come several times.")
@reason_option
@json_option
def change_carton(
    *, slug: str, sscc: str, out: tuple[str, ...], put: tuple[str, ...], reason: str, as_json: bool
) -> None:
    """Take units out of a carton, put others in, or replace them: both at once."""

    async def use(runtime: Runtime) -> Contents:
        async with runtime.db.transaction() as tx:
            brand = await catalogue.brand(tx, slug)
            found = {
                field: await in_hand.units_of_codes(tx, runtime.vault, codes, brand_id=brand.id, field=field)
                for field, codes in (("out", out), ("put", put))
                if codes
            }
            return await cartons.change(
                tx, brand_id=brand.id, sscc=sscc, out=found.get("out", []), put=found.get("put", []), reason=reason,
                actor=actor(),
            )  # fmt: skip

    _say(run(use), as_json=as_json)


@carton.command("unpack")
@brand_option
@sscc_option
@reason_option
@json_option
def unpack_carton(*, slug: str, sscc: str, reason: str, as_json: bool) -> None:
    """Dissolve a carton that was never shipped."""

    async def use(runtime: Runtime) -> int:
        async with runtime.db.transaction() as tx:
            brand = await catalogue.brand(tx, slug)
            return await cartons.unpack(tx, brand_id=brand.id, sscc=sscc, reason=reason, actor=actor())

    count = run(use)
    say({"sscc": sscc, "units": count}, as_json=as_json, text=f"Unpacked {count:,} units of carton {sscc}.")
