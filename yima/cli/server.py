"""`yima up`, `demo`, `migrate`, `doctor`."""

from __future__ import annotations

import click

from yima import doctor as examination
from yima import migrate as migration
from yima import processes, runtime, story
from yima.cli.common import console, json_option, load_settings, remark, say

port_option = click.option("--port", type=click.IntRange(1, 65535), help="Overrides the port of YIMA_BIND.")


@click.command()
@port_option
@click.option("--web", type=click.IntRange(1, processes.WEB_MAX), default=1, show_default=True,
              help="Web processes, all at the one port.")  # fmt: skip
@click.option("--only", type=click.Choice(processes.ROLES),
              help="Become this one part (containers, systemd); needs YIMA_DATABASE_URL.")  # fmt: skip
def up(*, port: int | None, web: int, only: str | None) -> None:
    """Serve: web, workers and beat, until Ctrl-C."""
    settings = load_settings(port)
    if only is not None:
        if web != 1:
            raise click.UsageError("--only runs one process: leave --web away, or --only.")
        processes.become(settings, only)
    if web > 1 and settings.metrics_bind is None:
        remark("Several web processes share the port: set YIMA_METRICS_BIND to scrape the figures of each.")
    with (
        processes.stop_signals() as told,
        processes.running(settings, on_wait=remark, stopped=told, web=web) as (launcher, _),
    ):
        figures = ", figures at /story" if settings.dev else ""
        remark(f"Yima serves at {launcher.address} (consumer pages at /{figures}, API at /schema).")
        launcher.watch(told)
        remark("Stopping …")


@click.command()
@click.option("--scans", default=20_000, show_default=True, type=click.IntRange(100, 1_000_000), help="Scans to send.")
@click.option("--seed", type=int, help="Makes the story repeatable.")
@click.option("--no-serve", is_flag=True, help="End after the story with a JSON summary.")
@port_option
@json_option
def demo(*, scans: int, seed: int | None, no_serve: bool, port: int | None, as_json: bool) -> None:
    """Play a whole story through the running product: codes, labels, scans, points, a draw."""
    settings = load_settings(port)
    story.require_development(settings)
    with processes.stop_signals() as told, processes.running(settings, on_wait=remark, stopped=told) as (launcher, url):
        summary = story.play(settings, url, launcher.address, scans=scans, seed=seed, console=console, stopped=told)
        if no_serve or as_json:
            say(summary.document, as_json=True)
        if no_serve:
            return
        story.show(summary, story.hire(settings, url), launcher.address, console)
        launcher.watch(told)
        remark("Stopping …")


@click.command()
@json_option
def migrate(*, as_json: bool) -> None:
    """Bring the database to this version's schema."""
    settings = load_settings()
    with runtime.database_url(settings, on_wait=remark) as url:
        done = migration.upgrade(url)
    text = f"At revision {done.after}." if done.before == done.after else f"Migrated to revision {done.after}."
    say(done, as_json=as_json, text=text)


@click.command()
@json_option
def doctor(*, as_json: bool) -> None:
    """Examine this installation and name what is wrong with it. Exit code 1 if something is."""
    settings = load_settings()
    found = examination.examine(settings)
    text = "\n".join(f"{'ok ' if each.ok else 'BAD'} {each.name}: {each.said}" for each in found)
    say([{"name": e.name, "ok": e.ok, "said": e.said} for e in found], as_json=as_json, text=text)
    if not all(each.ok for each in found):
        raise SystemExit(1)
