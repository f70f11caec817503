"""One run: programs start, people scan, things go wrong, everything heals; then the auditor looks."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
import random
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from kernel.db import StatementFailed
from kernel.errors import ConfigurationError, Conflict
from scanapi import settle
from tests.simulation.auditor import LEFT_OPEN, Auditor, Breach
from tests.simulation.defects import DEFECTS
from tests.simulation.diary import Diary
from tests.simulation.faults import FAULTS, OF_WEB, OF_WORKER, Trouble
from tests.simulation.house import House, Zygote
from tests.simulation.older import Older
from tests.simulation.stage import PARKED, Stage
from tests.simulation.workload import Crowd
from yima import audit, broker, runtime, switching
from yima.runtime import Runtime

HEAL_S_MAX = 60.0
"""So long after the last fault everybody has been answered, or something is stuck."""
LINES_AT_ONCE = 5
"""So many lines are activated together."""
AWAY = (ConfigurationError, DBAPIError, StatementFailed, OSError)
"""What our own use of the product meets while the database is away."""
QUIET_S_MAX = 6.0
"""So long after the last answer nobody is within a transaction any more."""


_HELD = text("""
    SELECT id FROM claim WHERE state = 'pending' AND reason <> 'inactive' ORDER BY random() LIMIT 5
""")


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to happen, all of it from the seed."""

    seed: int
    faults: tuple[str, ...]
    seconds: float = 2.0
    webs: int = 2
    defect: str | None = None
    favourites: tuple[str, ...] = ()
    heal_s_max: float = HEAL_S_MAX

    @classmethod
    def with_defect(cls, seed: int, defect: str) -> Plan:
        """A run with a defect that is to be found; nobody waits long for what never heals."""
        planted = DEFECTS[defect]
        return cls(seed, planted.faults, seconds=1.0, defect=defect, favourites=planted.favourites, heal_s_max=5.0)

    @classmethod
    def of(cls, seed: int, names: tuple[str, ...] = OF_WEB + OF_WORKER) -> Plan:
        """The plan of a seed: each of the faults has its turn, alone or with others."""
        rng = random.Random(seed)
        others = [name for name in names if name not in OF_WORKER]
        faults = [names[seed % len(names)], *rng.sample(others, rng.choice([0, 1, 2]))]
        return cls(seed, tuple(dict.fromkeys(faults)))

    @property
    def worker(self) -> bool:
        """Whether a worker takes part."""
        return any(name in OF_WORKER for name in self.faults)


@dataclass(slots=True)
class Report:
    """What came of a run."""

    plan: Plan
    breaches: list[Breach]
    scans: int
    answered: int
    awarded: int
    kills: int
    seconds: float
    decided: int
    missed: list[str]
    answered_by: dict[str, int]
    logs: dict[str, str] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        """Whether every invariant held."""
        return not self.breaches

    def __str__(self) -> str:
        said = f"seed {self.plan.seed:4d} {'ok ' if self.ok else 'BAD'} {self.seconds:5.1f} s "
        said += f"{self.scans} scans, {self.answered} answered, {self.awarded} awarded: {', '.join(self.plan.faults)}"
        said += f"; {self.decided} holds decided" if self.decided else ""
        said += f" (never came to: {', '.join(self.missed)})" if self.missed else ""
        return "\n".join([said, *(f"    {breach}" for breach in self.breaches)])


class Theatre:
    """The server, the template and the zygote, for as many runs as wanted."""

    def __init__(self, folder: Path) -> None:
        self.stage = Stage(folder)
        self._folder = folder
        self._number = 0

    @contextlib.contextmanager
    def opened(self) -> Iterator[Theatre]:
        """Everything that runs have in common."""
        with contextlib.ExitStack() as stack:
            # the broker's transport in this very process tells of every connection that a fault has cut
            logging.getLogger("sqlalchemy.pool").setLevel(logging.CRITICAL)
            self._forks = Zygote()
            stack.callback(self._forks.close)
            stack.enter_context(self.stage.opened())
            yield self

    def play(self, plan: Plan, older: Older | None = None) -> Report:
        """One run; the last of the web servers is of an older version, where there is one."""
        self._number += 1
        with (
            self.stage.copy(f"run_{self._number}") as database,
            tempfile.TemporaryDirectory(dir=self._folder) as folder,
        ):
            return asyncio.run(self._play(plan, database, Path(folder), older))

    async def _play(self, plan: Plan, database: str, folder: Path, older: Older | None) -> Report:
        began, rng, diary = time.monotonic(), random.Random(plan.seed), Diary()
        house = House(self.stage, self._forks, database, folder, diary)
        late: list[Breach] = []
        async with house.opened(
            plan.webs, worker=plan.worker, older=None if older is None else functools.partial(older, house)
        ):
            if plan.defect is not None:
                await DEFECTS[plan.defect].plant(house)
            favourites = plan.favourites or (("early_bird",) if plan.worker else ())
            crowd = Crowd(self.stage.cast, [web.door for web in house.webs], diary, rng, favourites)
            enough = asyncio.Event()
            acting = asyncio.create_task(crowd.act(enough))
            await asyncio.sleep(0.2)
            trouble = Trouble(house, random.Random(plan.seed + 1))
            went_wrong = [asyncio.create_task(self._in_a_while(trouble, name, plan)) for name in plan.faults]
            wakes = asyncio.create_task(self._sweep(house)) if plan.worker else None
            deciding = asyncio.create_task(self._decide(database, diary, random.Random(plan.seed + 2)))
            activating = []
            if plan.worker:
                activating.append(self._activate(database, lambda: all(fault.done() for fault in went_wrong)))
            await asyncio.gather(asyncio.sleep(plan.seconds), *went_wrong, *activating)
            enough.set()
            try:
                async with asyncio.timeout(plan.heal_s_max):
                    await house.ready()
                    await acting
                    silent = [web.name for web in house.webs if not await crowd.probe(web.door)]
                    if silent:
                        late.append(Breach("a server that heals serves again", len(silent), tuple(silent)))
                    if wakes is not None:
                        await self._settled(database)
            except TimeoutError as error:
                late.append(Breach("everything heals", 1, (str(error) or f"not within {plan.heal_s_max:g} s",)))
                acting.cancel()
            others = [deciding] if wakes is None else [deciding, wakes]
            for task in others:
                task.cancel()
            await asyncio.gather(acting, *others, return_exceptions=True)
            late += await self._quiet(database)
        breaches = [*late, *await self._audit(database, diary)]
        logs = {program.name: program.log.read_text() for program in house.programs} if breaches else {}
        real = diary.of_kind("real")
        return Report(
            plan=plan, breaches=breaches, scans=len(diary.scans), answered=sum(1 for scan in real if scan.told),
            awarded=sum(1 for scan in real if scan.reply is not None and scan.reply["outcome"] == "awarded"),
            kills=len(diary.kills), seconds=time.monotonic() - began, decided=len(diary.decisions),
            missed=trouble.missed,
            answered_by={
                web.name: sum(answer.server == web.name for scan in real for answer in scan.told) for web in house.webs
            },
            logs=logs,
        )  # fmt: skip

    @staticmethod
    async def _in_a_while(trouble: Trouble, name: str, plan: Plan) -> None:
        await asyncio.sleep(trouble.rng.uniform(0, plan.seconds * 0.4))
        await FAULTS[name](trouble)

    async def _activate(self, database: str, enough: Callable[[], bool]) -> None:
        """The range that people scan too early is activated bit by bit, while they do, and in the end all of it.

        Whoever does it says it again when the database was away: saying it twice changes nothing.
        """
        url, batch, first = self.stage.url(database), self.stage.cast.parked_batch, 1
        while first <= PARKED:
            last = PARKED if enough() else min(first + LINES_AT_ONCE - 1, PARKED)
            with contextlib.suppress(*AWAY):
                async with runtime.connect(self.stage.settings(url), url, application="simulation") as opened:
                    await switching.activate(opened, batch, first=first, last=last, actor="test")
                first = last + 1
            await asyncio.sleep(0.4)

    async def _sweep(self, house: House) -> None:
        """As beat does, but oftener: wake the worker for its sweep."""
        url = self.stage.url(house.database)
        while True:
            celery = broker.make_app(self.stage.settings(url), url)
            with contextlib.suppress(Exception):  # the database may be away
                await asyncio.to_thread(celery.send_task, "yima.sweep", ignore_result=True, expires=5)
            celery.close()
            await asyncio.sleep(0.7)

    async def _decide(self, database: str, diary: Diary, rng: random.Random) -> None:
        """Somebody at the brand decides what a rule holds, while scans of the same units go on."""
        url = self.stage.url(database)
        while True:
            with contextlib.suppress(*AWAY):
                async with runtime.connect(self.stage.settings(url), url, application="simulation") as opened:
                    while True:
                        await self._decide_some(opened, diary, rng)
                        await asyncio.sleep(0.2)

    @staticmethod
    async def _decide_some(opened: Runtime, diary: Diary, rng: random.Random) -> None:
        with contextlib.suppress(DBAPIError, StatementFailed, OSError, Conflict):
            async with opened.db.transaction() as tx:
                rows = await tx.execute(_HELD)
            for (claim_id,) in rows:
                post = rng.random() < 0.6
                async with opened.db.transaction() as tx:
                    await settle.decide(tx, opened.vault, claim_id, post=post, reason="test", actor="test")
                diary.decisions[claim_id] = "posted" if post else "voided"

    async def _settled(self, database: str) -> None:
        """Wait until the worker has paid what was parked."""
        with self.stage.patiently(database) as owner:
            while owner.execute("SELECT 1 FROM claim WHERE state = 'pending' AND reason = 'inactive'").fetchone():
                await asyncio.sleep(0.1)

    async def _quiet(self, database: str) -> list[Breach]:
        """While the programs still run: nobody is left within a transaction, with locks that others wait for."""
        with self.stage.patiently(database) as owner:
            deadline = time.monotonic() + QUIET_S_MAX
            while left := owner.execute(LEFT_OPEN).fetchall():
                if time.monotonic() > deadline:
                    return [Breach("nobody stays within a transaction", len(left), tuple(str(row) for row in left[:5]))]
                await asyncio.sleep(0.05)
        return []

    async def _audit(self, database: str, diary: Diary) -> list[Breach]:
        """The auditor's word, and the product's own proof."""
        with self.stage.patiently(database) as connection:
            breaches = Auditor(connection, self.stage.cast, diary).audit()
        url = self.stage.url(database)
        async with runtime.connect(self.stage.settings(url), url, application="simulation") as opened:
            found = await audit.audit(opened)
        breaches += [
            Breach(f"yima ledger audit: {proof.name}", proof.breaches, proof.examples)
            for proof in found.proofs
            if proof.breaches
        ]
        return breaches


def keep_logs(report: Report, folder: Path) -> None:
    """Keep what the programs of a bad run said."""
    place = folder / f"seed-{report.plan.seed}"
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    for name, said in report.logs.items():
        (place / f"{name}.log").write_text(said)
