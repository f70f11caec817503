"""Brands, products, dealers, cartons, shipments; and the finding that needs them all."""

from __future__ import annotations

import pytest

from codegen import batches, gs1
from kernel.clock import now
from kernel.errors import Conflict, InvalidInput, NotFound
from tests.world import GTIN, World
from traceability import catalogue, shipments
from traceability.shipments import Carton

ZHEJIANG, BEIJING = 330000, 110000


async def _ship(
    world: World, *, adcodes: tuple[int, ...] = (ZHEJIANG,), document: str = "S1", code: str = "D1"
) -> None:
    async with world.opened.db.transaction() as tx:
        batch = await batches.get(tx, world.batch)
        dealer = await shipments.create_dealer(
            tx, brand_id=world.brand.id, code=code, name="杭州", adcodes=adcodes, actor="test"
        )
        carton = Carton(gs1.make_sscc(1, "6901234", 1), batch.unit_id(1), batch.unit_id(24))
        await shipments.pack(tx, brand_id=world.brand.id, cartons=[carton], at=now())
        await shipments.ship(
            tx, brand_id=world.brand.id, document=document, dealer=dealer, adcode=330100,
            ssccs=[carton.sscc], at=now(), actor="test",
        )  # fmt: skip


def _at(lat: float, lng: float, **more: object) -> dict[str, object]:
    return {"lat": lat, "lng": lng, "datum": "wgs84", "accuracy_m": 20, "source": "gps", **more}


@pytest.mark.parametrize(
    ("location", "result"),
    [
        (_at(30.27, 120.16), "inside"),  # Hangzhou
        (_at(39.91, 116.40), "outside"),  # Beijing
        (_at(39.91, 116.40, accuracy_m=2_000_000), "undetermined"),
        (None, "undetermined"),
    ],
)
async def test_a_scan_tells_whether_the_goods_are_in_their_dealers_territory(
    world: World, location: dict[str, object] | None, result: str
) -> None:
    await _ship(world)
    reply = await world.scan(world.lines[0], location=location)
    assert [(f.rule, f.result) for f in reply.findings] == [("outside_territory", result)]
    assert reply.points == 10


async def test_goods_that_were_never_shipped_have_no_territory(world: World) -> None:
    await _ship(world)
    reply = await world.scan(world.lines[30], location=_at(39.91, 116.40))
    assert reply.findings == []


async def test_a_code_scanned_at_two_far_places_at_once_holds_the_claim(world: World) -> None:
    await world.scan(world.lines[0], member=None, device_id="a", location=_at(39.91, 116.40))
    reply = await world.scan(world.lines[0], member=1, device_id="b", location=_at(23.13, 113.26))
    assert (reply.outcome, reply.points) == ("held", 0)
    assert [(f.rule, f.result) for f in reply.findings] == [("impossible_travel", "copied")]
    again = await world.scan(world.lines[0], member=1, device_id="b", location=_at(23.13, 113.26))
    assert again.outcome == "repeat"
    assert (await world.scan(world.lines[0], member=2)).outcome == "taken"


async def test_a_carton_or_unit_is_packed_once(world: World) -> None:
    await _ship(world)
    async with world.opened.db.transaction() as tx:
        batch = await batches.get(tx, world.batch)
        for number, line in ((1, 100), (2, 24)):
            carton = Carton(gs1.make_sscc(1, "6901234", number), batch.unit_id(line), batch.unit_id(line + 1))
            with pytest.raises(Conflict, match="packed already"):
                await shipments.pack(tx, brand_id=world.brand.id, cartons=[carton], at=now())


@pytest.mark.parametrize("sscc", ["169012340000000011", "123", ""])
async def test_a_wrong_sscc_is_refused(world: World, sscc: str) -> None:
    with pytest.raises(InvalidInput):
        async with world.opened.db.transaction() as tx:
            await shipments.pack(tx, brand_id=world.brand.id, cartons=[Carton(sscc, 1, 2)], at=now())


async def test_cartons_of_one_list_that_share_a_unit_are_refused_whole(world: World) -> None:
    cartons = [Carton(gs1.make_sscc(1, "6901234", n), *units) for n, units in enumerate(((1, 9), (20, 29), (9, 12)))]
    with pytest.raises(Conflict, match=f"{cartons[0].sscc} and {cartons[2].sscc}"):
        async with world.opened.db.transaction() as tx:
            await shipments.pack(tx, brand_id=world.brand.id, cartons=cartons, at=now())
    async with world.opened.db.transaction() as tx:
        await shipments.pack(tx, brand_id=world.brand.id, cartons=cartons[:2], at=now())


async def test_a_shipment_of_cartons_that_were_never_packed_is_refused_whole(world: World) -> None:
    async with world.opened.db.transaction() as tx:
        dealer = await shipments.create_dealer(
            tx, brand_id=world.brand.id, code="D2", name="x", adcodes=[BEIJING], actor="test"
        )
    with pytest.raises(NotFound, match="1 of its cartons"):
        async with world.opened.db.transaction() as tx:
            await shipments.ship(
                tx, brand_id=world.brand.id, document="S2", dealer=dealer, adcode=110000,
                ssccs=[gs1.make_sscc(1, "6901234", 9)], at=now(), actor="test",
            )  # fmt: skip
    async with world.opened.db.transaction() as tx:
        assert await shipments.destinations(tx, [1]) == {}


@pytest.mark.parametrize(
    ("slug", "prefix", "named"),
    [("Tea", "6901234", "slug"), ("-tea", "6901234", "slug"), ("t" * 41, "6901234", "slug"), ("ok", "12", "Prefix")],
)
async def test_a_wrong_brand_is_named(world: World, slug: str, prefix: str, named: str) -> None:
    with pytest.raises(InvalidInput, match=named):
        async with world.opened.db.transaction() as tx:
            await catalogue.create_brand(tx, slug=slug, name="x", name_en="x", company_prefix=prefix, actor="t")


async def test_a_slug_a_gtin_and_a_dealer_are_taken_once(world: World) -> None:
    async with world.opened.db.transaction() as tx:
        with pytest.raises(Conflict, match="tea"):
            await catalogue.create_brand(tx, slug="tea", name="x", name_en="x", company_prefix="1234", actor="t")
        with pytest.raises(Conflict, match=GTIN):
            await catalogue.create_product(
                tx, brand_id=world.brand.id, gtin=GTIN, name="x", name_en="x", units_per_case=1, actor="t"
            )
        with pytest.raises(InvalidInput, match="territory"):
            await shipments.create_dealer(tx, brand_id=world.brand.id, code="D", name="x", adcodes=[], actor="t")


async def test_the_first_scans_province_is_told_to_the_next_person(world: World) -> None:
    await world.scan(world.lines[0], location=_at(23.13, 113.26))
    reply = await world.scan(world.lines[0], member=1)
    assert "in Guangdong" in reply.message
    chinese = await world.scan(world.lines[0], member=2, language="zh")
    assert "广东省" in chinese.message


async def test_a_member_of_another_brand_gets_the_answer_and_no_award(world: World) -> None:
    async with world.opened.db.transaction() as tx:
        other = await catalogue.create_brand(
            tx, slug="other", name="别家", name_en="Other", company_prefix="6909999", actor="t"
        )
        from members import people

        (stranger,) = await people.enrol(
            tx, world.opened.vault, world.opened.index, brand_id=other.id, phones=["+8613900000001"], joined_at=now()
        )
    reply = await world.scan(world.lines[0], who=(stranger, other.id))
    assert (reply.outcome, reply.points) == ("authentic", 0)
    assert "another brand's member" in reply.message
    assert (await world.scan(world.lines[0])).outcome == "awarded"


async def test_a_blocked_member_is_refused_and_the_unit_stays_claimable(world: World) -> None:
    from sqlalchemy import text

    async with world.opened.db.transaction() as tx:
        await tx.execute(text("UPDATE member SET state = 'blocked' WHERE id = :id"), {"id": world.member_ids[0]})
    assert (await world.scan(world.lines[0])).outcome == "refused"
    assert (await world.scan(world.lines[0], member=1)).outcome == "awarded"
