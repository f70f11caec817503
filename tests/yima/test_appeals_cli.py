"""`yima appeals` and `yima product class` as a person at a terminal uses them."""

from __future__ import annotations

import pytest

from tests.yima.conftest import Home

GTIN = "6908888000010"


@pytest.fixture(scope="module")
def brand(home: Home) -> str:
    home.ask("brand", "create", "--slug", "gated", "--name", "酒", "--name-en", "Wine", "--company-prefix", "6908888")
    home.ask("product", "create", "--brand", "gated", "--gtin", GTIN, "--name", "红酒", "--name-en", "Red wine")
    return "gated"


def test_class_of_a_product_is_shown_set_and_refused(home: Home, brand: str) -> None:
    ask = ("product", "class", "--brand", brand, "--gtin", GTIN)
    assert home.ask(*ask) == {
        "gtin": f"0{GTIN}", "class": "none", "rewards": "default", "pays": True, "adults_only": False
    }  # fmt: skip
    assert home.ask(*ask, "--class", "alcohol")["adults_only"] is True
    off = home.ask(*ask, "--rewards", "off")
    assert (off["class"], off["pays"], off["adults_only"]) == ("alcohol", False, False)
    assert "cannot be switched on" in home.refuse(*ask, "--class", "tobacco", "--rewards", "on")
    assert home.ask(*ask)["class"] == "alcohol"


def test_appeals_are_listed_and_an_unknown_one_is_told(home: Home, brand: str) -> None:
    assert home.ask("appeals", "list", "--brand", brand) == []
    said = home.refuse("appeals", "decide", "--appeal", 424242, "--decline", "--said", "no")
    assert "no appeal 424242" in said
    assert "sentence" in home.refuse("appeals", "decide", "--appeal", 424242, "--decline")
