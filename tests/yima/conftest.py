"""Homes of their own for the command line, and children that are stopped whatever happens."""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import json
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

import click
import pytest

from kernel import postgres
from yima.cli.main import cli, main

YIMA = Path(sys.executable).with_name("yima")
HANGS_S = 240
"""A command that takes longer hangs."""

for _name in cli.list_commands(click.Context(cli)):  # imported once here, and not by each forked process
    cli.get_command(click.Context(cli), _name)


# Below those that the kernel hands to outgoing connections: between our looking and a service's listening, one of
# these would take the port. Each process of a run has a residue of its own, so that none takes another's.
_PORTS, _PROCESSES_MAX = range(10_240, 32_768), 16
_PROCESS = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % _PROCESSES_MAX
_ports = itertools.cycle(random.sample(_PORTS[_PROCESS::_PROCESSES_MAX], len(_PORTS) // _PROCESSES_MAX))


def free_port() -> int:
    """A port that nobody listens on now, another at each call."""
    for port in _ports:
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port
    raise AssertionError("a cycle has no end")


@dataclasses.dataclass(frozen=True, slots=True)
class Home:
    """A home folder and the command line over it."""

    path: Path

    def environment(self, **more: str) -> dict[str, str]:
        """The environment of a command: nothing of Yima's but what is said here."""
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("YIMA_")}
        return {
            **inherited,
            "YIMA_ENV": "dev",
            "YIMA_HOME": str(self.path),
            "YIMA_PUBLIC_URL": "HTTPS://T.YIMA.CN",
            **more,
        }

    def run(
        self,
        *arguments: object,
        text: str | bytes = "",
        env: dict[str, str] | None = None,
        fresh: bool = False,
        limit: Callable[[], None] | None = None,
    ) -> Done:
        """Run `yima ARGUMENTS` to its end, in a process of its own.

        It is forked from this one, where everything is imported already (a start of Python takes a second),
        or with `fresh` started as from a shell; `limit` is called in the process before the command.
        """
        words, given = [str(each) for each in arguments], text.encode() if isinstance(text, str) else text
        environment = self.environment(**(env or {}))
        with tempfile.TemporaryFile() as stdin, tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            stdin.write(given)
            stdin.seek(0)
            if fresh or words[:1] in (["up"], ["demo"]):
                status = subprocess.run(
                    [str(YIMA), *words], stdin=stdin, stdout=out, stderr=err, timeout=120, check=False,
                    env=environment, cwd=self.path.parent, preexec_fn=limit,
                ).returncode  # fmt: skip
            else:
                status = _fork(words, environment, self.path.parent, [stdin, out, err], limit)
            out.seek(0)
            err.seek(0)
            return Done(status, out.read().decode(), err.read().decode())

    def ask(self, *arguments: object, **more: Any) -> Any:
        """Run a command that succeeds, and read its JSON."""
        done = self.run(*arguments, "--json", **more)
        assert done.status == 0, done.stderr
        return json.loads(done.stdout)

    def refuse(self, *arguments: object, **more: Any) -> str:
        """Run a command that fails as a command should: status 1, nothing printed, one sentence; returns it."""
        done = self.run(*arguments, **more)
        assert done.status == 1, done
        assert done.stdout == ""
        assert "Traceback" not in done.stderr, done.stderr
        sentences = [line for line in done.stderr.splitlines() if line.startswith("Error: ")]
        assert len(sentences) == 1, done.stderr
        return sentences[0]


def _wait(pid: int, words: list[str]) -> int:
    """The exit status of a forked command; one that hangs is killed, and the test fails instead of the whole run."""
    deadline = time.monotonic() + HANGS_S
    while True:
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        if time.monotonic() > deadline:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            raise TimeoutError(f"yima {' '.join(words)} did not end within {HANGS_S} s")
        time.sleep(0.005)


def _fork(
    words: list[str],
    environment: dict[str, str],
    folder: Path,
    files: list[IO[bytes]],
    limit: Callable[[], None] | None,
) -> int:
    """Run the command's own `main` in a forked process; returns its exit status."""
    pid = os.fork()
    if pid:
        return _wait(pid, words)
    status = 1
    try:
        for number, file in enumerate(files):
            os.dup2(file.fileno(), number)
        sys.stdin = open(0, encoding="utf-8", errors="surrogateescape", closefd=False)  # noqa: SIM115 (the process ends with it)
        sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115 (as above)
        sys.stderr = open(2, "w", encoding="utf-8", closefd=False)  # noqa: SIM115 (as above)
        os.environ.clear()
        os.environ.update(environment)
        os.chdir(folder)
        warnings.resetwarnings()
        warnings.simplefilter("ignore", DeprecationWarning)
        sys.argv = ["yima", *words]
        if limit is not None:
            limit()
        main()
        status = 0
    except SystemExit as end:
        status = int(end.code or 0)
    except BaseException:  # noqa: BLE001 (as Python itself does at the end of a program)
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


@dataclasses.dataclass(frozen=True, slots=True)
class Done:
    """What a command left: its exit status and what it said."""

    status: int
    stdout: str
    stderr: str

    @property
    def lines(self) -> list[Any]:
        """One JSON value a line."""
        return [json.loads(line) for line in self.stdout.splitlines()]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    """One home a module, its server kept up between commands."""
    path = tmp_path_factory.mktemp("cli") / "home"
    with postgres.attach(path):
        yield Home(path)
