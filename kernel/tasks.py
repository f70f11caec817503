"""Long work: the database row is the job, a broker's message only wakes a worker up (DESIGN §2.6).

A task is claimed under a lease that its progress renews. A worker that dies lets the lease run out and the
sweep gives the task to another; a worker that comes back too late finds that its attempt no longer counts.
Task functions must be idempotent: they may run again from the start.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import structlog
from sqlalchemy import BigInteger, Column, DateTime, Index, Integer, String, Table, Text, func, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.dialects.postgresql import UUID as PgUuid

from kernel.db import Database, Tx, metadata
from kernel.errors import NotFound, YimaError
from kernel.requests import REQUEST_ID_CHARS_MAX, request_id, working_for

log = structlog.get_logger(__name__)

ATTEMPTS_MAX = 5
LEASE_S = 60

task = Table(
    "task",
    metadata,
    Column("id", PgUuid, primary_key=True),
    Column("brand_id", BigInteger),
    Column("kind", String(40), nullable=False),
    Column("args", JSONB, nullable=False),
    Column("state", String(10), nullable=False, server_default="queued"),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("done", BigInteger, nullable=False, server_default="0"),
    Column("total", BigInteger, nullable=False, server_default="0"),
    Column("result", JSONB),
    Column("error", Text),
    Column("due_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("finished_at", DateTime(timezone=True)),
    Column("request_id", String(REQUEST_ID_CHARS_MAX)),
    Index("ix_task_due", "due_at", postgresql_where=text("state IN ('queued', 'running')")),
    Index("ix_task_failed", "id", postgresql_where=text("state = 'failed'")),
)


class LeaseLost(Exception):
    """Another worker has taken the task over; this attempt must stop and write nothing more."""


@dataclass(frozen=True, slots=True)
class TaskStatus:
    """How far a task is: state `queued`, `running`, `done` or `failed`; `done` of `total` steps."""

    id: UUID
    kind: str
    state: str
    attempts: int
    done: int
    total: int
    result: dict[str, Any] | None
    error: str | None


class Attempt:
    """One worker's try at one task."""

    def __init__(self, db: Database, task_id: UUID, number: int, args: Mapping[str, Any]) -> None:
        self._db = db
        self.id = task_id
        self.number = number
        self.args = args

    async def progress(self, done: int, total: int) -> None:
        """Record progress and renew the lease.

        Raises:
            LeaseLost: somebody else runs the task by now.
        """
        async with self._db.transaction() as tx:
            result = await tx.execute(
                text("""
                    UPDATE task SET done = :done, total = :total, due_at = now() + make_interval(secs => :lease_s)
                    WHERE id = :id AND attempts = :number AND state = 'running'"""),
                {"done": done, "total": total, "lease_s": LEASE_S, "id": self.id, "number": self.number},
            )
        if result.rowcount == 0:
            raise LeaseLost(str(self.id))


TaskFunction = Callable[[Attempt], Awaitable[dict[str, Any]]]


async def submit(tx: Tx, kind: str, args: Mapping[str, Any], *, brand_id: int | None = None) -> UUID:
    """Record a task in the caller's transaction; wake a worker after the commit, or leave it to the sweep."""
    task_id = uuid4()
    await tx.execute(
        text("""
            INSERT INTO task (id, brand_id, kind, args, request_id)
            VALUES (:id, :brand_id, :kind, CAST(:args AS jsonb), :request_id)"""),
        {
            "id": task_id,
            "brand_id": brand_id,
            "kind": kind,
            "args": json.dumps(dict(args)),
            "request_id": request_id.get(),
        },
    )
    return task_id


async def due(db: Database, limit: int = 100) -> list[UUID]:
    """Ids of tasks that nobody works on: never started, or left by a worker that died."""
    async with db.transaction() as tx:
        rows = await tx.execute(
            text(
                "SELECT id FROM task WHERE state IN ('queued', 'running') AND due_at <= now() ORDER BY due_at LIMIT :n"
            ),
            {"n": limit},
        )
        return list(rows.scalars())


_CLAIM = text("""
    UPDATE task SET state = 'running', attempts = attempts + 1, due_at = now() + make_interval(secs => :lease_s)
    WHERE id = (SELECT id FROM task WHERE id = :id AND state IN ('queued', 'running') AND due_at <= now()
                FOR UPDATE SKIP LOCKED)
    RETURNING kind, args, attempts, request_id
""")
_GIVE_UP = text("""
    UPDATE task SET state = 'failed', finished_at = now(),
        error = 'The worker died in each of ' || attempts || ' attempts'
    WHERE id = :id AND state = 'running' AND due_at <= now() AND attempts >= :most
""")
_FINISH = text("""
    UPDATE task SET state = CAST(:state AS text), result = CAST(:result AS jsonb), error = :error, finished_at = now(),
        done = CASE WHEN CAST(:state AS text) = 'done' THEN greatest(total, done) ELSE done END
    WHERE id = :id AND attempts = :number AND state = 'running'
""")
_RETRY = text("""
    UPDATE task SET due_at = now() + make_interval(secs => :wait_s), error = :error
    WHERE id = :id AND attempts = :number AND state = 'running'
""")


async def run(db: Database, task_id: UUID, functions: Mapping[str, TaskFunction]) -> str:
    """Run one task if it is still due.

    Returns:
        `done`, `failed`, `retry` (a fault; to be tried again later) or `taken` (nothing to do here).
    """
    async with db.transaction() as tx:
        await tx.execute(_GIVE_UP, {"id": task_id, "most": ATTEMPTS_MAX})
        row = (await tx.execute(_CLAIM, {"id": task_id, "lease_s": LEASE_S})).one_or_none()
    if row is None:
        return "taken"
    with working_for(row.request_id):
        return await _attempt(db, task_id, row, functions)


async def _attempt(db: Database, task_id: UUID, row: Any, functions: Mapping[str, TaskFunction]) -> str:  # noqa: ANN401 (a result row)
    attempt = Attempt(db, task_id, row.attempts, row.args)
    try:
        result = await functions[row.kind](attempt)
    except LeaseLost:
        return "taken"
    except YimaError as error:  # the input is wrong: trying again would not help
        await _finish(db, attempt, "failed", None, error.message)
        return "failed"
    except Exception as error:
        log.exception("task.fault", kind=row.kind, task=str(task_id), attempt=row.attempts)
        if row.attempts >= ATTEMPTS_MAX:
            await _finish(db, attempt, "failed", None, f"{type(error).__name__} after {row.attempts} attempts")
            return "failed"
        async with db.transaction() as tx:
            values = {
                "wait_s": 2**row.attempts,
                "error": type(error).__name__,
                "id": task_id,
                "number": row.attempts,
            }
            await tx.execute(_RETRY, values)
        return "retry"
    await _finish(db, attempt, "done", result, None)
    return "done"


async def _finish(db: Database, attempt: Attempt, state: str, result: dict[str, Any] | None, error: str | None) -> None:
    async with db.transaction() as tx:
        await tx.execute(
            _FINISH,
            {
                "state": state,
                "result": None if result is None else json.dumps(result),
                "error": error,
                "id": attempt.id,
                "number": attempt.number,
            },
        )


async def status(tx: Tx, task_id: UUID) -> TaskStatus:
    """How far a task is.

    Raises:
        NotFound: no such task.
    """
    row = (
        await tx.execute(
            text("SELECT id, kind, state, attempts, done, total, result, error FROM task WHERE id = :id"),
            {"id": task_id},
        )
    ).one_or_none()
    if row is None:
        raise NotFound(f"There is no task {task_id}.")
    return TaskStatus(*row)
