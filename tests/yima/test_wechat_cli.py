"""`yima wechat` as a person at a terminal uses it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.yima.conftest import Home

APP = "wx520c15f417810387"
SECRET = "0123456789abcdef0123456789abcdef"


@pytest.fixture(scope="module")
def brand(home: Home) -> str:
    home.ask("brand", "create", "--slug", "wx", "--name", "叶", "--name-en", "Leaf", "--company-prefix", "6909998")
    return "wx"


def test_an_app_is_set_listed_changed_and_removed(home: Home, brand: str, tmp_path: Path) -> None:
    words = ("--brand", brand, "--kind", "official")
    made = home.run("wechat", "set", *words, "--app", APP, "--secret", "-", text=f"{SECRET}\n")
    assert made.status == 0, made.stderr
    assert SECRET not in made.stdout + made.stderr
    [listed] = home.ask("wechat", "list", "--brand", brand)
    assert (listed["kind"], listed["app_id"], listed["scope"]) == ("official", APP, "snsapi_base")
    assert "secret" not in str(listed)
    changed = home.ask("wechat", "set", *words, "--app", APP, "--scope", "snsapi_userinfo")
    assert changed["scope"] == "snsapi_userinfo"
    file = tmp_path / "secret"
    file.write_text(SECRET)
    mini = home.ask("wechat", "set", "--brand", brand, "--kind", "mini", "--app", APP, "--secret", file)
    assert mini["scope"] is None
    assert home.ask("wechat", "remove", *words) == {"kind": "official", "removed": True}
    assert [each["kind"] for each in home.ask("wechat", "list", "--brand", brand)] == ["mini"]


def test_wrong_words_are_refused_in_a_sentence(home: Home, brand: str) -> None:
    words = ("wechat", "set", "--brand", brand, "--kind", "official", "--app")
    assert "16 small letters" in home.refuse(*words, "wx1", "--secret", "-", text=SECRET)
    assert "32 letters and digits" in home.refuse(*words, APP, "--secret", "-", text="short")
    assert "empty" in home.refuse(*words, APP, "--secret", "-", text="\n")
    assert "missing" in home.refuse(*words, APP)
    mini = (
        "wechat",
        "set",
        "--brand",
        brand,
        "--kind",
        "mini",
        "--app",
        APP,
        "--scope",
        "snsapi_base",
        "--secret",
        "-",
    )
    assert "a Mini Program has none" in home.refuse(*mini, text=SECRET)
    assert "no such app" in home.refuse("wechat", "remove", "--brand", brand, "--kind", "official")


def test_production_asks_wechat_alone(home: Home) -> None:
    sentence = home.refuse(
        "wechat", "list", "--brand", "wx",
        env={"YIMA_ENV": "production", "YIMA_SECRET_KEYS": "k" * 32, "YIMA_WECHAT_URL": "http://127.0.0.1:9"},
    )  # fmt: skip
    assert "YIMA_WECHAT_URL is for development" in sentence


@pytest.mark.parametrize(
    "url", ["ftp://x", "http://", "http://u:p@x", "http://x/path", "http://x?q", "x", "http://x:0", "http://[::1", "file:///etc"]
)  # fmt: skip
def test_what_stands_for_wechat_in_development_is_an_origin(home: Home, url: str) -> None:
    assert "YIMA_WECHAT_URL is no origin" in home.refuse("brand", "list", env={"YIMA_WECHAT_URL": url})
