"""`yima codes stations` and `yima codes capture`: cameras and hand scanners of a line, and what one saw, by file."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Final, TextIO

import click

from codegen import batches, capturing, keys, line_sessions, stations
from codegen.captures import GOOD
from codegen.line_sessions import DIRECTIONS, Session
from codegen.stations import Station
from kernel.errors import InvalidInput
from traceability import catalogue
from yima.cli.common import actor, json_option, line, remark, run, say
from yima.runtime import Runtime

CHUNK: Final = 1_000
_LINE_CHARS_MAX: Final = 4_100  # two codes' texts at their longest

brand_option = click.option("--brand", "slug", required=True, help="The brand's slug.")


@click.group("stations")
def station_group() -> None:
    """Cameras and hand scanners of a line, each with a token of its own."""


def _said(found: Station) -> dict[str, object]:
    return {
        "station": found.id, "name": found.name, "may_switch": found.may_switch, "made_at": found.made_at,
        "seen_at": found.seen_at, "revoked_at": found.revoked_at,
    }  # fmt: skip


@station_group.command("make")
@brand_option
@click.option("--name", required=True, help="Its name, such as the camera's place.")
@click.option("--may-switch", is_flag=True, help="It may also give codes states (activate, freeze, void …).")
@json_option
def make_station(*, slug: str, name: str, may_switch: bool, as_json: bool) -> None:
    """Make a station; its token is shown this once."""

    async def use(runtime: Runtime) -> tuple[Station, str]:
        async with runtime.db.transaction() as tx:
            brand = await catalogue.brand(tx, slug)
            return await stations.make(tx, brand_id=brand.id, name=name, may_switch=may_switch, actor=actor())

    made, token = run(use)
    say(_said(made) | {"token": token}, as_json=as_json, text=token)


@station_group.command("list")
@brand_option
@json_option
def list_stations(*, slug: str, as_json: bool) -> None:
    """A brand's stations."""

    async def use(runtime: Runtime) -> list[Station]:
        async with runtime.db.transaction() as tx:
            return await stations.list_of(tx, brand_id=(await catalogue.brand(tx, slug)).id)

    found = run(use)
    text = "\n".join(f"{each.id:>6}  {'revoked' if each.revoked_at else 'at work':8} {each.name}" for each in found)
    say([_said(each) for each in found], as_json=as_json, text=text or "No station yet: `yima codes stations make`.")


@station_group.command("revoke")
@brand_option
@click.option("--station", type=int, required=True, help="Its number.")
@json_option
def revoke_station(*, slug: str, station: int, as_json: bool) -> None:
    """Withdraw a station's token for good."""

    async def use(runtime: Runtime) -> Station:
        async with runtime.db.transaction() as tx:
            brand = await catalogue.brand(tx, slug)
            return await stations.revoke(tx, station, brand_id=brand.id, actor=actor())

    gone = run(use)
    say(_said(gone), as_json=as_json, text=f"Station {gone.name} is revoked.")


@click.command("capture")
@click.argument("file", type=click.File("r", encoding="utf-8", errors="replace"))
@click.option("--batch", "name", help="The batch that is on the line (begins a session).")
@click.option("--inner-batch", "inner", help="Pair: the batch of the inner codes; the file has OUTER,INNER a line.")
@click.option("--direction", type=click.Choice(DIRECTIONS), default="up", show_default=True, help="How lines run.")
@click.option("--session", help="Go on with this session where it stopped, with the same file.")
@json_option
def capture_codes(
    *, file: TextIO, name: str | None, inner: str | None, direction: str, session: str | None, as_json: bool
) -> None:
    """Take in a file of what a camera or hand scanner saw, one code a line (`-`: standard input).

    What is not good, or out of order, is one JSON object a line; exit code 1 if anything was not good. Interrupted,
    it goes on with --session.
    """
    if (name is None) == (session is None):
        raise InvalidInput("Name a batch to begin a session, or a session to go on with.")
    if session is not None and inner is not None:
        raise InvalidInput(f"Session {session} knows which batches it pairs: leave --inner-batch away.")

    async def use(runtime: Runtime) -> Session:
        async with runtime.db.transaction() as tx:
            ring = await keys.load_ring(tx, runtime.vault)
            if session is not None:
                at = await line_sessions.get(tx, session)
            else:
                batch = await batches.get(tx, name or "")
                mate = None if inner is None else await batches.get(tx, inner, brand_id=batch.brand_id)
                at = await line_sessions.start(tx, batch, inner=mate, direction=direction, actor=actor())
        if at.state != "open":
            remark(f"Session {at.name} is closed: nothing of the file is taken in.")
            return at
        remark(f"Session {at.name}: goes on with --session {at.name} if this is interrupted.")
        for sequence, chunk in enumerate(_chunks(file, pairs=at.inner_batch is not None), 1):
            if sequence < at.next_sequence - capturing.REPLIES_KEPT:
                continue  # taken so long ago that it cannot be compared any more
            async with runtime.db.transaction() as tx:
                taken = await capturing.capture(tx, ring, at.name, brand_id=at.brand_id, sequence=sequence, texts=chunk)
            if sequence < at.next_sequence:
                continue  # the same codes as then, or it were refused; what there was to say of them was said
            for place, each in enumerate(taken.answers, 1 + (sequence - 1) * CHUNK):
                if each.verdict != GOOD or each.remark:
                    line({"at": place, **capturing.plain(each)})
        async with runtime.db.transaction() as tx:
            return await line_sessions.close(tx, at.name, brand_id=at.brand_id)

    _end(run(use), as_json=as_json)


def _end(done: Session, *, as_json: bool) -> None:
    """Tell what a session came to; exit code 1 if anything was not good."""
    totals = Counter(done.totals)
    if "canary" in totals:
        remark(
            f"{totals['canary']:,} set-up labels are among the goods: take them off. Their codes are never active, and "
            "each one that is scanned outside looks like a leak of its package."
        )
    text = f"Session {done.name}: " + (", ".join(f"{n:,} {kind}" for kind, n in totals.most_common()) or "nothing")
    say({"session": done.name, "batch": done.batch, "totals": done.totals}, as_json=as_json, text=text)
    if any(kind not in (GOOD, "gap", "backwards") for kind in totals):
        sys.exit(1)


def _chunks(file: TextIO, *, pairs: bool) -> Iterator[list[str] | list[tuple[str, str]]]:
    """The file's lines, a thousand at a time; blank ones are skipped."""
    name = Path(file.name).name
    texts = (text.strip() for text in iter(lambda: file.readline(_LINE_CHARS_MAX), ""))
    given = (text for text in texts if text)
    number = 0
    while chunk := list(islice(given, CHUNK)):
        if not pairs:
            yield chunk
        else:
            halves = []
            for place, text in enumerate(chunk, number + 1):
                outer, comma, inner = text.partition(",")
                if not comma or "," in inner:
                    raise InvalidInput(f"{name}, entry {place:,}: a pair is written OUTER,INNER.")
                halves.append((outer, inner))
            yield halves
        number += len(chunk)
