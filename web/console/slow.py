"""A read that reaches its limit is told in the page's language, whichever page it was for."""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable
from typing import TypeVar

from litestar import Response

from insights.patience import TooSlow
from web.console.desk import Desk
from web.console.seat import Seat
from web.console.texts import say

Answer = TypeVar("Answer")


def told_if_slow(handler: Callable[..., Awaitable[Answer]]) -> Callable[..., Awaitable[Answer | Response[bytes]]]:
    """A handler that answers with a sentence, 503, where a read took too long."""

    @functools.wraps(handler)
    async def answering(desk: Desk, seat: Seat, **more: object) -> Answer | Response[bytes]:
        try:
            return await handler(desk=desk, seat=seat, **more)
        except TooSlow:
            return desk.page(seat, "error.html", status=503, sentence=say("page.slow", seat.visit.language))

    return answering
