"""A small proxy between a server of ours and PostgreSQL that understands where one message of the protocol ends.

Each process under test has a proxy of its own, so that a connection tells whose it is. Traps are set on points of a
transaction: a statement of it, its COMMIT on the way to the database, the database's word that it is committed. What
springs one may kill, stop, cut, hold or let pass; the message waits meanwhile. So faults hit the very moment they are
meant for, whatever the program looks like inside.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import struct
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

STATEMENT, COMMIT, COMMITTED = "statement", "commit", "committed"

PASS, DROP = "pass", "drop"
"""What becomes of the message that sprang a trap."""

_SSL, _GSS, _CANCEL = 80877103, 80877104, 80877102
_TABLES = re.compile(rb"\b(scan_replay|refused_count|claim|lot|unit|draw_shard)\b")
_OURS = b"Q", b"P", b"B", b"E"


@dataclass(slots=True)
class Trap:
    """Springs at the `countdown`-th time that a connection which suits reaches the point."""

    point: str
    suits: Callable[[Wire], bool]
    spring: Callable[[Wire], Awaitable[str]]
    countdown: int = 1
    sprung: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass(frozen=True, slots=True)
class Rewrite:
    """Changes statements on their way: a defect that is planted without touching the program."""

    suits: Callable[[bytes], bool]
    change: Callable[[bytes], bytes]


class Wire:
    """One connection of the program to the database."""

    def __init__(self, proxy: Proxy, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.proxy = proxy
        self.application = ""
        self.backend = 0
        self.touched: set[bytes] = set()
        self.idle = True
        self.began: float | None = None
        self.flowing = asyncio.Event()
        self.flowing.set()
        self._client = reader, writer
        self._server: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self._statements: dict[bytes, bytes] = {}
        self._early_commits = 0

    def touches(self, table: str) -> bool:
        """Whether the transaction that is open has named the table."""
        return table.encode() in self.touched

    async def serve(self) -> None:
        """Relay until one side has had enough."""
        self._server = await asyncio.open_unix_connection(self.proxy.target)
        if not await self._start():
            return
        pumps = [asyncio.create_task(self._upwards()), asyncio.create_task(self._downwards())]
        try:
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for pump in pumps:
                pump.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)

    def cut(self, *, client: bool = True, server: bool = True) -> None:
        """Cut the connection hard, on one side or on both."""
        for wanted, pair in ((client, self._client), (server, self._server)):
            if wanted and pair is not None:
                pair[1].transport.abort()

    async def _start(self) -> bool:
        assert self._server is not None
        (reader, writer), (_, upper) = self._client, self._server
        while True:
            head = await reader.readexactly(8)
            length, code = struct.unpack("!II", head)
            rest = await reader.readexactly(length - 8)
            if code in (_SSL, _GSS):
                writer.write(b"N")
                continue
            upper.write(head + rest)
            if code == _CANCEL:
                await upper.drain()
                return False
            words = rest.split(b"\0")
            if b"application_name" in words:
                self.application = words[words.index(b"application_name") + 1].decode()
            return True

    async def _upwards(self) -> None:
        assert self._server is not None
        reader, upper = self._client[0], self._server[1]
        buffer = bytearray()
        while data := await reader.read(65_536):
            buffer += data
            while (message := _take(buffer)) is not None:
                kind, body = message[:1], message[5:]
                if kind in _OURS:
                    message, point = self._look(message, kind, body)
                    if point == COMMIT and self.proxy.commits_early:
                        self._answer_early()
                        self._early_commits += 1
                        if self.proxy.forgets():
                            self.cut(server=True, client=False)
                            return
                    if point is not None and await self.proxy.reach(point, self) == DROP:
                        continue
                await self.flowing.wait()
                upper.write(message)
            await upper.drain()

    def _look(self, message: bytes, kind: bytes, body: bytes) -> tuple[bytes, str | None]:
        """What a message of the program is about; it may be rewritten."""
        name, statement = b"", b""
        if kind == b"Q":
            statement = body
        elif kind == b"P":
            name, statement, _ = body.split(b"\0", 2)
            for rewrite in self.proxy.rewrites:
                if rewrite.suits(statement):
                    changed = rewrite.change(statement)
                    body = body.replace(statement, changed, 1)
                    message = kind + struct.pack("!I", len(body) + 4) + body
            self._statements[name] = statement
            return message, None
        elif kind == b"B":
            _, name, _ = body.split(b"\0", 2)
            statement = self._statements.get(name, b"")
        else:
            return message, None
        if self.began is None:
            self.began = time.monotonic()
        self.touched.update(_TABLES.findall(statement))
        if _is_commit(statement):
            return message, COMMIT
        return message, STATEMENT

    def _answer_early(self) -> None:
        self._client[1].write(b"C\0\0\0\x0bCOMMIT\0" + b"Z\0\0\0\x05I")

    async def _downwards(self) -> None:
        assert self._server is not None
        reader, writer = self._server[0], self._client[1]
        buffer = bytearray()
        while data := await reader.read(65_536):
            buffer += data
            while (message := _take(buffer)) is not None:
                kind = message[:1]
                if kind == b"K":
                    self.backend = struct.unpack("!I", message[5:9])[0]
                elif kind == b"Z":
                    self.idle = message[5:6] == b"I"
                    if self.idle:
                        self.touched.clear()
                        self.began = None
                elif kind == b"C" and message[5:].startswith(b"COMMIT"):
                    if self.touches("refused_count") and self.began is not None:
                        self.proxy.counted_at.append(time.monotonic())
                    if await self.proxy.reach(COMMITTED, self) == DROP:
                        continue
                if self._early_commits and kind in (b"C", b"Z"):  # it was told so already
                    self._early_commits -= kind == b"Z"
                    continue
                await self.flowing.wait()
                writer.write(message)
            await writer.drain()


class Proxy:
    """Listens on a port of its own and relays to the server's socket.

    Args:
        owner: whose connections these are, for whoever sets traps.
        target: the server's socket.

    Attributes:
        counted_at: when transactions that wrote counters of forged codes were committed.
    """

    def __init__(self, owner: str, target: str) -> None:
        self.owner = owner
        self.target = target
        self.wires: set[Wire] = set()
        self.traps: list[Trap] = []
        self.rewrites: list[Rewrite] = []
        self.commits_early = False
        self.forgets: Callable[[], bool] = lambda: False
        self.keeps_server_side = False
        self.counted_at: list[float] = []
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def port(self) -> int:
        """Where it listens."""
        assert self._server is not None
        return int(self._server.sockets[0].getsockname()[1])

    async def start(self) -> None:
        """Listen."""
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)

    async def close(self) -> None:
        """Cut everything, and listen no more."""
        assert self._server is not None
        self._server.close()
        self.keeps_server_side = False
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        wire = Wire(self, reader, writer)
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.wires.add(wire)
        try:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError):
                await wire.serve()
            if self.keeps_server_side:  # the program's machine lost its power: nobody tells the database
                await asyncio.Event().wait()
        except asyncio.CancelledError:  # by `close`; the streams of Python 3.11 would complain of it
            pass
        finally:
            wire.cut()
            self.wires.discard(wire)
            self._tasks.discard(task)

    async def reach(self, point: str, wire: Wire) -> str:
        """A connection has come to a point: the first trap there that suits it counts down."""
        for trap in self.traps:
            if trap.point == point and trap.suits(wire):
                trap.countdown -= 1
                if trap.countdown == 0:
                    self.traps.remove(trap)
                    trap.sprung.set()
                    return await trap.spring(wire)
                break
        return PASS


def _take(buffer: bytearray) -> bytes | None:
    """The next whole message of the protocol, taken out of the buffer; None where it has not come in full."""
    if len(buffer) < 5:
        return None
    length = struct.unpack_from("!I", buffer, 1)[0] + 1
    if len(buffer) < length:
        return None
    message = bytes(buffer[:length])
    del buffer[:length]
    return message


def _is_commit(statement: bytes) -> bool:
    return statement.lstrip()[:6].upper() == b"COMMIT"
