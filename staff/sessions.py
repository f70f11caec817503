"""Sessions of the console: a random token in a cookie, of which the database keeps the SHA-256 only.

Roles and state are read with each request, so that what is taken away is gone at once.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import unicodedata
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import text

from kernel.clock import now
from kernel.crypto import Vault
from kernel.db import Tx
from staff import people
from staff.people import Staff

TOKEN_BYTES = 32
IDLE_S = 12 * 3600
LIFE_S = 7 * 86400
TOUCH_S = 60
CONFIRMED_S = 900  # how long a password just given counts for what is asked again for
CLOCK_SKEW_S = 300
AGENT_CHARS_MAX = 200
SESSIONS_MAX = 50  # of one person; the longest unseen gives way
_TOKEN = re.compile(r"[A-Za-z0-9_-]{43}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Session:
    """Somebody signed in, as of this request.

    Attributes:
        csrf: what a form must bring along; the same for the whole session.
        confirmed_at: when the password was last given.
    """

    id: int
    staff: Staff
    csrf: str = field(repr=False)
    opened_at: datetime
    confirmed_at: datetime

    @property
    def confirmed(self) -> bool:
        """Whether the password was given within the last 15 minutes."""
        return now() - self.confirmed_at < timedelta(seconds=CONFIRMED_S)


@dataclass(frozen=True, slots=True)
class Seen:
    """A session as its owner sees it in a list."""

    id: int
    agent: str
    opened_at: datetime
    seen_at: datetime


def hash_of(token: str) -> bytes:
    """What the database keeps of a random token: 256 random bits need no slow hash."""
    return hashlib.sha256(token.encode()).digest()


def _csrf(token: str) -> str:
    """Keyed with the token, so that it can be made from the cookie only, and not from the database."""
    return hmac.new(token.encode(), b"yima/console/csrf/1", hashlib.sha256).hexdigest()


async def open_session(tx: Tx, *, staff_id: int, agent: str) -> str:
    """A new session; returns its token. Never an old token goes on: fixing one beforehand is pointless."""
    token = secrets.token_urlsafe(TOKEN_BYTES)
    await tx.execute(
        text("""
            DELETE FROM staff_session WHERE id IN (
                SELECT id FROM staff_session WHERE staff_id = :id ORDER BY seen_at DESC, id DESC OFFSET :kept)"""),
        {"id": staff_id, "kept": SESSIONS_MAX - 1},
    )
    await tx.execute(
        text("""
            INSERT INTO staff_session (staff_id, token_hash, agent, opened_at, seen_at, confirmed_at)
            VALUES (:id, :hash, :agent, :now, :now, :now)"""),
        {"id": staff_id, "hash": hash_of(token), "agent": _shown(agent), "now": now()},
    )
    return token


def _shown(agent: str) -> str:
    """A browser's name of itself, without what could not be shown or stored."""
    seen = (symbol for symbol in agent[: 4 * AGENT_CHARS_MAX] if unicodedata.category(symbol)[0] != "C")
    return "".join(seen)[:AGENT_CHARS_MAX]


_FIND = text(f"""
    SELECT s.id, s.opened_at, s.seen_at, s.confirmed_at, {people.COLUMNS}
    FROM staff_session s JOIN staff p ON p.id = s.staff_id
    WHERE s.token_hash = :hash AND p.state = 'active'
        AND s.seen_at > :idle AND s.opened_at > :oldest AND s.opened_at < :newest""")  # noqa: S608 (a constant)


async def find(tx: Tx, vault: Vault, token: str) -> Session | None:
    """The session of a token, with the person's roles as they are now; None where there is none any more."""
    if not _TOKEN.fullmatch(token):
        return None
    at = now()
    values = {
        "hash": hash_of(token),
        "idle": at - timedelta(seconds=IDLE_S),
        "oldest": at - timedelta(seconds=LIFE_S),
        # a clock that was set back must not make a session live longer
        "newest": at + timedelta(seconds=CLOCK_SKEW_S),
    }
    row = (await tx.execute(_FIND, values)).one_or_none()
    if row is None:
        return None
    if at - row.seen_at > timedelta(seconds=TOUCH_S):
        await tx.execute(
            text("UPDATE staff_session SET seen_at = :now WHERE id = :id AND seen_at < :now"), {"id": row.id, "now": at}
        )
    return Session(
        id=row.id,
        staff=people.of_row(vault, row),
        csrf=_csrf(token),
        opened_at=row.opened_at,
        confirmed_at=row.confirmed_at,
    )


async def confirm(tx: Tx, session_id: int) -> None:
    """Note that the password was given again just now."""
    await tx.execute(
        text("UPDATE staff_session SET confirmed_at = :now WHERE id = :id"), {"id": session_id, "now": now()}
    )


async def close(tx: Tx, session_id: int) -> None:
    """End a session."""
    await tx.execute(text("DELETE FROM staff_session WHERE id = :id"), {"id": session_id})


async def close_all(tx: Tx, staff_id: int, but: int | None = None) -> int:
    """End all sessions of a person, but one perhaps; returns how many ended."""
    ended = await tx.execute(
        text("DELETE FROM staff_session WHERE staff_id = :id AND id IS DISTINCT FROM CAST(:but AS bigint)"),
        {"id": staff_id, "but": but},
    )
    return ended.rowcount


async def list_sessions(tx: Tx, staff_id: int) -> list[Seen]:
    """A person's sessions that still count, the latest seen first."""
    at = now()
    rows = await tx.execute(
        text("""
            SELECT id, agent, opened_at, seen_at FROM staff_session
            WHERE staff_id = :id AND seen_at > :idle AND opened_at > :oldest ORDER BY seen_at DESC, id DESC"""),
        {"id": staff_id, "idle": at - timedelta(seconds=IDLE_S), "oldest": at - timedelta(seconds=LIFE_S)},
    )
    return [Seen(*row) for row in rows]


async def prune(tx: Tx) -> int:
    """Delete sessions that no longer count; returns how many."""
    at = now()
    result = await tx.execute(
        text("DELETE FROM staff_session WHERE seen_at < :idle OR opened_at < :oldest"),
        {"idle": at - timedelta(seconds=IDLE_S), "oldest": at - timedelta(seconds=LIFE_S)},
    )
    return result.rowcount
