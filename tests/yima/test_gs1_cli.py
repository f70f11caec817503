"""`yima gs1`: one line of JSON for each line that comes in, whatever comes in."""

from __future__ import annotations

import json

from tests.yima.conftest import Home

GOOD = "https://id.gs1.org/01/09520123456788/10/ABC1/21/12345?17=180426"
AIS = [["01", "09520123456788"], ["10", "ABC1"], ["21", "12345"], ["17", "180426"]]


def test_each_line_gets_one_answer_and_a_refusal_is_one(home: Home) -> None:
    lines = [GOOD.encode(), b"", b"https://a/\xff\x00/01/", GOOD.encode() + b"/\r", b"x" * 200_000, GOOD.encode()]
    done = home.run("gs1", "parse", text=b"\n".join(lines))
    assert done.status == 0, done.stderr
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert [answer["accept"] for answer in answers] == [True, False, False, False, False, True]
    assert answers[0] == {"uri": GOOD, "accept": True, "ais": AIS, "error": None}
    assert answers[3]["uri"] == GOOD + "/"
    assert len(answers[4]["uri"]) == 65_536
    assert all(answer["error"].endswith(".") and answer["ais"] == [] for answer in answers[1:5])


def test_a_mark_at_the_head_of_the_input_belongs_to_no_line(home: Home) -> None:
    mark = b"\xef\xbb\xbf"
    done = home.run("gs1", "parse", text=mark + GOOD.encode() + b"\r\n" + mark + GOOD.encode() + b"\n")
    assert [json.loads(line)["accept"] for line in done.stdout.splitlines()] == [True, False]
    assert json.loads(done.stdout.splitlines()[0])["uri"] == GOOD
    assert home.run("gs1", "parse", text=mark).stdout == ""
    assert len(home.run("gs1", "parse", text=mark + b"\n").stdout.splitlines()) == 1


def test_arguments_are_judged_in_their_order(home: Home) -> None:
    done = home.run("gs1", "parse", "--strict", GOOD, "https://a/01/9520123456788", "https://a/\udce9")
    assert done.status == 1
    assert [json.loads(line)["accept"] for line in done.stdout.splitlines()] == [True, False, False]
    done = home.run("gs1", "parse", "--strict", "--short-gtins", "https://a/01/9520123456788")
    assert done.status == 0
    assert json.loads(done.stdout)["ais"] == [["01", "09520123456788"]]


def test_a_link_is_built_of_pairs_and_of_bracketed_ais(home: Home) -> None:
    assert home.ask("gs1", "build", "01=09520123456788", "10=a/b", "17=261231", "--stem", "https://x.cn/") == {
        "uri": "https://x.cn/01/09520123456788/10/a%2Fb?17=261231"
    }
    assert home.run("gs1", "build", r"(01)09520123456788(21)a\(b)").stdout == (
        "https://id.gs1.org/01/09520123456788/21/a%28b%29\n"
    )
    assert "check digit is 7; it should be 8" in home.refuse("gs1", "build", "01=09520123456787")
    assert "(10) is given twice" in home.refuse("gs1", "build", "01=09520123456788", "10=a", "10=b")
    assert "neither AI=VALUE" in home.refuse("gs1", "build", "09520123456788")


def test_links_of_a_product_are_added_changed_listed_and_removed(home: Home) -> None:
    brand = ("--slug", "links", "--name", "链", "--name-en", "Links", "--company-prefix", "6909998")
    home.ask("brand", "create", *brand)
    gtin = "06909998000013"
    home.ask("product", "create", "--brand", "links", "--gtin", gtin, "--name", "茶", "--name-en", "Tea")
    of = ("--brand", "links", "--gtin", gtin)
    assert home.ask("product", "links", "list", *of) == []
    first = home.ask("product", "links", "add", *of, "--href", "https://a.cn/", "--hreflang", "zh")
    assert (first["type"], first["title_en"], first["is_default"]) == ("gs1:pip", "Product information page", True)
    second = home.ask("product", "links", "add", *of, "--type", "faqs", "--href", "https://a.cn/f", "--title", "问答")
    assert (second["type"], second["title"], second["is_default"]) == ("gs1:faqs", "问答", False)
    link = ("--link", first["id"])
    assert "default first" in home.refuse("product", "links", "remove", *of, *link)
    assert "has to be in use" in home.refuse("product", "links", "change", *of, *link, "--inactive")
    changed = home.ask("product", "links", "change", *of, "--link", second["id"], "--default", "--title-en", "Answers")
    assert (changed["is_default"], changed["title_en"], changed["title"]) == (True, "Answers", "问答")
    assert home.ask("product", "links", "remove", *of, *link) == {"id": first["id"], "removed": True}
    assert [each["id"] for each in home.ask("product", "links", "list", *of)] == [second["id"]]
    assert "no link type" in home.refuse("product", "links", "add", *of, "--type", "gs1:x", "--href", "https://a.cn/")
    assert "https://" in home.refuse("product", "links", "add", *of, "--href", "javascript:x")
    assert "circle" in home.refuse("product", "links", "add", *of, "--href", f"https://t.yima.cn/01/{gtin}")
    assert "has no link" in home.refuse("product", "links", "remove", *of, "--link", 999)
