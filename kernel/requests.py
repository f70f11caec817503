"""The request that work is done for, so that logs, tasks and messages of one request can be found together."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

REQUEST_ID_CHARS_MAX = 36

request_id: ContextVar[str | None] = ContextVar("request_id", default=None)
"""The id of the request at hand, or None: nobody asked, a timer did."""

# No secret: it only has to be another one each time.
_numbers = random.Random()

# Ours, a trace id, or a UUID, and nothing looser: a code, a phone number or a name must not pass for an id.
_WELL_FORMED = re.compile(r"[0-9a-f]{16}|[0-9a-f]{32}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def make() -> str:
    """A new id: 16 hexadecimal digits, lower case, so that it is no code of ours."""
    return f"{_numbers.getrandbits(64):016x}"


def accept(text: str | None) -> str | None:
    """An id that somebody trusted gave, or None where it is not well formed."""
    return text if text is not None and _WELL_FORMED.fullmatch(text) else None


@contextmanager
def working_for(known: str | None) -> Iterator[None]:
    """Within the block, work is done for this request."""
    token = request_id.set(known)
    try:
        yield
    finally:
        request_id.reset(token)
