"""Who keeps the keys that other keys are sealed under: the environment's masters, or a device (PKCS#11).

Envelope encryption: what is stored is always sealed; the key that opens it never is in the database. A custodian may
be a device that is slow or away, so it is asked off the event loop, for a bounded time, and what it opened is
remembered for as long as the process lives: nothing that is asked for often depends on it.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Protocol, TypeVar

from kernel.errors import ConfigurationError, Unavailable, YimaError

ANSWER_S_MAX: Final = 10.0
"""So long a custodian may take for one question; a device that hangs must not hang the asker."""
REMEMBERED_MAX: Final = 2048
LABEL_CHARS_MAX: Final = 60
"""Of a wrapping key."""
_PROBE: Final = "custody/probe"

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Kept:
    """How something is sealed, told without opening it.

    Attributes:
        custodian: `environment`, `pkcs11`, or `unknown`.
        mark: names the sealing key among that custodian's: 8 hexadecimal digits, nothing secret.
        readable: whether the sealing key is among those configured.
        newest: whether it would be sealed the same way today.
    """

    custodian: str
    mark: str
    readable: bool
    newest: bool


@dataclass(frozen=True, slots=True)
class TokenSettings:
    """Which token, and which keys in it.

    Attributes:
        module: the vendor's library.
        token: the token's label.
        pin: of the token's user.
        keys: labels of wrapping keys, the one that seals last.
    """

    module: Path
    token: str
    pin: str = field(repr=False)
    keys: tuple[str, ...]


class Custodian(Protocol):
    """Seals and opens under keys that it alone holds. Its methods may block; they are called off the event loop."""

    @property
    def name(self) -> str:
        """A word for settings and people."""
        ...

    @property
    def form(self) -> bytes:
        """The first byte of everything that it seals."""
        ...

    @property
    def marks(self) -> Sequence[bytes]:
        """4 bytes for each key that it can open with, the one that seals last."""
        ...

    def seal(self, plain: bytes, context: str) -> bytes:
        """Form, mark (4 bytes) and what is encrypted and authenticated; `context` must be given again to open."""
        ...

    def open(self, sealed: bytes, context: str) -> bytes:
        """What was sealed.

        Raises:
            ConfigurationError: sealed under a key that is not held, or altered, or the custodian is set wrongly.
            Unavailable: the custodian is away.
        """
        ...


class Custody:
    """All custodians of this installation.

    Args:
        sealing: seals what is new.
        others: open what was sealed with them before.
        dual_control: whether a key made here must be released by two people before it is used.
    """

    def __init__(self, sealing: Custodian, others: Sequence[Custodian] = (), *, dual_control: bool = False) -> None:
        self._sealing = sealing
        self._by_form = {each.form: each for each in (*others, sealing)}
        self._opened: OrderedDict[tuple[bytes, str], bytes] = OrderedDict()
        # A thread of its own: one that hangs in a device must not take a place from what else runs in threads.
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="custody")
        self.dual_control = dual_control

    def __repr__(self) -> str:
        return f"Custody({self._sealing.name})"

    @property
    def name(self) -> str:
        """The custodian that seals."""
        return self._sealing.name

    def kept(self, sealed: bytes) -> Kept:
        """How something is sealed; nothing is opened and nobody is asked."""
        custodian, mark = self._by_form.get(sealed[:1]), bytes(sealed[1:5])
        if custodian is None:
            return Kept("unknown", mark.hex(), readable=False, newest=False)
        newest = custodian is self._sealing and mark == custodian.marks[-1]
        return Kept(custodian.name, mark.hex(), readable=mark in custodian.marks, newest=newest)

    async def seal(self, plain: bytes, context: str) -> bytes:
        """Seal with the custodian that is set, and prove that it opens again before anybody relies on it.

        Raises:
            ConfigurationError: the custodian is set wrongly.
            Unavailable: it is away, or does not answer in time.
        """
        sealed = await self._ask(self._sealing.name, lambda: self._seal(plain, context))
        self._remember(sealed, context, plain)
        return sealed

    async def open(self, sealed: bytes, context: str) -> bytes:
        """Open what any of the custodians sealed.

        Raises:
            ConfigurationError: no custodian that is configured holds the key, or it was altered.
            Unavailable: the custodian is away, or does not answer in time.
        """
        [found] = await self.open_all([(sealed, context)])
        if isinstance(found, YimaError):
            raise found
        return found

    async def open_all(self, wanted: Sequence[tuple[bytes, str]]) -> list[bytes | YimaError]:
        """Open many (sealed, context), each by itself: what could not be opened is answered with its error."""
        missing = [
            (bytes(sealed), context) for sealed, context in wanted if (bytes(sealed), context) not in self._opened
        ]
        errors: dict[tuple[bytes, str], YimaError] = {}
        if missing:
            try:
                found = await self._ask(self._name_of(missing[0][0]), lambda: [self._open(*each) for each in missing])
            except Unavailable as error:
                found = [error] * len(missing)
            for each, plain in zip(missing, found, strict=True):
                if isinstance(plain, YimaError):
                    errors[each] = plain
                else:
                    self._remember(*each, plain)
        return [errors.get((bytes(s), c)) or self._opened[bytes(s), c] for s, c in wanted]

    async def probe(self) -> None:
        """Seal and open something, so that a custodian that is set wrongly is found at the start.

        Raises:
            ConfigurationError: it is set wrongly.
            Unavailable: it is away.
        """
        await self._ask(self._sealing.name, lambda: self._seal(b"probe", _PROBE))

    def _seal(self, plain: bytes, context: str) -> bytes:
        sealed = self._sealing.seal(plain, context)
        if self._sealing.open(sealed, context) != plain:
            raise ConfigurationError(f"The custodian {self._sealing.name} does not give back what it sealed.")
        return sealed

    def _name_of(self, sealed: bytes) -> str:
        custodian = self._by_form.get(sealed[:1])
        return self._sealing.name if custodian is None else custodian.name

    def _open(self, sealed: bytes, context: str) -> bytes | YimaError:
        custodian = self._by_form.get(sealed[:1])
        if custodian is None:
            return ConfigurationError(
                "it is sealed by a custodian that is not configured (a token's: set YIMA_PKCS11_MODULE, "
                "YIMA_PKCS11_TOKEN, YIMA_PKCS11_PIN and YIMA_PKCS11_KEY), or it is cut off."
            )
        try:
            return custodian.open(sealed, context)
        except YimaError as error:
            return error

    def _remember(self, sealed: bytes, context: str, plain: bytes) -> None:
        self._opened[sealed, context] = plain
        while len(self._opened) > REMEMBERED_MAX:
            self._opened.popitem(last=False)

    async def _ask(self, name: str, question: Callable[[], Result]) -> Result:
        """Ask a custodian off the event loop, for a bounded time; what waits behind one that hangs is taken back."""
        try:
            async with asyncio.timeout(ANSWER_S_MAX):
                return await asyncio.get_running_loop().run_in_executor(self._thread, question)
        except TimeoutError:
            raise Unavailable(f"The key custodian {name} did not answer within {ANSWER_S_MAX:.0f} s.") from None
