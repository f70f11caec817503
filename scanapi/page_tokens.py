"""Page tokens: proof that a landing page of ours was opened for a code, by a device, for one scan.

A token is bound to the code, the device and the scan id that the page was given. One scan id is one scan, in whichever
process it arrives: the same body again is a replay, another one a conflict. So a token serves one scan, and nothing
has to be stored or asked for that.
"""

from __future__ import annotations

import hashlib
from typing import Final, Literal
from uuid import UUID

from itsdangerous import BadSignature, URLSafeTimedSerializer

from kernel.crypto import Vault

LIFE_S: Final = 300
CHARS_MAX: Final = 400

PageState = Literal["app", "good", "missing", "wrong", "reused"]


class PageTokens:
    """Makes and judges them."""

    def __init__(self, vault: Vault) -> None:
        self._signer: URLSafeTimedSerializer = vault.serializer("page")

    def make(self, symbols: str, device_id: str, scan_id: UUID) -> str:
        """A token for one scan of a code by a device."""
        return str(self._signer.dumps([_bound(symbols, device_id), scan_id.hex]))

    def judge(self, token: str | None, symbols: str, device_id: str, scan_id: UUID) -> PageState:
        """How a scan's token is: `good`; `missing`; `wrong` (forged, expired, another code's or device's); `reused`.

        `reused` is a good token of another scan.
        """
        if not token:
            return "missing"
        if len(token) > CHARS_MAX:
            return "wrong"
        try:
            told = self._signer.loads(token, max_age=LIFE_S)
        except BadSignature:
            return "wrong"
        match told:
            case [bound, made_for] if bound == _bound(symbols, device_id):
                return "good" if made_for == scan_id.hex else "reused"
        return "wrong"


def _bound(symbols: str, device_id: str) -> str:
    return hashlib.sha256(f"{symbols}\x00{device_id}".encode()).hexdigest()[:32]
