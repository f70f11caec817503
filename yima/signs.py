"""What Celery's processes do beside their tasks: show that they live, and carry the request's id along.

A worker's sign of life comes from its main process, which is there while its child works; beat's comes from the
scheduler's own turns, so that a scheduler that hangs shows none.
"""

from __future__ import annotations

import os
import threading
import time
from typing import Any

import structlog
from celery import Celery, signals
from celery.beat import PersistentScheduler
from celery.worker import state
from sqlalchemy import Engine, create_engine, text
from sqlalchemy.engine import make_url
from sqlalchemy.pool import NullPool

from kernel.db import Database
from kernel.heartbeats import BEAT
from kernel.requests import accept, request_id
from yima.hearing import Hearing
from yima.queues import LONG_QUEUE, QUEUE
from yima.settings import Settings

log = structlog.get_logger(__name__)

BEAT_S = 10.0
_CONNECT_S_MAX = 5
_HEADER = "yima_request"


def _connect(url: str, process: str) -> Engine:
    return create_engine(
        make_url(url).set(drivername="postgresql+psycopg"),
        poolclass=NullPool,
        connect_args={"connect_timeout": _CONNECT_S_MAX, "application_name": f"yima {process}"},
    )


class Pulse:
    """Writes one process's sign of life, at most every `BEAT_S`, with a connection of its own each time."""

    def __init__(self, url: str, process: str) -> None:
        self._process = process
        self._engine = _connect(url, process)
        self._next = 0.0

    def beat(self) -> None:
        """Write it, if it is time; a database that is away is not this process's fault, and said once a turn."""
        if time.monotonic() < self._next:
            return
        self._next = time.monotonic() + BEAT_S
        try:
            with self._engine.begin() as tx:
                tx.execute(text("SET LOCAL statement_timeout = 5000"))
                tx.execute(BEAT, {"process": self._process})
        except Exception as error:
            log.warning("heartbeat.unwritten", process=self._process, error=type(error).__name__)


class Scheduler(PersistentScheduler):  # type: ignore[misc]  # Celery publishes no types
    """Beat's scheduler, showing that it turns."""

    def __init__(self, app: Celery, *arguments: Any, **more: Any) -> None:  # noqa: ANN401 (Celery's signature)
        super().__init__(*arguments, app=app, **more)
        self._pulse = Pulse(app.conf.yima_database_url, "beat")

    def tick(self, *arguments: Any, **more: Any) -> float:  # noqa: ANN401 (Celery's signature)
        """One turn; sleeps no longer than until the next sign of life is due."""
        self._pulse.beat()
        wait = super().tick(*arguments, **more)
        return min(float(wait), BEAT_S)


def role_of(node: str) -> str:
    """The role of a worker, by the name of its node (`short@…`, `long@…`)."""
    return "long worker" if node.startswith("long@") else "worker"


def _end_if_deaf(hearing: Hearing, role: str) -> None:
    """End this process where it hears of nothing any more; whoever watches over it starts it again."""
    try:
        deaf = hearing.is_deaf(busy=bool(state.active_requests or state.reserved_requests))
    except Exception as error:
        log.warning("hearing.unknown", process=role, error=type(error).__name__)
        return
    if deaf:
        log.error("worker.deaf", process=role)
        os._exit(1)  # the main thread may hang in the transport


class Worker:
    """Connects a worker process to Celery's signals; kept for the process's life, for signals hold weakly."""

    def __init__(self, app: Celery, settings: Settings, url: str) -> None:
        app.conf.yima_database_url = url
        self._settings = settings
        self._url = url
        self._spans: Any = None
        self._stopped = threading.Event()
        signals.worker_ready.connect(self._ready)
        signals.worker_shutting_down.connect(self._end)
        signals.task_prerun.connect(self._before)
        signals.task_postrun.connect(self._after)
        signals.worker_process_init.connect(self._child)

    def _ready(self, sender: Any, **_: object) -> None:  # noqa: ANN401 (Celery's signature)
        role = role_of(str(sender.hostname))
        pulse = Pulse(self._url, role)
        hearing = None
        if self._settings.broker_url is None:
            queue = LONG_QUEUE if role == "long worker" else QUEUE
            hearing = Hearing(_connect(self._url, role), queue)

        def run() -> None:
            while not self._stopped.is_set():
                pulse.beat()
                if hearing is not None:
                    _end_if_deaf(hearing, role)
                self._stopped.wait(BEAT_S)

        threading.Thread(target=run, name="pulse", daemon=True).start()

    def _end(self, **_: object) -> None:
        self._stopped.set()

    def _child(self, **_: object) -> None:
        """In the child that runs the tasks: spans are sent from there."""
        if self._settings.otlp_url is not None:
            from yima import telemetry  # noqa: PLC0415 (switched off, it is not even imported)

            self._spans = telemetry.Spans(self._settings.otlp_url, service="yima-worker")

    def watch(self, database: Database) -> None:
        """Make spans of a task's statements, where somebody collects them."""
        if self._spans is not None:
            self._spans.watch(database)

    def _before(self, task: Any, **_: object) -> None:  # noqa: ANN401 (Celery's signature)
        request_id.set(accept(task.request.get(_HEADER)))
        if self._spans is not None:
            self._spans.begin_task(str(task.name))

    def _after(self, state: str | None = None, **_: object) -> None:
        if self._spans is not None:
            self._spans.end_task(state)
        request_id.set(None)


@signals.before_task_publish.connect  # type: ignore[untyped-decorator]  # Celery publishes no types
def _send_along(headers: dict[str, Any] | None = None, **_: object) -> None:
    """A message tells for which request it wakes a worker."""
    known = request_id.get()
    if headers is not None and known is not None:
        headers[_HEADER] = known
