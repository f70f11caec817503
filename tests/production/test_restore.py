"""Backups that were restored: exactly the state of a moment, proved by the audit, after damage."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import secrets
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.engine import URL, make_url

from kernel import postgres
from kernel.postgres_folder import SERVER_UID
from tests.world import World
from yima import audit, migrate, runtime
from yima.settings import Settings

SCRIPTS = Path(__file__).parents[2] / "deploy" / "backup"
WAIT_S_MAX = 60


def until(true: Any, what: str) -> Any:
    """Poll; the limit only keeps a defect from hanging the run."""
    deadline = time.monotonic() + WAIT_S_MAX
    while not (found := true()):
        assert time.monotonic() < deadline, f"in vain: {what}"
        time.sleep(0.05)
    return found


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder that the server's account reaches too, with the scripts and the backups' folders."""
    folder = Path(tempfile.mkdtemp(prefix="yima-backup-", dir="/tmp"))
    folder.chmod(0o711)
    shutil.copytree(SCRIPTS, folder / "scripts")
    (folder / "scripts").chmod(0o755)
    for name in ("base", "wal"):
        (folder / name).mkdir(mode=0o700)
        if os.geteuid() == 0:
            os.chown(folder / name, SERVER_UID, SERVER_UID)
    yield folder
    shutil.rmtree(folder)


@dataclasses.dataclass(frozen=True, slots=True)
class Archived:
    """An embedded server whose WAL goes to an archive."""

    place: Path
    home: Path
    attachment: postgres.Attachment

    @property
    def url(self) -> str:
        return self.attachment.endpoint.url("asyncpg")

    def script(self, name: str, *arguments: object, **env: str) -> subprocess.CompletedProcess[str]:
        end = self.attachment.endpoint
        return subprocess.run(
            [str(self.place / "scripts" / name), *map(str, arguments)], capture_output=True, text=True, check=False,
            env={"PATH": f"{end.bin_dir}:{os.environ['PATH']}", "PGHOST": str(end.socket_dir), "PGUSER": "postgres",
                 "PGPORT": str(end.port), "YIMA_BACKUP_FOLDER": str(self.place), **env},
        )  # fmt: skip

    def ask(self, statement: str) -> Any:
        """One value, as the superuser."""
        with superuser(self.attachment) as connection:
            return connection.execute(text(statement)).scalar_one()


@contextlib.contextmanager
def superuser(attachment: postgres.Attachment) -> Iterator[Any]:
    end = attachment.endpoint
    url = URL.create(
        "postgresql+psycopg", username="postgres", database="yima",
        query={"host": str(end.socket_dir), "port": str(end.port)},
    )  # fmt: skip
    engine = create_engine(url, isolation_level="AUTOCOMMIT")
    try:
        with engine.connect() as connection:
            yield connection
    finally:
        engine.dispose()


@pytest.fixture
def archived(place: Path, tmp_path: Path) -> Iterator[Archived]:
    home = tmp_path / "home"
    with postgres.attach(home):
        pass
    postgres.stop_now(home)
    hba = place / "pg_hba.conf"
    hba.write_text("local all postgres trust\nlocal replication postgres trust\nlocal all all scram-sha-256\n")
    hba.chmod(0o644)
    with (home / "postgres" / "data" / "postgresql.auto.conf").open("a") as file:
        file.write(
            f"hba_file = '{hba}'\narchive_mode = on\nmax_wal_senders = 5\n"
            f'archive_command = \'YIMA_WAL_ARCHIVE={place}/wal {place}/scripts/archive-wal.sh "%p" "%f"\'\n'
        )
    with postgres.attach(home) as attachment:
        migrate.upgrade(attachment.endpoint.url("asyncpg"))
        yield Archived(place, home, attachment)
    postgres.stop_now(home)


async def state(opened: runtime.Runtime) -> dict[str, Any]:
    """Every row of what matters, as one hash a table, and the audit's figures."""
    found = {}
    async with opened.db.transaction() as tx:
        for table in ("scan", "unit", "claim", "account", "entry", "lot", "member", "audit_trail", "scan_replay"):
            row = await tx.execute(
                text(f"SELECT count(*), md5(string_agg(t::text, '|' ORDER BY t::text)) FROM {table} t")
            )
            found[table] = tuple(row.one())
    proved = await audit.audit(opened)
    assert proved.ok
    return {**found, **proved.figures}


async def test_a_restore_to_a_moment_brings_back_exactly_its_state(
    archived: Archived, settings: Settings, tmp_path: Path
) -> None:
    async with contextlib.AsyncExitStack() as stack:
        opened = await stack.enter_async_context(
            runtime.connect(settings, archived.url, pool_size=4, application="test")
        )
        world = await World.make(opened, tmp_path, stack)
        for number in range(5):
            await world.scan(world.lines[number], member=number)
        done = archived.script("base-backup.sh")
        assert done.returncode == 0, done.stderr
        assert "1 kept" in done.stdout
        for number in range(5, 25):
            await world.scan(world.lines[number], member=number % 20)
        await world.service.counters.flush()
        moment = archived.ask("SELECT clock_timestamp()")
        expected = await state(opened)

        # later scans, which the restore takes back, and damage
        for number in range(25, 30):
            await world.scan(world.lines[number], member=number % 20)
        async with opened.db.transaction() as tx:
            await tx.execute(text("UPDATE account SET balance = 1000000 WHERE member_id IS NOT NULL"))
            await tx.execute(text("DELETE FROM claim"))
        damaged = await audit.audit(opened)
        assert not damaged.ok
        last = archived.ask("SELECT pg_walfile_name(pg_switch_wal())")
        until((archived.place / "wal" / last).exists, "the last WAL is archived")
        phones_key = opened.settings.secret_keys
    postgres.stop_now(archived.home)

    # a new home: the folder of the restore, and the password of the old one
    home = tmp_path / "restored"
    (home / "postgres").mkdir(parents=True)
    done = archived.script("restore.sh", moment.isoformat(), home / "postgres" / "data")
    assert done.returncode == 0, done.stderr
    shutil.copy(archived.home / "postgres" / "password", home / "postgres" / "password")
    with postgres.attach(home) as attachment:

        def recovered() -> bool:
            with superuser(attachment) as connection:
                return connection.execute(text("SELECT NOT pg_is_in_recovery()")).scalar_one()

        until(recovered, "recovery ends")
        async with contextlib.AsyncExitStack() as stack:
            opened = await stack.enter_async_context(
                runtime.connect(settings, attachment.endpoint.url("asyncpg"), pool_size=4, application="test")
            )
            assert opened.settings.secret_keys == phones_key
            assert await state(opened) == expected
            # and it serves: the code whose scan was taken back is claimed anew
            world = dataclasses.replace(world, opened=opened)
            async with opened.db.transaction() as tx:
                claims = await tx.execute(text("SELECT count(*) FROM claim"))
                assert claims.scalar_one() == 25
    postgres.stop_now(home)


def test_what_is_in_the_archive_is_never_overwritten(place: Path, tmp_path: Path) -> None:
    archive, name = place / "wal", "000000010000000000000001"
    given = tmp_path / "segment"

    def put() -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(SCRIPTS / "archive-wal.sh"), str(given), name], capture_output=True, text=True, check=False,
            env={**os.environ, "YIMA_WAL_ARCHIVE": str(archive)},
        )  # fmt: skip

    assert put().returncode != 0, "nothing to archive"
    assert list(archive.iterdir()) == []
    given.write_bytes(b"first")
    assert put().returncode == 0
    assert put().returncode == 0, "the same again is fine: the server asks again after a crash"
    given.write_bytes(b"other")
    refused = put()
    assert refused.returncode == 1
    assert "with another content" in refused.stderr
    assert [(path.name, path.read_bytes()) for path in archive.iterdir()] == [(name, b"first")]
    archive.rename(place / "gone")
    assert put().returncode != 0, "an archive that is not mounted is no success"


def test_only_the_youngest_backups_and_the_wal_they_need_are_kept(archived: Archived) -> None:
    names = []
    for _ in range(3):
        archived.ask("SELECT pg_switch_wal() IS NOT NULL")
        done = archived.script("base-backup.sh", YIMA_BACKUPS_KEPT="2")
        assert done.returncode == 0, done.stderr
        names.append(max(path.name for path in (archived.place / "base").iterdir()))
        began = datetime.now(UTC)
        until(lambda began=began: datetime.now(UTC).replace(microsecond=0) > began, "a name of its own")  # type: ignore[misc]
    assert sorted(path.name for path in (archived.place / "base").iterdir()) == names[1:]
    label = (archived.place / "base" / names[1] / "backup_label").read_text()
    first = label.split("(file ")[1][:24]
    wal = sorted(path.name for path in (archived.place / "wal").iterdir())
    assert wal[0] >= first
    assert archived.script("is-fresh.sh").returncode == 0
    assert archived.script("is-fresh.sh", YIMA_BACKUP_AGE_S_MAX="-1").returncode == 1
    assert archived.script("is-fresh.sh", YIMA_WAL_AGE_S_MAX="-1").returncode == 1
    assert archived.script("base-backup.sh", YIMA_BACKUPS_KEPT="0").returncode == 2

    # a moment before every backup, no moment at all, and a folder that is there
    new = archived.place / "new"
    early = (datetime.now(UTC) - timedelta(days=1)).isoformat()
    for arguments, said in (((early, new), "no base backup"), (("soon'; x", new), "is no moment"),
                            (("latest", archived.place), "exists already"), ((), "MOMENT")):  # fmt: skip
        refused = archived.script("restore.sh", *arguments)
        assert refused.returncode != 0
        assert said in refused.stderr
    assert not new.exists()

    # a backup that was altered is refused
    for name in names[1:]:
        control = archived.place / "base" / name / "global" / "pg_control"
        control.write_bytes(secrets.token_bytes(len(control.read_bytes())))
    assert archived.script("restore.sh", "latest", new).returncode != 0
    assert not new.exists()
    assert make_url(archived.url).database == "yima"
