"""Batches through real HTTP: ordered once, written by a worker, handed out on record, switched after a question."""

from __future__ import annotations

import hashlib
import itertools
import re
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pyrage
import pytest
from hypothesis import given
from hypothesis import strategies as st
from playwright.async_api import Browser, expect
from pyrage import x25519
from sqlalchemy import text

from codegen import batches, packages, packaging, states
from codegen.batches import Batch
from codegen.issued import look_up
from codegen.states import Span
from insights import rollups
from kernel.tasks import Attempt
from staff.access import Role
from tests.web.console.conftest import Client, Console
from tests.web.console.eyes import serious_problems
from tests.world import GTIN
from yima import worker, writing

SCRIPT = "<script>window.hurt=1</script>\"'><img src=x onerror=window.hurt=1>"
_numbers = iter(range(1, 10_000))


def fields(**given: str) -> dict[str, str]:
    return {"gtin": GTIN, "count": "40", "form": "short", "order": f"PO-{next(_numbers)}"} | given


async def order(console: Console, client: Client, **given: str) -> Batch:
    answer = await client.post(console.path("/batches/new"), fields(**given))
    assert answer.status_code == 303, answer.text
    async with console.opened.db.transaction() as tx:
        return await batches.get(tx, answer.headers["location"].rsplit("/", 1)[1])


async def task_of(console: Console, batch: Batch) -> UUID:
    """The latest task that writes a package of the batch."""
    async with console.opened.db.transaction() as tx:
        row = await tx.execute(
            text("SELECT task FROM code_package WHERE batch_id = :id ORDER BY id DESC LIMIT 1"), {"id": batch.id}
        )
        return row.scalar_one()


def of(batch: Batch, number: int = 1) -> str:
    return f"/batches/{batch.name}/packages/{batch.name}-{number}"


async def write(console: Console, client: Client, **given: str) -> Batch:
    """Order a batch, and be the worker that writes its package."""
    batch = await order(console, client, **given)
    assert await worker.run_here(console.opened, await task_of(console, batch)) == "done"
    return batch


def path_of(console: Console, batch: Batch) -> Path:
    return packages.path_in(writing.folder_of(console.opened.settings), f"{batch.name}-1", encrypted=False)


async def page_of(console: Console, client: Client, batch: Batch) -> str:
    answer = await client.get(console.path(f"/batches/{batch.name}"))
    assert answer.status_code == 200
    return answer.text


def beside(page: str, field: str) -> str:
    found = re.search(rf'id="{field}-error">([^<]*)<', page)
    return found[1] if found else ""


async def switch(console: Console, client: Client, batch: Batch, state: str, **given: str) -> httpx.Response:
    return await client.post(
        console.path(f"/batches/{batch.name}/switch"), {"state": state, "reason": "because", **given}
    )


async def test_ordered_batch_is_written_by_a_worker_and_handed_out_on_record(console: Console):
    client = await console.client(Role.FACTORY)
    batch = await order(console, client)
    page = await page_of(console, client, batch)
    assert 'hx-trigger="every 2s"' in page
    assert "Waiting for a worker" in page
    assert (await client.post(console.path(f"{of(batch)}/download"))).status_code == 409
    assert (await client.get(console.path(f"{of(batch)}/manifest"))).status_code == 404
    assert await worker.run_here(console.opened, await task_of(console, batch)) == "done"
    page = await page_of(console, client, batch)
    assert "hx-trigger" not in page
    assert "Handle packages like cash" in page
    assert "Nobody has taken it yet" in page
    answer = await client.post(console.path(f"{of(batch)}/download"))
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["content-disposition"] == f'attachment; filename="{batch.name}-1.txt"'
    assert "content-encoding" not in answer.headers
    lines = answer.text.splitlines()
    assert len(lines) == len(set(lines)) == 40
    assert all(line.startswith("HTTP://T.YIMA.CN/Q/") for line in lines)
    manifest = (await client.get(console.path(f"{of(batch)}/manifest"))).json()
    assert manifest["sha256"] == hashlib.sha256(answer.content).hexdigest()
    assert manifest["order"] == batch.order_number
    page = await page_of(console, client, batch)
    assert "127.0.0.1" in page
    assert re.search(r"<td[^>]*>Person \d+</td>", page)
    assert not any(line.rsplit("/", 1)[1] in page for line in lines)
    async with console.opened.db.transaction() as tx:
        rows = await tx.execute(
            text("SELECT actor, file, lines, address_sealed FROM package_download WHERE batch_id = :id"),
            {"id": batch.id},
        )
        [row] = rows.all()
        trail = await tx.execute(
            text("SELECT action FROM audit_trail WHERE subject = :s"), {"s": f"batch {batch.name}"}
        )
        actions = set(trail.scalars())
    assert row.actor.startswith("staff:")
    assert (row.file, row.lines) == (f"{batch.name}-1.txt", 40)
    assert b"127.0.0.1" not in row.address_sealed
    assert {"batch.order", "package.download"} <= actions
    assert path_of(console, batch).stat().st_mode & 0o077 == 0


async def test_same_order_number_twice_is_one_batch(console: Console):
    client = await console.client(Role.OWNER)
    given = fields()
    first = await client.post(console.path("/batches/new"), given)
    second = await client.post(console.path("/batches/new"), given)
    assert first.headers["location"] == second.headers["location"]
    async with console.opened.db.transaction() as tx:
        count = await tx.execute(
            text("""SELECT count(*) FROM task WHERE kind = 'write_code_package' AND args->>'package' IN
                (SELECT p.id::text FROM code_package p JOIN batch b ON b.id = p.batch_id WHERE b.name = :name)"""),
            {"name": first.headers["location"].rsplit("/", 1)[1]},
        )
    assert count.scalar_one() == 1
    for change in ({"count": "41"}, {"form": "gs1"}, {"paired": "1"}):
        answer = await client.post(console.path("/batches/new"), {**given, **change})
        assert (answer.status_code, "is batch" in answer.text) == (409, True)


async def test_form_suggests_an_order_number_of_its_own(console: Console):
    client = await console.client(Role.OWNER)
    pages = [(await client.get(console.path("/batches/new"))).text for _ in range(2)]
    numbers = [re.findall(r'name="order" type="text" value="(W\d{8}-[0-9A-F]{6})"', page) for page in pages]
    assert len(numbers[0]) == len(numbers[1]) == 1
    assert numbers[0] != numbers[1]


@pytest.mark.parametrize(
    ("field", "value", "english", "chinese"),
    [
        ("count", "0", "from 1 to 1,000,000,000", "1 到 1,000,000,000"),
        ("count", "1000000001", "from 1 to 1,000,000,000", "1 到 1,000,000,000"),
        ("count", "many", "from 1 to 1,000,000,000", "1 到 1,000,000,000"),
        ("order", "", "missing", "1 到 60"),
        ("order", "x" * 61, "1 to 60", "1 到 60"),
        ("form", "long", "one of short, gs1", "请从选项中选择"),
    ],
)
async def test_each_refusal_stands_beside_its_field(
    console: Console, field: str, value: str, english: str, chinese: str
):
    for language, sentence in (("en", english), ("zh", chinese)):
        client = await console.client(Role.OWNER, language=language)
        answer = await client.post(console.path("/batches/new"), fields(**{field: value}))
        assert answer.status_code == 400
        assert sentence in beside(answer.text, field)


async def test_order_limits_are_taken_at_their_edge(console: Console):
    client = await console.client(Role.OWNER)
    assert (await order(console, client, count="1", order="x" * 60)).count == 1
    assert (await order(console, client, count=str(batches.COUNT_MAX))).count == batches.COUNT_MAX


async def test_another_brands_product_cannot_be_ordered(console: Console):
    client = await console.client(Role.OWNER)
    answer = await client.post(console.path("/batches/new"), fields(gtin="06905678000003"))
    assert answer.status_code in {400, 404}


async def test_paired_package_has_two_codes_a_line(console: Console):
    client = await console.client(Role.OWNER)
    batch = await write(console, client, paired="1", form="gs1", count="3")
    answer = await client.post(console.path(f"{of(batch)}/download"))
    assert [line.count("HTTP://T.YIMA.CN/01/") for line in answer.text.splitlines()] == [2, 2, 2]


async def test_worker_that_died_in_the_middle_is_followed_by_another(console: Console, monkeypatch: pytest.MonkeyPatch):
    client = await console.client(Role.OWNER)
    batch = await order(console, client)
    task_id = await task_of(console, batch)

    class Killed(BaseException):
        pass

    def die(*_: Any, **__: Any) -> None:
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(packages, "write", die)
        with pytest.raises(Killed):
            await worker.run_here(console.opened, task_id)
    assert "Being written, 0%" in await page_of(console, client, batch)
    assert await worker.run_here(console.opened, task_id) == "taken"
    async with console.opened.db.transaction() as tx:
        await tx.execute(text("UPDATE task SET due_at = now() WHERE id = :id"), {"id": task_id})
    assert await worker.run_here(console.opened, task_id) == "done"
    assert "Download the package" in await page_of(console, client, batch)


async def test_progress_moves_while_the_package_is_written(console: Console):
    client = await console.client(Role.OWNER)
    batch = await order(console, client)
    seen: list[str] = []

    class Watched(Attempt):
        async def progress(self, done: int, total: int) -> None:
            async with console.opened.db.transaction() as tx:
                await tx.execute(
                    text("UPDATE task SET state = 'running', done = :done, total = :total WHERE id = :id"),
                    {"done": done, "total": total, "id": self.id},
                )
            part = await client.get(console.path(f"/batches/{batch.name}/packages"), headers={"HX-Request": "true"})
            seen.extend(re.findall(r'<progress value="(\d+)" max="40"', part.text))

    async with console.opened.db.transaction() as tx:
        [package] = await packaging.list_of(tx, batch, limit=2)
    attempt = Watched(console.opened.db, await task_of(console, batch), 1, {})
    await writing.write_package(console.opened, package.id, attempt)
    assert (seen[0], seen[-1]) == ("0", "40")


async def test_failure_is_told_and_can_be_tried_again(console: Console):
    client = await console.client(Role.OWNER)
    batch = await order(console, client)
    folder = writing.folder_of(console.opened.settings)
    folder.mkdir(parents=True, exist_ok=True)
    path_of(console, batch).mkdir()
    assert await worker.run_here(console.opened, await task_of(console, batch)) == "failed"
    page = await page_of(console, client, batch)
    assert "It failed" in page
    path_of(console, batch).rmdir()
    assert (await client.post(console.path(f"{of(batch)}/retry"))).status_code == 303
    assert await worker.run_here(console.opened, await task_of(console, batch)) == "done"
    assert "Download the package" in await page_of(console, client, batch)


async def test_batch_written_elsewhere_can_be_written_again_identically(console: Console):
    client = await console.client(Role.OWNER)
    async with console.opened.db.transaction() as tx:
        batch = await batches.get(tx, console.world.batch)
    page = await page_of(console, client, batch)
    assert "No package yet" in page
    await client.post(console.path(f"/batches/{batch.name}/packages"))
    assert await worker.run_here(console.opened, await task_of(console, batch)) == "done"
    answer = await client.post(console.path(f"{of(batch)}/download"))
    assert answer.text.splitlines() == console.world.lines
    async with console.opened.db.transaction() as tx:
        assert (await batches.get(tx, batch.name)).sha256 == batch.sha256


async def test_whoever_may_not_order_gets_no_codes(console: Console):
    owner = await console.client(Role.OWNER)
    batch = await write(console, owner)
    inner = of(batch).removeprefix("/batches")
    for role in (Role.WAREHOUSE, Role.ANALYST, Role.AUDITOR, Role.MARKETER):
        client = await console.client(role)
        page = await page_of(console, client, batch)
        assert "Download the package" not in page
        for method, rest in (
            ("POST", f"{inner}/download"), ("POST", f"/{batch.name}/packages"), ("GET", f"{inner}/manifest"),
            ("POST", f"{inner}/retry"), ("POST", f"/{batch.name}/cancel"), ("POST", f"/{batch.name}/close"),
            ("GET", "/new"), ("POST", "/new"),
        ):  # fmt: skip
            answer = await client.http.request(method, console.path(f"/batches{rest}"), data={"csrf": client.csrf})
            assert answer.status_code == 403, (role, rest)


async def test_switching_first_asks_how_many_units_then_does_it(console: Console):
    client = await console.client(Role.WAREHOUSE)
    batch = await write(console, await console.client(Role.OWNER))
    asked = await switch(console, client, batch, "activated", first="1", last="30", reason="")
    assert asked.status_code == 200
    assert "Activate 30 units?" in asked.text
    assert "Issued <b>30</b>" in asked.text
    page = await page_of(console, client, batch)
    assert "Nothing yet" in page
    done = await switch(console, client, batch, "activated", first="1", last="30", reason="", confirm="1")
    assert done.status_code == 303
    for state, first, last in (("frozen", "5", "10"), ("recalled", "8", "12"), ("void", "40", "40")):
        assert (await switch(console, client, batch, state, first=first, last=last, confirm="1")).status_code == 303
    asked = await switch(console, client, batch, "void")
    assert "Void 40 units?" in asked.text
    for words in ("Recalled <b>5</b>", "Frozen <b>3</b>", "Activated <b>22</b>", "Void <b>1</b>", "Issued <b>9</b>"):
        assert words in asked.text
    page = await page_of(console, client, batch)
    assert re.search(r"Activated</dt>\s*<dd>22<", page)
    [frozen] = re.findall(r'name="range" value="(\d+)"', page)
    answer = await client.post(console.path(f"/batches/{batch.name}/thaw"), {"range": frozen})
    assert answer.status_code == 303
    answer = await client.post(console.path(f"/batches/{batch.name}/thaw"), {"range": frozen})
    assert answer.status_code == 409
    page = await page_of(console, client, batch)
    assert re.search(r"Activated</dt>\s*<dd>25<", page)
    assert "Lifted" in page


async def test_what_was_frozen_and_lifted_scans_again(console: Console):
    client = await console.client(Role.OWNER)
    batch = await write(console, client)
    await switch(console, client, batch, "activated", confirm="1")
    await switch(console, client, batch, "frozen", first="1", last="1", confirm="1")
    position = (batch.key_id << 35) | batch.first_serial
    async with console.opened.db.transaction() as tx:
        assert (await look_up(tx, [position]))[position].blocked == "frozen"
    [frozen] = re.findall(r'name="range" value="(\d+)"', await page_of(console, client, batch))
    await client.post(console.path(f"/batches/{batch.name}/thaw"), {"range": frozen})
    async with console.opened.db.transaction() as tx:
        known = (await look_up(tx, [position]))[position]
    assert (known.blocked, known.active) == (None, True)


@pytest.mark.parametrize(
    ("given", "field", "words"),
    [
        ({"state": "frozen", "reason": ""}, "reason", "A reason has 1 to 200"),
        ({"state": "frozen", "reason": "x" * 201}, "reason", "A reason has 1 to 200"),
        ({"state": ""}, "state", "Choose a state"),
        ({"state": "genuine"}, "state", "Choose a state"),
        ({"state": "void", "first": "0"}, "first", "whole number"),
        ({"state": "void", "first": "x"}, "first", "whole number"),
    ],
)
async def test_wrong_switches_are_refused_beside_the_field(
    console: Console, given: dict[str, str], field: str, words: str
):
    client = await console.client(Role.OWNER)
    async with console.opened.db.transaction() as tx:
        batch = await batches.get(tx, console.world.batch)
    answer = await client.post(console.path(f"/batches/{batch.name}/switch"), {"reason": "r", "confirm": "1", **given})
    assert answer.status_code == 400
    assert words in beside(answer.text, field)


async def test_lines_outside_the_batch_are_refused(console: Console):
    client = await console.client(Role.OWNER)
    async with console.opened.db.transaction() as tx:
        batch = await batches.get(tx, console.world.batch)
    for first, last in (("1", "201"), ("10", "9"), ("201", "201")):
        answer = await switch(console, client, batch, "void", first=first, last=last, confirm="1")
        assert (answer.status_code, "are not within batch" in answer.text) == (400, True)
        assert "are not within batch" in beside(answer.text, "first")
    asked = {"package_first": "150", "package_last": "20", "recipient": "", "layout": "spreadsheet"}
    answer = await client.post(console.path(f"/batches/{batch.name}/packages"), asked)
    assert "are not within batch" in beside(answer.text, "package_first")
    assert all(f'value="{kept}"' in answer.text for kept in ("150", "20"))
    assert '<option value="spreadsheet" selected>' in answer.text
    unwritten = await order(console, client)
    answer = await switch(console, client, unwritten, "activated", confirm="1")
    assert (answer.status_code, "no code package yet" in answer.text) == (409, True)


async def test_list_tells_states_and_counts(console: Console):
    client = await console.client(Role.ANALYST)
    await console.world.scan(console.world.lines[0], member=0)
    await rollups.roll_up(console.opened.db)
    page = (await client.get(console.path("/batches"), params={"gtin": GTIN})).text
    row = page[page.index(console.world.batch) :]
    row = row[: row.index("</tr>")]
    assert "Activated <b>200</b>" in row
    assert re.findall(r'<td class="number">([\d,]+)</td>', row) == ["200", "1", "1"]
    assert (await client.post(console.path(f"/batches/{console.world.batch}/switch"), {})).status_code == 403


async def test_nasty_reasons_and_orders_stay_texts(console: Console):
    client = await console.client(Role.OWNER)
    batch = await write(console, client, order=SCRIPT[:60])
    asked = await switch(console, client, batch, "frozen", reason=SCRIPT)
    await switch(console, client, batch, "frozen", reason=SCRIPT, confirm="1")
    for page in (asked.text, await page_of(console, client, batch), (await client.get(console.path("/batches"))).text):
        assert "<script>window.hurt" not in page
        assert "<img src=x" not in page


async def test_another_brands_batch_is_not_there(console: Console):
    client = await console.client(Role.OWNER, brand=console.other)
    for rest in ("", "/packages", "/packages/x/manifest"):
        path = console.path(f"/batches/{console.world.batch}{rest}", brand=console.other.slug)
        assert (await client.get(path)).status_code == 404
    for rest in ("/packages/x/download", "/packages/x/retry", "/packages", "/cancel", "/close", "/switch", "/thaw"):
        path = console.path(f"/batches/{console.world.batch}{rest}", brand=console.other.slug)
        assert (await client.post(path, {"state": "void", "reason": "x", "range": "1"})).status_code == 404


async def test_an_order_with_all_it_may_say_is_traced_to_its_printer(console: Console):
    client = await console.client(Role.FACTORY)
    key = x25519.Identity.generate()
    added = {"recipient_name": "Red Printer", "recipient_kind": "printer", "contact": "Ms Li"}
    for given_key, status in ((str(key), 400), ("age1nonsense", 400), (str(key.to_public()), 303)):
        answer = await client.post(console.path("/recipients"), {**added, "public_key": given_key})
        assert answer.status_code == status
        assert str(key) not in answer.text.replace(f'value="{key}"', "")
    page = (await client.get(console.path("/recipients"))).text
    assert "Red Printer" in page
    assert "Ms Li" in page
    batch = await write(console, client, recipient="Red Printer", spare="2.5", printed_host="go.tea.cn")
    assert (batch.ordered, batch.count, batch.prefix) == (40, 41, "HTTPS://GO.TEA.CN/Q/")
    page = await page_of(console, client, batch)
    assert "encrypted to the recipient" in page
    assert "with 4 set-up lines" in page
    assert "40 ordered, 1 spare" in page
    answer = await client.post(console.path(f"{of(batch)}/download"))
    assert answer.headers["content-disposition"].endswith(f'filename="{batch.name}-1.tar.age"')
    assert b"HTTPS://GO.TEA.CN" in pyrage.decrypt(answer.content, [key])
    asked = {"recipient": "Red Printer", "package_first": "2", "package_last": "5", "layout": "plain"}
    assert (await client.post(console.path(f"/batches/{batch.name}/packages"), asked)).status_code == 303
    assert "Lines 2–5" in await page_of(console, client, batch)
    wrong = await client.post(console.path(f"/batches/{batch.name}/packages"), {**asked, "package_last": "42"})
    assert (wrong.status_code, "are not within batch" in wrong.text) == (400, True)
    busy = await client.post(console.path(f"{of(batch, 2)}/download"))
    assert (busy.status_code, "waits for a worker" in busy.text) == (409, True)
    assert (await client.post(console.path("/recipients/retire"), {"retired": "Red Printer"})).status_code == 303
    assert (await client.post(console.path("/recipients/retire"), {"retired": "Red Printer"})).status_code == 404


async def test_wrong_spares_and_hosts_stand_beside_their_fields(console: Console):
    client = await console.client(Role.OWNER)
    for field, value, words in (
        ("spare", "51", "0 to 50"), ("spare", "x", "at most two decimals"), ("printed_host", "a b", "printed host"),
        ("layout", "nonsense", ""), ("recipient", "Nobody", "no recipient"),
    ):  # fmt: skip
        answer = await client.post(console.path("/batches/new"), fields(**{field: value}))
        assert answer.status_code in {400, 404}
        assert words in (beside(answer.text, field) or answer.text)


async def test_orders_are_cancelled_before_and_closed_after_activation(console: Console):
    client = await console.client(Role.OWNER)
    batch = await write(console, client)
    close, cancel = console.path(f"/batches/{batch.name}/close"), console.path(f"/batches/{batch.name}/cancel")
    assert (await client.post(close)).status_code == 409
    assert (await client.post(cancel, {"cancel_reason": ""})).status_code == 400
    assert (await client.post(cancel, {"cancel_reason": "a trial"})).status_code == 303
    page = await page_of(console, client, batch)
    assert "Cancelled" in page
    assert "Download the package" not in page
    assert not path_of(console, batch).exists()
    batch = await write(console, client)
    await switch(console, client, batch, "activated", confirm="1")
    close, cancel = console.path(f"/batches/{batch.name}/close"), console.path(f"/batches/{batch.name}/cancel")
    refused = await client.post(cancel, {"cancel_reason": "too late"})
    assert (refused.status_code, "cannot be cancelled" in refused.text) == (409, True)
    assert (await client.post(close)).status_code == 303
    assert not path_of(console, batch).exists()


async def test_a_scanned_set_up_code_shows_whose_package_leaked(console: Console):
    client = await console.client(Role.OWNER)
    await client.post(console.path("/recipients"), {"recipient_name": "Loose Printer", "recipient_kind": "printer"})
    batch = await write(console, client, recipient="Loose Printer", count="5")
    lines = (await client.post(console.path(f"{of(batch)}/download"))).text.split()
    assert len(lines) == 9
    assert "yima codes package --batch" in await page_of(console, client, batch)
    assert "No set-up code was ever scanned" in (await client.get(console.path("/leaks"))).text
    await console.world.service.keys.refresh()
    reply = await console.world.scan(lines[0], member=2)
    assert (reply.outcome, [each.rule for each in reply.findings]) == ("inactive", ["early_scan"])
    page = (await client.get(console.path("/leaks"))).text
    assert f"{batch.name}-1" in page
    assert "Loose Printer" in page
    assert re.search(r"<p>Person \d+ <span", page)
    story = (await client.get(console.path(f"/scans/{reply.scan_id}"))).text
    assert "set-up code of a code package" in story
    assert "Loose Printer" not in (await client.get(console.path("/leaks", brand="wine"))).text


ranges = st.lists(
    st.tuples(st.integers(1, 30), st.integers(1, 30), st.sampled_from(states.RANKS)).map(
        lambda each: Span(min(each[:2]), max(each[:2]), each[2])
    ),
    max_size=12,
)


@given(st.integers(1, 30), ranges)
def test_flattened_states_are_the_gravest_of_each_line(count: int, given_ranges: list[Span]):
    held = [each for each in given_ranges if each.last <= count]
    spans = states.flatten(count, held)
    assert [line for each in spans for line in range(each.first, each.last + 1)] == list(range(1, count + 1))
    assert all(one.state != other.state for one, other in itertools.pairwise(spans))
    for each in spans:
        for line in (each.first, each.last):
            on = [found.state for found in held if found.first <= line <= found.last]
            assert each.state == (min(on, key=states.RANKS.index) if on else "issued")
    assert sum(states.totals(spans).values()) == count


@pytest.mark.browser
@pytest.mark.parametrize("size", [(1440, 900), (390, 844)])
async def test_progress_arrives_in_the_browser_without_a_reload(
    console: Console, chromium: Browser, size: tuple[int, int]
):
    client = await console.client(Role.OWNER)
    batch = await order(console, client)
    context = await console.browser(chromium, Role.OWNER, viewport={"width": size[0], "height": size[1]})
    page = await context.new_page()
    await page.goto(console.path(f"/batches/{batch.name}"))
    await expect(page.get_by_text("Waiting for a worker")).to_be_visible()
    assert await serious_problems(page) == []
    assert await worker.run_here(console.opened, await task_of(console, batch)) == "done"
    await expect(page.get_by_role("button", name="Download the package")).to_be_visible(timeout=10_000)
    assert await serious_problems(page) == []
    assert await page.evaluate("document.documentElement.scrollWidth") <= size[0]
    async with page.expect_download() as download:
        await page.get_by_role("button", name="Download the package").click()
    saved = await (await download.value).path()
    assert len(saved.read_text().splitlines()) == 40
    for path in ("/batches", "/batches/new", "/recipients", "/leaks"):
        await page.goto(console.path(path))
        assert await serious_problems(page) == []
        assert await page.evaluate("document.documentElement.scrollWidth") <= size[0]
