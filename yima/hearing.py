"""Whether a worker still hears of messages, where Celery travels over the database.

The transport over SQLAlchemy can end up with a connection that answers every look with an error, for ever, while its
process lives and shows so: seen when a worker's child was killed while the database went away. The sweep then never
comes again. Whoever does nothing while a message has waited for a minute starts anew.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from sqlalchemy import Engine, text

DEAF_S: Final = 60.0
"""How long a message may wait for a worker that has nothing to do; an idle one takes it within a second."""

_OLDEST: Final = text("""
    SELECT min(m.id) FROM kombu_message m JOIN kombu_queue q ON q.id = m.queue_id
    WHERE q.name = :queue AND m.visible""")


class Hearing:
    """Watches one worker's queue.

    Args:
        engine: connects to the broker's database.
        queue: the worker's.
        clock: seconds that never go back.
    """

    def __init__(self, engine: Engine, queue: str, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._engine = engine
        self._queue = queue
        self._clock = clock
        self._oldest: int | None = None
        self._since = clock()

    def is_deaf(self, *, busy: bool) -> bool:
        """Whether the same message has waited for a minute, at every look, while the worker did nothing."""
        with self._engine.begin() as tx:
            tx.execute(text("SET LOCAL statement_timeout = 5000"))
            oldest = tx.execute(_OLDEST, {"queue": self._queue}).scalar_one()
        if busy or oldest is None or oldest != self._oldest:
            self._oldest, self._since = oldest, self._clock()
            return False
        return self._clock() - self._since >= DEAF_S
