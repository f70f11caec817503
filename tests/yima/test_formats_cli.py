"""Layouts, templates and labels on the command line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from codegen.readback import read_files
from tests.codegen import printers
from tests.yima.conftest import Home

GTIN = "6909999000012"


@pytest.fixture(scope="module")
def batch(home: Home, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """A batch of pairs on the command line, and its data file."""
    home.ask("brand", "create", "--slug", "print", "--name", "印", "--name-en", "Print", "--company-prefix", "6909999")
    home.ask("product", "create", "--brand", "print", "--gtin", GTIN, "--name", "=花雕酒", "--name-en", "Wine")
    file = tmp_path_factory.mktemp("formats") / "codes.txt"
    made = home.ask("codes", "issue", "--brand", "print", "--gtin", GTIN, "--count", 50, "--out", file, "--pair")
    pairs = [line.split(",") for line in file.read_text().splitlines()]
    return {"name": made["batch"], "outer": [pair[0] for pair in pairs], "inner": [pair[1] for pair in pairs]}


def test_layouts_are_listed_kept_previewed_and_removed(home: Home, batch: dict[str, Any], tmp_path: Path) -> None:
    del batch
    own = ("--brand", "print", "--name", "line-9")
    names = [row["name"] for row in home.ask("codes", "layouts", "list", "--brand", "print")]
    assert names[0] == "plain"
    assert {"domino", "videojet", "keyence-laser", "hitachi", "linx", "markem-imaje"} <= set(names)
    document = home.ask("codes", "layouts", "show", "--brand", "print", "--name", "domino")
    document["delimiter"] = "semicolon"
    file = tmp_path / "layout.json"
    file.write_text(json.dumps(document))
    assert home.ask("codes", "layouts", "save", *own, "--file", file)["name"] == "line-9"
    shown = home.ask("codes", "layouts", "preview", *own)["text"].split("\r\n")
    assert len(shown) == 6
    assert shown[0].startswith("HTTPS://YIMA.EXAMPLE/Q/")
    assert shown[0].count(";") == 1
    assert home.ask("codes", "layouts", "remove", *own) == {"name": "line-9"}
    assert "no layout" in home.refuse("codes", "layouts", "show", *own)


def test_layouts_that_are_none_are_refused_with_a_reason(home: Home, batch: dict[str, Any], tmp_path: Path) -> None:
    del batch
    save = ("codes", "layouts", "save", "--brand", "print", "--name", "mine", "--file")
    wide = tmp_path / "wide.json"
    wide.write_text(json.dumps({"columns": [{"kind": "code"}] * 10_000}))
    assert "more than 16,384 bytes" in home.refuse(*save, wide)
    binary = tmp_path / "binary.json"
    binary.write_bytes(b"\xff\xfe\x00")
    assert "no text in UTF-8" in home.refuse(*save, binary)
    assert "No such file" in home.refuse(*save, tmp_path / "none.json")
    assert "one code a unit" in home.refuse("codes", "layouts", "preview", "--brand", "print", "--name", "pair-columns")


@pytest.mark.parametrize(
    ("template", "kind", "sides"),
    [("a4-21", "pdf", ["inner"]), ("a4-pair-40", "pdf", ["outer", "inner"]), ("roll-50x30", "png", ["inner"])],
)
def test_labels_are_printed_on_a_template_and_read_back(
    home: Home, batch: dict[str, Any], tmp_path: Path, template: str, kind: str, sides: list[str]
) -> None:
    out = tmp_path / f"labels.{kind}"
    last = 3 if kind == "pdf" else 1
    done = home.ask(
        "labels", "render", "--batch", batch["name"], "--from", 1, "--to", last, "--format", kind, "--out", out,
        "--template", template, "--lot", "L20260417", "--mask", "best",
    )  # fmt: skip
    assert done["labels"] == last
    assert len(done["sha256"]) == 64
    assert done["bytes"] == out.stat().st_size
    expected = {batch[side][line] for side in sides for line in range(last)}
    assert {symbol.text for symbol in read_files([out])} == expected


@pytest.mark.parametrize("graphic", [False, True])
def test_printers_get_the_outer_codes_where_asked(
    home: Home, batch: dict[str, Any], tmp_path: Path, *, graphic: bool
) -> None:
    more = ["--graphic"] if graphic else []
    for language in ("zpl", "tspl"):
        out = tmp_path / f"labels.{language}"
        home.ask(
            "labels", "render", "--batch", batch["name"], "--to", 2, "--format", language, "--out", out, "--side",
            "outer", "--dpi", 203, *more,
        )  # fmt: skip
        papers = (
            printers.print_zpl(out.read_text()) if language == "zpl" else printers.print_tspl(out.read_bytes(), 203)
        )
        assert len(papers) == 2
        if not graphic:
            assert [paper.symbols[0][3] for paper in papers] == batch["outer"][:2]


def test_templates_are_listed_kept_previewed_and_removed(home: Home, batch: dict[str, Any], tmp_path: Path) -> None:
    del batch
    own = ("--brand", "print", "--name", "cap")
    document = home.ask("labels", "templates", "show", "--brand", "print", "--name", "roll-40x30")
    file = tmp_path / "template.json"
    file.write_text(json.dumps(document | {"letter_mm": 1.5, "lines": ["{product}", "{code_first}", "{code_last}"]}))
    assert home.ask("labels", "templates", "save", *own, "--file", file) == {"name": "cap", "labels": 1}
    rows = {row["name"]: row for row in home.ask("labels", "templates", "list", "--brand", "print")}
    assert rows["cap"]["own"]
    assert not rows["a4-80"]["own"]
    picture = tmp_path / "cap.png"
    home.ask("labels", "templates", "preview", *own, "--out", picture)
    with Image.open(picture) as image:
        assert image.width > image.height
    assert home.ask("labels", "templates", "remove", *own) == {"name": "cap"}
    file.write_text(json.dumps(document | {"grid": [2, 1]}))
    assert "take 80 mm; the page is 40 mm wide" in home.refuse("labels", "templates", "save", *own, "--file", file)


def test_labels_that_cannot_be_printed_are_refused_with_a_reason(
    home: Home, batch: dict[str, Any], tmp_path: Path
) -> None:
    render = ("labels", "render", "--batch", batch["name"], "--out", tmp_path / "x", "--format")
    assert "no label template 'nothing'" in home.refuse(*render, "pdf", "--template", "nothing")
    assert "One picture holds one page" in home.refuse(*render, "png", "--template", "roll-40x30")
    assert "at most 10 dots itself" in home.refuse(*render, "zpl", "--dpi", 600)
    assert "A lot has at most 20 ASCII characters" in home.refuse(*render, "pdf", "--lot", "批号")
    font = tmp_path / "font.ttf"
    font.write_bytes(b"none")
    assert "not a font file" in home.refuse(*render, "pdf", "--font", font)
    assert [path.name for path in tmp_path.iterdir()] == ["font.ttf"]
