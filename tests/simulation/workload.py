"""Who scans: shoppers, cloners, double taps, storms, forgers; by a seed. Each keeps on until it is answered."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from tests.simulation.diary import Answer, Diary, Scan
from tests.simulation.stage import Cast, Code, Member

PATIENCE_S = 6.0
"""How long a phone waits for one answer."""
TRIES_MAX = 12
HASTE = 0.03
"""So many hang up before they could have been answered."""
PLACES = ((30.25, 120.17), (39.91, 116.40), (22.54, 114.06))
"""Too far from each other for one pack within a minute: a rule holds what two phones say so quickly."""
KEPT_MIN = 60
"""So many codes nobody has scanned are kept: for whoever is about to, and for the last scans of a run."""
SYMBOLS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


@dataclass(frozen=True, slots=True)
class Door:
    """Where a server answers."""

    name: str
    port: int


async def ask(port: int, method: str, path: str, headers: dict[str, str], body: bytes = b"") -> tuple[int, bytes]:
    """One request over a connection of its own.

    Raises:
        OSError, asyncio.IncompleteReadError: nobody knows what became of it.
    """
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        lines = [f"{method} {path} HTTP/1.1", "Host: t.yima.cn", "Connection: close", f"Content-Length: {len(body)}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        writer.write("\r\n".join([*lines, "", ""]).encode() + body)
        await writer.drain()
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
        length = int(head.split("content-length:", 1)[1].split("\r\n", 1)[0])
        return int(head.split(" ", 2)[1]), await reader.readexactly(length)
    finally:
        writer.transport.abort()


@dataclass(slots=True)
class Crowd:
    """Everybody who scans in a run.

    Attributes:
        cast: members and codes.
        doors: the servers; whoever gets no answer at one goes on to the next.
        diary: where everything is noted.
        rng: of this run.
        favourites: kinds of people who come ten times as often as they would.
    """

    cast: Cast
    doors: Sequence[Door]
    diary: Diary
    rng: random.Random
    favourites: tuple[str, ...] = ()
    _fresh: list[Code] = field(default_factory=list)
    _parked: list[Code] = field(default_factory=list)
    _voided: list[Code] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._fresh = self._shuffled("active")
        self._parked = self._shuffled("parked")
        self._voided = self._shuffled("voided")

    def _shuffled(self, state: str) -> list[Code]:
        codes = [code for code in self.cast.codes if code.state == state]
        self.rng.shuffle(codes)
        return codes

    def _id(self) -> UUID:
        return UUID(int=self.rng.getrandbits(128), version=4)

    def _member(self) -> Member:
        return self.rng.choice(self.cast.members)

    # --- one scan ---------------------------------------------------------------------------------------------

    async def send(self, scan: Scan, text: str, member: Member | None, device: str | None, door: Door) -> int | None:
        """Send a scan once; the status, or None where no answer came."""
        body = {"scan_id": str(scan.scan_id), "code": text, "device_id": device, "location": scan.place}
        headers = {"Content-Type": "application/json", "Accept-Language": "en"}
        if member is not None:
            headers["Authorization"] = f"Bearer {member.token}"
        variant = (text, device, None if member is None else member.id)
        scan.sent += 1
        asked_at = time.monotonic()
        scan.variants.add(variant)
        try:
            async with asyncio.timeout(0.01 * self.rng.random() if self.rng.random() < HASTE else PATIENCE_S):
                status, answer = await ask(door.port, "POST", "/api/v1/scans", headers, json.dumps(body).encode())
        except (OSError, asyncio.IncompleteReadError):
            return None
        scan.answers.append(Answer(door.name, asked_at, time.monotonic(), status, answer, variant))
        return status

    async def insist(self, scan: Scan, text: str, member: Member | None, device: str | None) -> int | None:
        """Send a scan until it is answered, from door to door; some give up before."""
        first = self.rng.randrange(len(self.doors))
        tries = self.rng.randrange(1, 4) if self.rng.random() < 0.06 else TRIES_MAX
        for number in range(tries):
            status = await self.send(scan, text, member, device, self.doors[(first + number) % len(self.doors)])
            if status is not None and status not in (429, 503):
                return status
            await asyncio.sleep(0.05 * 1.6**number * (0.5 + self.rng.random()))
        return None

    def note(self, code: Code | None, kind: str = "real") -> Scan:
        """A new scan."""
        return self.diary.scan(self._id(), code, kind)

    async def tap(self, code: Code, member: Member | None, placed: float = 0.2) -> None:
        """Scan a code, and now and then once more with the same id, as a page does that lost the answer."""
        scan = self.note(code)
        if self.rng.random() < placed:
            lat, lng = self.rng.choice(PLACES)
            scan.place = {"lat": lat, "lng": lng, "datum": "wgs84", "accuracy_m": 20, "source": "gps"}
        device = f"phone-{self.rng.randrange(400)}"
        await self.insist(scan, code.text, member, device)
        if self.rng.random() < 0.15:
            await self.insist(scan, code.text, member, device)

    # --- people ----------------------------------------------------------------------------------------------

    async def shopper(self) -> None:
        """Buys something and scans it; later somebody looks at it again."""
        code, member = self._fresh.pop(), self._member()
        await self.tap(code, member)
        if self.rng.random() < 0.3:
            await self.tap(code, member if self.rng.random() < 0.5 else self._member())

    async def double_tap(self) -> None:
        """Taps twice at once: one scan id, two requests."""
        code, member = self._fresh.pop(), self._member()
        scan = self.note(code)
        await asyncio.gather(*(self.insist(scan, code.text, member, "twice") for _ in range(2)))

    async def curious(self) -> None:
        """Scans without an account, then somebody with one claims the reward."""
        code = self._fresh.pop()
        await self.tap(code, None, 0.9)
        await self.tap(code, self._member(), 0.9)

    async def cloner(self) -> None:
        """Copies of one code in many hands, after somebody looked at it without an account."""
        code = self._fresh.pop()
        if self.rng.random() < 0.8:
            await self.tap(code, None, 0.8)
        hands = self.rng.sample(self.cast.members, self.rng.randrange(3, 12))
        await asyncio.gather(*(self.tap(code, member, 0.5) for member in hands))

    async def storm_on_unit(self) -> None:
        """One code on everybody's phone at the same moment; one of them gets its reward."""
        code = self._fresh.pop()
        if self.rng.random() < 0.5:  # else nobody has ever seen it
            await self.tap(code, None)
        hands = self.rng.sample(self.cast.members, self.rng.randrange(20, 50))
        await asyncio.gather(*(self.tap(code, member) for member in hands))

    async def storm_on_member(self) -> None:
        """Somebody with a crate: one member, many units at once."""
        member = self._member()
        codes = [self._fresh.pop() for _ in range(self.rng.randrange(5, 25))]
        await asyncio.gather(*(self.tap(code, member) for code in codes))

    async def storm_on_prize(self) -> None:
        """Many members at once, each with a unit of their own, all after the same scarce prize."""
        hands = self.rng.sample(self.cast.members, self.rng.randrange(8, 25))
        await asyncio.gather(*(self.tap(self._fresh.pop(), member) for member in hands))

    async def thief_of_ids(self) -> None:
        """Uses a scan id again for something else: another code, or another member."""
        code, member = self._fresh.pop(), self._member()
        scan = self.note(code)
        other = self._member()
        same_code = self.rng.random() < 0.5
        await asyncio.gather(
            self.insist(scan, code.text, member, "own"),
            self.insist(scan, code.text if same_code else self._fresh[0].text, other, "own"),
        )

    async def returner(self) -> None:
        """Scans what somebody may have scanned before."""
        await self.tap(self.rng.choice(self.cast.codes), self._member())
        await asyncio.sleep(0.05)

    async def early_bird(self) -> None:
        """Scans a unit that is not activated yet."""
        if self._parked:
            code = self._parked.pop()
            await self.tap(code, self._member())
            if self.rng.random() < 0.3:
                await self.tap(code, self._member())

    async def unlucky(self) -> None:
        """Scans a unit that was voided."""
        await self.tap(self.rng.choice(self._voided), self._member())

    async def forger(self) -> None:
        """Guesses codes, and types nonsense."""
        for _ in range(self.rng.randrange(2, 8)):
            if self.rng.random() < 0.7:
                code = self.rng.choice(self.cast.codes).text
                at = len(code) - 1 - self.rng.randrange(8)
                text = code[:at] + self.rng.choice(SYMBOLS.replace(code[at], "")) + code[at + 1 :]
                await self.insist(self.note(None, "forged"), text, self._member(), None)
            else:
                await self.insist(self.note(None, "malformed"), "hello", self._member(), None)

    async def onlooker(self) -> None:
        """Opens the landing page only, which awards nothing."""
        door = self.rng.choice(self.doors)
        path = "/Q/" + self.rng.choice(self.cast.codes).text.rsplit("/", 1)[1]
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            async with asyncio.timeout(PATIENCE_S):
                await ask(door.port, "GET", path, {})

    async def probe(self, door: Door) -> bool:
        """Whether a server answers one more scan."""
        code, member = self._fresh.pop(), self._member()
        scan = self.note(code)
        for _ in range(TRIES_MAX):
            if await self.send(scan, code.text, member, "probe", door) == 200:
                return True
            await asyncio.sleep(0.3)
        return False

    async def act(self, enough: asyncio.Event, at_once: int = 20) -> None:
        """Let people come and go until it is enough; when all has been bought, they look at what they have."""
        kinds: list[tuple[Any, int]] = [
            (self.shopper, 30), (self.double_tap, 10), (self.curious, 10), (self.cloner, 8), (self.storm_on_unit, 1),
            (self.storm_on_member, 3), (self.storm_on_prize, 3), (self.thief_of_ids, 5), (self.early_bird, 8),
            (self.unlucky, 2), (self.forger, 8), (self.onlooker, 5),
        ]  # fmt: skip
        people = [kind for kind, _ in kinds]
        weights = [weight * (10 if kind.__name__ in self.favourites else 1) for kind, weight in kinds]

        async def come() -> None:
            while not enough.is_set():
                (person,) = self.rng.choices(people, weights) if len(self._fresh) > KEPT_MIN else (self.returner,)
                await person()
                await asyncio.sleep(0.01 * self.rng.random())

        await asyncio.gather(*(come() for _ in range(at_once)))
