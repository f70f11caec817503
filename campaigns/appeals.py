"""Appeals: whoever a rule refused or held asks a person to look, once for a unit; a person answers by a day.

The deadline is the brand's, taken when the appeal is made: a later change of the setting moves no promise. What the
answer does to the reward is `scanapi.appealing`'s matter.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import text

from kernel.db import Tx
from kernel.errors import Conflict, TooMany

PAGE_ROWS: Final = 50
SAID_CHARS_MAX: Final = 200
OPEN_PER_MEMBER_MAX: Final = 20
REFUSED_DAYS: Final = 35
"""How long a refused scan can be appealed against."""
SHOWN_DAYS: Final = 90
"""How long an answer stands on the member's page."""
STATES: Final = ("open", "granted", "declined")
NOT_PAID: Final = "granted"
"""Why a claim is pending that an appeal made; it is paid in the same transaction."""


@dataclass(frozen=True, slots=True)
class Appeal:
    """An appeal as stored.

    Attributes:
        claim_id: the claim that a rule held; None where a scan was refused, until the appeal is granted.
        scan_id: the scan that was held or refused.
        reason: the rule that did so.
        said: what the person who answered tells the consumer.
    """

    id: int
    brand_id: int
    member_id: int
    unit_id: int
    claim_id: int | None
    scan_id: UUID
    gtin: str
    reason: str
    state: str
    said: str
    at: datetime
    due_at: datetime
    decided_at: datetime | None


@dataclass(frozen=True, slots=True)
class Ground:
    """What can be appealed against: a claim that is held, or else a scan that was refused."""

    claim_id: int | None
    unit_id: int
    scan_id: UUID
    gtin: str
    reason: str


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a member stands with a unit's reward.

    Attributes:
        kind: `kept` (until activation), `held`, `paid`, `refused`, or empty where none of these.
        reason: the rule that held or refused.
        appeal: their appeal, if they made one.
    """

    kind: str
    reason: str
    appeal: Appeal | None

    @property
    def may_appeal(self) -> bool:
        """Whether a person can be asked to look."""
        return self.kind in {"held", "refused"} and self.appeal is None


@dataclass(frozen=True, slots=True)
class Waiting:
    """A line of the member's own page: a claim that waits, or an appeal."""

    claim_id: int | None
    product: str
    product_en: str
    at: datetime
    standing: Standing


@dataclass(frozen=True, slots=True)
class AppealLine:
    """An appeal as the console lists it."""

    appeal: Appeal
    member: str
    product: str | None
    product_en: str | None
    scanned_at: datetime | None
    unit_scans: int
    decided_by: str


_COLUMNS: Final = (
    "id, brand_id, member_id, unit_id, claim_id, scan_id, gtin, reason, state, said, at, due_at, decided_at"
)
_OWN: Final = ", ".join(f"a.{name.strip()}" for name in _COLUMNS.split(","))


async def ground(tx: Tx, *, member_id: int, unit_ids: Sequence[int]) -> Ground | None:
    """What a member can appeal against at a unit (by its two codes' numbers); None where there is nothing."""
    values = {"member": member_id, "units": list(unit_ids), "days": REFUSED_DAYS}
    held = await tx.execute(
        text("""
            SELECT id, unit_id, scan_id, gtin, reason FROM claim
            WHERE unit_id = ANY(CAST(:units AS bigint[])) AND member_id = :member AND state = 'pending'
                AND reason <> 'inactive' ORDER BY id LIMIT 1"""),
        values,
    )
    if (row := held.one_or_none()) is not None:
        return Ground(*row)
    refused = await tx.execute(
        text("""
            SELECT NULL, unit_id, scan_id, gtin, coalesce(reason, 'other') FROM scan
            WHERE unit_id = ANY(CAST(:units AS bigint[])) AND member_id = :member AND outcome = 'refused'
                AND at > now() - make_interval(days => :days) ORDER BY at DESC LIMIT 1"""),
        values,
    )
    row = refused.one_or_none()
    return None if row is None else Ground(*row)


async def standing(tx: Tx, *, member_id: int, unit_ids: Sequence[int]) -> Standing:
    """Where a member stands with a unit's reward."""
    values = {"member": member_id, "units": list(unit_ids)}
    appealed = await tx.execute(
        text(f"""
            SELECT {_COLUMNS} FROM appeal
            WHERE member_id = :member AND unit_id = ANY(CAST(:units AS bigint[])) ORDER BY id DESC LIMIT 1"""),  # noqa: S608 (a constant)
        values,
    )
    row = appealed.one_or_none()
    appeal = None if row is None else Appeal(*row)
    claimed = await tx.execute(
        text("""
            SELECT state, coalesce(reason, '') FROM claim
            WHERE member_id = :member AND unit_id = ANY(CAST(:units AS bigint[])) AND state <> 'voided'
            ORDER BY id LIMIT 1"""),
        values,
    )
    if (claim := claimed.one_or_none()) is not None:
        return Standing(_kind(claim.state, claim[1]), claim[1], appeal)
    found = await ground(tx, member_id=member_id, unit_ids=unit_ids)
    return Standing("", "", appeal) if found is None else Standing("refused", found.reason, appeal)


def _kind(state: str, reason: str) -> str:
    if state == "posted":
        return "paid"
    return "kept" if reason == "inactive" else "held"


async def waiting(tx: Tx, *, member_id: int) -> list[Waiting]:
    """A member's claims that wait, and their appeals of late, the latest first."""
    values = {"member": member_id, "rows": PAGE_ROWS, "days": SHOWN_DAYS}
    appealed = await tx.execute(
        text(f"""
            SELECT {_OWN}, p.name, p.name_en FROM appeal a LEFT JOIN product p ON p.gtin = a.gtin
            WHERE a.member_id = :member AND (a.state = 'open' OR a.at > now() - make_interval(days => :days))
            ORDER BY a.id DESC LIMIT :rows"""),  # noqa: S608 (constants)
        values,
    )
    lines = []
    for *own, name, name_en in appealed:
        appeal = Appeal(*own)
        kind = "refused" if appeal.claim_id is None else "held"
        lines.append(
            Waiting(appeal.claim_id, name or appeal.gtin, name_en or appeal.gtin, appeal.at,
                    Standing(kind, appeal.reason, appeal))
        )  # fmt: skip
    known = {line.claim_id for line in lines}
    pending = await tx.execute(
        text("""
            SELECT c.id, coalesce(p.name, c.gtin), coalesce(p.name_en, c.gtin), c.at, coalesce(c.reason, '')
            FROM claim c LEFT JOIN product p ON p.gtin = c.gtin
            WHERE c.member_id = :member AND c.state = 'pending' ORDER BY c.id DESC LIMIT :rows"""),
        values,
    )
    lines += [
        Waiting(claim_id, name, name_en, at, Standing(_kind("pending", reason), reason, None))
        for claim_id, name, name_en, at, reason in pending
        if claim_id not in known
    ]
    return sorted(lines, key=lambda line: line.at, reverse=True)


async def make(tx: Tx, *, brand_id: int, member_id: int, on: Ground, at: datetime, days: int) -> Appeal:
    """Make an appeal; one that was made already is given again.

    Raises:
        TooMany: the member has too many that nobody has answered yet.
    """
    known = await tx.execute(
        text(f"SELECT {_COLUMNS} FROM appeal WHERE member_id = :member AND unit_id = :unit"),  # noqa: S608 (a constant)
        {"member": member_id, "unit": on.unit_id},
    )
    if (row := known.one_or_none()) is not None:
        return Appeal(*row)
    count = await tx.execute(
        text("SELECT count(*) FROM appeal WHERE member_id = :member AND state = 'open'"), {"member": member_id}
    )
    if count.scalar_one() >= OPEN_PER_MEMBER_MAX:
        raise TooMany(f"{OPEN_PER_MEMBER_MAX} appeals of yours wait for an answer already.")
    made = await tx.execute(
        text(f"""
            INSERT INTO appeal (brand_id, member_id, unit_id, claim_id, scan_id, gtin, reason, at, due_at)
            VALUES (:brand, :member, :unit, :claim, :scan, :gtin, :reason, :at, :due)
            ON CONFLICT (member_id, unit_id) DO UPDATE SET state = appeal.state RETURNING {_COLUMNS}"""),  # noqa: S608 (a constant)
        {
            "brand": brand_id,
            "member": member_id,
            "unit": on.unit_id,
            "claim": on.claim_id,
            "scan": on.scan_id,
            "gtin": on.gtin,
            "reason": on.reason,
            "at": at,
            "due": at + timedelta(days=days),
        },
    )
    return Appeal(*made.one())


async def get(tx: Tx, appeal_id: int, *, brand_id: int | None = None, locked: bool = False) -> Appeal | None:
    """An appeal by its number, of one brand or of any."""
    row = await tx.execute(
        text(f"""
            SELECT {_COLUMNS} FROM appeal WHERE id = :id AND brand_id = coalesce(CAST(:brand AS bigint), brand_id)
            {"FOR UPDATE" if locked else ""}"""),  # noqa: S608 (a constant)
        {"id": appeal_id, "brand": brand_id},
    )
    found = row.one_or_none()
    return None if found is None else Appeal(*found)


async def close(tx: Tx, appeal_id: int, *, state: str, said: str, claim_id: int | None, at: datetime, by: str) -> None:
    """Answer an open appeal.

    Raises:
        Conflict: somebody has answered it already.
    """
    done = await tx.execute(
        text("""
            UPDATE appeal SET state = :state, said = :said, decided_at = :at, decided_by = :by,
                claim_id = coalesce(CAST(:claim AS bigint), claim_id)
            WHERE id = :id AND state = 'open'"""),
        {"state": state, "said": said, "at": at, "by": by[:80], "claim": claim_id, "id": appeal_id},
    )
    if done.rowcount == 0:
        raise Conflict(f"Appeal {appeal_id} is answered already.")


async def follow(tx: Tx, claim_id: int, *, granted: bool, at: datetime, by: str) -> None:
    """Answer the open appeal, if any, of a held claim that was decided by itself."""
    await tx.execute(
        text("""
            UPDATE appeal SET state = :state, decided_at = :at, decided_by = :by
            WHERE claim_id = :claim AND state = 'open'"""),
        {"state": "granted" if granted else "declined", "at": at, "by": by[:80], "claim": claim_id},
    )


async def search(
    tx: Tx, *, brand_id: int, state: str = "open", after: tuple[datetime, int] | None = None
) -> tuple[list[AppealLine], bool]:
    """A page of a brand's appeals and whether there are more: open ones by their deadline, the others latest first."""
    least = state == "open"
    order, compare = ("a.due_at, a.id", ">") if least else ("a.decided_at DESC, a.id DESC", "<")
    key = "a.due_at" if least else "a.decided_at"
    rows = await tx.execute(
        text(f"""
            SELECT {_OWN}, m.public_id, p.name, p.name_en, s.at, u.scan_count, coalesce(a.decided_by, '')
            FROM appeal a JOIN member m ON m.id = a.member_id JOIN unit u ON u.id = a.unit_id
            LEFT JOIN product p ON p.gtin = a.gtin
            LEFT JOIN LATERAL (
                SELECT at FROM scan WHERE unit_id = a.unit_id AND scan_id = a.scan_id LIMIT 1) s ON true
            WHERE a.brand_id = :brand AND a.state = :state
                AND (CAST(:moment AS timestamptz) IS NULL OR ({key}, a.id) {compare} (:moment, :id))
            ORDER BY {order} LIMIT :rows"""),  # noqa: S608 (constants)
        {
            "brand": brand_id,
            "state": state,
            "moment": None if after is None else after[0],
            "id": 0 if after is None else after[1],
            "rows": PAGE_ROWS + 1,
        },
    )
    found = [AppealLine(Appeal(*row[:13]), *row[13:]) for row in rows]
    return found[:PAGE_ROWS], len(found) > PAGE_ROWS


async def count_open(tx: Tx, *, brand_id: int, at: datetime) -> tuple[int, int]:
    """How many appeals of a brand are open, and how many of them are overdue."""
    row = await tx.execute(
        text("""
            SELECT count(*), count(*) FILTER (WHERE due_at < :at) FROM appeal
            WHERE brand_id = :brand AND state = 'open'"""),
        {"brand": brand_id, "at": at},
    )
    open_, overdue = row.one()
    return open_, overdue
