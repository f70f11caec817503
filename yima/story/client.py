"""A small HTTP client for the story: keep-alive connections that send scans one after another, many at a time."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterable
from typing import Any
from urllib.parse import urlsplit

from kernel.errors import YimaError
from yima.story.plan import Planned

CONNECTIONS = 48
RETRIES_MAX = 5


class Unexpected(YimaError):
    """The server answered something that the story does not expect."""

    code = "unexpected"


class Phone:
    """One connection; each request waits for its answer, as a phone does."""

    def __init__(self, address: str) -> None:
        parts = urlsplit(address)
        self._host, self._port = parts.hostname or "127.0.0.1", parts.port or 80
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def post(self, path: str, body: dict[str, Any], headers: dict[str, str]) -> tuple[int, dict[str, Any]]:
        """Send JSON and read the JSON answer."""
        if self._reader is None or self._writer is None:
            self._reader, self._writer = await asyncio.open_connection(self._host, self._port)
        content = json.dumps(body).encode()
        lines = [f"POST {path} HTTP/1.1", f"Host: {self._host}:{self._port}", "Content-Type: application/json"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        lines += [f"Content-Length: {len(content)}", "", ""]
        self._writer.write("\r\n".join(lines).encode() + content)
        head = (await self._reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
        length = int(head.split("content-length:", 1)[1].split("\r\n", 1)[0])
        answer = await self._reader.readexactly(length)
        return int(head.split(" ", 2)[1]), json.loads(answer)

    async def close(self) -> None:
        """Hang up."""
        if self._writer is not None:
            self._writer.close()
            self._reader = self._writer = None

    async def scan(self, planned: Planned, token: str | None) -> dict[str, Any]:
        """Scan; on a broken connection or a busy server again with the same scan id, as the page does."""
        body = {
            "scan_id": str(planned.scan_id), "code": planned.code,
            "device_id": planned.device, "location": planned.location,
        }  # fmt: skip
        headers = {"Accept-Language": planned.language}
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        for tries in range(RETRIES_MAX):
            try:
                status, answer = await self.post("/api/v1/scans", body, headers)
            except (OSError, asyncio.IncompleteReadError):
                await self.close()
            else:
                if status == 200:
                    return answer
                if status not in (429, 503):
                    raise Unexpected(f"{status}: {answer.get('detail')}")
            await asyncio.sleep(0.2 * 2**tries)
        raise Unexpected(f"no answer after {RETRIES_MAX} tries")


async def send_all(
    address: str,
    runs: Iterable[list[Planned]],
    tokens: list[str],
    heard: Callable[[Planned, dict[str, Any]], None],
    stopped: Callable[[], bool],
) -> None:
    """Send runs of scans over some dozens of connections: those of a run in order, the runs in parallel."""
    waiting = iter(runs)

    async def work() -> None:
        phone = Phone(address)
        try:
            for run in waiting:
                for planned in run:
                    if stopped():
                        return
                    token = None if planned.member is None else tokens[planned.member]
                    heard(planned, await phone.scan(planned, token))
        finally:
            await phone.close()

    workers: list[Awaitable[None]] = [work() for _ in range(CONNECTIONS)]
    await asyncio.gather(*workers)
