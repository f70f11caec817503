"""Lines as people write them. Pure."""

from __future__ import annotations

import re
from typing import Final

from codegen import lineset
from codegen.lineset import Lines
from kernel.errors import InvalidInput

RUNS_MAX: Final = 1_000
_RUN: Final = re.compile(r"([0-9]{1,10})(?:[-–—~～]([0-9]{1,10}))?", re.ASCII)


def read_lines(text: str) -> Lines:
    """Ranges of lines: `5`, `1-200`, several of them apart by spaces or commas.

    Raises:
        InvalidInput: it is not written so, a range is upside down, or there are too many.
    """
    words = re.split(r"[\s,，、;；]+", text.strip())
    if len(words) > RUNS_MAX:
        raise InvalidInput(f"Give at most {RUNS_MAX:,} ranges of lines at a time.", field="ranges")
    found = []
    for word in words:
        match = _RUN.fullmatch(word)
        if match is None or int(match[2] or match[1]) < int(match[1]) or int(match[1]) < 1:
            raise InvalidInput("Ranges of lines are written 1-200, several of them apart by commas.", field="ranges")
        found.append((int(match[1]), int(match[2] or match[1])))
    return lineset.of(found)


def looks_like_lines(text: str) -> bool:
    """Whether a text names lines by their numbers; no code and no roll's label does."""
    return all(_RUN.fullmatch(word) for word in re.split(r"[\s,，、;；]+", text.strip()))
