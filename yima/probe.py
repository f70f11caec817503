"""A health check of one process: `python -m yima.probe web|worker|long-worker|beat`; exit 0 if it is well.

Small on purpose: it is started every few seconds, and must not import the product.
"""

from __future__ import annotations

import os
import sys
import urllib.error
import urllib.request

import psycopg

from yima.environment import Environment

ANSWER_S_MAX = 4
HEARTBEAT_AGE_S_MAX = 60
ROLES = ("web", "worker", "long-worker", "beat")

# Our own server is asked directly, whatever proxy the environment names.
_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def probe(role: str, environment: Environment) -> str | None:
    """What is wrong with the process of this role, in a sentence; None where nothing is."""
    return _web(environment) if role == "web" else _background(role, environment)


def _web(environment: Environment) -> str | None:
    host, port = environment.bind("YIMA_BIND", "127.0.0.1:8000")
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 (compared, not bound)
    address = f"http://{f'[{host}]' if ':' in host else host}:{port}/ready"
    try:
        with _DIRECT.open(address, timeout=ANSWER_S_MAX):
            return None
    except urllib.error.HTTPError as error:
        return f"The web process is not ready: {error.read(200).decode(errors='replace')}"
    except (urllib.error.URLError, OSError):
        return f"The web process does not answer at {address}."


def _background(role: str, environment: Environment) -> str | None:
    url = environment.get("YIMA_DATABASE_URL")
    if url is None:
        return "YIMA_DATABASE_URL is missing."
    scheme, _, rest = url.partition("://")
    try:
        with psycopg.connect(f"{scheme.partition('+')[0]}://{rest}", connect_timeout=ANSWER_S_MAX) as connection:
            row = connection.execute(
                "SELECT extract(epoch FROM now() - at) FROM heartbeat WHERE process = %s", [role.replace("-", " ")]
            ).fetchone()
    except psycopg.Error as error:
        return f"The database cannot be asked ({type(error).__name__})."
    if row is None:
        return f"The {role} has never shown life."
    return f"The {role} showed life {row[0]:.0f} s ago." if row[0] > HEARTBEAT_AGE_S_MAX else None


def main(arguments: list[str]) -> int:
    """Ask, and say what is wrong on standard error."""
    if len(arguments) != 1 or arguments[0] not in ROLES:
        sys.stderr.write(f"One of {', '.join(ROLES)} is needed.\n")
        return 2
    environment = Environment(os.environ)
    said = probe(arguments[0], environment) or "; ".join(environment.problems)
    if said:
        sys.stderr.write(said + "\n")
    return 1 if said else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
