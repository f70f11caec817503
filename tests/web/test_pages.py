"""The pages as a browser without JavaScript gets them: routes, forms, cookies, headers, words."""

import dataclasses
import re
from html import unescape
from urllib.parse import quote

import httpx
import pytest
import structlog
from litestar import Litestar
from litestar.testing import TestClient

from insights.figures import Figures
from kernel.errors import Conflict, NotAuthenticated, Unavailable
from tests.web.shop import (
    CLAIMED,
    FIRST,
    FORGED,
    INACTIVE,
    LOSING,
    NASTY,
    ONE_TIME_CODE,
    OUTER,
    PHONE,
    SCRIPT,
    SEEN,
    VOIDED,
    FakePorts,
    Site,
)  # fmt: skip
from traceability.regions import Regions
from web import pages

PAGES = ["/", f"/Q/{FIRST}", "/me", "/draws/spring", "/draws/winter", "/story", "/nothing-here"]
POSTS = ["/appeal", "/code", "/scan", "/sign-in/code", "/sign-in", "/sign-out", "/sign-in/wechat"]
FORM = re.compile(r'<form[^>]*action="([^"]*)"[^>]*>(.*?)</form>', re.DOTALL)
FIELD = re.compile(r'<input[^>]*name="([^"]*)"[^>]*>')
VALUE = re.compile(r'value="([^"]*)"')


def form_of(page: httpx.Response, action: str) -> dict[str, str]:
    """The fields of the page's form for an action, as a browser would send them."""
    inner = next(inner for found, inner in FORM.findall(page.text) if found == action)
    return {
        field[1]: unescape(value[1]) if (value := VALUE.search(field[0])) else "" for field in FIELD.finditer(inner)
    }


def submit(client: httpx.Client, page: httpx.Response, action: str, **typed: str) -> httpx.Response:
    return client.post(action, data=form_of(page, action) | typed)


def sign_in(client: httpx.Client, code: str) -> httpx.Response:
    """From the code's page through phone and one-time code to the page that comes after."""
    asked = submit(client, client.get(f"/Q/{code}"), "/sign-in/code", phone=PHONE)
    return submit(client, asked, "/sign-in", one_time_code=ONE_TIME_CODE)


# The code and its page


def test_landing_page_says_who_issued_the_code_and_that_it_was_never_scanned(site: Site):
    with site.client() as client:
        page = client.get(f"/Q/{FIRST}")
    assert page.status_code == 200
    for words in ("锦江酒业", "锦江特曲 52度 500毫升", "首次扫描", "7Q0Z AB12 CD34 EF56 GH78", "登录并领取奖励"):
        assert words in page.text
    assert site.ports.scans == []


def test_landing_page_of_a_scanned_code_tells_day_and_province(site: Site):
    with site.client() as client:
        page = client.get(f"/Q/{SEEN}")
    assert "2 次，首次2026年5月3日，广东省" in page.text


@pytest.mark.parametrize("path", [f"/q/{FIRST.lower()}", f"/Q/{FIRST}/"])
def test_paths_are_matched_whatever_the_case(site: Site, path: str):
    with site.client() as client:
        assert "首次扫描" in client.get(path).text


def test_gs1_digital_link_hands_the_gtin_to_the_judge(site: Site):
    with site.client() as client:
        page = client.get(f"/01/06901234567892/21/{FIRST}")
        wrong = client.get(f"/01/00000000000000/21/{FIRST}")
    assert "首次扫描" in page.text
    assert site.ports.looks[0][0] == f"https://{site.url.removeprefix('http://')}/01/06901234567892/21/{FIRST}"
    assert "不是我们签发的码" in wrong.text
    assert "data-scan" not in wrong.text


def test_mistyped_code_is_kept_in_the_field_to_be_mended(site: Site):
    with site.client() as client:
        assert form_of(client.get(f"/Q/{FORGED}"), "/code")["code"] == "7Q6Z AB12 CD34 EF56 GH78"


@pytest.mark.parametrize("code", [FORGED, VOIDED, "ABC"])
def test_codes_that_earn_nothing_offer_no_scan_and_no_sign_in(site: Site, code: str):
    with site.client() as client:
        page = client.get(f"/Q/{code}")
    assert 'action="/scan"' not in page.text
    assert 'action="/sign-in/code"' not in page.text


@pytest.mark.parametrize("code", [CLAIMED, OUTER])
def test_codes_without_a_reward_are_scanned_without_sign_in(site: Site, code: str):
    with site.client() as client:
        page = client.get(f"/Q/{code}")
        assert 'action="/sign-in/code"' not in page.text
        assert submit(client, page, "/scan").status_code == 200
    assert [scan.member for scan in site.ports.scans] == [None]


def test_malformed_code_is_kept_in_the_field_to_be_mended(site: Site):
    with site.client() as client:
        page = client.get("/Q/7Q0Z%20AB1%22")
    assert form_of(page, "/code")["code"] == '7Q0Z AB1"'


@pytest.mark.parametrize(
    ("typed", "path"),
    [
        ("7q0z ab12 cd34 ef56 gh78", "/Q/7q0zab12cd34ef56gh78"),
        ("7Q0Z-AB12-CD34-EF56-GH78", "/Q/7Q0Z-AB12-CD34-EF56-GH78"),
        (f"HTTPS://Y.CN/Q/{FIRST}?x=1", f"/Q/{FIRST}"),
        (f"y.cn/q/{FIRST}", f"/Q/{FIRST}"),
        (f"https://evil.example/01/06901234567892/21/{FIRST}/", f"/01/06901234567892/21/{FIRST}"),
        ("//evil.example", "/Q/evil.example"),
        ("https://evil.example\r\nSet-Cookie: x=1", "/Q/evil.example%0D%0ASet-Cookie%3A%20x%3D1"),
        ("码", "/Q/%E7%A0%81"),
    ],
)
def test_typed_code_leads_to_its_page_on_this_host(site: Site, typed: str, path: str):
    with site.client() as client:
        answer = submit(client, client.get("/"), "/code", code=typed)
    assert (answer.status_code, answer.headers["location"]) == (303, path)


def test_empty_code_is_asked_for_again(site: Site):
    with site.client() as client:
        answer = submit(client, client.get("/"), "/code", code="  ")
    assert answer.status_code == 400
    assert "请先输入码" in answer.text


@pytest.mark.parametrize("path", [*PAGES, f"/01/06901234567892/21/{FIRST}"])
def test_head_answers_like_get_without_a_body(site: Site, path: str):
    with site.client() as client:
        head = client.head(path)
        assert head.status_code == client.get(path).status_code
    assert head.content == b""
    assert site.ports.scans == []


# Scan and sign-in


def test_without_javascript_a_stranger_signs_in_scans_and_sees_the_reward(site: Site):
    with site.client() as client:
        signed_in = sign_in(client, FIRST)
        assert (signed_in.status_code, signed_in.headers["location"]) == (303, f"/Q/{FIRST}")
        landing = client.get(f"/Q/{FIRST}")
        assert 'action="/sign-in/code"' not in landing.text
        result = submit(client, landing, "/scan")
    for words in ("奖励已到账", "+20 积分", "1,260", "现金红包 8.88 元", "40217", 'href="/draws/spring"'):
        assert words in result.text
    assert "inline-rule-result" not in result.text
    [scan] = site.ports.scans
    device = client.cookies["yima_device"]
    assert (scan.code, scan.member, scan.bearer, scan.location) == (FIRST, (41, 7), False, None)
    assert (scan.device_id, scan.page_token) == (device, f"token-of-{device}")
    assert str(scan.scan_id) in result.text


def test_reloading_the_result_sends_the_same_scan_and_shows_the_same_answer(site: Site):
    with site.client() as client:
        sign_in(client, FIRST)
        landing = client.get(f"/Q/{FIRST}")
        first, again = submit(client, landing, "/scan"), submit(client, landing, "/scan")
    assert first.text == again.text
    assert site.ports.scans[0] == site.ports.scans[1]


def test_every_landing_page_has_a_scan_id_of_its_own(site: Site):
    with site.client() as client:
        ids = {form_of(client.get(f"/Q/{FIRST}"), "/scan")["scan_id"] for _ in range(3)}
    assert len(ids) == 3


def test_anonymous_scan_offers_to_sign_in_for_the_reward(site: Site):
    with site.client() as client:
        result = submit(client, client.get(f"/Q/{FIRST}"), "/scan")
    fields = form_of(result, "/sign-in/code")
    assert (fields["code"], fields["brand"]) == (FIRST, "jinjiang")


def test_claim_without_a_prize_shows_points_and_no_card(site: Site):
    with site.client() as client:
        sign_in(client, LOSING)
        result = submit(client, client.get(f"/Q/{LOSING}"), "/scan")
    assert "+20 积分" in result.text
    assert "data-prize" not in result.text


def test_inactive_code_offers_to_keep_the_reward(site: Site):
    with site.client() as client:
        assert "为我保留奖励" in client.get(f"/Q/{INACTIVE}").text


def test_member_of_another_brand_is_asked_to_sign_in_with_this_one(site: Site):
    with site.client() as client:
        sign_in(client, FIRST)
        client.cookies.set("yima_brand", "other", domain="127.0.0.1")
        page = client.get(f"/Q/{FIRST}")
    assert "您登录的是另一品牌的会员" in page.text
    assert form_of(page, "/sign-in/code")["brand"] == "jinjiang"


@pytest.mark.parametrize(
    ("phone", "status", "asks_for"),
    [("not-a-number", 400, "/sign-in/code"), ("13800138009", 429, "/sign-in")],
)
def test_sign_in_mistakes_are_told_beside_the_field(site: Site, phone: str, status: int, asks_for: str):
    with site.client() as client:
        answer = submit(client, client.get(f"/Q/{FIRST}"), "/sign-in/code", phone=phone)
    assert answer.status_code == status
    assert 'class="error"' in answer.text
    assert form_of(answer, asks_for)["code"] == FIRST
    assert answer.headers.get("retry-after") == ("42" if status == 429 else None)


def test_wrong_one_time_code_can_be_typed_again(site: Site):
    with site.client() as client:
        asked = submit(client, client.get(f"/Q/{FIRST}"), "/sign-in/code", phone=PHONE)
        wrong = submit(client, asked, "/sign-in", one_time_code="000000")
        assert wrong.status_code == 401
        assert "yima_session" not in client.cookies
        assert submit(client, wrong, "/sign-in", one_time_code=ONE_TIME_CODE).status_code == 303


def test_sign_out_ends_the_session(site: Site):
    with site.client() as client:
        sign_in(client, FIRST)
        assert submit(client, client.get("/me"), "/sign-out").headers["location"] == "/"
        assert "您还没有登录" in client.get("/me").text


def test_location_is_passed_on_where_it_was_given(site: Site):
    given = {"lat": "30.572816", "lng": "104.066801", "accuracy_m": "35", "source": "wechat"}
    with site.client() as client:
        assert submit(client, client.get(f"/Q/{FIRST}"), "/scan", **given).status_code == 200
    assert site.ports.scans[0].location == {
        "lat": 30.572816, "lng": 104.066801, "accuracy_m": 35.0, "source": "wechat", "datum": "wgs84",
    }  # fmt: skip


@pytest.mark.parametrize(
    "change",
    [
        {"scan_id": "17"},
        {"lat": "north", "lng": "1", "accuracy_m": "1", "source": "gps"},
        {"lat": "nan", "lng": "1", "accuracy_m": "1", "source": "gps"},
        {"lat": "1", "lng": "inf", "accuracy_m": "1", "source": "gps"},
        {"lat": "1", "source": "gps"},
        {"lat": "1", "lng": "1", "accuracy_m": "1", "source": "ip"},
    ],
)
def test_scan_with_unreadable_fields_is_refused_and_not_made(site: Site, change: dict[str, str]):
    with site.client() as client:
        answer = submit(client, client.get(f"/Q/{FIRST}"), "/scan", **change)
    assert answer.status_code == 400
    assert site.ports.scans == []


# Other sites, scripts, cookies, headers


@pytest.mark.parametrize("path", POSTS)
@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {},
    ],
)
def test_form_sent_by_another_site_is_refused(site: Site, path: str, headers: dict[str, str]):
    with site.client() as client:
        fields = form_of(client.get(f"/Q/{FIRST}"), "/scan") | {"phone": PHONE, "one_time_code": ONE_TIME_CODE}
        fields["form_token"] = "f" * 32
        answer = client.post(path, data=fields, headers=headers)
    assert answer.status_code == 403
    assert "yima_session" not in answer.cookies
    assert (site.ports.scans, site.ports.codes_sent) == ([], [])


def test_post_routes_are_all_known_to_the_test_above(regions: Regions):
    app = Litestar(
        pages.routes(FakePorts(), public_url="https://t.yima.cn", secure_cookies=True, regions=regions),
        openapi_config=None,
    )
    found = {route.path for route in app.routes if "POST" in getattr(route, "methods", ())}
    assert found == {*POSTS, "/report"}  # whose sender is judged in tests/web/console/test_phone.py


@pytest.mark.parametrize("headers", [{"Sec-Fetch-Site": "same-origin"}, {"Origin": "own"}, {"Origin": "null"}])
def test_form_of_our_own_page_is_accepted_from_new_and_old_browsers(site: Site, headers: dict[str, str]):
    headers = {name: site.url if value == "own" else value for name, value in headers.items()}
    with site.client(**headers) as client:
        fields = form_of(client.get(f"/Q/{FIRST}"), "/scan")
        if headers != {"Origin": "null"}:
            del fields["form_token"]
        assert client.post("/scan", data=fields).status_code == 200


@pytest.mark.parametrize("path", [*POSTS, "/report"])
def test_form_address_opened_by_get_changes_nothing_and_leads_home(site: Site, path: str):
    with site.client() as client:
        answer = client.get(path, params={"scan_id": "x", "code": FIRST})
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    assert site.ports.scans == []


def test_body_that_is_no_form_or_too_large_is_refused(site: Site):
    with site.client(**{"Sec-Fetch-Site": "same-origin"}) as client:
        assert client.post("/scan", json={"code": FIRST}).status_code == 400
        assert client.post("/scan", data={"code": "x" * 20_000}).status_code == 413
        assert client.post("/scan", data={f"f{n}": "x" for n in range(60)}).status_code == 400


def test_names_and_codes_are_shown_and_never_run(site: Site):
    with site.client() as client:
        sign_in(client, NASTY)
        shown = [
            client.get(f"/Q/{NASTY}"),
            submit(client, client.get(f"/Q/{NASTY}"), "/scan"),
            client.get(f"/Q/{quote(SCRIPT.replace('/', ''), safe='')}"),
            client.get(f"/draws/{quote(SCRIPT.replace('/', ''), safe='')}"),
            submit(client, client.get(f"/Q/{CLAIMED}"), "/scan", code=SCRIPT, brand=SCRIPT),
            client.get(f"/{quote(SCRIPT, safe='')}?lang={quote(SCRIPT)}"),
        ]
    for page in shown:
        assert "<script>" not in page.text
        assert "<img" not in page.text
    assert "window.hurt=1" in unescape(shown[0].text)


@pytest.mark.parametrize("path", PAGES)
def test_every_page_bears_the_security_headers(site: Site, path: str):
    with site.client() as client:
        headers = client.get(path).headers
    assert headers["content-security-policy"] == (
        "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    )
    assert headers["cache-control"] == "no-store"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["content-type"] == "text/html; charset=utf-8"


@pytest.mark.parametrize("path", PAGES)
def test_no_page_has_inline_script_or_style_or_names_another_host(site: Site, path: str):
    with site.client() as client:
        sign_in(client, FIRST)
        text = client.get(path).text
    assert re.findall(r"<script[^>]*>\s*\S[^<]*</script>|<style|\sstyle=|\son\w+=", text) == []
    assert re.findall(r'(?:src|href|action)="(?!/)(?!#)[^"]*"', text) == []


def test_device_cookie_is_random_lasts_a_year_and_is_set_once(site: Site):
    with site.client() as client:
        [first] = client.get("/").headers.get_list("set-cookie")
        assert client.get("/").headers.get_list("set-cookie") == []
    with site.client() as other:
        other.get("/")
    assert re.fullmatch(
        r"yima_device=[0-9a-f]{32}; HttpOnly; Max-Age=31536000; Path=/; SameSite=lax", first, re.IGNORECASE
    )
    assert client.cookies["yima_device"] != other.cookies["yima_device"]


def test_device_cookie_of_another_form_is_replaced(site: Site):
    with site.client(Cookie="yima_device=chosen-by-somebody") as client:
        assert re.fullmatch("[0-9a-f]{32}", client.get("/").cookies["yima_device"])


def test_session_cookie_is_kept_from_scripts_and_other_sites_for_90_days(site: Site):
    with site.client() as client:
        sent = sign_in(client, FIRST).headers.get_list("set-cookie")
    [session] = [one for one in sent if one.startswith("yima_session=")]
    assert {part.strip().lower() for part in session.split(";")[1:]} == {
        "httponly", "samesite=lax", "path=/", "max-age=7776000",
    }  # fmt: skip


async def test_cookies_are_secure_where_the_installation_says_so(regions: Regions):
    app = Litestar(
        pages.routes(FakePorts(), public_url="https://t.yima.cn", secure_cookies=True, regions=regions),
        openapi_config=None,
    )
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="https://y.cn") as client:
        home = await client.get("/?lang=en")
        fields = form_of(home, "/code") | {"brand": "jinjiang", "phone": PHONE, "one_time_code": ONE_TIME_CODE}
        done = await client.post("/sign-in", data=fields)
    cookies = [*home.headers.get_list("set-cookie"), *done.headers.get_list("set-cookie")]
    assert len(cookies) == 4
    assert all("; secure" in cookie.lower() for cookie in cookies)


# Words


@pytest.mark.parametrize(
    ("accepted", "lang"),
    [
        ("", "zh-CN"),
        ("en-US,en;q=0.9", "en"),
        ("fr-FR", "zh-CN"),
        ("fr,en;q=0.5", "en"),
        ("en;q=0.3,zh-TW;q=0.8", "zh-CN"),
        ("en;q=0, zh;q=0", "zh-CN"),
        ("en;q=high,,;q=", "zh-CN"),
    ],
)
def test_language_follows_the_browser(site: Site, accepted: str, lang: str):
    with site.client(**{"Accept-Language": accepted}) as client:
        assert f'<html lang="{lang}">' in client.get("/").text


def test_language_switch_is_remembered_and_goes_to_the_same_page(site: Site):
    with site.client(**{"Accept-Language": "zh-CN"}) as client:
        assert f'href="/Q/{FIRST}?lang=en"' in client.get(f"/Q/{FIRST}").text
        english = client.get(f"/Q/{FIRST}?lang=en")
        assert "First scan" in english.text
        assert f'href="/Q/{FIRST}?lang=zh"' in english.text
        assert '<html lang="en">' in client.get("/story").text
        assert '<html lang="zh-CN">' in client.get("/story?lang=zh").text
    assert [language for _, _, language in site.ports.looks] == ["zh", "en"]


def test_language_switch_never_leads_to_another_host(site: Site):
    with site.client() as client:
        text = client.get(f"//Q/{FIRST}").text
    assert 'href="//' not in text


@pytest.mark.parametrize("language", ["zh", "en"])
def test_account_shows_balance_prizes_and_movements(site: Site, language: str):
    with site.client() as client:
        sign_in(client, FIRST)
        text = client.get(f"/me?lang={language}").text
    for words in ("1,260", "现金红包 8.88 元", "40217", "+20", "-300", 'href="/draws/spring"'):
        assert words in text
    # Half past five in the afternoon of 1 May in UTC is the next day in China.
    assert ("2026年5月2日 01:30" if language == "zh" else "2 May 2026 01:30") in text


def test_open_draw_shows_rules_odds_and_commitment_but_no_proof(site: Site):
    with site.client() as client:
        text = client.get("/draws/spring").text
    for words in ("0.001%", "剩 17 / 20", "5f2d" * 16, "9ab0" * 16, "1,204,117", "yima-draw-rules-1"):
        assert words in text
    assert "/api/v1/draws/" not in text


def test_closed_draw_links_to_its_proof_and_says_how_to_check_it(site: Site):
    with site.client() as client:
        text = client.get("/draws/winter").text
    assert 'href="/api/v1/draws/winter/proof"' in text
    assert "yima draw verify" in text


def test_story_shows_figures_with_names_of_provinces(site: Site):
    with site.client() as client:
        chinese, english = client.get("/story").text, client.get("/story?lang=en").text
    for words in ("184,220", "广东省", "内蒙古自治区", "1,912 / 8,200", "23.3%", "剩 3,120 / 5,000", "65.3%"):
        assert words in chinese
    for words in ("Guangdong", "Inner Mongolia", "Jinjiang Draft", "1,912 of 8,200"):
        assert words in english


def test_without_a_trial_there_is_no_page_that_names_dealers(regions: Regions):
    app = Litestar(
        pages.routes(FakePorts(), public_url="https://t.yima.cn", secure_cookies=True, regions=regions, story=False),
        openapi_config=None,
    )
    with TestClient(app=app) as client:
        assert client.get("/story").status_code == 404
        assert "/story" not in client.get("/").text


def test_story_of_an_empty_installation_says_so(site: Site):
    site.ports.empty = True
    with site.client() as client:
        text = client.get("/story").text
        sign_in(client, FIRST)
        account = client.get("/me").text
    for words in ("还没有人扫码", "还没有带地点的扫码", "还没有商品", "还没有可判断销区的扫码", "还没有抽奖"):
        assert words in text
    assert "还没有奖品" in account


async def test_story_folds_all_but_the_first_rows(site: Site, regions: Regions, monkeypatch: pytest.MonkeyPatch):
    counts = [(province.adcode, 100 - n) for n, province in enumerate(regions.all_of("province"))]
    made = await FakePorts().figures()

    async def figures() -> Figures:
        return dataclasses.replace(made, provinces=counts)

    monkeypatch.setattr(site.ports, "figures", figures)
    with site.client() as client:
        shown, _, folded = client.get("/story").text.partition("另有 22 项")
    assert regions.region(counts[11][0]).name_zh in shown
    assert regions.region(counts[12][0]).name_zh not in shown
    assert all(regions.region(adcode).name_zh in folded for adcode, _ in counts[12:])


# Errors


@pytest.mark.parametrize(
    ("failure", "status", "chinese"),
    [
        (Conflict("This scan id was used for another code."), 409, "与已有的记录不一致"),
        (Unavailable("The database is away.", retry_after_s=5), 503, "服务暂时不可用"),
    ],
)
def test_error_page_has_the_status_and_the_sentence(site: Site, failure: Exception, status: int, chinese: str):
    site.ports.failure = failure
    with site.client() as client:
        page = client.get(f"/Q/{FIRST}")
        english = client.get(f"/Q/{FIRST}?lang=en")
    assert (page.status_code, english.status_code) == (status, status)
    assert chinese in page.text
    assert str(failure) in english.text
    assert page.headers.get("retry-after") == ("5" if status == 503 else None)


def test_session_of_a_member_who_is_gone_is_ended(site: Site):
    with site.client() as client:
        sign_in(client, FIRST)
        site.ports.failure = NotAuthenticated("The member no longer exists.")
        assert client.get("/me").status_code == 401
        assert "yima_session" not in client.cookies


def test_defect_of_ours_is_logged_and_told_without_its_details(site: Site):
    site.ports.failure = failure = RuntimeError("secret detail")
    with structlog.testing.capture_logs() as logged, site.client() as client:
        page = client.get(f"/Q/{FIRST}")
    assert page.status_code == 500
    assert "secret detail" not in page.text
    assert "我们这里出了错" in page.text
    assert [(entry["event"], entry["exc_info"]) for entry in logged] == [("page.defect", failure)]


@pytest.mark.parametrize("path", ["/nothing-here", "/draws/none", "/static/nothing.js", "/Q/", "/static/../pages.py"])
def test_unknown_address_gets_a_friendly_page(site: Site, path: str):
    with site.client() as client:
        page = client.get(path)
    assert page.status_code == 404
    assert form_of(page, "/code")["code"] == ""


def test_wrong_method_gets_a_friendly_page(site: Site):
    with site.client() as client:
        page = client.put(f"/Q/{FIRST}")
    assert page.status_code == 405
    assert "请从商品的页面重新开始" in page.text


def test_alcohol_asks_a_signed_in_visitor_for_age_once_and_sends_the_word_with_the_scan(site: Site):
    site.ports.shown = {"adults_only": True}
    with site.client() as client:
        assert 'name="adult"' not in client.get(f"/Q/{FIRST}").text
        sign_in(client, FIRST)
        page = client.get(f"/Q/{FIRST}")
        assert "我已满 18 周岁" in page.text
        submit(client, page, "/scan", adult="1")
        assert site.ports.adults == [(41, 7)]
        assert 'name="adult"' not in client.get(f"/Q/{SEEN}").text


def test_unconfirmed_age_is_no_consent(site: Site):
    site.ports.shown = {"adults_only": True}
    with site.client() as client:
        sign_in(client, FIRST)
        fields = form_of(client.get(f"/Q/{FIRST}"), "/scan")
        del fields["adult"]
        client.post("/scan", data=fields)
    assert site.ports.adults == []


def test_product_without_rewards_asks_for_no_sign_in(site: Site):
    site.ports.shown = {"pays": False}
    with site.client() as client:
        page = client.get(f"/Q/{FIRST}")
    assert 'action="/sign-in/code"' not in page.text
    assert "登记这次扫码" in page.text
