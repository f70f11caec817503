"""Whether the database keeps what it acknowledged when its machine crashes."""

from __future__ import annotations

from sqlalchemy import text

from kernel.db import Tx
from yima.settings import ACCEPT_LOSS

NAMED_MAX = 5
KEPT = (
    "unit", "scan", "scan_replay", "claim", "journal", "entry", "lot", "lot_allocation", "account",
    "draw_entry", "draw_shard", "prize", "prize_award", "refused_count", "outbox_message", "task", "code_range",
)  # fmt: skip
"""Tables of what was acknowledged. (Some others are unlogged on purpose.)"""

# As this session has them: a role's or a database's own setting counts as the server's does.
_LOSSES = text("""
    SELECT name || ' is off' FROM pg_settings
    WHERE name IN ('fsync', 'full_page_writes', 'synchronous_commit') AND setting = 'off'
    UNION ALL
    SELECT 'table ' || c.relname || ' is unlogged' FROM pg_class c LEFT JOIN pg_inherits i ON i.inhrelid = c.oid
    WHERE c.relpersistence = 'u' AND coalesce(i.inhparent, c.oid) = ANY (
        SELECT to_regclass(name) FROM unnest(CAST(:kept AS text[])) AS k(name))
    ORDER BY 1 LIMIT :most
""")


async def losses(tx: Tx) -> list[str]:
    """Why a crash of the database's machine would lose what was acknowledged, at most five reasons; none is well."""
    return list((await tx.execute(_LOSSES, {"kept": list(KEPT), "most": NAMED_MAX})).scalars())


def refusal(found: list[str]) -> str | None:
    """Why nothing is to be started over such a database, in a sentence; None where nothing is lost."""
    if not found:
        return None
    return (
        f"The database would lose scans that were acknowledged, were its machine to crash: {', '.join(found)}. "
        f"Mend that, or say YIMA_UNSAFE_DATABASE={ACCEPT_LOSS}."
    )
