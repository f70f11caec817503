"""The release of a new key by two people: before it, orders are taken, and no code of it is written.

One person who is deceived, bribed or in a hurry cannot put a key into print. Where the custody asks for no two people
(development), a key releases itself as it is made, and the trail says so.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import text

from codegen import keys
from codegen.keys import KeyInfo
from kernel import audit
from kernel.db import Tx
from kernel.errors import Conflict

PEOPLE: Final = 2


@dataclass(frozen=True, slots=True)
class Release:
    """One person's word for a key."""

    key_id: int
    actor: str
    at: datetime


async def release(tx: Tx, *, key_id: int, actor: str, brand_id: int | None = None, via: str = "console") -> KeyInfo:
    """Give one person's word for a key; the second person's releases it.

    Args:
        tx: the transaction.
        key_id: which key.
        actor: the person, as the trail names them; who they are and what they may do was judged before.
        brand_id: whose key it must be; None for any.
        via: where the word was given, for the trail.

    Returns:
        The key; `released` says whether this was the word that was missing.

    Raises:
        NotFound: there is no such key, or it is another brand's.
        Conflict: it is released, or not active any more, or the person has given their word already.
    """
    await keys.lock_all(tx)
    key = await keys.get(tx, key_id, brand_id=brand_id)
    if key.state != "active":
        raise Conflict(f"Key {key_id} is {key.state}: it makes no new codes, so there is nothing to release.")
    if key.released:
        raise Conflict(f"Key {key_id} is released already.")
    given = (await releases(tx, [key_id])).get(key_id, [])
    if any(each.actor == actor for each in given):
        raise Conflict(
            f"You have released key {key_id} already; the second word must be another person's.", reason="same_person"
        )
    await tx.execute(
        text("INSERT INTO key_release (brand_id, key_id, actor) VALUES (:brand, :key, :actor)"),
        {"brand": key.brand_id, "key": key_id, "actor": actor},
    )
    whole = len(given) + 1 >= PEOPLE
    await tx.execute(
        text("UPDATE code_key SET released = :whole, version = version + 1 WHERE id = :id"),
        {"whole": whole, "id": key_id},
    )
    await audit.record(
        tx,
        brand_id=key.brand_id,
        actor=actor,
        action="code_key.release",
        subject=f"key {key_id}",
        after={"word": len(given) + 1, "of": PEOPLE, "via": via},
    )
    return await keys.get(tx, key_id)


async def releases(tx: Tx, key_ids: Iterable[int]) -> dict[int, list[Release]]:
    """Who gave their word for keys, by key, the first one first."""
    rows = await tx.execute(
        text("""
            SELECT key_id, actor, at FROM key_release
            WHERE key_id = ANY(CAST(:ids AS smallint[])) ORDER BY key_id, id"""),
        {"ids": list(key_ids)},
    )
    found: dict[int, list[Release]] = {}
    for row in rows:
        found.setdefault(row.key_id, []).append(Release(*row))
    return found
