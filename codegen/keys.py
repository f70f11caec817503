"""Code keys: made, rotated, loaded. A key belongs to one brand and its secret is stored sealed.

A retired key makes no new codes and verifies the printed ones for ever.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass

from sqlalchemy import text

from codegen.scheme import CodeKey, Ring
from kernel import audit
from kernel.crypto import Vault
from kernel.db import Tx
from kernel.errors import Unavailable

KEYS_MAX = 1024
UNITS_PER_KEY = 1 << 34
_LOCK = 0x59494D41_01  # advisory lock: one key is made at a time


@dataclass(frozen=True, slots=True)
class KeyInfo:
    """A key without its secret."""

    id: int
    brand_id: int
    state: str
    next_unit: int


async def rotate(tx: Tx, vault: Vault, *, brand_id: int, actor: str) -> KeyInfo:
    """Make a new active key for the brand and retire the one before it.

    Ids are given at random, so that a code does not tell how old its brand's key is.

    Raises:
        Unavailable: all 1,024 keys of the installation are taken.
    """
    await tx.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
    taken = set((await tx.execute(text("SELECT id FROM code_key"))).scalars())
    free = [key_id for key_id in range(KEYS_MAX) if key_id not in taken]
    if not free:
        raise Unavailable(f"All {KEYS_MAX} code keys of this installation are taken.")
    key_id = secrets.choice(free)
    retired = await tx.execute(
        text("UPDATE code_key SET state = 'retired' WHERE brand_id = :brand AND state = 'active' RETURNING id"),
        {"brand": brand_id},
    )
    before = retired.scalar_one_or_none()
    await tx.execute(
        text("INSERT INTO code_key (id, brand_id, sealed) VALUES (:id, :brand, :sealed)"),
        {
            "id": key_id,
            "brand": brand_id,
            "sealed": vault.seal(secrets.token_bytes(32), f"code_key/{key_id}"),
        },
    )
    await audit.record(
        tx,
        brand_id=brand_id,
        actor=actor,
        action="code_key.rotate",
        subject=f"key {key_id}",
        before=None if before is None else {"key_id": before},
        after={"key_id": key_id},
    )
    return KeyInfo(key_id, brand_id, "active", 0)


async def lock_active(tx: Tx, vault: Vault, *, brand_id: int, actor: str) -> KeyInfo:
    """The brand's active key, locked for the caller's transaction; the first one is made here."""
    query = text("""
        SELECT id, brand_id, state, next_unit FROM code_key
        WHERE brand_id = :brand AND state = 'active' FOR UPDATE""")
    row = (await tx.execute(query, {"brand": brand_id})).one_or_none()
    if row is None:
        # whoever comes second waits for the maker's advisory lock and then finds the key
        await tx.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
        row = (await tx.execute(query, {"brand": brand_id})).one_or_none()
    if row is None:
        return await rotate(tx, vault, brand_id=brand_id, actor=actor)
    return KeyInfo(*row)


async def load(tx: Tx, vault: Vault, key_id: int) -> CodeKey:
    """One key with its secret."""
    row = await tx.execute(text("SELECT sealed FROM code_key WHERE id = :id"), {"id": key_id})
    return CodeKey(key_id=key_id, secret=vault.open(row.scalar_one(), f"code_key/{key_id}"))


async def load_ring(tx: Tx, vault: Vault, known: Ring | None = None) -> Ring:
    """All keys, active and retired; keys that `known` already holds are not opened again."""
    rows = (await tx.execute(text("SELECT id, sealed FROM code_key ORDER BY id"))).all()
    ring = known if known is not None else Ring(())
    for key_id, sealed in rows:
        if key_id not in ring:
            ring = ring.with_key(CodeKey(key_id=key_id, secret=vault.open(sealed, f"code_key/{key_id}")))
    return ring
