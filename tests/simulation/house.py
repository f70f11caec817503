"""The processes under test: web servers and a worker, each behind a proxy of its own; killed, stopped, begun again."""

from __future__ import annotations

import asyncio
import contextlib
import json
import mmap
import os
import select
import signal
import socket
import struct
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from scanapi.counters import FLUSH_S
from tests.simulation import zygote
from tests.simulation.diary import Diary, Kill
from tests.simulation.proxy import Proxy
from tests.simulation.stage import Stage
from tests.simulation.workload import Door, ask

ROOT = Path(__file__).parents[2]
READY_S_MAX = 60.0


class Zygote:
    """The process that every process under test is forked from."""

    def __init__(self) -> None:
        self._orders, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("YIMA_")},
            "PYTHONPATH": str(ROOT), "OPENBLAS_NUM_THREADS": "1",
        }  # fmt: skip
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.simulation.zygote"], stdin=theirs, cwd=ROOT, env=environment
        )
        theirs.close()
        if not self._orders.recv(zygote.MESSAGE_BYTES_MAX):
            raise RuntimeError("the zygote did not start; its words are above")

    def fork(self, order: dict[str, Any], listening: socket.socket | None) -> int:
        """Start a process; its id."""
        descriptors = [] if listening is None else [listening.fileno()]
        socket.send_fds(self._orders, [json.dumps(order).encode()], descriptors)
        answer = self._orders.recv(zygote.MESSAGE_BYTES_MAX)
        if not answer:
            raise RuntimeError("the zygote has died; its words are above")
        return int(json.loads(answer)["pid"])

    def close(self) -> None:
        """Let it go, and whatever it still runs with it."""
        self._orders.close()
        self._process.wait()


@dataclass(slots=True)
class Program:
    """One process under test. A web server's listening socket is ours, as it is the launcher's in `yima up`."""

    name: str
    role: str
    start: Callable[[Program], int]
    proxy: Proxy
    clock: Path
    log: Path
    listening: socket.socket | None = None
    pid: int = 0
    began: float = 0.0
    handle: int = -1
    stopped: bool = False
    children: list[int] = field(default_factory=list)

    @property
    def lives(self) -> bool:
        """Whether it runs (or is stopped, and would run on)."""
        return self.handle >= 0 and not select.select([self.handle], [], [], 0)[0]

    @property
    def door(self) -> Door:
        """Where it answers."""
        assert self.listening is not None
        return Door(self.name, self.listening.getsockname()[1])

    def begin(self) -> None:
        """Start it."""
        self.began = time.monotonic()
        self.pid = self.start(self)
        self.handle = os.pidfd_open(self.pid)
        self.stopped = False

    def send(self, number: signal.Signals) -> None:
        """Send it a signal; nobody else gets it, though the number of the process be given anew."""
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(self.handle, number)

    async def ended(self) -> None:
        """Wait for its end."""
        while self.lives:
            await asyncio.sleep(0.005)
        os.close(self.handle)
        self.handle = -1

    def set_clock(self, offset_s: float) -> None:
        """Set its clock, whether it runs or not."""
        with self.clock.open("r+b") as file, mmap.mmap(file.fileno(), 8) as memory:
            memory[:8] = struct.pack("d", offset_s)


class House:
    """All programs of a run on one database.

    Args:
        stage: the server.
        forks: where programs come from.
        database: the copy they work on.
        folder: for their logs and clocks.
        diary: kills are noted in it.
    """

    def __init__(self, stage: Stage, forks: Zygote, database: str, folder: Path, diary: Diary) -> None:
        self.stage = stage
        self.database = database
        self.diary = diary
        self.programs: list[Program] = []
        self._forks = forks
        self._folder = folder
        self._keeping: asyncio.Task[None] | None = None
        self._closing = False

    @property
    def webs(self) -> list[Program]:
        """The web servers."""
        return [program for program in self.programs if program.role == "web"]

    @property
    def worker(self) -> Program:
        """The worker."""
        return next(program for program in self.programs if program.role == "worker")

    @contextlib.asynccontextmanager
    async def opened(
        self, webs: int, *, worker: bool = False, older: Callable[[Program], int] | None = None
    ) -> AsyncIterator[House]:
        """Run the programs, and start again whichever dies, until the block ends.

        Args:
            webs: how many web servers.
            worker: whether there is a worker as well.
            older: starts the last of the web servers, from another version of the program.
        """
        try:
            for number in range(webs):
                start = older if older is not None and number == webs - 1 else self._fork
                await self._add(f"web-{number + 1}", "web", start)
            if worker:
                await self._add("worker", "worker", self._fork)
            self._keeping = asyncio.create_task(self._keep())
            await self.ready()
            yield self
        finally:
            await self._close()

    async def _add(self, name: str, role: str, start: Callable[[Program], int]) -> None:
        proxy = Proxy(name, self.stage.socket)
        await proxy.start()
        clock = self._folder / f"{name}.clock"
        clock.write_bytes(bytes(8))
        program = Program(name, role, start, proxy, clock, self._folder / f"{name}.log")
        if role == "web":
            program.listening = socket.create_server(("127.0.0.1", 0), backlog=512)
        self.programs.append(program)
        program.begin()

    def environment(self, program: Program) -> dict[str, str]:
        """A program's environment."""
        return self.stage.environment(self.stage.url(self.database, program.proxy.port))

    def _fork(self, program: Program) -> int:
        order = {
            "role": program.role, "log": str(program.log), "clock": str(program.clock),
            "environment": self.environment(program),
        }  # fmt: skip
        return self._forks.fork(order, program.listening)

    async def _keep(self) -> None:
        """As a launcher does: start again whatever dies, until it stays."""
        while True:
            for program in self.programs:
                if program.handle >= 0 and not program.lives:
                    await program.ended()
                    program.begin()
            await asyncio.sleep(0.05)

    async def ready(self) -> None:
        """Wait until every web server says that it can serve."""
        deadline = time.monotonic() + READY_S_MAX
        for web in self.webs:
            while True:
                with contextlib.suppress(OSError, asyncio.IncompleteReadError):
                    async with asyncio.timeout(2):
                        status, _ = await ask(web.door.port, "GET", "/ready", {})
                        if status == 200:
                            break
                if time.monotonic() > deadline:
                    raise TimeoutError(f"{web.name} does not get ready:\n{web.log.read_text()[-3000:]}")
                await asyncio.sleep(0.03)

    def kill(self, program: Program) -> None:
        """As the kernel kills: no word of farewell."""
        at = time.monotonic()
        # Counts are taken out of memory between the end of the flush before the last and the last one's beginning.
        *_, before, _ = [program.began, program.began, *(c for c in program.proxy.counted_at if c > program.began)]
        self.diary.kills.append(Kill(program.name, at, min(at - FLUSH_S, before)))
        program.send(signal.SIGKILL)

    async def stop_for(self, program: Program, seconds: float) -> None:
        """Let it stand still."""
        program.send(signal.SIGSTOP)
        await asyncio.sleep(seconds)
        program.send(signal.SIGCONT)

    async def _close(self) -> None:
        if self._keeping is not None:
            self._keeping.cancel()
            await asyncio.gather(self._keeping, return_exceptions=True)
        for program in self.programs:
            program.send(signal.SIGCONT)
            program.send(signal.SIGTERM)
        for program in self.programs:
            if program.handle >= 0:
                try:
                    async with asyncio.timeout(12):
                        await program.ended()
                except TimeoutError:
                    self.kill(program)
                    await program.ended()
            await program.proxy.close()
            if program.listening is not None:
                program.listening.close()
