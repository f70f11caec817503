"""Read-back through real HTTP: photos in, verdicts out, nothing kept, no code to whoever may have none."""

from __future__ import annotations

import asyncio
import base64
import csv
import html
import io
import json
import re
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image
from playwright.async_api import Browser, expect

from codegen import batches, confined, ranges
from kernel.errors import Unavailable
from staff.access import Role
from tests.labels import photo
from tests.web.console.conftest import Client, Console
from tests.web.console.eyes import serious_problems
from web.console import readback
from web.turns import Turns

FOREIGN = "HTTPS://EVIL.EXAMPLE/?A=<SCRIPT>ALERT(1)</SCRIPT>"


async def send(console: Console, client: Client, *files: tuple[str, bytes], csrf: str | None = None) -> httpx.Response:
    return await client.http.post(
        console.path("/readback"), data={"csrf": client.csrf if csrf is None else csrf},
        files=[("files", (name, content)) for name, content in files],
    )  # fmt: skip


def report(page: str) -> list[dict[str, Any]]:
    (packed,) = re.findall(r'href="data:application/json;base64,([^"]+)"', page)
    found: list[dict[str, Any]] = json.loads(base64.b64decode(html.unescape(packed)))["symbols"]
    return found


async def test_labels_are_read_verified_and_graded(console: Console):
    client = await console.client(Role.OWNER)
    lines = console.world.lines
    answer = await send(
        console, client, ("one.png", photo(lines[10:12])), ("two.jpg", photo(lines[12:13], kind="JPEG"))
    )
    assert answer.status_code == 200
    rows = report(answer.text)
    assert [(row["kind"], row["batch"], row["line"], row["state"]) for row in rows] == [
        ("good", console.world.batch, number, "activated") for number in (11, 12, 13)
    ]
    assert [row["code"] for row in rows] == [line[-20:] for line in lines[10:13]]
    assert [row["grade"] for row in rows] == ["A"] * 3
    assert [row["file"] for row in rows] == ["one.png", "one.png", "two.jpg"]
    assert answer.text.count('<polygon class="box good"') == 3
    assert f'href="{console.path("/batches/" + console.world.batch)}"' in answer.text
    assert "no certified grade" in answer.text
    (packed,) = re.findall(r'href="data:text/csv;base64,([^"]+)"', answer.text)
    table = list(csv.DictReader(io.StringIO(base64.b64decode(html.unescape(packed)).decode("utf-8-sig"))))
    assert [row["line"] for row in table] == ["11", "12", "13"]
    assert table[0]["symbol_contrast_grade"] == "A"


async def test_each_verdict_is_told(console: Console):
    client = await console.client(Role.OWNER)
    lines = console.world.lines
    async with console.opened.db.transaction() as tx:
        batch = await batches.get(tx, console.world.batch)
        await ranges.set_state(tx, batch, state="void", first=40, last=40, reason="torn", actor="test")
    forged = lines[0][:-1] + ("0" if lines[0][-1] != "0" else "1")
    elsewhere = lines[3].replace("T.YIMA.CN", "OTHER.CN")
    texts = [lines[1], lines[1], forged, lines[39], elsewhere, FOREIGN, "JUST WORDS"]
    answer = await send(console, client, ("mix.png", photo(texts)))
    rows = report(answer.text)
    assert [row["kind"] for row in rows] == [
        "good", "duplicate", "forged", "stopped", "wrong_host", "foreign", "foreign",
    ]  # fmt: skip
    assert rows[4]["printed_host"] == "t.yima.cn"
    assert rows[5]["text"] == FOREIGN


async def test_somebody_elses_address_is_shown_as_text_and_never_as_a_link(console: Console):
    client = await console.client(Role.OWNER)
    answer = await send(console, client, ("mix.png", photo([FOREIGN])))
    assert FOREIGN not in answer.text
    assert html.escape(FOREIGN) in answer.text
    assert not re.search(r'(href|src)="[^"]*EVIL', answer.text, re.IGNORECASE)


async def test_whoever_may_not_switch_codes_sees_none(console: Console):
    client = await console.client(Role.ANALYST)
    lines = console.world.lines
    hidden = f"https://x.cn/?c={lines[6][-20:].lower()}"
    answer = await send(console, client, ("a.png", photo([lines[5], hidden])))
    assert answer.status_code == 200
    (row, foreign) = report(answer.text)
    assert (row["batch"], row["line"]) == (console.world.batch, 6)
    assert row["code"] == f"{lines[5][-20:-16]}{'•' * 12}{lines[5][-4:]}"
    assert lines[5][-20:] not in answer.text
    assert lines[6][-20:].lower() not in json.dumps(foreign)
    assert "only their ends are shown" in answer.text
    factory = await console.client(Role.FACTORY)
    assert lines[5][-20:] in (await send(console, factory, ("a.png", photo([lines[5]])))).text


async def test_another_brands_code_is_told_as_such_and_nothing_of_it(console: Console):
    staff = await console.client(Role.OWNER, brand=console.other)
    answer = await staff.http.post(
        console.path("/readback", brand=console.other.slug), data={"csrf": staff.csrf},
        files=[("files", ("a.png", photo([console.world.lines[7]])))],
    )  # fmt: skip
    (row,) = report(answer.text)
    assert (row["kind"], row["batch"], row["line"], row["state"]) == ("other_brand", "", None, "")
    assert console.world.batch not in answer.text
    assert console.world.lines[7][-20:] not in answer.text


async def test_a_file_that_cannot_be_read_is_named_and_the_others_are_read(console: Console):
    for language, words in (("en", "text.png is a text file"), ("zh", "text.png：不是可读取的图片或 PDF。")):
        client = await console.client(Role.OWNER, language=language)
        answer = await send(
            console, client, ("text.png", b"no picture"), ("<b>.gif", photo(console.world.lines[:1])), ("zero", b"")
        )
        assert answer.status_code == 200
        assert words in answer.text
        assert "zero" in answer.text
        assert "<b>" not in re.sub(r"<p><b>|<summary><b>|<dd><b>|<span><b>", "", answer.text)
        assert len(report(answer.text)) == 1


async def test_limits_of_an_upload_are_taken_at_their_edge(console: Console, monkeypatch: pytest.MonkeyPatch):
    client = await console.client(Role.OWNER)
    small = photo(console.world.lines[:1])
    monkeypatch.setattr(readback, "FILES_MAX", 2)
    assert (await send(console, client, *[("a.png", small)] * 2)).status_code == 200
    answer = await send(console, client, *[("a.png", small)] * 3)
    assert (answer.status_code, "At most 2 files" in answer.text) == (400, True)
    monkeypatch.setattr(readback, "FILE_BYTES_MAX", len(small))
    assert (await send(console, client, ("a.png", small))).status_code == 200
    answer = await send(console, client, ("a.png", small + b"x"))
    assert (answer.status_code, "a.png has more than" in answer.text) == (400, True)
    answer = await send(console, client, ("", b""))
    assert (answer.status_code, "Choose a file first" in answer.text) == (400, True)


async def test_symbols_beyond_the_limit_are_left_out_and_counted(console: Console, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(readback, "SYMBOLS_MAX", 2)
    client = await console.client(Role.OWNER)
    answer = await send(console, client, ("a.png", photo(console.world.lines[:2])))
    assert "left out" not in answer.text
    answer = await send(console, client, ("a.png", photo(console.world.lines[:3])))
    assert len(report(answer.text)) == 2
    assert "1 more symbols are left out" in answer.text


async def test_a_body_beyond_the_limit_is_refused(console: Console):
    client = await console.client(Role.OWNER)
    answer = await send(console, client, *[(f"{n}.png", bytes(readback.BODY_BYTES_MAX // 3)) for n in range(4)])
    assert answer.status_code == 413


async def test_an_upload_of_another_page_is_refused(console: Console):
    client = await console.client(Role.OWNER)
    assert (await send(console, client, ("a.png", b"x"), csrf="0" * 32)).status_code == 403
    assert (await client.post(console.path("/readback"))).status_code == 403, "no upload at all"


async def test_a_picture_without_symbols_says_what_to_do(console: Console):
    client = await console.client(Role.OWNER)
    out = io.BytesIO()
    Image.new("L", (200, 200), 255).save(out, "PNG")
    answer = await send(console, client, ("blank.png", out.getvalue()))
    assert "No symbol was found" in answer.text


async def test_a_decoder_that_breaks_does_not_take_the_server_along(console: Console, monkeypatch: pytest.MonkeyPatch):
    client = await console.client(Role.OWNER)
    with monkeypatch.context() as patched:
        patched.setattr(
            confined, "_PROGRAM",
            "import os, socket; socket.socket(fileno=0).send(b'{\"ready\": true}\\n'); os.abort()",
        )  # fmt: skip
        answer = await send(console, client, ("a.png", photo(console.world.lines[:1])))
    assert answer.status_code == 200
    assert "breaks what reads it" in answer.text
    assert (await client.get("/console/account")).status_code == 200


async def test_nothing_is_left_on_the_disk(console: Console, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    client = await console.client(Role.OWNER)
    content = photo(console.world.lines[:20])
    assert (await send(console, client, ("a.png", content + bytes(2_000_000)))).status_code == 200
    assert list(tmp_path.iterdir()) == []


async def test_reading_goes_in_turns_and_who_comes_too_late_is_told():
    turns = Turns(at_once=1, waiting_max=1)
    order: list[str] = []
    go = asyncio.Event()

    async def work(name: str) -> None:
        async with turns.turn():
            order.append(name)
            await go.wait()

    first, second = asyncio.create_task(work("first")), asyncio.create_task(work("second"))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert order == ["first"]
    with pytest.raises(Unavailable, match="try again"):
        await work("third")
    go.set()
    await asyncio.gather(first, second)
    await work("fourth")
    assert order == ["first", "second", "fourth"]


async def test_a_busy_reader_answers_503(console: Console, monkeypatch: pytest.MonkeyPatch):
    client = await console.client(Role.OWNER, language="zh")
    monkeypatch.setattr(Turns, "turn", lambda _self: _busy())
    answer = await send(console, client, ("a.png", photo(console.world.lines[:1])))
    assert (answer.status_code, "正在读取其他人的照片" in answer.text) == (503, True)


def _busy() -> Any:
    raise Unavailable("busy")


@pytest.mark.browser
@pytest.mark.parametrize(("width", "height", "scheme"), [(390, 844, "light"), (1440, 900, "dark")])
async def test_a_browser_sends_photos_and_gets_pictures_with_boxes(
    console: Console, chromium: Browser, tmp_path: Path, width: int, height: int, scheme: str
):
    lines = console.world.lines
    (tmp_path / "labels.png").write_bytes(photo([*lines[20:22], lines[20], FOREIGN]))
    (tmp_path / "notes.txt").write_text("no picture")
    context = await console.browser(
        chromium, Role.OWNER, viewport={"width": width, "height": height}, color_scheme=scheme, locale="en-GB"
    )
    page = await context.new_page()
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    await page.goto(console.path("/readback"))
    await page.set_input_files("#files", [tmp_path / "labels.png", tmp_path / "notes.txt"])
    await page.get_by_role("button", name="Read", exact=True).click()
    await expect(page.get_by_role("heading", name="Result")).to_be_visible(timeout=30_000)
    await expect(page.locator("polygon.box")).to_have_count(4)
    await expect(page.locator("polygon.box.bad")).to_have_count(1)
    await expect(page.get_by_text("notes.txt is a text file")).to_be_visible()
    async with page.expect_download() as waiting:
        await page.get_by_role("link", name="Report (CSV)").click()
    download = await waiting.value
    assert download.suggested_filename == "readback.csv"
    assert b"duplicate" in Path(await download.path()).read_bytes()
    await page.locator("tbody summary").first.click()
    assert await serious_problems(page) == []
    assert await page.evaluate("document.documentElement.scrollWidth") <= width
    assert problems == []
