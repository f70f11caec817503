"""Codes that others made, as the scan path meets them: their patterns are in memory, looked at with the keys."""

from __future__ import annotations

from codegen import foreign
from codegen.foreign import Hasher, Listed, Reader
from kernel.crypto import Vault
from kernel.db import Tx


class Register:
    """The patterns in force as a web process holds them."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault
        self._hasher: Hasher | None = None
        self._reader: Reader | None = None

    async def refresh(self, tx: Tx) -> None:
        """Read the patterns in force; they are few, and change when an import goes live."""
        if self._hasher is None:
            self._hasher = await foreign.load_hasher(tx, self._vault)
        self._reader = Reader(await foreign.load_book(tx), self._hasher)

    @property
    def hosts(self) -> frozenset[str]:
        """Hosts whose addresses are served."""
        return frozenset() if self._reader is None else self._reader.hosts

    def read(self, text: str) -> Listed | None:
        """What a text may be; None, without any I/O, where it fits no pattern in force."""
        return None if self._reader is None else self._reader.read(text)
