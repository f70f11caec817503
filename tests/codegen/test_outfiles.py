"""Files that are there whole or not at all."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from codegen import outfiles


def killed_writer(path: Path, content: bytes) -> None:
    """Leave what a process leaves that is killed while it writes."""
    pid = os.fork()
    if pid == 0:
        with outfiles.replacing(path) as file:
            file.write(content)
            file.flush()
            os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(pid, 0)


def parts(folder: Path) -> list[str]:
    return sorted(each.name for each in folder.glob(".*.part"))


def test_the_next_writer_removes_what_a_killed_one_left(tmp_path: Path) -> None:
    path = tmp_path / "codes [1]*.txt"
    killed_writer(path, b"an unclaimed code")
    assert len(parts(tmp_path)) == 1
    with outfiles.replacing(path) as file:
        file.write(b"whole")
    assert parts(tmp_path) == []
    assert path.read_bytes() == b"whole"


def test_a_probe_removes_it_too(tmp_path: Path) -> None:
    killed_writer(tmp_path / "codes.txt", b"an unclaimed code")
    outfiles.probe_writable(tmp_path / "codes.txt")
    assert parts(tmp_path) == []


def test_a_writer_at_work_keeps_its_part(tmp_path: Path) -> None:
    path = tmp_path / "codes.txt"
    with outfiles.replacing(path) as first:
        first.write(b"first")
        first.flush()
        with outfiles.replacing(path) as second:
            second.write(b"second")
        assert path.read_bytes() == b"second"
    assert path.read_bytes() == b"first"
    assert parts(tmp_path) == []


def test_another_file_keeps_its_part(tmp_path: Path) -> None:
    killed_writer(tmp_path / "codes.txt", b"an unclaimed code")
    outfiles.probe_writable(tmp_path / "other.txt")
    assert len(parts(tmp_path)) == 1
