"""The `yima` command itself."""

from __future__ import annotations

import importlib
import sys
from typing import Final

import click

from kernel.errors import YimaError
from yima import logs

_COMMANDS: Final = {
    "up": "server.up",
    "demo": "server.demo",
    "migrate": "server.migrate",
    "doctor": "server.doctor",
    "brand": "names.brand",
    "product": "names.product",
    "rule": "rules.rule",
    "codes": "codes.codes",
    "keys": "leaks.keys_group",
    "gs1": "gs1.gs1",
    "labels": "labels.labels",
    "members": "members.members",
    "dealer": "dealers.dealer",
    "carton": "cartons.carton",
    "pack": "dealers.pack",
    "ship": "dealers.ship",
    "staff": "staff.staff",
    "trail": "trail.trail",
    "alarms": "alarms.alarms",
    "blocks": "blocks.blocks",
    "claims": "claims.claims",
    "appeals": "appeals.appeals",
    "draw": "draws.draw",
    "ledger": "ledger.ledger",
    "rollups": "rollups.rollups",
    "journal": "journal.journal",
    "wechat": "wechat.wechat",
    "bench": "bench.bench",
}
"""By name: where the command stands, as MODULE.NAME within this package."""


class _Commands(click.Group):
    """Imports a command's module when it is asked for: most need a fraction of what all need together."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        del ctx
        return sorted(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        del ctx
        place = _COMMANDS.get(cmd_name)
        if place is None:
            return None
        module, _, name = place.partition(".")
        found = getattr(importlib.import_module(f"yima.cli.{module}"), name)
        assert isinstance(found, click.Command)
        return found


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(package_name="yima")
def cli() -> None:
    """Yima 一码: one item, one code.

    Settings come from the environment (YIMA_HOME, YIMA_ENV, YIMA_SECRET_KEYS, …; see README). For a first look:
    `make demo`, or `YIMA_ENV=dev yima up`.
    """


def main() -> None:
    """Run the command; an error is one sentence on standard error and exit code 1."""
    logs.configure(dev=True)  # until the settings say otherwise: log lines never get into a command's results
    try:
        cli(standalone_mode=False)
    except click.exceptions.Abort:
        sys.stderr.write("Interrupted.\n")
        sys.exit(130)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except YimaError as error:
        sys.stderr.write(f"Error: {error.message}\n")
        sys.exit(1)
    except BrokenPipeError:
        sys.stderr.close()  # whoever read our output has had enough
        sys.exit(1)
