"""Codes as nobody prints them: the API, the page of a code and the GS1 resolver are each sent all of them."""

from __future__ import annotations

import itertools
import re
from urllib.parse import quote

import httpx
import pytest

from tests.attacks.conftest import SCANS, Fort, page, symbols
from tests.world import GTIN, OTHER_GTIN

RIGHT_TO_LEFT = "\u202e"

NO_CODES = {
    "empty": "",
    "blank": "   \t ",
    "truncated": "TRUNCATED",
    "one short": "SHORT",
    "one long": "LONG",
    "flipped": "FLIPPED",
    "swapped": "SWAPPED",
    "no letter of ours": "U" * 20,
    "NUL within": "NUL",
    "NUL at the end": "NUL-END",
    "line break": "CRLF",
    "a header of its own": "HEADER",
    "right to left": "RTL",
    "encoded twice": "TWICE",
    "a lone surrogate's bytes": "\ufffd" * 20,
    "emoji": "🍵" * 20,
    "SQL": "' OR 1=1; DROP TABLE unit; --",
    "markup": "<script>alert(1)</script>",
    "a template": "{{7*7}}${7*7}%s%n",
    "a path": "../../../../etc/passwd",
    "another scheme": "javascript:alert(1)//" + "0" * 20,
    "somebody else's host": "https://tea@evil.example/Q/" + "0" * 20,
    "huge": "0" * 20_000,
    "huge address": "https://t.yima.cn/Q/" + "0" * 20_000,
}


def deform(kind: str, code: str) -> str:
    """A code of ours, spoilt in this way."""
    twice = "".join(f"%25{ord(each):02X}" for each in code)
    return {
        "TRUNCATED": code[:9],
        "SHORT": code[:-1],
        "LONG": code + "0",
        "FLIPPED": code[:-1] + ("1" if code[-1] == "0" else "0"),
        "SWAPPED": next(code[:n] + code[n + 1] + code[n] + code[n + 2 :] for n in range(19) if code[n] != code[n + 1]),
        "NUL": code[:10] + "\0" + code[10:],
        "NUL-END": code + "\0",
        "CRLF": code[:10] + "\r\n" + code[10:-1] + "\r\nX",
        "HEADER": code + "\r\nSet-Cookie: yima_session=stolen",
        "RTL": RIGHT_TO_LEFT + code[::-1],
        "TWICE": twice,
    }.get(NO_CODES[kind], NO_CODES[kind])


@pytest.mark.parametrize("kind", NO_CODES)
async def test_what_is_no_code_is_answered_as_none_and_leaves_nothing(fort: Fort, kind: str) -> None:
    spoilt = deform(kind, symbols(fort.line()))
    fort.keep_out(spoilt[:200])
    async with fort.untouched():
        reply = (await fort.scan(spoilt, headers=fort.bearer())).json()
    assert reply["outcome"] in ("malformed", "forged"), reply
    assert (reply["unit"], reply["points"], reply["prizes"], reply["balance"]) == (None, 0, [], None)
    assert reply["message"]


SHORT_KINDS = [kind for kind in NO_CODES if not kind.startswith("huge")]


@pytest.mark.parametrize("form", ["https://t.yima.cn/Q/{}", "HTTPS://T.YIMA.CN/01/" + GTIN + "/21/{}", "/Q/{}"])
async def test_nor_is_it_one_within_an_address(fort: Fort, form: str) -> None:
    async with fort.untouched():
        for kind in SHORT_KINDS:
            spoilt = form.format(deform(kind, symbols(fort.line())))
            reply = (await fort.scan(spoilt, headers=fort.bearer())).json()
            assert reply["outcome"] in ("malformed", "forged"), (kind, reply)


@pytest.mark.parametrize("path", ["/Q/{}", "/q/{}", f"/01/{GTIN}/21/{{}}", f"/01/{GTIN}/10/LOT/21/{{}}", "/F/{}"])
async def test_its_page_is_kind_and_leaves_nothing(fort: Fort, path: str) -> None:
    async with fort.untouched():
        for kind in SHORT_KINDS:
            spoilt = deform(kind, symbols(fort.line()))
            encoded = spoilt if kind == "encoded twice" else quote(spoilt, safe="")
            answer = await fort.client.get(path.format(encoded), follow_redirects=False)
            assert "yima_session" not in str(answer.headers), kind
            if answer.is_redirect:
                assert answer.headers["location"].startswith("/"), (kind, "it leads nowhere else")
                continue
            text = page(answer, (200, 400, 404))
            assert "<script>alert" not in text, kind


async def test_long_addresses_that_still_fit_are_no_pages_of_ours(fort: Fort) -> None:
    for path in (f"/Q/{'0' * 8_000}", f"/01/{GTIN}/21/{'0' * 8_000}"):
        page(await fort.client.get(path), (200, 400, 404))


@pytest.mark.parametrize(
    "query",
    [
        "?lang=en&lang=zh", "?lang=en&lang=&lang[]=fr", "?lang=%00&lang=en", "?" + "a=1&" * 400,
        "?linkType=all&linkType=gs1:pip", "?%ff=%fe", "?=&&==&",
    ],
)  # fmt: skip
async def test_query_parameters_that_come_twice_or_make_no_sense_change_nothing(fort: Fort, query: str) -> None:
    line = fort.line()
    async with fort.untouched():
        for path in (f"/Q/{symbols(line)}", f"/01/{GTIN}/21/{symbols(line)}"):
            answer = await fort.client.get(path + query, follow_redirects=False)
            assert answer.status_code in (200, 300, 307, 400, 404), answer.status_code
    assert (await fort.scan(line)).json()["scan_count"] == 1


async def test_the_gtin_of_another_product_makes_a_code_a_forgery_everywhere(fort: Fort) -> None:
    line = fort.line()
    async with fort.untouched():
        page(await fort.client.get(f"/01/{OTHER_GTIN}/21/{symbols(line)}"), 404)
    reply = (await fort.scan(f"https://t.yima.cn/01/{OTHER_GTIN}/21/{symbols(line)}", headers=fort.bearer())).json()
    assert (reply["outcome"], reply["points"]) == ("forged", 0)
    assert (await fort.scan(line, headers=fort.bearer())).json()["outcome"] == "awarded", "the buyer loses nothing"


async def test_every_single_flip_of_a_symbol_is_a_forgery(fort: Fort) -> None:
    code = symbols(fort.line())
    flips = [
        code[:n] + symbol + code[n + 1 :] for n, symbol in itertools.product(range(20), "05Z") if code[n] != symbol
    ]
    async with fort.untouched():
        outcomes = {(await fort.scan(flip)).json()["outcome"] for flip in flips}
    assert outcomes == {"forged"}


async def test_unknown_and_forged_are_told_the_same_byte_for_byte(fort: Fort) -> None:
    code = symbols(fort.line())
    answers = set()
    for flip in (code[:-1] + ("1" if code[-1] != "1" else "2"), "ZZ" + code[2:], "0" * 20):
        response = await fort.scan(flip, scan_id="00000000-0000-4000-8000-000000000000")
        answers.add((response.status_code, response.content))
    assert len(answers) == 1


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize(
    "headers", [{}, {"Purpose": "prefetch"}, {"Sec-Purpose": "prefetch;prerender"}, {"X-Moz": "prefetch"}]
)
async def test_who_only_fetches_the_address_takes_nothing(fort: Fort, method: str, headers: dict[str, str]) -> None:
    line = fort.line()
    bearer = fort.bearer()
    async with fort.untouched():
        for path in (f"/Q/{symbols(line)}", f"/01/{GTIN}/21/{symbols(line)}"):
            cookies = {"Cookie": f"yima_session={bearer['Authorization'].split()[1]}"}
            answer = await fort.client.request(method, path, headers={**headers, **cookies})
            assert answer.status_code == 200
            assert (method == "HEAD") is (answer.content == b"")
    reply = (await fort.scan(line, headers=bearer)).json()
    assert (reply["outcome"], reply["scan_count"]) == ("awarded", 1)


async def test_a_typed_code_leads_to_a_page_of_this_host_only(fort: Fort) -> None:
    for typed in (
        "//evil.example/x",
        "https://evil.example/Q/0",
        "\\\\evil.example",
        "/\t/evil.example",
        "a\r\nLocation: //x",
    ):
        answer = await fort.client.post("/code", data={"code": typed}, headers={"Sec-Fetch-Site": "same-origin"})
        assert answer.status_code in (200, 303), answer.status_code
        assert re.match(r"/(Q|01|F)/", answer.headers.get("location", "/Q/")), answer.headers
        assert "\n" not in answer.headers.get("location", "")


async def test_a_code_in_the_wrong_place_does_not_get_into_the_log(fort: Fort) -> None:
    line = fort.line()
    code = symbols(line)
    for path in (
        f"/{code}",
        f"/api/v1/{code}",
        f"{SCANS}/{code}",
        f"/console/{code}",
        f"/static/{code}",
        f"/Q/{code}/{code}",
    ):
        answer: httpx.Response = await fort.client.get(path, headers={"User-Agent": code, "X-Request-ID": code})
        assert answer.status_code in (303, 404), path
