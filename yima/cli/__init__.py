"""The `yima` command; one module a group of subcommands."""

from __future__ import annotations

from yima.cli.main import main

__all__ = ["main"]
