"""What a read-back comes to: each symbol held against what was issued, and the sums."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from codegen import verification
from codegen.foreign import Reader
from codegen.ranges import BLOCKING_STATES
from codegen.readback import ReadSymbol
from codegen.scheme import SYMBOLS, Ring
from codegen.verification import Verification
from kernel.db import Tx

KINDS: Final = ("good", "one_decoder", "duplicate", "wrong_host", "stopped", "forged", "foreign")
"""What a symbol is, the best first: read by both decoders and in order; read by one only; there more than once;
with another host than its batch was printed with; void, recalled, frozen or expired; of the form of a code and not
issued here; somebody else's address or text."""

_VERIFIED_AT_ONCE: Final = 1_000
_HIDDEN: Final = "•"
_CODE_LIKE: Final = re.compile(r"[0-9A-Za-z](?:[0-9A-Za-z]|[ -](?=[0-9A-Za-z])){19,}")


@dataclass(frozen=True, slots=True)
class ProofSymbol:
    """A symbol that was read, and what is to be said of it.

    Attributes:
        symbol: As it was read.
        found: What its text says.
        printed_host: The host that its batch was printed with, where its own is another; else None.
        duplicate: Whether the same code or text stood on an earlier symbol of the same read-back.
    """

    symbol: ReadSymbol
    found: Verification
    printed_host: str | None
    duplicate: bool

    @property
    def foreign(self) -> str | None:
        """`url` or `text` where the text is somebody else's; None where it has the form of a code."""
        if self.found.code is not None:
            return None
        return "url" if "://" in self.symbol.text or self.symbol.text.lower().startswith("www.") else "text"

    @property
    def kind(self) -> str:
        """One of `KINDS`: the gravest that holds."""
        if self.found.code is None:
            return "foreign"
        if not self.found.valid:
            return "forged"
        if self.found.state in BLOCKING_STATES:
            return "stopped"
        if self.printed_host is not None:
            return "wrong_host"
        if self.duplicate:
            return "duplicate"
        return "good" if self.symbol.zbar and self.symbol.zxing else "one_decoder"


@dataclass(slots=True)
class Summary:
    """The sums of a read-back.

    Attributes:
        found: Symbols.
        verified: Symbols whose code is valid.
        one_decoder: Symbols that only one decoder read.
        duplicates: Symbols whose code or text was there before.
        foreign: Symbols with somebody else's text.
        wrong_host: Valid codes behind another host than printed.
        kinds: Symbols of each kind.
        batches: Valid codes of each batch.
        grades: Symbols of each grade.
    """

    found: int = 0
    verified: int = 0
    one_decoder: int = 0
    duplicates: int = 0
    foreign: int = 0
    wrong_host: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    batches: Counter[str] = field(default_factory=Counter)
    grades: Counter[str] = field(default_factory=Counter)

    def add(self, each: ProofSymbol) -> None:
        """Count one more."""
        self.found += 1
        self.verified += each.found.valid
        self.one_decoder += not (each.symbol.zbar and each.symbol.zxing)
        self.duplicates += each.duplicate
        self.foreign += each.foreign is not None
        self.wrong_host += each.printed_host is not None
        self.kinds[each.kind] += 1
        if each.found.batch is not None:
            self.batches[each.found.batch] += 1
        if each.symbol.grade is not None:
            self.grades[each.symbol.grade] += 1

    @property
    def clean(self) -> bool:
        """Whether there was something, all of it good."""
        return bool(self.found) and self.kinds["good"] == self.found


class Proof:
    """Holds the symbols of one read-back against what was issued, in the order in which they come."""

    def __init__(self, ring: Ring, reader: Reader | None = None) -> None:
        """Begin a read-back.

        Args:
            ring: all keys.
            reader: recognises codes that others made; None where only our own count.
        """
        self.summary = Summary()
        self._ring = ring
        self._reader = reader
        self._seen: set[str] = set()
        self._hosts: dict[int, str] = {}

    async def judge(self, tx: Tx, symbols: Sequence[ReadSymbol]) -> list[ProofSymbol]:
        """Verify symbols, and count them."""
        judged: list[ProofSymbol] = []
        for start in range(0, len(symbols), _VERIFIED_AT_ONCE):
            chunk = symbols[start : start + _VERIFIED_AT_ONCE]
            texts = [each.text for each in chunk]
            answers = await verification.verify(tx, self._ring, texts, reader=self._reader)
            missing = {each.batch_id for each in answers if each.batch_id is not None} - self._hosts.keys()
            if missing:
                self._hosts |= await verification.printed_hosts(tx, missing)
            judged += [self._judge(symbol, found) for symbol, found in zip(chunk, answers, strict=True)]
        return judged

    def _judge(self, symbol: ReadSymbol, found: Verification) -> ProofSymbol:
        name = found.code or symbol.text
        printed = self._hosts.get(found.batch_id) if found.batch_id is not None else None
        wrong = printed if printed is not None and found.host is not None and found.host != printed else None
        judged = ProofSymbol(symbol, found, wrong, duplicate=name in self._seen)
        self._seen.add(name)
        self.summary.add(judged)
        return judged


def masked(code: str) -> str:
    """A code as it may be shown to people who look after batches and are given no codes.

    Of a code that others made, which may be short and without a signature, only what stands before it.
    """
    if len(code) == SYMBOLS and "/" not in code:
        return f"{code[:4]}{_HIDDEN * 12}{code[-4:]}"
    head, slash, _ = code.rpartition("/")
    return f"{head}{slash}{_HIDDEN * 8}"


def masked_text(text: str) -> str:
    """A text with whatever in it might be a code made illegible."""
    return _CODE_LIKE.sub(lambda found: found[0][:4] + _HIDDEN * (len(found[0]) - 4), text)


def told(each: ProofSymbol) -> dict[str, Any]:
    """A symbol as JSON; the first six fields stay as they are. It holds the code: money until it is claimed."""
    symbol, found = each.symbol, each.found
    row: dict[str, Any] = {
        "text": symbol.text, "code": found.code, "valid": found.valid, "zbar": symbol.zbar, "zxing": symbol.zxing,
        "grade": symbol.grade, "source": symbol.source, "page": symbol.page, "kind": each.kind,
        "gtin": found.gtin, "batch": found.batch, "line": found.line, "side": found.side, "state": found.state,
        "reason": found.reason, "duplicate": each.duplicate, "foreign": each.foreign,
        "printed_host": each.printed_host, "corners": [list(corner) for corner in symbol.corners],
        "parameters": None,
    }  # fmt: skip
    if symbol.grades is not None:
        row["parameters"] = {
            one.name: {"value": round(one.value, 3), "grade": one.grade, "letter": one.letter}
            for one in symbol.grades.parameters
        }
        row["print_growth"] = round(symbol.grades.growth, 3)
        row["inverted"] = symbol.grades.inverted
    return row


def summed(summary: Summary) -> dict[str, Any]:
    """The sums as JSON."""
    return {
        "found": summary.found, "verified": summary.verified, "one_decoder": summary.one_decoder,
        "duplicates": summary.duplicates, "foreign": summary.foreign, "wrong_host": summary.wrong_host,
        "kinds": dict(summary.kinds), "batches": dict(summary.batches), "grades": dict(summary.grades),
        "clean": summary.clean,
    }  # fmt: skip
