"""`yima up --web N`: several web processes at one port, each with figures of its own."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.production.services import Service, wait_until
from tests.yima.conftest import YIMA, Home, free_port


def started_at(address: str) -> str | None:
    """When the process behind these figures was started, or None while nobody answers."""
    try:
        shown = httpx.get(f"{address}/metrics", timeout=5, trust_env=False).text
    except httpx.TransportError:
        return None
    return next((line for line in shown.splitlines() if line.startswith("process_start_time_seconds ")), None)


@pytest.fixture
def up(tmp_path: Path) -> Iterator[tuple[Service, str, list[str]]]:
    port, first = free_port(), free_port()
    environment = Home(tmp_path / "home").environment(
        YIMA_BIND=f"127.0.0.1:{port}", YIMA_METRICS_BIND=f"127.0.0.1:{first}"
    )
    service = Service("up", [str(YIMA), "up", "--web", "2"], environment, tmp_path)
    service.start()
    yield service, f"http://127.0.0.1:{port}", [f"http://127.0.0.1:{first + n}" for n in (0, 1)]
    if service.lives:
        service.stop()


def web_children(launcher: int) -> list[int]:
    """Process ids of the launcher's web processes."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
                command = (entry / "cmdline").read_bytes()
            except OSError:
                continue
            if parent == launcher and b"yima.serve" in command:
                found.append(int(entry.name))
    return sorted(found)


def test_one_of_several_web_processes_dies_and_the_port_goes_on_answering(
    up: tuple[Service, str, list[str]],
) -> None:
    service, address, metrics = up
    assert service.process is not None

    def both() -> list[str | None] | None:
        assert service.lives, service.log.read_text()
        found = [started_at(each) for each in metrics]
        return found if all(found) else None

    before = wait_until(both, "both show their figures")
    children = web_children(service.process.pid)
    assert len(children) == 2
    assert httpx.get(f"{address}/ready", timeout=5, trust_env=False).status_code == 200

    os.kill(children[0], signal.SIGKILL)
    for _ in range(20):
        assert httpx.get(f"{address}/health", timeout=10, trust_env=False).status_code == 200
    wait_until(lambda: len(web_children(service.process.pid)) == 2, "another is started")
    after = wait_until(lambda: (found := both()) and found != before and found, "it shows its own figures")
    assert len(set(after) & set(before)) == 1, "one of the two is new, the other the same"
    service.stop()
    assert service.process.returncode == 0, service.log.read_text()
