"""Bodies as no client of ours sends them: other fields, numbers, types and encodings, and far too much."""

from __future__ import annotations

import gzip
import json
import re
import zlib
from typing import Any
from uuid import uuid4

import httpx
import pytest

from kernel.crypto import BlindIndex
from staff import people, sessions
from staff.access import Role
from tests.attacks.conftest import SCANS, Fort, page, problem, symbols

JSON = {"Content-Type": "application/json"}
FORM = {"Content-Type": "application/x-www-form-urlencoded", "Sec-Fetch-Site": "same-origin"}
LINE = "/api/v1/line"


async def send(fort: Fort, content: bytes, path: str = SCANS, **headers: str) -> httpx.Response:
    return await fort.client.post(path, content=content, headers={**JSON, **fort.bearer(), **headers})


def body_of(fort: Fort, **more: Any) -> dict[str, Any]:
    return {"scan_id": str(uuid4()), "code": fort.line(), **more}


# --- fields -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("points", 1_000_000),
        ("status", "awarded"),
        ("brand_id", 1),
        ("member", 7),
        ("outcome", "awarded"),
        ("prizes", []),
        ("scanned_at", "2099-01-01T00:00:00Z"),
        ("at", "2099-01-01T00:00:00Z"),
        ("__proto__", {}),
        ("", 1),
        ("Code", "x"),
        ("scan_id ", "x"),
        ("\u202edi_nacs", 1),
        ("x" * 2_000, 1),
        ("a\0b", 1),
    ],
)
async def test_a_field_that_a_scan_does_not_have_is_refused_by_its_name(fort: Fort, field: str, value: Any) -> None:
    async with fort.untouched():
        answer = await send(fort, json.dumps(body_of(fort, **{field: value})).encode())
        document = problem(answer, 400)
        assert len(document["detail"]) < 600
        if field.isidentifier() and len(field) < 40:
            assert field in document["detail"], document


async def test_so_is_one_within_the_place_and_in_every_other_request(fort: Fort) -> None:
    token = {"Authorization": "Bearer yst_" + "0" * 43}
    requests: list[tuple[str, dict[str, Any], str]] = [
        (SCANS, body_of(fort, location={"lat": 30, "lng": 120, "points": 5}), "points"),
        ("/api/v1/sign-in/codes", {"brand": "tea", "phone": fort.phone(), "member_id": 1}, "member_id"),
        ("/api/v1/sign-in", {"brand": "tea", "phone": fort.phone(), "code": "123456", "role": "owner"}, "role"),
        (f"{LINE}/sessions", {"batch": "B", "brand_id": 1}, "brand_id"),
        (f"{LINE}/runs", {"batch": "B", "printer": "P", "issued": 9}, "issued"),
        (f"{LINE}/states", {"state": "void", "brand": "wine"}, "brand"),
        (f"{LINE}/cartons", {"sscc": "0", "codes": [], "units": 5}, "units"),
    ]
    async with fort.untouched():
        for path, body, named in requests:
            answer = await fort.client.post(path, json=body, headers=token if path.startswith(LINE) else {})
            problem(answer, 400, named)


# --- numbers ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "number",
    [
        "-91",
        "91",
        "1e400",
        "-1e400",
        "1e308",
        "NaN",
        "Infinity",
        "-Infinity",
        "9223372036854775808",
        "1" * 400,
        "0x1e",
        "٣٠",
        "1_0",
        "+30",
        "030",
        ".5",
        "5.",
        '"30"',
        "true",
        "null",
        "[30]",
        "{}",
        "30,5",
        "--30",
        "1e",
        "1e+",
    ],
)
@pytest.mark.parametrize("field", ["lat", "lng", "accuracy_m"])
async def test_a_number_that_is_none_is_refused_and_named_with_its_place(fort: Fort, field: str, number: str) -> None:
    values = {"lat": "30", "lng": "120", "accuracy_m": "10", "datum": '"wgs84"', field: number}
    place = ", ".join(f'"{name}": {value}' for name, value in values.items())
    line = fort.line()
    content = f'{{"scan_id": "{uuid4()}", "code": "{line}", "location": {{{place}}}}}'.encode()
    if (field, number) in {("lng", "-91"), ("lng", "91"), ("accuracy_m", "91"), ("accuracy_m", "null")}:
        assert (await send(fort, content)).status_code == 200, "fits this field, or says that it is not known"
        return
    async with fort.untouched():
        document = problem(await send(fort, content), 400)
        if number in ("-91", "91", '"30"', "true", "[30]", "{}", "null", "1e308", "9223372036854775808"):
            assert field in document["detail"], document


@pytest.mark.parametrize(
    "number", [-1, 0, 2**31, 2**63 - 1, 2**63, 2**64, 10**30, 1.5, True, "1", None, [1], -(2**63) - 1]
)
async def test_numbers_of_the_line_have_limits_and_are_named(fort: Fort, number: Any) -> None:
    async with fort.world.opened.db.transaction() as tx:
        from codegen import stations

        _, token = await stations.make(
            tx, brand_id=fort.world.brand.id, name=f"Cam {uuid4().hex[:8]}", may_switch=True, actor="test"
        )
    fort.keep_out(token)
    headers = {"Authorization": f"Bearer {token}"}
    batch, lines = await fort.world.issue(3)
    run = (
        await fort.client.post(
            f"{LINE}/runs", json={"batch": batch, "printer": "P", "lines": [[1, 3]]}, headers=headers
        )
    ).json()["run"]
    session = (await fort.client.post(f"{LINE}/sessions", json={"batch": batch}, headers=headers)).json()["session"]
    counted = {**headers, "Idempotency-Key": uuid4().hex}
    requests = [
        (f"{LINE}/sessions/{session}/captures", {"sequence": number, "codes": lines}, headers),
        (f"{LINE}/runs/{run}/entries", {"kind": "waste", "count": number}, counted),
        (f"{LINE}/runs/{run}/entries", {"kind": "waste", "count": 1, "part": number}, counted),
        (f"{LINE}/runs/{run}/entries", {"kind": "waste", "lines": [[number, 2]]}, headers),
        (f"{LINE}/runs", {"batch": batch, "printer": "P", "lines": [[1, number]]}, headers),
        (f"{LINE}/states", {"state": "void", "batch": batch, "first": number, "last": number, "reason": "x"}, headers),
    ]
    for path, body, bearing in requests:
        good = path.endswith(("states", "entries")) and number is None
        if good:
            continue
        async with fort.untouched():
            answer = await fort.client.post(path, json=body, headers=bearing)
            assert answer.status_code in (400, 404, 409), (path, body, answer.text)
            problem(answer, answer.status_code)


# --- JSON that is none, or too clever --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "content",
    [
        b"[" * 50_000,
        b'{"a":' * 10_000,
        b'{"scan_id": ' + b"[" * 30_000 + b"]" * 30_000 + b"}",
        b'{"location": ' * 3_000 + b"1" + b"}" * 3_000,
        b'{"code": "' + b"\\u0000" * 5_000 + b'"}',
        b"\xef\xbb\xbf{}",
        b"\xff\xfe{\x00}\x00",
        b"{'scan_id': 1}",
        b"{scan_id: 1}",
        b"{,}",
        b"{} // x",
        b'{"code": "\xed\xa0\x80"}',
        b'{"code": "\xc0\xaf"}',
        b'{"code": "\xff"}',
        b'{"code": "\x01"}',
        b'{"code": "\\x41"}',
        b'{"code": "\\ud800"}',
        b"\x00" * 100,
        b"%PDF-1.7",
        b"<?xml version='1.0'?><!DOCTYPE a [<!ENTITY b SYSTEM 'file:///etc/passwd'>]><a>&b;</a>",
        b"null",
        b"1",
        b'""',
    ],
)
async def test_a_body_that_is_no_scan_is_a_problem_that_says_so(fort: Fort, content: bytes) -> None:
    async with fort.untouched():
        for path in (SCANS, "/api/v1/sign-in/codes", "/api/v1/sign-in"):
            document = problem(await send(fort, content, path), 400)
            assert "/etc" not in document["detail"]


async def test_of_a_key_that_comes_twice_the_last_one_counts_and_one_scan_is_made(fort: Fort) -> None:
    first, last = fort.line(), fort.line()
    content = f'{{"scan_id": "{uuid4()}", "code": "{first}", "code": "{last}"}}'.encode()
    assert (await send(fort, content)).json()["outcome"] == "awarded"
    assert (await fort.scan(last)).json()["scan_count"] == 2
    assert (await fort.scan(first)).json()["scan_count"] == 1, "the first code was not scanned"


async def test_a_byte_order_mark_does_not_get_past_the_reader(fort: Fort) -> None:
    async with fort.untouched():
        problem(await send(fort, b"\xef\xbb\xbf" + json.dumps(body_of(fort)).encode()), 400)
        problem(await send(fort, json.dumps(body_of(fort)).encode("utf-16")), 400)
        problem(await send(fort, json.dumps(body_of(fort)).encode("utf-32")), 400)


# --- types and encodings --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "kind",
    [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/xml",
        "text/json",
        "application/msgpack",
        "application/json; charset=utf-16",
        "application/json; charset=gb18030",
        "image/png",
        "a",
        ";",
        "*/*",
    ],
)
async def test_what_is_not_said_to_be_json_is_not_read_as_such(fort: Fort, kind: str) -> None:
    async with fort.untouched():
        for path in (
            SCANS,
            "/api/v1/sign-in",
            "/api/v1/sign-in/codes",
            "/api/v1/sign-in/wechat",
            f"{LINE}/sessions",
            f"{LINE}/runs",
            f"{LINE}/states",
            f"{LINE}/cartons",
        ):
            answer = await send(fort, json.dumps(body_of(fort)).encode(), path, **{"Content-Type": kind})
            problem(answer, 415, "Content-Type")


@pytest.mark.parametrize(
    "kind", ["application/json", "application/json; charset=utf-8", "Application/JSON;charset=UTF-8"]
)
async def test_json_under_any_of_its_names_is_read(fort: Fort, kind: str) -> None:
    answer = await send(fort, json.dumps(body_of(fort)).encode(), **{"Content-Type": kind})
    assert answer.json()["outcome"] == "awarded"


@pytest.mark.parametrize(
    "encoding", ["gzip", "deflate", "br", "zstd", "x-gzip", "gzip, gzip", "GZIP", "chunked", "compress"]
)
async def test_a_compressed_body_is_refused_before_it_is_expanded(fort: Fort, encoding: str) -> None:
    bomb = gzip.compress(gzip.compress(b"\0" * 50_000_000))
    async with fort.untouched():
        for content in (bomb, gzip.compress(json.dumps(body_of(fort)).encode()), zlib.compress(b"{}")):
            problem(await send(fort, content, **{"Content-Encoding": encoding}), 415, "Content-Encoding")
        for path in ("/code", "/scan", "/sign-in", "/sign-in/code", "/console/sign-in"):
            answer = await fort.client.post(path, content=bomb, headers={**FORM, "Content-Encoding": encoding})
            page(answer, 415)


async def test_ten_thousand_parts_are_refused_everywhere(fort: Fort) -> None:
    part = b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\nb\r\n'
    content = part * 10_000 + b"--x--\r\n"
    kind = {"Content-Type": "multipart/form-data; boundary=x", "Sec-Fetch-Site": "same-origin"}
    async with fort.untouched():
        for path in (SCANS, f"{LINE}/states"):
            problem(await send(fort, content[:60_000], path, **kind), 415)
        for path in ("/scan", "/code", "/sign-in"):
            page(await fort.client.post(path, content=content, headers=kind), (400, 413))
            page(await fort.client.post(path, content=content[:10_000], headers=kind), 400)


async def test_ten_thousand_parts_are_refused_in_the_consoles_uploads_too(fort: Fort) -> None:
    csrf, cookies = await signed_in(fort)
    part = b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\nb\r\n'
    files = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.png"\r\n\r\nb\r\n'
    kind = {
        "Content-Type": "multipart/form-data; boundary=x",
        "Sec-Fetch-Site": "same-origin",
        "X-CSRF": csrf,
        **cookies,
    }
    async with fort.untouched():
        for path in ("/readback", "/imports", "/imports/new", "/brand/logo", "/brand/draft", "/brand"):
            for content in (
                part * 10_000 + b"--x--\r\n",
                files * 10_000 + b"--x--\r\n",
                part[:-10],
                b"",
                b"--x" * 5_000,
            ):
                answer = await fort.client.post(f"/console/b/tea{path}", content=content, headers=kind)
                assert 400 <= answer.status_code < 500, (path, answer.status_code)


async def test_forms_with_too_many_fields_or_other_types_are_refused_with_a_page(fort: Fort) -> None:
    async with fort.untouched():
        for path in ("/code", "/scan", "/sign-in", "/sign-in/code"):
            page(await fort.client.post(path, content=b"a=1&" * 3_000, headers=FORM), 400)
            page(await fort.client.post(path, content=b"{}", headers={**FORM, **JSON}), (400, 415))
            page(await fort.client.post(path, content=b"x" * 20_000, headers=FORM), 413)
            page(await fort.client.post(path, content=b"\xff\xfe=%ff&%00=%00", headers=FORM), (400, 200))


@pytest.mark.parametrize("field", ["points", "status", "brand_id", "member"])
async def test_further_fields_of_the_pages_form_give_nothing(fort: Fort, field: str) -> None:
    line = fort.line()
    seen = await fort.client.get(f"/Q/{symbols(line)}")
    assert "scan_id" in seen.text or "code" in seen.text
    form = {"scan_id": str(uuid4()), "code": symbols(line), field: "1000000"}
    answer = await fort.client.post(
        "/scan", data=form, headers={"Sec-Fetch-Site": "same-origin", "Accept-Language": "en"}
    )
    page(answer, 200)
    async with fort.world.opened.db.transaction() as tx:
        from sqlalchemy import text

        assert (await tx.execute(text("SELECT count(*) FROM entry WHERE amount > 1000"))).scalar_one() == 0


@pytest.mark.parametrize("number", ["NaN", "inf", "1e400", "-91", "9" * 300, "٣٠", "0x10", "1e8"])
async def test_numbers_of_the_pages_form_are_judged_as_the_apis(fort: Fort, number: str) -> None:
    form = {
        "scan_id": str(uuid4()),
        "code": symbols(fort.line()),
        "lat": number,
        "lng": "120",
        "accuracy_m": "5",
        "source": "gps",
    }
    async with fort.untouched():
        answer = await fort.client.post(
            "/scan", data=form, headers={"Sec-Fetch-Site": "same-origin", "Accept-Language": "en"}
        )
        assert re.search(r"\blat\b", page(answer, 400))


async def signed_in(fort: Fort) -> tuple[str, dict[str, str]]:
    """An owner's session: its mark for forms, and its cookie."""
    from web.console import visit

    opened = fort.world.opened
    async with opened.db.transaction() as tx:
        assert isinstance(opened.index, BlindIndex)
        person = await people.create(
            tx,
            opened.vault,
            opened.index,
            email=f"{uuid4().hex}@example.com",
            name="P",
            password=uuid4().hex,
            actor="test",
        )
        await people.grant(tx, staff_id=person.id, brand_id=fort.world.brand.id, role=Role.OWNER, actor="test")
    async with opened.db.transaction() as tx:
        token = await sessions.open_session(tx, staff_id=person.id, agent="test")
        found = await sessions.find(tx, opened.vault, token)
    assert found is not None
    fort.keep_out(token)
    return found.csrf, {"Cookie": f"{visit.SESSION}={token}"}
