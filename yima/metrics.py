"""`/metrics`: this process's figures and the database's, as Prometheus reads them.

What happens in the process is kept as plain numbers where it happens and only read here. What the database
knows is asked at most once every `REFRESH_S`, however often somebody scrapes; while it is away, the process's
own figures are still shown.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib.metadata import version

import structlog
from prometheus_client import CollectorRegistry, PlatformCollector, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector
from sqlalchemy import text

from antifraud import alarms
from kernel.db import Database, Tx
from kernel.meter import SECONDS, Histogram
from kernel.rate_exchange import Exchange
from scanapi.service import ScanService
from traceability import handover
from yima.wire import Connection, Door

log = structlog.get_logger(__name__)

REFRESH_S = 10.0
REFRESH_TIMEOUT_S = 2.0
COUNTED_MAX = 100_000
"""Backlogs are counted to here: a longer one needs no exact figure, and counting must not add to it."""

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Requests:
    """HTTP requests of this process by route and status class."""

    def __init__(self) -> None:
        self.open = 0
        self.seconds: dict[tuple[str, str], Histogram] = {}

    def observe(self, route: str, status: int, took_s: float) -> None:
        """Count a request that was answered; status 0 is a client that was gone before."""
        key = (route, f"{status // 100}xx" if status else "gone")
        found = self.seconds.get(key)
        if found is None:
            found = self.seconds[key] = Histogram(SECONDS)
        found.observe(took_s)


@dataclass(frozen=True, slots=True)
class Stored:
    """What the database told when it was last asked."""

    tasks: dict[str, int] = field(default_factory=dict)
    task_age_s: float = 0.0
    messages: dict[str, int] = field(default_factory=dict)
    message_age_s: float = 0.0
    heartbeats_s: dict[str, float] = field(default_factory=dict)
    size_bytes: int = 0
    archived_age_s: float | None = None
    archive_failures: int = 0
    rollup_lag_s: float | None = None
    alarms: dict[str, int] = field(default_factory=dict)
    hosts: dict[str, bool] = field(default_factory=dict)


class Figures:
    """Everything that is shown, and the registry that shows it."""

    def __init__(self) -> None:
        self.requests = Requests()
        self.stored = Stored()
        self.database_up = False
        self._database: Database | None = None
        self._scans: ScanService | None = None
        self.exchange: Exchange | None = None
        self._asked_at = float("-inf")
        self._asking = asyncio.Lock()
        self.asked = 0
        self._registry = CollectorRegistry(auto_describe=False)
        ProcessCollector(registry=self._registry)
        PlatformCollector(registry=self._registry)
        self._registry.register(_Own(self))

    def watch(self, database: Database, scans: ScanService, exchange: Exchange | None = None) -> None:
        """Show the figures of these, from the application's start on."""
        self._database, self._scans, self.exchange = database, scans, exchange

    @property
    def database(self) -> Database | None:
        """The database watched, once the application has started."""
        return self._database

    @property
    def scans(self) -> ScanService | None:
        """The scan service watched, once the application has started."""
        return self._scans

    async def show(self) -> bytes:
        """The figures as text, the database's refreshed where they are old."""
        await self._refresh()
        return generate_latest(self._registry)

    def names(self) -> set[str]:
        """Every name of a sample that may be shown (alert rules and dashboards are held against it)."""
        return {sample.name for metric in self._registry.collect() for sample in metric.samples}

    async def _refresh(self) -> None:
        database = self._database
        if database is None:
            return
        async with self._asking:  # whoever scrapes meanwhile waits for the same answer
            if time.monotonic() - self._asked_at < REFRESH_S:
                return
            self.asked += 1
            try:
                async with asyncio.timeout(REFRESH_TIMEOUT_S), database.transaction() as tx:
                    self.stored = await ask(tx)
                self.database_up = True
            except Exception as error:
                self.database_up = False
                log.warning("metrics.database_away", error=type(error).__name__)
            self._asked_at = time.monotonic()


_BACKLOG = text("""
    SELECT
        (SELECT count(*) FROM (SELECT 1 FROM task WHERE state IN ('queued', 'running') AND due_at <= now()
            LIMIT :most) t) AS tasks_due,
        (SELECT count(*) FROM (SELECT 1 FROM task WHERE state IN ('queued', 'running') AND due_at > now()
            LIMIT :most) t) AS tasks_running,
        (SELECT count(*) FROM (SELECT 1 FROM task WHERE state = 'failed' LIMIT :most) t) AS tasks_failed,
        (SELECT extract(epoch FROM now() - min(due_at)) FROM task
            WHERE state IN ('queued', 'running') AND due_at <= now()) AS task_age_s,
        (SELECT count(*) FROM (SELECT 1 FROM outbox_message WHERE state = 'due' LIMIT :most) t) AS messages_due,
        (SELECT count(*) FROM (SELECT 1 FROM outbox_message WHERE state = 'dead' LIMIT :most) t) AS messages_dead,
        (SELECT extract(epoch FROM now() - min(due_at)) FROM outbox_message
            WHERE state = 'due' AND due_at <= now()) AS message_age_s,
        pg_database_size(current_database()) AS size_bytes,
        CASE WHEN current_setting('archive_mode') <> 'off' THEN
            (SELECT extract(epoch FROM now() - coalesce(last_archived_time, pg_postmaster_start_time()))
                FROM pg_stat_archiver) END AS archived_age_s,
        (SELECT failed_count FROM pg_stat_archiver) AS archive_failures
""")
_HEARTBEATS = text("SELECT process, extract(epoch FROM now() - at) FROM heartbeat ORDER BY process")


async def ask(tx: Tx) -> Stored:
    """Ask the database for its figures: a few statements over partial indexes."""
    row = (await tx.execute(_BACKLOG, {"most": COUNTED_MAX})).one()
    beats = {name: float(age) for name, age in await tx.execute(_HEARTBEATS)}
    return Stored(
        tasks={"due": row.tasks_due, "running": row.tasks_running, "failed": row.tasks_failed},
        task_age_s=float(row.task_age_s or 0),
        messages={"due": row.messages_due, "dead": row.messages_dead},
        message_age_s=float(row.message_age_s or 0),
        heartbeats_s=beats,
        size_bytes=row.size_bytes,
        archived_age_s=None if row.archived_age_s is None else float(row.archived_age_s),
        archive_failures=row.archive_failures,
        rollup_lag_s=await _rollup_lag(tx),
        alarms=await alarms.unseen(tx),
        hosts={slug: not each.warns for slug, each in (await handover.all_of(tx)).items()},
    )


async def _rollup_lag(tx: Tx) -> float | None:
    """How far the heatmap's figures are behind the scans; None where nothing keeps them."""
    lag = await tx.execute(text("SELECT extract(epoch FROM now() - as_of) FROM rollup_state WHERE live"))
    found = lag.scalar_one_or_none()
    return None if found is None else float(found)


class _Own(Collector):
    """Yima's own figures, read when somebody asks."""

    def __init__(self, figures: Figures) -> None:
        self._figures = figures

    def collect(self) -> Iterator[Metric]:
        yield _info()
        yield from _requests(self._figures.requests)
        yield from _door(Connection.door)
        if self._figures.scans is not None:
            yield from _scans(self._figures.scans)
        if self._figures.exchange is not None:
            yield from _exchanged(self._figures.exchange)
        yield _gauge("yima_database_up", "Whether the database answered when last asked", self._figures.database_up)
        if self._figures.database is not None:
            yield from _connections(self._figures.database)
        yield from _stored(self._figures.stored)


def _info() -> Metric:
    family = GaugeMetricFamily("yima_build_info", "The version that runs", labels=["version"])
    family.add_metric([version("yima")], 1)
    return family


def _gauge(name: str, said: str, value: float) -> Metric:
    return GaugeMetricFamily(name, said, value=float(value))


def _counter(name: str, said: str, value: float) -> Metric:
    return CounterMetricFamily(name, said, value=float(value))


def _labelled(name: str, said: str, label: str, values: dict[str, float]) -> Metric:
    family = GaugeMetricFamily(name, said, labels=[label])
    for key, value in values.items():
        family.add_metric([key], value)
    return family


def _buckets(found: Histogram) -> list[tuple[str, float]]:
    total, rows = 0, []
    for bound, count in zip((*found.bounds, float("inf")), found.counts, strict=True):
        total += count
        rows.append(("+Inf" if bound == float("inf") else repr(bound), float(total)))
    return rows


def _histogram(name: str, said: str, found: Histogram) -> Metric:
    return HistogramMetricFamily(name, said, buckets=_buckets(found), sum_value=found.total)


def _requests(requests: Requests) -> Iterator[Metric]:
    family = HistogramMetricFamily(
        "yima_http_request_seconds", "From a request's arrival to the end of its answer", labels=["route", "status"]
    )
    for (route, status), found in list(requests.seconds.items()):
        family.add_metric([route, status], _buckets(found), found.total)
    yield family
    yield _gauge("yima_http_requests_open", "Requests being answered", requests.open)


def _door(door: Door) -> Iterator[Metric]:
    refused = CounterMetricFamily(
        "yima_requests_refused", "Requests refused before they were read: too slow, too large, unreadable, too many",
        labels=["status"],
    )  # fmt: skip
    for status, count in list(door.refused.items()):
        refused.add_metric([str(status)], count)
    yield refused
    yield _gauge("yima_connections_waited_for", "Connections whose request is not whole yet", len(door.waited_for))


def _scans(scans: ScanService) -> Iterator[Metric]:
    outcomes = CounterMetricFamily(
        "yima_scans",
        "Scans answered, by outcome: malformed and forged are those refused before the database, conflict and "
        "unavailable those that were no scan",
        labels=["outcome"],
    )
    for outcome, count in list(scans.outcomes.items()):
        outcomes.add_metric([outcome], count)
    yield outcomes
    gate = scans.gate
    yield _counter("yima_limits_refused", "Requests refused by a limit of guessing", scans.limits.refused)
    yield _counter("yima_scans_turned_away", "Scans refused because too many were waiting", gate.turned_away)
    yield _gauge("yima_scans_waiting", "Scans that wait for their group", gate.waiting)
    yield _counter("yima_scan_group_faults", "Groups that failed and were tried again in part or whole", gate.faults)
    yield _histogram("yima_scan_group_size", "Scans a group", gate.sizes)
    yield _histogram("yima_scan_gate_wait_seconds", "From a scan's arrival at the gate to its group", gate.waits)
    yield _histogram("yima_scan_transaction_seconds", "A group's transaction, commit included", gate.commits)


def _exchanged(exchange: Exchange) -> Iterator[Metric]:
    yield _gauge("yima_limits_alone", "Whether limits hold for this process alone: the store is away", exchange.away)
    yield _counter("yima_limit_exchanges", "Exchanges of what was taken under limits", exchange.rounds)


def _connections(database: Database) -> Iterator[Metric]:
    pool = database.pool
    yield _gauge("yima_pool_size", "Connections that the pool keeps", pool.size)
    yield _gauge("yima_pool_in_use", "Connections in use", pool.in_use)
    yield _gauge("yima_pool_waiting", "Transactions that wait for a connection", pool.waiting)
    yield _counter("yima_statements", "Statements sent to the database", database.statements)
    yield _counter("yima_slow_statements", "Statements of a second or more", database.slow_statements)


def _stored(stored: Stored) -> Iterator[Metric]:
    tasks = {state: float(count) for state, count in stored.tasks.items()}
    yield _labelled("yima_tasks", "Tasks by state: due, running (leased or waiting), failed", "state", tasks)
    yield _gauge("yima_task_due_age_seconds", "Age of the oldest task that is due", stored.task_age_s)
    unseen = {whose: float(count) for whose, count in stored.alarms.items()}
    yield _labelled(
        "yima_alarms_unseen", "Alarms that nobody has looked at: a brand's, the operator's", "whose", unseen
    )
    hosts = {slug: float(well) for slug, well in stored.hosts.items()}
    yield _labelled("yima_member_host_up", "Whether the host that a brand's pages hand over to answers", "brand", hosts)
    messages = {state: float(count) for state, count in stored.messages.items()}
    yield _labelled("yima_outbox_messages", "Messages by state: due, dead (given up)", "state", messages)
    yield _gauge("yima_outbox_due_age_seconds", "Age of the oldest message that is due", stored.message_age_s)
    yield _labelled(
        "yima_heartbeat_age_seconds", "Since a background process last showed life", "process", stored.heartbeats_s
    )
    yield _gauge("yima_database_size_bytes", "Size of the database", stored.size_bytes)
    if stored.archived_age_s is not None:
        yield _gauge("yima_wal_archived_age_seconds", "Since WAL was last archived", stored.archived_age_s)
        yield _counter("yima_wal_archive_failures", "Failures to archive WAL", stored.archive_failures)
    if stored.rollup_lag_s is not None:
        yield _gauge("yima_rollup_lag_seconds", "How far the heatmap's figures are behind", stored.rollup_lag_s)
