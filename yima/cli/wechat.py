"""`yima wechat`: a brand's apps at WeChat. Secrets are read from standard input or a file, never from arguments."""

from __future__ import annotations

from typing import TextIO

import click

from kernel.errors import InvalidInput
from members import wechat_apps
from members.wechat_apps import KINDS, SCOPES, App
from traceability import catalogue
from yima.cli.common import actor, json_option, run, say
from yima.runtime import Runtime

SECRET_FILE_CHARS_MAX = 200

brand_option = click.option("--brand", "slug", required=True, help="The brand's slug.")
kind_option = click.option("--kind", type=click.Choice(KINDS), required=True, help="Official account or Mini Program.")


@click.group()
def wechat() -> None:
    """Sign-in with WeChat: a brand's official account and Mini Program."""


def _said(app: App) -> dict[str, object]:
    return {
        "kind": app.kind, "app_id": app.app_id, "scope": app.scope or None, "changed_at": app.changed_at,
        "failed_errcode": app.failed_errcode, "failed_at": app.failed_at,
    }  # fmt: skip


@wechat.command("list")
@brand_option
@json_option
def list_apps(*, slug: str, as_json: bool) -> None:
    """A brand's apps; `failed_errcode` is what WeChat said when it last refused one."""

    async def use(runtime: Runtime) -> list[App]:
        async with runtime.db.transaction() as tx:
            return await wechat_apps.list_of(tx, brand_id=(await catalogue.brand(tx, slug)).id)

    found = run(use)
    text = "\n".join(
        f"{each.kind:9} {each.app_id} {each.scope}" + (f" refused: {each.failed_errcode}" if each.failed_at else "")
        for each in found
    )
    say([_said(each) for each in found], as_json=as_json, text=text or "No app yet: `yima wechat set`.")


@wechat.command("set")
@brand_option
@kind_option
@click.option("--app", "app_id", required=True, help="Its app id: wx and 16 letters or digits.")
@click.option("--scope", type=click.Choice(SCOPES), help="Of an official account; snsapi_base where not said.")
@click.option("--secret", "file", type=click.File("r", encoding="utf-8"), help="A file with its secret (-: stdin).")
@json_option
def set_app(*, slug: str, kind: str, app_id: str, scope: str | None, file: TextIO | None, as_json: bool) -> None:
    """Set an app or change it; without --secret the stored one is kept."""
    secret = "" if file is None else file.read(SECRET_FILE_CHARS_MAX).strip()
    if file is not None and not secret:
        raise InvalidInput("The secret is empty.", field="secret")
    asked = (scope or SCOPES[0]) if kind == "official" else (scope or "")

    async def use(runtime: Runtime) -> App:
        async with runtime.db.transaction() as tx:
            brand = await catalogue.brand(tx, slug)
            return await wechat_apps.put(
                tx, runtime.vault, brand_id=brand.id, kind=kind, app_id=app_id, secret=secret, scope=asked,
                actor=actor(),
            )  # fmt: skip

    made = run(use)
    say(_said(made), as_json=as_json, text=f"{made.kind}: {made.app_id}; in force within two seconds.")


@wechat.command("remove")
@brand_option
@kind_option
@json_option
def remove_app(*, slug: str, kind: str, as_json: bool) -> None:
    """Take an app away, its secret with it; members who came by it stay members."""

    async def use(runtime: Runtime) -> None:
        async with runtime.db.transaction() as tx:
            brand = await catalogue.brand(tx, slug)
            await wechat_apps.remove(tx, brand_id=brand.id, kind=kind, actor=actor())

    run(use)
    say({"kind": kind, "removed": True}, as_json=as_json, text=f"{kind}: removed.")
