"""Sign-in by phone number and one-time code.

A code has six digits, lasts five minutes, is good for one sign-in and dies after five wrong tries; a number is
sent at most one code a minute, five an hour and ten a day, so that at most 50 tries a day guess at a number, of a
million. A code that a device asked for is good on that device alone: whoever overhears it needs the device, too. What
all numbers of a brand may cost in a day is bounded too. The code leaves through the outbox and is stored hashed.
"""

from __future__ import annotations

import hmac
import json
import secrets
from datetime import timedelta

import structlog
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
PER_DAY_MAX = 10
PER_BRAND_A_DAY_MAX = 20_000
"""Of a brand, where the installation says nothing else: what a day of nothing but abuse may cost."""

log = structlog.get_logger(__name__)


async def request_code(
    tx: Tx,
    vault: Vault,
    index: BlindIndex,
    *,
    brand_id: int,
    phone: str,
    language: str,
    device: str = "",
    per_brand_a_day_max: int = PER_BRAND_A_DAY_MAX,
) -> None:
    """Send a one-time code to a phone number; the answer does not tell whether the number is a member's.

    Args:
        tx: the caller's transaction.
        vault: seals the message.
        index: marks number, code and device.
        brand_id: whose member it will be.
        phone: the number.
        language: of the message.
        device: the name of the device that asks, for itself; where it is told, the code is good there alone.
        per_brand_a_day_max: how many may be sent for the brand within a day.

    Raises:
        InvalidInput: not a phone number.
        TooMany: a code was sent less than a minute ago, or five within the hour, or ten within the day; or the brand
            has sent its share of the last 24 hours.
    """
    number = people.parse_phone(phone)
    mark = index.of("phone", number)
    lock = int.from_bytes(index.of("phone-lock", f"{brand_id}/{number}")[:8], "big", signed=True)
    await tx.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": lock})
    await _judge_number(tx, brand_id, mark)
    await _judge_brand(tx, brand_id, per_brand_a_day_max)
    code = f"{secrets.randbelow(10**DIGITS):0{DIGITS}d}"
    row = await tx.execute(
        text("""
            INSERT INTO sign_in_code (brand_id, subject_index, code_hash, created_at, expires_at, device_index)
            VALUES (:brand, :mark, :hash, :at, :expires, :device) RETURNING id"""),
        {
            "brand": brand_id,
            "mark": mark,
            "hash": index.of("sign-in-code", f"{brand_id}/{number}/{code}"),
            "at": now(),
            "expires": now() + timedelta(seconds=LIFE_S),
            "device": _of_device(index, device),
        },
    )
    body = json.dumps({"to": number, "code": code, "language": language}).encode()
    message = outbox.Message(kind="sms.code", key=f"sms.code/{row.scalar_one()}", body=body, brand_id=brand_id)
    await outbox.put(tx, vault, [message])


async def _judge_number(tx: Tx, brand_id: int, mark: bytes) -> None:
    recent = await tx.execute(
        text("""
            SELECT count(*) FILTER (WHERE created_at > :hour), count(*), max(created_at) FROM sign_in_code
            WHERE brand_id = :brand AND subject_index = :mark AND created_at > :day"""),
        {"brand": brand_id, "mark": mark, "hour": now() - timedelta(hours=1), "day": now() - timedelta(days=1)},
    )
    in_hour, in_day, latest = recent.one()
    if latest is not None and now() - latest < timedelta(seconds=PAUSE_S):
        wait = PAUSE_S - int((now() - latest).total_seconds())
        raise TooMany("A code was sent to this number a moment ago; wait a minute.", retry_after_s=wait)
    if in_hour >= PER_HOUR_MAX:
        raise TooMany("Too many codes were sent to this number; try again in an hour.", retry_after_s=3600)
    if in_day >= PER_DAY_MAX:
        raise TooMany("Too many codes were sent to this number; try again tomorrow.", retry_after_s=86_400)


async def _judge_brand(tx: Tx, brand_id: int, most: int) -> None:
    """Two at once may both take the last place: what is bounded is money, not a secret."""
    sent = await tx.execute(
        text("""
            SELECT count(*) FROM (
                SELECT 1 FROM sign_in_code WHERE brand_id = :brand AND created_at > :day LIMIT :most) AS t"""),
        {"brand": brand_id, "day": now() - timedelta(days=1), "most": most},
    )
    count = sent.scalar_one()
    if count >= most:
        raise TooMany("No more codes can be sent just now; please try again in an hour.", retry_after_s=3600)
    if count == most - 1:
        log.warning("sign_in.codes_spent", brand=brand_id, per_day=most)


async def verify_code(
    tx: Tx, vault: Vault, index: BlindIndex, *, brand_id: int, phone: str, code: str, device: str = ""
) -> int | None:
    """Try a one-time code; returns the member's id, or None where the code is wrong (the try is counted).

    The caller commits either way: a wrong try must be remembered.

    Raises:
        InvalidInput: not a phone number.
        NotAuthenticated: no code is waiting for this number here: expired, used, tried too often, or asked for by
            another device.
    """
    number = people.parse_phone(phone)
    row = await tx.execute(
        text("""
            SELECT id, code_hash, attempts FROM sign_in_code
            WHERE brand_id = :brand AND subject_index = :mark AND used_at IS NULL AND expires_at > :now
                AND (device_index IS NULL OR device_index = CAST(:device AS bytea))
            ORDER BY created_at DESC LIMIT 1 FOR UPDATE"""),
        {"brand": brand_id, "mark": index.of("phone", number), "now": now(), "device": _of_device(index, device)},
    )
    waiting = row.one_or_none()
    if waiting is None or waiting.attempts >= TRIES_MAX:
        raise NotAuthenticated("No code is waiting for this number here: ask for a new one.")
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


def _of_device(index: BlindIndex, device: str) -> bytes | None:
    return index.of("sign-in-device", device) if device else None


async def prune(tx: Tx) -> int:
    """Delete codes older than a day; returns how many."""
    result = await tx.execute(
        text("DELETE FROM sign_in_code WHERE created_at < :before"), {"before": now() - timedelta(days=1)}
    )
    return result.rowcount
