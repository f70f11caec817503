"""What all commands share: settings, JSON output, progress, errors."""

from __future__ import annotations

import getpass
import json
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, is_dataclass
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID

import click
import msgspec
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from yima import logs, runtime, settings
from yima.runtime import Runtime
from yima.settings import Settings

Result = TypeVar("Result")

console = Console(stderr=True, highlight=False)
"""Progress and remarks go to standard error; standard output holds results only."""

json_option = click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")


def load_settings(port: int | None = None) -> Settings:
    """Settings of this installation, with logging set up."""
    found = settings.load(port=port)
    logs.configure(dev=found.dev)
    return found


def run(use: Callable[[Runtime], Awaitable[Result]]) -> Result:
    """Run one use case of a command."""
    return runtime.run(load_settings(), use, on_wait=remark)


def remark(sentence: str) -> None:
    """Tell the person at the terminal something that is not the result."""
    console.print(sentence, soft_wrap=True)


def actor() -> str:
    """Who works here, for the audit trail."""
    try:
        return f"cli:{getpass.getuser()}"[:80]
    except (KeyError, OSError):
        return "cli"


def plain(value: object) -> Any:  # noqa: ANN401 (JSON values)
    """A value as JSON knows it."""
    if isinstance(value, msgspec.Struct):
        value = msgspec.structs.asdict(value)
    elif is_dataclass(value) and not isinstance(value, type):
        value = asdict(value)
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, UUID):
        return str(value)
    return value


def say(value: object, *, as_json: bool, text: str | None = None) -> None:
    """Print a result: as one JSON value, or as `text` (JSON where there is none)."""
    if as_json or text is None:
        click.echo(json.dumps(plain(value), ensure_ascii=False, indent=None if as_json else 2))
    else:
        click.echo(text)


def line(value: object) -> None:
    """Print one JSON object a line."""
    sys.stdout.write(json.dumps(plain(value), ensure_ascii=False) + "\n")


@contextmanager
def progress(title: str, total: int) -> Iterator[Callable[[int], None]]:
    """A progress bar on a terminal, nothing elsewhere; call what it yields with the number done so far."""
    if not console.is_terminal:
        yield lambda _: None
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task(title, total=total)
        yield lambda done: bar.update(task, completed=done)
