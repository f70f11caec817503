"""Reports: what people say is wrong with a thing in their hands, with a photo if they like.

Words, contact and photo are personal data: sealed where they are stored, and erased on request or after a time; that
there was a report, of which unit and what became of it, stays.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import text

from kernel import audit
from kernel.clock import now
from kernel.crypto import Vault
from kernel.db import Tx
from kernel.errors import NotFound, TooMany
from traceability.changes import EditedMeanwhile, Problem, judge_text, refuse
from traceability.pictures import Picture

KINDS: Final = ("fake", "quality", "reward", "place", "other")
STATES: Final = ("open", "answered", "closed")
TEXT_CHARS_MAX: Final = 1_000
CONTACT_CHARS_MAX: Final = 120
NOTE_CHARS_MAX: Final = 500
NOTES_MAX: Final = 200
PER_DEVICE_A_DAY_MAX: Final = 5
PER_UNIT_OPEN_MAX: Final = 20
"""Of one unit; whoever shares its code has not bought it."""
KEPT_DAYS: Final = 730
"""How long words, contact and photo are kept after the last change."""
PAGE_ROWS: Final = 30


@dataclass(frozen=True, slots=True)
class Told:
    """What somebody tells; nothing in it is trusted."""

    kind: str
    words: str
    contact: str


@dataclass(frozen=True, slots=True)
class Report:
    """A report as the console shows it; `words` and `contact` are empty once erased."""

    id: int
    number: UUID
    unit_id: int
    gtin: str
    kind: str
    state: str
    at: datetime
    version: int
    words: str
    contact: str
    has_photo: bool
    erased: bool
    member: str | None
    product: str | None
    product_en: str | None
    batch: str | None


@dataclass(frozen=True, slots=True)
class Note:
    """What somebody of the brand wrote beside a report."""

    actor: str
    at: datetime
    words: str


def judge(told: Told) -> list[Problem]:
    """Everything that is wrong with a report's fields. Pure."""
    found = []
    if told.kind not in KINDS:
        found.append(Problem("kind", "choice", f"kind is one of {', '.join(KINDS)}."))
    # lines may end, and nothing else that cannot be seen may be in them
    found += judge_text("words", told.words.replace("\r", "").replace("\n", " "), most=TEXT_CHARS_MAX)
    found += judge_text("contact", told.contact, most=CONTACT_CHARS_MAX)
    return found


async def make(
    tx: Tx,
    vault: Vault,
    *,
    number: UUID,
    brand_id: int,
    unit_id: int,
    batch_id: int | None,
    gtin: str,
    told: Told,
    photo: Picture | None,
    member_id: int | None,
    device: bytes,
) -> bool:
    """Keep a report; sent again under the same number it is kept once.

    Returns:
        Whether it was new.

    Raises:
        InvalidInput: a field is wrong; the detail `problems` names all of them.
        TooMany: this device reported too much today, or too many reports of the unit are open.
    """
    refuse(judge(told))
    # Two at once from one device wait for each other, so that the limit is one.
    await tx.execute(
        text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": int.from_bytes(device[:8], "big", signed=True)}
    )
    known = await tx.execute(
        text("""
            SELECT EXISTS (SELECT 1 FROM report WHERE number = :number),
                (SELECT count(*) FROM report WHERE device = :device AND at > :since),
                (SELECT count(*) FROM report WHERE unit_id = :unit AND brand_id = :brand AND state = 'open')"""),
        {"number": number, "device": device, "since": now() - timedelta(days=1), "unit": unit_id, "brand": brand_id},
    )
    again, today, open_ = known.one()
    if again:
        return False
    if today >= PER_DEVICE_A_DAY_MAX or open_ >= PER_UNIT_OPEN_MAX:
        raise TooMany("Enough was reported from here today; the brand looks at it.", retry_after_s=86_400)
    sealed = json.dumps({"words": told.words, "contact": told.contact}, ensure_ascii=False).encode()
    await tx.execute(
        text("""
            INSERT INTO report (number, brand_id, unit_id, batch_id, gtin, kind, member_id, device, told_sealed,
                photo_sealed, photo_type, at, changed_at)
            VALUES (:number, :brand, :unit, :batch, :gtin, :kind, :member, :device, :told, :photo, :type, :at, :at)"""),
        {
            "number": number,
            "brand": brand_id,
            "unit": unit_id,
            "batch": batch_id,
            "gtin": gtin,
            "kind": told.kind,
            "member": member_id,
            "device": device,
            "told": vault.seal(sealed, _context("told", number)),
            "photo": None if photo is None else vault.seal(photo.content, _context("photo", number)),
            "type": None if photo is None else photo.type,
            "at": now(),
        },
    )
    return True


def _context(what: str, number: UUID) -> str:
    return f"report/{what}/{number}"


_SELECT: Final = """
    SELECT r.id, r.number, r.unit_id, r.gtin, r.kind, r.state, r.at, r.version, r.told_sealed,
        r.photo_sealed IS NOT NULL AS has_photo, r.erased_at IS NOT NULL AS erased, m.public_id, p.name, p.name_en,
        b.name AS batch
    FROM report r LEFT JOIN member m ON m.id = r.member_id LEFT JOIN product p ON p.gtin = r.gtin
    LEFT JOIN batch b ON b.id = r.batch_id WHERE r.brand_id = :brand"""


async def search(
    tx: Tx, vault: Vault, *, brand_id: int, state: str = "open", after: int | None = None
) -> tuple[list[Report], bool]:
    """A page of a brand's reports of a state, the latest first, and whether there are more."""
    rows = await tx.execute(
        text(f"{_SELECT} AND r.state = :state AND r.id < coalesce(CAST(:after AS bigint), r.id + 1) "
             "ORDER BY r.id DESC LIMIT :rows"),
        {"brand": brand_id, "state": state, "after": after, "rows": PAGE_ROWS + 1},
    )  # fmt: skip
    found = [_open(vault, tuple(row)) for row in rows]
    return found[:PAGE_ROWS], len(found) > PAGE_ROWS


async def get(tx: Tx, vault: Vault, *, brand_id: int, report_id: int) -> Report:
    """A report of a brand.

    Raises:
        NotFound: there is none.
    """
    row = await tx.execute(text(f"{_SELECT} AND r.id = :id"), {"brand": brand_id, "id": report_id})
    found = row.one_or_none()
    if found is None:
        raise NotFound("There is no such report.")
    return _open(vault, tuple(found))


def _open(vault: Vault, row: tuple[object, ...]) -> Report:
    values = list(row)
    number, sealed = values[1], values.pop(8)
    told = {"words": "", "contact": ""}
    if isinstance(sealed, (bytes, memoryview)):
        told = json.loads(vault.open(bytes(sealed), _context("told", number)))  # type: ignore[arg-type] # a UUID
    values[8:8] = [told["words"], told["contact"]]
    return Report(*values)  # type: ignore[arg-type] # the columns of `_SELECT`


async def photo(tx: Tx, vault: Vault, *, brand_id: int, report_id: int) -> tuple[bytes, str] | None:
    """A report's photo and its type; None where there is none (any more)."""
    row = await tx.execute(
        text("""
            SELECT number, photo_sealed, photo_type FROM report
            WHERE brand_id = :brand AND id = :id AND photo_sealed IS NOT NULL"""),
        {"brand": brand_id, "id": report_id},
    )
    found = row.one_or_none()
    return None if found is None else (vault.open(bytes(found[1]), _context("photo", found[0])), found[2])


async def notes(tx: Tx, *, brand_id: int, report_id: int) -> list[Note]:
    """What was written beside a report, the earliest first."""
    rows = await tx.execute(
        text(
            """
            SELECT actor, at, words FROM report_note WHERE brand_id = :brand AND report_id = :id
            ORDER BY id LIMIT :most"""
        ),
        {"brand": brand_id, "id": report_id, "most": NOTES_MAX},
    )
    return [Note(*row) for row in rows]


async def answer(tx: Tx, *, brand_id: int, report_id: int, state: str, note: str, version: int, actor: str) -> None:
    """Write a note beside a report, give it a state, or both.

    Raises:
        InvalidInput: no such state, or too long a note; the detail `problems` names all of them.
        NotFound: the brand has no such report.
        EditedMeanwhile: somebody else did something about it since.
        TooMany: it has no room for another note.
    """
    problems = judge_text("note", note.replace("\r", "").replace("\n", " "), most=NOTE_CHARS_MAX)
    if state not in STATES:
        problems.append(Problem("state", "choice", f"state is one of {', '.join(STATES)}."))
    refuse(problems)
    before = await _lock(tx, brand_id, report_id)
    if before.version != version:
        raise EditedMeanwhile("this report", version=before.version)
    if before.state == state and not note:
        return
    if note:
        count = await tx.execute(text("SELECT count(*) FROM report_note WHERE report_id = :id"), {"id": report_id})
        if count.scalar_one() >= NOTES_MAX:
            raise TooMany(f"A report has at most {NOTES_MAX} notes.")
        await tx.execute(
            text("""
                INSERT INTO report_note (brand_id, report_id, actor, words) VALUES (:brand, :id, :actor, :words)"""),
            {"brand": brand_id, "id": report_id, "actor": actor[:80], "words": note},
        )
    await tx.execute(
        text("UPDATE report SET state = :state, version = version + 1, changed_at = :at WHERE id = :id"),
        {"state": state, "at": now(), "id": report_id},
    )
    await audit.record(
        tx, brand_id=brand_id, actor=actor, action="report.answer", subject=f"report {report_id}",
        before={"state": before.state}, after={"state": state, "note": bool(note)},
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Locked:
    state: str
    version: int


async def _lock(tx: Tx, brand_id: int, report_id: int) -> _Locked:
    row = await tx.execute(
        text("SELECT state, version FROM report WHERE brand_id = :brand AND id = :id FOR NO KEY UPDATE"),
        {"brand": brand_id, "id": report_id},
    )
    found = row.one_or_none()
    if found is None:
        raise NotFound("There is no such report.")
    return _Locked(*found)


async def erase(tx: Tx, *, brand_id: int, report_id: int, actor: str) -> None:
    """Forget words, contact, photo, member and device of a report, for good. Again: changes nothing.

    Raises:
        NotFound: the brand has no such report.
    """
    await _lock(tx, brand_id, report_id)
    done = await tx.execute(text(f"{_ERASE} WHERE id = :id AND erased_at IS NULL"), {"id": report_id, "at": now()})
    if done.rowcount:
        await audit.record(tx, brand_id=brand_id, actor=actor, action="report.erase", subject=f"report {report_id}")


_ERASE: Final = """
    UPDATE report SET told_sealed = NULL, photo_sealed = NULL, photo_type = NULL, member_id = NULL, device = NULL,
        erased_at = :at, version = version + 1"""


async def prune(tx: Tx) -> int:
    """Erase what nobody has touched for two years; returns how many."""
    done = await tx.execute(
        text(f"{_ERASE} WHERE erased_at IS NULL AND changed_at < :before"),
        {"at": now(), "before": now() - timedelta(days=KEPT_DAYS)},
    )
    return done.rowcount
