"""The gate: groups gather by themselves, a poisonous scan fails alone, and nobody waits for ever."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any
from uuid import uuid4

import pytest
import structlog
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from codegen.scheme import VerifiedCode
from kernel.errors import Conflict, Unavailable
from scanapi import gate as gates
from scanapi.gate import GROUP_MAX, GROUPS_AT_ONCE, TRIES_MAX, WAITING_MAX, Gate
from scanapi.group import Answer, Scan
from tests.world import World
from yima.runtime import Runtime


def scan(number: int = 0) -> Scan:
    """A scan that no database ever sees; its body hash tells its number."""
    return Scan(
        scan_id=uuid4(), body_hash=number.to_bytes(4, "big"), language="en",
        code=VerifiedCode("0" * 20, key_id=1, serial=2 * number), host=None, member=None, device=None,
        location=None, location_source="none", location_sealed=None, region=None, ip_province=None,
        data_versions=None, page="app",
    )  # fmt: skip


class Commits:
    """Stands for the database: notes the groups, answers each scan its own number, fails as told."""

    def __init__(self) -> None:
        self.groups: list[list[int]] = []
        self.poison: set[int] = set()
        self.errors: list[Exception] = []
        self.open = asyncio.Event()
        self.open.set()
        self.running = 0
        self.running_max = 0

    async def __call__(self, group: Sequence[Scan]) -> list[Answer]:
        numbers = [int.from_bytes(each.body_hash, "big") for each in group]
        self.groups.append(numbers)
        self.running += 1
        self.running_max = max(self.running_max, self.running)
        try:
            await self.open.wait()
            await asyncio.sleep(0)
            if self.errors:
                raise self.errors.pop(0)
            if self.poison & set(numbers):
                raise RuntimeError("poison")
            return [each.body_hash for each in group]
        finally:
            self.running -= 1


@pytest.fixture(autouse=True)
def logged() -> Iterator[list[Any]]:
    """What is logged, unprinted: hundreds of failures are meant here."""
    with structlog.testing.capture_logs() as lines:
        yield lines


@pytest.fixture
def commits() -> Commits:
    return Commits()


async def submit_all(gate: Gate, count: int) -> list[Any]:
    return await asyncio.gather(*(gate.submit(scan(n)) for n in range(count)))


def told(answers: Sequence[Any]) -> list[Any]:
    return [int.from_bytes(each, "big") if isinstance(each, bytes) else type(each) for each in answers]


async def test_a_lone_scan_does_not_wait_for_company(commits: Commits) -> None:
    gate = Gate(commits)
    for n in range(3):
        assert told([await gate.submit(scan(n))]) == [n]
    assert commits.groups == [[0], [1], [2]]


async def test_everybody_gets_the_answer_to_their_own_scan(commits: Commits) -> None:
    assert told(await submit_all(Gate(commits), 1000)) == list(range(1000))


async def test_groups_are_bounded_keep_the_order_of_arrival_and_run_two_at_a_time(commits: Commits) -> None:
    gate = Gate(commits)
    await submit_all(gate, 5 * GROUP_MAX + 7)
    assert max(len(group) for group in commits.groups) == GROUP_MAX
    assert [n for group in commits.groups for n in group] == list(range(5 * GROUP_MAX + 7))
    assert commits.running_max == GROUPS_AT_ONCE
    assert (gate.groups, gate.scans) == (len(commits.groups), 5 * GROUP_MAX + 7)


async def test_while_the_gate_is_busy_the_next_group_gathers(commits: Commits) -> None:
    gate = Gate(commits)
    commits.open.clear()
    first = [asyncio.create_task(gate.submit(scan(n))) for n in range(GROUPS_AT_ONCE)]
    while len(commits.groups) < 1:
        await asyncio.sleep(0)
    rest = [asyncio.create_task(gate.submit(scan(10 + n))) for n in range(20)]
    for _ in range(5):
        await asyncio.sleep(0)
    commits.open.set()
    await asyncio.gather(*first, *rest)
    assert any(len(group) >= 10 for group in commits.groups)


async def test_a_full_queue_is_unavailable_and_says_when_to_come_back(commits: Commits) -> None:
    gate = Gate(commits)
    commits.open.clear()
    total = WAITING_MAX + GROUPS_AT_ONCE * GROUP_MAX + 50
    tasks = [asyncio.create_task(gate.submit(scan(n))) for n in range(WAITING_MAX)]
    while len(commits.groups) < GROUPS_AT_ONCE:
        await asyncio.sleep(0)
    tasks += [asyncio.create_task(gate.submit(scan(n))) for n in range(WAITING_MAX, total)]
    await asyncio.sleep(0)
    commits.open.set()
    answers = await asyncio.gather(*tasks, return_exceptions=True)
    refused = [answer for answer in answers if isinstance(answer, Unavailable)]
    assert len(refused) == 50
    assert {error.status for error in refused} == {503}
    assert all(error.details["retry_after_s"] for error in refused)
    assert sum(isinstance(answer, bytes) for answer in answers) == total - 50
    assert told([await gate.submit(scan(7))]) == [7], "afterwards all is well again"


@pytest.mark.parametrize("poison", [{0}, {63}, {17}, {0, 31, 32, 63}, set(range(64))])
async def test_a_poisonous_scan_fails_alone(commits: Commits, poison: set[int]) -> None:
    gate = Gate(commits)
    commits.poison = poison
    answers = told(await submit_all(gate, 64))
    assert answers == [Unavailable if n in poison else n for n in range(64)]
    assert Counter(n for group in commits.groups if not poison & set(group) for n in group) == Counter(
        set(range(64)) - poison
    ), "each of the others is committed once"


@pytest.mark.parametrize("error", ["23505", "40001", "40P01", "55P03"])
async def test_a_lone_scan_that_loses_a_race_is_tried_again(commits: Commits, error: str) -> None:
    commits.errors = [_race(error), _race(error)]
    assert told([await Gate(commits).submit(scan(5))]) == [5]
    assert commits.groups == [[5]] * 3


async def test_a_group_that_loses_a_race_is_done_in_the_end(commits: Commits) -> None:
    commits.errors = [_race("23505") for _ in range(3)]
    assert told(await submit_all(Gate(commits), 8)) == list(range(8))


async def test_a_race_lost_for_ever_is_given_up(commits: Commits) -> None:
    commits.errors = [_race("23505") for _ in range(100)]
    assert told([await Gate(commits).submit(scan(5))]) == [Unavailable]
    assert len(commits.groups) == 1 + TRIES_MAX


async def test_another_error_of_a_lone_scan_is_not_tried_again(commits: Commits) -> None:
    commits.errors = [_race("23514")]
    assert told([await Gate(commits).submit(scan(5))]) == [Unavailable]
    assert len(commits.groups) == 1


async def test_a_database_that_is_away_is_not_asked_once_for_every_scan_of_a_group(commits: Commits) -> None:
    """Each attempt may wait ten seconds for a connection: a hundred and more of them are twenty minutes."""
    commits.errors = [ConnectionRefusedError() for _ in range(1000)]
    answers = told(await submit_all(Gate(commits), GROUP_MAX))
    assert answers == [Unavailable] * GROUP_MAX
    assert len(commits.groups) <= 10


async def test_a_client_that_gives_up_does_not_stop_its_scan_nor_its_groups(commits: Commits) -> None:
    gate = Gate(commits)
    commits.open.clear()
    tasks = [asyncio.create_task(gate.submit(scan(n))) for n in range(10)]
    while not commits.groups:
        await asyncio.sleep(0)
    tasks[4].cancel()
    await asyncio.sleep(0)
    commits.open.set()
    answers = await asyncio.gather(*tasks, return_exceptions=True)
    assert told(answers) == [n if n != 4 else asyncio.CancelledError for n in range(10)]
    assert sorted(n for group in commits.groups for n in group) == list(range(10))


async def test_closing_finishes_what_was_accepted(commits: Commits) -> None:
    gate = Gate(commits)
    commits.open.clear()
    tasks = [asyncio.create_task(gate.submit(scan(n))) for n in range(3 * GROUP_MAX)]
    while not commits.groups:
        await asyncio.sleep(0)
    closing = asyncio.create_task(gate.close())
    await asyncio.sleep(0)
    assert not closing.done()
    commits.open.set()
    await closing
    assert told(await asyncio.gather(*tasks)) == list(range(3 * GROUP_MAX))


async def test_an_error_to_be_told_is_an_answer_and_disturbs_nobody() -> None:
    async def commit(group: Sequence[Scan]) -> list[Answer]:
        return [Conflict("used") if n == 1 else each.body_hash for n, each in enumerate(group)]

    gate = Gate(commit)
    answers = await submit_all(gate, 3)
    assert told(answers) == [0, Conflict, 2]
    assert gate.groups == 1


# --- against the database -----------------------------------------------------------------------------------


async def test_races_of_the_real_database_are_known_as_such(opened: Runtime) -> None:
    async with opened.db.transaction() as tx:
        await tx.execute(text("CREATE TABLE thing (id int PRIMARY KEY, n int)"))
        await tx.execute(text("INSERT INTO thing VALUES (1, 0), (2, 0)"))
    found: list[DBAPIError] = []

    async def deadlock(first: int, second: int, barrier: asyncio.Barrier) -> None:
        async with opened.db.transaction() as tx:
            await tx.execute(text("SELECT 1 FROM thing WHERE id = :id FOR UPDATE"), {"id": first})
            await barrier.wait()
            await tx.execute(text("SELECT 1 FROM thing WHERE id = :id FOR UPDATE"), {"id": second})

    barrier = asyncio.Barrier(2)
    results = await asyncio.gather(deadlock(1, 2, barrier), deadlock(2, 1, barrier), return_exceptions=True)
    found += [result for result in results if isinstance(result, DBAPIError)]
    with pytest.raises(DBAPIError) as raised:
        async with opened.db.transaction() as mine, opened.db.transaction() as theirs:
            await mine.execute(text("SELECT 1 FROM thing WHERE id = 1 FOR UPDATE"))
            await theirs.execute(text("SELECT 1 FROM thing WHERE id = 1 FOR UPDATE NOWAIT"))
    found.append(raised.value)
    assert len(found) == 2
    assert all(gates._is_race(error) for error in found)
    with pytest.raises(DBAPIError) as raised:
        async with opened.db.transaction() as tx:
            await tx.execute(text("INSERT INTO thing VALUES (1, 0)"))
    assert gates._is_race(raised.value), "a claim of a unit that was new to both"
    with pytest.raises(DBAPIError) as raised:
        async with opened.db.transaction() as tx:
            await tx.execute(text("INSERT INTO thing VALUES (NULL, 0)"))
    assert not gates._is_race(raised.value)


async def test_a_commit_whose_answer_was_lost_is_found_again_and_not_repeated(world: World) -> None:
    """The connection broke after the commit: the retried halves find the first replies by their scan ids."""
    commit = world.service.gate._commit
    broken = False

    async def breaks_once(group: Sequence[Scan]) -> list[Answer]:
        nonlocal broken
        answers = await commit(group)
        if len(group) > 1 and not broken:
            broken = True
            raise RuntimeError("the connection broke after the commit")
        return answers

    world.service.gate = Gate(breaks_once)
    replies = await asyncio.gather(*(world.scan(world.lines[n], member=n % 20) for n in range(16)))
    assert broken
    assert [reply.outcome for reply in replies] == ["awarded"] * 16
    assert {reply.scan_count for reply in replies} == {1}
    async with world.opened.db.transaction() as tx:
        assert (await tx.execute(text("SELECT count(*) FROM scan"))).scalar_one() == 16


def _race(error: Exception | str) -> Exception:
    if isinstance(error, Exception):
        return error
    lost = RuntimeError("lost a race")
    lost.sqlstate = error  # type: ignore[attr-defined]
    return DBAPIError("SELECT 1", None, lost)
