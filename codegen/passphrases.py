"""Encryption with a passphrase in the `age` format, as a stream.

`pyrage` encrypts with a passphrase in memory only, which a file of millions of codes does not fit. The format is
age-encryption.org/v1: a header with the file key wrapped under scrypt, then ChaCha20-Poly1305 in chunks of 64 KiB. It
is written here and never read; tests open it with `pyrage` and with the `age` command.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from typing import BinaryIO, Final, Protocol

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from kernel.errors import InvalidInput

CHARS_MIN: Final = 12
CHARS_MAX: Final = 200
WORK: Final = 17
"""log2 of scrypt's work factor: 128 MB of memory for a third of a second, each time somebody tries a passphrase."""
_CHUNK_BYTES: Final = 65_536
_LABEL: Final = b"age-encryption.org/v1/scrypt"


class Readable(Protocol):
    """What can be read block by block."""

    def read(self, size: int) -> bytes:
        """Some bytes, at most so many; none at the end."""
        ...


def judge(passphrase: str) -> str:
    """The passphrase, if it is good enough.

    Raises:
        InvalidInput: it is too short or too long; it is never repeated.
    """
    if not CHARS_MIN <= len(passphrase) <= CHARS_MAX:
        raise InvalidInput(f"A passphrase has {CHARS_MIN} to {CHARS_MAX} characters.", field="passphrase")
    return passphrase


def encrypt(reader: Readable, out: BinaryIO, passphrase: str) -> None:
    """Encrypt all that `reader` gives.

    Args:
        reader: the plain text.
        out: where to.
        passphrase: kept nowhere.
    """
    file_key = secrets.token_bytes(16)
    out.write(_header(file_key, passphrase))
    nonce = secrets.token_bytes(16)
    out.write(nonce)
    cipher = ChaCha20Poly1305(_derive(file_key, salt=nonce, info=b"payload"))
    chunk, number = _chunk(reader), 0
    while True:
        following = _chunk(reader) if len(chunk) == _CHUNK_BYTES else b""
        last = not following
        out.write(cipher.encrypt(number.to_bytes(11, "big") + bytes([last]), chunk, None))
        if last:
            return
        chunk, number = following, number + 1


def _header(file_key: bytes, passphrase: str) -> bytes:
    salt = secrets.token_bytes(16)
    wrapping = Scrypt(salt=_LABEL + salt, length=32, n=1 << WORK, r=8, p=1).derive(passphrase.encode())
    wrapped = ChaCha20Poly1305(wrapping).encrypt(bytes(12), file_key, None)
    header = b"age-encryption.org/v1\n-> scrypt %s %d\n%s\n---" % (_base64(salt), WORK, _base64(wrapped))
    mark = hmac.digest(_derive(file_key, salt=None, info=b"header"), header, hashlib.sha256)
    return header + b" " + _base64(mark) + b"\n"


def _derive(key: bytes, *, salt: bytes | None, info: bytes) -> bytes:
    return HKDF(algorithm=hashes.SHA256(), length=32, salt=salt, info=info).derive(key)


def _base64(data: bytes) -> bytes:
    return base64.b64encode(data).rstrip(b"=")


def _chunk(reader: Readable) -> bytes:
    """A whole chunk, or what is left."""
    found = bytearray()
    while len(found) < _CHUNK_BYTES and (block := reader.read(_CHUNK_BYTES - len(found))):
        found += block
    return bytes(found)
