"""What the room `staff` refuses, in the page's language."""

from __future__ import annotations

from kernel.errors import YimaError
from web.console.texts import TEXTS, say
from web.texts import Language


def sentence(error: YimaError, language: Language) -> str:
    """The sentence of an error that bears its `reason`."""
    key = f"account.problem.{error.details.get('reason')}"
    if key not in TEXTS:
        return error.message if language == "en" else say("error.other", language)
    return say(key, language)
