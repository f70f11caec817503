"""What each code key covers: its batches, how much of it is used, how its secret is kept."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import text

from codegen import keys
from codegen.keys import KeyInfo
from kernel.crypto import Vault
from kernel.custody import Kept
from kernel.db import Tx

NAMES_MAX: Final = 20
"""So many batches are named; of the others only the number is told."""
NEARLY_USED_SHARE: Final = 0.9


@dataclass(frozen=True, slots=True)
class Cover:
    """A key with what it covers.

    Attributes:
        key: without its secret.
        kept: who keeps the secret, under which sealing key.
        batches: how many were ordered under it.
        names: of the latest of them, at most `NAMES_MAX`.
    """

    key: KeyInfo
    kept: Kept
    batches: int
    names: tuple[str, ...]

    @property
    def used_share(self) -> float:
        """How much of the key is spent, 0 to 1."""
        return self.key.next_unit / keys.UNITS_PER_KEY

    @property
    def nearly_used_up(self) -> bool:
        """Whether it is time to rotate."""
        return self.key.state == "active" and self.used_share >= NEARLY_USED_SHARE

    def as_json(self) -> dict[str, Any]:
        """As the command line prints it."""
        key = self.key
        return {
            "key_id": key.id,
            "symbols": key.symbols,
            "state": key.standing,
            "released": key.released,
            "units_used": key.next_unit,
            "units_max": keys.UNITS_PER_KEY,
            "batches": self.batches,
            "batch_names": list(self.names),
            "custody": self.kept.custodian,
            "mark": self.kept.mark,
            "readable": self.kept.readable,
            "newest": self.kept.newest,
            "created_at": key.created_at,
            "retired_at": key.retired_at,
            "revoked_at": key.revoked_at,
            "leaked_at": key.leaked_at,
            "reason": key.reason,
        }


async def covers(tx: Tx, vault: Vault, found: Iterable[KeyInfo]) -> list[Cover]:
    """What keys cover, in the order given; their secrets are not opened."""
    wanted = list(found)
    rows = await tx.execute(
        text("""
            SELECT k.id, k.sealed, b.number, b.names
            FROM code_key k CROSS JOIN LATERAL (
                SELECT count(*) AS number, (array_agg(name ORDER BY id DESC))[1:CAST(:most AS integer)] AS names
                FROM batch WHERE span && int8range(k.id::bigint << 35, (k.id::bigint + 1) << 35)
            ) b WHERE k.id = ANY(CAST(:ids AS smallint[]))"""),
        {"ids": [key.id for key in wanted], "most": NAMES_MAX},
    )
    by_id = {row.id: row for row in rows}
    return [
        Cover(key, vault.custody.kept(row.sealed), row.number, tuple(row.names or ()))
        for key in wanted
        if (row := by_id.get(key.id)) is not None
    ]
