"""`yima staff` and `yima trail`, as commands."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from kernel import postgres
from staff import passwords
from tests.yima.conftest import Home


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    """A home with a brand, its server kept up between commands."""
    path = tmp_path_factory.mktemp("staff") / "home"
    with postgres.attach(path):
        made = Home(path)
        made.ask(
            "brand", "create", "--slug", "leaf", "--name", "叶", "--name-en", "Leaf", "--company-prefix", "6909999"
        )
        yield made


def test_a_person_is_added_with_a_password_and_a_role(home: Home) -> None:
    made = home.ask(
        "staff", "add", "--email", "Lin@Example.com", "--name", "林", "--brand", "leaf", "--role", "owner",
        "--brand", "leaf", "--role", "analyst", "--password-stdin", text="seven small boats\n",
    )  # fmt: skip
    assert made == {
        "id": made["id"], "email": "lin@example.com", "name": "林", "state": "active", "language": "zh",
        "roles": {"leaf": ["analyst", "owner"]}, "second_factor": False, "link": None,
    }  # fmt: skip
    assert [each["email"] for each in home.ask("staff", "list", "--brand", "leaf")] == ["lin@example.com"]
    assert "lin@example.com" in home.run("staff", "list").stdout


def test_without_a_password_a_link_is_printed(home: Home) -> None:
    made = home.ask("staff", "add", "--email", "wu@example.com", "--name", "Wu", "--language", "en")
    assert made["state"] == "invited"
    assert made["link"].startswith("https://t.yima.cn/console/reset/")
    assert len(made["link"].rpartition("/")[2]) == 43
    again = home.run("staff", "reset", "--email", "wu@example.com")
    assert "https://t.yima.cn/console/reset/" in again.stdout
    assert made["link"] not in again.stdout


def test_roles_and_state_are_changed_and_the_last_owner_stays(home: Home) -> None:
    who = ("--email", "wu@example.com")
    role = ("--brand", "leaf", "--role", "factory")
    assert home.ask("staff", "grant", *who, *role)["changed"]
    assert not home.ask("staff", "grant", *who, *role)["changed"]
    assert home.ask("staff", "revoke", *who, *role)["roles"] == {}
    assert home.ask("staff", "disable", *who)["state"] == "disabled"
    assert "disabled" in home.refuse("staff", "reset", *who)
    assert home.ask("staff", "enable", *who)["state"] == "invited"
    last = home.refuse("staff", "revoke", "--email", "lin@example.com", "--brand", "leaf", "--role", "owner")
    assert "last owner" in last


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("add", "--email", "lin@example.com", "--name", "Lin"), "has an account already"),
        (("add", "--email", "no address", "--name", "Lin"), "form name@example.com"),
        (("add", "--email", "a@example.com", "--name", "Lin", "--brand", "leaf"), "one --role"),
        (("add", "--email", "a@example.com", "--name", "Lin", "--brand", "no", "--role", "owner"), "brand"),
        (("add", "--email", "a@example.com", "--name", "Lin", "--password-stdin"), "12 to 128"),
        (("grant", "--email", "a@example.com", "--brand", "leaf", "--role", "owner"), "Nobody has this"),
        (("reset", "--email", "lin@example.com", "--second-factor"), "second factor is off"),
    ],
)
def test_what_cannot_be_is_refused_in_a_sentence(home: Home, arguments: tuple[str, ...], sentence: str) -> None:
    assert sentence in home.refuse("staff", *arguments, text="short\n")


def test_a_password_that_is_a_file_or_no_text_is_refused(home: Home) -> None:
    words = ("staff", "add", "--email", "b@example.com", "--name", "B", "--password-stdin")
    assert "12 to 128" in home.refuse(*words, text="x" * 10_000_000)
    assert "UTF-8" in home.refuse(*words, text=b"\xff\xfe\xff\xfe\xff\xfe\xff\xfe\xff\xfe\xff\xfe\n")


def test_the_trail_has_a_head_that_is_verified_and_found_missing(home: Home, tmp_path: Path) -> None:
    kept = tmp_path / "head.json"
    head = home.ask("trail", "head", "--out", kept)
    assert json.loads(kept.read_text()) == head
    home.ask("staff", "disable", "--email", "wu@example.com")
    found = home.ask("trail", "verify", "--head", kept)
    assert (found["ok"], found["unsealed"], found["problem"]) == (True, 1, None)
    kept.write_text(json.dumps(head | {"hash": "0" * 64}))
    rewritten = home.run("trail", "verify", "--head", kept)
    assert (rewritten.status, "rewritten" in rewritten.stdout) == (1, True)
    for wrong in ("", "{}", "x" * 5_000, "[" * 5_000):
        kept.write_text(wrong)
        assert "no head" in home.refuse("trail", "verify", "--head", kept)
    assert "cannot be read" in home.refuse("trail", "verify", "--head", tmp_path / "none")


def test_a_brands_trail_is_exported(home: Home, tmp_path: Path) -> None:
    out = tmp_path / "trail.jsonl"
    done = home.ask("trail", "export", "--brand", "leaf", "--out", out)
    kinds = [json.loads(line)["kind"] for line in out.read_text().splitlines()]
    assert (kinds.count("row"), kinds.count("seal")) == (done["rows"], done["seals"])
    assert done["rows"] >= 3
    assert done["seals"] >= 1
    assert "lin@" not in out.read_text()


def test_a_process_forked_after_a_password_was_hashed_hashes_on_threads_of_its_own(home: Home) -> None:
    asyncio.run(passwords.make("a password of nobody"))
    time.sleep(0.05)  # its thread waits for more, which is what a fork does not take along
    made = home.ask(
        "staff", "add", "--email", "forked@example.com", "--name", "F", "--password-stdin", text="seven small boats\n"
    )
    assert made["email"] == "forked@example.com"
