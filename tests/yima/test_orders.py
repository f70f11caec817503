"""Orders from end to end: said twice, failed and tried again, cancelled; packages, who took them, and leaks."""

from __future__ import annotations

import asyncio
import hashlib
import io
import json
import tarfile
from pathlib import Path
from typing import Any
from uuid import UUID

import pyrage
import pytest
from pyrage import x25519
from sqlalchemy import text

from codegen import (
    batches,
    capturing,
    downloads,
    line_sessions,
    order_states,
    orders,
    packages,
    packaging,
    parts,
    ranges,
    recipients,
)
from codegen.batches import Batch
from codegen.issued import look_up
from codegen.packages import SETUP_HEAD, SETUP_LINES
from codegen.packaging import Package
from insights import leaks
from kernel import tasks
from kernel.errors import Conflict, InvalidInput, NotFound
from tests.world import GTIN, OTHER_GTIN, World
from traceability import catalogue
from traceability.scans import Outcome
from yima import issue, worker, writing

IDENTITY = x25519.Identity.generate()


async def order(world: World, **given: Any) -> Batch:
    values = {
        "gtin": GTIN, "count": 100, "form": "short", "public_url": "https://t.yima.cn", "paired": False,
        "order_number": None, **given,
    }  # fmt: skip
    async with world.opened.db.transaction() as tx:
        return await batches.order(tx, world.opened.vault, brand_id=world.brand.id, actor="test", **values)


async def hire(world: World, name: str = "Red Printer", *, key: bool = True) -> recipients.Recipient:
    async with world.opened.db.transaction() as tx:
        return await recipients.add(
            tx, world.opened.vault, brand_id=world.brand.id, name=name, kind="printer",
            public_key=str(IDENTITY.to_public()) if key else "", contact="Ms Li", actor="test",
        )  # fmt: skip


async def ask(
    world: World, batch: Batch, recipient: recipients.Recipient | None = None, **given: Any
) -> tuple[Package, UUID | None]:
    lines = {"first": 1, "last": batch.count, "layout": "plain", **given}
    async with world.opened.db.transaction() as tx:
        return await packaging.request(tx, batch, recipient=recipient, actor="test", **lines)


async def write(world: World, batch: Batch, recipient: recipients.Recipient | None = None, **given: Any) -> Package:
    package, task_id = await ask(world, batch, recipient, **given)
    assert task_id is not None
    assert await worker.run_here(world.opened, task_id) == "done"
    return await again(world, package)


async def again(world: World, package: Package) -> Package:
    async with world.opened.db.transaction() as tx:
        return await packaging.by_id(tx, package.id)


async def state(world: World, batch: Batch) -> str:
    async with world.opened.db.transaction() as tx:
        return (await batches.by_id(tx, batch.id)).state


def path_of(world: World, package: Package) -> Path:
    folder = writing.folder_of(world.opened.settings)
    return packages.path_in(folder, package.name, encrypted=package.encryption != "none")


def rows_of(world: World, package: Package) -> list[str]:
    """The data of an encrypted package, opened by its recipient."""
    opened = pyrage.decrypt(path_of(world, package).read_bytes(), [IDENTITY])
    with tarfile.open(fileobj=io.BytesIO(opened)) as archive:
        data = archive.extractfile(archive.getmembers()[1])
        assert data is not None
        return data.read().decode().split()


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"gtin": OTHER_GTIN}, "product"),
        ({"count": 101}, r"count \(100, now 101\)"),
        ({"spare_bp": 1}, "spare"),
        ({"form": "gs1"}, "form"),
        ({"public_url": "https://other.cn"}, r"printed host \(HTTPS://T\.YIMA\.CN, now HTTPS://OTHER\.CN\)"),
        ({"paired": True}, "pair"),
        ({"layout": "other"}, "layout"),
    ],
)
async def test_an_order_number_said_with_other_content_names_what_differs(
    world: World, change: dict[str, Any], named: str
) -> None:
    first = await order(world, order_number="PO-7")
    assert (await order(world, order_number="PO-7")).id == first.id
    with pytest.raises(Conflict, match=f"PO-7.*{first.name}.*{named}"):
        await order(world, order_number="PO-7", **change)


async def test_another_recipient_is_another_order(world: World) -> None:
    red, blue = await hire(world), await hire(world, "Blue Printer")
    await order(world, order_number="PO-8", recipient_id=red.id)
    with pytest.raises(Conflict, match="recipient"):
        await order(world, order_number="PO-8", recipient_id=blue.id)


@pytest.mark.parametrize(
    ("ordered", "spare", "count"),
    [(100, "0", 100), (100, "1", 101), (1, "0.01", 2), (10_000, "0.01", 10_001), (101, "2.5%", 104), (3, "50", 5)],
)
async def test_the_spare_comes_on_top_and_is_rounded_up(world: World, ordered: int, spare: str, count: int) -> None:
    batch = await order(world, count=ordered, spare_bp=batches.parse_spare(spare))
    assert (batch.ordered, batch.count) == (ordered, count)


@pytest.mark.parametrize("spare", ["50.01", "51", "-1", "1.234", "x", "1,5", "nan", "1e1", "٣"])
def test_a_spare_outside_its_limits_is_refused(spare: str) -> None:
    with pytest.raises(InvalidInput, match="spare is"):
        batches.parse_spare(spare)


async def test_the_largest_order_has_no_room_for_a_spare(world: World) -> None:
    assert (await order(world, count=10**9)).count == 10**9
    with pytest.raises(InvalidInput, match="With its spare"):
        await order(world, count=10**9, spare_bp=1)
    with pytest.raises(InvalidInput, match="0 to 50"):
        await order(world, spare_bp=5_001)


async def test_a_package_goes_from_ordered_to_closed_as_things_happen(world: World, tmp_path: Path) -> None:
    batch = await order(world, order_number="PO-9")
    assert batch.state == "ordered"
    package, task_id = await ask(world, batch)
    assert (await ask(world, batch))[1] is None, "asked for twice, it is written once"
    with pytest.raises(Conflict, match="waits for a worker"):
        await take(world, batch, package)
    with pytest.raises(Conflict, match="waits for a worker"):
        await writing.export(world.opened, writing.Export(batch.name, tmp_path / "x"), actor="test")
    assert task_id is not None
    async with world.opened.db.transaction() as tx:
        await packaging.begin(tx, package, batch)
    assert await state(world, batch) == "generating"
    with pytest.raises(Conflict, match="no code package"):
        await world.activate(batch.name)
    assert await worker.run_here(world.opened, task_id) == "done"
    assert await state(world, batch) == "ready"
    for _ in range(2):
        await take(world, batch, await again(world, package))
    assert await state(world, batch) == "downloaded"
    with pytest.raises(Conflict, match="Nothing of batch"):
        await close(world, batch)
    await world.activate(batch.name, 1, 10)
    assert await state(world, batch) == "activated"
    path = path_of(world, package)
    assert path.is_file()
    await close(world, batch)
    assert await state(world, batch) == "closed"
    assert not list(path.parent.glob(f"{package.name}*"))
    await world.activate(batch.name, 11, 20)  # goods that were sold still work
    assert await state(world, batch) == "closed"
    with pytest.raises(Conflict, match="is closed"):
        await ask(world, batch, first=1, last=5)
    async with world.opened.db.transaction() as tx:
        taken = await downloads.list_of(tx, world.opened.vault, brand_id=world.brand.id, batch=batch, limit=9)
    assert [(each.actor, each.address, each.package) for each in taken] == [("me", "10.0.0.7", package.name)] * 2


async def take(world: World, batch: Batch, package: Package) -> None:
    async with world.opened.db.transaction() as tx:
        await downloads.record(
            tx, world.opened.vault, batch, package, file="f", sha256="0" * 64, address="10.0.0.7", actor="me"
        )


async def cancel(world: World, batch: Batch, reason: str = "wrong product") -> None:
    async with world.opened.db.transaction() as tx:
        ended = await orders.cancel(tx, batch, reason=reason, actor="test")
    for each in ended:
        packages.remove(path_of(world, each))


async def close(world: World, batch: Batch) -> None:
    async with world.opened.db.transaction() as tx:
        ended = await orders.close(tx, batch, actor="test")
    for each in ended:
        packages.remove(path_of(world, each))


async def test_a_cancelled_orders_lines_are_void_for_good(world: World) -> None:
    batch = await order(world, order_number="PO-10")
    package = await write(world, batch)
    await cancel(world, batch)
    await cancel(world, batch)  # said again: nothing changes
    assert await state(world, batch) == "cancelled"
    assert not path_of(world, package).exists()
    async with world.opened.db.transaction() as tx:
        position = (batch.key_id << 35) | batch.first_serial
        assert (await look_up(tx, [position]))[position].blocked == "void"
    for use in (world.activate(batch.name), ask(world, batch), take(world, batch, await again(world, package))):
        with pytest.raises(Conflict, match="cancelled"):
            await use
    with pytest.raises(Conflict, match="was cancelled: order under another number"):
        await order(world, order_number="PO-10")


async def test_what_was_activated_cannot_be_cancelled(world: World) -> None:
    batch = await order(world)
    await write(world, batch)
    await world.activate(batch.name, 5, 5)
    with pytest.raises(Conflict, match="were activated"):
        await cancel(world, batch)
    with pytest.raises(InvalidInput, match="reason"):
        await cancel(world, batch, reason=" ")


async def test_of_a_cancellation_and_an_activation_at_once_one_wins(world: World) -> None:
    for _ in range(4):
        batch = await order(world)
        await write(world, batch)
        done = await asyncio.gather(cancel(world, batch), world.activate(batch.name), return_exceptions=True)
        assert sum(isinstance(each, Conflict) for each in done) == 1
        async with world.opened.db.transaction() as tx:
            held = {each.state for each in await ranges.held_of(tx, batch)}
        assert held == ({"void"} if await state(world, batch) == "cancelled" else {"activated"})


async def test_a_running_job_stops_when_its_order_is_cancelled(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writing, "TELL_EVERY_S", 0)
    batch = await order(world, count=200_000)
    package, task_id = await ask(world, batch)
    assert task_id is not None
    loop, begun = asyncio.get_running_loop(), asyncio.Event()
    real = packages.write

    def slow(*given: Any, **more: Any) -> packages.Manifest:
        asyncio.run_coroutine_threadsafe(_cancel_once(), loop).result()
        return real(*given, **more)

    async def _cancel_once() -> None:
        if not begun.is_set():
            begun.set()
            await cancel(world, batch)

    monkeypatch.setattr(packages, "write", slow)
    assert await worker.run_here(world.opened, task_id) == "failed"
    async with world.opened.db.transaction() as tx:
        assert "not wanted any more" in ((await tasks.status(tx, task_id)).error or "")
    assert (await again(world, package)).state == "cancelled"
    assert list(path_of(world, package).parent.iterdir()) == []


async def test_what_was_cancelled_while_a_command_wrote_it_is_not_left(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "out").mkdir()
    batch = await order(world, order_number="PO-12", count=10)
    loop, real = asyncio.get_running_loop(), packages.write

    def late(*given: Any, **more: Any) -> packages.Manifest:
        manifest = real(*given, **more)
        asyncio.run_coroutine_threadsafe(cancel(world, batch), loop).result()
        return manifest

    monkeypatch.setattr(packages, "write", late)
    with pytest.raises(Conflict, match="cancelled"):
        await writing.export(world.opened, writing.Export(batch.name, tmp_path / "out" / "x"), actor="test")
    assert list((tmp_path / "out").iterdir()) == []
    batch = await order(world, order_number="PO-13", count=10, public_url=world.opened.settings.public_url)
    asked = issue.Order(world.brand.slug, GTIN, 10, tmp_path / "out" / "y", order_number="PO-13")
    with pytest.raises(Conflict, match="cancelled"):
        await issue.issue(world.opened, asked, actor="test")
    assert list((tmp_path / "out").iterdir()) == []


async def test_a_package_whose_order_ended_while_somebody_looked_at_it_is_not_handed_out(world: World) -> None:
    batch = await order(world)
    looked_at = await write(world, batch)
    await cancel(world, batch)
    with pytest.raises(Conflict, match=r"is not there \(cancelled\)"):
        await take(world, batch, looked_at)


async def test_what_a_command_took_is_not_written_again_once_its_order_is_closed(world: World, tmp_path: Path) -> None:
    batch = await order(world, count=10)
    await writing.export(world.opened, writing.Export(batch.name, tmp_path / "x"), actor="test")
    await world.activate(batch.name)
    await close(world, batch)
    async with world.opened.db.transaction() as tx:
        [taken] = await packaging.list_of(tx, batch, limit=9)
        assert taken.state == "taken"
        with pytest.raises(Conflict, match="is closed"):
            await packaging.submit(tx, taken, again=True)


@pytest.mark.parametrize("end", ["cancel", "close"])
async def test_a_package_that_is_done_just_after_its_order_ended_is_not_kept(
    world: World, monkeypatch: pytest.MonkeyPatch, end: str
) -> None:
    batch = await order(world, count=10)
    if end == "close":
        await write(world, batch)
        await world.activate(batch.name, 1, 1)
    package, task_id = await ask(world, batch, first=2)
    assert task_id is not None
    loop, real = asyncio.get_running_loop(), packages.write

    def late(*given: Any, **more: Any) -> packages.Manifest:
        manifest = real(*given, **more)
        asyncio.run_coroutine_threadsafe((cancel if end == "cancel" else close)(world, batch), loop).result()
        path_of(world, package).touch()  # renamed in this moment
        return manifest

    monkeypatch.setattr(packages, "write", late)
    assert await worker.run_here(world.opened, task_id) == "failed"
    assert (await again(world, package)).state == ("cancelled" if end == "cancel" else "removed")
    assert list(path_of(world, package).parent.iterdir()) == []


async def test_a_closed_order_is_written_no_more(world: World, tmp_path: Path) -> None:
    asked = issue.Order(world.brand.slug, GTIN, 10, tmp_path / "x", order_number="PO-14")
    manifest = await issue.issue(world.opened, asked, actor="test")
    await world.activate(manifest.batch)
    async with world.opened.db.transaction() as tx:
        batch = await batches.get(tx, manifest.batch)
        await orders.close(tx, batch, actor="test")
    with pytest.raises(Conflict, match="is closed"):
        await issue.issue(world.opened, asked, actor="test")


@pytest.mark.parametrize(("first", "last"), [(0, 5), (1, 101), (101, 101), (7, 6)])
async def test_a_package_of_lines_outside_the_batch_is_refused(world: World, first: int, last: int) -> None:
    with pytest.raises(InvalidInput, match="lines 1 to 100"):
        await ask(world, await order(world), first=first, last=last)


async def test_a_failure_is_kept_with_its_reason_and_tried_again(world: World) -> None:
    batch = await order(world, order_number="PO-11")
    package, task_id = await ask(world, batch)
    assert task_id is not None
    folder = path_of(world, package).parent
    folder.parent.mkdir(exist_ok=True)
    folder.write_text("not a folder")
    assert await worker.run_here(world.opened, task_id) == "failed"
    async with world.opened.db.transaction() as tx:
        failed = await batches.by_id(tx, batch.id)
    assert (failed.state, (await again(world, package)).state) == ("failed", "failed")
    assert "Cannot make the folder" in (failed.error or "")
    folder.unlink()
    same, task_id = await ask(world, await order(world, order_number="PO-11"))
    assert same.id == package.id
    assert task_id is not None
    assert await worker.run_here(world.opened, task_id) == "done"
    async with world.opened.db.transaction() as tx:
        done = await batches.by_id(tx, batch.id)
    assert (done.state, done.error) == ("ready", None)


async def test_a_package_that_an_earlier_version_asked_for_is_written(world: World) -> None:
    batch = await order(world)
    async with world.opened.db.transaction() as tx:
        task_id = await tasks.submit(tx, "write_package", {"batch": batch.name}, brand_id=batch.brand_id)
        await tx.execute(
            text("UPDATE batch SET package_task = :task WHERE id = :id"), {"task": task_id, "id": batch.id}
        )
    assert await worker.run_here(world.opened, task_id) == "done"
    async with world.opened.db.transaction() as tx:
        package = await packaging.get(tx, batch, batch.name)
    assert (package.name, package.state, package.setup) == (batch.name, "ready", None)
    assert len(path_of(world, package).read_text().split()) == 100
    assert packages.handed_out_as(path_of(world, package)) == f"{batch.name}.txt"


async def test_a_worker_that_finds_the_file_held_comes_again(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    batch = await order(world)
    package, task_id = await ask(world, batch)
    assert task_id is not None
    path = path_of(world, package)
    path.parent.mkdir(parents=True, exist_ok=True)
    with parts.resuming(path, "held"):
        real = parts.resuming
        monkeypatch.setattr(parts, "resuming", lambda *given, **more: real(*given, **{**more, "wait_s": 0.0}))
        assert await worker.run_here(world.opened, task_id) == "retry"
    assert (await again(world, package)).under_way
    async with world.opened.db.transaction() as tx:
        await tx.execute(text("UPDATE task SET due_at = now() WHERE id = :id"), {"id": task_id})
    assert await worker.run_here(world.opened, task_id) == "done"


async def test_a_recipients_package_is_encrypted_and_traced(world: World) -> None:
    red, blue = await hire(world), await hire(world, "Blue Printer")
    batch = await order(world, count=500, recipient_id=red.id)
    first, second = await write(world, batch, red), await write(world, batch, blue)
    part = await write(world, batch, red, first=101, last=200)
    plain = await write(world, batch)
    lines = [rows_of(world, each) for each in (first, second, part)]
    goods = path_of(world, plain).read_text().split()
    assert [len(each) for each in lines] == [504, 504, 104]
    assert lines[0][SETUP_HEAD : SETUP_HEAD + 500] == lines[1][SETUP_HEAD : SETUP_HEAD + 500] == goods
    assert lines[2][SETUP_HEAD : SETUP_HEAD + 100] == goods[100:200]
    canaries = [line for each in lines for line in (*each[:SETUP_HEAD], *each[-SETUP_LINES + SETUP_HEAD :])]
    assert len(set(canaries)) == 3 * SETUP_LINES
    assert not set(canaries) & set(goods)
    told = json.loads(packages.manifest_path(path_of(world, first)).read_text())
    assert (told["setup_head"], told["setup_tail"], told["recipient"]) == (2, 2, "Red Printer")
    assert sorted(each.name for each in path_of(world, plain).parent.glob(f"{batch.name}-*")) == sorted(
        name for each in (first, second, part, plain)
        for name in (path_of(world, each).name, path_of(world, each).name + ".manifest.json")
    )  # fmt: skip


async def test_a_scanned_canary_is_told_as_inactive_and_names_its_package_to_the_brand(world: World) -> None:
    red = await hire(world)
    batch = await order(world, recipient_id=red.id)
    package = await write(world, batch, red)
    await take(world, batch, package)
    await world.service.keys.refresh()
    lines = rows_of(world, package)
    inactive = await world.scan(lines[SETUP_HEAD], member=3)
    canary = await world.scan(lines[0], member=3)
    alike = ("outcome", "message", "unit", "points", "prizes", "findings", "scan_count")
    assert canary.outcome == Outcome.INACTIVE
    assert [getattr(canary, name) for name in alike] == [getattr(inactive, name) for name in alike]
    await world.activate(batch.name)
    assert (await world.scan(lines[-1], member=4)).outcome == Outcome.INACTIVE
    async with world.opened.db.transaction() as tx:
        rows = await tx.execute(text("""SELECT findings FROM scan WHERE findings @> '[{"rule": "canary"}]'"""))
        found = [next(each for each in row if each["rule"] == "canary") for row in rows.scalars()]
        [leak] = await leaks.list_of(tx, brand_id=world.brand.id)
    assert found == [{"rule": "canary", "result": "leaked", "package": package.id}] * 2
    assert (leak.package, leak.recipient, leak.codes, leak.scans) == (package.name, "Red Printer", 2, 2)
    assert [each.actor for each in leak.takers] == ["me"]
    assert len(leak.sightings) == 2


async def test_a_set_up_label_among_the_goods_is_told_to_the_line_and_is_no_leak(world: World) -> None:
    red = await hire(world)
    batch = await order(world, recipient_id=red.id)
    package = await write(world, batch, red)
    await world.service.keys.refresh()
    lines = rows_of(world, package)
    async with world.opened.db.transaction() as tx:
        session = await line_sessions.start(tx, await batches.get(tx, batch.name), actor="test")
        seen = await capturing.capture(
            tx, world.service.keys.ring, session.name, brand_id=world.brand.id, sequence=1,
            texts=[lines[0], lines[SETUP_HEAD]],
        )  # fmt: skip
        assert [each.verdict for each in seen.answers] == ["canary", "good"]
        assert await leaks.list_of(tx, brand_id=world.brand.id) == []


async def test_a_first_scan_does_not_wait_for_whoever_has_the_order(world: World) -> None:
    name, lines = await world.issue(1)
    async with world.opened.db.transaction() as tx:
        await order_states.lock(tx, await batches.get(tx, name))
        assert (await asyncio.wait_for(world.scan(lines[0]), 10)).outcome == "inactive"


async def test_behind_the_lines_what_stands_on_no_label_was_never_issued(world: World) -> None:
    batch = await order(world, count=3)
    async with world.opened.db.transaction() as tx:
        beyond = (batch.key_id << 35) | (batch.first_serial + 2 * batch.count)
        assert (await look_up(tx, [beyond]))[beyond].batch is None
    await write(world, batch)
    with pytest.raises(InvalidInput, match="lines 1 to 3"):
        await world.activate(batch.name, 1, 4)


async def test_a_batch_has_set_up_codes_for_so_many_packages(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    red = await hire(world)
    monkeypatch.setattr(batches, "CANARY_UNITS", 2 * SETUP_LINES)
    batch = await order(world)
    for line in (1, 2):
        await ask(world, batch, red, first=line, last=line)
    with pytest.raises(Conflict, match="no set-up codes left: it had enough for 2"):
        await ask(world, batch, red, first=3, last=3)
    assert (await ask(world, batch, first=3, last=3))[0].setup is None


async def test_an_export_is_taken_on_record_and_the_same_again(world: World, tmp_path: Path) -> None:
    red = await hire(world, key=False)
    batch = await order(world, count=50, recipient_id=red.id)
    out = tmp_path / "codes.tar.age"
    asked = writing.Export(batch.name, out, passphrase="a long passphrase", first=3, last=7)
    first = await writing.export(world.opened, asked, actor="test")
    again = await writing.export(world.opened, asked, actor="test")
    assert (first.sha256, first.package, first.count) == (again.sha256, again.package, 5)
    assert await state(world, batch) == "downloaded"
    plain = await writing.export(world.opened, writing.Export(batch.name, tmp_path / "p.txt"), actor="test")
    assert plain.sha256 == hashlib.sha256((tmp_path / "p.txt").read_bytes()).hexdigest()
    assert (plain.setup_head, plain.recipient) == (2, "Red Printer")
    async with world.opened.db.transaction() as tx:
        taken = await downloads.list_of(tx, world.opened.vault, brand_id=world.brand.id, batch=batch, limit=9)
        kept = await tx.execute(
            text("SELECT (SELECT count(*) FROM audit_trail WHERE after::text LIKE '%a long pass%')")
        )
    assert [each.package for each in taken] == [plain.package, first.package, first.package]
    assert kept.scalar_one() == 0


async def test_the_plain_file_of_the_command_has_no_set_up_lines(world: World) -> None:
    batch, lines = await world.issue(20)
    async with world.opened.db.transaction() as tx:
        found = await batches.get(tx, batch)
    assert len(lines) == 20 == found.count
    assert found.state == "downloaded"


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"name": ""}, "1 to 80"),
        ({"name": "x" * 81}, "1 to 80"),
        ({"kind": "bank"}, "printer, plant"),
        ({"public_key": "age1x"}, "no public key"),
        ({"public_key": str(IDENTITY)}, "secret key"),
        ({"public_key": "age1" + "q" * 100}, "at most 100"),
        ({"contact": "x" * 201}, "at most 200"),
    ],
)
async def test_a_wrong_recipient_is_named(world: World, change: dict[str, str], named: str) -> None:
    given = {"name": "Red", "kind": "printer", "public_key": "", "contact": "", **change}
    with pytest.raises(InvalidInput, match=named) as refused:
        async with world.opened.db.transaction() as tx:
            await recipients.add(tx, world.opened.vault, brand_id=world.brand.id, actor="test", **given)
    assert str(IDENTITY) not in refused.value.message


async def test_a_retired_recipient_gets_no_package_and_its_name_is_free(world: World) -> None:
    red = await hire(world)
    with pytest.raises(Conflict, match="already"):
        await hire(world)
    async with world.opened.db.transaction() as tx:
        await recipients.retire(tx, world.opened.vault, brand_id=world.brand.id, name=red.name, actor="test")
        sealed = (await tx.execute(text("SELECT contact_sealed FROM recipient"))).scalar_one()
        other = await catalogue.create_brand(
            tx, slug="wine", name="酒", name_en="Wine", company_prefix="6905678", actor="test"
        )
    assert b"Ms Li" not in bytes(sealed)
    for brand_id in (world.brand.id, other.id):
        with pytest.raises(NotFound, match="no recipient"):
            async with world.opened.db.transaction() as tx:
                await recipients.get(tx, world.opened.vault, brand_id=brand_id, name=red.name)
    assert (await hire(world)).id != red.id


@pytest.mark.parametrize("host", ["", "a b", "https://x.cn/path", "ftp://x.cn", "u:p@x.cn", "x" * 80 + ".cn"])
async def test_a_printed_host_that_is_none_is_refused(world: World, tmp_path: Path, host: str) -> None:
    asked = issue.Order(world.brand.slug, GTIN, 5, tmp_path / "x", host=host or "https://")
    with pytest.raises(InvalidInput, match="printed host"):
        await issue.issue(world.opened, asked, actor="test")


async def test_an_order_has_a_host_of_its_own(world: World) -> None:
    batch, lines = await world.issue(5, host="go.tea.cn")
    assert all(line.startswith("HTTPS://GO.TEA.CN/Q/") for line in lines)
    await world.activate(batch)
    assert (await world.scan(lines[0])).outcome == Outcome.AWARDED
