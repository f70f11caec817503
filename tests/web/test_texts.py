"""The catalogue: every text in both languages, with the same gaps, and every one that pages ask for."""

import re
import string
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from traceability.scans import Outcome
from web import claims
from web.texts import LANGUAGES, TEXTS, choose_language, day, percent, say

WEB = Path(__file__).parents[2] / "web"


def gaps(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


@pytest.mark.parametrize("key", TEXTS)
def test_both_languages_have_the_same_gaps(key: str):
    chinese, english = TEXTS[key]
    assert chinese
    if english:
        assert gaps(chinese) == gaps(english)
    else:
        # In English the error's own sentence is shown.
        assert key.startswith("error.")


def test_every_text_that_a_template_names_exists():
    asked = {
        key
        for template in (WEB / "templates").glob("*.html")
        for key in re.findall(r"""say\(["']([\w.]+)["'][,)]""", template.read_text(encoding="utf-8"))
    }
    assert len(asked) > 50
    assert asked <= TEXTS.keys()


@pytest.mark.parametrize("outcome", Outcome)
def test_every_outcome_has_its_words_and_tone(outcome: Outcome):
    assert outcome in claims.TONES
    assert all(say(f"{kind}.{outcome}", "zh") for kind in ("outcome", "outcome.short"))


@pytest.mark.parametrize("kind", ["malformed", "forged", "voided", "inactive", "first", "seen", "claimed", "outer"])
def test_every_kind_of_look_has_its_words_and_tone(kind: str):
    assert kind in claims.TONES
    assert all(say(f"look.{kind}", language) for language in LANGUAGES)


def test_pages_never_call_a_code_genuine():
    assert not re.search("正品|真品|保真|genuine|authentic product", str(TEXTS), re.IGNORECASE)


@given(st.text(), st.text(), st.text())
def test_any_header_gives_one_of_our_languages(asked: str, remembered: str, accepted: str):
    assert choose_language(asked, remembered, accepted) in LANGUAGES


def test_days_are_chinas():
    at = datetime(2026, 5, 2, 16, 0, tzinfo=UTC)
    assert (day(at, "zh"), day(at, "en")) == ("2026年5月3日", "3 May 2026")


def test_share_of_nothing_is_nothing():
    assert (percent(0, 0), percent(1, 3)) == ("0%", "33.3%")
