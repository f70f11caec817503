"""The `yima` command itself."""

from __future__ import annotations

import sys

import click

from kernel.errors import YimaError
from yima import logs
from yima.cli import (
    bench,
    cartons,
    claims,
    codes,
    dealers,
    draws,
    gs1,
    keys,
    labels,
    ledger,
    members,
    names,
    rollups,
    rules,
    server,
    staff,
    trail,
)


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(package_name="yima")
def cli() -> None:
    """Yima 一码: one item, one code.

    Settings come from the environment (YIMA_HOME, YIMA_ENV, YIMA_SECRET_KEYS, …; see README). For a first look:
    `make demo`, or `YIMA_ENV=dev yima up`.
    """


for _command in (
    server.up, server.demo, server.migrate, server.doctor,
    names.brand, names.product, rules.rule, codes.codes, keys.keys_group, gs1.gs1, labels.labels, members.members,
    dealers.dealer, cartons.carton, dealers.pack, dealers.ship,
    staff.staff, trail.trail,
    claims.claims, draws.draw, ledger.ledger, rollups.rollups, bench.bench,
):  # fmt: skip
    cli.add_command(_command)


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
