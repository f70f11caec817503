"""The second factor: time-based codes (RFC 6238: SHA-1, 6 digits, 30 s) and recovery codes on paper.

Every time step is accepted once, so that a code seen over a shoulder is worth nothing.
"""

from __future__ import annotations

import hmac
import re
from dataclasses import dataclass, field

import pyotp
from sqlalchemy import text

from kernel import audit, ids
from kernel.clock import now
from kernel.crypto import BlindIndex, Vault
from kernel.db import Tx
from kernel.errors import Conflict, InvalidInput, NotFound
from staff.people import actor_of

STEP_S = 30
STEPS_ASIDE = 1  # a phone's clock may be half a minute off
RECOVERY_CODES = 10
RECOVERY_SYMBOLS = 10  # 50 bits, and their index is keyed
CODE_CHARS_MAX = 40
ISSUER = "Yima"
_CONTEXT = "staff/totp"
_CODE = re.compile(r"[0-9]{6}", re.ASCII)
_MISREAD = str.maketrans({"O": "0", "I": "1", "L": "1"})


@dataclass(frozen=True, slots=True)
class Enrolment:
    """What the person's phone needs, shown once.

    Attributes:
        secret: base32, for typing.
        uri: `otpauth://…`, for the QR code.
    """

    secret: str = field(repr=False)
    uri: str = field(repr=False)


async def enrol(tx: Tx, vault: Vault, *, staff_id: int, email: str) -> Enrolment:
    """Make a secret that is not in force until `confirm`; beginning again replaces it.

    Raises:
        Conflict: a second factor is in force already.
    """
    secret = pyotp.random_base32(32)
    made = await tx.execute(
        text("UPDATE staff SET totp_sealed = :sealed WHERE id = :id AND totp_at IS NULL"),
        {"id": staff_id, "sealed": vault.seal(secret.encode(), f"{_CONTEXT}/{staff_id}")},
    )
    if made.rowcount == 0:
        raise Conflict(
            "The second factor is on already; switch it off before you set up another phone.", reason="totp_on"
        )
    return _enrolment(secret, email)


async def pending(tx: Tx, vault: Vault, *, staff_id: int, email: str) -> Enrolment | None:
    """The secret that waits to be confirmed, for the QR code's own request; None where none waits."""
    row = await tx.execute(
        text("SELECT totp_sealed FROM staff WHERE id = :id AND totp_at IS NULL AND totp_sealed IS NOT NULL"),
        {"id": staff_id},
    )
    sealed = row.scalar_one_or_none()
    return None if sealed is None else _enrolment(vault.open(sealed, f"{_CONTEXT}/{staff_id}").decode(), email)


def _enrolment(secret: str, email: str) -> Enrolment:
    return Enrolment(secret, pyotp.TOTP(secret).provisioning_uri(name=email, issuer_name=ISSUER))


async def confirm(tx: Tx, vault: Vault, index: BlindIndex, *, staff_id: int, code: str) -> list[str]:
    """Put the second factor in force by a first code; returns the recovery codes, shown this once.

    Raises:
        InvalidInput: the code is wrong.
        Conflict: nothing waits to be confirmed.
    """
    row = await tx.execute(
        text("SELECT totp_sealed, totp_at, totp_step FROM staff WHERE id = :id FOR UPDATE"), {"id": staff_id}
    )
    found = row.one_or_none()
    if found is None or found.totp_sealed is None or found.totp_at is not None:
        raise Conflict("No second factor waits to be confirmed; begin again.", reason="totp_none_waits")
    step = _step_of(vault, staff_id, found.totp_sealed, _digits(code), after=0)
    if step is None:
        raise InvalidInput("This code is wrong; is the phone's clock right?", field="code", reason="code_wrong")
    await tx.execute(
        text("UPDATE staff SET totp_at = :now, totp_step = :step WHERE id = :id"),
        {"id": staff_id, "now": now(), "step": step},
    )
    codes = await _make_recovery_codes(tx, index, staff_id)
    await _record(tx, staff_id, "staff.totp_on", actor_of(staff_id))
    return codes


async def renew_recovery_codes(tx: Tx, index: BlindIndex, *, staff_id: int) -> list[str]:
    """New recovery codes in the place of all old ones, shown this once.

    Raises:
        Conflict: the second factor is off.
    """
    await _lock_in_force(tx, staff_id)
    codes = await _make_recovery_codes(tx, index, staff_id)
    await _record(tx, staff_id, "staff.recovery_codes", actor_of(staff_id))
    return codes


async def recovery_codes_left(tx: Tx, staff_id: int) -> int:
    """How many recovery codes are unused."""
    row = await tx.execute(
        text("SELECT count(*) FROM staff_recovery WHERE staff_id = :id AND used_at IS NULL"), {"id": staff_id}
    )
    return int(row.scalar_one())


async def disable(tx: Tx, *, staff_id: int, actor: str) -> None:
    """Switch the second factor off; the caller has asked for the password.

    Raises:
        Conflict: it is off already.
    """
    await _lock_in_force(tx, staff_id)
    await tx.execute(text("UPDATE staff SET totp_sealed = NULL, totp_at = NULL WHERE id = :id"), {"id": staff_id})
    await tx.execute(text("DELETE FROM staff_recovery WHERE staff_id = :id"), {"id": staff_id})
    await _record(tx, staff_id, "staff.totp_off", actor)


async def accept(tx: Tx, vault: Vault, index: BlindIndex, *, staff_id: int, code: str) -> str | None:
    """Use up a code or recovery code of somebody whose second factor is on; returns which it was, or None if wrong."""
    row = await tx.execute(
        text("SELECT totp_sealed, totp_step FROM staff WHERE id = :id AND totp_at IS NOT NULL FOR UPDATE"),
        {"id": staff_id},
    )
    found = row.one_or_none()
    if found is None or len(code) > CODE_CHARS_MAX:
        return None
    digits = _digits(code)
    if _CODE.fullmatch(digits):
        step = _step_of(vault, staff_id, found.totp_sealed, digits, after=found.totp_step)
        if step is None:
            return None
        await tx.execute(text("UPDATE staff SET totp_step = :step WHERE id = :id"), {"id": staff_id, "step": step})
        return "totp"
    used = await tx.execute(
        text("""
            UPDATE staff_recovery SET used_at = :now
            WHERE staff_id = :id AND code_hash = :hash AND used_at IS NULL"""),
        {"id": staff_id, "hash": _recovery_hash(index, staff_id, code), "now": now()},
    )
    return "recovery" if used.rowcount == 1 else None


def _digits(code: str) -> str:
    return "".join(code[:CODE_CHARS_MAX].split())


def _step_of(vault: Vault, staff_id: int, sealed: bytes, digits: str, *, after: int) -> int | None:
    """The step whose code this is, later than the last one used; all candidates are compared, whatever matches."""
    totp = pyotp.TOTP(vault.open(sealed, f"{_CONTEXT}/{staff_id}").decode())
    current = int(now().timestamp()) // STEP_S
    match = None
    for step in range(current - STEPS_ASIDE, current + STEPS_ASIDE + 1):
        if hmac.compare_digest(totp.generate_otp(step).encode(), digits.encode()) and step > after:
            match = step
    return match


async def _make_recovery_codes(tx: Tx, index: BlindIndex, staff_id: int) -> list[str]:
    codes = [ids.public_id(RECOVERY_SYMBOLS) for _ in range(RECOVERY_CODES)]
    await tx.execute(text("DELETE FROM staff_recovery WHERE staff_id = :id"), {"id": staff_id})
    await tx.execute(
        text("INSERT INTO staff_recovery (staff_id, code_hash) SELECT :id, unnest(CAST(:hashes AS bytea[]))"),
        {"id": staff_id, "hashes": [_recovery_hash(index, staff_id, code) for code in codes]},
    )
    return [f"{code[:5]}-{code[5:]}" for code in codes]


def _recovery_hash(index: BlindIndex, staff_id: int, code: str) -> bytes:
    plain = "".join(code.split()).replace("-", "").upper().translate(_MISREAD)
    return index.of("staff-recovery", f"{staff_id}/{plain}")


async def _lock_in_force(tx: Tx, staff_id: int) -> None:
    row = await tx.execute(text("SELECT totp_at FROM staff WHERE id = :id FOR UPDATE"), {"id": staff_id})
    found = row.one_or_none()
    if found is None:
        raise NotFound(f"There is no account {staff_id}.", reason="no_account")
    if found.totp_at is None:
        raise Conflict("The second factor is off.", reason="totp_off")


async def _record(tx: Tx, staff_id: int, action: str, actor: str) -> None:
    await audit.record(tx, brand_id=None, actor=actor, action=action, subject=f"staff {staff_id}")
