"""Sign-in by phone number and one-time code.

A code has six digits, lasts five minutes, is good for one sign-in and dies after five wrong tries; a number is
sent at most one code a minute and five an hour. The code leaves through the outbox and is stored hashed.
"""

from __future__ import annotations

import hmac
import json
import secrets
from datetime import timedelta

from sqlalchemy import text

from kernel import outbox
from kernel.clock import now
from kernel.crypto import BlindIndex, Vault
from kernel.db import Tx
from kernel.errors import NotAuthenticated, TooMany
from members import people

DIGITS = 6
LIFE_S = 300
TRIES_MAX = 5
PAUSE_S = 60
PER_HOUR_MAX = 5


async def request_code(tx: Tx, vault: Vault, index: BlindIndex, *, brand_id: int, phone: str, language: str) -> None:
    """Send a one-time code to a phone number; the answer does not tell whether the number is a member's.

    Raises:
        InvalidInput: not a phone number.
        TooMany: a code was sent less than a minute ago, or five within the hour.
    """
    number = people.parse_phone(phone)
    mark = index.of("phone", number)
    lock = int.from_bytes(index.of("phone-lock", f"{brand_id}/{number}")[:8], "big", signed=True)
    await tx.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": lock})
    recent = await tx.execute(
        text("""
            SELECT count(*), max(created_at) FROM sign_in_code
            WHERE brand_id = :brand AND subject_index = :mark AND created_at > :since"""),
        {"brand": brand_id, "mark": mark, "since": now() - timedelta(hours=1)},
    )
    count, latest = recent.one()
    if latest is not None and now() - latest < timedelta(seconds=PAUSE_S):
        wait = PAUSE_S - int((now() - latest).total_seconds())
        raise TooMany("A code was sent to this number a moment ago; wait a minute.", retry_after_s=wait)
    if count >= PER_HOUR_MAX:
        raise TooMany("Too many codes were sent to this number; try again in an hour.", retry_after_s=3600)
    code = f"{secrets.randbelow(10**DIGITS):0{DIGITS}d}"
    row = await tx.execute(
        text("""
            INSERT INTO sign_in_code (brand_id, subject_index, code_hash, created_at, expires_at)
            VALUES (:brand, :mark, :hash, :at, :expires) RETURNING id"""),
        {
            "brand": brand_id,
            "mark": mark,
            "hash": index.of("sign-in-code", f"{brand_id}/{number}/{code}"),
            "at": now(),
            "expires": now() + timedelta(seconds=LIFE_S),
        },
    )
    body = json.dumps({"to": number, "code": code, "language": language}).encode()
    message = outbox.Message(kind="sms.code", key=f"sms.code/{row.scalar_one()}", body=body, brand_id=brand_id)
    await outbox.put(tx, vault, [message])


async def verify_code(tx: Tx, vault: Vault, index: BlindIndex, *, brand_id: int, phone: str, code: str) -> int | None:
    """Try a one-time code; returns the member's id, or None where the code is wrong (the try is counted).

    The caller commits either way: a wrong try must be remembered.

    Raises:
        InvalidInput: not a phone number.
        NotAuthenticated: no code is waiting for this number: expired, used, or tried too often.
    """
    number = people.parse_phone(phone)
    row = await tx.execute(
        text("""
            SELECT id, code_hash, attempts FROM sign_in_code
            WHERE brand_id = :brand AND subject_index = :mark AND used_at IS NULL AND expires_at > :now
            ORDER BY created_at DESC LIMIT 1 FOR UPDATE"""),
        {"brand": brand_id, "mark": index.of("phone", number), "now": now()},
    )
    waiting = row.one_or_none()
    if waiting is None or waiting.attempts >= TRIES_MAX:
        raise NotAuthenticated("No code is waiting for this number: ask for a new one.")
    given = index.of("sign-in-code", f"{brand_id}/{number}/{code.strip()}")
    if not hmac.compare_digest(given, bytes(waiting.code_hash)):
        await tx.execute(text("UPDATE sign_in_code SET attempts = attempts + 1 WHERE id = :id"), {"id": waiting.id})
        return None
    await tx.execute(
        text("""
            UPDATE sign_in_code SET used_at = :now
            WHERE brand_id = :brand AND subject_index = :mark AND used_at IS NULL"""),
        {"now": now(), "brand": brand_id, "mark": index.of("phone", number)},
    )
    return await people.sign_in(tx, vault, index, brand_id=brand_id, phone=number)


async def prune(tx: Tx) -> int:
    """Delete codes older than a day; returns how many."""
    result = await tx.execute(
        text("DELETE FROM sign_in_code WHERE created_at < :before"), {"before": now() - timedelta(days=1)}
    )
    return result.rowcount
