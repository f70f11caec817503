"""Dealers, cartons and shipments from the command line."""

from __future__ import annotations

from pathlib import Path

import pytest

from codegen import gs1
from tests.yima.conftest import Home

GTIN = "06901234567892"


@pytest.fixture(scope="module")
def batch(home: Home, tmp_path_factory: pytest.TempPathFactory) -> str:
    home.ask("brand", "create", "--slug", "goods", "--name", "货", "--name-en", "Goods", "--company-prefix", "6901234")
    home.ask(
        "product", "create", "--brand", "goods", "--gtin", GTIN, "--name", "茶", "--name-en", "Tea",
        "--units-per-case", 6,
    )  # fmt: skip
    out = tmp_path_factory.mktemp("codes") / "codes.txt"
    made = home.ask("codes", "issue", "--brand", "goods", "--gtin", GTIN, "--count", 20, "--out", out)
    return str(made["batch"])


def test_goods_go_from_the_batch_to_the_dealer(home: Home, batch: str, tmp_path: Path) -> None:
    made = home.ask(
        "dealer", "create", "--brand", "goods", "--code", "GZ", "--name", "广州经销", "--region", 440100,
        "--region", 440106,
    )  # fmt: skip
    assert made == {"code": "GZ", "name": "广州经销", "regions": [440100]}
    assert home.ask("dealer", "set", "--brand", "goods", "--code", "GZ", "--region", 440000)["regions"] == [440000]
    assert home.ask("dealer", "set", "--brand", "goods", "--code", "GZ", "--name", "华南")["regions"] == [440000]
    assert home.ask("dealer", "list", "--brand", "goods") == [{"code": "GZ", "name": "华南", "regions": [440000]}]
    packed = home.ask("pack", "--brand", "goods", "--batch", batch, "--serial", 7)
    assert packed["cartons"] == 4
    assert packed["ssccs"][0] == gs1.make_sscc(0, "6901234", 7)
    file = tmp_path / "cartons.txt"
    file.write_text("\n".join(packed["ssccs"][1:]) + "\n")
    shipped = home.ask(
        "ship", "--brand", "goods", "--dealer", "GZ", "--document", "S-1", "--sscc", packed["ssccs"][0],
        "--cartons", file,
    )  # fmt: skip
    assert shipped == {"document": "S-1", "dealer": "GZ", "cartons": 4}
    again = home.run("ship", "--brand", "goods", "--dealer", "GZ", "--document", "S-1", "--cartons", file)
    assert (again.status, "already" in again.stderr) == (1, True)
    twice = home.run("pack", "--brand", "goods", "--batch", batch, "--serial", 100)
    assert (twice.status, "packed already" in twice.stderr) == (1, True)


def test_wrong_input_is_named(home: Home, batch: str, tmp_path: Path) -> None:
    file = tmp_path / "cartons.txt"
    file.write_text("\n00690123400000007\n")
    for words, sentence in (
        (["dealer", "create", "--brand", "goods", "--code", "A", "--name", "A"], "no territory"),
        (["dealer", "create", "--brand", "goods", "--code", "A", "--name", "A", "--region", "999999"], "'999999'"),
        (["dealer", "set", "--brand", "goods", "--code", "nobody", "--name", "A"], "'nobody'"),
        (["pack", "--brand", "goods", "--batch", batch, "--serial", 1, "--per-case", 0], "1 to 10,000"),
        (["pack", "--brand", "goods", "--batch", batch, "--serial", 1, "--to", 21], "lines 1 to 20"),
        (["ship", "--brand", "goods", "--dealer", "nobody", "--document", "S", "--sscc", "1"], "'nobody'"),
        (["ship", "--brand", "goods", "--dealer", "GZ", "--document", "S", "--cartons", file], "line 2"),
    ):
        done = home.run(*words)
        assert (done.status, sentence in done.stderr) == (1, True), (words, done.stderr)
