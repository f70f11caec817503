"""`yima labels readback`: every symbol a line, the sums, and a report; over a real installation."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tests.labels import photo
from tests.yima.conftest import Home

GTIN = "06909999000111"
FOREIGN = "https://evil.example/?a=1"


@pytest.fixture(scope="module")
def lines(home: Home, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """URLs of twenty units; the first ten activated, the tenth void."""
    file = tmp_path_factory.mktemp("read") / "codes.txt"
    home.ask("brand", "create", "--slug", "print", "--name", "印", "--name-en", "Print", "--company-prefix", "6909999")
    home.ask("product", "create", "--brand", "print", "--gtin", GTIN, "--name", "茶", "--name-en", "Tea")
    made = home.ask("codes", "issue", "--brand", "print", "--gtin", GTIN, "--count", 20, "--out", file)
    home.ask("codes", "activate", "--batch", made["batch"], "--from", 1, "--to", 10)
    home.ask("codes", "void", "--batch", made["batch"], "--from", 10, "--to", 10, "--reason", "torn")
    return file.read_text().splitlines()


def test_symbols_in_order_are_told_with_batch_line_state_and_grade(
    home: Home, lines: list[str], tmp_path: Path
) -> None:
    (tmp_path / "a.png").write_bytes(photo(lines[:2]))
    (tmp_path / "b.webp").write_bytes(photo(lines[2:3], kind="WEBP"))
    done = home.run("labels", "readback", tmp_path / "a.png", tmp_path / "b.webp")
    assert done.status == 0, done.stderr
    assert list(done.lines[0])[:6] == ["text", "code", "valid", "zbar", "zxing", "grade"]
    assert [(row["text"], row["code"], row["valid"]) for row in done.lines] == [
        (line, line[-20:], True) for line in lines[:3]
    ]
    assert [(row["line"], row["state"], row["kind"]) for row in done.lines] == [
        (number, "activated", "good") for number in (1, 2, 3)
    ]
    assert set(done.lines[0]["parameters"]) >= {"symbol_contrast", "modulation", "quiet_zone"}
    assert done.lines[0]["parameters"]["symbol_contrast"]["letter"] == "A"
    assert "Symbols: 3 found, 3 verified." in done.stderr
    assert "no certified grade" in done.stderr


def test_what_is_not_in_order_says_why_and_is_summed(home: Home, lines: list[str], tmp_path: Path) -> None:
    texts = [lines[0], lines[0], lines[9], lines[3].replace("T.YIMA.CN", "OTHER.CN"), FOREIGN]
    (tmp_path / "mix.png").write_bytes(photo(texts))
    (tmp_path / "notes.jpg").write_text("no picture")
    os.mkfifo(tmp_path / "pipe.png")
    done = home.run(
        "labels", "readback", tmp_path / "mix.png", tmp_path / "notes.jpg", tmp_path / "pipe.png", tmp_path / "mix.png",
        "--report", tmp_path / "report.json",
    )  # fmt: skip
    assert done.status == 1
    assert [row["kind"] for row in done.lines[:5]] == ["good", "duplicate", "stopped", "wrong_host", "foreign"]
    assert done.lines[3]["printed_host"] == "t.yima.cn"
    assert (done.lines[4]["text"], done.lines[4]["foreign"], done.lines[4]["code"]) == (FOREIGN, "url", None)
    assert done.lines[5]["duplicate"], "across files"
    assert "notes.jpg is a text file" in done.stderr
    assert "pipe.png: it is no regular file" in done.stderr
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["symbols"] == done.lines
    assert len(report["unread"]) == 2
    sums = report["summary"]
    assert (sums["found"], sums["verified"], sums["duplicates"], sums["foreign"], sums["wrong_host"]) == (
        10,
        8,
        6,
        2,
        2,
    )
    assert not sums["clean"]
    assert (tmp_path / "report.json").stat().st_mode & 0o077 == 0, "it holds codes"


def test_a_remark_about_a_renamed_file_does_not_spoil_the_result(home: Home, lines: list[str], tmp_path: Path) -> None:
    (tmp_path / "photo.gif").write_bytes(photo(lines[:1]))
    done = home.run("labels", "readback", tmp_path / "photo.gif")
    assert done.status == 0
    assert "is named like a GIF file and is a PNG file" in done.stderr.replace("\n", " ")
