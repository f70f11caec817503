"""Stations: cameras and hand scanners of a line, each with a token of its own that can be withdrawn."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import text

from kernel import audit
from kernel.db import Tx
from kernel.errors import Conflict, InvalidInput, NotFound

NAME_CHARS_MAX: Final = 60
STATIONS_MAX: Final = 500
"""Stations of a brand that are not revoked."""
TOKEN_PREFIX: Final = "yst_"  # noqa: S105 (by which a leaked one is recognised)
_TOKEN_CHARS_MAX: Final = 100
_ID_MAX: Final = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Station:
    """A camera or hand scanner. `may_switch`: it may give codes states, not only capture them."""

    id: int
    brand_id: int
    name: str
    may_switch: bool
    made_at: datetime
    made_by: str
    seen_at: datetime | None
    revoked_at: datetime | None

    @property
    def actor(self) -> str:
        """How the audit trail names it."""
        return f"station:{self.id}"


_COLUMNS: Final = "id, brand_id, name, may_switch, made_at, made_by, seen_at, revoked_at"


async def make(tx: Tx, *, brand_id: int, name: str, may_switch: bool, actor: str) -> tuple[Station, str]:
    """Make a station; returns it and its token, which is shown this once.

    Raises:
        InvalidInput: no name, too long a one, or too many stations.
        Conflict: there is one of this name.
    """
    name = name.strip()
    if not 1 <= len(name) <= NAME_CHARS_MAX or not name.isprintable():
        raise InvalidInput(f"A station has a name of 1 to {NAME_CHARS_MAX} characters.", field="name")
    standing = await tx.execute(
        text("SELECT count(*) FROM station WHERE brand_id = :brand AND revoked_at IS NULL"), {"brand": brand_id}
    )
    if standing.scalar_one() >= STATIONS_MAX:
        raise InvalidInput(f"A brand has at most {STATIONS_MAX} stations: revoke those that are gone.", field="name")
    token = TOKEN_PREFIX + secrets.token_urlsafe(32)
    row = await tx.execute(
        text(f"""
            INSERT INTO station (brand_id, name, token_hash, may_switch, made_by)
            VALUES (:brand, :name, :hash, :may, :actor)
            ON CONFLICT (brand_id, name) WHERE revoked_at IS NULL DO NOTHING RETURNING {_COLUMNS}"""),  # noqa: S608 (a constant)
        {"brand": brand_id, "name": name, "hash": _hash(token), "may": may_switch, "actor": actor[:80]},
    )
    made = row.one_or_none()
    if made is None:
        raise Conflict(f"There is a station {name!r} already.", field="name")
    await audit.record(
        tx, brand_id=brand_id, actor=actor, action="station.make", subject=f"station {name}",
        after={"may_switch": may_switch},
    )  # fmt: skip
    return Station(*made), token


async def revoke(tx: Tx, station_id: int, *, brand_id: int, actor: str) -> Station:
    """Withdraw a station's token for good; said again, nothing changes.

    Raises:
        NotFound: the brand has no such station.
    """
    if not 1 <= station_id <= _ID_MAX:
        raise NotFound(f"There is no station {station_id}.")
    row = await tx.execute(
        text(f"""
            UPDATE station SET revoked_at = now(), revoked_by = :actor
            WHERE id = :id AND brand_id = :brand AND revoked_at IS NULL RETURNING {_COLUMNS}"""),  # noqa: S608 (a constant)
        {"id": station_id, "brand": brand_id, "actor": actor[:80]},
    )
    found = row.one_or_none()
    if found is not None:
        await audit.record(tx, brand_id=brand_id, actor=actor, action="station.revoke", subject=f"station {found.name}")
        return Station(*found)
    known = await tx.execute(
        text(f"SELECT {_COLUMNS} FROM station WHERE id = :id AND brand_id = :brand"),  # noqa: S608 (a constant)
        {"id": station_id, "brand": brand_id},
    )
    gone = known.one_or_none()
    if gone is None:
        raise NotFound(f"There is no station {station_id}.")
    return Station(*gone)


async def list_of(tx: Tx, *, brand_id: int) -> list[Station]:
    """The brand's stations: those at work by name, then the latest revoked ones."""
    rows = await tx.execute(
        text(f"""
            SELECT {_COLUMNS} FROM station WHERE brand_id = :brand
            ORDER BY revoked_at IS NOT NULL, CASE WHEN revoked_at IS NULL THEN name END, id DESC LIMIT :limit"""),  # noqa: S608 (a constant)
        {"brand": brand_id, "limit": 2 * STATIONS_MAX},
    )
    return [Station(*row) for row in rows]


async def find(tx: Tx, token: str) -> Station | None:
    """The station that bears a token, or None where it is nobody's or revoked. When it was seen is kept to a minute."""
    if not token.startswith(TOKEN_PREFIX) or len(token) > _TOKEN_CHARS_MAX:
        return None
    row = await tx.execute(
        text(f"""
            SELECT {_COLUMNS}, coalesce(seen_at < now() - interval '1 minute', true) FROM station
            WHERE token_hash = :hash AND revoked_at IS NULL"""),  # noqa: S608 (a constant)
        {"hash": _hash(token)},
    )
    found = row.one_or_none()
    if found is None:
        return None
    *values, stale = found
    if stale:
        await tx.execute(text("UPDATE station SET seen_at = now() WHERE id = :id"), {"id": values[0]})
    return Station(*values)


def _hash(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "replace")).digest()
