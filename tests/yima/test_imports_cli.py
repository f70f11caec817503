"""`yima codes import` and its kin, as somebody at a terminal uses them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from kernel.errors import InvalidInput
from yima.cli import common
from yima.cli.main import cli
from yima.settings import ACCEPT_LOSS

GTIN = "06901234567892"


@pytest.fixture
def command(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("YIMA_ENV", "dev")
    monkeypatch.setenv("YIMA_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("YIMA_DATABASE_URL", database_url)
    monkeypatch.setenv("YIMA_UNSAFE_DATABASE", ACCEPT_LOSS)
    monkeypatch.setattr(common.logs, "configure", lambda **_: None)

    def call(*args: str) -> Any:
        done = CliRunner().invoke(cli, [*args, "--json"], catch_exceptions=False, standalone_mode=False)
        assert done.exception is None
        return json.loads(done.stdout)

    call("brand", "create", "--slug", "tea", "--name", "茶", "--name-en", "Tea", "--company-prefix", "6901234")
    call("product", "create", "--brand", "tea", "--gtin", GTIN, "--name", "茶", "--name-en", "Tea")
    return call


def test_a_file_is_judged_reported_confirmed_and_listed(command: Any, tmp_path: Path) -> None:
    file, report = tmp_path / "codes.csv", tmp_path / "report.csv"
    file.write_text("no,code\n" + "".join(f"{n},8{n:019}\n" for n in range(20)) + "x,=1\n")
    asked = ("codes", "import", "--brand", "tea", "--gtin", GTIN, "--file", str(file), "--column", "code",
             "--length", "20")  # fmt: skip
    judged = command(*asked)
    assert (judged["state"], judged["lines"], judged["good"], judged["flaws"]) == ("judged", 21, 20, {"formula": 1})
    assert judged["first_flaws"] == [{"line": 22, "kind": "formula", "first_line": None}]
    name = judged["import"]
    command("codes", "import-report", "--import", name, "--out", str(report))
    assert report.read_text() == "line,flaw,first_line\n22,formula,\n"
    live = command("codes", "import-confirm", "--import", name)
    assert (live["state"], live["batch"]) == ("live", name)
    assert command("codes", "import-resume", "--import", name)["state"] == "live"
    assert command("codes", "activate", "--batch", name)
    again = command(*asked, "--confirm")
    assert (again["state"], again["good"], again["flaws"]) == ("judged", 0, {"existing": 20, "formula": 1})
    assert command("codes", "import-cancel", "--import", again["import"])["state"] == "cancelled"
    assert [each["state"] for each in command("codes", "imports", "--brand", "tea")] == ["cancelled", "live"]


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (("--length", "2"), "The length is 6 to 64"),
        (("--length", "many"), "The length is a number"),
        (("--length", "20", "--pattern", "x"), "says once where the code stands"),
        (("--length", "20", "--column", "1001"), "Columns are numbered"),
    ],
)
def test_a_wrong_declaration_is_told_in_a_sentence(
    command: Any, tmp_path: Path, more: tuple[str, ...], said: str
) -> None:
    file = tmp_path / "codes.csv"
    file.write_text("8")
    with pytest.raises(InvalidInput, match=said):
        command("codes", "import", "--brand", "tea", "--gtin", GTIN, "--file", str(file), *more)
