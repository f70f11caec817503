"""`yima codes order` and what goes with it, as somebody in a plant types it."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pyrage
import pytest
from pyrage import x25519

from tests.yima.conftest import YIMA, Home

GTIN = "6901234567892"


@pytest.fixture(scope="module")
def brand(home: Home) -> str:
    home.ask("brand", "create", "--slug", "leaf", "--name", "叶", "--name-en", "Leaf", "--company-prefix", "6901234")
    home.ask("product", "create", "--brand", "leaf", "--gtin", GTIN, "--name", "茶", "--name-en", "Tea")
    return "leaf"


def test_an_order_is_packed_for_its_printer_and_its_downloads_are_told(home: Home, brand: str, tmp_path: Path) -> None:
    identity = x25519.Identity.generate()
    (tmp_path / "key").write_text(f"{identity}\n")
    home.ask("codes", "recipients", "add", "--brand", brand, "--name", "Red", "--key", identity.to_public())
    given = (
        "codes",
        "order",
        "--brand",
        brand,
        "--gtin",
        GTIN,
        "--count",
        200,
        "--order",
        "PO-1",
        "--recipient",
        "Red",
    )
    ordered = home.ask(*given, "--spare", "2.5", "--host", "go.leaf.cn")
    assert (ordered["ordered"], ordered["count"], ordered["state"]) == (200, 205, "ordered")
    assert ordered["packages"][0]["encryption"] == "key"
    sentence = home.refuse(*given)
    assert "spare (2.5 %, now 0 %)" in sentence
    assert "printed host" in sentence
    out = tmp_path / "p.tar.age"
    waiting = home.refuse("codes", "package", "--batch", ordered["batch"], "--out", out)
    assert "waits for a worker" in waiting
    manifest = home.ask("codes", "package", "--batch", ordered["batch"], "--out", out, "--from", 1, "--to", 100)
    opened = subprocess.run(["age", "-d", "-i", tmp_path / "key", out], check=True, capture_output=True).stdout
    assert opened.count(b"HTTPS://GO.LEAF.CN/Q/") == 100 + manifest["setup_head"] + manifest["setup_tail"] + 1
    [taken] = home.ask("codes", "downloads", "--brand", brand)
    assert (taken["package"], taken["lines"], taken["recipient"]) == (manifest["package"], 100, "Red")
    [row] = home.ask("codes", "orders", "--batch", ordered["batch"])
    assert (row["state"], len(row["packages"])) == ("downloaded", 2)
    assert home.ask("codes", "leaks", "--brand", brand) == []
    home.ask("codes", "recipients", "retire", "--brand", brand, "--name", "Red")
    [red] = home.ask("codes", "recipients", "list", "--brand", brand)
    assert red["retired_at"] is not None
    assert "is cancelled" in home.run("codes", "cancel", "--batch", ordered["batch"], "--reason", "a trial").stdout


def test_a_passphrase_comes_from_a_file_and_is_told_nowhere(home: Home, brand: str, tmp_path: Path) -> None:
    manifest = home.ask(
        "codes", "issue", "--brand", brand, "--gtin", GTIN, "--count", 20, "--out", tmp_path / "c.txt"
    )  # fmt: skip
    secret, out = tmp_path / "words", tmp_path / "c.tar.age"
    secret.write_text("tea leaves in water\nanother line\n")
    done = home.run(
        "codes", "package", "--batch", manifest["batch"], "--out", out, "--passphrase-file", secret, "--json"
    )
    assert done.status == 0, done.stderr
    assert "tea leaves" not in done.stdout + done.stderr
    assert json.loads(done.stdout)["encrypted"]
    assert b"HTTPS://" in pyrage.passphrase.decrypt(out.read_bytes(), "tea leaves in water")
    secret.write_text("short")
    sentence = home.refuse("codes", "package", "--batch", manifest["batch"], "--out", out, "--passphrase-file", secret)
    assert "12 to 200" in sentence
    assert "short" not in sentence
    home.refuse("codes", "close", "--batch", manifest["batch"])
    home.ask("codes", "activate", "--batch", manifest["batch"])
    assert home.ask("codes", "close", "--batch", manifest["batch"])["state"] == "closed"
    assert "is closed" in home.refuse("codes", "package", "--batch", manifest["batch"], "--out", tmp_path / "x")


def test_whoever_waits_for_a_worker_that_is_not_there_is_told_how_to_start_one(home: Home, brand: str) -> None:
    given = ["codes", "order", "--brand", brand, "--gtin", GTIN, "--count", "20", "--order", "PO-W", "--wait"]
    waiting = subprocess.Popen([str(YIMA), *given], env=home.environment(), stderr=subprocess.PIPE, text=True)
    assert waiting.stderr is not None
    try:
        said = next(line for line in waiting.stderr if line.startswith("No worker"))
    finally:
        waiting.kill()
        waiting.communicate()
    assert "has ever shown life" in said
    assert "start one with `yima up` on this installation" in said, "a part alone needs a database of its own"
    ordered = [row for row in home.ask("codes", "orders", "--brand", brand) if row["order"] == "PO-W"]
    assert [row["state"] for row in ordered] == ["ordered"], "it waits for a worker all the same"
