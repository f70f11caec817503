"""`yima dealer`, `yima pack`, `yima ship`: dealers with their territories, cartons, shipments."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import click

from codegen import batches, gs1
from kernel import audit
from kernel.clock import now
from kernel.errors import InvalidInput
from traceability import areas, catalogue, shipments
from traceability.regions import Regions
from traceability.shipments import Carton, Dealer
from yima.cli.common import actor, json_option, run, say
from yima.runtime import Runtime

CARTONS_AT_ONCE: Final = 10_000
EXTENSION_DIGIT: Final = 0

brand_option = click.option("--brand", "slug", required=True, help="The brand's slug.")
region_option = click.option(
    "--region", "regions", multiple=True, help="Six-digit code of a province, city or district; may come several times."
)


@click.group()
def dealer() -> None:
    """Dealers and their territories."""


def _said(found: Dealer) -> dict[str, object]:
    return {"code": found.code, "name": found.name, "regions": list(found.adcodes)}


@dealer.command("list")
@brand_option
@json_option
def list_dealers(*, slug: str, as_json: bool) -> None:
    """A brand's dealers."""

    async def use(runtime: Runtime) -> list[Dealer]:
        async with runtime.db.transaction() as tx:
            brand = await catalogue.brand(tx, slug)
            return await shipments.list_dealers(tx, brand_id=brand.id)

    found = run(use)
    text = "\n".join(f"{each.code}  {each.name}  {', '.join(map(str, each.adcodes))}" for each in found)
    say([_said(each) for each in found], as_json=as_json, text=text or "No dealer yet: `yima dealer create`.")


@dealer.command("create")
@brand_option
@click.option("--code", required=True, help="As on shipping documents; it cannot be changed.")
@click.option("--name", required=True, help="The dealer's name.")
@region_option
@json_option
def create_dealer(*, slug: str, code: str, name: str, regions: tuple[str, ...], as_json: bool) -> None:
    """Create a dealer with a territory."""

    async def use(runtime: Runtime) -> Dealer:
        adcodes = _territory(regions)
        async with runtime.db.transaction() as tx:
            brand = await catalogue.brand(tx, slug)
            return await shipments.create_dealer(
                tx, brand_id=brand.id, code=code, name=name, adcodes=adcodes, actor=actor()
            )

    made = run(use)
    say(_said(made), as_json=as_json, text=f"Created {made.code} ({made.name}).")


@dealer.command("set")
@brand_option
@click.option("--code", required=True, help="Which dealer.")
@click.option("--name", help="A new name.")
@region_option
@json_option
def set_dealer(*, slug: str, code: str, name: str | None, regions: tuple[str, ...], as_json: bool) -> None:
    """Change a dealer's name, or replace its territory."""
    if name is None and not regions:
        raise click.UsageError("Say what to change: --name or --region.")

    async def use(runtime: Runtime) -> Dealer:
        adcodes = _territory(regions)
        async with runtime.db.transaction() as tx:
            brand = await catalogue.brand(tx, slug)
            found = await shipments.dealer_coded(tx, code, brand_id=brand.id)
            return await shipments.update_dealer(
                tx, brand_id=brand.id, dealer_id=found.id, name=found.name if name is None else name,
                adcodes=adcodes or found.adcodes, version=found.version, actor=actor(),
            )  # fmt: skip

    changed = run(use)
    say(_said(changed), as_json=as_json, text=f"Changed {changed.code} ({changed.name}).")


def _territory(texts: tuple[str, ...]) -> tuple[int, ...]:
    if not texts:
        return ()
    regions = Regions.load()
    return areas.tidy(regions, areas.read(regions, texts))


@click.command("pack")
@brand_option
@click.option("--batch", "name", required=True, help="The batch's name, as in its manifest.")
@click.option("--from", "first", type=int, help="First line, from 1 (default: the first).")
@click.option("--to", "last", type=int, help="Last line, inclusive (default: the last).")
@click.option("--per-case", type=int, help="Units in a carton (default: the product's).")
@click.option("--serial", type=int, required=True, help="Serial reference of the first carton's SSCC; they count up.")
@json_option
def pack(
    *, slug: str, name: str, first: int | None, last: int | None, per_case: int | None, serial: int, as_json: bool
) -> None:
    """Associate lines of a batch with cartons, one after another; prints their SSCCs, one a line."""

    async def use(runtime: Runtime) -> list[str]:
        async with runtime.db.transaction() as tx:
            brand = await catalogue.brand(tx, slug)
            batch = await batches.get(tx, name, brand_id=brand.id)
            product = await catalogue.product(tx, batch.gtin, brand_id=brand.id)
            size = product.units_per_case if per_case is None else per_case
            if not 1 <= size <= catalogue.UNITS_PER_CASE_MAX:
                raise InvalidInput(f"A carton holds 1 to {catalogue.UNITS_PER_CASE_MAX:,} units.", field="per_case")
            low, high = batches.lines_of(batch, first, last)
            count = -(-(high - low + 1) // size)
            if count > shipments.CARTONS_PER_SHIPMENT_MAX:
                most = shipments.CARTONS_PER_SHIPMENT_MAX
                raise InvalidInput(f"That makes {count:,} cartons; pack at most {most:,} at a time.", field="per_case")
            cartons = [
                Carton(
                    gs1.make_sscc(EXTENSION_DIGIT, brand.company_prefix, serial + number),
                    batch.unit_id(low + number * size),
                    batch.unit_id(min(low + (number + 1) * size - 1, high)),
                )
                for number in range(count)
            ]
            at = now()
            for start in range(0, count, CARTONS_AT_ONCE):
                await shipments.pack(tx, brand_id=brand.id, cartons=cartons[start : start + CARTONS_AT_ONCE], at=at)
            await audit.record(
                tx, brand_id=brand.id, actor=actor(), action="cartons.pack",
                subject=f"batch {batch.name} lines {low}-{high}", after={"cartons": count, "per_case": size},
            )  # fmt: skip
        return [each.sscc for each in cartons]

    packed = run(use)
    say({"batch": name, "cartons": len(packed), "ssccs": packed}, as_json=as_json, text="\n".join(packed))


@click.command("ship")
@brand_option
@click.option("--dealer", "code", required=True, help="The dealer's code.")
@click.option("--document", required=True, help="The shipping document's number.")
@click.option("--sscc", "given", multiple=True, help="A carton; may come several times.")
@click.option(
    "--cartons", type=click.Path(path_type=Path, exists=True, dir_okay=False), help="A file: one SSCC a line."
)
@click.option("--region", help="Where to (default: the first region of the dealer's territory).")
@json_option
def ship(
    *,
    slug: str,
    code: str,
    document: str,
    given: tuple[str, ...],
    cartons: Path | None,
    region: str | None,
    as_json: bool,
) -> None:
    """Ship cartons to a dealer."""
    ssccs = [*given, *(() if cartons is None else _read(cartons))]

    async def use(runtime: Runtime) -> int:
        async with runtime.db.transaction() as tx:
            brand = await catalogue.brand(tx, slug)
            found = await shipments.dealer_coded(tx, code, brand_id=brand.id)
            to = found.adcodes[:1] if region is None else tuple(areas.read(Regions.load(), [region]))
            if not to:
                raise InvalidInput(f"Dealer {code!r} has no territory: say --region.", field="region")
            await shipments.ship(
                tx, brand_id=brand.id, document=document, dealer=found, adcode=to[0], ssccs=ssccs, at=now(),
                actor=actor(),
            )  # fmt: skip
        return len(set(ssccs))

    count = run(use)
    say({"document": document, "dealer": code, "cartons": count}, as_json=as_json,
        text=f"Shipped {count:,} cartons to {code} ({document}).")  # fmt: skip


def _read(file: Path) -> list[str]:
    """SSCCs of a file; a line that is none is named."""
    found = []
    for number, line in enumerate(file.read_text("utf-8", "replace").splitlines(), start=1):
        if not line.strip():
            continue
        try:
            found.append(gs1.parse_sscc(line))
        except InvalidInput as error:
            raise InvalidInput(f"{file}, line {number}: {error.message}") from error
    return found
