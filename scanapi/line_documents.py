"""What the line's API reads and answers."""

from __future__ import annotations

from datetime import datetime

import msgspec

from codegen import lineset
from codegen.captures import Answer
from codegen.capturing import Captured
from codegen.line_sessions import Session
from codegen.runs import KINDS, Part, Run
from traceability.cartons import Contents


class SessionIn(msgspec.Struct, forbid_unknown_fields=True):
    """Opens a session; with `inner_batch` it pairs outer codes of `batch` with that one's inner codes."""

    batch: str
    inner_batch: str | None = None
    direction: str = "up"


class CaptureIn(msgspec.Struct, forbid_unknown_fields=True):
    """What was seen, under the session's next number: codes, or `[outer, inner]` pairs."""

    sequence: int
    codes: list[str] | None = None
    pairs: list[tuple[str, str]] | None = None


class RunIn(msgspec.Struct, forbid_unknown_fields=True):
    """Gives rolls (numbers or labels) or ranges of lines (`[first, last]`) to a printer."""

    batch: str
    printer: str
    rolls: list[str] = []
    lines: list[tuple[int, int]] = []


class EntryIn(msgspec.Struct, forbid_unknown_fields=True):
    """What became of lines, in one way: scanned codes, between two of them, ranges of lines, or a count."""

    kind: str
    codes: list[str] = []
    between: list[str] = []
    lines: list[tuple[int, int]] = []
    count: int | None = None
    part: int | None = None
    captured: bool = False
    instead: bool = False


class CloseIn(msgspec.Struct, forbid_unknown_fields=True):
    """Closes a run; may activate what is good, and void what is wasted or missing."""

    activate: bool = False
    void: bool = False


class StateIn(msgspec.Struct, forbid_unknown_fields=True):
    """Gives codes a state (`thawed` lifts a freeze); they are named in one way."""

    state: str
    batch: str | None = None
    first: int | None = None
    last: int | None = None
    between: list[str] = []
    codes: list[str] = []
    roll: str | None = None
    case: str | None = None
    order: str | None = None
    reason: str | None = None
    reason_code: str | None = None


class PackIn(msgspec.Struct, forbid_unknown_fields=True):
    """Packs a carton from scanned codes."""

    sscc: str
    codes: list[str]


class ChangeIn(msgspec.Struct, forbid_unknown_fields=True):
    """Takes units out of a carton and puts others in, by their codes."""

    out: list[str] = []
    put: list[str] = []
    reason: str = ""


class UnpackIn(msgspec.Struct, forbid_unknown_fields=True):
    """Dissolves a carton that was never shipped."""

    reason: str


class SessionOut(msgspec.Struct):
    """A session; `totals` are verdicts and remarks so far, `next_sequence` the capture it waits for."""

    session: str
    batch: str
    inner_batch: str | None
    direction: str
    state: str
    opened_at: datetime
    closed_at: datetime | None
    next_sequence: int
    last_line: int | None
    totals: dict[str, int]

    @classmethod
    def of(cls, found: Session) -> SessionOut:
        """As it is answered."""
        return cls(
            found.name, found.batch, found.inner_batch, found.direction, found.state, found.opened_at,
            found.closed_at, found.next_sequence, found.last_line, found.totals,
        )  # fmt: skip


class JudgedOut(msgspec.Struct, omit_defaults=True):
    """The verdict on a code or pair; what there is nothing to say of is left out."""

    verdict: str
    line: int | None = None
    inner_line: int | None = None
    side: str | None = None
    active: bool = False
    remark: str | None = None
    gap: int = 0

    @classmethod
    def of(cls, found: Answer) -> JudgedOut:
        """As it is answered."""
        return cls(
            found.verdict, found.line, found.inner_line, found.side, found.active, found.remark, found.gap
        )  # fmt: skip


class CaptureOut(msgspec.Struct):
    """The verdicts on a capture, in the order of its codes or pairs."""

    session: str
    sequence: int
    answers: list[JudgedOut]
    totals: dict[str, int]

    @classmethod
    def of(cls, found: Captured) -> CaptureOut:
        """As it is answered."""
        return cls(found.session, found.sequence, [JudgedOut.of(each) for each in found.answers], found.totals)


class PartOut(msgspec.Struct):
    """A roll or range that a run was given: how many lines, and what became of them."""

    part: int
    roll: int | None
    first: int
    last: int
    issued: int
    good: int
    waste: int
    returned: int
    missing: int
    off: int

    @classmethod
    def of(cls, found: Part) -> PartOut:
        """As it is answered."""
        good, waste, returned, missing = (found.total(kind) for kind in KINDS)
        return cls(
            found.id, found.roll, found.first, found.last, found.issued, good, waste, returned, missing, found.off
        )  # fmt: skip


class RunOut(msgspec.Struct, kw_only=True, omit_defaults=True):
    """A run and its balance; `off` is what is not accounted for. Closing tells what was `activated` and `voided`."""

    run: str
    batch: str
    printer: str
    state: str
    issued: int
    good: int
    waste: int
    returned: int
    missing: int
    off: int
    parts: list[PartOut]
    activated: int | None = None
    voided: int | None = None

    @classmethod
    def of(cls, found: Run, *, activated: int | None = None, voided: int | None = None) -> RunOut:
        """As it is answered."""
        return cls(
            run=found.name, batch=found.batch, printer=found.printer, state=found.state, issued=found.issued,
            **{kind: found.total(kind) for kind in KINDS}, off=found.off,
            parts=[PartOut.of(part) for part in found.parts], activated=activated, voided=voided,
        )  # fmt: skip


class SwitchedBatchOut(msgspec.Struct):
    """What was switched in one batch: units meant, and units that changed."""

    batch: str
    units: int
    changed: int


class SwitchedOut(msgspec.Struct):
    """What was given a state."""

    state: str
    units: int
    batches: list[SwitchedBatchOut]


class CartonOut(msgspec.Struct):
    """A carton: how many units, and the document it was shipped under last."""

    sscc: str
    units: int
    packed_at: datetime
    document: str | None

    @classmethod
    def of(cls, found: Contents) -> CartonOut:
        """As it is answered."""
        return cls(found.sscc, lineset.count(found.units), found.packed_at, found.document)


class UnpackedOut(msgspec.Struct):
    """A carton that is no more, and how many units it had."""

    sscc: str
    units: int
