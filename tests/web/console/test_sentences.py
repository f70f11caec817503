"""Errors' own sentences in Chinese: they say what the rooms say, and stay what the rooms say."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from kernel.errors import Conflict, InvalidInput, NotFound
from web.console import forms, sentences
from web.console.texts.sentences import SENTENCES

ROOT = Path(__file__).parents[3]
ROOMS = ("kernel", "antifraud", "codegen", "traceability", "web/console", "yima")
GAP = re.compile(r"\{(\w+)\}")


def _said_in_source() -> str:
    """All texts of the rooms' source, gaps as `{}`, each on a line of its own."""
    said = []
    for room in ROOMS:
        for file in (ROOT / room).rglob("*.py"):
            if file.stem in {"sentences", "sentences_blocks", "sentences_labels"}:
                continue
            for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
                if isinstance(node, ast.JoinedStr):
                    said.append(
                        "".join(str(each.value) if isinstance(each, ast.Constant) else "{}" for each in node.values)
                    )
                elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                    said.append(node.value)
    return "\n".join(said)


def test_each_sentence_in_chinese_is_still_what_a_room_says() -> None:
    source = _said_in_source()
    # Some are put together of halves, so that each piece between gaps and colons is looked for by itself.
    gone = [
        (english, piece)
        for english, _ in SENTENCES
        for piece in re.split(r"\{\w+\}|: ", english)
        if piece.strip(" .,;:'") not in source
    ]
    assert gone == []


def test_gaps_of_a_sentence_in_chinese_are_gaps_of_the_english_one() -> None:
    for english, chinese in SENTENCES:
        filled = chinese.format(**dict.fromkeys(GAP.findall(english), "7"))
        assert "{7" not in filled.replace("{7}", ""), english
        assert sentences.in_chinese(GAP.sub("7", english)) is not None, english


@pytest.mark.parametrize(
    ("english", "chinese"),
    [
        ("Roll 4 is blue.", None),
        ("Batch ABC has no roll 4.", "批次 ABC 没有第 4 卷。"),
        ("This code is no code of this brand.", "这个码不是本品牌的码。"),
        ("Code 2 of 2 was never issued.", "第 2 个码（共 2 个）从未签发。"),
        (
            "Lines 3, 7–9 and 4 more of run R are waste already; enter them again with «instead» to correct that.",
            "印刷批 R 的第 3、7–9 及另外 4 段 行已登记为废品；要改，请勾选“更正以前的登记”再登记。",
        ),
        (
            "Order 'PO-1' is batch ABC already, with another count (10, now 20), pair (True, now False).",
            "订单 PO-1 已是批次 ABC，内容不同：数量（原 10，现 20）、内外双码（原有，现无）。",
        ),
        ("Cannot write /data/x: No space left on device.", "无法写入 /data/x：磁盘已满。"),
        ("x" * 3_000, None),
    ],
)
def test_a_sentence_is_told_in_chinese_with_what_stood_in_its_gaps(english: str, chinese: str | None) -> None:
    assert sentences.in_chinese(english) == chinese
    assert sentences.told(english, "zh") == (chinese or english)
    assert sentences.told(english, "en") == english


def test_a_refusal_beside_its_field_names_what_is_wrong_in_both_languages() -> None:
    error = Conflict("Unit 3 to take out is not in carton 123.", field="out")
    assert forms.refusals(error, "en")["out"] == error.message
    assert forms.refusals(error, "zh")["out"] == "要取出的第 3 件不在箱 123 里。"


def test_an_unknown_sentence_is_told_by_its_kind_and_never_in_english() -> None:
    assert sentences.tell(NotFound("There is no unicorn."), "zh").isascii() is False
    assert sentences.tell(InvalidInput("No unicorn."), "zh").isascii() is False
    assert sentences.told(None, "zh") == "–"
