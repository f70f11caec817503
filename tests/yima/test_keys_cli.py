"""`yima keys` as a person at a terminal uses it, over a home of its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import tokens
from tests.yima.conftest import Home

GTIN = "6909999000012"


@pytest.fixture(scope="module")
def brand(home: Home) -> str:
    home.ask("brand", "create", "--slug", "keyed", "--name", "叶", "--name-en", "Leaf", "--company-prefix", "6909999")
    home.ask("product", "create", "--brand", "keyed", "--gtin", GTIN, "--name", "绿茶", "--name-en", "Green tea")
    return "keyed"


def _issue(home: Home, out: Path, **more: str) -> dict:
    words = [word for name, value in more.items() for word in (f"--{name}", value)]
    found: dict = home.ask("codes", "issue", "--brand", "keyed", "--gtin", GTIN, "--count", 5, "--out", out, *words)
    return found


def test_a_leak_is_planned_done_and_ordered_again(home: Home, brand: str, tmp_path: Path) -> None:
    made = _issue(home, tmp_path / "a.txt", order="PO-1")
    key = made["key_id"]
    assert home.ask("keys", "show", "--key", key)["batch_names"] == [made["batch"]]
    planned = home.ask("keys", "leak", "--key", key, "--reason", "stolen laptop")
    assert (planned["done"], planned["state"], planned["field"]["unscanned"]) == (False, "active", 5)
    done = home.ask("keys", "leak", "--key", key, "--reason", "stolen laptop", "--yes", "--reissue")
    assert (done["state"], done["batches"][0]["answer"], done["reissued"][0]["order"]) == ("revoked", "hold", "PO-1-R1")
    again = home.ask("keys", "leak", "--key", key, "--reason", "said again", "--yes", "--reissue")
    assert (again["reissued"], again["leaked_at"]) == (done["reissued"], done["leaked_at"])
    out = tmp_path / "field.csv"
    [row] = home.ask("keys", "field", "--key", key, "--out", out)
    assert (row["batch"], row["unscanned"], out.read_text().count("\n")) == (made["batch"], 5, 2)
    said = home.refuse("codes", "issue", "--brand", brand, "--gtin", GTIN, "--count", 5, "--out", tmp_path / "b.txt",
                       "--order", "PO-1")  # fmt: skip
    assert "revoked (stolen laptop)" in said


@pytest.mark.parametrize("verb", ["show", "retire", "revoke", "release", "leak", "field"])
def test_an_unknown_key_is_told_on_every_command(home: Home, brand: str, verb: str) -> None:
    known = {row["key_id"] for row in home.ask("keys", "list", "--brand", brand)}
    unknown = next(number for number in range(1024) if number not in known)
    more = {"retire": ["--reason", "x"], "revoke": ["--reason", "x"], "leak": ["--reason", "x"],
            "release": ["--as", "a@example.com", "--password-stdin"]}.get(verb, [])  # fmt: skip
    assert f"no code key {unknown}" in home.refuse("keys", verb, "--key", unknown, *more, text="x\n")


def test_keys_move_into_a_token_on_the_command_line(home: Home, brand: str, tmp_path: Path) -> None:
    token = tokens.make(tmp_path / "token")
    env = token.environment
    made = home.ask("keys", "wrapping-key", "--label", "wrap-2", env=env, fresh=True)
    assert made["configured"] is False
    moved = home.ask("keys", "rewrap", env=env, fresh=True)
    assert (moved["custody"], moved["unreadable"], moved["done"] >= 1) == ("pkcs11", {}, True)
    assert {row["custody"] for row in home.ask("keys", "list", "--brand", brand)} == {"unknown"}
    assert _issue_refused(home, tmp_path)
    back = home.ask("keys", "rewrap", env=env | {"YIMA_KEY_CUSTODY": "environment"}, fresh=True)
    assert (back["custody"], back["done"]) == ("environment", moved["done"])
    wrong = home.run("keys", "rewrap", env=env | {"YIMA_PKCS11_PIN": "0000"}, fresh=True)
    assert (wrong.status, "YIMA_PKCS11_PIN" in wrong.stderr, "0000" in wrong.stderr) == (1, True, False)


def _issue_refused(home: Home, tmp_path: Path) -> bool:
    said = home.refuse("codes", "issue", "--brand", "keyed", "--gtin", GTIN, "--count", 5, "--out", tmp_path / "c.txt")
    return "YIMA_PKCS11_MODULE" in said
