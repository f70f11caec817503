"""`yima keys`: code keys, from the first to the last day of their lives."""

from __future__ import annotations

import getpass
import sys
from dataclasses import asdict
from typing import Any

import click

from codegen import coverage, keys, releases, rewrap
from kernel.crypto import reseal_data_keys
from kernel.errors import ConfigurationError, Forbidden, InvalidInput, NotFound
from staff import passwords, people, signin
from staff.access import Permission, permissions
from staff.people import Staff
from traceability import catalogue
from yima.cli.common import actor, json_option, load_settings, progress, run, say
from yima.runtime import Runtime

key_option = click.option(
    "--key",
    "key_id",
    type=click.IntRange(0, keys.KEYS_MAX - 1),
    required=True,
    help="The key's number; see `yima keys list`.",
)
reason_option = click.option("--reason", required=True, help="Why, for the audit trail.")


@click.group("keys")
def keys_group() -> None:
    """Keys that codes are made with: list, rotate, release by two people, retire, revoke, seal anew, and leaks."""


async def _covers(runtime: Runtime, slug: str | None, key_id: int | None = None) -> list[dict[str, Any]]:
    async with runtime.db.transaction() as tx:
        brand_id = None if slug is None else (await catalogue.brand(tx, slug)).id
        found = [await keys.get(tx, key_id)] if key_id is not None else await keys.list_of(tx, brand_id=brand_id)
        slugs = {brand.id: brand.slug for brand in await catalogue.list_brands(tx)}
        given = await releases.releases(tx, [key.id for key in found])
        covers = await coverage.covers(tx, runtime.vault, found)
    return [
        {
            "brand": slugs[each.key.brand_id],
            **each.as_json(),
            "released_by": [r.actor for r in given.get(each.key.id, ())],
        }
        for each in covers
    ]


def _line(row: dict[str, Any]) -> str:
    share = row["units_used"] / row["units_max"]
    return (
        f"{row['key_id']:>4} {row['symbols']}  {row['brand']:16} {row['state']:10} {share:>7.2%} used  "
        f"{row['batches']:>5} batches  {row['custody']} {row['mark']}{'' if row['readable'] else ' UNREADABLE'}"
    )


@keys_group.command("list")
@click.option("--brand", "slug", help="Only this brand's.")
@json_option
def list_keys(*, slug: str | None, as_json: bool) -> None:
    """Keys with their states, use, batches and custody, the newest first. No secret is opened."""
    rows = run(lambda runtime: _covers(runtime, slug))
    say(rows, as_json=as_json, text="\n".join(map(_line, rows)) or "No key yet: the first order makes one.")


@keys_group.command("show")
@key_option
@json_option
def show_key(*, key_id: int, as_json: bool) -> None:
    """One key: state, who released it, which batches it covers."""
    [row] = run(lambda runtime: _covers(runtime, None, key_id))
    lines = [_line(row)]
    if row["released_by"]:
        lines.append(f"     released by {', '.join(row['released_by'])}")
    if row["reason"]:
        lines.append(f"     {row['state']}: {row['reason']}")
    if row["batches"]:
        more = row["batches"] - len(row["batch_names"])
        lines.append(f"     batches {', '.join(row['batch_names'])}" + (f" and {more:,} more" if more else ""))
    say(row, as_json=as_json, text="\n".join(lines))


@keys_group.command("rotate")
@click.option("--brand", "slug", required=True, help="The brand's slug.")
@json_option
def rotate_key(*, slug: str, as_json: bool) -> None:
    """Make a new key for the brand's future batches; printed codes keep verifying."""

    async def use(runtime: Runtime) -> keys.KeyInfo:
        async with runtime.db.transaction() as tx:
            owner = await catalogue.brand(tx, slug)
            return await keys.rotate(tx, runtime.vault, brand_id=owner.id, actor=actor())

    made = run(use)
    text = f"{slug} makes new codes with key {made.id}."
    if not made.released:
        text += f"\nTwo people release it before its first package: yima keys release --key {made.id} --as EMAIL"
    say({"brand": slug, "key_id": made.id, "released": made.released}, as_json=as_json, text=text)


@keys_group.command("retire")
@key_option
@reason_option
@json_option
def retire_key(*, key_id: int, reason: str, as_json: bool) -> None:
    """Retire a key: it makes no new codes, and what is printed verifies for ever. The next order makes a new key."""

    async def use(runtime: Runtime) -> keys.KeyInfo:
        async with runtime.db.transaction() as tx:
            return await keys.retire(tx, key_id=key_id, reason=reason, actor=actor())

    found = run(use)
    say({"key_id": key_id, "state": found.state}, as_json=as_json, text=f"Key {key_id} is {found.state}.")


@keys_group.command("revoke")
@key_option
@reason_option
@json_option
def revoke_key(*, key_id: int, reason: str, as_json: bool) -> None:
    """Revoke a key: nothing is written with it any more. Printed codes still earn; after a leak use `keys leak`."""

    async def use(runtime: Runtime) -> keys.KeyInfo:
        async with runtime.db.transaction() as tx:
            return await keys.revoke(tx, key_id=key_id, reason=reason, actor=actor())

    found = run(use)
    say({"key_id": key_id, "state": found.state}, as_json=as_json, text=f"Key {key_id} is {found.state}.")


@keys_group.command("release")
@key_option
@click.option("--as", "email", required=True, help="E-mail address of a person who may manage the brand's keys.")
@click.option("--code", default="", help="A code of the person's second factor, where that is on.")
@click.option("--password-stdin", is_flag=True, help="Read the password from standard input (its first line).")
@json_option
def release_key(*, key_id: int, email: str, code: str, password_stdin: bool, as_json: bool) -> None:
    """Give one person's word for a new key; the second person's releases it. The person's password is asked for."""
    password = passwords_line() if password_stdin else getpass.getpass(f"Password of {email}: ")

    async def use(runtime: Runtime) -> keys.KeyInfo:
        person = await _person(runtime, key_id, email)
        wrong = await signin.confirm(
            runtime.db, runtime.vault, runtime.index, staff_id=person.id, password=password, otp=code
        )
        if wrong is not None:
            what = "password" if wrong == "password" else "code of the second factor (--code)"
            raise InvalidInput(f"This is not the {what} of {email}.", field=wrong)
        async with runtime.db.transaction() as tx:
            return await releases.release(tx, key_id=key_id, actor=people.actor_of(person.id), via="cli")

    found = run(use)
    text = f"Key {key_id} is released." if found.released else f"Noted; key {key_id} waits for a second person's word."
    say({"key_id": key_id, "released": found.released}, as_json=as_json, text=text)


async def _person(runtime: Runtime, key_id: int, email: str) -> Staff:
    """The person who gives their word, who must be one that may manage this key's brand's keys."""
    async with runtime.db.transaction() as tx:
        key = await keys.get(tx, key_id)
        person = await people.by_email(tx, runtime.vault, runtime.index, email)
    if person is None:
        raise NotFound("Nobody has this e-mail address; see `yima staff list`.")
    if Permission.MANAGE_KEYS not in permissions(person.roles.get(key.brand_id, frozenset())):
        raise Forbidden(f"{email} may not manage keys of the brand that key {key_id} belongs to.")
    return person


def passwords_line() -> str:
    """The first line of standard input, bounded: nobody's password is a file.

    Raises:
        InvalidInput: it is no text.
    """
    raw = sys.stdin.buffer.readline(4 * passwords.CHARS_MAX + 2)
    try:
        return raw.decode().rstrip("\r\n")
    except UnicodeDecodeError as error:
        raise InvalidInput("The password on standard input is no text in UTF-8.") from error


@keys_group.command("rewrap")
@json_option
def rewrap_keys(*, as_json: bool) -> None:
    """Seal all keys anew with the custodian that is set (YIMA_KEY_CUSTODY), under its newest sealing key.

    May be interrupted, said again, and run twice at once. Exit code 1 while a key could not be opened.
    """

    async def use(runtime: Runtime) -> tuple[rewrap.Rewrapped, int]:
        await runtime.vault.custody.probe()
        with progress("Sealing keys", keys.KEYS_MAX) as tell:
            found = await rewrap.rewrap(runtime.db, runtime.vault, actor=actor(), on_progress=tell)
        async with runtime.db.transaction() as tx:
            return found, await reseal_data_keys(tx, runtime.vault)

    found, data_keys = run(use)
    lines = [f"{found.done:,} keys sealed anew ({found.custody}), {found.kept:,} were already; {data_keys} data keys."]
    lines += [f"Not opened: {sentence}" for sentence in found.unreadable.values()]
    say({**asdict(found), "data_keys": data_keys}, as_json=as_json, text="\n".join(lines))
    if found.unreadable:
        sys.exit(1)


@keys_group.command("wrapping-key")
@click.option("--label", required=True, help="The new key's label in the token; then name it in YIMA_PKCS11_KEY.")
@json_option
def make_wrapping_key(*, label: str, as_json: bool) -> None:
    """Make a wrapping key in the token: AES-256, sensitive, not to be extracted. Needs the token's settings only."""
    from kernel.pkcs11 import Token  # noqa: PLC0415 (slow to import, and seldom wanted)

    settings = load_settings()
    if settings.pkcs11 is None:
        raise ConfigurationError(
            "No token is set: YIMA_PKCS11_MODULE, YIMA_PKCS11_TOKEN, YIMA_PKCS11_PIN (or _FILE) and YIMA_PKCS11_KEY."
        )
    Token(settings.pkcs11).make_wrapping_key(label)
    named = label in settings.pkcs11.keys
    hint = "" if named else " Put it last in YIMA_PKCS11_KEY, restart, and run `yima keys rewrap`."
    say({"token": settings.pkcs11.token, "label": label, "configured": named}, as_json=as_json,
        text=f"Token {settings.pkcs11.token} has the wrapping key {label}.{hint}")  # fmt: skip
