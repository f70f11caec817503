"""The command line, as a process: results on standard output, one sentence on failure, the exit code true."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import hashlib
import json
import re
import resource
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kernel.errors import ConfigurationError
from tests.world import World
from tests.yima.conftest import YIMA, Home, free_port
from yima import migrate, runtime
from yima import settings as settings_module

GTIN = "6909999000012"
LONG_GTIN = "06909999000012"
MANIFEST = {
    "batch", "order", "brand", "gtin", "count", "first_serial", "last_serial", "key_id", "form", "pair", "prefix",
    "file", "bytes", "sha256", "package", "recipient", "layout", "first_line", "last_line", "setup_head", "setup_tail",
    "encrypted",
}  # fmt: skip
COMMANDS = [
    "up", "demo", "migrate", "doctor", "brand list", "brand create", "product list", "product create", "codes issue",
    "codes activate", "codes void", "codes freeze", "codes thaw", "codes recall", "codes expire",
    "codes verify", "codes rotate", "codes batches", "codes order", "codes orders",
    "codes package", "codes cancel", "codes close", "codes downloads", "codes leaks", "codes recipients add",
    "codes recipients list", "codes recipients retire", "labels render", "labels templates list", "codes layouts list",
    "labels readback", "members token", "draw list", "draw close", "draw proof", "draw verify", "ledger audit", "bench",
]  # fmt: skip


@pytest.fixture(scope="module")
def brand(home: Home) -> str:
    """A brand with a product, made on the command line."""
    made = home.ask(
        "brand", "create", "--slug", "leaf", "--name", "叶", "--name-en", "Leaf", "--company-prefix", "6909999"
    )
    assert made == {"slug": "leaf", "name": "叶"}
    product = ("product", "create", "--brand", "leaf", "--gtin", GTIN, "--name", "绿茶", "--name-en", "Green tea")
    assert home.ask(*product) == {"gtin": LONG_GTIN, "name": "绿茶"}
    return "leaf"


@dataclasses.dataclass(frozen=True, slots=True)
class Batch:
    """A batch of forty codes and its files."""

    name: str
    file: Path
    manifest: dict[str, Any]
    lines: list[str]

    @property
    def codes(self) -> list[str]:
        return [line.rsplit("/", 1)[1] for line in self.lines]


@pytest.fixture(scope="module")
def batch(home: Home, brand: str, tmp_path_factory: pytest.TempPathFactory) -> Batch:
    file = tmp_path_factory.mktemp("codes") / "codes.txt"
    manifest = home.ask(*order(brand, file, 40), "--order", "PO-1")
    return Batch(manifest["batch"], file, manifest, file.read_text().splitlines())


def order(brand: str, file: Path, count: int | str, *, gtin: str = GTIN) -> list[object]:
    return ["codes", "issue", "--brand", brand, "--gtin", gtin, "--count", count, "--out", file]


# --- the whole ----------------------------------------------------------------------------------------------


def test_every_command_explains_itself() -> None:
    """In one process, for a Python start takes longer than everything else here."""
    from click.testing import CliRunner

    from yima.cli.main import cli

    for command in COMMANDS:
        result = CliRunner().invoke(cli, [*command.split(), "--help"])
        assert result.exit_code == 0, command
        assert "Usage:" in result.output


def test_every_command_bears_the_name_it_is_called_by() -> None:
    import click

    from yima.cli.main import cli

    context = click.Context(cli)
    for name in cli.list_commands(context):
        command = cli.get_command(context, name)
        assert command is not None
        assert command.name == name
    assert cli.get_command(context, "server") is None, "a module is no command"


@pytest.mark.parametrize("arguments", [["brew"], ["codes"], ["codes", "issue"], ["codes", "issue", "--count", "many"]])
def test_a_command_that_is_none_is_a_usage_error(home: Home, arguments: list[str]) -> None:
    done = home.run(*arguments)
    assert done.status == 2
    assert done.stdout == ""
    assert "Usage:" in done.stderr
    assert "Traceback" not in done.stderr


# --- brands and products ------------------------------------------------------------------------------------


def test_brands_and_products_are_listed_as_json_arrays(home: Home, brand: str) -> None:
    assert {"slug": brand, "name": "叶"} in home.ask("brand", "list")
    assert home.ask("product", "list", "--brand", brand) == [{"gtin": LONG_GTIN, "name": "绿茶"}]


def test_a_wrong_brand_is_refused_with_a_reason(home: Home, brand: str) -> None:
    names = ("--name", "茶", "--name-en", "Tea")
    assert "leaf" in home.refuse("brand", "create", "--slug", brand, *names, "--company-prefix", "6901")
    assert "slug" in home.refuse("brand", "create", "--slug", "Grün!", *names, "--company-prefix", "6901")
    assert "Prefix" in home.refuse("brand", "create", "--slug", "x", *names, "--company-prefix", "69x")


def test_a_wrong_product_is_refused_with_a_reason(home: Home, brand: str) -> None:
    names = ("--name", "茶", "--name-en", "Tea")
    said = home.refuse("product", "create", "--brand", brand, "--gtin", "6909999000017", *names)
    assert "check digit" in said
    assert "nobody" in home.refuse("product", "list", "--brand", "nobody")
    assert LONG_GTIN in home.refuse("product", "create", "--brand", brand, "--gtin", GTIN, *names)


# --- issuing ------------------------------------------------------------------------------------------------


def test_an_order_gives_a_file_and_a_manifest_that_agree(batch: Batch) -> None:
    manifest = batch.manifest
    assert set(manifest) == MANIFEST
    assert (manifest["count"], manifest["gtin"], manifest["order"], manifest["brand"]) == (
        40,
        LONG_GTIN,
        "PO-1",
        "leaf",
    )
    assert manifest["last_serial"] - manifest["first_serial"] == 2 * 39
    assert json.loads(Path(f"{batch.file}.manifest.json").read_text()) == manifest
    content = batch.file.read_bytes()
    assert manifest["sha256"] == hashlib.sha256(content).hexdigest()
    assert manifest["bytes"] == len(content)
    assert len(batch.lines) == len(set(batch.lines)) == 40
    assert all(re.fullmatch(r"HTTPS://T\.YIMA\.CN/Q/[0-9A-HJKMNP-TV-Z]{20}", line) for line in batch.lines)
    assert batch.file.stat().st_mode & 0o077 == 0, "unclaimed codes are money"


def test_the_same_order_again_gives_the_identical_file(home: Home, brand: str, batch: Batch, tmp_path: Path) -> None:
    again = home.ask(*order(brand, tmp_path / "again.txt", 40), "--order", "PO-1")
    assert (tmp_path / "again.txt").read_bytes() == batch.file.read_bytes()
    assert again == {**batch.manifest, "file": "again.txt"}
    assert "PO-1" in home.refuse(*order(brand, tmp_path / "other.txt", 41), "--order", "PO-1")
    assert not (tmp_path / "other.txt").exists()


def test_digital_links_in_pairs_are_two_a_line(home: Home, brand: str, tmp_path: Path) -> None:
    file = tmp_path / "pairs.txt"
    manifest = home.ask(*order(brand, file, 3), "--form", "gs1", "--pair")
    form = rf"HTTPS://T\.YIMA\.CN/01/{LONG_GTIN}/21/[0-9A-HJKMNP-TV-Z]{{20}}"
    assert all(re.fullmatch(f"{form},{form}", line) for line in file.read_text().splitlines())
    assert manifest["last_serial"] - manifest["first_serial"] == 5


@pytest.mark.parametrize("count", ["0", "-1", str(10**12), "1000000001"])
def test_a_count_outside_its_limits_is_named_and_leaves_no_file(
    home: Home, brand: str, tmp_path: Path, count: str
) -> None:
    assert f"{int(count):,}" in home.refuse(*order(brand, tmp_path / "codes.txt", count))
    assert list(tmp_path.iterdir()) == []


def test_an_order_for_nothing_that_exists_is_refused(home: Home, brand: str, tmp_path: Path) -> None:
    file = tmp_path / "codes.txt"
    assert "nobody" in home.refuse(*order("nobody", file, 1))
    assert "check digit" in home.refuse(*order(brand, file, 1, gtin="6909999000017"))
    assert "no product" in home.refuse(*order(brand, file, 1, gtin="6901234567892"))
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_cannot_be_written_is_named_before_serials_are_spent(
    home: Home, brand: str, tmp_path: Path
) -> None:
    before = home.ask("codes", "batches", "--brand", brand)
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("x")
    for place in (
        tmp_path / "folder",
        tmp_path / "missing" / "codes.txt",
        tmp_path / "file" / "codes.txt",
        Path("/proc/codes.txt"),
    ):
        said = home.refuse(*order(brand, place, 1))
        assert str(place if place.is_dir() else place.parent) in said
    assert home.ask("codes", "batches", "--brand", brand) == before
    assert list((tmp_path / "folder").iterdir()) == []


def test_a_device_or_a_pipe_is_not_replaced_by_a_file(home: Home, brand: str, tmp_path: Path) -> None:
    """As root, `--out /dev/null` must not do away with the device."""
    pipe = tmp_path / "pipe"
    subprocess.run(["mkfifo", pipe], check=True)
    assert str(pipe) in home.refuse(*order(brand, pipe, 1))
    assert pipe.is_fifo()


@pytest.mark.parametrize(("count", "bytes_max"), [(20_000, 100_000), (100, 2_000)])
def test_a_full_disk_leaves_nothing_and_the_order_may_be_tried_again(
    home: Home, brand: str, tmp_path: Path, count: int, bytes_max: int
) -> None:
    """The limit on file sizes stands for the disk; the database is reached through its socket, not started."""
    with socket_url(home) as url:

        def limit() -> None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (bytes_max, bytes_max))

        env = {"YIMA_DATABASE_URL": url}
        said = home.refuse(
            *order(brand, tmp_path / "full.txt", count), "--order", f"full-{count}", env=env, limit=limit
        )
    assert "full.txt" in said
    assert list(tmp_path.iterdir()) == [], "neither the file nor its manifest nor a .part"
    manifest = home.ask(*order(brand, tmp_path / "full.txt", count), "--order", f"full-{count}")
    assert len((tmp_path / "full.txt").read_text().splitlines()) == manifest["count"] == count


@contextlib.contextmanager
def socket_url(home: Home) -> Iterator[str]:
    found = settings_module.load(home.environment())
    with runtime.database_url(found) as url:
        yield url


def test_a_file_that_was_there_before_a_failure_stays_untouched(home: Home, brand: str, tmp_path: Path) -> None:
    file = tmp_path / "codes.txt"
    home.ask(*order(brand, file, 5))
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    home.refuse(*order(brand, file, 10**12))
    with socket_url(home) as url:
        limit = lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (2_000, 2_000))  # noqa: E731
        home.refuse(*order(brand, file, 100), env={"YIMA_DATABASE_URL": url}, limit=limit)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


# --- states -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("bounds", [(0, 3), (10, 3), (1, 41), (-1, 5), (41, 41)])
def test_lines_outside_the_batch_are_refused(home: Home, batch: Batch, bounds: tuple[int, int]) -> None:
    said = home.refuse("codes", "activate", "--batch", batch.name, "--from", bounds[0], "--to", bounds[1])
    assert batch.name in said


def test_activated_and_voided_lines_are_what_verify_says(home: Home, batch: Batch) -> None:
    activated = home.ask("codes", "activate", "--batch", batch.name, "--from", 1, "--to", 10)
    lines = {"batch": batch.name, "first": 1, "last": 10, "units": 10}
    assert activated == {"batch": batch.name, "units": 10, "state": "activated", "batches": [lines]}
    assert home.ask("codes", "activate", "--batch", batch.name, "--from", 1, "--to", 10) == activated, "again: the same"
    voided = home.ask("codes", "void", "--batch", batch.name, "--from", 10, "--to", 11, "--reason", "line stop")
    assert (voided["batch"], voided["units"], voided["state"]) == (batch.name, 2, "void")
    found = home.run("codes", "verify", text="\n".join(batch.codes))
    assert [line["reason"] for line in found.lines] == [None] * 9 + ["void"] * 2 + ["inactive"] * 29
    assert "batch" in home.refuse("codes", "activate", "--batch", "NOPE")
    assert "reason" in home.refuse("codes", "void", "--batch", batch.name, "--reason", " ")


# --- verifying ----------------------------------------------------------------------------------------------


def test_codes_are_verified_from_arguments_one_json_object_a_line(home: Home, batch: Batch) -> None:
    done = home.run("codes", "verify", batch.lines[0], batch.codes[1])
    assert done.status == 0
    assert done == home.run("codes", "verify", batch.lines[0], batch.codes[1], fresh=True)
    assert [set(line) for line in done.lines] == [{"code", "valid", "gtin", "batch", "serial", "reason"}] * 2
    assert [(line["code"], line["valid"]) for line in done.lines] == [(batch.codes[0], True), (batch.codes[1], True)]
    assert (done.lines[1]["gtin"], done.lines[1]["batch"]) == (LONG_GTIN, batch.name)
    assert done.lines[1]["serial"] == batch.manifest["first_serial"] + 2


def test_codes_are_verified_from_standard_input_as_people_type_them(home: Home, batch: Batch) -> None:
    code = batch.codes[5]
    typed = [
        code.lower(),
        code.lower().replace("0", "o").replace("1", "i"),
        code.replace("0", "O").replace("1", "l"),
        f"  {code}  ",
        f"https://T.yima.cn/q/{code}",
        f"https://elsewhere.example/01/{LONG_GTIN}/21/{code}",
    ]
    done = home.run("codes", "verify", text="\r\n".join(typed) + "\r\n")
    assert [line["code"] for line in done.lines] == [code] * len(typed)
    assert done.status == 0


def test_what_is_no_code_of_ours_says_why_and_the_exit_code_is_one(home: Home, batch: Batch) -> None:
    code = batch.codes[5]
    forged = code[:-1] + ("0" if code[-1] != "0" else "1")
    given = [code, forged, "nonsense", "", f"https://T.YIMA.CN/01/06901234567892/21/{code}"]
    done = home.run("codes", "verify", text="\n".join(given) + "\n")
    assert done.status == 1
    assert [line["valid"] for line in done.lines] == [True, False, False, False, False]
    reasons = [line["reason"] or "" for line in done.lines]
    assert reasons[1].startswith("forged")
    assert reasons[2].startswith("malformed")
    assert reasons[3].startswith("malformed")
    assert "another product" in reasons[4]


def test_bytes_that_are_no_text_are_a_malformed_line_and_do_not_end_the_run(home: Home, batch: Batch) -> None:
    for env in ({"LC_ALL": "C.UTF-8"}, {"LC_ALL": "C.UTF-8", "PYTHONIOENCODING": "utf-8:strict"}):
        done = home.run("codes", "verify", text=b"\xff\xfe\n" + batch.codes[5].encode() + b"\n", env=env, fresh=True)
        assert done.status == 1
        assert "Traceback" not in done.stderr
        assert [line["valid"] for line in done.lines] == [False, True]


def test_whoever_reads_only_the_first_lines_gets_no_complaint(home: Home, batch: Batch) -> None:
    command = f"yes {batch.codes[5]} | head -20000 | {YIMA} codes verify | head -1"
    done = subprocess.run(
        ["bash", "-c", command], capture_output=True, env=home.environment(), check=False, timeout=120, text=True
    )
    assert json.loads(done.stdout)["valid"]
    assert "Traceback" not in done.stderr
    assert "Exception" not in done.stderr


def test_after_a_rotation_new_batches_have_a_new_key_and_old_codes_verify(
    home: Home, brand: str, batch: Batch, tmp_path: Path
) -> None:
    rotated = home.ask("codes", "rotate", "--brand", brand)
    assert rotated["key_id"] != batch.manifest["key_id"]
    made = home.ask(*order(brand, tmp_path / "new.txt", 1))
    assert made["key_id"] == rotated["key_id"]
    assert home.run("codes", "verify", batch.codes[0], (tmp_path / "new.txt").read_text().strip()).status == 0


# --- labels -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["pdf", "png"])
def test_printed_labels_are_read_back_by_both_decoders(home: Home, batch: Batch, tmp_path: Path, kind: str) -> None:
    file = tmp_path / f"labels.{kind}"
    done = home.ask("labels", "render", "--batch", batch.name, "--from", 3, "--to", 6, "--format", kind, "--out", file)
    assert (done["labels"], done["file"]) == (4, str(file))
    read = home.run("labels", "readback", file)
    assert read.status == 0, read.stdout
    assert {"text", "code", "valid", "zbar", "zxing", "grade"} <= set(read.lines[0])
    assert sorted(line["text"] for line in read.lines) == sorted(batch.lines[2:6])
    assert all(line["valid"] and line["zbar"] and line["zxing"] for line in read.lines)


@pytest.mark.parametrize(("kind", "start"), [("svg", b"<"), ("zpl", b"^XA")])
def test_labels_in_other_forms_hold_what_they_should(
    home: Home, batch: Batch, tmp_path: Path, kind: str, start: bytes
) -> None:
    file = tmp_path / f"labels.{kind}"
    arguments = ("--from", 3, "--to", 4, "--format", kind, "--mask", "best", "--out", file)
    assert home.ask("labels", "render", "--batch", batch.name, *arguments)["labels"] == 2
    assert file.read_bytes().startswith(start)


def test_labels_of_lines_that_are_not_there_leave_no_file(home: Home, batch: Batch, tmp_path: Path) -> None:
    arguments = ("--batch", batch.name, "--format", "pdf", "--out", tmp_path / "labels.pdf")
    assert batch.name in home.refuse("labels", "render", *arguments, "--from", 9, "--to", 99)
    assert list(tmp_path.iterdir()) == []


def test_pictures_that_cannot_be_read_back_are_named(home: Home, tmp_path: Path) -> None:
    from PIL import Image

    Image.new("L", (200, 200), 255).save(tmp_path / "blank.png")
    (tmp_path / "text.png").write_text("no picture")
    assert "missing.png" in home.refuse("labels", "readback", tmp_path / "missing.png")
    assert "text.png" in home.refuse("labels", "readback", tmp_path / "text.png")
    blank = home.run("labels", "readback", tmp_path / "blank.png")
    assert (blank.status, blank.stdout) == (1, "")
    assert "No symbol" in blank.stderr


# --- members ------------------------------------------------------------------------------------------------


def test_tokens_are_written_one_a_line_for_their_owner_only(home: Home, brand: str, tmp_path: Path) -> None:
    file = tmp_path / "tokens.txt"
    assert home.ask("members", "token", "--brand", brand, "--count", 7, "--out", file)["count"] == 7
    tokens = file.read_text().splitlines()
    assert len(tokens) == len(set(tokens)) == 7
    assert file.stat().st_mode & 0o077 == 0
    assert "0" in home.refuse("members", "token", "--brand", brand, "--count", 0, "--out", tmp_path / "none")
    assert not (tmp_path / "none").exists()


def test_no_members_are_made_where_their_tokens_cannot_be_written(home: Home, brand: str, tmp_path: Path) -> None:
    before = home.ask("ledger", "audit")["figures"]["members"]
    said = home.refuse("members", "token", "--brand", brand, "--count", 7, "--out", tmp_path / "missing" / "tokens.txt")
    assert "missing" in said
    assert home.ask("ledger", "audit")["figures"]["members"] == before


def test_no_members_are_made_up_in_production(home: Home, brand: str, tmp_path: Path) -> None:
    env = {"YIMA_ENV": "production", "YIMA_SECRET_KEYS": (home.path / "secret.key").read_text()}
    said = home.refuse("members", "token", "--brand", brand, "--count", 1, "--out", tmp_path / "tokens.txt", env=env)
    assert "YIMA_ENV=dev" in said
    assert list(tmp_path.iterdir()) == []


# --- draws, ledger ------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def drawn(home: Home, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A draw with twelve entries, the brand's world beside the one of the command line."""
    settings = settings_module.load(home.environment())

    async def play(url: str) -> str:
        async with contextlib.AsyncExitStack() as stack:
            opened = await stack.enter_async_context(runtime.connect(settings, url, pool_size=2, application="test"))
            world = await World.make(opened, tmp_path_factory.mktemp("draw"), stack)
            name = await world.publish_draw(weight_ppb=500_000_000, stock=100)
            for line in world.lines[:12]:
                await world.scan(line)
            return name

    with runtime.database_url(settings) as url:
        migrate.upgrade(url)
        return asyncio.run(play(url))


def test_a_draw_is_listed_closed_proved_and_verified_and_a_tampered_proof_fails(
    home: Home, drawn: str, tmp_path: Path
) -> None:
    [listed] = [row for row in home.ask("draw", "list") if row["draw"] == drawn]
    assert (listed["state"], listed["entries"]) == ("open", 12)
    assert drawn in home.refuse("draw", "proof", "--draw", drawn, "--out", tmp_path / "proof.json")
    assert not (tmp_path / "proof.json").exists()
    closed = home.ask("draw", "close", "--draw", drawn)
    assert closed["state"] == "closed"
    assert home.ask("draw", "close", "--draw", drawn) == closed, "again: changes nothing"
    file = tmp_path / "proof.json"
    home.ask("draw", "proof", "--draw", drawn, "--out", file)
    alone = {"YIMA_ENV": "", "YIMA_HOME": "/nonexistent"}  # a stranger has neither settings nor database
    verified = home.ask("draw", "verify", file, env=alone)
    assert (verified["ok"], verified["entries"], verified["rules_hash"]) == (True, 12, listed["rules_hash"])
    assert verified["seed_commitment"] == listed["seed_commitment"]

    document = json.loads(file.read_text())
    for change in tampered(document):
        file.write_text(json.dumps(change))
        done = home.run("draw", "verify", file, "--json", env=alone)
        assert done.status == 1
        assert json.loads(done.stdout)["ok"] is False
        assert json.loads(done.stdout)["problems"]


def tampered(document: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The proof with another seed, with its last entry left out, and without its rules."""
    seed = document["seed"]
    yield {**document, "seed": ("0" if seed[0] != "0" else "1") + seed[1:]}
    [*others, last] = [shard for shard in document["shards"] if shard["entries"]]
    yield {**document, "shards": [*others, {**last, "entries": last["entries"][:-1]}]}
    yield {key: value for key, value in document.items() if key != "rules"}


@pytest.mark.parametrize(
    "content", [b"", b"no json", b"\xff\xfe\x00", b"[" * 100_000, b"{}", b"[1]", b"null", b"1e999"]
)
def test_a_file_that_is_no_proof_is_refused_with_a_sentence(home: Home, tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "proof.json"
    file.write_bytes(content)
    done = home.run("draw", "verify", file, "--json")
    assert done.status == 1
    assert "Traceback" not in done.stderr
    assert str(file) in done.stderr or json.loads(done.stdout)["problems"]


def test_a_proof_that_is_not_there_is_named(home: Home, tmp_path: Path) -> None:
    assert str(tmp_path / "x") in home.refuse("draw", "verify", tmp_path / "x")
    assert str(tmp_path) in home.refuse("draw", "verify", tmp_path)
    assert "NOPE" in home.refuse("draw", "close", "--draw", "NOPE")


@pytest.mark.usefixtures("drawn")
def test_the_audit_proves_the_ledger_and_finds_a_broken_one(home: Home) -> None:
    found = home.ask("ledger", "audit")
    assert found["ok"]
    assert all(proof["breaches"] == 0 for proof in found["proofs"])
    assert (found["figures"]["claims_posted"], found["figures"]["draw_entries"]) == (12, 12)
    change(home, "UPDATE account SET balance = balance + 1 WHERE balance > 0 AND member_id IS NOT NULL")
    try:
        done = home.run("ledger", "audit", "--json")
        assert done.status == 1
        assert json.loads(done.stdout)["ok"] is False
    finally:
        change(home, "UPDATE account SET balance = balance - 1 WHERE balance > 0 AND member_id IS NOT NULL")
    assert home.run("ledger", "audit").status == 0


def change(home: Home, statement: str) -> None:
    from sqlalchemy import create_engine, text
    from sqlalchemy.engine import make_url

    with socket_url(home) as url:
        engine = create_engine(make_url(url).set(drivername="postgresql+psycopg"))
        with engine.begin() as connection:
            assert connection.execute(text(statement)).rowcount > 0
        engine.dispose()


# --- the installation ---------------------------------------------------------------------------------------


def test_the_doctor_finds_nothing_wrong_with_a_new_home(home: Home) -> None:
    found = home.ask("doctor")
    assert {"settings", "disk", "fsync", "clock", "backlog"} <= {each["name"] for each in found}
    assert all(each["ok"] for each in found)


def test_the_doctor_names_what_is_wrong_and_the_exit_code_is_one(home: Home) -> None:
    env = {
        "YIMA_ENV": "production", "YIMA_SECRET_KEYS": (home.path / "secret.key").read_text(),
        "YIMA_PUBLIC_URL": "http://127.0.0.1:8000",
    }  # fmt: skip
    done = home.run("doctor", "--json", env=env)
    assert done.status == 1
    wrong = {each["name"] for each in json.loads(done.stdout) if not each["ok"]}
    assert wrong == {"public url", "text messages", "e-mail", "wal archive", "worker", "long worker", "beat"}
    away = home.run("doctor", "--json", env={"YIMA_DATABASE_URL": f"postgresql://u@127.0.0.1:{free_port()}/x"})
    assert away.status == 1
    assert [each["name"] for each in json.loads(away.stdout) if not each["ok"]] == ["database"]


@pytest.mark.usefixtures("brand")
def test_migrating_twice_changes_nothing(home: Home) -> None:
    first = home.ask("migrate")
    assert home.ask("migrate") == first == {"before": migrate.head(), "after": migrate.head()}


def test_a_missing_secret_in_production_is_named(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    for command in (["up"], ["brand", "list"]):
        assert "YIMA_SECRET_KEYS" in home.refuse(*command, env={"YIMA_ENV": "production"})
    assert not (tmp_path / "home").exists(), "nothing is made before the settings are right"


@pytest.mark.parametrize("command", [["brand", "list"], ["up"]])
@pytest.mark.parametrize("url", ["nonsense", "mysql://u@127.0.0.1/x"])
def test_a_database_url_that_is_none_is_named_by_its_setting(tmp_path: Path, command: list[str], url: str) -> None:
    said = Home(tmp_path / "home").refuse(*command, env={"YIMA_DATABASE_URL": url})
    assert "YIMA_DATABASE_URL" in said


def test_a_database_that_cannot_be_reached_is_a_sentence_without_its_password(home: Home) -> None:
    env = {"YIMA_DATABASE_URL": f"postgresql://u:geheim@127.0.0.1:{free_port()}/x"}
    for command in (["brand", "list"], ["migrate"]):
        said = home.refuse(*command, env=env)
        assert "cannot be reached" in said
        assert "geheim" not in said


def test_a_wrong_password_of_the_database_is_a_sentence(home: Home) -> None:
    from sqlalchemy.engine import make_url

    with socket_url(home) as url:
        env = {"YIMA_DATABASE_URL": make_url(url).set(password="geheim").render_as_string(hide_password=False)}
        missing = {"YIMA_DATABASE_URL": make_url(url).set(database="nothere").render_as_string(hide_password=False)}
        for command in (["brand", "list"], ["migrate"]):
            assert "geheim" not in home.refuse(*command, env=env)
            assert "nothere" in home.refuse(*command, env=missing)


@pytest.mark.parametrize("url", ["nonsense", "http://[::1", "ftp://x.cn", "https://"])
def test_a_public_url_that_is_none_is_named_by_its_setting(home: Home, brand: str, tmp_path: Path, url: str) -> None:
    said = home.refuse(*order(brand, tmp_path / "codes.txt", 1), env={"YIMA_PUBLIC_URL": url})
    assert "YIMA_PUBLIC_URL" in said
    assert list(tmp_path.iterdir()) == []


def test_several_wrong_settings_are_named_at_once(tmp_path: Path) -> None:
    env = {"YIMA_ENV": "prod", "YIMA_SECRET_KEYS": "short", "YIMA_BIND": "8000", "YIMA_LIMIT_EXEMPT": "10.0.0.1/8,x",
           "YIMA_SMS_URL": "https://sms.example"}  # fmt: skip
    said = Home(tmp_path / "home").refuse("up", env=env)
    for name in ("YIMA_ENV", "YIMA_SECRET_KEYS", "YIMA_BIND", "YIMA_LIMIT_EXEMPT", "YIMA_SMS_SECRET"):
        assert name in said
    assert "short" not in said, "a secret is never shown"


@pytest.mark.parametrize("bind", ["127.0.0.1", ":8000", "127.0.0.1:0", "127.0.0.1:70000", "127.0.0.1:x", "127.0.0.1:²"])
def test_an_address_to_listen_on_that_is_none_is_named(tmp_path: Path, bind: str) -> None:
    with pytest.raises(ConfigurationError, match="YIMA_BIND"):
        settings_module.load({"YIMA_ENV": "dev", "YIMA_HOME": str(tmp_path), "YIMA_BIND": bind})


def test_developments_own_secret_is_made_once_for_its_owner_only(tmp_path: Path) -> None:
    environment = {"YIMA_ENV": "dev", "YIMA_HOME": str(tmp_path)}
    first = settings_module.load(environment)
    assert settings_module.load(environment).secret_keys == first.secret_keys
    assert (tmp_path / "secret.key").stat().st_mode & 0o077 == 0


def test_a_port_in_use_is_named_and_nothing_is_left_running(home: Home) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        for command in ("up", "demo"):
            said = home.refuse(command, "--port", port)
            assert str(port) in said
            assert "--port" in said


def test_the_demo_is_refused_in_production_before_anything_is_made(tmp_path: Path) -> None:
    env = {"YIMA_ENV": "production", "YIMA_SECRET_KEYS": "a-secret-of-sixteen-bytes"}
    said = Home(tmp_path / "home").refuse("demo", "--no-serve", "--port", free_port(), env=env)
    assert "YIMA_ENV=dev" in said
    assert not (tmp_path / "home").exists()


def test_a_rule_is_set_again_as_a_new_version(home: Home, brand: str) -> None:
    first = home.ask("rule", "set", "--brand", brand, "--points", "10")
    again = home.ask("rule", "set", "--brand", brand, "--points", "20")
    assert (again["rule"], again["version"]) == (first["rule"], first["version"] + 1)
    assert "1,000,000" in home.refuse("rule", "set", "--brand", brand, "--points", "1000001")
    assert "no product" in home.refuse("rule", "set", "--brand", brand, "--gtin", "06901234567939", "--points", "1")


def test_a_draw_is_published_from_its_rules_file_and_not_when_it_would_open_before(
    home: Home, brand: str, tmp_path: Path
) -> None:
    rules = {
        "format": "yima-draw-rules-1", "name_zh": "抽奖", "name_en": "Draw", "gtins": [],
        "prizes": [{"id": 1, "name_zh": "壶", "name_en": "Pot", "weight_ppb": 1, "stock": 1, "value_cents": 1}],
        "opens_at": "2090-01-01T00:00:00Z", "closes_at": "2090-02-01T00:00:00Z", "entries_per_person": None,
        "entries_per_person_per_day": None, "when_stock_ends": "nothing", "shards": 1,
    }  # fmt: skip
    file = tmp_path / "rules.json"
    file.write_text(json.dumps(rules))
    made = home.ask("draw", "publish", "--brand", brand, "--rules", str(file))
    assert made["draw"] in {row["draw"] for row in home.ask("draw", "list")}
    file.write_text(json.dumps(rules | {"opens_at": "2020-01-01T00:00:00Z"}))
    assert "opens_at" in home.refuse("draw", "publish", "--brand", brand, "--rules", str(file))
    file.write_text(json.dumps(rules | {"prizes": []}))
    assert "prizes" in home.refuse("draw", "publish", "--brand", brand, "--rules", str(file))
