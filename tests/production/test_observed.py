"""What operators see: figures, readiness, request ids, log lines, spans; and what nobody sees: codes and people."""

from __future__ import annotations

import asyncio
import dataclasses
import http.server
import io
import json
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import structlog
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import text

from kernel import outbox, requests, tasks
from kernel.outbox import Message
from scanapi.service import outcome_of
from tests.production.conftest import client, started
from tests.world import World
from traceability.scans import Outcome, ScanReply
from yima import asgi, logs, metrics, worker
from yima.edge import Edge
from yima.runtime import Runtime
from yima.settings import Settings

# --- figures ------------------------------------------------------------------------------------------------


def figures(shown: str) -> dict[str, float]:
    """Samples by name and labels."""
    return {
        f"{sample.name}{json.dumps(sample.labels, sort_keys=True) if sample.labels else ''}": sample.value
        for family in text_string_to_metric_families(shown)
        for sample in family.samples
    }


async def scan(app: Edge, code: str) -> dict[str, Any]:
    async with client(app) as asking:
        answer = await asking.post("/api/v1/scans", json={"scan_id": str(uuid4()), "code": code})
    assert answer.status_code == 200
    found: dict[str, Any] = answer.json()
    return found


async def test_the_figures_count_what_happened(site: Edge, world: World) -> None:
    forged = world.lines[0][:-1] + ("0" if world.lines[0][-1] != "0" else "1")
    for code in (world.lines[0], world.lines[1], world.lines[1], forged, forged, "no code"):
        await scan(site, code)
    async with client(site) as asking:
        answer = await asking.get("/metrics")
    assert answer.headers["content-type"] == metrics.CONTENT_TYPE
    assert "TYPE yima_scans_total counter" in answer.text
    found = figures(answer.text)
    outcomes = {key: value for key, value in found.items() if key.startswith("yima_scans_total")}
    assert sum(outcomes.values()) == 6
    assert outcomes['yima_scans_total{"outcome": "forged"}'] == 2
    assert outcomes['yima_scans_total{"outcome": "malformed"}'] == 1
    assert found["yima_scan_group_size_sum"] == 3, "what does not verify never reaches the gate"
    assert found["yima_scan_gate_wait_seconds_count"] == 3
    assert found["yima_scan_transaction_seconds_count"] == found["yima_scan_group_size_count"]
    assert found['yima_http_request_seconds_count{"route": "/api/v1/scans", "status": "2xx"}'] == 6
    assert found["yima_database_up"] == 1
    assert found["yima_pool_size"] == asgi.POOL_SIZE
    assert found["yima_pool_waiting"] == 0
    assert found["process_resident_memory_bytes"] > 1e6


async def test_backlogs_are_counted(site: Edge, opened: Runtime) -> None:
    async with opened.db.transaction() as tx:
        await tasks.submit(tx, "settle_claims", {})
        await outbox.put(tx, opened.vault, [Message("sms.code", f"k{n}", b"{}") for n in range(3)])
        await tx.execute(text("UPDATE outbox_message SET state = 'dead' WHERE key = 'k2'"))
        await tx.execute(text("UPDATE outbox_message SET due_at = now() - interval '1 hour' WHERE key = 'k0'"))
        await tx.execute(text("INSERT INTO heartbeat VALUES ('beat', now() - interval '1 minute')"))
    async with client(site) as asking:
        found = figures((await asking.get("/metrics")).text)
    assert found['yima_tasks{"state": "due"}'] == 2, "this one, and the one of the batch's activation"
    assert found['yima_outbox_messages{"state": "due"}'] == 2
    assert found['yima_outbox_messages{"state": "dead"}'] == 1
    assert 3600 <= found["yima_outbox_due_age_seconds"] < 3700
    assert 60 <= found['yima_heartbeat_age_seconds{"process": "beat"}'] < 120
    assert found["yima_database_size_bytes"] > 1e6


async def test_a_storm_of_scrapes_asks_the_database_once(site: Edge) -> None:
    async with client(site) as asking:
        answers = await asyncio.gather(*(asking.get("/metrics") for _ in range(50)))
    assert {answer.status_code for answer in answers} == {200}
    assert site._figures.asked == 1


async def test_figures_of_the_process_are_shown_while_the_database_is_away(site: Edge, monkeypatch: Any) -> None:
    async def away(_: object) -> None:
        raise OSError("away")

    monkeypatch.setattr(metrics, "ask", away)
    async with client(site) as asking:
        found = figures((await asking.get("/metrics")).text)
    assert found["yima_database_up"] == 0
    assert "yima_pool_size" in found


@pytest.mark.parametrize("outcome", list(Outcome))
def test_the_outcome_is_found_in_every_reply_without_reading_it(outcome: Outcome) -> None:
    import msgspec

    assert outcome_of(msgspec.json.encode(ScanReply(uuid4(), outcome, 'a "quoted" sentence'))) == outcome


# --- health and readiness -----------------------------------------------------------------------------------


async def test_ready_names_each_part_and_health_needs_no_database(
    site: Edge, opened: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with client(site) as asking:
        good = await asking.get("/ready")
        assert (good.status_code, good.json()) == (200, {
            "database": "ok", "schema": "ok", "durability": "ok", "keys": "ok",
        })  # fmt: skip

        async with opened.db.transaction() as tx:
            await tx.execute(text("UPDATE alembic_version SET version_num = '0001'"))
        older = await asking.get("/ready")
        assert (older.status_code, older.json()["schema"]) == (503, "other")

        scans = site._figures.scans
        assert scans is not None
        monkeypatch.setattr(scans.keys, "refreshed_at", float("-inf"))
        monkeypatch.setattr(scans.keys, "refresh", lambda: asyncio.sleep(3600))
        assert (await asking.get("/ready")).json()["keys"] in ("stale", "ok")

        database = site._figures.database
        assert database is not None
        await database.close()
        monkeypatch.setattr(database, "transaction", lambda: (_ for _ in ()).throw(OSError("secret@host")))
        away = await asking.get("/ready")
        assert away.status_code == 503
        assert away.json()["database"] == "away"
        assert "secret" not in away.text
        assert (await asking.get("/health")).text == "ok"


# --- request ids --------------------------------------------------------------------------------------------


async def test_a_request_has_one_id_in_its_answer_its_lines_its_messages_and_its_tasks(
    settings: Settings,
    database_url: str,
    world: World,  # noqa: ARG001 (makes the brand)
    opened: Runtime,
) -> None:
    app = asgi.make_app(dataclasses.replace(settings, log_requests="all"), database_url)
    async with started(app), client(app) as asking:
        with structlog.testing.capture_logs([logs._add_request]) as lines:
            answer = await asking.post("/api/v1/sign-in/codes", json={"brand": "tea", "phone": "13800138000"})
        assert answer.status_code == 202
        known = answer.headers["x-request-id"]
        (line,) = [each for each in lines if each["event"] == "request"]
        assert (line["request"], line["route"]) == (known, "/api/v1/sign-in/codes")
        missing = await asking.get("/nowhere")
        assert missing.headers["x-request-id"] not in ("", known)
    async with opened.db.transaction() as tx:
        stored = await tx.execute(text("SELECT request_id FROM outbox_message"))
        assert list(stored.scalars()) == [known]
    with requests.working_for(known):
        async with opened.db.transaction() as tx:
            task_id = await tasks.submit(tx, "settle_claims", {})
    seen: list[str | None] = []

    async def note(_: object) -> dict[str, Any]:
        seen.append(requests.request_id.get())
        return {}

    assert await tasks.run(opened.db, task_id, {"settle_claims": note}) == "done"
    assert seen == [known]
    assert requests.request_id.get() is None


# --- logs ---------------------------------------------------------------------------------------------------

PHONE, ONE_TIME, EMAIL, TOKEN = "13912345678", "918273", "somebody@example.cn", "eyJzZWNyZXQiOjF9.token"


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """What production's logging writes meanwhile."""
    import logging

    written, before, handlers = io.StringIO(), structlog.get_config(), logging.root.handlers[:]
    logging.root.handlers = []
    logs.configure(dev=False, to=written)
    structlog.configure(cache_logger_on_first_use=False)
    yield written
    logging.root.handlers = handlers
    structlog.configure(**before)


async def test_no_line_holds_a_code_a_phone_number_a_token_or_an_address(
    settings: Settings, database_url: str, world: World, opened: Runtime, log: io.StringIO, monkeypatch: Any
) -> None:
    url = world.lines[0]
    code = re.split(r"/Q/", url)[1]
    secrets = [code, code.lower(), PHONE, ONE_TIME, EMAIL, TOKEN, "somebody"]
    app = asgi.make_app(dataclasses.replace(settings, log_requests="all"), database_url)
    bodies: list[Any] = [
        {"scan_id": str(uuid4()), "code": url, "device_id": PHONE},
        {"scan_id": code, "code": url},
        {"scan_id": str(uuid4()), "code": code, "location": {"lat": EMAIL}},
        {"brand": "tea", "phone": PHONE, "code": ONE_TIME},
        {"brand": EMAIL, "phone": PHONE},
        [PHONE],
        PHONE,
    ]
    async with started(app), client(app) as asking:
        headers: dict[str, str] = {"Authorization": f"Bearer {TOKEN}", "X-Request-ID": code, "User-Agent": EMAIL,
                                   "Cookie": f"yima_session={TOKEN}", "Referer": f"http://x/Q/{code}"}  # fmt: skip

        async def ask_everything() -> None:
            bodies[0]["scan_id"] = str(uuid4())
            for path in ("/api/v1/scans", "/api/v1/sign-in", "/api/v1/sign-in/codes", f"/api/v1/draws/{EMAIL}"):
                for body in bodies:
                    await asking.post(path, json=body)
                    await asking.post(path, json=body, headers=headers)
                    await asking.post(path, content=PHONE.encode(), headers={"Content-Type": "application/json"})
            for path in (f"/Q/{code}", f"/q/{code}?phone={PHONE}", f"/01/06901234567892/21/{code}", f"/{EMAIL}", "/me",
                         f"/draws/{EMAIL}", "/console", f"/console/b/{EMAIL}/scans?search={code}"):  # fmt: skip
                await asking.get(path, headers=headers)
                await asking.post(path, data={"code": code, "phone": PHONE, "one_time_code": ONE_TIME})

        await ask_everything()

        # a defect, whose error quotes what it was given, deep within and with a cause
        def defect(*_: object, **__: object) -> None:
            try:
                int(f"cannot use {code}")
            except ValueError as error:
                raise RuntimeError(f"for {PHONE} {EMAIL}") from error

        scans = site_scans(app)
        monkeypatch.setattr(scans, "submit", defect)
        monkeypatch.setattr(scans, "look", defect)
        await ask_everything()
        monkeypatch.undo()

        # the database refuses, quoting values
        async with opened.db.transaction() as tx:
            await tx.execute(text("ALTER TABLE scan ADD CONSTRAINT never CHECK (side = 'none') NOT VALID"))
            await tx.execute(text("ALTER TABLE sign_in_code ADD CONSTRAINT never CHECK (attempts < 0) NOT VALID"))
        await ask_everything()

    await _work_that_fails(opened)
    import logging

    logging.getLogger("celery.worker").error("Task %s failed: %s", TOKEN, PHONE)
    logging.getLogger("asyncio").error("never retrieved\nfuture: <Task exception=ValueError('%s')>" % code)  # noqa: G002, UP031 (as asyncio does)

    said = log.getvalue()
    lines = [json.loads(line) for line in said.splitlines()]
    assert {"request", "request.defect", "scan.failed", "outbox.undelivered", "task.fault"} <= {
        e["event"] for e in lines
    }
    assert all(line["request"] for line in lines if line["event"] in ("request", "request.defect"))
    assert any("caused by ValueError" in line.get("at", []) for line in lines), (
        "places are told, so that it can be mended"
    )
    for secret in secrets:
        assert secret not in said, next(line for line in said.splitlines() if secret in line)
    assert not re.search(r"\b[0-9A-HJKMNP-TV-Z]{20}\b", said)


def site_scans(app: Edge) -> Any:
    return app._figures.scans


async def _work_that_fails(opened: Runtime) -> None:
    """A message nobody takes, and a task whose error quotes."""
    body = json.dumps({"to": PHONE, "code": ONE_TIME, "mail": EMAIL}).encode()
    async with opened.db.transaction() as tx:
        await outbox.put(tx, opened.vault, [Message("sms.code", "quoting", body), Message("unknown", "unknown", body)])
        task_id = await tasks.submit(tx, "quoting", {})

    async def refuse(message: Message) -> None:
        raise ValueError(message.body.decode())

    async def quote(_: object) -> dict[str, Any]:
        raise ValueError(f"{PHONE} {EMAIL}")

    await outbox.relay(opened.db, opened.vault, {"sms.code": refuse})
    assert await tasks.run(opened.db, task_id, {"quoting": quote}) == "retry"
    await worker.sweep_once(opened, worker.run_here)


# --- spans --------------------------------------------------------------------------------------------------


@pytest.fixture
def collector() -> Iterator[tuple[str, list[ExportTraceServiceRequest]]]:
    """A collector of OTLP over HTTP that reads what it gets."""
    received: list[ExportTraceServiceRequest] = []

    class Collector(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            import gzip

            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.headers.get("Content-Encoding") == "gzip":
                body = gzip.decompress(body)
            received.append(ExportTraceServiceRequest.FromString(body))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Collector) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/v1/traces", received
        server.shutdown()
        thread.join()


def spans_of(received: list[ExportTraceServiceRequest]) -> list[Span]:
    return [
        span for request in received for resource in request.resource_spans for scope in resource.scope_spans
        for span in scope.spans
    ]  # fmt: skip


async def test_spans_tell_routes_groups_and_statements_and_never_a_value(
    settings: Settings, database_url: str, world: World, collector: tuple[str, list[ExportTraceServiceRequest]]
) -> None:
    from yima import telemetry

    url, received = collector
    app = asgi.make_app(dataclasses.replace(settings, otlp_url=url), database_url)
    async with started(app), client(app) as asking:
        answer = await asking.post("/api/v1/scans", json={"scan_id": str(uuid4()), "code": world.lines[0]})
        assert answer.status_code == 200
    trace: Any = app._trace
    spans: telemetry.Spans = trace.__self__
    spans.begin_task("yima.sweep")
    spans.end_task("SUCCESS")
    await asyncio.to_thread(spans.close)
    found = spans_of(received)
    by_name = {span.name: span for span in found}
    assert {"/api/v1/scans", "scan group", "statement", "yima.sweep"} <= set(by_name)
    attributes = {a.key: a.value.string_value or a.value.int_value for a in by_name["/api/v1/scans"].attributes}
    assert attributes["yima.request"] == answer.headers["x-request-id"]
    assert attributes["http.response.status_code"] == 200
    group = by_name["scan group"]
    within = [span for span in found if span.parent_span_id == group.span_id]
    assert len(within) >= 5, "the group's statements are its children"
    everything = b"".join(request.SerializeToString() for request in received).decode("utf-8", "replace")
    assert world.lines[0].rsplit("/", 1)[1] not in everything
    assert not re.search(r"\b[0-9A-HJKMNP-TV-Z]{20}\b", everything)


def test_switched_off_nothing_of_it_is_imported() -> None:
    program = (
        "import sys, yima.asgi, yima.serve, yima.signs\n"
        "assert not [name for name in sys.modules if name.startswith('opentelemetry')]\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, cwd=Path(__file__).parents[2])


def test_a_message_to_a_worker_carries_the_requests_id_and_only_a_well_formed_one_is_taken(settings: Settings) -> None:
    from yima import broker, signs

    headers: dict[str, Any] = {}
    signs._send_along(headers=headers)
    assert headers == {}, "nobody asked"
    with requests.working_for("0123456789abcdef"):
        signs._send_along(headers=headers)
    process = signs.Worker(broker.make_app(settings, "postgresql://x/y"), settings, "postgresql://x/y")

    @dataclasses.dataclass
    class Task:
        name: str
        request: dict[str, Any]

    try:
        process._before(task=Task("yima.relay", headers))
        assert requests.request_id.get() == "0123456789abcdef"
        process._after(state="SUCCESS")
        assert requests.request_id.get() is None
        process._before(task=Task("yima.relay", {"yima_request": PHONE}))
        assert requests.request_id.get() is None
    finally:
        requests.request_id.set(None)
    assert [signs.role_of(node) for node in ("short@h", "long@h", "celery@h")] == ["worker", "long worker", "worker"]
