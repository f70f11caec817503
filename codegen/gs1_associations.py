"""Which AIs go together, and which do not. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from codegen.gs1_ais import table
from codegen.gs1_linters import Fault

_SIGNATURE: Final = "8030"
_SERIALISED: Final = ("253", "255", "8003")
"""Keys that a digital signature goes with only where they name one thing, not a kind."""


def judge_together(elements: Sequence[tuple[str, str]]) -> Fault | None:
    """What is wrong with AIs beside each other, or None.

    Args:
        elements: AIs and values, no AI twice; those that the table does not know go with all others.
    """
    present = sorted(ai for ai, _ in elements)
    for ai in present:
        for pattern in table()[ai].ex if ai in table() else ():
            other = _find(pattern, present, but=ai)
            if other is not None:
                return Fault("invalid_pair", f"AI ({ai}) may not stand beside AI ({other})")
    for ai in present:
        for requirement in table()[ai].req if ai in table() else ():
            if not any(all(_find(each, present, but=ai) for each in group) for group in requirement):
                wanted = " or ".join("+".join(f"({each})" for each in group) for group in requirement)
                return Fault("required_ais", f"AI ({ai}) needs {wanted} beside it")
    if _SIGNATURE in present:
        for ai, value in elements:
            if ai in _SERIALISED and len(value) == table()[ai].chars_min:
                return Fault("serial_not_present", f"AI ({ai}) needs its serial number beside AI ({_SIGNATURE})")
    return None


def _find(pattern: str, present: Sequence[str], *, but: str) -> str | None:
    """The first of the AIs that `pattern` covers, `n` being any digit; none is beside itself."""
    for ai in present:
        if ai != but and len(ai) == len(pattern) and all(a in ("n", b) for a, b in zip(pattern, ai, strict=True)):
            return ai
    return None
