"""The people of the console: accounts and their roles, brand by brand.

E-mail address and name are personal data: stored sealed, the address found by a blind index.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import text

from kernel import audit
from kernel.clock import now
from kernel.crypto import BlindIndex, Vault
from kernel.db import Tx
from kernel.errors import Conflict, InvalidInput, NotFound
from staff import emails, passwords
from staff.access import Role

NAME_CHARS_MAX = 80
LANGUAGES = ("zh", "en")
STAFF_PER_BRAND_MAX = 500
_EMAIL, _NAME = "staff/email", "staff/name"
# control, format (bidirectional overrides, zero width), surrogate, private use, line and paragraph separators
_UNSEEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


@dataclass(frozen=True, slots=True)
class Staff:
    """A person who may sign in to the console.

    Attributes:
        state: `invited` (no password yet), `active` or `disabled`.
        roles: by brand.
    """

    id: int
    email: str = field(repr=False)
    name: str = field(repr=False)
    state: str
    language: str
    roles: dict[int, frozenset[Role]]
    has_totp: bool


COLUMNS = """
    p.id AS staff_id, p.email_sealed, p.name_sealed, p.language, p.totp_at IS NOT NULL AS has_totp,
    CASE WHEN p.state = 'active' AND p.password_hash IS NULL THEN 'invited' ELSE p.state END AS shown_state,
    ARRAY(SELECT r.brand_id || '/' || r.role FROM staff_role r WHERE r.staff_id = p.id) AS roles"""
"""What `of_row` needs of `staff p`."""


def of_row(vault: Vault, row: Any) -> Staff:  # noqa: ANN401 (a result row)
    """A person from a row that holds `COLUMNS`."""
    roles: dict[int, set[Role]] = {}
    for word in row.roles:
        brand_id, _, role = word.partition("/")
        roles.setdefault(int(brand_id), set()).add(Role(role))
    return Staff(
        id=row.staff_id,
        email=vault.open(row.email_sealed, _EMAIL).decode(),
        name=vault.open(row.name_sealed, _NAME).decode(),
        state=row.shown_state,
        language=row.language,
        roles={brand_id: frozenset(held) for brand_id, held in sorted(roles.items())},
        has_totp=row.has_totp,
    )


def actor_of(staff_id: int) -> str:
    """How the audit trail names a person of the console."""
    return f"staff:{staff_id}"


def email_mark(index: BlindIndex, email: str) -> bytes:
    """The blind index of a parsed address."""
    return index.of("staff-email", email)


def judge_name(name: str) -> str:
    """A name as it is kept.

    Raises:
        InvalidInput: empty, too long, or with characters that cannot be seen.
    """
    kept = unicodedata.normalize("NFC", name.strip()) if len(name) <= 4 * NAME_CHARS_MAX else name
    if not 1 <= len(kept) <= NAME_CHARS_MAX:
        raise InvalidInput(f"A name has 1 to {NAME_CHARS_MAX} characters.", field="name", reason="name_length")
    if any(unicodedata.category(symbol) in _UNSEEN for symbol in kept):
        raise InvalidInput(
            "A name holds only characters that can be seen: no line breaks.", field="name", reason="name_unseen"
        )
    return kept


def judge_language(language: str) -> str:
    """A language that the console speaks.

    Raises:
        InvalidInput: another one.
    """
    if language not in LANGUAGES:
        raise InvalidInput("The language is zh or en.", field="language", reason="language")
    return language


async def create(
    tx: Tx,
    vault: Vault,
    index: BlindIndex,
    *,
    email: str,
    name: str,
    password: str | None = None,
    language: str = "zh",
    actor: str,
) -> Staff:
    """Make an account without roles; without a password it is `invited` until the person sets one.

    With a password call this first in the transaction: it is hashed before the first statement.

    Raises:
        InvalidInput: e-mail address, name, language or password is none.
        Conflict: the address has an account already.
    """
    address, kept = emails.parse(email), judge_name(name)
    judge_language(language)
    hashed = None
    if password is not None:
        passwords.judge(password, email=address, name=kept)
        hashed = await passwords.make(password)
    made = await tx.execute(
        text("""
            INSERT INTO staff (email_index, email_sealed, name_sealed, language, password_hash, password_at, created_at)
            VALUES (:mark, :email, :name, :language, CAST(:hash AS text),
                CASE WHEN CAST(:hash AS text) IS NULL THEN NULL ELSE CAST(:at AS timestamptz) END, :at)
            ON CONFLICT (email_index) DO NOTHING RETURNING id"""),
        {
            "mark": email_mark(index, address),
            "email": vault.seal(address.encode(), _EMAIL),
            "name": vault.seal(kept.encode(), _NAME),
            "language": language,
            "hash": hashed,
            "at": now(),
        },
    )
    staff_id = made.scalar_one_or_none()
    if staff_id is None:
        raise Conflict("This e-mail address has an account already.", field="email", reason="email_taken")
    after = {"state": "invited" if hashed is None else "active", "language": language}
    await audit.record(
        tx, brand_id=None, actor=actor, action="staff.create", subject=f"staff {staff_id}", after=after
    )  # fmt: skip
    return await get(tx, vault, staff_id)


async def get(tx: Tx, vault: Vault, staff_id: int) -> Staff:
    """A person by id.

    Raises:
        NotFound: nobody has this id.
    """
    row = (await tx.execute(text(f"SELECT {COLUMNS} FROM staff p WHERE p.id = :id"), {"id": staff_id})).one_or_none()  # noqa: S608 (a constant)
    if row is None:
        raise NotFound(f"There is no account {staff_id}.", reason="no_account")
    return of_row(vault, row)


async def by_email(tx: Tx, vault: Vault, index: BlindIndex, email: str) -> Staff | None:
    """The person with this address.

    Raises:
        InvalidInput: not an e-mail address.
    """
    row = await tx.execute(
        text(f"SELECT {COLUMNS} FROM staff p WHERE p.email_index = :mark"),  # noqa: S608 (a constant)
        {"mark": email_mark(index, emails.parse(email))},
    )
    found = row.one_or_none()
    return None if found is None else of_row(vault, found)


async def list_of_brand(tx: Tx, vault: Vault, brand_id: int) -> list[Staff]:
    """Everybody with a role for a brand, by name; at most 500 can have one."""
    rows = await tx.execute(
        text(f"""
            SELECT {COLUMNS} FROM staff p
            WHERE EXISTS (SELECT 1 FROM staff_role r WHERE r.staff_id = p.id AND r.brand_id = :brand)"""),  # noqa: S608 (a constant)
        {"brand": brand_id},
    )
    return sorted((of_row(vault, row) for row in rows), key=lambda person: (person.name, person.id))


async def list_all(tx: Tx, vault: Vault) -> list[Staff]:
    """Everybody, by id."""
    rows = await tx.execute(text(f"SELECT {COLUMNS} FROM staff p ORDER BY p.id"))  # noqa: S608 (a constant)
    return [of_row(vault, row) for row in rows]


async def grant(tx: Tx, *, staff_id: int, brand_id: int, role: Role, actor: str) -> bool:
    """Give a role; returns whether it was new.

    Raises:
        NotFound: nobody has this id.
        Conflict: the brand has as many people as a brand may have.
    """
    await lock_roles(tx, brand_id)
    before = await _roles(tx, staff_id, brand_id)
    if role in before:
        return False
    count = await tx.execute(
        text("SELECT count(DISTINCT staff_id) FROM staff_role WHERE brand_id = :brand AND staff_id <> :id"),
        {"brand": brand_id, "id": staff_id},
    )
    if count.scalar_one() >= STAFF_PER_BRAND_MAX:
        raise Conflict(f"A brand has at most {STAFF_PER_BRAND_MAX} people.", reason="brand_full")
    await tx.execute(
        text("INSERT INTO staff_role (brand_id, staff_id, role, granted_by) VALUES (:brand, :id, :role, :actor)"),
        {"brand": brand_id, "id": staff_id, "role": role.value, "actor": actor},
    )
    await _record_roles(tx, staff_id, brand_id, before, before | {role}, "staff.grant", actor)
    return True


async def revoke(tx: Tx, *, staff_id: int, brand_id: int, role: Role, actor: str) -> bool:
    """Take a role away, at once for every open session; returns whether there was one.

    Raises:
        NotFound: nobody has this id.
        Conflict: the brand would be left without an owner who can sign in.
    """
    await lock_roles(tx, brand_id)
    before = await _roles(tx, staff_id, brand_id)
    if role not in before:
        return False
    if role is Role.OWNER:
        await _keep_an_owner(tx, brand_id, without=staff_id)
    await tx.execute(
        text("DELETE FROM staff_role WHERE brand_id = :brand AND staff_id = :id AND role = :role"),
        {"brand": brand_id, "id": staff_id, "role": role.value},
    )
    await _record_roles(tx, staff_id, brand_id, before, before - {role}, "staff.revoke", actor)
    return True


async def set_state(tx: Tx, *, staff_id: int, state: str, actor: str) -> bool:
    """Disable an account (its sessions end and its links die) or enable it; returns whether that changed anything.

    Raises:
        InvalidInput: the state is neither `active` nor `disabled`.
        NotFound: nobody has this id.
        Conflict: a brand would be left without an owner who can sign in.
    """
    if state not in ("active", "disabled"):
        raise InvalidInput("An account's state is active or disabled.", field="state", reason="state")
    owned = await tx.execute(
        text("SELECT brand_id FROM staff_role WHERE staff_id = :id AND role = 'owner' ORDER BY brand_id"),
        {"id": staff_id},
    )
    brands = list(owned.scalars())
    for brand_id in brands:
        await lock_roles(tx, brand_id)
    before = await _lock(tx, staff_id)
    if before == state:
        return False
    if state == "disabled":
        for brand_id in brands:
            await _keep_an_owner(tx, brand_id, without=staff_id)
        await tx.execute(text("DELETE FROM staff_session WHERE staff_id = :id"), {"id": staff_id})
        await tx.execute(
            text("UPDATE staff_reset SET used_at = :now WHERE staff_id = :id AND used_at IS NULL"),
            {"id": staff_id, "now": now()},
        )
    await tx.execute(text("UPDATE staff SET state = :state WHERE id = :id"), {"id": staff_id, "state": state})
    action = "staff.disable" if state == "disabled" else "staff.enable"
    await audit.record(
        tx, brand_id=None, actor=actor, action=action, subject=f"staff {staff_id}",
        before={"state": before}, after={"state": state},
    )  # fmt: skip
    return True


async def erase(tx: Tx, vault: Vault, index: BlindIndex, *, staff_id: int, actor: str) -> None:
    """Forget a person: roles, sessions, links, second factor, address and name go; the number stays, for the trail.

    Raises:
        NotFound: nobody has this id.
        Conflict: a brand would be left without an owner who can sign in.
    """
    held = await tx.execute(
        text("SELECT brand_id, role FROM staff_role WHERE staff_id = :id ORDER BY brand_id, role"), {"id": staff_id}
    )
    for brand_id, role in held.all():
        await revoke(tx, staff_id=staff_id, brand_id=brand_id, role=Role(role), actor=actor)
    await set_state(tx, staff_id=staff_id, state="disabled", actor=actor)
    for table in ("staff_session", "staff_reset", "staff_recovery"):
        await tx.execute(text(f"DELETE FROM {table} WHERE staff_id = :id"), {"id": staff_id})  # noqa: S608 (constants)
    await tx.execute(
        text("""
            UPDATE staff SET email_index = :mark, email_sealed = :email, name_sealed = :name, password_hash = NULL,
                password_at = NULL, totp_sealed = NULL, totp_at = NULL WHERE id = :id"""),
        {
            "id": staff_id, "mark": index.of("staff-erased", str(staff_id)),
            "email": vault.seal(b"", _EMAIL), "name": vault.seal(b"", _NAME),
        },
    )  # fmt: skip
    await audit.record(tx, brand_id=None, actor=actor, action="staff.erase", subject=f"staff {staff_id}")


async def set_profile(tx: Tx, vault: Vault, *, staff_id: int, name: str, language: str, actor: str) -> None:
    """Change name and language; the audit trail tells that the name changed, not what it is.

    Raises:
        InvalidInput: the name or language is none.
        NotFound: nobody has this id.
    """
    kept = judge_name(name)
    judge_language(language)
    await _lock(tx, staff_id)
    before = await get(tx, vault, staff_id)
    if (before.name, before.language) == (kept, language):
        return
    await tx.execute(
        text("UPDATE staff SET name_sealed = :name, language = :language WHERE id = :id"),
        {"id": staff_id, "name": vault.seal(kept.encode(), _NAME), "language": language},
    )
    await audit.record(
        tx, brand_id=None, actor=actor, action="staff.profile", subject=f"staff {staff_id}",
        before={"language": before.language}, after={"language": language, "name_changed": before.name != kept},
    )  # fmt: skip


async def _lock(tx: Tx, staff_id: int) -> str:
    row = await tx.execute(text("SELECT state FROM staff WHERE id = :id FOR UPDATE"), {"id": staff_id})
    state = row.scalar_one_or_none()
    if state is None:
        raise NotFound(f"There is no account {staff_id}.", reason="no_account")
    return str(state)


async def lock_roles(tx: Tx, brand_id: int) -> None:
    """Changes to a brand's roles wait for each other: two owners who revoke one another must not both succeed."""
    await tx.execute(
        text("SELECT pg_advisory_xact_lock(hashtextextended('staff_role/' || CAST(:brand AS text), 0))"),
        {"brand": str(brand_id)},
    )


async def _roles(tx: Tx, staff_id: int, brand_id: int) -> frozenset[Role]:
    rows = await tx.execute(
        text("""
            SELECT p.id, r.role FROM staff p LEFT JOIN staff_role r ON r.staff_id = p.id AND r.brand_id = :brand
            WHERE p.id = :id"""),
        {"id": staff_id, "brand": brand_id},
    )
    found = rows.all()
    if not found:
        raise NotFound(f"There is no account {staff_id}.", reason="no_account")
    return frozenset(Role(row.role) for row in found if row.role is not None)


async def _keep_an_owner(tx: Tx, brand_id: int, *, without: int) -> None:
    others = await tx.execute(
        text("""
            SELECT count(*) FROM staff_role r JOIN staff p ON p.id = r.staff_id
            WHERE r.brand_id = :brand AND r.role = 'owner' AND r.staff_id <> :id
                AND p.state = 'active' AND p.password_hash IS NOT NULL"""),
        {"brand": brand_id, "id": without},
    )
    if others.scalar_one() == 0:
        raise Conflict(
            "This is the brand's last owner who can sign in; make somebody else an owner first.", reason="last_owner"
        )


async def _record_roles(
    tx: Tx, staff_id: int, brand_id: int, before: Sequence[Role] | frozenset[Role], after: frozenset[Role],
    action: str, actor: str,
) -> None:  # fmt: skip
    await audit.record(
        tx, brand_id=brand_id, actor=actor, action=action, subject=f"staff {staff_id}",
        before={"roles": sorted(before)}, after={"roles": sorted(after)},
    )  # fmt: skip
