"""Proof of work: asked of whoever is in doubt, before a scan is taken. The form is ALTCHA's.

The server chooses a number and tells SHA-256(salt ‖ number); whoever is asked tries numbers until one fits. The salt
bears an expiry and what the work is for: this scan id, code and device. So nobody's work serves another scan, and one
scan id is one scan: work is used once with nothing stored (as with page tokens, ADR 0052).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import secrets
import time
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import parse_qs
from uuid import UUID

import msgspec
from itsdangerous import Signer

from kernel.crypto import Vault
from kernel.errors import YimaError

ALGORITHM: Final = "SHA-256"
NUMBER_MAX: Final = 60_000
"""Tries at most, half of it on average: a second for a cheap phone, too much for a million codes."""
LIFE_S: Final = 300
CHARS_MAX: Final = 1_000


@dataclass(frozen=True, slots=True)
class Purpose:
    """What work is done for."""

    scan_id: UUID
    code: str
    device_id: str

    @property
    def mark(self) -> str:
        """The purpose as a salt bears it."""
        told = f"{self.scan_id.hex}\x00{self.code}\x00{self.device_id}".encode()
        return hashlib.sha256(told).hexdigest()[:32]


class Solution(msgspec.Struct, forbid_unknown_fields=True):
    """What comes back, as JSON in base64; `took`, in milliseconds, is told by some clients and not looked at."""

    algorithm: str
    challenge: str
    number: int
    salt: str
    signature: str
    took: int | None = None


class ProofWanted(YimaError):
    """Work is to be done before this scan is taken; the detail `challenge` says which."""

    code = "proof_of_work"
    status = 428

    def __init__(self, challenge: dict[str, Any]) -> None:
        super().__init__(
            "Many codes were tried from here. Find the number that the challenge asks for, and send the same scan "
            "again with the header Yima-Proof: {algorithm, challenge, number, salt, signature} in base64.",
            challenge=challenge,
        )


class Work:
    """Sets work and judges what comes back."""

    def __init__(self, vault: Vault) -> None:
        self._signer: Signer = vault.serializer("work").make_signer("yima.work")

    def challenge(self, purpose: Purpose) -> dict[str, Any]:
        """Work for a purpose."""
        # The salt ends with a separator: digits can then not be moved from it into the number.
        salt = f"{secrets.token_hex(12)}?expires={int(time.time()) + LIFE_S}&for={purpose.mark}&"
        challenge = _hash(salt, secrets.randbelow(NUMBER_MAX + 1))
        return {
            "algorithm": ALGORITHM,
            "challenge": challenge,
            "maxnumber": NUMBER_MAX,
            "salt": salt,
            "signature": self._signature(salt, challenge),
        }

    def is_done(self, proof: str | None, purpose: Purpose) -> bool:
        """Whether a proof is of work that was set for this purpose and has not expired."""
        if not proof or len(proof) > CHARS_MAX:
            return False
        try:
            found = msgspec.json.decode(base64.b64decode(proof, validate=True), type=Solution)
        except (binascii.Error, msgspec.DecodeError, ValueError):
            return False
        fields = parse_qs(found.salt.partition("?")[2])
        expires = fields.get("expires", ["0"])[0]
        return (
            found.algorithm == ALGORITHM
            and self._signer.verify_signature(f"{found.salt}{found.challenge}".encode(), found.signature.encode())
            and fields.get("for") == [purpose.mark]
            and time.time() <= int(expires)
            and 0 <= found.number <= NUMBER_MAX
            and _hash(found.salt, found.number) == found.challenge
        )

    def _signature(self, salt: str, challenge: str) -> str:
        return self._signer.get_signature(f"{salt}{challenge}".encode()).decode()


def _hash(salt: str, number: int) -> str:
    return hashlib.sha256(f"{salt}{number}".encode()).hexdigest()


def solve(challenge: dict[str, Any]) -> str:
    """Do the work that was set, as any client does it; returns the proof to be sent."""
    number = next(
        each for each in range(challenge["maxnumber"] + 1) if _hash(challenge["salt"], each) == challenge["challenge"]
    )
    told = {name: challenge[name] for name in ("algorithm", "challenge", "salt", "signature")} | {"number": number}
    return base64.b64encode(msgspec.json.encode(told)).decode()
