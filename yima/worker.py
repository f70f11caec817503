"""The Celery application: worker and beat.

The database row is the job; a message only wakes a worker up. Each task takes ids at most and may run twice;
the sweep, every ten seconds, is the guarantee (DESIGN §2.6).
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar
from uuid import UUID

import structlog
from celery import Celery
from sqlalchemy import text

from antifraud import alarms
from campaigns import draws
from insights import rollups
from kernel import audit_chain, idempotency, outbox, tasks
from kernel.clock import now
from kernel.db import Database
from members import ledger, signin, wechat_door
from scanapi import settle
from staff import attempts as staff_attempts
from staff import resets as staff_resets
from staff import sessions as staff_sessions
from traceability import flushes, journal, reports
from yima import broker, delivery, host_probe, importing, jobs, runtime
from yima.runtime import Runtime
from yima.settings import Settings, load

log = structlog.get_logger(__name__)

Result = TypeVar("Result")

ROLLUP_S_MAX = 1.0
"""A turn of rolling up begins no further batch after this time; the next turn goes on."""


class _Process:
    """What one worker process keeps between tasks: its settings and the database's URL."""

    settings: Settings | None = None
    url: str = ""
    watch: Callable[[Database], None] | None = None
    """Told of each database that a task opens; spans of its statements, where somebody collects them."""


def _opened() -> tuple[Settings, str]:
    if _Process.settings is None:
        settings = load()
        _Process.settings = settings
        # the launcher hands its database over; a worker process attaches to nothing by itself
        _Process.url = settings.database_url or os.environ["YIMA_EMBEDDED_URL"]
    return _Process.settings, _Process.url


def _run(use: Callable[[Runtime], Awaitable[Result]]) -> Result:
    settings, url = _opened()

    async def whole() -> Result:
        async with runtime.connect(settings, url, application="yima worker") as opened:
            if _Process.watch is not None:
                _Process.watch(opened.db)
            return await use(opened)

    return asyncio.run(whole())


def sweep() -> dict[str, Any]:
    """Do everything that is due: messages, parked claims, draws to close, points to expire; hand tasks on."""
    return _run(lambda opened: sweep_once(opened, hand_on))


def relay() -> dict[str, int]:
    """Deliver what is in the outbox."""
    return _run(_relay)


def run(task_id: str) -> str:
    """Run one task."""

    async def use(opened: Runtime) -> str:
        return await run_here(opened, UUID(task_id))

    return _run(use)


def housekeeping() -> None:
    """Make the journal's next partitions and prune what has served."""
    _run(_housekeeping)


def rollup() -> dict[str, int]:
    """Roll up what is new in the scan journal; beat wakes this every two seconds."""
    return _run(lambda opened: _roll_up(opened.db))


def register(app: Celery, *, watch: Callable[[Database], None] | None = None) -> None:
    """Add the tasks to an application; `watch` is told of each database that a task opens."""
    _Process.watch = watch
    for function in (sweep, relay, run, housekeeping, rollup):
        app.task(name=f"yima.{function.__name__}")(function)


async def _relay(opened: Runtime) -> dict[str, int]:
    return await outbox.relay(opened.db, opened.vault, delivery.handlers(opened))


async def _roll_up(db: Database) -> dict[str, int]:
    """A bounded turn, so that a long way to catch up does not hold up what else is due."""
    rolled = await rollups.roll_up(db, seconds_max=ROLLUP_S_MAX)
    return {"scans": rolled.scans, "merges": rolled.merges}


async def sweep_once(opened: Runtime, with_task: Callable[[Runtime, UUID], Awaitable[object]]) -> dict[str, Any]:
    """One sweep; a part that fails does not keep the others from their turn.

    Args:
        opened: the installation.
        with_task: what to do with each due task: `hand_on` to the workers for long work, or `run_here`.
    """
    done: dict[str, Any] = {}
    parts: dict[str, Callable[[], Awaitable[Any]]] = {
        "outbox": lambda: _relay(opened),
        "settled": lambda: settle.settle(opened.db, opened.vault),
        "draws_closed": lambda: _in_transaction(opened.db, draws.close_due),
        "lots_expired": lambda: _in_transaction(opened.db, lambda tx: ledger.expire(tx, at=now())),
        "rolled_up": lambda: _roll_up(opened.db),
        "trail_seals": lambda: audit_chain.seal_due(opened.db),
        "tasks": lambda: _due(opened, with_task),
        # last, for a host that does not answer takes seconds
        "hosts_probed": lambda: host_probe.probe_due(opened),
    }
    for name, part in parts.items():
        try:
            done[name] = await part()
        except Exception:
            log.exception("sweep.fault", part=name)
            done[name] = "fault"
    return done


async def _in_transaction(db: Database, use: Callable[[Any], Awaitable[Result]]) -> Result:
    async with db.transaction() as tx:
        return await use(tx)


async def _due(opened: Runtime, with_task: Callable[[Runtime, UUID], Awaitable[object]]) -> int:
    due = await tasks.due(opened.db)
    for task_id in due:
        await with_task(opened, task_id)
    return len(due)


async def run_here(opened: Runtime, task_id: UUID) -> str:
    """Run a task in this process."""
    return await tasks.run(opened.db, task_id, jobs.functions(opened))


async def hand_on(opened: Runtime, task_id: UUID) -> None:
    """Wake a worker for long work, so that a label run does not hold up a one-time code."""
    await broker.wake(opened, "yima.run", str(task_id))


async def _housekeeping(opened: Runtime) -> None:
    async with opened.db.transaction() as tx:
        await journal.ensure_partitions(tx, now().date())
    await rollups.tidy(opened.db)
    async with opened.db.transaction() as tx:
        await outbox.prune(tx)
        await signin.prune(tx)
        await idempotency.prune(tx)
        await wechat_door.prune(tx)
        await staff_sessions.prune(tx)
        await staff_resets.prune(tx)
        await staff_attempts.prune(tx)
        await journal.prune(tx)
        await alarms.prune(tx)
        await reports.prune(tx)
        await flushes.prune(tx)
        if opened.settings.broker_url is None:
            # the transport over the database never deletes what it has delivered
            await tx.execute(
                text("DELETE FROM kombu_message WHERE NOT visible AND timestamp < now() - interval '1 hour'")
            )
    await importing.tidy(opened)  # last: a disk that fails must not keep the database from its pruning
