"""`yima staff`: the people of the console."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable
from typing import Any

import click

from kernel.db import Tx
from kernel.errors import InvalidInput, NotFound
from staff import passwords, people, resets, totp
from staff.access import Role
from staff.people import Staff
from traceability import catalogue
from yima.cli.common import actor, json_option, run, say
from yima.runtime import Runtime

email_option = click.option("--email", required=True, help="The person's e-mail address.")
role_choice = click.Choice([role.value for role in Role])


@click.group()
def staff() -> None:
    """People who sign in to the console (/console) and their roles, brand by brand."""


@staff.command("add")
@email_option
@click.option("--name", required=True, help="The person's name.")
@click.option("--brand", "slugs", multiple=True, help="A brand's slug; each --brand with its --role.")
@click.option("--role", "roles", multiple=True, type=role_choice, help="What the person is to that brand.")
@click.option("--language", type=click.Choice(people.LANGUAGES), default="zh", show_default=True)
@click.option("--password-stdin", is_flag=True, help="Read the password from standard input (its first line).")
@json_option
def add(
    *,
    email: str,
    name: str,
    slugs: tuple[str, ...],
    roles: tuple[str, ...],
    language: str,
    password_stdin: bool,
    as_json: bool,
) -> None:
    """Add a person. Without a password a link to set one is printed, good once and for 72 hours."""
    if len(slugs) != len(roles):
        raise InvalidInput("Each --brand goes with one --role: give as many of one as of the other.")
    password = _read_password() if password_stdin else None

    async def use(runtime: Runtime) -> dict[str, Any]:
        async with runtime.db.transaction() as tx:
            made = await people.create(
                tx, runtime.vault, runtime.index,
                email=email, name=name, password=password, language=language, actor=actor(),
            )  # fmt: skip
            for slug, role in zip(slugs, roles, strict=True):
                brand = await catalogue.brand(tx, slug)
                await people.grant(tx, staff_id=made.id, brand_id=brand.id, role=Role(role), actor=actor())
            link = None
            if password is None:
                base = runtime.settings.base_url
                link = await resets.make_link(tx, staff_id=made.id, actor=actor(), base_url=base)
            return await _shown(tx, await people.get(tx, runtime.vault, made.id)) | {"link": link}

    done = run(use)
    text = f"Added {done['email']}."
    if done["link"] is not None:
        text += f"\nHand over this link to set a password (once, within 72 hours):\n{done['link']}"
    say(done, as_json=as_json, text=text)


def _read_password() -> str:
    """The first line of standard input, bounded: nobody's password is a file."""
    raw = sys.stdin.buffer.readline(4 * passwords.CHARS_MAX + 2)
    try:
        return raw.decode().rstrip("\r\n")
    except UnicodeDecodeError as error:
        raise InvalidInput("The password on standard input is no text in UTF-8.") from error


@staff.command("list")
@click.option("--brand", "slug", help="Only people with a role for this brand.")
@json_option
def list_staff(*, slug: str | None, as_json: bool) -> None:
    """People and their roles."""

    async def use(runtime: Runtime) -> list[dict[str, Any]]:
        async with runtime.db.transaction() as tx:
            if slug is None:
                found = await people.list_all(tx, runtime.vault)
            else:
                brand = await catalogue.brand(tx, slug)
                found = await people.list_of_brand(tx, runtime.vault, brand.id)
            return [await _shown(tx, person) for person in found]

    rows = run(use)
    text = "\n".join(
        f"{row['state']:9} {row['email']:32} "
        + "; ".join(f"{slug}: {', '.join(roles)}" for slug, roles in row["roles"].items())
        for row in rows
    )
    say(rows, as_json=as_json, text=text or "Nobody yet: `yima staff add`.")


async def _shown(tx: Tx, person: Staff) -> dict[str, Any]:
    slugs = {brand.id: brand.slug for brand in await catalogue.list_brands(tx)}
    return {
        "id": person.id,
        "email": person.email,
        "name": person.name,
        "state": person.state,
        "language": person.language,
        "roles": {slugs[brand_id]: sorted(roles) for brand_id, roles in person.roles.items()},
        "second_factor": person.has_totp,
    }


def _change(email: str, change: Callable[[Runtime, Tx, Staff], Awaitable[object]]) -> dict[str, Any]:
    """Change something about the person with this address, in one transaction."""

    async def use(runtime: Runtime) -> dict[str, Any]:
        async with runtime.db.transaction() as tx:
            person = await people.by_email(tx, runtime.vault, runtime.index, email)
            if person is None:
                raise NotFound("Nobody has this e-mail address; see `yima staff list`.")
            made = await change(runtime, tx, person)
            shown = await _shown(tx, await people.get(tx, runtime.vault, person.id))
            return shown | ({"link": made} if isinstance(made, str) else {"changed": bool(made)})

    return run(use)


@staff.command("grant")
@email_option
@click.option("--brand", "slug", required=True, help="The brand's slug.")
@click.option("--role", required=True, type=role_choice)
@json_option
def grant(*, email: str, slug: str, role: str, as_json: bool) -> None:
    """Give a role at a brand."""

    async def change(_: Runtime, tx: Tx, person: Staff) -> bool:
        brand = await catalogue.brand(tx, slug)
        return await people.grant(tx, staff_id=person.id, brand_id=brand.id, role=Role(role), actor=actor())

    done = _change(email, change)
    text = f"{done['email']} is {role} of {slug}" + ("." if done["changed"] else " already.")
    say(done, as_json=as_json, text=text)


@staff.command("revoke")
@email_option
@click.option("--brand", "slug", required=True, help="The brand's slug.")
@click.option("--role", required=True, type=role_choice)
@json_option
def revoke(*, email: str, slug: str, role: str, as_json: bool) -> None:
    """Take a role at a brand away, at once for open sessions."""

    async def change(_: Runtime, tx: Tx, person: Staff) -> bool:
        brand = await catalogue.brand(tx, slug)
        return await people.revoke(tx, staff_id=person.id, brand_id=brand.id, role=Role(role), actor=actor())

    done = _change(email, change)
    text = f"{done['email']} is no longer {role} of {slug}." if done["changed"] else f"{done['email']} was no {role}."
    say(done, as_json=as_json, text=text)


def _set_state(email: str, state: str, *, as_json: bool) -> None:
    async def change(_: Runtime, tx: Tx, person: Staff) -> bool:
        return await people.set_state(tx, staff_id=person.id, state=state, actor=actor())

    done = _change(email, change)
    say(done, as_json=as_json, text=f"{done['email']} is {done['state']}.")


@staff.command("disable")
@email_option
@json_option
def disable(*, email: str, as_json: bool) -> None:
    """Disable an account: its sessions end, its links die, nobody signs in with it."""
    _set_state(email, "disabled", as_json=as_json)


@staff.command("enable")
@email_option
@json_option
def enable(*, email: str, as_json: bool) -> None:
    """Enable a disabled account again."""
    _set_state(email, "active", as_json=as_json)


@staff.command("erase")
@email_option
@json_option
def erase(*, email: str, as_json: bool) -> None:
    """Erase a person: address, name, roles, sessions. Only the number stays, for the trail. There is no way back."""

    async def change(runtime: Runtime, tx: Tx, person: Staff) -> bool:
        await people.erase(tx, runtime.vault, runtime.index, staff_id=person.id, actor=actor())
        return True

    done = _change(email, change)
    say(done, as_json=as_json, text=f"Account {done['id']} is erased.")


@staff.command("reset")
@email_option
@click.option("--second-factor", is_flag=True, help="Switch the second factor off too (a lost phone).")
@json_option
def reset(*, email: str, second_factor: bool, as_json: bool) -> None:
    """Print a link to set a password, good once and for 72 hours. Check who asks before you hand it over."""

    async def change(runtime: Runtime, tx: Tx, person: Staff) -> str:
        if person.state == "disabled":
            raise InvalidInput("This account is disabled; `yima staff enable` comes first.")
        if second_factor:
            await totp.disable(tx, staff_id=person.id, actor=actor())
        return await resets.make_link(tx, staff_id=person.id, actor=actor(), base_url=runtime.settings.base_url)

    done = _change(email, change)
    say(done, as_json=as_json, text=f"Hand over this link (once, within 72 hours):\n{done['link']}")
