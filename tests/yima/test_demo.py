"""The story, as `make demo` plays it, in small."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.yima.conftest import free_port


def _yima(home: Path, *arguments: str) -> Any:
    environment = {**os.environ, "YIMA_ENV": "dev", "YIMA_HOME": str(home)}
    command = [sys.executable, "-c", "from yima.cli import main; main()", *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.strip().splitlines()[0])


def _play(home: Path, port: int) -> Any:
    return _yima(home, "demo", "--scans", "300", "--seed", "11", "--no-serve", "--port", str(port))


def test_the_story_adds_up_goes_on_on_the_same_home_and_repeats_with_its_seed(tmp_path: Path) -> None:
    port = free_port()
    first = _play(tmp_path / "one", port)
    audited = _yima(tmp_path / "one", "ledger", "audit", "--json")
    assert audited["ok"]
    assert {name: first[name] for name in audited["figures"]} == audited["figures"]
    assert first["disagreements"] == []
    assert first["this_run"]["sent"] == sum(first["this_run"]["answered"].values()) == 300
    assert first["this_run"]["labels"]["read_by_both"] == first["this_run"]["labels"]["labels"] == 240
    assert set(first["outcomes"]) == {"awarded", "inactive", "repeat", "taken"}

    again = _play(tmp_path / "one", port)
    assert again["scans"] == 2 * first["scans"]
    assert again["draw"] == first["draw"]

    elsewhere = _play(tmp_path / "two", port)
    for name in ("answered", "points", "prizes", "parked_and_paid"):
        assert elsewhere["this_run"][name] == first["this_run"][name], name
