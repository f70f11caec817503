"""`yima ledger audit`: every invariant, proved from the raw rows, and the figures they add up to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import text

import campaigns.audit
from members import ledger_audit
from members.ledger_audit import Proof
from yima.runtime import Runtime


@dataclass(frozen=True, slots=True)
class Audit:
    """The proofs and the figures; `ok` where nothing breaks an invariant."""

    ok: bool
    proofs: list[Proof]
    figures: dict[str, Any]


_ANALYZE = text("ANALYZE unit, claim, scan, scan_replay, account, journal, entry, lot, draw_entry, prize_award")


async def audit(runtime: Runtime) -> Audit:
    """Prove everything in one snapshot of the database."""
    # The proofs join whole tables. The planner knows nothing of one that has just been filled, and learns nothing of
    # the journal by itself, whose parts alone are looked at: it then compares each row with each.
    async with runtime.db.transaction() as tx:
        await tx.execute(text("SET LOCAL statement_timeout = 0"))
        await tx.execute(_ANALYZE)
    async with runtime.db.transaction() as tx:
        await tx.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY"))
        await tx.execute(text("SET LOCAL statement_timeout = 0"))
        proofs = [*await ledger_audit.prove(tx), *await campaigns.audit.prove(tx, runtime.vault)]
        figures = {**await ledger_audit.figures(tx), **await campaigns.audit.figures(tx)}
    return Audit(all(proof.breaches == 0 for proof in proofs), proofs, figures)
