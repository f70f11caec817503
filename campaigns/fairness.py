"""How an instant draw decides, so that anyone can check it afterwards.

Before a draw opens, SHA-256 of a secret seed and the hash of the rules are published. Each entry gets the
next number of its shard of the entry log; number and seed alone decide (`roll`), so neither the person, the
pack nor the moment has any influence, and whoever holds the seed cannot change what it will say. When the
draw closes the seed is published, and everything can be recomputed (`campaigns.proofs`).

All encodings, big-endian; text is UTF-8 behind its length in bytes as a 16-bit integer, so that no two
different inputs have the same bytes:

    roll     HMAC-SHA256(seed, "yima-draw-roll-1" ‖ draw id ‖ shard u32 ‖ number u64 ‖ attempt u32),
             the first 64 bits, modulo 10^9; values in the incomplete last cycle are thrown away and the
             next attempt, from 0 up, is taken, so every roll is equally likely
    genesis  SHA-256("yima-draw-log-1" ‖ draw id ‖ shard u32 ‖ seed commitment (32) ‖ rules hash (32))
    link     SHA-256("yima-draw-link-1" ‖ previous (32) ‖ number u64 ‖ prize id u64, 0 for none ‖ entrant)
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import struct
from bisect import bisect_right
from collections.abc import Mapping
from typing import Final
from uuid import UUID

import msgspec

from campaigns.documents import describe
from campaigns.rules import WHOLE_PPB, DrawRules
from kernel.errors import InvalidInput

SEED_BYTES: Final = 32
DRAW_ID_BYTES_MAX: Final = 200
NUMBER_MAX: Final = 2**53 - 1
"""The greatest entry number: what every JSON reader of a proof keeps exactly."""
ROLL_LIMIT: Final = 2**64 - 2**64 % WHOLE_PPB
"""First 64-bit value that is thrown away; below it every roll has the same number of values."""

_ROLL_LABEL: Final = b"yima-draw-roll-1"
_LOG_LABEL: Final = b"yima-draw-log-1"
_LINK: Final = struct.Struct(">16s32sQQH")
_LINK_LABEL: Final = b"yima-draw-link-1"
_TURN: Final = struct.Struct(">QI")
_FIRST_64_BITS: Final = struct.Struct(">Q")
# One attempt fails with a chance of 4·10^-11, so a second is rare and a tenth is a defect.
_ATTEMPTS_MAX: Final = 10


def new_seed() -> bytes:
    """Make a draw's secret seed: 32 bytes from the operating system's generator."""
    return secrets.token_bytes(SEED_BYTES)


def commitment(seed: bytes) -> str:
    """Give SHA-256 of the seed in hex: what is published before the draw opens."""
    return hashlib.sha256(seed).hexdigest()


def roll(seed: bytes, draw_id: str, shard: int, number: int) -> int:
    """Roll for one entry; see `Roller` for many.

    Args:
        seed: The draw's secret, 32 bytes.
        draw_id: The draw, 1 to 200 bytes of UTF-8.
        shard: The part of the entry log, from 0.
        number: The entry's place in the shard's log, from 1.

    Returns:
        An integer from 0 to 10^9 − 1, each as likely as any other.

    Raises:
        InvalidInput: An argument lies outside its limits.
    """
    return Roller(seed, draw_id, shard).roll(number)


class Roller:
    """Rolls for many entries of one shard, keyed once.

    Raises:
        InvalidInput: An argument lies outside its limits (see `roll`).
    """

    __slots__ = ("_state",)

    def __init__(self, seed: bytes, draw_id: str, shard: int) -> None:
        if len(seed) != SEED_BYTES:
            raise InvalidInput(f"seed: must have {SEED_BYTES} bytes, not {len(seed)}")
        # The key and everything but the number and the attempt are hashed once, and copied for each roll.
        self._state = hmac.new(seed, _ROLL_LABEL + _place(draw_id, shard), hashlib.sha256)

    def roll(self, number: int) -> int:
        """Roll for the entry of this number; see the function `roll`."""
        if not 1 <= number <= NUMBER_MAX:
            raise InvalidInput(f"entry number: must be from 1 to {NUMBER_MAX:,}, not {describe(number)}")
        for attempt in range(_ATTEMPTS_MAX):
            state = self._state.copy()
            state.update(_TURN.pack(number, attempt))
            (value,) = _FIRST_64_BITS.unpack_from(state.digest())
            if value < ROLL_LIMIT:
                return int(value % WHOLE_PPB)
        raise RuntimeError(f"entry {number}: no roll in {_ATTEMPTS_MAX} attempts")


def pick(rules: DrawRules, rolled: int) -> int | None:
    """Find the prize that a roll wins while stock lasts: weights laid end to end in order of prize id.

    Args:
        rules: The draw's rules.
        rolled: 0 to 10^9 − 1, from `roll`.

    Returns:
        The prize's id, or None beyond the last weight.
    """
    # A prize of weight 0 ends where the one before it ends, so bisecting to the right steps over it.
    index = bisect_right(rules.bounds, rolled)
    return rules.prizes[index].id if index < len(rules.prizes) else None


class Decision(msgspec.Struct, frozen=True):
    """What an entry gets.

    Attributes:
        prize_id: The prize won, or None.
        rolled_prize_id: The prize the roll named, whether or not there was one left.
        stock_ended: The prize named had run out, so the declared fallback applied.
    """

    prize_id: int | None
    rolled_prize_id: int | None
    stock_ended: bool


def decide(rules: DrawRules, remaining: Mapping[int, int], rolled: int) -> Decision:
    """Decide an entry by its roll and what is left.

    A prize that has run out gives way to the fallback prize the rules declare, while that one's own stock
    lasts; otherwise the entry wins nothing.

    Args:
        rules: The draw's rules.
        remaining: What is left of each prize, by id, in the entry's shard; every prize is in it. The caller
            takes away the prize won.
        rolled: 0 to 10^9 − 1, from `roll`.
    """
    named = pick(rules, rolled)
    if named is None:
        return Decision(None, None, stock_ended=False)
    if remaining[named] > 0:
        return Decision(named, named, stock_ended=False)
    fallback = rules.when_stock_ends
    if isinstance(fallback, int) and remaining[fallback] > 0:
        return Decision(fallback, named, stock_ended=True)
    return Decision(None, named, stock_ended=True)


def genesis(draw_id: str, shard: int, seed_commitment: str, rules_hash: str) -> bytes:
    """Begin a shard's hash chain: it binds the log to the draw, the shard, the seed and the rules.

    Args:
        draw_id: The draw, 1 to 200 bytes of UTF-8.
        shard: The part of the entry log, from 0.
        seed_commitment: As published, 64 hex digits.
        rules_hash: As published, 64 hex digits.

    Returns:
        32 bytes: the head of an empty log.
    """
    bound = bytes.fromhex(seed_commitment) + bytes.fromhex(rules_hash)
    return hashlib.sha256(_LOG_LABEL + _place(draw_id, shard) + bound).digest()


def link(previous: bytes, number: int, entrant: str, prize_id: int | None) -> bytes:
    """Add an entry to a shard's hash chain: changing any earlier entry changes every later head.

    Args:
        previous: The head before, 32 bytes.
        number: The entry's number.
        entrant: The entry's `entrant_tag`.
        prize_id: What it won, or None.

    Returns:
        The new head, 32 bytes.
    """
    who = entrant.encode()
    # Prize ids begin at 1, so 0 can only mean that nothing was won.
    packed = _LINK.pack(_LINK_LABEL, previous, number, 0 if prize_id is None else prize_id, len(who))
    return hashlib.sha256(packed + who).digest()


def entrant_tag(scan_id: UUID) -> str:
    """Give the entrant's name in the published log: the first 128 bits of SHA-256 of the scan id, in hex.

    The entrant holds the scan id as a receipt; nobody else can guess it from the tag. What is hashed is the
    id's usual text in lower case, so that `sha256sum` is enough to find one's own entry.
    """
    return hashlib.sha256(str(scan_id).encode()).hexdigest()[:32]


def _place(draw_id: str, shard: int) -> bytes:
    """Encode draw and shard unambiguously; judge both."""
    try:
        encoded = draw_id.encode()
    except UnicodeEncodeError as error:
        raise InvalidInput("draw: the id holds half a surrogate pair") from error
    if not 1 <= len(encoded) <= DRAW_ID_BYTES_MAX:
        raise InvalidInput(f"draw: the id must have 1 to {DRAW_ID_BYTES_MAX} bytes, not {len(encoded):,}")
    if not 0 <= shard < 2**32:
        raise InvalidInput(f"shard: must be from 0 to 2^32 − 1, not {describe(shard)}")
    return struct.pack(">H", len(encoded)) + encoded + struct.pack(">I", shard)
