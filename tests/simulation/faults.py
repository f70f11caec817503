"""What goes wrong in a run. Each fault is one sentence of bad luck, by the run's seed; when it ends, it has healed."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import psycopg

from scanapi.gate import GROUPS_AT_ONCE
from tests.simulation.house import House, Program
from tests.simulation.proxy import COMMIT, COMMITTED, DROP, PASS, STATEMENT, Trap, Wire
from tests.simulation.workload import ask

DAY_S = 86_400
SPRING_S_MAX = 30.0
"""A trap that nobody steps into is taken away again."""


@dataclass(slots=True)
class Trouble:
    """What faults work on."""

    house: House
    rng: random.Random
    missed: list[str] = field(default_factory=list)

    def web(self) -> Program:
        """One of the web servers."""
        return self.rng.choice(self.house.webs)

    async def trap(
        self,
        program: Program,
        point: str,
        spring: Callable[[Wire], Awaitable[str]],
        *,
        table: str = "scan_replay",
        nth: int = 1,
    ) -> bool:
        """Wait until a transaction of the program that touches the table reaches a point; whether it did."""
        trap = Trap(point, lambda wire: wire.touches(table), spring, nth)
        program.proxy.traps.append(trap)
        try:
            async with asyncio.timeout(SPRING_S_MAX):
                await trap.sprung.wait()
        except TimeoutError:
            self.missed.append(f"{point} of {table}")
            return False
        finally:
            if trap in program.proxy.traps:
                program.proxy.traps.remove(trap)
        return True

    def point(self) -> tuple[str, str, int]:
        """A point of a scan's transaction, with the table that it must have touched, and a countdown."""
        return self.rng.choice(
            [(COMMIT, "scan_replay", 1), (COMMITTED, "scan_replay", 1), (STATEMENT, "unit", self.rng.randrange(1, 12))]
        )

    async def execute(self, *statements: str, database: str | None = None) -> None:
        """Run statements of our own, each a transaction, however long they wait for a lock or for the database.

        In a thread: those that hold the lock can go on only while the proxies do.
        """

        def run() -> None:
            for statement in statements:
                while True:
                    try:
                        with self.house.stage.patiently(database or self.house.database) as owner:
                            owner.execute(statement)  # type: ignore[call-overload]
                        break
                    except (psycopg.errors.DeadlockDetected, psycopg.OperationalError):
                        time.sleep(0.1)

        await asyncio.to_thread(run)

    def sql(self) -> psycopg.Connection[tuple[object, ...]]:
        """A connection of our own to the run's database."""
        return self.house.stage.patiently(self.house.database)


Fault = Callable[[Trouble], Awaitable[object]]
FAULTS: dict[str, Fault] = {}


def fault(name: str) -> Callable[[Fault], Fault]:
    """Enter a fault under its name."""

    def enter(function: Fault) -> Fault:
        FAULTS[name] = function
        return function

    return enter


# --- the web server -------------------------------------------------------------------------------------------


async def _kill_at(trouble: Trouble, point: str, table: str, nth: int = 1, *, quietly: bool = False) -> None:
    program = trouble.web()

    async def spring(wire: Wire) -> str:
        wire.proxy.keeps_server_side = quietly
        trouble.house.kill(program)
        await asyncio.sleep(0.02)  # it is dead before anything goes on
        if not quietly:
            wire.cut()
        return DROP

    await trouble.trap(program, point, spring, table=table, nth=nth)
    if quietly:  # its connections stay behind, with all that they hold, until the database loses patience
        await asyncio.sleep(trouble.rng.uniform(0.5, 4.0))
        program.proxy.keeps_server_side = False
        for wire in list(program.proxy.wires):
            if wire.flowing.is_set() and not wire.idle:
                wire.cut()


@fault("kill web before commit")
async def _(trouble: Trouble) -> None:
    await _kill_at(trouble, COMMIT, "scan_replay", trouble.rng.randrange(1, 6))


@fault("kill web after commit and before reply")
async def _(trouble: Trouble) -> None:
    await _kill_at(trouble, COMMITTED, "scan_replay", trouble.rng.randrange(1, 6))


@fault("kill web within a transaction")
async def _(trouble: Trouble) -> None:
    await _kill_at(trouble, STATEMENT, "unit", trouble.rng.randrange(1, 15))


@fault("kill web at any moment")
async def _(trouble: Trouble) -> None:
    trouble.house.kill(trouble.web())


@fault("kill web while it writes counters")
async def _(trouble: Trouble) -> None:
    await _kill_at(trouble, trouble.rng.choice([COMMIT, COMMITTED]), "refused_count")


@fault("power cut of web's machine")
async def _(trouble: Trouble) -> None:
    await _kill_at(trouble, *trouble.point(), quietly=True)


@fault("web stands still at a point")
async def _(trouble: Trouble) -> None:
    program, seconds = trouble.web(), trouble.rng.uniform(0.5, 3.5)
    point, table, nth = trouble.point()

    async def spring(_: Wire) -> str:
        program.send(signal.SIGSTOP)
        return PASS

    if await trouble.trap(program, point, spring, table=table, nth=nth):
        await trouble.house.stop_for(program, seconds)


@fault("clock of one web set forward and back")
async def _(trouble: Trouble) -> None:
    """Also to where the journal has no partition, which takes no scan and tells everybody to try again."""
    program = trouble.web()
    for offset_s in trouble.rng.sample([3_600, -3_600, 9 * DAY_S, -DAY_S, -70 * DAY_S, -90, 90], 3):
        program.set_clock(offset_s)
        await asyncio.sleep(0.5)
    program.set_clock(trouble.rng.choice([0, 0, 1.5, -1.5]))


# --- connections ----------------------------------------------------------------------------------------------


@fault("connection cut at commit")
async def _(trouble: Trouble) -> None:
    forwarded = trouble.rng.random() < 0.5

    async def spring(wire: Wire) -> str:
        wire.cut(client=True, server=not forwarded)
        return PASS if forwarded else DROP

    await trouble.trap(trouble.web(), COMMIT, spring, nth=trouble.rng.randrange(1, 4))


@fault("connection cut after commit")
async def _(trouble: Trouble) -> None:
    async def spring(wire: Wire) -> str:
        wire.cut()
        return DROP

    for _ in range(trouble.rng.randrange(1, 4)):
        await trouble.trap(trouble.web(), COMMITTED, spring)


@fault("counters' connection cut after commit")
async def _(trouble: Trouble) -> None:
    async def spring(wire: Wire) -> str:
        wire.cut()
        return DROP

    for _ in range(2):
        await trouble.trap(trouble.web(), COMMITTED, spring, table="refused_count")


@fault("connections cut within transactions")
async def _(trouble: Trouble) -> None:
    async def spring(wire: Wire) -> str:
        wire.cut()
        return DROP

    for _ in range(trouble.rng.randrange(1, 6)):
        await trouble.trap(trouble.web(), STATEMENT, spring, table="unit", nth=trouble.rng.randrange(1, 15))


@fault("connection half open")
async def _(trouble: Trouble) -> None:
    """Neither side hears the other any more, and nobody tells them."""
    point, table, nth = trouble.point()
    held: list[Wire] = []

    async def spring(wire: Wire) -> str:
        wire.flowing.clear()
        held.append(wire)
        return DROP if point == COMMITTED else PASS

    await trouble.trap(trouble.web(), point, spring, table=table, nth=nth)
    await asyncio.sleep(trouble.rng.uniform(1.0, 5.0))
    for wire in held:
        wire.cut()


@fault("connections half open for good")
async def _(trouble: Trouble) -> None:
    """As many as groups are committed at once; nobody ever cuts them."""

    async def spring(wire: Wire) -> str:
        wire.flowing.clear()
        return PASS

    program = trouble.web()
    for _ in range(GROUPS_AT_ONCE):
        await trouble.trap(program, STATEMENT, spring, table="unit", nth=trouble.rng.randrange(1, 5))


# --- the database ---------------------------------------------------------------------------------------------


@fault("backend terminated")
async def _(trouble: Trouble) -> None:
    async def spring(wire: Wire) -> str:
        with trouble.sql() as owner:
            owner.execute("SELECT pg_terminate_backend(%s)", [wire.backend])
        return PASS

    for _ in range(trouble.rng.randrange(1, 4)):
        point, table, nth = trouble.point()
        await trouble.trap(trouble.web(), point, spring, table=table, nth=nth)


@fault("kill one backend")
async def _(trouble: Trouble) -> None:
    """The server ends all others too, and recovers."""

    async def spring(wire: Wire) -> str:
        with contextlib.suppress(ProcessLookupError):
            os.kill(wire.backend, signal.SIGKILL)
        return PASS

    point, table, nth = trouble.point()
    if await trouble.trap(trouble.web(), point, spring, table=table, nth=nth):
        await _back(trouble)


@fault("kill postmaster")
async def _(trouble: Trouble) -> None:

    async def spring(_: Wire) -> str:
        with contextlib.suppress(ProcessLookupError, FileNotFoundError):
            os.kill(trouble.house.stage.postmaster(), signal.SIGKILL)
        return PASS

    point, table, nth = trouble.point()
    if await trouble.trap(trouble.web(), point, spring, table=table, nth=nth):
        await _back(trouble)


async def _back(trouble: Trouble) -> None:
    """Wait until the database takes connections again."""
    await asyncio.sleep(0.1)
    (await asyncio.to_thread(trouble.sql)).close()


@fault("backend stands still")
async def _(trouble: Trouble) -> None:
    stopped: list[int] = []

    async def spring(wire: Wire) -> str:
        os.kill(wire.backend, signal.SIGSTOP)
        stopped.append(wire.backend)
        return PASS

    point, table, nth = trouble.point()
    await trouble.trap(trouble.web(), point, spring, table=table, nth=nth)
    await asyncio.sleep(trouble.rng.uniform(0.5, 3.5))
    for pid in stopped:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)


_INJECT = """
CREATE SEQUENCE IF NOT EXISTS turn_{state};
CREATE OR REPLACE FUNCTION fail_{state}() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF nextval('turn_{state}') % {every} = 0 THEN
        RAISE EXCEPTION 'injected' USING ERRCODE = '{state}';
    END IF;
    RETURN NULL;
END $$;
DROP TRIGGER IF EXISTS fail_{state} ON {table};
CREATE CONSTRAINT TRIGGER fail_{state} AFTER {events} ON {table} {when} FOR EACH ROW EXECUTE FUNCTION fail_{state}();
"""


async def _inject(trouble: Trouble, state: str) -> None:
    table, events = trouble.rng.choice([("scan_replay", "INSERT"), ("account", "UPDATE"), ("claim", "INSERT")])
    when = trouble.rng.choice(["DEFERRABLE INITIALLY DEFERRED", "NOT DEFERRABLE"])
    every = trouble.rng.choice([5, 17, 40])
    await trouble.execute(_INJECT.format(every=every, state=state, table=table, events=events, when=when))
    await asyncio.sleep(trouble.rng.uniform(0.5, 1.5))
    await trouble.execute(f"DROP TRIGGER IF EXISTS fail_{state} ON {table}")


@fault("serialization failures")
async def _(trouble: Trouble) -> None:
    await _inject(trouble, "40001")


@fault("deadlocks told")
async def _(trouble: Trouble) -> None:
    await _inject(trouble, "40P01")


@fault("deadlocks")
async def _(trouble: Trouble) -> None:
    """Somebody takes the same locks in the wrong order."""

    def lock() -> None:
        with contextlib.suppress(psycopg.OperationalError), trouble.sql() as owner:
            for _ in range(6):
                with contextlib.suppress(psycopg.errors.DeadlockDetected), owner.transaction():
                    owner.execute("SELECT 1 FROM prize FOR UPDATE")
                    owner.execute("SELECT 1 FROM account WHERE member_id % 3 = 0 ORDER BY id DESC FOR UPDATE")
                    owner.execute("SELECT 1 FROM unit ORDER BY id DESC LIMIT 200 FOR UPDATE")
                time.sleep(0.05)

    await asyncio.to_thread(lock)


@fault("pool exhausted")
async def _(trouble: Trouble) -> None:
    """Everybody waits for one lock, and whoever comes finds no connection."""
    codes = trouble.rng.sample(trouble.house.stage.cast.codes, 40)

    async def look(path: str) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            async with asyncio.timeout(8):
                await ask(trouble.web().door.port, "GET", path, {})

    def lock() -> None:
        with contextlib.suppress(psycopg.Error), trouble.sql() as owner, owner.transaction():
            owner.execute("SET LOCAL lock_timeout = '2s'")
            with contextlib.suppress(psycopg.errors.LockNotAvailable):
                owner.execute("LOCK TABLE claim IN ACCESS EXCLUSIVE MODE")
            time.sleep(2.2)

    locking = asyncio.create_task(asyncio.to_thread(lock))
    looks = [asyncio.create_task(look("/Q/" + code.text.rsplit("/", 1)[1])) for code in codes]
    await asyncio.gather(locking, *looks)


@fault("no connection to be had")
async def _(trouble: Trouble) -> None:
    """The database takes no further connection, and those that were open are gone."""
    name = trouble.house.database
    await trouble.execute(f"ALTER DATABASE {name} CONNECTION LIMIT 0", database="postgres")
    for web in trouble.house.webs:
        for wire in list(web.proxy.wires):
            wire.cut()
    await asyncio.sleep(trouble.rng.uniform(0.5, 1.5))
    await trouble.execute(f"ALTER DATABASE {name} CONNECTION LIMIT -1", database="postgres")


# --- the worker -----------------------------------------------------------------------------------------------


async def _worker_at(trouble: Trouble, spring: Callable[[Wire], Awaitable[str]]) -> None:
    point, table, nth = trouble.rng.choice([(COMMIT, "lot", 1), (COMMITTED, "lot", 1), (STATEMENT, "claim", 5)])
    await trouble.trap(trouble.house.worker, point, spring, table=table, nth=nth)


@fault("kill worker")
async def _(trouble: Trouble) -> None:
    async def spring(wire: Wire) -> str:
        trouble.house.kill(trouble.house.worker)
        for child in children_of(trouble.house.worker.pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
        wire.cut()
        return DROP

    await _worker_at(trouble, spring)


@fault("kill worker's child")
async def _(trouble: Trouble) -> None:
    async def spring(wire: Wire) -> str:
        for child in children_of(trouble.house.worker.pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
        await asyncio.sleep(0.02)
        wire.cut()
        return DROP

    await _worker_at(trouble, spring)


@fault("worker's connection cut")
async def _(trouble: Trouble) -> None:
    async def spring(wire: Wire) -> str:
        wire.cut()
        return DROP

    await _worker_at(trouble, spring)


def children_of(pid: int) -> list[int]:
    """The processes that a process started."""
    try:
        with open(f"/proc/{pid}/task/{pid}/children") as file:  # noqa: PTH123 (not a file of ours)
            return [int(child) for child in file.read().split()]
    except FileNotFoundError:
        return []


OF_WORKER = ("kill worker", "kill worker's child", "worker's connection cut")
OF_WEB = tuple(name for name in FAULTS if name not in OF_WORKER)
