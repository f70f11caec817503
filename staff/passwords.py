"""Passwords: what one may be, and how it is hashed (argon2id, parameters as OWASP advises).

A hash takes 19 MiB and some 20 ms of a core, so hashing runs on a few threads of its own, outside any
transaction, and a flood of sign-ins is told to come back instead of filling the memory.
"""

from __future__ import annotations

import asyncio
import os
import threading
import unicodedata
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from kernel.errors import InvalidInput, Unavailable

CHARS_MIN = 12
CHARS_MAX = 128
DISTINCT_MIN = 5
OWN_WORD_CHARS_MIN = 3
BESIDE_OWN_WORDS_CHARS_MIN = 8
MEMORY_KIB = 19 * 1024
HASHES_AT_ONCE_MAX = 4  # 76 MiB
HASHES_WAITING_MAX = 64  # beside those at work: at most two seconds of waiting
RETRY_AFTER_S = 2

_HASHER: Final = PasswordHasher(time_cost=2, memory_cost=MEMORY_KIB, parallelism=1, hash_len=32, salt_len=16)


class _Threads:
    """The threads that hash, and the places at and before them."""

    pool: ThreadPoolExecutor
    places: threading.BoundedSemaphore

    @classmethod
    def renew(cls) -> None:
        """Begin anew: a forked process inherits the pool without its threads, and would wait for them for ever."""
        cls.pool = ThreadPoolExecutor(max_workers=HASHES_AT_ONCE_MAX, thread_name_prefix="argon2")
        cls.places = threading.BoundedSemaphore(HASHES_AT_ONCE_MAX + HASHES_WAITING_MAX)


_Threads.renew()
os.register_at_fork(after_in_child=_Threads.renew)

# The passwords of 12 characters and more that every list of leaked ones begins with.
_WORST: Final = frozenset({
    "1q2w3e4r5t6y", "1qaz2wsx3edc", "1qazxsw23edc", "qazwsxedcrfv", "zaq12wsxcde3", "q1w2e3r4t5y6", "1234qwerasdf",
    "qwerasdfzxcv", "asdfqwerzxcv", "qwertyasdfgh", "qwerty123456", "123456qwerty", "123456789qwe", "qwe123456789",
    "abc123456789", "123456789abc", "abcd12345678", "12345678abcd", "a1b2c3d4e5f6", "aa1234567890", "a12345678910",
    "123456789012", "password1234", "password12345", "password123456", "passw0rd1234", "p@ssw0rd1234", "p@ssword1234",
    "passwordpassword", "administrator", "admin1234567", "admin12345678", "admin123456789", "adminadminadmin",
    "iloveyou1234", "iloveyouforever", "letmeinletmein", "welcome12345", "welcome123456", "changemeplease",
    "changeme1234", "correcthorsebatterystaple", "unbelievable", "basketball12", "liverpool123", "woaini5201314",
    "woaini1314520", "woaini123456", "5201314woaini", "woaiwojia1314", "yima12345678", "yimayimayima",
})  # fmt: skip
_ROWS: Final = ("01234567890123456789", "abcdefghijklmnopqrstuvwxyz", "qwertyuiopasdfghjklzxcvbnm")

Result = TypeVar("Result")


def judge(password: str, *, email: str, name: str) -> None:
    """Whether somebody may have this password.

    Raises:
        InvalidInput: too short, too long, among the worst, or little more than the person's own name or address.
    """
    if not CHARS_MIN <= len(password) <= CHARS_MAX or len(_folded(password)) < CHARS_MIN:
        raise InvalidInput(
            f"A password has {CHARS_MIN} to {CHARS_MAX} characters.", field="password", reason="password_length"
        )
    plain = _folded(password).casefold()
    if len(set(plain)) < DISTINCT_MIN or plain in _WORST or _is_row(plain):
        raise InvalidInput(
            "This password is among the first that anybody tries; take another.",
            field="password",
            reason="password_worst",
        )
    rest = plain
    for word in sorted(_own_words(email, name), key=len, reverse=True):
        rest = rest.replace(word, "")
    if rest != plain and len(rest) < BESIDE_OWN_WORDS_CHARS_MIN:
        raise InvalidInput(
            "This password is little more than your own name or e-mail address.",
            field="password",
            reason="password_own",
        )


def _is_row(plain: str) -> bool:
    return any(plain in row * 2 or plain in row[::-1] * 2 for row in _ROWS)


def _own_words(email: str, name: str) -> set[str]:
    local, _, domain = email.casefold().partition("@")
    words = {email.casefold(), local, domain, *domain.split(".")[:-1], *local.replace("_", ".").split(".")}
    words |= {name.casefold(), "".join(name.casefold().split()), *name.casefold().split()}
    return {word for word in words if len(word) >= OWN_WORD_CHARS_MIN}


def _folded(password: str) -> str:
    """One form for what keyboards and browsers send in several: forms strip white space at the ends, files add it."""
    return unicodedata.normalize("NFKC", password.strip())


def _bytes(password: str) -> bytes:
    return _folded(password).encode("utf-8", "surrogatepass")


async def make(password: str) -> str:
    """The hash of a password that `judge` let pass.

    Raises:
        Unavailable: too many are being hashed.
    """
    assert len(password) <= CHARS_MAX
    return await _on_a_thread(lambda: _HASHER.hash(_bytes(password)))


async def verify(stored: str | None, password: str) -> bool:
    """Whether this is the password; without a stored hash a made-up one is tried, in the same time.

    Raises:
        Unavailable: too many are being hashed.
    """
    return await _on_a_thread(lambda: _verify(stored, password))


def _verify(stored: str | None, password: str) -> bool:
    given = _bytes(password) if len(password) <= CHARS_MAX else b""  # nobody has a longer one
    try:
        _HASHER.verify(stored or _made_up(), given)
    except (VerificationError, InvalidHashError):
        return False
    return stored is not None


def is_outdated(stored: str) -> bool:
    """Whether the hash was made with other parameters than today's."""
    return _HASHER.check_needs_rehash(stored)


class _MadeUp:
    hash: str | None = None


def _made_up() -> str:
    if _MadeUp.hash is None:
        _MadeUp.hash = _HASHER.hash(b"nobody's")
    return _MadeUp.hash


async def _on_a_thread(work: Callable[[], Result]) -> Result:
    places = _Threads.places
    if not places.acquire(blocking=False):
        raise Unavailable(
            "Too many people are signing in; try again in a moment.", retry_after_s=RETRY_AFTER_S, reason="busy"
        )
    running = _Threads.pool.submit(work)
    # given back when the work ends, not when the waiting does: whoever hangs up does not free the memory
    running.add_done_callback(lambda _: places.release())
    return await asyncio.wrap_future(running)
