"""Codes that others made: found by a keyed hash of their text, which is all that is stored of them (ADR 0036).

Such a code bears no signature: whoever guesses it has it. It is therefore looked up under the limits of forged codes
(`scanapi.limits`), and a text that fits no pattern in force is never looked up at all.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final

from sqlalchemy import text

from codegen.patterns import Book, declare
from codegen.scheme import SERIAL_BITS, VerifiedCode
from kernel.crypto import Vault, load_data_key
from kernel.db import Tx

HASH_BYTES: Final = 16
DATA_KEY: Final = "foreign-codes"
_PERSON: Final = b"yima.foreign.1"
_SERIAL_MASK: Final = (1 << SERIAL_BITS) - 1


class Hasher:
    """Turns a code into what it is found by: keyed BLAKE2b (RFC 7693), cut to 128 bits.

    Args:
        key: the installation's data key of `DATA_KEY`.
    """

    __slots__ = ("_key",)

    def __init__(self, key: bytes) -> None:
        self._key = key

    def of(self, space: str, code: str) -> bytes:
        """16 bytes that are equal for equal codes of a space and tell nothing else."""
        said = f"{space}\0{code}".encode()
        return hashlib.blake2b(said, digest_size=HASH_BYTES, key=self._key, person=_PERSON).digest()


@dataclass(frozen=True, slots=True)
class Listed:
    """A text that may be a code somebody else made.

    Attributes:
        text: as it is to be sent again: without white space around it.
        hashes: what its readings are found by, the likeliest first.
        host: of the address, or None.
    """

    text: str
    hashes: tuple[bytes, ...]
    host: str | None

    @property
    def unfound(self) -> VerifiedCode:
        """Stands for the code until its group has looked it up: a position that no batch ever holds."""
        return VerifiedCode(self.text, -1, -1)

    def found(self, units: Mapping[bytes, int]) -> VerifiedCode | None:
        """The code by what `look_up` found; None where it is nobody's."""
        unit_id = next((units[each] for each in self.hashes if each in units), None)
        return None if unit_id is None else code_of(self.text, unit_id)


class Reader:
    """Recognises what may be a code of others, without any I/O.

    Args:
        book: the patterns in force.
        hasher: the installation's.
    """

    __slots__ = ("_book", "_hasher")

    def __init__(self, book: Book, hasher: Hasher) -> None:
        self._book = book
        self._hasher = hasher

    @property
    def hosts(self) -> frozenset[str]:
        """Hosts whose addresses are served."""
        return self._book.hosts

    def read(self, text: str) -> Listed | None:
        """What a text may be; None where it fits no pattern in force."""
        readings = self._book.read(text)
        if not readings:
            return None
        hashes = tuple(self._hasher.of(space, code) for space, code in readings)
        return Listed(text.strip(), hashes, readings[0][0].partition("/")[0] or None)


async def load_reader(tx: Tx, vault: Vault) -> Reader:
    """The reader as things stand."""
    return Reader(await load_book(tx), await load_hasher(tx, vault))


async def load_hasher(tx: Tx, vault: Vault) -> Hasher:
    """The installation's hasher; its key is made on first use."""
    return Hasher(await load_data_key(tx, vault, DATA_KEY))


async def load_book(tx: Tx) -> Book:
    """The patterns in force: of every import that is live."""
    rows = await tx.execute(
        text("SELECT DISTINCT template, alphabet, length_min, length_max FROM code_import WHERE state = 'live'")
    )
    return Book(
        declare(template, alphabet=alphabet, length_min=low, length_max=high) for template, alphabet, low, high in rows
    )


_LOOK_UP = text("""
    SELECT f.hash, f.unit_id FROM foreign_code f
    WHERE f.hash = ANY(CAST(:hashes AS bytea[]))
        AND EXISTS (SELECT 1 FROM batch b WHERE b.span @> (f.unit_id << 1) AND b.origin = 'imported')
""")


async def look_up(tx: Tx, hashes: Collection[bytes]) -> dict[bytes, int]:
    """The unit ids of those codes that are live, for many codes in one statement."""
    if not hashes:
        return {}
    rows = await tx.execute(_LOOK_UP, {"hashes": sorted(hashes)})
    return {bytes(found): unit_id for found, unit_id in rows}


def code_of(symbols: str, unit_id: int) -> VerifiedCode:
    """A listed code as the rooms above know codes; `symbols` is its text as it was given."""
    position = unit_id << 1
    return VerifiedCode(symbols, position >> SERIAL_BITS, position & _SERIAL_MASK)
