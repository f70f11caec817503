"""What the database, the brokers and the files of a deployment tell, in sentences; asked by `yima doctor`."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from kombu.connection import Connection
from sqlalchemy import text

from kernel import heartbeats
from kernel.clock import now
from kernel.db import Tx
from traceability import journal_months
from yima import migrate
from yima.environment import Network
from yima.runtime import Runtime
from yima.settings import DEV_KEY_FILE, Settings

SECRET_CHARS_GOOD = 32
SECRET_SYMBOLS_MIN = 10
HEARTBEAT_AGE_S_MAX = 60
ARCHIVE_AGE_S_MAX = 600
BACKUP_AGE_S_MAX = 26 * 3600
PARTITIONS_AHEAD_MIN = 1
BROKER_S_MAX = 3
ROLES = ("worker", "long worker", "beat")


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at."""

    name: str
    ok: bool
    said: str


# --- without the database -----------------------------------------------------------------------------------


def secrets(settings: Settings) -> Finding:
    """How strong the master secrets are."""
    weak = [
        place
        for place, key in enumerate(settings.secret_keys, 1)
        if len(key) < SECRET_CHARS_GOOD or len(set(key)) < SECRET_SYMBOLS_MIN
    ]
    if weak:
        which = ", ".join(map(str, weak))
        said = (
            f"secret {which} of YIMA_SECRET_KEYS is short or plain: `head -c 32 /dev/urandom | base64` makes a good one"
        )
        return Finding("secret keys", ok=settings.dev, said=said)
    return Finding("secret keys", ok=True, said=f"{len(settings.secret_keys)}, the newest seals")


def proxies(settings: Settings) -> Finding:
    """Whether those that forward are known, and nobody else is."""
    wide = [str(network) for network in settings.trusted_proxies if _is_wide(network)]
    if wide:
        said = f"YIMA_TRUSTED_PROXIES holds {wide[0]}: anybody could claim any address"
        return Finding("proxies", ok=False, said=said)
    if settings.trusted_proxies:
        return Finding("proxies", ok=True, said=", ".join(map(str, settings.trusted_proxies)))
    secure = urlsplit(settings.public_url).scheme.lower() == "https"
    if secure and not settings.dev:
        said = "YIMA_TRUSTED_PROXIES is not set: every client seems to have the TLS proxy's address"
        return Finding("proxies", ok=False, said=said)
    return Finding("proxies", ok=True, said="none: clients come directly")


def _is_wide(network: Network) -> bool:
    return network.prefixlen < (8 if network.version == 4 else 16)


def files(settings: Settings) -> Finding:
    """Whether others of this machine can read secrets or the home."""
    named = [Path(path) for name, path in os.environ.items() if name.startswith("YIMA_") and name.endswith("_FILE")]
    loose = [
        str(path) for path in (*named, settings.home / DEV_KEY_FILE) if path.is_file() and path.stat().st_mode & 0o004
    ]
    if settings.home.is_dir() and settings.home.stat().st_mode & 0o002:
        loose.append(str(settings.home))
    if loose:
        return Finding("files", ok=False, said=f"open to other accounts: {', '.join(loose)}")
    return Finding("files", ok=True, said="secrets are their owner's only")


def brokers(settings: Settings) -> list[Finding]:
    """Whether the broker and the cache answer."""
    found = []
    if settings.broker_url is None:
        said = "messages travel over the database; a broker of its own carries more"
        found.append(Finding("broker", ok=True, said=said))
    else:
        confirms = "amqp" in settings.broker_url.partition(":")[0]
        how = "publishing is confirmed" if confirms else "publishing is not confirmed: the sweep finds what is lost"
        found.append(_reach("broker", settings.broker_url, how))
    if settings.redis_url is not None:
        found.append(_reach("redis", settings.redis_url, "answers"))
    return found


def _reach(name: str, url: str, said: str) -> Finding:
    try:
        host = urlsplit(url).hostname or "?"
        with Connection(url, connect_timeout=BROKER_S_MAX) as connection:
            connection.ensure_connection(max_retries=1, timeout=BROKER_S_MAX)
    except Exception as error:  # whatever the client raises; its text may repeat the password
        return Finding(name, ok=False, said=f"cannot be reached ({type(error).__name__})")
    return Finding(name, ok=True, said=f"{host}: {said}")


def backup_folder(settings: Settings) -> list[Finding]:
    """How old the last base backup is, where its folder can be looked at."""
    if settings.backup_folder is None:
        return []
    last = settings.backup_folder / "last"
    try:
        age_s = time.time() - int(last.read_text())
    except (OSError, ValueError):
        return [Finding("base backup", ok=False, said=f"none was ever made ({last} tells of none)")]
    return [Finding("base backup", ok=age_s <= BACKUP_AGE_S_MAX, said=f"{age_s / 3600:.1f} h old")]


# --- of the database ----------------------------------------------------------------------------------------


async def database(opened: Runtime) -> list[Finding]:
    """Everything that the database tells of the deployment."""
    async with opened.db.transaction() as tx:
        schema = await tx.run_sync(migrate.state)
        return [
            await _version(tx),
            Finding(
                "schema", ok=migrate.suits(schema), said=f"revision {schema.revision}, this version's {migrate.head()}"
            ),
            await _growth(tx),
            await _old_masters(tx, opened),
            await _partitions(tx),
            await _journal_archive(tx),
            *await _processes(tx, opened.settings),
            await _archive(tx, opened.settings),
        ]


async def _version(tx: Tx) -> Finding:
    number = int((await tx.execute(text("SHOW server_version_num"))).scalar_one())
    said = f"{number // 10000}.{number % 10000}"
    return Finding("postgresql", ok=number // 10000 >= migrate.POSTGRESQL_MIN, said=said)


async def _growth(tx: Tx) -> Finding:
    row = await tx.execute(
        text("""
            SELECT pg_database_size(current_database()) AS bytes,
                (SELECT coalesce(sum(greatest(c.reltuples, 0)), 0) FROM pg_inherits i
                    JOIN pg_class c ON c.oid = i.inhrelid WHERE i.inhparent = 'scan'::regclass) AS scans""")
    )
    size, scans = row.one()
    each = f", {size / scans:,.0f} bytes a scan in all" if scans >= 1000 else ""
    return Finding("database size", ok=True, said=f"{size / 2**20:,.0f} MiB, about {int(scans):,} scans{each}")


async def _old_masters(tx: Tx, opened: Runtime) -> Finding:
    """Whether anything is still sealed under a secret that is not the newest."""
    newest = opened.vault.seal(b"", "doctor")[1:5]
    rows = await tx.execute(
        text("""
            SELECT what, count(*) FILTER (WHERE substring(sealed FROM 2 FOR 4) <> :newest) FROM (
                SELECT 'data keys' AS what, sealed FROM data_key
                UNION ALL SELECT 'draw seeds', seed_sealed FROM draw) s GROUP BY what ORDER BY what"""),
        {"newest": newest},
    )
    older = [f"{count} {what}" for what, count in rows if count]
    if not older:
        return Finding("older secrets", ok=True, said="data keys and seeds are sealed under the newest")
    said = f"{', '.join(older)} are sealed under older ones: those must stay in YIMA_SECRET_KEYS"
    return Finding("older secrets", ok=len(opened.settings.secret_keys) > 1, said=said)


async def _partitions(tx: Tx) -> Finding:
    rows = await tx.execute(
        text("""
            SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
            WHERE i.inhparent = 'scan'::regclass AND c.relname > :this"""),
        {"this": f"scan_{now():%Y_%m}"},
    )
    ahead = len(list(rows.scalars()))
    return Finding("journal partitions", ok=ahead >= PARTITIONS_AHEAD_MIN, said=f"{ahead} months ahead")


async def _journal_archive(tx: Tx) -> Finding:
    cut_off = [each.name for each in await journal_months.months(tx) if each.state == "detaching"]
    if cut_off:
        said = f"the detachment of {cut_off[0]} was cut off: run yima journal detach again"
        return Finding("journal archive", ok=False, said=said)
    missing = await journal_months.archived_before(tx)
    said = "the journal is whole" if missing is None else f"scans before {missing:%Y-%m-%d} are archived"
    return Finding("journal archive", ok=True, said=said)


async def _processes(tx: Tx, settings: Settings) -> list[Finding]:
    latest = await heartbeats.latest(tx)
    found = []
    for role in ROLES:
        at = latest.get(role)
        if at is None:
            found.append(Finding(role, ok=settings.dev, said="has never shown life"))
            continue
        age_s = (now() - at).total_seconds()
        lives = age_s <= HEARTBEAT_AGE_S_MAX
        found.append(Finding(role, ok=lives or settings.dev, said=f"showed life {age_s:,.0f} s ago"))
    return found


async def _archive(tx: Tx, settings: Settings) -> Finding:
    row = await tx.execute(
        text("""
            SELECT current_setting('archive_mode') <> 'off' AS is_on, last_archived_time AS at,
                coalesce(last_failed_time > coalesce(last_archived_time, '-infinity'), false) AS fails
            FROM pg_stat_archiver""")
    )
    is_on, at, fails = row.one()
    if not is_on:
        said = "WAL is not archived: a restore to a moment is impossible"
        return Finding("wal archive", ok=settings.dev, said=said)
    if fails:
        return Finding("wal archive", ok=False, said="the last try to archive failed: see the server's log")
    if at is None:
        return Finding("wal archive", ok=False, said="nothing was archived yet")
    age_s = (now() - at).total_seconds()
    return Finding("wal archive", ok=age_s <= ARCHIVE_AGE_S_MAX, said=f"last archived {age_s:,.0f} s ago")
