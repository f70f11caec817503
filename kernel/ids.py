"""Identifiers that may be shown: random, so that they tell neither volume nor order."""

from __future__ import annotations

import secrets

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # Crockford: no I, L, O, U to misread


def public_id(length: int = 10) -> str:
    """A random identifier of `length` Crockford symbols (5 bits each)."""
    return "".join(secrets.choice(ALPHABET) for _ in range(length))
