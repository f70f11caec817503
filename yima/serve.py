"""One web process: `python -m yima.serve`, started by `yima up` with its listening socket."""

from __future__ import annotations

import os
import sys

import uvicorn

from kernel.errors import YimaError
from yima import asgi, logs, settings

GRACE_S = 10


def main() -> int:
    """Serve until told to stop; the socket and the database's address come from the launcher."""
    found = settings.load()
    logs.configure(dev=found.dev)
    url = found.database_url or os.environ["YIMA_EMBEDDED_URL"]
    config = uvicorn.Config(
        asgi.make_app(found, url),
        fd=int(os.environ["YIMA_LISTEN_FD"]),
        loop="uvloop",
        http="httptools",
        lifespan="on",
        access_log=False,  # its lines would hold codes
        log_config=None,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=GRACE_S,
        ws="none",
    )
    server = uvicorn.Server(config)
    server.run()
    return 0 if server.started else 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except YimaError as error:
        sys.stderr.write(f"Error: {error.message}\n")
        sys.exit(1)
