"""Orders of codes: ranges, keys, states."""

from __future__ import annotations

import asyncio
import hashlib
import json
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from codegen import batches, keys, order_states, ranges, scheme
from codegen.issued import look_up
from kernel.errors import Conflict, InvalidInput, NotFound
from tests.world import GTIN, World
from yima import issue, switching


def _order(world: World, out: Path, **more) -> issue.Order:
    return issue.Order(world.brand.slug, more.pop("gtin", GTIN), more.pop("count", 10), out, **more)


async def test_every_code_of_a_package_opens_to_its_own_line(world: World) -> None:
    batch, lines = await world.issue(50)
    async with world.opened.db.transaction() as tx:
        found = await batches.get(tx, batch)
    ring = world.service.keys.ring
    opened = [ring.verify(scheme.parse(line)) for line in lines]
    assert [found.line(code.unit_id) for code in opened if code is not None] == list(range(1, 51))


async def test_the_manifest_tells_what_the_file_holds(world: World, tmp_path: Path) -> None:
    out = tmp_path / "codes.txt"
    manifest = await issue.issue(world.opened, _order(world, out, count=100, paired=True), actor="test")
    beside = json.loads((tmp_path / "codes.txt.manifest.json").read_text())
    assert beside["sha256"] == manifest.sha256 == hashlib.sha256(out.read_bytes()).hexdigest()
    assert beside["count"] == len(out.read_text().splitlines()) == 100
    assert beside["bytes"] == out.stat().st_size
    assert beside["last_serial"] == beside["first_serial"] + 199
    assert oct(out.stat().st_mode)[-3:] == "600"


async def test_orders_at_once_never_share_a_serial(world: World, tmp_path: Path) -> None:
    made = await asyncio.gather(
        *(issue.issue(world.opened, _order(world, tmp_path / f"{n}.txt", count=20), actor="test") for n in range(12))
    )
    lines = [line for n in range(12) for line in (tmp_path / f"{n}.txt").read_text().splitlines()]
    assert len(set(lines)) == 240
    assert len({manifest.batch for manifest in made}) == 12


async def test_the_same_order_number_gives_the_identical_file(world: World, tmp_path: Path) -> None:
    out = tmp_path / "codes.txt"
    first = await issue.issue(world.opened, _order(world, out, order_number="PO-1"), actor="test")
    content = out.read_bytes()
    out.unlink()
    again = await issue.issue(world.opened, _order(world, out, order_number="PO-1"), actor="test")
    assert (again.batch, out.read_bytes()) == (first.batch, content)
    with pytest.raises(Conflict, match="PO-1"):
        await issue.issue(world.opened, _order(world, out, order_number="PO-1", count=11), actor="test")


@pytest.mark.parametrize("count", [0, -1, 10**9 + 1, 10**12])
async def test_a_count_outside_its_limits_is_refused_and_spends_no_serial(
    world: World, tmp_path: Path, count: int
) -> None:
    before = await _next_unit(world)
    with pytest.raises(InvalidInput, match="1 to 1,000,000,000"):
        await issue.issue(world.opened, _order(world, tmp_path / "x", count=count), actor="test")
    assert await _next_unit(world) == before
    assert list(tmp_path.glob("x*")) == []


async def _next_unit(world: World) -> int:
    async with world.opened.db.transaction() as tx:
        return int((await tx.execute(text("SELECT next_unit FROM code_key"))).scalar_one())


async def test_the_largest_batch_is_one_row(world: World) -> None:
    async with world.opened.db.transaction() as tx:
        batch = await batches.order(
            tx, world.opened.vault, brand_id=world.brand.id, gtin=GTIN, count=10**9, form="gs1",
            public_url="https://t.yima.cn", paired=True, order_number=None, actor="test",
        )  # fmt: skip
        assert batch.line(batch.unit_id(10**9)) == 10**9
        assert batch.prefix == f"HTTPS://T.YIMA.CN/01/{GTIN}/21/"


@pytest.mark.parametrize(
    ("change", "error", "named"),
    [
        ({"gtin": "06901234567893"}, InvalidInput, "check digit"),
        ({"gtin": "06901234567939"}, NotFound, "06901234567939"),
        ({"form": "long"}, InvalidInput, "form"),
        ({"order_number": "x" * 61}, InvalidInput, "60"),
        ({"order_number": ""}, InvalidInput, "order number"),
    ],
)
async def test_a_wrong_order_is_named(
    world: World, tmp_path: Path, change: dict[str, str], error: type[Exception], named: str
) -> None:
    with pytest.raises(error, match=named):
        await issue.issue(world.opened, _order(world, tmp_path / "x", **change), actor="test")


async def test_the_database_itself_refuses_overlapping_batches(world: World) -> None:
    with pytest.raises(IntegrityError, match="ex_batch_span"):
        async with world.opened.db.transaction() as tx:
            await tx.execute(
                text("""
                    INSERT INTO batch (name, brand_id, gtin, order_number, key_id, count, paired, form, prefix, span)
                    SELECT 'X', brand_id, gtin, 'X', key_id, 1, false, form, prefix,
                        int8range(upper(span) - 1, upper(span) + 1) FROM batch""")
            )


async def test_a_rotated_key_makes_the_next_batch_and_the_old_codes_verify_on(world: World) -> None:
    old = scheme.parse(world.lines[0]).key_id
    async with world.opened.db.transaction() as tx:
        made = await keys.rotate(tx, world.opened.vault, brand_id=world.brand.id, actor="test")
    _, lines = await world.issue(3)
    assert scheme.parse(lines[0]).key_id == made.id != old
    assert world.service.keys.ring.verify(scheme.parse(world.lines[0])) is not None
    assert world.service.keys.ring.verify(scheme.parse(lines[0])) is not None


async def test_a_keys_secret_is_stored_sealed(world: World) -> None:
    async with world.opened.db.transaction() as tx:
        sealed = bytes((await tx.execute(text("SELECT sealed FROM code_key"))).scalar_one())
        key_id = (await tx.execute(text("SELECT id FROM code_key"))).scalar_one()
        key = await keys.load(tx, world.opened.vault, key_id)
    assert key.secret not in sealed


@pytest.mark.parametrize(("first", "last"), [(0, 5), (1, 201), (7, 6), (-3, 2), (201, 201)])
async def test_lines_outside_the_batch_are_refused(world: World, first: int, last: int) -> None:
    with pytest.raises(InvalidInput, match="lines 1 to 200"):
        await world.activate(world.batch, first, last)


async def test_a_blocking_state_needs_a_reason(world: World) -> None:
    for reason in ("", "  "):
        with pytest.raises(InvalidInput, match="reason"):
            await switching.block(world.opened, world.batch, state="void", first=1, last=1, reason=reason, actor="test")


async def test_said_again_a_state_changes_nothing(world: World) -> None:
    async def ranges() -> int:
        async with world.opened.db.transaction() as tx:
            return int((await tx.execute(text("SELECT count(*) FROM code_range"))).scalar_one())

    before = await ranges()
    await world.activate(world.batch, 3, 9)
    assert await ranges() == before


async def test_a_hundred_million_codes_switch_state_in_one_row(world: World) -> None:
    async with world.opened.db.transaction() as tx:
        batch = await batches.order(
            tx, world.opened.vault, brand_id=world.brand.id, gtin=GTIN, count=10**8, form="short",
            public_url="https://t.yima.cn", paired=False, order_number=None, actor="test",
        )  # fmt: skip
        await order_states.note_written(tx, batch, sha256="0" * 64)
        batch = await batches.get(tx, batch.name)
        assert await ranges.set_state(tx, batch, state="activated", actor="test") == 10**8
        found = await look_up(tx, [(batch.key_id << 35) | (batch.first_serial + 2 * (10**8 - 1))])
    assert [(each.active, each.line) for each in found.values()] == [(True, 10**8)]


async def test_a_batch_without_a_package_cannot_be_activated(world: World) -> None:
    async with world.opened.db.transaction() as tx:
        batch = await batches.order(
            tx, world.opened.vault, brand_id=world.brand.id, gtin=GTIN, count=5, form="short",
            public_url="https://t.yima.cn", paired=False, order_number=None, actor="test",
        )  # fmt: skip
    with pytest.raises(Conflict, match="no code package yet"):
        await world.activate(batch.name)


async def test_an_unwritable_place_is_refused_before_serials_are_spent(world: World, tmp_path: Path) -> None:
    before = await _next_unit(world)
    folder = tmp_path / "folder"
    folder.mkdir()
    for out in (tmp_path / "missing" / "codes.txt", folder, Path("/proc/codes.txt")):
        with pytest.raises(InvalidInput, match=str(out.parent if out != folder else out)):
            await issue.issue(world.opened, _order(world, out), actor="test")
    assert await _next_unit(world) == before
