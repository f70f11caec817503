"""The line on the command line: rolls, runs, captures, cartons, states by what is in hand."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from codegen import gs1
from tests.yima.conftest import YIMA, Home
from yima.cli.stations import CHUNK

GTIN = "6909999000012"


@pytest.fixture(scope="module")
def codes(home: Home, tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """Three batches of forty codes each by name, in the order they were issued."""
    home.ask("brand", "create", "--slug", "leaf", "--name", "叶", "--name-en", "Leaf", "--company-prefix", "6909999")
    product = ("product", "create", "--brand", "leaf", "--gtin", GTIN, "--name", "绿茶", "--name-en", "Green tea")
    home.ask(*product)
    folder, found = tmp_path_factory.mktemp("codes"), {}
    for number in range(3):
        file = folder / f"{number}.txt"
        order = ("codes", "issue", "--brand", "leaf", "--gtin", GTIN, "--count", 40, "--out", file)
        name = home.ask(*order)["batch"]
        found[name] = file.read_text().splitlines()
    return found


def test_a_batch_goes_from_rolls_to_a_closed_run(home: Home, codes: dict[str, list[str]], tmp_path: Path) -> None:
    batch, lines = next(iter(codes.items()))
    assert [roll["count"] for roll in home.ask("codes", "rolls", "cut", "--batch", batch, "--size", 15)] == [15, 15, 10]
    assert home.ask("codes", "rolls", "list", "--batch", batch)[2]["first"] == 31
    file = tmp_path / "rolls.pdf"
    assert home.ask("codes", "rolls", "labels", "--batch", batch, "--from", 2, "--out", file)["labels"] == 2
    assert file.read_bytes().startswith(b"%PDF")
    opened = home.ask("codes", "runs", "open", "--batch", batch, "--printer", "P1", "--roll", 1, "--lines", "31-40")
    run = ("--run", opened["run"])
    assert "given out" in home.refuse("codes", "runs", "open", "--batch", batch, "--printer", "P2", "--lines", 40)
    home.ask("codes", "runs", "enter", *run, "--kind", "good", "--between", lines[0], lines[13])
    home.ask("codes", "runs", "enter", *run, "--kind", "waste", "--code", "-", text=f"{lines[14]}\n\n{lines[39]}\n")
    said = home.refuse("codes", "runs", "close", *run)
    assert "lines 31–40: 9 not accounted for of 10" in said
    part = opened["parts"][1]["part"]
    home.ask("codes", "runs", "enter", *run, "--kind", "returned", "--count", 9, "--part", part)
    closed = home.ask("codes", "runs", "close", *run, "--activate", "--void")
    assert (closed["activated"], closed["voided"], closed["off"]) == (14, 2, 0)
    assert "does not" not in home.run("codes", "runs", "show", *run).stdout
    assert [each["state"] for each in home.ask("codes", "runs", "list", "--brand", "leaf")] == ["closed"]
    assert "written 1-200" in home.refuse("codes", "runs", "open", "--batch", batch, "--printer", "P", "--lines", "a-b")
    assert "one way" in home.refuse("codes", "runs", "enter", *run, "--kind", "good")


def test_states_follow_what_is_in_hand(home: Home, codes: dict[str, list[str]]) -> None:
    batch, lines = list(codes.items())[1]
    sscc = gs1.make_sscc(0, "6909999", 4)
    packed = home.ask("carton", "pack", "--brand", "leaf", "--sscc", sscc, "--code", lines[5], "--code", lines[9])
    assert packed["units"] == 2
    brand = ("--brand", "leaf")
    assert home.ask("codes", "activate", "--between", lines[9], lines[0], *brand)["units"] == 10
    assert home.ask("codes", "recall", "--case", sscc, *brand, "--reason-code", "safety")["units"] == 2
    assert home.ask("codes", "freeze", "--code", lines[0], *brand, "--reason", "odd")["units"] == 1
    found = home.run("codes", "verify", text="\n".join(lines[:11]))
    states = [line["reason"] for line in found.lines]
    assert states == ["frozen", *[None] * 4, "recalled", *[None] * 3, "recalled", "inactive"]
    assert home.ask("codes", "thaw", "--batch", batch)["batches"][0]["last"] == 40
    assert "nothing to lift" in home.refuse("codes", "thaw", "--batch", batch)
    changed = home.ask(
        "carton", "change", *brand, "--sscc", sscc, "--out", lines[5], "--in", lines[6], "--reason", "torn"
    )
    assert changed["units"] == 2
    assert home.ask("carton", "unpack", *brand, "--sscc", sscc, "--reason", "again")["units"] == 2
    assert "no carton" in home.refuse("carton", "show", *brand, "--sscc", sscc)
    assert "Name a batch" in home.refuse("codes", "activate")
    assert "one of safety" in home.refuse(
        "codes", "void", "--as", "recalled", "--batch", batch, "--reason-code", "sold"
    )


def test_a_file_of_what_a_camera_saw_is_taken_in_once(home: Home, codes: dict[str, list[str]], tmp_path: Path) -> None:
    batch, lines = list(codes.items())[2]
    file = tmp_path / "seen.txt"
    file.write_text("\n".join([*lines[:5], lines[2], "nonsense", lines[7]]) + "\n")
    done = home.run("codes", "capture", file, "--batch", batch, "--json")
    assert done.status == 1, "something was not good"
    *remarks, total = done.lines
    assert remarks == [
        {"at": 6, "verdict": "repeat", "line": 3}, {"at": 7, "verdict": "malformed"},
        {"at": 8, "verdict": "good", "line": 8, "remark": "gap", "gap": 2},
    ]  # fmt: skip
    assert total["totals"] == {"good": 6, "repeat": 1, "malformed": 1, "gap": 1}
    inner, inners = list(codes.items())[1]
    pairs = tmp_path / "pairs.txt"
    pairs.write_text("\n".join(f"{a},{b}" for a, b in zip(lines[10:20], inners[20:30], strict=True)))
    paired = home.ask("codes", "capture", pairs, "--batch", batch, "--inner-batch", inner)
    assert paired["totals"] == {"good": 10}
    broken = tmp_path / "broken.txt"
    broken.write_text(lines[0])
    assert "OUTER,INNER" in home.refuse("codes", "capture", broken, "--batch", batch, "--inner-batch", inner)
    assert "or a session" in home.refuse("codes", "capture", broken)


def test_a_file_whose_capture_was_killed_is_gone_on_with_and_nothing_is_taken_twice(
    home: Home, codes: dict[str, list[str]], tmp_path: Path
) -> None:
    batch, lines = next(iter(codes.items()))
    good = lines[15:39]  # none of those that a run above voided
    file = tmp_path / "seen.txt"
    file.write_text("\n".join([*good[:20], *["nonsense"] * (2 * CHUNK - 20), *good[20:]]))
    with subprocess.Popen(
        [str(YIMA), "codes", "capture", "-", "--batch", batch, "--json"], env=home.environment(), text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    ) as killed:  # fmt: skip
        assert killed.stdin is not None
        assert killed.stdout is not None
        assert killed.stderr is not None
        killed.stdin.write("".join(file.read_text().splitlines(keepends=True)[: CHUNK + 1]))  # the second never fills
        killed.stdin.flush()
        name = next(line for line in killed.stderr if "--session" in line).split()[1].rstrip(":")
        assert "malformed" in killed.stdout.readline(), "the first chunk was taken"
        killed.kill()
    other = tmp_path / "other.txt"
    other.write_text("\n".join(reversed(file.read_text().splitlines())))
    assert "with other codes" in home.refuse("codes", "capture", other, "--session", name)
    assert "leave --inner" in home.refuse("codes", "capture", file, "--session", name, "--inner-batch", batch)
    done = home.run("codes", "capture", file, "--session", name, "--json")
    *remarks, total = done.lines
    assert total == {
        "session": name, "batch": batch, "totals": {"good": 24, "malformed": 2 * CHUNK - 20},
    }, done.stderr  # fmt: skip
    assert {each["at"] for each in remarks} == set(range(CHUNK + 1, 2 * CHUNK + 1)), "what came before was told before"
    again = home.run("codes", "capture", file, "--session", name, "--json")
    assert again.lines == [total]
    assert "is closed: nothing" in again.stderr
    assert "no session" in home.refuse("codes", "capture", file, "--session", "NOPE")


def test_a_station_is_made_listed_and_revoked(home: Home, codes: dict[str, list[str]]) -> None:
    assert codes
    brand = ("--brand", "leaf")
    made = home.ask("codes", "stations", "make", *brand, "--name", "Cam 1", "--may-switch")
    assert made["token"].startswith("yst_")
    listed = home.ask("codes", "stations", "list", *brand)
    assert [(each["name"], each["may_switch"], each["revoked_at"]) for each in listed] == [("Cam 1", True, None)]
    assert made["token"] not in str(listed)
    assert home.ask("codes", "stations", "revoke", *brand, "--station", made["station"])["revoked_at"]
    for number in (999, -1, 2**70):
        assert "no station" in home.refuse("codes", "stations", "revoke", *brand, "--station", number)
