"""The running installation: settings, database, secrets, data; opened once a process, closed at its end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import asyncpg
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError

from kernel import postgres
from kernel.crypto import BlindIndex, Vault, load_data_key
from kernel.custody import Custodian
from kernel.db import Database
from kernel.errors import ConfigurationError
from yima import durability, migrate
from yima.settings import Settings

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Runtime:
    """What every use case of this process stands on."""

    settings: Settings
    url: str
    db: Database
    vault: Vault
    index: BlindIndex


@contextmanager
def database_url(settings: Settings, *, on_wait: Callable[[str], None] | None = None) -> Iterator[str]:
    """The database's URL; without `YIMA_DATABASE_URL` the embedded server runs while the block does."""
    if settings.database_url is not None:
        yield settings.database_url
        return
    with postgres.attach(settings.home, on_wait=on_wait) as attachment:
        yield attachment.endpoint.url("asyncpg")


def open_vault(settings: Settings) -> Vault:
    """The master secrets, and the custody of code keys; a token is asked only when a key is wanted.

    Raises:
        ConfigurationError: a master is missing or too short.
    """
    custodians: list[Custodian] = []
    if settings.pkcs11 is not None:
        from kernel.pkcs11 import Token  # noqa: PLC0415 (slow to import, and seldom wanted)

        custodians.append(Token(settings.pkcs11))
    return Vault(
        settings.secret_keys,
        custodians,
        sealing=settings.key_custody == "pkcs11",
        dual_control=not settings.dev,
    )


@asynccontextmanager
async def connect(
    settings: Settings, url: str, *, pool_size: int = 0, application: str, examining: bool = False
) -> AsyncIterator[Runtime]:
    """Open the database and load the data keys.

    Args:
        settings: of this installation.
        url: the database's address.
        pool_size: connections kept open; 0 opens one for each transaction.
        application: the name shown in `pg_stat_activity`.
        examining: open a database that may lose what it acknowledged, too.

    Raises:
        ConfigurationError: the database cannot be reached, its schema does not suit this version, or a crash of its
            machine would lose what it acknowledged.
    """
    vault = open_vault(settings)
    db = Database(url, pool_size=pool_size, application=application)
    try:
        try:
            async with db.transaction() as tx:
                schema = await tx.run_sync(migrate.state)
                losses = [] if settings.unsafe_database or examining else await durability.losses(tx)
        except (OSError, DBAPIError, asyncpg.PostgresError) as error:
            raise ConfigurationError(f"The database cannot be reached: {_why(error, url)}.") from None
        refusal = migrate.refusal(schema) or durability.refusal(losses)
        if refusal is not None:
            raise ConfigurationError(refusal)
        async with db.transaction() as tx:
            index = BlindIndex(await load_data_key(tx, vault, "blind-index"))
        yield Runtime(settings, url, db, vault, index)
    finally:
        await db.close()


def _why(error: BaseException, url: str) -> str:
    """Why a connection failed, without the password that some texts repeat."""
    if isinstance(error, OSError):
        return error.strerror or "no answer"
    state = getattr(error, "sqlstate", None) or getattr(getattr(error, "orig", None), "sqlstate", None)
    if state in ("28P01", "28000"):
        return "the user name or password is wrong"
    if state == "3D000":
        return f"the server has no database {make_url(url).database!r}"
    return type(error).__name__


def run(
    settings: Settings,
    use: Callable[[Runtime], Awaitable[Result]],
    *,
    application: str = "yima command",
    on_wait: Callable[[str], None] | None = None,
    migrating: bool = True,
) -> Result:
    """Run one use case with everything opened before and closed after.

    Args:
        settings: of this installation.
        use: the use case.
        application: the name shown in `pg_stat_activity`.
        on_wait: told what the embedded database is waiting for.
        migrating: bring an embedded database's schema up first; a production database is migrated on purpose only.
    """
    with database_url(settings, on_wait=on_wait) as url:
        if migrating and settings.database_url is None:
            migrate.upgrade(url)
        return asyncio.run(_run(settings, url, use, application))


async def _run(settings: Settings, url: str, use: Callable[[Runtime], Awaitable[Result]], application: str) -> Result:
    async with connect(settings, url, application=application) as runtime:
        return await use(runtime)


def development_outbox(settings: Settings) -> Path:
    """The file that development's text messages are written to."""
    return settings.home / "outbox" / "sms.jsonl"


def development_mails(settings: Settings) -> Path:
    """The file that development's mails are written to."""
    return settings.home / "outbox" / "mail.jsonl"
