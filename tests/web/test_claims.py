"""What the page says of a rule: its class, and never the rule."""

from __future__ import annotations

import re
from pathlib import Path

import antifraud.rules
from web import claims
from web.texts import TEXTS


def test_every_rule_that_withholds_has_a_class_with_words_of_its_own():
    source = Path(antifraud.rules.__file__).read_text()
    withholding = {
        name
        for name, decision in re.findall(r'Finding\("(\w+)", [^,]+, (Decision\.\w+|decision)', source)
        if decision != "Decision.ALLOW"
    }
    assert {"impossible_travel", "leaked_key", "blocked_member"} <= withholding
    assert {name: claims.reason_class(name) for name in withholding if claims.reason_class(name) == "other"} == {}
    assert all(f"reason.{claims.reason_class(name)}" in TEXTS for name in withholding)


def test_rule_of_tomorrow_is_told_as_one_of_our_rules():
    assert claims.reason_class("a rule of tomorrow") == "other"
    assert "reason.other" in TEXTS
