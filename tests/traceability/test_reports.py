"""Reports: kept once, sealed, limited, answered, forgotten."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from kernel.clock import now
from kernel.errors import InvalidInput, NotFound, TooMany
from tests.world import GTIN, World
from traceability import reports
from traceability.changes import EditedMeanwhile
from traceability.pictures import Picture
from traceability.reports import Report, Told

SECRET = "the seal under the cap was broken, call Zhang"
PHOTO = Picture(b"\xff\xd8 a face \xff\xd9", "jpeg", "0" * 16)


async def _make(world: World, number: UUID | None = None, **more: object) -> bool:
    values: dict[str, object] = {
        "number": number or uuid4(), "brand_id": world.brand.id, "unit_id": 7, "batch_id": None, "gtin": GTIN,
        "told": Told("quality", SECRET, "13800138000"), "photo": PHOTO, "member_id": world.member_ids[1],
        "device": b"d" * 32, **more,
    }  # fmt: skip
    async with world.opened.db.transaction() as tx:
        return await reports.make(tx, world.opened.vault, **values)  # type: ignore[arg-type]


async def _only(world: World, state: str = "open") -> Report:
    async with world.opened.db.transaction() as tx:
        ((found,), more) = await reports.search(tx, world.opened.vault, brand_id=world.brand.id, state=state)
    assert not more
    return found


async def test_report_is_kept_once_whatever_is_sent_again(world: World):
    number = uuid4()
    made = await asyncio.gather(*(_make(world, number) for _ in range(4)))
    assert sorted(made) == [False, False, False, True]
    found = await _only(world)
    assert (found.words, found.contact, found.has_photo, found.kind) == (SECRET, "13800138000", True, "quality")
    async with world.opened.db.transaction() as tx:
        shown = await reports.photo(tx, world.opened.vault, brand_id=world.brand.id, report_id=found.id)
        other = await reports.photo(tx, world.opened.vault, brand_id=world.brand.id + 1, report_id=found.id)
    assert (shown, other) == ((PHOTO.content, "jpeg"), None)


async def test_nothing_personal_is_stored_in_clear(world: World):
    await _make(world)
    async with world.opened.db.transaction() as tx:
        row = (await tx.execute(text("SELECT r::text FROM report r"))).scalar_one()
        stored = (await tx.execute(text("SELECT told_sealed, photo_sealed FROM report"))).one()
    assert "Zhang" not in row
    assert all(b"Zhang" not in bytes(each) and b"face" not in bytes(each) for each in stored)


async def test_reports_of_a_device_and_of_a_unit_are_limited_at_their_edge(world: World):
    for _ in range(reports.PER_DEVICE_A_DAY_MAX):
        await _make(world)
    with pytest.raises(TooMany):
        await _make(world)
    for n in range(reports.PER_UNIT_OPEN_MAX - reports.PER_DEVICE_A_DAY_MAX):
        await _make(world, device=bytes([n]) * 32)
    with pytest.raises(TooMany):
        await _make(world, device=b"x" * 32)
    assert await _make(world, device=b"x" * 32, unit_id=8)


@pytest.mark.parametrize(
    ("told", "field"),
    [
        (Told("rumour", "", ""), "kind"),
        (Told("fake", "x" * (reports.TEXT_CHARS_MAX + 1), ""), "words"),
        (Told("fake", "a\u202eb", ""), "words"),
        (Told("fake", "", "x" * (reports.CONTACT_CHARS_MAX + 1)), "contact"),
        (Told("fake", "", "a\nb"), "contact"),
    ],
)
async def test_each_refusal_names_its_field(world: World, told: Told, field: str):
    with pytest.raises(InvalidInput) as caught:
        await _make(world, told=told)
    assert caught.value.details["field"] == field


def test_limits_are_taken_at_their_edge():
    told = Told("fake", "x\r\n" * 3 + "y" * (reports.TEXT_CHARS_MAX - 6), "z" * reports.CONTACT_CHARS_MAX)
    assert reports.judge(told) == []


async def test_answer_writes_a_note_and_a_state_against_the_version_that_was_seen(world: World):
    await _make(world)
    found = await _only(world)
    given = {"brand_id": world.brand.id, "report_id": found.id, "actor": "staff:3"}
    async with world.opened.db.transaction() as tx:
        await reports.answer(tx, **given, state="answered", note="Sent a new one.", version=found.version)
    with pytest.raises(EditedMeanwhile):
        async with world.opened.db.transaction() as tx:
            await reports.answer(tx, **given, state="closed", note="", version=found.version)
    answered = await _only(world, "answered")
    async with world.opened.db.transaction() as tx:
        (note,) = await reports.notes(tx, brand_id=world.brand.id, report_id=found.id)
        with pytest.raises(InvalidInput):
            await reports.answer(tx, **given, state="gone", note="", version=answered.version)
        too_long = "x" * (reports.NOTE_CHARS_MAX + 1)
        with pytest.raises(InvalidInput):
            await reports.answer(tx, **given, state="closed", note=too_long, version=answered.version)
    assert (note.actor, note.words) == ("staff:3", "Sent a new one.")
    with pytest.raises(NotFound):
        async with world.opened.db.transaction() as tx:
            strange = {**given, "brand_id": world.brand.id + 1}
            await reports.answer(tx, **strange, state="closed", note="", version=1)


async def test_erased_report_keeps_that_it_was_and_nothing_of_whom(world: World):
    await _make(world)
    found = await _only(world)
    for _ in range(2):
        async with world.opened.db.transaction() as tx:
            await reports.erase(tx, brand_id=world.brand.id, report_id=found.id, actor="staff:3")
    left = await _only(world)
    assert (left.words, left.contact, left.has_photo, left.member, left.erased) == ("", "", False, None, True)
    async with world.opened.db.transaction() as tx:
        row = await tx.execute(
            text("SELECT told_sealed, photo_sealed, device, member_id FROM report WHERE id = :id"), {"id": found.id}
        )
        assert set(row.one()) == {None}
        trail = await tx.execute(text("SELECT count(*) FROM audit_trail WHERE action = 'report.erase'"))
        assert trail.scalar_one() == 1


async def test_what_nobody_touched_for_two_years_is_erased(world: World):
    await _make(world)
    await _make(world, unit_id=8)
    async with world.opened.db.transaction() as tx:
        old, young = (now() - timedelta(days=days) for days in (reports.KEPT_DAYS + 1, reports.KEPT_DAYS - 1))
        await tx.execute(
            text(
                "UPDATE report SET changed_at = CASE unit_id WHEN 7 THEN CAST(:o AS timestamptz) "
                "ELSE CAST(:y AS timestamptz) END"
            ),
            {"o": old, "y": young},
        )
        assert await reports.prune(tx) == 1
        rows = await tx.execute(text("SELECT unit_id FROM report WHERE erased_at IS NOT NULL"))
        assert rows.scalars().all() == [7]
