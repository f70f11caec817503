"""Limits on tries by network address, counted in the database, so that they hold across processes.

A place is taken before the try and given back when it was a good one: many tries at once get no more places
than many in a row.
"""

from __future__ import annotations

import ipaddress
from datetime import timedelta

from sqlalchemy import text

from kernel.clock import now
from kernel.crypto import BlindIndex
from kernel.db import Tx

SIGN_IN, RESET = "sign_in", "reset"
WINDOW_S = {SIGN_IN: 900, RESET: 3600}
TRIES_MAX = {SIGN_IN: 30, RESET: 20}
CLOCK_SKEW_S = 300
KEPT_S = 86_400
ADDRESS_CHARS_MAX = 64


def network_of(address: str) -> str:
    """What counts as one address: an IPv4 address, or the /64 that one IPv6 customer has to himself."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address[:ADDRESS_CHARS_MAX]  # a socket without an address; all such count together
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.ipv4_mapped is not None:
            return str(parsed.ipv4_mapped)
        return str(ipaddress.ip_network((int(parsed) >> 64 << 64, 64)))
    return str(parsed)


async def take(tx: Tx, index: BlindIndex, *, kind: str, address: str) -> tuple[int | None, int]:
    """Take a place for a try of this address.

    Returns:
        The place, or None where none is left, and how many tries are left or seconds to wait.
    """
    mark = index.of("staff-address", f"{kind}/{network_of(address)}")
    lock = int.from_bytes(mark[:8], "big", signed=True)
    await tx.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": lock})
    at, window = now(), timedelta(seconds=WINDOW_S[kind])
    # rows from a future that a clock set back left behind do not count
    row = await tx.execute(
        text("""
            SELECT count(*), min(at) FROM staff_attempt
            WHERE kind = :kind AND address_index = :mark AND at > :since AND at < :until"""),
        {"kind": kind, "mark": mark, "since": at - window, "until": at + timedelta(seconds=CLOCK_SKEW_S)},
    )
    count, oldest = row.one()
    if count >= TRIES_MAX[kind]:
        return None, max(1, int((oldest + window - at).total_seconds()) + 1)
    made = await tx.execute(
        text("INSERT INTO staff_attempt (kind, address_index, at) VALUES (:kind, :mark, :at) RETURNING id"),
        {"kind": kind, "mark": mark, "at": at},
    )
    return int(made.scalar_one()), TRIES_MAX[kind] - count - 1


async def give_back(tx: Tx, place: int) -> None:
    """Forget a try that was a good one."""
    await tx.execute(text("DELETE FROM staff_attempt WHERE id = :id"), {"id": place})


async def prune(tx: Tx) -> int:
    """Delete tries older than a day; returns how many."""
    result = await tx.execute(
        text("DELETE FROM staff_attempt WHERE at < :before"), {"before": now() - timedelta(seconds=KEPT_S)}
    )
    return result.rowcount
