"""What the clients did and were told: the only witness beside the database that the auditor hears."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from tests.simulation.stage import Code

Variant = tuple[str, str | None, int | None]
"""What makes two requests with one scan id the same scan: code, device, member."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer: who gave it, when it was asked for and heard (the monotonic clock), and what it said."""

    server: str
    asked_at: float
    at: float
    status: int
    body: bytes
    variant: Variant


@dataclass(slots=True)
class Scan:
    """One scan id, however often and in however many variants it was sent."""

    scan_id: UUID
    code: Code | None
    kind: str
    place: dict[str, Any] | None = None
    sent: int = 0
    answers: list[Answer] = field(default_factory=list)
    variants: set[Variant] = field(default_factory=set)

    @property
    def told(self) -> list[Answer]:
        """The answers that tell what the scan led to."""
        return [answer for answer in self.answers if answer.status == 200]

    @property
    def reply(self) -> dict[str, Any] | None:
        """What it led to, as told first."""
        return json.loads(self.told[0].body) if self.told else None

    @property
    def unanswered(self) -> int:
        """Requests of which nobody knows what became: no answer, or one that says to send it again."""
        return self.sent - sum(answer.status < 500 for answer in self.answers)


@dataclass(frozen=True, slots=True)
class Kill:
    """A process that was killed: when, and since when what it had counted may not have been written."""

    program: str
    at: float
    uncounted_since: float


class Diary:
    """All scans of a run, and who was killed."""

    def __init__(self) -> None:
        self.scans: dict[UUID, Scan] = {}
        self.kills: list[Kill] = []
        self.decisions: dict[int, str] = {}
        """What became of claims that a rule held, by a person's word that was acknowledged: `posted` or `voided`."""

    def scan(self, scan_id: UUID, code: Code | None, kind: str) -> Scan:
        """The scan with this id, noted when it is first sent."""
        return self.scans.setdefault(scan_id, Scan(scan_id, code, kind))

    def of_kind(self, *kinds: str) -> list[Scan]:
        """The scans of codes that are `real`, `forged` or `malformed`."""
        return [scan for scan in self.scans.values() if scan.kind in kinds]
