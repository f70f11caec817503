"""The GS1 resolver over HTTP, statement by statement of the conformance list.

The numbers are those of Conformance.txt. Not here: 2 (TLS is the proxy's), 6 (no other compression is read), 10
(further parameters are passed on, see 16), 19 (the vocabulary's namespace, see 15 and 18), 20 (nothing is handed on by
company prefix).
"""

import json
import re
import string
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import httpx
import pytest
from jsonschema import Draft7Validator

from tests.web.shop import FIRST, FORGED, Site
from traceability.catalogue import Shown
from traceability.product_links import ProductLink, Resolved, Terms
from web import linksets

VECTORS = Path(__file__).parents[2].parent / "shared/vectors/resolver"
GTIN = "06901234567892"
BARE = "06901234567908"
ANCHOR = f"https://t.yima.cn/01/{GTIN}"
VOC = "https://ref.gs1.org/voc/"
LINKS = [
    Terms("pip", "https://brand.example/zh?a=1#top", "商品", "Product", "zh", "text/html", is_default=True),
    Terms("pip", "https://brand.example/en", "商品（英文）", "Product, in English", "en", "text/html"),
    Terms("pip", "https://brand.example/pdf", "说明书", "Leaflet", "en", "application/pdf"),
    Terms("certificationInfo", "https://brand.example/cert", "证书", "Certificate"),
    Terms("hasRetailers", "https://brand.example/cn", "门店", "Shops", context="CN"),
    Terms("hasRetailers", "https://brand.example/sg", "新加坡门店", "Shops in Singapore", context="SG"),
]


def resolved(gtin: str, terms: list[Terms]) -> Resolved:
    shown = Shown(gtin, "jinjiang", "锦江酒业", "Jinjiang Spirits", "锦江特曲", "Jinjiang Tequ")
    return Resolved(shown, tuple(ProductLink(number, gtin, each, 1) for number, each in enumerate(terms, start=1)))


@pytest.fixture
def client(site: Site):
    site.ports.resolved = {GTIN: resolved(GTIN, LINKS), BARE: resolved(BARE, [])}
    with site.client() as client:
        yield client


def get(client: httpx.Client, path: str, **headers: str) -> httpx.Response:
    sent = {
        "Accept": "*/*",
        "Accept-Language": "zh-CN",
        **{name.replace("_", "-"): value for name, value in headers.items()},
    }
    return client.get(path, headers=sent)


# 1 and 3: GET, HEAD, OPTIONS, CORS


@pytest.mark.parametrize("path", [f"/01/{GTIN}", f"/01/{GTIN}/21/{FIRST}", "/01/123", "/00/006141411234567890"])
def test_get_head_and_options_are_answered_for_every_origin(client: httpx.Client, path: str):
    got, head, options = client.get(path), client.head(path), client.options(path)
    assert got.status_code == head.status_code
    assert head.content == b""
    assert options.status_code == 204
    assert options.headers["access-control-allow-methods"] == "GET, HEAD, OPTIONS"
    for answer in (got, head, options):
        assert answer.headers["access-control-allow-origin"] == "*"
    refused = client.post(path)
    assert refused.status_code == 405
    assert set(refused.headers["allow"].split(", ")) == {"GET", "HEAD", "OPTIONS"}


# 4 and 5: compressed links


def squeezed(bits: str) -> str:
    bits += "0" * (-len(bits) % 6)
    alphabet = string.ascii_uppercase + string.ascii_lowercase + string.digits + "-_"
    return "".join(alphabet[int(bits[at : at + 6], 2)] for at in range(0, len(bits), 6))


def bits_of_ai(ai: str) -> str:
    return "".join(f"{int(digit):04b}" for digit in ai)


def bits_of_text(text: str) -> str:
    return f"100{len(text):05b}" + "".join(f"{ord(char):07b}" for char in text)


COMPRESSED = squeezed(bits_of_ai("01") + f"{int(GTIN):047b}")
LOT = bits_of_ai("10") + bits_of_text("L/7")


def test_a_compressed_link_is_answered_as_its_uncompressed_form_which_it_names(client: httpx.Client):
    answer = get(client, f"/{COMPRESSED}?x=1")
    assert (answer.status_code, answer.headers["location"]) == (307, "https://brand.example/zh?a=1&x=1#top")
    assert answer.headers["link"].startswith(
        f'<{ANCHOR}?x=1>; rel="owl:sameAs"; title="Uncompressed URI", <{ANCHOR}?linkType=linkset>'
    )
    assert answer.headers["access-control-allow-origin"] == "*"
    (context,) = get(client, f"/{COMPRESSED}?linkType=linkset").json()["linkset"]
    assert context["anchor"] == ANCHOR
    assert client.options(f"/{COMPRESSED}").status_code == 204
    assert client.head(f"/{COMPRESSED}").status_code == 307


def test_what_stands_behind_an_uncompressed_key_may_be_compressed(client: httpx.Client):
    answer = get(client, f"/01/{GTIN}/{squeezed(LOT)}/?17=261231")
    assert urlsplit(answer.headers["location"]).path == "/zh"
    assert answer.headers["link"].startswith(f'<{ANCHOR}/10/L%2F7?17=261231>; rel="owl:sameAs"')


def test_a_compressed_link_to_a_code_of_ours_shows_its_page(client: httpx.Client):
    path = squeezed(bits_of_ai("01") + f"{int(GTIN):047b}" + bits_of_ai("21") + bits_of_text(FIRST))
    page = get(client, f"/{path}", Accept="text/html")
    assert page.status_code == 200
    assert "首次扫描" in page.text
    assert page.headers["link"].startswith(f'<{ANCHOR}/21/{FIRST}>; rel="owl:sameAs"')


def test_a_compressed_link_to_what_we_do_not_know_is_a_404_and_so_is_any_other_word(client: httpx.Client):
    unknown = get(client, "/AQnYUc1gmg")
    assert unknown.status_code == 404
    assert unknown.headers["link"].startswith('<https://t.yima.cn/01/05412345000013>; rel="owl:sameAs"')
    for word in ("wp-login_php", "administrator", "%00", "x" * 3000, f"{COMPRESSED[:-1]}_", "01_"):
        page = get(client, f"/{word}", Accept="text/html")
        assert page.status_code == 404
        assert "link" not in page.headers
        assert "没有这个页面" in page.text, page.text
    assert get(client, f"/01/{GTIN}/administrator").status_code == 400


# 7 and 9: invalid links are 400, unknown things 404, no error is a 200


@pytest.mark.parametrize(
    "path",
    [
        "/01",
        "/01/",
        "/01/123",
        "/01/06901234567893",
        f"/01/{GTIN}/10/A/22/B",
        f"/01/{GTIN}/10/A/10/B",
        f"/01/{GTIN}?01={GTIN}",
        f"/01/{GTIN}/21/A?10=B",
        f"/01/{GTIN}?17=261332",
        f"/01/{GTIN}?99=",
        f"/01/{GTIN}?12345=x",
        f"/01/{GTIN}/21/{'a' * 21}",
        f"/01/{GTIN}/21/a%20b",
        f"/01/{GTIN}/21/a%00b",
        f"/01/{GTIN}/21/%E4%B8%80",
        "/8010/abc/8011/0",
        "/00/006141411234567891",
        f"/01/{GTIN}?x={'y' * 9000}",
    ],
)
def test_what_is_no_digital_link_is_a_400(client: httpx.Client, path: str):
    page = get(client, path, Accept="text/html")
    assert page.status_code == 400
    assert "这个链接不对" in page.text
    problem = get(client, path, Accept="application/json")
    assert problem.status_code == 400
    assert problem.headers["content-type"].startswith("application/problem+json")
    assert problem.json()["status"] == 400
    assert problem.json()["detail"].endswith(".")
    assert "This link is not right" in get(client, path, Accept="text/html", Accept_Language="en").text


@pytest.mark.parametrize(
    "path",
    [
        "/01/09520123456788",
        "/00/006141411234567890",
        "/414/9520123456788/254/32a%2Fb",
        "/417/9520123456788",
        "/8006/095201234567880103",
        "/8004/9520614141234567",
        "/255/9520123456788",
        "/253/9520123456788",
        "/8003/09520123456788",
        "/8010/9520A",
        "/8017/795260646688514634",
    ],
)
def test_what_we_do_not_know_is_a_404_with_a_kind_page(client: httpx.Client, path: str):
    page = get(client, path, Accept="text/html")
    assert page.status_code == 404, page.text
    assert "这里没有这个商品" in page.text
    assert "Not a product of ours" in get(client, path, Accept="text/html", Accept_Language="en").text
    assert get(client, path, Accept="application/linkset+json").status_code == 404
    assert get(client, f"{path}?linkType=linkset").status_code == 404


def test_a_code_that_we_did_not_issue_is_no_200(client: httpx.Client):
    page = get(client, f"/01/{GTIN}/21/{FORGED}")
    assert page.status_code == 404
    assert "不是我们签发的码" in page.text


# 8 and 22: trailing slashes


def test_slashes_at_the_end_are_tolerated(client: httpx.Client):
    for tail in ("", "/", "//"):
        assert get(client, f"/01/{GTIN}{tail}").headers["location"] == LINKS[0].href
    assert get(client, f"/01/{GTIN}/?x=1").headers["location"].startswith("https://brand.example/zh")


# 12, 13, 14: the default link, and the links in the Link header


def test_a_product_leads_to_its_default_link(client: httpx.Client):
    answer = get(client, f"/01/{GTIN}")
    assert (answer.status_code, answer.headers["location"]) == (307, "https://brand.example/zh?a=1#top")
    assert answer.headers["referrer-policy"] == "no-referrer"
    link = answer.headers["link"]
    assert link.startswith(f'<{ANCHOR}?linkType=linkset>; rel="linkset"; type="application/linkset+json"; title="')
    for terms in LINKS:
        title = "pip" if "," in terms.title_en else terms.title_en
        assert f'<{terms.href}>; rel="{VOC}{terms.type}"; title="{title}"' in link
    # As the standard's own test suite reads it.
    for each in link.split(","):
        assert re.search('<https://[^>]+>.*rel="[^"]+".*title="[^"]+"', each), each
    assert "title*=UTF-8''%E8%AF%81%E4%B9%A6" in link
    assert "title*" not in get(client, f"/01/{GTIN}/10/A", Accept_Language="en").headers["link"].partition("cert>")[2]


@pytest.mark.parametrize(
    "path", ["/21/12345", "/10/LOT", "/22/2A/10/LOT/21/S", "/10/LOT%2F7/21/a%2Fb", "/21/12345?17=261231", "/235/TPX"]
)
def test_an_unknown_unit_or_lot_leads_up_to_the_product(client: httpx.Client, path: str):
    answer = get(client, f"/01/{GTIN}{path}")
    assert answer.status_code == 307
    assert urlsplit(answer.headers["location"]).path == "/zh"
    assert get(client, f"/01/{GTIN}{path.partition('?')[0]}?linkType=linkset").json()["linkset"][0]["anchor"] == ANCHOR


def test_a_product_without_links_leads_to_its_own_page(client: httpx.Client):
    answer = get(client, f"/01/{BARE}/21/ABC?x=1")
    assert (answer.status_code, answer.headers["location"]) == (307, f"/products/{BARE}?x=1")
    page = get(client, f"/products/{BARE}?x=1")
    assert page.status_code == 200
    assert "锦江特曲" in page.text
    assert "Jinjiang Tequ" in get(client, f"/products/{BARE}", Accept_Language="en").text
    found = get(client, f"/01/{BARE}?linkType=linkset").json()["linkset"][0]
    assert found[f"{VOC}defaultLink"][0]["href"] == f"https://t.yima.cn/products/{BARE}"
    # A default has a type that tells of it, too.
    assert found[f"{VOC}pip"][0]["href"] == f"https://t.yima.cn/products/{BARE}"
    for name in ("pip", "defaultLink", "defaultLinkMulti"):
        asked = get(client, f"/01/{BARE}?linkType=gs1:{name}")
        assert (asked.status_code, asked.headers["location"]) == (307, f"/products/{BARE}?linkType=gs1:{name}")
    assert get(client, f"/01/{BARE}?linkType=gs1:faqs").status_code == 404


def test_a_products_page_tells_its_links(client: httpx.Client):
    page = get(client, f"/products/{GTIN}", Accept_Language="en").text
    assert "Product, in English" in page
    assert 'href="https://brand.example/zh?a=1#top"' in page
    for unknown in ("09520123456788", "x", "%00", "\u0660" * 14):
        assert get(client, f"/products/{unknown}").status_code == 404


@pytest.mark.parametrize(
    "path", [f"/01/{BARE}", f"/x/../01/{BARE}", f"/%2e%2e/01/{BARE}", f"//01/{BARE}", "/AQnYUc1gmg?x=1"]
)
def test_a_link_that_leads_back_here_is_not_followed(client: httpx.Client, site: Site, path: str):
    host = urlsplit(site.url).hostname
    for root in (site.url, f"http://{host}", f"https://{host.upper()}:443", "https://t.yima.cn"):
        site.ports.resolved[BARE] = resolved(BARE, [Terms("pip", root + path, "环", "Circle", is_default=True)])
        assert get(client, f"/01/{BARE}").headers["location"] == f"/products/{BARE}"


# 15: the link type asked for


@pytest.mark.parametrize("prefix", ["gs1:", VOC, "https://gs1.org/voc/"])
def test_the_type_asked_for_is_led_to(client: httpx.Client, prefix: str):
    answer = client.get(f"/01/{GTIN}", params={"linkType": f"{prefix}certificationInfo"})
    assert answer.status_code == 307
    assert answer.headers["location"].startswith("https://brand.example/cert?linkType=")
    assert client.get(f"/01/{GTIN}/21/{FIRST}", params={"linkType": f"{prefix}certificationInfo"}).status_code == 307


@pytest.mark.parametrize("asked", ["gs1:recallStatus", "gs1:nothingSuch", "certificationInfo", "schema:url", "x"])
def test_a_type_that_there_is_not_is_a_404(client: httpx.Client, asked: str):
    assert get(client, f"/01/{GTIN}?linkType={asked}").status_code == 404
    assert get(client, f"/01/{GTIN}?linkType={asked}", Accept="application/json").json()["status"] == 404


# 16: query strings


@pytest.mark.parametrize(
    "query", ["utm_source=qr", "17=261231&x=%E4%B8%80&y", "linkType=gs1:defaultLink&a=b%20c", "&&&"]
)
def test_the_whole_query_is_passed_on(client: httpx.Client, query: str):
    location = urlsplit(get(client, f"/01/{GTIN}?{query}").headers["location"])
    assert location.query == f"a=1&{query}"
    assert location.fragment == "top"
    assert dict(parse_qsl(query)).items() <= dict(parse_qsl(location.query)).items()


@pytest.mark.parametrize(
    ("href", "there"),
    [
        ("https://a.cn/", "https://a.cn/?x=1"),
        ("https://a.cn/?", "https://a.cn/?x=1"),
        ("https://a.cn/?b=2&", "https://a.cn/?b=2&x=1"),
        ("https://a.cn/p#f?g", "https://a.cn/p?x=1#f?g"),
    ],
)
def test_a_query_is_joined_to_any_address(href: str, there: str):
    assert linksets.forward(href, "x=1") == there
    assert linksets.forward(href, "") == href


# 17: language, context, media type


@pytest.mark.parametrize(
    ("query", "headers", "href"),
    [
        ("", {"Accept_Language": "en-US,en;q=0.9"}, "https://brand.example/en"),
        ("", {"Accept_Language": "fr"}, "https://brand.example/zh?a=1#top"),
        ("", {"Accept_Language": "fr, zh;q=0.2, en;q=0.5", "Accept": "application/pdf"}, "https://brand.example/pdf"),
        ("", {"Accept_Language": "en;q=0, zh;q=x,,;;q"}, "https://brand.example/zh?a=1#top"),
        ("linkType=gs1:pip", {"Accept_Language": "en"}, "https://brand.example/en?linkType=gs1:pip"),
        (
            "linkType=gs1:defaultLink",
            {"Accept_Language": "en"},
            "https://brand.example/zh?a=1&linkType=gs1:defaultLink#top",
        ),
        (
            "linkType=gs1:defaultLinkMulti",
            {"Accept_Language": "en"},
            "https://brand.example/en?linkType=gs1:defaultLinkMulti",
        ),
        ("linkType=gs1:hasRetailers&context=sg", {}, "https://brand.example/sg?linkType=gs1:hasRetailers&context=sg"),
        ("linkType=gs1:hasRetailers", {}, "https://brand.example/cn?linkType=gs1:hasRetailers"),
    ],
)
def test_the_link_that_fits_the_request_best_is_taken(
    client: httpx.Client, query: str, headers: dict[str, str], href: str
):
    answer = get(client, f"/01/{GTIN}?{query}" if query else f"/01/{GTIN}", **headers)
    assert (answer.status_code, answer.headers["location"]) == (307, href)
    assert "Accept-Language" in answer.headers["vary"]


# 11: link sets


@pytest.mark.parametrize(
    ("query", "accept", "media_type"),
    [
        ("?linkType=linkset", "*/*", "application/linkset+json"),
        ("?linkType=all", "text/html", "application/linkset+json"),
        ("?linkType=linkset", "application/json", "application/json"),
        ("", "application/linkset+json", "application/linkset+json"),
        ("", "application/json, text/plain, */*", "application/json"),
        ("", "application/ld+json;q=0.9, text/html;q=0.8", "application/ld+json"),
    ],
)
def test_a_link_set_is_answered_without_a_redirect(client: httpx.Client, query: str, accept: str, media_type: str):
    for path in (f"/01/{GTIN}", f"/01/{GTIN}/21/{FIRST}", f"/01/{GTIN}/10/A"):
        answer = get(client, path + query, Accept=accept)
        assert answer.status_code == 200
        assert answer.headers["content-type"].partition(";")[0] == media_type
        assert 'rel="linkset"' in answer.headers["link"]
        assert answer.headers["access-control-allow-origin"] == "*"
        assert answer.json()["linkset"][0]["anchor"] == ANCHOR


def test_a_browser_that_would_also_take_json_is_led_on(client: httpx.Client):
    answer = get(client, f"/01/{GTIN}", Accept="text/html,application/xhtml+xml,application/json;q=0.9,*/*;q=0.8")
    assert answer.status_code == 307


@pytest.mark.conformance
@pytest.mark.parametrize("gtin", [GTIN, BARE])
@pytest.mark.parametrize("language", ["zh", "en"])
def test_link_sets_fit_the_schemas(client: httpx.Client, gtin: str, language: str):
    document = get(client, f"/01/{gtin}?linkType=linkset", Accept_Language=language).json()
    Draft7Validator(json.loads((VECTORS / "gs1-linkset-schema.json").read_text())).validate(document)
    (context,) = document["linkset"]
    assert len(context[f"{VOC}defaultLink"]) == 1
    # The schema of RFC 9264 alone knows neither of the two words that GS1 adds.
    plain = {name: value for name, value in context.items() if name != "itemDescription"}
    for name, targets in plain.items():
        if name != "anchor":
            plain[name] = [{key: value for key, value in target.items() if key != "context"} for target in targets]
    schema = json.loads((VECTORS / "linkset-schema.json").read_text())
    Draft7Validator(schema).validate({"linkset": [plain]})


def test_a_link_set_tells_everything_of_each_link(client: httpx.Client):
    (context,) = get(client, f"/01/{GTIN}?linkType=linkset", Accept_Language="en").json()["linkset"]
    assert context["itemDescription"] == "Jinjiang Tequ"
    assert context[f"{VOC}pip"][0] == {
        "href": "https://brand.example/zh?a=1#top", "title": "商品", "type": "text/html", "hreflang": ["zh"],
    }  # fmt: skip
    assert context[f"{VOC}defaultLink"] == [{"href": "https://brand.example/zh?a=1#top", "title": "商品"}]
    assert [each["href"] for each in context[f"{VOC}defaultLinkMulti"]] == [each.href for each in LINKS[:3]]
    assert context[f"{VOC}certificationInfo"] == [{"href": "https://brand.example/cert", "title": "Certificate"}]
    assert context[f"{VOC}hasRetailers"][1]["context"] == ["SG"]


def test_a_link_set_is_json_ld_by_the_context_it_names(client: httpx.Client):
    where = "https://t.yima.cn/linkset-context.jsonld"
    plain = get(client, f"/01/{GTIN}?linkType=linkset")
    assert f'<{where}>; rel="http://www.w3.org/ns/json-ld#context"; type="application/ld+json"' in plain.headers["link"]
    assert "@context" not in plain.json()
    linked = get(client, f"/01/{GTIN}?linkType=linkset", Accept="application/ld+json")
    assert linked.json()["@context"] == where
    assert linked.json()["linkset"] == plain.json()["linkset"]
    context = client.get("/linkset-context.jsonld")
    assert context.headers["content-type"].partition(";")[0] == "application/ld+json"
    assert context.headers["access-control-allow-origin"] == "*"
    assert set(plain.json()["linkset"][0][f"{VOC}pip"][0]) <= set(context.json()["@context"])
    assert client.get("/.well-known/gs1resolver").json()["jsonLdContextLocation"] == where


# 18: the description file


@pytest.mark.conformance
def test_the_description_file_fits_its_schema(client: httpx.Client):
    answer = client.get("/.well-known/gs1resolver")
    assert answer.status_code == 200
    assert answer.headers["access-control-allow-origin"] == "*"
    assert client.options("/.well-known/gs1resolver").status_code == 204
    schema = json.loads((VECTORS / "description-file-schema.json").read_text())
    Draft7Validator(schema, format_checker=Draft7Validator.FORMAT_CHECKER).validate(answer.json())
    assert answer.json()["resolverRoot"] == "https://t.yima.cn"
    assert answer.json()["supportedPrimaryKeys"] == ["01"]


# 21: content without a redirect: the consumer's page of a code of ours


def test_a_code_of_ours_shows_its_page_at_its_own_address(client: httpx.Client, site: Site):
    for path in (
        f"/01/{GTIN}/21/{FIRST}",
        f"/01/{GTIN}/10/LOT%2F7/21/{FIRST}?17=261231",
        f"/01/{GTIN}/22/2A/21/{FIRST}/",
    ):
        page = get(client, path, Accept="text/html")
        assert page.status_code == 200
        assert "首次扫描" in page.text
        assert page.headers["link"].startswith(f'<{ANCHOR}?linkType=linkset>; rel="linkset"')
    asked = [text.removeprefix("https://").partition("/")[2] for text, _, _ in site.ports.looks]
    assert asked[1] == f"01/{GTIN}/10/LOT%2F7/21/{FIRST}"
    assert f'href="/01/{GTIN}/10/LOT%2F7/21/{FIRST}?lang=en"' in get(client, f"/01/{GTIN}/10/LOT%2F7/21/{FIRST}").text


def test_as_many_links_stand_in_the_header_as_fit():
    many = resolved(GTIN, [Terms("pip", f"https://a.cn/{number}/{'x' * 900}", "题", "T") for number in range(50)])
    value = linksets.header(many.links, ANCHOR, "zh")
    assert 3_000 < len(value) <= linksets.HEADER_CHARS_MAX
    assert value.isascii()
