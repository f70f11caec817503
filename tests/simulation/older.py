"""Another version of the program beside this one: what was committed before, on the schema of today."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
from pathlib import Path

from tests.simulation.house import House, Program
from yima import migrate

ROOT = Path(__file__).parents[2]
BUILT = ("web/static/dist", "web/static/basemap", "traceability/data")
"""Made by `make setup`, not committed; the older program takes today's."""

FAULTS = (
    "kill web before commit", "kill web after commit and before reply", "kill web within a transaction",
    "kill web at any moment", "web stands still at a point", "connection cut at commit", "connection cut after commit",
    "backend terminated", "kill one backend", "serialization failures", "deadlocks",
)  # fmt: skip
"""Those that every version has to bear; how long it waits for what is half open is its own affair."""


class NoHistory(Exception):
    """This checkout cannot give an older version: it has no history, or not far enough back."""


def _git(*words: str) -> bytes:
    done = subprocess.run(["git", "-C", str(ROOT), *words], capture_output=True, check=False)
    if done.returncode != 0:
        raise NoHistory(f"git {words[0]}: {done.stderr.decode().strip() or 'failed'}")
    return done.stdout


def previous() -> str:
    """The last commit before the newest migration: its program is what an upgrade meets while it runs."""
    (newest,) = (ROOT / "migrations" / "versions").glob(f"{migrate.head()}_*.py")
    added = _git("log", "--diff-filter=A", "--format=%H", "-1", "--", str(newest.relative_to(ROOT))).decode().strip()
    if not added:
        raise NoHistory(f"{newest.name} is not committed yet.")
    return _git("rev-parse", "--verify", f"{added}^").decode().strip()


class Older:
    """The program of a commit, laid out in a folder; starts its web servers.

    Args:
        commit: any name that git has for it.
        folder: where to lay it out.

    Raises:
        NoHistory: git has no such commit here.
    """

    def __init__(self, commit: str, folder: Path) -> None:
        self._folder = folder
        self._children: list[subprocess.Popen[bytes]] = []
        archive = _git("archive", commit)
        folder.mkdir()
        subprocess.run(["tar", "-x", "-C", str(folder)], input=archive, check=True)
        for name in BUILT:
            place = folder / name
            place.parent.mkdir(parents=True, exist_ok=True)
            if not place.exists():
                place.symlink_to(ROOT / name)

    def __call__(self, house: House, program: Program) -> int:
        """Start a web server in the place of one of this version."""
        assert program.listening is not None
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("YIMA_")}
        with program.log.open("ab") as log:
            child = subprocess.Popen(
                [sys.executable, "-m", "yima.serve"], cwd=self._folder, stdin=subprocess.DEVNULL, stdout=log,
                stderr=log, start_new_session=True, pass_fds=[program.listening.fileno()],
                preexec_fn=lambda: ctypes.CDLL(None).prctl(1, signal.SIGKILL),  # noqa: PLW1509 (it only asks the kernel)
                env={
                    **inherited, **house.environment(program), "PYTHONPATH": str(self._folder),
                    "YIMA_LISTEN_FD": str(program.listening.fileno()),
                },
            )  # fmt: skip
        self._children = [*(each for each in self._children if each.poll() is None), child]
        return child.pid

    def close(self) -> None:
        """Leave none behind."""
        for child in self._children:
            child.wait()
