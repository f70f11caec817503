"""The keeper: a small process that owns an embedded PostgreSQL server and ends with its last user.

`kernel.postgres` starts it, detached, as a script of its own: it needs nothing but the standard library, so
that it costs little memory and no time. It also lends `kernel.postgres` what both need: the layout of the
folder, the locks, and a look at the server's processes.

Three files are locked (`flock`, which the kernel releases however a process ends), all in `HOME/postgres`:

* `users.lock`: shared by every process that uses the server. When the keeper gets it exclusively, nobody is
  left; it keeps it until the server is down, so a newcomer waits for the end and then starts the server
  again.
* `keeper.lock`: held by the keeper for life. Whoever finds it free starts a keeper.
* `start.lock`: held by the one process that prepares the folder. `initdb` inherits it, so that after a kill
  −9 in the middle the next process waits until the orphaned `initdb` is gone too.

A server that dies is started again while it has users. A keeper that dies leaves the server running, and the
next keeper adopts it.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

PORT = 5432
"""Only the name of the socket depends on it: there is no TCP."""

_TICK_S = 0.4
_STARTING_TICK_S = 0.02
_LOG_FILES_MAX = 7
_PRUNE_EVERY_S = 3600.0
_RESTARTS_MAX = 5
_RESTART_WINDOW_S = 60.0
_FAST_SHUTDOWN_S = 60.0


@dataclass(frozen=True, slots=True)
class Layout:
    """Where everything lies; `root` is `HOME/postgres`, with symbolic links resolved."""

    root: Path

    @property
    def data(self) -> Path:
        """The data folder of the server."""
        return self.root / "data"

    @property
    def run(self) -> Path:
        """The folder of the socket, open to nobody but the server's account."""
        return self.root / "run"

    @property
    def log(self) -> Path:
        """The folder of the server's log files."""
        return self.root / "log"

    @property
    def keeper_log(self) -> Path:
        """What the keeper says, and the server before its own log is open."""
        return self.root / "keeper.log"

    @property
    def users_lock(self) -> Path:
        """Shared by every process that uses the server."""
        return self.root / "users.lock"

    @property
    def keeper_lock(self) -> Path:
        """Held by the keeper; its text is the keeper's process id and the folder it was started for."""
        return self.root / "keeper.lock"

    @property
    def start_lock(self) -> Path:
        """Held while the folder is prepared or the server stopped by hand."""
        return self.root / "start.lock"


def open_lock(path: Path) -> int:
    """Open a lock file, creating it if needed; the descriptor is not inherited by programs started later."""
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)


def try_lock(fd: int, kind: int) -> bool:
    """Take the lock (`fcntl.LOCK_EX` or `LOCK_SH`) if it is free now; say whether."""
    try:
        fcntl.flock(fd, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def is_locked(path: Path) -> bool:
    """Whether somebody holds the lock exclusively."""
    try:
        fd = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
    except FileNotFoundError:
        return False
    try:
        return not try_lock(fd, fcntl.LOCK_SH)
    finally:
        os.close(fd)


def read_text(path: Path, limit_bytes: int = 65536) -> str:
    """The end of a text file, or nothing if there is none; never through a symbolic link.

    The server's account owns these files, and the reader may be root.
    """
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError:
        return ""
    with os.fdopen(fd, "rb") as file:
        file.seek(max(0, os.fstat(file.fileno()).st_size - limit_bytes))
        return file.read(limit_bytes).decode("utf-8", "replace")


@dataclass(frozen=True, slots=True)
class Server:
    """The server's processes as the operating system shows them.

    They are known by `name`, which every one of them bears on its command line, and by their account. (Their
    working folder would say it too, but root in a container may not look at that of another account.)
    """

    layout: Layout
    name: str
    uid: int

    @classmethod
    def of(cls, layout: Layout) -> Server:
        """The server of this data folder.

        Its name comes from the folder's inode, which stays taken while a process works in it. So a copy of
        the folder, or a new one in the place of a removed one, has a server of another name.
        """
        data = layout.data.stat()
        name = "yima-" + hashlib.sha256(f"{data.st_dev}:{data.st_ino}".encode()).hexdigest()[:16]
        return cls(layout, name, data.st_uid)

    def is_current(self) -> bool:
        """Whether the data folder is still the one this server was started for."""
        try:
            return Server.of(self.layout) == self
        except FileNotFoundError:
            return False

    def owns(self, pid: int) -> bool:
        """Whether the process is one of this server's."""
        try:
            command = Path(f"/proc/{pid}/cmdline").read_bytes()
            return self.name.encode() in command and Path(f"/proc/{pid}").stat().st_uid == self.uid
        except OSError:
            return False  # it ended while we looked

    def processes(self) -> list[int]:
        """Ids of all processes of this server, orphans included."""
        pids = (int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit())
        return [pid for pid in pids if self.owns(pid)]

    def postmaster(self) -> tuple[int, str] | None:
        """Process id and status (`starting`, `ready`, `stopping`) of the running server, if there is one."""
        lines = read_text(self.layout.data / "postmaster.pid").splitlines()
        if not lines or not lines[0].isdigit() or not self.owns(int(lines[0])):
            return None
        return int(lines[0]), lines[7].strip() if len(lines) > 7 else "starting"

    def is_ready(self) -> bool:
        """Whether the server takes connections."""
        running = self.postmaster()
        return running is not None and running[1] == "ready"

    def stop(self, pid: int) -> None:
        """Stop the server: fast, then at once, then by force; returns when no process of it is left."""
        for number, patience_s in ((signal.SIGINT, _FAST_SHUTDOWN_S), (signal.SIGQUIT, 5.0)):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
            if self._wait_for_end(pid, patience_s):
                break
        self.clear_remains()

    def _wait_for_end(self, pid: int, patience_s: float) -> bool:
        deadline = time.monotonic() + patience_s
        while self.owns(pid):
            if time.monotonic() > deadline:
                return False
            reap()
            time.sleep(0.01)
        return True

    def clear_remains(self) -> None:
        """End what a killed server left behind.

        Its backends end by themselves as soon as they notice, but one that computes may not notice for long,
        and no new server can start beside it. Killing it loses nothing: what it had not committed is void.
        """
        patience_end = time.monotonic() + 1.0
        while left := self.processes():
            if time.monotonic() > patience_end:
                for pid in left:
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)
            reap()
            time.sleep(0.02)
        if not self.is_current():
            return
        # The process id in these may belong to a stranger by now, and PostgreSQL would refuse to start.
        (self.layout.data / "postmaster.pid").unlink(missing_ok=True)
        (self.layout.run / f".s.PGSQL.{PORT}.lock").unlink(missing_ok=True)


def reap() -> None:
    """Let ended children go, if this process has any."""
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def account_of(uid: int, gid: int) -> dict[str, int | list[int]]:
    """Arguments for `subprocess` to run a program under this account; none unless we are root."""
    if os.geteuid() != 0:
        return {}
    return {"user": uid, "group": gid, "extra_groups": []}


ENVIRONMENT = {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"}
"""All that the server's programs see of the environment: nothing of the caller's, so no secrets."""

WORKING_FOLDER = "/proc/self/cwd"
"""The data folder as the server is told it. Resolved by the kernel without walking the path, so that the
server's account need not be able to pass through the folders above (a home below /root, say)."""


class Keeper:
    """Keeps the server running while it has users."""

    def __init__(self, layout: Layout, programs: Path) -> None:
        self._layout = layout
        self._programs = programs
        self._server = Server.of(layout)
        self._users = open_lock(layout.users_lock)
        self._told_to_stop = threading.Event()
        self._restarts: deque[float] = deque(maxlen=_RESTARTS_MAX)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: self._told_to_stop.set())

    def keep(self) -> None:
        """Start or adopt the server and stay until nobody uses it."""
        while not self._is_gone():
            running = self._server.postmaster()
            pid = running[0] if running else self._start()
            end = self._watch(pid)
            if end == "unneeded":
                self._server.stop(pid)
            if end != "ended" or not self._may_restart():
                return

    def _start(self) -> int:
        self._server.clear_remains()
        data = self._layout.data.stat()
        command = [
            str(self._programs / "postgres"),
            "-D",
            WORKING_FOLDER,
            "-c",
            f"cluster_name={self._server.name}",
        ]
        account = account_of(data.st_uid, data.st_gid)
        # Its end is learnt from the list of processes, as that of an adopted server, hence no `wait` here.
        server: subprocess.Popen[bytes] = subprocess.Popen(
            command,
            cwd=self._layout.data,
            env=ENVIRONMENT,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
            umask=0o077,
            **account,  # type: ignore[call-overload]
        )
        return server.pid

    def _watch(self, pid: int) -> Literal["unneeded", "ended", "failed"]:
        """Wait until the server is to be stopped, ended by itself, or failed to start."""
        was_ready = False
        next_prune = 0.0
        while True:
            if self._told_to_stop.wait(_TICK_S if was_ready else _STARTING_TICK_S):
                return "unneeded"
            reap()
            if not self._server.owns(pid):
                return "ended" if was_ready else "failed"
            was_ready = was_ready or self._server.is_ready()
            if self._is_gone() or try_lock(self._users, fcntl.LOCK_EX):
                return "unneeded"
            if time.monotonic() > next_prune:
                next_prune = time.monotonic() + _PRUNE_EVERY_S
                prune_logs(self._layout.log)

    def _may_restart(self) -> bool:
        now = time.monotonic()
        if len(self._restarts) == _RESTARTS_MAX and now - self._restarts[0] < _RESTART_WINDOW_S:
            print("The server keeps ending; giving up.", file=sys.stderr, flush=True)  # noqa: T201 - our log
            return False
        self._restarts.append(now)
        print("The server ended; starting it again.", file=sys.stderr, flush=True)  # noqa: T201 - our log
        return True

    def _is_gone(self) -> bool:
        """Whether the home was removed, replaced or moved away, or the data folder in it."""
        try:
            named = self._layout.users_lock.stat()
        except OSError:
            return True
        return not os.path.samestat(named, os.fstat(self._users)) or not self._server.is_current()


def prune_logs(folder: Path) -> None:
    """Keep the newest few log files; the server bounds each by size and age."""
    with contextlib.suppress(FileNotFoundError):
        for log in sorted(folder.glob("*.log"))[:-_LOG_FILES_MAX]:
            log.unlink(missing_ok=True)


def main(root: str, programs: str, lock: str) -> None:
    """Detach from whoever started us, then keep; `lock` is the inherited, locked `keeper.lock`."""
    if os.fork():
        os._exit(0)  # the starter need not wait for us, nor own a zombie
    fd = int(lock)
    os.set_inheritable(fd, False)
    os.ftruncate(fd, 0)
    os.pwrite(fd, f"{os.getpid()}\n{root}\n".encode(), 0)
    keeper = Keeper(Layout(Path(root)), Path(programs))
    keeper.keep()
    # This one first: who then gets hold of users.lock must find no keeper.
    os.close(fd)


if __name__ == "__main__":
    main(*sys.argv[1:])
