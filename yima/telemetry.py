"""Spans by OpenTelemetry, sent over OTLP/HTTP to `YIMA_OTLP_URL`; imported only where that is set.

A span tells what kind of thing was done and how long it took: a route, a statement's beginning, a task's name, a
group's size. Never a value: no path, no parameter, no header, no error's text.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from typing import Any

from opentelemetry import context, trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Span, SpanKind, Status, StatusCode

from kernel.db import Database, name_of
from kernel.requests import request_id
from scanapi.gate import Commit, Gate
from scanapi.group import Answer, Scan

DELAY_MS = 1_000
QUEUE_MAX = 4_096
"""Spans that wait to be sent; more are dropped, for measuring must not fill the memory."""
SEND_S_MAX = 5


class RequestSpan:
    """A request's span, named once its route is known."""

    def __init__(self, span: Span) -> None:
        self._span = span

    def end(self, route: str, status: int) -> None:
        """The route's template and the status answered."""
        self._span.update_name(route)
        self._span.set_attribute("http.route", route)
        self._span.set_attribute("http.response.status_code", status)
        if status >= 500 or not status:
            self._span.set_status(Status(StatusCode.ERROR))


class Spans:
    """Makes spans of this process and sends them.

    Args:
        url: the collector's address for traces, whole.
        service: this kind of process.
    """

    def __init__(self, url: str, *, service: str) -> None:
        resource = Resource({"service.name": service, "service.version": version("yima")})
        self._provider = TracerProvider(resource=resource, shutdown_on_exit=True)
        exporter = OTLPSpanExporter(endpoint=url, timeout=SEND_S_MAX)
        self._provider.add_span_processor(
            BatchSpanProcessor(exporter, max_queue_size=QUEUE_MAX, schedule_delay_millis=DELAY_MS)
        )
        self._tracer = self._provider.get_tracer("yima")
        self._task: tuple[Span, Any] | None = None

    def close(self) -> None:
        """Send what is left."""
        self._provider.shutdown()

    @contextmanager
    def request(self, method: str) -> Iterator[RequestSpan]:
        """A span around a request, with the request's id."""
        with self._tracer.start_as_current_span(
            "request", kind=SpanKind.SERVER, record_exception=False, set_status_on_exception=False
        ) as span:
            span.set_attribute("http.request.method", method)
            span.set_attribute("yima.request", request_id.get() or "")
            yield RequestSpan(span)

    def watch(self, database: Database, gate: Gate | None = None) -> None:
        """Make spans of a database's statements, and of the gate's groups."""
        database.listen("before_cursor_execute", self._begin_statement)
        database.listen("after_cursor_execute", self._end_statement)
        database.listen("handle_error", self._fail_statement)
        database.around = self._around_statement
        if gate is not None:
            gate.wrap(self._around_group)

    def _around_group(self, commit: Commit) -> Commit:
        async def traced(group: Sequence[Scan]) -> list[Answer]:
            # A group is of many requests: a span of its own, under none of them.
            with self._tracer.start_as_current_span(
                "scan group", context=context.Context(), record_exception=False, set_status_on_exception=False
            ) as span:
                span.set_attribute("yima.scans", len(group))
                return await commit(group)

        return traced

    @contextmanager
    def _around_statement(self, statement: str) -> Iterator[None]:
        with self._tracer.start_as_current_span(
            "statement", kind=SpanKind.CLIENT, record_exception=False, set_status_on_exception=False
        ) as span:
            span.set_attribute("db.system.name", "postgresql")
            span.set_attribute("db.query.summary", name_of(statement))
            try:
                yield
            except Exception:
                span.set_status(Status(StatusCode.ERROR))
                raise

    def _begin_statement(self, _: object, __: object, statement: str, *rest: Any) -> None:  # noqa: ANN401 (SQLAlchemy's)
        span = self._tracer.start_span("statement", kind=SpanKind.CLIENT)
        span.set_attribute("db.system.name", "postgresql")
        span.set_attribute("db.query.summary", name_of(statement))
        rest[1].yima_span = span

    def _end_statement(self, _: object, __: object, ___: str, *rest: Any) -> None:  # noqa: ANN401 (SQLAlchemy's)
        rest[1].yima_span.end()

    def _fail_statement(self, failed: Any) -> None:  # noqa: ANN401 (SQLAlchemy's)
        span = getattr(failed.execution_context, "yima_span", None)
        if span is not None:
            span.set_status(Status(StatusCode.ERROR))
            span.end()

    def begin_task(self, name: str) -> None:
        """A task begins; a worker's child runs one at a time."""
        span = self._tracer.start_span(name, kind=SpanKind.CONSUMER)
        span.set_attribute("yima.request", request_id.get() or "")
        self._task = (span, context.attach(trace.set_span_in_context(span)))

    def end_task(self, state: str | None) -> None:
        """The task that began has ended."""
        if self._task is None:
            return
        span, token = self._task
        self._task = None
        context.detach(token)
        if state == "FAILURE":
            span.set_status(Status(StatusCode.ERROR))
        span.end()
        self._provider.force_flush(1_000)  # a child may be killed at any time after
