"""Imports through real HTTP: uploaded in a stream, judged by a worker, confirmed by a person."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from playwright.async_api import Browser, expect

from codegen import imports, rowfiles, spool
from codegen.scheme import CodeKey, Sealer
from staff.access import Role
from tests.web.console.conftest import Client, Console
from tests.web.console.eyes import serious_problems
from tests.world import GTIN
from traceability.scans import Outcome
from web import older
from web.turns import Turns
from yima import importing, worker

_numbers = iter(range(10**12, 2 * 10**12, 1_000))


def drug(number: int) -> str:
    return f"8{number:019}"


def fields(client: Client, **given: str) -> dict[str, str]:
    return {"csrf": client.csrf, "gtin": GTIN, "template": "{code}", "alphabet": "digits", "length": "20",
            "column": "1", "delimiter": "comma", "encoding": "auto"} | given  # fmt: skip


async def upload(console: Console, client: Client, content: bytes, *, name: str = "codes.csv", **given: str) -> Any:
    return await client.http.post(
        console.path("/imports/new"), data=fields(client, **given), files={"file": (name, content, "text/csv")}
    )


async def judged(console: Console, client: Client, content: bytes, **given: str) -> str:
    """Upload a file and be the worker that judges it; the import's name."""
    answer = await upload(console, client, content, **given)
    assert answer.status_code == 303, answer.text
    name = str(answer.headers["location"].rsplit("/", 1)[1])
    await work(console, name)
    return name


async def work(console: Console, name: str) -> None:
    async with console.opened.db.transaction() as tx:
        found = await imports.get(tx, name)
    assert found.task_id is not None
    assert await worker.run_here(console.opened, found.task_id) == "done"


def spooled(console: Console) -> list[str]:
    root = importing.folder(console.opened.settings)
    return sorted(each.name for each in root.iterdir()) if root.exists() else []


async def test_an_upload_goes_live_only_once_confirmed(console: Console) -> None:
    client = await console.client(Role.FACTORY)
    first = next(_numbers)
    content = "\n".join([*(drug(first + n) for n in range(5)), drug(first), "=1+1"]).encode()
    answer = await upload(console, client, content, name=r"C:\Users\me\旧码.csv")
    name = answer.headers["location"].rsplit("/", 1)[1]
    page = (await client.get(console.path(f"/imports/{name}"))).text
    assert 'hx-trigger="every 2s"' in page
    assert "旧码.csv" in page
    assert "Users" not in page
    await work(console, name)
    page = (await client.get(console.path(f"/imports/{name}"))).text
    assert "hx-trigger" not in page
    assert "5 rows can go live" in page
    assert "Repeats line 1" in page
    assert "1+1" not in page
    assert drug(first) not in page
    report = await client.get(console.path(f"/imports/{name}/report"))
    assert report.text == "line,flaw,first_line\r\n6,duplicate,1\r\n7,formula,\r\n"
    assert report.headers["content-disposition"] == f'attachment; filename="{name}-report.csv"'
    await console.world.service.keys.refresh()
    assert (await console.world.scan(drug(first))).outcome is Outcome.FORGED
    answer = await client.post(console.path(f"/imports/{name}/confirm"))
    assert answer.status_code == 303
    assert (await client.post(console.path(f"/imports/{name}/confirm"))).status_code == 409
    await work(console, name)
    page = (await client.get(console.path(f"/imports/{name}"))).text
    assert f"Live as batch {name}" in page
    page = (await client.get(console.path(f"/batches/{name}"))).text
    assert "Others made these codes" in page
    assert f"/batches/{name}/packages" not in page
    assert name not in spooled(console)
    await console.world.service.keys.refresh()
    assert (await console.world.scan(drug(first))).outcome is Outcome.INACTIVE


async def test_a_cancelled_import_is_gone_from_the_disk(console: Console) -> None:
    client = await console.client(Role.OWNER)
    name = await judged(console, client, drug(next(_numbers)).encode())
    assert name in spooled(console)
    assert (await client.post(console.path(f"/imports/{name}/cancel"))).status_code == 303
    assert name not in spooled(console)
    assert (await client.post(console.path(f"/imports/{name}/cancel"))).status_code == 409
    assert "Cancelled" in (await client.get(console.path("/imports"))).text


@pytest.mark.parametrize(
    ("content", "given", "beside"),
    [
        (b"", {}, "empty"),
        (b"\x1f\x8b\x08\x00", {}, "gzip"),
        (b"PK\x03\x04xl/workbook.xml", {}, "Excel workbook"),
        (b"8", {"length": "two"}, "The length is"),
        (b"8", {"length": "65"}, "The length is"),
        (b"8", {"template": "no code"}, "A pattern"),
        (b"8", {"alphabet": "(a+)+"}, "The alphabet"),
        (b"8", {"column": "0"}, "Columns are numbered"),
        (b"8", {"gtin": "123"}, ""),
    ],
)
async def test_a_wrong_request_is_told_and_leaves_nothing(
    console: Console, content: bytes, given: dict[str, str], beside: str
) -> None:
    client = await console.client(Role.FACTORY)
    before = spooled(console)
    answer = await upload(console, client, content, **given)
    assert answer.status_code in {400, 404}
    assert beside in answer.text
    assert spooled(console) == before


async def test_an_upload_without_a_file_or_the_sessions_mark_is_refused(console: Console) -> None:
    client = await console.client(Role.FACTORY)
    before = spooled(console)
    path = console.path("/imports/new")
    answer = await client.http.post(path, files={name: (None, value) for name, value in fields(client).items()})
    assert answer.status_code == 400
    assert "Choose a file" in answer.text
    answer = await upload(console, client, b"8", csrf="0" * 32)
    assert answer.status_code == 403
    body = b'--x\r\nContent-Disposition: form-data; name="csrf"\r\n\r\n' + client.csrf.encode() + b"\r\n--x\r\n"
    answer = await client.http.post(path, content=body, headers={"Content-Type": "multipart/form-data; boundary=x"})
    assert answer.status_code == 400
    assert spooled(console) == before


async def test_a_file_over_the_limit_is_refused_and_leaves_nothing(
    console: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = await console.client(Role.FACTORY)
    before = spooled(console)
    monkeypatch.setattr(rowfiles, "FILE_BYTES_MAX", 3 << 20)
    exactly = (drug(1).encode() + b"\n") * ((3 << 20) // 21) + b"\n" * ((3 << 20) % 21)
    assert len(exactly) == 3 << 20
    assert (await upload(console, client, exactly + b"\n")).status_code == 400
    assert spooled(console) == before
    answer = await upload(console, client, exactly)
    assert answer.status_code == 303


async def test_an_upload_of_two_files_is_refused_and_leaves_nothing(console: Console) -> None:
    client = await console.client(Role.FACTORY)
    before = spooled(console)
    files = [("file", (f"{n}.csv", drug(next(_numbers)).encode(), "text/csv")) for n in range(2)]
    answer = await client.http.post(console.path("/imports/new"), data=fields(client), files=files)
    assert answer.status_code == 400
    assert "An upload holds one file" in answer.text
    assert spooled(console) == before


async def test_a_brand_with_too_many_imports_is_told_before_its_file_is_kept(
    console: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = await console.client(Role.FACTORY)
    monkeypatch.setattr(imports, "PENDING_MAX", 0)
    monkeypatch.setattr(spool.Spooling, "write", None)
    answer = await upload(console, client, drug(next(_numbers)).encode())
    assert answer.status_code == 409
    assert "imports wait already" in answer.text


async def test_no_more_uploads_at_once_than_a_process_takes(console: Console, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Turns, "turn", Turns(at_once=0, waiting_max=0).turn)
    client = await console.client(Role.FACTORY)
    before = spooled(console)
    answer = await upload(console, client, drug(next(_numbers)).encode())
    assert answer.status_code == 503
    assert "try again in a moment" in answer.text
    assert spooled(console) == before


async def test_a_nearly_full_disk_is_not_filled(console: Console, monkeypatch: pytest.MonkeyPatch) -> None:
    client = await console.client(Role.FACTORY)
    before = spooled(console)
    monkeypatch.setattr(spool, "SPARE_BYTES_MIN", 1 << 60)
    answer = await upload(console, client, drug(next(_numbers)).encode())
    assert answer.status_code == 400
    assert "the disk is nearly full" in answer.text
    client.http.headers["Accept-Language"] = "zh"
    assert "磁盘将满" in (await upload(console, client, drug(next(_numbers)).encode())).text
    assert spooled(console) == before


def test_every_first_segment_of_a_route_of_ours_stays_ours() -> None:
    own = older.first_segments(["/console/b/{brand:str}", "/8004/{giai:str}", "/{compressed:str}", "/"])
    assert own == {"console", "8004", "", "metrics", "favicon.ico", "robots.txt"}


@pytest.mark.parametrize(
    ("path", "host", "taken"),
    [
        *((path, "old.example", False) for path in ("/console/b/tea", "/CONSOLE/x", "/api/v1/x", "/8004/x", "/health")),
        *((path, "old.example", False) for path in ("/", "//x", "/metrics", "/F/x")),
        *((path, "old.example:8443", True) for path in ("/t", "/%2e%2e/console", "/q/AbCdEf12", "/scan?c=AbCdEf12")),
        *((path, "printed.example", False) for path in ("/q/AbCdEf12", "/scan", "/code/AbCdEf12")),
        ("/t", "printed.example", True),
        ("/t", "other.example", False),
        ("/t", "old.example.evil.example", False),
        ("/t", "", False),
    ],
)
async def test_a_pattern_takes_addresses_of_its_host_and_no_path_of_ours(path: str, host: str, taken: bool) -> None:
    seen: list[str] = []

    async def application(scope: Any, *_: Any) -> None:
        seen.append(scope["path"])

    own = older.first_segments(["/console", "/api/v1/scans", "/8004/{giai:str}", "/health", "/Q/{code:str}", "/code",
                                "/scan", "/F/{packed:str}"])  # fmt: skip
    hosts = frozenset({"old.example", "printed.example"})
    stands = older.Readdress(application, lambda: hosts, lambda _: True, own=own, printed_host="printed.example")
    plain, _, query = path.partition("?")
    scope: Any = {"type": "http", "method": "GET", "path": plain, "raw_path": plain.encode(),
                  "query_string": query.encode(), "headers": [(b"host", host.encode())]}  # fmt: skip
    await stands(scope, None, None)  # type: ignore[arg-type]
    address = older.path_of(f"https://{host.partition(':')[0]}{path}")
    assert seen == [address if taken else plain]
    await stands(scope | {"method": "POST"}, None, None)  # type: ignore[arg-type]
    assert seen[1] == plain


async def test_an_older_address_that_begins_as_ours_leads_to_its_page_too(console: Console) -> None:
    client = await console.client(Role.FACTORY)
    content = b"https://older.example/q/AbCdEf12\n"
    name = await judged(
        console, client, content, template="https://older.example/q/{code}", alphabet="base62", length="8-20"
    )
    await client.post(console.path(f"/imports/{name}/confirm"))
    await work(console, name)
    await console.world.activate(name)
    visitor = await console.visitor()
    there = {"Host": "older.example", "Accept-Language": "en"}
    async with asyncio.timeout(30):  # the server looks each second for what went live
        while "<dd>Cloud Tea</dd>" not in (page := await visitor.get("/q/AbCdEf12", headers=there)).text:
            await asyncio.sleep(0.2)
    assert page.status_code == 200
    signed = console.world.lines[-1].rsplit("/", 1)[1]  # what we signed is verified under that address all the same
    assert "<dd>Cloud Tea</dd>" in (await visitor.get(f"/q/{signed}", headers=there)).text


async def test_an_older_platforms_address_leads_to_its_page_here(console: Console) -> None:
    client = await console.client(Role.FACTORY)
    content = b"https://old.example/t?c=AbCdEf12\nAbCdEf13\n"
    name = await judged(
        console, client, content, template="https://old.example/t?c={code}", alphabet="base62", length="8"
    )
    await client.post(console.path(f"/imports/{name}/confirm"))
    await work(console, name)
    await console.world.activate(name)
    visitor = await console.visitor()
    old = {"Host": "old.example"}
    async with asyncio.timeout(30):  # the server looks each second for what went live
        while (page := await visitor.get("/t?c=AbCdEf12", headers=old)).status_code == 404:
            await asyncio.sleep(0.2)
    assert "<dd>Cloud Tea</dd>" in page.text
    assert "https://old.example/t?c=AbCdEf12" in page.text
    packed = older.path_of("https://old.example/t?c=AbCdEf12")
    assert f"{packed}?lang=zh" in page.text
    # under our own name too, and from the field on the first page
    assert (await visitor.get(packed)).status_code == 200
    token = re.search(r'name="form_token" value="([0-9a-f]{32})"', page.text)
    assert token is not None
    found = await visitor.post("/code", data={"code": "https://old.example/t?c=AbCdEf12", "form_token": token[1]})
    assert (found.status_code, found.headers["location"]) == (303, packed)
    unknown = await visitor.get("/t?c=AbCdEf99", headers=old)
    assert (unknown.status_code, "We did not issue" in unknown.text or "did not issue" in unknown.text) == (200, True)
    for path in ("/t?c=short", "/u?c=AbCdEf12", "/F/%00", "/F/" + "A" * 3_000, "/F/_w"):
        assert (await visitor.get(path, headers=old)).status_code == 404, path
    assert (await visitor.get("/t?c=AbCdEf12")).status_code == 404
    # what is ours stays ours on that host
    assert "Look up the code" in (await visitor.get("/", headers=old)).text
    assert (await visitor.get("/health", headers=old)).text == "ok"


async def test_who_tries_many_forged_codes_is_told_kindly_to_wait(console: Console) -> None:
    visitor = await console.visitor()
    forger = Sealer(CodeKey(5, b"x" * 32))
    for serial in range(200):
        page = await visitor.get(f"/Q/{forger.seal(serial)}", headers={"Accept-Language": "en"})
        if page.status_code != 200:
            break
    assert page.status_code == 429
    assert int(page.headers["retry-after"]) >= 1
    assert "Many codes were tried from here" in page.text
    page = await visitor.get(f"/Q/{forger.seal(0)}", headers={"Accept-Language": "zh"})
    assert "请歇一会儿" in page.text
    assert "请稍等一会儿" in page.text
    assert "Many codes" not in page.text
    answer = await visitor.post(
        "/api/v1/scans",
        json={"scan_id": str(uuid4()), "code": forger.seal(0), "device_id": visitor.cookies["yima_device"]},
    )
    assert answer.status_code == 429
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["code"] == "too_many_codes"
    assert int(answer.headers["retry-after"]) == answer.json()["retry_after_s"]
    good = console.world.lines[-1].rsplit("/", 1)[1]
    assert (await visitor.get(f"/Q/{good}")).status_code == 200


async def test_people_who_may_only_look_see_no_buttons(console: Console) -> None:
    name = await judged(console, await console.client(Role.FACTORY), drug(next(_numbers)).encode())
    client = await console.client(Role.ANALYST)
    page: httpx.Response = await client.get(console.path(f"/imports/{name}"))
    assert page.status_code == 200
    assert "/confirm" not in page.text
    assert "/imports/new" not in (await client.get(console.path("/imports"))).text
    assert (await client.get(console.path("/imports/new"))).status_code == 403


@pytest.mark.parametrize("width", [390, 1440])
async def test_the_pages_can_be_used_on_a_phone_and_by_keyboard(
    console: Console, chromium: Browser, width: int, tmp_path: Path
) -> None:
    client = await console.client(Role.FACTORY)
    first = next(_numbers)
    rows = "\n".join([drug(first), drug(first), "8.1E+19", "12345", drug(first + 1)])
    name = await judged(console, client, rows.encode())
    context = await console.browser(chromium, Role.FACTORY, viewport={"width": width, "height": 844})
    page = await context.new_page()
    for path in (f"/imports/{name}", "/imports", "/imports/new"):
        await page.goto(console.path(path))
        assert await serious_problems(page) == []
        assert await page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    file = tmp_path / "more.csv"
    file.write_text("\n".join(drug(first + 10 + n) for n in range(3)))
    await page.get_by_label("Length").fill("20")
    await page.get_by_label("File", exact=True).set_input_files(file)
    await page.get_by_role("button", name="Upload").press("Enter")
    await expect(page.locator("#import")).to_be_visible(timeout=30_000)
    await page.goto(console.path("/imports/new"))
    await page.get_by_label("Length").fill("99")
    await page.get_by_label("File", exact=True).set_input_files(file)
    await page.get_by_role("button", name="Upload").click()
    await expect(page.locator("#length-error")).to_contain_text("6 to 64", timeout=30_000)
