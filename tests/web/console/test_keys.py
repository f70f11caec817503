"""The console's pages of code keys: seen by owners and auditors, changed by owners, released by two of them."""

from __future__ import annotations

from sqlalchemy import text

from codegen import batches, keys, leaks
from staff.access import Role
from tests.web.console.conftest import Client, Console

PASSWORD = "seven small boats"


async def _owner(console: Console) -> Client:
    return await console.client(staff_id=await console.hire(Role.OWNER, password=PASSWORD))


async def _key(console: Console) -> keys.KeyInfo:
    async with console.opened.db.transaction() as tx:
        return (await keys.list_of(tx, brand_id=console.world.brand.id))[0]


async def _hold_back(console: Console) -> int:
    """A new key as production makes one."""
    async with console.opened.db.transaction() as tx:
        made = await keys.rotate(tx, console.opened.vault, brand_id=console.world.brand.id, actor="test")
        await tx.execute(text("UPDATE code_key SET released = false WHERE id = :id"), {"id": made.id})
    return made.id


async def test_owners_change_keys_auditors_see_them_and_others_do_not(console: Console) -> None:
    key = await _key(console)
    for role, seen in ((Role.OWNER, 200), (Role.AUDITOR, 200), (Role.FACTORY, 403), (Role.MARKETER, 403)):
        client = await console.client(role)
        for path in ("/keys", f"/keys/{key.id}", f"/keys/{key.id}/leak"):
            answer = await client.get(console.path(path))
            assert answer.status_code == seen, (role, path)
    auditor = await console.client(Role.AUDITOR)
    for path in ("/keys/rotate", f"/keys/{key.id}/release", f"/keys/{key.id}/end", f"/keys/{key.id}/leak"):
        assert (await auditor.post(console.path(path), {"password": PASSWORD})).status_code == 403
    page = (await auditor.get(console.path(f"/keys/{key.id}/leak"))).text
    assert "<form" not in page.split("<main", 1)[1]


async def test_a_key_of_another_brand_is_not_there(console: Console) -> None:
    async with console.opened.db.transaction() as tx:
        foreign = await keys.lock_active(tx, console.opened.vault, brand_id=console.other.id, actor="test")
    client = await _owner(console)
    for path in (f"/keys/{foreign.id}", f"/keys/{foreign.id}/leak", f"/keys/{foreign.id}/field.csv", "/keys/1024"):
        assert (await client.get(console.path(path))).status_code == 404
    form = {"password": PASSWORD, "reason": "x", "how": "revoke", "confirm": "1", "answer": "hold", "batch": "X"}
    for path in ("release", "end", "leak", "answer", "reissue"):
        answer = await client.post(console.path(f"/keys/{foreign.id}/{path}"), form)
        assert answer.status_code == 404, path


async def test_a_new_key_is_made_once_however_often_the_form_is_sent(console: Console) -> None:
    client, before = await _owner(console), await _key(console)
    wrong = await client.post(console.path("/keys/rotate"), {"replacing": before.id, "password": "wrong wrong wrong"})
    assert (wrong.status_code, "This is not your password" in wrong.text) == (400, True)
    assert (await _key(console)).id == before.id
    form = {"replacing": before.id, "password": PASSWORD}
    answers = [await client.post(console.path("/keys/rotate"), form) for _ in range(2)]
    assert [each.status_code for each in answers] == [303, 409]


async def test_two_owners_release_a_key_and_one_owner_does_not(console: Console) -> None:
    key_id = await _hold_back(console)
    page = console.path(f"/keys/{key_id}")
    first, second = await _owner(console), await _owner(console)
    assert (await first.post(f"{page}/release", {"password": PASSWORD})).status_code == 303
    again = await first.post(f"{page}/release", {"password": PASSWORD})
    assert again.status_code == 409
    shown = (await first.get(page)).text
    assert "1 of 2 people" in shown
    assert f'action="{page}/release"' not in shown
    assert not (await _key(console)).released
    assert (await second.post(f"{page}/release", {"password": PASSWORD})).status_code == 303
    assert (await _key(console)).released
    assert (await second.post(f"{page}/release", {"password": PASSWORD})).status_code == 409


async def test_an_order_under_an_unreleased_key_is_kept_and_its_package_is_not_written(console: Console) -> None:
    await _hold_back(console)
    client = await _owner(console)
    form = {"gtin": "06901234567892", "count": "5", "form": "short", "order": "PO-KEPT"}
    answer = await client.post(console.path("/batches/new"), form)
    assert answer.status_code == 303, answer.text
    page = await client.get(answer.headers["location"])
    assert "Two people release its key first" in page.text
    refused = await client.post(answer.headers["location"] + "/packages", {"layout": "plain"})
    assert (refused.status_code, "not released" in refused.text) == (409, True)
    async with console.opened.db.transaction() as tx:
        rows = await tx.execute(text("SELECT state FROM batch WHERE order_number = 'PO-KEPT'"))
        assert rows.scalar_one() == "ordered"
        await tx.execute(text("UPDATE code_key SET released = true"))


async def test_a_leak_is_confirmed_with_the_password_and_then_ordered_again(console: Console) -> None:
    name, _ = await console.world.issue(30, order_number="PO-LEAK")
    key = await _key(console)
    page, client = console.path(f"/keys/{key.id}/leak"), await _owner(console)

    for wrong in ({"reason": ""}, {"reason": "x", "answer": "keep"}, {"reason": "x", "since": "2999-01-01T00:00"}):
        answer = await client.post(page, {"answer": "hold", **wrong})
        assert answer.status_code == 400, wrong
    asked = await client.post(page, {"reason": "<b>stolen</b>", "answer": "hold"})
    assert "Revoke and stop" in asked.text
    assert "&lt;b&gt;stolen" in asked.text
    assert (await _key(console)).state == "active"

    form = {"reason": "stolen", "answer": "hold", "confirm": "1"}
    refused = await client.post(page, {**form, "password": "wrong wrong wrong"})
    assert (refused.status_code, "Revoke and stop" in refused.text) == (400, True)
    assert (await client.post(page, {**form, "password": PASSWORD})).status_code == 303

    none = await client.post(page.replace("/leak", "/reissue"))
    assert (none.status_code, "1 to 100" in none.text) == (400, True)
    for _ in range(2):
        assert (await client.post(page.replace("/leak", "/reissue"), {"batch": name})).status_code == 303
    async with console.opened.db.transaction() as tx:
        stopped = await keys.get(tx, key.id)
        found = {each.batch.name: each for each in await leaks.batches_of(tx, stopped)}
        made = await batches.get(tx, found[name].reissued_as or "")
    assert (stopped.state, found[name].answer, made.order_number) == ("revoked", "hold", "PO-LEAK-R1")
    assert (await client.post(page.replace("/leak", "/answer"), {"batch": name, "answer": "void"})).status_code == 303
    shown = (await client.get(page)).text
    assert made.name in shown
    table = await client.get(console.path(f"/keys/{key.id}/field.csv"))
    assert (table.headers["content-type"].partition(";")[0], "PO-LEAK" in table.text) == ("text/csv", True)
