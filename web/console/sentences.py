"""An error's own sentence in the page's language: what the rooms say is English, and pages are read in Chinese too."""

from __future__ import annotations

import re
from functools import cache
from typing import Final

from kernel.errors import YimaError
from web.console.texts import TEXTS, sentences
from web.texts import TEXTS as SHARED
from web.texts import Language

CHARS_MAX: Final = 2_000
"""Longer than any sentence of ours; what is longer is not looked through."""

_GAP: Final = re.compile(r"\{(\w+)\}")


def tell(error: YimaError, language: Language) -> str:
    """The sentence of an error: exactly what it says where that is known in Chinese, else what its kind means."""
    if language == "en":
        return error.message
    known = in_chinese(error.message)
    return known or next(
        texts[key][0]
        for texts, key in ((TEXTS, f"problem.{error.code}"), (SHARED, f"error.{error.code}"), (SHARED, "error.other"))
        if key in texts
    )


def told(sentence: str | None, language: Language) -> str:
    """A stored sentence, such as why a task failed, in the page's language; as it is where it is not known."""
    if not sentence:
        return "–"
    return (in_chinese(sentence) if language == "zh" else None) or sentence


def in_chinese(sentence: str) -> str | None:
    """A sentence of an error in Chinese, with what stood in its gaps; None where it is not known."""
    if len(sentence) > CHARS_MAX:
        return None
    for pattern, chinese in _patterns():
        if (found := pattern.fullmatch(sentence)) is not None:
            return chinese.format(**{gap: _word(given) for gap, given in found.groupdict().items()})
    return None


@cache
def _patterns() -> tuple[tuple[re.Pattern[str], str], ...]:
    return tuple((_pattern(english), chinese) for english, chinese in sentences.SENTENCES)


def _pattern(english: str) -> re.Pattern[str]:
    pieces = _GAP.split(english)
    return re.compile(
        "".join(f"(?P<{piece}>.*?)" if place % 2 else re.escape(piece) for place, piece in enumerate(pieces)), re.DOTALL
    )


def _word(given: str) -> str:
    plain = given[1:-1] if len(given) > 1 and given[0] == given[-1] and given[0] in "'\"" else given
    if plain in sentences.WORDS:
        return sentences.WORDS[plain]
    for pattern, chinese in sentences.PARTS:
        if re.fullmatch(pattern, plain):
            return re.sub(pattern, chinese, plain)
    for pattern, chinese in sentences.INNER:
        plain = re.sub(pattern, chinese, plain)
    return plain
