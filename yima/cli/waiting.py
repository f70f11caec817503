"""Waiting for a worker: a command says so when none is there, for then it would wait for nobody."""

from __future__ import annotations

from time import monotonic
from typing import Final

from kernel import heartbeats
from kernel.clock import now
from yima.cli.common import remark
from yima.runtime import Runtime
from yima.signs import BEAT_S

PATIENCE_S: Final = 4.0
"""A worker that lives begins a task within a second, or tells by its heartbeat that it is busy with another."""
SILENCE_S_MAX: Final = 3 * BEAT_S
_ROLE: Final = "long worker"


class Vigil:
    """A command's wait for a task that a worker for long work does."""

    def __init__(self) -> None:
        self._look_at = monotonic() + PATIENCE_S
        self._said = False

    async def look(self, runtime: Runtime) -> None:
        """Say it once if no worker shows life; call it at every turn of the wait."""
        if self._said or monotonic() < self._look_at:
            return
        self._look_at = monotonic() + PATIENCE_S
        async with runtime.db.transaction() as tx:
            at = (await heartbeats.latest(tx)).get(_ROLE)
        age_s = None if at is None else (now() - at).total_seconds()
        if age_s is not None and age_s <= SILENCE_S_MAX:
            return
        told = "has ever shown life here" if age_s is None else f"has shown life for {age_s:,.0f} s"
        alone = "" if runtime.settings.database_url is None else " (or `yima up --only long-worker`)"
        remark(
            f"No worker for long work {told}: start one with `yima up`{alone} on this installation. This goes on as "
            "soon as it is there; after Ctrl-C the task waits all the same."
        )
        self._said = True
