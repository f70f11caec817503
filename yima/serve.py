"""One web process: `python -m yima.serve`, started by `yima up` with its listening socket."""

from __future__ import annotations

import os
import socket
import sys

import uvicorn

from kernel.errors import YimaError
from yima import asgi, logs, processes, settings, wire

GRACE_S = 5
"""Answers take milliseconds; what is open longer is a live page, which comes back by itself."""


def main() -> int:
    """Serve until told to stop; the socket and the database's address come from the launcher."""
    found = settings.load()
    logs.configure(dev=found.dev)
    url = found.database_url or os.environ["YIMA_EMBEDDED_URL"]
    config = uvicorn.Config(
        asgi.make_app(found, url),
        loop="uvloop",
        http=wire.Connection,
        lifespan="on",
        access_log=False,  # its lines would hold codes
        log_config=None,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=GRACE_S,
        ws="none",
    )
    wire.widen(wire.Connection.door)
    server = uvicorn.Server(config)
    # Not uvicorn's own `fd`: it takes every socket for a Unix one, which costs TCP_NODELAY (40 ms an answer) and the
    # client's address.
    sockets = [socket.socket(fileno=int(os.environ["YIMA_LISTEN_FD"]))]
    if found.metrics_bind is not None:
        # of several processes at one port, each is scraped at a port of its own
        host, port = found.metrics_bind
        sockets.append(processes.listen((host, port + int(os.environ.get("YIMA_WEB_NUMBER", "0")))))
    server.run(sockets=sockets)
    return 0 if server.started else 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except YimaError as error:
        sys.stderr.write(f"Error: {error.message}\n")
        sys.exit(1)
