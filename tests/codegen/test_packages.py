"""Packages on the disk: gone on with after a kill, whole or not at all, and opened by nobody but the recipient."""

from __future__ import annotations

import hashlib
import io
import json
import os
import pty
import resource
import signal
import subprocess
import sys
import tarfile
import threading
import time
from pathlib import Path
from typing import Any

import pyrage
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyrage import x25519

from codegen import archives, datafiles, packages, parts, passphrases
from codegen.batches import Batch
from codegen.columns import Column, DataLayout
from codegen.packages import SETUP_LINES, Content
from codegen.scheme import CodeKey
from kernel.errors import Conflict, InvalidInput, Unavailable

COUNT = 1_500_000
STEP = 1 << 17
NUMBERED = DataLayout(
    name="numbered", extension=".csv", columns=(Column("number"), Column("url", side="outer")), header=True
)


def content(count: int = 1_000, **more: Any) -> Content:
    batch = Batch(
        id=1, name="B", brand_id=1, gtin="06901234567892", order_number="PO", key_id=3, count=count, paired=False,
        form="short", prefix="HTTPS://T.YIMA.CN/Q/", first_unit=100, state="ordered", sha256=None, canaries=1_024,
    )  # fmt: skip
    return Content(batch, CodeKey(3, bytes(range(32))), "tea", **{"first": 1, "last": count, **more})


def hidden(folder: Path) -> list[str]:
    return sorted(each.name for each in folder.iterdir() if each.name.startswith("."))


WRITER = """
import sys
from pathlib import Path
sys.path.insert(0, {here!r})
from test_packages import COUNT, STEP, content
from codegen import packages
def tell(rows):
    print(rows, flush=True)
packages.write(Path(sys.argv[1]), content(COUNT), on_progress=tell, checkpoint_rows=STEP)
"""


def made_rows(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Rows that are made from now on, by run."""
    made: list[int] = []
    real = datafiles.write

    def write(*given: Any, **more: Any) -> str:
        made.append(sum(last - first + 1 for first, last in given[4]))
        return real(*given, **more)

    monkeypatch.setattr(datafiles, "write", write)
    return made


def test_a_writer_killed_in_the_middle_is_followed_to_the_identical_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = packages.write(tmp_path / "whole.txt", content(COUNT))
    path = tmp_path / "codes.txt"
    code = WRITER.format(here=str(Path(__file__).parent))
    with subprocess.Popen([sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        for line in writer.stdout:
            if int(line) > COUNT // 2:
                writer.send_signal(signal.SIGKILL)
                break
    assert not path.exists()
    mark = json.loads(parts.names(path)[1].read_text())
    assert STEP <= mark["rows"] < COUNT
    seen: list[int] = []
    made = made_rows(monkeypatch)
    manifest = packages.write(path, content(COUNT), on_progress=seen.append, checkpoint_rows=STEP)
    assert sum(made) == COUNT - mark["rows"], "what was whole was made again"
    assert seen == sorted(seen), "progress goes on while what is there is read"
    assert seen[0] < mark["rows"]
    assert manifest.sha256 == whole.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    lines = path.read_bytes().split()
    assert len(set(lines)) == len(lines) == COUNT
    assert hidden(tmp_path) == []
    assert path.stat().st_mode & 0o077 == 0


def leave_part(path: Path, made_of: Content, rows: int) -> None:
    """What a killed writer leaves after its first checkpoint."""

    class Killed(BaseException):
        pass

    def kill(done: int) -> None:
        if done > rows:
            raise Killed

    with pytest.raises(Killed):
        packages.write(path, made_of, on_progress=kill, checkpoint_rows=rows)


@pytest.mark.parametrize("spoil", ["part", "mark", "shorter", "other"])
def test_a_part_that_is_not_what_its_mark_says_is_begun_anew(
    tmp_path: Path, spoil: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "codes.txt"
    leave_part(path, content(50_000, layout=NUMBERED), 20_000)
    part, mark = parts.names(path)
    made_of = content(50_000, layout=NUMBERED)
    if spoil == "part":
        with part.open("r+b") as file:
            file.seek(5_000)
            file.write(b"?")
    elif spoil == "mark":
        mark.write_text('{"rows": ')
    elif spoil == "shorter":
        os.truncate(part, 10)
    else:
        made_of = content(50_000, layout=NUMBERED, last=40_000)
    made = made_rows(monkeypatch)
    again = packages.write(path, made_of)
    assert made == [made_of.rows]
    assert again.sha256 == packages.write(tmp_path / "whole", made_of).sha256


def test_header_and_running_numbers_go_on_after_a_kill(tmp_path: Path) -> None:
    path, made_of = tmp_path / "codes.csv", content(50_000, layout=NUMBERED, setup=50_001)
    leave_part(path, made_of, 20_000)
    packages.write(path, made_of, checkpoint_rows=20_000)
    rows = path.read_text().splitlines()
    assert len(rows) == 1 + 50_000 + SETUP_LINES
    assert [row.split(",")[0] for row in rows[1:]] == [str(number) for number in range(1, 50_005)]


@given(st.lists(st.tuples(st.integers(1, 50), st.integers(0, 20))), st.integers(0, 100), st.integers(1, 30))
def test_pieces_are_the_lines_in_their_order(given_spans: list[tuple[int, int]], skip: int, most: int) -> None:
    spans = [(first, first + more) for first, more in given_spans]
    lines = [line for first, last in spans for line in range(first, last + 1)]
    runs = list(packages.pieces(spans, skip=skip, rows_max=most))
    found = [line for run in runs for first, last in run for line in range(first, last + 1)]
    assert found == lines[skip:]
    assert all(0 < sum(last - first + 1 for first, last in run) <= most for run in runs)


def limited(size: int) -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))


@pytest.mark.parametrize("encrypted", [False, True])
def test_a_full_disk_is_said_and_leaves_nothing(tmp_path: Path, *, encrypted: bool) -> None:
    path = tmp_path / "codes"
    key = str(x25519.Identity.generate().to_public())

    def write() -> packages.Manifest:
        if encrypted:
            return archives.write(path, content(100_000), public_key=key)
        return packages.write(path, content(100_000), checkpoint_rows=10_000)

    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        limited(1_000_000)
        with pytest.raises(InvalidInput, match=r"Cannot write .*codes.*File too large"):
            write()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert list(tmp_path.iterdir()) == []
    assert write().count == 100_000


def test_of_two_writers_of_one_file_the_second_waits_or_is_told(tmp_path: Path) -> None:
    path, made_of = tmp_path / "codes.txt", content(200_000)
    with parts.resuming(path, "other"), pytest.raises(Unavailable, match=r"writing codes\.txt"):  # noqa: SIM117
        with parts.resuming(path, "other", wait_s=0.1):
            pass
    found: list[packages.Manifest] = []
    writers = [threading.Thread(target=lambda: found.append(packages.write(path, made_of))) for _ in range(3)]
    for each in writers:
        each.start()
    for each in writers:
        each.join()
    assert {each.sha256 for each in found} == {hashlib.sha256(path.read_bytes()).hexdigest()}
    assert len(found) == 3
    assert hidden(tmp_path) == []


def test_a_cancelled_writing_leaves_nothing(tmp_path: Path) -> None:
    def cancel(_: int) -> None:
        raise Conflict("It was cancelled.")

    for write in (packages.write, lambda path, made_of, **more: archives.write(path, made_of, passphrase="x", **more)):
        with pytest.raises(Conflict, match="cancelled"):
            write(tmp_path / "codes", content(50_000), on_progress=cancel)
        assert list(tmp_path.iterdir()) == []


def judge_archive(plain: bytes, path: Path, manifest: packages.Manifest) -> list[bytes]:
    beside = json.loads(packages.manifest_path(path).read_text())
    with tarfile.open(fileobj=io.BytesIO(plain)) as archive:
        told, data = archive.getmembers()
        inside = json.loads(archive.extractfile(told).read())  # type: ignore[union-attr]
        rows = archive.extractfile(data).read()  # type: ignore[union-attr]
    assert (told.name, data.name) == ("manifest.json", manifest.file)
    assert inside == beside
    assert hashlib.sha256(rows).hexdigest() == manifest.sha256 == inside["sha256"]
    assert len(rows) == manifest.bytes
    return rows.split()


def test_the_age_command_opens_a_recipients_package(tmp_path: Path) -> None:
    identity = x25519.Identity.generate()
    (tmp_path / "key.txt").write_text(str(identity) + "\n")
    path = tmp_path / "B-1.tar.age"
    made_of = content(150_000, package="B-1", recipient="Printer", setup=150_001)
    manifest = archives.write(path, made_of, public_key=str(identity.to_public()))
    opened = subprocess.run(
        ["age", "-d", "-i", str(tmp_path / "key.txt"), str(path)], check=True, capture_output=True
    ).stdout
    lines = judge_archive(opened, path, manifest)
    assert len(set(lines)) == 150_000 + SETUP_LINES
    assert (manifest.setup_head, manifest.setup_tail, manifest.count) == (2, 2, 150_000)
    raw = path.read_bytes()
    assert lines[0] not in raw
    assert b"HTTPS://" not in raw
    with pytest.raises(pyrage.DecryptError):
        pyrage.decrypt(raw, [x25519.Identity.generate()])


@pytest.mark.parametrize("count", [1, 2_000])
def test_a_package_with_a_passphrase_opens_with_it_alone(tmp_path: Path, count: int) -> None:
    path = tmp_path / "codes.tar.age"
    manifest = archives.write(path, content(count), passphrase="八角茴香 and cloves")
    opened = pyrage.passphrase.decrypt(path.read_bytes(), "八角茴香 and cloves")
    assert len(judge_archive(opened, path, manifest)) == count
    with pytest.raises(pyrage.DecryptError):
        pyrage.passphrase.decrypt(path.read_bytes(), "八角茴香 and clove")


@pytest.mark.parametrize("size", [0, 1, 65_535, 65_536, 65_537, 131_072])
def test_chunks_end_as_the_format_wants(monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    monkeypatch.setattr(passphrases, "WORK", 2)
    out, plain = io.BytesIO(), os.urandom(size)
    passphrases.encrypt(io.BytesIO(plain), out, "a passphrase")
    assert pyrage.passphrase.decrypt(out.getvalue(), "a passphrase") == plain


def test_the_age_command_opens_a_package_with_its_passphrase(tmp_path: Path) -> None:
    path, opened = tmp_path / "codes.tar.age", tmp_path / "opened"
    manifest = archives.write(path, content(500), passphrase="twelve letters")
    pid, terminal = pty.fork()  # age asks for a passphrase at a terminal only
    if pid == 0:
        os.execvp("age", ["age", "-d", "-o", str(opened), str(path)])  # noqa: S606 (the command itself)
    said = b""
    while b"passphrase" not in said:
        said += os.read(terminal, 1_000)
    time.sleep(0.2)
    os.write(terminal, b"twelve letters\n")
    try:
        while os.read(terminal, 1_000):
            pass
    except OSError:  # the terminal is closed with the command
        pass
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    os.close(terminal)
    assert len(judge_archive(opened.read_bytes(), path, manifest)) == 500


@pytest.mark.parametrize("words", ["", "x" * 11, "x" * 201])
def test_a_passphrase_outside_its_limits_is_refused_and_not_repeated(words: str) -> None:
    with pytest.raises(InvalidInput, match="12 to 200") as refused:
        passphrases.judge(words)
    assert not words or words not in refused.value.message
    assert passphrases.judge("x" * 12) == "x" * 12
    assert passphrases.judge("x" * 200) == "x" * 200
