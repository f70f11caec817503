"""Every form and upload that there is, of the pages and of the console, is sent what no browser sends."""

from __future__ import annotations

import gzip
import re

import httpx
import pytest

from tests.attacks.conftest import Fort
from tests.attacks.test_bodies import signed_in
from yima import asgi
from yima.metrics import Figures

URLENCODED = "application/x-www-form-urlencoded"
PART = b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\nb\r\n'
FILE = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.png"\r\nContent-Type: image/png\r\n\r\nb\r\n'

BODIES: dict[str, tuple[str, bytes]] = {
    "nothing": (URLENCODED, b""),
    "no type": ("", b"a=b"),
    "JSON": ("application/json", b'{"a": 1}'),
    "plain text": ("text/plain", b"a=b"),
    "no UTF-8": (URLENCODED, b"a=%ff%fe&\xff=\xfe"),
    "NUL and CRLF": (URLENCODED, b"a=%00&%00=b&c=%0d%0aSet-Cookie:%20x=y&brand=%00&code=%00&id=%00&name=%00&next=%00"),
    "huge numbers": (
        URLENCODED,
        b"id=99999999999999999999&version=1e400&lat=NaN&lng=inf&number=-1&count=9223372036854775808",
    ),
    "right to left": (URLENCODED, "name=\u202egnp.exe&code=\u202e0".encode()),
    "many fields": (URLENCODED, b"a=1&" * 3_000),
    "a long field": (URLENCODED, b"a=" + b"x" * 60_000),
    "cut in the middle": ("multipart/form-data; boundary=x", FILE[:-12]),
    "no boundary": ("multipart/form-data", FILE),
    "another boundary": ("multipart/form-data; boundary=y", FILE + b"--x--\r\n"),
    "ten thousand parts": ("multipart/form-data; boundary=x", PART * 10_000 + b"--x--\r\n"),
    "ten thousand files": ("multipart/form-data; boundary=x", FILE * 10_000 + b"--x--\r\n"),
    "a part with a long head": (
        "multipart/form-data; boundary=x",
        b"--x\r\n" + b"X: " + b"y" * 100_000 + b"\r\n\r\nb\r\n--x--\r\n",
    ),
    "a file that is none": ("multipart/form-data; boundary=x", FILE + b"--x--\r\n"),
    "a boundary of 10,000": (f"multipart/form-data; boundary={'x' * 10_000}", FILE),
}


@pytest.fixture(scope="module")
def posts(fort: Fort) -> list[str]:
    """The addresses that take a POST and are none of the API's, their gaps filled."""
    settings = fort.world.opened.settings
    application = asgi.make_litestar(settings, settings.database_url or "", Figures())
    found = {
        re.sub(r"\{(\w+)(?::\w+)?\}", lambda gap: "tea" if gap[1] in ("brand", "slug") else "17", route.path)
        for route in application.routes
        if "POST" in getattr(route, "methods", ()) and not route.path.startswith("/api/")
    }
    assert len(found) > 40
    return sorted(found)


async def send(fort: Fort, path: str, kind: str, content: bytes, headers: dict[str, str]) -> httpx.Response:
    more = {"Content-Type": kind} if kind else {}
    return await fort.client.post(path, content=content, headers={"Sec-Fetch-Site": "same-origin", **more, **headers})


def judge(answer: httpx.Response, at: str) -> None:
    """Refused, or led to another page of ours, or shown again; never a defect, never without its guard."""
    assert answer.status_code < 500, (at, answer.status_code, answer.text[:300])
    assert answer.headers["x-content-type-options"] == "nosniff", at
    assert answer.headers["referrer-policy"] == "no-referrer", at
    if answer.is_redirect:
        assert re.match(r"/(?!/)", answer.headers["location"]), (at, answer.headers["location"])
    assert "x=y" not in str(answer.headers), at


@pytest.mark.parametrize("name", BODIES)
async def test_nobodys_form_is_read_as_it_should_not_be(fort: Fort, posts: list[str], name: str) -> None:
    kind, content = BODIES[name]
    async with fort.untouched():
        for path in (each for each in posts if not each.startswith("/console/b/") or name == "nothing"):
            judge(await send(fort, path, kind, content, {}), f"{path}: {name}")


@pytest.mark.parametrize("name", BODIES)
async def test_nor_is_an_owners_in_the_console(fort: Fort, posts: list[str], name: str) -> None:
    csrf, cookies = await signed_in(fort)
    kind, content = BODIES[name]
    if kind == URLENCODED:
        content = b"csrf=" + csrf.encode() + b"&" + content
    mark = {"X-CSRF": csrf, **cookies}
    for path in posts:
        if path.startswith("/console/b/"):
            judge(await send(fort, path, kind, content, mark), f"{path}: {name}")


async def test_no_form_is_read_that_is_compressed(fort: Fort, posts: list[str]) -> None:
    csrf, cookies = await signed_in(fort)
    bomb = gzip.compress(b"a=" + b"\0" * 20_000_000)
    for path in posts:
        answer = await send(fort, path, URLENCODED, bomb, {"Content-Encoding": "gzip", "X-CSRF": csrf, **cookies})
        judge(answer, path)
        assert answer.status_code >= 400 or answer.is_redirect, (path, answer.status_code)


async def test_no_form_is_taken_from_another_site(fort: Fort, posts: list[str]) -> None:
    csrf, cookies = await signed_in(fort)
    async with fort.untouched():
        for path in posts:
            headers = {"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example", **cookies}
            answer = await send(fort, path, URLENCODED, b"csrf=" + csrf.encode() + b"&a=b", headers)
            judge(answer, path)
            assert answer.status_code in (400, 403, 404, 413, 415), (path, answer.status_code)
