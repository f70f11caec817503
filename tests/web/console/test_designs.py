"""Layouts, label templates and printed labels through real HTTP, and looked at in a browser."""

from __future__ import annotations

import base64
import html
import io
import re
from typing import Any

import numpy as np
import pytest
from PIL import Image
from playwright.async_api import Browser, expect
from sqlalchemy import text

from codegen import batches, labeljobs, layouts, orders, templates
from codegen.readback import read_picture
from kernel.errors import NotFound
from staff.access import Role
from tests.web.console.conftest import Client, Console
from tests.web.console.eyes import serious_problems
from yima import worker

SCRIPT = "<script>window.hurt=1</script>"

LAYOUT: dict[str, Any] = {
    "version": "0", "delimiter": "semicolon", "quoting": "minimal", "line_end": "crlf", "encoding": "gb18030",
    "extension": ".csv", "note": "三号线", "header": "1",
    "column_kind": ["line", "url", "product", ""], "column_side": ["outer", "outer", "outer", "outer"],
    "column_title": ["行", "网址", "品名", ""], "column_width": ["6", "", "", ""],
    "column_separator": ["space"] * 4, "column_text": ["", "", "", ""],
}  # fmt: skip
TEMPLATE: dict[str, Any] = {
    "version": "0", "note": "瓶盖", "page_mm_x": "40", "page_mm_y": "30", "label_mm_x": "40", "label_mm_y": "30",
    "grid_x": "1", "grid_y": "1", "margin_mm_x": "0", "margin_mm_y": "0", "gap_mm_x": "0", "gap_mm_y": "0",
    "symbol_mm": "16", "letter_mm": "2", "logo_mm": "0", "level": "M", "place": "below", "codes": "one",
    "lines": "{product}\r\n{code_first}\r\n{code_last}  #{line}",
}  # fmt: skip


async def test_a_layout_is_made_shown_changed_and_removed(console: Console):
    client = await console.client(Role.FACTORY)
    answer = await client.post(console.path("/layouts/save"), LAYOUT | {"name": "line-3"})
    assert (answer.status_code, answer.headers["location"]) == (303, console.path("/layouts/line-3"))
    async with console.opened.db.transaction() as tx:
        kept = await layouts.find(tx, console.world.brand.id, "line-3")
    assert (kept.delimiter, kept.encoding, kept.header) == (";", "gb18030", True)
    assert [(column.kind, column.width) for column in kept.columns] == [("line", 6), ("url", 0), ("product", 0)]
    page = (await client.get(console.path("/layouts/line-3"))).text
    assert 'value="三号线"' in page
    assert "line-3" in (await client.get(console.path("/layouts"))).text
    stale = await client.post(console.path("/layouts/save"), LAYOUT | {"name": "line-3"})
    assert stale.status_code == 409
    assert "already" in stale.text
    changed = await client.post(console.path("/layouts/save"), LAYOUT | {"name": "line-3", "version": "1", "note": "x"})
    assert changed.status_code == 303
    assert (await client.post(console.path("/layouts/line-3/remove"))).status_code == 303
    assert (await client.get(console.path("/layouts/line-3"))).status_code == 404


async def test_a_layouts_preview_shows_rows_with_codes_that_nobody_issued(console: Console):
    client = await console.client(Role.WAREHOUSE)
    page = await client.post(console.path("/layouts/preview"), LAYOUT | {"name": "new"})
    assert "script" not in page.headers["content-security-policy"]
    rows = re.search(r"<pre>(.*)</pre>", page.text, re.DOTALL)[1].splitlines()
    assert rows[0] == "行;网址;品名"
    assert len(rows) == 6
    assert rows[1].startswith("000001;HTTPS://YIMA.EXAMPLE/Q/")
    plain = await client.post(console.path("/layouts/preview"), {"name": "plain"})
    assert "HTTPS://YIMA.EXAMPLE/Q/" in plain.text


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"column_kind": ["line"]}, "No column holds the code"),
        ({"column_kind": ["code"] * 60, "column_side": ["outer"] * 60, "column_title": [str(n) for n in range(60)],
          "column_width": [""] * 60, "column_separator": ["space"] * 60, "column_text": [""] * 60},
         "1 to 32 columns, not 60"),
        ({"delimiter": "7"}, "stands in codes"),
        ({"delimiter": '"'}, "delimiter is a quote"),
        ({"encoding": "latin-1"}, "encoding is one of"),
        ({"note": SCRIPT + "x" * 200}, "note is one line"),
    ],
)  # fmt: skip
async def test_layouts_that_are_none_are_refused_with_the_reason(
    console: Console, change: dict[str, Any], sentence: str
):
    client = await console.client(Role.FACTORY)
    for path in ("/layouts/save", "/layouts/preview"):
        answer = await client.post(console.path(path), LAYOUT | {"name": "wrong"} | change)
        assert sentence in html.unescape(answer.text), path
        assert SCRIPT not in answer.text
    chinese = await (await console.client(Role.FACTORY, language="zh")).post(
        console.path("/layouts/save"), LAYOUT | {"name": "wrong"} | change
    )
    assert (chinese.status_code, sentence in html.unescape(chinese.text)) == (400, False)
    assert "有内容需要修改：" in chinese.text
    assert "不可用：" not in chinese.text


async def test_a_template_is_made_shown_previewed_and_removed(console: Console):
    client = await console.client(Role.FACTORY)
    answer = await client.post(console.path("/templates/save"), TEMPLATE | {"name": "cap-40"})
    assert (answer.status_code, answer.headers["location"]) == (303, console.path("/templates/cap-40"))
    async with console.opened.db.transaction() as tx:
        kept = await templates.find(tx, console.world.brand.id, "cap-40")
    assert (kept.page_mm, kept.lines[2], kept.note) == ((40, 30), "{code_last}  #{line}", "瓶盖")
    assert 'value="瓶盖"' in (await client.get(console.path("/templates/cap-40"))).text
    preview = await client.post(console.path("/templates/preview"), TEMPLATE | {"grid_y": "2", "page_mm_y": "60"})
    pictures = re.findall(r'src="data:image/png;base64,([^"]+)"', preview.text)
    assert len(pictures) == 2
    with Image.open(io.BytesIO(base64.b64decode(pictures[0]))) as image:
        (symbol,) = read_picture(np.asarray(image.convert("L")), source="preview")
    assert symbol.text.startswith("HTTP://T.YIMA.CN/Q/")
    assert (await client.post(console.path("/templates/cap-40/remove"))).status_code == 303
    with pytest.raises(NotFound):
        async with console.opened.db.transaction() as tx:
            await templates.find(tx, console.world.brand.id, "cap-40")


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"grid_x": "2"}, "take 80 mm; the page is 40 mm wide"),
        ({"page_mm_x": "nan"}, "page_mm is a number"),
        ({"page_mm_x": "1e9"}, "page_mm is a number"),
        ({"symbol_mm": "-4"}, "symbol_mm is a number"),
        ({"symbol_mm": "7"}, "phones need 0.25 mm"),
        ({"symbol_mm": "29"}, "The label is 40 x 30 mm"),
        ({"logo_mm": "499", "lines": ""}, "symbol_mm|logo"),
        ({"lines": "茶🍵"}, "No installed font has the characters"),
        ({"lines": "\n".join("abcdefghijk")}, "at most 8 texts"),
        ({"lines": "{price}"}, "names 'price'"),
        ({"grid_x": "9" * 30}, "grid is a whole number"),
    ],
)  # fmt: skip
async def test_templates_that_do_not_fit_are_refused_with_the_numbers(
    console: Console, change: dict[str, Any], sentence: str
):
    client = await console.client(Role.FACTORY)
    if "logo_mm" in change:  # without a logo its room is not taken
        assert (await client.post(console.path("/templates/preview"), TEMPLATE | change)).status_code == 200
        return
    for path in ("/templates/save", "/templates/preview"):
        answer = await client.post(console.path(path), TEMPLATE | {"name": "wrong"} | change)
        assert sentence in html.unescape(answer.text), path


async def print_labels(console: Console, client: Client, batch: str, **given: str) -> str:
    """Order labels and be the worker that prints them; the address of the file."""
    chosen = {"template": "roll-40x30", "format": "pdf", "mask": "fixed", "dpi": "203", "first": "3", "last": "5"}
    answer = await client.post(console.path(f"/batches/{batch}/labels"), chosen | given)
    assert answer.status_code == 303, answer.text
    async with console.opened.db.transaction() as tx:
        found = await batches.get(tx, batch)
        [job, *_] = await labeljobs.list_of(tx, found, limit=5)
    assert job.state == "queued"
    assert await worker.run_here(console.opened, job.id) == "done"
    return console.path(f"/batches/{batch}/labels/{job.id}/download")


@pytest.mark.parametrize("kind", ["pdf", "png", "zpl"])
async def test_labels_are_ordered_printed_and_handed_out_on_record(console: Console, kind: str):
    client = await console.client(Role.FACTORY)
    batch = console.world.batch
    path = await print_labels(console, client, batch, format=kind)
    page = (await client.get(console.path(f"/batches/{batch}"))).text
    assert path in page
    answer = await client.post(path)
    assert answer.status_code == 200
    name = re.search(r'filename="([^"]+)"', answer.headers["content-disposition"])[1]
    assert name.endswith(".zip" if kind == "png" else f".{kind}")
    assert answer.content[:2] == {"pdf": b"%P", "png": b"PK", "zpl": b"^X"}[kind]
    async with console.opened.db.transaction() as tx:
        row = await tx.execute(text("SELECT lines, file FROM package_download ORDER BY id DESC LIMIT 1"))
        assert tuple(row.one()) == (3, name)
        trail = await tx.execute(text("SELECT action FROM audit_trail ORDER BY id DESC LIMIT 2"))
        assert set(trail.scalars()) == {"labels.print", "labels.download"}
    assert name in (await client.get(console.path(f"/batches/{batch}"))).text


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"first": "9", "last": "3"}, "not within batch"),
        ({"last": "1000000"}, "not within batch"),
        ({"template": "roll-pair-60x40"}, "one code a unit"),
        ({"format": "docx"}, "format is one of"),
        ({"lot": "批号"}, "A lot has at most 20 ASCII"),
        ({"dpi": "250"}, "203, 300, 600 dots"),
    ],
)
async def test_labels_that_cannot_be_printed_are_refused_at_once(
    console: Console, given: dict[str, str], sentence: str
):
    client = await console.client(Role.FACTORY)
    chosen = {"template": "a4-80", "format": "pdf", "mask": "fixed", "dpi": "300"}
    answer = await client.post(console.path(f"/batches/{console.world.batch}/labels"), chosen | given)
    assert answer.status_code == 400
    assert sentence in answer.text


async def test_another_batchs_labels_and_those_of_the_command_line_are_not_handed_out(console: Console):
    client = await console.client(Role.FACTORY)
    path = await print_labels(console, client, console.world.batch)
    other, _ = await console.world.issue(5)
    assert (await client.post(path.replace(console.world.batch, other))).status_code == 404
    async with console.opened.db.transaction() as tx:
        await tx.execute(
            text("""UPDATE task SET args = args || '{"out": "/etc/passwd"}' WHERE kind = 'render_labels'""")
        )
    assert (await client.post(path)).status_code == 404


@pytest.mark.browser
@pytest.mark.parametrize(
    "viewport", [{"width": 390, "height": 844}, {"width": 1440, "height": 900}], ids=["phone", "desk"]
)
async def test_the_pages_can_be_used_on_a_phone_and_a_desk(
    console: Console, chromium: Browser, viewport: Any, tmp_path: Any
):
    context = await console.browser(chromium, Role.FACTORY, viewport=viewport)
    page = await context.new_page()
    hurt: list[str] = []
    page.on("pageerror", lambda error: hurt.append(str(error)))
    for path in ("/templates", "/layouts", f"/batches/{console.world.batch}/labels", f"/batches/{console.world.batch}"):
        await page.goto(console.path(path))
        await page.screenshot(path=str(tmp_path / f"{path.replace('/', '_')}.png"), full_page=True)
        assert await serious_problems(page) == [], path
        assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth"), path
    await page.goto(console.path("/templates/new?from=a4-21"))
    picture = page.frame_locator("[data-preview-frame]").locator("img").first
    await expect(picture).to_be_visible()
    await page.fill("#symbol_mm", "60")
    await expect(page.frame_locator("[data-preview-frame]").locator(".bad")).to_contain_text("63.5 x 38.1 mm")
    await page.fill("#symbol_mm", "22")
    await expect(picture).to_be_visible()
    await page.screenshot(path=str(tmp_path / "template.png"), full_page=True)
    assert await serious_problems(page) == []
    await page.goto(console.path("/layouts/new?from=spreadsheet"))
    rows = page.frame_locator("[data-preview-frame]").locator("pre")
    await expect(rows).to_contain_text("LINE,URL")
    await page.select_option("#delimiter", "tab")
    await expect(rows).to_contain_text("LINE\tURL")
    await page.screenshot(path=str(tmp_path / "layout.png"), full_page=True)
    assert await serious_problems(page) == []
    assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert hurt == []


async def test_labels_of_a_cancelled_order_are_neither_printed_nor_handed_out(console: Console):
    client = await console.client(Role.FACTORY)
    batch, _ = await console.world.issue(5)
    path = await print_labels(console, client, batch, first="1", last="2")
    async with console.opened.db.transaction() as tx:
        await orders.cancel(tx, await batches.get(tx, batch), reason="wrong product", actor="test")
    assert (await client.post(path)).status_code == 409
    chosen = {"template": "a4-80", "format": "pdf", "mask": "fixed", "dpi": "300"}
    answer = await client.post(console.path(f"/batches/{batch}/labels"), chosen)
    assert (answer.status_code, "cancelled" in answer.text) == (409, True)
