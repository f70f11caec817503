"""Sealing at rest, blind indexes and signed tokens, all under the installation's secret keys.

`YIMA_SECRET_KEYS` holds one or more master secrets, the newest last. What is sealed names the master it was
sealed with, so that an older one stays readable until everything is sealed anew. Keys that must never change
with the masters (the blind index of phone numbers, say) are data keys: random, stored sealed.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from collections.abc import Sequence
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from itsdangerous import SignatureExpired, TimestampSigner, URLSafeTimedSerializer
from sqlalchemy import Column, DateTime, LargeBinary, String, Table, func, select
from sqlalchemy.dialects.postgresql import insert

from kernel.custody import Custodian, Custody
from kernel.db import Tx, metadata
from kernel.errors import ConfigurationError

MASTER_BYTES_MIN = 16
CLOCK_SKEW_S_MAX = 10
"""So far ahead of ours may the clock be by which a token was made."""
_VERSION = b"\x01"

data_key = Table(
    "data_key",
    metadata,
    Column("purpose", String(40), primary_key=True),
    Column("sealed", LargeBinary, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
)


class Vault:
    """The master secrets of this installation, and the custody of its most precious keys.

    Args:
        masters: secrets of at least 16 bytes, the newest last.
        custodians: further custodians besides these masters, the one that seals last; without any the masters do.
        sealing: whether the last of `custodians` seals what is new, or only opens what it sealed before.
        dual_control: whether a key made under the custody must be released by two people.

    Raises:
        ConfigurationError: none given, or one is too short.
    """

    name = "environment"
    form = _VERSION

    def __init__(
        self,
        masters: Sequence[str],
        custodians: Sequence[Custodian] = (),
        *,
        sealing: bool = True,
        dual_control: bool = False,
    ) -> None:
        if not masters:
            raise ConfigurationError("YIMA_SECRET_KEYS is not set.")
        for place, master in enumerate(masters, 1):
            if len(master.encode()) < MASTER_BYTES_MIN:
                raise ConfigurationError(f"YIMA_SECRET_KEYS: key {place} has fewer than {MASTER_BYTES_MIN} bytes.")
        self._masters = [master.encode() for master in masters]
        self._sealing = {self._mark(master): AESGCM(_derive(master, "seal")) for master in self._masters}
        self._newest = self._mark(self._masters[-1])
        ranked: list[Custodian] = [self, *custodians] if sealing else [*custodians, self]
        self.custody = Custody(ranked[-1], ranked[:-1], dual_control=dual_control)

    @property
    def marks(self) -> Sequence[bytes]:
        """Marks of the masters, the newest last."""
        return list(self._sealing)

    def __repr__(self) -> str:
        return f"Vault({len(self._masters)} keys)"

    @staticmethod
    def _mark(master: bytes) -> bytes:
        return _derive(master, "mark")[:4]

    def seal(self, plain: bytes, context: str) -> bytes:
        """Encrypt and authenticate (AES-256-GCM); `context` must be given again to open."""
        nonce = os.urandom(12)
        return _VERSION + self._newest + nonce + self._sealing[self._newest].encrypt(nonce, plain, context.encode())

    def open(self, sealed: bytes, context: str) -> bytes:
        """Decrypt what `seal` made.

        Raises:
            ConfigurationError: sealed under a master that is no longer configured, or changed since.
        """
        cipher = self._sealing.get(bytes(sealed[1:5]))
        if sealed[:1] != _VERSION or cipher is None:
            raise ConfigurationError(
                "Stored data is sealed under a secret key that YIMA_SECRET_KEYS does not hold; "
                "put the older key back in front of the newest."
            )
        try:
            return cipher.decrypt(bytes(sealed[5:17]), bytes(sealed[17:]), context.encode())
        except (InvalidTag, ValueError) as error:
            raise ConfigurationError(f"Sealed data for {context!r} was altered or belongs elsewhere.") from error

    def serializer(self, purpose: str) -> URLSafeTimedSerializer:
        """A signer of short-lived tokens; tokens of older masters stay valid while those are configured."""
        return URLSafeTimedSerializer(
            [_derive(master, "token") for master in self._masters],
            salt=f"yima.{purpose}",
            signer=_Signer,
            signer_kwargs={"digest_method": hashlib.sha256, "key_derivation": "hmac"},
        )


class _Signer(TimestampSigner):
    """Takes a token that seems to come from the near future: another process's clock is a little ahead of ours."""

    def unsign(self, signed_value: str | bytes, max_age: int | None = None, return_timestamp: bool = False) -> Any:  # noqa: ANN401 (itsdangerous's signature)
        """Verify the signature, and the age where there is a limit.

        Raises:
            SignatureExpired: too old, or from further ahead than clocks may differ.
            BadSignature: not ours.
        """
        value, made_at = super().unsign(signed_value, return_timestamp=True)
        age_s = self.get_timestamp() - made_at.timestamp()
        if max_age is not None and not -CLOCK_SKEW_S_MAX <= age_s <= max_age:
            raise SignatureExpired(f"The token's age is {age_s:g} s.", payload=value, date_signed=made_at)
        return (value, made_at) if return_timestamp else value


def _derive(master: bytes, purpose: str) -> bytes:
    return hmac.new(master, f"yima/{purpose}/1".encode(), hashlib.sha256).digest()


class BlindIndex:
    """A keyed hash that finds equal values without storing them (phone numbers, device ids)."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def of(self, kind: str, value: str) -> bytes:
        """16 bytes that are equal for equal (kind, value) and tell nothing else."""
        return hmac.digest(self._key, f"{kind}\x00{value}".encode(), "sha256")[:16]


async def load_data_key(tx: Tx, vault: Vault, purpose: str) -> bytes:
    """The installation's data key for `purpose`, made on first use (safe when two processes start at once)."""
    sealed = vault.seal(secrets.token_bytes(32), f"data_key/{purpose}")
    await tx.execute(insert(data_key).values(purpose=purpose, sealed=sealed).on_conflict_do_nothing())
    stored = await tx.execute(select(data_key.c.sealed).where(data_key.c.purpose == purpose))
    return vault.open(stored.scalar_one(), f"data_key/{purpose}")


async def reseal_data_keys(tx: Tx, vault: Vault) -> int:
    """Seal data keys anew that are under an older master; returns how many were."""
    query = select(data_key.c.purpose, data_key.c.sealed).order_by(data_key.c.purpose).with_for_update()
    older = [row for row in await tx.execute(query) if bytes(row.sealed[1:5]) != vault.marks[-1]]
    for purpose, sealed in older:
        context = f"data_key/{purpose}"
        fresh = vault.seal(vault.open(sealed, context), context)
        await tx.execute(data_key.update().where(data_key.c.purpose == purpose).values(sealed=fresh))
    return len(older)
