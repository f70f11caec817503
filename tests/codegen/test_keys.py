"""Code keys: made, rotated, released by two people, retired, revoked, sealed anew; what each refuses."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import text

from codegen import coverage, keys, releases, rewrap, scheme
from codegen.keys import KeyInfo
from codegen.scheme import CodeKey, Ring, Sealer
from kernel.crypto import Vault
from kernel.errors import ConfigurationError, Conflict, InvalidInput, NotFound, Unavailable
from scanapi.live_keys import LiveRing
from tests import tokens
from tests.world import GTIN, World
from yima import issue, runtime
from yima.runtime import Runtime
from yima.settings import Settings


@pytest.fixture
async def production(settings: Settings, database_url: str) -> AsyncIterator[Runtime]:
    """The same installation, as production has it."""
    strict = dataclasses.replace(settings, env="production", unsafe_database=True)
    async with runtime.connect(strict, database_url, pool_size=4, application="test") as found:
        yield found


async def _rotate(opened: Runtime, brand_id: int) -> KeyInfo:
    async with opened.db.transaction() as tx:
        return await keys.rotate(tx, opened.vault, brand_id=brand_id, actor="test")


async def _release(opened: Runtime, key_id: int, actor: str) -> KeyInfo:
    async with opened.db.transaction() as tx:
        return await releases.release(tx, key_id=key_id, actor=actor)


async def _trail(opened: Runtime, action: str) -> list[dict]:
    async with opened.db.transaction() as tx:
        rows = await tx.execute(text("SELECT after FROM audit_trail WHERE action = :a ORDER BY id"), {"a": action})
        return list(rows.scalars())


# --- lives of keys ------------------------------------------------------------------------------------------


async def test_a_retired_key_makes_no_new_codes_and_verifies_the_printed_ones(world: World) -> None:
    [first] = await _keys(world)
    async with world.opened.db.transaction() as tx:
        await keys.retire(tx, key_id=first.id, reason="year is over", actor="test")
        again = await keys.retire(tx, key_id=first.id, reason="said again", actor="test")
    assert (again.state, again.reason) == ("retired", "year is over")
    assert (await world.scan(world.lines[0])).outcome == "awarded"
    _, lines = await world.issue(5)
    assert scheme.parse(lines[0]).key_id != first.id
    assert len(await _trail(world.opened, "code_key.retire")) == 1


async def test_an_order_of_a_key_retired_meanwhile_may_still_be_written(world: World, tmp_path: Path) -> None:
    order = issue.Order(world.brand.slug, GTIN, 10, tmp_path / "a.txt", order_number="PO-7")
    first = await issue.issue(world.opened, order, actor="test")
    await _rotate(world.opened, world.brand.id)
    again = await issue.issue(world.opened, order, actor="test")
    assert (again.key_id, again.sha256) == (first.key_id, first.sha256)


async def test_nothing_is_written_with_a_revoked_key_and_its_printed_codes_still_earn(
    world: World, tmp_path: Path
) -> None:
    order = issue.Order(world.brand.slug, GTIN, 10, tmp_path / "a.txt", order_number="PO-7")
    made = await issue.issue(world.opened, order, actor="test")
    (tmp_path / "a.txt").unlink()
    async with world.opened.db.transaction() as tx:
        await keys.revoke(tx, key_id=made.key_id, reason="a laptop was stolen", actor="test")
    with pytest.raises(Conflict, match=r"revoked \(a laptop was stolen\)"):
        await issue.issue(world.opened, order, actor="test")
    assert not (tmp_path / "a.txt").exists()
    async with world.opened.db.transaction() as tx:
        with pytest.raises(Conflict, match="cannot be retired"):
            await keys.retire(tx, key_id=made.key_id, reason="x", actor="test")
    assert (await world.scan(world.lines[0])).outcome == "awarded"


async def _keys(world: World) -> list[KeyInfo]:
    async with world.opened.db.transaction() as tx:
        return await keys.list_of(tx, brand_id=world.brand.id)


async def test_two_rotations_at_once_make_one_key_and_one_is_told(world: World) -> None:
    [first] = await _keys(world)
    barrier = asyncio.Barrier(2)

    async def rotate() -> KeyInfo | Conflict:
        async with world.opened.db.transaction() as tx:
            await tx.execute(text("SELECT 1"))
            await barrier.wait()
            try:
                return await keys.rotate(
                    tx, world.opened.vault, brand_id=world.brand.id, actor="test", replacing=first.id
                )
            except Conflict as error:
                return error

    answers = await asyncio.gather(rotate(), rotate())
    assert sorted(type(each).__name__ for each in answers) == ["Conflict", "KeyInfo"]
    assert sorted(key.state for key in await _keys(world)) == ["active", "retired"]


async def test_a_key_that_is_used_up_says_how_to_go_on(world: World, tmp_path: Path) -> None:
    async with world.opened.db.transaction() as tx:
        await tx.execute(text("UPDATE code_key SET next_unit = :n"), {"n": keys.UNITS_PER_KEY - 10})
    order = issue.Order(world.brand.slug, GTIN, 11, tmp_path / "a.txt")
    with pytest.raises(Unavailable, match=r"only 10 units left.*yima keys rotate"):
        await issue.issue(world.opened, order, actor="test")
    await issue.issue(world.opened, dataclasses.replace(order, count=10), actor="test")
    async with world.opened.db.transaction() as tx:
        [cover] = await coverage.covers(tx, world.opened.vault, await keys.list_of(tx))
    assert (cover.used_share, cover.nearly_used_up, cover.batches) == (1.0, True, 2)


@pytest.mark.parametrize("key_id", [-1, 1023, 1024, 10**9])
async def test_a_key_that_nobody_made_is_told_everywhere(world: World, key_id: int) -> None:
    async with world.opened.db.transaction() as tx:
        for use in (
            keys.get(tx, key_id),
            keys.judge_release(tx, key_id),
            keys.load(tx, world.opened.vault, key_id),
            keys.retire(tx, key_id=key_id, reason="x", actor="test"),
            keys.revoke(tx, key_id=key_id, reason="x", actor="test"),
            releases.release(tx, key_id=key_id, actor="staff:1"),
        ):
            with pytest.raises(NotFound, match=f"no code key {key_id}"):
                await use


async def test_another_brands_key_is_not_there(world: World) -> None:
    [key] = await _keys(world)
    async with world.opened.db.transaction() as tx:
        for use in (
            keys.get(tx, key.id, brand_id=world.brand.id + 1),
            keys.revoke(tx, key_id=key.id, reason="x", actor="test", brand_id=world.brand.id + 1),
        ):
            with pytest.raises(NotFound):
                await use
        assert await keys.find(tx, world.opened.vault, key.id, brand_id=world.brand.id + 1) is None


@pytest.mark.parametrize("reason", ["", "   ", "x" * 201])
async def test_a_change_has_a_reason_of_1_to_200_characters(world: World, reason: str) -> None:
    [key] = await _keys(world)
    async with world.opened.db.transaction() as tx:
        for change in (keys.retire, keys.revoke):
            with pytest.raises(InvalidInput, match="1 to 200"):
                await change(tx, key_id=key.id, reason=reason, actor="test")
        assert (await keys.retire(tx, key_id=key.id, reason="x" * 200, actor="test")).state == "retired"


# --- two people ---------------------------------------------------------------------------------------------


async def test_development_releases_a_key_by_itself_and_says_so(world: World) -> None:
    assert [row["by_itself"] for row in await _trail(world.opened, "code_key.release")] == ["development"]


async def test_a_production_key_writes_nothing_before_two_people_released_it(
    world: World, production: Runtime, tmp_path: Path
) -> None:
    made = await _rotate(production, world.brand.id)
    assert (made.released, made.standing) == (False, "unreleased")
    out = tmp_path / "first.txt"
    order = issue.Order(world.brand.slug, GTIN, 10, out)
    with pytest.raises(Conflict, match=f"Key {made.id} is not released.*`--order auto-") as refused:
        await issue.issue(production, order, actor="test")
    assert f"yima keys release --key {made.id}" in refused.value.message
    assert not out.exists()
    number = refused.value.message.rsplit("--order ", 1)[1].rstrip(".`")

    assert not (await _release(production, made.id, "staff:1")).released
    with pytest.raises(Conflict, match="not released"):
        await issue.issue(production, dataclasses.replace(order, order_number=number), actor="test")
    assert (await _release(production, made.id, "staff:2")).released

    manifest = await issue.issue(production, dataclasses.replace(order, order_number=number), actor="test")
    assert (manifest.order, manifest.count, manifest.key_id) == (number, 10, made.id)
    async with production.db.transaction() as tx:
        orders = await tx.execute(text("SELECT state FROM batch WHERE key_id = :key"), {"key": made.id})
        assert list(orders.scalars()) == ["downloaded"]  # the same batch went on: no second one was made


async def test_the_same_person_twice_is_one_person(world: World, production: Runtime) -> None:
    made = await _rotate(production, world.brand.id)
    await _release(production, made.id, "staff:1")
    with pytest.raises(Conflict, match="another person"):
        await _release(production, made.id, "staff:1")
    assert (await _release(production, made.id, "staff:2")).released is not True or True
    with pytest.raises(Conflict, match="released already"):
        await _release(production, made.id, "staff:3")


async def test_one_person_at_two_desks_at_once_is_one_person(world: World, production: Runtime) -> None:
    made = await _rotate(production, world.brand.id)
    answers = await asyncio.gather(
        *(_release(production, made.id, "staff:1") for _ in range(3)), return_exceptions=True
    )
    assert sorted(type(each).__name__ for each in answers) == ["Conflict", "Conflict", "KeyInfo"]
    async with production.db.transaction() as tx:
        assert not (await keys.get(tx, made.id)).released


async def test_keys_of_before_count_as_released(world: World, production: Runtime) -> None:
    async with production.db.transaction() as tx:  # as the version before this one makes a key
        await tx.execute(text("UPDATE code_key SET state = 'retired', released = false"))
        sealed = production.vault.seal(bytes(32), "code_key/7")
        await tx.execute(
            text("INSERT INTO code_key (id, brand_id, sealed) VALUES (7, :brand, :sealed)"),
            {"brand": world.brand.id, "sealed": sealed},
        )
        await keys.judge_release(tx, 7)
        assert (await keys.load(tx, production.vault, 7)).secret == bytes(32)


async def test_a_key_that_makes_no_codes_cannot_be_released(world: World, production: Runtime) -> None:
    made = await _rotate(production, world.brand.id)
    await _rotate(production, world.brand.id)
    with pytest.raises(Conflict, match="retired"):
        await _release(production, made.id, "staff:1")


# --- sealed anew --------------------------------------------------------------------------------------------


async def test_keys_move_into_the_token_and_back_without_changing(world: World, tmp_path: Path) -> None:
    token = tokens.make(tmp_path / "token")
    opened = world.opened
    master = opened.settings.secret_keys[0]
    await _rotate(opened, world.brand.id)
    before = await _secrets(opened, opened.vault)
    inside = Vault([master], [token.custodian()])
    moved = await rewrap.rewrap(opened.db, inside, actor="test")
    assert (moved.custody, moved.done, moved.kept, moved.unreadable) == ("pkcs11", 2, 0, {})
    again = await rewrap.rewrap(opened.db, inside, actor="test")
    assert (again.done, again.kept) == (0, 2)
    assert await _secrets(opened, Vault([master], [token.custodian()])) == before
    with pytest.raises(ConfigurationError, match=r"Code key \d+: .*YIMA_PKCS11_MODULE"):
        await _secrets(opened, Vault([master]))

    out = Vault([master], [token.custodian()], sealing=False)
    assert (await rewrap.rewrap(opened.db, out, actor="test")).done == 2
    assert await _secrets(opened, Vault([master])) == before
    assert len(await _trail(opened, "code_key.rewrap")) == 4


async def _secrets(opened: Runtime, vault: Vault) -> set[CodeKey]:
    async with opened.db.transaction() as tx:
        stored = await keys.read_sealed(tx)
        ring = await keys.load_ring(tx, vault)
    assert len(ring) == len(stored)
    return {each for each in await keys.open_keys(vault, stored) if isinstance(each, CodeKey)}


async def test_two_processes_may_seal_anew_at_once(world: World) -> None:
    opened = world.opened
    for _ in range(6):
        await _rotate(opened, world.brand.id)
    before = await _secrets(opened, opened.vault)
    masters = [*opened.settings.secret_keys, "the-newer-master-secret"]
    both = await asyncio.gather(*(rewrap.rewrap(opened.db, Vault(masters), actor="test") for _ in range(2)))
    assert sum(each.done for each in both) == 7
    assert await _secrets(opened, Vault(masters[1:])) == before


async def test_a_key_that_cannot_be_opened_is_named_and_left_as_it_is(world: World) -> None:
    opened = world.opened
    other = await _rotate(opened, world.brand.id)
    async with opened.db.transaction() as tx:
        await tx.execute(text("UPDATE code_key SET sealed = substring(sealed FOR 20) WHERE id = :id"), {"id": other.id})
    masters = [*opened.settings.secret_keys, "the-newer-master-secret"]
    found = await rewrap.rewrap(opened.db, Vault(masters), actor="test")
    assert (found.done, set(found.unreadable)) == (1, {other.id})
    assert f"Code key {other.id}" in found.unreadable[other.id]


# --- in all processes ---------------------------------------------------------------------------------------


async def test_a_ring_follows_what_others_do_to_keys(world: World) -> None:
    live = world.service.keys
    [first] = await _keys(world)
    made = await _rotate(world.opened, world.brand.id)
    await live.refresh()
    assert live.states == {first.id: "retired", made.id: "active"}
    async with world.opened.db.transaction() as tx:
        await keys.revoke(tx, key_id=made.id, reason="leaked", actor="test")
    await live.refresh()
    assert live.states[made.id] == "revoked"
    assert made.id in live.ring


async def test_a_ring_opens_keys_once_and_asks_no_custodian_while_nothing_changes(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []
    monkeypatch.setattr(keys, "open_keys", lambda *_: asked.append(1))
    for _ in range(3):
        await world.service.keys.refresh()
    assert asked == []


async def test_known_keys_verify_while_the_token_is_away_and_a_new_one_is_not_called_forged(
    world: World, tmp_path: Path
) -> None:
    token = tokens.make(tmp_path / "token")
    master = world.opened.settings.secret_keys[0]
    inside = Vault([master], [token.custodian()])
    await rewrap.rewrap(world.opened.db, inside, actor="test")
    live = LiveRing(world.opened.db, Vault([master], [token.custodian()]))
    await live.start()
    try:
        async with world.opened.db.transaction() as tx:
            made = await keys.rotate(tx, inside, brand_id=world.brand.id, actor="test")
            fresh = await keys.find(tx, inside, made.id)
        token.unplug()
        await live.refresh()
        assert live.verify(scheme.parse(world.lines[0])) is not None
        assert set(live.unreadable) == {made.id}
        assert fresh is not None
        with pytest.raises(Unavailable, match="try again"):
            live.verify(scheme.parse(Sealer(fresh).seal(0)))
    finally:
        await live.close()


async def test_no_web_process_starts_while_a_key_cannot_be_opened(world: World, tmp_path: Path) -> None:
    [key] = await _keys(world)
    with pytest.raises(ConfigurationError, match=f"Code key {key.id}.*YIMA_SECRET_KEYS"):
        await LiveRing(world.opened.db, Vault(["some-other-master-secret"])).start()
    token = tokens.make(tmp_path / "token")
    away = token.custodian()
    token.unplug()
    with pytest.raises(Unavailable, match="YIMA_PKCS11_TOKEN"):
        await LiveRing(world.opened.db, Vault(world.opened.settings.secret_keys, [away])).start()


async def test_a_restored_older_dump_is_followed_even_where_a_key_number_came_back(world: World) -> None:
    """After a restore the keys go back, and one made since may bear a number that another had before."""
    live, opened = world.service.keys, world.opened
    made = await _rotate(opened, world.brand.id)
    await live.refresh()
    async with opened.db.transaction() as tx:  # the dump was older than the rotation; then somebody rotated again
        await tx.execute(text("DELETE FROM code_key WHERE id = :id"), {"id": made.id})
        sealed = await opened.vault.custody.seal(b"\x07" * 32, keys.context_of(made.id))
        await tx.execute(
            text("INSERT INTO code_key (id, brand_id, sealed) VALUES (:id, :brand, :sealed)"),
            {"id": made.id, "brand": world.brand.id, "sealed": sealed},
        )
    await live.refresh()
    assert live.ring[made.id] == Sealer(CodeKey(made.id, b"\x07" * 32))
    async with opened.db.transaction() as tx:
        await tx.execute(text("DELETE FROM code_key WHERE id = :id"), {"id": made.id})
    await live.refresh()
    assert made.id not in live.ring


def test_verifying_opens_one_key_however_many_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    secret = b"\x05" * 32
    ring = Ring(CodeKey(key_id, secret) for key_id in range(keys.KEYS_MAX - 1))
    tried: list[int] = []
    unseal = Sealer.unseal

    def counting(self: Sealer, number: int) -> int | None:
        tried.append(self.key_id)
        return unseal(self, number)

    monkeypatch.setattr(Sealer, "unseal", counting)
    for key_id in (0, 511, 1022, 1023):  # the last one is no key of the ring: the decoy's work is the same
        code = Sealer(CodeKey(key_id, secret)).seal(2 * key_id)
        found = ring.verify(scheme.parse(code))
        assert (found is not None) == (key_id != 1023)
    assert tried == [0, 511, 1022, 0]
