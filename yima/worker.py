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
from sqlalchemy.engine import make_url

from campaigns import draws
from kernel import outbox, tasks
from kernel.clock import now
from kernel.db import Database
from members import ledger, signin
from scanapi import settle
from traceability import journal
from yima import delivery, jobs, runtime
from yima.runtime import Runtime
from yima.settings import Settings, load

log = structlog.get_logger(__name__)

SWEEP_S = 10.0
HOUSEKEEPING_S = 3600.0
QUEUE = "yima"
TASK_S_MAX = 3600

Result = TypeVar("Result")


def broker_url(settings: Settings, database_url: str) -> str:
    """Where Celery's messages travel: the configured broker, or the database itself."""
    if settings.broker_url is not None:
        return settings.broker_url
    url = make_url(database_url).set(drivername="postgresql+psycopg")
    return "sqla+" + url.render_as_string(hide_password=False)


def make_app(settings: Settings, database_url: str) -> Celery:
    """The Celery application over a broker."""
    app = Celery("yima", broker=broker_url(settings, database_url))
    app.conf.update(
        task_default_queue=QUEUE,
        task_ignore_result=True,
        task_acks_late=True,
        task_reject_on_worker_lost=True,
        task_time_limit=TASK_S_MAX,
        worker_prefetch_multiplier=1,
        worker_hijack_root_logger=False,
        worker_redirect_stdouts=False,
        broker_connection_retry_on_startup=True,
        broker_transport_options={"confirm_publish": True} if (settings.broker_url or "").startswith("amqp") else {},
        timezone="UTC",
        beat_schedule={
            "sweep": {"task": "yima.sweep", "schedule": SWEEP_S, "options": {"expires": SWEEP_S}},
            "housekeeping": {"task": "yima.housekeeping", "schedule": HOUSEKEEPING_S},
        },
    )
    return app


class _Process:
    """What one worker process keeps between tasks: its settings and the database's URL."""

    settings: Settings | None = None
    url: str = ""


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
            return await use(opened)

    return asyncio.run(whole())


def sweep() -> dict[str, Any]:
    """Do everything that is due: messages, tasks, parked claims, draws to close, points to expire."""
    return _run(sweep_once)


def relay() -> dict[str, int]:
    """Deliver what is in the outbox."""
    return _run(_relay)


def run(task_id: str) -> str:
    """Run one task."""

    async def use(opened: Runtime) -> str:
        return await tasks.run(opened.db, UUID(task_id), jobs.functions(opened))

    return _run(use)


def housekeeping() -> None:
    """Make the journal's next partitions and prune what has served."""
    _run(_housekeeping)


def register(app: Celery) -> None:
    """Add the tasks to an application."""
    for function in (sweep, relay, run, housekeeping):
        app.task(name=f"yima.{function.__name__}")(function)


async def _relay(opened: Runtime) -> dict[str, int]:
    return await outbox.relay(opened.db, opened.vault, delivery.handlers(opened.settings))


async def sweep_once(opened: Runtime) -> dict[str, Any]:
    """One sweep; a part that fails does not keep the others from their turn."""
    done: dict[str, Any] = {}
    parts: dict[str, Callable[[], Awaitable[Any]]] = {
        "outbox": lambda: _relay(opened),
        "settled": lambda: settle.settle(opened.db, opened.vault),
        "draws_closed": lambda: _in_transaction(opened.db, draws.close_due),
        "lots_expired": lambda: _in_transaction(opened.db, lambda tx: ledger.expire(tx, at=now())),
        "tasks": lambda: _run_due(opened),
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


async def _run_due(opened: Runtime) -> int:
    functions = jobs.functions(opened)
    due = await tasks.due(opened.db)
    for task_id in due:
        await tasks.run(opened.db, task_id, functions)
    return len(due)


async def _housekeeping(opened: Runtime) -> None:
    async with opened.db.transaction() as tx:
        await journal.ensure_partitions(tx, now().date())
    async with opened.db.transaction() as tx:
        await outbox.prune(tx)
        await signin.prune(tx)
        await journal.prune(tx)
        if opened.settings.broker_url is None:
            # the transport over the database never deletes what it has delivered
            await tx.execute(
                text("DELETE FROM kombu_message WHERE NOT visible AND timestamp < now() - interval '1 hour'")
            )
