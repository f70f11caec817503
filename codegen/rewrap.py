"""Seals code keys anew: under the newest master, or with another custodian.

Key by key, so that it may be interrupted and said again; a key that somebody else has sealed anew meanwhile is left as
it is. The secret itself never changes, so printed codes do not notice.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import text

from codegen import keys
from codegen.keys import SealedKey
from kernel import audit
from kernel.crypto import Vault
from kernel.db import Database
from kernel.errors import YimaError


@dataclass(frozen=True, slots=True)
class Rewrapped:
    """What became of the keys.

    Attributes:
        done: sealed anew here.
        kept: were sealed as they should be, or were by somebody else meanwhile.
        unreadable: could not be opened and stay as they are; a sentence each, by key.
    """

    custody: str
    done: int
    kept: int
    unreadable: dict[int, str]


async def rewrap(
    db: Database, vault: Vault, *, actor: str, on_progress: Callable[[int], None] = lambda _: None
) -> Rewrapped:
    """Seal every key anew that is not sealed the way new ones are.

    Raises:
        ConfigurationError: the custodian is set wrongly.
        Unavailable: it is away; what is done stays done.
    """
    custody = vault.custody
    async with db.transaction() as tx:
        stored = await keys.read_sealed(tx)
    done, unreadable = 0, {}
    for number, key in enumerate(stored, 1):
        if not custody.kept(key.sealed).newest:
            [opened] = await keys.open_keys(vault, [key])
            if isinstance(opened, YimaError):
                unreadable[key.id] = opened.message
            else:
                fresh = await custody.seal(opened.secret, key.context)
                done += await _replace(db, vault, key, fresh, actor=actor)
        on_progress(number)
    return Rewrapped(custody.name, done, len(stored) - done - len(unreadable), unreadable)


async def _replace(db: Database, vault: Vault, key: SealedKey, fresh: bytes, *, actor: str) -> int:
    """Put the new form in the old one's place, unless somebody did meanwhile."""
    before, after = vault.custody.kept(key.sealed), vault.custody.kept(fresh)
    async with db.transaction() as tx:
        await keys.lock_all(tx)
        changed = await tx.execute(
            text("UPDATE code_key SET sealed = :fresh, version = version + 1 WHERE id = :id AND sealed = :old"),
            {"fresh": fresh, "id": key.id, "old": key.sealed},
        )
        if not changed.rowcount:
            return 0
        await audit.record(
            tx,
            brand_id=key.brand_id,
            actor=actor,
            action="code_key.rewrap",
            subject=f"key {key.id}",
            before={"custody": before.custodian, "mark": before.mark},
            after={"custody": after.custodian, "mark": after.mark},
        )
    return 1
