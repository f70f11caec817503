"""`yima up`: web, workers and beat as child processes over one database, restarted when they die.

`yima up --only ROLE` becomes that one program, for where something else watches over processes (containers,
systemd).

The launcher holds the listening socket and, where there is no `YIMA_DATABASE_URL`, the embedded database. Its
children die with it, however it dies.
"""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn

import structlog

from kernel.errors import ConfigurationError
from yima import broker, migrate, queues, runtime
from yima.settings import Settings

log = structlog.get_logger(__name__)

START_S_MAX = 60.0
STOP_S_MAX = 10.0
DEATHS_MAX = 5
"""A child that dies so often within a minute is not started again, and everything stops."""
_PR_SET_PDEATHSIG = 1


# Our own server is asked directly, whatever proxy the environment names.
_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def listen(bind: tuple[str, int]) -> socket.socket:
    """The listening socket.

    Raises:
        ConfigurationError: the port is taken, or the address is not this machine's.
    """
    family = socket.AF_INET6 if ":" in bind[0] else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind(bind)
        listening.listen(2048)
    except OSError as error:
        listening.close()
        raise ConfigurationError(
            f"Cannot listen on {bind[0]}:{bind[1]}: {error.strerror}. Choose another port with --port or YIMA_BIND."
        ) from error
    listening.set_inheritable(True)
    return listening


def _die_with_parent() -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


ROLES = ("web", "worker", "long-worker", "beat")
WEB_MAX = 64


def command_of(role: str, home: Path) -> list[str]:
    """The program of a role."""
    celery = [sys.executable, "-m", "celery", "-A", "yima.celery_app", "--quiet"]
    worker = [*celery, "worker", "--concurrency=1", "--loglevel=WARNING", "--without-mingle", "--without-gossip"]
    beat = [*celery, "beat", "--loglevel=WARNING", "-S", "yima.signs:Scheduler", "--pidfile="]
    return {
        "web": [sys.executable, "-m", "yima.serve"],
        "worker": [*worker, "-Q", queues.QUEUE, "-n", "short@%h"],
        "long-worker": [*worker, "-Q", queues.LONG_QUEUE, "-n", "long@%h"],
        "beat": [*beat, "-s", str(home / "beat-schedule")],
    }[role]


def become(settings: Settings, role: str) -> NoReturn:
    """Turn this process into the program of a role; it stops on SIGTERM, and whoever started it watches over it.

    Raises:
        ConfigurationError: there is no database of its own to reach, or the web's port is taken.
    """
    if settings.database_url is None:
        raise ConfigurationError(
            "YIMA_DATABASE_URL is missing: `yima up --only` runs one part of an installation, and the embedded "
            "PostgreSQL serves one machine's `yima up` only."
        )
    settings.home.mkdir(parents=True, exist_ok=True)
    broker.prepare(settings, settings.database_url)
    environment = _environment(settings, settings.database_url)
    if role == "web":
        listening = listen(settings.bind)
        environment["YIMA_LISTEN_FD"] = str(listening.detach())
    if role == "beat":
        _clear(settings.home)
    command = command_of(role, settings.home)
    os.execve(command[0], command, environment)  # noqa: S606 (our own program, without a shell)


@dataclass(slots=True)
class Child:
    """One child process and how often it had to be started; web processes have numbers."""

    name: str
    command: list[str]
    number: int | None = None
    process: subprocess.Popen[bytes] | None = None
    deaths: list[float] = field(default_factory=list)


class Launcher:
    """Starts, watches and stops the children."""

    def __init__(self, settings: Settings, url: str, listening: socket.socket, *, web: int = 1) -> None:
        self._settings = settings
        self._listening = listening
        self._environment = _environment(settings, url)
        # all web processes accept from the one socket: what waits in it when one dies is taken by another
        self._children = [
            *(Child("web", command_of("web", settings.home), number) for number in range(web)),
            *(Child(role, command_of(role, settings.home)) for role in ROLES[1:]),
        ]

    @property
    def address(self) -> str:
        """Where the web server answers."""
        host, port = self._settings.bind
        return f"http://{f'[{host}]' if ':' in host else host}:{port}"

    def start(self, stopped: Callable[[], bool]) -> None:
        """Start all children and wait until the web server is ready, or until told to stop.

        Raises:
            ConfigurationError: it did not become ready; the children's own lines above say why.
        """
        for child in self._children:
            self._spawn(child)
        deadline = time.monotonic() + START_S_MAX
        while not stopped() and not self._is_ready():
            web = self._children[0].process
            if web is None or web.poll() is not None or time.monotonic() > deadline:
                raise ConfigurationError("The web server did not start; see the lines above.")
            time.sleep(0.05)

    def _spawn(self, child: Child) -> None:
        environment = dict(self._environment)
        if child.number is not None:
            environment |= {"YIMA_LISTEN_FD": str(self._listening.fileno()), "YIMA_WEB_NUMBER": str(child.number)}
        child.process = subprocess.Popen(
            child.command,
            env=environment,
            pass_fds=[] if child.number is None else [self._listening.fileno()],
            preexec_fn=_die_with_parent,  # noqa: PLW1509 (the launcher has one thread)
            stdin=subprocess.DEVNULL,
            start_new_session=True,  # a Ctrl-C reaches the launcher, which stops them in order
        )

    def _is_ready(self) -> bool:
        try:
            with _DIRECT.open(f"{self.address}/ready", timeout=2) as response:
                return bool(response.status == 200)
        except (urllib.error.URLError, OSError):
            return False

    def watch(self, until: Callable[[], bool]) -> None:
        """Restart children that die, until told to stop.

        Raises:
            ConfigurationError: a child died five times within a minute.
        """
        while not until():
            for child in self._children:
                if child.process is not None and child.process.poll() is not None and not until():
                    self._bury(child)
            time.sleep(0.2)

    def _bury(self, child: Child) -> None:
        assert child.process is not None
        log.warning("child.died", child=child.name, status=child.process.returncode)
        child.deaths = [at for at in child.deaths if at > time.monotonic() - 60] + [time.monotonic()]
        if len(child.deaths) >= DEATHS_MAX:
            raise ConfigurationError(f"The {child.name} process dies again and again; see the lines above.")
        self._spawn(child)

    def stop(self) -> None:
        """Stop beat and worker, then the web server, each gracefully first."""
        for child in reversed(self._children):
            if child.process is not None and child.process.poll() is None:
                child.process.terminate()
        deadline = time.monotonic() + STOP_S_MAX
        for child in self._children:
            if child.process is None:
                continue
            try:
                child.process.wait(max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                child.process.kill()
                child.process.wait()


def _environment(settings: Settings, url: str) -> dict[str, str]:
    """What a child needs to know beyond our own environment; secrets stay where they are (a setting, a file)."""
    host, port = settings.bind
    more = {"YIMA_EMBEDDED_URL": url} if settings.database_url is None else {}
    return {
        **{name: value for name, value in os.environ.items() if name not in ("YIMA_BIND_FILE", "YIMA_HOME_FILE")},
        "YIMA_ENV": settings.env,
        "YIMA_HOME": str(settings.home),
        "YIMA_BIND": f"[{host}]:{port}" if ":" in host else f"{host}:{port}",
        "PYTHONUNBUFFERED": "1",
        **more,
    }


@contextmanager
def running(
    settings: Settings,
    *,
    on_wait: Callable[[str], None] | None = None,
    stopped: Callable[[], bool] = lambda: False,
    web: int = 1,
) -> Iterator[tuple[Launcher, str]]:
    """The whole installation, up and ready, with its database's URL; everything stops when the block ends."""
    with listen(settings.bind) as listening, runtime.database_url(settings, on_wait=on_wait) as url:
        if settings.database_url is None:
            migrate.upgrade(url)
        broker.prepare(settings, url)
        _clear(settings.home)
        launcher = Launcher(settings, url, listening, web=web)
        try:
            launcher.start(stopped)
            yield launcher, url
        finally:
            launcher.stop()


def _clear(home: Path) -> None:
    """Beat's schedule file may be torn by a kill; it holds nothing that is not made anew."""
    home.mkdir(parents=True, exist_ok=True)
    for left in home.glob("beat-schedule*"):
        left.unlink()


@contextmanager
def stop_signals() -> Iterator[Callable[[], bool]]:
    """Turns SIGINT and SIGTERM into a question that answers True once one came."""
    told = False

    def tell(*_: object) -> None:
        nonlocal told
        told = True

    before = {number: signal.signal(number, tell) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: told
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
