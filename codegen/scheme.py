"""The code scheme: 20 symbols that say which unit this is and that nobody else can make.

A code is 100 bits, written in Crockford's base 32::

    key id (10 bits)   sealed serial (35 bits)   tag (55 bits)

Deterministic authenticated encryption in the manner of SIV (RFC 5297). With `header` = scheme version (1
byte), key id (2 bytes, big-endian), five zero bytes::

    tag           = first 55 bits of AES-256-CMAC(tag key, header || serial as 8 bytes)
    sealed serial = serial XOR first 35 bits of AES-256(seal key, header || tag as 8 bytes)

Both keys derive from the key's secret by itsdangerous, with a salt for each. CMAC (RFC 4493) of one full
block is AES of the block XOR a subkey. Nothing here does input or output: a forged code costs microseconds.
"""

from __future__ import annotations

import hashlib
import re
import secrets
import threading
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, Literal
from urllib.parse import unquote

import msgspec
from cryptography.hazmat.primitives.ciphers import Cipher, CipherContext
from cryptography.hazmat.primitives.ciphers.algorithms import AES256
from cryptography.hazmat.primitives.ciphers.modes import ECB
from itsdangerous import Signer
from itsdangerous.signer import SigningAlgorithm

from codegen import base32
from kernel.errors import InvalidInput

SCHEME_VERSION: Final = 1
SYMBOLS: Final = 20
KEY_ID_BITS: Final = 10
SERIAL_BITS: Final = 35
TAG_BITS: Final = 55
SERIALS_MAX: Final = 1 << SERIAL_BITS
"""Serials of one key; the greatest serial is one less."""

TEXT_CHARS_MAX: Final = 2_000
"""Longest text that `parse` looks at."""

_TYPED_CHARS_MAX: Final = 200  # a code, generously grouped; bounds the work of Unicode normalisation
_HOST_CHARS_MAX: Final = 253  # RFC 1035
_SERIAL_MASK: Final = (1 << SERIAL_BITS) - 1
_TAG_MASK: Final = (1 << TAG_BITS) - 1
_TAG_SALT: Final = b"yima.code.tag.v1"
_SEAL_SALT: Final = b"yima.code.seal.v1"


@dataclass(frozen=True, slots=True)
class CodeKey:
    """A signing key: its id is printed in every code made with it, its secret never leaves the installation.

    Raises:
        ValueError: the id is outside 0 to 1,023, or the secret shorter than 32 bytes.
    """

    key_id: int
    secret: bytes = field(repr=False)

    def __post_init__(self) -> None:
        if not 0 <= self.key_id < 1 << KEY_ID_BITS:
            raise ValueError(f"key id {self.key_id} is outside 0 to {(1 << KEY_ID_BITS) - 1}")
        if len(self.secret) < 32:
            raise ValueError(f"the secret of key {self.key_id} has {len(self.secret)} bytes; it needs 32 or more")

    @property
    def header(self) -> int:
        """The first half of every block under this key, as a 64-bit big-endian number."""
        return SCHEME_VERSION << 56 | self.key_id << 40


def block_encryptor(key: bytes) -> CipherContext:
    """Return an AES-256 context that encrypts any number of 16-byte blocks, each for itself."""
    # ECB is the bare block cipher, which is what CMAC of one block and the seal are made of.
    return Cipher(AES256(key), ECB()).encryptor()  # noqa: S305


def cmac_subkey(encryptor: CipherContext) -> int:
    """Return CMAC's subkey K1 (RFC 4493, section 2.3) as a 128-bit number: the one for a full last block."""
    doubled = int.from_bytes(encryptor.update(bytes(16))) << 1
    return doubled ^ (1 << 128 | 0x87) if doubled >> 128 else doubled


class _BlockCipher(threading.local):
    """AES-256 under one key, its context kept for each thread: a context must not be shared between them."""

    def __init__(self, key: bytes) -> None:
        encryptor = block_encryptor(key)
        self.subkey = cmac_subkey(encryptor)
        self.encrypt = encryptor.update


class BlockCmac(SigningAlgorithm):
    """AES-CMAC (RFC 4493) of exactly one block, cut to 55 bits, for `itsdangerous.Signer`.

    A signature is the 55 bits as a number in 7 big-endian bytes. An instance serves the key of one signer.
    """

    def __init__(self) -> None:
        self._ciphers: dict[bytes, _BlockCipher] = {}

    def get_signature(self, key: bytes, value: bytes) -> bytes:
        """Return the tag of the 16 bytes `value` under the 32 bytes `key`.

        Raises:
            ValueError: `value` is not one block, or `key` not one of AES-256.
        """
        if len(value) != 16:
            raise ValueError(f"a block has 16 bytes, not {len(value)}")
        cipher = self._ciphers.get(key)
        if cipher is None:
            cipher = self._ciphers.setdefault(key, _BlockCipher(key))
        mac = cipher.encrypt((int.from_bytes(value) ^ cipher.subkey).to_bytes(16))
        return (int.from_bytes(mac[:7]) >> 1).to_bytes(7)


def tag_signer(key: CodeKey) -> Signer:
    """Return the signer whose signature of a block is the code's tag."""
    return Signer(
        key.secret, salt=_TAG_SALT, key_derivation="hmac", digest_method=hashlib.sha256, algorithm=BlockCmac()
    )


def derive_keys(key: CodeKey) -> tuple[bytes, bytes]:
    """Return the 32-byte tag key and the 32-byte seal key of `key`."""
    seal = Signer(key.secret, salt=_SEAL_SALT, key_derivation="hmac", digest_method=hashlib.sha256)
    return tag_signer(key).derive_key(), seal.derive_key()


class Sealer:
    """Makes and opens the codes of one key. The keys are derived once; any number of threads may share it."""

    __slots__ = ("_algorithm", "_header", "_seal_cipher", "_tag_key", "key_id")

    def __init__(self, key: CodeKey) -> None:
        self.key_id: Final = key.key_id
        self._header = key.header << 64
        # Signer.sign would derive the key again for every code: its algorithm is called directly instead.
        self._algorithm = tag_signer(key).algorithm
        self._tag_key, seal_key = derive_keys(key)
        self._seal_cipher = _BlockCipher(seal_key)

    def __repr__(self) -> str:
        return f"Sealer(key_id={self.key_id})"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Sealer):
            return NotImplemented
        return (self._header, self._tag_key) == (other._header, other._tag_key)

    def __hash__(self) -> int:
        return hash((self._header, self._tag_key))

    def seal(self, serial: int) -> str:
        """Return the 20 symbols of `serial`.

        Raises:
            ValueError: `serial` is outside 0 to 2^35 - 1.
        """
        if not 0 <= serial < SERIALS_MAX:
            raise ValueError(f"serial {serial} is outside 0 to {SERIALS_MAX - 1}")
        tag = int.from_bytes(self._algorithm.get_signature(self._tag_key, self._block(serial)))
        sealed = serial ^ self._mask(tag)
        return base32.encode((self.key_id << SERIAL_BITS | sealed) << TAG_BITS | tag, SYMBOLS)

    def open(self, code20: str) -> int | None:
        """Return the serial of the 20 canonical symbols `code20`, or None if this key did not make them."""
        if len(code20) != SYMBOLS:
            return None
        try:
            number = base32.decode(code20)
        except ValueError:
            return None  # no code at all, so none of this key's
        return self.unseal(number) if number >> (SERIAL_BITS + TAG_BITS) == self.key_id else None

    def unseal(self, number: int) -> int | None:
        """Return the serial in a code's 100 bits if their tag is this key's, else None.

        The key id among the bits is not looked at: the caller has chosen the key by it.
        """
        tag = number & _TAG_MASK
        serial = number >> TAG_BITS & _SERIAL_MASK ^ self._mask(tag)
        block = self._block(serial)
        return serial if self._algorithm.verify_signature(self._tag_key, block, tag.to_bytes(7)) else None

    def _block(self, low: int) -> bytes:
        return (self._header | low).to_bytes(16)

    def _mask(self, tag: int) -> int:
        return int.from_bytes(self._seal_cipher.encrypt(self._block(tag))[:5]) >> 5


Reason = Literal["empty", "too_long", "wrong_length", "bad_symbol", "unknown_url", "repeated_ai"]


class MalformedCode(InvalidInput):
    """The text is no code, in none of the forms a code has. The text is not repeated: it may be a prize."""

    code = "malformed_code"

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message, reason=reason)
        self.reason: Final = reason


class ParsedCode(msgspec.Struct, frozen=True):
    """A text that has the form of a code; whether it is one is for `Ring.verify` to say.

    Attributes:
        symbols: The 20 canonical symbols.
        key_id: The key that the symbols name.
        url_gtin: The 14 digits of a GS1 Digital Link, as they stand there (the check digit is not looked at,
            so that a changed GTIN is a forgery and not a typing error); None in the other forms.
        host: The URL's host in lower case without its port, to be recorded and never relied on; None if the
            code was typed.
    """

    symbols: str
    key_id: int
    url_gtin: str | None = None
    host: str | None = None


class VerifiedCode(msgspec.Struct, frozen=True):
    """A code that one of our keys made. That it was ever issued is not said."""

    symbols: str
    key_id: int
    serial: int
    url_gtin: str | None = None

    @property
    def position(self) -> int:
        """Where the code stands among those of all keys: the number that batches' ranges are made of."""
        return self.key_id << SERIAL_BITS | self.serial

    @property
    def unit_id(self) -> int:
        """The unit that bears the code: its outer and its inner code share it."""
        return self.position >> 1

    @property
    def side(self) -> Literal["outer", "inner"]:
        """Where on the unit the code is: outside for tracing, or under the cap for the reward."""
        return "inner" if self.serial & 1 else "outer"


_WEB_URL: Final = re.compile(
    r"(?ai:https?)://"
    r"(?P<host>[\w.-]+|\[[0-9A-Fa-f:.]+\])"  # no user name before it: it makes one host look like another
    r"(?::[0-9]{0,5})?"
    r"(?P<path>/[^?#]*)?(?:\?(?P<query>[^#]*))?(?:#.*)?",
    re.DOTALL,
)
_GTIN_14: Final = re.compile("[0-9]{14}")
_KEY_IDS: Final = {base32.encode(key_id, 2): key_id for key_id in range(1 << KEY_ID_BITS)}
# Where a link may say more than product and unit: the variant (22) and the maker's lot (10) stand between them.
_LINK_ORDERS: Final = frozenset({("01", "21"), ("01", "22", "21"), ("01", "10", "21"), ("01", "22", "10", "21")})
# A code exactly as it is printed, by itself or in one of the two URLs: what scanners send. It is recognised at
# one blow; everything else takes the forgiving way below, which judges these the same.
_PRINTED: Final = re.compile(
    r"(?:HTTPS?://([A-Z0-9.-]{1,253})(?::[0-9]{0,5})?(?:/Q/|/01/([0-9]{14})/21/))?([0-9A-HJKMNP-TV-Z]{20})",
    re.ASCII,
)


def parse(text: str) -> ParsedCode:
    """Return the code in `text`: 20 symbols as people type them, or a URL of one of the two printed forms.

    A GS1 Digital Link may also name variant (22) and lot (10), and have attributes in its query; they are passed
    over. Forgiven are small letters, O for 0, I and L for 1, hyphens and spaces anywhere, full-width letters; in a
    URL also a slash at the end, a query, a fragment, and one layer of percent-encoding.

    Raises:
        MalformedCode: it is neither. Nothing else is raised, whatever the text.
    """
    printed = _PRINTED.fullmatch(text)
    if printed is not None:
        host, printed_gtin, symbols = printed.groups()
        return ParsedCode(symbols, _KEY_IDS[symbols[:2]], printed_gtin, host and host.lower())
    if len(text) > TEXT_CHARS_MAX:
        raise MalformedCode("too_long", f"A code or its URL has at most {TEXT_CHARS_MAX:,} characters.")
    text = text.strip()
    if "://" not in text:
        return _parse_symbols(text)
    url = _WEB_URL.fullmatch(text)
    if url is None or len(url["host"]) > _HOST_CHARS_MAX:
        raise MalformedCode("unknown_url", "This is no http or https URL with a plain host.")
    # Decoded after splitting, so that an encoded slash separates nothing.
    segments = [unquote(segment) for segment in (url["path"] or "/").removesuffix("/").split("/")[1:]]
    gtin: str | None
    match segments:
        case [("Q" | "q"), symbols]:
            gtin = None
        case ["01", gtin, *_, symbols] if _GTIN_14.fullmatch(gtin):
            _judge_link(segments[::2], url["query"] or "")
        case _:
            raise _unknown_path()
    return _parse_symbols(symbols, gtin, url["host"].lower())


def _judge_link(ais: list[str], query: str) -> None:
    """Refuse a Digital Link whose AIs stand in no right order, or one of them twice, in path or query."""
    named = [name for parameter in query.split("&") if (name := parameter.partition("=")[0]).isdecimal()]
    seen: set[str] = set()
    for ai in [*ais, *named]:
        if ai in seen:
            raise MalformedCode("repeated_ai", "The GS1 Digital Link says one thing twice: it holds an AI twice.")
        seen.add(ai)
    if tuple(ais) not in _LINK_ORDERS:
        raise _unknown_path()


def _unknown_path() -> MalformedCode:
    return MalformedCode("unknown_url", "The URL's path is neither /Q/CODE nor /01/GTIN/21/CODE.")


def _parse_symbols(text: str, gtin: str | None = None, host: str | None = None) -> ParsedCode:
    if len(text) > _TYPED_CHARS_MAX:
        raise MalformedCode("wrong_length", f"A code has {SYMBOLS} symbols; this text is far longer.")
    symbols = base32.normalise(text)
    if not symbols:
        raise MalformedCode("empty", "There is no code in the text.")
    if len(symbols) != SYMBOLS:
        raise MalformedCode("wrong_length", f"A code has {SYMBOLS} symbols; this text has {len(symbols)}.")
    try:
        number = base32.decode(symbols)
    except ValueError:
        raise MalformedCode("bad_symbol", "A code holds digits and letters only, and never the letter U.") from None
    return ParsedCode(symbols, number >> (SERIAL_BITS + TAG_BITS), gtin, host)


# Opens what names an unknown key, so that a forger cannot tell by the time taken which keys exist.
_DECOY: Final = Sealer(CodeKey(0, secrets.token_bytes(32)))


class Ring(Mapping[int, Sealer]):
    """The keys in use, by key id: an immutable mapping to their sealers.

    Raises:
        ValueError: two keys have the same id.
    """

    __slots__ = ("_sealers",)

    def __init__(self, keys: Iterable[CodeKey] = ()) -> None:
        self._sealers: dict[int, Sealer] = {}
        for key in keys:
            self._add(key)

    def __getitem__(self, key_id: int) -> Sealer:
        return self._sealers[key_id]

    def __iter__(self) -> Iterator[int]:
        return iter(self._sealers)

    def __len__(self) -> int:
        return len(self._sealers)

    def __repr__(self) -> str:
        return f"Ring(key_ids={sorted(self._sealers)})"

    def with_key(self, key: CodeKey) -> Ring:
        """Return a ring with `key` besides those of this one; a key that is already in it changes nothing.

        Raises:
            ValueError: another key has the same id.
        """
        return self.with_keys([key])

    def with_keys(self, keys: Iterable[CodeKey]) -> Ring:
        """Return a ring with `keys` besides those of this one; keys that are already in it change nothing.

        Raises:
            ValueError: another key has the same id.
        """
        ring = Ring()
        ring._sealers.update(self._sealers)
        for key in keys:
            if key.key_id not in ring or ring[key.key_id] != Sealer(key):
                ring._add(key)
        return ring

    def replaced(self, keys: Iterable[CodeKey], *, kept: Iterable[int]) -> Ring:
        """Return a ring of `keys`, and of those of this one that are `kept` and not among them."""
        ring = Ring(keys)
        for key_id in kept:
            if key_id not in ring and key_id in self._sealers:
                ring._sealers[key_id] = self._sealers[key_id]
        return ring

    def verify(self, parsed: ParsedCode) -> VerifiedCode | None:
        """Return the code behind `parsed`, or None if it is forged: an unknown key or a wrong tag."""
        sealer = self._sealers.get(parsed.key_id)
        serial = (sealer or _DECOY).unseal(base32.decode(parsed.symbols))
        if sealer is None or serial is None:
            return None
        return VerifiedCode(parsed.symbols, parsed.key_id, serial, parsed.url_gtin)

    def _add(self, key: CodeKey) -> None:
        if key.key_id in self._sealers:
            raise ValueError(f"two keys have the id {key.key_id}")
        self._sealers[key.key_id] = Sealer(key)
