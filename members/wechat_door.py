"""Sign-in with WeChat, from the tap to the token: the use cases.

A sign-in by page leaves for WeChat and comes back with a *state*: 128 random bits, good for ten minutes, once, and
only in the browser that began. The code of the product stays here, sealed, and never goes to WeChat. The state is used
up before WeChat is asked, WeChat is asked outside any transaction, and the member is found or made in one: whatever
fails in between leaves nothing half done but a state that is used.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

import structlog
from sqlalchemy import text

from kernel.clock import now
from kernel.crypto import BlindIndex, Vault
from kernel.db import Database, Tx
from kernel.errors import InvalidInput, NotFound, YimaError
from members import wechat_apps, wechat_people
from members.tokens import Tokens
from members.wechat import Person, Wechat, WechatMisconfigured
from members.wechat_apps import LiveApp, LiveApps

log = structlog.get_logger(__name__)

STATE_LIFE_S: Final = 600
STATE_CHARS: Final = 32
"""Letters and digits: WeChat takes no others, and at most 128."""
RETURN_CHARS_MAX: Final = 400
KEPT: Final = timedelta(days=1)
DENIED: Final = "authdeny"
"""What WeChat's clients send for a code where the person said no; others send none."""


class WechatNotOffered(NotFound):
    """The brand has no such app."""

    code = "wechat_not_offered"


class WechatForeign(InvalidInput):
    """No sign-in of this browser's: no state, another's, or none that we gave."""

    code = "wechat_foreign"


class WechatExpired(InvalidInput):
    """The sign-in was begun more than ten minutes ago."""

    code = "wechat_expired"


class WechatUsed(InvalidInput):
    """The sign-in came back once before."""

    code = "wechat_used"


class WechatDeclined(InvalidInput):
    """The person said no to WeChat's question."""

    code = "wechat_declined"


@dataclass(frozen=True, slots=True)
class Return:
    """Where a sign-in by page ended.

    Attributes:
        brand_slug: the brand's.
        code: the product's code that led here; empty where the account's page did.
        token: a bearer token; None where the sign-in failed.
        error: why it failed.
    """

    brand_slug: str
    code: str
    token: str | None
    error: YimaError | None


@dataclass(frozen=True, slots=True)
class _Begun:
    brand_id: int
    brand_slug: str
    app_id: str
    code: str
    trouble: YimaError | None


class Door:
    """Sign-in with WeChat.

    Args:
        db: the database.
        vault: seals codes and names, opens secrets.
        index: finds what is sealed.
        tokens: issues bearer tokens.
        wechat: asks WeChat.
        apps: the brands' apps.
        charge: counts an attempt from a network address; raises `TooMany` where there were too many.
    """

    def __init__(
        self,
        db: Database,
        vault: Vault,
        index: BlindIndex,
        tokens: Tokens,
        wechat: Wechat,
        apps: LiveApps,
        charge: Callable[[str | None], None],
    ) -> None:
        self._db = db
        self._vault = vault
        self._index = index
        self._tokens = tokens
        self._wechat = wechat
        self._apps = apps
        self._charge = charge

    async def start(self) -> None:
        """Load the apps and keep looking for changes."""
        await self._apps.start()

    async def close(self) -> None:
        """Stop looking, close the connections to WeChat."""
        await self._apps.close()
        await self._wechat.close()

    def leads_to(self, slug: str) -> str:
        """The origin that the button of this brand's pages leads to; empty where it has no official account."""
        return "" if self._apps.of(slug, "official") is None else self._wechat.authorize_origin

    async def begin(self, slug: str, *, code: str, device: str, redirect_uri: str, address: str | None) -> str:
        """Begin a sign-in by page; returns WeChat's address to send the browser to.

        Args:
            slug: the brand's.
            code: the product's code to come back to, or empty.
            device: the browser's name.
            redirect_uri: where WeChat sends the browser back to; nothing of the product in it.
            address: the client's network address.

        Raises:
            WechatNotOffered: the brand has no official account.
            InvalidInput: the code is too long.
            TooMany: too many attempts from this network.
        """
        app = self._app(slug, "official")
        if len(code) > RETURN_CHARS_MAX:
            raise InvalidInput(f"code has more than {RETURN_CHARS_MAX} characters.", field="code")
        self._charge(address)
        state = secrets.token_hex(STATE_CHARS // 2)
        async with self._db.transaction() as tx:
            await tx.execute(
                text("""
                    INSERT INTO wechat_state (state_hash, brand_id, device_index, app_id, code_sealed, expires_at)
                    VALUES (:hash, :brand, :device, :app, :code, :expires)"""),
                {
                    "hash": _hash(state),
                    "brand": app.brand_id,
                    "device": self._index.of("wechat-browser", device),
                    "app": app.app_id,
                    "code": self._vault.seal(code.encode(), _context(state)) if code else None,
                    "expires": now() + timedelta(seconds=STATE_LIFE_S),
                },
            )
        return self._wechat.authorize_url(
            app_id=app.app_id, redirect_uri=redirect_uri, scope=app.scope, state=state
        )  # fmt: skip

    async def finish(self, *, state: str, code: str, device: str) -> Return:
        """End a sign-in by page with what WeChat sent the browser back with.

        Args:
            state: as it came back.
            code: WeChat's; empty where the person said no.
            device: the browser's name.

        Raises:
            WechatForeign: this browser began no such sign-in; nothing is used up.
        """
        begun = await self._take(state, device)
        token, error = None, begun.trouble
        if error is None and code in ("", DENIED):
            error = WechatDeclined("You did not agree, so nothing was stored. You can sign in by phone number.")
        if error is None:
            try:
                app = self._app(begun.brand_slug, "official")
                if app.app_id != begun.app_id:
                    raise _not_offered()
                token = await self._enter(app, code)
            except YimaError as raised:
                error = raised
        return Return(begun.brand_slug, begun.code, token, error)

    async def enter_mini_program(self, slug: str, *, app_id: str, code: str, address: str | None) -> str:
        """Sign in from a Mini Program with the code of `wx.login`; returns a bearer token.

        Raises:
            WechatNotOffered: the brand has no such Mini Program.
            TooMany: too many attempts from this network, or WeChat takes no more.
            YimaError: what `Wechat.person_of_mini_program` raises.
        """
        app = self._app(slug, "mini")
        if app.app_id != app_id:
            raise _not_offered()
        self._charge(address)
        return await self._enter(app, code)

    async def _enter(self, app: LiveApp, code: str) -> str:
        """Ask WeChat, then find or make the member; returns a bearer token."""
        person = await self._ask(app, code)
        async with self._db.transaction() as tx:
            member_id = await wechat_people.sign_in(
                tx, self._vault, self._index, brand_id=app.brand_id, person=person
            )  # fmt: skip
        return self._tokens.issue(member_id, app.brand_id)

    async def _ask(self, app: LiveApp, code: str) -> Person:
        ask = self._wechat.person_of_page if app.kind == "official" else self._wechat.person_of_mini_program
        try:
            return await ask(app_id=app.app_id, secret=app.secret(self._vault), code=code)
        except WechatMisconfigured as error:
            errcode = error.details["errcode"]
            assert isinstance(errcode, int)
            log.warning("wechat.misconfigured", kind=app.kind, app_id=app.app_id, errcode=errcode)
            async with self._db.transaction() as tx:
                await wechat_apps.note_failure(
                    tx, brand_id=app.brand_id, kind=app.kind, app_id=app.app_id, errcode=errcode
                )
            raise

    def _app(self, slug: str, kind: wechat_apps.Kind) -> LiveApp:
        app = self._apps.of(slug, kind)
        if app is None:
            raise _not_offered()
        return app

    async def _take(self, state: str, device: str) -> _Begun:
        """Use a state up; one that this browser has used already, or let expire, says so."""
        foreign = WechatForeign("This sign-in was not begun in this browser: scan the code again and sign in there.")
        if len(state) != STATE_CHARS or not state.isascii() or not state.isalnum():
            raise foreign
        values = {"hash": _hash(state), "device": self._index.of("wechat-browser", device), "now": now()}
        async with self._db.transaction() as tx:
            found = await tx.execute(
                text("""
                    SELECT s.brand_id, b.slug, s.app_id, s.code_sealed, s.used_at, s.expires_at
                    FROM wechat_state s JOIN brand b ON b.id = s.brand_id
                    WHERE s.state_hash = :hash AND s.device_index = :device FOR UPDATE OF s"""),
                values,
            )
            row = found.one_or_none()
            if row is None:
                raise foreign
            trouble: YimaError | None = None
            if row.used_at is not None:
                trouble = WechatUsed("This sign-in was used already: sign in once more.")
            elif row.expires_at <= values["now"]:
                trouble = WechatExpired("This sign-in was begun more than ten minutes ago: sign in once more.")
            else:
                await tx.execute(text("UPDATE wechat_state SET used_at = :now WHERE state_hash = :hash"), values)
        code = "" if row.code_sealed is None else self._vault.open(bytes(row.code_sealed), _context(state)).decode()
        return _Begun(row.brand_id, row.slug, row.app_id, code, trouble)


async def prune(tx: Tx) -> int:
    """Delete sign-ins that expired more than a day ago; returns how many."""
    result: Any = await tx.execute(
        text("DELETE FROM wechat_state WHERE expires_at < :before"), {"before": now() - KEPT}
    )
    return int(result.rowcount)


def _not_offered() -> WechatNotOffered:
    return WechatNotOffered("This brand has no sign-in with this app of WeChat.")


def _hash(state: str) -> bytes:
    return hashlib.sha256(state.encode()).digest()


def _context(state: str) -> str:
    """Sealed under its state: whoever reads the table cannot give the code to another sign-in."""
    return f"wechat-state/{_hash(state).hex()}"
