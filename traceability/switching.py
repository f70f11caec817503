"""Codes that a person named are given a state, whoever asks: the command line, the console, a station of the line."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from uuid import UUID

from codegen import lineset, ranges
from codegen.lineset import Lines
from kernel import tasks
from kernel.crypto import Vault
from kernel.db import Tx
from traceability import selecting
from traceability.selecting import Wanted

THAWED: Final = "thawed"
"""What codes become whose freeze is lifted, beside the states of `codegen.ranges`."""


@dataclass(frozen=True, slots=True)
class Switched:
    """What was switched in one batch: the lines that were meant, and how many of their units changed."""

    batch: str
    lines: Lines
    units: int
    changed: int


@dataclass(frozen=True, slots=True)
class Said:
    """The state that codes are to have (or `THAWED`), and why: of the fixed list, in one's own words, or both."""

    state: str
    reason: str | None = None
    reason_code: str | None = None


async def switch(
    tx: Tx, vault: Vault, wanted: Wanted, said: Said, *, brand_id: int, actor: str
) -> tuple[list[Switched], UUID | None]:
    """Give the codes that are meant a state, or lift their freeze.

    Returns:
        What was switched, by batch; and the task that pays parked claims, to wake a worker for after the commit.

    Raises:
        InvalidInput: see `selecting.choose` and `ranges.give`.
        NotFound: see `selecting.choose`.
        Conflict: see `ranges.give` and `ranges.thaw_lines`.
    """
    done = []
    for chosen in await selecting.choose(tx, vault, wanted, brand_id=brand_id):
        if said.state == THAWED:
            changed = await ranges.thaw_lines(tx, chosen.batch, chosen.lines, meant=chosen.meant, actor=actor)
        else:
            given = await ranges.give(
                tx, chosen.batch, state=said.state, lines=chosen.lines, reason=said.reason,
                reason_code=said.reason_code, meant=chosen.meant, actor=actor,
            )  # fmt: skip
            changed = given.changed
        done.append(Switched(chosen.batch.name, chosen.lines, lineset.count(chosen.lines), changed))
    pays = said.state in ("activated", THAWED)
    return done, await tasks.submit(tx, "settle_claims", {}, brand_id=brand_id) if pays else None
