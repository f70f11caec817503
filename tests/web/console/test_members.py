"""Members: masked, found, blocked; held claims decided by a person."""

from __future__ import annotations

import pytest
from playwright.async_api import Browser
from sqlalchemy import text

from members import people, wechat_people
from members.wechat import Person
from staff.access import Role
from tests.web.console.conftest import Console
from tests.web.console.scenes import BAD, GUANGZHOU, HARBIN, Scene, follow, is_sound, play, rows_shown
from traceability.scans import Outcome
from web.console.members import masked

pytestmark = pytest.mark.usefixtures("scene")


@pytest.fixture(scope="module")
async def scene(console: Console) -> Scene:
    return await play(console)


async def public_id(console: Console, number: int) -> str:
    async with console.opened.db.transaction() as tx:
        found = await people.facts(tx, [console.world.member_ids[number]])
    return found[console.world.member_ids[number]].public_id


async def last_audit(console: Console, action: str) -> tuple[str, str, dict[str, object]]:
    async with console.opened.db.transaction() as tx:
        row = await tx.execute(
            text("SELECT actor, subject, after FROM audit_trail WHERE action = :a ORDER BY id DESC LIMIT 1"),
            {"a": action},
        )
        return tuple(row.one())


async def test_the_list_shows_members_masked(console: Console):
    client = await console.client(Role.MARKETER)
    page = (await client.get(console.path("/members"))).text
    assert "20 members" in page
    assert "138****0000" in page
    assert "13800000000" not in page


@pytest.mark.parametrize(
    ("number", "shown"),
    [
        ("+8613800001234", "138****1234"),
        ("+14155550123", "+14****0123"),
        ("+4512345678", "+45****5678"),
        ("+29012345", "+29****45"),
    ],
)
def test_the_middle_of_a_number_is_hidden(number: str, shown: str):
    assert masked(number) == shown


async def test_an_exact_number_finds_its_member_and_stays_out_of_the_trail(console: Console):
    client = await console.client(Role.MARKETER)
    for given in ("138 0000 0007", "+8613800000007"):
        answer = await client.post(console.path("/members/find"), {"phone": given})
        assert answer.headers["location"] == console.path(f"/members/{await public_id(console, 7)}")
    actor, subject, after = await last_audit(console, "member.find_by_phone")
    assert (subject, after) == (f"member {await public_id(console, 7)}", {"found": True})
    assert actor.startswith("staff:")
    async with console.opened.db.transaction() as tx:
        row = await tx.execute(text("SELECT string_agg(t::text, ' ') FROM audit_trail t"))
        assert "0000007" not in row.scalar_one()


async def test_a_number_of_nobody_or_no_number_is_told_so(console: Console):
    client = await console.client(Role.MARKETER)
    for given, status, sentence in (
        ("13900000000", 404, "No member of the brand has this number"),
        ("12", 400, "not a phone number that can exist"),
        ("", 400, "not a phone number that can exist"),
        ("\x00", 400, "not a phone number that can exist"),
        ("9" * 10_000, 400, "not a phone number that can exist"),
    ):
        answer = await client.post(console.path("/members/find"), {"phone": given})
        assert (answer.status_code, sentence in answer.text) == (status, True), given[:20]


async def test_another_brands_number_finds_nobody(console: Console):
    client = await console.client(Role.OWNER, brand=console.other)
    answer = await client.post(console.path("/members/find", brand="wine"), {"phone": "13800000007"})
    assert answer.status_code == 404


async def test_filters_find_what_they_name(console: Console):
    client = await console.client(Role.MARKETER)
    member = await public_id(console, 9)
    for query, rows in (
        (f"member={member.lower()}", 1),
        ("state=blocked", 0),
        ("since=2026-01-01&until=2026-01-02", 0),
    ):
        address = console.path(f"/members?{query}")
        assert rows_shown(address, await follow(client, address)) == rows, query


@pytest.mark.parametrize("path", ["/members", "/members/points", "/members/held"])
async def test_bad_input_gets_a_sentence_and_never_an_error_of_ours(console: Console, path: str):
    client = await console.client(Role.OWNER)
    for field in ("member", "state", "since", "until", "after", "entries", "claims"):
        for value in BAD:
            answer = await client.get(console.path(f"{path}?{field}={value}"))
            assert answer.status_code in {200, 400}, (field, value)
            assert "<script>alert" not in answer.text


async def test_unknown_members_and_another_brands_are_not_there(console: Console):
    other = await console.client(Role.OWNER, brand=console.other)
    member = await public_id(console, 1)
    assert (await other.get(console.path(f"/members/{member}", brand="wine"))).status_code == 404
    for change in ("block", "unblock"):
        answer = await other.post(console.path(f"/members/{member}/{change}", brand="wine"), {"reason": "x"})
        assert answer.status_code == 404
    client = await console.client(Role.OWNER)
    for name in ("NOBODY", "%00", "x" * 5_000, "a%20b"):
        assert (await client.get(console.path(f"/members/{name}"))).status_code in {400, 404}, name[:20]


async def test_a_members_page_tells_ledger_claims_draws_and_consents(console: Console):
    client = await console.client(Role.OWNER)
    page = (await client.get(console.path(f"/members/{await public_id(console, 0)}"))).text
    for fact in (
        "138****0000",
        "+10",
        "+5",
        "Spring draw",
        "entered 3 times",
        "Membership",
        "text of 2026-11",
        "Posted",
    ):
        assert fact in page, fact


async def test_a_blocked_member_earns_nothing_until_unblocked(console: Console, scene: Scene):
    client = await console.client(Role.MARKETER)
    member = await public_id(console, 10)
    path = console.path(f"/members/{member}")
    assert (await client.post(f"{path}/block", {"reason": " sells codes "})).status_code == 303
    assert (await last_audit(console, "member.block"))[1:] == (
        f"member {member}", {"state": "blocked", "reason": "sells codes"},
    )  # fmt: skip
    assert "sells codes" in (await client.get(path)).text
    refused = await console.world.scan(scene.codes[60], member=10)
    assert refused.outcome is Outcome.REFUSED
    assert (await client.post(f"{path}/unblock", {"reason": "a mistake"})).status_code == 303
    assert (await console.world.scan(scene.codes[60], member=10)).outcome is Outcome.AWARDED


async def test_a_block_needs_a_reason_and_the_permission(console: Console):
    client = await console.client(Role.MARKETER)
    path = console.path(f"/members/{await public_id(console, 11)}/block")
    for reason in ("", "   ", "x" * 201):
        answer = await client.post(path, {"reason": reason})
        assert (answer.status_code, "Give a reason of 1 to 200 characters" in answer.text) == (400, True)
    assert (await client.post(path, {"reason": "x" * 200})).status_code == 303
    assert (await (await console.client(Role.AUDITOR)).post(path, {"reason": "x"})).status_code == 403


async def test_an_erased_member_is_neither_blocked_nor_unblocked(console: Console):
    async with console.opened.db.transaction() as tx:
        await tx.execute(text("UPDATE member SET state = 'erased' WHERE id = :m"), {"m": console.world.member_ids[12]})
    client = await console.client(Role.OWNER)
    for change in ("block", "unblock"):
        answer = await client.post(console.path(f"/members/{await public_id(console, 12)}/{change}"), {"reason": "x"})
        assert (answer.status_code, "The member is erased" in answer.text) == (400, True)


async def hold(console: Console, scene: Scene, line: int) -> int:
    """A held claim of its own."""
    await console.world.scan(scene.codes[line], member=None, location=GUANGZHOU)
    reply = await console.world.scan(scene.codes[line], member=8, location=HARBIN)
    assert reply.outcome is Outcome.HELD
    async with console.opened.db.transaction() as tx:
        row = await tx.execute(text("SELECT id FROM claim WHERE scan_id = :s"), {"s": reply.scan_id})
        return int(row.scalar_one())


async def state_of(console: Console, claim_id: int) -> str:
    async with console.opened.db.transaction() as tx:
        return str((await tx.execute(text("SELECT state FROM claim WHERE id = :c"), {"c": claim_id})).scalar_one())


async def test_held_claims_are_listed_with_their_facts(console: Console, scene: Scene):
    page = (await (await console.client(Role.MARKETER)).get(console.path("/members/held"))).text
    for fact in (f"Claim {scene.held_claim}", "nobody travels that fast", "Impossible travel", "scanned 2 times"):
        assert fact in page, fact


@pytest.mark.parametrize(("decision", "state", "line"), [("post", "posted", 70), ("void", "voided", 71)])
async def test_a_person_decides_a_held_claim_once(console: Console, scene: Scene, decision: str, state: str, line: int):
    claim_id = await hold(console, scene, line)
    client = await console.client(Role.MARKETER)
    path = console.path(f"/members/held/{claim_id}")
    member = await public_id(console, 8)
    answer = await client.post(path, {"decision": decision, "reason": "looked at it", "member": member})
    assert (answer.status_code, answer.headers["location"]) == (303, console.path(f"/members/{member}"))
    assert await state_of(console, claim_id) == state
    assert (await last_audit(console, f"claim.{decision}"))[1:] == (f"claim {claim_id}", {"reason": "looked at it"})
    again = await client.post(path, {"decision": "post", "reason": "again"})
    assert again.status_code == 303
    assert "was decided by somebody else" in (await client.get(again.headers["location"])).text
    assert await state_of(console, claim_id) == state


async def test_a_decision_needs_a_reason_a_choice_and_the_permission(console: Console, scene: Scene):
    path = console.path(f"/members/held/{scene.held_claim}")
    client = await console.client(Role.MARKETER)
    for data, sentence in (
        ({"decision": "post", "reason": ""}, "Give a reason of 1 to 200 characters"),
        ({"decision": "post", "reason": "x" * 201}, "Give a reason of 1 to 200 characters"),
        ({"decision": "burn", "reason": "x"}, "Choose to pay or to void"),
        ({"reason": "x"}, "Choose to pay or to void"),
    ):
        answer = await client.post(path, data)
        assert (answer.status_code, sentence in answer.text) == (400, True), data
    refused = await (await console.client(Role.AUDITOR)).post(path, {"decision": "post", "reason": "x"})
    assert refused.status_code == 403
    assert await state_of(console, scene.held_claim) == "pending"


async def test_another_brands_claim_cannot_be_decided(console: Console, scene: Scene):
    other = await console.client(Role.OWNER, brand=console.other)
    for claim in (scene.held_claim, 0, "x", "9" * 18, "9" * 40, "%00"):
        path = console.path(f"/members/held/{claim}", brand="wine")
        answer = await other.post(path, {"decision": "post", "reason": "mine"})
        assert answer.status_code in {400, 404}, claim
    assert await state_of(console, scene.held_claim) == "pending"


async def test_members_are_for_those_who_may_see_them(console: Console):
    analyst = await console.client(Role.ANALYST)
    for path in ("/members", "/members/held", "/members/points", f"/members/{await public_id(console, 0)}"):
        assert (await analyst.get(console.path(path))).status_code == 403, path


async def test_points_given_are_listed_entry_by_entry(console: Console):
    client = await console.client(Role.OWNER)
    address = console.path("/members/points")
    shown = rows_shown(address, await follow(client, address))
    async with console.opened.db.transaction() as tx:
        row = await tx.execute(
            text("""
                SELECT sum(e.amount) FROM entry e JOIN account a ON a.id = e.account_id
                WHERE a.member_id IS NOT NULL AND a.currency = 'spendable' AND e.kind = 'earn'""")
        )
        assert shown == row.scalar_one()


@pytest.mark.parametrize(("width", "height"), [(1440, 900), (390, 844)])
@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_the_pages_are_sound_in_a_browser(
    console: Console, chromium: Browser, width: int, height: int, scheme: str
):
    context = await console.browser(
        chromium, Role.OWNER, viewport={"width": width, "height": height}, color_scheme=scheme
    )
    page = await context.new_page()
    for path in ("/members", "/members/held", "/members/points", f"/members/{await public_id(console, 0)}"):
        await is_sound(page, console.path(path))


async def test_who_came_by_wechat_is_shown_so_and_not_by_a_name_of_theirs(console: Console):
    opened, brand = console.opened, console.world.brand
    person = Person("wx520c15f417810387", "oNobodysBusiness", None)
    async with opened.db.transaction() as tx:
        member_id = await wechat_people.sign_in(tx, opened.vault, opened.index, brand_id=brand.id, person=person)
        public = (await people.facts(tx, [member_id]))[member_id].public_id
    client = await console.client(Role.MARKETER)
    listed, shown = [(await client.get(console.path(path))).text for path in ("/members", f"/members/{public}")]
    for page in (listed, shown):
        assert "WeChat" in page
        assert "oNobodysBusiness" not in page
