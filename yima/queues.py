"""Where tasks go: long work has a queue and a worker of its own, so that short work never waits for it."""

from __future__ import annotations

from typing import Final

QUEUE: Final = "yima"
LONG_QUEUE: Final = "yima.long"
