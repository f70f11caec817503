"""Somebody to sign in to the console with: the story's brand manager. Development only."""

from __future__ import annotations

import asyncio
import json
import os
import secrets
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from kernel.errors import ConfigurationError
from staff import passwords, people, resets
from staff.access import Role
from traceability import catalogue
from yima import runtime
from yima.runtime import Runtime
from yima.settings import Settings
from yima.story import cast

EMAIL: Final = "lin@yunling.example"
NAME: Final = "林经理"
FILE: Final = "console-login.json"


@dataclass(frozen=True, slots=True)
class Login:
    """What to type at the console's sign-in."""

    email: str
    password: str


def hire(settings: Settings, url: str) -> Login:
    """Give the story's brand a manager, an owner of it; the password is kept in the home for the next time.

    Raises:
        ConfigurationError: not a development installation.
    """
    if not settings.dev:
        raise ConfigurationError("The story's manager exists in development only (YIMA_ENV=dev).")
    return asyncio.run(_hire(settings, url))


async def _hire(settings: Settings, url: str) -> Login:
    path = settings.home / FILE
    async with runtime.connect(settings, url, application="yima demo") as opened:
        async with opened.db.transaction() as tx:
            known = await people.by_email(tx, opened.vault, opened.index, EMAIL)
        if known is not None and path.is_file():
            return Login(**json.loads(path.read_text(encoding="utf-8")))
        login = Login(EMAIL, secrets.token_urlsafe(12))
        await _make(opened, login, None if known is None else known.id)
    _keep(path, login)
    return login


async def _make(opened: Runtime, login: Login, staff_id: int | None) -> None:
    """Make the account, or where only its file was lost, give it another password."""
    if staff_id is not None:
        hashed = await passwords.make(login.password)
        async with opened.db.transaction() as tx:
            await resets.set_password(tx, staff_id=staff_id, hashed=hashed)
        return
    async with opened.db.transaction() as tx:
        brand = await catalogue.brand(tx, cast.SLUG)
        person = await people.create(
            tx, opened.vault, opened.index, email=login.email, name=NAME, password=login.password, actor="story"
        )
        await people.grant(tx, staff_id=person.id, brand_id=brand.id, role=Role.OWNER, actor="story")


def _keep(path: Path, login: Login) -> None:
    """Write the file so that only its owner reads it."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump(asdict(login), file)
