"""What a brand tells whoever scans a unit of a batch that is recalled or void: where to bring it, whom to call."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from sqlalchemy import text

from kernel import audit
from kernel.db import Tx
from traceability.changes import EditedMeanwhile, Problem, judge_text, refuse

STATES: Final = ("recalled", "void")
CHARS_MAX: Final = 500


@dataclass(frozen=True, slots=True)
class Notice:
    """A notice in both languages; empty where the brand has none, and the general sentence stands alone."""

    zh: str = ""
    en: str = ""
    version: int = 0


NONE: Final = Notice()


async def of(tx: Tx, batch_id: int, state: str) -> Notice:
    """The notice for a batch's units in a state."""
    row = await tx.execute(
        text("SELECT zh, en, version FROM batch_notice WHERE batch_id = :batch AND state = :state"),
        {"batch": batch_id, "state": state},
    )
    found = row.one_or_none()
    return NONE if found is None else Notice(*found)


def judge(state: str, notice: Notice) -> list[Problem]:
    """Everything that is wrong with a notice; both languages or none, so that nobody is left without. Pure."""
    found = []
    for name, value in (("zh", notice.zh), ("en", notice.en)):
        field = f"{state}_{name}"
        # lines may end, and nothing else that cannot be seen may be in them
        found += judge_text(field, value.replace("\r", "").replace("\n", " "), most=CHARS_MAX)
        if not value and (notice.zh or notice.en):
            found.append(Problem(field, "notice_both", "A notice is in both languages, or in none."))
    if state not in STATES:
        found.append(Problem("state", "choice", f"state is one of {', '.join(STATES)}."))
    return found


async def save(
    tx: Tx, *, brand_id: int, batch_id: int, batch: str, state: str, wanted: Notice, version: int, actor: str
) -> None:
    """Set the notice for a batch's units in a state; empty ones take it away.

    Args:
        tx: the transaction.
        brand_id: whose batch.
        batch_id: which.
        batch: its name, for the audit trail.
        state: `recalled` or `void`.
        wanted: the notice; its version is not looked at.
        version: of the notice that the person saw; 0 where there was none.
        actor: who.

    Raises:
        InvalidInput: it is too long, or in one language only; the detail `problems` names all of them.
        EditedMeanwhile: somebody else saved one since.
    """
    refuse(judge(state, wanted))
    values = {"batch": batch_id, "brand": brand_id, "state": state, "zh": wanted.zh, "en": wanted.en}
    await tx.execute(
        text("""
            INSERT INTO batch_notice (batch_id, brand_id, state, zh, en, version)
            VALUES (:batch, :brand, :state, '', '', 0) ON CONFLICT DO NOTHING"""),
        values,
    )
    row = await tx.execute(
        text("SELECT zh, en, version FROM batch_notice WHERE batch_id = :batch AND state = :state FOR UPDATE"), values
    )
    before = Notice(*row.one())
    if before.version != version:
        raise EditedMeanwhile("this notice", version=before.version)
    if (before.zh, before.en) == (wanted.zh, wanted.en):
        return
    await tx.execute(
        text("""
            UPDATE batch_notice SET zh = :zh, en = :en, version = version + 1, changed_at = now()
            WHERE batch_id = :batch AND state = :state"""),
        values,
    )
    await audit.record(
        tx, brand_id=brand_id, actor=actor, action="batch.notice", subject=f"batch {batch}",
        before={"state": state, "zh": before.zh, "en": before.en},
        after={"state": state, "zh": wanted.zh, "en": wanted.en},
    )  # fmt: skip
