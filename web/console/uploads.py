"""Large uploads: the body is read part by part as it comes, small fields into memory, the file to the spool."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from litestar import Request
from multipart import MultipartError, MultipartSegment, PushMultipartParser

from codegen.spool import Spooled, Spooling
from kernel.errors import Conflict, InvalidInput, Unavailable, YimaError

FIELDS_MAX: Final = 40
FIELD_BYTES_MAX: Final = 4_096
WRITE_BYTES: Final = 1 << 20
DRAIN_BYTES_MAX: Final = 64 << 20
"""Of an upload that is refused, so much is still read: a browser that is cut off in the middle shows no answer."""

Judge = Callable[[dict[str, str]], Coroutine[Any, Any, None]]
"""Judges the fields that came before the file; raises `YimaError`. After `InvalidInput`, `Conflict` and `Unavailable`
the rest of the body is read and thrown away, so that a browser shows the answer; after others no more is read."""


@dataclass(slots=True)
class Upload:
    """What was sent.

    Attributes:
        fields: that came before the file.
        name: the file's, as the browser names it; empty where there was none.
        spooled: the file, or None where it is not in the spool.
        refused: why it is not.
    """

    fields: dict[str, str] = field(default_factory=dict)
    name: str = ""
    spooled: Spooled | None = None
    refused: YimaError | None = None


async def read(request: Request[Any, Any, Any], root: Path, judge: Judge) -> Upload:
    """Read an upload of one file; its fields come first in the form.

    Args:
        request: the request, its body not read yet.
        root: the spool's folder.
        judge: asked once, before the file's first byte is kept.

    Raises:
        InvalidInput: it is no such form.
    """
    boundary = request.content_type[1].get("boundary", "")
    if request.content_type[0] != "multipart/form-data" or not boundary:
        await judge({})
        raise InvalidInput("The body is not of the type multipart/form-data.")
    reading = _Reading(root, judge)
    try:
        with PushMultipartParser(boundary, max_segment_count=FIELDS_MAX, max_header_size=FIELD_BYTES_MAX) as parser:
            async with AsyncExitStack() as stack:
                reading.stack = stack
                async for block in _body(request, reading):
                    for event in parser.parse(block):
                        await reading.take(event)
                await reading.end()
    except MultipartError as error:
        raise InvalidInput("The upload is incomplete or no form: send it again.") from error
    return reading.upload


async def _body(request: Request[Any, Any, Any], reading: _Reading) -> AsyncIterator[bytes]:
    drained = 0
    async for block in request.stream():
        if reading.upload.refused is not None:
            drained += len(block)
            if drained > DRAIN_BYTES_MAX:
                raise reading.upload.refused
        if block:
            yield block


class _Reading:
    """An upload while its parts come."""

    def __init__(self, root: Path, judge: Judge) -> None:
        self._root = root
        self._judge = judge
        self._segment: MultipartSegment | None = None
        self._waiting = bytearray()
        self._spooling: Spooling | None = None
        self._judged = False
        self.stack = AsyncExitStack()
        self.upload = Upload()

    async def take(self, event: MultipartSegment | bytearray | bytes | None) -> None:
        """Take the parser's next event: a part begins, some of it, it ends."""
        if isinstance(event, MultipartSegment):
            self._segment = event
            self._waiting.clear()
            if event.filename is not None:
                await self._begin(event.filename)
        elif event is None:
            await self._end_part()
        elif self._segment is not None and self._segment.filename is not None:
            await self._keep(bytes(event))
        elif len(self._waiting) + len(event) <= FIELD_BYTES_MAX:
            self._waiting += event
        else:
            raise InvalidInput(f"A field has at most {FIELD_BYTES_MAX:,} bytes.")

    async def _begin(self, name: str) -> None:
        if self._spooling is not None:
            self.upload.refused = InvalidInput("An upload holds one file: send the others by themselves.", field="file")
            return
        self.upload.name = name
        await self._judge_once()
        if self.upload.refused is None:
            self._spooling = self.stack.enter_context(Spooling(self._root))

    async def _judge_once(self) -> None:
        if self._judged:
            return
        self._judged = True
        try:
            await self._judge(self.upload.fields)
        except (InvalidInput, Conflict, Unavailable) as error:
            self.upload.refused = error

    async def _keep(self, block: bytes) -> None:
        if self.upload.refused is not None or self._spooling is None:
            return
        self._waiting += block
        if len(self._waiting) >= WRITE_BYTES:
            await self._write()

    async def _write(self) -> None:
        assert self._spooling is not None
        block = bytes(self._waiting)
        self._waiting.clear()
        try:
            await asyncio.to_thread(self._spooling.write, block)
        except InvalidInput as error:
            self.upload.refused = error

    async def _end_part(self) -> None:
        segment, self._segment = self._segment, None
        if segment is None:
            return
        if segment.filename is None:
            self.upload.fields[segment.name or ""] = self._waiting.decode("utf-8", "replace").replace("\0", "").strip()
        elif self._spooling is not None and self.upload.refused is None:
            await self._write()
        self._waiting.clear()

    async def end(self) -> None:
        """The body has ended: have the file whole, or say why not."""
        await self._judge_once()
        if self.upload.refused is not None or self._spooling is None:
            return
        try:
            self.upload.spooled = await asyncio.to_thread(self._spooling.finish)
        except InvalidInput as error:
            self.upload.refused = error
