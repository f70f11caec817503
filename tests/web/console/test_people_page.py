"""People and roles, and the audit trail, through real HTTP."""

from __future__ import annotations

import json
import re

from sqlalchemy import text

from kernel import audit, audit_chain
from staff import people
from staff.access import Role
from tests.web.console.conftest import Console
from web.console import trail


async def _email(console: Console, staff_id: int) -> str:
    async with console.opened.db.transaction() as tx:
        return (await people.get(tx, console.opened.vault, staff_id)).email


async def _roles(console: Console, staff_id: int) -> set[str]:
    async with console.opened.db.transaction() as tx:
        person = await people.get(tx, console.opened.vault, staff_id)
    return {str(role) for role in person.roles.get(console.world.brand.id, frozenset())}


async def test_an_owner_invites_somebody_who_is_shown_as_invited(console: Console):
    client = await console.client(Role.OWNER)
    fields = {"email": "New.Person@Example.com", "name": "新人 <i>", "role": ["analyst", "auditor"]}
    answer = await client.post(console.path("/staff/invite"), fields)
    assert answer.status_code == 303, answer.text
    page = (await client.get(console.path("/staff"))).text
    assert "new.person@example.com" in page
    assert "新人 &lt;i&gt;" in page
    assert "Invited" in page
    found = re.search(r"/staff/(\d+)/invite", page)
    assert found is not None
    assert await _roles(console, int(found[1])) == {"analyst", "auditor"}
    again = await client.post(console.path(f"/staff/{found[1]}/invite"))
    assert (again.status_code, "wait a minute" in again.text) == (429, True)


async def test_a_refused_invitation_keeps_what_was_entered(console: Console):
    client = await console.client(Role.OWNER)
    for fields, sentence in (
        ({"email": "no address", "name": "Wu", "role": "analyst"}, "An e-mail address has the form"),
        ({"email": "wu@example.com", "name": "", "role": "analyst"}, "A name has 1 to 80"),
        ({"email": "wu@example.com", "name": "Wu"}, "Choose at least one role"),
        ({"email": "wu@example.com", "name": "Wu", "role": "king"}, "There is no such role"),
        ({"email": "wu@example.com\r\nBcc: a@b.example", "name": "Wu", "role": "analyst"}, "Before the @"),
    ):
        answer = await client.post(console.path("/staff/invite"), fields)
        assert answer.status_code == 400
        assert sentence in answer.text
        assert 'value="Wu"' in answer.text or fields["name"] == ""
    async with console.opened.db.transaction() as tx:
        assert await people.by_email(tx, console.opened.vault, console.opened.index, "wu@example.com") is None


async def test_roles_are_set_unless_somebody_changed_them_meanwhile(console: Console):
    client, other = await console.client(Role.OWNER), await console.hire("analyst")
    path = console.path(f"/staff/{other}/roles")
    assert (await client.post(path, {"before": "analyst", "role": ["factory", "auditor"]})).status_code == 303
    assert await _roles(console, other) == {"factory", "auditor"}
    stale = await client.post(path, {"before": "analyst", "role": ["owner"]})
    assert (stale.status_code, "look again" in stale.text) == (409, True)
    assert await _roles(console, other) == {"factory", "auditor"}
    assert (await client.post(path, {"before": "auditor factory"})).status_code == 303
    assert await _roles(console, other) == set()
    assert (await client.post(path, {"before": "", "role": "owner"})).status_code == 404


async def test_the_last_owner_cannot_leave(console: Console):
    async with console.opened.db.transaction() as tx:
        await tx.execute(text("DELETE FROM staff_role WHERE role = 'owner'"))
    me = await console.hire(Role.OWNER)
    client = await console.client(staff_id=me)
    answer = await client.post(console.path(f"/staff/{me}/roles"), {"before": "owner", "role": "analyst"})
    assert (answer.status_code, "last owner" in answer.text) == (409, True)
    assert await _roles(console, me) == {"owner"}


async def test_people_of_another_brand_are_not_there(console: Console):
    stranger = await console.hire(Role.ANALYST, brand=console.other)
    client = await console.client(Role.OWNER)
    assert (await _email(console, stranger)) not in (await client.get(console.path("/staff"))).text
    for path, fields in (("roles", {"before": "analyst"}), ("state", {"state": "disabled"}), ("invite", {})):
        assert (await client.post(console.path(f"/staff/{stranger}/{path}"), fields)).status_code == 404
    assert (await client.post(console.path("/staff/99999999999999999999/state"))).status_code in {400, 404}


async def test_an_account_that_serves_another_brand_is_not_switched_off_from_here(console: Console):
    shared, own = await console.hire(Role.ANALYST), await console.hire(Role.ANALYST)
    async with console.opened.db.transaction() as tx:
        await people.grant(tx, staff_id=shared, brand_id=console.other.id, role=Role.ANALYST, actor="test")
    me = await console.hire(Role.OWNER)
    client = await console.client(staff_id=me)
    for staff_id in (shared, me):
        answer = await client.post(console.path(f"/staff/{staff_id}/state"), {"state": "disabled"})
        assert (answer.status_code, "not yours" in answer.text) == (403, True)
    assert (await client.post(console.path(f"/staff/{own}/state"), {"state": "disabled"})).status_code == 303
    assert (await client.post(console.path(f"/staff/{own}/state"), {"state": "x"})).status_code == 400
    assert (await client.post(console.path(f"/staff/{own}/state"), {"state": "active"})).status_code == 303


async def test_the_trail_shows_who_changed_what_from_what_to_what(console: Console):
    me = await console.hire(Role.OWNER)
    client, other = await console.client(staff_id=me), await console.hire("analyst")
    await client.post(console.path(f"/staff/{other}/roles"), {"before": "analyst", "role": ["factory"]})
    page = (await client.get(console.path(f"/trail?actor=staff:{me}"))).text
    assert page.count('<tr id="row-') == 2
    assert "<del>analyst, factory</del>" in page
    assert "<ins>factory</ins>" in page
    none = (await client.get(console.path("/trail?since=2099-01-01"))).text
    assert "No rows match" in none
    assert (await client.get(console.path("/trail?action=staff.grant"))).text.count('<tr id="row-') >= 1
    for query in ("since=yesterday", "before=0", "before=x", "until=2026-02-30T99:99"):
        assert (await client.get(console.path(f"/trail?{query}"))).status_code == 200
    chinese = await console.client(Role.AUDITOR, language="zh")
    assert "授予角色" in (await chinese.get(console.path("/trail"))).text


async def test_the_trail_of_a_brand_holds_nothing_of_another(console: Console):
    async with console.opened.db.transaction() as tx:
        await audit.record(tx, brand_id=console.other.id, actor="test", action="brand.settings", subject="theirs-only")
        await audit.record(tx, brand_id=None, actor="anonymous", action="staff.sign_in_failed", subject="unknown abcd")
        await audit.record(
            tx, brand_id=console.world.brand.id, actor="<script>", action="<b>", subject="<img src=x>",
            after={"<u>": "</del><script>alert(1)</script>", "long": "x" * 5_000},
        )  # fmt: skip
    client = await console.client(Role.AUDITOR)
    page = (await client.get(console.path("/trail"))).text
    assert "theirs-only" not in page
    assert "unknown abcd" not in page
    assert "<script>alert" not in page
    assert "<img src=x>" not in page
    assert "x" * 301 not in page


async def test_the_trail_turns_its_pages(console: Console):
    async with console.opened.db.transaction() as tx:
        for n in range(trail.ROWS_SHOWN + 5):
            await audit.record(
                tx, brand_id=console.world.brand.id, actor="pager", action="x.y", subject=f"thing {n}", after={"n": n}
            )
    client = await console.client(Role.AUDITOR)
    first = (await client.get(console.path("/trail?actor=pager"))).text
    assert first.count('<tr id="row-') == trail.ROWS_SHOWN
    found = re.search(r'rel="next" href="([^"]+)"', first)
    assert found is not None
    second = (await client.get(found[1].replace("&amp;", "&"))).text
    assert second.count('<tr id="row-') == 5


async def test_the_head_is_exported_and_the_chain_verified(console: Console):
    client = await console.client(Role.AUDITOR)
    answer = await client.get(console.path("/trail/head"))
    assert answer.headers["content-disposition"].startswith('attachment; filename="trail-head-')
    kept = audit_chain.parse_head(json.loads(answer.content))
    async with console.opened.db.transaction() as tx:
        assert (await audit_chain.verify(tx, kept=kept)).ok
    said = await client.post(console.path("/trail/verify"))
    assert "rows fit" in said.text
    async with console.opened.db.transaction() as tx:
        await tx.execute(text("ALTER TABLE audit_trail DISABLE TRIGGER append_only"))
        await tx.execute(text("UPDATE audit_trail SET actor = 'nobody' WHERE id = 1"))
        await tx.execute(text("ALTER TABLE audit_trail ENABLE TRIGGER append_only"))
    broken = await client.post(console.path("/trail/verify"))
    assert "row 1 was changed" in broken.text


def test_a_difference_tells_what_came_and_what_went():
    found = trail.changes({"a": 1, "b": [1], "same": None}, {"b": [2], "c": "x", "same": None})
    assert [(each.name, each.before, each.after) for each in found] == [
        ("a", "1", None), ("b", "[1]", "[2]"), ("c", None, "x"),
    ]  # fmt: skip
    assert trail.changes(None, None) == []
    assert [each.after for each in trail.changes(None, ["x"])] == ["x"]
