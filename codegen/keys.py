"""Code keys: made, rotated, retired, revoked, loaded. A key belongs to one brand and its secret is stored sealed.

A retired key makes no new codes and verifies the printed ones for ever; batches ordered before may still be written.
With a revoked key nothing is written any more, but what is printed still verifies: whether it earns is said of its
batches (`codegen.leaks`). Where the custody asks for two people, a new key writes nothing before both have released it
(`codegen.releases`).

Whoever changes a key's state holds the advisory lock of this module first, then the key's row.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import text

from codegen import base32
from codegen.scheme import CodeKey, Ring
from kernel import audit
from kernel.crypto import Vault
from kernel.db import Tx
from kernel.errors import ConfigurationError, Conflict, InvalidInput, NotFound, Unavailable, YimaError

KEYS_MAX = 1024
UNITS_PER_KEY = 1 << 34
REASON_CHARS_MAX: Final = 200
SECRET_BYTES: Final = 32
_LOCK = 0x59494D41_01  # advisory lock: one key is made or changed at a time


@dataclass(frozen=True, slots=True)
class KeyInfo:
    """A key without its secret.

    Attributes:
        state: `active` (makes the brand's new codes), `retired`, or `revoked`.
        next_unit: units spent so far, of `UNITS_PER_KEY`.
        released: whether codes of it may be written.
        leaked_at: from when on the secret is thought to be in wrong hands.
        reason: why it was retired or revoked.
    """

    id: int
    brand_id: int
    state: str
    next_unit: int
    released: bool = True
    created_at: datetime | None = None
    retired_at: datetime | None = None
    revoked_at: datetime | None = None
    leaked_at: datetime | None = None
    reason: str | None = None

    @property
    def symbols(self) -> str:
        """The two symbols with which every code of the key begins."""
        return base32.encode(self.id, 2)

    @property
    def standing(self) -> str:
        """The state as people say it: a key that waits for its release is `unreleased`."""
        return "unreleased" if self.state == "active" and not self.released else self.state


@dataclass(frozen=True, slots=True)
class SealedKey:
    """A key as stored."""

    id: int
    brand_id: int
    sealed: bytes
    state: str = "active"

    @property
    def context(self) -> str:
        """What the secret is sealed for."""
        return context_of(self.id)


COLUMNS: Final = (
    "id, brand_id, state, next_unit, released, created_at, retired_at, revoked_at, leaked_at, reason"  # KeyInfo
)


def context_of(key_id: int) -> str:
    """What a key's secret is sealed for."""
    return f"code_key/{key_id}"


async def lock_all(tx: Tx) -> None:
    """Let one transaction at a time make or change keys: the first lock of whoever does."""
    await tx.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})


async def rotate(tx: Tx, vault: Vault, *, brand_id: int, actor: str, replacing: int | None = None) -> KeyInfo:
    """Make a new active key for the brand and retire the one before it.

    Ids are given at random, so that a code does not tell how old its brand's key is.

    Args:
        tx: the transaction.
        vault: seals the secret.
        brand_id: whose.
        actor: for the audit trail.
        replacing: the active key as whoever asks knows it; None for the one found on arrival.

    Raises:
        Conflict: somebody else rotated meanwhile.
        Unavailable: all 1,024 keys of the installation are taken, or the custodian is away.
    """
    expected = replacing if replacing is not None else await _active_id(tx, brand_id)
    await lock_all(tx)
    active = await _active_id(tx, brand_id)
    if active is not None and active != expected:
        raise Conflict(f"The brand's key was changed meanwhile: key {active} makes its new codes now.")
    taken = set((await tx.execute(text("SELECT id FROM code_key"))).scalars())
    free = [key_id for key_id in range(KEYS_MAX) if key_id not in taken]
    if not free:
        raise Unavailable(f"All {KEYS_MAX} code keys of this installation are taken.")
    key_id = secrets.choice(free)
    sealed = await vault.custody.seal(secrets.token_bytes(SECRET_BYTES), context_of(key_id))
    await tx.execute(
        text("""
            UPDATE code_key SET state = 'retired', retired_at = now(), version = version + 1
            WHERE brand_id = :brand AND state = 'active'"""),
        {"brand": brand_id},
    )
    released = not vault.custody.dual_control
    row = await tx.execute(
        text(f"""
            INSERT INTO code_key (id, brand_id, sealed, released) VALUES (:id, :brand, :sealed, :released)
            RETURNING {COLUMNS}"""),  # noqa: S608 (a constant)
        {"id": key_id, "brand": brand_id, "sealed": sealed, "released": released},
    )
    made = KeyInfo(*row.one())
    await audit.record(
        tx,
        brand_id=brand_id,
        actor=actor,
        action="code_key.rotate",
        subject=f"key {key_id}",
        before=None if active is None else {"key_id": active},
        after={"key_id": key_id, "custody": vault.custody.name, "released": released},
    )
    if released:
        await audit.record(
            tx,
            brand_id=brand_id,
            actor=actor,
            action="code_key.release",
            subject=f"key {key_id}",
            after={"by_itself": "development"},
        )
    return made


async def _active_id(tx: Tx, brand_id: int) -> int | None:
    row = await tx.execute(
        text("SELECT id FROM code_key WHERE brand_id = :brand AND state = 'active'"), {"brand": brand_id}
    )
    found: int | None = row.scalar_one_or_none()
    return found


async def lock_active(tx: Tx, vault: Vault, *, brand_id: int, actor: str) -> KeyInfo:
    """The brand's active key, locked for the caller's transaction; the first one is made here.

    NO KEY UPDATE, not UPDATE: whoever writes a batch's row takes a key share of its key, and must not queue up here.
    """
    query = text(f"""
        SELECT {COLUMNS} FROM code_key
        WHERE brand_id = :brand AND state = 'active' FOR NO KEY UPDATE""")  # noqa: S608 (a constant)
    row = (await tx.execute(query, {"brand": brand_id})).one_or_none()
    if row is None:
        # whoever comes second waits for the maker's advisory lock and then finds the key
        await lock_all(tx)
        row = (await tx.execute(query, {"brand": brand_id})).one_or_none()
    if row is None:
        return await rotate(tx, vault, brand_id=brand_id, actor=actor)
    return KeyInfo(*row)


async def get(tx: Tx, key_id: int, *, brand_id: int | None = None) -> KeyInfo:
    """A key by its id.

    Raises:
        NotFound: there is none, or it is another brand's.
    """
    row = await tx.execute(
        text(f"SELECT {COLUMNS} FROM code_key WHERE id = :id"),  # noqa: S608 (a constant)
        {"id": key_id if 0 <= key_id < KEYS_MAX else -1},
    )
    found = row.one_or_none()
    if found is None or (brand_id is not None and found.brand_id != brand_id):
        raise NotFound(f"There is no code key {key_id}; `yima keys list` names them.")
    return KeyInfo(*found)


async def list_of(tx: Tx, *, brand_id: int | None = None) -> list[KeyInfo]:
    """A brand's keys, or all of the installation's; the newest first."""
    rows = await tx.execute(
        text(f"""
            SELECT {COLUMNS} FROM code_key WHERE brand_id = coalesce(CAST(:brand AS bigint), brand_id)
            ORDER BY created_at DESC, id"""),  # noqa: S608 (a constant)
        {"brand": brand_id},
    )
    return [KeyInfo(*row) for row in rows]


async def retire(tx: Tx, *, key_id: int, reason: str, actor: str, brand_id: int | None = None) -> KeyInfo:
    """Retire an active key without a new one: the brand's next order makes that.

    Raises:
        InvalidInput: no reason, or too long a one.
        NotFound: there is no such key.
        Conflict: it is revoked.
    """
    judge_reason(reason)
    await lock_all(tx)
    key = await get(tx, key_id, brand_id=brand_id)
    if key.state == "revoked":
        raise Conflict(f"Key {key_id} is revoked: it cannot be retired any more.")
    if key.state == "retired":
        return key
    return await _change(tx, key, "state = 'retired', retired_at = now()", "code_key.retire", reason, actor)


async def revoke(tx: Tx, *, key_id: int, reason: str, actor: str, brand_id: int | None = None) -> KeyInfo:
    """Revoke a key: nothing is written with it any more, not even batches ordered before. Printed codes verify.

    Raises:
        InvalidInput: no reason, or too long a one.
        NotFound: there is no such key.
    """
    judge_reason(reason)
    await lock_all(tx)
    key = await get(tx, key_id, brand_id=brand_id)
    if key.state == "revoked":
        return key
    return await _change(tx, key, "state = 'revoked', revoked_at = now()", "code_key.revoke", reason, actor)


async def _change(tx: Tx, key: KeyInfo, what: str, action: str, reason: str, actor: str) -> KeyInfo:
    row = await tx.execute(
        text(f"""
            UPDATE code_key SET {what}, reason = :reason, version = version + 1 WHERE id = :id
            RETURNING {COLUMNS}"""),  # noqa: S608 (constants of this module)
        {"id": key.id, "reason": reason.strip()},
    )
    changed = KeyInfo(*row.one())
    await audit.record(
        tx,
        brand_id=key.brand_id,
        actor=actor,
        action=action,
        subject=f"key {key.id}",
        before={"state": key.state},
        after={"state": changed.state, "reason": reason.strip()},
    )
    return changed


def judge_reason(reason: str) -> None:
    """Refuse a change without a reason.

    Raises:
        InvalidInput: none, or too long a one.
    """
    if not 1 <= len(reason.strip()) <= REASON_CHARS_MAX:
        raise InvalidInput(f"A reason has 1 to {REASON_CHARS_MAX} characters.", field="reason")


async def judge_release(tx: Tx, key_id: int) -> None:
    """Refuse to write, hand out or print codes of a key that is not released, or revoked.

    Raises:
        NotFound: there is no such key.
        Conflict: two people have not released it yet, or it is revoked.
    """
    key = await get(tx, key_id)
    if key.state == "revoked":
        raise Conflict(
            f"Key {key_id} is revoked ({key.reason}): no code of it is written or handed out any more. "
            "Order the goods again under a new key.",
            field="code_key",
            reason="key_revoked",
        )
    if not key.released:
        raise Conflict(
            f"Key {key_id} is not released yet: two people must release it before codes of it are written "
            f"(`yima keys release --key {key_id} --as EMAIL`, or the console's page of keys). The order is kept.",
            field="code_key",
            reason="key_unreleased",
        )


async def may_write(tx: Tx, key_id: int) -> bool:
    """Whether codes of a key may be written: it is released, and not revoked."""
    key = await get(tx, key_id)
    return key.released and key.state != "revoked"


async def load(tx: Tx, vault: Vault, key_id: int) -> CodeKey:
    """One key with its secret, to write codes with.

    Raises:
        NotFound: there is no such key.
        Conflict: it may not write: not released, or revoked.
        ConfigurationError: the secret cannot be opened; the sentence names the key.
    """
    await judge_release(tx, key_id)
    found = await find(tx, vault, key_id)
    assert found is not None
    return found


async def read(tx: Tx, vault: Vault, key_ids: Iterable[int]) -> list[CodeKey]:
    """Keys with their secrets, to read codes with, whatever their state; ids of no key are left out.

    Raises:
        ConfigurationError: a secret cannot be opened; the sentence names the key.
    """
    rows = await tx.execute(
        text("SELECT id, brand_id, sealed, state FROM code_key WHERE id = ANY(CAST(:ids AS smallint[])) ORDER BY id"),
        {"ids": sorted(set(key_ids))},
    )
    found = await open_keys(vault, [SealedKey(*row) for row in rows])
    for each in found:
        if isinstance(each, YimaError):
            raise each
    return [each for each in found if isinstance(each, CodeKey)]


async def find(tx: Tx, vault: Vault, key_id: int, *, brand_id: int | None = None) -> CodeKey | None:
    """One key with its secret, to read codes with; None where the brand has no such key."""
    row = await tx.execute(text("SELECT id, brand_id, sealed, state FROM code_key WHERE id = :id"), {"id": key_id})
    found = row.one_or_none()
    if found is None or (brand_id is not None and found.brand_id != brand_id):
        return None
    [opened] = await open_keys(vault, [SealedKey(*found)])
    if isinstance(opened, YimaError):
        raise opened
    return opened


async def read_sealed(tx: Tx) -> list[SealedKey]:
    """All keys as stored, by id."""
    rows = await tx.execute(text("SELECT id, brand_id, sealed, state FROM code_key ORDER BY id"))
    return [SealedKey(*row) for row in rows]


async def open_keys(vault: Vault, stored: Iterable[SealedKey]) -> list[CodeKey | YimaError]:
    """Open keys, each by itself, without a transaction; an error names its key."""
    each = list(stored)
    plains = await vault.custody.open_all([(key.sealed, key.context) for key in each])
    return [_opened(key, plain) for key, plain in zip(each, plains, strict=True)]


def _opened(key: SealedKey, plain: bytes | YimaError) -> CodeKey | YimaError:
    if isinstance(plain, YimaError):
        return type(plain)(f"Code key {key.id}: {plain.message}")
    if len(plain) != SECRET_BYTES:
        return ConfigurationError(f"Code key {key.id}: its secret has {len(plain)} bytes, not {SECRET_BYTES}.")
    return CodeKey(key_id=key.id, secret=plain)


async def load_ring(tx: Tx, vault: Vault, known: Ring | None = None) -> Ring:
    """All keys, whatever their state; keys that `known` already holds are not opened again.

    Raises:
        ConfigurationError: a key cannot be opened; the sentence names it.
        Unavailable: its custodian is away.
    """
    ring, unreadable = await open_ring(vault, await read_sealed(tx), known)
    for error in unreadable.values():
        raise error
    return ring


async def open_ring(
    vault: Vault, stored: Iterable[SealedKey], known: Ring | None = None
) -> tuple[Ring, Mapping[int, YimaError]]:
    """The ring of keys as stored, and those that could not be opened, each with its reason."""
    ring = known if known is not None else Ring()
    fresh = [key for key in stored if key.id not in ring]
    opened = await open_keys(vault, fresh)
    good = [each for each in opened if isinstance(each, CodeKey)]
    bad = {key.id: each for key, each in zip(fresh, opened, strict=True) if isinstance(each, YimaError)}
    return ring.with_keys(good), bad
