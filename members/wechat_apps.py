"""A brand's apps at WeChat: its official account and its Mini Program, by app id and secret.

A secret is sealed, shown to nobody again and never told to the audit trail. Processes that serve people keep the apps
in memory, secrets sealed, and look for changes each second.
"""

from __future__ import annotations

import asyncio
import re
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal, get_args

import structlog
from sqlalchemy import text

from kernel import audit
from kernel.clock import now
from kernel.crypto import Vault
from kernel.db import Database, Tx
from kernel.errors import Conflict, InvalidInput, NotFound

log = structlog.get_logger(__name__)

Kind = Literal["official", "mini"]
KINDS: Final[tuple[Kind, ...]] = get_args(Kind)
SCOPES: Final = ("snsapi_base", "snsapi_userinfo")
"""What an official account asks for: `snsapi_base` asks nobody and gives the openid; `snsapi_userinfo` shows WeChat's
own question and gives the unionid, too. Name and picture are asked for by neither of our pages."""

APP_ID_CHARS: Final = 18
SECRET_CHARS: Final = 32
REFRESH_S: Final = 1.0
NOTED_EVERY: Final = timedelta(minutes=1)

_APP_ID: Final = re.compile(r"wx[0-9a-z]{16}")
_SECRET: Final = re.compile(r"[0-9A-Za-z]{32}")


@dataclass(frozen=True, slots=True)
class App:
    """An app as people may see it: all but the secret.

    Attributes:
        kind: `official` (account) or `mini` (program).
        app_id: WeChat's name of it.
        scope: of an official account, one of `SCOPES`; empty for a Mini Program.
        version: counts changes.
        changed_at: when it was last changed.
        failed_errcode: what WeChat said when it last refused the app itself; None where it never did since the change.
        failed_at: when that was.
    """

    kind: str
    app_id: str
    scope: str
    version: int
    changed_at: datetime
    failed_errcode: int | None
    failed_at: datetime | None


async def list_of(tx: Tx, *, brand_id: int) -> list[App]:
    """A brand's apps."""
    rows = await tx.execute(
        text("""
            SELECT kind, app_id, scope, version, changed_at, failed_errcode, failed_at FROM wechat_app
            WHERE brand_id = :brand ORDER BY kind DESC"""),
        {"brand": brand_id},
    )
    return [App(*row) for row in rows]


async def put(
    tx: Tx,
    vault: Vault,
    *,
    brand_id: int,
    kind: str,
    app_id: str,
    secret: str,
    scope: str = "",
    version: int | None = None,
    actor: str,
) -> App:
    """Set a brand's app of a kind, or change it.

    Args:
        tx: the transaction.
        vault: seals the secret.
        brand_id: whose.
        kind: `official` or `mini`.
        app_id: WeChat's name of it.
        secret: its AppSecret; empty keeps the one that is set, as long as the app is the same.
        scope: of an official account.
        version: of the app that the person saw (0: none); None where nobody saw one.
        actor: who.

    Raises:
        InvalidInput: a value is wrong; the detail `field` names it.
        Conflict: somebody else changed it since.
    """
    _judge(kind, app_id, secret, scope)
    before = await _lock(tx, brand_id, kind, version)
    if not secret and (before is None or before.app_id != app_id):
        raise InvalidInput("The app secret is missing: another app comes with its own.", field="secret")
    if before is not None and not secret and before.scope == scope:
        return before
    values = {"brand": brand_id, "kind": kind, "app": app_id, "scope": scope, "at": now()}
    sealed = vault.seal(secret.encode(), _context(brand_id, app_id)) if secret else None
    if before is None:
        made = await tx.execute(
            text("""
                INSERT INTO wechat_app (brand_id, kind, app_id, secret_sealed, scope, changed_at)
                VALUES (:brand, :kind, :app, :sealed, :scope, :at) ON CONFLICT DO NOTHING RETURNING version"""),
            values | {"sealed": sealed},
        )
        if made.one_or_none() is None:
            raise _changed()
    else:
        await tx.execute(
            text("""
                UPDATE wechat_app SET app_id = :app, secret_sealed = coalesce(:sealed, secret_sealed), scope = :scope,
                    version = version + 1, changed_at = :at, failed_errcode = NULL, failed_at = NULL
                WHERE brand_id = :brand AND kind = :kind"""),
            values | {"sealed": sealed},
        )
    await audit.record(
        tx,
        brand_id=brand_id,
        actor=actor,
        action="wechat.app.set",
        subject=f"wechat {kind}",
        before=None if before is None else {"app_id": before.app_id, "scope": before.scope},
        after={"app_id": app_id, "scope": scope, "secret": "set" if secret else "kept"},
    )
    return next(each for each in await list_of(tx, brand_id=brand_id) if each.kind == kind)


async def remove(tx: Tx, *, brand_id: int, kind: str, version: int | None = None, actor: str) -> None:
    """Take an app away, its secret with it; who signed in by it stays a member.

    Raises:
        InvalidInput: there is no such kind.
        NotFound: none is set.
        Conflict: somebody else changed it since.
    """
    _judge_kind(kind)
    before = await _lock(tx, brand_id, kind, version)
    if before is None:
        raise NotFound("The brand has no such app.")
    await tx.execute(
        text("DELETE FROM wechat_app WHERE brand_id = :brand AND kind = :kind"), {"brand": brand_id, "kind": kind}
    )
    await audit.record(
        tx,
        brand_id=brand_id,
        actor=actor,
        action="wechat.app.remove",
        subject=f"wechat {kind}",
        before={"app_id": before.app_id, "scope": before.scope},
        after=None,
    )


async def note_failure(tx: Tx, *, brand_id: int, kind: str, app_id: str, errcode: int) -> None:
    """Remember that WeChat refused the app itself, for whoever can mend it; once a minute is enough."""
    at = now()
    await tx.execute(
        text("""
            UPDATE wechat_app SET failed_errcode = :errcode, failed_at = :at
            WHERE brand_id = :brand AND kind = :kind AND app_id = :app
                AND (failed_at IS NULL OR failed_errcode <> :errcode OR failed_at < :recent)"""),
        {"brand": brand_id, "kind": kind, "app": app_id, "errcode": errcode, "at": at, "recent": at - NOTED_EVERY},
    )


async def _lock(tx: Tx, brand_id: int, kind: str, version: int | None) -> App | None:
    row = await tx.execute(
        text("""
            SELECT kind, app_id, scope, version, changed_at, failed_errcode, failed_at FROM wechat_app
            WHERE brand_id = :brand AND kind = :kind FOR UPDATE"""),
        {"brand": brand_id, "kind": kind},
    )
    found = row.one_or_none()
    if version is not None and version != (0 if found is None else found.version):
        raise _changed()
    return None if found is None else App(*found)


def _changed() -> Conflict:
    return Conflict("Somebody else changed this app since you opened the page: look at it again.")


def _judge_kind(kind: str) -> None:
    if kind not in KINDS:
        raise InvalidInput(f"kind is one of {', '.join(KINDS)}.", field="kind")


def _judge(kind: str, app_id: str, secret: str, scope: str) -> None:
    _judge_kind(kind)
    if _APP_ID.fullmatch(app_id) is None:
        raise InvalidInput("The app id is wx and 16 small letters or digits, as WeChat shows it.", field="app_id")
    if secret and _SECRET.fullmatch(secret) is None:
        raise InvalidInput(f"The app secret is {SECRET_CHARS} letters and digits.", field="secret")
    if (scope not in SCOPES) if kind == "official" else scope:
        raise InvalidInput(
            f"The scope of an official account is one of {', '.join(SCOPES)}; a Mini Program has none.", field="scope"
        )


def _context(brand_id: int, app_id: str) -> str:
    return f"wechat-app/{brand_id}/{app_id}"


@dataclass(frozen=True, slots=True)
class LiveApp:
    """An app as it is used: the secret is opened for the moment of an exchange only."""

    brand_id: int
    kind: str
    app_id: str
    scope: str
    secret_sealed: bytes

    def secret(self, vault: Vault) -> str:
        """The AppSecret."""
        return vault.open(self.secret_sealed, _context(self.brand_id, self.app_id)).decode()

    def __repr__(self) -> str:
        return f"LiveApp({self.kind}, {self.app_id})"


class LiveApps:
    """Every brand's apps in memory, looked for again each second: whoever shows a page asks no database."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._task: asyncio.Task[None] | None = None
        self._apps: dict[tuple[str, str], LiveApp] = {}

    def of(self, slug: str, kind: Kind) -> LiveApp | None:
        """A brand's app of a kind; None where it has none."""
        return self._apps.get((slug, kind))

    async def start(self) -> None:
        """Load all, then keep looking."""
        await self.refresh()
        self._task = asyncio.create_task(self._run())

    async def close(self) -> None:
        """Stop looking."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    async def refresh(self) -> None:
        """Load what there is."""
        async with self._db.transaction() as tx:
            rows = await tx.execute(
                text("""
                    SELECT b.slug, a.brand_id, a.kind, a.app_id, a.scope, a.secret_sealed
                    FROM wechat_app a JOIN brand b ON b.id = a.brand_id""")
            )
            self._apps = {
                (row.slug, row.kind): LiveApp(row.brand_id, row.kind, row.app_id, row.scope, bytes(row.secret_sealed))
                for row in rows
            }

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(REFRESH_S)
            try:
                await self.refresh()
            except Exception as error:  # noqa: BLE001 (the apps known so far serve on)
                log.warning("wechat.unread", error=type(error).__name__)
