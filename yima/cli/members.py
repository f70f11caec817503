"""`yima members`."""

from __future__ import annotations

import secrets
from datetime import timedelta
from pathlib import Path

import click

from codegen.outfiles import probe_writable, replacing
from kernel.clock import now
from kernel.errors import Forbidden, InvalidInput
from members import people
from members.tokens import Tokens
from traceability import catalogue
from yima.cli.common import actor, json_option, run, say
from yima.runtime import Runtime

COUNT_MAX = 1_000_000
_CHUNK = 5_000


@click.group()
def members() -> None:
    """Members."""


@members.command("token")
@click.option("--brand", "slug", required=True, help="The brand's slug.")
@click.option("--count", type=int, required=True, help="How many members.")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="The file: one bearer token a line.")
@json_option
def token(*, slug: str, count: int, out: Path, as_json: bool) -> None:
    """Make members that are 90 days old and write their bearer tokens. Development only."""

    async def use(runtime: Runtime) -> None:
        if not runtime.settings.dev:
            raise Forbidden("Members are made up in development only (YIMA_ENV=dev).")
        if not 1 <= count <= COUNT_MAX:
            raise InvalidInput(f"--count is 1 to {COUNT_MAX:,}, not {count:,}.")
        probe_writable(out.absolute())
        async with runtime.db.transaction() as tx:
            brand = await catalogue.brand(tx, slug)
        tokens = await make(runtime, brand.id, count)
        with replacing(out.absolute()) as file:
            file.write("".join(f"{each}\n" for each in tokens).encode())

    run(use)
    say({"count": count, "file": str(out)}, as_json=as_json, text=f"Tokens: {count:,}, file: {out}.")


async def make(runtime: Runtime, brand_id: int, count: int) -> list[str]:
    """Enrol members with made-up phone numbers and give each a bearer token."""
    tokens = Tokens(runtime.vault)
    made: list[str] = []
    start = secrets.randbelow(10**8)
    while len(made) < count:
        size = min(_CHUNK, count - len(made))
        phones = [f"+86199{(start + len(made) + n) % 10**8:08d}" for n in range(size)]
        async with runtime.db.transaction() as tx:
            found = await people.enrol(
                tx, runtime.vault, runtime.index,
                brand_id=brand_id, phones=phones, joined_at=now() - timedelta(days=90),
            )  # fmt: skip
        made += [tokens.issue(member_id, brand_id) for member_id in found]
    return made


def _set_blocked(slug: str, public_id: str, reason: str, *, blocked: bool) -> people.Member:
    async def use(runtime: Runtime) -> people.Member:
        change = people.block if blocked else people.unblock
        async with runtime.db.transaction() as tx:
            brand = await catalogue.brand(tx, slug)
            return await change(tx, brand_id=brand.id, public_id=public_id, reason=reason, actor=actor())

    return run(use)


@members.command("block")
@click.option("--brand", "slug", required=True, help="The brand's slug.")
@click.option("--member", "public_id", required=True, help="The member's public id.")
@click.option("--reason", required=True, help="Why, for the audit trail.")
@json_option
def block(*, slug: str, public_id: str, reason: str, as_json: bool) -> None:
    """Put a member on the block list: from now on their scans earn nothing."""
    found = _set_blocked(slug, public_id, reason, blocked=True)
    say({"member": found.public_id, "state": found.state}, as_json=as_json, text=f"{found.public_id} is blocked.")


@members.command("unblock")
@click.option("--brand", "slug", required=True, help="The brand's slug.")
@click.option("--member", "public_id", required=True, help="The member's public id.")
@click.option("--reason", required=True, help="Why, for the audit trail.")
@json_option
def unblock(*, slug: str, public_id: str, reason: str, as_json: bool) -> None:
    """Take a member off the block list."""
    found = _set_blocked(slug, public_id, reason, blocked=False)
    say({"member": found.public_id, "state": found.state}, as_json=as_json, text=f"{found.public_id} is active.")
