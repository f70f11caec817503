"""Bearer tokens: signed, so that a scan's member is known without asking the database.

Whether the member still exists is learned with the scan's other facts.
"""

from __future__ import annotations

import time

import msgspec
from itsdangerous import BadSignature, SignatureExpired, URLSafeTimedSerializer

from kernel.crypto import Vault
from kernel.errors import NotAuthenticated

LIFE_DAYS = 90
_CHARS_MAX = 400
_KEPT_MAX = 20_000
"""Tokens whose signature was found good are known again until they expire; about 400 bytes each."""


class Bearer(msgspec.Struct, frozen=True):
    """Who bears the token."""

    member_id: int
    brand_id: int


class Tokens:
    """Issues and verifies bearer tokens of members."""

    def __init__(self, vault: Vault) -> None:
        self._serializer: URLSafeTimedSerializer = vault.serializer("member")
        self._verified: dict[str, tuple[Bearer, float]] = {}

    def issue(self, member_id: int, brand_id: int) -> str:
        """A token that lasts 90 days."""
        return str(self._serializer.dumps([member_id, brand_id]))

    def verify(self, token: str) -> Bearer:
        """Who bears this token.

        Raises:
            NotAuthenticated: forged, cut, or expired; the sentence says which.
        """
        known = self._verified.get(token)
        if known is not None and time.time() < known[1]:
            return known[0]
        if len(token) > _CHARS_MAX:
            raise NotAuthenticated("The bearer token is not one of ours.")
        try:
            (member_id, brand_id), signed_at = self._serializer.loads(
                token, max_age=LIFE_DAYS * 86_400, return_timestamp=True
            )
        except SignatureExpired as error:
            raise NotAuthenticated("The bearer token has expired: sign in again.") from error
        except BadSignature as error:
            raise NotAuthenticated("The bearer token is not one of ours.") from error
        bearer = Bearer(int(member_id), int(brand_id))
        if len(self._verified) >= _KEPT_MAX:
            self._verified.clear()
        self._verified[token] = bearer, signed_at.timestamp() + LIFE_DAYS * 86_400
        return bearer
