"""`yima codes verify --file`: a whole file in bulk, over a real installation."""

from __future__ import annotations

import csv
import hashlib
import os
from pathlib import Path
from typing import Any

import pytest

from tests.yima.conftest import Home


@pytest.fixture(scope="module")
def issued(home: Home, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """A data file of forty pairs under Digital Links, the first ten activated."""
    folder = tmp_path_factory.mktemp("verify")
    home.ask("brand", "create", "--slug", "bulk", "--name", "量", "--name-en", "Bulk", "--company-prefix", "6909999")
    gtin = "06909999000111"
    home.ask("product", "create", "--brand", "bulk", "--gtin", gtin, "--name", "茶", "--name-en", "Tea")
    file = folder / "codes.txt"
    made = home.ask(
        "codes", "issue", "--brand", "bulk", "--gtin", gtin, "--count", 40, "--out", file, "--form", "gs1", "--pair"
    )
    home.ask("codes", "activate", "--batch", made["batch"], "--from", 1, "--to", 10)
    return file, made


def test_a_data_file_is_whole_and_has_the_manifests_hash(home: Home, issued: tuple[Path, dict[str, Any]]) -> None:
    file, made = issued
    done = home.run("codes", "verify", "--file", file)
    assert done.status == 0, done.stderr
    (summary,) = done.lines
    assert (summary["valid"], summary["lines"], summary["codes"], summary["valid_codes"]) == (True, 40, 80, 80)
    assert summary["sha256"] == made["sha256"]
    (batch,) = summary["batches"]
    assert (batch["batch"], batch["states"]) == (made["batch"], {"activated": 20, "issued": 60})
    assert summary["hosts"] == {"t.yima.cn": 80}


def test_bad_lines_are_written_with_their_numbers(
    home: Home, issued: tuple[Path, dict[str, Any]], tmp_path: Path
) -> None:
    lines = issued[0].read_text().splitlines()
    mixed = tmp_path / "mixed.txt"
    text = "\r\n".join([lines[0], "=1+1", lines[1].partition(",")[0], "中文", lines[0]])
    mixed.write_bytes(b"\xef\xbb\xbf" + text.encode("gb18030", "replace"))
    done = home.run("codes", "verify", "--file", mixed, "--out", tmp_path / "bad.csv")
    assert done.status == 1
    (summary,) = done.lines
    assert (summary["valid"], summary["lines"], summary["bad_lines"], summary["duplicates"]) == (False, 5, 3, 2)
    assert summary["sha256"] == hashlib.sha256(mixed.read_bytes()).hexdigest()
    with (tmp_path / "bad.csv").open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["line"], row["reason"]) for row in rows] == [
        ("2", "malformed: wrong_length"), ("4", "malformed: wrong_length"), ("5", "duplicate"), ("5", "duplicate"),
    ]  # fmt: skip
    assert rows[0]["text"] == "'=1+1"
    assert (tmp_path / "bad.csv").stat().st_mode & 0o077 == 0


def test_what_is_no_file_to_verify_is_named(home: Home, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "wide.txt").write_bytes("码".encode("utf-16"))
    for name, words in (("pipe", "no regular file"), ("gone", "No such file"), ("wide.txt", "UTF-16")):
        done = home.run("codes", "verify", "--file", tmp_path / name)
        assert done.status == 1
        assert name in done.stderr
        assert words in done.stderr
    (tmp_path / "empty").touch()
    assert home.run("codes", "verify", "--file", tmp_path / "empty").status == 1, "nothing was verified"
    assert home.run("codes", "verify", "--file", tmp_path / "empty", "CODE").status == 2
    assert home.run("codes", "verify", "CODE", "--out", tmp_path / "bad").status == 2
