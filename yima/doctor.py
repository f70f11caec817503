"""`yima doctor`: what is wrong with this installation, in sentences."""

from __future__ import annotations

import asyncio
import ctypes.util
import shutil
from collections.abc import Callable
from datetime import timedelta
from urllib.parse import urlsplit

from sqlalchemy import text

from kernel.clock import now
from kernel.errors import YimaError
from traceability import handover
from traceability.regions import Regions
from yima import durability, examination, host_probe, key_examination, mail, migrate, runtime
from yima.examination import Finding
from yima.runtime import Runtime
from yima.settings import Settings

DISK_FREE_BYTES_MIN = 1 << 30
CLOCK_SKEW_S_MAX = 2


def examine(settings: Settings) -> list[Finding]:
    """Look at everything; nothing stops the looking."""
    found = [
        Finding("settings", ok=True, said=f"{settings.env}, home {settings.home}"),
        _public_url(settings),
        _disk(settings),
        _library(),
        _tried("regions", lambda: Regions.load().version),
        _texts(settings),
        _mail(settings),
        examination.secrets(settings),
        examination.proxies(settings),
        examination.files(settings),
        *examination.brokers(settings),
        *examination.backup_folder(settings),
    ]
    try:
        with runtime.database_url(settings) as url:
            done = migrate.upgrade(url) if settings.database_url is None else None
            found += asyncio.run(_database(settings, url))
            if done is not None and done.before != done.after:
                found.append(Finding("migrations", ok=True, said=f"migrated to {done.after} just now"))
    except YimaError as error:
        found.append(Finding("database", ok=False, said=error.message))
    return found


def _tried(name: str, look: Callable[[], str]) -> Finding:
    try:
        return Finding(name, ok=True, said=look())
    except YimaError as error:
        return Finding(name, ok=False, said=error.message)


def _public_url(settings: Settings) -> Finding:
    host = urlsplit(settings.public_url).hostname or ""
    local = host in ("127.0.0.1", "localhost", "::1")
    said = settings.public_url + (": codes printed with it work on this machine only" if local else "")
    return Finding("public url", ok=settings.dev or not local, said=said)


def _disk(settings: Settings) -> Finding:
    settings.home.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(settings.home).free
    return Finding("disk", ok=free >= DISK_FREE_BYTES_MIN, said=f"{free / (1 << 30):.1f} GiB free at {settings.home}")


def _library() -> Finding:
    found = ctypes.util.find_library("zbar")
    return Finding("zbar", ok=found is not None, said=found or "libzbar0 is not installed: no read-back")


def _texts(settings: Settings) -> Finding:
    if settings.sms_url is not None:
        return Finding("text messages", ok=True, said=f"posted to {urlsplit(settings.sms_url).hostname}")
    if settings.dev:
        return Finding("text messages", ok=True, said=f"written to {runtime.development_outbox(settings)}")
    return Finding("text messages", ok=False, said="YIMA_SMS_URL is not set: nobody can sign in")


def _mail(settings: Settings) -> Finding:
    if settings.smtp_url is not None:
        server = mail.parse_server(settings.smtp_url)
        how = "TLS" if server.tls else "STARTTLS" if server.starttls else "no encryption"
        return Finding("e-mail", ok=True, said=f"handed to {server.host}:{server.port}, {how}")
    if settings.dev:
        return Finding("e-mail", ok=True, said=f"written to {runtime.development_mails(settings)}")
    return Finding("e-mail", ok=False, said="YIMA_SMTP_URL is not set: no password resets, no invitations by mail")


async def _database(settings: Settings, url: str) -> list[Finding]:
    async with runtime.connect(settings, url, application="yima doctor", examining=True) as opened:
        return [
            await _setting(opened, "fsync", "on"),
            await _setting(opened, "full_page_writes", "on"),
            await _setting(opened, "synchronous_commit", "on"),
            await _logged(opened),
            await _clock(opened),
            *await examination.database(opened),
            *await key_examination.keys_of(opened),
            await _backlog(opened),
            *await _hosts(opened),
        ]


async def _setting(opened: Runtime, name: str, wanted: str) -> Finding:
    async with opened.db.transaction() as tx:
        value = (await tx.execute(text(f"SHOW {name}"))).scalar_one()
    said = value if value == wanted else f"{value}: a crash may lose what was acknowledged"
    return Finding(name, ok=value == wanted, said=said)


async def _logged(opened: Runtime) -> Finding:
    async with opened.db.transaction() as tx:
        unlogged = [loss for loss in await durability.losses(tx) if loss.startswith("table ")]
    return Finding("tables", ok=not unlogged, said=", ".join(unlogged) or "all are logged")


async def _clock(opened: Runtime) -> Finding:
    async with opened.db.transaction() as tx:
        theirs = (await tx.execute(text("SELECT clock_timestamp()"))).scalar_one()
    skew = abs((theirs - now()) / timedelta(seconds=1))
    return Finding("clock", ok=skew <= CLOCK_SKEW_S_MAX, said=f"{skew:.2f} s from the database's")


async def _backlog(opened: Runtime) -> Finding:
    async with opened.db.transaction() as tx:
        row = await tx.execute(
            text("""
                SELECT count(*) FILTER (WHERE state = 'due'), count(*) FILTER (WHERE state = 'dead'),
                    (SELECT count(*) FROM task WHERE state = 'failed') FROM outbox_message""")
        )
    due, dead, failed = row.one()
    said = f"{due} messages due, {dead} undeliverable, {failed} tasks failed"
    return Finding("backlog", ok=dead == 0 and failed == 0, said=said)


async def _hosts(opened: Runtime) -> list[Finding]:
    """The hosts that pages hand over to, as they are at this moment."""
    async with opened.db.transaction() as tx:
        found = await handover.all_of(tx)
    dev = opened.settings.dev
    secure = not dev or opened.settings.public_url.lower().startswith("https://")
    problems = await asyncio.gather(
        *(host_probe.look(each.host, secure=secure, private=dev) for each in found.values())
    )
    return [
        Finding(f"member host of {slug}", ok=not problem, said=f"{each.host}: {problem or 'answers'}")
        for (slug, each), problem in zip(found.items(), problems, strict=True)
    ]
