"""Codes that a phone keeps for a day."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from web import later

AT = datetime(2026, 5, 3, 12, tzinfo=UTC)
CODE = "7Q0ZAB12CD34EF56GH78"


def test_code_is_kept_for_a_day_and_no_longer():
    cookie = later.with_code("", CODE, at=AT)
    [kept] = later.read(cookie, at=AT + timedelta(hours=23, minutes=59))
    assert (kept.code, kept.path, kept.until) == (CODE, f"/Q/{CODE}", AT + timedelta(days=1))
    assert later.read(cookie, at=AT + timedelta(days=1)) == []
    assert later.read(cookie, at=AT - timedelta(seconds=1)) == []


def test_code_that_is_kept_already_is_not_kept_longer():
    cookie = later.with_code("", CODE, at=AT)
    assert later.with_code(cookie, CODE, at=AT + timedelta(hours=5)) == cookie


def test_only_the_latest_codes_are_kept():
    cookie = ""
    for number in range(later.CODES_MAX + 1):
        cookie = later.with_code(cookie, f"{number:020}", at=AT)
    kept = [each.code for each in later.read(cookie, at=AT)]
    assert kept == [f"{number:020}" for number in range(later.CODES_MAX, 0, -1)]


def test_claimed_code_is_forgotten():
    cookie = later.with_code(later.with_code("", "A" * 20, at=AT), CODE, at=AT)
    assert [each.code for each in later.read(later.without_code(cookie, CODE, at=AT), at=AT)] == ["A" * 20]


def test_too_long_a_text_is_not_kept():
    assert later.with_code("", "A" * (later.CODE_CHARS_MAX + 1), at=AT) == ""
    assert len(later.read(later.with_code("", "A" * later.CODE_CHARS_MAX, at=AT), at=AT)) == 1


@given(st.text(max_size=4_000))
def test_whatever_a_cookie_holds_is_read_without_a_fault(cookie: str):
    assert len(later.read(cookie, at=AT)) <= later.CODES_MAX


@given(st.lists(st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=60), max_size=9))
def test_what_is_kept_can_be_read_again(codes: list[str]):
    cookie = ""
    for code in codes:
        cookie = later.with_code(cookie, code, at=AT)
    assert len(cookie) <= later.COOKIE_CHARS_MAX
    assert {each.code for each in later.read(cookie, at=AT)} <= set(codes)
    assert not codes or later.read(cookie, at=AT)[0].code in codes
