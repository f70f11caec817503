"""The code scheme for millions of codes at once: the same codes as `codegen.scheme`, by numpy.

Codes are made in chunks of 16,384 with two calls of AES each. Writing them takes constant memory.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Iterable, Iterator
from typing import Any, BinaryIO, Final

import numpy as np
from numpy.typing import NDArray

from codegen import base32
from codegen.scheme import (
    SERIAL_BITS,
    SERIALS_MAX,
    SYMBOLS,
    TAG_BITS,
    CodeKey,
    block_encryptor,
    cmac_subkey,
    derive_keys,
)

CHUNK_CODES: Final = 16_384
"""Codes made at a time: measured fastest (a chunk's buffers stay in the cache), a quarter ahead of 65,536."""

_U64 = np.uint64
_ALPHABET: Final = np.frombuffer(base32.ALPHABET.encode(), np.uint8)
_BAD_PAIR: Final = 0xFFFF


def _quads_table() -> NDArray[np.uint32]:
    """Return the four symbols of every 20-bit number, as they lie in memory."""
    numbers = np.arange(1 << 20, dtype=np.uint32)
    shifts = np.array([15, 10, 5, 0], np.uint32)
    quads: NDArray[np.uint32] = _ALPHABET[numbers[:, None] >> shifts & 31].view(np.uint32)[:, 0]
    return quads


def _pairs_table() -> NDArray[np.uint16]:
    """Return the 10-bit number of every two symbols as they lie in memory; `_BAD_PAIR` for anything else."""
    numbers = np.arange(1 << 10, dtype=np.uint16)
    pairs = _ALPHABET[numbers[:, None] >> np.array([5, 0], np.uint16) & 31].view(np.uint16)[:, 0]
    table = np.full(1 << 16, _BAD_PAIR, np.uint16)
    table[pairs] = numbers
    return table


_QUADS: Final = _quads_table()
_PAIRS: Final = _pairs_table()


class _Buffers:
    """Blocks of a chunk, plain and encrypted. Ciphers that take turns may share one."""

    __slots__ = ("blocks", "encrypted")

    def __init__(self) -> None:
        self.blocks = np.empty((CHUNK_CODES, 2), ">u8")
        # update_into asks for room for one more block, less a byte, than it writes.
        self.encrypted = np.empty((CHUNK_CODES + 1, 2), ">u8")


class _ChunkCipher:
    """Both AES passes of the scheme under one key, for up to `CHUNK_CODES` codes."""

    def __init__(self, key: CodeKey, buffers: _Buffers | None = None) -> None:
        tag_key, seal_key = derive_keys(key)
        self._header = key.header
        self._tag_cipher = block_encryptor(tag_key)
        self._seal_cipher = block_encryptor(seal_key)
        subkey = cmac_subkey(self._tag_cipher)
        self._subkey_high, self._subkey_low = subkey >> 64, subkey & (1 << 64) - 1
        buffers = buffers or _Buffers()
        self._blocks, self._encrypted = buffers.blocks, buffers.encrypted

    def tags(self, serials: NDArray[np.uint64]) -> NDArray[np.uint64]:
        """Return the 55-bit tag of each of the `serials`."""
        blocks = self._blocks[: len(serials)]
        blocks[:, 0] = self._header ^ self._subkey_high
        blocks[:, 1] = serials ^ _U64(self._subkey_low)
        self._tag_cipher.update_into(blocks.data.cast("B"), self._encrypted.data.cast("B"))
        return self._encrypted[: len(serials), 0] >> _U64(64 - TAG_BITS)

    def masks(self, tags: NDArray[np.uint64]) -> NDArray[np.uint64]:
        """Return the 35 bits that hide a serial, for each of the `tags`."""
        blocks = self._blocks[: len(tags)]
        blocks[:, 0] = self._header
        blocks[:, 1] = tags
        self._seal_cipher.update_into(blocks.data.cast("B"), self._encrypted.data.cast("B"))
        return self._encrypted[: len(tags), 0] >> _U64(64 - SERIAL_BITS)


class ChunkSealer:
    """Writes the symbols of up to `CHUNK_CODES` serials of one key at a time."""

    def __init__(self, key: CodeKey) -> None:
        self._key_id = _U64(key.key_id)
        self._cipher = _ChunkCipher(key)
        self._groups = np.empty((5, CHUNK_CODES), _U64)

    def seal_into(self, serials: NDArray[np.uint64], out: NDArray[np.uint8]) -> None:
        """Write each serial's 20 symbols into its row of `out`, shape (n, 20); rows need not be adjacent."""
        tags = self._cipher.tags(serials)
        sealed = serials ^ self._cipher.masks(tags)
        bits20 = _U64(0xFFFFF)
        groups = self._groups[:, : len(serials)]
        groups[0] = self._key_id << _U64(10) | sealed >> _U64(25)
        groups[1] = sealed >> _U64(5) & bits20
        groups[2] = (sealed & _U64(31)) << _U64(15) | tags >> _U64(40)
        groups[3] = tags >> _U64(20) & bits20
        groups[4] = tags & bits20
        # As signed numbers, which numpy takes for indices without a copy.
        out.view(np.uint32)[:] = _QUADS.take(groups.view(np.int64)).T


def _chunks(first_serial: int, count: int, step: int) -> Iterator[tuple[int, NDArray[np.uint64]]]:
    """Yield (number of codes before it, serials) of each chunk."""
    for done in range(0, count, CHUNK_CODES):
        size = min(CHUNK_CODES, count - done)
        start = first_serial + done * step
        yield done, np.arange(start, start + size * step, step, dtype=np.uint64)


def _refuse_bad_range(first_serial: int, count: int, step: int) -> None:
    if count < 0 or step < 1 or first_serial < 0:
        raise ValueError(f"there is no range of {count} codes from serial {first_serial} by steps of {step}")
    if count and first_serial + (count - 1) * step >= SERIALS_MAX:
        raise ValueError(f"serial {first_serial + (count - 1) * step} is beyond the last, {SERIALS_MAX - 1}")


def seal_range(key: CodeKey, first_serial: int, count: int, step: int = 1) -> NDArray[np.uint8]:
    """Return the codes of `count` serials from `first_serial`, `step` apart, as ASCII in shape (count, 20).

    Raises:
        ValueError: a serial is outside 0 to 2^35 - 1.
    """
    _refuse_bad_range(first_serial, count, step)
    sealer = ChunkSealer(key)
    codes = np.empty((count, SYMBOLS), np.uint8)
    for done, serials in _chunks(first_serial, count, step):
        sealer.seal_into(serials, codes[done : done + len(serials)])
    return codes


def open_many(key: CodeKey, codes: NDArray[np.uint8]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Verify codes of one key against it, all at once.

    For files that we hold, not for strangers' requests: the time taken depends on the codes.

    Args:
        key: The key that the codes should be of.
        codes: Canonical symbols as ASCII, shape (n, 20).

    Returns:
        The serials (-1 where the code is not of this key) and whether each code is of this key.

    Raises:
        ValueError: `codes` has another shape or type.
    """
    return _Opener(key, _Buffers()).open(codes)


class _Opener:
    """Opens codes of one key, a chunk at a time."""

    def __init__(self, key: CodeKey, buffers: _Buffers) -> None:
        self._key_id = key.key_id
        self._cipher = _ChunkCipher(key, buffers)

    def open(self, codes: NDArray[np.uint8]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """As `open_many`."""
        if codes.ndim != 2 or codes.shape[1] != SYMBOLS or codes.dtype != np.uint8:
            raise ValueError(f"codes are uint8 of shape (n, {SYMBOLS}), not {codes.dtype} of {codes.shape}")
        serials = np.empty(len(codes), np.int64)
        valid = np.empty(len(codes), np.bool_)
        for start in range(0, len(codes), CHUNK_CODES):
            chunk = slice(start, start + CHUNK_CODES)
            serials[chunk], valid[chunk] = self._open_chunk(codes[chunk])
        return serials, valid

    def _open_chunk(self, codes: NDArray[np.uint8]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        pairs = _PAIRS[np.ascontiguousarray(codes).view(np.uint16)]
        good = (pairs != _BAD_PAIR).all(axis=1) & (pairs[:, 0] == self._key_id)
        wide = pairs.astype(_U64)
        sealed = wide[:, 1] << _U64(25) | wide[:, 2] << _U64(15) | wide[:, 3] << _U64(5) | wide[:, 4] >> _U64(5)
        tags = (wide[:, 4] & _U64(31)) << _U64(50)
        for column in range(5, 10):
            tags |= wide[:, column] << _U64(10 * (9 - column))
        opened = (sealed ^ self._cipher.masks(tags)) & _U64(SERIALS_MAX - 1)
        good &= self._cipher.tags(opened) == tags
        return np.where(good, opened.astype(np.int64), -1), good


class Openers:
    """Opens codes of many keys, mixed: each is verified against the key that its first two symbols name.

    For files that we hold, not for strangers' requests: the time taken depends on the codes.
    """

    def __init__(self, keys: Iterable[CodeKey]) -> None:
        self._keys = {key.key_id: key for key in keys}
        self._made: dict[int, _Opener] = {}
        self._buffers = _Buffers()

    def open(self, codes: NDArray[np.uint8]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """Verify codes, shape (n, 20), each against its own key.

        Returns:
            Their positions (key id << 35 | serial; -1 where the code is of none of the keys) and whether each
            code is of one of them.
        """
        positions = np.full(len(codes), -1, np.int64)
        valid = np.zeros(len(codes), np.bool_)
        if not len(codes):
            return positions, valid
        named = _PAIRS[np.ascontiguousarray(codes[:, :2]).view(np.uint16)[:, 0]]
        if (named == named[0]).all():
            groups: list[Any] = [slice(None)] if int(named[0]) in self._keys else []
        else:
            order = np.argsort(named, kind="stable")
            edges = np.flatnonzero(np.diff(named[order])) + 1
            groups = [part for part in np.split(order, edges) if int(named[part[0]]) in self._keys]
        for group in groups:
            key_id = int(named[group][0])
            serials, good = self._opener(key_id).open(codes[group])
            positions[group] = np.where(good, serials | key_id << SERIAL_BITS, -1)
            valid[group] = good
        return positions, valid

    def _opener(self, key_id: int) -> _Opener:
        if key_id not in self._made:
            self._made[key_id] = _Opener(self._keys[key_id], self._buffers)
        return self._made[key_id]


def write_urls(
    out: BinaryIO,
    key: CodeKey,
    prefix: bytes,
    first_serial: int,
    count: int,
    step: int,
    *,
    pair: bool = False,
    digest: hashlib._Hash | None = None,
    on_progress: Callable[[int], None] | None = None,
) -> str:
    r"""Write `count` lines of codes as URLs, in constant memory.

    Args:
        out: A buffered binary stream. What it is given is overwritten after `write` returns: it must not keep
            it without a copy.
        key: The key to make the codes with.
        prefix: What stands before each code.
        first_serial: Serial of the first line: 2·unit for an outer code, 2·unit + 1 for an inner one.
        count: Lines to write.
        step: Distance from one line's serial to the next one's; 2 where all are of the same side.
        pair: Write `PREFIX OUTER,PREFIX INNER\n` (without the spaces) instead of `PREFIX CODE\n`. The line's
            serial is the outer code's, so `first_serial` and `step` are even.
        digest: A `hashlib.sha256` object to go on with, where these lines follow others in one file.
        on_progress: Called after each chunk with the number of lines written so far.

    Returns:
        SHA-256 of all that was written (and of what `digest` had seen before), in hexadecimal.

    Raises:
        ValueError: a serial is outside 0 to 2^35 - 1, an outer serial odd, or `out` unbuffered.
    """
    _refuse_bad_range(first_serial, count, step)
    if pair and (first_serial % 2 or step % 2):
        raise ValueError("pairs start at an outer serial, which is even, and go on by an even step")
    if isinstance(out, io.RawIOBase):
        raise ValueError("the stream is unbuffered: it may write less than it is given")  # noqa: TRY004
    sealer = ChunkSealer(key)
    fields = [prefix + bytes(SYMBOLS)] * (2 if pair else 1)
    line = np.frombuffer(b",".join(fields) + b"\n", np.uint8)
    lines = np.tile(line, (min(count, CHUNK_CODES), 1))
    at = len(prefix)
    at_inner = at + SYMBOLS + 1 + len(prefix)
    digest = hashlib.sha256() if digest is None else digest
    for done, serials in _chunks(first_serial, count, step):
        chunk = lines[: len(serials)]
        sealer.seal_into(serials, chunk[:, at : at + SYMBOLS])
        if pair:
            sealer.seal_into(serials | _U64(1), chunk[:, at_inner : at_inner + SYMBOLS])
        data = chunk.data.cast("B")
        digest.update(data)
        out.write(data)
        if on_progress is not None:
            on_progress(done + len(serials))
    return digest.hexdigest()
