"""Links that set a password: asked for by e-mail, or sent with an invitation.

A link bears 256 random bits, of which the database keeps the SHA-256; it is good once, and for 30 minutes or, in
an invitation, 72 hours. Setting a password ends all sessions and all other links; a second factor stays on.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import timedelta

from sqlalchemy import text

from kernel import audit, outbox
from kernel.clock import now
from kernel.crypto import BlindIndex, Vault
from kernel.db import Database, Tx
from kernel.errors import Conflict, InvalidInput, NotFound, TooMany
from staff import attempts, emails, mails, passwords, people, sessions
from staff.access import Role
from staff.people import Staff

TOKEN_BYTES = 32
RESET_S = 1800
INVITATION_S = 72 * 3600
PAUSE_S = 60
PER_HOUR_MAX = 5
KEPT_S = 30 * 86_400
PATH = "/console/reset/"
KIND = "staff.reset"
_TOKEN = re.compile(r"[A-Za-z0-9_-]{43}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Link:
    """A link that may still be used, as the page that it leads to needs it."""

    id: int
    kind: str
    staff: Staff = field(repr=False)


async def request(db: Database, vault: Vault, index: BlindIndex, *, email: str, address: str) -> None:
    """Ask for a link by mail. The answer and the work are the same whether anybody has this address or not.

    Who has it is looked up by `answer`, when the outbox delivers.

    Raises:
        InvalidInput: not an e-mail address.
        TooMany: this network address has asked too often.
    """
    folded = emails.parse(email)
    async with db.transaction() as tx:
        place, wait = await attempts.take(tx, index, kind=attempts.RESET, address=address)
        if place is not None:
            body = folded.encode()
            await outbox.put(tx, vault, [outbox.Message(kind=KIND, key=f"{KIND}/{place}", body=body)])
    if place is None:
        raise TooMany(
            "Too many links were asked for from here; try again later.", retry_after_s=wait, reason="asked_too_often"
        )


async def answer(db: Database, vault: Vault, index: BlindIndex, message: outbox.Message, *, base_url: str) -> None:
    """Mail a link to whoever has the address of a request; to its stored form, never to the one typed.

    Nothing is sent to a disabled account, more often than once a minute, or more than five times an hour.
    """
    async with db.transaction() as tx:
        person = await people.by_email(tx, vault, index, message.body.decode())
        if person is None or person.state == "disabled" or not await _may_send(tx, person.id):
            return
        number, token = await _make(tx, person.id, "reset", RESET_S)
        await mails.put(
            tx, vault, to=person, kind="reset", key=f"reset/{number}", link=link_of(base_url, token)
        )  # fmt: skip
        await audit.record(
            tx, brand_id=None, actor="anonymous", action="staff.reset_requested", subject=f"staff {person.id}"
        )


async def _may_send(tx: Tx, staff_id: int) -> bool:
    """Whether the limits on one account's mails allow another; requests for one account wait for each other."""
    await tx.execute(text("SELECT 1 FROM staff WHERE id = :id FOR UPDATE"), {"id": staff_id})
    row = await tx.execute(
        text("""
            SELECT count(*) FILTER (WHERE created_at > :hour), count(*) FILTER (WHERE created_at > :minute)
            FROM staff_reset WHERE staff_id = :id AND kind = 'reset' AND created_at > :hour AND created_at <= :now"""),
        {
            "id": staff_id, "now": now(), "hour": now() - timedelta(hours=1),
            "minute": now() - timedelta(seconds=PAUSE_S),
        },
    )  # fmt: skip
    in_hour, in_minute = row.one()
    return bool(in_minute == 0 and in_hour < PER_HOUR_MAX)


async def invite(
    tx: Tx,
    vault: Vault,
    index: BlindIndex,
    *,
    email: str,
    name: str,
    brand_id: int,
    roles: Collection[Role],
    language: str,
    actor: str,
    base_url: str,
) -> Staff:
    """Give somebody roles at a brand, and mail whoever has no password yet a link to set one.

    Somebody who has an account already keeps its name and language, and is told nothing by mail.

    Raises:
        InvalidInput: e-mail address, name or language is none, or there are no roles.
        Conflict: the account is disabled, or the brand has as many people as it may have.
    """
    if not roles:
        raise InvalidInput("Choose at least one role.", field="roles", reason="no_roles")
    people.judge_name(name)
    person = await people.by_email(tx, vault, index, email)
    if person is None:
        person = await people.create(tx, vault, index, email=email, name=name, language=language, actor=actor)
    if person.state == "disabled":
        raise Conflict(
            "This account is disabled; whoever runs the installation can enable it.",
            field="email",
            reason="account_disabled",
        )
    for role in sorted(roles):
        await people.grant(tx, staff_id=person.id, brand_id=brand_id, role=role, actor=actor)
    if person.state == "invited":
        await send_invitation(tx, vault, person=person, actor=actor, base_url=base_url)
    return await people.get(tx, vault, person.id)


async def send_invitation(tx: Tx, vault: Vault, *, person: Staff, actor: str, base_url: str) -> None:
    """Mail a link of 72 hours to somebody who has set no password yet; earlier ones die.

    Raises:
        Conflict: the person has a password.
        TooMany: one was sent within the last minute.
    """
    if person.state != "invited":
        raise Conflict("This person has set a password already.", reason="has_password")
    await tx.execute(text("SELECT 1 FROM staff WHERE id = :id FOR UPDATE"), {"id": person.id})
    latest = await tx.execute(
        text("SELECT max(created_at) FROM staff_reset WHERE staff_id = :id AND kind = 'invitation'"), {"id": person.id}
    )
    at = latest.scalar_one()
    if at is not None and timedelta(0) <= now() - at < timedelta(seconds=PAUSE_S):
        raise TooMany(
            "An invitation was sent a moment ago; wait a minute.", retry_after_s=PAUSE_S, reason="invited_just_now"
        )
    number, token = await _make(tx, person.id, "invitation", INVITATION_S)
    await mails.put(
        tx, vault, to=person, kind="invitation", key=f"invitation/{number}", link=link_of(base_url, token)
    )  # fmt: skip
    await audit.record(tx, brand_id=None, actor=actor, action="staff.invite", subject=f"staff {person.id}")


async def make_link(tx: Tx, *, staff_id: int, actor: str, base_url: str) -> str:
    """A link of 72 hours that is handed over by whoever runs the installation, not mailed.

    Raises:
        NotFound: nobody has this id.
    """
    row = await tx.execute(text("SELECT 1 FROM staff WHERE id = :id FOR UPDATE"), {"id": staff_id})
    if row.one_or_none() is None:
        raise NotFound(f"There is no account {staff_id}.", reason="no_account")
    _, token = await _make(tx, staff_id, "invitation", INVITATION_S)
    await audit.record(tx, brand_id=None, actor=actor, action="staff.link", subject=f"staff {staff_id}")
    return link_of(base_url, token)


def link_of(base_url: str, token: str) -> str:
    """The address of a link; the base is this installation's own setting, never what a request calls it."""
    return f"{base_url.rstrip('/')}{PATH}{token}"


async def _make(tx: Tx, staff_id: int, kind: str, life_s: int) -> tuple[int, str]:
    """A new link; an invitation takes the place of earlier ones."""
    token = secrets.token_urlsafe(TOKEN_BYTES)
    if kind == "invitation":
        await tx.execute(
            text("UPDATE staff_reset SET used_at = :now WHERE staff_id = :id AND kind = :kind AND used_at IS NULL"),
            {"id": staff_id, "kind": kind, "now": now()},
        )
    row = await tx.execute(
        text("""
            INSERT INTO staff_reset (staff_id, kind, token_hash, created_at, expires_at)
            VALUES (:id, :kind, :hash, :at, :expires) RETURNING id"""),
        {
            "id": staff_id, "kind": kind, "hash": sessions.hash_of(token), "at": now(),
            "expires": now() + timedelta(seconds=life_s),
        },
    )  # fmt: skip
    return int(row.scalar_one()), token


async def find(tx: Tx, vault: Vault, token: str) -> Link | None:
    """What a link is for; None where it is used, expired or was never ours."""
    if not _TOKEN.fullmatch(token):
        return None
    row = await tx.execute(
        text(f"""
            SELECT k.id, k.kind, {people.COLUMNS} FROM staff_reset k JOIN staff p ON p.id = k.staff_id
            WHERE k.token_hash = :hash AND k.used_at IS NULL AND k.expires_at > :now AND p.state = 'active'
                AND k.created_at < :newest"""),  # noqa: S608 (a constant)
        {
            "hash": sessions.hash_of(token), "now": now(),
            "newest": now() + timedelta(seconds=sessions.CLOCK_SKEW_S),
        },
    )  # fmt: skip
    found = row.one_or_none()
    return None if found is None else Link(id=found.id, kind=found.kind, staff=people.of_row(vault, found))


async def use(db: Database, vault: Vault, *, token: str, password: str) -> Staff:
    """Set the password that somebody with a link has chosen; ends all sessions and all links of the person.

    Raises:
        NotFound: the link is used, expired or was never ours.
        InvalidInput: the password is none; the link stays good.
        Unavailable: too many passwords are being hashed.
    """
    gone = NotFound("This link was used already or has expired; ask for a new one.", reason="link_gone")
    async with db.transaction() as tx:
        link = await find(tx, vault, token)
    if link is None:
        raise gone
    passwords.judge(password, email=link.staff.email, name=link.staff.name)
    hashed = await passwords.make(password)
    async with db.transaction() as tx:
        # the account first, as everywhere; then the link, which two tries at once find unused only once
        await tx.execute(text("SELECT 1 FROM staff WHERE id = :id FOR UPDATE"), {"id": link.staff.id})
        if await find(tx, vault, token) is None:
            raise gone
        await set_password(tx, staff_id=link.staff.id, hashed=hashed)
        await sessions.close_all(tx, link.staff.id)
        await audit.record(
            tx, brand_id=None, actor=people.actor_of(link.staff.id), action="staff.password",
            subject=f"staff {link.staff.id}", after={"by": link.kind},
        )  # fmt: skip
        return await people.get(tx, vault, link.staff.id)


async def change(
    db: Database, vault: Vault, *, person: Staff, session_id: int, password: str, base_url: str
) -> None:  # fmt: skip
    """Set a new password for somebody signed in, whose old one was confirmed; all other sessions and links end.

    Raises:
        InvalidInput: the password is none.
        Unavailable: too many passwords are being hashed.
    """
    passwords.judge(password, email=person.email, name=person.name)
    hashed = await passwords.make(password)
    async with db.transaction() as tx:
        await tx.execute(text("SELECT 1 FROM staff WHERE id = :id FOR UPDATE"), {"id": person.id})
        await set_password(tx, staff_id=person.id, hashed=hashed)
        await sessions.close_all(tx, person.id, but=session_id)
        await sessions.confirm(tx, session_id)
        await mails.put(
            tx, vault, to=person, kind="changed", key=f"changed/{secrets.token_hex(8)}",
            link=f"{base_url.rstrip('/')}/console/reset",
        )  # fmt: skip
        await audit.record(
            tx, brand_id=None, actor=people.actor_of(person.id), action="staff.password",
            subject=f"staff {person.id}", after={"by": "password"},
        )  # fmt: skip


async def set_password(tx: Tx, *, staff_id: int, hashed: str) -> None:
    """Store a password's hash, forget the failures of the old one, and let every link die."""
    await tx.execute(
        text("""
            UPDATE staff SET password_hash = :hash, password_at = :now, failures = 0, failed_at = NULL
            WHERE id = :id"""),
        {"id": staff_id, "hash": hashed, "now": now()},
    )
    await tx.execute(
        text("UPDATE staff_reset SET used_at = :now WHERE staff_id = :id AND used_at IS NULL"),
        {"id": staff_id, "now": now()},
    )


async def prune(tx: Tx) -> int:
    """Delete links older than thirty days; returns how many."""
    result = await tx.execute(
        text("DELETE FROM staff_reset WHERE created_at < :before"), {"before": now() - timedelta(seconds=KEPT_S)}
    )
    return result.rowcount
