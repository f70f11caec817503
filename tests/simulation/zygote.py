"""Starts processes under test within milliseconds: everything is imported once here, and each is a fork.

What runs in them is the product's own program (`yima.serve`, Celery's worker) with the settings of its environment.
Only this differs: its clock can be set from outside, and its time-outs are shorter, so that seconds of a fault are
long enough to meet them.
"""

from __future__ import annotations

import ctypes
import gc
import importlib
import json
import mmap
import os
import signal
import socket
import struct
import sys
import time
import traceback
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

_PR_SET_PDEATHSIG = 1
MESSAGE_BYTES_MAX = 65_536
SHORTER = {
    "kernel.db": {
        "STATEMENT_TIMEOUT_MS": 6_000, "IDLE_IN_TRANSACTION_TIMEOUT_MS": 4_000,
        "TRANSACTION_TIMEOUT_MS": 10_000, "TRANSACTION_S_MAX": 9.0,
    },
    "scanapi.gate": {"GROUP_S_MAX": 6.0},
}  # fmt: skip
"""Limits of time while a simulation runs, by module."""
POOL_TIMEOUT_S = 1.8


class SetClock:
    """Time as this process shall have it: the machine's, and an offset in seconds that others write to a file."""

    def __init__(self) -> None:
        self._offset: mmap.mmap | None = None
        self._time = time.time

    def open(self, path: Path) -> None:
        with path.open("r+b") as file:
            self._offset = mmap.mmap(file.fileno(), 8)

    @property
    def offset_s(self) -> float:
        return 0.0 if self._offset is None else float(struct.unpack("d", self._offset[:8])[0])

    def now(self) -> datetime:
        return datetime.now(UTC) + timedelta(seconds=self.offset_s)

    def time(self) -> float:
        return self._time() + self.offset_s


def _prepare() -> SetClock:
    """Set the clock and the time-outs before anything takes hold of them, then import all there is."""
    clock = SetClock()
    from kernel import clock as kernel_clock

    kernel_clock.now = clock.now
    time.time = clock.time
    from kernel import db

    for module, values in SHORTER.items():
        found = importlib.import_module(module)
        for name, value in values.items():
            assert hasattr(found, name), f"{module} has no {name} any more"
            setattr(found, name, value)
    import celery.bin.worker  # noqa: F401

    import yima.serve
    import yima.worker  # noqa: F401
    from traceability.regions import Regions
    from yima import asgi

    regions = Regions.load()
    asgi.Regions.load = lambda: regions  # type: ignore[method-assign]
    create = db.create_async_engine

    def impatient(*arguments: Any, **more: Any) -> Any:
        if "pool_timeout" in more:
            more["pool_timeout"] = POOL_TIMEOUT_S
        return create(*arguments, **more)

    db.create_async_engine = impatient
    return clock


def _become(order: dict[str, Any], descriptors: list[int], clock: SetClock) -> None:
    """Be the process that was ordered; never returns to the zygote's own code."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    os.setsid()
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    log = os.open(order["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(log, 1)
    os.dup2(log, 2)
    for name in [name for name in os.environ if name.startswith("YIMA_")]:
        del os.environ[name]
    os.environ.update(order["environment"])
    clock.open(Path(order["clock"]))
    if order["role"] == "web":
        os.environ["YIMA_LISTEN_FD"] = str(descriptors[0])
        from yima import serve

        sys.exit(serve.main())
    from yima import celery_app

    celery_app.app.worker_main(
        ["--quiet", "worker", "--concurrency=1", "--loglevel=WARNING", "--without-mingle", "--without-gossip",
         "-Q", "yima,yima.long", "-n", "short@sim"]
    )  # fmt: skip
    sys.exit(0)


def main() -> None:
    """Fork whatever is ordered over the socket that stands for standard input."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    orders = socket.socket(fileno=os.dup(0))
    clock = _prepare()
    gc.collect()
    gc.freeze()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    orders.send(b"{}")
    while True:
        message, descriptors, _, _ = socket.recv_fds(orders, MESSAGE_BYTES_MAX, 1)
        if not message:
            return
        pid = os.fork()
        if pid == 0:
            orders.close()
            try:
                _become(json.loads(message), descriptors, clock)
            except SystemExit as end:
                status = end.code if isinstance(end.code, int) else 1
            except BaseException:  # noqa: BLE001 (nothing of it may reach the zygote's own code)
                traceback.print_exc()
                status = 1
            else:
                status = 0
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(status)
        for descriptor in descriptors:
            os.close(descriptor)
        orders.send(json.dumps({"pid": pid}).encode())


if __name__ == "__main__":
    main()
