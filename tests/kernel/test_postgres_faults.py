"""The embedded server in bad times: killed processes, damaged folders, full disks."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from kernel import postgres
from kernel.errors import ConfigurationError
from kernel.postgres_keeper import Layout, Server, is_locked, prune_logs, read_text

PROJECT = Path(__file__).parents[2]


def wait_until(condition: Callable[[], bool], patience_s: float = 20.0) -> None:
    deadline = time.monotonic() + patience_s
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.01)


def layout_of(home: Path) -> Layout:
    return Layout(home.resolve() / "postgres")


def keeper_of(home: Path) -> int:
    path = layout_of(home).keeper_lock
    wait_until(lambda: is_locked(path) and "\n" in read_text(path))
    return int(read_text(path).split("\n")[0])


def postmaster_of(home: Path) -> int:
    running = Server.of(layout_of(home)).postmaster()
    assert running
    return running[0]


def has_ended(pid: int) -> bool:
    try:
        return "\nState:\tZ" in Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return True


def kill_and_wait(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: has_ended(pid))


def remove(home: Path) -> None:
    """As a person does it, though the server may write or tidy meanwhile."""
    wait_until(lambda: subprocess.run(["rm", "-rf", str(home)], check=False, capture_output=True).returncode == 0)


def connect(attachment: postgres.Attachment) -> psycopg.Connection:
    return psycopg.connect(attachment.endpoint.url("psycopg").replace("+psycopg", ""), autocommit=True)


def count(attachment: postgres.Attachment) -> int:
    with connect(attachment) as connection:
        row = connection.execute("SELECT count(*) FROM kept").fetchone()
    assert row
    return int(row[0])


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A stopped home with three committed rows; tests work on copies."""
    home = tmp_path_factory.mktemp("filled") / "home"
    with postgres.attach(home) as attachment, connect(attachment) as connection:
        connection.execute("CREATE TABLE kept AS SELECT generate_series(1, 3) AS number")
    postgres.stop_now(home)
    return home


@pytest.fixture
def home(filled: Path, tmp_path: Path) -> Iterator[Path]:
    home = tmp_path / "home"
    subprocess.run(["cp", "-a", str(filled), str(home)], check=True)
    yield home
    if home.exists():
        postgres.stop_now(home)


def test_rows_survive_the_killing_of_the_postmaster_alone(home: Path) -> None:
    with postgres.attach(home) as attachment:
        with connect(attachment) as connection:
            connection.execute("INSERT INTO kept VALUES (4)")
        first = postmaster_of(home)
        kill_and_wait(first)
        wait_until(lambda: Server.of(layout_of(home)).is_ready() and postmaster_of(home) != first)
        with postgres.attach(home) as again:
            assert count(again) == 4


def test_rows_survive_the_killing_of_keeper_and_postmaster_with_a_backend_that_computes(home: Path) -> None:
    with postgres.attach(home) as attachment:
        busy = connect(attachment)
        busy.execute("INSERT INTO kept VALUES (4)")
        busy.pgconn.send_query(b"SELECT count(*) FROM (SELECT generate_series(1, 4000000000)) AS numbers")
        backend = busy.info.backend_pid
        for pid in (keeper_of(home), postmaster_of(home)):
            kill_and_wait(pid)
        with postgres.attach(home) as again:
            assert count(again) == 4
            assert not Server.of(layout_of(home)).owns(backend)
        busy.close()


def test_a_process_id_that_now_belongs_to_a_stranger_does_not_stop_the_start(home: Path) -> None:
    layout = layout_of(home)
    stranger = subprocess.Popen(["sleep", "60"], **account_of_data(layout))
    with stranger:
        lines = [stranger.pid, "/proc/self/cwd", 1700000000, 5432, "../run", "", "1 1", "ready"]
        (layout.data / "postmaster.pid").write_text("\n".join(map(str, lines)) + "\n")
        lock = layout.run / ".s.PGSQL.5432.lock"
        lock.write_text("\n".join(map(str, lines[:5])) + "\n")
        with postgres.attach(home) as attachment:
            assert count(attachment) == 3
        assert stranger.poll() is None
        stranger.kill()


def account_of_data(layout: Layout) -> dict:
    if os.geteuid() != 0:
        return {}
    owner = layout.data.stat()
    return {"user": owner.st_uid, "group": owner.st_gid, "extra_groups": []}


def test_a_new_keeper_adopts_the_server_of_a_killed_one(home: Path) -> None:
    with postgres.attach(home) as attachment:
        keeper, server = keeper_of(home), postmaster_of(home)
        kill_and_wait(keeper)
        wait_until(lambda: not is_locked(layout_of(home).keeper_lock))
        assert count(attachment) == 3
        with postgres.attach(home) as again:
            assert count(again) == 3
            assert postmaster_of(home) == server
            assert keeper_of(home) != keeper
    wait_until(lambda: not Server.of(layout_of(home)).processes())


@pytest.mark.parametrize("delay_s", [0.15, 0.35, 0.6, 0.8])
def test_a_first_start_that_is_killed_is_repaired_by_the_next(tmp_path: Path, delay_s: float) -> None:
    home = tmp_path / "home"
    script = "import sys, pathlib, kernel.postgres as p; print(flush=True); p.attach(pathlib.Path(sys.argv[1]))"
    command = [sys.executable, "-c", script, str(home)]
    with subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.PIPE) as starter:
        assert starter.stdout
        starter.stdout.readline()
        time.sleep(delay_s)
        starter.kill()
    with postgres.attach(home) as attachment, connect(attachment) as connection:
        assert connection.execute("SELECT current_user").fetchone() == ("yima",)
        assert not (layout_of(home).root / "data.new").exists()
    postgres.stop_now(home)


def test_the_killing_of_all_users_at_once_stops_the_server(home: Path) -> None:
    script = (
        "import os, sys, pathlib, kernel.postgres as p; p.attach(pathlib.Path(sys.argv[1]));"
        " os.fork(); print(flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", script, str(home)]
    with subprocess.Popen(
        command, cwd=PROJECT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
    ) as users:
        assert users.stdout
        users.stdout.readline()
        users.stdout.readline()
        server = Server.of(layout_of(home))
        assert server.is_ready()
        os.killpg(users.pid, signal.SIGKILL)
    wait_until(lambda: not server.processes() and not is_locked(layout_of(home).keeper_lock))


def test_the_server_stops_when_its_home_is_removed(home: Path) -> None:
    with postgres.attach(home):
        server, keeper = Server.of(layout_of(home)), keeper_of(home)
        remove(home)
        wait_until(lambda: not server.processes() and has_ended(keeper))


def test_a_new_home_in_the_place_of_a_removed_one_works_at_once_and_later(home: Path) -> None:
    with postgres.attach(home):
        keeper = keeper_of(home)
        remove(home)
        with postgres.attach(home) as attachment:
            wait_until(lambda: has_ended(keeper))
            with connect(attachment) as connection:
                assert connection.execute("SELECT to_regclass('kept')").fetchone() == (None,)
            assert (layout_of(home).data / "postmaster.pid").exists()


def test_a_moved_home_works_in_its_new_place(home: Path, tmp_path: Path) -> None:
    moved = tmp_path / "moved"
    with postgres.attach(home):
        home.rename(moved)
        with postgres.attach(moved) as attachment:
            assert count(attachment) == 3
    postgres.stop_now(moved)


def test_a_copy_of_a_running_home_has_a_server_of_its_own(home: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    with postgres.attach(home) as original:
        subprocess.run(["cp", "-a", str(home), str(copy)], check=True)
        with postgres.attach(copy) as attachment:
            with connect(attachment) as connection:
                connection.execute("INSERT INTO kept VALUES (4)")
            assert (count(attachment), count(original)) == (4, 3)
    postgres.stop_now(copy)


def test_stop_now_stops_a_server_in_use(home: Path) -> None:
    with postgres.attach(home):
        postgres.stop_now(home)
        assert not Server.of(layout_of(home)).processes()
        with postgres.attach(home) as again:
            assert count(again) == 3


def test_a_damaged_data_folder_is_named_and_left_alone(home: Path) -> None:
    data = layout_of(home).data
    (data / "global" / "pg_control").unlink()
    with pytest.raises(ConfigurationError, match=r"is damaged.*restore a backup") as caught:
        postgres.attach(home)
    assert str(data) in caught.value.message
    assert (data / "PG_VERSION").exists()


def test_a_server_that_does_not_start_is_told_with_its_last_words(home: Path) -> None:
    data = layout_of(home).data
    control = (data / "global" / "pg_control").read_bytes()
    (data / "global" / "pg_control").write_bytes(b"\x00" * len(control))
    with pytest.raises(ConfigurationError, match=r"(?s)does not start in .*last words.*(FATAL|PANIC)") as caught:
        postgres.attach(home)
    assert str(data) in caught.value.message
    (data / "global" / "pg_control").write_bytes(control)
    with postgres.attach(home) as attachment:
        assert count(attachment) == 3


def test_a_data_folder_of_another_version_is_refused(home: Path) -> None:
    (layout_of(home).data / "PG_VERSION").write_text("17\n")
    with pytest.raises(ConfigurationError, match="made by PostgreSQL 17, and this is 18"):
        postgres.attach(home)


def test_a_lost_password_is_named(home: Path) -> None:
    (layout_of(home).root / "password").unlink()
    with pytest.raises(ConfigurationError, match=r"password is missing"):
        postgres.attach(home)


def test_a_home_that_is_a_file_is_named(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.write_text("")
    with pytest.raises(ConfigurationError) as caught:
        postgres.attach(home)
    assert str(home) in caught.value.message


def test_a_home_that_cannot_be_written_is_named() -> None:
    with pytest.raises(ConfigurationError) as caught:
        postgres.attach(Path("/proc/yima-home"))
    assert "/proc/yima-home" in caught.value.message


def test_a_first_start_without_room_is_told_and_leaves_no_data_folder(tmp_path: Path) -> None:
    home = tmp_path / "home"
    script = """
import pathlib, resource, signal, sys
import kernel.postgres as p
from kernel.errors import ConfigurationError
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000))
try:
    p.attach(pathlib.Path(sys.argv[1]))
except ConfigurationError as error:
    print(error.message)
"""
    command = [sys.executable, "-c", script, str(home)]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=True)
    assert f"cannot make its data folder in {layout_of(home).root}" in done.stdout
    assert not layout_of(home).data.exists()
    with postgres.attach(home) as attachment, connect(attachment) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)
    postgres.stop_now(home)


def test_waiting_is_told(home: Path) -> None:
    told: list[str] = []
    layout = layout_of(home)
    with postgres._starting(layout, postgres._Waiting(None)):
        script = (
            "import sys, pathlib, kernel.postgres as p;"
            " p.attach(pathlib.Path(sys.argv[1]), on_wait=lambda s: print(s, flush=True))"
        )
        command = [sys.executable, "-c", script, str(home)]
        waiter = subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.PIPE, text=True)
        assert waiter.stdout
        told.append(waiter.stdout.readline())
    with waiter:
        assert waiter.wait() == 0
    assert "Another process is preparing PostgreSQL" in told[0]


def test_a_recovery_is_waited_for_as_long_as_it_lasts_and_told(home: Path) -> None:
    with postgres.attach(home) as attachment:
        status = layout_of(home).data / "postmaster.pid"
        ready = status.read_text()
        status.write_text(ready.replace("ready   ", "starting"))
        told: list[str] = []

        def listen(sentence: str) -> None:
            told.append(sentence)
            if len(told) == 2:
                status.write_text(ready)

        with postgres.attach(home, on_wait=listen) as again:
            assert count(again) == count(attachment) == 3
    assert len(told) == 2
    assert told[0].startswith("PostgreSQL is starting (1 s): ")


def test_a_server_that_keeps_dying_is_given_up_and_started_by_the_next(home: Path) -> None:
    with postgres.attach(home):
        layout, keeper = layout_of(home), keeper_of(home)
        while not has_ended(keeper):
            running = Server.of(layout).postmaster()
            if running and running[1] == "ready":
                time.sleep(0.1)  # for the keeper to see that it was ready
                kill_and_wait(running[0])
            time.sleep(0.01)
        with postgres.attach(home) as again:
            assert count(again) == 3


def test_permissions_that_somebody_opened_are_closed_again(home: Path) -> None:
    subprocess.run(["chmod", "-R", "a+rwX", str(home)], check=True)
    with postgres.attach(home) as attachment:
        assert count(attachment) == 3
    root = layout_of(home).root
    modes = [(root / name).stat().st_mode & 0o777 for name in ("data", "run", "log", "password")]
    assert modes == [0o700, 0o700, 0o700, 0o600]


def test_only_the_newest_log_files_are_kept(tmp_path: Path) -> None:
    for day in range(10, 22):
        (tmp_path / f"postgresql-202605{day}-000000.log").touch()
    prune_logs(tmp_path)
    assert [log.name[17:19] for log in sorted(tmp_path.iterdir())] == [str(day) for day in range(15, 22)]


def test_a_log_that_is_a_symbolic_link_is_not_read(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("secret")
    link = tmp_path / "link"
    link.symlink_to(secret)
    assert read_text(secret) == "secret"
    assert read_text(link) == ""
