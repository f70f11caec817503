"""The broker: where Celery's messages travel, and how a worker is woken.

A message that is lost costs at most the ten seconds until the next sweep.
"""

from __future__ import annotations

import asyncio

import structlog
from celery import Celery
from kombu.entity import Exchange, Queue
from sqlalchemy import create_engine, text
from sqlalchemy.engine import make_url

from yima import signs  # noqa: F401 (messages carry the request's id)
from yima.queues import LONG_QUEUE, QUEUE
from yima.runtime import Runtime
from yima.settings import Settings

log = structlog.get_logger(__name__)

SWEEP_S = 10.0
HOUSEKEEPING_S = 3600.0
ROLLUP_S = 2.0
"""So often new scans are rolled up: with the transport's own second they are seen within five."""
PATIENCE = {"timeout": 5.0, "confirm_timeout": 5.0}
"""A broker that takes nothing (its disk full, say) must not keep our threads for ever."""
_LOCK = 0x59494D41_02

TASK_S_MAX = 1500
"""Below RabbitMQ's own limit of 30 minutes for an unacknowledged message."""


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
        task_routes={"yima.run": {"queue": LONG_QUEUE}},
        task_ignore_result=True,
        task_acks_late=True,
        task_reject_on_worker_lost=True,
        task_time_limit=TASK_S_MAX,
        worker_prefetch_multiplier=1,
        worker_hijack_root_logger=False,
        worker_redirect_stdouts=False,
        broker_connection_retry_on_startup=True,
        broker_transport_options={"confirm_publish": True}
        if "amqp" in (settings.broker_url or "").partition(":")[0]
        else {},
        timezone="UTC",
        beat_schedule={
            "sweep": {"task": "yima.sweep", "schedule": SWEEP_S, "options": {"expires": SWEEP_S}},
            "rollup": {"task": "yima.rollup", "schedule": ROLLUP_S, "options": {"expires": ROLLUP_S}},
            "housekeeping": {"task": "yima.housekeeping", "schedule": HOUSEKEEPING_S},
        },
    )
    return app


def prepare(settings: Settings, database_url: str) -> None:
    """Make the tables and queues of the transport over the database, before several processes try to at once."""
    if settings.broker_url is not None:
        return
    engine = create_engine(make_url(database_url).set(drivername="postgresql+psycopg"))
    try:
        with engine.connect() as connection:
            connection.execute(text("SELECT pg_advisory_lock(:lock)"), {"lock": _LOCK})
            celery = make_app(settings, database_url)
            with celery.connection_for_write() as broker, broker.channel() as channel:
                for name in (QUEUE, LONG_QUEUE):
                    Queue(name, Exchange(name), routing_key=name)(channel).declare()
            celery.close()
    finally:
        engine.dispose()


async def wake(runtime: Runtime, task: str, *args: str) -> None:
    """Wake a worker for a task, after the commit; without a broker's answer the sweep does it."""
    celery = make_app(runtime.settings, runtime.url)
    try:
        await asyncio.to_thread(celery.send_task, task, args=args, ignore_result=True, expires=SWEEP_S, **PATIENCE)
    except Exception as error:
        log.warning("wake.unsent", task=task, error=type(error).__name__)
    finally:
        celery.close()
