"""Recipients: the printers and plants that code packages are made for.

A recipient's public key is one of the `age` format (`age1…`); what is encrypted to it only the recipient opens.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from pyrage import RecipientError, x25519
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from kernel import audit
from kernel.crypto import Vault
from kernel.db import Tx
from kernel.errors import Conflict, InvalidInput, NotFound

KINDS: Final = ("printer", "plant")
NAME_CHARS_MAX: Final = 80
KEY_CHARS_MAX: Final = 100
CONTACT_CHARS_MAX: Final = 200
RECIPIENTS_MAX: Final = 500
_SEAL: Final = "recipient-contact"


@dataclass(frozen=True, slots=True)
class Recipient:
    """A printer or plant. Without a public key its packages are encrypted with a passphrase, or not at all."""

    id: int
    name: str
    kind: str
    public_key: str | None
    contact: str | None
    created_at: datetime
    retired_at: datetime | None


def parse_public_key(given: str) -> str:
    """A public key of the age format, as it is written.

    Raises:
        InvalidInput: it is none; a secret key is never repeated.
    """
    key = given.strip()
    if key.upper().startswith("AGE-SECRET-KEY-"):
        raise InvalidInput(
            "That is a secret key: it stays with the recipient, and must be replaced now. "
            "Enter the public key, which begins with age1.",
            field="public_key",
        )
    if len(key) > KEY_CHARS_MAX:
        raise InvalidInput(f"A public key has at most {KEY_CHARS_MAX} characters.", field="public_key")
    try:
        return str(x25519.Recipient.from_str(key))
    except RecipientError:
        raise InvalidInput(
            "That is no public key of the age format: it begins with age1 (`age-keygen` shows it).", field="public_key"
        ) from None


async def add(
    tx: Tx, vault: Vault, *, brand_id: int, name: str, kind: str, public_key: str, contact: str, actor: str
) -> Recipient:
    """Add a printer or plant; empty texts for what it does not have.

    Raises:
        InvalidInput: a name, kind, key or contact outside its limits.
        Conflict: the brand has one of that name, or too many.
    """
    name, contact = name.strip(), contact.strip()
    if not (1 <= len(name) <= NAME_CHARS_MAX and name.isprintable()):
        raise InvalidInput(f"A recipient's name has 1 to {NAME_CHARS_MAX} characters.", field="recipient_name")
    if kind not in KINDS:
        raise InvalidInput(f"A recipient is one of {', '.join(KINDS)}, not {kind!r}.", field="recipient_kind")
    if len(contact) > CONTACT_CHARS_MAX or not contact.isprintable():
        raise InvalidInput(f"A contact has at most {CONTACT_CHARS_MAX} characters.", field="contact")
    key = parse_public_key(public_key) if public_key.strip() else None
    known = (await tx.execute(_COUNT, {"brand": brand_id})).scalar_one()
    if known >= RECIPIENTS_MAX:
        raise Conflict(f"The brand has {RECIPIENTS_MAX} recipients already: retire some.", field="recipient_name")
    values = {
        "brand": brand_id, "name": name, "kind": kind, "key": key,
        "contact": vault.seal(contact.encode(), _SEAL) if contact else None,
    }  # fmt: skip
    try:
        async with tx.begin_nested():
            row = (await tx.execute(_ADD, values)).one()
    except IntegrityError:
        raise Conflict(f"There is a recipient {name!r} already: retire it first.", field="recipient_name") from None
    await audit.record(
        tx, brand_id=brand_id, actor=actor, action="recipient.add", subject=f"recipient {row.id}",
        after={"name": name, "kind": kind, "public_key": key},
    )  # fmt: skip
    return Recipient(row.id, name, kind, key, contact or None, row.created_at, None)


async def retire(tx: Tx, vault: Vault, *, brand_id: int, name: str, actor: str) -> Recipient:
    """Make no more packages for a recipient; what it has stays traced to it.

    Raises:
        NotFound: the brand has none of that name that is not retired.
    """
    found = await get(tx, vault, brand_id=brand_id, name=name)
    await tx.execute(text("UPDATE recipient SET retired_at = now() WHERE id = :id"), {"id": found.id})
    await audit.record(
        tx, brand_id=brand_id, actor=actor, action="recipient.retire", subject=f"recipient {found.id}",
        before={"name": found.name},
    )  # fmt: skip
    return found


async def get(tx: Tx, vault: Vault, *, brand_id: int, name: str) -> Recipient:
    """The brand's recipient of a name.

    Raises:
        NotFound: there is none, or it is retired.
    """
    for each in await list_of(tx, vault, brand_id=brand_id):
        if each.retired_at is None and each.name == name.strip():
            return each
    raise NotFound(
        f"The brand has no recipient {name[:NAME_CHARS_MAX]!r}; `yima codes recipients list` names them.",
        field="recipient",
    )


async def list_of(tx: Tx, vault: Vault, *, brand_id: int) -> list[Recipient]:
    """The brand's recipients, retired ones last."""
    return [
        Recipient(
            row.id, row.name, row.kind, row.public_key,
            None if row.contact_sealed is None else vault.open(row.contact_sealed, _SEAL).decode(),
            row.created_at, row.retired_at,
        )
        for row in await tx.execute(_LIST, {"brand": brand_id})
    ]  # fmt: skip


_COUNT = text("SELECT count(*) FROM recipient WHERE brand_id = :brand AND retired_at IS NULL")
_ADD = text("""
    INSERT INTO recipient (brand_id, name, kind, public_key, contact_sealed)
    VALUES (:brand, :name, :kind, :key, :contact) RETURNING id, created_at""")
_LIST = text("""
    SELECT id, name, kind, public_key, contact_sealed, created_at, retired_at FROM recipient
    WHERE brand_id = :brand ORDER BY retired_at IS NOT NULL, name, id""")
