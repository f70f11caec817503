"""Large files that leave the console: streamed from the disk in constant memory, kept by no cache."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

from litestar.response import Stream

from web.console.desk import SECURITY_HEADERS

READ_BYTES: Final = 1 << 20


def stream(path: Path, name: str) -> Stream:
    """Answer with a file to be saved; the name is ASCII of ours."""
    headers = SECURITY_HEADERS | {
        "Content-Disposition": f'attachment; filename="{name}"',
        "Content-Length": str(path.stat().st_size),
    }
    return Stream(_blocks(path), media_type="application/octet-stream", headers=headers)


async def _blocks(path: Path) -> AsyncIterator[bytes]:
    file = await asyncio.to_thread(path.open, "rb")
    try:
        while block := await asyncio.to_thread(file.read, READ_BYTES):
            yield block
    finally:
        await asyncio.to_thread(file.close)
