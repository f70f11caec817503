"""`yima up`: web, worker and beat as child processes over one database, restarted when they die.

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
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import structlog

from kernel.errors import ConfigurationError
from yima import broker, migrate, runtime
from yima.settings import Settings

log = structlog.get_logger(__name__)

START_S_MAX = 60.0
STOP_S_MAX = 15.0
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


@dataclass(slots=True)
class Child:
    """One child process and how often it had to be started."""

    name: str
    command: list[str]
    process: subprocess.Popen[bytes] | None = None
    deaths: list[float] = field(default_factory=list)


class Launcher:
    """Starts, watches and stops the children."""

    def __init__(self, settings: Settings, url: str, listening: socket.socket) -> None:
        self._settings = settings
        self._listening = listening
        self._environment = _environment(settings, url, listening)
        celery = [sys.executable, "-m", "celery", "-A", "yima.celery_app", "--quiet"]
        schedule = settings.home / "beat-schedule"
        worker = [*celery, "worker", "--concurrency=1", "--loglevel=WARNING", "--without-mingle", "--without-gossip"]
        self._children = [
            Child("web", [sys.executable, "-m", "yima.serve"]),
            Child("worker", [*worker, "-Q", broker.QUEUE, "-n", "short@%h"]),
            Child("long worker", [*worker, "-Q", broker.LONG_QUEUE, "-n", "long@%h"]),
            Child("beat", [*celery, "beat", "--loglevel=WARNING", "-s", str(schedule), "--pidfile="]),
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
        child.process = subprocess.Popen(
            child.command,
            env=self._environment,
            pass_fds=[self._listening.fileno()] if child.name == "web" else [],
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


def _environment(settings: Settings, url: str, listening: socket.socket) -> Mapping[str, str]:
    host, port = settings.bind
    return {
        **os.environ,
        "YIMA_ENV": settings.env,
        "YIMA_HOME": str(settings.home),
        "YIMA_BIND": f"{host}:{port}",
        "YIMA_SECRET_KEYS": ",".join(settings.secret_keys),
        "YIMA_EMBEDDED_URL": url,
        "YIMA_LISTEN_FD": str(listening.fileno()),
        "PYTHONUNBUFFERED": "1",
    }


@contextmanager
def running(
    settings: Settings,
    *,
    on_wait: Callable[[str], None] | None = None,
    stopped: Callable[[], bool] = lambda: False,
) -> Iterator[tuple[Launcher, str]]:
    """The whole installation, up and ready, with its database's URL; everything stops when the block ends."""
    with listen(settings.bind) as listening, runtime.database_url(settings, on_wait=on_wait) as url:
        if settings.database_url is None:
            migrate.upgrade(url)
        broker.prepare(settings, url)
        _clear(settings.home)
        launcher = Launcher(settings, url, listening)
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
