"""Classes of products for which law restricts rewards, and what each asks of us. Pure.

The defaults follow the law of the People's Republic of China as we read it (ADR 0054 names the sources). They are
defaults for a lawyer of the brand to look at, not advice; two of them cannot be switched off here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

ADULT_YEARS: Final = 18
REWARDS: Final = ("default", "on", "off")
"""What a brand may choose for a product: as the class says, or otherwise."""

Rewards = Literal["on", "off", "never"]


@dataclass(frozen=True, slots=True)
class LegalClass:
    """What a class asks.

    Attributes:
        rewards: whether points, draws and prizes are `on` or `off` unless the brand chooses otherwise; `never` leaves
            it no choice.
        adults_only: whether whoever claims says first that they are 18 or older.
    """

    rewards: Rewards
    adults_only: bool = False


CLASSES: Final = {
    "none": LegalClass("on"),
    "alcohol": LegalClass("on", adults_only=True),
    "tobacco": LegalClass("never"),
    "medicine": LegalClass("off"),
    "infant_formula": LegalClass("never"),
}


def pays(legal_class: str, rewards: str) -> bool:
    """Whether units of such a product have a reward at all; a class that this version does not know has none."""
    found = CLASSES.get(legal_class)
    if found is None or found.rewards == "never":
        return False
    return rewards == "on" or (rewards == "default" and found.rewards == "on")


def adults_only(legal_class: str) -> bool:
    """Whether a claim asks for age first; of a class that this version does not know it does."""
    found = CLASSES.get(legal_class)
    return found is None or found.adults_only
