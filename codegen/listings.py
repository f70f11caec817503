r"""Listings: files of codes, one or a pair a line, verified in bulk. Pure.

A line is a code, a URL of either printed form, or two of these with a comma between (outer, inner). Blocks of
whole lines are looked at by numpy: lines that end in 20 symbols and begin as the URLs that `scheme.parse`
takes are verified together; whatever else there is goes the single way, so that both judge the same.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeAlias

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from codegen import base32, scheme
from codegen.bulk import Openers
from codegen.line_fields import LINE_BYTES_MAX, NEWLINE, TOO_LONG, Fields, Ints, Readable, blocks
from codegen.line_fields import split as fields_of
from codegen.scheme import SYMBOLS, MalformedCode
from codegen.states import STATES, Span

SEEN_BYTES_MAX: Final = 512 << 20
"""Memory for noticing codes that come twice, a byte for each code of the batches met. Beyond it, codes of
further batches are verified and not looked for twice."""

PREFIXES_MAX: Final = 1_000
"""Different beginnings of lines that are remembered; lines with others go the single way."""

HOSTS_MAX: Final = 1_000
"""Different hosts that are counted by name; the rest together, as `OTHER_HOSTS`."""

OTHER_HOSTS: Final = "…"

_SYMBOL: Final = np.isin(np.arange(256), np.frombuffer(base32.ALPHABET.encode(), np.uint8))
_DUMMY: Final = base32.ALPHABET[0] * SYMBOLS
_GOOD, _NO_KEY, _NEVER, _PRODUCT, _LATER = 0, 1, 2, 3, 4
_REASONS: Final = {
    _NO_KEY: "forged: no key of ours made it",
    _NEVER: "forged: never issued",
    _PRODUCT: "forged: the URL names another product",
}
PAIR: Final = "pair: not the outer and the inner code of one unit"
DUPLICATE: Final = "duplicate"

Bools: TypeAlias = NDArray[np.bool_]
OnBad: TypeAlias = Callable[[int, str, str], None]


@dataclass(frozen=True, slots=True)
class Known:
    """A batch as a listing is held against it.

    Attributes:
        name: Its name.
        gtin: Its product.
        low: The position (key id << 35 | serial) of its first code.
        high: The position behind that of its last line.
        spans: Its lines by state, in order and without gaps.
        canaries: Units (from, to; their ids) behind its lines whose codes stand on set-up labels. They are valid as
            in any answer, and not told apart.
    """

    name: str
    gtin: str
    low: int
    high: int
    spans: Sequence[Span]
    canaries: Sequence[tuple[int, int]] = ()


@dataclass(slots=True)
class BatchTally:
    """What a listing holds of one batch."""

    batch: str
    gtin: str
    codes: int = 0
    states: dict[str, int] = field(default_factory=dict)


@dataclass(slots=True)
class Tally:
    """What a listing holds. A code is one field of a line; a line without any is blank.

    Attributes:
        lines: Lines, blank ones included.
        blank: Blank lines.
        codes: Fields that should be codes.
        valid: Codes that one of our keys made, that were issued, under a URL of their product.
        bad_lines: Lines with anything that is not valid, not a pair, or there twice.
        duplicates: Codes that stood in the listing before.
        unwatched: Valid codes that were not looked for twice (see `SEEN_BYTES_MAX`).
        reasons: How many fields or lines are bad, by reason.
        hosts: How many codes stand behind each host, printed in lower case; "" where codes stand alone.
        batches: What there is of each batch.
    """

    lines: int = 0
    blank: int = 0
    codes: int = 0
    valid: int = 0
    bad_lines: int = 0
    duplicates: int = 0
    unwatched: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    hosts: Counter[str] = field(default_factory=Counter)
    batches: list[BatchTally] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Prefix:
    """What stands before a code: which product and host it names; `trusted` if whatever follows is a code."""

    trusted: bool
    gtin: int = -1
    host: str = ""


class Listing:
    """Verifies one listing, block by block."""

    def __init__(self, openers: Openers, batches: Sequence[Known], on_bad: OnBad | None = None) -> None:
        """Make ready.

        Args:
            openers: all keys.
            batches: all batches; none overlaps another.
            on_bad: called with line (from 1), reason and the line's text (as Latin letters where it is no
                UTF-8) for each that is bad, in order.
        """
        self.tally = Tally()
        self._openers = openers
        self._on_bad = on_bad
        ordered = sorted(batches, key=lambda each: each.low)
        self._batches = ordered
        issued = sorted(
            (low, high, number)
            for number, each in enumerate(ordered)
            for low, high in ((each.low, each.high), *((2 * first, 2 * last) for first, last in each.canaries))
        )
        self._lows, self._highs, self._owners = (
            np.array([each[column] for each in issued], np.int64) for column in range(3)
        )
        self._gtins = np.array([int(each.gtin) for each in ordered], np.int64)
        edges, states = _edges(ordered)
        self._edges, self._states = edges, states
        self._counts = np.zeros((len(ordered), len(STATES)), np.int64)
        self._prefixes: dict[bytes, _Prefix] = {}
        self._seen: dict[tuple[int, int], Bools | None] = {}
        self._seen_bytes = 0

    def read(self, file: Readable, on_progress: Callable[[int], None] | None = None) -> Tally:
        """Verify all lines of a file; `on_progress` is called with the number of bytes so far.

        Raises:
            InvalidInput: it is UTF-16.
        """
        for block, done in blocks(file, self._overlong):
            self._block(block)
            if on_progress is not None:
                on_progress(done)
        self.tally.batches = [
            BatchTally(each.name, each.gtin, int(row.sum()),
                       {state: int(n) for state, n in zip(STATES, row, strict=True) if n})
            for each, row in zip(self._batches, self._counts, strict=True) if row.any()
        ]  # fmt: skip
        return self.tally

    def _overlong(self) -> None:
        self.tally.lines += 1
        self.tally.codes += 1
        self._bad(self.tally.lines, TOO_LONG, "")
        self.tally.bad_lines += 1

    def _bad(self, line: int, reason: str, text: str) -> None:
        self.tally.reasons[reason] += 1
        if self._on_bad is not None:
            self._on_bad(line, reason, text)

    def _block(self, block: bytes) -> None:
        data = np.frombuffer(block, np.uint8)
        parted = fields_of(data)
        fields, bad = parted.fields, parted.bad
        self.tally.blank += parted.blank
        self.tally.codes += len(bad)
        positions, verdicts, later = self._verify(data, fields)
        self.tally.codes += len(fields.starts)
        reasons: dict[int, str] = {}
        for place in np.flatnonzero(verdicts != _GOOD):
            reasons[int(place)] = later.get(int(place)) or _REASONS[int(verdicts[place])]
        good = np.flatnonzero(verdicts == _GOOD)
        self.tally.valid += len(good)
        twice = good[self._note(positions[good])]
        self.tally.duplicates += len(twice)
        bad += [(int(fields.lines[place]), reason) for place, reason in reasons.items()]
        bad += [(int(fields.lines[place]), DUPLICATE) for place in twice]
        bad += [(line, PAIR) for line in self._unpaired(fields, positions)]
        self._tell(block, data, bad)
        self.tally.lines += parted.lines

    def _verify(self, data: NDArray[np.uint8], fields: Fields) -> tuple[Ints, NDArray[np.uint8], dict[int, str]]:
        """Positions (-1 where not valid), verdicts, and the reasons of those that went the single way."""
        count = len(fields.starts)
        positions = np.full(count, -1, np.int64)
        gtins = np.full(count, -1, np.int64)
        verdicts = np.full(count, _LATER, np.uint8)
        lengths = fields.ends - fields.starts
        for length in np.flatnonzero(np.bincount(lengths, minlength=1)):
            if length >= SYMBOLS and length <= scheme.TEXT_CHARS_MAX:
                places = np.flatnonzero(lengths == length)
                self._verify_equal(data, fields, places, int(length) - SYMBOLS, positions, gtins, verdicts)
        later: dict[int, str] = {}
        for place in np.flatnonzero(verdicts == _LATER):
            reason = self._verify_single(data, fields, int(place), positions, gtins)
            verdicts[place] = _GOOD if reason is None else _NO_KEY
            if reason is not None:
                later[int(place)] = reason
        self._look_up(positions, gtins, verdicts)
        return positions, verdicts, later

    def _verify_equal(
        self, data: NDArray[np.uint8], fields: Fields, places: Ints, before: int, positions: Ints, gtins: Ints,
        verdicts: NDArray[np.uint8],
    ) -> None:  # fmt: skip
        """Verify fields of one length, `before` characters and a code, prefix by prefix."""
        codes = sliding_window_view(data, SYMBOLS)[fields.ends[places] - SYMBOLS]
        plain = _SYMBOL[codes].all(axis=1)
        if not plain.all():
            places, codes = places[plain], codes[plain]
        while len(places):
            start = int(fields.starts[places[0]])
            prefix = self._prefix(data[start : start + before].tobytes())
            if before:
                same = (sliding_window_view(data, before)[fields.starts[places]] == data[start : start + before]).all(1)
            else:
                same = np.ones(len(places), np.bool_)
            if prefix is None:
                return  # too many kinds: the single way
            mine = places[same]
            if prefix.trusted:
                positions[mine], valid = self._openers.open(codes[same])
                verdicts[mine] = np.where(valid, _GOOD, _NO_KEY)
                gtins[mine] = prefix.gtin
                self._count_host(prefix.host, len(mine))
            places, codes = places[~same], codes[~same]

    def _prefix(self, text: bytes) -> _Prefix | None:
        known = self._prefixes.get(text)
        if known is not None or len(self._prefixes) >= PREFIXES_MAX:
            return known
        found = _Prefix(trusted=not text)
        # An escape might reach into the code, and hyphens or letters be part of it: only a path's end is trusted.
        if text.endswith(b"/") and text.isascii() and b"%" not in text:
            try:
                parsed = scheme.parse(text.decode() + _DUMMY)
            except MalformedCode:
                found = _Prefix(trusted=False)
            else:
                found = _Prefix(True, -1 if parsed.url_gtin is None else int(parsed.url_gtin), parsed.host or "")
        self._prefixes[text] = found
        return found

    def _verify_single(
        self, data: NDArray[np.uint8], fields: Fields, place: int, positions: Ints, gtins: Ints
    ) -> str | None:
        text = _text(data[fields.starts[place] : fields.ends[place]].tobytes())
        try:
            parsed = scheme.parse(text)
        except MalformedCode as error:
            return f"malformed: {error.reason}"
        self._count_host(parsed.host or "", 1)
        row = np.frombuffer(parsed.symbols.encode(), np.uint8).reshape(1, SYMBOLS)
        opened, valid = self._openers.open(row)
        if not valid[0]:
            return _REASONS[_NO_KEY]
        positions[place] = opened[0]
        gtins[place] = -1 if parsed.url_gtin is None else int(parsed.url_gtin)
        return None

    def _count_host(self, host: str, codes: int) -> None:
        hosts = self.tally.hosts
        hosts[host if host in hosts or len(hosts) < HOSTS_MAX else OTHER_HOSTS] += codes

    def _look_up(self, positions: Ints, gtins: Ints, verdicts: NDArray[np.uint8]) -> None:
        """Hold what verifies against the batches; counts what is valid."""
        good = np.flatnonzero(verdicts == _GOOD)
        if not len(good):
            return
        if not len(self._batches):
            verdicts[good], positions[good] = _NEVER, -1
            return
        found = positions[good]
        stretch = np.searchsorted(self._lows, found, side="right") - 1
        missing = (stretch < 0) | (found >= self._highs[stretch])
        which = self._owners[stretch]
        wrong = ~missing & (gtins[good] >= 0) & (gtins[good] != self._gtins[which])
        verdicts[good[missing]], verdicts[good[wrong]] = _NEVER, _PRODUCT
        ok = ~(missing | wrong)
        positions[good[~ok]] = -1
        which, units = which[ok], found[ok] >> 1
        states = self._states[np.searchsorted(self._edges, units, side="right") - 1]
        shape = self._counts.shape
        self._counts += np.bincount(which * shape[1] + states, minlength=shape[0] * shape[1]).reshape(shape)

    def _note(self, positions: Ints) -> Bools:
        """Which of the valid codes were there before."""
        twice = np.zeros(len(positions), np.bool_)
        if not len(positions):
            return twice
        group = 2 * self._owner(positions) + (positions & 1)
        for each in np.unique(group):
            mine = np.flatnonzero(group == each)
            batch = self._batches[each >> 1]
            seen = self._seen_of(int(each >> 1), int(each & 1))
            if seen is None:
                self.tally.unwatched += len(mine)
                continue
            index = (positions[mine] - batch.low) >> 1
            again = seen[index]
            if not (np.diff(index) > 0).all():
                first = np.zeros(len(index), np.bool_)
                first[np.unique(index, return_index=True)[1]] = True
                again = again | ~first
            seen[index] = True
            twice[mine] = again
        return twice

    def _unpaired(self, fields: Fields, positions: Ints) -> list[int]:
        """Lines whose two fields are valid codes of one batch and not the outer and the inner one of a unit.

        Codes of two batches are paired on the line, by capture; what belongs together the line knows.
        """
        first = np.flatnonzero(fields.lines[:-1] == fields.lines[1:])
        first = first[(positions[first] >= 0) & (positions[first + 1] >= 0)]
        outer, inner = positions[first], positions[first + 1]
        wrong = ((outer & 1 == 1) | (inner != outer + 1)) & (self._owner(outer) == self._owner(inner))
        return [int(line) for line in fields.lines[first[wrong]]]

    def _owner(self, positions: Ints) -> Ints:
        """The number of the batch of each valid code."""
        owners: Ints = self._owners[np.searchsorted(self._lows, positions, side="right") - 1]
        return owners

    def _seen_of(self, batch: int, side: int) -> Bools | None:
        if (batch, side) not in self._seen:
            known = self._batches[batch]
            size = max([known.high // 2, *(last for _, last in known.canaries)]) - known.low // 2
            fits = self._seen_bytes + size <= SEEN_BYTES_MAX
            self._seen[batch, side] = np.zeros(size, np.bool_) if fits else None
            self._seen_bytes += size if fits else 0
        return self._seen[batch, side]

    def _tell(self, block: bytes, data: NDArray[np.uint8], bad: list[tuple[int, str]]) -> None:
        if not bad:
            return
        self.tally.bad_lines += len({line for line, _ in bad})
        stops = np.flatnonzero(data == NEWLINE)
        for line, reason in sorted(bad):
            start = int(stops[line - 1]) + 1 if line else 0
            text = block[start : min(int(stops[line]), start + LINE_BYTES_MAX)]
            self._bad(self.tally.lines + line + 1, reason, _text(text.rstrip(b"\r")))


def _text(raw: bytes) -> str:
    """As text; what is no UTF-8 (GBK, say) stays recognisable and becomes no code."""
    return raw.decode("utf-8", "replace")


def _edges(batches: Sequence[Known]) -> tuple[Ints, Ints]:
    """Where spans of one state begin, as unit ids over all batches, and the state's number there."""
    edges, states = [-1], [STATES.index("issued")]
    for batch in batches:
        first = batch.low >> 1
        for span in batch.spans:
            edges.append(first + span.first - 1)
            states.append(STATES.index(span.state))
        if batch.spans:  # what lies behind the lines was never given a state
            edges.append(first + batch.spans[-1].last)
            states.append(STATES.index("issued"))
    return np.array(edges, np.int64), np.array(states, np.int64)
