"""Tasks: the row is the job; a lease, a fence and a count of attempts make it end, once."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from kernel import tasks
from kernel.errors import InvalidInput, NotFound
from kernel.tasks import Attempt, TaskStatus
from yima.runtime import Runtime


async def submit(opened: Runtime, **args: Any) -> UUID:
    async with opened.db.transaction() as tx:
        return await tasks.submit(tx, "work", args)


async def status(opened: Runtime, task_id: UUID) -> TaskStatus:
    async with opened.db.transaction() as tx:
        return await tasks.status(tx, task_id)


async def make_due(opened: Runtime) -> None:
    """Let the time of every lease and every pause be over."""
    async with opened.db.transaction() as tx:
        await tx.execute(text("UPDATE task SET due_at = now() WHERE state IN ('queued', 'running')"))


async def succeed(attempt: Attempt) -> dict[str, Any]:
    return {"by": attempt.number}


async def fault(_: Attempt) -> dict[str, Any]:
    raise RuntimeError("a defect of ours")


async def die(_: Attempt) -> dict[str, Any]:
    raise asyncio.CancelledError


async def run(opened: Runtime, task_id: UUID, function: Any) -> str:
    return await tasks.run(opened.db, task_id, {"work": function})


async def test_a_task_is_done_once_with_its_arguments_and_its_result_is_kept(opened: Runtime) -> None:
    seen = []

    async def work(attempt: Attempt) -> dict[str, Any]:
        seen.append(attempt.args)
        await attempt.progress(3, 10)
        halfway = await status(opened, attempt.id)
        assert (halfway.state, halfway.done, halfway.total) == ("running", 3, 10)
        return {"列": [1, None]}

    task_id = await submit(opened, name="绿茶", lines=[1, 2])
    assert await tasks.due(opened.db) == [task_id]
    assert await run(opened, task_id, work) == "done"
    assert await run(opened, task_id, work) == "taken", "a doubled message finds nothing to do"
    assert seen == [{"name": "绿茶", "lines": [1, 2]}]
    found = await status(opened, task_id)
    assert (found.state, found.result, found.error, found.done, found.total) == (
        "done",
        {"列": [1, None]},
        None,
        10,
        10,
    )
    assert await tasks.due(opened.db) == []


async def test_a_task_of_a_rolled_back_use_case_does_not_exist(opened: Runtime) -> None:
    with pytest.raises(RuntimeError):
        async with opened.db.transaction() as tx:
            task_id = await tasks.submit(tx, "work", {})
            raise RuntimeError
    assert await tasks.due(opened.db) == []
    assert await run(opened, task_id, succeed) == "taken"
    with pytest.raises(NotFound, match=str(task_id)):
        await status(opened, task_id)


async def test_a_message_about_no_task_does_nothing(opened: Runtime) -> None:
    assert await run(opened, uuid4(), succeed) == "taken"


async def test_two_workers_woken_at_once_do_a_task_once(opened: Runtime) -> None:
    ran = []

    async def work(attempt: Attempt) -> dict[str, Any]:
        ran.append(attempt.number)
        await asyncio.sleep(0.05)
        return {}

    task_id = await submit(opened)
    found = await asyncio.gather(*(run(opened, task_id, work) for _ in range(5)))
    assert sorted(found) == ["done", *["taken"] * 4]
    assert ran == [1]


async def test_a_wrong_input_fails_at_once_with_its_sentence(opened: Runtime) -> None:
    async def refuse(_: Attempt) -> dict[str, Any]:
        raise InvalidInput("Lines 9 to 99 are not within the batch.")

    task_id = await submit(opened)
    assert await run(opened, task_id, refuse) == "failed"
    await make_due(opened)
    assert await run(opened, task_id, succeed) == "taken"
    found = await status(opened, task_id)
    assert (found.state, found.attempts, found.error) == ("failed", 1, "Lines 9 to 99 are not within the batch.")


async def test_a_fault_is_tried_again_later_and_may_still_succeed(opened: Runtime) -> None:
    task_id = await submit(opened)
    assert await run(opened, task_id, fault) == "retry"
    assert await run(opened, task_id, succeed) == "taken", "not before its time"
    await make_due(opened)
    assert await run(opened, task_id, succeed) == "done"
    found = await status(opened, task_id)
    assert (found.state, found.result, found.error) == ("done", {"by": 2}, None)


async def test_a_fault_that_stays_fails_the_task_after_five_attempts(opened: Runtime) -> None:
    task_id = await submit(opened)
    found = []
    for _ in range(tasks.ATTEMPTS_MAX):
        found.append(await run(opened, task_id, fault))
        await make_due(opened)
    assert found == [*["retry"] * (tasks.ATTEMPTS_MAX - 1), "failed"]
    failed = await status(opened, task_id)
    assert failed.state == "failed"
    assert failed.error is not None
    assert "RuntimeError" in failed.error
    assert "a defect of ours" not in failed.error, "an error's own text may quote data"


async def test_a_task_of_an_unknown_kind_fails_in_the_end(opened: Runtime) -> None:
    task_id = await submit(opened)
    for _ in range(tasks.ATTEMPTS_MAX):
        await tasks.run(opened.db, task_id, {})
        await make_due(opened)
    assert (await status(opened, task_id)).state == "failed"


async def test_a_task_whose_worker_died_is_taken_up_after_its_lease(opened: Runtime) -> None:
    task_id = await submit(opened)
    with pytest.raises(asyncio.CancelledError):
        await run(opened, task_id, die)
    assert await tasks.due(opened.db) == []
    assert await run(opened, task_id, succeed) == "taken", "the lease still holds"
    await make_due(opened)
    assert await tasks.due(opened.db) == [task_id]
    assert await run(opened, task_id, succeed) == "done"
    assert (await status(opened, task_id)).attempts == 2


async def test_a_task_that_kills_its_worker_every_time_is_given_up(opened: Runtime) -> None:
    """One that exhausts the memory, say: it must not take the worker down for ever."""
    task_id = await submit(opened)
    died = 0
    for _ in range(tasks.ATTEMPTS_MAX + 2):
        try:
            await run(opened, task_id, die)
        except asyncio.CancelledError:
            died += 1
        await make_due(opened)
    assert died == tasks.ATTEMPTS_MAX
    found = await status(opened, task_id)
    assert found.state == "failed"
    assert found.error


async def test_progress_renews_the_lease(opened: Runtime) -> None:
    async def work(attempt: Attempt) -> dict[str, Any]:
        await make_due(opened)
        assert await tasks.due(opened.db) == [attempt.id]
        await attempt.progress(1, 2)
        assert await tasks.due(opened.db) == []
        return {}

    assert await run(opened, await submit(opened), work) == "done"


async def test_a_worker_that_lost_its_lease_can_tell_no_progress_and_no_end(opened: Runtime) -> None:
    async def late(attempt: Attempt) -> dict[str, Any]:
        await make_due(opened)
        assert await run(opened, attempt.id, succeed) == "done"
        with pytest.raises(tasks.LeaseLost):
            await attempt.progress(1, 1)
        return {"by": "the late one"}

    task_id = await submit(opened)
    await run(opened, task_id, late)
    assert (await status(opened, task_id)).result == {"by": 2}


async def test_a_worker_that_lost_its_lease_stops_at_its_next_progress(opened: Runtime) -> None:
    reached_the_end = False

    async def late(attempt: Attempt) -> dict[str, Any]:
        nonlocal reached_the_end
        await make_due(opened)
        await run(opened, attempt.id, fault)
        await attempt.progress(1, 1)
        reached_the_end = True
        return {}

    task_id = await submit(opened)
    assert await run(opened, task_id, late) == "taken"
    assert not reached_the_end
    assert (await status(opened, task_id)).state == "running", "the other worker's attempt stands"


async def test_the_fault_of_a_worker_that_lost_its_lease_changes_nothing(opened: Runtime) -> None:
    async def late(attempt: Attempt) -> dict[str, Any]:
        await make_due(opened)
        await run(opened, attempt.id, succeed)
        raise RuntimeError

    task_id = await submit(opened)
    await run(opened, task_id, late)
    assert (await status(opened, task_id)).state == "done"
