"""Load for the scan benchmarks: requests in files, sent by `wrk` from as many connections as one asks for."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from kernel.errors import ConfigurationError

CLIENTS: Final = 256

_LUA: Final = """
function init(args)
  bodies, at, pause = {}, 0, tonumber(args[3])
  for line in io.lines(args[1]) do
    local token, body = line:match("^(%S*)\\t(.*)$")
    local headers = {["Content-Type"] = "application/json"}
    if token ~= "-" then headers["Authorization"] = "Bearer " .. token end
    bodies[#bodies + 1] = wrk.format("POST", args[2], headers, body)
  end
end
function request()
  at = at + 1
  if at > #bodies then at = 1 end
  return bodies[at]
end
function delay() return pause end
function done(summary, latency)
  io.write(string.format("RESULT %d %d %d %d %d\\n", summary.requests, summary.duration,
    summary.errors.status + summary.errors.connect + summary.errors.read + summary.errors.timeout,
    latency:percentile(50), latency:percentile(99)))
end
"""


@dataclass(frozen=True, slots=True)
class Measured:
    """What a load came to."""

    per_s: float
    p50_ms: float
    p99_ms: float


class Requests:
    """Requests in a file, a token (or -) and a JSON body a line, of which each load takes as many as it needs."""

    def __init__(self, path: Path, lines: list[str]) -> None:
        self._path = path
        self._lines = lines
        self._at = 0

    def send(
        self, address: str, seconds: float, *, clients: int = CLIENTS, pause_ms: int = 0, again: bool = False,
        path: str = "/api/v1/scans",
    ) -> Measured:  # fmt: skip
        """Send them for some seconds.

        Args:
            address: of the server.
            seconds: how long.
            clients: connections, each with one request at a time.
            pause_ms: how long a connection rests after an answer.
            again: whether the requests may be sent more than once; else those sent are gone for the next load.
            path: where to.

        Raises:
            ConfigurationError: a request failed, or there were too few of them.
        """
        if shutil.which("wrk") is None:
            raise ConfigurationError("The load generator wrk is not installed: make setup-test.")
        script = self._path.with_suffix(".lua")
        script.write_text(_LUA)
        left = self._lines[self._at :]
        self._path.write_text("".join(left))
        command = ["wrk", "-t1", f"-c{clients}", f"-d{round(seconds)}s", "-s", str(script), address, "--",
                   str(self._path), path, str(pause_ms)]  # fmt: skip
        output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        found = re.search(r"RESULT (\d+) (\d+) (\d+) (\d+) (\d+)", output)
        if found is None:
            raise ConfigurationError(f"wrk printed no result:\n{output}")
        count, micros, errors, p50, p99 = map(int, found.groups())
        if errors:
            raise ConfigurationError(f"{errors} of {count} requests failed under load.")
        if not again:
            # those under way at the end were sent too
            self._at += count + clients
            if self._at > len(self._lines):
                raise ConfigurationError(f"{count} scans used up all codes: later ones were replays.")
        return Measured(count / (micros / 1e6), p50 / 1000, p99 / 1000)


def get(url: str, seconds: float, *, clients: int = CLIENTS) -> Measured:
    """GET one address for some seconds."""
    output = subprocess.run(
        ["wrk", "-t1", f"-c{clients}", f"-d{round(seconds)}s", "--latency", url],
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    rate = re.search(r"Requests/sec:\s+([\d.]+)", output)
    if rate is None or "Non-2xx" in output:
        raise ConfigurationError(f"wrk got no good answers:\n{output}")
    return Measured(float(rate[1]), _ms(output, "50%"), _ms(output, "99%"))


def _ms(output: str, percentile: str) -> float:
    found = re.search(rf"{percentile}\s+([\d.]+)(us|ms|s)", output)
    assert found is not None
    return float(found[1]) * {"us": 0.001, "ms": 1.0, "s": 1000.0}[found[2]]
